// Acls: Kafka's access rules as they stand in the one policy store (security::RoleStore), and back. Internal to the
// component.
//
// Who gets rules by CreateAcls has a role of its own, "kafka-acl-...", with one statement a rule: its first action is
// the rule's operation, the others are what Kafka says it implies. Rules that follow from other roles (of policy files,
// of the API) are listed too, as far as Kafka has words for them; they are changed where they stand.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "security/role_store.h"

namespace tarn::buffer {

// Numbers of Kafka's protocol (ResourceType, PatternType, AclOperation, AclPermissionType).
enum class AclResource : int8_t { kAny = 1, kTopic = 2, kGroup = 3, kCluster = 4, kTransactionalId = 5 };
enum class AclPattern : int8_t { kAny = 1, kMatch = 2, kLiteral = 3, kPrefixed = 4 };
enum class AclOperation : int8_t {
    kAny = 1,
    kAll,
    kRead,
    kWrite,
    kCreate,
    kDelete,
    kAlter,
    kDescribe,
    kClusterAction,
    kDescribeConfigs,
    kAlterConfigs,
    kIdempotentWrite,
};
enum class AclPermission : int8_t { kAny = 1, kDeny, kAllow };

struct Acl {
    AclResource resource = AclResource::kTopic;
    std::string name;  // of a topic, a group ...; "*": all
    AclPattern pattern = AclPattern::kLiteral;
    std::string principal;  // "User:ann", "User:*"
    std::string host = "*";
    AclOperation operation = AclOperation::kRead;
    AclPermission permission = AclPermission::kAllow;
    auto operator<=>(const Acl&) const = default;
};

// What is not set matches all; kAny too.
struct AclFilter {
    AclResource resource = AclResource::kAny;
    std::optional<std::string> name;
    AclPattern pattern = AclPattern::kAny;
    std::optional<std::string> principal, host;
    AclOperation operation = AclOperation::kAny;
    AclPermission permission = AclPermission::kAny;
    bool Matches(const Acl& acl) const;
};

class Acls {
  public:
    struct Listed {
        Acl acl;
        std::string role;
        bool own = false;  // made by an ACL call, so one can remove it
        std::string where;  // else: the file, or the role that the API made
    };

    explicit Acls(security::RoleStore& roles) : roles_(roles) {}
    std::vector<Listed> All() const;
    // The role that has the rules of this principal.
    static std::string RoleOf(const std::string& principal);
    // kInvalidArgument: it says what Tarn has no words for, with what to do instead.
    static Status Check(const Acl& acl);
    // Both durable; all of one principal at once.
    Status Add(const std::string& principal, const std::vector<Acl>& acls);
    Status Remove(const std::string& principal, const std::vector<Acl>& acls);

  private:
    Status Change(const std::string& principal, const std::vector<Acl>& added, const std::vector<Acl>& removed);
    security::RoleStore& roles_;
    std::mutex changing_;  // one change at a time
};

}  // namespace tarn::buffer
