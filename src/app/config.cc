#include "app/config.h"

#include <algorithm>

#include "base/number.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr std::string_view kLater = "comes with a later version of Tarn; take it out";

// Files of /proc and /sys tell no size, so ReadFile would read nothing.
std::string ReadSystemFile(Env& env, const std::string& path) {
    auto file = env.files().Open(path);
    if (!file.ok()) return {};
    Bytes buffer(16 << 10);
    auto size = (*file)->ReadAt(0, buffer);
    if (!size.ok()) return {};
    return {buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*size)};
}

// Of "max\n" and of what is absent: none.
void TakeLimit(Env& env, const std::string& path, int64_t& bytes) {
    std::optional<int64_t> limit = ParseInteger(Trim(ReadSystemFile(env, path)));
    if (limit && *limit > 0) bytes = std::min(bytes, *limit);
}

// The groups that this process is in: version 2 is "0::/a/b", of version 1 the memory controller's line counts.
void TakeGroupLimits(Env& env, int64_t& bytes) {
    for (const std::string& line : Split(ReadSystemFile(env, "/proc/self/cgroup"), '\n')) {
        std::vector<std::string> parts = Split(line, ':');
        if (parts.size() != 3 || !parts[2].starts_with('/')) continue;
        bool version2 = parts[0] == "0" && parts[1].empty();
        if (!version2 && parts[1] != "memory") continue;
        std::string root = version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        const char* name = version2 ? "/memory.max" : "/memory.limit_in_bytes";
        // A limit of any group above holds too. In a container the path may be the host's: then only the root is there.
        for (std::string group = parts[2];; group.resize(group.rfind('/'))) {
            TakeLimit(env, root + (group == "/" ? "" : group) + name, bytes);
            if (group.empty() || group == "/") break;
        }
    }
}

}  // namespace

void Bind(ConfigBinder& binder, ListenConfig& config) {
    binder.Key("web", config.web, "Web UI and HTTP API. Port 0 picks a free one. Off loopback needs `tls`.");
    binder.Key("s3", config.s3, "The lake's S3 API.");
    binder.Key("sql", config.sql, "PostgreSQL wire protocol.");
    binder.Key("kafka", config.kafka, "Kafka's protocol.");
    binder.Key("kafka_host", config.kafka_host,
               "The host name that Kafka's clients are told to come back to; empty: that of `kafka`.");
}

void Bind(ConfigBinder& binder, TlsConfig& config) {
    binder.Key("certificate", config.certificate, "PEM file with the certificate chain, relative to the workspace.");
    binder.Key("key", config.key, "PEM file with the private key.");
}

void Bind(ConfigBinder& binder, StateConfig& config) {
    binder.Key("directory", config.directory, "Where all state is kept, relative to the workspace.");
}

void Bind(ConfigBinder& binder, EngineLimits& config) {
    binder.Key("memory", config.memory,
               "Memory that queries may use together; 0: half of the machine's. At most 5/8 of `budget.memory`.");
    binder.Key("threads", config.threads, "Threads of the SQL engine; 0: as many as the machine has cores.");
    binder.Key("spill", config.spill, "Disk that queries may spill to; 0: nine tenths of what is free.");
}

void Bind(ConfigBinder& binder, TableSettings& config) {
    binder.Key("keep", config.keep,
               "How long old versions of tables, and tables that were removed, are kept; then their files go.");
}

void Bind(ConfigBinder& binder, WarehouseSettings& config) {
    binder.Key("disk", config.disk, "Disk that all serving caches may take; 0: a tenth of what is free.");
    binder.Key("parallel", config.parallel, "Serving caches that are built at the same time.");
    binder.Key("versions", config.versions, "Versions of a table that are cached: 1 is the newest only.");
}

void Bind(ConfigBinder& binder, RunLimits& config) {
    binder.Key("parallel", config.parallel, "Tasks that run at the same time.");
    binder.Any("pools", config.pools, "Places of named pools, as {database: 2}: how many of their runs go at once.");
    binder.Key("keep", config.keep, "Ended runs that are kept.");
    binder.Key("keep_for", config.keep_for, "Ended runs older than this go too. 0: however old.");
    if (binder.describing()) return;
    bool right = config.pools.is_object();
    for (const auto& [name, places] : config.pools.items()) {
        right = right && places.is_number_integer() && places.get<int64_t>() >= 1 && places.get<int64_t>() <= 1000;
    }
    if (!right) binder.Report("pools", "pools maps names to 1 to 1000 places, as {database: 2}");
}

void Bind(ConfigBinder& binder, LogSettings& config) {
    binder.Choice("level", config.level, {"debug", "info", "warning", "error"}, "What is written to the log.");
    binder.Key("file_bytes_max", config.file_bytes_max, "The log is rotated at this size.");
    binder.Key("files_max", config.files_max, "Rotated logs that are kept.");
}

void Bind(ConfigBinder& binder, TarnConfig& config) {
    binder.Key("name", config.name, "The platform's name, shown in the UI.");
    binder.Key("description", config.description, "One sentence about it.");
    binder.Key("hosts", config.hosts, "Host names by which browsers may reach the web UI, besides localhost.");
    binder.Section("listen", config.listen, "Where Tarn listens.");
    binder.Section("tls", config.tls, "Certificate for every listener; demanded off loopback.");
    binder.Section("state", config.state, "The state directory.");
    binder.Section("engine", config.engine, "Limits of the SQL engine.");
    binder.Section("tables", config.tables, "The tables of the lakehouse.");
    binder.Section("warehouse", config.warehouse, "The serving caches of tables with `cache: yes`.");
    binder.Section("buffer", config.buffer, "Topics, and the log that they lie in.");
    binder.Section("runs", config.runs, "Limits of runs.");
    binder.Section("jobs", config.jobs, "What jobs find on this machine.");
    binder.Section("log", config.log, "The program's log, in the state directory under log/.");
    binder.Section("identity", config.identity, "How long credentials live, and how many there may be.");
    binder.Section("audit", config.audit, "The audit log.");
    binder.Section("monitoring", config.monitoring, "Health and metrics.");
    binder.Section("budget", config.budget, "What the whole program may take of memory and disk.");
    binder.Map("limits", config.limits, "What the people of a role may take, by role; of several roles the largest.");
    binder.Section("backup", config.backup, "Backups that are made by themselves.");
    binder.Section("encryption", config.encryption, "Where the root key lies.");
    binder.NotYet("lake", kLater);
}

int64_t MachineMemory(Env& env) {
    int64_t bytes = INT64_MAX;
    for (const std::string& line : Split(ReadSystemFile(env, "/proc/meminfo"), '\n')) {
        if (!line.starts_with("MemTotal:")) continue;
        std::string text(Trim(std::string_view(line).substr(9)));
        std::optional<int64_t> kilobytes = ParseInteger(text.substr(0, text.find(' ')));
        if (kilobytes) bytes = *kilobytes * 1024;
    }
    TakeGroupLimits(env, bytes);
    return bytes == INT64_MAX ? 0 : bytes;
}

int64_t EngineMemory(const TarnConfig& config, int64_t machine_bytes) {
    int64_t bytes = config.engine.memory.bytes > 0 ? config.engine.memory.bytes : machine_bytes / 2;
    int64_t budget = config.budget.memory.bytes;
    if (budget == 0) return bytes;
    return bytes == 0 ? budget / 8 * 5 : std::min(bytes, budget / 8 * 5);
}

Result<TarnConfig> ReadTarnConfig(Env& env, const std::string& directory) {
    std::string path = directory + "/tarn.yaml";
    if (!env.files().Exists(path)) return TarnConfig{};
    return LoadConfig<TarnConfig>(TRY(ReadFile(env, path, 1 << 20)), "tarn.yaml");
}

}  // namespace tarn::app
