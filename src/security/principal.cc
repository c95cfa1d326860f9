#include "security/principal.h"

#include <algorithm>

namespace tarn::security {

std::string Principal::Id() const {
    switch (kind) {
        case PrincipalKind::kUser:
            return "user:" + name;
        case PrincipalKind::kSystem:
            return "system:" + name;
        case PrincipalKind::kAnonymous:
            break;
    }
    return "anonymous";
}

bool Principal::HasRole(const std::string& role) const {
    return std::find(roles.begin(), roles.end(), role) != roles.end();
}

Principal Principal::System(std::string component) {
    Principal principal;
    principal.kind = PrincipalKind::kSystem;
    principal.name = std::move(component);
    principal.credential = "internal";
    return principal;
}

}  // namespace tarn::security
