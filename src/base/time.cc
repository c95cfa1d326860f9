#include "base/time.h"

#include <array>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace tarn {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecond;

struct Unit {
    std::string_view name;
    int64_t factor;
};
// From large to small; FormatDuration leaves weeks out: "14d" reads better than "2w".
constexpr std::array<Unit, 7> kDurationUnits = {{{"w", 7 * kDay},
                                                 {"d", kDay},
                                                 {"h", 3600 * kSecond},
                                                 {"m", 60 * kSecond},
                                                 {"s", kSecond},
                                                 {"ms", 1000},
                                                 {"us", 1}}};
constexpr std::array<Unit, 6> kBinaryUnits = {
    {{"PiB", 1ll << 50}, {"TiB", 1ll << 40}, {"GiB", 1ll << 30}, {"MiB", 1ll << 20}, {"KiB", 1ll << 10}, {"B", 1}}};
constexpr std::array<Unit, 5> kDecimalUnits = {{{"PB", 1'000'000'000'000'000},
                                                {"TB", 1'000'000'000'000},
                                                {"GB", 1'000'000'000},
                                                {"MB", 1'000'000},
                                                {"KB", 1'000}}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads pieces from the front of a text; after a piece that was not there, `ok` stays false.
struct Cursor {
    std::string_view text;
    bool ok = true;

    int Digits(size_t count) {
        int value = 0;
        if (text.size() < count) ok = false;
        for (size_t i = 0; ok && i < count; i++) {
            if (!IsDigit(text[i])) ok = false;
            value = value * 10 + (text[i] - '0');
        }
        if (ok) text.remove_prefix(count);
        return value;
    }
    bool Take(std::string_view any_of) {
        if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
        text.remove_prefix(1);
        return true;
    }
    void Demand(std::string_view any_of) { ok = Take(any_of) && ok; }
    // Digits of a fraction as microseconds; finer ones are cut off.
    int64_t FractionMicros() {
        int64_t micros = 0;
        int64_t place = kSecond / 10;
        if (text.empty() || !IsDigit(text[0])) ok = false;
        while (!text.empty() && IsDigit(text[0])) {
            micros += place * (text[0] - '0');
            place /= 10;
            text.remove_prefix(1);
        }
        return micros;
    }
};

// Offset of "Z" or "+02:00" in minutes.
int OffsetMinutes(Cursor& cursor) {
    if (cursor.Take("Zz")) return 0;
    bool negative = !cursor.text.empty() && cursor.text[0] == '-';
    cursor.Demand("+-");
    int hours = cursor.Digits(2);
    cursor.Demand(":");
    int minutes = cursor.Digits(2);
    if (hours > 23 || minutes > 59) cursor.ok = false;
    return (negative ? -1 : 1) * (hours * 60 + minutes);
}

int64_t TimeOfDay(Cursor& cursor) {
    int hours = cursor.Digits(2);
    cursor.Demand(":");
    int minutes = cursor.Digits(2);
    cursor.Demand(":");
    int seconds = cursor.Digits(2);
    int64_t micros = cursor.Take(".") ? cursor.FractionMicros() : 0;
    // Second 60 is a leap second; it becomes the first second of the next minute.
    if (hours > 23 || minutes > 59 || seconds > 60) cursor.ok = false;
    return ((hours * 60 + minutes) * 60ll + seconds) * kSecond + micros;
}

// A whole number from the front of `text`; nothing if there is none or it does not fit.
std::optional<int64_t> TakeNumber(std::string_view& text) {
    int64_t value = 0;
    size_t count = 0;
    while (count < text.size() && IsDigit(text[count])) {
        if (__builtin_mul_overflow(value, 10, &value)) return std::nullopt;
        if (__builtin_add_overflow(value, text[count] - '0', &value)) return std::nullopt;
        count++;
    }
    text.remove_prefix(count);
    return count == 0 ? std::nullopt : std::optional(value);
}

Error NotADuration(std::string_view text) {
    return Error(ErrorCode::kInvalidArgument,
                 "\"{}\" is not a duration; write it like 500ms, 15m, 1h30m or 7d (units us ms s m h d w)", text);
}

Error NotASize(std::string_view text) {
    return Error(ErrorCode::kInvalidArgument, "\"{}\" is not a size; write it like 64MiB, 1GB or 4096", text);
}

// The factor of a unit's name, 0 if there is none of that name.
int64_t SizeFactor(std::string_view name) {
    if (name.empty()) return 1;
    for (const Unit& unit : kBinaryUnits) {
        if (EqualsIgnoreCase(unit.name, name)) return unit.factor;
    }
    for (const Unit& unit : kDecimalUnits) {
        if (EqualsIgnoreCase(unit.name, name)) return unit.factor;
    }
    return 0;
}

}  // namespace

std::string FormatTime(Timestamp time) {
    auto day = std::chrono::floor<std::chrono::days>(time);
    std::chrono::year_month_day date(day);
    int64_t micros = (time - day).count();
    int64_t seconds = micros / kSecond;
    std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                   seconds / 3600, seconds / 60 % 60, seconds % 60);
    if (micros % kSecond != 0) text += fmt::format(".{:06}", micros % kSecond);
    return text + "Z";
}

Result<Timestamp> ParseTime(std::string_view text) {
    Cursor cursor{text};
    std::chrono::year year(cursor.Digits(4));
    cursor.Demand("-");
    std::chrono::month month(static_cast<unsigned>(cursor.Digits(2)));
    cursor.Demand("-");
    std::chrono::day day(static_cast<unsigned>(cursor.Digits(2)));
    std::chrono::year_month_day date(year, month, day);
    int64_t micros = 0;
    if (cursor.ok && !cursor.text.empty()) {
        cursor.Demand("Tt ");
        micros = TimeOfDay(cursor);
        micros -= OffsetMinutes(cursor) * 60 * kSecond;
    }
    if (!cursor.ok || !cursor.text.empty() || !date.ok()) {
        return Error(ErrorCode::kInvalidArgument,
                     "\"{}\" is not a time; write it like 2026-11-22, 2026-11-22T15:04:05Z or "
                     "2026-11-22T15:04:05.123+02:00",
                     text);
    }
    return Timestamp(std::chrono::sys_days(date)) + Duration(micros);
}

Result<Duration> ParseDuration(std::string_view text) {
    if (text == "0") return Duration(0);
    std::string_view left = text;
    int64_t total = 0;
    int64_t factor_before = std::numeric_limits<int64_t>::max();
    while (!left.empty() || text.empty()) {
        std::optional<int64_t> number = TakeNumber(left);
        size_t name_bytes = std::min(left.find_first_of("0123456789"), left.size());
        std::string_view name = left.substr(0, name_bytes);
        left.remove_prefix(name_bytes);
        int64_t factor = 0;
        for (const Unit& unit : kDurationUnits) {
            if (unit.name == name) factor = unit.factor;
        }
        // Units must fall: "30m1h" or "1m5m" is more likely a slip than meant.
        if (!number || factor == 0 || factor >= factor_before) return NotADuration(text);
        factor_before = factor;
        int64_t part = 0;
        if (__builtin_mul_overflow(*number, factor, &part) || __builtin_add_overflow(total, part, &total)) {
            return Error(ErrorCode::kInvalidArgument, "the duration \"{}\" is too long", text);
        }
    }
    return Duration(total);
}

std::string FormatDuration(Duration duration) {
    if (duration.count() == 0) return "0s";
    bool negative = duration.count() < 0;
    uint64_t left = negative ? -static_cast<uint64_t>(duration.count()) : static_cast<uint64_t>(duration.count());
    std::string text = negative ? "-" : "";
    for (const Unit& unit : kDurationUnits) {
        uint64_t factor = static_cast<uint64_t>(unit.factor);
        if (unit.name == "w" || left < factor) continue;
        text += fmt::format("{}{}", left / factor, unit.name);
        left %= factor;
    }
    return text;
}

Result<int64_t> ParseSize(std::string_view text) {
    std::string_view left = Trim(text);
    std::optional<int64_t> whole = TakeNumber(left);
    if (!whole) return NotASize(text);
    double fraction = 0;
    if (left.starts_with('.')) {
        left.remove_prefix(1);
        size_t digits = left.size();
        std::optional<int64_t> number = TakeNumber(left);
        if (!number) return NotASize(text);
        fraction = static_cast<double>(*number) / std::pow(10.0, static_cast<double>(digits - left.size()));
    }
    std::string_view name = Trim(left);
    int64_t factor = SizeFactor(name);
    if (factor == 0 || (factor == 1 && fraction != 0)) return NotASize(text);
    int64_t bytes = 0;
    int64_t part = static_cast<int64_t>(fraction * static_cast<double>(factor));
    if (__builtin_mul_overflow(*whole, factor, &bytes) || __builtin_add_overflow(bytes, part, &bytes)) {
        return Error(ErrorCode::kInvalidArgument, "the size \"{}\" is too large", text);
    }
    return bytes;
}

std::string FormatSize(int64_t bytes) {
    constexpr int64_t kRoundNumberMax = 10000;
    if (bytes < 0) return fmt::format("{}B", bytes);
    if (bytes < 1000) return fmt::format("{}B", bytes);
    // What was written as a round size reads back as the same one; anything else is rounded for people.
    auto is_round = [&](const Unit& unit) { return bytes % unit.factor == 0 && bytes / unit.factor < kRoundNumberMax; };
    for (const Unit& unit : kBinaryUnits) {
        if (unit.factor > 1 && is_round(unit)) return fmt::format("{}{}", bytes / unit.factor, unit.name);
    }
    for (const Unit& unit : kDecimalUnits) {
        if (is_round(unit)) return fmt::format("{}{}", bytes / unit.factor, unit.name);
    }
    for (const Unit& unit : kBinaryUnits) {
        if (bytes < unit.factor) continue;
        if (unit.factor == 1) break;
        return fmt::format("{:.1f}{}", static_cast<double>(bytes) / static_cast<double>(unit.factor), unit.name);
    }
    return fmt::format("{}B", bytes);
}

}  // namespace tarn
