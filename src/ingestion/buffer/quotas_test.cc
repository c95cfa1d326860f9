#include "ingestion/buffer/quotas.h"

#include <gtest/gtest.h>

#include "base/fault_env.h"

namespace tarn::buffer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class QuotasTest : public testing::Test {
  protected:
    QuotasTest() : database_(metadata::Database::OpenSqlite(env_, "/m.db", Secret(std::string(32, 'k'))).value()) {
        Start();
    }
    void Start() { quotas_ = Quotas::Create(env_, *database_, metrics_).value(); }
    void Set(const QuotaEntity& entity, const std::string& key, std::optional<double> value) {
        Status altered = quotas_->Alter(entity, {{key, value}}, false);
        ASSERT_TRUE(altered.ok()) << altered.error().ToString();
    }
    Duration Sent(const std::string& user, const std::string& client, double bytes) {
        return quotas_->Note(QuotaKind::kProduceBytes, user, client, bytes).wait;
    }

    FaultEnv env_;
    Metrics metrics_;
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Quotas> quotas_;
};

TEST_F(QuotasTest, NobodyWaitsWithoutOne) {
    EXPECT_FALSE(quotas_->any());
    EXPECT_EQ(Sent("ann", "c", 1e12), seconds(0));
}

TEST_F(QuotasTest, WhoSentMoreWaitsUntilTheRateIsKept) {
    Set({.user = "ann"}, "producer_byte_rate", 1000);
    EXPECT_EQ(Sent("ann", "c", 1000), seconds(0));  // a second's worth at once
    EXPECT_EQ(Sent("ann", "c", 500), milliseconds(500));
    env_.AdvanceTime(milliseconds(500));
    EXPECT_EQ(Sent("ann", "c", 1000), seconds(1));
    env_.AdvanceTime(seconds(10));
    EXPECT_EQ(Sent("ann", "c", 1000), seconds(0));
    EXPECT_EQ(Sent("bob", "c", 1e9), seconds(0));
    EXPECT_EQ(Sent("ann", "c", 1e9), seconds(15));  // clients wait no longer than they wait for an answer
    EXPECT_EQ(quotas_->Note(QuotaKind::kFetchBytes, "ann", "c", 1e9).wait, seconds(0));
}

TEST_F(QuotasTest, TheMostSpecificOneCounts) {
    const std::vector<std::pair<QuotaEntity, double>> kFromGeneral = {
        {{.client_id = ""}, 1000},
        {{.client_id = "loader"}, 2000},
        {{.user = ""}, 3000},
        {{.user = "", .client_id = ""}, 4000},
        {{.user = "", .client_id = "loader"}, 5000},
        {{.user = "ann"}, 6000},
        {{.user = "ann", .client_id = ""}, 7000},
        {{.user = "ann", .client_id = "loader"}, 8000},
    };
    for (const auto& [entity, rate] : kFromGeneral) {
        Set(entity, "producer_byte_rate", rate);
        env_.AdvanceTime(seconds(60));
        EXPECT_EQ(Sent("ann", "loader", 2 * rate), seconds(1)) << rate;
    }
}

TEST_F(QuotasTest, IsOfEachUserOrSharedAsItSays) {
    Set({.user = ""}, "producer_byte_rate", 1000);
    EXPECT_EQ(Sent("ann", "a", 2000), seconds(1));
    EXPECT_EQ(Sent("ann", "b", 1000), seconds(2));  // her clients share it
    EXPECT_EQ(Sent("bob", "a", 1000), seconds(0));  // it is for each user
    Set({.client_id = "loader"}, "producer_byte_rate", 1000);
    Set({.user = ""}, "producer_byte_rate", std::nullopt);
    EXPECT_EQ(Sent("ann", "loader", 2000), seconds(1));
    EXPECT_EQ(Sent("bob", "loader", 1000), seconds(2));
}

TEST_F(QuotasTest, ChangesAreRefusedNotCounted) {
    Set({.user = "ann"}, "controller_mutation_rate", 10);
    auto change = [&](double partitions) { return quotas_->Note(QuotaKind::kMutations, "ann", "c", partitions, true); };
    EXPECT_FALSE(change(30).refused);  // nothing was done before
    Quotas::Verdict verdict = change(1);
    EXPECT_TRUE(verdict.refused);
    EXPECT_EQ(verdict.wait, seconds(2));
    EXPECT_EQ(change(1).wait, seconds(2));
    env_.AdvanceTime(seconds(2));
    EXPECT_FALSE(change(1).refused);
}

TEST_F(QuotasTest, ThePercentageIsOfOneThreadsTime) {
    Set({.client_id = ""}, "request_percentage", 50);
    EXPECT_EQ(quotas_->Note(QuotaKind::kRequestTime, "ann", "c", 0.5).wait, seconds(0));
    EXPECT_EQ(quotas_->Note(QuotaKind::kRequestTime, "ann", "c", 0.5).wait, seconds(1));
}

TEST_F(QuotasTest, LastAndGo) {
    Set({.user = "ann", .client_id = ""}, "producer_byte_rate", 1000);
    Set({.user = "ann", .client_id = ""}, "consumer_byte_rate", 2000.5);
    Start();
    EXPECT_TRUE(quotas_->any());
    Quotas::Limits limits = {{"consumer_byte_rate", 2000.5}, {"producer_byte_rate", 1000}};
    EXPECT_EQ(quotas_->All(), (std::map<QuotaEntity, Quotas::Limits>{{{.user = "ann", .client_id = ""}, limits}}));
    Set({.user = "ann", .client_id = ""}, "producer_byte_rate", std::nullopt);
    Set({.user = "ann", .client_id = ""}, "consumer_byte_rate", std::nullopt);
    EXPECT_FALSE(quotas_->any());
    Start();
    EXPECT_TRUE(quotas_->All().empty());
}

TEST_F(QuotasTest, WrongOnesChangeNothing) {
    Status altered = quotas_->Alter({.user = "ann"}, {{"producer_byte_rate", 5}, {"bytes", 5}}, false);
    ASSERT_FALSE(altered.ok());
    EXPECT_NE(altered.error().message().find("there is no quota \"bytes\""), std::string::npos);
    for (double wrong : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
        EXPECT_FALSE(quotas_->Alter({.user = "ann"}, {{"producer_byte_rate", wrong}}, false).ok()) << wrong;
    }
    EXPECT_TRUE(quotas_->Alter({.user = "ann"}, {{"producer_byte_rate", 5}}, true).ok());
    EXPECT_FALSE(quotas_->any());
}

TEST_F(QuotasTest, ClientsThatInventIdsCostLittle) {
    Set({.user = "", .client_id = ""}, "producer_byte_rate", 1000);
    for (int i = 0; i < 30'000; ++i) Sent("ann", std::to_string(i), 10);
    EXPECT_GT(Sent("ann", "one more", 1), seconds(0));  // those beyond the limit are counted together
    env_.AdvanceTime(std::chrono::minutes(2));
    EXPECT_EQ(Sent("ann", "one more", 1000), seconds(0));
}

}  // namespace
}  // namespace tarn::buffer
