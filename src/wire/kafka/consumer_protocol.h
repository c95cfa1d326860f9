// What consumers put into the bytes of classic groups: a version, then the fields. A broker passes them on as they are;
// who shows a group, or takes one over into the newer protocol, reads them. Not every group is one of consumers: Kafka
// Connect's bytes are others (its protocol type is "connect").
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "wire/kafka/messages/consumer_protocol_assignment.h"
#include "wire/kafka/messages/consumer_protocol_subscription.h"

namespace tarn::kafka {

// Of a newer version the fields that are known here.
Result<ConsumerProtocolSubscription> DecodeSubscription(ByteSpan bytes);
Result<ConsumerProtocolAssignment> DecodeAssignment(ByteSpan bytes);
Result<Bytes> EncodeSubscription(const ConsumerProtocolSubscription& subscription, int16_t version);
Result<Bytes> EncodeAssignment(const ConsumerProtocolAssignment& assignment, int16_t version);

}  // namespace tarn::kafka
