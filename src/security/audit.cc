#include "security/audit.h"

#include "base/text.h"

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

std::string StatementText(std::string_view sql) {
    if (sql.size() <= kStatementBytesMax) return std::string(sql);
    std::string text(sql.substr(0, kStatementBytesMax));
    while (!text.empty() && !IsUtf8(text) && text.size() + 4 > kStatementBytesMax) text.pop_back();
    return fmt::format("{}… ({} bytes)", text, sql.size());
}

}  // namespace tarn::security
