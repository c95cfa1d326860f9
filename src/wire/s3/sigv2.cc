#include "wire/s3/sigv2.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/text.h"

namespace tarn::s3 {
namespace {

constexpr size_t kSha1BlockBytes = 64;

// The parameters that the signature covers, in the order of their names.
constexpr std::string_view kSignedParameters[] = {"accelerate",
                                                  "acl",
                                                  "analytics",
                                                  "cors",
                                                  "delete",
                                                  "inventory",
                                                  "lifecycle",
                                                  "location",
                                                  "logging",
                                                  "metrics",
                                                  "notification",
                                                  "object-lock",
                                                  "partNumber",
                                                  "policy",
                                                  "replication",
                                                  "requestPayment",
                                                  "response-cache-control",
                                                  "response-content-disposition",
                                                  "response-content-encoding",
                                                  "response-content-language",
                                                  "response-content-type",
                                                  "response-expires",
                                                  "restore",
                                                  "select",
                                                  "select-type",
                                                  "storageClass",
                                                  "tagging",
                                                  "torrent",
                                                  "uploadId",
                                                  "uploads",
                                                  "versionId",
                                                  "versioning",
                                                  "versions",
                                                  "website"};

bool IsOfLink(std::string_view name) { return name == "AWSAccessKeyId" || name == "Signature" || name == "Expires"; }

bool IsHeaderParameter(std::string_view name) {
    return name.starts_with("x-amz-") || name == "content-type" || name == "content-md5";
}

bool IsSignedParameter(std::string_view name) {
    return std::find(std::begin(kSignedParameters), std::end(kSignedParameters), name) != std::end(kSignedParameters);
}

bool IsLine(std::string_view value) {
    return std::all_of(value.begin(), value.end(),
                       [](char letter) { return static_cast<unsigned char>(letter) >= 0x20 && letter != 0x7f; });
}

Error Refused(std::string message) {
    return Error(ErrorCode::kPermissionDenied, std::move(message)).WithDetailCode("AccessDenied");
}

Bytes Sha1(ByteSpan first, ByteSpan second) {
    auto hasher = Hasher::Create(HashKind::kSha1);
    hasher->Update(first);
    hasher->Update(second);
    return hasher->Finish();
}

// RFC 2104 over SHA-1, which this one old signature wants and nothing else.
Bytes HmacSha1(ByteSpan key, ByteSpan text) {
    Bytes block(key.begin(), key.end());
    if (block.size() > kSha1BlockBytes) block = Sha1(key, {});
    block.resize(kSha1BlockBytes);
    Bytes inner = block;
    for (uint8_t& byte : inner) byte ^= 0x36;
    for (uint8_t& byte : block) byte ^= 0x5c;
    Bytes hash = Sha1(block, Sha1(inner, text));
    std::fill(inner.begin(), inner.end(), 0);
    std::fill(block.begin(), block.end(), 0);
    return hash;
}

std::string AmzHeaders(const HttpRequest& request) {
    std::map<std::string, std::string> headers;
    for (const auto& [name, value] : request.headers.fields()) {
        std::string lower = ToLower(name);
        if (!lower.starts_with("x-amz-")) continue;
        auto [place, fresh] = headers.emplace(lower, Trim(value));
        if (!fresh) place->second += "," + std::string(Trim(value));
    }
    std::string lines;
    for (const auto& [name, value] : headers) lines += fmt::format("{}:{}\n", name, value);
    return lines;
}

std::string Resource(const HttpRequest& request, std::string_view bucket_of_host) {
    std::string resource = bucket_of_host.empty() ? request.path : fmt::format("/{}{}", bucket_of_host, request.path);
    std::vector<std::pair<std::string, std::string>> signed_parameters;
    for (const auto& parameter : request.query) {
        if (IsSignedParameter(parameter.first)) signed_parameters.push_back(parameter);
    }
    std::sort(signed_parameters.begin(), signed_parameters.end());
    char separator = '?';
    for (const auto& [name, value] : signed_parameters) {
        resource += separator + name + (value.empty() ? "" : "=" + value);
        separator = '&';
    }
    return resource;
}

}  // namespace

bool IsSignedLink(const HttpRequest& request) {
    return request.Query("AWSAccessKeyId").has_value() && !request.headers.Has("authorization") &&
           !request.Query("X-Amz-Signature").has_value() && !request.Query("X-Amz-Algorithm").has_value();
}

Result<LinkSignature> ReadLinkSignature(HttpRequest& request) {
    LinkSignature link{.access_key_id = request.Query("AWSAccessKeyId").value_or(""),
                       .expires_at = {},
                       .signature = request.Query("Signature").value_or("")};
    std::string expires = request.Query("Expires").value_or("");
    int64_t seconds = 0;
    auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), seconds);
    constexpr int64_t kSecondsMax = 253'402'300'799;  // the year 9999
    bool whole = !expires.empty() && error == std::errc() && end == expires.data() + expires.size();
    if (!whole || seconds < 0 || seconds > kSecondsMax || link.signature.empty()) {
        return Refused(
            "a link of signature version 2 has AWSAccessKeyId, Signature, and Expires in seconds since 1970");
    }
    link.expires_at = Timestamp(std::chrono::seconds(seconds));
    std::map<std::string, int> seen;
    for (const auto& [name, value] : request.query) {
        if (seen[name]++ > 0) return Refused(fmt::format("the parameter \"{}\" stands in the link twice", name));
        if (IsOfLink(name) || IsSignedParameter(name)) continue;
        if (!IsHeaderParameter(name)) {
            return Refused(
                fmt::format("a signature of version 2 does not cover the parameter \"{}\"; sign the link "
                            "with version 4 (s3v4)",
                            name));
        }
        // A line break would let one signed text mean two requests.
        if (!IsLine(value)) return Refused(fmt::format("the parameter \"{}\" holds control characters", name));
        if (!request.headers.Has(name)) request.headers.Add(name, value);
    }
    std::erase_if(request.query, [](const auto& parameter) { return IsHeaderParameter(parameter.first); });
    return link;
}

std::string ExpectedLinkSignature(const Secret& secret_access_key, const HttpRequest& request,
                                  std::string_view bucket_of_host) {
    std::string text = fmt::format("{}\n{}\n{}\n{}\n{}{}", request.method, request.headers.Get("content-md5"),
                                   request.headers.Get("content-type"), request.Query("Expires").value_or(""),
                                   AmzHeaders(request), Resource(request, bucket_of_host));
    return Base64Encode(HmacSha1(secret_access_key.bytes(), AsBytes(text)));
}

}  // namespace tarn::s3
