#include "wire/s3/sigv4.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace tarn::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

Error Malformed(const Signature& signature, std::string message) {
    const char* code = signature.presigned ? "AuthorizationQueryParametersError" : "AuthorizationHeaderMalformed";
    return Error(ErrorCode::kInvalidArgument, std::move(message)).WithDetailCode(code);
}

bool IsHex(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char letter) {
        return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
    });
}

// "AKIA.../20261122/us-east-1/s3/aws4_request"
Status ReadCredential(std::string_view credential, Signature& signature) {
    auto parts = Split(credential, '/');
    if (parts.size() < 5) {
        return Malformed(signature, "the credential is not KEY/DATE/REGION/SERVICE/aws4_request");
    }
    size_t last = parts.size() - 1;
    signature.day = parts[last - 3];
    signature.region = parts[last - 2];
    signature.service = parts[last - 1];
    parts.resize(last - 3);
    signature.access_key_id = Join(parts, "/");
    if (Split(credential, '/').back() != "aws4_request") {
        return Malformed(signature, "the credential must end in aws4_request");
    }
    if (signature.service != "s3") {
        return Malformed(signature, fmt::format("the credential is for the service \"{}\", not s3", signature.service));
    }
    return Ok();
}

// "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=..."
Status ReadAuthorization(std::string_view header, Signature& signature) {
    header.remove_prefix(kAlgorithm.size());
    std::string credential;
    for (const std::string& field : Split(header, ',')) {
        std::string_view pair = Trim(field);
        size_t equals = pair.find('=');
        if (equals == std::string_view::npos) return Malformed(signature, "the Authorization header has no '='");
        std::string_view name = pair.substr(0, equals);
        std::string value(pair.substr(equals + 1));
        if (name == "Credential")
            credential = std::move(value);
        else if (name == "SignedHeaders")
            signature.signed_headers = Split(value, ';');
        else if (name == "Signature")
            signature.signature = std::move(value);
    }
    return ReadCredential(credential, signature);
}

Status ReadQuery(const HttpRequest& request, Signature& signature) {
    signature.presigned = true;
    if (request.Query("X-Amz-Algorithm") != kAlgorithm) {
        return Malformed(signature, fmt::format("X-Amz-Algorithm must be {}", kAlgorithm));
    }
    std::string expires = request.Query("X-Amz-Expires").value_or("");
    auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), signature.expires_s);
    bool whole = error == std::errc() && end == expires.data() + expires.size();
    if (!whole || signature.expires_s < 1 || signature.expires_s > kPresignedSecondsMax) {
        return Malformed(signature, fmt::format("X-Amz-Expires must be 1 to {} seconds", kPresignedSecondsMax));
    }
    signature.signed_headers = Split(request.Query("X-Amz-SignedHeaders").value_or(""), ';');
    signature.signature = request.Query("X-Amz-Signature").value_or("");
    signature.time = request.Query("X-Amz-Date").value_or("");
    return ReadCredential(request.Query("X-Amz-Credential").value_or(""), signature);
}

bool IsSigned(const Signature& signature, std::string_view name) {
    return std::find(signature.signed_headers.begin(), signature.signed_headers.end(), name) !=
           signature.signed_headers.end();
}

// Whatever steers the request must be signed, or it could be added on the way.
Status CheckSignedHeaders(const HttpRequest& request, const Signature& signature) {
    if (!IsSigned(signature, "host")) return Malformed(signature, "the host header must be signed");
    bool amz_date = request.headers.Has("x-amz-date");
    if (!signature.presigned && !IsSigned(signature, amz_date ? "x-amz-date" : "date")) {
        return Malformed(signature, "x-amz-date (or date) must be signed");
    }
    for (const auto& [name, value] : request.headers.fields()) {
        std::string lower = ToLower(name);
        if (!lower.starts_with("x-amz-") || IsSigned(signature, lower)) continue;
        if (signature.presigned && lower == "x-amz-content-sha256") continue;  // only makes the check stricter
        return Error(ErrorCode::kPermissionDenied, "the header {} is there but not signed", lower)
            .WithDetailCode("AccessDenied");
    }
    return Ok();
}

std::string CanonicalQuery(const HttpRequest& request) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const auto& [name, value] : request.query) {
        if (name != "X-Amz-Signature") pairs.emplace_back(UrlEncode(name), UrlEncode(value));
    }
    std::sort(pairs.begin(), pairs.end());
    std::string query;
    for (const auto& [name, value] : pairs) query += fmt::format("{}{}={}", query.empty() ? "" : "&", name, value);
    return query;
}

// Without spaces around, and runs of spaces made one.
std::string CanonicalValue(std::string_view value) {
    std::string canonical;
    for (char letter : Trim(value)) {
        if (letter == ' ' && canonical.ends_with(' ')) continue;
        canonical += letter;
    }
    return canonical;
}

std::string CanonicalHeaders(const HttpRequest& request, const Signature& signature) {
    std::string lines;
    for (const std::string& wanted : signature.signed_headers) {
        std::string values;
        bool first = true;
        for (const auto& [name, value] : request.headers.fields()) {
            if (!EqualsIgnoreCase(name, wanted)) continue;
            values += (first ? "" : ",") + CanonicalValue(value);
            first = false;
        }
        lines += fmt::format("{}:{}\n", wanted, values);
    }
    return lines;
}

// Clients leave different letters unencoded; the canonical form does not.
std::string CanonicalPath(std::string_view path) {
    auto decoded = UrlDecode(path);
    return UrlEncode(decoded.ok() ? *decoded : std::string(path), true);
}

}  // namespace

std::string Signature::Scope() const { return fmt::format("{}/{}/{}/aws4_request", day, region, service); }

Result<std::optional<Signature>> ReadSignature(const HttpRequest& request) {
    Signature signature;
    std::string_view header = request.headers.Get("authorization");
    bool in_query = request.Query("X-Amz-Signature").has_value() || request.Query("X-Amz-Algorithm").has_value();
    if (header.empty() && !in_query) return std::optional<Signature>();
    signature.presigned = header.empty();
    auto is_authorization = [](const auto& field) { return EqualsIgnoreCase(field.first, "authorization"); };
    const auto& fields = request.headers.fields();
    if (std::count_if(fields.begin(), fields.end(), is_authorization) > 1) {
        return Malformed(signature, "there is more than one Authorization header");
    }
    if (!header.empty() && in_query) {
        return Error(ErrorCode::kInvalidArgument, "a request is signed in its header or in its query, not in both")
            .WithDetailCode("InvalidArgument");
    }
    if (!header.empty() && !(header.starts_with(kAlgorithm) && header.substr(kAlgorithm.size()).starts_with(' '))) {
        return Malformed(signature, fmt::format("only signatures of version 4 ({}) are known", kAlgorithm));
    }
    TRY(signature.presigned ? ReadQuery(request, signature) : ReadAuthorization(header, signature));
    signature.payload_hash = request.headers.Get("x-amz-content-sha256");
    if (signature.presigned && signature.payload_hash.empty()) signature.payload_hash = kUnsignedPayload;
    if (signature.payload_hash.empty()) {
        return Error(ErrorCode::kInvalidArgument, "the header x-amz-content-sha256 is missing")
            .WithDetailCode("InvalidRequest");
    }
    if (!signature.presigned) signature.time = request.headers.Get("x-amz-date");
    auto signed_at = ParseSignatureTime(signature.time);
    if (!signed_at.ok() || !signature.time.starts_with(signature.day)) {
        return Error(ErrorCode::kPermissionDenied,
                     "x-amz-date must be a time like 20261122T150405Z, of the credential's day")
            .WithDetailCode("AccessDenied");
    }
    signature.signed_at = *signed_at;
    if (signature.signature.size() != 64 || !IsHex(signature.signature)) {
        return Malformed(signature, "the signature is not 64 hexadecimal digits");
    }
    TRY(CheckSignedHeaders(request, signature));
    return std::optional<Signature>(std::move(signature));
}

Secret SigningKey(std::string_view secret_access_key, const Signature& signature) {
    Secret first(std::string("AWS4") + std::string(secret_access_key));
    auto day = HmacSha256(first.bytes(), AsBytes(signature.day));
    auto region = HmacSha256(day, AsBytes(signature.region));
    auto service = HmacSha256(region, AsBytes(signature.service));
    auto key = HmacSha256(service, AsBytes("aws4_request"));
    return Secret(Bytes(key.begin(), key.end()));
}

std::string CanonicalRequest(const HttpRequest& request, const Signature& signature) {
    return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, CanonicalPath(request.path), CanonicalQuery(request),
                       CanonicalHeaders(request, signature), Join(signature.signed_headers, ";"),
                       signature.payload_hash);
}

std::string ExpectedSignature(const Secret& signing_key, const HttpRequest& request, const Signature& signature) {
    std::string hash = Sha256Hex(AsBytes(CanonicalRequest(request, signature)));
    return SignText(signing_key, fmt::format("{}\n{}\n{}\n{}", kAlgorithm, signature.time, signature.Scope(), hash));
}

std::string SignText(const Secret& signing_key, std::string_view text) {
    return HexEncode(HmacSha256(signing_key.bytes(), AsBytes(text)));
}

Result<Timestamp> ParseSignatureTime(std::string_view text) {
    if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is no time like 20261122T150405Z", text.substr(0, 40));
    }
    return ParseTime(fmt::format("{}-{}-{}T{}:{}:{}Z", text.substr(0, 4), text.substr(4, 2), text.substr(6, 2),
                                 text.substr(9, 2), text.substr(11, 2), text.substr(13, 2)));
}

std::string FormatSignatureTime(Timestamp time) {
    std::string text = FormatTime(std::chrono::floor<std::chrono::seconds>(time));  // 2026-11-22T15:04:05Z
    std::erase_if(text, [](char letter) { return letter == '-' || letter == ':'; });
    return text;
}

}  // namespace tarn::s3
