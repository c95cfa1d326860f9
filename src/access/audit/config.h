#pragma once

#include "base/config.h"

namespace tarn::access {

struct AuditConfig {
    ByteSize segment{16 << 20};
    Duration flush_every = std::chrono::milliseconds(20);
    Duration keep = std::chrono::hours(24 * 400);  // 0: for ever
    int64_t sql_rows_max = 100'000;
};

inline void Bind(ConfigBinder& binder, AuditConfig& config) {
    binder.Key("segment", config.segment, "Size at which a new segment file is begun.");
    binder.Key("flush_every", config.flush_every, "Records of reads are fsynced at least this often; at most 50ms.");
    binder.Key("keep", config.keep, "Records older than this are dropped, whole segments at a time. 0: none ever.");
    binder.Key("sql_rows_max", config.sql_rows_max, "Newest records that system.audit shows.");
}

}  // namespace tarn::access
