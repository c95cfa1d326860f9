#include "base/text.h"

#include <gtest/gtest.h>

namespace tarn {
namespace {

TEST(Text, SplitsJoinsTrims) {
    EXPECT_EQ(Split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
    EXPECT_EQ(Split("", ','), std::vector<std::string>{""});
    EXPECT_EQ(Join({"a", "b", "c"}, ", "), "a, b, c");
    EXPECT_EQ(Join({}, ", "), "");
    EXPECT_EQ(Trim("  a b\n"), "a b");
    EXPECT_EQ(Trim(" \t"), "");
    EXPECT_EQ(ToLower("ABC\xc3\x84z"), "abc\xc3\x84z");
    EXPECT_TRUE(EqualsIgnoreCase("Content-Type", "content-tyPE"));
    EXPECT_FALSE(EqualsIgnoreCase("ab", "abc"));
}

TEST(IsUtf8, FollowsTheStandard) {
    for (const char* text :
         {"", "abc", "\xc3\xa4", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(IsUtf8(text)) << text;
    }
    // Overlong, surrogate, past U+10FFFF, cut off, stray continuation.
    for (const char* text : {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xff",
                             "\xf0\x82\x82\xac"}) {
        EXPECT_FALSE(IsUtf8(text));
    }
}

TEST(MatchesWildcard, Matches) {
    EXPECT_TRUE(MatchesWildcard("", ""));
    EXPECT_TRUE(MatchesWildcard("*", ""));
    EXPECT_TRUE(MatchesWildcard("s3:Get*", "s3:GetObject"));
    EXPECT_TRUE(MatchesWildcard("lake/*/part-?.parquet", "lake/a/b/part-1.parquet"));
    EXPECT_TRUE(MatchesWildcard("a*b*c", "a-b-b-c"));
    EXPECT_TRUE(MatchesWildcard("?x", "\xc3\xa4x"));
    EXPECT_FALSE(MatchesWildcard("a*b", "acb-"));
    EXPECT_FALSE(MatchesWildcard("?", ""));
    EXPECT_FALSE(MatchesWildcard("", "a"));
    EXPECT_FALSE(MatchesWildcard("abc", "ab"));
}

TEST(MatchesWildcard, IsNotExponential) {
    std::string pattern, text(5000, 'a');
    for (int i = 0; i < 500; i++) pattern += "a*";
    EXPECT_FALSE(MatchesWildcard(pattern + "b", text));
}

TEST(NearestWord, SuggestsOnlyWhatIsNear) {
    EXPECT_EQ(NearestWord("nmae", {"name", "listen"}), "name");
    EXPECT_EQ(NearestWord("Flihgts", {"weather", "flights"}), "flights");
    EXPECT_EQ(NearestWord("NAME", {"name"}), "name");
    EXPECT_EQ(NearestWord("zebra", {"name", "listen"}), "");
    EXPECT_EQ(NearestWord("a", {"b"}), "");
    EXPECT_EQ(NearestWord("", {"b"}), "");
    EXPECT_EQ(NearestWord(std::string(10'000, 'a'), {"a"}), "");
}

TEST(Quote, DoublesQuotes) {
    EXPECT_EQ(QuoteIdentifier("my \"table\""), "\"my \"\"table\"\"\"");
    EXPECT_EQ(QuoteLiteral("it's"), "'it''s'");
}

TEST(ConstantTimeEquals, Compares) {
    EXPECT_TRUE(ConstantTimeEquals("", ""));
    EXPECT_TRUE(ConstantTimeEquals("secret", "secret"));
    EXPECT_FALSE(ConstantTimeEquals("secret", "secreT"));
    EXPECT_FALSE(ConstantTimeEquals("secret", "secre"));
}

}  // namespace
}  // namespace tarn
