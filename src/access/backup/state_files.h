// What of a state directory is backed up, and how each part is copied. Internal to backup.
#pragma once

#include <optional>

#include "access/audit/audit.h"
#include "access/backup/copier.h"
#include "base/env.h"
#include "ingestion/buffer/buffer.h"
#include "storage/lake/lake.h"

namespace tarn::access {

// tarn-state.json and keys.json: after the databases stand still, for the keys that they need are there by then.
Status CopySmallFiles(Env& env, Copier& copier, const std::string& state_path);
// Both databases; of a stopped platform with what their logs hold.
Status CopyDatabases(Env& env, Copier& copier, const std::string& state_path, bool with_logs);
// Up to the head; without one all that is there.
Status CopyAudit(Env& env, Copier& copier, const std::string& state_path, const std::optional<AuditHead>& head);
// Segments, indexes, checkpoint: as they were at the hold; of a stopped platform as they lie there.
Status CopyBuffer(Copier& copier, const std::string& state_path, const buffer::LogHold& hold);
Result<buffer::LogHold> BufferOfStopped(Env& env, const std::string& state_path);
// The stored files. With a hold, those that the index names and that are not there are counted.
Result<uint64_t> CopyLake(Env& env, Copier& copier, const std::string& state_path, lake::LakeHold* hold);

}  // namespace tarn::access
