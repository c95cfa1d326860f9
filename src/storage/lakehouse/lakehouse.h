// Lakehouse: native Delta Lake tables over the lake. A table <schema>.<name> lies at lakehouse/<schema>/<name>/, also
// after it was renamed: then that is the name which it was made under (workspace/homes.h).
//
// Does: replays logs (JSON commits, checkpoints V1, multi-part and V2 with sidecars), reads tables of reader version <=
// 3 (column mapping, deletion vectors, timestampNtz, v2Checkpoint, vacuumProtocolCheck, typeWidening where the engine
// can cast), writes create, append, overwrite, merge by key and replace of a range (copy-on-write) with stats,
// checkpoints each 10 commits, and `txn` so that a replayed write is skipped. Conflicts are detected by put-if-absent
// of the next log entry and the rules of the Delta protocol. Never: writes a table whose writer features it does not
// know, guesses a log's gaps. By default tables are (reader 1, writer 2): every Delta reader opens them. Who:
// constructed by app; is a catalog::DatasetProvider for the schemas of use cases. Threads: any; calls block. Gate: each
// call here asks for table:Read, table:Write or table:Drop on "schema.table" (OpenAt: lake:GetObject); files and logs
// are then read and written with the program's own rights, the request's SQL runs with the principal's. State: none of
// its own but a cache of snapshots (validated by the next log entry's absence once anything in the bucket has changed);
// all is in the lake. Fails: kConflict when somebody else's commit can't be reconciled; kNotSupported naming the table
// feature.
//
//   auto result = TRY(lakehouse.Write(principal, {"delays", "flights"},
//                                     {.mode = WriteMode::kMerge, .sql = select, .key = {"carrier", "flight"}}));
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "engine/engine.h"
#include "security/gate.h"
#include "storage/catalog/catalog.h"
#include "storage/lake/lake.h"
#include "workspace/homes.h"

namespace tarn::lakehouse {

struct TableName {
    std::string schema;
    std::string name;
    std::string ToString() const { return schema + "." + name; }
};

// One version of a table.
struct Snapshot {
    int64_t version = -1;
    Timestamp committed_at;
    int reader_version = 1;
    int writer_version = 2;
    std::vector<std::string> reader_features;
    std::vector<std::string> writer_features;
    std::string table_id;
    std::string description;
    std::string schema_json;  // Delta's
    std::vector<std::string> partition_columns;
    std::map<std::string, std::string> properties;
    std::vector<engine::ScanColumn> columns;
    std::vector<engine::ScanFile> files;
    std::map<std::string, int64_t> transactions;  // appId -> version (`txn` actions)
    int64_t rows = -1;  // if every file says
    int64_t bytes = 0;
};

enum class WriteMode : uint8_t {
    kOverwrite,  // the table becomes the result; its schema may change
    kAppend,  // columns by name; new ones are added as nullable (recorded), missing ones are NULL
    kMerge,  // upsert by key; with delete_missing rows whose key is not in the result go
    kReplace,  // the result takes the place of the rows of a range of time; columns as kAppend
};

struct WriteRequest {
    WriteMode mode = WriteMode::kOverwrite;
    std::string sql;  // one SELECT, run as the principal through the engine
    std::vector<std::string> key;  // kMerge: not null, unique in the result, else kInvalidArgument with examples
    bool delete_missing = false;
    // kReplace: rows whose `column`, a date or a time, lies in [begin, end); of dates those of the days named. A result
    // with a row outside of it is kInvalidArgument.
    struct Range {
        std::string name;  // for messages
        std::string column;
        Timestamp begin;
        Timestamp end;
        std::string first_date;  // empty: a column of dates does not do
        std::string end_date;
    };
    std::optional<Range> replace;
    std::string description;
    std::vector<engine::Column> column_docs;  // descriptions by name
    // Exactly once: skipped (with `skipped`) if the table's txn of this application is already >= version.
    std::string transaction_application;
    int64_t transaction_version = -1;
    Json commit_info;  // goes into commitInfo: run, input versions ("inputs": else what the SQL read)
    std::string run_id;
    std::map<std::string, int64_t> pinned;  // as engine::SessionOptions: versions of the inputs
    std::string default_schema = "main";  // what an unqualified name in `sql` means
    std::optional<CancelToken> cancel;  // ends the query with kCancelled
    // Called with the result as a relation named `result` in schema temp_input before the commit (checks); an error
    // means that nothing is published.
    std::function<Status(engine::Session& session, const engine::Relation& result)> before_commit;
};

struct WriteResult {
    int64_t version = -1;
    bool skipped = false;  // the txn was there already, or nothing changed
    int64_t rows = 0;  // in the table after the commit
    int64_t rows_inserted = 0;
    int64_t rows_updated = 0;
    int64_t rows_deleted = 0;
    int64_t bytes_written = 0;
};

struct LakehouseDependencies {
    Env& env;
    lake::Lake& lake;
    engine::Engine& engine;
    security::Gate& gate;
    Metrics& metrics;
    Log& log;
    // What Maintain leaves: files that a version needed within this time, tables retired within it.
    Duration keep = std::chrono::hours(24 * 7);
    const workspace::Homes* homes = nullptr;  // none: each table lies under its own name
};

struct MaintenanceReport {
    int64_t files_removed = 0;
    std::vector<std::string> tables_removed;
    std::vector<std::string> failures;  // "schema.table: why"; the others were looked after
};

class Lakehouse {
  public:
    static constexpr const char* kBucket = "lakehouse";
    static Result<std::unique_ptr<Lakehouse>> Create(LakehouseDependencies dependencies);  // makes the bucket
    virtual ~Lakehouse() = default;

    using Principal = security::Principal;
    virtual Result<Snapshot> Open(const Principal& principal, const TableName& table,
                                  const engine::AtClause& at = {}) = 0;
    // Any Delta table in the lake: "bucket/prefix".
    virtual Result<Snapshot> OpenAt(const Principal& principal, const std::string& location,
                                    const engine::AtClause& at = {}) = 0;
    virtual Result<WriteResult> Write(const Principal& principal, const TableName& table,
                                      const WriteRequest& request) = 0;
    virtual Status Drop(const Principal& principal, const TableName& table) = 0;
    virtual Result<std::vector<catalog::DatasetVersion>> History(const Principal& principal, const TableName& table,
                                                                 int limit) = 0;
    virtual Result<std::vector<TableName>> Tables(const Principal& principal) = 0;
    // Deletes files that no version newer than `keep` needs and no running write owns.
    virtual Result<int64_t> Vacuum(const Principal& principal, const TableName& table, Duration keep) = 0;
    // Retires every table that is not named: nobody finds it any more, its files stay for `keep`. A retired one that is
    // named is there again as it was. Asks for table:Drop and table:Write on each that changes.
    virtual Status KeepOnly(const Principal& principal, const std::vector<TableName>& tables) = 0;
    // What time takes away: files that only older versions need, and tables retired long enough ago. With the program's
    // own rights; `stop` ends it between two tables.
    virtual Result<MaintenanceReport> Maintain(const std::function<bool()>& stop) = 0;
    virtual catalog::DatasetProvider& AsProvider() = 0;
};

// A snapshot as what the engine scans.
engine::Relation ToRelation(const TableName& table, const Snapshot& snapshot);

}  // namespace tarn::lakehouse
