#include "access/identity/policy.h"

#include <algorithm>

#include "base/text.h"

namespace tarn::identity {
namespace {

constexpr std::string_view kUserMember = "user:";
constexpr std::string_view kGroupMember = "group:";

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// "service:Verb" with wildcards, or "*".
bool IsActionPattern(std::string_view pattern) {
    if (pattern == "*") return true;
    size_t colon = pattern.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon + 1 == pattern.size()) return false;
    return std::all_of(pattern.begin(), pattern.end(), [](char c) {
        return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == ':' || c == '*' || c == '?' || c == '_' || c == '-';
    });
}

void CheckStatement(ConfigBinder& binder, const Statement& statement) {
    if (binder.describing()) return;
    if (statement.actions.empty()) binder.Report("actions", "a statement needs at least one action");
    if (statement.resources.empty()) binder.Report("resources", "a statement needs at least one resource");
    for (const std::string& action : statement.actions) {
        if (IsActionPattern(action)) continue;
        binder.Report("actions", fmt::format("\"{}\" is not an action: write service:Verb, as in table:Read, "
                                             "table:* or *",
                                             action));
    }
    for (const std::string& resource : statement.resources) {
        if (resource.empty()) binder.Report("resources", "a resource must not be empty; * means all");
    }
}

void CheckMembers(ConfigBinder& binder, const RoleDefinition& role) {
    for (const std::string& member : role.members) {
        bool is_user = member.starts_with(kUserMember) && member.size() > kUserMember.size();
        bool is_group = member.starts_with(kGroupMember) && member.size() > kGroupMember.size();
        if (is_user || is_group) continue;
        binder.Report("members", fmt::format("\"{}\" is not a member: write user:NAME or group:NAME", member));
    }
}

}  // namespace

// In the namespace of the structs, so that ConfigBinder finds them.
void Bind(ConfigBinder& binder, Statement& statement) {
    statement.line = binder.LineOf("");
    binder.Key("actions", statement.actions, "What is done: service:Verb; * and ? are wildcards.",
               ConfigBinder::Need::kRequired);
    binder.Key("resources", statement.resources, "What it is done to, by name; * and ? are wildcards.",
               ConfigBinder::Need::kRequired);
    CheckStatement(binder, statement);
}

void Bind(ConfigBinder& binder, RoleDefinition& role) {
    role.line = binder.LineOf("");
    binder.Key("description", role.description, "What this role is for.");
    binder.Key("members", role.members, "Who has this role: user:NAME, group:NAME or user:* (everybody).");
    binder.List("allow", role.allow, "What the role may do.");
    binder.List("deny", role.deny, "What the role may not do, whatever else allows it.");
    CheckMembers(binder, role);
}

namespace {

void BindGroups(ConfigBinder& binder, PolicyFile& policy) {
    Json groups = Json::object();
    binder.Any("groups", groups, "Groups of users: a list of names each.");
    if (groups.is_null()) return;
    if (!groups.is_object()) return binder.Report("groups", "groups must be a mapping from a name to a list of users");
    for (const auto& [name, users] : groups.items()) {
        if (!IsPolicyName(name)) binder.Report("groups", fmt::format("\"{}\" cannot be the name of a group", name));
        std::vector<std::string>& members = policy.groups[name];
        bool is_list = users.is_array();
        for (const Json& user : is_list ? users : Json::array()) {
            is_list = is_list && user.is_string();
            if (user.is_string()) members.push_back(user.get<std::string>());
        }
        if (!is_list) binder.Report("groups", fmt::format("group {} must be a list of user names", name));
    }
}

void BindRoles(ConfigBinder& binder, PolicyFile& policy) {
    binder.Map("roles", policy.roles, "Roles: who has them, and what they may do.");
    for (const auto& [name, role] : policy.roles) {
        if (binder.describing()) return;
        if (name == kAdminRole) {
            binder.Report("roles", "role admin is built in and may everything: give it with `tarn user grant`");
        } else if (!IsPolicyName(name)) {
            binder.Report("roles", fmt::format("\"{}\" cannot be the name of a role", name));
        }
    }
}

void Bind(ConfigBinder& binder, PolicyFile& policy) {
    binder.Key("description", policy.description, "What this file is for.");
    binder.Key("owner", policy.owner, "Who answers for it.");
    BindRoles(binder, policy);
    BindGroups(binder, policy);
    binder.List("row_filters", policy.row_filters, "Which rows of a table somebody sees.");
    binder.List("masks", policy.masks, "What somebody sees instead of a column's values.");
    for (const char* name : {"tags", "retention"}) {
        binder.NotYet(name, "comes with governance; this version would not apply it");
    }
}

ConfigIssue IssueAt(const PolicyFile& file, int line, std::string message) {
    return {.file = file.file, .line = line, .column = 1, .message = std::move(message)};
}

void CheckServices(const PolicyFile& file, const std::vector<Statement>& statements,
                   const std::set<std::string>& services, std::vector<ConfigIssue>& issues) {
    for (const Statement& statement : statements) {
        for (const std::string& action : statement.actions) {
            std::string service = action.substr(0, action.find(':'));
            bool has_wildcard = service.find_first_of("*?") != std::string::npos;
            if (has_wildcard || services.contains(service)) continue;
            std::string near = NearestWord(service, {services.begin(), services.end()});
            std::string message = fmt::format("no service is called \"{}\" (action {})", service, action);
            if (!near.empty()) message += fmt::format("; did you mean {}?", near);
            issues.push_back(IssueAt(file, statement.line, std::move(message)));
        }
    }
}

// Everything that the checks of restrictions need to know of all files together.
struct KnownNames {
    std::set<std::string> roles = {std::string(kAdminRole), "*"};
    std::set<std::string> groups;
};

std::string UnknownIn(const RestrictedSubject& subject, const KnownNames& known) {
    if (!subject.role.empty() && !known.roles.contains(subject.role)) return "role " + subject.role;
    for (const std::string& one : subject.except) {
        std::string name = one.substr(one.find(':') + 1);
        if (one.starts_with("role:") && !known.roles.contains(name)) return "role " + name;
        if (one.starts_with("group:") && !known.groups.contains(name)) return "group " + name;
    }
    return {};
}

void CheckRestrictions(const PolicyFile& file, const KnownNames& known, const SelectCheck& select_check,
                       std::vector<ConfigIssue>& issues) {
    auto check = [&](const RestrictedSubject& subject, int line, const std::string& key, const std::string& sql) {
        std::string unknown = UnknownIn(subject, known);
        if (!unknown.empty()) issues.push_back(IssueAt(file, line, fmt::format("no policy defines {}", unknown)));
        Status status = select_check ? select_check(sql) : Ok();
        if (!status.ok()) issues.push_back(IssueAt(file, line, fmt::format("{}: {}", key, status.error().message())));
    };
    for (const RowFilterDefinition& filter : file.row_filters) {
        std::string where = FillExpression(filter.where, "", "someone");
        check(filter.subject, filter.line, "where", fmt::format("SELECT 1 FROM restricted WHERE ({}\n)", where));
    }
    for (const MaskDefinition& mask : file.masks) {
        std::string with = FillExpression(mask.with, "value", "someone");
        check(mask.subject, mask.line, "with", fmt::format("SELECT ({}\n) FROM restricted", with));
    }
}

}  // namespace

bool IsPolicyName(std::string_view name) {
    if (name.empty() || name.size() > 63 || name.front() < 'a' || name.front() > 'z') return false;
    return std::all_of(name.begin(), name.end(), [](char c) { return IsLowerOrDigit(c) || c == '_' || c == '-'; });
}

PolicyFile ParsePolicyFile(std::string_view text, const std::string& file, std::vector<ConfigIssue>& issues) {
    PolicyFile policy;
    auto found = ReadConfig(text, file, 1, [&](ConfigBinder& binder) { Bind(binder, policy); });
    issues.insert(issues.end(), found.begin(), found.end());
    policy.file = file;
    policy.text = text;
    return policy;
}

Result<PolicyFile> ParsePolicyFile(std::string_view text, const std::string& file) {
    std::vector<ConfigIssue> issues;
    PolicyFile policy = ParsePolicyFile(text, file, issues);
    if (!issues.empty()) return Error(ErrorCode::kInvalidArgument, "{}", FormatIssues(issues));
    return policy;
}

std::vector<ConfigKeyDoc> DescribePolicyFile() {
    PolicyFile policy;
    return DescribeKeys([&](ConfigBinder& binder) { Bind(binder, policy); });
}

std::vector<ConfigIssue> CheckPolicyFiles(const std::vector<PolicyFile>& files, const std::set<std::string>& services,
                                          const SelectCheck& select_check) {
    std::vector<ConfigIssue> issues;
    std::map<std::string, std::string> roles;
    std::map<std::string, std::string> groups;
    for (const PolicyFile& file : files) {
        for (const auto& [name, role] : file.roles) {
            auto [first, is_new] = roles.emplace(name, fmt::format("{}:{}", file.file, role.line));
            if (is_new) continue;
            std::string why = fmt::format("role {} is already in {}", name, first->second);
            if (first->second.starts_with("api:")) {
                why = fmt::format(
                    "role {} was made by the API and is another one there: write it as `tarn pull` does, and "
                    "this file takes it over; or delete it there",
                    name);
            }
            issues.push_back(IssueAt(file, role.line, why));
        }
        for (const auto& [name, users] : file.groups) {
            auto [first, is_new] = groups.emplace(name, file.file);
            if (is_new) continue;
            issues.push_back(IssueAt(file, 1, fmt::format("group {} is already in {}", name, first->second)));
        }
    }
    KnownNames known;
    for (const auto& [name, place] : roles) known.roles.insert(name);
    for (const auto& [name, place] : groups) known.groups.insert(name);
    for (const PolicyFile& file : files) {
        CheckRestrictions(file, known, select_check, issues);
        for (const auto& [name, role] : file.roles) {
            for (const std::string& member : role.members) {
                if (!member.starts_with(kGroupMember) || groups.contains(member.substr(kGroupMember.size()))) continue;
                issues.push_back(IssueAt(file, role.line, fmt::format("role {}: no file defines {}", name, member)));
            }
            if (services.empty()) continue;
            CheckServices(file, role.allow, services, issues);
            CheckServices(file, role.deny, services, issues);
        }
    }
    return issues;
}

}  // namespace tarn::identity
