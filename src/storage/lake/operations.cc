// The table of S3 calls, and how a request finds its row.
#include "storage/lake/operations.h"

#include <algorithm>

#include "base/text.h"

namespace tarn::lake {
namespace {

using security::AuditClass;

constexpr uint64_t kNothingMax = 64 << 10;
constexpr uint64_t kXmlMax = 4 << 20;
constexpr uint64_t kObjectMax = 5ull << 30;  // of one PUT, as S3 has it
constexpr int kConcurrentMax = 256;

// Everything that S3 selects a call by. One that no row names is not supported, whatever the method.
constexpr std::string_view kSubresources[] = {"accelerate",
                                              "acl",
                                              "analytics",
                                              "attributes",
                                              "append",
                                              "cors",
                                              "delete",
                                              "encryption",
                                              "intelligent-tiering",
                                              "inventory",
                                              "legal-hold",
                                              "lifecycle",
                                              "location",
                                              "logging",
                                              "metadataTable",
                                              "metrics",
                                              "notification",
                                              "object-lock",
                                              "ownershipControls",
                                              "policy",
                                              "policyStatus",
                                              "publicAccessBlock",
                                              "renameObject",
                                              "replication",
                                              "requestPayment",
                                              "restore",
                                              "retention",
                                              "select",
                                              "session",
                                              "tagging",
                                              "torrent",
                                              "uploadId",
                                              "uploads",
                                              "versioning",
                                              "versions",
                                              "website"};

constexpr security::Operation Row(std::string_view name, std::string_view action, std::string_view resource,
                                  AuditClass audit, uint64_t body_bytes_max = kNothingMax) {
    return {.protocol = "s3",
            .name = name,
            .action = action,
            .resource = resource,
            .audit_class = audit,
            .limits = {.body_bytes_max = body_bytes_max, .concurrent_max = kConcurrentMax}};
}

constexpr auto kRead = AuditClass::kRead;
constexpr auto kChange = AuditClass::kChange;
constexpr auto kBucket = S3Level::kBucket;
constexpr auto kObject = S3Level::kObject;

constexpr S3Operation Describe(std::string_view name, std::string_view subresource) {
    return {
        Row(name, "lake:ListBucket", "bucket/", kRead), "GET", kBucket, subresource, false, "", false, DescribeBucket};
}

constexpr S3Operation kOperations[] = {
    {Row("ListBuckets", security::kSelfAction, "platform", kRead), "GET", S3Level::kService, "", false, "", false,
     ListBuckets},
    {Row("CreateBucket", "lake:CreateBucket", "bucket/", kChange), "PUT", kBucket, "", false, "", true, CreateBucket},
    {Row("HeadBucket", "lake:ListBucket", "bucket/", kRead), "HEAD", kBucket, "", false, "", false, HeadBucket},
    {Row("DeleteBucket", "lake:DeleteBucket", "bucket/", kChange), "DELETE", kBucket, "", false, "", true,
     DeleteBucket},
    {Row("GetBucketLocation", "lake:ListBucket", "bucket/", kRead), "GET", kBucket, "location", false, "", false,
     GetBucketLocation},
    {Row("GetBucketVersioning", "lake:ListBucket", "bucket/", kRead), "GET", kBucket, "versioning", false, "", false,
     GetBucketVersioning},
    {Row("ListObjects", "lake:ListBucket", "bucket/prefix", kRead), "GET", kBucket, "", false, "", false, ListObjects},
    {Row("ListObjectsV2", "lake:ListBucket", "bucket/prefix", kRead), "GET", kBucket, "list-type", false, "", false,
     ListObjectsV2},
    {Row("ListMultipartUploads", "lake:ListBucket", "bucket/", kRead), "GET", kBucket, "uploads", false, "", false,
     ListMultipartUploads},
    {Row("ListObjectVersions", "lake:ListBucket", "bucket/prefix", kRead), "GET", kBucket, "versions", false, "", false,
     ListObjectVersions},
    {Row("GetBucketTagging", "lake:ListBucket", "bucket/", kRead), "GET", kBucket, "tagging", false, "", false,
     GetBucketTagging},
    {Row("PutBucketTagging", "lake:CreateBucket", "bucket/", kChange), "PUT", kBucket, "tagging", false, "", true,
     PutBucketTagging},
    {Row("DeleteBucketTagging", "lake:CreateBucket", "bucket/", kChange), "DELETE", kBucket, "tagging", false, "", true,
     DeleteBucketTagging},
    // What can be asked about a bucket, and cannot be set: the answers say how every bucket is.
    Describe("GetBucketAcl", "acl"),
    Describe("GetBucketCors", "cors"),
    Describe("GetBucketEncryption", "encryption"),
    Describe("GetBucketLifecycleConfiguration", "lifecycle"),
    Describe("GetBucketLogging", "logging"),
    Describe("GetBucketNotificationConfiguration", "notification"),
    Describe("GetObjectLockConfiguration", "object-lock"),
    Describe("GetBucketOwnershipControls", "ownershipControls"),
    Describe("GetBucketPolicy", "policy"),
    Describe("GetBucketPolicyStatus", "policyStatus"),
    Describe("GetPublicAccessBlock", "publicAccessBlock"),
    Describe("GetBucketReplication", "replication"),
    Describe("GetBucketRequestPayment", "requestPayment"),
    Describe("GetBucketWebsite", "website"),
    // Each key is decided by itself, and may be refused by itself.
    {Row("DeleteObjects", security::kSelfAction, "bucket/key", kChange, kXmlMax), "POST", kBucket, "delete", false, "",
     true, DeleteObjects},
    {Row("GetObject", "lake:GetObject", "bucket/key", kRead), "GET", kObject, "", false, "", false, GetObject},
    {Row("HeadObject", "lake:GetObject", "bucket/key", kRead), "HEAD", kObject, "", false, "", false, HeadObject},
    {Row("PutObject", "lake:PutObject", "bucket/key", kChange, kObjectMax), "PUT", kObject, "", false, "", true,
     PutObject},
    {Row("CopyObject", "lake:PutObject", "bucket/key", kChange), "PUT", kObject, "", true, "", true, CopyObject},
    {Row("DeleteObject", "lake:DeleteObject", "bucket/key", kChange), "DELETE", kObject, "", false, "", true,
     DeleteObject},
    {Row("CreateMultipartUpload", "lake:PutObject", "bucket/key", kChange), "POST", kObject, "uploads", false, "", true,
     CreateMultipartUpload},
    {Row("UploadPart", "lake:PutObject", "bucket/key", kChange, kObjectMax), "PUT", kObject, "uploadId", false,
     "partNumber", true, UploadPart},
    {Row("UploadPartCopy", "lake:PutObject", "bucket/key", kChange), "PUT", kObject, "uploadId", true, "partNumber",
     true, UploadPartCopy},
    {Row("CompleteMultipartUpload", "lake:PutObject", "bucket/key", kChange, kXmlMax), "POST", kObject, "uploadId",
     false, "", true, CompleteMultipartUpload},
    {Row("AbortMultipartUpload", "lake:PutObject", "bucket/key", kChange), "DELETE", kObject, "uploadId", false, "",
     true, AbortMultipartUpload},
    {Row("GetObjectAcl", "lake:GetObject", "bucket/key", kRead), "GET", kObject, "acl", false, "", false, GetObjectAcl},
    {Row("GetObjectAttributes", "lake:GetObject", "bucket/key", kRead), "GET", kObject, "attributes", false, "", false,
     GetObjectAttributes},
    {Row("GetObjectTagging", "lake:GetObject", "bucket/key", kRead), "GET", kObject, "tagging", false, "", false,
     GetObjectTagging},
    {Row("PutObjectTagging", "lake:PutObject", "bucket/key", kChange), "PUT", kObject, "tagging", false, "", true,
     PutObjectTagging},
    {Row("DeleteObjectTagging", "lake:PutObject", "bucket/key", kChange), "DELETE", kObject, "tagging", false, "", true,
     DeleteObjectTagging},
    {Row("ListParts", "lake:PutObject", "bucket/key", kRead), "GET", kObject, "uploadId", false, "", false, ListParts},
};

bool IsSubresource(std::string_view parameter) {
    return std::find(std::begin(kSubresources), std::end(kSubresources), parameter) != std::end(kSubresources);
}

Error NotImplemented(std::string message) {
    return Error(ErrorCode::kNotSupported, std::move(message)).WithDetailCode("NotImplemented");
}

// The one subresource of the query; two together mean something that nobody here knows.
Result<std::string> SubresourceOf(const HttpRequest& request) {
    std::string found;
    for (const auto& [name, value] : request.query) {
        bool version_2 = name == "list-type" && value == "2";
        if (!IsSubresource(name) && !version_2) continue;
        if (!found.empty() && found != name) {
            return NotImplemented(fmt::format("?{} together with ?{} is not supported", found, name));
        }
        found = name;
    }
    return found;
}

// A reading call may carry parameters that it does not know; a writing one would do something else than was meant.
Status CheckParameters(const S3Operation& row, const HttpRequest& request) {
    for (const auto& [name, value] : request.query) {
        if (name == "versionId" && value != "null" && !value.empty()) {
            return Error(ErrorCode::kNotFound, "the lake keeps no versions").WithDetailCode("NoSuchVersion");
        }
        bool of_link = name == "AWSAccessKeyId" || name == "Signature" || name == "Expires";
        bool general =
            name == "x-id" || name == "versionId" || name.starts_with("X-Amz-") || name == row.subresource || of_link;
        auto known = Split(row.parameters, '|');
        if (!row.writes || general || std::find(known.begin(), known.end(), name) != known.end()) continue;
        return NotImplemented(fmt::format("the parameter \"{}\" of {} is not supported", name, row.operation.name));
    }
    return Ok();
}

}  // namespace

std::span<const S3Operation> S3Operations() { return kOperations; }

Result<const S3Operation*> FindS3Operation(const HttpRequest& request, const ObjectName& name) {
    S3Level level = name.bucket.empty() ? S3Level::kService : name.key.empty() ? kBucket : kObject;
    std::string subresource = TRY(SubresourceOf(request));
    bool copies = request.method == "PUT" && request.headers.Has("x-amz-copy-source");
    for (const S3Operation& row : kOperations) {
        if (row.method != request.method || row.level != level) continue;
        if (row.subresource != subresource || row.copies != copies) continue;
        TRY(CheckParameters(row, request));
        return &row;
    }
    std::string asked = subresource.empty() ? std::string() : "?" + subresource;
    return NotImplemented(fmt::format("{} {} is not supported", request.method,
                                      asked.empty() ? std::string_view("here") : std::string_view(asked)));
}

std::string ResourceOf(const S3Operation& operation, const HttpRequest& request, const ObjectName& name) {
    if (operation.level == S3Level::kService) return "*";
    if (operation.operation.resource == "bucket/prefix") {
        return name.bucket + "/" + request.Query("prefix").value_or("");
    }
    return name.bucket + "/" + name.key;
}

}  // namespace tarn::lake
