#include "analysis/dashboards/dashboards.h"

#include <algorithm>
#include <mutex>

#include "analysis/dashboards/dashboard_file.h"
#include "analysis/dashboards/tile_filter.h"
#include "base/number.h"
#include "base/text.h"
#include "workspace/sql_text.h"

namespace tarn::dashboards {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

constexpr int64_t kTileRowsMax = 5000;
constexpr int kFilterValuesMax = 1000;

bool Reads(const Tile& tile, const std::string& table) {
    return std::any_of(tile.reads.begin(), tile.reads.end(),
                       [&](const engine::TableRead& read) { return IsTable(read, table); });
}

Json TileJson(const DashboardDefinition& dashboard, size_t index) {
    const Tile& tile = dashboard.tiles[index];
    Json reads = Json::array();
    for (const engine::TableRead& read : tile.reads) reads.push_back(read.schema + "." + read.name);
    Json filters = Json::array();
    for (const Filter& filter : dashboard.filters) {
        if (Reads(tile, filter.table)) filters.push_back(filter.name);
    }
    return {{"index", index},
            {"kind", tile.kind},
            {"title", tile.title},
            {"sql", tile.sql},
            {"line", tile.line},
            {"description", tile.description},
            {"reads", std::move(reads)},
            {"filters", std::move(filters)}};
}

// What a tile asks with the filters of this call.
struct TileQuery {
    std::string sql;
    Json applied = Json::array();
    Json ignored = Json::array();
};

class WorkspaceDashboards : public Dashboards {
  public:
    explicit WorkspaceDashboards(DashboardsDependencies dependencies) : dependencies_(dependencies) {}

    workspace::Kind WorkspaceKind() override {
        workspace::Kind kind;
        kind.name = "dashboard";
        kind.folder = "use_cases/*";
        kind.suffix = ".dashboard.yaml";
        kind.description = "A dashboard: tiles, each one SELECT, and filters.";
        kind.keys = DashboardKeys();
        kind.parse = [this](workspace::Definition& definition, workspace::Issues& issues) {
            ParseDashboardFile(dependencies_.engine, definition, issues);
        };
        kind.activate = [this](const std::vector<workspace::Definition>& all) {
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
    std::vector<DashboardDefinition> All() const override {
        std::lock_guard lock(mutex_);
        return dashboards_;
    }
    std::vector<Route> Routes() override;

  private:
    Result<DashboardDefinition> Find(HttpCall& call) const;
    Result<HttpResponse> List(HttpCall& call);
    Result<HttpResponse> Get(HttpCall& call);
    Status OpenTile(HttpCall& call);
    Result<HttpResponse> TileData(HttpCall& call);
    Status OpenFilter(HttpCall& call);
    Result<HttpResponse> FilterValues(HttpCall& call);
    Result<TileQuery> QueryOfTile(HttpCall& call) const;
    Result<std::string> QueryOfFilter(HttpCall& call) const;
    Status ReadTile(HttpCall& call, const std::string& sql, Json& answer);

    DashboardsDependencies dependencies_;
    mutable std::mutex mutex_;  // guards dashboards_
    std::vector<DashboardDefinition> dashboards_;
};

Result<DashboardDefinition> WorkspaceDashboards::Find(HttpCall& call) const {
    const std::string& use_case = call.parameters["use_case"];
    const std::string& name = call.parameters["name"];
    for (const DashboardDefinition& dashboard : All()) {
        if (dashboard.use_case == use_case && dashboard.name == name) return dashboard;
    }
    return Error(ErrorCode::kNotFound, "there is no dashboard {}.{}", use_case, name);
}

Result<HttpResponse> WorkspaceDashboards::List(HttpCall& call) {
    Json dashboards = Json::array();
    for (const DashboardDefinition& dashboard : All()) {
        std::string name = dashboard.use_case + "." + dashboard.name;
        bool visible = dependencies_.gate.Decide(call.principal, "dashboard:Read", {"dashboard", name}).allowed;
        if (!visible) continue;
        dashboards.push_back({{"use_case", dashboard.use_case},
                              {"name", dashboard.name},
                              {"title", dashboard.title},
                              {"description", dashboard.description},
                              {"file", dashboard.file},
                              {"tiles", dashboard.tiles.size()}});
    }
    return JsonResponse({{"dashboards", std::move(dashboards)}});
}

Result<HttpResponse> WorkspaceDashboards::Get(HttpCall& call) {
    DashboardDefinition dashboard = TRY(Find(call));
    Json filters = Json::array();
    for (const Filter& filter : dashboard.filters) {
        filters.push_back({{"name", filter.name}, {"table", filter.table}, {"column", filter.column}});
    }
    Json tiles = Json::array();
    for (size_t index = 0; index < dashboard.tiles.size(); ++index) tiles.push_back(TileJson(dashboard, index));
    return JsonResponse({{"use_case", dashboard.use_case},
                         {"name", dashboard.name},
                         {"title", dashboard.title},
                         {"description", dashboard.description},
                         {"file", dashboard.file},
                         {"filters", std::move(filters)},
                         {"tiles", std::move(tiles)}});
}

Status WorkspaceDashboards::ReadTile(HttpCall& call, const std::string& sql, Json& answer) {
    auto session = TRY(dependencies_.engine.OpenSession({.principal = call.principal}));
    auto on_leave = call.request.cancelled.OnCancel([&session] { session->Cancel(); });
    auto statement = TRY(session->Prepare(sql));
    Json reads = Json::array();
    for (const engine::TableRead& read : statement->info().reads) {
        reads.push_back({{"schema", read.schema}, {"name", read.name}, {"version", read.version}});
    }
    auto stream = TRY(statement->Execute({}));
    Json columns = Json::array();
    for (const auto& column : stream->columns()) columns.push_back({{"name", column.name}, {"type", column.type}});
    Json rows = Json::array();
    bool truncated = false;
    while (const engine::Chunk* chunk = truncated ? nullptr : TRY(stream->Next())) {
        for (size_t row = 0; row < chunk->rows() && !truncated; ++row) {
            Json cells = Json::array();
            for (size_t column = 0; column < columns.size(); ++column) {
                cells.push_back(chunk->IsNull(row, column) ? Json() : chunk->Value(row, column));
            }
            rows.push_back(std::move(cells));
            truncated = static_cast<int64_t>(rows.size()) >= kTileRowsMax;
        }
    }
    call.call.rows = static_cast<int64_t>(rows.size());
    call.call.details["tables"] = reads;
    answer["columns"] = std::move(columns);
    answer["rows"] = std::move(rows);
    answer["reads"] = std::move(reads);
    answer["truncated"] = truncated;
    return Ok();
}

Result<TileQuery> WorkspaceDashboards::QueryOfTile(HttpCall& call) const {
    DashboardDefinition dashboard = TRY(Find(call));
    int64_t wanted = ParseInteger(call.parameters["index"]).value_or(-1);
    size_t index = static_cast<size_t>(wanted);
    if (wanted < 0 || index >= dashboard.tiles.size()) {
        return Error(ErrorCode::kNotFound, "{}.{} has {} tiles", dashboard.use_case, dashboard.name,
                     dashboard.tiles.size());
    }
    const Tile& tile = dashboard.tiles[index];
    TileQuery query{.sql = workspace::BareSelect(tile.sql)};
    for (const Filter& filter : dashboard.filters) {
        std::optional<std::string> value = call.request.Query(filter.name);
        if (!value || value->empty()) continue;
        bool fits = Reads(tile, filter.table);
        if (fits) query.sql = TRY(FilteredSql(dependencies_.engine, query.sql, filter, *value));
        (fits ? query.applied : query.ignored).push_back(filter.name);
    }
    return query;
}

// The statement stands in the opening record, so before anything of it runs.
Status WorkspaceDashboards::OpenTile(HttpCall& call) {
    call.call.details["sql"] = security::StatementText(TRY(QueryOfTile(call)).sql);
    return Ok();
}

Result<HttpResponse> WorkspaceDashboards::TileData(HttpCall& call) {
    TileQuery query = TRY(QueryOfTile(call));
    Json answer = {{"sql", query.sql},
                   {"filters_applied", std::move(query.applied)},
                   {"filters_ignored", std::move(query.ignored)}};
    TRY(ReadTile(call, query.sql, answer));
    return JsonResponse(answer);
}

Result<std::string> WorkspaceDashboards::QueryOfFilter(HttpCall& call) const {
    DashboardDefinition dashboard = TRY(Find(call));
    for (const Filter& filter : dashboard.filters) {
        if (filter.name != call.parameters["filter"]) continue;
        std::string column = QuoteIdentifier(filter.column);
        size_t dot = filter.table.find('.');
        return fmt::format("SELECT DISTINCT {0} FROM {1}.{2} WHERE {0} IS NOT NULL ORDER BY 1 LIMIT {3}", column,
                           QuoteIdentifier(filter.table.substr(0, dot)), QuoteIdentifier(filter.table.substr(dot + 1)),
                           kFilterValuesMax);
    }
    return Error(ErrorCode::kNotFound, "{}.{} has no filter {}", dashboard.use_case, dashboard.name,
                 call.parameters["filter"]);
}

Status WorkspaceDashboards::OpenFilter(HttpCall& call) {
    call.call.details["sql"] = security::StatementText(TRY(QueryOfFilter(call)));
    return Ok();
}

Result<HttpResponse> WorkspaceDashboards::FilterValues(HttpCall& call) {
    Json answer;
    TRY(ReadTile(call, TRY(QueryOfFilter(call)), answer));
    Json values = Json::array();
    for (const Json& row : answer["rows"]) values.push_back(row[0]);
    return JsonResponse({{"values", std::move(values)}});
}

std::vector<Route> WorkspaceDashboards::Routes() {
    auto bound = [this](auto member) { return [this, member](HttpCall& call) { return (this->*member)(call); }; };
    constexpr auto kRead = AuditClass::kRead;
    const std::string name = "{use_case}.{name}";
    return {
        {{"http", "GET /api/v1/dashboards", "self", "dashboard", kRead, {}}, "*", bound(&WorkspaceDashboards::List)},
        {{"http", "GET /api/v1/dashboards/{use_case}/{name}", "dashboard:Read", "dashboard", kRead, {}},
         name,
         bound(&WorkspaceDashboards::Get)},
        {{"http", "GET /api/v1/dashboards/{use_case}/{name}/tiles/{index}", "dashboard:Read", "dashboard", kRead, {}},
         name,
         bound(&WorkspaceDashboards::TileData),
         [this](HttpCall& call) { return OpenTile(call); }},
        {{"http",
          "GET /api/v1/dashboards/{use_case}/{name}/filters/{filter}",
          "dashboard:Read",
          "dashboard",
          kRead,
          {}},
         name,
         bound(&WorkspaceDashboards::FilterValues),
         [this](HttpCall& call) { return OpenFilter(call); }},
    };
}

}  // namespace

Result<std::unique_ptr<Dashboards>> Dashboards::Create(DashboardsDependencies dependencies) {
    return std::unique_ptr<Dashboards>(new WorkspaceDashboards(dependencies));
}

}  // namespace tarn::dashboards
