// Transactions: who writes under which transactional id, and what belongs to the transaction that is open there: the
// coordinator of Kafka's transactions. Internal to the component.
//
// A transaction ends by one set of entries in the log: its markers in all partitions, the offsets that it committed,
// and its new state count together or not at all, and are durable before the answer. State: entries of the log and its
// checkpoint. That a producer still may write, and its batch's way into the log, are one step under the transaction's
// lock: no batch comes behind the marker that ends it.
//
// Threads: any; answers come from the log's thread or the caller's. Order of locks: a transaction, a partition, the
// log.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "ingestion/buffer/groups.h"
#include "ingestion/buffer/timers.h"
#include "ingestion/buffer/topic_store.h"
#include "wire/kafka/errors.h"

namespace tarn::buffer {

struct TransactionConfig {
    Duration timeout_max = std::chrono::minutes(15);
    Duration forget_after = std::chrono::days(7);  // an id that nobody used for so long
    size_t ids_max = 100'000;
    size_t partitions_max = 10'000;  // of one transaction
    size_t offsets_max = 100'000;    // of one transaction
};

struct ProducerEpoch {
    int64_t id = -1;
    int16_t epoch = -1;
    bool operator==(const ProducerEpoch&) const = default;
};

// Who writes: by Kafka's protocol a transaction is named by all three.
struct TransactionalProducer {
    std::string transactional_id;
    ProducerEpoch producer;
};

struct TransactionAnswer {
    kafka::KafkaError error = kafka::KafkaError::kNone;
    ProducerEpoch producer;  // to go on with
};

struct TransactionView {
    std::string id;
    std::string state;  // as Kafka names it: "Empty", "Ongoing", "PrepareCommit", "CompleteAbort" ...
    ProducerEpoch producer;
    int32_t timeout_ms = 0;
    int64_t started_ms = -1;  // of the open one
    std::set<TopicPartition> partitions;
};

class Transactions final : public LogState, public std::enable_shared_from_this<Transactions> {
  public:
    // What is not a transaction's in the log's state is given on to `groups`.
    Transactions(TransactionConfig config, Env& env, Log& log, Timers& timers, Groups& groups);
    // Once, after the store has read its log and before anything else: transactions that were open go on.
    void Start(TopicStore& store);
    // Nothing is begun any more by itself; before the store goes.
    void Stop();

    using Answer = std::function<void(const TransactionAnswer&)>;
    // A producer begins, or begins anew: who had the id before is fenced, its open transaction aborted. `mine`: what
    // the producer has now, if it has: it must not have been fenced.
    void Init(const std::string& id, int32_t timeout_ms, ProducerEpoch mine, const Answer& answer);
    // What the transaction is about to write to; the first begins it.
    void AddPartitions(const TransactionalProducer& who, const std::set<TopicPartition>& partitions,
                       const Answer& answer);
    void AddGroup(const TransactionalProducer& who, const std::string& group, const Answer& answer);
    // Offsets that count once the transaction commits. `implicit`: the group is added by this, if need be.
    void CommitOffsets(const TransactionalProducer& who, const std::string& group, const Offsets& offsets,
                       bool implicit, const Answer& answer);
    // `new_epoch`: the producer goes on under the next epoch, which the answer has.
    void End(const TransactionalProducer& who, bool commit, bool new_epoch, const Answer& answer);
    // A batch of the open transaction; as TopicStore::Append. `implicit`: the partition is added by this, if need be.
    Result<AppendOutcome> Append(const std::string& id, bool implicit, Partition& partition, const BatchFacts& facts,
                                 const SharedBytes& batch, const TopicStore::Place& place, CommitLog::Done done);
    // Aborts what a producer has open in a partition; all of its transaction if that is known here.
    void AbortIn(const std::shared_ptr<Partition>& partition, ProducerEpoch producer, const Answer& answer);

    // Partitions whose committed offset an open transaction may change. Ask before the offsets themselves.
    std::set<TopicPartition> Unstable(const std::string& group) const;
    std::optional<TransactionView> View(const std::string& id) const;
    std::vector<TransactionView> Views() const;
    const TransactionConfig& config() const { return config_; }
    // Forgets ids that nobody uses.
    void Expire();

    void ApplyState(const Json& change) override;
    Json SaveState() const override;
    Status LoadState(const Json& saved) override;

  private:
    enum class State : uint8_t { kEmpty, kOngoing, kCommitted, kAborted };
    enum class Ending : uint8_t { kNo, kCommit, kAbort, kInit };
    struct Transaction {
        explicit Transaction(std::string id) : id(std::move(id)) {}
        const std::string id;
        std::mutex mutex;  // guards all below
        ProducerEpoch producer;
        ProducerEpoch before;  // whose request, when it comes again, is answered again
        int32_t timeout_ms = 0;
        State state = State::kEmpty;
        Ending ending = Ending::kNo;  // what is on its way into the log
        bool forgotten = false;
        int64_t started_ms = -1;
        int64_t changed_ms = -1;
        std::set<TopicPartition> partitions;
        std::map<std::string, Offsets> offsets;  // by group
        Timers::Id timer = 0;
    };
    using TransactionPtr = std::shared_ptr<Transaction>;  // shared with answers and timers under way

    TransactionPtr Find(const std::string& id) const;
    TransactionPtr FindOrMake(const std::string& id);  // nullptr: there are too many
    std::vector<TransactionPtr> All() const;
    kafka::KafkaError Check(const Transaction& transaction, ProducerEpoch producer) const;
    using Fill = std::function<kafka::KafkaError(const Transaction&, Json&)>;
    void Add(const TransactionalProducer& who, const Fill& fill, const Answer& answer);
    Result<std::optional<int64_t>> FreshIdFor(Transaction& transaction);
    void InitLocked(const TransactionPtr& transaction, int32_t timeout_ms, ProducerEpoch mine,
                    std::optional<int64_t> fresh_id, const Answer& answer);
    void EndLocked(const TransactionPtr& transaction, bool commit, int16_t marker_epoch, Json change,
                   const Answer& answer);
    void AbortLocked(const TransactionPtr& transaction, const Answer& answer);
    Status AppendEnd(const Transaction& transaction, bool commit, int16_t marker_epoch, const Json& change,
                     const CommitLog::Done& done);
    CommitLog::Done WhenDone(const TransactionPtr& transaction, const Answer& answer);
    TopicStore::Part MarkerFor(const std::shared_ptr<Partition>& partition, ProducerEpoch producer, bool commit) const;
    void Begin(const TransactionPtr& transaction);
    void Arm(const TransactionPtr& transaction, Duration delay);
    void OnTimeout(const TransactionPtr& transaction);
    void ApplyTo(const TransactionPtr& transaction, const Json& change);
    void ApplyEnd(Transaction& transaction, bool commit);
    void NotePending(const std::string& group, const std::string& id, bool pending);
    TransactionView ViewOf(const Transaction& transaction) const;
    int64_t NowMs() const { return ToMillis(env_.clock().Now()); }

    const TransactionConfig config_;
    Env& env_;
    Log& log_;
    Timers& timers_;
    Groups& groups_;
    std::atomic<TopicStore*> store_{nullptr};  // none: not started, or stopped
    mutable std::shared_mutex mutex_;  // guards the three below; taken last
    std::map<std::string, TransactionPtr> by_id_;
    std::map<int64_t, TransactionPtr> by_producer_;
    std::map<std::string, std::set<std::string>> pending_;  // group: ids of transactions that have offsets of it
};

}  // namespace tarn::buffer
