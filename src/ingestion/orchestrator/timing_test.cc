// When tasks run, with a clock that is told: schedules over downtimes and clock jumps, pools, approval, lateness.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/number.h"
#include "ingestion/orchestrator/state_machine.h"

namespace tarn::orchestrator {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

Timestamp At(std::string_view text) { return ParseTime(text).value(); }

TaskSpec Job(const std::string& name) {
    TaskSpec spec;
    spec.id = "job:" + name;
    spec.kind = "job";
    spec.eager = false;
    return spec;
}
TaskSpec Cron(const std::string& cron, const std::string& zone = "UTC") {
    TaskSpec spec = Job("a");
    spec.timing.schedule = workspace::Schedule::Create(cron, zone, {}).value();
    return spec;
}

// The state machine with a clock of its own; runs end at once unless `holds`.
struct World {
    explicit World(std::vector<TaskSpec> specs, std::string_view now) : now(At(now)) {
        EXPECT_TRUE(SetGraph(state, std::move(specs)).ok());
        state.up_since = this->now;
    }
    void Emit(EventKind kind, const std::string& task) {
        Event event;
        event.kind = kind;
        event.run = IntegerOrZero(state.memory.at(task).current->id);
        event.task = state.memory.at(task).current->task;
        event.part = state.memory.at(task).current->part;
        event.at = now;
        Apply(event);
    }
    void Apply(const Event& event) {
        Event stored = EventFromJson(ParseJson(DumpJson(ToJson(event))).value()).value();
        stored.kind = event.kind;
        stored.run = event.run;
        stored.task = event.task;
        Fold(state, stored);
    }
    void Queue(const std::string& task, std::optional<Timestamp> scheduled_for = {},
               std::optional<workspace::Part> part = {}) {
        Event event;
        event.run = state.last_run + 1;
        event.task = task;
        event.at = now;
        event.scheduled_for = scheduled_for;
        if (part) TellPart(event, *part);
        event.input_versions = InputVersions(state, state.specs.at(task));
        event.approval = state.specs.at(task).timing.approval;
        Apply(event);
    }
    // Tried twice more, five minutes apart, as what can't be reached is.
    void Fail(const std::string& task) {
        const Run& run = *state.memory.at(task).current;
        Event event;
        event.kind = tries++ % 3 < 2 ? EventKind::kRetry : EventKind::kFailed;
        event.run = IntegerOrZero(run.id);
        event.task = run.task;
        event.at = now;
        event.error = "no such host";
        event.retry_at = now + 5min;
        Apply(event);
    }
    // As the scheduler does at this moment: the scheduled times of what ran.
    Texts Step() {
        Texts ran;
        state.up_since = std::min(state.up_since, now);
        for (const auto& entry : Decide(state, now).queue) {
            Queue(entry.task, entry.scheduled_for, entry.part);
            ran.push_back(entry.scheduled_for ? FormatTime(*entry.scheduled_for) : entry.trigger);
        }
        for (const std::string& task : Decide(state, now).start) {
            Emit(EventKind::kStarted, task);
            if (down.contains(task)) {
                Fail(task);
            } else if (!holds) {
                Emit(EventKind::kSucceeded, task);
            }
        }
        return ran;
    }
    // Steps whenever the decisions say that there is something to do, until the clock shows `end`.
    Texts Until(std::string_view end) {
        Texts ran;
        while (true) {
            for (std::string& text : Step()) ran.push_back(std::move(text));
            if (!Decide(state, now).queue.empty()) continue;
            std::optional<Timestamp> wake = Decide(state, now).wake_at;
            if (!wake || *wake > At(end)) break;
            EXPECT_GT(*wake, now);
            now = *wake;
        }
        now = At(end);
        return ran;
    }
    State state;
    Timestamp now;
    bool holds = false;
    std::set<std::string> down;  // tasks whose source can't be reached
    int tries = 0;
};

TEST(Timing, CronRunsOncePerTimeOverDaylightSaving) {
    World berlin({Cron("30 2 * * *", "Europe/Berlin")}, "2024-03-30T12:00:00Z");
    EXPECT_EQ(berlin.Until("2024-04-01T12:00:00Z"), (Texts{"2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z"}));
    World york({Cron("30 1 * * *", "America/New_York")}, "2024-11-02T12:00:00Z");
    EXPECT_EQ(york.Until("2024-11-04T12:00:00Z"), (Texts{"2024-11-03T05:30:00Z", "2024-11-04T06:30:00Z"}));
    World leap({Cron("0 0 29 2 *")}, "2023-01-01");
    EXPECT_EQ(leap.Until("2029-01-01"), (Texts{"2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"}));
}

TEST(Timing, CatchesUpAsItSays) {
    for (auto [catch_up, expected] :
         {std::pair{workspace::CatchUp::kNo, Texts{"2024-01-11T02:00:00Z"}},
          std::pair{workspace::CatchUp::kLast, Texts{"2024-01-10T02:00:00Z", "2024-01-11T02:00:00Z"}},
          std::pair{workspace::CatchUp::kAll, Texts{"2024-01-08T02:00:00Z", "2024-01-09T02:00:00Z",
                                                    "2024-01-10T02:00:00Z", "2024-01-11T02:00:00Z"}}}) {
        TaskSpec spec = Cron("0 2 * * *");
        spec.timing.catch_up = catch_up;
        World world({spec}, "2024-01-06T00:00:00Z");
        EXPECT_EQ(world.Until("2024-01-07T12:00:00Z"), (Texts{"2024-01-06T02:00:00Z", "2024-01-07T02:00:00Z"}));
        // Off for three nights.
        world.now = world.state.up_since = At("2024-01-10T12:00:00Z");
        EXPECT_EQ(world.Until("2024-01-11T12:00:00Z"), expected);
    }
}

TEST(Timing, AScheduleOfAYearOfMinutesIsCaughtUpAtOnce) {
    World world({Cron("* * * * *")}, "2023-01-01");
    world.Step();
    world.now = At("2023-01-01T00:01:00Z");
    world.Step();
    world.now = world.state.up_since = At("2024-06-01T00:00:30Z");
    EXPECT_EQ(world.Step(), Texts{"2024-06-01T00:00:00Z"});
    EXPECT_EQ(world.Step(), Texts{});
}

TEST(Timing, AClockThatJumpsNeitherDoublesNorStops) {
    World world({Cron("0 * * * *")}, "2024-01-01T11:30:00Z");
    EXPECT_EQ(world.Until("2024-01-01T12:10:00Z"), Texts{"2024-01-01T12:00:00Z"});
    world.now = At("2024-01-01T11:50:00Z");  // a little back: 12:00 has been
    EXPECT_EQ(world.Until("2024-01-01T12:59:00Z"), Texts{});
    EXPECT_EQ(world.Until("2024-01-01T13:01:00Z"), Texts{"2024-01-01T13:00:00Z"});
    world.now = At("2020-01-01T00:10:00Z");  // four years back: it goes by the new time
    EXPECT_EQ(world.Until("2020-01-01T01:01:00Z"), Texts{"2020-01-01T01:00:00Z"});
    world.now = At("2024-01-01T11:50:00Z");  // and forth
    EXPECT_EQ(world.Until("2024-01-01T12:01:00Z"), (Texts{"2024-01-01T11:00:00Z", "2024-01-01T12:00:00Z"}));
    TaskSpec often = Job("a");
    often.timing.every = 1h;
    World every({often}, "2024-01-01T12:00:00Z");
    EXPECT_EQ(every.Until("2024-01-01T12:30:00Z"), Texts{"first run"});
    every.now = At("2020-01-01");
    EXPECT_EQ(every.Until("2020-01-01T00:30:00Z"), Texts{"schedule"});
    EXPECT_EQ(every.Until("2020-01-01T01:00:00Z"), Texts{"schedule"});
}

TEST(Timing, WhatIsPausedRunsByHandOnly) {
    TaskSpec spec = Cron("0 * * * *");
    spec.timing.paused = true;
    World world({spec}, "2024-01-01");
    EXPECT_EQ(world.Until("2024-01-03"), Texts{});
    EXPECT_NE(Why(world.state, "job:a", world.now).find("it is paused"), std::string::npos);
    world.Queue("job:a");
    world.Step();
    EXPECT_EQ(world.state.memory.at("job:a").last->state, RunState::kUnchanged);
}

TEST(Timing, PoolsAndPlacesAreKeptAndTheOldestGoesFirst) {
    std::vector<TaskSpec> specs;
    for (const char* name : {"a", "b", "c", "d", "e", "f"}) specs.push_back(Job(name));
    for (int index : {0, 1, 2}) specs[static_cast<size_t>(index)].timing.pool = "database";
    specs[3].timing.pool = "unknown", specs[4].timing.pool = "unknown";
    World world(specs, "2024-01-01");
    world.state.places = 4;
    world.state.pools = {{"database", 2}};
    world.holds = true;
    for (const char* name : {"c", "b", "a", "e", "d", "f"}) world.Queue(std::string("job:") + name);
    EXPECT_EQ(Decide(world.state, world.now).start, (Texts{"job:c", "job:b", "job:e", "job:f"}));
    world.Step();
    EXPECT_EQ(Decide(world.state, world.now).start, Texts{});
    EXPECT_NE(Why(world.state, "job:a", world.now).find("waits for a free place"), std::string::npos);
    world.Emit(EventKind::kSucceeded, "job:f");
    EXPECT_EQ(Decide(world.state, world.now).start, Texts{}) << "the free place is for neither of the pools";
    EXPECT_NE(Why(world.state, "job:a", world.now).find("waits for a place in pool database"), std::string::npos);
    EXPECT_NE(Why(world.state, "job:d", world.now).find("tarn.yaml does not say"), std::string::npos);
    world.Emit(EventKind::kFailed, "job:b");
    EXPECT_EQ(Decide(world.state, world.now).start, Texts{"job:a"});
}

TEST(Timing, ARunWaitsForApprovalAndHoldsUpNothing) {
    TaskSpec asks = Job("asks");
    asks.timing.approval = true;
    asks.dataset = "d.asks";
    TaskSpec behind = Job("behind");
    behind.inputs = {"d.asks", "d.other"};
    TaskSpec other = Job("other");
    other.dataset = "d.other";
    World world({asks, behind, other}, "2024-01-01");
    auto succeed = [&](const std::string& task, const std::string& version) {
        world.Queue(task);
        if (task == "job:asks") world.Emit(EventKind::kApproved, task);
        world.Emit(EventKind::kStarted, task);
        Event event;
        event.kind = EventKind::kSucceeded;
        event.run = world.state.last_run;
        event.task = task;
        event.at = world.now;
        event.version = version;
        event.changed = true;
        world.Apply(event);
    };
    succeed("job:asks", "1");
    succeed("job:other", "1");
    world.Step();
    world.Queue("job:asks");
    EXPECT_EQ(Decide(world.state, world.now).start, Texts{});
    EXPECT_NE(Why(world.state, "job:asks", world.now).find("waits for approval: `tarn approve "), std::string::npos);
    succeed("job:other", "2");
    EXPECT_EQ(world.Step(), Texts{"new data in d.other"}) << "behind does not wait for a person";
    Event approved;
    approved.kind = EventKind::kApproved;
    approved.run = IntegerOrZero(world.state.memory.at("job:asks").current->id);
    approved.task = "job:asks";
    approved.by = "user:ann";
    world.Apply(approved);
    EXPECT_EQ(Decide(world.state, world.now).start, Texts{"job:asks"});
    EXPECT_EQ(world.state.memory.at("job:asks").current->approved_by, "user:ann");
}

TEST(Timing, ASourceThatIsDownForADayIsTakenUpAgain) {
    TaskSpec source = Job("a");
    source.dataset = "raw.a";
    source.timing.every = 1h;
    TaskSpec reader = Job("b");
    reader.inputs = {"raw.a"};
    reader.eager = true;
    World world({source, reader}, "2024-03-30T12:00:00Z");
    auto deliver = [&](std::string version) {  // the end of a load that brought something
        Event event;
        event.kind = EventKind::kSucceeded;
        event.run = IntegerOrZero(world.state.memory.at("job:a").current->id);
        event.task = "job:a";
        event.at = world.now;
        event.changed = true;
        event.version = std::move(version);
        world.Apply(event);
    };
    world.holds = true;
    world.Step();
    deliver("1");
    world.holds = false;
    EXPECT_EQ(world.Step(), Texts{"first run"});
    world.down = {"job:a"};
    Texts during = world.Until("2024-03-31T12:30:00Z");
    EXPECT_EQ(during.size(), 24U) << "each hour, whatever the hour before came to";
    EXPECT_TRUE(std::all_of(during.begin(), during.end(), [](const auto& text) { return text == "schedule"; }));
    EXPECT_GE(world.tries, 24 * 3 - 2) << "each is tried again";
    EXPECT_EQ(world.state.memory.at("job:b").last->trigger, "") << "what reads it rests";
    world.down.clear();
    world.holds = true;
    world.now = At("2024-03-31T13:10:00Z");
    world.Step();
    deliver("2");
    world.holds = false;
    EXPECT_EQ(world.Step(), Texts{"new data in raw.a"}) << "once";
    EXPECT_EQ(world.Step(), Texts{});
}

TEST(Timing, PartsAreRunOnceWhateverTheClockDoes) {
    TaskSpec spec = Job("a");
    spec.partition = workspace::Partition{workspace::PartUnit::kHour, At("2024-03-01")};
    World world({spec}, "2024-03-10T00:30:00Z");
    std::map<std::string, int> runs;
    auto play = [&](std::string_view end) {
        world.now = At(end);
        while (true) {
            Decisions decisions = Decide(world.state, world.now);
            if (decisions.queue.empty() && decisions.start.empty()) return;
            for (const auto& entry : decisions.queue) ++runs[entry.part->key];
            world.Step();
        }
    };
    play("2024-03-10T00:30:00Z");
    play("2024-03-12T00:30:00Z");  // two days forward
    play("2024-03-09T00:30:00Z");  // three back: what it shows has been
    play("2024-03-11T05:30:00Z");
    play("2024-03-12T02:30:00Z");
    EXPECT_EQ(runs.size(), 51U);
    for (const auto& [part, count] : runs) EXPECT_EQ(count, 1) << part;
    EXPECT_EQ(runs.rbegin()->first, "2024-03-12T01");
}

TEST(Timing, ARunIsLateOnceWhenItsSlaIsOver) {
    TaskSpec spec = Job("a");
    spec.timing.sla = 10min;
    World world({spec}, "2024-01-01");
    world.holds = true;
    world.Queue("job:a");
    world.Step();
    EXPECT_EQ(Decide(world.state, world.now).wake_at, At("2024-01-01T00:10:00Z"));
    world.now = At("2024-01-01T00:09:59Z");
    EXPECT_EQ(Decide(world.state, world.now).late, Texts{});
    world.now = At("2024-01-01T00:10:00Z");
    EXPECT_EQ(Decide(world.state, world.now).late, Texts{"job:a"});
    world.Emit(EventKind::kLate, "job:a");
    EXPECT_EQ(Decide(world.state, world.now).late, Texts{});
    world.Emit(EventKind::kSucceeded, "job:a");
    EXPECT_TRUE(world.state.memory.at("job:a").last->late);
}

TEST(Timing, PartsRunWhenTheyHaveEnded) {
    TaskSpec spec = Job("a");
    spec.partition = workspace::Partition{workspace::PartUnit::kMonth, At("2023-11-15")};
    World world({spec}, "2023-11-20");
    auto parts = [&](std::string_view end) {
        world.Until(end);
        std::string newest = world.state.parts["job:a"].newest;
        return newest;
    };
    EXPECT_EQ(parts("2023-11-30"), "");
    EXPECT_EQ(parts("2023-12-01"), "2023-11");
    EXPECT_EQ(parts("2024-03-02"), "2024-02") << "after a downtime each part is run";
    for (const char* part : {"2023-11", "2023-12", "2024-01", "2024-02"}) {
        EXPECT_TRUE(world.state.memory.contains(LaneOf("job:a", part))) << part;
    }
    EXPECT_EQ(Decide(world.state, world.now).wake_at, At("2024-04-01"));
}

}  // namespace
}  // namespace tarn::orchestrator
