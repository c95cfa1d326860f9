#include "wire/kafka/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

namespace tarn::kafka {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kShortMax = std::numeric_limits<int16_t>::max();
constexpr size_t kLongMax = std::numeric_limits<int32_t>::max();

}  // namespace

Writer::Writer(size_t capacity)
    : buffer_(std::make_unique_for_overwrite<uint8_t[]>(std::max(capacity, kLengthBytes))),
      size_(kLengthBytes),
      capacity_(std::max(capacity, kLengthBytes)) {}

bool Writer::Begin(const char* name, int16_t version, int16_t version_min, int16_t version_max,
                   int16_t flexible_since) {
    message_ = name;
    if (version < version_min || version > version_max) {
        Fail(fmt::format("has the versions {} to {} here, not {}", version_min, version_max, version));
        return false;
    }
    flexible_ = version >= flexible_since;
    return true;
}

void Writer::Fail(std::string what) {
    if (!error_) error_ = Error(ErrorCode::kInvalidArgument, "{}: {}", message_, what);
}

void Writer::Grow(size_t bytes) {
    capacity_ = std::max(capacity_ * 2, size_ + bytes);
    auto grown = std::make_unique_for_overwrite<uint8_t[]>(capacity_);
    if (size_ > 0) std::memcpy(grown.get(), buffer_.get(), size_);
    buffer_ = std::move(grown);
}

Result<std::vector<Piece>> Writer::Finish() {
    if (size() - kLengthBytes > kLongMax) Fail(fmt::format("a frame cannot have {} bytes", size()));
    if (error_) return *error_;
    uint32_t length = __builtin_bswap32(static_cast<uint32_t>(size() - kLengthBytes));
    std::memcpy(buffer_.get(), &length, kLengthBytes);
    // Shared, for every piece of it is sent by itself and the last one sent frees it.
    std::shared_ptr<const uint8_t[]> own(std::move(buffer_));
    std::vector<Piece> pieces;
    pieces.reserve(2 * cuts_.size() + 1);
    size_t from = 0;
    for (Cut& cut : cuts_) {
        if (cut.at > from) pieces.push_back({{own.get() + from, cut.at - from}, own});
        from = cut.at;
        pieces.push_back(std::move(cut.piece));
    }
    if (size_ > from) pieces.push_back({{own.get() + from, size_ - from}, own});
    size_ = capacity_ = pieces_bytes_ = 0;
    return pieces;
}

void Writer::Raw(ByteSpan bytes) {
    if (!bytes.empty()) std::memcpy(Room(bytes.size()), bytes.data(), bytes.size());
}

void Writer::Write(double value) { Write(static_cast<int64_t>(std::bit_cast<uint64_t>(value))); }

void Writer::Write(const Uuid& value) { Raw(value); }

void Writer::UnsignedVarint(uint32_t value) {
    while (value >= 0x80) {
        *Room(1) = static_cast<uint8_t>(value | 0x80);
        value >>= 7;
    }
    *Room(1) = static_cast<uint8_t>(value);
}

void Writer::Count(size_t count) {
    if (count >= kLongMax) return Fail(fmt::format("an array cannot have {} elements", count));
    if (flexible_) return UnsignedVarint(static_cast<uint32_t>(count + 1));
    Write(static_cast<int32_t>(count));
}

void Writer::Null(bool short_length) {
    if (flexible_) return UnsignedVarint(0);
    if (short_length) return Write(int16_t{-1});
    Write(int32_t{-1});
}

void Writer::Text(std::string_view text) {
    if (text.size() > kShortMax) {
        return Fail(fmt::format("a string has {} bytes, at most {} can be sent", text.size(), kShortMax));
    }
    if (flexible_) {
        UnsignedVarint(static_cast<uint32_t>(text.size() + 1));
    } else {
        Write(static_cast<int16_t>(text.size()));
    }
    Raw(AsBytes(text));
}

void Writer::Write(const Bytes& value) {
    Count(value.size());
    if (value.size() < kLongMax) Raw(value);
}

void Writer::Write(const Records& value) {
    Count(value.size());
    auto keep = [&](const Piece& piece) {
        if (piece.bytes.empty()) return;
        pieces_bytes_ += piece.bytes.size();
        cuts_.push_back({size_, piece});
    };
    if (value.pieces.empty()) return keep({value.bytes, nullptr});
    for (const Piece& piece : value.pieces) keep(piece);
}

void Writer::Write(const std::optional<std::string>& value, bool nullable) {
    if (!value && nullable) return Null(true);
    Text(value ? std::string_view(*value) : std::string_view());
}

void Writer::Write(const std::optional<Bytes>& value, bool nullable) {
    if (!value && nullable) return Null(false);
    if (!value) return Count(0);
    Write(*value);
}

void Writer::Write(const std::optional<Records>& value, bool nullable) {
    if (!value && nullable) return Null(false);
    if (!value) return Count(0);
    Write(*value);
}

size_t Writer::BeginTag(uint32_t tag) {
    UnsignedVarint(tag);
    return size_;
}

void Writer::EndTag(size_t mark) {
    size_t length = size_ - mark;
    UnsignedVarint(static_cast<uint32_t>(length));  // behind the field, then turned to the front
    std::rotate(buffer_.get() + mark, buffer_.get() + mark + length, buffer_.get() + size_);
}

}  // namespace tarn::kafka
