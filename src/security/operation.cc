#include "security/operation.h"

#include <atomic>
#include <exception>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "security/hidden.h"

namespace tarn::security {
namespace {

// Failures before login are recorded at this pace; the rest are counted, and the next record says how many there were.
constexpr int64_t kAnonymousRecordsBurst = 20;
constexpr Duration kAnonymousRecordEvery = std::chrono::seconds(1);

bool IsAnonymous(const Principal& principal) { return principal.kind == PrincipalKind::kAnonymous; }

AuditDurability ClosingDurability(AuditClass audit_class) {
    // Reads are fsynced by the log itself within 50 ms: their begin record was written before the first byte left.
    return audit_class == AuditClass::kRead ? AuditDurability::kWritten : AuditDurability::kSynced;
}

Status Invoke(const std::function<Status(Call&)>& handler, Call& call) {
    try {
        return handler(call);
    } catch (const std::exception& exception) {
        // A library's exception that its adapter let through. The call must still be closed in the audit log.
        return Error(ErrorCode::kInternal, "unexpected exception: {}", exception.what());
    }
}

// A refusal below the dispatch that must look like absence; the record says what it was.
Error AsNotFound(const Error& hidden) {
    Error error = Error(ErrorCode::kNotFound, hidden.message()).WithDetailCode(hidden.detail_code());
    if (!hidden.hint().empty()) std::move(error).WithHint(hidden.hint());
    if (hidden.position()) std::move(error).WithPosition(*hidden.position());
    return error;
}

// Counts one running call for as long as it lives.
class RunningCall {
  public:
    explicit RunningCall(std::atomic<int>& running) : running_(running), count_(running.fetch_add(1) + 1) {}
    ~RunningCall() { running_.fetch_sub(1); }
    RunningCall(const RunningCall&) = delete;
    RunningCall& operator=(const RunningCall&) = delete;
    int count() const { return count_; }

  private:
    std::atomic<int>& running_;
    int count_;
};

// Lets a few records through at once and then one a second, so that strangers cannot fill the audit log.
class RecordBucket {
  public:
    // True: record it, with the number of failures since the last record that were not.
    std::pair<bool, int64_t> Take(Duration now) {
        std::lock_guard lock(mutex_);
        if (!started_) refilled_at_ = now;
        started_ = true;
        int64_t earned = (now - refilled_at_) / kAnonymousRecordEvery;
        tokens_ = std::min(kAnonymousRecordsBurst, tokens_ + earned);
        refilled_at_ += earned * kAnonymousRecordEvery;
        if (tokens_ == 0) {
            ++unrecorded_;
            return {false, 0};
        }
        --tokens_;
        return {true, std::exchange(unrecorded_, 0)};
    }
    int64_t TakeUnrecorded() {
        std::lock_guard lock(mutex_);
        return std::exchange(unrecorded_, 0);
    }

  private:
    std::mutex mutex_;
    bool started_ = false;
    Duration refilled_at_{0};
    int64_t tokens_ = kAnonymousRecordsBurst;
    int64_t unrecorded_ = 0;
};

}  // namespace

void OperationRegistry::Add(const Operation& operation) {
    TARN_CHECK(!operation.protocol.empty() && !operation.name.empty() && !operation.action.empty());
    // Only what needs no credential may go unrecorded.
    TARN_CHECK(operation.audit_class != AuditClass::kPublic || operation.action == kPublicAction);
    for (const Operation& other : operations_) {
        TARN_CHECK(other.protocol != operation.protocol || other.name != operation.name);
    }
    operations_.push_back(operation);
}

struct Dispatcher::State {
    struct PerOperation {
        std::string protocol;
        std::string name;
        Counter& calls;
        Counter& errors;
        Counter& refused;
        Histogram& seconds;
        std::atomic<int> running{0};
    };

    State(Env& env_in, Gate& gate_in, AuditLog& audit_in, Metrics& metrics_in)
        : env(env_in),
          gate(gate_in),
          audit(audit_in),
          metrics(metrics_in),
          call_prefix(env_in.random().Hex(6)),
          anonymous_denials(metrics_in.GetCounter("tarn_security_anonymous_denials_total",
                                                  "Calls refused for want of a login, recorded or not.")) {}

    PerOperation& Of(const Operation& operation);
    Status Dispatch(const Operation& operation, Call& call, std::string_view remote,
                    const std::function<Status(Call&)>& tell, const std::function<Status(Call&)>& handler);
    Status RunAudited(AuditEvent event, Call& call, const std::function<Status(Call&)>& tell,
                      const std::function<Status(Call&)>& handler);
    Status RunBeforeLogin(AuditEvent event, Call& call, const std::function<Status(Call&)>& handler);
    Status RecordStranger(AuditEvent event);
    Status Append(const AuditEvent& event, AuditDurability durability);
    AuditEvent EventOf(const Operation& operation, const Call& call, std::string_view remote) const;
    // Unique to this process' life and beyond; call ids identify, they are no secret.
    std::string NextCallId() { return fmt::format("{}{:08x}", call_prefix, next_call.fetch_add(1)); }

    Env& env;
    Gate& gate;
    AuditLog& audit;
    Metrics& metrics;
    std::string call_prefix;
    std::atomic<uint64_t> next_call{1};
    Counter& anonymous_denials;
    RecordBucket bucket;
    std::shared_mutex mutex;
    // Keyed by views into the entry's own strings.
    std::map<std::pair<std::string_view, std::string_view>, std::unique_ptr<PerOperation>> operations;
};

Dispatcher::State::PerOperation& Dispatcher::State::Of(const Operation& operation) {
    std::pair key(operation.protocol, operation.name);
    {
        std::shared_lock lock(mutex);
        auto found = operations.find(key);
        if (found != operations.end()) return *found->second;
    }
    std::unique_lock lock(mutex);
    auto found = operations.find(key);
    if (found != operations.end()) return *found->second;
    Labels labels = {{"protocol", std::string(operation.protocol)}, {"operation", std::string(operation.name)}};
    auto made = std::unique_ptr<PerOperation>(new PerOperation{
        std::string(operation.protocol), std::string(operation.name),
        metrics.GetCounter("tarn_security_calls_total", "Calls of an operation.", labels),
        metrics.GetCounter("tarn_security_errors_total", "Calls that ended in an error.", labels),
        metrics.GetCounter("tarn_security_refused_total", "Calls refused as too many ran at once.", labels),
        metrics.GetHistogram("tarn_security_call_seconds", "Time from dispatch to the closing record.", labels)});
    auto& entry = *made;
    operations.emplace(std::pair<std::string_view, std::string_view>(entry.protocol, entry.name), std::move(made));
    return entry;
}

AuditEvent Dispatcher::State::EventOf(const Operation& operation, const Call& call, std::string_view remote) const {
    AuditEvent event;
    event.call_id = call.id;
    event.principal = call.principal.Id();
    event.credential = call.principal.credential;
    event.remote = remote;
    event.protocol = operation.protocol;
    event.operation = operation.name;
    event.action = operation.action;
    event.resource = call.resource.ToString();
    event.audit_class = operation.audit_class;
    event.details = Json::object();
    if (!call.principal.on_behalf_of.empty()) event.details["on_behalf_of"] = call.principal.on_behalf_of;
    return event;
}

Status Dispatcher::State::Append(const AuditEvent& event, AuditDurability durability) {
    Status status = audit.Append(event, durability);
    if (status.ok()) return status;
    return std::move(status).error().Context("no answer without an audit record");
}

// Records a failure before login if the bucket allows it.
Status Dispatcher::State::RecordStranger(AuditEvent event) {
    anonymous_denials.Add();
    auto [record, unrecorded] = bucket.Take(env.clock().Monotonic());
    if (!record) return Ok();
    event.phase = AuditPhase::kDenied;
    if (unrecorded > 0) event.details["unrecorded_before"] = unrecorded;
    return Append(event, AuditDurability::kSynced);
}

// Login and its like: who it is shows only in the handler. A success is always recorded, a failure as a stranger's.
Status Dispatcher::State::RunBeforeLogin(AuditEvent event, Call& call, const std::function<Status(Call&)>& handler) {
    Duration started = env.clock().Monotonic();
    Status status = Invoke(handler, call);
    event.duration_us = (env.clock().Monotonic() - started).count();
    event.details.update(call.details);
    event.status = status.ok() ? "ok" : ErrorCodeName(status.error().code());
    if (!status.ok()) {
        TRY(RecordStranger(std::move(event)));
        return status;
    }
    event.phase = AuditPhase::kEnd;
    TRY(Append(event, AuditDurability::kSynced));
    return status;
}

Status Dispatcher::State::RunAudited(AuditEvent event, Call& call, const std::function<Status(Call&)>& tell,
                                     const std::function<Status(Call&)>& handler) {
    Status status = tell ? Invoke(tell, call) : Ok();
    event.phase = AuditPhase::kBegin;
    event.details.update(call.details);
    // What the program does by itself has no answer that could wait: its record comes before what it publishes.
    bool internal = event.protocol == "internal";
    TRY(Append(event, internal ? AuditDurability::kSynced : AuditDurability::kWritten));
    Duration started = env.clock().Monotonic();
    if (status.ok()) status = Invoke(handler, call);
    bool denied = !status.ok() && status.error().code() == ErrorCode::kPermissionDenied;
    event.phase = denied ? AuditPhase::kDenied : AuditPhase::kEnd;
    event.status = status.ok() ? "ok" : ErrorCodeName(status.error().code());
    event.rows = call.rows;
    event.bytes = call.bytes;
    event.duration_us = (env.clock().Monotonic() - started).count();
    event.details.update(call.details);
    if (denied) event.details["reason"] = status.error().message();
    TRY(Append(event, denied ? AuditDurability::kSynced : ClosingDurability(event.audit_class)));
    bool hidden = denied && IsHidden(status.error());
    return hidden ? Status(AsNotFound(status.error())) : std::move(status);
}

Status Dispatcher::State::Dispatch(const Operation& operation, Call& call, std::string_view remote,
                                   const std::function<Status(Call&)>& tell,
                                   const std::function<Status(Call&)>& handler) {
    bool is_public = operation.action == kPublicAction;
    if (is_public && operation.audit_class == AuditClass::kPublic) {
        call.decision = {.allowed = true, .reason = "public"};
        return Invoke(handler, call);
    }
    AuditEvent event = EventOf(operation, call, remote);
    if (is_public) {
        call.decision = {.allowed = true, .reason = "public"};
        return RunBeforeLogin(std::move(event), call, handler);
    }
    if (IsAnonymous(call.principal)) {
        event.status = ErrorCodeName(ErrorCode::kUnauthenticated);
        TRY(RecordStranger(std::move(event)));
        return Error(ErrorCode::kUnauthenticated, "{} needs a login", operation.name);
    }
    if (operation.action == kSelfAction) {
        call.decision = {.allowed = true, .reason = "logged in", .epoch = gate.epoch()};
    } else {
        call.decision = gate.Decide(call.principal, operation.action, call.resource);
    }
    if (call.decision.allowed) return RunAudited(std::move(event), call, tell, handler);
    event.phase = AuditPhase::kDenied;
    event.status = ErrorCodeName(ErrorCode::kPermissionDenied);
    event.details.update(call.details);
    event.details["reason"] = call.decision.reason;
    TRY(Append(event, AuditDurability::kSynced));
    return Error(ErrorCode::kPermissionDenied, "{} may not {} on {}", call.principal.Id(), operation.action,
                 call.resource.ToString())
        .WithHint(call.decision.reason);
}

Dispatcher::Dispatcher(Env& env, Gate& gate, AuditLog& audit, Metrics& metrics)
    : env_(env), gate_(gate), audit_(audit), state_(std::make_unique<State>(env, gate, audit, metrics)) {}

Dispatcher::~Dispatcher() {
    int64_t unrecorded = state_->bucket.TakeUnrecorded();
    if (unrecorded == 0) return;
    AuditEvent event;
    event.phase = AuditPhase::kDenied;
    event.call_id = state_->NextCallId();
    event.principal = Principal::Anonymous().Id();
    event.protocol = "internal";
    event.operation = "stop";
    event.status = ErrorCodeName(ErrorCode::kUnauthenticated);
    event.details = {{"unrecorded_before", unrecorded}};
    // Nobody waits for an answer any more, so a failure here has nobody to be told to.
    (void)audit_.Append(event, AuditDurability::kSynced);
}

Status Dispatcher::Run(const Operation& operation, const Principal& principal, const Resource& resource,
                       std::string_view remote, const std::function<Status(Call&)>& handler, Opening opening) {
    State::PerOperation& counted = state_->Of(operation);
    counted.calls.Add();
    RunningCall running(counted.running);
    if (running.count() > operation.limits.concurrent_max) {
        counted.refused.Add();
        return Error(ErrorCode::kResourceExhausted, "{} calls of {} run already, its limit: try again in a moment",
                     operation.limits.concurrent_max, operation.name);
    }
    Duration started = env_.clock().Monotonic();
    Call call{.principal = principal,
              .resource = resource,
              .decision = {},
              .id = state_->NextCallId(),
              .details = std::move(opening.details)};
    Status status = state_->Dispatch(operation, call, remote, opening.tell, handler);
    if (!status.ok()) counted.errors.Add();
    counted.seconds.Observe(std::chrono::duration<double>(env_.clock().Monotonic() - started).count());
    return status;
}

}  // namespace tarn::security
