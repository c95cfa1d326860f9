#include "access/identity/password.h"

#include <argon2.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/text.h"

namespace tarn::identity {
namespace {

// OWASP's first choice for interactive logins.
constexpr uint32_t kMemoryKiB = 19 * 1024;
constexpr uint32_t kPasses = 2;
constexpr uint32_t kLanes = 1;
constexpr size_t kSaltBytes = 16;
constexpr size_t kHashBytes = 32;
constexpr size_t kPasswordBytesMin = 8;

// The head of every list of leaked passwords, of those with 8 characters or more.
constexpr auto kMostGuessed = std::to_array<std::string_view>({
    "password",      "password1",  "password12", "password123", "passw0rd",  "p@ssw0rd",    "p@ssword",   "12345678",
    "123456789",     "1234567890", "0123456789", "87654321",    "987654321", "11111111",    "00000000",   "88888888",
    "12341234",      "11223344",   "1q2w3e4r",   "1q2w3e4r5t",  "1qaz2wsx",  "qwertyui",    "qwertyuiop", "qwerty123",
    "qwerty1234",    "asdfghjkl",  "asdfasdf",   "zxcvbnm1",    "abcd1234",  "abc12345",    "abcdefgh",   "aa123456",
    "iloveyou",      "sunshine",   "princess",   "football",    "baseball",  "superman",    "trustno1",   "welcome1",
    "welcome123",    "letmein1",   "letmein123", "changeme",    "changeme1", "changeme123", "admin123",   "admin1234",
    "administrator", "computer",   "internet",   "whatever",    "starwars",  "michelle",    "jennifer",   "corvette",
});

std::string Base64NoPadding(ByteSpan bytes) {
    std::string text = Base64Encode(bytes);
    while (text.ends_with('=')) text.pop_back();
    return text;
}

std::string Parameters() { return fmt::format("$argon2id$v=19$m={},t={},p={}$", kMemoryKiB, kPasses, kLanes); }

std::string DigestText(const Sha256Digest& digest) { return std::string(AsText(digest)); }

}  // namespace

Result<std::string> HashPassword(Random& random, std::string_view password) {
    std::array<uint8_t, kSaltBytes> salt;
    random.Fill(salt);
    std::vector<char> encoded(argon2_encodedlen(kPasses, kMemoryKiB, kLanes, kSaltBytes, kHashBytes, Argon2_id));
    int code = argon2id_hash_encoded(kPasses, kMemoryKiB, kLanes, password.data(), password.size(), salt.data(),
                                     salt.size(), kHashBytes, encoded.data(), encoded.size());
    if (code == ARGON2_OK) return std::string(encoded.data());
    return Error(ErrorCode::kUnavailable, "the password could not be hashed: {}", argon2_error_message(code));
}

bool VerifyPassword(const std::string& encoded, std::string_view password) {
    return argon2id_verify(encoded.c_str(), password.data(), password.size()) == ARGON2_OK;
}

std::string MakeDecoyHash(Random& random) {
    std::array<uint8_t, kSaltBytes> salt;
    std::array<uint8_t, kHashBytes> hash;
    random.Fill(salt);
    random.Fill(hash);
    return Parameters() + Base64NoPadding(salt) + "$" + Base64NoPadding(hash);
}

bool NeedsRehash(const std::string& encoded) { return !encoded.starts_with(Parameters()); }

security::ScramVerifier MakeScramVerifier(Random& random, std::string_view password) {
    std::array<uint8_t, kScramSaltBytes> salt;
    random.Fill(salt);
    Secret salted = Pbkdf2Sha256(password, salt, kScramIterations);
    Sha256Digest client_key = HmacSha256(salted.bytes(), AsBytes("Client Key"));
    security::ScramVerifier verifier;
    verifier.salt = std::string(AsText(salt));
    verifier.iterations = kScramIterations;
    verifier.stored_key = DigestText(Sha256(client_key));
    verifier.server_key = DigestText(HmacSha256(salted.bytes(), AsBytes("Server Key")));
    verifier.known = true;
    return verifier;
}

Status CheckPassword(std::string_view user, std::string_view password) {
    auto refused = [](std::string_view why) { return Error(ErrorCode::kInvalidArgument, "the password {}", why); };
    if (password.size() < kPasswordBytesMin) return refused("must have at least 8 characters");
    if (password.size() > kPasswordBytesMax) return refused("must have at most 256 bytes");
    if (!IsUtf8(password) || password.find('\0') != std::string_view::npos) return refused("must be text");
    std::string lower = ToLower(password);
    if (lower == user) return refused("must not be the user's name");
    if (std::find(kMostGuessed.begin(), kMostGuessed.end(), lower) != kMostGuessed.end() ||
        lower.find_first_not_of(lower.front()) == std::string::npos) {
        return refused("is one of the first that anybody would guess");
    }
    return Ok();
}

PasswordSlots::PasswordSlots(int running_max, int waiting_max)
    : running_max_(std::max(1, running_max)), waiting_max_(waiting_max) {}

Result<PasswordSlots::Slot> PasswordSlots::Take() {
    std::unique_lock lock(mutex_);
    if (running_ >= running_max_) {
        if (waiting_ >= waiting_max_) {
            return Error(ErrorCode::kResourceExhausted, "too many logins by password at once: try again in a moment");
        }
        ++waiting_;
        freed_.wait(lock, [&] { return running_ < running_max_; });
        --waiting_;
    }
    ++running_;
    return Slot(this);
}

PasswordSlots::Slot::~Slot() {
    if (!slots_) return;
    {
        std::lock_guard lock(slots_->mutex_);
        --slots_->running_;
    }
    slots_->freed_.notify_one();
}

}  // namespace tarn::identity
