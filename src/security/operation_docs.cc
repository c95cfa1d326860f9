#include "security/operation_docs.h"

#include <set>
#include <string>

#include "base/text.h"

namespace tarn::security {
namespace {

Json ErrorSchema() {
    Json text = {{"type", "string"}};
    Json inner = {{"type", "object"},
                  {"required", {"code", "message"}},
                  {"properties",
                   {{"code", text},
                    {"message", text},
                    {"hint", text},
                    {"detail_code", text},
                    {"position", {{"type", "integer"}, {"description", "1-based, in the text that was sent"}}}}}};
    return {{"type", "object"}, {"required", {"error"}}, {"properties", {{"error", inner}}}};
}

Json ErrorAnswer(std::string_view description) {
    return {{"description", description},
            {"content", {{"application/json", {{"schema", {{"$ref", "#/components/schemas/Error"}}}}}}}};
}

// OpenAPI has no "the rest of the path": {path...} becomes {path}.
std::string PathOf(std::string_view pattern, Json& parameters) {
    std::string path;
    for (const std::string& segment : Split(pattern.substr(1), '/')) {
        std::string shown = segment;
        if (segment.starts_with('{') && segment.ends_with('}')) {
            std::string name = segment.substr(1, segment.size() - 2);
            if (name.ends_with("...")) name.resize(name.size() - 3);
            parameters.push_back(
                {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
            shown = "{" + name + "}";
        }
        path += "/" + shown;
    }
    return path;
}

Json OpenApiOf(const Operation& operation, Json parameters) {
    bool is_public = operation.action == kPublicAction;
    Json row = {{"operationId", operation.name},
                {"summary", fmt::format("{} on {}", operation.action, operation.resource)},
                {"x-action", operation.action},
                {"x-audit-class", AuditClassName(operation.audit_class)},
                {"x-body-bytes-max", operation.limits.body_bytes_max},
                {"responses", {{"200", {{"description", "done"}}}, {"default", ErrorAnswer("an error")}}}};
    if (!parameters.empty()) row["parameters"] = std::move(parameters);
    if (is_public) row["security"] = Json::array();
    if (!is_public) row["responses"]["401"] = ErrorAnswer("no valid credential");
    if (!is_public && operation.action != kSelfAction) row["responses"]["403"] = ErrorAnswer("not allowed");
    return row;
}

}  // namespace

Json DescribeOperations(const OperationRegistry& registry) {
    Json rows = Json::array();
    for (const Operation& operation : registry.operations()) {
        rows.push_back({{"protocol", operation.protocol},
                        {"name", operation.name},
                        {"action", operation.action},
                        {"resource", operation.resource},
                        {"audit_class", AuditClassName(operation.audit_class)},
                        {"body_bytes_max", operation.limits.body_bytes_max},
                        {"concurrent_max", operation.limits.concurrent_max}});
    }
    return rows;
}

Json DescribeOpenApi(const OperationRegistry& registry) {
    Json paths = Json::object();
    for (const Operation& operation : registry.operations()) {
        size_t space = operation.name.find(' ');
        if (operation.protocol != "http" || space == std::string_view::npos) continue;
        Json parameters = Json::array();
        std::string path = PathOf(operation.name.substr(space + 1), parameters);
        paths[path][ToLower(operation.name.substr(0, space))] = OpenApiOf(operation, std::move(parameters));
    }
    Json schemes = {{"token", {{"type", "http"}, {"scheme", "bearer"}}},
                    {"password", {{"type", "http"}, {"scheme", "basic"}}},
                    {"session", {{"type", "apiKey"}, {"in", "cookie"}, {"name", kSessionCookie}}}};
    Json security = Json::array();
    for (const char* name : {"token", "password", "session"}) security.push_back({{name, Json::array()}});
    return {{"openapi", "3.1.0"},
            {"info", {{"title", "Tarn"}, {"version", "1"}}},
            {"security", std::move(security)},
            {"components", {{"securitySchemes", std::move(schemes)}, {"schemas", {{"Error", ErrorSchema()}}}}},
            {"paths", std::move(paths)}};
}

std::vector<Route> OperationDocRoutes(const OperationRegistry& registry) {
    return {
        {{.protocol = "http", .name = "GET /api/v1/operations", .action = kSelfAction, .resource = "platform"},
         "*",
         [&registry](HttpCall&) -> Result<HttpResponse> {
             return JsonResponse({{"operations", DescribeOperations(registry)}});
         }},
        {{.protocol = "http", .name = "GET /api/v1/openapi.json", .action = kSelfAction, .resource = "platform"},
         "*",
         [&registry](HttpCall&) -> Result<HttpResponse> { return JsonResponse(DescribeOpenApi(registry)); }},
    };
}

}  // namespace tarn::security
