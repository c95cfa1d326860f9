// Warehouse: serving caches. A table whose file says `cache: yes` is also kept as one sealed Parquet file of its newest
// version, laid out to be read quickly; a query reads that file instead if it is of the very version asked for.
//
// Does: builds a copy in the background after each commit, whoever made it; reads every file back before it is used,
// after each start and every few hours; drops the files of older versions once nobody reads them; rebuilds what is
// damaged, cut, swapped or gone. Never: the only copy of anything, an answer of another version, an error of a query
// that the lakehouse could answer. Policies hold as on the table itself: the catalog puts them into the relation, of
// which only the files are exchanged here. Who: constructed by app before the engine (which reads its files), started
// after the lakehouse. Threads: any; the work is done by `parallel` threads of its own.
// State: `warehouse/` in the state directory and table `warehouse_files`, both rebuilt at will and in no backup.
// Fails: a cache that cannot be built says why in StatusOf and Health; queries go on from the lakehouse.
//
//   warehouse->SetTables({{"delays", "flights"}});
//   catalog.SetServingCache(&warehouse->AsServingCache());
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/env.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "engine/engine.h"
#include "metadata/metadata.h"
#include "security/keys.h"
#include "storage/catalog/catalog.h"
#include "storage/lakehouse/lakehouse.h"

namespace tarn::warehouse {

struct WarehouseConfig {
    std::string directory;
    int64_t disk_bytes_max = 0;  // of all copies; 0: a tenth of the disk's free space
    int parallel = 1;  // copies built at once
    int versions = 1;  // of each table; more than one serves AT (VERSION => n) too
};

struct WarehouseDependencies {
    Env& env;
    engine::FileStore& lake_files;  // for every path that is not of a copy
    security::KeyProvider& keys;
    metadata::Database& metadata;
    Metrics& metrics;
    Log& log;
    // Runs the build of a table's copy as an operation of the program's; empty: just runs it.
    std::function<Status(const std::string& table, const std::function<Status()>& build)> recorded;
};

struct TableCache {
    lakehouse::TableName table;
    catalog::CacheInfo info;
};

class Warehouse {
  public:
    static Result<std::unique_ptr<Warehouse>> Create(WarehouseConfig config, WarehouseDependencies dependencies);
    virtual ~Warehouse() = default;

    // What the engine reads and writes through: copies here, everything else in the lake.
    virtual engine::FileStore& AsFileStore() = 0;
    virtual catalog::ServingCache& AsServingCache() = 0;
    // The tables that have a cache; those of others are dropped.
    virtual Status SetTables(const std::vector<lakehouse::TableName>& tables) = 0;
    virtual void Start(engine::Engine& engine, lake::Lake& lake, lakehouse::Lakehouse& lakehouse) = 0;
    virtual void Stop() = 0;
    virtual std::vector<TableCache> Tables() = 0;
    // kResourceExhausted or kIo while the disk takes no copies: queries are slower, nothing else is wrong.
    virtual Status Health() = 0;
    // Nothing to build, to verify or to drop now: for tests and `demo`.
    virtual bool Idle() = 0;
};

}  // namespace tarn::warehouse
