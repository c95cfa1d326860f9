#include "access/identity/policy_case.h"

#include <algorithm>

#include "access/identity/directory.h"
#include "base/text.h"

namespace tarn::identity {

void Bind(ConfigBinder& binder, PolicyQuestion& question) {
    using Need = ConfigBinder::Need;
    binder.Key("action", question.action, "What is done: `service:Verb`.", Need::kRequired);
    binder.Key("resource", question.resource, "What it is done to, by name.", Need::kRequired);
    if (binder.describing()) return;
    if (question.action.find(':') == std::string::npos) {
        binder.Report("action", fmt::format("\"{}\" is no action: write service:Verb, as table:Read", question.action));
    }
}

namespace {

struct PersonDoc {
    std::string user;
    std::vector<std::string> roles;
    std::vector<std::string> groups;
};
void Bind(ConfigBinder& binder, PersonDoc& person) {
    binder.Key("user", person.user, "A user's name; need not exist.");
    binder.Key("roles", person.roles, "Roles that the person has in this test, besides those that the policies say.");
    binder.Key("groups", person.groups, "Groups that the person is in, in this test.");
}

struct CaseDoc {
    std::string name;
    PersonDoc as;
    std::vector<PolicyQuestion> may;
    std::vector<PolicyQuestion> may_not;
    Json given = Json::object();
    Json sees = Json::object();
    int line = 0;
};

bool AreRowsByTable(const Json& value) {
    if (!value.is_object()) return false;
    for (const auto& [table, rows] : value.items()) {
        if (!rows.is_array() || table.find('.') == std::string::npos) return false;
    }
    return true;
}

void Bind(ConfigBinder& binder, CaseDoc& test) {
    binder.Key("name", test.name, "What is shown, as a sentence.", ConfigBinder::Need::kRequired);
    binder.Section("as", test.as, "The person whom the test is about.");
    binder.List("may", test.may, "What the person may do.");
    binder.List("may_not", test.may_not, "What the person may not do.");
    binder.Any("given", test.given, "Rows of tables, as `{schema.table: [{column: value}]}`.");
    binder.Any("sees", test.sees, "What the person sees of them, in the same form.");
    if (binder.describing()) return;
    test.line = binder.LineOf("name");
    for (auto [key, value] : {std::pair("given", &test.given), std::pair("sees", &test.sees)}) {
        if (!AreRowsByTable(*value)) binder.Report(key, fmt::format("{} maps schema.table to a list of rows", key));
    }
    if (test.may.empty() && test.may_not.empty() && test.sees.empty()) {
        binder.Report("", "a policy's test needs one of may, may_not, sees");
    }
}

struct FileDoc {
    std::string description;
    std::string owner;
    std::vector<CaseDoc> tests;
};
void Bind(ConfigBinder& binder, FileDoc& file) {
    binder.Key("description", file.description, "What is tested.");
    binder.Key("owner", file.owner, "Who answers for it.");
    binder.List("tests", file.tests, "The tests; `tarn test` runs them.");
}

// Gives the person the roles and groups of the test, as the files would.
Status Enlist(const PolicyTest& test, PolicyTestWorld& world, UserRecord& person) {
    for (const std::string& role : test.roles) {
        bool of_api = role == kAdminRole;
        for (const PolicyFile& file : world.api_roles) of_api = of_api || file.roles.contains(role);
        if (of_api) {
            person.granted.push_back(role);
            continue;
        }
        auto has = [&](const PolicyFile& file) { return file.roles.contains(role); };
        auto file = std::find_if(world.files.begin(), world.files.end(), has);
        if (file == world.files.end()) return Error(ErrorCode::kInvalidArgument, "there is no role {}", role);
        file->roles[role].members.push_back("user:" + person.name);
    }
    for (const std::string& group : test.groups) {
        auto has = [&](const PolicyFile& file) { return file.groups.contains(group); };
        auto file = std::find_if(world.files.begin(), world.files.end(), has);
        if (file == world.files.end()) return Error(ErrorCode::kInvalidArgument, "there is no group {}", group);
        file->groups[group].push_back(person.name);
    }
    return Ok();
}

security::Resource ResourceOf(const PolicyQuestion& question) {
    return {question.action.substr(0, question.action.find(':')), question.resource};
}

Result<std::string> SeesWhat(const PolicyTest& test, const PolicyTestWorld& world, const Directory& directory,
                             const Account& account) {
    for (const auto& [table, expected] : test.sees) {
        security::Decision decision = directory.Decide(account, "table:Read", {"table", table});
        if (!decision.allowed) return fmt::format("{} may not read {}: {}", test.user, table, decision.reason);
        auto given = test.given.find(table);
        if (given == test.given.end()) return fmt::format("`given` has no rows of {}", table);
        std::string difference =
            TRY_CONTEXT(world.support->difference(table, given->second, expected, decision.obligations), table);
        if (difference.empty()) continue;
        std::string why = decision.obligations.empty() ? "nothing is filtered or masked" : decision.reason;
        return fmt::format("{}: {} ({})", table, difference, why);
    }
    return std::string();
}

}  // namespace

std::vector<ConfigKeyDoc> PolicyTestKeys() { return DescribeConfig<FileDoc>(); }

void ParsePolicyTests(workspace::Definition& definition, workspace::Issues& issues) {
    FileDoc file;
    auto found = ReadConfig(definition.text, definition.file, 1, [&](ConfigBinder& binder) { Bind(binder, file); });
    issues.insert(issues.end(), found.begin(), found.end());
    definition.description = file.description;
    definition.owner = file.owner;
    PolicyTestFile tests;
    for (CaseDoc& doc : file.tests) {
        PolicyTest test{.name = doc.name, .user = doc.as.user, .roles = doc.as.roles, .groups = doc.as.groups};
        if (test.user.empty()) test.user = "somebody";
        test.may = std::move(doc.may);
        test.may_not = std::move(doc.may_not);
        for (const auto& [table, rows] : doc.given.items()) test.given[table] = rows;
        for (const auto& [table, rows] : doc.sees.items()) test.sees[table] = rows;
        test.file = definition.file;
        test.line = doc.line;
        tests.tests.push_back(std::move(test));
    }
    definition.value = std::move(tests);
}

Result<std::string> RunPolicyTest(const PolicyTest& test, const PolicyTestWorld& given_world) {
    PolicyTestWorld world = given_world;
    UserRecord person{.name = test.user};
    for (const UserRecord& user : world.users) {
        if (user.name == test.user) person = user;
    }
    TRY(Enlist(test, world, person));
    Directory directory({person}, CompilePolicies(world.files, world.api_roles), 0, world.facts);
    const Account& account = *directory.Find(test.user);
    for (const PolicyQuestion& question : test.may) {
        security::Decision decision = directory.Decide(account, question.action, ResourceOf(question));
        if (decision.allowed) continue;
        return fmt::format("{} may not {} {}: {}", test.user, question.action, question.resource, decision.reason);
    }
    for (const PolicyQuestion& question : test.may_not) {
        security::Decision decision = directory.Decide(account, question.action, ResourceOf(question));
        if (!decision.allowed) continue;
        return fmt::format("{} may {} {}: {}", test.user, question.action, question.resource, decision.reason);
    }
    return SeesWhat(test, world, directory, account);
}

}  // namespace tarn::identity
