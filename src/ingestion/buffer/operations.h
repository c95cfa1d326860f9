// The HTTP operations of topics and consumer groups. Internal to the component.
#pragma once

#include <string>
#include <vector>

#include "ingestion/buffer/config.h"
#include "ingestion/buffer/groups.h"
#include "ingestion/buffer/throughput.h"
#include "ingestion/buffer/topic_store.h"
#include "ingestion/buffer/topics.h"
#include "security/authenticator.h"
#include "security/operation.h"
#include "security/router.h"

namespace tarn::buffer {

struct OperationsDependencies {
    Env& env;
    const security::Gate& gate;
    TopicStore& topics;
    Groups& groups;
    const Throughput& throughput;
    Topics& records;
    security::Authenticator& authenticator;
    const BufferConfig& config;

    bool May(const security::Principal& principal, std::string_view action, const std::string& kind,
             const std::string& name) const {
        return gate.Decide(principal, action, {kind, name}).allowed;
    }
};

// topic_operations.cc: GET /api/v1/topics and below.
std::vector<security::Route> TopicRoutes(OperationsDependencies dependencies);
// record_operations.cc: GET /api/v1/topics/{name}/records and below.
std::vector<security::Route> RecordRoutes(OperationsDependencies dependencies);
// group_operations.cc: GET /api/v1/consumer-groups and below.
std::vector<security::Route> GroupRoutes(OperationsDependencies dependencies);

// How far a group is behind in one partition; less than nothing was committed beyond the end.
struct PartitionLag {
    int64_t start = 0, end = 0, lag = 0;
};
PartitionLag LagOf(const Partition& partition, const CommittedOffset& committed);
// A member's share by topic; empty for a group whose members are no consumers.
std::map<std::string, std::vector<int32_t>> ShareOf(const GroupMemberView& member);

}  // namespace tarn::buffer
