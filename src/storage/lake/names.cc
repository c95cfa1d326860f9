#include "storage/lake/names.h"

#include <algorithm>

#include "base/text.h"

namespace tarn::lake {
namespace {

bool IsLowerOrDigit(char letter) { return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9'); }

bool LooksLikeIpAddress(std::string_view name) {
    auto parts = Split(name, '.');
    if (parts.size() != 4) return false;
    return std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
        return !part.empty() && part.size() <= 3 &&
               std::all_of(part.begin(), part.end(), [](char letter) { return letter >= '0' && letter <= '9'; });
    });
}

const char* WrongInBucketName(std::string_view bucket) {
    if (bucket.size() < 3 || bucket.size() > 63) return "it must have 3 to 63 characters";
    for (char letter : bucket) {
        if (!IsLowerOrDigit(letter) && letter != '.' && letter != '-') return "only a-z, 0-9, '.' and '-' are allowed";
    }
    if (!IsLowerOrDigit(bucket.front()) || !IsLowerOrDigit(bucket.back())) {
        return "it must start and end with a letter or digit";
    }
    if (bucket.find("..") != std::string_view::npos) return "two dots must not follow each other";
    if (LooksLikeIpAddress(bucket)) return "it must not look like an IP address";
    if (bucket.starts_with("xn--") || bucket.starts_with("sthree-")) return "this prefix is reserved";
    if (bucket.ends_with("-s3alias") || bucket.ends_with("--ol-s3")) return "this suffix is reserved";
    return nullptr;
}

}  // namespace

Status CheckBucketName(std::string_view bucket) {
    const char* wrong = WrongInBucketName(bucket);
    if (wrong == nullptr) return Ok();
    return Error(ErrorCode::kInvalidArgument, "\"{}\" is no bucket name: {}", bucket.substr(0, 80), wrong)
        .WithDetailCode("InvalidBucketName");
}

Status CheckKey(std::string_view key) {
    if (key.empty()) return Error(ErrorCode::kInvalidArgument, "an object's key must not be empty");
    if (key.size() > kKeyBytesMax) {
        return Error(ErrorCode::kInvalidArgument, "an object's key has at most {} bytes, this one has {}", kKeyBytesMax,
                     key.size())
            .WithDetailCode("KeyTooLongError");
    }
    // XML cannot carry it: listings would name another key.
    if (key.find('\0') != std::string_view::npos) {
        return Error(ErrorCode::kInvalidArgument, "an object's key must not hold the character NUL");
    }
    if (!IsUtf8(key)) return Error(ErrorCode::kInvalidArgument, "an object's key must be UTF-8");
    return Ok();
}

Status CheckObjectName(const ObjectName& name) {
    TRY(CheckBucketName(name.bucket));
    return CheckKey(name.key);
}

std::optional<std::string> AfterPrefix(std::string_view prefix) {
    std::string after(prefix);
    while (!after.empty() && static_cast<uint8_t>(after.back()) == 0xff) after.pop_back();
    if (after.empty()) return std::nullopt;
    after.back() = static_cast<char>(static_cast<uint8_t>(after.back()) + 1);
    return after;
}

}  // namespace tarn::lake
