#include "storage/warehouse/cache_index.h"

namespace tarn::warehouse {
namespace {

constexpr const char* kTables = R"sql(
CREATE TABLE warehouse_files (
    id TEXT PRIMARY KEY, schema_name TEXT NOT NULL, table_name TEXT NOT NULL, version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, row_count INTEGER NOT NULL, bytes INTEGER NOT NULL, statistics TEXT NOT NULL,
    built_at INTEGER NOT NULL, build_us INTEGER NOT NULL)
)sql";

}  // namespace

Result<std::unique_ptr<CacheIndex>> CacheIndex::Open(metadata::Database& database) {
    TRY(database.Migrate("warehouse", {{1, kTables}}));
    return std::unique_ptr<CacheIndex>(new CacheIndex(database));
}

Result<std::vector<CacheRow>> CacheIndex::All() {
    std::vector<CacheRow> list;
    auto rows =
        TRY(database_.Query("SELECT id, schema_name, table_name, version, fingerprint, row_count, bytes, statistics, "
                            "built_at, build_us FROM warehouse_files ORDER BY built_at DESC, version DESC"));
    for (const metadata::Row& row : rows) {
        list.push_back({.id = row[0].text(),
                        .schema = row[1].text(),
                        .name = row[2].text(),
                        .version = row[3].integer(),
                        .fingerprint = row[4].text(),
                        .rows = row[5].integer(),
                        .bytes = row[6].integer(),
                        .statistics = row[7].text(),
                        .built_at = FromMicros(row[8].integer()),
                        .build_us = row[9].integer()});
    }
    return list;
}

Status CacheIndex::Add(const CacheRow& row) {
    return database_.Write([&](metadata::Transaction& transaction) -> Status {
        TRY(transaction.Execute("INSERT INTO warehouse_files VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                                {row.id, row.schema, row.name, row.version, row.fingerprint, row.rows, row.bytes,
                                 row.statistics, ToMicros(row.built_at), row.build_us}));
        return Ok();
    });
}

Status CacheIndex::Remove(const std::string& id) {
    return database_.Write([&](metadata::Transaction& transaction) -> Status {
        TRY(transaction.Execute("DELETE FROM warehouse_files WHERE id = $1", {id}));
        return Ok();
    });
}

}  // namespace tarn::warehouse
