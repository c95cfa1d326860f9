#include "processing/batch/table_file.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "processing/batch/question.h"
#include "processing/batch/use_case_file.h"
#include "workspace/rename.h"
#include "workspace/sql_text.h"

namespace tarn::batch {
namespace {

struct ColumnDoc {
    std::string description;
    std::vector<std::string> tags;
};
void Bind(ConfigBinder& binder, ColumnDoc& column) {
    binder.Key("description", column.description, "What the column means.");
    binder.Key("tags", column.tags, "Tags that policies refer to.");
}

struct CheckDoc {
    std::vector<std::string> not_null;
    std::vector<std::string> unique;
    std::string rows;
    std::string expression;
    std::string severity = "error";
};
void Bind(ConfigBinder& binder, CheckDoc& check) {
    binder.Key("not_null", check.not_null, "Columns that have a value in every row.");
    binder.Key("unique", check.unique, "Columns that together differ in every row.");
    binder.Key("rows", check.rows, "Comparison that the number of rows satisfies, as \">= 300000\".");
    binder.Key("expression", check.expression, "SQL condition that every row satisfies.");
    binder.Choice("severity", check.severity, {"error", "warn"}, "A failed check publishes nothing, or only warns.");
    int kinds = !check.not_null.empty() + !check.unique.empty() + !check.rows.empty() + !check.expression.empty();
    if (kinds != 1 && !binder.describing()) {
        binder.Report("", "a check has one of not_null, unique, rows, expression");
    }
}

struct Header {
    std::string description;
    std::string owner;
    std::string renamed_from;
    std::vector<std::string> tags;
    std::string keep = "full";
    std::vector<std::string> key;
    std::string since;
    bool delete_missing = false;
    bool cache = false;
    std::map<std::string, ColumnDoc> columns;
    std::vector<std::string> declassify;
    std::vector<CheckDoc> checks;
    workspace::TimingKeys timing;
    workspace::Parameters parameters;
    std::optional<workspace::Partition> partition;
    std::string when;
};

void CheckKeep(ConfigBinder& binder, const Header& header) {
    if (header.keep == "merge" && header.key.empty()) {
        binder.Report("keep", "keep: merge needs `key: [columns]`, by which rows are found again");
    }
    if (header.keep == "append" && header.since.empty() && !header.partition) {
        binder.Report("keep", "keep: append needs `since: column`: rows greater than the largest stored are added");
    }
    if (header.keep != "merge" && header.delete_missing) {
        binder.Report("delete_missing", "delete_missing goes with keep: merge");
    }
    if (header.keep != "append" && !header.since.empty()) binder.Report("since", "since goes with keep: append");
}

void CheckPartition(ConfigBinder& binder, Header& header) {
    if (header.timing.every || header.timing.schedule) {
        binder.Report("partitions", "a part is run when it has ended: every and cron do not go with partitions");
    }
    if (header.keep == "merge") {
        if (header.delete_missing) {
            binder.Report(
                "delete_missing",
                "a part's result lacks the rows of all others: with partitions, keep: full replaces the part");
        }
        return;
    }
    std::string& column = header.partition->column;
    if (column.empty()) column = header.since;
    if (column.empty()) {
        binder.Report("partitions",
                      fmt::format("with keep: {} a part replaces its rows: partitions needs `column`, the "
                                  "date or time by which they are found",
                                  header.keep));
    }
}

void Bind(ConfigBinder& binder, Header& header) {
    binder.Key("description", header.description, "What a row of the table is.");
    binder.Key("owner", header.owner, "Who answers for it.");
    workspace::BindRenamedFrom(binder, header.renamed_from);
    binder.Key("tags", header.tags, "Tags of the table.");
    binder.Choice("keep", header.keep, {"full", "append", "merge"},
                  "full replaces the table, append adds rows newer by `since`, merge upserts by `key`.");
    binder.Key("key", header.key, "Columns that identify a row (keep: merge).");
    binder.Key("since", header.since, "Column that grows (keep: append).");
    binder.Key("delete_missing", header.delete_missing, "Merge deletes rows whose key is not in the result.");
    binder.Map("columns", header.columns, "Descriptions and tags by column.");
    binder.List("checks", header.checks, "What must hold before a version is published.");
    workspace::BindTiming(binder, header.timing);
    workspace::BindParameters(binder, header.parameters);
    workspace::BindPartition(binder, header.partition, true);
    binder.Key("when", header.when, "SQL of one truth value: a run is skipped when it does not hold.");
    binder.Key("cache", header.cache, "The newest version is also kept in the serving cache, which queries read.");
    binder.Key("declassify", header.declassify,
               "Columns that do not inherit the tags of what they are computed from. Only what `columns` says holds.");
    if (binder.describing()) return;
    CheckKeep(binder, header);
    if (header.partition) CheckPartition(binder, header);
}

Check ToCheck(const CheckDoc& doc) {
    Check check;
    check.severity = doc.severity;
    if (!doc.not_null.empty())
        check.kind = "not_null", check.columns = doc.not_null;
    else if (!doc.unique.empty())
        check.kind = "unique", check.columns = doc.unique;
    else if (!doc.rows.empty())
        check.kind = "rows", check.condition = doc.rows;
    else
        check.kind = "expression", check.condition = doc.expression;
    return check;
}

// A comparison with a whole number and nothing else, since it becomes part of a statement.
bool IsRowsCondition(std::string_view text) {
    size_t digits = text.find_first_of("0123456789");
    if (digits == std::string_view::npos) return false;
    std::string operation(Trim(text.substr(0, digits)));
    std::string_view number = Trim(text.substr(digits));
    static const std::set<std::string> kOperations = {">", ">=", "<", "<=", "=", "<>", "!="};
    return kOperations.contains(operation) && number.find_first_not_of("0123456789_") == std::string_view::npos;
}

// 1-based line and column in the file of a 1-based character position in its SQL.
ConfigIssue IssueAt(const TableDefinition& table, int64_t position, std::string message) {
    ConfigIssue issue{table.file, table.sql_line, 1, std::move(message)};
    size_t end = workspace::ByteOfCharacter(table.sql, position);
    for (size_t index = 0; index < end; ++index) {
        bool newline = table.sql[index] == '\n';
        bool continues = (static_cast<uint8_t>(table.sql[index]) & 0xc0) == 0x80;  // of a character in UTF-8
        if (continues) continue;
        issue.line += newline ? 1 : 0;
        issue.column = newline ? 1 : issue.column + 1;
    }
    return issue;
}

void FillFromHeader(const Header& header, TableDefinition& table, workspace::Definition& definition) {
    definition.description = table.description = header.description;
    definition.owner = header.owner;
    workspace::AskForRename(definition, header.renamed_from);
    definition.tags = header.tags;
    table.keep = header.keep;
    table.key = header.key;
    table.since = header.since;
    table.delete_missing = header.delete_missing;
    table.cache = header.cache;
    table.timing = header.timing;
    table.parameters = header.parameters;
    table.partition = header.partition;
    table.when = header.when;
    for (const auto& [name, doc] : header.columns) {
        table.columns.push_back({name, "", true, doc.description});
        if (!doc.tags.empty()) table.column_tags[name] = doc.tags;
    }
    table.declassify = header.declassify;
    for (const CheckDoc& check : header.checks) table.checks.push_back(ToCheck(check));
}

void AnalyzeSql(engine::Engine& engine, TableDefinition& table, workspace::Issues& issues) {
    if (Trim(table.sql).empty()) {
        issues.push_back({table.file, table.sql_line, 1, "there is no SELECT in this file"});
        return;
    }
    Result<std::string> sql =
        workspace::BoundSql(table.sql, table.parameters, workspace::SampleValues(table.parameters, table.partition));
    if (!sql.ok()) {
        issues.push_back(IssueAt(table, sql.error().position().value_or(1), sql.error().message()));
        return;
    }
    Result<engine::QueryAnalysis> analysis = engine.Analyze(*sql);
    if (!analysis.ok()) {
        issues.push_back(IssueAt(table, analysis.error().position().value_or(1), analysis.error().message()));
        return;
    }
    table.reads = std::move(analysis->tables);
    table.read_positions = std::move(analysis->table_positions);
    // A name without a schema means the use case's own.
    for (engine::TableRead& read : table.reads) {
        if (read.schema.empty()) read.schema = table.schema;
    }
}

// The line of a key of the header.
int LineOf(const workspace::Definition& definition, std::string_view key) {
    int line = 1;
    for (const std::string& text : Split(definition.text, '\n')) {
        if (text.starts_with(std::string(key) + ":")) return line;
        ++line;
    }
    return 1;
}

void AnalyzeCondition(engine::Engine& engine, TableDefinition& table, const workspace::Definition& definition,
                      workspace::Issues& issues) {
    if (table.when.empty()) return;
    auto reads = ReadsOf(engine, table.when, table.schema, table.parameters, table.partition);
    if (reads.ok()) {
        table.when_reads = std::move(*reads);
    } else {
        issues.push_back({table.file, LineOf(definition, "when"), 1, "when: " + reads.error().message()});
    }
}

struct Circle {
    const std::map<std::string, const TableDefinition*>& tables;
    workspace::Issues& issues;
    std::vector<std::string> path;
    std::set<std::string> done;

    void Visit(const std::string& name) {
        if (done.contains(name)) return;
        const TableDefinition& table = *tables.at(name);
        path.push_back(name);
        for (size_t index = 0; index < table.reads.size(); ++index) {
            std::string read = table.reads[index].schema + "." + table.reads[index].name;
            if (!tables.contains(read)) continue;
            auto open = std::find(path.begin(), path.end(), read);
            if (open == path.end()) {
                Visit(read);
                continue;
            }
            std::vector<std::string> members(open, path.end());
            members.push_back(read);
            issues.push_back(IssueAt(table, table.read_positions[index],
                                     "tables read each other in a circle: " + Join(members, " <- ")));
        }
        path.pop_back();
        done.insert(name);
    }
};

// What there is to read, and what it was called before.
struct KnownNames {
    std::vector<std::string> datasets;
    std::map<std::string, std::string> renamed;
};

std::string UnknownName(const TableDefinition& table, const std::string& read, const KnownNames& names) {
    std::string message = fmt::format("{}.{} reads {}, which nothing defines", table.schema, table.name, read);
    auto renamed = names.renamed.find(read);
    if (renamed != names.renamed.end()) return message + fmt::format("; it is renamed to {}", renamed->second);
    const std::vector<std::string>& known = names.datasets;
    std::string nearest = NearestWord(read, known);
    return nearest.empty() ? message : message + fmt::format("; did you mean {}?", nearest);
}

using Imports = std::map<std::string, std::set<std::string>>;  // use case -> tables of others

void CheckRead(const TableDefinition& table, size_t index, const KnownNames& names, const Imports& imports,
               workspace::Issues& issues) {
    const std::vector<std::string>& known = names.datasets;
    const engine::TableRead& read = table.reads[index];
    std::string name = read.schema + "." + read.name;
    int64_t position = index < table.read_positions.size() ? table.read_positions[index] : 1;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
        issues.push_back(IssueAt(table, position, UnknownName(table, name, names)));
    } else if (read.schema != table.schema && !read.schema.starts_with("raw_")) {
        auto of_use_case = imports.find(table.schema);
        if (of_use_case != imports.end() && of_use_case->second.contains(name)) return;
        issues.push_back(IssueAt(table, position,
                                 fmt::format("{0}.{1} reads {2} of another use case: write `imports: [{2}]` into "
                                             "use_cases/{0}/use_case.yaml",
                                             table.schema, table.name, name)));
    }
}

}  // namespace

std::vector<ConfigKeyDoc> TableKeys() { return DescribeConfig<Header>(); }

void ParseTableFile(engine::Engine& engine, workspace::Definition& definition, workspace::Issues& issues) {
    TableDefinition table;
    table.file = definition.file;
    size_t dot = definition.name.find('.');
    table.schema = definition.name.substr(0, dot);
    table.name = definition.name.substr(dot + 1);
    Result<workspace::SqlFile> parts = workspace::SplitSqlFile(definition.text);
    if (!parts.ok()) {
        issues.push_back({definition.file, 1, 1, parts.error().message()});
        definition.value = std::move(table);
        return;
    }
    Header header;
    auto found = ReadConfig(parts->header, definition.file, parts->header_line,
                            [&](ConfigBinder& binder) { Bind(binder, header); });
    issues.insert(issues.end(), found.begin(), found.end());
    FillFromHeader(header, table, definition);
    for (const Check& check : table.checks) {
        if (check.kind != "rows" || IsRowsCondition(check.condition)) continue;
        issues.push_back(
            {definition.file, parts->header_line, 0,
             fmt::format("checks: rows is a comparison with a number, as \">= 1000\", not \"{}\"", check.condition)});
    }
    table.sql = parts->sql;
    table.sql_line = parts->sql_line;
    AnalyzeSql(engine, table, issues);
    AnalyzeCondition(engine, table, definition, issues);
    definition.value = std::move(table);
}

void ValidateTables(const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
    std::map<std::string, const TableDefinition*> tables;
    KnownNames names;
    std::vector<std::string>& known = names.datasets;
    Imports imports;
    for (const workspace::Definition& definition : all) {
        for (const auto& [from, to] : workspace::NewNames(definition.renames).Datasets()) names.renamed[from] = to;
        if (const auto* use_case = std::any_cast<UseCaseDefinition>(&definition.value)) {
            imports[use_case->name].insert(use_case->imports.begin(), use_case->imports.end());
        } else if (const auto* table = std::any_cast<TableDefinition>(&definition.value)) {
            tables[table->schema + "." + table->name] = table;
            known.push_back(table->schema + "." + table->name);
        } else if (const auto* source = std::any_cast<connectors::SourceDefinition>(&definition.value)) {
            for (const auto& [stream, unused] : source->streams) {
                known.push_back("raw_" + source->name + "." + stream);
            }
        }
    }
    for (const auto& [name, table] : tables) {
        for (size_t index = 0; index < table->reads.size(); ++index) CheckRead(*table, index, names, imports, issues);
    }
    for (const workspace::Definition& definition : all) {
        const auto* table = std::any_cast<TableDefinition>(&definition.value);
        if (!table) continue;
        for (const std::string& read : table->when_reads) {
            if (std::find(known.begin(), known.end(), read) != known.end()) continue;
            issues.push_back({table->file, LineOf(definition, "when"), 1, "when: " + UnknownName(*table, read, names)});
        }
    }
    Circle circle{tables, issues, {}, {}};
    for (const auto& [name, table] : tables) circle.Visit(name);
}

}  // namespace tarn::batch
