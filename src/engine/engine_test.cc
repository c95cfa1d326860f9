#include "engine/engine.h"

#include <thread>

#include "engine/engine_for_test.h"

namespace tarn::engine {
namespace {

class EngineTest : public EngineFixture {};

TEST_F(EngineTest, AnswersAQuery) {
    EXPECT_EQ(Ask("SELECT 1 AS one, 'a' AS two, NULL, true, 1.5::DOUBLE, 2.0::DOUBLE, 1.50::DECIMAL(5,2)"),
              "1|a|NULL|t|1.5|2|1.50\n");
    EXPECT_EQ(Ask("SELECT TIMESTAMP '2013-01-01 05:00:00', DATE '2013-01-01', '\\xAB'::BLOB, INTERVAL 2 DAY"),
              "2013-01-01 05:00:00|2013-01-01|\\xab|2 days\n");
    EXPECT_EQ(Ask("FROM range(3) t(i) SELECT sum(i)"), "3\n");
}

TEST_F(EngineTest, ReadsATableOfFiles) {
    MakeTable("delays", "flights",
              "SELECT i AS id, 'c' || (i % 3) AS carrier, i::DOUBLE / 2 AS delay FROM range(10000) t(i)");
    EXPECT_EQ(Ask("SELECT count(*), sum(id), min(carrier), max(delay) FROM delays.flights"),
              "10000|49995000|c0|4999.5\n");
    EXPECT_EQ(Ask("SELECT f.carrier, count(*) FROM delays.flights f WHERE f.id < 10 GROUP BY 1 ORDER BY 1"),
              "c0|4\nc1|3\nc2|3\n");
    EXPECT_EQ(Ask("SELECT count(*) FROM tarn.delays.flights"), "10000\n");
    EXPECT_EQ(Ask("SELECT flights.id FROM delays.flights WHERE id = 77"), "77\n");
}

TEST_F(EngineTest, PreparesAndTakesParameters) {
    MakeTable("delays", "flights", "SELECT i AS id, 'c' || (i % 3) AS carrier FROM range(1000) t(i)");
    auto statement =
        session->Prepare("SELECT count(*) AS n FROM delays.flights WHERE carrier = $1 AND id < $2").value();
    EXPECT_EQ(statement->info().columns[0].name, "n");
    EXPECT_EQ(statement->info().columns[0].kind, CellKind::kInt64);
    EXPECT_EQ(statement->info().parameter_types, (std::vector<std::string>{"VARCHAR", "BIGINT"}));
    ASSERT_EQ(statement->info().reads.size(), 1u);
    EXPECT_EQ(statement->info().reads[0].name, "flights");
    EXPECT_EQ(statement->info().reads[0].columns, (std::set<std::string>{"id", "carrier"}));
    for (int round = 0; round < 3; round++) {
        auto stream = statement->Execute({SqlValue("c1"), SqlValue("100")});
        ASSERT_TRUE(stream.ok()) << stream.error().ToString();
        const Chunk* chunk = (*stream)->Next().value();
        ASSERT_NE(chunk, nullptr);
        EXPECT_EQ(chunk->Text(0, 0), "33");
        EXPECT_EQ(*static_cast<const int64_t*>(chunk->Data(0, 0)), 33);
    }
    auto wrong = statement->Execute({SqlValue("c1"), SqlValue("abc")});
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(wrong.error().detail_code(), "22P02");
}

TEST_F(EngineTest, TypedParametersNeedNoInference) {
    auto statement = session->Prepare("SELECT $1 + 1", {"INTEGER"}).value();
    EXPECT_EQ(statement->info().columns[0].type, "INTEGER");
    auto stream = statement->Execute({SqlValue("41")}).value();
    EXPECT_EQ(stream->Next().value()->Text(0, 0), "42");
}

TEST_F(EngineTest, ErrorsHaveSqlstateAndPosition) {
    MakeTable("delays", "flights", "SELECT 1 AS id, 'a' AS carrier");
    struct Case {
        const char* sql;
        const char* state;
        int64_t position;
    };
    for (const Case& one :
         {Case{"SELEC 1", "42601", 1}, Case{"SELECT ä FROM delays.flights WHERE x x x", "42601", -1},
          Case{"SELECT * FROM delays.flihgts", "42P01", 15},
          Case{"SELECT 'ä', carier FROM delays.flights", "42703", 13}, Case{"SELECT nofunction(1)", "42883", 8},
          Case{"SELECT id FROM delays.flights a, delays.flights b", "42702", 8},
          Case{"SELECT 'abc'::INTEGER", "22P02", -1}, Case{"SELECT id + carrier FROM delays.flights", "42883", -1}}) {
        Error error = Refusal(one.sql);
        EXPECT_EQ(error.detail_code(), one.state) << one.sql << " -> " << error.ToString();
        if (one.position > 0) {
            EXPECT_EQ(error.position().value_or(0), one.position) << one.sql << error.ToString();
        }
    }
    EXPECT_EQ(Refusal("SELECT * FROM delays.flihgts").hint(), "did you mean delays.flights?");
    EXPECT_NE(Refusal("SELECT carier FROM delays.flights").hint().find("carrier"), std::string::npos);
}

TEST_F(EngineTest, SplitsScripts) {
    auto parts = session->Split("SELECT 1; -- a ; comment\n SELECT ';ä' ;;SET datestyle = ISO, MDY").value();
    ASSERT_EQ(parts.size(), 3u);
    EXPECT_EQ(parts[1].sql, "SELECT ';ä'");
    EXPECT_EQ(parts[1].position, 27);
    auto wrong = session->Split("SELECT 1;\nSELECT FROM FROM");
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(wrong.error().position(), 23);
}

TEST_F(EngineTest, CancelStopsAQuery) {
    std::thread canceller([&] {
        SystemEnv().clock().Sleep(Duration(300'000));
        session->Cancel();
    });
    auto stream =
        session->Query("SELECT count(*) FROM range(100000000) a(i), range(100000) b(j) WHERE hash(i) < hash(j)");
    auto chunk = stream.ok() ? (*stream)->Next() : Result<const Chunk*>(stream.error());
    canceller.join();
    ASSERT_FALSE(chunk.ok());
    EXPECT_EQ(chunk.error().code(), ErrorCode::kCancelled);
    EXPECT_EQ(chunk.error().detail_code(), "57014");
    EXPECT_EQ(Ask("SELECT 1"), "1\n");
}

TEST_F(EngineTest, WritesStatisticsInDeltasForm) {
    WriteOptions options{.prefix = "lake/x/"};
    auto written = trusted->WriteQuery(
        "SELECT i::INTEGER AS i, i::UINTEGER AS u, (i / 4)::DECIMAL(9,2) AS d, DATE '2013-01-01' + i::INTEGER AS day, "
        "TIMESTAMPTZ '2013-01-01 05:00:00.000123+00' AS at, TIMESTAMP '2013-01-01 05:00:00' AS local_at, "
        "CASE WHEN i = 1 THEN 'NaN'::DOUBLE ELSE i END AS f, repeat('x', 40) || i AS s, NULL AS none, i > 1 AS b "
        "FROM range(3) t(i)",
        options);
    ASSERT_TRUE(written.ok()) << written.error().ToString();
    ASSERT_EQ(written->size(), 1u);
    const WrittenFile& file = written->at(0);
    EXPECT_EQ(file.rows, 3);
    EXPECT_EQ(file.bytes, static_cast<int64_t>(files.files.at(file.path)->size()));
    auto bound = [&](const char* column) {
        return file.statistics.at(column).min.dump() + ".." + file.statistics.at(column).max.dump();
    };
    EXPECT_EQ(bound("i"), "0..2");
    EXPECT_EQ(bound("u"), "0..2");
    EXPECT_EQ(bound("d"), "0.0..0.5");
    EXPECT_EQ(bound("day"), "\"2013-01-01\"..\"2013-01-03\"");
    EXPECT_EQ(bound("at"), "\"2013-01-01T05:00:00.000Z\"..\"2013-01-01T05:00:00.001Z\"");
    EXPECT_EQ(bound("local_at"), "\"2013-01-01T05:00:00.000\"..\"2013-01-01T05:00:00.000\"");
    EXPECT_EQ(bound("f"), "null..null");
    EXPECT_EQ(bound("s"), "\"" + std::string(32, 'x') + "\"..\"" + std::string(31, 'x') + "y\"");
    EXPECT_EQ(file.statistics.at("none").nulls, 3);
}

TEST_F(EngineTest, RefusesTypesThatTablesDoNotHave) {
    auto written = trusted->WriteQuery("SELECT 1::HUGEINT AS big", {.prefix = "lake/x/"});
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code(), ErrorCode::kNotSupported);
    EXPECT_EQ(written.error().hint(), "use CAST(\"big\" AS DECIMAL(38,0))");
    EXPECT_EQ(trusted->WriteQuery("SELECT 1 AS a, 2 AS A", {.prefix = "lake/x/"}).error().detail_code(), "42701");
    EXPECT_TRUE(trusted->WriteQuery("SELECT {'a': 1, 'b': [1,2]} AS s", {.prefix = "lake/x/"}).ok());
    EXPECT_FALSE(trusted->WriteQuery("SELECT {'a': 1::UTINYINT} AS s", {.prefix = "lake/x/"}).ok());
}

TEST_F(EngineTest, AnEmptyResultWritesNoFile) {
    EXPECT_TRUE(trusted->WriteQuery("SELECT 1 AS a WHERE false", {.prefix = "lake/x/"}).value().empty());
}

TEST_F(EngineTest, AnalyzesText) {
    auto analysis = engine->Analyze(
        "WITH x AS (SELECT * FROM a.b) SELECT 'ä', (SELECT max(i) FROM c) FROM x JOIN \"D\".\"e f\" USING (i), x y");
    ASSERT_TRUE(analysis.ok()) << analysis.error().ToString();
    std::string text;
    for (size_t i = 0; i < analysis->tables.size(); i++) {
        text += fmt::format("{}.{}@{} ", analysis->tables[i].schema, analysis->tables[i].name,
                            analysis->table_positions[i]);
    }
    EXPECT_EQ(text, "a.b@26 D.e f@78 .c@63 ");
    EXPECT_EQ(engine->Analyze("CREATE TABLE t (i INT)").error().code(), ErrorCode::kNotSupported);
    // A name in its own definition is the table, not the CTE.
    EXPECT_EQ(engine->Analyze("WITH t AS (SELECT * FROM t) SELECT * FROM t")->tables.size(), 1u);
    EXPECT_EQ(
        engine->Analyze("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT * FROM t")
            ->tables.size(),
        0u);
}

TEST_F(EngineTest, LineageOfColumns) {
    MakeTable("d", "flights", "SELECT 1 AS id, 'a' AS carrier, 2 AS delay");
    MakeTable("d", "airlines", "SELECT 'a' AS carrier, 'Name' AS name");
    auto lineage = [&](const std::string& sql) {
        auto columns = engine->Lineage(User("alice"), sql);
        if (!columns.ok()) return columns.error().ToString();
        std::string text;
        for (const auto& column : *columns) {
            text += column.column + "=";
            for (const auto& source : column.sources) text += source.table + "." + source.column + ",";
            text += " ";
        }
        return text;
    };
    auto unqualified = engine->Lineage(User("alice"), "SELECT id FROM flights", "d");
    ASSERT_TRUE(unqualified.ok()) << unqualified.error().ToString();
    ASSERT_EQ(unqualified->at(0).sources.size(), 1u);
    EXPECT_EQ(unqualified->at(0).sources[0].schema, "d");
    EXPECT_EQ(
        lineage("SELECT f.id + f.delay AS x, a.name, 1 AS one FROM d.flights f JOIN d.airlines a USING (carrier)"),
        "x=flights.delay,flights.id, name=airlines.name, one= ");
    EXPECT_EQ(lineage("WITH c AS (SELECT carrier, avg(delay) AS m FROM d.flights GROUP BY 1) SELECT c.m, c2.carrier "
                      "FROM c JOIN c c2 USING (carrier)"),
              "m=flights.delay, carrier=flights.carrier, ");
    EXPECT_EQ(
        lineage(
            "SELECT (SELECT max(name) || f.id FROM d.airlines a WHERE a.carrier = f.carrier) AS s FROM d.flights f"),
        "s=airlines.name,flights.id, ");
    EXPECT_EQ(lineage("SELECT id FROM d.flights UNION ALL SELECT delay FROM d.flights"),
              "id=flights.delay,flights.id, ");
    EXPECT_EQ(
        lineage("SELECT *, row_number() OVER (PARTITION BY carrier ORDER BY delay) AS r FROM d.flights WHERE id > 0"),
        "id=flights.id, carrier=flights.carrier, delay=flights.delay, r=flights.carrier,flights.delay, ");
    EXPECT_EQ(lineage("SELECT unnest([id, delay]) AS u FROM d.flights"), "u=flights.delay,flights.id, ");
    EXPECT_EQ(lineage("WITH c AS MATERIALIZED (SELECT id FROM d.flights) SELECT a.id FROM c a, c b"),
              "id=flights.id, ");
}

TEST_F(EngineTest, SettingsOfASession) {
    EXPECT_EQ(Ask("SET TimeZone = 'Europe/Berlin'"), "");
    EXPECT_EQ(Ask("SELECT TIMESTAMPTZ '2013-01-01 00:00:00+00'"), "2013-01-01 01:00:00+01\n");
    EXPECT_EQ(Ask("SHOW timezone"), "Europe/Berlin\n");
    EXPECT_EQ(Refusal("SET TimeZone = 'Mars/Base'").detail_code(), "22023");
    EXPECT_EQ(Refusal("SET memory_limit = '1TB'").detail_code(), "42501");
    EXPECT_EQ(Ask("SET search_path TO delays, public"), "");
    MakeTable("delays", "planes", "SELECT 7 AS n");
    EXPECT_EQ(Ask("SELECT n FROM planes"), "7\n");
    EXPECT_EQ(Ask("BEGIN"), "");
    EXPECT_EQ(Ask("COMMIT"), "");
}

}  // namespace
}  // namespace tarn::engine
