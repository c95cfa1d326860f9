#include "base/frame_server.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/net_tls.h"

namespace tarn {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kScratchBytes = 64 << 10;
constexpr size_t kPiecesAtOnce = 64;       // of one write
constexpr int kReadsAtOnce = 16;           // of one connection, before the others have their turn
constexpr int kTickMs = 1000;
constexpr int kStarvedTickMs = 10;         // while a connection waits for memory
constexpr Duration kSendingTime = std::chrono::seconds(60);  // a peer that takes nothing for so long is gone

class Loop;

struct Shared {
    Shared(FrameServerConfig config, Log& log, FrameServer::Accept accept)
        : config(std::move(config)), log(log), accept(std::move(accept)) {}
    const FrameServerConfig config;
    Log& log;
    const FrameServer::Accept accept;
    std::atomic<int> connections{0};
    std::atomic<size_t> receiving_bytes{0};
};

// All but Send, Resume, Trust and Close belongs to the loop's thread.
class Connection final : public FrameConnection, public std::enable_shared_from_this<Connection> {
  public:
    Connection(std::shared_ptr<Loop> loop, std::shared_ptr<Shared> shared, uint64_t id,
               std::unique_ptr<Channel> channel)
        : loop_(std::move(loop)),
          shared_(std::move(shared)),
          id_(id),
          channel_(std::move(channel)),
          remote_(RemoteEndpoint(channel_->fd()).ToAddress()),
          encrypted_(channel_->encrypted()),
          begun_(MonotonicNow()),
          active_(begun_),
          sending_since_(begun_) {}

    const Address& remote() const override { return remote_; }
    bool encrypted() const override { return encrypted_; }
    void Send(std::vector<SharedBytes> pieces) override;
    void Resume() override;
    void Trust() override { trusted_.store(true); }
    void Close() override;

    void Begin() { handler_ = shared_->accept(shared_from_this()); }
    void OnEvents(uint32_t events);
    void OnTick(Duration now);
    void ReadOn();
    void Flush();
    void End();
    bool starved() const { return starved_; }
    uint64_t id() const { return id_; }
    int fd() const { return channel_->fd(); }

  private:
    bool Handshake();
    bool MayRead() const { return !ended_ && !waiting_ && !starved_ && !closing_.load(); }
    // False: the connection ended or has to wait.
    bool Take(ByteSpan bytes);
    bool ReadSome();
    bool StartFrame();
    bool Room(size_t bytes);
    bool FinishFrame();
    void Want();
    size_t FrameBytesMax() const { return trusted_.load() ? shared_->config.frame_bytes_max : kUntrustedBytesMax; }

    // Both shared: who still makes an answer may outlive the server.
    const std::shared_ptr<Loop> loop_;
    const std::shared_ptr<Shared> shared_;
    const uint64_t id_;
    std::unique_ptr<Channel> channel_;
    const Address remote_;
    const bool encrypted_;
    std::unique_ptr<FrameHandler> handler_;
    const Duration begun_;
    Duration active_;
    Duration sending_since_;
    std::atomic<bool> trusted_{false};
    std::atomic<bool> closing_{false};
    bool handshaken_ = false;
    bool waiting_ = false;  // for Resume
    bool starved_ = false;  // for memory
    bool crowded_ = false;  // too much is being sent
    bool ended_ = false;
    bool read_wants_write_ = false;   // TLS may answer before it reads on
    bool write_wants_write_ = false;  // the peer takes no more for now
    uint32_t interest_ = EPOLLIN;
    Bytes left_;  // read, but behind a frame that made us wait
    uint8_t length_[kLengthBytes] = {};
    size_t length_filled_ = 0;
    size_t expected_ = 0;
    Bytes frame_;
    size_t filled_ = 0;
    size_t counted_ = 0;  // in receiving_bytes

    std::mutex mutex_;  // guards the three below
    std::deque<SharedBytes> unsent_;
    size_t unsent_bytes_ = 0;
    bool flush_posted_ = false;
};

class Loop : public std::enable_shared_from_this<Loop> {
  public:
    Loop(std::shared_ptr<Shared> shared, Fd epoll, Fd wake)
        : shared_(std::move(shared)), epoll_(std::move(epoll)), wake_(std::move(wake)) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = 0;
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
    }
    ~Loop() { Stop(); }

    void Start(int index) {
        thread_ = std::thread([this] { Run(); });
        ::pthread_setname_np(thread_.native_handle(), fmt::format("frame-io-{}", index).c_str());
    }
    void Stop() {
        if (!thread_.joinable()) return;
        Post([this] { stopping_ = true; });
        thread_.join();
    }
    // Any thread.
    void Post(std::function<void()> work) {
        {
            std::lock_guard lock(mutex_);
            if (closed_) return;
            posted_.push_back(std::move(work));
            if (posted_.size() > 1) return;
        }
        uint64_t one = 1;
        [[maybe_unused]] ssize_t written = ::write(wake_.get(), &one, sizeof(one));
    }
    // This thread.
    void Adopt(Fd fd);
    void Watch(Connection& connection, uint32_t interest, bool first) {
        epoll_event event{};
        event.events = interest;
        event.data.u64 = connection.id();
        ::epoll_ctl(epoll_.get(), first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, connection.fd(), &event);
    }
    void Forget(uint64_t id) { ended_.push_back(id); }
    MutableByteSpan scratch() { return scratch_; }
    void NoteStarved() { starved_ = true; }

  private:
    void Run();
    void RunPosted();
    void Tick();

    const std::shared_ptr<Shared> shared_;
    Fd epoll_;
    Fd wake_;
    Bytes scratch_ = Bytes(kScratchBytes);
    // Shared with handlers whose answers are still being made elsewhere.
    std::map<uint64_t, std::shared_ptr<Connection>> connections_;
    std::vector<uint64_t> ended_;
    uint64_t next_id_ = 1;
    bool stopping_ = false;
    bool starved_ = false;
    Duration ticked_{0};
    std::mutex mutex_;  // guards the two below
    std::vector<std::function<void()>> posted_;
    bool closed_ = false;  // nothing is run any more
    std::thread thread_;
};

// ---- a connection

void Connection::Send(std::vector<SharedBytes> pieces) {
    {
        std::lock_guard lock(mutex_);
        for (SharedBytes& piece : pieces) {
            if (piece.bytes.empty()) continue;
            unsent_bytes_ += piece.bytes.size();
            unsent_.push_back(std::move(piece));
        }
        if (flush_posted_) return;
        flush_posted_ = true;
    }
    loop_->Post([self = shared_from_this()] { self->Flush(); });
}

void Connection::Resume() {
    loop_->Post([self = shared_from_this()] {
        self->waiting_ = false;
        self->ReadOn();
    });
}

void Connection::Close() {
    closing_.store(true);
    loop_->Post([self = shared_from_this()] { self->Flush(); });
}

void Connection::End() {
    if (std::exchange(ended_, true)) return;
    shared_->receiving_bytes.fetch_sub(std::exchange(counted_, 0));
    channel_->Shutdown();
    if (handler_) handler_->OnClosed();
    handler_.reset();  // it refers to us
    loop_->Forget(id_);
}

void Connection::Want() {
    if (ended_) return;
    uint32_t interest =
        (MayRead() && !crowded_ ? EPOLLIN : 0u) | (read_wants_write_ || write_wants_write_ ? EPOLLOUT : 0u);
    if (interest == interest_) return;
    loop_->Watch(*this, interest, false);
    interest_ = interest;
}

bool Connection::Handshake() {
    IoOutcome outcome = channel_->Handshake();
    read_wants_write_ = outcome.state == IoState::kWantWrite;
    if (outcome.state == IoState::kDone) return handshaken_ = true;
    if (outcome.state == IoState::kFailed || outcome.state == IoState::kEnd) End();
    return false;
}

void Connection::OnEvents(uint32_t events) {
    if (ended_) return;
    // With nothing to read or write for us, the peer has gone altogether.
    if ((events & (EPOLLHUP | EPOLLERR)) && !(events & (EPOLLIN | EPOLLOUT))) return End();
    if (handshaken_ && (events & EPOLLOUT)) Flush();
    ReadOn();
}

void Connection::ReadOn() {
    if (ended_) return;
    if (!handshaken_ && !Handshake()) return Want();
    if (!left_.empty()) {
        Bytes left = std::exchange(left_, {});
        if (!Take(left)) return Want();
    }
    for (int reads = 0; MayRead() && !crowded_; ++reads) {
        if (reads == kReadsAtOnce) {
            // The channel may hold bytes that epoll knows nothing of.
            loop_->Post([self = shared_from_this()] { self->ReadOn(); });
            break;
        }
        if (!ReadSome()) break;
    }
    Want();
}

// One read of the channel; false when there is no more for now.
bool Connection::ReadSome() {
    bool direct = expected_ > 0 && expected_ - filled_ >= kScratchBytes;
    if (direct && !Room(filled_ + kScratchBytes)) return false;
    MutableByteSpan target = direct ? MutableByteSpan(frame_).subspan(filled_) : loop_->scratch();
    IoOutcome outcome = channel_->Read(target);
    if (outcome.state == IoState::kFailed || outcome.state == IoState::kEnd) return End(), false;
    read_wants_write_ = outcome.state == IoState::kWantWrite;
    if (outcome.state != IoState::kDone) return false;
    active_ = MonotonicNow();
    // Of a plain socket that gave less than there was room for, epoll tells when there is more.
    bool more = encrypted_ || outcome.bytes == target.size();
    if (!direct) return Take(target.first(outcome.bytes)) && more;
    filled_ += outcome.bytes;
    return (filled_ < expected_ || FinishFrame()) && more;
}

bool Connection::Take(ByteSpan bytes) {
    while (!bytes.empty()) {
        if (!MayRead()) {
            left_.assign(bytes.begin(), bytes.end());
            return false;
        }
        if (length_filled_ < kLengthBytes) {
            size_t count = std::min(bytes.size(), kLengthBytes - length_filled_);
            std::memcpy(length_ + length_filled_, bytes.data(), count);
            length_filled_ += count;
            bytes = bytes.subspan(count);
            if (length_filled_ < kLengthBytes) return true;
            if (!StartFrame()) return false;
        }
        size_t count = std::min(bytes.size(), expected_ - filled_);
        if (!Room(filled_ + count)) continue;  // starved: what is left is kept
        std::memcpy(frame_.data() + filled_, bytes.data(), count);
        filled_ += count;
        bytes = bytes.subspan(count);
        if (filled_ == expected_ && !FinishFrame()) {
            left_.assign(bytes.begin(), bytes.end());
            return false;
        }
    }
    return true;
}

bool Connection::StartFrame() {
    expected_ = 0;
    for (uint8_t byte : length_) expected_ = expected_ << 8 | byte;
    filled_ = 0;
    if (expected_ > 0 && expected_ <= FrameBytesMax()) return true;
    shared_->log.Warning("a frame is empty or too long; the connection was closed",
                         {{"remote", remote_.ToString()}, {"bytes", expected_}, {"max", FrameBytesMax()}});
    return End(), false;
}

// Makes the frame's memory at least `bytes`, growing with what has come; false: there is none for now.
bool Connection::Room(size_t bytes) {
    if (frame_.size() >= bytes) return true;
    size_t size = std::min(expected_, std::max(bytes, 2 * frame_.size()));
    size_t more = size - counted_;
    size_t before = shared_->receiving_bytes.fetch_add(more);
    if (before + more > shared_->config.receiving_bytes_max && before > 0) {
        shared_->receiving_bytes.fetch_sub(more);
        starved_ = true;
        loop_->NoteStarved();
        return false;
    }
    counted_ = size;
    frame_.resize(size);
    return true;
}

bool Connection::FinishFrame() {
    Bytes frame = std::exchange(frame_, {});
    shared_->receiving_bytes.fetch_sub(std::exchange(counted_, 0));
    length_filled_ = 0;
    expected_ = filled_ = 0;
    switch (handler_->OnFrame(std::move(frame))) {
        case FrameHandler::Next::kContinue:
            return true;
        case FrameHandler::Next::kWait:
            waiting_ = true;
            return true;  // Take keeps the rest
        case FrameHandler::Next::kClose:
            closing_.store(true);
            Flush();
            return false;
    }
    return false;
}

void Connection::Flush() {
    if (ended_) return;
    while (true) {
        std::vector<ByteSpan> pieces;
        {
            std::lock_guard lock(mutex_);
            flush_posted_ = false;
            crowded_ = unsent_bytes_ > shared_->config.sending_bytes_max;
            for (const SharedBytes& piece : unsent_) {
                if (pieces.size() == kPiecesAtOnce) break;
                pieces.push_back(piece.bytes);
            }
        }
        if (pieces.empty()) break;
        IoOutcome outcome = channel_->Write(pieces);
        if (outcome.state == IoState::kFailed || outcome.state == IoState::kEnd) return End();
        write_wants_write_ = outcome.state == IoState::kWantWrite;
        if (outcome.state != IoState::kDone) return Want();
        active_ = sending_since_ = MonotonicNow();
        std::lock_guard lock(mutex_);
        unsent_bytes_ -= outcome.bytes;
        for (size_t left = outcome.bytes; left > 0;) {
            SharedBytes& first = unsent_.front();
            size_t taken = std::min(left, first.bytes.size());
            first.bytes = first.bytes.subspan(taken);
            left -= taken;
            if (first.bytes.empty()) unsent_.pop_front();
        }
    }
    write_wants_write_ = false;
    sending_since_ = MonotonicNow();
    if (closing_.load()) return End();
    Want();
}

void Connection::OnTick(Duration now) {
    if (ended_) return;
    bool stuck = write_wants_write_ && now - sending_since_ > kSendingTime;
    bool stranger = !trusted_.load() && now - begun_ > kUntrustedTime;
    bool idle = !waiting_ && now - active_ > shared_->config.idle_timeout;
    if (stuck || stranger || idle) return End();
    if (std::exchange(starved_, false)) ReadOn();
}

// ---- a loop

void Loop::Adopt(Fd fd) {
    std::unique_ptr<Channel> channel;
    if (shared_->config.tls) {
        Result<std::unique_ptr<Channel>> made = TlsServerChannel(std::move(fd), *shared_->config.tls);
        if (!made.ok()) {
            shared_->log.Error("cannot start TLS", {{"error", made.error().ToString()}});
            shared_->connections.fetch_sub(1);
            return;
        }
        channel = *std::move(made);
    } else {
        channel = Channel::Plain(std::move(fd));
    }
    uint64_t id = next_id_++;
    auto connection = std::make_shared<Connection>(shared_from_this(), shared_, id, std::move(channel));
    connections_[id] = connection;
    Watch(*connection, EPOLLIN, true);
    connection->Begin();
    connection->ReadOn();
}

void Loop::RunPosted() {
    uint64_t count;
    [[maybe_unused]] ssize_t got = ::read(wake_.get(), &count, sizeof(count));
    std::vector<std::function<void()>> work;
    {
        std::lock_guard lock(mutex_);
        work.swap(posted_);
    }
    for (auto& one : work) one();
}

void Loop::Tick() {
    Duration now = MonotonicNow();
    bool starved = std::exchange(starved_, false);
    if (!starved && now - ticked_ < std::chrono::milliseconds(kTickMs)) return;
    ticked_ = now;
    for (auto& [id, connection] : connections_) connection->OnTick(now);
}

void Loop::Run() {
    epoll_event events[256];
    while (!stopping_) {
        int count = ::epoll_wait(epoll_.get(), events, 256, starved_ ? kStarvedTickMs : kTickMs);
        for (int index = 0; index < count; ++index) {
            uint64_t id = events[index].data.u64;
            if (id == 0) {
                RunPosted();
                continue;
            }
            auto found = connections_.find(id);
            if (found != connections_.end()) found->second->OnEvents(events[index].events);
        }
        Tick();
        for (uint64_t id : std::exchange(ended_, {})) {
            if (connections_.erase(id) > 0) shared_->connections.fetch_sub(1);
        }
    }
    for (auto& [id, connection] : connections_) connection->End();
    {
        std::lock_guard lock(mutex_);
        closed_ = true;
        posted_.clear();
    }
    shared_->connections.fetch_sub(static_cast<int>(connections_.size()));
    connections_.clear();
}

// ---- the server

class EpollFrameServer final : public FrameServer {
  public:
    EpollFrameServer(FrameServerConfig config, Log& log, Accept accept)
        : shared_(std::make_shared<Shared>(std::move(config), log, std::move(accept))) {}

    ~EpollFrameServer() override {
        stopping_.store(true);
        if (wake_) wake_->Signal();
        if (acceptor_.joinable()) acceptor_.join();
        for (auto& loop : loops_) loop->Stop();
    }

    Status Listen() {
        listener_ = TRY(tarn::Listen(shared_->config.listen));
        address_ = {shared_->config.listen.host, LocalEndpoint(listener_.get()).ToAddress().port};
        wake_ = TRY(WakeUp::Create());
        for (int index = 0; index < std::max(shared_->config.threads, 1); ++index) {
            Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
            Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
            if (!epoll.valid() || !wake.valid()) {
                return Error(ErrorCode::kIo, "cannot make an epoll: {}", std::strerror(errno));
            }
            loops_.push_back(std::make_shared<Loop>(shared_, std::move(epoll), std::move(wake)));
            loops_.back()->Start(index);
        }
        acceptor_ = std::thread([this] { AcceptLoop(); });
        return Ok();
    }

    Address address() const override { return address_; }
    int connections() const override { return shared_->connections.load(); }

  private:
    void AcceptLoop() {
        size_t next = 0;
        while (!stopping_.load()) {
            Fd fd = AcceptOne(listener_.get());
            if (!fd.valid()) {
                bool wait = errno == EAGAIN || errno == EWOULDBLOCK;
                if (wait) {
                    wake_->Wait(listener_.get(), kNever);
                } else if (errno != EINTR && errno != ECONNABORTED) {
                    // Most likely out of file descriptors: the waiting connection would wake us at once, for nothing.
                    shared_->log.Warning("cannot accept connections", {{"error", std::strerror(errno)}});
                    wake_->Wait(-1, After(std::chrono::milliseconds(100)));
                }
                continue;
            }
            if (shared_->connections.fetch_add(1) >= shared_->config.connections_max) {
                shared_->connections.fetch_sub(1);
                continue;
            }
            Loop& loop = *loops_[next++ % loops_.size()];
            // Shared as std::function wants to be copied.
            auto owned = std::make_shared<Fd>(std::move(fd));
            loop.Post([&loop, owned] { loop.Adopt(std::move(*owned)); });
        }
    }

    const std::shared_ptr<Shared> shared_;
    Address address_;
    Fd listener_;
    std::optional<WakeUp> wake_;
    std::atomic<bool> stopping_{false};
    std::vector<std::shared_ptr<Loop>> loops_;
    std::thread acceptor_;
};

}  // namespace

Result<std::unique_ptr<FrameServer>> FrameServer::Create(FrameServerConfig config, Log& log, Accept accept) {
    TRY(CheckListenPolicy(config.listen, config.tls != nullptr));
    auto server = std::make_unique<EpollFrameServer>(std::move(config), log, std::move(accept));
    TRY(server->Listen());
    return std::unique_ptr<FrameServer>(std::move(server));
}

}  // namespace tarn
