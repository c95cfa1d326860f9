// Metadata: the broker, the topics, who leads what (always Tarn).
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/metadata.h"

namespace tarn::buffer {
namespace {

void Describe(const Topic& topic, kafka::MetadataResponseTopic& into) {
    into.name = topic.name;
    into.topic_id = topic.id;
    for (size_t index = 0; index < topic.partitions.size(); ++index) {
        auto& part = into.partitions.emplace_back();
        part.partition_index = static_cast<int32_t>(index);
        part.leader_id = kBrokerId;
        part.leader_epoch = kLeaderEpoch;
        part.replica_nodes = {kBrokerId};
        part.isr_nodes = {kBrokerId};
    }
}

// A topic that isn't there is made for who asked by its name, may make it, and did not say otherwise. That is a call of
// its own, as if CreateTopics had been asked.
std::shared_ptr<const Topic> MakeAskedFor(const ExchangePtr& exchange, const std::string& name, KafkaError& error) {
    Broker& broker = exchange->broker();
    if (!exchange->May("topic:Create", "topic", name)) return nullptr;
    Status made = exchange->RunAs(kafka::ApiKey::kCreateTopics, "topic", name, [&](security::Call& call) -> Status {
        call.details["asked_by"] = "Metadata";
        call.details["partitions"] = broker.config.partitions;
        TRY(broker.topics.CreateTopic(name, broker.config.partitions, {}));
        return Ok();
    });
    // Another client may have been quicker.
    if (made.ok() || made.error().code() == ErrorCode::kAlreadyExists) return broker.topics.Find(name);
    bool name_is_bad = made.error().code() == ErrorCode::kInvalidArgument;
    error = name_is_bad ? KafkaError::kInvalidTopicException : KafkaError::kKafkaStorageError;
    return nullptr;
}

void DescribeAsked(const ExchangePtr& exchange, const kafka::MetadataRequest& request,
                   const kafka::MetadataRequestTopic& wanted, kafka::MetadataResponseTopic& into) {
    Broker& broker = exchange->broker();
    into.name = wanted.name;
    into.topic_id = wanted.topic_id;
    auto topic = wanted.name ? broker.topics.Find(*wanted.name) : broker.topics.Find(wanted.topic_id);
    std::string name = wanted.name ? *wanted.name : topic ? topic->name : "";
    KafkaError error = wanted.name ? KafkaError::kUnknownTopicOrPartition : KafkaError::kUnknownTopicId;
    // Who may not know of a topic is not told that it is there, or isn't (as Kafka does it).
    if (wanted.name && !exchange->May("topic:Describe", "topic", name)) {
        into.error_code = CodeOf(KafkaError::kTopicAuthorizationFailed);
        return;
    }
    if (topic && !exchange->May("topic:Describe", "topic", name)) topic = nullptr;
    bool make = !topic && wanted.name && request.allow_auto_topic_creation && broker.config.create_topics;
    if (make) topic = MakeAskedFor(exchange, name, error);
    if (topic) return Describe(*topic, into);
    into.error_code = CodeOf(error);
}

}  // namespace

void HandleMetadata(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::MetadataRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        Broker& broker = exchange->broker();
        kafka::MetadataResponse answer;
        answer.brokers.push_back({kBrokerId, broker.advertised.host, broker.advertised.port, std::nullopt});
        answer.cluster_id = Base64UrlEncode(broker.topics.cluster_id());
        answer.controller_id = kBrokerId;
        bool all = !request.topics || (exchange->version() == 0 && request.topics->empty());
        Status done = exchange->Run("topic", "*", [&](security::Call& call) {
            if (all) {
                for (const auto& topic : broker.topics.All()) {
                    if (!exchange->May("topic:Describe", "topic", topic->name)) continue;
                    Describe(*topic, answer.topics.emplace_back());
                }
            } else {
                for (const auto& wanted : *request.topics) {
                    DescribeAsked(exchange, request, wanted, answer.topics.emplace_back());
                }
            }
            call.rows = static_cast<int64_t>(answer.topics.size());
            return Ok();
        });
        if (!done.ok()) return exchange->Break(done.error());
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer
