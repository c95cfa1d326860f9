// The one file that knows CRoaring. The portable 64 bit form: a count, then for each a 32 bit key and a 32 bit bitmap.
#include <roaring/roaring.h>

#include <cstring>
#include <map>
#include <memory>

#include "storage/lakehouse/deletion_vector.h"

namespace tarn::lakehouse {
namespace {

struct FreeBitmap {
    void operator()(roaring_bitmap_t* bitmap) const { roaring_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<roaring_bitmap_t, FreeBitmap>;

Error NoBitmap() { return Error(ErrorCode::kCorruption, "a deletion vector is no Roaring bitmap"); }

}  // namespace

Result<uint64_t> CountBitmap(ByteSpan serialized) {
    uint64_t parts = 0;
    if (serialized.size() < sizeof(parts)) return NoBitmap();
    std::memcpy(&parts, serialized.data(), sizeof(parts));
    serialized = serialized.subspan(sizeof(parts));
    uint64_t count = 0;
    for (uint64_t i = 0; i < parts; ++i) {
        if (serialized.size() < sizeof(uint32_t)) return NoBitmap();
        serialized = serialized.subspan(sizeof(uint32_t));
        const char* bytes = reinterpret_cast<const char*>(serialized.data());
        Bitmap bitmap(roaring_bitmap_portable_deserialize_safe(bytes, serialized.size()));
        if (!bitmap) return NoBitmap();
        count += roaring_bitmap_get_cardinality(bitmap.get());
        size_t used = roaring_bitmap_portable_deserialize_size(bytes, serialized.size());
        if (used == 0 || used > serialized.size()) return NoBitmap();
        serialized = serialized.subspan(used);
    }
    return serialized.empty() ? Result<uint64_t>(count) : NoBitmap();
}

std::string MakeBitmap(const std::vector<uint64_t>& rows) {
    std::map<uint32_t, Bitmap> parts;
    for (uint64_t row : rows) {
        Bitmap& part = parts[static_cast<uint32_t>(row >> 32)];
        if (!part) part.reset(roaring_bitmap_create());
        roaring_bitmap_add(part.get(), static_cast<uint32_t>(row));
    }
    uint64_t count = parts.size();
    std::string result(reinterpret_cast<const char*>(&count), sizeof(count));
    for (const auto& [key, part] : parts) {
        result.append(reinterpret_cast<const char*>(&key), sizeof(key));
        size_t start = result.size();
        result.resize(start + roaring_bitmap_portable_size_in_bytes(part.get()));
        roaring_bitmap_portable_serialize(part.get(), result.data() + start);
    }
    return result;
}

}  // namespace tarn::lakehouse
