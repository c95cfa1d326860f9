// Times and durations: UTC microseconds since 1970 everywhere inside; RFC 3339 and "15m" at the edges.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn {

using Duration = std::chrono::microseconds;
using Timestamp = std::chrono::time_point<std::chrono::system_clock, Duration>;

inline int64_t ToMicros(Timestamp time) { return time.time_since_epoch().count(); }
inline int64_t ToMillis(Timestamp time) { return ToMicros(time) / 1000; }
inline Timestamp FromMicros(int64_t micros) { return Timestamp(Duration(micros)); }

// "2026-11-22T15:04:05.123456Z"; without a fraction when it is zero.
std::string FormatTime(Timestamp time);
// RFC 3339 with any offset; a bare date means midnight UTC.
Result<Timestamp> ParseTime(std::string_view text);

// "500ms", "15m", "1h30m", "7d". Units: us ms s m h d w.
Result<Duration> ParseDuration(std::string_view text);
std::string FormatDuration(Duration duration);

// "64MiB", "1GB", "4096": bytes.
Result<int64_t> ParseSize(std::string_view text);
std::string FormatSize(int64_t bytes);

}  // namespace tarn
