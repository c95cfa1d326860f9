// The task that computes a table and publishes its next version.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "processing/batch/batch.h"

namespace tarn::batch {

using FindTable = std::function<std::optional<TableDefinition>(const std::string& name)>;
std::unique_ptr<orchestrator::TaskKind> MakeTableTask(BatchDependencies& dependencies, FindTable find);

}  // namespace tarn::batch
