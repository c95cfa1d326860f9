// DescribeClientQuotas and AlterClientQuotas (KIP-546).
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/alter_client_quotas.h"
#include "wire/kafka/messages/describe_client_quotas.h"

namespace tarn::buffer {
namespace {

constexpr std::string_view kUser = "user", kClientId = "client-id";
enum MatchType : int8_t { kExactly = 0, kDefault = 1, kSpecified = 2 };

Status CheckType(std::string_view type) {
    if (type == kUser || type == kClientId) return Ok();
    if (type == "ip") {
        return kafka::MakeError(KafkaError::kInvalidRequest,
                                "there are no quotas of connections by address; use user or client-id");
    }
    return kafka::MakeError(KafkaError::kInvalidRequest,
                            fmt::format("quotas are for user and client-id, not {}", type));
}

bool Matches(const QuotaEntity& entity, const kafka::DescribeClientQuotasRequest& request) {
    size_t named = 0;
    for (const auto& component : request.components) {
        const std::optional<std::string>& name = component.entity_type == kUser ? entity.user : entity.client_id;
        if (!name) return false;
        if (component.match_type == kExactly && *name != component.match) return false;
        if (component.match_type == kDefault && !name->empty()) return false;
        ++named;
    }
    return !request.strict || named == size_t{entity.user.has_value()} + size_t{entity.client_id.has_value()};
}

Status CheckFilter(const kafka::DescribeClientQuotasRequest& request) {
    std::set<std::string> types;
    for (const auto& component : request.components) {
        TRY(CheckType(component.entity_type));
        if (!types.insert(component.entity_type).second) {
            return kafka::MakeError(KafkaError::kInvalidRequest, component.entity_type + " is named twice");
        }
        bool known = component.match_type >= kExactly && component.match_type <= kSpecified;
        if (!known || (component.match_type == kExactly && !component.match)) {
            return kafka::MakeError(KafkaError::kInvalidRequest, "a filter matches a name, the default or any name");
        }
    }
    return Ok();
}

// Kafka's null is the default, which is an empty name here.
template <typename Entity>
Result<QuotaEntity> EntityOf(const std::vector<Entity>& parts) {
    QuotaEntity entity;
    for (const auto& part : parts) {
        TRY(CheckType(part.entity_type));
        if (part.entity_name && part.entity_name->empty()) {
            return kafka::MakeError(KafkaError::kInvalidRequest, fmt::format("a {} has a name", part.entity_type));
        }
        std::optional<std::string>& name = part.entity_type == kUser ? entity.user : entity.client_id;
        if (name) {
            return kafka::MakeError(KafkaError::kInvalidRequest, fmt::format("{} is named twice", part.entity_type));
        }
        name = part.entity_name.value_or("");
    }
    if (!entity.user && !entity.client_id) {
        return kafka::MakeError(KafkaError::kInvalidRequest, "a quota is for a user, a client-id or both");
    }
    return entity;
}

kafka::DescribeClientQuotasResponseEntry EntryOf(const QuotaEntity& entity, const Quotas::Limits& limits) {
    kafka::DescribeClientQuotasResponseEntry entry;
    auto name = [](const std::string& one) { return one.empty() ? std::nullopt : std::optional(one); };
    if (entity.user) entry.entity.push_back({std::string(kUser), name(*entity.user)});
    if (entity.client_id) entry.entity.push_back({std::string(kClientId), name(*entity.client_id)});
    for (const auto& [key, value] : limits) entry.values.push_back({key, value});
    return entry;
}

template <typename Entry>
Status AlterOne(const ExchangePtr& exchange, const Entry& entry, bool validate_only) {
    return exchange->Run("platform", "*", [&](security::Call& call) -> Status {
        QuotaEntity entity = TRY(EntityOf(entry.entity));
        std::vector<Quotas::Change> changes;
        Json told = Json::object();
        for (const auto& op : entry.ops) {
            changes.push_back({op.key, op.remove ? std::nullopt : std::optional(op.value)});
            told[op.key] = op.remove ? Json() : Json(op.value);
        }
        if (entity.user) call.details["user"] = *entity.user;
        if (entity.client_id) call.details["client_id"] = *entity.client_id;
        call.details["quotas"] = told;
        return exchange->broker().quotas.Alter(entity, changes, validate_only);
    });
}

}  // namespace

void HandleDescribeClientQuotas(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DescribeClientQuotasRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::DescribeClientQuotasResponse answer;
        answer.error_message.reset();
        Status done = exchange->Run("platform", "*", [&](security::Call&) -> Status {
            TRY(CheckFilter(request));
            answer.entries.emplace();
            for (const auto& [entity, limits] : exchange->broker().quotas.All()) {
                if (Matches(entity, request)) answer.entries->push_back(EntryOf(entity, limits));
            }
            return Ok();
        });
        if (!done.ok()) {
            answer.error_code = CodeOf(done.error());
            answer.error_message = done.error().message();
            answer.entries.reset();
        }
        exchange->Answer(answer);
    });
}

void HandleAlterClientQuotas(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::AlterClientQuotasRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::AlterClientQuotasResponse answer;
        for (const auto& entry : request.entries) {
            auto& into = answer.entries.emplace_back();
            into.error_message.reset();
            for (const auto& part : entry.entity) into.entity.push_back({part.entity_type, part.entity_name});
            Status done = AlterOne(exchange, entry, request.validate_only);
            if (done.ok()) continue;
            into.error_code = CodeOf(done.error());
            into.error_message = done.error().message();
        }
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer
