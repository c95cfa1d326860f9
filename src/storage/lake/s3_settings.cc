// S3 calls about what is kept with buckets and objects: tags, attributes, and how every bucket is set.
#include <algorithm>

#include "base/json.h"
#include "base/number.h"
#include "base/text.h"
#include "storage/lake/operations.h"
#include "wire/s3/dates.h"
#include "wire/s3/xml.h"

namespace tarn::lake {
namespace {

constexpr size_t kTagsXmlBytesMax = 64 << 10;
constexpr int kPartsMax = 1000;
const std::string kTagging = "tagging";

// How every bucket is, in the words of S3: owned by the platform, encrypted, closed to strangers, without extras.
struct BucketFact {
    std::string_view subresource;
    std::string_view root;     // of the answer's XML, with `content` in it
    std::string_view content;
    std::string_view code = {};  // or the error of S3 for what is not configured
};
constexpr BucketFact kBucketFacts[] = {
    {"cors", "", "", "NoSuchCORSConfiguration"},
    {"lifecycle", "", "", "NoSuchLifecycleConfiguration"},
    {"logging", "BucketLoggingStatus", ""},
    {"notification", "NotificationConfiguration", ""},
    {"object-lock", "", "", "ObjectLockConfigurationNotFoundError"},
    {"ownershipControls", "OwnershipControls", "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"},
    {"policy", "", "", "NoSuchBucketPolicy"},
    {"policyStatus", "PolicyStatus", "<IsPublic>false</IsPublic>"},
    {"publicAccessBlock", "PublicAccessBlockConfiguration",
     "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>"
     "<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>"},
    {"replication", "", "", "ReplicationConfigurationNotFoundError"},
    {"requestPayment", "RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"},
    {"website", "", "", "NoSuchWebsiteConfiguration"},
};

std::string TagsAsText(const Tags& tags) {
    Json json = Json::array();
    for (const auto& [key, value] : tags) json.push_back({key, value});
    return DumpJson(json);
}

Result<Tags> TagsOfText(const std::string& text) {
    Tags tags;
    for (const Json& pair : TRY(ParseJson(text))) tags.emplace_back(pair.at(0), pair.at(1));
    return tags;
}

Result<Tags> TagsOfBody(S3Call& call, size_t tags_max) {
    Tags tags = TRY(s3::DecodeTags(TRY(call.body.ReadText(kTagsXmlBytesMax))));
    TRY(CheckTags(tags, tags_max));
    return tags;
}

std::vector<s3::ChecksumElement> ElementsOf(const std::vector<Checksum>& checksums) {
    std::vector<s3::ChecksumElement> elements;
    for (const Checksum& checksum : checksums) elements.push_back({checksum.algorithm, checksum.value});
    return elements;
}

Result<int> HeaderNumber(const S3Call& call, std::string_view header, int fallback, int max) {
    std::string text = call.Header(header);
    if (text.empty()) return fallback;
    auto number = ParseInteger(text);
    if (number && *number >= 0) return static_cast<int>(std::min<int64_t>(*number, max));
    return Error(ErrorCode::kInvalidArgument, "{} must be a number", header).WithDetailCode("InvalidArgument");
}

// The page of parts that the request asks for.
Status FillParts(const S3Call& call, const Object& object, s3::ObjectAttributes& attributes) {
    std::vector<uint64_t> bytes = object.part_bytes();
    const auto& checksums = object.part_checksums();
    attributes.with_parts = true;
    attributes.parts_count = static_cast<int>(bytes.size());
    attributes.parts_max = TRY(HeaderNumber(call, "x-amz-max-parts", kPartsMax, kPartsMax));
    attributes.part_marker = TRY(HeaderNumber(call, "x-amz-part-number-marker", 0, 10'000));
    for (int number = attributes.part_marker + 1; number <= attributes.parts_count; ++number) {
        attributes.truncated = static_cast<int>(attributes.parts.size()) == attributes.parts_max;
        if (attributes.truncated) break;
        size_t index = number - 1;
        s3::ObjectAttributes::Part part{.number = number, .bytes = bytes[index], .checksums = {}};
        if (index < checksums.size()) part.checksums = ElementsOf(checksums[index]);
        attributes.parts.push_back(std::move(part));
    }
    return Ok();
}

// Names in any number of headers, with commas between.
std::vector<std::string> WantedAttributes(const HttpHeaders& headers) {
    std::vector<std::string> wanted;
    for (const auto& [name, value] : headers.fields()) {
        if (!EqualsIgnoreCase(name, "x-amz-object-attributes")) continue;
        for (const std::string& word : Split(value, ',')) wanted.emplace_back(Trim(word));
    }
    return wanted;
}

}  // namespace

// ---- buckets

Status DescribeBucket(S3Call& call) {
    TRY(call.lake.HeadBucket(call.principal(), call.name.bucket));
    if (call.http.Query("acl")) {
        call.AnswerXml(s3::EncodePrivateAcl());
        return Ok();
    }
    if (call.http.Query("encryption")) {
        call.AnswerXml(s3::EncodeEncryption());
        return Ok();
    }
    for (const BucketFact& fact : kBucketFacts) {
        if (!call.http.Query(fact.subresource)) continue;
        if (!fact.code.empty()) {
            return Error(ErrorCode::kNotFound, "the bucket \"{}\" has no such configuration", call.name.bucket)
                .WithDetailCode(std::string(fact.code));
        }
        call.AnswerXml(
            fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{0} "
                        "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{1}</{0}>",
                        fact.root, fact.content));
        return Ok();
    }
    return Error(ErrorCode::kInternal, "a row without an answer");
}

Status GetBucketTagging(S3Call& call) {
    std::string stored = TRY(call.lake.BucketSetting(call.principal(), call.name.bucket, kTagging));
    if (stored.empty()) {
        return Error(ErrorCode::kNotFound, "the bucket \"{}\" has no tags", call.name.bucket)
            .WithDetailCode("NoSuchTagSet");
    }
    call.AnswerXml(s3::EncodeTags(TRY(TagsOfText(stored))));
    return Ok();
}

Status PutBucketTagging(S3Call& call) {
    Tags tags = TRY(TagsOfBody(call, kBucketTagsMax));
    TRY(call.lake.SetBucketSetting(call.principal(), call.name.bucket, kTagging, TagsAsText(tags)));
    call.answer.status = 204;
    return Ok();
}

Status DeleteBucketTagging(S3Call& call) {
    TRY(call.lake.SetBucketSetting(call.principal(), call.name.bucket, kTagging, ""));
    call.answer.status = 204;
    return Ok();
}

// ---- objects

Status GetObjectAcl(S3Call& call) {
    TRY(call.lake.Head(call.principal(), call.name));
    call.AnswerXml(s3::EncodePrivateAcl());
    return Ok();
}

Status GetObjectAttributes(S3Call& call) {
    auto object = TRY(call.lake.Open(call.principal(), call.name));
    const ObjectInfo& info = object->info();
    std::vector<std::string> wanted = WantedAttributes(call.http.headers);
    if (wanted.empty()) {
        return Error(ErrorCode::kInvalidArgument, "x-amz-object-attributes says what is wanted, and is not there")
            .WithDetailCode("InvalidRequest");
    }
    s3::ObjectAttributes attributes;
    for (const std::string& word : wanted) {
        if (word == "ETag") {
            attributes.etag = info.etag;
        } else if (word == "ObjectSize") {
            attributes.bytes = info.bytes;
        } else if (word == "StorageClass") {
            attributes.storage_class = true;
        } else if (word == "Checksum") {
            attributes.with_checksums = true;
            attributes.checksums = ElementsOf(info.checksums);
            if (!info.checksums.empty()) attributes.checksum_type = ChecksumTypeOf(info.checksums.front());
        } else if (word != "ObjectParts") {
            return Error(ErrorCode::kInvalidArgument, "there is no attribute \"{}\"", word)
                .WithDetailCode("InvalidArgument");
        } else if (info.etag.find('-') != std::string::npos) {
            TRY(FillParts(call, *object, attributes));
        }
    }
    call.answer.headers.Set("Last-Modified", s3::FormatHttpDate(info.modified_at));
    call.AnswerXml(s3::EncodeAttributes(attributes));
    return Ok();
}

Status GetObjectTagging(S3Call& call) {
    ObjectInfo info = TRY(call.lake.Head(call.principal(), call.name));
    call.AnswerXml(s3::EncodeTags(info.tags));
    return Ok();
}

Status PutObjectTagging(S3Call& call) {
    TRY(call.lake.SetTags(call.principal(), call.name, TRY(TagsOfBody(call, kObjectTagsMax))));
    return Ok();
}

Status DeleteObjectTagging(S3Call& call) {
    TRY(call.lake.SetTags(call.principal(), call.name, {}));
    call.answer.status = 204;
    return Ok();
}

}  // namespace tarn::lake
