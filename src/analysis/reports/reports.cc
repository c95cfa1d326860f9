#include "analysis/reports/reports.h"

#include <algorithm>

#include "analysis/reports/report_task.h"
#include "base/text.h"

namespace tarn::reports {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::Route;

constexpr int kMadeAtOnce = 4;

class AllReports : public Reports {
  public:
    explicit AllReports(ReportsDependencies dependencies)
        : dependencies_(std::move(dependencies)), task_(dependencies_) {}
    orchestrator::TaskKind& AsTaskKind() override { return task_; }
    std::vector<orchestrator::TaskSpec> Activate(const std::vector<workspace::Definition>& all) override {
        task_.Set(ReportsOf(all));
        return TasksOf(all);
    }
    std::vector<Route> Routes() override;

  private:
    Result<dashboards::DashboardDefinition> Find(HttpCall& call) const;
    Status OpenDownload(HttpCall& call);
    Result<HttpResponse> Download(HttpCall& call);
    Result<HttpResponse> List(HttpCall& call);

    const ReportsDependencies dependencies_;
    ReportTask task_;
};

Result<dashboards::DashboardDefinition> AllReports::Find(HttpCall& call) const {
    const std::string& use_case = call.parameters["use_case"];
    const std::string& name = call.parameters["name"];
    for (const dashboards::DashboardDefinition& dashboard : dependencies_.dashboards.All()) {
        if (dashboard.use_case == use_case && dashboard.name == name) return dashboard;
    }
    return Error(ErrorCode::kNotFound, "there is no dashboard {}.{}", use_case, name);
}

Status AllReports::OpenDownload(HttpCall& call) {
    const std::string& format = call.parameters["format"];
    if (format != "png" && format != "pdf" && format != "csv") {
        return Error(ErrorCode::kNotFound, "a dashboard is made as png, pdf or csv, not as {}", format);
    }
    dashboards::DashboardDefinition dashboard = TRY(Find(call));
    dashboards::Asking asking{.principal = call.principal, .dashboard = dashboard, .chosen = call.request.query};
    call.call.details["statements"] = TRY(dependencies_.dashboards.StatementsOf(asking));
    call.call.details["format"] = format;
    return Ok();
}

// Made now, of what the caller may see.
Result<HttpResponse> AllReports::Download(HttpCall& call) {
    dashboards::DashboardDefinition dashboard = TRY(Find(call));
    Wanted wanted{.asking = {.principal = call.principal,
                             .dashboard = dashboard,
                             .chosen = call.request.query,
                             .cancel = call.request.cancelled},
                  .format = call.parameters["format"]};
    MadeReport made = TRY(Make(dependencies_, wanted, call.call));
    if (wanted.format == "csv") {
        Json files = Json::array();
        for (const ReportFile& file : made.files) files.push_back({{"name", file.name}, {"text", file.bytes}});
        return security::JsonResponse({{"files", std::move(files)}, {"failed", made.failed}});
    }
    ReportFile& file = made.files[0];
    HttpResponse response{.status = 200, .headers = {{"Content-Type", file.type}}, .body = std::move(file.bytes)};
    response.headers.Set("Content-Disposition", fmt::format("attachment; filename=\"{}\"", file.name));
    response.headers.Set("Cache-Control", "no-store");
    return response;
}

Json RunJson(const orchestrator::Run& run) {
    return {{"id", run.id},
            {"state", orchestrator::RunStateName(run.state)},
            {"queued_at", FormatTime(run.queued_at)},
            {"ended_at", run.ended_at ? Json(FormatTime(*run.ended_at)) : Json()},
            {"error", run.error},
            {"note", run.note}};
}

// What a dashboard sends, and what became of it last: as much of that as the caller may see of runs.
Result<HttpResponse> AllReports::List(HttpCall& call) {
    dashboards::DashboardDefinition dashboard = TRY(Find(call));
    Json reports = Json::array();
    for (const dashboards::Report& report : dashboard.reports) {
        ScheduledReport scheduled{dashboard, report};
        Json chosen = Json::array();
        for (const auto& [name, value] : report.chosen) chosen.push_back({name, value});
        Json told = {{"name", report.name},     {"task", scheduled.Task()},
                     {"format", report.format}, {"to", report.to},
                     {"as", report.as},         {"channel", report.channel},
                     {"chosen", chosen},        {"cron", Json()},
                     {"time_zone", Json()},     {"every_seconds", Json()},
                     {"next_at", Json()},       {"last", Json()},
                     {"current", Json()},       {"paused", report.timing.paused.value_or(false)}};
        if (report.timing.schedule) {
            told["cron"] = report.timing.schedule->cron();
            told["time_zone"] = report.timing.schedule->time_zone();
        }
        if (report.timing.every) {
            told["every_seconds"] = std::chrono::duration_cast<std::chrono::seconds>(*report.timing.every).count();
        }
        auto status = dependencies_.orchestrator.Why(call.principal, scheduled.Task());
        if (status.ok()) {
            if (status->next_due) told["next_at"] = FormatTime(*status->next_due);
            if (status->last) told["last"] = RunJson(*status->last);
            if (status->current) told["current"] = RunJson(*status->current);
        }
        reports.push_back(std::move(told));
    }
    call.call.rows = static_cast<int64_t>(reports.size());
    return security::JsonResponse({{"reports", std::move(reports)}});
}

std::vector<Route> AllReports::Routes() {
    constexpr security::OperationLimits kLimits{.body_bytes_max = 0, .concurrent_max = kMadeAtOnce};
    return {
        {{"http", "GET /api/v1/dashboards/{use_case}/{name}/download/{format}", "dashboard:Read", "dashboard",
          AuditClass::kRead, kLimits},
         "{use_case}.{name}",
         [this](HttpCall& call) { return Download(call); },
         [this](HttpCall& call) { return OpenDownload(call); }},
        {{"http",
          "GET /api/v1/dashboards/{use_case}/{name}/reports",
          "dashboard:Read",
          "dashboard",
          AuditClass::kRead,
          {}},
         "{use_case}.{name}",
         [this](HttpCall& call) { return List(call); }},
    };
}

}  // namespace

Result<std::unique_ptr<Reports>> Reports::Create(ReportsDependencies dependencies) {
    return std::unique_ptr<Reports>(std::make_unique<AllReports>(std::move(dependencies)));
}

}  // namespace tarn::reports
