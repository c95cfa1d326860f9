// What transactional producers ask: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn.
#include <latch>

#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/add_offsets_to_txn.h"
#include "wire/kafka/messages/add_partitions_to_txn.h"
#include "wire/kafka/messages/end_txn.h"
#include "wire/kafka/messages/init_producer_id.h"
#include "wire/kafka/messages/txn_offset_commit.h"

namespace tarn::buffer {
namespace {

constexpr size_t kIdBytesMax = 1000;
constexpr int16_t kFencedSince = 2;      // of most APIs: before, clients know only an old epoch
constexpr int16_t kInitFencedSince = 4;  // of InitProducerId
// Transactions of version 2 (KIP-890): a client speaks these versions of both only if the feature is told to be there.
constexpr int16_t kImplicitOffsetsSince = 5;  // of TxnOffsetCommit
constexpr int16_t kNewEpochSince = 5;         // of EndTxn

int16_t CodeFor(KafkaError error, int16_t version, int16_t fenced_since) {
    bool unknown = error == KafkaError::kProducerFenced && version < fenced_since;
    return CodeOf(unknown ? KafkaError::kInvalidProducerEpoch : error);
}

Status CheckInit(Broker& broker, const kafka::InitProducerIdRequest& request) {
    if (request.transactional_id->empty() || request.transactional_id->size() > kIdBytesMax) {
        return kafka::MakeError(KafkaError::kInvalidRequest, "a transactional id has 1 to 1000 bytes");
    }
    int64_t max_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(broker.transactions.config().timeout_max).count();
    if (request.transaction_timeout_ms > 0 && request.transaction_timeout_ms <= max_ms) return Ok();
    return kafka::MakeError(
        KafkaError::kInvalidTransactionTimeout,
        fmt::format("transaction.timeout.ms is {}: at least 1, at most {} (buffer.transaction_timeout_max)",
                    request.transaction_timeout_ms, max_ms));
}

Status InitTransactional(const ExchangePtr& exchange, const kafka::InitProducerIdRequest& request,
                         kafka::InitProducerIdResponse& answer) {
    if (!exchange->May("transaction:Write", "transaction", *request.transactional_id)) {
        return Error(ErrorCode::kPermissionDenied, "you may not write under transactional id {}",
                     *request.transactional_id)
            .WithDetailCode(std::string(kafka::ErrorName(KafkaError::kTransactionalIdAuthorizationFailed)));
    }
    Broker& broker = exchange->broker();
    TRY(CheckInit(broker, request));
    std::latch known(1);
    TransactionAnswer told;
    ProducerEpoch mine{request.producer_id, request.producer_epoch};
    broker.transactions.Init(*request.transactional_id, request.transaction_timeout_ms, mine,
                             [&](const TransactionAnswer& answered) {
                                 told = answered;
                                 known.count_down();
                             });
    known.wait();
    if (told.error != KafkaError::kNone) return kafka::MakeError(told.error, "the producer can't begin");
    answer.producer_id = told.producer.id;
    answer.producer_epoch = told.producer.epoch;
    return Ok();
}

Status InitIdempotent(Broker& broker, const kafka::InitProducerIdRequest& request,
                      kafka::InitProducerIdResponse& answer) {
    // A producer that lost track of its sequences begins anew under a higher epoch (KIP-360).
    if (request.producer_id >= 0 && request.producer_epoch < INT16_MAX) {
        answer.producer_id = request.producer_id;
        answer.producer_epoch = static_cast<int16_t>(request.producer_epoch + 1);
        return Ok();
    }
    answer.producer_id = TRY(broker.topics.NewProducerId());
    return Ok();
}

}  // namespace

void HandleInitProducerId(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::InitProducerIdRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::InitProducerIdResponse answer;
        const auto& id = request.transactional_id;
        Status done = exchange->Run(id ? "transaction" : "platform", id ? *id : "*", [&](security::Call&) {
            return id ? InitTransactional(exchange, request, answer)
                      : InitIdempotent(exchange->broker(), request, answer);
        });
        if (!done.ok()) {
            answer.error_code = CodeFor(kafka::KafkaErrorOf(done.error()), exchange->version(), kInitFencedSince);
        }
        exchange->Answer(answer);
    });
}

// ---- what belongs to a transaction

namespace {

// Which of the partitions can't be added; empty: all can.
std::map<TopicPartition, KafkaError> Refused(const ExchangePtr& exchange,
                                             const std::vector<kafka::AddPartitionsToTxnRequestTopic>& topics) {
    std::map<TopicPartition, KafkaError> refused;
    for (const auto& topic : topics) {
        auto known = exchange->broker().topics.Find(topic.name);
        bool may = exchange->May("topic:Write", "topic", topic.name);
        for (int32_t index : topic.partitions) {
            bool there = known && index >= 0 && static_cast<size_t>(index) < known->partitions.size();
            if (!may) {
                refused[{topic.name, index}] = KafkaError::kTopicAuthorizationFailed;
            } else if (!there) {
                refused[{topic.name, index}] = KafkaError::kUnknownTopicOrPartition;
            }
        }
    }
    return refused;
}

void AnswerAdded(const ExchangePtr& exchange, const std::vector<kafka::AddPartitionsToTxnRequestTopic>& topics,
                 const std::map<TopicPartition, KafkaError>& refused, KafkaError error) {
    kafka::AddPartitionsToTxnResponse answer;
    for (const auto& topic : topics) {
        auto& into = answer.results_by_topic_v3_and_below.emplace_back();
        into.name = topic.name;
        for (int32_t index : topic.partitions) {
            auto found = refused.find({topic.name, index});
            KafkaError one = found != refused.end() ? found->second : error;
            into.results_by_partition.push_back({index, CodeFor(one, exchange->version(), kFencedSince)});
        }
    }
    exchange->Answer(answer);
}

}  // namespace

void HandleAddPartitionsToTxn(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::AddPartitionsToTxnRequest>();
    if (!request) return;
    std::vector<std::string> names = {request->v3_and_below_transactional_id};  // before the request moves on
    exchange->WithAccess(
        "transaction", names, [exchange, names, request = *std::move(request)](const std::vector<bool>& allowed) {
            const auto& topics = request.v3_and_below_topics;
            exchange->Count("transaction", names[0], 0, 0);
            if (!allowed[0]) {
                return AnswerAdded(exchange, topics, {}, KafkaError::kTransactionalIdAuthorizationFailed);
            }
            auto refused = Refused(exchange, topics);
            if (!refused.empty()) return AnswerAdded(exchange, topics, refused, KafkaError::kOperationNotAttempted);
            std::set<TopicPartition> partitions;
            for (const auto& topic : topics) {
                for (int32_t index : topic.partitions) partitions.emplace(topic.name, index);
            }
            TransactionalProducer who{names[0],
                                      {request.v3_and_below_producer_id, request.v3_and_below_producer_epoch}};
            exchange->broker().transactions.AddPartitions(
                who, partitions,
                [exchange, topics](const TransactionAnswer& told) { AnswerAdded(exchange, topics, {}, told.error); });
        });
}

void HandleAddOffsetsToTxn(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::AddOffsetsToTxnRequest>();
    if (!request) return;
    std::vector<std::string> names = {request->transactional_id};
    exchange->WithAccess(
        "transaction", names, [exchange, names, request = *std::move(request)](const std::vector<bool>& allowed) {
            auto answer = [exchange](KafkaError error) {
                kafka::AddOffsetsToTxnResponse told;
                told.error_code = CodeFor(error, exchange->version(), kFencedSince);
                exchange->Answer(told);
            };
            exchange->Count("transaction", names[0], 0, 0);
            if (!allowed[0]) return answer(KafkaError::kTransactionalIdAuthorizationFailed);
            if (!exchange->May("group:Read", "group", request.group_id)) {
                return answer(KafkaError::kGroupAuthorizationFailed);
            }
            if (request.group_id.empty()) return answer(KafkaError::kInvalidGroupId);
            TransactionalProducer who{names[0], {request.producer_id, request.producer_epoch}};
            exchange->broker().transactions.AddGroup(who, request.group_id,
                                                     [answer](const TransactionAnswer& told) { answer(told.error); });
        });
}

namespace {

// A zombie of a group's member must not move the group's offsets (KIP-447).
KafkaError CheckMember(Broker& broker, const kafka::TxnOffsetCommitRequest& request) {
    if (request.group_id.empty()) return KafkaError::kInvalidGroupId;
    if (auto consumers = broker.groups.FindConsumer(request.group_id); consumers && !consumers->empty()) {
        KafkaError error = consumers->CheckOffsets(request.member_id, request.generation_id, false);
        return error == KafkaError::kStaleMemberEpoch ? KafkaError::kIllegalGeneration : error;
    }
    if (auto group = broker.groups.Find(request.group_id)) {
        return group->CheckTransactionCommit(request.member_id, request.group_instance_id, request.generation_id);
    }
    return request.generation_id >= 0 ? KafkaError::kIllegalGeneration : KafkaError::kNone;
}

// The offsets that can be taken; `answer` gets a place for each, with what is wrong with it.
Offsets TakeOffsets(const ExchangePtr& exchange, const kafka::TxnOffsetCommitRequest& request,
                    kafka::TxnOffsetCommitResponse& answer) {
    Broker& broker = exchange->broker();
    Offsets offsets;
    for (const auto& topic : request.topics) {
        auto& into = answer.topics.emplace_back();
        into.name = topic.name;
        auto known = broker.topics.Find(topic.name);
        bool may = exchange->May("topic:Read", "topic", topic.name);
        for (const auto& part : topic.partitions) {
            std::string metadata = part.committed_metadata.value_or("");
            bool there = known && part.partition_index >= 0 &&
                         static_cast<size_t>(part.partition_index) < known->partitions.size();
            KafkaError error = !may                                  ? KafkaError::kTopicAuthorizationFailed
                               : !there                              ? KafkaError::kUnknownTopicOrPartition
                               : metadata.size() > kMetadataBytesMax ? KafkaError::kOffsetMetadataTooLarge
                                                                     : KafkaError::kNone;
            into.partitions.push_back({part.partition_index, CodeOf(error)});
            if (error != KafkaError::kNone) continue;
            offsets[{topic.name, part.partition_index}] = {part.committed_offset, part.committed_leader_epoch, metadata,
                                                           ToMillis(broker.env.clock().Now())};
        }
    }
    return offsets;
}

}  // namespace

void HandleTxnOffsetCommit(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::TxnOffsetCommitRequest>();
    if (!request) return;
    std::vector<std::string> names = {request->group_id};
    exchange->WithAccess(
        "group", names, [exchange, names, request = *std::move(request)](const std::vector<bool>& allowed) {
            auto answer = std::make_shared<kafka::TxnOffsetCommitResponse>();
            Offsets offsets = TakeOffsets(exchange, request, *answer);
            auto finish = [exchange, answer](KafkaError error) {
                // An old epoch has one name here, whatever the version.
                if (error == KafkaError::kProducerFenced) error = KafkaError::kInvalidProducerEpoch;
                // What holds for the group or the transaction is said of every partition.
                bool of_all = error == KafkaError::kGroupAuthorizationFailed ||
                              error == KafkaError::kTransactionalIdAuthorizationFailed;
                for (auto& topic : answer->topics) {
                    for (auto& part : topic.partitions) {
                        if (of_all || part.error_code == 0) part.error_code = CodeOf(error);
                    }
                }
                exchange->Answer(*answer);
            };
            exchange->Count("group", names[0], static_cast<int64_t>(offsets.size()), 0);
            if (!allowed[0]) return finish(KafkaError::kGroupAuthorizationFailed);
            if (!exchange->May("transaction:Write", "transaction", request.transactional_id)) {
                return finish(KafkaError::kTransactionalIdAuthorizationFailed);
            }
            KafkaError error = CheckMember(exchange->broker(), request);
            if (error != KafkaError::kNone || offsets.empty()) return finish(error);
            TransactionalProducer who{request.transactional_id, {request.producer_id, request.producer_epoch}};
            exchange->broker().transactions.CommitOffsets(
                who, names[0], offsets, exchange->version() >= kImplicitOffsetsSince,
                [finish](const TransactionAnswer& told) { finish(told.error); });
        });
}

void HandleEndTxn(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::EndTxnRequest>();
    if (!request) return;
    std::vector<std::string> names = {request->transactional_id};
    exchange->WithAccess(
        "transaction", names, [exchange, names, request = *std::move(request)](const std::vector<bool>& allowed) {
            auto answer = [exchange](const TransactionAnswer& told) {
                kafka::EndTxnResponse ended;
                ended.error_code = CodeFor(told.error, exchange->version(), kFencedSince);
                if (told.error == KafkaError::kNone) {
                    ended.producer_id = told.producer.id;
                    ended.producer_epoch = told.producer.epoch;
                }
                exchange->Answer(ended);
            };
            exchange->Count("transaction", names[0], 0, 0);
            if (!allowed[0]) return answer({KafkaError::kTransactionalIdAuthorizationFailed, {}});
            TransactionalProducer who{names[0], {request.producer_id, request.producer_epoch}};
            exchange->broker().transactions.End(who, request.committed, exchange->version() >= kNewEpochSince, answer);
        });
}

}  // namespace tarn::buffer
