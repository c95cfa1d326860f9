// What the program does by itself, as operations: rows of protocol "internal", dispatched like anybody's call, so that
// loads, builds of tables, and what `tarn up` does on its own stand in the audit log. Their opening record is on disk
// before anything is published (security/operation.h); without a closing one a run has failed.
#pragma once

#include <functional>
#include <string>

#include "ingestion/orchestrator/orchestrator.h"
#include "security/operation.h"

namespace tarn::app {

extern const security::Operation kOwnLoad;       // of one stream of a source
extern const security::Operation kOwnBuild;      // of one table
extern const security::Operation kOwnJob;        // the run of a job, for its person
extern const security::Operation kOwnCache;      // of one table: its serving cache
extern const security::Operation kOwnClean;      // of tables: old versions, and what was removed
extern const security::Operation kOwnApply;      // the workspace, at start
extern const security::Operation kOwnToken;      // the command line's, at start
extern const security::Operation kOwnLoginLink;  // the one-time link, while no admin has a credential
extern const security::Operation kOwnSecret;     // the demo's
extern const security::Operation kOwnExport;     // of a stopped platform
extern const security::Operation kOwnDropLoads;  // complete loads that another took the place of
extern const security::Operation kOwnBackup;     // the schedule's
extern const security::Operation kOwnRestore;    // recorded by the first start after it
extern const security::Operation kOwnReload;     // by a signal, or new files of the certificate
extern const security::Operation kOwnVerify;     // of a stopped platform

void AddOwnOperations(security::OperationRegistry& registry);

// A kind of task, each run of it an operation `row` of `principal` on the task's source or table.
class AuditedTask : public orchestrator::TaskKind {
  public:
    AuditedTask(orchestrator::TaskKind& kind, const security::Operation& row, security::Principal principal,
                security::Dispatcher& dispatcher)
        : AuditedTask(
              kind, row, [principal](const orchestrator::TaskRun&) { return principal; }, dispatcher) {}
    // Of a principal that is another one for each run.
    using Who = std::function<security::Principal(const orchestrator::TaskRun&)>;
    AuditedTask(orchestrator::TaskKind& kind, const security::Operation& row, Who who, security::Dispatcher& dispatcher)
        : kind_(kind), row_(row), who_(std::move(who)), dispatcher_(dispatcher) {}
    Result<orchestrator::TaskOutcome> Run(orchestrator::TaskRun& run) override;
    Result<bool> HasNew(const orchestrator::TaskSpec& spec) override { return kind_.HasNew(spec); }
    Result<std::string> CurrentVersion(const orchestrator::TaskSpec& spec) override {
        return kind_.CurrentVersion(spec);
    }

  private:
    orchestrator::TaskKind& kind_;
    const security::Operation& row_;
    const Who who_;
    security::Dispatcher& dispatcher_;
};

}  // namespace tarn::app
