// Rerun from failure, lists of items, what is skipped: over a real run log.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>

#include "base/fault_disk.h"
#include "base/number.h"
#include "base/seeds_for_test.h"
#include "base/text.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "metadata/store_for_test.h"
#include "security/fakes_for_test.h"

namespace tarn::orchestrator {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

// Runs are functions by task; what has none succeeds.
class WorkKind : public TaskKind {
  public:
    using Work = std::function<Result<TaskOutcome>(TaskRun&)>;
    Result<TaskOutcome> Run(TaskRun& run) override {
        Work work;
        {
            std::lock_guard lock(mutex);
            work = works[run.spec().id];
            auto item = run.parameters().find("item");
            started.push_back(run.spec().id + (item == run.parameters().end() ? "" : "=" + item->second));
        }
        return work ? work(run) : Done(run);
    }
    Result<bool> HasNew(const TaskSpec&) override { return false; }
    Result<std::string> CurrentVersion(const TaskSpec&) override { return std::string(); }
    static Result<TaskOutcome> Done(TaskRun& run) {
        TaskOutcome outcome;
        outcome.changed = true;
        outcome.version = run.run_id();
        return outcome;
    }
    Texts Started() {
        std::lock_guard lock(mutex);
        return std::exchange(started, {});
    }
    std::mutex mutex;
    std::map<std::string, Work> works;
    Texts started;
};

TaskSpec Task(const std::string& name, Texts inputs = {}) {
    TaskSpec spec;
    spec.id = "t:" + name;
    spec.kind = "t";
    spec.dataset = name;
    spec.inputs = std::move(inputs);
    spec.eager = false;
    spec.timing.retries = 0;
    return spec;
}

class BranchingTest : public testing::Test {
  protected:
    BranchingTest() : database_(store_.Open()) {}
    ~BranchingTest() override { orchestrator_.reset(); }
    void Start(std::vector<TaskSpec> tasks) {
        orchestrator_.reset();
        OrchestratorConfig config;
        config.watch_every = 50ms;
        orchestrator_ = Orchestrator::Create(config, {SystemEnv(), *database_, gate_, metrics_, NullLog()}).value();
        orchestrator_->RegisterKind("t", kind_);
        Status set = orchestrator_->SetTasks(std::move(tasks));
        ASSERT_TRUE(set.ok()) << set.error().ToString();
        ASSERT_TRUE(orchestrator_->Start().ok());
    }
    bool Eventually(const std::function<bool()>& holds) {
        for (int i = 0; i < 2000; ++i) {
            if (holds()) return true;
            SystemEnv().clock().Sleep(5ms);
        }
        return false;
    }
    bool BecomesIdle() {
        return Eventually([&] { return orchestrator_->Idle(); });
    }
    orchestrator::Run RunOf(const std::string& id) { return orchestrator_->GetRun(admin_, id).value(); }
    std::string StateOf(const std::string& id) { return std::string(RunStateName(RunOf(id).state)); }
    std::string Why(const std::string& target) { return orchestrator_->Why(admin_, target).value().why; }
    // The fan-out of t:each over these values.
    void MakeList(Texts values) {
        kind_.works["t:each"] = [this, values](TaskRun& run) -> Result<TaskOutcome> {
            if (!run.part().empty()) return work_item ? work_item(run) : WorkKind::Done(run);
            TaskOutcome outcome;
            outcome.items = values;
            return outcome;
        };
    }
    static TaskSpec Each() {
        TaskSpec spec = Task("each");
        spec.fans_out = true;
        spec.parts_parallel = 2;
        return spec;
    }

    metadata::TestStore store_;
    std::unique_ptr<metadata::Database> database_;
    security::FakeGate gate_;
    Metrics metrics_;
    WorkKind kind_;
    WorkKind::Work work_item;
    std::unique_ptr<Orchestrator> orchestrator_;
    security::Principal admin_{.kind = security::PrincipalKind::kUser, .name = "ann", .roles = {"admin"}};
    security::Principal nobody_{.kind = security::PrincipalKind::kUser, .name = "bob"};
};

TEST_F(BranchingTest, FromFailureRunsWhatFailedAndWhatIsDownstream) {
    std::atomic<bool> mended{false};
    kind_.works["t:b"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        EXPECT_EQ(run.parameters().at("day"), "2024-01-31");
        if (!mended) return Error(ErrorCode::kInvalidArgument, "no such column");
        return WorkKind::Done(run);
    };
    std::vector<TaskSpec> tasks = {Task("a"), Task("b", {"a"}), Task("c", {"b"}), Task("other", {"a"}),
                                   Task("d", {"c"})};
    for (TaskSpec& task : tasks) {
        task.parameters["day"] = {"date", "2024-01-01", ""};
        task.timing.paused = true;
    }
    Start(tasks);
    auto first = orchestrator_->Trigger(admin_, "*", {{"day", "2024-01-31"}});
    ASSERT_TRUE(first.ok()) << first.error().ToString();
    ASSERT_TRUE(BecomesIdle());
    kind_.Started();
    std::string failed;
    for (const std::string& id : *first) {
        if (StateOf(id) == "failed") failed = id;
    }
    EXPECT_EQ(RunOf(failed).task, "t:b");
    mended = true;
    EXPECT_EQ(orchestrator_->RunFromFailure(nobody_, failed).error().code(), ErrorCode::kPermissionDenied);
    // Any run of those that were asked for together does.
    auto again = orchestrator_->RunFromFailure(admin_, first->front());
    ASSERT_TRUE(again.ok()) << again.error().ToString();
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(kind_.Started(), (Texts{"t:b", "t:c", "t:d"}));
    EXPECT_EQ(again->size(), 3U);
    EXPECT_EQ(RunOf(again->front()).retry_of, failed);
    EXPECT_EQ(RunOf(again->front()).parameters.at("day"), "2024-01-31");
    EXPECT_EQ(RunOf(again->front()).trigger, "from failure: user:ann");
    EXPECT_EQ(RunOf(failed).error, "no such column") << "the first keeps its record";
    auto third = orchestrator_->RunFromFailure(admin_, failed);
    EXPECT_EQ(third.error().code(), ErrorCode::kFailedPrecondition) << "it succeeded since";
}

TEST_F(BranchingTest, FromFailureTakesTheSamePartDownstream) {
    std::atomic<bool> mended{false};
    kind_.works["t:a"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        if (!mended && run.part() == "2024-01-02") return Error(ErrorCode::kInvalidArgument, "a bad day");
        return WorkKind::Done(run);
    };
    TaskSpec a = Task("a");
    TaskSpec b = Task("b", {"a"});
    for (TaskSpec* task : {&a, &b}) {
        task->partition = workspace::Partition{workspace::PartUnit::kDay, ParseTime("2024-01-01").value()};
        task->timing.paused = true;
    }
    Start({a, b});
    auto of_a = orchestrator_->Backfill(admin_, {.target = "a", .first = "2024-01-01", .last = "2024-01-03"});
    ASSERT_TRUE(BecomesIdle());
    ASSERT_TRUE(orchestrator_->Backfill(admin_, {.target = "b", .first = "2024-01-01", .last = "2024-01-03"}).ok());
    ASSERT_TRUE(BecomesIdle());
    mended = true;
    auto again = orchestrator_->RunFromFailure(admin_, of_a->batch);
    ASSERT_TRUE(again.ok()) << again.error().ToString();
    ASSERT_EQ(again->size(), 2U);
    ASSERT_TRUE(BecomesIdle());
    for (const std::string& id : *again) EXPECT_EQ(RunOf(id).part + " " + StateOf(id), "2024-01-02 succeeded");
}

TEST_F(BranchingTest, AListRunsEachItemAndEndsWhenAllHave) {
    std::atomic<int> at_once{0};
    std::atomic<int> most{0};
    work_item = [&](TaskRun& run) -> Result<TaskOutcome> {
        most = std::max<int>(most, ++at_once);
        SystemEnv().clock().Sleep(5ms);
        --at_once;
        run.Write("for " + run.parameters().at("item"));
        return WorkKind::Done(run);
    };
    MakeList({"north", "south", "it's", "", "north"});
    TaskSpec behind = Task("behind");
    behind.after = {"t:each"};
    Start({Each(), behind});
    std::string id = orchestrator_->Trigger(admin_, "each").value().front();
    ASSERT_TRUE(Eventually([&] { return StateOf(id) == "waiting_items"; }));
    EXPECT_NE(Why("each").find("waits for its 5 items"), std::string::npos) << Why("each");
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(StateOf(id), "succeeded");
    EXPECT_EQ(RunOf(id).rows, 5);
    EXPECT_EQ(most, 2) << "as many at once as it says";
    auto items = orchestrator_->Runs(admin_, {.batch = id}).value();
    ASSERT_EQ(items.size(), 5U);
    EXPECT_EQ(items.back().parameters.at("item"), "north");
    EXPECT_EQ(orchestrator_->LogOf(admin_, items.back().id).value().size(), 1U);
    Texts started = kind_.Started();
    EXPECT_EQ(started.back(), "t:behind") << "once, when all have ended";
    EXPECT_EQ(std::count(started.begin(), started.end(), "t:behind"), 1);
}

TEST_F(BranchingTest, AnEmptyListIsASuccessWithoutChange) {
    MakeList({});
    Start({Each()});
    std::string id = orchestrator_->Trigger(admin_, "each").value().front();
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(StateOf(id), "unchanged");
    EXPECT_EQ(RunOf(id).items, 0);
}

TEST_F(BranchingTest, ItemsThatFailedAreRunAgainAlone) {
    std::atomic<bool> mended{false};
    work_item = [&](TaskRun& run) -> Result<TaskOutcome> {
        if (!mended && run.parameters().at("item") == "south") return Error(ErrorCode::kInvalidArgument, "no wind");
        return WorkKind::Done(run);
    };
    MakeList({"north", "south", "west"});
    Start({Each()});
    std::string id = orchestrator_->Trigger(admin_, "each").value().front();
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(StateOf(id), "failed");
    EXPECT_NE(RunOf(id).error.find("1 of 3 items did not succeed: south (run 3): no wind"), std::string::npos)
        << RunOf(id).error;
    kind_.Started();
    mended = true;
    auto again = orchestrator_->RunFromFailure(admin_, "3");
    ASSERT_TRUE(again.ok()) << again.error().ToString();
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(kind_.Started(), (Texts{"t:each=south"}));
    EXPECT_EQ(StateOf(again->front()), "succeeded");
    EXPECT_EQ(RunOf(again->front()).retry_of, id);
    EXPECT_EQ(RunOf("3").error, "no wind");
}

TEST_F(BranchingTest, ACancelledListEndsItsItems) {
    work_item = [](TaskRun& run) -> Result<TaskOutcome> {
        while (!run.cancel().cancelled()) SystemEnv().clock().Sleep(2ms);
        return Error(ErrorCode::kCancelled, "cancelled");
    };
    MakeList({"a", "b", "c", "d"});
    Start({Each()});
    std::string id = orchestrator_->Trigger(admin_, "each").value().front();
    ASSERT_TRUE(Eventually([&] { return kind_.started.size() == 3; }));
    ASSERT_TRUE(orchestrator_->Cancel(admin_, id).ok());
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(StateOf(id), "cancelled");
    for (const auto& item : orchestrator_->Runs(admin_, {.batch = id}).value()) {
        EXPECT_EQ(item.state, RunState::kCancelled) << item.id;
    }
}

TEST_F(BranchingTest, WhatIsSkippedSaysSoAndWhatFollowsToo) {
    kind_.works["t:a"] = [](TaskRun&) -> Result<TaskOutcome> {
        TaskOutcome outcome;
        outcome.skipped = "its condition does not hold: SELECT false";
        return outcome;
    };
    TaskSpec behind = Task("behind");
    behind.after = {"t:a"};
    TaskSpec always = Task("always");
    always.after = {"t:a"};
    always.after_any = true;
    Start({Task("a"), behind, always});
    std::string id = orchestrator_->Trigger(admin_, "a").value().front();
    ASSERT_TRUE(Eventually([&] { return StateOf(id) == "skipped"; }));
    EXPECT_NE(Why("a").find("run 1 was skipped: its condition does not hold"), std::string::npos) << Why("a");
    ASSERT_TRUE(Eventually([&] { return Why("behind").find("whose run 1 ended skipped") != std::string::npos; }));
    ASSERT_TRUE(Eventually([&] { return orchestrator_->Runs(admin_, {.task = "t:always"}).value().size() == 1; }));
    EXPECT_TRUE(orchestrator_->Runs(admin_, {.task = "t:behind"}).value().empty());
}

TEST_F(BranchingTest, AFailureHasItsOwnFollowers) {
    std::atomic<bool> fails{true};
    kind_.works["t:a"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        if (fails) return Error(ErrorCode::kInvalidArgument, "broken");
        return WorkKind::Done(run);
    };
    TaskSpec repair = Task("repair");
    repair.after = {"t:a"};
    repair.after_failure = true;
    TaskSpec next = Task("next");
    next.after = {"t:a"};
    Start({Task("a"), repair, next});
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "a").ok());
    ASSERT_TRUE(Eventually([&] { return orchestrator_->Runs(admin_, {.task = "t:repair"}).value().size() == 1; }));
    fails = false;
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "a").ok());
    ASSERT_TRUE(Eventually([&] { return orchestrator_->Runs(admin_, {.task = "t:next"}).value().size() == 1; }));
    EXPECT_NE(Why("repair").find("follows t:a when it fails, and its run"), std::string::npos) << Why("repair");
    EXPECT_EQ(orchestrator_->Runs(admin_, {.task = "t:repair"}).value().size(), 1U);
}

// Stopped at any moment, each item ends well once and the list ends once.
TEST_F(BranchingTest, ListsGoOnAfterRestarts) {
    ForSeeds(3, [&](uint64_t seed) {
        SeededNumbers numbers(seed);
        std::mutex mutex;
        std::multiset<std::string> succeeded;
        work_item = [&](TaskRun& run) -> Result<TaskOutcome> {
            SystemEnv().clock().Sleep(1ms);
            if (run.cancel().cancelled()) return Error(ErrorCode::kCancelled, "cancelled");
            std::lock_guard lock(mutex);
            succeeded.insert(run.parameters().at("item"));
            return WorkKind::Done(run);
        };
        Texts values;
        for (int item = 0; item < 60; ++item) values.push_back(fmt::format("{}", item));
        MakeList(values);
        Start({Each()});
        std::string id = orchestrator_->Trigger(admin_, "each").value().front();
        for (int life = 0; life < 4; ++life) {
            SystemEnv().clock().Sleep(std::chrono::microseconds(numbers.Below(20'000)));
            Start({Each()});
        }
        ASSERT_TRUE(BecomesIdle());
        EXPECT_EQ(succeeded.size(), 60U) << "seed " << seed;
        EXPECT_EQ(std::set<std::string>(succeeded.begin(), succeeded.end()).size(), 60U);
        EXPECT_EQ(StateOf(id), "succeeded");
        EXPECT_EQ(RunOf(id).rows, 60);
    });
}

}  // namespace
}  // namespace tarn::orchestrator
