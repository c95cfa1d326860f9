// Writes the rows of a SELECT as Parquet files that every Delta reader can read, with their statistics.
#include "base/text.h"
#include "engine/adapter.h"
#include "engine/delta_statistics.h"
#include "engine/duck_ast.h"
#include "engine/stored_types.h"

namespace tarn::engine {
namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::Value;

constexpr int64_t kRowGroupRows = 122'880;

// A map as DuckDB gives it: pairs of key and value.
template <typename Callback>
void EachEntry(const Value& map, Callback&& callback) {
    if (map.IsNull()) return;
    for (const Value& entry : duckdb::MapValue::GetChildren(map)) {
        const auto& pair = duckdb::StructValue::GetChildren(entry);
        callback(pair[0].ToString(), pair[1]);
    }
}

Result<std::vector<ResultColumn>> BoundColumns(Run& run, duckdb::SQLStatement& select) {
    try {
        auto prepared = run.connection->Prepare(select.Copy());
        if (prepared->HasError()) return OurError(*run.context, ToError(prepared->GetErrorObject(), run.context->sql));
        if (!prepared->named_param_map.empty()) {
            return Error(ErrorCode::kInvalidArgument, "a query to be written takes no parameters")
                .WithDetailCode("42P02");
        }
        std::vector<ResultColumn> columns;
        for (size_t i = 0; i < prepared->GetNames().size(); i++) {
            columns.push_back(DescribeColumn(prepared->GetNames()[i], prepared->GetTypes()[i]));
        }
        return columns;
    } catch (const std::exception& failure) {
        return OurError(*run.context, ToError(failure, run.context->sql));
    }
}

// SELECT CAST(a AS BIGINT) AS a, b ... FROM (select), or the select itself if every type is stored as it is.
duckdb::unique_ptr<duckdb::QueryNode> WithStoredTypes(Run& run, duckdb::SQLStatement& select,
                                                      const std::vector<ResultColumn>& columns,
                                                      const std::vector<Column>& stored) {
    auto& node = select.Cast<duckdb::SelectStatement>().node;
    bool same = true;
    for (size_t i = 0; i < columns.size(); i++) same = same && columns[i].type == stored[i].type;
    if (same) return node->Copy();
    auto outer = duckdb::make_uniq<duckdb::SelectNode>();
    for (size_t i = 0; i < columns.size(); i++) {
        duckdb::unique_ptr<duckdb::ParsedExpression> column =
            duckdb::make_uniq<duckdb::ColumnRefExpression>(columns[i].name);
        if (columns[i].type != stored[i].type) {
            column = duckdb::make_uniq<duckdb::CastExpression>(TypeOf(*run.connection->context, stored[i].type),
                                                               std::move(column));
        }
        column->SetAlias(columns[i].name);
        outer->select_list.push_back(std::move(column));
    }
    auto inner = duckdb::make_uniq<duckdb::SelectStatement>();
    inner->node = node->Copy();
    outer->from_table = duckdb::make_uniq<duckdb::SubqueryRef>(std::move(inner), "written");
    return outer;
}

duckdb::unique_ptr<duckdb::CopyStatement> CopyTo(duckdb::unique_ptr<duckdb::QueryNode> query,
                                                 const WriteOptions& options) {
    auto copy = duckdb::make_uniq<duckdb::CopyStatement>();
    auto& info = *copy->info;
    info.is_from = false;
    info.format = "parquet";
    info.is_format_auto_detected = false;
    info.select_statement = std::move(query);
    size_t slash = options.prefix.rfind('/');
    info.file_path = kFileScheme + options.prefix.substr(0, slash);
    std::string stem = options.prefix.substr(slash + 1);
    info.options["compression"] = {Value(options.compression)};
    info.options["row_group_size"] = {Value::BIGINT(kRowGroupRows)};
    info.options["return_stats"] = {Value::BOOLEAN(true)};
    if (options.single_file) {
        info.file_path = kFileScheme + options.prefix;
        return copy;
    }
    info.options["filename_pattern"] = {Value(stem + "{uuid}")};
    info.options["append"] = {Value::BOOLEAN(true)};
    if (options.partition_by.empty()) {
        int64_t groups = std::max<int64_t>(1, options.rows_per_file_max / kRowGroupRows);
        info.options["row_groups_per_file"] = {Value::BIGINT(groups)};
        info.options["write_empty_file"] = {Value::BOOLEAN(false)};
    } else {
        duckdb::vector<Value> columns;
        for (const std::string& column : options.partition_by) columns.push_back(Value(column));
        info.options["partition_by"] = std::move(columns);
    }
    return copy;
}

std::map<std::string, ColumnStatistics> StatisticsOf(const Value& given, const std::vector<Column>& columns,
                                                     int64_t rows) {
    std::map<std::string, std::map<std::string, std::string>> by_column;
    EachEntry(given, [&](const std::string& column, const Value& facts) {
        EachEntry(facts, [&](const std::string& fact, const Value& value) {
            if (!value.IsNull()) by_column[column][fact] = value.ToString();
        });
    });
    std::map<std::string, ColumnStatistics> result;
    for (const Column& column : columns) {
        auto found = by_column.find(QuoteIdentifier(column.name));
        if (found == by_column.end()) continue;
        result[column.name] = FactsToStatistics(found->second, column.type, rows);
    }
    return result;
}

WrittenFile FileOf(duckdb::DataChunk& chunk, size_t row, const std::vector<Column>& columns,
                   const WriteOptions& options) {
    WrittenFile file;
    file.path = chunk.GetValue(0, row).ToString().substr(std::string_view(kFileScheme).size());
    file.rows = chunk.GetValue(1, row).GetValue<int64_t>();
    file.bytes = chunk.GetValue(2, row).GetValue<int64_t>();
    if (options.statistics) file.statistics = StatisticsOf(chunk.GetValue(4, row), columns, file.rows);
    EachEntry(chunk.GetValue(5, row), [&](const std::string& column, const Value& value) {
        file.partition_values[column] = value.IsNull() ? std::nullopt : std::optional(value.ToString());
    });
    return file;
}

}  // namespace

ColumnStatistics FactsToStatistics(const std::map<std::string, std::string>& facts, const std::string& type,
                                   int64_t rows) {
    ColumnStatistics statistics;
    auto fact = [&](const char* name) -> const std::string* {
        auto found = facts.find(name);
        return found == facts.end() ? nullptr : &found->second;
    };
    if (const std::string* nulls = fact("null_count")) statistics.nulls = WholeNumber(*nulls);
    const std::string* nan = fact("has_nan");
    const std::string* min = fact("min");
    const std::string* max = fact("max");
    // Writers disagree on where NaN sorts: a column that has one has no bounds.
    if (min == nullptr || max == nullptr || statistics.nulls >= rows || (nan != nullptr && *nan == "true")) {
        return statistics;
    }
    BoundKind kind = BoundKindOf(type);
    Json low = DeltaBound(kind, *min, false);
    Json high = DeltaBound(kind, *max, true);
    if (low.is_null() || high.is_null()) return statistics;
    statistics.min = std::move(low);
    statistics.max = std::move(high);
    return statistics;
}

Result<std::vector<WrittenFile>> CopyToParquet(Run& run, duckdb::SQLStatement& select, const WriteOptions& options) {
    if (options.prefix.find('/') == std::string::npos) {
        return Error(ErrorCode::kInvalidArgument, "the prefix of written files needs a bucket: {}", options.prefix);
    }
    auto columns = TRY(BoundColumns(run, select));
    auto stored = TRY(StoredColumns(columns));
    {
        std::lock_guard lock(run.context->mutex);
        run.context->writable_prefix = options.prefix;
    }
    try {
        auto copy = CopyTo(WithStoredTypes(run, select, columns, stored), options);
        auto result = run.connection->Query(std::move(copy));
        if (result->HasError()) return OurError(*run.context, ToError(result->GetErrorObject(), run.context->sql));
        std::vector<WrittenFile> files;
        while (auto chunk = result->Fetch()) {
            for (size_t row = 0; row < chunk->size(); row++) files.push_back(FileOf(*chunk, row, stored, options));
        }
        return files;
    } catch (const std::exception& failure) {
        return OurError(*run.context, ToError(failure, run.context->sql));
    }
}

}  // namespace tarn::engine
