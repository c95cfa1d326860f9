// Timing: the keys that say when something runs and how long it may take. Streams, tables and jobs have the same ones.
//
//   workspace::TimingKeys keys;
//   BindTiming(binder, keys);                      // in the Bind of the file: the keys stand beside the others
//   spec.timing = workspace::ResolveTiming(keys);  // or ResolveTiming(stream_keys, source_keys): a stream's own first
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/time.h"
#include "workspace/schedule.h"

namespace tarn::workspace {

// As written: what is not there is not set.
struct TimingKeys {
    std::optional<Duration> every;
    std::optional<Schedule> schedule;  // cron, time_zone, skip_dates
    std::optional<std::string> catch_up;
    std::optional<int> retries;
    std::optional<Duration> retry_delay;
    std::optional<Duration> timeout;
    std::optional<Duration> sla;
    std::optional<std::string> pool;
    std::optional<bool> approval;
    std::optional<bool> paused;
};

// What becomes of the times of a cron expression that passed while nothing could run.
enum class CatchUp : uint8_t { kNo, kLast, kAll };

struct Timing {
    std::optional<Duration> every;  // empty: only on new data or by hand
    std::optional<Schedule> schedule;
    CatchUp catch_up = CatchUp::kLast;
    int retries = 3;
    Duration retry_delay = std::chrono::seconds(10);  // doubles, with jitter, up to ten minutes
    Duration timeout = std::chrono::hours(1);
    std::optional<Duration> sla;  // a run that has not ended so long after it was queued is late
    std::string pool;             // runs of one pool are limited together
    bool approval = false;        // a run waits until a person approves it
    bool paused = false;          // it never runs by itself
};

// Reads and checks the keys; issues are reported to the binder.
void BindTiming(ConfigBinder& binder, TimingKeys& keys);
// What `keys` does not say is taken from `outer`, then from the defaults.
Timing ResolveTiming(const TimingKeys& keys, const TimingKeys& outer = {});

}  // namespace tarn::workspace
