// Topics and consumer groups, in the manner of Kafka's and Redpanda's own tools.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::app {
namespace {

void PrintJson(const Json& json) { std::cout << DumpJson(json, 2) << "\n"; }

std::string TopicPath(const std::string& name) { return "/api/v1/topics/" + UrlEncode(name); }
std::string GroupPath(const std::string& id) { return "/api/v1/consumer-groups/" + UrlEncode(id); }

Result<int64_t> NumberOption(const Invocation& call, const std::string& name) {
    auto number = ParseInteger(call.Get(name));
    if (!number) return Error(ErrorCode::kInvalidArgument, "{} is a number, not \"{}\"", name, call.Get(name));
    return *number;
}

// --set NAME=VALUE
Result<Json> PairsOf(const Invocation& call, const std::string& option) {
    Json pairs = Json::object();
    for (const std::string& pair : call.All(option)) {
        size_t at = pair.find('=');
        if (at == std::string::npos || at == 0) {
            return Error(ErrorCode::kInvalidArgument, "{} is NAME=VALUE, not \"{}\"", option, pair);
        }
        pairs[pair.substr(0, at)] = pair.substr(at + 1);
    }
    return pairs;
}

// ---- topics

// With sizes and rates as people read them.
Json Readable(Json topic) {
    topic["size"] = FormatSize(topic.value("bytes", int64_t{0}));
    topic["records/s"] = fmt::format("{:.1f}", topic.value("records_per_second", 0.0));
    return topic;
}

Status ListTopics(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Get("/api/v1/topics"));
    if (call.json()) return PrintJson(answer), Ok();
    Json rows = Json::array();
    for (Json& topic : answer["topics"]) rows.push_back(Readable(std::move(topic)));
    if (rows.empty())
        std::cerr << "there are no topics, or none that you may see; `tarn topic create NAME` makes one\n";
    if (!rows.empty()) PrintObjects(std::cout, rows, {"name", "partitions", "records", "size", "records/s"});
    return Ok();
}

Status DescribeTopic(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json topic = TRY(client.Get(TopicPath(call.Get("TOPIC"))));
    if (call.json()) return PrintJson(topic), Ok();
    std::cout << topic.value("name", "") << ": " << topic["partitions"].size() << " partitions, "
              << GroupDigits(topic.value("records", int64_t{0})) << " records, "
              << FormatSize(topic.value("bytes", int64_t{0})) << "\n\n";
    PrintObjects(std::cout, topic["partitions"], {"partition", "start", "end", "records", "bytes", "newest_at"});
    Json settings = Json::array();
    for (const Json& setting : topic["settings"]) {
        if (setting.value("is_set", false) || call.Has("--settings")) settings.push_back(setting);
    }
    if (!settings.empty()) {
        std::cout << "\n";
        PrintObjects(std::cout, settings, {"name", "value", "default", "documentation"});
    }
    if (topic["groups"].empty()) return Ok();
    std::cout << "\n";
    PrintObjects(std::cout, topic["groups"], {"group", "state", "members", "lag"});
    return Ok();
}

Status CreateTopic(const Invocation& call) {
    Json body = {{"settings", TRY(PairsOf(call, "--set"))}};
    if (call.Has("--partitions")) body["partitions"] = TRY(NumberOption(call, "--partitions"));
    Client client = TRY(Client::Find(call));
    Json made = Json::array();
    for (const std::string& name : call.All("TOPIC")) {
        made.push_back(TRY(client.Put(TopicPath(name), body)));
        if (!call.json()) {
            std::cout << name << ": made, with " << made.back().value("partitions", int64_t{0}) << " partitions\n";
        }
    }
    if (call.json()) PrintJson({{"topics", made}});
    return Ok();
}

Status DeleteTopic(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json deleted = Json::array();
    for (const std::string& name : call.All("TOPIC")) {
        Json answer = TRY(client.Delete(TopicPath(name)));
        answer["name"] = name;
        if (!call.json()) {
            std::cout << name << ": deleted, with " << GroupDigits(answer.value("deleted_records", int64_t{0}))
                      << " records\n";
        }
        deleted.push_back(std::move(answer));
    }
    if (call.json()) PrintJson({{"topics", deleted}});
    return Ok();
}

Status AlterTopic(const Invocation& call) {
    std::string path = TopicPath(call.Get("TOPIC"));
    Json change = {{"set", TRY(PairsOf(call, "--set"))}, {"reset", call.All("--reset")}};
    bool settings = !change["set"].empty() || !change["reset"].empty();
    if (!settings && !call.Has("--partitions")) {
        return Error(ErrorCode::kInvalidArgument, "nothing is to be changed")
            .WithHint("say --set NAME=VALUE, --reset NAME or -p PARTITIONS");
    }
    Json done = Json::object();
    int64_t partitions = call.Has("--partitions") ? TRY(NumberOption(call, "--partitions")) : 0;
    Client client = TRY(Client::Find(call));
    if (settings) {
        Json answer = TRY(client.Post(path + "/settings", change));
        done["settings"] = Json::object();
        for (const Json& one : answer["settings"]) {
            if (one.value("is_set", false)) done["settings"][one.value("name", "")] = one["value"];
        }
    }
    if (call.Has("--partitions")) done.update(TRY(client.Post(path + "/partitions", {{"partitions", partitions}})));
    if (call.json()) return PrintJson(done), Ok();
    if (call.Has("--partitions")) std::cout << call.Get("TOPIC") << ": " << partitions << " partitions\n";
    if (settings && done["settings"].empty()) std::cout << call.Get("TOPIC") << ": all settings are the defaults\n";
    Json set = done.value("settings", Json::object());
    for (const auto& [name, value] : set.items()) {
        std::cout << name << "=" << value.get<std::string>() << "\n";
    }
    return Ok();
}

Status TrimTopic(const Invocation& call) {
    Json body = Json::object();
    if (call.Has("--partition")) body["partition"] = TRY(NumberOption(call, "--partition"));
    if (call.Has("--before")) body["before"] = TRY(NumberOption(call, "--before"));
    if (body.contains("before") && !body.contains("partition")) {
        return Error(ErrorCode::kInvalidArgument, "--before is an offset of one partition: say which, as -p 0");
    }
    if (!body.contains("before") && !call.Has("--all")) {
        return Error(ErrorCode::kInvalidArgument, "say -p PARTITION --before OFFSET, or --all for everything");
    }
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Post(TopicPath(call.Get("TOPIC")) + "/delete-records", body));
    if (call.json()) return PrintJson(answer), Ok();
    std::cout << GroupDigits(answer.value("deleted_records", int64_t{0})) << " records deleted\n";
    PrintObjects(std::cout, answer["partitions"], {"partition", "start"});
    return Ok();
}

// ---- groups

Status ListGroups(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Get("/api/v1/consumer-groups"));
    if (call.json()) return PrintJson(answer), Ok();
    Json rows = Json::array();
    for (Json& group : answer["groups"]) {
        group["topics"] = Join(group["topics"].get<std::vector<std::string>>(), ", ");
        rows.push_back(std::move(group));
    }
    if (rows.empty()) std::cerr << "there are no groups, or none that you may see\n";
    if (!rows.empty()) PrintObjects(std::cout, rows, {"group", "state", "members", "lag", "topics"});
    return Ok();
}

Status DescribeGroup(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    Json group = TRY(client.Get(GroupPath(call.Get("GROUP"))));
    if (call.json()) return PrintJson(group), Ok();
    std::cout << group.value("group", "") << ": " << group.value("state", "") << ", " << group["members"].size()
              << " members, lag " << GroupDigits(group.value("lag", int64_t{0})) << "\n";
    std::map<std::string, std::string> clients;
    for (const Json& member : group["members"]) clients[member.value("id", "")] = member.value("client_id", "");
    for (Json& offset : group["offsets"]) {
        std::string member = offset["member"].is_string() ? offset["member"].get<std::string>() : "";
        offset["client"] = clients[member];
    }
    if (group["offsets"].empty()) return Ok();
    std::cout << "\n";
    PrintObjects(std::cout, group["offsets"],
                 {"topic", "partition", "committed", "start", "end", "lag", "client", "member"});
    return Ok();
}

// start, end, a time, @OFFSET or +-N: what people say, as the API says it.
Result<Json> TargetOf(const std::string& to) {
    if (to == "start" || to == "earliest") return Json{{"to", "earliest"}};
    if (to == "end" || to == "latest") return Json{{"to", "latest"}};
    if (auto number = ParseInteger(to.starts_with('+') ? to.substr(1) : to)) {
        bool shift = to.starts_with('+') || to.starts_with('-');
        return Json{{shift ? "shift" : "offset", *number}};
    }
    if (ParseTime(to).ok()) return Json{{"time", to}};
    return Error(ErrorCode::kInvalidArgument,
                 "--to is start, end, an OFFSET, +N or -N records from where it is, or a time as 2026-12-01T08:00:00Z");
}

Status SeekGroup(const Invocation& call) {
    if (!call.Has("--to")) return Error(ErrorCode::kInvalidArgument, "say where --to, as --to start");
    Json body = TRY(TargetOf(call.Get("--to")));
    if (call.Has("--topic")) body["topic"] = call.Get("--topic");
    if (call.Has("--partition")) body["partitions"] = Json::array({TRY(NumberOption(call, "--partition"))});
    body["dry_run"] = call.Has("--dry-run");
    Client client = TRY(Client::Find(call));
    Json answer = TRY(client.Post(GroupPath(call.Get("GROUP")) + "/seek", body));
    if (call.json()) return PrintJson(answer), Ok();
    PrintObjects(std::cout, answer["offsets"], {"topic", "partition", "before", "after"});
    if (call.Has("--dry-run")) std::cout << "nothing was changed\n";
    return Ok();
}

Status DeleteGroup(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    for (const std::string& id : call.All("GROUP")) {
        TRY(client.Delete(GroupPath(id)));
        if (!call.json()) std::cout << id << ": deleted\n";
    }
    if (call.json()) PrintJson({{"groups", call.All("GROUP")}});
    return Ok();
}

std::vector<Command> GroupCommands() {
    CommandArgument group = {"GROUP", "The group's name."};
    return {
        {.name = "group list",
         .summary = "Lists consumer groups, with how far they are behind.",
         .example = "tarn group list",
         .run = ListGroups},
        {.name = "group describe",
         .summary = "Shows a group: its members, its offsets and its lag by partition.",
         .example = "tarn group describe billing",
         .arguments = {group},
         .run = DescribeGroup},
        {.name = "group seek",
         .summary = "Puts a group's offsets elsewhere, while none of its consumers runs.",
         .example = "tarn group seek billing --to 2026-12-01T08:00:00Z --dry-run",
         .arguments = {group},
         .options = {{"--to", "WHERE", "start, end, an offset, +N or -N records from where it is, or a time."},
                     {"--topic", "TOPIC", "Only of this topic; else of all that the group has offsets of."},
                     {"-p,--partition", "PARTITION", "Only of this partition of the topic."},
                     {"--dry-run", nullptr, "Only says what would become of it."}},
         .run = SeekGroup},
        {.name = "group delete",
         .summary = "Deletes groups without members, and with them their offsets.",
         .example = "tarn group delete billing",
         .arguments = {{"GROUP", "The groups' names.", true, true}},
         .run = DeleteGroup},
    };
}

}  // namespace

std::vector<Command> TopicCommands() {
    CommandArgument topic = {"TOPIC", "The topic's name."};
    CommandArgument topics = {"TOPIC", "The topics' names.", true, true};
    CommandOption set = {"--set", "NAME=VALUE", "A setting, by Kafka's name, as retention.ms=86400000.", true};
    std::vector<Command> commands = {
        {.name = "topic list",
         .summary = "Lists topics, with what is in them and how much comes in.",
         .example = "tarn topic list",
         .run = ListTopics},
        {.name = "topic describe",
         .summary = "Shows a topic: its partitions, its settings, and who reads it.",
         .example = "tarn topic describe flight_events",
         .arguments = {topic},
         .options = {{"--settings", nullptr, "All settings, also those that are at their default."}},
         .run = DescribeTopic},
        {.name = "topic create",
         .summary = "Makes topics.",
         .example = "tarn topic create orders -p 4 --set retention.ms=86400000",
         .arguments = {topics},
         .options = {{"-p,--partitions", "N", "How many partitions; buffer.partitions of tarn.yaml if not given."},
                     set},
         .run = CreateTopic},
        {.name = "topic delete",
         .summary = "Deletes topics with everything that is in them.",
         .example = "tarn topic delete orders",
         .arguments = {topics},
         .run = DeleteTopic},
        {.name = "topic alter",
         .summary = "Changes a topic's settings, or adds partitions.",
         .example = "tarn topic alter orders --set retention.ms=3600000 --reset max.message.bytes -p 8",
         .arguments = {topic},
         .options = {set,
                     {"--reset", "NAME", "A setting that gets its default again.", true},
                     {"-p,--partitions", "N", "How many partitions there are to be: more than there are."}},
         .run = AlterTopic},
        {.name = "topic trim",
         .summary = "Deletes a topic's records up to an offset.",
         .example = "tarn topic trim orders -p 0 --before 4711",
         .arguments = {topic},
         .options = {{"-p,--partition", "PARTITION", "Which partition."},
                     {"--before", "OFFSET", "Records before this one are deleted."},
                     {"--all", nullptr, "All that is there; of the partition, if one is named."}},
         .run = TrimTopic},
    };
    for (Command& command : GroupCommands()) commands.push_back(std::move(command));
    for (Command& command : RecordCommands()) commands.push_back(std::move(command));
    return commands;
}

}  // namespace tarn::app
