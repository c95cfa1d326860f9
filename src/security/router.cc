#include "security/router.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/http_stream.h"
#include "base/text.h"
#include "security/http_credentials.h"
#include "security/route_table.h"

namespace tarn::security {
namespace {

constexpr std::string_view kBodyTooLarge = "body_too_large";
// SQLSTATEs, which say more than the code: there is no room on the disk, or no memory.
constexpr std::string_view kDiskFull = "53100";
constexpr std::string_view kOutOfMemory = "53200";
constexpr size_t kJsonBodyBytesMax = 64 << 20;

// Scripts only from ourselves, never inline. Inline styles are let through: the component library of the UI writes its
// theme as a <style> element, and a style cannot run code.
constexpr const char* kContentSecurityPolicy =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

void SetDefault(HttpHeaders& headers, const char* name, const char* value) {
    if (!headers.Has(name)) headers.Set(name, value);
}

void AddSecurityHeaders(HttpHeaders& headers, bool is_api) {
    SetDefault(headers, "Content-Security-Policy", kContentSecurityPolicy);
    SetDefault(headers, "X-Content-Type-Options", "nosniff");
    SetDefault(headers, "X-Frame-Options", "DENY");
    SetDefault(headers, "Referrer-Policy", "no-referrer");
    SetDefault(headers, "Cross-Origin-Opener-Policy", "same-origin");
    SetDefault(headers, "Cross-Origin-Resource-Policy", "same-origin");
    if (is_api) SetDefault(headers, "Cache-Control", "no-store");
}

// Ends the body with an error at the row's limit, whatever its declared length was.
class LimitedReader : public ByteReader {
  public:
    LimitedReader(ByteReader& body, uint64_t bytes_max) : body_(body), bytes_max_(bytes_max), left_(bytes_max) {}
    Result<size_t> Read(MutableByteSpan buffer) override {
        if (buffer.empty()) return size_t{0};
        // One byte more than allowed tells a body that is too long from one that just fits.
        uint64_t wanted = std::min<uint64_t>(buffer.size(), left_ == UINT64_MAX ? left_ : left_ + 1);
        size_t count = TRY(body_.Read(buffer.first(static_cast<size_t>(wanted))));
        if (count > left_) return TooLarge(bytes_max_);
        left_ -= count;
        return count;
    }
    static Error TooLarge(uint64_t bytes_max) {
        return Error(ErrorCode::kResourceExhausted, "the body is larger than the {} bytes allowed here", bytes_max)
            .WithDetailCode(std::string(kBodyTooLarge));
    }

  private:
    ByteReader& body_;
    uint64_t bytes_max_;
    uint64_t left_;
};

// Puts the security headers on whatever is sent, and holds back what must wait for the closing record.
class GuardedResponder : public HttpResponder, public HttpStreams {
  public:
    GuardedResponder(HttpResponder& inner, bool is_api) : inner_(inner), is_api_(is_api) {}
    void HoldBack(bool hold) { held_ = hold; }
    Status Send(HttpResponse response) override {
        if (held_) return Held();
        AddSecurityHeaders(response.headers, is_api_);
        return inner_.Send(std::move(response));
    }
    Result<ByteWriter*> Start(int status, HttpHeaders headers, std::optional<uint64_t> content_length) override {
        if (held_) return Held();
        AddSecurityHeaders(headers, is_api_);
        return inner_.Start(status, std::move(headers), content_length);
    }
    bool started() const override { return inner_.started(); }
    Result<std::shared_ptr<HttpStream>> StartStream(int status, HttpHeaders headers) override {
        auto* streams = dynamic_cast<HttpStreams*>(&inner_);
        if (!streams) return Error(ErrorCode::kNotSupported, "this listener gives no streams");
        if (held_) return Held();
        AddSecurityHeaders(headers, is_api_);
        return streams->StartStream(status, std::move(headers));
    }

  private:
    static Error Held() {
        return Error(ErrorCode::kInternal, "only a read may answer before its closing audit record");
    }
    HttpResponder& inner_;
    bool is_api_;
    bool held_ = false;
};

bool MayStream(AuditClass audit_class) {
    return audit_class == AuditClass::kRead || audit_class == AuditClass::kPublic;
}

std::string ServiceOf(std::string_view action) { return std::string(action.substr(0, action.find(':'))); }

}  // namespace

Result<Json> HttpCall::JsonBody() {
    if (body) return *body;
    std::string text = TRY(request.ReadBody(kJsonBodyBytesMax));
    if (text.empty()) return Error(ErrorCode::kInvalidArgument, "the body is empty; a JSON object is wanted");
    auto parsed = ParseJson(text);
    if (!parsed.ok()) return std::move(parsed).error().Context("the body");
    if (!parsed->is_object()) {
        return Error(ErrorCode::kInvalidArgument, "the body must be a JSON object, got {}", parsed->type_name());
    }
    body = *parsed;
    return parsed;
}

HttpResponse JsonResponse(const Json& body, int status) {
    return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = DumpJson(body)};
}

HttpResponse ErrorResponse(const Error& error) {
    Json inner = {{"code", ErrorCodeName(error.code())}, {"message", error.message()}};
    if (!error.hint().empty()) inner["hint"] = error.hint();
    if (error.position()) inner["position"] = *error.position();
    if (!error.detail_code().empty()) inner["detail_code"] = error.detail_code();
    int status = HttpStatusOf(error.code());
    if (error.detail_code() == kBodyTooLarge) status = 413;
    if (error.detail_code() == kDiskFull) status = 507;
    if (error.detail_code() == kOutOfMemory) status = 503;
    HttpResponse response = JsonResponse({{"error", std::move(inner)}}, status);
    // Not Basic: a browser would ask for a password in a window of its own.
    if (status == 401) response.headers.Set("WWW-Authenticate", "Bearer realm=\"tarn\"");
    if (status == 429 || status == 503) response.headers.Set("Retry-After", "1");
    return response;
}

struct Router::State {
    Authenticator& authenticator;
    Dispatcher& dispatcher;
    OperationRegistry& registry;
    std::vector<Route> routes;
    RouteTable table;

    Result<HttpResponse> Answer(HttpRequest& request, GuardedResponder& responder);
    Result<HttpResponse> Dispatch(const Route& route, std::map<std::string, std::string> parameters,
                                  HttpRequest& request, GuardedResponder& responder);
    Result<Principal> PrincipalFor(const Route& route, const HttpRequest& request, std::optional<Error>& failure);
};

// What is refused for its credential or origin goes on as a stranger, and so is counted and recorded as one. A public
// route answers whoever asks, even with a stale cookie: else nobody could log in again.
Result<Principal> Router::State::PrincipalFor(const Route& route, const HttpRequest& request,
                                              std::optional<Error>& failure) {
    Status same_origin = CheckSameOrigin(request);
    auto principal =
        same_origin.ok() ? AuthenticateHttp(authenticator, request) : Result<Principal>(std::move(same_origin).error());
    if (principal.ok()) return principal;
    bool is_public = route.operation.action == kPublicAction;
    if (is_public && principal.error().code() != ErrorCode::kUnauthenticated) return std::move(principal).error();
    if (!is_public) failure = std::move(principal).error();
    return Principal::Anonymous();
}

Result<HttpResponse> Router::State::Dispatch(const Route& route, std::map<std::string, std::string> parameters,
                                             HttpRequest& request, GuardedResponder& responder) {
    const Operation& operation = route.operation;
    std::optional<Error> failure;
    Principal principal = TRY(PrincipalFor(route, request, failure));
    if (request.content_length.value_or(0) > operation.limits.body_bytes_max) {
        return LimitedReader::TooLarge(operation.limits.body_bytes_max);
    }
    LimitedReader body(*request.body, operation.limits.body_bytes_max);
    ByteReader* whole = std::exchange(request.body, &body);
    Resource resource{ServiceOf(operation.action), FillParameters(route.resource, parameters)};
    std::optional<HttpResponse> response;
    responder.HoldBack(!MayStream(operation.audit_class));
    std::optional<HttpCall> http;
    auto http_of = [&](Call& call) -> HttpCall& {
        if (!http) http.emplace(HttpCall{request, responder, principal, call, std::move(parameters), std::nullopt});
        return *http;
    };
    Opening opening;
    if (route.opening) opening.tell = [&](Call& call) { return route.opening(http_of(call)); };
    Status status = dispatcher.Run(
        operation, principal, resource, request.remote.ToString(),
        [&](Call& call) -> Status {
            response = TRY(route.handler(http_of(call)));
            if (call.bytes == 0) call.bytes = static_cast<int64_t>(response->body.size());
            if (response->status >= 400) call.details["http_status"] = response->status;
            return Ok();
        },
        std::move(opening));
    responder.HoldBack(false);
    request.body = whole;
    // The reason why the credential did not hold says more than "needs a login".
    if (!status.ok() && status.error().code() == ErrorCode::kUnauthenticated && failure) return *std::move(failure);
    if (!status.ok()) return std::move(status).error();
    return *std::move(response);
}

Result<HttpResponse> Router::State::Answer(HttpRequest& request, GuardedResponder& responder) {
    std::vector<std::string> allowed;
    auto found = table.Find(request.method, request.path, allowed);
    if (found.ok()) return Dispatch(routes[found->route], std::move(found->parameters), request, responder);
    if (allowed.empty()) return std::move(found).error();
    HttpResponse response = ErrorResponse(found.error());
    response.status = 405;
    std::sort(allowed.begin(), allowed.end());
    allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
    response.headers.Set("Allow", Join(allowed, ", "));
    return response;
}

Router::Router(Authenticator& authenticator, Dispatcher& dispatcher, OperationRegistry& registry)
    : state_(new State{authenticator, dispatcher, registry, {}, {}}) {}

Router::~Router() = default;

void Router::Add(std::vector<Route> routes) {
    for (Route& route : routes) {
        TARN_CHECK(route.operation.protocol == "http" && route.handler != nullptr);
        TARN_CHECK(state_->table.Add(route.operation.name, state_->routes.size()).ok());
        state_->registry.Add(route.operation);
        state_->routes.push_back(std::move(route));
    }
}

Status Router::Serve(HttpRequest& request, HttpResponder& responder) {
    GuardedResponder guarded(responder, request.path.starts_with("/api/"));
    auto answer = state_->Answer(request, guarded);
    if (answer.ok()) return guarded.started() ? Ok() : guarded.Send(*std::move(answer));
    // Nothing can be said any more once a body is under way: the server cuts the connection on this error.
    if (guarded.started()) return std::move(answer).error();
    return guarded.Send(ErrorResponse(answer.error()));
}

}  // namespace tarn::security
