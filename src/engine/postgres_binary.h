// PostgreSQL's binary formats (of COPY and of results) into DuckDB's vectors and into PostgreSQL's own text.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "engine/adapter.h"

namespace tarn::engine {

// Writes one payload into row `row` of a flat vector. False if the payload is not of the type, or the value not one of
// the column's type.
using CellDecoder = bool (*)(ByteSpan payload, duckdb::Vector& vector, size_t row, const duckdb::LogicalType& type);

// The decoder from a PostgreSQL type to a column's type without going through text; null where there is none.
CellDecoder DirectDecoder(uint32_t oid, const duckdb::LogicalType& type);

// A payload as PostgreSQL would print it. Lossless. kNotSupported for a type whose binary format is not known here.
Result<std::string> PostgresText(uint32_t oid, ByteSpan payload);

}  // namespace tarn::engine
