// Kafka's error codes, and what an Error of ours is called there. A failure that has an exact code of Kafka carries its
// name as detail code (`Error(...).WithDetailCode("CORRUPT_MESSAGE")`); others are mapped by kind, here and only here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "wire/kafka/messages/error_codes.h"

namespace tarn::kafka {

struct ErrorRow {
    KafkaError code;
    std::string_view name;  // "NOT_COORDINATOR"
    bool retriable;  // a client may send the same request again
};

// Ordered by code.
std::span<const ErrorRow> ErrorRows();
// nullptr for a code that Kafka does not have.
const ErrorRow* FindError(int16_t code);
// "UNKNOWN_SERVER_ERROR" for what Kafka does not have.
std::string_view ErrorName(KafkaError code);
bool IsRetriable(KafkaError code);

// An Error whose detail code is that name.
Error MakeError(KafkaError code, std::string message);
// The detail code when it is a name of Kafka's, otherwise by the error's kind.
KafkaError KafkaErrorOf(const Error& error);

}  // namespace tarn::kafka
