#include "app/system_tables.h"

#include <algorithm>

#include "app/platform_state.h"
#include "base/text.h"

namespace tarn::app {
namespace {

using engine::Column;
using engine::RowSet;
using security::Principal;
using Cells = std::vector<std::optional<std::string>>;

constexpr int kRunsShown = 1000;
constexpr size_t kAssetColumns = 12;

std::optional<std::string> TimeCell(const std::optional<Timestamp>& time) {
    if (!time) return std::nullopt;
    return FormatTime(*time);
}
std::optional<std::string> Number(int64_t value) {
    if (value < 0) return std::nullopt;
    return std::to_string(value);
}

// What others asked, and how much of what they were answered, tells of data: that is for auditors.
Result<RowSet> AuditRows(Components& parts, const Principal& principal) {
    RowSet rows;
    rows.rows = TRY(parts.audit->SystemRows());
    if (parts.identity->Decide(principal, "audit:Read", {"audit", "*"}).allowed) return rows;
    const auto& columns = access::Audit::SystemColumns();
    auto at = [&](const char* name) {
        auto named = [&](const auto& column) { return column.first == name; };
        return static_cast<size_t>(std::find_if(columns.begin(), columns.end(), named) - columns.begin());
    };
    size_t who = at("principal");
    for (Cells& cells : rows.rows) {
        if (cells[who] == principal.Id()) continue;
        for (const char* name : {"rows", "bytes", "duration_us", "details"}) cells[at(name)].reset();
    }
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

// Whose it is: only `apply` changes what the workspace owns, and never touches what the API made.
struct Ownership {
    std::string owned_by;
    std::string file;
};

// By "schema.name" of what the applied files make; of a source all that its streams bring.
using Files = std::map<std::string, std::string>;
Files FilesOf(Components& parts) {
    Files files;
    for (const connectors::SourceDefinition& source : parts.connectors->Sources()) {
        for (const auto& [stream, unused] : source.streams) files["raw_" + source.name + "." + stream] = "";
    }
    for (const workspace::Definition& definition : parts.workspace->Applied()) {
        if (definition.kind != "source") continue;
        for (auto& [name, file] : files) {
            if (name.starts_with("raw_" + definition.name + ".")) file = definition.file;
        }
    }
    return files;
}

Ownership OwnershipOf(const catalog::Dataset& dataset, const Files& files) {
    if (dataset.kind == "system") return {"program", ""};
    if (!dataset.defined_in.empty()) return {"workspace", dataset.defined_in};
    auto found = files.find(dataset.schema + "." + dataset.name);
    if (found != files.end() && !found->second.empty()) return {"workspace", found->second};
    return {"nobody", ""};
}

std::optional<std::string> TextCell(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

Cells AssetRow(const std::string& schema, const std::string& name, const std::string& kind,
               const std::string& description, const Ownership& ownership) {
    return {TextCell(schema), name, kind, TextCell(description), ownership.owned_by, TextCell(ownership.file)};
}

void AddDefinitions(Components& parts, const Principal& principal, RowSet& rows) {
    auto may = [&](const char* action, const char* kind, const std::string& name) {
        return parts.identity->Decide(principal, action, {kind, name}).allowed;
    };
    for (const workspace::Definition& definition : parts.workspace->Applied()) {
        bool is_source = definition.kind == "source";
        if (!is_source || !may("source:Read", "source", definition.name)) continue;
        rows.rows.push_back(
            AssetRow("", definition.name, "source", definition.description, {"workspace", definition.file}));
    }
    for (const dashboards::DashboardDefinition& dashboard : parts.dashboards->All()) {
        if (!may("dashboard:Read", "dashboard", dashboard.use_case + "." + dashboard.name)) continue;
        rows.rows.push_back(AssetRow(dashboard.use_case, dashboard.name, "dashboard", dashboard.title,
                                     {dashboard.OwnedBy(), dashboard.file}));
    }
    for (const identity::RoleInfo& role : parts.identity->Roles()) {
        if (!may("role:Read", "role", role.name)) continue;
        std::string owned_by = role.owner == "built-in" ? "program" : role.owner;
        rows.rows.push_back(AssetRow("", role.name, "role", role.definition.description, {owned_by, role.file}));
    }
}

// Each subject of the registry once, as its latest version is.
Status AddSchemas(Components& parts, const Principal& principal, RowSet& rows) {
    for (const registry::SchemaFact& one : TRY(parts.schemas->Latest(principal))) {
        std::string of = one.topic.empty() ? "" : fmt::format(", of topic {}", one.topic);
        Cells cells = AssetRow("", one.subject, "schema", fmt::format("{} schema{}", one.type, of), {"api", ""});
        cells.insert(cells.end(), {std::nullopt, std::nullopt, std::to_string(one.version)});
        rows.rows.push_back(std::move(cells));
    }
    return Ok();
}

Result<RowSet> AssetRows(Components& parts, const Principal& principal) {
    RowSet rows;
    Files files = FilesOf(parts);
    for (const catalog::Dataset& asset : TRY(parts.catalog->List(principal))) {
        Cells cells = AssetRow(asset.schema, asset.name, asset.kind, asset.description, OwnershipOf(asset, files));
        Cells more = {TextCell(asset.owner),   TextCell(Join(asset.tags, ", ")),
                      TextCell(asset.version), Number(asset.rows),
                      Number(asset.bytes),     TimeCell(asset.updated_at)};
        cells.insert(cells.end(), more.begin(), more.end());
        rows.rows.push_back(std::move(cells));
    }
    AddDefinitions(parts, principal, rows);
    TRY(AddSchemas(parts, principal, rows));
    for (Cells& cells : rows.rows) cells.resize(kAssetColumns);  // what is no dataset has no version, rows and so on
    return rows;
}

Result<RowSet> AlertRows(Components& parts, const Principal& principal) {
    RowSet rows;
    rows.rows = TRY(parts.alerting->SystemRows(principal));
    return rows;
}

Result<RowSet> SchemaRows(Components& parts, const Principal& principal) {
    RowSet rows;
    rows.rows = TRY(parts.schemas->SystemRows(principal));
    return rows;
}

Result<RowSet> MetricRows(Components& parts) {
    RowSet rows;
    rows.rows = parts.monitoring->SystemRows();
    return rows;
}

// One row for each column that comes from one of an input; an input without any gives one row, an object as well.
void AddLineage(const catalog::LineageRecord& record, RowSet& rows) {
    auto add = [&](const catalog::LineageInput& input, const std::string& column, const std::string& input_column,
                   const std::string& object) {
        rows.rows.push_back({record.schema, record.name, record.version, TextCell(record.run_id),
                             TextCell(input.schema), TextCell(input.name), TextCell(input.version), TextCell(column),
                             TextCell(input_column), TextCell(object)});
    };
    for (const catalog::LineageInput& input : record.inputs) {
        bool any = false;
        for (const catalog::LineageColumn& column : record.columns) {
            if (column.input_schema != input.schema || column.input_name != input.name) continue;
            any = true;
            add(input, column.column, column.input_column, "");
        }
        if (!any) add(input, "", "", "");
    }
    for (const std::string& object : record.objects) add({}, "", "", object);
}

Result<RowSet> LineageRows(Components& parts, const Principal& principal) {
    RowSet rows;
    for (const catalog::Dataset& dataset : TRY(parts.catalog->List(principal))) {
        if (dataset.version.empty()) continue;
        auto record = TRY(parts.catalog->LineageOf(principal, dataset.schema, dataset.name, dataset.version));
        if (record) AddLineage(*record, rows);
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
            for (const auto& load : TRY(parts.catalog->Versions(principal, schema, dataset.name, kLoadsShown))) {
                rows.rows.push_back({schema, dataset.name, load.version, FormatTime(load.committed_at), load.run_id,
                                     Number(load.rows_added), Number(load.bytes)});
            }
        }
    }
    return rows;
}

// Bytes that are no text are shown as \\x and their digits, as PostgreSQL does.
std::string ShownBytes(const std::string& bytes) { return IsUtf8(bytes) ? bytes : "\\x" + HexEncode(AsBytes(bytes)); }

Result<RowSet> QuarantineRows(Components& parts, const Principal& principal) {
    RowSet rows;
    constexpr size_t kRowsShown = 10000;
    for (const connectors::QuarantineEntry& entry : TRY(parts.connectors->Quarantine(principal, "", kRowsShown))) {
        rows.rows.push_back({"raw_" + entry.source, entry.stream, entry.id, entry.kind, TextCell(entry.origin),
                             Number(entry.record), ShownBytes(entry.reason), TextCell(ShownBytes(entry.content)),
                             entry.since});
    }
    return rows;
}

Result<RowSet> CacheRows(Components& parts, const Principal& principal) {
    RowSet rows;
    for (const auto& [table, unused] : parts.warehouse->Tables()) {
        auto cache = parts.catalog->CacheOf(principal, table.schema, table.name);
        if (!cache) continue;
        auto dataset = parts.catalog->Describe(principal, table.schema, table.name);
        bool is_built = cache->built_at.has_value();
        rows.rows.push_back({table.schema, table.name, cache->state, TextCell(cache->reason), TextCell(cache->version),
                             dataset.ok() ? TextCell(dataset->version) : std::nullopt, Number(cache->rows),
                             Number(cache->bytes), TimeCell(cache->built_at),
                             is_built ? std::optional(fmt::format("{:.6f}", cache->build_seconds)) : std::nullopt,
                             Number(cache->hits), Number(cache->misses)});
    }
    return rows;
}

std::vector<Column> ColumnsOf(const std::vector<std::pair<std::string, std::string>>& names) {
    std::vector<Column> columns;
    for (const auto& [name, type] : names) columns.push_back({name, type, true, ""});
    return columns;
}

constexpr const char* kCachesAre =
    "The serving caches of tables with `cache: yes`: how fresh, how often they answered.";

std::vector<Column> CacheColumns() {
    return ColumnsOf({{"schema", "VARCHAR"},
                      {"name", "VARCHAR"},
                      {"state", "VARCHAR"},
                      {"reason", "VARCHAR"},
                      {"cached_version", "VARCHAR"},
                      {"version", "VARCHAR"},
                      {"rows", "BIGINT"},
                      {"bytes", "BIGINT"},
                      {"built_at", "TIMESTAMP WITH TIME ZONE"},
                      {"build_seconds", "DOUBLE"},
                      {"hits", "BIGINT"},
                      {"misses", "BIGINT"}});
}

}  // namespace

SystemTables::SystemTables(Components& parts) {
    tables_["audit"] = {"Every operation, newest 100,000. What others asked and got is shown to who has audit:Read.",
                        ColumnsOf(access::Audit::SystemColumns()),
                        [&parts](const Principal& principal) { return AuditRows(parts, principal); }};
    tables_["runs"] = {"The newest thousand runs of tasks.",
                       {{"run", "BIGINT"},
                        {"task", "VARCHAR"},
                        {"trigger", "VARCHAR"},
                        {"state", "VARCHAR"},
                        {"attempt", "INTEGER"},
                        {"queued_at", "TIMESTAMP WITH TIME ZONE"},
                        {"started_at", "TIMESTAMP WITH TIME ZONE"},
                        {"ended_at", "TIMESTAMP WITH TIME ZONE"},
                        {"rows", "BIGINT"},
                        {"version", "VARCHAR"},
                        {"error", "VARCHAR"}},
                       [&parts](const Principal& principal) { return RunRows(parts, principal); }};
    tables_["tasks"] = {"What runs by itself, and why it is not running now.",
                        {{"task", "VARCHAR"},
                         {"kind", "VARCHAR"},
                         {"dataset", "VARCHAR"},
                         {"file", "VARCHAR"},
                         {"inputs", "VARCHAR"},
                         {"fresh", "BOOLEAN"},
                         {"next_due", "TIMESTAMP WITH TIME ZONE"},
                         {"why", "VARCHAR"}},
                        [&parts](const Principal& principal) { return TaskRows(parts, principal); }};
    tables_["assets"] = {"Every dataset, source, dashboard, role and schema that you may see, and who owns it.",
                         {{"schema", "VARCHAR"},
                          {"name", "VARCHAR"},
                          {"kind", "VARCHAR"},
                          {"description", "VARCHAR"},
                          {"owned_by", "VARCHAR"},
                          {"file", "VARCHAR"},
                          {"owner", "VARCHAR"},
                          {"tags", "VARCHAR"},
                          {"version", "VARCHAR"},
                          {"rows", "BIGINT"},
                          {"bytes", "BIGINT"},
                          {"updated_at", "TIMESTAMP WITH TIME ZONE"}},
                         [&parts](const Principal& principal) { return AssetRows(parts, principal); }};
    tables_["lineage"] = {"What the current version of each dataset was made of: inputs, columns, raw objects.",
                          {{"schema", "VARCHAR"},
                           {"name", "VARCHAR"},
                           {"version", "VARCHAR"},
                           {"run", "BIGINT"},
                           {"input_schema", "VARCHAR"},
                           {"input_name", "VARCHAR"},
                           {"input_version", "VARCHAR"},
                           {"column", "VARCHAR"},
                           {"input_column", "VARCHAR"},
                           {"object", "VARCHAR"}},
                          [&parts](const Principal& principal) { return LineageRows(parts, principal); }};
    tables_["loads"] = {"The newest loads of every raw dataset.",
                        {{"schema", "VARCHAR"},
                         {"name", "VARCHAR"},
                         {"load", "BIGINT"},
                         {"committed_at", "TIMESTAMP WITH TIME ZONE"},
                         {"run", "BIGINT"},
                         {"rows", "BIGINT"},
                         {"bytes", "BIGINT"}},
                        [&parts](const Principal& principal) { return LoadRows(parts, principal); }};
    AddOfIngestion(parts);
    tables_["alerts"] = {"What alerts did: the newest ten thousand changes of those that you may see.",
                         ColumnsOf(alerting::Alerting::SystemColumns()),
                         [&parts](const Principal& principal) { return AlertRows(parts, principal); }};
    tables_["caches"] = {kCachesAre, CacheColumns(), [&parts](const Principal& who) { return CacheRows(parts, who); }};
    tables_["metrics"] = {"Metrics of every component, now.", ColumnsOf(access::Monitoring::SystemColumns()),
                          [&parts](const Principal&) { return MetricRows(parts); }};
}

void SystemTables::AddOfIngestion(Components& parts) {
    tables_["schemas"] = {"Versions in the schema registry, of the subjects that you may read.",
                          ColumnsOf(registry::Registry::SystemColumns()),
                          [&parts](const Principal& principal) { return SchemaRows(parts, principal); }};
    tables_["quarantine"] = {"What loads kept apart: broken records, files and loads with other columns than before.",
                             {{"schema", "VARCHAR"},
                              {"name", "VARCHAR"},
                              {"entry", "VARCHAR"},
                              {"kind", "VARCHAR"},
                              {"origin", "VARCHAR"},
                              {"record", "BIGINT"},
                              {"reason", "VARCHAR"},
                              {"content", "VARCHAR"},
                              {"since", "TIMESTAMP WITH TIME ZONE"}},
                             [&parts](const Principal& principal) { return QuarantineRows(parts, principal); }};
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
