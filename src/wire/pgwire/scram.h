// SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677), without channel binding.
#pragma once

#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"

namespace tarn::wire {

// What the server keeps of a password (RFC 5802, 3); all raw bytes.
struct ScramKeys {
    std::string salt;
    int iterations = 4096;
    std::string stored_key;
    std::string server_key;
};

class ScramServer {
  public:
    ScramServer(Random& random, ScramKeys keys);
    // client-first-message -> server-first-message. The user name in it is ignored, as PostgreSQL does.
    Result<std::string> First(std::string_view client_first);
    // client-final-message -> server-final-message; kUnauthenticated when the proof is wrong.
    Result<std::string> Final(std::string_view client_final);

  private:
    ScramKeys keys_;
    std::string nonce_;
    std::string gs2_header_;
    std::string client_first_bare_;
    std::string server_first_;
};

}  // namespace tarn::wire
