#pragma once

#include "base/metrics.h"

namespace tarn::access {

struct AuditInstruments {
    explicit AuditInstruments(Metrics& metrics)
        : records(metrics.GetCounter("tarn_audit_records_total", "Records written")),
          bytes(metrics.GetCounter("tarn_audit_bytes_total", "Bytes written")),
          syncs(metrics.GetCounter("tarn_audit_syncs_total", "Group commits: fsyncs of the log")),
          failures(metrics.GetCounter("tarn_audit_failures_total", "Records that could not be written")),
          sync_seconds(metrics.GetHistogram("tarn_audit_sync_seconds", "An fsync of the log")),
          findings(metrics.GetGauge("tarn_audit_findings", "Damage found at the last start or verification")) {}
    Counter& records;
    Counter& bytes;
    Counter& syncs;
    Counter& failures;
    Histogram& sync_seconds;
    Gauge& findings;
};

}  // namespace tarn::access
