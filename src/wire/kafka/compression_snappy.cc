// Snappy as Java writes it: xerial's header, then chunks, each a big-endian length and raw snappy. librdkafka may send
// one raw chunk without any of that.
#include <snappy.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "wire/kafka/compressions.h"

namespace tarn::kafka {
namespace {

constexpr std::array<uint8_t, 8> kMagic = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr std::array<uint8_t, 8> kVersions = {0, 0, 0, 1, 0, 0, 0, 1};  // of the format, of the oldest that reads it
constexpr size_t kHeaderBytes = 16;
constexpr size_t kChunkBytes = 32 << 10;
constexpr size_t kExpansionMax = 64;  // three bytes at least stand for 64

const char* Chars(const uint8_t* bytes) { return reinterpret_cast<const char*>(bytes); }

Status AppendChunk(ByteSpan chunk, size_t bytes_max, Bytes& out) {
    size_t size = 0;
    if (!snappy::GetUncompressedLength(Chars(chunk.data()), chunk.size(), &size) ||
        size > chunk.size() * kExpansionMax) {
        return NotDecompressible("snappy", "a chunk declares a wrong length");
    }
    if (size > bytes_max - out.size()) return DecompressesToMuch(bytes_max);
    size_t before = out.size();
    out.resize(before + size);
    if (!snappy::RawUncompress(Chars(chunk.data()), chunk.size(), reinterpret_cast<char*>(out.data() + before))) {
        return NotDecompressible("snappy", "a chunk is damaged");
    }
    return Ok();
}

}  // namespace

Result<Bytes> SnappyDecompress(ByteSpan bytes, size_t bytes_max) {
    Bytes out;
    if (bytes.size() < kHeaderBytes || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) {
        TRY(AppendChunk(bytes, bytes_max, out));
        return out;
    }
    ByteSpan left = bytes.subspan(kHeaderBytes);
    while (!left.empty()) {
        uint32_t length = 0;
        if (left.size() < sizeof(length)) return NotDecompressible("snappy", "they are cut short");
        std::memcpy(&length, left.data(), sizeof(length));
        length = __builtin_bswap32(length);
        left = left.subspan(sizeof(length));
        if (length > left.size()) return NotDecompressible("snappy", "they are cut short");
        TRY(AppendChunk(left.first(length), bytes_max, out));
        left = left.subspan(length);
    }
    return out;
}

Result<Bytes> SnappyCompress(ByteSpan bytes) {
    Bytes out(kMagic.begin(), kMagic.end());
    out.insert(out.end(), kVersions.begin(), kVersions.end());
    for (size_t at = 0; at < bytes.size(); at += kChunkBytes) {
        ByteSpan chunk = bytes.subspan(at, std::min(kChunkBytes, bytes.size() - at));
        size_t start = out.size();
        out.resize(start + sizeof(uint32_t) + snappy::MaxCompressedLength(chunk.size()));
        size_t size = 0;
        snappy::RawCompress(Chars(chunk.data()), chunk.size(),
                            reinterpret_cast<char*>(out.data() + start + sizeof(uint32_t)), &size);
        uint32_t length = __builtin_bswap32(static_cast<uint32_t>(size));
        std::memcpy(out.data() + start, &length, sizeof(length));
        out.resize(start + sizeof(length) + size);
    }
    return out;
}

}  // namespace tarn::kafka
