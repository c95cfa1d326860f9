// Schedule: a cron expression in a time zone: when is it next? Pure: no clock, only the system's time zone data.
//
// Five fields: minute hour day month weekday. Numbers, names (jan, mon), ranges, lists, steps, and L for the last day
// of a month. When day and weekday are both restricted, either will do. On the days when clocks are changed: a time
// that does not exist is taken at the moment of the change, one that exists twice is taken the first time. An
// expression for every hour (hour field *) goes by real time instead: it neither skips nor doubles.
//
//   Schedule schedule = TRY(Schedule::Create("30 2 * * mon-fri", "Europe/Berlin", {"2024-12-25"}));
//   std::optional<Timestamp> next = schedule.Next(now);
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tarn::workspace {

inline constexpr size_t kSkipDatesMax = 1000;

// The days of a time zone: the local date of a time as days since 1970, and when a date begins there (where midnight
// does not exist: at the change; where it exists twice: the first time). Empty for an unknown zone.
std::optional<int64_t> LocalDay(const std::string& time_zone, Timestamp time);
std::optional<Timestamp> BeginOfDay(const std::string& time_zone, int64_t day);

class Schedule {
  public:
    // kInvalidArgument says what is wrong with which field, an unknown zone, a date that is none, or that it never is.
    static Result<Schedule> Create(const std::string& cron, const std::string& time_zone,
                                   const std::vector<std::string>& skip_dates);
    // The first time after `after`; empty when there is none within 12 years.
    std::optional<Timestamp> Next(Timestamp after) const;
    // The last time in (after, until]; empty when there is none.
    std::optional<Timestamp> Last(Timestamp after, Timestamp until) const;
    const std::string& cron() const { return cron_; }
    const std::string& time_zone() const { return time_zone_; }
    bool operator==(const Schedule&) const = default;

  private:
    Schedule() = default;
    Status ReadFields(std::string_view cron);
    bool DayMatches(int64_t day) const;
    // The first matching minute in [from, until) of local time, in minutes since 1970.
    std::optional<int64_t> NextLocal(int64_t from, int64_t until) const;

    std::string cron_;
    std::string time_zone_;
    uint64_t minutes_ = 0;  // bit n: minute n
    uint64_t hours_ = 0;
    uint64_t days_ = 0;
    uint64_t months_ = 0;
    uint64_t weekdays_ = 0;  // bit 0: Sunday
    bool last_day_ = false;
    bool any_hour_ = false;
    bool either_day_ = false;  // day and weekday are both restricted
    std::vector<int64_t> skip_days_;  // sorted; days since 1970
};

}  // namespace tarn::workspace
