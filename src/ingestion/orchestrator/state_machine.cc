#include "ingestion/orchestrator/state_machine.h"

#include <algorithm>
#include <array>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/orchestrator/decide.h"

namespace tarn::orchestrator {
namespace {

constexpr std::array<std::string_view, 10> kEventNames = {
    "queued", "started", "succeeded", "failed", "retry", "cancelled", "approved", "late", "skipped", "fanned_out"};
constexpr std::array<std::string_view, 10> kStateNames = {
    "queued", "running",   "waiting_retry",    "succeeded",     "unchanged",
    "failed", "cancelled", "waiting_approval", "waiting_items", "skipped"};

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
    run.part = event.part;
    run.batch = event.batch == 0 ? "" : std::to_string(event.batch);
    run.retry_of = event.retry_of == 0 ? "" : std::to_string(event.retry_of);
    run.trigger = event.trigger;
    run.state = event.approval ? RunState::kWaitingApproval : RunState::kQueued;
    run.queued_at = event.at;
    run.scheduled_for = event.scheduled_for;
    run.parameters = event.parameters;
    memory.current = std::move(run);
    memory.queued_at = event.at;
    memory.wave = event.wave != 0 ? event.wave : event.batch != 0 ? event.batch : event.run;
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
    run.details = event.details;
    memory.last = std::move(run);
    memory.ended_wave = memory.wave;
}

void FoldSucceeded(TaskMemory& memory, const Event& event) {
    Finish(memory, event.changed ? RunState::kSucceeded : RunState::kUnchanged, event);
    memory.version = event.version;
    memory.success_at = event.at;
    // An input may have moved on between queueing and reading: what was really read counts.
    for (const auto& [dataset, version] : event.input_versions) memory.tried_inputs[dataset] = version;
}

void FoldInto(State& state, TaskMemory& memory, const Event& event) {
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
        case EventKind::kSkipped:
            Finish(memory, RunState::kSkipped, event);
            break;
        case EventKind::kFannedOut:
            memory.current->state = RunState::kWaitingItems;
            memory.current->items = event.items;
            break;
    }
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
    if (!event.part.empty()) json["part"] = event.part;
    if (event.batch != 0) json["batch"] = event.batch;
    if (event.wave != 0) json["wave"] = event.wave;
    if (event.retry_of != 0) json["retry_of"] = event.retry_of;
    if (event.items >= 0) json["items"] = event.items;
    if (event.scheduled_for) json["scheduled_for"] = ToMicros(*event.scheduled_for);
    if (event.approval) json["approval"] = true;
    if (!event.by.empty()) json["by"] = event.by;
    if (event.attempt != 1) json["attempt"] = event.attempt;
    if (event.changed) json["changed"] = true;
    if (!event.version.empty()) json["version"] = event.version;
    if (event.rows >= 0) json["rows"] = event.rows;
    if (!event.warnings.empty()) json["warnings"] = event.warnings;
    if (!event.details.empty()) json["details"] = event.details;
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
    event.part = TRY(JsonStringOr(json, "part", ""));
    event.batch = TRY(JsonIntegerOr(json, "batch", 0));
    event.retry_of = TRY(JsonIntegerOr(json, "retry_of", 0));
    event.wave = TRY(JsonIntegerOr(json, "wave", 0));
    event.items = TRY(JsonIntegerOr(json, "items", -1));
    event.approval = TRY(JsonBoolOr(json, "approval", false));
    event.by = TRY(JsonStringOr(json, "by", ""));
    event.attempt = static_cast<int>(TRY(JsonIntegerOr(json, "attempt", 1)));
    event.changed = TRY(JsonBoolOr(json, "changed", false));
    event.version = TRY(JsonStringOr(json, "version", ""));
    event.rows = TRY(JsonIntegerOr(json, "rows", -1));
    if (json.contains("warnings")) event.warnings = json["warnings"].get<std::vector<std::string>>();
    if (json.contains("details")) event.details = json["details"];
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
    state.agenda = NewAgenda(state);
    return Ok();
}

std::string LaneOf(const std::string& task, const std::string& part) {
    return part.empty() ? task : task + "[" + part + "]";
}

void Parts::Enter(const std::string& lane, const TaskMemory& memory) {
    if (!memory.current) return;
    int64_t number = IntegerOrZero(memory.current->id);
    if (memory.current->state == RunState::kQueued) queued.emplace(number, lane);
    if (memory.current->state == RunState::kRunning) running.emplace(number, lane);
    if (memory.current->state == RunState::kWaitingRetry) retrying.emplace(memory.retry_at, lane);
    if (memory.current->state == RunState::kWaitingApproval) asking.emplace(number, lane);
}

void Parts::Leave(const std::string& lane, const TaskMemory& memory) {
    if (!memory.current) return;
    int64_t number = IntegerOrZero(memory.current->id);
    for (auto* runs : {&queued, &running, &asking}) runs->erase(number);
    retrying.erase({memory.retry_at, lane});
}

void Fold(State& state, const Event& event) {
    state.agenda.touched.insert(event.task);
    std::string lane = LaneOf(event.task, event.part);
    TaskMemory& memory = state.memory[lane];
    if (event.part.empty()) return FoldInto(state, memory, event);
    Parts& parts = state.parts[event.task];
    parts.newest = std::max(parts.newest, event.part);
    parts.Leave(lane, memory);
    FoldInto(state, memory, event);
    parts.Enter(lane, memory);
    if (memory.current || !memory.last || memory.last->id != std::to_string(event.run)) return;
    TaskMemory& whole = state.memory[event.task];
    // An item is a piece of its task's run, which ends when all have.
    if (whole.current && whole.current->state == RunState::kWaitingItems) return;
    // What reads or follows the task goes by the task, whichever part brought the version.
    whole.last = memory.last;
    whole.ended_wave = memory.ended_wave;
    if (event.kind != EventKind::kSucceeded) return;
    if (!memory.version.empty()) whole.version = memory.version;
    whole.success_at = event.at;
}

}  // namespace tarn::orchestrator
