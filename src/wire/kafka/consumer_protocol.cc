#include "wire/kafka/consumer_protocol.h"

#include <algorithm>

#include "wire/kafka/reader.h"
#include "wire/kafka/writer.h"

namespace tarn::kafka {
namespace {

constexpr size_t kLengthBytes = 4;  // of a frame, which these bytes are not

template <typename Data>
Result<Data> DecodeData(ByteSpan bytes) {
    Reader reader(bytes);
    int16_t version = 0;
    reader.Read(version, "version");
    TRY(reader.Check(Data::kName, version));
    reader.set_more_may_follow(version > Data::kVersionMax);
    return Data::Decode(reader, std::min(version, Data::kVersionMax));
}

template <typename Data>
Result<Bytes> EncodeData(const Data& data, int16_t version) {
    Writer writer;
    writer.Write(version);
    data.Encode(writer, version);
    Bytes frame = Flatten(TRY(writer.Finish()));
    return Bytes(frame.begin() + kLengthBytes, frame.end());
}

}  // namespace

Result<ConsumerProtocolSubscription> DecodeSubscription(ByteSpan bytes) {
    return DecodeData<ConsumerProtocolSubscription>(bytes);
}

Result<ConsumerProtocolAssignment> DecodeAssignment(ByteSpan bytes) {
    return DecodeData<ConsumerProtocolAssignment>(bytes);
}

Result<Bytes> EncodeSubscription(const ConsumerProtocolSubscription& subscription, int16_t version) {
    return EncodeData(subscription, version);
}

Result<Bytes> EncodeAssignment(const ConsumerProtocolAssignment& assignment, int16_t version) {
    return EncodeData(assignment, version);
}

}  // namespace tarn::kafka
