// The scheduler's questions and wishes: trigger, cancel, list, why. Each asks the gate.
#include <algorithm>
#include <limits>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/orchestrator/scheduler.h"

namespace tarn::orchestrator {
namespace {

constexpr const char* kWithheld =
    "(hidden: it may hold values; who may read, whole, all that this task reads and makes is shown it)";

security::Resource RunResource(const std::string& task) { return {"run", task}; }

// Also what a task made that is no more: the names of ids and datasets are those of sources and tables.
std::string DatasetOf(const std::string& task) {
    std::string name = task.substr(task.find(':') + 1);
    return task.starts_with("source:") ? "raw_" + name : name;
}

bool SeesWhole(const security::Gate& gate, const security::Principal& principal, const std::string& dataset) {
    security::Decision read = gate.Decide(principal, "table:Read", {"table", dataset});
    return read.allowed && read.obligations.empty();
}

// As the catalog tells how many rows a dataset has.
bool SeesCount(const security::Gate& gate, const security::Principal& principal, const std::string& dataset) {
    security::Decision read = gate.Decide(principal, "table:Read", {"table", dataset});
    if (read.allowed) return read.obligations.row_filter.empty();
    return gate.Decide(principal, "table:Describe", {"table", dataset}).allowed;
}

std::string Without(std::string text, const std::string& part) {
    if (part.empty()) return text;
    size_t at = text.find(part);
    return at == std::string::npos ? text : text.replace(at, part.size(), kWithheld);
}

}  // namespace

void Scheduler::Shown::HideRestOf(Run& run) const {
    if (!rows) run.rows = -1, run.details = Json::object();
    if (texts) return;
    if (!run.error.empty()) run.error = kWithheld;
    if (!run.note.empty()) run.note = kWithheld;
    for (std::string& warning : run.warnings) warning = kWithheld;
}

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

Event Scheduler::RetryNow(const TaskMemory& memory) const {
    Event event = EventOf(EventKind::kRetry, memory, env_.clock().Now());
    event.retry_at = event.at;
    event.error = memory.current->error;
    return event;
}

std::shared_ptr<ActiveRun> Scheduler::ActiveOf(const Run& run) const {
    auto active = active_.find(LaneOf(run.task, run.part));
    return active != active_.end() && active->second->run_id() == run.id ? active->second : nullptr;
}

// The event that makes a run of the task; of one with parts, of the newest that has ended. An error when it is under
// way with other parameters.
Result<Event> Scheduler::AskedEvent(const Principal& principal, const std::string& task,
                                    const workspace::ParameterValues& values) const {
    const TaskSpec& spec = state_.specs.at(task);
    Event event = QueuedEvent(task, "hand: " + principal.Id(), env_.clock().Now());
    event.parameters = TRY(workspace::CheckParameters(spec.parameters, values));
    if (spec.partition) {
        std::optional<workspace::Part> part = spec.partition->NewestEnded(event.at);
        if (!part) return Error(ErrorCode::kFailedPrecondition, "no part of {} has ended yet", task);
        TellPart(event, *part);
    }
    auto memory = state_.memory.find(LaneOf(task, event.part));
    if (memory == state_.memory.end() || !memory->second.current) return event;
    const Run& current = *memory->second.current;
    if (!values.empty() && event.parameters != current.parameters) {
        return Error(ErrorCode::kFailedPrecondition, "run {} of {} is {} with other parameters", current.id, task,
                     RunStateName(current.state))
            .WithHint("wait for its end, or cancel it");
    }
    return event;
}

// Queues the run that was asked for, or finds the one that is under way.
void Scheduler::AddAsked(Event event, Batch& batch, std::vector<std::string>& runs) {
    const TaskMemory& memory = state_.memory[LaneOf(event.task, event.part)];
    if (!memory.current) {
        event.run = state_.last_run + 1;
        runs.push_back(std::to_string(event.run));
        return Add(batch, std::move(event));
    }
    runs.push_back(memory.current->id);
    // Somebody who asks has perhaps mended what was wrong: no need to sit out the pause.
    if (memory.current->state == RunState::kWaitingRetry) Add(batch, RetryNow(memory));
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
        Batch batch;
        {
            std::lock_guard lock(mutex_);
            if (failure_) return Error(*failure_);
            std::vector<Event> asked;  // all or none
            for (const std::string& task : tasks) {
                if (state_.specs.contains(task)) asked.push_back(TRY(AskedEvent(principal, task, parameters)));
            }
            int64_t together = asked.size() > 1 ? state_.last_run + 1 : 0;
            for (Event& event : asked) {
                event.batch = together;
                AddAsked(std::move(event), batch, runs);
            }
        }
        TRY(Commit(batch));
    }
    Wake();
    return runs;
}

Status Scheduler::Cancel(const Principal& principal, const std::string& run_id) {
    Run run = TRY(run_log_.Get(run_id));
    TRY(Require(gate_, principal, "run:Cancel", RunResource(run.task)));
    std::unique_lock emit_lock(emit_mutex_);
    Batch batch;
    {
        std::lock_guard lock(mutex_);
        const TaskMemory& memory = state_.memory[LaneOf(run.task, run.part)];
        if (!memory.current || memory.current->id != run_id) {
            return Error(ErrorCode::kFailedPrecondition, "run {} has ended already: {}", run_id,
                         RunStateName(run.state));
        }
        if (std::shared_ptr<ActiveRun> active = ActiveOf(run)) return active->RequestCancel(false), Ok();
        if (memory.current->state == RunState::kWaitingItems) {
            AddCancelledItems(run.task, "cancelled by " + principal.Id(), batch);
        } else {
            Add(batch, CancelledEvent(memory, "cancelled by " + principal.Id()));
        }
    }
    TRY(Commit(batch));
    Wake();
    return Ok();
}

// The run that fanned out ends once they have.
void Scheduler::AddCancelledItems(const std::string& task, const std::string& why, Batch& batch) {
    std::vector<Event> events;
    for (auto lane = state_.memory.lower_bound(task + "["); lane != state_.memory.end(); ++lane) {
        if (!lane->first.starts_with(task + "[")) break;
        if (!lane->second.current) continue;
        if (std::shared_ptr<ActiveRun> active = ActiveOf(*lane->second.current)) {
            active->RequestCancel(false);
        } else {
            events.push_back(CancelledEvent(lane->second, why));
        }
    }
    for (Event& event : events) Add(batch, std::move(event));
}

std::vector<Run> Scheduler::Late() const {
    std::lock_guard lock(mutex_);
    std::vector<Run> late;
    auto take = [&](const std::string& lane) {
        auto memory = state_.memory.find(lane);
        bool is_late = memory != state_.memory.end() && memory->second.current && memory->second.current->late;
        if (is_late) late.push_back(*memory->second.current);
    };
    Refresh(state_, env_.clock().Now());
    for (const std::string& task : state_.agenda.active) take(task);
    for (const std::string& task : state_.agenda.by_part) {
        for (const auto& [number, lane] : state_.parts.at(task).running) take(lane);
    }
    return late;
}

Status Scheduler::Approve(const Principal& principal, const std::string& run_id) {
    Run run = TRY(run_log_.Get(run_id));
    TRY(Require(gate_, principal, "run:Approve", RunResource(run.task)));
    {
        std::lock_guard emit_lock(emit_mutex_);
        Batch batch;
        {
            std::lock_guard lock(mutex_);
            // A backfill is approved as a whole.
            std::vector<std::string> lanes = {LaneOf(run.task, run.part)};
            for (const auto& [number, lane] : state_.parts[run.task].asking) {
                if (!run.batch.empty() && state_.memory[lane].current->batch == run.batch) lanes.push_back(lane);
            }
            for (const std::string& lane : lanes) {
                const TaskMemory& memory = state_.memory[lane];
                if (!memory.current || memory.current->state != RunState::kWaitingApproval) continue;
                Event event = EventOf(EventKind::kApproved, memory, env_.clock().Now());
                event.by = principal.Id();
                Add(batch, std::move(event));
            }
        }
        if (!batch.runs.contains(IntegerOrZero(run_id))) {
            return Error(ErrorCode::kFailedPrecondition, "run {} does not wait for approval: it is {}", run_id,
                         RunStateName(run.state));
        }
        TRY(Commit(batch));
    }
    Wake();
    return Ok();
}

// Texts of a run are shown to who may read, whole, all that it read and made; its rows to who may know how many there
// are.
Scheduler::Shown Scheduler::ShownOf(const Principal& principal, const std::string& task) const {
    if (principal.IsSystem()) return {};
    auto found = state_.specs.find(task);
    if (found == state_.specs.end()) return ShownOfGone(principal, task);
    const TaskSpec& spec = found->second;
    auto whole = [&](const std::string& dataset) { return SeesWhole(gate_, principal, dataset); };
    auto counted = [&](const std::string& dataset) { return SeesCount(gate_, principal, dataset); };
    bool makes = !spec.dataset.empty();
    return {.rows = makes ? counted(spec.dataset) : std::all_of(spec.inputs.begin(), spec.inputs.end(), counted),
            .texts = (!makes || whole(spec.dataset)) && std::all_of(spec.inputs.begin(), spec.inputs.end(), whole)};
}

// Nobody knows any more what it read: it may have been anything that there is.
Scheduler::Shown Scheduler::ShownOfGone(const Principal& principal, const std::string& task) const {
    bool all = SeesWhole(gate_, principal, DatasetOf(task));
    for (auto spec = state_.specs.begin(); all && spec != state_.specs.end(); ++spec) {
        all = spec->second.dataset.empty() || SeesWhole(gate_, principal, spec->second.dataset);
    }
    return {.rows = SeesCount(gate_, principal, DatasetOf(task)), .texts = all};
}

bool Scheduler::ShowTo(const Principal& principal, Run& run) const {
    if (!gate_.Decide(principal, "run:Read", RunResource(run.task)).allowed) return false;
    std::lock_guard lock(mutex_);
    ShownOf(principal, run.task).HideRestOf(run);
    return true;
}

Result<std::vector<Run>> Scheduler::Runs(const Principal& principal, const RunFilter& filter) {
    std::vector<Run> runs;
    std::map<std::string, Shown> known;  // many runs are of the same task
    for (Run& run : TRY(run_log_.Runs(filter))) {
        if (!gate_.Decide(principal, "run:Read", RunResource(run.task)).allowed) continue;
        std::lock_guard lock(mutex_);
        if (auto active = ActiveOf(run)) active->ShowIn(run);
        auto [shown, is_new] = known.try_emplace(run.task);
        if (is_new) shown->second = ShownOf(principal, run.task);
        shown->second.HideRestOf(run);
        runs.push_back(std::move(run));
    }
    return runs;
}

Result<Run> Scheduler::GetRun(const Principal& principal, const std::string& run_id) {
    Run run = TRY(run_log_.Get(run_id));
    TRY(Require(gate_, principal, "run:Read", RunResource(run.task)));
    std::lock_guard lock(mutex_);
    if (auto active = ActiveOf(run)) active->ShowIn(run);
    ShownOf(principal, run.task).HideRestOf(run);
    return run;
}

Result<std::vector<std::string>> Scheduler::LogOf(const Principal& principal, const std::string& run_id) {
    std::vector<std::string> lines;
    for (const RunLine& line : TRY(LinesOf(principal, run_id, 0, std::numeric_limits<int>::max()))) {
        lines.push_back(FormatTime(line.at) + " " + line.text);
    }
    return lines;
}

Result<std::vector<RunLine>> Scheduler::LinesOf(const Principal& principal, const std::string& run_id, int64_t after,
                                                int limit) {
    Run run = TRY(GetRun(principal, run_id));
    {
        std::lock_guard lock(mutex_);
        if (!ShownOf(principal, run.task).texts) {
            return after > 0 ? std::vector<RunLine>() : std::vector<RunLine>{{1, run.queued_at, kWithheld}};
        }
    }
    auto under_way = [&]() -> std::shared_ptr<ActiveRun> {
        std::lock_guard lock(mutex_);
        return ActiveOf(run);
    };
    // An attempt's lines are in memory or in the log, never half: one that ends meanwhile (it is sealed then) is left
    // to the next question.
    std::shared_ptr<ActiveRun> active = under_way();
    auto [lines, stored] = TRY(run_log_.LinesAfter(run_id, after, limit));
    if (!active || active != under_way() || after + static_cast<int64_t>(lines.size()) < stored) return lines;
    int64_t number = std::max(after, stored);
    size_t room = static_cast<size_t>(limit) - lines.size();
    for (const LogLine& line : active->LinesAfter(static_cast<size_t>(number - stored), room)) {
        lines.push_back({++number, line.at, line.text});
    }
    return lines;
}

Result<std::map<std::string, RunHistory>> Scheduler::Histories(const Principal& principal,
                                                               const std::vector<Run>& runs) {
    std::map<std::string, RunHistory> histories = TRY(run_log_.Histories(runs));
    std::lock_guard lock(mutex_);
    for (const Run& run : runs) {
        auto found = histories.find(run.id);
        if (found == histories.end() || ShownOf(principal, run.task).texts) continue;
        for (RunPart& part : found->second.parts) {
            if (!part.why.empty()) part.why = kWithheld;
        }
    }
    return histories;
}

Result<RunDefinition> Scheduler::DefinitionOf(const Principal& principal, const std::string& run_id) {
    Run run = TRY(GetRun(principal, run_id));
    RunDefinition definition = TRY(run_log_.DefinitionOf(run));
    std::lock_guard lock(mutex_);
    auto spec = state_.specs.find(run.task);
    if (spec != state_.specs.end()) definition.file = spec->second.file;
    return definition;
}

TaskStatus Scheduler::StatusOf(const Principal& principal, const std::string& task, Timestamp now) const {
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
    status.why = orchestrator::Why(state_, task, now);
    Shown shown = ShownOf(principal, task);
    for (std::optional<Run>* run : {&status.last, &status.current}) {
        if (!*run) continue;
        if (!shown.texts) status.why = Without(std::move(status.why), (*run)->error);
        shown.HideRestOf(**run);
    }
    return status;
}

Result<std::vector<TaskStatus>> Scheduler::Tasks(const Principal& principal) {
    std::lock_guard lock(mutex_);
    std::vector<TaskStatus> tasks;
    Timestamp now = env_.clock().Now();
    for (const std::string& task : state_.order) {
        if (!gate_.Decide(principal, "run:Read", RunResource(task)).allowed) continue;
        tasks.push_back(StatusOf(principal, task, now));
    }
    return tasks;
}

Result<TaskStatus> Scheduler::Why(const Principal& principal, const std::string& target) {
    std::lock_guard lock(mutex_);
    std::vector<std::string> tasks = Matching(target);
    if (tasks.empty()) return NoSuchTask(target);
    TRY(Require(gate_, principal, "run:Read", RunResource(tasks[0])));
    return StatusOf(principal, tasks[0], env_.clock().Now());
}

}  // namespace tarn::orchestrator
