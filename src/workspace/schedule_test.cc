#include "workspace/schedule.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/fault_disk.h"
#include "base/seeds_for_test.h"
#include "base/text.h"

namespace tarn::workspace {
namespace {

Timestamp At(std::string_view text) { return ParseTime(text).value(); }

Schedule Make(const std::string& cron, const std::string& zone = "UTC", std::vector<std::string> skip = {}) {
    auto schedule = Schedule::Create(cron, zone, skip);
    EXPECT_TRUE(schedule.ok()) << schedule.error().ToString();
    return *schedule;
}
// The first `count` times after `after`, joined by spaces.
std::string Times(const Schedule& schedule, std::string_view after, int count) {
    std::vector<std::string> times;
    Timestamp at = At(after);
    for (int i = 0; i < count; ++i) {
        std::optional<Timestamp> next = schedule.Next(at);
        if (!next) break;
        times.push_back(FormatTime(*next));
        at = *next;
    }
    return Join(times, " ");
}
std::string Wrong(const std::string& cron, const std::string& zone = "UTC", std::vector<std::string> skip = {}) {
    auto schedule = Schedule::Create(cron, zone, skip);
    return schedule.ok() ? "it was taken" : schedule.error().message();
}

TEST(Schedule, ReadsFields) {
    EXPECT_EQ(Times(Make("*/20 * * * *"), "2024-01-01T00:00:00Z", 3),
              "2024-01-01T00:20:00Z 2024-01-01T00:40:00Z 2024-01-01T01:00:00Z");
    EXPECT_EQ(Times(Make("0 8-18/5 * * mon-fri"), "2024-01-05T09:00:00Z", 3),
              "2024-01-05T13:00:00Z 2024-01-05T18:00:00Z 2024-01-08T08:00:00Z");
    EXPECT_EQ(Times(Make("15,45 6 1,15 JAN,jul *"), "2024-01-02", 3),
              "2024-01-15T06:15:00Z 2024-01-15T06:45:00Z 2024-07-01T06:15:00Z");
    EXPECT_EQ(Times(Make("0 0 * * 7"), "2024-01-01", 2), "2024-01-07T00:00:00Z 2024-01-14T00:00:00Z");
    EXPECT_EQ(Times(Make("0 0 * * sat,sun"), "2024-01-01", 2), "2024-01-06T00:00:00Z 2024-01-07T00:00:00Z");
    // Day and weekday: either.
    EXPECT_EQ(Times(Make("0 0 13 * fri"), "2024-09-01", 3),
              "2024-09-06T00:00:00Z 2024-09-13T00:00:00Z 2024-09-20T00:00:00Z");
    EXPECT_EQ(Times(Make("0 12 * * *", "UTC", {"2024-12-25", "2024-12-26"}), "2024-12-24", 2),
              "2024-12-24T12:00:00Z 2024-12-27T12:00:00Z");
}

TEST(Schedule, KnowsLeapDaysAndLastDays) {
    EXPECT_EQ(Times(Make("0 0 29 2 *"), "2024-03-01", 2), "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z");
    EXPECT_EQ(Times(Make("0 0 29 2 *"), "2096-03-01", 1), "2104-02-29T00:00:00Z");
    EXPECT_EQ(Times(Make("0 22 L * *"), "2023-12-31T22:00:00Z", 4),
              "2024-01-31T22:00:00Z 2024-02-29T22:00:00Z 2024-03-31T22:00:00Z 2024-04-30T22:00:00Z");
    EXPECT_EQ(Times(Make("0 0 15,L 2 *"), "2023-01-01", 2), "2023-02-15T00:00:00Z 2023-02-28T00:00:00Z");
}

TEST(Schedule, SaysWhatIsWrong) {
    EXPECT_NE(Wrong("* * * *").find("has 4"), std::string::npos);
    EXPECT_EQ(Wrong("61 * * * *"), "cron: minute is 0 to 59, not \"61\"");
    EXPECT_EQ(Wrong("0 0 * foo *"), "cron: month is 1 to 12 or a name as feb, not \"foo\"");
    EXPECT_NE(Wrong("0 18-8 * * *").find("ends before it begins"), std::string::npos);
    EXPECT_NE(Wrong("*/0 * * * *").find("the step"), std::string::npos);
    EXPECT_NE(Wrong("5/10 * * * *").find("a step needs a range"), std::string::npos);
    EXPECT_NE(Wrong("0 0 31 2 *").find("never happens"), std::string::npos);
    EXPECT_NE(Wrong("0 0 ,1 * *").find("day is 1 to 31"), std::string::npos);
    EXPECT_NE(Wrong("0 0 * * *", "Europe/Berlim").find("there is no \"Europe/Berlim\""), std::string::npos);
    EXPECT_NE(Wrong("0 0 * * *", "../../etc/passwd").find("there is no"), std::string::npos);
    EXPECT_NE(Wrong("0 0 * * *", "UTC", {"25.12.2024"}).find("not \"25.12.2024\""), std::string::npos);
}

TEST(Schedule, ATimeThatDoesNotExistIsTakenAtTheChange) {
    // Berlin, 2024-03-31: 02:00 becomes 03:00 at 01:00 UTC.
    EXPECT_EQ(Times(Make("30 2 * * *", "Europe/Berlin"), "2024-03-30T00:00:00Z", 3),
              "2024-03-30T01:30:00Z 2024-03-31T01:00:00Z 2024-04-01T00:30:00Z");
    // Several in the hour that does not exist are one, together with the one at the change.
    EXPECT_EQ(Times(Make("*/20 2,3 31 3 *", "Europe/Berlin"), "2024-03-31T00:00:00Z", 3),
              "2024-03-31T01:00:00Z 2024-03-31T01:20:00Z 2024-03-31T01:40:00Z");
    // Lord Howe moves by half an hour; Samoa left out a whole day, the 30th of December 2011.
    EXPECT_EQ(Times(Make("15 2 * * *", "Australia/Lord_Howe"), "2024-10-05T00:00:00Z", 2),
              "2024-10-05T15:30:00Z 2024-10-06T15:15:00Z");
    EXPECT_EQ(Times(Make("0 12 * * *", "Pacific/Apia"), "2011-12-29T00:00:00Z", 3),
              "2011-12-29T22:00:00Z 2011-12-30T10:00:00Z 2011-12-30T22:00:00Z");
}

TEST(Schedule, ATimeThatExistsTwiceIsTakenOnce) {
    // New York, 2024-11-03: 02:00 becomes 01:00 at 06:00 UTC.
    EXPECT_EQ(Times(Make("30 1 * * *", "America/New_York"), "2024-11-02T12:00:00Z", 2),
              "2024-11-03T05:30:00Z 2024-11-04T06:30:00Z");
    EXPECT_EQ(Times(Make("*/30 1-2 3 11 *", "America/New_York"), "2024-11-03T00:00:00Z", 4),
              "2024-11-03T05:00:00Z 2024-11-03T05:30:00Z 2024-11-03T07:00:00Z 2024-11-03T07:30:00Z");
    // Havana goes from 01:00 back to 00:00, so that midnight is there twice.
    EXPECT_EQ(Times(Make("0 0 * * *", "America/Havana"), "2024-11-02T12:00:00Z", 2),
              "2024-11-03T04:00:00Z 2024-11-04T05:00:00Z");
}

TEST(Schedule, EveryHourGoesByRealTime) {
    EXPECT_EQ(Times(Make("30 * * * *", "America/New_York"), "2024-11-03T05:00:00Z", 3),
              "2024-11-03T05:30:00Z 2024-11-03T06:30:00Z 2024-11-03T07:30:00Z");
    EXPECT_EQ(Times(Make("30 * * * *", "Europe/Berlin"), "2024-03-31T00:00:00Z", 3),
              "2024-03-31T00:30:00Z 2024-03-31T01:30:00Z 2024-03-31T02:30:00Z");
}

TEST(Schedule, TheLastOneBeforeNow) {
    Schedule daily = Make("0 2 * * *");
    EXPECT_EQ(daily.Last(At("2024-01-01"), At("2024-03-01")), At("2024-02-29T02:00:00Z"));
    EXPECT_EQ(daily.Last(At("2024-02-29T02:00:00Z"), At("2024-03-01")), std::nullopt);
    EXPECT_EQ(daily.Last(At("2024-02-29T01:59:00Z"), At("2024-02-29T02:00:00Z")), At("2024-02-29T02:00:00Z"));
    EXPECT_EQ(Make("* * * * *").Last(At("2010-01-01"), At("2024-03-01T00:00:30Z")), At("2024-03-01"));
    EXPECT_EQ(Make("0 0 29 2 *").Last(At("2010-01-01"), At("2023-03-01")), At("2020-02-29"));
}

// Whatever the expression and the zone: times grow, each day that has a time has it once, and none is left out.
TEST(Schedule, ADailyTimeIsTakenOnceADayInEveryZone) {
    ForSeeds(40, [](uint64_t seed) {
        SeededNumbers numbers(seed);
        const std::vector<std::string> zones = {"Europe/London",    "America/St_Johns",    "America/Sao_Paulo",
                                                "Asia/Tehran",      "Australia/Lord_Howe", "Africa/Casablanca",
                                                "America/Asuncion", "Pacific/Chatham",     "Asia/Kolkata"};
        const std::string& zone = zones[numbers.Below(zones.size())];
        std::string cron = fmt::format("{} {} * * *", numbers.Below(60), numbers.Below(24));
        SCOPED_TRACE(cron + " " + zone);
        Schedule schedule = Make(cron, zone);
        Timestamp at = At("2008-01-01");
        int times = 0;
        for (auto next = schedule.Next(at); next && *next < At("2018-01-01"); next = schedule.Next(at), ++times) {
            ASSERT_GE(*next - at, times == 0 ? Duration(0) : std::chrono::hours(22)) << FormatTime(*next);
            ASSERT_LE(*next - at, std::chrono::hours(26)) << FormatTime(*next);
            at = *next;
        }
        EXPECT_NEAR(times, 3653, 1);
    });
}

}  // namespace
}  // namespace tarn::workspace
