#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "wire/kafka/compressions.h"

namespace tarn::kafka {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzip = 16;  // added to the window's bits
constexpr size_t kStepMax = std::numeric_limits<uInt>::max();

}  // namespace

Result<Bytes> GzipDecompress(ByteSpan bytes, size_t bytes_max) {
    z_stream stream{};
    if (inflateInit2(&stream, kWindowBits + kGzip) != Z_OK) return NotDecompressible("gzip", "zlib has no memory");
    std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
    GrowingBytes out(bytes.size(), bytes_max);
    stream.next_in = const_cast<Bytef*>(bytes.data());  // zlib does not write there
    stream.avail_in = static_cast<uInt>(std::min(bytes.size(), kStepMax));
    for (;;) {
        MutableByteSpan room = out.Room();
        uint8_t past_limit = 0;  // one byte more shows that there is more
        stream.next_out = room.empty() ? &past_limit : room.data();
        stream.avail_out = static_cast<uInt>(room.empty() ? 1 : std::min(room.size(), kStepMax));
        uInt room_bytes = stream.avail_out;
        int code = inflate(&stream, Z_NO_FLUSH);
        size_t filled = room_bytes - stream.avail_out;
        if (room.empty() && filled > 0) return DecompressesToMuch(bytes_max);
        out.Filled(filled);
        if (code == Z_STREAM_END && stream.avail_in == 0) return std::move(out).Take();
        if (code == Z_STREAM_END) {
            code = inflateReset(&stream);  // another member follows
        } else if (code == Z_OK && stream.avail_in == 0 && stream.avail_out > 0) {
            return NotDecompressible("gzip", "they are cut short");
        }
        if (code != Z_OK) return NotDecompressible("gzip", stream.msg ? stream.msg : "they are cut short");
    }
}

Result<Bytes> GzipCompress(ByteSpan bytes, int level) {
    z_stream stream{};
    if (deflateInit2(&stream, level ? level : Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindowBits + kGzip, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return Error(ErrorCode::kInvalidArgument, "gzip has no level {}", level);
    }
    std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, deflateEnd);
    if (bytes.size() > kStepMax) return Error(ErrorCode::kInvalidArgument, "too many bytes for one gzip member");
    Bytes out(deflateBound(&stream, bytes.size()));
    stream.next_in = const_cast<Bytef*>(bytes.data());  // zlib does not write there
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return Error(ErrorCode::kInternal, "deflate did not end");
    out.resize(stream.total_out);
    return out;
}

}  // namespace tarn::kafka
