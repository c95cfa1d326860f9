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
constexpr std::array<std::string_view, 4> kNumbers = {"BOOLEAN", "INTEGER", "BIGINT", "DOUBLE"};
constexpr std::array<std::string_view, 3> kTimes = {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"};

template <size_t N>
std::string WiderOf(const std::array<std::string_view, N>& ladder, const std::string& left, const std::string& right) {
    auto one = std::find(ladder.begin(), ladder.end(), left);
    auto other = std::find(ladder.begin(), ladder.end(), right);
    if (one == ladder.end() || other == ladder.end()) return "";
    return std::string(std::max(one, other)[0]);
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

Result<int64_t> CountRows(engine::Session& session, const LoadObject& object, const Manifest& manifest) {
    std::string sql = fmt::format("SELECT count(*) FROM ({})", ReadObjectsSql({&object}, manifest, object.columns));
    auto stream = TRY(session.Query(sql));
    const engine::Chunk* chunk = TRY(stream->Next());
    return chunk && chunk->rows() == 1 ? IntegerOrZero(chunk->Text(0, 0)) : -1;
}

const engine::Column* FindColumn(const std::vector<engine::Column>& columns, const std::string& name) {
    auto found = std::find_if(columns.begin(), columns.end(), [&](const auto& column) { return column.name == name; });
    return found == columns.end() ? nullptr : &*found;
}

void Merge(std::vector<engine::Column>& columns, const std::vector<engine::Column>& more) {
    for (const engine::Column& column : more) {
        auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const engine::Column& known) { return known.name == column.name; });
        if (found == columns.end()) columns.push_back(column);
        else found->type = WidestType(found->type, column.type);
    }
}

std::string FileOf(const LoadObject& object) {
    return object.origin.value("file", object.origin.value("url", object.key));
}

// Keeps a sampled inference honest: every row of every object is read with the types that are recorded.
Status Prove(engine::Session& session, LoadObject& object, Manifest& manifest) {
    for (engine::Column& column : object.columns) {
        if (const auto* recorded = FindColumn(manifest.columns, column.name)) column.type = recorded->type;
    }
    if (object.format == "parquet") return Ok();
    Result<int64_t> rows = CountRows(session, object, manifest);
    if (!rows.ok()) {
        return Error(ErrorCode::kInvalidArgument, "{} can't be read as {}: {}", FileOf(object), object.format,
                     rows.error().message())
            .WithHint("mend the file; loads of other files wait until then, and nothing of this load was committed");
    }
    object.rows = *rows;
    return Ok();
}

}  // namespace

std::string WidestType(const std::string& left, const std::string& right) {
    if (left == right) return left;
    std::string number = WiderOf(kNumbers, left, right);
    // A truth value is no number to people: 1 and true together stay text.
    bool truth = left == "BOOLEAN" || right == "BOOLEAN";
    if (!number.empty() && !truth) return number;
    std::string time = WiderOf(kTimes, left, right);
    return time.empty() ? "VARCHAR" : time;
}

Status InferColumns(engine::Engine& engine, const StreamState& state, Manifest& manifest) {
    engine::SessionOptions options;
    options.principal = security::Principal::System("ingestion");
    options.trusted = true;
    auto session = TRY(engine.OpenSession(std::move(options)));
    if (state.last()) manifest.columns = state.last()->columns;
    // Objects of one look are described together: one page of an answer seldom shows all types.
    std::vector<const LoadObject*> unknown;
    for (LoadObject& object : manifest.objects) {
        if (object.format == "any") object.columns = {{"content", "BLOB", true, ""}};
        else if (object.columns.empty()) unknown.push_back(&object);
    }
    bool one_by_one = !unknown.empty() && unknown[0]->format != "json";
    for (LoadObject& object : manifest.objects) {
        if (!one_by_one || !object.columns.empty()) continue;
        auto columns = Describe(*session, InferSql({&object}, manifest));
        if (!columns.ok()) {
            return Error(ErrorCode::kInvalidArgument, "{} can't be read as {}: {}", FileOf(object), object.format,
                         columns.error().message())
                .WithHint("is `format` of the stream right?");
        }
        object.columns = std::move(*columns);
    }
    if (!one_by_one && !unknown.empty()) {
        auto columns = TRY(Describe(*session, InferSql(unknown, manifest)));
        for (LoadObject& object : manifest.objects) {
            if (object.format == "json" && object.columns.empty()) object.columns = columns;
        }
    }
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
