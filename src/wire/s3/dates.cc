#include "wire/s3/dates.h"

#include <chrono>

#include "base/text.h"

namespace tarn::s3 {
namespace {

constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr const char* kWeekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

}  // namespace

std::string FormatHttpDate(Timestamp time) {
    auto days = std::chrono::floor<std::chrono::days>(time);
    std::chrono::year_month_day date(days);
    std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - days));
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kWeekdays[std::chrono::weekday(days).c_encoding()],
                       static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                       static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                       clock.seconds().count());
}

Result<Timestamp> ParseHttpDate(std::string_view text) {
    Error wrong(ErrorCode::kInvalidArgument, "\"{}\" is no date like \"Sun, 22 Nov 2026 15:04:05 GMT\"",
                text.substr(0, 40));
    auto words = Split(Trim(text), ' ');
    if (words.size() != 6 || words[5] != "GMT" || words[1].size() != 2 || words[3].size() != 4) return wrong;
    for (int month = 0; month < 12; ++month) {
        if (words[2] != kMonths[month]) continue;
        auto time = ParseTime(fmt::format("{}-{:02}-{}T{}Z", words[3], month + 1, words[1], words[4]));
        if (!time.ok()) return wrong;
        return time;
    }
    return wrong;
}

std::string FormatXmlDate(Timestamp time) {
    auto millis = std::chrono::floor<std::chrono::milliseconds>(time);
    auto seconds = std::chrono::floor<std::chrono::seconds>(millis);
    std::string text = FormatTime(seconds);
    text.pop_back();  // the Z
    return fmt::format("{}.{:03}Z", text, (millis - seconds).count());
}

}  // namespace tarn::s3
