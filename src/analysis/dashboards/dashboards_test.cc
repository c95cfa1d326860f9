// Filters in a tile's SQL, over a real engine, and what is wrong with a file.
#include "analysis/dashboards/dashboards.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "analysis/dashboards/dashboard_file.h"
#include "analysis/dashboards/tile_filter.h"
#include "base/text.h"

namespace tarn::dashboards {
namespace {

class NoFiles : public engine::FileStore {
  public:
    Result<std::unique_ptr<engine::StoredFile>> Open(const security::Principal&, const std::string& path) override {
        return Error(ErrorCode::kNotFound, "no file {}", path);
    }
    Result<std::unique_ptr<engine::NewFile>> Create(const security::Principal&, const std::string& path) override {
        return Error(ErrorCode::kNotFound, "no file {}", path);
    }
};

// d.flights (carrier, n), d.planes (carrier, model), "d"."odd name" (carrier).
class FewTables : public engine::RelationSource {
  public:
    Result<engine::Relation> Find(const security::Principal&, const std::string& schema, const std::string& name,
                                  const engine::AtClause&) override {
        engine::Relation relation{.schema = "d", .name = ToLower(name), .version = "1"};
        engine::RowSet rows;
        if (relation.name == "flights") {
            relation.columns = {{"carrier", "VARCHAR"}, {"n", "BIGINT"}};
            rows.rows = {{"UA", "1"}, {"UA", "2"}, {"AA", "4"}, {"it's", "8"}};
        } else if (relation.name == "planes") {
            relation.columns = {{"carrier", "VARCHAR"}, {"model", "VARCHAR"}};
            rows.rows = {{"UA", "A"}, {"AA", "B"}};
        } else if (relation.name == "odd name") {
            relation.columns = {{"carrier", "VARCHAR"}};
            rows.rows = {{"UA"}, {"AA"}};
        }
        bool found = ToLower(schema) == "d" && !relation.columns.empty();
        if (!found) return Error(ErrorCode::kNotFound, "no table {}.{}", schema, name);
        relation.source = engine::GeneratedRows{[rows] { return rows; }};
        return relation;
    }
    Result<std::vector<std::string>> Schemas(const security::Principal&) override {
        return std::vector<std::string>{"d"};
    }
    Result<std::vector<engine::RelationSummary>> Relations(const security::Principal&, const std::string&) override {
        return std::vector<engine::RelationSummary>();
    }
};

class DashboardsTest : public testing::Test {
  protected:
    DashboardsTest() {
        engine::EngineConfig config;
        config.memory_bytes_max = 1 << 28;
        config.threads = 1;
        config.extension_directory =
            (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "extensions").string();
        auto made = engine::Engine::Create(config, {SystemEnv(), files_, tables_, metrics_, NullLog()});
        EXPECT_TRUE(made.ok()) << made.error().ToString();
        engine_ = std::move(*made);
    }
    // The one row of the filtered statement, as "a|b".
    std::string Ask(const std::string& sql, const std::string& value = "UA", const std::string& table = "d.flights") {
        auto filtered = FilteredSql(*engine_, sql, {"carrier", table, "carrier"}, value);
        if (!filtered.ok()) return filtered.error().ToString();
        auto session = engine_->OpenSession({.principal = {.kind = security::PrincipalKind::kUser, .name = "alice"}});
        auto rows = Rows(**session, *filtered);
        return rows.ok() ? *rows : rows.error().ToString() + " in " + *filtered;
    }
    static Result<std::string> Rows(engine::Session& session, const std::string& sql) {
        auto stream = TRY(session.Query(sql));
        std::vector<std::string> cells;
        while (const engine::Chunk* chunk = TRY(stream->Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) {
                for (size_t i = 0; i < stream->columns().size(); ++i) {
                    cells.push_back(chunk->IsNull(row, i) ? "NULL" : chunk->Text(row, i));
                }
            }
        }
        return Join(cells, "|");
    }
    std::string Parse(const std::string& yaml) {
        workspace::Definition definition{
            .kind = "dashboard", .name = "d.board", .file = "use_cases/d/board.dashboard.yaml"};
        definition.text = yaml;
        workspace::Issues issues;
        ParseDashboardFile(*engine_, definition, issues);
        std::string wrong;
        for (const ConfigIssue& issue : issues) wrong += fmt::format("{}: {}\n", issue.line, issue.message);
        return wrong;
    }
    NoFiles files_;
    FewTables tables_;
    Metrics metrics_;
    std::unique_ptr<engine::Engine> engine_;
};

TEST_F(DashboardsTest, FiltersATableWithAndWithoutAlias) {
    EXPECT_EQ(Ask("SELECT sum(n) FROM d.flights"), "3");
    EXPECT_EQ(Ask("SELECT sum(f.n) FROM d.flights f"), "3");
    EXPECT_EQ(Ask("SELECT sum(f.n) FROM d.flights AS f WHERE f.n > 1"), "2");
    EXPECT_EQ(Ask("SELECT sum(\"F x\".n) FROM d.flights \"F x\""), "3");
    EXPECT_EQ(Ask("SELECT sum(flights.n) FROM d.flights WHERE flights.n > 1"), "2");
    EXPECT_EQ(Ask("SELECT sum(d.flights.n) FROM d.flights WHERE d.flights.n > 1"), "2");
    EXPECT_EQ(Ask("SELECT sum(n) FROM d.flights f, d.planes", "AA"), "8");
    EXPECT_EQ(Ask("SELECT sum(n) FROM d.flights", "it's"), "8");
    EXPECT_EQ(Ask("SELECT sum(n) FROM d.flights", "x' OR 'a' = 'a"), "NULL");
}

TEST_F(DashboardsTest, FindsTheNameHoweverItIsWritten) {
    EXPECT_EQ(Ask("SELECT 'é — ü', sum(n) FROM d.flights"), "é — ü|3");
    EXPECT_EQ(Ask("SELECT sum(n) FROM D.Flights"), "3");
    EXPECT_EQ(Ask("SELECT sum(n) FROM \"d\".\"flights\""), "3");
    EXPECT_EQ(Ask("SELECT sum(n) FROM d . flights -- all\n WHERE n > 0"), "3");
    EXPECT_EQ(Ask("SELECT sum(f.n) FROM d.flights /* f */ f"), "3");
    EXPECT_EQ(Ask("SELECT count(*) FROM d.\"odd name\" o", "UA", "d.odd name"), "1");
    EXPECT_EQ(Ask("SELECT sum(n) FROM d.flights AT (VERSION => 1) WHERE n > 1"), "2");
}

TEST_F(DashboardsTest, WordsAfterTheNameAreNoAlias) {
    for (const char* rest :
         {"WHERE true", "GROUP BY ALL", "ORDER BY 1", "LIMIT 5", "HAVING true", "OFFSET 0",
          "UNION ALL SELECT 0 WHERE false",

          "EXCEPT SELECT 0", "WINDOW w AS ()", "USING SAMPLE 100%", "TABLESAMPLE 100%", "CROSS JOIN (SELECT 1)",
          "INNER JOIN d.planes USING (carrier)", "LEFT JOIN d.planes USING (carrier)", "NATURAL JOIN d.planes",
          "SEMI JOIN d.planes USING (carrier)", "POSITIONAL JOIN (SELECT 1)",
          "JOIN d.planes p ON flights.carrier = p.carrier", ""}) {
        std::string sql = "SELECT sum(n) FROM d.flights " + std::string(rest);
        EXPECT_EQ(Ask(sql), "3") << sql;
    }
}

TEST_F(DashboardsTest, FiltersEveryPlaceAndOnlyThat) {
    EXPECT_EQ(Ask("SELECT (SELECT sum(n) FROM d.flights), (SELECT count(*) FROM d.flights x), "
                  "(SELECT count(*) FROM d.planes)"),
              "3|2|2");
    EXPECT_EQ(Ask("SELECT count(*) FROM d.flights a JOIN d.flights b USING (carrier)"), "4");
    // A CTE of the table's name is not the table.
    EXPECT_EQ(Ask("WITH flights AS (SELECT 7 AS n, 'AA' AS carrier) SELECT sum(n) FROM flights"), "7");
    EXPECT_EQ(Ask("WITH flights AS (SELECT * FROM d.flights) SELECT sum(n) FROM flights"), "3");
    EXPECT_EQ(Ask("SELECT 'd.flights', sum(n) FROM d.flights"), "d.flights|3");
    EXPECT_EQ(Ask("SELECT count(*) FROM d.planes"), "2");
}

TEST_F(DashboardsTest, TwoFiltersOfOneTable) {
    auto once = FilteredSql(*engine_, "SELECT sum(flights.n) FROM d.flights", {"c", "d.flights", "carrier"}, "UA");
    ASSERT_TRUE(once.ok());
    auto twice = FilteredSql(*engine_, *once, {"n", "d.flights", "n"}, "2");
    ASSERT_TRUE(twice.ok());
    EXPECT_EQ(Ask(*twice, "UA", "d.planes"), "2");
}

TEST_F(DashboardsTest, WhatIsWrongInTheYamlIsSaid) {
    EXPECT_EQ(Parse("title: T\nfilters: {c: {column: d.flights.carrier}}\ntiles:\n  - {number: SELECT 1, title: N}\n"),
              "");
    EXPECT_NE(Parse("tiles: []\n").find("title"), std::string::npos) << Parse("tiles: []\n");
    EXPECT_NE(Parse("title: T\ntilez: []\n").find("tiles"), std::string::npos);
    EXPECT_NE(Parse("title: T\nfilters: {c: {column: carrier}}\n").find("2: "), std::string::npos);
    std::string wrong =
        Parse("title: T\ntiles:\n  - {number: SELECT 1, title: A}\n  - {number: SELECT FROM, title: B}\n");
    EXPECT_NE(wrong.find("4: tile \"B\""), std::string::npos) << wrong;
    EXPECT_NE(Parse("title: T\ntiles:\n  - {number: SELECT 1, line: SELECT 2}\n").find("one of number"),
              std::string::npos);
    EXPECT_NE(Parse("title: T\ntiles:\n  - {map: SELECT 1}\n").find("later version"), std::string::npos);
    EXPECT_NE(Parse("title: T\ntiles:\n  - {number: DELETE FROM d.flights}\n").find("tile"), std::string::npos);
}

}  // namespace
}  // namespace tarn::dashboards
