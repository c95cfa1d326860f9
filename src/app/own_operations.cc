#include "app/own_operations.h"

#include <algorithm>

namespace tarn::app {
namespace {

using security::AuditClass;
using security::Operation;

// Runs have a limit of their own (runs.parallel); this one only has to be larger.
constexpr security::OperationLimits kLimits{.body_bytes_max = 0, .concurrent_max = 10'000};

constexpr Operation Row(std::string_view name, std::string_view action, std::string_view resource,
                        AuditClass audit_class) {
    return {"internal", name, action, resource, audit_class, kLimits};
}

}  // namespace

constexpr Operation kOwnLoad = Row("Load", "source:Load", "source.stream", AuditClass::kChange);
constexpr Operation kOwnBuild = Row("Build", "table:Write", "schema.table", AuditClass::kChange);
constexpr Operation kOwnJob = Row("RunJob", "run:Run", "use_case.job", AuditClass::kChange);
constexpr Operation kOwnCache = Row("BuildCache", "table:Read", "schema.table", AuditClass::kRead);
constexpr Operation kOwnClean = Row("Clean", "table:Vacuum", "schema.table", AuditClass::kChange);
constexpr Operation kOwnDropLoads = Row("DropLoads", "source:DropLoads", "source.stream", AuditClass::kChange);
constexpr Operation kOwnApply = Row("Apply", "workspace:Apply", "workspace", AuditClass::kAdministration);
constexpr Operation kOwnToken = Row("CreateToken", "token:Create", "user", AuditClass::kAdministration);
constexpr Operation kOwnLoginLink = Row("CreateLoginLink", "user:CreateLoginLink", "user", AuditClass::kAdministration);
constexpr Operation kOwnSecret = Row("SetSecret", "secret:Set", "secret", AuditClass::kAdministration);
constexpr Operation kOwnExport = Row("Export", "platform:Export", "platform", AuditClass::kKeyUse);
constexpr Operation kOwnBackup = Row("Backup", "platform:Backup", "platform", AuditClass::kAdministration);
constexpr Operation kOwnRestore = Row("Restore", "platform:Restore", "platform", AuditClass::kAdministration);
constexpr Operation kOwnReload = Row("Reload", "platform:Reload", "platform", AuditClass::kAdministration);
constexpr Operation kOwnVerify = Row("Verify", "platform:Verify", "platform", AuditClass::kRead);

void AddOwnOperations(security::OperationRegistry& registry) {
    for (const Operation& row :
         {kOwnLoad, kOwnBuild, kOwnJob, kOwnCache, kOwnClean, kOwnDropLoads, kOwnApply, kOwnToken, kOwnLoginLink,
          kOwnSecret, kOwnExport, kOwnVerify, kOwnBackup, kOwnReload, kOwnRestore}) {
        registry.Add(row);
    }
}

Result<orchestrator::TaskOutcome> AuditedTask::Run(orchestrator::TaskRun& run) {
    Result<orchestrator::TaskOutcome> outcome = Error(ErrorCode::kInternal, "the task gave no outcome");
    const orchestrator::TaskSpec& spec = run.spec();
    // "source:registry.planes" is the stream registry.planes; the version that a table's run makes is told at its end.
    security::Resource resource{spec.kind, spec.id.substr(spec.id.find(':') + 1)};
    security::Opening opening{.details = {{"run", run.run_id()}, {"dataset", spec.dataset}, {"file", spec.file}},
                              .tell = nullptr};
    Status recorded = dispatcher_.Run(
        row_, who_(run), resource, "",
        [&](security::Call& call) -> Status {
            outcome = kind_.Run(run);
            if (!outcome.ok()) {
                call.details["error"] = outcome.error().message();
                return outcome.error();
            }
            call.rows = std::max<int64_t>(outcome->rows, 0);
            call.bytes = outcome->details.value("bytes", int64_t{0});
            call.details["changed"] = outcome->changed;
            call.details["version"] = outcome->version;
            if (!outcome->input_versions.empty()) call.details["inputs"] = outcome->input_versions;
            return Ok();
        },
        std::move(opening));
    // The effect may be committed; the run is started again, finds it, and is recorded then.
    if (!recorded.ok()) return std::move(recorded).error();
    return outcome;
}

}  // namespace tarn::app
