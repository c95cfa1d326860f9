#pragma once

#include "base/config.h"

namespace tarn::access {

struct MonitoringConfig {
    ByteSize disk_free_min{1 << 30};
    bool metrics_public = true;
};

inline void Bind(ConfigBinder& binder, MonitoringConfig& config) {
    binder.Key("disk_free_min", config.disk_free_min,
               "Less free space for the state directory than this is unhealthy.");
    binder.Key("metrics_public", config.metrics_public, "/metrics needs no login; otherwise monitoring:Read.");
}

}  // namespace tarn::access
