#include "workspace/parameters.h"

#include <gtest/gtest.h>

#include "workspace/timing.h"

namespace tarn::workspace {
namespace {

std::string Value(const std::string& type, const std::string& given) {
    Parameter parameter;
    parameter.type = type;
    auto value = ParameterValue("p", parameter, given);
    return value.ok() ? *value : "error: " + value.error().message();
}

TEST(Parameters, KeepsWhatFitsTheType) {
    EXPECT_EQ(Value("text", "any $(thing)"), "any $(thing)");
    EXPECT_EQ(Value("integer", "-7"), "-7");
    EXPECT_EQ(Value("integer", "7.5"), "error: parameter p is a whole number, as 7, not \"7.5\"");
    EXPECT_EQ(Value("number", "0.5"), "0.5");
    EXPECT_NE(Value("number", "0.5; DROP TABLE t").find("error"), std::string::npos);
    EXPECT_EQ(Value("yes_no", "TRUE"), "yes");
    EXPECT_EQ(Value("date", "2024-02-29"), "2024-02-29");
    EXPECT_NE(Value("date", "2023-02-29").find("error"), std::string::npos);
    EXPECT_NE(Value("date", "2024-02-29T12:00:00Z").find("error"), std::string::npos);
    EXPECT_EQ(Value("time", "2024-02-29T12:00:00+02:00"), "2024-02-29T10:00:00Z");
    EXPECT_NE(Value("text", "\xff").find("error"), std::string::npos);
    EXPECT_NE(Value("text", std::string(kParameterBytesMax + 1, 'x')).find("error"), std::string::npos);
}

TEST(Parameters, FillsInDefaultsAndNamesWhatIsWrong) {
    Parameters declared;
    declared["day"].type = "date";
    declared["region"].fallback = "eu";
    EXPECT_FALSE(RunsWithoutValues(declared));
    auto values = CheckParameters(declared, {{"day", "2024-01-01"}});
    ASSERT_TRUE(values.ok());
    EXPECT_EQ(*values, (ParameterValues{{"day", "2024-01-01"}, {"region", "eu"}}));
    auto missing = CheckParameters(declared, {});
    EXPECT_EQ(missing.error().message(), "parameter day has no default and was not given");
    auto unknown = CheckParameters(declared, {{"regoin", "us"}});
    EXPECT_EQ(unknown.error().message(), "there is no parameter \"regoin\"");
    EXPECT_EQ(unknown.error().hint(), "did you mean region?");
    declared["day"].fallback = "2024-01-01";
    EXPECT_TRUE(RunsWithoutValues(declared));
}

TEST(Parameters, AreReadFromAFile) {
    Parameters parameters;
    auto read = [&](std::string_view text) {
        parameters.clear();
        return FormatIssues(
            ReadConfig(text, "a.yaml", 1, [&](ConfigBinder& binder) { BindParameters(binder, parameters); }));
    };
    EXPECT_EQ(read("parameters: {day: {type: date, default: 2024-01-01}, note: {}, dry: {type: yes_no, default: no}}"),
              "");
    EXPECT_EQ(parameters["day"].fallback, "2024-01-01");
    EXPECT_EQ(parameters["dry"].fallback, "no");
    EXPECT_FALSE(parameters["note"].fallback.has_value());
    EXPECT_NE(read("parameters: {day: {type: date, default: today}}").find("is a date, as 2024-02-29, not \"today\""),
              std::string::npos);
    EXPECT_NE(read("parameters: {Day: {}}").find("parameter"), std::string::npos);
}

TEST(Timing, AStreamsOwnKeysGoBeforeItsSources) {
    TimingKeys source;
    source.every = std::chrono::hours(1);
    source.retries = 0;
    TimingKeys stream;
    stream.every = std::chrono::minutes(5);
    Timing timing = ResolveTiming(stream, source);
    EXPECT_EQ(timing.every, std::chrono::minutes(5));
    EXPECT_EQ(timing.retries, 0);
    EXPECT_EQ(timing.timeout, std::chrono::hours(1));
    TimingKeys nightly;
    nightly.schedule = Schedule::Create("0 2 * * *", "", {}).value();
    timing = ResolveTiming(nightly, source);
    EXPECT_FALSE(timing.every.has_value()) << "a stream's cron replaces its source's every";
    EXPECT_EQ(timing.schedule->cron(), "0 2 * * *");
}

TEST(Timing, NamesWhatIsWrong) {
    TimingKeys keys;
    auto read = [&](std::string_view text) {
        return FormatIssues(ReadConfig(text, "a.yaml", 1, [&](ConfigBinder& binder) { BindTiming(binder, keys); }));
    };
    EXPECT_EQ(read("every: 1h\nretries: 2\nretry_delay: 5s\ntimeout: 10m"), "");
    keys = {};
    EXPECT_EQ(read("cron: 30 2 * * mon-fri\ntime_zone: Europe/Berlin\nskip_dates: [2024-12-25]\ncatch_up: all"), "");
    EXPECT_EQ(keys.schedule->time_zone(), "Europe/Berlin");
    keys = {};
    EXPECT_EQ(read("sla: 30m\npool: database\napproval: yes\npaused: no"), "");
    EXPECT_NE(read("cron: \"61 * * * *\"").find("a.yaml:1"), std::string::npos);
    EXPECT_NE(read("every: 1h\ncron: \"0 * * * *\"").find("two schedules"), std::string::npos);
    EXPECT_NE(read("every: 1h\ntime_zone: Europe/Berlin").find("time_zone goes with cron"), std::string::npos);
    EXPECT_NE(read("cron: \"0 * * * *\"\ntime_zone: Mars/Phobos").find("a.yaml:2"), std::string::npos);
    keys = {};
    EXPECT_NE(read("catch_up: some").find("catch_up"), std::string::npos);
    EXPECT_NE(read("every: 100ms").find("every is at least 1s"), std::string::npos);
    EXPECT_NE(read("timeout: 0s").find("timeout is more than nothing"), std::string::npos);
    EXPECT_NE(read("retries: 101").find("retries is 0 to 100"), std::string::npos);
}

}  // namespace
}  // namespace tarn::workspace
