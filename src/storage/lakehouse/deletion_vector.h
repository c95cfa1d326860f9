// Deletion vectors: which rows of a file are gone. Format: docs/formats/delta.md, "Deletion vectors".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "security/principal.h"
#include "storage/lake/lake.h"
#include "storage/lakehouse/actions.h"
#include "storage/lakehouse/log_files.h"

namespace tarn::lakehouse {

// The vector's rows as a serialised 64 bit Roaring bitmap (portable format): what engine::ScanFile wants. Magic,
// checksum, size and cardinality are checked; kCorruption says which was wrong.
Result<std::string> LoadDeletionVector(lake::Lake& lake, const security::Principal& principal,
                                       const TableLocation& location, const DeletionVector& vector);

// "bucket/key" of the file that holds a vector of type 'u' or 'p'.
Result<std::string> DeletionVectorPath(const TableLocation& location, const DeletionVector& vector);

// Z85 (ZeroMQ RFC 32). kCorruption for a wrong length or character.
Result<Bytes> Z85Decode(std::string_view text);

// Counts the rows of a portable 64 bit Roaring bitmap; kCorruption if it is none.
Result<uint64_t> CountBitmap(ByteSpan serialized);
// For tests and, later, for writing vectors.
std::string MakeBitmap(const std::vector<uint64_t>& rows);

}  // namespace tarn::lakehouse
