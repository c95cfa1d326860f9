// The buffer's log on a disk that loses, tears and reorders what was not synced, fills up, fails: what was acknowledged
// is there, byte for byte and in order; what a producer sends again after a crash is there once. ./dev soak power runs
// more.
#include <gtest/gtest.h>

#include <latch>

#include "base/fault_disk.h"
#include "base/fault_env.h"
#include "base/number.h"
#include "base/seeds_for_test.h"
#include "ingestion/buffer/groups.h"
#include "ingestion/buffer/topic_store.h"
#include "wire/kafka/record_batch.h"

namespace tarn::buffer {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
constexpr int kProducers = 3;

struct Acknowledged {
    uint64_t offset;
    Bytes batch;
};

// What a client of ours has under way: batches that it sends again until they are acknowledged.
struct Producer {
    int64_t id = -1;
    int32_t next_sequence = 0;
    std::optional<std::pair<int32_t, int>> unacknowledged;  // sequence, records
};

class Machine {
  public:
    explicit Machine(uint64_t seed) : env_(seed), numbers_(seed * 31) {}

    FaultEnv& env() { return env_; }
    TopicStore& store() { return *store_; }
    bool running() const { return store_ != nullptr; }

    void Start() {
        auto database = metadata::Database::OpenSqlite(env_, "/m.db", Secret(kKey));
        if (!database.ok()) return;
        database_ = *std::move(database);
        groups_ = std::make_unique<Groups>(GroupConfig{}, env_, timers_);
        TopicStoreConfig config{.directory = "/buffer", .segment_bytes = 6000, .tail_bytes = 2000};
        auto store = TopicStore::Create(config, {env_, *database_, NullLog(), metrics_}, AsBytes(kKey), *groups_);
        if (!store.ok()) {
            database_.reset();
            return;
        }
        store_ = *std::move(store);
    }

    void Stop() {
        store_.reset();
        groups_.reset();
        database_.reset();
    }

    // Sends until something fails or `steps` are done.
    void Run(int steps) {
        if (!store_->Find("t")) {
            if (!store_->CreateTopic("t", 2, {}).ok()) return;
        }
        for (int step = 0; step < steps; ++step) {
            size_t who = numbers_.Below(kProducers);
            bool sent = numbers_.Below(5) == 0 ? CommitOffset(step) : Send(who);
            if (!sent) return;
        }
    }

    // Everything that was acknowledged is there, nothing else but what was under way, and offsets have no gaps.
    void Check() {
        auto topic = store_->Find("t");
        if (!topic) {
            for (const auto& partition : acknowledged_) ASSERT_TRUE(partition.empty());
            return;
        }
        ASSERT_TRUE(store_->Health().ok()) << store_->Health().error().ToString();
        for (size_t index = 0; index < 2; ++index) {
            std::map<uint64_t, Bytes> stored = ReadAll(*topic->partitions[index]);
            for (const Acknowledged& one : acknowledged_[index]) {
                ASSERT_TRUE(stored.contains(one.offset)) << "partition " << index << " lost offset " << one.offset;
                ASSERT_EQ(stored[one.offset], one.batch);
                stored.erase(one.offset);
            }
            unknown_ += static_cast<int>(stored.size());
        }
        Offsets offsets = groups_->OffsetsOf("g");
        for (const auto& [partition, offset] : committed_) {
            TopicPartition of{"t", partition};
            ASSERT_GE(offsets[of].offset, offset);
        }
    }

    // Sends again what was not acknowledged; then every record is there once.
    void Finish() {
        for (size_t who = 0; who < kProducers; ++who) {
            ASSERT_TRUE(!producers_[who].unacknowledged || Send(who));
        }
        auto topic = store_->Find("t");
        for (size_t index = 0; topic && index < 2; ++index) {
            std::map<int64_t, int32_t> next;
            uint64_t offset = 0;
            for (const auto& [base, batch] : ReadAll(*topic->partitions[index])) {
                kafka::BatchView view = *kafka::BatchView::First(batch);
                ASSERT_EQ(base, offset);
                ASSERT_EQ(view.base_sequence(), next[view.producer_id()]) << "of producer " << view.producer_id();
                next[view.producer_id()] = view.last_sequence() + 1;
                offset += static_cast<uint64_t>(view.record_count());
            }
        }
    }
    int unknown() const { return unknown_; }

  private:
    size_t PartitionOf(size_t who) const { return who % 2; }

    bool Send(size_t who) {
        Producer& producer = producers_[who];
        if (producer.id < 0) {
            auto id = store_->NewProducerId();
            if (!id.ok()) return false;
            producer.id = *id;
        }
        if (!producer.unacknowledged) {
            producer.unacknowledged = {producer.next_sequence, 1 + static_cast<int>(numbers_.Below(4))};
        }
        auto [sequence, records] = *producer.unacknowledged;
        kafka::BatchBuilder builder({.producer_id = producer.id, .producer_epoch = 0, .base_sequence = sequence});
        for (int record = 0; record < records; ++record) {
            // The same bytes for the same sequence, however often it is sent.
            std::string value = fmt::format("{}:{}:", who, sequence + record);
            value.append(static_cast<size_t>(sequence * 37 % 300), 'x');
            builder.Add(1000 + sequence, std::nullopt, AsBytes(value));
        }
        auto batch = std::make_shared<Bytes>(*builder.Build());
        std::latch done(1);
        Status outcome = Ok();
        uint64_t offset = 0;
        Partition& partition = *store_->Find("t")->partitions[PartitionOf(who)];
        auto place = [&](uint64_t given) {
            offset = given;
            kafka::SetBaseOffset(*batch, static_cast<int64_t>(given));
        };
        auto appended = store_->Append(partition, *FactsOf(*batch), {*batch, batch}, place, [&](const Status& status) {
            outcome = status;
            done.count_down();
        });
        if (!appended.ok()) return false;
        EXPECT_EQ(appended->problem, AppendProblem::kNone);
        if (appended->problem != AppendProblem::kNone) return false;
        done.wait();
        if (!outcome.ok()) return false;
        acknowledged_[PartitionOf(who)].push_back({offset, *batch});
        producer.next_sequence = sequence + records;
        producer.unacknowledged.reset();
        return true;
    }

    bool CommitOffset(int64_t offset) {
        int32_t partition = static_cast<int32_t>(numbers_.Below(2));
        auto before = committed_.find(partition);
        if (before != committed_.end()) offset += before->second;
        std::latch done(1);
        Status outcome = Ok();
        Status queued = store_->AppendState(Groups::CommitChange("g", {{{"t", partition}, {offset, -1, "", 1}}}),
                                            [&](const Status& status) {
                                                outcome = status;
                                                done.count_down();
                                            });
        if (!queued.ok()) return false;
        done.wait();
        if (outcome.ok()) committed_[partition] = offset;
        return outcome.ok();
    }

    std::map<uint64_t, Bytes> ReadAll(const Partition& partition) {
        std::map<uint64_t, Bytes> all;
        uint64_t end = partition.Offsets().durable_end;
        for (uint64_t offset = 0; offset < end;) {
            auto found = partition.Read(offset, end, 500, &store_->segments());
            EXPECT_TRUE(found.ok()) << found.error().ToString();
            if (!found.ok() || found->batches.empty()) break;
            for (const SharedBytes& one : found->batches) {
                kafka::BatchView view = *kafka::BatchView::First(one.bytes);
                EXPECT_TRUE(view.Validate().ok());
                EXPECT_EQ(static_cast<uint64_t>(view.base_offset()), offset);
                all[offset] = Bytes(one.bytes.begin(), one.bytes.end());
                offset = static_cast<uint64_t>(view.last_offset()) + 1;
            }
        }
        EXPECT_EQ(all.empty() ? 0 : kafka::BatchView::First(all.rbegin()->second)->last_offset() + 1,
                  static_cast<int64_t>(end));
        return all;
    }

    FaultEnv env_;
    SeededNumbers numbers_;
    Metrics metrics_;
    Timers timers_{env_.clock()};
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Groups> groups_;
    std::unique_ptr<TopicStore> store_;
    Producer producers_[kProducers];
    std::vector<Acknowledged> acknowledged_[2];
    std::map<int32_t, int64_t> committed_;
    int unknown_ = 0;
};

TEST(TopicStoreCrashTest, WhatWasAcknowledgedSurvivesEveryCrash) {
    ForSeeds(150, [](uint64_t seed) {
        Machine machine(seed);
        SeededNumbers numbers(seed);
        for (int life = 0; life < 4; ++life) {
            machine.Start();
            ASSERT_TRUE(machine.running());
            machine.Check();
            if (testing::Test::HasFatalFailure()) return;
            machine.env().CrashAt(machine.env().operations() + static_cast<int64_t>(numbers.Below(120)));
            machine.Run(60);
            machine.Stop();
            if (numbers.Below(3) == 0) {
                machine.env().Kill();
            } else {
                machine.env().PowerCut(seed * 7 + static_cast<uint64_t>(life));
            }
        }
        machine.Start();
        ASSERT_TRUE(machine.running());
        machine.Check();
        machine.Finish();
        machine.Stop();
    });
}

TEST(TopicStoreCrashTest, AFullDiskRefusesAndRecovers) {
    ForSeeds(20, [](uint64_t seed) {
        Machine machine(seed);
        machine.Start();
        ASSERT_TRUE(machine.running());
        machine.Run(20);
        machine.env().SetDiskBytes(100'000 + seed * 500);
        machine.Run(1000);
        machine.env().SetDiskBytes(uint64_t{1} << 40);
        machine.Finish();  // without a new start
        machine.Check();
        machine.Run(50);
        machine.Stop();
        machine.Start();
        ASSERT_TRUE(machine.running());
        machine.Check();
        machine.Finish();
    });
}

TEST(TopicStoreCrashTest, AFailedFsyncStopsTheLogAndLosesNothing) {
    int broken = 0;
    ForSeeds(20, [&broken](uint64_t seed) {
        Machine machine(seed);
        machine.Start();
        machine.Run(static_cast<int>(seed));
        machine.env().FailNext(FaultOperation::kSync);
        machine.Run(1000);
        // The one that failed may have been that of an index or a checkpoint: then the log goes on.
        if (!machine.store().Health().ok()) broken++;
        machine.Stop();
        machine.env().PowerCut(seed);
        machine.Start();
        ASSERT_TRUE(machine.running());
        machine.Check();
        machine.Finish();
    });
    EXPECT_GT(broken, 0);
}

}  // namespace
}  // namespace tarn::buffer
