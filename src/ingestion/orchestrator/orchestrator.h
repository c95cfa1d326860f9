// Orchestrator: runs everything by itself. Knows a graph of tasks, when each is due, and one durable log of runs.
//
// A task (a source's stream, a table) has inputs (tasks or datasets), perhaps a schedule, retries and a timeout. A task
// is run when its schedule says so, when an input has a version that the task's last success did not see, or by hand.
// All inputs that changed in one tick are taken together; a task waits while anything upstream of it is running or due
// (so a diamond runs once, however long its sides; docs/runs.md says what is not waited for). The state machine is pure
// (state_machine.h: event in, commands out) so that it can be simulated; every event is in the run log (metadata)
// before its command is carried out; after a crash the log is folded again and runs that were under way are started
// again: their effects are idempotent by their own commit points. It knows no kind of task: components register
// TaskKinds. Who: constructed by app. Threads: any. Fails: a metadata failure stops the scheduler, visibly in health.
//
//   orchestrator.RegisterKind("table", flows.AsTaskKind());
//   TRY(orchestrator.SetTasks(tasks));
//   std::string run = TRY(orchestrator.Trigger(principal, "table:delays.flights"));
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "metadata/metadata.h"
#include "security/gate.h"
#include "security/router.h"
#include "workspace/parameters.h"
#include "workspace/partition.h"
#include "workspace/timing.h"
#include "workspace/workspace.h"

namespace tarn::orchestrator {

struct TaskSpec {
    std::string id;  // "source:registry.planes", "table:delays.flights"
    std::string kind;  // before the ':'
    std::string dataset;  // what it makes: "raw_registry.planes", "delays.flights"; empty: nothing that others read
    std::string file;  // where it is defined
    std::vector<std::string> inputs;  // datasets it reads
    std::vector<std::string> after;  // tasks (ids or datasets) that it follows: due when one of them has ended well
    bool eager = true;  // due when it never ran or its definition changed; false: only by schedule, data, after, hand
    bool watched = false;  // HasNew really looks: what is new outside starts it
    std::string fingerprint;  // of its definition: a changed one makes the task due
    // What is written there, kept with the runs that it made. Shared, as every status has a copy of the spec.
    std::shared_ptr<const std::string> definition;
    workspace::Timing timing;
    workspace::Parameters parameters;  // what a run may be told
    // `after` counts when what it names ended so; `after_any`: however it ended.
    bool after_failure = false;
    bool after_any = false;
    // A run of it makes a list (TaskOutcome::items) and then one run for each item, told `item`.
    bool fans_out = false;
    // Run once for each part, told `partition` (the key), `partition_start` and `partition_end`.
    std::optional<workspace::Partition> partition;
    int parts_parallel = 1;  // runs for parts or items at the same time
};

struct TaskOutcome {
    bool changed = false;
    std::string version;  // of the dataset after it
    int64_t rows = -1;
    std::map<std::string, std::string> input_versions;  // what it read: dataset -> version
    std::vector<std::string> warnings;
    Json details = Json::object();  // numbers for people: bytes, inserted, cpu_seconds
    // Set: it did nothing, for its condition did not hold; the text says which.
    std::optional<std::string> skipped;
    // Set, by the run that makes the list of a task that fans out: it ends when a run for each of these has.
    std::optional<std::vector<std::string>> items;
    // Set: it has not ended but waits for something outside (`waits_for` says for what) and is run again after so
    // long, under the same number; meanwhile it takes no place. Such a look is no attempt.
    std::optional<Duration> again_after;
    std::string waits_for;
};

// A task under way. Log lines are kept with the run; progress is for people.
class TaskRun {
  public:
    virtual ~TaskRun() = default;
    virtual const TaskSpec& spec() const = 0;
    virtual const std::string& run_id() const = 0;
    // Grows with every run of the platform; a run that is started again after a crash keeps its number, so that an
    // effect that committed under this number is found and skipped.
    virtual int64_t number() const = 0;
    virtual const std::string& trigger() const = 0;  // as Run::trigger
    virtual const std::string& part() const = 0;  // as Run::part
    virtual Timestamp queued_at() const = 0;  // when the run was asked for: also before a wait or a crash
    // Checked values for all that the spec declares; the same for every attempt.
    virtual const workspace::ParameterValues& parameters() const = 0;
    virtual std::optional<Timestamp> scheduled_for() const { return std::nullopt; }  // as Run::scheduled_for
    virtual const CancelToken& cancel() const = 0;
    virtual void Progress(const std::string& note, int64_t rows) = 0;
    virtual void Write(const std::string& line) = 0;
};

class TaskKind {
  public:
    virtual ~TaskKind() = default;
    // Blocks, on an executor's thread. Must be idempotent: it may be run again after a crash.
    virtual Result<TaskOutcome> Run(TaskRun& run) = 0;
    // Cheap look whether the outside has something new (files in a folder); asked every few seconds.
    virtual Result<bool> HasNew(const TaskSpec& spec) = 0;
    // The current version of the task's dataset, empty for none: repairs the log's view after a crash.
    virtual Result<std::string> CurrentVersion(const TaskSpec& spec) = 0;
};

enum class RunState : uint8_t {
    kQueued,
    kRunning,
    kWaitingRetry,
    kSucceeded,
    kUnchanged,
    kFailed,
    kCancelled,
    kWaitingApproval,
    kWaitingItems,  // of a task that fans out: until a run for each item has ended
    kSkipped,
};
std::string_view RunStateName(RunState state);

struct Run {
    std::string id;
    std::string task;
    std::string trigger;  // "schedule", "new data", "definition", "hand: user:alice", "crash"
    RunState state = RunState::kQueued;
    int attempt = 1;
    Timestamp queued_at;
    std::optional<Timestamp> started_at;
    std::optional<Timestamp> ended_at;
    std::string error;
    std::string note;
    int64_t rows = -1;
    std::string version;
    std::vector<std::string> warnings;
    workspace::ParameterValues parameters;
    std::string part;  // of a task that is run by part; of an item its number in the list
    std::string
        batch;  // the number of the first run that was asked for together with it; of an item, of the list's run
    std::string retry_of;  // the run that failed and that it repeats
    int64_t items = -1;  // of a run that fanned out: how many
    std::optional<Timestamp> scheduled_for;  // the time of cron that it stands for
    std::string approved_by;
    Json details = Json::object();  // as TaskOutcome::details
    bool late = false;  // it had not ended when its sla was over
};

struct RunFilter {
    std::string task;
    std::string batch;
    std::string state;
    int limit = 100;
    std::string before_id;
    // Runs that were there at some time of it: queued before `until`, not ended before `since`.
    std::optional<Timestamp> since;
    std::optional<Timestamp> until;
};

// What a run did from one moment to the next.
struct RunPart {
    std::string what;  // "queued", "waiting_approval", "running", "waiting_retry", "waiting_outside"
    Timestamp from;
    std::optional<Timestamp> to;
    int attempt = 1;
    std::string why;  // of a wait: the error or what it waits for
};
struct RunHistory {
    std::vector<RunPart> parts;
    std::map<std::string, std::string> inputs;  // dataset -> version that it read, or saw when it was queued
    std::map<std::string, std::string> after;  // task -> its run that this one followed
};

struct RunLine {
    int64_t number = 0;  // counts from 1 over all attempts of the run
    Timestamp at;
    std::string text;
};
// The definition as it was when the run was queued.
struct RunDefinition {
    std::string file;  // as of today
    std::string text;
    int64_t since_run = 0;  // the first run that it made
};

struct BackfillRequest {
    std::string target;  // one task that is run by part
    std::string first;  // parts, or times in them
    std::string last;  // included
    bool again = false;  // also those that succeeded
    workspace::ParameterValues parameters;
};
struct BackfillResult {
    std::string task;
    std::string batch;  // its number; empty when there was nothing to do
    int64_t queued = 0;
    int64_t under_way = 0;
    int64_t done = 0;  // succeeded before
};

struct PartStatus {
    std::string part;
    std::optional<Run> run;  // the one under way, else the last; empty: it never ran
};

struct TaskStatus {
    TaskSpec spec;
    std::optional<Run> last;
    std::optional<Run> current;
    std::optional<Timestamp> next_due;
    std::string why;  // one sentence: why it is not running now
    bool fresh = false;
};

struct OrchestratorConfig {
    int parallel_max = 4;
    Duration tick = std::chrono::milliseconds(50);
    Duration watch_every = std::chrono::seconds(2);
    std::map<std::string, int> pools;  // name -> how many of its runs go at the same time; what is not here: one
    int runs_kept = 10000;
    Duration runs_kept_for{0};  // runs queued longer ago go too; 0: however old
};
struct OrchestratorDependencies {
    Env& env;
    metadata::Database& metadata;
    security::Gate& gate;
    Metrics& metrics;
    Log& log;
};

class Orchestrator {
  public:
    static Result<std::unique_ptr<Orchestrator>> Create(OrchestratorConfig config,
                                                        OrchestratorDependencies dependencies);
    virtual ~Orchestrator() = default;
    virtual void RegisterKind(const std::string& name, TaskKind& kind) = 0;
    // Replaces the graph; runs of tasks that are gone are cancelled. Circles are an error naming the members.
    virtual Status SetTasks(std::vector<TaskSpec> tasks) = 0;
    virtual Status Start() = 0;
    virtual void Stop() = 0;  // lets running tasks be cancelled; they go on at the next start

    using Principal = security::Principal;
    // By task id, dataset name or a glob of either. Returns the runs' ids; a task that is under way gives its run's,
    // unless other parameters are asked for.
    virtual Result<std::vector<std::string>> Trigger(const Principal& principal, const std::string& target,
                                                     const workspace::ParameterValues& parameters = {}) = 0;
    // Queues a run for each part of a range that has not succeeded and is not under way. Asking again does no harm.
    virtual Result<BackfillResult> Backfill(const Principal& principal, const BackfillRequest& request) = 0;
    // The newest parts of a task that have begun, newest first.
    virtual Result<std::vector<PartStatus>> Parts(const Principal& principal, const std::string& target, int limit) = 0;
    // Of the run, or of all that was asked for with it, runs again what failed, and what is downstream of that: told
    // the same, for the same part. The runs' ids; the first runs stay as they are.
    virtual Result<std::vector<std::string>> RunFromFailure(const Principal& principal, const std::string& run_id) = 0;
    // Runs under way that outlast their sla; for the program itself.
    virtual std::vector<Run> Late() const = 0;
    virtual Status Cancel(const Principal& principal, const std::string& run_id) = 0;
    // Lets a run go on that waits for approval; needs run:Approve.
    virtual Status Approve(const Principal& principal, const std::string& run_id) = 0;
    virtual Result<std::vector<Run>> Runs(const Principal& principal, const RunFilter& filter) = 0;
    virtual Result<Run> GetRun(const Principal& principal, const std::string& run_id) = 0;
    // False: the run is not theirs to know of. Else takes from it what tells of data that is hidden from them, as all
    // calls here do: how many rows, and its texts (errors and log lines may hold values).
    virtual bool ShowTo(const Principal& principal, Run& run) const = 0;
    virtual Result<std::vector<std::string>> LogOf(const Principal& principal, const std::string& run_id) = 0;
    // The lines after the `after`th, at most `limit`; those of a run under way too, as they are written.
    virtual Result<std::vector<RunLine>> LinesOf(const Principal& principal, const std::string& run_id, int64_t after,
                                                 int limit) = 0;
    // By run id. Asks no gate: for runs that Runs or GetRun gave.
    virtual Result<std::map<std::string, RunHistory>> Histories(const Principal& principal,
                                                                const std::vector<Run>& runs) = 0;
    // kNotFound for runs from before definitions were kept.
    virtual Result<RunDefinition> DefinitionOf(const Principal& principal, const std::string& run_id) = 0;
    virtual Result<std::vector<TaskStatus>> Tasks(const Principal& principal) = 0;
    virtual Result<TaskStatus> Why(const Principal& principal, const std::string& target) = 0;
    // True when nothing runs, waits or is due: everything is as fresh as its sources.
    virtual bool Idle() const = 0;
    // Called after every change of a run, from the scheduler's thread: return fast. Ends with the handle.
    [[nodiscard]] virtual std::shared_ptr<void> Subscribe(std::function<void(const Run&)> listener) = 0;
    virtual Status Health() const = 0;
    virtual std::vector<security::Route> Routes() = 0;
    // Runs go on under new names. Refuses while one of what is renamed is under way.
    virtual workspace::RenameFollower FollowRenames() = 0;
};

}  // namespace tarn::orchestrator
