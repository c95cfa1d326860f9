// The HTTP operations of backups: make one, and what was tried. Reading and restoring them needs no platform.
#include "access/backup/backup.h"

namespace tarn::access {
namespace {

using security::AuditClass;
using security::HttpCall;

Result<HttpResponse> MakeBackup(Backup& backup, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    BackupOrder order;
    order.to = TRY(JsonStringOr(body, "to", ""));
    if (body.contains("keep")) {
        int64_t keep = TRY(JsonInteger(body, "keep"));
        if (keep < 0 || keep > 1'000'000) return Error(ErrorCode::kInvalidArgument, "keep must be 0 or more");
        order.keep = static_cast<int>(keep);
    }
    // Who leaves stops it; what was copied by then is not copied again.
    const CancelToken& cancelled = call.request.cancelled;
    BackupOutcome outcome = TRY(backup.Run(order, [&cancelled] { return cancelled.cancelled(); }));
    call.call.details["backup"] = outcome.backup.name;
    call.call.details["place"] = outcome.place;
    call.call.bytes = static_cast<int64_t>(outcome.backup.bytes_new);
    return security::JsonResponse(OutcomeJson(outcome));
}

Result<HttpResponse> ListAttempts(Backup& backup, HttpCall& call) {
    Json attempts = Json::array();
    for (const BackupAttempt& attempt : TRY(backup.Attempts())) {
        attempts.push_back({{"name", attempt.name.empty() ? Json() : Json(attempt.name)},
                            {"place", attempt.place},
                            {"at", FormatTime(attempt.at)},
                            {"took_us", attempt.took.count()},
                            {"files", attempt.files},
                            {"bytes", attempt.bytes},
                            {"bytes_new", attempt.bytes_new},
                            {"error", attempt.error.empty() ? Json() : Json(attempt.error)}});
    }
    call.call.rows = static_cast<int64_t>(attempts.size());
    BackupConfig config = backup.config();
    Json schedule;
    if (config.every.count() > 0) {
        schedule = {{"to", config.to}, {"every", FormatDuration(config.every)}, {"keep", config.keep}};
    }
    Status health = backup.Health();
    auto last = backup.last_success();
    return security::JsonResponse({{"schedule", schedule},
                                   {"last_success", last ? Json(FormatTime(*last)) : Json()},
                                   {"healthy", health.ok()},
                                   {"attempts", attempts}});
}

}  // namespace

Json OutcomeJson(const BackupOutcome& outcome) {
    const BackupSummary& backup = outcome.backup;
    return {{"name", backup.name},       {"at", FormatTime(backup.at)},    {"place", outcome.place},
            {"files", backup.files},     {"bytes", backup.bytes},          {"bytes_new", backup.bytes_new},
            {"missing", backup.missing}, {"took_us", backup.took.count()}, {"pruned", outcome.pruned}};
}

std::vector<security::Route> Backup::Routes() {
    auto to = [this](Result<HttpResponse> (*handler)(Backup&, HttpCall&)) {
        return [this, handler](HttpCall& call) { return handler(*this, call); };
    };
    return {
        {{"http", "POST /api/v1/backups", "platform:Backup", "platform", AuditClass::kAdministration, {1 << 16, 2}},
         "*",
         to(MakeBackup)},
        {{"http", "GET /api/v1/backups", "monitoring:Read", "monitoring", AuditClass::kRead, {0, 16}},
         "*",
         to(ListAttempts)},
    };
}

}  // namespace tarn::access
