// Scheduler: the orchestrator itself: threads around the pure state machine and the run log.
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ingestion/orchestrator/active_run.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "ingestion/orchestrator/run_log.h"
#include "ingestion/orchestrator/state_machine.h"

namespace tarn::orchestrator {

inline constexpr int64_t kBackfillPartsMax = 100'000;

class Scheduler : public Orchestrator {
  public:
    Scheduler(OrchestratorConfig config, OrchestratorDependencies dependencies, RunLog log);
    ~Scheduler() override;
    Status Replay();

    void RegisterKind(const std::string& name, TaskKind& kind) override;
    Status SetTasks(std::vector<TaskSpec> tasks) override;
    Status Start() override;
    void Stop() override;
    Result<std::vector<std::string>> Trigger(const Principal& principal, const std::string& target,
                                             const workspace::ParameterValues& parameters) override;
    Status Cancel(const Principal& principal, const std::string& run_id) override;
    Status Approve(const Principal& principal, const std::string& run_id) override;
    Result<std::vector<Run>> Runs(const Principal& principal, const RunFilter& filter) override;
    Result<Run> GetRun(const Principal& principal, const std::string& run_id) override;
    bool ShowTo(const Principal& principal, Run& run) const override;
    Result<std::vector<std::string>> LogOf(const Principal& principal, const std::string& run_id) override;
    Result<std::vector<RunLine>> LinesOf(const Principal& principal, const std::string& run_id, int64_t after,
                                         int limit) override;
    Result<std::map<std::string, RunHistory>> Histories(const Principal& principal,
                                                        const std::vector<Run>& runs) override;
    Result<RunDefinition> DefinitionOf(const Principal& principal, const std::string& run_id) override;
    Result<std::vector<TaskStatus>> Tasks(const Principal& principal) override;
    Result<TaskStatus> Why(const Principal& principal, const std::string& target) override;
    bool Idle() const override;
    std::shared_ptr<void> Subscribe(std::function<void(const Run&)> listener) override;
    Status Health() const override;
    std::vector<security::Route> Routes() override;
    workspace::RenameFollower FollowRenames() override;

    Result<std::vector<std::string>> RunFromFailure(const Principal& principal, const std::string& run_id) override;
    std::vector<Run> Late() const override;
    Result<BackfillResult> Backfill(const Principal& principal, const BackfillRequest& request) override;
    Result<std::vector<PartStatus>> Parts(const Principal& principal, const std::string& target, int limit) override;

  private:
    struct Listener;
    struct Hold;
    // Events that are written together, and what follows once they are. Nothing is started or told before.
    struct Batch {
        std::vector<Event> events;
        std::vector<LogLine> lines;
        std::map<int64_t, Run> runs;  // as they are after the events
        std::vector<Run> told;        // as they are after each event
        std::vector<std::shared_ptr<ActiveRun>> starting;
    };
    struct Ended {
        Event event;
        std::vector<Run> items;  // of a run that fanned out: what each is told
        std::vector<LogLine> lines;
    };
    // What a person is shown of a task's runs.
    struct Shown {
        bool rows = true;
        bool texts = true;
        void HideRestOf(Run& run) const;
    };

    void Loop();
    void PruneSometimes();
    Status Prune();
    void Watch();
    Status RecoverInterrupted();
    // Queues what is due, starts what may start; when to look again. The first that starts is given to `mine`, if there
    // is one, and the others to the executor.
    std::optional<Timestamp> Step(std::shared_ptr<ActiveRun>* mine);
    // What the end of a run makes due, at once and on the thread that it ran on; what that thread shall run next.
    std::shared_ptr<ActiveRun> GoOn();
    // These with mutex_ held.
    void Add(Batch& batch, Event event);
    void AddEnded(Batch& batch);
    void AddLate(Batch& batch, const std::vector<std::string>& lanes, Timestamp now);
    Status AddDue(Batch& batch, const std::vector<Decisions::ToQueue>& due, Timestamp now);
    void AddStarts(Batch& batch, const std::vector<std::string>& lanes, Timestamp now);
    // With emit_mutex_ held, and mutex_ free.
    std::vector<NewDefinition> DefinitionsOf(const Batch& batch) const;
    Status Commit(Batch& batch);
    void Submit(Batch& batch, std::shared_ptr<ActiveRun>* mine);
    void Execute(std::shared_ptr<ActiveRun> active);
    void Finish(ActiveRun& active, Result<TaskOutcome> outcome);
    Event WaitEvent(const ActiveRun& active, const TaskOutcome& outcome) const;
    Event FailureEvent(const ActiveRun& active, const Error& error);
    void CancelOverdue();
    Event QueuedEvent(const std::string& task, std::string trigger, Timestamp now) const;
    // An event of a lane's current run.
    Event EventOf(EventKind kind, const TaskMemory& memory, Timestamp now) const;
    std::shared_ptr<ActiveRun> ActiveOf(const Run& run) const;
    Result<Event> AskedEvent(const Principal& principal, const std::string& task,
                             const workspace::ParameterValues& values) const;
    void AddCancelledItems(const std::string& task, const std::string& why, Batch& batch);
    void AddAsked(Event event, Batch& batch, std::vector<std::string>& runs);
    Status AddBackfill(const Principal& principal, const BackfillRequest& request, Batch& batch,
                       BackfillResult& result);
    // Rerun from failure (from_failure.cc).
    Result<std::vector<Run>> Together(const std::string& run_id);
    Result<Event> AgainEvent(const Run& run, const std::string& trigger) const;
    std::vector<std::string> FromFailure(const std::vector<Run>& together) const;
    std::vector<Run> FailedItems(const Run& list) const;
    Status AddFromFailure(const Principal& principal, const std::vector<Run>& together, Batch& batch,
                          std::vector<std::string>& ids);
    void AddItemsAgain(const Run& list, const std::vector<Run>& failed, const std::string& trigger, Batch& batch,
                       std::vector<std::string>& ids);
    // Fans the current run of a task out.
    void AddItems(Batch& batch, int64_t list, const std::string& task, const std::vector<Run>& items);
    // Renames (renames.cc).
    Result<std::shared_ptr<void>> HoldFor(const workspace::Renames& renames);
    Status NamesMoved(const workspace::Renames& renames);
    Result<std::string> OneByPart(const std::string& target) const;
    Event RetryNow(const TaskMemory& memory) const;
    Event CancelledEvent(const TaskMemory& memory, std::string why) const;
    std::vector<std::string> Matching(const std::string& target) const;
    Error NoSuchTask(const std::string& target) const;
    TaskStatus StatusOf(const Principal& principal, const std::string& task, Timestamp now) const;
    // With mutex_ held.
    Shown ShownOf(const Principal& principal, const std::string& task) const;
    Shown ShownOfGone(const Principal& principal, const std::string& task) const;
    void Fail(const Error& error);
    void Notify(const std::vector<Run>& runs);
    void Wake();

    OrchestratorConfig config_;
    Env& env_;
    security::Gate& gate_;
    Log& log_;
    RunLog run_log_;
    Counter& started_;
    Counter& failed_;
    Counter& late_;
    Gauge& running_;
    std::map<std::string, TaskKind*> kinds_;

    std::mutex emit_mutex_;  // one writer of events at a time, from the fold to the log; taken before mutex_
    mutable std::mutex mutex_;  // guards all below
    std::condition_variable wake_;  // of the loop
    std::condition_variable stop_;  // of the watcher
    bool awake_ = false;
    Timestamp looks_at_;  // when the loop looks again by itself
    bool stopping_ = false;
    bool writing_ = false;  // something was folded that is not in the log yet
    bool held_ = false;  // names move: nothing is queued or started until SetTasks
    std::weak_ptr<Hold> hold_;
    bool looked_outside_ = false;  // a watch round has passed since the graph changed
    uint64_t graph_ = 0;  // counts its changes
    State state_;
    std::map<std::string, std::shared_ptr<ActiveRun>> active_;  // by lane; shared with the thread that runs it
    int64_t pruned_at_ = 0;  // the newest run then
    Duration pruned_when_{0};  // of the clock that never goes back
    std::vector<Ended> ended_;  // written by the loop, many at once
    std::optional<Error> failure_;
    std::list<std::weak_ptr<Listener>> listeners_;
    std::unique_ptr<Executor> executor_;
    std::thread loop_;
    std::thread watcher_;
};

// The HTTP routes (operations.cc).
std::vector<security::Route> OrchestratorRoutes(Orchestrator& orchestrator);
Json RunToJson(const Run& run);

}  // namespace tarn::orchestrator
