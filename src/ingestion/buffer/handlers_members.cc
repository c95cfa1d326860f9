// FindCoordinator and the membership of classic groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/find_coordinator.h"
#include "wire/kafka/messages/heartbeat.h"
#include "wire/kafka/messages/join_group.h"
#include "wire/kafka/messages/leave_group.h"
#include "wire/kafka/messages/sync_group.h"

namespace tarn::buffer {
namespace {

constexpr int16_t kKnownMembersSince = 4;  // of JoinGroup: the client can come again with the id it is given
constexpr int16_t kSkipAssignmentSince = 9;
constexpr int16_t kManyCoordinatorsSince = 4;  // of FindCoordinator

}  // namespace

void HandleFindCoordinator(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::FindCoordinatorRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        const Address& address = exchange->broker().advertised;
        bool many = exchange->version() >= kManyCoordinatorsSince;
        kafka::FindCoordinatorResponse answer;
        answer.error_message.reset();
        for (const std::string& key : many ? request.coordinator_keys : std::vector<std::string>{request.key}) {
            Status found = exchange->Run(request.key_type == 1 ? "transaction" : "group", key, [&](security::Call&) {
                bool known = request.key_type == 0 || request.key_type == 1;
                return known ? Ok() : Status(kafka::MakeError(KafkaError::kInvalidRequest, "no such kind of key"));
            });
            if (!found.ok() && found.error().detail_code().empty()) return exchange->Break(found.error());
            int16_t code = found.ok() ? int16_t{0} : CodeOf(found.error());
            if (many) {
                answer.coordinators.push_back({key, kBrokerId, address.host, address.port, code, std::nullopt});
            } else {
                answer.error_code = code;
                answer.node_id = kBrokerId;
                answer.host = address.host;
                answer.port = address.port;
            }
        }
        exchange->Answer(answer);
    });
}

void HandleJoinGroup(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::JoinGroupRequest>();
    if (!request) return;
    auto refuse = [exchange](KafkaError error, const std::string& member) {
        kafka::JoinGroupResponse answer;
        answer.error_code = CodeOf(error);
        answer.member_id = member;
        answer.protocol_name = "";
        exchange->Answer(answer);
    };
    if (request->group_id.empty()) return refuse(KafkaError::kInvalidGroupId, request->member_id);
    std::vector<std::string> names = {request->group_id};  // before the request moves on
    exchange->WithAccess(
        "group", names, [exchange, refuse, request = *std::move(request)](const std::vector<bool>& allowed) {
            if (!allowed[0]) return refuse(KafkaError::kGroupAuthorizationFailed, request.member_id);
            auto group = exchange->broker().groups.FindOrMake(request.group_id);
            if (!group.ok()) {
                bool other = !group.error().detail_code().empty();
                return refuse(other ? kafka::KafkaErrorOf(group.error()) : KafkaError::kCoordinatorNotAvailable,
                              request.member_id);
            }
            JoinRequest join;
            join.member_id = request.member_id;
            join.instance_id = request.group_instance_id;
            join.client_id = exchange->client_id();
            join.client_host = "/" + exchange->session().connection().remote().host;
            join.protocol_type = request.protocol_type;
            for (const auto& protocol : request.protocols)
                join.protocols.emplace_back(protocol.name, protocol.metadata);
            join.session_timeout = std::chrono::milliseconds(request.session_timeout_ms);
            bool own = request.rebalance_timeout_ms >= 0;
            join.rebalance_timeout =
                std::chrono::milliseconds(own ? request.rebalance_timeout_ms : request.session_timeout_ms);
            join.requires_known_id = exchange->version() >= kKnownMembersSince;
            join.may_skip_assignment = exchange->version() >= kSkipAssignmentSince;
            exchange->Count("group", request.group_id, 0, 0);
            (*group)->Join(std::move(join), [exchange](JoinAnswer joined) {
                kafka::JoinGroupResponse answer;
                answer.error_code = CodeOf(joined.error);
                answer.generation_id = joined.generation;
                answer.protocol_type = joined.protocol_type;
                answer.protocol_name = joined.protocol;
                answer.leader = joined.leader;
                answer.member_id = joined.member_id;
                answer.skip_assignment = joined.skip_assignment;
                for (auto& member : joined.members) {
                    auto& into = answer.members.emplace_back();
                    into.member_id = member.id;
                    into.group_instance_id = member.instance_id;
                    into.metadata = std::move(member.metadata);
                }
                exchange->Answer(answer);
            });
        });
}

void HandleSyncGroup(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::SyncGroupRequest>();
    if (!request) return;
    std::vector<std::string> names = {request->group_id};  // before the request moves on
    exchange->WithAccess("group", names, [exchange, request = *std::move(request)](const std::vector<bool>& allowed) {
        auto answer = [exchange](SyncAnswer synced) {
            kafka::SyncGroupResponse told;
            told.error_code = CodeOf(synced.error);
            told.protocol_type = synced.protocol_type;
            told.protocol_name = synced.protocol;
            told.assignment = std::move(synced.assignment);
            exchange->Answer(told);
        };
        auto group = exchange->broker().groups.Find(request.group_id);
        if (!allowed[0]) return answer({.error = KafkaError::kGroupAuthorizationFailed});
        if (!group) return answer({.error = KafkaError::kUnknownMemberId});
        SyncRequest sync;
        sync.member_id = request.member_id;
        sync.instance_id = request.group_instance_id;
        sync.generation = request.generation_id;
        sync.protocol_type = request.protocol_type;
        sync.protocol = request.protocol_name;
        for (const auto& one : request.assignments) sync.assignments.emplace_back(one.member_id, one.assignment);
        exchange->Count("group", request.group_id, 0, 0);
        group->Sync(std::move(sync), answer);
    });
}

void HandleHeartbeat(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::HeartbeatRequest>();
    if (!request) return;
    std::vector<std::string> names = {request->group_id};  // before the request moves on
    exchange->WithAccess("group", names, [exchange, request = *std::move(request)](const std::vector<bool>& allowed) {
        auto group = exchange->broker().groups.Find(request.group_id);
        KafkaError error = !allowed[0] ? KafkaError::kGroupAuthorizationFailed
                           : !group
                               ? KafkaError::kUnknownMemberId
                               : group->Heartbeat(request.member_id, request.group_instance_id, request.generation_id);
        exchange->Count("group", request.group_id, 0, 0);
        kafka::HeartbeatResponse answer;
        answer.error_code = CodeOf(error);
        exchange->Answer(answer);
    });
}

void HandleLeaveGroup(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::LeaveGroupRequest>();
    if (!request) return;
    std::vector<std::string> names = {request->group_id};  // before the request moves on
    exchange->WithAccess("group", names, [exchange, request = *std::move(request)](const std::vector<bool>& allowed) {
        auto group = exchange->broker().groups.Find(request.group_id);
        auto leave = [&](const std::string& member, const std::optional<std::string>& instance) {
            if (!allowed[0]) return KafkaError::kGroupAuthorizationFailed;
            return group ? group->Leave(member, instance) : KafkaError::kUnknownMemberId;
        };
        kafka::LeaveGroupResponse answer;
        if (exchange->version() < 3) {
            answer.error_code = CodeOf(leave(request.member_id, std::nullopt));
        } else {
            for (const auto& member : request.members) {
                KafkaError error = leave(member.member_id, member.group_instance_id);
                answer.members.push_back({member.member_id, member.group_instance_id, CodeOf(error)});
            }
            if (!allowed[0]) answer.error_code = CodeOf(KafkaError::kGroupAuthorizationFailed);
        }
        exchange->Count("group", request.group_id, 0, 0);
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer
