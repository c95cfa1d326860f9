#include "ingestion/connectors/inference.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/raw_sql.h"

namespace tarn::connectors {
namespace {

// Each fits into the next.
constexpr std::array<std::string_view, 5> kIntegers = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"};
constexpr std::array<std::string_view, 6> kNumbers = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE"};
constexpr std::array<std::string_view, 3> kTimes = {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"};

template <size_t N>
std::string WiderOf(const std::array<std::string_view, N>& ladder, const std::string& left, const std::string& right) {
    auto one = std::find(ladder.begin(), ladder.end(), left);
    auto other = std::find(ladder.begin(), ladder.end(), right);
    if (one == ladder.end() || other == ladder.end()) return "";
    return std::string(std::max(one, other)[0]);
}

// DECIMAL(10,2) and DECIMAL(8,4) give DECIMAL(12,4).
std::string WiderDecimal(const std::string& left, const std::string& right) {
    std::array<int64_t, 2> whole{};
    std::array<int64_t, 2> scale{};
    for (size_t index = 0; index < 2; ++index) {
        const std::string& type = index == 0 ? left : right;
        size_t comma = type.find(',');
        if (!type.starts_with("DECIMAL(") || comma == std::string::npos) return "";
        scale[index] = IntegerOrZero(type.substr(comma + 1, type.size() - comma - 2));
        whole[index] = IntegerOrZero(type.substr(8, comma - 8)) - scale[index];
    }
    int64_t digits = std::max(whole[0], whole[1]) + std::max(scale[0], scale[1]);
    return digits <= 38 ? fmt::format("DECIMAL({},{})", digits, std::max(scale[0], scale[1])) : "";
}

// What the engine says of a broken file, without advice on options that nobody here can set.
std::string FirstLines(const std::string& message) {
    std::string text = message.substr(0, std::min(message.find("\nPossible"), message.find("\n  file = ")));
    std::vector<std::string> lines;
    for (const std::string& line : Split(text, '\n')) {
        if (!Trim(line).empty()) lines.emplace_back(Trim(line));
    }
    return Join(lines, "; ");
}

std::string FileOf(const LoadObject& object) {
    return object.origin.value("file", object.origin.value("url", object.key));
}

Error Unreadable(const LoadObject& object, const Error& why) {
    return Error(ErrorCode::kInvalidArgument, "{} can't be read as {}: {}", FileOf(object), object.format,
                 FirstLines(why.message()))
        .WithHint(
            "mend the file, or is `format` wrong? Nothing of this load was committed, other files wait until then");
}

Result<std::vector<engine::Column>> Describe(engine::Session& session, const std::string& sql) {
    auto stream = TRY(session.Query(sql));
    std::vector<engine::Column> columns;
    while (const engine::Chunk* chunk = TRY(stream->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            std::string type = chunk->Text(row, 1);
            // Nothing but empty values was seen: text takes whatever comes.
            if (type == "JSON" || type == "\"NULL\"") type = "VARCHAR";
            columns.push_back({chunk->Text(row, 0), type, true, ""});
        }
    }
    return columns;
}

Result<int64_t> CountRows(engine::Session& session, const std::string& rows,
                          const std::vector<engine::Column>& columns) {
    // Columns that nobody asks for would not be converted, and so not be proved.
    std::string counts = "count(*)";
    for (const engine::Column& column : columns) counts += ", count(" + QuoteIdentifier(column.name) + ")";
    auto stream = TRY(session.Query(fmt::format("SELECT {} FROM ({})", counts, rows)));
    const engine::Chunk* chunk = TRY(stream->Next());
    return chunk && chunk->rows() == 1 ? IntegerOrZero(chunk->Text(0, 0)) : -1;
}

const engine::Column* FindColumn(const std::vector<engine::Column>& columns, const std::string& name) {
    auto found = std::find_if(columns.begin(), columns.end(), [&](const auto& column) { return column.name == name; });
    return found == columns.end() ? nullptr : &*found;
}

// ---- csv

Result<std::vector<engine::Column>> Sniff(engine::Session& session, LoadObject& object, const Manifest& manifest) {
    auto stream = TRY(session.Query(SniffCsvSql(object, manifest)));
    std::vector<engine::Column> columns;
    while (const engine::Chunk* chunk = TRY(stream->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            object.delimiter = chunk->Text(row, 0);
            columns.push_back({chunk->Text(row, 1), chunk->Text(row, 2), true, ""});
        }
    }
    return columns;
}

// No line at all: nothing can be found in it.
bool IsEmpty(engine::Session& session, LoadObject object, const Manifest& manifest) {
    std::vector<engine::Column> line = {{"line", "VARCHAR", true, ""}};
    Manifest bare = manifest;
    bare.format_options["header"] = false;
    object.delimiter = ",";
    auto rows = CountRows(session, StrictCsvSql(object, bare, line), {});
    return rows.ok() && *rows == 0;
}

// The error of a reading that guesses nothing, which names the line; or else the one that is known.
Error BrokenCsv(engine::Session& session, const LoadObject& object, const Manifest& manifest, const Error& known) {
    std::vector<engine::Column> texts = object.columns;
    for (engine::Column& column : texts) column.type = "VARCHAR";
    auto strict = CountRows(session, StrictCsvSql(object, manifest, texts), texts);
    return Unreadable(object, strict.ok() ? known : strict.error());
}

// Lines that disagree make the engine take all of each for one column; the header tells what was meant.
void SplitHeader(LoadObject& object, const Manifest& manifest) {
    bool given = manifest.format_options.contains("delimiter") || !manifest.format_options.value("header", true);
    if (given || object.columns.size() != 1) return;
    const std::string name = object.columns[0].name;
    for (char delimiter : {',', ';', '\t', '|'}) {
        if (name.find(delimiter) == std::string::npos) continue;
        object.delimiter = std::string(1, delimiter);
        object.columns.clear();
        for (const std::string& part : Split(name, delimiter)) object.columns.push_back({part, "VARCHAR", true, ""});
        return;
    }
}

Status FindCsvColumns(engine::Session& session, LoadObject& object, const Manifest& manifest) {
    auto columns = Sniff(session, object, manifest);
    if (!columns.ok()) {
        if (!IsEmpty(session, object, manifest)) return Unreadable(object, columns.error());
        object.rows = 0;
        return Ok();
    }
    object.columns = *columns;
    std::string delimiter = object.delimiter;
    SplitHeader(object, manifest);
    if (object.delimiter == delimiter) return Ok();
    // A single column whose quoted name holds a comma is read well with the comma too.
    Result<std::vector<engine::Column>> again = Sniff(session, object, manifest);
    if (!again.ok()) return BrokenCsv(session, object, manifest, again.error());
    object.columns = std::move(*again);
    return Ok();
}

// ---- all formats

// Keeps a sampled inference honest: every row of every object is read with the types that are recorded.
Status Prove(engine::Session& session, LoadObject& object, Manifest& manifest) {
    for (engine::Column& column : object.columns) {
        if (const auto* recorded = FindColumn(manifest.columns, column.name)) column.type = recorded->type;
    }
    if (object.columns.empty()) return Ok();
    bool csv = object.format == "csv";
    Result<int64_t> rows = CountRows(session, ReadObjectsSql({&object}, manifest, object.columns),
                                     csv ? object.columns : std::vector<engine::Column>());
    if (!rows.ok() && csv) return BrokenCsv(session, object, manifest, rows.error());
    if (!rows.ok()) return Unreadable(object, rows.error());
    object.rows = *rows;
    return Ok();
}

// Objects of one look are described together: one page of an answer seldom shows all types.
Status FindJsonColumns(engine::Session& session, std::vector<LoadObject*> objects, const Manifest& manifest) {
    std::map<std::string, std::vector<const LoadObject*>> by_packing;
    for (LoadObject* object : objects) by_packing[CompressionOf(*object)].push_back(object);
    std::vector<engine::Column> columns;
    for (const auto& [packing, alike] : by_packing) {
        auto found = Describe(session, InferSql(alike, manifest));
        for (size_t index = 0; !found.ok() && index < alike.size(); ++index) {
            auto alone = Describe(session, InferSql({alike[index]}, manifest));
            if (!alone.ok()) return Unreadable(*alike[index], alone.error());
        }
        Merge(columns, TRY(std::move(found)));
    }
    for (LoadObject* object : objects) object->columns = columns;
    return Ok();
}

Status FindColumns(engine::Session& session, Manifest& manifest) {
    std::vector<LoadObject*> json;
    for (LoadObject& object : manifest.objects) {
        if (object.format == "any") object.columns = {{"content", "BLOB", true, ""}};
        if (!object.columns.empty()) continue;
        if (object.format == "csv") {
            TRY(FindCsvColumns(session, object, manifest));
        } else if (object.format == "json") {
            json.push_back(&object);
        } else {
            auto columns = Describe(session, InferSql({&object}, manifest));
            if (!columns.ok()) return Unreadable(object, columns.error());
            object.columns = std::move(*columns);
        }
    }
    return json.empty() ? Ok() : FindJsonColumns(session, std::move(json), manifest);
}

}  // namespace

void Merge(std::vector<engine::Column>& columns, const std::vector<engine::Column>& more) {
    for (const engine::Column& column : more) {
        auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const engine::Column& known) { return known.name == column.name; });
        if (found == columns.end())
            columns.push_back(column);
        else
            found->type = WidestType(found->type, column.type);
    }
}

std::string WidestType(const std::string& left, const std::string& right) {
    if (left == right) return left;
    for (const std::string& wider : {WiderOf(kIntegers, left, right), WiderOf(kNumbers, left, right),
                                     WiderOf(kTimes, left, right), WiderDecimal(left, right)}) {
        if (!wider.empty()) return wider;
    }
    return "VARCHAR";
}

Status InferColumns(engine::Engine& engine, const StreamState& state, Manifest& manifest) {
    engine::SessionOptions options;
    options.principal = security::Principal::System("ingestion");
    options.trusted = true;
    auto session = TRY(engine.OpenSession(std::move(options)));
    if (state.last()) manifest.columns = state.last()->columns;
    TRY(FindColumns(*session, manifest));
    for (const LoadObject& object : manifest.objects) Merge(manifest.columns, object.columns);
    manifest.rows = 0;
    for (LoadObject& object : manifest.objects) {
        bool counted = object.rows >= 0 && object.format == "json";
        if (!counted) TRY(Prove(*session, object, manifest));
        bool known = object.rows >= 0 && manifest.rows >= 0;
        manifest.rows = known ? manifest.rows + object.rows : -1;
    }
    return Ok();
}

}  // namespace tarn::connectors
