#include "ingestion/buffer/group.h"

#include <gtest/gtest.h>

#include <future>

namespace tarn::buffer {
namespace {

using Code = kafka::KafkaError;
using std::chrono::milliseconds;

// A member as a client would be it: one join and one sync at a time.
struct Client {
    std::string id;
    int32_t generation = -1;
    std::string leader;
    std::vector<JoinAnswer::Member> members;
};

class GroupTest : public testing::Test {
  protected:
    using Joining = std::future<JoinAnswer>;
    Joining Join(const Client& client, std::optional<std::string> instance = std::nullopt, bool new_client = true,
                 std::vector<std::string> protocols = {"range"}) {
        JoinRequest request;
        request.member_id = client.id;
        request.instance_id = std::move(instance);
        request.client_id = "c";
        request.protocol_type = "consumer";
        for (const std::string& name : protocols) request.protocols.emplace_back(name, Bytes{1, 2});
        request.session_timeout = session_;
        request.rebalance_timeout = rebalance_;
        request.requires_known_id = new_client;
        request.may_skip_assignment = new_client;
        auto promise = std::make_shared<std::promise<JoinAnswer>>();  // shared, as the answer may come late
        group_->Join(std::move(request), [promise](JoinAnswer answer) { promise->set_value(std::move(answer)); });
        return promise->get_future();
    }
    // The first join of a new client, which is told its id and comes again with it.
    Joining Enter(Client& client) {
        JoinAnswer told = Get(Join(client));
        EXPECT_EQ(told.error, Code::kMemberIdRequired);
        client.id = told.member_id;
        return Join(client);
    }
    static JoinAnswer Get(Joining joining) {
        bool came = joining.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
        EXPECT_TRUE(came) << "no answer to a join";
        return came ? joining.get() : JoinAnswer{.error = Code::kUnknownServerError};
    }
    void Take(Client& client, Joining joining) {
        JoinAnswer answer = Get(std::move(joining));
        EXPECT_EQ(answer.error, Code::kNone);
        client.generation = answer.generation;
        client.leader = answer.leader;
        client.members = answer.members;
    }
    std::future<SyncAnswer> Sync(const Client& client, std::vector<std::pair<std::string, Bytes>> assignments = {}) {
        SyncRequest request;
        request.member_id = client.id;
        request.generation = client.generation;
        request.assignments = std::move(assignments);
        auto promise = std::make_shared<std::promise<SyncAnswer>>();
        group_->Sync(std::move(request), [promise](SyncAnswer answer) { promise->set_value(std::move(answer)); });
        return promise->get_future();
    }
    Code Beat(const Client& client) { return group_->Heartbeat(client.id, std::nullopt, client.generation); }
    // Both in one stable generation; `a` leads.
    void MakeStable(Client& a, Client& b) {
        auto first = Enter(a);
        auto second = Enter(b);
        Take(a, std::move(first));
        Take(b, std::move(second));
        if (a.leader != a.id) std::swap(a, b);
        auto follower = Sync(b);
        EXPECT_EQ(Sync(a, {{a.id, {10}}, {b.id, {20}}}).get().assignment, Bytes{10});
        EXPECT_EQ(follower.get().assignment, Bytes{20});
    }

    GroupConfig config_{.initial_delay = milliseconds(50), .session_min = milliseconds(10)};
    Duration session_ = std::chrono::seconds(20), rebalance_ = std::chrono::seconds(20);
    Timers timers_{SystemEnv().clock()};
    std::shared_ptr<Group> group_ = std::make_shared<Group>("g", config_, SystemEnv(), timers_);
};

TEST_F(GroupTest, TheLeaderAssignsAndAllAreTold) {
    Client a, b;
    MakeStable(a, b);
    EXPECT_EQ(a.members.size(), 2U);
    EXPECT_TRUE(b.members.empty()) << "only the leader is told who the members are";
    EXPECT_EQ(a.generation, b.generation);
    EXPECT_EQ(group_->View().state, "Stable");
    EXPECT_EQ(group_->View().protocol, "range");
    EXPECT_EQ(Beat(a), Code::kNone);
    EXPECT_EQ(group_->Heartbeat(a.id, std::nullopt, a.generation - 1), Code::kIllegalGeneration);
    EXPECT_EQ(group_->Heartbeat("nobody", std::nullopt, a.generation), Code::kUnknownMemberId);
    EXPECT_EQ(Sync(a).get().assignment, Bytes{10}) << "a lost answer is given again";
}

TEST_F(GroupTest, ANewMemberMakesTheOthersJoinAgain) {
    Client a, b, c;
    MakeStable(a, b);
    auto joining = Enter(c);
    EXPECT_EQ(Beat(a), Code::kRebalanceInProgress);
    EXPECT_EQ(Sync(a).get().error, Code::kRebalanceInProgress);
    auto of_a = Join(a), of_b = Join(b);
    int32_t before = a.generation;
    Take(a, std::move(of_a));
    Take(b, std::move(of_b));
    Take(c, std::move(joining));
    EXPECT_EQ(a.generation, before + 1);
    EXPECT_EQ(c.generation, a.generation);
    EXPECT_EQ(a.leader, a.id) << "the leader stays";
    EXPECT_EQ(a.members.size(), 3U);
}

TEST_F(GroupTest, WhoDoesNotComeAgainIsNoMemberAnyMore) {
    rebalance_ = milliseconds(300);
    Client a, b, c;
    MakeStable(a, b);
    auto joining = Enter(c);
    Take(a, Join(a));
    Take(c, std::move(joining));
    EXPECT_EQ(a.members.size(), 2U);
    EXPECT_EQ(Beat(b), Code::kUnknownMemberId);
}

TEST_F(GroupTest, ASilentMemberEnds) {
    Client a, b;
    session_ = milliseconds(400);
    MakeStable(a, b);
    Code code = Code::kNone;
    for (int i = 0; i < 100 && code == Code::kNone; ++i) {
        SystemEnv().clock().Sleep(milliseconds(50));
        code = Beat(a);
    }
    EXPECT_EQ(code, Code::kRebalanceInProgress);
    Take(a, Join(a));
    EXPECT_EQ(a.members.size(), 1U);
}

TEST_F(GroupTest, LeavingIsAtOnce) {
    Client a, b;
    MakeStable(a, b);
    EXPECT_EQ(group_->Leave(b.id, std::nullopt), Code::kNone);
    EXPECT_EQ(Beat(a), Code::kRebalanceInProgress);
    EXPECT_EQ(group_->Leave(b.id, std::nullopt), Code::kUnknownMemberId);
    EXPECT_EQ(group_->Leave(a.id, std::nullopt), Code::kNone);
    EXPECT_EQ(group_->View().state, "Empty");
    EXPECT_TRUE(group_->Close());
    EXPECT_EQ(Get(Join(a)).error, Code::kCoordinatorNotAvailable);
}

TEST_F(GroupTest, OldClientsAreMembersByTheirFirstJoin) {
    Client old;
    JoinAnswer answer = Get(Join(old, std::nullopt, false));
    EXPECT_EQ(answer.error, Code::kNone);
    EXPECT_EQ(answer.leader, answer.member_id);
}

TEST_F(GroupTest, AStaticMemberComesBackWithoutARebalance) {
    Client a, b;
    JoinAnswer first = Get(Join(a, "one"));
    a.id = first.member_id;
    a.generation = first.generation;
    EXPECT_EQ(Sync(a, {{a.id, {7}}}).get().assignment, Bytes{7});
    JoinAnswer again = Get(Join(b, "one"));  // the same instance, started anew
    EXPECT_EQ(again.error, Code::kNone);
    EXPECT_EQ(again.generation, a.generation);
    EXPECT_NE(again.member_id, a.id);
    EXPECT_TRUE(again.skip_assignment) << "it leads, and need not assign anew";
    b.id = again.member_id;
    b.generation = again.generation;
    EXPECT_EQ(Sync(b).get().assignment, Bytes{7});
    EXPECT_EQ(group_->Heartbeat(a.id, "one", a.generation), Code::kFencedInstanceId);
    EXPECT_EQ(group_->CheckCommit(a.id, "one", a.generation), Code::kFencedInstanceId);
}

TEST_F(GroupTest, OnlyWithAProtocolInCommon) {
    Client a, b;
    auto joining = Join(a, std::nullopt, false, {"range", "sticky"});
    EXPECT_EQ(Get(Join(b, std::nullopt, false, {"other"})).error, Code::kInconsistentGroupProtocol);
    auto second = Join(b, std::nullopt, false, {"sticky"});
    EXPECT_EQ(Get(std::move(joining)).protocol, "sticky");
    EXPECT_EQ(Get(std::move(second)).protocol, "sticky");
    session_ = std::chrono::hours(2);
    EXPECT_EQ(Get(Join(b)).error, Code::kInvalidSessionTimeout);
}

TEST_F(GroupTest, OffsetsAreCommittedByMembersOrByAnybodyOfAnEmptyGroup) {
    EXPECT_EQ(group_->CheckCommit("", std::nullopt, -1), Code::kNone);
    Client a, b;
    MakeStable(a, b);
    EXPECT_EQ(group_->CheckCommit("", std::nullopt, -1), Code::kUnknownMemberId);
    EXPECT_EQ(group_->CheckCommit(a.id, std::nullopt, a.generation), Code::kNone);
    EXPECT_EQ(group_->CheckCommit(a.id, std::nullopt, a.generation + 1), Code::kIllegalGeneration);
}

}  // namespace
}  // namespace tarn::buffer
