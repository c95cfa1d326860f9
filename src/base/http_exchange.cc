#include "base/http_exchange.h"

#include <algorithm>
#include <exception>

#include "base/text.h"

namespace tarn {
namespace {

// A request's body that the handler left unread is read away up to here, so that the connection can be used again.
constexpr uint64_t kDrainBytesMax = 1 << 20;
constexpr size_t kInputStepBytes = 64 << 10;
constexpr size_t kPieceBytesMax = 1 << 20;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

bool MayHaveBody(int status) { return status >= 200 && status != 204 && status != 304; }

HttpResponse ErrorResponse(const Error& error, bool body_too_slow) {
    int status = HttpStatusOf(error.code());
    if (error.detail_code() == kBodyTooLargeCode) status = 413;
    if (error.detail_code() == "53100") status = 507;  // SQLSTATEs: no room on the disk, no memory
    if (error.detail_code() == "53200") status = 503;
    if (body_too_slow) status = 408;
    HttpResponse response{status,
                          {{"Content-Type", "application/json"}},
                          ErrorBody(ErrorCodeName(error.code()), error.message(), error.hint())};
    if (status == 429 || status == 503) response.headers.Add("Retry-After", "1");
    return response;
}

}  // namespace

HttpExchange::HttpExchange(Channel& channel, InputBuffer& input, const HttpServerConfig& config, HttpRequest request,
                           RequestFraming framing)
    : channel_(channel),
      input_(input),
      config_(config),
      request_(std::move(request)),
      body_(framing.body),
      http_1_0_(framing.http_1_0),
      keep_alive_(framing.keep_alive),
      expects_continue_(framing.expects_continue) {
    request_.body = &reader_;
}

void HttpExchange::Run(const HttpServe& serve, Log& log) {
    Status status;
    try {
        status = serve(request_, *this);
    } catch (const std::exception& error) {
        status = Error(ErrorCode::kInternal, "a handler threw: {}", error.what());
    }
    Status answered = Answered(std::move(status), log);
    if (!answered.ok()) cut_ = true;
}

// Brings the answer to its end, or says why it cannot have one.
Status HttpExchange::Answered(Status status, Log& log) {
    if (status.ok() && !started_) status = Error(ErrorCode::kInternal, "the handler gave no answer");
    if (status.ok()) status = FinishStream();
    if (status.ok()) return Ok();
    const Error& error = status.error();
    bool ours = error.code() == ErrorCode::kInternal || error.code() == ErrorCode::kIo ||
                error.code() == ErrorCode::kCorruption;
    bool client_left = error.code() == ErrorCode::kCancelled;
    if (ours || (started_ && !client_left)) {
        log.Write(ours ? LogLevel::kError : LogLevel::kWarning,
                  started_ ? "an answer was cut short" : "a request failed",
                  {{"method", request_.method}, {"path", request_.path}, {"error", error.ToString()}});
    }
    // Part of an answer has left: only a broken connection tells the client that it is not whole.
    if (started_) return status;
    return SendError(error);
}

Status HttpExchange::SendError(const Error& error) {
    bool body_too_slow = body_failure_ && error.code() == ErrorCode::kTimeout;
    return Send(ErrorResponse(error, body_too_slow));
}

// ---- the request's body

Result<size_t> HttpExchange::ReadBody(MutableByteSpan buffer) {
    // After a failure the place in the stream is lost.
    if (body_failure_) return *body_failure_;
    if (body_.done() || buffer.empty()) return size_t{0};
    Result<size_t> got = ReadSome(buffer);
    if (got.ok()) return got;
    body_failure_ = got.error();
    keep_alive_ = false;
    return got;
}

Result<size_t> HttpExchange::ReadSome(MutableByteSpan buffer) {
    if (expects_continue_) TRY(SendContinue());
    while (!body_.done()) {
        if (!input_.unread().empty()) {
            BodyDecoder::Step step = TRY(body_.Decode(input_.unread(), buffer));
            input_.Consume(step.consumed);
            if (step.produced > 0) return step.produced;
            continue;
        }
        // Large reads go straight into the caller's buffer; small ones would cost a system call each.
        size_t direct = std::min<uint64_t>(body_.direct(), buffer.size());
        bool straight = direct >= kInputStepBytes || (direct > 0 && direct == body_.direct());
        MutableByteSpan place = straight ? buffer.first(direct) : input_.Space(kInputStepBytes);
        Result<size_t> got = AwaitBody(place);
        if (!got.ok() && got.error().code() == ErrorCode::kTimeout) return std::move(got).error().Context("body");
        if (!got.ok()) return ClientGone(got.error());
        if (*got == 0) return ClientGone(Error(ErrorCode::kCancelled, "it closed the connection"));
        if (straight) {
            body_.TookDirectly(*got);
            return *got;
        }
        input_.Filled(*got);
    }
    return size_t{0};
}

// The sender may be silent, or send less than kBodyProgressBytes, for the idle timeout; what we do meanwhile with what
// came does not count.
Result<size_t> HttpExchange::AwaitBody(MutableByteSpan place) {
    constexpr size_t kBodyProgressBytes = 64 << 10;
    Duration begun = MonotonicNow();
    Duration left = std::max<Duration>(config_.idle_timeout - body_waited_, std::chrono::milliseconds(1));
    Result<size_t> got = ReadBlocking(channel_, place, After(left));
    body_waited_ += MonotonicNow() - begun;
    if (!got.ok()) return got;
    body_progress_ += *got;
    if (body_progress_ >= kBodyProgressBytes) {
        body_progress_ = 0;
        body_waited_ = Duration(0);
    }
    return got;
}

// The client holds its body back until we ask for it (RFC 9110, 10.1.1).
Status HttpExchange::SendContinue() {
    expects_continue_ = false;
    if (!input_.unread().empty()) return Ok();
    ByteSpan piece = AsBytes(kContinue);
    return SendPieces(std::span(&piece, 1));
}

Error HttpExchange::ClientGone(const Error& cause) {
    request_.cancelled.Cancel();
    return Error(ErrorCode::kCancelled, "the client went away: {}", cause.message());
}

// ---- the answer

void HttpExchange::DecideKeepAlive(const HttpHeaders& headers) {
    if (ListHas(headers.Get("Connection"), "close")) keep_alive_ = false;
    // Whether the client sends its body after our final answer is its choice, so nobody knows what comes next.
    if (expects_continue_) keep_alive_ = false;
    std::optional<uint64_t> unread = body_.remaining();
    if (unread && *unread > kDrainBytesMax + input_.unread().size()) keep_alive_ = false;
}

std::string HttpExchange::Head(int status, const HttpHeaders& headers, std::optional<uint64_t> content_length,
                               bool chunked) {
    DecideKeepAlive(headers);
    ResponseFraming framing{content_length, chunked, !keep_alive_, http_1_0_};
    return ResponseHead(status, headers, framing, SystemEnv().clock().Now());
}

void HttpExchange::Prepare(HttpResponse response) {
    started_ = true;
    bool has_body = MayHaveBody(response.status);
    std::optional<uint64_t> length;
    if (has_body) length = response.body.size();
    head_ = Head(response.status, response.headers, length, false);
    if (has_body && request_.method != "HEAD") whole_body_ = std::move(response.body);
    unsent_ = {AsBytes(head_), AsBytes(whole_body_)};
}

Status HttpExchange::Send(HttpResponse response) {
    if (started_) return Error(ErrorCode::kInternal, "an answer was started twice");
    if (response.status < 200 || response.status > 599) {
        return Error(ErrorCode::kInternal, "{} is no final HTTP status", response.status);
    }
    TRY_CONTEXT(CheckFields(response.headers), "answer");
    Prepare(std::move(response));
    return TrySend();
}

// Sends what the socket takes now; the rest waits for the IO thread.
Status HttpExchange::TrySend() {
    while (!unsent_[0].empty() || !unsent_[1].empty()) {
        IoOutcome outcome = channel_.Write(unsent_);
        if (outcome.state == IoState::kWantRead || outcome.state == IoState::kWantWrite) return Ok();
        if (outcome.state != IoState::kDone) return ClientGone(channel_.failure());
        Advance(unsent_, outcome.bytes);
    }
    return Ok();
}

Result<ByteWriter*> HttpExchange::Start(int status, HttpHeaders headers, std::optional<uint64_t> content_length) {
    if (started_) return Error(ErrorCode::kInternal, "an answer was started twice");
    if (status < 200 || status > 599) return Error(ErrorCode::kInternal, "{} is no final HTTP status", status);
    TRY_CONTEXT(CheckFields(headers), "answer");
    started_ = streaming_ = true;
    bool has_body = MayHaveBody(status);
    chunked_ = has_body && !content_length && !http_1_0_;
    // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
    if (has_body && !content_length && http_1_0_) keep_alive_ = false;
    bool states_length = has_body || status == 304;
    head_ = Head(status, headers, states_length ? content_length : std::nullopt, chunked_);
    unsent_ = {AsBytes(head_), {}};
    if (request_.method == "HEAD" || !has_body) {
        streaming_ = chunked_ = false;
        TRY(TrySend());
        return static_cast<ByteWriter*>(&writer_);
    }
    stream_left_ = content_length;
    // With a length the body follows at once, in the same packet; a stream's reader wants to know that it began.
    if (!content_length) TRY(WritePiece({}));
    return static_cast<ByteWriter*>(&writer_);
}

// Its head leaves with the IO thread, which has the socket from then on.
Result<std::shared_ptr<HttpStream>> HttpExchange::StartStream(int status, HttpHeaders headers) {
    if (started_) return Error(ErrorCode::kInternal, "an answer was started twice");
    if (!MayHaveBody(status)) return Error(ErrorCode::kInternal, "an answer of status {} has no body", status);
    TRY_CONTEXT(CheckFields(headers), "answer");
    started_ = true;
    keep_alive_ = false;  // the listener leaves by closing
    head_ = Head(status, headers, std::nullopt, !http_1_0_);
    unsent_ = {AsBytes(head_), {}};
    stream_ = std::make_shared<HttpStream>(!http_1_0_);
    if (request_.method == "HEAD") stream_->Close();
    return stream_;
}

Status HttpExchange::WriteAnswer(ByteSpan bytes) {
    if (!streaming_) return Ok();  // HEAD, 204, 304: there is no body, whatever the handler writes
    if (stream_left_ && bytes.size() > *stream_left_) {
        cut_ = true;
        return Error(ErrorCode::kInternal, "an answer is longer than its Content-Length");
    }
    while (!bytes.empty()) {
        ByteSpan piece = bytes.first(std::min(bytes.size(), kPieceBytesMax));
        TRY(WritePiece(piece));
        if (stream_left_) *stream_left_ -= piece.size();
        bytes = bytes.subspan(piece.size());
    }
    return Ok();
}

// Sends the head if it has not left yet, and the piece as a chunk or as it is.
Status HttpExchange::WritePiece(ByteSpan piece) {
    ByteSpan head = std::exchange(unsent_[0], {});
    if (!chunked_ || piece.empty()) {
        ByteSpan pieces[] = {head, piece};
        return SendPieces(pieces);
    }
    char size[24];
    size_t digits = static_cast<size_t>(fmt::format_to(size, "{:x}\r\n", piece.size()) - size);
    ByteSpan pieces[] = {head, AsBytes(std::string_view(size, digits)), piece, AsBytes("\r\n")};
    return SendPieces(pieces);
}

Status HttpExchange::SendPieces(std::span<const ByteSpan> pieces) {
    Status sent = WriteBlocking(channel_, pieces, After(config_.write_timeout));
    if (sent.ok()) return Ok();
    cut_ = true;
    return ClientGone(sent.error());
}

Status HttpExchange::FinishStream() {
    if (cut_) return Error(ErrorCode::kCancelled, "the answer was cut");
    if (!streaming_) return Ok();
    if (stream_left_ && *stream_left_ > 0) {
        return Error(ErrorCode::kInternal, "an answer is {} bytes shorter than its Content-Length", *stream_left_);
    }
    if (chunked_) whole_body_ = kLastChunk;
    unsent_[1] = AsBytes(whole_body_);
    return TrySend();
}

}  // namespace tarn
