#include "access/identity/policy.h"

#include <gtest/gtest.h>

namespace tarn::identity {
namespace {

constexpr const char* kAnalysts = R"(description: Who reads.
roles:
  analyst:
    description: Reads delays.
    members: [user:alice, group:analysts]
    allow:
      - {actions: [table:Read, table:Describe], resources: ["delays.*"]}
    deny:
      - actions: ["*"]
        resources: delays.salaries
groups:
  analysts: [bob, carol]
)";

std::string IssuesOf(std::string_view text) {
    std::vector<ConfigIssue> issues;
    ParsePolicyFile(text, "policies/a.yaml", issues);
    return FormatIssues(issues);
}

TEST(ParsePolicyFile, ReadsRolesGroupsAndLines) {
    auto parsed = ParsePolicyFile(kAnalysts, "policies/analysts.yaml");
    ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
    const RoleDefinition& role = parsed->roles.at("analyst");
    EXPECT_EQ(role.description, "Reads delays.");
    EXPECT_EQ(role.members, (std::vector<std::string>{"user:alice", "group:analysts"}));
    ASSERT_EQ(role.allow.size(), 1u);
    EXPECT_EQ(role.allow[0].actions, (std::vector<std::string>{"table:Read", "table:Describe"}));
    EXPECT_EQ(role.allow[0].line, 7);
    ASSERT_EQ(role.deny.size(), 1u);
    EXPECT_EQ(role.deny[0].resources, std::vector<std::string>{"delays.salaries"});
    EXPECT_EQ(role.deny[0].line, 9);
    EXPECT_EQ(parsed->groups.at("analysts"), (std::vector<std::string>{"bob", "carol"}));
    EXPECT_EQ(parsed->text, kAnalysts);
}

TEST(ParsePolicyFile, AnEmptyFileIsNoPolicy) { EXPECT_EQ(IssuesOf(""), ""); }

TEST(ParsePolicyFile, RefusesByNameWhatItWouldNotApply) {
    for (const char* key : {"tags", "retention"}) {
        std::string issues = IssuesOf(std::string("roles: {}\n") + key + ": []\n");
        EXPECT_NE(issues.find("policies/a.yaml:2"), std::string::npos) << issues;
        EXPECT_NE(issues.find(key), std::string::npos) << issues;
        EXPECT_NE(issues.find("not supported yet"), std::string::npos) << issues;
    }
}

TEST(ParsePolicyFile, ReadsRestrictionsAndChecksWhatTheyName) {
    PolicyFile file = ParsePolicyFile(R"(roles: {analyst: {}}
row_filters: [{role: analyst, table: delays.flights, where: "carrier = 'UA'"}]
masks:
  - {role: analyst, tag: identifying, with: "NULL"}
  - {role: analist, column: delays.flights.flight, with: "hash(flight"}
)",
                                      "policies/a.yaml")
                          .value();
    ASSERT_EQ(file.row_filters.size(), 1u);
    EXPECT_EQ(file.row_filters[0].where, "carrier = 'UA'");
    ASSERT_EQ(file.masks.size(), 2u);
    EXPECT_EQ(file.masks[0].with, "NULL");
    std::vector<std::string> asked;
    auto check = [&](const std::string& sql) -> Status {
        asked.push_back(sql);
        if (sql.find("hash(flight\n") == std::string::npos) return Ok();
        return Error(ErrorCode::kInvalidArgument, "a bracket is missing");
    };
    std::string issues = FormatIssues(CheckPolicyFiles({file}, {}, check));
    EXPECT_EQ(asked.size(), 3u);
    EXPECT_EQ(asked[0], "SELECT 1 FROM restricted WHERE (carrier = 'UA'\n)");
    EXPECT_EQ(issues,
              "policies/a.yaml:5:1: no policy defines role analist\n"
              "policies/a.yaml:5:1: with: a bracket is missing");
}

TEST(ParsePolicyFile, RefusesWithFileAndLine) {
    struct Case {
        const char* text;
        const char* line;
        const char* message;
    };
    const Case cases[] = {
        {"roles:\n  a:\n    allow:\n      - {actions: [Read], resources: ['*']}\n", ":4", "not an action"},
        {"roles:\n  a:\n    allow:\n      - {actions: ['table:'], resources: ['*']}\n", ":4", "not an action"},
        {"roles:\n  a:\n    allow:\n      - {actions: [table:Read]}\n", ":4", "resources"},
        {"roles:\n  a:\n    allow:\n      - {actions: [table:Read], resources: []}\n", ":4", "at least one resource"},
        {"roles:\n  a:\n    alow: []\n", ":3", "allow"},
        {"roles:\n  a:\n    members: [alice]\n", ":3", "user:NAME"},
        {"roles:\n  admin: {}\n", ":", "built in"},
        {"roles:\n  A b: {}\n", ":", "name of a role"},
        {"groups: {g: {x: 1}}\n", ":1", "list of user names"},
        {"groups: [a]\n", ":1", "mapping"},
        {"roles: [\n", ":", ""},
        {"rolles: {}\n", ":1", "roles"},
    };
    for (const Case& bad : cases) {
        std::string issues = IssuesOf(bad.text);
        EXPECT_NE(issues.find(std::string("policies/a.yaml") + bad.line), std::string::npos) << bad.text << issues;
        EXPECT_NE(issues.find(bad.message), std::string::npos) << bad.text << issues;
    }
}

TEST(CheckPolicyFiles, FindsWhatOnlyShowsAcrossFiles) {
    auto first = ParsePolicyFile("roles: {a: {members: [group:g]}}\ngroups: {g: [x]}\n", "policies/1.yaml").value();
    auto second = ParsePolicyFile("roles: {a: {}}\ngroups: {g: [y]}\n", "policies/2.yaml").value();
    auto third = ParsePolicyFile("roles: {b: {members: [group:nobody]}}\n", "policies/3.yaml").value();
    EXPECT_TRUE(CheckPolicyFiles({first}).empty());
    std::string issues = FormatIssues(CheckPolicyFiles({first, second, third}));
    EXPECT_NE(issues.find("role a is already in policies/1.yaml:1"), std::string::npos) << issues;
    EXPECT_NE(issues.find("group g is already in policies/1.yaml"), std::string::npos) << issues;
    EXPECT_NE(issues.find("no file defines group:nobody"), std::string::npos) << issues;
}

TEST(CheckPolicyFiles, ADenyOfAMistypedServiceIsAnIssue) {
    auto file = ParsePolicyFile("roles: {a: {deny: [{actions: ['tabel:Read', '*:Read'], resources: ['*']}]}}\n",
                                "policies/1.yaml");
    ASSERT_TRUE(file.ok());
    std::string issues = FormatIssues(CheckPolicyFiles({*file}, {"table", "lake"}));
    EXPECT_NE(issues.find("did you mean table?"), std::string::npos) << issues;
}

TEST(DescribePolicyFile, DocumentsTheKeys) {
    std::set<std::string> paths;
    for (const ConfigKeyDoc& key : DescribePolicyFile()) paths.insert(key.path);
    EXPECT_TRUE(paths.contains("roles.<name>.members"));
    EXPECT_TRUE(paths.contains("groups"));
}

}  // namespace
}  // namespace tarn::identity
