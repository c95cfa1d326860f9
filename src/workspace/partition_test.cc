#include "workspace/partition.h"

#include <gtest/gtest.h>

namespace tarn::workspace {
namespace {

using namespace std::chrono_literals;

Timestamp At(std::string_view text) { return ParseTime(text).value(); }
Partition Of(PartUnit unit, std::string_view start, std::string zone = "UTC") {
    return Partition{unit, At(start), std::move(zone)};
}

TEST(Partition, PartsFollowEachOtherWithoutGaps) {
    for (PartUnit unit : {PartUnit::kHour, PartUnit::kDay, PartUnit::kMonth}) {
        for (const char* zone : {"UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"}) {
            if (unit == PartUnit::kHour && std::string_view(zone) != "UTC") continue;
            Partition partition = Of(unit, "2011-11-01", zone);
            Part part = partition.At(At("2011-12-01"));
            for (int count = 0; count < 2500; ++count) {
                Part next = partition.After(part);
                ASSERT_EQ(next.begin, part.end) << zone << " " << part.key;
                ASSERT_LT(part.key, next.key) << zone;
                ASSERT_EQ(partition.At(part.begin).key, part.key) << zone;
                ASSERT_EQ(partition.At(part.end - Duration(1)).key, part.key) << zone;
                ASSERT_EQ(partition.Parse(part.key).value().begin, part.begin) << zone << " " << part.key;
                part = next;
            }
        }
    }
}

TEST(Partition, ADayHas23Or25HoursWhenClocksAreChanged) {
    Partition day = Of(PartUnit::kDay, "2024-01-01", "Europe/Berlin");
    EXPECT_EQ(day.Parse("2024-03-31")->end - day.Parse("2024-03-31")->begin, 23h);
    EXPECT_EQ(day.Parse("2024-10-27")->end - day.Parse("2024-10-27")->begin, 25h);
    EXPECT_EQ(day.Parse("2024-10-28")->end - day.Parse("2024-10-28")->begin, 24h);
    EXPECT_EQ(day.Parse("2024-03-31")->begin, At("2024-03-30T23:00:00Z"));
    EXPECT_EQ(day.At(At("2024-03-31T22:30:00Z")).key, "2024-04-01");
    // Where midnight itself does not exist, the day begins at one o'clock.
    Partition brazil = Of(PartUnit::kDay, "2018-01-01", "America/Sao_Paulo");
    EXPECT_EQ(brazil.Parse("2018-11-04")->begin, At("2018-11-04T03:00:00Z"));
    EXPECT_EQ(brazil.Parse("2018-11-04")->end - brazil.Parse("2018-11-04")->begin, 23h);
}

TEST(Partition, MonthsAreOfTheirLength) {
    Partition month = Of(PartUnit::kMonth, "2024-01-15", "Europe/Berlin");
    Part february = month.Parse("2024-02").value();
    EXPECT_EQ(february.begin, At("2024-01-31T23:00:00Z"));
    EXPECT_EQ(february.end, At("2024-02-29T23:00:00Z"));
    EXPECT_EQ(february.first_date + ".." + february.end_date, "2024-02-01..2024-03-01");
    EXPECT_EQ(month.NewestEnded(At("2024-02-01T00:00:00Z"))->key, "2024-01");
    EXPECT_FALSE(month.NewestEnded(At("2024-01-31T22:00:00Z")));
}

TEST(Partition, WhatIsNoPartIsRefused) {
    Partition day = Of(PartUnit::kDay, "2024-01-10");
    EXPECT_EQ(day.Parse("2024-01-10")->key, "2024-01-10");
    EXPECT_EQ(day.Parse("2024-01-11T23:59:59Z")->key, "2024-01-11");
    for (const char* text : {"", "monday", "2024-02-30", "2024-13", "2024-01-09"}) {
        EXPECT_FALSE(day.Parse(text).ok()) << text;
    }
}

}  // namespace
}  // namespace tarn::workspace
