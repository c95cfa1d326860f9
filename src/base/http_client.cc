// The HTTP/1.1 client: blocking, over the dialer's streams, with a pool of kept connections. A redirect is dialled like
// any other address, so the dialer checks it again.
#include <algorithm>
#include <array>
#include <functional>
#include <mutex>

#include "base/http_message.h"
#include "base/net_channel.h"
#include "base/text.h"

namespace tarn {
namespace {

constexpr size_t kHeadBytesMax = 64 << 10;
constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kWriteBytes = 1 << 20;
constexpr size_t kErrorBodyBytesMax = 64 << 10;
constexpr int kInterimAnswersMax = 16;
constexpr size_t kIdleConnectionsMax = 64;
constexpr size_t kIdlePerHostMax = 8;
// Shorter than servers keep theirs, so that we rarely meet one that is just being closed.
constexpr Duration kIdleTime = std::chrono::seconds(20);

struct Connection {
    std::unique_ptr<tarn::Stream> stream;
    InputBuffer input;
    std::shared_ptr<TlsContext> tls;  // kept so that its address, which is in the key, means nothing else meanwhile
    std::string pool_key;
    bool reused = false;
};

// Connections without a request. Any thread.
class ConnectionPool {
  public:
    std::optional<Connection> Take(const std::string& key) {
        std::lock_guard lock(mutex_);
        DropOld();
        while (true) {
            auto found = std::find_if(idle_.rbegin(), idle_.rend(),
                                      [&](const Idle& idle) { return idle.connection.pool_key == key; });
            if (found == idle_.rend()) return std::nullopt;
            Connection connection = std::move(found->connection);
            idle_.erase(std::next(found).base());
            if (!connection.stream->Reusable()) continue;
            connection.reused = true;
            return connection;
        }
    }

    void Put(Connection connection) {
        std::lock_guard lock(mutex_);
        DropOld();
        auto same_host = [&](const Idle& idle) { return idle.connection.pool_key == connection.pool_key; };
        size_t same = static_cast<size_t>(std::count_if(idle_.begin(), idle_.end(), same_host));
        if (same >= kIdlePerHostMax) return;
        if (idle_.size() >= kIdleConnectionsMax) idle_.erase(idle_.begin());
        idle_.push_back({std::move(connection), MonotonicNow() + kIdleTime});
    }

  private:
    struct Idle {
        Connection connection;
        Deadline until;
    };

    void DropOld() {
        Duration now = MonotonicNow();
        std::erase_if(idle_, [now](const Idle& idle) { return idle.until < now; });
    }

    std::mutex mutex_;
    std::vector<Idle> idle_;  // oldest first
};

bool IsRedirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool IsIdempotent(std::string_view method) {
    constexpr std::string_view kMethods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    return std::find(std::begin(kMethods), std::end(kMethods), method) != std::end(kMethods);
}

std::string HostHeader(const Url& url) {
    int usual_port = url.scheme == "https" ? 443 : 80;
    std::string text = url.address.ToString();
    return url.address.port == usual_port ? text.substr(0, text.rfind(':')) : text;
}

// For errors: queries carry signatures and tokens.
std::string Shown(const Url& url) {
    return fmt::format("{}://{}{}", url.scheme, HostHeader(url), url.target.substr(0, url.target.find('?')));
}

// RFC 3986, 5.2, for what servers send.
Result<Url> ResolveLocation(const Url& base, std::string_view location) {
    if (location.empty()) return Error(ErrorCode::kUnavailable, "a redirect without a Location");
    if (location.find("://") != std::string_view::npos && location.find("://") < location.find_first_of("/?#")) {
        return ParseUrl(location);
    }
    std::string origin = base.scheme + "://" + base.address.ToString();
    if (location.starts_with("//")) return ParseUrl(fmt::format("{}:{}", base.scheme, location));
    if (location.starts_with('/')) return ParseUrl(origin + std::string(location));
    std::string path = base.target.substr(0, base.target.find('?'));
    if (location.starts_with('?')) return ParseUrl(fmt::format("{}{}{}", origin, path, location));
    return ParseUrl(fmt::format("{}{}{}", origin, path.substr(0, path.rfind('/') + 1), location));
}

// Another origin must not see credentials, whichever header they are in; these are known to hold none.
HttpHeaders HeadersForStrangers(const HttpHeaders& headers) {
    constexpr std::string_view kHarmless[] = {"accept",     "accept-language", "accept-encoding", "content-type",
                                              "user-agent", "range",           "if-match",        "if-none-match"};
    HttpHeaders kept;
    for (const auto& [name, value] : headers.fields()) {
        std::string lower = ToLower(name);
        bool harmless = std::find(std::begin(kHarmless), std::end(kHarmless), lower) != std::end(kHarmless);
        if (harmless) kept.Add(name, value);
    }
    return kept;
}

// One request to one URL; a redirect makes a new one.
struct Call {
    Url url;
    std::string method;
    HttpHeaders headers;
    std::string_view body;
    ByteReader* content = nullptr;  // instead of `body`, and read only once
    uint64_t content_bytes = 0;
};

std::string RequestHead(const Call& call) {
    std::string head = fmt::format("{} {} HTTP/1.1\r\n", call.method, call.url.target);
    auto add = [&](std::string_view name, std::string_view value) {
        head.append(name).append(": ").append(value).append("\r\n");
    };
    if (!call.headers.Has("Host")) add("Host", HostHeader(call.url));
    for (const auto& [name, value] : call.headers.fields()) {
        bool ours = EqualsIgnoreCase(name, "Content-Length") || EqualsIgnoreCase(name, "Transfer-Encoding") ||
                    EqualsIgnoreCase(name, "Connection");
        if (!ours) add(name, value);
    }
    if (!call.headers.Has("User-Agent")) add("User-Agent", "tarn");
    if (!call.headers.Has("Accept-Encoding")) add("Accept-Encoding", "identity");
    bool wants_body = call.method == "POST" || call.method == "PUT" || call.method == "PATCH";
    uint64_t body_bytes = call.content ? call.content_bytes : call.body.size();
    if (body_bytes > 0 || wants_body) add("Content-Length", fmt::format("{}", body_bytes));
    return head.append("\r\n");
}

// Where a body goes. Bytes that a limit refuses end the transfer.
using BodySink = std::function<Status(ByteSpan)>;

// One request and answer on one connection.
class Transfer {
  public:
    // After `deadline` nothing waits any longer; once the body streams, `silence` is the limit of each wait instead.
    Transfer(Connection& connection, Deadline deadline, std::optional<Duration> silence)
        : connection_(connection), deadline_(deadline), silence_(silence) {}

    Status Send(const Call& call) {
        std::string head = RequestHead(call);
        ByteSpan body = AsBytes(call.body);
        // A small body travels with the head.
        if (body.size() <= kReadBytes) {
            head.append(call.body);
            body = {};
        }
        TRY(Write(AsBytes(head)));
        while (!body.empty()) {
            ByteSpan piece = body.first(std::min(body.size(), kWriteBytes));
            TRY(Write(piece));
            body = body.subspan(piece.size());
        }
        return call.content ? SendContent(*call.content, call.content_bytes) : Ok();
    }

    Status SendContent(ByteReader& content, uint64_t bytes) {
        Bytes buffer(kWriteBytes);
        while (bytes > 0) {
            size_t wanted = static_cast<size_t>(std::min<uint64_t>(bytes, buffer.size()));
            size_t count = TRY(content.Read(MutableByteSpan(buffer).first(wanted)));
            if (count == 0) return Error(ErrorCode::kFailedPrecondition, "the content ends {} bytes early", bytes);
            TRY(Write(ByteSpan(buffer).first(count)));
            bytes -= count;
        }
        return Ok();
    }

    Result<ResponseHeadFields> ReadHead() {
        for (int i = 0; i < kInterimAnswersMax; i++) {
            ResponseHeadFields head = TRY(ReadOneHead());
            if (head.status >= 200) return head;
            if (head.status == 101) return Error(ErrorCode::kUnavailable, "the server changed the protocol unasked");
        }
        return Error(ErrorCode::kUnavailable, "the server sends interim answers only");
    }

    Status ReadBody(BodyDecoder& body, const BodySink& sink) {
        deadline_known_ = !silence_;
        Bytes buffer(std::clamp<uint64_t>(body.remaining().value_or(kReadBytes), 1, kReadBytes));
        InputBuffer& input = connection_.input;
        while (!body.done()) {
            size_t got = 0;
            if (!input.unread().empty()) {
                Result<BodyDecoder::Step> step = body.Decode(input.unread(), buffer);
                // Whatever is wrong with it, it is the server's doing, not our caller's.
                if (!step.ok()) return Error(ErrorCode::kUnavailable, "a broken answer: {}", step.error().message());
                input.Consume(step->consumed);
                got = step->produced;
            } else if (body.direct() > 0) {
                got = TRY(Read(MutableByteSpan(buffer).first(std::min<uint64_t>(body.direct(), buffer.size()))));
                if (got == 0 && body.until_close()) return Ok();
                if (got == 0) return CutShort();
                body.TookDirectly(got);
            } else {
                size_t more = TRY(Read(input.Space(kReadBytes / 4)));
                if (more == 0) return CutShort();
                input.Filled(more);
            }
            if (got > 0) TRY(sink(ByteSpan(buffer).first(got)));
        }
        return Ok();
    }

    // Whether any byte of an answer has come: from then on a request must not be repeated.
    bool answered() const { return answered_; }

  private:
    static Error CutShort() { return Error(ErrorCode::kUnavailable, "the server cut its answer short"); }

    Status SetTimeouts() {
        if (!deadline_known_) {
            connection_.stream->SetTimeouts(*silence_, *silence_);
            return Ok();
        }
        Duration left = Duration::zero();
        if (deadline_ != kNever) {
            left = deadline_ - MonotonicNow();
            if (left <= Duration::zero()) return Error(ErrorCode::kTimeout, "the server did not answer in time");
        }
        connection_.stream->SetTimeouts(left, left);
        return Ok();
    }

    Status Write(ByteSpan bytes) {
        TRY(SetTimeouts());
        return connection_.stream->Write(bytes);
    }

    Result<size_t> Read(MutableByteSpan buffer) {
        TRY(SetTimeouts());
        size_t got = TRY(connection_.stream->Read(buffer));
        if (got > 0) answered_ = true;
        return got;
    }

    Result<ResponseHeadFields> ReadOneHead() {
        InputBuffer& input = connection_.input;
        while (true) {
            std::string_view text = AsText(input.unread());
            size_t end = text.find("\r\n\r\n");
            if (end != std::string_view::npos) {
                Result<ResponseHeadFields> head = ParseResponseHead(text.substr(0, end + 4));
                input.Consume(end + 4);
                return head;
            }
            if (text.size() > kHeadBytesMax) return Error(ErrorCode::kUnavailable, "the answer's head is too long");
            size_t got = TRY(Read(input.Space(16 << 10)));
            if (got == 0) return Error(ErrorCode::kUnavailable, "the server closed the connection without an answer");
            input.Filled(got);
        }
    }

    Connection& connection_;
    const Deadline deadline_;
    const std::optional<Duration> silence_;
    bool deadline_known_ = true;
    bool answered_ = false;
};

class PoolingHttpClient final : public HttpClient {
  public:
    explicit PoolingHttpClient(Dialer& dialer) : dialer_(dialer) {}

    Result<HttpClientResponse> Send(const HttpClientRequest& request, size_t body_bytes_max) override {
        return Follow(request, nullptr, body_bytes_max);
    }

    Result<HttpClientResponse> Stream(const HttpClientRequest& request, ByteWriter& sink) override {
        return Follow(request, &sink, kErrorBodyBytesMax);
    }

  private:
    struct Answer {
        HttpClientResponse response;
        bool is_redirect = false;
    };

    // Makes the request, and those that redirects lead to.
    Result<HttpClientResponse> Follow(const HttpClientRequest& request, ByteWriter* sink, size_t body_bytes_max) {
        Call call{TRY(ParseUrl(request.url)), request.method, request.headers, request.body, request.content,
                  request.content_bytes};
        if (!IsFieldName(call.method)) return Error(ErrorCode::kInvalidArgument, "no HTTP method: {}", call.method);
        TRY(CheckFields(call.headers));
        Deadline deadline = After(request.timeout);
        for (int followed = 0;; followed++) {
            bool may_follow = followed < request.redirects_max;
            std::string context = call.method + " " + Shown(call.url);
            Result<Answer> answer = Once(request, call, {deadline, sink, body_bytes_max, may_follow});
            if (!answer.ok()) return std::move(answer).error().Context(context);
            if (!answer->is_redirect || call.content) return std::move(answer->response);
            if (!may_follow && request.redirects_max > 0) {
                return Error(ErrorCode::kUnavailable, "{}: more than {} redirects", context, request.redirects_max);
            }
            if (!may_follow) return std::move(answer->response);
            TRY_CONTEXT(Redirect(answer->response, call), context);
        }
    }

    static Status Redirect(const HttpClientResponse& response, Call& call) {
        Url next = TRY(ResolveLocation(call.url, response.headers.Get("Location")));
        if (call.url.scheme == "https" && next.scheme != "https") {
            return Error(ErrorCode::kPermissionDenied, "redirected from https to http ({}), which is refused",
                         Shown(next));
        }
        bool same_origin = next.scheme == call.url.scheme && next.address.port == call.url.address.port &&
                           EqualsIgnoreCase(next.address.host, call.url.address.host);
        if (!same_origin) call.headers = HeadersForStrangers(call.headers);
        // As browsers do: only 307 and 308 repeat what was sent.
        bool becomes_get = response.status == 303 || (response.status <= 302 && call.method == "POST");
        if (becomes_get && call.method != "HEAD") {
            call.method = "GET";
            call.body = {};
        }
        call.url = std::move(next);
        return Ok();
    }

    struct Terms {
        Deadline deadline;
        ByteWriter* sink;  // of a streamed body; null: into memory
        size_t body_bytes_max;
        bool follows;
    };

    Result<Answer> Once(const HttpClientRequest& request, const Call& call, const Terms& terms) {
        bool fresh = false;
        while (true) {
            Connection connection = TRY(Open(request, call.url, terms.deadline, fresh));
            std::optional<Duration> silence;
            if (terms.sink) silence = request.timeout;
            Transfer transfer(connection, terms.deadline, silence);
            Status sent = transfer.Send(call);
            // A server may answer before it has read everything, and close: what it says is worth more than our error.
            Result<ResponseHeadFields> head = transfer.ReadHead();
            if (head.ok()) return Receive(connection, transfer, call, terms, std::move(*head), sent.ok());
            // A kept connection may have been closed by the server at the very moment it was taken.
            bool closed_meanwhile = !call.content && connection.reused && !transfer.answered() &&
                                    head.error().code() == ErrorCode::kUnavailable;
            if (closed_meanwhile && IsIdempotent(call.method)) {
                fresh = true;
                continue;
            }
            return sent.ok() ? std::move(head).error() : std::move(sent).error();
        }
    }

    Result<Answer> Receive(Connection& connection, Transfer& transfer, const Call& call, const Terms& terms,
                           ResponseHeadFields head, bool sent) {
        BodyDecoder body = TRY(ResponseBody(head, call.method));
        bool close = body.until_close() || !sent || ListHas(head.headers.Get("Connection"), "close") ||
                     (head.http_1_0 && !ListHas(head.headers.Get("Connection"), "keep-alive"));
        Answer answer{{head.status, std::move(head.headers), ""}};
        answer.is_redirect = IsRedirect(head.status) && answer.response.headers.Has("Location");
        bool skips_body = answer.is_redirect && terms.follows;
        std::string& text = answer.response.body;
        Status read = Ok();
        if (skips_body) {
            size_t skipped = 0;
            read = transfer.ReadBody(body, [&](ByteSpan bytes) -> Status {
                skipped += bytes.size();
                return skipped > kErrorBodyBytesMax ? BodyTooLarge(kErrorBodyBytesMax) : Ok();
            });
            if (!read.ok()) return answer;  // nobody wants it; the connection is not kept
        } else if (terms.sink && head.status >= 200 && head.status < 300) {
            read = transfer.ReadBody(body, [&](ByteSpan bytes) { return terms.sink->Write(bytes); });
        } else {
            read = ReadIntoMemory(transfer, body, terms, text);
        }
        if (!read.ok()) return std::move(read).error();
        if (!close && body.done() && connection.input.unread().empty()) {
            connection.input.Release();
            pool_.Put(std::move(connection));
        }
        return answer;
    }

    static Status ReadIntoMemory(Transfer& transfer, BodyDecoder& body, const Terms& terms, std::string& text) {
        bool cuts = terms.sink != nullptr;  // of an error's page the beginning is enough
        bool fits = body.until_close() || body.remaining().value_or(0) <= terms.body_bytes_max;
        if (!cuts && !fits) return BodyTooLarge(terms.body_bytes_max);
        Status read = transfer.ReadBody(body, [&](ByteSpan bytes) -> Status {
            size_t taken = std::min(bytes.size(), terms.body_bytes_max - text.size());
            text.append(AsText(bytes.first(taken)));
            return taken == bytes.size() ? Ok() : BodyTooLarge(terms.body_bytes_max);
        });
        bool too_large = !read.ok() && read.error().detail_code() == kBodyTooLargeCode;
        return cuts && too_large ? Ok() : read;
    }

    Result<Connection> Open(const HttpClientRequest& request, const Url& url, Deadline deadline, bool fresh) {
        DialOptions options;
        options.policy = request.policy;
        if (url.scheme == "https") options.tls = request.tls ? request.tls : TRY(SystemRoots());
        std::string key =
            fmt::format("{} {} {} {} {}", url.scheme, url.address.ToString(), request.policy.allow_loopback,
                        request.policy.allow_private, static_cast<const void*>(options.tls.get()));
        if (!fresh) {
            if (std::optional<Connection> kept = pool_.Take(key)) return std::move(*kept);
        }
        if (deadline != kNever) {
            Duration left = deadline - MonotonicNow();
            if (left <= Duration::zero()) return Error(ErrorCode::kTimeout, "the server did not answer in time");
            options.timeout = std::min(options.timeout, left);
        }
        return Connection{TRY(dialer_.Dial(url.address, options)), {}, options.tls, key};
    }

    Result<std::shared_ptr<TlsContext>> SystemRoots() {
        std::lock_guard lock(mutex_);
        if (!system_roots_) system_roots_ = TRY(TlsContext::Client());
        return system_roots_;
    }

    Dialer& dialer_;
    ConnectionPool pool_;
    std::mutex mutex_;
    std::shared_ptr<TlsContext> system_roots_;
};

}  // namespace

std::unique_ptr<HttpClient> HttpClient::Create(Dialer& dialer) { return std::make_unique<PoolingHttpClient>(dialer); }

}  // namespace tarn
