// Rerun from failure: what failed of a run, or of all that was asked for with it, and what is downstream of that.
#include <algorithm>

#include "base/number.h"
#include "ingestion/orchestrator/scheduler.h"

namespace tarn::orchestrator {
namespace {

bool EndedBadly(const Run& run) { return run.state == RunState::kFailed || run.state == RunState::kCancelled; }

}  // namespace

// The run, and those of its batch, each as it is; of an item, the run that made the list.
Result<std::vector<Run>> Scheduler::Together(const std::string& run_id) {
    Run first = TRY(run_log_.Get(run_id));
    if (first.batch.empty()) return std::vector<Run>{first};
    Result<Run> list = run_log_.Get(first.batch);
    if (list.ok() && list->items >= 0) return std::vector<Run>{*list};
    std::vector<Run> runs;
    RunFilter filter{.batch = first.batch, .limit = 1000};
    while (true) {
        std::vector<Run> page = TRY(run_log_.Runs(filter));
        if (page.empty()) return runs;
        filter.before_id = page.back().id;
        runs.insert(runs.end(), page.begin(), page.end());
    }
}

// A run again, with what the first was told: `run` is the lane's last one and nothing runs there.
Result<Event> Scheduler::AgainEvent(const Run& run, const std::string& trigger) const {
    const TaskSpec& spec = state_.specs.at(run.task);
    Event event = QueuedEvent(run.task, trigger, env_.clock().Now());
    workspace::ParameterValues told;
    for (const auto& [name, value] : run.parameters) {
        if (spec.parameters.contains(name)) told[name] = value;
    }
    event.parameters = TRY(workspace::CheckParameters(spec.parameters, told));
    event.retry_of = IntegerOrZero(run.id);
    if (run.part.empty()) return event;
    if (!spec.partition) {
        return Error(ErrorCode::kFailedPrecondition, "{} is no longer run by part", run.task);
    }
    TellPart(event, TRY(spec.partition->Parse(run.part)));
    return event;
}

std::vector<Run> Scheduler::FailedItems(const Run& list) const {
    std::vector<Run> failed;
    for (auto lane = state_.memory.lower_bound(list.task + "["); lane != state_.memory.end(); ++lane) {
        if (!lane->first.starts_with(list.task + "[")) break;
        const std::optional<Run>& last = lane->second.last;
        if (last && last->batch == list.id && EndedBadly(*last)) failed.push_back(*last);
    }
    return failed;
}

// Lanes to run again, those that failed and then what is downstream: in the batch, or for the same part.
std::vector<std::string> Scheduler::FromFailure(const std::vector<Run>& together) const {
    std::vector<std::string> lanes;
    std::map<std::string, std::string> by_task;  // lanes of the batch
    auto is_last = [&](const Run& run, const std::string& lane) {
        auto memory = state_.memory.find(lane);
        return state_.specs.contains(run.task) && memory != state_.memory.end() && !memory->second.current &&
               memory->second.last && memory->second.last->id == run.id;
    };
    std::multimap<std::string, const Run*> of_task;
    std::set<std::string> taken;
    std::vector<std::pair<std::string, std::string>> open;  // task and part
    for (const Run& run : together) {
        of_task.emplace(run.task, &run);
        std::string lane = LaneOf(run.task, run.part);
        if (!EndedBadly(run) || !is_last(run, lane) || !taken.insert(lane).second) continue;
        lanes.push_back(lane);
        open.emplace_back(run.task, run.part);
    }
    std::set<std::pair<std::string, std::string>> seen(open.begin(), open.end());
    while (!open.empty()) {
        auto [task, part] = open.back();
        open.pop_back();
        auto readers = state_.agenda.readers.find(task);
        if (readers == state_.agenda.readers.end()) continue;
        for (const std::string& reader : readers->second) {
            if (!seen.emplace(reader, part).second) continue;
            open.emplace_back(reader, part);
            std::set<std::string> again = {LaneOf(reader, part)};
            if (part.empty() || !state_.memory.contains(LaneOf(reader, part))) again.clear();
            auto [begin, end] = of_task.equal_range(reader);
            for (auto run = begin; run != end; ++run) {
                const Run& of_batch = *run->second;
                if (of_batch.part.empty() || of_batch.part == part) again.insert(LaneOf(reader, of_batch.part));
            }
            for (const std::string& lane : again) {
                auto memory = state_.memory.find(lane);
                bool rests = memory != state_.memory.end() && !memory->second.current && memory->second.last;
                if (rests && taken.insert(lane).second) lanes.push_back(lane);
            }
        }
    }
    return lanes;
}

// Items of a list that failed: the list's run again, with these items only and no new list.
void Scheduler::AddItemsAgain(const Run& list, const std::vector<Run>& failed, const std::string& trigger, Batch& batch,
                              std::vector<std::string>& ids) {
    Event event = QueuedEvent(list.task, trigger, env_.clock().Now());
    event.parameters = list.parameters;
    event.retry_of = IntegerOrZero(list.id);
    event.approval = false;
    int64_t number = event.run;
    ids.push_back(std::to_string(number));
    Add(batch, std::move(event));
    AddItems(batch, number, list.task, failed);
}

Status Scheduler::AddFromFailure(const Principal& principal, const std::vector<Run>& together, Batch& batch,
                                 std::vector<std::string>& ids) {
    std::string trigger = "from failure: " + principal.Id();
    const Run& asked = together.front();
    auto lanes = FromFailure(together);
    if (lanes.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "nothing of run {} is to be run again: {}", asked.id,
                     EndedBadly(asked) ? "a later run took its place" : "nothing failed, or it is under way")
            .WithHint(fmt::format("`tarn run {}` runs it anew", asked.task));
    }
    std::vector<Event> events;  // all or none
    std::vector<std::pair<Run, std::vector<Run>>> lists;
    for (const std::string& lane : lanes) {
        const Run& last = *state_.memory.at(lane).last;
        TRY(Require(gate_, principal, "run:Run", {"run", last.task}));
        std::vector<Run> failed = last.items >= 0 ? FailedItems(last) : std::vector<Run>();
        if (!failed.empty()) {
            lists.emplace_back(last, std::move(failed));
        } else {
            events.push_back(TRY(AgainEvent(last, trigger)));
        }
    }
    int64_t first = lanes.size() > 1 ? state_.last_run + 1 : 0;
    for (Event& event : events) {
        event.run = state_.last_run + 1;
        event.batch = first;
        ids.push_back(std::to_string(event.run));
        Add(batch, std::move(event));
    }
    for (const auto& [list, failed] : lists) AddItemsAgain(list, failed, trigger, batch, ids);
    return Ok();
}

Result<std::vector<std::string>> Scheduler::RunFromFailure(const Principal& principal, const std::string& run_id) {
    std::vector<Run> together = TRY(Together(run_id));
    TRY(Require(gate_, principal, "run:Run", {"run", together[0].task}));
    std::vector<std::string> ids;
    {
        std::lock_guard emit_lock(emit_mutex_);
        Batch batch;
        Status added = Ok();
        {
            std::lock_guard lock(mutex_);
            if (failure_) return Error(*failure_);
            added = AddFromFailure(principal, together, batch, ids);
        }
        TRY(Commit(batch));
        TRY(std::move(added));
    }
    Wake();
    return ids;
}

}  // namespace tarn::orchestrator
