// Batches: what is built is read again with every compression, damage is told by its code, and no bytes of a peer
// cost more than their limit.
#include "wire/kafka/record_batch.h"

#include <gtest/gtest.h>

#include <string>

#include "base/seeds_for_test.h"
#include "wire/kafka/errors.h"
#include "wire/kafka/messages_for_test.h"

namespace tarn::kafka {
namespace {

constexpr Compression kAll[] = {Compression::kNone, Compression::kGzip, Compression::kSnappy, Compression::kLz4,
                                Compression::kZstd};
constexpr size_t kMax = 16 << 20;

Bytes ThreeRecords(BatchOptions options) {
    BatchBuilder builder(options);
    RecordHeader headers[] = {{"trace", AsBytes("abc")}, {"none", std::nullopt}};
    builder.Add(1000, AsBytes("k0"), AsBytes("v0"), headers);
    builder.Add(1007, std::nullopt, AsBytes(std::string(100'000, 'x')));
    builder.Add(990, AsBytes(""), std::nullopt);
    return builder.Build().value();
}

BatchView ViewOf(const Bytes& batch) { return BatchView::First(batch).value(); }

KafkaError CodeOf(const Status& status) { return status.ok() ? KafkaError::kNone : KafkaErrorOf(status.error()); }

Status ReadAllOf(const BatchView& batch, size_t bytes_max = kMax) {
    RecordCursor cursor = TRY(RecordCursor::Open(batch, bytes_max));
    while (TRY(cursor.Next())) {
    }
    return Ok();
}

TEST(RecordBatch, ComesBackWithEveryCompression) {
    for (Compression compression : kAll) {
        SCOPED_TRACE(CompressionName(compression));
        Bytes bytes = ThreeRecords({.compression = compression,
                                    .base_offset = 50,
                                    .leader_epoch = 3,
                                    .producer_id = 9,
                                    .producer_epoch = 1,
                                    .base_sequence = 0x7ffffffe,
                                    .transactional = true});
        BatchView batch = ViewOf(bytes);
        ASSERT_TRUE(batch.Validate().ok()) << batch.Validate().error().ToString();
        EXPECT_EQ(batch.compression(), compression);
        EXPECT_EQ(batch.base_offset(), 50);
        EXPECT_EQ(batch.last_offset(), 52);
        EXPECT_EQ(batch.leader_epoch(), 3);
        EXPECT_EQ(batch.base_timestamp(), 1000);
        EXPECT_EQ(batch.max_timestamp(), 1007);
        EXPECT_EQ(batch.last_sequence(), 0);
        EXPECT_EQ(batch.record_count(), 3);
        EXPECT_TRUE(batch.is_transactional());
        EXPECT_FALSE(batch.is_control());
        EXPECT_EQ(bytes.size() < 50'000, compression != Compression::kNone);

        RecordCursor cursor = RecordCursor::Open(batch, kMax).value();
        const Record* record = cursor.Next().value();
        ASSERT_TRUE(record);
        EXPECT_EQ(record->offset, 50);
        EXPECT_EQ(AsText(*record->key), "k0");
        EXPECT_EQ(AsText(*record->value), "v0");
        ASSERT_EQ(record->headers.size(), 2U);
        EXPECT_EQ(record->headers[0].key, "trace");
        EXPECT_EQ(AsText(*record->headers[0].value), "abc");
        EXPECT_FALSE(record->headers[1].value);
        record = cursor.Next().value();
        EXPECT_EQ(record->timestamp, 1007);
        EXPECT_FALSE(record->key);
        EXPECT_EQ(record->value->size(), 100'000U);
        record = cursor.Next().value();
        EXPECT_EQ(record->timestamp, 990);
        EXPECT_EQ(record->key->size(), 0U);
        EXPECT_FALSE(record->value);
        EXPECT_TRUE(record->headers.empty());
        EXPECT_EQ(cursor.Next().value(), nullptr);
    }
}

TEST(RecordBatch, IsChangedInPlace) {
    Bytes bytes = ThreeRecords({});
    SetBaseOffset(bytes, 1LL << 40);
    SetLeaderEpoch(bytes, 12);
    ASSERT_TRUE(ViewOf(bytes).Validate().ok());
    EXPECT_EQ(ViewOf(bytes).last_offset(), (1LL << 40) + 2);
    EXPECT_EQ(ViewOf(bytes).leader_epoch(), 12);
    SetLogAppendTime(bytes, 5000);
    ASSERT_TRUE(ViewOf(bytes).Validate().ok());
    EXPECT_TRUE(ViewOf(bytes).is_log_append_time());
    RecordCursor cursor = RecordCursor::Open(ViewOf(bytes), kMax).value();
    while (const Record* record = cursor.Next().value()) EXPECT_EQ(record->timestamp, 5000);
}

TEST(RecordBatch, DamageHasItsCode) {
    Bytes good = ThreeRecords({});
    Bytes bytes = good;
    bytes[100] ^= 1;
    EXPECT_EQ(CodeOf(ViewOf(bytes).Validate()), KafkaError::kCorruptMessage);
    bytes = good;
    bytes[16] = 1;
    EXPECT_EQ(KafkaErrorOf(BatchView::First(bytes).error()), KafkaError::kUnsupportedForMessageFormat);
    bytes[16] = 9;
    EXPECT_EQ(KafkaErrorOf(BatchView::First(bytes).error()), KafkaError::kCorruptMessage);
    EXPECT_EQ(KafkaErrorOf(BatchView::First(ByteSpan(good).first(good.size() - 1)).error()),
              KafkaError::kCorruptMessage);
    EXPECT_EQ(KafkaErrorOf(BatchView::First(ByteSpan(good).first(20)).error()), KafkaError::kCorruptMessage);
    EXPECT_EQ(KafkaErrorOf(BatchView::First({}).error()), KafkaError::kCorruptMessage);

    auto with = [&](size_t at, uint8_t value) {
        Bytes changed = good;
        changed[at] = value;
        SetLogAppendTime(changed, 1);  // makes the CRC right
        return CodeOf(ViewOf(changed).Validate());
    };
    EXPECT_EQ(with(22, 0x07), KafkaError::kUnsupportedCompressionType);
    EXPECT_EQ(with(21, 0x01), KafkaError::kInvalidRecord);  // an unknown attribute
    EXPECT_EQ(with(22, 0x10), KafkaError::kInvalidRecord);  // transactional without a producer
    EXPECT_EQ(with(57, 0x80), KafkaError::kInvalidRecord);  // a negative count
    EXPECT_EQ(with(26, 0x01), KafkaError::kInvalidRecord);  // more records than offsets
    EXPECT_EQ(with(23, 0x80), KafkaError::kInvalidRecord);  // a negative last offset

    bytes = good;
    bytes[60] = 2;  // a record fewer than there are
    EXPECT_EQ(CodeOf(ReadAllOf(ViewOf(bytes))), KafkaError::kInvalidRecord);
    bytes[60] = 4;
    EXPECT_EQ(CodeOf(ReadAllOf(ViewOf(bytes))), KafkaError::kInvalidRecord);
}

TEST(RecordBatch, OfAProducerIsStricter) {
    EXPECT_TRUE(ViewOf(ThreeRecords({})).ValidateProduced().ok());
    EXPECT_TRUE(ViewOf(ThreeRecords({.base_offset = -1})).ValidateProduced().ok());  // the broker sets it
    auto code = [](const BatchOptions& options) { return CodeOf(ViewOf(ThreeRecords(options)).ValidateProduced()); };
    EXPECT_EQ(code({.last_offset_delta = 9}), KafkaError::kInvalidRecord);
    EXPECT_EQ(code({.producer_id = 4, .producer_epoch = 0}), KafkaError::kInvalidRecord);
    EXPECT_EQ(code({.producer_id = 4, .producer_epoch = 0, .base_sequence = 0}), KafkaError::kNone);
    EXPECT_EQ(code({.producer_id = 4, .producer_epoch = -1, .base_sequence = 0}), KafkaError::kInvalidRecord);
    EXPECT_EQ(code({.producer_id = 4, .producer_epoch = 0, .base_sequence = 0, .control = true}),
              KafkaError::kInvalidRecord);
    EXPECT_EQ(code({.base_offset = INT64_MAX}), KafkaError::kInvalidRecord);
    Bytes empty = BatchBuilder({.last_offset_delta = 0}).Build().value();
    EXPECT_TRUE(ViewOf(empty).Validate().ok());  // as a compaction may leave it
    EXPECT_EQ(CodeOf(ViewOf(empty).ValidateProduced()), KafkaError::kInvalidRecord);
}

TEST(RecordBatch, IsMadeAgainWithFewerRecords) {
    for (bool append_time : {false, true}) {
        BatchOptions options{.compression = Compression::kLz4,
                             .base_offset = 70,
                             .leader_epoch = 2,
                             .producer_id = 4,
                             .producer_epoch = 1,
                             .base_sequence = 30,
                             .transactional = true};
        if (append_time) options.log_append_time = 9000;
        Bytes before = ThreeRecords(options);
        BatchBuilder builder(OptionsLike(ViewOf(before)));
        RecordCursor cursor = RecordCursor::Open(ViewOf(before), kMax).value();
        while (const Record* record = cursor.Next().value()) {
            if (record->index == 1) continue;
            auto delta = static_cast<int32_t>(record->offset - ViewOf(before).base_offset());
            builder.AddAt(delta, record->timestamp, record->key, record->value, record->headers);
        }
        Bytes after = builder.Build().value();
        ASSERT_TRUE(ViewOf(after).Validate().ok());
        EXPECT_EQ(ViewOf(after).attributes(), ViewOf(before).attributes());
        EXPECT_EQ(ViewOf(after).last_offset(), ViewOf(before).last_offset());
        EXPECT_EQ(ViewOf(after).last_sequence(), ViewOf(before).last_sequence());
        RecordCursor left = RecordCursor::Open(ViewOf(after), kMax).value();
        EXPECT_EQ(left.Next().value()->offset, 70);
        const Record* last = left.Next().value();
        EXPECT_EQ(last->offset, 72);
        EXPECT_EQ(last->timestamp, append_time ? 9000 : 990);
        EXPECT_EQ(left.Next().value(), nullptr);
    }
}

TEST(RecordBatch, BombsAreAnError) {
    for (Compression compression : kAll) {
        SCOPED_TRACE(CompressionName(compression));
        BatchBuilder builder({.compression = compression});
        builder.Add(0, std::nullopt, Bytes(8 << 20));
        Bytes bytes = builder.Build().value();
        EXPECT_TRUE(ReadAllOf(ViewOf(bytes), 9 << 20).ok());
        if (compression == Compression::kNone) continue;  // takes no more than the batch itself
        EXPECT_LT(bytes.size(), 600'000U);
        EXPECT_EQ(CodeOf(ReadAllOf(ViewOf(bytes), 1 << 20)), KafkaError::kMessageTooLarge);
    }
}

TEST(RecordBatch, ExactlyTheLimitIsTaken) {
    for (Compression compression : kAll) {
        SCOPED_TRACE(CompressionName(compression));
        Bytes content(200'000, 'a');
        Bytes packed = Compress(compression, content).value();
        EXPECT_EQ(Decompress(compression, packed, content.size()).value(), content);
        EXPECT_EQ(CodeOf(Decompress(compression, packed, content.size() - 1).ok()
                             ? Status()
                             : Status(Decompress(compression, packed, content.size() - 1).error())),
                  KafkaError::kMessageTooLarge);
        EXPECT_EQ(Decompress(compression, Compress(compression, {}).value(), 10).value(), Bytes());
    }
}

TEST(RecordBatch, SnappyMayBeRaw) {
    // librdkafka's own: no header of Java's. "hello hello hello hello", as snappy's format description packs it.
    Bytes raw = {23, 5 << 2, 'h', 'e', 'l', 'l', 'o', ' ', (16 << 2) | 2, 6, 0};
    EXPECT_EQ(AsText(Decompress(Compression::kSnappy, raw, 100).value()), "hello hello hello hello");
    Bytes lies = {0xff, 0xff, 0xff, 0xff, 0x0f, 0};  // 4 GiB in one byte
    EXPECT_EQ(KafkaErrorOf(Decompress(Compression::kSnappy, lies, SIZE_MAX).error()), KafkaError::kCorruptMessage);
}

TEST(RecordBatch, SeveralAreWalked) {
    Bytes bytes = ThreeRecords({});
    Bytes second = ThreeRecords({.compression = Compression::kZstd, .base_offset = 3});
    bytes.insert(bytes.end(), second.begin(), second.end());
    BatchWalker walker(bytes);
    EXPECT_EQ(walker.Next().value()->base_offset(), 0);
    EXPECT_EQ(walker.Next().value()->base_offset(), 3);
    EXPECT_FALSE(walker.Next().value());
    for (size_t cut = 1; cut < second.size(); ++cut) {
        ByteSpan part = ByteSpan(bytes).first(bytes.size() - cut);
        BatchWalker fetched(part, true);
        EXPECT_TRUE(fetched.Next().value());
        EXPECT_FALSE(fetched.Next().value());
        EXPECT_EQ(fetched.left().size(), second.size() - cut);
        BatchWalker produced(part);
        EXPECT_TRUE(produced.Next().value());
        EXPECT_FALSE(produced.Next().ok());
    }
}

TEST(RecordBatch, MarkersEndTransactions) {
    for (bool commit : {true, false}) {
        Bytes bytes = BuildMarker({commit, 7}, 123, {.base_offset = 9, .producer_id = 4, .producer_epoch = 2}).value();
        BatchView batch = ViewOf(bytes);
        ASSERT_TRUE(batch.Validate().ok());
        EXPECT_TRUE(batch.is_control() && batch.is_transactional());
        EXPECT_EQ(batch.base_sequence(), -1);
        auto marker = ReadMarker(batch).value();
        ASSERT_TRUE(marker);
        EXPECT_EQ(marker->commit, commit);
        EXPECT_EQ(marker->coordinator_epoch, 7);
    }
    EXPECT_FALSE(ReadMarker(ViewOf(ThreeRecords({}))).ok());
}

TEST(RecordBatch, KeepsOffsetsThatACompactionLeft) {
    BatchBuilder builder({.base_offset = 100, .delete_horizon = 77, .last_offset_delta = 9});
    builder.AddAt(2, 1000, AsBytes("a"), std::nullopt);
    builder.AddAt(7, 1001, AsBytes("b"), AsBytes("1"));
    Bytes bytes = builder.Build().value();
    BatchView batch = ViewOf(bytes);
    ASSERT_TRUE(batch.Validate().ok());
    EXPECT_TRUE(batch.has_delete_horizon());
    EXPECT_EQ(batch.base_timestamp(), 77);
    EXPECT_EQ(batch.last_offset(), 109);
    RecordCursor cursor = RecordCursor::Open(batch, kMax).value();
    const Record* record = cursor.Next().value();
    EXPECT_EQ(record->offset, 102);
    EXPECT_EQ(record->timestamp, 1000);
    EXPECT_EQ(cursor.Next().value()->offset, 107);
    EXPECT_EQ(cursor.Next().value(), nullptr);
}

TEST(RecordBatch, TakesAnyBytes) {
    ForSeeds(60, [](uint64_t seed) {
        Filler filler(seed);
        for (Compression compression : kAll) {
            BatchBuilder builder({.compression = compression});
            for (uint64_t i = filler.Below(5); i < 5; ++i) {
                Bytes value = filler.RandomBytes(300);
                builder.Add(static_cast<int64_t>(filler.Next()), value, ByteSpan(value));
            }
            Bytes good = builder.Build().value();
            ASSERT_TRUE(ReadAllOf(ViewOf(good)).ok());
            for (int round = 0; round < 30; ++round) {
                Bytes bytes = good;
                for (uint64_t i = filler.Below(4); i < 4; ++i) {
                    bytes[filler.Below(bytes.size())] = static_cast<uint8_t>(filler.Next() >> 20);
                }
                bytes.resize(bytes.size() - filler.Below(2) * filler.Below(bytes.size()));
                BatchWalker walker(bytes);
                for (;;) {
                    auto batch = walker.Next();
                    if (!batch.ok() || !*batch) break;
                    EXPECT_EQ((*batch)->Validate().ok() && !ReadAllOf(**batch).ok(), false);
                    (void)ReadMarker(**batch).ok();
                    (void)ReadAllOf(**batch).ok();
                }
            }
        }
    });
}

TEST(Errors, HaveTheNamesAndNumbersOfKafka) {
    EXPECT_EQ(ErrorRows().size(), 135U);
    EXPECT_EQ(ErrorName(KafkaError::kNotCoordinator), "NOT_COORDINATOR");
    EXPECT_EQ(static_cast<int>(KafkaError::kNotCoordinator), 16);
    EXPECT_EQ(static_cast<int>(KafkaError::kUnknownServerError), -1);
    EXPECT_TRUE(IsRetriable(KafkaError::kKafkaStorageError));
    EXPECT_FALSE(IsRetriable(KafkaError::kInvalidRecord));
    EXPECT_EQ(FindError(9999), nullptr);
    for (const ErrorRow& row : ErrorRows()) {
        EXPECT_EQ(KafkaErrorOf(MakeError(row.code, "x")), row.code);
        EXPECT_EQ(FindError(static_cast<int16_t>(row.code)), &row);
    }
    EXPECT_EQ(KafkaErrorOf(Error(ErrorCode::kInternal, "x")), KafkaError::kUnknownServerError);
    EXPECT_EQ(KafkaErrorOf(Error(ErrorCode::kIo, "x")), KafkaError::kKafkaStorageError);
    EXPECT_EQ(KafkaErrorOf(Error(ErrorCode::kConflict, "x").WithDetailCode("40001")),
              KafkaError::kConcurrentTransactions);
}

}  // namespace
}  // namespace tarn::kafka
