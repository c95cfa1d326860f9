#pragma once

#include "base/config.h"

namespace tarn::access {

struct BackupConfig {
    std::string to;
    Duration every{0};
    int keep = 14;
};

inline void Bind(ConfigBinder& binder, BackupConfig& config) {
    binder.Key("to", config.to, "A folder, best on another disk, which belongs to this platform's backups alone.");
    binder.Key("every", config.every, "How often a backup is made by itself; 0: only by `tarn backup`.");
    binder.Key("keep", config.keep, "Backups that are kept; older ones go after a new one was made. 0: all.");
    if (config.every.count() != 0 && config.to.empty()) binder.Report("every", "backups need a place: set `to`");
    constexpr Duration kEveryMin = std::chrono::minutes(1);
    bool too_often = config.every.count() != 0 && config.every < kEveryMin;
    if (too_often || config.every.count() < 0) binder.Report("every", "must be a minute or more, or 0");
    if (config.keep < 0) binder.Report("keep", "must be 0 or more");
}

}  // namespace tarn::access
