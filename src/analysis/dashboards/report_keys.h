// `reports:` of a dashboard's file. Internal to the component.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/dashboards/dashboards.h"

namespace tarn::dashboards {

struct ReportFile {
    Report report;
    std::map<std::string, std::vector<std::string>> filters;
};
void Bind(ConfigBinder& binder, ReportFile& file);

// The reports with what they choose; what is wrong with their filters, of the dashboard, is told.
std::vector<Report> ReportsOf(const std::vector<ReportFile>& files, const DashboardDefinition& dashboard,
                              workspace::Issues& issues);

}  // namespace tarn::dashboards
