#include "base/crypto.h"

#include <gtest/gtest.h>

namespace tarn {
namespace {

Bytes Hex(std::string_view text) { return HexDecode(text).value(); }

// The GCM specification (McGrew and Viega), test cases 14 and 16: AES-256.
TEST(Gcm, MatchesKnownAnswers) {
    Bytes zero_key(32), zero_nonce(12), zero_plain(16), sealed(32);
    ASSERT_TRUE(SealInto(zero_key, zero_nonce, {}, zero_plain, sealed).ok());
    EXPECT_EQ(HexEncode(sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");

    Bytes key = Hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    Bytes nonce = Hex("cafebabefacedbaddecaf888");
    Bytes associated = Hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    Bytes plain =
        Hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    Bytes out(plain.size() + kTagBytes);
    ASSERT_TRUE(SealInto(key, nonce, associated, plain, out).ok());
    EXPECT_EQ(HexEncode(out),
              "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
              "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
              "76fc6ece0f4e1768cddf8853bb2d551b");
    Bytes opened(plain.size());
    ASSERT_TRUE(OpenInto(key, nonce, associated, out, opened).ok());
    EXPECT_EQ(opened, plain);
}

TEST(Gcm, OpensInPlaceAndNothing) {
    Bytes key(32, 1), nonce(12, 2), buffer(100 + kTagBytes, 3);
    ASSERT_TRUE(SealInto(key, nonce, {}, ByteSpan(buffer).first(100), buffer).ok());
    ASSERT_TRUE(OpenInto(key, nonce, {}, buffer, MutableByteSpan(buffer).first(100)).ok());
    EXPECT_EQ(buffer[99], 3);
    Bytes tag(kTagBytes);
    ASSERT_TRUE(SealInto(key, nonce, AsBytes("x"), {}, tag).ok());
    EXPECT_TRUE(OpenInto(key, nonce, AsBytes("x"), tag, {}).ok());
    EXPECT_FALSE(OpenInto(key, nonce, AsBytes("y"), tag, {}).ok());
}

TEST(Seal, AnyChangedBitIsCorruption) {
    Random& random = SystemEnv().random();
    Secret key = RandomKey(random);
    Bytes sealed = Seal(random, key.bytes(), AsBytes("bucket/key"), AsBytes("plain text"));
    EXPECT_EQ(AsText(Open(key.bytes(), AsBytes("bucket/key"), sealed).value()), "plain text");
    EXPECT_NE(sealed, Seal(random, key.bytes(), AsBytes("bucket/key"), AsBytes("plain text")));
    for (size_t bit = 0; bit < sealed.size() * 8; bit++) {
        Bytes changed = sealed;
        changed[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        EXPECT_EQ(Open(key.bytes(), AsBytes("bucket/key"), changed).error().code(), ErrorCode::kCorruption);
    }
    EXPECT_EQ(Open(key.bytes(), AsBytes("bucket/kez"), sealed).error().code(), ErrorCode::kCorruption);
    EXPECT_EQ(Open(RandomKey(random).bytes(), AsBytes("bucket/key"), sealed).error().code(), ErrorCode::kCorruption);
    for (size_t length = 0; length < sealed.size(); length++) {
        ByteSpan cut = ByteSpan(sealed).first(length);
        EXPECT_EQ(Open(key.bytes(), AsBytes("bucket/key"), cut).error().code(), ErrorCode::kCorruption);
    }
}

TEST(Gcm, RefusesWrongLengths) {
    Bytes key(31), nonce(12), sealed(16), plain(1);
    EXPECT_EQ(SealInto(key, nonce, {}, {}, sealed).error().code(), ErrorCode::kInvalidArgument);
    key.resize(32), nonce.resize(11);
    EXPECT_EQ(SealInto(key, nonce, {}, {}, sealed).error().code(), ErrorCode::kInvalidArgument);
    nonce.resize(12);
    EXPECT_EQ(SealInto(key, nonce, {}, plain, sealed).error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(OpenInto(key, nonce, {}, sealed, plain).error().code(), ErrorCode::kInvalidArgument);
}

// FIPS 180-4 examples.
TEST(Sha256, MatchesKnownAnswers) {
    EXPECT_EQ(Sha256Hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(Sha256Hex(AsBytes("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// RFC 4231, test cases 1, 2 and 6.
TEST(HmacSha256, MatchesKnownAnswers) {
    EXPECT_EQ(HexEncode(HmacSha256(Bytes(20, 0x0b), AsBytes("Hi There"))),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(HexEncode(HmacSha256(AsBytes("Jefe"), AsBytes("what do ya want for nothing?"))),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(
        HexEncode(HmacSha256(Bytes(131, 0xaa), AsBytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    EXPECT_EQ(HexEncode(HmacSha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// RFC 5869, test case 3 (no salt, no info): the first 32 bytes of its output.
TEST(DeriveKey, MatchesKnownAnswer) {
    EXPECT_EQ(HexEncode(DeriveKey(Bytes(22, 0x0b), "").bytes()),
              "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    EXPECT_NE(HexEncode(DeriveKey(Bytes(22, 0x0b), "a").bytes()), HexEncode(DeriveKey(Bytes(22, 0x0b), "b").bytes()));
}

// RFC 7914, section 11 (the first 32 of 64 bytes), and the SCRAM example of RFC 7677.
TEST(Pbkdf2Sha256, MatchesKnownAnswers) {
    EXPECT_EQ(HexEncode(Pbkdf2Sha256("passwd", AsBytes("salt"), 1).bytes()),
              "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    EXPECT_EQ(HexEncode(Pbkdf2Sha256("Password", AsBytes("NaCl"), 80000).bytes()),
              "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
    Secret salted = Pbkdf2Sha256("pencil", Base64Decode("W22ZaJ0SNY7soEsUEjb6gQ==").value(), 4096);
    Sha256Digest server_key = HmacSha256(salted.bytes(), AsBytes("Server Key"));
    Sha256Digest signature = HmacSha256(
        server_key, AsBytes("n=user,r=rOprNGfwEbeRWgbNEkqO,"
                            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
                            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"));
    EXPECT_EQ(Base64Encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

// The check values of the catalogue of CRCs, RFC 3720 B.4 and RFC 1321 A.5.
TEST(Hasher, MatchesKnownAnswers) {
    const std::pair<HashKind, const char*> answers[] = {{HashKind::kCrc32, "cbf43926"},
                                                        {HashKind::kCrc32c, "e3069283"},
                                                        {HashKind::kCrc64Nvme, "ae8b14860a799888"},
                                                        {HashKind::kMd5, "25f9e794323b453885f5181f1b624d0b"},
                                                        {HashKind::kSha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"}};
    for (auto [kind, answer] : answers) {
        auto whole = Hasher::Create(kind);
        whole->Update(AsBytes("123456789"));
        EXPECT_EQ(HexEncode(whole->Finish()), answer);
    }
    EXPECT_EQ(Crc32c(Bytes(32)), 0x8a9136aau);
    EXPECT_EQ(Crc32c(Bytes(32, 0xff)), 0x62a8ab43u);
    EXPECT_EQ(Crc32c({}), 0u);
}

TEST(Hasher, PiecesGiveTheSameAsTheWhole) {
    Bytes bytes(10'000);
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
    for (HashKind kind : {HashKind::kMd5, HashKind::kSha1, HashKind::kSha256, HashKind::kCrc32, HashKind::kCrc32c,
                          HashKind::kCrc64Nvme}) {
        auto whole = Hasher::Create(kind);
        whole->Update(bytes);
        auto pieces = Hasher::Create(kind);
        for (size_t at = 0, step = 0; at < bytes.size(); at += step, step = (step + 3) % 61) {
            step = std::min(step, bytes.size() - at);
            pieces->Update(ByteSpan(bytes).subspan(at, step));
        }
        EXPECT_EQ(whole->Finish(), pieces->Finish());
    }
    EXPECT_EQ(Crc32c(AsBytes("6789"), Crc32c(AsBytes("12345"))), 0xe3069283u);
}

TEST(Secret, MovesAndClones) {
    Secret secret("pass");
    Secret copy = secret.Clone();
    Secret moved = std::move(secret);
    EXPECT_EQ(moved.text(), "pass");
    EXPECT_EQ(copy.text(), "pass");
    moved = std::move(copy);
    EXPECT_EQ(moved.text(), "pass");
    EXPECT_TRUE(Secret().empty());
    EXPECT_EQ(RandomKey(SystemEnv().random()).bytes().size(), kKeyBytes);
}

}  // namespace
}  // namespace tarn
