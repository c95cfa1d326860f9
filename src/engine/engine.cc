// The engine: one DuckDB instance, locked down, with our file system, catalog and functions.
#include <cmath>

#include <duckdb/catalog/catalog_search_path.hpp>
#include <duckdb/common/file_system.hpp>
#include <duckdb/common/virtual_file_system.hpp>
#include <duckdb/main/client_config.hpp>
#include <duckdb/main/client_data.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/storage/buffer_manager.hpp>
#include "base/text.h"
#include "engine/adapter.h"
#include "engine/fenced_filters.h"
#include "engine/limits.h"

namespace tarn::engine {
namespace {

// The headers we are compiled with are of exactly this build: another library would not crash nicely.
constexpr std::string_view kLibraryVersion = "v1.5.5";
constexpr std::string_view kSourceId = "d8cdaa33fd";

class DuckEngine : public EngineCore {
  public:
    DuckEngine(EngineConfig config, EngineDependencies dependencies)
        : config_(std::move(config)),
          deps_(dependencies),
          ok_(deps_.metrics.GetCounter("tarn_engine_queries_total", "Queries run", {{"outcome", "ok"}})),
          failed_(deps_.metrics.GetCounter("tarn_engine_queries_total", "Queries run", {{"outcome", "error"}})),
          seconds_(deps_.metrics.GetHistogram("tarn_engine_query_seconds", "Time from execution to the last row")),
          rows_(deps_.metrics.GetCounter("tarn_engine_rows_returned_total", "Rows that results gave")),
          spill_(deps_.metrics.GetGauge("tarn_engine_spill_bytes", "Bytes in the spill directory at a query's end")) {}

    Status Start() {
        try {
            return Open();
        } catch (const std::exception& failure) {
            return ToError(failure, {}).Context("starting the SQL engine");
        }
    }

    Result<std::unique_ptr<Session>> OpenSession(SessionOptions options) override {
        return NewSession(*this, std::move(options));
    }
    Result<QueryAnalysis> Analyze(const std::string& sql) override { return AnalyzeSql(sql); }
    Result<std::vector<ColumnLineage>> Lineage(const security::Principal& principal, const std::string& sql,
                                               const std::string& default_schema) override {
        Run run = TRY(NewRun({.principal = principal, .default_schema = default_schema}));
        run.context->sql = sql;
        return LineageOf(run, sql, default_schema);
    }
    std::vector<std::string> Words() override;
    void SetLimits(int64_t memory_bytes_max, int64_t spill_bytes_max);

    Result<Run> NewRun(const SessionOptions& options) override {
        Run run;
        run.connection = std::make_shared<duckdb::Connection>(*database_);
        run.context = duckdb::make_shared_ptr<StatementContext>(deps_, options.principal);
        run.context->trusted = options.trusted;
        run.context->default_schema = options.default_schema;
        run.context->pinned = options.pinned;
        run.context->token = deps_.env.random().Hex(16);
        auto& client = *run.connection->context;
        client.registered_state->Insert(kContextKey, run.context);
        auto& config = duckdb::ClientConfig::GetConfig(client);
        config.use_replacement_scans = false;
        config.enable_progress_bar = true;
        config.print_progress_bar = false;
        duckdb::ClientData::Get(client).catalog_search_path->Set(
            duckdb::CatalogSearchEntry(kCatalogName, options.default_schema), duckdb::CatalogSetPathType::SET_DIRECTLY);
        if (options.time_zone != "UTC") {
            auto set = run.connection->Query("SET TimeZone = " + QuoteLiteral(options.time_zone));
            if (set->HasError()) {
                return Error(ErrorCode::kInvalidArgument, "there is no time zone {}", options.time_zone)
                    .WithDetailCode("22023");
            }
        }
        return run;
    }
    duckdb::DatabaseInstance& database() override { return *database_->instance; }
    EngineDependencies& deps() override { return deps_; }
    Counter& queries(bool ok) override { return ok ? ok_ : failed_; }
    Histogram& query_seconds() override { return seconds_; }
    Counter& rows_returned() override { return rows_; }
    void MeasureSpill() override {
        auto& buffers = duckdb::BufferManager::GetBufferManager(*database_->instance);
        spill_.Set(static_cast<double>(buffers.GetUsedSwap()));
    }

  private:
    Status Open();
    Status Set(const std::string& statement) {
        auto result = admin_->Query(statement);
        if (!result->HasError()) return Ok();
        return ToError(result->GetErrorObject(), {}).Context(statement);
    }
    Status Harden();

    EngineConfig config_;
    EngineDependencies deps_;
    Counter& ok_;
    Counter& failed_;
    Histogram& seconds_;
    Counter& rows_;
    Gauge& spill_;
    std::unique_ptr<duckdb::DuckDB> database_;
    std::unique_ptr<duckdb::Connection> admin_;  // used at start, and for the words of completion
};

Status DuckEngine::Open() {
    if (duckdb::DuckDB::LibraryVersion() != kLibraryVersion || duckdb::DuckDB::SourceID() != kSourceId) {
        return Error(ErrorCode::kInternal, "libduckdb is {} {}, but this program was built for {} {}",
                     duckdb::DuckDB::LibraryVersion(), duckdb::DuckDB::SourceID(), kLibraryVersion, kSourceId);
    }
    duckdb::DBConfig config;
    config.SetOptionByName("autoinstall_known_extensions", duckdb::Value::BOOLEAN(false));
    config.SetOptionByName("autoload_known_extensions", duckdb::Value::BOOLEAN(false));
    config.SetOptionByName("allow_persistent_secrets", duckdb::Value::BOOLEAN(false));
    if (config_.threads > 0) config.SetOptionByName("threads", duckdb::Value::INTEGER(config_.threads));
    if (config_.memory_bytes_max > 0) {
        config.SetOptionByName("memory_limit", duckdb::Value(std::to_string(config_.memory_bytes_max) + "B"));
    }
    database_ = std::make_unique<duckdb::DuckDB>(nullptr, &config);
    admin_ = std::make_unique<duckdb::Connection>(*database_);
    RegisterFileSystem(*database_->instance);
    RegisterCatalog(*database_->instance);
    RegisterFunctions(*database_->instance);
    RegisterFencedFilters(*database_->instance);
    return Harden();
}

Status DuckEngine::Harden() {
    // httpfs is loaded for its OpenSSL, which encrypts spill files; its way to the network is taken off again.
    if (!config_.extension_directory.empty()) {
        TRY(Set("LOAD " + QuoteLiteral(config_.extension_directory + "/httpfs.duckdb_extension")));
        TRY(Set("SET GLOBAL temp_file_encryption = true"));
        auto& files = duckdb::FileSystem::GetFileSystem(*database_->instance);
        for (const auto& name : files.ListSubSystems()) {
            if (name != "TarnFileSystem") files.UnregisterSubSystem(name);
        }
    }
    if (config_.spill_directory.empty() || config_.extension_directory.empty()) {
        TRY(Set("SET GLOBAL temp_directory = ''"));  // no encryption, no spill
    } else {
        TRY(deps_.env.files().RemoveTree(config_.spill_directory));
        TRY(deps_.env.files().CreateDirectories(config_.spill_directory));
        TRY(Set("SET GLOBAL temp_directory = " + QuoteLiteral(config_.spill_directory)));
    }
    if (config_.spill_bytes_max > 0) {
        TRY(Set("SET GLOBAL max_temp_directory_size = '" + std::to_string(config_.spill_bytes_max) + "B'"));
    }
    for (const char* statement : {
             "SET GLOBAL TimeZone = 'UTC'",
             "SET GLOBAL errors_as_json = true",
             "SET GLOBAL parquet_metadata_cache = true",
             "SET GLOBAL preserve_insertion_order = true",
             "ATTACH '' AS tarn (TYPE tarn)",
             "SET GLOBAL allowed_directories = ['tarn://']",
             "SET GLOBAL enable_external_access = false",
             "SET GLOBAL allow_community_extensions = false",
             "SET GLOBAL allowed_configs = ['TimeZone']",
             "SET GLOBAL lock_configuration = true",
         }) {
        TRY(Set(statement));
    }
    return Ok();
}

void DuckEngine::SetLimits(int64_t memory_bytes_max, int64_t spill_bytes_max) {
    auto& buffers = duckdb::BufferManager::GetBufferManager(*database_->instance);
    int64_t memory = memory_bytes_max > 0 ? memory_bytes_max : config_.memory_bytes_max;
    try {
        if (memory > 0) buffers.SetMemoryLimit(static_cast<duckdb::idx_t>(memory));
    } catch (const std::exception&) {
        // More than that is pinned by what runs: the limit stays as it was, and what could go has gone.
    }
    int64_t spill = spill_bytes_max > 0 ? spill_bytes_max : config_.spill_bytes_max;
    try {
        auto limit = spill > 0 ? duckdb::optional_idx(static_cast<duckdb::idx_t>(spill)) : duckdb::optional_idx();
        buffers.SetSwapLimit(limit);
    } catch (const std::exception&) {
        // More than that is spilled already.
    }
}

std::vector<std::string> DuckEngine::Words() {
    std::vector<std::string> words;
    duckdb::Connection connection(*database_);
    for (const char* query : {"SELECT DISTINCT keyword_name FROM duckdb_keywords()",
                              "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type <> 'pragma' "
                              "AND function_name SIMILAR TO '[a-z][a-z0-9_]*'"}) {
        auto result = connection.Query(query);
        if (result->HasError()) continue;
        for (auto& row : *result) {
            std::string word = row.GetValue<std::string>(0);
            if (IsAllowedFunction(word)) words.push_back(std::move(word));
        }
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    return words;
}

}  // namespace

void SetEngineLimits(Engine& engine, int64_t memory_bytes_max, int64_t spill_bytes_max) {
    auto* ours = dynamic_cast<DuckEngine*>(&engine);
    if (ours != nullptr) ours->SetLimits(memory_bytes_max, spill_bytes_max);
}

Result<std::unique_ptr<Engine>> Engine::Create(EngineConfig config, EngineDependencies dependencies) {
    auto engine = std::make_unique<DuckEngine>(std::move(config), dependencies);
    TRY(engine->Start());
    return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace tarn::engine
