// The offsets that groups commit: OffsetCommit, OffsetFetch.
#include <set>

#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/offset_commit.h"
#include "wire/kafka/messages/offset_fetch.h"

namespace tarn::buffer {

void HandleOffsetCommit(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::OffsetCommitRequest>();
    if (!request) return;
    std::vector<std::string> names = {request->group_id};  // before the request moves on
    exchange->WithAccess("group", names, [exchange, request = *std::move(request)](const std::vector<bool>& allowed) {
        Broker& broker = exchange->broker();
        KafkaError error = KafkaError::kNone;
        if (!allowed[0]) {
            error = KafkaError::kGroupAuthorizationFailed;
        } else if (request.group_id.empty()) {
            error = KafkaError::kInvalidGroupId;
        } else {
            error = broker.groups.CheckOffsets(request.group_id, request.member_id, request.group_instance_id,
                                               request.generation_id_or_member_epoch, true);
        }
        auto answer = std::make_shared<kafka::OffsetCommitResponse>();
        Offsets offsets;
        int64_t now_ms = ToMillis(broker.env.clock().Now());
        for (const auto& topic : request.topics) {
            auto& into = answer->topics.emplace_back();
            into.name = topic.name;
            into.topic_id = topic.topic_id;
            auto known = broker.topics.Find(topic.name);
            bool may = exchange->May("topic:Read", "topic", topic.name);
            for (const auto& part : topic.partitions) {
                KafkaError one = error;
                size_t partitions = known ? known->partitions.size() : 0;
                bool exists = part.partition_index >= 0 && static_cast<size_t>(part.partition_index) < partitions;
                const std::string metadata = part.committed_metadata.value_or("");
                if (one == KafkaError::kNone && !may) one = KafkaError::kTopicAuthorizationFailed;
                if (one == KafkaError::kNone && !exists) one = KafkaError::kUnknownTopicOrPartition;
                if (one == KafkaError::kNone && metadata.size() > kMetadataBytesMax) {
                    one = KafkaError::kOffsetMetadataTooLarge;
                }
                into.partitions.push_back({part.partition_index, CodeOf(one)});
                if (one != KafkaError::kNone) continue;
                offsets[{topic.name, part.partition_index}] = {part.committed_offset, part.committed_leader_epoch,
                                                               metadata, now_ms};
            }
        }
        exchange->Count("group", request.group_id, static_cast<int64_t>(offsets.size()), 0);
        if (offsets.empty()) return exchange->Answer(*answer);
        auto fail = [answer] {
            for (auto& topic : answer->topics) {
                for (auto& part : topic.partitions) {
                    if (part.error_code == 0) part.error_code = CodeOf(KafkaError::kCoordinatorNotAvailable);
                }
            }
        };
        Status queued = broker.topics.AppendState(Groups::CommitChange(request.group_id, offsets),
                                                  [exchange, answer, fail](const Status& done) {
                                                      if (!done.ok()) fail();
                                                      exchange->Answer(*answer);
                                                  });
        if (queued.ok()) return;
        fail();
        exchange->Answer(*answer);
    });
}

namespace {

struct Known {
    std::set<TopicPartition> unstable;  // an open transaction may change them, and who asks wants to wait for that
    Offsets offsets;
};

Known KnownOf(Broker& broker, const std::string& group, bool stable) {
    Known known;
    if (stable) known.unstable = broker.transactions.Unstable(group);
    known.offsets = broker.groups.OffsetsOf(group);
    return known;
}

// `topic` null: all that the group has, of topics that the principal may read.
template <typename TopicOut, typename PartitionOut>
void FillOffsets(const ExchangePtr& exchange, const Known& known, const std::string* topic,
                 const std::vector<int32_t>& partitions, std::vector<TopicOut>& into) {
    const Offsets& offsets = known.offsets;
    auto put = [&](TopicOut& to, int32_t partition, const CommittedOffset& found, KafkaError error) {
        bool open = error == KafkaError::kNone && known.unstable.contains({to.name, partition});
        const CommittedOffset& one = open ? CommittedOffset() : found;
        if (open) error = KafkaError::kUnstableOffsetCommit;
        PartitionOut& out = to.partitions.emplace_back();
        out.partition_index = partition;
        out.committed_offset = one.offset;
        out.committed_leader_epoch = one.leader_epoch;
        out.metadata = one.metadata;
        out.error_code = CodeOf(error);
    };
    if (topic) {
        TopicOut& to = into.emplace_back();
        to.name = *topic;
        bool may = exchange->May("topic:Describe", "topic", *topic);
        for (int32_t partition : partitions) {
            auto found = offsets.find({*topic, partition});
            bool has = may && found != offsets.end();
            put(to, partition, has ? found->second : CommittedOffset(),
                may ? KafkaError::kNone : KafkaError::kTopicAuthorizationFailed);
        }
        return;
    }
    for (const auto& [of, one] : offsets) {
        if (!exchange->May("topic:Describe", "topic", of.first)) continue;
        if (into.empty() || into.back().name != of.first) into.emplace_back().name = of.first;
        put(into.back(), of.second, one, KafkaError::kNone);
    }
}

}  // namespace

void HandleOffsetFetch(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::OffsetFetchRequest>();
    if (!request) return;
    bool many = exchange->version() >= 8;
    std::vector<std::string> names;
    if (many) {
        for (const auto& group : request->groups) names.push_back(group.group_id);
    } else {
        names.push_back(request->group_id);
    }
    exchange->WithAccess(
        "group", names, [exchange, many, names, request = *std::move(request)](const std::vector<bool>& allowed) {
            kafka::OffsetFetchResponse answer;
            for (size_t index = 0; index < names.size(); ++index) {
                Known offsets = KnownOf(exchange->broker(), names[index], request.require_stable);
                exchange->Count("group", names[index], 0, 0);
                KafkaError error = allowed[index] ? KafkaError::kNone : KafkaError::kGroupAuthorizationFailed;
                if (!many) {
                    answer.error_code = CodeOf(error);
                    if (!allowed[index]) break;
                    if (!request.topics) {
                        FillOffsets<kafka::OffsetFetchResponseTopic, kafka::OffsetFetchResponsePartition>(
                            exchange, offsets, nullptr, {}, answer.topics);
                        break;
                    }
                    for (const auto& topic : *request.topics) {
                        FillOffsets<kafka::OffsetFetchResponseTopic, kafka::OffsetFetchResponsePartition>(
                            exchange, offsets, &topic.name, topic.partition_indexes, answer.topics);
                    }
                    break;
                }
                auto& group = answer.groups.emplace_back();
                group.group_id = names[index];
                const auto& wanted = request.groups[index];
                if (error == KafkaError::kNone) {
                    error = exchange->broker().groups.CheckOffsets(names[index], wanted.member_id.value_or(""),
                                                                   std::nullopt, wanted.member_epoch, false);
                }
                group.error_code = CodeOf(error);
                if (error != KafkaError::kNone) continue;
                const auto& topics = request.groups[index].topics;
                if (!topics) {
                    FillOffsets<kafka::OffsetFetchResponseGroupTopic, kafka::OffsetFetchResponseGroupPartition>(
                        exchange, offsets, nullptr, {}, group.topics);
                    continue;
                }
                for (const auto& topic : *topics) {
                    FillOffsets<kafka::OffsetFetchResponseGroupTopic, kafka::OffsetFetchResponseGroupPartition>(
                        exchange, offsets, &topic.name, topic.partition_indexes, group.topics);
                }
            }
            exchange->Answer(answer);
        });
}

}  // namespace tarn::buffer
