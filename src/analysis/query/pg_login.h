// The start of a connection: TLS, start packet, login. Never tells whether a user exists.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "analysis/query/query.h"
#include "base/net.h"
#include "wire/pgwire/frames.h"

namespace tarn::query {

// The row of logins on the SQL wire: who it is shows only in the handler, so the row itself is public.
inline constexpr security::Operation kLogin = {
    "sql", "Login", security::kPublicAction, "session", security::AuditClass::kAdministration, {64 << 10, 200}};

struct CancelKey {
    int32_t process = 0;
    int32_t secret = 0;
};

struct Login {
    security::Principal principal;
    std::map<std::string, std::string> parameters;  // of the start packet
};

// What a connection turned out to want: a session, or the cancel of another one's statement.
struct Start {
    std::optional<Login> login;
    std::optional<CancelKey> cancel;
};

class LoginExchange {
  public:
    LoginExchange(Stream& stream, wire::PgFrameReader& reader, const SqlServerConfig& config,
                  const QueryDependencies& dependencies)
        : stream_(stream), reader_(reader), config_(config), dependencies_(dependencies) {}
    // The whole exchange up to AuthenticationOk (not yet sent). Errors carry their SQLSTATE.
    Result<Start> Run();
    // Who wants to log in, once the start packet was read: a claim, and perhaps somebody's password.
    const std::string& user() const { return user_; }

  private:
    Result<std::map<std::string, std::string>> ReadParameters(wire::PgFieldReader& fields);
    Status AnswerSslRequest();
    Result<security::Principal> Authenticate(const std::string& user);
    Result<security::Principal> ByScram(const std::string& user);
    Result<security::Principal> ByClearText(const std::string& user);
    Result<std::string> ReadAnswer();
    Status SendAuthentication(int32_t code, std::string_view body);

    Stream& stream_;
    wire::PgFrameReader& reader_;
    const SqlServerConfig& config_;
    const QueryDependencies& dependencies_;
    std::string user_;
};

}  // namespace tarn::query
