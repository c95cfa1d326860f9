// Kafka's APIs: one row each. Their versions are those that the codec knows and the handlers serve.
#include <algorithm>

#include "ingestion/buffer/handlers.h"

namespace tarn::buffer {
namespace {

using kafka::ApiKey;
using security::AuditClass;
using security::Operation;

constexpr uint64_t kFrameBytesMax = 100 << 20;
constexpr int kConcurrentMax = 10'000;

constexpr Operation Row(std::string_view name, std::string_view action, std::string_view resource,
                        AuditClass audit_class = AuditClass::kRead) {
    return {"kafka", name, action, resource, audit_class, {kFrameBytesMax, kConcurrentMax}};
}

}  // namespace

const std::vector<ApiRow>& ApiRows() {
    constexpr std::string_view kSelf = security::kSelfAction, kPublic = security::kPublicAction;
    constexpr AuditClass kChange = AuditClass::kChange;
    static const std::vector<ApiRow> kRows = {
        // Versions 0 to 2 are advertised and not served: without them old librdkafkas turn compression off.
        {ApiKey::kProduce, 3, 12, Row("Produce", "topic:Write", "topic", kChange), HandleProduce, false, 0},
        {ApiKey::kFetch, 4, 17, Row("Fetch", "topic:Read", "topic"), HandleFetch},
        {ApiKey::kListOffsets, 1, 7, Row("ListOffsets", "topic:Describe", "topic"), HandleListOffsets},
        {ApiKey::kMetadata, 0, 13, Row("Metadata", kSelf, "topic"), HandleMetadata},
        {ApiKey::kOffsetCommit, 2, 9, Row("OffsetCommit", "group:Read", "group", kChange), HandleOffsetCommit},
        {ApiKey::kOffsetFetch, 1, 9, Row("OffsetFetch", "group:Describe", "group"), HandleOffsetFetch},
        {ApiKey::kFindCoordinator, 0, 4, Row("FindCoordinator", kSelf, "group"), HandleFindCoordinator},
        {ApiKey::kJoinGroup, 0, 9, Row("JoinGroup", "group:Read", "group"), HandleJoinGroup},
        {ApiKey::kHeartbeat, 0, 4, Row("Heartbeat", "group:Read", "group"), HandleHeartbeat},
        {ApiKey::kLeaveGroup, 0, 5, Row("LeaveGroup", "group:Read", "group"), HandleLeaveGroup},
        {ApiKey::kSyncGroup, 0, 5, Row("SyncGroup", "group:Read", "group"), HandleSyncGroup},
        {ApiKey::kSaslHandshake, 0, 1, Row("SaslHandshake", kPublic, "platform", AuditClass::kPublic),
         HandleSaslHandshake, true},
        {ApiKey::kApiVersions, 0, 4, Row("ApiVersions", kPublic, "platform", AuditClass::kPublic), HandleApiVersions,
         true},
        {ApiKey::kInitProducerId, 0, 5, Row("InitProducerId", kSelf, "platform", kChange), HandleInitProducerId},
        {ApiKey::kOffsetForLeaderEpoch, 2, 4, Row("OffsetForLeaderEpoch", "topic:Describe", "topic"),
         HandleOffsetForLeaderEpoch},
        {ApiKey::kAddPartitionsToTxn, 0, 3, Row("AddPartitionsToTxn", "transaction:Write", "transaction", kChange),
         HandleAddPartitionsToTxn},
        {ApiKey::kAddOffsetsToTxn, 0, 4, Row("AddOffsetsToTxn", "transaction:Write", "transaction", kChange),
         HandleAddOffsetsToTxn},
        {ApiKey::kEndTxn, 0, 5, Row("EndTxn", "transaction:Write", "transaction", kChange), HandleEndTxn},
        {ApiKey::kWriteTxnMarkers, 1, 1, Row("WriteTxnMarkers", "topic:Alter", "topic", kChange),
         HandleWriteTxnMarkers},
        {ApiKey::kTxnOffsetCommit, 0, 5, Row("TxnOffsetCommit", "group:Read", "group", kChange), HandleTxnOffsetCommit},
        {ApiKey::kDescribeGroups, 0, 6, Row("DescribeGroups", "group:Describe", "group"), HandleDescribeGroups},
        {ApiKey::kListGroups, 0, 5, Row("ListGroups", kSelf, "group"), HandleListGroups},
        {ApiKey::kDeleteGroups, 0, 2, Row("DeleteGroups", "group:Delete", "group", kChange), HandleDeleteGroups},
        {ApiKey::kOffsetDelete, 0, 0, Row("OffsetDelete", "group:Delete", "group", kChange), HandleOffsetDelete},
        {ApiKey::kCreateTopics, 2, 7, Row("CreateTopics", "topic:Create", "topic", kChange), HandleCreateTopics},
        {ApiKey::kDeleteTopics, 1, 6, Row("DeleteTopics", "topic:Delete", "topic", kChange), HandleDeleteTopics},
        {ApiKey::kCreatePartitions, 0, 3, Row("CreatePartitions", "topic:Alter", "topic", kChange),
         HandleCreatePartitions},
        {ApiKey::kDeleteRecords, 0, 2, Row("DeleteRecords", "topic:Delete", "topic", kChange), HandleDeleteRecords},
        {ApiKey::kConsumerGroupHeartbeat, 0, 1, Row("ConsumerGroupHeartbeat", "group:Read", "group"),
         HandleConsumerGroupHeartbeat},
        {ApiKey::kConsumerGroupDescribe, 0, 1, Row("ConsumerGroupDescribe", "group:Describe", "group"),
         HandleConsumerGroupDescribe},
        {ApiKey::kDescribeAcls, 1, 3, Row("DescribeAcls", "role:Read", "role"), HandleDescribeAcls},
        {ApiKey::kCreateAcls, 1, 3, Row("CreateAcls", "role:Write", "role", kChange), HandleCreateAcls},
        {ApiKey::kDeleteAcls, 1, 3, Row("DeleteAcls", "role:Write", "role", kChange), HandleDeleteAcls},
        {ApiKey::kDescribeConfigs, 1, 4, Row("DescribeConfigs", kSelf, "topic"), HandleDescribeConfigs},
        {ApiKey::kAlterConfigs, 0, 2, Row("AlterConfigs", "topic:AlterConfigs", "topic", kChange), HandleAlterConfigs},
        {ApiKey::kIncrementalAlterConfigs, 0, 1, Row("IncrementalAlterConfigs", "topic:AlterConfigs", "topic", kChange),
         HandleIncrementalAlterConfigs},
        {ApiKey::kDescribeCluster, 0, 1, Row("DescribeCluster", kSelf, "platform"), HandleDescribeCluster},
        {ApiKey::kDescribeProducers, 0, 0, Row("DescribeProducers", "topic:Read", "topic"), HandleDescribeProducers},
        {ApiKey::kDescribeTransactions, 0, 0, Row("DescribeTransactions", "transaction:Describe", "transaction"),
         HandleDescribeTransactions},
        {ApiKey::kListTransactions, 0, 1, Row("ListTransactions", kSelf, "transaction"), HandleListTransactions},
        {ApiKey::kDescribeLogDirs, 1, 4, Row("DescribeLogDirs", kSelf, "topic"), HandleDescribeLogDirs},
        {ApiKey::kDescribeClientQuotas, 0, 1, Row("DescribeClientQuotas", "quota:Describe", "platform"),
         HandleDescribeClientQuotas},
        {ApiKey::kAlterClientQuotas, 0, 1, Row("AlterClientQuotas", "quota:Alter", "platform", kChange),
         HandleAlterClientQuotas},
        {ApiKey::kSaslAuthenticate, 0, 2, Row("SaslAuthenticate", kPublic, "platform"), HandleSaslAuthenticate, true},
    };
    return kRows;
}

const ApiRow* FindRow(int16_t key) {
    const std::vector<ApiRow>& rows = ApiRows();
    auto row = std::find_if(rows.begin(), rows.end(),
                            [key](const ApiRow& one) { return static_cast<int16_t>(one.key) == key; });
    return row == rows.end() ? nullptr : &*row;
}

}  // namespace tarn::buffer
