// S3's errors: the code and status that each error of ours becomes, and the XML that says so.
#pragma once

#include <string>

#include "base/http.h"
#include "base/result.h"
#include "storage/lake/lake.h"

namespace tarn::lake {

struct S3Error {
    std::string code;
    int status = 500;
};
// From the error's own S3 code where it has one, else from the kind of error.
S3Error S3ErrorOf(const Error& error);

// The whole answer; for HEAD requests the server leaves the body out.
HttpResponse S3ErrorAnswer(const Error& error, const std::string& resource, const std::string& request_id);

}  // namespace tarn::lake
