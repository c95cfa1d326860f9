// Passwords: argon2id for our own login, a SCRAM verifier for the SQL wire, and what a password must be like.
//
// argon2.h is included by password.cc alone. A hash costs about 20 MiB and 20-100 ms: PasswordSlots bounds how many
// run.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "security/authenticator.h"

namespace tarn::identity {

inline constexpr int kScramIterations = 16'384;
inline constexpr size_t kScramSaltBytes = 16;
inline constexpr size_t kPasswordBytesMax = 256;

// The PHC string "$argon2id$v=19$m=19456,t=2,p=1$...".
Result<std::string> HashPassword(Random& random, std::string_view password);
bool VerifyPassword(const std::string& encoded, std::string_view password);
// A hash of nothing: verifying against it costs what a real one costs and never succeeds.
std::string MakeDecoyHash(Random& random);
// True when it was made with other parameters than today's.
bool NeedsRehash(const std::string& encoded);

security::ScramVerifier MakeScramVerifier(Random& random, std::string_view password);

// At least 8 bytes, at most 256, not the user's name, not one of the most guessed ones.
Status CheckPassword(std::string_view user, std::string_view password);

// Lets as many hashes run at once as half of the cores, some wait, and refuses the rest: logins never starve the
// program.
class PasswordSlots {
  public:
    explicit PasswordSlots(int running_max, int waiting_max = 32);
    class Slot {
      public:
        explicit Slot(PasswordSlots* slots) : slots_(slots) {}
        Slot(Slot&& other) noexcept : slots_(other.slots_) { other.slots_ = nullptr; }
        Slot& operator=(Slot&&) = delete;
        ~Slot();

      private:
        PasswordSlots* slots_;
    };
    Result<Slot> Take();

  private:
    std::mutex mutex_;
    std::condition_variable freed_;
    int running_ = 0;
    int waiting_ = 0;
    int running_max_;
    int waiting_max_;
};

}  // namespace tarn::identity
