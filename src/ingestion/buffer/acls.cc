#include "ingestion/buffer/acls.h"

#include <algorithm>
#include <set>

#include "base/crypto.h"
#include "base/text.h"

namespace tarn::buffer {
namespace {

constexpr std::string_view kRoleStart = "kafka-acl-";
constexpr std::string_view kClusterName = "kafka-cluster";
constexpr std::string_view kUser = "User:";

struct Meaning {
    AclResource resource;
    AclOperation operation;
    std::string_view action;
    std::vector<std::string_view> implied = {};  // of who is allowed it
};

const std::vector<Meaning>& Meanings() {
    using enum AclOperation;
    static const std::vector<Meaning> kMeanings = {
        {AclResource::kTopic, kAll, "topic:*"},
        {AclResource::kTopic, kRead, "topic:Read", {"topic:Describe"}},
        {AclResource::kTopic, kWrite, "topic:Write", {"topic:Describe"}},
        {AclResource::kTopic, kCreate, "topic:Create"},
        {AclResource::kTopic, kDelete, "topic:Delete", {"topic:Describe"}},
        {AclResource::kTopic, kAlter, "topic:Alter", {"topic:Describe"}},
        {AclResource::kTopic, kDescribe, "topic:Describe"},
        {AclResource::kTopic, kDescribeConfigs, "topic:DescribeConfigs"},
        {AclResource::kTopic, kAlterConfigs, "topic:AlterConfigs", {"topic:DescribeConfigs"}},
        {AclResource::kGroup, kAll, "group:*"},
        {AclResource::kGroup, kRead, "group:Read", {"group:Describe"}},
        {AclResource::kGroup, kDelete, "group:Delete", {"group:Describe"}},
        {AclResource::kGroup, kDescribe, "group:Describe"},
        {AclResource::kTransactionalId, kAll, "transaction:*"},
        {AclResource::kTransactionalId, kWrite, "transaction:Write", {"transaction:Describe"}},
        {AclResource::kTransactionalId, kDescribe, "transaction:Describe"},
        // Whoever logs in may do these two; the third is of topics.
        {AclResource::kCluster, kDescribe, "platform:DescribeCluster"},
        {AclResource::kCluster, kIdempotentWrite, "platform:IdempotentWrite"},
        {AclResource::kCluster, kCreate, "platform:CreateTopics", {"topic:Create"}},
    };
    return kMeanings;
}

const Meaning* Find(AclResource resource, AclOperation operation) {
    for (const Meaning& one : Meanings()) {
        if (one.resource == resource && one.operation == operation) return &one;
    }
    return nullptr;
}

bool HasWildcard(std::string_view name) { return name.find_first_of("*?") != std::string_view::npos; }

security::RoleStatement StatementOf(const Acl& acl) {
    const Meaning& meaning = *Find(acl.resource, acl.operation);
    security::RoleStatement statement;
    statement.actions.emplace_back(meaning.action);
    if (acl.permission == AclPermission::kAllow || acl.resource == AclResource::kCluster) {
        for (std::string_view implied : meaning.implied) statement.actions.emplace_back(implied);
    }
    bool cluster = acl.resource == AclResource::kCluster;
    statement.resources.push_back(cluster ? "*" : acl.name + (acl.pattern == AclPattern::kPrefixed ? "*" : ""));
    return statement;
}

// The name and pattern of a resource as policies write it; false: Kafka has no word for it.
bool PatternOf(const std::string& resource, Acl& acl) {
    acl.pattern = AclPattern::kLiteral;
    acl.name = resource;
    if (acl.resource == AclResource::kCluster) {
        acl.name = kClusterName;
        return resource == "*";
    }
    if (resource == "*" || !HasWildcard(resource)) return true;
    if (!resource.ends_with('*') || HasWildcard(std::string_view(resource).substr(0, resource.size() - 1)))
        return false;
    acl.pattern = AclPattern::kPrefixed;
    acl.name.pop_back();
    return true;
}

// The rules that an action on a resource is; of policies' "*" several.
void ListAction(const std::string& action, const std::string& resource, const Acl& as, std::vector<Acl>& into) {
    bool all = action == "*" || action == "*:*";
    for (const Meaning& meaning : Meanings()) {
        bool meant = all ? meaning.operation == AclOperation::kAll : meaning.action == action;
        if (!meant) continue;
        Acl acl = as;
        acl.resource = meaning.resource;
        acl.operation = meaning.operation;
        if (PatternOf(resource, acl)) into.push_back(std::move(acl));
    }
}

std::vector<Acl> AclsOf(const security::RoleStatement& statement, bool own, const Acl& as) {
    std::vector<Acl> acls;
    for (const std::string& action : statement.actions) {
        for (const std::string& resource : statement.resources) ListAction(action, resource, as, acls);
        if (own) break;  // the rest is what it implies
    }
    return acls;
}

std::string MemberOf(const std::string& principal) { return "user:" + principal.substr(kUser.size()); }

void List(const security::StoredRole& role, std::vector<Acls::Listed>& into) {
    bool own = role.file.empty() && role.name.starts_with(kRoleStart);
    std::vector<std::string> principals;
    if (own) {
        for (const std::string& member : role.members) principals.push_back(member.substr(member.find(':') + 1));
    } else {
        principals = role.users;
    }
    for (const std::string& principal : principals) {
        Acl as{.principal = std::string(kUser) + principal};
        for (bool allow : {false, true}) {
            as.permission = allow ? AclPermission::kAllow : AclPermission::kDeny;
            for (const security::RoleStatement& statement : allow ? role.allow : role.deny) {
                for (Acl& acl : AclsOf(statement, own, as)) {
                    into.push_back(
                        {std::move(acl), role.name, own, role.file.empty() ? "role " + role.name : role.file});
                }
            }
        }
    }
}

}  // namespace

bool AclFilter::Matches(const Acl& acl) const {
    bool named = true;
    if (name) {
        bool literal = acl.pattern == AclPattern::kLiteral;
        named = acl.name == *name;
        if (pattern == AclPattern::kMatch) {
            named = literal ? named || acl.name == "*" : name->starts_with(acl.name);
        }
    }
    bool shaped = pattern == AclPattern::kAny || pattern == AclPattern::kMatch || pattern == acl.pattern;
    return named && shaped && (resource == AclResource::kAny || resource == acl.resource) &&
           (!principal || *principal == acl.principal) && (!host || *host == acl.host) &&
           (operation == AclOperation::kAny || operation == acl.operation) &&
           (permission == AclPermission::kAny || permission == acl.permission);
}

std::vector<Acls::Listed> Acls::All() const {
    std::vector<Listed> listed;
    for (const security::StoredRole& role : roles_.StoredRoles()) List(role, listed);
    return listed;
}

std::string Acls::RoleOf(const std::string& principal) {
    return std::string(kRoleStart) + HexEncode(Sha256(AsBytes(principal))).substr(0, 16);
}

Status Acls::Check(const Acl& acl) {
    auto wrong = [](std::string why) { return Error(ErrorCode::kInvalidArgument, "{}", why); };
    if (!acl.principal.starts_with(kUser) || acl.principal.size() == kUser.size()) {
        return wrong(fmt::format("\"{}\" is no principal: write User:NAME, or User:* for everybody", acl.principal));
    }
    if (acl.host != "*") return wrong("rules hold for every host: write *");
    if (acl.permission != AclPermission::kAllow && acl.permission != AclPermission::kDeny) {
        return wrong("a rule allows or denies");
    }
    if (acl.pattern != AclPattern::kLiteral && acl.pattern != AclPattern::kPrefixed) {
        return wrong("a rule is for a literal name or for a prefix");
    }
    if (acl.name.empty() || (HasWildcard(acl.name) && acl.name != "*") ||
        (acl.name == "*" && acl.pattern == AclPattern::kPrefixed)) {
        return wrong(fmt::format("\"{}\" is no name of what a rule is for", acl.name));
    }
    if (!Find(acl.resource, acl.operation)) {
        return wrong(
            fmt::format("Tarn has no such rule (resource type {}, operation {}): what is neither of topics, "
                        "groups nor transactions is given by roles in policies/*.yaml",
                        static_cast<int>(acl.resource), static_cast<int>(acl.operation)));
    }
    bool cluster = acl.resource == AclResource::kCluster;
    if (cluster && (acl.name != kClusterName || acl.pattern != AclPattern::kLiteral)) {
        return wrong(fmt::format("the cluster is called {}", kClusterName));
    }
    return Ok();
}

Status Acls::Add(const std::string& principal, const std::vector<Acl>& acls) {
    for (const Acl& acl : acls) TRY(Check(acl));
    return Change(principal, acls, {});
}

Status Acls::Remove(const std::string& principal, const std::vector<Acl>& acls) { return Change(principal, {}, acls); }

Status Acls::Change(const std::string& principal, const std::vector<Acl>& added, const std::vector<Acl>& removed) {
    std::lock_guard lock(changing_);
    std::string name = RoleOf(principal);
    std::set<Acl> acls;
    for (const Listed& one : All()) {
        if (one.own && one.role == name) acls.insert(one.acl);
    }
    bool had = !acls.empty();
    for (const Acl& acl : removed) acls.erase(acl);
    acls.insert(added.begin(), added.end());
    if (acls.empty()) return had ? roles_.RemoveRole(name) : Ok();
    security::StoredRole role{
        .name = name, .description = "ACLs of Kafka for " + principal, .members = {MemberOf(principal)}};
    for (const Acl& acl : acls) {
        (acl.permission == AclPermission::kAllow ? role.allow : role.deny).push_back(StatementOf(acl));
    }
    return roles_.PutRole(role);
}

}  // namespace tarn::buffer
