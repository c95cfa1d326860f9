// The compressions of record batches. A bomb is an error: nothing decompresses to more than its limit, and no length
// that the bytes declare is allocated before its content is there.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace tarn::kafka {

// As in a batch's attributes.
enum class Compression : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };

// "none", "gzip", "snappy", "lz4", "zstd".
std::string_view CompressionName(Compression compression);

// Of Java's making (xerial's frames around snappy) or raw snappy as librdkafka may send it; one or more members of
// gzip, LZ4's frame format, zstd. CORRUPT_MESSAGE, or MESSAGE_TOO_LARGE past `bytes_max`.
Result<Bytes> Decompress(Compression compression, ByteSpan bytes, size_t bytes_max);
// As Java's client would write it. `level` 0 is the compression's own default.
Result<Bytes> Compress(Compression compression, ByteSpan bytes, int level = 0);

}  // namespace tarn::kafka
