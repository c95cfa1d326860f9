#include "ingestion/buffer/batch_check.h"

#include <fmt/format.h>

#include "wire/kafka/errors.h"

namespace tarn::buffer {
namespace {

using kafka::KafkaError;

Error Invalid(KafkaError code, std::string message) { return kafka::MakeError(code, std::move(message)); }

// Every record is looked at, decompressed where it is compressed: what is taken in can be read by everybody.
Status CheckRecords(const Topic& topic, const kafka::BatchView& batch, int64_t now_ms) {
    kafka::RecordCursor cursor = TRY(kafka::RecordCursor::Open(batch, kDecompressedBytesMax));
    bool compacted = topic.Has("compact");
    bool own_times = topic.Setting("message.timestamp.type") == "CreateTime";
    int64_t before = topic.Number("message.timestamp.before.max.ms");
    int64_t after = topic.Number("message.timestamp.after.max.ms");
    while (const kafka::Record* record = TRY(cursor.Next())) {
        if (compacted && !record->key) {
            return Invalid(KafkaError::kInvalidRecord, "a record of a compacted topic has a key");
        }
        if (!own_times || record->timestamp < 0) continue;
        if (now_ms - record->timestamp > before || record->timestamp - now_ms > after) {
            return Invalid(KafkaError::kInvalidTimestamp,
                           fmt::format("record {} of the batch has the time {}, which topic {} does not take",
                                       record->index, record->timestamp, topic.name));
        }
    }
    return Ok();
}

}  // namespace

Result<kafka::BatchView> CheckBatch(const Topic& topic, const kafka::Records& records, int64_t now_ms) {
    kafka::BatchWalker walker(records.bytes);
    std::optional<kafka::BatchView> batch = TRY(walker.Next());
    if (!batch || !walker.left().empty()) {
        return Invalid(KafkaError::kInvalidRecord, "a partition's records are exactly one batch");
    }
    int64_t bytes_max = topic.Number("max.message.bytes");
    if (static_cast<int64_t>(batch->size()) > bytes_max) {
        return Invalid(KafkaError::kMessageTooLarge,
                       fmt::format("the batch has {} bytes; topic {} takes {} (max.message.bytes)", batch->size(),
                                   topic.name, bytes_max));
    }
    TRY(batch->Validate());
    if (batch->is_control()) return Invalid(KafkaError::kInvalidRecord, "clients write no control batches");
    TRY(CheckRecords(topic, *batch, now_ms));
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
