// Multipart uploads: each part is a stored file; completing one only writes the object's row.
#include "base/text.h"
#include "storage/lake/lake_store.h"
#include "storage/lake/names.h"

namespace tarn::lake {
namespace {

constexpr int kPartNumberMax = 10'000;
constexpr uint64_t kPartBytesMin = 5 << 20;  // of all but the last

// Feeds a part's content to its writer.
class PartSink : public ByteWriter {
  public:
    explicit PartSink(ContentWriter& writer) : writer_(writer) {}
    Status Write(ByteSpan bytes) override { return writer_.Append(bytes); }

  private:
    ContentWriter& writer_;
};

Error InvalidPart(int number, std::string_view why) {
    return Error(ErrorCode::kInvalidArgument, "part {} {}", number, why).WithDetailCode("InvalidPart");
}

// Only what the caller stated is compared.
Status CheckPart(const PartInfo& wanted, const StoredPart& stored, bool is_last) {
    if (!wanted.etag.empty() && wanted.etag != stored.info.etag) {
        return InvalidPart(wanted.number, fmt::format("has ETag {}, not {}", stored.info.etag, wanted.etag));
    }
    for (const Checksum& checksum : wanted.checksums) {
        for (const Checksum& known : stored.info.checksums) {
            if (EqualsIgnoreCase(known.algorithm, checksum.algorithm) && known.value != checksum.value) {
                return InvalidPart(wanted.number, fmt::format("has {} {}", known.algorithm, known.value));
            }
        }
    }
    if (is_last || stored.info.bytes >= kPartBytesMin) return Ok();
    return Error(ErrorCode::kInvalidArgument, "part {} has {} bytes; all but the last need at least {}", wanted.number,
                 stored.info.bytes, kPartBytesMin)
        .WithDetailCode("EntityTooSmall");
}

Result<std::vector<StoredPart>> ChooseParts(const std::vector<PartInfo>& wanted, std::vector<StoredPart> stored) {
    if (wanted.empty()) {
        return Error(ErrorCode::kInvalidArgument, "an upload is completed with at least one part")
            .WithDetailCode("MalformedXML");
    }
    for (size_t index = 1; index < wanted.size(); ++index) {
        if (wanted[index].number > wanted[index - 1].number) continue;
        return Error(ErrorCode::kInvalidArgument, "the parts must be in rising order; {} follows {}",
                     wanted[index].number, wanted[index - 1].number)
            .WithDetailCode("InvalidPartOrder");
    }
    std::vector<StoredPart> chosen;
    auto next = stored.begin();
    for (size_t index = 0; index < wanted.size(); ++index) {
        int number = wanted[index].number;
        while (next != stored.end() && next->info.number < number) ++next;
        if (next == stored.end() || next->info.number != number) return InvalidPart(number, "was not uploaded");
        TRY(CheckPart(wanted[index], *next, index + 1 == wanted.size()));
        chosen.push_back(std::move(*next));
        ++next;
    }
    return chosen;
}

Result<std::string> EtagOfParts(const std::vector<StoredPart>& parts) {
    auto md5 = Hasher::Create(HashKind::kMd5);
    for (const StoredPart& part : parts) md5->Update(TRY(HexDecode(part.info.etag)));
    return fmt::format("{}-{}", HexEncode(md5->Finish()), parts.size());
}

Result<std::vector<Checksum>> ChecksumsOfParts(const std::vector<StoredPart>& parts, const PutOptions& upload) {
    std::vector<Checksum> checksums;
    for (const std::string& algorithm : upload.compute) {
        std::vector<PartChecksum> values;
        for (const StoredPart& part : parts) {
            for (const Checksum& checksum : part.info.checksums) {
                if (!EqualsIgnoreCase(checksum.algorithm, algorithm)) continue;
                values.push_back({checksum.value, part.info.bytes});
                break;
            }
        }
        if (values.size() != parts.size()) continue;
        std::string value = upload.full_object_checksum ? TRY(FullObjectChecksum(algorithm, values))
                                                        : TRY(CompositeChecksum(algorithm, values));
        checksums.push_back({algorithm, std::move(value)});
    }
    return checksums;
}

Result<StoredObject> ObjectOfParts(const StoredUpload& upload, const std::vector<StoredPart>& parts) {
    StoredObject object;
    object.info.name = upload.info.name;
    object.info.content_type = upload.options.content_type;
    object.info.metadata = upload.options.metadata;
    object.info.tags = upload.options.tags;
    object.info.etag = TRY(EtagOfParts(parts));
    object.info.checksums = TRY(ChecksumsOfParts(parts, upload.options));
    object.upload_id = upload.info.upload_id;
    for (const StoredPart& part : parts) {
        object.info.bytes += part.info.bytes;
        object.extents.insert(object.extents.end(), part.extents.begin(), part.extents.end());
        if (!object.info.checksums.empty()) object.part_checksums.push_back(part.info.checksums);
    }
    return object;
}

}  // namespace

Result<std::string> LakeStore::StartUpload(const Principal& principal, const ObjectName& name,
                                           const PutOptions& options) {
    TRY(RequireObject(principal, "lake:PutObject", name));
    for (const std::string& algorithm : options.compute) TRY(HashKindOf(algorithm));
    StoredUpload upload;
    upload.info = {name, dependencies_.env.random().Hex(16), dependencies_.env.clock().Now()};
    upload.options = options;
    TRY(index_->StartUpload(upload));
    return upload.info.upload_id;
}

Result<PartInfo> LakeStore::PutPart(const Principal& principal, const ObjectName& name, const std::string& upload_id,
                                    int number, ByteReader& content, const PutOptions& options) {
    TRY(RequireObject(principal, "lake:PutObject", name));
    if (number < 1 || number > kPartNumberMax) {
        return Error(ErrorCode::kInvalidArgument, "a part's number is 1 to {}, not {}", kPartNumberMax, number)
            .WithDetailCode("InvalidArgument");
    }
    StoredUpload upload = TRY(index_->FindUpload(name, upload_id));
    BucketKey key = TRY(KeyOf(name.bucket));
    std::vector<std::string> algorithms = upload.options.compute;
    algorithms.insert(algorithms.end(), options.compute.begin(), options.compute.end());
    for (const Checksum& expected : options.expected) algorithms.push_back(expected.algorithm);
    auto writer = TRY(ContentWriter::Create(room_, key->bytes(), {.algorithms = algorithms, .always_file = true}));
    PartSink sink(*writer);
    TRY(CopyBytes(content, sink));
    WrittenContent written = TRY(writer->Finish());
    TRY(CheckContent(written, options));
    StoredPart part{{number, written.bytes, written.md5_hex, dependencies_.env.clock().Now(), written.checksums},
                    written.extents};
    auto freed = index_->PutPart(upload_id, part);
    if (freed.ok() || MayBeCommitted(freed.error())) written.Keep();
    pins_.Discard(TRY(std::move(freed)));
    metrics_.objects_put.Add();
    metrics_.put_bytes.Add(static_cast<int64_t>(part.info.bytes));
    return std::move(part.info);
}

Result<ObjectInfo> LakeStore::CompleteUpload(const Principal& principal, const ObjectName& name,
                                             const std::string& upload_id, const std::vector<PartInfo>& parts,
                                             const PutOptions& options) {
    TRY(RequireObject(principal, "lake:PutObject", name));
    auto upload = index_->FindUpload(name, upload_id);
    if (!upload.ok() && upload.error().code() == ErrorCode::kNotFound) return CompletedBefore(name, upload_id);
    if (!upload.ok()) return std::move(upload).error();
    auto chosen = TRY(ChooseParts(parts, TRY(index_->Parts(upload_id))));
    StoredObject object = TRY(ObjectOfParts(*upload, chosen));
    object.info.id = NewObjectId();
    object.info.modified_at = dependencies_.env.clock().Now();
    if (options.expected_bytes && *options.expected_bytes != object.info.bytes) {
        return Error(ErrorCode::kInvalidArgument, "the parts have {} bytes, but {} were announced", object.info.bytes,
                     *options.expected_bytes)
            .WithDetailCode("InvalidRequest");
    }
    TRY(CompareChecksums(options.expected, object.info.checksums));
    pins_.Discard(TRY(index_->CompleteUpload(upload_id, chosen, object, options)));
    metrics_.objects_put.Add();
    return std::move(object.info);
}

// A client whose answer was lost asks again; the object that it made is the answer.
Result<ObjectInfo> LakeStore::CompletedBefore(const ObjectName& name, const std::string& upload_id) {
    auto object = index_->Find(name, false);
    if (object.ok() && object->upload_id == upload_id) return std::move(object->info);
    return Error(ErrorCode::kNotFound, "there is no unfinished upload \"{}\" of {}", upload_id, name.ToString())
        .WithDetailCode("NoSuchUpload");
}

Status LakeStore::AbortUpload(const Principal& principal, const ObjectName& name, const std::string& upload_id) {
    TRY(RequireObject(principal, "lake:PutObject", name));
    TRY(index_->FindUpload(name, upload_id));
    pins_.Discard(TRY(index_->AbortUpload(upload_id)));
    return Ok();
}

Result<std::vector<PartInfo>> LakeStore::ListParts(const Principal& principal, const ObjectName& name,
                                                   const std::string& upload_id) {
    TRY(RequireObject(principal, "lake:PutObject", name));
    TRY(index_->FindUpload(name, upload_id));
    std::vector<PartInfo> parts;
    for (StoredPart& part : TRY(index_->Parts(upload_id))) parts.push_back(std::move(part.info));
    return parts;
}

Result<std::vector<UploadInfo>> LakeStore::ListUploads(const Principal& principal, const std::string& bucket) {
    TRY(CheckBucketName(bucket));
    TRY(Require(principal, "lake:ListBucket", bucket + "/"));
    return index_->Uploads(bucket);
}

}  // namespace tarn::lake
