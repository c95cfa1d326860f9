// Types of csv and JSON: inferred once, recorded, and widened when later data does not fit. Internal to the component.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "ingestion/connectors/load_store.h"

namespace tarn::connectors {

// Finds the columns of this load's new objects, fills object.columns and manifest.columns (all of the stream), counts
// rows where cheap. A file that can't be read is kInvalidArgument naming it and what is wrong.
Status InferColumns(engine::Engine& engine, const StreamState& state, Manifest& manifest);

// Adds columns that are new and widens those that are not wide enough.
void Merge(std::vector<engine::Column>& columns, const std::vector<engine::Column>& more);

// The narrowest type both fit in without loss: BIGINT and DOUBLE give DOUBLE, unlike ones VARCHAR.
std::string WidestType(const std::string& left, const std::string& right);

}  // namespace tarn::connectors
