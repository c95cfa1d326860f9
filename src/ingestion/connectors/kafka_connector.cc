// Kind kafka: topics of the buffer into the raw zone, exactly once an offset.
//
// A load keeps each record twice: all of it, byte for byte, in a hidden Parquet file, and its value as a line of JSON,
// which is what the dataset shows and what types are inferred from. A value that is no JSON object goes to quarantine,
// or to the stream's dead letter topic. With `values: bytes` only the Parquet file is kept, and shown.
#include <algorithm>
#include <mutex>

#include <simdjson.h>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/buffer/topics.h"
#include "ingestion/connectors/connector.h"
#include "ingestion/connectors/inference.h"
#include "ingestion/connectors/sift.h"
#include "wire/kafka/compression.h"

namespace tarn::connectors {
namespace {

using buffer::TopicHeader;
using buffer::TopicRecord;
using security::Principal;

constexpr size_t kLoadBytesMax = 128 << 20;    // of records that one load takes
constexpr size_t kObjectBytesMax = 16 << 20;   // of its lines of JSON, before they are packed
constexpr size_t kReadBytes = 1 << 20;         // of a topic, at a time
constexpr int64_t kEnoughBytes = 16 << 20;     // that wait: a load begins at once
constexpr Duration kLoadsApart = std::chrono::seconds(5);
constexpr int kQuickGzip = 1;
constexpr int64_t kMicrosPerMilli = 1000;
constexpr int64_t kPostgresEpochMicros = 946'684'800'000'000;  // 2000-01-01

Principal Self() { return Principal::System("ingestion"); }

// ---- positions

struct Position {
    std::string created;  // of the topic: one that was made anew begins at 0 again
    std::map<int32_t, int64_t> offsets;
};

Position PositionOf(const Json& json) {
    Position position;
    if (!json.is_object()) return position;
    position.created = json.value("created", "");
    const Json offsets = json.value("offsets", Json::object());
    for (const auto& [partition, offset] : offsets.items()) {
        position.offsets[static_cast<int32_t>(ParseInteger(partition).value_or(-1))] = offset.get<int64_t>();
    }
    return position;
}

Json JsonOf(const std::string& topic, const Position& position) {
    Json offsets = Json::object();
    for (const auto& [partition, offset] : position.offsets) offsets[std::to_string(partition)] = offset;
    return {{"topic", topic}, {"created", position.created}, {"offsets", std::move(offsets)}};
}

std::string CreatedOf(const buffer::TopicSummary& topic) {
    return topic.created_at ? FormatTime(*topic.created_at) : std::string();
}

// What a partition has behind the position.
struct Waiting {
    int32_t partition = 0;
    int64_t first = 0;
    int64_t end = 0;
    int64_t lost = 0;  // records that were dropped before they were archived
};

// Moves the position to a topic that was made anew.
Result<std::vector<Waiting>> WaitingIn(buffer::Topics& topics, const std::string& topic, Position& position) {
    std::string created = CreatedOf(TRY(topics.Describe(Self(), topic)));
    if (position.created != created) position = {created, {}};
    std::vector<Waiting> waiting;
    for (const buffer::PartitionRange& range : TRY(topics.Partitions(Self(), topic))) {
        auto known = position.offsets.find(range.partition);
        int64_t next = known == position.offsets.end() ? range.first : known->second;
        int64_t first = std::max(next, range.first);
        if (first < range.end || first > next) waiting.push_back({range.partition, first, range.end, first - next});
    }
    return waiting;
}

// ---- values

// Its members as the rest of an object that has been opened; empty with a reason where the value is none.
std::string_view MembersOf(simdjson::dom::parser& parser, std::string_view value, std::string& why) {
    auto parsed = parser.parse(value.data(), value.size());
    if (parsed.error()) {
        why = fmt::format("the value is no JSON: {}", simdjson::error_message(parsed.error()));
        return {};
    }
    if (!parsed.is_object()) {
        why = "the value is JSON, but no object";
        return {};
    }
    return value.substr(value.find('{') + 1);
}

std::string TextOf(ByteSpan bytes) {
    std::string_view text = AsText(bytes);
    return IsUtf8(text) ? std::string(text) : "\\x" + HexEncode(bytes);
}

// "{"_partition":0, ... ": where a record comes from, as the first members of its line.
std::string EnvelopeOf(int32_t partition, const TopicRecord& record) {
    std::string line = fmt::format("{{\"_partition\":{},\"_offset\":{}", partition, record.offset);
    if (record.timestamp_ms >= 0) {
        line += fmt::format(",\"_timestamp\":\"{}\"", FormatTime(FromMicros(record.timestamp_ms * kMicrosPerMilli)));
    }
    if (record.key) line += ",\"_key\":" + DumpJson(TextOf(*record.key));
    if (record.headers.empty()) return line;
    Json headers = Json::object();
    for (const TopicHeader& header : record.headers) {
        headers[std::string(header.key)] = header.value ? Json(TextOf(*header.value)) : Json();
    }
    return line + ",\"_headers\":" + DumpJson(DumpJson(headers));
}

// Exactly, in order, repeated ones too: [["name", "base64"], ["name", null]].
std::string ExactHeaders(const std::vector<TopicHeader>& headers) {
    Json list = Json::array();
    for (const TopicHeader& header : headers) {
        list.push_back({std::string(header.key), header.value ? Json(Base64Encode(*header.value)) : Json()});
    }
    return DumpJson(list);
}

const std::vector<engine::Column>& RecordColumns() {
    static const std::vector<engine::Column> kColumns = {
        {"_partition", "INTEGER", true, "Partition of the topic."},
        {"_offset", "BIGINT", true, "The record's place in it."},
        {"_timestamp", "TIMESTAMP WITH TIME ZONE", true, "The record's time."},
        {"_key", "BLOB", true, "Its key, byte for byte."},
        {"_value", "BLOB", true, "Its value, byte for byte."},
        {"_headers", "VARCHAR", true, "JSON: its headers in order, each a name and its value in base64."}};
    return kColumns;
}
const std::vector<uint32_t> kRecordOids = {23, 20, 1184, 17, 17, 25};

template <typename Integer>
void PutBigEndian(Integer value, uint8_t* into) {
    for (size_t byte = sizeof(value); byte-- > 0; value >>= 8) into[byte] = static_cast<uint8_t>(value & 0xFF);
}

Status AddExactly(engine::RowWriter& rows, int32_t partition, const TopicRecord& record) {
    uint8_t numbers[20];
    PutBigEndian(static_cast<uint32_t>(partition), numbers);
    PutBigEndian(static_cast<uint64_t>(record.offset), numbers + 4);
    int64_t micros = record.timestamp_ms * kMicrosPerMilli - kPostgresEpochMicros;
    PutBigEndian(static_cast<uint64_t>(micros), numbers + 12);
    std::string headers = record.headers.empty() ? std::string() : ExactHeaders(record.headers);
    std::vector<std::optional<ByteSpan>> cells = {
        ByteSpan(numbers, 4), ByteSpan(numbers + 4, 8), ByteSpan(numbers + 12, 8), record.key, record.value,
        std::nullopt};
    if (record.timestamp_ms < 0) cells[2] = std::nullopt;
    if (!record.headers.empty()) cells[5] = AsBytes(headers);
    return rows.AddBinaryRow(cells);
}

// ---- one load

class TopicLoad {
  public:
    TopicLoad(buffer::Topics& topics, engine::Engine& engine, ReadContext& context)
        : topics_(topics),
          engine_(engine),
          context_(context),
          topic_(TopicOf(context.stream)),
          as_bytes_(context.stream.settings.value("values", "json") == "bytes") {}

    Status Run(Position position, const std::vector<Waiting>& waiting) {
        Manifest& manifest = context_.writer.manifest();
        SetFormatOptions(context_.stream, manifest);
        rows_ = TRY(context_.writer.StartRows(RecordColumns(), kRecordOids));
        for (const Waiting& one : waiting) {
            if (one.lost > 0) {
                manifest.warnings.push_back(
                    fmt::format("{} records of {}-{} before offset {} were dropped before they "
                                "were archived",
                                one.lost, topic_, one.partition, one.first));
            }
            // Each partition its part, so that none waits for another.
            size_t until = bytes_ + std::max<size_t>((kLoadBytesMax - bytes_) / waiting.size(), kReadBytes);
            position.offsets[one.partition] = TRY(ReadPartition(one, until));
        }
        manifest.position = JsonOf(topic_, position);
        TRY(PutLines());
        TRY(PutBroken());
        if (!as_bytes_) TRY(Infer());
        return PutRecords();
    }

  private:
    // Returns where to go on.
    Result<int64_t> ReadPartition(const Waiting& waiting, size_t until) {
        int64_t next = waiting.first;
        while (next < waiting.end && bytes_ < until) {
            TRY(context_.CheckCancelled());
            buffer::TopicRecords some =
                TRY(topics_.Read(Self(), topic_, waiting.partition, next, {.bytes_max = kReadBytes}));
            for (const TopicRecord& record : some.records) {
                if (record.offset >= waiting.end) break;
                TRY(AddExactly(*rows_, waiting.partition, record));
                if (!as_bytes_) TRY(AddLine(waiting.partition, record));
                ++records_;
            }
            bytes_ += some.bytes;
            next = std::min(some.next, waiting.end);
            LoadProgress progress;
            progress.rows = records_;
            progress.bytes = static_cast<int64_t>(bytes_);
            progress.note = fmt::format("{}-{} to offset {}", topic_, waiting.partition, next);
            context_.progress(progress);
        }
        return next;
    }

    Status AddLine(int32_t partition, const TopicRecord& record) {
        std::string line = EnvelopeOf(partition, record);
        std::string_view value = record.value ? AsText(*record.value) : std::string_view("{}");
        std::string why;
        std::string_view members = MembersOf(parser_, value, why);
        if (!why.empty()) return AddBroken(partition, record, line, why);
        bool any = members.find_first_not_of(" \t\r\n") != members.rfind('}');
        size_t from = lines_.size();
        lines_ += line;
        if (any) lines_ += ',';
        lines_ += members;
        // Outside of its strings a line's end is only space, and inside of them there is none.
        std::replace(lines_.begin() + static_cast<std::ptrdiff_t>(from), lines_.end(), '\n', ' ');
        lines_ += '\n';
        return lines_.size() < kObjectBytesMax ? Ok() : PutLines();
    }

    Status AddBroken(int32_t partition, const TopicRecord& record, const std::string& envelope,
                     const std::string& why) {
        std::string value(AsText(*record.value));
        if (context_.stream.settings.contains("dead_letter")) return AddDeadLetter(partition, record, why);
        // With its place, where the value could still become an object.
        size_t opens = value.find_first_not_of(" \t\r\n");
        bool object = opens != std::string::npos && value[opens] == '{';
        BrokenRecord& broken = broken_.emplace_back();
        broken.record = records_ + 1;
        broken.reason = fmt::format("{}-{} offset {}: {}", topic_, partition, record.offset, why);
        if (object) std::replace(value.begin(), value.end(), '\n', ' ');  // a line, as it would have been
        broken.text = object ? envelope + "," + value.substr(opens + 1) : std::move(value);
        return Ok();
    }

    Status AddDeadLetter(int32_t partition, const TopicRecord& record, const std::string& why) {
        std::string place = fmt::format("{}-{}@{}", topic_, partition, record.offset);
        buffer::NewRecord dead{.key = record.key, .value = record.value, .headers = record.headers};
        dead.headers.push_back({"tarn.error", AsBytes(why)});
        dead.headers.push_back({"tarn.origin", AsBytes(place)});
        if (record.timestamp_ms >= 0) dead.timestamp_ms = record.timestamp_ms;
        std::string letters = context_.stream.settings["dead_letter"];
        ++dead_;
        auto sent = topics_.Append(Self(), letters, {&dead, 1});
        if (!sent.ok() && sent.error().code() == ErrorCode::kNotFound) {
            TRY(topics_.Create(Self(), letters, 1, {}));
            sent = topics_.Append(Self(), letters, {&dead, 1});
        }
        if (!sent.ok()) return std::move(sent).error().Context("the dead letter topic " + letters);
        return Ok();
    }

    std::string OriginOf(const char* part) {
        return fmt::format("{} load {} {} {}", topic_, context_.writer.manifest().load, part, ++parts_);
    }

    Status PutLines() {
        if (lines_.empty()) return Ok();
        LoadObject object;
        object.format = "json";
        object.origin = {{"file", OriginOf("part")}, {"topic", topic_}};
        Bytes packed = TRY(kafka::Compress(kafka::Compression::kGzip, AsBytes(lines_), kQuickGzip));
        lines_.clear();
        return context_.writer.PutBytes("values.json.gz", packed, std::move(object));
    }

    Status PutBroken() {
        std::vector<std::string>& warnings = context_.writer.manifest().warnings;
        if (dead_ > 0) {
            warnings.push_back(fmt::format("{} of {} records went to topic {}: their values are no JSON objects", dead_,
                                           records_, context_.stream.settings["dead_letter"].get<std::string>()));
        }
        if (broken_.empty()) return Ok();
        warnings.push_back(
            fmt::format("{} of {} records are in quarantine; {}", broken_.size(), records_, broken_[0].reason));
        LoadObject object;
        object.format = kBrokenFormat;
        object.hidden = true;
        object.rows = static_cast<int64_t>(broken_.size());
        object.origin = {{"file", OriginOf("broken")}, {"topic", topic_}, {"format", "json"}};
        return context_.writer.PutBytes("broken.json", AsBytes(BrokenText("", broken_)), std::move(object));
    }

    Status Infer() {
        Manifest& manifest = context_.writer.manifest();
        const Manifest before = manifest;
        Status inferred = InferColumns(engine_, context_.state, manifest, context_.stream.on_drift);
        bool unreadable = !inferred.ok() && inferred.error().code() == ErrorCode::kInvalidArgument;
        if (unreadable) {  // each is kept: what can't be read, or is not of its declared type, waits in quarantine
            manifest = before;
            BrokenLimit all;
            all.percent = 100;
            inferred = InferOrSift(engine_, context_.state, context_.writer, all, context_.stream.on_drift);
        }
        TRY(std::move(inferred));
        if (!manifest.columns.empty()) return Ok();
        manifest.columns = {{"_partition", "BIGINT", true, ""}, {"_offset", "BIGINT", true, ""}};
        return Ok();
    }

    Status PutRecords() {
        Manifest& manifest = context_.writer.manifest();
        int64_t shown = manifest.rows;
        if (as_bytes_) manifest.columns = RecordColumns();
        TRY(context_.writer.FinishRows(*rows_, {{"file", OriginOf("records")}, {"topic", topic_}}));
        if (as_bytes_) return Ok();
        manifest.rows = shown;
        for (LoadObject& object : manifest.objects) object.hidden = object.hidden || object.format == "parquet";
        return Ok();
    }

    buffer::Topics& topics_;
    engine::Engine& engine_;
    ReadContext& context_;
    const std::string topic_;
    const bool as_bytes_;
    simdjson::dom::parser parser_;
    std::unique_ptr<engine::RowWriter> rows_;
    std::string lines_;
    std::vector<BrokenRecord> broken_;
    int64_t dead_ = 0;
    int64_t records_ = 0;
    size_t bytes_ = 0;
    int parts_ = 0;
};

// ---- the connector

class KafkaConnector final : public Connector {
  public:
    explicit KafkaConnector(ConnectorsDependencies dependencies) : dependencies_(dependencies) {}

    Status Check(const SourceDefinition& source) override {
        for (const auto& [name, stream] : source.streams) {
            auto found = dependencies_.topics->Describe(Self(), TopicOf(stream));
            if (!found.ok()) return std::move(found).error().Context("stream " + name);
        }
        return Ok();
    }
    Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition&) override {
        std::vector<DiscoveredStream> streams;
        for (const buffer::TopicSummary& topic : TRY(dependencies_.topics->List(Self()))) {
            DiscoveredStream& stream = streams.emplace_back();
            stream.name = topic.name;
            stream.columns = RecordColumns();
        }
        return streams;
    }
    Status Read(ReadContext& context) override {
        std::string topic = TopicOf(context.stream);
        Position position = PositionOf(context.writer.manifest().position);
        auto waiting = WaitingIn(*dependencies_.topics, topic, position);
        // Its first producer makes it.
        if (!waiting.ok() && waiting.error().code() == ErrorCode::kNotFound) return Ok();
        if (!waiting.ok()) return std::move(waiting).error();
        if (waiting->empty()) return Ok();
        {
            std::lock_guard lock(mutex_);
            tried_[context.source.name + "." + context.stream.name] = Tried(topic, position, *waiting);
        }
        return TopicLoad(*dependencies_.topics, dependencies_.engine, context).Run(std::move(position), *waiting);
    }
    Result<bool> HasNew(const SourceDefinition& source, const StreamDefinition& stream,
                        const StreamState& state) override;

  private:
    // What a load of these would read: the same again after one that failed.
    static Json Tried(const std::string& topic, const Position& position, const std::vector<Waiting>& waiting) {
        Json ends = Json::array();
        for (const Waiting& one : waiting) ends.push_back({one.partition, one.end});
        return {JsonOf(topic, position), std::move(ends)};
    }

    ConnectorsDependencies dependencies_;
    std::mutex mutex_;  // guards tried_
    std::map<std::string, Json> tried_;  // by stream, what the last load read
};

Result<bool> KafkaConnector::HasNew(const SourceDefinition& source, const StreamDefinition& stream,
                                    const StreamState& state) {
    // A stream with a beat of its own is loaded at it: fewer and larger loads.
    if (workspace::ResolveTiming(stream.timing, source.timing).every) return false;
    std::string topic = TopicOf(stream);
    Position position = PositionOf(state.last() ? state.last()->position : Json());
    auto waiting = WaitingIn(*dependencies_.topics, topic, position);
    if (!waiting.ok() && waiting.error().code() == ErrorCode::kNotFound) return false;
    if (!waiting.ok()) return std::move(waiting).error();
    int64_t records = 0;
    for (const Waiting& one : *waiting) records += one.end - one.first;
    if (records == 0) return false;
    {
        std::lock_guard lock(mutex_);
        auto tried = tried_.find(source.name + "." + stream.name);
        if (tried != tried_.end() && tried->second == Tried(topic, position, *waiting)) return false;
    }
    if (state.loads.empty()) return true;
    auto last = ParseTime(state.loads.back().committed_at);
    if (!last.ok() || dependencies_.env.clock().Now() - *last >= kLoadsApart) return true;
    int64_t bytes = 0, all = 0;
    for (const buffer::PartitionRange& range : TRY(dependencies_.topics->Partitions(Self(), topic))) {
        bytes += range.bytes;
        all += range.end - range.first;
    }
    return all > 0 && bytes / all * records >= kEnoughBytes;  // by the mean record
}

}  // namespace

std::string TopicOf(const StreamDefinition& stream) {
    std::string topic = stream.settings.value("topic", "");
    return topic.empty() ? stream.name : topic;
}

std::map<int32_t, int64_t> ArchivedOffsetsOf(const StreamState& state) {
    return PositionOf(state.last() ? state.last()->position : Json()).offsets;
}

std::unique_ptr<Connector> MakeKafkaConnector(ConnectorsDependencies dependencies) {
    return std::make_unique<KafkaConnector>(dependencies);
}

}  // namespace tarn::connectors
