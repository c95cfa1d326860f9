#include "access/audit/event_json.h"

#include "base/crypto.h"

namespace tarn::access {
namespace {

using security::AuditClass;
using security::AuditEvent;
using security::AuditPhase;

constexpr size_t kTextBytesMax = 2 << 10;
constexpr size_t kDetailsStartBytes = 16 << 10;

void PutText(Json& json, const char* key, const std::string& text) {
    if (text.empty()) return;
    json[key] = text.size() <= kTextBytesMax ? text : text.substr(0, kTextBytesMax) + "...";
}

void PutNumber(Json& json, const char* key, int64_t number) {
    if (number != 0) json[key] = number;
}

// What is too long is kept as its start and its hash, so that the record still tells which it was.
Json CutDetails(const Json& details) {
    std::string text = DumpJson(details);
    return {{"cut", true},
            {"bytes", text.size()},
            {"sha256", Sha256Hex(AsBytes(text))},
            {"start", text.substr(0, kDetailsStartBytes)}};
}

std::string TextOf(const Json& json, const char* key) { return JsonStringOr(json, key, "").value_or(""); }
int64_t NumberOf(const Json& json, const char* key) { return JsonIntegerOr(json, key, 0).value_or(0); }

AuditClass ClassOf(std::string_view name) {
    for (auto each : {AuditClass::kChange, AuditClass::kAdministration, AuditClass::kKeyUse, AuditClass::kPublic}) {
        if (security::AuditClassName(each) == name) return each;
    }
    return AuditClass::kRead;
}

AuditPhase PhaseOf(std::string_view name) {
    for (auto each : {AuditPhase::kBegin, AuditPhase::kDenied}) {
        if (PhaseName(each) == name) return each;
    }
    return AuditPhase::kEnd;
}

}  // namespace

std::string_view PhaseName(AuditPhase phase) {
    switch (phase) {
        case AuditPhase::kBegin:
            return "begin";
        case AuditPhase::kEnd:
            return "end";
        case AuditPhase::kDenied:
            return "denied";
    }
    return "end";
}

std::string EncodeEvent(const AuditEvent& event, Timestamp time) {
    Json json{{"time", ToMicros(time)},
              {"phase", PhaseName(event.phase)},
              {"class", security::AuditClassName(event.audit_class)}};
    PutText(json, "call_id", event.call_id);
    PutText(json, "principal", event.principal);
    PutText(json, "credential", event.credential);
    PutText(json, "remote", event.remote);
    PutText(json, "protocol", event.protocol);
    PutText(json, "operation", event.operation);
    PutText(json, "action", event.action);
    PutText(json, "resource", event.resource);
    PutText(json, "status", event.status);
    PutNumber(json, "rows", event.rows);
    PutNumber(json, "bytes", event.bytes);
    PutNumber(json, "duration_us", event.duration_us);
    if (!event.details.empty()) json["details"] = event.details;
    std::string text = DumpJson(json);
    if (text.size() <= kEventBytesMax) return text;
    json["details"] = CutDetails(event.details);
    return DumpJson(json);
}

Result<DecodedEvent> DecodeEvent(std::string_view text) {
    Json json = TRY(ParseJson(text));
    DecodedEvent decoded;
    decoded.time = FromMicros(TRY(JsonInteger(json, "time")));
    AuditEvent& event = decoded.event;
    event.phase = PhaseOf(TextOf(json, "phase"));
    event.audit_class = ClassOf(TextOf(json, "class"));
    event.call_id = TextOf(json, "call_id");
    event.principal = TextOf(json, "principal");
    event.credential = TextOf(json, "credential");
    event.remote = TextOf(json, "remote");
    event.protocol = TextOf(json, "protocol");
    event.operation = TextOf(json, "operation");
    event.action = TextOf(json, "action");
    event.resource = TextOf(json, "resource");
    event.status = TextOf(json, "status");
    event.rows = NumberOf(json, "rows");
    event.bytes = NumberOf(json, "bytes");
    event.duration_us = NumberOf(json, "duration_us");
    if (json.contains("details")) event.details = json["details"];
    return decoded;
}

}  // namespace tarn::access
