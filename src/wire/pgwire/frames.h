// PostgreSQL's frontend/backend protocol 3.0: frames and fields, no policy.
// Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol", "Message Formats".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace tarn::wire {

inline constexpr int32_t kPgProtocol3 = 196608;
inline constexpr int32_t kPgSslRequest = 80877103;
inline constexpr int32_t kPgGssRequest = 80877104;
inline constexpr int32_t kPgCancelRequest = 80877102;

struct PgFrame {
    char type = 0;  // 0: the first packet, which has none
    std::string body;
};

// Reads frames from a connection. A declared length never allocates: the body grows as bytes arrive.
class PgFrameReader {
  public:
    explicit PgFrameReader(ByteReader& reader) : reader_(reader) {}
    // The start packet: its body begins with the code.
    Result<PgFrame> ReadStart(size_t bytes_max);
    // kUnavailable at the connection's end; kResourceExhausted for a longer frame than `bytes_max`.
    Result<PgFrame> Read(size_t bytes_max);
    // Bytes that arrived already: more messages to handle before flushing.
    bool HasBuffered() const { return used_ < filled_; }
    void Discard() { used_ = filled_ = 0; }

  private:
    Status Fill(std::string& into, size_t bytes);
    ByteReader& reader_;
    uint8_t buffer_[16 << 10];
    size_t used_ = 0;
    size_t filled_ = 0;
};

// Takes a frame's body apart; every call fails with kInvalidArgument past the end.
class PgFieldReader {
  public:
    explicit PgFieldReader(std::string_view body) : left_(body) {}
    Result<int16_t> Int16();
    Result<int32_t> Int32();
    Result<char> Byte();
    Result<std::string> Text();  // zero-terminated
    Result<std::string_view> Bytes(size_t count);
    bool AtEnd() const { return left_.empty(); }

  private:
    std::string_view left_;
};

// Builds frames one after another in one buffer.
class PgFrameWriter {
  public:
    void Begin(char type);
    void End();
    void Int16(int16_t value);
    void Int32(int32_t value);
    void Int64(int64_t value);
    void Byte(char value) { buffer_.push_back(value); }
    void Text(std::string_view text);  // adds the zero
    void Bytes(std::string_view bytes) { buffer_.append(bytes); }
    // A value with its length in front: begin, append through the writer, end.
    size_t BeginValue();
    void EndValue(size_t mark);
    void Null() { Int32(-1); }
    const std::string& buffer() const { return buffer_; }
    void Clear() { buffer_.clear(); }
    // Takes back what was written after `bytes`: a row that failed half-way.
    void Truncate(size_t bytes) { buffer_.resize(bytes); }

  private:
    std::string buffer_;
    size_t frame_start_ = 0;
};

// ErrorResponse and NoticeResponse.
struct PgError {
    std::string severity = "ERROR";
    std::string sqlstate;
    std::string message;
    std::string hint;
    std::optional<int64_t> position;
};
void WritePgError(PgFrameWriter& writer, const PgError& error, bool notice = false);
// The error's own SQLSTATE, or the one its code maps to.
std::string PgSqlState(const Error& error);

}  // namespace tarn::wire
