// The rows of identity's HTTP API, and their handlers. A handler that acts on somebody else asks the gate once more.
#include <algorithm>
#include <utility>

#include "access/identity/built_in.h"
#include "access/identity/identity.h"
#include "security/http_credentials.h"

namespace tarn::identity {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::kPublicAction;
using security::kSelfAction;
using security::Operation;
using security::Route;

using Answer = Result<HttpResponse>;

Json TimeOrNull(Timestamp time) { return time == Timestamp() ? Json() : Json(FormatTime(time)); }

// ---- who may act for whom

bool IsAdmin(const Identity& identity, const security::Principal& principal) {
    if (principal.IsSystem()) return true;
    auto user = identity.FindUser(principal.name);
    return user.ok() && std::find(user->roles.begin(), user->roles.end(), kAdminRole) != user->roles.end();
}

// Acting for oneself is built in, and what a deny takes away. Whoever manages users without being an admin must not
// become one by way of an admin's credentials.
Status MayActFor(const Identity& identity, const security::Principal& principal, const std::string& user,
                 std::string_view action) {
    std::string service(action.substr(0, action.find(':')));
    TRY(security::Require(identity, principal, action, {service, user}));
    if (principal.kind == security::PrincipalKind::kUser && principal.name == user) return Ok();
    security::Principal target;
    target.kind = security::PrincipalKind::kUser;
    target.name = user;
    if (!IsAdmin(identity, target) || IsAdmin(identity, principal)) return Ok();
    return Error(ErrorCode::kPermissionDenied, "only an admin may act for the admin {}", user);
}

// The user that the query or body names, the caller by default.
Result<std::string> UserFor(const Identity& identity, HttpCall& call, std::string user, std::string_view action) {
    if (user.empty()) user = call.principal.name;
    TRY(MayActFor(identity, call.principal, user, action));
    call.call.details["user"] = user;
    return user;
}

// ---- login

std::string SessionCookie(const HttpRequest& request, std::string_view value, Duration lifetime) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(lifetime).count();
    return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}", security::kSessionCookie, value,
                       seconds, request.encrypted ? "; Secure" : "");
}

Json MeOf(const Identity& identity, const security::Principal& principal) {
    Json permissions = Json::array();
    for (const RoleInfo& role : identity.Roles()) {
        if (!principal.HasRole(role.name)) continue;
        auto add = [&](const char* effect, const std::vector<Statement>& statements) {
            for (const Statement& statement : statements) {
                permissions.push_back({{"effect", effect},
                                       {"role", role.name},
                                       {"actions", statement.actions},
                                       {"resources", statement.resources}});
            }
        };
        add("allow", role.definition.allow);
        add("deny", role.definition.deny);
        if (role.name == kAdminRole) {
            permissions.push_back({{"effect", "allow"}, {"role", role.name}, {"actions", {"*"}}, {"resources", {"*"}}});
        }
    }
    auto built_in = [&](const Json& actions, std::string_view resource) {
        permissions.push_back(
            {{"effect", "allow"}, {"role", "built-in"}, {"actions", actions}, {"resources", {resource}}});
    };
    built_in({kQueryAction}, "*");
    built_in(kOwnActions, principal.name);
    auto user = identity.FindUser(principal.name);
    return {{"user", principal.name},
            {"name", principal.name},
            {"roles", principal.roles},
            {"groups", principal.groups},
            {"admin", IsAdmin(identity, principal)},
            {"has_password", user.ok() && user->has_password},
            {"credential", principal.credential},
            {"permissions", std::move(permissions)}};
}

Answer LoggedIn(const Identity& identity, HttpCall& call, NewSession session, Timestamp now) {
    call.call.details["user"] = session.principal.name;
    call.call.details["credential"] = session.principal.credential;
    Json body = MeOf(identity, session.principal);
    body["expires_at"] = FormatTime(session.expires_at);
    HttpResponse response = JsonResponse(body);
    response.headers.Add("Set-Cookie", SessionCookie(call.request, session.cookie, session.expires_at - now));
    return response;
}

Answer PostLogin(Identity& identity, Env& env, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    std::string user = TRY(JsonString(body, "user"));
    std::string password = TRY(JsonString(body, "password"));
    // Only names that exist go into the record: people type passwords into the wrong field.
    if (identity.FindUser(user).ok()) call.call.details["user"] = user;
    auto session = TRY(identity.Login(user, password, call.request.remote.host));
    return LoggedIn(identity, call, std::move(session), env.clock().Now());
}

Answer PostLoginLink(Identity& identity, Env& env, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    std::string token = TRY(JsonString(body, "token"));
    call.call.details["method"] = "link";
    auto session = identity.LoginByLink(token, call.request.remote.host);
    if (!session.ok() && session.error().code() == ErrorCode::kUnauthenticated) {
        return Error(ErrorCode::kUnauthenticated, "this login link is not valid: it was used, or it is too old")
            .WithHint("start Tarn again, or ask for a new one with `tarn login-link`");
    }
    return LoggedIn(identity, call, TRY(std::move(session)), env.clock().Now());
}

// For who has lost every other way in, and a token of an admin on this machine. The former link is void.
Answer PostLoginLinks(Identity& identity, HttpCall& call) {
    // The link logs in as an admin: to make one is to be one.
    if (!IsAdmin(identity, call.principal)) {
        return Error(ErrorCode::kPermissionDenied, "only an admin may make a login link");
    }
    return JsonResponse({{"path", TRY(identity.AdminLink())}}, 201);
}

Answer PostLogout(Identity& identity, HttpCall& call) {
    std::string cookie(security::CookieOf(call.request, security::kSessionCookie));
    if (!cookie.empty()) TRY(identity.Logout(cookie));
    HttpResponse response = JsonResponse({{"user", call.principal.name}});
    response.headers.Add("Set-Cookie", SessionCookie(call.request, "", Duration(0)));
    return response;
}

Answer GetSessions(Identity& identity, HttpCall& call) {
    std::string user = TRY(UserFor(identity, call, call.request.Query("user").value_or(""), "user:Read"));
    Json list = Json::array();
    for (const SessionInfo& session : identity.Sessions(user)) {
        list.push_back({{"id", session.id},
                        {"user", session.user},
                        {"method", session.method},
                        {"remote", session.remote},
                        {"created_at", FormatTime(session.created_at)},
                        {"seen_at", FormatTime(session.seen_at)},
                        {"expires_at", FormatTime(session.expires_at)},
                        {"current", call.principal.credential == "session:" + session.id}});
    }
    call.call.rows = static_cast<int64_t>(list.size());
    return JsonResponse({{"sessions", std::move(list)}});
}

Answer DeleteSession(Identity& identity, HttpCall& call) {
    std::string user = TRY(UserFor(identity, call, call.request.Query("user").value_or(""), "user:EndSession"));
    TRY(identity.EndSession(user, call.parameters["id"]));
    return JsonResponse({{"user", user}, {"id", call.parameters["id"]}});
}

// ---- users

Json JsonOf(const UserInfo& user) {
    return {{"user", user.name},
            {"name", user.name},
            {"roles", user.roles},
            {"groups", user.groups},
            {"has_password", user.has_password},
            {"created_at", FormatTime(user.created_at)},
            {"last_login_at", TimeOrNull(user.last_login_at)}};
}

Answer GetUsers(Identity& identity, HttpCall& call) {
    Json list = Json::array();
    for (const UserInfo& user : identity.Users()) list.push_back(JsonOf(user));
    call.call.rows = static_cast<int64_t>(list.size());
    return JsonResponse({{"users", std::move(list)}});
}

Answer GetUser(Identity& identity, HttpCall& call) {
    return JsonResponse(JsonOf(TRY(identity.FindUser(call.parameters["name"]))));
}

Status MayGrant(const Identity& identity, const security::Principal& principal, const std::string& role) {
    if (role == kAdminRole && !IsAdmin(identity, principal)) {
        return Error(ErrorCode::kPermissionDenied, "only an admin may make an admin");
    }
    return security::Require(identity, principal, "role:Grant", {"role", role});
}

Answer PostUsers(Identity& identity, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    std::string name = TRY(JsonString(body, "name"));
    std::string password = TRY(JsonStringOr(body, "password", ""));
    std::vector<std::string> roles;
    for (const Json& role : body.contains("roles") ? body["roles"] : Json::array()) {
        if (!role.is_string()) return Error(ErrorCode::kInvalidArgument, "\"roles\" must be a list of names");
        roles.push_back(role.get<std::string>());
        TRY(MayGrant(identity, call.principal, roles.back()));
    }
    call.call.details["user"] = name;
    call.call.details["roles"] = roles;
    TRY(identity.CreateUser(name, roles));
    if (!password.empty()) {
        Status set = identity.SetPassword(name, password);
        if (!set.ok()) {
            // A user whose first password was refused is not left behind half made.
            TRY(identity.DeleteUser(name));
            return std::move(set).error();
        }
    }
    return JsonResponse(JsonOf(TRY(identity.FindUser(name))), 201);
}

Answer DeleteUser(Identity& identity, HttpCall& call) {
    const std::string& name = call.parameters["name"];
    TRY(MayActFor(identity, call.principal, name, "user:Delete"));
    TRY(identity.DeleteUser(name));
    return JsonResponse({{"user", name}});
}

Answer PutPassword(Identity& identity, HttpCall& call) {
    const std::string& name = call.parameters["name"];
    TRY(MayActFor(identity, call.principal, name, "user:SetPassword"));
    Json body = TRY(call.JsonBody());
    std::string password = TRY(JsonString(body, "password"));
    if (password.empty()) return Error(ErrorCode::kInvalidArgument, "the password must not be empty");
    bool is_own = call.principal.kind == security::PrincipalKind::kUser && call.principal.name == name;
    if (is_own && TRY(identity.FindUser(name)).has_password) {
        // Else a browser left alone, or a stolen token, could lock its owner out.
        std::string current = TRY(JsonStringOr(body, "current_password", ""));
        auto proven = identity.ByPasswordFrom(call.request.remote.host, name, current);
        if (!proven.ok() && proven.error().code() == ErrorCode::kUnauthenticated) {
            return Error(ErrorCode::kPermissionDenied, "\"current_password\" is wrong");
        }
        TRY(std::move(proven));
    }
    std::string_view credential = call.principal.credential;
    bool by_session = is_own && credential.starts_with("session:");
    TRY(identity.SetPassword(name, password, by_session ? std::string(credential.substr(8)) : ""));
    return JsonResponse({{"user", name}});
}

Answer PostUserRoles(Identity& identity, HttpCall& call) {
    const std::string& name = call.parameters["name"];
    Json body = TRY(call.JsonBody());
    std::string role = TRY(JsonString(body, "role"));
    call.call.details["role"] = role;
    TRY(MayGrant(identity, call.principal, role));
    TRY(identity.GrantRole(name, role));
    return JsonResponse(JsonOf(TRY(identity.FindUser(name))));
}

Answer DeleteUserRole(Identity& identity, HttpCall& call) {
    const std::string& name = call.parameters["name"];
    TRY(MayGrant(identity, call.principal, call.parameters["role"]));
    TRY(identity.RevokeRole(name, call.parameters["role"]));
    return JsonResponse(JsonOf(TRY(identity.FindUser(name))));
}

// ---- roles and policies

Json JsonOf(const std::vector<Statement>& statements) {
    Json list = Json::array();
    for (const Statement& statement : statements) {
        list.push_back({{"actions", statement.actions}, {"resources", statement.resources}, {"line", statement.line}});
    }
    return list;
}

Answer GetRoles(Identity& identity, HttpCall& call) {
    Json list = Json::array();
    for (const RoleInfo& role : identity.Roles()) {
        list.push_back({{"name", role.name},
                        {"description", role.definition.description},
                        {"owner", role.owner},
                        {"file", role.file.empty() ? Json() : Json(role.file)},
                        {"members", role.definition.members},
                        {"users", role.users},
                        {"allow", JsonOf(role.definition.allow)},
                        {"deny", JsonOf(role.definition.deny)}});
    }
    call.call.rows = static_cast<int64_t>(list.size());
    return JsonResponse({{"roles", std::move(list)}});
}

Answer PutRole(Identity& identity, HttpCall& call) {
    const std::string& name = call.parameters["name"];
    TRY(identity.PutApiRole(name, TRY(call.JsonBody())));
    return JsonResponse({{"role", name}});
}

Answer DeleteRole(Identity& identity, HttpCall& call) {
    const std::string& name = call.parameters["name"];
    TRY(identity.DeleteApiRole(name));
    return JsonResponse({{"role", name}});
}

// What an allowed read shows; empty for everything.
Json JsonOf(const security::Obligations& obligations) {
    Json masks = Json::object();
    for (const security::ColumnMask& mask : obligations.masks) masks[mask.column] = mask.expression;
    return {{"row_filter", obligations.row_filter}, {"masks", std::move(masks)}};
}

Answer PostExplain(Identity& identity, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    std::string who = TRY(JsonStringOr(body, "principal", call.principal.name));
    std::string action = TRY(JsonString(body, "action"));
    security::Resource resource{action.substr(0, action.find(':')), TRY(JsonString(body, "resource"))};
    bool is_own = who == call.principal.name || who == call.principal.Id();
    TRY(security::Require(identity, call.principal, "role:Explain", {"role", is_own ? call.principal.name : who}));
    call.call.details["explained"] = fmt::format("{} {} {}", who, action, resource.name);
    auto decision = TRY(identity.Explain(who, action, resource));
    return JsonResponse({{"principal", who},
                         {"action", action},
                         {"resource", resource.name},
                         {"allowed", decision.allowed},
                         {"decision", decision.allowed ? "allow" : "deny"},
                         {"reason", decision.reason},
                         {"restrictions", JsonOf(decision.obligations)},
                         {"epoch", decision.epoch}});
}

Answer PostWhoCan(Identity& identity, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    std::string action = TRY(JsonString(body, "action"));
    security::Resource resource{action.substr(0, action.find(':')), TRY(JsonString(body, "resource"))};
    call.call.details["asked"] = fmt::format("{} {}", action, resource.name);
    Json users = Json::array();
    for (const UserInfo& user : identity.Users()) {
        auto decision = TRY(identity.Explain(user.name, action, resource));
        if (!decision.allowed) continue;
        users.push_back(
            {{"user", user.name}, {"reason", decision.reason}, {"restrictions", JsonOf(decision.obligations)}});
    }
    call.call.rows = static_cast<int64_t>(users.size());
    return JsonResponse({{"action", action}, {"resource", resource.name}, {"users", std::move(users)}});
}

// ---- tokens and S3 keys

Answer GetTokens(Identity& identity, HttpCall& call) {
    std::string user = TRY(UserFor(identity, call, call.request.Query("user").value_or(""), "token:Read"));
    Json list = Json::array();
    for (const TokenInfo& token : identity.Tokens(user)) {
        list.push_back({{"user", token.user},
                        {"name", token.name},
                        {"created_at", FormatTime(token.created_at)},
                        {"expires_at", FormatTime(token.expires_at)},
                        {"last_used_at", TimeOrNull(token.last_used_at)}});
    }
    call.call.rows = static_cast<int64_t>(list.size());
    return JsonResponse({{"tokens", std::move(list)}});
}

Answer PostTokens(Identity& identity, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    std::string user = TRY(UserFor(identity, call, TRY(JsonStringOr(body, "user", "")), "token:Create"));
    std::string name = TRY(JsonString(body, "name"));
    std::string ttl = TRY(JsonStringOr(body, "ttl", ""));
    Duration lifetime{0};
    if (!ttl.empty()) {
        lifetime = TRY_CONTEXT(ParseDuration(ttl), "\"ttl\"");
        if (lifetime.count() <= 0) return Error(ErrorCode::kInvalidArgument, "\"ttl\" must be more than nothing");
    }
    call.call.details["name"] = name;
    std::string token = TRY(identity.CreateToken(user, name, lifetime));
    Json answer = {{"user", user}, {"name", name}, {"token", token}};
    for (const TokenInfo& info : identity.Tokens(user)) {
        if (info.name == name) answer["expires_at"] = FormatTime(info.expires_at);
    }
    return JsonResponse(answer, 201);
}

Answer DeleteToken(Identity& identity, HttpCall& call) {
    std::string user = TRY(UserFor(identity, call, call.request.Query("user").value_or(""), "token:Delete"));
    TRY(identity.DeleteToken(user, call.parameters["name"]));
    return JsonResponse({{"user", user}, {"name", call.parameters["name"]}});
}

Answer GetS3Keys(Identity& identity, HttpCall& call) {
    std::string user = TRY(UserFor(identity, call, call.request.Query("user").value_or(""), "token:Read"));
    Json list = Json::array();
    for (const S3KeyInfo& key : identity.S3Keys(user)) {
        list.push_back({{"user", key.user},
                        {"access_key_id", key.access_key_id},
                        {"description", key.description},
                        {"created_at", FormatTime(key.created_at)},
                        {"last_used_at", TimeOrNull(key.last_used_at)}});
    }
    call.call.rows = static_cast<int64_t>(list.size());
    return JsonResponse({{"s3_keys", std::move(list)}});
}

Answer PostS3Keys(Identity& identity, HttpCall& call) {
    // Every field has a default, so no body at all will do.
    bool has_body = call.request.content_length.value_or(1) > 0;
    Json body = has_body ? TRY(call.JsonBody()) : Json::object();
    std::string user = TRY(UserFor(identity, call, TRY(JsonStringOr(body, "user", "")), "token:Create"));
    auto key = TRY(identity.CreateS3Key(user, TRY(JsonStringOr(body, "description", ""))));
    call.call.details["access_key_id"] = key.access_key_id;
    return JsonResponse(
        {{"user", user}, {"access_key_id", key.access_key_id}, {"secret_access_key", key.secret_access_key.text()}},
        201);
}

Answer DeleteS3Key(Identity& identity, HttpCall& call) {
    const std::string& id = call.parameters["id"];
    for (const S3KeyInfo& key : identity.S3Keys("")) {
        if (key.access_key_id != id) continue;
        TRY(UserFor(identity, call, key.user, "token:Delete"));
        TRY(identity.DeleteS3Key(id));
        return JsonResponse({{"user", key.user}, {"access_key_id", id}});
    }
    return Error(ErrorCode::kNotFound, "there is no S3 key {}", id);
}

// ---- the rows

constexpr Operation Row(std::string_view name, std::string_view action, std::string_view resource,
                        AuditClass audit_class) {
    return {.protocol = "http",
            .name = name,
            .action = action,
            .resource = resource,
            .audit_class = audit_class,
            .limits = {.body_bytes_max = 64 << 10, .concurrent_max = 64}};
}
constexpr Operation Read(std::string_view name, std::string_view action, std::string_view resource) {
    return Row(name, action, resource, AuditClass::kRead);
}
constexpr Operation Administer(std::string_view name, std::string_view action, std::string_view resource) {
    return Row(name, action, resource, AuditClass::kAdministration);
}

using Handler = Answer (*)(Identity&, HttpCall&);

std::vector<Route> LoginRoutes(Identity& identity, Env& env) {
    auto to = [&](Handler handler) { return [&identity, handler](HttpCall& call) { return handler(identity, call); }; };
    return {
        {Administer("POST /api/v1/login", kPublicAction, "platform"), "*",
         [&](HttpCall& call) { return PostLogin(identity, env, call); }},
        {Administer("POST /api/v1/login/link", kPublicAction, "platform"), "*",
         [&](HttpCall& call) { return PostLoginLink(identity, env, call); }},
        {Administer("POST /api/v1/login-links", "user:CreateLoginLink", "user"), "*", to(PostLoginLinks)},
        {Row("POST /api/v1/logout", kSelfAction, "session", AuditClass::kChange), "*", to(PostLogout)},
        {Read("GET /api/v1/me", kSelfAction, "user"), "*",
         [&](HttpCall& call) -> Answer { return JsonResponse(MeOf(identity, call.principal)); }},
        {Read("GET /api/v1/sessions", kSelfAction, "session"), "*", to(GetSessions)},
        {Administer("DELETE /api/v1/sessions/{id}", kSelfAction, "session"), "{id}", to(DeleteSession)},
    };
}

std::vector<Route> UserRoutes(Identity& identity) {
    auto to = [&](Handler handler) { return [&identity, handler](HttpCall& call) { return handler(identity, call); }; };
    return {
        {Read("GET /api/v1/users", "user:Read", "user"), "*", to(GetUsers)},
        {Administer("POST /api/v1/users", "user:Create", "user"), "*", to(PostUsers)},
        {Read("GET /api/v1/users/{name}", "user:Read", "user"), "{name}", to(GetUser)},
        {Administer("DELETE /api/v1/users/{name}", "user:Delete", "user"), "{name}", to(DeleteUser)},
        {Administer("PUT /api/v1/users/{name}/password", kSelfAction, "user"), "{name}", to(PutPassword)},
        {Administer("POST /api/v1/users/{name}/roles", "user:GrantRole", "user"), "{name}", to(PostUserRoles)},
        {Administer("DELETE /api/v1/users/{name}/roles/{role}", "user:GrantRole", "user"), "{name}",
         to(DeleteUserRole)},
        {Read("GET /api/v1/roles", "role:Read", "role"), "*", to(GetRoles)},
        {Administer("PUT /api/v1/roles/{name}", "role:Write", "role"), "{name}", to(PutRole)},
        {Administer("DELETE /api/v1/roles/{name}", "role:Write", "role"), "{name}", to(DeleteRole)},
        {Read("POST /api/v1/policy/explain", kSelfAction, "role"), "*", to(PostExplain)},
        {Read("POST /api/v1/policy/who-can", "role:Explain", "role"), "*", to(PostWhoCan)},
    };
}

std::vector<Route> CredentialRoutes(Identity& identity) {
    auto to = [&](Handler handler) { return [&identity, handler](HttpCall& call) { return handler(identity, call); }; };
    return {
        {Read("GET /api/v1/tokens", kSelfAction, "token"), "*", to(GetTokens)},
        {Administer("POST /api/v1/tokens", kSelfAction, "token"), "*", to(PostTokens)},
        {Administer("DELETE /api/v1/tokens/{name}", kSelfAction, "token"), "{name}", to(DeleteToken)},
        {Read("GET /api/v1/s3-keys", kSelfAction, "token"), "*", to(GetS3Keys)},
        {Row("POST /api/v1/s3-keys", kSelfAction, "token", AuditClass::kKeyUse), "*", to(PostS3Keys)},
        {Administer("DELETE /api/v1/s3-keys/{id}", kSelfAction, "token"), "{id}", to(DeleteS3Key)},
    };
}

}  // namespace

std::vector<Route> Identity::Routes() {
    std::vector<Route> routes = LoginRoutes(*this, environment());
    for (auto& list : {UserRoutes(*this), CredentialRoutes(*this)})
        routes.insert(routes.end(), list.begin(), list.end());
    return routes;
}

}  // namespace tarn::identity
