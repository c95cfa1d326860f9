// Statistics as the Parquet writer tells them, in the door's form.
#pragma once

#include <map>
#include <string>

#include "engine/engine.h"

namespace tarn::engine {

// `facts` of one column: "min", "max", "null_count", "has_nan" as text.
ColumnStatistics FactsToStatistics(const std::map<std::string, std::string>& facts, const std::string& type,
                                   int64_t rows);

}  // namespace tarn::engine
