#include <gtest/gtest.h>

#include "workspace/workspace.h"

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
