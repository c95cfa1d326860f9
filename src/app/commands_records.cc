// Records of topics: read to standard output, written from standard input.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::app {
namespace {

using Positions = std::map<int64_t, int64_t>;

constexpr Duration kPause = std::chrono::milliseconds(100);  // between two questions that got nothing

std::string RecordsPath(const std::string& topic) { return "/api/v1/topics/" + UrlEncode(topic) + "/records"; }

// "0:12,1:7", as the API says where it was.
Positions ParsePositions(const std::string& text) {
    Positions positions;
    for (const std::string& one : Split(text, ',')) {
        size_t colon = one.find(':');
        if (colon != std::string::npos) {
            positions[IntegerOrZero(one.substr(0, colon))] = IntegerOrZero(one.substr(colon + 1));
        }
    }
    return positions;
}

// ---- consume

// The bytes of key or value.
std::string BytesOf(const Json& record, const std::string& name) {
    auto found = record.find(name);
    if (found == record.end() || !found->is_string()) return "";
    std::string text = found->get<std::string>();
    if (!record.value(name + "_is_base64", false)) return text;
    auto bytes = Base64Decode(text);
    return bytes.ok() ? std::string(AsText(*bytes)) : text;
}

std::string HeadersText(const Json& record) {
    std::vector<std::string> parts;
    for (const Json& header : record["headers"])
        parts.push_back(header.value("key", "") + "=" + BytesOf(header, "value"));
    return Join(parts, ",");
}

Result<char> EscapeOf(char letter) {
    switch (letter) {
        case 'n':
            return '\n';
        case 't':
            return '\t';
        case 'r':
            return '\r';
        case '0':
            return '\0';
        case '\\':
            return '\\';
        default:
            return Error(ErrorCode::kInvalidArgument, "--format has \\n, \\t, \\r, \\0 and \\\\, not \\{}", letter);
    }
}

Status AppendVerb(char verb, const std::string& topic, const Json& record, std::string& out) {
    switch (verb) {
        case 't':
            return out += topic, Ok();
        case 'p':
            return out += std::to_string(record.value("partition", int64_t{0})), Ok();
        case 'o':
            return out += std::to_string(record.value("offset", int64_t{0})), Ok();
        case 'd':
            return out += record["time"].is_string() ? record["time"].get<std::string>() : "", Ok();
        case 'k':
            return out += BytesOf(record, "key"), Ok();
        case 'v':
            return out += BytesOf(record, "value"), Ok();
        case 'h':
            return out += HeadersText(record), Ok();
        case '%':
            return out += '%', Ok();
        default:
            return Error(ErrorCode::kInvalidArgument, "--format has %t %p %o %d %k %v %h and %%, not %{}", verb);
    }
}

Result<std::string> Formatted(const std::string& format, const std::string& topic, const Json& record) {
    std::string out;
    for (size_t at = 0; at < format.size(); ++at) {
        char letter = format[at];
        if ((letter != '%' && letter != '\\') || at + 1 == format.size()) {
            out += letter;
        } else if (letter == '%') {
            TRY(AppendVerb(format[++at], topic, record, out));
        } else {
            out += TRY(EscapeOf(format[++at]));
        }
    }
    return out;
}

// Where to begin, as a query of the API. -N: so many before the end, of each partition.
Result<std::string> BeginOf(Client& client, const std::string& topic, const std::string& where,
                            const std::string& partition) {
    if (where.empty() || where == "start" || where == "earliest") return std::string("&from=earliest");
    if (where == "end" || where == "latest") return std::string("&from=end");
    if (auto number = ParseInteger(where)) {
        if (!where.starts_with("-")) return "&offset=" + where;
        Json ends = TRY(client.Get(RecordsPath(topic) + "?order=oldest&from=end&limit=1" + partition));
        std::string positions;
        for (const auto& [index, end] : ParsePositions(ends.value("next", ""))) {
            positions +=
                fmt::format("{}{}:{}", positions.empty() ? "" : ",", index, std::max<int64_t>(0, end + *number));
        }
        return "&positions=" + UrlEncode(positions);
    }
    if (ParseTime(where).ok()) return "&time=" + UrlEncode(where);
    return Error(ErrorCode::kInvalidArgument,
                 "--offset is start, end, an OFFSET, -N for the last N, or a time as 2026-12-01T08:00:00Z, not \"{}\"",
                 where);
}

struct Consuming {
    std::string topic, format;
    int64_t left = INT64_MAX;
    std::optional<Positions> ends;  // what was there when it began; none: for ever
};

bool IsOver(const Consuming& consuming, const Positions& at) {
    if (consuming.left == 0) return true;
    if (!consuming.ends) return false;
    for (const auto& [partition, end] : *consuming.ends) {
        auto found = at.find(partition);
        if (found != at.end() && found->second < end) return false;
    }
    return true;
}

Status Print(Consuming& consuming, const Json& records) {
    for (const Json& record : records) {
        if (consuming.left == 0) break;
        if (consuming.ends) {
            auto end = consuming.ends->find(record.value("partition", int64_t{0}));
            if (end != consuming.ends->end() && record.value("offset", int64_t{0}) >= end->second) continue;
        }
        --consuming.left;
        if (consuming.format.empty()) {
            std::cout << DumpJson(record) << "\n";
        } else {
            std::cout << TRY(Formatted(consuming.format, consuming.topic, record));
        }
    }
    std::cout.flush();
    if (std::cout.good()) return Ok();
    return Error(ErrorCode::kIo, "standard output takes nothing more");
}

Status Consume(const Invocation& call) {
    Consuming consuming;
    consuming.topic = call.Get("TOPIC");
    consuming.format = call.Get("--format");
    TRY(Formatted(consuming.format, "", Json{{"time", nullptr}, {"headers", Json::array()}}));  // is it a format?
    if (call.Has("--num")) {
        consuming.left = ParseInteger(call.Get("--num")).value_or(-1);
        if (consuming.left < 0) return Error(ErrorCode::kInvalidArgument, "--num is how many records");
    }
    Client client = TRY(Client::Find(call));
    std::string partition = call.Has("--partition") ? "&partition=" + UrlEncode(call.Get("--partition")) : "";
    std::string path = RecordsPath(consuming.topic) + "?order=oldest&shown_bytes=16777216";
    if (call.Has("--filter")) path += "&filter=" + UrlEncode(call.Get("--filter"));
    std::string begin = TRY(BeginOf(client, consuming.topic, call.Get("--offset"), partition)) + partition;
    if (call.Has("--until-end")) {
        Json ends = TRY(client.Get(RecordsPath(consuming.topic) + "?order=oldest&from=end&limit=1" + partition));
        consuming.ends = ParsePositions(ends.value("next", ""));
    }
    while (true) {
        std::string limit = std::to_string(std::min<int64_t>(std::max<int64_t>(consuming.left, 1), 500));
        Json page = TRY(client.Get(path + "&limit=" + limit + begin));
        TRY(Print(consuming, page["records"]));
        std::string next = page.value("next", "");
        // It waits for us only while few others are waited for.
        if (page["records"].empty() && !page.value("more", false)) call.env().clock().Sleep(kPause);
        if (IsOver(consuming, ParsePositions(next))) return Ok();
        begin = "&positions=" + UrlEncode(next) + (page.value("more", false) ? "" : "&wait_ms=5000");
    }
}

// ---- produce

constexpr size_t kLotMax = 1000;
constexpr size_t kLotBytesMax = 2 << 20;

// The next lines of standard input: all that are there, so that slow input is sent at once and a file in large lots.
// Empty at the end.
std::vector<std::string> NextLines() {
    std::vector<std::string> lines;
    size_t bytes = 0;
    std::string line;
    while (lines.size() < kLotMax && bytes < kLotBytesMax && std::getline(std::cin, line)) {
        bytes += line.size();
        lines.push_back(std::move(line));
        if (std::cin.rdbuf()->in_avail() <= 0) break;
    }
    return lines;
}

void PutText(Json& record, const std::string& name, const std::string& text) {
    if (IsUtf8(text)) {
        record[name] = text;
    } else {
        record[name + "_base64"] = Base64Encode(AsBytes(text));
    }
}

// A line as `tarn topic consume` prints it, to be produced again.
Result<Json> CopyOf(const std::string& line) {
    Json given = TRY_CONTEXT(ParseJson(line), "--records");
    if (!given.is_object()) return Error(ErrorCode::kInvalidArgument, "--records: a line is one JSON object");
    Json record = {{"headers", Json::array()}};
    auto copy = [](const Json& from, const std::string& name, Json& to) {
        if (from.contains(name)) to[from.value(name + "_is_base64", false) ? name + "_base64" : name] = from[name];
    };
    copy(given, "key", record);
    copy(given, "value", record);
    if (given.contains("time")) record["time"] = given["time"];
    for (const Json& header : given.value("headers", Json::array())) {
        Json one = {{"key", header.value("key", "")}};
        copy(header, "value", one);
        record["headers"].push_back(std::move(one));
    }
    return record;
}

Result<Json> RecordOf(const Invocation& call, const std::string& line) {
    Json record = Json::object();
    if (call.Has("--records")) {
        record = TRY(CopyOf(line));
    } else {
        std::string value = line;
        std::string separator = call.Get("--key-separator");
        size_t at = separator.empty() ? std::string::npos : line.find(separator);
        if (at != std::string::npos) {
            PutText(record, "key", line.substr(0, at));
            value = line.substr(at + separator.size());
        }
        bool tombstone = call.Has("--tombstone") && value.empty();
        if (!tombstone) PutText(record, "value", value);
    }
    if (call.Has("--key")) PutText(record, "key", call.Get("--key"));
    if (call.Has("--partition")) {
        auto partition = ParseInteger(call.Get("--partition"));
        if (!partition) return Error(ErrorCode::kInvalidArgument, "--partition is a number");
        record["partition"] = *partition;
    }
    for (const std::string& header : call.All("--header")) {
        size_t colon = header.find(':');
        if (colon == std::string::npos) return Error(ErrorCode::kInvalidArgument, "--header is KEY:VALUE");
        Json one = {{"key", header.substr(0, colon)}};
        PutText(one, "value", header.substr(colon + 1));
        record["headers"].push_back(std::move(one));
    }
    return record;
}

struct Produced {
    int64_t records = 0, first = INT64_MAX, last = 0;
};

Status Produce(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::ios::sync_with_stdio(false);  // else nobody knows whether there is more input
    std::map<int64_t, Produced> produced;
    int64_t count = 0;
    while (true) {
        Json body = {{"records", Json::array()}};
        for (const std::string& line : NextLines()) body["records"].push_back(TRY(RecordOf(call, line)));
        if (body["records"].empty()) break;
        Json answer = TRY_CONTEXT(client.Post(RecordsPath(call.Get("TOPIC")), body),
                                  fmt::format("{} records were produced before", count));
        for (const Json& place : answer["places"]) {
            Produced& one = produced[place.value("partition", int64_t{0})];
            int64_t offset = place.value("offset", int64_t{0});
            ++one.records;
            ++count;
            one.first = std::min(one.first, offset);
            one.last = std::max(one.last, offset);
        }
    }
    Json partitions = Json::array();
    for (const auto& [partition, one] : produced) {
        partitions.push_back(
            {{"partition", partition}, {"records", one.records}, {"first", one.first}, {"last", one.last}});
    }
    if (call.json()) {
        std::cout << DumpJson({{"records", count}, {"partitions", partitions}}, 2) << "\n";
        return Ok();
    }
    std::cout << GroupDigits(count) << (count == 1 ? " record" : " records") << " produced\n";
    if (count > 0) PrintObjects(std::cout, partitions, {"partition", "records", "first", "last"});
    return Ok();
}

}  // namespace

std::vector<Command> RecordCommands() {
    CommandArgument topic = {"TOPIC", "The topic's name."};
    return {
        {.name = "topic consume",
         .summary = "Prints a topic's records as they are and as they come: a line of JSON each, or by --format.",
         .details =
             "--format has %t topic, %p partition, %o offset, %d time, %k key, %v value, %h headers, %%, and \\n "
             "\\t \\r \\0.\nNothing is committed: no group is needed, and none moves.",
         .example = "tarn topic consume orders --offset -10 --until-end --format '%p/%o %k %v\\n'",
         .arguments = {topic},
         .options = {{"-o,--offset", "WHERE", "start (if not given), end, an offset, -N for the last N, or a time."},
                     {"-n,--num", "N", "Ends after so many records."},
                     {"--until-end", nullptr, "Ends with what is there now, instead of waiting for more."},
                     {"-p,--partition", "PARTITIONS", "Only of these, as 0 or 0,2."},
                     {"--filter", "TEXT", "Only those with this text in key, value or headers."},
                     {"-f,--format", "FORMAT", "How a record is printed."}},
         .run = Consume},
        {.name = "topic produce",
         .summary = "Writes standard input into a topic, a record a line; all of it is on the disk when it ends.",
         .example = "echo '{\"id\": 1}' | tarn topic produce orders --key 1",
         .arguments = {topic},
         .options = {{"-k,--key", "KEY", "The key of all records."},
                     {"--key-separator", "TEXT", "A line is key, this, value."},
                     {"-H,--header", "KEY:VALUE", "A header of all records.", true},
                     {"-p,--partition", "PARTITION", "Where to; else by the key."},
                     {"-Z,--tombstone", nullptr, "An empty line is a tombstone (no value) instead of an empty value."},
                     {"--records", nullptr, "A line is a record as `tarn topic consume` prints it."}},
         .run = Produce},
    };
}

}  // namespace tarn::app
