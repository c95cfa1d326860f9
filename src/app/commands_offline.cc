// export and verify: of a platform that runs, or of its state when it does not.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/config.h"
#include "app/offline.h"
#include "app/output.h"
#include "app/platform.h"
#include "app/terminal.h"
#include "base/file_stream.h"
#include "base/text.h"

namespace tarn::app {
namespace {

// The components over the state directory, without listeners or tasks.
Result<std::unique_ptr<Platform>> OpenState(const Invocation& call) {
    std::string directory = WorkspaceDirectory(call);
    std::string state = TRY(StateDirectoryOf(call.env(), directory));
    if (!call.env().files().Exists(state + "/tarn-state.json")) {
        return Error(ErrorCode::kNotFound, "there is no state of a platform in {}", state)
            .WithHint("name the workspace with --dir");
    }
    PlatformOptions options;
    options.directory = directory;
    options.terminal_log = false;
    return Platform::Create(call.env(), std::move(options));
}

Status ShowReport(const Invocation& call, const Json& report) {
    if (call.json()) {
        std::cout << DumpJson(report, 2) << "\n";
    } else {
        for (const Json& line : report["checked"]) std::cout << "read  " << line.get<std::string>() << "\n";
        for (const Json& line : report["issues"]) std::cout << "WRONG " << line.get<std::string>() << "\n";
        if (report["issues"].empty()) std::cout << "all is as it was written\n";
    }
    if (report["issues"].empty()) return Ok();
    if (call.json()) return AlreadyTold(ErrorCode::kCorruption);
    return Error(ErrorCode::kCorruption, "{} issues were found", report["issues"].size());
}

Status Verify(const Invocation& call) {
    std::string what = call.Get("WHAT");
    if (!what.empty() && what != "audit") {
        return Error(ErrorCode::kInvalidArgument, "verify takes nothing or `audit`, not \"{}\"", what);
    }
    Result<Client> client = Client::Find(call);
    if (client.ok()) {
        Result<Json> report = client->Post("/api/v1/verify", {{"audit_only", what == "audit"}});
        bool stopped = !report.ok() && report.error().code() == ErrorCode::kUnavailable;
        if (!stopped) return ShowReport(call, TRY(std::move(report)));
    }
    auto platform = TRY(OpenState(call));
    return ShowReport(call, TRY(platform->Verify(what == "audit")));
}

// Counts objects, and shows the count where somebody looks.
class ExportProgress {
  public:
    void Add(const std::string& name) {
        if (++count_ % 100 == 0 && IsTerminal(1)) {
            std::cout << "\r" << count_ << " objects, " << name << "\x1b[K" << std::flush;
        }
    }
    void AddTable() { ++tables_; }
    Status End(const Invocation& call, const std::string& directory) const {
        if (call.json()) {
            std::cout << DumpJson({{"objects", count_}, {"tables", tables_}, {"directory", directory}}, 2) << "\n";
            return Ok();
        }
        if (IsTerminal(1)) std::cout << "\r\x1b[K";
        if (tables_ > 0) {
            std::cout << GroupDigits(tables_) << " tables are in " << directory << "/tables, as csv, as you see them\n";
        }
        if (count_ == 0) return Ok();
        std::cout << GroupDigits(count_) << " objects are in " << directory << "; tables are plain Delta below "
                  << directory << "/lakehouse\n";
        return Ok();
    }

  private:
    int64_t count_ = 0;
    int64_t tables_ = 0;
};

// One object of a running Tarn, unless it is there already.
Status FetchObject(const Invocation& call, Client& client, const std::string& name, const std::string& path,
                   int64_t bytes) {
    Files& files = call.env().files();
    auto existing = files.Stat(path);
    if (existing.ok() && static_cast<int64_t>(existing->bytes) == bytes) return Ok();
    TRY(files.CreateDirectories(path.substr(0, path.rfind('/'))));
    auto file = TRY(FileReplacement::Create(files, path, 0600));
    TRY(client.Download("/api/v1/lake/" + UrlEncode(name, true), *file));
    return file->Finish();
}

// The rows of datasets that its person may read, as that person sees them, as csv: also of those whose files are not
// for them, as they are filtered or masked.
Status ExportTables(const Invocation& call, Client& client, const std::string& directory, const std::string& pattern,
                    ExportProgress& progress) {
    Files& files = call.env().files();
    bool found = false;
    Json catalog = TRY(client.Get("/api/v1/catalog"));
    for (const Json& dataset : catalog["datasets"]) {
        std::string schema = dataset.value("schema", "");
        std::string name = dataset.value("name", "");
        bool made = dataset.value("kind", "") != "system" && !dataset.value("version", "").empty();
        if (!MatchesWildcard(pattern, schema + "." + name) || (!made && pattern != schema + "." + name)) continue;
        found = true;
        std::string folder = directory + "/tables/" + ExportPath(schema);
        TRY(files.CreateDirectories(folder));
        auto file = TRY(FileReplacement::Create(files, folder + "/" + ExportPath(name) + ".csv", 0600));
        std::string path = fmt::format("/api/v1/catalog/{}/{}/rows", UrlEncode(schema), UrlEncode(name));
        Status fetched = client.Download(path, *file);
        // To see a table in a list (table:Describe) is not to read it.
        bool hidden =
            !fetched.ok() && fetched.error().code() == ErrorCode::kNotFound && pattern.find('*') != std::string::npos;
        if (hidden) continue;
        TRY_CONTEXT(std::move(fetched), schema + "." + name);
        TRY(file->Finish());
        progress.AddTable();
    }
    if (found) return Ok();
    return Error(ErrorCode::kNotFound, "there is no table {} that you may read", pattern)
        .WithHint("`tarn sql \"SHOW ALL TABLES\"` lists what there is");
}

// From the Tarn that runs, with the rights of who asks.
Status ExportRunning(const Invocation& call, Client& client, const std::string& directory) {
    ExportProgress progress;
    if (auto pattern = call.Find("--tables")) {
        TRY(ExportTables(call, client, directory, *pattern, progress));
        return progress.End(call, directory);
    }
    Json buckets = TRY(client.Get("/api/v1/lake"));
    for (const Json& bucket : buckets["buckets"]) {
        std::string name = bucket.value("name", "");
        std::string after;
        do {
            Json page =
                TRY(client.Get(fmt::format("/api/v1/lake/{}?delimiter=&after={}", UrlEncode(name), UrlEncode(after))));
            for (const Json& object : page["objects"]) {
                std::string key = object.value("key", "");
                std::string path = directory + "/" + ExportPath(name) + "/" + ExportPath(key);
                TRY_CONTEXT(FetchObject(call, client, name + "/" + key, path, object.value("bytes", int64_t{-1})), key);
                progress.Add(key);
            }
            after = page["next_after"].is_string() ? page["next_after"].get<std::string>() : "";
        } while (!after.empty());
    }
    return progress.End(call, directory);
}

Status Export(const Invocation& call) {
    std::string directory = AbsolutePath(call.Get("DIR"));
    Result<Client> client = Client::Find(call);
    if (client.ok()) {
        Result<Json> me = client->Get("/api/v1/me");
        if (me.ok()) return ExportRunning(call, *client, directory);
        if (me.error().code() != ErrorCode::kUnavailable) return std::move(me).error();
    }
    auto platform = TRY(OpenState(call));
    ExportProgress progress;
    TRY(platform->Export(directory, [&](const std::string& name) { progress.Add(name); }));
    return progress.End(call, directory);
}

}  // namespace

std::vector<Command> OfflineCommands() {
    return {
        {.name = "verify",
         .summary = "Reads everything back and proves it: objects, audit chain, metadata, tables, loads, topics.",
         .details = "Asks the Tarn that runs here; when none runs, opens the state itself.",
         .example = "tarn verify audit",
         .arguments = {{"WHAT", "`audit`: only the audit log.", false}},
         .run = Verify},
        {.name = "export",
         .summary = "Copies everything out, decrypted: tables as plain Delta, raw objects as they came.",
         .details = "Asks the Tarn that runs here, for all that you may read; when none runs, opens the state itself\n"
                    "with the root key. A second export into the same folder goes on. With --tables only the rows of\n"
                    "tables, for everybody who may read them, as they see them: filters and masks hold.",
         .example = "tarn export ../flights-open --tables 'delays.*'",
         .arguments = {{"DIR", "The folder to fill."}},
         .options = {{"--tables", "PATTERN", "Rows of these tables, as csv: schema.table; `*` stands for any text."}},
         .run = Export},
    };
}

}  // namespace tarn::app
