// The run log over the embedded store, on a disk that loses, tears and reorders what was not synced: what it replays is
// the state that the scheduler had acknowledged, and the list of runs says the same. ./dev soak power runs more seeds.
#include <gtest/gtest.h>

#include "base/fault_disk.h"
#include "base/fault_env.h"
#include "base/number.h"
#include "base/seeds_for_test.h"
#include "base/text.h"
#include "ingestion/orchestrator/run_log.h"

namespace tarn::orchestrator {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
constexpr int kTasks = 5;

std::string Text(const std::optional<Timestamp>& time) { return time ? FormatTime(*time) : "-"; }
std::string Text(const Run& run) {
    std::string parameters = DumpJson(Json(run.parameters));
    return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", run.id, run.task, run.trigger,
                       RunStateName(run.state), run.attempt, Text(run.queued_at), Text(run.started_at),
                       Text(run.ended_at), run.error, run.rows, run.version, Join(run.warnings, ","), run.part,
                       run.batch, parameters, Text(run.scheduled_for), run.approved_by, run.late);
}
std::string Text(const State& state) {
    std::string text = fmt::format("last {}\n", state.last_run);
    for (const auto& [task, memory] : state.memory) {
        text += fmt::format("{}: current {}; last {}; retry {}; tried {}", task,
                            memory.current ? Text(*memory.current) : "-", memory.last ? Text(*memory.last) : "-",
                            FormatTime(memory.retry_at), memory.tried_fingerprint);
        for (const auto& [dataset, version] : memory.tried_inputs) text += fmt::format(" {}={}", dataset, version);
        text += fmt::format("; version {} {} {}\n", memory.version, Text(memory.success_at), Text(memory.queued_at));
    }
    for (const auto& [task, parts] : state.parts) {
        text += fmt::format("{} newest {}", task, parts.newest);
        for (const auto& [at, lane] : parts.retrying) text += fmt::format(" {}:{}", FormatTime(at), lane);
        for (const auto* runs : {&parts.queued, &parts.running, &parts.asking}) {
            text += ";";
            for (const auto& [number, lane] : *runs) text += fmt::format(" {}:{}", number, lane);
        }
        text += "\n";
    }
    return text;
}

class Machine {
  public:
    explicit Machine(uint64_t seed) : env_(seed), numbers_(seed * 31) {}

    void Start() {
        auto database = metadata::Database::OpenSqlite(env_, "/m.db", Secret(kKey));
        ASSERT_TRUE(database.ok()) << database.error().ToString();
        database_ = std::move(*database);
        ASSERT_TRUE(database_->CheckIntegrity().ok());
        auto log = RunLog::Create(*database_);
        ASSERT_TRUE(log.ok()) << log.error().ToString();
        log_.emplace(std::move(*log));
        State replayed;
        Status read = log_->Replay(replayed);
        ASSERT_TRUE(read.ok()) << read.error().ToString();
        std::string found = Text(replayed);
        ASSERT_TRUE(found == Text(before_) || found == Text(after_)) << found << "\nacknowledged\n"
                                                                     << Text(before_) << "\nunder way\n"
                                                                     << Text(after_);
        before_ = after_ = replayed;
        CheckListing();
    }

    // As the scheduler does: a step's events in one append, folded into the state once it is acknowledged.
    void RunUntilRefused(int steps) {
        for (int step = 0; step < steps; ++step) {
            std::vector<Event> events;
            std::vector<LogLine> lines;
            after_ = before_;
            uint64_t first = numbers_.Below(kTasks);
            for (uint64_t i = 0; i <= numbers_.Below(3); ++i) {
                events.push_back(NextEvent(after_, fmt::format("table:{}", (first + i) % kTasks)));
                Fold(after_, events.back());
                std::string text(numbers_.Below(3'000), 'x');
                lines.push_back({events.back().run, env_.clock().Now(), std::move(text)});
            }
            std::vector<Run> runs;
            for (const auto& [lane, memory] : after_.memory) {
                if (memory.current)
                    runs.push_back(*memory.current);
                else if (memory.last)
                    runs.push_back(*memory.last);
            }
            if (!log_->Append(events, runs, lines).ok()) return;
            before_ = after_;
        }
    }

    void Stop() {
        log_.reset();
        database_.reset();
    }
    FaultEnv& env() { return env_; }
    SeededNumbers& numbers() { return numbers_; }

  private:
    Event NextEvent(const State& state, std::string task) {
        Event event;
        event.task = std::move(task);
        if (event.task == "table:0") event.part = fmt::format("2024-01-{:02}", 1 + numbers_.Below(28));
        std::string lane = LaneOf(event.task, event.part);
        env_.AdvanceTime(std::chrono::milliseconds(1 + numbers_.Below(5000)));
        event.at = env_.clock().Now();
        auto memory = state.memory.find(lane);
        if (memory == state.memory.end() || !memory->second.current) {
            event.run = state.last_run + 1;
            event.trigger = "schedule";
            event.fingerprint = fmt::format("{}", numbers_.Below(3));
            event.input_versions = {{"raw.a", fmt::format("{}", numbers_.Below(9))}};
            event.after = {{"table:1", "7"}};
            event.parameters = {{"day", "it's"}, {"partition", event.part}};
            event.approval = numbers_.Coin();
            if (!event.part.empty()) event.batch = 1 + static_cast<int64_t>(numbers_.Below(9));
            if (numbers_.Coin()) event.scheduled_for = event.at;
            return event;
        }
        event.run = IntegerOrZero(memory->second.current->id);
        constexpr std::array kKinds{EventKind::kStarted,   EventKind::kSucceeded, EventKind::kFailed, EventKind::kRetry,
                                    EventKind::kCancelled, EventKind::kApproved,  EventKind::kLate};
        event.kind = kKinds[numbers_.Below(kKinds.size())];
        event.changed = numbers_.Coin();
        event.version = event.kind == EventKind::kSucceeded ? fmt::format("{}", numbers_.Below(100)) : "";
        event.attempt = 1 + static_cast<int>(numbers_.Below(3));
        if (event.kind == EventKind::kFailed || event.kind == EventKind::kRetry) event.error = "it's \"broken\"\n";
        if (event.kind == EventKind::kRetry) event.retry_at = event.at + std::chrono::seconds(30);
        if (event.kind == EventKind::kApproved) event.by = "user:ann";
        if (event.kind == EventKind::kSucceeded) event.warnings = {"one", "two"};
        return event;
    }

    // The projection moved together with the events.
    void CheckListing() {
        for (const auto& [lane, memory] : before_.memory) {
            const Run& run = memory.current ? *memory.current : *memory.last;
            auto stored = log_->Get(run.id);
            ASSERT_TRUE(stored.ok()) << stored.error().ToString();
            EXPECT_EQ(Text(*stored), Text(run));
        }
        auto listed = database_->Query("SELECT count(*) FROM runs");
        EXPECT_EQ(listed->at(0)[0].integer(), before_.last_run);
    }

    FaultEnv env_;
    SeededNumbers numbers_;
    std::unique_ptr<metadata::Database> database_;
    std::optional<RunLog> log_;
    State before_;
    State after_;
};

TEST(RunLogCrash, ReplaysWhatWasAcknowledgedAfterAnyPowerCut) {
    ForSeeds(60, [](uint64_t seed) {
        Machine machine(seed);
        for (int life = 0; life < 4; ++life) {
            ASSERT_NO_FATAL_FAILURE(machine.Start());
            FaultEnv& env = machine.env();
            if (machine.numbers().Below(4) == 0) {
                // One failed fsync ends the log's life as well as the machine's end does.
                env.FailAt(FaultOperation::kSync,
                           env.operations(FaultOperation::kSync) + static_cast<int64_t>(machine.numbers().Below(20)));
            } else {
                env.CrashAt(env.operations() + static_cast<int64_t>(machine.numbers().Below(300)));
            }
            machine.RunUntilRefused(60);
            uint64_t chance = machine.numbers().Next();
            chance % 4 == 0 ? env.Kill() : env.PowerCut(chance);
            machine.Stop();
        }
        machine.Start();
    });
}

}  // namespace
}  // namespace tarn::orchestrator
