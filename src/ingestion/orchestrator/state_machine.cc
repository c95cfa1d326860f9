#include "ingestion/orchestrator/state_machine.h"

#include <algorithm>
#include <array>
#include <functional>

#include "base/number.h"
#include "base/text.h"

namespace tarn::orchestrator {
namespace {

constexpr std::array<std::string_view, 8> kEventNames = {"queued", "started",   "succeeded", "failed",
                                                         "retry",  "cancelled", "approved",  "late"};
constexpr std::array<std::string_view, 8> kStateNames = {"queued",    "running", "waiting_retry", "succeeded",
                                                         "unchanged", "failed",  "cancelled",     "waiting_approval"};
constexpr Duration kClockJump = std::chrono::hours(24);

const TaskMemory& MemoryOf(const State& state, const std::string& task) {
    static const TaskMemory kNone;
    auto found = state.memory.find(task);
    return found == state.memory.end() ? kNone : found->second;
}

// The task that makes a dataset, or null when nothing of the graph does.
const TaskSpec* ProducerOf(const State& state, const std::string& dataset) {
    auto found = state.producer.find(dataset);
    return found == state.producer.end() ? nullptr : &state.specs.at(found->second);
}

// A task by its id or by the dataset that it makes, or null.
const TaskSpec* TaskOf(const State& state, const std::string& name) {
    auto found = state.specs.find(name);
    return found == state.specs.end() ? ProducerOf(state, name) : &found->second;
}

// Depth-first over the inputs; a task met again while it is open closes a circle.
class Ordering {
  public:
    explicit Ordering(const State& state) : state_(state) {}
    Result<std::vector<std::string>> Run() {
        for (const auto& [id, spec] : state_.specs) TRY(Visit(id));
        return std::move(order_);
    }

  private:
    Status Visit(const std::string& id) {
        if (done_.contains(id)) return Ok();
        auto open = std::find(path_.begin(), path_.end(), id);
        if (open != path_.end()) {
            std::vector<std::string> circle(open, path_.end());
            circle.push_back(id);
            return Error(ErrorCode::kInvalidArgument, "tasks wait for each other in a circle: {}",
                         Join(circle, " -> "));
        }
        path_.push_back(id);
        for (const std::string& input : state_.specs.at(id).inputs) {
            if (const TaskSpec* producer = ProducerOf(state_, input)) TRY(Visit(producer->id));
        }
        for (const std::string& name : state_.specs.at(id).after) {
            if (const TaskSpec* before = TaskOf(state_, name)) TRY(Visit(before->id));
        }
        path_.pop_back();
        done_.insert(id);
        order_.push_back(id);
        return Ok();
    }

    const State& state_;
    std::vector<std::string> path_;
    std::set<std::string> done_;
    std::vector<std::string> order_;
};

void FoldQueued(State& state, TaskMemory& memory, const Event& event) {
    Run run;
    run.id = std::to_string(event.run);
    run.task = event.task;
    run.trigger = event.trigger;
    run.state = event.approval ? RunState::kWaitingApproval : RunState::kQueued;
    run.queued_at = event.at;
    run.scheduled_for = event.scheduled_for;
    run.parameters = event.parameters;
    memory.current = std::move(run);
    memory.queued_at = event.at;
    if (event.scheduled_for) memory.scheduled_for = event.scheduled_for;
    memory.tried_fingerprint = event.fingerprint;
    memory.tried_inputs = event.input_versions;
    memory.tried_after = event.after;
    memory.outside_new = false;
    state.last_run = std::max(state.last_run, event.run);
}

void Finish(TaskMemory& memory, RunState run_state, const Event& event) {
    Run run = std::move(*memory.current);
    memory.current.reset();
    run.state = run_state;
    run.ended_at = event.at;
    run.error = event.error;
    run.rows = event.rows;
    run.version = event.version;
    run.warnings = event.warnings;
    memory.last = std::move(run);
}

void FoldSucceeded(TaskMemory& memory, const Event& event) {
    Finish(memory, event.changed ? RunState::kSucceeded : RunState::kUnchanged, event);
    memory.version = event.version;
    memory.success_at = event.at;
    // An input may have moved on between queueing and reading: what was really read counts.
    for (const auto& [dataset, version] : event.input_versions) memory.tried_inputs[dataset] = version;
}

// Others wait for it. A run that waits for a person may do so for days: meanwhile what is there counts.
bool Moves(const TaskMemory& memory) { return memory.current && memory.current->state != RunState::kWaitingApproval; }

bool EndedWell(const TaskMemory& memory) {
    return memory.last && (memory.last->state == RunState::kSucceeded || memory.last->state == RunState::kUnchanged);
}

// What stands in the way of a task that is due or queued: an input that runs, is due, or has nothing yet, or a task
// that it follows and that has not ended well.
struct Obstacle {
    bool never_delivered = false;  // the input has no version and nothing will bring one soon
    std::string text;              // empty: nothing stands in the way
    bool Holds() const { return !text.empty(); }
};

Obstacle ObstacleBefore(const State& state, const std::string& task, const std::set<std::string>& moving) {
    for (const std::string& name : state.specs.at(task).after) {
        const TaskSpec* before = TaskOf(state, name);
        if (!before) return {true, fmt::format("follows {}, which nothing defines", name)};
        const TaskMemory& memory = MemoryOf(state, before->id);
        if (Moves(memory)) {
            return {false, fmt::format("follows {}, which is {}", name, RunStateName(memory.current->state))};
        }
        if (moving.contains(before->id)) return {false, fmt::format("follows {}, which is due first", name)};
        if (!memory.last) return {true, fmt::format("follows {}, which has not run yet", name)};
        if (!EndedWell(memory)) {
            return {true, fmt::format("follows {}, whose run {} ended {}: {}", name, memory.last->id,
                                      RunStateName(memory.last->state), memory.last->error)};
        }
    }
    return {};
}

Obstacle ObstacleOf(const State& state, const std::string& task, const std::set<std::string>& moving) {
    for (const std::string& input : state.specs.at(task).inputs) {
        const TaskSpec* producer = ProducerOf(state, input);
        if (!producer || producer->id == task) continue;
        const TaskMemory& memory = MemoryOf(state, producer->id);
        if (Moves(memory)) {
            return {false, fmt::format("waits for {}, which is {}", input, RunStateName(memory.current->state))};
        }
        if (moving.contains(producer->id)) return {false, fmt::format("waits for {}, which is due first", input)};
        if (memory.version.empty()) {
            bool failed = memory.last && memory.last->state == RunState::kFailed;
            return {true, fmt::format("waits for {}, which has no data yet{}", input,
                                      failed ? ": its last run failed: " + memory.last->error : "")};
        }
    }
    return ObstacleBefore(state, task, moving);
}

}  // namespace

std::set<std::string> MovingTasks(const State& state, Timestamp now) {
    std::set<std::string> moving;
    for (const std::string& task : state.order) {
        const TaskMemory& memory = MemoryOf(state, task);
        // Due but held up by an input that never delivered: it does not move, so nothing waits for it.
        bool moves = memory.current
                         ? Moves(memory)
                         : !DueReason(state, task, now).empty() && !ObstacleOf(state, task, moving).never_delivered;
        if (moves) moving.insert(task);
    }
    return moving;
}

namespace {

// The time of the schedule that is to be taken next: the last one that passed, the first one, or one to come.
std::optional<Timestamp> NextScheduled(const State& state, const TaskSpec& spec, Timestamp now) {
    const workspace::Timing& timing = spec.timing;
    const TaskMemory& memory = MemoryOf(state, spec.id);
    if (timing.every) {
        if (!memory.queued_at) return std::nullopt;
        // A clock that was set back must not keep it waiting for what it showed before.
        if (*memory.queued_at > now + *timing.every) return now;
        return *memory.queued_at + *timing.every;
    }
    if (!timing.schedule) return std::nullopt;
    Timestamp after = memory.scheduled_for.value_or(memory.queued_at.value_or(state.up_since));
    if (after > now + kClockJump) after = state.up_since;  // the clock was set back
    if (timing.catch_up == workspace::CatchUp::kNo) after = std::max(after, state.up_since);
    std::optional<Timestamp> next = timing.schedule->Next(after);
    if (!next || *next > now || timing.catch_up == workspace::CatchUp::kAll) return next;
    return timing.schedule->Last(after, now);
}

bool IsScheduledNow(const State& state, const TaskSpec& spec, Timestamp now) {
    std::optional<Timestamp> next = NextScheduled(state, spec, now);
    return next && *next <= now;
}

std::string ScheduleText(const workspace::Timing& timing) {
    if (timing.every) return "every " + FormatDuration(*timing.every);
    return fmt::format("at \"{}\" {}", timing.schedule->cron(), timing.schedule->time_zone());
}

// How many runs go on, altogether and by pool.
struct Places {
    int taken = 0;
    std::map<std::string, int> of_pool;
    void Take(const TaskSpec& spec) {
        ++taken;
        if (!spec.timing.pool.empty()) ++of_pool[spec.timing.pool];
    }
    // Empty when there is one; else what the run waits for.
    std::string WaitsFor(const State& state, const TaskSpec& spec) const {
        if (taken >= state.places) return "a free place";
        const std::string& pool = spec.timing.pool;
        auto known = state.pools.find(pool);
        auto used = of_pool.find(pool);
        int places = known == state.pools.end() ? 1 : known->second;
        bool full = !pool.empty() && used != of_pool.end() && used->second >= places;
        if (!full) return "";
        return fmt::format("a place in pool {}{}", pool,
                           known == state.pools.end() ? " (one, for tarn.yaml does not say how many)" : "");
    }
};

Places PlacesOf(const State& state) {
    Places places;
    for (const std::string& task : state.order) {
        const TaskMemory& memory = MemoryOf(state, task);
        if (memory.current && memory.current->state == RunState::kRunning) places.Take(state.specs.at(task));
    }
    return places;
}

std::string PlaceText(const State& state, const TaskSpec& spec) {
    std::string text = PlacesOf(state).WaitsFor(state, spec);
    return text.empty() ? "the next look" : text;
}

bool IsLate(const TaskSpec& spec, const Run& run, Timestamp now) {
    return spec.timing.sla && !run.late && now >= run.queued_at + *spec.timing.sla;
}

}  // namespace

std::string_view RunStateName(RunState state) { return kStateNames[static_cast<size_t>(state)]; }
std::string_view EventKindName(EventKind kind) { return kEventNames[static_cast<size_t>(kind)]; }

Result<EventKind> EventKindOf(std::string_view name) {
    auto found = std::find(kEventNames.begin(), kEventNames.end(), name);
    if (found == kEventNames.end()) return Error(ErrorCode::kCorruption, "the run log has an event \"{}\"", name);
    return static_cast<EventKind>(found - kEventNames.begin());
}

Json ToJson(const Event& event) {
    Json json = {{"at", ToMicros(event.at)}};
    if (!event.trigger.empty()) json["trigger"] = event.trigger;
    if (!event.fingerprint.empty()) json["fingerprint"] = event.fingerprint;
    if (!event.input_versions.empty()) json["inputs"] = event.input_versions;
    if (!event.after.empty()) json["after"] = event.after;
    if (!event.parameters.empty()) json["parameters"] = event.parameters;
    if (event.scheduled_for) json["scheduled_for"] = ToMicros(*event.scheduled_for);
    if (event.approval) json["approval"] = true;
    if (!event.by.empty()) json["by"] = event.by;
    if (event.attempt != 1) json["attempt"] = event.attempt;
    if (event.changed) json["changed"] = true;
    if (!event.version.empty()) json["version"] = event.version;
    if (event.rows >= 0) json["rows"] = event.rows;
    if (!event.warnings.empty()) json["warnings"] = event.warnings;
    if (!event.error.empty()) json["error"] = event.error;
    if (event.kind == EventKind::kRetry) json["retry_at"] = ToMicros(event.retry_at);
    if (event.waits) json["waits"] = true;
    return json;
}

Result<Event> EventFromJson(const Json& json) {
    Event event;
    event.at = FromMicros(TRY(JsonInteger(json, "at")));
    event.trigger = TRY(JsonStringOr(json, "trigger", ""));
    event.fingerprint = TRY(JsonStringOr(json, "fingerprint", ""));
    if (json.contains("inputs")) event.input_versions = json["inputs"].get<std::map<std::string, std::string>>();
    if (json.contains("after")) event.after = json["after"].get<std::map<std::string, std::string>>();
    if (json.contains("parameters")) event.parameters = json["parameters"].get<std::map<std::string, std::string>>();
    if (json.contains("scheduled_for")) event.scheduled_for = FromMicros(TRY(JsonInteger(json, "scheduled_for")));
    event.approval = TRY(JsonBoolOr(json, "approval", false));
    event.by = TRY(JsonStringOr(json, "by", ""));
    event.attempt = static_cast<int>(TRY(JsonIntegerOr(json, "attempt", 1)));
    event.changed = TRY(JsonBoolOr(json, "changed", false));
    event.version = TRY(JsonStringOr(json, "version", ""));
    event.rows = TRY(JsonIntegerOr(json, "rows", -1));
    if (json.contains("warnings")) event.warnings = json["warnings"].get<std::vector<std::string>>();
    event.error = TRY(JsonStringOr(json, "error", ""));
    event.retry_at = FromMicros(TRY(JsonIntegerOr(json, "retry_at", 0)));
    event.waits = TRY(JsonBoolOr(json, "waits", false));
    return event;
}

bool IsActive(const TaskMemory& memory) { return memory.current.has_value(); }

Status SetGraph(State& state, std::vector<TaskSpec> specs) {
    State next;
    for (TaskSpec& spec : specs) {
        auto [producer, fresh] = next.producer.emplace(spec.dataset, spec.id);
        if (spec.dataset.empty()) {
            next.producer.erase(producer);
        } else if (!fresh) {
            return Error(ErrorCode::kInvalidArgument, "{} and {} both make {}", producer->second, spec.id,
                         spec.dataset);
        }
        std::string id = spec.id;
        next.specs.emplace(std::move(id), std::move(spec));
    }
    next.order = TRY(Ordering(next).Run());
    state.specs = std::move(next.specs);
    state.producer = std::move(next.producer);
    state.order = std::move(next.order);
    return Ok();
}

void Fold(State& state, const Event& event) {
    TaskMemory& memory = state.memory[event.task];
    if (event.kind == EventKind::kQueued) return FoldQueued(state, memory, event);
    // An event of another run than the current one belongs to a history that a newer event ended already.
    if (!memory.current || memory.current->id != std::to_string(event.run)) return;
    switch (event.kind) {
        case EventKind::kQueued:
            break;
        case EventKind::kStarted:
            memory.current->state = RunState::kRunning;
            memory.current->attempt = event.attempt;
            memory.current->started_at = event.at;
            break;
        case EventKind::kSucceeded:
            FoldSucceeded(memory, event);
            break;
        case EventKind::kFailed:
            Finish(memory, RunState::kFailed, event);
            break;
        case EventKind::kRetry:
            memory.current->state = RunState::kWaitingRetry;
            memory.current->error = event.error;
            memory.retry_at = event.retry_at;
            memory.waits = event.waits;
            if (event.waits) --memory.current->attempt;  // the next start counts it up again
            break;
        case EventKind::kCancelled:
            Finish(memory, RunState::kCancelled, event);
            break;
        case EventKind::kApproved:
            memory.current->state = RunState::kQueued;
            memory.current->approved_by = event.by;
            break;
        case EventKind::kLate:
            memory.current->late = true;
            break;
    }
}

std::map<std::string, std::string> InputVersions(const State& state, const TaskSpec& spec) {
    std::map<std::string, std::string> versions;
    for (const std::string& input : spec.inputs) {
        const TaskSpec* producer = ProducerOf(state, input);
        if (producer) versions[input] = MemoryOf(state, producer->id).version;
    }
    return versions;
}

std::map<std::string, std::string> AfterRuns(const State& state, const TaskSpec& spec) {
    std::map<std::string, std::string> runs;
    for (const std::string& name : spec.after) {
        const TaskSpec* before = TaskOf(state, name);
        const TaskMemory* memory = before ? &MemoryOf(state, before->id) : nullptr;
        if (memory && memory->last) runs[name] = memory->last->id;
    }
    return runs;
}

std::string DueReason(const State& state, const std::string& task, Timestamp now) {
    const TaskSpec& spec = state.specs.at(task);
    const TaskMemory& memory = MemoryOf(state, task);
    if (spec.only_by_hand || spec.timing.paused) return "";
    if (!workspace::RunsWithoutValues(spec.parameters)) return "";
    if (!memory.queued_at && (spec.eager || spec.timing.every)) return "first run";
    if (spec.eager && memory.tried_fingerprint != spec.fingerprint) return "definition";
    if (memory.outside_new) return "new data outside";
    if (IsScheduledNow(state, spec, now)) return "schedule";
    for (const auto& [dataset, version] : InputVersions(state, spec)) {
        auto seen = memory.tried_inputs.find(dataset);
        bool is_new = seen == memory.tried_inputs.end() || seen->second != version;
        if (is_new && !version.empty()) return "new data in " + dataset;
    }
    for (const auto& [name, run] : AfterRuns(state, spec)) {
        auto seen = memory.tried_after.find(name);
        if (seen == memory.tried_after.end() || seen->second != run) return "after " + name;
    }
    return "";
}

std::optional<Timestamp> NextDue(const State& state, const std::string& task, Timestamp now) {
    const TaskSpec& spec = state.specs.at(task);
    const TaskMemory& memory = MemoryOf(state, task);
    if (memory.current && memory.current->state == RunState::kWaitingRetry) return memory.retry_at;
    if (spec.only_by_hand || spec.timing.paused) return std::nullopt;
    return NextScheduled(state, spec, now);
}

Decisions Decide(const State& state, Timestamp now) {
    Decisions decisions;
    std::set<std::string> moving = MovingTasks(state, now);
    std::vector<std::pair<int64_t, std::string>> ready;  // the runs' numbers: who came first starts first
    auto wake = [&](Timestamp at) {
        if (at > now) decisions.wake_at = std::min(decisions.wake_at.value_or(at), at);
    };
    for (const std::string& task : state.order) {
        const TaskSpec& spec = state.specs.at(task);
        const TaskMemory& memory = MemoryOf(state, task);
        std::optional<Timestamp> due = NextDue(state, task, now);
        if (due) wake(*due);
        if (!memory.current) {
            std::string reason = DueReason(state, task, now);
            if (reason.empty() || ObstacleOf(state, task, moving).Holds()) continue;
            bool scheduled = spec.timing.schedule && due && *due <= now;
            decisions.queue.push_back({task, reason, scheduled ? due : std::nullopt});
            continue;
        }
        if (IsLate(spec, *memory.current, now)) decisions.late.push_back(task);
        if (spec.timing.sla) wake(memory.current->queued_at + *spec.timing.sla);
        bool waits = memory.current->state == RunState::kWaitingRetry && memory.retry_at <= now;
        if (!waits && memory.current->state != RunState::kQueued) continue;
        // A run asked for by hand before its inputs ever delivered is started all the same: it fails and says so.
        Obstacle obstacle = ObstacleOf(state, task, moving);
        if (!obstacle.Holds() || obstacle.never_delivered) ready.emplace_back(IntegerOrZero(memory.current->id), task);
    }
    Places places = PlacesOf(state);
    std::sort(ready.begin(), ready.end());
    for (const auto& [number, task] : ready) {
        const TaskSpec& spec = state.specs.at(task);
        if (!places.WaitsFor(state, spec).empty()) continue;
        places.Take(spec);
        decisions.start.push_back(task);
    }
    return decisions;
}

std::string Why(const State& state, const std::string& task, Timestamp now, const std::set<std::string>* moving) {
    const TaskSpec& spec = state.specs.at(task);
    const TaskMemory& memory = MemoryOf(state, task);
    // Looks at the whole graph, so only for what waits: the tasks of a large workspace are mostly fresh.
    auto find_obstacle = [&]() -> std::string {
        if (spec.inputs.empty() && spec.after.empty()) return "";
        if (moving) return ObstacleOf(state, task, *moving).text;
        return ObstacleOf(state, task, MovingTasks(state, now)).text;
    };
    if (memory.current) {
        const Run& run = *memory.current;
        if (run.state == RunState::kWaitingApproval) {
            return fmt::format("run {} waits for approval: `tarn approve {}`", run.id, run.id);
        }
        if (run.state == RunState::kRunning) return fmt::format("it is running (run {}, {})", run.id, run.trigger);
        if (run.state == RunState::kWaitingRetry && memory.waits) {
            return fmt::format("run {} waits for {}; it looks again at {}", run.id, run.error,
                               FormatTime(memory.retry_at));
        }
        if (run.state == RunState::kWaitingRetry) {
            return fmt::format("run {} failed and is tried again at {}: {}", run.id, FormatTime(memory.retry_at),
                               run.error);
        }
        std::string obstacle = find_obstacle();
        return fmt::format("run {} is queued and {}", run.id,
                           obstacle.empty() ? "waits for " + PlaceText(state, spec) : obstacle);
    }
    std::string reason = DueReason(state, task, now);
    if (!reason.empty()) {
        std::string obstacle = find_obstacle();
        return fmt::format("it is due ({}) {}", reason, obstacle.empty() ? "and starts at once" : "but " + obstacle);
    }
    if (memory.last && memory.last->state == RunState::kFailed) {
        return fmt::format("run {} failed and nothing has changed since: {}; mend it, then `tarn run {}`",
                           memory.last->id, memory.last->error, task);
    }
    if (memory.last && memory.last->state == RunState::kCancelled) {
        return fmt::format("run {} was cancelled and nothing has changed since; `tarn run {}` runs it", memory.last->id,
                           task);
    }
    std::string since = memory.success_at ? FormatTime(*memory.success_at) : "never";
    if (spec.only_by_hand) {
        return fmt::format("it runs only by hand: `tarn run {}`; its last success was {}", task,
                           memory.success_at ? "at " + since : since);
    }
    if (spec.timing.paused) {
        return fmt::format("it is paused in {} (`paused: yes`); `tarn run {}` runs it all the same", spec.file, task);
    }
    if (std::optional<Timestamp> next = NextScheduled(state, spec, now)) {
        return fmt::format("it is fresh since {}; it runs {}{}, next at {}", since, ScheduleText(spec.timing),
                           spec.watched ? " and when a file is new or changed" : "", FormatTime(*next));
    }
    if (!workspace::RunsWithoutValues(spec.parameters)) {
        return fmt::format("it runs by hand only: a parameter has no default; `tarn run {} --param NAME=VALUE`", task);
    }
    if (!memory.queued_at) return fmt::format("it has not run yet; `tarn run {}` runs it", task);
    if (spec.watched) {
        return fmt::format("it is fresh since {}; it runs when a file is new or changed, or by hand", since);
    }
    if (!spec.after.empty()) {
        return fmt::format("it is fresh since {}; it runs after {} or by hand", since, Join(spec.after, ", "));
    }
    if (spec.inputs.empty()) {
        return fmt::format(
            "it is fresh since {}; it has no schedule: `every: 1h` in {} gives it one, `tarn run {}` runs it", since,
            spec.file.empty() ? "its file" : spec.file, task);
    }
    return fmt::format("it is fresh since {}; it runs when one of its inputs changes or by hand", since);
}

}  // namespace tarn::orchestrator
