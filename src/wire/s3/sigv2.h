// Links signed by AWS Signature Version 2, which boto3, the AWS command line, s3cmd and s3fs make unless told
// otherwise. Links only: requests are signed by version 4 (s3/sigv4.h). Pure.
//
// Version 2 leaves parts of a request unsigned. Here none may be there: a parameter that is not covered by the
// signature is refused, so a link says exactly what its maker meant. What it cannot bind is the host.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/http.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn::s3 {

struct LinkSignature {
    std::string access_key_id;
    Timestamp expires_at;
    std::string signature;  // base64
};

// Whether this request is one of version 2: then none of the other functions of signatures is for it.
bool IsSignedLink(const HttpRequest& request);
// What the link states; nothing of it is proved. Parameters that stand for headers (x-amz-*, content-type,
// content-md5) become headers of the request. kInvalidArgument or kPermissionDenied with S3's code.
Result<LinkSignature> ReadLinkSignature(HttpRequest& request);
// `bucket_of_host` is the bucket of a virtual-host request, else empty. Compare the result in constant time.
std::string ExpectedLinkSignature(const Secret& secret_access_key, const HttpRequest& request,
                                  std::string_view bucket_of_host);

}  // namespace tarn::s3
