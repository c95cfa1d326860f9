#include "base/http_message.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>

#include "base/json.h"
#include "base/text.h"

namespace tarn {
namespace {

constexpr size_t kInputBytesMin = 8 << 10;
constexpr size_t kInputBytesKept = 16 << 10;
constexpr size_t kChunkLineBytesMax = 4 << 10;
constexpr size_t kTrailerBytesMax = 16 << 10;

bool IsTokenCharacter(char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
    return c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
}

// The fields that say where a message ends, and whether another follows.
bool IsFramingField(std::string_view name) {
    return EqualsIgnoreCase(name, "content-length") || EqualsIgnoreCase(name, "transfer-encoding") ||
           EqualsIgnoreCase(name, "connection") || EqualsIgnoreCase(name, "keep-alive");
}

std::optional<uint64_t> ParseNumber(std::string_view text, int base) {
    uint64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    bool digits_only = !text.empty() && text[0] != '-' && text[0] != '+';
    if (!digits_only || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::string_view HostOf(std::string_view host_header) {
    if (host_header.starts_with('[')) return host_header.substr(1, host_header.find(']') - 1);
    return host_header.substr(0, host_header.find(':'));
}

Status FillQuery(HttpRequest& request, std::string_view text) {
    while (!text.empty()) {
        size_t end = std::min(text.find('&'), text.size());
        std::string_view pair = text.substr(0, end);
        text = text.substr(std::min(end + 1, text.size()));
        if (pair.empty()) continue;
        size_t equals = pair.find('=');
        std::string_view value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
        request.query.emplace_back(TRY(UrlDecode(pair.substr(0, equals), true)), TRY(UrlDecode(value, true)));
    }
    return Ok();
}

Error BadResponse(std::string_view what) {
    return Error(ErrorCode::kUnavailable, "the server's answer is not HTTP/1.1: {}", what);
}

Result<std::pair<std::string, std::string>> ParseField(std::string_view line) {
    size_t colon = line.find(':');
    if (colon == std::string_view::npos) return BadResponse("a header without a colon");
    std::string_view name = line.substr(0, colon);
    std::string_view value = Trim(line.substr(colon + 1));
    if (!IsFieldName(name) || !IsFieldValue(value)) return BadResponse("a malformed header");
    return std::make_pair(std::string(name), std::string(value));
}

}  // namespace

// ---- bodies

void InputBuffer::Consume(size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
}

MutableByteSpan InputBuffer::Space(size_t bytes_min) {
    if (bytes_.size() - end_ < bytes_min && begin_ > 0) {
        std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (bytes_.size() - end_ < bytes_min) {
        bytes_.resize(std::max({end_ + bytes_min, 2 * bytes_.size(), kInputBytesMin}));
    }
    return MutableByteSpan(bytes_).subspan(end_);
}

void InputBuffer::Release() {
    if (begin_ == end_ && bytes_.size() > kInputBytesKept) {
        bytes_ = Bytes();
        begin_ = end_ = 0;
    }
}

BodyDecoder BodyDecoder::Chunked(uint64_t bytes_max) {
    BodyDecoder decoder(State::kChunkSize, 0);
    decoder.bytes_left_ = bytes_max;
    return decoder;
}

uint64_t BodyDecoder::direct() const {
    bool as_is = state_ == State::kLength || state_ == State::kChunkData || state_ == State::kUntilClose;
    return as_is ? remaining_ : 0;
}

void BodyDecoder::TookDirectly(uint64_t bytes) {
    TARN_CHECK(bytes <= direct());
    if (state_ == State::kUntilClose) return;
    remaining_ -= bytes;
    if (remaining_ > 0) return;
    state_ = state_ == State::kLength ? State::kDone : State::kChunkEnd;
}

std::optional<uint64_t> BodyDecoder::remaining() const {
    if (state_ == State::kDone) return 0;
    if (state_ == State::kLength) return remaining_;
    return std::nullopt;
}

// Adds to line_ up to the line's end; the result is how many bytes were taken.
Result<size_t> BodyDecoder::TakeLine(ByteSpan input) {
    const void* found = std::memchr(input.data(), '\n', input.size());
    size_t taken = found ? static_cast<const uint8_t*>(found) - input.data() + 1 : input.size();
    if (line_.size() + taken > kChunkLineBytesMax) {
        return Error(ErrorCode::kInvalidArgument, "a chunk's first line is too long");
    }
    line_.append(AsText(input.first(taken)));
    return taken;
}

Status BodyDecoder::BeginChunk() {
    // Extensions after ';' mean nothing to us.
    std::string_view digits = std::string_view(line_).substr(0, line_.find(';'));
    while (digits.ends_with(' ') || digits.ends_with('\t')) digits.remove_suffix(1);
    std::optional<uint64_t> size = ParseNumber(digits, 16);
    if (!size) return Error(ErrorCode::kInvalidArgument, "a chunk's size is no hexadecimal number");
    if (*size > bytes_left_) {
        return Error(ErrorCode::kResourceExhausted, "the body is larger than this server takes")
            .WithDetailCode(std::string(kBodyTooLargeCode));
    }
    bytes_left_ -= *size;
    remaining_ = *size;
    state_ = *size == 0 ? State::kTrailer : State::kChunkData;
    return Ok();
}

// line_ is complete: act on it.
Status BodyDecoder::EndLine() {
    if (!line_.ends_with("\r\n")) return Error(ErrorCode::kInvalidArgument, "a line of a chunked body lacks its CR LF");
    line_.resize(line_.size() - 2);
    if (line_.find('\r') != std::string::npos) {
        return Error(ErrorCode::kInvalidArgument, "a stray CR in a chunked body");
    }
    if (state_ == State::kChunkSize) {
        TRY(BeginChunk());
    } else if (state_ == State::kChunkEnd) {
        if (!line_.empty()) return Error(ErrorCode::kInvalidArgument, "a chunk is longer than it said");
        state_ = State::kChunkSize;
    } else {
        trailer_bytes_ += line_.size();
        if (trailer_bytes_ > kTrailerBytesMax) {
            return Error(ErrorCode::kInvalidArgument, "the trailers of a chunked body are too long");
        }
        if (line_.empty()) state_ = State::kDone;
    }
    line_.clear();
    return Ok();
}

Result<BodyDecoder::Step> BodyDecoder::Decode(ByteSpan input, MutableByteSpan output) {
    Step step;
    while (!done() && step.consumed < input.size()) {
        ByteSpan left = input.subspan(step.consumed);
        if (direct() > 0) {
            size_t bytes = std::min({left.size(), output.size() - step.produced,
                                     static_cast<size_t>(std::min<uint64_t>(direct(), SIZE_MAX))});
            if (bytes == 0) return step;
            std::memcpy(output.data() + step.produced, left.data(), bytes);
            TookDirectly(bytes);
            step.consumed += bytes;
            step.produced += bytes;
            continue;
        }
        step.consumed += TRY(TakeLine(left));
        if (line_.ends_with('\n')) TRY(EndLine());
    }
    return step;
}

Error BodyTooLarge(uint64_t bytes_max) {
    return Error(ErrorCode::kResourceExhausted, "the body is larger than {} bytes", bytes_max)
        .WithDetailCode(std::string(kBodyTooLargeCode));
}

// ---- fields and heads

bool IsFieldName(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), IsTokenCharacter);
}

bool IsFieldValue(std::string_view value) {
    auto allowed = [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); };
    return std::all_of(value.begin(), value.end(), allowed);
}

Status CheckFields(const HttpHeaders& headers) {
    for (const auto& [name, value] : headers.fields()) {
        if (IsFieldName(name) && IsFieldValue(value)) continue;
        return Error(ErrorCode::kInvalidArgument, "the header \"{}\" holds characters that HTTP does not allow",
                     IsFieldName(name) ? name : "?");
    }
    return Ok();
}

bool ListHas(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        size_t end = std::min(list.find(','), list.size());
        if (EqualsIgnoreCase(Trim(list.substr(0, end)), word)) return true;
        list = list.substr(std::min(end + 1, list.size()));
    }
    return false;
}

std::string HttpDate(Timestamp time) {
    static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    auto day = std::chrono::floor<std::chrono::days>(time);
    std::chrono::year_month_day date(day);
    std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(day).c_encoding()],
                       static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                       static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                       clock.seconds().count());
}

std::string ResponseHead(int status, const HttpHeaders& headers, const ResponseFraming& framing, Timestamp now) {
    std::string head;
    head.reserve(256);
    fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\n", status, HttpReason(status));
    for (const auto& [name, value] : headers.fields()) {
        if (IsFramingField(name)) continue;
        head.append(name).append(": ").append(value).append("\r\n");
    }
    if (!headers.Has("Date")) head.append("Date: ").append(HttpDate(now)).append("\r\n");
    if (framing.chunked) {
        head.append("Transfer-Encoding: chunked\r\n");
    } else if (framing.content_length) {
        fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", *framing.content_length);
    }
    if (framing.close) {
        head.append("Connection: close\r\n");
    } else if (framing.http_1_0) {
        head.append("Connection: keep-alive\r\n");
    }
    return head.append("\r\n");
}

std::string ErrorBody(std::string_view code, std::string_view message, std::string_view hint) {
    Json error = {{"code", code}, {"message", message}};
    if (!hint.empty()) error["hint"] = hint;
    return DumpJson(Json{{"error", std::move(error)}});
}

// ---- requests

Result<std::optional<std::string>> FillTarget(HttpRequest& request) {
    std::optional<std::string> authority;
    if (request.target.starts_with("http://") || request.target.starts_with("https://")) {
        Url url = TRY(ParseUrl(request.target));
        authority = url.address.ToString();
        request.target = url.target;
    } else if (!request.target.starts_with('/') && !(request.target == "*" && request.method == "OPTIONS")) {
        return Error(ErrorCode::kInvalidArgument, "the request's target must begin with '/'");
    }
    size_t question = std::min(request.target.find('?'), request.target.size());
    request.path = request.target.substr(0, question);
    if (question < request.target.size()) {
        TRY_CONTEXT(FillQuery(request, std::string_view(request.target).substr(question + 1)), "query");
    }
    return authority;
}

bool IsHostAllowed(std::string_view host_header, const Address& local, const std::string& listen_host,
                   const std::vector<std::string>& hosts) {
    std::string host = ToLower(HostOf(host_header));
    if (host.empty()) return false;
    // A name under localhost is resolved to loopback by every browser, so nobody else can own it.
    if (host == "localhost" || host.ends_with(".localhost")) return true;
    if (host == local.host || host == ToLower(listen_host)) return true;
    if (Address{host, 0}.IsLoopback() && local.IsLoopback()) return true;
    return std::any_of(hosts.begin(), hosts.end(),
                       [&](const std::string& allowed) { return MatchesWildcard(ToLower(allowed), host); });
}

// ---- responses, as the client sees them

Result<ResponseHeadFields> ParseResponseHead(std::string_view text) {
    ResponseHeadFields head;
    size_t end = text.find("\r\n");
    std::string_view line = text.substr(0, end);
    bool known = line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ");
    std::optional<uint64_t> status = line.size() >= 12 ? ParseNumber(line.substr(9, 3), 10) : std::nullopt;
    if (!known || !status || *status < 100 || *status > 599 || (line.size() > 12 && line[12] != ' ')) {
        return BadResponse("no status line");
    }
    head.status = static_cast<int>(*status);
    head.http_1_0 = line[7] == '0';
    text = text.substr(end + 2);
    while (!text.starts_with("\r\n")) {
        end = text.find("\r\n");
        if (end == std::string_view::npos) return BadResponse("the head does not end");
        auto [name, value] = TRY(ParseField(text.substr(0, end)));
        head.headers.Add(std::move(name), std::move(value));
        text = text.substr(end + 2);
    }
    return head;
}

Result<BodyDecoder> ResponseBody(const ResponseHeadFields& head, std::string_view method) {
    bool bodiless = method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304;
    if (bodiless) return BodyDecoder::Nothing();
    if (head.headers.Has("Transfer-Encoding")) {
        if (!EqualsIgnoreCase(head.headers.Get("Transfer-Encoding"), "chunked")) {
            return BadResponse("a transfer encoding that was not asked for");
        }
        return BodyDecoder::Chunked(UINT64_MAX);
    }
    std::optional<uint64_t> length;
    for (const auto& [name, value] : head.headers.fields()) {
        if (!EqualsIgnoreCase(name, "Content-Length")) continue;
        std::optional<uint64_t> number = ParseNumber(value, 10);
        if (!number || (length && *length != *number)) return BadResponse("no single Content-Length");
        length = number;
    }
    return length ? BodyDecoder::Length(*length) : BodyDecoder::UntilClose();
}

}  // namespace tarn
