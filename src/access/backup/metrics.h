#pragma once

#include "base/metrics.h"

namespace tarn::access {

struct BackupMetrics {
    explicit BackupMetrics(Metrics& metrics)
        : made(metrics.GetCounter("tarn_backup_made_total", "Backups that were made")),
          failed(metrics.GetCounter("tarn_backup_failed_total", "Backups that failed")),
          bytes(metrics.GetCounter("tarn_backup_bytes_copied_total", "Bytes copied into backups")),
          seconds(metrics.GetGauge("tarn_backup_seconds", "How long the last backup took")),
          last_success(metrics.GetGauge("tarn_backup_last_success_timestamp_seconds",
                                        "The instant whose state the newest backup holds, seconds since 1970")) {}
    Counter& made;
    Counter& failed;
    Counter& bytes;
    Gauge& seconds;
    Gauge& last_success;
};

}  // namespace tarn::access
