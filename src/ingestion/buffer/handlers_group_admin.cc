// What administrators see and do of groups: ListGroups, DescribeGroups, DeleteGroups, OffsetDelete.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "ingestion/buffer/administration.h"
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/delete_groups.h"
#include "wire/kafka/messages/describe_groups.h"
#include "wire/kafka/messages/list_groups.h"
#include "wire/kafka/messages/offset_delete.h"

namespace tarn::buffer {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& word) {
    return std::any_of(list.begin(), list.end(), [&](const std::string& one) { return EqualsIgnoreCase(one, word); });
}

}  // namespace

void HandleListGroups(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::ListGroupsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        Groups& groups = exchange->broker().groups;
        kafka::ListGroupsResponse answer;
        Status done = exchange->Run("group", "*", [&](security::Call&) {
            for (const std::string& id : groups.Ids()) {
                if (!exchange->May("group:Describe", "group", id)) continue;
                GroupView view = ViewOf(groups, id);
                if (!request.states_filter.empty() && !Contains(request.states_filter, view.state)) continue;
                auto consumers = groups.FindConsumer(id);
                bool newer = consumers && (!consumers->empty() || !groups.Find(id));
                std::string type = newer ? "consumer" : "classic";
                if (!request.types_filter.empty() && !Contains(request.types_filter, type)) continue;
                auto& into = answer.groups.emplace_back();
                into.group_id = id;
                into.protocol_type = view.protocol_type;
                into.group_state = view.state;
                into.group_type = type;
            }
            return Ok();
        });
        if (!done.ok()) return exchange->Break(done.error());
        exchange->Answer(answer);
    });
}

void HandleDescribeGroups(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DescribeGroupsRequest>();
    if (!request) return;
    std::vector<std::string> names = request->groups;
    exchange->WithAccess("group", names, [exchange, names](const std::vector<bool>& allowed) {
        kafka::DescribeGroupsResponse answer;
        for (size_t index = 0; index < names.size(); ++index) {
            auto& into = answer.groups.emplace_back();
            into.group_id = names[index];
            exchange->Count("group", names[index], 0, 0);
            if (!allowed[index]) {
                into.error_code = CodeOf(KafkaError::kGroupAuthorizationFailed);
                continue;
            }
            GroupView view = ViewOf(exchange->broker().groups, names[index]);
            if (view.state == "Dead" && exchange->version() >= 6) {
                into.error_code = CodeOf(KafkaError::kGroupIdNotFound);
                into.error_message = "there is no such group";
            }
            into.group_state = view.state;
            into.protocol_type = view.protocol_type;
            into.protocol_data = view.protocol;
            for (GroupMemberView& member : view.members) {
                auto& one = into.members.emplace_back();
                one.member_id = member.id;
                one.group_instance_id = member.instance_id;
                one.client_id = member.client_id;
                one.client_host = member.client_host;
                one.member_metadata = std::move(member.metadata);
                one.member_assignment = std::move(member.assignment);
            }
        }
        exchange->Answer(answer);
    });
}

void HandleDeleteGroups(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DeleteGroupsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        Broker& broker = exchange->broker();
        kafka::DeleteGroupsResponse answer;
        for (const std::string& id : request.groups_names) {
            Status done = exchange->Run(
                "group", id, [&](security::Call&) -> Status { return DeleteGroup(broker.topics, broker.groups, id); });
            answer.results.push_back({id, CodeOf(done.ok() ? KafkaError::kNone : kafka::KafkaErrorOf(done.error()))});
        }
        exchange->Answer(answer);
    });
}

void HandleOffsetDelete(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::OffsetDeleteRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        Broker& broker = exchange->broker();
        kafka::OffsetDeleteResponse answer;
        Status done = exchange->Run("group", request.group_id, [&](security::Call&) -> Status {
            if (!broker.groups.Knows(request.group_id)) {
                return kafka::MakeError(KafkaError::kGroupIdNotFound, "there is no such group");
            }
            // Whether a member has subscribed to a topic stands in its metadata, which is the clients' own.
            if (broker.groups.HasMembers(request.group_id)) {
                return kafka::MakeError(KafkaError::kNonEmptyGroup, "the group has members");
            }
            std::vector<TopicPartition> forget;
            for (const auto& topic : request.topics) {
                auto& into = answer.topics.emplace_back();
                into.name = topic.name;
                auto known = broker.topics.Find(topic.name);
                bool may = exchange->May("topic:Read", "topic", topic.name);
                for (const auto& part : topic.partitions) {
                    bool there = known && part.partition_index >= 0 &&
                                 static_cast<size_t>(part.partition_index) < known->partitions.size();
                    KafkaError error = !may     ? KafkaError::kTopicAuthorizationFailed
                                       : !there ? KafkaError::kUnknownTopicOrPartition
                                                : KafkaError::kNone;
                    into.partitions.push_back({part.partition_index, CodeOf(error)});
                    if (error == KafkaError::kNone) forget.emplace_back(topic.name, part.partition_index);
                }
            }
            if (forget.empty()) return Ok();
            return broker.topics.AppendStateAndWait(Groups::ForgetChange(request.group_id, forget));
        });
        if (!done.ok()) {
            answer.topics.clear();
            answer.error_code = CodeOf(done.error());
        }
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer
