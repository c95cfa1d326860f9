#include "workspace/timing.h"

namespace tarn::workspace {
namespace {

constexpr int kRetriesMax = 100;

}  // namespace

void BindTiming(ConfigBinder& binder, TimingKeys& keys) {
    binder.Key("every", keys.every, "Runs at least this often, besides on new data.");
    binder.Key("retries", keys.retries, "How often a failed run is tried again, if that can help; 3.");
    binder.Key("retry_delay", keys.retry_delay,
               "Pause before the first new try; it doubles up to ten minutes, with jitter; 10s.");
    binder.Key("timeout", keys.timeout, "How long a run may take; 1h.");
    if (binder.describing()) return;
    if (keys.every && *keys.every < std::chrono::seconds(1)) binder.Report("every", "every is at least 1s");
    if (keys.timeout && *keys.timeout <= Duration(0)) binder.Report("timeout", "timeout is more than nothing, as 10m");
    if (keys.retry_delay && *keys.retry_delay < Duration(0)) {
        binder.Report("retry_delay", "retry_delay is not negative, as 10s");
    }
    if (keys.retries && (*keys.retries < 0 || *keys.retries > kRetriesMax)) {
        binder.Report("retries", "retries is 0 to 100");
    }
}

Timing ResolveTiming(const TimingKeys& keys, const TimingKeys& outer) {
    Timing timing;
    timing.every = keys.every ? keys.every : outer.every;
    timing.retries = keys.retries.value_or(outer.retries.value_or(timing.retries));
    timing.retry_delay = keys.retry_delay.value_or(outer.retry_delay.value_or(timing.retry_delay));
    timing.timeout = keys.timeout.value_or(outer.timeout.value_or(timing.timeout));
    return timing;
}

}  // namespace tarn::workspace
