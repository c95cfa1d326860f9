// SQL over stored objects: how csv, json and parquet in the raw zone become rows. Trusted SQL, never a user's.
#pragma once

#include <string>
#include <vector>

#include "ingestion/connectors/load_store.h"

namespace tarn::connectors {

// "gzip", "zstd" or "uncompressed", by the name.
std::string CompressionOf(const LoadObject& object);
// 'tarn://raw/<key>' as an SQL literal.
std::string ObjectLiteral(const std::string& key);
// Reads objects of one format with given columns (csv, json) or as they are (parquet), with their `filename`.
std::string ReadObjectsSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest,
                           const std::vector<engine::Column>& columns);
// One row a column: delimiter, name, type; as found in all lines, leaving out what is broken.
std::string SniffCsvSql(const LoadObject& object, const Manifest& manifest);
// Reads every line and guesses nothing: its error names the line.
std::string StrictCsvSql(const LoadObject& object, const Manifest& manifest,
                         const std::vector<engine::Column>& columns);
// DESCRIBE of what would be inferred (json, parquet): how columns and their types are found the first time.
std::string InferSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest);

}  // namespace tarn::connectors
