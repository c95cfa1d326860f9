#pragma once

#include <map>
#include <string>

#include "base/config.h"

namespace tarn::access {

struct BudgetConfig {
    ByteSize memory{0};
    ByteSize disk{0};
    ByteSize disk_warn{0};
    ByteSize disk_stop{0};
};

inline void Bind(ConfigBinder& binder, BudgetConfig& config) {
    binder.Key("memory", config.memory,
               "Memory of the whole program; 0: eight tenths of what the machine, or its control group, has.");
    binder.Key("disk", config.disk, "Disk that the state directory may take; 0: all there is.");
    binder.Key("disk_warn", config.disk_warn,
               "With less left health warns and caches stop growing; 0: a tenth of the disk, at most 10GiB.");
    binder.Key("disk_stop", config.disk_stop,
               "With less left writes are refused; 0: a fiftieth of the disk, at most 1GiB.");
}

// What the people of a role may take together, or each statement of theirs; 0: no limit.
struct RoleLimits {
    int queries = 0;
    ByteSize memory{0};
    int64_t rows = 0;
    ByteSize bytes{0};
    Duration time{0};
    int calls = 0;
    bool operator==(const RoleLimits& other) const {
        return queries == other.queries && memory.bytes == other.memory.bytes && rows == other.rows &&
               bytes.bytes == other.bytes.bytes && time == other.time && calls == other.calls;
    }
};
using LimitsConfig = std::map<std::string, RoleLimits>;  // by role

inline void Bind(ConfigBinder& binder, RoleLimits& limits) {
    binder.Key("queries", limits.queries, "Statements of the role's people that run at once; further ones wait.");
    binder.Key("memory", limits.memory, "Memory of all these statements; they spill beyond it.");
    binder.Key("rows", limits.rows, "Rows that one statement may answer.");
    binder.Key("bytes", limits.bytes, "Bytes that one statement may answer, about.");
    binder.Key("time", limits.time, "How long one statement may take.");
    binder.Key("calls", limits.calls, "S3 calls of the role's people that run at once.");
    if (binder.describing()) return;
    bool negative = limits.queries < 0 || limits.rows < 0 || limits.calls < 0;
    if (negative) binder.Report("", "a limit is 0 (none) or more");
}

}  // namespace tarn::access
