#include "processing/batch/test_file.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "processing/batch/batch.h"

namespace tarn::batch {
namespace {

struct ExpectDoc {
    Json rows;
    std::optional<int64_t> count;
    std::string fails;
};
void Bind(ConfigBinder& binder, ExpectDoc& expect) {
    binder.Any("rows", expect.rows,
               "Rows that the SELECT gives, in any order; columns that none names are not looked at.");
    binder.Key("count", expect.count, "How many rows it gives.");
    binder.Key("fails", expect.fails, "A check of the table that must fail: part of its message.");
    if (binder.describing()) return;
    if (!binder.Has("rows") && !expect.count && expect.fails.empty()) {
        binder.Report("", "expect needs one of rows, count, fails");
    }
}

struct CaseDoc {
    std::string name;
    std::string table;
    Json given = Json::object();
    ExpectDoc expect;
    int line = 0;
    bool has_rows = false;
};
void Bind(ConfigBinder& binder, CaseDoc& test) {
    using Need = ConfigBinder::Need;
    binder.Key("name", test.name, "What is shown, as a sentence.", Need::kRequired);
    binder.Key("table", test.table, "The table under test, if it is not the one that the file is named after.");
    binder.Any("given", test.given,
               "Rows of each dataset that the table reads: a list of mappings, or `{types, rows}`; `[]` for none.");
    binder.Section("expect", test.expect, "What must come out. The table's checks must hold too, but for `rows`.");
    if (binder.describing()) return;
    test.line = binder.LineOf("name");
    test.has_rows = !test.expect.rows.is_null();
    if (!binder.Has("expect")) binder.Report("", "a test needs `expect`: rows, count or fails");
    if (test.has_rows && !test.expect.rows.is_array()) binder.Report("expect", "expect.rows is a list of mappings");
    if (!test.given.is_object()) binder.Report("given", "given is a mapping from a dataset to its rows");
}

struct FileDoc {
    std::string description;
    std::string owner;
    std::vector<std::string> tags;
    std::vector<CaseDoc> tests;
};
void Bind(ConfigBinder& binder, FileDoc& file) {
    binder.Key("description", file.description, "What is tested.");
    binder.Key("owner", file.owner, "Who answers for it.");
    binder.Key("tags", file.tags, "Tags of the file.");
    binder.List("tests", file.tests, "The tests; `tarn test` runs them.");
}

Result<GivenRows> GivenOf(const Json& value) {
    GivenRows given;
    if (value.is_array()) {
        given.rows = value;
        return given;
    }
    if (!value.is_object()) return Error(ErrorCode::kInvalidArgument, "is a list of rows, or {{types, rows}}");
    for (const auto& [key, part] : value.items()) {
        if (key == "rows" && part.is_array()) {
            given.rows = part;
        } else if (key == "types" && part.is_object()) {
            for (const auto& [column, type] : part.items()) {
                if (!type.is_string())
                    return Error(ErrorCode::kInvalidArgument, "types.{} is the name of a type", column);
                given.types[column] = type.get<std::string>();
            }
        } else {
            return Error(ErrorCode::kInvalidArgument, "has the key {}: it is a list of rows, or {{types, rows}}", key);
        }
    }
    return given;
}

void CheckTest(const TableTest& test, const std::map<std::string, const TableDefinition*>& tables,
               workspace::Issues& issues) {
    auto report = [&](std::string message) {
        issues.push_back({test.file, test.line, 1, fmt::format("test \"{}\": {}", test.name, message)});
    };
    auto suggested = [](const std::string& wrong, const std::vector<std::string>& right) {
        std::string nearest = NearestWord(wrong, right);
        return nearest.empty() ? std::string() : fmt::format("; did you mean {}?", nearest);
    };
    auto found = tables.find(test.table);
    if (found == tables.end()) {
        std::vector<std::string> names;
        for (const auto& [name, table] : tables) names.push_back(name);
        return report(fmt::format("nothing defines the table {}{}", test.table, suggested(test.table, names)));
    }
    std::vector<std::string> reads;
    for (const engine::TableRead& read : found->second->reads) reads.push_back(read.schema + "." + read.name);
    for (const std::string& read : reads) {
        if (test.given.contains(read)) continue;
        report(fmt::format("{} reads {}: write its rows under `given`, or `{}: []`", test.table, read, read));
    }
    for (const auto& [name, rows] : test.given) {
        bool own = name == test.table && found->second->keep == "append";
        if (own || std::find(reads.begin(), reads.end(), name) != reads.end()) continue;
        report(fmt::format("{} does not read {}{}", test.table, name, suggested(name, reads)));
    }
}

}  // namespace

std::vector<ConfigKeyDoc> TestKeys() { return DescribeConfig<FileDoc>(); }

void ParseTestFile(workspace::Definition& definition, workspace::Issues& issues) {
    FileDoc file;
    auto found = ReadConfig(definition.text, definition.file, 1, [&](ConfigBinder& binder) { Bind(binder, file); });
    issues.insert(issues.end(), found.begin(), found.end());
    definition.description = file.description;
    definition.owner = file.owner;
    definition.tags = file.tags;
    std::string schema = definition.name.substr(0, definition.name.find('.'));
    TestFile tests;
    for (CaseDoc& doc : file.tests) {
        TableTest test{.name = doc.name, .table = doc.table, .file = definition.file, .line = doc.line};
        if (test.table.empty()) test.table = definition.name;
        if (test.table.find('.') == std::string::npos) test.table = schema + "." + test.table;
        for (const auto& [name, rows] : doc.given.items()) {
            auto given = GivenOf(rows);
            if (!given.ok()) {
                issues.push_back(
                    {definition.file, doc.line, 1, fmt::format("given.{} {}", name, given.error().message())});
                continue;
            }
            test.given[name.find('.') == std::string::npos ? schema + "." + name : name] = *std::move(given);
        }
        if (doc.has_rows) test.rows = doc.expect.rows;
        test.count = doc.expect.count;
        test.fails = doc.expect.fails;
        tests.tests.push_back(std::move(test));
    }
    definition.value = std::move(tests);
}

void ValidateTests(const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
    std::map<std::string, const TableDefinition*> tables;
    for (const workspace::Definition& definition : all) {
        const auto* table = std::any_cast<TableDefinition>(&definition.value);
        if (table) tables[table->schema + "." + table->name] = table;
    }
    for (const workspace::Definition& definition : all) {
        const auto* file = std::any_cast<TestFile>(&definition.value);
        if (!file) continue;
        for (const TableTest& test : file->tests) CheckTest(test, tables, issues);
    }
}

}  // namespace tarn::batch
