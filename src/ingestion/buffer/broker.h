// Broker: what the handlers of Kafka's APIs work with. Internal to the component.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/net.h"
#include "ingestion/buffer/acls.h"
#include "ingestion/buffer/config.h"
#include "ingestion/buffer/groups.h"
#include "ingestion/buffer/quotas.h"
#include "ingestion/buffer/timers.h"
#include "ingestion/buffer/topic_store.h"
#include "ingestion/buffer/transactions.h"
#include "security/authenticator.h"
#include "security/operation.h"

namespace tarn::buffer {

// Tarn is one broker: it leads every partition, of whose leadership there is one epoch.
inline constexpr int32_t kBrokerId = 1;
inline constexpr int32_t kLeaderEpoch = 0;

struct Broker {
    Env& env;
    Log& log;
    Metrics& metrics;
    security::Authenticator& authenticator;
    security::Dispatcher& dispatcher;
    TopicStore& topics;
    Groups& groups;
    Quotas& quotas;
    Acls& acls;
    Transactions& transactions;
    Timers& timers;
    const BufferConfig& config;
    Executor& executor;  // for what blocks
    Address advertised;  // where clients find us

    security::Gate& gate() const { return dispatcher.gate(); }
};

}  // namespace tarn::buffer
