// Rows that a person wrote, as in a test of the workspace: made a relation, and compared with what a SELECT gives.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"

namespace tarn::engine {

// A relation of `rows`, a list of mappings from a column to its value. With `known` columns every key must be one of
// them, and what a row leaves out is NULL; without, the columns are the keys and their types are told from the values.
// kInvalidArgument naming the row and column.
Result<Relation> GivenRelation(const Json& rows, std::vector<Column> known = {});

// Empty when `select` gives the expected rows, whatever their order; else what is missing and what is too much.
// Compared are the columns that the expected rows name; values in the column's own type, floating point rounded to 9
// places.
Result<std::string> RowsDiffer(Session& session, const std::string& select, const Json& expected);

}  // namespace tarn::engine
