// Checks: what must hold of a table's next version before it is published.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "processing/batch/batch.h"

namespace tarn::batch {

// Runs all checks against `rows`, a relation's name or a SELECT in parentheses. kFailedPrecondition naming every failed
// check of severity error, with counts and up to three examples; those of severity warn are added to `warnings`.
Status RunChecks(engine::Session& session, const TableDefinition& table, const std::string& rows,
                 std::vector<std::string>& warnings);

}  // namespace tarn::batch
