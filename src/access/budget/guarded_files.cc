#include "access/budget/guarded_files.h"

#include <algorithm>

namespace tarn::access {
namespace {

constexpr uint64_t kAskEveryBytes = 4 << 20;

class GuardedFile : public File {
  public:
    GuardedFile(std::unique_ptr<File> inner, const std::function<Status()>& may_grow)
        : inner_(std::move(inner)), may_grow_(may_grow) {}
    Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) const override {
        return inner_->ReadAt(offset, buffer);
    }
    Status Append(ByteSpan bytes) override {
        TRY(Ask(bytes.size()));
        return inner_->Append(bytes);
    }
    Status WriteAt(uint64_t offset, ByteSpan bytes) override {
        TRY(Ask(bytes.size()));
        return inner_->WriteAt(offset, bytes);
    }
    Status Truncate(uint64_t size) override { return inner_->Truncate(size); }
    Status Sync() override { return inner_->Sync(); }
    Result<uint64_t> Size() const override { return inner_->Size(); }

  private:
    Status Ask(uint64_t bytes) {
        unasked_ += bytes;
        if (unasked_ < kAskEveryBytes) return Ok();
        unasked_ = 0;
        return may_grow_();
    }
    std::unique_ptr<File> inner_;
    const std::function<Status()> may_grow_;  // a copy: the file may outlive who made it
    uint64_t unasked_ = 0;
};

// SQLite's files take deletes too, and must be let grow for them.
bool IsDatabase(const std::string& path) { return path.substr(path.rfind('/') + 1).find(".db") != std::string::npos; }

}  // namespace

Result<std::unique_ptr<File>> GuardedFiles::Create(const std::string& path, CreateOptions options) {
    if (IsDatabase(path)) return inner_.Create(path, options);
    TRY(may_grow_());
    return std::unique_ptr<File>(std::make_unique<GuardedFile>(TRY(inner_.Create(path, options)), may_grow_));
}

Result<uint64_t> GuardedFiles::FreeBytes(const std::string& path) {
    TRY(may_grow_());
    uint64_t free = TRY(inner_.FreeBytes(path));
    return free - std::min(free, static_cast<uint64_t>(std::max<int64_t>(held_back_(), 0)));
}

}  // namespace tarn::access
