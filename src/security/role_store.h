// RoleStore: the roles of the one policy store, for protocols that have calls of their own for rights (Kafka's ACLs).
// Implemented by access/identity. A change here is as one by the HTTP API: durable, then it holds.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace tarn::security {

struct RoleStatement {
    std::vector<std::string> actions;    // "topic:Read"; * and ? are wildcards
    std::vector<std::string> resources;  // names; * and ? are wildcards
};

struct StoredRole {
    std::string name;
    std::string file;  // "policies/analysts.yaml:3" of a workspace's role, which only its file changes; else empty
    std::string description;
    std::vector<std::string> members;  // as they are written: "user:ann", "user:*" (everybody), "group:analysts"
    std::vector<std::string> users;    // who has it now, through whatever
    std::vector<RoleStatement> allow, deny;
};

class RoleStore {
  public:
    virtual ~RoleStore() = default;
    virtual std::vector<StoredRole> StoredRoles() const = 0;
    // Makes or replaces a role that the API owns; `file` and `users` are not looked at. kFailedPrecondition: a file
    // owns it.
    virtual Status PutRole(const StoredRole& role) = 0;
    // kNotFound, kFailedPrecondition.
    virtual Status RemoveRole(const std::string& name) = 0;
};

}  // namespace tarn::security
