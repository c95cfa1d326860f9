#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace tarn {

std::string_view ErrorCodeName(ErrorCode code) {
    switch (code) {
        case ErrorCode::kInvalidArgument:
            return "invalid_argument";
        case ErrorCode::kSyntax:
            return "syntax";
        case ErrorCode::kNotFound:
            return "not_found";
        case ErrorCode::kAlreadyExists:
            return "already_exists";
        case ErrorCode::kUnauthenticated:
            return "unauthenticated";
        case ErrorCode::kPermissionDenied:
            return "permission_denied";
        case ErrorCode::kConflict:
            return "conflict";
        case ErrorCode::kFailedPrecondition:
            return "failed_precondition";
        case ErrorCode::kOutOfRange:
            return "out_of_range";
        case ErrorCode::kNotSupported:
            return "not_supported";
        case ErrorCode::kResourceExhausted:
            return "resource_exhausted";
        case ErrorCode::kUnavailable:
            return "unavailable";
        case ErrorCode::kTimeout:
            return "timeout";
        case ErrorCode::kCancelled:
            return "cancelled";
        case ErrorCode::kCorruption:
            return "corruption";
        case ErrorCode::kIo:
            return "io";
        case ErrorCode::kInternal:
            return "internal";
    }
    return "internal";
}

std::string Error::ToString() const {
    std::string text = fmt::format("{}: {}", ErrorCodeName(code_), message_);
    if (!hint_.empty()) text += fmt::format(" (hint: {})", hint_);
    return text;
}

void CheckFailed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "tarn: broken invariant: %s at %s:%d\n", condition, file, line);
    std::abort();
}

}  // namespace tarn
