// What the lake counts.
#pragma once

#include "base/metrics.h"

namespace tarn::lake {

struct LakeMetrics {
    explicit LakeMetrics(Metrics& metrics)
        : objects_put(metrics.GetCounter("tarn_lake_puts_total", "Objects and parts written and committed.")),
          put_bytes(metrics.GetCounter("tarn_lake_put_bytes_total", "Bytes of content written and committed.")),
          opens(metrics.GetCounter("tarn_lake_opens_total", "Objects opened for reading.")),
          read_bytes(metrics.GetCounter("tarn_lake_read_bytes_total", "Bytes of content decrypted and handed out.")),
          deletes(metrics.GetCounter("tarn_lake_deletes_total", "Objects deleted.")),
          lists(metrics.GetCounter("tarn_lake_lists_total", "Pages of listings.")),
          corruptions(metrics.GetCounter("tarn_lake_corruptions_total", "Reads that found stored bytes damaged.")),
          orphans(metrics.GetCounter("tarn_lake_orphans_removed_total", "Files without a row removed at start.")),
          put_seconds(metrics.GetHistogram("tarn_lake_put_seconds", "From the content's end to the durable commit.")) {}

    Counter& objects_put;
    Counter& put_bytes;
    Counter& opens;
    Counter& read_bytes;
    Counter& deletes;
    Counter& lists;
    Counter& corruptions;
    Counter& orphans;
    Histogram& put_seconds;
};

}  // namespace tarn::lake
