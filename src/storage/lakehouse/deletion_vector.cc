#include "storage/lakehouse/deletion_vector.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/crypto.h"

namespace tarn::lakehouse {
namespace {

constexpr uint32_t kBitmapMagic = 1681511377;  // "RoaringBitmapArray", portable form
constexpr uint8_t kFileFormatVersion = 1;
constexpr int64_t kVectorBytesMax = 1 << 30;
constexpr size_t kEncodedUuidLength = 20;
constexpr size_t kUuidBytes = 16;

uint32_t LittleEndian32(const uint8_t* bytes) {
    return bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
}

uint32_t BigEndian32(const uint8_t* bytes) {
    return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

Error Damaged(std::string_view what) { return Error(ErrorCode::kCorruption, "a deletion vector {}", what); }

Result<std::string> UuidPath(const DeletionVector& vector, const TableLocation& location) {
    const std::string& text = vector.path_or_inline;
    if (text.size() < kEncodedUuidLength) return Damaged("names its file by too short a text");
    size_t prefix_length = text.size() - kEncodedUuidLength;
    Bytes uuid = TRY(Z85Decode(std::string_view(text).substr(prefix_length)));
    std::string hex = HexEncode(ByteSpan(uuid.data(), kUuidBytes));
    std::string prefix = prefix_length > 0 ? text.substr(0, prefix_length) + "/" : "";
    return location
        .Name(fmt::format("{}deletion_vector_{}-{}-{}-{}-{}.bin", prefix, hex.substr(0, 8), hex.substr(8, 4),
                          hex.substr(12, 4), hex.substr(16, 4), hex.substr(20)))
        .ToString();
}

// In a file: one byte format version; at the vector's offset its size, its bytes, their CRC-32; numbers big-endian.
Result<Bytes> ReadFromFile(lake::Lake& lake, const security::Principal& principal, const std::string& path,
                           const DeletionVector& vector) {
    size_t slash = path.find('/');
    auto object = TRY(lake.Open(principal, {path.substr(0, slash), path.substr(slash + 1)}));
    Bytes version = TRY(object->Read(0, 1));
    if (version.size() != 1 || version[0] != kFileFormatVersion) return Damaged("lies in a file of an unknown format");
    int64_t offset = vector.offset.value_or(1);
    if (offset < 0) return Damaged("has a negative offset");
    auto framed_bytes = static_cast<uint64_t>(vector.size_bytes) + 8;
    Bytes framed = TRY(object->Read(static_cast<uint64_t>(offset), framed_bytes));
    if (framed.size() != framed_bytes) return Damaged("ends behind its file");
    if (BigEndian32(framed.data()) != static_cast<uint64_t>(vector.size_bytes))
        return Damaged("has another size in its file");
    ByteSpan content(framed.data() + 4, static_cast<size_t>(vector.size_bytes));
    auto hasher = Hasher::Create(HashKind::kCrc32);
    hasher->Update(content);
    Bytes checksum = hasher->Finish();
    if (!std::equal(checksum.begin(), checksum.end(), framed.end() - 4)) return Damaged("has a wrong checksum");
    return Bytes(content.begin(), content.end());
}

Result<Bytes> ReadInline(const DeletionVector& vector) {
    Bytes content = TRY(Z85Decode(vector.path_or_inline));
    auto wanted = static_cast<size_t>(vector.size_bytes);
    if (content.size() < wanted || content.size() - wanted > 3) return Damaged("has another size than it says");
    content.resize(wanted);
    return content;
}

}  // namespace

Result<std::string> DeletionVectorPath(const TableLocation& location, const DeletionVector& vector) {
    return vector.storage_type == 'u' ? UuidPath(vector, location) : location.Resolve(vector.path_or_inline);
}

Result<Bytes> Z85Decode(std::string_view text) {
    constexpr std::string_view kAlphabet =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    if (text.size() % 5 != 0) return Damaged("is no Z85 text: its length is no multiple of 5");
    Bytes bytes;
    bytes.reserve(text.size() / 5 * 4);
    for (size_t i = 0; i < text.size(); i += 5) {
        uint64_t value = 0;
        for (size_t j = 0; j < 5; ++j) {
            size_t digit = kAlphabet.find(text[i + j]);
            if (digit == std::string_view::npos) return Damaged("is no Z85 text: it has a foreign character");
            value = value * 85 + digit;
        }
        if (value > UINT32_MAX) return Damaged("is no Z85 text: a group is too large");
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(value >> shift));
    }
    return bytes;
}

Result<std::string> LoadDeletionVector(lake::Lake& lake, const security::Principal& principal,
                                       const TableLocation& location, const DeletionVector& vector) {
    if (vector.size_bytes < 4 || vector.size_bytes > kVectorBytesMax) return Damaged("has an impossible size");
    Bytes content;
    if (vector.storage_type == 'i') {
        content = TRY(ReadInline(vector));
    } else {
        std::string path = TRY(DeletionVectorPath(location, vector));
        content = TRY_CONTEXT(ReadFromFile(lake, principal, path, vector), path);
    }
    if (LittleEndian32(content.data()) != kBitmapMagic) return Damaged("has a wrong magic number");
    ByteSpan bitmap = ByteSpan(content).subspan(4);
    uint64_t count = TRY(CountBitmap(bitmap));
    if (count != static_cast<uint64_t>(vector.cardinality)) {
        return Error(ErrorCode::kCorruption, "a deletion vector holds {} rows, the log says {}", count,
                     vector.cardinality);
    }
    return std::string(AsText(bitmap));
}

}  // namespace tarn::lakehouse
