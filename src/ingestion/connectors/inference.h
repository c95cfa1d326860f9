// Types of csv and JSON: inferred once, recorded, and widened when later data does not fit. Internal to the component.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "ingestion/connectors/load_store.h"

namespace tarn::connectors {

// Finds the columns of this load's new objects, fills object.columns and manifest.columns (all of the stream), counts
// rows where cheap. A file that can't be read is kInvalidArgument naming it and what is wrong.
// What differs from the columns so far is told to `on_drift`: "accept" (it widens), "freeze" (the load fails) or
// "quarantine" (the object is set apart). Types that the stream declares (format_options "types") are as they say.
Status InferColumns(engine::Engine& engine, const StreamState& state, Manifest& manifest,
                    const std::string& on_drift = "accept");

// The delimiter and the columns of a csv file some of whose lines may be broken.
Status FindCsvShape(engine::Engine& engine, LoadObject& object, const Manifest& manifest);
// Rows (from 1, in the file's order) with a value that is not of its declared type, and which; `max` at most.
Result<std::vector<std::pair<int64_t, std::string>>> MistypedRows(engine::Engine& engine, const LoadObject& object,
                                                                  const Manifest& manifest, int64_t max);

// The error of a load whose stream is frozen.
Error FrozenDrift(const std::string& what);

// Adds columns that are new and widens those that are not wide enough.
void Merge(std::vector<engine::Column>& columns, const std::vector<engine::Column>& more);

// The narrowest type both fit in without loss: BIGINT and DOUBLE give DOUBLE, unlike ones VARCHAR.
std::string WidestType(const std::string& left, const std::string& right);

}  // namespace tarn::connectors
