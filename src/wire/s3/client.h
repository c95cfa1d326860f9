// S3 as its clients speak it: signing a request, the XML of answers. Pure; what servers need is in sigv4.h and xml.h.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html. Answers are a stranger's: what is missing or
// malformed is an error, never a guess.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/http.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn::s3 {

struct AccessKey {
    std::string id;
    Secret secret;
    std::string region = "us-east-1";
};
// Sets Host, the time, the hash of the body and Authorization. Whatever else the headers hold is signed too.
Status SignRequest(HttpClientRequest& request, const AccessKey& key, Timestamp now);

struct FoundObject {
    std::string key;
    Timestamp modified_at;
    uint64_t bytes = 0;
    std::string etag;  // without quotes
};
// A page of ListObjectsV2, also with encoding-type=url; `next` continues it, empty at the end.
struct FoundPage {
    std::vector<FoundObject> objects;
    std::string next;
};
Result<FoundPage> DecodeFoundPage(std::string_view xml);

// Of CreateMultipartUpload.
Result<std::string> DecodeUploadId(std::string_view xml);
struct FoundUpload {
    std::string key;
    std::string id;
};
// Of ListMultipartUploads, the first page.
Result<std::vector<FoundUpload>> DecodeFoundUploads(std::string_view xml);
std::string EncodeComplete(const std::vector<std::string>& etags);  // of parts 1, 2, ...

// "NoSuchBucket: The specified bucket does not exist"; empty if it is no error of S3. CompleteMultipartUpload may
// answer one under status 200.
std::string DecodeErrorText(std::string_view xml);

}  // namespace tarn::s3
