// The pure part of the orchestrator: events in, state folded, decisions out. No clock, no IO, no threads.
//
// Every change of a run is an Event; State is the fold of all events over the current graph. Decide looks at the state
// and the time and says which runs to queue or start; the orchestrator writes the event first, then acts.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "ingestion/orchestrator/orchestrator.h"

namespace tarn::orchestrator {

enum class EventKind : uint8_t { kQueued, kStarted, kSucceeded, kFailed, kRetry, kCancelled, kApproved, kLate };
std::string_view EventKindName(EventKind kind);
Result<EventKind> EventKindOf(std::string_view name);

struct Event {
    EventKind kind = EventKind::kQueued;
    int64_t run = 0;  // its number
    std::string task;
    Timestamp at;
    std::string trigger;                                // queued
    std::string fingerprint;                            // queued: of the definition then
    std::map<std::string, std::string> input_versions;  // queued: seen then; succeeded: really read
    std::map<std::string, std::string> after;           // queued: the last run of each task that it follows
    std::map<std::string, std::string> parameters;      // queued
    std::optional<Timestamp> scheduled_for;             // queued: the time of cron that it stands for
    bool approval = false;                              // queued: it waits for one
    std::string by;                                     // approved: who
    int attempt = 1;                                    // started
    bool changed = false;                               // succeeded
    std::string version;                                // succeeded
    int64_t rows = -1;                                  // succeeded
    std::vector<std::string> warnings;                  // succeeded
    std::string error;                                  // failed, retry
    Timestamp retry_at;                                 // retry
    bool waits = false;                                 // retry: nothing failed, what it waits for is not there yet
};
Json ToJson(const Event& event);
Result<Event> EventFromJson(const Json& json);

// What is remembered of a task between its runs.
struct TaskMemory {
    std::optional<Run> current;
    std::optional<Run> last;
    Timestamp retry_at;
    bool waits = false;  // the current run looks again at retry_at; it has not failed
    std::string tried_fingerprint;                             // of the last run, however it ended
    std::map<std::string, std::string> tried_inputs;           // likewise
    std::map<std::string, std::string> tried_after;            // likewise: the runs that it followed
    std::string version;                                       // of the last success
    std::optional<Timestamp> success_at;
    std::optional<Timestamp> queued_at;                        // of the last run
    std::optional<Timestamp> scheduled_for;                    // the last time of cron that was taken
    bool outside_new = false;                                  // a look at the outside found something
};

struct State {
    std::map<std::string, TaskSpec> specs;
    std::vector<std::string> order;                 // task ids, inputs before what reads them
    std::map<std::string, std::string> producer;    // dataset -> task id
    std::map<std::string, TaskMemory> memory;       // also of tasks that are gone, until pruned
    int64_t last_run = 0;
    // Not of the log: how the program runs now.
    Timestamp up_since;               // what cron says before it was not seen
    int places = 4;                   // runs at the same time
    std::map<std::string, int> pools; // runs of a pool at the same time; a pool that is not here has one place
};

// Puts a graph into the state. kInvalidArgument naming the members of a circle, or two tasks making one dataset.
Status SetGraph(State& state, std::vector<TaskSpec> specs);
void Fold(State& state, const Event& event);

struct Decisions {
    struct ToQueue {
        std::string task;
        std::string trigger;
        std::optional<Timestamp> scheduled_for;
    };
    std::vector<ToQueue> queue;       // due, nothing in its way
    // Tasks whose current run (queued or waiting for its retry) can start now: the longest waiting first, no more than
    // there are places and what their pools take.
    std::vector<std::string> start;
    std::vector<std::string> late;  // tasks whose current run has just become late
    std::optional<Timestamp> wake_at;  // the next schedule, retry or end of an sla
};
Decisions Decide(const State& state, Timestamp now);

// Tasks that are active or due, and everything that must wait for them. Looks at the whole graph: for a question about
// many tasks it is worked out once and handed to Why.
std::set<std::string> MovingTasks(const State& state, Timestamp now);

// The versions of a task's inputs as the state knows them now.
std::map<std::string, std::string> InputVersions(const State& state, const TaskSpec& spec);
// The last ended run of each task that it follows.
std::map<std::string, std::string> AfterRuns(const State& state, const TaskSpec& spec);
// One sentence for people: why the task is not running now (or that it is).
std::string Why(const State& state, const std::string& task, Timestamp now,
                const std::set<std::string>* moving = nullptr);
// Due now: by definition, schedule, new input or outside. Empty: not due.
std::string DueReason(const State& state, const std::string& task, Timestamp now);
// The schedule's next time, or the retry's; it may have passed.
std::optional<Timestamp> NextDue(const State& state, const std::string& task, Timestamp now);
bool IsActive(const TaskMemory& memory);

}  // namespace tarn::orchestrator
