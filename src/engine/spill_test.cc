// What DuckDB writes to disk when memory runs out is ciphertext: looked for a canary, and for it to be there without
 // us.
#include <duckdb.h>

#include <filesystem>
#include <fstream>

#include "engine/engine_for_test.h"

namespace tarn::engine {
namespace {

constexpr const char* kCanary = "CANARY-3f9c";
// Rows that do not compress, so that a plain spill shows the canary as it is.
constexpr const char* kSort =
    "SELECT s FROM (SELECT 'CANARY-3f9c' || md5(i::VARCHAR) || md5((i + 1)::VARCHAR) || md5((i * 7)::VARCHAR) AS s, "
    "hash(i) AS h FROM range(2000000) t(i)) ORDER BY h";

struct Found {
    int64_t bytes = 0;
    int64_t canaries = 0;
};

Found Look(const std::string& directory) {
    Found found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
        if (!entry.is_regular_file()) continue;
        std::ifstream stream(entry.path(), std::ios::binary);
        std::string content((std::istreambuf_iterator<char>(stream)), {});
        found.bytes += static_cast<int64_t>(content.size());
        for (size_t at = 0; (at = content.find(kCanary, at)) != std::string::npos; at++) found.canaries++;
    }
    return found;
}

class SpillTest : public EngineFixture {
  protected:
    void SetUp() override {
        directory_ = std::filesystem::temp_directory_path() / ("tarn_spill_" + SystemEnv().random().Hex(6));
        std::filesystem::create_directories(directory_);
    }
    void TearDown() override {
        session.reset();
        trusted.reset();
        engine.reset();
        std::filesystem::remove_all(directory_);
    }
    std::filesystem::path directory_;
};

TEST_F(SpillTest, PlainDuckDbShowsTheCanary) {
    duckdb_config config;
    duckdb_create_config(&config);
    duckdb_set_config(config, "memory_limit", "120MB");
    duckdb_set_config(config, "threads", "2");
    duckdb_set_config(config, "temp_directory", directory_.c_str());
    duckdb_database database;
    duckdb_connection connection;
    ASSERT_EQ(duckdb_open_ext(nullptr, &database, config, nullptr), DuckDBSuccess);
    ASSERT_EQ(duckdb_connect(database, &connection), DuckDBSuccess);
    duckdb_prepared_statement statement;
    ASSERT_EQ(duckdb_prepare(connection, kSort, &statement), DuckDBSuccess);
    duckdb_pending_result pending;
    ASSERT_EQ(duckdb_pending_prepared_streaming(statement, &pending), DuckDBSuccess);
    duckdb_result result;
    ASSERT_EQ(duckdb_execute_pending(pending, &result), DuckDBSuccess);
    Found found = Look(directory_);
    EXPECT_GT(found.bytes, 1'000'000);
    EXPECT_GT(found.canaries, 0) << "the test does not show what it should";
    duckdb_destroy_result(&result);
    duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&statement);
    duckdb_disconnect(&connection);
    duckdb_close(&database);
    duckdb_destroy_config(&config);
}

TEST_F(SpillTest, TheEnginesSpillIsEncrypted) {
    Start({.memory_bytes_max = 120'000'000, .spill_directory = directory_, .extension_directory = "extensions"});
    auto stream = session->Query(kSort);
    ASSERT_TRUE(stream.ok()) << stream.error().ToString();
    ASSERT_TRUE((*stream)->Next().ok());
    Found found = Look(directory_);
    EXPECT_GT(found.bytes, 1'000'000);
    EXPECT_EQ(found.canaries, 0);
    int64_t rows = 0;
    while (const Chunk* chunk = (*stream)->Next().value()) rows += static_cast<int64_t>(chunk->rows());
    EXPECT_GT(rows, 1'900'000);
}

TEST_F(SpillTest, WithoutEncryptionNothingSpills) {
    Start({.memory_bytes_max = 120'000'000, .spill_directory = directory_});
    auto rows = Rows(*session, kSort);
    ASSERT_FALSE(rows.ok());
    EXPECT_EQ(rows.error().detail_code(), "53200");
    EXPECT_EQ(Look(directory_).bytes, 0);
}

TEST_F(SpillTest, UsersCannotReadTheSpillDirectory) {
    Start({.spill_directory = directory_, .extension_directory = "extensions"});
    for (const char* sql : {"SELECT * FROM read_text('{}/*')", "SELECT * FROM '{}/a.parquet'"}) {
        EXPECT_FALSE(Rows(*session, fmt::format(fmt::runtime(sql), directory_.string())).ok());
    }
    EXPECT_FALSE(Rows(*trusted, "SELECT * FROM read_text('/etc/passwd')").ok());
    EXPECT_FALSE(Rows(*trusted, "SELECT * FROM read_csv('https://example.com/x.csv')").ok());
}

}  // namespace
}  // namespace tarn::engine
