// Produce.
#include "ingestion/buffer/batch_check.h"
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/produce.h"
#include "wire/kafka/record_batch.h"

namespace tarn::buffer {
namespace {

// Transactions of version 2 (KIP-890): a batch adds its partition itself.
constexpr int16_t kImplicitPartitionsSince = 12;

// An answer that becomes whole as its batches become durable.
struct Answering {
    explicit Answering(ExchangePtr exchange) : exchange(std::move(exchange)) {}
    ExchangePtr exchange;
    std::optional<std::string> transactional_id;  // none, or one that may not be written under
    bool answers = true;  // acks=0: nothing is said
    kafka::ProduceResponse response;
    std::atomic<int> left{1};  // batches, and the request itself
    std::atomic<bool> failed{false};

    void Finish() {
        if (left.fetch_sub(1) != 1) return;
        if (answers) return exchange->Answer(response);
        // Who asked for no answer learns of a failure by the connection's end, as with Kafka.
        if (failed.load())
            return exchange->Break(Error(ErrorCode::kInvalidArgument, "a batch sent with acks=0 failed"));
        exchange->AnswerNothing();
    }
};

Error Invalid(KafkaError code, std::string message) { return kafka::MakeError(code, std::move(message)); }

KafkaError CodeOfProblem(AppendProblem problem) {
    switch (problem) {
        case AppendProblem::kNone:
            return KafkaError::kNone;
        case AppendProblem::kStaleEpoch:
            return KafkaError::kInvalidProducerEpoch;
        case AppendProblem::kOutOfOrder:
            return KafkaError::kOutOfOrderSequenceNumber;
        case AppendProblem::kInTransaction:
            return KafkaError::kInvalidTxnState;
    }
    return KafkaError::kUnknownServerError;
}

void Fail(Answering& answering, kafka::ProduceResponsePartition& into, const Error& error) {
    KafkaError code = kafka::KafkaErrorOf(error);
    // A disk that is full for now, or a log that waits: the client tries again.
    bool ours = error.detail_code().empty();
    if (ours && (error.code() == ErrorCode::kResourceExhausted || error.code() == ErrorCode::kIo)) {
        code = KafkaError::kKafkaStorageError;
    }
    into.error_code = CodeOf(code);
    into.error_message = error.message();
    into.base_offset = -1;
    answering.failed.store(true);
}

// A batch of a transaction goes by its coordinator, which knows whether that is still open.
Result<AppendOutcome> Append(const Answering& answering, Partition& partition, const BatchFacts& facts,
                             const SharedBytes& batch, const TopicStore::Place& place, CommitLog::Done done) {
    Broker& broker = answering.exchange->broker();
    if (!facts.transactional) return broker.topics.Append(partition, facts, batch, place, std::move(done));
    if (!answering.transactional_id) {
        return Invalid(KafkaError::kTransactionalIdAuthorizationFailed,
                       "a batch of a transaction comes under a transactional id that you may write under");
    }
    bool implicit = answering.exchange->version() >= kImplicitPartitionsSince;
    return broker.transactions.Append(*answering.transactional_id, implicit, partition, facts, batch, place,
                                      std::move(done));
}

// Puts one partition's batch into the log; `into` lives in the answer, which `answering` keeps.
void ProduceOne(const std::shared_ptr<Answering>& answering, const Topic& topic,
                const kafka::ProduceRequestPartition& part, kafka::ProduceResponsePartition& into) {
    Broker& broker = answering->exchange->broker();
    into.index = part.index;
    into.base_offset = -1;
    if (part.index < 0 || static_cast<size_t>(part.index) >= topic.partitions.size()) {
        return Fail(*answering, into,
                    Invalid(KafkaError::kUnknownTopicOrPartition,
                            fmt::format("topic {} has {} partitions", topic.name, topic.partitions.size())));
    }
    if (!part.records) {
        return Fail(*answering, into,
                    Invalid(KafkaError::kInvalidRecord, "a partition's records are exactly one batch"));
    }
    int64_t now_ms = ToMillis(broker.env.clock().Now());
    std::vector<RefusedRecord> refused;
    Result<kafka::BatchView> batch = CheckBatch(topic, *part.records, now_ms, &refused);
    for (RefusedRecord& one : refused) into.record_errors.push_back({one.index, std::move(one.why)});
    if (!batch.ok()) return Fail(*answering, into, batch.error());
    Partition& partition = *topic.partitions[static_cast<size_t>(part.index)];
    Result<BatchFacts> facts = FactsOf(batch->bytes());
    if (!facts.ok()) return Fail(*answering, into, facts.error());
    // The frame is ours alone until the log has it: offset, epoch and time are written where they stand.
    MutableByteSpan bytes(const_cast<uint8_t*>(batch->bytes().data()), batch->size());
    if (!topic.rules.own_times) {
        kafka::SetLogAppendTime(bytes, now_ms);
        facts->max_timestamp_ms = into.log_append_time_ms = now_ms;
    }
    kafka::SetLeaderEpoch(bytes, kLeaderEpoch);
    into.log_start_offset = static_cast<int64_t>(partition.Offsets().start);
    // From here on the log's thread may finish `into`.
    auto place = [bytes, &into](uint64_t offset) {
        kafka::SetBaseOffset(bytes, static_cast<int64_t>(offset));
        into.base_offset = static_cast<int64_t>(offset);
    };
    answering->left.fetch_add(1);
    auto finish = [answering, &into](const Status& done) {
        if (!done.ok()) Fail(*answering, into, done.error());
        answering->Finish();
    };
    Result<AppendOutcome> appended =
        Append(*answering, partition, *facts, {bytes, answering->exchange->frame()}, place, finish);
    if (appended.ok() && appended->problem == AppendProblem::kNone) {
        answering->exchange->Count("topic", topic.name, facts->records, static_cast<int64_t>(bytes.size()));
        return;
    }
    if (!appended.ok()) {
        Fail(*answering, into, appended.error());
    } else {
        Fail(*answering, into, Invalid(CodeOfProblem(appended->problem), "the producer's sequence does not go on so"));
    }
    answering->Finish();
}

void Produce(const ExchangePtr& exchange, const kafka::ProduceRequest& request, const std::vector<bool>& allowed,
             const std::vector<std::shared_ptr<const Topic>>& topics) {
    auto answering = std::make_shared<Answering>(exchange);
    answering->answers = request.acks != 0;
    answering->response.throttle_time_ms =
        exchange->Throttle(QuotaKind::kProduceBytes, static_cast<double>(exchange->frame()->size()));
    const auto& id = request.transactional_id;
    if (id && exchange->May("transaction:Write", "transaction", *id)) answering->transactional_id = id;
    // All places first: batches that are being written refer to them.
    for (const auto& topic : request.topic_data) {
        auto& into = answering->response.responses.emplace_back();
        into.name = topic.name;
        into.topic_id = topic.topic_id;
        into.partition_responses.resize(topic.partition_data.size());
    }
    for (size_t index = 0; index < request.topic_data.size(); ++index) {
        const auto& topic = request.topic_data[index];
        for (size_t part = 0; part < topic.partition_data.size(); ++part) {
            auto& into = answering->response.responses[index].partition_responses[part];
            into.index = topic.partition_data[part].index;
            if (!allowed[index]) {
                Fail(*answering, into, Invalid(KafkaError::kTopicAuthorizationFailed, "you may not write to it"));
            } else if (!topics[index]) {
                bool by_id = exchange->version() >= 13;
                Fail(*answering, into,
                     Invalid(by_id ? KafkaError::kUnknownTopicId : KafkaError::kUnknownTopicOrPartition,
                             "there is no such topic"));
            } else {
                ProduceOne(answering, *topics[index], topic.partition_data[part], into);
            }
        }
    }
    answering->Finish();
}

}  // namespace

void HandleProduce(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::ProduceRequest>();
    if (!request) return;
    if (request->acks < -1 || request->acks > 1) {
        kafka::ProduceResponse answer;
        for (const auto& topic : request->topic_data) {
            auto& into = answer.responses.emplace_back();
            into.name = topic.name;
            into.topic_id = topic.topic_id;
            for (const auto& part : topic.partition_data) {
                auto& one = into.partition_responses.emplace_back();
                one.index = part.index;
                one.error_code = CodeOf(KafkaError::kInvalidRequiredAcks);
                one.base_offset = -1;
            }
        }
        return exchange->Answer(answer);
    }
    std::vector<std::shared_ptr<const Topic>> topics;
    std::vector<std::string> names;
    for (const auto& topic : request->topic_data) {
        bool by_id = exchange->version() >= 13;
        topics.push_back(by_id ? exchange->broker().topics.Find(topic.topic_id)
                               : exchange->broker().topics.Find(topic.name));
        names.push_back(topics.back() ? topics.back()->name : topic.name);
    }
    exchange->WithAccess("topic", std::move(names),
                         [exchange, request = *std::move(request), topics = std::move(topics)](
                             const std::vector<bool>& allowed) { Produce(exchange, request, allowed, topics); });
}

}  // namespace tarn::buffer
