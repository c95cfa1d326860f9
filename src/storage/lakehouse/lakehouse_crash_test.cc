// Writes over a disk that fails at one operation after another, the lake's index included: after a kill or a power cut
// the table is what it was or what the write made of it, and the same write run again is done once. Every kStride-th
// operation is played; ./dev soak power plays the others.
#include <gtest/gtest.h>

#include "base/fault_env.h"
#include "base/seeds_for_test.h"
#include "storage/lakehouse/lakehouse_for_test.h"

namespace tarn::lakehouse {
namespace {

constexpr uint64_t kSeed = 20261122;
constexpr int kOperationsMax = 1000;
constexpr int kStride = 7;

// Large enough that its files lie on the disk and not in the lake's index.
std::string Rows(int from, int to, const std::string& value) {
    return fmt::format("SELECT range AS k, md5(range::VARCHAR) || '{}' AS v FROM range({}, {})", value, from, to);
}

class LakehouseCrash : public testing::Test {
  protected:
    using Texts = std::vector<std::string>;

    // Runs `request` over a table of `before` with a crash at each operation; `after` is what it makes of the table.
    void CrashEverywhere(const WriteRequest& request, const std::string& before, const std::string& after) {
        uint64_t seed = NumberOfEnvironment("TARN_SEED", kSeed);
        int64_t crash = static_cast<int64_t>(seed % kStride);
        for (; crash < kOperationsMax; crash += kStride) {
            FaultEnv env(seed);
            TestLakehouse house(env);
            env.SyncEverything();  // the folder of the state is somebody else's care
            WriteRequest first{.mode = WriteMode::kMerge, .sql = Rows(0, 2000, "old"), .key = {"k"}};
            ASSERT_TRUE(house.Write("s.t", first).ok());
            int64_t prepared = env.operations();
            env.CrashAt(prepared + crash);
            auto result = house.Write("s.t", request);
            bool got_through = result.ok() && env.operations() <= prepared + crash;
            house.Close();
            crash % 2 == 0 ? env.PowerCut(seed + static_cast<uint64_t>(crash)) : env.Kill();
            Status opened = house.Open();
            ASSERT_TRUE(opened.ok()) << opened.error().ToString();
            Texts rows = house.Query(kSummary);
            if (result.ok()) {
                EXPECT_EQ(rows, Texts{after}) << "crash at " << crash;
            } else {
                EXPECT_TRUE(rows == Texts{before} || rows == Texts{after}) << "crash at " << crash << ": " << rows[0];
            }
            auto again = house.Write("s.t", request);
            ASSERT_TRUE(again.ok()) << again.error().ToString();
            EXPECT_EQ(house.Query(kSummary), Texts{after}) << "run again after a crash at " << crash;
            if (got_through) break;
        }
        EXPECT_GT(crash, 1) << "the write never touched the disk";
        EXPECT_LT(crash, kOperationsMax);
    }

    static constexpr const char* kSummary =
        "SELECT count(*), count(DISTINCT k), count(*) FILTER (v LIKE '%new') FROM s.t";
};

TEST_F(LakehouseCrash, AppendsHappenOnce) {
    WriteRequest request{.mode = WriteMode::kAppend, .sql = Rows(2000, 4000, "new")};
    request.transaction_application = "flow";
    request.transaction_version = 1;
    CrashEverywhere(request, "2000|2000|0", "4000|4000|2000");
}

TEST_F(LakehouseCrash, MergesHappenOnce) {
    WriteRequest request{.mode = WriteMode::kMerge, .sql = Rows(1000, 3000, "new"), .key = {"k"}};
    CrashEverywhere(request, "2000|2000|0", "3000|3000|2000");
}

TEST_F(LakehouseCrash, OverwritesHappenWhollyOrNot) {
    WriteRequest request{.mode = WriteMode::kOverwrite, .sql = Rows(0, 1500, "new")};
    CrashEverywhere(request, "2000|2000|0", "1500|1500|1500");
}

}  // namespace
}  // namespace tarn::lakehouse
