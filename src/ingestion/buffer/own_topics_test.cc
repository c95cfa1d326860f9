// Topics as the rest of the program has them: what was appended is read, by whom the gate lets, within limits.
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "base/fault_env.h"
#include "ingestion/buffer/groups.h"
#include "ingestion/buffer/own_topics.h"
#include "security/fakes_for_test.h"
#include "wire/kafka/record_batch.h"

namespace tarn::buffer {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

std::string Text(const std::optional<ByteSpan>& bytes) { return bytes ? std::string(AsText(*bytes)) : "none"; }

class OwnTopicsTest : public testing::Test {
  protected:
    void SetUp() override { Start(); }
    void TearDown() override { Stop(); }

    void Start() {
        database_ = *metadata::Database::OpenSqlite(env_, "/m.db", Secret(kKey));
        groups_ = std::make_unique<Groups>(GroupConfig{}, env_, timers_);
        TopicStoreConfig config{.directory = "/buffer", .segment_bytes = 20'000, .tail_bytes = 2000};
        store_ = *TopicStore::Create(config, {env_, *database_, NullLog(), metrics_}, AsBytes(kKey), *groups_);
        topics_ = MakeOwnTopics(SystemEnv(), *store_, gate_);
    }
    void Stop() {
        topics_.reset();
        store_.reset();
        groups_.reset();
        database_.reset();
    }

    // A batch as a client sends it.
    void AppendBatch(const std::string& topic, size_t partition, kafka::BatchOptions options,
                     const std::vector<std::string>& values) {
        kafka::BatchBuilder builder(options);
        for (const std::string& value : values) builder.Add(1000, std::nullopt, AsBytes(value));
        AppendBytes(topic, partition, *builder.Build());
    }
    void AppendBytes(const std::string& topic, size_t partition, Bytes content) {
        auto batch = std::make_shared<Bytes>(std::move(content));
        std::latch done(1);
        auto appended = store_->Append(
            *store_->Find(topic)->partitions[partition], *FactsOf(*batch), {*batch, batch},
            [&](uint64_t offset) { kafka::SetBaseOffset(*batch, static_cast<int64_t>(offset)); },
            [&](const Status& status) {
                EXPECT_TRUE(status.ok());
                done.count_down();
            });
        ASSERT_TRUE(appended.ok());
        done.wait();
    }
    // Everything from `offset` on, as "offset=value".
    std::vector<std::string> ReadAll(const std::string& topic, int32_t partition, int64_t offset, ReadLimits limits) {
        std::vector<std::string> all;
        int64_t end = topics_->Partitions(system_, topic)->at(static_cast<size_t>(partition)).end;
        while (offset < end) {
            auto some = topics_->Read(system_, topic, partition, offset, limits);
            EXPECT_TRUE(some.ok()) << some.error().ToString();
            if (!some.ok()) break;
            EXPECT_GT(some->next, offset);
            for (const TopicRecord& one : some->records) {
                EXPECT_GE(one.offset, offset);
                all.push_back(fmt::format("{}={}", one.offset, Text(one.value)));
            }
            offset = some->next;
        }
        return all;
    }
    Result<std::vector<RecordPlace>> Append(const std::vector<std::string>& values, const std::string& key = {}) {
        std::vector<NewRecord> records;
        for (const std::string& value : values) {
            records.push_back(
                {.key = key.empty() ? std::nullopt : std::optional(AsBytes(key)), .value = AsBytes(value)});
        }
        return topics_->Append(system_, "t", records);
    }

    FaultEnv env_{1};
    Metrics metrics_;
    security::FakeGate gate_;
    Timers timers_{env_.clock()};
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Groups> groups_;
    std::unique_ptr<TopicStore> store_;
    std::unique_ptr<Topics> topics_;
    security::Principal system_ = security::Principal::System("test");
    security::Principal ann_{.kind = security::PrincipalKind::kUser, .name = "ann"};
};

TEST_F(OwnTopicsTest, WhatWasAppendedIsReadAsItWas) {
    ASSERT_TRUE(topics_->Create(system_, "t", 2, {}).ok());
    std::vector<NewRecord> records = {
        {.key = AsBytes("k"),
         .value = AsBytes("v"),
         .headers = {{"h", AsBytes("1")}, {"none", std::nullopt}},
         .timestamp_ms = ToMillis(env_.clock().Now()),
         .partition = 1},
        {.key = std::nullopt, .value = std::nullopt, .partition = 1},
        {.key = AsBytes(""), .value = AsBytes(""), .partition = 0},
    };
    auto places = topics_->Append(system_, "t", records);
    ASSERT_TRUE(places.ok()) << places.error().ToString();
    EXPECT_EQ(places->at(0).partition, 1);
    EXPECT_EQ(places->at(0).offset, 0);
    EXPECT_EQ(places->at(1).offset, 1);
    EXPECT_EQ(places->at(2).partition, 0);
    EXPECT_EQ(places->at(2).offset, 0);

    for (bool again : {false, true}) {
        if (again) {
            Stop();
            Start();
        }
        auto some = topics_->Read(system_, "t", 1, 0, {});
        ASSERT_TRUE(some.ok());
        ASSERT_EQ(some->records.size(), 2u);
        EXPECT_EQ(some->next, 2);
        const TopicRecord& first = some->records[0];
        EXPECT_EQ(Text(first.key) + Text(first.value), "kv");
        EXPECT_EQ(first.timestamp_ms, *records[0].timestamp_ms);
        ASSERT_EQ(first.headers.size(), 2u);
        EXPECT_EQ(first.headers[0].key, "h");
        EXPECT_EQ(Text(first.headers[0].value), "1");
        EXPECT_EQ(Text(first.headers[1].value), "none");
        EXPECT_FALSE(some->records[1].key || some->records[1].value);
        EXPECT_GT(some->records[1].timestamp_ms, 0);
        EXPECT_EQ(Text(topics_->Read(system_, "t", 0, 0, {})->records.at(0).value), "");
    }
}

TEST_F(OwnTopicsTest, ReadingGoesOnWhereItEndedWhateverTheLimits) {
    ASSERT_TRUE(topics_->Create(system_, "t", 1, {}).ok());
    std::vector<std::string> expected;
    for (int batch = 0; batch < 60; ++batch) {
        std::vector<std::string> values;
        for (int record = 0; record < 7; ++record) values.push_back(std::string(100, 'a') + std::to_string(batch));
        for (const std::string& value : values) expected.push_back(fmt::format("{}={}", expected.size(), value));
        kafka::BatchOptions options;
        options.compression = static_cast<kafka::Compression>(batch % 5);
        AppendBatch("t", 0, options, values);
    }
    // Segments of 20,000 bytes, 2,000 of them in memory: closed segments, the open one and the tail are all read.
    EXPECT_EQ(ReadAll("t", 0, 0, {}), expected);
    EXPECT_EQ(ReadAll("t", 0, 0, {.records_max = 3}), expected);
    EXPECT_EQ(ReadAll("t", 0, 0, {.bytes_max = 1}), expected);
    EXPECT_EQ(ReadAll("t", 0, 405, {.records_max = 10}),
              std::vector<std::string>(expected.begin() + 405, expected.end()));
    EXPECT_EQ(topics_->Read(system_, "t", 0, 0, {.records_max = 3})->next, 3);
    EXPECT_TRUE(topics_->Read(system_, "t", 0, 420, {})->records.empty());
    auto behind = topics_->Read(system_, "t", 0, 421, {});
    ASSERT_FALSE(behind.ok());
    EXPECT_EQ(behind.error().code(), ErrorCode::kOutOfRange);
    EXPECT_NE(behind.error().message().find("0 to 420"), std::string::npos) << behind.error().message();
}

TEST_F(OwnTopicsTest, ABombIsRefused) {
    ASSERT_TRUE(topics_->Create(system_, "t", 1, {}).ok());
    kafka::BatchOptions options;
    options.compression = kafka::Compression::kZstd;
    AppendBatch("t", 0, options, {std::string(4 << 20, 'a')});
    auto refused = topics_->Read(system_, "t", 0, 0, {.batch_bytes_max = 1 << 20});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().detail_code(), "MESSAGE_TOO_LARGE");
    EXPECT_EQ(topics_->Read(system_, "t", 0, 0, {})->records.at(0).value->size(), size_t{4} << 20);
}

TEST_F(OwnTopicsTest, ControlRecordsAndAbortedOnesAreNotSeen) {
    ASSERT_TRUE(topics_->Create(system_, "t", 1, {}).ok());
    auto in_transaction = [](int64_t producer, int32_t sequence) {
        kafka::BatchOptions options;
        options.producer_id = producer;
        options.producer_epoch = 0;
        options.base_sequence = sequence;
        options.transactional = true;
        return options;
    };
    auto end = [&](int64_t producer, bool commit) {
        kafka::BatchOptions options = in_transaction(producer, -1);
        options.control = true;
        AppendBytes("t", 0, *kafka::BuildMarker({commit, 0}, 1000, options));
    };
    AppendBatch("t", 0, in_transaction(7, 0), {"bad"});     // 0
    AppendBatch("t", 0, {}, {"plain"});                     // 1
    AppendBatch("t", 0, in_transaction(8, 0), {"good"});    // 2
    EXPECT_EQ(topics_->Partitions(system_, "t")->at(0).end, 0);  // the first is open
    end(7, false);                                          // 3
    EXPECT_EQ(ReadAll("t", 0, 0, {}), std::vector<std::string>({"1=plain"}));
    end(8, true);                                           // 4
    AppendBatch("t", 0, in_transaction(7, 1), {"later"});   // 5
    end(7, true);                                           // 6
    EXPECT_EQ(ReadAll("t", 0, 0, {}), std::vector<std::string>({"1=plain", "2=good", "5=later"}));
    EXPECT_EQ(ReadAll("t", 0, 3, {.records_max = 1}), std::vector<std::string>({"5=later"}));
}

TEST_F(OwnTopicsTest, ATimeHasAnOffset) {
    ASSERT_TRUE(topics_->Create(system_, "t", 1, {}).ok());
    EXPECT_EQ(*topics_->OffsetAt(system_, "t", 0, 0), 0);
    int64_t now = ToMillis(env_.clock().Now());
    std::vector<NewRecord> records;
    for (int64_t ms : {0, 10, 20}) records.push_back({.value = AsBytes("x"), .timestamp_ms = now + ms});
    ASSERT_TRUE(topics_->Append(system_, "t", records).ok());
    EXPECT_EQ(*topics_->OffsetAt(system_, "t", 0, now - 5), 0);
    EXPECT_EQ(*topics_->OffsetAt(system_, "t", 0, now + 10), 1);
    EXPECT_EQ(*topics_->OffsetAt(system_, "t", 0, now + 11), 2);
    EXPECT_EQ(*topics_->OffsetAt(system_, "t", 0, now + 21), 3);
}

TEST_F(OwnTopicsTest, TheGateIsAsked) {
    ASSERT_TRUE(topics_->Create(system_, "t", 1, {}).ok());
    ASSERT_TRUE(topics_->Create(system_, "u", 1, {}).ok());
    ASSERT_TRUE(Append({"secret"}).ok());
    EXPECT_TRUE(topics_->List(ann_)->empty());
    auto denied = [](const Error& error) { return error.code() == ErrorCode::kPermissionDenied; };
    EXPECT_TRUE(denied(topics_->Describe(ann_, "t").error()));
    EXPECT_TRUE(denied(topics_->Describe(ann_, "no").error()));  // the same as what is there
    EXPECT_TRUE(denied(topics_->Partitions(ann_, "t").error()));
    EXPECT_TRUE(denied(topics_->Read(ann_, "t", 0, 0, {}).error()));
    EXPECT_TRUE(denied(topics_->OffsetAt(ann_, "t", 0, 0).error()));
    EXPECT_TRUE(denied(topics_->Wait(ann_, "t", {{0, 0}}, Duration(0), {}).error()));
    std::vector<NewRecord> records = {{.value = AsBytes("x")}};
    EXPECT_TRUE(denied(topics_->Append(ann_, "t", records).error()));
    EXPECT_TRUE(denied(topics_->Create(ann_, "v", 1, {}).error()));
    gate_.allowed = {"user:ann topic:Describe t"};
    EXPECT_EQ(topics_->List(ann_)->size(), 1u);
    EXPECT_EQ(topics_->Describe(ann_, "t")->partitions, 1);
    EXPECT_TRUE(denied(topics_->Read(ann_, "t", 0, 0, {}).error()));
    gate_.allowed = {"user:ann topic:Read t", "user:ann topic:Write u"};
    EXPECT_EQ(topics_->List(ann_)->at(0).name, "t");
    EXPECT_EQ(topics_->Read(ann_, "t", 0, 0, {})->records.size(), 1u);
    EXPECT_TRUE(denied(topics_->Append(ann_, "t", records).error()));
    EXPECT_TRUE(topics_->Append(ann_, "u", records).ok());
    EXPECT_EQ(topics_->Read(ann_, "t", 3, 0, {}).error().code(), ErrorCode::kNotFound);
}

TEST_F(OwnTopicsTest, WaitingEndsWithRecordsTimeOrCancelling) {
    ASSERT_TRUE(topics_->Create(system_, "t", 2, {}).ok());
    constexpr Duration kLong = std::chrono::minutes(1);
    EXPECT_FALSE(*topics_->Wait(system_, "t", {{0, 0}, {1, 0}}, std::chrono::milliseconds(20), {}));
    std::thread producer([&] {
        std::vector<NewRecord> records = {{.value = AsBytes("x"), .partition = 1}};
        EXPECT_TRUE(topics_->Append(system_, "t", records).ok());
    });
    EXPECT_TRUE(*topics_->Wait(system_, "t", {{0, 0}, {1, 0}}, kLong, {}));
    producer.join();
    EXPECT_TRUE(*topics_->Wait(system_, "t", {{1, 0}}, kLong, {}));
    CancelToken cancel;
    std::thread canceller([&] { cancel.Cancel(); });
    auto cancelled = topics_->Wait(system_, "t", {{1, 1}}, kLong, cancel);
    canceller.join();
    ASSERT_FALSE(cancelled.ok());
    EXPECT_EQ(cancelled.error().code(), ErrorCode::kCancelled);
}

TEST_F(OwnTopicsTest, KeysGoWhereJavasClientPutsThem) {
    ASSERT_TRUE(topics_->Create(system_, "t", 1000, {}).ok());
    // Kafka's own examples of its hash, as partition of 1000.
    for (auto [key, hash] : std::vector<std::pair<std::string, int32_t>>{{"21", -973932308},
                                                                         {"foobar", -790332482},
                                                                         {"a-little-bit-long-string", -985981536},
                                                                         {"a-little-bit-longer-string", -1486304829},
                                                                         {"abc", 479470107}}) {
        EXPECT_EQ(Append({"x"}, key)->at(0).partition, (hash & 0x7FFFFFFF) % 1000) << key;
    }
    auto places = *Append({"x", "y", "z"});  // no key: together, in order
    EXPECT_EQ(places[0].partition, places[2].partition);
    EXPECT_EQ(places[2].offset, places[0].offset + 2);
}

TEST_F(OwnTopicsTest, RecordsThatATopicDoesNotTakeAreRefusedBeforeAnyIsWritten) {
    ASSERT_TRUE(topics_->Create(system_, "t", 1, {{"max.message.bytes", "2000"}}).ok());
    std::vector<std::string> values(100, std::string(100, 'x'));
    auto many = Append(values);  // several batches
    ASSERT_TRUE(many.ok()) << many.error().ToString();
    for (size_t index = 0; index < values.size(); ++index) {
        EXPECT_EQ(many->at(index).offset, static_cast<int64_t>(index));
    }
    std::string noise;
    for (int i = 0; i < 1500; ++i) noise += std::to_string(i * 7919);
    values.push_back(noise);
    auto refused = Append(values);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().detail_code(), "MESSAGE_TOO_LARGE");
    EXPECT_EQ(topics_->Partitions(system_, "t")->at(0).end, 100);
    ASSERT_TRUE(topics_->Create(system_, "c", 1, {{"cleanup.policy", "compact"}}).ok());
    std::vector<NewRecord> keyless = {{.value = AsBytes("x")}};
    EXPECT_EQ(topics_->Append(system_, "c", keyless).error().detail_code(), "INVALID_RECORD");
    EXPECT_EQ(topics_->Append(system_, "no", keyless).error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tarn::buffer
