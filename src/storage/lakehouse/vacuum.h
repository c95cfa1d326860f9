// Removes files of a table that no version of interest needs.
#pragma once

#include "storage/lakehouse/table.h"

namespace tarn::lakehouse {

// Returns how many files went. A file goes if the newest version has it not, no version newer than `keep` ago had it,
// and it was written before both that time and the start of the oldest write under way.
Result<int64_t> VacuumTable(const LakehouseDependencies& dependencies, Table& table, Duration keep);

// Every object below the table, its log first and from its beginning: a drop that stops half way leaves a log with a
// gap, which is refused, never an older version.
Status DropTable(const LakehouseDependencies& dependencies, Table& table);

}  // namespace tarn::lakehouse
