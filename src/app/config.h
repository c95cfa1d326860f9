// tarn.yaml: what the program itself is told. Every key has a default; an empty file is valid.
#pragma once

#include <string>
#include <vector>

#include "access/audit/config.h"
#include "access/backup/config.h"
#include "access/budget/config.h"
#include "access/encryption/config.h"
#include "access/identity/config.h"
#include "access/monitoring/config.h"
#include "base/config.h"
#include "base/env.h"
#include "ingestion/buffer/config.h"
#include "processing/jobs/config.h"

namespace tarn::app {

struct ListenConfig {
    std::string web = "127.0.0.1:8080";
    std::string s3 = "127.0.0.1:9000";
    std::string sql = "127.0.0.1:5439";
    std::string kafka = "127.0.0.1:9092";
    std::string kafka_host;
};

struct TlsConfig {
    std::string certificate;  // PEM files, relative to the workspace
    std::string key;
};

struct StateConfig {
    std::string directory = ".tarn";
};

struct EngineLimits {
    ByteSize memory{0};
    int threads = 0;
    ByteSize spill{0};
};

struct TableSettings {
    Duration keep = std::chrono::hours(24 * 7);
};

struct WarehouseSettings {
    ByteSize disk{0};
    int parallel = 1;
    int versions = 1;
};

struct RunLimits {
    int parallel = 4;
    Json pools = Json::object();  // name -> how many of its runs go at the same time
    int64_t keep = 10000;
    Duration keep_for = std::chrono::hours(24 * 90);
};

struct LogSettings {
    std::string level = "info";
    ByteSize file_bytes_max{64 << 20};
    int files_max = 5;
};

struct TarnConfig {
    std::string name = "tarn";
    std::string description;
    std::vector<std::string> hosts;
    ListenConfig listen;
    TlsConfig tls;
    StateConfig state;
    EngineLimits engine;
    TableSettings tables;
    WarehouseSettings warehouse;
    buffer::BufferConfig buffer;
    RunLimits runs;
    jobs::JobsConfig jobs;
    LogSettings log;
    identity::IdentityConfig identity;
    access::AuditConfig audit;
    access::MonitoringConfig monitoring;
    access::BackupConfig backup;
    access::BudgetConfig budget;
    access::LimitsConfig limits;  // by role
    access::EncryptionConfig encryption;
};

void Bind(ConfigBinder& binder, TarnConfig& config);

// What this process may have: the machine's memory or, if that is less, the limit of its control group. 0 where the
// system does not say.
int64_t MachineMemory(Env& env);
// What queries may use together: as `engine.memory` says, else half of that, in any case five eighths of the budget's.
int64_t EngineMemory(const TarnConfig& config, int64_t machine_bytes);

// Reads <directory>/tarn.yaml; the defaults where there is none.
Result<TarnConfig> ReadTarnConfig(Env& env, const std::string& directory);

}  // namespace tarn::app
