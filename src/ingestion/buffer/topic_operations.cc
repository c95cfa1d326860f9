// The HTTP operations of topics. What they do is in administration.h, shared with Kafka's handlers.
#include "base/text.h"
#include "ingestion/buffer/administration.h"
#include "ingestion/buffer/operations.h"
#include "ingestion/buffer/record_browser.h"

namespace tarn::buffer {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Route;

using Dependencies = OperationsDependencies;

constexpr size_t kGroupsShownMax = 1000;

struct Size {
    uint64_t records = 0, bytes = 0;
};
Size SizeOf(const Topic& topic) {
    Size size;
    for (const auto& partition : topic.partitions) {
        PartitionOffsets offsets = partition->Offsets();
        size.records += offsets.durable_end - offsets.start;
        size.bytes += partition->bytes();
    }
    return size;
}

Json SummaryJson(const Dependencies& parts, const Topic& topic) {
    Size size = SizeOf(topic);
    Rate rate = parts.throughput.LastMinute(topic.id);
    return {{"name", topic.name},
            {"partitions", topic.partitions.size()},
            {"records", size.records},
            {"bytes", size.bytes},
            {"records_per_second", rate.records},
            {"bytes_per_second", rate.bytes},
            {"cleanup_policy", topic.Setting("cleanup.policy")},
            {"created_at", FormatTime(topic.created_at)}};
}

Result<HttpResponse> ListTopics(const Dependencies& parts, HttpCall& call) {
    Json topics = Json::array();
    for (const auto& topic : parts.topics.All()) {
        if (!parts.May(call.principal, "topic:Describe", "topic", topic->name)) continue;
        topics.push_back(SummaryJson(parts, *topic));
    }
    call.call.rows = static_cast<int64_t>(topics.size());
    return JsonResponse({{"topics", std::move(topics)}});
}

std::string_view TypeName(SettingRow::Type type) {
    switch (type) {
        case SettingRow::Type::kBoolean:
            return "boolean";
        case SettingRow::Type::kInteger:
        case SettingRow::Type::kLong:
            return "integer";
        case SettingRow::Type::kDouble:
            return "number";
        case SettingRow::Type::kString:
            return "text";
        case SettingRow::Type::kList:
            return "list";
    }
    return "";
}

Json SettingsJson(const Topic& topic) {
    Json settings = Json::array();
    for (const SettingRow& row : SettingRows()) {
        std::string name(row.name);
        bool words = row.type == SettingRow::Type::kString || row.type == SettingRow::Type::kList;
        settings.push_back({{"name", name},
                            {"value", topic.Setting(row.name)},
                            {"default", row.fallback},
                            {"is_set", topic.settings.contains(name)},
                            {"type", TypeName(row.type)},
                            {"allowed", words && !row.allowed.empty() ? Json(Split(row.allowed, '|')) : Json::array()},
                            {"documentation", row.documentation}});
    }
    return settings;
}

Json PartitionsJson(const Topic& topic) {
    Json partitions = Json::array();
    for (const auto& partition : topic.partitions) {
        PartitionOffsets offsets = partition->Offsets();
        partitions.push_back({{"partition", partition->index()},
                              {"start", offsets.start},
                              {"end", offsets.durable_end},
                              {"records", offsets.durable_end - offsets.start},
                              {"bytes", partition->bytes()},
                              {"newest_at", TimeJson(partition->max_timestamp_ms())}});
    }
    return partitions;
}

// Groups that committed offsets of the topic, or whose members read it and haven't yet.
Json ReadersJson(const Dependencies& parts, const security::Principal& principal, const Topic& topic) {
    std::map<std::string, std::map<int32_t, CommittedOffset>> offsets = parts.groups.OffsetsOfTopic(topic.name);
    Json readers = Json::array();
    for (const std::string& id : parts.groups.Ids()) {
        if (readers.size() >= kGroupsShownMax) break;
        if (!parts.May(principal, "group:Describe", "group", id)) continue;
        GroupView view = ViewOf(parts.groups, id);
        size_t members = 0;
        for (const GroupMemberView& member : view.members) members += ShareOf(member).contains(topic.name) ? 1 : 0;
        auto committed = offsets.find(id);
        if (members == 0 && committed == offsets.end()) continue;
        int64_t lag = 0;
        for (const auto& partition : topic.partitions) {
            CommittedOffset none;
            const CommittedOffset* one = &none;
            if (committed != offsets.end()) {
                auto found = committed->second.find(partition->index());
                if (found != committed->second.end()) one = &found->second;
            }
            lag += LagOf(*partition, *one).lag;
        }
        readers.push_back({{"group", id}, {"state", view.state}, {"members", members}, {"lag", lag}});
    }
    return readers;
}

Json ThroughputJson(const Dependencies& parts, const Topic& topic) {
    Throughput::Series series = parts.throughput.Of(topic.id);
    Json records = Json::array(), bytes = Json::array();
    for (const Rate& rate : series.steps) {
        records.push_back(rate.records);
        bytes.push_back(rate.bytes);
    }
    return {{"until", series.steps.empty() ? Json() : Json(FormatTime(series.until))},
            {"step_seconds", std::chrono::duration<double>(kThroughputStep).count()},
            {"records_per_second", std::move(records)},
            {"bytes_per_second", std::move(bytes)}};
}

Result<HttpResponse> GetTopic(const Dependencies& parts, HttpCall& call) {
    auto topic = TRY(FindTopic(parts.topics, call.parameters["name"]));
    Json answer = SummaryJson(parts, *topic);
    answer["id"] = Base64UrlEncode(topic->id);
    answer["partitions"] = PartitionsJson(*topic);
    bool settings = parts.May(call.principal, "topic:DescribeConfigs", "topic", topic->name);
    answer["settings"] = settings ? SettingsJson(*topic) : Json::array();
    answer["groups"] = ReadersJson(parts, call.principal, *topic);
    answer["throughput"] = ThroughputJson(parts, *topic);
    for (const char* action :
         {"topic:Read", "topic:Write", "topic:Alter", "topic:DescribeConfigs", "topic:AlterConfigs", "topic:Delete"}) {
        answer["may"][action] = parts.May(call.principal, action, "topic", topic->name);
    }
    return JsonResponse(answer);
}

// {"retention.ms": "1000"}: as Kafka has it all values are texts; a number or a boolean is taken for its text.
Result<TopicSettings> SettingsOf(const Json& body, std::string_view key) {
    TopicSettings settings;
    auto found = body.find(key);
    if (found == body.end() || found->is_null()) return settings;
    if (!found->is_object()) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is a mapping, as {{\"retention.ms\": \"86400000\"}}", key);
    }
    for (const auto& [name, value] : found->items()) {
        if (!value.is_primitive() || value.is_null()) {
            return Error(ErrorCode::kInvalidArgument, "the setting {} is a text or a number", name);
        }
        settings[name] = value.is_string() ? value.get<std::string>() : value.dump();
    }
    return settings;
}

Result<int> PartitionsOf(const Json& body, int fallback) {
    int64_t partitions = TRY(JsonIntegerOr(body, "partitions", fallback));
    TRY(CheckPartitions(static_cast<int>(std::clamp<int64_t>(partitions, 0, kPartitionsAtOnceMax + 1))));
    return static_cast<int>(partitions);
}

Result<HttpResponse> CreateTopic(const Dependencies& parts, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    int partitions = TRY(PartitionsOf(body, parts.config.partitions));
    TopicSettings settings = TRY(SettingsOf(body, "settings"));
    call.call.details = {{"partitions", partitions}, {"settings", settings}};
    auto topic = TRY(parts.topics.CreateTopic(call.parameters["name"], partitions, std::move(settings)));
    return JsonResponse(SummaryJson(parts, *topic), 201);
}

Result<HttpResponse> RemoveTopic(const Dependencies& parts, HttpCall& call) {
    auto topic = TRY(FindTopic(parts.topics, call.parameters["name"]));
    Size size = SizeOf(*topic);
    call.call.rows = static_cast<int64_t>(size.records);
    TRY(DeleteTopic(parts.topics, topic->name));
    return JsonResponse({{"deleted_records", size.records}, {"deleted_bytes", size.bytes}});
}

Result<HttpResponse> ChangeSettings(const Dependencies& parts, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    TopicSettings set = TRY(SettingsOf(body, "set"));
    Json reset = body.contains("reset") ? body["reset"] : Json::array();
    bool names =
        reset.is_array() && std::all_of(reset.begin(), reset.end(), [](const Json& one) { return one.is_string(); });
    if (!names) return Error(ErrorCode::kInvalidArgument, "\"reset\" is a list of settings, as [\"retention.ms\"]");
    if (set.empty() && reset.empty()) {
        return Error(ErrorCode::kInvalidArgument, "\"set\" or \"reset\" says what is to be changed");
    }
    auto change = [&](TopicSettings& settings) -> Status {
        for (const Json& name : reset) {
            TRY(CheckSetting(name, Topic().Setting(name.get<std::string>())));  // is there such a one?
            settings.erase(name.get<std::string>());
        }
        for (const auto& [name, value] : set) settings[name] = value;
        return Ok();
    };
    const std::string& name = call.parameters["name"];
    TopicSettings settings = TRY(ChangedSettings(parts.topics, name, change));
    call.call.details["settings"] = settings;
    TRY(parts.topics.SetSettings(name, std::move(settings)));
    return JsonResponse({{"settings", SettingsJson(*TRY(FindTopic(parts.topics, name)))}});
}

Result<HttpResponse> MorePartitions(const Dependencies& parts, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    TRY(JsonInteger(body, "partitions"));
    int partitions = TRY(PartitionsOf(body, 0));
    call.call.details["partitions"] = partitions;
    TRY(AddPartitions(parts.topics, call.parameters["name"], partitions, false));
    return JsonResponse({{"partitions", partitions}});
}

Result<HttpResponse> RemoveRecords(const Dependencies& parts, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    auto topic = TRY(FindTopic(parts.topics, call.parameters["name"]));
    // Without "partition" of all of them, without "before" all that is there.
    int64_t only = TRY(JsonIntegerOr(body, "partition", -1));
    int64_t before = TRY(JsonIntegerOr(body, "before", -1));
    if (body.contains("partition")) TRY(FindPartition(*topic, only));
    if (before < -1 || (before != -1 && !body.contains("partition"))) {
        return Error(ErrorCode::kInvalidArgument, "\"before\" is an offset, of the \"partition\" that is named");
    }
    call.call.details = {{"partition", only < 0 ? Json("all") : Json(only)},
                         {"before", before < 0 ? Json("end") : Json(before)}};
    Json partitions = Json::array();
    uint64_t deleted = 0;
    for (const auto& partition : topic->partitions) {
        if (body.contains("partition") && partition->index() != only) continue;
        uint64_t had = partition->Offsets().start;
        uint64_t start = TRY(DeleteRecords(parts.topics, *topic, partition->index(), before));
        deleted += start - had;
        partitions.push_back({{"partition", partition->index()}, {"start", start}});
    }
    call.call.rows = static_cast<int64_t>(deleted);
    return JsonResponse({{"deleted_records", deleted}, {"partitions", std::move(partitions)}});
}

}  // namespace

// The same actions as Kafka's rows have (kafka_apis.cc).
std::vector<Route> TopicRoutes(Dependencies dependencies) {
    auto bound = [dependencies](auto handler) {
        return [dependencies, handler](HttpCall& call) { return handler(dependencies, call); };
    };
    constexpr auto kRead = AuditClass::kRead;
    constexpr auto kChange = AuditClass::kChange;
    constexpr security::OperationLimits kSmall = {1 << 16, 16};
    return {
        {{"http", "GET /api/v1/topics", "self", "topic", kRead, {}}, "*", bound(ListTopics)},
        {{"http", "GET /api/v1/topics/{name}", "topic:Describe", "topic", kRead, {}}, "{name}", bound(GetTopic)},
        {{"http", "PUT /api/v1/topics/{name}", "topic:Create", "topic", kChange, kSmall}, "{name}", bound(CreateTopic)},
        {{"http", "DELETE /api/v1/topics/{name}", "topic:Delete", "topic", kChange, {}}, "{name}", bound(RemoveTopic)},
        {{"http", "POST /api/v1/topics/{name}/settings", "topic:AlterConfigs", "topic", kChange, kSmall},
         "{name}",
         bound(ChangeSettings)},
        {{"http", "POST /api/v1/topics/{name}/partitions", "topic:Alter", "topic", kChange, kSmall},
         "{name}",
         bound(MorePartitions)},
        {{"http", "POST /api/v1/topics/{name}/delete-records", "topic:Delete", "topic", kChange, kSmall},
         "{name}",
         bound(RemoveRecords)},
    };
}

}  // namespace tarn::buffer
