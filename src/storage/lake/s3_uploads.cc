// S3 calls of multipart uploads.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/text.h"
#include "storage/lake/operations.h"
#include "wire/s3/dates.h"
#include "wire/s3/xml.h"

namespace tarn::lake {
namespace {

constexpr int kPageMax = 1000;
constexpr int kPartNumberMax = 10'000;
constexpr size_t kCompleteBytesMax = 4 << 20;

// The part's number; 0 and what is no number are refused by the lake.
Result<int> PartNumber(const S3Call& call) { return call.Number("partNumber", 0, kPartNumberMax + 1); }

// A stretch of an object as a body.
class ObjectStretch : public ByteReader {
  public:
    ObjectStretch(Object& object, uint64_t offset, uint64_t bytes) : object_(object), offset_(offset), left_(bytes) {}
    Result<size_t> Read(MutableByteSpan buffer) override {
        size_t read = TRY(object_.ReadAt(offset_, buffer.first(std::min<uint64_t>(buffer.size(), left_))));
        offset_ += read;
        left_ -= read;
        return read;
    }

  private:
    Object& object_;
    uint64_t offset_;
    uint64_t left_;
};

std::vector<Checksum> ChecksumsOf(const std::vector<s3::ChecksumElement>& elements) {
    std::vector<Checksum> checksums;
    for (const auto& element : elements) checksums.push_back({element.algorithm, element.value});
    return checksums;
}

std::vector<s3::ChecksumElement> ElementsOf(const std::vector<Checksum>& checksums) {
    std::vector<s3::ChecksumElement> elements;
    for (const Checksum& checksum : checksums) elements.push_back({checksum.algorithm, checksum.value});
    return elements;
}

struct Stretch {
    uint64_t offset = 0;
    uint64_t bytes = 0;
};

// x-amz-copy-source-range: "bytes=first-last", both given.
Result<Stretch> CopyRange(const S3Call& call, uint64_t object_bytes) {
    std::string text = call.Header("x-amz-copy-source-range");
    if (text.empty()) return Stretch{0, object_bytes};
    unsigned long long first = 0, last = 0;
    int used = 0;
    bool read = std::sscanf(text.c_str(), "bytes=%20llu-%20llu%n", &first, &last, &used) == 2;
    if (!read || static_cast<size_t>(used) != text.size() || first > last) {
        return Error(ErrorCode::kInvalidArgument, "x-amz-copy-source-range is not bytes=FIRST-LAST")
            .WithDetailCode("InvalidArgument");
    }
    if (last >= object_bytes) {
        return Error(ErrorCode::kOutOfRange, "the range lies outside of the source's {} bytes", object_bytes)
            .WithDetailCode("InvalidRange");
    }
    return Stretch{first, last - first + 1};
}

// Keys and upload ids up to the markers are past; what rolls up into a common prefix is told once.
void FillUploads(const std::vector<UploadInfo>& uploads, s3::UploadListing& listing) {
    for (const UploadInfo& upload : uploads) {
        const std::string& key = upload.name.key;
        bool past = key < listing.key_marker ||
                    (key == listing.key_marker && !listing.key_marker.empty() &&
                     (listing.upload_id_marker.empty() || upload.upload_id <= listing.upload_id_marker));
        if (past || !key.starts_with(listing.prefix)) continue;
        std::string common;
        size_t found = key.find(listing.delimiter, listing.prefix.size());
        if (!listing.delimiter.empty() && found != std::string::npos) {
            common = key.substr(0, found + listing.delimiter.size());
        }
        if (!common.empty() && !listing.common_prefixes.empty() && listing.common_prefixes.back() == common) continue;
        int count = static_cast<int>(listing.uploads.size() + listing.common_prefixes.size());
        if (count == listing.uploads_max) {
            listing.truncated = true;
            return;
        }
        listing.next_key_marker = key;
        listing.next_upload_id_marker = upload.upload_id;
        if (common.empty()) {
            listing.uploads.push_back({key, upload.upload_id, upload.started_at});
        } else {
            listing.common_prefixes.push_back(std::move(common));
        }
    }
}

}  // namespace

Status CreateMultipartUpload(S3Call& call) {
    PutOptions options = TRY(PutOptionsOf(call));
    options.expected_bytes.reset();
    std::string type = call.Header("x-amz-checksum-type");
    // CRC64NVME has no checksum of checksums.
    bool only_full = !options.compute.empty() && EqualsIgnoreCase(options.compute.front(), "CRC64NVME");
    options.full_object_checksum = type == "FULL_OBJECT" || only_full;
    std::string upload_id = TRY(call.lake.StartUpload(call.principal(), call.name, options));
    if (!options.compute.empty()) {
        call.answer.headers.Set("x-amz-checksum-algorithm", options.compute.front());
        call.answer.headers.Set("x-amz-checksum-type", options.full_object_checksum ? "FULL_OBJECT" : "COMPOSITE");
    }
    call.AnswerXml(s3::EncodeUploadStarted(call.name.bucket, call.name.key, upload_id));
    return Ok();
}

Status UploadPart(S3Call& call) {
    TRY(RequireLength(call));
    PutOptions options = TRY(PutOptionsOf(call));
    PartInfo part = TRY(call.lake.PutPart(call.principal(), call.name, call.Query("uploadId"), TRY(PartNumber(call)),
                                          call.body.reader(), options));
    call.call.bytes = static_cast<int64_t>(part.bytes);
    call.answer.headers.Set("ETag", fmt::format("\"{}\"", part.etag));
    for (const Checksum& checksum : part.checksums) {
        call.answer.headers.Set("x-amz-checksum-" + ToLower(checksum.algorithm), checksum.value);
    }
    return Ok();
}

Status UploadPartCopy(S3Call& call) {
    ObjectName source = TRY(CopySourceOf(call));
    call.call.details["source"] = source.ToString();
    auto object = TRY(call.lake.Open(call.principal(), source));
    std::string wanted = s3::Unquote(call.Header("x-amz-copy-source-if-match"));
    if (!wanted.empty() && wanted != object->info().etag) {
        return Error(ErrorCode::kFailedPrecondition, "a condition on the source does not hold")
            .WithDetailCode("PreconditionFailed");
    }
    Stretch stretch = TRY(CopyRange(call, object->info().bytes));
    ObjectStretch content(*object, stretch.offset, stretch.bytes);
    PartInfo part =
        TRY(call.lake.PutPart(call.principal(), call.name, call.Query("uploadId"), TRY(PartNumber(call)), content, {}));
    call.call.bytes = static_cast<int64_t>(part.bytes);
    call.AnswerXml(s3::EncodeCopied("CopyPartResult", part.etag, part.modified_at, ElementsOf(part.checksums)));
    return Ok();
}

Status CompleteMultipartUpload(S3Call& call) {
    std::string text = TRY(call.body.ReadText(kCompleteBytesMax));
    std::vector<PartInfo> parts;
    for (s3::CompletePart& part : TRY(s3::DecodeComplete(text))) {
        parts.push_back({.number = part.number, .etag = part.etag, .checksums = ChecksumsOf(part.checksums)});
    }
    PutOptions options = TRY(PutOptionsOf(call));
    options.expected_bytes.reset();  // of the XML
    if (call.http.headers.Has("x-amz-mp-object-size")) {
        std::string text = call.Header("x-amz-mp-object-size");
        uint64_t bytes = 0;
        (void)std::from_chars(text.data(), text.data() + text.size(), bytes);
        options.expected_bytes = bytes;
    }
    ObjectInfo info =
        TRY(call.lake.CompleteUpload(call.principal(), call.name, call.Query("uploadId"), parts, options));
    call.call.bytes = static_cast<int64_t>(info.bytes);
    s3::CompletedUpload completed{.location = "/" + call.name.ToString(),
                                  .bucket = call.name.bucket,
                                  .key = call.name.key,
                                  .etag = info.etag,
                                  .checksums = ElementsOf(info.checksums)};
    if (!info.checksums.empty()) completed.checksum_type = ChecksumTypeOf(info.checksums.front());
    call.answer.headers.Set("x-amz-server-side-encryption", "AES256");
    call.AnswerXml(s3::EncodeUploadCompleted(completed));
    return Ok();
}

Status AbortMultipartUpload(S3Call& call) {
    TRY(call.lake.AbortUpload(call.principal(), call.name, call.Query("uploadId")));
    call.answer.status = 204;
    return Ok();
}

Status ListParts(S3Call& call) {
    s3::PartListing listing{.bucket = call.name.bucket, .key = call.name.key, .upload_id = call.Query("uploadId")};
    listing.parts_max = TRY(call.Number("max-parts", kPageMax, kPageMax));
    listing.marker = TRY(call.Number("part-number-marker", 0, kPartNumberMax));
    for (PartInfo& part : TRY(call.lake.ListParts(call.principal(), call.name, listing.upload_id))) {
        if (part.number <= listing.marker) continue;
        listing.truncated = static_cast<int>(listing.parts.size()) == listing.parts_max;
        if (listing.truncated) break;
        listing.next_marker = part.number;
        listing.parts.push_back({part.number, part.modified_at, part.etag, part.bytes, ElementsOf(part.checksums)});
    }
    call.call.rows = static_cast<int64_t>(listing.parts.size());
    call.AnswerXml(s3::EncodeParts(listing));
    return Ok();
}

Status ListMultipartUploads(S3Call& call) {
    s3::UploadListing listing{.bucket = call.name.bucket,
                              .prefix = call.Query("prefix"),
                              .delimiter = call.Query("delimiter"),
                              .key_marker = call.Query("key-marker"),
                              .upload_id_marker = call.Query("upload-id-marker")};
    listing.url_encoded = EqualsIgnoreCase(call.Query("encoding-type"), "url");
    listing.uploads_max = TRY(call.Number("max-uploads", kPageMax, kPageMax));
    FillUploads(TRY(call.lake.ListUploads(call.principal(), call.name.bucket)), listing);
    call.call.rows = static_cast<int64_t>(listing.uploads.size());
    call.AnswerXml(s3::EncodeUploads(listing));
    return Ok();
}

}  // namespace tarn::lake
