// Row pieces: rows that the program makes while they are scanned, a log's for instance: too many to be made at once.
//
// A relation whose source is StreamedRows(pieces) is read piece by piece, by several threads; pieces that filters
// exclude are not read, columns that nobody wants not made (piece_scan.cc).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/relation.h"

namespace tarn::engine {

// Takes rows, cell by cell: each column that was asked for once a row.
class RowSink {
  public:
    virtual ~RowSink() = default;
    virtual void Null(size_t column) = 0;
    virtual void Integer(size_t column, int64_t value) = 0;  // also a time: microseconds since 1970
    virtual void Text(size_t column, std::string_view value) = 0;  // UTF-8, or bytes of a BLOB
    virtual void EndRow() = 0;
};

// A part of what is scanned, read by one thread from its beginning to its end.
class RowPiece {
  public:
    virtual ~RowPiece() = default;
    // Between what (inclusive) the values of an integer or a time lie, if that is known: a piece that no wanted row can
    // be in isn't read.
    struct Bounds {
        int64_t min;
        int64_t max;
    };
    virtual std::optional<Bounds> BoundsOf(size_t column) const = 0;
    // Smaller pieces to be read in its place, ascending; none: it is read itself. Asked once, when its turn has come.
    virtual Result<std::vector<std::unique_ptr<RowPiece>>> Split() = 0;
    // Gives the sink up to `rows_max` rows, of each the columns that are `wanted`. False: that was the end.
    virtual Result<bool> Read(const std::vector<bool>& wanted, size_t rows_max, RowSink& sink) = 0;
};

struct RowPieces {
    int64_t rows = -1;  // about
    // Called once when a scan starts; ascending, as ORDER BY would have them.
    std::function<Result<std::vector<std::unique_ptr<RowPiece>>>()> make;
};

GeneratedRows StreamedRows(RowPieces pieces);
// Null: the rows are made at once.
const RowPieces* PiecesOf(const Relation& relation);

}  // namespace tarn::engine
