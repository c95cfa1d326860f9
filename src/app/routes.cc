#include "app/routes.h"

#include <algorithm>
#include <set>

#include "app/doctor.h"
#include "app/events.h"
#include "app/git_ref.h"
#include "app/lake_routes.h"
#include "app/offline.h"
#include "app/platform_state.h"
#include "app/status.h"
#include "app/web_assets.h"
#include "app/workspace_plan.h"
#include "app/workspace_tests.h"
#include "base/text.h"
#include "security/operation_docs.h"

namespace tarn::app {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

// ---- the living picture

Json NodeOf(const orchestrator::TaskStatus& task, const std::string& kind) {
    std::string state = "empty";
    if (task.current)
        state = task.current->state == orchestrator::RunState::kRunning ? "running" : "waiting";
    else if (task.last && task.last->state == orchestrator::RunState::kFailed)
        state = "failed";
    else if (task.fresh)
        state = "ok";
    else if (task.last)
        state = "waiting";
    // What makes no dataset (a job) stands for itself.
    std::string id = task.spec.dataset.empty() ? task.spec.id : task.spec.dataset;
    std::string title = task.spec.dataset.empty() ? id.substr(id.find(':') + 1) : id;
    Json node = {{"id", id},         {"kind", kind},           {"title", title},      {"state", state},
                 {"note", task.why}, {"file", task.spec.file}, {"task", task.spec.id}};
    if (task.current && !task.current->note.empty()) node["note"] = task.current->note;
    return node;
}

void FillFromCatalog(Json& node, const std::map<std::string, catalog::Dataset>& datasets) {
    auto found = datasets.find(node["id"].get<std::string>());
    if (found == datasets.end()) return;
    const catalog::Dataset& dataset = found->second;
    node["schema"] = dataset.schema;
    if (dataset.rows >= 0) node["rows"] = dataset.rows;
    if (dataset.bytes >= 0) node["bytes"] = dataset.bytes;
    if (!dataset.version.empty()) node["version"] = dataset.version;
    if (dataset.updated_at) node["updated_at"] = FormatTime(*dataset.updated_at);
}

struct Picture {
    Json nodes = Json::array();
    Json edges = Json::array();
    Json attention = Json::array();
};

void AddTask(const orchestrator::TaskStatus& task, const std::map<std::string, catalog::Dataset>& datasets,
             std::set<std::string>& sources, Picture& picture) {
    bool is_source = task.spec.kind == "source";
    Json node = NodeOf(task, is_source ? "raw" : task.spec.dataset.empty() ? "job" : "table");
    FillFromCatalog(node, datasets);
    if (node["state"] == "failed") {
        picture.attention.push_back({{"title", node["title"].get<std::string>() + " failed"},
                                     {"text", task.last->error},
                                     {"link", "/runs/" + task.last->id}});
    }
    std::string id = node["id"];
    picture.nodes.push_back(std::move(node));
    for (const std::string& input : task.spec.inputs) picture.edges.push_back({{"from", input}, {"to", id}});
    for (const std::string& before : task.spec.after) picture.edges.push_back({{"from", before}, {"to", id}});
    if (!is_source) return;
    std::string source = task.spec.dataset.substr(4, task.spec.dataset.find('.') - 4);
    if (sources.insert(source).second) {
        picture.nodes.push_back({{"id", "source:" + source}, {"kind", "source"}, {"title", source}, {"state", "ok"}});
    }
    picture.edges.push_back({{"from", "source:" + source}, {"to", task.spec.dataset}});
}

void AddDashboards(Components& parts, const security::Principal& principal, Picture& picture) {
    for (const dashboards::DashboardDefinition& dashboard : parts.dashboards->All()) {
        std::string name = dashboard.use_case + "." + dashboard.name;
        if (!parts.identity->Decide(principal, "dashboard:Read", {"dashboard", name}).allowed) continue;
        std::string id = "dashboard:" + name;
        picture.nodes.push_back({{"id", id},
                                 {"kind", "dashboard"},
                                 {"title", dashboard.title},
                                 {"state", "ok"},
                                 {"link", "/dashboards/" + dashboard.use_case + "/" + dashboard.name}});
        std::set<std::string> reads;
        for (const dashboards::Tile& tile : dashboard.tiles) {
            for (const engine::TableRead& read : tile.reads) reads.insert(read.schema + "." + read.name);
        }
        for (const std::string& read : reads) picture.edges.push_back({{"from", read}, {"to", id}});
    }
}

Result<HttpResponse> Overview(Components& parts, Env& env, Duration started, HttpCall& call) {
    std::map<std::string, catalog::Dataset> datasets;
    for (catalog::Dataset& dataset : TRY(parts.catalog->List(call.principal))) {
        std::string id = dataset.schema + "." + dataset.name;
        datasets.emplace(std::move(id), std::move(dataset));
    }
    Picture picture;
    std::set<std::string> sources;
    for (const orchestrator::TaskStatus& task : TRY(parts.orchestrator->Tasks(call.principal))) {
        AddTask(task, datasets, sources, picture);
    }
    AddDashboards(parts, call.principal, picture);
    for (const alerting::FiringAlert& alert : parts.alerting->Firing(call.principal)) {
        std::string more = alert.count > 1 ? fmt::format(" (and {} more)", alert.count - 1) : "";
        picture.attention.push_back(
            {{"title", alert.name + " fires"}, {"text", alert.text + more}, {"link", "/alerts"}});
    }
    double uptime = std::chrono::duration<double>(env.clock().Monotonic() - started).count();
    return JsonResponse({{"name", parts.config.name},
                         {"version", kVersion},
                         {"uptime_seconds", uptime},
                         {"listeners",
                          {{"web", parts.web_server->address().ToString()},
                           {"s3", parts.s3_listener->address().ToString()},
                           {"sql", parts.sql_server->address().ToString()},
                           {"kafka", parts.buffer->address().ToString()}}},
                         {"memory_bytes", parts.monitoring->ResidentBytes()},
                         {"engine_memory_bytes", parts.engine_memory_bytes},
                         {"nodes", std::move(picture.nodes)},
                         {"edges", std::move(picture.edges)},
                         {"attention", std::move(picture.attention)}});
}

// ---- the event stream

Result<HttpResponse> ListenToEvents(Components& parts, HttpCall& call) {
    auto* streams = dynamic_cast<HttpStreams*>(&call.responder);
    if (!streams) return Error(ErrorCode::kNotSupported, "this listener gives no streams");
    TRY(parts.events->Add(call.principal, *streams));
    return HttpResponse{};
}

// ---- the workspace

Json KeysJson(const std::vector<ConfigKeyDoc>& keys) {
    Json list = Json::array();
    for (const ConfigKeyDoc& key : keys) {
        list.push_back({{"key", key.path},
                        {"type", key.type},
                        {"default", key.default_value},
                        {"required", key.required},
                        {"description", key.description}});
    }
    return list;
}

Result<HttpResponse> GetReference(Components& parts, HttpCall&) { return JsonResponse(ReferenceJson(parts)); }

Result<HttpResponse> GetWorkspace(Components& parts, HttpCall&) {
    Json definitions = Json::array();
    for (const workspace::Definition& definition : parts.workspace->Applied()) {
        definitions.push_back({{"kind", definition.kind},
                               {"name", definition.name},
                               {"file", definition.file},
                               {"description", definition.description},
                               {"hash", definition.hash},
                               {"text", definition.text}});
    }
    workspace::LoadedWorkspace loaded = TRY(parts.workspace->Load());
    return JsonResponse({{"name", parts.config.name},
                         {"directory", parts.workspace->directory()},
                         {"origin", TRY(parts.workspace->AppliedOrigin())},
                         {"definitions", std::move(definitions)},
                         {"issues", IssuesJson(loaded.issues)}});
}

Result<workspace::LoadedWorkspace> Wanted(Components& parts, Env& env, HttpCall& call) {
    return LoadAt(parts, env, TRY(JsonStringOr(TRY(call.JsonBody()), "ref", "")));
}

Result<HttpResponse> PlanWorkspace(Components& parts, Env& env, HttpCall& call) {
    workspace::LoadedWorkspace loaded = TRY(Wanted(parts, env, call));
    return JsonResponse(TRY(PlanOf(parts, call.principal, loaded)));
}

Result<HttpResponse> ApplyWorkspace(Components& parts, Env& env, HttpCall& call) {
    workspace::LoadedWorkspace loaded = TRY(Wanted(parts, env, call));
    workspace::Plan done = TRY(parts.workspace->Apply(call.principal, loaded));
    call.call.details["steps"] = done.steps.size();
    for (const workspace::Rename& rename : loaded.renames) {
        call.call.details["renames"].push_back(fmt::format("{} {} → {}", rename.kind, rename.from, rename.to));
    }
    if (!loaded.origin.empty()) call.call.details["origin"] = loaded.origin;
    return JsonResponse(ChangesJson(parts, done, loaded));
}

// ---- verification and the UI's files

Result<HttpResponse> Verify(Components& parts, HttpCall& call) {
    bool audit_only = TRY(JsonBoolOr(TRY(call.JsonBody()), "audit_only", false));
    VerifyReport report = TRY(VerifyAll(parts, audit_only));
    call.call.details["issues"] = report.issues.size();
    return JsonResponse({{"checked", report.checked}, {"issues", report.issues}});
}

Result<HttpResponse> Reload(Components& parts, HttpCall& call) {
    Json report = ReloadJson(TRY(parts.reloader->Reload()));
    call.call.details = report;
    return JsonResponse(report);
}

Result<HttpResponse> Examine(Components& parts, Env& env, HttpCall& call) {
    Findings findings;
    ExamineComponents(parts, env, findings);
    call.call.rows = static_cast<int64_t>(findings.size());
    return JsonResponse({{"findings", FindingsJson(findings)}});
}

const WebAsset* AssetOf(std::string_view path) {
    for (const WebAsset& asset : WebAssets()) {
        if (asset.path == path) return &asset;
    }
    return nullptr;
}

// Any path that is no file is a page of the app, which reads the URL itself.
Result<HttpResponse> ServeAsset(HttpCall& call) {
    const std::string& path = call.request.path;
    if (path.starts_with("/api/")) return Error(ErrorCode::kNotFound, "there is no {}", path);
    const WebAsset* asset = AssetOf(path);
    bool page = !asset && path.find('.') == std::string::npos;
    if (page) asset = AssetOf("/index.html");
    if (!asset) {
        if (WebAssets().empty()) {
            return HttpResponse{200,
                                {{"Content-Type", "text/plain"}},
                                "This Tarn was built without its web UI; the API is at /api/v1.\n"};
        }
        return Error(ErrorCode::kNotFound, "there is no {}", path);
    }
    HttpResponse response;
    bool immutable = path.starts_with("/assets/");
    response.headers = {{"Content-Type", std::string(asset->content_type)},
                        {"Content-Encoding", "gzip"},
                        {"ETag", std::string(asset->etag)},
                        {"Cache-Control", immutable ? "public, max-age=31536000, immutable" : "no-cache"}};
    if (call.request.headers.Get("If-None-Match") == asset->etag) {
        response.status = 304;
        return response;
    }
    response.body = std::string(AsText(asset->gzip_bytes));
    return response;
}

template <typename Handler>
auto With(Components& parts, Handler handler) {
    return [&parts, handler](HttpCall& call) { return handler(parts, call); };
}

}  // namespace

Json ReferenceJson(Components& parts) {
    Json kinds = Json::array();
    kinds.push_back({{"kind", "platform"},
                     {"file", "tarn.yaml"},
                     {"description", "The program itself. The file may be absent: every key has a default."},
                     {"keys", KeysJson(DescribeConfig<TarnConfig>())}});
    for (const workspace::Kind& kind : parts.workspace->kinds()) {
        std::string name = kind.suffix.starts_with(".") ? "<name>" + kind.suffix : kind.suffix;
        kinds.push_back({{"kind", kind.name},
                         {"file", kind.folder + "/" + name},
                         {"description", kind.description},
                         {"keys", KeysJson(kind.keys)}});
    }
    return {{"kinds", std::move(kinds)}};
}

void AddRoutes(Components& parts, Env& env) {
    Duration started = env.clock().Monotonic();
    security::Router& router = *parts.router;
    router.Add(parts.identity->Routes());
    router.Add(parts.encryption->Routes());
    router.Add(parts.audit->Routes());
    router.Add(parts.monitoring->Routes());
    router.Add(parts.backup->Routes());
    router.Add(parts.orchestrator->Routes());
    router.Add(parts.buffer->Routes());
    router.Add(parts.connectors->Routes());
    router.Add(parts.schemas->Routes());
    router.Add(parts.dashboards->Routes(
        [&router](HttpRequest& request, HttpResponder& responder) { return router.Serve(request, responder); }));
    router.Add(parts.reports->Routes());
    router.Add(parts.destinations->Routes());
    router.Add(parts.alerting->Routes());
    router.Add(catalog::CatalogRoutes(*parts.catalog, *parts.engine));
    router.Add(query::QueryRoutes({env, *parts.engine, *parts.catalog, *parts.identity, *parts.dispatcher,
                                   parts.registry, parts.metrics, *parts.log}));
    router.Add(LakeRoutes(*parts.lake));
    router.Add(security::OperationDocRoutes(parts.registry));
    constexpr auto kRead = AuditClass::kRead;
    router.Add({
        {{"http", "GET /api/v1/overview", "self", "platform", kRead, {}},
         "*",
         [&parts, &env, started](HttpCall& call) { return Overview(parts, env, started, call); }},
        StatusRoute(parts, env, started),
        {{"http", "GET /api/v1/events", "self", "platform", kRead, {1 << 16, 16}}, "*", With(parts, ListenToEvents)},
        {{"http", "POST /api/v1/verify", "platform:Verify", "platform", kRead, {1 << 16, 1}}, "*", With(parts, Verify)},
        {{"http", "POST /api/v1/reload", "platform:Reload", "platform", AuditClass::kAdministration, {1 << 16, 1}},
         "*",
         With(parts, Reload)},
        {{"http", "GET /api/v1/doctor", "platform:Verify", "platform", kRead, {0, 1}},
         "*",
         [&parts, &env](HttpCall& call) { return Examine(parts, env, call); }},
        {{"http", "GET /api/v1/workspace", "workspace:Read", "workspace", kRead, {}}, "*", With(parts, GetWorkspace)},
        {{"http", "GET /api/v1/workspace/reference", "workspace:Read", "workspace", kRead, {}},
         "*",
         With(parts, GetReference)},
        {{"http", "POST /api/v1/workspace/plan", "workspace:Read", "workspace", kRead, {}},
         "*",
         [&parts, &env](HttpCall& call) { return PlanWorkspace(parts, env, call); }},
        {{"http",
          "POST /api/v1/workspace/test",
          "workspace:Test",
          "workspace",
          AuditClass::kAdministration,
          {1 << 16, 4}},
         "*",
         [&parts, &env](HttpCall& call) { return TestWorkspace(parts, env, call); }},
        {{"http", "POST /api/v1/workspace/apply", "workspace:Apply", "workspace", AuditClass::kAdministration, {}},
         "*",
         [&parts, &env](HttpCall& call) { return ApplyWorkspace(parts, env, call); }},
        {{"http", "GET /{path...}", "public", "web UI", AuditClass::kPublic, {}}, "*", ServeAsset},
    });
}

}  // namespace tarn::app
