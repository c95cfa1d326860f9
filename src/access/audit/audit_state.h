// What the files of this folder share of Audit. Not part of the door.
#pragma once

#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "access/audit/audit.h"
#include "access/audit/log_writer.h"

namespace tarn::access {

struct Audit::State {
    State(const AuditConfig& config_in, const AuditDependencies& dependencies, Secret key)
        : config(config_in),
          env(dependencies.env),
          database(dependencies.database),
          log(dependencies.log),
          folder(dependencies.folder),
          metrics(dependencies.metrics),
          audit_key(std::move(key)),
          writer(env, audit_key, folder, static_cast<uint64_t>(config.segment.bytes), metrics) {}

    std::string PathOf(uint64_t number) const { return folder + "/" + SegmentName(number); }

    const AuditConfig config;
    Env& env;
    metadata::Database& database;
    Log& log;
    const std::string folder;
    AuditInstruments metrics;
    const Secret audit_key;
    LogWriter writer;
    std::vector<std::string> findings;  // set once, at start

    std::shared_mutex segments;  // shared: none is removed
    std::mutex mutex;  // of what follows
    std::condition_variable wake;
    bool stopping = false;
    AuditHead stored;
    Status store_status;
    std::thread background;
};

// The head as it was last kept in the metadata; none at the first start.
Result<std::optional<AuditHead>> LoadHead(metadata::Database& database);
// What the log says of itself.
security::AuditEvent OwnEvent(std::string action, std::string operation, Json details);

}  // namespace tarn::access
