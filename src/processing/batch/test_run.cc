#include "processing/batch/test_run.h"

#include <algorithm>

#include "base/text.h"
#include "engine/given_rows.h"
#include "processing/batch/checks.h"
#include "processing/batch/table_task.h"
#include "processing/batch/test_file.h"
#include "workspace/sql_text.h"

namespace tarn::batch {
namespace {

using security::Principal;
using workspace::TestOptions;
using workspace::TestResult;

constexpr const char* kPassed = "passed";
constexpr const char* kFailed = "failed";
constexpr const char* kSkipped = "skipped";

Status Stopped(const TestOptions& options) {
    return options.cancel.cancelled() ? Status(Error(ErrorCode::kCancelled, "the tests were stopped")) : Ok();
}

std::map<std::string, const TableDefinition*> TablesOf(const std::vector<workspace::Definition>& all) {
    std::map<std::string, const TableDefinition*> tables;
    for (const workspace::Definition& definition : all) {
        const auto* table = std::any_cast<TableDefinition>(&definition.value);
        if (table) tables[table->schema + "." + table->name] = table;
    }
    return tables;
}

// Its columns as they are stored now, with those that the test says; none when there is nothing yet.
std::vector<engine::Column> ColumnsOf(BatchDependencies& dependencies, const Principal& principal,
                                      const std::string& dataset, const GivenRows& given) {
    size_t dot = dataset.find('.');
    std::vector<engine::Column> columns;
    auto stored = dependencies.catalog.Find(principal, dataset.substr(0, dot), dataset.substr(dot + 1), {});
    if (stored.ok()) columns = stored->columns;
    for (const auto& [name, type] : given.types) {
        auto same = [&, &wanted = name](const engine::Column& column) { return column.name == wanted; };
        auto known = std::find_if(columns.begin(), columns.end(), same);
        if (known == columns.end())
            columns.push_back({name, type});
        else
            known->type = type;
    }
    // Types alone do not say that there are no others: then the rows tell the rest.
    if (stored.ok() || columns.empty()) return columns;
    for (const Json& row : given.rows) {
        if (!row.is_object()) continue;
        for (const auto& [key, value] : row.items()) {
            auto same = [&, &wanted = key](const engine::Column& column) { return column.name == wanted; };
            if (std::any_of(columns.begin(), columns.end(), same)) continue;
            auto told = engine::GivenRelation(Json::array({{{key, value}}}));
            columns.push_back({key, told.ok() ? told->columns[0].type : "VARCHAR"});
        }
    }
    return columns;
}

// Checks about the number of rows are about real data.
TableDefinition WithoutRowChecks(TableDefinition table) {
    std::erase_if(table.checks, [](const Check& check) { return check.kind == "rows"; });
    return table;
}

Status RunTest(BatchDependencies& dependencies, const Principal& principal, TableDefinition table,
               const TableTest& test, std::string& message) {
    table.sql = TRY(
        workspace::BoundSql(table.sql, table.parameters, workspace::SampleValues(table.parameters, table.partition)));
    auto session = TRY(dependencies.engine.OpenSession({.principal = principal, .default_schema = table.schema}));
    for (const auto& [dataset, given] : test.given) {
        auto relation = engine::GivenRelation(given.rows, ColumnsOf(dependencies, principal, dataset, given));
        if (!relation.ok()) return std::move(relation).error().Context("given." + dataset);
        size_t dot = dataset.find('.');
        TRY(session->Substitute(dataset.substr(0, dot), dataset.substr(dot + 1), *std::move(relation)));
    }
    bool stored = test.given.contains(test.table);
    std::string select = stored ? NewRowsSelect(table) : workspace::BareSelect(table.sql);
    std::vector<std::string> warnings;
    Status checked = RunChecks(*session, WithoutRowChecks(table), "(" + select + "\n)", warnings);
    if (!test.fails.empty()) {
        if (checked.ok()) {
            message = "all checks hold, but one should fail with: " + test.fails;
        } else if (checked.error().message().find(test.fails) == std::string::npos) {
            message = fmt::format("expected a failure with \"{}\", got: {}", test.fails, checked.error().message());
        }
        return Ok();
    }
    TRY(std::move(checked));
    if (test.count) {
        auto found = TRY(engine::RowsDiffer(*session, fmt::format("SELECT count(*) AS count FROM (\n{}\n)", select),
                                            Json::array({{{"count", *test.count}}})));
        if (!found.empty()) message = found;
    }
    if (!test.rows) return Ok();
    std::string differ = TRY(engine::RowsDiffer(*session, select, *test.rows));
    if (!differ.empty()) message = differ;
    return Ok();
}

// Rows of the sample; all its columns are computed.
Result<int64_t> Drain(engine::Session& session, const std::string& sql) {
    auto stream = TRY(session.Query(sql));
    int64_t rows = 0;
    while (const engine::Chunk* chunk = TRY(stream->Next())) rows += static_cast<int64_t>(chunk->rows());
    return rows;
}

// An input that has no data for the principal; empty when all have.
std::string MissingInput(BatchDependencies& dependencies, const Principal& principal, const TableDefinition& table) {
    for (const engine::TableRead& read : table.reads) {
        if (dependencies.catalog.Find(principal, read.schema, read.name, {}).ok()) continue;
        return read.schema + "." + read.name;
    }
    return "";
}

TestResult RunSample(BatchDependencies& dependencies, const Principal& principal, const TableDefinition& table,
                     const TestOptions& options) {
    std::string name = table.schema + "." + table.name;
    TestResult result{"sample", name + ": runs on the data, checks hold", table.file, table.sql_line, kPassed, ""};
    std::string missing = MissingInput(dependencies, principal, table);
    if (!missing.empty()) {
        result.state = kSkipped;
        result.message = fmt::format("{} has no data yet that you may read", missing);
        return result;
    }
    auto run = [&]() -> Status {
        std::string sql = TRY(workspace::BoundSql(table.sql, table.parameters,
                                                  workspace::SampleValues(table.parameters, table.partition)));
        auto session = TRY(dependencies.engine.OpenSession({.principal = principal, .default_schema = table.schema}));
        auto on_cancel = options.cancel.OnCancel([&session] { session->Cancel(); });
        std::string sample = workspace::BareSelect(sql);
        if (options.sample_rows > 0)
            sample = fmt::format("SELECT * FROM (\n{}\n) LIMIT {}", sample, options.sample_rows);
        int64_t rows = TRY(Drain(*session, sample));
        bool whole = options.sample_rows == 0 || rows < options.sample_rows;
        std::vector<std::string> warnings;
        TRY(RunChecks(*session, whole ? table : WithoutRowChecks(table), "(" + sample + "\n)", warnings));
        result.message = fmt::format("{} rows{}", rows, whole ? "" : ", a sample");
        for (const std::string& warning : warnings) result.message += "; warning: " + warning;
        return Ok();
    };
    if (Status ran = run(); !ran.ok()) {
        result.state = kFailed;
        result.message = ran.error().message();
    }
    return result;
}

}  // namespace

Result<std::vector<TestResult>> RunTableTests(BatchDependencies& dependencies, const Principal& principal,
                                              const std::vector<workspace::Definition>& all,
                                              const TestOptions& options) {
    std::map<std::string, const TableDefinition*> tables = TablesOf(all);
    std::vector<TestResult> results;
    for (const workspace::Definition& definition : all) {
        const auto* file = std::any_cast<TestFile>(&definition.value);
        if (!file) continue;
        for (const TableTest& test : file->tests) {
            std::string name = test.table + ": " + test.name;
            auto table = tables.find(test.table);
            if (table == tables.end() || !options.Wants(name)) continue;
            TRY(Stopped(options));
            TestResult result{"table", name, test.file, test.line, kPassed, ""};
            Status ran = RunTest(dependencies, principal, *table->second, test, result.message);
            if (!ran.ok()) result.message = ran.error().message();
            if (!result.message.empty()) result.state = kFailed;
            results.push_back(std::move(result));
        }
    }
    return results;
}

Result<std::vector<TestResult>> RunSamples(BatchDependencies& dependencies, const Principal& principal,
                                           const std::vector<workspace::Definition>& all, const TestOptions& options) {
    std::vector<TestResult> results;
    if (options.sample_rows < 0) return results;
    for (const auto& [name, table] : TablesOf(all)) {
        if (!options.Wants(name)) continue;
        TRY(Stopped(options));
        results.push_back(RunSample(dependencies, principal, *table, options));
    }
    return results;
}

}  // namespace tarn::batch
