// The HTTP operations on secrets. Values go in and never come out.
#include "access/encryption/encryption.h"

namespace tarn::access {
namespace {

using security::AuditClass;
using security::HttpCall;

Json SummaryJson(const SecretSummary& summary) {
    return {{"name", summary.name}, {"updated_at", FormatTime(summary.updated_at)}};
}

Result<HttpResponse> ListSecrets(Encryption& encryption, HttpCall& call) {
    Json secrets = Json::array();
    for (const SecretSummary& summary : TRY(encryption.Summaries())) secrets.push_back(SummaryJson(summary));
    call.call.rows = static_cast<int64_t>(secrets.size());
    return security::JsonResponse({{"secrets", secrets}});
}

Result<HttpResponse> ShowSecret(Encryption& encryption, HttpCall& call) {
    return security::JsonResponse(SummaryJson(TRY(encryption.SummaryOf(call.parameters["name"]))));
}

Result<HttpResponse> SetSecret(Encryption& encryption, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    Secret value(TRY(JsonString(body, "value")));
    const std::string& name = call.parameters["name"];
    TRY(encryption.Set(name, value));
    return security::JsonResponse(SummaryJson(TRY(encryption.SummaryOf(name))));
}

Result<HttpResponse> RemoveSecret(Encryption& encryption, HttpCall& call) {
    TRY(encryption.Remove(call.parameters["name"]));
    return HttpResponse{.status = 204};
}

}  // namespace

std::vector<security::Route> Encryption::Routes() {
    auto to = [this](Result<HttpResponse> (*handler)(Encryption&, HttpCall&)) {
        return [this, handler](HttpCall& call) { return handler(*this, call); };
    };
    constexpr security::OperationLimits kLimits{.body_bytes_max = 128 << 10, .concurrent_max = 16};
    return {
        {{"http", "GET /api/v1/secrets", "secret:List", "secret", AuditClass::kRead, kLimits}, "*", to(ListSecrets)},
        {{"http", "GET /api/v1/secrets/{name}", "secret:List", "secret", AuditClass::kRead, kLimits},
         "{name}",
         to(ShowSecret)},
        {{"http", "PUT /api/v1/secrets/{name}", "secret:Set", "secret", AuditClass::kAdministration, kLimits},
         "{name}",
         to(SetSecret)},
        {{"http", "DELETE /api/v1/secrets/{name}", "secret:Remove", "secret", AuditClass::kAdministration, kLimits},
         "{name}",
         to(RemoveSecret)},
    };
}

}  // namespace tarn::access
