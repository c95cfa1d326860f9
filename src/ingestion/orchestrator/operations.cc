// The orchestrator's HTTP operations: GET/POST /api/v1/runs, /tasks, /why.
#include "base/number.h"
#include "base/text.h"
#include "ingestion/orchestrator/scheduler.h"

namespace tarn::orchestrator {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

Json TimeJson(const std::optional<Timestamp>& time) { return time ? Json(FormatTime(*time)) : Json(); }

Json ParametersJson(const workspace::Parameters& parameters) {
    Json json = Json::object();
    for (const auto& [name, parameter] : parameters) {
        json[name] = {{"type", parameter.type},
                      {"default", parameter.fallback ? Json(*parameter.fallback) : Json()},
                      {"description", parameter.description}};
    }
    return json;
}

// {"day": "2024-01-01", "dry": true}: numbers and booleans are taken as they are written.
Result<workspace::ParameterValues> ParametersOf(const Json& body) {
    workspace::ParameterValues values;
    if (!body.contains("parameters")) return values;
    const Json& given = body["parameters"];
    if (!given.is_object())
        return Error(ErrorCode::kInvalidArgument, "\"parameters\" is an object of names and values");
    for (const auto& [name, value] : given.items()) {
        if (value.is_structured() || value.is_null()) {
            return Error(ErrorCode::kInvalidArgument, "parameter {} is a text, a number, true or false", name);
        }
        values[name] = value.is_string() ? value.get<std::string>() : DumpJson(value);
    }
    return values;
}

Json TaskToJson(const TaskStatus& status) {
    const TaskSpec& spec = status.spec;
    Json json = {{"id", spec.id},           {"kind", spec.kind},
                 {"dataset", spec.dataset}, {"file", spec.file},
                 {"inputs", spec.inputs},   {"why", status.why},
                 {"fresh", status.fresh},   {"next_due", TimeJson(status.next_due)}};
    json["every_seconds"] = spec.timing.every ? Json(spec.timing.every->count() / 1000000) : Json();
    json["schedule"] =
        spec.timing.schedule
            ? Json({{"cron", spec.timing.schedule->cron()}, {"time_zone", spec.timing.schedule->time_zone()}})
            : Json();
    json["pool"] = spec.timing.pool;
    json["by_part"] = spec.partition.has_value();
    json["fans_out"] = spec.fans_out;
    json["paused"] = spec.timing.paused;
    json["after"] = spec.after;
    json["parameters"] = ParametersJson(spec.parameters);
    json["last"] = status.last ? RunToJson(*status.last) : Json();
    json["current"] = status.current ? RunToJson(*status.current) : Json();
    return json;
}

int LimitOf(const HttpCall& call) {
    int64_t limit = ParseInteger(call.request.Query("limit").value_or("100")).value_or(100);
    return static_cast<int>(std::clamp<int64_t>(limit, 1, 1000));
}

Json HistoryJson(const RunHistory& history) {
    Json parts = Json::array();
    for (const RunPart& part : history.parts) {
        parts.push_back({{"what", part.what},
                         {"from", FormatTime(part.from)},
                         {"to", TimeJson(part.to)},
                         {"attempt", part.attempt},
                         {"why", part.why}});
    }
    return {{"parts", std::move(parts)}, {"inputs", history.inputs}, {"after", history.after}};
}

Result<std::optional<Timestamp>> TimeAsked(const HttpCall& call, const char* name) {
    std::optional<std::string> text = call.request.Query(name);
    if (!text || text->empty()) return std::optional<Timestamp>();
    return std::optional<Timestamp>(TRY_CONTEXT(ParseTime(*text), std::string("the parameter ") + name));
}

Result<HttpResponse> ListRuns(Orchestrator& orchestrator, HttpCall& call) {
    RunFilter filter;
    filter.since = TRY(TimeAsked(call, "since"));
    filter.until = TRY(TimeAsked(call, "until"));
    filter.task = call.request.Query("task").value_or("");
    filter.batch = call.request.Query("batch").value_or("");
    filter.state = call.request.Query("state").value_or("");
    filter.before_id = call.request.Query("before").value_or("");
    filter.limit = LimitOf(call);
    Json runs = Json::array();
    std::vector<Run> found = TRY(orchestrator.Runs(call.principal, filter));
    std::map<std::string, RunHistory> histories;
    bool with_history = call.request.Query("history").value_or("") == "yes";
    if (with_history) histories = TRY(orchestrator.Histories(call.principal, found));
    for (const Run& run : found) {
        runs.push_back(RunToJson(run));
        if (with_history) runs.back().update(HistoryJson(histories[run.id]));
    }
    call.call.rows = static_cast<int64_t>(runs.size());
    return JsonResponse({{"runs", std::move(runs)}});
}

Result<HttpResponse> GetRun(Orchestrator& orchestrator, HttpCall& call) {
    const std::string& id = call.parameters["id"];
    Run run = TRY(orchestrator.GetRun(call.principal, id));
    Json json = RunToJson(run);
    json.update(HistoryJson(TRY(orchestrator.Histories(call.principal, {run}))[id]));
    bool with_log = call.request.Query("log").value_or("") != "no";
    if (with_log) json["log"] = TRY(orchestrator.LogOf(call.principal, id));
    return JsonResponse(json);
}

// A page of the log. `state` was read before the lines: with one that has ended, they are all there.
Result<HttpResponse> GetRunLog(Orchestrator& orchestrator, HttpCall& call) {
    const std::string& id = call.parameters["id"];
    int64_t after = std::max<int64_t>(0, ParseInteger(call.request.Query("after").value_or("0")).value_or(0));
    Run run = TRY(orchestrator.GetRun(call.principal, id));
    Json lines = Json::array();
    for (const RunLine& line : TRY(orchestrator.LinesOf(call.principal, id, after, LimitOf(call)))) {
        lines.push_back({{"number", line.number}, {"at", FormatTime(line.at)}, {"text", line.text}});
    }
    call.call.rows = static_cast<int64_t>(lines.size());
    return JsonResponse({{"state", RunStateName(run.state)}, {"lines", std::move(lines)}});
}

Result<HttpResponse> GetRunDefinition(Orchestrator& orchestrator, HttpCall& call) {
    RunDefinition definition = TRY(orchestrator.DefinitionOf(call.principal, call.parameters["id"]));
    return JsonResponse(
        {{"file", definition.file}, {"text", definition.text}, {"since_run", std::to_string(definition.since_run)}});
}

Result<HttpResponse> StartBackfill(Orchestrator& orchestrator, HttpCall& call, const Json& body,
                                   const std::string& target, workspace::ParameterValues parameters) {
    const Json& range = body["backfill"];
    if (!range.is_object()) {
        return Error(ErrorCode::kInvalidArgument, "\"backfill\" is {{\"from\": a part, \"to\": a part}}");
    }
    BackfillRequest request{target, TRY(JsonString(range, "from")), TRY(JsonString(range, "to")),
                            TRY(JsonBoolOr(range, "again", false)), std::move(parameters)};
    call.call.details["from"] = request.first;
    call.call.details["to"] = request.last;
    BackfillResult result = TRY(orchestrator.Backfill(call.principal, request));
    call.call.rows = result.queued;
    return JsonResponse({{"task", result.task},
                         {"batch", result.batch},
                         {"queued", result.queued},
                         {"under_way", result.under_way},
                         {"done", result.done}});
}

Result<HttpResponse> ListParts(Orchestrator& orchestrator, HttpCall& call) {
    std::string target = call.request.Query("target").value_or("");
    int limit = static_cast<int>(std::clamp<int64_t>(
        ParseInteger(call.request.Query("limit").value_or("1000")).value_or(1000), 1, kBackfillPartsMax));
    Json parts = Json::array();
    std::map<std::string, int64_t> counts;
    for (const PartStatus& part : TRY(orchestrator.Parts(call.principal, target, limit))) {
        std::string state = part.run ? std::string(RunStateName(part.run->state)) : "never";
        ++counts[state];
        parts.push_back({{"part", part.part},
                         {"state", state},
                         {"run", part.run ? Json(part.run->id) : Json()},
                         {"ended_at", part.run ? TimeJson(part.run->ended_at) : Json()},
                         {"rows", part.run ? part.run->rows : -1},
                         {"error", part.run ? part.run->error : ""}});
    }
    call.call.rows = static_cast<int64_t>(parts.size());
    return JsonResponse({{"counts", counts}, {"parts", std::move(parts)}});
}

Result<HttpResponse> StartRuns(Orchestrator& orchestrator, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    std::string target = TRY(JsonString(body, "target"));
    workspace::ParameterValues parameters = TRY(ParametersOf(body));
    call.call.details["target"] = target;
    if (body.contains("backfill")) return StartBackfill(orchestrator, call, body, target, std::move(parameters));
    if (!parameters.empty()) call.call.details["parameters"] = parameters;
    return JsonResponse({{"runs", TRY(orchestrator.Trigger(call.principal, target, parameters))}});
}

Result<HttpResponse> CancelRun(Orchestrator& orchestrator, HttpCall& call) {
    TRY(orchestrator.Cancel(call.principal, call.parameters["id"]));
    return JsonResponse(Json::object());
}

Result<HttpResponse> ApproveRun(Orchestrator& orchestrator, HttpCall& call) {
    TRY(orchestrator.Approve(call.principal, call.parameters["id"]));
    return JsonResponse(Json::object());
}

Result<HttpResponse> RunFromFailure(Orchestrator& orchestrator, HttpCall& call) {
    std::vector<std::string> runs = TRY(orchestrator.RunFromFailure(call.principal, call.parameters["id"]));
    call.call.rows = static_cast<int64_t>(runs.size());
    call.call.details["runs"] = runs;
    return JsonResponse({{"runs", std::move(runs)}});
}

Result<HttpResponse> RetryRun(Orchestrator& orchestrator, HttpCall& call) {
    Run run = TRY(orchestrator.GetRun(call.principal, call.parameters["id"]));
    // An item is run again with its list.
    bool is_item = !run.part.empty() && !run.parameters.contains("partition");
    if (is_item) return RunFromFailure(orchestrator, call);
    if (run.part.empty()) {
        return JsonResponse({{"runs", TRY(orchestrator.Trigger(call.principal, run.task, run.parameters))}});
    }
    for (const char* told : {"partition", "partition_start", "partition_end"}) run.parameters.erase(told);
    BackfillRequest request{run.task, run.part, run.part, true, run.parameters};
    BackfillResult result = TRY(orchestrator.Backfill(call.principal, request));
    Json runs = Json::array();
    if (!result.batch.empty()) runs.push_back(result.batch);
    return JsonResponse({{"runs", std::move(runs)}});
}

Result<HttpResponse> ListTasks(Orchestrator& orchestrator, HttpCall& call) {
    Json tasks = Json::array();
    for (const TaskStatus& task : TRY(orchestrator.Tasks(call.principal))) tasks.push_back(TaskToJson(task));
    return JsonResponse({{"tasks", std::move(tasks)}});
}

Result<HttpResponse> GetWhy(Orchestrator& orchestrator, HttpCall& call) {
    std::string target = call.request.Query("target").value_or("");
    return JsonResponse(TaskToJson(TRY(orchestrator.Why(call.principal, target))));
}

}  // namespace

Json RunToJson(const Run& run) {
    return {{"id", run.id},
            {"task", run.task},
            {"trigger", run.trigger},
            {"state", RunStateName(run.state)},
            {"attempt", run.attempt},
            {"queued_at", FormatTime(run.queued_at)},
            {"started_at", TimeJson(run.started_at)},
            {"ended_at", TimeJson(run.ended_at)},
            {"error", run.error},
            {"note", run.note},
            {"rows", run.rows},
            {"version", run.version},
            {"warnings", run.warnings},
            {"parameters", run.parameters},
            {"part", run.part},
            {"batch", run.batch},
            {"retry_of", run.retry_of},
            {"items", run.items},
            {"scheduled_for", TimeJson(run.scheduled_for)},
            {"approved_by", run.approved_by},
            {"details", run.details},
            {"late", run.late}};
}

// What a run may be asked is decided for each run below (run:* on its task); the rows let any logged-in person ask.
std::vector<Route> OrchestratorRoutes(Orchestrator& orchestrator) {
    auto bound = [&orchestrator](auto handler) {
        return [&orchestrator, handler](HttpCall& call) { return handler(orchestrator, call); };
    };
    constexpr auto kRead = AuditClass::kRead;
    constexpr auto kChange = AuditClass::kChange;
    return {
        {{"http", "GET /api/v1/runs", "self", "run", kRead, {}}, "*", bound(ListRuns)},
        {{"http", "POST /api/v1/runs", "self", "run", kChange, {}}, "*", bound(StartRuns)},
        {{"http", "GET /api/v1/runs/{id}", "self", "run", kRead, {}}, "{id}", bound(GetRun)},
        {{"http", "GET /api/v1/runs/{id}/log", "self", "run", kRead, {}}, "{id}", bound(GetRunLog)},
        // A definition is a file of the workspace: whoever may not read those does not read it here either.
        {{"http", "GET /api/v1/runs/{id}/definition", "workspace:Read", "workspace", kRead, {}},
         "*",
         bound(GetRunDefinition)},
        {{"http", "POST /api/v1/runs/{id}/cancel", "self", "run", kChange, {}}, "{id}", bound(CancelRun)},
        {{"http", "POST /api/v1/runs/{id}/approve", "self", "run", kChange, {}}, "{id}", bound(ApproveRun)},
        {{"http", "POST /api/v1/runs/{id}/retry", "self", "run", kChange, {}}, "{id}", bound(RetryRun)},
        {{"http", "POST /api/v1/runs/{id}/from-failure", "self", "run", kChange, {}}, "{id}", bound(RunFromFailure)},
        {{"http", "GET /api/v1/tasks", "self", "run", kRead, {}}, "*", bound(ListTasks)},
        {{"http", "GET /api/v1/parts", "self", "run", kRead, {}}, "*", bound(ListParts)},
        {{"http", "GET /api/v1/why", "self", "run", kRead, {}}, "*", bound(GetWhy)},
    };
}

std::vector<Route> Scheduler::Routes() { return OrchestratorRoutes(*this); }

}  // namespace tarn::orchestrator
