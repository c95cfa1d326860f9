#include "workspace/sql_text.h"

#include <gtest/gtest.h>

namespace tarn::workspace {
namespace {

TEST(BareSelect, LosesWhatFollowsTheStatement) {
    EXPECT_EQ(BareSelect("SELECT 1"), "SELECT 1");
    EXPECT_EQ(BareSelect("\n SELECT 1 ; ; \n"), "SELECT 1");
    EXPECT_EQ(BareSelect("SELECT 1 -- one"), "SELECT 1");
    EXPECT_EQ(BareSelect("SELECT 1; -- one;\n-- two"), "SELECT 1");
    EXPECT_EQ(BareSelect("SELECT 1 /* a /* b */ ; */ ; /* c"), "SELECT 1");
    EXPECT_EQ(BareSelect(""), "");
    EXPECT_EQ(BareSelect(";-- nothing"), "");
}

TEST(BareSelect, KeepsWhatOnlyLooksLikeTheEnd) {
    EXPECT_EQ(BareSelect("/* why */ SELECT 1 -- here\n + 2;"), "/* why */ SELECT 1 -- here\n + 2");
    EXPECT_EQ(BareSelect("SELECT ';--';"), "SELECT ';--'");
    EXPECT_EQ(BareSelect("SELECT 'it''s -- ' ;"), "SELECT 'it''s -- '");
    EXPECT_EQ(BareSelect("SELECT E'\\'-- ' ;"), "SELECT E'\\'-- '");
    EXPECT_EQ(BareSelect("SELECT 'a\\' -- b\n;"), "SELECT 'a\\'");
    EXPECT_EQ(BareSelect("SELECT \"a;--\";"), "SELECT \"a;--\"");
    EXPECT_EQ(BareSelect("SELECT $x$;-- $$ '$x$ ;"), "SELECT $x$;-- $$ '$x$");
    EXPECT_EQ(BareSelect("SELECT $1 -- p"), "SELECT $1");
    EXPECT_EQ(BareSelect("SELECT 4 - -2;"), "SELECT 4 - -2");
    EXPECT_EQ(BareSelect("SELECT 'open ;"), "SELECT 'open ;");
}

TEST(SqlTokens, TakeTheTextApart) {
    std::string sql = "SELECT \"a \"\"b\", x1.é --c\n FROM t /* d */ WHERE y>='e'";
    std::string joined;
    for (const SqlToken& token : SqlTokens(sql)) joined += sql.substr(token.begin, token.end - token.begin) + "|";
    EXPECT_EQ(joined, "SELECT|\"a \"\"b\"|,|x1|.|é|FROM|t|WHERE|y|>|=|'e'|");
}

TEST(ByteOfCharacter, CountsCharacters) {
    EXPECT_EQ(ByteOfCharacter("aéb", 1), 0U);
    EXPECT_EQ(ByteOfCharacter("aéb", 2), 1U);
    EXPECT_EQ(ByteOfCharacter("aéb", 3), 3U);
    EXPECT_EQ(ByteOfCharacter("aéb", 4), 4U);
    EXPECT_EQ(ByteOfCharacter("aéb", 0), 0U);
    EXPECT_EQ(ByteOfCharacter("", 1), 0U);
}

}  // namespace
}  // namespace tarn::workspace
