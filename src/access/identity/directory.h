// Directory: users, groups, roles and policies at one moment, ready to decide. Immutable; a change makes a new one.
// Internal.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "access/identity/matcher.h"
#include "access/identity/policy.h"
#include "access/identity/store.h"
#include "security/gate.h"

namespace tarn::identity {

// Lets a string_view be looked up in a map of strings without a copy.
struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
template <typename T>
using TextMap = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

// All roles of files and API, compiled. Kept while only users change: compiling is what costs.
struct Policies {
    std::vector<PolicyFile> files;      // of the workspace
    std::vector<PolicyFile> api_roles;  // one role each, `file` is "api"
    std::map<std::string, std::shared_ptr<const CompiledRole>, std::less<>> roles;  // shared by accounts' lists
    // Where a role of a file stands ("policies/a.yaml:3"); empty for others.
    std::string FileOf(std::string_view role) const;
    bool Knows(std::string_view role) const { return role == kAdminRole || roles.contains(role); }
    size_t statements() const;
};
std::shared_ptr<const Policies> CompilePolicies(std::vector<PolicyFile> files, std::vector<PolicyFile> api_roles);

// What was decided for one person, until the facts about tables change. Threads: any.
class DecisionCache {
  public:
    // Nothing: it was not decided yet under these facts.
    std::optional<security::Decision> Find(std::string_view action, const security::Resource& resource,
                                           uint64_t facts) const;
    void Keep(std::string_view action, const security::Resource& resource, uint64_t facts,
              const security::Decision& decision);

  private:
    struct KeyView {
        std::string_view action;
        std::string_view kind;
        std::string_view name;
    };
    struct Key {
        std::string action;
        std::string kind;
        std::string name;
        operator KeyView() const { return {action, kind, name}; }  // NOLINT: a map looks up either
    };
    struct Hash {
        using is_transparent = void;
        size_t operator()(const KeyView& key) const;
    };
    struct Equal {
        using is_transparent = void;
        bool operator()(const KeyView& left, const KeyView& right) const;
    };
    mutable std::shared_mutex mutex_;
    uint64_t facts_ = 0;
    std::unordered_map<Key, security::Decision, Hash, Equal> known_;
};

// One user with what follows from the policies.
struct Account {
    UserRecord user;
    std::vector<std::string> roles;
    std::vector<std::string> groups;
    bool is_admin = false;
    std::vector<const CompiledRole*> compiled;
    // What it must not see. A unique_ptr as it has a lock, and an account moves.
    std::unique_ptr<Restrictions> restrictions;
    std::unique_ptr<DecisionCache> decisions;
};

class Directory {
  public:
    // `facts` may be null; else they outlive it.
    Directory(std::vector<UserRecord> users, std::shared_ptr<const Policies> policies, uint64_t epoch,
              const security::TableFacts* facts = nullptr);
    const Account* Find(std::string_view user) const;
    security::Decision Decide(const Account& account, std::string_view action,
                              const security::Resource& resource) const;
    const TextMap<Account>& accounts() const { return accounts_; }
    const Policies& policies() const { return *policies_; }
    const std::shared_ptr<const Policies>& shared_policies() const { return policies_; }
    std::vector<UserRecord> Users() const;  // sorted by name
    uint64_t epoch() const { return epoch_; }
    int admins() const;

  private:
    security::Decision WorkOut(const Account& account, std::string_view action,
                               const security::Resource& resource) const;
    // As a statement about `name` has it.
    security::Decision WorkOut(const Account& account, std::string_view action, const security::Resource& resource,
                               const std::string& name) const;
    void AddMembers(const PolicyFile& file, const std::map<std::string, std::vector<std::string>>& groups);
    void AddRole(const std::string& user, const std::string& role);
    // Why the account may not see the object, which is a file of a table that is filtered or masked for it; or nothing.
    std::string RestrictedBy(const Account& account, std::string_view action, const security::Resource& resource) const;
    security::Decision Allowed(const Account& account, const security::Resource& resource, std::string reason) const;

    TextMap<Account> accounts_;
    std::shared_ptr<const Policies> policies_;
    uint64_t epoch_;
    const security::TableFacts* facts_;
};

}  // namespace tarn::identity
