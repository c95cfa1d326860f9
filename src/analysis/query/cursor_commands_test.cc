#include "analysis/query/cursor_commands.h"

#include <gtest/gtest.h>

#include "analysis/query/pg_copy.h"

namespace tarn::query {
namespace {

std::string Cursor(const std::string& sql) {
    auto parsed = CursorCommandOf(sql);
    if (!parsed.ok()) return parsed.error().detail_code();
    if (!*parsed) return "none";
    const CursorCommand& command = **parsed;
    if (command.action == CursorCommand::Action::kDeclare) {
        return fmt::format("{} {} at {}{}{}", command.name, command.query, command.query_position,
                           command.hold ? " hold" : "", command.binary ? " binary" : "");
    }
    bool move = command.action == CursorCommand::Action::kMove;
    return fmt::format("{} {}{}{} of {}", move ? "move" : "fetch", command.count, command.absolute ? " absolute" : "",
                       command.skip ? " skip" : "", command.name);
}

TEST(CursorCommands, Declares) {
    EXPECT_EQ(Cursor("DECLARE c CURSOR FOR SELECT 1"), "c SELECT 1 at 22");
    EXPECT_EQ(Cursor("declare \"A b\" binary insensitive no scroll cursor with hold for select 'é' -- x"),
              "A b select 'é' -- x at 65 hold binary");
    EXPECT_EQ(Cursor("/* é */ DECLARE C CURSOR WITHOUT HOLD FOR TABLE t"), "c TABLE t at 43");
    for (const char* wrong : {"DECLARE", "DECLARE c", "DECLARE c CURSOR", "DECLARE c CURSOR FOR", "DECLARE 'c' CURSOR",
                              "DECLARE c CURSOR WITH FOR SELECT 1", "DECLARE c FOR SELECT 1"}) {
        EXPECT_EQ(Cursor(wrong), "42601") << wrong;
    }
    EXPECT_EQ(Cursor("SELECT declare"), "none");
    EXPECT_EQ(Cursor(""), "none");
    EXPECT_EQ(Cursor("DECLARE c CURSOR FOR SELECT 'x"), "none");  // the parser tells what is not ended
}

TEST(CursorCommands, Fetches) {
    EXPECT_EQ(Cursor("FETCH c"), "fetch 1 of c");
    EXPECT_EQ(Cursor("FETCH NEXT FROM c;"), "fetch 1 of c");
    EXPECT_EQ(Cursor("FETCH 100 IN \"C\""), "fetch 100 of C");
    EXPECT_EQ(Cursor("FETCH ALL c"), "fetch -1 of c");
    EXPECT_EQ(Cursor("FETCH FORWARD 5 FROM c"), "fetch 5 of c");
    EXPECT_EQ(Cursor("FETCH FORWARD FROM c"), "fetch 1 of c");
    EXPECT_EQ(Cursor("FETCH FORWARD ALL FROM c"), "fetch -1 of c");
    EXPECT_EQ(Cursor("FETCH RELATIVE 3 FROM c"), "fetch 3 skip of c");
    EXPECT_EQ(Cursor("MOVE ABSOLUTE 3 FROM c"), "move 3 absolute of c");
    EXPECT_EQ(Cursor("FETCH FIRST FROM c"), "fetch 1 absolute of c");
    for (const char* back : {"FETCH PRIOR FROM c", "FETCH LAST c", "MOVE BACKWARD 3 IN c", "FETCH -1 FROM c"}) {
        EXPECT_EQ(Cursor(back), "55000") << back;
    }
    for (const char* wrong : {"FETCH", "FETCH 1 2 FROM c", "FETCH FROM c d", "FETCH RELATIVE FROM c",
                              "FETCH 1.5 FROM c", "FETCH 99999999999999999999 FROM c"}) {
        EXPECT_EQ(Cursor(wrong), "42601") << wrong;
    }
}

std::string Copy(const std::string& sql) {
    auto parsed = CopyCommandOf(sql);
    if (!parsed.ok()) return parsed.error().detail_code();
    if (!*parsed) return "none";
    const CopyCommand& copy = **parsed;
    const char* formats[] = {"text", "csv", "binary"};
    return fmt::format("{} at {} {}{} [{}{}{}] null [{}]{}", copy.query, copy.query_position,
                       formats[static_cast<int>(copy.format)], copy.header ? " header" : "", copy.delimiter, copy.quote,
                       copy.escape, copy.null, copy.force_quote ? " forced" : "");
}

TEST(CopyCommands, AreRead) {
    EXPECT_EQ(Copy("COPY (SELECT ')' AS \"(\") TO STDOUT"), "SELECT ')' AS \"(\" at 7 text [\t\"\"] null [\\N]");
    EXPECT_EQ(Copy("copy shop.\"My Sales\" to stdout with csv header;"),
              "SELECT * FROM shop.\"My Sales\" at 1 csv header [,\"\"] null []");
    EXPECT_EQ(Copy("COPY t (a, \"B\") TO STDOUT (FORMAT csv, HEADER false, DELIMITER ';', NULL 'x', QUOTE '''', ESCAPE "
                   "'\\')"),
              "SELECT a, \"B\" FROM t at 1 csv [;'\\] null [x]");
    EXPECT_EQ(Copy("COPY t TO STDOUT WITH (FORMAT 'csv', FORCE_QUOTE *, ENCODING 'UTF8')"),
              "SELECT * FROM t at 1 csv [,\"\"] null [] forced");
    EXPECT_EQ(Copy("COPY t TO STDOUT BINARY"), "SELECT * FROM t at 1 binary [\t\"\"] null [\\N]");
    EXPECT_EQ(Copy("COPY t TO STDOUT DELIMITER AS '|' NULL AS ''"), "SELECT * FROM t at 1 text [|\"\"] null []");
    EXPECT_EQ(Copy("SELECT copy"), "none");
}

TEST(CopyCommands, OnlyOutToTheClient) {
    for (const char* refused :
         {"COPY t FROM STDIN", "COPY t TO '/tmp/x'", "COPY (SELECT 1) TO PROGRAM 'id'", "COPY t FROM '/etc/passwd'",
          "COPY (SELECT 1) TO 'tarn://a/b'", "COPY t TO STDOUT (ENCODING 'LATIN1')", "COPY t TO STDOUT (FREEZE)"}) {
        EXPECT_EQ(Copy(refused), "0A000") << refused;
    }
    for (const char* wrong : {"COPY", "COPY t", "COPY (SELECT 1 TO STDOUT", "COPY t TO STDOUT (FORMAT xml)",
                              "COPY t TO STDOUT (FORMAT csv", "COPY t TO STDOUT WITH nothing", "COPY t TO STDOUT NULL",
                              "COPY t TO STDOUT (FORMAT binary, HEADER)", "COPY t TO STDOUT (QUOTE 'x')"}) {
        EXPECT_EQ(Copy(wrong), "42601") << wrong;
    }
    EXPECT_EQ(Copy("COPY t TO STDOUT (DELIMITER 'ab')"), "22023");
}

}  // namespace
}  // namespace tarn::query
