#include "engine/row_pieces.h"

namespace tarn::engine {
namespace {

// What GeneratedRows calls, with the pieces that a scan of ours takes out of it again.
struct Pieces {
    RowPieces pieces;
    Result<RowSet> operator()() const {
        return Error(ErrorCode::kInternal, "rows that come in pieces are not made at once");
    }
};

}  // namespace

GeneratedRows StreamedRows(RowPieces pieces) { return {Pieces{std::move(pieces)}}; }

const RowPieces* PiecesOf(const Relation& relation) {
    const auto* rows = std::get_if<GeneratedRows>(&relation.source);
    const Pieces* found = rows ? rows->make.target<Pieces>() : nullptr;
    return found ? &found->pieces : nullptr;
}

}  // namespace tarn::engine
