// The HTTP operations of monitoring. The three that probes and scrapers use need no login and tell no reason.
#include "access/monitoring/monitoring.h"

namespace tarn::access {
namespace {

using security::AuditClass;
using security::HttpCall;

HttpResponse TextResponse(int status, std::string body, std::string type = "text/plain; charset=utf-8") {
    return {.status = status, .headers = {{"Content-Type", std::move(type)}}, .body = std::move(body)};
}

Result<HttpResponse> ShowMetrics(Monitoring& monitoring, HttpCall&) {
    return TextResponse(200, monitoring.RenderMetrics(), "text/plain; version=0.0.4; charset=utf-8");
}

Result<HttpResponse> ShowHealth(Monitoring& monitoring, HttpCall&) {
    bool warns = false;
    for (const ComponentHealth& health : monitoring.Health()) {
        if (!health.status.ok() && !health.is_warning) return TextResponse(503, "failing\n");
        warns = warns || health.is_warning;
    }
    return TextResponse(200, warns ? "warning\n" : "ok\n");
}

Result<HttpResponse> ShowReady(Monitoring& monitoring, HttpCall&) {
    return monitoring.ready() ? TextResponse(200, "ready\n") : TextResponse(503, "not ready\n");
}

Result<HttpResponse> ShowComponents(Monitoring& monitoring, HttpCall& call) {
    Json health = monitoring.Describe();
    call.call.rows = static_cast<int64_t>(health["components"].size());
    return security::JsonResponse(health);
}

}  // namespace

std::vector<security::Route> Monitoring::Routes() {
    auto to = [this](Result<HttpResponse> (*handler)(Monitoring&, HttpCall&)) {
        return [this, handler](HttpCall& call) { return handler(*this, call); };
    };
    constexpr security::OperationLimits kLimits{.body_bytes_max = 0, .concurrent_max = 16};
    bool open = config().metrics_public;
    std::string_view metrics_action = open ? security::kPublicAction : "monitoring:Read";
    AuditClass metrics_class = open ? AuditClass::kPublic : AuditClass::kRead;
    return {
        {{"http", "GET /metrics", metrics_action, "monitoring", metrics_class, kLimits}, "*", to(ShowMetrics)},
        {{"http", "GET /health", security::kPublicAction, "monitoring", AuditClass::kPublic, kLimits},
         "*",
         to(ShowHealth)},
        {{"http", "GET /ready", security::kPublicAction, "monitoring", AuditClass::kPublic, kLimits},
         "*",
         to(ShowReady)},
        {{"http", "GET /api/v1/health", "monitoring:Read", "monitoring", AuditClass::kRead, kLimits},
         "*",
         to(ShowComponents)},
    };
}

}  // namespace tarn::access
