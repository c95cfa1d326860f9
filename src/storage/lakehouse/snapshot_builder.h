// From what a log says to what the engine scans.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "storage/lakehouse/lakehouse.h"
#include "storage/lakehouse/log_files.h"
#include "storage/lakehouse/table_state.h"

namespace tarn::lakehouse {

// Deletion vectors that were read already, by the key of their file in the log (which names the vector).
using VectorCache = std::map<std::string, std::string>;

// Takes known vectors from `vectors`, and leaves there those that the state needs.
Result<std::shared_ptr<const Snapshot>> BuildSnapshot(lake::Lake& lake, const TableLocation& location,
                                                      const TableState& state, VectorCache& vectors);

// The columns of a schema, as they are found in the files.
Result<std::vector<engine::ScanColumn>> ToScanColumns(const std::vector<DeltaField>& schema, const Metadata& metadata);

}  // namespace tarn::lakehouse
