#include "engine/given_rows.h"

#include <algorithm>

#include "base/text.h"

namespace tarn::engine {
namespace {

constexpr size_t kRowsMax = 10'000;
constexpr int kShownMax = 3;
constexpr const char* kExpected = "temp_input.expected";

std::optional<std::string> CellOf(const Json& value) {
    if (value.is_null()) return std::nullopt;
    if (value.is_string()) return value.get<std::string>();
    return DumpJson(value);
}

// The type of a column of these values; empty when they do not tell.
std::string TypeOf(const Json& rows, const std::string& column) {
    std::string type;
    for (const Json& row : rows) {
        auto found = row.find(column);
        if (found == row.end() || found->is_null()) continue;
        if (found->is_structured()) return "";
        std::string one = found->is_boolean()          ? "BOOLEAN"
                          : found->is_number_integer() ? "BIGINT"
                          : found->is_number()         ? "DOUBLE"
                                                       : "VARCHAR";
        bool numbers = (one == "BIGINT" && type == "DOUBLE") || (one == "DOUBLE" && type == "BIGINT");
        if (type.empty() || type == one)
            type = one;
        else
            type = numbers ? "DOUBLE" : "VARCHAR";
    }
    return type.empty() ? "VARCHAR" : type;
}

// Keys of all rows, in the order in which they come.
Result<std::vector<std::string>> KeysOf(const Json& rows) {
    if (!rows.is_array()) return Error(ErrorCode::kInvalidArgument, "rows are a list of mappings");
    if (rows.size() > kRowsMax) return Error(ErrorCode::kInvalidArgument, "there are more than {} rows", kRowsMax);
    std::vector<std::string> keys;
    for (const Json& row : rows) {
        if (!row.is_object()) {
            return Error(ErrorCode::kInvalidArgument, "a row is a mapping from columns to values, not {}",
                         DumpJson(row));
        }
        for (const auto& [key, value] : row.items()) {
            if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
        }
    }
    return keys;
}

Result<std::vector<Column>> Inferred(const Json& rows, const std::vector<std::string>& keys) {
    if (keys.empty()) {
        return Error(ErrorCode::kInvalidArgument,
                     "no row and no data yet: nothing tells its columns; write `types: {column: TYPE}`");
    }
    std::vector<Column> columns;
    for (const std::string& key : keys) {
        std::string type = TypeOf(rows, key);
        if (type.empty()) {
            return Error(ErrorCode::kInvalidArgument,
                         "column {} is nested: write its type, as `types: {{{}: INTEGER[]}}`", key, key);
        }
        columns.push_back({key, type});
    }
    return columns;
}

Status CheckKnown(const std::vector<std::string>& keys, const std::vector<Column>& known) {
    std::vector<std::string> names;
    for (const Column& column : known) names.push_back(column.name);
    for (const std::string& key : keys) {
        if (std::find(names.begin(), names.end(), key) != names.end()) continue;
        std::string nearest = NearestWord(key, names);
        std::string hint = nearest.empty() ? "it has " + Join(names, ", ") : "did you mean " + nearest + "?";
        return Error(ErrorCode::kInvalidArgument, "there is no column {}; {}", key, hint);
    }
    return Ok();
}

std::string ComparedColumns(const std::vector<ResultColumn>& columns) {
    std::vector<std::string> parts;
    for (const ResultColumn& column : columns) {
        std::string quoted = QuoteIdentifier(column.name);
        bool floats = column.kind == CellKind::kDouble || column.kind == CellKind::kFloat;
        parts.push_back(floats ? fmt::format("round({0}, 9) AS {0}", quoted) : quoted);
    }
    return Join(parts, ", ");
}

// Up to kShownMax rows of a SELECT as text, and how many there are.
Result<std::string> Shown(Session& session, const std::string& sql) {
    auto stream = TRY(session.Query(sql));
    int64_t count = 0;
    std::vector<std::string> rows;
    while (const Chunk* chunk = TRY(stream->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            if (++count > kShownMax) continue;
            Json shown = Json::object();
            for (size_t column = 0; column < stream->columns().size(); ++column) {
                shown[stream->columns()[column].name] = chunk->Value(row, column);
            }
            rows.push_back(DumpJson(shown));
        }
    }
    if (count == 0) return std::string();
    std::string more = count > kShownMax ? fmt::format(" and {} more", count - kShownMax) : "";
    return fmt::format("{}{}", Join(rows, ", "), more);
}

}  // namespace

Result<Relation> GivenRelation(const Json& rows, std::vector<Column> known) {
    std::vector<std::string> keys = TRY(KeysOf(rows));
    Relation relation;
    if (known.empty()) known = TRY(Inferred(rows, keys));
    TRY(CheckKnown(keys, known));
    relation.columns = std::move(known);
    RowSet set;
    for (const Json& row : rows) {
        auto& cells = set.rows.emplace_back();
        for (const Column& column : relation.columns) {
            auto found = row.find(column.name);
            cells.push_back(found == row.end() ? std::nullopt : CellOf(*found));
        }
    }
    relation.source = GeneratedRows{[set = std::move(set)]() -> Result<RowSet> { return set; }};
    return relation;
}

Result<std::string> RowsDiffer(Session& session, const std::string& select, const Json& expected) {
    std::vector<std::string> keys = TRY(KeysOf(expected));
    std::vector<ResultColumn> actual = TRY(session.Prepare(select))->info().columns;
    std::vector<Column> known;
    for (const ResultColumn& column : actual) known.push_back({column.name, column.type});
    TRY(CheckKnown(keys, known));
    if (!keys.empty()) {
        auto unnamed = [&](const auto& column) {
            return std::find(keys.begin(), keys.end(), column.name) == keys.end();
        };
        std::erase_if(actual, unnamed);
        std::erase_if(known, unnamed);
    }
    TRY(session.Provide("expected", TRY(GivenRelation(expected, known))));
    std::string columns = ComparedColumns(actual);
    std::string got = fmt::format("SELECT {} FROM (\n{}\n)", columns, select);
    std::string want = fmt::format("SELECT {} FROM {}", columns, kExpected);
    std::string missing = TRY(Shown(session, fmt::format("({}) EXCEPT ALL ({})", want, got)));
    std::string surplus = TRY(Shown(session, fmt::format("({}) EXCEPT ALL ({})", got, want)));
    std::vector<std::string> parts;
    if (!missing.empty()) parts.push_back("expected but not there: " + missing);
    if (!surplus.empty()) parts.push_back("there but not expected: " + surplus);
    return Join(parts, "; ");
}

}  // namespace tarn::engine
