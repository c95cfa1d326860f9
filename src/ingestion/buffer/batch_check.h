// What of records is taken into a topic, and where those of a time are. Internal to the component.
#pragma once

#include "ingestion/buffer/segment_index.h"
#include "ingestion/buffer/topic.h"
#include "wire/kafka/record_batch.h"
#include "wire/kafka/types.h"

namespace tarn::buffer {

// Of one batch, decompressed.
inline constexpr size_t kDecompressedBytesMax = 256 << 20;

// Of a batch that was refused, a record that was the cause.
struct RefusedRecord {
    int32_t index = 0;  // in the batch
    std::string why;
};
inline constexpr size_t kRefusedRecordsMax = 1000;  // that are told

// The one batch that the records of a partition are in a produce: CRC, size, each record. Errors carry Kafka's code;
// `refused` gets the records that it was, if it was some.
Result<kafka::BatchView> CheckBatch(const Topic& topic, const kafka::Records& records, int64_t now_ms,
                                    std::vector<RefusedRecord>* refused = nullptr);

struct RecordTime {
    int64_t offset = -1;  // there is none
    int64_t timestamp_ms = -1;
};
// The first record with such a time or a later one.
Result<RecordTime> FindByTime(const Partition& partition, int64_t timestamp_ms, SegmentStore& segments);

}  // namespace tarn::buffer
