// Filters in a tile's SQL, over a real engine, and what is wrong with a file.
#include "analysis/dashboards/dashboards.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "analysis/dashboards/dashboard_file.h"
#include "analysis/dashboards/result_cache.h"
#include "analysis/dashboards/select_shape.h"
#include "analysis/dashboards/tile_query.h"
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
        if (relation.name == "days") {
            relation.columns = {{"day", "DATE"}, {"at", "TIMESTAMP"}};
            for (const char* day : {"2026-03-24", "2026-03-25", "2026-03-31"}) {
                rows.rows.push_back({day, std::string(day) + " 23:59:59"});
            }
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
        Chosen chosen;
        chosen.columns[table + ".carrier"] = {value};
        return Look({}, sql, chosen);
    }
    // The tile's rows with what was chosen, as "a|b"; marks: those behind.
    std::string Look(const std::vector<Filter>& filters, const std::string& sql, const Chosen& chosen,
                     const std::vector<MarkValue>* mark = nullptr) {
        DashboardDefinition dashboard{.use_case = "d", .name = "board", .filters = filters};
        Tile tile{.kind = "table", .sql = sql};
        auto analysis = engine_->Analyze(sql);
        if (!analysis.ok()) return analysis.error().ToString();
        tile.reads = analysis->tables;
        tile.parameters = ParametersOf(sql);
        Today today = []() -> Result<Date> { return Date(std::chrono::year(2026) / 3 / 31); };
        auto query = mark ? RowsBehind(*engine_, dashboard, tile, chosen, *mark, today)
                          : QueryOf(*engine_, dashboard, tile, chosen, today);
        if (!query.ok()) return query.error().ToString();
        auto session = engine_->OpenSession({.principal = {.kind = security::PrincipalKind::kUser, .name = "alice"}});
        auto rows = Rows(**session, *query);
        if (!rows.ok()) return rows.error().ToString() + " in " + query->sql;
        // What people are shown answers the same.
        auto shown = Rows(**session, {.sql = query->bindings.Shown(query->sql)});
        EXPECT_TRUE(shown.ok()) << shown.error().ToString() << query->bindings.Shown(query->sql);
        EXPECT_EQ(shown.ok() ? *shown : "", *rows) << query->bindings.Shown(query->sql);
        return *rows;
    }
    static Result<std::string> Rows(engine::Session& session, const TileQuery& query) {
        auto statement = TRY(session.Prepare(query.sql, query.bindings.Types()));
        auto stream = TRY(statement->Execute(query.bindings.values()));
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
    Chosen chosen;
    chosen.columns["d.flights.carrier"] = {"UA"};
    chosen.columns["d.flights.n"] = {"2"};
    EXPECT_EQ(Look({}, "SELECT sum(flights.n) FROM d.flights", chosen), "2");
}

TEST_F(DashboardsTest, EachKindOfFilterFiltersBeforeTheAggregation) {
    const std::string sum = "SELECT sum(n) FROM d.flights";
    auto ask = [&](const char* kind, const char* column, const Choice& choice, const std::string& initial = "") {
        Filter filter{.name = "f", .kind = kind, .columns = {{"d.flights", column}}, .value_default = initial};
        Chosen chosen;
        if (!choice.empty() || initial == "x") chosen.filters["f"] = choice;
        return Look({filter}, sum, chosen);
    };
    EXPECT_EQ(ask("choice", "carrier", {"UA", "AA"}), "7");
    EXPECT_EQ(ask("choice", "carrier", {"x' OR 'a' = 'a"}), "NULL");
    EXPECT_EQ(ask("choice", "carrier", {std::nullopt}), "NULL");
    EXPECT_EQ(ask("choice", "carrier", {"AA", std::nullopt}), "4");
    EXPECT_EQ(ask("choice", "n", {"8"}), "8");
    EXPECT_EQ(ask("range", "n", {"2..4"}), "6");
    EXPECT_EQ(ask("range", "n", {"2.."}), "14");
    EXPECT_EQ(ask("range", "n", {"..1.5"}), "1");
    EXPECT_EQ(ask("search", "carrier", {"u"}), "3");
    EXPECT_EQ(ask("search", "carrier", {"%"}), "NULL");
    EXPECT_EQ(ask("choice", "carrier", {}, "UA"), "3");
    EXPECT_NE(ask("range", "n", {"2..x"}).find("no range"), std::string::npos);
    EXPECT_NE(ask("range", "n", {"1e999.."}).find("no range"), std::string::npos);
}

TEST_F(DashboardsTest, DatesAreThoseOfTheViewersDay) {
    std::string days = "SELECT count(*) FROM d.days";
    auto ask = [&](const char* column, const char* choice) {
        Filter filter{.name = "f", .kind = "dates", .columns = {{"d.days", column}}};
        Chosen chosen;
        chosen.filters["f"] = {choice};
        return Look({filter}, days, chosen);
    };
    EXPECT_EQ(ask("day", "last 7 days"), "2");  // 2026-03-25 and 31, not 24
    EXPECT_EQ(ask("at", "2026-03-25..2026-03-25"), "1");
    EXPECT_EQ(ask("day", "2026-03-25.."), "2");
    EXPECT_EQ(ask("at", "this month"), "3");
}

TEST_F(DashboardsTest, ParametersAreBoundNeverWritten) {
    Filter least{.name = "least", .kind = "number", .value_default = "2"};
    Filter who{.name = "who", .kind = "text"};
    const std::string sql = "SELECT sum(n) FROM d.flights WHERE n >= $least AND ($who IS NULL OR carrier = $who)";
    EXPECT_EQ(Look({least, who}, sql, {}), "14");
    Chosen chosen;
    chosen.filters["least"] = {"4"};
    chosen.filters["who"] = {"it's"};
    EXPECT_EQ(Look({least, who}, sql, chosen), "8");
    chosen.filters["who"] = {"' OR true --"};
    EXPECT_EQ(Look({least, who}, sql, chosen), "NULL");
    chosen.filters["least"] = {"4 OR true"};
    EXPECT_NE(Look({least, who}, sql, chosen).find("no number"), std::string::npos);
}

TEST_F(DashboardsTest, TheRowsBehindAMark) {
    std::vector<MarkValue> united = {{0, "UA"}};
    std::vector<MarkValue> all;
    const std::string by_carrier = "SELECT carrier, sum(n) FROM d.flights GROUP BY 1 ORDER BY 2";
    EXPECT_EQ(Look({}, by_carrier, {}, &united), "UA|1|UA|2");
    EXPECT_EQ(Look({}, "SELECT sum(n) FROM d.flights WHERE n = 4 OR n = 8 LIMIT 1", {}, &all), "AA|4|it's|8");
    std::vector<MarkValue> odd = {{0, "t"}};
    EXPECT_EQ(Look({}, "SELECT n > 3 AS many, count(*) FROM d.flights WHERE carrier <> 'AA' GROUP BY many", {}, &odd),
              "it's|8");
    Chosen chosen;
    chosen.columns["d.flights.n"] = {"2"};
    EXPECT_EQ(Look({}, by_carrier, chosen, &united), "UA|2");
    std::vector<MarkValue> ungrouped = {{1, "3"}};
    EXPECT_NE(Look({}, by_carrier, {}, &ungrouped).find("groups no rows"), std::string::npos);
}

TEST_F(DashboardsTest, TheEngineTellsWhatAnswersOtherwiseEachTime) {
    auto names = VolatileFunctions(*engine_);
    ASSERT_TRUE(names.ok()) << names.error().ToString();
    for (const char* name : {"now", "random", "uuid", "today"}) EXPECT_TRUE(names->contains(name)) << name;
    for (const char* name : {"count", "sum", "date_trunc", "upper"}) EXPECT_FALSE(names->contains(name)) << name;
}

TEST_F(DashboardsTest, WhatIsWrongInTheYamlIsSaid) {
    std::string parameter = Parse("title: T\ntiles:\n  - {number: SELECT $x, title: N}\n");
    EXPECT_NE(parameter.find("no filter for $x"), std::string::npos) << parameter;
    EXPECT_NE(Parse("title: T\nfilters: {tile: {kind: text}}\n").find("page's own"), std::string::npos);
    EXPECT_NE(Parse("title: T\nfilters: {d: {kind: dates, column: a.b.c, default: last 7 cats}}\n").find("no range of"),
              std::string::npos);
    EXPECT_NE(Parse("title: T\nfilters: {d: {kind: number, column: a.b.c}}\n").find("filter of a column"),
              std::string::npos);
    EXPECT_NE(Parse("title: T\ntiles:\n  - {number: SELECT 1, format: {a: '#'}}\n").find("is no format"),
              std::string::npos);
    EXPECT_EQ(Parse("title: T\ntiles:\n  - {text: '# Hello', width: 12}\n  - {map: SELECT 1, shapes: x}\n"), "");
    EXPECT_NE(Parse("title: T\ntiles:\n  - {number: SELECT 1, text: x}\n").find("one of number"), std::string::npos);
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
    EXPECT_NE(Parse("title: T\ntiles:\n  - {number: DELETE FROM d.flights}\n").find("tile"), std::string::npos);
}

}  // namespace
}  // namespace tarn::dashboards
