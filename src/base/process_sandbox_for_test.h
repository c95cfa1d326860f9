// A keeper for tests of sandboxes: the test program itself, started anew with only this test in it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/process_sandbox.h"

namespace tarn {

inline std::vector<std::string> KeeperForTests() {
    return {"/proc/self/exe", "--gtest_filter=SandboxKeeperOfTests.DISABLED_Serves", "--gtest_also_run_disabled_tests"};
}

}  // namespace tarn

// Include this header in one file of a test program.
TEST(SandboxKeeperOfTests, DISABLED_Serves) { EXPECT_EQ(tarn::SandboxKeeper(), 0); }
