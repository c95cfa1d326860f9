// Quarantine and drift, through the door: what is broken or other than before is kept apart and comes back.
#include <gtest/gtest.h>

#include "base/process.h"
#include "ingestion/connectors/connectors_for_test.h"
#include "ingestion/connectors/sift.h"
#include "ingestion/connectors/sqlite_for_test.h"

namespace tarn::connectors {
namespace {

using Texts = std::vector<std::string>;

class QuarantineTest : public testing::Test {
  protected:
    void Source(const std::string& stream, const std::string& path = "in/*") {
        ASSERT_EQ(sources_.Apply({{"inbox", "kind: files\npath: " + path + "\nstreams: {rows: " + stream + "}\n"}}),
                  "");
    }
    std::string Load() { return sources_.Loaded("inbox", "rows"); }
    Texts Rows(const std::string& columns = "*") {
        return sources_.Query("SELECT " + columns + " FROM raw_inbox.rows ORDER BY ALL");
    }
    // "1.2 record 3 in/a.csv: reason [content]"
    Texts Waiting(const std::string& source = "inbox") {
        auto entries = sources_.connectors().Quarantine(sources_.alice, source, 1000);
        if (!entries.ok()) return {entries.error().ToString()};
        Texts texts;
        for (const QuarantineEntry& entry : *entries) {
            std::string number = entry.record < 0 ? "" : " " + std::to_string(entry.record);
            texts.push_back(fmt::format("{} {}{} {}: {} [{}]", entry.id, entry.kind, number, entry.origin, entry.reason,
                                        entry.content));
        }
        return texts;
    }
    std::string Replayed(const Texts& ids = {}, const std::string& source = "inbox") {
        auto outcome = sources_.connectors().Replay(security::Principal::System("ingestion"), source, "rows", ids);
        if (!outcome.ok()) return outcome.error().message();
        std::string text = fmt::format("load {}: {} rows", outcome->load, outcome->rows);
        for (const std::string& warning : outcome->warnings) text += "; " + warning;
        return text;
    }
    TestSources sources_;
};

TEST_F(QuarantineTest, BrokenLinesAreKeptApartAndTheRestIsLoaded) {
    Source("{broken_max: 5}");
    std::string text =
        "id,name,v\n1,a,1.5\n2,b\n3,\"c\"x,2\n4,\"multi\nline, \"\"quoted\"\"\",3\n\n5,d,4,extra\n6,\xff,1\n7,e,5";
    sources_.Write("in/a.csv", text);
    sources_.Write("in/b.csv", "id,name,v\n8,f,6\n");
    EXPECT_EQ(Load(),
              "load 1: 4 rows; 4 of 7 records of in/a.csv are broken; record 2: 2 fields instead of 3; they are in "
              "quarantine");
    EXPECT_EQ(Rows("id, name, v, _origin"),
              (Texts{"1|a|1.5|in/a.csv", "4|multi\nline, \"quoted\"|3|in/a.csv", "7|e|5|in/a.csv", "8|f|6|in/b.csv"}));
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_inbox.rows"), Texts{"4"});
    EXPECT_EQ(Waiting(), (Texts{"1.3 record 2 in/a.csv: 2 fields instead of 3 [2,b\n]",
                                "1.3 record 3 in/a.csv: text after a closing quote [3,\"c\"x,2\n]",
                                "1.3 record 5 in/a.csv: 4 fields instead of 3 [5,d,4,extra\n]",
                                "1.3 record 6 in/a.csv: it is not UTF-8 [6,\xff,1\n]"}));
    EXPECT_EQ(sources_.Text("inbox/rows/00000000000000000001/000000-a.csv"), text);  // what came is kept
    EXPECT_EQ(Load(), "nothing");
    // A mended file replaces all of its earlier self.
    sources_.Write("in/a.csv", "id,name,v\n1,a,1.5\n2,b,2\n", std::chrono::seconds(30));
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(Rows("id"), (Texts{"1", "2", "8"}));
    EXPECT_EQ(Waiting(), Texts{});
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_inbox.rows AT (VERSION => 1)"), Texts{"4"});
}

TEST_F(QuarantineTest, MoreThanTheLimitFailsTheLoad) {
    std::string text = "id,v\n";
    for (int i = 1; i <= 200; ++i) text += i % 50 == 0 ? "broken\n" : fmt::format("{},x\n", i);
    sources_.Write("in/a.csv", text);
    Source("{broken_max: 3}");
    EXPECT_NE(Load().find("more records are broken than broken_max allows"), std::string::npos) << Load();
    EXPECT_TRUE(sources_.Keys("inbox/rows/_loads/").empty());
    Source("{broken_max: 1.9%}");
    EXPECT_NE(Load().find("4 of 200 records of in/a.csv are broken; record 50: 1 fields instead of 2"),
              std::string::npos)
        << Load();
    Source("{broken_max: 2%}");
    EXPECT_EQ(Load().substr(0, 17), "load 1: 196 rows;");
    Source("{}");
    EXPECT_EQ(
        sources_.Apply({{"x", "kind: files\npath: in/*\nstreams: {rows: {broken_max: some}}\n"}}).find("broken_max"),
        std::string("sources/x.yaml:3: ").size());
}

TEST_F(QuarantineTest, ValuesOfAnotherTypeThanDeclaredComeBackOnceItIsMended) {
    Source("{broken_max: 50%, types: {id: BIGINT, price: \"DECIMAL(6,2)\"}, null: [NA]}");
    sources_.Write("in/a.csv", "id,price,note\n1,1.50,a\n2.5,2,b\n3,cheap,\"c,\nd\"\n4,NA,e\n");
    EXPECT_EQ(Load().substr(0, 67), "load 1: 2 rows; 2 of 4 records of in/a.csv are broken; record 2: co");
    EXPECT_EQ(sources_.ColumnsOf("raw_inbox", "rows"), "id BIGINT, price DECIMAL(6,2), note VARCHAR");
    EXPECT_EQ(Rows("id, price, note"), (Texts{"1|1.50|a", "4|NULL|e"}));
    EXPECT_EQ(Waiting(),
              (Texts{"1.2 record 2 in/a.csv: column id: '2.5' is no BIGINT [2.5,2,b\n]",
                     "1.2 record 3 in/a.csv: column price: 'cheap' is no DECIMAL(6,2) [3,cheap,\"c,\nd\"\n]"}));
    EXPECT_NE(Replayed().find("it is as broken as before"), std::string::npos) << Replayed();
    EXPECT_EQ(Waiting().size(), 2U);
    Source("{broken_max: 50%, types: {id: BIGINT, price: VARCHAR}, null: [NA]}");
    EXPECT_EQ(Replayed({"1.2"}).substr(0, 15), "load 2: 1 rows;");
    EXPECT_EQ(Rows("id, price, note, _load"), (Texts{"1|1.50|a|1", "3|cheap|c,\nd|2", "4|NULL|e|1"}));
    EXPECT_EQ(Waiting(), Texts{"2.2 record 1 in/a.csv: column id: '2.5' is no BIGINT [2.5,2,b\n]"});
    EXPECT_EQ(Replayed({"1.2"}), "nothing waits in quarantine as 1.2");
    Source("{types: {id: DOUBLE, price: VARCHAR}, null: [NA]}");
    EXPECT_EQ(Replayed(), "load 3: 1 rows");
    EXPECT_EQ(Rows("id, price"), (Texts{"1|1.50", "2.5|2", "3|cheap", "4|NULL"}));
    EXPECT_EQ(Waiting(), Texts{});
    EXPECT_EQ(Load(), "load 3: 1 rows");  // the next run tells what came back, once
    EXPECT_EQ(Load(), "nothing");
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_inbox.rows AT (VERSION => 1)"), Texts{"2"});
}

TEST_F(QuarantineTest, JsonLinesAndLists) {
    Source("{format: json, broken_max: 9}");
    sources_.Write("in/a.json", "{\"id\": 1}\nnot json\n[1]\n{\"id\": 2\n{\"id\": 3, \"s\": \"a\\nb\"}\n");
    EXPECT_EQ(Load().substr(0, 15), "load 1: 2 rows;");
    EXPECT_EQ(Waiting().size(), 3U);
    sources_.Write("in/b.json", "[{\"id\": 4,\n \"s\": \"],{\"}, 5, {\"id\": 12345678901234567}, \"x\"]");
    EXPECT_EQ(Load().substr(0, 15), "load 2: 2 rows;");
    EXPECT_EQ(Rows("id, s"), (Texts{"1|NULL", "3|a\nb", "4|],{", "12345678901234567|NULL"}));
    Texts waiting = Waiting();
    ASSERT_EQ(waiting.size(), 5U);
    EXPECT_EQ(waiting[3], "2.2 record 2 in/b.json: a record is an object, and this is number [5]");
    auto dropped = sources_.connectors().Drop(sources_.alice, "inbox", "rows", {"2.2"});
    ASSERT_TRUE(dropped.ok()) << dropped.error().ToString();
    EXPECT_EQ(Waiting().size(), 3U);
    EXPECT_EQ(Rows("id").size(), 4U);
}

TEST_F(QuarantineTest, PackedFilesAreSiftedToo) {
    Source("{broken_max: 1}");
    sources_.Write("in/a.csv", "id,v\n1,x\n2\n3,y\n");
    ASSERT_TRUE(
        RunCommand({.command = {"gzip", "-q", sources_.workspace() + "/in/a.csv"}}, std::chrono::seconds(10)).ok());
    EXPECT_EQ(Load().substr(0, 15), "load 1: 2 rows;");
    EXPECT_EQ(Rows("id, v"), (Texts{"1|x", "3|y"}));
}

TEST_F(QuarantineTest, AFrozenStreamTakesNoOtherColumns) {
    Source("{on_drift: freeze}");
    sources_.Write("in/a.csv", "id,v\n1,2.5\n");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    sources_.Write("in/b.csv", "id,v\n2,3\n");  // fits into what is there
    EXPECT_EQ(Load(), "load 2: 1 rows");
    sources_.Write("in/c.csv", "id,w\n3,x\n");
    std::string refused = Load();
    EXPECT_NE(refused.find("the columns changed, and on_drift is freeze: in/c.csv: new column w VARCHAR; column v is "
                           "missing"),
              std::string::npos)
        << refused;
    EXPECT_NE(refused.find("on_drift: accept"), std::string::npos) << refused;
    sources_.Write("in/c.csv", "id,v\nx3,1\n", std::chrono::seconds(30));
    EXPECT_NE(Load().find("in/c.csv: column id is VARCHAR, not BIGINT"), std::string::npos) << Load();
    Source("{on_drift: accept}");
    EXPECT_NE(Load().find("load 3: 1 rows; column id was BIGINT, is VARCHAR"), std::string::npos);
}

TEST_F(QuarantineTest, FilesWithOtherColumnsAreKeptApartUntilTheyAreReplayed) {
    Source("{on_drift: quarantine}");
    sources_.Write("in/a.csv", "id,v\n1,x\n");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    sources_.Write("in/b.csv", "id,v,w\n2,y,z\n");
    sources_.Write("in/c.csv", "id,v\n3,z\n");
    EXPECT_EQ(Load(), "load 2: 1 rows; in/b.csv is in quarantine: new column w VARCHAR");
    EXPECT_EQ(Rows("* EXCLUDE (_load, _loaded_at, _origin)"), (Texts{"1|x", "3|z"}));
    EXPECT_EQ(Waiting(), Texts{"2.0 file in/b.csv: new column w VARCHAR []"});
    // The earlier self of a file that changed for the worse stays.
    sources_.Write("in/a.csv", "id,other\n1,x\n", std::chrono::seconds(30));
    EXPECT_EQ(Load().substr(0, 15), "load 3: 0 rows;");
    EXPECT_EQ(Rows("id, v"), (Texts{"1|x", "3|z"}));
    EXPECT_EQ(Replayed({"2.0"}), "load 4: 1 rows");
    EXPECT_EQ(Rows("* EXCLUDE (_load, _loaded_at, _origin)"), (Texts{"1|x|NULL", "2|y|z", "3|z|NULL"}));
    EXPECT_EQ(Waiting(), Texts{"3.0 file in/a.csv: new column other VARCHAR; column v is missing []"});
    EXPECT_EQ(Replayed(), "load 5: 1 rows");
    EXPECT_EQ(Rows("id, v, other"), (Texts{"1|NULL|x", "2|y|NULL", "3|z|NULL"}));
}

TEST_F(QuarantineTest, ALoadOfADatabaseIsKeptApartAsAWhole) {
    auto execute = [&](const std::string& sql) { ExecuteSqlite(sources_.workspace() + "/a.db", sql); };
    auto apply = [&](const std::string& stream) {
        ASSERT_EQ(sources_.Apply({{"db", "kind: sqlite\nconnection: {path: a.db}\nstreams: {rows: " + stream + "}\n"}}),
                  "");
    };
    auto rows = [&](const std::string& columns) {
        return sources_.Query("SELECT " + columns + " FROM raw_db.rows ORDER BY ALL");
    };
    execute("CREATE TABLE rows (id INTEGER, v TEXT); INSERT INTO rows VALUES (1, 'a')");
    apply("{cursor: id, on_drift: quarantine}");
    EXPECT_EQ(sources_.Loaded("db", "rows"), "load 1: 1 rows");
    execute("ALTER TABLE rows ADD COLUMN w TEXT; INSERT INTO rows VALUES (2, 'b', 'x')");
    EXPECT_EQ(sources_.Loaded("db", "rows"), "nothing; the load is in quarantine: new column w VARCHAR");
    execute("INSERT INTO rows VALUES (3, 'c', 'y')");
    EXPECT_EQ(sources_.Loaded("db", "rows"), "nothing; the load is in quarantine: new column w VARCHAR");
    EXPECT_EQ(rows("id, v"), Texts{"1|a"});
    EXPECT_EQ(rows("*").size(), 1U);
    EXPECT_EQ(Waiting("db"), Texts{"3 load rows: new column w VARCHAR []"});
    EXPECT_EQ(Replayed({}, "db").substr(0, 15), "load 4: 2 rows;");
    EXPECT_EQ(rows("id, v, w"), (Texts{"1|a|NULL", "2|b|x", "3|c|y"}));
    EXPECT_EQ(Waiting("db"), Texts{});
    execute("INSERT INTO rows VALUES (3, 'd', 'z'), (4, 'e', 'z')");  // the edge is that of the load that came back
    EXPECT_EQ(sources_.Loaded("db", "rows"), "load 5: 3 rows");
    EXPECT_EQ(rows("id, v"), (Texts{"1|a", "2|b", "3|c", "3|d", "4|e"}));
    apply("{on_drift: freeze}");
    execute("ALTER TABLE rows DROP COLUMN w");
    EXPECT_NE(sources_.Loaded("db", "rows").find("column w is gone from the source"), std::string::npos);
}

}  // namespace
}  // namespace tarn::connectors
