#include "security/http_credentials.h"

#include <optional>

#include "base/bytes.h"
#include "base/text.h"
#include "security/router.h"

namespace tarn::security {
namespace {

constexpr std::string_view kTokenPrefix = "tarn_";
// Who sends a token by Basic may leave the user out, or call it this.
constexpr std::string_view kTokenUser = "token";

std::optional<std::string_view> AfterScheme(std::string_view header, std::string_view scheme) {
    if (header.size() <= scheme.size() || header[scheme.size()] != ' ') return std::nullopt;
    if (!EqualsIgnoreCase(header.substr(0, scheme.size()), scheme)) return std::nullopt;
    return Trim(header.substr(scheme.size() + 1));
}

Error BadCredential() { return Error(ErrorCode::kUnauthenticated, "the credential is not valid"); }

Result<Principal> ByBasic(Authenticator& authenticator, const HttpRequest& request, std::string_view encoded) {
    auto decoded = Base64Decode(encoded);
    if (!decoded.ok()) return Error(ErrorCode::kUnauthenticated, "the Authorization header is not valid Basic");
    std::string_view pair = AsText(decoded.value());
    size_t colon = pair.find(':');
    if (colon == std::string_view::npos) {
        return Error(ErrorCode::kUnauthenticated, "the Authorization header is not valid Basic");
    }
    std::string_view user = pair.substr(0, colon);
    std::string_view password = pair.substr(colon + 1);
    if (!password.starts_with(kTokenPrefix)) return authenticator.ByPasswordFrom(request.remote.host, user, password);
    Principal principal = TRY(authenticator.ByToken(password));
    if (!user.empty() && user != kTokenUser && user != principal.name) return BadCredential();
    return principal;
}

bool IsSafeMethod(std::string_view method) { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }

// "http://host:port" and "host:port" name the same place.
bool OriginIsHost(std::string_view origin, std::string_view host) {
    size_t scheme_end = origin.find("://");
    if (scheme_end == std::string_view::npos || host.empty()) return false;
    return EqualsIgnoreCase(origin.substr(scheme_end + 3), host);
}

}  // namespace

std::string_view CookieOf(const HttpRequest& request, std::string_view name) {
    for (const auto& [header, value] : request.headers.fields()) {
        if (!EqualsIgnoreCase(header, "Cookie")) continue;
        std::string_view left = value;
        while (!left.empty()) {
            size_t end = std::min(left.find(';'), left.size());
            std::string_view pair = Trim(left.substr(0, end));
            left.remove_prefix(std::min(end + 1, left.size()));
            size_t equals = pair.find('=');
            if (equals != std::string_view::npos && pair.substr(0, equals) == name) return pair.substr(equals + 1);
        }
    }
    return {};
}

Result<Principal> AuthenticateHttp(Authenticator& authenticator, const HttpRequest& request) {
    std::string_view header = request.headers.Get("Authorization");
    if (!header.empty()) {
        if (auto token = AfterScheme(header, "Bearer")) return authenticator.ByToken(*token);
        if (auto basic = AfterScheme(header, "Basic")) return ByBasic(authenticator, request, *basic);
        return Error(ErrorCode::kUnauthenticated, "the Authorization header must be Bearer or Basic");
    }
    std::string_view cookie = CookieOf(request, kSessionCookie);
    if (!cookie.empty()) return authenticator.BySession(cookie);
    return Principal::Anonymous();
}

Status CheckSameOrigin(const HttpRequest& request) {
    if (IsSafeMethod(request.method)) return Ok();
    std::string_view site = request.headers.Get("Sec-Fetch-Site");
    std::string_view origin = request.headers.Get("Origin");
    auto refused = [](std::string_view why) {
        return Error(ErrorCode::kPermissionDenied, "this request was refused: {}", why)
            .WithHint("scripts send a token: Authorization: Bearer tarn_...");
    };
    // "none" is the person: an address typed, a bookmark.
    if (!site.empty()) {
        if (site == "same-origin" || site == "none") return Ok();
        return refused("it comes from a page of another origin (Sec-Fetch-Site)");
    }
    if (!origin.empty()) {
        if (OriginIsHost(origin, request.headers.Get("Host"))) return Ok();
        return refused("it comes from a page of another origin (Origin)");
    }
    bool by_cookie = request.headers.Get("Authorization").empty() && !CookieOf(request, kSessionCookie).empty();
    if (by_cookie) return refused("with a session cookie it must carry Origin or Sec-Fetch-Site");
    return Ok();
}

}  // namespace tarn::security
