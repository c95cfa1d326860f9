// A filter in a tile's SQL: the filter's table is replaced by its filtered rows. Internal to the component.
#pragma once

#include <string>

#include "analysis/dashboards/dashboards.h"

namespace tarn::dashboards {

// Whether a name in a statement means the table "schema.name"; names compare without case, as in SQL.
bool IsTable(const engine::TableRead& read, const std::string& table);

// The SELECT with every place that reads the filter's table reading only its rows with that value.
Result<std::string> FilteredSql(engine::Engine& engine, const std::string& sql, const Filter& filter,
                                const std::string& value);

}  // namespace tarn::dashboards
