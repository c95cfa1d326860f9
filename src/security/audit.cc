#include "security/audit.h"

namespace tarn::security {

std::string_view AuditClassName(AuditClass audit_class) {
    switch (audit_class) {
        case AuditClass::kRead:
            return "read";
        case AuditClass::kChange:
            return "change";
        case AuditClass::kAdministration:
            return "administration";
        case AuditClass::kKeyUse:
            return "key_use";
        case AuditClass::kPublic:
            return "public";
    }
    return "read";
}

}  // namespace tarn::security
