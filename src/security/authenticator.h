// Authenticator: from credentials to principals, one verifier a protocol. Implemented by access/identity.
#pragma once

#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/result.h"
#include "security/principal.h"

namespace tarn::security {

// What SCRAM-SHA-256 needs (RFC 5802, 3); for unknown users a stable fake, so that names can't be tried out.
struct ScramVerifier {
    std::string salt;  // raw bytes
    int iterations = 4096;
    std::string stored_key;  // 32 raw bytes
    std::string server_key;  // 32 raw bytes
    bool known = false;      // false: go through the exchange, then refuse
};

struct S3Key {
    Principal principal;
    Secret secret_access_key;
};

class Authenticator {
  public:
    virtual ~Authenticator() = default;
    // A personal or system token ("tarn_..."), as bearer or as password.
    virtual Result<Principal> ByToken(std::string_view token) = 0;
    // The browser's session cookie.
    virtual Result<Principal> BySession(std::string_view cookie) = 0;
    // Runs argon2id: call it on an executor. Wrong user and wrong password look and cost the same.
    virtual Result<Principal> ByPassword(std::string_view user, std::string_view password) = 0;
    // As ByPassword, and slows down who guesses, by (user, remote host): kResourceExhausted says for how long.
    // Protocols that know where a call comes from use this one.
    virtual Result<Principal> ByPasswordFrom(std::string_view /*remote*/, std::string_view user,
                                             std::string_view password) {
        return ByPassword(user, password);
    }
    // The same brake for exchanges that the protocol runs itself (SCRAM): ask before, tell after.
    virtual Status MayAttempt(std::string_view /*remote*/, std::string_view /*user*/) { return Ok(); }
    virtual void NoteAttempt(std::string_view /*remote*/, std::string_view /*user*/, bool /*succeeded*/) {}
    virtual ScramVerifier ScramOf(std::string_view user) = 0;
    // After a SCRAM exchange proved the password.
    virtual Result<Principal> AfterScram(std::string_view user) = 0;
    // True when the user has a password (then the SQL wire asks by SCRAM), false: tokens only.
    virtual bool HasPassword(std::string_view user) = 0;
    virtual Result<S3Key> ByS3KeyId(std::string_view access_key_id) = 0;
    // Fresh roles and groups of an open session; kUnauthenticated once the user or credential is revoked.
    virtual Result<Principal> Refresh(const Principal& principal) = 0;
};

}  // namespace tarn::security
