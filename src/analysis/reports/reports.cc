#include "analysis/reports/reports.h"

#include <algorithm>

#include "analysis/reports/making.h"

namespace tarn::reports {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::Route;

constexpr int kMadeAtOnce = 4;

class AllReports : public Reports {
  public:
    explicit AllReports(ReportsDependencies dependencies) : dependencies_(std::move(dependencies)) {}
    std::vector<Route> Routes() override;

  private:
    Result<dashboards::DashboardDefinition> Find(HttpCall& call) const;
    Status OpenDownload(HttpCall& call);
    Result<HttpResponse> Download(HttpCall& call);

    ReportsDependencies dependencies_;
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

std::vector<Route> AllReports::Routes() {
    constexpr security::OperationLimits kLimits{.body_bytes_max = 0, .concurrent_max = kMadeAtOnce};
    return {
        {{"http", "GET /api/v1/dashboards/{use_case}/{name}/download/{format}", "dashboard:Read", "dashboard",
          AuditClass::kRead, kLimits},
         "{use_case}.{name}",
         [this](HttpCall& call) { return Download(call); },
         [this](HttpCall& call) { return OpenDownload(call); }},
    };
}

}  // namespace

Result<std::unique_ptr<Reports>> Reports::Create(ReportsDependencies dependencies) {
    return std::unique_ptr<Reports>(std::make_unique<AllReports>(std::move(dependencies)));
}

}  // namespace tarn::reports
