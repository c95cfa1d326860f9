#include "storage/lake/lake.h"

#include "storage/lake/lake_store.h"
#include "storage/lake/names.h"

namespace tarn::lake {

// ---- what the door adds to its own calls

Result<Bytes> Object::Read(uint64_t offset, uint64_t bytes) {
    uint64_t there = offset < info().bytes ? info().bytes - offset : 0;
    Bytes content(std::min(bytes, there));
    size_t filled = TRY(ReadAt(offset, content));
    content.resize(filled);
    return content;
}

Result<ObjectInfo> Lake::PutBytes(const Principal& principal, const ObjectName& name, ByteSpan content,
                                  const PutOptions& options) {
    SpanReader reader(content);
    return Put(principal, name, reader, options);
}

Result<std::string> Lake::ReadText(const Principal& principal, const ObjectName& name, size_t bytes_max) {
    auto object = TRY(Open(principal, name));
    if (object->info().bytes > bytes_max) {
        return Error(ErrorCode::kResourceExhausted, "{} has {} bytes, more than {} are not read at once",
                     name.ToString(), object->info().bytes, bytes_max);
    }
    std::string text(object->info().bytes, '\0');
    MutableByteSpan buffer(reinterpret_cast<uint8_t*>(text.data()), text.size());
    text.resize(TRY(object->ReadAt(0, buffer)));
    return text;
}

Result<std::unique_ptr<Lake>> Lake::Create(LakeConfig config, LakeDependencies dependencies) {
    auto store = std::make_unique<LakeStore>(std::move(config), dependencies);
    TRY_CONTEXT(store->Start(), "lake");
    return store;
}

// ---- start

LakeStore::LakeStore(LakeConfig config, LakeDependencies dependencies)
    : config_(std::move(config)),
      dependencies_(dependencies),
      metrics_(dependencies.metrics),
      room_(dependencies.env, config_.directory + "/objects"),
      pins_([this](const std::string& file) {
          // A file that can't be removed costs space until the next start sweeps it.
          Status removed = room_.Remove(file);
          if (!removed.ok()) {
              dependencies_.log.Warning("a stored file could not be removed",
                                        {{"file", file}, {"error", removed.error().ToString()}});
          }
      }),
      file_store_(*this) {}

Status LakeStore::Start() {
    Files& files = dependencies_.env.files();
    TRY(files.CreateDirectories(config_.directory));
    lock_ = TRY(files.Lock(config_.directory + "/lock"));
    TRY(room_.Prepare());
    TRY(files.SyncDirectory(config_.directory));
    size_t slash = config_.directory.find_last_of('/');
    if (slash != std::string::npos && slash > 0) TRY(files.SyncDirectory(config_.directory.substr(0, slash)));
    Secret key = TRY(dependencies_.keys.KeyOf("lake-index"));
    index_ = TRY(LakeIndex::Open(dependencies_.env, config_.directory + "/index.db", key));
    return RemoveOrphans();
}

// Nothing writes yet, so a file without a row is one that a crash left behind. One folder at a time: both lists are in
// order, and a folder holds a 256th of the files.
Status LakeStore::RemoveOrphans() {
    for (int folder = 0; folder < 256; ++folder) TRY(RemoveOrphansOf(fmt::format("{:02x}", folder)));
    return Ok();
}

Status LakeStore::RemoveOrphansOf(const std::string& folder) {
    auto entries = TRY(dependencies_.env.files().List(room_.FolderOf(folder)));
    auto entry = entries.begin();
    std::vector<std::string> orphans;
    int64_t missing = 0;
    TRY(index_->ScanFiles(folder, [&](const std::string& file) {
        for (; entry != entries.end() && entry->name < file; ++entry) orphans.push_back(entry->name);
        if (entry != entries.end() && entry->name == file) {
            ++entry;
        } else {
            ++missing;
        }
    }));
    for (; entry != entries.end(); ++entry) orphans.push_back(entry->name);
    for (const std::string& file : orphans) {
        TRY(dependencies_.env.files().RemoveTree(room_.FolderOf(folder) + "/" + file));
    }
    metrics_.orphans.Add(static_cast<int64_t>(orphans.size()));
    if (missing > 0) {
        metrics_.corruptions.Add(missing);
        dependencies_.log.Error("stored files are missing; run verify to see which objects are damaged",
                                {{"folder", room_.FolderOf(folder)}, {"files", missing}});
    }
    return Ok();
}

// ---- backups

namespace {

class StoreHold : public LakeHold {
  public:
    StoreHold(Pins& pins, LakeIndex& index) : files_(pins), index_(index) {}
    Status HoldIndex(const std::function<Status()>& meanwhile) {
        file_ = TRY(index_.HoldFile(meanwhile));
        return Ok();
    }
    void ReleaseIndex() override { file_.reset(); }
    Status ScanFiles(const std::string& folder, const std::function<void(const std::string&)>& file) override {
        return index_.ScanFiles(folder, file);
    }

  private:
    Pins::Hold files_;
    LakeIndex& index_;
    std::unique_ptr<metadata::FileHold> file_;
};

}  // namespace

// Stored files first: what the index held still names must not have gone by then.
Result<std::unique_ptr<LakeHold>> LakeStore::Hold(const std::function<Status()>& meanwhile) {
    auto hold = std::make_unique<StoreHold>(pins_, *index_);
    TRY(hold->HoldIndex(meanwhile));
    return hold;
}

// ---- gate and keys

Status LakeStore::Require(const Principal& principal, std::string_view action, const std::string& resource) const {
    return security::Require(dependencies_.gate, principal, action, {"lake", resource});
}

Status LakeStore::RequireObject(const Principal& principal, std::string_view action, const ObjectName& name) const {
    TRY(CheckObjectName(name));
    return Require(principal, action, name.ToString());
}

Result<LakeStore::BucketKey> LakeStore::KeyOf(const std::string& bucket) {
    std::lock_guard lock(keys_mutex_);
    auto found = keys_.find(bucket);
    if (found != keys_.end()) return found->second;
    auto key = std::make_shared<const Secret>(TRY(dependencies_.keys.KeyOf("bucket:" + bucket)));
    keys_.emplace(bucket, key);
    return BucketKey(key);
}

// Starts with the time, so that what is written together lies together; the rest is random.
std::string LakeStore::NewObjectId() const {
    auto now = static_cast<uint64_t>(ToMillis(dependencies_.env.clock().Now()));
    return fmt::format("{:012x}{}", now & 0xffffffffffff, dependencies_.env.random().Hex(10));
}

// ---- buckets

Status LakeStore::CreateBucket(const Principal& principal, const std::string& bucket) {
    TRY(CheckBucketName(bucket));
    TRY(Require(principal, "lake:CreateBucket", bucket + "/"));
    TRY(KeyOf(bucket));
    return index_->CreateBucket(bucket, dependencies_.env.clock().Now());
}

Status LakeStore::DeleteBucket(const Principal& principal, const std::string& bucket) {
    TRY(CheckBucketName(bucket));
    TRY(Require(principal, "lake:DeleteBucket", bucket + "/"));
    pins_.Discard(TRY(index_->DeleteBucket(bucket)));
    return Ok();
}

Result<std::vector<BucketInfo>> LakeStore::ListBuckets(const Principal& principal) {
    std::vector<BucketInfo> visible;
    for (BucketInfo& bucket : TRY(index_->Buckets())) {
        if (Require(principal, "lake:ListBucket", bucket.name + "/").ok()) visible.push_back(std::move(bucket));
    }
    return visible;
}

Result<std::string> LakeStore::BucketSetting(const Principal& principal, const std::string& bucket,
                                             const std::string& name) {
    TRY(CheckBucketName(bucket));
    TRY(Require(principal, "lake:ListBucket", bucket + "/"));
    return index_->BucketSetting(bucket, name);
}

Status LakeStore::SetBucketSetting(const Principal& principal, const std::string& bucket, const std::string& name,
                                   const std::string& value) {
    TRY(CheckBucketName(bucket));
    TRY(Require(principal, "lake:CreateBucket", bucket + "/"));
    return index_->SetBucketSetting(bucket, name, value);
}

Result<BucketInfo> LakeStore::HeadBucket(const Principal& principal, const std::string& bucket) {
    TRY(CheckBucketName(bucket));
    TRY(Require(principal, "lake:ListBucket", bucket + "/"));
    return index_->FindBucket(bucket);
}

}  // namespace tarn::lake
