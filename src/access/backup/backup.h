// Backup: copies of a platform's whole state, made while it runs: incremental, of one instant, sealed as the state is.
//
// It copies files as they lie on the disk: pages of the databases, the lake's stored files, segments of the audit log,
// segments of the buffer's log, the wrapped keys. So it needs no key, reads no plaintext, and who has a backup has
// nothing without the root key. One instant: both databases stand still at once (HoldFile), nothing that they name goes
// meanwhile, and everything else only grows. Never: touches an older backup but to prune it, or counts before its
// manifest is there. Owned by app, which stops it before what it reads from; any thread; one backup at a time
// (kConflict). State: the metadata's table `backups`, what was tried and came of it. Fails: a full or failing disk of
// the place ends that backup only; those before stay whole, and the next goes on with what was copied.
//
//   auto backup = TRY(Backup::Create(config, {env, state, database, lake, buffer, audit, metrics, "0.1.0"}));
//   BackupOutcome made = TRY(backup->Run({.to = "/mnt/backups/tarn"}, stop));
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/audit/audit.h"
#include "access/backup/config.h"
#include "access/backup/copier.h"
#include "access/backup/manifest.h"
#include "access/backup/store.h"
#include "base/env.h"
#include "base/metrics.h"
#include "ingestion/buffer/buffer.h"
#include "metadata/metadata.h"
#include "metadata/state_directory.h"
#include "security/router.h"
#include "storage/lake/lake.h"

namespace tarn::access {

struct BackupDependencies {
    Env& env;
    const metadata::StateDirectory& state;
    metadata::Database& database;
    lake::Lake& lake;
    buffer::Buffer& buffer;
    Audit& audit;
    Metrics& metrics;
    std::string version;
};

struct BackupOrder {
    std::string to;  // empty: where the configuration says
    std::optional<int> keep;  // likewise
};

struct BackupOutcome {
    BackupSummary backup;
    std::string place;
    int pruned = 0;
};

// One attempt, for people.
struct BackupAttempt {
    std::string name;  // empty when it failed
    std::string place;
    Timestamp at;
    Duration took{0};
    uint64_t files = 0;
    uint64_t bytes = 0;
    uint64_t bytes_new = 0;
    std::string error;
};

class Backup {
  public:
    using Stop = Copier::Stop;
    static Result<std::unique_ptr<Backup>> Create(const BackupConfig& config, BackupDependencies dependencies);
    ~Backup();

    Result<BackupOutcome> Run(BackupOrder order, const Stop& stop);
    // By the schedule: the last one that succeeded, or this program's start, is `every` ago.
    bool Due();
    // Ok, or: the schedule's last attempt failed, or it is overdue.
    Status Health();
    // The newest first.
    Result<std::vector<BackupAttempt>> Attempts();
    std::optional<Timestamp> last_success() const;
    BackupConfig config() const;
    void SetConfig(const BackupConfig& config);

    std::vector<security::Route> Routes();

  private:
    struct State;
    explicit Backup(std::unique_ptr<State> state);
    Result<BackupOutcome> Make(const BackupOrder& order, const Stop& stop);
    Result<BackupSummary> CopyState(Copier& copier, Timestamp& at);
    Status Record(const BackupAttempt& attempt);
    std::unique_ptr<State> state_;
};

// Of a platform that does not run; `state` is open, so none can start. Needs no key, and is in no audit log.
Result<BackupOutcome> BackUpStopped(Env& env, const metadata::StateDirectory& state, const std::string& version,
                                    const BackupOrder& order);

Json OutcomeJson(const BackupOutcome& outcome);

}  // namespace tarn::access
