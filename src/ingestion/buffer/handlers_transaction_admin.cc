// What administrators see and do of transactions: ListTransactions, DescribeTransactions, DescribeProducers,
// WriteTxnMarkers.
#include <algorithm>
#include <latch>

#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/describe_producers.h"
#include "wire/kafka/messages/describe_transactions.h"
#include "wire/kafka/messages/list_transactions.h"
#include "wire/kafka/messages/write_txn_markers.h"

namespace tarn::buffer {
namespace {

constexpr const char* kStates[] = {"Empty",          "Ongoing",       "PrepareCommit",    "PrepareAbort",
                                   "CompleteCommit", "CompleteAbort", "PrepareEpochFence"};

template <typename T>
bool Fits(const std::vector<T>& filter, const T& one) {
    return filter.empty() || std::find(filter.begin(), filter.end(), one) != filter.end();
}

}  // namespace

void HandleListTransactions(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::ListTransactionsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        Broker& broker = exchange->broker();
        kafka::ListTransactionsResponse answer;
        for (const std::string& state : request.state_filters) {
            if (std::find(std::begin(kStates), std::end(kStates), state) == std::end(kStates)) {
                answer.unknown_state_filters.push_back(state);
            }
        }
        int64_t now_ms = ToMillis(broker.env.clock().Now());
        Status done = exchange->Run("transaction", "*", [&](security::Call&) {
            for (const TransactionView& view : broker.transactions.Views()) {
                if (!exchange->May("transaction:Describe", "transaction", view.id)) continue;
                if (!Fits(request.state_filters, view.state)) continue;
                if (!Fits(request.producer_id_filters, view.producer.id)) continue;
                bool longer = view.started_ms >= 0 && now_ms - view.started_ms > request.duration_filter;
                if (request.duration_filter >= 0 && !longer) continue;
                answer.transaction_states.push_back({view.id, view.producer.id, view.state});
            }
            return Ok();
        });
        if (!done.ok()) return exchange->Break(done.error());
        exchange->Answer(answer);
    });
}

void HandleDescribeTransactions(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DescribeTransactionsRequest>();
    if (!request) return;
    std::vector<std::string> names = request->transactional_ids;
    exchange->WithAccess("transaction", names, [exchange, names](const std::vector<bool>& allowed) {
        kafka::DescribeTransactionsResponse answer;
        for (size_t index = 0; index < names.size(); ++index) {
            auto& into = answer.transaction_states.emplace_back();
            into.transactional_id = names[index];
            exchange->Count("transaction", names[index], 0, 0);
            auto view = allowed[index] ? exchange->broker().transactions.View(names[index]) : std::nullopt;
            if (!view) {
                into.error_code = CodeOf(allowed[index] ? KafkaError::kTransactionalIdNotFound
                                                        : KafkaError::kTransactionalIdAuthorizationFailed);
                continue;
            }
            into.transaction_state = view->state;
            into.transaction_timeout_ms = view->timeout_ms;
            into.transaction_start_time_ms = view->started_ms;
            into.producer_id = view->producer.id;
            into.producer_epoch = view->producer.epoch;
            for (const auto& [topic, partition] : view->partitions) {
                if (!exchange->May("topic:Describe", "topic", topic)) continue;
                if (into.topics.empty() || into.topics.back().topic != topic) into.topics.emplace_back().topic = topic;
                into.topics.back().partitions.push_back(partition);
            }
        }
        exchange->Answer(answer);
    });
}

namespace {

std::shared_ptr<Partition> PartitionOf(const std::shared_ptr<const Topic>& topic, int32_t index) {
    bool there = topic && index >= 0 && static_cast<size_t>(index) < topic->partitions.size();
    return there ? topic->partitions[static_cast<size_t>(index)] : nullptr;
}

void DescribeOne(const Partition& partition, kafka::DescribeProducersResponsePartition& into) {
    for (const ProducerView& view : partition.Producers()) {
        auto& one = into.active_producers.emplace_back();
        one.producer_id = view.id;
        one.producer_epoch = view.epoch;
        one.last_sequence = view.last_sequence;
        one.last_timestamp = view.last_ms;
        one.coordinator_epoch = 0;
        if (view.transaction_first) one.current_txn_start_offset = static_cast<int64_t>(*view.transaction_first);
    }
}

}  // namespace

void HandleDescribeProducers(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DescribeProducersRequest>();
    if (!request) return;
    std::vector<std::string> names;
    for (const auto& topic : request->topics) names.push_back(topic.name);
    exchange->WithAccess("topic", names, [exchange, request = *std::move(request)](const std::vector<bool>& allowed) {
        kafka::DescribeProducersResponse answer;
        for (size_t index = 0; index < request.topics.size(); ++index) {
            const auto& topic = request.topics[index];
            auto known = exchange->broker().topics.Find(topic.name);
            exchange->Count("topic", topic.name, 0, 0);
            auto& into = answer.topics.emplace_back();
            into.name = topic.name;
            for (int32_t number : topic.partition_indexes) {
                auto& one = into.partitions.emplace_back();
                one.partition_index = number;
                auto partition = PartitionOf(known, number);
                if (!allowed[index]) {
                    one.error_code = CodeOf(KafkaError::kTopicAuthorizationFailed);
                } else if (!partition) {
                    one.error_code = CodeOf(KafkaError::kUnknownTopicOrPartition);
                } else {
                    DescribeOne(*partition, one);
                }
            }
        }
        exchange->Answer(answer);
    });
}

namespace {

// Blocks until it is in the log.
KafkaError AbortAndWait(Broker& broker, const std::shared_ptr<Partition>& partition, ProducerEpoch producer) {
    std::latch known(1);
    KafkaError error = KafkaError::kNone;
    broker.transactions.AbortIn(partition, producer, [&](const TransactionAnswer& told) {
        error = told.error;
        known.count_down();
    });
    known.wait();
    return error;
}

// Commits come from the coordinator alone, which is here: for all partitions of a transaction or for none.
KafkaError WriteMarker(const ExchangePtr& exchange, const kafka::WriteTxnMarkersRequestMarker& marker,
                       const std::string& topic, int32_t index) {
    Broker& broker = exchange->broker();
    KafkaError error = KafkaError::kNone;
    Status done = exchange->Run("topic", topic, [&](security::Call& call) -> Status {
        call.details["partition"] = index;
        call.details["producer"] = marker.producer_id;
        if (marker.transaction_result) {
            return kafka::MakeError(KafkaError::kInvalidRequest, "a transaction can only be aborted so");
        }
        auto partition = PartitionOf(broker.topics.Find(topic), index);
        error = partition ? AbortAndWait(broker, partition, {marker.producer_id, marker.producer_epoch})
                          : KafkaError::kUnknownTopicOrPartition;
        if (error != KafkaError::kNone) return kafka::MakeError(error, "nothing was aborted");
        return Ok();
    });
    return done.ok() ? KafkaError::kNone : kafka::KafkaErrorOf(done.error());
}

}  // namespace

void HandleWriteTxnMarkers(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::WriteTxnMarkersRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::WriteTxnMarkersResponse answer;
        for (const auto& marker : request.markers) {
            auto& into = answer.markers.emplace_back();
            into.producer_id = marker.producer_id;
            for (const auto& topic : marker.topics) {
                auto& one = into.topics.emplace_back();
                one.name = topic.name;
                for (int32_t index : topic.partition_indexes) {
                    one.partitions.push_back({index, CodeOf(WriteMarker(exchange, marker, topic.name, index))});
                }
            }
        }
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer
