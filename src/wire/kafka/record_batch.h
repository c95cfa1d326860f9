// Record batches of magic 2, the only ones that clients of the last eight years send: their header, their records,
// making them, and changing in place what a broker changes. Bytes only: no clock, no policy, no IO.
//
// Errors carry the name of Kafka's code (KafkaErrorOf): CORRUPT_MESSAGE for bytes that are no batch or whose CRC is
// wrong, UNSUPPORTED_FOR_MESSAGE_FORMAT for an older magic, UNSUPPORTED_COMPRESSION_TYPE, INVALID_RECORD for a batch
// that contradicts itself, MESSAGE_TOO_LARGE for records that decompress to more than was allowed.
//
//   BatchWalker walker(*partition.records);
//   while (std::optional<BatchView> batch = TRY(walker.Next())) {
//       TRY(batch->Validate());
//       RecordCursor cursor = TRY(RecordCursor::Open(*batch, 64 << 20));
//       while (const Record* record = TRY(cursor.Next())) Use(record->offset, record->value);
//   }
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/kafka/compression.h"

namespace tarn::kafka {

inline constexpr size_t kBatchHeaderBytes = 61;
inline constexpr int64_t kNoTimestamp = -1;
inline constexpr int64_t kNoProducerId = -1;

// One batch inside of bytes that outlive it.
class BatchView {
  public:
    // The batch that `bytes` begin with. Its length and magic are right; for the rest ask Validate.
    static Result<BatchView> First(ByteSpan bytes);
    // The CRC, and what the header says of itself: attributes, counts, sequence. The records are not looked at.
    Status Validate() const;
    // Validate, and what holds for a batch that a producer sends: it has records, at every offset one, a sequence when
    // it has a producer id, and is no control batch.
    Status ValidateProduced() const;
    bool HasRightCrc() const;

    ByteSpan bytes() const { return bytes_; }
    // The records, compressed as the attributes say.
    ByteSpan payload() const { return bytes_.subspan(kBatchHeaderBytes); }
    size_t size() const { return bytes_.size(); }

    int64_t base_offset() const { return Int64(0); }
    int32_t leader_epoch() const { return Int32(12); }
    uint32_t crc() const { return static_cast<uint32_t>(Int32(17)); }
    int16_t attributes() const { return Int16(21); }
    int32_t last_offset_delta() const { return Int32(23); }
    int64_t base_timestamp() const { return Int64(27); }
    int64_t max_timestamp() const { return Int64(35); }
    int64_t producer_id() const { return Int64(43); }
    int16_t producer_epoch() const { return Int16(51); }
    int32_t base_sequence() const { return Int32(53); }
    int32_t record_count() const { return Int32(57); }

    int64_t last_offset() const { return base_offset() + last_offset_delta(); }
    // Of the last record; sequences go round from the largest int32 to 0. -1 without a sequence.
    int32_t last_sequence() const;
    Compression compression() const { return static_cast<Compression>(attributes() & 0x07); }
    bool is_log_append_time() const { return (attributes() & 0x08) != 0; }
    bool is_transactional() const { return (attributes() & 0x10) != 0; }
    bool is_control() const { return (attributes() & 0x20) != 0; }
    // The base timestamp is then the time from which a compaction may drop the batch's tombstones.
    bool has_delete_horizon() const { return (attributes() & 0x40) != 0; }

  private:
    explicit BatchView(ByteSpan bytes) : bytes_(bytes) {}
    int16_t Int16(size_t at) const;
    int32_t Int32(size_t at) const;
    int64_t Int64(size_t at) const;

    ByteSpan bytes_;
};

// What a broker writes into a batch before it keeps it. `batch` is a whole one, as First would take it. Offset and
// epoch are outside of what the CRC covers.
void SetBaseOffset(MutableByteSpan batch, int64_t offset);
void SetLeaderEpoch(MutableByteSpan batch, int32_t epoch);
// All records get this time; the CRC is made again.
void SetLogAppendTime(MutableByteSpan batch, int64_t timestamp_ms);

// The batches of one `records` field, in order.
class BatchWalker {
  public:
    // `tail_may_be_cut`: as in an answer to Fetch, whose last batch may be a part only; it is left out.
    explicit BatchWalker(ByteSpan bytes, bool tail_may_be_cut = false)
        : left_(bytes), tail_may_be_cut_(tail_may_be_cut) {}
    // nullopt at the end.
    Result<std::optional<BatchView>> Next();
    // What follows the last batch that Next gave.
    ByteSpan left() const { return left_; }

  private:
    ByteSpan left_;
    bool tail_may_be_cut_;
};

struct RecordHeader {
    std::string_view key;
    std::optional<ByteSpan> value;
};

struct Record {
    int32_t index = 0;  // in the batch
    int64_t offset = 0;
    int64_t timestamp = 0;  // the batch's, when that has LogAppendTime
    std::optional<ByteSpan> key;
    std::optional<ByteSpan> value;
    std::vector<RecordHeader> headers;
};

// The records of one batch. Views point into the batch or, when it is compressed, into the cursor.
class RecordCursor {
  public:
    // Decompresses. MESSAGE_TOO_LARGE when the records have more than `bytes_max`.
    static Result<RecordCursor> Open(const BatchView& batch, size_t bytes_max);
    // The next record, good until the next call; nullptr at the end, which checks that nothing is left over. Offsets
    // must grow and lie within the batch (after a compaction some are missing).
    Result<const Record*> Next();

    RecordCursor(RecordCursor&&) = default;
    RecordCursor& operator=(RecordCursor&&) = default;
    RecordCursor(const RecordCursor&) = delete;  // its views point into itself
    RecordCursor& operator=(const RecordCursor&) = delete;

  private:
    explicit RecordCursor(const BatchView& batch);
    Result<const Record*> Broken(std::string_view why) const;
    bool ReadHeaders(ByteSpan& body);

    Bytes decompressed_;
    ByteSpan left_;
    int64_t base_offset_;
    int64_t base_timestamp_;
    std::optional<int64_t> append_time_;
    int32_t last_offset_delta_;
    int32_t count_;
    int32_t next_ = 0;
    int64_t last_delta_ = -1;
    Record record_;
};

struct BatchOptions {
    Compression compression = Compression::kNone;
    int compression_level = 0;  // 0: its default
    int64_t base_offset = 0;
    int32_t leader_epoch = -1;
    int64_t producer_id = kNoProducerId;
    int16_t producer_epoch = -1;
    int32_t base_sequence = -1;
    bool transactional = false;
    bool control = false;
    // Every record's time, instead of its own.
    std::optional<int64_t> log_append_time;
    // See BatchView::has_delete_horizon.
    std::optional<int64_t> delete_horizon;
    // After a compaction a batch still covers the offsets of records that are gone.
    std::optional<int32_t> last_offset_delta;
};

// To make a batch again with other records of the same offsets: all that a header says, kept.
BatchOptions OptionsLike(const BatchView& batch);

// Makes one batch.
class BatchBuilder {
  public:
    explicit BatchBuilder(BatchOptions options = {}) : options_(options) {}

    void Add(int64_t timestamp, std::optional<ByteSpan> key, std::optional<ByteSpan> value,
             std::span<const RecordHeader> headers = {});
    // With its own distance from the base offset, larger than those before.
    void AddAt(int32_t offset_delta, int64_t timestamp, std::optional<ByteSpan> key, std::optional<ByteSpan> value,
               std::span<const RecordHeader> headers = {});
    int32_t count() const { return count_; }
    // Before compression.
    size_t size() const { return batch_.size(); }
    // The batch; the builder is empty then.
    Result<Bytes> Build();

  private:
    BatchOptions options_;
    Bytes batch_ = Bytes(kBatchHeaderBytes);  // room for the header, then the records
    int32_t count_ = 0;
    int32_t next_delta_ = 0;
    int64_t base_timestamp_ = 0;
    int64_t max_timestamp_ = kNoTimestamp;
};

// The record that ends a transaction in a partition.
struct TransactionMarker {
    bool commit = false;  // otherwise abort
    int32_t coordinator_epoch = 0;
};
// A control batch of one marker; `options` give offset, producer and epoch.
Result<Bytes> BuildMarker(const TransactionMarker& marker, int64_t timestamp, BatchOptions options);
// Of a control batch; nullopt for a control record that is no end of a transaction.
Result<std::optional<TransactionMarker>> ReadMarker(const BatchView& batch);

}  // namespace tarn::kafka
