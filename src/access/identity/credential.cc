#include "access/identity/credential.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/crypto.h"

namespace tarn::identity {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kUpperAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr size_t kTokenRandomLength = 40;
constexpr size_t kTokenCheckLength = 6;
constexpr size_t kS3KeyIdLength = 16;
constexpr size_t kS3SecretLength = 40;
constexpr size_t kOpaqueBytes = 32;

// Every character equally likely: bytes beyond the last whole multiple of the alphabet's size are thrown away.
std::string RandomText(Random& random, std::string_view alphabet, size_t length) {
    size_t usable = 256 / alphabet.size() * alphabet.size();
    std::string text;
    std::array<uint8_t, 64> bytes;
    while (text.size() < length) {
        random.Fill(bytes);
        for (uint8_t byte : bytes) {
            if (byte < usable && text.size() < length) text.push_back(alphabet[byte % alphabet.size()]);
        }
    }
    return text;
}

std::string CheckText(std::string_view text) {
    uint32_t left = Crc32c(AsBytes(text));
    std::string check(kTokenCheckLength, kAlphabet[0]);
    for (char& c : check) {
        c = kAlphabet[left % kAlphabet.size()];
        left /= static_cast<uint32_t>(kAlphabet.size());
    }
    return check;
}

bool IsWord(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

}  // namespace

std::string MakeToken(Random& random) {
    std::string text = std::string(kTokenPrefix) + RandomText(random, kAlphabet, kTokenRandomLength);
    return text + CheckText(text);
}

bool IsToken(std::string_view text) {
    constexpr size_t kBeforeCheck = kTokenPrefix.size() + kTokenRandomLength;
    if (text.size() != kBeforeCheck + kTokenCheckLength || !text.starts_with(kTokenPrefix)) return false;
    return text.substr(kBeforeCheck) == CheckText(text.substr(0, kBeforeCheck));
}

std::string MakeOpaque(Random& random) {
    std::array<uint8_t, kOpaqueBytes> bytes;
    random.Fill(bytes);
    return Base64UrlEncode(bytes);
}

std::string MakeS3KeyId(Random& random) {
    return std::string(kS3KeyPrefix) + RandomText(random, kUpperAlphabet, kS3KeyIdLength);
}

std::string MakeS3Secret(Random& random) { return RandomText(random, kAlphabet, kS3SecretLength); }

std::string HashOf(std::string_view credential) { return Sha256Hex(AsBytes(credential)); }

bool IsUserName(std::string_view name) {
    if (name.empty() || name.size() > 63) return false;
    auto allowed = [](char c) { return (IsWord(c) && !(c >= 'A' && c <= 'Z')) || c == '@' || c == '+'; };
    return std::all_of(name.begin(), name.end(), allowed) && name.front() != '-' && name.front() != '.';
}

bool IsCredentialName(std::string_view name) {
    return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), IsWord);
}

}  // namespace tarn::identity
