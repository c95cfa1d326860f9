// What stands in the way of a task.
#include <algorithm>
#include <limits>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/orchestrator/decide.h"

namespace tarn::orchestrator {
namespace {

// Whether a run that ended is one that `spec` follows.
bool Counts(const TaskSpec& spec, const Run& run) {
    if (spec.after_any) return true;
    return spec.after_failure ? run.state == RunState::kFailed : EndedWell(run);
}

class Obstacles {
  public:
    Obstacles(const State& state, const TaskSpec& spec) : state_(state), spec_(spec), since_(SinceOf()) {}
    Obstacle Find() {
        for (const std::string& input : spec_.inputs) {
            const TaskSpec* producer = ProducerOf(state_, input);
            if (!producer || producer->id == spec_.id) continue;
            if (Waits("waits for", input, *producer)) continue;
            const TaskMemory& memory = MemoryOf(state_, producer->id);
            if (!memory.version.empty()) continue;
            bool failed = memory.last && memory.last->state == RunState::kFailed;
            Meet(Obstacle{.never_delivered = true},
                 fmt::format("waits for {}, which has no data yet{}", input,
                             failed ? ": its last run failed: " + memory.last->error : ""));
        }
        for (const std::string& name : spec_.after) {
            const TaskSpec* before = TaskOf(state_, name);
            if (!before) {
                Meet(Obstacle{.never_delivered = true}, fmt::format("follows {}, which nothing defines", name));
            } else if (!Waits("follows", name, *before)) {
                Follow(name, MemoryOf(state_, before->id));
            }
        }
        return std::move(found_);
    }

  private:
    // The newest wave that the task belongs to, by when it became due or was asked for: what came later does not hold
    // it up, else what always has something to do would keep it waiting for ever.
    int64_t SinceOf() const {
        const TaskMemory& memory = MemoryOf(state_, spec_.id);
        auto since = state_.agenda.since.find(spec_.id);
        if (since != state_.agenda.since.end()) return since->second.run;
        if (memory.current) return std::max(IntegerOrZero(memory.current->id), memory.wave);
        auto parts = state_.parts.find(spec_.id);
        bool queued = parts != state_.parts.end() && !parts->second.queued.empty();
        return queued ? parts->second.queued.begin()->first : std::numeric_limits<int64_t>::max();
    }
    void Meet(const Obstacle& obstacle, std::string text) {
        // What moves is named rather than what does not.
        bool first = found_.text.empty() || (obstacle.moves && !found_.moves) ||
                     (obstacle.waits_outside && !found_.moves && !found_.waits_outside);
        found_.moves |= obstacle.moves;
        found_.waits_outside |= obstacle.waits_outside;
        found_.never_delivered |= obstacle.never_delivered;
        if (first) found_.text = std::move(text);
    }
    bool Waits(std::string_view verb, const std::string& name, const TaskSpec& before) {
        const TaskMemory& memory = MemoryOf(state_, before.id);
        bool came_first = memory.wave <= since_;
        if (WaitsOutside(memory) && came_first) {
            Meet(Obstacle{.waits_outside = true},
                 fmt::format("{} {}, which waits for {}", verb, name, memory.current->error));
            return true;
        }
        if (Moves(memory) && !WaitsOutside(memory) && came_first) {
            Meet(Obstacle{.moves = true},
                 fmt::format("{} {}, which is {}", verb, name, RunStateName(memory.current->state)));
            return true;
        }
        if (PartsMove(state_, before.id)) {
            Meet(Obstacle{.moves = true}, fmt::format("{} {}, parts of which run", verb, name));
            return true;
        }
        auto moving = state_.agenda.moving.find(before.id);
        if (moving == state_.agenda.moving.end() || moving->second.wave > since_) return false;
        // Not which: who asks may see the names that the task reads, not all that lies behind them.
        Meet(Obstacle{.moves = true},
             fmt::format("{} {}, {}", verb, name,
                         moving->second.itself ? "which is due first" : "upstream of which something runs or is due"));
        return true;
    }
    void Follow(const std::string& name, const TaskMemory& memory) {
        if (memory.last && Counts(spec_, *memory.last)) return;
        std::string text = fmt::format("follows {}, which has not run yet", name);
        if (memory.last && spec_.after_failure) {
            text = fmt::format("follows {} when it fails, and its run {} ended {}", name, memory.last->id,
                               RunStateName(memory.last->state));
        } else if (memory.last) {
            text = fmt::format("follows {}, whose run {} ended {}: {}", name, memory.last->id,
                               RunStateName(memory.last->state), memory.last->error);
        }
        Meet(Obstacle{.never_delivered = true}, std::move(text));
    }

    const State& state_;
    const TaskSpec& spec_;
    int64_t since_;
    Obstacle found_;
};

}  // namespace

Obstacle ObstacleOf(const State& state, const std::string& task) {
    return Obstacles(state, state.specs.at(task)).Find();
}

}  // namespace tarn::orchestrator
