// StreamServer: a thread that accepts, and one for each connection.
#include <cerrno>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "base/net_stream.h"

namespace tarn {
namespace {

// So many connections over the limit are told so at one time; a flood beyond is closed without a word.
constexpr int kRefusalsMax = 32;
constexpr Duration kPause = std::chrono::milliseconds(100);

class ThreadedStreamServer final : public StreamServer {
  public:
    ThreadedStreamServer(Fd listener, WakeUp wake, StreamServerConfig config, Log& log,
                         std::function<void(Stream&)> serve, std::function<void(Stream&)> refuse)
        : listener_(std::move(listener)),
          wake_(std::move(wake)),
          config_(std::move(config)),
          log_(log),
          serve_(std::move(serve)),
          refuse_(std::move(refuse)),
          address_{config_.listen.host, LocalEndpoint(listener_.get()).ToAddress().port},
          acceptor_([this] { AcceptLoop(); }) {}

    ~ThreadedStreamServer() override {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.Signal();
        acceptor_.join();
        listener_.Close();
        {
            std::lock_guard lock(mutex_);
            for (auto& [id, session] : sessions_) {
                if (session.stream) session.stream->Shutdown();
            }
        }
        // Without the lock: the ending sessions need it.
        while (JoinFinished(/*wait=*/true)) {
        }
    }

    Address address() const override { return address_; }

  private:
    struct Session {
        std::unique_ptr<SocketStream> stream;
        std::thread thread;
        bool refused = false;
        bool finished = false;
    };

    bool stopping() {
        std::lock_guard lock(mutex_);
        return stopping_;
    }

    void AcceptLoop() {
        while (!stopping()) {
            bool incoming = wake_.Wait(listener_.get(), kNever);
            JoinFinished(/*wait=*/false);
            if (incoming && !stopping()) AcceptAll();
        }
    }

    void AcceptAll() {
        while (true) {
            Fd fd = AcceptOne(listener_.get());
            if (fd.valid()) {
                StartSession(std::move(fd));
                continue;
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) return;
            if (errno == EINTR || errno == ECONNABORTED) continue;
            log_.Warning("cannot accept connections",
                         {{"address", address_.ToString()}, {"error", std::strerror(errno)}});
            // Most likely out of file descriptors: the waiting connection would wake us at once, for nothing.
            wake_.Wait(-1, After(kPause));
            return;
        }
    }

    void StartSession(Fd fd) {
        Address remote = RemoteEndpoint(fd.get()).ToAddress();
        std::lock_guard lock(mutex_);
        bool refused = serving_ >= config_.connections_max;
        if (refused && refusing_ >= kRefusalsMax) return;
        (refused ? refusing_ : serving_)++;
        uint64_t id = next_id_++;
        Session& session = sessions_[id];
        session.stream = std::make_unique<SocketStream>(Channel::Plain(std::move(fd)), std::move(remote), true);
        session.refused = refused;
        try {
            session.thread = std::thread([this, id, &session] { RunSession(id, session); });
        } catch (const std::system_error& error) {
            log_.Warning("cannot start a thread for a connection", {{"error", error.what()}});
            (refused ? refusing_ : serving_)--;
            sessions_.erase(id);
        }
    }

    void RunSession(uint64_t id, Session& session) {
        try {
            (session.refused ? refuse_ : serve_)(*session.stream);
        } catch (const std::exception& error) {
            log_.Error("a connection ended by an exception", {{"error", error.what()}, {"connection", id}});
        }
        {
            std::lock_guard lock(mutex_);
            // Closed at once, not when the thread is joined: the client waits for it.
            session.stream.reset();
            session.finished = true;
            (session.refused ? refusing_ : serving_)--;
        }
        wake_.Signal();
    }

    // Joins ended sessions; with `wait` one at least. True while there are more to wait for.
    bool JoinFinished(bool wait) {
        std::vector<std::thread> ended;
        bool more;
        {
            std::lock_guard lock(mutex_);
            for (auto it = sessions_.begin(); it != sessions_.end();) {
                bool ready = it->second.finished;
                if (ready) ended.push_back(std::move(it->second.thread));
                it = ready ? sessions_.erase(it) : std::next(it);
            }
            more = !sessions_.empty();
        }
        for (std::thread& thread : ended) thread.join();
        if (wait && more && ended.empty()) wake_.Wait(-1, After(kPause));
        return more;
    }

    Fd listener_;
    WakeUp wake_;
    const StreamServerConfig config_;
    Log& log_;
    const std::function<void(Stream&)> serve_;
    const std::function<void(Stream&)> refuse_;
    const Address address_;

    std::mutex mutex_;
    std::map<uint64_t, Session> sessions_;  // a map: sessions hold references into it
    uint64_t next_id_ = 1;
    int serving_ = 0;
    int refusing_ = 0;
    bool stopping_ = false;

    std::thread acceptor_;  // last: it uses all of the above
};

}  // namespace

Result<std::unique_ptr<StreamServer>> StreamServer::Create(StreamServerConfig config, Log& log,
                                                           std::function<void(Stream&)> serve,
                                                           std::function<void(Stream&)> refuse) {
    TRY(CheckListenPolicy(config.listen, config.tls_possible));
    Fd listener = TRY(Listen(config.listen));
    return ServeListener(std::move(listener), std::move(config), log, std::move(serve), std::move(refuse));
}

Result<std::unique_ptr<StreamServer>> ServeListener(Fd listener, StreamServerConfig config, Log& log,
                                                    std::function<void(Stream&)> serve,
                                                    std::function<void(Stream&)> refuse) {
    WakeUp wake = TRY(WakeUp::Create());
    return std::unique_ptr<StreamServer>(std::make_unique<ThreadedStreamServer>(
        std::move(listener), std::move(wake), std::move(config), log, std::move(serve), std::move(refuse)));
}

}  // namespace tarn
