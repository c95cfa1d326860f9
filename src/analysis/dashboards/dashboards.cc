#include "analysis/dashboards/dashboards.h"

#include <algorithm>
#include <mutex>

#include "analysis/dashboards/all_tiles.h"
#include "analysis/dashboards/dashboard_file.h"
#include "analysis/dashboards/definition_json.h"
#include "analysis/dashboards/owned_store.h"
#include "analysis/dashboards/tile_reader.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::dashboards {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

constexpr int64_t kTileRowsMax = 5000;
constexpr int64_t kRowsBehindDefault = 200;
constexpr int kFilterValuesMax = 1000;

std::string NameOf(const DashboardDefinition& dashboard) { return dashboard.use_case + "." + dashboard.name; }

// The hash in `If-Match: "<hash>"`.
std::string ExpectedHash(const HttpRequest& request) {
    std::string_view header = Trim(request.headers.Get("If-Match"));
    bool quoted = header.size() >= 2 && header.starts_with('"') && header.ends_with('"');
    return std::string(quoted ? header.substr(1, header.size() - 2) : header);
}

// What the opening record says of a statement: its text and the values bound to it.
void Record(HttpCall& call, const TileQuery& query) {
    call.call.details["sql"] = security::StatementText(query.sql);
    if (!query.bindings.values().empty()) call.call.details["values"] = query.bindings.ToJson();
}

class WorkspaceDashboards : public Dashboards {
  public:
    explicit WorkspaceDashboards(DashboardsDependencies dependencies)
        : dependencies_(dependencies), store_(dependencies_.metadata), reader_(dependencies_) {}

    Status Start() {
        TRY(store_.Migrate());
        return LoadOwned();
    }
    std::vector<workspace::Kind> WorkspaceKinds() override { return {DashboardKind(), ShapesKind()}; }
    std::vector<DashboardDefinition> All() const override {
        std::lock_guard lock(mutex_);
        std::vector<DashboardDefinition> all = dashboards_;
        all.insert(all.end(), owned_.begin(), owned_.end());
        return all;
    }
    Result<Json> StatementsOf(const Asking& asking) override;
    Result<Json> Ask(const Asking& asking, size_t tile, security::Call& call) override;
    Result<Json> ChosenBy(const Asking& asking) override;
    std::string ShapesOf(const std::string& use_case, const std::string& name) const override {
        std::lock_guard lock(mutex_);
        auto found = shapes_.find(use_case + "." + name);
        return found == shapes_.end() ? "" : found->second;
    }
    std::vector<Route> Routes(HttpServe serve) override;

  private:
    using Handler = Result<HttpResponse> (WorkspaceDashboards::*)(HttpCall&);
    using OpeningHandler = Status (WorkspaceDashboards::*)(HttpCall&);

    workspace::Kind DashboardKind();
    workspace::Kind ShapesKind();
    Status LoadOwned();
    // Those that a file defines now, word for word, are the file's.
    Status LeaveToFiles(const std::vector<workspace::Definition>& all);
    DashboardDefinition Parse(const OwnedText& owned, workspace::Issues& issues);
    Result<DashboardDefinition> Find(HttpCall& call) const;
    // Also by a name that it had.
    Result<DashboardDefinition> FindByAnyName(HttpCall& call) const;
    Result<const Tile*> FindTile(HttpCall& call, const DashboardDefinition& dashboard) const;

    Result<HttpResponse> List(HttpCall& call);
    Result<HttpResponse> Get(HttpCall& call);
    Status OpenTile(HttpCall& call);
    Result<HttpResponse> TileData(HttpCall& call);
    Status OpenRows(HttpCall& call);
    Result<HttpResponse> RowsOfMark(HttpCall& call);
    Status OpenFilter(HttpCall& call);
    Result<HttpResponse> FilterValues(HttpCall& call);
    Result<HttpResponse> Shapes(HttpCall& call);
    Status OpenPreview(HttpCall& call);
    Result<HttpResponse> Preview(HttpCall& call);
    Result<HttpResponse> Save(HttpCall& call);
    Result<HttpResponse> Remove(HttpCall& call);

    Result<TileQuery> QueryOfAsking(const Asking& asking, size_t tile);
    Result<TileQuery> QueryOfTile(HttpCall& call) const;
    Result<TileQuery> QueryOfRows(HttpCall& call) const;
    Result<TileQuery> QueryOfFilter(HttpCall& call) const;
    Result<HttpResponse> Answer(HttpCall& call, const TileReader::Question& question);
    Result<DashboardDefinition> Draft(HttpCall& call, workspace::Issues& issues);
    Status CheckOwnership(HttpCall& call) const;
    Result<std::optional<TileQuery>> QueryOfPreview(HttpCall& call, const DashboardDefinition& draft);

    DashboardsDependencies dependencies_;
    OwnedStore store_;
    mutable TileReader reader_;
    mutable std::mutex mutex_;  // guards all below
    std::vector<DashboardDefinition> dashboards_;  // of the workspace
    std::vector<DashboardDefinition> owned_;  // by the API
    std::map<std::string, std::string> shapes_;  // "use_case.name" -> GeoJSON
};

// ---- the workspace, and what the API owns

workspace::Kind WorkspaceDashboards::DashboardKind() {
    workspace::Kind kind;
    kind.name = "dashboard";
    kind.folder = "use_cases/*";
    kind.suffix = ".dashboard.yaml";
    kind.description = "A dashboard: tiles, each one SELECT or a text, and filters.";
    kind.keys = DashboardKeys();
    kind.parse = [this](workspace::Definition& definition, workspace::Issues& issues) {
        ParseDashboardFile(dependencies_.engine, definition, issues);
    };
    kind.validate = [this](const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
        std::lock_guard lock(mutex_);
        for (const workspace::Definition& definition : all) {
            bool taken = std::any_of(owned_.begin(), owned_.end(), [&](const DashboardDefinition& dashboard) {
                return NameOf(dashboard) == definition.name && dashboard.text != definition.text;
            });
            if (definition.kind != "dashboard" || !taken) continue;
            issues.push_back(
                {definition.file, 1, 0,
                 "a dashboard " + definition.name +
                     " was made in the browser and is another one there: write it as `tarn pull` does, and "
                     "this file takes it over; delete it there, or call the file otherwise"});
        }
    };
    kind.activate = [this](const std::vector<workspace::Definition>& all) -> Status {
        TRY(LeaveToFiles(all));
        std::vector<DashboardDefinition> dashboards;
        for (const workspace::Definition& definition : all) {
            const auto* dashboard = std::any_cast<DashboardDefinition>(&definition.value);
            if (dashboard) dashboards.push_back(*dashboard);
        }
        std::lock_guard lock(mutex_);
        dashboards_ = std::move(dashboards);
        return Ok();
    };
    return kind;
}

workspace::Kind WorkspaceDashboards::ShapesKind() {
    workspace::Kind kind;
    kind.name = "shapes";
    kind.folder = "use_cases/*";
    kind.suffix = ".geojson";
    kind.description = "Shapes for maps: a GeoJSON FeatureCollection, which a tile names under shapes.";
    kind.parse = [](workspace::Definition& definition, workspace::Issues& issues) { ParseShapes(definition, issues); };
    kind.activate = [this](const std::vector<workspace::Definition>& all) {
        std::map<std::string, std::string> shapes;
        for (const workspace::Definition& definition : all) {
            if (definition.kind == "shapes") shapes[definition.name] = definition.text;
        }
        std::lock_guard lock(mutex_);
        shapes_ = std::move(shapes);
        return Ok();
    };
    return kind;
}

DashboardDefinition WorkspaceDashboards::Parse(const OwnedText& owned, workspace::Issues& issues) {
    workspace::Definition definition{.kind = "dashboard", .name = owned.use_case + "." + owned.name};
    definition.text = owned.text;
    ParseDashboardFile(dependencies_.engine, definition, issues);
    return std::any_cast<DashboardDefinition>(definition.value);
}

Status WorkspaceDashboards::LoadOwned() {
    std::vector<DashboardDefinition> owned;
    for (const OwnedText& text : TRY(store_.All())) {
        workspace::Issues ignored;  // what a newer version would refuse is shown as far as it goes
        owned.push_back(Parse(text, ignored));
    }
    std::lock_guard lock(mutex_);
    owned_ = std::move(owned);
    return Ok();
}

Status WorkspaceDashboards::LeaveToFiles(const std::vector<workspace::Definition>& all) {
    std::vector<DashboardDefinition> owned;
    {
        std::lock_guard lock(mutex_);
        owned = owned_;
    }
    bool any = false;
    for (const DashboardDefinition& dashboard : owned) {
        bool left = std::any_of(all.begin(), all.end(), [&](const workspace::Definition& definition) {
            return definition.kind == "dashboard" && definition.name == NameOf(dashboard) &&
                   definition.text == dashboard.text;
        });
        if (left) TRY(store_.Remove(dashboard.use_case, dashboard.name, dashboard.hash));
        any |= left;
    }
    return any ? LoadOwned() : Ok();
}

Result<DashboardDefinition> WorkspaceDashboards::Find(HttpCall& call) const {
    const std::string& use_case = call.parameters["use_case"];
    const std::string& name = call.parameters["name"];
    for (const DashboardDefinition& dashboard : All()) {
        if (dashboard.use_case == use_case && dashboard.name == name) return dashboard;
    }
    return Error(ErrorCode::kNotFound, "there is no dashboard {}.{}", use_case, name);
}

Result<DashboardDefinition> WorkspaceDashboards::FindByAnyName(HttpCall& call) const {
    auto found = Find(call);
    if (found.ok() || !dependencies_.homes) return found;
    std::string renamed =
        dependencies_.homes->RenamedTo("dashboard", call.parameters["use_case"] + "." + call.parameters["name"]);
    for (DashboardDefinition& dashboard : All()) {
        if (NameOf(dashboard) != renamed) continue;
        // What was asked of the gate is the old name.
        if (!dependencies_.gate.Decide(call.principal, "dashboard:Read", {"dashboard", renamed}).allowed) break;
        return std::move(dashboard);
    }
    return found;
}

Result<const Tile*> WorkspaceDashboards::FindTile(HttpCall& call, const DashboardDefinition& dashboard) const {
    int64_t wanted = ParseInteger(call.parameters["index"]).value_or(-1);
    size_t index = static_cast<size_t>(wanted);
    if (wanted < 0 || index >= dashboard.tiles.size()) {
        return Error(ErrorCode::kNotFound, "{} has {} tiles", NameOf(dashboard), dashboard.tiles.size());
    }
    const Tile& tile = dashboard.tiles[index];
    if (tile.sql.empty()) return Error(ErrorCode::kNotFound, "tile {} is a text: it asks for nothing", index);
    return &tile;
}

// ---- looking

Result<HttpResponse> WorkspaceDashboards::List(HttpCall& call) {
    Json dashboards = Json::array();
    for (const DashboardDefinition& dashboard : All()) {
        bool visible =
            dependencies_.gate.Decide(call.principal, "dashboard:Read", {"dashboard", NameOf(dashboard)}).allowed;
        if (visible) dashboards.push_back(SummaryJson(dashboard));
    }
    return JsonResponse({{"dashboards", std::move(dashboards)}});
}

Result<HttpResponse> WorkspaceDashboards::Get(HttpCall& call) {
    DashboardDefinition dashboard = TRY(FindByAnyName(call));
    Json answer = DashboardJson(dashboard);
    answer["may_write"] =
        dependencies_.gate.Decide(call.principal, "dashboard:Write", {"dashboard", NameOf(dashboard)}).allowed;
    HttpResponse response = JsonResponse(answer);
    response.headers.Set("ETag", "\"" + dashboard.hash + "\"");
    return response;
}

Result<TileQuery> WorkspaceDashboards::QueryOfTile(HttpCall& call) const {
    DashboardDefinition dashboard = TRY(Find(call));
    const Tile* tile = TRY(FindTile(call, dashboard));
    Chosen chosen = TRY(dashboards::ChosenBy(call.request, dashboard));
    std::string zone = dashboard.time_zone.empty() ? chosen.time_zone : dashboard.time_zone;
    return QueryOf(dependencies_.engine, dashboard, *tile, chosen, reader_.TodayIn(call.principal, zone));
}

Result<TileQuery> WorkspaceDashboards::QueryOfRows(HttpCall& call) const {
    DashboardDefinition dashboard = TRY(Find(call));
    const Tile* tile = TRY(FindTile(call, dashboard));
    Chosen chosen = TRY(dashboards::ChosenBy(call.request, dashboard));
    std::string zone = dashboard.time_zone.empty() ? chosen.time_zone : dashboard.time_zone;
    std::vector<MarkValue> mark = TRY(ParseMark(call.request.Query("mark").value_or("")));
    return RowsBehind(dependencies_.engine, dashboard, *tile, chosen, mark, reader_.TodayIn(call.principal, zone));
}

Result<HttpResponse> WorkspaceDashboards::Answer(HttpCall& call, const TileReader::Question& question) {
    const TileQuery& query = question.query;
    TileReader::Answered answered = TRY(reader_.Read(call, question));
    std::string head = DumpJson({{"sql", query.bindings.Shown(query.sql)},
                                 {"filters_applied", query.applied},
                                 {"filters_ignored", query.ignored},
                                 {"time_zone", query.time_zone},
                                 {"reads", answered.reads},
                                 {"from_cache", answered.from_cache}});
    head.back() = ',';
    return HttpResponse{
        .status = 200, .headers = {{"Content-Type", "application/json"}}, .body = head + answered.answer->json + "}"};
}

// The statement stands in the opening record, so before anything of it runs.
Status WorkspaceDashboards::OpenTile(HttpCall& call) {
    Record(call, TRY(QueryOfTile(call)));
    return Ok();
}

Result<HttpResponse> WorkspaceDashboards::TileData(HttpCall& call) {
    DashboardDefinition dashboard = TRY(Find(call));
    const Tile* tile = TRY(FindTile(call, dashboard));
    TileQuery query = TRY(QueryOfTile(call));
    return Answer(call, {.query = query, .rows_max = kTileRowsMax, .tile = tile});
}

Status WorkspaceDashboards::OpenRows(HttpCall& call) {
    Record(call, TRY(QueryOfRows(call)));
    return Ok();
}

Result<HttpResponse> WorkspaceDashboards::RowsOfMark(HttpCall& call) {
    std::optional<std::string> asked = call.request.Query("limit");
    int64_t rows_max = asked ? ParseInteger(*asked).value_or(0) : kRowsBehindDefault;
    if (rows_max < 1 || rows_max > kTileRowsMax) {
        return Error(ErrorCode::kInvalidArgument, "limit is 1 to {}", kTileRowsMax);
    }
    TileQuery query = TRY(QueryOfRows(call));
    return Answer(call, {.query = query, .rows_max = rows_max});
}

Result<TileQuery> WorkspaceDashboards::QueryOfFilter(HttpCall& call) const {
    DashboardDefinition dashboard = TRY(Find(call));
    for (const Filter& filter : dashboard.filters) {
        bool wanted = filter.name == call.parameters["filter"] && !filter.columns.empty();
        if (!wanted) continue;
        const FilterColumn& first = filter.columns[0];
        std::string column = QuoteIdentifier(first.column);
        size_t dot = first.table.find('.');
        std::string table =
            QuoteIdentifier(first.table.substr(0, dot)) + "." + QuoteIdentifier(first.table.substr(dot + 1));
        bool choice = filter.kind == "choice";
        TileQuery query;
        query.sql =
            choice ? fmt::format("SELECT DISTINCT {0} FROM {1} ORDER BY 1 LIMIT {2}", column, table, kFilterValuesMax)
                   : fmt::format("SELECT min({0}), max({0}) FROM {1}", column, table);
        return query;
    }
    return Error(ErrorCode::kNotFound, "{} has no filter {} of a column", NameOf(dashboard), call.parameters["filter"]);
}

Status WorkspaceDashboards::OpenFilter(HttpCall& call) {
    Record(call, TRY(QueryOfFilter(call)));
    return Ok();
}

Result<HttpResponse> WorkspaceDashboards::FilterValues(HttpCall& call) {
    TileQuery query = TRY(QueryOfFilter(call));
    TileReader::Answered answered = TRY(reader_.Read(call, {.query = query, .rows_max = kFilterValuesMax}));
    Json rows = TRY(ParseJson("{" + answered.answer->json + "}"))["rows"];
    // All values of a choice; of a range the least and the greatest.
    Json values = Json::array();
    for (const Json& row : rows) {
        for (const Json& value : row) values.push_back(value);
    }
    return JsonResponse({{"values", std::move(values)}});
}

Result<HttpResponse> WorkspaceDashboards::Shapes(HttpCall& call) {
    DashboardDefinition dashboard = TRY(Find(call));
    std::string name = dashboard.use_case + "." + call.parameters["shapes"];
    std::lock_guard lock(mutex_);
    auto found = shapes_.find(name);
    if (found == shapes_.end()) {
        return Error(ErrorCode::kNotFound, "there is no use_cases/{}/{}.geojson in the workspace", dashboard.use_case,
                     call.parameters["shapes"]);
    }
    return HttpResponse{.status = 200, .headers = {{"Content-Type", "application/json"}}, .body = found->second};
}

// ---- asked by the program

Result<TileQuery> WorkspaceDashboards::QueryOfAsking(const Asking& asking, size_t tile) {
    HttpRequest request;
    request.query = asking.chosen;
    Chosen chosen = TRY(dashboards::ChosenBy(request, asking.dashboard));
    std::string zone = asking.dashboard.time_zone.empty() ? chosen.time_zone : asking.dashboard.time_zone;
    return QueryOf(dependencies_.engine, asking.dashboard, asking.dashboard.tiles[tile], chosen,
                   reader_.TodayIn(asking.principal, zone));
}

Result<Json> WorkspaceDashboards::StatementsOf(const Asking& asking) {
    Json statements = Json::array();
    for (size_t index = 0; index < asking.dashboard.tiles.size(); ++index) {
        if (asking.dashboard.tiles[index].sql.empty()) continue;
        Json statement = {{"tile", index}};
        auto query = QueryOfAsking(asking, index);
        if (query.ok()) {
            statement["sql"] = security::StatementText(query->sql);
            if (!query->bindings.values().empty()) statement["values"] = query->bindings.ToJson();
        } else {
            statement["error"] = query.error().message();
        }
        statements.push_back(std::move(statement));
    }
    return statements;
}

Result<Json> WorkspaceDashboards::Ask(const Asking& asking, size_t tile, security::Call& call) {
    TileQuery query = TRY(QueryOfAsking(asking, tile));
    TileReader::Question question{.query = query, .rows_max = asking.rows_max};
    TileReader::Answered answered = TRY(reader_.Read(call, asking.cancel, question));
    Json answer = TRY(ParseJson("{" + answered.answer->json + "}"));
    answer["reads"] = answered.reads;
    answer["filters_applied"] = query.applied;
    answer["filters_ignored"] = query.ignored;
    return answer;
}

Result<Json> WorkspaceDashboards::ChosenBy(const Asking& asking) {
    HttpRequest request;
    request.query = asking.chosen;
    Chosen chosen = TRY(dashboards::ChosenBy(request, asking.dashboard));
    Json shown = Json::array();
    auto add = [&](const std::string& label, const Choice& choice) {
        std::vector<std::string> values;
        for (const std::optional<std::string>& value : choice) values.push_back(value.value_or("NULL"));
        if (!values.empty()) shown.push_back({{"label", label}, {"text", Join(values, ", ")}});
    };
    for (const Filter& filter : asking.dashboard.filters) {
        auto found = chosen.filters.find(filter.name);
        Choice usual = filter.value_default.empty() ? Choice{} : Choice{filter.value_default};
        add(filter.label.empty() ? filter.name : filter.label, found == chosen.filters.end() ? usual : found->second);
    }
    for (const auto& [column, choice] : chosen.columns) add(column, choice);
    return shown;
}

// ---- making

// The dashboard in the body: {"text": YAML}.
Result<DashboardDefinition> WorkspaceDashboards::Draft(HttpCall& call, workspace::Issues& issues) {
    const std::string& use_case = call.parameters["use_case"];
    const std::string& name = call.parameters["name"];
    TRY(workspace::CheckName("use case", use_case));
    TRY(workspace::CheckName("dashboard", name));
    std::string text = TRY(JsonString(TRY(call.JsonBody()), "text"));
    return Parse({use_case, name, text}, issues);
}

Result<std::optional<TileQuery>> WorkspaceDashboards::QueryOfPreview(HttpCall& call, const DashboardDefinition& draft) {
    std::optional<std::string> index = call.request.Query("tile");
    if (!index) return std::optional<TileQuery>();
    call.parameters["index"] = *index;
    const Tile* tile = TRY(FindTile(call, draft));
    std::erase_if(call.request.query, [](const auto& pair) { return pair.first == "tile"; });
    Chosen chosen = TRY(dashboards::ChosenBy(call.request, draft));
    std::string zone = draft.time_zone.empty() ? chosen.time_zone : draft.time_zone;
    return std::optional<TileQuery>(
        TRY(QueryOf(dependencies_.engine, draft, *tile, chosen, reader_.TodayIn(call.principal, zone))));
}

Status WorkspaceDashboards::OpenPreview(HttpCall& call) {
    std::vector<std::pair<std::string, std::string>> query = call.request.query;
    workspace::Issues issues;
    DashboardDefinition draft = TRY(Draft(call, issues));
    if (issues.empty()) {
        auto asked = TRY(QueryOfPreview(call, draft));
        if (asked) Record(call, *asked);
    }
    call.request.query = std::move(query);
    return Ok();
}

// Without ?tile= the definition and what is wrong with it; with it that tile's data.
Result<HttpResponse> WorkspaceDashboards::Preview(HttpCall& call) {
    workspace::Issues issues;
    DashboardDefinition draft = TRY(Draft(call, issues));
    bool wants_data = call.request.Query("tile").has_value();
    if (!wants_data) return JsonResponse({{"issues", IssuesJson(issues)}, {"dashboard", DashboardJson(draft)}});
    if (!issues.empty()) return Error(ErrorCode::kInvalidArgument, FormatIssues(issues));
    auto query = TRY(QueryOfPreview(call, draft));
    const Tile* tile = TRY(FindTile(call, draft));
    return Answer(call, {.query = *query, .rows_max = kTileRowsMax, .tile = tile});
}

// What a file of the workspace defines, only `apply` changes.
Status WorkspaceDashboards::CheckOwnership(HttpCall& call) const {
    auto found = Find(call);
    if (!found.ok() || found->file.empty()) return Ok();
    return Error(ErrorCode::kFailedPrecondition, "{} is defined by {} of the workspace", NameOf(*found), found->file)
        .WithHint("change the file and apply the workspace, or save under another name");
}

Result<HttpResponse> WorkspaceDashboards::Save(HttpCall& call) {
    TRY(CheckOwnership(call));
    workspace::Issues issues;
    DashboardDefinition draft = TRY(Draft(call, issues));
    if (!issues.empty()) return Error(ErrorCode::kInvalidArgument, FormatIssues(issues));
    TRY(store_.Put({draft.use_case, draft.name, draft.text}, ExpectedHash(call.request), call.principal.Id(),
                   ToMicros(dependencies_.env.clock().Now())));
    TRY(LoadOwned());
    return JsonResponse({{"use_case", draft.use_case}, {"name", draft.name}, {"hash", draft.hash}});
}

Result<HttpResponse> WorkspaceDashboards::Remove(HttpCall& call) {
    TRY(CheckOwnership(call));
    TRY(store_.Remove(call.parameters["use_case"], call.parameters["name"], ExpectedHash(call.request)));
    TRY(LoadOwned());
    return JsonResponse({{"removed", true}});
}

std::vector<Route> WorkspaceDashboards::Routes(HttpServe serve) {
    auto bound = [this](Handler member) { return [this, member](HttpCall& call) { return (this->*member)(call); }; };
    auto opening = [this](OpeningHandler member) {
        return [this, member](HttpCall& call) { return (this->*member)(call); };
    };
    using Self = WorkspaceDashboards;
    constexpr auto kRead = AuditClass::kRead;
    constexpr auto kChange = AuditClass::kChange;
    constexpr security::OperationLimits kBody{.body_bytes_max = 2 << 20};
    const std::string name = "{use_case}.{name}";
    return {
        {{"http", "GET /api/v1/dashboards", "self", "dashboard", kRead, {}}, "*", bound(&Self::List)},
        {{"http", "GET /api/v1/dashboards/{use_case}/{name}", "dashboard:Read", "dashboard", kRead, {}},
         name,
         bound(&Self::Get)},
        {{"http", "GET /api/v1/dashboards/{use_case}/{name}/tiles", "dashboard:Read", "dashboard", kRead, {}},
         name,
         [this, serve = std::move(serve)](HttpCall& call) -> Result<HttpResponse> {
             return AnswerAllTiles(call, TRY(Find(call)), serve);
         }},
        {{"http", "GET /api/v1/dashboards/{use_case}/{name}/tiles/{index}", "dashboard:Read", "dashboard", kRead, {}},
         name,
         bound(&Self::TileData),
         opening(&Self::OpenTile)},
        {{"http",
          "GET /api/v1/dashboards/{use_case}/{name}/tiles/{index}/rows",
          "dashboard:Read",
          "dashboard",
          kRead,
          {}},
         name,
         bound(&Self::RowsOfMark),
         opening(&Self::OpenRows)},
        {{"http",
          "GET /api/v1/dashboards/{use_case}/{name}/filters/{filter}",
          "dashboard:Read",
          "dashboard",
          kRead,
          {}},
         name,
         bound(&Self::FilterValues),
         opening(&Self::OpenFilter)},
        {{"http", "GET /api/v1/dashboards/{use_case}/{name}/shapes/{shapes}", "dashboard:Read", "dashboard", kRead, {}},
         name,
         bound(&Self::Shapes)},
        {{"http", "POST /api/v1/dashboards/{use_case}/{name}/preview", "dashboard:Write", "dashboard", kRead, kBody},
         name,
         bound(&Self::Preview),
         opening(&Self::OpenPreview)},
        {{"http", "PUT /api/v1/dashboards/{use_case}/{name}", "dashboard:Write", "dashboard", kChange, kBody},
         name,
         bound(&Self::Save)},
        {{"http", "DELETE /api/v1/dashboards/{use_case}/{name}", "dashboard:Write", "dashboard", kChange, {}},
         name,
         bound(&Self::Remove)},
    };
}

}  // namespace

Result<std::unique_ptr<Dashboards>> Dashboards::Create(DashboardsDependencies dependencies) {
    auto dashboards = std::make_unique<WorkspaceDashboards>(dependencies);
    TRY(dashboards->Start());
    return std::unique_ptr<Dashboards>(std::move(dashboards));
}

}  // namespace tarn::dashboards
