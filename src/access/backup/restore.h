// Restore: a state directory out of a backup. Every chunk is proved before the first file is written.
//
// The folder must be empty, or hold a restore of the same backup that was cut off, which then goes on. The commit point
// is tarn-state.json, written last: without it no Tarn opens the folder. What was restored stands in restored.json,
// which the next start puts into the audit log. Needs the root key, to prove that it is the right one before anything
// is done.
#pragma once

#include <optional>
#include <string>

#include "access/backup/manifest.h"
#include "access/backup/store.h"
#include "access/encryption/config.h"
#include "base/env.h"
#include "base/json.h"

namespace tarn::access {

inline constexpr const char* kRestoredFile = "restored.json";

struct RestoreOrder {
    std::string folder;  // the state directory
    std::string name;  // of the backup; empty: the newest
    std::optional<Timestamp> at;  // the newest at or before it
    EncryptionConfig encryption;  // where the root key lies
    int state_format_max = 0;
};

struct RestoreOutcome {
    BackupSummary backup;
    std::string root_key_file;
};

Result<std::vector<BackupSummary>> ListBackups(BackupStore& store);  // the oldest first
Result<RestoreOutcome> RestoreBackup(Env& env, BackupStore& store, const RestoreOrder& order);
Json SummaryAsJson(const BackupSummary& summary);

}  // namespace tarn::access
