// Metrics of the metadata store, the same for both implementations.
#pragma once

#include <memory>

#include "base/metrics.h"

namespace tarn::metadata {

class Instruments {
  public:
    // Without a registry (tests, tools) the numbers go to one of our own that nobody reads.
    explicit Instruments(Metrics* metrics)
        : own_(metrics ? nullptr : std::make_unique<Metrics>()),
          registry_(metrics ? *metrics : *own_),
          writes(registry_.GetCounter("tarn_metadata_writes_total", "Write transactions run")),
          commits(registry_.GetCounter("tarn_metadata_commits_total", "Commits; one may hold many writes")),
          retries(registry_.GetCounter("tarn_metadata_retries_total", "Write transactions run again after a conflict")),
          reads(registry_.GetCounter("tarn_metadata_reads_total", "Queries outside of transactions")),
          commit_seconds(registry_.GetHistogram("tarn_metadata_commit_seconds", "A commit until it is durable")),
          wal_frames(registry_.GetGauge("tarn_metadata_wal_frames", "Pages in the embedded store's write-ahead log")) {}

  private:
    std::unique_ptr<Metrics> own_;
    Metrics& registry_;

  public:
    Counter& writes;
    Counter& commits;
    Counter& retries;
    Counter& reads;
    Histogram& commit_seconds;
    Gauge& wal_frames;
};

}  // namespace tarn::metadata
