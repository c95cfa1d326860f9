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

enum class EventKind : uint8_t {
    kQueued,
    kStarted,
    kSucceeded,
    kFailed,
    kRetry,
    kCancelled,
    kApproved,
    kLate,
    kSkipped,
    kFannedOut
};
std::string_view EventKindName(EventKind kind);
Result<EventKind> EventKindOf(std::string_view name);

struct Event {
    EventKind kind = EventKind::kQueued;
    int64_t run = 0;  // its number
    std::string task;
    std::string part;                                   // of a task that is run by part
    Timestamp at;
    std::string trigger;                                // queued
    std::string fingerprint;                            // queued: of the definition then
    std::map<std::string, std::string> input_versions;  // queued: seen then; succeeded: really read
    std::map<std::string, std::string> after;           // queued: the last run of each task that it follows
    std::map<std::string, std::string> parameters;      // queued
    std::optional<Timestamp> scheduled_for;             // queued: the time of cron that it stands for
    bool approval = false;                              // queued: it waits for one
    int64_t batch = 0;                                  // queued: the first run that was asked for with it
    int64_t retry_of = 0;                               // queued: the run that failed
    int64_t wave = 0;                                   // queued: as TaskMemory::wave
    int64_t items = -1;                                 // fanned out: how many runs of items follow
    std::string by;                                     // approved: who
    int attempt = 1;                                    // started
    bool changed = false;                               // succeeded
    std::string version;                                // succeeded
    int64_t rows = -1;                                  // succeeded
    std::vector<std::string> warnings;                  // succeeded
    Json details = Json::object();                      // succeeded: as TaskOutcome::details
    std::string error;                                  // failed, retry, skipped
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
    // What brought the last run about first: a number that grows with the runs, and that a run hands on to what it
    // makes due. So what is due tells what belongs to it from what came later.
    int64_t wave = 0;
    int64_t ended_wave = 0;  // of the last run that ended
};

// The runs of one task for its parts, by what they do, so that a decision need not look at all of them.
struct Parts {
    std::map<int64_t, std::string> queued;  // number -> lane
    std::set<std::pair<Timestamp, std::string>> retrying;
    std::map<int64_t, std::string> running;
    std::map<int64_t, std::string> asking;  // for approval
    std::string newest;                     // the newest part that was ever queued
    bool Move() const { return !queued.empty() || !retrying.empty() || !running.empty(); }
    const std::string& AnyMoving() const {
        if (!queued.empty()) return queued.begin()->second;
        return running.empty() ? retrying.begin()->second : running.begin()->second;
    }
    size_t Moving() const { return queued.size() + retrying.size() + running.size(); }
    bool Rest() const { return !Move() && asking.empty(); }
    // By what the lane's current run does.
    void Enter(const std::string& lane, const TaskMemory& memory);
    void Leave(const std::string& lane, const TaskMemory& memory);
};

// What follows from the rest of the state and the time, kept as it is until something changes: a decision looks only at
// tasks that an event, a timer or a task before them has touched, not at the whole graph.
struct Agenda {
    std::map<std::string, size_t> position;  // in State::order
    std::map<std::string, std::vector<std::string>> readers;  // what reads or follows a task
    std::set<std::string> touched;  // to be looked at anew, with what reads them
    Timestamp looked_at;
    Timestamp up_since;
    std::map<size_t, std::string> due;  // by position; nothing stands in their way
    // What others wait for.
    struct Moving {
        int64_t wave = 0;  // the oldest of those that it waits for or belongs to
        bool itself = false;  // active or due; else what is upstream of it is, and may make it due
        bool operator==(const Moving&) const = default;
    };
    std::map<std::string, Moving> moving;
    // Of a task that is due or queued: the next run's number when it became due, and what brought that about.
    struct Since {
        int64_t run = 0;
        int64_t wave = 0;
    };
    std::map<std::string, Since> since;
    std::set<std::string> active;  // with a current run of their own
    std::set<std::string> running;
    std::set<std::string> late;  // their run has just become late
    std::set<std::string> gathered;  // they fanned out, and the runs of all items have ended
    std::set<std::string> by_part;  // runs for parts of them go on
    std::set<std::pair<int64_t, std::string>> ready;  // runs that can start when there is a place
    std::map<std::string, int64_t> ready_of;
    std::set<std::pair<Timestamp, std::string>> timers;  // when a task is to be looked at again
    std::map<std::string, Timestamp> timer_of;
};

// What is remembered is remembered by lane: the task, or one part of it.
std::string LaneOf(const std::string& task, const std::string& part);

struct State {
    std::map<std::string, TaskSpec> specs;
    std::vector<std::string> order;  // task ids, inputs before what reads them
    std::map<std::string, std::string> producer;  // dataset -> task id
    std::map<std::string, TaskMemory> memory;  // by lane; also of tasks that are gone, until pruned
    std::map<std::string, Parts> parts;  // by task
    int64_t last_run = 0;
    // Not of the log: how the program runs now.
    Timestamp up_since;  // what cron says before it was not seen
    int places = 4;  // runs at the same time
    std::map<std::string, int> pools;  // runs of a pool at the same time; a pool that is not here has one place
    mutable Agenda agenda;  // worked out when asked
};

// Puts a graph into the state. kInvalidArgument naming the members of a circle, or two tasks making one dataset.
Status SetGraph(State& state, std::vector<TaskSpec> specs);
void Fold(State& state, const Event& event);

struct Decisions {
    struct ToQueue {
        std::string task;
        std::string trigger;
        std::optional<Timestamp> scheduled_for;
        std::optional<workspace::Part> part;
        int64_t wave = 0;
    };
    std::vector<ToQueue> queue;  // due, nothing in its way
    // Lanes whose current run (queued or waiting for its retry) can start now: the longest waiting first, no more than
    // there are places and what their pools take.
    std::vector<std::string> start;
    std::vector<std::string> gathered;  // tasks whose run that fanned out ends now
    std::vector<std::string> late;  // lanes whose current run has just become late
    std::optional<Timestamp> wake_at;  // the next schedule, retry or end of an sla
};
Decisions Decide(const State& state, Timestamp now);

// The end of a run that fanned out, by how the runs of its items ended.
Event GatheredEvent(const State& state, const std::string& task, Timestamp now);
// Brings the agenda up to date.
void Refresh(const State& state, Timestamp now);
Agenda NewAgenda(const State& state);  // of a graph that was just set: everything is to be looked at
// Nothing runs, waits or can be queued.
bool IsAtRest(const State& state, Timestamp now);

// The versions of a task's inputs as the state knows them now.
std::map<std::string, std::string> InputVersions(const State& state, const TaskSpec& spec);
// The last ended run of each task that it follows.
std::map<std::string, std::string> AfterRuns(const State& state, const TaskSpec& spec);
// Makes a queued event one for a part, and what its run is told.
void TellPart(Event& event, const workspace::Part& part);
// One sentence for people: why the task is not running now (or that it is).
std::string Why(const State& state, const std::string& task, Timestamp now);
// Due now: by definition, schedule, new input or outside. Empty: not due.
std::string DueReason(const State& state, const std::string& task, Timestamp now);
// The schedule's next time, or the retry's; it may have passed.
std::optional<Timestamp> NextDue(const State& state, const std::string& task, Timestamp now);
bool IsActive(const TaskMemory& memory);

}  // namespace tarn::orchestrator
