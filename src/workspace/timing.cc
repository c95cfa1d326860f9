#include "workspace/timing.h"

namespace tarn::workspace {
namespace {

constexpr int kRetriesMax = 100;

void BindSchedule(ConfigBinder& binder, TimingKeys& keys) {
    std::string cron;
    std::string time_zone;
    std::vector<std::string> skip_dates;
    std::string catch_up = "last";
    binder.Key("cron", cron, "When it runs, besides on new data: minute hour day month weekday, as 30 2 * * mon-fri.");
    binder.Key("time_zone", time_zone, "The zone of cron, as Europe/Berlin; UTC.");
    binder.Key("skip_dates", skip_dates, "Days on which cron does not run it.");
    binder.Choice("catch_up", catch_up, {"no", "last", "all"},
                  "Times of cron that passed while Tarn was down: none of them is run, the last one, or each.");
    if (binder.describing()) return;
    if (binder.Has("catch_up")) keys.catch_up = catch_up;
    if (binder.Has("cron")) {
        Result<Schedule> schedule = Schedule::Create(cron, time_zone, skip_dates);
        if (!schedule.ok()) {
            bool zone = schedule.error().message().starts_with("time_zone");
            bool dates = schedule.error().message().starts_with("skip_dates");
            return binder.Report(zone ? "time_zone" : dates ? "skip_dates" : "cron", schedule.error().message());
        }
        keys.schedule = std::move(*schedule);
        if (keys.every) binder.Report("cron", "every and cron are two schedules: take one");
        return;
    }
    for (const char* name : {"time_zone", "skip_dates"}) {
        if (binder.Has(name)) binder.Report(name, fmt::format("{} goes with cron", name));
    }
}

}  // namespace

void BindTiming(ConfigBinder& binder, TimingKeys& keys) {
    binder.Key("every", keys.every, "Runs at least this often, besides on new data.");
    BindSchedule(binder, keys);
    binder.Key("retries", keys.retries, "How often a failed run is tried again, if that can help; 3.");
    binder.Key("retry_delay", keys.retry_delay,
               "Pause before the first new try; it doubles up to ten minutes, with jitter; 10s.");
    binder.Key("timeout", keys.timeout, "How long a run may take; 1h.");
    binder.Key("sla", keys.sla, "A run that has not ended so long after it was queued is late, visibly.");
    binder.Key("pool", keys.pool, "Runs of one pool are limited together: `runs.pools` in tarn.yaml.");
    binder.Key("approval", keys.approval, "A run waits until a person approves it: `tarn approve RUN`.");
    binder.Key("paused", keys.paused, "It never runs by itself, only by hand.");
    if (binder.describing()) return;
    if (keys.sla && *keys.sla <= Duration(0)) binder.Report("sla", "sla is more than nothing, as 30m");
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
    bool own = keys.every || keys.schedule;  // a schedule of its own replaces the outer one, of whichever sort
    timing.every = own ? keys.every : outer.every;
    timing.schedule = own ? keys.schedule : outer.schedule;
    std::string catch_up = keys.catch_up.value_or(outer.catch_up.value_or("last"));
    timing.catch_up = catch_up == "no" ? CatchUp::kNo : catch_up == "all" ? CatchUp::kAll : CatchUp::kLast;
    timing.retries = keys.retries.value_or(outer.retries.value_or(timing.retries));
    timing.retry_delay = keys.retry_delay.value_or(outer.retry_delay.value_or(timing.retry_delay));
    timing.timeout = keys.timeout.value_or(outer.timeout.value_or(timing.timeout));
    timing.sla = keys.sla ? keys.sla : outer.sla;
    timing.pool = keys.pool.value_or(outer.pool.value_or(""));
    timing.approval = keys.approval.value_or(outer.approval.value_or(false));
    timing.paused = keys.paused.value_or(outer.paused.value_or(false));
    return timing;
}

}  // namespace tarn::workspace
