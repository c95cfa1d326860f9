#include "base/time.h"

#include <gtest/gtest.h>

#include <limits>

namespace tarn {
namespace {

using namespace std::chrono_literals;

TEST(Time, RoundTrips) {
    for (const char* text : {"2026-11-22T15:04:05.123456Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z",
                             "2024-02-29T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"}) {
        EXPECT_EQ(FormatTime(ParseTime(text).value()), text);
    }
    EXPECT_EQ(ToMicros(ParseTime("2026-11-22T15:04:05Z").value()), 1'795'359'845'000'000);
}

TEST(ParseTime, UnderstandsOffsetsDatesAndFractions) {
    Timestamp noon = ParseTime("2026-11-22T12:00:00Z").value();
    EXPECT_EQ(ParseTime("2026-11-22T14:00:00+02:00").value(), noon);
    EXPECT_EQ(ParseTime("2026-11-22 06:30:00-05:30").value(), noon);
    EXPECT_EQ(ParseTime("2026-11-22t12:00:00z").value(), noon);
    EXPECT_EQ(ParseTime("2026-11-22T12:00:00.1234567891Z").value(), noon + 123456us);
    EXPECT_EQ(ParseTime("2026-11-22").value(), noon - 12h);
    EXPECT_EQ(ParseTime("2016-12-31T23:59:60Z").value(), ParseTime("2017-01-01").value());
}

TEST(ParseTime, RefusesTheRest) {
    for (const char* text :
         {"", "2026", "2026-13-01", "2025-02-29", "2026-11-22T", "2026-11-22T12:00Z", "2026-11-22T12:00:00",
          "2026-11-22T24:00:00Z", "2026-11-22T12:60:00Z", "2026-11-22T12:00:00.Z", "2026-11-22T12:00:00+0200",
          "2026-11-22T12:00:00+24:00", "2026-11-22T12:00:00Zx", "+026-11-22", "2026-11-22Z"}) {
        EXPECT_FALSE(ParseTime(text).ok()) << text;
    }
}

TEST(Duration, ParsesAndFormats) {
    EXPECT_EQ(ParseDuration("500ms").value(), 500ms);
    EXPECT_EQ(ParseDuration("1h30m").value(), 90min);
    EXPECT_EQ(ParseDuration("7d").value(), 168h);
    EXPECT_EQ(ParseDuration("2w").value(), 336h);
    EXPECT_EQ(ParseDuration("0").value(), 0s);
    for (const char* text : {"1h30m", "500ms", "7d", "1d2h3m4s5ms6us", "0s", "14d"}) {
        EXPECT_EQ(FormatDuration(ParseDuration(text).value()), text);
    }
    EXPECT_EQ(FormatDuration(-90s), "-1m30s");
    EXPECT_EQ(FormatDuration(Duration::min()), "-106751991d4h54s775ms808us");
}

TEST(Duration, RefusesTheRest) {
    for (const char* text : {"", "5", "m", "-5m", "1.5h", "30m1h", "1m1m", "5 m", "5M", "5x", "99999999999999d",
                             "99999999999999999999s", "1m2"}) {
        EXPECT_FALSE(ParseDuration(text).ok()) << text;
    }
}

TEST(Size, ParsesAndFormats) {
    EXPECT_EQ(ParseSize("64MiB").value(), 64 << 20);
    EXPECT_EQ(ParseSize("1GB").value(), 1'000'000'000);
    EXPECT_EQ(ParseSize("4096").value(), 4096);
    EXPECT_EQ(ParseSize("1.5 gib").value(), 3ll << 29);
    EXPECT_EQ(ParseSize("10B").value(), 10);
    for (const char* text : {"64MiB", "1GB", "4KiB", "1536MiB", "0B", "999B", "1PiB"}) {
        EXPECT_EQ(FormatSize(ParseSize(text).value()), text);
    }
    EXPECT_EQ(FormatSize(1'234'567), "1.2MiB");
    EXPECT_EQ(FormatSize(12'342'042LL << 10), "11.8GiB");
    EXPECT_EQ(FormatSize(-5), "-5B");
}

TEST(Size, RefusesTheRest) {
    for (const char* text : {"", "MiB", "-1", "1.5", "1.MiB", "64M", "64 Mi B", "9999999PiB", "99999999999999999999"}) {
        EXPECT_FALSE(ParseSize(text).ok()) << text;
    }
}

}  // namespace
}  // namespace tarn
