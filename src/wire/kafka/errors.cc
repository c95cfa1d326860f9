#include "wire/kafka/errors.h"

#include <algorithm>

namespace tarn::kafka {
namespace {

// The kind of ours for an error that was made with a code of Kafka's.
ErrorCode KindOf(KafkaError code) {
    switch (code) {
        case KafkaError::kCorruptMessage:
        case KafkaError::kInvalidConfig:
        case KafkaError::kInvalidPartitions:
        case KafkaError::kInvalidRecord:
        case KafkaError::kInvalidRequest:
        case KafkaError::kInvalidTimestamp:
            return ErrorCode::kInvalidArgument;
        case KafkaError::kUnsupportedVersion:
        case KafkaError::kUnsupportedForMessageFormat:
        case KafkaError::kUnsupportedCompressionType:
            return ErrorCode::kNotSupported;
        case KafkaError::kUnknownTopicOrPartition:
        case KafkaError::kUnknownTopicId:
        case KafkaError::kGroupIdNotFound:
        case KafkaError::kTransactionalIdNotFound:
        case KafkaError::kResourceNotFound:
            return ErrorCode::kNotFound;
        case KafkaError::kTopicAuthorizationFailed:
        case KafkaError::kGroupAuthorizationFailed:
        case KafkaError::kClusterAuthorizationFailed:
        case KafkaError::kTransactionalIdAuthorizationFailed:
            return ErrorCode::kPermissionDenied;
        case KafkaError::kSaslAuthenticationFailed:
            return ErrorCode::kUnauthenticated;
        case KafkaError::kTopicAlreadyExists:
        case KafkaError::kDuplicateResource:
            return ErrorCode::kAlreadyExists;
        case KafkaError::kOffsetOutOfRange:
            return ErrorCode::kOutOfRange;
        case KafkaError::kMessageTooLarge:
        case KafkaError::kRecordListTooLarge:
        case KafkaError::kThrottlingQuotaExceeded:
            return ErrorCode::kResourceExhausted;
        case KafkaError::kRequestTimedOut:
            return ErrorCode::kTimeout;
        case KafkaError::kKafkaStorageError:
            return ErrorCode::kIo;
        case KafkaError::kUnknownServerError:
            return ErrorCode::kInternal;
        default:
            return IsRetriable(code) ? ErrorCode::kUnavailable : ErrorCode::kFailedPrecondition;
    }
}

}  // namespace

const ErrorRow* FindError(int16_t code) {
    std::span<const ErrorRow> rows = ErrorRows();
    auto found = std::ranges::lower_bound(rows, static_cast<KafkaError>(code), {}, &ErrorRow::code);
    return found != rows.end() && static_cast<int16_t>(found->code) == code ? &*found : nullptr;
}

std::string_view ErrorName(KafkaError code) {
    const ErrorRow* row = FindError(static_cast<int16_t>(code));
    return row ? row->name : "UNKNOWN_SERVER_ERROR";
}

bool IsRetriable(KafkaError code) {
    const ErrorRow* row = FindError(static_cast<int16_t>(code));
    return row && row->retriable;
}

Error MakeError(KafkaError code, std::string message) {
    return Error(KindOf(code), std::move(message)).WithDetailCode(std::string(ErrorName(code)));
}

KafkaError KafkaErrorOf(const Error& error) {
    if (!error.detail_code().empty()) {
        std::span<const ErrorRow> rows = ErrorRows();
        auto found = std::ranges::find(rows, std::string_view(error.detail_code()), &ErrorRow::name);
        if (found != rows.end()) return found->code;
    }
    switch (error.code()) {
        case ErrorCode::kInvalidArgument:
        case ErrorCode::kSyntax:
            return KafkaError::kInvalidRequest;
        case ErrorCode::kNotFound:
            return KafkaError::kResourceNotFound;
        case ErrorCode::kAlreadyExists:
            return KafkaError::kDuplicateResource;
        case ErrorCode::kUnauthenticated:
            return KafkaError::kSaslAuthenticationFailed;
        case ErrorCode::kPermissionDenied:
            return KafkaError::kClusterAuthorizationFailed;
        case ErrorCode::kConflict:
            return KafkaError::kConcurrentTransactions;
        case ErrorCode::kFailedPrecondition:
            return KafkaError::kPolicyViolation;
        case ErrorCode::kOutOfRange:
            return KafkaError::kOffsetOutOfRange;
        case ErrorCode::kNotSupported:
            return KafkaError::kUnsupportedVersion;
        case ErrorCode::kResourceExhausted:
            return KafkaError::kThrottlingQuotaExceeded;
        case ErrorCode::kUnavailable:
        case ErrorCode::kCancelled:
            return KafkaError::kCoordinatorNotAvailable;
        case ErrorCode::kTimeout:
            return KafkaError::kRequestTimedOut;
        case ErrorCode::kCorruption:
        case ErrorCode::kIo:
            return KafkaError::kKafkaStorageError;
        case ErrorCode::kInternal:
            break;
    }
    return KafkaError::kUnknownServerError;
}

}  // namespace tarn::kafka
