// Settings of topics and of the broker: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs; DescribeCluster.
#include "base/text.h"
#include "ingestion/buffer/administration.h"
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/alter_configs.h"
#include "wire/kafka/messages/describe_cluster.h"
#include "wire/kafka/messages/describe_configs.h"
#include "wire/kafka/messages/incremental_alter_configs.h"

namespace tarn::buffer {
namespace {

enum ResourceType : int8_t { kTopic = 2, kBroker = 4 };
enum Source : int8_t { kOfTopic = 1, kOfFile = 4, kDefault = 5 };

// As DescribeConfigs numbers types (KIP-569).
int8_t TypeOf(SettingRow::Type type) {
    switch (type) {
        case SettingRow::Type::kBoolean:
            return 1;
        case SettingRow::Type::kString:
            return 2;
        case SettingRow::Type::kInteger:
            return 3;
        case SettingRow::Type::kLong:
            return 5;
        case SettingRow::Type::kDouble:
            return 6;
        case SettingRow::Type::kList:
            return 7;
    }
    return 0;
}

bool IsWanted(const kafka::DescribeConfigsRequestResource& resource, std::string_view name) {
    if (!resource.configuration_keys) return true;
    const auto& keys = *resource.configuration_keys;
    return std::find(keys.begin(), keys.end(), name) != keys.end();
}

void DescribeTopic(const kafka::DescribeConfigsRequest& request, const kafka::DescribeConfigsRequestResource& resource,
                   const Topic& topic, kafka::DescribeConfigsResponseResult& into) {
    for (const SettingRow& row : SettingRows()) {
        if (!IsWanted(resource, row.name)) continue;
        std::string name(row.name);
        bool own = topic.settings.contains(name);
        auto& config = into.configs.emplace_back();
        config.name = name;
        config.value = topic.Setting(name);
        config.config_source = own ? kOfTopic : kDefault;
        config.config_type = TypeOf(row.type);
        if (request.include_documentation) config.documentation = std::string(row.documentation);
        if (!request.include_synonyms) continue;
        if (own) config.synonyms.push_back({name, config.value, kOfTopic});
        config.synonyms.push_back({name, std::string(row.fallback), kDefault});
    }
}

// What tarn.yaml says, under Kafka's names; clients and tools ask for some of these.
void DescribeBroker(const Broker& broker, const kafka::DescribeConfigsRequestResource& resource,
                    kafka::DescribeConfigsResponseResult& into) {
    const std::pair<std::string, std::string> settings[] = {
        {"advertised.listeners", "SASL://" + broker.advertised.ToString()},
        {"auto.create.topics.enable", broker.config.create_topics ? "true" : "false"},
        {"broker.id", std::to_string(kBrokerId)},
        {"default.replication.factor", "1"},
        {"log.flush.interval.messages", "1"},
        {"num.partitions", std::to_string(broker.config.partitions)},
        {"offsets.topic.replication.factor", "1"},
    };
    for (const auto& [name, value] : settings) {
        if (!IsWanted(resource, name)) continue;
        auto& config = into.configs.emplace_back();
        config.name = name;
        config.value = value;
        config.read_only = true;
        config.config_source = kOfFile;
        config.config_type = 2;
    }
}

Status DescribeOne(const ExchangePtr& exchange, const kafka::DescribeConfigsRequest& request,
                   const kafka::DescribeConfigsRequestResource& resource, kafka::DescribeConfigsResponseResult& into) {
    Broker& broker = exchange->broker();
    if (resource.resource_type == kBroker) {
        if (!resource.resource_name.empty() && resource.resource_name != std::to_string(kBrokerId)) {
            return kafka::MakeError(KafkaError::kInvalidRequest, fmt::format("the broker is called {}", kBrokerId));
        }
        DescribeBroker(broker, resource, into);
        return Ok();
    }
    if (resource.resource_type != kTopic) {
        return kafka::MakeError(KafkaError::kInvalidRequest, "only topics and the broker have settings");
    }
    if (!exchange->May("topic:DescribeConfigs", "topic", resource.resource_name)) {
        return kafka::MakeError(KafkaError::kTopicAuthorizationFailed, "you may not know of this topic");
    }
    DescribeTopic(request, resource, *TRY(FindTopic(broker.topics, resource.resource_name)), into);
    return Ok();
}

// One resource's change, as a call of its own.
template <typename Resource, typename Response>
void AlterOne(const ExchangePtr& exchange, const Resource& resource, bool validate_only, Response& into,
              const std::function<Status(TopicSettings&)>& change) {
    Broker& broker = exchange->broker();
    into.resource_type = resource.resource_type;
    into.resource_name = resource.resource_name;
    Status done = exchange->Run("topic", resource.resource_name, [&](security::Call& call) -> Status {
        if (resource.resource_type != kTopic) {
            return kafka::MakeError(KafkaError::kInvalidRequest,
                                    "only topics' settings are changed so; the broker's stand in tarn.yaml");
        }
        TopicSettings settings = TRY(ChangedSettings(broker.topics, resource.resource_name, change));
        call.details["settings"] = settings;
        return validate_only ? Ok() : broker.topics.SetSettings(resource.resource_name, settings);
    });
    if (done.ok()) return;
    bool invalid = done.error().detail_code().empty() && (done.error().code() == ErrorCode::kInvalidArgument ||
                                                          done.error().code() == ErrorCode::kNotSupported);
    into.error_code = invalid ? CodeOf(KafkaError::kInvalidConfig) : CodeOf(done.error());
    into.error_message = done.error().message();
}

enum Change : int8_t { kSet = 0, kDelete = 1, kAppend = 2, kSubtract = 3 };

Status ChangeList(const kafka::IncrementalAlterConfigsRequestConfig& config, TopicSettings& settings) {
    Topic as_if;
    as_if.settings = settings;
    std::vector<std::string> list = Split(as_if.Setting(config.name), ',');
    std::erase(list, "");
    for (const std::string& word : Split(*config.value, ',')) {
        std::erase(list, word);
        if (config.config_operation == kAppend) list.push_back(word);
    }
    settings[config.name] = Join(list, ",");
    return Ok();
}

Status ChangeOne(const kafka::IncrementalAlterConfigsRequestConfig& config, TopicSettings& settings) {
    if (config.config_operation == kDelete) {
        TRY(CheckSetting(config.name, Topic().Setting(config.name)));  // is there such a one?
        settings.erase(config.name);
        return Ok();
    }
    if (!config.value) {
        return kafka::MakeError(KafkaError::kInvalidRequest, fmt::format("{} has no value", config.name));
    }
    if (config.config_operation == kSet) {
        settings[config.name] = *config.value;
        return Ok();
    }
    bool list = false;
    for (const SettingRow& row : SettingRows()) {
        list = list || (row.name == config.name && row.type == SettingRow::Type::kList);
    }
    bool known = config.config_operation == kAppend || config.config_operation == kSubtract;
    if (list && known) return ChangeList(config, settings);
    return kafka::MakeError(KafkaError::kInvalidConfig, fmt::format("{} is no list", config.name));
}

}  // namespace

void HandleDescribeConfigs(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DescribeConfigsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::DescribeConfigsResponse answer;
        Status done = exchange->Run("topic", "*", [&](security::Call&) {
            for (const auto& resource : request.resources) {
                auto& into = answer.results.emplace_back();
                into.resource_type = resource.resource_type;
                into.resource_name = resource.resource_name;
                Status described = DescribeOne(exchange, request, resource, into);
                if (described.ok()) continue;
                into.error_code = CodeOf(described.error());
                into.error_message = described.error().message();
            }
            return Ok();
        });
        if (!done.ok()) return exchange->Break(done.error());
        exchange->Answer(answer);
    });
}

void HandleAlterConfigs(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::AlterConfigsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::AlterConfigsResponse answer;
        for (const auto& resource : request.resources) {
            AlterOne(exchange, resource, request.validate_only, answer.responses.emplace_back(),
                     [&](TopicSettings& settings) {
                         settings.clear();
                         for (const auto& config : resource.configs) {
                             if (config.value) settings[config.name] = *config.value;
                         }
                         return Ok();
                     });
        }
        exchange->Answer(answer);
    });
}

void HandleIncrementalAlterConfigs(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::IncrementalAlterConfigsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::IncrementalAlterConfigsResponse answer;
        for (const auto& resource : request.resources) {
            AlterOne(exchange, resource, request.validate_only, answer.responses.emplace_back(),
                     [&](TopicSettings& settings) -> Status {
                         for (const auto& config : resource.configs) TRY(ChangeOne(config, settings));
                         return Ok();
                     });
        }
        exchange->Answer(answer);
    });
}

void HandleDescribeCluster(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DescribeClusterRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, type = request->endpoint_type] {
        const Broker& broker = exchange->broker();
        kafka::DescribeClusterResponse answer;
        answer.endpoint_type = type;
        answer.cluster_id = Base64UrlEncode(broker.topics.cluster_id());
        answer.controller_id = kBrokerId;
        answer.brokers.push_back({kBrokerId, broker.advertised.host, broker.advertised.port, std::nullopt, false});
        Status done = exchange->Run("platform", "*", [](security::Call&) { return Ok(); });
        if (!done.ok()) return exchange->Break(done.error());
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer
