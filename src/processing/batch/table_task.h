// The task that computes a table and publishes its next version.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "processing/batch/batch.h"

namespace tarn::batch {

// The SELECT whose rows a table that is there is given: of keep: append only those that are newer.
std::string NewRowsSelect(const TableDefinition& table);

using FindTable = std::function<std::optional<TableDefinition>(const std::string& name)>;
std::unique_ptr<orchestrator::TaskKind> MakeTableTask(BatchDependencies& dependencies, FindTable find);

}  // namespace tarn::batch
