// Session: one Kafka client's connection: who it is, what it may, its answers in the order of its requests. Internal to
// the component.
//
// Audit. An access of the data plane (produce, fetch, offsets, membership) would be thousands of records a second, so
// it is recorded by windows: before the first answer of an API about a topic or group a record says who begins; a
// minute later, or at the end, one says how much it was. Everything else is recorded call by call.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/frame_server.h"
#include "ingestion/buffer/broker.h"
#include "wire/kafka/api.h"

namespace tarn::wire {
class ScramServer;
}

namespace tarn::buffer {

class Exchange;
using ExchangePtr = std::shared_ptr<Exchange>;  // shared with whoever makes the answer, which may come late

// One API: its row, the versions that are served, what does it.
struct ApiRow {
    kafka::ApiKey key;
    int16_t version_min;
    int16_t version_max;
    security::Operation operation;
    void (*handle)(const ExchangePtr&);
    bool before_login = false;
    int16_t advertised_min = -1;  // where it isn't version_min
};
const std::vector<ApiRow>& ApiRows();
const ApiRow* FindRow(int16_t key);

class Session : public std::enable_shared_from_this<Session> {
  public:
    Session(Broker& broker, std::shared_ptr<FrameConnection> connection);
    ~Session();

    FrameHandler::Next OnFrame(Bytes frame);
    void OnClosed();

    Broker& broker() { return broker_; }
    FrameConnection& connection() { return *connection_; }
    security::Principal principal() const;
    // Nothing is read from the connection for so long.
    void Mute(Duration time);
    bool logged_in() const { return logged_in_.load(); }
    void LogIn(security::Principal principal);

    // What a login needs between its requests; of the connection's thread or the one request that runs.
    struct Login {
        std::string mechanism;
        std::unique_ptr<wire::ScramServer> scram;
        std::string user;
    };
    Login login;

  private:
    friend class Exchange;
    struct Window {
        Duration opened{0};
        Timestamp since;
        int64_t requests = 0, rows = 0, bytes = 0;
    };
    using WindowKey = std::tuple<int16_t, std::string, std::string>;  // API, kind and name of the resource

    FrameHandler::Next Take(std::shared_ptr<Bytes> frame);
    void Hold(std::shared_ptr<Bytes> frame, Duration time);
    uint64_t OpenSlot();
    void Fill(uint64_t slot, std::vector<SharedBytes> pieces);
    bool HasWindow(const WindowKey& key);
    Status OpenWindow(const ApiRow& row, const WindowKey& key);
    Status Record(const ApiRow& row, const WindowKey& key, const Window* before);
    bool StillWelcome();

    Broker& broker_;
    const std::shared_ptr<FrameConnection> connection_;
    const std::string remote_;
    std::atomic<bool> logged_in_{false};
    std::atomic<Duration> muted_until_{Duration(0)};
    bool waiting_ = false;  // of the connection's thread: its request runs elsewhere
    Duration refreshed_{0};

    mutable std::mutex mutex_;  // guards all below
    security::Principal principal_;
    struct Slot {
        bool filled = false;
        std::vector<SharedBytes> pieces;
    };
    std::deque<Slot> slots_;
    uint64_t first_slot_ = 0;
    bool crowded_ = false;  // so many answers are owed that no request is taken until some left
    std::map<WindowKey, Window> windows_;
};

// One request under way. Answered exactly once; who lets go of it unanswered closes the connection.
class Exchange : public std::enable_shared_from_this<Exchange> {
  public:
    Exchange(std::shared_ptr<Session> session, const ApiRow& row, kafka::RequestHeader header,
             std::shared_ptr<Bytes> frame, kafka::Reader reader, uint64_t slot);
    ~Exchange();

    Session& session() { return *session_; }
    Broker& broker() { return session_->broker(); }
    const ApiRow& row() const { return row_; }
    const kafka::RequestHeader& header() const { return header_; }
    int16_t version() const { return header_.api_version; }
    std::string client_id() const { return header_.client_id.value_or(""); }
    const std::shared_ptr<Bytes>& frame() const { return frame_; }
    security::Principal principal() const { return session_->principal(); }

    // The message; on an error the connection is closed and nothing more is to be done.
    template <typename Message>
    std::optional<Message> Decode() {
        Result<Message> message = Message::Decode(reader_, version());
        if (message.ok()) return *std::move(message);
        Break(message.error());
        return std::nullopt;
    }
    template <typename Message>
    void Answer(const Message& message) {
        AnswerAs(version(), message);
    }
    template <typename Message>
    void AnswerAs(int16_t version, const Message& message) {
        auto pieces = kafka::EncodeResponse(header_.correlation_id, version, message);
        if (!pieces.ok()) return Break(pieces.error());
        Deliver(*std::move(pieces));
    }
    void AnswerNothing() { Deliver({}); }  // acks=0
    // Closes the connection.
    void Break(const Error& error);

    // Runs `work`, which may block, on the executor; meanwhile the connection's next request waits.
    void OnExecutor(std::function<void()> work);
    // As OnExecutor, but the connection goes on: for answers that wait for something.
    void Later(std::function<void()> work);

    // Counts the time that `work` takes towards the client's quota.
    void Timed(const std::function<void()>& work);
    // May the principal do the row's action to it? Only asks.
    bool May(std::string_view action, const std::string& kind, const std::string& name) const;
    // Asks for each name and sees to the audit's windows; `then` gets the answers, perhaps on the executor.
    using Then = std::function<void(const std::vector<bool>& allowed)>;
    void WithAccess(const std::string& kind, std::vector<std::string> names, Then then);
    void Count(const std::string& kind, const std::string& name, int64_t rows, int64_t bytes);
    // Counts it towards the client's quotas. How long it has to wait now, in ms: it is told so, and muted (KIP-219).
    int32_t Throttle(QuotaKind kind, double amount);
    // As Throttle, for changes of topics, which are refused while there were too many (KIP-599).
    Status ThrottleChanges(double partitions, bool strict, int32_t& throttle_time_ms);
    // One audited call by the row. Blocks: on the executor.
    Status Run(const std::string& kind, const std::string& name, const std::function<Status(security::Call&)>& handler);
    // As another API's call: what one does on the way of the other.
    Status RunAs(kafka::ApiKey api, const std::string& kind, const std::string& name,
                 const std::function<Status(security::Call&)>& handler);

  private:
    void Deliver(std::vector<SharedBytes> pieces);

    const std::shared_ptr<Session> session_;
    const ApiRow& row_;
    const kafka::RequestHeader header_;
    const std::shared_ptr<Bytes> frame_;
    kafka::Reader reader_;
    const uint64_t slot_;
    bool on_executor_ = false;
    std::atomic<bool> answered_{false};
};

}  // namespace tarn::buffer
