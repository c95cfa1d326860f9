#include "processing/batch/question.h"

#include "base/text.h"
#include "workspace/sql_text.h"

namespace tarn::batch {

constexpr size_t kItemBytesMax = 1024;  // each stands in the log of runs

Result<bool> AskWhether(const Asked& asked, const std::string& sql) {
    auto session = TRY(asked.engine.OpenSession({.principal = asked.principal, .default_schema = asked.schema}));
    auto on_cancel = asked.cancel.OnCancel([session = session.get()] { session->Cancel(); });
    // Whatever it is becomes a truth value, or says that it can't.
    auto stream = TRY(session->Query(
        fmt::format("SELECT CAST(holds AS BOOLEAN) FROM (\n{}\n) AS question(holds)", workspace::BareSelect(sql))));
    int64_t rows = 0;
    bool holds = false;
    while (const engine::Chunk* chunk = TRY(stream->Next())) {
        if (rows == 0 && chunk->rows() > 0) holds = !chunk->IsNull(0, 0) && chunk->Text(0, 0).starts_with('t');
        rows += static_cast<int64_t>(chunk->rows());
        if (rows > 1) return Error(ErrorCode::kInvalidArgument, "the condition gives several rows, it needs one");
    }
    return holds;
}

Result<std::vector<std::string>> AskList(const Asked& asked, const std::string& sql) {
    auto session = TRY(asked.engine.OpenSession({.principal = asked.principal, .default_schema = asked.schema}));
    auto on_cancel = asked.cancel.OnCancel([session = session.get()] { session->Cancel(); });
    auto stream = TRY(session->Query(sql));
    if (stream->columns().size() != 1) {
        return Error(ErrorCode::kInvalidArgument, "a list has one column, this has {}", stream->columns().size());
    }
    std::vector<std::string> items;
    while (const engine::Chunk* chunk = TRY(stream->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            if (chunk->IsNull(row, 0)) {
                return Error(ErrorCode::kInvalidArgument, "row {} of the list is NULL", items.size() + 1)
                    .WithHint("leave such rows out: WHERE ... IS NOT NULL");
            }
            if (items.size() == kItemsMax) {
                return Error(ErrorCode::kInvalidArgument, "the list has more than {} items", kItemsMax);
            }
            items.push_back(chunk->Text(row, 0));
            if (items.back().size() <= kItemBytesMax && IsUtf8(items.back())) continue;
            return Error(ErrorCode::kInvalidArgument, "row {} of the list is not text of at most 1 KiB", items.size());
        }
    }
    return items;
}

Result<std::vector<std::string>> ReadsOf(engine::Engine& engine, const std::string& sql, const std::string& schema,
                                         const workspace::Parameters& parameters,
                                         const std::optional<workspace::Partition>& partition) {
    std::string bound = TRY(workspace::BoundSql(sql, parameters, workspace::SampleValues(parameters, partition)));
    std::vector<std::string> reads;
    for (const engine::TableRead& read : TRY(engine.Analyze(bound)).tables) {
        reads.push_back((read.schema.empty() ? schema : read.schema) + "." + read.name);
    }
    return reads;
}

}  // namespace tarn::batch
