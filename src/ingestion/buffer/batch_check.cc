#include "ingestion/buffer/batch_check.h"

#include <fmt/format.h>

#include "wire/kafka/errors.h"

namespace tarn::buffer {
namespace {

using kafka::KafkaError;

Error Invalid(KafkaError code, std::string message) { return kafka::MakeError(code, std::move(message)); }

// Why the topic does not take the record; nothing if it does.
std::optional<Error> CheckRecord(const Topic& topic, const kafka::Record& record, int64_t now_ms) {
    const BatchRules& rules = topic.rules;
    if (rules.compacted && !record.key) {
        return Invalid(KafkaError::kInvalidRecord, "a record of a compacted topic has a key");
    }
    if (!rules.own_times || record.timestamp < 0) return std::nullopt;
    if (now_ms - record.timestamp <= rules.before_max_ms && record.timestamp - now_ms <= rules.after_max_ms) {
        return std::nullopt;
    }
    return Invalid(KafkaError::kInvalidTimestamp,
                   fmt::format("record {} of the batch has the time {}, which topic {} does not take", record.index,
                               record.timestamp, topic.name));
}

// Every record is looked at, decompressed where it is compressed: what is taken in can be read by everybody.
Status CheckRecords(const Topic& topic, const kafka::BatchView& batch, int64_t now_ms,
                    std::vector<RefusedRecord>* refused) {
    kafka::RecordCursor cursor = TRY(kafka::RecordCursor::Open(batch, kDecompressedBytesMax));
    Status first = Ok();
    while (const kafka::Record* record = TRY(cursor.Next())) {
        std::optional<Error> problem = CheckRecord(topic, *record, now_ms);
        if (!problem) continue;
        if (refused && refused->size() < kRefusedRecordsMax) refused->push_back({record->index, problem->message()});
        if (first.ok()) first = *std::move(problem);
    }
    return first;
}

}  // namespace

Result<kafka::BatchView> CheckBatch(const Topic& topic, const kafka::Records& records, int64_t now_ms,
                                    std::vector<RefusedRecord>* refused) {
    kafka::BatchWalker walker(records.bytes);
    std::optional<kafka::BatchView> batch = TRY(walker.Next());
    if (!batch || !walker.left().empty()) {
        return Invalid(KafkaError::kInvalidRecord, "a partition's records are exactly one batch");
    }
    if (static_cast<int64_t>(batch->size()) > topic.rules.bytes_max) {
        return Invalid(KafkaError::kMessageTooLarge,
                       fmt::format("the batch has {} bytes; topic {} takes {} (max.message.bytes)", batch->size(),
                                   topic.name, topic.rules.bytes_max));
    }
    TRY(batch->ValidateProduced());
    TRY(CheckRecords(topic, *batch, now_ms, refused));
    return *batch;
}

Result<RecordTime> FindByTime(const Partition& partition, int64_t timestamp_ms, SegmentStore& segments) {
    std::optional<uint64_t> base = TRY(partition.FirstBatchSince(timestamp_ms, segments));
    if (!base) return RecordTime();
    StoredBatches stored = TRY(partition.Read(*base, UINT64_MAX, 1, &segments));
    if (stored.batches.empty()) return RecordTime();
    kafka::BatchView batch = TRY(kafka::BatchView::First(stored.batches[0].bytes));
    kafka::RecordCursor cursor = TRY(kafka::RecordCursor::Open(batch, kDecompressedBytesMax));
    while (const kafka::Record* record = TRY(cursor.Next())) {
        if (record->timestamp >= timestamp_ms) return RecordTime{record->offset, record->timestamp};
    }
    return RecordTime();
}

}  // namespace tarn::buffer
