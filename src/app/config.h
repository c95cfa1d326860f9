// tarn.yaml: what the program itself is told. Every key has a default; an empty file is valid.
#pragma once

#include <string>
#include <vector>

#include "base/config.h"
#include "base/env.h"

namespace tarn::app {

struct ListenConfig {
    std::string web = "127.0.0.1:8080";
    std::string s3 = "127.0.0.1:9000";
    std::string sql = "127.0.0.1:5439";
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

struct RunLimits {
    int parallel = 4;
    int64_t keep = 10000;
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
    RunLimits runs;
    LogSettings log;
};

void Bind(ConfigBinder& binder, TarnConfig& config);

// Reads <directory>/tarn.yaml; the defaults where there is none.
Result<TarnConfig> ReadTarnConfig(Env& env, const std::string& directory);

}  // namespace tarn::app
