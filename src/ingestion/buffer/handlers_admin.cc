// Making and removing topics: CreateTopics, DeleteTopics, CreatePartitions, DeleteRecords; DescribeLogDirs. Each topic
// is a call of its own: asked of the gate, recorded, done.
#include "ingestion/buffer/administration.h"
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/create_partitions.h"
#include "wire/kafka/messages/create_topics.h"
#include "wire/kafka/messages/delete_records.h"
#include "wire/kafka/messages/delete_topics.h"
#include "wire/kafka/messages/describe_log_dirs.h"

namespace tarn::buffer {
namespace {

// What an Error of topics is called by Kafka.
KafkaError CodeOfTopicError(const Error& error, KafkaError invalid) {
    if (!error.detail_code().empty()) return kafka::KafkaErrorOf(error);
    switch (error.code()) {
        case ErrorCode::kAlreadyExists:
            return KafkaError::kTopicAlreadyExists;
        case ErrorCode::kNotFound:
            return KafkaError::kUnknownTopicOrPartition;
        case ErrorCode::kNotSupported:
            return KafkaError::kInvalidConfig;
        case ErrorCode::kResourceExhausted:
            return KafkaError::kPolicyViolation;
        case ErrorCode::kInvalidArgument:
            return invalid;
        default:
            return kafka::KafkaErrorOf(error);
    }
}

struct NewTopic {
    int partitions = 1;
    TopicSettings settings;
};

Result<NewTopic> CheckNew(const Broker& broker, const kafka::CreateTopicsRequestTopic& wanted) {
    NewTopic topic;
    Status named = CheckTopicName(wanted.name);
    if (!named.ok()) return kafka::MakeError(KafkaError::kInvalidTopicException, named.error().message());
    if (!wanted.assignments.empty()) {
        if (wanted.num_partitions != -1 || wanted.replication_factor != -1) {
            return kafka::MakeError(KafkaError::kInvalidRequest, "with assignments the numbers have to be -1");
        }
        for (const auto& one : wanted.assignments) {
            if (one.broker_ids.size() == 1 && one.broker_ids[0] == kBrokerId) continue;
            return kafka::MakeError(KafkaError::kInvalidReplicaAssignment,
                                    fmt::format("there is one broker, {}, and one replica", kBrokerId));
        }
        topic.partitions = static_cast<int>(wanted.assignments.size());
    } else {
        if (wanted.replication_factor != -1 && wanted.replication_factor != 1) {
            return kafka::MakeError(KafkaError::kInvalidReplicationFactor,
                                    "Tarn is one broker: the replication factor is 1");
        }
        topic.partitions = wanted.num_partitions == -1 ? broker.config.partitions : wanted.num_partitions;
    }
    TRY(CheckPartitions(topic.partitions));
    for (const auto& one : wanted.configs) {
        if (!one.value) continue;
        TRY(CheckSetting(one.name, *one.value));
        topic.settings[one.name] = *one.value;
    }
    return topic;
}

void CreateOne(const ExchangePtr& exchange, const kafka::CreateTopicsRequestTopic& wanted, bool validate_only,
               int32_t& throttle_time_ms, kafka::CreateTopicsResponseTopic& into) {
    Broker& broker = exchange->broker();
    into.name = wanted.name;
    into.configs.emplace();
    Status done = exchange->Run("topic", wanted.name, [&](security::Call& call) -> Status {
        NewTopic topic = TRY(CheckNew(broker, wanted));
        call.details["partitions"] = topic.partitions;
        call.details["settings"] = topic.settings;
        into.num_partitions = topic.partitions;
        into.replication_factor = 1;
        for (const SettingRow& row : SettingRows()) {
            auto set = topic.settings.find(std::string(row.name));
            bool own = set != topic.settings.end();
            into.configs->push_back({std::string(row.name), own ? set->second : std::string(row.fallback), false,
                                     static_cast<int8_t>(own ? 1 : 5), false});
        }
        if (validate_only) {
            if (!broker.topics.Find(wanted.name)) return Ok();
            return Error(ErrorCode::kAlreadyExists, "there is a topic {} already", wanted.name);
        }
        TRY(exchange->ThrottleChanges(topic.partitions, exchange->version() >= 6, throttle_time_ms));
        into.topic_id = TRY(broker.topics.CreateTopic(wanted.name, topic.partitions, topic.settings))->id;
        return Ok();
    });
    if (done.ok()) return;
    into.error_code = CodeOf(CodeOfTopicError(done.error(), KafkaError::kInvalidConfig));
    into.error_message = done.error().message();
    into.num_partitions = into.replication_factor = -1;
    into.configs->clear();
}

}  // namespace

void HandleCreateTopics(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::CreateTopicsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::CreateTopicsResponse answer;
        std::map<std::string, int> named;
        for (const auto& topic : request.topics) named[topic.name]++;
        for (const auto& topic : request.topics) {
            if (named[topic.name] > 1) {
                auto& into = answer.topics.emplace_back();
                into.name = topic.name;
                into.error_code = CodeOf(KafkaError::kInvalidRequest);
                into.error_message = "the topic is named twice";
                continue;
            }
            CreateOne(exchange, topic, request.validate_only, answer.throttle_time_ms, answer.topics.emplace_back());
        }
        exchange->Answer(answer);
    });
}

void HandleDeleteTopics(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DeleteTopicsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        Broker& broker = exchange->broker();
        kafka::DeleteTopicsResponse answer;
        auto remove = [&](const std::string& name, kafka::DeleteTopicsResponseTopic& into) {
            Status done = exchange->Run("topic", name, [&](security::Call&) -> Status {
                auto topic = broker.topics.Find(name);
                if (!topic) return Error(ErrorCode::kNotFound, "there is no topic {}", name);
                into.topic_id = topic->id;
                TRY(exchange->ThrottleChanges(static_cast<double>(topic->partitions.size()), exchange->version() >= 5,
                                              answer.throttle_time_ms));
                return DeleteTopic(broker.topics, name);
            });
            if (done.ok()) return;
            into.error_code = CodeOf(CodeOfTopicError(done.error(), KafkaError::kInvalidRequest));
            into.error_message = done.error().message();
        };
        for (const std::string& name : request.topic_names) {
            auto& into = answer.responses.emplace_back();
            into.name = name;
            remove(name, into);
        }
        for (const auto& topic : request.topics) {
            auto& into = answer.responses.emplace_back();
            into.name = topic.name;
            into.topic_id = topic.topic_id;
            auto known = topic.name ? nullptr : broker.topics.Find(topic.topic_id);
            if (!topic.name && !known) {
                into.error_code = CodeOf(KafkaError::kUnknownTopicId);
                continue;
            }
            if (known && exchange->May("topic:Describe", "topic", known->name)) into.name = known->name;
            remove(topic.name ? *topic.name : known->name, into);
        }
        exchange->Answer(answer);
    });
}

void HandleCreatePartitions(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::CreatePartitionsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        TopicStore& topics = exchange->broker().topics;
        kafka::CreatePartitionsResponse answer;
        for (const auto& wanted : request.topics) {
            auto& into = answer.results.emplace_back();
            into.name = wanted.name;
            Status done = exchange->Run("topic", wanted.name, [&](security::Call& call) -> Status {
                call.details["partitions"] = wanted.count;
                auto topic = TRY(FindTopic(topics, wanted.name));
                size_t total = topic->partitions.size() + (wanted.assignments ? wanted.assignments->size() : 0);
                if (wanted.assignments && static_cast<size_t>(wanted.count) != total) {
                    return kafka::MakeError(KafkaError::kInvalidReplicaAssignment,
                                            "there is an assignment for each new partition, or none");
                }
                TRY(AddPartitions(topics, wanted.name, wanted.count, true));
                if (request.validate_only) return Ok();
                double more = wanted.count - static_cast<double>(topic->partitions.size());
                TRY(exchange->ThrottleChanges(more, exchange->version() >= 3, answer.throttle_time_ms));
                return AddPartitions(topics, wanted.name, wanted.count, false);
            });
            if (done.ok()) continue;
            into.error_code = CodeOf(CodeOfTopicError(done.error(), KafkaError::kInvalidPartitions));
            into.error_message = done.error().message();
        }
        exchange->Answer(answer);
    });
}

void HandleDeleteRecords(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DeleteRecordsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        TopicStore& topics = exchange->broker().topics;
        kafka::DeleteRecordsResponse answer;
        for (const auto& wanted : request.topics) {
            auto& into = answer.topics.emplace_back();
            into.name = wanted.name;
            for (const auto& part : wanted.partitions) {
                into.partitions.push_back({part.partition_index, -1, 0});
            }
            Status done = exchange->Run("topic", wanted.name, [&](security::Call&) -> Status {
                auto topic = TRY(FindTopic(topics, wanted.name));
                for (size_t index = 0; index < wanted.partitions.size(); ++index) {
                    const auto& part = wanted.partitions[index];
                    auto start = DeleteRecords(topics, *topic, part.partition_index, part.offset);
                    if (start.ok()) into.partitions[index].low_watermark = static_cast<int64_t>(*start);
                    if (!start.ok()) into.partitions[index].error_code = CodeOf(start.error());
                }
                return Ok();
            });
            if (done.ok()) continue;
            for (auto& part : into.partitions) {
                part.error_code = CodeOf(CodeOfTopicError(done.error(), KafkaError::kInvalidRequest));
            }
        }
        exchange->Answer(answer);
    });
}

void HandleDescribeLogDirs(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DescribeLogDirsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::DescribeLogDirsResponse answer;
        auto& dir = answer.results.emplace_back();
        dir.log_dir = "buffer";  // not where it lies on the machine
        dir.total_bytes = dir.usable_bytes = -1;
        std::map<std::string, std::vector<int32_t>> wanted;
        if (request.topics) {
            for (const auto& one : *request.topics) wanted[one.topic] = one.partitions;
        }
        Status done = exchange->Run("topic", "*", [&](security::Call&) -> Status {
            for (const auto& topic : exchange->broker().topics.All()) {
                bool asked = !request.topics || wanted.contains(topic->name);
                if (!asked || !exchange->May("topic:Describe", "topic", topic->name)) continue;
                auto& into = dir.topics.emplace_back();
                into.name = topic->name;
                const std::vector<int32_t>& some = wanted[topic->name];
                for (const auto& partition : topic->partitions) {
                    bool named = some.empty() || std::find(some.begin(), some.end(), partition->index()) != some.end();
                    if (!named) continue;
                    into.partitions.push_back({partition->index(), static_cast<int64_t>(partition->bytes()), 0, false});
                }
            }
            return Ok();
        });
        if (!done.ok()) return exchange->Break(done.error());
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer
