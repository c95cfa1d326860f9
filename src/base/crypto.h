// Cryptography that Tarn uses, over OpenSSL: AES-256-GCM, SHA-2, HMAC, HKDF, MD5 (ETags only), CRCs, password hashes.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/env.h"
#include "base/result.h"

namespace tarn {

inline constexpr size_t kKeyBytes = 32;
inline constexpr size_t kNonceBytes = 12;
inline constexpr size_t kTagBytes = 16;

// A key or password in memory: no formatter, no copy by accident, wiped when destroyed.
class Secret {
  public:
    Secret() = default;
    explicit Secret(Bytes bytes) : bytes_(std::move(bytes)) {}
    explicit Secret(std::string_view text) : bytes_(text.begin(), text.end()) {}
    Secret(Secret&& other) noexcept = default;
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();
    Secret Clone() const { return Secret(Bytes(bytes_)); }
    ByteSpan bytes() const { return bytes_; }
    std::string_view text() const { return AsText(bytes_); }
    bool empty() const { return bytes_.empty(); }

  private:
    Bytes bytes_;
};

Secret RandomKey(Random& random);

// AES-256-GCM (NIST SP 800-38D). `nonce` must never repeat under one key. Output = ciphertext then 16 byte tag.
Status SealInto(ByteSpan key, ByteSpan nonce, ByteSpan associated, ByteSpan plain, MutableByteSpan sealed);
// kCorruption if anything (key, nonce, associated data, a bit of the text) is not what was sealed.
Status OpenInto(ByteSpan key, ByteSpan nonce, ByteSpan associated, ByteSpan sealed, MutableByteSpan plain);
// With a random nonce in front: nonce | ciphertext | tag. For keys and small records.
Bytes Seal(Random& random, ByteSpan key, ByteSpan associated, ByteSpan plain);
Result<Bytes> Open(ByteSpan key, ByteSpan associated, ByteSpan sealed);

using Sha256Digest = std::array<uint8_t, 32>;
Sha256Digest Sha256(ByteSpan bytes);
std::string Sha256Hex(ByteSpan bytes);
Sha256Digest HmacSha256(ByteSpan key, ByteSpan bytes);
// HKDF-SHA256 (RFC 5869) with an empty salt.
Secret DeriveKey(ByteSpan key, std::string_view info);
// PBKDF2-HMAC-SHA256 (RFC 8018), 32 bytes: SCRAM's SaltedPassword.
Secret Pbkdf2Sha256(std::string_view password, ByteSpan salt, int iterations);

enum class HashKind { kMd5, kSha1, kSha256, kCrc32, kCrc32c, kCrc64Nvme };
// A running hash. CRCs finish as big-endian bytes, as S3 wants them.
class Hasher {
  public:
    static std::unique_ptr<Hasher> Create(HashKind kind);
    virtual ~Hasher() = default;
    virtual void Update(ByteSpan bytes) = 0;
    virtual Bytes Finish() = 0;  // once
};
// Running: Crc32c(b, Crc32c(a)) is the CRC of a then b.
uint32_t Crc32c(ByteSpan bytes, uint32_t seed = 0);

}  // namespace tarn
