#include "wire/kafka/reader.h"

#include <fmt/format.h>

#include <bit>

namespace tarn::kafka {
namespace {

constexpr int64_t kStringMax = 32767;  // also where the length field could hold more

}  // namespace

Status Reader::Begin(const char* name, int16_t version, int16_t version_min, int16_t version_max,
                     int16_t flexible_since) {
    if (version < version_min || version > version_max) {
        return Error(ErrorCode::kNotSupported, "{} has the versions {} to {} here, not {}", name, version_min,
                     version_max, version);
    }
    flexible_ = version >= flexible_since;
    return Ok();
}

Status Reader::Check(std::string_view name, int16_t version) {
    if (!failed_) return Ok();
    if (path_.empty()) return Error(code_, "{} v{}: {}", name, version, what_);
    return Error(code_, "{} v{}: {}: {}", name, version, path_, what_);
}

Status Reader::End(std::string_view name, int16_t version) {
    TRY(Check(name, version));
    if (left() > 0 && !more_may_follow_) {
        return Error(ErrorCode::kInvalidArgument, "{} v{}: {} bytes are left over after the message", name, version,
                     left());
    }
    return Ok();
}

void Reader::Fail(const char* field, ErrorCode code, std::string what) {
    position_ = end_;
    if (failed_) return;
    failed_ = true;
    code_ = code;
    path_ = field;
    what_ = std::move(what);
}

void Reader::CutShort(const char* field, uint64_t wanted) {
    Fail(field, ErrorCode::kInvalidArgument, fmt::format("wants {} bytes, {} are left", wanted, left()));
}

void Reader::Within(const char* field) { path_ = path_.empty() ? field : fmt::format("{}.{}", field, path_); }

void Reader::Within(const char* field, size_t index) {
    path_ = fmt::format("{}[{}]{}{}", field, index, path_.empty() ? "" : ".", path_);
}

void Reader::Read(double& into, const char* field) { into = std::bit_cast<double>(Fixed<uint64_t>(field)); }

void Reader::Read(Uuid& into, const char* field) {
    if (left() < into.size()) return CutShort(field, into.size());
    std::memcpy(into.data(), position_, into.size());
    position_ += into.size();
}

uint32_t Reader::UnsignedVarint(const char* field) {
    uint32_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        uint8_t byte = Fixed<uint8_t>(field);
        if (shift == 28 && byte > 0x0f) break;
        value |= uint32_t{byte & 0x7fU} << shift;
        if (byte < 0x80) return value;
    }
    Fail(field, ErrorCode::kInvalidArgument, "a varint has more than 32 bits");
    return 0;
}

std::optional<ByteSpan> Reader::Run(const char* field, bool short_length, bool nullable) {
    int64_t length = 0;
    if (flexible_) {
        length = int64_t{UnsignedVarint(field)} - 1;
    } else if (short_length) {
        length = static_cast<int16_t>(Fixed<uint16_t>(field));
    } else {
        length = static_cast<int32_t>(Fixed<uint32_t>(field));
    }
    if (failed_) return std::nullopt;
    if (length == -1 && nullable) return std::nullopt;
    if (length < 0) {
        Fail(field, ErrorCode::kInvalidArgument,
             length == -1 ? std::string("is null, which it may not be") : fmt::format("has the length {}", length));
        return std::nullopt;
    }
    if (short_length && length > kStringMax) {
        Fail(field, ErrorCode::kInvalidArgument, fmt::format("has {} bytes, at most {} are taken", length, kStringMax));
        return std::nullopt;
    }
    if (static_cast<uint64_t>(length) > left()) {
        CutShort(field, static_cast<uint64_t>(length));
        return std::nullopt;
    }
    ByteSpan run(position_, static_cast<size_t>(length));
    position_ += length;
    return run;
}

void Reader::Read(std::string& into, const char* field) { into = AsText(Run(field, true, false).value_or(ByteSpan())); }

void Reader::Read(std::optional<std::string>& into, const char* field, bool nullable) {
    std::optional<ByteSpan> run = Run(field, true, nullable);
    into.reset();
    if (run) into.emplace(AsText(*run));
}

void Reader::Read(Bytes& into, const char* field) {
    ByteSpan run = Run(field, false, false).value_or(ByteSpan());
    into.assign(run.begin(), run.end());
}

void Reader::Read(std::optional<Bytes>& into, const char* field, bool nullable) {
    std::optional<ByteSpan> run = Run(field, false, nullable);
    into.reset();
    if (run) into.emplace(run->begin(), run->end());
}

void Reader::Read(Records& into, const char* field) { into = Records(Run(field, false, false).value_or(ByteSpan())); }

void Reader::Read(std::optional<Records>& into, const char* field, bool nullable) {
    std::optional<ByteSpan> run = Run(field, false, nullable);
    into.reset();
    if (run) into.emplace(*run);
}

std::optional<size_t> Reader::Count(const char* field, size_t element_bytes_min, bool nullable) {
    int64_t count = flexible_ ? int64_t{UnsignedVarint(field)} - 1 : static_cast<int32_t>(Fixed<uint32_t>(field));
    if (failed_) return std::nullopt;
    if (count == -1 && nullable) return std::nullopt;
    if (count < 0) {
        Fail(field, ErrorCode::kInvalidArgument,
             count == -1 ? std::string("is null, which it may not be") : fmt::format("has {} elements", count));
        return std::nullopt;
    }
    auto elements = static_cast<uint64_t>(count);
    if (elements > left() / element_bytes_min) {
        Fail(field, ErrorCode::kInvalidArgument,
             fmt::format("has {} elements, for which the {} bytes left are too few", elements, left()));
        return std::nullopt;
    }
    if (elements > elements_left_) {
        Fail(field, ErrorCode::kResourceExhausted,
             fmt::format("has {} elements: the message has more than {}", elements, limits_.elements_max));
        return std::nullopt;
    }
    elements_left_ -= elements;
    return elements;
}

bool Reader::Present(const char* field, bool nullable) {
    auto mark = static_cast<int8_t>(Fixed<uint8_t>(field));
    if (failed_) return false;
    if (mark < 0 && nullable) return false;
    if (mark == 1) return true;
    Fail(field, ErrorCode::kInvalidArgument,
         mark < 0 ? std::string("is null, which it may not be") : fmt::format("has the mark {}", mark));
    return false;
}

uint32_t Reader::TagCount() {
    uint32_t count = UnsignedVarint("tagged fields");
    if (count > limits_.tags_max) {
        Fail("tagged fields", ErrorCode::kResourceExhausted,
             fmt::format("has {} fields, at most {} are taken", count, limits_.tags_max));
        return 0;
    }
    return count;
}

const uint8_t* Reader::BeginTag(uint32_t& tag) {
    tag = UnsignedVarint("tagged fields");
    uint32_t size = UnsignedVarint("tagged fields");
    if (size > left()) CutShort("tagged fields", size);
    if (failed_) return end_;
    const uint8_t* outer_end = end_;
    end_ = position_ + size;
    return outer_end;
}

void Reader::EndTag(uint32_t tag, bool known, const uint8_t* outer_end) {
    if (known && !failed_ && position_ != end_) {
        Fail("tagged fields", ErrorCode::kInvalidArgument,
             fmt::format("the field of tag {} has {} bytes too many", tag, left()));
    }
    position_ = failed_ ? outer_end : end_;
    end_ = outer_end;
}

}  // namespace tarn::kafka
