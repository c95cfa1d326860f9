#include "ingestion/registry/subject.h"

#include <algorithm>

#include "base/text.h"

namespace tarn::registry {

std::string Subject::Text() const { return context == kDefaultContext ? name : fmt::format(":{}:{}", context, name); }

Result<Subject> ParseSubjectIn(std::string_view text, const std::string& context) {
    bool bad = text.size() > kSubjectBytesMax || !IsUtf8(text) ||
               std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    Subject subject{context, std::string(text)};
    if (text.starts_with(":.")) {
        size_t end = text.find(':', 1);
        subject.context = std::string(text.substr(1, end == std::string_view::npos ? end : end - 1));
        subject.name = end == std::string_view::npos ? "" : std::string(text.substr(end + 1));
    }
    bad = bad || text.starts_with(":*:") || subject.name == "__GLOBAL" || subject.name == "__EMPTY" ||
          (subject.context == kGlobalContext && !subject.name.empty());
    if (!bad) return subject;
    return RegistryError(kInvalidSubject, fmt::format("The specified subject '{}' is not a valid subject: at most {} "
                                                      "bytes without control characters, none of __GLOBAL, __EMPTY",
                                                      text.substr(0, kSubjectBytesMax), kSubjectBytesMax));
}

Result<Subject> ParseSubject(std::string_view text) { return ParseSubjectIn(text, std::string(kDefaultContext)); }

Error RegistryError(int code, std::string message) {
    ErrorCode kind = ErrorCode::kInvalidArgument;
    if (code / 100 == 404) kind = ErrorCode::kNotFound;
    if (code / 100 == 409) kind = ErrorCode::kConflict;
    return Error(kind, std::move(message)).WithDetailCode(std::to_string(code));
}

}  // namespace tarn::registry
