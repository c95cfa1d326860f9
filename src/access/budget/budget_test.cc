#include "access/budget/budget.h"

#include <gtest/gtest.h>

#include <thread>

#include "access/budget/work.h"
#include "base/fault_env.h"

namespace tarn::access {
namespace {

class BudgetTest : public testing::Test {
  protected:
    BudgetTest() {
        EXPECT_TRUE(env_.files().CreateDirectories("/state/lake").ok());
        env_.SetDiskBytes(1 << 20);
        log_ = Log::Create(SystemEnv(), {.path = testing::TempDir() + "/budget_test.log"}).value();
    }
    std::unique_ptr<Budget> Make(BudgetConfig config, int64_t memory = 0) {
        return Budget::Create(config, {}, {env_, metrics_, *log_, "/state", memory});
    }
    Status Write(Env& env, const std::string& path, size_t bytes) {
        auto file = TRY(env.files().Create(path, {}));
        return file->Append(Bytes(bytes));
    }
    // As the lake asks before it takes an object.
    bool Admits(Budget& budget) {
        env_.AdvanceTime(std::chrono::seconds(1));  // what is free is looked at again
        auto free = budget.LakeEnv().files().FreeBytes("/state/lake");
        if (!free.ok()) {
            EXPECT_EQ(free.error().detail_code(), "53100");
        }
        return free.ok();
    }

    FaultEnv env_;
    Metrics metrics_;
    std::unique_ptr<Log> log_;
};

TEST_F(BudgetTest, NearTheEndOnlyWhatGrowsIsRefused) {
    auto budget = Make({.memory = {}, .disk = {}, .disk_warn = {400'000}, .disk_stop = {200'000}});
    EXPECT_TRUE(budget->DiskHealth().ok());
    EXPECT_TRUE(Admits(*budget));
    ASSERT_TRUE(Write(env_, "/state/first", 700'000).ok());
    env_.AdvanceTime(std::chrono::seconds(1));
    EXPECT_EQ(budget->DiskHealth().error().detail_code(), "warning");
    EXPECT_TRUE(Admits(*budget));
    ASSERT_TRUE(Write(env_, "/state/second", 200'000).ok());
    EXPECT_FALSE(Admits(*budget));
    EXPECT_FALSE(Write(budget->LakeEnv(), "/state/lake/new", 1).ok());
    EXPECT_TRUE(budget->LakeEnv().files().Open("/state/second").ok());
    EXPECT_EQ(budget->DiskHealth().error().detail_code(), "53100");
    ASSERT_TRUE(budget->LakeEnv().files().Remove("/state/second").ok());
    EXPECT_TRUE(Admits(*budget));
}

TEST_F(BudgetTest, TheStateHasABudgetOfItsOwn) {
    auto budget = Make({.memory = {}, .disk = {100'000}, .disk_warn = {30'000}, .disk_stop = {10'000}});
    ASSERT_TRUE(Write(env_, "/state/lake/object", 80'000).ok());
    ASSERT_TRUE(Write(env_, "/other", 80'000).ok());
    EXPECT_TRUE(Admits(*budget));  // not measured yet
    ASSERT_TRUE(budget->MeasureDisk().ok());
    EXPECT_EQ(budget->Disk().used_bytes, 81'920);  // whole blocks
    EXPECT_EQ(budget->Disk().left_bytes, 100'000 - 81'920);
    EXPECT_TRUE(Admits(*budget));
    EXPECT_TRUE(budget->Disk().warns());
    ASSERT_TRUE(Write(env_, "/state/lake/another", 8'192).ok());
    ASSERT_TRUE(budget->MeasureDisk().ok());
    EXPECT_FALSE(Admits(*budget));
}

TEST_F(BudgetTest, WithoutKeysTheDiskDecides) {
    BudgetConfig none;
    DiskState small = DiskStateOf(none, 20ll << 30, 80ll << 30);
    EXPECT_EQ(small.stop_bytes, 1ll << 30);
    EXPECT_EQ(small.warn_bytes, 10ll << 30);
    DiskState tiny = DiskStateOf(none, 1 << 20, 63 << 20);
    EXPECT_EQ(tiny.stop_bytes, (64 << 20) / 50);
    EXPECT_EQ(tiny.warn_bytes, (64 << 20) / 10);
    // A disk that fills keeps its marks.
    EXPECT_EQ(DiskStateOf(none, 60 << 20, 4 << 20).warn_bytes, tiny.warn_bytes);
}

TEST_F(BudgetTest, FilesOfTheLakeEndInTheMiddleButItsDatabaseDoesNot) {
    env_.SetDiskBytes(64 << 20);
    auto budget = Make({.memory = {}, .disk = {}, .disk_warn = {}, .disk_stop = {16 << 20}});
    auto file = budget->LakeEnv().files().Create("/state/lake/object", {}).value();
    Status status;
    int steps = 0;
    for (; status.ok() && steps < 64; ++steps) {
        env_.AdvanceTime(std::chrono::seconds(1));
        status = file->Append(Bytes(1 << 20));
    }
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().detail_code(), "53100");
    EXPECT_NEAR(steps, 48, 5);
    EXPECT_FALSE(Write(budget->LakeEnv(), "/state/lake/new", 1).ok());
    EXPECT_TRUE(Write(budget->LakeEnv(), "/state/lake/index.db-wal", 5 << 20).ok());
    EXPECT_FALSE(budget->CacheEnv().files().FreeBytes("/state").ok());
}

TEST_F(BudgetTest, CachesHaveWhatIsLeftAboveTheWarning) {
    auto budget = Make({.memory = {}, .disk = {}, .disk_warn = {400'000}, .disk_stop = {200'000}});
    uint64_t all = env_.files().FreeBytes("/state").value();
    EXPECT_EQ(budget->CacheEnv().files().FreeBytes("/state").value(), all - 400'000);
    EXPECT_EQ(budget->LakeEnv().files().FreeBytes("/state").value(), all);
    ASSERT_TRUE(Write(env_, "/state/first", 700'000).ok());
    env_.AdvanceTime(std::chrono::seconds(1));
    EXPECT_EQ(budget->CacheEnv().files().FreeBytes("/state").value(), 0u);
    EXPECT_TRUE(Admits(*budget));
}

class Zeros : public ByteReader {
  public:
    Result<size_t> Read(MutableByteSpan buffer) override { return buffer.size(); }
};

TEST_F(BudgetTest, BodiesShareAPartOfTheMemory) {
    auto budget = Make({.memory = {100 << 20}, .disk = {}, .disk_warn = {}, .disk_stop = {}});
    Bytes step(1 << 20);
    Zeros zeros;
    HttpRequest first;
    first.body = &zeros;
    Status served = budget->Serve(first, [&]() -> Status {
        for (int i = 0; i < 5; ++i) TRY(first.body->Read(step));
        HttpRequest second;
        second.body = &zeros;
        Status refused = budget->Serve(second, [&]() -> Status {
            for (int i = 0; i < 5; ++i) TRY(second.body->Read(step));
            return Ok();
        });
        EXPECT_EQ(refused.error().detail_code(), "53200");
        return Ok();
    });
    EXPECT_TRUE(served.ok());
    EXPECT_EQ(budget->Memory().reserved_bytes, 0);
    HttpRequest alone;
    alone.body = &zeros;
    EXPECT_FALSE(budget
                     ->Serve(alone,
                             [&]() -> Status {
                                 while (true) TRY(alone.body->Read(step));
                             })
                     .ok());
}

TEST(WorkTest, OneGoesOnWhileMemoryIsShortTheOthersWait) {
    Metrics metrics;
    Work work(SystemEnv(), metrics, {});
    security::Principal person{.kind = security::PrincipalKind::kUser,
                               .name = "ann",
                               .roles = {},
                               .groups = {},
                               .credential = "",
                               .on_behalf_of = ""};
    work.SetShort(true);
    auto first = work.Begin(person, [] {});
    ASSERT_TRUE(first.ok());
    auto second = work.Begin(person, [] {});
    EXPECT_EQ(second.error().detail_code(), "53200");
    std::thread relief([&] { work.SetShort(false); });
    EXPECT_TRUE(work.Begin(person, [] {}).ok());
    relief.join();
}

TEST(WorkTest, TheYoungestOfPeopleIsEndedFirst) {
    Metrics metrics;
    Work work(SystemEnv(), metrics, {});
    security::Principal person{.kind = security::PrincipalKind::kUser,
                               .name = "ann",
                               .roles = {},
                               .groups = {},
                               .credential = "",
                               .on_behalf_of = ""};
    std::string ended;
    auto old = *work.Begin(person, [&] { ended += "old "; });
    auto young = *work.Begin(person, [&] { ended += "young "; });
    auto program = *work.Begin(security::Principal::System("batch"), [&] { ended += "program "; });
    Error error(ErrorCode::kResourceExhausted, "no memory");
    EXPECT_TRUE(work.EndYoungest(error));
    EXPECT_TRUE(young->ended());
    EXPECT_FALSE(old->ended());
    EXPECT_TRUE(work.EndYoungest(error));
    EXPECT_TRUE(work.EndYoungest(error));
    EXPECT_FALSE(work.EndYoungest(error));
    EXPECT_EQ(ended, "young old program ");
    young.reset();
    EXPECT_EQ(work.running(), 2u);
}

security::Principal PersonWith(std::vector<std::string> roles) {
    return {.kind = security::PrincipalKind::kUser,
            .name = "ann",
            .roles = std::move(roles),
            .groups = {},
            .credential = "",
            .on_behalf_of = ""};
}

TEST(WorkTest, ARoleHasItsPlacesAndTheLargestOfSeveralCounts) {
    Metrics metrics;
    RoleLimits few{.queries = 1, .memory = {}, .rows = 10, .bytes = {}, .time = {}, .calls = 1};
    RoleLimits more{.queries = 2, .memory = {}, .rows = 5, .bytes = {}, .time = {}, .calls = 0};
    Work work(SystemEnv(), metrics, {{"few", few}, {"more", more}});
    EXPECT_EQ(work.RoleOf(PersonWith({"few", "more"})), "more");
    EXPECT_EQ(work.RoleOf(PersonWith({"other"})), "");
    EXPECT_EQ(work.RoleOf(security::Principal::System("batch")), "");
    auto first = work.Begin(PersonWith({"few"}), [] {});
    ASSERT_TRUE(first.ok());
    EXPECT_EQ((*first)->limits.rows, 10);
    // Others have their own places.
    EXPECT_TRUE(work.Begin(PersonWith({"more"}), [] {}).ok());
    EXPECT_TRUE(work.Begin(PersonWith({"other"}), [] {}).ok());
    // One who waits gets the place when it is given back.
    std::thread end([&] { first->reset(); });
    auto second = work.Begin(PersonWith({"few"}), [] {});
    end.join();
    EXPECT_TRUE(second.ok());
    auto call = work.BeginCall(PersonWith({"few"}));
    ASSERT_TRUE(call.ok());
    EXPECT_EQ(work.BeginCall(PersonWith({"few"})).error().detail_code(), "SlowDown");
    *call = nullptr;
    EXPECT_TRUE(work.BeginCall(PersonWith({"few"})).ok());
    EXPECT_TRUE(work.BeginCall(PersonWith({"more"})).ok());
}

TEST(WorkTest, LateStatementsAreEnded) {
    FaultEnv env;
    Metrics metrics;
    RoleLimits brief{.queries = 0, .memory = {}, .rows = 0, .bytes = {}, .time = std::chrono::seconds(2), .calls = 0};
    Work work(env, metrics, {{"brief", brief}});
    int cancelled = 0;
    auto place = *work.Begin(PersonWith({"brief"}), [&] { ++cancelled; });
    auto free = *work.Begin(PersonWith({"other"}), [&] { ++cancelled; });
    work.EndLate();
    EXPECT_EQ(cancelled, 0);
    env.AdvanceTime(std::chrono::seconds(3));
    work.EndLate();
    work.EndLate();
    EXPECT_EQ(cancelled, 1);
    EXPECT_EQ(place->ended()->detail_code(), "57014");
    EXPECT_FALSE(free->ended());
}

}  // namespace
}  // namespace tarn::access
