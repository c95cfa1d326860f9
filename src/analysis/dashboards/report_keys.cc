#include "analysis/dashboards/report_keys.h"

#include <algorithm>
#include <set>

#include "analysis/dashboards/tile_filter.h"
#include "base/mail_address.h"
#include "base/text.h"

namespace tarn::dashboards {
namespace {

constexpr size_t kReportsMax = 20;
constexpr size_t kReportRecipientsMax = 50;

bool IsReportName(std::string_view name) {
    bool letters = std::all_of(name.begin(), name.end(), [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_';
    });
    return letters && !name.empty() && name.size() <= 63;
}

// A value as the page's address says it.
std::string InAddress(const Json& value) {
    if (value.is_null()) return "\\N";
    std::string text = value.is_string() ? value.get<std::string>() : DumpJson(value);
    return text.starts_with('\\') ? '\\' + text : text;
}

void TakeFilters(ConfigBinder& binder, const Json& filters, ReportFile& file) {
    if (filters.is_null()) return;
    if (!filters.is_object()) return binder.Report("filters", "filters is a mapping from filters to values");
    for (const auto& [name, value] : filters.items()) {
        std::vector<Json> values;
        if (value.is_array()) {
            values.assign(value.begin(), value.end());
        } else {
            values.push_back(value);
        }
        std::vector<std::string>& chosen = file.filters[name];
        for (const Json& one : values) {
            if (one.is_structured()) binder.Report("filters", "the value of " + name + " is a text or a list of texts");
            if (!one.is_structured()) chosen.push_back(InAddress(one));
        }
    }
}

}  // namespace

void Bind(ConfigBinder& binder, ReportFile& file) {
    Report& report = file.report;
    Json filters;
    binder.Key("name", report.name, "What the report is called: lower-case letters, digits and _.",
               ConfigBinder::Need::kRequired);
    binder.Choice("format", report.format, {"pdf", "png", "csv"}, "What is sent; csv is one file a tile.");
    binder.Key("to", report.to, "Who gets it: mail addresses.", ConfigBinder::Need::kRequired);
    binder.Key("as", report.as, "The user whose rights, row filters and masks it is made under.",
               ConfigBinder::Need::kRequired);
    binder.Key("channel", report.channel, "A mail channel of alerts/*.yaml; not needed where there is only one.");
    binder.Any("filters", filters, "What is chosen: filters of the dashboard by name, each a value or a list.");
    workspace::BindTiming(binder, report.timing);
    if (binder.describing()) return;
    report.line = binder.LineOf("");
    if (!IsReportName(report.name)) binder.Report("name", "a report's name is lower-case letters, digits and _");
    bool good = std::all_of(report.to.begin(), report.to.end(), [](const auto& text) { return IsMailAddress(text); });
    if (!good || report.to.empty() || report.to.size() > kReportRecipientsMax) {
        binder.Report("to", fmt::format("to is 1 to {} addresses, as ops@example.org", kReportRecipientsMax));
    }
    TakeFilters(binder, filters, file);
}

std::vector<Report> ReportsOf(const std::vector<ReportFile>& files, const DashboardDefinition& dashboard,
                              workspace::Issues& issues) {
    std::vector<Report> reports;
    std::set<std::string> names;
    auto wrong = [&](const Report& report, const std::string& what) {
        issues.push_back({dashboard.file, report.line, 0, "report " + report.name + ": " + what});
    };
    for (const ReportFile& file : files) {
        Report report = file.report;
        if (dashboard.file.empty()) {
            wrong(report, "only a dashboard in a file of the workspace has reports; `tarn pull` writes it into one");
        }
        if (reports.size() == kReportsMax)
            wrong(report, fmt::format("a dashboard has at most {} reports", kReportsMax));
        if (!names.insert(report.name).second) wrong(report, "there is another one of this name");
        for (const auto& [name, values] : file.filters) {
            auto known = std::find_if(dashboard.filters.begin(), dashboard.filters.end(),
                                      [&, &wanted = name](const Filter& filter) { return filter.name == wanted; });
            if (known == dashboard.filters.end()) wrong(report, "the dashboard has no filter " + name);
            if (values.empty()) report.chosen.emplace_back(name, "");
            for (const std::string& value : values) report.chosen.emplace_back(name, value);
        }
        // Times are cut where the schedule is, unless the dashboard says otherwise.
        std::string zone = report.timing.schedule ? report.timing.schedule->time_zone() : "";
        if (dashboard.time_zone.empty() && !zone.empty()) report.chosen.emplace_back("time_zone", zone);
        reports.push_back(std::move(report));
    }
    return reports;
}

}  // namespace tarn::dashboards
