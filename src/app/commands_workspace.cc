// The workspace and what runs: plan, apply, run, runs, why.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "app/platform.h"
#include "app/terminal.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr size_t kPartsShown = 100;
constexpr Duration kAskEvery = std::chrono::milliseconds(200);

void PrintJson(const Json& json) { std::cout << DumpJson(json, 2) << "\n"; }

void PrintIssues(const Json& issues) {
    for (const Json& issue : issues) {
        std::cout << issue.value("file", "") << ":" << issue.value("line", 0) << ":" << issue.value("column", 0) << ": "
                  << issue.value("message", "") << "\n";
    }
}

void PrintSteps(const Json& plan) {
    if (plan["steps"].empty()) std::cout << "nothing to do: the folder is what is applied\n";
    for (const Json& step : plan["steps"]) {
        std::string sign = step["change"] == "add" ? "+" : step["change"] == "remove" ? "-" : "~";
        std::string renamed = step.contains("from") ? step.value("from", "") + " → " : "";
        std::cout << sign << " " << step.value("kind", "") << " " << renamed << step.value("name", "") << "  ("
                  << step.value("file", "") << ")";
        if (step.contains("note")) std::cout << ": " << step.value("note", "");
        std::cout << "\n";
    }
    for (const Json& note : plan.value("notes", Json::array())) std::cout << note.get<std::string>() << "\n";
}

std::string Seconds(double seconds) {
    return seconds < 60 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} min", seconds / 60);
}

// What is computed anew, and how much that is.
void PrintPlannedRuns(const Json& plan) {
    const Json& total = plan["runs_total"];
    int64_t tasks = total.value("tasks", int64_t{0});
    if (tasks == 0) return;
    int64_t unknown = total.value("unknown", int64_t{0});
    std::cout << fmt::format("then {} {}, reading {} rows, {}", tasks, tasks == 1 ? "task runs" : "tasks run",
                             GroupDigits(total.value("rows", int64_t{0})),
                             FormatSize(total.value("bytes", int64_t{0})));
    if (unknown < tasks) std::cout << "; took " << Seconds(total.value("seconds", 0.0)) << " the last time";
    if (unknown > 0) std::cout << fmt::format("; of {} it is not known how long", unknown);
    std::cout << "\n";
    for (const Json& run : plan["runs"]) {
        std::cout << fmt::format("  {:40} {}", run.value("task", ""), run.value("why", ""));
        if (!run["seconds"].is_null()) std::cout << ", " << Seconds(run["seconds"].get<double>());
        std::cout << "\n";
    }
}

Status Plan(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json plan = TRY(client.Post("/api/v1/workspace/plan", {{"ref", call.Get("--ref")}}));
    if (call.json()) {
        PrintJson(plan);
        return plan["issues"].empty() ? Ok() : AlreadyTold(ErrorCode::kInvalidArgument);
    }
    PrintSteps(plan);
    if (plan["issues"].empty()) return PrintPlannedRuns(plan), Ok();
    PrintIssues(plan["issues"]);
    return Error(ErrorCode::kInvalidArgument, "{} issues keep this folder from being applied", plan["issues"].size());
}

Status Apply(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json plan = TRY(client.Post("/api/v1/workspace/apply", {{"ref", call.Get("--ref")}}));
    if (call.json()) return PrintJson(plan), Ok();
    PrintSteps(plan);
    return Ok();
}

Result<int64_t> SampleRows(const Invocation& call) {
    std::string text = call.Get("--sample");
    if (text.empty()) return 10000;
    if (text == "all") return 0;
    if (text == "none") return -1;
    std::optional<int64_t> rows = ParseInteger(text);
    if (rows && *rows > 0) return *rows;
    return Error(ErrorCode::kInvalidArgument, "--sample is a number of rows, all or none, not \"{}\"", text);
}

Status Test(const Invocation& call) {
    Json request = {
        {"pattern", call.Get("PATTERN")}, {"sample_rows", TRY(SampleRows(call))}, {"ref", call.Get("--ref")}};
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Post("/api/v1/workspace/test", request));
    int64_t failed = answer.value("failed", int64_t{0});
    if (call.json()) {
        PrintJson(answer);
        return failed == 0 ? Ok() : AlreadyTold(ErrorCode::kFailedPrecondition);
    }
    for (const Json& result : answer["results"]) {
        std::cout << fmt::format("{:7} {}", result.value("state", ""), result.value("name", ""));
        std::string message = result.value("message", "");
        if (result.value("state", "") == "failed") {
            std::cout << fmt::format("\n        {}:{}: {}", result.value("file", ""), result.value("line", 0), message);
        } else if (!message.empty()) {
            std::cout << "  (" << message << ")";
        }
        std::cout << "\n";
    }
    std::string counts =
        fmt::format("{} passed, {} failed, {} skipped", answer.value("passed", 0), failed, answer.value("skipped", 0));
    if (failed > 0) return Error(ErrorCode::kFailedPrecondition, "{}", counts);
    std::cout << counts << "\n";
    return Ok();
}

void PrintRun(const Json& run) {
    std::cout << "run " << run.value("id", "") << " " << run.value("task", "") << ": " << run.value("state", "");
    if (run.value("rows", int64_t{-1}) >= 0) std::cout << ", " << GroupDigits(run["rows"].get<int64_t>()) << " rows";
    // What a delivery changed of them.
    for (const char* name : {"inserted", "updated", "deleted"}) {
        int64_t count = run.value("details", Json::object()).value(name, int64_t{-1});
        if (count >= 0) std::cout << ", " << GroupDigits(count) << " " << name;
    }
    std::cout << "\n";
}

Result<Json> WaitForRun(const Invocation& call, Client& client, const std::string& id) {
    while (true) {
        Json run = TRY(client.Get("/api/v1/runs/" + id));
        std::string state = run.value("state", "");
        bool open = state == "queued" || state == "running" || state == "waiting_retry" || state == "waiting_items";
        if (!open) return run;
        call.env().clock().Sleep(kAskEvery);
    }
}

// All of them, also when one fails: the others run anyhow.
Status WaitForRuns(const Invocation& call, Client& client, const Json& ids) {
    Json runs = Json::array();
    std::vector<std::string> failed;
    for (const Json& id : ids) {
        Json run = TRY(WaitForRun(call, client, id.get<std::string>()));
        std::string state = run.value("state", "");
        if (state != "succeeded" && state != "unchanged" && state != "skipped") {
            failed.push_back(fmt::format("run {} {}: {}", run.value("id", ""), state, run.value("error", "")));
        }
        if (!call.json()) PrintRun(run);
        runs.push_back(std::move(run));
    }
    if (call.json()) PrintJson({{"runs", std::move(runs)}});
    if (failed.empty()) return Ok();
    return call.json() ? AlreadyTold(ErrorCode::kInternal) : Error(ErrorCode::kInternal, "{}", Join(failed, "\n"));
}

Status WaitForBackfill(const Invocation& call, Client& client, const std::string& batch) {
    std::string path = "/api/v1/runs?batch=" + UrlEncode(batch) + "&state=";
    for (const char* state : {"queued", "running", "waiting_retry", "waiting_approval"}) {
        while (!TRY(client.Get(path + state + "&limit=1"))["runs"].empty()) call.env().clock().Sleep(kAskEvery);
    }
    Json failed = TRY(client.Get(path + "failed&limit=1000"))["runs"];
    for (const Json& run : TRY(client.Get(path + "cancelled&limit=1000"))["runs"]) failed.push_back(run);
    if (failed.empty()) return Ok();
    for (const Json& run : failed) std::cout << run.value("part", "") << ": " << run.value("error", "") << "\n";
    return Error(ErrorCode::kInternal, "{} parts did not succeed", failed.size())
        .WithHint("mend it, then ask for the same range again: what succeeded is not run twice");
}

Status Backfill(const Invocation& call, Client& client, Json body, const std::string& range) {
    size_t dots = range.find("..");
    std::string last = dots == std::string::npos ? range : range.substr(dots + 2);
    body["backfill"] = {{"from", range.substr(0, dots)}, {"to", last}, {"again", call.Has("--again")}};
    Json answer = TRY(client.Post("/api/v1/runs", body));
    if (call.json()) {
        PrintJson(answer);
    } else {
        std::cout << fmt::format("{} parts are queued, {} are under way, {} were done\n",
                                 answer.value("queued", int64_t{0}), answer.value("under_way", int64_t{0}),
                                 answer.value("done", int64_t{0}));
    }
    std::string batch = answer.value("batch", "");
    return call.Has("--wait") && !batch.empty() ? WaitForBackfill(call, client, batch) : Ok();
}

Status ShowParts(const Invocation& call, const std::string& target) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Get("/api/v1/parts?limit=100000&target=" + UrlEncode(target)));
    if (call.json()) return PrintJson(answer), Ok();
    Json shown = Json::array();
    for (const Json& part : answer["parts"]) {
        if (part["state"] != "never" && shown.size() < kPartsShown) shown.push_back(part);
    }
    PrintObjects(std::cout, shown, {"part", "state", "run", "ended_at", "error"});
    std::vector<std::string> counts;
    for (const auto& [state, count] : answer["counts"].items()) {
        counts.push_back(fmt::format("{} {}", count.get<int64_t>(), state == "never" ? "never ran" : state));
    }
    std::cout << Join(counts, ", ") << "\n";
    return Ok();
}

Status TellRuns(const Invocation& call, Client& client, const Json& started) {
    if (call.Has("--wait")) return WaitForRuns(call, client, started["runs"]);
    if (call.json()) return PrintJson(started), Ok();
    for (const Json& id : started["runs"]) std::cout << "run " << id.get<std::string>() << " is queued\n";
    return Ok();
}

Status Run(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json parameters = Json::object();
    for (const std::string& text : call.All("--param")) {
        size_t equals = text.find('=');
        if (equals == std::string::npos || equals == 0) {
            return Error(ErrorCode::kInvalidArgument, "--param is NAME=VALUE, not \"{}\"", text);
        }
        parameters[text.substr(0, equals)] = text.substr(equals + 1);
    }
    if (auto failed = call.Find("--from-failure")) {
        if (!call.Get("TARGET").empty() || !parameters.empty()) {
            return Error(ErrorCode::kInvalidArgument, "--from-failure takes target and parameters from the run");
        }
        Json again = TRY(client.Post("/api/v1/runs/" + UrlEncode(*failed) + "/from-failure", Json::object()));
        return TellRuns(call, client, again);
    }
    if (call.Get("TARGET").empty()) return Error(ErrorCode::kInvalidArgument, "say what to run: `tarn run TARGET`");
    Json body = {{"target", call.Get("TARGET")}, {"parameters", parameters}};
    if (auto range = call.Find("--backfill")) return Backfill(call, client, std::move(body), *range);
    Json started = TRY(client.Post("/api/v1/runs", body));
    return TellRuns(call, client, started);
}

Status Runs(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    if (auto target = call.Find("--partitions")) return ShowParts(call, *target);
    bool tasks = call.Has("--tasks");
    Json answer = TRY(client.Get(tasks ? "/api/v1/tasks" : "/api/v1/runs?limit=50"));
    if (call.json()) return PrintJson(answer), Ok();
    if (tasks) return PrintObjects(std::cout, answer["tasks"], {"id", "fresh", "why"}), Ok();
    for (Json& run : answer["runs"]) {
        if (run.value("rows", int64_t{-1}) < 0) run["rows"] = nullptr;
    }
    PrintObjects(std::cout, answer["runs"], {"id", "task", "state", "trigger", "queued_at", "rows", "error"});
    return Ok();
}

Status Approve(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Post("/api/v1/runs/" + UrlEncode(call.Get("RUN")) + "/approve", Json::object()));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << "run " << call.Get("RUN") << " goes on\n";
    return Ok();
}

Status Why(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json task = TRY(client.Get("/api/v1/why?target=" + UrlEncode(call.Get("TARGET"))));
    if (call.json()) return PrintJson(task), Ok();
    std::cout << task.value("id", "") << ": " << task.value("why", "") << "\n";
    return Ok();
}

}  // namespace

// A cell of a table in Markdown.
std::string MarkdownCell(std::string text) {
    for (size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) text.insert(at, "\\");
    return text;
}

// The keys are the program's, whatever runs and wherever: asked of components over an empty folder of their own.
Result<Json> ReferenceOfThisProgram(Env& env) {
    std::string folder = EnvironmentVariable("TMPDIR").value_or("/tmp") + "/tarn-reference-" + env.random().Hex(8);
    TRY(env.files().CreateDirectories(folder));
    auto ask = [&]() -> Result<Json> {
        TRY(WriteFileDurably(env, folder + "/tarn.yaml", "encryption: {root_key_file: " + folder + "/key/root.key}\n"));
        auto platform = TRY(Platform::Create(env, {.directory = folder, .terminal_log = false}));
        return platform->Reference();
    };
    Result<Json> answer = ask();
    TRY(env.files().RemoveTree(folder));
    return answer;
}

Status Reference(const Invocation& call) {
    Json answer = TRY(ReferenceOfThisProgram(call.env()));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout
        << "# The workspace: every key\n\nMade by `tarn reference` from the code that reads the files. With examples: "
           "[workspace.md](workspace.md).\n";
    for (const Json& kind : answer["kinds"]) {
        std::cout << fmt::format("\n## `{}`\n\n{}\n\n| Key | Type | Default | Meaning |\n|---|---|---|---|\n",
                                 kind.value("file", ""), kind.value("description", ""));
        for (const Json& key : kind["keys"]) {
            std::string standard = key.value("default", "");
            std::string shown = key.value("required", false) ? "required"
                                : standard.empty()           ? ""
                                                             : "`" + standard + "`";
            std::cout << fmt::format("| `{}` | {} | {} | {} |\n", key.value("key", ""),
                                     MarkdownCell(key.value("type", "")), MarkdownCell(shown),
                                     MarkdownCell(key.value("description", "")));
        }
    }
    return Ok();
}

constexpr CommandOption kRef = {"--ref", "REF",
                                "The files as this Git branch, tag or commit has them, not the folder's."};

std::vector<Command> WorkspaceCommands() {
    return {
        {.name = "reference",
         .summary = "Prints every key of every kind of file, as Markdown: docs/reference.md. Needs no running Tarn.",
         .example = "tarn reference --json",
         .run = Reference},
        {.name = "plan",
         .summary = "Shows what applying the workspace's files would change, and every issue in them.",
         .example = "tarn plan --ref main",
         .options = {kRef},
         .run = Plan},
        {.name = "apply",
         .summary = "Makes the workspace's files what runs, all of them or none.",
         .example = "tarn apply --ref v1.4",
         .options = {kRef},
         .run = Apply},
        {.name = "test",
         .summary = "Proves the folder before it is applied: tests of tables and policies, and checks on a sample.",
         .example = "tarn test 'delays.*'",
         .arguments = {{"PATTERN", "Only tests of these names; `*` stands for any text.", false}},
         .options = {kRef,
                     {"--sample", "ROWS",
                      "Rows of each table's result that checks are asked about, 10000; or all, none."}},
         .run = Test},
        {.name = "run",
         .summary = "Runs a task, dataset or glob now.",
         .example = "tarn run delays.flights --wait",
         .arguments = {{"TARGET", "A task, a dataset, a source, a use case, or a glob of them.", false}},
         .options = {{"--param", "NAME=VALUE", "Tells the run the value of a parameter; may stand several times.",
                      true},
                     {"--backfill", "FROM..TO",
                      "Runs each part of the range that has not succeeded (`partitions`), or one part."},
                     {"--again", nullptr, "With --backfill: also parts that succeeded."},
                     {"--from-failure", "RUN", "Runs again what failed of this run and of those asked for with it."},
                     {"--wait", nullptr, "Waits for the end and fails if a run does."}},
         .run = Run},
        {.name = "runs",
         .summary = "Lists the newest runs, or what can run.",
         .example = "tarn runs --tasks",
         .options = {{"--partitions", "TARGET", "Lists the parts of a task (`partitions`), and how each stands."},
                     {"--tasks", nullptr, "Lists tasks, and why each is not running."}},
         .run = Runs},
        {.name = "approve",
         .summary = "Lets a run go on that waits for a person (`approval: yes`).",
         .details =
             "Needs the permission run:Approve on the task. Who approved stands with the run and in the audit log.",
         .example = "tarn approve 42",
         .arguments = {{"RUN", "The run's number."}},
         .run = Approve},
        {.name = "why",
         .summary = "Says why something is not running.",
         .example = "tarn why delays.flights",
         .arguments = {{"TARGET", "A task, dataset or glob."}},
         .run = Why},
    };
}

}  // namespace tarn::app
