#pragma once

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

}  // namespace tarn::access
