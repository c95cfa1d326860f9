// Dashboards: one as PNG, PDF or csv.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "app/terminal.h"
#include "base/file_stream.h"
#include "base/text.h"

namespace tarn::app {
namespace {

Result<std::vector<std::pair<std::string, std::string>>> Filters(const std::vector<std::string>& typed) {
    std::vector<std::pair<std::string, std::string>> filters;
    for (const std::string& filter : typed) {
        size_t at = filter.find('=');
        if (at == std::string::npos || at == 0) return Error(ErrorCode::kInvalidArgument, "--filter is NAME=VALUE");
        filters.emplace_back(filter.substr(0, at), filter.substr(at + 1));
    }
    return filters;
}

// "?carrier=UA&carrier=AA"
std::string QueryOf(const std::vector<std::pair<std::string, std::string>>& filters) {
    std::string query;
    for (const auto& [name, value] : filters) {
        query += (query.empty() ? "?" : "&") + UrlEncode(name) + "=" + UrlEncode(value);
    }
    return query;
}

// The one that --report names, or the only one that the dashboard has.
Result<Json> FindReport(const Invocation& call, Client& client, const std::string& base) {
    Json reports = TRY(client.Get(base + "/reports"))["reports"];
    std::string wanted = call.Get("--report");
    if (wanted.empty() && reports.size() == 1) return reports[0];
    std::vector<std::string> names;
    for (const Json& report : reports) {
        if (report.value("name", "") == wanted) return report;
        names.push_back(report.value("name", ""));
    }
    if (names.empty()) return Error(ErrorCode::kNotFound, "{} has no `reports:`", call.Get("NAME"));
    return Error(ErrorCode::kNotFound, "{} has the reports {}: name one with --report", call.Get("NAME"),
                 Join(names, ", "));
}

// As its schedule does: for the person whom it names.
Status SendReport(const Invocation& call, Client& client, const std::string& task) {
    Json answer = TRY(client.Post("/api/v1/runs", {{"target", task}, {"parameters", Json::object()}}));
    if (call.json()) {
        std::cout << DumpJson(answer, 2) << "\n";
        return Ok();
    }
    for (const Json& run : answer["runs"]) {
        std::string id = run.get<std::string>();
        std::cout << "run " << id << " makes and sends it; `tarn runs " << id << "` tells how it went\n";
    }
    return Ok();
}

// One file a tile, in a folder.
Status SaveCsv(const Invocation& call, Client& client, const std::string& path, const std::string& folder) {
    Json answer = TRY(client.Get(path));
    std::string target = AbsolutePath(folder);
    TRY(call.env().files().CreateDirectories(target));
    Json files = Json::array();
    for (const Json& file : answer["files"]) {
        std::string name = file.value("name", "");
        if (name.empty() || name.find('/') != std::string::npos) {
            return Error(ErrorCode::kInternal, "the answer names no file: \"{}\"", name);
        }
        TRY(WriteFileDurably(call.env(), target + "/" + name, file.value("text", ""), 0644));
        files.push_back(target + "/" + name);
    }
    if (call.json()) {
        std::cout << DumpJson({{"files", files}, {"failed", answer["failed"]}}, 2) << "\n";
        return Ok();
    }
    for (const Json& file : files) std::cout << file.get<std::string>() << "\n";
    for (const Json& failed : answer["failed"]) std::cerr << "no rows: " << failed.get<std::string>() << "\n";
    return Ok();
}

Status Report(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string name = call.Get("NAME");
    size_t dot = name.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == name.size()) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is no dashboard; write USE_CASE.NAME", name);
    }
    std::string base = "/api/v1/dashboards/" + UrlEncode(name.substr(0, dot)) + "/" + UrlEncode(name.substr(dot + 1));
    std::optional<Json> report;
    if (call.Has("--report") || call.Has("--send")) report = TRY(FindReport(call, client, base));
    if (call.Has("--send")) return SendReport(call, client, report->value("task", ""));
    std::vector<std::pair<std::string, std::string>> filters = TRY(Filters(call.All("--filter")));
    if (report && filters.empty())
        filters = report->at("chosen").get<std::vector<std::pair<std::string, std::string>>>();
    std::string query = QueryOf(filters);
    std::string format = call.Find("--format").value_or(report ? report->value("format", "pdf") : "pdf");
    std::string file = call.Find("--out").value_or(format == "csv" ? name : name + "." + format);
    std::string path = base + "/download/" + UrlEncode(format) + query;
    if (format == "csv") return SaveCsv(call, client, path, file);
    if (file == "-") {
        StandardOutput output;
        return client.Download(path, output);
    }
    std::string target = AbsolutePath(file);
    auto sink = TRY(FileReplacement::Create(call.env().files(), target, 0644));
    TRY(client.Download(path, *sink));
    TRY(sink->Finish());
    if (call.json()) {
        std::cout << DumpJson({{"file", target}}, 2) << "\n";
    } else {
        std::cout << target << "\n";
    }
    return Ok();
}

}  // namespace

std::vector<Command> DashboardCommands() {
    return {
        {.name = "dashboard report",
         .summary = "Makes a dashboard as PNG, PDF or csv, of what you may see.",
         .details =
             "csv is a folder with one file a tile. --report takes format and filters of one of the dashboard's\n"
             "reports; it is still made of what you may see. --send has it made and sent as its schedule does.",
         .example = "tarn dashboard report delays.delays --format pdf --filter carrier=UA",
         .arguments = {{"NAME", "The dashboard: USE_CASE.NAME."}},
         .options = {{"--format", "FORMAT", "png, pdf (the default) or csv."},
                     {"-o,--out", "FILE", "Where to; - is the standard output. By default NAME.FORMAT here."},
                     {"--report", "REPORT", "One of the dashboard's `reports:`."},
                     {"--send", nullptr, "By mail, to those whom the report names."},
                     {"--filter", "NAME=VALUE", "A filter or parameter of the dashboard.", true}},
         .run = Report},
    };
}

}  // namespace tarn::app
