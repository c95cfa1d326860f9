// COPY (query) TO STDOUT: its options, and rows in PostgreSQL's text, CSV and binary forms.
// Source: PostgreSQL documentation, "COPY", "File Formats".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/engine.h"
#include "wire/pgwire/frames.h"

namespace tarn::query {

struct CopyCommand {
    enum class Format { kText, kCsv, kBinary };
    std::string query;
    int64_t query_position = 1;  // of it in the statement, in characters
    Format format = Format::kText;
    bool header = false;
    char delimiter = '\t';
    char quote = '"';
    char escape = '"';
    bool force_quote = false;  // all values but NULL
    std::string null = "\\N";
};
// Nothing if it is another statement. kNotSupported for a COPY that is none to STDOUT.
Result<std::optional<CopyCommand>> CopyCommandOf(std::string_view sql);

// The payloads of CopyData, appended as whole frames. The binary form's header stands in one frame with the first row,
// as PostgreSQL sends it: clients count on that.
void WriteCopyStart(wire::PgFrameWriter& writer, const CopyCommand& copy,
                    const std::vector<engine::ResultColumn>& columns);
Status WriteCopyRow(wire::PgFrameWriter& writer, const CopyCommand& copy,
                    const std::vector<engine::ResultColumn>& columns, const engine::Chunk& chunk, size_t row,
                    bool first);
void WriteCopyEnd(wire::PgFrameWriter& writer, const CopyCommand& copy, bool empty);

}  // namespace tarn::query
