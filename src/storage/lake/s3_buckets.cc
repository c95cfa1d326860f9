// S3 calls on buckets: making, listing, deleting many.
#include "base/text.h"
#include "storage/lake/checksums.h"
#include "storage/lake/operations.h"
#include "storage/lake/s3_answer.h"
#include "wire/s3/xml.h"

namespace tarn::lake {
namespace {

constexpr int kKeysMax = 1000;
constexpr size_t kDeleteBytesMax = 4 << 20;
constexpr size_t kAuditedKeysBytesMax = 64 << 10;

Result<bool> WantsUrlEncoding(const S3Call& call) {
    std::string type = call.Query("encoding-type");
    if (type.empty() || EqualsIgnoreCase(type, "url")) return !type.empty();
    return Error(ErrorCode::kInvalidArgument, "encoding-type can only be url").WithDetailCode("InvalidArgument");
}

// A page of objects as S3 lists it; `after` is the key that the page starts behind.
Status ListPageOf(S3Call& call, s3::ObjectListing listing, std::string after, bool versions = false) {
    listing.bucket = call.name.bucket;
    listing.prefix = call.Query("prefix");
    listing.delimiter = call.Query("delimiter");
    listing.url_encoded = TRY(WantsUrlEncoding(call));
    listing.keys_max = TRY(call.Number("max-keys", kKeysMax, kKeysMax));
    ListPage page = TRY(call.lake.List(call.principal(), listing.bucket,
                                       {.prefix = listing.prefix,
                                        .delimiter = listing.delimiter,
                                        .start_after = std::move(after),
                                        .keys_max = listing.keys_max}));
    listing.truncated = page.truncated;
    if (page.truncated && versions) listing.next = page.next_start_after;
    if (page.truncated && !versions && listing.version == 2)
        listing.next = Base64UrlEncode(AsBytes(page.next_start_after));
    // Version 1 names the next marker only where the last key doesn't say it.
    bool tells_marker = page.truncated && !versions && listing.version == 1 && !listing.delimiter.empty();
    if (tells_marker) listing.next = page.next_start_after;
    for (ObjectInfo& object : page.objects) {
        listing.objects.push_back({std::move(object.name.key), object.modified_at, object.etag, object.bytes});
    }
    listing.common_prefixes = std::move(page.common_prefixes);
    call.call.rows = static_cast<int64_t>(listing.objects.size() + listing.common_prefixes.size());
    call.AnswerXml(versions ? s3::EncodeVersions(listing) : s3::EncodeObjects(listing));
    return Ok();
}

// The keys, as far as they fit a record of the audit log.
Json AuditedKeys(const s3::DeleteRequest& request) {
    Json keys = Json::array();
    size_t bytes = 0;
    for (const auto& object : request.keys) {
        bytes += object.key.size();
        if (bytes > kAuditedKeysBytesMax) break;
        keys.push_back(object.key);
    }
    return keys;
}

// The checks of a body that is read whole: the client may announce its MD5 or a checksum.
Status CheckBody(const S3Call& call, std::string_view text) {
    PutOptions options = TRY(PutOptionsOf(call));
    auto md5 = Hasher::Create(HashKind::kMd5);
    md5->Update(AsBytes(text));
    bool matches = options.expected_md5.empty() || HexEncode(md5->Finish()) == options.expected_md5;
    if (options.expected_at_end) {
        for (Checksum& checksum : TRY(options.expected_at_end())) options.expected.push_back(std::move(checksum));
    }
    for (const Checksum& checksum : options.expected) {
        auto hasher = Hasher::Create(TRY(HashKindOf(checksum.algorithm)));
        hasher->Update(AsBytes(text));
        matches = matches && Base64Encode(hasher->Finish()) == checksum.value;
    }
    if (matches) return Ok();
    return Error(ErrorCode::kInvalidArgument, "the body is not what its checksum says").WithDetailCode("BadDigest");
}

}  // namespace

Status ListBuckets(S3Call& call) {
    std::vector<s3::NamedBucket> buckets;
    for (BucketInfo& bucket : TRY(call.lake.ListBuckets(call.principal()))) {
        buckets.push_back({std::move(bucket.name), bucket.created_at});
    }
    call.call.rows = static_cast<int64_t>(buckets.size());
    call.AnswerXml(s3::EncodeBuckets(buckets));
    return Ok();
}

// The region in the body may be any: the lake is in one place.
Status CreateBucket(S3Call& call) {
    TRY(RefuseUnsupportedHeaders(call.http.headers));
    TRY(s3::DecodeCreateBucket(TRY(call.body.ReadText(64 << 10))));
    TRY(call.lake.CreateBucket(call.principal(), call.name.bucket));
    call.answer.headers.Set("Location", "/" + call.name.bucket);
    return Ok();
}

Status HeadBucket(S3Call& call) {
    TRY(call.lake.HeadBucket(call.principal(), call.name.bucket));
    call.answer.headers.Set("x-amz-bucket-region", "us-east-1");
    return Ok();
}

Status DeleteBucket(S3Call& call) {
    TRY(call.lake.DeleteBucket(call.principal(), call.name.bucket));
    call.answer.status = 204;
    return Ok();
}

Status GetBucketLocation(S3Call& call) {
    TRY(call.lake.HeadBucket(call.principal(), call.name.bucket));
    call.AnswerXml(s3::EncodeLocation(""));
    return Ok();
}

Status GetBucketVersioning(S3Call& call) {
    TRY(call.lake.HeadBucket(call.principal(), call.name.bucket));
    call.AnswerXml(s3::EncodeVersioningOff());
    return Ok();
}

Status ListObjects(S3Call& call) {
    s3::ObjectListing listing{.version = 1, .with_owner = true, .start_after = call.Query("marker")};
    std::string after = listing.start_after;
    return ListPageOf(call, std::move(listing), std::move(after));
}

Status ListObjectsV2(S3Call& call) {
    s3::ObjectListing listing{.version = 2, .with_owner = call.Query("fetch-owner") == "true"};
    listing.start_after = call.Query("start-after");
    std::string after = listing.start_after;
    if (auto token = call.http.Query("continuation-token")) {
        auto decoded = Base64UrlDecode(*token);
        if (!decoded.ok()) {
            return Error(ErrorCode::kInvalidArgument, "the continuation token is not one of ours")
                .WithDetailCode("InvalidArgument");
        }
        listing.continuation_token = *token;
        listing.has_continuation_token = true;
        if (!token->empty()) after = AsText(*decoded);
    }
    return ListPageOf(call, std::move(listing), std::move(after));
}

// Of buckets without versions, which all are: every object is the one version of its key.
Status ListObjectVersions(S3Call& call) {
    std::string marker = call.Query("key-marker");
    if (marker.empty() && !call.Query("version-id-marker").empty()) {
        return Error(ErrorCode::kInvalidArgument, "a version-id-marker needs a key-marker")
            .WithDetailCode("InvalidArgument");
    }
    return ListPageOf(call, {.with_owner = true, .start_after = marker}, marker, true);
}

Status DeleteObjects(S3Call& call) {
    std::string text = TRY(call.body.ReadText(kDeleteBytesMax));
    TRY(CheckBody(call, text));
    s3::DeleteRequest request = TRY(s3::DecodeDelete(text));
    call.call.details["keys"] = AuditedKeys(request);
    call.call.details["keys_count"] = request.keys.size();
    std::vector<std::string> keys;
    std::vector<s3::DeleteFailure> failures;
    for (const auto& object : request.keys) {
        if (!object.version_id.empty() && object.version_id != "null") {
            failures.push_back({object.key, "NoSuchVersion", "the lake keeps no versions"});
        } else if (!object.etag.empty()) {
            failures.push_back({object.key, "NotImplemented", "deleting on condition of an ETag is not supported"});
        } else {
            keys.push_back(object.key);
        }
    }
    auto statuses = TRY(call.lake.DeleteMany(call.principal(), call.name.bucket, keys));
    std::vector<std::string> deleted;
    for (size_t index = 0; index < keys.size(); ++index) {
        if (statuses[index].ok()) {
            ++call.call.rows;
            if (!request.quiet) deleted.push_back(keys[index]);
        } else {
            const Error& error = statuses[index].error();
            failures.push_back({keys[index], S3ErrorOf(error).code, error.message()});
        }
    }
    call.AnswerXml(s3::EncodeDeleted(deleted, failures));
    return Ok();
}

}  // namespace tarn::lake
