#include "engine/delta_statistics.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace tarn::engine {
namespace {

constexpr size_t kTextPointsMax = 32;

template <typename Number>
Number NumberOf(std::string_view text) {
    Number value{};
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// Byte length of the code point that begins with `lead`.
size_t PointBytes(uint8_t lead) {
    if (lead < 0x80) return 1;
    if (lead < 0xE0) return 2;
    return lead < 0xF0 ? 3 : 4;
}

uint32_t PointAt(std::string_view text, size_t at, size_t bytes) {
    if (bytes == 1) return static_cast<uint8_t>(text[at]);
    uint32_t point = static_cast<uint8_t>(text[at]) & (0xFF >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) point = (point << 6) | (static_cast<uint8_t>(text[at + i]) & 0x3F);
    return point;
}

void AppendPoint(std::string& text, uint32_t point) {
    if (point < 0x80) {
        text += static_cast<char>(point);
    } else if (point < 0x800) {
        text += static_cast<char>(0xC0 | (point >> 6));
        text += static_cast<char>(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        text += static_cast<char>(0xE0 | (point >> 12));
        text += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
        text += static_cast<char>(0x80 | (point & 0x3F));
    } else {
        text += static_cast<char>(0xF0 | (point >> 18));
        text += static_cast<char>(0x80 | ((point >> 12) & 0x3F));
        text += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
        text += static_cast<char>(0x80 | (point & 0x3F));
    }
}

// The next larger text of at most this length: the last code point that can grow does, what follows is dropped.
Json RoundedUp(std::string_view cut) {
    constexpr uint32_t kPointMax = 0x10FFFF;
    std::vector<std::pair<size_t, size_t>> points;  // begin, bytes
    for (size_t at = 0; at < cut.size(); at += points.back().second) {
        points.emplace_back(at, PointBytes(static_cast<uint8_t>(cut[at])));
    }
    while (!points.empty()) {
        auto [begin, bytes] = points.back();
        uint32_t point = PointAt(cut, begin, bytes);
        if (point < kPointMax) {
            std::string result(cut.substr(0, begin));
            AppendPoint(result, point == 0xD7FF ? 0xE000 : point + 1);  // no surrogates in UTF-8
            return result;
        }
        points.pop_back();
    }
    return nullptr;
}

Json TextBound(std::string_view text, bool upper) {
    if (!IsUtf8(text)) return nullptr;
    size_t bytes = 0;
    for (size_t points = 0; points < kTextPointsMax && bytes < text.size(); points++) {
        bytes += PointBytes(static_cast<uint8_t>(text[bytes]));
    }
    if (bytes >= text.size()) return std::string(text);
    std::string_view cut = text.substr(0, bytes);
    return upper ? RoundedUp(cut) : Json(std::string(cut));
}

// JSON numbers are read as doubles by nearly everyone: a decimal that is none is rounded outwards.
Json DecimalBound(std::string_view text, bool upper) {
    std::string digits(text);
    if (digits.find('.') == std::string::npos && digits.size() <= 15) return NumberOf<int64_t>(text);
    double value = NumberOf<double>(text);
    size_t significant = 0;
    for (char c : digits) significant += c >= '0' && c <= '9';
    if (significant <= 15) return value;
    double infinity = std::numeric_limits<double>::infinity();
    return std::nextafter(value, upper ? infinity : -infinity);
}

// "2013-01-01 05:00:00.123456" or "...+00" -> "2013-01-01T05:00:00.123Z"
Json TimestampBound(std::string_view text, bool zoned, bool upper) {
    std::string plain(text);
    if (plain.ends_with("+00")) plain.resize(plain.size() - 3);
    if (plain.size() < 19 || plain[10] != ' ') return nullptr;  // years of five digits, BC, infinity
    plain[10] = 'T';
    auto time = ParseTime(plain + "Z");
    if (!time) return nullptr;
    int64_t micros = ToMicros(*time);
    int64_t below = ((micros % 1000) + 1000) % 1000;
    if (below != 0) micros += upper ? 1000 - below : -below;
    // A whole second first, then its milliseconds: FormatTime leaves out zeros.
    int64_t millis = ((micros / 1000) % 1000 + 1000) % 1000;
    std::string seconds = FormatTime(FromMicros(micros - millis * 1000));
    return fmt::format("{}.{:03}{}", seconds.substr(0, 19), millis, zoned ? "Z" : "");
}

}  // namespace

int64_t WholeNumber(std::string_view text) { return NumberOf<int64_t>(text); }

BoundKind BoundKindOf(const std::string& type) {
    if (type == "TINYINT" || type == "SMALLINT" || type == "INTEGER" || type == "BIGINT") return BoundKind::kInteger;
    if (type.starts_with("DECIMAL")) return BoundKind::kDecimal;
    if (type == "FLOAT" || type == "DOUBLE") return BoundKind::kFloat;
    if (type == "VARCHAR") return BoundKind::kText;
    if (type == "DATE") return BoundKind::kDate;
    if (type == "TIMESTAMP") return BoundKind::kTimestamp;
    if (type == "TIMESTAMP WITH TIME ZONE") return BoundKind::kTimestampTz;
    return BoundKind::kNone;
}

Json DeltaBound(BoundKind kind, std::string_view text, bool upper) {
    std::string copy(text);
    switch (kind) {
        case BoundKind::kNone:
            return nullptr;
        case BoundKind::kInteger:
            return NumberOf<int64_t>(text);
        case BoundKind::kDecimal:
            return DecimalBound(text, upper);
        case BoundKind::kFloat: {
            double value = NumberOf<double>(text);
            return std::isfinite(value) ? Json(value) : Json(nullptr);
        }
        case BoundKind::kText:
            return TextBound(text, upper);
        case BoundKind::kDate:
            return copy.size() == 10 ? Json(copy) : Json(nullptr);
        case BoundKind::kTimestamp:
            return TimestampBound(text, false, upper);
        case BoundKind::kTimestampTz:
            return TimestampBound(text, true, upper);
    }
    return nullptr;
}

}  // namespace tarn::engine
