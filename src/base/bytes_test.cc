#include "base/bytes.h"

#include <gtest/gtest.h>

#include <limits>

namespace tarn {
namespace {

TEST(Hex, RoundTrips) {
    Bytes bytes = {0x00, 0x7f, 0xff, 0x10};
    EXPECT_EQ(HexEncode(bytes), "007fff10");
    EXPECT_EQ(HexDecode("007FfF10").value(), bytes);
    EXPECT_FALSE(HexDecode("0").ok());
    EXPECT_FALSE(HexDecode("0g").ok());
}

// RFC 4648, section 10.
TEST(Base64, MatchesTheStandard) {
    const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
    for (auto [plain, encoded] : vectors) {
        EXPECT_EQ(Base64Encode(AsBytes(plain)), encoded);
        EXPECT_EQ(AsText(Base64Decode(encoded).value()), plain);
    }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
    for (const char* text : {"Zg", "Zg=", "Z===", "Zh==", "Zm9=", "Zm 9", "====", "Zg==Zg=="}) {
        EXPECT_FALSE(Base64Decode(text).ok()) << text;
    }
}

TEST(Base64Url, HasNoPadding) {
    Bytes bytes = {0xfb, 0xff, 0xfe, 0x01};
    EXPECT_EQ(Base64UrlEncode(bytes), "-__-AQ");
    EXPECT_EQ(Base64UrlDecode("-__-AQ").value(), bytes);
    EXPECT_FALSE(Base64UrlDecode("-__-AQ==").ok());
    EXPECT_FALSE(Base64UrlDecode("+//+AQ").ok());
    EXPECT_FALSE(Base64UrlDecode("A").ok());
}

TEST(Url, EncodesAllButUnreserved) {
    EXPECT_EQ(UrlEncode("a b/c~\xc3\xa4"), "a%20b%2Fc~%C3%A4");
    EXPECT_EQ(UrlEncode("a b/c", true), "a%20b/c");
    EXPECT_EQ(UrlDecode("a%20b%2Fc+d").value(), "a b/c+d");
    EXPECT_EQ(UrlDecode("a+b", true).value(), "a b");
}

TEST(Url, RefusesBrokenEscapes) {
    for (const char* text : {"%", "%2", "a%zz", "%%20", "%2%20"}) EXPECT_FALSE(UrlDecode(text).ok()) << text;
}

TEST(ReadAll, StopsAtTheLimit) {
    Bytes bytes(10'000, 7);
    SpanReader first(bytes);
    EXPECT_EQ(ReadAll(first, 10'000).value(), bytes);
    SpanReader second(bytes);
    EXPECT_EQ(ReadAll(second, 9'999).error().code(), ErrorCode::kResourceExhausted);
    SpanReader third(bytes);
    EXPECT_EQ(ReadAll(third, std::numeric_limits<size_t>::max()).value(), bytes);
    SpanReader empty({});
    EXPECT_TRUE(ReadAll(empty, 0).value().empty());
}

}  // namespace
}  // namespace tarn
