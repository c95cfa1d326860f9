// A Delta table elsewhere that one writer replaces as a whole: what its log says, and what the next entry says. Pure
// but for the checkpoint, which the engine writes. Public to other components by DOORS.
//
// Each entry of ours holds everything (protocol, metadata, the writer's mark, the files that go, the one that comes),
// so the newest alone tells the state; an entry of somebody else does not, and is refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "engine/engine.h"

namespace tarn::lakehouse {

class TableState;

class ReplacedTable {
  public:
    // `writer` stands in each entry's commitInfo.
    ReplacedTable(Env& env, std::string writer);
    ~ReplacedTable();
    // The newest entry. Not called: there is no table yet. kFailedPrecondition for an entry of somebody else.
    Status Read(int64_t version, std::string_view entry);
    int64_t version() const { return version_; }  // -1: none
    // Whether the mark of this application is there at that version, or a later one.
    bool Has(const std::string& application, int64_t application_version) const;
    // The SELECT whose rows a Delta table can hold, made of one with these columns.
    Result<std::string> Plan(const std::vector<engine::ResultColumn>& columns, const std::string& select);
    // The text of entry version() + 1, after Plan: the file at `path` (relative) instead of all that are there.
    std::string Next(const std::string& path, const engine::WrittenFile& file, const std::string& application,
                     int64_t application_version);
    // Files that the state after Next, or after Read, consists of.
    std::vector<std::string> Paths() const;

    // Writes the state as a checkpoint to `path` of the engine's files; the text of _last_checkpoint.
    Result<std::string> WriteCheckpoint(engine::Engine& engine, const std::string& path) const;
    static std::string EntryName(int64_t version);
    static std::string CheckpointName(int64_t version);

  private:
    Env& env_;
    const std::string writer_;
    int64_t version_ = -1;
    std::unique_ptr<TableState> state_;
    std::string schema_json_;
};

}  // namespace tarn::lakehouse
