#include "app/maintenance.h"

#include <gtest/gtest.h>

#include "base/fault_env.h"

namespace tarn::app {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TEST(Maintenance, RunsJobsWhenTheyAreDue) {
    FaultEnv env;
    int sweeps = 0;
    int failures = 0;
    Maintenance maintenance(env, NullLog(),
                            {{"sweep", minutes(10), hours(6),
                              [&](const auto&) {
                                  ++sweeps;
                                  return Ok();
                              }},
                             {"broken", hours(1), hours(1), [&](const auto&) -> Status {
                                  ++failures;
                                  return Error(ErrorCode::kIo, "no disk");
                              }}});
    maintenance.RunDue();
    EXPECT_EQ(sweeps, 0);
    env.AdvanceTime(minutes(10));
    maintenance.RunDue();
    maintenance.RunDue();
    EXPECT_EQ(sweeps, 1);
    env.AdvanceTime(hours(5));
    maintenance.RunDue();
    EXPECT_EQ(sweeps, 1);
    EXPECT_EQ(failures, 1);
    env.AdvanceTime(hours(1));
    maintenance.RunDue();
    EXPECT_EQ(sweeps, 2);
    EXPECT_EQ(failures, 2) << "a job that failed is due again";
}

TEST(Maintenance, StoppingReachesTheJobThatRuns) {
    Env& env = SystemEnv();
    std::atomic<bool> runs = false;
    Maintenance maintenance(env, NullLog(), {{"long", Duration(0), hours(1), [&](const auto& stop) {
                                                  runs = true;
                                                  while (!stop()) env.clock().Sleep(Duration(1000));
                                                  return Ok();
                                              }}});
    maintenance.Start();
    while (!runs) env.clock().Sleep(Duration(1000));
    maintenance.Stop();
}

}  // namespace
}  // namespace tarn::app
