// The names of what lies in a table's _delta_log folder, and paths of a table's files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "storage/lake/lake.h"

namespace tarn::lakehouse {

struct LogFileName {
    enum class Kind : uint8_t { kCommit, kCheckpoint, kCheckpointPart, kCheckpointV2 };
    Kind kind = Kind::kCommit;
    int64_t version = -1;
    int part = 0;   // kCheckpointPart: 1-based
    int parts = 0;
    bool is_json = false;  // kCheckpointV2
    std::string name;      // within _delta_log
};

// Nothing for other files (.crc, compacted logs, _last_checkpoint ...), which a reader may ignore.
std::optional<LogFileName> ParseLogFileName(std::string_view name);
std::string CommitFileName(int64_t version);
std::string CheckpointFileName(int64_t version);

// Where a table lies: "lakehouse" and "delays/flights".
struct TableLocation {
    std::string bucket;
    std::string prefix;  // without a slash at the end

    lake::ObjectName Name(std::string_view relative) const { return {bucket, prefix + "/" + std::string(relative)}; }
    lake::ObjectName LogName(std::string_view file) const { return Name("_delta_log/" + std::string(file)); }
    std::string ToString() const { return bucket + "/" + prefix; }
    // A path of an action as "bucket/key"; kNotSupported for files outside of the table's bucket, kCorruption for
    // malformed ones.
    Result<std::string> Resolve(std::string_view path) const;
    // The other way: "bucket/key" of a file below the table, as an action names it.
    std::string Relative(const std::string& object_path) const;
};

}  // namespace tarn::lakehouse
