// The handlers of Kafka's APIs, by file. Internal to the component. Each is given an exchange whose message it decodes
// and which it answers, now or later.
#pragma once

#include "ingestion/buffer/session.h"
#include "wire/kafka/errors.h"

namespace tarn::buffer {

using kafka::KafkaError;
inline constexpr size_t kMetadataBytesMax = 4096;  // of a committed offset, as with Kafka
inline int16_t CodeOf(KafkaError error) { return static_cast<int16_t>(error); }
inline int16_t CodeOf(const Error& error) { return CodeOf(kafka::KafkaErrorOf(error)); }

// handlers_login.cc
void HandleApiVersions(const ExchangePtr& exchange);
void HandleSaslHandshake(const ExchangePtr& exchange);
void HandleSaslAuthenticate(const ExchangePtr& exchange);
// handlers_produce.cc
void HandleProduce(const ExchangePtr& exchange);
// handlers_fetch.cc
void HandleFetch(const ExchangePtr& exchange);
void HandleListOffsets(const ExchangePtr& exchange);
void HandleOffsetForLeaderEpoch(const ExchangePtr& exchange);
// handlers_topics.cc
void HandleMetadata(const ExchangePtr& exchange);
// handlers_admin.cc
void HandleCreateTopics(const ExchangePtr& exchange);
void HandleDeleteTopics(const ExchangePtr& exchange);
void HandleCreatePartitions(const ExchangePtr& exchange);
void HandleDeleteRecords(const ExchangePtr& exchange);
void HandleDescribeLogDirs(const ExchangePtr& exchange);
// handlers_settings.cc
void HandleDescribeConfigs(const ExchangePtr& exchange);
void HandleAlterConfigs(const ExchangePtr& exchange);
void HandleIncrementalAlterConfigs(const ExchangePtr& exchange);
void HandleDescribeCluster(const ExchangePtr& exchange);
// handlers_consumer_groups.cc
void HandleConsumerGroupHeartbeat(const ExchangePtr& exchange);
void HandleConsumerGroupDescribe(const ExchangePtr& exchange);
// handlers_acls.cc
void HandleDescribeAcls(const ExchangePtr& exchange);
void HandleCreateAcls(const ExchangePtr& exchange);
void HandleDeleteAcls(const ExchangePtr& exchange);
// handlers_quotas.cc
void HandleDescribeClientQuotas(const ExchangePtr& exchange);
void HandleAlterClientQuotas(const ExchangePtr& exchange);
// handlers_members.cc
void HandleFindCoordinator(const ExchangePtr& exchange);
void HandleJoinGroup(const ExchangePtr& exchange);
void HandleSyncGroup(const ExchangePtr& exchange);
void HandleHeartbeat(const ExchangePtr& exchange);
void HandleLeaveGroup(const ExchangePtr& exchange);
// handlers_groups.cc
void HandleOffsetCommit(const ExchangePtr& exchange);
void HandleOffsetFetch(const ExchangePtr& exchange);
// handlers_group_admin.cc
void HandleOffsetDelete(const ExchangePtr& exchange);
void HandleDescribeGroups(const ExchangePtr& exchange);
void HandleListGroups(const ExchangePtr& exchange);
void HandleDeleteGroups(const ExchangePtr& exchange);

// handlers_transactions.cc
void HandleInitProducerId(const ExchangePtr& exchange);
void HandleAddPartitionsToTxn(const ExchangePtr& exchange);
void HandleAddOffsetsToTxn(const ExchangePtr& exchange);
void HandleTxnOffsetCommit(const ExchangePtr& exchange);
void HandleEndTxn(const ExchangePtr& exchange);
// handlers_transaction_admin.cc
void HandleListTransactions(const ExchangePtr& exchange);
void HandleDescribeTransactions(const ExchangePtr& exchange);
void HandleDescribeProducers(const ExchangePtr& exchange);
void HandleWriteTxnMarkers(const ExchangePtr& exchange);

}  // namespace tarn::buffer
