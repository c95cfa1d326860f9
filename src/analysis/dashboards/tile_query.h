// What a tile asks: its SQL with the filters, parameters and marks of one call. Internal to the component.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "analysis/dashboards/tile_filter.h"
#include "base/http.h"

namespace tarn::dashboards {

// What somebody chose on the page, as its address says it.
struct Chosen {
    std::map<std::string, Choice> filters;  // by name; an empty Choice: explicitly none, also not the default
    std::map<std::string, Choice> columns;  // by "schema.table.column": what was clicked in another tile
    std::string time_zone;
};
// `?carrier=UA&carrier=AA&delays.flights.origin=JFK&time_zone=Europe/Zurich`; "\N" is NULL, a '\' in front of another
// value is taken off. kInvalidArgument for what is neither a filter nor a column.
Result<Chosen> ChosenBy(const HttpRequest& request, const DashboardDefinition& dashboard);

struct TileQuery {
    std::string sql;  // with $1, $2 ...
    Bindings bindings;
    std::string time_zone = "UTC";
    Json applied = Json::array();  // names of filters, and columns that were clicked
    Json ignored = Json::array();
};
// Today where the viewer is, asked only if something relative was chosen.
using Today = std::function<Result<Date>()>;
Result<TileQuery> QueryOf(engine::Engine& engine, const DashboardDefinition& dashboard, const Tile& tile,
                          const Chosen& chosen, const Today& today);

// One value of the mark that was clicked: which column of the tile, and its value there.
struct MarkValue {
    size_t column = 0;
    std::optional<std::string> value;
};
// `[[0, "UA"], [1, null]]`
Result<std::vector<MarkValue>> ParseMark(const std::string& text);
// The rows that a mark was made of, or with no values those of the whole tile; before any grouping.
Result<TileQuery> RowsBehind(engine::Engine& engine, const DashboardDefinition& dashboard, const Tile& tile,
                             const Chosen& chosen, const std::vector<MarkValue>& mark, const Today& today);

}  // namespace tarn::dashboards
