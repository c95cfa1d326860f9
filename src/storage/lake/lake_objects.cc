// Objects: put, open, list, delete, copy.
#include "storage/lake/lake_store.h"
#include "storage/lake/names.h"

namespace tarn::lake {
namespace {

constexpr size_t kCopyBufferBytes = 256 << 10;

// A put under way. The bucket's key outlives the writer that seals with it.
class LakePut : public PutStream {
  public:
    LakePut(LakeStore& store, StoredObject object, PutOptions options, std::shared_ptr<const Secret> key,
            std::unique_ptr<ContentWriter> writer)
        : store_(store),
          object_(std::move(object)),
          options_(std::move(options)),
          key_(std::move(key)),
          writer_(std::move(writer)) {}

    Status Write(ByteSpan bytes) override {
        if (!writer_) return Error(ErrorCode::kFailedPrecondition, "the put of {} is over", object_.info.name.key);
        Status status = writer_->Append(bytes);
        if (!status.ok()) writer_.reset();  // what follows would leave a gap
        return status;
    }

    Result<ObjectInfo> Finish() override {
        if (!writer_) return Error(ErrorCode::kFailedPrecondition, "the put of {} is over", object_.info.name.key);
        auto writer = std::move(writer_);
        return store_.CommitPut(std::move(object_), TRY(writer->Finish()), options_);
    }

  private:
    LakeStore& store_;
    StoredObject object_;
    PutOptions options_;
    std::shared_ptr<const Secret> key_;
    std::unique_ptr<ContentWriter> writer_;
};

std::vector<std::string> AlgorithmsOf(const PutOptions& options) {
    std::vector<std::string> algorithms = options.compute;
    for (const Checksum& expected : options.expected) algorithms.push_back(expected.algorithm);
    return algorithms;
}

Status CheckSourceCondition(const ObjectInfo& source, const PutOptions& options) {
    const std::string& wanted = options.source_if_match;
    if (wanted.empty() || wanted == "*" || wanted == source.etag) return Ok();
    return Error(ErrorCode::kFailedPrecondition, "{} is of ETag {}, not {}", source.name.ToString(), source.etag,
                 wanted)
        .WithDetailCode("PreconditionFailed");
}

std::vector<std::string> FilesOf(const StoredObject& object) {
    std::vector<std::string> files;
    for (const Extent& extent : object.extents) files.push_back(extent.file);
    return files;
}

}  // namespace

// ---- put

Result<std::unique_ptr<PutStream>> LakeStore::StartPut(const Principal& principal, const ObjectName& name,
                                                       const PutOptions& options) {
    TRY(RequireObject(principal, "lake:PutObject", name));
    // Asked here only to refuse before the content is sent; the commit decides.
    TRY(index_->FindBucket(name.bucket));
    BucketKey key = TRY(KeyOf(name.bucket));
    StoredObject object;
    object.info.name = name;
    object.info.id = NewObjectId();
    object.info.content_type = options.content_type;
    object.info.metadata = options.metadata;
    object.info.tags = options.tags;
    auto writer =
        TRY(ContentWriter::Create(room_, key->bytes(), {.id = object.info.id, .algorithms = AlgorithmsOf(options)}));
    return std::make_unique<LakePut>(*this, std::move(object), options, std::move(key), std::move(writer));
}

Result<ObjectInfo> LakeStore::Put(const Principal& principal, const ObjectName& name, ByteReader& content,
                                  const PutOptions& options) {
    auto put = TRY(StartPut(principal, name, options));
    TRY(CopyBytes(content, *put));
    return put->Finish();
}

Result<ObjectInfo> LakeStore::CommitPut(StoredObject object, WrittenContent content, const PutOptions& options) {
    Duration started = dependencies_.env.clock().Monotonic();
    TRY(CheckContent(content, options));
    object.info.bytes = content.bytes;
    object.info.etag = content.md5_hex;
    object.info.checksums = content.checksums;
    object.info.modified_at = dependencies_.env.clock().Now();
    object.sealed = std::move(content.sealed);
    object.extents = content.extents;
    auto freed = index_->Put(object, FileOwnership::kNew, options);
    if (freed.ok() || MayBeCommitted(freed.error())) content.Keep();
    pins_.Discard(TRY(std::move(freed)));
    metrics_.objects_put.Add();
    metrics_.put_bytes.Add(static_cast<int64_t>(object.info.bytes));
    Duration took = dependencies_.env.clock().Monotonic() - started;
    metrics_.put_seconds.Observe(std::chrono::duration<double>(took).count());
    return std::move(object.info);
}

// ---- read, list, delete

Result<ObjectInfo> LakeStore::Head(const Principal& principal, const ObjectName& name) {
    TRY(RequireObject(principal, "lake:GetObject", name));
    return TRY(index_->Find(name, false)).info;
}

Result<std::unique_ptr<Object>> LakeStore::Open(const Principal& principal, const ObjectName& name) {
    TRY(RequireObject(principal, "lake:GetObject", name));
    return TRY(OpenStored(name));
}

Result<std::unique_ptr<ObjectReader>> LakeStore::OpenStored(const ObjectName& name) {
    BucketKey key = TRY(KeyOf(name.bucket));
    StoredObject object;
    auto pin = TRY(pins_.PinFound([&]() -> Result<std::vector<std::string>> {
        object = TRY(index_->Find(name, true));
        return FilesOf(object);
    }));
    metrics_.opens.Add();
    return ObjectReader::Create(std::move(object), std::move(pin), {room_, metrics_, std::move(key)});
}

Result<ListPage> LakeStore::List(const Principal& principal, const std::string& bucket, const ListOptions& options) {
    TRY(CheckBucketName(bucket));
    TRY(Require(principal, "lake:ListBucket", bucket + "/" + options.prefix));
    metrics_.lists.Add();
    ListPage page = TRY(index_->List(bucket, options));
    // Names and sizes of a table's files tell of rows that somebody may not see.
    // Keys come in order and a table has a folder, so the gate is asked once a folder and not once a key.
    std::optional<std::string> folder;
    bool folder_is_hidden = false;
    auto is_hidden = [&](const std::string& key) {
        std::string_view of_key = std::string_view(key).substr(0, key.rfind('/') + 1);
        if (folder == of_key) return folder_is_hidden;
        folder = of_key;
        security::Resource resource{"lake", fmt::format("{}/{}", bucket, of_key)};
        folder_is_hidden = dependencies_.gate.Decide(principal, "lake:ListBucket", resource).restricted;
        return folder_is_hidden;
    };
    std::erase_if(page.objects, [&](const ObjectInfo& object) { return is_hidden(object.name.key); });
    std::erase_if(page.common_prefixes, is_hidden);
    return page;
}

Status LakeStore::Delete(const Principal& principal, const ObjectName& name) {
    TRY(RequireObject(principal, "lake:DeleteObject", name));
    pins_.Discard(TRY(index_->Delete(name.bucket, {name.key})));
    metrics_.deletes.Add();
    return Ok();
}

Result<std::vector<Status>> LakeStore::DeleteMany(const Principal& principal, const std::string& bucket,
                                                  const std::vector<std::string>& keys) {
    TRY(CheckBucketName(bucket));
    std::vector<Status> statuses;
    std::vector<std::string> allowed;
    for (const std::string& key : keys) {
        statuses.push_back(RequireObject(principal, "lake:DeleteObject", {bucket, key}));
        if (statuses.back().ok()) allowed.push_back(key);
    }
    if (allowed.empty()) return statuses;
    pins_.Discard(TRY(index_->Delete(bucket, allowed)));
    metrics_.deletes.Add(static_cast<int64_t>(allowed.size()));
    return statuses;
}

Status LakeStore::SetTags(const Principal& principal, const ObjectName& name, const Tags& tags) {
    TRY(RequireObject(principal, "lake:PutObject", name));
    return index_->SetTags(name, tags);
}

// ---- copy

Result<ObjectInfo> LakeStore::Copy(const Principal& principal, const ObjectName& from, const ObjectName& to,
                                   const PutOptions& options) {
    TRY(RequireObject(principal, "lake:GetObject", from));
    TRY(RequireObject(principal, "lake:PutObject", to));
    auto source = TRY(OpenStored(from));
    TRY(CheckSourceCondition(source->info(), options));
    PutOptions put = options;
    if (!options.replace_metadata) {
        put.content_type = source->info().content_type;
        put.metadata = source->info().metadata;
    }
    if (!options.replace_tags) put.tags = source->info().tags;
    if (from.bucket == to.bucket && options.compute.empty() && options.expected.empty()) {
        StoredObject target;
        target.info = {.name = to,
                       .content_type = put.content_type,
                       .metadata = put.metadata,
                       .tags = put.tags,
                       .id = NewObjectId()};
        auto shared = TRY(ShareContent(source->stored(), std::move(target), put));
        if (shared) return std::move(*shared);
    }
    for (const Checksum& checksum : source->info().checksums) {
        if (put.compute.empty()) put.compute.push_back(checksum.algorithm);
    }
    auto stream = TRY(StartPut(principal, to, put));
    Bytes buffer(kCopyBufferBytes);
    for (uint64_t offset = 0; offset < source->info().bytes;) {
        size_t read = TRY(source->ReadAt(offset, buffer));
        TRY(stream->Write(ByteSpan(buffer).first(read)));
        offset += read;
    }
    return stream->Finish();
}

// Nothing when the content can't be shared: it lies in the index, sealed for its own object, or was just deleted.
Result<std::optional<ObjectInfo>> LakeStore::ShareContent(const StoredObject& source, StoredObject target,
                                                          const PutOptions& options) {
    if (source.extents.empty() && source.info.bytes > 0) return std::optional<ObjectInfo>();
    target.info.bytes = source.info.bytes;
    target.info.etag = source.info.etag;
    target.info.checksums = source.info.checksums;
    target.info.modified_at = dependencies_.env.clock().Now();
    target.upload_id = source.upload_id;  // its extents are parts
    target.part_checksums = source.part_checksums;
    target.extents = source.extents;
    auto freed = index_->Put(target, FileOwnership::kShared, options);
    if (!freed.ok() && freed.error().code() == ErrorCode::kConflict) return std::optional<ObjectInfo>();
    pins_.Discard(TRY(std::move(freed)));
    metrics_.objects_put.Add();
    return std::optional<ObjectInfo>(std::move(target.info));
}

}  // namespace tarn::lake
