// AWS Signature Version 4 as servers check it: what a request states, and what its signature must be. Pure.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html, and there:
// sigv4-query-string-auth (presigned URLs), sigv4-streaming (chunks: s3/chunked.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/http.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn::s3 {

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr std::string_view kStreamingPayload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
inline constexpr std::string_view kStreamingPayloadTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
inline constexpr std::string_view kStreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
inline constexpr int64_t kPresignedSecondsMax = 604'800;

// What a request states about its signature. Nothing of it is proved.
struct Signature {
    bool presigned = false;
    std::string access_key_id;
    std::string day;     // "20261122"
    std::string region;  // any: the lake has one place, and clients are configured for many
    std::string service;
    std::string time;  // "20261122T150405Z"
    Timestamp signed_at;
    int64_t expires_s = 0;  // of presigned requests
    std::vector<std::string> signed_headers;  // lower case, sorted
    std::string signature;                    // hex
    std::string payload_hash;                 // hex, or one of the words above

    std::string Scope() const;  // "20261122/us-east-1/s3/aws4_request"
};

// Nothing for a request without a signature. kInvalidArgument with S3's code for one that is malformed, names another
// service, or leaves unsigned what must be signed (host, the time, every x-amz- header).
Result<std::optional<Signature>> ReadSignature(const HttpRequest& request);

// The key of one day, region and service.
Secret SigningKey(std::string_view secret_access_key, const Signature& signature);
std::string CanonicalRequest(const HttpRequest& request, const Signature& signature);
// What the signature must be, in hex. Compare it in constant time.
std::string ExpectedSignature(const Secret& signing_key, const HttpRequest& request, const Signature& signature);
// For string_to_sign of requests and chunks: hex of the HMAC.
std::string SignText(const Secret& signing_key, std::string_view text);

// "20261122T150405Z".
Result<Timestamp> ParseSignatureTime(std::string_view text);
std::string FormatSignatureTime(Timestamp time);

}  // namespace tarn::s3
