// Administration: what is done to topics and groups and seen of them, whatever the protocol: Kafka's handlers and the
// HTTP operations both call this. Asks no gate and records nothing: its callers do. Internal to the component.
//
// Errors carry the name of Kafka's code where it has one (wire/kafka/errors.h).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ingestion/buffer/groups.h"
#include "ingestion/buffer/topic_store.h"

namespace tarn::buffer {

inline constexpr int kPartitionsAtOnceMax = 10'000;

// NOT_FOUND, by Kafka's name for it.
Result<std::shared_ptr<const Topic>> FindTopic(const TopicStore& topics, const std::string& name);
Result<std::shared_ptr<Partition>> FindPartition(const Topic& topic, int64_t index);
Status CheckPartitions(int partitions);
// `total` has to be more than there are. `validate_only`: says only whether it would be done.
Status AddPartitions(TopicStore& topics, const std::string& name, int total, bool validate_only);
// With the offsets that groups have of it.
Status DeleteTopic(TopicStore& topics, const std::string& name);
// Records before `before` are gone for readers; -1: all that is there. The first offset then.
Result<uint64_t> DeleteRecords(TopicStore& topics, const Topic& topic, int64_t partition, int64_t before);
// The settings that the topic would have after `change`, each of them checked.
Result<TopicSettings> ChangedSettings(const TopicStore& topics, const std::string& name,
                                      const std::function<Status(TopicSettings&)>& change);

// State "Dead": there is no such group.
GroupView ViewOf(const Groups& groups, const std::string& id);
// NON_EMPTY_GROUP, which says what to do.
Error HasMembers(const std::string& group);
// NON_EMPTY_GROUP while it has members, GROUP_ID_NOT_FOUND. Blocks.
Status DeleteGroup(TopicStore& topics, Groups& groups, const std::string& id);
// Puts a group's offsets elsewhere, which only one without members takes: members would go on from where they are.
Status SetOffsets(TopicStore& topics, Groups& groups, const std::string& id, const Offsets& offsets);

}  // namespace tarn::buffer
