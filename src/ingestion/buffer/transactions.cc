#include "ingestion/buffer/transactions.h"

#include <algorithm>

#include "wire/kafka/record_batch.h"

namespace tarn::buffer {

using kafka::KafkaError;

namespace {

// The largest is left for the markers that fence a producer with the one before.
constexpr int16_t kEpochMax = INT16_MAX - 1;
constexpr Duration kTryAgainAfter = std::chrono::seconds(1);

Json EpochJson(ProducerEpoch one, ProducerEpoch before) { return {one.id, one.epoch, before.id, before.epoch}; }

Json PartitionsJson(const std::set<TopicPartition>& partitions) {
    Json list = Json::array();
    for (const auto& [topic, partition] : partitions) list.push_back({topic, partition});
    return list;
}

}  // namespace

Transactions::Transactions(TransactionConfig config, Env& env, Log& log, Timers& timers, Groups& groups)
    : config_(config), env_(env), log_(log), timers_(timers), groups_(groups) {}

// Batches that added their partition themselves are known by the partition alone.
void Transactions::Start(TopicStore& store) {
    store_.store(&store);
    for (const auto& topic : store.All()) {
        for (const auto& partition : topic->partitions) {
            for (const ProducerView& producer : partition->Producers()) {
                if (!producer.transaction_first) continue;
                auto owner = by_producer_.find(producer.id);
                if (owner == by_producer_.end() || owner->second->producer.epoch != producer.epoch) {
                    log_.Warning("a transaction is open that nobody can end; abort it (kafka-transactions.sh abort)",
                                 {{"topic", topic->name},
                                  {"partition", partition->index()},
                                  {"producer", producer.id},
                                  {"offset", *producer.transaction_first}});
                    continue;
                }
                Transaction& transaction = *owner->second;
                std::lock_guard lock(transaction.mutex);
                transaction.partitions.emplace(topic->name, partition->index());
                if (transaction.state != State::kOngoing) transaction.started_ms = NowMs();
                transaction.state = State::kOngoing;
            }
        }
    }
    for (const TransactionPtr& transaction : All()) {
        std::lock_guard lock(transaction->mutex);
        if (transaction->state == State::kOngoing) Begin(transaction);
    }
}

void Transactions::Stop() {
    store_.store(nullptr);
    for (const TransactionPtr& transaction : All()) {
        std::lock_guard lock(transaction->mutex);  // a timer that had begun is through
        timers_.Cancel(transaction->timer);
    }
}

Transactions::TransactionPtr Transactions::Find(const std::string& id) const {
    std::shared_lock lock(mutex_);
    auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
}

Transactions::TransactionPtr Transactions::FindOrMake(const std::string& id) {
    if (auto found = Find(id)) return found;
    std::unique_lock lock(mutex_);
    if (by_id_.size() >= config_.ids_max) return nullptr;
    TransactionPtr& transaction = by_id_[id];
    if (!transaction) transaction = std::make_shared<Transaction>(id);
    return transaction;
}

std::vector<Transactions::TransactionPtr> Transactions::All() const {
    std::shared_lock lock(mutex_);
    std::vector<TransactionPtr> all;
    for (const auto& [id, transaction] : by_id_) all.push_back(transaction);
    return all;
}

KafkaError Transactions::Check(const Transaction& transaction, ProducerEpoch producer) const {
    if (transaction.forgotten || transaction.producer.id != producer.id) return KafkaError::kInvalidProducerIdMapping;
    if (transaction.producer.epoch != producer.epoch) return KafkaError::kProducerFenced;
    return transaction.ending == Ending::kNo ? KafkaError::kNone : KafkaError::kConcurrentTransactions;
}

// Answers once the change that ends something is in the log, or isn't: then everything is as it was.
CommitLog::Done Transactions::WhenDone(const TransactionPtr& transaction, const Answer& answer) {
    return [this, transaction, answer](const Status& done) {
        TransactionAnswer told;
        {
            std::lock_guard lock(transaction->mutex);
            transaction->ending = Ending::kNo;
            told.producer = transaction->producer;
            if (!done.ok() && transaction->state == State::kOngoing) Arm(transaction, kTryAgainAfter);
        }
        if (!done.ok()) told.error = KafkaError::kCoordinatorNotAvailable;
        if (answer) answer(told);
    };
}

// ---- producers

// When its epochs have come to their end, or it has none yet. May write to metadata: not under the lock.
Result<std::optional<int64_t>> Transactions::FreshIdFor(Transaction& transaction) {
    {
        std::lock_guard lock(transaction.mutex);
        bool has = transaction.producer.id >= 0 && transaction.producer.epoch < kEpochMax;
        if (has) return std::optional<int64_t>();
    }
    TopicStore* store = store_.load();
    if (!store) return Error(ErrorCode::kCancelled, "the buffer is being stopped");
    return std::optional<int64_t>(TRY(store->NewProducerId()));
}

void Transactions::Init(const std::string& id, int32_t timeout_ms, ProducerEpoch mine, const Answer& answer) {
    TopicStore* store = store_.load();
    TransactionPtr transaction = FindOrMake(id);
    if (!store || !transaction) return answer({KafkaError::kCoordinatorNotAvailable, {}});
    Result<std::optional<int64_t>> fresh = FreshIdFor(*transaction);
    if (!fresh.ok()) return answer({KafkaError::kCoordinatorNotAvailable, {}});
    std::unique_lock lock(transaction->mutex);
    bool known = transaction->producer.id >= 0;
    bool busy = transaction->forgotten || transaction->ending != Ending::kNo;
    bool has_id = *fresh || (known && transaction->producer.epoch < kEpochMax);
    if (busy || !has_id) {
        lock.unlock();
        return answer({KafkaError::kConcurrentTransactions, {}});
    }
    if (known && mine.id >= 0 && mine != transaction->producer) {
        // Its last request may have been done, and only the answer got lost.
        bool again = mine == transaction->before && transaction->state != State::kOngoing;
        TransactionAnswer told{again ? KafkaError::kNone : KafkaError::kProducerFenced, transaction->producer};
        lock.unlock();
        return answer(told);
    }
    InitLocked(transaction, timeout_ms, mine, *fresh, answer);
}

void Transactions::InitLocked(const TransactionPtr& transaction, int32_t timeout_ms, ProducerEpoch mine,
                              std::optional<int64_t> fresh_id, const Answer& answer) {
    ProducerEpoch now = transaction->producer;
    ProducerEpoch next =
        fresh_id ? ProducerEpoch{*fresh_id, 0} : ProducerEpoch{now.id, static_cast<int16_t>(now.epoch + 1)};
    Json change = {{"transaction", transaction->id},
                   {"init", true},
                   {"producer", EpochJson(next, mine)},
                   {"timeout_ms", timeout_ms},
                   {"ms", NowMs()}};
    if (transaction->state == State::kOngoing) {
        return EndLocked(transaction, false, static_cast<int16_t>(now.epoch + 1), std::move(change), answer);
    }
    transaction->ending = Ending::kInit;
    Status queued = store_.load()->AppendState(std::move(change), WhenDone(transaction, answer));
    if (queued.ok()) return;
    transaction->ending = Ending::kNo;
    answer({KafkaError::kCoordinatorNotAvailable, {}});
}

// ---- what belongs to a transaction

void Transactions::Add(const TransactionalProducer& who, const Fill& fill, const Answer& answer) {
    TopicStore* store = store_.load();
    TransactionPtr transaction = Find(who.transactional_id);
    if (!store) return answer({KafkaError::kCoordinatorNotAvailable, {}});
    if (!transaction) return answer({KafkaError::kInvalidProducerIdMapping, {}});
    std::unique_lock lock(transaction->mutex);
    Json change;
    KafkaError error = Check(*transaction, who.producer);
    if (error == KafkaError::kNone) error = fill(*transaction, change);
    if (error != KafkaError::kNone || change.is_null()) {
        lock.unlock();
        return answer({error, who.producer});
    }
    change["transaction"] = transaction->id;
    change["ms"] = NowMs();
    Status queued = store->AppendState(std::move(change), [answer, producer = who.producer](const Status& done) {
        answer({done.ok() ? KafkaError::kNone : KafkaError::kCoordinatorNotAvailable, producer});
    });
    lock.unlock();
    if (!queued.ok()) answer({KafkaError::kCoordinatorNotAvailable, {}});
}

void Transactions::AddPartitions(const TransactionalProducer& who, const std::set<TopicPartition>& partitions,
                                 const Answer& answer) {
    auto fill = [&](const Transaction& transaction, Json& change) {
        const auto& has = transaction.partitions;
        bool open = transaction.state == State::kOngoing;
        if (open && std::includes(has.begin(), has.end(), partitions.begin(), partitions.end())) {
            return KafkaError::kNone;
        }
        if (has.size() + partitions.size() > config_.partitions_max) return KafkaError::kPolicyViolation;
        change["add"] = PartitionsJson(partitions);
        return KafkaError::kNone;
    };
    Add(who, fill, answer);
}

void Transactions::AddGroup(const TransactionalProducer& who, const std::string& group, const Answer& answer) {
    auto fill = [&](const Transaction& transaction, Json& change) {
        if (transaction.state == State::kOngoing && transaction.offsets.contains(group)) return KafkaError::kNone;
        change["group"] = group;
        return KafkaError::kNone;
    };
    Add(who, fill, answer);
}

void Transactions::CommitOffsets(const TransactionalProducer& who, const std::string& group, const Offsets& offsets,
                                 bool implicit, const Answer& answer) {
    auto fill = [&](const Transaction& transaction, Json& change) {
        bool added = transaction.state == State::kOngoing && transaction.offsets.contains(group);
        if (!added && !implicit) return KafkaError::kInvalidTxnState;
        size_t has = 0;
        for (const auto& [id, one] : transaction.offsets) has += one.size();
        if (has + offsets.size() > config_.offsets_max) return KafkaError::kPolicyViolation;
        change["group"] = group;
        change["offsets"] = OffsetsJson(offsets);
        return KafkaError::kNone;
    };
    Add(who, fill, answer);
}

Result<AppendOutcome> Transactions::Append(const std::string& id, bool implicit, Partition& partition,
                                           const BatchFacts& facts, const SharedBytes& batch,
                                           const TopicStore::Place& place, CommitLog::Done done) {
    TopicStore* store = store_.load();
    TransactionPtr transaction = Find(id);
    if (!store || !transaction) {
        return kafka::MakeError(KafkaError::kInvalidProducerIdMapping, "there is no such transactional id");
    }
    std::lock_guard lock(transaction->mutex);
    KafkaError error = Check(*transaction, {facts.producer_id, facts.producer_epoch});
    if (error == KafkaError::kProducerFenced) error = KafkaError::kInvalidProducerEpoch;
    if (error != KafkaError::kNone) {
        return kafka::MakeError(error, fmt::format("producer {} with epoch {} may not write under transactional id {}",
                                                   facts.producer_id, facts.producer_epoch, id));
    }
    TopicPartition of{partition.topic(), partition.index()};
    bool added = transaction->state == State::kOngoing && transaction->partitions.contains(of);
    if (!added && !implicit) {
        return kafka::MakeError(
            KafkaError::kInvalidTxnState,
            fmt::format("{}-{} was not added to the transaction, or that has ended", of.first, of.second));
    }
    if (!added && transaction->partitions.size() >= config_.partitions_max) {
        return kafka::MakeError(KafkaError::kPolicyViolation,
                                fmt::format("a transaction has at most {} partitions", config_.partitions_max));
    }
    AppendOutcome outcome = TRY(store->Append(partition, facts, batch, place, std::move(done)));
    if (added || outcome.problem != AppendProblem::kNone) return outcome;
    transaction->partitions.insert(std::move(of));
    if (transaction->state != State::kOngoing) {
        transaction->started_ms = NowMs();
        transaction->state = State::kOngoing;
        Begin(transaction);
    }
    return outcome;
}

// ---- the end

void Transactions::End(const TransactionalProducer& who, bool commit, bool new_epoch, const Answer& answer) {
    TransactionPtr transaction = Find(who.transactional_id);
    if (!store_.load()) return answer({KafkaError::kCoordinatorNotAvailable, {}});
    if (!transaction) return answer({KafkaError::kInvalidProducerIdMapping, {}});
    std::optional<int64_t> fresh;
    if (new_epoch) {
        Result<std::optional<int64_t>> taken = FreshIdFor(*transaction);
        if (!taken.ok()) return answer({KafkaError::kCoordinatorNotAvailable, {}});
        fresh = *taken;
    }
    std::unique_lock lock(transaction->mutex);
    State wanted = commit ? State::kCommitted : State::kAborted;
    bool again = new_epoch && who.producer == transaction->before && transaction->state == wanted;
    KafkaError error =
        again && transaction->ending == Ending::kNo ? KafkaError::kNone : Check(*transaction, who.producer);
    bool open = transaction->state == State::kOngoing;
    // Who goes on under a new epoch gets one also when there was nothing to abort: its batches may be under way.
    bool ends = open || (new_epoch && !commit && !again);
    if (error == KafkaError::kNone && ends) {
        ProducerEpoch now = who.producer;
        Json change = {{"transaction", transaction->id}, {"ms", NowMs()}};
        if (!new_epoch) return EndLocked(transaction, commit, now.epoch, std::move(change), answer);
        int16_t after = static_cast<int16_t>(now.epoch + 1);
        bool last = now.epoch >= kEpochMax;
        if (!last || fresh) {
            change["producer"] = EpochJson(last ? ProducerEpoch{*fresh, 0} : ProducerEpoch{now.id, after}, now);
            return EndLocked(transaction, commit, after, std::move(change), answer);
        }
        error = KafkaError::kConcurrentTransactions;  // it was just now that the epoch became the last
    }
    // The same again, as its answer was lost; anything else makes no sense now.
    bool same = transaction->state == wanted && (again || !new_epoch);
    if (error == KafkaError::kNone && !same) error = KafkaError::kInvalidTxnState;
    TransactionAnswer told{error, transaction->producer};
    lock.unlock();
    answer(told);
}

void Transactions::EndLocked(const TransactionPtr& transaction, bool commit, int16_t marker_epoch, Json change,
                             const Answer& answer) {
    change["end"] = commit ? "commit" : "abort";
    transaction->ending = commit ? Ending::kCommit : Ending::kAbort;
    auto done = WhenDone(transaction, answer);
    Status queued = AppendEnd(*transaction, commit, marker_epoch, change, done);
    // A topic went between the looking and the writing.
    if (!queued.ok() && queued.error().code() == ErrorCode::kNotFound) {
        queued = AppendEnd(*transaction, commit, marker_epoch, change, done);
    }
    if (queued.ok()) return;
    transaction->ending = Ending::kNo;
    if (transaction->state == State::kOngoing) Arm(transaction, kTryAgainAfter);
    if (answer) answer({KafkaError::kCoordinatorNotAvailable, {}});
}

Status Transactions::AppendEnd(const Transaction& transaction, bool commit, int16_t marker_epoch, const Json& change,
                               const CommitLog::Done& done) {
    TopicStore* store = store_.load();
    if (!store) return Error(ErrorCode::kCancelled, "the buffer is being stopped");
    std::vector<TopicStore::Part> parts;
    for (const auto& [name, index] : transaction.partitions) {
        auto topic = store->Find(name);
        if (!topic || static_cast<size_t>(index) >= topic->partitions.size()) continue;
        parts.push_back(
            MarkerFor(topic->partitions[static_cast<size_t>(index)], {transaction.producer.id, marker_epoch}, commit));
    }
    return store->AppendTogether(std::move(parts), change, done);
}

TopicStore::Part Transactions::MarkerFor(const std::shared_ptr<Partition>& partition, ProducerEpoch producer,
                                         bool commit) const {
    kafka::BatchOptions options;
    options.leader_epoch = 0;
    options.producer_id = producer.id;
    options.producer_epoch = producer.epoch;
    Result<Bytes> marker = kafka::BuildMarker({.commit = commit}, NowMs(), options);
    TARN_CHECK(marker.ok());
    auto owned = std::make_shared<Bytes>(*std::move(marker));
    Result<BatchFacts> facts = FactsOf(*owned);
    TARN_CHECK(facts.ok());
    auto place = [owned](uint64_t offset) { kafka::SetBaseOffset(*owned, static_cast<int64_t>(offset)); };
    return {partition, *facts, {*owned, owned}, place};
}

void Transactions::AbortLocked(const TransactionPtr& transaction, const Answer& answer) {
    ProducerEpoch next{transaction->producer.id, static_cast<int16_t>(transaction->producer.epoch + 1)};
    Json change = {{"transaction", transaction->id}, {"producer", EpochJson(next, {})}, {"ms", NowMs()}};
    EndLocked(transaction, false, next.epoch, std::move(change), answer);
}

void Transactions::AbortIn(const std::shared_ptr<Partition>& partition, ProducerEpoch producer, const Answer& answer) {
    TopicStore* store = store_.load();
    if (!store) return answer({KafkaError::kCoordinatorNotAvailable, {}});
    std::vector<ProducerView> views = partition->Producers();
    auto open =
        std::find_if(views.begin(), views.end(), [&](const ProducerView& one) { return one.id == producer.id; });
    if (open == views.end() || !open->transaction_first) return answer({KafkaError::kInvalidTxnState, producer});
    if (producer.epoch != open->epoch) return answer({KafkaError::kInvalidProducerEpoch, producer});
    TransactionPtr owner;
    {
        std::shared_lock lock(mutex_);
        auto found = by_producer_.find(producer.id);
        if (found != by_producer_.end()) owner = found->second;
    }
    if (owner) {
        std::unique_lock lock(owner->mutex);
        bool whole = owner->producer.id == producer.id && owner->state == State::kOngoing &&
                     owner->partitions.contains({partition->topic(), partition->index()});
        if (whole && owner->ending != Ending::kNo) return answer({KafkaError::kConcurrentTransactions, producer});
        if (whole) return AbortLocked(owner, answer);
    }
    std::vector<TopicStore::Part> parts;
    parts.push_back(MarkerFor(partition, producer, false));
    Status queued = store->AppendTogether(std::move(parts), Json(), [answer, producer](const Status& done) {
        answer({done.ok() ? KafkaError::kNone : KafkaError::kKafkaStorageError, producer});
    });
    if (!queued.ok()) answer({KafkaError::kKafkaStorageError, producer});
}

// ---- time

void Transactions::Begin(const TransactionPtr& transaction) {
    Duration left = std::chrono::milliseconds(transaction->started_ms + transaction->timeout_ms - NowMs());
    Arm(transaction, std::max<Duration>(left, Duration::zero()));
}

void Transactions::Arm(const TransactionPtr& transaction, Duration delay) {
    timers_.Cancel(transaction->timer);
    transaction->timer = timers_.After(delay, [weak = weak_from_this(), transaction] {
        if (auto self = weak.lock()) self->OnTimeout(transaction);
    });
}

void Transactions::OnTimeout(const TransactionPtr& transaction) {
    std::lock_guard lock(transaction->mutex);
    if (!store_.load() || transaction->state != State::kOngoing || transaction->ending != Ending::kNo) return;
    int64_t open_ms = NowMs() - transaction->started_ms;
    // The one of another transaction, or of one that could not be ended in time.
    if (open_ms < transaction->timeout_ms) return Begin(transaction);
    log_.Info("a transaction took longer than its timeout and is aborted",
              {{"transactional_id", transaction->id}, {"timeout_ms", transaction->timeout_ms}});
    AbortLocked(transaction, nullptr);
}

void Transactions::Expire() {
    TopicStore* store = store_.load();
    int64_t before = ToMillis(env_.clock().Now() - config_.forget_after);
    for (const TransactionPtr& transaction : All()) {
        std::lock_guard lock(transaction->mutex);
        bool idle = transaction->state != State::kOngoing && transaction->ending == Ending::kNo;
        if (!store || !idle || transaction->producer.id < 0 || transaction->changed_ms >= before) continue;
        transaction->ending = Ending::kInit;
        Json change = {{"transaction", transaction->id}, {"forget", true}};
        if (!store->AppendState(std::move(change), WhenDone(transaction, nullptr)).ok()) {
            transaction->ending = Ending::kNo;
        }
    }
}

// ---- what others see

std::set<TopicPartition> Transactions::Unstable(const std::string& group) const {
    std::vector<TransactionPtr> with;
    {
        std::shared_lock lock(mutex_);
        auto ids = pending_.find(group);
        if (ids == pending_.end()) return {};
        for (const std::string& id : ids->second) with.push_back(by_id_.at(id));
    }
    std::set<TopicPartition> unstable;
    for (const TransactionPtr& transaction : with) {
        std::lock_guard lock(transaction->mutex);
        auto offsets = transaction->offsets.find(group);
        if (offsets == transaction->offsets.end()) continue;
        for (const auto& [of, offset] : offsets->second) unstable.insert(of);
    }
    return unstable;
}

TransactionView Transactions::ViewOf(const Transaction& transaction) const {
    static constexpr const char* kNames[] = {"Empty", "Ongoing", "CompleteCommit", "CompleteAbort"};
    std::string state = transaction.ending == Ending::kCommit  ? "PrepareCommit"
                        : transaction.ending == Ending::kAbort ? "PrepareAbort"
                                                               : kNames[static_cast<size_t>(transaction.state)];
    bool open = transaction.state == State::kOngoing;
    return {
        transaction.id,        state, transaction.producer, transaction.timeout_ms, open ? transaction.started_ms : -1,
        transaction.partitions};
}

std::optional<TransactionView> Transactions::View(const std::string& id) const {
    TransactionPtr transaction = Find(id);
    if (!transaction) return std::nullopt;
    std::lock_guard lock(transaction->mutex);
    if (transaction->producer.id < 0) return std::nullopt;
    return ViewOf(*transaction);
}

std::vector<TransactionView> Transactions::Views() const {
    std::vector<TransactionView> views;
    for (const TransactionPtr& transaction : All()) {
        std::lock_guard lock(transaction->mutex);
        if (transaction->producer.id >= 0) views.push_back(ViewOf(*transaction));
    }
    return views;
}

// ---- in the log

void Transactions::ApplyState(const Json& change) {
    auto id = change.find("transaction");
    if (id == change.end()) return groups_.ApplyState(change);
    TransactionPtr transaction;
    {
        std::unique_lock lock(mutex_);
        TransactionPtr& one = by_id_[*id];
        if (!one) one = std::make_shared<Transaction>(*id);
        transaction = one;
    }
    std::lock_guard lock(transaction->mutex);
    if (!change.contains("forget")) return ApplyTo(transaction, change);
    transaction->forgotten = true;
    std::unique_lock map_lock(mutex_);
    by_producer_.erase(transaction->producer.id);
    by_id_.erase(transaction->id);
}

void Transactions::ApplyTo(const TransactionPtr& transaction, const Json& change) {
    Transaction& one = *transaction;
    one.changed_ms = change.value("ms", int64_t{-1});
    if (auto producer = change.find("producer"); producer != change.end()) {
        std::unique_lock lock(mutex_);
        by_producer_.erase(one.producer.id);
        one.producer = {producer->at(0), producer->at(1)};
        one.before = {producer->at(2), producer->at(3)};
        by_producer_[one.producer.id] = transaction;
    }
    one.timeout_ms = change.value("timeout_ms", one.timeout_ms);
    auto end = change.find("end");
    if (end != change.end()) ApplyEnd(one, *end == "commit");
    if (change.contains("init")) one.state = State::kEmpty;
    if (end != change.end() || change.contains("init")) return;
    auto add = change.find("add");
    for (const Json& part : add == change.end() ? Json::array() : *add) one.partitions.emplace(part.at(0), part.at(1));
    if (auto group = change.find("group"); group != change.end()) {
        std::string id = *group;
        Offsets& offsets = one.offsets[id];
        if (auto list = change.find("offsets"); list != change.end()) AddOffsets(*list, offsets);
        NotePending(id, one.id, true);
    }
    if (one.state == State::kOngoing) return;
    one.state = State::kOngoing;
    one.started_ms = one.changed_ms;
    if (store_.load()) Begin(transaction);
}

// The groups' offsets first: who asks for what is pending before them sees one or the other.
void Transactions::ApplyEnd(Transaction& transaction, bool commit) {
    for (const auto& [group, offsets] : transaction.offsets) {
        if (commit && !offsets.empty()) groups_.ApplyState(Groups::CommitChange(group, offsets));
        NotePending(group, transaction.id, false);
    }
    transaction.offsets.clear();
    transaction.partitions.clear();
    transaction.state = commit ? State::kCommitted : State::kAborted;
    transaction.started_ms = -1;
    timers_.Cancel(transaction.timer);
}

void Transactions::NotePending(const std::string& group, const std::string& id, bool pending) {
    std::unique_lock lock(mutex_);
    if (pending) {
        pending_[group].insert(id);
        return;
    }
    auto found = pending_.find(group);
    if (found == pending_.end()) return;
    found->second.erase(id);
    if (found->second.empty()) pending_.erase(found);
}

Json Transactions::SaveState() const {
    Json saved = groups_.SaveState();
    Json& list = saved["transactions"] = Json::array();
    for (const TransactionPtr& transaction : All()) {
        std::lock_guard lock(transaction->mutex);
        if (transaction->producer.id < 0) continue;
        Json offsets = Json::object();
        for (const auto& [group, of] : transaction->offsets) offsets[group] = OffsetsJson(of);
        list.push_back({{"id", transaction->id},
                        {"producer", EpochJson(transaction->producer, transaction->before)},
                        {"timeout_ms", transaction->timeout_ms},
                        {"state", static_cast<int>(transaction->state)},
                        {"started_ms", transaction->started_ms},
                        {"changed_ms", transaction->changed_ms},
                        {"partitions", PartitionsJson(transaction->partitions)},
                        {"offsets", std::move(offsets)}});
    }
    return saved;
}

Status Transactions::LoadState(const Json& saved) try {
    TRY(groups_.LoadState(saved));
    auto list = saved.find("transactions");
    if (list == saved.end()) return Ok();  // of a program that had none
    for (const Json& one : *list) {
        auto transaction = std::make_shared<Transaction>(one.at("id"));
        const Json& producer = one.at("producer");
        transaction->producer = {producer.at(0), producer.at(1)};
        transaction->before = {producer.at(2), producer.at(3)};
        transaction->timeout_ms = one.at("timeout_ms");
        transaction->state = static_cast<State>(one.at("state").get<int>());
        transaction->started_ms = one.at("started_ms");
        transaction->changed_ms = one.at("changed_ms");
        for (const Json& part : one.at("partitions")) transaction->partitions.emplace(part.at(0), part.at(1));
        for (const auto& [group, of] : one.at("offsets").items()) {
            AddOffsets(of, transaction->offsets[group]);
            NotePending(group, transaction->id, true);
        }
        std::unique_lock lock(mutex_);
        by_producer_[transaction->producer.id] = transaction;
        by_id_[transaction->id] = transaction;
    }
    return Ok();
} catch (const Json::exception& error) {
    return Error(ErrorCode::kCorruption, "the transactions in the buffer's checkpoint: {}", error.what());
}

}  // namespace tarn::buffer
