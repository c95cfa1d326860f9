#include "access/backup/store.h"

#include <set>

#include "base/file_stream.h"
#include "metadata/state_directory.h"

namespace tarn::access {
namespace {

class FolderStore : public BackupStore {
  public:
    FolderStore(Env& env, std::string path) : env_(env), path_(std::move(path)) {}

    const std::string& place() const override { return path_; }

    Result<std::unique_ptr<FileLock>> Lock() override {
        TRY(metadata::CreateDirectoriesDurably(env_, path_));
        auto lock = env_.files().Lock(path_ + "/lock");
        if (lock.ok() || lock.error().code() != ErrorCode::kUnavailable) return lock;
        return Error(ErrorCode::kUnavailable, "another Tarn makes a backup to {}", path_).WithHint("try again later");
    }

    Status Put(const std::string& name, ByteSpan content) override {
        std::string path = PathOf(name);
        std::string folder = FolderOf(path);
        if (!folders_.contains(folder)) {
            TRY(env_.files().CreateDirectories(folder));
            folders_.insert(folder);
        }
        unsynced_.insert(folder);
        auto file = TRY(FileReplacement::Create(env_.files(), path, 0600));
        TRY(file->Write(content));
        return file->Finish();
    }

    Status Sync() override {
        std::set<std::string> folders;
        for (std::string folder : unsynced_) {
            for (; folder.size() >= path_.size(); folder = FolderOf(folder)) folders.insert(folder);
        }
        for (const std::string& folder : folders) TRY(env_.files().SyncDirectory(folder));
        unsynced_.clear();
        return Ok();
    }

    Result<Bytes> Get(const std::string& name, size_t bytes_max) override {
        auto file = TRY(env_.files().Open(PathOf(name)));
        uint64_t bytes = TRY(file->Size());
        if (bytes > bytes_max) {
            return Error(ErrorCode::kResourceExhausted, "{} has {} bytes, more than {}", PathOf(name), bytes,
                         bytes_max);
        }
        Bytes content(bytes);
        content.resize(TRY(file->ReadAt(0, content)));
        return content;
    }

    Status Scan(const std::string& folder,
                const std::function<void(const std::string& name, uint64_t bytes)>& found) override {
        if (!env_.files().Exists(PathOf(folder))) return Ok();
        for (const FileEntry& entry : TRY(env_.files().List(PathOf(folder)))) {
            if (!entry.is_directory) found(entry.name, entry.bytes);
        }
        return Ok();
    }

    Status Remove(const std::string& name) override {
        unsynced_.insert(FolderOf(PathOf(name)));
        Status removed = env_.files().Remove(PathOf(name));
        if (!removed.ok() && removed.error().code() == ErrorCode::kNotFound) return Ok();
        return removed;
    }

  private:
    std::string PathOf(const std::string& name) const { return path_ + "/" + name; }

    Env& env_;
    const std::string path_;
    std::set<std::string> folders_;   // that are there
    std::set<std::string> unsynced_;  // in which names changed
};

}  // namespace

Result<std::unique_ptr<BackupStore>> BackupStore::Open(Env& env, const std::string& place) {
    if (place.find("://") != std::string::npos) {
        return Error(ErrorCode::kNotSupported, "backups go to a folder, not to {}", place)
            .WithHint("mount the outside place, or copy the folder there: it is encrypted as it is");
    }
    if (!place.starts_with("/")) return Error(ErrorCode::kInvalidArgument, "{} is no absolute path", place);
    std::string path = place;
    while (path.size() > 1 && path.ends_with("/")) path.pop_back();
    auto entry = env.files().Stat(path);
    if (entry.ok() && !entry->is_directory) return Error(ErrorCode::kInvalidArgument, "{} is no folder", path);
    return std::unique_ptr<BackupStore>(std::make_unique<FolderStore>(env, std::move(path)));
}

}  // namespace tarn::access
