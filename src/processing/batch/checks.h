// Checks: what must hold of a table's next version before it is published.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "processing/batch/batch.h"

namespace tarn::batch {

// Runs all checks against temp_input.result. kFailedPrecondition naming every failed check of severity error, with
// counts and up to three examples; those of severity warn are added to `warnings`.
Status RunChecks(engine::Session& session, const TableDefinition& table, std::vector<std::string>& warnings);

}  // namespace tarn::batch
