// Values of filters, relative dates, and what a SELECT's text tells, without an engine.
#include <gtest/gtest.h>

#include "analysis/dashboards/dashboard_file.h"
#include "analysis/dashboards/result_cache.h"
#include "analysis/dashboards/select_shape.h"
#include "analysis/dashboards/tile_query.h"

namespace tarn::dashboards {
namespace {

std::string Days(const std::string& text, const std::string& today = "2026-03-31") {
    auto day = ParseDates(today, Date());
    auto range = ParseDates(text, *day->from);
    if (!range.ok()) return "wrong";
    return (range->from ? FormatDate(*range->from) : "") + ".." + (range->until ? FormatDate(*range->until) : "");
}

TEST(ValuesTest, DatesAreRangesFromTheFirstDayToTheDayAfterTheLast) {
    EXPECT_EQ(Days("2026-01-05"), "2026-01-05..2026-01-06");
    EXPECT_EQ(Days("2026-01-05..2026-01-31"), "2026-01-05..2026-02-01");
    EXPECT_EQ(Days("..2024-02-29"), "..2024-03-01");
    EXPECT_EQ(Days("2026-01-05.."), "2026-01-05..");
    EXPECT_EQ(Days("today"), "2026-03-31..2026-04-01");
    EXPECT_EQ(Days("yesterday", "2026-01-01"), "2025-12-31..2026-01-01");
    EXPECT_EQ(Days("last 7 days"), "2026-03-25..2026-04-01");
    EXPECT_EQ(Days("last 1 month"), "2026-03-01..2026-04-01");
    EXPECT_EQ(Days("last 1 month", "2026-03-30"), "2026-02-28..2026-03-31");
    EXPECT_EQ(Days("last month"), "2026-02-01..2026-03-01");
    EXPECT_EQ(Days("this quarter", "2026-05-31"), "2026-04-01..2026-07-01");
    EXPECT_EQ(Days("this week", "2026-03-29"), "2026-03-23..2026-03-30");
    EXPECT_EQ(Days("last year"), "2025-01-01..2026-01-01");
    EXPECT_EQ(Days("last 12 months", "2024-02-29"), "2023-03-01..2024-03-01");
    for (const char* wrong : {"", "2026-02-30", "last", "last 0 days", "last -1 days", "next week", "2026-1-5",
                              "last 99999999999999999999 days", "2026-01-01..tomorrow", "last 7 cats"}) {
        EXPECT_EQ(Days(wrong), "wrong") << wrong;
    }
}

TEST(ValuesTest, NumbersAreWrittenAsTheFormatSays) {
    for (const char* good :
         {"0", "0,0", "0,0.00", "$0,0.00", "0.0 %", "0 min", "0.0a", "CHF 0,0", "bytes", "duration"}) {
        EXPECT_EQ(WrongFormat(good), "") << good;
    }
    for (const char* wrong : {"", "#,##0", "x", "0,0.0000000000", "00", "0 1"})
        EXPECT_NE(WrongFormat(wrong), "") << wrong;
}

TEST(ValuesTest, ParametersAreFoundWhereSqlHasThem) {
    std::string sql = "SELECT '$a', $b, \"$c\" /* $d */ FROM t WHERE x = $b AND y > $e -- $f";
    EXPECT_EQ(ParametersOf(sql), (std::vector<std::string>{"b", "e"}));
    EXPECT_EQ(WithPlaces(sql, {{"b", "$1"}, {"a", "$9"}}),
              "SELECT '$a', $1, \"$c\" /* $d */ FROM t WHERE x = $1 AND y > $e -- $f");
}

TEST(SelectShapeTest, TellsColumnsGroupsAndWhatRowsThereAre) {
    SelectShape shape = ShapeOf(
        "WITH x AS (SELECT 1 FROM y GROUP BY 1) SELECT f.carrier AS c, date_trunc('day', at) \"day\", count(*) n\n"
        "FROM d.flights f LEFT JOIN p USING (id) WHERE f.n > 1 OR f.n IS NOT DISTINCT FROM 3 GROUP BY 1, day ORDER BY "
        "2;");
    ASSERT_TRUE(shape.known);
    EXPECT_EQ(shape.before, "WITH x AS (SELECT 1 FROM y GROUP BY 1) ");
    EXPECT_EQ(shape.from, "FROM d.flights f LEFT JOIN p USING (id)");
    EXPECT_EQ(shape.where, "f.n > 1 OR f.n IS NOT DISTINCT FROM 3");
    ASSERT_EQ(shape.items.size(), 3);
    EXPECT_EQ(shape.items[0].text, "f.carrier");
    EXPECT_EQ(shape.items[0].column, "carrier");
    EXPECT_EQ(shape.items[1].text, "date_trunc('day', at)");
    EXPECT_EQ(shape.items[1].column, "");
    EXPECT_EQ(shape.dimensions, (std::vector<size_t>{0, 1}));
    EXPECT_EQ(ShapeOf("SELECT a, b || c, sum(d), CASE WHEN a THEN 1 END FROM t GROUP BY ALL").dimensions,
              (std::vector<size_t>{0, 1, 3}));
    EXPECT_EQ(ShapeOf("SELECT CASE WHEN a THEN 1 END FROM t GROUP BY CASE WHEN a THEN 1 END").dimensions,
              (std::vector<size_t>{0}));
    EXPECT_TRUE(ShapeOf("SELECT a, percentile_cont(0.5) WITHIN GROUP (ORDER BY b) FROM t").dimensions.empty());
    EXPECT_TRUE(ShapeOf("SELECT count(*) FROM t").known);
    for (const char* other : {"SELECT a FROM t UNION SELECT b FROM u", "VALUES (1)", "SELECT 1", "FROM t", ""}) {
        EXPECT_FALSE(ShapeOf(other).known) << other;
    }
}

TEST(ResultCacheTest, KnowsWhatAnswersOtherwiseEachTime) {
    std::set<std::string> names = {"now", "random"};
    EXPECT_TRUE(IsRepeatable("SELECT count(*), 'now' FROM t -- now()", names));
    for (const char* sql :
         {"SELECT NOW()", "SELECT current_date", "SELECT \"random\"()", "SELECT * FROM t USING SAMPLE 5"}) {
        EXPECT_FALSE(IsRepeatable(sql, names)) << sql;
    }
}

TEST(TileQueryTest, TheAddressSaysWhatWasChosen) {
    DashboardDefinition dashboard{.use_case = "d", .name = "board"};
    dashboard.filters = {{.name = "c", .kind = "choice"}};
    HttpRequest request;
    request.query = {{"c", "UA"}, {"c", "\\N"}, {"c", "\\\\x"}, {"d.t.a.b", "1"}, {"time_zone", "Asia/Tokyo"}};
    auto chosen = ChosenBy(request, dashboard);
    ASSERT_TRUE(chosen.ok());
    EXPECT_EQ(chosen->filters["c"], (Choice{"UA", std::nullopt, "\\x"}));
    EXPECT_EQ(chosen->columns["d.t.a.b"], (Choice{"1"}));
    EXPECT_EQ(chosen->time_zone, "Asia/Tokyo");
    request.query = {{"carier", "UA"}};
    EXPECT_FALSE(ChosenBy(request, dashboard).ok());
    EXPECT_TRUE(ParseMark("[[0, \"UA\"], [3, null]]").ok());
    for (const char* wrong : {"{}", "[0]", "[[-1, \"a\"]]", "[[0, 1]]", "[[0, \"a\", 2]]", "["}) {
        EXPECT_FALSE(ParseMark(wrong).ok()) << wrong;
    }
}

}  // namespace
}  // namespace tarn::dashboards
