// The rows of a range of time, replaced.
#include <gtest/gtest.h>

#include "base/fault_disk.h"
#include "base/seeds_for_test.h"
#include "storage/lakehouse/lakehouse.h"
#include "storage/lakehouse/lakehouse_for_test.h"

namespace tarn::lakehouse {
namespace {

using Texts = std::vector<std::string>;

class ReplaceTest : public testing::Test {
  protected:
    // A day of January 2024, by the column "sold".
    static WriteRequest Day(int day, std::string sql) {
        WriteRequest request;
        request.mode = WriteMode::kReplace;
        request.sql = std::move(sql);
        std::string first = fmt::format("2024-01-{:02}", day);
        std::string end = fmt::format("2024-01-{:02}", day + 1);
        request.replace = {first, "sold", ParseTime(first).value(), ParseTime(end).value(), first, end};
        return request;
    }
    static std::string Rows(int day, int count, const std::string& text) {
        return fmt::format(
            "SELECT TIMESTAMP '2024-01-{:02}' + to_minutes(range::INT) AS sold, '{}' AS v FROM range({})", day, text,
            count);
    }
    WriteResult Must(Result<WriteResult> result) {
        EXPECT_TRUE(result.ok()) << result.error().ToString();
        return result.ok() ? *result : WriteResult{};
    }
    std::string Refused(const WriteRequest& request) {
        auto result = house_.Write("s.t", request);
        return result.ok() ? "taken" : result.error().message();
    }
    Texts Counts() { return house_.Query("SELECT sold::DATE, v, count(*) FROM s.t GROUP BY ALL ORDER BY ALL"); }
    TestLakehouse house_;
};

TEST_F(ReplaceTest, APartTakesThePlaceOfItsOwnRowsOnly) {
    EXPECT_EQ(Must(house_.Write("s.t", Day(1, Rows(1, 10, "a")))).rows, 10);
    EXPECT_EQ(Must(house_.Write("s.t", Day(2, Rows(2, 20, "a")))).rows, 30);
    Snapshot before = house_.house().Open(house_.alice, {"s", "t"}).value();
    auto again = Must(house_.Write("s.t", Day(2, Rows(2, 5, "b"))));
    EXPECT_EQ(again.rows, 15);
    EXPECT_EQ(again.rows_deleted, 20);
    EXPECT_EQ(Counts(), (Texts{"2024-01-01|a|10", "2024-01-02|b|5"}));
    Snapshot after = house_.house().Open(house_.alice, {"s", "t"}).value();
    ASSERT_EQ(after.files.size(), 2U);
    size_t same = 0;
    for (const auto& file : after.files) {
        for (const auto& old : before.files) same += file.path == old.path ? 1 : 0;
    }
    EXPECT_EQ(same, 1U) << "the other day's file stays as it is";
    EXPECT_EQ(Must(house_.Write("s.t", Day(1, Rows(1, 0, "")))).rows, 5) << "nothing takes its place";
    EXPECT_EQ(Counts(), (Texts{"2024-01-02|b|5"}));
}

TEST_F(ReplaceTest, FilesOfSeveralPartsAreSplit) {
    Must(house_.Write("s.t", WriteMode::kOverwrite,
                      Rows(1, 10, "a") + " UNION ALL " + Rows(2, 10, "a") + " UNION ALL SELECT NULL, 'none'"));
    EXPECT_EQ(Must(house_.Write("s.t", Day(2, Rows(2, 3, "b")))).rows, 14);
    EXPECT_EQ(Counts(), (Texts{"2024-01-01|a|10", "2024-01-02|b|3", "NULL|none|1"}));
}

TEST_F(ReplaceTest, TheSameRowsAgainCommitNothing) {
    Must(house_.Write("s.t", Day(1, Rows(1, 10, "a"))));
    Must(house_.Write("s.t", Day(2, Rows(2, 10, "a"))));
    auto again = Must(house_.Write("s.t", Day(1, Rows(1, 10, "a"))));
    EXPECT_TRUE(again.skipped);
    EXPECT_EQ(again.version, 1);
    EXPECT_FALSE(Must(house_.Write("s.t", Day(1, Rows(1, 10, "c")))).skipped);
}

TEST_F(ReplaceTest, ReplayedUnderItsMarkItIsSkipped) {
    WriteRequest request = Day(1, Rows(1, 10, "a"));
    request.transaction_application = "tarn/s.t/2024-01-01";
    request.transaction_version = 7;
    Must(house_.Write("s.t", request));
    request.sql = Rows(1, 99, "later");
    EXPECT_TRUE(Must(house_.Write("s.t", request)).skipped);
    EXPECT_EQ(Counts(), (Texts{"2024-01-01|a|10"}));
}

TEST_F(ReplaceTest, WhatDoesNotBelongToThePartIsRefused) {
    Must(house_.Write("s.t", Day(1, Rows(1, 10, "a"))));
    EXPECT_EQ(Refused(Day(2, Rows(1, 3, "b"))),
              "writing s.t: 3 rows "
              "of the result lie outside of the part 2024-01-02 by \"sold\"");
    EXPECT_EQ(Refused(Day(2, "SELECT NULL::TIMESTAMP AS sold, 'b' AS v")),
              "writing s.t: 1 rows of the result lie outside of the part 2024-01-02 by \"sold\"");
    EXPECT_EQ(Refused(Day(2, "SELECT 'b' AS v")),
              "writing s.t: 1 rows of the result lie outside of the part 2024-01-02 by \"sold\"");
    WriteRequest request = Day(1, "SELECT 1 AS n");
    request.replace->column = "gone";
    EXPECT_NE(Refused(request).find("is not in the result"), std::string::npos);
    request = Day(1, "SELECT 'x' AS sold");
    auto text = house_.Write("s.other", request);
    EXPECT_NE(text.error().message().find("VARCHAR, not a date or a time"), std::string::npos);
    EXPECT_EQ(Counts(), (Texts{"2024-01-01|a|10"}));
}

TEST_F(ReplaceTest, ColumnsOfDatesGoByDaysAndNewColumnsAreAdded) {
    Must(house_.Write("s.t", Day(1, "SELECT DATE '2024-01-01' AS sold, 1::INTEGER AS v")));
    Must(house_.Write("s.t", Day(2, "SELECT DATE '2024-01-02' AS sold, 2::INTEGER AS v")));
    Must(house_.Write("s.t", Day(1, "SELECT DATE '2024-01-01' AS sold, 3000000000 AS v, 'new' AS more")));
    EXPECT_EQ(house_.Query("SELECT * FROM s.t ORDER BY sold"),
              (Texts{"2024-01-01|3000000000|new", "2024-01-02|2|NULL"}));
    WriteRequest hour = Day(1, "SELECT DATE '2024-01-01' AS sold");
    hour.replace->first_date.clear();
    EXPECT_NE(Refused(hour).find("not a time"), std::string::npos) << Refused(hour);
}

// Against a table that is kept in the head.
TEST_F(ReplaceTest, AnyOrderOfPartsGivesTheirLastRows) {
    ForSeeds(5, [&](uint64_t seed) {
        SeededNumbers numbers(seed);
        std::string table = fmt::format("s.t{}", seed);
        std::map<int, std::string> expected;
        for (int step = 0; step < 12; ++step) {
            int day = 1 + static_cast<int>(numbers.Below(4));
            int count = static_cast<int>(numbers.Below(30));
            std::string text = fmt::format("v{}", step);
            Must(house_.Write(table, Day(day, Rows(day, count, text))));
            expected[day] = count == 0 ? "" : fmt::format("2024-01-{:02}|{}|{}", day, text, count);
        }
        Texts lines;
        for (const auto& [day, line] : expected) {
            if (!line.empty()) lines.push_back(line);
        }
        EXPECT_EQ(house_.Query("SELECT sold::DATE, v, count(*) FROM " + table + " GROUP BY ALL ORDER BY ALL"), lines);
    });
}

}  // namespace
}  // namespace tarn::lakehouse
