// Numbers of the process and its disk, under the names that Prometheus' client libraries use.
#pragma once

#include <mutex>
#include <string>

#include "base/env.h"
#include "base/metrics.h"

namespace tarn::access {

// Memory that this process holds in RAM, now; 0 where the system does not say.
int64_t ResidentBytes(Env& env);

class ProcessMetrics {
  public:
    ProcessMetrics(Env& env, Metrics& metrics, std::string state_path, const std::string& version);
    // Brings them up to date, at most once a second.
    void Sample();
    int64_t resident_bytes() const { return static_cast<int64_t>(resident_bytes_.value()); }
    // Free bytes of the state directory's disk.
    Result<uint64_t> DiskFree() const { return env_.files().FreeBytes(state_path_); }

  private:
    void SampleProcFiles();

    Env& env_;
    const std::string state_path_;
    const Duration started_;
    Gauge& cpu_seconds_;
    Gauge& resident_bytes_;
    Gauge& open_fds_;
    Gauge& threads_;
    Gauge& uptime_seconds_;
    Gauge& disk_free_bytes_;
    std::mutex mutex_;
    Duration sampled_{-1};
};

}  // namespace tarn::access
