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

// Of columns, as the stream declares them.
Json TypesOf(const Manifest& manifest) {
    const Json& options = manifest.format_options;
    return options.is_object() ? options.value("types", Json::object()) : Json::object();
}

// Rows with a value that is not of its declared type.
Result<std::vector<std::pair<int64_t, std::string>>> Mistyped(engine::Session& session, const LoadObject& object,
                                                              const Manifest& manifest, int64_t max) {
    std::vector<std::pair<int64_t, std::string>> rows;
    const Json types = TypesOf(manifest);
    std::vector<engine::Column> texts = object.columns;
    std::vector<std::string> cases;
    for (engine::Column& column : texts) {
        if (types.contains(column.name)) {
            std::string type = types[column.name].get<std::string>();
            std::string name = "tarn_rows." + QuoteIdentifier(column.name);
            bool whole = std::find(kIntegers.begin(), kIntegers.end(), type) != kIntegers.end();
            // A cast would round where the reader of files refuses.
            std::string digits = whole ? fmt::format("NOT regexp_full_match({}, '\\s*[+-]?[0-9]+\\s*') OR ", name) : "";
            cases.push_back(fmt::format(
                "WHEN {0} IS NOT NULL AND ({1}TRY_CAST({0} AS {2}) IS NULL) THEN {3} || {0}[:100] || {4}", name, digits,
                type, QuoteLiteral("column " + column.name + ": '"), QuoteLiteral("' is no " + type)));
        }
        column.type = "VARCHAR";
    }
    if (cases.empty()) return rows;
    auto stream = TRY(session.Query(fmt::format(
        "SELECT tarn_row, tarn_why FROM (SELECT row_number() OVER () AS tarn_row, CASE {} END AS tarn_why FROM ({}) AS "
        "tarn_rows) WHERE tarn_why IS NOT NULL ORDER BY 1 LIMIT {}",
        Join(cases, " "), ReadObjectsSql({&object}, manifest, texts), max)));
    while (const engine::Chunk* chunk = TRY(stream->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            rows.emplace_back(IntegerOrZero(chunk->Text(row, 0)), chunk->Text(row, 1));
        }
    }
    return rows;
}

// Keeps a sampled inference honest: every row of every object is read with the types that are recorded.
Status Prove(engine::Session& session, LoadObject& object, Manifest& manifest) {
    for (engine::Column& column : object.columns) {
        if (const auto* recorded = FindColumn(manifest.columns, column.name)) column.type = recorded->type;
    }
    if (object.columns.empty()) return Ok();
    bool csv = object.format == "csv";
    bool json = object.format == "json";  // a name that stands twice in a record shows only when it is read
    bool declared = (csv || json) && !TypesOf(manifest).empty();
    bool convert = csv || json;
    Result<int64_t> rows = CountRows(session, ReadObjectsSql({&object}, manifest, object.columns),
                                     convert ? object.columns : std::vector<engine::Column>());
    if (!rows.ok() && csv) return BrokenCsv(session, object, manifest, rows.error());
    if (!rows.ok()) return Unreadable(object, rows.error());
    if (declared) {
        auto wrong = TRY(Mistyped(session, object, manifest, 1));
        if (!wrong.empty()) {
            return Unreadable(object,
                              Error(ErrorCode::kInvalidArgument, "row {}: {}", wrong[0].first, wrong[0].second));
        }
    }
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

bool IsShown(const LoadObject& object) { return !object.hidden && object.apart.empty(); }

void DeclareTypes(Manifest& manifest) {
    const Json types = TypesOf(manifest);
    for (LoadObject& object : manifest.objects) {
        if (object.format != "csv" && object.format != "json") continue;
        for (engine::Column& column : object.columns) column.type = types.value(column.name, column.type);
    }
}

Status FindColumns(engine::Session& session, Manifest& manifest, bool together) {
    std::vector<LoadObject*> json;
    for (LoadObject& object : manifest.objects) {
        if (!IsShown(object)) continue;
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
    if (!together) {
        for (LoadObject* object : json) TRY(FindJsonColumns(session, {object}, manifest));
    } else if (!json.empty()) {
        TRY(FindJsonColumns(session, std::move(json), manifest));
    }
    DeclareTypes(manifest);
    return Ok();
}

// How an object differs from the columns so far; fields of JSON may be missing.
std::string DriftOf(const std::vector<engine::Column>& known, const LoadObject& object) {
    std::vector<std::string> notes;
    for (const engine::Column& column : object.columns) {
        const engine::Column* before = FindColumn(known, column.name);
        if (!before) {
            notes.push_back(fmt::format("new column {} {}", column.name, column.type));
        } else if (WidestType(before->type, column.type) != before->type) {
            notes.push_back(fmt::format("column {} is {}, not {}", column.name, column.type, before->type));
        }
    }
    for (const engine::Column& column : object.format == "json" ? std::vector<engine::Column>() : known) {
        bool missing = !object.columns.empty() && !FindColumn(object.columns, column.name);
        if (missing) notes.push_back(fmt::format("column {} is missing", column.name));
    }
    return Join(notes, "; ");
}

Status ApplyDriftPolicy(const StreamState& state, Manifest& manifest, const std::string& on_drift) {
    if (on_drift == "accept" || !state.last() || state.last()->columns.empty()) return Ok();
    for (LoadObject& object : manifest.objects) {
        std::string drift = IsShown(object) ? DriftOf(state.last()->columns, object) : "";
        if (drift.empty()) continue;
        if (on_drift == "freeze") return FrozenDrift(FileOf(object) + ": " + drift);
        object.apart = drift;
        object.columns.clear();
        manifest.warnings.push_back(fmt::format("{} is in quarantine: {}", FileOf(object), drift));
    }
    return Ok();
}

}  // namespace

Error FrozenDrift(const std::string& what) {
    return Error(ErrorCode::kInvalidArgument, "the columns changed, and on_drift is freeze: {}", what)
        .WithHint("mend the source, or set on_drift: accept for the stream; nothing of this load was committed");
}

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

namespace {
Result<std::unique_ptr<engine::Session>> OpenOwn(engine::Engine& engine) {
    engine::SessionOptions options;
    options.principal = security::Principal::System("ingestion");
    options.trusted = true;
    return engine.OpenSession(std::move(options));
}
}  // namespace

Status FindCsvShape(engine::Engine& engine, LoadObject& object, const Manifest& manifest) {
    auto session = TRY(OpenOwn(engine));
    Status found = FindCsvColumns(*session, object, manifest);
    return object.columns.empty() ? found : Ok();  // the header may tell what the lines do not
}

Result<std::vector<std::pair<int64_t, std::string>>> MistypedRows(engine::Engine& engine, const LoadObject& object,
                                                                  const Manifest& manifest, int64_t max) {
    auto session = TRY(OpenOwn(engine));
    return Mistyped(*session, object, manifest, max);
}

Status InferColumns(engine::Engine& engine, const StreamState& state, Manifest& manifest, const std::string& on_drift) {
    auto session = TRY(OpenOwn(engine));
    if (state.last()) manifest.columns = state.last()->columns;
    TRY(FindColumns(*session, manifest, on_drift == "accept"));
    TRY(ApplyDriftPolicy(state, manifest, on_drift));
    for (const LoadObject& object : manifest.objects) Merge(manifest.columns, object.columns);
    manifest.rows = 0;
    for (LoadObject& object : manifest.objects) {
        if (!IsShown(object)) continue;
        bool counted = object.rows >= 0 && object.format == "json" && TypesOf(manifest).empty();
        if (!counted) TRY(Prove(*session, object, manifest));
        bool known = object.rows >= 0 && manifest.rows >= 0;
        manifest.rows = known ? manifest.rows + object.rows : -1;
    }
    return Ok();
}

}  // namespace tarn::connectors
