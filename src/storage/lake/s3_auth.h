// Who signed an S3 request.
#pragma once

#include "base/env.h"
#include "base/http.h"
#include "security/authenticator.h"
#include "storage/lake/s3_call.h"

namespace tarn::lake {

// Checks time, key and signature. Anonymous when the request carries no signature; an error with S3's code for a wrong
// one. The body is not looked at: S3Body checks it against the hash that was signed here.
// Of links of signature version 2, parameters that stand for headers become headers.
Result<Signer> Authenticate(HttpRequest& request, security::Authenticator& authenticator, Clock& clock);

}  // namespace tarn::lake
