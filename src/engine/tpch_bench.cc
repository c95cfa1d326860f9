// The 22 queries of TPC-H on the same Parquet files: DuckDB as it is, and the engine with its catalog, file system and
// scan. TARN_TPCH_SCALE (default 0.1) is the scale factor. Each benchmark is one round of all queries, after a warming
// one.
#include <benchmark/benchmark.h>
#include <duckdb.h>

#include <chrono>
#include <map>

#include "engine/delta_statistics.h"
#include "engine/engine.h"

namespace tarn::engine {
namespace {

constexpr const char* kTables[] = {"region", "nation",   "supplier", "customer",
                                   "part",   "partsupp", "orders",   "lineitem"};

// Files of one folder; what production's lake does without its encryption.
class FolderFiles : public FileStore {
  public:
    explicit FolderFiles(std::string folder) : folder_(std::move(folder)) {}
    Result<std::unique_ptr<StoredFile>> Open(const security::Principal&, const std::string& path) override {
        auto file = TRY(SystemEnv().files().Open(folder_ + "/" + path));
        uint64_t bytes = TRY(file->Size());
        return std::unique_ptr<StoredFile>(std::make_unique<Reader>(std::move(file), bytes, path));
    }
    Result<std::unique_ptr<NewFile>> Create(const security::Principal&, const std::string&) override {
        return Error(ErrorCode::kNotSupported, "read only");
    }

  private:
    struct Reader : public StoredFile {
        Reader(std::unique_ptr<File> file, uint64_t bytes, std::string tag)
            : file_(std::move(file)), bytes_(bytes), tag_(std::move(tag)) {}
        uint64_t bytes() const override { return bytes_; }
        std::string version_tag() const override { return tag_; }
        int64_t modified_us() const override { return 1; }
        Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) override {
            return file_->ReadAt(offset, buffer);
        }
        std::unique_ptr<File> file_;
        uint64_t bytes_;
        std::string tag_;
    };
    std::string folder_;
};

class BenchRelations : public RelationSource {
  public:
    Result<Relation> Find(const security::Principal&, const std::string&, const std::string& name,
                          const AtClause&) override {
        auto found = tables.find(name);
        if (found == tables.end()) return Error(ErrorCode::kNotFound, "no {}", name);
        return found->second;
    }
    Result<std::vector<std::string>> Schemas(const security::Principal&) override {
        return std::vector<std::string>{"main"};
    }
    Result<std::vector<RelationSummary>> Relations(const security::Principal&, const std::string&) override {
        return std::vector<RelationSummary>();
    }
    std::map<std::string, Relation> tables;
};

// Plain DuckDB over the same files, through its C interface.
class Plain {
  public:
    explicit Plain(std::string folder) : folder_(std::move(folder)) {
        duckdb_config config;
        duckdb_create_config(&config);
        duckdb_set_config(config, "threads", "2");
        duckdb_open_ext(nullptr, &database_, config, nullptr);
        duckdb_connect(database_, &connection_);
        Run("LOAD 'extensions/tpch.duckdb_extension'");
        Run("SET parquet_metadata_cache = true");
    }
    ~Plain() {
        duckdb_disconnect(&connection_);
        duckdb_close(&database_);
    }
    std::vector<std::string> Run(const std::string& sql) {
        duckdb_result result;
        std::vector<std::string> cells;
        if (duckdb_query(connection_, sql.c_str(), &result) != DuckDBSuccess) {
            TARN_CHECK(false && "plain DuckDB failed");
        }
        for (idx_t row = 0; row < duckdb_row_count(&result) && row < 64; row++) {
            for (idx_t column = 0; column < duckdb_column_count(&result); column++) {
                char* text = duckdb_value_varchar(&result, column, row);
                cells.emplace_back(text != nullptr ? text : "");
                duckdb_free(text);
            }
        }
        duckdb_destroy_result(&result);
        return cells;
    }
    void Generate(const std::string& scale) {
        Run("CALL dbgen(sf = " + scale + ")");
        for (const char* table : kTables) {
            Run(fmt::format("COPY {0} TO '{1}/{0}.parquet' (FORMAT parquet, COMPRESSION zstd)", table, folder_));
            Run(fmt::format("DROP TABLE {}", table));
        }
    }
    void MakeViews() {
        for (const char* table : kTables) {
            Run(fmt::format("CREATE OR REPLACE VIEW {0} AS SELECT * FROM read_parquet('{1}/{0}.parquet')", table,
                            folder_));
        }
    }

  private:
    std::string folder_;
    duckdb_database database_ = nullptr;
    duckdb_connection connection_ = nullptr;
};

Relation Describe(Plain& plain, const std::string& table) {
    Relation relation{.schema = "main", .name = table, .version = "1", .columns = {}};
    FileScan scan;
    Json statistics = {{"min", Json::object()}, {"max", Json::object()}, {"nulls", Json::object()}};
    auto described = plain.Run("DESCRIBE " + table);
    for (size_t i = 0; i < described.size(); i += 6) {
        Column column{.name = described[i], .type = described[i + 1], .nullable = true, .description = {}};
        relation.columns.push_back(column);
        scan.columns.push_back({.column = column, .physical_name = column.name});
        auto bounds =
            plain.Run(fmt::format("SELECT min({0})::VARCHAR, max({0})::VARCHAR FROM {1}", column.name, table));
        BoundKind kind = BoundKindOf(column.type);
        statistics["min"][column.name] = DeltaBound(kind, bounds[0], false);
        statistics["max"][column.name] = DeltaBound(kind, bounds[1], true);
        statistics["nulls"][column.name] = 0;
    }
    int64_t rows = Json::parse(plain.Run("SELECT count(*) FROM " + table)[0]).get<int64_t>();
    scan.files.push_back({.path = table + ".parquet",
                          .rows = rows,
                          .partition_values = {},
                          .deleted_positions = {},
                          .statistics = statistics.dump()});
    relation.source = std::move(scan);
    return relation;
}

struct World {
    World() {
        constexpr const char* kScale = "0.1";  // of TPC-H: 1 is a gigabyte of text
        std::string folder = "tpch_" + std::string(kScale);  // beside the program; kept for the next run
        plain = std::make_unique<Plain>(folder);
        if (!SystemEnv().files().Exists(folder + "/lineitem.parquet")) {
            TARN_CHECK(SystemEnv().files().CreateDirectories(folder).ok());
            plain->Generate(kScale);
        }
        plain->MakeViews();
        files = std::make_unique<FolderFiles>(folder);
        for (const char* table : kTables) relations.tables[table] = Describe(*plain, table);
        engine = Engine::Create({.threads = 2}, {SystemEnv(), *files, relations, metrics, NullLog()}).value();
        session = engine->OpenSession({.principal = security::Principal::System("bench")}).value();
        for (int i = 1; i <= 22; i++) {
            queries.push_back(plain->Run(fmt::format("SELECT query FROM tpch_queries() WHERE query_nr = {}", i))[0]);
        }
    }
    int64_t Ask(const std::string& sql) {
        auto stream = session->Query(sql);
        TARN_CHECK(stream.ok());
        int64_t rows = 0;
        while (const Chunk* chunk = (*stream)->Next().value()) rows += static_cast<int64_t>(chunk->rows());
        return rows;
    }
    std::unique_ptr<Plain> plain;
    std::unique_ptr<FolderFiles> files;
    BenchRelations relations;
    Metrics metrics;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<Session> session;
    std::vector<std::string> queries;
};

World& TheWorld() {
    static World world;
    return world;
}

double Seconds(const std::function<void()>& work) {
    auto started = SystemEnv().clock().Monotonic();
    work();
    return std::chrono::duration<double>(SystemEnv().clock().Monotonic() - started).count();
}

// Both in turn, query by query, so that a neighbour on the machine disturbs both; the best of the rounds of each
// counts.
void BothInTurn(benchmark::State& state) {
    World& world = TheWorld();
    std::vector<double> plain(22, 1e9);
    std::vector<double> engine(22, 1e9);
    for (auto _ : state) {
        for (size_t i = 0; i < world.queries.size(); i++) {
            plain[i] = std::min(plain[i], Seconds([&] { world.plain->Run(world.queries[i]); }));
            engine[i] = std::min(engine[i], Seconds([&] { world.Ask(world.queries[i]); }));
        }
    }
    double plain_sum = 0;
    double engine_sum = 0;
    for (size_t i = 0; i < plain.size(); i++) {
        state.counters[fmt::format("q{:02}", i + 1)] = engine[i] / plain[i];
        plain_sum += plain[i];
        engine_sum += engine[i];
    }
    state.counters["plain_s"] = plain_sum;
    state.counters["engine_s"] = engine_sum;
    state.counters["ratio"] = engine_sum / plain_sum;
}
BENCHMARK(BothInTurn)->Iterations(5)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tarn::engine
