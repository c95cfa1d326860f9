// Policy files: IAM-style statements as people write them, parsed and checked. Pure: no state, no IO.
//
//   roles:
//     analyst:
//       members: [user:alice, group:analysts]
//       allow: [{actions: [table:Read], resources: ["delays.*"]}]
//       deny:  [{actions: ["*"], resources: ["delays.salaries"]}]
//   groups: {analysts: [bob]}
//   row_filters, masks: restriction.h
//
// `*` stands for any run of characters ('.' and '/' too), `?` for one, in actions and in resources. Deny wins; what no
// statement allows is denied. tags and retention are refused by name until Tarn applies them: a policy that is read is
// a policy that holds.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "access/identity/restriction.h"
#include "base/config.h"
#include "base/result.h"

namespace tarn::identity {

// The built-in role that may everything; no file and no API call defines it.
inline constexpr std::string_view kAdminRole = "admin";

// The member that is each user.
inline constexpr std::string_view kEverybody = "user:*";

struct Statement {
    std::vector<std::string> actions;    // "table:Read", "lake:*", "*"
    std::vector<std::string> resources;  // names: "delays.*", "raw/registry/*"
    int line = 0;
};

struct RoleDefinition {
    std::string description;
    std::vector<std::string> members;  // "user:alice", "group:analysts", "user:*"
    std::vector<Statement> allow;
    std::vector<Statement> deny;
    int line = 0;
};

struct PolicyFile {
    std::string file;  // "policies/analysts.yaml"; of roles made by the API: "api"
    std::string text;
    std::string description;
    std::string owner;
    std::map<std::string, RoleDefinition> roles;
    std::map<std::string, std::vector<std::string>> groups;
    std::vector<RowFilterDefinition> row_filters;
    std::vector<MaskDefinition> masks;
};

// Adds what is wrong to `issues`, with file and line; what could be read is returned all the same.
PolicyFile ParsePolicyFile(std::string_view text, const std::string& file, std::vector<ConfigIssue>& issues);
// kInvalidArgument with all issues.
Result<PolicyFile> ParsePolicyFile(std::string_view text, const std::string& file);
std::vector<ConfigKeyDoc> DescribePolicyFile();

// Is `sql`, a SELECT of one expression over one table, one that the engine takes?
using SelectCheck = std::function<Status(const std::string& sql)>;

// What only shows across files: a role or group defined twice, members of a group that nobody defines, restrictions of
// roles that are not there, expressions that are none, and actions of a service that does not exist (a deny with a
// typing error would deny nothing). No `services`, no `select_check`: not checked.
std::vector<ConfigIssue> CheckPolicyFiles(const std::vector<PolicyFile>& files,
                                          const std::set<std::string>& services = {},
                                          const SelectCheck& select_check = {});

// A role's or group's name: a lower-case letter, then letters, digits, '_' or '-'; at most 63 bytes.
bool IsPolicyName(std::string_view name);

}  // namespace tarn::identity
