// policies/<name>.test.yaml: what a person with these roles may and sees, stated and proven before it is applied.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "access/identity/policy.h"
#include "access/identity/store.h"
#include "base/json.h"
#include "security/gate.h"
#include "security/table_facts.h"
#include "workspace/workspace.h"

namespace tarn::identity {

struct PolicyQuestion {
    std::string action;    // "table:Read"
    std::string resource;  // "delays.flights"
};
void Bind(ConfigBinder& binder, PolicyQuestion& question);

struct PolicyTest {
    std::string name;
    std::string user;                 // need not exist
    std::vector<std::string> roles;   // held for this test besides those that the policies give the user
    std::vector<std::string> groups;
    std::vector<PolicyQuestion> may;
    std::vector<PolicyQuestion> may_not;
    std::map<std::string, Json> given;  // "delays.flights" -> rows
    std::map<std::string, Json> sees;   // what is left of them
    std::string file;
    int line = 0;
};

struct PolicyTestFile {
    std::vector<PolicyTest> tests;
};

void ParsePolicyTests(workspace::Definition& definition, workspace::Issues& issues);
std::vector<ConfigKeyDoc> PolicyTestKeys();

// Known to components that are made later.
struct PolicyTestSupport {
    // The tags that the definitions would put in force.
    std::function<std::unique_ptr<security::TableFacts>(const std::vector<workspace::Definition>& all)> facts;
    // Empty when a person with these obligations sees `expected` of a table that has the rows `given`; else the
// difference.
    std::function<Result<std::string>(const std::string& table, const Json& given, const Json& expected,
                                      const security::Obligations& obligations)>
        difference;
};

// One test against `files`, which are not the ones that hold. Empty: passed; else what is wrong.
struct PolicyTestWorld {
    std::vector<UserRecord> users;  // all that there are
    std::vector<PolicyFile> files;
    std::vector<PolicyFile> api_roles;
    const security::TableFacts* facts = nullptr;
    const PolicyTestSupport* support = nullptr;
};
Result<std::string> RunPolicyTest(const PolicyTest& test, const PolicyTestWorld& world);

}  // namespace tarn::identity
