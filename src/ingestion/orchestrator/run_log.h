// RunLog: the durable log of runs in metadata. Events are the truth; the table `runs` is their projection for listing.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ingestion/orchestrator/state_machine.h"
#include "metadata/metadata.h"
#include "workspace/rename.h"

namespace tarn::orchestrator {

struct LogLine {
    int64_t run = 0;
    Timestamp at;
    std::string text;
};

// What a task's file says from a run on.
struct NewDefinition {
    std::string task;
    int64_t run = 0;
    std::string fingerprint;
    std::shared_ptr<const std::string> text;
};

class RunLog {
  public:
    static Result<RunLog> Create(metadata::Database& metadata);
    // All events in order, folded into `state`.
    Status Replay(State& state);
    // One transaction: the events, the projections they change (`runs`: as they are after the events), the lines.
    Status Append(const std::vector<Event>& events, const std::vector<Run>& runs, const std::vector<LogLine>& lines);
    Result<std::vector<Run>> Runs(const RunFilter& filter);
    Result<Run> Get(const std::string& run_id);
    struct StoredLines {
        std::vector<RunLine> lines;
        int64_t stored = 0;  // of the run, all together
    };
    Result<StoredLines> LinesAfter(const std::string& run_id, int64_t after, int limit);
    // Read from the events.
    Result<std::map<std::string, RunHistory>> Histories(const std::vector<Run>& runs);
    Result<RunDefinition> DefinitionOf(const Run& run);
    // Keeps what the tasks of newly queued runs are defined as, where it is another than was kept last.
    Status KeepDefinitions(const std::vector<NewDefinition>& definitions);
    // Forgets runs that have ended and lie beyond the newest `kept`, or were queued before `before`. The last run of
    // every task and the last that made something new stay with their lines; of events those of every lane.
    Status Prune(int kept, std::optional<Timestamp> before);

    // Renames carry runs, their definitions and what they read over to new names (renames.cc).
    static Status MoveNames(const workspace::Renames& renames, metadata::Transaction& transaction);
    Status LoadKept();

  private:
    explicit RunLog(metadata::Database& metadata) : metadata_(&metadata) {}
    metadata::Database* metadata_;
    std::map<std::string, std::string> kept_;  // task -> fingerprint of its newest kept definition
};

}  // namespace tarn::orchestrator
