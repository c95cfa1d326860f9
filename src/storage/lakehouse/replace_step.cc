#include "storage/lakehouse/replace_step.h"

#include <algorithm>

#include "base/number.h"
#include "base/text.h"
#include "storage/lakehouse/features.h"

namespace tarn::lakehouse {
namespace {

// Without its Z: the engine's times are UTC.
std::string TimeLiteral(const char* type, Timestamp time) {
    std::string text = FormatTime(time);
    std::string zone = std::string_view(type) == "TIMESTAMPTZ" ? "+00" : "";
    return fmt::format("{} '{}{}'", type, text.substr(0, text.find('Z')), zone);
}

}  // namespace

Result<std::string> ReplaceStep::Within(const std::vector<DeltaField>& schema) const {
    const WriteRequest::Range& range = *operation_.request_.replace;
    auto found = std::find_if(schema.begin(), schema.end(),
                              [&](const DeltaField& field) { return EqualsIgnoreCase(field.name, range.column); });
    if (found == schema.end()) return std::string();
    std::string type = found->type.kind == DeltaType::Kind::kPrimitive ? found->type.primitive : "";
    std::string column = QuoteIdentifier(found->name);
    if (type == "date" && !range.first_date.empty()) {
        return fmt::format("{0} >= DATE '{1}' AND {0} < DATE '{2}'", column, range.first_date, range.end_date);
    }
    const char* literal = type == "timestamp" ? "TIMESTAMPTZ" : type == "timestamp_ntz" ? "TIMESTAMP" : nullptr;
    if (!literal) {
        return Error(ErrorCode::kInvalidArgument, "column \"{}\", by which rows belong to a part, is {}, not {}",
                     range.column, TRY(ToEngineType(found->type)),
                     range.first_date.empty() ? "a time" : "a date or a time");
    }
    return fmt::format("{0} >= {1} AND {0} < {2}", column, TimeLiteral(literal, range.begin),
                       TimeLiteral(literal, range.end));
}

Result<int64_t> ReplaceStep::Number(const std::string& sql) {
    auto result = TRY(operation_.session_->Query(sql));
    const engine::Chunk* chunk = TRY(result->Next());
    return chunk && chunk->rows() > 0 && !chunk->IsNull(0, 0) ? IntegerOrZero(chunk->Text(0, 0)) : 0;
}

Status ReplaceStep::CheckResult(const std::string& within) {
    const WriteRequest::Range& range = *operation_.request_.replace;
    if (within.empty()) {
        return Error(ErrorCode::kInvalidArgument,
                     "the column \"{}\", by which rows belong to a part, is not in the result", range.column);
    }
    int64_t outside = TRY(Number(fmt::format("SELECT count(*) FROM temp_input.source WHERE ({}) IS NOT TRUE", within)));
    if (outside == 0) return Ok();
    return Error(ErrorCode::kInvalidArgument, "{} rows of the result lie outside of the part {} by \"{}\"", outside,
                 range.name, range.column)
        .WithHint(fmt::format("a part replaces its own rows only: WHERE {0} >= $partition_start AND {0} < "
                              "$partition_end",
                              range.column));
}

Status ReplaceStep::FindFiles(const std::string& within) {
    WriteOperation& op = operation_;
    size_t count = op.base_snapshot_->files.size();
    std::vector<bool> holds(count, op.plan_.rewrites);
    if (!within.empty() && count > 0) {
        std::vector<size_t> all(count);
        for (size_t place = 0; place < count; ++place) all[place] = place;
        TRY(op.ProvideFiles("target", all));
        auto result = TRY(op.session_->Query(fmt::format(
            "SELECT {}, count(*) FROM temp_input.target WHERE {} GROUP BY 1", QuoteIdentifier(kFileColumn), within)));
        while (const engine::Chunk* chunk = TRY(result->Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) {
                auto place = static_cast<size_t>(IntegerOrZero(chunk->Text(row, 0)));
                if (place >= count) return Error(ErrorCode::kInternal, "a scan answered for file {}", place);
                holds[place] = true;
                replaced_ += IntegerOrZero(chunk->Text(row, 1));
            }
        }
    }
    for (size_t place = 0; place < count; ++place) {
        if (holds[place]) affected_.push_back(place);
    }
    return Ok();
}

// A part that is run again often gives the same rows: then there is nothing to commit.
Result<bool> ReplaceStep::IsSame(const std::string& within) {
    WriteOperation& op = operation_;
    if (op.plan_.changed || within.empty() || replaced_ != op.RowsOf(source_)) return false;
    if (replaced_ == 0) return true;
    std::string stored = op.plan_.SelectTable("temp_input.affected") + " WHERE " + within;
    std::string differs =
        fmt::format("SELECT count(*) FROM (({}) EXCEPT ALL (SELECT * FROM temp_input.source))", stored);
    return TRY(Number(differs)) == 0;
}

Result<WriteResult> ReplaceStep::Run() {
    WriteOperation& op = operation_;
    source_ = TRY(op.WriteRows(op.ResultQuery()));
    std::vector<engine::ScanFile> files;
    for (const engine::WrittenFile& file : source_) files.push_back(ToScanFile(file));
    TRY(op.session_->Provide("source", op.MakeRelation("source", op.columns_, std::move(files))));
    TRY(CheckResult(TRY(Within(op.plan_.schema))));
    if (!op.base_) return Finish(source_);
    std::string within = TRY(Within(op.base_->schema));
    TRY(FindFiles(within));
    std::vector<engine::WrittenFile> added = source_;
    if (!affected_.empty()) {
        TRY(CheckWritable(op.base_->protocol, op.base_->metadata, op.base_->schema, ChangeKind::kReplace));
        TRY(op.ProvideFiles("affected", affected_));
    }
    if (TRY(IsSame(within))) return op.Skip();
    if (!affected_.empty()) {
        std::string rest = op.plan_.SelectTable("temp_input.affected");
        if (!within.empty()) rest += fmt::format(" WHERE ({}) IS NOT TRUE", within);
        for (engine::WrittenFile& file : TRY(op.WriteRows(rest))) added.push_back(std::move(file));
    }
    return Finish(std::move(added));
}

Result<WriteResult> ReplaceStep::Finish(std::vector<engine::WrittenFile> added) {
    WriteOperation& op = operation_;
    WriteResult result;
    result.rows_inserted = op.RowsOf(source_);
    result.rows_deleted = replaced_;
    WriteOperation::Leaving leaving = TRY(op.Leave(affected_));
    TRY(op.Check(leaving.kept, added));
    int64_t before = op.base_snapshot_ ? op.base_snapshot_->rows : 0;
    result.rows = before < 0 ? -1 : before - leaving.rows + op.RowsOf(added);
    CommitPlan plan = op.NewPlan(op.base_ ? "WRITE" : "CREATE TABLE AS SELECT");
    plan.info["operationParameters"] = {{"mode", op.base_ ? "Overwrite" : "Append"}, {"partitionBy", "[]"}};
    if (op.base_) plan.info["operationParameters"]["predicate"] = TRY(Within(op.plan_.schema));
    return op.Publish(std::move(plan), leaving.removed, added, result);
}

}  // namespace tarn::lakehouse
