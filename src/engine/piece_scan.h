// The scan of relations whose rows come in pieces (row_pieces.h). Internal to the engine.
#pragma once

#include "engine/adapter.h"

namespace tarn::engine {

inline constexpr const char* kPieceScan = "tarn_pieces";  // its name in plans

// As ScanFunction, for a relation with PiecesOf.
duckdb::TableFunction PieceScanFunction(std::shared_ptr<const Relation> relation, duckdb::TableCatalogEntry& table,
                                        duckdb::unique_ptr<duckdb::FunctionData>& bind_data);

}  // namespace tarn::engine
