#include "analysis/dashboards/tile_reader.h"

#include <algorithm>

#include "analysis/dashboards/select_shape.h"
#include "base/text.h"

namespace tarn::dashboards {
namespace {

constexpr size_t kAnswerBytesMax = 32 << 20;

}  // namespace

Today TileReader::TodayIn(const security::Principal& principal, const std::string& time_zone) {
    return [this, principal, time_zone]() -> Result<Date> {
        std::string zone = time_zone.empty() ? "UTC" : time_zone;
        auto session = TRY(dependencies_.engine.OpenSession({.principal = principal, .time_zone = zone}));
        auto stream = TRY(session->Query("SELECT CAST(CAST(now() AS DATE) - DATE '1970-01-01' AS BIGINT)"));
        const engine::Chunk* chunk = TRY(stream->Next());
        TARN_CHECK(chunk != nullptr && chunk->rows() == 1);
        return Date(std::chrono::days(chunk->Value(0, 0).get<int64_t>()));
    };
}

bool TileReader::MayKeep(const std::string& sql) {
    std::lock_guard lock(mutex_);
    if (!volatile_functions_) {
        auto names = VolatileFunctions(dependencies_.engine);
        if (!names.ok()) return false;
        volatile_functions_ = std::move(*names);
    }
    return IsRepeatable(sql, *volatile_functions_);
}

// For each column that is one of a table's as it is: which one. A click on its value filters the other tiles by it.
Json TileReader::SourcesOf(const security::Principal& principal, const Tile& tile) {
    SelectShape shape = ShapeOf(tile.sql);
    Json sources = Json::array();
    bool plain = std::any_of(tile.dimensions.begin(), tile.dimensions.end(),
                             [&](size_t index) { return !shape.items[index].column.empty(); });
    if (!plain || !tile.parameters.empty()) return sources;
    auto lineage = dependencies_.engine.Lineage(principal, tile.sql);
    if (!lineage.ok() || lineage->size() != shape.items.size()) return sources;
    for (size_t index = 0; index < shape.items.size(); ++index) {
        const auto& from = (*lineage)[index].sources;
        bool same = from.size() == 1 && EqualsIgnoreCase(from[0].column, shape.items[index].column);
        sources.push_back(same ? Json(from[0].schema + "." + from[0].table + "." + from[0].column) : Json());
    }
    return sources;
}

Result<std::shared_ptr<const TileAnswer>> TileReader::Run(const security::Principal& principal,
                                                          engine::Statement& statement, const Question& question) {
    auto stream = TRY(statement.Execute(question.query.bindings.values()));
    Json columns = Json::array();
    Json sources = question.tile ? SourcesOf(principal, *question.tile) : Json::array();
    for (const auto& column : stream->columns()) {
        Json told = {{"name", column.name}, {"type", column.type}};
        size_t index = columns.size();
        if (index < sources.size() && !sources[index].is_null()) told["source"] = sources[index];
        columns.push_back(std::move(told));
    }
    auto answer = std::make_shared<TileAnswer>();
    std::string& json = answer->json;
    json = "\"columns\":" + DumpJson(columns) + ",\"rows\":[";
    bool truncated = false;
    while (const engine::Chunk* chunk = truncated ? nullptr : TRY(stream->Next())) {
        for (size_t row = 0; row < chunk->rows() && !truncated; ++row) {
            Json cells = Json::array();
            for (size_t column = 0; column < columns.size(); ++column) {
                cells.push_back(chunk->IsNull(row, column) ? Json() : chunk->Value(row, column));
            }
            if (answer->rows++ > 0) json += ',';
            json += DumpJson(cells);
            truncated = answer->rows >= question.rows_max;
            if (json.size() <= kAnswerBytesMax) continue;
            return Error(ErrorCode::kResourceExhausted, "the answer is larger than {} MiB", kAnswerBytesMax >> 20)
                .WithHint("select fewer columns, or aggregate");
        }
    }
    json += fmt::format("],\"truncated\":{}", truncated);
    return std::shared_ptr<const TileAnswer>(std::move(answer));
}

Result<TileReader::Answered> TileReader::Read(security::Call& call, const CancelToken& cancel,
                                              const Question& question) {
    const TileQuery& query = question.query;
    uint64_t epoch = dependencies_.gate.epoch();
    auto session = TRY(dependencies_.engine.OpenSession({.principal = call.principal, .time_zone = query.time_zone}));
    auto on_leave = cancel.OnCancel([&session] { session->Cancel(); });
    auto statement = TRY(session->Prepare(query.sql, query.bindings.Types()));
    Answered answered{.answer = nullptr, .reads = Json::array()};
    for (const engine::TableRead& read : statement->info().reads) {
        answered.reads.push_back({{"schema", read.schema}, {"name", read.name}, {"version", read.version}});
    }
    call.details["tables"] = answered.reads;
    std::string asked = DumpJson({query.sql, query.bindings.ToJson(), query.bindings.Types(), query.time_zone,
                                  question.rows_max, question.tile != nullptr});
    std::string key = MayKeep(query.sql) ? cache_.KeyOf(call.principal, asked, statement->info().reads) : std::string();
    answered.answer = cache_.Find(key);
    answered.from_cache = answered.answer != nullptr;
    if (!answered.answer) {
        answered.answer = TRY(Run(call.principal, *statement, question));
        // Under the policies that the key was made of, all the time.
        if (dependencies_.gate.epoch() == epoch) cache_.Keep(key, answered.answer);
    }
    call.rows = answered.answer->rows;
    if (answered.from_cache) call.details["from_cache"] = true;
    return answered;
}

}  // namespace tarn::dashboards
