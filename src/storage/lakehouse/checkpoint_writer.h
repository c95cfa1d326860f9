// Checkpoints: the state of a log at one version as Parquet, so that readers need not replay what came before.
#pragma once

#include "storage/lakehouse/lakehouse.h"
#include "storage/lakehouse/log_files.h"
#include "storage/lakehouse/table_state.h"

namespace tarn::lakehouse {

// Writes a classic checkpoint (one file) of the state's version, and then _last_checkpoint. Fine if it is there
// already.
Status WriteCheckpoint(const LakehouseDependencies& dependencies, const TableLocation& location,
                       const TableState& state);

// The checkpoint alone, as one file where `options` say. Files removed before are left out.
struct CheckpointFile {
    engine::WrittenFile file;
    std::string hint;  // what _last_checkpoint says
};
Result<CheckpointFile> WriteCheckpointFile(engine::Engine& engine, const TableState& state, int64_t oldest_tombstone_ms,
                                           engine::WriteOptions options);

// Files removed longer ago are left out of checkpoints (delta.deletedFileRetentionDuration, a week by default).
Duration TombstoneRetention(const Metadata& metadata);

}  // namespace tarn::lakehouse
