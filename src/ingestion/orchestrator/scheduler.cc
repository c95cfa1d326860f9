#include "ingestion/orchestrator/scheduler.h"

#include <algorithm>
#include <atomic>

#include "base/number.h"
#include "base/text.h"

namespace tarn::orchestrator {
namespace {

constexpr Duration kRetryDelayMax = std::chrono::minutes(10);
constexpr Duration kWaitMin = std::chrono::milliseconds(100);  // each look is an event in the log

// Errors that the same call meets again: the user has to change something, so no retry.
bool WorthRetrying(ErrorCode code) {
    switch (code) {
        case ErrorCode::kInvalidArgument:
        case ErrorCode::kSyntax:
        case ErrorCode::kPermissionDenied:
        case ErrorCode::kUnauthenticated:
        case ErrorCode::kNotSupported:
        case ErrorCode::kFailedPrecondition:
        case ErrorCode::kCancelled:
            return false;
        default:
            return true;
    }
}

}  // namespace

struct Scheduler::Listener {
    std::function<void(const Run&)> call;
};

Scheduler::Scheduler(OrchestratorConfig config, OrchestratorDependencies dependencies, RunLog log)
    : config_(config),
      env_(dependencies.env),
      gate_(dependencies.gate),
      log_(dependencies.log),
      run_log_(log),
      started_(dependencies.metrics.GetCounter("tarn_orchestrator_runs_started_total", "Runs that were started.")),
      failed_(dependencies.metrics.GetCounter("tarn_orchestrator_runs_failed_total", "Attempts of runs that failed.")),
      late_(dependencies.metrics.GetCounter("tarn_orchestrator_runs_late_total", "Runs that outlasted their sla.")),
      running_(dependencies.metrics.GetGauge("tarn_orchestrator_runs_running", "Runs under way.")) {
    state_.places = config.parallel_max;
    state_.pools = config.pools;
}

Scheduler::~Scheduler() { Stop(); }

void Scheduler::RegisterKind(const std::string& name, TaskKind& kind) { kinds_[name] = &kind; }

Status Scheduler::SetTasks(std::vector<TaskSpec> tasks) {
    for (const TaskSpec& task : tasks) {
        if (!kinds_.contains(task.kind)) {
            return Error(ErrorCode::kInvalidArgument, "{} is of kind {}, which nothing runs", task.id, task.kind);
        }
    }
    {
        std::lock_guard emit_lock(emit_mutex_);
        std::unique_lock lock(mutex_);
        TRY(SetGraph(state_, std::move(tasks)));
        looked_outside_ = false;
        ++graph_;
        std::vector<Event> cancelled;
        for (auto& [task, memory] : state_.memory) {
            if (!memory.current) continue;
            auto spec = state_.specs.find(task);
            if (spec != state_.specs.end()) {
                // What waits for its retry may just have been mended: it is due by its new definition at once.
                bool mended = memory.current->state == RunState::kWaitingRetry && !active_.contains(task) &&
                              memory.tried_fingerprint != spec->second.fingerprint;
                if (mended) cancelled.push_back(CancelledEvent(task, memory, "its definition changed"));
                continue;
            }
            if (auto active = active_.find(task); active != active_.end()) {
                active->second->RequestCancel(false);
                continue;
            }
            cancelled.push_back(CancelledEvent(task, memory, "the task is no longer in the workspace"));
        }
        lock.unlock();
        if (!cancelled.empty()) TRY(EmitLocked(std::move(cancelled), {}));
    }
    Wake();
    return Ok();
}

Event Scheduler::CancelledEvent(const std::string& task, const TaskMemory& memory, std::string why) const {
    Event event;
    event.kind = EventKind::kCancelled;
    event.run = IntegerOrZero(memory.current->id);
    event.task = task;
    event.at = env_.clock().Now();
    event.error = std::move(why);
    return event;
}

Status Scheduler::RecoverInterrupted() {
    std::vector<Event> events;
    {
        std::lock_guard lock(mutex_);
        for (auto& [task, memory] : state_.memory) {
            if (!memory.current || memory.current->state != RunState::kRunning) continue;
            Event event;
            event.kind = EventKind::kRetry;
            event.run = IntegerOrZero(memory.current->id);
            event.task = task;
            event.at = env_.clock().Now();
            event.retry_at = event.at;
            event.error = "Tarn stopped while this ran; it goes on";
            events.push_back(std::move(event));
        }
    }
    return events.empty() ? Ok() : Emit(std::move(events));
}

Status Scheduler::Start() {
    {
        std::lock_guard lock(mutex_);
        state_.up_since = env_.clock().Now();
    }
    TRY(RecoverInterrupted());
    TRY(run_log_.Prune(config_.runs_kept));
    // The queue holds at most one entry a free place, so it never is full.
    executor_ = Executor::Create({.name = "run",
                                  .threads = config_.parallel_max,
                                  .queue_max = static_cast<size_t>(config_.parallel_max) * 2 + 1});
    loop_ = std::thread([this] { Loop(); });
    watcher_ = std::thread([this] { Watch(); });
    return Ok();
}

void Scheduler::Stop() {
    {
        std::lock_guard lock(mutex_);
        if (stopping_) return;
        stopping_ = true;
        for (auto& [task, active] : active_) active->RequestCancel(false);
    }
    wake_.notify_all();
    if (loop_.joinable()) loop_.join();
    if (watcher_.joinable()) watcher_.join();
    executor_.reset();
}

void Scheduler::Wake() {
    {
        std::lock_guard lock(mutex_);
        awake_ = true;
    }
    wake_.notify_all();
}

void Scheduler::Loop() {
    while (true) {
        std::optional<Timestamp> wake_at = Step();
        Duration pause = std::chrono::seconds(1);
        if (wake_at) pause = std::clamp(*wake_at - env_.clock().Now(), Duration(0), pause);
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, pause, [&] { return awake_ || stopping_; });
        awake_ = false;
        if (stopping_) return;
    }
}

std::optional<Timestamp> Scheduler::Step() {
    CancelOverdue();
    Timestamp now = env_.clock().Now();
    Decisions decisions;
    {
        std::lock_guard lock(mutex_);
        if (failure_) return std::nullopt;
        state_.up_since = std::min(state_.up_since, now);  // a clock that was set back
        decisions = Decide(state_, now);
    }
    Status told = TellLate(decisions.late, now);
    if (!told.ok()) return Fail(told.error()), std::nullopt;
    if (!decisions.queue.empty()) {
        Status queued = QueueDue(decisions.queue, now);
        if (!queued.ok()) return Fail(queued.error()), std::nullopt;
        std::lock_guard lock(mutex_);
        decisions = Decide(state_, now);
    }
    StartReady(decisions.start, now);
    return decisions.wake_at;
}

Status Scheduler::TellLate(const std::vector<std::string>& tasks, Timestamp now) {
    if (tasks.empty()) return Ok();
    std::vector<Event> events;
    std::lock_guard emit_lock(emit_mutex_);
    {
        std::lock_guard lock(mutex_);
        for (const std::string& task : tasks) {
            const TaskMemory& memory = state_.memory[task];
            if (!memory.current || memory.current->late) continue;
            Event event;
            event.kind = EventKind::kLate;
            event.run = IntegerOrZero(memory.current->id);
            event.task = task;
            event.at = now;
            late_.Add();
            log_.Warning("run is late", {{"run", memory.current->id}, {"task", task}});
            events.push_back(std::move(event));
        }
    }
    return events.empty() ? Ok() : EmitLocked(std::move(events), {});
}

Event Scheduler::QueuedEvent(const std::string& task, std::string trigger, int64_t number, Timestamp now) const {
    const TaskSpec& spec = state_.specs.at(task);
    Event event;
    event.kind = EventKind::kQueued;
    event.run = number;
    event.task = task;
    event.at = now;
    event.trigger = std::move(trigger);
    event.fingerprint = spec.fingerprint;
    event.input_versions = InputVersions(state_, spec);
    event.after = AfterRuns(state_, spec);
    event.approval = spec.timing.approval;
    return event;
}

Status Scheduler::QueueDue(const std::vector<Decisions::ToQueue>& due, Timestamp now) {
    std::lock_guard emit_lock(emit_mutex_);
    std::vector<Event> events;
    {
        std::lock_guard lock(mutex_);
        for (const Decisions::ToQueue& entry : due) {
            // Between the decision and now the graph may have changed or somebody may have asked by hand.
            if (!state_.specs.contains(entry.task) || IsActive(state_.memory[entry.task])) continue;
            int64_t number = state_.last_run + 1 + static_cast<int64_t>(events.size());
            Event event = QueuedEvent(entry.task, entry.trigger, number, now);
            event.scheduled_for = entry.scheduled_for;
            event.parameters = TRY(workspace::CheckParameters(state_.specs.at(entry.task).parameters, {}));
            events.push_back(std::move(event));
        }
    }
    return events.empty() ? Ok() : EmitLocked(std::move(events), {});
}

void Scheduler::StartReady(const std::vector<std::string>& tasks, Timestamp now) {
    std::vector<std::shared_ptr<ActiveRun>> starting;
    std::vector<Event> events;
    {
        std::lock_guard lock(mutex_);
        for (const std::string& task : tasks) {
            if (stopping_ || static_cast<int>(active_.size()) >= config_.parallel_max) break;
            auto memory = state_.memory.find(task);
            if (memory == state_.memory.end() || !memory->second.current || active_.contains(task)) continue;
            if (!state_.specs.contains(task)) continue;  // taken out since it was decided
            Run run = *memory->second.current;
            if (run.state == RunState::kWaitingRetry) ++run.attempt;
            auto active = std::make_shared<ActiveRun>(state_.specs.at(task), run, env_.clock());
            active_[task] = active;
            starting.push_back(active);
            Event event;
            event.kind = EventKind::kStarted;
            event.run = active->number();
            event.task = task;
            event.at = now;
            event.attempt = run.attempt;
            events.push_back(std::move(event));
        }
        running_.Set(static_cast<double>(active_.size()));
    }
    if (starting.empty()) return;
    Status emitted = Emit(std::move(events));
    for (const std::shared_ptr<ActiveRun>& active : starting) {
        started_.Add();
        Status submitted = emitted.ok() ? executor_->Submit([this, active] { Execute(active); }) : emitted;
        if (submitted.ok()) continue;
        Fail(submitted.error());
        std::lock_guard lock(mutex_);
        active_.erase(active->spec().id);
    }
}

void Scheduler::Execute(std::shared_ptr<ActiveRun> active) {
    TaskKind* kind = kinds_.at(active->spec().kind);
    Result<TaskOutcome> outcome = Error(ErrorCode::kInternal, "the task gave no outcome");
    try {
        outcome = kind->Run(*active);
    } catch (const std::exception& failure) {
        // A mistake in one kind of task fails its run, not the platform.
        outcome = Error(ErrorCode::kInternal, "an unexpected failure: {}", failure.what());
    }
    Finish(*active, std::move(outcome));
}

Event Scheduler::FailureEvent(const ActiveRun& active, const Error& error) {
    Event event;
    event.run = active.number();
    event.task = active.spec().id;
    event.at = env_.clock().Now();
    event.attempt = active.attempt();
    event.error = RunText(error.message() + (error.hint().empty() ? "" : " (" + error.hint() + ")"));
    bool timed_out = active.timed_out();
    if (timed_out) {
        event.error =
            fmt::format("it took longer than its timeout of {}", FormatDuration(active.spec().timing.timeout));
    }
    bool stopping;
    {
        std::lock_guard lock(mutex_);
        stopping = stopping_;
    }
    if (error.code() == ErrorCode::kCancelled && !timed_out) {
        event.kind = stopping ? EventKind::kRetry : EventKind::kCancelled;
        event.retry_at = event.at;
        if (stopping) event.error = "Tarn stopped while this ran; it goes on";
        return event;
    }
    failed_.Add();
    bool again = (WorthRetrying(error.code()) || timed_out) && active.attempt() <= active.spec().timing.retries;
    event.kind = again ? EventKind::kRetry : EventKind::kFailed;
    if (again) {
        Duration delay = active.spec().timing.retry_delay * (int64_t{1} << std::min(active.attempt() - 1, 16));
        delay = std::min(delay, kRetryDelayMax);
        // Between half and all of the delay, so that tasks that failed together do not come back together.
        uint64_t jitter = env_.random().Next() % (static_cast<uint64_t>(delay.count()) / 2 + 1);
        event.retry_at = event.at + delay / 2 + Duration(static_cast<int64_t>(jitter));
    }
    return event;
}

Event Scheduler::WaitEvent(const ActiveRun& active, const TaskOutcome& outcome) const {
    Event event;
    event.kind = EventKind::kRetry;
    event.run = active.number();
    event.task = active.spec().id;
    event.at = env_.clock().Now();
    event.attempt = active.attempt();
    event.waits = true;
    event.error = RunText(outcome.waits_for);
    event.retry_at = event.at + std::max(*outcome.again_after, kWaitMin);
    return event;
}

void Scheduler::Finish(const ActiveRun& active, Result<TaskOutcome> outcome) {
    Event event;
    if (outcome.ok() && outcome->again_after) {
        event = WaitEvent(active, *outcome);
    } else if (outcome.ok()) {
        event.kind = EventKind::kSucceeded;
        event.run = active.number();
        event.task = active.spec().id;
        event.at = env_.clock().Now();
        event.attempt = active.attempt();
        event.changed = outcome->changed;
        event.version = outcome->version;
        event.rows = outcome->rows;
        event.input_versions = outcome->input_versions;
        for (const std::string& warning : outcome->warnings) event.warnings.push_back(RunText(warning));
    } else {
        event = FailureEvent(active, outcome.error());
        log_.Warning(
            "run failed",
            {{"run", active.run_id()}, {"task", event.task}, {"error", event.error}, {"attempt", event.attempt}});
    }
    std::vector<LogLine> lines = active.lines();
    if (!event.error.empty() && !event.waits) lines.push_back({event.run, event.at, "error: " + event.error});
    Status emitted = Emit({event}, lines);
    if (!emitted.ok()) Fail(emitted.error());
    {
        std::lock_guard lock(mutex_);
        active_.erase(event.task);
        running_.Set(static_cast<double>(active_.size()));
    }
    Wake();
}

void Scheduler::CancelOverdue() {
    std::lock_guard lock(mutex_);
    Duration now = env_.clock().Monotonic();
    for (auto& [task, active] : active_) {
        if (now > active->deadline()) active->RequestCancel(true);
    }
}

Status Scheduler::Emit(std::vector<Event> events, const std::vector<LogLine>& lines) {
    std::lock_guard lock(emit_mutex_);
    return EmitLocked(std::move(events), lines);
}

Status Scheduler::EmitLocked(std::vector<Event> events, const std::vector<LogLine>& lines) {
    // The projections are computed on a copy of just these tasks' memory: the log is written before the state moves.
    State preview;
    {
        std::lock_guard lock(mutex_);
        for (const Event& event : events) preview.memory[event.task] = state_.memory[event.task];
    }
    for (const Event& event : events) Fold(preview, event);
    std::vector<Run> runs;
    for (const auto& [task, memory] : preview.memory) {
        if (memory.current)
            runs.push_back(*memory.current);
        else if (memory.last)
            runs.push_back(*memory.last);
    }
    TRY(run_log_.Append(events, runs, lines));
    {
        std::lock_guard lock(mutex_);
        for (const Event& event : events) Fold(state_, event);
    }
    Notify(runs);
    return Ok();
}

void Scheduler::Notify(const std::vector<Run>& runs) {
    std::vector<std::shared_ptr<Listener>> listeners;
    {
        std::lock_guard lock(mutex_);
        listeners_.remove_if([](const std::weak_ptr<Listener>& listener) { return listener.expired(); });
        for (const auto& listener : listeners_) {
            if (auto alive = listener.lock()) listeners.push_back(std::move(alive));
        }
    }
    for (const auto& listener : listeners) {
        for (const Run& run : runs) listener->call(run);
    }
}

std::shared_ptr<void> Scheduler::Subscribe(std::function<void(const Run&)> listener) {
    // Shared with Notify, which may be calling it while the subscriber lets go.
    auto handle = std::make_shared<Listener>(Listener{std::move(listener)});
    std::lock_guard lock(mutex_);
    listeners_.push_back(handle);
    return handle;
}

void Scheduler::Fail(const Error& error) {
    log_.Error("the scheduler stopped: its log can't be written", {{"error", error.ToString()}});
    std::lock_guard lock(mutex_);
    failure_ = error;
}

Status Scheduler::Health() const {
    std::lock_guard lock(mutex_);
    if (failure_) return Error(*failure_).Context("the scheduler stopped; restart Tarn");
    return Ok();
}

bool Scheduler::Idle() const {
    std::lock_guard lock(mutex_);
    if (!looked_outside_ || !active_.empty()) return false;
    for (const auto& [id, spec] : state_.specs) {
        auto memory = state_.memory.find(id);
        if (memory != state_.memory.end() && memory->second.current) return false;
    }
    return Decide(state_, env_.clock().Now()).queue.empty();
}

void Scheduler::Watch() {
    while (true) {
        std::vector<TaskSpec> idle;
        uint64_t graph;
        {
            std::lock_guard lock(mutex_);
            graph = graph_;
            for (const auto& [id, spec] : state_.specs) {
                const TaskMemory& memory = state_.memory[id];
                if (!memory.current && memory.queued_at && !memory.outside_new) idle.push_back(spec);
            }
        }
        bool found = false;
        for (const TaskSpec& spec : idle) {
            Result<bool> is_new = kinds_.at(spec.kind)->HasNew(spec);
            if (!is_new.ok() || !*is_new) continue;  // an error shows when the task runs
            std::lock_guard lock(mutex_);
            state_.memory[spec.id].outside_new = found = true;
        }
        std::unique_lock lock(mutex_);
        looked_outside_ = looked_outside_ || graph == graph_;
        if (found) awake_ = true, wake_.notify_all();
        Duration until = env_.clock().Monotonic() + config_.watch_every;
        while (!stopping_ && env_.clock().Monotonic() < until) {
            wake_.wait_for(lock, std::chrono::milliseconds(200), [&] { return stopping_; });
        }
        if (stopping_) return;
    }
}

Result<std::unique_ptr<Orchestrator>> Orchestrator::Create(OrchestratorConfig config,
                                                           OrchestratorDependencies dependencies) {
    if (config.parallel_max < 1) {
        return Error(ErrorCode::kInvalidArgument, "runs.parallel must be at least 1, got {}", config.parallel_max);
    }
    RunLog log = TRY(RunLog::Create(dependencies.metadata));
    auto scheduler = std::make_unique<Scheduler>(config, dependencies, log);
    TRY(scheduler->Replay());
    return std::unique_ptr<Orchestrator>(std::move(scheduler));
}

}  // namespace tarn::orchestrator
