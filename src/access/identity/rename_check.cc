#include "access/identity/rename_check.h"

#include <algorithm>
#include <map>

#include "access/identity/directory.h"
#include "base/text.h"

namespace tarn::identity {
namespace {

using workspace::Rename;

constexpr const char* kAlert = "alert:";

// One resource under both of its names.
struct Renamed {
    const Rename* rename;
    std::string kind;  // of the resource
    std::string from;
    std::string to;
};

std::vector<Renamed> ResourcesOf(const Rename& rename) {
    std::vector<Renamed> resources;
    std::string from = workspace::DatasetOf(rename.kind, rename.from);
    std::string to = workspace::DatasetOf(rename.kind, rename.to);
    bool is_dataset = !from.empty();
    if (is_dataset) resources.push_back({&rename, "table", from, to});
    for (const char* kind : {"dashboard", "destination", "source"}) {
        if (rename.kind == kind) resources.push_back({&rename, kind, rename.from, rename.to});
    }
    // Any rule of the file; policies that name one by its old name are found by themselves.
    if (rename.kind == "alert") resources.push_back({&rename, "alert", rename.from + ".any", rename.to + ".any"});
    bool is_dashboard = rename.kind == "dashboard";
    bool runs = is_dataset || is_dashboard || rename.kind == "job" || rename.kind == "destination";
    if (!runs) return resources;
    std::string task_kind = rename.kind == "stream" ? "source" : is_dashboard ? "report" : rename.kind;
    std::string end = rename.kind == "destination" || is_dashboard ? ".any" : "";
    resources.push_back({&rename, "run", task_kind + ":" + rename.from + end, task_kind + ":" + rename.to + end});
    return resources;
}

// A user of its own for each role: whoever comes to have it later must not see more either.
std::string StandInFor(const std::string& role) { return "(whoever has role " + role + ")"; }

void AddStandIns(std::vector<PolicyFile>& files, std::vector<UserRecord>& users) {
    for (PolicyFile& file : files) {
        for (auto& [name, role] : file.roles) {
            std::string stand_in = StandInFor(name);
            role.members.push_back("user:" + stand_in);
            auto is_same = [&](const UserRecord& user) { return user.name == stand_in; };
            if (std::none_of(users.begin(), users.end(), is_same)) users.push_back({.name = stand_in});
        }
    }
}

bool KeepsObligations(const security::Obligations& before, const security::Obligations& after) {
    if (!before.row_filter.empty() && before.row_filter != after.row_filter) return false;
    return std::all_of(before.masks.begin(), before.masks.end(), [&](const security::ColumnMask& mask) {
        return std::any_of(after.masks.begin(), after.masks.end(), [&](const security::ColumnMask& other) {
            return EqualsIgnoreCase(mask.column, other.column) && mask.expression == other.expression;
        });
    });
}

class RightsCheck {
  public:
    RightsCheck(const std::vector<UserRecord>& users, RightsWorld before, RightsWorld after,
                const std::set<std::string>& actions)
        : actions_(actions) {
        std::vector<UserRecord> all = users;
        for (RightsWorld* world : {&before, &after}) {
            AddStandIns(world->files, all);
            AddStandIns(world->api_roles, all);
        }
        before_ = std::make_unique<Directory>(all, CompilePolicies(before.files, before.api_roles), 0, before.facts);
        after_ = std::make_unique<Directory>(all, CompilePolicies(after.files, after.api_roles), 0, after.facts);
    }

    // Empty: nothing.
    std::string Opens(const Renamed& resource) const {
        for (const auto& [role, compiled] : before_->policies().roles) {
            std::string opened = OpensDenied(resource, role, *compiled);
            if (!opened.empty()) return opened;
        }
        for (const auto& [name, account] : after_->accounts()) {
            const Account* was = before_->Find(name);
            std::string opened = was ? OpensTo(resource, *was, account) : std::string();
            if (!opened.empty()) return opened;
        }
        return {};
    }

  private:
    template <typename Visit>
    void EachAction(const std::string& kind, const Visit& visit) const {
        for (auto action = actions_.lower_bound(kind + ":"); action != actions_.end(); ++action) {
            if (!action->starts_with(kind + ":")) break;
            if (!visit(*action)) return;
        }
    }
    std::string OpensDenied(const Renamed& resource, const std::string& role, const CompiledRole& was) const {
        auto found = after_->policies().roles.find(role);
        std::string opened;
        EachAction(resource.kind, [&](const std::string& action) {
            const std::string* why = was.Denies(action, resource.from);
            bool denied = found != after_->policies().roles.end() && found->second->Denies(action, resource.to);
            if (!why || denied) return true;
            opened = fmt::format("{} on {} is {}, on {} it is not", action, resource.from, *why, resource.to);
            return false;
        });
        return opened;
    }
    std::string OpensTo(const Renamed& resource, const Account& was, const Account& is) const {
        std::string opened;
        EachAction(resource.kind, [&](const std::string& action) {
            security::Decision before = before_->Decide(was, action, {resource.kind, resource.from});
            security::Decision after = after_->Decide(is, action, {resource.kind, resource.to});
            if (after.allowed && !before.allowed) {
                opened = fmt::format("{} may not {} on {}, and might on {} ({})", was.user.name, action, resource.from,
                                     resource.to, after.reason);
            } else if (after.allowed && !KeepsObligations(before.obligations, after.obligations)) {
                opened = fmt::format("{} sees {} filtered or masked ({}), and would see {} otherwise", was.user.name,
                                     resource.from, before.reason, resource.to);
            }
            return opened.empty();
        });
        return opened;
    }

    const std::set<std::string>& actions_;
    std::unique_ptr<Directory> before_;
    std::unique_ptr<Directory> after_;
};

// Policies of the files that name an old name.
void FindOldNames(const std::map<std::string, std::string>& new_names, const std::vector<PolicyFile>& files,
                  std::vector<ConfigIssue>& issues) {
    auto look = [&](const PolicyFile& file, int line, const std::string& name) {
        auto found = new_names.find(name);
        // Any report of a dashboard; any rule of a file of alerts.
        if (found == new_names.end()) found = new_names.find(name.substr(0, name.rfind('.')) + ".any");
        if (found == new_names.end()) return;
        auto shown = [](std::string text) {
            if (text.starts_with(kAlert)) text.erase(0, std::string_view(kAlert).size());
            if (text.ends_with(".any")) text.replace(text.size() - 3, 3, "*");
            return text;
        };
        issues.push_back({file.file, line, 1,
                          fmt::format("{} is renamed to {}: write that", shown(found->first), shown(found->second))});
    };
    for (const PolicyFile& file : files) {
        for (const auto& [name, role] : file.roles) {
            for (const auto* statements : {&role.allow, &role.deny}) {
                for (const Statement& statement : *statements) {
                    bool alerts = std::any_of(statement.actions.begin(), statement.actions.end(),
                                              [](const std::string& one) { return one.starts_with("alert:"); });
                    for (const std::string& resource : statement.resources) {
                        look(file, statement.line, resource);
                        if (alerts) look(file, statement.line, kAlert + resource);
                    }
                }
            }
        }
        for (const RowFilterDefinition& filter : file.row_filters) look(file, filter.line, filter.table);
        for (const MaskDefinition& mask : file.masks) {
            look(file, mask.line, mask.column.substr(0, mask.column.rfind('.')));
        }
    }
}

}  // namespace

std::vector<ConfigIssue> CheckRenamedRights(const workspace::Renames& renames, const std::vector<UserRecord>& users,
                                            const RightsWorld& before, const RightsWorld& after,
                                            const std::set<std::string>& actions) {
    std::vector<ConfigIssue> issues;
    std::vector<Renamed> resources;
    std::map<std::string, std::string> new_names;
    for (const Rename& rename : renames) {
        for (Renamed& resource : ResourcesOf(rename)) {
            // Names of rules look like those of tables.
            std::string name = resource.kind == "alert" ? kAlert + resource.from : resource.from;
            if (resource.kind != "source") new_names[name] = resource.to;
            resources.push_back(std::move(resource));
        }
    }
    FindOldNames(new_names, after.files, issues);
    if (!issues.empty()) return issues;
    RightsCheck check(users, before, after, actions);
    for (const Renamed& resource : resources) {
        std::string opened = check.Opens(resource);
        if (opened.empty()) continue;
        issues.push_back({resource.rename->file, resource.rename->line, 1,
                          fmt::format("a rename changes no rights, and this one would: {}. Say in the policies the "
                                      "same of the new name; what shall be otherwise is an apply of its own",
                                      opened)});
    }
    return issues;
}

}  // namespace tarn::identity
