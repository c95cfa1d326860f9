#include "ingestion/orchestrator/state_machine.h"

#include <gtest/gtest.h>

#include "base/number.h"

namespace tarn::orchestrator {
namespace {

// The same numbers for the same seed, everywhere: a failing seed can be replayed.
class SeededNumbers {
  public:
    explicit SeededNumbers(unsigned seed) : state_(seed) {}
    unsigned operator()() {
        state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<unsigned>(state_ >> 33);
    }

  private:
    uint64_t state_;
};

Timestamp At(int64_t seconds) { return FromMicros(seconds * 1000000); }

TaskSpec Spec(std::string dataset, std::vector<std::string> inputs = {}) {
    TaskSpec spec;
    spec.id = "table:" + dataset;
    spec.kind = "table";
    spec.dataset = std::move(dataset);
    spec.inputs = std::move(inputs);
    spec.fingerprint = "1";
    return spec;
}

// Drives the machine as the scheduler does, with versions that count up.
class Machine {
  public:
    explicit Machine(std::vector<TaskSpec> specs) { EXPECT_TRUE(SetGraph(state, std::move(specs)).ok()); }
    std::vector<std::string> QueueAndStart(Timestamp now) {
        for (const auto& entry : Decide(state, now).queue) {
            Event event;
            event.kind = EventKind::kQueued;
            event.run = state.last_run + 1;
            event.task = entry.task;
            event.at = now;
            event.trigger = entry.trigger;
            event.wave = entry.wave;
            event.fingerprint = state.specs.at(entry.task).fingerprint;
            event.input_versions = InputVersions(state, state.specs.at(entry.task));
            event.after = AfterRuns(state, state.specs.at(entry.task));
            Emit(event);
        }
        std::vector<std::string> started = Decide(state, now).start;
        for (const std::string& task : started) Emit(Make(EventKind::kStarted, task, now));
        return started;
    }
    Event Make(EventKind kind, const std::string& task, Timestamp now) {
        Event event;
        event.kind = kind;
        event.run = IntegerOrZero(state.memory.at(task).current->id);
        event.task = task;
        event.at = now;
        return event;
    }
    void Succeed(const std::string& task, Timestamp now, std::string version) {
        Event event = Make(EventKind::kSucceeded, task, now);
        event.changed = true;
        event.version = std::move(version);
        Emit(event);
    }
    void Emit(const Event& event) {
        // Through its JSON, as the log does.
        Event stored = *EventFromJson(*ParseJson(DumpJson(ToJson(event))));
        stored.kind = event.kind;
        stored.run = event.run;
        stored.task = event.task;
        log.push_back(stored);
        Fold(state, stored);
    }
    State state;
    std::vector<Event> log;
};

TEST(StateMachine, RunsADiamondOnce) {
    Machine machine({Spec("d", {"b", "c"}), Spec("b", {"a"}), Spec("c", {"a"}), Spec("a")});
    EXPECT_EQ(machine.QueueAndStart(At(0)), (std::vector<std::string>{"table:a"}));
    machine.Succeed("table:a", At(1), "1");
    EXPECT_EQ(machine.QueueAndStart(At(1)), (std::vector<std::string>{"table:b", "table:c"}));
    machine.Succeed("table:b", At(2), "1");
    EXPECT_TRUE(machine.QueueAndStart(At(2)).empty()) << "d waits for c";
    machine.Succeed("table:c", At(3), "1");
    EXPECT_EQ(machine.QueueAndStart(At(3)), (std::vector<std::string>{"table:d"}));
    machine.Succeed("table:d", At(4), "1");
    EXPECT_TRUE(machine.QueueAndStart(At(5)).empty());
    EXPECT_NE(Why(machine.state, "table:d", At(5)).find("fresh"), std::string::npos);
}

TEST(StateMachine, NamesCirclesAndDoubleMakers) {
    State state;
    Status circle = SetGraph(state, {Spec("a", {"b"}), Spec("b", {"a"})});
    ASSERT_FALSE(circle.ok());
    EXPECT_NE(circle.error().message().find("table:a -> table:b -> table:a"), std::string::npos);
    TaskSpec twin = Spec("a");
    twin.id = "source:a";
    EXPECT_FALSE(SetGraph(state, {Spec("a"), twin}).ok());
}

TEST(StateMachine, AFailedTaskWaitsForAChange) {
    Machine machine({Spec("a"), Spec("b", {"a"})});
    machine.QueueAndStart(At(0));
    Event failed = machine.Make(EventKind::kFailed, "table:a", At(1));
    failed.error = "no such host";
    machine.Emit(failed);
    EXPECT_TRUE(machine.QueueAndStart(At(2)).empty());
    EXPECT_NE(Why(machine.state, "table:b", At(2)).find("no such host"), std::string::npos);
    std::vector<TaskSpec> changed = {Spec("a"), Spec("b", {"a"})};
    changed[0].fingerprint = "2";
    ASSERT_TRUE(SetGraph(machine.state, changed).ok());
    EXPECT_EQ(machine.QueueAndStart(At(3)), (std::vector<std::string>{"table:a"}));
}

// As the first version of Tarn wrote them: what is not there has its default.
TEST(StateMachine, ReadsEventsOfTheFirstFormat) {
    const std::vector<std::pair<std::string, std::string>> kStored = {
        {"queued", R"({"at":1700000000000000,"fingerprint":"f1","inputs":{"raw.a":"3"},"trigger":"first run"})"},
        {"started", R"({"at":1700000000100000})"},
        {"retry", R"({"at":1700000001000000,"error":"no such host","retry_at":1700000011000000})"},
        {"started", R"({"at":1700000011000000,"attempt":2})"},
        {"succeeded", R"({"at":1700000012000000,"attempt":2,"changed":true,"inputs":{"raw.a":"4"},"rows":7,)"
                      R"("version":"1","warnings":["w"]})"},
    };
    State state;
    for (const auto& [kind, text] : kStored) {
        Event event = EventFromJson(ParseJson(text).value()).value();
        event.kind = EventKindOf(kind).value();
        event.run = 5;
        event.task = "table:b";
        Fold(state, event);
    }
    const TaskMemory& memory = state.memory.at("table:b");
    EXPECT_EQ(memory.version, "1");
    EXPECT_EQ(memory.tried_inputs.at("raw.a"), "4");
    ASSERT_TRUE(memory.last);
    EXPECT_EQ(memory.last->attempt, 2);
    EXPECT_EQ(memory.last->rows, 7);
    EXPECT_EQ(memory.last->part, "");
    EXPECT_TRUE(memory.last->parameters.empty());
    EXPECT_FALSE(memory.last->late);
    EXPECT_FALSE(memory.last->scheduled_for);
    EXPECT_EQ(memory.last->state, RunState::kSucceeded);
}

TEST(StateMachine, ADelayedRetryStartsWhenItIsTime) {
    Machine machine({Spec("a")});
    machine.QueueAndStart(At(0));
    Event retry = machine.Make(EventKind::kRetry, "table:a", At(1));
    retry.retry_at = At(10);
    machine.Emit(retry);
    EXPECT_TRUE(machine.QueueAndStart(At(9)).empty());
    EXPECT_EQ(Decide(machine.state, At(9)).wake_at, At(10));
    EXPECT_EQ(machine.QueueAndStart(At(10)), (std::vector<std::string>{"table:a"}));
}

TEST(StateMachine, ASchedulePassesOnlyChangesOn) {
    TaskSpec source = Spec("a");
    source.timing.every = std::chrono::seconds(60);
    Machine machine({source, Spec("b", {"a"})});
    machine.QueueAndStart(At(0));
    machine.Succeed("table:a", At(1), "1");
    machine.QueueAndStart(At(1));
    machine.Succeed("table:b", At(2), "1");
    EXPECT_EQ(machine.QueueAndStart(At(61)), (std::vector<std::string>{"table:a"}));
    machine.Succeed("table:a", At(62), "1");
    EXPECT_TRUE(machine.QueueAndStart(At(62)).empty()) << "the version is the same, so b has nothing to do";
}

TEST(StateMachine, WhatFollowsATaskRunsAfterItEndedWell) {
    TaskSpec job = Spec("");
    job.id = "job:tidy";
    job.after = {"table:a", "b"};
    job.eager = false;
    Machine machine({Spec("a"), Spec("b"), job});
    machine.QueueAndStart(At(0));
    machine.Succeed("table:a", At(1), "1");
    EXPECT_TRUE(machine.QueueAndStart(At(1)).empty()) << "b is still running";
    machine.Emit(machine.Make(EventKind::kFailed, "table:b", At(2)));
    EXPECT_TRUE(machine.QueueAndStart(At(2)).empty());
    EXPECT_NE(Why(machine.state, "job:tidy", At(2)).find("follows b, whose run 2 ended failed"), std::string::npos)
        << Why(machine.state, "job:tidy", At(2));
    Event again;
    again.run = 3;
    again.task = "table:b";
    again.fingerprint = "1";
    machine.Emit(again);
    machine.QueueAndStart(At(3));
    Event unchanged = machine.Make(EventKind::kSucceeded, "table:b", At(4));
    unchanged.version = "1";
    machine.Emit(unchanged);
    EXPECT_EQ(machine.QueueAndStart(At(4)), (std::vector<std::string>{"job:tidy"}));
    machine.Succeed("job:tidy", At(5), "");
    EXPECT_TRUE(machine.QueueAndStart(At(6)).empty());
    TaskSpec circle = Spec("a");
    circle.after = {"job:tidy"};
    EXPECT_FALSE(SetGraph(machine.state, {circle, Spec("b"), job}).ok());
}

TEST(StateMachine, ATaskThatMustBeToldSomethingNeverRunsByItself) {
    TaskSpec job = Spec("");
    job.id = "job:one_day";
    job.parameters["day"].type = "date";
    job.timing.every = std::chrono::seconds(10);
    Machine machine({job});
    EXPECT_TRUE(machine.QueueAndStart(At(100)).empty());
    EXPECT_NE(Why(machine.state, "job:one_day", At(100)).find("runs by hand only"), std::string::npos);
}

// Whatever fails and whenever: replaying the log gives the same state, and in the end everything is fresh.
TEST(StateMachine, SimulatedRunsConvergeAndReplay) {
    for (unsigned seed = 1; seed <= 50; ++seed) {
        SeededNumbers next(seed);
        std::vector<TaskSpec> specs;
        for (int index = 0; index < 12; ++index) {
            std::vector<std::string> inputs;
            for (int input = 0; input < index; ++input) {
                if (next() % 4 == 0) inputs.push_back("t" + std::to_string(input));
            }
            specs.push_back(Spec("t" + std::to_string(index), inputs));
        }
        Machine machine(specs);
        std::map<std::string, int> versions;
        std::vector<std::string> running;
        for (int64_t second = 0; second < 400; ++second) {
            for (std::string& task : machine.QueueAndStart(At(second))) running.push_back(task);
            if (running.empty()) continue;
            size_t pick = next() % running.size();
            std::string task = running[pick];
            running.erase(running.begin() + static_cast<long>(pick));
            if (next() % 5 == 0 && second < 200) {
                Event retry = machine.Make(EventKind::kRetry, task, At(second));
                retry.retry_at = At(second + next() % 5);
                machine.Emit(retry);
            } else {
                machine.Succeed(task, At(second), std::to_string(++versions[task]));
            }
        }
        for (const TaskSpec& spec : specs) {
            EXPECT_EQ(DueReason(machine.state, spec.id, At(400)), "") << "seed " << seed << " " << spec.id;
            EXPECT_FALSE(machine.state.memory.at(spec.id).version.empty()) << "seed " << seed << " " << spec.id;
        }
        State replayed;
        ASSERT_TRUE(SetGraph(replayed, specs).ok());
        for (const Event& event : machine.log) Fold(replayed, event);
        EXPECT_EQ(replayed.last_run, machine.state.last_run);
        for (const TaskSpec& spec : specs) {
            EXPECT_EQ(replayed.memory.at(spec.id).version, machine.state.memory.at(spec.id).version);
        }
    }
}

}  // namespace
}  // namespace tarn::orchestrator
