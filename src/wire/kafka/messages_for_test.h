// Every message of the codec as a value of its own, for tests that go over all: random contents, the way there and
// back, decoding of anything.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/kafka/reader.h"
#include "wire/kafka/types.h"
#include "wire/kafka/writer.h"

namespace tarn::kafka {

// Random values, small and odd ones more often. The same seed gives the same values.
class Filler {
  public:
    explicit Filler(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}

    uint64_t Next();
    uint64_t Below(uint64_t bound) { return Next() % bound; }
    Bytes RandomBytes(size_t size_max);

    template <typename T>
        requires(std::is_integral_v<T>)
    void Fill(T& value) {
        switch (Below(4)) {
            case 0:
                return;  // as it is: the default
            case 1:
                value = static_cast<T>(Below(2));
                return;
            default:
                value = static_cast<T>(Next());
        }
    }
    void Fill(bool& value) { value = Below(2) == 1; }
    void Fill(double& value) { value = static_cast<double>(Next() % 1000) / 8; }
    void Fill(Uuid& value);
    void Fill(std::string& value);
    void Fill(Bytes& value) { value = RandomBytes(200); }
    void Fill(Records& value);
    // With an end of type bool: whether this version may have a null there.
    template <typename T>
    void Fill(std::optional<T>& value, bool nullable) {
        if (nullable && Below(3) == 0) return value.reset();
        Fill(value.emplace());
    }
    template <typename T, typename FillOne>
    void FillArray(std::vector<T>& values, FillOne&& fill_one) {
        values.resize(depth_ > 2 ? Below(2) : Below(4));
        ++depth_;
        for (T& value : values) fill_one(value);
        --depth_;
    }
    template <typename T, typename FillOne>
    void FillArray(std::optional<std::vector<T>>& values, FillOne&& fill_one, bool nullable) {
        if (nullable && Below(3) == 0) return values.reset();
        FillArray(values.emplace(), fill_one);
    }
    template <typename T, typename FillIt>
    void FillStruct(T& value, FillIt&& fill_it) {
        fill_it(value);
    }
    template <typename T, typename FillIt>
    void FillStruct(std::optional<T>& value, FillIt&& fill_it, bool nullable) {
        if (nullable && Below(3) == 0) return value.reset();
        fill_it(value.emplace());
    }

  private:
    uint64_t state_;
    int depth_ = 0;
    std::vector<Bytes> kept_;  // what the records are views of
};

struct MessageCase {
    std::string name;
    bool is_request = true;
    int16_t api_key = 0;
    int16_t version_min = 0;
    int16_t version_max = 0;
    // A random message encoded, without the length. Checks that decoding gives the same message again, and that
    // encoding that gives the same bytes.
    std::function<Result<Bytes>(Filler&, int16_t version)> there_and_back;
    // Decodes whatever it is given; what decodes is encoded again.
    std::function<Status(ByteSpan, int16_t version)> decode;
};

inline Result<Bytes> BodyOf(Writer& writer) {
    Bytes frame = Flatten(TRY(writer.Finish()));
    return Bytes(frame.begin() + 4, frame.end());
}

template <typename Message>
MessageCase MakeCase(bool is_request, void (*fill)(Filler&, int16_t, Message&)) {
    MessageCase one{Message::kName, is_request, Message::kApiKey, Message::kVersionMin, Message::kVersionMax, {}, {}};
    one.there_and_back = [fill](Filler& filler, int16_t version) -> Result<Bytes> {
        Message message;
        fill(filler, version, message);
        Writer writer;
        message.Encode(writer, version);
        Bytes body = TRY(BodyOf(writer));
        Reader reader(body);
        Message again = TRY(Message::Decode(reader, version));
        if (!(again == message)) return Error(ErrorCode::kInternal, "another message came back");
        Writer writer_again;
        again.Encode(writer_again, version);
        if (TRY(BodyOf(writer_again)) != body) return Error(ErrorCode::kInternal, "other bytes came back");
        return body;
    };
    one.decode = [](ByteSpan bytes, int16_t version) -> Status {
        Reader reader(bytes);
        Message message = TRY(Message::Decode(reader, version));
        Writer writer;
        message.Encode(writer, version);
        Bytes body = TRY(BodyOf(writer));
        Reader reader_again(body);
        Message again = TRY_CONTEXT(Message::Decode(reader_again, version), "its own bytes");
        if (!(again == message)) return Error(ErrorCode::kInternal, "another message came back");
        return Ok();
    };
    return one;
}

// Every request and response.
std::vector<MessageCase> MessageCases();

}  // namespace tarn::kafka
