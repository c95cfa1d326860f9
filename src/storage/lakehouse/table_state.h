// What a log says at one version: replayed action by action.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "storage/lakehouse/actions.h"
#include "storage/lakehouse/delta_schema.h"

namespace tarn::lakehouse {

// Where an action stands decides what may be there twice.
enum class ActionOrigin : uint8_t { kCommit, kCheckpoint };

class TableState {
  public:
    // Actions of a commit must come in the order of versions. kCorruption for what no commit may hold.
    Status Apply(Action action, ActionOrigin origin, int64_t version);
    // After the last action: protocol and metadata are there and readable by us; parses the schema.
    Status Finish();

    int64_t version = -1;
    int64_t committed_ms = 0;
    std::string commit_id;  // of the version's commit in the lake; empty if it is gone
    int64_t checkpoint_version = -1;  // the newest one that was seen

    Protocol protocol;
    Metadata metadata;
    std::vector<DeltaField> schema;
    // Shared between the states of successive versions, so that a commit does not copy the files of the table.
    std::unordered_map<std::string, std::shared_ptr<const AddFile>> files;
    std::unordered_map<std::string, std::shared_ptr<const RemoveFile>> tombstones;
    std::map<std::string, TransactionMark> transactions;
    std::map<std::string, DomainMetadata> domains;

  private:
    Status Add(AddFile file, ActionOrigin origin, int64_t at_version);
    Status Remove(RemoveFile file, ActionOrigin origin, int64_t at_version);
    int64_t protocol_version_ = -1;  // of the commit that set it
    int64_t metadata_version_ = -1;
    bool has_protocol_ = false;
    bool has_metadata_ = false;
};

}  // namespace tarn::lakehouse
