#include "ingestion/buffer/consumer_group.h"

#include <gtest/gtest.h>

#include "base/fault_disk.h"
#include "base/seeds_for_test.h"

namespace tarn::buffer {
namespace {

using Code = kafka::KafkaError;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<uint8_t, 16> kTopic = {7};

// A member as a client would be it: it has what it was last told, and lets go at its next beat.
struct Client {
    std::string id;
    int32_t epoch = 0;
    Share has;
    std::optional<std::string> instance = std::nullopt;
};

class ConsumerGroupTest : public testing::Test {
  protected:
    ConsumerAnswer Send(ConsumerHeartbeat beat) {
        return group_->Heartbeat(beat, [this](const std::string& topic) -> std::optional<TopicSize> {
            if (topic != "t" || partitions_ == 0) return std::nullopt;
            return TopicSize{kTopic, partitions_};
        });
    }
    ConsumerAnswer Beat(Client& client, bool tells = true) {
        ConsumerHeartbeat beat{.member_id = client.id, .epoch = client.epoch, .instance_id = client.instance};
        if (client.epoch <= 0) {
            beat.topics = {"t"};
            beat.rebalance_timeout = rebalance_;
        }
        if (tells || client.epoch == 0) beat.owned = client.has;
        ConsumerAnswer answer = Send(beat);
        if (answer.error != Code::kNone) return answer;
        client.id = answer.member_id;
        client.epoch = answer.epoch;
        if (answer.share) client.has = *answer.share;
        return answer;
    }
    size_t Count(const Client& client) {
        auto found = client.has.find(kTopic);
        return found == client.has.end() ? 0 : found->second.size();
    }
    void MakeGroup() { group_ = std::make_shared<ConsumerGroup>("g", config_, SystemEnv(), timers_); }
    void SetUp() override { MakeGroup(); }

    ConsumerGroupConfig config_;
    Timers timers_{SystemEnv().clock()};
    std::shared_ptr<ConsumerGroup> group_;  // shared, as its timers know it
    int32_t partitions_ = 4;
    Duration rebalance_ = seconds(30);
};

TEST_F(ConsumerGroupTest, OneHasAllAndASecondGetsWhatTheFirstLetGo) {
    Client one{.id = "one"}, two{.id = "two"};
    EXPECT_EQ(Beat(one).error, Code::kNone);
    EXPECT_EQ(Count(one), 4U);
    EXPECT_EQ(group_->View().state, "Stable");
    EXPECT_EQ(Beat(two).error, Code::kNone);
    EXPECT_EQ(Count(two), 0U);  // nothing is free yet
    EXPECT_EQ(group_->View().state, "Reconciling");
    int32_t before = one.epoch;
    Beat(one, false);
    EXPECT_EQ(Count(one), 2U);  // it is told to let go, and stays in its epoch until it has
    EXPECT_EQ(one.epoch, before);
    Beat(two);
    EXPECT_EQ(Count(two), 0U);
    Beat(one);
    EXPECT_GT(one.epoch, before);
    Beat(two);
    EXPECT_EQ(Count(two), 2U);
    EXPECT_EQ(group_->View().state, "Stable");
    for (int32_t partition : two.has[kTopic]) EXPECT_FALSE(one.has[kTopic].contains(partition));
}

TEST_F(ConsumerGroupTest, WhoLeavesLeavesItsWork) {
    Client one{.id = "one"}, two{.id = "two"};
    Beat(one), Beat(two), Beat(one, false), Beat(one), Beat(two);
    ConsumerAnswer left = Send({.member_id = "two", .epoch = -1});
    EXPECT_EQ(left.error, Code::kNone);
    EXPECT_EQ(left.epoch, -1);
    Beat(one, false);
    EXPECT_EQ(Count(one), 4U);
    EXPECT_EQ(Send({.member_id = "two", .epoch = 5}).error, Code::kUnknownMemberId);
}

TEST_F(ConsumerGroupTest, OldAndInventedEpochsAreFenced) {
    Client one{.id = "one"};
    Beat(one);
    EXPECT_EQ(Send({.member_id = "one", .epoch = one.epoch + 1}).error, Code::kFencedMemberEpoch);
    EXPECT_EQ(Send({.member_id = "other", .epoch = 3}).error, Code::kUnknownMemberId);
    int32_t first = one.epoch;
    partitions_ = 8;
    Beat(one, false);
    EXPECT_GT(one.epoch, first);
    EXPECT_EQ(Count(one), 8U);
    // The answer got lost: it comes again as it was.
    ConsumerAnswer again = Send({.member_id = "one", .epoch = first, .owned = Share{{kTopic, {0, 1, 2, 3}}}});
    EXPECT_EQ(again.error, Code::kNone);
    EXPECT_EQ(again.epoch, one.epoch);
    EXPECT_EQ(Send({.member_id = "one", .epoch = first}).error, Code::kFencedMemberEpoch);
}

TEST_F(ConsumerGroupTest, TopicsThatComeAndGrowAreSeen) {
    partitions_ = 0;
    Client one{.id = "one"};
    Beat(one);
    EXPECT_EQ(Count(one), 0U);
    partitions_ = 3;
    Beat(one, false);
    EXPECT_EQ(Count(one), 3U);
}

TEST_F(ConsumerGroupTest, WhoIsSilentOrKeepsWhatItShouldLetGoIsRemoved) {
    config_.session_timeout = milliseconds(150);
    MakeGroup();
    Client one{.id = "one"};
    Beat(one);
    SystemEnv().clock().Sleep(milliseconds(400));
    EXPECT_TRUE(group_->empty());
    config_.session_timeout = seconds(45);
    rebalance_ = milliseconds(150);
    MakeGroup();
    one = {.id = "one"};
    Client two{.id = "two"};
    Beat(one), Beat(two), Beat(one, false);
    SystemEnv().clock().Sleep(milliseconds(400));
    EXPECT_EQ(Beat(one, false).error, Code::kUnknownMemberId);
    Beat(two);
    EXPECT_EQ(Count(two), 4U);
}

TEST_F(ConsumerGroupTest, AStaticMemberComesBackToItsWork) {
    Client one{.id = "one", .instance = "i"};
    Beat(one);
    Client thief{.id = "other", .instance = "i"};
    EXPECT_EQ(Beat(thief).error, Code::kUnreleasedInstanceId);
    EXPECT_EQ(Send({.member_id = "one", .epoch = -2, .instance_id = "i"}).error, Code::kNone);
    int32_t epoch = group_->View().epoch;
    Client again{.id = "again", .instance = "i"};
    EXPECT_EQ(Beat(again).error, Code::kNone);
    EXPECT_EQ(Count(again), 4U);
    EXPECT_EQ(group_->View().epoch, epoch);  // nothing moved
    EXPECT_EQ(Beat(one).error, Code::kUnknownMemberId);
}

TEST_F(ConsumerGroupTest, OffsetsAreOfMembersOfTheirEpoch) {
    EXPECT_EQ(group_->CheckOffsets("", -1, true), Code::kNone);
    Client one{.id = "one"};
    Beat(one);
    EXPECT_EQ(group_->CheckOffsets("one", one.epoch, true), Code::kNone);
    EXPECT_EQ(group_->CheckOffsets("one", one.epoch - 1, true), Code::kStaleMemberEpoch);
    EXPECT_EQ(group_->CheckOffsets("two", 1, false), Code::kUnknownMemberId);
    EXPECT_EQ(group_->CheckOffsets("", -1, true), Code::kUnknownMemberId);
    EXPECT_EQ(group_->CheckOffsets("", -1, false), Code::kNone);
    EXPECT_FALSE(group_->Close());
}

TEST_F(ConsumerGroupTest, BadBeatsAreRefused) {
    EXPECT_EQ(Send({.member_id = "a", .epoch = 0}).error, Code::kInvalidRequest);
    EXPECT_EQ(
        Send({.member_id = "a", .epoch = 0, .rebalance_timeout = seconds(1), .topics = {{"t"}}, .assignor = "x"}).error,
        Code::kUnsupportedAssignor);
    EXPECT_EQ(Send({.member_id = "a", .epoch = -1}).error, Code::kUnknownMemberId);
    EXPECT_TRUE(group_->empty());
}

// Whatever comes in whatever order: nobody has what another has, and once it is quiet all is handed out evenly.
TEST_F(ConsumerGroupTest, NoPartitionHasTwoReaders) {
    ForSeeds(100, [this](uint64_t seed) {
        SeededNumbers numbers(seed);
        MakeGroup();
        partitions_ = static_cast<int32_t>(1 + numbers.Below(12));
        std::vector<Client> clients;
        auto disjoint = [&] {
            std::set<int32_t> seen;
            for (Client& client : clients) {
                for (int32_t partition : client.has[kTopic]) ASSERT_TRUE(seen.insert(partition).second) << partition;
            }
        };
        for (int step = 0; step < 60; ++step) {
            uint64_t what = numbers.Below(10);
            if (clients.empty() || (what == 0 && clients.size() < 6)) {
                clients.push_back({.id = fmt::format("m{}", step)});
                ASSERT_EQ(Beat(clients.back()).error, Code::kNone);
            } else if (what == 1) {
                size_t which = numbers.Below(clients.size());
                ASSERT_EQ(Send({.member_id = clients[which].id, .epoch = -1}).error, Code::kNone);
                clients.erase(clients.begin() + static_cast<int64_t>(which));
            } else if (what == 2) {
                partitions_ += static_cast<int32_t>(numbers.Below(3));
            } else {
                ASSERT_EQ(Beat(clients[numbers.Below(clients.size())], numbers.Below(2) == 0).error, Code::kNone);
            }
            disjoint();
        }
        for (int round = 0; round < 6; ++round) {
            for (Client& client : clients) ASSERT_EQ(Beat(client).error, Code::kNone);
        }
        size_t total = 0;
        for (Client& client : clients) {
            total += Count(client);
            EXPECT_LE(Count(client), static_cast<size_t>(partitions_) / clients.size() + 1);
        }
        EXPECT_EQ(total, clients.empty() ? 0 : static_cast<size_t>(partitions_));
    });
}

}  // namespace
}  // namespace tarn::buffer
