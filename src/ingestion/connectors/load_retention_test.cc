#include "ingestion/connectors/load_retention.h"

#include <gtest/gtest.h>

#include "ingestion/connectors/connectors_for_test.h"
#include "ingestion/connectors/sqlite_for_test.h"

namespace tarn::connectors {
namespace {

using Texts = std::vector<std::string>;
using std::chrono::hours;

// The system's clock, so much later.
class LaterClock final : public Clock {
  public:
    Timestamp Now() override { return SystemEnv().clock().Now() + later; }
    Duration Monotonic() override { return SystemEnv().clock().Monotonic(); }
    void Sleep(Duration duration) override { SystemEnv().clock().Sleep(duration); }
    Duration later{0};
};

class LoadRetentionTest : public testing::Test {
  protected:
    // Loads that are due; what was dropped, as "stream: load ...".
    Texts DropOld() {
        Texts dropped;
        auto old = sources_.connectors().FindOldLoads();
        EXPECT_TRUE(old.ok()) << old.error().ToString();
        for (const Connectors::OldLoads& one : *old) {
            std::string text = one.stream + ":";
            for (int64_t load : one.loads) text += " " + std::to_string(load);
            dropped.push_back(text);
            auto bytes = sources_.connectors().DropLoads(one);
            EXPECT_TRUE(bytes.ok()) << bytes.error().ToString();
            EXPECT_GT(*bytes, 0);
        }
        return dropped;
    }
    void Execute(const std::string& sql) { ExecuteSqlite(sources_.workspace() + "/db.sqlite", sql); }
    void Source(const std::string& stream) {
        Execute("CREATE TABLE IF NOT EXISTS t (id INTEGER)");
        ASSERT_EQ(
            sources_.Apply({{"db", "kind: sqlite\nconnection: {path: db.sqlite}\nstreams: {t: " + stream + "}\n"}}),
            "");
    }
    // One row more each time.
    void LoadAgain() {
        Execute("INSERT INTO t SELECT count(*) + 1 FROM t");
        auto loaded = sources_.Load("db", "t");
        ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
        ASSERT_TRUE(loaded->changed);
    }
    std::string CountAt(int load) {
        return sources_.Query(fmt::format("SELECT count(*) FROM raw_db.t AT (VERSION => {})", load))[0];
    }
    size_t ObjectsOf(int load) { return sources_.Keys(fmt::format("db/t/{:020}/", load)).size(); }

    LaterClock clock_;
    Env env_{clock_, SystemEnv().files(), SystemEnv().random()};
    TestSources sources_{env_};
};

TEST_F(LoadRetentionTest, CompleteLoadsGoOnceAnotherHasTakenTheirPlaceLongAgo) {
    Source("{}");
    for (int load = 1; load <= 3; ++load) LoadAgain();
    clock_.later += kLoadsKept - hours(1);
    EXPECT_EQ(DropOld(), Texts{});
    LoadAgain();
    clock_.later += hours(2);
    EXPECT_EQ(DropOld(), Texts{"t: 1 2"}) << "the third was the newest until an hour ago";
    EXPECT_EQ(ObjectsOf(1) + ObjectsOf(2), 0U);
    EXPECT_EQ(CountAt(3), "3");
    EXPECT_EQ(CountAt(4), "4");
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_db.t"), Texts{"4"});
    std::string gone = CountAt(1);
    EXPECT_NE(gone.find("load 1 of raw_db.t is no longer kept"), std::string::npos) << gone;
    EXPECT_EQ(DropOld(), Texts{}) << "once";
    clock_.later += kLoadsKept * 10;
    EXPECT_EQ(DropOld(), Texts{"t: 3"});
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_db.t"), Texts{"4"}) << "the newest stays for ever";
    LoadAgain();  // numbers go on
    EXPECT_EQ(CountAt(5), "5");
}

TEST_F(LoadRetentionTest, WhatIsSaidOfAStream) {
    Source("{keep_loads: 2h}");
    LoadAgain();
    LoadAgain();
    clock_.later += hours(3);
    EXPECT_EQ(DropOld(), Texts{"t: 1"});
    Source("{keep_loads: 0s}");
    LoadAgain();
    clock_.later += kLoadsKept * 10;
    EXPECT_EQ(DropOld(), Texts{}) << "for ever";
    auto refused = [&](const std::string& stream) {
        return sources_.Apply({{"db", "kind: sqlite\nconnection: {path: db.sqlite}\nstreams: {t: " + stream + "}\n"}});
    };
    EXPECT_NE(refused("{keep_loads: 5m}").find("at least 1h"), std::string::npos);
    EXPECT_NE(refused("{keep_loads: 5d, cursor: id}").find("no cursor"), std::string::npos);
}

TEST_F(LoadRetentionTest, LoadsThatAreTheDataStay) {
    Source("{cursor: id}");
    LoadAgain();
    LoadAgain();
    clock_.later += kLoadsKept * 10;
    EXPECT_EQ(DropOld(), Texts{});
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_db.t"), Texts{"2"});
}

TEST_F(LoadRetentionTest, WhatWasCutOffGoesOnAfterAStart) {
    Source("{}");
    LoadAgain();
    LoadAgain();
    clock_.later += kLoadsKept * 2;
    EXPECT_EQ(DropOld(), Texts{"t: 1"});
    // As if the program had been killed between the manifest and the object.
    std::string left = fmt::format("db/t/{:020}/left.parquet", 1);
    ASSERT_TRUE(sources_.lake().PutBytes(sources_.alice, {kRawBucket, left}, AsBytes("x"), {}).ok());
    ASSERT_TRUE(sources_.Open().ok());
    DropOld();
    EXPECT_EQ(ObjectsOf(1), 0U);
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_db.t"), Texts{"2"});
}

}  // namespace
}  // namespace tarn::connectors
