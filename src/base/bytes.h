// Bytes: owned and borrowed runs of bytes, and their text forms (hex, base64, URL encoding).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn {

using Bytes = std::vector<uint8_t>;
using ByteSpan = std::span<const uint8_t>;
using MutableByteSpan = std::span<uint8_t>;

inline ByteSpan AsBytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view AsText(ByteSpan bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Lower-case hexadecimal.
std::string HexEncode(ByteSpan bytes);
Result<Bytes> HexDecode(std::string_view text);

// Standard alphabet with padding (RFC 4648, 4).
std::string Base64Encode(ByteSpan bytes);
Result<Bytes> Base64Decode(std::string_view text);
// URL alphabet without padding (RFC 4648, 5): for tokens and links.
std::string Base64UrlEncode(ByteSpan bytes);
Result<Bytes> Base64UrlDecode(std::string_view text);

// Percent-encoding of RFC 3986: all but unreserved characters; `keep_slash` leaves '/' as it is (S3 keys).
std::string UrlEncode(std::string_view text, bool keep_slash = false);
// `plus_is_space` as in HTML forms and query strings of browsers.
Result<std::string> UrlDecode(std::string_view text, bool plus_is_space = false);

// A source of bytes of unknown or known length: a request's body, a file, a buffer. Not thread-safe.
class ByteReader {
  public:
    virtual ~ByteReader() = default;
    // Fills up to buffer.size() bytes; 0 means the end. Blocks.
    virtual Result<size_t> Read(MutableByteSpan buffer) = 0;
};

// A sink of bytes: a response's body, a file. Blocks while the other side is slow.
class ByteWriter {
  public:
    virtual ~ByteWriter() = default;
    virtual Status Write(ByteSpan bytes) = 0;
};

// A reader over bytes that outlive it.
class SpanReader : public ByteReader {
  public:
    explicit SpanReader(ByteSpan bytes) : left_(bytes) {}
    Result<size_t> Read(MutableByteSpan buffer) override;

  private:
    ByteSpan left_;
};

// Reads to the end; kResourceExhausted past `bytes_max`.
Result<Bytes> ReadAll(ByteReader& reader, size_t bytes_max);

}  // namespace tarn
