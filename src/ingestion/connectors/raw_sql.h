// SQL over stored objects: how csv, json and parquet in the raw zone become rows. Trusted SQL, never a user's.
#pragma once

#include <string>
#include <vector>

#include "ingestion/connectors/load_store.h"

namespace tarn::connectors {

// 'tarn://raw/<key>' as an SQL literal.
std::string ObjectLiteral(const std::string& key);
// Reads objects of one format with given columns (csv, json) or as they are (parquet), with their `filename`.
std::string ReadObjectsSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest,
                           const std::vector<engine::Column>& columns);
// DESCRIBE of what would be inferred: how columns and their types are found the first time.
std::string InferSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest);

}  // namespace tarn::connectors
