// The kind sqlite, over real files.
#include <gtest/gtest.h>

#include "ingestion/connectors/connectors_for_test.h"
#include "ingestion/connectors/sqlite_for_test.h"

namespace tarn::connectors {
namespace {

using Texts = std::vector<std::string>;

class SqliteTest : public testing::Test {
  protected:
    void Execute(const std::string& sql) { ExecuteSqlite(sources_.workspace() + "/db.sqlite", sql); }
    void Source(const std::string& stream = "{}") {
        ASSERT_EQ(
            sources_.Apply({{"db", "kind: sqlite\nconnection: {path: db.sqlite}\nstreams: {t: " + stream + "}\n"}}),
            "");
    }
    std::string Load() { return sources_.Loaded("db", "t"); }
    Texts Rows(const std::string& columns) {
        return sources_.Query("SELECT " + columns + " FROM raw_db.t ORDER BY ALL");
    }
    std::string Columns() { return sources_.ColumnsOf("raw_db", "t"); }
    TestSources sources_;
};

TEST_F(SqliteTest, WhatIsStoredDecidesTheTypes) {
    Execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, anything, price DECIMAL(5,2), big INT, b BLOB, none REAL, mixed);"
        "INSERT INTO t VALUES (1, 'x', 1.5, 9007199254740993, x'00ff27', NULL, 1);"
        "INSERT INTO t VALUES (2, 7, 2, 0.5, x'', NULL, x'ff');"
        "INSERT INTO t VALUES (3, NULL, NULL, NULL, NULL, NULL, 'é')");
    Source();
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Columns(), "id BIGINT, anything VARCHAR, price DOUBLE, big VARCHAR, b BLOB, none DOUBLE, mixed BLOB");
    EXPECT_EQ(Rows("id, anything, price, big, hex(b), none"),
              (Texts{"1|x|1.5|9007199254740993|00FF27|NULL", "2|7|2|0.5||NULL", "3|NULL|NULL|NULL|NULL|NULL"}));
    EXPECT_EQ(Rows("id, hex(mixed)"), (Texts{"1|31", "2|FF", "3|C3A9"}));
}

TEST_F(SqliteTest, NumbersAndTextsAreKeptToTheLastBit) {
    Execute(
        "CREATE TABLE t (f REAL, i INTEGER, s TEXT);"
        "INSERT INTO t VALUES (0.1, 9223372036854775807, 'a''b\"\n,NULL');"
        "INSERT INTO t VALUES (1e308, -9223372036854775808, '');"
        "INSERT INTO t VALUES (9e999, 0, '\\x41')");
    Source();
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(sources_.Query("SELECT i, s FROM raw_db.t ORDER BY i"),
              (Texts{"-9223372036854775808|", "0|\\x41", "9223372036854775807|a'b\"\n,NULL"}));
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_db.t WHERE f = 0.1::DOUBLE OR f = 1e308 OR f = 'inf'"),
              Texts{"3"});
}

TEST_F(SqliteTest, TextThatIsNoUnicodeIsKeptAsBytes) {
    Execute("CREATE TABLE t (s TEXT); INSERT INTO t VALUES (CAST(x'636166e9' AS TEXT)), ('ok')");
    Source();
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(Rows("hex(s)"), (Texts{"636166E9", "6F6B"}));
}

TEST_F(SqliteTest, NamesMayBeAnything) {
    Execute(
        "CREATE TABLE \"my \"\"table\" (\"a b\" INT, \"select\" INT, _load INT); "
        "INSERT INTO \"my \"\"table\" VALUES (1, 2, 3)");
    Source("{table: 'my \"table'}");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(Rows("\"a b\", \"select\", source_load, _load"), Texts{"1|2|3|1"});
}

TEST_F(SqliteTest, ACompleteLoadReplacesTheOneBefore) {
    Execute("CREATE TABLE t (id INT, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    Source();
    EXPECT_EQ(Load(), "load 1: 2 rows");
    Execute("DELETE FROM t WHERE id = 1; ALTER TABLE t ADD COLUMN w TEXT; UPDATE t SET w = 'x'");
    EXPECT_EQ(Load(), "load 2: 1 rows; new column w VARCHAR");
    EXPECT_EQ(Rows("id, v, w"), Texts{"2|b|x"});
    EXPECT_EQ(sources_.Query("SELECT id, v FROM raw_db.t AT (VERSION => 1) ORDER BY 1"), (Texts{"1|a", "2|b"}));
    Execute("ALTER TABLE t DROP COLUMN v; DELETE FROM t");
    EXPECT_EQ(Load(), "load 3: 0 rows; column v is gone from the source");
}

TEST_F(SqliteTest, AnEmptyTableHasColumns) {
    Execute("CREATE TABLE t (id INTEGER, v TEXT)");
    Source();
    EXPECT_EQ(Load(), "load 1: 0 rows");
    EXPECT_EQ(Columns(), "id BIGINT, v VARCHAR");
    EXPECT_EQ(Rows("id, v"), Texts{});
    Source("{cursor: id}");
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO t VALUES (1, 'a')");
    EXPECT_EQ(Load(), "load 2: 1 rows");
    EXPECT_EQ(Rows("id, v"), Texts{"1|a"});
}

TEST_F(SqliteTest, AnEmptyTableWithACursorHasColumns) {
    Execute("CREATE TABLE t (id INTEGER, v TEXT)");
    Source("{cursor: id}");
    EXPECT_EQ(Load(), "load 1: 0 rows");
    EXPECT_EQ(Columns(), "id BIGINT, v VARCHAR");
}

TEST_F(SqliteTest, IncrementsWithoutAKeyAddUp) {
    Execute("CREATE TABLE t (id INTEGER, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (NULL, 'no')");
    Source("{cursor: id}");
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO t VALUES (3, 'c'); UPDATE t SET v = 'z' WHERE id = 1");
    EXPECT_EQ(Load(), "load 2: 1 rows");
    EXPECT_EQ(Rows("id, v"), (Texts{"1|a", "2|b", "3|c", "NULL|no"}));
}

TEST_F(SqliteTest, RowsThatComeLaterWithTheCursorOfTheLastOnesAreRead) {
    Execute(
        "CREATE TABLE t (day TEXT, v INT); "
        "INSERT INTO t VALUES ('2024-01-01', 1), ('2024-01-02', 2), ('2024-01-02', 2), (NULL, 0)");
    Source("{cursor: day}");
    EXPECT_EQ(Load(), "load 1: 4 rows");
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO t VALUES ('2024-01-02', 3)");
    EXPECT_EQ(Load(), "load 2: 3 rows");
    Texts all = {"2024-01-01|1", "2024-01-02|2", "2024-01-02|2", "2024-01-02|3", "NULL|0"};
    EXPECT_EQ(Rows("day, v"), all);
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO t VALUES ('2024-01-02', 4), ('2024-01-03', 5), ('2024-01-04', 6)");
    EXPECT_EQ(Load(), "load 3: 6 rows");
    all.insert(all.begin() + 4, {"2024-01-02|4", "2024-01-03|5", "2024-01-04|6"});
    EXPECT_EQ(Rows("day, v"), all);
    Execute("INSERT INTO t VALUES ('2024-01-05', 7)");
    EXPECT_EQ(Load(), "load 4: 1 rows");
    all.insert(all.begin() + 7, "2024-01-05|7");
    EXPECT_EQ(Rows("day, v"), all);
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_db.t AT (VERSION => 1)"), Texts{"4"});
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_db.t AT (VERSION => 2)"), Texts{"5"});
    auto datasets = sources_.connectors().AsProvider().Datasets("raw_db");
    EXPECT_EQ(datasets->at(0).rows, 9);
    Execute("DELETE FROM t WHERE day > '2024-01-01'");
    EXPECT_EQ(Load(), "nothing");
}

TEST_F(SqliteTest, ARowWithAKeyThatComesLaterWithTheSameCursorIsRead) {
    Execute("CREATE TABLE t (k INTEGER, n REAL); INSERT INTO t VALUES (1, 0.1), (2, 0.1)");
    Source("{cursor: n, key: [k]}");
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO t VALUES (3, 0.1)");
    EXPECT_EQ(Load(), "load 2: 3 rows");
    EXPECT_EQ(Rows("k, n"), (Texts{"1|0.1", "2|0.1", "3|0.1"}));
}

TEST_F(SqliteTest, IncrementsWithAKeyShowTheNewestRow) {
    Execute(
        "CREATE TABLE t (k TEXT, at TEXT, v INT); "
        "INSERT INTO t VALUES ('a', '2013-01-01', 1), ('b', '2013-01-02', 1)");
    Source("{cursor: at, key: [k]}");
    EXPECT_EQ(Load(), "load 1: 2 rows");
    // One of the position's own moment that came later, and a change.
    Execute(
        "INSERT INTO t VALUES ('c', '2013-01-02', 1), ('a', '2013-01-03', 2); DELETE FROM t WHERE at = '2013-01-01'");
    EXPECT_EQ(Load(), "load 2: 3 rows");
    EXPECT_EQ(Rows("k, v"), (Texts{"a|2", "b|1", "c|1"}));
    EXPECT_EQ(sources_.Query("SELECT k, v FROM raw_db.t AT (VERSION => 1) ORDER BY 1"), (Texts{"a|1", "b|1"}));
}

TEST_F(SqliteTest, TypesThatChangeBetweenIncrementsAreWidened) {
    Execute("CREATE TABLE t (id INTEGER, v, gone TEXT); INSERT INTO t VALUES (1, 5, 'x')");
    Source("{cursor: id}");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    Execute("INSERT INTO t VALUES (2, 'text', NULL); ALTER TABLE t DROP COLUMN gone");
    EXPECT_EQ(Load(), "load 2: 1 rows; column v was BIGINT, is VARCHAR; column gone is gone from the source");
    Execute("INSERT INTO t VALUES (3, 7)");
    EXPECT_EQ(Load(), "load 3: 1 rows");
    EXPECT_EQ(Rows("id, v, gone"), (Texts{"1|5|x", "2|text|NULL", "3|7|NULL"}));
}

TEST_F(SqliteTest, ACursorThatIsAddedLaterStartsAnew) {
    Execute("CREATE TABLE t (id INTEGER, n INTEGER); INSERT INTO t VALUES (1, 9), (2, 8)");
    Source();
    EXPECT_EQ(Load(), "load 1: 2 rows");
    Source("{cursor: id}");
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(Rows("id"), (Texts{"1", "2"}));
    Execute("INSERT INTO t VALUES (3, 7)");
    Source("{cursor: n}");
    EXPECT_EQ(Load(), "load 3: 3 rows");
    Execute("INSERT INTO t VALUES (4, 10)");
    EXPECT_EQ(Load(), "load 4: 1 rows");
    EXPECT_EQ(Rows("id"), (Texts{"1", "2", "3", "4"}));
}

TEST_F(SqliteTest, SomeColumnsOnly) {
    Execute("CREATE TABLE t (id INT, v TEXT, w TEXT); INSERT INTO t VALUES (1, 'a', 'b')");
    Source("{columns: [w, id]}");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(Columns(), "id BIGINT, w VARCHAR");
    Source("{columns: [w, idd]}");
    std::string refused = Load();
    EXPECT_NE(refused.find("no column \"idd\""), std::string::npos) << refused;
    EXPECT_NE(refused.find("did you mean id"), std::string::npos) << refused;
    Source("{cursor: when}");
    refused = Load();
    EXPECT_NE(refused.find("no column \"when\""), std::string::npos) << refused;
}

TEST_F(SqliteTest, WhatIsMissingSaysSo) {
    Source();
    std::string refused = Load();
    EXPECT_NE(refused.find("there is no SQLite file"), std::string::npos) << refused;
    Execute("CREATE TABLE other (id INT)");
    refused = Load();
    EXPECT_NE(refused.find("there is no table t"), std::string::npos) << refused;
    sources_.Write("db.sqlite", "this is no database, but long enough to look at: " + std::string(2000, 'x'));
    refused = Load();
    EXPECT_NE(refused.find("is no SQLite database"), std::string::npos) << refused;
    EXPECT_FALSE(sources_.connectors().Check(sources_.alice, "db").ok());
}

TEST_F(SqliteTest, DiscoversTables) {
    Execute("CREATE TABLE t (id INT); CREATE VIEW v AS SELECT id FROM t; CREATE TABLE u (a TEXT, b REAL)");
    Source();
    auto streams = sources_.connectors().Discover(sources_.alice, "db");
    ASSERT_TRUE(streams.ok()) << streams.error().ToString();
    ASSERT_EQ(streams->size(), 3U);
    EXPECT_EQ((*streams)[1].name, "u");
    EXPECT_EQ((*streams)[1].columns.size(), 2U);
    auto unknown = sources_.connectors().Discover(sources_.alice, "dbb");
    ASSERT_FALSE(unknown.ok());
    EXPECT_NE(unknown.error().message().find("did you mean db"), std::string::npos);
}

}  // namespace
}  // namespace tarn::connectors
