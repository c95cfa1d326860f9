#include "ingestion/buffer/session.h"

#include "wire/kafka/errors.h"
#include "wire/pgwire/scram.h"

namespace tarn::buffer {
namespace {

constexpr size_t kAnswersOwedMax = 1000;
constexpr Duration kWindow = std::chrono::minutes(1);
constexpr size_t kWindowsMax = 10'000;  // of a session
constexpr Duration kRefreshEvery = std::chrono::milliseconds(500);

}  // namespace

Session::Session(Broker& broker, std::shared_ptr<FrameConnection> connection)
    : broker_(broker), connection_(std::move(connection)), remote_(connection_->remote().ToString()) {}

Session::~Session() = default;

security::Principal Session::principal() const {
    std::lock_guard lock(mutex_);
    return principal_;
}

void Session::LogIn(security::Principal principal) {
    {
        std::lock_guard lock(mutex_);
        principal_ = std::move(principal);
    }
    logged_in_.store(true);
    connection_->Trust();
}

// Roles may have changed and credentials been revoked: this holds for open connections too.
bool Session::StillWelcome() {
    if (!logged_in()) return true;
    Duration now = broker_.env.clock().Monotonic();
    if (now - refreshed_ < kRefreshEvery) return true;
    refreshed_ = now;
    Result<security::Principal> fresh = broker_.authenticator.Refresh(principal());
    if (!fresh.ok()) return false;
    std::lock_guard lock(mutex_);
    principal_ = *std::move(fresh);
    return true;
}

void Session::Mute(Duration time) { muted_until_.store(broker_.env.clock().Monotonic() + time); }

FrameHandler::Next Session::OnFrame(Bytes frame) {
    auto owned = std::make_shared<Bytes>(std::move(frame));  // shared with what answers it
    Duration muted_until = muted_until_.load();
    if (muted_until == Duration(0)) return Take(std::move(owned));
    Duration left = muted_until - broker_.env.clock().Monotonic();
    if (left <= Duration(0)) return Take(std::move(owned));
    Hold(std::move(owned), left);
    return FrameHandler::Next::kWait;
}

// The connection waits meanwhile, so its thread is not in here.
void Session::Hold(std::shared_ptr<Bytes> frame, Duration time) {
    broker_.timers.After(time, [self = shared_from_this(), frame = std::move(frame)] {
        FrameHandler::Next next = self->Take(frame);
        if (next == FrameHandler::Next::kContinue) self->connection_->Resume();
        if (next == FrameHandler::Next::kClose) self->connection_->Close();
    });
}

FrameHandler::Next Session::Take(std::shared_ptr<Bytes> owned) {
    if (!StillWelcome()) return FrameHandler::Next::kClose;
    kafka::ReaderLimits limits;
    if (!logged_in()) limits.elements_max = 1000;
    kafka::Reader reader(*owned, limits);
    reader.set_more_may_follow(true);  // as Kafka passes it over: librdkafka's Metadata has bytes behind it
    Result<kafka::RequestHeader> header = kafka::RequestHeader::Decode(reader);
    const ApiRow* row = header.ok() ? FindRow(header->api_key) : nullptr;
    if (!row || (!logged_in() && !row->before_login)) {
        broker_.log.Debug("a connection of the buffer was closed",
                          {{"remote", remote_},
                           {"why", !header.ok() ? header.error().message()
                                   : !row       ? "no such API"
                                                : "it is not logged in: security.protocol must be SASL_..."}});
        return FrameHandler::Next::kClose;
    }
    waiting_ = false;
    {
        auto exchange = std::make_shared<Exchange>(shared_from_this(), *row, *std::move(header), owned,
                                                   std::move(reader), OpenSlot());
        bool known = exchange->version() >= row->version_min && exchange->version() <= row->version_max;
        if (known || row->key == kafka::ApiKey::kApiVersions) {
            exchange->Timed([&] { row->handle(exchange); });
        } else {
            exchange->Break(Error(ErrorCode::kNotSupported, "{} version {} is not supported", row->operation.name,
                                  exchange->version()));
        }
    }
    std::lock_guard lock(mutex_);
    if (!waiting_ && slots_.size() > kAnswersOwedMax) waiting_ = crowded_ = true;
    return waiting_ ? FrameHandler::Next::kWait : FrameHandler::Next::kContinue;
}

uint64_t Session::OpenSlot() {
    std::lock_guard lock(mutex_);
    slots_.emplace_back();
    return first_slot_ + slots_.size() - 1;
}

void Session::Fill(uint64_t slot, std::vector<SharedBytes> pieces) {
    std::vector<SharedBytes> ready;
    bool resume = false;
    // Under the lock to the end: two threads must not send in another order than they filled.
    std::lock_guard lock(mutex_);
    Slot& filled = slots_[slot - first_slot_];
    filled.filled = true;
    filled.pieces = std::move(pieces);
    while (!slots_.empty() && slots_.front().filled) {
        for (SharedBytes& piece : slots_.front().pieces) ready.push_back(std::move(piece));
        slots_.pop_front();
        ++first_slot_;
    }
    if (crowded_ && slots_.size() < kAnswersOwedMax / 2) {
        crowded_ = false;
        resume = true;
    }
    if (!ready.empty()) connection_->Send(std::move(ready));
    if (resume) connection_->Resume();
}

// ---- audit

bool Session::HasWindow(const WindowKey& key) {
    std::lock_guard lock(mutex_);
    auto found = windows_.find(key);
    return found != windows_.end() && broker_.env.clock().Monotonic() - found->second.opened < kWindow;
}

Status Session::Record(const ApiRow& row, const WindowKey& key, const Window* before) {
    return broker_.dispatcher.Run(row.operation, principal(), {std::get<1>(key), std::get<2>(key)}, remote_,
                                  [&](security::Call& call) {
                                      if (!before) return Ok();
                                      call.rows = before->rows;
                                      call.bytes = before->bytes;
                                      call.details["requests"] = before->requests;
                                      call.details["since"] = FormatTime(before->since);
                                      return Ok();
                                  });
}

Status Session::OpenWindow(const ApiRow& row, const WindowKey& key) {
    std::optional<Window> before;
    {
        std::lock_guard lock(mutex_);
        auto found = windows_.find(key);
        if (found != windows_.end()) before = found->second;
        if (found == windows_.end() && windows_.size() >= kWindowsMax) {
            return Error(ErrorCode::kResourceExhausted, "a connection may use {} topics and groups", kWindowsMax);
        }
    }
    TRY(Record(row, key, before ? &*before : nullptr));
    std::lock_guard lock(mutex_);
    Window& window = windows_[key];
    if (before) {  // what came meanwhile stays
        window.requests -= before->requests;
        window.rows -= before->rows;
        window.bytes -= before->bytes;
    }
    window.opened = broker_.env.clock().Monotonic();
    window.since = broker_.env.clock().Now();
    return Ok();
}

void Session::OnClosed() {
    std::map<WindowKey, Window> windows;
    {
        std::lock_guard lock(mutex_);
        windows.swap(windows_);
    }
    std::erase_if(windows, [](const auto& one) { return one.second.requests == 0; });
    if (windows.empty()) return;
    Status submitted = broker_.executor.Submit([self = shared_from_this(), windows = std::move(windows)] {
        for (const auto& [key, window] : windows) {
            Status recorded = self->Record(*FindRow(std::get<0>(key)), key, &window);
            if (recorded.ok() || recorded.error().code() == ErrorCode::kPermissionDenied) continue;
            self->broker_.log.Warning("what a client did at last is not in the audit log",
                                      {{"error", recorded.error().ToString()}});
        }
    });
    if (!submitted.ok()) {
        broker_.log.Warning("what a client did at last is not in the audit log",
                            {{"error", submitted.error().ToString()}});
    }
}

// ---- one request

Exchange::Exchange(std::shared_ptr<Session> session, const ApiRow& row, kafka::RequestHeader header,
                   std::shared_ptr<Bytes> frame, kafka::Reader reader, uint64_t slot)
    : session_(std::move(session)),
      row_(row),
      header_(std::move(header)),
      frame_(std::move(frame)),
      reader_(std::move(reader)),
      slot_(slot) {}

Exchange::~Exchange() {
    if (!answered_.load()) session_->connection().Close();
}

void Exchange::Deliver(std::vector<SharedBytes> pieces) {
    if (answered_.exchange(true)) return;
    session_->Fill(slot_, std::move(pieces));
}

void Exchange::Break(const Error& error) {
    broker().log.Warning("a connection of the buffer was closed", {{"remote", session_->remote_},
                                                                   {"api", std::string(row_.operation.name)},
                                                                   {"client", client_id()},
                                                                   {"error", error.ToString()}});
    answered_.store(true);
    session_->connection().Close();
}

void Exchange::OnExecutor(std::function<void()> work) {
    if (on_executor_) return work();
    on_executor_ = true;
    session_->waiting_ = true;
    Status submitted = broker().executor.Submit([self = shared_from_this(), work = std::move(work)] {
        self->Timed(work);
        self->on_executor_ = false;
        self->session_->connection().Resume();
    });
    if (!submitted.ok()) Break(submitted.error());
}

void Exchange::Later(std::function<void()> work) {
    Status submitted =
        broker().executor.Submit([self = shared_from_this(), work = std::move(work)] { self->Timed(work); });
    if (!submitted.ok()) Break(submitted.error());
}

bool Exchange::May(std::string_view action, const std::string& kind, const std::string& name) const {
    return session_->broker_.gate().Decide(principal(), action, {kind, name}).allowed;
}

void Exchange::WithAccess(const std::string& kind, std::vector<std::string> names, Then then) {
    auto key = [this, kind](const std::string& name) {
        return Session::WindowKey(static_cast<int16_t>(row_.key), kind, name);
    };
    bool recorded = std::all_of(names.begin(), names.end(),
                                [&](const std::string& name) { return session_->HasWindow(key(name)); });
    auto ask = [this, kind, names] {
        std::vector<bool> allowed;
        for (const std::string& name : names) allowed.push_back(May(row_.operation.action, kind, name));
        return allowed;
    };
    if (recorded) return then(ask());
    OnExecutor([this, self = shared_from_this(), key, names, ask, then = std::move(then)] {
        std::vector<bool> allowed = ask();
        for (size_t index = 0; index < names.size(); ++index) {
            if (session_->HasWindow(key(names[index]))) continue;
            Status opened = session_->OpenWindow(row_, key(names[index]));
            if (opened.ok()) continue;
            if (opened.error().code() != ErrorCode::kPermissionDenied) return Break(opened.error());
            allowed[index] = false;
        }
        then(allowed);
    });
}

void Exchange::Count(const std::string& kind, const std::string& name, int64_t rows, int64_t bytes) {
    std::lock_guard lock(session_->mutex_);
    auto found = session_->windows_.find({static_cast<int16_t>(row_.key), kind, name});
    if (found == session_->windows_.end()) return;
    found->second.requests++;
    found->second.rows += rows;
    found->second.bytes += bytes;
}

int32_t Exchange::Throttle(QuotaKind kind, double amount) {
    if (!broker().quotas.any()) return 0;
    Duration wait = broker().quotas.Note(kind, principal().name, client_id(), amount).wait;
    if (wait > Duration(0)) session_->Mute(wait);
    return static_cast<int32_t>(std::chrono::ceil<std::chrono::milliseconds>(wait).count());
}

Status Exchange::ThrottleChanges(double partitions, bool strict, int32_t& throttle_time_ms) {
    if (!broker().quotas.any()) return Ok();
    Quotas::Verdict verdict =
        broker().quotas.Note(QuotaKind::kMutations, principal().name, client_id(), partitions, strict);
    auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(verdict.wait).count();
    throttle_time_ms = std::max(throttle_time_ms, static_cast<int32_t>(wait_ms));
    if (verdict.wait > Duration(0)) session_->Mute(verdict.wait);
    if (!verdict.refused) return Ok();
    return kafka::MakeError(kafka::KafkaError::kThrottlingQuotaExceeded,
                            "too many partitions were made or removed (quota controller_mutation_rate)");
}

void Exchange::Timed(const std::function<void()>& work) {
    if (!session_->logged_in() || !broker().quotas.any()) return work();
    Duration begun = broker().env.clock().Monotonic();
    work();
    Throttle(QuotaKind::kRequestTime, std::chrono::duration<double>(broker().env.clock().Monotonic() - begun).count());
}

Status Exchange::Run(const std::string& kind, const std::string& name,
                     const std::function<Status(security::Call&)>& handler) {
    return RunAs(row_.key, kind, name, handler);
}

Status Exchange::RunAs(kafka::ApiKey api, const std::string& kind, const std::string& name,
                       const std::function<Status(security::Call&)>& handler) {
    const security::Operation& operation = FindRow(static_cast<int16_t>(api))->operation;
    Status done = broker().dispatcher.Run(operation, principal(), {kind, name}, session_->remote_, handler);
    if (done.ok() || done.error().code() != ErrorCode::kPermissionDenied) return done;
    // Kafka has a code for each kind of thing that one may not do something to.
    kafka::KafkaError code = kind == "topic"         ? kafka::KafkaError::kTopicAuthorizationFailed
                             : kind == "group"       ? kafka::KafkaError::kGroupAuthorizationFailed
                             : kind == "transaction" ? kafka::KafkaError::kTransactionalIdAuthorizationFailed
                                                     : kafka::KafkaError::kClusterAuthorizationFailed;
    return std::move(done).error().WithDetailCode(std::string(kafka::ErrorName(code)));
}

}  // namespace tarn::buffer
