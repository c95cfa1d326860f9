#include "analysis/query/pg_copy.h"

#include <vector>

#include "analysis/query/pg_types.h"
#include "base/text.h"
#include "engine/sql_tokens.h"

namespace tarn::query {
namespace {

using engine::SqlToken;

Error Syntax(std::string_view what) { return Error(ErrorCode::kSyntax, "{}", what).WithDetailCode("42601"); }
Error OnlyOut() {
    return Error(ErrorCode::kNotSupported, "of COPY there is only COPY (query) TO STDOUT")
        .WithDetailCode("0A000")
        .WithHint("in psql, \\copy (query) to 'file' writes a file of yours");
}

int64_t CharactersBefore(std::string_view sql, size_t bytes) {
    int64_t count = 0;
    for (size_t at = 0; at < bytes; ++at) count += (static_cast<uint8_t>(sql[at]) & 0xC0) != 0x80;
    return count;
}

// Reads one COPY from front to back.
class CopyReader {
  public:
    CopyReader(std::string_view sql, std::vector<SqlToken> tokens) : sql_(sql), tokens_(std::move(tokens)) {}

    Result<CopyCommand> Read() {
        TRY(Source());
        if (!Take("to") || !Take("stdout")) return OnlyOut();
        bool with = Take("with");
        if (Take("(")) {
            TRY(Listed());
        } else {
            TRY(Spelled());
        }
        if (!done()) return Syntax(fmt::format("COPY has no option \"{}\"{}", tokens_[at_].text, with ? " here" : ""));
        return Finish();
    }

  private:
    bool done() const { return at_ >= tokens_.size(); }
    bool Take(std::string_view word) {
        if (done() || tokens_[at_].kind == SqlToken::Kind::kText || tokens_[at_].text != word) return false;
        ++at_;
        return true;
    }

    // A query in brackets, or a table with or without its columns.
    Status Source() {
        size_t begin = at_;
        if (Take("(")) {
            size_t end = TRY(Closing());
            command_.query = std::string(sql_.substr(tokens_[begin].end, tokens_[end].begin - tokens_[begin].end));
            command_.query_position = CharactersBefore(sql_, tokens_[begin].end) + 1;
            return Ok();
        }
        while (!done() && tokens_[at_].text != "(" && tokens_[at_].text != "to" && tokens_[at_].text != "from") ++at_;
        if (at_ == begin || done()) return Syntax("COPY (query) TO STDOUT is meant");
        std::string table(sql_.substr(tokens_[begin].begin, tokens_[at_ - 1].end - tokens_[begin].begin));
        std::string columns = "*";
        if (size_t open = at_; Take("(")) {
            size_t end = TRY(Closing());
            columns = std::string(sql_.substr(tokens_[open].end, tokens_[end].begin - tokens_[open].end));
        }
        command_.query = fmt::format("SELECT {} FROM {}", columns, table);
        return Ok();
    }
    // The bracket that closes the one before; stands behind it then.
    Result<size_t> Closing() {
        for (int depth = 1; !done(); ++at_) {
            bool sign = tokens_[at_].kind == SqlToken::Kind::kSign;
            depth += sign && tokens_[at_].text == "(" ? 1 : 0;
            depth -= sign && tokens_[at_].text == ")" ? 1 : 0;
            if (depth == 0) return at_++;
        }
        return Syntax("a bracket is not closed");
    }

    // (FORMAT csv, HEADER, DELIMITER ';')
    Status Listed() {
        do {
            if (done()) return Syntax("COPY's options are not ended");
            std::string name = tokens_[at_++].text;
            std::string value;
            if (name == "force_quote" && Take("(")) {
                TRY(Closing());
                value = "columns";
            } else if (!done() && tokens_[at_].text != "," && tokens_[at_].text != ")") {
                value = tokens_[at_++].text;
            }
            TRY(Option(name, value));
        } while (Take(","));
        return Take(")") ? Ok() : Status(Syntax("COPY's options are not ended"));
    }
    // CSV HEADER DELIMITER AS ';', as it was written before version 9.
    Status Spelled() {
        while (!done()) {
            std::string name = tokens_[at_].text;
            bool valued =
                name == "delimiter" || name == "null" || name == "quote" || name == "escape" || name == "encoding";
            if (!valued && name != "csv" && name != "binary" && name != "header" && name != "force") return Ok();
            ++at_;
            if (name == "force" && (!Take("quote") || !Take("*"))) return Syntax("FORCE QUOTE * is meant");
            if (!valued) {
                bool format = name == "csv" || name == "binary";
                TRY(format ? Option("format", name) : Option(name == "force" ? "force_quote" : name, "*"));
                continue;
            }
            Take("as");
            if (done()) return Syntax("COPY's " + name + " takes a text");
            TRY(Option(name, tokens_[at_++].text));
        }
        return Ok();
    }

    Status Option(const std::string& name, const std::string& value) {
        if (name == "format") {
            bool known = value == "text" || value == "csv" || value == "binary";
            if (!known) return Syntax(fmt::format("COPY knows the formats text, csv and binary, not \"{}\"", value));
            command_.format = value == "csv"      ? CopyCommand::Format::kCsv
                              : value == "binary" ? CopyCommand::Format::kBinary
                                                  : CopyCommand::Format::kText;
            return Ok();
        }
        if (name == "header") {
            std::string lower = ToLower(value);
            command_.header = !(lower == "false" || lower == "off" || lower == "0");
            return Ok();
        }
        if (name == "null") return null_ = value, Ok();
        if (name == "force_quote" && value == "*") return command_.force_quote = true, Ok();
        if (name == "encoding" && (ToLower(value) == "utf8" || ToLower(value) == "utf-8")) return Ok();
        if (name == "delimiter") return One(name, value, delimiter_);
        if (name == "quote") return One(name, value, quote_);
        if (name == "escape") return One(name, value, escape_);
        return Error(ErrorCode::kNotSupported, "COPY's option {} {} is not supported", name, value)
            .WithDetailCode("0A000");
    }
    static Status One(const std::string& name, const std::string& value, std::optional<char>& into) {
        if (value.size() != 1) {
            return Error(ErrorCode::kInvalidArgument, "COPY's {} is one byte", name).WithDetailCode("22023");
        }
        return into = value[0], Ok();
    }

    Result<CopyCommand> Finish() {
        bool csv = command_.format == CopyCommand::Format::kCsv;
        if (csv) {
            command_.delimiter = ',';
            command_.null = "";
        }
        bool ruled = delimiter_ || null_ || command_.header;
        if (command_.format == CopyCommand::Format::kBinary && ruled) {
            return Syntax("the binary format has no DELIMITER, NULL or HEADER");
        }
        if (!csv && (quote_ || escape_ || command_.force_quote))
            return Syntax("QUOTE and ESCAPE are of the format csv");
        command_.delimiter = delimiter_.value_or(command_.delimiter);
        command_.quote = quote_.value_or('"');
        command_.escape = escape_.value_or(command_.quote);
        command_.null = null_.value_or(command_.null);
        return command_;
    }

    std::string_view sql_;
    std::vector<SqlToken> tokens_;
    size_t at_ = 1;  // behind COPY
    CopyCommand command_;
    std::optional<char> delimiter_;
    std::optional<char> quote_;
    std::optional<char> escape_;
    std::optional<std::string> null_;
};

constexpr std::string_view kBinaryHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);

void AppendText(std::string& line, std::string_view value, char delimiter) {
    for (char character : value) {
        switch (character) {
            case '\b':
                line += "\\b";
                break;
            case '\f':
                line += "\\f";
                break;
            case '\n':
                line += "\\n";
                break;
            case '\r':
                line += "\\r";
                break;
            case '\t':
                line += "\\t";
                break;
            case '\v':
                line += "\\v";
                break;
            default:
                if (character == '\\' || character == delimiter) line += '\\';
                line += character;
        }
    }
}

void AppendCsv(std::string& line, std::string_view value, const CopyCommand& copy, bool alone) {
    bool special = value == copy.null || value.find(copy.delimiter) != value.npos ||
                   value.find(copy.quote) != value.npos || value.find_first_of("\r\n") != value.npos;
    // A line of "\." alone would end the data for those who read it as a file.
    if (!special && !copy.force_quote && !(alone && value == "\\.")) {
        line += value;
        return;
    }
    line += copy.quote;
    for (char character : value) {
        if (character == copy.quote || character == copy.escape) line += copy.escape;
        line += character;
    }
    line += copy.quote;
}

void WriteData(wire::PgFrameWriter& writer, std::string_view data) {
    writer.Begin('d');
    writer.Bytes(data);
    writer.End();
}

}  // namespace

Result<std::optional<CopyCommand>> CopyCommandOf(std::string_view sql) {
    auto first = engine::Tokenize(sql, 1);
    if (!first.ok() || first->empty() || first->front().kind != SqlToken::Kind::kWord ||
        first->front().text != "copy") {
        return std::optional<CopyCommand>();
    }
    auto tokens = TRY(engine::Tokenize(sql));
    while (tokens.back().text == ";") tokens.pop_back();
    return std::optional(TRY(CopyReader(sql, std::move(tokens)).Read()));
}

void WriteCopyStart(wire::PgFrameWriter& writer, const CopyCommand& copy,
                    const std::vector<engine::ResultColumn>& columns) {
    bool binary = copy.format == CopyCommand::Format::kBinary;
    writer.Begin('H');
    writer.Byte(binary ? 1 : 0);
    writer.Int16(static_cast<int16_t>(columns.size()));
    for (size_t column = 0; column < columns.size(); ++column) writer.Int16(binary ? 1 : 0);
    writer.End();
    if (!copy.header) return;
    std::string line;
    for (size_t column = 0; column < columns.size(); ++column) {
        if (column > 0) line += copy.delimiter;
        if (copy.format == CopyCommand::Format::kCsv)
            AppendCsv(line, columns[column].name, copy, columns.size() == 1);
        else
            AppendText(line, columns[column].name, copy.delimiter);
    }
    WriteData(writer, line + "\n");
}

Status WriteCopyRow(wire::PgFrameWriter& writer, const CopyCommand& copy,
                    const std::vector<engine::ResultColumn>& columns, const engine::Chunk& chunk, size_t row,
                    bool first) {
    if (copy.format == CopyCommand::Format::kBinary) {
        writer.Begin('d');
        if (first) writer.Bytes(kBinaryHeader);
        writer.Int16(static_cast<int16_t>(columns.size()));
        for (size_t column = 0; column < columns.size(); ++column) {
            TRY(WriteCell(writer, chunk, row, column, columns[column], true));
        }
        writer.End();
        return Ok();
    }
    std::string line;
    for (size_t column = 0; column < columns.size(); ++column) {
        if (column > 0) line += copy.delimiter;
        if (chunk.IsNull(row, column))
            line += copy.null;
        else if (copy.format == CopyCommand::Format::kCsv)
            AppendCsv(line, CellText(chunk, row, column, columns[column]), copy, columns.size() == 1);
        else
            AppendText(line, CellText(chunk, row, column, columns[column]), copy.delimiter);
    }
    line += '\n';
    WriteData(writer, line);
    return Ok();
}

void WriteCopyEnd(wire::PgFrameWriter& writer, const CopyCommand& copy, bool empty) {
    bool binary = copy.format == CopyCommand::Format::kBinary;
    if (binary) WriteData(writer, std::string(empty ? kBinaryHeader : std::string_view()) + "\377\377");
    writer.Begin('c');
    writer.End();
}

}  // namespace tarn::query
