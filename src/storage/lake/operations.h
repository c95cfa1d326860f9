// The S3 calls that the lake answers; the table is operations.cc.
#pragma once

#include <span>
#include <string_view>

#include "base/http.h"
#include "security/operation.h"
#include "storage/lake/s3_call.h"

namespace tarn::lake {

enum class S3Level : uint8_t { kService, kBucket, kObject };

struct S3Operation {
    security::Operation operation;
    std::string_view method;
    S3Level level;
    std::string_view subresource;  // the one that must be in the query: "uploads"; empty: none may be there
    bool copies = false;           // with x-amz-copy-source
    std::string_view parameters;   // all that it may have besides, of writing calls; '|' between
    bool writes = false;           // refused on the bucket `lakehouse`
    Status (*handler)(S3Call&) = nullptr;
};

std::span<const S3Operation> S3Operations();
// The row for a request; kNotSupported (NotImplemented) or MethodNotAllowed, never a row that knows less than is asked.
Result<const S3Operation*> FindS3Operation(const HttpRequest& request, const ObjectName& name);
// What the gate is asked about: "bucket/key", "bucket/prefix" of listings, "bucket/", or "*".
std::string ResourceOf(const S3Operation& operation, const HttpRequest& request, const ObjectName& name);

// ---- handlers: s3_buckets.cc, s3_objects.cc, s3_uploads.cc, s3_settings.cc

Status ListBuckets(S3Call& call);
Status CreateBucket(S3Call& call);
Status HeadBucket(S3Call& call);
Status DeleteBucket(S3Call& call);
Status GetBucketLocation(S3Call& call);
Status GetBucketVersioning(S3Call& call);
Status ListObjects(S3Call& call);
Status ListObjectsV2(S3Call& call);
Status DeleteObjects(S3Call& call);
Status ListObjectVersions(S3Call& call);

Status GetObject(S3Call& call);
Status HeadObject(S3Call& call);
Status PutObject(S3Call& call);
Status CopyObject(S3Call& call);
Status DeleteObject(S3Call& call);

Status CreateMultipartUpload(S3Call& call);
Status UploadPart(S3Call& call);
Status UploadPartCopy(S3Call& call);
Status CompleteMultipartUpload(S3Call& call);
Status AbortMultipartUpload(S3Call& call);
Status ListParts(S3Call& call);
Status ListMultipartUploads(S3Call& call);

Status DescribeBucket(S3Call& call);
Status GetBucketTagging(S3Call& call);
Status PutBucketTagging(S3Call& call);
Status DeleteBucketTagging(S3Call& call);
Status GetObjectAcl(S3Call& call);
Status GetObjectAttributes(S3Call& call);
Status GetObjectTagging(S3Call& call);
Status PutObjectTagging(S3Call& call);
Status DeleteObjectTagging(S3Call& call);

}  // namespace tarn::lake
