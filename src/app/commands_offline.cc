// export, verify and doctor: of a platform that runs, or of its state when it does not.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/config.h"
#include "app/output.h"
#include "app/platform.h"
#include "app/terminal.h"
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

Status Export(const Invocation& call) {
    auto platform = TRY_CONTEXT(OpenState(call), "export opens the state itself: stop Tarn first");
    std::string directory = AbsolutePath(call.Get("DIR"));
    int64_t shown = 0;
    int64_t count = TRY(platform->Export(directory, [&](const std::string& name) {
        if (++shown % 100 != 0 || !IsTerminal(1)) return;
        std::cout << "\r" << shown << " objects, " << name << "\x1b[K" << std::flush;
    }));
    if (IsTerminal(1)) std::cout << "\r\x1b[K";
    std::cout << GroupDigits(count) << " objects are in " << directory << "; tables are plain Delta below "
              << directory << "/lakehouse\n";
    return Ok();
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
    auto health = client.Get("/api/v1/health");
    if (!health.ok()) return;
    for (const Json& component : health->value("components", Json::array())) {
        bool good = component.value("status", "ok") == "ok";
        if (!good) findings.push_back({false, component.value("component", "") + ": " + component.dump()});
    }
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
        findings.push_back({platform.ok(), platform.ok() ? "its state opens, with its root key"
                                                         : platform.error().ToString()});
        ExaminePorts(call, directory, findings);
    }
    auto free_bytes = call.env().files().FreeBytes(directory);
    constexpr uint64_t kFreeWanted = 1ull << 30;
    if (free_bytes.ok()) {
        findings.push_back({*free_bytes >= kFreeWanted,
                            FormatSize(static_cast<int64_t>(*free_bytes)) + " are free on the disk"});
    }
    ShowFindings(call, findings);
    for (const Finding& finding : findings) {
        if (!finding.good) return Error(ErrorCode::kFailedPrecondition, "something is wrong");
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
         .details = "Needs the root key and a stopped Tarn. A second export into the same folder goes on.",
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
