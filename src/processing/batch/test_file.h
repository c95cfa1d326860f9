// use_cases/<use_case>/<name>.test.yaml: tests of tables' SQL with rows of their own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "workspace/workspace.h"

namespace tarn::batch {

struct GivenRows {
    Json rows = Json::array();                 // objects by column
    std::map<std::string, std::string> types;  // of columns that the dataset does not have yet
};

struct TableTest {
    std::string name;
    std::string table;  // "delays.flights"
    std::map<std::string, GivenRows> given;  // by "schema.name"
    std::optional<Json> rows;                // what the SELECT gives
    std::optional<int64_t> count;
    std::string fails;  // a check that these rows break: part of its message
    std::string file;
    int line = 0;
};

struct TestFile {
    std::vector<TableTest> tests;
};

// Fills definition.value with a TestFile.
void ParseTestFile(workspace::Definition& definition, workspace::Issues& issues);
std::vector<ConfigKeyDoc> TestKeys();
// Tables that nothing defines, and rows for what a table does not read, or none for what it does.
void ValidateTests(const std::vector<workspace::Definition>& all, workspace::Issues& issues);

}  // namespace tarn::batch
