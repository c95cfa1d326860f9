#include "ingestion/buffer/own_topics.h"

#include <algorithm>
#include <latch>

#include "ingestion/buffer/batch_check.h"
#include "wire/kafka/types.h"

namespace tarn::buffer {
namespace {

constexpr size_t kRecordOverheadMax = 64;   // lengths, deltas
constexpr size_t kCompressedFrom = 1 << 10;  // of a call: below there is nothing to win

// Java's client, whose choice all others can follow: the same key goes to the same partition whoever produces.
uint32_t Murmur2(ByteSpan data) {
    constexpr uint32_t kMultiplier = 0x5bd1e995;
    uint32_t hash = 0x9747b28c ^ static_cast<uint32_t>(data.size());
    size_t whole = data.size() & ~size_t{3};
    for (size_t at = 0; at < whole; at += 4) {
        uint32_t word = static_cast<uint32_t>(data[at]) | static_cast<uint32_t>(data[at + 1]) << 8 |
                        static_cast<uint32_t>(data[at + 2]) << 16 | static_cast<uint32_t>(data[at + 3]) << 24;
        word *= kMultiplier;
        word ^= word >> 24;
        word *= kMultiplier;
        hash = (hash * kMultiplier) ^ word;
    }
    if (whole < data.size()) {
        for (size_t at = data.size(); at-- > whole;) hash ^= static_cast<uint32_t>(data[at]) << (8 * (at - whole));
        hash *= kMultiplier;
    }
    hash ^= hash >> 13;
    hash *= kMultiplier;
    return hash ^ (hash >> 15);
}

class Waiting final : public AppendWatcher {
  public:
    void OnVisible(size_t) override { Wake(); }
    void Wake() {
        {
            std::lock_guard lock(mutex_);
            woken_ = true;
        }
        changed_.notify_all();
    }
    void Await(Duration at_most) {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, at_most, [this] { return woken_; });
        woken_ = false;
    }

  private:
    std::mutex mutex_;  // guards the flag
    std::condition_variable changed_;
    bool woken_ = false;
};

struct NewBatch {
    explicit NewBatch(const kafka::BatchOptions& options) : builder(options) {}
    kafka::BatchBuilder builder;
    std::vector<size_t> records;  // by their index in the call
};
using Round = std::map<int32_t, NewBatch>;  // what counts together: a batch a partition

size_t SizeOf(const NewRecord& record) {
    size_t size =
        kRecordOverheadMax + (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
    for (const TopicHeader& header : record.headers) {
        size += kRecordOverheadMax + header.key.size() + (header.value ? header.value->size() : 0);
    }
    return size;
}

class OwnTopics final : public Topics {
  public:
    OwnTopics(Env& env, TopicStore& store, const security::Gate& gate) : env_(env), store_(store), gate_(gate) {}

    Result<std::vector<TopicSummary>> List(const Principal& principal) override;
    Result<TopicSummary> Describe(const Principal& principal, const std::string& topic) override;
    Result<std::vector<PartitionRange>> Partitions(const Principal& principal, const std::string& topic) override;
    Result<std::vector<TopicStretch>> Stretches(const Principal& principal, const std::string& topic) override;
    Result<std::vector<TopicStretch>> Split(const Principal& principal, const std::string& topic,
                                            const TopicStretch& stretch, int64_t bytes) override;
    Result<TopicRecords> Read(const Principal& principal, const std::string& topic, int32_t partition, int64_t offset,
                              const ReadLimits& limits) override;
    Result<int64_t> OffsetAt(const Principal& principal, const std::string& topic, int32_t partition,
                             int64_t timestamp_ms) override;
    Result<bool> Wait(const Principal& principal, const std::string& topic, const std::map<int32_t, int64_t>& offsets,
                      Duration at_most, const CancelToken& cancel) override;
    Result<std::vector<RecordPlace>> Append(const Principal& principal, const std::string& topic,
                                            std::span<const NewRecord> records) override;
    Status Create(const Principal& principal, const std::string& topic, int32_t partitions,
                  const std::map<std::string, std::string>& settings) override;

  private:
    using TopicPtr = std::shared_ptr<const Topic>;  // as the store shares it

    bool MaySee(const Principal& principal, const std::string& topic) const {
        return gate_.Decide(principal, "topic:Describe", {"topic", topic}).allowed ||
               gate_.Decide(principal, "topic:Read", {"topic", topic}).allowed;
    }
    Result<TopicPtr> Found(const std::string& topic) const;
    Result<TopicPtr> Seen(const Principal& principal, const std::string& topic) const;
    Result<std::shared_ptr<Partition>> Readable(const Principal& principal, const std::string& topic,
                                                int32_t partition) const;
    Result<int32_t> PartitionFor(const Topic& topic, const NewRecord& record, uint64_t turn) const;
    Result<std::vector<Round>> Batches(const Topic& topic, std::span<const NewRecord> records);
    Result<std::vector<TopicStore::Part>> PartsOf(const Topic& topic, Round& round, std::vector<RecordPlace>& places);
    Status AppendAndWait(std::vector<TopicStore::Part> parts);

    Env& env_;
    TopicStore& store_;
    const security::Gate& gate_;
    std::atomic<uint64_t> turn_{0};  // of records without a key
};

// ---- which there are

TopicSummary SummaryOf(const Topic& topic) {
    return {topic.name, static_cast<int32_t>(topic.partitions.size()), topic.settings, topic.created_at};
}

Result<OwnTopics::TopicPtr> OwnTopics::Found(const std::string& topic) const {
    TopicPtr found = store_.Find(topic);
    if (!found) return Error(ErrorCode::kNotFound, "there is no topic {}", topic);
    return found;
}

Result<OwnTopics::TopicPtr> OwnTopics::Seen(const Principal& principal, const std::string& topic) const {
    if (!MaySee(principal, topic)) TRY(security::Require(gate_, principal, "topic:Describe", {"topic", topic}));
    return Found(topic);
}

Result<std::shared_ptr<Partition>> OwnTopics::Readable(const Principal& principal, const std::string& topic,
                                                       int32_t partition) const {
    TRY(security::Require(gate_, principal, "topic:Read", {"topic", topic}));
    TopicPtr found = TRY(Found(topic));
    if (partition < 0 || static_cast<size_t>(partition) >= found->partitions.size()) {
        return Error(ErrorCode::kNotFound, "topic {} has {} partitions, and no number {}", topic,
                     found->partitions.size(), partition);
    }
    return found->partitions[static_cast<size_t>(partition)];
}

Result<std::vector<TopicSummary>> OwnTopics::List(const Principal& principal) {
    std::vector<TopicSummary> list;
    for (const TopicPtr& topic : store_.All()) {
        if (MaySee(principal, topic->name)) list.push_back(SummaryOf(*topic));
    }
    return list;
}

Result<TopicSummary> OwnTopics::Describe(const Principal& principal, const std::string& topic) {
    return SummaryOf(*TRY(Seen(principal, topic)));
}

Result<std::vector<PartitionRange>> OwnTopics::Partitions(const Principal& principal, const std::string& topic) {
    std::vector<PartitionRange> ranges;
    for (const auto& partition : TRY(Seen(principal, topic))->partitions) {
        PartitionOffsets offsets = partition->Offsets();
        ranges.push_back({partition->index(), static_cast<int64_t>(offsets.start),
                          static_cast<int64_t>(offsets.stable_end), static_cast<int64_t>(partition->bytes())});
    }
    return ranges;
}

Result<std::vector<TopicStretch>> OwnTopics::Stretches(const Principal& principal, const std::string& topic) {
    TRY(security::Require(gate_, principal, "topic:Read", {"topic", topic}));
    std::vector<TopicStretch> stretches;
    for (const auto& partition : TRY(Found(topic))->partitions) {
        PartitionOffsets offsets = partition->Offsets();
        for (const Extent& extent : partition->extents()) {
            uint64_t first = std::max(extent.first, offsets.start), end = std::min(extent.end, offsets.stable_end);
            if (first >= end) continue;
            stretches.push_back({partition->index(), static_cast<int64_t>(first), static_cast<int64_t>(end),
                                 static_cast<int64_t>(extent.bytes), extent.max_timestamp_ms, extent.segment});
        }
    }
    return stretches;
}

Result<std::vector<TopicStretch>> OwnTopics::Split(const Principal& principal, const std::string& topic,
                                                   const TopicStretch& stretch, int64_t bytes) {
    auto partition = TRY(Readable(principal, topic, stretch.partition));
    std::vector<TopicStretch> parts;
    auto first = static_cast<uint64_t>(stretch.first), end = static_cast<uint64_t>(stretch.end);
    for (const IndexEntry& entry : TRY(partition->EntriesIn(stretch.segment, store_.segments()))) {
        if (entry.end() <= first || entry.base_offset >= end) continue;
        if (parts.empty() || parts.back().bytes >= bytes) {
            int64_t from = parts.empty() ? stretch.first : static_cast<int64_t>(entry.base_offset);
            parts.push_back({stretch.partition, from, from, 0, -1, stretch.segment});
        }
        TopicStretch& part = parts.back();
        part.end = static_cast<int64_t>(std::min(entry.end(), end));
        part.bytes += entry.content_bytes;
        part.max_timestamp_ms = std::max(part.max_timestamp_ms, entry.max_timestamp_ms);
    }
    return parts;
}

// ---- reading

// The producer's transactions that came to nothing: their records are there, and were never said.
bool IsAborted(const kafka::BatchView& batch, const std::vector<AbortedTransaction>& aborted) {
    if (!batch.is_transactional()) return false;
    auto base = static_cast<uint64_t>(batch.base_offset());
    return std::any_of(aborted.begin(), aborted.end(), [&](const AbortedTransaction& one) {
        return one.producer_id == batch.producer_id() && one.first_offset <= base && base <= one.last_offset;
    });
}

// False: the limit was reached before the batch's end.
Result<bool> AddRecords(const kafka::BatchView& batch, int64_t from, const ReadLimits& limits, TopicRecords& into) {
    auto cursor = std::make_shared<kafka::RecordCursor>(
        TRY(kafka::RecordCursor::Open(batch, std::min(limits.batch_bytes_max, kDecompressedBytesMax))));
    into.held.push_back(cursor);
    while (const kafka::Record* record = TRY(cursor->Next())) {
        if (record->offset < from) continue;
        if (into.records.size() >= limits.records_max) return false;
        TopicRecord& one = into.records.emplace_back();
        one.offset = record->offset;
        one.timestamp_ms = record->timestamp;
        one.key = record->key;
        one.value = record->value;
        into.bytes += (one.key ? one.key->size() : 0) + (one.value ? one.value->size() : 0);
        for (const kafka::RecordHeader& header : record->headers) {
            one.headers.push_back({header.key, header.value});
            into.bytes += header.key.size() + (header.value ? header.value->size() : 0);
        }
        into.next = record->offset + 1;
    }
    return true;
}

Result<TopicRecords> OwnTopics::Read(const Principal& principal, const std::string& topic, int32_t partition,
                                     int64_t offset, const ReadLimits& limits) {
    auto found = TRY(Readable(principal, topic, partition));
    if (offset < 0) return Error(ErrorCode::kOutOfRange, "{}-{} has no offset {}", topic, partition, offset);
    TopicRecords some;
    some.next = offset;
    uint64_t end = found->Offsets().stable_end;
    if (static_cast<uint64_t>(offset) == end) return some;
    StoredBatches stored = TRY(found->Read(static_cast<uint64_t>(offset), end, limits.bytes_max, &store_.segments()));
    for (const SharedBytes& bytes : stored.batches) {
        if (some.records.size() >= limits.records_max) break;
        kafka::BatchView batch = TRY(kafka::BatchView::First(bytes.bytes));
        if (!batch.is_control() && !IsAborted(batch, stored.aborted)) {
            some.held.push_back(bytes.owner);
            if (!TRY(AddRecords(batch, offset, limits, some))) break;
        }
        some.next = batch.last_offset() + 1;
    }
    return some;
}

Result<int64_t> OwnTopics::OffsetAt(const Principal& principal, const std::string& topic, int32_t partition,
                                    int64_t timestamp_ms) {
    auto found = TRY(Readable(principal, topic, partition));
    RecordTime first = TRY(FindByTime(*found, timestamp_ms, store_.segments()));
    auto end = static_cast<int64_t>(found->Offsets().stable_end);
    return first.offset < 0 ? end : std::min(first.offset, end);
}

Result<bool> OwnTopics::Wait(const Principal& principal, const std::string& topic,
                             const std::map<int32_t, int64_t>& offsets, Duration at_most, const CancelToken& cancel) {
    std::vector<std::pair<std::shared_ptr<Partition>, uint64_t>> awaited;
    auto waiting = std::make_shared<Waiting>();
    for (const auto& [partition, offset] : offsets) {
        auto found = TRY(Readable(principal, topic, partition));
        found->Watch(waiting, true);
        awaited.emplace_back(std::move(found), static_cast<uint64_t>(std::max<int64_t>(offset, 0)));
    }
    auto on_cancel = cancel.OnCancel([waiting] { waiting->Wake(); });
    Duration until = env_.clock().Monotonic() + at_most;
    while (true) {
        if (cancel.cancelled()) return Error(ErrorCode::kCancelled, "waiting for records of {} was cancelled", topic);
        for (const auto& [partition, offset] : awaited) {
            if (partition->Offsets().stable_end > offset) return true;
        }
        Duration left = until - env_.clock().Monotonic();
        if (left <= Duration::zero()) return false;
        waiting->Await(left);
    }
}

// ---- writing

Result<int32_t> OwnTopics::PartitionFor(const Topic& topic, const NewRecord& record, uint64_t turn) const {
    auto count = static_cast<uint32_t>(topic.partitions.size());
    if (record.partition) {
        if (*record.partition >= 0 && static_cast<uint32_t>(*record.partition) < count) return *record.partition;
        return Error(ErrorCode::kInvalidArgument, "topic {} has {} partitions, and no number {}", topic.name, count,
                     *record.partition);
    }
    if (record.key) return static_cast<int32_t>((Murmur2(*record.key) & 0x7FFFFFFF) % count);
    return static_cast<int32_t>(turn % count);
}

Result<std::vector<Round>> OwnTopics::Batches(const Topic& topic, std::span<const NewRecord> records) {
    auto bytes_max = static_cast<size_t>(topic.Number("max.message.bytes"));
    int64_t now_ms = ToMillis(env_.clock().Now());
    bool own_times = topic.Setting("message.timestamp.type") == "CreateTime";
    uint64_t turn = turn_.fetch_add(1);
    size_t bytes = 0;
    for (const NewRecord& record : records) bytes += SizeOf(record);
    std::vector<Round> rounds(1);
    for (size_t index = 0; index < records.size(); ++index) {
        const NewRecord& record = records[index];
        int32_t partition = TRY(PartitionFor(topic, record, turn));
        auto batch = rounds.back().find(partition);
        if (batch != rounds.back().end() && batch->second.builder.size() + SizeOf(record) > bytes_max) {
            rounds.emplace_back();
            batch = rounds.back().end();
        }
        if (batch == rounds.back().end()) {
            kafka::BatchOptions options;
            if (bytes >= kCompressedFrom) options.compression = kafka::Compression::kLz4;
            if (!own_times) options.log_append_time = now_ms;
            batch = rounds.back().emplace(partition, NewBatch(options)).first;
        }
        std::vector<kafka::RecordHeader> headers;
        for (const TopicHeader& header : record.headers) headers.push_back({header.key, header.value});
        batch->second.builder.Add(record.timestamp_ms.value_or(now_ms), record.key, record.value, headers);
        batch->second.records.push_back(index);
    }
    return rounds;
}

// Checked as a client's are.
Result<std::vector<TopicStore::Part>> OwnTopics::PartsOf(const Topic& topic, Round& round,
                                                         std::vector<RecordPlace>& places) {
    std::vector<TopicStore::Part> parts;
    for (auto& [partition, batch] : round) {
        auto bytes = std::make_shared<Bytes>(TRY(batch.builder.Build()));
        TRY(CheckBatch(topic, kafka::Records(*bytes), ToMillis(env_.clock().Now())));
        TopicStore::Part& part = parts.emplace_back();
        part.partition = topic.partitions[static_cast<size_t>(partition)];
        part.facts = TRY(FactsOf(*bytes));
        part.batch = {*bytes, bytes};
        part.place = [bytes, &places, number = partition, indexes = std::move(batch.records)](uint64_t offset) {
            kafka::SetBaseOffset(*bytes, static_cast<int64_t>(offset));
            for (size_t index : indexes) places[index] = {number, static_cast<int64_t>(offset++)};
        };
    }
    return parts;
}

Status OwnTopics::AppendAndWait(std::vector<TopicStore::Part> parts) {
    std::latch known(1);
    Status outcome = Ok();
    TRY(store_.AppendTogether(std::move(parts), Json(), [&](const Status& done) {
        outcome = done;
        known.count_down();
    }));
    known.wait();
    return outcome;
}

Result<std::vector<RecordPlace>> OwnTopics::Append(const Principal& principal, const std::string& topic,
                                                   std::span<const NewRecord> records) {
    TRY(security::Require(gate_, principal, "topic:Write", {"topic", topic}));
    TopicPtr found = TRY(Found(topic));
    std::vector<RecordPlace> places(records.size());
    if (records.empty()) return places;
    // All of it is good before any of it is written.
    std::vector<std::vector<TopicStore::Part>> sets;
    for (Round& round : TRY(Batches(*found, records))) sets.push_back(TRY(PartsOf(*found, round, places)));
    for (auto& parts : sets) TRY(AppendAndWait(std::move(parts)));
    return places;
}

Status OwnTopics::Create(const Principal& principal, const std::string& topic, int32_t partitions,
                         const std::map<std::string, std::string>& settings) {
    TRY(security::Require(gate_, principal, "topic:Create", {"topic", topic}));
    TRY(store_.CreateTopic(topic, partitions, settings));
    return Ok();
}

}  // namespace

std::unique_ptr<Topics> MakeOwnTopics(Env& env, TopicStore& store, const security::Gate& gate) {
    return std::make_unique<OwnTopics>(env, store, gate);
}

}  // namespace tarn::buffer
