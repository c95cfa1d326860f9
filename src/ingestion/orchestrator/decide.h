// What the pure part works out of a state and shows to nobody else: obstacles, places, schedules (decide.cc), for the
// decisions and for the sentences about them (why.cc).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "ingestion/orchestrator/state_machine.h"

namespace tarn::orchestrator {

const TaskMemory& MemoryOf(const State& state, const std::string& lane);
// The task that makes a dataset, or null when nothing of the graph does.
const TaskSpec* ProducerOf(const State& state, const std::string& dataset);
// A task by its id or by the dataset that it makes, or null.
const TaskSpec* TaskOf(const State& state, const std::string& name);

// Others wait for it. A run that waits for a person may do so for days: meanwhile what is there counts.
bool Moves(const TaskMemory& memory);
// It looks again and again whether something outside is there.
bool WaitsOutside(const TaskMemory& memory);
bool PartsMove(const State& state, const std::string& task);
bool EndedWell(const Run& run);

// What stands in the way of a task that is due or queued: something upstream of it that came before it and runs, waits
// or is due; an input that has nothing yet; a task that it follows and that has not ended well.
struct Obstacle {
    bool moves = false;            // something upstream runs or will soon
    bool waits_outside = false;    // a run upstream waits for something outside, perhaps for days
    bool never_delivered = false;  // an input has no version and nothing will bring one soon
    std::string text;              // empty: nothing stands in the way
    bool Holds() const { return !text.empty(); }
    // It goes away when what is upstream has run.
    bool IsShort() const { return !never_delivered && !waits_outside; }
};
// By what the agenda knows of the tasks before this one: Refresh first.
Obstacle ObstacleOf(const State& state, const std::string& task);

// How many runs go on, altogether and by pool.
struct Places {
    int taken = 0;
    std::map<std::string, int> of_pool;
    void Take(const TaskSpec& spec);
    // Empty when there is one; else what the run waits for.
    std::string WaitsFor(const State& state, const TaskSpec& spec) const;
};
Places PlacesOf(const State& state);

// The time of the schedule that is to be taken next: the last one that passed, the first one, or one to come.
std::optional<Timestamp> NextScheduled(const State& state, const TaskSpec& spec, Timestamp now);
// The part that is run next by itself.
std::optional<workspace::Part> NextPart(const State& state, const TaskSpec& spec, Timestamp now);

}  // namespace tarn::orchestrator
