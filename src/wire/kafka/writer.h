// Writes one frame of the Kafka protocol: its length, a header, a message. The generated encoders are its users.
//
// Small fields go into the writer's own buffer; records are kept as the pieces that they came in, so that an answer
// full of records is sent by writev without copying one. `Finish` gives the pieces in order. What cannot be written
// (a string too long for its length field) is kept as the first failure and told by `Finish`. Not thread-safe.
//
//   Writer writer;
//   ResponseHeader{correlation_id}.Encode(writer, ResponseHeaderVersion(key, version));
//   response.Encode(writer, version);
//   std::vector<Piece> frame = TRY(writer.Finish());
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/kafka/types.h"

namespace tarn::kafka {

class Writer {
  public:
    explicit Writer(size_t capacity = 512);

    // Tells the writer the version of the message to come; false (and a failure kept) when the codec does not know it.
    bool Begin(const char* name, int16_t version, int16_t version_min, int16_t version_max, int16_t flexible_since);
    void set_flexible(bool flexible) { flexible_ = flexible; }
    // The frame, its length in the first four bytes; what the writer itself wrote is owned by the pieces. Ends the
    // writer: nothing more may be written.
    Result<std::vector<Piece>> Finish();
    // Bytes so far, records and the four bytes of the length included.
    size_t size() const { return size_ + pieces_bytes_; }

    void Write(bool value) { *Room(1) = value ? 1 : 0; }
    void Write(int8_t value) { *Room(1) = static_cast<uint8_t>(value); }
    void Write(int16_t value) { Fixed(__builtin_bswap16(static_cast<uint16_t>(value))); }
    void Write(uint16_t value) { Fixed(__builtin_bswap16(value)); }
    void Write(int32_t value) { Fixed(__builtin_bswap32(static_cast<uint32_t>(value))); }
    void Write(uint32_t value) { Fixed(__builtin_bswap32(value)); }
    void Write(int64_t value) { Fixed(__builtin_bswap64(static_cast<uint64_t>(value))); }
    void Write(double value);
    void Write(const Uuid& value);
    void Write(const std::string& value) { Text(value); }
    void Write(const Bytes& value);
    void Write(const Records& value);
    // A null where the version knows none is written as empty.
    void Write(const std::optional<std::string>& value, bool nullable);
    void Write(const std::optional<Bytes>& value, bool nullable);
    void Write(const std::optional<Records>& value, bool nullable);

    template <typename T, typename WriteOne>
    void WriteArray(const std::vector<T>& values, WriteOne&& write_one) {
        Count(values.size());
        for (const T& value : values) write_one(value);
    }
    template <typename T, typename WriteOne>
    void WriteArray(const std::optional<std::vector<T>>& values, WriteOne&& write_one, bool nullable) {
        if (values) return WriteArray(*values, write_one);
        if (nullable) return Null(false);
        Count(0);
    }
    template <typename T, typename WriteIt>
    void WriteStruct(const T& value, WriteIt&& write_it) {
        write_it(value);
    }
    template <typename T, typename WriteIt>
    void WriteStruct(const std::optional<T>& value, WriteIt&& write_it, bool nullable) {
        Write(static_cast<int8_t>(value || !nullable ? 1 : -1));
        if (value) {
            write_it(*value);
        } else if (!nullable) {
            write_it(T());
        }
    }

    // Tagged fields: the count, then each in the order of its tag. `EndTag` puts the size before what was written.
    void TagCount(int count) { UnsignedVarint(static_cast<uint32_t>(count)); }
    size_t BeginTag(uint32_t tag);
    void EndTag(size_t mark);
    void UnsignedVarint(uint32_t value);
    // Bytes as they are, copied.
    void Raw(ByteSpan bytes);

  private:
    struct Cut {
        size_t at;  // in the buffer
        Piece piece;
    };

    uint8_t* Room(size_t bytes) {
        if (capacity_ - size_ < bytes) Grow(bytes);
        uint8_t* room = buffer_.get() + size_;
        size_ += bytes;
        return room;
    }
    template <typename T>
    void Fixed(T swapped) {
        __builtin_memcpy(Room(sizeof(T)), &swapped, sizeof(T));
    }
    void Grow(size_t bytes);
    void Text(std::string_view text);
    void Count(size_t count);
    void Null(bool short_length);
    void Fail(std::string what);

    std::unique_ptr<uint8_t[]> buffer_;
    size_t size_ = 0;
    size_t capacity_ = 0;
    std::vector<Cut> cuts_;
    size_t pieces_bytes_ = 0;
    bool flexible_ = false;
    std::string message_;  // which is being written, for failures
    std::optional<Error> error_;
};

}  // namespace tarn::kafka
