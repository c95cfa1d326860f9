// doctor finds and explains, whether Tarn runs or not; reload takes what was mended.
#include <algorithm>
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/config.h"
#include "app/doctor.h"
#include "app/platform.h"
#include "app/terminal.h"
#include "base/http.h"
#include "base/text.h"

namespace tarn::app {
namespace {

void AddGood(Findings& findings, std::string check, std::string text) {
    findings.push_back({Severity::kGood, std::move(check), std::move(text), "", ""});
}

void AddWrong(Findings& findings, std::string check, const Error& error,
              std::string meaning = "this could not be looked at") {
    std::string action = error.hint().empty() ? "look at log/tarn.log in the state directory" : error.hint();
    findings.push_back({Severity::kWrong, std::move(check), error.message(), std::move(meaning), std::move(action)});
}

void ShowFindings(const Invocation& call, const Findings& findings) {
    if (call.json()) {
        std::cout << DumpJson(FindingsJson(findings), 2) << "\n";
        return;
    }
    constexpr const char* kWords[] = {"ok     ", "WARN   ", "WRONG  "};
    for (const Finding& finding : findings) {
        std::cout << kWords[static_cast<int>(finding.severity)] << finding.check << ": " << finding.text << "\n";
        if (finding.severity == Severity::kGood) continue;
        if (!finding.meaning.empty()) std::cout << "         it means: " << finding.meaning << "\n";
        if (!finding.action.empty()) std::cout << "         to do:    " << finding.action << "\n";
    }
}

void ExamineWorkspace(Client& client, Findings& findings) {
    auto plan = client.Post("/api/v1/workspace/plan", Json::object());
    if (!plan.ok()) return AddWrong(findings, "workspace", plan.error());
    for (const Json& issue : (*plan)["issues"]) {
        findings.push_back(
            {Severity::kWrong, "workspace",
             fmt::format("{}:{}: {}", issue.value("file", ""), issue.value("line", 0), issue.value("message", "")),
             "the folder cannot be applied; what was applied last runs", "mend the file, `tarn apply`"});
    }
    bool waits = !(*plan)["steps"].empty();
    AddGood(findings, "workspace",
            waits ? fmt::format("{} changes of the folder are not applied: `tarn apply`", (*plan)["steps"].size())
                  : "the workspace's files are what runs");
}

void ExamineTasks(Client& client, Findings& findings) {
    auto tasks = client.Get("/api/v1/tasks");
    if (!tasks.ok()) return AddWrong(findings, "tasks", tasks.error());
    for (const Json& task : (*tasks)["tasks"]) {
        bool failed = task["last"].is_object() && task["last"].value("state", "") == "failed";
        if (!failed) continue;
        std::string id = task.value("id", "");
        findings.push_back({Severity::kWrong, "tasks", id + ": " + task.value("why", ""),
                            "what it makes stays as it was", "`tarn why " + id + "`, then `tarn run " + id + "`"});
    }
    AddGood(findings, "tasks", fmt::format("{} tasks are known", (*tasks)["tasks"].size()));
}

void ExamineHealth(Client& client, Findings& findings) {
    auto health = client.Get("/api/v1/health");
    if (!health.ok()) return AddWrong(findings, "health", health.error());
    std::vector<std::string> well;
    for (const Json& component : health->value("components", Json::array())) {
        std::string name = component.value("component", "");
        bool works = component.value("healthy", false);
        bool warns = component.value("level", "") == "warning";
        if (works && !warns) {
            well.push_back(name);
            continue;
        }
        bool told = std::any_of(findings.begin(), findings.end(), [&](const Finding& finding) {
            return finding.severity != Severity::kGood && finding.check == name;
        });
        if (told) continue;
        findings.push_back({works ? Severity::kWarning : Severity::kWrong, name, component.value("message", ""),
                            works ? "this part works, but not as it should" : "this part is not well",
                            component.value("hint", "")});
    }
    AddGood(findings, "health", "well: " + Join(well, ", "));
}

void AddMemory(int64_t bytes, Findings& findings) {
    if (bytes > 0)
        AddGood(findings, "memory", FormatSize(bytes) + " of memory is what queries may use (engine.memory)");
}

void ExamineRunning(Client& client, Findings& findings) {
    ExamineWorkspace(client, findings);
    ExamineTasks(client, findings);
    auto overview = client.Get("/api/v1/overview");
    if (overview.ok()) AddMemory(overview->value("engine_memory_bytes", int64_t{0}), findings);
    auto components = client.Get("/api/v1/doctor");
    if (!components.ok()) return AddWrong(findings, "components", components.error());
    for (const Json& finding : (*components)["findings"]) findings.push_back(FindingOf(finding));
    ExamineHealth(client, findings);  // last: what was told already is not told again
}

// What would keep `tarn up` from listening.
void ExaminePorts(const TarnConfig& config, Findings& findings) {
    auto executor = Executor::Create({.name = "doctor", .threads = 1});
    const ListenConfig& listen = config.listen;
    for (const auto& [key, text] :
         {std::pair("web", listen.web), {"s3", listen.s3}, {"sql", listen.sql}, {"kafka", listen.kafka}}) {
        auto address = ParseAddress(text);
        if (!address.ok()) {
            AddWrong(findings, "ports", Error(address.error()).Context(fmt::format("listen.{}", key)),
                     "Tarn does not start");
            continue;
        }
        if (!address->IsLoopback()) continue;
        HttpServerConfig server;
        server.listen = *address;
        auto listening = HttpServer::Create(server, NullLog(), *executor, [](HttpRequest&, HttpResponder& responder) {
            return responder.Send({503, {}, ""});
        });
        if (listening.ok()) {
            AddGood(findings, "ports", fmt::format("{} ({}) is free", text, key));
            continue;
        }
        findings.push_back({Severity::kWrong, "ports", fmt::format("{} ({}) is taken", text, key),
                            "`tarn up` cannot listen there",
                            fmt::format("end who has it (`ss -ltnp` names it), or set listen.{} in tarn.yaml, or start "
                                        "with --{} 127.0.0.1:0",
                                        key, key)});
    }
}

void ExamineStopped(const Invocation& call, const std::string& directory, const TarnConfig& config,
                    Findings& findings) {
    ExaminePorts(config, findings);
    std::string state = StateDirectoryOf(call.env(), directory).value_or("");
    if (!call.env().files().Exists(state + "/tarn-state.json")) return;
    bool opens = std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
        return finding.severity == Severity::kWrong && (finding.check == "root key" || finding.check == "lock");
    });
    if (!opens) return;
    PlatformOptions options;
    options.directory = directory;
    options.terminal_log = false;
    auto platform = Platform::Create(call.env(), std::move(options));
    if (!platform.ok()) return AddWrong(findings, "state", platform.error(), "Tarn does not start");
    AddGood(findings, "state", "it opens, with its root key");
    AddMemory((*platform)->EngineMemoryBytes(), findings);
    auto components = (*platform)->Examine();
    if (!components.ok()) return AddWrong(findings, "components", components.error());
    for (const Json& finding : *components) findings.push_back(FindingOf(finding));
}

void ExamineHere(const Invocation& call, const std::string& directory, Client* running, Findings& findings) {
    auto config = ReadTarnConfig(call.env(), directory);
    if (!config.ok()) {
        findings.push_back(
            {Severity::kWrong, "tarn.yaml", config.error().message(), "Tarn does not start with it", "mend the file"});
        return;
    }
    auto state = StateDirectoryOf(call.env(), directory);
    if (!state.ok()) return AddWrong(findings, "state", state.error());
    ExamineState(call.env(), *config, *state, running != nullptr, findings);
    ExamineCertificate(call.env(), *config, directory, findings);
    ExamineMachine(call.env(), *config, *state, findings);
    if (running) return;
    ExamineStopped(call, directory, *config, findings);
}

Status Doctor(const Invocation& call) {
    Findings findings;
    std::string directory = WorkspaceDirectory(call);
    Result<Client> client = Client::Find(call);
    Result<Json> me = client.ok() ? client->Get("/api/v1/me") : Result<Json>(client.error());
    bool elsewhere = EnvironmentVariable("TARN_URL").has_value() && !call.Has("--dir");
    if (!elsewhere) AddGood(findings, "workspace", directory);
    if (me.ok())
        AddGood(findings, "Tarn", "runs at " + client->url() + ", you are " + me->value("name", ""));
    else if (elsewhere)
        AddWrong(findings, "Tarn", me.error());
    else
        AddGood(findings, "Tarn", "none answers: " + me.error().message());
    if (!elsewhere) ExamineHere(call, directory, me.ok() ? &*client : nullptr, findings);
    if (me.ok()) ExamineRunning(*client, findings);
    ShowFindings(call, findings);
    auto wrong = std::count_if(findings.begin(), findings.end(),
                               [](const Finding& finding) { return finding.severity == Severity::kWrong; });
    if (wrong == 0) return Ok();
    if (call.json()) return AlreadyTold(ErrorCode::kFailedPrecondition);
    return Error(ErrorCode::kFailedPrecondition, "{} {} wrong", wrong, wrong == 1 ? "thing is" : "things are");
}

Status ReloadRunning(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json report = TRY(client.Post("/api/v1/reload", Json::object()));
    if (call.json()) {
        std::cout << DumpJson(report, 2) << "\n";
        return Ok();
    }
    for (const Json& key : report["taken"]) std::cout << key.get<std::string>() << " holds from now on\n";
    for (const Json& key : report["need_restart"]) std::cout << key.get<std::string>() << " needs a restart\n";
    if (report.value("certificate", false)) std::cout << "a new certificate is shown to new connections\n";
    bool nothing = report["taken"].empty() && report["need_restart"].empty() && !report.value("certificate", false);
    if (nothing) std::cout << "nothing changed\n";
    return Ok();
}

}  // namespace

std::vector<Command> DoctorCommands() {
    return {
        {.name = "doctor",
         .summary = "Finds what is wrong with the platform and its machine, and says what to do.",
         .details =
             "Looks at the state directory, root key, disk, clock, limits, ports, certificate, sandbox; asks the\n"
             "Tarn that runs here, or opens the state of one that does not, for metadata, lake, audit log,\n"
             "topics, secrets, backups. Exit code 1 when something is wrong; warnings are none.",
         .example = "tarn doctor",
         .run = Doctor},
        {.name = "reload",
         .summary = "Takes what changed in tarn.yaml, and the certificate, into the Tarn that runs.",
         .details = "Says which keys hold from now on, and which need a restart. A wrong file changes nothing. SIGHUP\n"
                    "does the same. New files of the certificate are taken by themselves.",
         .example = "tarn reload",
         .run = ReloadRunning},
    };
}

}  // namespace tarn::app
