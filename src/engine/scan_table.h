// What a scan of one relation's files needs, shared by every part of the plan that scans it: types, statistics,
 // deletes.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include <duckdb.hpp>
#include <duckdb/storage/statistics/base_statistics.hpp>
#include <duckdb/storage/statistics/numeric_stats.hpp>
#include <duckdb/storage/statistics/string_stats.hpp>

#include "engine/relation.h"

class Roaring64Map;  // CRoaring's

namespace tarn::engine {

class ScanTable {
  public:
    ScanTable(std::shared_ptr<const Relation> relation, std::vector<duckdb::LogicalType> types);
    ~ScanTable();

    const FileScan& scan() const { return *scan_; }
    const std::vector<duckdb::LogicalType>& types() const { return types_; }
    // Rows that a scan of the file gives: without the deleted ones; -1 unknown.
    int64_t RowsOf(size_t file) const;
    // Null when nothing is deleted. Throws on a bitmap that cannot be read.
    std::shared_ptr<const Roaring64Map> DeletedOf(size_t file) const;
    // What is known of a column in a file; null for nothing. A partition column is a constant.
    const duckdb::BaseStatistics* StatisticsOf(size_t file, size_t column) const;
    // Over all files; null if one knows nothing.
    duckdb::unique_ptr<duckdb::BaseStatistics> MergedStatistics(size_t column) const;
    // The constant of a partition column in a file.
    duckdb::Value PartitionValue(size_t file, size_t column) const;

  private:
    struct FileFacts;
    FileFacts& FactsOf(size_t file) const;

    std::shared_ptr<const Relation> relation_;
    const FileScan* scan_;
    std::vector<duckdb::LogicalType> types_;
    mutable std::mutex mutex_;
    mutable std::vector<std::unique_ptr<FileFacts>> facts_;  // made when first asked for
};

}  // namespace tarn::engine
