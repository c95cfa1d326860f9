#include "storage/lake/s3_auth.h"

#include "base/text.h"
#include "wire/s3/sigv2.h"

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

Result<security::S3Key> KeyOf(const std::string& access_key_id, security::Authenticator& authenticator) {
    auto key = authenticator.ByS3KeyId(access_key_id);
    if (key.ok() || key.error().code() != ErrorCode::kUnauthenticated) return key;
    return Denied("InvalidAccessKeyId", "there is no such access key");
}

Error WrongSignature() {
    return Denied("SignatureDoesNotMatch",
                  "the signature is not that of this request: check the secret key, the clock and proxies between");
}

// A link of signature version 2.
Result<Signer> AuthenticateLink(HttpRequest& request, security::Authenticator& authenticator, Timestamp now) {
    s3::LinkSignature link = TRY(s3::ReadLinkSignature(request));
    if (now > link.expires_at) return Denied("AccessDenied", "the link has expired");
    if (link.expires_at - now > std::chrono::seconds(s3::kPresignedSecondsMax) + kSkewMax) {
        return Denied("AccessDenied",
                      fmt::format("a link may be valid for {} seconds at most", s3::kPresignedSecondsMax));
    }
    security::S3Key key = TRY(KeyOf(link.access_key_id, authenticator));
    std::string expected = s3::ExpectedLinkSignature(key.secret_access_key, request, BucketOfHost(request));
    if (!ConstantTimeEquals(expected, link.signature)) return WrongSignature();
    Signer signer;
    signer.principal = std::move(key.principal);
    signer.signature.presigned = true;
    signer.signature.access_key_id = std::move(link.access_key_id);
    signer.signature.payload_hash = s3::kUnsignedPayload;
    return signer;
}

}  // namespace

Result<Signer> Authenticate(HttpRequest& request, security::Authenticator& authenticator, Clock& clock) {
    if (s3::IsSignedLink(request)) return AuthenticateLink(request, authenticator, clock.Now());
    auto stated = TRY(s3::ReadSignature(request));
    Signer signer;
    if (!stated) {
        signer.signature.payload_hash = s3::kUnsignedPayload;
        return signer;
    }
    signer.signature = std::move(*stated);
    TRY(CheckTime(signer.signature, clock.Now()));
    security::S3Key key = TRY(KeyOf(signer.signature.access_key_id, authenticator));
    signer.signing_key = s3::SigningKey(key.secret_access_key.text(), signer.signature);
    std::string expected = s3::ExpectedSignature(signer.signing_key, request, signer.signature);
    if (!ConstantTimeEquals(expected, signer.signature.signature)) {
        return WrongSignature();
    }
    signer.principal = std::move(key.principal);
    return signer;
}

}  // namespace tarn::lake
