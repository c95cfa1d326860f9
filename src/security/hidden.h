// A refusal that its caller must not be able to tell from absence: kPermissionDenied with this detail code. The
// dispatcher records the denial, with what was hidden, before the answer, and answers kNotFound in the same words.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::security {

inline constexpr std::string_view kHiddenDetailCode = "42P01";  // SQLSTATE's "undefined table", as of what is not there

inline bool IsHidden(const Error& error) {
    return error.code() == ErrorCode::kPermissionDenied && error.detail_code() == kHiddenDetailCode;
}

}  // namespace tarn::security
