#include <lz4frame.h>

#include <memory>

#include "wire/kafka/compressions.h"

namespace tarn::kafka {

Result<Bytes> Lz4Decompress(ByteSpan bytes, size_t bytes_max) {
    LZ4F_dctx* made = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION))) {
        return NotDecompressible("LZ4", "the library has no memory");
    }
    std::unique_ptr<LZ4F_dctx, size_t (*)(LZ4F_dctx*)> context(made, LZ4F_freeDecompressionContext);
    GrowingBytes out(bytes.size(), bytes_max);
    size_t wanted = 1;  // 0: a frame has ended
    while (!bytes.empty() || wanted != 0) {
        MutableByteSpan room = out.Room();
        uint8_t past_limit = 0;  // one byte more shows that there is more
        size_t filled = room.empty() ? 1 : room.size();
        size_t taken = bytes.size();
        wanted = LZ4F_decompress(context.get(), room.empty() ? &past_limit : room.data(), &filled, bytes.data(), &taken,
                                 nullptr);
        if (LZ4F_isError(wanted)) return NotDecompressible("LZ4", LZ4F_getErrorName(wanted));
        if (room.empty() && filled > 0) return DecompressesToMuch(bytes_max);
        if (filled == 0 && taken == 0 && wanted != 0) return NotDecompressible("LZ4", "they are cut short");
        out.Filled(filled);
        bytes = bytes.subspan(taken);
    }
    return std::move(out).Take();
}

Result<Bytes> Lz4Compress(ByteSpan bytes, int level) {
    LZ4F_preferences_t preferences{};
    preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // Java's client reads no other
    preferences.frameInfo.blockSizeID = LZ4F_max64KB;
    preferences.compressionLevel = level;
    Bytes out(LZ4F_compressFrameBound(bytes.size(), &preferences));
    size_t size = LZ4F_compressFrame(out.data(), out.size(), bytes.data(), bytes.size(), &preferences);
    if (LZ4F_isError(size)) return Error(ErrorCode::kInternal, "LZ4: {}", LZ4F_getErrorName(size));
    out.resize(size);
    return out;
}

}  // namespace tarn::kafka
