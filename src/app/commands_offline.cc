// export, verify and doctor: of a platform that runs, or of its state when it does not.
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
    Status End(const Invocation& call, const std::string& directory) const {
        if (call.json()) {
            std::cout << DumpJson({{"objects", count_}, {"directory", directory}}, 2) << "\n";
            return Ok();
        }
        if (IsTerminal(1)) std::cout << "\r\x1b[K";
        std::cout << GroupDigits(count_) << " objects are in " << directory << "; tables are plain Delta below "
                  << directory << "/lakehouse\n";
        return Ok();
    }

  private:
    int64_t count_ = 0;
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

// From the Tarn that runs, with the rights of who asks.
Status ExportRunning(const Invocation& call, Client& client, const std::string& directory) {
    ExportProgress progress;
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

struct Finding {
    bool good = true;
    std::string text;
};

void ShowFindings(const Invocation& call, const std::vector<Finding>& findings) {
    Json json = Json::array();
    for (const Finding& finding : findings) {
        json.push_back({{"good", finding.good}, {"text", finding.text}});
        if (!call.json()) std::cout << (finding.good ? "ok     " : "WRONG  ") << finding.text << "\n";
    }
    if (call.json()) std::cout << DumpJson(json, 2) << "\n";
}

void ShowEngineMemory(int64_t bytes, std::vector<Finding>& findings) {
    if (bytes > 0) findings.push_back({true, FormatSize(bytes) + " of memory is what queries may use (engine.memory)"});
}

void ExamineRunning(Client& client, std::vector<Finding>& findings) {
    auto plan = client.Post("/api/v1/workspace/plan", Json::object());
    if (plan.ok()) {
        for (const Json& issue : (*plan)["issues"]) {
            findings.push_back({false, fmt::format("{}:{}: {}", issue.value("file", ""), issue.value("line", 0),
                                                   issue.value("message", ""))});
        }
        bool waits = !(*plan)["steps"].empty();
        findings.push_back({true, waits ? fmt::format("{} changes of the folder are not applied: `tarn apply`",
                                                      (*plan)["steps"].size())
                                        : "the workspace's files are what runs"});
    }
    auto tasks = client.Get("/api/v1/tasks");
    if (!tasks.ok()) return;
    for (const Json& task : (*tasks)["tasks"]) {
        bool failed = task["last"].is_object() && task["last"].value("state", "") == "failed";
        if (failed) findings.push_back({false, task.value("id", "") + ": " + task.value("why", "")});
    }
    findings.push_back({true, fmt::format("{} tasks are known", (*tasks)["tasks"].size())});
    auto overview = client.Get("/api/v1/overview");
    if (overview.ok()) ShowEngineMemory(overview->value("engine_memory_bytes", int64_t{0}), findings);
    auto health = client.Get("/api/v1/health");
    if (!health.ok()) return;
    std::vector<std::string> well;
    for (const Json& component : health->value("components", Json::array())) {
        std::string name = component.value("component", "");
        if (component.value("healthy", false)) {
            well.push_back(name);
            continue;
        }
        std::string hint = component.value("hint", "");
        findings.push_back(
            {false, fmt::format("{}: {}{}", name, component.value("message", ""), hint.empty() ? "" : "; " + hint)});
    }
    findings.push_back({true, "well: " + Join(well, ", ")});
}

// What would keep `tarn up` from listening.
void ExaminePorts(const Invocation& call, const std::string& directory, std::vector<Finding>& findings) {
    auto config = ReadTarnConfig(call.env(), directory);
    if (!config.ok()) return findings.push_back({false, config.error().message()});
    auto executor = Executor::Create({.name = "doctor", .threads = 1});
    const ListenConfig& listen = config->listen;
    for (const auto& [key, text] : {std::pair("web", listen.web), {"s3", listen.s3}, {"sql", listen.sql}}) {
        auto address = ParseAddress(text);
        if (!address.ok()) {
            findings.push_back({false, fmt::format("listen.{}: {}", key, address.error().message())});
            continue;
        }
        if (!address->IsLoopback()) continue;
        HttpServerConfig server;
        server.listen = *address;
        auto listening = HttpServer::Create(server, NullLog(), *executor, [](HttpRequest&, HttpResponder& responder) {
            return responder.Send({503, {}, ""});
        });
        findings.push_back({listening.ok(), listening.ok()
                                                ? fmt::format("{} ({}) is free", text, key)
                                                : fmt::format("{} is taken: end who has it, or set listen.{} in "
                                                              "tarn.yaml, or start with --{} 127.0.0.1:0",
                                                              text, key, key)});
    }
}

Status Doctor(const Invocation& call) {
    std::vector<Finding> findings;
    std::string directory = WorkspaceDirectory(call);
    findings.push_back({true, "workspace " + directory});
    Result<Client> client = Client::Find(call);
    Result<Json> me = client.ok() ? client->Get("/api/v1/me") : Result<Json>(client.error());
    if (me.ok()) {
        findings.push_back({true, "Tarn runs at " + client->url() + ", you are " + me->value("name", "")});
        ExamineRunning(*client, findings);
    } else {
        findings.push_back({true, "no Tarn answers: " + me.error().message()});
        auto platform = OpenState(call);
        findings.push_back(
            {platform.ok(), platform.ok() ? "its state opens, with its root key" : platform.error().ToString()});
        ExaminePorts(call, directory, findings);
        if (platform.ok()) ShowEngineMemory((*platform)->EngineMemoryBytes(), findings);
    }
    auto free_bytes = call.env().files().FreeBytes(directory);
    constexpr uint64_t kFreeWanted = 1ull << 30;
    if (free_bytes.ok()) {
        double gibibytes = static_cast<double>(*free_bytes) / static_cast<double>(kFreeWanted);
        findings.push_back({*free_bytes >= kFreeWanted, fmt::format("{:.1f} GiB are free on the disk", gibibytes)});
    }
    ShowFindings(call, findings);
    for (const Finding& finding : findings) {
        if (finding.good) continue;
        if (call.json()) return AlreadyTold(ErrorCode::kFailedPrecondition);
        return Error(ErrorCode::kFailedPrecondition, "something is wrong");
    }
    return Ok();
}

}  // namespace

std::vector<Command> OfflineCommands() {
    return {
        {.name = "verify",
         .summary = "Reads everything back and proves it: objects, audit chain, metadata, tables, loads.",
         .details = "Asks the Tarn that runs here; when none runs, opens the state itself.",
         .example = "tarn verify audit",
         .arguments = {{"WHAT", "`audit`: only the audit log.", false}},
         .run = Verify},
        {.name = "export",
         .summary = "Copies everything out, decrypted: tables as plain Delta, raw objects as they came.",
         .details = "Asks the Tarn that runs here, for all that you may read; when none runs, opens the state itself\n"
                    "with the root key. A second export into the same folder goes on.",
         .example = "tarn export ../flights-open",
         .arguments = {{"DIR", "The folder to fill."}},
         .run = Export},
        {.name = "doctor",
         .summary = "Finds what is wrong and says what to do.",
         .example = "tarn doctor",
         .run = Doctor},
    };
}

}  // namespace tarn::app
