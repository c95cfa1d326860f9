// Engine: SQL. The only door to DuckDB, which appears nowhere outside src/engine/.
//
// Does: parse, plan and run SQL over relations that the RelationSource resolves to versions, through FileStore; write
// query results and pushed rows as Parquet; tell what a statement reads (tables, columns) and where its columns come
// from. Never: lets users' SQL name a path, a file function, duckdb_*, ATTACH, LOAD, COPY, PRAGMA or an unsafe SET;
// reaches the network; writes spill unencrypted. Who: one Engine a resource group; a Session has a principal, a
// snapshot a statement and a budget. Threads: Engine any; a Session and what it made one at a time, but Cancel any.
// State: none but spill files in `spill_directory` (wiped at start). Fails: kSyntax, kInvalidArgument with SQLSTATE and
// position; kCancelled; kResourceExhausted past the memory limit.
//
//   auto session = TRY(engine.OpenSession({.principal = principal}));
//   auto statement = TRY(session->Prepare("SELECT count(*) FROM delays.flights WHERE carrier = $1"));
//   auto result = TRY(statement->Execute({SqlValue("UA")}));
//   while (auto chunk = TRY(result->Next())) { ... chunk->Text(0, 0) ... }
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "base/env.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "engine/files.h"
#include "engine/relation.h"
#include "security/principal.h"

namespace tarn::engine {

// ---- values and results

// A parameter: text in the server's reading of it, or NULL. `type` empty: inferred from the statement.
struct SqlValue {
    std::optional<std::string> text;
    std::string type;
    SqlValue() = default;
    explicit SqlValue(std::string value, std::string type_name = "")
        : text(std::move(value)), type(std::move(type_name)) {}
};

// The physical layout of a column in a chunk, as far as protocols read it without going through text.
enum class CellKind : uint8_t {
    kBool,
    kInt8,
    kInt16,
    kInt32,
    kInt64,
    kUInt8,
    kUInt16,
    kUInt32,
    kUInt64,
    kFloat,
    kDouble,
    kText,  // UTF-8
    kBlob,
    kDate,  // int32 days since 1970
    kTime,  // int64 microseconds
    kTimestamp,  // int64 microseconds since 1970, no zone
    kTimestampTz,
    kDecimal,  // read as text
    kOther,  // interval, uuid, nested, hugeint ...: read as text (nested values as DuckDB prints them)
};
struct ResultColumn {
    std::string name;
    std::string type;  // DuckDB's spelling
    CellKind kind = CellKind::kOther;
    int decimal_width = 0;
    int decimal_scale = 0;
    // The table column this is a plain reference to, when it is: for drivers and lineage.
};

// Up to 2048 rows. Valid until the next call of Next.
class Chunk {
  public:
    virtual ~Chunk() = default;
    virtual size_t rows() const = 0;
    virtual bool IsNull(size_t row, size_t column) const = 0;
    // For the kinds with a fixed width: points to the value (not aligned to more than its size). Null for the others.
    virtual const void* Data(size_t row, size_t column) const = 0;
    // kText and kBlob: the bytes, without a copy.
    virtual std::string_view View(size_t row, size_t column) const = 0;
    // Any kind as text in PostgreSQL's common form (bool as "t"/"f", timestamps as "2013-01-01 05:00:00").
    virtual std::string Text(size_t row, size_t column) const = 0;
    // Any kind as JSON: numbers as numbers, nested as arrays and objects, decimals and big integers as text.
    virtual Json Value(size_t row, size_t column) const = 0;
};

class ResultStream {
  public:
    virtual ~ResultStream() = default;
    virtual const std::vector<ResultColumn>& columns() const = 0;
    virtual Result<const Chunk*> Next() = 0;  // null at the end
};

// ---- statements

enum class StatementKind : uint8_t { kSelect, kExplain, kSet, kShow, kTransaction, kOther };

struct TableRead {
    std::string schema;
    std::string name;
    std::string version;
    std::set<std::string> columns;
};

struct StatementInfo {
    StatementKind kind = StatementKind::kSelect;
    std::vector<ResultColumn> columns;
    std::vector<std::string> parameter_types;  // by position
    std::vector<TableRead> reads;
};

class Statement {
  public:
    virtual ~Statement() = default;
    virtual const StatementInfo& info() const = 0;
    virtual Result<std::unique_ptr<ResultStream>> Execute(const std::vector<SqlValue>& parameters) = 0;
};

// ---- writing Parquet

struct WriteOptions {
    std::string prefix;  // "bucket/key-prefix/": files are <prefix><uuid>.parquet
    int64_t rows_per_file_max = 10'000'000;
    std::vector<std::string> partition_by;
    bool statistics = true;
    bool single_file = false;  // `prefix` is the path of the one file, which is there even without rows
    std::string compression = "zstd";  // or "snappy", "lz4_raw", "uncompressed": larger, quicker to read
};
struct ColumnStatistics {
    Json min;  // Delta's JSON forms; null where there is none
    Json max;
    int64_t nulls = 0;
};
struct WrittenFile {
    std::string path;  // "bucket/key"
    int64_t bytes = 0;
    int64_t rows = 0;
    std::map<std::string, std::optional<std::string>> partition_values;
    std::map<std::string, ColumnStatistics> statistics;  // top-level columns
};

// The columns a table of these rows has, and what WriteQuery writes: unsigned integers widen, JSON is text.
// kNotSupported naming the column and what to CAST it to for a type that tables do not have; kInvalidArgument for two
// columns of one name.
Result<std::vector<Column>> StoredColumns(const std::vector<ResultColumn>& columns);

// Rows pushed by the program (connectors): text cells cast to the column types, or whole typed columns.
class RowWriter {
  public:
    virtual ~RowWriter() = default;
    // One row; text in the form CAST understands. An uncastable cell is kInvalidArgument naming column and value.
    virtual Status AddRow(const std::vector<std::optional<std::string_view>>& cells) = 0;
    // PostgreSQL binary COPY payloads (the bytes after the field's length word) of one row; -1 length is no value.
    // `oids` of the columns were given at creation; the fast way for extraction.
    virtual Status AddBinaryRow(const std::vector<std::optional<ByteSpan>>& cells) = 0;
    virtual Result<std::vector<WrittenFile>> Finish() = 0;
};
struct RowWriterOptions {
    std::vector<Column> columns;
    std::vector<uint32_t> postgres_oids;  // for AddBinaryRow
    WriteOptions write;
};

// ---- sessions

struct SessionOptions {
    security::Principal principal;
    std::string default_schema = "main";
    bool trusted = false;  // SQL written by us (flows' plumbing, checkpoints): file functions on tarn:// are allowed
    std::string time_zone = "UTC";
    // "schema.name" -> version that the name means where the text has no AT clause: flows read pinned inputs.
    std::map<std::string, int64_t> pinned;
};

class Session {
  public:
    virtual ~Session() = default;
    // Splits a script at its statement ends; each with its 1-based position. kSyntax with position.
    struct Part {
        std::string sql;
        int64_t position = 1;
    };
    virtual Result<std::vector<Part>> Split(const std::string& script) = 0;
    // One statement; `parameter_types` where the caller knows them (empty strings: inferred).
    virtual Result<std::unique_ptr<Statement>> Prepare(const std::string& sql,
                                                       const std::vector<std::string>& parameter_types = {}) = 0;
    // Prepare and Execute; for scripts and tests.
    Result<std::unique_ptr<ResultStream>> Query(const std::string& sql);
    // Runs a SELECT and writes its rows; the files are durable when it returns, and belong to nobody yet.
    virtual Result<std::vector<WrittenFile>> WriteQuery(const std::string& sql, const WriteOptions& options) = 0;
    virtual Result<std::unique_ptr<RowWriter>> StartRows(const RowWriterOptions& options) = 0;
    // Gives a relation to this session under schema "temp_input" and the name: for merges and tests.
    virtual Status Provide(const std::string& name, Relation relation) = 0;
    // Makes a name of the catalog mean this relation, in this session only: for tests of SQL with rows of their own.
    virtual Status Substitute(const std::string& schema, const std::string& name, Relation relation) = 0;
    virtual void Cancel() = 0;  // any thread: the running statement answers kCancelled soon
    virtual double progress() const = 0;  // percent, -1 unknown
};

// What one SELECT reads and where its columns come from, from its text alone (nothing needs to exist).
struct ColumnLineage {
    std::string column;
    struct Source {
        std::string schema;
        std::string table;
        std::string column;
    };
    std::vector<Source> sources;
};
struct QueryAnalysis {
    std::vector<TableRead> tables;  // as named; schema empty where the text has none
    std::vector<int64_t> table_positions;  // 1-based character position of each name in the text
};

struct EngineConfig {
    int64_t memory_bytes_max = 0;  // 0: half of the machine's memory
    int threads = 0;  // 0: all cores
    std::string spill_directory;
    int64_t spill_bytes_max = 0;  // 0: 90 % of what is free
    std::string extension_directory;  // where httpfs.duckdb_extension lies (brings encryption of spill)
};
struct EngineDependencies {
    Env& env;
    FileStore& files;
    RelationSource& relations;
    Metrics& metrics;
    Log& log;
};

class Engine {
  public:
    static Result<std::unique_ptr<Engine>> Create(EngineConfig config, EngineDependencies dependencies);
    virtual ~Engine() = default;
    virtual Result<std::unique_ptr<Session>> OpenSession(SessionOptions options) = 0;
    // Parses one SELECT; kSyntax with position, kNotSupported for anything else.
    virtual Result<QueryAnalysis> Analyze(const std::string& sql) = 0;
    // Binds it too (its tables must exist for the principal): columns and where each comes from. A name without a
    // schema is one of `default_schema`.
    virtual Result<std::vector<ColumnLineage>> Lineage(const security::Principal& principal, const std::string& sql,
                                                       const std::string& default_schema = "main") = 0;
    // SQL keywords and function names, for completion.
    virtual std::vector<std::string> Words() = 0;
};

}  // namespace tarn::engine
