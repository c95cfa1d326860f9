#include "wire/kafka/record_batch.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <utility>

#include "base/crypto.h"
#include "wire/kafka/errors.h"

namespace tarn::kafka {
namespace {

// Where the fields of a batch lie; see docs/formats/kafka.md.
constexpr size_t kLengthAt = 8;
constexpr size_t kLeaderEpochAt = 12;
constexpr size_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kAttributesAt = 21;
constexpr size_t kMaxTimestampAt = 35;
constexpr size_t kLogOverhead = 12;  // the offset and the length, which the length does not count
constexpr int16_t kAttributesKnown = 0x7f;
constexpr int16_t kLogAppendTime = 0x08;

template <typename T>
void Put(MutableByteSpan bytes, size_t at, T value) {
    for (size_t i = 0; i < sizeof(T); ++i) {
        bytes[at + i] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * (sizeof(T) - 1 - i)));
    }
}

Error Corrupt(std::string what) { return MakeError(KafkaError::kCorruptMessage, std::move(what)); }
Error Invalid(std::string what) { return MakeError(KafkaError::kInvalidRecord, std::move(what)); }

// A zigzag varint of a record. False when the bytes end in it, or when it has more than `bits_max` bits.
bool TakeVarint(ByteSpan& from, int bits_max, int64_t& into) {
    uint64_t value = 0;
    for (int shift = 0; shift < bits_max; shift += 7) {
        if (from.empty()) return false;
        uint8_t byte = from.front();
        from = from.subspan(1);
        if (shift + 7 > bits_max && byte >> (bits_max - shift) != 0) return false;
        value |= uint64_t{byte & 0x7fU} << shift;
        if (byte < 0x80) {
            into = static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
            return true;
        }
    }
    return false;
}

bool TakeBytes(ByteSpan& from, bool nullable, std::optional<ByteSpan>& into) {
    int64_t length = 0;
    if (!TakeVarint(from, 32, length)) return false;
    into.reset();
    if (length < 0) return nullable && length == -1;
    if (static_cast<uint64_t>(length) > from.size()) return false;
    into = from.first(static_cast<size_t>(length));
    from = from.subspan(static_cast<size_t>(length));
    return true;
}

void PutVarint(Bytes& into, int64_t value) {
    auto left = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
    while (left >= 0x80) {
        into.push_back(static_cast<uint8_t>(left | 0x80));
        left >>= 7;
    }
    into.push_back(static_cast<uint8_t>(left));
}

void PutBytes(Bytes& into, std::optional<ByteSpan> bytes) {
    if (!bytes) return PutVarint(into, -1);
    PutVarint(into, static_cast<int64_t>(bytes->size()));
    into.insert(into.end(), bytes->begin(), bytes->end());
}

size_t VarintBytes(int64_t value) {
    auto left = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
    size_t count = 1;
    while (left >>= 7) ++count;
    return count;
}

size_t BytesBytes(std::optional<ByteSpan> bytes) {
    if (!bytes) return 1;
    return VarintBytes(static_cast<int64_t>(bytes->size())) + bytes->size();
}

uint32_t CrcOf(ByteSpan batch) { return Crc32c(batch.subspan(kAttributesAt)); }

}  // namespace

int16_t BatchView::Int16(size_t at) const {
    uint16_t value = 0;
    std::memcpy(&value, bytes_.data() + at, sizeof(value));
    return static_cast<int16_t>(__builtin_bswap16(value));
}

int32_t BatchView::Int32(size_t at) const {
    uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + at, sizeof(value));
    return static_cast<int32_t>(__builtin_bswap32(value));
}

int64_t BatchView::Int64(size_t at) const {
    uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + at, sizeof(value));
    return static_cast<int64_t>(__builtin_bswap64(value));
}

Result<BatchView> BatchView::First(ByteSpan bytes) {
    if (bytes.size() > kMagicAt && bytes[kMagicAt] != 2) {
        int magic = static_cast<int8_t>(bytes[kMagicAt]);
        if (magic == 0 || magic == 1) {
            return MakeError(KafkaError::kUnsupportedForMessageFormat,
                             fmt::format("the messages have the format {}; only 2, of Kafka 0.11, is taken", magic));
        }
        return Corrupt(fmt::format("a batch has the magic {}", magic));
    }
    if (bytes.size() < kBatchHeaderBytes) {
        return Corrupt(
            fmt::format("{} bytes are too few for a batch, which has {} at least", bytes.size(), kBatchHeaderBytes));
    }
    int64_t length = BatchView(bytes).Int32(kLengthAt);
    if (length < static_cast<int64_t>(kBatchHeaderBytes - kLogOverhead)) {
        return Corrupt(fmt::format("a batch declares {} bytes", length));
    }
    auto size = static_cast<uint64_t>(length) + kLogOverhead;
    if (size > bytes.size()) {
        return Corrupt(fmt::format("a batch declares {} bytes, {} are there", size, bytes.size()));
    }
    return BatchView(bytes.first(size));
}

bool BatchView::HasRightCrc() const { return CrcOf(bytes_) == crc(); }

Status BatchView::Validate() const {
    if (!HasRightCrc()) {
        return Corrupt(fmt::format("the batch at offset {} has the CRC {:08x}, its bytes have {:08x}", base_offset(),
                                   crc(), CrcOf(bytes_)));
    }
    if ((attributes() & 0x07) > static_cast<int>(Compression::kZstd)) {
        return MakeError(KafkaError::kUnsupportedCompressionType,
                         fmt::format("there is no compression {}", attributes() & 0x07));
    }
    if ((attributes() & ~kAttributesKnown) != 0) {
        return Invalid(fmt::format("a batch has the attributes {:#06x}, of which some are not known",
                                   static_cast<uint16_t>(attributes())));
    }
    if (record_count() < 0 || last_offset_delta() < 0 || record_count() - 1 > last_offset_delta()) {
        return Invalid(
            fmt::format("a batch has {} records and the last offset delta {}", record_count(), last_offset_delta()));
    }
    // A producer may send any base offset: the broker sets it.
    if (base_offset() > std::numeric_limits<int64_t>::max() - last_offset_delta()) {
        return Invalid(fmt::format("a batch has the base offset {}", base_offset()));
    }
    if (producer_id() < kNoProducerId || (producer_id() == kNoProducerId && (is_transactional() || is_control()))) {
        return Invalid(fmt::format("a transactional batch has the producer id {}", producer_id()));
    }
    if (producer_id() != kNoProducerId && producer_epoch() < 0) {
        return Invalid(fmt::format("producer {} has the epoch {}", producer_id(), producer_epoch()));
    }
    return Ok();
}

Status BatchView::ValidateProduced() const {
    TRY(Validate());
    if (record_count() == 0 || record_count() - 1 != last_offset_delta()) {
        return Invalid(fmt::format("a produced batch has {} records and the last offset delta {}", record_count(),
                                   last_offset_delta()));
    }
    if (is_control()) return Invalid("a producer may not write a control batch");
    if (producer_id() != kNoProducerId && base_sequence() < 0) {
        return Invalid(fmt::format("producer {} sent the sequence {}", producer_id(), base_sequence()));
    }
    return Ok();
}

int32_t BatchView::last_sequence() const {
    if (base_sequence() < 0) return -1;
    return static_cast<int32_t>((int64_t{base_sequence()} + last_offset_delta()) & 0x7fffffff);
}

void SetBaseOffset(MutableByteSpan batch, int64_t offset) { Put(batch, 0, offset); }

void SetLeaderEpoch(MutableByteSpan batch, int32_t epoch) { Put(batch, kLeaderEpochAt, epoch); }

void SetLogAppendTime(MutableByteSpan batch, int64_t timestamp_ms) {
    Put(batch, kMaxTimestampAt, timestamp_ms);
    batch[kAttributesAt + 1] |= kLogAppendTime;
    Put(batch, kCrcAt, CrcOf(batch));
}

Result<std::optional<BatchView>> BatchWalker::Next() {
    if (left_.empty()) return std::optional<BatchView>();
    if (tail_may_be_cut_) {
        int64_t length = 0;
        for (size_t i = kLengthAt; i < kLogOverhead && i < left_.size(); ++i) length = length << 8 | left_[i];
        if (left_.size() < kLogOverhead || left_.size() - kLogOverhead < static_cast<uint64_t>(length)) {
            return std::optional<BatchView>();
        }
    }
    BatchView batch = TRY(BatchView::First(left_));
    left_ = left_.subspan(batch.size());
    return std::optional<BatchView>(batch);
}

RecordCursor::RecordCursor(const BatchView& batch)
    : left_(batch.payload()),
      base_offset_(batch.base_offset()),
      base_timestamp_(batch.base_timestamp()),
      last_offset_delta_(batch.last_offset_delta()),
      count_(batch.record_count()) {
    if (batch.is_log_append_time()) append_time_ = batch.max_timestamp();
}

Result<RecordCursor> RecordCursor::Open(const BatchView& batch, size_t bytes_max) {
    RecordCursor cursor(batch);
    if (batch.compression() != Compression::kNone) {
        cursor.decompressed_ = TRY(Decompress(batch.compression(), batch.payload(), bytes_max));
        cursor.left_ = cursor.decompressed_;
    }
    return cursor;
}

Result<const Record*> RecordCursor::Broken(std::string_view why) const {
    return Invalid(fmt::format("record {} of {} of the batch at offset {} {}", next_, count_, base_offset_, why));
}

bool RecordCursor::ReadHeaders(ByteSpan& body) {
    int64_t count = 0;
    // A header has two bytes at least.
    if (!TakeVarint(body, 32, count) || count < 0 || static_cast<uint64_t>(count) > body.size() / 2) return false;
    record_.headers.clear();
    for (int64_t i = 0; i < count; ++i) {
        RecordHeader& header = record_.headers.emplace_back();
        std::optional<ByteSpan> key;
        if (!TakeBytes(body, false, key) || !TakeBytes(body, true, header.value)) return false;
        header.key = AsText(*key);
    }
    return true;
}

Result<const Record*> RecordCursor::Next() {
    if (next_ == count_) {
        if (!left_.empty()) return Broken(fmt::format("is the end, but {} bytes follow", left_.size()));
        return nullptr;
    }
    int64_t length = 0;
    if (!TakeVarint(left_, 32, length) || length < 0 || static_cast<uint64_t>(length) > left_.size()) {
        return Broken("is longer than the batch");
    }
    ByteSpan body = left_.first(static_cast<size_t>(length));
    left_ = left_.subspan(static_cast<size_t>(length));
    if (body.empty()) return Broken("is empty");
    body = body.subspan(1);  // attributes, of which there are none yet
    int64_t timestamp_delta = 0;
    int64_t offset_delta = 0;
    if (!TakeVarint(body, 64, timestamp_delta) || !TakeVarint(body, 32, offset_delta)) return Broken("is cut short");
    if (offset_delta <= last_delta_ || offset_delta > last_offset_delta_) {
        return Broken(fmt::format("has the offset delta {}", offset_delta));
    }
    last_delta_ = offset_delta;
    record_.index = next_;
    record_.offset = base_offset_ + offset_delta;
    record_.timestamp =
        append_time_
            ? *append_time_
            : static_cast<int64_t>(static_cast<uint64_t>(base_timestamp_) + static_cast<uint64_t>(timestamp_delta));
    if (!TakeBytes(body, true, record_.key) || !TakeBytes(body, true, record_.value)) return Broken("is cut short");
    if (!ReadHeaders(body)) return Broken("has broken headers");
    if (!body.empty()) return Broken(fmt::format("has {} bytes too many", body.size()));
    ++next_;
    return &record_;
}

BatchOptions OptionsLike(const BatchView& batch) {
    BatchOptions options;
    options.compression = batch.compression();
    options.base_offset = batch.base_offset();
    options.leader_epoch = batch.leader_epoch();
    options.producer_id = batch.producer_id();
    options.producer_epoch = batch.producer_epoch();
    options.base_sequence = batch.base_sequence();
    options.transactional = batch.is_transactional();
    options.control = batch.is_control();
    if (batch.is_log_append_time()) options.log_append_time = batch.max_timestamp();
    if (batch.has_delete_horizon()) options.delete_horizon = batch.base_timestamp();
    options.last_offset_delta = batch.last_offset_delta();
    return options;
}

void BatchBuilder::Add(int64_t timestamp, std::optional<ByteSpan> key, std::optional<ByteSpan> value,
                       std::span<const RecordHeader> headers) {
    AddAt(next_delta_, timestamp, key, value, headers);
}

void BatchBuilder::AddAt(int32_t offset_delta, int64_t timestamp, std::optional<ByteSpan> key,
                         std::optional<ByteSpan> value, std::span<const RecordHeader> headers) {
    if (count_ == 0) base_timestamp_ = options_.delete_horizon.value_or(timestamp);
    int64_t timestamp_delta =
        static_cast<int64_t>(static_cast<uint64_t>(timestamp) - static_cast<uint64_t>(base_timestamp_));
    auto header_count = static_cast<int64_t>(headers.size());
    size_t length = 1 + VarintBytes(timestamp_delta) + VarintBytes(offset_delta) + BytesBytes(key) + BytesBytes(value) +
                    VarintBytes(header_count);
    for (const RecordHeader& header : headers) length += BytesBytes(AsBytes(header.key)) + BytesBytes(header.value);
    PutVarint(batch_, static_cast<int64_t>(length));
    batch_.push_back(0);  // attributes
    PutVarint(batch_, timestamp_delta);
    PutVarint(batch_, offset_delta);
    PutBytes(batch_, key);
    PutBytes(batch_, value);
    PutVarint(batch_, header_count);
    for (const RecordHeader& header : headers) {
        PutBytes(batch_, AsBytes(header.key));
        PutBytes(batch_, header.value);
    }
    max_timestamp_ = count_ == 0 ? timestamp : std::max(max_timestamp_, timestamp);
    next_delta_ = offset_delta + 1;
    ++count_;
}

Result<Bytes> BatchBuilder::Build() {
    Bytes batch = std::move(batch_);
    if (options_.compression != Compression::kNone) {
        ByteSpan records = ByteSpan(batch).subspan(kBatchHeaderBytes);
        Bytes payload = TRY(Compress(options_.compression, records, options_.compression_level));
        batch.resize(kBatchHeaderBytes);
        batch.insert(batch.end(), payload.begin(), payload.end());
    }
    if (batch.size() - kLogOverhead > std::numeric_limits<int32_t>::max()) {
        return MakeError(KafkaError::kMessageTooLarge, fmt::format("a batch cannot have {} bytes", batch.size()));
    }
    int attributes = static_cast<int>(options_.compression) | (options_.log_append_time ? kLogAppendTime : 0) |
                     (options_.transactional ? 0x10 : 0) | (options_.control ? 0x20 : 0) |
                     (options_.delete_horizon ? 0x40 : 0);
    Put(batch, 0, options_.base_offset);
    Put(batch, kLengthAt, static_cast<int32_t>(batch.size() - kLogOverhead));
    Put(batch, kLeaderEpochAt, options_.leader_epoch);
    batch[kMagicAt] = 2;
    Put(batch, kAttributesAt, static_cast<int16_t>(attributes));
    Put(batch, 23, options_.last_offset_delta.value_or(next_delta_ - 1));
    Put(batch, 27, base_timestamp_);
    Put(batch, kMaxTimestampAt, options_.log_append_time.value_or(max_timestamp_));
    Put(batch, 43, options_.producer_id);
    Put(batch, 51, options_.producer_epoch);
    Put(batch, 53, options_.base_sequence);
    Put(batch, 57, count_);
    Put(batch, kCrcAt, CrcOf(batch));
    *this = BatchBuilder(options_);
    return batch;
}

Result<Bytes> BuildMarker(const TransactionMarker& marker, int64_t timestamp, BatchOptions options) {
    options.control = true;
    options.transactional = true;
    options.base_sequence = -1;
    options.compression = Compression::kNone;
    Bytes key(4);
    Put(key, 0, int16_t{0});  // version
    Put(key, 2, int16_t{marker.commit ? int16_t{1} : int16_t{0}});
    Bytes value(6);
    Put(value, 0, int16_t{0});  // version
    Put(value, 2, marker.coordinator_epoch);
    BatchBuilder builder(options);
    builder.Add(timestamp, key, value);
    return builder.Build();
}

Result<std::optional<TransactionMarker>> ReadMarker(const BatchView& batch) {
    if (!batch.is_control())
        return Invalid(fmt::format("the batch at offset {} is no control batch", batch.base_offset()));
    RecordCursor cursor = TRY(RecordCursor::Open(batch, batch.size()));
    const Record* record = TRY(cursor.Next());
    if (!record || !record->key || record->key->size() < 4) {
        return Invalid(fmt::format("the control batch at offset {} has no type", batch.base_offset()));
    }
    int type = (*record->key)[2] << 8 | (*record->key)[3];
    if (type > 1) return std::optional<TransactionMarker>();
    TransactionMarker marker{.commit = type == 1};
    if (!record->value || record->value->size() < 6) {
        return Invalid(fmt::format("the marker at offset {} has no epoch", batch.base_offset()));
    }
    uint32_t epoch = 0;
    std::memcpy(&epoch, record->value->data() + 2, sizeof(epoch));
    marker.coordinator_epoch = static_cast<int32_t>(__builtin_bswap32(epoch));
    return std::optional<TransactionMarker>(marker);
}

}  // namespace tarn::kafka
