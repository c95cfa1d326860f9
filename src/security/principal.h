// Principal: who acts. One person, many credentials; every call below the protocols carries one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tarn::security {

enum class PrincipalKind : uint8_t { kAnonymous, kUser, kSystem };

struct Principal {
    PrincipalKind kind = PrincipalKind::kAnonymous;
    std::string name;                 // "alice"; of the system: the component ("orchestrator")
    std::vector<std::string> roles;   // "admin" is the built-in one that may everything
    std::vector<std::string> groups;
    std::string credential;           // which one was used: "session:4f2a", "token:ci", "s3-key:TARN..", "password"
    std::string on_behalf_of;         // set when the system acts for a person (a scheduled table's owner)

    // "user:alice", "system:orchestrator", "anonymous": for audit, policies and locks.
    std::string Id() const;
    bool IsSystem() const { return kind == PrincipalKind::kSystem; }
    bool HasRole(const std::string& role) const;
    // The program itself; the gate allows it everything, the audit names the component.
    static Principal System(std::string component);
    static Principal Anonymous() { return {}; }
};

}  // namespace tarn::security
