// Writing and reading tables through the front door, over a real lake and engine.
#include "storage/lakehouse/lakehouse.h"

#include <gtest/gtest.h>

#include <thread>

#include "storage/lakehouse/lakehouse_for_test.h"

namespace tarn::lakehouse {
namespace {

using Texts = std::vector<std::string>;

class LakehouseTest : public testing::Test {
  protected:
    WriteResult Must(Result<WriteResult> result) {
        EXPECT_TRUE(result.ok()) << result.error().ToString();
        return result.ok() ? *result : WriteResult{};
    }
    Snapshot Open(const std::string& name) {
        auto snapshot = house_.house().Open(house_.alice, {"s", name});
        EXPECT_TRUE(snapshot.ok()) << snapshot.error().ToString();
        return snapshot.ok() ? *snapshot : Snapshot{};
    }
    size_t DataFiles(const std::string& name) {
        size_t count = 0;
        for (const std::string& key : house_.Keys("lakehouse/s/" + name + "/")) count += key.ends_with(".parquet");
        return count;
    }
    TestLakehouse house_;
};

TEST_F(LakehouseTest, OverwritesAndReadsBack) {
    auto result = Must(house_.Write("s.t", WriteMode::kOverwrite, "SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL"));
    EXPECT_EQ(result.version, 0);
    EXPECT_EQ(result.rows, 2);
    EXPECT_EQ(house_.Query("SELECT * FROM s.t ORDER BY a"), (Texts{"1|x", "2|NULL"}));
    result = Must(house_.Write("s.t", WriteMode::kOverwrite, "SELECT DATE '2013-01-01' AS d;"));
    EXPECT_EQ(result.version, 1);
    EXPECT_EQ(result.rows_deleted, 2);
    EXPECT_EQ(house_.Query("SELECT * FROM s.t"), (Texts{"2013-01-01"}));
    EXPECT_EQ(house_.Query("SELECT b FROM s.t AT (VERSION => 0) ORDER BY a"), (Texts{"x", "NULL"}));
    Snapshot snapshot = Open("t");
    EXPECT_EQ(snapshot.reader_version, 1);
    EXPECT_EQ(snapshot.writer_version, 2);
}

TEST_F(LakehouseTest, StoresEveryType) {
    const std::string sql =
        "SELECT true AS b, 1::TINYINT AS i1, 2::SMALLINT AS i2, 3::INTEGER AS i4, 4::BIGINT AS i8, 5::HUGEINT AS i16, "
        "6::UBIGINT AS u8, 1.5::FLOAT AS f4, 2.5::DOUBLE AS f8, 12.34::DECIMAL(12,2) AS d, 'x' AS s, "
        "'\\xAA'::BLOB AS bin, DATE '2020-02-29' AS day, TIMESTAMPTZ '2020-01-01 00:00:00.123456+00' AS ts, "
        "TIMESTAMP '2020-01-01 01:02:03.123456' AS ntz, TIME '12:00:00' AS clock, [1, NULL, 3] AS list, "
        "{'x': 1, 'y': ['a']} AS st, MAP {'k': 1} AS m";
    Must(house_.Write("s.types", WriteMode::kOverwrite, sql));
    EXPECT_EQ(house_.Query("SELECT * FROM s.types"),
              (Texts{"t|1|2|3|4|5|6|1.5|2.5|12.34|x|\\xaa|2020-02-29|2020-01-01 00:00:00.123456+00|"
                     "2020-01-01 01:02:03.123456|12:00:00|[1, NULL, 3]|{'x': 1, 'y': [a]}|{k=1}"}));
    Snapshot snapshot = Open("types");
    EXPECT_EQ(snapshot.reader_version, 3);  // for the timestamp without a zone
    EXPECT_EQ(snapshot.reader_features, (Texts{"timestampNtz"}));
    EXPECT_EQ(snapshot.columns[5].column.type, "DECIMAL(38,0)");
}

TEST_F(LakehouseTest, AppendsAddColumnsAndWiden) {
    Must(house_.Write("s.t", WriteMode::kAppend, "SELECT 1::INTEGER AS a"));
    auto result = Must(house_.Write("s.t", WriteMode::kAppend, "SELECT 'new' AS b, 2::INTEGER AS A"));
    EXPECT_EQ(result.rows, 2);
    EXPECT_EQ(result.rows_inserted, 1);
    EXPECT_EQ(house_.Query("SELECT a, b FROM s.t ORDER BY a"), (Texts{"1|NULL", "2|new"}));
    Must(house_.Write("s.t", WriteMode::kAppend, "SELECT 3000000000 AS a"));
    EXPECT_EQ(house_.Query("SELECT a, b FROM s.t ORDER BY a"), (Texts{"1|NULL", "2|new", "3000000000|NULL"}));
    EXPECT_EQ(Open("t").columns[0].column.type, "BIGINT");
    auto refused = house_.Write("s.t", WriteMode::kAppend, "SELECT 'text' AS a");
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
    auto history = house_.house().History(house_.alice, {"s", "t"}, 10);
    ASSERT_TRUE(history.ok());
    EXPECT_EQ((*history)[0].details["schema_changes"][0], "widened a from INTEGER to BIGINT");
    EXPECT_EQ((*history)[1].details["schema_changes"][0], "added b VARCHAR");
}

TEST_F(LakehouseTest, SkipsWhatWasDoneAlready) {
    WriteRequest request;
    request.mode = WriteMode::kAppend;
    request.sql = "SELECT 1 AS a";
    request.transaction_application = "flow";
    request.transaction_version = 7;
    EXPECT_FALSE(Must(house_.Write("s.t", request)).skipped);
    auto again = Must(house_.Write("s.t", request));
    EXPECT_TRUE(again.skipped);
    EXPECT_EQ(again.version, 0);
    request.transaction_version = 8;
    EXPECT_FALSE(Must(house_.Write("s.t", request)).skipped);
    EXPECT_EQ(house_.Query("SELECT count(*) FROM s.t"), (Texts{"2"}));
    EXPECT_EQ(Open("t").transactions.at("flow"), 8);
}

TEST_F(LakehouseTest, MergesByKey) {
    auto result =
        Must(house_.Write("s.t", WriteMode::kMerge, "SELECT range AS k, 'v' || range AS v FROM range(10)", {"k"}));
    EXPECT_EQ(result.rows_inserted, 10);
    result = Must(house_.Write("s.t", WriteMode::kMerge,
                               "SELECT * FROM (VALUES (3, 'new'), (4, 'v4'), (10, 'v10')) AS t(k, v)", {"k"}));
    EXPECT_EQ(result.rows_inserted, 1);
    EXPECT_EQ(result.rows_updated, 1);
    EXPECT_EQ(result.rows_deleted, 0);
    EXPECT_EQ(result.rows, 11);
    EXPECT_EQ(house_.Query("SELECT k, v FROM s.t WHERE k IN (3, 4, 10) ORDER BY k"),
              (Texts{"3|new", "4|v4", "10|v10"}));
    EXPECT_EQ(house_.Query("SELECT count(*), count(DISTINCT k) FROM s.t"), (Texts{"11|11"}));
}

TEST_F(LakehouseTest, AMergeThatChangesNothingCommitsNothing) {
    const std::string sql = "SELECT range AS k, CASE WHEN range % 2 = 0 THEN range END AS v FROM range(1000)";
    Must(house_.Write("s.t", WriteMode::kMerge, sql, {"k"}));
    size_t files = DataFiles("t");
    auto result = Must(house_.Write("s.t", WriteMode::kMerge, sql, {"k"}));
    EXPECT_TRUE(result.skipped);
    EXPECT_EQ(result.version, 0);
    EXPECT_EQ(result.rows, 1000);
    EXPECT_EQ(DataFiles("t"), files);  // nothing was left lying about
}

TEST_F(LakehouseTest, AMergeRewritesOnlyFilesWithChanges) {
    for (int i = 0; i < 4; ++i) {
        Must(house_.Write("s.t", WriteMode::kAppend,
                          fmt::format("SELECT range + {} AS k, 'old' AS v FROM range(100)", i * 100)));
    }
    Snapshot before = Open("t");
    ASSERT_EQ(before.files.size(), 4u);
    auto result = Must(house_.Write("s.t", WriteMode::kMerge, "SELECT 150 AS k, 'new' AS v", {"k"}));
    EXPECT_EQ(result.rows_updated, 1);
    Snapshot after = Open("t");
    size_t same = 0;
    for (const auto& file : after.files) {
        for (const auto& old : before.files) same += file.path == old.path;
    }
    EXPECT_EQ(same, 3u);
    EXPECT_EQ(house_.Query("SELECT v, count(*) FROM s.t GROUP BY v ORDER BY v"), (Texts{"new|1", "old|399"}));
}

TEST_F(LakehouseTest, AMergeMayDeleteWhatIsMissing) {
    Must(house_.Write("s.t", WriteMode::kMerge, "SELECT range AS k, 1 AS v FROM range(10)", {"k"}));
    WriteRequest request;
    request.mode = WriteMode::kMerge;
    request.sql = "SELECT range AS k, 1 AS v FROM range(5, 12)";
    request.key = {"k"};
    request.delete_missing = true;
    auto result = Must(house_.Write("s.t", request));
    EXPECT_EQ(result.rows_deleted, 5);
    EXPECT_EQ(result.rows_inserted, 2);
    EXPECT_EQ(house_.Query("SELECT min(k), max(k), count(*) FROM s.t"), (Texts{"5|11|7"}));
    EXPECT_TRUE(Must(house_.Write("s.t", request)).skipped);
}

TEST_F(LakehouseTest, AMergeNeedsOneRowAKey) {
    auto refused = house_.Write("s.t", WriteMode::kMerge, "SELECT range % 3 AS k, range AS v FROM range(9)", {"k"});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(refused.error().message().find("(k=1)"), std::string::npos) << refused.error().message();
    refused = house_.Write("s.t", WriteMode::kMerge, "SELECT NULL::INTEGER AS k, 1 AS v", {"k"});
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message().find("(k=NULL)"), std::string::npos) << refused.error().message();
    refused = house_.Write("s.t", WriteMode::kMerge, "SELECT 1 AS a", {"k"});
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(DataFiles("t"), 0u);
}

TEST_F(LakehouseTest, MergesAddColumnsAndKeepNullsApart) {
    Must(house_.Write("s.t", WriteMode::kMerge, "SELECT 1 AS k, NULL::VARCHAR AS v UNION ALL SELECT 2, 'b'", {"k"}));
    auto result = Must(house_.Write("s.t", WriteMode::kMerge,
                                    "SELECT 1 AS k, NULL::VARCHAR AS v, 9 AS n UNION ALL SELECT 2, NULL, 9", {"k"}));
    EXPECT_EQ(result.rows_updated, 2);
    EXPECT_EQ(house_.Query("SELECT * FROM s.t ORDER BY k"), (Texts{"1|NULL|9", "2|NULL|9"}));
}

TEST_F(LakehouseTest, KeepsThePartitionsOfOthers) {
    const std::string log =
        R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})"
        "\n"
        R"({"metaData":{"id":"t","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",)"
        R"(\"fields\":[{\"name\":\"p\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}},{\"name\":\"a\",)"
        R"(\"type\":\"integer\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":["p"],"configuration":{}}})"
        "\n";
    ASSERT_TRUE(house_.PutText("lakehouse/s/t/_delta_log/00000000000000000000.json", log).ok());
    const std::string sql = "SELECT * FROM (VALUES ('x y/%', 1), (NULL, 2), ('é', 3)) AS t(p, a)";
    for (WriteMode mode : {WriteMode::kOverwrite, WriteMode::kAppend, WriteMode::kOverwrite}) {
        Must(house_.Write("s.t", mode, sql));
    }
    EXPECT_EQ(Open("t").partition_columns, (Texts{"p"}));
    EXPECT_EQ(house_.Query("SELECT p, a FROM s.t ORDER BY a"), (Texts{"x y/%|1", "NULL|2", "é|3"}));
    auto result =
        Must(house_.Write("s.t", WriteMode::kMerge, "SELECT 'x y/%' AS p, 1 AS a UNION ALL SELECT 'z', 2", {"a"}));
    EXPECT_EQ(result.rows_updated, 1);
    EXPECT_EQ(house_.Query("SELECT p, a FROM s.t ORDER BY a"), (Texts{"x y/%|1", "z|2", "é|3"}));
    Must(house_.Write("s.t", WriteMode::kOverwrite, "SELECT 7 AS a"));
    EXPECT_TRUE(Open("t").partition_columns.empty());
    EXPECT_EQ(house_.Query("SELECT * FROM s.t"), (Texts{"7"}));
}

TEST_F(LakehouseTest, ChecksSeeTheTableToBe) {
    Must(house_.Write("s.t", WriteMode::kAppend, "SELECT 1 AS a"));
    Texts seen;
    WriteRequest request;
    request.mode = WriteMode::kAppend;
    request.sql = "SELECT 2 AS a";
    request.before_commit = [&](engine::Session& session, const engine::Relation&) -> Status {
        auto stream = TRY(session.Query("SELECT a FROM temp_input.result ORDER BY a"));
        seen = TRY(TestLakehouse::Rows(*stream));
        return Error(ErrorCode::kFailedPrecondition, "check failed");
    };
    auto refused = house_.Write("s.t", request);
    EXPECT_EQ(refused.error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_EQ(seen, (Texts{"1", "2"}));
    EXPECT_EQ(house_.Query("SELECT * FROM s.t"), (Texts{"1"}));
    EXPECT_EQ(DataFiles("t"), 1u);
}

TEST_F(LakehouseTest, RefusesNamesAndStatementsItCannotStore) {
    EXPECT_EQ(house_.Write("s.t", WriteMode::kOverwrite, "SELECT count(*) FROM range(3)").error().code(),
              ErrorCode::kInvalidArgument);
    EXPECT_FALSE(house_.Write("s.t", WriteMode::kOverwrite, "SELECT 1 AS a; SELECT 2 AS a").ok());
    EXPECT_FALSE(house_.Write("s.t", WriteMode::kOverwrite, "SELECT 1) UNION (SELECT 2 AS a").ok());
    EXPECT_FALSE(house_.Write("s.a/b", WriteMode::kOverwrite, "SELECT 1 AS a").ok());
    EXPECT_EQ(house_.Write("s.t", WriteMode::kOverwrite, "SELECT * FROM s.nothing").error().code(),
              ErrorCode::kNotFound);
}

TEST_F(LakehouseTest, AsksTheGate) {
    Must(house_.Write("s.t", WriteMode::kOverwrite, "SELECT 1 AS a"));
    house_.gate.denied = {"table:Read s.t", "table:Write s.t", "table:Drop s.t"};
    EXPECT_EQ(house_.house().Open(house_.alice, {"s", "t"}).error().code(), ErrorCode::kPermissionDenied);
    EXPECT_EQ(house_.Write("s.t", WriteMode::kAppend, "SELECT 1 AS a").error().code(), ErrorCode::kPermissionDenied);
    EXPECT_EQ(house_.house().Drop(house_.alice, {"s", "t"}).error().code(), ErrorCode::kPermissionDenied);
    EXPECT_TRUE(house_.house().Tables(house_.alice)->empty());
}

TEST_F(LakehouseTest, WritesCheckpointsThatItReads) {
    for (int i = 0; i < 25; ++i)
        Must(house_.Write("s.t", WriteMode::kAppend, fmt::format("SELECT {} AS a, 'it''s' AS b", i)));
    auto keys = house_.Keys("lakehouse/s/t/_delta_log/");
    EXPECT_NE(std::find(keys.begin(), keys.end(), "s/t/_delta_log/00000000000000000020.checkpoint.parquet"),
              keys.end());
    EXPECT_NE(house_.GetText("lakehouse/s/t/_delta_log/_last_checkpoint")->find("\"version\":20"), std::string::npos);
    // Without the commits before it, the checkpoint must carry everything.
    for (int i = 0; i <= 20; ++i) {
        ASSERT_TRUE(
            house_.lake().Delete(house_.alice, {"lakehouse", fmt::format("s/t/_delta_log/{:020}.json", i)}).ok());
    }
    ASSERT_TRUE(house_.Open().ok());
    EXPECT_EQ(house_.Query("SELECT count(*), sum(a) FROM s.t"), (Texts{"25|300"}));
    EXPECT_EQ(Open("t").version, 24);
}

TEST_F(LakehouseTest, TellsItsHistoryAndDatasets) {
    WriteRequest request;
    request.sql = "SELECT 1 AS a";
    request.description = "one";
    request.run_id = "run-1";
    request.column_docs = {{.name = "a", .description = "the a"}};
    Must(house_.Write("s.t", request));
    Must(house_.Write("s.t", WriteMode::kAppend, "SELECT a + 1 AS a FROM s.t"));
    auto& provider = house_.house().AsProvider();
    EXPECT_EQ(*provider.Schemas(), (Texts{"s"}));
    auto datasets = provider.Datasets("s");
    ASSERT_EQ(datasets->size(), 1u);
    EXPECT_EQ((*datasets)[0].description, "one");
    EXPECT_EQ((*datasets)[0].rows, 2);
    EXPECT_EQ((*datasets)[0].version, "1");
    auto versions = provider.Versions("s", "t", 10);
    ASSERT_EQ(versions->size(), 2u);
    EXPECT_EQ((*versions)[1].run_id, "run-1");
    EXPECT_EQ((*versions)[1].operation, "overwrite");
    EXPECT_EQ((*versions)[0].rows, 2);
    EXPECT_EQ((*versions)[0].rows_added, 1);
    EXPECT_EQ((*versions)[0].principal, "user:alice");
    EXPECT_EQ((*versions)[0].details["inputs"]["s.t"], "0");
    EXPECT_EQ(Open("t").columns[0].column.description, "the a");
    EXPECT_EQ(provider.Versions("s", "nothing", 1).error().code(), ErrorCode::kNotFound);
}

TEST_F(LakehouseTest, VacuumKeepsWhatVersionsNeed) {
    Must(house_.Write("s.t", WriteMode::kOverwrite, "SELECT 1 AS a"));
    Must(house_.Write("s.t", WriteMode::kOverwrite, "SELECT 2 AS a"));
    ASSERT_TRUE(house_.PutText("lakehouse/s/t/orphan.parquet", "x").ok());
    EXPECT_EQ(*house_.house().Vacuum(house_.alice, {"s", "t"}, std::chrono::hours(1)), 0);
    EXPECT_EQ(house_.Query("SELECT a FROM s.t AT (VERSION => 0)"), (Texts{"1"}));
    SystemEnv().clock().Sleep(std::chrono::milliseconds(20));
    EXPECT_EQ(*house_.house().Vacuum(house_.alice, {"s", "t"}, Duration(0)), 2);
    EXPECT_EQ(house_.Query("SELECT a FROM s.t"), (Texts{"2"}));
    EXPECT_EQ(DataFiles("t"), 1u);
}

TEST_F(LakehouseTest, DropsAndMakesAnew) {
    Must(house_.Write("s.t", WriteMode::kOverwrite, "SELECT 1 AS a"));
    ASSERT_TRUE(house_.house().Drop(house_.alice, {"s", "t"}).ok());
    EXPECT_EQ(house_.house().Open(house_.alice, {"s", "t"}).error().code(), ErrorCode::kNotFound);
    EXPECT_TRUE(house_.Keys("lakehouse/s/").empty());
    EXPECT_EQ(house_.house().Drop(house_.alice, {"s", "t"}).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(Must(house_.Write("s.t", WriteMode::kOverwrite, "SELECT 2 AS a")).version, 0);
    EXPECT_EQ(house_.Query("SELECT a FROM s.t"), (Texts{"2"}));
}

// Lakehouses over one lake share no locks: only put-if-absent decides between them.
TEST_F(LakehouseTest, RacingWritersLoseAndDoubleNothing) {
    for (auto [writers, commits] : {std::pair(2, 64), std::pair(8, 16)}) {
        std::string table = fmt::format("s.race{}", writers);
        std::vector<std::unique_ptr<Lakehouse>> houses;
        for (int i = 0; i < writers; ++i) houses.push_back(Lakehouse::Create(house_.Dependencies()).value());
        Must(house_.Write(table, WriteMode::kAppend, "SELECT -1 AS writer, -1 AS n"));
        std::vector<std::thread> threads;
        for (int writer = 0; writer < writers; ++writer) {
            threads.emplace_back([&, writer, commits = commits] {
                for (int n = 0; n < commits; ++n) {
                    WriteRequest request;
                    request.mode = WriteMode::kAppend;
                    request.sql = fmt::format("SELECT {} AS writer, {} AS n", writer, n);
                    auto result = houses[writer]->Write(house_.alice, {"s", table.substr(2)}, request);
                    if (!result.ok()) ADD_FAILURE() << result.error().ToString();
                }
            });
        }
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(Open(table.substr(2)).version, writers * commits);  // contiguous: gaps are refused
        EXPECT_EQ(house_.Query("SELECT count(*), count(DISTINCT (writer, n)) FROM " + table),
                  (Texts{fmt::format("{0}|{0}", writers * commits + 1)}));
    }
}

TEST_F(LakehouseTest, AMergeThatLostTheRaceIsRunAgain) {
    auto other = Lakehouse::Create(house_.Dependencies()).value();
    Must(house_.Write("s.t", WriteMode::kMerge, "SELECT 1 AS k, 'a' AS v", {"k"}));
    int tries = 0;
    WriteRequest request;
    request.mode = WriteMode::kMerge;
    request.sql = "SELECT 2 AS k, 'mine' AS v";
    request.key = {"k"};
    request.before_commit = [&](engine::Session&, const engine::Relation&) -> Status {
        if (++tries > 1) return Ok();
        WriteRequest theirs{.mode = WriteMode::kMerge, .sql = "SELECT 2 AS k, 'theirs' AS v", .key = {"k"}};
        TRY(other->Write(house_.alice, {"s", "t"}, theirs));
        return Ok();
    };
    auto result = Must(house_.Write("s.t", request));
    EXPECT_EQ(tries, 2);
    EXPECT_EQ(result.rows_updated, 1);
    EXPECT_EQ(house_.Query("SELECT k, v FROM s.t ORDER BY k"), (Texts{"1|a", "2|mine"}));
    EXPECT_EQ(DataFiles("t"), 3u);  // of versions 0, 1 and 2; the lost try's is gone
}

}  // namespace
}  // namespace tarn::lakehouse
