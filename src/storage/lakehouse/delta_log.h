// Reads a table's log out of the lake: from the newest usable checkpoint through the commits after it.
//
// A log is read with the program's own rights: whoever calls has asked the gate about the table before.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "storage/lake/lake.h"
#include "storage/lakehouse/log_files.h"
#include "storage/lakehouse/table_state.h"

namespace tarn::lakehouse {

// Gives the rows of a checkpoint's Parquet file ("bucket/key") as JSON texts, one action each.
class CheckpointRows {
  public:
    virtual ~CheckpointRows() = default;
    virtual Status Read(const std::string& path, const std::function<Status(std::string_view)>& row) = 0;
};
std::unique_ptr<CheckpointRows> MakeEngineCheckpointRows(engine::Engine& engine);

struct CommitHeader {
    int64_t version = -1;
    Timestamp committed_at;
    std::string info_json;  // commitInfo; empty where there is none
};

class DeltaLog {
  public:
    DeltaLog(lake::Lake& lake, CheckpointRows& checkpoints, TableLocation location);

    // The newest version, or `wanted`. kNotFound: no log here, or no such version; kCorruption: gaps and damage.
    Result<std::shared_ptr<TableState>> Load(std::optional<int64_t> wanted = std::nullopt);
    // Brings `state` up to the newest version; one listing of two names when nothing happened. `state` is copied only
    // if somebody else holds it, too.
    Result<std::shared_ptr<TableState>> Refresh(std::shared_ptr<TableState> state);
    // The newest version committed at or before `time`.
    Result<int64_t> VersionAt(Timestamp time);
    // Newest first.
    Result<std::vector<CommitHeader>> Headers(int limit);
    Result<CommitHeader> ReadHeader(int64_t version);
    // All actions of one commit; kNotFound if it is not there.
    Status ReadCommit(int64_t version, const std::function<Status(Action)>& action);
    // Versions whose commits are in the lake, ascending.
    Result<std::vector<int64_t>> CommitVersions();

    const TableLocation& location() const { return location_; }

  private:
    struct Listing;
    struct Checkpoint;
    Result<Listing> List(const std::string& start_after);
    Result<Listing> ListFromHint(std::optional<int64_t> wanted, bool& is_whole);
    std::optional<int64_t> ReadHint();
    Result<std::shared_ptr<TableState>> Replay(const Listing& listing, std::optional<int64_t> wanted);
    Status ApplyCheckpoint(const Checkpoint& checkpoint, TableState& state);
    Status ApplyCheckpointFile(const std::string& name, bool is_json, TableState& state,
                               std::vector<std::string>& sidecars);
    Status ApplyCommit(int64_t version, TableState& state);
    Error NoTable() const;

    lake::Lake& lake_;
    CheckpointRows& checkpoints_;
    TableLocation location_;
    security::Principal self_;
    ActionParser parser_;
};

// Calls `line` for each line of an object, read in pieces; a line is at most 256 MiB long.
Status ForEachLine(lake::Object& object, const std::function<Status(std::string_view)>& line);

}  // namespace tarn::lakehouse
