// What arrives together is taken together, however long the ways are that it takes: a wave runs each task that it
// touches once. And nobody waits for ever: neither for what failed, is paused, waits for a person or for something
// outside, nor behind what always has something to do.
#include <gtest/gtest.h>

#include "base/fault_disk.h"
#include "base/number.h"
#include "base/seeds_for_test.h"
#include "base/text.h"
#include "ingestion/orchestrator/state_machine.h"

namespace tarn::orchestrator {
namespace {

using namespace std::chrono_literals;
using Counts = std::map<std::string, int>;

TaskSpec Task(const std::string& name, std::vector<std::string> inputs = {}, std::vector<std::string> after = {}) {
    TaskSpec spec;
    spec.id = "t:" + name;
    spec.kind = "t";
    spec.dataset = name;
    spec.inputs = std::move(inputs);
    spec.after = std::move(after);
    spec.fingerprint = "1";
    return spec;
}

// Runs tasks as the scheduler does; each takes the seconds that it is given, and brings a new version.
class World {
  public:
    explicit World(std::vector<TaskSpec> specs, int places = 4) {
        state.places = places;
        state.pools["p"] = 1;
        state.up_since = now;
        Set(std::move(specs));
    }
    void Set(std::vector<TaskSpec> specs) { ASSERT_TRUE(SetGraph(state, std::move(specs)).ok()); }
    void Step() {
        Decisions decisions = Decide(state, now);
        for (const auto& entry : decisions.queue) Queue(entry);
        for (const std::string& lane : Decide(state, now).start) {
            Emit(lane, EventKind::kStarted);
            ++started[state.memory.at(lane).current->task];
            auto takes = seconds.find(state.memory.at(lane).current->task);
            ends[lane] = now + std::chrono::seconds(takes == seconds.end() ? 1 : takes->second);
        }
    }
    void Queue(const Decisions::ToQueue& entry) {
        Event event{.run = state.last_run + 1, .task = entry.task, .at = now, .trigger = entry.trigger};
        const TaskSpec& spec = state.specs.at(entry.task);
        event.fingerprint = spec.fingerprint;
        event.input_versions = InputVersions(state, spec);
        event.after = AfterRuns(state, spec);
        event.scheduled_for = entry.scheduled_for;
        event.approval = spec.timing.approval;
        event.wave = entry.wave;
        if (entry.part) TellPart(event, *entry.part);
        Fold(state, event);
    }
    void Emit(const std::string& lane, EventKind kind, Duration again_in = 0s, bool waits = false) {
        const Run& run = *state.memory.at(lane).current;
        Event event{.kind = kind, .run = IntegerOrZero(run.id), .task = run.task, .part = run.part, .at = now};
        event.changed = kind == EventKind::kSucceeded;
        if (event.changed) event.version = fmt::format("{}", ++versions_);
        if (kind == EventKind::kRetry) event.retry_at = now + again_in;
        event.waits = waits;
        if (kind == EventKind::kFailed) event.error = "it broke";
        Fold(state, event);
    }
    // The next second, with what ends in it.
    void Pass() {
        now += 1s;
        for (auto end = ends.begin(); end != ends.end();) {
            if (end->second > now) {
                ++end;
                continue;
            }
            std::string lane = end->first;
            end = ends.erase(end);
            if (on_end && on_end(lane)) continue;
            Emit(lane, EventKind::kSucceeded);
        }
    }
    void Play(int for_seconds) {
        for (int second = 0; second < for_seconds; ++second) {
            Step();
            Pass();
        }
    }
    // Until nothing moves any more; false when it does not come to that.
    bool Settle(int for_seconds = 5000) {
        for (int second = 0; second < for_seconds; ++second) {
            Step();
            if (ends.empty() && IsAtRest(state, now)) return true;
            Pass();
        }
        return false;
    }
    void Arrive(const std::string& task) {
        state.memory[task].outside_new = true;
        state.agenda.touched.insert(task);
    }
    State state;
    Timestamp now = ParseTime("2024-03-30T12:00:00Z").value();
    std::map<std::string, int> seconds;
    std::map<std::string, Timestamp> ends;
    Counts started;
    std::function<bool(const std::string& lane)> on_end;  // true: it has said itself how the run went on

  private:
    int64_t versions_ = 0;
};

TEST(Wave, RunsWhatALongAndAShortWayMakeDueOnce) {
    World world({Task("a"), Task("b", {"a"}), Task("c", {"b"}), Task("d", {"a", "c"})});
    ASSERT_TRUE(world.Settle());
    EXPECT_EQ(world.started, (Counts{{"t:a", 1}, {"t:b", 1}, {"t:c", 1}, {"t:d", 1}}));
    world.started.clear();
    world.seconds["t:b"] = 30;
    world.Arrive("t:a");
    world.Play(10);
    EXPECT_EQ(Why(world.state, "t:d", world.now),
              "it is due (new data in a) but waits for c, upstream of which something runs or is due");
    ASSERT_TRUE(world.Settle());
    EXPECT_EQ(world.started, (Counts{{"t:a", 1}, {"t:b", 1}, {"t:c", 1}, {"t:d", 1}}));
}

TEST(Wave, AJobThatFollowsWaitsForTheLongWayToo) {
    World world({Task("a"), Task("b", {"a"}), Task("c", {}, {"t:b"}), Task("d", {}, {"t:a", "t:c"})});
    ASSERT_TRUE(world.Settle());
    world.started.clear();
    world.Arrive("t:a");
    ASSERT_TRUE(world.Settle());
    EXPECT_EQ(world.started, (Counts{{"t:a", 1}, {"t:b", 1}, {"t:c", 1}, {"t:d", 1}}));
}

// a -> b -> c -> d and a -> d, where b or c does not bring anything: d runs with what is there.
TEST(Wave, DoesNotWaitForWhatWillNotCome) {
    auto graph = [](const std::function<void(TaskSpec & b, TaskSpec & c)>& change) {
        std::vector<TaskSpec> specs = {Task("a"), Task("b", {"a"}), Task("c", {"b"}), Task("d", {"a", "c"})};
        change(specs[1], specs[2]);
        return specs;
    };
    auto ran = [&](const char* what, const std::function<void(TaskSpec & b, TaskSpec & c)>& change,
                   EventKind end_of_b) {
        World world(graph([](TaskSpec&, TaskSpec&) {}));
        EXPECT_TRUE(world.Settle());
        world.Set(graph(change));
        world.started.clear();
        world.Arrive("t:a");
        world.on_end = [&](const std::string& lane) {
            if (lane != "t:b" || end_of_b == EventKind::kSucceeded) return false;
            world.Emit(lane, end_of_b, 1000h, true);
            return true;
        };
        world.Play(20);
        EXPECT_EQ(world.started["t:d"], 1) << what;
        return world.started;
    };
    Counts all{{"t:a", 1}, {"t:b", 1}, {"t:d", 1}};
    EXPECT_EQ(ran(
                  "fails", [](TaskSpec&, TaskSpec&) {}, EventKind::kFailed),
              all);
    EXPECT_EQ(ran(
                  "skips", [](TaskSpec&, TaskSpec&) {}, EventKind::kSkipped),
              all);
    EXPECT_EQ(ran(
                  "cancelled", [](TaskSpec&, TaskSpec&) {}, EventKind::kCancelled),
              all);
    EXPECT_EQ(ran(
                  "waits for something outside", [](TaskSpec&, TaskSpec&) {}, EventKind::kRetry),
              all);
    Counts without{{"t:a", 1}, {"t:d", 1}};
    EXPECT_EQ(ran(
                  "paused", [](TaskSpec& b, TaskSpec&) { b.timing.paused = true; }, EventKind::kSucceeded),
              without);
    EXPECT_EQ(ran(
                  "approval", [](TaskSpec& b, TaskSpec&) { b.timing.approval = true; }, EventKind::kSucceeded),
              without);
    EXPECT_EQ(
        ran(
            "needs a value", [](TaskSpec& b, TaskSpec&) { b.parameters["day"].type = "date"; }, EventKind::kSucceeded),
        without);
    EXPECT_EQ(
        ran(
            "an input never delivered", [](TaskSpec& b, TaskSpec&) { b.after = {"t:nobody"}; }, EventKind::kSucceeded),
        without);
    EXPECT_EQ(ran(
                  "c is paused", [](TaskSpec&, TaskSpec& c) { c.timing.paused = true; }, EventKind::kSucceeded),
              all);
    EXPECT_EQ(
        ran(
            "c waits for a person", [](TaskSpec&, TaskSpec& c) { c.timing.approval = true; }, EventKind::kSucceeded),
        all);
}

// What retries holds up what lies behind it until it gives up or succeeds.
TEST(Wave, WaitsWhileSomethingUpstreamIsTriedAgain) {
    World world({Task("a"), Task("b", {"a"}), Task("c", {"b"}), Task("d", {"a", "c"})});
    ASSERT_TRUE(world.Settle());
    world.started.clear();
    world.Arrive("t:a");
    int tries = 0;
    world.on_end = [&](const std::string& lane) {
        if (lane != "t:b" || ++tries > 2) return false;
        world.Emit(lane, EventKind::kRetry, 20s);
        return true;
    };
    world.Play(30);
    EXPECT_EQ(world.started["t:d"], 0);
    ASSERT_TRUE(world.Settle());
    EXPECT_EQ(world.started, (Counts{{"t:a", 1}, {"t:b", 3}, {"t:c", 1}, {"t:d", 1}}));
}

// b is never done: a has something new before b ends. What reads b, and what reads a and is behind b, run all the same.
TEST(Wave, NobodyStarvesBehindWhatAlwaysHasSomethingToDo) {
    for (bool by_way_of_unchanged : {false, true}) {
        TaskSpec a = Task("a");
        a.timing.every = 5s;
        World world({a, Task("b", {"a"}), Task("c", {"b"}), Task("d", {"a", "c"})});
        world.seconds = {{"t:b", 9}, {"t:c", 3}};
        world.on_end = [&](const std::string& lane) {
            if (!by_way_of_unchanged || lane != "t:b" || world.state.memory.at(lane).version.empty()) return false;
            Event event{.kind = EventKind::kSucceeded, .task = lane, .at = world.now};
            event.run = IntegerOrZero(world.state.memory.at(lane).current->id);
            event.version = world.state.memory.at(lane).version;
            Fold(world.state, event);
            return true;
        };
        world.Play(1000);
        EXPECT_GT(world.started["t:b"], 80);
        EXPECT_GT(world.started["t:d"], 20) << by_way_of_unchanged;
        EXPECT_GT(world.started["t:c"], by_way_of_unchanged ? 0 : 20);
    }
}

std::vector<TaskSpec> RandomGraph(SeededNumbers& numbers, int tasks, bool calm) {
    std::vector<TaskSpec> specs;
    auto chance = [&](uint64_t of) { return numbers.Below(of) == 0; };
    for (int index = 0; index < tasks; ++index) {
        TaskSpec spec = Task(fmt::format("d{}", index));
        for (int before = std::max(0, index - 6); before < index && index >= 3; ++before) {
            if (chance(3)) spec.inputs.push_back(fmt::format("d{}", before));
            if (chance(8)) spec.after.push_back(fmt::format("t:d{}", before));
        }
        if (chance(4)) spec.timing.pool = "p";
        if (!calm) {
            spec.timing.paused = chance(12);
            spec.timing.approval = chance(12);
            if (chance(8)) spec.timing.every = std::chrono::seconds(20 + numbers.Below(100));
            if (chance(8) && !spec.timing.every) {
                spec.timing.schedule = workspace::Schedule::Create("*/2 * * * *", "UTC", {}).value();
            }
            spec.after_any = chance(4);
            spec.after_failure = !spec.after_any && chance(6);
        }
        specs.push_back(std::move(spec));
    }
    return specs;
}

// All that can be reached from what arrived, and it alone.
std::set<std::string> Reached(const State& state, std::set<std::string> reached) {
    for (const std::string& task : state.order) {
        const TaskSpec& spec = state.specs.at(task);
        auto hit = [&](const std::string& name) { return reached.contains(name) || reached.contains("t:" + name); };
        bool touched = std::any_of(spec.inputs.begin(), spec.inputs.end(), hit);
        if (touched || std::any_of(spec.after.begin(), spec.after.end(), hit)) reached.insert(task);
    }
    return reached;
}

TEST(Wave, RunsEachTaskThatItTouchesOnceInAnyGraph) {
    ForSeeds(200, [](uint64_t seed) {
        SeededNumbers numbers(seed);
        World world(RandomGraph(numbers, 18, true), 1 + static_cast<int>(numbers.Below(6)));
        ASSERT_TRUE(world.Settle());
        for (int round = 0; round < 6; ++round) {
            std::set<std::string> arrived;
            for (const auto& [task, spec] : world.state.specs) {
                world.seconds[task] = 1 + static_cast<int>(numbers.Below(20));
                if (numbers.Below(spec.inputs.empty() ? 2 : 12) == 0) arrived.insert(task);
            }
            world.started.clear();
            for (const std::string& task : arrived) world.Arrive(task);
            ASSERT_TRUE(world.Settle()) << "seed " << seed;
            Counts once;
            for (const std::string& task : Reached(world.state, arrived)) once[task] = 1;
            EXPECT_EQ(world.started, once) << "seed " << seed << " round " << round;
        }
    });
}

// Whatever goes wrong for a while: when it no longer does, all that may run by itself has seen the newest of all that
// it reads, and nothing hangs.
TEST(Wave, NothingHangsWhateverHappens) {
    ForSeeds(200, [](uint64_t seed) {
        SeededNumbers numbers(seed);
        std::vector<TaskSpec> specs = RandomGraph(numbers, 16, false);
        World world(specs, 1 + static_cast<int>(numbers.Below(4)));
        bool calm = false;
        world.on_end = [&](const std::string& lane) {
            constexpr std::array kEnds{EventKind::kFailed, EventKind::kRetry, EventKind::kSkipped,
                                       EventKind::kCancelled};
            if (calm || numbers.Below(3) != 0) return false;
            world.Emit(lane, kEnds[numbers.Below(kEnds.size())], std::chrono::seconds(numbers.Below(60)),
                       numbers.Below(2) == 0);
            return true;
        };
        for (int second = 0; second < 600; ++second) {
            world.Step();
            world.Pass();
            if (numbers.Below(20) == 0) world.Arrive(fmt::format("t:d{}", numbers.Below(16)));
            for (const auto& [lane, memory] : world.state.memory) {
                bool asks = memory.current && memory.current->state == RunState::kWaitingApproval;
                if (asks && numbers.Below(40) == 0) {
                    world.Emit(lane, EventKind::kApproved);
                    break;
                }
            }
        }
        calm = true;
        for (TaskSpec& spec : specs) {
            spec.timing.every.reset();
            spec.timing.schedule.reset();
            spec.fingerprint = "2";
        }
        world.Set(specs);
        for (int second = 0; second < 2000; ++second) {
            world.Step();
            world.Pass();
        }
        ASSERT_TRUE(world.ends.empty()) << "seed " << seed;
        for (const auto& [task, spec] : world.state.specs) {
            const TaskMemory& memory = world.state.memory[task];
            if (memory.current) {
                ASSERT_EQ(memory.current->state, RunState::kWaitingApproval) << "seed " << seed << " " << task;
                continue;
            }
            // Due for ever is only what something upstream of it keeps from running: never there, or ended otherwise.
            if (DueReason(world.state, task, world.now).empty()) continue;
            std::string why = Why(world.state, task, world.now);
            bool rightly = why.find("has no data yet") != std::string::npos ||
                           why.find(" ended ") != std::string::npos || why.find("has not run yet") != std::string::npos;
            ASSERT_TRUE(rightly) << "seed " << seed << " " << task << ": " << why;
        }
    });
}

}  // namespace
}  // namespace tarn::orchestrator
