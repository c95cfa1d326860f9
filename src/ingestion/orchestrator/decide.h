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

// What stands in the way of a task that is due or queued: an input that runs, is due, or has nothing yet, or a task
// that it follows and that has not ended well.
struct Obstacle {
    bool never_delivered = false;  // the input has no version and nothing will bring one soon
    std::string text;              // empty: nothing stands in the way
    bool Holds() const { return !text.empty(); }
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
