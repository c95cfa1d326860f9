// Makes a report: asks every tile as one person, and draws or writes what they may see. Internal to the component.
#pragma once

#include <string>
#include <vector>

#include "analysis/reports/reports.h"

namespace tarn::reports {

struct Wanted {
    dashboards::Asking asking;
    std::string format;  // png, pdf, csv
};

struct MadeReport {
    std::vector<ReportFile> files;
    std::vector<std::string> failed;  // tiles that say why in place of their rows: "Mean delay: ..."
    Json data = Json::array();  // [{"name", "version"}]: what was read
    std::string made_at;  // "2026-11-23 04:10 Europe/Zurich"
    Json chosen = Json::array();
    int64_t rows = 0;
};

// A tile that fails says so in its place; the report is made.
Result<MadeReport> Make(const ReportsDependencies& dependencies, const Wanted& wanted, security::Call& call);

// The rows of a tile as csv, with what a spreadsheet would run made harmless.
std::string CsvOf(const Json& answer);
// A title as part of a file's name.
std::string FileName(const std::string& title);

}  // namespace tarn::reports
