// What tasks say (errors, warnings, lines) as it may be stored and shown: it comes from outside, so it may be anything.
#pragma once

#include <string>
#include <string_view>

namespace tarn::orchestrator {

inline constexpr size_t kRunTextBytesMax = 16 << 10;  // of one error, warning or line; what comes later is dropped

// UTF-8 without control characters but line breaks and tabs; '?' stands for what is neither. What only tells a terminal
// how to look (colours) is left out. At most kRunTextBytesMax.
std::string RunText(std::string_view text);

}  // namespace tarn::orchestrator
