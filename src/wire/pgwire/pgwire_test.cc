#include <gtest/gtest.h>

#include "base/crypto.h"
#include "wire/pgwire/frames.h"
#include "wire/pgwire/scram.h"

namespace tarn::wire {
namespace {

class FixedRandom : public Random {
  public:
    void Fill(MutableByteSpan bytes) override {
        for (uint8_t& byte : bytes) byte = 7;
    }
};

TEST(PgFrames, RoundTripAndLimits) {
    PgFrameWriter writer;
    writer.Begin('Q');
    writer.Text("SELECT 1");
    writer.Int16(-2);
    writer.Int32(70000);
    writer.End();
    SpanReader bytes(AsBytes(writer.buffer()));
    PgFrameReader reader(bytes);
    PgFrame frame = *reader.Read(1024);
    EXPECT_EQ(frame.type, 'Q');
    PgFieldReader fields(frame.body);
    EXPECT_EQ(*fields.Text(), "SELECT 1");
    EXPECT_EQ(*fields.Int16(), -2);
    EXPECT_EQ(*fields.Int32(), 70000);
    EXPECT_TRUE(fields.AtEnd());
    EXPECT_FALSE(fields.Byte().ok());
    EXPECT_EQ(reader.Read(1024).error().code(), ErrorCode::kUnavailable);

    std::string lying("Q\x7f\xff\xff\xff", 5);
    SpanReader lie(AsBytes(lying));
    PgFrameReader lied_to(lie);
    EXPECT_EQ(lied_to.Read(1 << 20).error().code(), ErrorCode::kResourceExhausted);
}

// A client written from RFC 5802 against the server, right and wrong password.
TEST(Scram, AcceptsTheProofOfThePasswordOnly) {
    FixedRandom random;
    ScramKeys keys;
    keys.salt = "0123456789abcdef";
    auto client_key = [&](std::string_view password) {
        Secret salted = Pbkdf2Sha256(password, AsBytes(keys.salt), keys.iterations);
        return HmacSha256(salted.bytes(), AsBytes("Client Key"));
    };
    Secret salted = Pbkdf2Sha256("pencil", AsBytes(keys.salt), keys.iterations);
    keys.stored_key = std::string(AsText(Sha256(client_key("pencil"))));
    keys.server_key = std::string(AsText(HmacSha256(salted.bytes(), AsBytes("Server Key"))));
    for (std::string password : {"pencil", "pencils"}) {
        ScramServer server(random, keys);
        std::string first = *server.First("n,,n=,r=abc");
        std::string nonce = first.substr(2, first.find(',') - 2);
        std::string without_proof = "c=biws,r=" + nonce;
        std::string message = "n=,r=abc," + first + "," + without_proof;
        Sha256Digest key = client_key(password);
        Sha256Digest signature = HmacSha256(Sha256(key), AsBytes(message));
        for (size_t index = 0; index < key.size(); ++index) key[index] ^= signature[index];
        auto final = server.Final(without_proof + ",p=" + Base64Encode(key));
        EXPECT_EQ(final.ok(), password == "pencil");
        if (!final.ok()) {
            EXPECT_EQ(final.error().detail_code(), "28P01");
        }
    }
    ScramServer server(random, keys);
    EXPECT_FALSE(server.First("p=tls-server-end-point,,n=,r=a").ok());
    EXPECT_FALSE(server.First("").ok());
}

}  // namespace
}  // namespace tarn::wire
