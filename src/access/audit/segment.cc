#include "access/audit/segment.h"

#include <algorithm>
#include <charconv>

namespace tarn::access {
namespace {

constexpr std::string_view kMagic = "TARNAUDT";
constexpr uint32_t kFormat = 1;
constexpr std::string_view kSuffix = ".seg";
constexpr size_t kNameDigits = 8;

template <typename Integer>
void Put(Bytes& out, Integer value) {
    for (size_t i = 0; i < sizeof(Integer); ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

template <typename Integer>
Integer Get(ByteSpan bytes, size_t offset) {
    Integer value = 0;
    for (size_t i = 0; i < sizeof(Integer); ++i) value |= static_cast<Integer>(bytes[offset + i]) << (8 * i);
    return value;
}

template <typename Container>
void PutBytes(Bytes& out, const Container& bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

template <size_t kSize>
std::array<uint8_t, kSize> GetBytes(ByteSpan bytes, size_t offset) {
    std::array<uint8_t, kSize> out;
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), kSize, out.begin());
    return out;
}

// Over the hash before, the record's length and number, and all of its sealed bytes.
Sha256Digest ChainAfter(const Sha256Digest& previous, uint64_t sequence, ByteSpan sealed) {
    auto hasher = Hasher::Create(HashKind::kSha256);
    Bytes prefix;
    Put(prefix, static_cast<uint32_t>(sealed.size()));
    Put(prefix, sequence);
    hasher->Update(previous);
    hasher->Update(prefix);
    hasher->Update(sealed);
    Bytes digest = hasher->Finish();
    return GetBytes<32>(digest, 0);
}

Bytes AssociatedOf(const RecordPlace& place) {
    Bytes associated;
    PutBytes(associated, std::string_view("tarn audit record"));
    Put(associated, place.segment);
    Put(associated, place.sequence);
    PutBytes(associated, place.previous);
    return associated;
}

}  // namespace

Bytes EncodeHeader(const SegmentHeader& header) {
    Bytes out;
    PutBytes(out, kMagic);
    Put(out, kFormat);
    Put(out, static_cast<uint32_t>(SegmentHeader::kBytes));
    Put(out, header.number);
    Put(out, header.first_sequence);
    Put(out, static_cast<uint64_t>(ToMicros(header.created_at)));
    PutBytes(out, header.previous);
    PutBytes(out, header.id);
    TARN_CHECK(out.size() == SegmentHeader::kBytes);
    return out;
}

Result<SegmentHeader> DecodeHeader(ByteSpan bytes) {
    if (bytes.size() < SegmentHeader::kBytes || AsText(bytes.first(kMagic.size())) != kMagic) {
        return Error(ErrorCode::kCorruption, "it does not begin with a segment's header");
    }
    if (Get<uint32_t>(bytes, 8) != kFormat || Get<uint32_t>(bytes, 12) != SegmentHeader::kBytes) {
        return Error(ErrorCode::kNotSupported, "its format is {}, this program knows {}", Get<uint32_t>(bytes, 8),
                     kFormat);
    }
    SegmentHeader header;
    header.number = Get<uint64_t>(bytes, 16);
    header.first_sequence = Get<uint64_t>(bytes, 24);
    header.created_at = FromMicros(static_cast<int64_t>(Get<uint64_t>(bytes, 32)));
    header.previous = GetBytes<32>(bytes, 40);
    header.id = GetBytes<16>(bytes, 72);
    return header;
}

Sha256Digest ChainStart(const SegmentHeader& header) { return Sha256(EncodeHeader(header)); }

Secret SegmentKey(const Secret& audit_key, const SegmentHeader& header) {
    return DeriveKey(audit_key.bytes(),
                     fmt::format("tarn v1 audit segment {} {}", header.number, HexEncode(header.id)));
}

Bytes EncodeRecord(Random& random, const Secret& segment_key, const RecordPlace& place, ByteSpan plain,
                   Sha256Digest& chain) {
    Bytes sealed = Seal(random, segment_key.bytes(), AssociatedOf(place), plain);
    TARN_CHECK(sealed.size() <= RecordFrame::kSealedBytesMax);
    chain = ChainAfter(place.previous, place.sequence, sealed);
    Bytes out;
    out.reserve(RecordFrame::kPrefixBytes + sealed.size());
    Put(out, static_cast<uint32_t>(sealed.size()));
    Put(out, place.sequence);
    PutBytes(out, chain);
    PutBytes(out, sealed);
    return out;
}

std::optional<RecordFrame> FrameAt(ByteSpan segment, uint64_t offset) {
    if (offset > segment.size() || segment.size() - offset < RecordFrame::kPrefixBytes) return std::nullopt;
    uint32_t size = Get<uint32_t>(segment, offset);
    uint64_t left = segment.size() - offset - RecordFrame::kPrefixBytes;
    if (size < kNonceBytes + kTagBytes || size > RecordFrame::kSealedBytesMax || size > left) return std::nullopt;
    RecordFrame frame;
    frame.offset = offset;
    frame.sequence = Get<uint64_t>(segment, offset + 4);
    frame.chain = GetBytes<32>(segment, offset + 12);
    frame.sealed = segment.subspan(offset + RecordFrame::kPrefixBytes, size);
    return frame;
}

Result<Bytes> OpenRecord(const Secret& segment_key, const RecordPlace& place, const RecordFrame& frame) {
    if (frame.sequence != place.sequence || frame.chain != ChainAfter(place.previous, frame.sequence, frame.sealed)) {
        return Error(ErrorCode::kCorruption, "record {} is not the one that was written there", place.sequence);
    }
    return Open(segment_key.bytes(), AssociatedOf(place), frame.sealed);
}

std::string SegmentName(uint64_t number) { return fmt::format("{:0{}}{}", number, kNameDigits, kSuffix); }

Result<std::vector<uint64_t>> ListSegments(Env& env, const std::string& folder) {
    std::vector<uint64_t> numbers;
    for (const FileEntry& entry : TRY(env.files().List(folder))) {
        std::string_view name = entry.name;
        if (!name.ends_with(kSuffix) || name.size() < kNameDigits + kSuffix.size() || name.size() > 20) continue;
        name.remove_suffix(kSuffix.size());
        uint64_t number = 0;
        auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
        if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size()) numbers.push_back(number);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

}  // namespace tarn::access
