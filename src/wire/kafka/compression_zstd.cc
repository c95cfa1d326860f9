#include <zstd.h>

#include <algorithm>
#include <bit>
#include <memory>

#include "wire/kafka/compressions.h"

namespace tarn::kafka {
namespace {

// What a frame may want to look back on: level 22 wants 2^27, the usual levels 2^21. The memory is used only as far as
// there is content.
constexpr int kWindowLogMin = 23;
constexpr int kWindowLogMax = 27;

}  // namespace

Result<Bytes> ZstdDecompress(ByteSpan bytes, size_t bytes_max) {
    std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
    if (!context) return NotDecompressible("zstd", "the library has no memory");
    int window_log = std::clamp(static_cast<int>(std::bit_width(bytes_max)), kWindowLogMin, kWindowLogMax);
    ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, window_log);
    GrowingBytes out(bytes.size(), bytes_max);
    ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
    size_t wanted = 1;  // 0: a frame has ended
    while (input.pos < input.size || wanted != 0) {
        MutableByteSpan room = out.Room();
        uint8_t past_limit = 0;  // one byte more shows that there is more
        ZSTD_outBuffer output{room.empty() ? &past_limit : room.data(), room.empty() ? 1 : room.size(), 0};
        size_t before = input.pos;
        wanted = ZSTD_decompressStream(context.get(), &output, &input);
        if (ZSTD_isError(wanted)) return NotDecompressible("zstd", ZSTD_getErrorName(wanted));
        if (room.empty() && output.pos > 0) return DecompressesToMuch(bytes_max);
        if (output.pos == 0 && input.pos == before && wanted != 0) {
            return NotDecompressible("zstd", "they are cut short");
        }
        out.Filled(output.pos);
    }
    return std::move(out).Take();
}

Result<Bytes> ZstdCompress(ByteSpan bytes, int level) {
    Bytes out(ZSTD_compressBound(bytes.size()));
    size_t size =
        ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), level ? level : ZSTD_CLEVEL_DEFAULT);
    if (ZSTD_isError(size)) return Error(ErrorCode::kInternal, "zstd: {}", ZSTD_getErrorName(size));
    out.resize(size);
    return out;
}

}  // namespace tarn::kafka
