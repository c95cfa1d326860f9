#include "ingestion/buffer/administration.h"

#include "wire/kafka/consumer_protocol.h"
#include "wire/kafka/errors.h"

namespace tarn::buffer {

using kafka::KafkaError;
using kafka::MakeError;

Result<std::shared_ptr<const Topic>> FindTopic(const TopicStore& topics, const std::string& name) {
    auto topic = topics.Find(name);
    if (topic) return topic;
    return MakeError(KafkaError::kUnknownTopicOrPartition, fmt::format("there is no topic {}", name));
}

Result<std::shared_ptr<Partition>> FindPartition(const Topic& topic, int64_t index) {
    if (index >= 0 && static_cast<size_t>(index) < topic.partitions.size()) {
        return topic.partitions[static_cast<size_t>(index)];
    }
    return MakeError(KafkaError::kUnknownTopicOrPartition, fmt::format("topic {} has the partitions 0 to {}, not {}",
                                                                       topic.name, topic.partitions.size() - 1, index));
}

Status CheckPartitions(int partitions) {
    if (partitions >= 1 && partitions <= kPartitionsAtOnceMax) return Ok();
    return MakeError(KafkaError::kInvalidPartitions,
                     fmt::format("a topic has 1 to {} partitions", kPartitionsAtOnceMax));
}

Status AddPartitions(TopicStore& topics, const std::string& name, int total, bool validate_only) {
    auto topic = TRY(FindTopic(topics, name));
    auto had = static_cast<int>(topic->partitions.size());
    if (total <= had || total > kPartitionsAtOnceMax) {
        return MakeError(KafkaError::kInvalidPartitions, fmt::format("topic {} has {} partitions; it can get up to {}",
                                                                     name, had, kPartitionsAtOnceMax));
    }
    return validate_only ? Ok() : topics.AddPartitions(name, total);
}

Status DeleteTopic(TopicStore& topics, const std::string& name) {
    TRY(topics.DeleteTopic(name));
    // Its groups' offsets are of nothing now. Should this get lost, they are passed over.
    return topics.AppendState(Groups::RemoveTopicChange(name), nullptr);
}

Result<uint64_t> DeleteRecords(TopicStore& topics, const Topic& topic, int64_t partition, int64_t before) {
    if (!topic.Has("delete")) {
        return MakeError(KafkaError::kPolicyViolation, "records of a topic that is only compacted can't be deleted so");
    }
    auto found = TRY(FindPartition(topic, partition));
    PartitionOffsets offsets = found->Offsets();
    auto end = static_cast<int64_t>(offsets.durable_end);
    int64_t to = before == -1 ? end : before;
    if (to < 0 || to > end) {
        return MakeError(KafkaError::kOffsetOutOfRange,
                         fmt::format("{}-{} ends at {}, which is before {}", topic.name, partition, end, to));
    }
    TRY(topics.MoveStart(*found, static_cast<uint64_t>(to)));
    return found->Offsets().start;
}

Result<TopicSettings> ChangedSettings(const TopicStore& topics, const std::string& name,
                                      const std::function<Status(TopicSettings&)>& change) {
    TopicSettings settings = TRY(FindTopic(topics, name))->settings;
    TRY(change(settings));
    for (const auto& [key, value] : settings) TRY(CheckSetting(key, value));
    return settings;
}

namespace {

// A group of the newer protocol, its shares in the words of the older.
GroupView ViewOf(const ConsumerGroup& group) {
    ConsumerGroupView view = group.View();
    GroupView shown{view.state, "consumer", view.assignor, {}};
    for (const ConsumerMemberView& member : view.members) {
        kafka::ConsumerProtocolAssignment assignment;
        for (const auto& [topic, partitions] : member.share) {
            assignment.assigned_partitions.push_back(
                {view.topic_names[topic], std::vector<int32_t>(partitions.begin(), partitions.end())});
        }
        Result<Bytes> encoded = kafka::EncodeAssignment(assignment, 0);
        shown.members.push_back({member.id,
                                 member.instance_id,
                                 member.client_id,
                                 member.client_host,
                                 {},
                                 encoded.ok() ? *std::move(encoded) : Bytes()});
    }
    return shown;
}

}  // namespace

GroupView ViewOf(const Groups& groups, const std::string& id) {
    if (auto consumers = groups.FindConsumer(id); consumers && !consumers->empty()) return ViewOf(*consumers);
    if (auto group = groups.Find(id)) return group->View();
    return {groups.HasOffsets(id) ? "Empty" : "Dead", "", "", {}};
}

Error HasMembers(const std::string& group) {
    return MakeError(KafkaError::kNonEmptyGroup, fmt::format("group {} has members", group))
        .WithHint("stop its consumers first: members go on from where they are");
}

Status DeleteGroup(TopicStore& topics, Groups& groups, const std::string& id) {
    if (!groups.Knows(id)) return MakeError(KafkaError::kGroupIdNotFound, fmt::format("there is no group {}", id));
    if (!groups.Close(id)) return HasMembers(id);
    return topics.AppendStateAndWait(Groups::RemoveChange(id));
}

Status SetOffsets(TopicStore& topics, Groups& groups, const std::string& id, const Offsets& offsets) {
    if (groups.CheckOffsets(id, "", std::nullopt, -1, true) != KafkaError::kNone) return HasMembers(id);
    return topics.AppendStateAndWait(Groups::CommitChange(id, offsets));
}

}  // namespace tarn::buffer
