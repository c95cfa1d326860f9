#include "storage/warehouse/cache_files.h"

#include <set>

#include "base/text.h"

namespace tarn::warehouse {
namespace {

constexpr size_t kVerifyBytes = 1 << 20;  // read at once

class OpenCopy : public engine::StoredFile {
  public:
    explicit OpenCopy(std::shared_ptr<Copy> copy) : copy_(std::move(copy)) {}
    uint64_t bytes() const override { return static_cast<uint64_t>(copy_->row.bytes); }
    std::string version_tag() const override { return copy_->row.id; }
    int64_t modified_us() const override { return ToMicros(copy_->row.built_at); }
    Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) override { return copy_->ReadAt(offset, buffer); }

  private:
    std::shared_ptr<Copy> copy_;  // its file stays while it is read
};

}  // namespace

// ---- Copy

Copy::~Copy() {
    files_.bytes_used_ -= row.bytes;
    // What cannot be removed now has no row any more, and is swept at the next start.
    if (dropped_) (void)files_.room_.Remove(row.id);
}

Status Copy::Verify() {
    // The time first: a change while it is read is seen afterwards.
    FileEntry on_disk = TRY(files_.room_.env().files().Stat(files_.room_.PathOf(row.id)));
    std::shared_ptr<const lake::SealedFileReader> reader =
        TRY(lake::SealedFileReader::Open(files_.room_, row.id, static_cast<uint64_t>(row.bytes), files_.key_.bytes()));
    Bytes buffer(kVerifyBytes);
    for (uint64_t offset = 0; offset < static_cast<uint64_t>(row.bytes);) {
        size_t count = TRY(reader->ReadAt(offset, buffer));
        if (count == 0) return Error(ErrorCode::kCorruption, "the copy ends at byte {} of {}", offset, row.bytes);
        offset += count;
    }
    std::lock_guard lock(mutex_);
    reader_ = std::move(reader);
    on_disk_ = std::move(on_disk);
    return Ok();
}

bool Copy::IsUsable() {
    if (failed_) return false;
    std::lock_guard lock(mutex_);
    if (!reader_) return false;
    auto now = files_.room_.env().files().Stat(files_.room_.PathOf(row.id));
    bool same = now.ok() && now->bytes == on_disk_.bytes && now->modified_at == on_disk_.modified_at;
    if (!same) failed_ = true;
    return same;
}

Result<size_t> Copy::ReadAt(uint64_t offset, MutableByteSpan buffer) {
    std::shared_ptr<const lake::SealedFileReader> reader;
    {
        std::lock_guard lock(mutex_);
        reader = reader_;
    }
    if (!reader) return Error(ErrorCode::kUnavailable, "the copy was not verified yet");
    auto count = reader->ReadAt(offset, buffer);
    if (!count.ok() && !failed_.exchange(true)) files_.on_failure_();
    return count;
}

// ---- a copy being written

class NewCopy : public engine::NewFile {
  public:
    NewCopy(CacheFiles& files, std::string path, int64_t bytes_max, std::unique_ptr<lake::SealedFileWriter> writer)
        : files_(files), path_(std::move(path)), bytes_max_(bytes_max), writer_(std::move(writer)) {}
    Status Append(ByteSpan bytes) override {
        bytes_ += static_cast<int64_t>(bytes.size());
        if (bytes_ > bytes_max_) {
            return Error(ErrorCode::kResourceExhausted,
                         "the copy would be larger than the {} that `warehouse.disk` "
                         "leaves for it",
                         FormatSize(bytes_max_));
        }
        return writer_->Append(bytes);
    }
    Status Finish() override {
        TRY(writer_->Finish());
        std::lock_guard lock(files_.mutex_);
        files_.builds_[path_].finished = {std::move(writer_), bytes_};
        return Ok();
    }

  private:
    CacheFiles& files_;
    const std::string path_;
    const int64_t bytes_max_;
    std::unique_ptr<lake::SealedFileWriter> writer_;  // destroyed unfinished it removes its file
    int64_t bytes_ = 0;
};

// ---- CacheFiles

Result<std::unique_ptr<CacheFiles>> CacheFiles::Open(Env& env, const std::string& directory,
                                                     engine::FileStore& lake_files, const Secret& key,
                                                     std::function<void()> on_failure) {
    TRY(env.files().CreateDirectories(directory));
    std::unique_ptr<CacheFiles> files(new CacheFiles(env, directory, lake_files, key, std::move(on_failure)));
    return files;
}

Result<std::unique_ptr<engine::StoredFile>> CacheFiles::Open(const security::Principal& principal,
                                                             const std::string& path) {
    if (!path.starts_with(kCopyBucket)) return lake_files_.Open(principal, path);
    // Nobody's rights are asked here: only the engine opens a copy, for a relation that the gate has admitted.
    if (!principal.IsSystem()) return Error(ErrorCode::kPermissionDenied, "copies are read by the engine only");
    std::shared_ptr<Copy> copy;
    {
        std::lock_guard lock(mutex_);
        auto found = copies_.find(path.substr(kCopyBucket.size()));
        if (found != copies_.end()) copy = found->second.lock();
    }
    if (!copy) return Error(ErrorCode::kNotFound, "there is no copy {}", path);
    return std::unique_ptr<engine::StoredFile>(std::make_unique<OpenCopy>(std::move(copy)));
}

Result<std::unique_ptr<engine::NewFile>> CacheFiles::Create(const security::Principal& principal,
                                                            const std::string& path) {
    if (!path.starts_with(kCopyBucket)) return lake_files_.Create(principal, path);
    int64_t bytes_max = 0;
    {
        std::lock_guard lock(mutex_);
        auto build = builds_.find(path);
        if (build == builds_.end()) return Error(ErrorCode::kPermissionDenied, "nobody builds {}", path);
        bytes_max = build->second.bytes_max;
    }
    auto writer = TRY(lake::SealedFileWriter::Create(room_, key_.bytes()));
    return std::unique_ptr<engine::NewFile>(std::make_unique<NewCopy>(*this, path, bytes_max, std::move(writer)));
}

std::string CacheFiles::Expect(int64_t bytes_max) {
    std::string path = std::string(kCopyBucket) + "new-" + room_.NewId();
    std::lock_guard lock(mutex_);
    builds_[path].bytes_max = bytes_max;
    return path;
}

CacheFiles::Finished CacheFiles::Take(const std::string& path) {
    std::lock_guard lock(mutex_);
    Finished finished = std::move(builds_[path].finished);
    builds_.erase(path);
    return finished;
}

std::shared_ptr<Copy> CacheFiles::Make(CacheRow row) {
    bytes_used_ += row.bytes;
    auto copy = std::make_shared<Copy>(*this, std::move(row));
    std::lock_guard lock(mutex_);
    std::erase_if(copies_, [](const auto& one) { return one.second.expired(); });
    copies_[copy->row.id] = copy;
    return copy;
}

Status CacheFiles::Sweep(const std::vector<CacheRow>& rows) {
    std::set<std::string> known;
    for (const CacheRow& row : rows) known.insert(row.id);
    Files& files = room_.env().files();
    for (const FileEntry& folder : TRY(files.List(directory_))) {
        if (!folder.is_directory) continue;
        std::string path = directory_ + "/" + folder.name;
        for (const FileEntry& file : TRY(files.List(path))) {
            if (!known.contains(file.name)) TRY(files.Remove(path + "/" + file.name));
        }
    }
    return Ok();
}

}  // namespace tarn::warehouse
