#include "analysis/query/deadlines.h"

#include <gtest/gtest.h>

#include <atomic>

namespace tarn::query {
namespace {

TEST(Deadlines, CancelUntilTheGuardIsGone) {
    Deadlines deadlines(SystemEnv().clock());
    std::atomic<int> cancelled = 0;
    {
        Deadlines::Guard guard(deadlines, 20, [&] { ++cancelled; });
        while (cancelled < 3) SystemEnv().clock().Sleep(std::chrono::milliseconds(5));
        EXPECT_TRUE(guard.expired());
    }
    int last = cancelled;
    SystemEnv().clock().Sleep(std::chrono::milliseconds(120));
    EXPECT_EQ(cancelled, last);
}

TEST(Deadlines, WhatIsInTimeIsLeftAlone) {
    Deadlines deadlines(SystemEnv().clock());
    std::atomic<int> cancelled = 0;
    for (int round = 0; round < 1000; ++round) {
        Deadlines::Guard in_time(deadlines, 60'000, [&] { ++cancelled; });
        Deadlines::Guard unlimited(deadlines, 0, [&] { ++cancelled; });
        EXPECT_FALSE(in_time.expired());
        EXPECT_FALSE(unlimited.expired());
    }
    EXPECT_EQ(cancelled, 0);
}

}  // namespace
}  // namespace tarn::query
