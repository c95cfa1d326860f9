#include "workspace/schedule.h"

#include <date/tz.h>

#include <algorithm>

#include "base/number.h"
#include "base/text.h"

namespace tarn::workspace {
namespace {

using std::chrono::minutes;

constexpr int64_t kMinutesPerDay = 24 * 60;
constexpr int64_t kSearchMinutes = 12 * 366 * kMinutesPerDay;  // longer than between two leap days

struct Field {
    std::string_view name;
    int lowest;
    int highest;
    std::vector<std::string> names;  // of lowest and what follows
};

const std::vector<Field>& Fields() {
    static const std::vector<Field> fields = {
        {"minute", 0, 59, {}},
        {"hour", 0, 23, {}},
        {"day", 1, 31, {}},
        {"month", 1, 12, {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
        {"weekday", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
    };
    return fields;
}

Result<int> NumberOf(const Field& field, std::string_view text) {
    auto name = std::find(field.names.begin(), field.names.end(), ToLower(text));
    if (name != field.names.end()) return field.lowest + static_cast<int>(name - field.names.begin());
    std::optional<int64_t> number = ParseInteger(text);
    if (number && *number >= field.lowest && *number <= field.highest) return static_cast<int>(*number);
    return Error(ErrorCode::kInvalidArgument, "cron: {} is {} to {}{}, not \"{}\"", field.name, field.lowest,
                 field.highest, field.names.empty() ? "" : " or a name as " + field.names[1], text);
}

// "5", "mon-fri", "*/15", "8-18/2": the bits that it stands for.
Result<uint64_t> RangeBits(const Field& field, std::string_view text) {
    size_t slash = text.find('/');
    std::string_view range = text.substr(0, slash);
    int64_t step = 1;
    if (slash != std::string_view::npos) {
        step = ParseInteger(text.substr(slash + 1)).value_or(0);
        if (step < 1 || step > field.highest) {
            return Error(ErrorCode::kInvalidArgument, "cron: the step in \"{}\" of {} is 1 to {}", text, field.name,
                         field.highest);
        }
    }
    int first = field.lowest;
    int last = field.name == "weekday" ? 6 : field.highest;
    size_t dash = range.find('-');
    if (range != "*") {
        first = TRY(NumberOf(field, range.substr(0, dash)));
        last = dash == std::string_view::npos ? first : TRY(NumberOf(field, range.substr(dash + 1)));
        if (dash == std::string_view::npos && step != 1) {
            return Error(ErrorCode::kInvalidArgument, "cron: a step needs a range in {}: */{} or {}-{}/{}, not \"{}\"",
                         field.name, step, first, field.highest, step, text);
        }
    }
    if (first > last) {
        return Error(ErrorCode::kInvalidArgument, "cron: \"{}\" of {} ends before it begins", text, field.name);
    }
    uint64_t bits = 0;
    for (int64_t value = first; value <= last; value += step) bits |= uint64_t{1} << value;
    return bits;
}

// Microseconds of a time, in whole minutes downwards.
int64_t MinuteOf(Timestamp time) { return std::chrono::floor<minutes>(time).time_since_epoch().count(); }

const date::time_zone* ZoneOf(const std::string& name) {
    // Reading the system's files throws; a broken installation must not end the program.
    try {
        return date::locate_zone(name);
    } catch (const std::exception&) {
        return nullptr;
    }
}

Result<int64_t> DayOf(const std::string& text) {
    Result<Timestamp> time = text.size() == 10 ? ParseTime(text) : Error(ErrorCode::kInvalidArgument, "no date");
    if (!time.ok()) {
        return Error(ErrorCode::kInvalidArgument, "skip_dates has dates as 2024-12-25, not \"{}\"", text);
    }
    return MinuteOf(*time) / kMinutesPerDay;
}

}  // namespace

std::optional<int64_t> LocalDay(const std::string& time_zone, Timestamp time) {
    const date::time_zone* zone = ZoneOf(time_zone);
    if (!zone) return std::nullopt;
    auto local = zone->to_local(date::sys_seconds(std::chrono::floor<std::chrono::seconds>(time.time_since_epoch())));
    return date::floor<date::days>(local).time_since_epoch().count();
}

std::optional<Timestamp> BeginOfDay(const std::string& time_zone, int64_t day) {
    const date::time_zone* zone = ZoneOf(time_zone);
    if (!zone) return std::nullopt;
    date::local_seconds midnight{date::days(day)};
    return Timestamp(zone->to_sys(midnight, date::choose::earliest).time_since_epoch());
}

Status Schedule::ReadFields(std::string_view cron) {
    std::vector<std::string> words;
    for (std::string& word : Split(cron, ' ')) {
        if (!word.empty()) words.push_back(std::move(word));
    }
    if (words.size() != Fields().size()) {
        return Error(ErrorCode::kInvalidArgument,
                     "cron has 5 fields, minute hour day month weekday, as \"30 2 * * mon-fri\"; \"{}\" has {}", cron,
                     words.size());
    }
    std::array<uint64_t*, 5> bits = {&minutes_, &hours_, &days_, &months_, &weekdays_};
    for (size_t index = 0; index < words.size(); ++index) {
        const Field& field = Fields()[index];
        for (const std::string& part : Split(words[index], ',')) {
            bool last_day = field.name == "day" && (part == "L" || part == "l");
            last_day_ = last_day_ || last_day;
            if (!last_day) *bits[index] |= TRY(RangeBits(field, part));
        }
    }
    if (weekdays_ & (1U << 7)) weekdays_ |= 1;  // 7 is Sunday too
    any_hour_ = words[1] == "*" || words[1] == "*/1";
    either_day_ = !words[2].starts_with('*') && !words[4].starts_with('*');
    return Ok();
}

Result<Schedule> Schedule::Create(const std::string& cron, const std::string& time_zone,
                                  const std::vector<std::string>& skip_dates) {
    Schedule schedule;
    schedule.cron_ = cron;
    schedule.time_zone_ = time_zone.empty() ? "UTC" : time_zone;
    TRY(schedule.ReadFields(cron));
    if (!ZoneOf(schedule.time_zone_)) {
        return Error(ErrorCode::kInvalidArgument, "time_zone is a name as Europe/Berlin or UTC; there is no \"{}\"",
                     time_zone);
    }
    if (skip_dates.size() > kSkipDatesMax) return Error(ErrorCode::kInvalidArgument, "skip_dates has at most 1000");
    for (const std::string& text : skip_dates) schedule.skip_days_.push_back(TRY(DayOf(text)));
    std::sort(schedule.skip_days_.begin(), schedule.skip_days_.end());
    // A date that no year has, as 31 February.
    if (!schedule.Next(FromMicros(0))) {
        return Error(ErrorCode::kInvalidArgument, "cron \"{}\" never happens: no month has such a day", cron);
    }
    return schedule;
}

bool Schedule::DayMatches(int64_t day) const {
    date::sys_days days{date::days(day)};
    date::year_month_day date{days};
    if (!(months_ >> static_cast<unsigned>(date.month()) & 1)) return false;
    if (std::binary_search(skip_days_.begin(), skip_days_.end(), day)) return false;
    bool day_of_month = days_ >> static_cast<unsigned>(date.day()) & 1;
    if (last_day_)
        day_of_month |= date::year_month_day_last(date.year() / date.month() / date::last).day() == date.day();
    bool weekday = weekdays_ >> date::weekday(days).c_encoding() & 1;
    return either_day_ ? day_of_month || weekday : day_of_month && weekday;
}

std::optional<int64_t> Schedule::NextLocal(int64_t from, int64_t until) const {
    for (int64_t at = from; at < until;) {
        int64_t day = at >= 0 ? at / kMinutesPerDay : (at - kMinutesPerDay + 1) / kMinutesPerDay;
        int64_t next_day = (day + 1) * kMinutesPerDay;
        if (!DayMatches(day)) {
            at = next_day;
            continue;
        }
        for (; at < std::min(next_day, until); ++at) {
            int64_t minute = at - day * kMinutesPerDay;
            if (!(hours_ >> (minute / 60) & 1)) {
                at += 59 - minute % 60;  // to the next hour
            } else if (minutes_ >> (minute % 60) & 1) {
                return at;
            }
        }
    }
    return std::nullopt;
}

std::optional<Timestamp> Schedule::Next(Timestamp after) const {
    const date::time_zone* zone = ZoneOf(time_zone_);
    if (!zone) return std::nullopt;
    int64_t at = MinuteOf(after) + 1;
    int64_t limit = at + kSearchMinutes;
    auto time_of = [](int64_t minute) { return Timestamp(minutes(minute)); };
    while (at < limit) {
        // Between two changes of the clock local time is UTC and a constant.
        date::sys_info now = zone->get_info(date::sys_seconds(minutes(at)));
        int64_t offset = std::chrono::floor<minutes>(now.offset).count();
        int64_t end = std::min(std::chrono::floor<minutes>(now.end.time_since_epoch()).count(), limit);
        int64_t begin = at;
        date::sys_info before = zone->get_info(now.begin - std::chrono::seconds(1));
        int64_t change = std::chrono::floor<minutes>(now.begin.time_since_epoch()).count();
        int64_t moved = offset - std::chrono::floor<minutes>(before.offset).count();
        if (!any_hour_ && moved > 0 && at == change && NextLocal(at + offset - moved, at + offset)) return time_of(at);
        // What the clock shows a second time has been taken already.
        if (!any_hour_ && moved < 0) begin = std::max(begin, change - moved);
        if (std::optional<int64_t> local = NextLocal(begin + offset, end + offset)) return time_of(*local - offset);
        at = end;
    }
    return std::nullopt;
}

std::optional<Timestamp> Schedule::Last(Timestamp after, Timestamp until) const {
    // From near to far, so that the distance of the last two times decides how much is looked at, not that of the ends.
    for (int days : {0, 1, 8, 40, 400, 12 * 366}) {
        Timestamp from = std::max(after, until - std::chrono::hours(std::max(24 * days, 1)));
        std::optional<Timestamp> last;
        for (auto next = Next(from); next && *next <= until; next = Next(*next)) last = next;
        if (last || from == after) return last;
    }
    return std::nullopt;
}

}  // namespace tarn::workspace
