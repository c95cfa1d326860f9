#include "ingestion/orchestrator/scheduler.h"

#include <algorithm>
#include <atomic>

#include "base/number.h"
#include "base/text.h"

namespace tarn::orchestrator {
namespace {

constexpr Duration kRetryDelayMax = std::chrono::minutes(10);
constexpr Duration kWaitMin = std::chrono::milliseconds(100);  // each look is an event in the log
constexpr Duration kLookEvery = std::chrono::seconds(1);
constexpr Duration kPruneEvery = std::chrono::hours(1);

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

// Each item by its place, so that a task has no more lanes than its longest list.
std::vector<Run> ItemsOf(const std::vector<std::string>& values) {
    std::vector<Run> items;
    for (const std::string& value : values) {
        Run item;
        item.part = fmt::format("{:05}", items.size() + 1);
        item.parameters["item"] = value;
        items.push_back(std::move(item));
    }
    return items;
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
        held_ = false;
        looked_outside_ = false;
        ++graph_;
        std::vector<Event> cancelled;
        for (auto& [lane, memory] : state_.memory) {
            if (!memory.current) continue;
            auto spec = state_.specs.find(memory.current->task);
            if (spec != state_.specs.end()) {
                // What waits for its retry may just have been mended: it is due by its new definition at once.
                bool mended = memory.current->state == RunState::kWaitingRetry && !active_.contains(lane) &&
                              memory.tried_fingerprint != spec->second.fingerprint && memory.current->part.empty();
                if (mended) cancelled.push_back(CancelledEvent(memory, "its definition changed"));
                continue;
            }
            if (auto active = active_.find(lane); active != active_.end()) {
                active->second->RequestCancel(false);
                continue;
            }
            cancelled.push_back(CancelledEvent(memory, "the task is no longer in the workspace"));
        }
        Batch batch;
        for (Event& event : cancelled) Add(batch, std::move(event));
        lock.unlock();
        TRY(Commit(batch));
    }
    Wake();
    return Ok();
}

Event Scheduler::EventOf(EventKind kind, const TaskMemory& memory, Timestamp now) const {
    Event event;
    event.kind = kind;
    event.run = IntegerOrZero(memory.current->id);
    event.task = memory.current->task;
    event.part = memory.current->part;
    event.at = now;
    return event;
}

Event Scheduler::CancelledEvent(const TaskMemory& memory, std::string why) const {
    Event event = EventOf(EventKind::kCancelled, memory, env_.clock().Now());
    event.error = std::move(why);
    return event;
}

Status Scheduler::RecoverInterrupted() {
    std::lock_guard emit_lock(emit_mutex_);
    Batch batch;
    {
        std::lock_guard lock(mutex_);
        std::vector<Event> events;
        for (auto& [lane, memory] : state_.memory) {
            if (!memory.current || memory.current->state != RunState::kRunning) continue;
            Event event = EventOf(EventKind::kRetry, memory, env_.clock().Now());
            event.retry_at = event.at;
            event.error = "Tarn stopped while this ran; it goes on";
            events.push_back(std::move(event));
        }
        for (Event& event : events) Add(batch, std::move(event));
    }
    return Commit(batch);
}

Status Scheduler::Start() {
    {
        std::lock_guard lock(mutex_);
        state_.up_since = env_.clock().Now();
    }
    TRY(RecoverInterrupted());
    TRY(Prune());
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
    stop_.notify_all();
    if (loop_.joinable()) loop_.join();
    if (watcher_.joinable()) watcher_.join();
    { std::lock_guard emit_lock(emit_mutex_); }  // a step of before has given its runs away; a later one starts none
    executor_.reset();
    // What ended while it stopped.
    std::lock_guard emit_lock(emit_mutex_);
    Batch batch;
    {
        std::lock_guard lock(mutex_);
        AddEnded(batch);
        if (failure_) return;
    }
    Status written = Commit(batch);
    if (!written.ok()) log_.Error("ends of runs were not written", {{"error", written.error().ToString()}});
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
        {
            std::lock_guard lock(mutex_);
            looks_at_ = Timestamp::max();  // not known yet: what comes up meanwhile wakes it
        }
        std::optional<Timestamp> wake_at = Step(nullptr);
        PruneSometimes();
        Timestamp now = env_.clock().Now();
        Duration pause = kLookEvery;
        if (wake_at) pause = std::clamp(*wake_at - now, Duration(0), pause);
        std::unique_lock lock(mutex_);
        looks_at_ = now + pause;
        wake_.wait_for(lock, pause, [&] { return awake_ || stopping_; });
        awake_ = false;
        if (stopping_) return;
    }
}

void Scheduler::PruneSometimes() {
    {
        std::lock_guard lock(mutex_);
        bool many = state_.last_run - pruned_at_ >= config_.runs_kept / 2 + 1;
        bool aged = config_.runs_kept_for > Duration(0) && env_.clock().Monotonic() - pruned_when_ >= kPruneEvery;
        if (failure_ || (!many && !aged)) return;
    }
    Status pruned = Prune();
    if (!pruned.ok()) Fail(pruned.error());
}

Status Scheduler::Prune() {
    {
        std::lock_guard lock(mutex_);
        pruned_at_ = state_.last_run;
        pruned_when_ = env_.clock().Monotonic();
    }
    std::optional<Timestamp> before;
    if (config_.runs_kept_for > Duration(0)) before = env_.clock().Now() - config_.runs_kept_for;
    return run_log_.Prune(config_.runs_kept, before);
}

// All that has happened and all that follows from it goes into the log together: however many runs end and start, it is
// one commit.
std::optional<Timestamp> Scheduler::Step(std::shared_ptr<ActiveRun>* mine) {
    CancelOverdue();
    Timestamp now = env_.clock().Now();
    std::lock_guard emit_lock(emit_mutex_);
    Batch batch;
    std::optional<Timestamp> wake_at;
    Status added = Ok();
    {
        std::lock_guard lock(mutex_);
        if (failure_ || held_) return std::nullopt;
        state_.up_since = std::min(state_.up_since, now);  // a clock that was set back
        AddEnded(batch);
        Decisions decisions = Decide(state_, now);
        AddLate(batch, decisions.late, now);
        if (!decisions.gathered.empty()) {
            for (const std::string& task : decisions.gathered) Add(batch, GatheredEvent(state_, task, now));
            decisions = Decide(state_, now);
        }
        if (!decisions.queue.empty()) {
            added = AddDue(batch, decisions.queue, now);
            decisions = Decide(state_, now);
        }
        if (!stopping_) AddStarts(batch, decisions.start, now);
        wake_at = decisions.wake_at;
        running_.Set(static_cast<double>(active_.size()));
    }
    if (added.ok()) added = Commit(batch);
    if (!added.ok()) return Fail(added.error()), std::nullopt;
    Submit(batch, mine);
    return wake_at;
}

std::shared_ptr<ActiveRun> Scheduler::GoOn() {
    {
        std::lock_guard lock(mutex_);
        if (ended_.empty()) return nullptr;  // another thread has taken this end along
    }
    std::shared_ptr<ActiveRun> next;
    std::optional<Timestamp> wake_at = Step(&next);
    std::lock_guard lock(mutex_);
    if (wake_at && *wake_at < looks_at_) awake_ = true, wake_.notify_all();
    return next;
}

void Scheduler::Add(Batch& batch, Event event) {
    Fold(state_, event);
    const TaskMemory& memory = state_.memory[LaneOf(event.task, event.part)];
    std::string id = std::to_string(event.run);
    writing_ = true;
    const std::optional<Run>& run = memory.current && memory.current->id == id ? memory.current : memory.last;
    if (run && run->id == id) {
        batch.runs[event.run] = *run;
        batch.told.push_back(*run);
    }
    batch.events.push_back(std::move(event));
}

void Scheduler::AddEnded(Batch& batch) {
    for (Ended& ended : std::exchange(ended_, {})) {
        active_.erase(LaneOf(ended.event.task, ended.event.part));
        batch.lines.insert(batch.lines.end(), ended.lines.begin(), ended.lines.end());
        bool fans_out = ended.event.kind == EventKind::kFannedOut;
        // A task that was taken out meanwhile has nobody to run its items.
        if (fans_out && state_.specs.contains(ended.event.task)) {
            AddItems(batch, ended.event.run, ended.event.task, ended.items);
            continue;
        }
        if (fans_out) ended.event.kind = EventKind::kCancelled;
        Add(batch, std::move(ended.event));
    }
}

void Scheduler::AddItems(Batch& batch, int64_t list, const std::string& task, const std::vector<Run>& items) {
    Event event = EventOf(EventKind::kFannedOut, state_.memory[task], env_.clock().Now());
    event.items = static_cast<int64_t>(items.size());
    workspace::ParameterValues told = state_.memory[task].current->parameters;
    Add(batch, std::move(event));
    for (const Run& item : items) {
        Event queued = QueuedEvent(task, fmt::format("item of run {}", list), env_.clock().Now());
        queued.part = item.part;
        queued.batch = list;
        queued.approval = false;
        queued.retry_of = item.id.empty() ? 0 : IntegerOrZero(item.id);
        queued.parameters = told;
        queued.parameters["item"] = item.parameters.at("item");
        Add(batch, std::move(queued));
    }
}

void Scheduler::AddLate(Batch& batch, const std::vector<std::string>& lanes, Timestamp now) {
    for (const std::string& lane : lanes) {
        const TaskMemory& memory = state_.memory[lane];
        late_.Add();
        log_.Warning("run is late", {{"run", memory.current->id}, {"task", lane}});
        Add(batch, EventOf(EventKind::kLate, memory, now));
    }
}

Event Scheduler::QueuedEvent(const std::string& task, std::string trigger, Timestamp now) const {
    const TaskSpec& spec = state_.specs.at(task);
    Event event;
    event.kind = EventKind::kQueued;
    event.run = state_.last_run + 1;
    event.task = task;
    event.at = now;
    event.trigger = std::move(trigger);
    event.fingerprint = spec.fingerprint;
    event.input_versions = InputVersions(state_, spec);
    event.after = AfterRuns(state_, spec);
    event.approval = spec.timing.approval;
    return event;
}

Status Scheduler::AddDue(Batch& batch, const std::vector<Decisions::ToQueue>& due, Timestamp now) {
    for (const Decisions::ToQueue& entry : due) {
        Event event = QueuedEvent(entry.task, entry.trigger, now);
        event.scheduled_for = entry.scheduled_for;
        event.wave = entry.wave;
        event.parameters = TRY(workspace::CheckParameters(state_.specs.at(entry.task).parameters, {}));
        if (entry.part) TellPart(event, *entry.part);
        if (state_.memory[LaneOf(event.task, event.part)].current) continue;  // the part was asked for meanwhile
        Add(batch, std::move(event));
    }
    return Ok();
}

void Scheduler::AddStarts(Batch& batch, const std::vector<std::string>& lanes, Timestamp now) {
    for (const std::string& lane : lanes) {
        const TaskMemory& memory = state_.memory[lane];
        Run run = *memory.current;
        if (run.state == RunState::kWaitingRetry) ++run.attempt;
        auto active = std::make_shared<ActiveRun>(state_.specs.at(run.task), run, env_.clock());
        active_[lane] = active;
        batch.starting.push_back(active);
        Event event = EventOf(EventKind::kStarted, memory, now);
        event.attempt = run.attempt;
        Add(batch, std::move(event));
    }
}

std::vector<NewDefinition> Scheduler::DefinitionsOf(const Batch& batch) const {
    std::vector<NewDefinition> definitions;
    std::lock_guard lock(mutex_);
    for (const Event& event : batch.events) {
        auto spec = state_.specs.find(event.task);
        if (event.kind != EventKind::kQueued || spec == state_.specs.end()) continue;
        definitions.push_back({event.task, event.run, event.fingerprint, spec->second.definition});
    }
    return definitions;
}

Status Scheduler::Commit(Batch& batch) {
    if (batch.events.empty()) return Ok();
    std::vector<Run> runs;
    for (auto& [number, run] : batch.runs) runs.push_back(std::move(run));
    // First the definition, then the run: no run stands in the log whose definition might be missing.
    Status written = run_log_.KeepDefinitions(DefinitionsOf(batch));
    if (written.ok()) written = run_log_.Append(batch.events, runs, batch.lines);
    // What was folded and is not in the log must not have effects: nothing runs any more.
    if (!written.ok()) return Fail(written.error()), written;
    Notify(batch.told);
    std::lock_guard lock(mutex_);
    writing_ = false;
    return Ok();
}

void Scheduler::Submit(Batch& batch, std::shared_ptr<ActiveRun>* mine) {
    for (const std::shared_ptr<ActiveRun>& active : batch.starting) {
        started_.Add();
        if (mine && !*mine) {
            *mine = active;
            continue;
        }
        Status submitted = executor_->Submit([this, active] { Execute(active); });
        if (submitted.ok()) continue;
        Fail(submitted.error());
        std::lock_guard lock(mutex_);
        active_.erase(LaneOf(active->spec().id, active->part()));
    }
}

void Scheduler::Execute(std::shared_ptr<ActiveRun> active) {
    for (; active; active = GoOn()) {
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
}

Event Scheduler::FailureEvent(const ActiveRun& active, const Error& error) {
    Event event;
    event.run = active.number();
    event.task = active.spec().id;
    event.part = active.part();
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
    event.part = active.part();
    event.at = env_.clock().Now();
    event.attempt = active.attempt();
    event.waits = true;
    event.error = RunText(outcome.waits_for);
    event.retry_at = event.at + std::max(*outcome.again_after, kWaitMin);
    return event;
}

void Scheduler::Finish(ActiveRun& active, Result<TaskOutcome> outcome) {
    Event event;
    std::vector<Run> items;
    if (outcome.ok() && outcome->again_after) {
        event = WaitEvent(active, *outcome);
    } else if (outcome.ok()) {
        event.kind = outcome->skipped ? EventKind::kSkipped : EventKind::kSucceeded;
        if (outcome->skipped) event.error = RunText(*outcome->skipped);
        if (outcome->items) {
            event.kind = EventKind::kFannedOut;
            items = ItemsOf(*outcome->items);
        }
        event.run = active.number();
        event.task = active.spec().id;
        event.part = active.part();
        event.at = env_.clock().Now();
        event.attempt = active.attempt();
        event.changed = outcome->changed;
        event.version = outcome->version;
        event.rows = outcome->rows;
        event.details = outcome->details;
        event.input_versions = outcome->input_versions;
        for (const std::string& warning : outcome->warnings) event.warnings.push_back(RunText(warning));
    } else {
        event = FailureEvent(active, outcome.error());
        log_.Warning(
            "run failed",
            {{"run", active.run_id()}, {"task", event.task}, {"error", event.error}, {"attempt", event.attempt}});
    }
    std::vector<LogLine> lines = active.TakeLines();
    bool failed = !event.error.empty() && !event.waits && event.kind != EventKind::kSkipped;
    if (failed) lines.push_back({event.run, event.at, "error: " + event.error});
    std::lock_guard lock(mutex_);
    ended_.push_back({std::move(event), std::move(items), std::move(lines)});
}

void Scheduler::CancelOverdue() {
    std::lock_guard lock(mutex_);
    Duration now = env_.clock().Monotonic();
    for (auto& [task, active] : active_) {
        if (now > active->deadline()) active->RequestCancel(true);
    }
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
    if (!looked_outside_ || writing_ || !active_.empty() || !ended_.empty()) return false;
    return IsAtRest(state_, env_.clock().Now());
}

void Scheduler::Watch() {
    while (true) {
        std::vector<TaskSpec> idle;
        uint64_t graph;
        {
            std::lock_guard lock(mutex_);
            graph = graph_;
            for (const auto& [id, spec] : state_.specs) {
                if (!spec.watched) continue;
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
            state_.agenda.touched.insert(spec.id);
        }
        std::unique_lock lock(mutex_);
        looked_outside_ = looked_outside_ || graph == graph_;
        if (found) awake_ = true, wake_.notify_all();
        Duration until = env_.clock().Monotonic() + config_.watch_every;
        while (!stopping_ && env_.clock().Monotonic() < until) {
            stop_.wait_for(lock, std::chrono::milliseconds(200), [&] { return stopping_; });
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
