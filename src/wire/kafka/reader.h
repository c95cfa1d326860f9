// Reads the fields of one message of the Kafka protocol out of a frame. The generated decoders are its users.
//
// Never reads outside of the frame and never believes a length: what a peer declares is compared with what is left
// before anything is allocated. It does not throw: the first failure is kept, with the path of its field, and every
// read after it gives an empty value; `End` tells. Not thread-safe; the frame must outlive it and every `Records`.
//
//   Reader reader(frame);                                  // without the four bytes of the length
//   RequestHeader header = TRY(RequestHeader::Decode(reader));
//   ProduceRequest request = TRY(ProduceRequest::Decode(reader, header.api_version));
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/kafka/types.h"

namespace tarn::kafka {

// What a message may declare at most. A broker gives less to who has not logged in.
struct ReaderLimits {
    size_t elements_max = 1'000'000;  // of all arrays of a message together
    size_t tags_max = 10'000;         // in one section of tagged fields
};

class Reader {
  public:
    explicit Reader(ByteSpan frame, ReaderLimits limits = {})
        : position_(frame.data()),
          end_(frame.data() + frame.size()),
          limits_(limits),
          elements_left_(limits.elements_max) {}

    // Tells the reader the version of the message to come: kNotSupported when the codec does not know it.
    template <typename Message>
    Status Begin(int16_t version) {
        return Begin(Message::kName, version, Message::kVersionMin, Message::kVersionMax, Message::kFlexibleSince);
    }
    Status Begin(const char* name, int16_t version, int16_t version_min, int16_t version_max, int16_t flexible_since);
    // The first failure, or that bytes are left over, as "ProduceRequest v9: topics[3].name: ...".
    Status End(std::string_view name, int16_t version);
    // As End, but more may follow.
    Status Check(std::string_view name, int16_t version);

    bool ok() const { return !failed_; }
    size_t left() const { return static_cast<size_t>(end_ - position_); }
    void set_flexible(bool flexible) { flexible_ = flexible; }
    // Bytes left over after the message are then no error: data of a newer version than ours.
    void set_more_may_follow(bool may) { more_may_follow_ = may; }

    void Read(bool& into, const char* field) { into = Fixed<uint8_t>(field) != 0; }
    void Read(int8_t& into, const char* field) { into = static_cast<int8_t>(Fixed<uint8_t>(field)); }
    void Read(int16_t& into, const char* field) { into = static_cast<int16_t>(Fixed<uint16_t>(field)); }
    void Read(uint16_t& into, const char* field) { into = Fixed<uint16_t>(field); }
    void Read(int32_t& into, const char* field) { into = static_cast<int32_t>(Fixed<uint32_t>(field)); }
    void Read(uint32_t& into, const char* field) { into = Fixed<uint32_t>(field); }
    void Read(int64_t& into, const char* field) { into = static_cast<int64_t>(Fixed<uint64_t>(field)); }
    void Read(double& into, const char* field);
    void Read(Uuid& into, const char* field);
    void Read(std::string& into, const char* field);
    void Read(std::optional<std::string>& into, const char* field, bool nullable);
    void Read(Bytes& into, const char* field);
    void Read(std::optional<Bytes>& into, const char* field, bool nullable);
    void Read(Records& into, const char* field);
    void Read(std::optional<Records>& into, const char* field, bool nullable);

    template <typename T, typename ReadOne>
    void ReadArray(std::vector<T>& into, const char* field, size_t element_bytes_min, ReadOne&& read_one) {
        ReadElements(into, field, Count(field, element_bytes_min, false).value_or(0), read_one);
    }
    template <typename T, typename ReadOne>
    void ReadArray(std::optional<std::vector<T>>& into, const char* field, size_t element_bytes_min, ReadOne&& read_one,
                   bool nullable) {
        std::optional<size_t> count = Count(field, element_bytes_min, nullable);
        if (!count) {
            into.reset();
            return;
        }
        ReadElements(into.emplace(), field, *count, read_one);
    }
    template <typename T, typename ReadIt>
    void ReadStruct(T& into, const char* field, ReadIt&& read_it) {
        read_it(into);
        if (failed_) Within(field);
    }
    template <typename T, typename ReadIt>
    void ReadStruct(std::optional<T>& into, const char* field, ReadIt&& read_it, bool nullable) {
        if (!Present(field, nullable)) {
            into.reset();
            return;
        }
        read_it(into.emplace());
        if (failed_) Within(field);
    }
    // A section of tagged fields; `known(tag)` reads one that it knows and returns true. Others are skipped.
    template <typename Known>
    void ReadTags(Known&& known) {
        uint32_t count = TagCount();
        for (uint32_t i = 0; i < count && !failed_; ++i) {
            uint32_t tag = 0;
            const uint8_t* outer_end = BeginTag(tag);
            if (failed_) return;
            bool is_known = known(tag);
            EndTag(tag, is_known, outer_end);
        }
    }

    uint32_t UnsignedVarint(const char* field);

  private:
    static constexpr size_t kReserveMax = 1024;  // elements made room for before they have been seen

    template <typename T>
    T Fixed(const char* field) {
        if (left() < sizeof(T)) {
            CutShort(field, sizeof(T));
            return 0;
        }
        T value;
        std::memcpy(&value, position_, sizeof(T));
        position_ += sizeof(T);
        if constexpr (sizeof(T) == 2) value = __builtin_bswap16(value);
        if constexpr (sizeof(T) == 4) value = __builtin_bswap32(value);
        if constexpr (sizeof(T) == 8) value = __builtin_bswap64(value);
        return value;
    }
    template <typename T, typename ReadOne>
    void ReadElements(std::vector<T>& into, const char* field, size_t count, ReadOne& read_one) {
        into.clear();
        into.reserve(std::min(count, kReserveMax));
        for (size_t i = 0; i < count; ++i) {
            read_one(into.emplace_back());
            if (failed_) return Within(field, i);
        }
    }

    // The length of a string (`short_length`: int16 when not compact) or of bytes; nullopt for null or a failure.
    std::optional<ByteSpan> Run(const char* field, bool short_length, bool nullable);
    std::optional<size_t> Count(const char* field, size_t element_bytes_min, bool nullable);
    bool Present(const char* field, bool nullable);
    uint32_t TagCount();
    const uint8_t* BeginTag(uint32_t& tag);
    void EndTag(uint32_t tag, bool known, const uint8_t* outer_end);

    void Fail(const char* field, ErrorCode code, std::string what);
    void CutShort(const char* field, uint64_t wanted);
    // Puts the enclosing field before the path of the failure.
    void Within(const char* field);
    void Within(const char* field, size_t index);

    const uint8_t* position_;
    const uint8_t* end_;
    ReaderLimits limits_;
    size_t elements_left_;
    bool flexible_ = false;
    bool more_may_follow_ = false;
    bool failed_ = false;
    ErrorCode code_ = ErrorCode::kInvalidArgument;
    std::string path_;
    std::string what_;
};

}  // namespace tarn::kafka
