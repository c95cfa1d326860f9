// Runs by part: a backfill of a range, and how each part stands.
#include "ingestion/orchestrator/scheduler.h"

namespace tarn::orchestrator {

Result<std::string> Scheduler::OneByPart(const std::string& target) const {
    std::vector<std::string> tasks = Matching(target);
    if (tasks.empty()) return NoSuchTask(target);
    if (tasks.size() > 1) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" names {} tasks; parts are asked of one", target,
                     tasks.size());
    }
    if (!state_.specs.at(tasks[0]).partition) {
        return Error(ErrorCode::kFailedPrecondition, "{} is not run by part", tasks[0])
            .WithHint("`partitions: {by: day, start: 2024-01-01}` in its file makes it so");
    }
    return tasks[0];
}

Result<BackfillResult> Scheduler::Backfill(const Principal& principal, const BackfillRequest& request) {
    BackfillResult result;
    {
        std::lock_guard lock(mutex_);
        result.task = TRY(OneByPart(request.target));
    }
    TRY(Require(gate_, principal, "run:Run", {"run", result.task}));
    {
        std::lock_guard emit_lock(emit_mutex_);
        Batch batch;
        {
            std::lock_guard lock(mutex_);
            if (failure_) return Error(*failure_);
            TRY(AddBackfill(principal, request, batch, result));
        }
        TRY(Commit(batch));
    }
    Wake();
    return result;
}

Status Scheduler::AddBackfill(const Principal& principal, const BackfillRequest& request, Batch& batch,
                              BackfillResult& result) {
    auto found = state_.specs.find(result.task);
    if (found == state_.specs.end() || !found->second.partition) return NoSuchTask(request.target);
    const workspace::Partition& partition = *found->second.partition;
    workspace::Part part = TRY(partition.Parse(request.first));
    workspace::Part last = TRY(partition.Parse(request.last));
    if (last.begin < part.begin) {
        return Error(ErrorCode::kInvalidArgument, "the range ends before it begins: {} to {}", part.key, last.key);
    }
    Timestamp now = env_.clock().Now();
    if (last.begin > now) {
        return Error(ErrorCode::kInvalidArgument, "{} has not begun yet", last.key);
    }
    Duration length = part.end - part.begin;
    if ((last.begin - part.begin) / length >= kBackfillPartsMax) {
        return Error(ErrorCode::kInvalidArgument, "a backfill has at most {} parts; take several", kBackfillPartsMax);
    }
    auto values = TRY(workspace::CheckParameters(found->second.parameters, request.parameters));
    int64_t number = state_.last_run + 1;
    for (; part.begin <= last.begin; part = partition.After(part)) {
        auto memory = state_.memory.find(LaneOf(result.task, part.key));
        bool known = memory != state_.memory.end();
        if (known && memory->second.current) {
            ++result.under_way;
        } else if (known && memory->second.success_at && !request.again) {
            ++result.done;
        } else {
            Event event = QueuedEvent(result.task, "backfill: " + principal.Id(), now);
            event.parameters = values;
            event.batch = number;
            TellPart(event, part);
            Add(batch, std::move(event));
            ++result.queued;
        }
    }
    if (result.queued > 0) result.batch = std::to_string(number);
    return Ok();
}

Result<std::vector<PartStatus>> Scheduler::Parts(const Principal& principal, const std::string& target, int limit) {
    std::lock_guard lock(mutex_);
    std::string task = TRY(OneByPart(target));
    TRY(Require(gate_, principal, "run:Read", {"run", task}));
    const workspace::Partition& partition = *state_.specs.at(task).partition;
    const Shown shown = ShownOf(principal, task);
    std::vector<PartStatus> list;
    workspace::Part part = partition.At(env_.clock().Now());
    Timestamp first = partition.At(partition.start).begin;
    for (; part.begin >= first && static_cast<int>(list.size()) < limit;
         part = partition.At(part.begin - Duration(1))) {
        PartStatus status{part.key, std::nullopt};
        auto memory = state_.memory.find(LaneOf(task, part.key));
        if (memory != state_.memory.end()) {
            status.run = memory->second.current ? memory->second.current : memory->second.last;
        }
        if (status.run) shown.HideRestOf(*status.run);
        list.push_back(std::move(status));
    }
    return list;
}

}  // namespace tarn::orchestrator
