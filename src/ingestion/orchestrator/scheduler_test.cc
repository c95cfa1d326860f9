// The scheduler's threads over a real run log, with tasks that do as each test says.
#include "ingestion/orchestrator/orchestrator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <set>
#include <thread>

#include "metadata/store_for_test.h"
#include "security/fakes_for_test.h"

namespace tarn::orchestrator {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

// Tasks are functions by id; a task without one makes a new version each time.
class TestKind : public TaskKind {
  public:
    using Work = std::function<Result<TaskOutcome>(TaskRun&)>;
    Result<TaskOutcome> Run(TaskRun& run) override {
        Work work;
        {
            std::lock_guard lock(mutex);
            ran.push_back(run.spec().id + "#" + run.run_id());
            work = works[run.spec().id];
        }
        Result<TaskOutcome> outcome = work ? work(run) : NewVersion(run.spec());
        std::lock_guard lock(mutex);
        if (outcome.ok()) done.push_back(run.spec().id);
        return outcome;
    }
    Result<bool> HasNew(const TaskSpec& spec) override {
        std::lock_guard lock(mutex);
        return has_new.erase(spec.id) > 0;
    }
    Result<std::string> CurrentVersion(const TaskSpec& spec) override {
        std::lock_guard lock(mutex);
        return versions[spec.dataset] == 0 ? "" : std::to_string(versions[spec.dataset]);
    }
    Result<TaskOutcome> NewVersion(const TaskSpec& spec) {
        std::lock_guard lock(mutex);
        TaskOutcome outcome;
        outcome.changed = true;
        outcome.version = std::to_string(++versions[spec.dataset]);
        return outcome;
    }
    // Until the run is cancelled.
    static Result<TaskOutcome> Hang(TaskRun& run) {
        while (!run.cancel().cancelled()) SystemEnv().clock().Sleep(5ms);
        return Error(ErrorCode::kCancelled, "cancelled");
    }
    size_t Count(const std::string& id) {
        std::lock_guard lock(mutex);
        return static_cast<size_t>(
            std::count_if(ran.begin(), ran.end(), [&](const auto& entry) { return entry.starts_with(id + "#"); }));
    }

    std::mutex mutex;  // guards all below
    std::map<std::string, Work> works;
    std::map<std::string, int> versions;
    std::set<std::string> has_new;
    Texts ran;
    Texts done;
};

TaskSpec Table(const std::string& dataset, Texts inputs = {}) {
    TaskSpec spec;
    spec.id = "t:" + dataset;
    spec.kind = "t";
    spec.dataset = dataset;
    spec.inputs = std::move(inputs);
    spec.timing.retry_delay = 20ms;
    return spec;
}

class SchedulerTest : public testing::Test {
  protected:
    SchedulerTest() : database_(store_.Open()) { Open(); }
    ~SchedulerTest() override { Close(); }
    void Open() {
        OrchestratorConfig config;
        config.watch_every = 50ms;
        auto made = Orchestrator::Create(config, {SystemEnv(), *database_, gate_, metrics_, NullLog()});
        ASSERT_TRUE(made.ok()) << made.error().ToString();
        orchestrator_ = std::move(*made);
        orchestrator_->RegisterKind("t", kind_);
    }
    void Close() { orchestrator_.reset(); }
    void Start(std::vector<TaskSpec> tasks) {
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
    std::string Why(const std::string& target) {
        auto status = orchestrator_->Why(admin_, target);
        return status.ok() ? status->why : status.error().message() + " | " + status.error().hint();
    }
    std::vector<orchestrator::Run> Runs(const std::string& task) {
        return orchestrator_->Runs(admin_, {.task = task}).value();
    }
    std::string LastState(const std::string& task) {
        auto runs = Runs(task);
        return runs.empty() ? "none" : std::string(RunStateName(runs[0].state));
    }

    metadata::TestStore store_;
    std::unique_ptr<metadata::Database> database_;
    security::FakeGate gate_;
    Metrics metrics_;
    TestKind kind_;
    std::unique_ptr<Orchestrator> orchestrator_;
    security::Principal admin_{.kind = security::PrincipalKind::kUser, .name = "ann", .roles = {"admin"}};
    security::Principal nobody_{.kind = security::PrincipalKind::kUser, .name = "bob"};
};

TEST_F(SchedulerTest, ADiamondRunsOnceInOrder) {
    Start({Table("d", {"b", "c"}), Table("b", {"a"}), Table("c", {"a"}), Table("a")});
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(kind_.ran.size(), 4U);
    EXPECT_EQ(kind_.done.front(), "t:a");
    EXPECT_EQ(kind_.done.back(), "t:d");
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "a").ok());
    ASSERT_TRUE(Eventually([&] { return kind_.Count("t:d") == 2; }));
    ASSERT_TRUE(BecomesIdle());
    for (const char* task : {"t:a", "t:b", "t:c", "t:d"}) EXPECT_EQ(kind_.Count(task), 2U) << task;
    EXPECT_EQ(Runs("t:a")[0].trigger, "hand: user:ann");
    EXPECT_EQ(Runs("t:b")[0].trigger, "new data in a");
}

TEST_F(SchedulerTest, ParametersAreCheckedGivenAndKept) {
    std::vector<workspace::ParameterValues> seen;
    bool fails = true;
    kind_.works["t:a"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        seen.push_back(run.parameters());
        if (std::exchange(fails, false)) return Error(ErrorCode::kUnavailable, "not yet");
        return TaskOutcome();
    };
    TaskSpec spec = Table("a");
    spec.parameters["day"].type = "date";
    spec.parameters["region"].fallback = "eu";
    Start({spec});
    auto wrong = orchestrator_->Trigger(admin_, "a", {{"day", "monday"}});
    EXPECT_EQ(wrong.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_FALSE(orchestrator_->Trigger(admin_, "a").ok()) << "day has no default";
    auto runs = orchestrator_->Trigger(admin_, "a", {{"day", "2024-02-29"}});
    ASSERT_TRUE(runs.ok()) << runs.error().ToString();
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "unchanged"; }));
    workspace::ParameterValues expected{{"day", "2024-02-29"}, {"region", "eu"}};
    ASSERT_EQ(seen.size(), 2U) << "the second attempt is told the same";
    EXPECT_EQ(seen[0], expected);
    EXPECT_EQ(seen[1], expected);
    Close();
    Open();
    EXPECT_EQ(orchestrator_->GetRun(admin_, runs->front())->parameters, expected);
}

TEST_F(SchedulerTest, OtherParametersDoNotJoinTheRunUnderWay) {
    kind_.works["t:a"] = TestKind::Hang;
    TaskSpec spec = Table("a");
    spec.parameters["n"].type = "integer";
    Start({spec});
    auto runs = orchestrator_->Trigger(admin_, "a", {{"n", "1"}});
    ASSERT_TRUE(runs.ok());
    EXPECT_EQ(orchestrator_->Trigger(admin_, "a", {{"n", "1"}}).value(), *runs);
    auto other = orchestrator_->Trigger(admin_, "a", {{"n", "2"}});
    EXPECT_EQ(other.error().code(), ErrorCode::kFailedPrecondition) << other.error().ToString();
}

TEST_F(SchedulerTest, ARunWaitsUntilAPersonApprovesIt) {
    TaskSpec spec = Table("a");
    spec.timing.approval = true;
    Start({spec});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "waiting_approval"; }));
    std::string id = Runs("t:a")[0].id;
    EXPECT_EQ(orchestrator_->Approve(nobody_, id).error().code(), ErrorCode::kPermissionDenied);
    Close();
    Open();
    Start({spec});
    EXPECT_EQ(LastState("t:a"), "waiting_approval") << "it waits on after a restart";
    ASSERT_TRUE(orchestrator_->Approve(admin_, id).ok());
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "succeeded"; }));
    EXPECT_EQ(Runs("t:a")[0].approved_by, "user:ann");
    EXPECT_EQ(orchestrator_->Approve(admin_, id).error().code(), ErrorCode::kFailedPrecondition);
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "a").ok());
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "waiting_approval"; }));
    ASSERT_TRUE(orchestrator_->Cancel(admin_, Runs("t:a")[0].id).ok());
    EXPECT_EQ(LastState("t:a"), "cancelled");
}

TEST_F(SchedulerTest, ListenersHearThatARunIsLate) {
    kind_.works["t:a"] = TestKind::Hang;
    std::atomic<int> late{0};
    auto handle = orchestrator_->Subscribe([&](const orchestrator::Run& run) { late += run.late ? 1 : 0; });
    TaskSpec spec = Table("a");
    spec.timing.sla = 50ms;
    Start({spec});
    ASSERT_TRUE(Eventually([&] { return late == 1; }));
    EXPECT_TRUE(orchestrator_->GetRun(admin_, "1")->late);
}

TEST_F(SchedulerTest, ABackfillRunsEachPartOnceOverRestarts) {
    std::mutex mutex;
    std::multiset<std::string> succeeded;
    std::atomic<int> at_once{0};
    std::atomic<int> most{0};
    kind_.works["t:a"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        most = std::max<int>(most, ++at_once);
        SystemEnv().clock().Sleep(2ms);
        --at_once;
        if (run.cancel().cancelled()) return Error(ErrorCode::kCancelled, "cancelled");
        const auto& told = run.parameters();
        EXPECT_EQ(told.at("partition_start"), told.at("partition") + "T00:00:00Z");
        EXPECT_EQ(told.at("region"), "eu");
        if (told.at("partition") == "2024-01-07") return Error(ErrorCode::kInvalidArgument, "a bad day");
        std::lock_guard lock(mutex);
        succeeded.insert(told.at("partition"));
        return kind_.NewVersion(run.spec());
    };
    TaskSpec spec = Table("a");
    spec.partition = workspace::Partition{workspace::PartUnit::kDay, ParseTime("2024-01-01").value()};
    spec.parts_parallel = 2;
    spec.timing.paused = true;
    spec.parameters["region"].fallback = "eu";
    Start({spec, Table("behind", {"a"})});
    auto asked = orchestrator_->Backfill(admin_, {.target = "a", .first = "2024-01-01", .last = "2024-02-29"});
    ASSERT_TRUE(asked.ok()) << asked.error().ToString();
    EXPECT_EQ(asked->queued, 60);
    for (int life = 0; life < 3; ++life) {
        SystemEnv().clock().Sleep(15ms);
        Close();
        Open();
        Start({spec, Table("behind", {"a"})});
    }
    auto again = orchestrator_->Backfill(admin_, {.target = "a", .first = "2024-01-01", .last = "2024-02-29"});
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->queued + again->under_way + again->done, 60);
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(succeeded.size(), 59U) << "each part once";
    EXPECT_EQ(std::set<std::string>(succeeded.begin(), succeeded.end()).size(), 59U);
    EXPECT_EQ(most, 2);
    EXPECT_EQ(kind_.Count("t:behind"), 1U) << "what reads it waits for the end of the backfill";
    auto third = orchestrator_->Backfill(admin_, {.target = "a", .first = "2024-01", .last = "2024-02-29"});
    ASSERT_TRUE(third.ok()) << third.error().ToString();
    EXPECT_EQ(third->queued, 1);
    EXPECT_EQ(third->done, 59);
    ASSERT_TRUE(BecomesIdle());
    auto runs = orchestrator_->Runs(admin_, {.batch = third->batch});
    ASSERT_EQ(runs->size(), 1U);
    EXPECT_EQ(runs->front().part, "2024-01-07");
    EXPECT_EQ(runs->front().state, RunState::kFailed);
    auto parts = orchestrator_->Parts(admin_, "a", 100000);
    EXPECT_EQ(std::count_if(parts->begin(), parts->end(),
                            [](const auto& part) { return part.run && part.run->state == RunState::kSucceeded; }),
              59);
    EXPECT_EQ(parts->back().part, "2024-01-01");
}

TEST_F(SchedulerTest, ABackfillSaysWhatIsWrong) {
    TaskSpec spec = Table("a");
    spec.partition = workspace::Partition{workspace::PartUnit::kDay, ParseTime("2024-01-01").value()};
    spec.timing.paused = true;
    Start({spec, Table("b")});
    auto wrong = [&](const std::string& target, const std::string& first, const std::string& last) {
        auto asked = orchestrator_->Backfill(admin_, {.target = target, .first = first, .last = last});
        return asked.ok() ? "taken" : asked.error().message();
    };
    EXPECT_EQ(wrong("b", "2024-01-01", "2024-01-02"), "t:b is not run by part");
    EXPECT_NE(wrong("a", "2023-12-31", "2024-01-02").find("before the first part"), std::string::npos);
    EXPECT_NE(wrong("a", "2024-01-03", "2024-01-02").find("ends before it begins"), std::string::npos);
    EXPECT_NE(wrong("a", "monday", "2024-01-02").find("a day as 2024-01-31"), std::string::npos);
    EXPECT_NE(wrong("a", "2024-01-03", "2924-01-02").find("has not begun yet"), std::string::npos);
    EXPECT_EQ(
        orchestrator_->Backfill(nobody_, {.target = "a", .first = "2024-01-01", .last = "2024-01-01"}).error().code(),
        ErrorCode::kPermissionDenied);
}

TEST_F(SchedulerTest, WhatDidNotChangeStartsNothing) {
    kind_.works["t:a"] = [](TaskRun&) {
        TaskOutcome outcome;
        outcome.version = "1";
        return outcome;
    };
    Start({Table("a"), Table("b", {"a"})});
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(kind_.Count("t:b"), 1U);
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "t:a").ok());
    ASSERT_TRUE(Eventually([&] { return kind_.Count("t:a") == 2; }));
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(kind_.Count("t:b"), 1U);
    EXPECT_EQ(LastState("t:a"), "unchanged");
}

TEST_F(SchedulerTest, RetriesWithGrowingDelaysThenFails) {
    std::vector<Duration> times;
    kind_.works["t:a"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        times.push_back(SystemEnv().clock().Monotonic());
        run.Write("attempt");
        return Error(ErrorCode::kUnavailable, "the database sleeps").WithHint("wake it");
    };
    TaskSpec spec = Table("a");
    spec.timing.retries = 2;
    spec.timing.retry_delay = 100ms;
    Start({spec, Table("b", {"a"})});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "failed"; }));
    ASSERT_EQ(times.size(), 3U);
    EXPECT_GE(times[1] - times[0], 50ms);
    EXPECT_GE(times[2] - times[1], 100ms);
    EXPECT_EQ(kind_.Count("t:b"), 0U);
    EXPECT_EQ(Runs("t:a")[0].attempt, 3);
    EXPECT_EQ(Runs("t:a")[0].error, "the database sleeps (wake it)");
    EXPECT_EQ(orchestrator_->LogOf(admin_, Runs("t:a")[0].id)->size(), 6U);
    EXPECT_NE(Why("a").find("failed and nothing has changed since: the database sleeps"), std::string::npos)
        << Why("a");
    EXPECT_NE(Why("b").find("a"), std::string::npos) << Why("b");
    kind_.works.clear();
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "a").ok());
    ASSERT_TRUE(Eventually([&] { return kind_.Count("t:b") == 1; }));
}

TEST_F(SchedulerTest, UsersErrorsAreNotRetried) {
    kind_.works["t:a"] = [](TaskRun&) -> Result<TaskOutcome> {
        return Error(ErrorCode::kInvalidArgument, "no column x");
    };
    Start({Table("a")});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "failed"; }));
    EXPECT_EQ(kind_.Count("t:a"), 1U);
}

TEST_F(SchedulerTest, BytesInAnErrorFailTheirRunAndNothingElse) {
    std::string bytes = std::string("sent \x1f\x8b\0 and \xc3", 14) + std::string(100000, 'x');
    kind_.works["t:a"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        run.Write(bytes);
        run.Progress(bytes, 1);
        return Error(ErrorCode::kInvalidArgument, "{}", bytes);
    };
    kind_.works["t:b"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        TaskOutcome outcome = *kind_.NewVersion(run.spec());
        outcome.warnings = {bytes, "größer\tals 1"};
        return outcome;
    };
    Start({Table("a"), Table("b"), Table("c", {"b"})});
    ASSERT_TRUE(Eventually([&] { return LastState("t:c") == "succeeded"; }));
    ASSERT_TRUE(BecomesIdle());
    EXPECT_TRUE(orchestrator_->Health().ok());
    EXPECT_EQ(Runs("t:a")[0].error.substr(0, 14), "sent ??? and ?");
    EXPECT_LE(Runs("t:a")[0].error.size(), 16384U);
    EXPECT_EQ(Runs("t:b")[0].warnings[1], "größer\tals 1");
}

TEST_F(SchedulerTest, WhoAsksByHandDoesNotSitOutThePause) {
    kind_.works["t:a"] = [](TaskRun&) -> Result<TaskOutcome> { return Error(ErrorCode::kNotFound, "no secret"); };
    TaskSpec patient = Table("a");
    patient.timing.retry_delay = 1h;
    Start({patient});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "waiting_retry"; }));
    kind_.works.clear();
    EXPECT_EQ(*orchestrator_->Trigger(admin_, "a"), Texts{"1"});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "succeeded"; }));
    EXPECT_EQ(kind_.ran, (Texts{"t:a#1", "t:a#1"}));
}

TEST_F(SchedulerTest, AMendedDefinitionDoesNotSitOutThePause) {
    kind_.works["t:a"] = [](TaskRun&) -> Result<TaskOutcome> { return Error(ErrorCode::kUnavailable, "wrong host"); };
    TaskSpec patient = Table("a");
    patient.timing.retry_delay = 1h;
    Start({patient});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "waiting_retry"; }));
    kind_.works.clear();
    patient.fingerprint = "mended";
    ASSERT_TRUE(orchestrator_->SetTasks({patient}).ok());
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "succeeded"; }));
    EXPECT_EQ(kind_.ran, (Texts{"t:a#1", "t:a#2"}));
}

TEST_F(SchedulerTest, AStreamIsNamedAsPeopleDo) {
    TaskSpec stream = Table("raw_shop.orders");
    stream.id = "source:shop.orders";
    stream.watched = true;
    Start({stream});
    ASSERT_TRUE(BecomesIdle());
    for (const char* name : {"shop.orders", "shop", "raw_shop.orders", "source:shop.orders", "shop.*"}) {
        EXPECT_NE(Why(name).find("when a file is new or changed"), std::string::npos) << name << ": " << Why(name);
    }
    EXPECT_NE(Why("shop.order").find("did you mean shop.orders?"), std::string::npos) << Why("shop.order");
}

TEST_F(SchedulerTest, CancelsWhatRunsAndWhatWaits) {
    kind_.works["t:a"] = TestKind::Hang;
    Start({Table("a"), Table("b", {"a"})});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "running"; }));
    EXPECT_TRUE(Eventually([&] { return Why("a").starts_with("it is running"); })) << Why("a");
    std::string run = Runs("t:a")[0].id;
    EXPECT_EQ(orchestrator_->Cancel(nobody_, run).error().code(), ErrorCode::kPermissionDenied);
    // By hand it waits for what it reads.
    auto waiting = orchestrator_->Trigger(admin_, "b");
    ASSERT_TRUE(waiting.ok());
    ASSERT_TRUE(orchestrator_->Cancel(admin_, (*waiting)[0]).ok());
    EXPECT_EQ(LastState("t:b"), "cancelled");
    ASSERT_TRUE(orchestrator_->Cancel(admin_, run).ok());
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "cancelled"; }));
    Status again = orchestrator_->Cancel(admin_, run);
    EXPECT_EQ(again.error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_NE(Why("a").find("was cancelled"), std::string::npos) << Why("a");
    EXPECT_EQ(orchestrator_->Cancel(admin_, "99").error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(orchestrator_->Cancel(admin_, "x").error().code(), ErrorCode::kNotFound);
}

TEST_F(SchedulerTest, TakesNoLongerThanItsTimeout) {
    kind_.works["t:a"] = TestKind::Hang;
    TaskSpec spec = Table("a");
    spec.timing.timeout = 100ms;
    spec.timing.retries = 1;
    Start({spec});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "failed"; }));
    EXPECT_EQ(kind_.Count("t:a"), 2U);
    EXPECT_NE(Runs("t:a")[0].error.find("longer than its timeout"), std::string::npos) << Runs("t:a")[0].error;
}

TEST_F(SchedulerTest, GoesOnUnderItsNumberAfterARestart) {
    kind_.works["t:a"] = TestKind::Hang;
    Start({Table("a")});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "running"; }));
    Close();
    kind_.works.clear();
    Open();
    Start({Table("a")});
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(kind_.ran, (Texts{"t:a#1", "t:a#1"}));
    EXPECT_EQ(LastState("t:a"), "succeeded");
    EXPECT_EQ(Runs("t:a").size(), 1U);
    EXPECT_EQ(Runs("t:a")[0].attempt, 2);
}

TEST_F(SchedulerTest, NothingIsForgottenOverARestart) {
    Start({Table("a"), Table("b", {"a"})});
    ASSERT_TRUE(BecomesIdle());
    Close();
    Open();
    TaskSpec changed = Table("b", {"a"});
    changed.fingerprint = "other";
    Start({Table("a"), changed});
    ASSERT_TRUE(Eventually([&] { return kind_.Count("t:b") == 2; }));
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(kind_.Count("t:a"), 1U);
    EXPECT_EQ(Runs("t:b")[0].trigger, "definition");
    EXPECT_EQ(Runs("t:b")[0].id, "3");
}

TEST_F(SchedulerTest, TheGraphMayChangeWhileItRuns) {
    kind_.works["t:a"] = TestKind::Hang;
    Start({Table("a"), Table("b", {"a"})});
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "running"; }));
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "b").ok());
    ASSERT_TRUE(orchestrator_->SetTasks({Table("c")}).ok());
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "cancelled"; }));
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(LastState("t:b"), "cancelled");
    EXPECT_EQ(LastState("t:c"), "succeeded");
    EXPECT_EQ(Why("a").substr(0, 26), "nothing that runs is calle");
    kind_.works.clear();
    ASSERT_TRUE(orchestrator_->SetTasks({Table("a"), Table("c")}).ok());
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "a").ok());
    ASSERT_TRUE(Eventually([&] { return LastState("t:a") == "succeeded"; }));
}

TEST_F(SchedulerTest, GraphsThatCannotBeAreRefused) {
    Status set = orchestrator_->SetTasks({Table("a", {"b"}), Table("b", {"a"})});
    ASSERT_FALSE(set.ok());
    EXPECT_NE(set.error().message().find("t:a"), std::string::npos) << set.error().message();
    TaskSpec twice = Table("a");
    twice.id = "t:other";
    EXPECT_FALSE(orchestrator_->SetTasks({Table("a"), twice}).ok());
    TaskSpec unknown = Table("a");
    unknown.kind = "u";
    EXPECT_NE(orchestrator_->SetTasks({unknown}).error().message().find("which nothing runs"), std::string::npos);
}

TEST_F(SchedulerTest, LooksOutsideAndKeepsSchedules) {
    TaskSpec often = Table("b");
    often.timing.every = 300ms;
    TaskSpec watched = Table("a");
    watched.watched = true;
    Start({watched, often});
    ASSERT_TRUE(BecomesIdle());
    {
        std::lock_guard lock(kind_.mutex);
        kind_.has_new.insert("t:a");
    }
    ASSERT_TRUE(Eventually([&] { return kind_.Count("t:a") == 2; }));
    EXPECT_EQ(Runs("t:a")[0].trigger, "new data outside");
    ASSERT_TRUE(Eventually([&] { return kind_.Count("t:b") >= 3; }));
    EXPECT_EQ(Runs("t:b")[0].trigger, "schedule");
}

TEST_F(SchedulerTest, WhyIsASentence) {
    TaskSpec hourly = Table("a");
    hourly.kind = "t", hourly.timing.every = 1h;
    TaskSpec source = Table("s");
    source.id = "source:s";
    TaskSpec scheduled = Table("r");
    scheduled.id = "source:r", scheduled.timing.every = 1h;
    Start({hourly, Table("b", {"a"}), source, scheduled});
    ASSERT_TRUE(BecomesIdle());
    EXPECT_NE(Why("a").find("it is fresh since"), std::string::npos) << Why("a");
    EXPECT_NE(Why("a").find("next at"), std::string::npos) << Why("a");
    EXPECT_NE(Why("b").find("when one of its inputs changes"), std::string::npos) << Why("b");
    EXPECT_NE(Why("source:s").find("no schedule"), std::string::npos) << Why("source:s");
    EXPECT_NE(Why("source:s").find("every:"), std::string::npos) << Why("source:s");
    EXPECT_NE(Why("source:r").find("every 1h"), std::string::npos) << Why("source:r");
    EXPECT_NE(Why("t:aa").find("did you mean t:a?"), std::string::npos) << Why("t:aa");
    EXPECT_EQ(orchestrator_->Why(nobody_, "a").error().code(), ErrorCode::kPermissionDenied);
    EXPECT_EQ(orchestrator_->Trigger(nobody_, "a").error().code(), ErrorCode::kPermissionDenied);
    EXPECT_TRUE(orchestrator_->Tasks(nobody_)->empty());
    EXPECT_EQ(orchestrator_->Trigger(admin_, "*")->size(), 4U);
}

TEST_F(SchedulerTest, ListenersHearOfEveryChange) {
    std::mutex mutex;
    Texts heard;
    auto handle = orchestrator_->Subscribe([&](const orchestrator::Run& run) {
        std::lock_guard lock(mutex);
        heard.push_back(run.task + " " + std::string(RunStateName(run.state)));
    });
    Start({Table("a")});
    ASSERT_TRUE(BecomesIdle());
    std::lock_guard lock(mutex);
    EXPECT_EQ(heard, (Texts{"t:a queued", "t:a running", "t:a succeeded"}));
    EXPECT_TRUE(orchestrator_->Health().ok());
}

TEST_F(SchedulerTest, AtMostSoManyRunAtOnce) {
    std::atomic<int> now{0};
    std::atomic<int> most{0};
    std::vector<TaskSpec> tasks;
    for (int i = 0; i < 20; ++i) {
        tasks.push_back(Table(fmt::format("n{}", i)));
        kind_.works[tasks.back().id] = [&](TaskRun& run) {
            most = std::max<int>(most, ++now);
            SystemEnv().clock().Sleep(10ms);
            --now;
            return kind_.NewVersion(run.spec());
        };
    }
    Start(tasks);
    ASSERT_TRUE(BecomesIdle());
    EXPECT_EQ(kind_.ran.size(), 20U);
    EXPECT_LE(most, 4);
    EXPECT_GT(most, 1);
}

// Kills it at random moments: effects that committed under a number are found, so nothing is done twice or forgotten.
TEST_F(SchedulerTest, SurvivesEndsAtRandomMoments) {
    uint64_t seed = SystemEnv().random().Next();
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::set<int64_t> committed;
    std::mutex mutex;
    Texts datasets = {"a", "b", "c", "d"};
    std::vector<TaskSpec> tasks = {Table("a"), Table("b", {"a"}), Table("c", {"a"}), Table("d", {"b", "c"})};
    for (const std::string& dataset : datasets) {
        kind_.works["t:" + dataset] = [&](TaskRun& run) -> Result<TaskOutcome> {
            SystemEnv().clock().Sleep(std::chrono::milliseconds(run.number() % 7));
            bool fresh;
            {
                std::lock_guard lock(mutex);
                fresh = committed.insert(run.number()).second;
            }
            if (fresh) {
                TaskOutcome outcome = *kind_.NewVersion(run.spec());
                // Cut off between the effect and its event.
                if (run.cancel().cancelled()) return Error(ErrorCode::kCancelled, "cancelled");
                return outcome;
            }
            TaskOutcome outcome;
            outcome.version = *kind_.CurrentVersion(run.spec());
            return outcome;
        };
    }
    Start(tasks);
    for (int round = 0; round < 15; ++round) {
        ASSERT_TRUE(orchestrator_->Trigger(admin_, "a").ok());
        SystemEnv().clock().Sleep(std::chrono::milliseconds((seed >> round) % 17));
        Close();
        Open();
        Start(tasks);
    }
    ASSERT_TRUE(BecomesIdle());
    for (const std::string& dataset : datasets) {
        auto status = orchestrator_->Why(admin_, dataset);
        ASSERT_TRUE(status.ok());
        EXPECT_TRUE(status->fresh) << dataset << ": " << status->why;
        EXPECT_EQ(status->last->version, std::to_string(kind_.versions[dataset])) << dataset;
    }
}

// A run that waits takes no place, is no attempt, keeps its number, and is started again at once when asked.
TEST_F(SchedulerTest, WaitsForWhatIsNotThere) {
    std::atomic<int> looks{0};
    kind_.works["t:wait"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        if (++looks >= 4) return kind_.NewVersion(run.spec());
        TaskOutcome outcome;
        outcome.again_after = looks == 3 ? Duration(1h) : Duration(1ms);
        outcome.waits_for = "a file";
        return outcome;
    };
    TaskSpec spec = Table("wait");
    spec.timing.retries = 0;
    Start({spec, Table("behind", {"wait"})});
    ASSERT_TRUE(Eventually([&] { return looks == 3; }));
    ASSERT_TRUE(Eventually([&] { return Why("wait").starts_with("run 1 waits for a file; it looks again at "); }))
        << Why("wait");
    EXPECT_EQ(kind_.Count("t:behind"), 0u);
    EXPECT_EQ(orchestrator_->Trigger(admin_, "wait").value(), Texts{"1"});
    ASSERT_TRUE(BecomesIdle());
    orchestrator::Run run = orchestrator_->GetRun(admin_, "1").value();
    EXPECT_EQ(run.state, RunState::kSucceeded);
    EXPECT_EQ(run.attempt, 1);
    EXPECT_EQ(kind_.Count("t:behind"), 1u);
}

// What a run says, and how many rows it made, tells of data.
TEST_F(SchedulerTest, ShowsARunAsItsDataIsShown) {
    bool fails = false;
    kind_.works["t:made"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        run.Write("saw hidden-town");
        if (fails) return Error(ErrorCode::kInvalidArgument, "'hidden-town' is no number");
        return TaskOutcome{.changed = true, .version = "1", .rows = 3, .details = {{"inserted", 2}}};
    };
    Start({Table("given"), Table("made", {"given"})});
    ASSERT_TRUE(BecomesIdle());
    auto rows = [&] { return orchestrator_->Runs(nobody_, {.task = "t:made"}).value().at(0).rows; };
    EXPECT_TRUE(orchestrator_->Runs(nobody_, {}).value().empty());
    gate_.allowed = {"user:bob run:Read t:made"};
    auto details = [&] { return DumpJson(orchestrator_->Runs(nobody_, {.task = "t:made"}).value().at(0).details); };
    EXPECT_EQ(rows(), -1);
    EXPECT_EQ(details(), "{}");
    gate_.allowed.insert("user:bob table:Describe made");
    EXPECT_EQ(rows(), 3);
    EXPECT_EQ(details(), R"({"inserted":2})");
    EXPECT_EQ(DumpJson(orchestrator_->Why(admin_, "made")->last->details), details());
    gate_.allowed.insert("user:bob table:Read made");
    EXPECT_EQ(rows(), 3);
    fails = true;
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "made").ok());
    ASSERT_TRUE(BecomesIdle());
    auto says = [&] {
        orchestrator::Run run = orchestrator_->Why(nobody_, "made").value().last.value();
        std::string text =
            orchestrator_->GetRun(nobody_, run.id).value().error + orchestrator_->Why(nobody_, "made")->why;
        for (const std::string& line : orchestrator_->LogOf(nobody_, run.id).value()) text += line;
        for (const TaskStatus& task : orchestrator_->Tasks(nobody_).value()) text += task.why + task.last->error;
        return text;
    };
    EXPECT_EQ(says().find("hidden-town"), std::string::npos) << says();
    EXPECT_NE(says().find("may hold values"), std::string::npos) << says();
    // Whose task is gone is shown to who sees all that there is.
    gate_.allowed.insert("user:bob table:Read given");
    EXPECT_NE(says().find("hidden-town"), std::string::npos) << says();
    gate_.allowed.erase("user:bob table:Read made");
    ASSERT_TRUE(orchestrator_->SetTasks({Table("given")}).ok());
    orchestrator::Run gone = orchestrator_->Runs(nobody_, {.task = "t:made"}).value().at(0);
    EXPECT_EQ(gone.error.find("hidden-town"), std::string::npos);
    EXPECT_NE(orchestrator_->Runs(admin_, {.task = "t:made"}).value().at(0).error.find("hidden-town"),
              std::string::npos);
}

// A reader who asks again and again for what comes after sees each line once, in order, over the attempts.
TEST_F(SchedulerTest, LinesAreReadAsTheyAreWrittenEachOnce) {
    constexpr int kLines = 200;
    std::atomic<int> attempts{0};
    kind_.works["t:a"] = [&](TaskRun& run) -> Result<TaskOutcome> {
        int attempt = ++attempts;
        for (int i = 0; i < kLines; ++i) {
            run.Write(fmt::format("{}.{}", attempt, i));
            if (i % 20 == 0) SystemEnv().clock().Sleep(1ms);
        }
        if (attempt < 3) return Error(ErrorCode::kUnavailable, "not yet");
        return TaskOutcome();
    };
    Start({Table("a")});
    ASSERT_TRUE(Eventually([&] { return !Runs("t:a").empty(); }));
    std::string run = Runs("t:a")[0].id;
    Texts texts;
    int64_t after = 0;
    bool early = false;
    for (bool ended = false; !ended;) {
        ended = orchestrator_->Idle();  // asked first: then nothing comes any more
        for (int more = 1; more > 0;) {
            auto lines = orchestrator_->LinesOf(admin_, run, after, 7).value();
            more = static_cast<int>(lines.size());
            EXPECT_LE(more, 7);
            for (const RunLine& line : lines) {
                ASSERT_EQ(line.number, ++after);
                texts.push_back(line.text);
            }
            early = early || (more > 0 && !ended && attempts == 1);
        }
    }
    Texts wanted;
    for (int attempt = 1; attempt <= 3; ++attempt) {
        for (int i = 0; i < kLines; ++i) wanted.push_back(fmt::format("{}.{}", attempt, i));
        if (attempt < 3) wanted.push_back("error: not yet");
    }
    EXPECT_EQ(texts, wanted);
    EXPECT_TRUE(early) << "nothing was seen while it ran";
    EXPECT_EQ(orchestrator_->LinesOf(nobody_, run, 0, 10).error().code(), ErrorCode::kPermissionDenied);
}

TEST_F(SchedulerTest, AHistoryTellsWaitsTriesAndWhatWasRead) {
    std::atomic<int> attempts{0};
    kind_.works["t:b"] = [&](TaskRun&) -> Result<TaskOutcome> {
        if (++attempts == 1) return Error(ErrorCode::kUnavailable, "the line is down");
        TaskOutcome outcome;
        outcome.changed = true;
        outcome.version = "9";
        outcome.input_versions = {{"a", "1"}};
        return outcome;
    };
    Timestamp before = SystemEnv().clock().Now();
    Start({Table("a"), Table("b", {"a"})});
    ASSERT_TRUE(Eventually([&] { return LastState("t:b") == "succeeded"; }));
    RunHistory history = orchestrator_->Histories(admin_, Runs("t:b")).value().begin()->second;
    Texts parts;
    for (const RunPart& part : history.parts) {
        parts.push_back(fmt::format("{} {} {}", part.what, part.attempt, part.why));
        ASSERT_TRUE(part.to.has_value());
        EXPECT_LE(part.from, *part.to);
    }
    EXPECT_EQ(parts, (Texts{"queued 1 ", "running 1 ", "waiting_retry 1 the line is down", "running 2 "}));
    EXPECT_EQ(history.inputs.at("a"), "1");
    // Who was there at a time: what ended before it or began after it was not.
    Timestamp now = SystemEnv().clock().Now();
    EXPECT_EQ(orchestrator_->Runs(admin_, {.since = before, .until = now + 1h})->size(), 2U);
    EXPECT_EQ(orchestrator_->Runs(admin_, {.since = now + 1h})->size(), 0U);
    EXPECT_EQ(orchestrator_->Runs(admin_, {.until = before - 1h})->size(), 0U);
}

TEST_F(SchedulerTest, ARunKeepsWhatItsTaskWasDefinedAs) {
    auto defined = [](const std::string& text) {
        TaskSpec spec = Table("a");
        spec.fingerprint = text;
        spec.definition = std::make_shared<const std::string>(text);
        return spec;
    };
    Start({defined("SELECT 1")});
    ASSERT_TRUE(BecomesIdle());
    ASSERT_TRUE(orchestrator_->Trigger(admin_, "a").ok());
    ASSERT_TRUE(BecomesIdle());
    ASSERT_TRUE(orchestrator_->SetTasks({defined("SELECT 2")}).ok());
    ASSERT_TRUE(Eventually([&] { return kind_.Count("t:a") == 3 && orchestrator_->Idle(); }));
    auto runs = Runs("t:a");
    ASSERT_EQ(runs.size(), 3U);
    auto text = [&](size_t at) { return orchestrator_->DefinitionOf(admin_, runs[at].id).value(); };
    EXPECT_EQ(text(0).text, "SELECT 2");
    EXPECT_EQ(text(1).text, "SELECT 1");
    EXPECT_EQ(std::to_string(text(1).since_run), runs[2].id);
    EXPECT_EQ(text(2).text, "SELECT 1");
    EXPECT_EQ(orchestrator_->DefinitionOf(nobody_, runs[0].id).error().code(), ErrorCode::kPermissionDenied);
}

}  // namespace
}  // namespace tarn::orchestrator
