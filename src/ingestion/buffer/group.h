// Group: the members of one classic consumer group and their rebalances (Kafka's JoinGroup, SyncGroup, Heartbeat and
// LeaveGroup). Internal to the component.
//
// The leader, a member, hands out the work; the group only waits until all have come, hands the leader their metadata
// and all their assignments. Threads: any; one lock a group; answers are given without it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/env.h"
#include "ingestion/buffer/timers.h"
#include "wire/kafka/errors.h"

namespace tarn::buffer {

struct GroupConfig {
    Duration initial_delay = std::chrono::milliseconds(200);  // others may come at the same time
    Duration session_min = std::chrono::milliseconds(500);
    Duration session_max = std::chrono::minutes(30);
    int members_max = 10'000;
};

struct JoinRequest {
    std::string member_id;
    std::optional<std::string> instance_id;
    std::string client_id, client_host;
    std::string protocol_type;
    std::vector<std::pair<std::string, Bytes>> protocols;  // in the order of the member's preference
    Duration session_timeout{}, rebalance_timeout{};
    bool requires_known_id = false;  // the client is able to come again with the id that it is given
    bool may_skip_assignment = false;
};
struct JoinAnswer {
    kafka::KafkaError error = kafka::KafkaError::kNone;
    int32_t generation = -1;
    std::string protocol_type, protocol, leader, member_id;
    bool skip_assignment = false;
    struct Member {
        std::string id;
        std::optional<std::string> instance_id;
        Bytes metadata;
    };
    std::vector<Member> members;  // for the leader
};
struct SyncRequest {
    std::string member_id;
    std::optional<std::string> instance_id;
    int32_t generation = -1;
    std::optional<std::string> protocol_type, protocol;
    std::vector<std::pair<std::string, Bytes>> assignments;  // of the leader
};
struct SyncAnswer {
    kafka::KafkaError error = kafka::KafkaError::kNone;
    std::string protocol_type, protocol;
    Bytes assignment;
};

struct GroupMemberView {
    std::string id;
    std::optional<std::string> instance_id;
    std::string client_id, client_host;
    Bytes metadata, assignment;
};
struct GroupView {
    std::string state;  // as Kafka names it: "Empty", "PreparingRebalance", "CompletingRebalance", "Stable"
    std::string protocol_type, protocol;
    std::vector<GroupMemberView> members;
};

class Group : public std::enable_shared_from_this<Group> {
  public:
    Group(std::string id, const GroupConfig& config, Env& env, Timers& timers);

    using OnJoin = std::function<void(JoinAnswer)>;
    using OnSync = std::function<void(SyncAnswer)>;
    // `answer` is called once, at once or when the rebalance is through; from any thread.
    void Join(JoinRequest request, OnJoin answer);
    void Sync(SyncRequest request, OnSync answer);
    kafka::KafkaError Heartbeat(const std::string& member_id, const std::optional<std::string>& instance_id,
                                int32_t generation);
    // By member id, or by instance id where there is no member id.
    kafka::KafkaError Leave(const std::string& member_id, const std::optional<std::string>& instance_id);
    // May this member commit offsets? Of an empty group anybody may, without a generation.
    kafka::KafkaError CheckCommit(const std::string& member_id, const std::optional<std::string>& instance_id,
                                  int32_t generation);
    // And as part of a transaction? A producer that names no member may always.
    kafka::KafkaError CheckTransactionCommit(const std::string& member_id,
                                             const std::optional<std::string>& instance_id, int32_t generation);
    GroupView View() const;
    bool empty() const;
    // Nothing joins it any more. False: it has members.
    bool Close();

  private:
    enum class State : uint8_t { kEmpty, kPreparing, kCompleting, kStable, kDead };
    struct Member {
        std::string id;
        JoinRequest joined;
        Bytes assignment;
        OnJoin waiting_join;
        OnSync waiting_sync;
        Timers::Id session_timer = 0;
    };
    using Answers = std::vector<std::function<void()>>;  // to be called without the lock

    kafka::KafkaError Check(const std::string& member_id, const std::optional<std::string>& instance_id) const;
    bool FitsProtocols(const JoinRequest& request, const std::string& leaving) const;
    void JoinNew(JoinRequest request, OnJoin answer, Answers& answers);
    void JoinAgain(Member& member, JoinRequest request, OnJoin answer, Answers& answers);
    void ReplaceStatic(const std::string& old_id, JoinRequest request, OnJoin answer, Answers& answers);
    void AddMember(const std::string& id, JoinRequest request, OnJoin answer);
    void RemoveMember(const std::string& id, Answers& answers);
    void Prepare(Answers& answers);
    void CompleteIfAllCame(Answers& answers);
    void CompleteJoin(Answers& answers);
    JoinAnswer AnswerOf(const Member& member) const;
    std::string SelectProtocol() const;
    void FailSyncs(kafka::KafkaError error, Answers& answers);
    void StartSession(Member& member);
    void StartRebalanceTimer(Duration delay);
    void OnSessionEnd(const std::string& member_id);
    void OnRebalanceEnd(uint64_t round);
    std::string NewMemberId(const JoinRequest& request) const;
    const Bytes* MetadataOf(const Member& member) const;

    const std::string id_;
    const GroupConfig& config_;
    Env& env_;
    Timers& timers_;
    mutable std::mutex mutex_;  // guards all below
    State state_ = State::kEmpty;
    int32_t generation_ = 0;
    std::string protocol_type_, protocol_, leader_;
    std::map<std::string, Member> members_;
    std::map<std::string, std::string> static_members_;  // instance id -> member id
    std::map<std::string, Timers::Id> expected_;         // ids given out, whose owners haven't come yet
    Timers::Id rebalance_timer_ = 0;
    uint64_t round_ = 0;  // of rebalances: an old timer finds another number
    bool initial_ = false;  // the first rebalance of an empty group waits for others
};

}  // namespace tarn::buffer
