#include "access/identity/directory.h"

#include <algorithm>
#include <mutex>

#include "access/identity/built_in.h"
#include "base/text.h"

namespace tarn::identity {
namespace {

constexpr size_t kDecisionsKeptMax = 4096;  // of one person; then they are made anew

}  // namespace

size_t DecisionCache::Hash::operator()(const KeyView& key) const {
    std::hash<std::string_view> hash;
    // The name differs most; kind and action are short and few.
    return hash(key.name) * 31 + hash(key.action) * 7 + key.kind.size();
}

bool DecisionCache::Equal::operator()(const KeyView& left, const KeyView& right) const {
    return left.name == right.name && left.action == right.action && left.kind == right.kind;
}

std::optional<security::Decision> DecisionCache::Find(std::string_view action, const security::Resource& resource,
                                                      uint64_t facts) const {
    std::shared_lock lock(mutex_);
    if (facts_ != facts) return std::nullopt;
    auto found = known_.find(KeyView{action, resource.kind, resource.name});
    return found == known_.end() ? std::nullopt : std::optional(found->second);
}

void DecisionCache::Keep(std::string_view action, const security::Resource& resource, uint64_t facts,
                         const security::Decision& decision) {
    std::unique_lock lock(mutex_);
    if (facts_ > facts) return;
    if (facts_ != facts || known_.size() >= kDecisionsKeptMax) known_.clear();
    facts_ = facts;
    known_.insert_or_assign(Key{std::string(action), resource.kind, resource.name}, decision);
}

std::string Policies::FileOf(std::string_view role) const {
    for (const PolicyFile& file : files) {
        auto found = file.roles.find(std::string(role));
        if (found != file.roles.end()) return fmt::format("{}:{}", file.file, found->second.line);
    }
    return {};
}

size_t Policies::statements() const {
    size_t count = 0;
    for (const auto& [name, role] : roles) count += role->statements();
    return count;
}

std::shared_ptr<const Policies> CompilePolicies(std::vector<PolicyFile> files, std::vector<PolicyFile> api_roles) {
    auto policies = std::make_shared<Policies>();
    policies->files = std::move(files);
    policies->api_roles = std::move(api_roles);
    for (const auto* list : {&policies->files, &policies->api_roles}) {
        for (const PolicyFile& file : *list) {
            for (const auto& [name, role] : file.roles) {
                policies->roles.emplace(name, std::make_shared<CompiledRole>(file.file, name, role));
            }
        }
    }
    return policies;
}

Directory::Directory(std::vector<UserRecord> users, std::shared_ptr<const Policies> policies, uint64_t epoch,
                     const security::TableFacts* facts)
    : policies_(std::move(policies)), epoch_(epoch), facts_(facts) {
    for (UserRecord& user : users) {
        std::string name = user.name;
        accounts_[name].user = std::move(user);
    }
    std::map<std::string, std::vector<std::string>> groups;
    for (const PolicyFile& file : policies_->files) {
        for (const auto& [group, members] : file.groups) {
            groups[group] = members;
            for (const std::string& member : members) {
                auto found = accounts_.find(member);
                if (found != accounts_.end()) found->second.groups.push_back(group);
            }
        }
    }
    for (const PolicyFile& file : policies_->files) AddMembers(file, groups);
    for (const PolicyFile& file : policies_->api_roles) AddMembers(file, groups);
    for (auto& [name, account] : accounts_) {
        std::vector<std::string> granted = account.user.granted;
        for (const std::string& role : granted) {
            // What the API granted counts for roles that are the API's own: a file's role has its members in the file.
            if (policies_->Knows(role) && policies_->FileOf(role).empty()) AddRole(name, role);
        }
        account.decisions = std::make_unique<DecisionCache>();
        account.restrictions =
            std::make_unique<Restrictions>(RestrictedPerson{name, account.roles, account.groups}, facts_);
        for (const PolicyFile& file : policies_->files) {
            for (const RowFilterDefinition& filter : file.row_filters) account.restrictions->Add(file.file, filter);
            for (const MaskDefinition& mask : file.masks) account.restrictions->Add(file.file, mask);
        }
    }
}

void Directory::AddMembers(const PolicyFile& file, const std::map<std::string, std::vector<std::string>>& groups) {
    for (const auto& [role, definition] : file.roles) {
        for (const std::string& member : definition.members) {
            std::string name = member.substr(member.find(':') + 1);
            if (member == kEverybody) {
                for (const auto& [user, account] : accounts_) AddRole(user, role);
                continue;
            }
            if (member.starts_with("user:")) AddRole(name, role);
            auto group = member.starts_with("group:") ? groups.find(name) : groups.end();
            if (group == groups.end()) continue;
            for (const std::string& user : group->second) AddRole(user, role);
        }
    }
}

void Directory::AddRole(const std::string& user, const std::string& role) {
    auto found = accounts_.find(user);
    if (found == accounts_.end()) return;
    Account& account = found->second;
    if (std::find(account.roles.begin(), account.roles.end(), role) != account.roles.end()) return;
    account.roles.push_back(role);
    if (role == kAdminRole) account.is_admin = true;
    auto compiled = policies_->roles.find(role);
    if (compiled != policies_->roles.end()) account.compiled.push_back(compiled->second.get());
}

const Account* Directory::Find(std::string_view user) const {
    auto found = accounts_.find(user);
    return found == accounts_.end() ? nullptr : &found->second;
}

security::Decision Directory::Decide(const Account& account, std::string_view action,
                                     const security::Resource& resource) const {
    if (resource.kind == "lake")
        return WorkOut(account, action, resource);  // too many names for their answers to be kept
    // Read before the facts themselves: what is kept may then be newer than it is kept for, never older.
    uint64_t facts = facts_ ? facts_->facts_epoch() : 0;
    if (auto known = account.decisions->Find(action, resource, facts)) return *std::move(known);
    security::Decision decision = WorkOut(account, action, resource);
    account.decisions->Keep(action, resource, facts, decision);
    return decision;
}

namespace {

constexpr std::string_view kTopicSchema = "topic.";

// A topic is a table to SQL, and one thing to policies: who reads topic.x there needs topic:Read on x.
bool IsTopicTable(const security::Resource& resource) {
    return resource.kind == "table" && resource.name.starts_with(kTopicSchema);
}

}  // namespace

security::Decision Directory::WorkOut(const Account& account, std::string_view action,
                                      const security::Resource& resource) const {
    if (!IsTopicTable(resource)) return WorkOut(account, action, resource, resource.name);
    std::string_view name = std::string_view(resource.name).substr(kTopicSchema.size());
    if (action == "table:Read") action = "topic:Read";
    if (action == "table:Describe") action = "topic:Describe";
    return WorkOut(account, action, resource, std::string(name));
}

security::Decision Directory::WorkOut(const Account& account, std::string_view action,
                                      const security::Resource& resource, const std::string& name) const {
    std::string restricted = RestrictedBy(account, action, resource);
    if (!restricted.empty()) return {.reason = std::move(restricted), .restricted = true, .epoch = epoch_};
    if (account.is_admin) return Allowed(account, resource, "allowed: role admin may everything");
    for (const CompiledRole* role : account.compiled) {
        const std::string* why = role->Denies(action, name);
        if (why) return {.allowed = false, .reason = *why, .epoch = epoch_};
    }
    for (const CompiledRole* role : account.compiled) {
        const std::string* why = role->Allows(action, name);
        if (why) return Allowed(account, resource, *why);
    }
    if (IsBuiltIn(account.user.name, action, name)) {
        return {.allowed = true, .reason = "allowed: built in, for everybody who is logged in", .epoch = epoch_};
    }
    std::string reason = account.roles.empty() ? fmt::format("{} has no role, so nothing is allowed", account.user.name)
                                               : fmt::format("no statement of {}'s roles ({}) allows it",
                                                             account.user.name, Join(account.roles, ", "));
    return {.allowed = false, .reason = std::move(reason), .epoch = epoch_};
}

security::Decision Directory::Allowed(const Account& account, const security::Resource& resource,
                                      std::string reason) const {
    security::Decision decision{.allowed = true, .reason = std::move(reason), .epoch = epoch_};
    if (resource.kind != "table" || account.restrictions->empty()) return decision;
    auto of_table = account.restrictions->Of(resource.name);
    decision.obligations = of_table->obligations;
    if (!decision.obligations.empty()) decision.reason += "; restricted by " + of_table->reason;
    return decision;
}

std::string Directory::RestrictedBy(const Account& account, std::string_view action,
                                    const security::Resource& resource) const {
    if (resource.kind == "topic" && action == "topic:Read" && !account.restrictions->empty()) {
        auto of_topic = account.restrictions->Of(std::string(kTopicSchema) + resource.name);
        if (of_topic->obligations.empty()) return {};
        return fmt::format("topic.{} is filtered or masked by {}: read it by SQL", resource.name, of_topic->reason);
    }
    // Who writes or deletes a file learns nothing of it; everything else on an object could tell what is in it.
    bool tells_nothing = action == "lake:PutObject" || action == "lake:DeleteObject";
    if (resource.kind != "lake" || account.restrictions->empty() || !facts_ || tells_nothing) return {};
    std::string table = facts_->TableOfObject(resource.name);
    if (table.empty()) return {};
    if (facts_->IsBeingRenamed(table)) return fmt::format("{} is being renamed; ask again", table);
    auto of_table = account.restrictions->Of(table);
    if (of_table->obligations.empty()) return {};
    return fmt::format("{} is filtered or masked by {}: read it by SQL, not by its files", table, of_table->reason);
}

std::vector<UserRecord> Directory::Users() const {
    std::vector<UserRecord> users;
    for (const auto& [name, account] : accounts_) users.push_back(account.user);
    std::sort(users.begin(), users.end(), [](const auto& left, const auto& right) { return left.name < right.name; });
    return users;
}

int Directory::admins() const {
    return static_cast<int>(
        std::count_if(accounts_.begin(), accounts_.end(), [](const auto& item) { return item.second.is_admin; }));
}

}  // namespace tarn::identity
