// Kind files: one file a table, replaced whole. The same version gives the same file, so a repeat changes nothing.
#include "base/file_stream.h"
#include "processing/destinations/target.h"

namespace tarn::destinations {
namespace {

constexpr size_t kWriteBytes = 1 << 20;

// Quoted where it must be (RFC 4180); an empty text is "", no value nothing.
void AppendCsv(std::string& line, std::string_view cell, bool guard) {
    // What Excel, LibreOffice and Sheets take for the beginning of a formula.
    bool formula = guard && !cell.empty() && std::string_view("=+-@\t\r").find(cell[0]) != std::string_view::npos;
    bool quoted = formula || cell.empty() || cell.find_first_of(",\"\r\n") != std::string_view::npos;
    if (!quoted) {
        line += cell;
        return;
    }
    line += '"';
    if (formula) line += '\'';
    for (char letter : cell) {
        if (letter == '"') line += '"';
        line += letter;
    }
    line += '"';
}

class FilesTarget : public Target {
  public:
    explicit FilesTarget(const DestinationsDependencies& dependencies) : dependencies_(dependencies) {}

    Result<Delivered> Deliver(Delivery& delivery) override {
        const Destination& destination = delivery.destination;
        Files& files = dependencies_.env.files();
        std::string folder = dependencies_.workspace_directory + "/" + destination.path;
        std::string path = folder + "/" + delivery.table.to + "." + destination.format;
        TRY(files.CreateDirectories(folder));
        auto file = TRY(FileReplacement::Create(files, path, 0600));
        auto rows = TRY(delivery.session.Query(delivery.Select()));
        Delivered delivered;
        std::string text;
        if (destination.format == "csv") AddHeader(rows->columns(), text);
        while (const engine::Chunk* chunk = TRY(rows->Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) AddRow(destination, rows->columns(), *chunk, row, text);
            delivered.rows += static_cast<int64_t>(chunk->rows());
            if (text.size() < kWriteBytes) continue;
            TRY(delivery.CheckCancelled());
            TRY(Write(*file, text, delivered));
            delivery.run.Progress("writing", delivered.rows);
        }
        TRY(Write(*file, text, delivered));
        TRY(file->Finish());
        TRY(files.SyncDirectory(folder));
        return delivered;
    }

  private:
    static Status Write(ByteWriter& file, std::string& text, Delivered& delivered) {
        TRY(file.Write(AsBytes(text)));
        delivered.bytes += static_cast<int64_t>(text.size());
        text.clear();
        return Ok();
    }
    static void AddHeader(const std::vector<engine::ResultColumn>& columns, std::string& text) {
        for (size_t column = 0; column < columns.size(); ++column) {
            if (column > 0) text += ',';
            AppendCsv(text, columns[column].name, false);
        }
        text += "\r\n";
    }
    static void AddRow(const Destination& destination, const std::vector<engine::ResultColumn>& columns,
                       const engine::Chunk& chunk, size_t row, std::string& text) {
        if (destination.format == "json") {
            OrderedJson object = OrderedJson::object();
            for (size_t column = 0; column < columns.size(); ++column) {
                object[columns[column].name] = chunk.IsNull(row, column) ? Json() : chunk.Value(row, column);
            }
            text += object.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
            return;
        }
        for (size_t column = 0; column < columns.size(); ++column) {
            if (column > 0) text += ',';
            if (chunk.IsNull(row, column)) continue;
            // Numbers may begin with '-'; only text can hide a formula.
            bool guard = destination.guard_formulas && chunk.Data(row, column) == nullptr &&
                         columns[column].kind != engine::CellKind::kDecimal;
            AppendCsv(text, chunk.Text(row, column), guard);
        }
        text += "\r\n";
    }

    const DestinationsDependencies& dependencies_;
};

}  // namespace

std::unique_ptr<Target> MakeFilesTarget(const DestinationsDependencies& dependencies) {
    return std::make_unique<FilesTarget>(dependencies);
}

}  // namespace tarn::destinations
