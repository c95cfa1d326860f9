#include "ingestion/buffer/batch_check.h"

#include <gtest/gtest.h>

namespace tarn::buffer {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;

Topic MakeTopic(TopicSettings settings = {}) {
    Topic topic;
    topic.name = "t";
    topic.settings = std::move(settings);
    topic.rules = topic.MakeRules();
    return topic;
}

// Records with times relative to now; odd ones have no key.
Bytes Batch(const std::vector<int64_t>& times, kafka::BatchOptions options = {}) {
    kafka::BatchBuilder builder(options);
    int number = 0;
    for (int64_t time : times) {
        std::optional<ByteSpan> key;
        if (number++ % 2 == 0) key = AsBytes("key");
        builder.Add(kNow + time, key, AsBytes("value"));
    }
    return builder.Build().value();
}

std::string CodeOfCheck(const Topic& topic, const Bytes& batch, std::vector<RefusedRecord>* refused = nullptr) {
    auto checked = CheckBatch(topic, kafka::Records(batch), kNow, refused);
    return checked.ok() ? "" : checked.error().detail_code();
}

TEST(BatchCheckTest, ABatchWhoseCountsDoNotFitIsRefused) {
    EXPECT_EQ(CodeOfCheck(MakeTopic(), Batch({0, 0})), "");
    EXPECT_EQ(CodeOfCheck(MakeTopic(), Batch({0, 0}, {.last_offset_delta = 7})), "INVALID_RECORD")
        << "it would take offsets that no record has";
    EXPECT_EQ(CodeOfCheck(MakeTopic(), Batch({}, {.last_offset_delta = 0})), "INVALID_RECORD");
    EXPECT_EQ(CodeOfCheck(MakeTopic(), Batch({0}, {.producer_id = 5, .producer_epoch = 0})), "INVALID_RECORD")
        << "an idempotent producer numbers its batches";
    EXPECT_EQ(CodeOfCheck(MakeTopic(), Batch({0}, {.producer_id = 5, .producer_epoch = 0, .control = true})),
              "INVALID_RECORD");
}

TEST(BatchCheckTest, ItTellsWhichRecordsItWas) {
    std::vector<RefusedRecord> refused;
    EXPECT_EQ(CodeOfCheck(MakeTopic({{"cleanup.policy", "compact"}}), Batch({0, 0, 0, 0}), &refused), "INVALID_RECORD");
    ASSERT_EQ(refused.size(), 2u);
    EXPECT_EQ(refused[0].index, 1);
    EXPECT_EQ(refused[1].index, 3);

    refused.clear();
    Topic young = MakeTopic({{"message.timestamp.before.max.ms", "1000"}});
    EXPECT_EQ(CodeOfCheck(young, Batch({0, -2000, 0}), &refused), "INVALID_TIMESTAMP");
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_EQ(refused[0].index, 1);
    EXPECT_NE(refused[0].why.find("has the time"), std::string::npos);
}

TEST(BatchCheckTest, SettingsHoldAsTheyWereWhenTheTopicWasPublished) {
    EXPECT_EQ(CodeOfCheck(MakeTopic({{"max.message.bytes", "80"}}), Batch({0, 0})), "MESSAGE_TOO_LARGE");
    EXPECT_EQ(CodeOfCheck(MakeTopic(), Batch({4'000'000})), "INVALID_TIMESTAMP") << "more than an hour ahead";
    EXPECT_EQ(CodeOfCheck(MakeTopic({{"message.timestamp.type", "LogAppendTime"}}), Batch({4'000'000})), "");
}

}  // namespace
}  // namespace tarn::buffer
