// Verify: reads everything back, as somebody would, and collects what is damaged.
#include "storage/lake/lake_store.h"

namespace tarn::lake {
namespace {

constexpr size_t kDamageMax = 10'000;  // error texts kept; a lake that is all gone must not fill the memory

}  // namespace

Result<std::vector<std::string>> LakeStore::Verify() {
    std::vector<std::string> damage;
    Status index = index_->CheckIntegrity();
    if (!index.ok()) damage.push_back("the lake's index: " + index.error().message());
    for (const BucketInfo& bucket : TRY(index_->Buckets())) TRY(VerifyBucket(bucket.name, damage));
    for (const UploadInfo& upload : TRY(index_->AllUploads())) TRY(VerifyUpload(upload, damage));
    return damage;
}

Status LakeStore::VerifyBucket(const std::string& bucket, std::vector<std::string>& damage) {
    ListOptions options;
    while (true) {
        auto page = index_->List(bucket, options);
        if (!page.ok() && page.error().code() == ErrorCode::kNotFound) return Ok();  // deleted meanwhile
        if (!page.ok()) return std::move(page).error();
        for (const ObjectInfo& object : page->objects) VerifyObject(object.name, damage);
        options.start_after = page->next_start_after;
        if (!page->truncated || damage.size() >= kDamageMax) return Ok();
    }
}

void LakeStore::VerifyObject(const ObjectName& name, std::vector<std::string>& damage) {
    auto object = OpenStored(name);
    Status status = object.ok() ? ReadToEnd(**object) : Status(object.error());
    if (status.ok() || status.error().code() == ErrorCode::kNotFound) return;
    damage.push_back(status.error().message());
}

// A part is read as an object of its own.
Status LakeStore::VerifyUpload(const UploadInfo& upload, std::vector<std::string>& damage) {
    BucketKey key = TRY(KeyOf(upload.name.bucket));
    std::vector<StoredPart> parts;
    auto pin = TRY(pins_.PinFound([&]() -> Result<std::vector<std::string>> {
        parts = TRY(index_->Parts(upload.upload_id));
        std::vector<std::string> files;
        for (const StoredPart& part : parts) {
            for (const Extent& extent : part.extents) files.push_back(extent.file);
        }
        return files;
    }));
    for (const StoredPart& part : parts) {
        StoredObject object;
        object.info.name = {upload.name.bucket, fmt::format("{} (part {})", upload.name.key, part.info.number)};
        object.info.bytes = part.info.bytes;
        object.extents = part.extents;
        auto reader = ObjectReader::Create(std::move(object), Pins::Pin(), {room_, metrics_, key});
        Status status = reader.ok() ? ReadToEnd(**reader) : Status(reader.error());
        if (!status.ok() && damage.size() < kDamageMax) damage.push_back(status.error().message());
    }
    return Ok();
}

}  // namespace tarn::lake
