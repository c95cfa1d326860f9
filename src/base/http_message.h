// HTTP/1.1 messages as bytes: bodies, heads, targets. Pure, no IO. Internal to base/http*.cc.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/http.h"
#include "base/result.h"

namespace tarn {

// Bytes received and not yet used. Grows to what is asked for; `Release` gives memory back between requests.
class InputBuffer {
  public:
    ByteSpan unread() const { return ByteSpan(bytes_).subspan(begin_, end_ - begin_); }
    void Consume(size_t bytes);
    // Room for at least `bytes_min` more. Call Filled with what was put there.
    MutableByteSpan Space(size_t bytes_min);
    void Filled(size_t bytes) { end_ += bytes; }
    void Release();

  private:
    Bytes bytes_;
    size_t begin_ = 0;
    size_t end_ = 0;
};

// Finds the end of a message's body (RFC 9112, 6 and 7) and takes chunks apart.
class BodyDecoder {
  public:
    struct Step {
        size_t consumed = 0;
        size_t produced = 0;
    };
    static BodyDecoder Nothing() { return BodyDecoder(State::kDone, 0); }
    static BodyDecoder Length(uint64_t bytes) { return BodyDecoder(bytes ? State::kLength : State::kDone, bytes); }
    static BodyDecoder Chunked(uint64_t bytes_max);
    static BodyDecoder UntilClose() { return BodyDecoder(State::kUntilClose, UINT64_MAX); }

    // Moves body bytes from `input` to `output`. kInvalidArgument: not chunks; kResourceExhausted: over the limit.
    Result<Step> Decode(ByteSpan input, MutableByteSpan output);
    bool done() const { return state_ == State::kDone; }
    bool until_close() const { return state_ == State::kUntilClose; }
    // So many bytes are body as they come: read them straight into place, then say so with TookDirectly.
    uint64_t direct() const;
    void TookDirectly(uint64_t bytes);
    // How much is still to come, when that is known.
    std::optional<uint64_t> remaining() const;

  private:
    enum class State { kLength, kChunkSize, kChunkData, kChunkEnd, kTrailer, kUntilClose, kDone };
    BodyDecoder(State state, uint64_t remaining) : state_(state), remaining_(remaining) {}
    Result<size_t> TakeLine(ByteSpan input);
    Status EndLine();
    Status BeginChunk();

    State state_;
    uint64_t remaining_;  // of the body, or of the chunk
    uint64_t bytes_left_ = UINT64_MAX;
    std::string line_;
    size_t trailer_bytes_ = 0;
};

// The error of a body over a limit; the server answers 413.
inline constexpr std::string_view kBodyTooLargeCode = "EntityTooLarge";
Error BodyTooLarge(uint64_t bytes_max);

// Names are tokens; values hold no control characters, so nothing smuggles a second header in.
bool IsFieldName(std::string_view name);
bool IsFieldValue(std::string_view value);
Status CheckFields(const HttpHeaders& headers);
// True if the comma-separated list holds the word, without case.
bool ListHas(std::string_view list, std::string_view word);

struct ResponseFraming {
    std::optional<uint64_t> content_length;
    bool chunked = false;
    bool close = false;
    bool http_1_0 = false;
};
// Status line and fields up to the empty line. Date is added; fields that frame the message are ours alone.
std::string ResponseHead(int status, const HttpHeaders& headers, const ResponseFraming& framing, Timestamp now);
std::string HttpDate(Timestamp time);
// {"error": {"code": ..., "message": ..., "hint": ...}}
std::string ErrorBody(std::string_view code, std::string_view message, std::string_view hint);

// Splits request.target into path and query; an absolute target gives its authority, and becomes its path and query.
Result<std::optional<std::string>> FillTarget(HttpRequest& request);
// Whether a Host header names this server: the address that the client reached, localhost, or one of `hosts`, where
// '*' is a wildcard. Without this, a web page could rebind its name to our address and read our answers.
bool IsHostAllowed(std::string_view host_header, const Address& local, const std::string& listen_host,
                   const std::vector<std::string>& hosts);

struct ResponseHeadFields {
    int status = 0;
    bool http_1_0 = false;
    HttpHeaders headers;
};
// `text` is a whole head, through the empty line.
Result<ResponseHeadFields> ParseResponseHead(std::string_view text);
// How the body of a response is framed (RFC 9112, 6.3).
Result<BodyDecoder> ResponseBody(const ResponseHeadFields& head, std::string_view method);

}  // namespace tarn
