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
    Result<std::vector<std::string>> LogOf(const Principal& principal, const std::string& run_id) override;
    Result<std::vector<TaskStatus>> Tasks(const Principal& principal) override;
    Result<TaskStatus> Why(const Principal& principal, const std::string& target) override;
    bool Idle() const override;
    std::shared_ptr<void> Subscribe(std::function<void(const Run&)> listener) override;
    Status Health() const override;
    std::vector<security::Route> Routes() override;

  private:
    struct Listener;

    void Loop();
    void Watch();
    Status RecoverInterrupted();
    // Queues what is due, starts what may start; when to look again.
    std::optional<Timestamp> Step();
    Status TellLate(const std::vector<std::string>& tasks, Timestamp now);
    Status QueueDue(const std::vector<Decisions::ToQueue>& due, Timestamp now);
    void StartReady(const std::vector<std::string>& tasks, Timestamp now);
    void Execute(std::shared_ptr<ActiveRun> active);
    void Finish(const ActiveRun& active, Result<TaskOutcome> outcome);
    Event WaitEvent(const ActiveRun& active, const TaskOutcome& outcome) const;
    Event FailureEvent(const ActiveRun& active, const Error& error);
    void CancelOverdue();
    // Writes events first, then folds them: what is not in the log has not happened.
    Status Emit(std::vector<Event> events, const std::vector<LogLine>& lines = {});
    Status EmitLocked(std::vector<Event> events, const std::vector<LogLine>& lines);
    Event QueuedEvent(const std::string& task, std::string trigger, int64_t number, Timestamp now) const;
    Status TriggerLocked(const Principal& principal, const std::string& task, const workspace::ParameterValues& values,
                         std::vector<Event>& events, std::vector<std::string>& runs);
    Event RetryNow(const std::string& task, const TaskMemory& memory) const;
    Event CancelledEvent(const std::string& task, const TaskMemory& memory, std::string why) const;
    std::vector<std::string> Matching(const std::string& target) const;
    Error NoSuchTask(const std::string& target) const;
    TaskStatus StatusOf(const std::string& task, Timestamp now, const std::set<std::string>* moving = nullptr) const;
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

    std::mutex emit_mutex_;      // one writer of events at a time; taken before mutex_
    mutable std::mutex mutex_;   // guards all below
    std::condition_variable wake_;
    bool awake_ = false;
    bool stopping_ = false;
    bool looked_outside_ = false;  // a watch round has passed since the graph changed
    uint64_t graph_ = 0;           // counts its changes
    State state_;
    std::map<std::string, std::shared_ptr<ActiveRun>> active_;  // by task; shared with the thread that runs it
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
