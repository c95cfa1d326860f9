// Dashboards: <name>.dashboard.yaml in a use case: tiles (number, line, bar, table), each one SELECT, and filters.
//
// Does: registers the workspace kind, answers a dashboard's definition and each tile's data (through the engine, as the
// person who looks), applies filters to the tiles whose SQL reads the filter's table, says so of the others; a tile's
// lineage leads to its tables. Never: runs a tile's SQL with other rights than the viewer's. Threads: any.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "security/router.h"
#include "storage/catalog/catalog.h"
#include "workspace/workspace.h"

namespace tarn::dashboards {

struct Tile {
    std::string kind;  // "number", "line", "bar", "table"
    std::string sql;
    std::string title;
    std::string description;
    int line = 0;  // in the file
    std::vector<engine::TableRead> reads;
};
struct Filter {
    std::string name;
    std::string table;  // "delays.flights"
    std::string column;  // "carrier"
};
struct DashboardDefinition {
    std::string use_case;
    std::string name;
    std::string title;
    std::string description;
    std::vector<Filter> filters;
    std::vector<Tile> tiles;
    std::string file;
};

struct DashboardsDependencies {
    engine::Engine& engine;
    catalog::Catalog& catalog;
    security::Gate& gate;
};

class Dashboards {
  public:
    static Result<std::unique_ptr<Dashboards>> Create(DashboardsDependencies dependencies);
    virtual ~Dashboards() = default;
    virtual workspace::Kind WorkspaceKind() = 0;
    virtual std::vector<DashboardDefinition> All() const = 0;
    // GET /api/v1/dashboards, GET /api/v1/dashboards/{use_case}/{name},
    // GET /api/v1/dashboards/{use_case}/{name}/tiles/{index}?<filter>=<value>, .../filters/{filter} (its values).
    virtual std::vector<security::Route> Routes() = 0;
};

}  // namespace tarn::dashboards
