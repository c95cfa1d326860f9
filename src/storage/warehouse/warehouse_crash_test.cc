// Commits and builds over a disk that stops at one operation after another: after a kill or a power cut the answers are
// the table's, and the copy is built. Every kStride-th operation is played, from one that TARN_SEED picks.
#include <gtest/gtest.h>

#include "base/fault_env.h"
#include "base/seeds_for_test.h"
#include "storage/warehouse/warehouse_for_test.h"

namespace tarn::warehouse {
namespace {

constexpr uint64_t kSeed = 20261122;
constexpr int kOperationsMax = 1000;
constexpr int kStride = 13;

TEST(WarehouseCrash, SlowAnswersAreTheTablesWhereverABuildStops) {
    uint64_t seed = NumberOfEnvironment("TARN_SEED", kSeed);
    SCOPED_TRACE(fmt::format("TARN_SEED={}", seed));
    const std::string ask = "SELECT count(*), count(DISTINCT v) FROM s.t";
    int64_t crash = static_cast<int64_t>(seed % kStride);
    for (; crash < kOperationsMax; crash += kStride) {
        FaultEnv env(seed);
        TestWarehouse house(env);
        ASSERT_TRUE(house.Open().ok());
        std::string rows = "SELECT range AS k, md5(range::VARCHAR) AS v FROM range({})";
        ASSERT_TRUE(house.Write("t", fmt::format(fmt::runtime(rows), 3000)).ok());
        house.Settle();
        ASSERT_EQ(house.Info("t").state, "ready");
        env.SyncEverything();
        int64_t prepared = env.operations();
        env.CrashAt(prepared + crash);
        bool committed = house.Write("t", fmt::format(fmt::runtime(rows), 4000)).ok();
        house.Settle();
        bool got_through = committed && env.operations() <= prepared + crash;
        house.Close();
        crash % 2 == 0 ? env.PowerCut(seed + static_cast<uint64_t>(crash)) : env.Kill();
        Status opened = house.Open();
        ASSERT_TRUE(opened.ok()) << crash << ": " << opened.error().ToString();
        Texts truth = house.AskWithoutCaches(ask);
        if (committed) {
            EXPECT_EQ(truth, Texts{"4000|4000"});
        }
        EXPECT_EQ(house.Ask(ask), truth) << "crash at " << crash;
        house.Settle();
        EXPECT_EQ(house.Info("t").state, "ready") << "crash at " << crash << ": " << house.Info("t").reason;
        int64_t hits = house.Info("t").hits;
        EXPECT_EQ(house.Ask(ask), truth) << "crash at " << crash;
        EXPECT_EQ(house.Info("t").hits, hits + 1);
        if (got_through) break;
    }
    EXPECT_GT(crash, 1);
    EXPECT_LT(crash, kOperationsMax);
}

}  // namespace
}  // namespace tarn::warehouse
