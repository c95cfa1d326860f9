// Writes one copy of a relation through the engine, and tells copies of different content apart.
#pragma once

#include <string>

#include "base/env.h"
#include "base/executor.h"
#include "engine/engine.h"
#include "storage/warehouse/cache_files.h"
#include "storage/warehouse/cache_index.h"

namespace tarn::warehouse {

// Of version, columns, and every file with what is deleted in it: the same for the same rows of the same version, also
// when a table was dropped and made anew with numbers that begin again.
std::string FingerprintOf(const engine::Relation& relation);

// The scan that reads a copy in place of the relation's own files.
engine::FileScan ScanOf(const Copy& copy, const engine::Relation& relation);

class CopyBuilder {
  public:
    CopyBuilder(Env& env, engine::Engine& engine, CacheFiles& files, CacheIndex& index)
        : env_(env), engine_(engine), files_(files), index_(index) {}
    // Durable, in the index and verified when it returns; `bytes_max` is what it may take of the disk.
    Result<std::shared_ptr<Copy>> Build(const engine::Relation& relation, int64_t bytes_max, const CancelToken& cancel);

  private:
    Env& env_;
    engine::Engine& engine_;
    CacheFiles& files_;
    CacheIndex& index_;
};

}  // namespace tarn::warehouse
