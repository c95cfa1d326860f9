// A version of a table as one file in the destination's format: csv, JSON lines or Parquet. Internal to the component.
#pragma once

#include "processing/destinations/outgoing_files.h"
#include "processing/destinations/target.h"

namespace tarn::destinations {

struct WrittenTable {
    int64_t rows = 0;
    int64_t bytes = 0;
    engine::WrittenFile parquet;  // if it is Parquet: its statistics
};
// As the delivery's owner sees it, streamed into `sink`.
Result<WrittenTable> WriteTable(Delivery& delivery, const std::string& select, OutgoingFiles& outgoing,
                                ByteWriter& sink);

}  // namespace tarn::destinations
