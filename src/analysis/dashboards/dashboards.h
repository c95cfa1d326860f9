// Dashboards: <name>.dashboard.yaml in a use case, or one made in the browser: tiles, each one SELECT (or a text), and
// filters.
//
// Does: registers the workspace kinds, answers a dashboard's definition and each tile's data (through the engine, as
// the person who looks), applies filters to the tiles whose SQL reads a filter's table and says so of the others, binds
// `$name` of a tile's SQL to values, shows the rows behind a mark, keeps answers as long as nothing they came from
// changed. Never: runs a tile's SQL with other rights than the viewer's; puts a value into a statement's text.
// Threads: any. State: tables `dashboards_*` in metadata (those made in the browser).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/result.h"
#include "engine/engine.h"
#include "metadata/metadata.h"
#include "security/router.h"
#include "storage/catalog/catalog.h"
#include "workspace/timing.h"
#include "workspace/workspace.h"

namespace tarn::dashboards {

struct Tile {
    std::string kind;  // "number", "line", "bar" ... "text"
    std::string sql;  // of a text tile: empty
    std::string title;
    std::string description;
    int line = 0;  // in the file
    Json look = Json::object();  // how it is drawn, as the page takes it
    std::vector<engine::TableRead> reads;
    std::vector<std::string> parameters;  // the `$name` of its SQL
    std::vector<size_t> dimensions;  // columns whose values a mark is told by
};
struct FilterColumn {
    std::string table;  // "delays.flights"
    std::string column;  // "carrier"
};
struct Filter {
    std::string name;
    std::string kind;  // "choice", "range", "dates", "search"; without columns: "choice", "number", "date", "text"
    std::string label;
    std::vector<FilterColumn> columns;  // none: a parameter of the tiles' SQL
    std::vector<std::string> values;
    std::string value_default;
};
// Made by a schedule and sent by mail: analysis/reports.
struct Report {
    std::string name;
    std::string format = "pdf";  // pdf, png, csv
    std::vector<std::string> to;
    std::string as;  // the user under whose rights it is made
    std::string channel;  // empty: the only mail channel
    std::vector<std::pair<std::string, std::string>> chosen;  // as the page's address has it
    workspace::TimingKeys timing;
    int line = 0;
};
struct DashboardDefinition {
    std::string use_case;
    std::string name;
    std::string title;
    std::string description;
    std::string time_zone;  // empty: the viewer's
    Duration refresh{0};
    std::vector<Filter> filters;
    std::vector<Tile> tiles;
    std::vector<Report> reports;
    std::string file;  // empty: made in the browser
    std::string text;  // the YAML
    std::string hash;  // of the text
    std::string OwnedBy() const { return file.empty() ? "api" : "workspace"; }
};

// What the program asks of a dashboard's tiles for somebody: a report.
struct Asking {
    const security::Principal& principal;
    const DashboardDefinition& dashboard;
    // As the page's address has it: filters by name, `time_zone`.
    std::vector<std::pair<std::string, std::string>> chosen;
    int64_t rows_max = 5000;
    CancelToken cancel;
};

struct DashboardsDependencies {
    Env& env;
    metadata::Database& metadata;
    engine::Engine& engine;
    catalog::Catalog& catalog;
    security::Gate& gate;
    Metrics& metrics;
    const workspace::Homes* homes = nullptr;  // none: nothing is renamed
};

class Dashboards {
  public:
    static Result<std::unique_ptr<Dashboards>> Create(DashboardsDependencies dependencies);
    virtual ~Dashboards() = default;
    virtual std::vector<workspace::Kind> WorkspaceKinds() = 0;
    // Of the workspace and of the API.
    virtual std::vector<DashboardDefinition> All() const = 0;
    // Of each tile that asks for something: {"tile", "sql", "values"} as the audit log has a statement, or {"tile",
    // "error"}. Runs none of them.
    virtual Result<Json> StatementsOf(const Asking& asking) = 0;
    // A tile's rows as its page gets them: columns, rows, truncated, reads, filters_applied, filters_ignored. What was
    // read stands in the call's details. kResourceExhausted for an answer that no page would take.
    virtual Result<Json> Ask(const Asking& asking, size_t tile, security::Call& call) = 0;
    // What holds of the filters, for people: [{"label", "text"}].
    virtual Result<Json> ChosenBy(const Asking& asking) = 0;
    // GeoJSON of the use case; empty for none of that name.
    virtual std::string ShapesOf(const std::string& use_case, const std::string& name) const = 0;
    // Below /api/v1/dashboards; docs/api.md. `serve` answers a request of the API: an answer of all tiles asks for each
    // by it. It must work once the routes are served.
    virtual std::vector<security::Route> Routes(HttpServe serve) = 0;
};

// As `GET /api/v1/dashboards/<use case>/<name>` tells it.
Json DashboardJson(const DashboardDefinition& dashboard);

}  // namespace tarn::dashboards
