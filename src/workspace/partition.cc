#include "workspace/partition.h"

#include "base/text.h"
#include "workspace/schedule.h"
#include "workspace/sql_text.h"

namespace tarn::workspace {
namespace {

using std::chrono::floor;

std::string DateText(int64_t day) { return FormatTime(Timestamp(std::chrono::days(day))).substr(0, 10); }

int64_t FirstOfMonth(int64_t day) {
    std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days(day)}};
    std::chrono::sys_days first = date.year() / date.month() / std::chrono::day(1);
    return first.time_since_epoch().count();
}

// "2024-01" and "2024-01-31T05" are no RFC 3339: they are made so.
std::string WholeTime(std::string_view text) {
    std::string whole(text);
    if (whole.size() == 7) return whole + "-01";
    if (whole.size() == 13) return whole + ":00:00Z";
    return whole;
}

// Of a date its begin in the zone, else the time itself.
Result<Timestamp> TimeIn(const std::string& time_zone, std::string_view text) {
    std::string whole = WholeTime(text);
    Timestamp time = TRY(ParseTime(whole));
    if (whole.size() != 10) return time;
    return BeginOfDay(time_zone, floor<std::chrono::days>(time).time_since_epoch().count()).value_or(time);
}

struct PartitionKeys {
    std::string by = "day";
    std::string start;
    std::string time_zone = "UTC";
    std::string column;
    int parallel = 1;
};

void Bind(ConfigBinder& binder, PartitionKeys& keys) {
    binder.Choice("by", keys.by, {"hour", "day", "month"}, "It runs once for each of these, when it has ended.");
    binder.Key("start", keys.start, "The first part, as 2024-01-01; required.");
    binder.Key("time_zone", keys.time_zone, "The zone in which days and months begin, as Europe/Berlin.");
    binder.Key("column", keys.column, "Of a table: the date or time by which a row belongs to a part.");
    binder.Key("parallel", keys.parallel, "Of a job: how many parts run at the same time.");
    if (binder.describing()) return;
    if (!LocalDay(keys.time_zone, Timestamp())) {
        return binder.Report("time_zone", fmt::format("time_zone is a name as Europe/Berlin or UTC; there is no \"{}\"",
                                                      keys.time_zone));
    }
    if (keys.by == "hour" && keys.time_zone != "UTC") {
        binder.Report("time_zone", "hours are those of UTC: time_zone goes with day and month");
    }
    if (!TimeIn(keys.time_zone, keys.start).ok()) binder.Report("start", "partitions need a start, as 2024-01-01");
    if (keys.parallel < 1 || keys.parallel > kPartsParallelMax) binder.Report("parallel", "parallel is 1 to 100");
}

}  // namespace

Part Partition::At(Timestamp time) const {
    Part part;
    if (unit == PartUnit::kHour) {
        part.begin = floor<std::chrono::hours>(time);
        part.end = part.begin + std::chrono::hours(1);
        part.key = FormatTime(part.begin).substr(0, 13);
        return part;
    }
    int64_t day = LocalDay(time_zone, time).value_or(floor<std::chrono::days>(time).time_since_epoch().count());
    int64_t first = unit == PartUnit::kDay ? day : FirstOfMonth(day);
    int64_t next = unit == PartUnit::kDay ? day + 1 : FirstOfMonth(first + 31);
    part.begin = BeginOfDay(time_zone, first).value_or(Timestamp(std::chrono::days(first)));
    part.end = BeginOfDay(time_zone, next).value_or(Timestamp(std::chrono::days(next)));
    part.first_date = DateText(first);
    part.end_date = DateText(next);
    part.key = part.first_date.substr(0, unit == PartUnit::kDay ? 10 : 7);
    return part;
}

Result<Part> Partition::Parse(std::string_view text) const {
    Result<Timestamp> time = TimeIn(time_zone, text);
    if (!time.ok()) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is no part: write {}", text,
                     unit == PartUnit::kHour  ? "an hour as 2024-01-31T05"
                     : unit == PartUnit::kDay ? "a day as 2024-01-31"
                                              : "a month as 2024-01");
    }
    Part part = At(*time);
    if (part.key < At(start).key) {
        return Error(ErrorCode::kInvalidArgument, "{} lies before the first part, {}", part.key, At(start).key);
    }
    return part;
}

std::optional<Part> Partition::NewestEnded(Timestamp now) const {
    Part part = At(At(now).begin - Duration(1));
    if (part.begin < At(start).begin) return std::nullopt;
    return part;
}

void BindPartition(ConfigBinder& binder, std::optional<Partition>& partition, bool of_table) {
    std::optional<PartitionKeys> keys;
    binder.Section("partitions", keys, "It is run by parts of time, and for a range of them by --backfill.");
    if (binder.describing() || !keys) return;
    if (of_table && keys->parallel != 1) {
        binder.Report("partitions", "runs of one table take turns: parallel goes with jobs");
    }
    if (!of_table && !keys->column.empty()) binder.Report("partitions", "a job has no rows: column goes with tables");
    Result<Timestamp> start = TimeIn(keys->time_zone, keys->start);
    if (!start.ok()) return;  // reported by the keys themselves
    PartUnit unit = keys->by == "hour" ? PartUnit::kHour : keys->by == "day" ? PartUnit::kDay : PartUnit::kMonth;
    partition = Partition{unit, *start, keys->time_zone, keys->column, keys->parallel};
}

ParameterValues ToldOf(const Part& part) {
    return {
        {"partition", part.key}, {"partition_start", FormatTime(part.begin)}, {"partition_end", FormatTime(part.end)}};
}

ParameterValues SampleValues(const Parameters& parameters, const std::optional<Partition>& partition) {
    static const std::map<std::string, std::string> kSamples = {{"text", ""},     {"integer", "0"},
                                                                {"number", "0"},  {"date", "2024-01-01"},
                                                                {"yes_no", "no"}, {"time", "2024-01-01T00:00:00Z"}};
    ParameterValues values = partition ? ToldOf(partition->At(partition->start)) : ParameterValues();
    for (const auto& [name, parameter] : parameters) {
        values[name] = parameter.fallback.value_or(kSamples.at(parameter.type));
    }
    return values;
}

Result<std::string> BoundSql(std::string_view sql, const Parameters& parameters, const ParameterValues& values) {
    std::map<std::string, std::string> literals;
    for (const auto& [name, value] : values) {
        auto declared = parameters.find(name);
        bool is_time = name == "partition_start" || name == "partition_end";
        std::string type = declared != parameters.end() ? declared->second.type : is_time ? "time" : "text";
        literals[name] = SqlLiteral(type, value);
    }
    return BindSqlNames(sql, literals);
}

}  // namespace tarn::workspace
