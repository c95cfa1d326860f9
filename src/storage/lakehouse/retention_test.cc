// What time takes away, with a clock that the test moves: old versions, and tables that the workspace no longer names.
#include <gtest/gtest.h>

#include "base/fault_env.h"
#include "storage/lakehouse/lakehouse_for_test.h"

namespace tarn::lakehouse {
namespace {

using std::chrono::hours;
using Texts = std::vector<std::string>;

constexpr Duration kDay = hours(24);

class RetentionTest : public testing::Test {
  protected:
    void Put(const std::string& table, const std::string& sql) {
        auto result = house_.Write(table, WriteMode::kOverwrite, sql);
        ASSERT_TRUE(result.ok()) << result.error().ToString();
    }
    MaintenanceReport Maintain() {
        auto report = house_.house().Maintain([] { return false; });
        EXPECT_TRUE(report.ok()) << report.error().ToString();
        EXPECT_TRUE(report->failures.empty()) << report->failures[0];
        return *report;
    }
    void KeepOnly(const std::vector<TableName>& tables) {
        Status kept = house_.house().KeepOnly(house_.alice, tables);
        ASSERT_TRUE(kept.ok()) << kept.error().ToString();
    }
    Texts Names() {
        Texts names;
        for (const TableName& table : *house_.house().Tables(house_.alice)) names.push_back(table.ToString());
        return names;
    }
    // As everybody who asks for a table gets it.
    ErrorCode CodeOfReading(const TableName& table) {
        auto opened = house_.house().Open(house_.alice, table);
        return opened.ok() ? ErrorCode::kInternal : opened.error().code();
    }

    FaultEnv env_;
    TestLakehouse house_{env_};
};

TEST_F(RetentionTest, OldVersionsGoAfterAWeekAndNotBefore) {
    Put("s.t", "SELECT 1 AS a");
    env_.AdvanceTime(30 * kDay);
    Put("s.t", "SELECT 2 AS a");  // the first version was everybody's until now
    env_.AdvanceTime(6 * kDay);
    EXPECT_EQ(Maintain().files_removed, 0);
    EXPECT_EQ(house_.Query("SELECT a FROM s.t AT (VERSION => 0)"), (Texts{"1"}));
    env_.AdvanceTime(2 * kDay);
    EXPECT_EQ(Maintain().files_removed, 1);
    EXPECT_EQ(house_.Query("SELECT a FROM s.t"), (Texts{"2"}));
    Texts old = house_.Query("SELECT a FROM s.t AT (VERSION => 0)");
    ASSERT_EQ(old.size(), 1u);
    EXPECT_NE(old[0].find("no longer kept"), std::string::npos) << old[0];
    EXPECT_EQ(Maintain().files_removed, 0);
}

TEST_F(RetentionTest, MoreVersionsThanACheckpointRemembersAreKeptAsLongAsWanted) {
    // Checkpoints forget removed files after a week by default; a longer time to keep must hold all the same.
    LakehouseDependencies dependencies = house_.Dependencies();
    dependencies.keep = 60 * kDay;
    auto house = *Lakehouse::Create(dependencies);
    for (int version = 0; version < 25; ++version) {
        WriteRequest request{.sql = fmt::format("SELECT {} AS a", version)};
        ASSERT_TRUE(house->Write(house_.alice, {"s", "t"}, request).ok());
        env_.AdvanceTime(kDay);
    }
    auto fresh = *Lakehouse::Create(dependencies);  // knows what the log says, nothing else
    EXPECT_EQ(fresh->Maintain([] { return false; })->files_removed, 0);
    EXPECT_EQ(house_.Query("SELECT a FROM s.t AT (VERSION => 0)"), (Texts{"0"}));
    env_.AdvanceTime(50 * kDay);
    EXPECT_EQ(fresh->Maintain([] { return false; })->files_removed, 14);  // whose successors are over 60 days old
}

TEST_F(RetentionTest, ATableThatIsNotNamedIsGoneForEverybodyAndComesBack) {
    Put("s.kept", "SELECT 1 AS a");
    Put("s.gone", "SELECT 2 AS a");
    KeepOnly({{"s", "kept"}});
    EXPECT_EQ(Names(), (Texts{"s.kept"}));
    EXPECT_EQ(CodeOfReading({"s", "gone"}), ErrorCode::kNotFound);
    EXPECT_EQ(house_.house().History(house_.alice, {"s", "gone"}, 10).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(house_.Write("s.gone", WriteMode::kOverwrite, "SELECT 3 AS a").error().code(), ErrorCode::kNotFound);
    catalog::DatasetProvider& provider = house_.house().AsProvider();
    EXPECT_EQ(provider.Datasets("s")->size(), 1u);
    EXPECT_EQ(provider.DatasetOf("s", "gone").error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(provider.Schemas().value(), (Texts{"s"}));
    // A restart changes nothing of this.
    ASSERT_TRUE(house_.Open().ok());
    EXPECT_EQ(Names(), (Texts{"s.kept"}));
    env_.AdvanceTime(6 * kDay);
    EXPECT_TRUE(Maintain().tables_removed.empty());
    KeepOnly({{"s", "kept"}, {"s", "gone"}});
    EXPECT_EQ(house_.Query("SELECT a FROM s.gone"), (Texts{"2"}));
    env_.AdvanceTime(2 * kDay);
    EXPECT_TRUE(Maintain().tables_removed.empty()) << "it is back";
}

TEST_F(RetentionTest, ARemovedTablesFilesGoAfterAWeek) {
    Put("s.kept", "SELECT 1 AS a");
    Put("s.gone", "SELECT 2 AS a");
    KeepOnly({{"s", "kept"}});
    env_.AdvanceTime(8 * kDay);
    EXPECT_EQ(Maintain().tables_removed, (Texts{"s.gone"}));
    EXPECT_TRUE(house_.Keys("lakehouse/s/gone/").empty());
    EXPECT_TRUE(house_.Keys("lakehouse/_retired/").empty());
    // The name is free again: a new table with a history of its own.
    KeepOnly({{"s", "kept"}, {"s", "gone"}});
    Put("s.gone", "SELECT 'new' AS b");
    EXPECT_EQ(house_.house().Open(house_.alice, {"s", "gone"})->version, 0);
}

TEST_F(RetentionTest, ARemovalThatWasCutOffIsGoneOnWith) {
    env_.SyncEverything();
    Put("s.gone", "SELECT 2 AS a");
    KeepOnly({});
    env_.AdvanceTime(8 * kDay);
    for (int64_t crash = 1; crash < 200; crash += 3) {
        env_.CrashAt(env_.operations() + crash);
        bool done = house_.house().Maintain([] { return false; }).ok() && house_.Keys("lakehouse/").empty();
        house_.Close();
        env_.PowerCut(static_cast<uint64_t>(crash));
        ASSERT_TRUE(house_.Open().ok());
        EXPECT_TRUE(Names().empty()) << "what was removed is seen again";
        if (done) break;
    }
    Maintain();
    EXPECT_TRUE(house_.Keys("lakehouse/").empty());
}

TEST_F(RetentionTest, RemovingAsksTheGate) {
    Put("s.t", "SELECT 1 AS a");
    house_.gate.denied.insert("table:Drop s.t");
    EXPECT_EQ(house_.house().KeepOnly(house_.alice, {}).error().code(), ErrorCode::kPermissionDenied);
    EXPECT_EQ(Names(), (Texts{"s.t"}));
}

}  // namespace
}  // namespace tarn::lakehouse
