#include "wire/kafka/compression.h"

#include <fmt/format.h>

#include <algorithm>

#include "wire/kafka/compressions.h"
#include "wire/kafka/errors.h"

namespace tarn::kafka {
namespace {

constexpr size_t kFirstRoomMax = 64 << 10;

}  // namespace

Error NotDecompressible(std::string_view compression, std::string_view why) {
    return MakeError(KafkaError::kCorruptMessage, fmt::format("the records are no {}: {}", compression, why));
}

Error DecompressesToMuch(size_t bytes_max) {
    return MakeError(KafkaError::kMessageTooLarge,
                     fmt::format("the records have more than {} bytes when decompressed", bytes_max));
}

GrowingBytes::GrowingBytes(size_t compressed_size, size_t bytes_max)
    : bytes_max_(bytes_max), bytes_(std::min(bytes_max, std::max(compressed_size * 2, kFirstRoomMax))) {}

MutableByteSpan GrowingBytes::Room() {
    if (used_ == bytes_.size()) bytes_.resize(std::min(bytes_max_, bytes_.size() * 2));
    return MutableByteSpan(bytes_).subspan(used_);
}

Bytes GrowingBytes::Take() && {
    bytes_.resize(used_);
    return std::move(bytes_);
}

std::string_view CompressionName(Compression compression) {
    switch (compression) {
        case Compression::kNone:
            return "none";
        case Compression::kGzip:
            return "gzip";
        case Compression::kSnappy:
            return "snappy";
        case Compression::kLz4:
            return "lz4";
        case Compression::kZstd:
            return "zstd";
    }
    return "unknown";
}

Result<Bytes> Decompress(Compression compression, ByteSpan bytes, size_t bytes_max) {
    switch (compression) {
        case Compression::kNone:
            if (bytes.size() > bytes_max) return DecompressesToMuch(bytes_max);
            return Bytes(bytes.begin(), bytes.end());
        case Compression::kGzip:
            return GzipDecompress(bytes, bytes_max);
        case Compression::kSnappy:
            return SnappyDecompress(bytes, bytes_max);
        case Compression::kLz4:
            return Lz4Decompress(bytes, bytes_max);
        case Compression::kZstd:
            return ZstdDecompress(bytes, bytes_max);
    }
    return MakeError(KafkaError::kUnsupportedCompressionType,
                     fmt::format("there is no compression {}", static_cast<int>(compression)));
}

Result<Bytes> Compress(Compression compression, ByteSpan bytes, int level) {
    switch (compression) {
        case Compression::kNone:
            return Bytes(bytes.begin(), bytes.end());
        case Compression::kGzip:
            return GzipCompress(bytes, level);
        case Compression::kSnappy:
            return SnappyCompress(bytes);
        case Compression::kLz4:
            return Lz4Compress(bytes, level);
        case Compression::kZstd:
            return ZstdCompress(bytes, level);
    }
    return MakeError(KafkaError::kUnsupportedCompressionType,
                     fmt::format("there is no compression {}", static_cast<int>(compression)));
}

}  // namespace tarn::kafka
