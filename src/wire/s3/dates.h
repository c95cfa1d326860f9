// Dates as S3 and HTTP write them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace tarn::s3 {

// "Sun, 22 Nov 2026 15:04:05 GMT" (RFC 9110, 5.6.7).
std::string FormatHttpDate(Timestamp time);
Result<Timestamp> ParseHttpDate(std::string_view text);
// "2026-11-22T15:04:05.123Z", as S3's XML has it.
std::string FormatXmlDate(Timestamp time);

}  // namespace tarn::s3
