// Timing: the keys that say when something runs and how long it may take. Streams, tables and jobs have the same ones.
//
//   workspace::TimingKeys keys;
//   BindTiming(binder, keys);                      // in the Bind of the file: the keys stand beside the others
//   spec.timing = workspace::ResolveTiming(keys);  // or ResolveTiming(stream_keys, source_keys): a stream's own first
#pragma once

#include <optional>

#include "base/config.h"
#include "base/time.h"

namespace tarn::workspace {

// As written: what is not there is not set.
struct TimingKeys {
    std::optional<Duration> every;
    std::optional<int> retries;
    std::optional<Duration> retry_delay;
    std::optional<Duration> timeout;
};

struct Timing {
    std::optional<Duration> every;  // empty: only on new data or by hand
    int retries = 3;
    Duration retry_delay = std::chrono::seconds(10);  // doubles, with jitter, up to ten minutes
    Duration timeout = std::chrono::hours(1);
};

// Reads and checks the keys; issues are reported to the binder.
void BindTiming(ConfigBinder& binder, TimingKeys& keys);
// What `keys` does not say is taken from `outer`, then from the defaults.
Timing ResolveTiming(const TimingKeys& keys, const TimingKeys& outer = {});

}  // namespace tarn::workspace
