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
        if (run <= 40) happen(event);
    }
    ASSERT_TRUE(log.Append(events, runs, {{3, now, "old"}, {45, now, "waits"}}).ok());
    ASSERT_TRUE(log.Prune(2).ok());
    EXPECT_FALSE(log.Get("40").ok());
    EXPECT_TRUE(log.Lines("3")->empty());
    for (int64_t run = 41; run <= 50; ++run) EXPECT_TRUE(log.Get(std::to_string(run)).ok()) << run;
    EXPECT_EQ(log.Lines("45")->size(), 1U);
    State replayed;
    ASSERT_TRUE(log.Replay(replayed).ok());
    EXPECT_EQ(replayed.last_run, 50);
    for (const auto& [lane, memory] : state.memory) {
        EXPECT_EQ(replayed.memory[lane].version, memory.version) << lane;
        EXPECT_EQ(replayed.memory[lane].current.has_value(), memory.current.has_value()) << lane;
    }
    EXPECT_EQ(replayed.parts["t:a"].queued, state.parts["t:a"].queued);
}

}  // namespace
}  // namespace tarn::orchestrator
