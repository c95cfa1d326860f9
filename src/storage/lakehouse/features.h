// Which table features of Delta we read and write, and what each demands.
#pragma once

#include <vector>

#include "base/result.h"
#include "storage/lakehouse/actions.h"
#include "storage/lakehouse/delta_schema.h"

namespace tarn::lakehouse {

// kNotSupported naming the feature or version that we can't read.
Status CheckReadable(const Protocol& protocol);

enum class ChangeKind : uint8_t { kAppend, kReplace };  // kReplace: removes rows
// kNotSupported naming what we can't write, kFailedPrecondition for an append-only table.
Status CheckWritable(const Protocol& protocol, const Metadata& metadata, const std::vector<DeltaField>& schema,
                     ChangeKind change);

// The least protocol for a new table of ours.
Protocol ProtocolFor(const std::vector<DeltaField>& schema);
// `current` with what `schema` needs besides.
Protocol Upgrade(const Protocol& current, const std::vector<DeltaField>& schema);

enum class ColumnMapping : uint8_t { kNone, kName, kId };
Result<ColumnMapping> ColumnMappingOf(const Metadata& metadata);

}  // namespace tarn::lakehouse
