#include "security/gate.h"

namespace tarn::security {

Status Require(const Gate& gate, const Principal& principal, std::string_view action, const Resource& resource) {
    Decision decision = gate.Decide(principal, action, resource);
    if (decision.allowed && decision.obligations.empty()) return Ok();
    if (decision.allowed) {
        return Error(ErrorCode::kPermissionDenied, "{} sees {} filtered or masked, so only by SQL", principal.Id(),
                     resource.ToString());
    }
    if (principal.kind == PrincipalKind::kAnonymous) {
        return Error(ErrorCode::kUnauthenticated, "{} on {} needs a login", action, resource.ToString());
    }
    return Error(ErrorCode::kPermissionDenied, "{} may not {} on {}", principal.Id(), action, resource.ToString())
        .WithHint(decision.reason);
}

}  // namespace tarn::security
