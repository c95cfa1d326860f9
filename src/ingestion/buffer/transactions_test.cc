#include "ingestion/buffer/transactions.h"

#include <gtest/gtest.h>

#include <latch>

#include "base/fault_disk.h"
#include "base/fault_env.h"
#include "base/number.h"
#include "base/seeds_for_test.h"
#include "wire/kafka/record_batch.h"

namespace tarn::buffer {
namespace {

using Code = kafka::KafkaError;
using std::chrono::seconds;

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
constexpr int32_t kTimeoutMs = 60'000;

// A reader of read_committed that waits.
struct Seen final : AppendWatcher {
    void OnVisible(size_t) override { something.count_down(); }
    std::latch something{1};
};

class TransactionsTest : public testing::Test {
  protected:
    void SetUp() override {
        Open();
        ASSERT_TRUE(store_->CreateTopic("t", 3, {}).ok());
    }
    void TearDown() override { Close(); }

    void Open() {
        database_ = *metadata::Database::OpenSqlite(env_, "/m.db", Secret(kKey));
        groups_ = std::make_unique<Groups>(GroupConfig{}, env_, timers_);
        transactions_ = std::make_shared<Transactions>(config_, env_, NullLog(), timers_, *groups_);
        store_ = *TopicStore::Create({.directory = "/buffer"}, {env_, *database_, NullLog(), metrics_}, AsBytes(kKey),
                                     *transactions_);
        transactions_->Start(*store_);
    }
    void Close() {
        transactions_->Stop();
        store_.reset();
        transactions_.reset();
        groups_.reset();
        database_.reset();
    }
    void StartAgain() {
        Close();
        env_.Kill();
        Open();
    }

    template <typename F>
    static TransactionAnswer Ask(F ask) {
        std::latch known(1);
        TransactionAnswer told;
        ask([&](const TransactionAnswer& answer) {
            told = answer;
            known.count_down();
        });
        known.wait();
        return told;
    }
    TransactionAnswer Init(ProducerEpoch mine = {}, const std::string& id = "x") {
        return Ask([&](auto answer) { transactions_->Init(id, kTimeoutMs, mine, answer); });
    }
    Code Add(ProducerEpoch producer, std::set<TopicPartition> partitions) {
        return Ask([&](auto answer) { transactions_->AddPartitions({"x", producer}, partitions, answer); }).error;
    }
    TransactionAnswer End(ProducerEpoch producer, bool commit, bool new_epoch = false) {
        return Ask([&](auto answer) { transactions_->End({"x", producer}, commit, new_epoch, answer); });
    }
    Code CommitOffset(ProducerEpoch producer, int64_t offset) {
        Code added = implicit_ ? Code::kNone : Ask([&](auto answer) {
                                                   transactions_->AddGroup({"x", producer}, "g", answer);
                                               }).error;
        if (added != Code::kNone) return added;
        Offsets offsets{{{"t", 0}, {offset, -1, "", 1}}};
        return Ask([&](auto answer) {
                   transactions_->CommitOffsets({"x", producer}, "g", offsets, implicit_, answer);
               })
            .error;
    }
    // The code, or the append's problem.
    std::string Write(ProducerEpoch producer, int32_t index, int32_t sequence, bool transactional = true) {
        kafka::BatchBuilder builder({.producer_id = producer.id,
                                     .producer_epoch = producer.epoch,
                                     .base_sequence = sequence,
                                     .transactional = transactional});
        builder.Add(1000, std::nullopt, AsBytes("value"));
        auto batch = std::make_shared<Bytes>(*builder.Build());
        auto place = [&](uint64_t offset) { kafka::SetBaseOffset(*batch, static_cast<int64_t>(offset)); };
        std::latch done(1);
        auto when_done = [&](const Status&) { done.count_down(); };
        auto appended = transactional ? transactions_->Append("x", implicit_, Of(index), *FactsOf(*batch),
                                                              {*batch, batch}, place, when_done)
                                      : store_->Append(Of(index), *FactsOf(*batch), {*batch, batch}, place, when_done);
        if (!appended.ok()) return std::string(kafka::ErrorName(kafka::KafkaErrorOf(appended.error())));
        if (appended->problem == AppendProblem::kStaleEpoch) return "stale";
        if (appended->problem == AppendProblem::kOutOfOrder) return "out of order";
        if (appended->problem == AppendProblem::kInTransaction) return "in transaction";
        done.wait();
        return "";
    }
    Partition& Of(int32_t index) { return *store_->Find("t")->partitions[static_cast<size_t>(index)]; }
    int64_t OffsetOfGroup() {
        Offsets offsets = groups_->OffsetsOf("g");
        return offsets.contains({"t", 0}) ? offsets[{"t", 0}].offset : -1;
    }
    std::string StateOf(const std::string& id = "x") {
        auto view = transactions_->View(id);
        return view ? view->state : "none";
    }

    TransactionConfig config_;
    bool implicit_ = false;  // as clients of version 2
    FaultEnv env_;
    Metrics metrics_;
    Timers timers_{env_.clock()};
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Groups> groups_;
    std::shared_ptr<Transactions> transactions_;  // as its timers want it
    std::unique_ptr<TopicStore> store_;
};

TEST_F(TransactionsTest, ACommitCountsEverywhereAtOnce) {
    ProducerEpoch producer = Init().producer;
    EXPECT_EQ(producer.epoch, 0);
    EXPECT_EQ(StateOf(), "Empty");
    ASSERT_EQ(Add(producer, {{"t", 0}, {"t", 2}}), Code::kNone);
    EXPECT_EQ(StateOf(), "Ongoing");
    EXPECT_EQ(Write(producer, 0, 0), "");
    EXPECT_EQ(Write(producer, 2, 0), "");
    EXPECT_EQ(Write(producer, 1, 0), "INVALID_TXN_STATE") << "it was not added";
    ASSERT_EQ(CommitOffset(producer, 7), Code::kNone);
    EXPECT_EQ(transactions_->Unstable("g"), (std::set<TopicPartition>{{"t", 0}}));
    EXPECT_EQ(OffsetOfGroup(), -1);
    EXPECT_EQ(Of(0).Offsets().stable_end, 0u);
    EXPECT_EQ(Of(0).Offsets().durable_end, 1u);

    EXPECT_EQ(End(producer, true).error, Code::kNone);
    EXPECT_EQ(StateOf(), "CompleteCommit");
    EXPECT_EQ(OffsetOfGroup(), 7);
    EXPECT_TRUE(transactions_->Unstable("g").empty());
    for (int32_t index : {0, 2}) {
        EXPECT_EQ(Of(index).Offsets().stable_end, 2u);
        StoredBatches stored = *Of(index).Read(0, 2, 1 << 20, nullptr);
        ASSERT_EQ(stored.batches.size(), 2u);
        EXPECT_TRUE(stored.aborted.empty());
        kafka::BatchView marker = *kafka::BatchView::First(stored.batches[1].bytes);
        EXPECT_TRUE(marker.Validate().ok());
        EXPECT_EQ(marker.base_offset(), 1);
        EXPECT_TRUE((*kafka::ReadMarker(marker))->commit);
    }
    EXPECT_EQ(Of(1).Offsets().durable_end, 0u);
    // The answer may have been lost: the same again. The other end makes no sense any more.
    EXPECT_EQ(End(producer, true).error, Code::kNone);
    EXPECT_EQ(End(producer, false).error, Code::kInvalidTxnState);
    EXPECT_EQ(Of(0).Offsets().durable_end, 2u);
    // Nothing comes behind the marker but by a new transaction, whose sequences go on.
    EXPECT_EQ(Write(producer, 0, 1), "INVALID_TXN_STATE");
    ASSERT_EQ(Add(producer, {{"t", 0}}), Code::kNone);
    EXPECT_EQ(Write(producer, 0, 1), "");
}

TEST_F(TransactionsTest, AnAbortIsToldToReaders) {
    ProducerEpoch producer = Init().producer;
    ASSERT_EQ(Add(producer, {{"t", 0}}), Code::kNone);
    Write(producer, 0, 0);
    EXPECT_EQ(Write({producer.id, producer.epoch}, 0, 5, false), "in transaction");
    ASSERT_EQ(CommitOffset(producer, 7), Code::kNone);
    EXPECT_EQ(End(producer, false).error, Code::kNone);
    EXPECT_EQ(OffsetOfGroup(), -1);
    StoredBatches stored = *Of(0).Read(0, 2, 1 << 20, nullptr);
    ASSERT_EQ(stored.aborted.size(), 1u);
    EXPECT_EQ(stored.aborted[0].first_offset, 0u);
    EXPECT_EQ(stored.aborted[0].last_offset, 1u);
    StartAgain();
    EXPECT_EQ(StateOf(), "CompleteAbort");
    EXPECT_EQ(Of(0).Read(0, 2, 1 << 20, &store_->segments())->aborted.size(), 1u);
}

TEST_F(TransactionsTest, WhoComesLaterFencesWhoWasThere) {
    ProducerEpoch first = Init().producer;
    ASSERT_EQ(Add(first, {{"t", 0}}), Code::kNone);
    Write(first, 0, 0);
    ProducerEpoch second = Init().producer;
    EXPECT_EQ(second, (ProducerEpoch{first.id, 1}));
    EXPECT_EQ(StateOf(), "Empty");
    EXPECT_EQ(Of(0).Read(0, 2, 1 << 20, nullptr)->aborted.size(), 1u);
    EXPECT_EQ(Write(first, 0, 1), "INVALID_PRODUCER_EPOCH");
    EXPECT_EQ(Write(first, 0, 1, false), "stale") << "the marker told the partition, too";
    EXPECT_EQ(End(first, true).error, Code::kProducerFenced);
    EXPECT_EQ(Add(first, {{"t", 0}}), Code::kProducerFenced);
    EXPECT_EQ(CommitOffset(first, 1), Code::kProducerFenced);
    EXPECT_EQ(Init(first).error, Code::kProducerFenced);
    EXPECT_EQ(End({first.id + 1, 0}, true).error, Code::kInvalidProducerIdMapping);
    // The one that is there goes on, and may ask twice.
    EXPECT_EQ(Init(second).producer, (ProducerEpoch{first.id, 2}));
    EXPECT_EQ(Init(second).producer, (ProducerEpoch{first.id, 2}));
    StartAgain();
    EXPECT_EQ(End(second, true).error, Code::kProducerFenced) << "after a start, too";
    EXPECT_EQ(Init().producer, (ProducerEpoch{first.id, 3}));
}

TEST_F(TransactionsTest, AnOpenTransactionSurvivesAStart) {
    ProducerEpoch producer = Init().producer;
    ASSERT_EQ(Add(producer, {{"t", 0}, {"t", 1}}), Code::kNone);
    Write(producer, 0, 0);
    ASSERT_EQ(CommitOffset(producer, 3), Code::kNone);
    StartAgain();
    EXPECT_EQ(StateOf(), "Ongoing");
    EXPECT_EQ(Of(0).Offsets().stable_end, 0u);
    EXPECT_EQ(transactions_->Unstable("g").size(), 1u);
    EXPECT_EQ(Write(producer, 1, 0), "");
    EXPECT_EQ(Write(producer, 0, 1), "");
    EXPECT_EQ(End(producer, true).error, Code::kNone) << "by whoever knows id and epoch";
    EXPECT_EQ(OffsetOfGroup(), 3);
    EXPECT_EQ(Of(0).Offsets().stable_end, 3u);
    EXPECT_EQ(Of(1).Offsets().stable_end, 2u);
}

TEST_F(TransactionsTest, TooLongIsAborted) {
    ProducerEpoch producer = Init().producer;
    ASSERT_EQ(Add(producer, {{"t", 0}}), Code::kNone);
    Write(producer, 0, 0);
    StartAgain();  // its time goes on
    auto seen = std::make_shared<Seen>();
    Of(0).Watch(seen, true);
    env_.AdvanceTime(std::chrono::milliseconds(kTimeoutMs + 1));
    timers_.After(-seconds(100), [] {});  // it looks at the clock
    seen->something.wait();
    EXPECT_EQ(StateOf(), "CompleteAbort");
    EXPECT_EQ(Of(0).Offsets().stable_end, 2u);
    EXPECT_EQ(End(producer, true).error, Code::kProducerFenced);
    EXPECT_EQ(Init(producer).error, Code::kProducerFenced);
    EXPECT_EQ(Init().producer, (ProducerEpoch{producer.id, 2}));
}

TEST_F(TransactionsTest, EpochsEndAndAnotherIdFollows) {
    ProducerEpoch producer = Init().producer;
    for (int bump = 0; bump < INT16_MAX - 1; ++bump) {
        ProducerEpoch next = Init().producer;
        ASSERT_EQ(next, (ProducerEpoch{producer.id, static_cast<int16_t>(producer.epoch + 1)}));
        producer = next;
    }
    ASSERT_EQ(Add(producer, {{"t", 0}}), Code::kNone);
    Write(producer, 0, 0);
    ProducerEpoch fresh = Init().producer;
    EXPECT_NE(fresh.id, producer.id);
    EXPECT_EQ(fresh.epoch, 0);
    EXPECT_EQ(Of(0).Offsets().stable_end, 2u) << "what the old one had open was aborted";
    EXPECT_EQ(Write(producer, 0, 1), "INVALID_PRODUCER_ID_MAPPING");
}

// Version 2 (KIP-890): each transaction has an epoch of its own, batches and offsets add themselves.
TEST_F(TransactionsTest, EachTransactionHasItsEpoch) {
    implicit_ = true;
    ProducerEpoch producer = Init().producer;
    EXPECT_EQ(End(producer, true, true).error, Code::kInvalidTxnState) << "there is nothing to commit";
    EXPECT_EQ(Write(producer, 0, 0), "");
    EXPECT_EQ(Write(producer, 1, 0), "");
    EXPECT_EQ(StateOf(), "Ongoing");
    StartAgain();  // only the partitions know what was written
    EXPECT_EQ(StateOf(), "Ongoing");
    EXPECT_EQ(CommitOffset(producer, 4), Code::kNone);
    EXPECT_EQ(Write(producer, 1, 1), "");
    TransactionAnswer ended = End(producer, true, true);
    EXPECT_EQ(ended.producer, (ProducerEpoch{producer.id, 1}));
    EXPECT_EQ(OffsetOfGroup(), 4);
    EXPECT_EQ(Of(0).Offsets().stable_end, 2u);
    EXPECT_EQ(Of(1).Offsets().stable_end, 3u);
    // What was sent before and comes late gets nowhere; the same request again has the same answer.
    EXPECT_EQ(Write(producer, 1, 2), "INVALID_PRODUCER_EPOCH");
    EXPECT_EQ(Write(producer, 2, 0), "INVALID_PRODUCER_EPOCH");
    StartAgain();
    EXPECT_EQ(End(producer, true, true).producer, ended.producer);
    EXPECT_EQ(End(producer, false, true).error, Code::kProducerFenced);
    EXPECT_EQ(End(ended.producer, true, true).error, Code::kInvalidTxnState);
    // To abort nothing gives an epoch, too.
    TransactionAnswer nothing = End(ended.producer, false, true);
    EXPECT_EQ(nothing.error, Code::kNone);
    EXPECT_EQ(nothing.producer, (ProducerEpoch{producer.id, 2}));
    EXPECT_EQ(Write(nothing.producer, 1, 0), "") << "sequences begin anew";
    EXPECT_EQ(End(nothing.producer, false, true).producer, (ProducerEpoch{producer.id, 3}));
    EXPECT_EQ(Of(1).Offsets().stable_end, 5u);
}

TEST_F(TransactionsTest, EpochsThatEndsUseUpAreFollowedByAnotherId) {
    implicit_ = true;
    ProducerEpoch producer = Init().producer;
    while (producer.epoch < INT16_MAX - 1) producer = End(producer, false, true).producer;
    EXPECT_EQ(Write(producer, 0, 0), "");
    ProducerEpoch fresh = End(producer, true, true).producer;
    EXPECT_NE(fresh.id, producer.id);
    EXPECT_EQ(fresh.epoch, 0);
    EXPECT_EQ(Of(0).Offsets().stable_end, 2u);
    EXPECT_EQ(Write(fresh, 0, 0), "");
    EXPECT_EQ(End(fresh, true, true).error, Code::kNone);
}

TEST_F(TransactionsTest, WhatHangsCanBeAborted) {
    ProducerEpoch producer = Init().producer;
    ASSERT_EQ(Add(producer, {{"t", 0}, {"t", 1}}), Code::kNone);
    Write(producer, 0, 0);
    Write(producer, 1, 0);
    auto end_hanging = [&](int32_t index, ProducerEpoch of) {
        auto partition = store_->Find("t")->partitions[static_cast<size_t>(index)];
        return Ask([&](auto answer) { transactions_->AbortIn(partition, of, answer); }).error;
    };
    EXPECT_EQ(end_hanging(2, producer), Code::kInvalidTxnState) << "there is nothing open";
    EXPECT_EQ(end_hanging(0, {producer.id, 5}), Code::kInvalidProducerEpoch);
    // Of a transaction that is known it is the whole: it is never torn.
    EXPECT_EQ(end_hanging(0, producer), Code::kNone);
    EXPECT_EQ(Of(0).Offsets().stable_end, 2u);
    EXPECT_EQ(Of(1).Offsets().stable_end, 2u);
    EXPECT_EQ(End(producer, true).error, Code::kProducerFenced);

    // One of whose owner nothing is known.
    kafka::BatchBuilder builder({.producer_id = 12345, .producer_epoch = 3, .base_sequence = 0, .transactional = true});
    builder.Add(1000, std::nullopt, AsBytes("lost"));
    Bytes batch = *builder.Build();
    std::latch done(1);
    ASSERT_TRUE(
        store_->Append(Of(2), *FactsOf(batch), {batch, nullptr}, nullptr, [&](const Status&) { done.count_down(); })
            .ok());
    done.wait();
    EXPECT_EQ(Of(2).Offsets().stable_end, 0u);
    EXPECT_EQ(end_hanging(2, {12345, 3}), Code::kNone);
    EXPECT_EQ(Of(2).Offsets().stable_end, 2u);
}

TEST_F(TransactionsTest, ADeletedTopicDoesNotHoldUpTheEnd) {
    ASSERT_TRUE(store_->CreateTopic("gone", 1, {}).ok());
    ProducerEpoch producer = Init().producer;
    ASSERT_EQ(Add(producer, {{"t", 0}, {"gone", 0}}), Code::kNone);
    Write(producer, 0, 0);
    ASSERT_TRUE(store_->DeleteTopic("gone").ok());
    EXPECT_EQ(End(producer, true).error, Code::kNone);
    EXPECT_EQ(Of(0).Offsets().stable_end, 2u);
}

TEST_F(TransactionsTest, IdsThatNobodyUsesAreForgotten) {
    ProducerEpoch producer = Init().producer;
    Init({}, "y");
    ASSERT_EQ(Add(producer, {{"t", 0}}), Code::kNone);
    env_.AdvanceTime(config_.forget_after + seconds(1));
    transactions_->Expire();
    ASSERT_TRUE(store_->AppendStateAndWait({{"start", Json::array()}}).ok());  // what was before is in the log
    EXPECT_EQ(StateOf("y"), "none");
    EXPECT_NE(StateOf("x"), "none") << "it has something open";
    StartAgain();
    EXPECT_EQ(StateOf("y"), "none");
    EXPECT_EQ(Init({producer.id + 1, 4}, "y").error, Code::kNone) << "who comes back begins anew";
}

TEST_F(TransactionsTest, LimitsHold) {
    config_.ids_max = 1;
    config_.partitions_max = 2;
    config_.offsets_max = 0;
    StartAgain();
    ProducerEpoch producer = Init().producer;
    EXPECT_EQ(Init({}, "y").error, Code::kCoordinatorNotAvailable);
    EXPECT_EQ(Add(producer, {{"t", 0}, {"t", 1}, {"t", 2}}), Code::kPolicyViolation);
    EXPECT_EQ(Add(producer, {{"t", 0}, {"t", 1}}), Code::kNone);
    EXPECT_EQ(CommitOffset(producer, 1), Code::kPolicyViolation);
}

// Which aborted transactions overlap what was read, against looking at all of them.
TEST(PartitionTest, FindsTheAbortedTransactionsOfARange) {
    ForSeeds(50, [](uint64_t seed) {
        SeededNumbers numbers(seed);
        Partition partition(1, "t", 0);
        struct Open {
            uint64_t first;
            int32_t sequence;
        };
        std::map<int64_t, Open> open;
        std::vector<AbortedTransaction> aborted;
        uint64_t next = 0;
        for (int step = 0; step < 200; ++step) {
            int64_t producer = static_cast<int64_t>(numbers.Below(4));
            BatchFacts facts{.records = 1 + static_cast<uint32_t>(numbers.Below(3)),
                             .producer_id = producer,
                             .producer_epoch = 0,
                             .base_sequence = -1,
                             .transactional = true};
            facts.control = open.contains(producer) && numbers.Below(3) == 0;
            facts.commit = numbers.Below(2) == 0;
            if (facts.control) facts.records = 1;
            facts.base_offset = next;
            if (facts.control && !facts.commit) aborted.push_back({producer, open[producer].first, next, 0});
            if (facts.control) open.erase(producer);
            if (!facts.control && !open.contains(producer)) open[producer] = {next, 0};
            partition.OnDurable(facts, {next, next, 10, facts.records, 0}, 1, nullptr);
            next += facts.records;
        }
        uint64_t stable = partition.Offsets().stable_end;
        uint64_t first_open = next;
        for (const auto& [id, one] : open) first_open = std::min(first_open, one.first);
        ASSERT_EQ(stable, first_open);
        for (int look = 0; look < 100; ++look) {
            uint64_t from = numbers.Below(stable + 1), end = from + numbers.Below(stable - from + 1);
            if (from == end) continue;
            std::set<std::pair<int64_t, uint64_t>> found, wanted;
            Result<StoredBatches> read = partition.Read(from, end, 1 << 20, nullptr);
            ASSERT_TRUE(read.ok());
            for (const AbortedTransaction& one : read->aborted) {
                found.emplace(one.producer_id, one.first_offset);
            }
            for (const auto& one : aborted) {
                bool overlaps = one.last_offset >= from && one.first_offset < end;
                if (overlaps) wanted.emplace(one.producer_id, one.first_offset);
            }
            ASSERT_EQ(found, wanted) << from << " to " << end;
        }
    });
}

}  // namespace
}  // namespace tarn::buffer
