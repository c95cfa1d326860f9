// Who an HTTP request comes from, and whether a browser was tricked into sending it. Internal to the router.
#pragma once

#include <string>
#include <string_view>

#include "base/http.h"
#include "base/result.h"
#include "security/authenticator.h"
#include "security/principal.h"

namespace tarn::security {

// The cookie's value; empty when there is none of that name.
std::string_view CookieOf(const HttpRequest& request, std::string_view name);

// Anonymous without any credential; kUnauthenticated for one that does not hold.
Result<Principal> AuthenticateHttp(Authenticator& authenticator, const HttpRequest& request);

// kPermissionDenied when a page of another origin sent this request, or may have: a state-changing request with a
// cookie must prove where it comes from; one without credentials, or with an Authorization header, only must not
// disprove it.
Status CheckSameOrigin(const HttpRequest& request);

}  // namespace tarn::security
