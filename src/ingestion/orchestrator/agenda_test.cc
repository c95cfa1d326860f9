// The agenda is a shortcut: whatever happens, in whatever order, decisions are those of a state that is looked at
 // whole.
#include <gtest/gtest.h>

#include "base/fault_disk.h"
#include "base/number.h"
#include "base/seeds_for_test.h"
#include "base/text.h"
#include "ingestion/orchestrator/state_machine.h"

namespace tarn::orchestrator {
namespace {

using namespace std::chrono_literals;

class Game {
  public:
    explicit Game(uint64_t seed) : numbers_(seed) {
        state_.places = 3;
        state_.pools["p"] = 2;
        state_.up_since = now_;
        SetTasks();
    }
    void Play(int steps) {
        for (int step = 0; step < steps; ++step) {
            Compare();
            if (testing::Test::HasFailure()) return;
            Move();
        }
    }

  private:
    TaskSpec Spec(int index) {
        TaskSpec spec;
        spec.id = fmt::format("t:{}", index);
        spec.kind = "t";
        if (Chance(5)) spec.dataset = fmt::format("d{}", index);
        for (int before = 0; before < index; ++before) {
            if (Chance(6)) spec.inputs.push_back(fmt::format("d{}", before));
            if (Chance(12)) spec.after.push_back(fmt::format("t:{}", before));
        }
        spec.fingerprint = fmt::format("{}", numbers_.Below(2));
        spec.eager = !Chance(4);
        spec.timing.paused = Chance(15);
        if (Chance(3)) spec.timing.every = std::chrono::minutes(1 + numbers_.Below(90));
        if (Chance(4)) spec.timing.pool = "p";
        if (Chance(4)) spec.timing.sla = std::chrono::minutes(1 + numbers_.Below(20));
        if (!spec.timing.every && Chance(4)) {
            spec.timing.schedule = workspace::Schedule::Create("*/20 * * * *", "UTC", {}).value();
            spec.timing.catch_up = static_cast<workspace::CatchUp>(numbers_.Below(3));
        }
        if (Chance(4)) {
            spec.partition = workspace::Partition{workspace::PartUnit::kHour, now_ - 5h};
            spec.parts_parallel = 1 + static_cast<int>(numbers_.Below(3));
        }
        return spec;
    }
    void SetTasks() {
        std::vector<TaskSpec> specs;
        for (int index = 0; index < 12; ++index) {
            if (!Chance(8)) specs.push_back(Spec(index));
        }
        ASSERT_TRUE(SetGraph(state_, std::move(specs)).ok());
    }
    bool Chance(uint64_t of) { return numbers_.Below(of) == 0; }

    static std::string Text(const Decisions& decisions) {
        std::string text;
        for (const auto& entry : decisions.queue) {
            text += fmt::format("queue {} {} {} {} {}\n", entry.wave, entry.task, entry.trigger,
                                entry.part ? entry.part->key : "",
                                entry.scheduled_for ? FormatTime(*entry.scheduled_for) : "");
        }
        text += "start " + Join(decisions.start, " ") + "\nlate " + Join(decisions.late, " ");
        return text + "\nwake " + (decisions.wake_at ? FormatTime(*decisions.wake_at) : "-");
    }
    void Compare() {
        State whole = state_;
        whole.agenda = NewAgenda(whole);
        ASSERT_EQ(Text(Decide(state_, now_)), Text(Decide(whole, now_)));
        ASSERT_EQ(IsAtRest(state_, now_), IsAtRest(whole, now_));
        ASSERT_EQ(state_.agenda.moving, whole.agenda.moving);
        for (const auto& [task, spec] : state_.specs) {
            ASSERT_EQ(Why(state_, task, now_), Why(whole, task, now_));
        }
    }
    void Queue(const std::string& task, std::optional<workspace::Part> part, std::optional<Timestamp> scheduled_for,
               int64_t wave) {
        Event event;
        event.run = state_.last_run + 1;
        event.task = task;
        event.at = now_;
        event.fingerprint = state_.specs.at(task).fingerprint;
        event.input_versions = InputVersions(state_, state_.specs.at(task));
        event.after = AfterRuns(state_, state_.specs.at(task));
        event.approval = Chance(10);
        event.scheduled_for = scheduled_for;
        event.wave = wave;
        if (part) TellPart(event, *part);
        Fold(state_, event);
    }
    void Happen(const std::string& lane) {
        const Run& run = *state_.memory.at(lane).current;
        Event event;
        event.run = IntegerOrZero(run.id);
        event.task = run.task;
        event.part = run.part;
        event.at = now_;
        constexpr std::array kEnds{EventKind::kSucceeded, EventKind::kSucceeded, EventKind::kFailed,
                                   EventKind::kRetry,     EventKind::kCancelled, EventKind::kLate};
        event.kind = kEnds[numbers_.Below(kEnds.size())];
        if (run.state == RunState::kWaitingApproval && Chance(2)) event.kind = EventKind::kApproved;
        event.changed = Chance(2);
        event.version = fmt::format("{}", numbers_.Below(4));
        event.retry_at = now_ + std::chrono::minutes(numbers_.Below(30));
        event.waits = Chance(3);
        Fold(state_, event);
    }
    void Move() {
        switch (numbers_.Below(8)) {
            case 0:
                now_ += std::chrono::minutes(numbers_.Below(Chance(10) ? 3000 : 30));
                break;
            case 1:
                if (Chance(10)) now_ -= std::chrono::minutes(numbers_.Below(3000));
                state_.up_since = std::min(state_.up_since, now_);
                break;
            case 2:
                if (Chance(20)) SetTasks();
                break;
            case 3:
            case 4: {
                Decisions decisions = Decide(state_, now_);
                for (const auto& entry : decisions.queue)
                    Queue(entry.task, entry.part, entry.scheduled_for, entry.wave);
                break;
            }
            case 5: {
                for (const std::string& lane : Decide(state_, now_).start) {
                    Event event;
                    event.kind = EventKind::kStarted;
                    event.run = IntegerOrZero(state_.memory.at(lane).current->id);
                    event.task = state_.memory.at(lane).current->task;
                    event.part = state_.memory.at(lane).current->part;
                    event.at = now_;
                    Fold(state_, event);
                }
                break;
            }
            default: {
                std::vector<std::string> lanes;
                for (const auto& [lane, memory] : state_.memory) {
                    if (memory.current) lanes.push_back(lane);
                }
                if (!lanes.empty()) Happen(lanes[numbers_.Below(lanes.size())]);
            }
        }
    }

    SeededNumbers numbers_;
    State state_;
    Timestamp now_ = ParseTime("2024-03-30T12:00:00Z").value();
};

TEST(Agenda, DecidesAsIfAllWereLookedAt) {
    ForSeeds(60, [](uint64_t seed) { Game(seed).Play(300); });
}

}  // namespace
}  // namespace tarn::orchestrator
