#include "access/identity/credential.h"

#include <gtest/gtest.h>

#include <set>

#include "access/identity/attempts.h"
#include "access/identity/password.h"
#include "base/crypto.h"
#include "security/fakes_for_test.h"

namespace tarn::identity {
namespace {

TEST(Token, HasPrefixLengthAndChecksum) {
    security::FakeRandom random;
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        std::string token = MakeToken(random);
        EXPECT_TRUE(token.starts_with("tarn_"));
        EXPECT_EQ(token.size(), 51u);
        EXPECT_TRUE(IsToken(token));
        EXPECT_TRUE(seen.insert(token).second);
    }
    std::string token = *seen.begin();
    for (size_t i = 5; i < token.size(); ++i) {
        std::string wrong = token;
        wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(IsToken(wrong)) << i;
    }
    EXPECT_FALSE(IsToken(""));
    EXPECT_FALSE(IsToken("tarn_"));
    EXPECT_FALSE(IsToken(token + "A"));
    EXPECT_FALSE(IsToken(token.substr(1)));
}

TEST(S3Key, LooksAsClientsExpect) {
    security::FakeRandom random;
    EXPECT_EQ(MakeS3KeyId(random).size(), 20u);
    EXPECT_TRUE(MakeS3KeyId(random).starts_with("TARN"));
    EXPECT_EQ(MakeS3Secret(random).size(), 40u);
    EXPECT_NE(MakeS3Secret(random), MakeS3Secret(random));
}

TEST(Names, OfUsersAndTokens) {
    for (const char* name : {"alice", "bob@example.org", "a", "svc-1_x.y+z"}) EXPECT_TRUE(IsUserName(name)) << name;
    for (const char* name : {"", "Alice", "a b", "a/b", "a*", "-a", ".a", "a:b", "\xc3\xa9"}) {
        EXPECT_FALSE(IsUserName(name)) << name;
    }
    EXPECT_FALSE(IsUserName(std::string(64, 'a')));
    EXPECT_TRUE(IsCredentialName("CI-deploy.1"));
    EXPECT_FALSE(IsCredentialName("a b"));
}

TEST(Password, HashesAndVerifies) {
    security::FakeRandom random;
    std::string hash = HashPassword(random, "correct horse").value();
    EXPECT_TRUE(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << hash;
    EXPECT_TRUE(VerifyPassword(hash, "correct horse"));
    EXPECT_FALSE(VerifyPassword(hash, "correct horsf"));
    EXPECT_FALSE(VerifyPassword(hash, ""));
    EXPECT_NE(hash, HashPassword(random, "correct horse").value());
    EXPECT_FALSE(NeedsRehash(hash));
    EXPECT_TRUE(NeedsRehash("$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$aGFzaA"));
}

TEST(Password, DecoyIsAHashThatNothingFits) {
    security::FakeRandom random;
    std::string decoy = MakeDecoyHash(random);
    EXPECT_EQ(decoy.size(), HashPassword(random, "x").value().size());
    EXPECT_FALSE(VerifyPassword(decoy, ""));
    EXPECT_FALSE(VerifyPassword(decoy, "correct horse"));
}

TEST(Password, Rules) {
    EXPECT_TRUE(CheckPassword("alice", "correct horse").ok());
    for (const char* bad : {"", "short", "password", "Password1", "12345678", "aaaaaaaaaaaa", "alice-longer"}) {
        EXPECT_FALSE(CheckPassword("alice-longer", bad).ok()) << bad;
    }
    EXPECT_FALSE(CheckPassword("alice", std::string(257, 'a') + "b").ok());
    EXPECT_FALSE(CheckPassword("alice", "abc\xff\xfe xyz").ok());
}

// RFC 7677, 3: the example exchange of SCRAM-SHA-256, from our verifier's arithmetic.
TEST(Scram, AgreesWithTheRfcsExample) {
    auto salt = Base64Decode("W22ZaJ0SNY7soEsUEjb6gQ==").value();
    Secret salted = Pbkdf2Sha256("pencil", salt, 4096);
    Sha256Digest server_key = HmacSha256(salted.bytes(), AsBytes("Server Key"));
    std::string_view message =
        "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    EXPECT_EQ(Base64Encode(HmacSha256(server_key, AsBytes(message))), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST(Scram, VerifierHoldsForItsPasswordOnly) {
    security::FakeRandom random;
    security::ScramVerifier verifier = MakeScramVerifier(random, "correct horse");
    auto stored_key = [&](std::string_view password) {
        Secret salted = Pbkdf2Sha256(password, AsBytes(verifier.salt), verifier.iterations);
        return std::string(AsText(Sha256(HmacSha256(salted.bytes(), AsBytes("Client Key")))));
    };
    EXPECT_TRUE(verifier.known);
    EXPECT_EQ(verifier.salt.size(), kScramSaltBytes);
    EXPECT_EQ(verifier.stored_key, stored_key("correct horse"));
    EXPECT_NE(verifier.stored_key, stored_key("wrong horse"));
}

TEST(Attempts, BrakesByUserAndRemote) {
    security::FakeClock clock;
    clock.passed = std::chrono::hours(100);
    Attempts attempts(clock);
    auto fail = [&] {
        bool begun = attempts.Begin("10.0.0.1", "alice").ok();
        if (begun) attempts.Failed("10.0.0.1", "alice");
        return begun;
    };
    for (int i = 0; i < Attempts::kFree; ++i) EXPECT_TRUE(fail());
    Status braked = attempts.Begin("10.0.0.1", "alice");
    ASSERT_FALSE(braked.ok());
    EXPECT_EQ(braked.error().code(), ErrorCode::kResourceExhausted);
    EXPECT_TRUE(attempts.Begin("10.0.0.2", "alice").ok());
    EXPECT_TRUE(attempts.Begin("10.0.0.1", "bob").ok());
    // Each further wrong one waits twice as long as the one before.
    for (int seconds : {1, 2, 4, 8}) {
        EXPECT_FALSE(fail());
        clock.Sleep(std::chrono::seconds(seconds));
        EXPECT_TRUE(fail()) << seconds;
    }
    clock.Sleep(std::chrono::hours(1));
    for (int i = 0; i < Attempts::kFree; ++i) EXPECT_TRUE(fail());
}

TEST(Attempts, APoolMayLogInAllAtOnce) {
    security::FakeClock clock;
    Attempts attempts(clock);
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(attempts.Begin("10.0.0.1", "alice").ok());
}

TEST(Attempts, WithTheBrakeOnManyAtOnceGainNothing) {
    security::FakeClock clock;
    Attempts attempts(clock);
    for (int i = 0; i < Attempts::kFree; ++i) attempts.Failed("10.0.0.1", "alice");
    clock.Sleep(std::chrono::seconds(1));
    EXPECT_TRUE(attempts.Begin("10.0.0.1", "alice").ok());
    EXPECT_FALSE(attempts.Begin("10.0.0.1", "alice").ok());
}

TEST(Attempts, ASuccessForgets) {
    security::FakeClock clock;
    Attempts attempts(clock);
    for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(attempts.Begin("10.0.0.1", "alice").ok());
        attempts.Failed("10.0.0.1", "alice");
        attempts.Succeeded("10.0.0.1", "alice");
    }
}

TEST(Attempts, MemoryIsBounded) {
    security::FakeClock clock;
    Attempts attempts(clock);
    for (size_t i = 0; i < Attempts::kEntriesMax + 100; ++i) {
        clock.Sleep(Duration(1));
        attempts.Failed("10.0.0.1", std::to_string(i));
    }
    EXPECT_EQ(attempts.entries(), Attempts::kEntriesMax);
}

}  // namespace
}  // namespace tarn::identity
