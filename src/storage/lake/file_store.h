// LakeFileStore: the lake as the engine's files; a path is "bucket/key".
#pragma once

#include "engine/files.h"
#include "storage/lake/lake.h"

namespace tarn::lake {

class LakeFileStore : public engine::FileStore {
  public:
    explicit LakeFileStore(Lake& lake) : lake_(lake) {}
    Result<std::unique_ptr<engine::StoredFile>> Open(const security::Principal& principal,
                                                     const std::string& path) override;
    Result<std::unique_ptr<engine::NewFile>> Create(const security::Principal& principal,
                                                    const std::string& path) override;

  private:
    Lake& lake_;
};

}  // namespace tarn::lake
