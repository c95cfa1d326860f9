// Groups: all consumer groups and the offsets that they committed. Offsets live in the buffer's log: a commit counts
// once it is on the disk. Memberships live in memory: after a start every member joins again. Internal to the
// component.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "ingestion/buffer/consumer_group.h"
#include "ingestion/buffer/group.h"
#include "ingestion/buffer/topic_store.h"

namespace tarn::buffer {

struct CommittedOffset {
    int64_t offset = -1;
    int32_t leader_epoch = -1;
    std::string metadata;
    int64_t at_ms = 0;
};
using TopicPartition = std::pair<std::string, int32_t>;
using Offsets = std::map<TopicPartition, CommittedOffset>;
// As they stand in the log.
Json OffsetsJson(const Offsets& offsets);
void AddOffsets(const Json& list, Offsets& offsets);

class Groups final : public LogState {
  public:
    Groups(GroupConfig config, Env& env, Timers& timers) : config_(config), env_(env), timers_(timers) {}

    // A group has members of one protocol at a time: classic ones, or those of KIP-848.
    std::shared_ptr<Group> Find(const std::string& id) const;
    std::shared_ptr<ConsumerGroup> FindConsumer(const std::string& id) const;
    // kResourceExhausted beyond kGroupsMax; INCONSISTENT_GROUP_PROTOCOL and GROUP_ID_NOT_FOUND, as with Kafka, while it
    // has members of the other protocol.
    Result<std::shared_ptr<Group>> FindOrMake(const std::string& id);
    Result<std::shared_ptr<ConsumerGroup>> FindOrMakeConsumer(const std::string& id);
    // May this member commit offsets, or with `commit` false read them?
    kafka::KafkaError CheckOffsets(const std::string& id, const std::string& member_id,
                                   const std::optional<std::string>& instance_id, int32_t epoch, bool commit) const;
    bool HasMembers(const std::string& id) const;
    bool Knows(const std::string& id) const;
    // Of groups with members or offsets.
    std::vector<std::string> Ids() const;

    // The change that makes these offsets count: to be appended to the log.
    static Json CommitChange(const std::string& group, const Offsets& offsets);
    static Json ForgetChange(const std::string& group, const std::vector<TopicPartition>& of);
    static Json RemoveChange(const std::string& group);
    static Json RemoveTopicChange(const std::string& topic);
    Offsets OffsetsOf(const std::string& group) const;
    const ConsumerGroupConfig& consumer_config() const { return consumer_config_; }
    bool HasOffsets(const std::string& group) const;
    // What each group has committed of a topic.
    std::map<std::string, std::map<int32_t, CommittedOffset>> OffsetsOfTopic(const std::string& topic) const;
    // A group without members that is to be removed: nobody joins it from now on. False: it has members.
    bool Close(const std::string& id);

    void ApplyState(const Json& change) override;
    Json SaveState() const override;
    Status LoadState(const Json& saved) override;

  private:
    static constexpr size_t kGroupsMax = 100'000;
    const GroupConfig config_;
    const ConsumerGroupConfig consumer_config_;
    Env& env_;
    Timers& timers_;
    mutable std::shared_mutex mutex_;  // guards all below
    std::map<std::string, std::shared_ptr<Group>> groups_;  // shared with requests and timers under way
    std::map<std::string, std::shared_ptr<ConsumerGroup>> consumer_groups_;  // as above
    std::map<std::string, Offsets> offsets_;
};

}  // namespace tarn::buffer
