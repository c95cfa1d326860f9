// What a table's log tells about its versions, for catalog and people.
#pragma once

#include "storage/catalog/catalog.h"
#include "storage/lakehouse/delta_log.h"

namespace tarn::lakehouse {

catalog::DatasetVersion ToDatasetVersion(const CommitHeader& header);

}  // namespace tarn::lakehouse
