// The values of filters and parameters: what they may be, and how they enter a statement.
#include <algorithm>
#include <cmath>

#include "analysis/dashboards/tile_filter.h"
#include "base/crypto.h"
#include "base/number.h"
#include "base/text.h"
#include "workspace/sql_text.h"

namespace tarn::dashboards {
namespace {

using std::chrono::days;
using std::chrono::months;
using std::chrono::year_month_day;
using std::chrono::years;
using workspace::SqlToken;

constexpr size_t kChoicesMax = 1000;
constexpr int64_t kUnitsMax = 10'000;

Error NoDates(std::string_view text) {
    return Error(ErrorCode::kInvalidArgument, "\"{}\" is no range of dates", text)
        .WithHint(
            "write 2026-01-01..2026-01-31 (either may be left out), today, yesterday, this month, last month, "
            "last 7 days, last 12 months");
}

std::optional<Date> ParseDate(std::string_view text) {
    bool shape = text.size() == 10 && text[4] == '-' && text[7] == '-';
    if (!shape) return std::nullopt;
    auto year = ParseInteger(text.substr(0, 4));
    auto month = ParseInteger(text.substr(5, 2));
    auto day = ParseInteger(text.substr(8, 2));
    if (!year || !month || !day || *month < 1 || *day < 1) return std::nullopt;
    year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(static_cast<unsigned>(*month)),
                        std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok()) return std::nullopt;
    return Date(date);
}

// The first day of the week, month, quarter or year that the day lies in.
Date StartOf(std::string_view unit, Date day) {
    year_month_day date{day};
    if (unit == "week") return day - (std::chrono::weekday(day) - std::chrono::Monday);
    unsigned month = unit == "year"      ? 1
                     : unit == "quarter" ? (static_cast<unsigned>(date.month()) - 1) / 3 * 3 + 1
                                         : static_cast<unsigned>(date.month());
    return Date(date.year() / std::chrono::month(month) / 1);
}

// That many units later; a day that the month does not have becomes its last.
Date Later(std::string_view unit, Date day, int64_t count) {
    if (unit == "day") return day + days(count);
    if (unit == "week") return day + days(7 * count);
    year_month_day date{day};
    year_month_day moved = date + months(unit == "year" ? 12 * count : unit == "quarter" ? 3 * count : count);
    return Date(moved.ok() ? moved : moved.year() / moved.month() / std::chrono::last);
}

bool IsUnit(std::string_view word) {
    return word == "day" || word == "week" || word == "month" || word == "quarter" || word == "year";
}

Result<DateRange> ParseRelative(std::string_view text, Date today) {
    if (text == "today") return DateRange{today, today + days(1)};
    if (text == "yesterday") return DateRange{today - days(1), today};
    std::vector<std::string> words = Split(text, ' ');
    bool counted = words.size() == 3;
    std::string unit = words.back();
    if (counted && unit.ends_with('s')) unit.pop_back();
    if ((words.size() != 2 && !counted) || !IsUnit(unit)) return NoDates(text);
    if (!counted) {
        Date start = StartOf(unit, today);
        if (words[0] == "this") return DateRange{start, Later(unit, start, 1)};
        if (words[0] == "last") return DateRange{Later(unit, start, -1), start};
        return NoDates(text);
    }
    int64_t count = ParseInteger(words[1]).value_or(0);
    if (words[0] != "last" || count < 1 || count > kUnitsMax) return NoDates(text);
    // Today belongs to it.
    return DateRange{Later(unit, today + days(1), -count), today + days(1)};
}

struct Ends {
    std::string from;
    std::string to;
};
std::optional<Ends> SplitRange(std::string_view text) {
    size_t dots = text.find("..");
    if (dots == std::string_view::npos) return std::nullopt;
    return Ends{std::string(Trim(text.substr(0, dots))), std::string(Trim(text.substr(dots + 2)))};
}

bool IsNumber(const std::string& text) {
    double number = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failure == std::errc() && end == text.data() + text.size() && std::isfinite(number);
}

Result<Ends> ParseNumbers(std::string_view text) {
    auto ends = SplitRange(text);
    bool good = ends && (ends->from.empty() || IsNumber(ends->from)) && (ends->to.empty() || IsNumber(ends->to));
    if (!good) return Error(ErrorCode::kInvalidArgument, "\"{}\" is no range; write 5..10, 5.. or ..10", text);
    return *ends;
}

std::string AtLeast(const std::string& column, const std::string& place, const char* type) {
    return fmt::format("{} >= CAST({} AS {})", column, place, type);
}

// One of the values, NULL among them.
std::string OneOf(const std::string& column, const Choice& choice, Bindings& bindings) {
    std::vector<std::string> places;
    for (const auto& value : choice) {
        if (value) places.push_back(bindings.Add(value));
    }
    bool null = places.size() < choice.size();
    std::string in = places.empty() ? "" : fmt::format("{} IN ({})", column, Join(places, ", "));
    if (!null) return in;
    return in.empty() ? column + " IS NULL" : fmt::format("({} OR {} IS NULL)", in, column);
}

}  // namespace

std::string HashOf(std::string_view text) { return Sha256Hex(AsBytes(text)); }

std::string Bindings::Add(std::optional<std::string> value, std::string type) {
    engine::SqlValue bound;
    bound.text = std::move(value);
    bound.type = std::move(type);
    values_.push_back(std::move(bound));
    return fmt::format("${}", values_.size());
}

std::vector<std::string> Bindings::Types() const {
    std::vector<std::string> types;
    for (const engine::SqlValue& value : values_) types.push_back(value.type);
    return types;
}

std::string Bindings::Shown(const std::string& sql) const {
    std::map<std::string, std::string> places;
    for (size_t index = 0; index < values_.size(); ++index) {
        const engine::SqlValue& value = values_[index];
        std::string text = value.text ? QuoteLiteral(*value.text) : "NULL";
        bool typed = !value.type.empty() && value.type != "VARCHAR";
        places[fmt::format("{}", index + 1)] = typed ? fmt::format("CAST({} AS {})", text, value.type) : text;
    }
    return WithPlaces(sql, places);
}

Json Bindings::ToJson() const {
    Json values = Json::array();
    for (const engine::SqlValue& value : values_) values.push_back(value.text ? Json(*value.text) : Json());
    return values;
}

std::string FormatDate(Date day) {
    year_month_day date{day};
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()));
}

Result<DateRange> ParseDates(std::string_view text, Date today) {
    auto ends = SplitRange(text);
    if (!ends) {
        if (auto day = ParseDate(text)) return DateRange{*day, *day + days(1)};
        return ParseRelative(text, today);
    }
    DateRange range;
    if (!ends->from.empty()) range.from = ParseDate(ends->from);
    if (!ends->to.empty()) range.until = ParseDate(ends->to);
    bool good = ends->from.empty() == !range.from && ends->to.empty() == !range.until;
    if (!good) return NoDates(text);
    if (range.until) range.until = *range.until + days(1);
    return range;
}

Status CheckValue(std::string_view kind, const std::string& text) {
    if (kind == "range") TRY(ParseNumbers(text));
    if (kind == "dates") TRY(ParseDates(text, Date()));
    if (kind == "number" && !IsNumber(text)) return Error(ErrorCode::kInvalidArgument, "\"{}\" is no number", text);
    if (kind == "date" && !ParseDate(text)) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is no date; write 2026-01-31", text);
    }
    return Ok();
}

Result<std::string> ConditionOf(const Filter& filter, const std::string& column, const Choice& choice, Date today,
                                Bindings& bindings) {
    std::string name = QuoteIdentifier(column);
    if (choice.size() > kChoicesMax) {
        return Error(ErrorCode::kInvalidArgument, "{}: at most {} values at once", filter.name, kChoicesMax);
    }
    if (filter.kind == "choice") return OneOf(name, choice, bindings);
    std::string text = choice.empty() ? "" : choice[0].value_or("");
    if (filter.kind == "search") {
        return fmt::format("contains(lower(CAST({} AS VARCHAR)), lower({}))", name, bindings.Add(text, "VARCHAR"));
    }
    std::vector<std::string> conditions;
    if (filter.kind == "range") {
        Ends ends = TRY_CONTEXT(ParseNumbers(text), "filter " + filter.name);
        if (!ends.from.empty()) conditions.push_back(AtLeast(name, bindings.Add(ends.from, "VARCHAR"), "DOUBLE"));
        if (!ends.to.empty()) {
            conditions.push_back(fmt::format("{} <= CAST({} AS DOUBLE)", name, bindings.Add(ends.to, "VARCHAR")));
        }
    } else {
        DateRange range = TRY_CONTEXT(ParseDates(text, today), "filter " + filter.name);
        if (range.from) conditions.push_back(AtLeast(name, bindings.Add(FormatDate(*range.from), "VARCHAR"), "DATE"));
        if (range.until) {
            std::string place = bindings.Add(FormatDate(*range.until), "VARCHAR");
            conditions.push_back(fmt::format("{} < CAST({} AS DATE)", name, place));
        }
    }
    return conditions.empty() ? "true" : Join(conditions, " AND ");
}

namespace {
// The tokens "$" and "name" that make a parameter begin here.
bool IsParameter(const std::string& sql, const std::vector<SqlToken>& tokens, size_t at) {
    return at + 1 < tokens.size() && sql[tokens[at].begin] == '$' && tokens[at].end == tokens[at].begin + 1 &&
           tokens[at + 1].begin == tokens[at].end && tokens[at + 1].kind == SqlToken::Kind::kWord;
}
}  // namespace

std::vector<std::string> ParametersOf(const std::string& sql) {
    std::vector<SqlToken> tokens = workspace::SqlTokens(sql);
    std::vector<std::string> names;
    for (size_t at = 0; at < tokens.size(); ++at) {
        if (!IsParameter(sql, tokens, at)) continue;
        std::string name = sql.substr(tokens[at + 1].begin, tokens[at + 1].end - tokens[at + 1].begin);
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    return names;
}

std::string WithPlaces(const std::string& sql, const std::map<std::string, std::string>& places) {
    std::vector<SqlToken> tokens = workspace::SqlTokens(sql);
    std::string text;
    size_t done = 0;
    for (size_t at = 0; at < tokens.size(); ++at) {
        if (!IsParameter(sql, tokens, at)) continue;
        auto place = places.find(sql.substr(tokens[at + 1].begin, tokens[at + 1].end - tokens[at + 1].begin));
        if (place == places.end()) continue;
        text += sql.substr(done, tokens[at].begin - done) + place->second;
        done = tokens[at + 1].end;
    }
    return text + sql.substr(done);
}

}  // namespace tarn::dashboards
