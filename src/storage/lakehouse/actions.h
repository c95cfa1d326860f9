// The actions of a Delta log: what stands on one line of a commit, or in one row of a checkpoint.
// Format: docs/formats/delta.md, after Delta's PROTOCOL.md, "Actions".
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tarn::lakehouse {

// Says which rows of a file are deleted. storage_type: 'u' file by UUID in the table's folder, 'i' inline, 'p' path.
struct DeletionVector {
    char storage_type = 0;
    std::string path_or_inline;
    std::optional<int64_t> offset;
    int64_t size_bytes = 0;
    int64_t cardinality = 0;

    // The vector's part in a file's identity.
    std::string UniqueId() const;
    bool operator==(const DeletionVector& other) const { return UniqueId() == other.UniqueId(); }
};

using PartitionValues = std::vector<std::pair<std::string, std::optional<std::string>>>;

struct AddFile {
    std::string path;  // as written: percent-encoded, relative to the table
    PartitionValues partition_values;
    int64_t bytes = 0;
    int64_t modified_ms = 0;
    bool data_change = true;
    std::string statistics;  // JSON text as written; may be empty
    std::string tags_json;   // may be empty
    std::unique_ptr<DeletionVector> deletion_vector;  // few files have one
    int64_t rows = -1;       // from the statistics; -1 unknown
    int64_t added_in = -1;   // the version of the commit; set by replay

    AddFile() = default;
    AddFile(AddFile&&) = default;
    AddFile& operator=(AddFile&&) = default;
    AddFile Clone() const;
    // Path and deletion vector identify a file in the log; equivalent spellings of a path are the same.
    std::string Key() const;
};

struct RemoveFile {
    std::string path;
    int64_t deleted_ms = 0;
    bool data_change = true;
    bool extended = false;
    PartitionValues partition_values;
    int64_t bytes = 0;
    std::unique_ptr<DeletionVector> deletion_vector;
    int64_t removed_in = -1;

    RemoveFile() = default;
    RemoveFile(RemoveFile&&) = default;
    RemoveFile& operator=(RemoveFile&&) = default;
    RemoveFile Clone() const;
    // What takes `file` out of the table.
    static RemoveFile Of(const AddFile& file, int64_t deleted_ms);
    std::string Key() const;
};

struct Metadata {
    std::string id;
    std::string name;
    std::string description;
    std::string format = "parquet";
    std::string schema_json;
    std::vector<std::string> partition_columns;
    std::map<std::string, std::string> configuration;
    int64_t created_ms = 0;

    // A property, or `fallback`.
    std::string Property(const std::string& key, std::string fallback = "") const;
    bool operator==(const Metadata& other) const = default;
};

struct Protocol {
    int reader_version = 1;
    int writer_version = 2;
    std::vector<std::string> reader_features;
    std::vector<std::string> writer_features;
    bool operator==(const Protocol& other) const = default;
};

struct TransactionMark {
    std::string application;
    int64_t version = -1;
    int64_t updated_ms = 0;
};

struct DomainMetadata {
    std::string domain;
    std::string configuration;
    bool removed = false;
};

struct Sidecar {
    std::string path;
    int64_t bytes = 0;
};

struct CheckpointMetadata {
    int64_t version = -1;
};

struct CommitInfo {
    int64_t timestamp_ms = -1;
    int64_t in_commit_timestamp_ms = -1;
    std::string json;  // the whole object
};

using Action = std::variant<AddFile, RemoveFile, Metadata, Protocol, TransactionMark, DomainMetadata, Sidecar,
                            CheckpointMetadata, CommitInfo>;

// A file's statistics, taken apart; the maps stay JSON text (empty where there is none).
struct FileStatistics {
    int64_t rows = -1;
    std::string min;
    std::string max;
    std::string nulls;
};

// Reads lines of commits (and rows of checkpoints as JSON). Not thread-safe: it keeps its buffers.
class ActionParser {
  public:
    ActionParser();
    ~ActionParser();
    // Nothing for an action that we may ignore (cdc, and what is newer). kCorruption for anything malformed.
    Result<std::optional<Action>> Parse(std::string_view line);
    // `add.stats`. Malformed ones count as none: they only serve to skip files.
    FileStatistics ParseStatistics(std::string_view text);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// One line of a commit, without the newline.
std::string ToJsonLine(const Action& action);

// "/a" and "file:///a" are the same file as "file:/a"; relative paths stay.
std::string CanonicalPath(std::string_view path);

}  // namespace tarn::lakehouse
