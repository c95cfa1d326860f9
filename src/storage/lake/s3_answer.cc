#include "storage/lake/s3_answer.h"

#include <string_view>

#include "wire/s3/xml.h"

namespace tarn::lake {
namespace {

struct CodeStatus {
    std::string_view code;
    int status;
};

constexpr CodeStatus kCodes[] = {
    {"AccessControlListNotSupported", 400},
    {"AccessDenied", 403},
    {"AuthorizationHeaderMalformed", 400},
    {"AuthorizationQueryParametersError", 400},
    {"BadDigest", 400},
    {"BucketAlreadyOwnedByYou", 409},
    {"BucketNotEmpty", 409},
    {"ConditionalRequestConflict", 409},
    {"EntityTooLarge", 400},
    {"EntityTooSmall", 400},
    {"ExpiredToken", 400},
    {"IncompleteBody", 400},
    {"InternalError", 500},
    {"InvalidAccessKeyId", 403},
    {"InvalidArgument", 400},
    {"InvalidBucketName", 400},
    {"InvalidDigest", 400},
    {"InvalidPart", 400},
    {"InvalidPartOrder", 400},
    {"InvalidRange", 416},
    {"InvalidRequest", 400},
    {"InvalidTag", 400},
    {"KeyTooLongError", 400},
    {"MalformedTrailerError", 400},
    {"MalformedXML", 400},
    {"MetadataTooLarge", 400},
    {"MethodNotAllowed", 405},
    {"MissingContentLength", 411},
    {"NoSuchBucket", 404},
    {"NoSuchBucketPolicy", 404},
    {"NoSuchCORSConfiguration", 404},
    {"NoSuchKey", 404},
    {"NoSuchLifecycleConfiguration", 404},
    {"NoSuchTagSet", 404},
    {"NoSuchUpload", 404},
    {"NoSuchVersion", 404},
    {"NoSuchWebsiteConfiguration", 404},
    {"NotImplemented", 501},
    {"ObjectLockConfigurationNotFoundError", 404},
    {"PreconditionFailed", 412},
    {"ReplicationConfigurationNotFoundError", 404},
    {"RequestTimeTooSkewed", 403},
    {"RequestTimeout", 400},
    {"ServiceUnavailable", 503},
    {"SignatureDoesNotMatch", 403},
    {"SlowDown", 503},
    {"XAmzContentSHA256Mismatch", 400},
};

std::string_view CodeOfKind(ErrorCode code) {
    switch (code) {
        case ErrorCode::kInvalidArgument:
            return "InvalidArgument";
        case ErrorCode::kSyntax:
            return "MalformedXML";
        case ErrorCode::kNotFound:
            return "NoSuchKey";
        case ErrorCode::kAlreadyExists:
        case ErrorCode::kFailedPrecondition:
            return "PreconditionFailed";
        case ErrorCode::kUnauthenticated:
        case ErrorCode::kPermissionDenied:
            return "AccessDenied";
        case ErrorCode::kConflict:
            return "ConditionalRequestConflict";
        case ErrorCode::kOutOfRange:
            return "InvalidRange";
        case ErrorCode::kNotSupported:
            return "NotImplemented";
        case ErrorCode::kResourceExhausted:
            return "SlowDown";
        case ErrorCode::kUnavailable:
            return "ServiceUnavailable";
        case ErrorCode::kTimeout:
        case ErrorCode::kCancelled:
            return "RequestTimeout";
        case ErrorCode::kCorruption:
        case ErrorCode::kIo:
        case ErrorCode::kInternal:
            return "InternalError";
    }
    return "InternalError";
}

// What went wrong inside is for the log; a client gets the request's id to ask with. Damage it is told.
std::string MessageOf(const Error& error) {
    if (error.code() == ErrorCode::kIo || error.code() == ErrorCode::kInternal) {
        return "We encountered an internal error. Please try again.";
    }
    return error.hint().empty() ? error.message() : fmt::format("{} ({})", error.message(), error.hint());
}

}  // namespace

S3Error S3ErrorOf(const Error& error) {
    // The SQLSTATE of a full disk. S3 has no code for it; 507 is no status that its clients try again.
    if (error.detail_code() == "53100") return {"InsufficientStorage", 507};
    for (const CodeStatus& known : kCodes) {
        if (known.code == error.detail_code()) return {std::string(known.code), known.status};
    }
    std::string_view code = CodeOfKind(error.code());
    for (const CodeStatus& known : kCodes) {
        if (known.code == code) return {std::string(code), known.status};
    }
    return {"InternalError", 500};
}

HttpResponse S3ErrorAnswer(const Error& error, const std::string& resource, const std::string& request_id) {
    S3Error answer = S3ErrorOf(error);
    HttpResponse response;
    response.status = answer.status;
    response.headers.Set("Content-Type", "application/xml");
    response.body = s3::EncodeError({answer.code, MessageOf(error), resource, request_id});
    return response;
}

}  // namespace tarn::lake
