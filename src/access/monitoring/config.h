#pragma once

#include "base/config.h"

namespace tarn::access {

struct MonitoringConfig {
    bool metrics_public = true;
};

inline void Bind(ConfigBinder& binder, MonitoringConfig& config) {
    binder.Key("metrics_public", config.metrics_public, "/metrics needs no login; otherwise monitoring:Read.");
}

}  // namespace tarn::access
