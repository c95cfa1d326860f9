// Groups of the newer protocol (KIP-848): ConsumerGroupHeartbeat, ConsumerGroupDescribe.
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/consumer_group_describe.h"
#include "wire/kafka/messages/consumer_group_heartbeat.h"

namespace tarn::buffer {
namespace {

constexpr int16_t kOwnIdsSince = 1;

ConsumerHeartbeat BeatOf(const ExchangePtr& exchange, const kafka::ConsumerGroupHeartbeatRequest& request) {
    ConsumerHeartbeat beat;
    beat.member_id = request.member_id;
    beat.epoch = request.member_epoch;
    beat.instance_id = request.instance_id;
    beat.rack_id = request.rack_id.value_or("");
    beat.client_id = exchange->client_id();
    beat.client_host = "/" + exchange->session().connection().remote().host;
    beat.rebalance_timeout = std::chrono::milliseconds(request.rebalance_timeout_ms);
    beat.topics = request.subscribed_topic_names;
    beat.assignor = request.server_assignor;
    beat.chooses_own_id = exchange->version() >= kOwnIdsSince;
    if (request.topic_partitions) {
        beat.owned.emplace();
        for (const auto& topic : *request.topic_partitions) {
            (*beat.owned)[topic.topic_id].insert(topic.partitions.begin(), topic.partitions.end());
        }
    }
    return beat;
}

ConsumerAnswer Beat(const ExchangePtr& exchange, const kafka::ConsumerGroupHeartbeatRequest& request) {
    Broker& broker = exchange->broker();
    if (request.group_id.empty()) return {.error = KafkaError::kInvalidGroupId, .message = "the group has no name"};
    if (request.subscribed_topic_regex && !request.subscribed_topic_regex->empty()) {
        return {.error = KafkaError::kInvalidRegularExpression,
                .message = "subscriptions by regular expression need group.protocol=classic"};
    }
    for (const std::string& topic : request.subscribed_topic_names.value_or(std::vector<std::string>())) {
        if (exchange->May("topic:Describe", "topic", topic)) continue;
        return {.error = KafkaError::kTopicAuthorizationFailed, .message = "you may not see topic " + topic};
    }
    auto group = broker.groups.FindOrMakeConsumer(request.group_id);
    if (!group.ok()) return {.error = kafka::KafkaErrorOf(group.error()), .message = group.error().message()};
    return (*group)->Heartbeat(BeatOf(exchange, request), [&](const std::string& name) -> std::optional<TopicSize> {
        auto topic = broker.topics.Find(name);
        if (!topic) return std::nullopt;
        return TopicSize{topic->id, static_cast<int32_t>(topic->partitions.size())};
    });
}

template <typename Assignment>
Assignment AssignmentOf(const Share& share, const std::map<TopicId, std::string>& names) {
    Assignment assignment;
    for (const auto& [topic, partitions] : share) {
        auto& into = assignment.topic_partitions.emplace_back();
        into.topic_id = topic;
        auto name = names.find(topic);
        if (name != names.end()) into.topic_name = name->second;
        into.partitions.assign(partitions.begin(), partitions.end());
    }
    return assignment;
}

void Describe(const ConsumerGroup& group, kafka::ConsumerGroupDescribeResponseGroup& into) {
    ConsumerGroupView view = group.View();
    into.group_state = view.state;
    into.group_epoch = view.epoch;
    into.assignment_epoch = view.assignment_epoch;
    into.assignor_name = view.assignor;
    for (const ConsumerMemberView& member : view.members) {
        auto& one = into.members.emplace_back();
        one.member_id = member.id;
        one.instance_id = member.instance_id;
        if (!member.rack_id.empty()) one.rack_id = member.rack_id;
        one.member_epoch = member.epoch;
        one.client_id = member.client_id;
        one.client_host = member.client_host;
        one.subscribed_topic_names = member.topics;
        one.assignment = AssignmentOf<decltype(one.assignment)>(member.share, view.topic_names);
        one.target_assignment = AssignmentOf<decltype(one.target_assignment)>(member.target, view.topic_names);
        one.member_type = 1;
    }
}

}  // namespace

void HandleConsumerGroupHeartbeat(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::ConsumerGroupHeartbeatRequest>();
    if (!request) return;
    std::vector<std::string> names = {request->group_id};  // before the request moves on
    exchange->WithAccess("group", names, [exchange, request = *std::move(request)](const std::vector<bool>& allowed) {
        ConsumerAnswer beaten = allowed[0] ? Beat(exchange, request)
                                           : ConsumerAnswer{.error = KafkaError::kGroupAuthorizationFailed,
                                                            .message = "you may not be a member of this group"};
        kafka::ConsumerGroupHeartbeatResponse answer;
        answer.error_code = CodeOf(beaten.error);
        if (!beaten.message.empty()) answer.error_message = beaten.message;
        answer.member_epoch = beaten.epoch;
        if (beaten.error == KafkaError::kNone) answer.member_id = beaten.member_id;
        answer.heartbeat_interval_ms = static_cast<int32_t>(
            std::chrono::milliseconds(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          exchange->broker().groups.consumer_config().heartbeat_interval))
                .count());
        if (beaten.share) {
            answer.assignment.emplace();
            for (const auto& [topic, partitions] : *beaten.share) {
                answer.assignment->topic_partitions.push_back(
                    {topic, std::vector<int32_t>(partitions.begin(), partitions.end())});
            }
        }
        exchange->Count("group", request.group_id, 0, 0);
        exchange->Answer(answer);
    });
}

void HandleConsumerGroupDescribe(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::ConsumerGroupDescribeRequest>();
    if (!request) return;
    std::vector<std::string> names = request->group_ids;
    exchange->WithAccess("group", names, [exchange, names](const std::vector<bool>& allowed) {
        kafka::ConsumerGroupDescribeResponse answer;
        for (size_t index = 0; index < names.size(); ++index) {
            auto& into = answer.groups.emplace_back();
            into.group_id = names[index];
            exchange->Count("group", names[index], 0, 0);
            auto group = exchange->broker().groups.FindConsumer(names[index]);
            if (!allowed[index]) {
                into.error_code = CodeOf(KafkaError::kGroupAuthorizationFailed);
            } else if (!group) {
                into.error_code = CodeOf(KafkaError::kGroupIdNotFound);
                into.error_message = "there is no such group with group.protocol=consumer";
            } else {
                Describe(*group, into);
            }
        }
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer
