// Partition: a task that is run once for each hour, day or month since a start. A part has a key that sorts as it
// follows in time: 2024-01-31T05, 2024-01-31, 2024-01. Days and months are those of a time zone, so a day has 23 or 25
// hours when clocks are changed; hours are those of UTC.
//
//   Partition partition{.unit = PartUnit::kDay, .start = ParseTime("2024-01-01").value(), .time_zone =
//   "Europe/Berlin"}; Part part = TRY(partition.Parse("2024-01-31"));   // part.begin, part.end
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/config.h"
#include "base/result.h"
#include "base/time.h"
#include "workspace/parameters.h"

namespace tarn::workspace {

inline constexpr int kPartsParallelMax = 100;

enum class PartUnit : uint8_t { kHour, kDay, kMonth };

struct Part {
    std::string key;
    Timestamp begin;
    Timestamp end;  // of the next part the begin
    // Of days and months: their dates, where a column has dates; the second is the first of the next part.
    std::string first_date;
    std::string end_date;
};

struct Partition {
    PartUnit unit = PartUnit::kDay;
    Timestamp start;  // the first part is the one that this lies in
    std::string time_zone = "UTC";
    std::string column;  // of a table: the date or time by which its rows belong to a part
    int parallel = 1;    // runs for parts at the same time

    Part At(Timestamp time) const;
    Part After(const Part& part) const { return At(part.end); }
    // A key, or a date or time that lies in the part. kInvalidArgument for what is none or lies before the start.
    Result<Part> Parse(std::string_view text) const;
    // The newest part that has ended, if one has since the start.
    std::optional<Part> NewestEnded(Timestamp now) const;
};

// Reads and checks the key `partitions`; `of_table`: what makes a table, not a job.
void BindPartition(ConfigBinder& binder, std::optional<Partition>& partition, bool of_table);

// What a part is told besides its parameters: partition, partition_start, partition_end.
ParameterValues ToldOf(const Part& part);
// For looks at SQL without a run: defaults, the first part.
ParameterValues SampleValues(const Parameters& parameters, const std::optional<Partition>& partition);
// SQL with each $name replaced by its value's literal.
Result<std::string> BoundSql(std::string_view sql, const Parameters& parameters, const ParameterValues& values);

}  // namespace tarn::workspace
