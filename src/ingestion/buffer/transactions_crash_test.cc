// Transactions on a disk that loses, tears and reorders what was not synced: whole or not at all in all partitions and
// in the offsets of the group, nothing committed is lost, and who reads committed sees no record of an aborted one.
#include <gtest/gtest.h>

#include <latch>

#include "base/fault_disk.h"
#include "base/fault_env.h"
#include "base/number.h"
#include "base/seeds_for_test.h"
#include "ingestion/buffer/transactions.h"
#include "wire/kafka/record_batch.h"

namespace tarn::buffer {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
constexpr int kPartitions = 3;
constexpr size_t kWriters = 3;

// One transaction, as who wrote it knows it.
struct Attempt {
    enum class Fate : uint8_t { kOpen, kCommitted, kAborted, kUnknown };
    Fate fate = Fate::kOpen;
    std::map<int32_t, int> batches;   // acknowledged, by partition
    std::set<int32_t> offsets_of;     // acknowledged, by partition
};

struct Writer {
    ProducerEpoch producer;
    std::map<int32_t, int32_t> next_sequence;
    std::optional<size_t> open;  // index of its attempt
};

class Machine {
  public:
    explicit Machine(uint64_t seed) : env_(seed), numbers_(seed * 31), version_2_(seed % 2 == 0) {}
    FaultEnv& env() { return env_; }
    bool running() const { return store_ != nullptr; }
    int seen_committed() const { return seen_committed_; }

    void Start() {
        auto database = metadata::Database::OpenSqlite(env_, "/m.db", Secret(kKey));
        if (!database.ok()) return;
        database_ = *std::move(database);
        groups_ = std::make_unique<Groups>(GroupConfig{}, env_, timers_);
        transactions_ = std::make_shared<Transactions>(TransactionConfig{}, env_, NullLog(), timers_, *groups_);
        TopicStoreConfig config{.directory = "/buffer", .segment_bytes = 6000, .tail_bytes = 2000};
        auto store = TopicStore::Create(config, {env_, *database_, NullLog(), metrics_}, AsBytes(kKey), *transactions_);
        if (!store.ok()) return;
        store_ = *std::move(store);
        transactions_->Start(*store_);
    }
    void Stop() {
        if (transactions_) transactions_->Stop();
        store_.reset();
        transactions_.reset();
        groups_.reset();
        database_.reset();
    }

    void Run(int steps) {
        if (!store_->Find("t") && !store_->CreateTopic("t", kPartitions, {}).ok()) return;
        for (int step = 0; step < steps; ++step) {
            if (!Step(numbers_.Below(kWriters))) return;
        }
    }

    // What each writer does after a crash: goes on with what it has open, or begins anew, which aborts that.
    void Finish() {
        for (size_t who = 0; who < kWriters; ++who) {
            Writer& writer = writers_[who];
            if (writer.open && numbers_.Below(2) == 0) {
                ASSERT_TRUE(End(who, numbers_.Below(2) == 0));
            } else {
                ASSERT_TRUE(Init(who));
            }
        }
        auto topic = store_->Find("t");
        for (const auto& partition : topic->partitions) {
            PartitionOffsets offsets = partition->Offsets();
            ASSERT_EQ(offsets.stable_end, offsets.durable_end) << "something is open still";
        }
    }

    void Check() {
        auto topic = store_->Find("t");
        if (!topic) return;
        ASSERT_TRUE(store_->Health().ok());
        std::vector<std::map<int32_t, int>> visible(attempts_.size());
        for (int32_t index = 0; index < kPartitions; ++index) {
            const Partition& partition = *topic->partitions[static_cast<size_t>(index)];
            auto committed = Committed(partition);
            for (const auto& [offset, attempt] : committed) visible[attempt][index]++;
            committed.erase(committed.lower_bound(static_cast<int64_t>(partition.Offsets().stable_end)),
                            committed.end());
            ASSERT_EQ(Seen(partition), committed) << "of partition " << index;
        }
        std::map<int32_t, int64_t> offsets;
        for (size_t number = 0; number < attempts_.size(); ++number) {
            const Attempt& attempt = attempts_[number];
            bool is_seen = !visible[number].empty();
            if (is_seen) {
                ASSERT_EQ(visible[number], attempt.batches) << "transaction " << number << " is torn";
                for (int32_t of : attempt.offsets_of) offsets[of] = std::max(offsets[of], Offset(number));
            }
            if (attempt.batches.empty()) continue;
            bool committed = attempt.fate == Attempt::Fate::kCommitted,
                 unknown = attempt.fate == Attempt::Fate::kUnknown;
            ASSERT_TRUE(is_seen || !committed) << "transaction " << number << " is lost";
            ASSERT_TRUE(!is_seen || committed || unknown) << "transaction " << number << " was not committed";
            seen_committed_ += is_seen;
        }
        Offsets stored = groups_->OffsetsOf("g");
        for (int32_t index = 0; index < kPartitions; ++index) {
            auto found = stored.find({"t", index});
            ASSERT_EQ(found == stored.end() ? 0 : found->second.offset, offsets[index]) << "of partition " << index;
        }
    }

  private:
    static int64_t Offset(size_t attempt) { return static_cast<int64_t>(attempt) + 1; }

    TransactionAnswer Ask(const std::function<void(const Transactions::Answer&)>& ask) {
        std::latch known(1);
        TransactionAnswer told;
        ask([&](const TransactionAnswer& answer) {
            told = answer;
            known.count_down();
        });
        known.wait();
        return told;
    }
    TransactionalProducer Who(size_t who) const { return {fmt::format("w{}", who), writers_[who].producer}; }

    // False: the disk is gone.
    bool Step(size_t who) {
        Writer& writer = writers_[who];
        if (writer.producer.id < 0) return Init(who);
        if (!writer.open) {
            writer.open = attempts_.size();
            attempts_.emplace_back();
        }
        uint64_t chance = numbers_.Below(20);
        if (chance < 11) return Send(who, static_cast<int32_t>(numbers_.Below(kPartitions)));
        if (chance < 14) return CommitOffset(who, static_cast<int32_t>(numbers_.Below(kPartitions)));
        if (attempts_[*writer.open].batches.empty()) return Send(who, 0);
        return chance == 19 ? Init(who) : End(who, chance < 17);
    }

    bool Init(size_t who) {
        Writer& writer = writers_[who];
        TransactionAnswer told =
            Ask([&](auto answer) { transactions_->Init(Who(who).transactional_id, 60'000, {}, answer); });
        if (writer.open) attempts_[*writer.open].fate = Attempt::Fate::kAborted;
        // One that failed may count all the same: then what is open can't go on either.
        bool known = told.error == kafka::KafkaError::kNone;
        writer = {known ? told.producer : ProducerEpoch(), {}, std::nullopt};
        return known;
    }

    bool Send(size_t who, int32_t index) {
        Writer& writer = writers_[who];
        size_t number = *writer.open;
        TransactionAnswer added;
        if (!version_2_) {
            added = Ask([&](auto answer) { transactions_->AddPartitions(Who(who), {{"t", index}}, answer); });
        }
        if (added.error != kafka::KafkaError::kNone) return GiveUp(writer);
        int32_t sequence = writer.next_sequence[index];
        kafka::BatchBuilder builder({.producer_id = writer.producer.id,
                                     .producer_epoch = writer.producer.epoch,
                                     .base_sequence = sequence,
                                     .transactional = true});
        builder.Add(1000, std::nullopt, AsBytes(std::to_string(number)));
        auto batch = std::make_shared<Bytes>(*builder.Build());
        std::latch done(1);
        Status outcome = Ok();
        auto appended = transactions_->Append(
            Who(who).transactional_id, version_2_, *store_->Find("t")->partitions[static_cast<size_t>(index)],
            *FactsOf(*batch), {*batch, batch},
            [&](uint64_t offset) { kafka::SetBaseOffset(*batch, static_cast<int64_t>(offset)); },
            [&](const Status& status) {
                outcome = status;
                done.count_down();
            });
        if (!appended.ok()) return GiveUp(writer);
        EXPECT_EQ(appended->problem, AppendProblem::kNone);
        done.wait();
        if (!outcome.ok()) return GiveUp(writer);
        attempts_[number].batches[index]++;
        writer.next_sequence[index] = sequence + 1;
        return true;
    }

    bool CommitOffset(size_t who, int32_t index) {
        Writer& writer = writers_[who];
        if (attempts_[*writer.open].batches.empty()) return Send(who, index);  // so that its fate can be seen
        TransactionAnswer told;
        if (!version_2_) told = Ask([&](auto answer) { transactions_->AddGroup(Who(who), "g", answer); });
        if (told.error != kafka::KafkaError::kNone) return GiveUp(writer);
        // Another may have committed a later one meanwhile: the last commit counts, so only one writes offsets.
        if (who != 0) return true;
        Offsets offsets{{{"t", index}, {Offset(*writer.open), -1, "", 1}}};
        told = Ask([&](auto answer) { transactions_->CommitOffsets(Who(who), "g", offsets, version_2_, answer); });
        if (told.error != kafka::KafkaError::kNone) return GiveUp(writer);
        attempts_[*writer.open].offsets_of.insert(index);
        return true;
    }

    bool End(size_t who, bool commit) {
        Writer& writer = writers_[who];
        Attempt& attempt = attempts_[*writer.open];
        TransactionAnswer told = Ask([&](auto answer) { transactions_->End(Who(who), commit, version_2_, answer); });
        bool known = told.error == kafka::KafkaError::kNone;
        if (!known && told.error != kafka::KafkaError::kCoordinatorNotAvailable) {
            ADD_FAILURE() << "the end was refused: " << kafka::ErrorName(told.error);
        }
        attempt.fate = !commit ? Attempt::Fate::kAborted : known ? Attempt::Fate::kCommitted : Attempt::Fate::kUnknown;
        writer.open.reset();
        if (known && version_2_) writer = {told.producer, {}, std::nullopt};
        if (!known) writer.producer = {};  // it begins anew
        return known;
    }

    // Something of the transaction was not acknowledged: it is never committed.
    bool GiveUp(Writer& writer) {
        attempts_[*writer.open].fate = Attempt::Fate::kAborted;
        writer.open.reset();
        writer.producer = {};
        return false;
    }

    static size_t AttemptOf(const kafka::BatchView& batch) {
        kafka::RecordCursor cursor = *kafka::RecordCursor::Open(batch, 1 << 20);
        const kafka::Record* record = *cursor.Next();
        return static_cast<size_t>(IntegerOrZero(AsText(*record->value)));
    }

    // The attempts whose batches were committed, by offset: what the markers say. Those that others hold back, too.
    std::map<int64_t, size_t> Committed(const Partition& partition) {
        std::map<int64_t, size_t> committed;
        std::map<int64_t, std::map<int64_t, size_t>> open;
        Read(partition, partition.Offsets().durable_end, [&](const StoredBatches&, const kafka::BatchView& batch) {
            auto& of = open[batch.producer_id()];
            if (!batch.is_control()) {
                of[batch.base_offset()] = AttemptOf(batch);
                return;
            }
            if ((*kafka::ReadMarker(batch))->commit) committed.insert(of.begin(), of.end());
            of.clear();
        });
        return committed;
    }

    // What a consumer of read_committed sees, who goes by what the answers to its fetches say of aborted ones.
    std::map<int64_t, size_t> Seen(const Partition& partition) {
        std::map<int64_t, size_t> seen;
        std::set<int64_t> aborted;
        Read(partition, partition.Offsets().stable_end, [&](const StoredBatches& read, const kafka::BatchView& batch) {
            bool is_first = read.batches.front().bytes.data() == batch.bytes().data();
            if (is_first) aborted.clear();
            for (const AbortedTransaction& one : read.aborted) {
                bool begun = static_cast<int64_t>(one.first_offset) <= batch.last_offset();
                bool over = static_cast<int64_t>(one.last_offset) < batch.base_offset();
                if (begun && !over) aborted.insert(one.producer_id);
            }
            if (batch.is_control()) {
                aborted.erase(batch.producer_id());
            } else if (!aborted.contains(batch.producer_id())) {
                seen[batch.base_offset()] = AttemptOf(batch);
            }
        });
        return seen;
    }

    void Read(const Partition& partition, uint64_t end,
              const std::function<void(const StoredBatches&, const kafka::BatchView&)>& on_batch) {
        for (uint64_t offset = 0; offset < end;) {
            auto found = partition.Read(offset, end, 1 + numbers_.Below(800), &store_->segments());
            ASSERT_TRUE(found.ok() && !found->batches.empty());
            for (const SharedBytes& one : found->batches) {
                kafka::BatchView view = *kafka::BatchView::First(one.bytes);
                ASSERT_EQ(static_cast<uint64_t>(view.base_offset()), offset);
                offset = static_cast<uint64_t>(view.last_offset()) + 1;
                on_batch(*found, view);
            }
            ASSERT_EQ(found->end, offset);
        }
    }

    FaultEnv env_;
    SeededNumbers numbers_;
    const bool version_2_;  // of transactions (KIP-890): what belongs to them adds itself, each has its epoch
    Metrics metrics_;
    Timers timers_{env_.clock()};
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Groups> groups_;
    std::shared_ptr<Transactions> transactions_;  // as its timers want it
    std::unique_ptr<TopicStore> store_;
    Writer writers_[kWriters];
    std::vector<Attempt> attempts_;
    int seen_committed_ = 0;
};

TEST(TransactionsCrashTest, TransactionsAreWholeOrNotThereAfterEveryCrash) {
    int seen = 0;
    ForSeeds(150, [&seen](uint64_t seed) {
        Machine machine(seed);
        SeededNumbers numbers(seed);
        for (int life = 0; life < 4; ++life) {
            machine.Start();
            ASSERT_TRUE(machine.running());
            machine.Check();
            if (testing::Test::HasFatalFailure()) return;
            machine.env().CrashAt(machine.env().operations() + static_cast<int64_t>(numbers.Below(250)));
            machine.Run(90);
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
        machine.Check();
        machine.Run(50);
        machine.Finish();
        machine.Check();
        machine.Stop();
        seen += machine.seen_committed();
    });
    EXPECT_GT(seen, 1000);  // there was something to lose
}

TEST(TransactionsCrashTest, AFullDiskEndsNothingByHalves) {
    ForSeeds(20, [](uint64_t seed) {
        Machine machine(seed);
        machine.Start();
        machine.Run(30);
        machine.env().SetDiskBytes(100'000 + seed * 500);
        machine.Run(2000);
        machine.env().SetDiskBytes(uint64_t{1} << 40);
        machine.Check();  // without a new start
        machine.Run(50);
        machine.Finish();
        machine.Check();
        machine.Stop();
        machine.Start();
        ASSERT_TRUE(machine.running());
        machine.Check();
        machine.Stop();
    });
}

}  // namespace
}  // namespace tarn::buffer
