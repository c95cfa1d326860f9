#include "processing/destinations/table_writer.h"

#include "base/csv.h"
#include "base/json.h"

namespace tarn::destinations {
namespace {

constexpr size_t kWriteBytes = 1 << 20;

// Counts what goes into another.
class CountingWriter : public ByteWriter {
  public:
    explicit CountingWriter(ByteWriter& sink) : sink_(sink) {}
    Status Write(ByteSpan bytes) override {
        bytes_ += static_cast<int64_t>(bytes.size());
        return sink_.Write(bytes);
    }
    int64_t bytes() const { return bytes_; }

  private:
    ByteWriter& sink_;
    int64_t bytes_ = 0;
};

// Rows as lines of csv or JSON.
class RowText {
  public:
    RowText(const Destination& destination, const std::vector<engine::ResultColumn>& columns)
        : json_(destination.format == "json"), guard_formulas_(destination.guard_formulas), columns_(columns) {}
    void AddHeader(std::string& text) const;  // csv
    void AddRow(const engine::Chunk& chunk, size_t row, std::string& text) const;

  private:
    const bool json_;
    const bool guard_formulas_;
    const std::vector<engine::ResultColumn>& columns_;
};

void RowText::AddHeader(std::string& text) const {
    if (json_) return;
    for (size_t column = 0; column < columns_.size(); ++column) {
        if (column > 0) text += ',';
        AppendCsvCell(text, columns_[column].name);
    }
    text += "\r\n";
}

void RowText::AddRow(const engine::Chunk& chunk, size_t row, std::string& text) const {
    if (json_) {
        OrderedJson object = OrderedJson::object();
        for (size_t column = 0; column < columns_.size(); ++column) {
            object[columns_[column].name] = chunk.IsNull(row, column) ? Json() : chunk.Value(row, column);
        }
        text += object.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
        return;
    }
    for (size_t column = 0; column < columns_.size(); ++column) {
        if (column > 0) text += ',';
        if (chunk.IsNull(row, column)) continue;
        // Numbers may begin with '-'; only text can hide a formula.
        bool guard = guard_formulas_ && chunk.Data(row, column) == nullptr &&
                     columns_[column].kind != engine::CellKind::kDecimal;
        AppendCsvCell(text, chunk.Text(row, column), guard);
    }
    text += "\r\n";
}

}  // namespace

Result<WrittenTable> WriteTable(Delivery& delivery, const std::string& select, OutgoingFiles& outgoing,
                                ByteWriter& sink) {
    CountingWriter counted(sink);
    WrittenTable written;
    if (delivery.destination.format == "parquet" || delivery.destination.format == "delta") {
        OutgoingFiles::Way way(outgoing, counted);
        auto files = TRY(delivery.session.WriteQuery(select, {.prefix = way.path(), .single_file = true}));
        if (files.size() != 1) {
            return Error(ErrorCode::kInternal, "{} files were written instead of one", files.size());
        }
        written.parquet = std::move(files.front());
        written.rows = written.parquet.rows;
        written.bytes = counted.bytes();
        return written;
    }
    auto rows = TRY(delivery.session.Query(select));
    RowText lines(delivery.destination, rows->columns());
    std::string text;
    lines.AddHeader(text);
    while (const engine::Chunk* chunk = TRY(rows->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) lines.AddRow(*chunk, row, text);
        written.rows += static_cast<int64_t>(chunk->rows());
        if (text.size() < kWriteBytes) continue;
        TRY(delivery.CheckCancelled());
        TRY(counted.Write(AsBytes(text)));
        text.clear();
        delivery.run.Progress("writing", written.rows);
    }
    TRY(counted.Write(AsBytes(text)));
    written.bytes = counted.bytes();
    return written;
}

}  // namespace tarn::destinations
