#include "storage/lake/s3_auth.h"

#include "base/text.h"

namespace tarn::lake {
namespace {

constexpr Duration kSkewMax = std::chrono::minutes(15);

Error Denied(const char* code, std::string message) {
    return Error(ErrorCode::kUnauthenticated, std::move(message)).WithDetailCode(code);
}

Status CheckTime(const s3::Signature& signature, Timestamp now) {
    Duration age = now - signature.signed_at;
    if (!signature.presigned) {
        if (age <= kSkewMax && age >= -kSkewMax) return Ok();
        return Denied("RequestTimeTooSkewed", fmt::format("the request is of {}, the server's time is {}",
                                                          FormatTime(signature.signed_at), FormatTime(now)));
    }
    if (age < -kSkewMax) return Denied("AccessDenied", "the link is not valid yet");
    if (age <= std::chrono::seconds(signature.expires_s)) return Ok();
    return Denied("AccessDenied", "the link has expired");
}

}  // namespace

Result<Signer> Authenticate(const HttpRequest& request, security::Authenticator& authenticator, Clock& clock) {
    auto stated = TRY(s3::ReadSignature(request));
    Signer signer;
    if (!stated) {
        signer.signature.payload_hash = s3::kUnsignedPayload;
        return signer;
    }
    signer.signature = std::move(*stated);
    TRY(CheckTime(signer.signature, clock.Now()));
    auto key = authenticator.ByS3KeyId(signer.signature.access_key_id);
    if (!key.ok() && key.error().code() != ErrorCode::kUnauthenticated) return std::move(key).error();
    if (!key.ok()) return Denied("InvalidAccessKeyId", "there is no such access key");
    signer.signing_key = s3::SigningKey(key->secret_access_key.text(), signer.signature);
    std::string expected = s3::ExpectedSignature(signer.signing_key, request, signer.signature);
    if (!ConstantTimeEquals(expected, signer.signature.signature)) {
        return Denied("SignatureDoesNotMatch",
                      "the signature is not that of this request: check the secret key, the clock and proxies between");
    }
    signer.principal = std::move(key->principal);
    return signer;
}

}  // namespace tarn::lake
