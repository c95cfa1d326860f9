// The HTTP operations of records: looking at them, the live tail, and producing.
#include <algorithm>
#include <atomic>
#include <deque>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/buffer/administration.h"
#include "ingestion/buffer/operations.h"
#include "ingestion/buffer/record_browser.h"

namespace tarn::buffer {
namespace {

using security::AuditClass;
using security::HttpCall;
using security::JsonResponse;
using security::Principal;
using security::Route;

using Dependencies = OperationsDependencies;

constexpr int64_t kWaitMsMax = 10'000;
// Each holds a thread of the web listener: who is beyond is answered at once, and asks again.
constexpr int kWaitingMax = 3;
constexpr int kTailsMax = 3;
constexpr Duration kTick = std::chrono::seconds(2);
constexpr Duration kPause = std::chrono::milliseconds(100);  // between two lots of a busy topic
constexpr size_t kTailRecords = 200;                        // of one lot and partition
constexpr int64_t kTailBehindMax = 5000;  // who looks on is further behind: the tail goes to the end, and says so
constexpr size_t kProducedRecordsMax = 10'000;
constexpr uint64_t kProducedBytesMax = 16 << 20;

// ---- looking at them

Result<int64_t> NumberOf(const HttpCall& call, std::string_view key, int64_t fallback) {
    auto text = call.request.Query(key);
    if (!text) return fallback;
    auto number = ParseInteger(*text);
    if (!number || *number < 0) return Error(ErrorCode::kInvalidArgument, "{} is a number, not \"{}\"", key, *text);
    return *number;
}

// Those that "partition" (7 or 1,2,3) means; without it all.
Result<std::vector<PartitionRange>> RangesOf(const Dependencies& parts, const HttpCall& call,
                                             const std::string& topic) {
    std::vector<PartitionRange> ranges = TRY(parts.records.Partitions(call.principal, topic));
    auto some = call.request.Query("partition");
    if (some && !some->empty()) {
        std::vector<PartitionRange> meant;
        for (const std::string& one : Split(*some, ',')) {
            auto number = ParseInteger(one);
            if (!number || *number < 0 || static_cast<size_t>(*number) >= ranges.size()) {
                return Error(ErrorCode::kInvalidArgument, "topic {} has the partitions 0 to {}, not \"{}\"", topic,
                             ranges.size() - 1, one);
            }
            meant.push_back(ranges[static_cast<size_t>(*number)]);
        }
        ranges = std::move(meant);
    }
    if (ranges.size() <= kPartitionsBrowsedMax) return ranges;
    return Error(ErrorCode::kInvalidArgument, "at most {} partitions are looked through at once", kPartitionsBrowsedMax)
        .WithHint("name some, as partition=0,1,2");
}

// Where a page begins: "positions" (of the page before), "offset", "time", or "from" (earliest, end).
Result<Positions> BeginOf(const Dependencies& parts, const HttpCall& call, const std::string& topic,
                          bool newest_first) {
    if (auto positions = call.request.Query("positions")) return ParsePositions(*positions);
    Positions begin;
    auto time = call.request.Query("time");
    std::string from = call.request.Query("from").value_or(newest_first ? "end" : "earliest");
    int64_t offset = TRY(NumberOf(call, "offset", -1));
    if (from != "earliest" && from != "end") {
        return Error(ErrorCode::kInvalidArgument, "\"from\" is earliest or end, not \"{}\"", from);
    }
    int64_t since = time ? ToMillis(TRY(ParseTime(*time))) : 0;
    for (const PartitionRange& range : TRY(RangesOf(parts, call, topic))) {
        int64_t& at = begin[range.partition];
        at = from == "end" ? range.end : range.first;
        if (offset >= 0) at = std::clamp(offset, range.first, range.end);
        if (time) at = TRY(parts.records.OffsetAt(call.principal, topic, range.partition, since));
    }
    return begin;
}

// Until there is something new, or the time is over; not at all when many wait already.
Status AwaitRecords(const Dependencies& parts, HttpCall& call, const BrowseRequest& request,
                    std::atomic<int>& waiting) {
    int64_t wait_ms = std::min(TRY(NumberOf(call, "wait_ms", 0)), kWaitMsMax);
    if (wait_ms == 0 || request.newest_first) return Ok();
    bool may = waiting.fetch_add(1) < kWaitingMax;
    Result<bool> came = may ? parts.records.Wait(call.principal, request.topic, request.from,
                                                 std::chrono::milliseconds(wait_ms), call.request.cancelled)
                            : Result<bool>(false);
    waiting.fetch_sub(1);
    TRY(std::move(came));
    return Ok();
}

Result<HttpResponse> ListRecords(const Dependencies& parts, std::atomic<int>& waiting, HttpCall& call) {
    BrowseRequest request;
    request.topic = call.parameters["name"];
    std::string order = call.request.Query("order").value_or("newest");
    if (order != "newest" && order != "oldest") {
        return Error(ErrorCode::kInvalidArgument, "\"order\" is newest or oldest, not \"{}\"", order);
    }
    request.newest_first = order == "newest";
    request.limit = std::clamp<int64_t>(TRY(NumberOf(call, "limit", 50)), 1, kRecordsShownMax);
    request.filter = call.request.Query("filter").value_or("");
    request.shown_bytes =
        static_cast<size_t>(std::clamp<int64_t>(TRY(NumberOf(call, "shown_bytes", kShownBytes)), 0, kShownBytesMax));
    request.from = TRY(BeginOf(parts, call, request.topic, request.newest_first));
    TRY(AwaitRecords(parts, call, request, waiting));
    Page page = TRY(Browse(parts.records, call.principal, parts.env.clock(), request));
    call.call.rows = static_cast<int64_t>(page.records.size());
    call.call.bytes = page.bytes;
    return JsonResponse({{"records", std::move(page.records)},
                         {"next", PositionsText(page.next)},
                         {"more", page.more},
                         {"scanned", page.scanned}});
}

// ---- the live tail

struct Tail {
    std::string topic, lower_filter;
    Positions at;
    int64_t rows = 0, bytes = 0;
};

// What has come of one partition, as events. Who can't keep up is told how much was left out.
Status AddNew(const Dependencies& parts, const Principal& principal, Tail& tail, const PartitionRange& range,
              std::string& events) {
    int64_t& at = tail.at[range.partition];
    int64_t behind = range.end - std::max(at, range.first);
    if (at < range.first || behind > kTailBehindMax) {
        int64_t to = std::max(range.first, range.end - static_cast<int64_t>(kTailRecords));
        if (to > at) {
            events +=
                fmt::format("event: skipped\ndata: {{\"partition\":{},\"records\":{}}}\n\n", range.partition, to - at);
            at = to;
        }
    }
    if (at >= range.end) return Ok();
    ReadLimits limits{.records_max = kTailRecords, .bytes_max = 1 << 20};
    TopicRecords some = TRY(parts.records.Read(principal, tail.topic, range.partition, at, limits));
    for (const TopicRecord& record : some.records) {
        if (!IsFound(record, tail.lower_filter)) continue;
        events += "event: record\ndata: " + DumpJson(RecordJson(range.partition, record, kShownBytes)) + "\n\n";
        ++tail.rows;
    }
    at = std::max(at, some.next);
    return Ok();
}

Result<HttpResponse> FollowRecords(const Dependencies& parts, HttpCall& call) {
    Tail tail;
    tail.topic = call.parameters["name"];
    tail.lower_filter = ToLower(call.request.Query("filter").value_or(""));
    tail.at = TRY(BeginOf(parts, call, tail.topic, true));
    ByteWriter* writer = TRY(call.responder.Start(
        200, {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}}, std::nullopt));
    Principal principal = call.principal;
    std::string events = "event: tick\ndata: {}\n\n";
    while (!call.request.cancelled.cancelled()) {
        tail.bytes += static_cast<int64_t>(events.size());
        if (!writer->Write(AsBytes(events)).ok()) break;
        events.clear();
        // Roles may have changed and credentials been revoked; the door below asks the gate each time.
        auto fresh = parts.authenticator.Refresh(principal);
        if (!fresh.ok()) break;
        principal = *std::move(fresh);
        auto came = parts.records.Wait(principal, tail.topic, tail.at, kTick, call.request.cancelled);
        auto ranges = parts.records.Partitions(principal, tail.topic);
        if (!came.ok() || !ranges.ok()) break;  // it was deleted, or may be read no more
        bool failed = false;
        for (const PartitionRange& range : *ranges) {
            if (!tail.at.contains(range.partition)) continue;
            failed = failed || !AddNew(parts, principal, tail, range, events).ok();
        }
        if (failed) break;
        if (*came) parts.env.clock().Sleep(kPause);
        events += "event: tick\ndata: {}\n\n";
    }
    call.call.rows = tail.rows;
    call.call.bytes = tail.bytes;
    return HttpResponse{};
}

// ---- producing

// A record's bytes live in `texts` until it was appended.
Result<std::optional<ByteSpan>> BytesOf(const Json& record, const std::string& key, std::deque<Bytes>& texts) {
    auto plain = record.find(key);
    auto base64 = record.find(key + "_base64");
    if (base64 != record.end()) {
        if (plain != record.end()) {
            return Error(ErrorCode::kInvalidArgument, "a record has \"{}\" or \"{}_base64\"", key, key);
        }
        if (!base64->is_string()) return Error(ErrorCode::kInvalidArgument, "\"{}_base64\" is a text", key);
        texts.push_back(TRY_CONTEXT(Base64Decode(base64->get<std::string>()), key + "_base64"));
    } else {
        if (plain == record.end() || plain->is_null()) return std::optional<ByteSpan>();
        std::string text = plain->is_string() ? plain->get<std::string>() : DumpJson(*plain);
        texts.emplace_back(text.begin(), text.end());
    }
    return std::optional<ByteSpan>(texts.back());
}

Status AddHeaders(const Json& headers, NewRecord& record, std::deque<Bytes>& texts) {
    if (!headers.is_array()) {
        return Error(ErrorCode::kInvalidArgument, "\"headers\" is a list, as [{{\"key\": \"k\", \"value\": \"v\"}}]");
    }
    for (const Json& header : headers) {
        if (!header.is_object()) return Error(ErrorCode::kInvalidArgument, "a header is an object with key and value");
        std::string key = TRY(JsonString(header, "key"));
        texts.emplace_back(key.begin(), key.end());
        std::string_view name = AsText(texts.back());
        record.headers.push_back({name, TRY(BytesOf(header, "value", texts))});
    }
    return Ok();
}

Result<NewRecord> RecordOf(const Json& json, std::deque<Bytes>& texts) {
    if (!json.is_object()) {
        return Error(ErrorCode::kInvalidArgument, "a record is an object, as {{\"key\": \"k\", \"value\": \"v\"}}");
    }
    for (const auto& [key, value] : json.items()) {
        static constexpr std::string_view kKeys[] = {"key",     "key_base64", "value",    "value_base64",
                                                     "headers", "time",       "partition"};
        if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys)) {
            return Error(ErrorCode::kInvalidArgument, "a record has no \"{}\"", key);
        }
    }
    NewRecord record;
    record.key = TRY(BytesOf(json, "key", texts));
    record.value = TRY(BytesOf(json, "value", texts));
    if (json.contains("headers")) TRY(AddHeaders(json["headers"], record, texts));
    std::string time = TRY(JsonStringOr(json, "time", ""));
    if (!time.empty()) record.timestamp_ms = ToMillis(TRY(ParseTime(time)));
    if (json.contains("partition") && !json["partition"].is_null()) {
        int64_t partition = TRY(JsonInteger(json, "partition"));
        record.partition = static_cast<int32_t>(std::clamp<int64_t>(partition, -1, INT32_MAX));
    }
    return record;
}

Result<HttpResponse> Produce(const Dependencies& parts, HttpCall& call) {
    Json body = TRY(call.JsonBody());
    auto found = body.find("records");
    if (found == body.end() || !found->is_array() || found->empty() || found->size() > kProducedRecordsMax) {
        return Error(ErrorCode::kInvalidArgument, "\"records\" is a list of 1 to {} records", kProducedRecordsMax);
    }
    std::deque<Bytes> texts;
    std::vector<NewRecord> records;
    for (const Json& one : *found) {
        records.push_back(TRY_CONTEXT(RecordOf(one, texts), fmt::format("record {}", records.size())));
    }
    for (const Bytes& text : texts) call.call.bytes += static_cast<int64_t>(text.size());
    auto places = TRY(parts.records.Append(call.principal, call.parameters["name"], records));
    call.call.rows = static_cast<int64_t>(records.size());
    Json answer = Json::array();
    for (const RecordPlace& place : places) {
        answer.push_back({{"partition", place.partition}, {"offset", place.offset}});
    }
    return JsonResponse({{"places", std::move(answer)}});
}

}  // namespace

std::vector<Route> RecordRoutes(Dependencies dependencies) {
    auto bound = [dependencies](auto handler) {
        return [dependencies, handler](HttpCall& call) { return handler(dependencies, call); };
    };
    constexpr auto kRead = AuditClass::kRead;
    auto waiting = std::make_shared<std::atomic<int>>(0);  // shared by the route's copies
    return {
        {{"http", "GET /api/v1/topics/{name}/records", "topic:Read", "topic", kRead, {0, 8}},
         "{name}",
         [dependencies, waiting](HttpCall& call) { return ListRecords(dependencies, *waiting, call); }},
        {{"http", "GET /api/v1/topics/{name}/tail", "topic:Read", "topic", kRead, {0, kTailsMax}},
         "{name}",
         bound(FollowRecords)},
        {{"http",
          "POST /api/v1/topics/{name}/records",
          "topic:Write",
          "topic",
          AuditClass::kChange,
          {kProducedBytesMax, 8}},
         "{name}",
         bound(Produce)},
    };
}

}  // namespace tarn::buffer
