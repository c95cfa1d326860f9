// The HTTP operations on the audit log: reading and proving it. Nobody can write to it but the dispatch.
#include <charconv>

#include "access/audit/audit.h"

#include "access/audit/event_json.h"

namespace tarn::access {
namespace {

using security::AuditClass;
using security::HttpCall;

constexpr int64_t kLimitDefault = 100;
constexpr int64_t kLimitMax = 1000;

Result<std::optional<Timestamp>> TimeParameter(const HttpRequest& request, std::string_view name) {
    auto text = request.Query(name);
    if (!text || text->empty()) return std::optional<Timestamp>();
    return std::optional(TRY_CONTEXT(ParseTime(*text), name));
}

Result<std::optional<int64_t>> NumberParameter(const HttpRequest& request, std::string_view name, int64_t most) {
    auto text = request.Query(name);
    if (!text || text->empty()) return std::optional<int64_t>();
    int64_t number = 0;
    const char* end = text->data() + text->size();
    auto parsed = std::from_chars(text->data(), end, number);
    bool whole = parsed.ec == std::errc() && parsed.ptr == end;
    if (whole && number >= 1 && number <= most) return std::optional(number);
    return Error(ErrorCode::kInvalidArgument, "{} must be a whole number from 1 to {}", name, most);
}

Json EntryJson(const AuditEntry& entry) {
    const security::AuditEvent& event = entry.event;
    Json json{{"sequence", entry.sequence},
              {"time", FormatTime(entry.time)},
              {"phase", PhaseName(event.phase)},
              {"class", security::AuditClassName(event.audit_class)},
              {"call_id", event.call_id},
              {"principal", event.principal},
              {"credential", event.credential},
              {"remote", event.remote},
              {"protocol", event.protocol},
              {"operation", event.operation},
              {"action", event.action},
              {"resource", event.resource},
              {"status", event.status},
              {"rows", event.rows},
              {"bytes", event.bytes},
              {"duration_us", event.duration_us}};
    json["details"] = event.details.is_null() ? Json::object() : event.details;
    return json;
}

Json HeadJson(const AuditHead& head) {
    return {{"segment", head.segment},
            {"offset", head.offset},
            {"sequence", head.sequence},
            {"chain", HexEncode(head.chain)}};
}

Result<HttpResponse> ReadRecords(Audit& audit, HttpCall& call) {
    const HttpRequest& request = call.request;
    AuditFilter filter;
    filter.principal = request.Query("principal").value_or("");
    filter.action = request.Query("action").value_or("");
    filter.resource = request.Query("resource").value_or("");
    filter.status = request.Query("status").value_or("");
    filter.since = TRY(TimeParameter(request, "since"));
    filter.until = TRY(TimeParameter(request, "until"));
    if (auto before = TRY(NumberParameter(request, "before", INT64_MAX)))
        filter.before = static_cast<uint64_t>(*before);
    int64_t limit = TRY(NumberParameter(request, "limit", kLimitMax)).value_or(kLimitDefault);
    AuditPage page = TRY(audit.Read(filter, static_cast<size_t>(limit)));
    Json entries = Json::array();
    for (const AuditEntry& entry : page.entries) entries.push_back(EntryJson(entry));
    call.call.rows = static_cast<int64_t>(entries.size());
    Json answer{{"entries", std::move(entries)}, {"damaged", page.damaged}};
    answer["next_before"] = page.next ? Json(*page.next) : Json();
    return security::JsonResponse(answer);
}

Result<HttpResponse> ShowHead(Audit& audit, HttpCall&) { return security::JsonResponse(HeadJson(audit.head())); }

Json DropJson(const AuditDrop& drop) {
    return {{"records", drop.through.sequence},
            {"through", HeadJson(drop.through)},
            {"newest", FormatTime(drop.newest)},
            {"rule", drop.rule},
            {"set_by", drop.set_by},
            {"sequence", drop.sequence},
            {"at", FormatTime(drop.at)}};
}

Result<HttpResponse> VerifyLog(Audit& audit, HttpCall&) {
    AuditReport report = TRY(audit.Verify());
    Json issues = Json::array();
    for (const AuditIssue& issue : report.issues) {
        issues.push_back({{"kind", AuditIssueKindName(issue.kind)},
                          {"segment", issue.segment},
                          {"offset", issue.offset},
                          {"sequence", issue.sequence},
                          {"message", issue.message}});
    }
    return security::JsonResponse({{"segments", report.segments},
                                   {"records", report.records},
                                   {"issue_count", report.issue_count},
                                   {"issues", issues},
                                   {"dropped", report.dropped ? DropJson(*report.dropped) : Json()},
                                   {"head", HeadJson(report.head)}});
}

}  // namespace

std::vector<security::Route> Audit::Routes() {
    auto to = [this](Result<HttpResponse> (*handler)(Audit&, HttpCall&)) {
        return [this, handler](HttpCall& call) { return handler(*this, call); };
    };
    constexpr security::OperationLimits kReading{.concurrent_max = 8};
    constexpr security::OperationLimits kOneAtATime{.concurrent_max = 1};
    return {
        {{"http", "GET /api/v1/audit", "audit:Read", "audit", AuditClass::kRead, kReading}, "*", to(ReadRecords)},
        {{"http", "GET /api/v1/audit/head", "audit:Read", "audit", AuditClass::kRead, kReading}, "*", to(ShowHead)},
        {{"http", "GET /api/v1/audit/verify", "audit:Verify", "audit", AuditClass::kRead, kOneAtATime},
         "*",
         to(VerifyLog)},
    };
}

}  // namespace tarn::access
