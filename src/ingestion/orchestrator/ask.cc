// The scheduler's questions and wishes: trigger, cancel, list, why. Each asks the gate.
#include <algorithm>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/orchestrator/scheduler.h"

namespace tarn::orchestrator {
namespace {

security::Resource RunResource(const std::string& task) { return {"run", task}; }

}  // namespace

Status Scheduler::Replay() {
    std::lock_guard lock(mutex_);
    return run_log_.Replay(state_);
}

std::vector<std::string> Scheduler::Matching(const std::string& target) const {
    std::vector<std::string> matching;
    for (const std::string& id : state_.order) {
        const TaskSpec& spec = state_.specs.at(id);
        // "registry" stands for all streams of the source, "delays" for all tables of the use case; "registry.planes"
        // for the stream.
        // What makes no dataset goes by its own name.
        std::string name = spec.dataset.empty() ? id.substr(id.find(':') + 1) : spec.dataset;
        bool whole = name.starts_with(target + ".") || name.starts_with("raw_" + target + ".");
        bool named =
            MatchesWildcard(target, id) || MatchesWildcard(target, name) || MatchesWildcard("raw_" + target, name);
        if (whole || named) matching.push_back(id);
    }
    return matching;
}

Error Scheduler::NoSuchTask(const std::string& target) const {
    std::vector<std::string> names;
    for (const auto& [id, spec] : state_.specs) {
        names.push_back(id);
        names.push_back(spec.dataset.empty() ? id.substr(id.find(':') + 1) : spec.dataset);
        if (spec.dataset.starts_with("raw_")) names.push_back(spec.dataset.substr(4));
    }
    std::string nearest = NearestWord(target, names);
    Error error(ErrorCode::kNotFound, "nothing that runs is called \"{}\"", target);
    if (nearest.empty()) return std::move(error).WithHint("`tarn runs --tasks` lists what can run");
    return std::move(error).WithHint(fmt::format("did you mean {}?", nearest));
}

Event Scheduler::RetryNow(const std::string& task, const TaskMemory& memory) const {
    Event event;
    event.kind = EventKind::kRetry;
    event.run = IntegerOrZero(memory.current->id);
    event.task = task;
    event.at = event.retry_at = env_.clock().Now();
    event.error = memory.current->error;
    return event;
}

// Adds the event that makes a run of the task, or finds the one that is under way.
Status Scheduler::TriggerLocked(const Principal& principal, const std::string& task,
                                const workspace::ParameterValues& values, std::vector<Event>& events,
                                std::vector<std::string>& runs) {
    const TaskMemory& memory = state_.memory[task];
    workspace::ParameterValues checked = TRY(workspace::CheckParameters(state_.specs.at(task).parameters, values));
    if (!memory.current) {
        auto queued = std::count_if(events.begin(), events.end(),
                                    [](const Event& event) { return event.kind == EventKind::kQueued; });
        int64_t number = state_.last_run + 1 + queued;
        Event event = QueuedEvent(task, "hand: " + principal.Id(), number, env_.clock().Now());
        event.parameters = std::move(checked);
        events.push_back(std::move(event));
        runs.push_back(std::to_string(number));
        return Ok();
    }
    if (!values.empty() && checked != memory.current->parameters) {
        return Error(ErrorCode::kFailedPrecondition, "run {} of {} is {} with other parameters", memory.current->id,
                     task, RunStateName(memory.current->state))
            .WithHint("wait for its end, or cancel it");
    }
    // Somebody who asks has perhaps mended what was wrong: no need to sit out the pause.
    if (memory.current->state == RunState::kWaitingRetry) events.push_back(RetryNow(task, memory));
    runs.push_back(memory.current->id);
    return Ok();
}

Result<std::vector<std::string>> Scheduler::Trigger(const Principal& principal, const std::string& target,
                                                    const workspace::ParameterValues& parameters) {
    std::vector<std::string> tasks;
    {
        std::lock_guard lock(mutex_);
        tasks = Matching(target);
        if (tasks.empty()) return NoSuchTask(target);
    }
    for (const std::string& task : tasks) TRY(Require(gate_, principal, "run:Run", RunResource(task)));
    std::vector<std::string> runs;
    {
        std::lock_guard emit_lock(emit_mutex_);
        std::vector<Event> events;
        {
            std::lock_guard lock(mutex_);
            for (const std::string& task : tasks) {
                if (!state_.specs.contains(task)) continue;
                TRY(TriggerLocked(principal, task, parameters, events, runs));
            }
        }
        if (!events.empty()) TRY(EmitLocked(std::move(events), {}));
    }
    Wake();
    return runs;
}

Status Scheduler::Cancel(const Principal& principal, const std::string& run_id) {
    Run run = TRY(run_log_.Get(run_id));
    TRY(Require(gate_, principal, "run:Cancel", RunResource(run.task)));
    std::lock_guard emit_lock(emit_mutex_);
    {
        std::lock_guard lock(mutex_);
        const TaskMemory& memory = state_.memory[run.task];
        if (!memory.current || memory.current->id != run_id) {
            return Error(ErrorCode::kFailedPrecondition, "run {} has ended already: {}", run_id,
                         RunStateName(run.state));
        }
        auto active = active_.find(run.task);
        if (active != active_.end()) {
            active->second->RequestCancel(false);
            return Ok();
        }
    }
    Event event;
    {
        std::lock_guard lock(mutex_);
        event = CancelledEvent(run.task, state_.memory[run.task], "cancelled by " + principal.Id());
    }
    return EmitLocked({event}, {});
}

Status Scheduler::Approve(const Principal& principal, const std::string& run_id) {
    Run run = TRY(run_log_.Get(run_id));
    TRY(Require(gate_, principal, "run:Approve", RunResource(run.task)));
    std::lock_guard emit_lock(emit_mutex_);
    Event event;
    {
        std::lock_guard lock(mutex_);
        const TaskMemory& memory = state_.memory[run.task];
        bool waits =
            memory.current && memory.current->id == run_id && memory.current->state == RunState::kWaitingApproval;
        if (!waits) {
            return Error(ErrorCode::kFailedPrecondition, "run {} does not wait for approval: it is {}", run_id,
                         RunStateName(run.state));
        }
        event.kind = EventKind::kApproved;
        event.run = IntegerOrZero(run_id);
        event.task = run.task;
        event.at = env_.clock().Now();
        event.by = principal.Id();
    }
    TRY(EmitLocked({event}, {}));
    Wake();
    return Ok();
}

Result<std::vector<Run>> Scheduler::Runs(const Principal& principal, const RunFilter& filter) {
    std::vector<Run> runs;
    for (Run& run : TRY(run_log_.Runs(filter))) {
        if (!gate_.Decide(principal, "run:Read", RunResource(run.task)).allowed) continue;
        std::lock_guard lock(mutex_);
        auto active = active_.find(run.task);
        if (active != active_.end() && active->second->run_id() == run.id) active->second->ShowIn(run);
        runs.push_back(std::move(run));
    }
    return runs;
}

Result<Run> Scheduler::GetRun(const Principal& principal, const std::string& run_id) {
    Run run = TRY(run_log_.Get(run_id));
    TRY(Require(gate_, principal, "run:Read", RunResource(run.task)));
    std::lock_guard lock(mutex_);
    auto active = active_.find(run.task);
    if (active != active_.end() && active->second->run_id() == run.id) active->second->ShowIn(run);
    return run;
}

Result<std::vector<std::string>> Scheduler::LogOf(const Principal& principal, const std::string& run_id) {
    Run run = TRY(GetRun(principal, run_id));
    std::vector<std::string> lines = TRY(run_log_.Lines(run_id));
    std::lock_guard lock(mutex_);
    auto active = active_.find(run.task);
    if (active != active_.end() && active->second->run_id() == run_id) {
        for (const LogLine& line : active->second->lines()) lines.push_back(FormatTime(line.at) + " " + line.text);
    }
    return lines;
}

TaskStatus Scheduler::StatusOf(const std::string& task, Timestamp now, const std::set<std::string>* moving) const {
    TaskStatus status;
    status.spec = state_.specs.at(task);
    auto memory = state_.memory.find(task);
    if (memory != state_.memory.end()) {
        status.last = memory->second.last;
        status.current = memory->second.current;
        auto active = active_.find(task);
        if (status.current && active != active_.end()) active->second->ShowIn(*status.current);
        status.fresh = !status.current && memory->second.success_at && DueReason(state_, task, now).empty() &&
                       status.last && status.last->state != RunState::kFailed;
    }
    status.next_due = NextDue(state_, task, now);
    status.why = orchestrator::Why(state_, task, now, moving);
    return status;
}

Result<std::vector<TaskStatus>> Scheduler::Tasks(const Principal& principal) {
    std::lock_guard lock(mutex_);
    std::vector<TaskStatus> tasks;
    Timestamp now = env_.clock().Now();
    std::set<std::string> moving = MovingTasks(state_, now);
    for (const std::string& task : state_.order) {
        if (!gate_.Decide(principal, "run:Read", RunResource(task)).allowed) continue;
        tasks.push_back(StatusOf(task, now, &moving));
    }
    return tasks;
}

Result<TaskStatus> Scheduler::Why(const Principal& principal, const std::string& target) {
    std::lock_guard lock(mutex_);
    std::vector<std::string> tasks = Matching(target);
    if (tasks.empty()) return NoSuchTask(target);
    TRY(Require(gate_, principal, "run:Read", RunResource(tasks[0])));
    return StatusOf(tasks[0], env_.clock().Now());
}

}  // namespace tarn::orchestrator
