// The rows of `warehouse_files`: which sealed file is the copy of what. A file without a row is nobody's and goes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "metadata/metadata.h"

namespace tarn::warehouse {

struct CacheRow {
    std::string id;  // the sealed file's
    std::string schema;
    std::string name;
    int64_t version = -1;
    std::string fingerprint;  // of the relation that it is a copy of
    int64_t rows = 0;
    int64_t bytes = 0;  // of Parquet; on disk a little more
    std::string statistics;  // as engine::ScanFile's
    Timestamp built_at;
    int64_t build_us = 0;
};

class CacheIndex {
  public:
    static Result<std::unique_ptr<CacheIndex>> Open(metadata::Database& database);
    Result<std::vector<CacheRow>> All();  // newest first
    Status Add(const CacheRow& row);
    Status Remove(const std::string& id);

  private:
    explicit CacheIndex(metadata::Database& database) : database_(database) {}
    metadata::Database& database_;
};

}  // namespace tarn::warehouse
