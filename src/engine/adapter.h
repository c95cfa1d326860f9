// What the adapter files share: they alone include DuckDB's C++ headers, and nothing of it leaves src/engine.
//
// A Statement runs on a connection of its own, which carries a StatementContext: who runs it, what its names resolved
// to, and which files it may therefore open. Every callback from DuckDB (file system, catalog, scan) finds it there.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <duckdb.hpp>
#include <duckdb/common/error_data.hpp>
#include <duckdb/common/exception.hpp>
#include <duckdb/common/file_opener.hpp>
#include <duckdb/common/types/decimal.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>
#include <duckdb/common/virtual_file_system.hpp>
#include <duckdb/main/client_context_state.hpp>

#include "engine/engine.h"

namespace tarn::engine {

inline constexpr const char* kCatalogName = "tarn";         // the catalog that users' names resolve in
inline constexpr const char* kInputSchema = "temp_input";   // relations given by Session::Provide
inline constexpr const char* kFileScheme = "tarn://";
inline constexpr const char* kContextKey = "tarn";
// Appended to a name that a policy's view hides, followed by the statement's token.
inline constexpr const char* kUnmaskedMark = "\x01unmasked\x01";

// One file may be opened for writing below a prefix only while a write of ours runs.
struct StatementContext : public duckdb::ClientContextState {
    StatementContext(EngineDependencies dependencies, security::Principal who)
        : deps(dependencies), principal(std::move(who)) {}

    EngineDependencies deps;
    security::Principal principal;
    bool trusted = false;
    std::map<std::string, int64_t> pinned;  // SessionOptions::pinned
    std::string default_schema = "main";
    bool describe_only = false;  // relations are bare tables of their columns: binding for lineage, never executing
    std::string sql;    // as given, for positions
    std::string token;  // random, unguessable: names of relations below their policy's view
    std::shared_ptr<const std::map<std::string, std::shared_ptr<const Relation>>> provided;

    // All below are guarded: the file system is called from DuckDB's threads.
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<const Relation>> resolved;  // by ResolveKey
    std::unordered_set<std::string> readable;                         // "bucket/key"
    std::unordered_set<std::string> copies;                           // those of ServedCopy
    // Set when one of `copies` could not be read. Shared with open files, which may outlive the statement.
    std::shared_ptr<std::atomic<bool>> copy_failed = std::make_shared<std::atomic<bool>>(false);
    std::map<std::string, std::weak_ptr<StoredFile>> open_files;
    std::string writable_prefix;                                      // "bucket/prefix", empty: none
    std::vector<std::unique_ptr<duckdb::CatalogEntry>> entries;       // live as long as the statement
    std::optional<Error> failure;  // the first error of ours that went through DuckDB as an exception

    // The same name means the same version for the whole statement. Throws what the source answers but kNotFound.
    std::shared_ptr<const Relation> Resolve(const std::string& schema, const std::string& name, const AtClause& at);
    // A file that is open already is not opened again: DuckDB opens each one twice.
    Result<std::shared_ptr<StoredFile>> OpenOnce(const security::Principal& reader, const std::string& path);
    bool MayRead(const std::string& path);
    bool IsCopy(const std::string& path);
    // Reads what `failed` resolved, the same versions under the same decisions, but no copies.
    void ContinueWithoutCopies(StatementContext& failed);
    bool MayWrite(const std::string& path);
    // Remembers `error` and throws it as an exception that DuckDB passes on.
    [[noreturn]] void Throw(Error error);

  private:
    void AllowFiles(const Relation& relation);  // under the mutex
};

// The statement that a DuckDB callback works for; throws if there is none.
StatementContext& ContextOf(duckdb::ClientContext& context);
StatementContext* FindContext(duckdb::ClientContext& context);

// ---- registration, each in its adapter file

void RegisterFileSystem(duckdb::DatabaseInstance& database);                    // file_system.cc
void RegisterCatalog(duckdb::DatabaseInstance& database);                       // catalog.cc
void RegisterFunctions(duckdb::DatabaseInstance& database);                     // scan.cc

// The table function and its bind data that scan `relation`; `table` is the catalog's entry for it.
duckdb::TableFunction ScanFunction(duckdb::ClientContext& context, std::shared_ptr<const Relation> relation,
                                   duckdb::TableCatalogEntry& table,
                                   duckdb::unique_ptr<duckdb::FunctionData>& bind_data);
// The type for DuckDB's spelling of it; throws on an unknown one.
duckdb::LogicalType TypeOf(duckdb::ClientContext& context, const std::string& spelling);

// ---- errors (errors.cc)

// A caught exception or DuckDB's error data as our Error: code, SQLSTATE, position in `sql`, hint.
Error ToError(const std::exception& exception, std::string_view sql);
Error ToError(const duckdb::ErrorData& error, std::string_view sql);
// The error of ours that went through DuckDB as an exception, or else `error`.
Error OurError(StatementContext& context, Error error);
// 1-based character position of a byte offset.
int64_t CharacterPosition(std::string_view sql, size_t byte_offset);

// ---- values (chunk.cc)

CellKind KindOf(const duckdb::LogicalType& type);
ResultColumn DescribeColumn(const std::string& name, const duckdb::LogicalType& type);
Json ValueToJson(const duckdb::Value& value);
std::string ValueToText(const duckdb::Value& value);
// A view over one of DuckDB's chunks; `chunk` must be flat, and both outlive it.
std::unique_ptr<Chunk> WrapChunk(duckdb::ClientContext& context, duckdb::DataChunk& chunk);

// ---- the sandbox (sandbox.cc)

struct SandboxOptions {
    bool trusted = false;
    std::string default_schema;
    std::vector<std::string> parameter_types = {};  // by position; empty: inferred
    std::string user = {};
    std::function<std::optional<std::string>(const std::string&)> setting = {};  // current_setting(name)
};
// Checks one parsed statement against what users may do and qualifies its table names with our catalog, in place.
Status CheckStatement(duckdb::SQLStatement& statement, std::string_view sql, const SandboxOptions& options);
// Whether users may call a function of this name: for completion.
bool IsAllowedFunction(const std::string& name);
// Parses a text into statements; kSyntax with a position.
Result<duckdb::vector<duckdb::unique_ptr<duckdb::SQLStatement>>> ParseSql(const std::string& sql);

// ---- the engine as its parts see it

// One connection with its context: what a statement, a write or an analysis runs on.
struct Run {
    std::shared_ptr<duckdb::Connection> connection;  // shared: Cancel reaches it from other threads
    duckdb::shared_ptr<StatementContext> context;
};

class EngineCore : public Engine {
  public:
    virtual Result<Run> NewRun(const SessionOptions& options) = 0;
    virtual duckdb::DatabaseInstance& database() = 0;
    virtual EngineDependencies& deps() = 0;
    virtual Counter& queries(bool ok) = 0;
    virtual Histogram& query_seconds() = 0;
    virtual Counter& rows_returned() = 0;
    // Takes DuckDB's use of the spill directory into the metrics.
    virtual void MeasureSpill() = 0;
};

std::unique_ptr<Session> NewSession(EngineCore& engine, SessionOptions options);  // session.cc
// parquet_write.cc
Result<std::vector<WrittenFile>> CopyToParquet(Run& run, duckdb::SQLStatement& select, const WriteOptions& options);
// row_writer.cc
Result<std::unique_ptr<RowWriter>> NewRowWriter(Run run, const RowWriterOptions& options);
// analysis.cc
Result<QueryAnalysis> AnalyzeSql(const std::string& sql);
// Fills in the columns of `reads` from the statement's bound plan.
Status CollectColumnReads(Run& run, const duckdb::SQLStatement& statement, std::vector<TableRead>& reads);
Result<std::vector<ColumnLineage>> LineageOf(Run& run, const std::string& sql, const std::string& default_schema);

}  // namespace tarn::engine
