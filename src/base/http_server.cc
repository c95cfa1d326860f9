// The HTTP server. IO threads run one coroutine a connection: TLS handshake, head, small bodies, the rest of whole
// answers, draining, closing. A request's handler runs on the executor (http_exchange.h), which has the channel to
// itself meanwhile; the coroutine sleeps until it is back. Everything else here belongs to one IO thread.
//
// Boost.Asio waits for sockets and wakes coroutines; Boost.Beast takes the heads of requests apart.
#include <pthread.h>
#include <sys/epoll.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "base/http_exchange.h"
#include "base/net_tls.h"
#include "base/text.h"

// Asio allocates coroutine frames with aligned_alloc and frees them to match; g++ 12 sees only half of that.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace tarn {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

// A body up to here is read before the handler starts, so that a slow sender does not hold an executor's thread.
constexpr uint64_t kBodyReadAheadBytes = 64 << 10;
constexpr uint64_t kDrainBytesMax = 1 << 20;
// After an early answer the client may still be sending: read on for a while, or the reset would take our answer away.
constexpr uint64_t kLingerBytesMax = 64 << 20;
constexpr Duration kLingerTime = std::chrono::seconds(2);
constexpr Duration kStopTime = std::chrono::seconds(5);
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
constexpr size_t kReadStepBytes = 8 << 10;

// Writes what Beast finds in a head straight into our request. Bodies are not Beast's: they may be large.
class HeadParser final : public beast::http::basic_parser<true> {
  public:
    HeadParser(HttpRequest& request, size_t bytes_max) : request_(request) {
        header_limit(static_cast<uint32_t>(bytes_max));
        skip(true);
    }
    int version() const { return version_; }
    int hosts() const { return hosts_; }
    bool expects_continue() const { return expects_continue_; }
    bool unknown_expectation() const { return unknown_expectation_; }
    bool unknown_encoding() const { return unknown_encoding_; }

  private:
    using View = beast::string_view;
    static std::string Text(View view) { return std::string(view.data(), view.size()); }

    void on_request_impl(beast::http::verb, View method, View target, int version, error_code&) override {
        request_.method = Text(method);
        request_.target = Text(target);
        version_ = version;
    }
    void on_field_impl(beast::http::field name, View text, View value, error_code&) override {
        using Field = beast::http::field;
        std::string_view plain(value.data(), value.size());
        if (name == Field::host) hosts_++;
        if (name == Field::expect) {
            expects_continue_ = EqualsIgnoreCase(plain, "100-continue");
            unknown_expectation_ = !expects_continue_;
        }
        if (name == Field::transfer_encoding) {
            // One field of one coding: of several, who stands before us may have read another one than we.
            unknown_encoding_ = encodings_++ > 0 || unknown_encoding_ || !EqualsIgnoreCase(plain, "chunked");
        }
        request_.headers.Add(Text(text), std::string(plain));
    }
    void on_response_impl(int, View, int, error_code&) override {}
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(boost::optional<uint64_t> const&, error_code&) override {}
    size_t on_body_impl(View body, error_code&) override { return body.size(); }
    void on_chunk_header_impl(uint64_t, View, error_code&) override {}
    size_t on_chunk_body_impl(uint64_t, View body, error_code&) override { return body.size(); }
    void on_finish_impl(error_code&) override {}

    HttpRequest& request_;
    int version_ = 11;
    int hosts_ = 0;
    int encodings_ = 0;
    bool expects_continue_ = false;
    bool unknown_expectation_ = false;
    bool unknown_encoding_ = false;
};

struct Refusal {
    int status;
    std::string_view code;
    std::string message;
    std::string hint = {};
};

// What all threads of a server share. It outlives every connection.
struct Shared {
    Shared(HttpServerConfig config, Log& log, Executor& executor, HttpServe serve)
        : config(std::move(config)), log(log), executor(executor), serve(std::move(serve)) {}

    bool Enter() {
        std::lock_guard lock(mutex);
        if (connections >= config.connections_max) return false;
        connections++;
        return true;
    }
    void Leave() {
        std::lock_guard lock(mutex);
        connections--;
        changed.notify_all();
    }
    // False when some are left at the end of the time; zero waits for ever.
    bool WaitUntilEmpty(Duration time) {
        std::unique_lock lock(mutex);
        auto empty = [this] { return connections == 0; };
        if (time == Duration::zero()) return changed.wait(lock, empty), true;
        return changed.wait_for(lock, time, empty);
    }

    const HttpServerConfig config;
    Log& log;
    Executor& executor;
    const HttpServe serve;
    std::atomic<bool> stopping{false};

    std::mutex mutex;
    std::condition_variable changed;
    int connections = 0;
};

class IoThread;

class Connection {
  public:
    Connection(IoThread& thread, uint64_t id, std::unique_ptr<Channel> channel);
    ~Connection() { waiter_.release(); }

    asio::awaitable<void> Run();
    void CheckDeadline(Duration now);
    void PeerGone();
    void StopIfIdle();
    void Cut();

  private:
    enum class Head { kRequest, kRefused, kClosed };

    asio::awaitable<bool> Wait(IoState want, Deadline deadline);
    asio::awaitable<bool> Handshake();
    asio::awaitable<bool> ServeOne();
    asio::awaitable<Head> ReadHead(HeadParser& parser, std::optional<Refusal>& refusal);
    asio::awaitable<bool> ReadMore(Deadline deadline);
    asio::awaitable<bool> ReadAhead(uint64_t bytes);
    asio::awaitable<void> OnExecutor(HttpExchange& exchange);
    asio::awaitable<bool> Flush(HttpExchange& exchange);
    asio::awaitable<bool> Stream(HttpExchange& exchange);
    asio::awaitable<bool> Drain(BodyDecoder& body);
    asio::awaitable<void> Refuse(HttpRequest request, Refusal refusal);
    asio::awaitable<void> Close();

    std::optional<Refusal> Check(const HeadParser& parser, HttpRequest& request, RequestFraming& framing);
    std::optional<Refusal> CheckTarget(const HeadParser& parser, HttpRequest& request);
    std::optional<Refusal> CheckBody(HeadParser& parser, HttpRequest& request, RequestFraming& framing);

    IoThread& thread_;
    Shared& shared_;
    const uint64_t id_;
    std::unique_ptr<Channel> channel_;
    asio::posix::stream_descriptor waiter_;  // of the channel's socket, which it does not own
    asio::steady_timer back_;                // never expires; cancelled when the executor is done
    const Address local_;
    const Address remote_;
    InputBuffer input_;
    std::optional<CancelToken> running_;  // of the request that is being handled
    Deadline deadline_ = kNever;
    bool timed_out_ = false;
    bool idle_ = true;
    bool streaming_ = false;
    bool peer_gone_ = false;
    bool linger_ = false;
    bool failed_ = false;
};

class IoThread {
  public:
    IoThread(Shared& shared, Fd hangups);
    ~IoThread();

    void Start(int index);
    void StartAccepting(Fd listener, std::vector<std::unique_ptr<IoThread>>& threads);
    // On any thread.
    void Adopt(Fd fd);
    void Stop();  // no new connections; closes those that wait for a request
    void CutAll();
    // On this thread.
    void Forget(uint64_t id);

    Shared& shared() { return shared_; }
    // Shared with work on executors: the last of it may still be waking this context when the server goes away.
    const std::shared_ptr<asio::io_context>& context() { return context_; }

  private:
    asio::awaitable<void> CheckDeadlines();
    asio::awaitable<void> WatchHangups();
    asio::awaitable<void> Accept(std::vector<std::unique_ptr<IoThread>>& threads);
    asio::awaitable<void> AwaitIncoming(int accept_error);
    void Begin(Fd fd);

    Shared& shared_;
    std::shared_ptr<asio::io_context> context_ = std::make_shared<asio::io_context>(1);
    asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(*context_);
    // Tells of peers that finished sending, once each, even while a handler has the socket: edge-triggered, so a
    // connection costs one system call in its life.
    asio::posix::stream_descriptor hangups_;
    asio::posix::stream_descriptor listener_{*context_};  // open on the one thread that accepts
    std::map<uint64_t, std::unique_ptr<Connection>> connections_;
    uint64_t next_id_ = 1;
    std::thread thread_;
};

// ---- connections

Connection::Connection(IoThread& thread, uint64_t id, std::unique_ptr<Channel> channel)
    : thread_(thread),
      shared_(thread.shared()),
      id_(id),
      channel_(std::move(channel)),
      waiter_(*thread.context(), channel_->fd()),
      back_(*thread.context(), asio::steady_timer::time_point::max()),
      local_(LocalEndpoint(channel_->fd()).ToAddress()),
      remote_(RemoteEndpoint(channel_->fd()).ToAddress()) {}

asio::awaitable<void> Connection::Run() {
    struct Leaver {
        ~Leaver() { thread.Forget(id); }
        IoThread& thread;
        uint64_t id;
    } leaver{thread_, id_};
    bool open = co_await Handshake();
    while (open) open = co_await ServeOne();
    co_await Close();
}

asio::awaitable<bool> Connection::Wait(IoState want, Deadline deadline) {
    using Descriptor = asio::posix::stream_descriptor;
    auto kind = want == IoState::kWantWrite ? Descriptor::wait_write : Descriptor::wait_read;
    error_code error;
    timed_out_ = false;
    deadline_ = deadline;
    co_await waiter_.async_wait(kind, asio::redirect_error(asio::use_awaitable, error));
    deadline_ = kNever;
    co_return !error && !timed_out_;
}

void Connection::CheckDeadline(Duration now) {
    if (now < deadline_) return;
    deadline_ = kNever;
    timed_out_ = true;
    waiter_.cancel();
}

void Connection::PeerGone() {
    peer_gone_ = true;
    if (running_) running_->Cancel();
    if (streaming_) back_.cancel();
}

void Connection::StopIfIdle() {
    if (idle_) waiter_.cancel();
    if (streaming_) back_.cancel();
}

void Connection::Cut() {
    failed_ = true;
    if (running_) running_->Cancel();
    if (streaming_) back_.cancel();
    channel_->Shutdown();
}

asio::awaitable<bool> Connection::Handshake() {
    Deadline deadline = After(shared_.config.head_timeout);
    while (!shared_.stopping.load()) {
        IoOutcome outcome = channel_->Handshake();
        if (outcome.state == IoState::kDone) co_return true;
        if (outcome.state == IoState::kFailed || outcome.state == IoState::kEnd) co_return false;
        if (!co_await Wait(outcome.state, deadline)) co_return false;
    }
    co_return false;
}

// False: nothing more will come, or not in time.
asio::awaitable<bool> Connection::ReadMore(Deadline deadline) {
    while (true) {
        IoOutcome outcome = channel_->Read(input_.Space(kReadStepBytes));
        if (outcome.state == IoState::kDone) {
            input_.Filled(outcome.bytes);
            co_return true;
        }
        if (outcome.state == IoState::kFailed || outcome.state == IoState::kEnd) co_return false;
        if (!co_await Wait(outcome.state, deadline)) co_return false;
    }
}

asio::awaitable<Connection::Head> Connection::ReadHead(HeadParser& parser, std::optional<Refusal>& refusal) {
    bool begun = false;
    idle_ = true;
    input_.Release();
    Deadline deadline = After(shared_.config.idle_timeout);
    while (true) {
        // Some old clients end a body with one empty line too many (RFC 9112, 2.2).
        while (!begun && AsText(input_.unread()).starts_with("\r\n")) input_.Consume(2);
        ByteSpan unread = input_.unread();
        if (!unread.empty()) {
            if (!begun) deadline = After(shared_.config.head_timeout);
            begun = true;
            idle_ = false;
            error_code error;
            input_.Consume(parser.put(asio::const_buffer(unread.data(), unread.size()), error));
            if (!error && parser.is_header_done()) co_return Head::kRequest;
            if (error == beast::http::error::header_limit) {
                refusal = {431, "head_too_large",
                           fmt::format("the request's head is larger than {} bytes", shared_.config.head_bytes_max)};
                co_return Head::kRefused;
            }
            if (error && error != beast::http::error::need_more) {
                refusal = {400, "bad_request", "not HTTP/1.1: " + error.message()};
                co_return Head::kRefused;
            }
        }
        if (idle_ && shared_.stopping.load()) co_return Head::kClosed;
        if (co_await ReadMore(deadline)) continue;
        if (!begun || !timed_out_) co_return Head::kClosed;
        refusal = {408, "timeout", "the request's head did not come in time"};
        co_return Head::kRefused;
    }
}

std::optional<Refusal> Connection::CheckTarget(const HeadParser& parser, HttpRequest& request) {
    Result<std::optional<std::string>> authority = FillTarget(request);
    if (!authority.ok()) return Refusal{400, "bad_request", authority.error().message()};
    if (parser.hosts() > 1 || (parser.hosts() == 0 && parser.version() >= 11)) {
        return Refusal{400, "bad_request", "a request needs exactly one Host header"};
    }
    std::string host = authority->value_or(std::string(request.headers.Get("Host")));
    if (parser.hosts() == 0 && host.empty()) return std::nullopt;
    const HttpServerConfig& config = shared_.config;
    if (IsHostAllowed(host, local_, config.listen.host, config.hosts)) return std::nullopt;
    return Refusal{421, "misdirected", fmt::format("this server does not answer for the host \"{}\"", host),
                   "use the address that it listens on, or add the name to the allowed hosts of its configuration"};
}

std::optional<Refusal> Connection::CheckBody(HeadParser& parser, HttpRequest& request, RequestFraming& framing) {
    uint64_t bytes_max = shared_.config.body_bytes_max;
    if (parser.unknown_encoding()) {
        return Refusal{501, "not_supported", "of transfer encodings only \"chunked\" is supported"};
    }
    if (parser.chunked()) {
        if (parser.version() < 11) return Refusal{400, "bad_request", "HTTP/1.0 has no Transfer-Encoding"};
        framing.body = BodyDecoder::Chunked(bytes_max);
    } else if (boost::optional<uint64_t> length = parser.content_length()) {
        request.content_length = *length;
        if (*length > bytes_max) {
            return Refusal{413, "resource_exhausted",
                           fmt::format("the body of {} bytes is larger than the limit, {}", *length, bytes_max)};
        }
        framing.body = BodyDecoder::Length(*length);
    }
    if (parser.unknown_expectation()) {
        return Refusal{417, "not_supported", "only \"Expect: 100-continue\" is supported"};
    }
    framing.expects_continue = parser.expects_continue() && parser.version() >= 11 && !framing.body.done();
    return std::nullopt;
}

std::optional<Refusal> Connection::Check(const HeadParser& parser, HttpRequest& request, RequestFraming& framing) {
    if (parser.version() != 10 && parser.version() != 11) {
        return Refusal{505, "not_supported", "only HTTP/1.0 and HTTP/1.1 are supported"};
    }
    framing.http_1_0 = parser.version() == 10;
    framing.keep_alive = parser.keep_alive();
    request.remote = remote_;
    request.encrypted = channel_->encrypted();
    return CheckTarget(parser, request);
}

// Serves one request; true if another may follow.
asio::awaitable<bool> Connection::ServeOne() {
    HttpRequest request;
    HeadParser parser(request, shared_.config.head_bytes_max);
    std::optional<Refusal> refusal;
    Head head = co_await ReadHead(parser, refusal);
    if (head == Head::kClosed) co_return false;
    RequestFraming framing;
    if (head == Head::kRequest) refusal = Check(parser, request, framing);
    if (!refusal) refusal = CheckBody(parser, request, framing);
    if (refusal) {
        co_await Refuse(std::move(request), std::move(*refusal));
        co_return false;
    }
    uint64_t length = request.content_length.value_or(0);
    if (length > 0 && length <= kBodyReadAheadBytes && !framing.expects_continue) {
        if (!co_await ReadAhead(length)) co_return false;
    }
    if (shared_.stopping.load()) framing.keep_alive = false;
    HttpExchange exchange(*channel_, input_, shared_.config, std::move(request), std::move(framing));
    co_await OnExecutor(exchange);
    bool sent = co_await Flush(exchange);
    if (exchange.stream() && sent && !exchange.cut()) sent = co_await Stream(exchange);
    if (exchange.stream()) exchange.stream()->Close();
    if (!sent || exchange.cut()) failed_ = true;
    linger_ = !exchange.body().done();
    if (failed_ || !exchange.keep_alive() || exchange.waits_for_continue()) co_return false;
    if (!linger_) co_return true;
    linger_ = !co_await Drain(exchange.body());
    co_return !linger_;
}

asio::awaitable<bool> Connection::ReadAhead(uint64_t bytes) {
    Deadline deadline = After(shared_.config.idle_timeout);
    while (input_.unread().size() < bytes) {
        if (!co_await ReadMore(deadline)) co_return false;
    }
    co_return true;
}

// Runs the handler on the executor and sleeps until it is done.
asio::awaitable<void> Connection::OnExecutor(HttpExchange& exchange) {
    running_ = exchange.request().cancelled;
    if (peer_gone_) running_->Cancel();
    // The work must not touch this connection after it has told the context: it may be gone by then.
    auto work = [this, &exchange, context = thread_.context()] {
        exchange.Run(shared_.serve, shared_.log);
        asio::post(*context, [this] { back_.cancel(); });
    };
    Status submitted = shared_.executor.Submit(std::move(work));
    if (submitted.ok()) {
        error_code error;
        co_await back_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    } else {
        exchange.Prepare({503,
                          {{"Content-Type", "application/json"}, {"Retry-After", "1"}},
                          ErrorBody("unavailable", "the server is busy", "try again in a moment")});
    }
    running_.reset();
}

asio::awaitable<bool> Connection::Flush(HttpExchange& exchange) {
    constexpr size_t kProgressBytes = 64 << 10;  // a client slower than this within the write timeout is cut off
    std::array<ByteSpan, 2>& pieces = exchange.unsent();
    Deadline deadline = After(shared_.config.write_timeout);
    size_t progress = 0;
    while (!pieces[0].empty() || !pieces[1].empty()) {
        IoOutcome outcome = channel_->Write(pieces);
        if (outcome.state == IoState::kDone) {
            Advance(pieces, outcome.bytes);
            progress += outcome.bytes;
            if (progress >= kProgressBytes) {
                deadline = After(shared_.config.write_timeout);
                progress = 0;
            }
            continue;
        }
        if (outcome.state == IoState::kFailed || outcome.state == IoState::kEnd) co_return false;
        if (!co_await Wait(outcome.state, deadline)) co_return false;
    }
    co_return true;
}

// Sends what others write, until they or the listener have enough; meanwhile no thread waits.
asio::awaitable<bool> Connection::Stream(HttpExchange& exchange) {
    // Who wakes has the stream's lock, and Close takes it: no wake is under way once this has ended.
    HttpStream& stream = *exchange.stream();
    stream.Attach([this, context = thread_.context()] { asio::post(*context, [this] { back_.cancel(); }); });
    streaming_ = true;
    bool sent = true;
    for (bool more = true; more && sent && !peer_gone_ && !failed_;) {
        if (shared_.stopping.load()) stream.End();
        std::string text = stream.Take(more);
        exchange.unsent() = {AsBytes(text), {}};
        sent = co_await Flush(exchange);
        error_code error;
        if (text.empty() && more) co_await back_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
    streaming_ = false;
    co_return sent && !peer_gone_;
}

// Reads the rest of a body that the handler left, if it is not much.
asio::awaitable<bool> Connection::Drain(BodyDecoder& body) {
    if (body.done()) co_return true;
    Deadline deadline = After(shared_.config.idle_timeout);
    Bytes discarded(kReadStepBytes);
    uint64_t total = 0;
    while (!body.done()) {
        Result<BodyDecoder::Step> step = body.Decode(input_.unread(), discarded);
        if (!step.ok()) co_return false;
        input_.Consume(step->consumed);
        total += step->produced;
        if (total > kDrainBytesMax) co_return false;
        if (step->consumed > 0) continue;
        if (!co_await ReadMore(deadline)) co_return false;
    }
    co_return true;
}

asio::awaitable<void> Connection::Refuse(HttpRequest request, Refusal refusal) {
    RequestFraming framing;
    framing.keep_alive = false;
    HttpExchange exchange(*channel_, input_, shared_.config, std::move(request), framing);
    exchange.Prepare({refusal.status,
                      {{"Content-Type", "application/json"}},
                      ErrorBody(refusal.code, refusal.message, refusal.hint)});
    linger_ = co_await Flush(exchange);
}

asio::awaitable<void> Connection::Close() {
    if (failed_) {
        channel_->ResetOnClose();
        co_return;
    }
    channel_->FinishWriting();
    if (!linger_) co_return;
    Deadline deadline = After(kLingerTime);
    uint64_t total = 0;
    while (total < kLingerBytesMax && !shared_.stopping.load()) {
        input_.Consume(input_.unread().size());
        if (!co_await ReadMore(deadline)) co_return;
        total += input_.unread().size();
    }
}

// ---- IO threads

IoThread::IoThread(Shared& shared, Fd hangups) : shared_(shared), hangups_(*context_, hangups.Release()) {}

IoThread::~IoThread() {
    work_.reset();
    context_->stop();
    if (thread_.joinable()) thread_.join();
}

void IoThread::Start(int index) {
    asio::co_spawn(*context_, CheckDeadlines(), asio::detached);
    asio::co_spawn(*context_, WatchHangups(), asio::detached);
    thread_ = std::thread([context = context_] { context->run(); });
    ::pthread_setname_np(thread_.native_handle(), fmt::format("http-io-{}", index).c_str());
}

void IoThread::Adopt(Fd fd) {
    asio::post(*context_, [this, fd = std::move(fd)]() mutable { Begin(std::move(fd)); });
}

void IoThread::Begin(Fd fd) {
    int number = fd.get();
    std::unique_ptr<Channel> channel;
    if (shared_.config.tls) {
        Result<std::unique_ptr<Channel>> made = TlsServerChannel(std::move(fd), *shared_.config.tls);
        if (!made.ok()) {
            shared_.log.Error("cannot start TLS", {{"error", made.error().ToString()}});
            return shared_.Leave();
        }
        channel = std::move(*made);
    } else {
        channel = Channel::Plain(std::move(fd));
    }
    uint64_t id = next_id_++;
    std::unique_ptr<Connection> connection;
    try {
        connection = std::make_unique<Connection>(*this, id, std::move(channel));
    } catch (const std::exception& error) {
        shared_.log.Error("cannot wait for a socket", {{"error", error.what()}});
        return shared_.Leave();
    }
    epoll_event event{};
    event.events = EPOLLRDHUP | EPOLLET;
    event.data.u64 = id;
    ::epoll_ctl(hangups_.native_handle(), EPOLL_CTL_ADD, number, &event);
    Connection& started = *(connections_[id] = std::move(connection));
    asio::co_spawn(*context_, started.Run(), asio::detached);
}

void IoThread::Forget(uint64_t id) {
    // Not at once: the connection's coroutine is still on its way out.
    asio::post(*context_, [this, id] {
        connections_.erase(id);
        shared_.Leave();
    });
}

void IoThread::Stop() {
    asio::post(*context_, [this] {
        error_code ignored;
        listener_.close(ignored);
        for (auto& [id, connection] : connections_) connection->StopIfIdle();
    });
}

void IoThread::CutAll() {
    asio::post(*context_, [this] {
        for (auto& [id, connection] : connections_) connection->Cut();
    });
}

// One timer for all connections rather than one each: a request sets a number, and makes no system call for it.
asio::awaitable<void> IoThread::CheckDeadlines() {
    const HttpServerConfig& config = shared_.config;
    Duration shortest = std::min({config.head_timeout, config.idle_timeout, config.write_timeout});
    Duration step = std::clamp<Duration>(shortest / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(500));
    asio::steady_timer timer(*context_);
    error_code error;
    while (!error) {
        timer.expires_after(step);
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
        Duration now = MonotonicNow();
        for (auto& [id, connection] : connections_) connection->CheckDeadline(now);
    }
}

asio::awaitable<void> IoThread::WatchHangups() {
    error_code error;
    while (true) {
        co_await hangups_.async_wait(hangups_.wait_read, asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return;
        epoll_event events[64];
        int count = ::epoll_wait(hangups_.native_handle(), events, 64, 0);
        for (int i = 0; i < count; i++) {
            auto found = connections_.find(events[i].data.u64);
            if (found != connections_.end()) found->second->PeerGone();
        }
    }
}

// A short word to a client that there is no room for; if it does not fit into the socket's buffer, so be it.
void RefuseCrowd(Fd fd, const Shared& shared) {
    if (shared.config.tls) return;
    HttpResponse response{503,
                          {{"Content-Type", "application/json"}, {"Retry-After", "1"}},
                          ErrorBody("unavailable", "too many connections", "try again in a moment")};
    std::string head =
        ResponseHead(503, response.headers, {response.body.size(), false, true, false}, SystemEnv().clock().Now());
    ByteSpan pieces[] = {AsBytes(head), AsBytes(response.body)};
    SendSome(fd.get(), pieces);
    ShutdownWriting(fd.get());
}

void IoThread::StartAccepting(Fd listener, std::vector<std::unique_ptr<IoThread>>& threads) {
    listener_.assign(listener.Release());
    asio::co_spawn(*context_, Accept(threads), asio::detached);
}

asio::awaitable<void> IoThread::Accept(std::vector<std::unique_ptr<IoThread>>& threads) {
    size_t next = 0;
    while (listener_.is_open()) {
        Fd fd = AcceptOne(listener_.native_handle());
        if (!fd.valid()) {
            co_await AwaitIncoming(errno);
        } else if (shared_.Enter()) {
            threads[next % threads.size()]->Adopt(std::move(fd));
            // A flood of connections must not keep this thread from its others.
            constexpr size_t kAcceptedAtOnce = 64;
            if (++next % kAcceptedAtOnce == 0) co_await asio::post(*context_, asio::use_awaitable);
        } else {
            RefuseCrowd(std::move(fd), shared_);
        }
    }
}

asio::awaitable<void> IoThread::AwaitIncoming(int accept_error) {
    error_code ignored;
    if (accept_error == EINTR || accept_error == ECONNABORTED) co_return;
    if (accept_error == EAGAIN) {
        co_await listener_.async_wait(listener_.wait_read, asio::redirect_error(asio::use_awaitable, ignored));
        co_return;
    }
    // Most likely out of file descriptors: the waiting connection would wake us at once, for nothing.
    shared_.log.Warning("cannot accept connections", {{"error", std::strerror(accept_error)}});
    asio::steady_timer pause(*context_, kAcceptPause);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// ----

class BeastHttpServer final : public HttpServer {
  public:
    BeastHttpServer(HttpServerConfig config, Log& log, Executor& executor, HttpServe serve)
        : shared_(std::move(config), log, executor, std::move(serve)) {}

    ~BeastHttpServer() override {
        shared_.stopping.store(true);
        for (auto& thread : threads_) thread->Stop();
        if (!shared_.WaitUntilEmpty(kStopTime)) {
            for (auto& thread : threads_) thread->CutAll();
            // Handlers use what our owner destroys next, so there is no limit to this wait.
            if (!shared_.WaitUntilEmpty(kStopTime)) {
                shared_.log.Warning("waiting for handlers that do not heed cancellation", {});
                shared_.WaitUntilEmpty(Duration::zero());
            }
        }
    }

    Status Listen() {
        const HttpServerConfig& config = shared_.config;
        Fd listener = TRY(tarn::Listen(config.listen));
        address_ = {config.listen.host, LocalEndpoint(listener.get()).ToAddress().port};
        for (int i = 0; i < std::max(config.io_threads, 1); i++) {
            Fd hangups(::epoll_create1(EPOLL_CLOEXEC));
            if (!hangups.valid()) return Error(ErrorCode::kIo, "cannot make an epoll: {}", std::strerror(errno));
            threads_.push_back(std::make_unique<IoThread>(shared_, std::move(hangups)));
        }
        threads_[0]->StartAccepting(std::move(listener), threads_);
        for (size_t i = 0; i < threads_.size(); i++) threads_[i]->Start(static_cast<int>(i));
        return Ok();
    }

    Address address() const override { return address_; }

  private:
    Shared shared_;
    Address address_;
    std::vector<std::unique_ptr<IoThread>> threads_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Create(HttpServerConfig config, Log& log, Executor& executor,
                                                       HttpServe serve) {
    TRY(CheckListenPolicy(config.listen, config.tls != nullptr));
    auto server = std::make_unique<BeastHttpServer>(std::move(config), log, executor, std::move(serve));
    TRY(server->Listen());
    return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace tarn
