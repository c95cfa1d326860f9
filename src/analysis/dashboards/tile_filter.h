// Filters and parameters in a tile's SQL: a filter's table is replaced by its filtered rows, `$name` is bound. Values
// never become part of the text. Internal to the component.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/dashboards/dashboards.h"

namespace tarn::dashboards {

// What somebody chose: one value or several; nullopt is NULL.
using Choice = std::vector<std::optional<std::string>>;

// The values that a statement's $1, $2 ... stand for.
class Bindings {
  public:
    // The place of the value, as the text says it: "$3".
    std::string Add(std::optional<std::string> value, std::string type = "");
    const std::vector<engine::SqlValue>& values() const { return values_; }
    std::vector<std::string> Types() const;
    // The statement with its values written in, for people to read and copy.
    std::string Shown(const std::string& sql) const;
    Json ToJson() const;

  private:
    std::vector<engine::SqlValue> values_;
};

using Date = std::chrono::sys_days;
// "2013-01-01..2013-01-31" or "last 7 days" as the first day and the day after the last; either may be missing.
struct DateRange {
    std::optional<Date> from;
    std::optional<Date> until;
};
Result<DateRange> ParseDates(std::string_view text, Date today);
std::string FormatDate(Date date);

// Whether a text can be the value of a filter of this kind.
Status CheckValue(std::string_view kind, const std::string& text);
// The condition on one of the filter's columns; its values are added to the bindings.
Result<std::string> ConditionOf(const Filter& filter, const std::string& column, const Choice& choice, Date today,
                                Bindings& bindings);

// Whether a name in a statement means the table "schema.name"; names compare without case, as in SQL.
bool IsTable(const engine::TableRead& read, const std::string& table);
// The SELECT with every place that reads the table reading only its rows with that condition.
Result<std::string> FilteredSql(engine::Engine& engine, const std::string& sql, const std::string& table,
                                const std::string& condition);

// The names after '$', each once.
std::vector<std::string> ParametersOf(const std::string& sql);
// The text with `$name` replaced by what the name stands for.
std::string WithPlaces(const std::string& sql, const std::map<std::string, std::string>& places);
std::string HashOf(std::string_view text);

}  // namespace tarn::dashboards
