#include "storage/lake/file_store.h"

namespace tarn::lake {
namespace {

class LakeFile : public engine::StoredFile {
  public:
    explicit LakeFile(std::unique_ptr<Object> object) : object_(std::move(object)) {}
    uint64_t bytes() const override { return object_->info().bytes; }
    std::string version_tag() const override { return object_->info().id; }
    int64_t modified_us() const override { return ToMicros(object_->info().modified_at); }
    Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) override { return object_->ReadAt(offset, buffer); }

  private:
    std::unique_ptr<Object> object_;
};

class NewLakeFile : public engine::NewFile {
  public:
    explicit NewLakeFile(std::unique_ptr<PutStream> put) : put_(std::move(put)) {}
    Status Append(ByteSpan bytes) override { return put_->Write(bytes); }
    Status Finish() override {
        TRY(put_->Finish());
        return Ok();
    }

  private:
    std::unique_ptr<PutStream> put_;
};

Result<ObjectName> NameOf(const std::string& path) {
    size_t slash = path.find('/');
    if (slash != std::string::npos) return ObjectName{path.substr(0, slash), path.substr(slash + 1)};
    return Error(ErrorCode::kInvalidArgument, "\"{}\" names no object: bucket/key is wanted", path);
}

}  // namespace

Result<std::unique_ptr<engine::StoredFile>> LakeFileStore::Open(const security::Principal& principal,
                                                                const std::string& path) {
    auto object = TRY(lake_.Open(principal, TRY(NameOf(path))));
    return std::make_unique<LakeFile>(std::move(object));
}

Result<std::unique_ptr<engine::NewFile>> LakeFileStore::Create(const security::Principal& principal,
                                                               const std::string& path) {
    auto put = TRY(lake_.StartPut(principal, TRY(NameOf(path)), {.if_absent = true}));
    return std::make_unique<NewLakeFile>(std::move(put));
}

}  // namespace tarn::lake
