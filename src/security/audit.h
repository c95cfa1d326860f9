// AuditLog: the record of every operation, before its answer leaves. Implemented by access/audit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "security/principal.h"

namespace tarn::security {

enum class AuditClass : uint8_t {
    kRead,            // written before the first byte leaves, fsynced within 50 ms
    kChange,          // fsynced before the answer leaves
    kAdministration,  // fsynced before the answer leaves
    kKeyUse,          // fsynced before the answer leaves
    kPublic,          // answers everybody the same without data (health, login page): only counted
};
std::string_view AuditClassName(AuditClass audit_class);

enum class AuditPhase : uint8_t { kBegin, kEnd, kDenied };

struct AuditEvent {
    AuditPhase phase = AuditPhase::kEnd;
    std::string call_id;  // the same in begin and end
    std::string principal;   // Principal::Id()
    std::string credential;
    std::string remote;      // "127.0.0.1:5000" or empty
    std::string protocol;    // "http", "s3", "sql", "internal"
    std::string operation;
    std::string action;
    std::string resource;
    AuditClass audit_class = AuditClass::kRead;
    std::string status;      // "ok" or an error code's name
    int64_t rows = 0;
    int64_t bytes = 0;
    int64_t duration_us = 0;
    Json details;            // e.g. {"sql": "...", "tables": [...]}; never a secret, never rows
};

// A statement as details["sql"] says it: whole up to kStatementBytesMax, else its beginning and how long it was.
inline constexpr size_t kStatementBytesMax = 64 << 10;
std::string StatementText(std::string_view sql);

enum class AuditDurability : uint8_t { kWritten, kSynced };

class AuditLog {
  public:
    virtual ~AuditLog() = default;
    // Returns when the record is as durable as asked. An error means: give no answer.
    virtual Status Append(const AuditEvent& event, AuditDurability durability) = 0;
};

}  // namespace tarn::security
