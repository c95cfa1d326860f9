// An audit event as the JSON that is sealed into its record, and back.
#pragma once

#include <string>

#include "base/json.h"
#include "base/time.h"
#include "security/audit.h"

namespace tarn::access {

// Fields that are empty or zero are left out. Never longer than kEventBytesMax: details, then texts are cut.
inline constexpr size_t kEventBytesMax = 512 << 10;
std::string EncodeEvent(const security::AuditEvent& event, Timestamp time);

struct DecodedEvent {
    Timestamp time;
    security::AuditEvent event;
};
Result<DecodedEvent> DecodeEvent(std::string_view json);

std::string_view PhaseName(security::AuditPhase phase);

}  // namespace tarn::access
