// Buffer: topics. A durable log that every Kafka client uses unmodified: acknowledged means fsynced and encrypted.
//
// Does: Kafka's protocol on a listener of its own; topics with partitions, retention, idempotent producers, consumer
// groups. Never: answers a produce before its batches are on the disk, rewrites a batch that it was sent.
// Who: constructed by app, before the workspace is applied; the listener opens at Listen. Threads: any.
// State: `buffer/` in the state directory (the log: docs/formats/buffer.md), tables `buffer_*` in metadata.
// Fails: a full disk refuses writes with an error that clients retry; after a failed fsync nothing is taken until the
// program starts again; damage is found by the seal of each entry, and told.
//
//   auto buffer = TRY(buffer::Buffer::Create(config, "state/buffer", dependencies));
//   TRY(buffer->Listen({address, tls}));
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/net.h"
#include "ingestion/buffer/config.h"
#include "metadata/metadata.h"
#include "security/authenticator.h"
#include "security/keys.h"
#include "security/operation.h"
#include "security/role_store.h"
#include "security/router.h"

namespace tarn::catalog {
class DatasetProvider;
}

namespace tarn::buffer {

class Topics;

struct BufferDependencies {
    Env& env;
    metadata::Database& metadata;
    security::Authenticator& authenticator;
    security::Dispatcher& dispatcher;
    security::KeyProvider& keys;
    security::RoleStore& roles;
    Metrics& metrics;
    Log& log;
};

struct KafkaListener {
    Address listen;
    std::string advertised;  // the host that clients are told; empty: the one that is listened on
    std::shared_ptr<TlsContext> tls;
};

// The log as it is at one instant, for a copy: nothing of it goes while this lives, and writes go on.
struct LogHold {
    struct Piece {
        std::string path;  // below the buffer's folder
        uint64_t bytes = 0;  // its first; what lies behind them is younger
        std::shared_ptr<const File> file;  // what is replaced meanwhile is there already; otherwise none
    };
    std::vector<Piece> pieces;
    std::shared_ptr<void> held;  // ends with its last copy
};

struct LogReport {
    uint64_t segments = 0;
    uint64_t batches = 0;
    uint64_t bytes = 0;
    std::vector<std::string> issues;  // each says which records of which topic, and where
};

class Buffer {
  public:
    static Result<std::unique_ptr<Buffer>> Create(BufferConfig config, std::string directory,
                                                  BufferDependencies dependencies);
    virtual ~Buffer() = default;
    virtual Status Listen(KafkaListener listener) = 0;
    virtual void StopListening() = 0;
    virtual Address address() const = 0;
    // For the rest of the program; good as long as the buffer is, also after StopListening.
    virtual Topics& topics() = 0;
    // GET /api/v1/topics, /api/v1/consumer-groups and below.
    virtual std::vector<security::Route> Routes() = 0;
    // The schema `topic`.
    virtual catalog::DatasetProvider& AsProvider() = 0;
    // Up to where topics were archived: by topic and partition, what is behind is not dropped. Asked before retention.
    using Kept = std::map<std::string, std::map<int32_t, int64_t>>;
    virtual void KeepFor(std::function<Result<Kept>()> archived) = 0;
    // Retention; called now and then.
    virtual Status Maintain() = 0;
    virtual Status Health() = 0;
    virtual Result<LogHold> HoldLog() = 0;
    // Reads all of it back, and whether what topics keep is there.
    virtual Result<LogReport> VerifyLog() = 0;
};

// Kafka's APIs, as rows.
std::vector<security::Operation> KafkaOperations();

}  // namespace tarn::buffer
