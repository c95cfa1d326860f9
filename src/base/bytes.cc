#include "base/bytes.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace tarn {
namespace {

constexpr char kHexLower[] = "0123456789abcdef";
constexpr char kHexUpper[] = "0123456789ABCDEF";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kBase64Url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int HexValue(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

constexpr std::array<int8_t, 256> DecodeTable(const char* alphabet) {
    std::array<int8_t, 256> table{};
    table.fill(-1);
    for (int value = 0; value < 64; value++) table[static_cast<uint8_t>(alphabet[value])] = static_cast<int8_t>(value);
    return table;
}
constexpr auto kBase64Values = DecodeTable(kBase64);
constexpr auto kBase64UrlValues = DecodeTable(kBase64Url);

std::string EncodeBase64(ByteSpan bytes, const char* alphabet, bool pad) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (size_t at = 0; at < bytes.size(); at += 3) {
        size_t count = std::min<size_t>(3, bytes.size() - at);
        uint32_t group = static_cast<uint32_t>(bytes[at]) << 16;
        if (count > 1) group |= static_cast<uint32_t>(bytes[at + 1]) << 8;
        if (count > 2) group |= bytes[at + 2];
        for (size_t i = 0; i <= count; i++) text += alphabet[(group >> (18 - 6 * i)) & 63];
        if (pad) text.append(3 - count, '=');
    }
    return text;
}

// `text` without its padding.
Result<Bytes> DecodeBase64(std::string_view text, const std::array<int8_t, 256>& values) {
    if (text.size() % 4 == 1) return Error(ErrorCode::kInvalidArgument, "not base64: its length is wrong");
    Bytes bytes;
    bytes.reserve(text.size() / 4 * 3 + 2);
    uint32_t group = 0;
    int bits = 0;
    for (size_t at = 0; at < text.size(); at++) {
        int value = values[static_cast<uint8_t>(text[at])];
        if (value < 0) return Error(ErrorCode::kInvalidArgument, "not base64: wrong character at {}", at + 1);
        group = (group << 6) | static_cast<uint32_t>(value);
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes.push_back(static_cast<uint8_t>(group >> bits));
        group &= (1u << bits) - 1;
    }
    // Left-over bits that are not zero would make several texts mean the same bytes: a way around comparisons.
    if (group != 0) return Error(ErrorCode::kInvalidArgument, "not base64: its last character has stray bits");
    return bytes;
}

bool IsUnreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

}  // namespace

std::string HexEncode(ByteSpan bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (uint8_t byte : bytes) {
        text += kHexLower[byte >> 4];
        text += kHexLower[byte & 15];
    }
    return text;
}

Result<Bytes> HexDecode(std::string_view text) {
    if (text.size() % 2 != 0) return Error(ErrorCode::kInvalidArgument, "not hexadecimal: an odd number of digits");
    Bytes bytes(text.size() / 2);
    for (size_t at = 0; at < text.size(); at++) {
        int value = HexValue(text[at]);
        if (value < 0) return Error(ErrorCode::kInvalidArgument, "not hexadecimal: wrong character at {}", at + 1);
        bytes[at / 2] = static_cast<uint8_t>(bytes[at / 2] << 4 | value);
    }
    return bytes;
}

std::string Base64Encode(ByteSpan bytes) { return EncodeBase64(bytes, kBase64, true); }

Result<Bytes> Base64Decode(std::string_view text) {
    if (text.size() % 4 != 0) return Error(ErrorCode::kInvalidArgument, "not base64: its length is wrong");
    for (int i = 0; i < 2 && text.ends_with('='); i++) text.remove_suffix(1);
    return DecodeBase64(text, kBase64Values);
}

std::string Base64UrlEncode(ByteSpan bytes) { return EncodeBase64(bytes, kBase64Url, false); }

Result<Bytes> Base64UrlDecode(std::string_view text) { return DecodeBase64(text, kBase64UrlValues); }

std::string UrlEncode(std::string_view text, bool keep_slash) {
    std::string encoded;
    encoded.reserve(text.size());
    for (char c : text) {
        if (IsUnreserved(c) || (keep_slash && c == '/')) {
            encoded += c;
            continue;
        }
        encoded += '%';
        encoded += kHexUpper[static_cast<uint8_t>(c) >> 4];
        encoded += kHexUpper[static_cast<uint8_t>(c) & 15];
    }
    return encoded;
}

Result<std::string> UrlDecode(std::string_view text, bool plus_is_space) {
    std::string decoded;
    decoded.reserve(text.size());
    for (size_t at = 0; at < text.size(); at++) {
        char c = text[at];
        if (c == '+' && plus_is_space) c = ' ';
        if (c != '%') {
            decoded += c;
            continue;
        }
        int high = at + 2 < text.size() ? HexValue(text[at + 1]) : -1;
        int low = high >= 0 ? HexValue(text[at + 2]) : -1;
        if (low < 0) {
            return Error(ErrorCode::kInvalidArgument, "'%' at {} is not followed by two hexadecimal digits", at + 1);
        }
        decoded += static_cast<char>(high << 4 | low);
        at += 2;
    }
    return decoded;
}

Result<size_t> SpanReader::Read(MutableByteSpan buffer) {
    size_t count = std::min(buffer.size(), left_.size());
    if (count > 0) std::memcpy(buffer.data(), left_.data(), count);
    left_ = left_.subspan(count);
    return count;
}

Result<Bytes> ReadAll(ByteReader& reader, size_t bytes_max) {
    constexpr size_t kStepMin = 4096;
    bytes_max = std::min(bytes_max, Bytes().max_size() - 1);
    Bytes bytes;
    size_t used = 0;
    while (true) {
        // Grows with what came, never with what somebody announced; one byte past the limit tells "too much".
        if (used == bytes.size()) bytes.resize(std::min(std::max(kStepMin, used * 2), bytes_max + 1));
        size_t count = TRY(reader.Read(MutableByteSpan(bytes).subspan(used)));
        if (count == 0) break;
        used += count;
        if (used > bytes_max) return Error(ErrorCode::kResourceExhausted, "more than {} bytes", bytes_max);
    }
    bytes.resize(used);
    return bytes;
}

}  // namespace tarn
