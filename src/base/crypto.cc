#include "base/crypto.h"

#include <isa-l/crc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace tarn {
namespace {

// OpenSSL counts in int and ISA-L too; longer input goes in pieces.
constexpr size_t kPieceBytesMax = 1 << 30;

template <typename Take>
void InPieces(ByteSpan bytes, Take take) {
    while (!bytes.empty()) {
        ByteSpan piece = bytes.first(std::min(bytes.size(), kPieceBytesMax));
        take(piece);
        bytes = bytes.subspan(piece.size());
    }
}

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

// One AES-256-GCM operation in one direction. A failing call of OpenSSL here is out of memory or a bug: a check.
class Gcm {
  public:
    enum class Direction : int { kOpen = 0, kSeal = 1 };

    Gcm(Direction direction, ByteSpan key, ByteSpan nonce) : context_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free) {
        TARN_CHECK(context_ != nullptr);
        // 12 byte nonces are GCM's default length, so it need not be set.
        TARN_CHECK(EVP_CipherInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data(),
                                     static_cast<int>(direction)) == 1);
    }
    void Associate(ByteSpan bytes) {
        InPieces(bytes, [&](ByteSpan piece) { Update(nullptr, piece); });
    }
    void Process(ByteSpan input, uint8_t* output) {
        InPieces(input, [&](ByteSpan piece) {
            Update(output, piece);
            output += piece.size();
        });
    }
    void FinishSeal(uint8_t* tag) {
        int count = 0;
        TARN_CHECK(EVP_CipherFinal_ex(context_.get(), tag, &count) == 1 && count == 0);
        TARN_CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag) == 1);
    }
    bool FinishOpen(ByteSpan tag) {
        uint8_t copy[kTagBytes];
        std::memcpy(copy, tag.data(), kTagBytes);
        TARN_CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, copy) == 1);
        int count = 0;
        return EVP_CipherFinal_ex(context_.get(), copy, &count) == 1;
    }

  private:
    void Update(uint8_t* output, ByteSpan input) {
        int count = 0;
        TARN_CHECK(EVP_CipherUpdate(context_.get(), output, &count, input.data(), static_cast<int>(input.size())) == 1);
        TARN_CHECK(count == static_cast<int>(input.size()));
    }
    CipherContext context_;
};

Status CheckLengths(ByteSpan key, ByteSpan nonce) {
    if (key.size() != kKeyBytes) {
        return Error(ErrorCode::kInvalidArgument, "a key has {} bytes, got {}", kKeyBytes, key.size());
    }
    if (nonce.size() != kNonceBytes) {
        return Error(ErrorCode::kInvalidArgument, "a nonce has {} bytes, got {}", kNonceBytes, nonce.size());
    }
    return Ok();
}

class EvpHasher : public Hasher {
  public:
    explicit EvpHasher(const EVP_MD* kind) : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
        TARN_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), kind, nullptr) == 1);
    }
    void Update(ByteSpan bytes) override {
        TARN_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
    }
    Bytes Finish() override {
        Bytes digest(EVP_MAX_MD_SIZE);
        unsigned length = 0;
        TARN_CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &length) == 1);
        digest.resize(length);
        return digest;
    }

  private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

template <typename Word>
Bytes BigEndian(Word word) {
    Bytes bytes(sizeof(word));
    for (size_t i = 0; i < sizeof(word); i++) bytes[i] = static_cast<uint8_t>(word >> (8 * (sizeof(word) - 1 - i)));
    return bytes;
}

uint32_t Crc32(ByteSpan bytes, uint32_t seed) {
    InPieces(bytes, [&](ByteSpan piece) { seed = crc32_gzip_refl(seed, piece.data(), piece.size()); });
    return seed;
}

// CRC-64/NVME (NVM Express NVM command set 1.0, 5.2.1.3.4), reflected; eight tables eat eight bytes a step.
using Crc64Tables = std::array<std::array<uint64_t, 256>, 8>;
constexpr Crc64Tables MakeCrc64Tables() {
    constexpr uint64_t kPolynomial = 0x9A6C9329AC4BC9B5;  // 0xAD93D23594C93659 with its bits reversed
    Crc64Tables tables{};
    for (uint64_t byte = 0; byte < 256; byte++) {
        uint64_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? kPolynomial : 0);
        tables[0][byte] = crc;
    }
    for (size_t byte = 0; byte < 256; byte++) {
        for (size_t i = 1; i < 8; i++) {
            uint64_t before = tables[i - 1][byte];
            tables[i][byte] = (before >> 8) ^ tables[0][before & 255];
        }
    }
    return tables;
}
constexpr Crc64Tables kCrc64Tables = MakeCrc64Tables();

uint64_t Crc64Nvme(ByteSpan bytes, uint64_t seed) {
    static_assert(std::endian::native == std::endian::little);
    uint64_t crc = ~seed;
    while (bytes.size() >= 8) {
        uint64_t word;
        std::memcpy(&word, bytes.data(), 8);
        crc ^= word;
        uint64_t next = 0;
        for (size_t i = 0; i < 8; i++) next ^= kCrc64Tables[7 - i][(crc >> (8 * i)) & 255];
        crc = next;
        bytes = bytes.subspan(8);
    }
    for (uint8_t byte : bytes) crc = (crc >> 8) ^ kCrc64Tables[0][(crc ^ byte) & 255];
    return ~crc;
}

template <typename Word, Word (*Step)(ByteSpan, Word)>
class CrcHasher : public Hasher {
  public:
    void Update(ByteSpan bytes) override { crc_ = Step(bytes, crc_); }
    Bytes Finish() override { return BigEndian(crc_); }

  private:
    Word crc_ = 0;
};

}  // namespace

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    OPENSSL_cleanse(bytes_.data(), bytes_.size());
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
    return *this;
}

Secret::~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

Secret RandomKey(Random& random) {
    Bytes key(kKeyBytes);
    random.Fill(key);
    return Secret(std::move(key));
}

Status SealInto(ByteSpan key, ByteSpan nonce, ByteSpan associated, ByteSpan plain, MutableByteSpan sealed) {
    TRY(CheckLengths(key, nonce));
    if (sealed.size() != plain.size() + kTagBytes) {
        return Error(ErrorCode::kInvalidArgument, "{} bytes seal into {}, not {}", plain.size(),
                     plain.size() + kTagBytes, sealed.size());
    }
    Gcm gcm(Gcm::Direction::kSeal, key, nonce);
    gcm.Associate(associated);
    gcm.Process(plain, sealed.data());
    gcm.FinishSeal(sealed.data() + plain.size());
    return Ok();
}

Status OpenInto(ByteSpan key, ByteSpan nonce, ByteSpan associated, ByteSpan sealed, MutableByteSpan plain) {
    TRY(CheckLengths(key, nonce));
    if (sealed.size() < kTagBytes) {
        return Error(ErrorCode::kCorruption, "sealed bytes are cut off: {} of at least {}", sealed.size(), kTagBytes);
    }
    size_t length = sealed.size() - kTagBytes;
    if (plain.size() != length) {
        return Error(ErrorCode::kInvalidArgument, "{} bytes open into {}, not {}", sealed.size(), length, plain.size());
    }
    Gcm gcm(Gcm::Direction::kOpen, key, nonce);
    gcm.Associate(associated);
    gcm.Process(sealed.first(length), plain.data());
    if (gcm.FinishOpen(sealed.subspan(length))) return Ok();
    OPENSSL_cleanse(plain.data(), plain.size());  // nobody may use what was not authentic
    return Error(ErrorCode::kCorruption, "sealed bytes were changed, or the key is not the one that sealed them");
}

Bytes Seal(Random& random, ByteSpan key, ByteSpan associated, ByteSpan plain) {
    Bytes sealed(kNonceBytes + plain.size() + kTagBytes);
    MutableByteSpan nonce = MutableByteSpan(sealed).first(kNonceBytes);
    random.Fill(nonce);
    Status done = SealInto(key, nonce, associated, plain, MutableByteSpan(sealed).subspan(kNonceBytes));
    TARN_CHECK(done.ok());  // only a key of a wrong length fails: a bug of the caller
    return sealed;
}

Result<Bytes> Open(ByteSpan key, ByteSpan associated, ByteSpan sealed) {
    if (sealed.size() < kNonceBytes + kTagBytes) {
        return Error(ErrorCode::kCorruption, "sealed bytes are cut off: {} of at least {}", sealed.size(),
                     kNonceBytes + kTagBytes);
    }
    Bytes plain(sealed.size() - kNonceBytes - kTagBytes);
    TRY(OpenInto(key, sealed.first(kNonceBytes), associated, sealed.subspan(kNonceBytes), plain));
    return plain;
}

Sha256Digest Sha256(ByteSpan bytes) {
    Sha256Digest digest;
    TARN_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
    return digest;
}

std::string Sha256Hex(ByteSpan bytes) { return HexEncode(Sha256(bytes)); }

Sha256Digest HmacSha256(ByteSpan key, ByteSpan bytes) {
    Sha256Digest digest;
    // OpenSSL takes a null key for "the key of the call before".
    const uint8_t* key_data = key.empty() ? digest.data() : key.data();
    TARN_CHECK(HMAC(EVP_sha256(), key_data, static_cast<int>(key.size()), bytes.data(), bytes.size(), digest.data(),
                    nullptr) != nullptr);
    return digest;
}

Secret DeriveKey(ByteSpan key, std::string_view info) {
    // RFC 5869 for one block of output: extract with a salt of zeros, then expand once.
    const Sha256Digest zeros{};
    Sha256Digest pseudorandom = HmacSha256(zeros, key);
    Bytes message(info.begin(), info.end());
    message.push_back(1);
    Sha256Digest derived = HmacSha256(pseudorandom, message);
    Secret secret(Bytes(derived.begin(), derived.end()));
    OPENSSL_cleanse(pseudorandom.data(), pseudorandom.size());
    OPENSSL_cleanse(derived.data(), derived.size());
    return secret;
}

Secret Pbkdf2Sha256(std::string_view password, ByteSpan salt, int iterations) {
    Bytes derived(32);
    TARN_CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt.data(),
                                 static_cast<int>(salt.size()), iterations, EVP_sha256(),
                                 static_cast<int>(derived.size()), derived.data()) == 1);
    return Secret(std::move(derived));
}

std::unique_ptr<Hasher> Hasher::Create(HashKind kind) {
    switch (kind) {
        case HashKind::kMd5:
            return std::make_unique<EvpHasher>(EVP_md5());
        case HashKind::kSha1:
            return std::make_unique<EvpHasher>(EVP_sha1());
        case HashKind::kSha256:
            return std::make_unique<EvpHasher>(EVP_sha256());
        case HashKind::kCrc32:
            return std::make_unique<CrcHasher<uint32_t, Crc32>>();
        case HashKind::kCrc32c:
            return std::make_unique<CrcHasher<uint32_t, Crc32c>>();
        case HashKind::kCrc64Nvme:
            return std::make_unique<CrcHasher<uint64_t, Crc64Nvme>>();
    }
    CheckFailed("a known HashKind", __FILE__, __LINE__);
}

uint32_t Crc32c(ByteSpan bytes, uint32_t seed) {
    // ISA-L wants the register itself, before the final inversion; its parameter lacks a const.
    uint32_t crc = ~seed;
    InPieces(bytes, [&](ByteSpan piece) {
        crc = crc32_iscsi(const_cast<uint8_t*>(piece.data()), static_cast<int>(piece.size()), crc);
    });
    return ~crc;
}

}  // namespace tarn
