#include "base/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/env.h"

namespace tarn {
namespace {

TEST(Executor, RunsEverythingBeforeItGoes) {
    std::atomic<int> done = 0;
    auto executor = Executor::Create({.name = "a name that is too long", .threads = 3, .queue_max = 1000});
    for (int i = 0; i < 500; i++) ASSERT_TRUE(executor->Submit([&] { done++; }).ok());
    executor.reset();
    EXPECT_EQ(done, 500);
}

TEST(Executor, RefusesWhenFull) {
    std::promise<void> started, release;  // before the executor: its threads use them until it is gone
    auto executor = Executor::Create({.threads = 1, .queue_max = 2});
    ASSERT_TRUE(executor
                    ->Submit([&] {
                        started.set_value();
                        release.get_future().wait();
                    })
                    .ok());
    started.get_future().wait();
    ASSERT_TRUE(executor->Submit([] {}).ok());
    ASSERT_TRUE(executor->Submit([] {}).ok());
    EXPECT_EQ(executor->queued(), 2u);
    EXPECT_EQ(executor->Submit([] {}).error().code(), ErrorCode::kResourceExhausted);
    release.set_value();
}

TEST(Executor, WorkMaySubmitWork) {
    std::promise<void> done;
    auto executor = Executor::Create({.threads = 1});
    ASSERT_TRUE(executor->Submit([&] { (void)executor->Submit([&] { done.set_value(); }); }).ok());
    done.get_future().wait();
}

TEST(CancelToken, CopiesShareAndActionsRunOnce) {
    CancelToken token;
    CancelToken copy = token;
    int runs = 0;
    auto handle = copy.OnCancel([&] { runs++; });
    EXPECT_FALSE(copy.cancelled());
    token.Cancel();
    token.Cancel();
    EXPECT_TRUE(copy.cancelled());
    EXPECT_EQ(runs, 1);
    auto late = token.OnCancel([&] { runs++; });
    EXPECT_EQ(runs, 2);
}

TEST(CancelToken, RemovedActionsDoNotRun) {
    CancelToken token;
    int runs = 0;
    auto handle = token.OnCancel([&] { runs++; });
    handle.reset();
    token.Cancel();
    EXPECT_EQ(runs, 0);
}

TEST(CancelToken, RemovingWaitsForTheRunningAction) {
    CancelToken token;
    std::promise<void> entered;
    std::atomic<bool> finished = false;
    auto handle = token.OnCancel([&] {
        entered.set_value();
        SystemEnv().clock().Sleep(std::chrono::milliseconds(20));
        finished = true;
    });
    std::thread canceller([&] { token.Cancel(); });
    entered.get_future().wait();
    handle.reset();
    EXPECT_TRUE(finished);
    canceller.join();
}

TEST(CancelToken, AnActionMayRemoveItself) {
    CancelToken token;
    std::shared_ptr<void> handle;
    handle = token.OnCancel([&] { handle.reset(); });
    token.Cancel();
    EXPECT_EQ(handle, nullptr);
}

}  // namespace
}  // namespace tarn
