// One request and its answer, on the executor's thread: a blocking body reader and a blocking responder.
//
// While `Run` runs, the channel belongs to this thread; before and after it belongs to the IO thread. What a whole
// answer could not send at once stays in `unsent`, and the IO thread sends it: a slow client does not hold the
// executor's thread for an answer that is ready. A streamed answer does hold it: each write waits for the client, at
// most the write timeout a piece.
#pragma once

#include <array>
#include <atomic>

#include "base/http_message.h"
#include "base/http_stream.h"
#include "base/net_channel.h"

namespace tarn {

struct RequestFraming {
    bool http_1_0 = false;
    bool keep_alive = true;
    bool expects_continue = false;
    BodyDecoder body = BodyDecoder::Nothing();
};

class HttpExchange final : public HttpResponder, public HttpStreams {
  public:
    HttpExchange(Channel& channel, InputBuffer& input, const HttpServerConfig& config, HttpRequest request,
                 RequestFraming framing);

    void Run(const HttpServe& serve, Log& log);
    HttpRequest& request() { return request_; }

    // HttpResponder
    Status Send(HttpResponse response) override;
    Result<ByteWriter*> Start(int status, HttpHeaders headers, std::optional<uint64_t> content_length) override;
    bool started() const override { return started_; }
    // HttpStreams
    Result<std::shared_ptr<HttpStream>> StartStream(int status, HttpHeaders headers) override;

    // After Run, for the IO thread.
    bool cut() const { return cut_; }  // the answer is not whole: the connection must end as a failure
    bool keep_alive() const { return keep_alive_; }
    bool waits_for_continue() const { return expects_continue_; }
    std::array<ByteSpan, 2>& unsent() { return unsent_; }
    BodyDecoder& body() { return body_; }
    // What goes on after the handler; none for an ordinary answer.
    const std::shared_ptr<HttpStream>& stream() const { return stream_; }
    // For answers that no handler gives (a full queue): fills `unsent`.
    void Prepare(HttpResponse response);

  private:
    class BodyReader final : public ByteReader {
      public:
        explicit BodyReader(HttpExchange& exchange) : exchange_(exchange) {}
        Result<size_t> Read(MutableByteSpan buffer) override { return exchange_.ReadBody(buffer); }

      private:
        HttpExchange& exchange_;
    };
    class AnswerWriter final : public ByteWriter {
      public:
        explicit AnswerWriter(HttpExchange& exchange) : exchange_(exchange) {}
        Status Write(ByteSpan bytes) override { return exchange_.WriteAnswer(bytes); }

      private:
        HttpExchange& exchange_;
    };

    Result<size_t> ReadBody(MutableByteSpan buffer);
    Result<size_t> ReadSome(MutableByteSpan buffer);
    Result<size_t> AwaitBody(MutableByteSpan place);
    Status SendContinue();
    Status WriteAnswer(ByteSpan bytes);
    Status WritePiece(ByteSpan piece);
    Status SendPieces(std::span<const ByteSpan> pieces);
    Status Answered(Status status, Log& log);
    Status SendError(const Error& error);
    Status FinishStream();
    void DecideKeepAlive(const HttpHeaders& headers);
    std::string Head(int status, const HttpHeaders& headers, std::optional<uint64_t> content_length, bool chunked);
    Status TrySend();
    Error ClientGone(const Error& cause);

    Channel& channel_;
    InputBuffer& input_;
    const HttpServerConfig& config_;
    HttpRequest request_;
    BodyReader reader_{*this};
    AnswerWriter writer_{*this};
    BodyDecoder body_;
    std::optional<Error> body_failure_;
    // Waiting for the body since this many of its bytes came: a sender that trickles must not hold a thread for ever.
    Duration body_waited_{0};
    size_t body_progress_ = 0;
    const bool http_1_0_;
    bool keep_alive_;
    bool expects_continue_;

    bool started_ = false;
    bool streaming_ = false;
    bool chunked_ = false;
    bool cut_ = false;
    std::optional<uint64_t> stream_left_;
    std::string head_;
    std::string whole_body_;
    std::array<ByteSpan, 2> unsent_;
    std::shared_ptr<HttpStream> stream_;  // shared with who writes to it
};

}  // namespace tarn
