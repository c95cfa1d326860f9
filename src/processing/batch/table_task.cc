#include "processing/batch/table_task.h"

#include "base/number.h"
#include "base/text.h"
#include "processing/batch/checks.h"
#include "processing/batch/question.h"
#include "workspace/sql_text.h"

namespace tarn::batch {
namespace {

using orchestrator::TaskOutcome;
using orchestrator::TaskRun;
using orchestrator::TaskSpec;
using security::Principal;
using workspace::BareSelect;

class TableTask : public orchestrator::TaskKind {
  public:
    TableTask(BatchDependencies& dependencies, FindTable find) : dependencies_(dependencies), find_(std::move(find)) {}

    Result<TaskOutcome> Run(TaskRun& run) override;
    Result<bool> HasNew(const TaskSpec&) override { return false; }
    Result<std::string> CurrentVersion(const TaskSpec& spec) override {
        size_t dot = spec.dataset.find('.');
        auto snapshot = dependencies_.lakehouse.Open(Principal::System("batch"),
                                                     {spec.dataset.substr(0, dot), spec.dataset.substr(dot + 1)});
        if (snapshot.ok()) return std::to_string(snapshot->version);
        if (snapshot.error().code() == ErrorCode::kNotFound) return std::string();
        return std::move(snapshot).error();
    }

  private:
    using Versions = std::map<std::string, std::string>;
    Result<Versions> PinInputs(const Principal& principal, const TableDefinition& table);
    Result<std::string> SelectOf(const Principal& principal, const TableDefinition& table);
    Result<lakehouse::WriteRequest> RequestOf(const Principal& principal, const TableDefinition& table, TaskRun& run,
                                              const Versions& inputs);
    using Columns = std::vector<catalog::LineageColumn>;
    Result<Columns> ColumnsOf(const Principal& principal, const TableDefinition& table, TaskRun& run);
    void RecordLineage(const TableDefinition& table, TaskRun& run, const Versions& inputs, const Columns& columns,
                       const lakehouse::WriteResult& result);

    BatchDependencies& dependencies_;
    FindTable find_;
};

// The versions that this run reads, decided once: the lineage, the log entry and the query agree.
Result<TableTask::Versions> TableTask::PinInputs(const Principal& principal, const TableDefinition& table) {
    Versions inputs;
    for (const engine::TableRead& read : table.reads) {
        std::string name = read.schema + "." + read.name;
        if (inputs.contains(name)) continue;
        inputs[name] = TRY(dependencies_.catalog.Describe(principal, read.schema, read.name)).version;
    }
    return inputs;
}

Result<std::string> TableTask::SelectOf(const Principal& principal, const TableDefinition& table) {
    if (table.keep != "append" || table.partition) return BareSelect(table.sql);
    auto stored = dependencies_.lakehouse.Open(principal, {table.schema, table.name});
    if (!stored.ok() && stored.error().code() == ErrorCode::kNotFound) return BareSelect(table.sql);
    TRY(std::move(stored));
    return NewRowsSelect(table);
}

Status TellPart(const TableDefinition& table, const TaskRun& run, lakehouse::WriteRequest& request) {
    auto key = run.parameters().find("partition");
    if (key == run.parameters().end()) {
        return Error(ErrorCode::kFailedPrecondition, "this run was queued before {}.{} was run by parts; run it again",
                     table.schema, table.name);
    }
    workspace::Part part = TRY(table.partition->Parse(key->second));
    request.replace = {part.key, table.partition->column, part.begin, part.end, part.first_date, part.end_date};
    // Parts do not follow the order of their runs' numbers, so each has a mark of its own.
    request.transaction_application += "/" + part.key;
    return Ok();
}

Result<lakehouse::WriteRequest> TableTask::RequestOf(const Principal& principal, const TableDefinition& table,
                                                     TaskRun& run, const Versions& inputs) {
    lakehouse::WriteRequest request;
    request.mode = table.keep == "merge"    ? lakehouse::WriteMode::kMerge
                   : table.partition        ? lakehouse::WriteMode::kReplace
                   : table.keep == "append" ? lakehouse::WriteMode::kAppend
                                            : lakehouse::WriteMode::kOverwrite;
    request.sql = TRY(SelectOf(principal, table));
    request.key = table.key;
    request.delete_missing = table.delete_missing;
    request.description = table.description;
    request.column_docs = table.columns;
    request.transaction_application = "tarn/" + workspace::HomeOf(dependencies_.homes, table.schema + "." + table.name);
    if (table.partition) TRY(TellPart(table, run, request));
    request.transaction_version = run.number();
    request.run_id = run.run_id();
    request.default_schema = table.schema;
    request.commit_info = {{"run", run.run_id()}, {"inputs", inputs}};
    for (const auto& [name, version] : inputs) {
        if (std::optional<int64_t> number = ParseInteger(version)) request.pinned[name] = *number;
    }
    return request;
}

// Where the columns come from. Without that no tag is inherited, so what reads tagged columns must not be published.
Result<TableTask::Columns> TableTask::ColumnsOf(const Principal& principal, const TableDefinition& table,
                                                TaskRun& run) {
    auto columns = dependencies_.engine.Lineage(principal, BareSelect(table.sql), table.schema);
    if (!columns.ok()) {
        run.Write("warning: no column lineage: " + columns.error().message());
        for (const engine::TableRead& read : table.reads) {
            if (dependencies_.catalog.TagsOf(read.schema + "." + read.name).columns.empty()) continue;
            return Error(
                ErrorCode::kFailedPrecondition,
                "it cannot be told where the columns of {}.{} come from, and {}.{} has tagged columns: nothing "
                "is published that could lose their tags ({})",
                table.schema, table.name, read.schema, read.name, columns.error().message());
        }
        return Columns();
    }
    Columns list;
    for (const engine::ColumnLineage& column : *columns) {
        for (const auto& source : column.sources) {
            std::string schema = source.schema.empty() ? table.schema : source.schema;
            list.push_back({column.column, schema, source.table, source.column});
        }
    }
    return list;
}

void TableTask::RecordLineage(const TableDefinition& table, TaskRun& run, const Versions& inputs,
                              const Columns& columns, const lakehouse::WriteResult& result) {
    catalog::LineageRecord record;
    record.schema = table.schema;
    record.name = table.name;
    record.version = std::to_string(result.version);
    record.run_id = run.run_id();
    for (const auto& [name, version] : inputs) {
        size_t dot = name.find('.');
        record.inputs.push_back({name.substr(0, dot), name.substr(dot + 1), version});
    }
    record.columns = columns;
    Status recorded = dependencies_.catalog.RecordLineage(record);
    // The inputs stand in the table's own log too, so nothing is lost for good.
    if (!recorded.ok()) run.Write("warning: lineage was not recorded: " + recorded.error().message());
}

Result<TaskOutcome> TableTask::Run(TaskRun& run) {
    std::optional<TableDefinition> table = find_(run.spec().dataset);
    if (!table) return Error(ErrorCode::kNotFound, "{} is no longer in the workspace", run.spec().dataset);
    // From here on the SQL is one without parameters.
    table->sql = TRY(workspace::BoundSql(table->sql, table->parameters, run.parameters()));
    for (const auto& [name, value] : run.parameters()) run.Write(fmt::format("{} is {}", name, value));
    Principal principal = Principal::System("batch");
    if (!table->when.empty()) {
        std::string when = TRY(workspace::BoundSql(table->when, table->parameters, run.parameters()));
        bool holds =
            TRY_CONTEXT(AskWhether({dependencies_.engine, principal, table->schema, run.cancel()}, when), "when");
        if (!holds) {
            TaskOutcome skipped;
            skipped.skipped = "its condition does not hold: " + when;
            return skipped;
        }
    }
    Versions inputs = TRY(PinInputs(principal, *table));
    for (const auto& [name, version] : inputs) run.Write(fmt::format("reads {} version {}", name, version));
    lakehouse::WriteRequest request = TRY(RequestOf(principal, *table, run, inputs));
    TaskOutcome outcome;
    if (!table->checks.empty()) {
        request.before_commit = [&](engine::Session& session, const engine::Relation&) {
            run.Progress("checks", -1);
            return RunChecks(session, *table, "temp_input.result", outcome.warnings);
        };
    }
    if (run.cancel().cancelled()) return Error(ErrorCode::kCancelled, "the run was cancelled");
    request.cancel = run.cancel();
    run.Progress("computing", -1);
    Columns columns = TRY(ColumnsOf(principal, *table, run));
    TRY(dependencies_.catalog.ExpectColumns(table->schema, table->name, columns));
    lakehouse::WriteResult result =
        TRY(dependencies_.lakehouse.Write(principal, {table->schema, table->name}, request));
    // A crash between commit and record leaves a version without lineage: the rerun, which commits nothing, adds it.
    auto known = dependencies_.catalog.LineageOf(principal, table->schema, table->name, std::to_string(result.version));
    bool missing = !result.skipped || (known.ok() && !known->has_value());
    if (missing) RecordLineage(*table, run, inputs, columns, result);
    outcome.changed = !result.skipped;
    outcome.version = std::to_string(result.version);
    outcome.rows = result.rows;
    outcome.input_versions = inputs;
    outcome.details["bytes"] = result.bytes_written;
    for (const std::string& warning : outcome.warnings) run.Write("warning: " + warning);
    run.Write(result.skipped ? fmt::format("version {} is up to date", result.version)
                             : fmt::format("version {}: {} rows (+{} ~{} -{}), {} written", result.version, result.rows,
                                           result.rows_inserted, result.rows_updated, result.rows_deleted,
                                           FormatSize(result.bytes_written)));
    return outcome;
}

}  // namespace

std::string NewRowsSelect(const TableDefinition& table) {
    if (table.keep != "append" || table.partition) return BareSelect(table.sql);
    std::string column = QuoteIdentifier(table.since);
    std::string self = QuoteIdentifier(table.schema) + "." + QuoteIdentifier(table.name);
    // An empty table has no largest value: then everything is new.
    return fmt::format(
        "SELECT * FROM (\n{0}\n) WHERE {1} > (SELECT max({1}) FROM {2}) OR (SELECT max({1}) FROM {2}) IS NULL",
        BareSelect(table.sql), column, self);
}

std::unique_ptr<orchestrator::TaskKind> MakeTableTask(BatchDependencies& dependencies, FindTable find) {
    return std::make_unique<TableTask>(dependencies, std::move(find));
}

}  // namespace tarn::batch
