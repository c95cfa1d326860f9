// What compression.cc needs of each library; one file each includes it.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace tarn::kafka {

Error NotDecompressible(std::string_view compression, std::string_view why);
Error DecompressesToMuch(size_t bytes_max);

// Output whose size is not known before: it grows as it is filled, up to a limit.
class GrowingBytes {
  public:
    GrowingBytes(size_t compressed_size, size_t bytes_max);
    // Room behind what is there; empty when the limit is reached.
    MutableByteSpan Room();
    void Filled(size_t bytes) { used_ += bytes; }
    size_t bytes_max() const { return bytes_max_; }
    Bytes Take() &&;

  private:
    size_t bytes_max_;
    size_t used_ = 0;
    Bytes bytes_;
};

Result<Bytes> GzipDecompress(ByteSpan bytes, size_t bytes_max);
Result<Bytes> GzipCompress(ByteSpan bytes, int level);
Result<Bytes> SnappyDecompress(ByteSpan bytes, size_t bytes_max);
Result<Bytes> SnappyCompress(ByteSpan bytes);
Result<Bytes> Lz4Decompress(ByteSpan bytes, size_t bytes_max);
Result<Bytes> Lz4Compress(ByteSpan bytes, int level);
Result<Bytes> ZstdDecompress(ByteSpan bytes, size_t bytes_max);
Result<Bytes> ZstdCompress(ByteSpan bytes, int level);

}  // namespace tarn::kafka
