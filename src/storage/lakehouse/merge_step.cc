#include "storage/lakehouse/merge_step.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "storage/lakehouse/features.h"

namespace tarn::lakehouse {
namespace {

constexpr int kExamplesMax = 3;

// Types whose statistics compare as they stand; floats and times are rounded in some writers' statistics.
bool ComparesByStatistics(const DeltaType& type) {
    return type.kind == DeltaType::Kind::kPrimitive &&
           (type.primitive == "byte" || type.primitive == "short" || type.primitive == "integer" ||
            type.primitive == "long" || type.primitive == "string" || type.primitive == "date");
}

bool IsBelow(const Json& left, const Json& right) {
    if (left.is_number_integer() && right.is_number_integer()) return left.get<int64_t>() < right.get<int64_t>();
    if (left.is_string() && right.is_string())
        return left.get_ref<const std::string&>() < right.get_ref<const std::string&>();
    return false;
}

const Json* Bound(const Json& statistics, const char* which, const std::string& column) {
    auto bounds = statistics.find(which);
    if (bounds == statistics.end() || !bounds->is_object()) return nullptr;
    auto bound = bounds->find(column);
    return bound == bounds->end() || bound->is_null() ? nullptr : &*bound;
}

int64_t Integer(const engine::Chunk& chunk, size_t row, size_t column) {
    if (chunk.IsNull(row, column)) return 0;
    std::string text = chunk.Text(row, column);
    int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

}  // namespace

Status MergeStep::ResolveKey() {
    if (operation_.request_.key.empty()) return Error(ErrorCode::kInvalidArgument, "a merge needs a key");
    for (const std::string& column : operation_.request_.key) {
        const auto& schema = operation_.plan_.schema;
        auto same = [&](const DeltaField& field) { return EqualsIgnoreCase(field.name, column); };
        auto found = std::find_if(schema.begin(), schema.end(), same);
        if (found == schema.end()) {
            return Error(ErrorCode::kInvalidArgument, "the key column \"{}\" is not in the result", column);
        }
        key_.push_back(static_cast<size_t>(found - schema.begin()));
    }
    return Ok();
}

// Up to three rows as "(carrier=UA, flight=15)".
Result<std::string> MergeStep::Examples(const std::string& sql) {
    auto result = TRY(operation_.session_->Query(sql + fmt::format(" LIMIT {}", kExamplesMax)));
    std::vector<std::string> examples;
    while (const engine::Chunk* chunk = TRY(result->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            std::vector<std::string> cells;
            for (size_t i = 0; i < key_.size(); ++i) {
                std::string value = chunk->IsNull(row, i) ? "NULL" : chunk->Text(row, i);
                cells.push_back(operation_.plan_.schema[key_[i]].name + "=" + value.substr(0, 64));
            }
            examples.push_back("(" + Join(cells, ", ") + ")");
        }
    }
    return Join(examples, ", ");
}

Status MergeStep::CheckKeyNotNull() {
    std::vector<std::string> columns;
    std::vector<std::string> tests;
    for (size_t place : key_) {
        const std::string& name = operation_.plan_.schema[place].name;
        columns.push_back(QuoteIdentifier(name));
        bool may_be_null = std::any_of(source_.begin(), source_.end(), [&](const engine::WrittenFile& file) {
            auto statistics = file.statistics.find(name);
            return statistics == file.statistics.end() || statistics->second.nulls > 0;
        });
        if (may_be_null) tests.push_back(columns.back() + " IS NULL");
    }
    if (tests.empty()) return Ok();
    std::string examples =
        TRY(Examples("SELECT " + Join(columns, ", ") + " FROM temp_input.source WHERE " + Join(tests, " OR ")));
    if (examples.empty()) return Ok();
    return Error(ErrorCode::kInvalidArgument, "the result has rows without a key: {}", examples)
        .WithHint("a merge finds rows by their key: leave such rows out, or choose another key");
}

Status MergeStep::CheckKeyUnique() {
    std::vector<std::string> columns;
    for (size_t place : key_) columns.push_back(QuoteIdentifier(operation_.plan_.schema[place].name));
    std::string list = Join(columns, ", ");
    std::string examples =
        TRY(Examples("SELECT " + list + " FROM temp_input.source GROUP BY " + list + " HAVING count(*) > 1"));
    if (examples.empty()) return Ok();
    return Error(ErrorCode::kInvalidArgument, "the result has several rows of one key: {}", examples)
        .WithHint("a merge needs one row a key: choose another key, or aggregate");
}

Result<WriteResult> MergeStep::Run() {
    TRY(ResolveKey());
    WriteOperation& op = operation_;
    source_ = TRY(op.WriteRows(op.ResultQuery()));
    std::vector<engine::ScanFile> files;
    for (const engine::WrittenFile& file : source_) files.push_back(ToScanFile(file));
    TRY(op.session_->Provide("source", op.MakeRelation("source", op.columns_, std::move(files))));
    TRY(CheckKeyNotNull());
    TRY(CheckKeyUnique());
    if (!op.base_) return CreateTable();
    effects_.resize(op.base_snapshot_->files.size());
    ChooseCandidates();
    TRY(FindEffects());
    bool changes_rows = inserted_ > 0 || !affected_.empty();
    if (!changes_rows && !op.plan_.changed) return op.Skip();
    if (!affected_.empty()) {
        TRY(CheckWritable(op.base_->protocol, op.base_->metadata, op.base_->schema, ChangeKind::kReplace));
    }
    return Finish(changes_rows ? TRY(WriteChanges()) : std::vector<engine::WrittenFile>());
}

Result<WriteResult> MergeStep::CreateTable() {
    TRY(operation_.Check({}, source_));
    CommitPlan plan = operation_.NewPlan("CREATE TABLE AS SELECT");
    plan.info["operationParameters"] = {{"mode", "Append"}, {"partitionBy", "[]"}};
    WriteResult result;
    result.rows = result.rows_inserted = operation_.RowsOf(source_);
    return operation_.Publish(std::move(plan), {}, source_, result);
}

bool MergeStep::MayShareKeys(const engine::ScanFile& file) const {
    if (file.statistics.empty()) return true;
    auto statistics = ParseJson(file.statistics);
    if (!statistics.ok() || !statistics->is_object()) return true;
    auto overlaps = [&](const engine::WrittenFile& source) {
        for (size_t place : key_) {
            const DeltaField& field = operation_.plan_.schema[place];
            auto own = source.statistics.find(field.name);
            if (!ComparesByStatistics(field.type) || own == source.statistics.end()) continue;
            const Json* low = Bound(*statistics, "min", field.name);
            const Json* high = Bound(*statistics, "max", field.name);
            if (low && !own->second.max.is_null() && IsBelow(own->second.max, *low)) return false;
            if (high && !own->second.min.is_null() && IsBelow(*high, own->second.min)) return false;
        }
        return true;
    };
    return std::any_of(source_.begin(), source_.end(), overlaps);
}

void MergeStep::ChooseCandidates() {
    const auto& files = operation_.base_snapshot_->files;
    bool all = operation_.request_.delete_missing || operation_.plan_.rewrites;
    for (size_t i = 0; i < files.size(); ++i) {
        if (all || MayShareKeys(files[i])) candidates_.push_back(i);
    }
}

std::string MergeStep::KeysEqual(const std::string& left, const std::string& right) const {
    std::vector<std::string> tests;
    for (size_t place : key_) tests.push_back(fmt::format("{}.c{} = {}.c{}", left, place, right, place));
    return Join(tests, " AND ");
}

std::string MergeStep::NumberedTarget() const {
    std::vector<std::string> columns;
    for (size_t i = 0; i < operation_.plan_.schema.size(); ++i) {
        const std::string& select = operation_.plan_.table_select[i];
        columns.push_back(select.substr(0, select.rfind(" AS ")) + fmt::format(" AS c{}", i));
    }
    return Join(columns, ", ");
}

std::string MergeStep::NumberedSource() const {
    std::vector<std::string> columns;
    for (size_t i = 0; i < operation_.plan_.schema.size(); ++i) {
        columns.push_back(QuoteIdentifier(operation_.plan_.schema[i].name) + fmt::format(" AS c{}", i));
    }
    return Join(columns, ", ");
}

// One pass over both sides: a row a file of the table, and one without a file for keys that the table has not.
std::string MergeStep::EffectQuery() const {
    std::vector<std::string> differs;
    for (size_t i = 0; i < operation_.plan_.schema.size(); ++i) {
        if (std::find(key_.begin(), key_.end(), i) != key_.end()) continue;
        differs.push_back(fmt::format("t.c{} IS DISTINCT FROM s.c{}", i, i));
    }
    std::string changed = differs.empty() ? "false" : "(" + Join(differs, " OR ") + ")";
    return fmt::format(
        "SELECT t.file, count(*) FILTER (WHERE s.here AND t.here AND {}) AS updated, "
        "count(*) FILTER (WHERE s.here IS NULL) AS unmatched, "
        "count(*) FILTER (WHERE s.here AND t.here) AS matched, count(*) FILTER (WHERE t.here IS NULL) AS inserted "
        "FROM (SELECT {}, \"tarn file\" AS file, true AS here FROM temp_input.target) t "
        "{} JOIN (SELECT {}, true AS here FROM temp_input.source) s ON {} GROUP BY t.file",
        changed, NumberedTarget(), operation_.request_.delete_missing ? "FULL" : "RIGHT", NumberedSource(),
        KeysEqual("t", "s"));
}

Status MergeStep::FindEffects() {
    if (candidates_.empty()) {
        inserted_ = operation_.RowsOf(source_);
        return Ok();
    }
    TRY(operation_.ProvideFiles("target", candidates_));
    auto result = TRY(operation_.session_->Query(EffectQuery()));
    while (const engine::Chunk* chunk = TRY(result->Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            if (chunk->IsNull(row, 0)) {
                inserted_ += Integer(*chunk, row, 4);
                continue;
            }
            auto place = static_cast<size_t>(Integer(*chunk, row, 0));
            if (place >= effects_.size()) return Error(ErrorCode::kInternal, "a scan answered for file {}", place);
            effects_[place] = {Integer(*chunk, row, 1), Integer(*chunk, row, 2), Integer(*chunk, row, 3)};
        }
    }
    for (size_t place : candidates_) {
        const Effect& effect = effects_[place];
        bool is_affected = operation_.plan_.rewrites || effect.updated > 0 || effect.unmatched > 0;
        (is_affected ? affected_ : unaffected_).push_back(place);
    }
    return Ok();
}

// The table becomes: its files that stay, the rows of the affected files that the result does not name (unless missing
// ones are deleted), and the rows of the result but for those that the staying files hold already.
Result<std::vector<engine::WrittenFile>> MergeStep::WriteChanges() {
    WriteOperation& op = operation_;
    std::vector<std::string> names;
    for (size_t i = 0; i < op.plan_.schema.size(); ++i) {
        names.push_back(fmt::format("c{} AS {}", i, QuoteIdentifier(op.plan_.schema[i].name)));
    }
    std::string list = Join(names, ", ");
    std::string survivors;
    if (!affected_.empty() && !op.request_.delete_missing) {
        TRY(op.ProvideFiles("affected", affected_));
        survivors = fmt::format(
            "SELECT {} FROM (SELECT {} FROM temp_input.affected) t WHERE NOT EXISTS "
            "(SELECT 1 FROM (SELECT {} FROM temp_input.source) s WHERE {})",
            list, NumberedTarget(), NumberedSource(), KeysEqual("s", "t"));
    }
    bool some_are_there =
        std::any_of(unaffected_.begin(), unaffected_.end(), [&](size_t place) { return effects_[place].matched > 0; });
    if (!some_are_there) {
        // All of the result is new or replaces: its files are the table's as they are.
        std::vector<engine::WrittenFile> added = source_;
        if (survivors.empty()) return added;
        for (engine::WrittenFile& file : TRY(op.WriteRows(survivors))) added.push_back(std::move(file));
        return added;
    }
    TRY(op.ProvideFiles("unaffected", unaffected_));
    std::string sql = fmt::format(
        "SELECT {} FROM (SELECT {} FROM temp_input.source) s WHERE NOT EXISTS "
        "(SELECT 1 FROM (SELECT {} FROM temp_input.unaffected) t WHERE {})",
        list, NumberedSource(), NumberedTarget(), KeysEqual("t", "s"));
    return op.WriteRows(survivors.empty() ? sql : survivors + " UNION ALL " + sql);
}

// As Delta Spark describes a merge.
OrderedJson MergeStep::Parameters() const {
    std::vector<std::string> on;
    for (size_t place : key_) {
        std::string name = QuoteIdentifier(operation_.plan_.schema[place].name);
        on.push_back(fmt::format("target.{} = source.{}", name, name));
    }
    OrderedJson parameters;
    parameters["predicate"] = Join(on, " AND ");
    parameters["matchedPredicates"] = R"([{"actionType":"update"}])";
    parameters["notMatchedPredicates"] = R"([{"actionType":"insert"}])";
    if (operation_.request_.delete_missing) {
        parameters["notMatchedBySourcePredicates"] = R"([{"actionType":"delete"}])";
    }
    return parameters;
}

Result<WriteResult> MergeStep::Finish(std::vector<engine::WrittenFile> added) {
    WriteOperation& op = operation_;
    WriteResult result;
    result.rows_inserted = inserted_;
    for (size_t place : affected_) {
        result.rows_updated += effects_[place].updated;
        result.rows_deleted += effects_[place].unmatched;
    }
    WriteOperation::Leaving leaving = TRY(op.Leave(affected_));
    TRY(op.Check(leaving.kept, added));
    int64_t before = op.base_snapshot_->rows;
    result.rows = before < 0 ? -1 : before - leaving.rows + op.RowsOf(added);
    CommitPlan plan = op.NewPlan("MERGE");
    plan.info["operationParameters"] = Parameters();
    OrderedJson& metrics = plan.info["operationMetrics"];
    metrics["numSourceRows"] = std::to_string(op.RowsOf(source_));
    metrics["numTargetRowsInserted"] = std::to_string(result.rows_inserted);
    metrics["numTargetRowsUpdated"] = std::to_string(result.rows_updated);
    metrics["numTargetRowsDeleted"] = std::to_string(result.rows_deleted);
    return op.Publish(std::move(plan), leaving.removed, added, result);
}

}  // namespace tarn::lakehouse
