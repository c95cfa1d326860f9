// Between the engine's types and PostgreSQL's: OIDs, cells as text and binary, parameters.
// Source: PostgreSQL's pg_type.dat for OIDs; binary forms as its *send/*recv functions write and read them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "wire/pgwire/frames.h"

namespace tarn::query {

struct PgType {
    int32_t oid = 25;       // text
    int16_t bytes = -1;     // of a fixed width
    int32_t modifier = -1;  // numeric's precision and scale
};
PgType PgTypeOf(const engine::ResultColumn& column);
// The OID of a type by the engine's spelling ("BIGINT"); text where there is no counterpart.
int32_t PgOidOf(const std::string& type);
inline constexpr int32_t kNumericOid = 1700;
// The type that holds a number's text where EngineTypeOf(kNumericOid) does not; empty where that one does.
std::string DecimalTypeOf(std::string_view text);
// The engine's spelling of a parameter's declared type; empty: to be inferred.
std::string EngineTypeOf(int32_t oid);

// Appends a cell with its length word. kNotSupported for a binary form of a type that has none here.
Status WriteCell(wire::PgFrameWriter& writer, const engine::Chunk& chunk, size_t row, size_t column,
                 const engine::ResultColumn& result_column, bool binary);
// A cell as PostgreSQL prints it; not for NULL.
std::string CellText(const engine::Chunk& chunk, size_t row, size_t column, const engine::ResultColumn& meta);
// A parameter's PostgreSQL text as text that the engine casts: bytea and arrays are written otherwise there.
Result<std::string> TextParameter(int32_t oid, std::string_view text);
// A parameter's binary form as text that the engine casts.
Result<std::string> ParameterText(int32_t oid, std::string_view binary);

}  // namespace tarn::query
