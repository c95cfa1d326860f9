// Whole numbers from text, all of it: no leading or trailing rest, no overflow, no locale.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tarn {

inline std::optional<int64_t> ParseInteger(std::string_view text) {
    int64_t number = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return number;
}

// For text that we wrote ourselves (run numbers, versions): 0 where it is none.
inline int64_t IntegerOrZero(std::string_view text) { return ParseInteger(text).value_or(0); }

}  // namespace tarn
