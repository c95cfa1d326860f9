#include "app/system_tables.h"

#include "app/platform_state.h"
#include "base/text.h"

namespace tarn::app {
namespace {

using engine::Column;
using engine::RowSet;
using security::Principal;
using Cells = std::vector<std::optional<std::string>>;

constexpr int kRunsShown = 1000;

std::optional<std::string> TimeCell(const std::optional<Timestamp>& time) {
    if (!time) return std::nullopt;
    return FormatTime(*time);
}
std::optional<std::string> Number(int64_t value) {
    if (value < 0) return std::nullopt;
    return std::to_string(value);
}

Result<RowSet> AuditRows(Components& parts) {
    RowSet rows;
    rows.rows = TRY(parts.audit->SystemRows());
    return rows;
}

Result<RowSet> RunRows(Components& parts, const Principal& principal) {
    RowSet rows;
    orchestrator::RunFilter filter;
    filter.limit = kRunsShown;
    for (const orchestrator::Run& run : TRY(parts.orchestrator->Runs(principal, filter))) {
        rows.rows.push_back({run.id, run.task, run.trigger, std::string(RunStateName(run.state)),
                             std::to_string(run.attempt), FormatTime(run.queued_at), TimeCell(run.started_at),
                             TimeCell(run.ended_at), Number(run.rows), run.version, run.error});
    }
    return rows;
}

Result<RowSet> TaskRows(Components& parts, const Principal& principal) {
    RowSet rows;
    for (const orchestrator::TaskStatus& task : TRY(parts.orchestrator->Tasks(principal))) {
        rows.rows.push_back({task.spec.id, task.spec.kind, task.spec.dataset, task.spec.file,
                             Join(task.spec.inputs, ", "), task.fresh ? "true" : "false", TimeCell(task.next_due),
                             task.why});
    }
    return rows;
}

Result<RowSet> AssetRows(Components& parts, const Principal& principal) {
    RowSet rows;
    for (const catalog::Dataset& asset : TRY(parts.catalog->List(principal))) {
        rows.rows.push_back({asset.schema, asset.name, asset.kind, asset.description,
                             asset.defined_in.empty() ? "program" : "workspace", asset.defined_in, asset.version,
                             Number(asset.rows), Number(asset.bytes), TimeCell(asset.updated_at)});
    }
    return rows;
}

Result<RowSet> MetricRows(Components& parts) {
    RowSet rows;
    for (const MetricSample& sample : parts.metrics.Samples()) {
        Json labels = sample.labels;
        rows.rows.push_back({sample.name, DumpJson(labels), fmt::format("{}", sample.value)});
    }
    return rows;
}

Result<RowSet> LoadRows(Components& parts, const Principal& principal) {
    RowSet rows;
    constexpr int kLoadsShown = 100;
    auto& provider = parts.connectors->AsProvider();
    for (const std::string& schema : TRY(provider.Schemas())) {
        for (const catalog::Dataset& dataset : TRY(provider.Datasets(schema))) {
            if (!parts.identity->Decide(principal, "table:Read", {"table", schema + "." + dataset.name}).allowed) {
                continue;
            }
            for (const auto& load : TRY(provider.Versions(schema, dataset.name, kLoadsShown))) {
                rows.rows.push_back({schema, dataset.name, load.version, FormatTime(load.committed_at), load.run_id,
                                     Number(load.rows_added), Number(load.bytes)});
            }
        }
    }
    return rows;
}

std::vector<Column> AuditColumns() {
    std::vector<Column> columns;
    for (const auto& [name, type] : access::Audit::SystemColumns()) columns.push_back({name, type, true, ""});
    return columns;
}

}  // namespace

SystemTables::SystemTables(Components& parts) {
    tables_["audit"] = {"Every operation, newest 100,000; `tarn verify audit` proves the whole log.", AuditColumns(),
                        [&parts](const Principal&) { return AuditRows(parts); }};
    tables_["runs"] = {"The newest thousand runs of tasks.",
                       {{"run", "BIGINT"}, {"task", "VARCHAR"}, {"trigger", "VARCHAR"}, {"state", "VARCHAR"},
                        {"attempt", "INTEGER"}, {"queued_at", "TIMESTAMP WITH TIME ZONE"},
                        {"started_at", "TIMESTAMP WITH TIME ZONE"}, {"ended_at", "TIMESTAMP WITH TIME ZONE"},
                        {"rows", "BIGINT"}, {"version", "VARCHAR"}, {"error", "VARCHAR"}},
                       [&parts](const Principal& principal) { return RunRows(parts, principal); }};
    tables_["tasks"] = {"What runs by itself, and why it is not running now.",
                        {{"task", "VARCHAR"}, {"kind", "VARCHAR"}, {"dataset", "VARCHAR"}, {"file", "VARCHAR"},
                         {"inputs", "VARCHAR"}, {"fresh", "BOOLEAN"}, {"next_due", "TIMESTAMP WITH TIME ZONE"},
                         {"why", "VARCHAR"}},
                        [&parts](const Principal& principal) { return TaskRows(parts, principal); }};
    tables_["assets"] = {"Every dataset that you may see, and which file owns it.",
                         {{"schema", "VARCHAR"}, {"name", "VARCHAR"}, {"kind", "VARCHAR"}, {"description", "VARCHAR"},
                          {"owned_by", "VARCHAR"}, {"file", "VARCHAR"}, {"version", "VARCHAR"}, {"rows", "BIGINT"},
                          {"bytes", "BIGINT"}, {"updated_at", "TIMESTAMP WITH TIME ZONE"}},
                         [&parts](const Principal& principal) { return AssetRows(parts, principal); }};
    tables_["loads"] = {"The newest loads of every raw dataset.",
                        {{"schema", "VARCHAR"}, {"name", "VARCHAR"}, {"load", "BIGINT"},
                         {"committed_at", "TIMESTAMP WITH TIME ZONE"}, {"run", "BIGINT"}, {"rows", "BIGINT"},
                         {"bytes", "BIGINT"}},
                        [&parts](const Principal& principal) { return LoadRows(parts, principal); }};
    tables_["metrics"] = {"Metrics of every component, now.",
                          {{"name", "VARCHAR"}, {"labels", "VARCHAR"}, {"value", "DOUBLE"}},
                          [&parts](const Principal&) { return MetricRows(parts); }};
}

Result<std::vector<catalog::Dataset>> SystemTables::Datasets(const std::string& schema) {
    std::vector<catalog::Dataset> datasets;
    if (schema != "system") return datasets;
    for (const auto& [name, table] : tables_) {
        catalog::Dataset dataset;
        dataset.schema = schema;
        dataset.name = name;
        dataset.kind = "system";
        dataset.description = table.description;
        datasets.push_back(std::move(dataset));
    }
    return datasets;
}

Result<engine::Relation> SystemTables::Find(const Principal& principal, const std::string& schema,
                                            const std::string& name, const engine::AtClause& at) {
    auto table = tables_.find(name);
    if (schema != "system" || table == tables_.end()) {
        return Error(ErrorCode::kNotFound, "there is no table {}.{}", schema, name);
    }
    if (at.version || at.timestamp) {
        return Error(ErrorCode::kNotSupported, "system.{} has no versions: take AT away", name);
    }
    engine::Relation relation;
    relation.schema = schema;
    relation.name = name;
    relation.columns = table->second.columns;
    relation.comment = table->second.description;
    relation.source = engine::GeneratedRows{[make = table->second.make, principal] { return make(principal); }};
    return relation;
}

}  // namespace tarn::app
