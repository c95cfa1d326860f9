// ConsumerGroup: the members of one group of the newer protocol (KIP-848): the broker hands out the work, and each
// member moves to it by itself, letting go of what others are to have first. Internal to the component.
//
// A change of members, of what they want or of topics raises the group's epoch and makes a new target. A member reaches
// the target's epoch once it let go of what is no longer its; it gets a partition when its former owner has let it go.
// Threads: any; one lock a group.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "ingestion/buffer/assignor.h"
#include "ingestion/buffer/group.h"
#include "ingestion/buffer/timers.h"
#include "wire/kafka/errors.h"

namespace tarn::buffer {

struct ConsumerGroupConfig {
    Duration heartbeat_interval = std::chrono::seconds(5);
    Duration session_timeout = std::chrono::seconds(45);
    int members_max = 10'000;
};

struct TopicSize {
    std::array<uint8_t, 16> id{};
    int32_t partitions = 0;
    auto operator<=>(const TopicSize&) const = default;
};
// Of a topic that is there; which it is not for who may not see it.
using SizeOf = std::function<std::optional<TopicSize>(const std::string& topic)>;

struct ConsumerHeartbeat {
    std::string member_id;
    int32_t epoch = 0;  // 0: joins, -1: leaves, -2: leaves for a while
    std::optional<std::string> instance_id;
    std::string rack_id, client_id, client_host;
    Duration rebalance_timeout{-1};
    std::optional<std::vector<std::string>> topics;
    std::optional<std::string> assignor;
    std::optional<Share> owned;
    bool chooses_own_id = false;  // since version 1 the member does
};
struct ConsumerAnswer {
    kafka::KafkaError error = kafka::KafkaError::kNone;
    std::string message;
    std::string member_id;
    int32_t epoch = 0;
    std::optional<Share> share;  // none: as before
};

struct ConsumerMemberView {
    std::string id;
    std::optional<std::string> instance_id;
    std::string rack_id, client_id, client_host;
    int32_t epoch = 0;
    std::vector<std::string> topics;
    Share share, target;
};
struct ConsumerGroupView {
    std::string state;  // as Kafka names it: "Empty", "Assigning", "Reconciling", "Stable"
    int32_t epoch = 0, assignment_epoch = 0;
    std::string assignor;
    std::vector<ConsumerMemberView> members;
    std::map<std::array<uint8_t, 16>, std::string> topic_names;
};

class ConsumerGroup : public std::enable_shared_from_this<ConsumerGroup> {
  public:
    ConsumerGroup(std::string id, const ConsumerGroupConfig& config, Env& env, Timers& timers)
        : id_(std::move(id)), config_(config), env_(env), timers_(timers) {}

    ConsumerAnswer Heartbeat(const ConsumerHeartbeat& beat, const SizeOf& size_of);
    // May this member use offsets? Without a member id: of an empty group, or only to read.
    kafka::KafkaError CheckOffsets(const std::string& member_id, int32_t epoch, bool commit) const;
    ConsumerGroupView View() const;
    bool empty() const;
    // Nothing joins it any more. False: it has members.
    bool Close();

  private:
    // What a member still has to do to reach its target.
    enum class State : uint8_t { kStable, kLettingGo, kWaiting };
    struct Member {
        std::string id;
        std::optional<std::string> instance_id;
        std::string rack_id, client_id, client_host;
        int32_t epoch = 0, previous_epoch = -1;
        Duration rebalance_timeout{0};
        std::vector<std::string> topics;
        std::string assignor;
        Share share;  // what it may read
        Share letting_go;  // what it was told to give back and hasn't yet
        Share target;
        State state = State::kStable;
        bool away = false;  // static, left for a while
        Timers::Id session_timer = 0, letting_go_timer = 0;
        Duration session_until{0}, letting_go_until{0};
    };

    ConsumerAnswer Join(const ConsumerHeartbeat& beat);
    ConsumerAnswer Leave(const ConsumerHeartbeat& beat);
    std::optional<ConsumerAnswer> CheckEpoch(const Member& member, const ConsumerHeartbeat& beat) const;
    Member& AddMember(const ConsumerHeartbeat& beat);
    Member& TakeOver(const std::string& old_id, const ConsumerHeartbeat& beat);
    void Remove(const std::string& member_id);
    bool Update(Member& member, const ConsumerHeartbeat& beat);
    void NoteTopics();
    bool NoteSizes(const SizeOf& size_of);
    void NewTarget();
    std::string AssignorName() const;
    void Reconcile(Member& member, const std::optional<Share>& owned);
    bool IsFree(const std::array<uint8_t, 16>& topic, int32_t partition, const Member& for_member) const;
    void StartSession(Member& member);
    void StartLettingGo(Member& member);
    void OnTimeout(const std::string& member_id, bool letting_go);

    const std::string id_;
    const ConsumerGroupConfig& config_;
    Env& env_;
    Timers& timers_;
    mutable std::mutex mutex_;  // guards all below
    bool closed_ = false;
    int32_t epoch_ = 0, target_epoch_ = 0;
    std::map<std::string, Member> members_;
    std::map<std::string, std::string> static_members_;  // instance id -> member id
    std::set<std::string> topics_;  // that members want
    std::map<std::string, TopicSize> sizes_;  // of those of them that are there
    std::map<std::pair<std::array<uint8_t, 16>, int32_t>, std::string> owners_;  // who may read it or hasn't let it go
};

}  // namespace tarn::buffer
