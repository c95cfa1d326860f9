// A column's bounds as Delta Lake writes them in its log (protocol, "Per-file Statistics").
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "engine/engine.h"

namespace tarn::engine {

// How a bound's text is to be read.
enum class BoundKind : uint8_t { kNone, kInteger, kDecimal, kFloat, kText, kDate, kTimestamp, kTimestampTz };

// The number that a text begins with; 0 if with none.
int64_t WholeNumber(std::string_view text);

BoundKind BoundKindOf(const std::string& type);
// DuckDB's text of a bound in Delta's JSON form; null where none can be told. Texts are cut to 32 code points and an
// upper bound then rounded up; timestamps have milliseconds, an upper bound rounded up.
Json DeltaBound(BoundKind kind, std::string_view text, bool upper);

}  // namespace tarn::engine
