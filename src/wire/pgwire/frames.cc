#include "wire/pgwire/frames.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace tarn::wire {
namespace {

constexpr size_t kStepBytes = 64 << 10;  // a body grows by at most this before more of it has arrived

uint32_t BigEndian32(const char* bytes) {
    const auto* raw = reinterpret_cast<const uint8_t*>(bytes);
    return uint32_t{raw[0]} << 24 | uint32_t{raw[1]} << 16 | uint32_t{raw[2]} << 8 | raw[3];
}

Error CutShort() { return Error(ErrorCode::kInvalidArgument, "a message of the PostgreSQL protocol is cut short"); }

}  // namespace

Status PgFrameReader::Fill(std::string& into, size_t bytes) {
    while (bytes > 0) {
        if (used_ == filled_) {
            filled_ = TRY(reader_.Read({buffer_, sizeof(buffer_)}));
            used_ = 0;
            if (filled_ == 0) return Error(ErrorCode::kUnavailable, "the client closed the connection");
        }
        size_t step = std::min({bytes, filled_ - used_, kStepBytes});
        into.append(reinterpret_cast<const char*>(buffer_) + used_, step);
        used_ += step;
        bytes -= step;
    }
    return Ok();
}

Result<PgFrame> PgFrameReader::ReadStart(size_t bytes_max) {
    std::string head;
    TRY(Fill(head, 4));
    uint32_t length = BigEndian32(head.data());
    if (length < 8 || length > bytes_max) {
        return Error(ErrorCode::kInvalidArgument, "this port speaks the PostgreSQL protocol; that was something else");
    }
    PgFrame frame;
    TRY(Fill(frame.body, length - 4));
    return frame;
}

Result<PgFrame> PgFrameReader::Read(size_t bytes_max) {
    std::string head;
    TRY(Fill(head, 5));
    uint32_t length = BigEndian32(head.data() + 1);
    if (length < 4) return CutShort();
    if (length > bytes_max) {
        return Error(ErrorCode::kResourceExhausted, "a message has {} bytes; at most {} are taken", length, bytes_max);
    }
    PgFrame frame;
    frame.type = head[0];
    TRY(Fill(frame.body, length - 4));
    return frame;
}

Result<char> PgFieldReader::Byte() { return TRY(Bytes(1))[0]; }

Result<int16_t> PgFieldReader::Int16() {
    std::string_view bytes = TRY(Bytes(2));
    return static_cast<int16_t>(static_cast<uint8_t>(bytes[0]) << 8 | static_cast<uint8_t>(bytes[1]));
}

Result<int32_t> PgFieldReader::Int32() { return static_cast<int32_t>(BigEndian32(TRY(Bytes(4)).data())); }

Result<std::string> PgFieldReader::Text() {
    size_t end = left_.find('\0');
    if (end == std::string_view::npos) return CutShort();
    std::string text(left_.substr(0, end));
    left_.remove_prefix(end + 1);
    return text;
}

Result<std::string_view> PgFieldReader::Bytes(size_t count) {
    if (count > left_.size()) return CutShort();
    std::string_view bytes = left_.substr(0, count);
    left_.remove_prefix(count);
    return bytes;
}

void PgFrameWriter::Begin(char type) {
    buffer_.push_back(type);
    frame_start_ = buffer_.size();
    buffer_.append(4, '\0');
}

void PgFrameWriter::End() {
    uint32_t length = __builtin_bswap32(static_cast<uint32_t>(buffer_.size() - frame_start_));
    std::memcpy(buffer_.data() + frame_start_, &length, 4);
}

void PgFrameWriter::Int16(int16_t value) {
    uint16_t swapped = __builtin_bswap16(static_cast<uint16_t>(value));
    buffer_.append(reinterpret_cast<const char*>(&swapped), 2);
}

void PgFrameWriter::Int32(int32_t value) {
    uint32_t swapped = __builtin_bswap32(static_cast<uint32_t>(value));
    buffer_.append(reinterpret_cast<const char*>(&swapped), 4);
}

void PgFrameWriter::Int64(int64_t value) {
    uint64_t swapped = __builtin_bswap64(static_cast<uint64_t>(value));
    buffer_.append(reinterpret_cast<const char*>(&swapped), 8);
}

void PgFrameWriter::Text(std::string_view text) {
    // A zero inside would end the field early and shift all that follows.
    buffer_.append(text.substr(0, text.find('\0')));
    buffer_.push_back('\0');
}

size_t PgFrameWriter::BeginValue() {
    size_t mark = buffer_.size();
    buffer_.append(4, '\0');
    return mark;
}

void PgFrameWriter::EndValue(size_t mark) {
    uint32_t length = __builtin_bswap32(static_cast<uint32_t>(buffer_.size() - mark - 4));
    std::memcpy(buffer_.data() + mark, &length, 4);
}

void WritePgError(PgFrameWriter& writer, const PgError& error, bool notice) {
    auto field = [&](char type, std::string_view value) {
        if (value.empty()) return;
        writer.Byte(type);
        writer.Text(value);
    };
    writer.Begin(notice ? 'N' : 'E');
    field('S', error.severity);
    field('V', error.severity);
    field('C', error.sqlstate);
    field('M', error.message.empty() ? "unknown error" : std::string_view(error.message));
    field('H', error.hint);
    if (error.position) field('P', std::to_string(*error.position));
    writer.Byte('\0');
    writer.End();
}

std::string PgSqlState(const Error& error) {
    if (error.detail_code().size() == 5) return error.detail_code();
    switch (error.code()) {
        case ErrorCode::kInvalidArgument:
            return "22023";
        case ErrorCode::kSyntax:
            return "42601";
        case ErrorCode::kNotFound:
            return "42P01";
        case ErrorCode::kAlreadyExists:
            return "42710";
        case ErrorCode::kUnauthenticated:
            return "28000";
        case ErrorCode::kPermissionDenied:
            return "42501";
        case ErrorCode::kConflict:
            return "40001";
        case ErrorCode::kFailedPrecondition:
            return "55000";
        case ErrorCode::kOutOfRange:
            return "22003";
        case ErrorCode::kNotSupported:
            return "0A000";
        case ErrorCode::kResourceExhausted:
            return "53000";
        case ErrorCode::kUnavailable:
            return "57P03";
        case ErrorCode::kTimeout:
        case ErrorCode::kCancelled:
            return "57014";
        case ErrorCode::kCorruption:
            return "XX001";
        case ErrorCode::kIo:
            return "58030";
        case ErrorCode::kInternal:
            return "XX000";
    }
    return "XX000";
}

}  // namespace tarn::wire
