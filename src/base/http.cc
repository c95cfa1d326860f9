#include "base/http.h"

#include <algorithm>
#include <array>

#include "base/http_message.h"
#include "base/text.h"

namespace tarn {
namespace {

struct StatusReason {
    int status;
    std::string_view reason;
};

constexpr StatusReason kReasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

bool IsUrlText(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::string_view HttpHeaders::Get(std::string_view name) const {
    for (const auto& [field, value] : fields_) {
        if (EqualsIgnoreCase(field, name)) return value;
    }
    return {};
}

bool HttpHeaders::Has(std::string_view name) const {
    return std::any_of(fields_.begin(), fields_.end(),
                       [&](const auto& field) { return EqualsIgnoreCase(field.first, name); });
}

void HttpHeaders::Set(std::string name, std::string value) {
    std::erase_if(fields_, [&](const auto& field) { return EqualsIgnoreCase(field.first, name); });
    Add(std::move(name), std::move(value));
}

std::optional<std::string> HttpRequest::Query(std::string_view name) const {
    for (const auto& [key, value] : query) {
        if (key == name) return value;
    }
    return std::nullopt;
}

Result<std::string> HttpRequest::ReadBody(size_t bytes_max) {
    if (content_length && *content_length > bytes_max) return BodyTooLarge(bytes_max);
    std::string text;
    // A declared length is no reason to allocate it: grow with what comes.
    size_t step = std::clamp<size_t>(content_length.value_or(4096), 1, 64 << 10);
    while (true) {
        size_t had = text.size();
        text.resize(had + step);
        size_t got = TRY(body->Read({reinterpret_cast<uint8_t*>(text.data()) + had, step}));
        text.resize(had + got);
        if (got == 0) return text;
        if (text.size() > bytes_max) return BodyTooLarge(bytes_max);
        step = std::clamp<size_t>(text.size(), 4096, 1 << 20);
    }
}

std::string_view HttpReason(int status) {
    auto found = std::lower_bound(std::begin(kReasons), std::end(kReasons), status,
                                  [](const StatusReason& entry, int wanted) { return entry.status < wanted; });
    return found != std::end(kReasons) && found->status == status ? found->reason : "Unknown";
}

int HttpStatusOf(ErrorCode code) {
    switch (code) {
        case ErrorCode::kInvalidArgument:
            return 400;
        case ErrorCode::kSyntax:
            return 400;
        case ErrorCode::kNotFound:
            return 404;
        case ErrorCode::kAlreadyExists:
            return 409;
        case ErrorCode::kUnauthenticated:
            return 401;
        case ErrorCode::kPermissionDenied:
            return 403;
        case ErrorCode::kConflict:
            return 409;
        case ErrorCode::kFailedPrecondition:
            return 412;
        case ErrorCode::kOutOfRange:
            return 416;
        case ErrorCode::kNotSupported:
            return 501;
        case ErrorCode::kResourceExhausted:
            return 429;
        case ErrorCode::kUnavailable:
            return 503;
        case ErrorCode::kTimeout:
            return 504;
        case ErrorCode::kCancelled:
            return 499;
        case ErrorCode::kCorruption:
            return 500;
        case ErrorCode::kIo:
            return 500;
        case ErrorCode::kInternal:
            return 500;
    }
    return 500;
}

Result<Url> ParseUrl(std::string_view text) {
    if (!IsUrlText(text)) {
        return Error(ErrorCode::kInvalidArgument, "a URL must be ASCII without spaces; encode the rest as %XX");
    }
    size_t colon = text.find("://");
    std::string scheme = ToLower(text.substr(0, colon == std::string_view::npos ? 0 : colon));
    if (scheme != "http" && scheme != "https") {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is no http:// or https:// URL", text.substr(0, 200));
    }
    std::string_view rest = text.substr(colon + 3);
    rest = rest.substr(0, rest.find('#'));
    size_t end = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view authority = rest.substr(0, end);
    if (authority.find('@') != std::string_view::npos) {
        // The text is not repeated: it holds a password.
        return Error(ErrorCode::kInvalidArgument, "a URL must not hold a user or password")
            .WithHint("configure credentials as a secret");
    }
    Url url{scheme, TRY(ParseAddress(authority, scheme == "https" ? 443 : 80)), std::string(rest.substr(end))};
    if (url.address.port == 0) return Error(ErrorCode::kInvalidArgument, "\"{}\" has port 0", authority);
    if (!url.target.starts_with('/')) url.target = fmt::format("/{}", url.target);
    return url;
}

}  // namespace tarn
