// RunLog: the durable log of runs in metadata. Events are the truth; the table `runs` is their projection for listing.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ingestion/orchestrator/state_machine.h"
#include "metadata/metadata.h"

namespace tarn::orchestrator {

struct LogLine {
    int64_t run = 0;
    Timestamp at;
    std::string text;
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
    Result<std::vector<std::string>> Lines(const std::string& run_id);
    // Forgets runs beyond the newest `kept` that have ended; of events it keeps those of the last run and the last
    // success of every lane.
    Status Prune(int kept);

  private:
    explicit RunLog(metadata::Database& metadata) : metadata_(&metadata) {}
    metadata::Database* metadata_;
};

}  // namespace tarn::orchestrator
