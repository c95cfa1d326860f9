// The XML of S3: answers to text, requests to structs. Names of members are those of the S3 API reference.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html. Input is limited by its reader; external
// entities and DTDs are not processed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tarn::s3 {

struct ErrorBody {
    std::string code;
    std::string message;
    std::string resource;
    std::string request_id;
};
std::string EncodeError(const ErrorBody& error);

// The one owner of everything: the platform.
inline constexpr std::string_view kOwnerId = "tarn";

struct NamedBucket {
    std::string name;
    Timestamp created_at;
};
std::string EncodeBuckets(const std::vector<NamedBucket>& buckets);
std::string EncodeLocation(std::string_view region);  // empty: us-east-1
std::string EncodeVersioningOff();

struct ListedObject {
    std::string key;
    Timestamp modified_at;
    std::string etag;
    uint64_t bytes = 0;
};
struct ObjectListing {
    int version = 2;
    std::string bucket;
    std::string prefix;
    std::string delimiter;
    bool url_encoded = false;  // encoding-type=url: keys, prefixes, delimiter, markers
    int keys_max = 1000;
    bool truncated = false;
    bool with_owner = false;
    std::string start_after;         // version 2; marker of version 1
    std::string continuation_token;  // version 2, as sent
    bool has_continuation_token = false;
    std::string next;  // next continuation token, or next marker
    std::vector<ListedObject> objects;
    std::vector<std::string> common_prefixes;
};
std::string EncodeObjects(const ObjectListing& listing);
// The same page as ListObjectVersions tells it of a bucket without versions: each object is its own latest, "null".
std::string EncodeVersions(const ObjectListing& listing);

struct ChecksumElement {
    std::string algorithm;  // "CRC32"
    std::string value;
};
struct ObjectAttributes {
    std::optional<std::string> etag;
    std::optional<uint64_t> bytes;
    bool storage_class = false;
    bool with_checksums = false;
    std::vector<ChecksumElement> checksums;
    std::string checksum_type;
    struct Part {
        int number = 0;
        uint64_t bytes = 0;
        std::vector<ChecksumElement> checksums;
    };
    bool with_parts = false;
    int parts_count = 0;
    int part_marker = 0;
    int parts_max = 1000;
    bool truncated = false;
    std::vector<Part> parts;
};
std::string EncodeAttributes(const ObjectAttributes& attributes);

// What an object or bucket that only its owner may touch answers.
std::string EncodePrivateAcl();
std::string EncodeEncryption();

using Tags = std::vector<std::pair<std::string, std::string>>;
std::string EncodeTags(const Tags& tags);

std::string EncodeCopied(std::string_view element, std::string_view etag, Timestamp modified_at,
                         const std::vector<ChecksumElement>& checksums);
std::string EncodeUploadStarted(std::string_view bucket, std::string_view key, std::string_view upload_id);

struct CompletedUpload {
    std::string location;
    std::string bucket;
    std::string key;
    std::string etag;
    std::vector<ChecksumElement> checksums;
    std::string checksum_type;  // empty without checksums
};
std::string EncodeUploadCompleted(const CompletedUpload& completed);

struct ListedPart {
    int number = 0;
    Timestamp modified_at;
    std::string etag;
    uint64_t bytes = 0;
    std::vector<ChecksumElement> checksums;
};
struct PartListing {
    std::string bucket;
    std::string key;
    std::string upload_id;
    int marker = 0;
    int next_marker = 0;
    int parts_max = 1000;
    bool truncated = false;
    std::vector<ListedPart> parts;
};
std::string EncodeParts(const PartListing& listing);

struct ListedUpload {
    std::string key;
    std::string upload_id;
    Timestamp started_at;
};
struct UploadListing {
    std::string bucket;
    std::string prefix;
    std::string delimiter;
    std::string key_marker;
    std::string upload_id_marker;
    std::string next_key_marker;
    std::string next_upload_id_marker;
    bool url_encoded = false;
    int uploads_max = 1000;
    bool truncated = false;
    std::vector<ListedUpload> uploads;
    std::vector<std::string> common_prefixes;
};
std::string EncodeUploads(const UploadListing& listing);

struct DeleteFailure {
    std::string key;
    std::string code;
    std::string message;
};
std::string EncodeDeleted(const std::vector<std::string>& deleted, const std::vector<DeleteFailure>& failures);

// ---- requests; kSyntax with code MalformedXML

struct DeleteRequest {
    struct Key {
        std::string key;
        std::string version_id;
        std::string etag;
    };
    bool quiet = false;
    std::vector<Key> keys;
};
Result<DeleteRequest> DecodeDelete(std::string_view text);

struct CompletePart {
    int number = 0;
    std::string etag;  // without quotes
    std::vector<ChecksumElement> checksums;
};
Result<std::vector<CompletePart>> DecodeComplete(std::string_view text);

Result<Tags> DecodeTags(std::string_view text);

// The LocationConstraint of CreateBucket; empty for none.
Result<std::string> DecodeCreateBucket(std::string_view text);

// An ETag without the quotes that may be around it.
std::string Unquote(std::string_view etag);

}  // namespace tarn::s3
