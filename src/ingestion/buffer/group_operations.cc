// The HTTP operations of consumer groups. What they do is in administration.h, shared with Kafka's handlers.
#include <algorithm>

#include "ingestion/buffer/administration.h"
#include "ingestion/buffer/batch_check.h"
#include "ingestion/buffer/operations.h"
#include "ingestion/buffer/record_browser.h"
#include "wire/kafka/consumer_protocol.h"

namespace tarn::buffer {

PartitionLag LagOf(const Partition& partition, const CommittedOffset& committed) {
    PartitionOffsets offsets = partition.Offsets();
    PartitionLag lag{static_cast<int64_t>(offsets.start), static_cast<int64_t>(offsets.durable_end), 0};
    lag.lag = std::max<int64_t>(0, lag.end - std::max(committed.offset, lag.start));
    return lag;
}

std::map<std::string, std::vector<int32_t>> ShareOf(const GroupMemberView& member) {
    std::map<std::string, std::vector<int32_t>> share;
    if (member.assignment.empty()) return share;
    auto assignment = kafka::DecodeAssignment(member.assignment);
    if (!assignment.ok()) return share;
    for (const auto& topic : assignment->assigned_partitions) share[topic.topic] = topic.partitions;
    return share;
}

namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Principal;
using security::Route;

using Dependencies = OperationsDependencies;

constexpr size_t kGroupsListedMax = 10'000;

// What the principal may know of a group's reading: by topic and partition.
struct Position {
    CommittedOffset committed;
    PartitionLag lag;
    std::string member;  // whose share it is
};
using Positions = std::map<TopicPartition, Position>;

Positions PositionsOf(const Dependencies& parts, const Principal& principal, const std::string& id,
                      const GroupView& view) {
    Positions positions;
    for (const auto& [of, committed] : parts.groups.OffsetsOf(id)) positions[of].committed = committed;
    for (const GroupMemberView& member : view.members) {
        for (const auto& [topic, partitions] : ShareOf(member)) {
            for (int32_t partition : partitions) positions[{topic, partition}].member = member.id;
        }
    }
    for (auto one = positions.begin(); one != positions.end();) {
        const auto& [topic, partition] = one->first;
        auto known = parts.topics.Find(topic);
        bool there = known && partition >= 0 && static_cast<size_t>(partition) < known->partitions.size();
        if (!there || !parts.May(principal, "topic:Describe", "topic", topic)) {
            one = positions.erase(one);
            continue;
        }
        one->second.lag = LagOf(*known->partitions[static_cast<size_t>(partition)], one->second.committed);
        ++one;
    }
    return positions;
}

int64_t SumOf(const Positions& positions) {
    int64_t lag = 0;
    for (const auto& [of, position] : positions) lag += position.lag.lag;
    return lag;
}

Json TopicsOf(const Positions& positions) {
    Json topics = Json::array();
    for (const auto& [of, position] : positions) {
        if (topics.empty() || topics.back() != of.first) topics.push_back(of.first);
    }
    return topics;
}

Json SummaryJson(const std::string& id, const GroupView& view, const Positions& positions) {
    return {{"group", id},
            {"state", view.state},
            {"protocol_type", view.protocol_type},
            {"protocol", view.protocol},
            {"members", view.members.size()},
            {"topics", TopicsOf(positions)},
            {"lag", SumOf(positions)}};
}

Result<HttpResponse> ListGroups(const Dependencies& parts, HttpCall& call) {
    Json groups = Json::array();
    bool more = false;
    for (const std::string& id : parts.groups.Ids()) {
        if (!parts.May(call.principal, "group:Describe", "group", id)) continue;
        more = groups.size() == kGroupsListedMax;
        if (more) break;
        GroupView view = ViewOf(parts.groups, id);
        groups.push_back(SummaryJson(id, view, PositionsOf(parts, call.principal, id, view)));
    }
    call.call.rows = static_cast<int64_t>(groups.size());
    return JsonResponse({{"groups", std::move(groups)}, {"has_more", more}});
}

Json MemberJson(const Dependencies& parts, const Principal& principal, const GroupMemberView& member) {
    Json share = Json::array();
    for (const auto& [topic, partitions] : ShareOf(member)) {
        if (!parts.May(principal, "topic:Describe", "topic", topic)) continue;
        share.push_back({{"topic", topic}, {"partitions", partitions}});
    }
    return {{"id", member.id},
            {"instance_id", member.instance_id ? Json(*member.instance_id) : Json()},
            {"client_id", member.client_id},
            {"host", member.client_host},
            {"share", std::move(share)}};
}

Error NoGroup(const std::string& id) {
    return kafka::MakeError(kafka::KafkaError::kGroupIdNotFound, fmt::format("there is no group {}", id));
}

Result<HttpResponse> GetGroup(const Dependencies& parts, HttpCall& call) {
    const std::string& id = call.parameters["group"];
    GroupView view = ViewOf(parts.groups, id);
    if (view.state == "Dead") return NoGroup(id);
    Positions positions = PositionsOf(parts, call.principal, id, view);
    Json answer = SummaryJson(id, view, positions);
    answer["members"] = Json::array();
    for (const GroupMemberView& member : view.members) {
        answer["members"].push_back(MemberJson(parts, call.principal, member));
    }
    answer["offsets"] = Json::array();
    for (const auto& [of, position] : positions) {
        bool has = position.committed.offset >= 0;
        answer["offsets"].push_back({{"topic", of.first},
                                     {"partition", of.second},
                                     {"committed", has ? Json(position.committed.offset) : Json()},
                                     {"committed_at", has ? TimeJson(position.committed.at_ms) : Json()},
                                     {"metadata", position.committed.metadata},
                                     {"start", position.lag.start},
                                     {"end", position.lag.end},
                                     {"lag", position.lag.lag},
                                     {"member", position.member.empty() ? Json() : Json(position.member)}});
    }
    for (const char* action : {"group:Read", "group:Delete"}) {
        answer["may"][action] = parts.May(call.principal, action, "group", id);
    }
    return JsonResponse(answer);
}

// ---- putting offsets elsewhere

struct Target {
    enum class Kind : uint8_t { kEarliest, kLatest, kTime, kOffset, kShift };
    Kind kind = Kind::kEarliest;
    int64_t number = 0;  // milliseconds, an offset, a distance
};

Result<Target> TargetOf(const Json& body) {
    int said = 0;
    for (const char* key : {"to", "time", "offset", "shift"}) said += body.contains(key) ? 1 : 0;
    if (said != 1) {
        return Error(ErrorCode::kInvalidArgument,
                     "one of \"to\" (earliest or latest), \"time\", \"offset\" and \"shift\" says where to");
    }
    if (body.contains("time")) {
        Timestamp time = TRY(ParseTime(TRY(JsonString(body, "time"))));
        return Target{Target::Kind::kTime, ToMillis(time)};
    }
    if (body.contains("offset")) {
        int64_t offset = TRY(JsonInteger(body, "offset"));
        if (offset < 0) return Error(ErrorCode::kInvalidArgument, "offsets begin at 0");
        return Target{Target::Kind::kOffset, offset};
    }
    if (body.contains("shift")) return Target{Target::Kind::kShift, TRY(JsonInteger(body, "shift"))};
    std::string to = TRY(JsonString(body, "to"));
    if (to == "earliest") return Target{Target::Kind::kEarliest, 0};
    if (to == "latest") return Target{Target::Kind::kLatest, 0};
    return Error(ErrorCode::kInvalidArgument, "\"to\" is earliest or latest, not \"{}\"", to);
}

// Always between the first record and the end: beyond it a consumer would begin anew, where its own settings say.
Result<int64_t> OffsetAt(const Dependencies& parts, const Partition& partition, const Target& target, int64_t now) {
    PartitionOffsets offsets = partition.Offsets();
    auto start = static_cast<int64_t>(offsets.start), end = static_cast<int64_t>(offsets.durable_end);
    int64_t wanted = target.number;
    switch (target.kind) {
        case Target::Kind::kEarliest:
            return start;
        case Target::Kind::kLatest:
            return end;
        case Target::Kind::kTime: {
            RecordTime place = TRY(FindByTime(partition, target.number, parts.topics.segments()));
            return place.offset < 0 ? end : std::max(place.offset, start);
        }
        case Target::Kind::kShift: {
            int64_t from = now < 0 ? start : now;
            int64_t room = target.number < 0 ? start - from : end - from;
            wanted = from + (target.number < 0 ? std::max(room, target.number) : std::min(room, target.number));
            break;
        }
        case Target::Kind::kOffset:
            break;
    }
    return std::clamp(wanted, start, end);
}

// The partitions that are meant: those of "topic", or all that the group has offsets of.
Result<std::vector<TopicPartition>> MeantBy(const Dependencies& parts, const Json& body, const Offsets& has) {
    std::vector<TopicPartition> meant;
    std::string name = TRY(JsonStringOr(body, "topic", ""));
    Json some = body.contains("partitions") ? body["partitions"] : Json::array();
    bool numbers = some.is_array() &&
                   std::all_of(some.begin(), some.end(), [](const Json& one) { return one.is_number_integer(); });
    if (!numbers || (name.empty() && !some.empty())) {
        return Error(ErrorCode::kInvalidArgument,
                     "\"partitions\" is a list of numbers, of the \"topic\" that is named");
    }
    if (name.empty()) {
        for (const auto& [of, committed] : has) meant.push_back(of);
        return meant;
    }
    auto topic = TRY(FindTopic(parts.topics, name));
    for (const Json& one : some) {
        auto partition = TRY(FindPartition(*topic, one.get<int64_t>()));
        meant.emplace_back(name, partition->index());
    }
    if (!some.empty()) return meant;
    for (const auto& partition : topic->partitions) meant.emplace_back(name, partition->index());
    return meant;
}

Result<HttpResponse> Seek(const Dependencies& parts, HttpCall& call) {
    const std::string& id = call.parameters["group"];
    Json body = TRY(call.JsonBody());
    Target target = TRY(TargetOf(body));
    bool dry_run = TRY(JsonBoolOr(body, "dry_run", false));
    Offsets has = parts.groups.OffsetsOf(id), wanted;
    auto meant = TRY(MeantBy(parts, body, has));
    if (meant.empty()) return NoGroup(id).WithHint("name a \"topic\" to give a new group its offsets");
    Json changes = Json::array();
    for (const TopicPartition& of : meant) {
        // As of a member that commits.
        TRY(security::Require(parts.gate, call.principal, "topic:Read", {"topic", of.first}));
        auto topic = parts.topics.Find(of.first);
        if (!topic || of.second < 0 || static_cast<size_t>(of.second) >= topic->partitions.size()) continue;
        auto before = has.find(of);
        int64_t now = before == has.end() ? -1 : before->second.offset;
        int64_t after = TRY(OffsetAt(parts, *topic->partitions[static_cast<size_t>(of.second)], target, now));
        wanted[of] = {after, -1, "", ToMillis(parts.env.clock().Now())};
        changes.push_back({{"topic", of.first},
                           {"partition", of.second},
                           {"before", now < 0 ? Json() : Json(now)},
                           {"after", after}});
    }
    call.call.details = {{"dry_run", dry_run}, {"offsets", changes}};
    call.call.rows = static_cast<int64_t>(changes.size());
    if (dry_run) {
        if (!ViewOf(parts.groups, id).members.empty()) return HasMembers(id);
    } else {
        TRY(SetOffsets(parts.topics, parts.groups, id, wanted));
    }
    return JsonResponse({{"offsets", std::move(changes)}});
}

Result<HttpResponse> RemoveGroup(const Dependencies& parts, HttpCall& call) {
    TRY(DeleteGroup(parts.topics, parts.groups, call.parameters["group"]));
    return JsonResponse(Json::object());
}

}  // namespace

// The same actions as Kafka's rows have (kafka_apis.cc).
std::vector<Route> GroupRoutes(Dependencies dependencies) {
    auto bound = [dependencies](auto handler) {
        return [dependencies, handler](HttpCall& call) { return handler(dependencies, call); };
    };
    constexpr auto kRead = AuditClass::kRead;
    constexpr auto kChange = AuditClass::kChange;
    return {
        {{"http", "GET /api/v1/consumer-groups", "self", "group", kRead, {}}, "*", bound(ListGroups)},
        {{"http", "GET /api/v1/consumer-groups/{group}", "group:Describe", "group", kRead, {}},
         "{group}",
         bound(GetGroup)},
        {{"http", "POST /api/v1/consumer-groups/{group}/seek", "group:Read", "group", kChange, {1 << 16, 16}},
         "{group}",
         bound(Seek)},
        {{"http", "DELETE /api/v1/consumer-groups/{group}", "group:Delete", "group", kChange, {}},
         "{group}",
         bound(RemoveGroup)},
    };
}

}  // namespace tarn::buffer
