#include "ingestion/orchestrator/run_log.h"

#include <gtest/gtest.h>

#include "metadata/store_for_test.h"

namespace tarn::orchestrator {
namespace {

TEST(RunLog, PruningKeepsWhatWaitsAndWhatIsRemembered) {
    metadata::TestStore store;
    auto database = store.Open();
    RunLog log = RunLog::Create(*database).value();
    State state;
    std::vector<Event> events;
    std::vector<orchestrator::Run> runs;
    auto happen = [&](Event event) {
        Fold(state, event);
        const TaskMemory& memory = state.memory[LaneOf(event.task, event.part)];
        runs.push_back(memory.current ? *memory.current : *memory.last);
        events.push_back(std::move(event));
    };
    Timestamp now = ParseTime("2024-01-01").value();
    for (int64_t run = 1; run <= 50; ++run) {
        Event event{.run = run, .task = "t:a", .part = fmt::format("2024-01-{:02}", run % 25 + 1), .at = now};
        happen(event);
        event.kind = run % 2 == 0 ? EventKind::kSucceeded : EventKind::kFailed;
        event.version = std::to_string(run);
        event.changed = true;
        if (run <= 40) happen(event);
    }
    ASSERT_TRUE(log.Append(events, runs, {{3, now, "old"}, {45, now, "waits"}}).ok());
    auto defined = [](int64_t run, const std::string& text) {
        return NewDefinition{"t:a", run, text, std::make_shared<const std::string>(text)};
    };
    ASSERT_TRUE(log.KeepDefinitions({defined(1, "SELECT 1"), defined(2, "SELECT 1")}).ok());
    ASSERT_TRUE(log.KeepDefinitions({defined(30, "SELECT 2"), defined(31, "SELECT 2")}).ok());
    EXPECT_EQ(log.DefinitionOf({.id = "29", .task = "t:a"})->since_run, 1);
    ASSERT_TRUE(log.Prune(2, std::nullopt).ok());
    EXPECT_FALSE(log.Get("39").ok());
    EXPECT_TRUE(log.Get("40").ok());  // the last that made something new
    EXPECT_TRUE(log.LinesAfter("3", 0, 10)->lines.empty());
    for (int64_t run = 41; run <= 50; ++run) EXPECT_TRUE(log.Get(std::to_string(run)).ok()) << run;
    EXPECT_EQ(log.LinesAfter("45", 0, 10)->lines.size(), 1U);
    // The definition that the runs which are left were made by stays, older ones go.
    EXPECT_EQ(log.DefinitionOf({.id = "45", .task = "t:a"})->text, "SELECT 2");
    EXPECT_FALSE(log.DefinitionOf({.id = "20", .task = "t:a"}).ok());
    State replayed;
    ASSERT_TRUE(log.Replay(replayed).ok());
    EXPECT_EQ(replayed.last_run, 50);
    for (const auto& [lane, memory] : state.memory) {
        EXPECT_EQ(replayed.memory[lane].version, memory.version) << lane;
        EXPECT_EQ(replayed.memory[lane].current.has_value(), memory.current.has_value()) << lane;
    }
    EXPECT_EQ(replayed.parts["t:a"].queued, state.parts["t:a"].queued);
}

// A run a day of each of two tasks: one works for 50 days, then fails; the other's only run is the oldest of all.
TEST(RunLog, PruningByAgeKeepsTheLastOfEachTask) {
    metadata::TestStore store;
    auto database = store.Open();
    RunLog log = RunLog::Create(*database).value();
    State state;
    std::vector<Event> events;
    std::vector<orchestrator::Run> runs;
    std::vector<LogLine> lines;
    Timestamp start = ParseTime("2024-01-01").value();
    auto happen = [&](Event event) {
        Fold(state, event);
        const TaskMemory& memory = state.memory[LaneOf(event.task, event.part)];
        runs.push_back(memory.current ? *memory.current : *memory.last);
        events.push_back(std::move(event));
    };
    constexpr auto kDay = std::chrono::hours(24);
    for (int64_t run = 1; run <= 100; ++run) {
        Event event{.run = run, .task = run == 1 ? "t:once" : "t:daily", .at = start + kDay * run};
        happen(event);
        event.kind = run <= 50 ? EventKind::kSucceeded : EventKind::kFailed;
        event.version = std::to_string(run);
        event.changed = true;
        happen(event);
        lines.push_back({run, event.at, "a line"});
    }
    ASSERT_TRUE(log.Append(events, runs, lines).ok());
    ASSERT_TRUE(log.Prune(10'000, start + kDay * 90).ok());
    for (int64_t run = 1; run <= 100; ++run) {
        bool stays = run == 1 || run == 50 || run >= 90;  // the only one, the last that worked, the young ones
        EXPECT_EQ(log.Get(std::to_string(run)).ok(), stays) << run;
        EXPECT_EQ(log.LinesAfter(std::to_string(run), 0, 10)->lines.size(), stays ? 1U : 0U) << run;
    }
    State replayed;
    ASSERT_TRUE(log.Replay(replayed).ok());
    EXPECT_EQ(replayed.last_run, 100);
    for (const auto& [lane, memory] : state.memory) {
        EXPECT_EQ(replayed.memory[lane].version, memory.version) << lane;
        EXPECT_EQ(replayed.memory[lane].last->id, memory.last->id) << lane;
    }
    // However old: with all of them old the last ones still stay.
    ASSERT_TRUE(log.Prune(10'000, start + kDay * 500).ok());
    for (const char* run : {"1", "50", "100"}) EXPECT_TRUE(log.Get(run).ok()) << run;
    EXPECT_FALSE(log.Get("99").ok());
}

}  // namespace
}  // namespace tarn::orchestrator
