// Which APIs of the Kafka protocol the codec knows, in which versions, and the headers of their frames.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/kafka/messages/api_key.h"
#include "wire/kafka/reader.h"
#include "wire/kafka/writer.h"

namespace tarn::kafka {

struct Api {
    int16_t key;
    std::string_view name;
    int16_t version_min;
    int16_t version_max;
    int16_t flexible_since;  // above version_max: never
};

// Ordered by key.
std::span<const Api> Apis();
// nullptr when the codec has no such API.
const Api* FindApi(int16_t key);

struct RequestHeader {
    int16_t api_key = 0;
    int16_t api_version = 0;
    int32_t correlation_id = 0;
    std::optional<std::string> client_id;

    // Takes the header off the front of a frame. Of an API or a version that the codec does not know everything but
    // tagged fields is read, so that an error can be answered.
    static Result<RequestHeader> Decode(Reader& reader);
    void Encode(Writer& writer) const;
    bool operator==(const RequestHeader& other) const = default;
};

struct ResponseHeader {
    int32_t correlation_id = 0;

    // Of the answer to a request of this API and version.
    static Result<ResponseHeader> Decode(Reader& reader, int16_t api_key, int16_t api_version);
    void Encode(Writer& writer, int16_t api_key, int16_t api_version) const;
};

// 2 from the API's first flexible version on, before that 1.
int16_t RequestHeaderVersion(int16_t api_key, int16_t api_version);
// 1 from the API's first flexible version on, before that 0. ApiVersions: always 0, for who asks does not know yet.
int16_t ResponseHeaderVersion(int16_t api_key, int16_t api_version);

// A whole frame.
template <typename Message>
Result<std::vector<Piece>> EncodeRequest(const RequestHeader& header, const Message& message) {
    Writer writer;
    header.Encode(writer);
    message.Encode(writer, header.api_version);
    return writer.Finish();
}
template <typename Message>
Result<std::vector<Piece>> EncodeResponse(int32_t correlation_id, int16_t api_version, const Message& message) {
    Writer writer;
    ResponseHeader{correlation_id}.Encode(writer, Message::kApiKey, api_version);
    message.Encode(writer, api_version);
    return writer.Finish();
}

}  // namespace tarn::kafka
