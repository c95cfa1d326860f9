// Comparisons of a protected table's columns with constants, brought below its fence so that files can be left out.
#pragma once

namespace duckdb {
class DatabaseInstance;
}

namespace tarn::engine {

// What stands above a fence (catalog.cc) stays there: it decides which rows are seen. Of `column <op> constant`, where
// the column is shown as it is, the scan gets a copy. Such a comparison cannot fail, so nothing is told of a hidden row
// but, by the time that it takes, whether files may hold such values of a column that is not hidden.
void RegisterFencedFilters(duckdb::DatabaseInstance& database);

}  // namespace tarn::engine
