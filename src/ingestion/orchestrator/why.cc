// One sentence for people about each task.
#include "base/text.h"
#include "ingestion/orchestrator/decide.h"

namespace tarn::orchestrator {
namespace {

std::string ScheduleText(const workspace::Timing& timing) {
    if (timing.every) return "every " + FormatDuration(*timing.every);
    return fmt::format("at \"{}\" {}", timing.schedule->cron(), timing.schedule->time_zone());
}

std::string PlaceText(const State& state, const TaskSpec& spec) {
    std::string text = PlacesOf(state).WaitsFor(state, spec);
    return text.empty() ? "the next look" : text;
}

std::string WhyCurrent(const State& state, const TaskSpec& spec, const TaskMemory& memory) {
    const Run& run = *memory.current;
    if (run.state == RunState::kWaitingItems) {
        auto parts = state.parts.find(spec.id);
        static const Parts kNone;
        const Parts& of = parts == state.parts.end() ? kNone : parts->second;
        return fmt::format("run {} waits for its {} items: {} run, {} are queued, {} are tried again", run.id,
                           run.items, of.running.size(), of.queued.size(), of.retrying.size());
    }
    if (run.state == RunState::kWaitingApproval) {
        return fmt::format("run {} waits for approval: `tarn approve {}`", run.id, run.id);
    }
    if (run.state == RunState::kRunning) return fmt::format("it is running (run {}, {})", run.id, run.trigger);
    if (run.state == RunState::kWaitingRetry && memory.waits) {
        return fmt::format("run {} waits for {}; it looks again at {}", run.id, run.error, FormatTime(memory.retry_at));
    }
    if (run.state == RunState::kWaitingRetry) {
        return fmt::format("run {} failed and is tried again at {}: {}", run.id, FormatTime(memory.retry_at),
                           run.error);
    }
    std::string obstacle = ObstacleOf(state, spec.id).text;
    return fmt::format("run {} is queued and {}", run.id,
                       obstacle.empty() ? "waits for " + PlaceText(state, spec) : obstacle);
}

}  // namespace

std::string Why(const State& state, const std::string& task, Timestamp now) {
    Refresh(state, now);
    const TaskSpec& spec = state.specs.at(task);
    const TaskMemory& memory = MemoryOf(state, task);
    auto find_obstacle = [&] { return ObstacleOf(state, task).text; };
    if (memory.current) return WhyCurrent(state, spec, memory);
    std::string reason = DueReason(state, task, now);
    if (!reason.empty()) {
        std::string obstacle = find_obstacle();
        return fmt::format("it is due ({}) {}", reason, obstacle.empty() ? "and starts at once" : "but " + obstacle);
    }
    if (memory.last && memory.last->state == RunState::kFailed) {
        return fmt::format("run {} failed and nothing has changed since: {}; mend it, then `tarn run {}`",
                           memory.last->id, memory.last->error, task);
    }
    if (memory.last && memory.last->state == RunState::kSkipped) {
        return fmt::format("run {} was skipped: {}; nothing has changed since", memory.last->id, memory.last->error);
    }
    if (memory.last && memory.last->state == RunState::kCancelled) {
        return fmt::format("run {} was cancelled and nothing has changed since; `tarn run {}` runs it", memory.last->id,
                           task);
    }
    if (auto parts = state.parts.find(task); parts != state.parts.end() && parts->second.Move()) {
        const Parts& of = parts->second;
        std::string obstacle = find_obstacle();
        return fmt::format("{} parts run, {} are queued, {} are tried again{}", of.running.size(), of.queued.size(),
                           of.retrying.size(), obstacle.empty() ? "" : "; it " + obstacle);
    }
    std::string since = memory.success_at ? FormatTime(*memory.success_at) : "never";
    if (spec.timing.paused) {
        return fmt::format("it is paused in {} (`paused: yes`); `tarn run {}` runs it all the same", spec.file, task);
    }
    if (spec.partition) {
        return fmt::format("it is fresh since {}; it runs for each part that has ended, next at {}", since,
                           FormatTime(NextDue(state, task, now).value_or(now)));
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
