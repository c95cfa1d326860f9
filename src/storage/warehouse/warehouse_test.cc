#include "storage/warehouse/warehouse.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "storage/warehouse/warehouse_for_test.h"

namespace tarn::warehouse {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSum = "SELECT count(*), sum(k), max(v) FROM s.t";

std::string Rows(int from, int to, const std::string& value) {
    return fmt::format("SELECT range AS k, md5(range::VARCHAR) || '{}' AS v FROM range({}, {})", value, from, to);
}

std::string ReadAll(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

void WriteAll(const fs::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

class WarehouseTest : public testing::Test {
  protected:
    void SetUp() override { Open(); }
    void Open() {
        Status opened = house_.Open();
        ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    }
    void Write(const std::string& sql, const std::string& table = "t") {
        Status written = house_.Write(table, sql);
        ASSERT_TRUE(written.ok()) << written.error().ToString();
    }
    void WriteCached(const std::string& sql, const std::string& table = "t") {
        Write(sql, table);
        house_.Settle();
        ASSERT_EQ(house_.Info(table).state, "ready") << house_.Info(table).reason;
    }
    int64_t Hits() { return house_.Info("t").hits; }

    TestWarehouse house_;
};

TEST_F(WarehouseTest, AQueryReadsTheCopyOfTheVersionAskedFor) {
    WriteCached(Rows(0, 1000, "a"));
    Texts first = house_.Ask(kSum);
    EXPECT_EQ(first, house_.AskWithoutCaches(kSum));
    EXPECT_EQ(Hits(), 1);
    WriteCached(Rows(0, 2000, "b"));
    EXPECT_EQ(house_.Info("t").version, "1");
    EXPECT_EQ(house_.Ask(kSum), house_.AskWithoutCaches(kSum));
    EXPECT_EQ(Hits(), 2);
    EXPECT_EQ(house_.CopyFiles().size(), 1u) << "only the newest is kept";
    // Of an older version nothing is cached: the lakehouse answers.
    EXPECT_EQ(house_.Ask("SELECT count(*), sum(k), max(v) FROM s.t AT (VERSION => 0)"), first);
    EXPECT_EQ(Hits(), 2);
    EXPECT_EQ(house_.Info("t").misses, 1);
}

TEST_F(WarehouseTest, ACopyNeverAnswersForAnotherVersion) {
    WriteCached(Rows(0, 1000, "a"));
    // Asked at once after the commit, before anything can be built: the new rows.
    for (int round = 1; round <= 10; ++round) {
        Write(Rows(0, 1000 + round, "b"));
        EXPECT_EQ(house_.Ask("SELECT count(*) FROM s.t"), Texts{std::to_string(1000 + round)});
    }
    house_.Settle();
    EXPECT_EQ(house_.Info("t").version, "10");
    // Dropped and made anew the numbers begin again; the old copy of version 0 is another table's.
    ASSERT_TRUE(house_.house().Drop(house_.alice, {"s", "t"}).ok());
    for (int round = 0; round <= 10; ++round) {
        Write(Rows(0, 5 + round, "c"));
        EXPECT_EQ(house_.Ask("SELECT count(*) FROM s.t"), Texts{std::to_string(5 + round)});
    }
}

TEST_F(WarehouseTest, AppendsMergesAndDeletesAreInTheCopy) {
    using lakehouse::WriteMode;
    WriteCached(Rows(0, 1000, "a"));
    ASSERT_TRUE(house_.Write("t", Rows(1000, 1500, "b"), WriteMode::kAppend).ok());
    ASSERT_TRUE(house_.Write("t", Rows(500, 1200, "c"), WriteMode::kMerge, {"k"}).ok());
    house_.Settle();
    EXPECT_EQ(house_.Info("t").version, "2");
    EXPECT_EQ(house_.Ask("SELECT * FROM s.t ORDER BY k"), house_.AskWithoutCaches("SELECT * FROM s.t ORDER BY k"));
    EXPECT_EQ(Hits(), 1);
    ASSERT_TRUE(house_.Write("t", "SELECT 1 AS k, 'x' AS v WHERE false").ok());
    house_.Settle();
    EXPECT_EQ(house_.Ask("SELECT count(*) FROM s.t"), Texts{"0"}) << "an empty table has a copy as well";
    EXPECT_EQ(Hits(), 2);
}

TEST_F(WarehouseTest, EveryTypeComesBackAsItIs) {
    WriteCached(
        "SELECT x AS small, x::TINYINT AS tiny, (x * 1000000007)::BIGINT AS big, x / 3.0::FLOAT AS float4, "
        "x / 7.0::DOUBLE AS float8, (x / 3.0)::DECIMAL(9, 2) AS short_decimal, "
        "(x * 12345678901234567890.5)::DECIMAL(38, 5) AS long_decimal, x % 2 = 0 AS flag, "
        "CASE WHEN x % 3 = 0 THEN NULL ELSE 'z' || x END AS text, repeat('ä', 100000 * (x::INTEGER % 2)) AS huge, "
        "('b' || x)::BLOB AS bytes, DATE '1969-12-30' + x::INTEGER AS day, "
        "TIMESTAMP '1969-12-31 23:59:59.123456' + to_seconds(x) AS local_time, "
        "TIMESTAMPTZ '2026-03-29 00:59:59.5+00' + to_seconds(x) AS instant, "
        "[x, NULL, x + 1] AS list, {'a': x, 'b': ['q', NULL], 'c': {'d': NULL::INTEGER}} AS nested, "
        "MAP {'k' || x: x} AS pairs, NULL::INTEGER AS nothing FROM range(-3, 40) r(x)");
    std::string all = "SELECT * FROM s.t ORDER BY small";
    Texts cached = house_.Ask(all);
    EXPECT_EQ(cached.size(), 43u) << cached[0];
    EXPECT_EQ(cached, house_.AskWithoutCaches(all));
    EXPECT_EQ(Hits(), 1);
    auto session = house_.engine().OpenSession({.principal = house_.alice}).value();
    auto statement = session->Prepare(all).value();
    for (const auto& column : statement->info().columns) {
        Texts types = house_.Ask(fmt::format("SELECT DISTINCT typeof({}) FROM s.t", column.name));
        EXPECT_EQ(types, Texts{column.type}) << column.name;
    }
}

// Flips one byte in each region: header, wrapped key, first, middle and last block, tag.
TEST_F(WarehouseTest, SlowADamagedFileIsNeverReadAndBuiltAgain) {
    WriteCached(Rows(0, 20000, "a"));
    Texts right = house_.Ask(kSum);
    size_t size = ReadAll(house_.CopyFiles().at(0)).size();
    ASSERT_GT(size, 3u * 65536);
    for (size_t place :
         {size_t{0}, size_t{9}, size_t{20}, size_t{40}, size_t{97}, size_t{70000}, size / 2, size - 17, size - 1}) {
        fs::path file = house_.CopyFiles().at(0);
        std::string content = ReadAll(file);
        content[place] = static_cast<char>(content[place] ^ 0x10);
        auto modified_at = fs::last_write_time(file);
        WriteAll(file, content);
        // As a bad disk does it, which changes no time; and as a person does.
        if (place % 2 == 0) fs::last_write_time(file, modified_at);
        EXPECT_EQ(house_.Ask(kSum), right) << place;
        EXPECT_EQ(house_.Ask("SELECT k FROM s.t WHERE v LIKE 'ff%' ORDER BY k LIMIT 3"),
                  house_.AskWithoutCaches("SELECT k FROM s.t WHERE v LIKE 'ff%' ORDER BY k LIMIT 3"));
        Open();
        house_.Settle();
        ASSERT_EQ(house_.Info("t").state, "ready");
        EXPECT_EQ(house_.Ask(kSum), right);
        EXPECT_EQ(Hits(), 1) << "built again after damage at " << place;
    }
}

// Nothing tells of it but the read itself: the statement runs again, on the lakehouse's files.
TEST_F(WarehouseTest, AReadThatFailsRunsAgainWithoutTheCopy) {
    WriteCached(Rows(0, 20000, "a"));
    Open();  // so that nothing of it is in memory
    house_.Settle();
    fs::path file = house_.CopyFiles().at(0);
    std::string content = ReadAll(file);
    for (size_t place = 100; place < content.size(); place += 60000) content[place] ^= 1;
    auto modified_at = fs::last_write_time(file);
    WriteAll(file, content);
    fs::last_write_time(file, modified_at);
    auto session = house_.engine().OpenSession({.principal = house_.alice}).value();
    auto statement = session->Prepare("SELECT count(*), sum(k), max(v) FROM s.t WHERE k >= $1").value();
    for (int round = 0; round < 2; ++round) {
        auto result = statement->Execute({engine::SqlValue("0")});
        ASSERT_TRUE(result.ok()) << result.error().ToString();
        auto rows = lakehouse::TestLakehouse::Rows(**result);
        ASSERT_TRUE(rows.ok()) << rows.error().ToString();
        EXPECT_EQ(*rows, house_.AskWithoutCaches(kSum));
    }
    house_.Settle();
    EXPECT_EQ(house_.Info("t").state, "ready");
    EXPECT_NE(house_.CopyFiles().at(0), file) << "it was built again, with nobody asking for it";
}

TEST_F(WarehouseTest, CutSwappedAndDeletedFilesAreBuiltAgain) {
    house_.tables = {{"s", "t"}, {"s", "u"}};
    Open();
    WriteCached(Rows(0, 1000, "a"));
    WriteCached(Rows(0, 1000, "other"), "u");
    Texts right = house_.Ask(kSum);
    auto files = house_.CopyFiles();
    ASSERT_EQ(files.size(), 2u);
    fs::rename(files[0], files[0].string() + "x");
    fs::rename(files[1], files[0]);
    fs::rename(files[0].string() + "x", files[1]);
    EXPECT_EQ(house_.Ask(kSum), right) << "swapped";
    house_.Settle();
    for (int what = 0; what < 3; ++what) {
        for (const fs::path& file : house_.CopyFiles()) {
            if (what == 0) fs::remove(file);
            if (what == 1) fs::resize_file(file, fs::file_size(file) - 1);
            if (what == 2) WriteAll(file, "");
        }
        EXPECT_EQ(house_.Ask(kSum), right) << what;
        house_.Settle();
        int64_t before = Hits();
        EXPECT_EQ(house_.Ask(kSum), right) << what;
        EXPECT_EQ(Hits(), before + 1) << what;
    }
    fs::remove_all(house_.path() + "/warehouse");
    EXPECT_EQ(house_.Ask(kSum), right) << "the whole folder";
    house_.Settle();
    EXPECT_EQ(house_.CopyFiles().size(), 2u);
}

TEST_F(WarehouseTest, AStreamGoesOnWhenItsCopyIsDropped) {
    WriteCached(Rows(0, 300000, "a"));
    auto session = house_.engine().OpenSession({.principal = house_.alice}).value();
    auto stream = session->Query("SELECT k, v FROM s.t").value();
    const engine::Chunk* chunk = stream->Next().value();
    int64_t rows = static_cast<int64_t>(chunk->rows());
    for (const fs::path& file : house_.CopyFiles()) fs::remove(file);
    Write(Rows(0, 10, "b"));
    house_.Settle();
    while ((chunk = stream->Next().value()) != nullptr) rows += static_cast<int64_t>(chunk->rows());
    EXPECT_EQ(rows, 300000);
}

TEST_F(WarehouseTest, AStartTakesOverWhatIsWholeAndRemovesTheRest) {
    WriteCached(Rows(0, 1000, "a"));
    auto before = house_.CopyFiles();
    house_.Close();
    fs::path orphan = before[0].parent_path() / "00112233445566778899aabbccddeeff";
    WriteAll(orphan, "left by a build that was killed");
    Open();
    house_.Settle();
    EXPECT_EQ(house_.CopyFiles(), before);
    EXPECT_EQ(house_.Ask("SELECT count(*) FROM s.t"), Texts{"1000"});
    EXPECT_EQ(Hits(), 1);
    house_.tables.clear();
    Open();
    house_.Settle();
    EXPECT_TRUE(house_.CopyFiles().empty()) << "no table is cached any more";
    EXPECT_EQ(house_.Ask("SELECT count(*) FROM s.t"), Texts{"1000"});
}

TEST_F(WarehouseTest, NothingReadableLiesOnTheDisk) {
    WriteCached("SELECT 'canary-' || 'in-the-coal-mine-' || range AS k, 1 AS v FROM range(10000)");
    for (const fs::path& file : house_.CopyFiles()) {
        std::string content = ReadAll(file);
        EXPECT_EQ(content.find("canary-"), std::string::npos);
        EXPECT_EQ(content.find("PAR1"), std::string::npos);
    }
}

TEST_F(WarehouseTest, WithoutRoomThereIsNoCacheAndItSaysWhy) {
    house_.config.disk_bytes_max = 1000;
    Open();
    Write(Rows(0, 10000, "a"));
    house_.Settle();
    EXPECT_EQ(house_.Info("t").state, "waiting");
    EXPECT_NE(house_.Info("t").reason.find("for caches"), std::string::npos) << house_.Info("t").reason;
    EXPECT_EQ(house_.warehouse().Health().error().code(), ErrorCode::kResourceExhausted);
    EXPECT_EQ(house_.Ask("SELECT count(*) FROM s.t"), Texts{"10000"});
    EXPECT_TRUE(house_.CopyFiles().empty());
    house_.config.disk_bytes_max = 0;
    Open();
    house_.Settle();
    EXPECT_EQ(house_.Info("t").state, "ready");
    EXPECT_TRUE(house_.warehouse().Health().ok());
}

TEST_F(WarehouseTest, OlderVersionsAreCachedByChoice) {
    house_.config.versions = 2;
    Open();
    WriteCached(Rows(0, 10, "a"));
    WriteCached(Rows(0, 20, "b"));
    WriteCached(Rows(0, 30, "c"));
    EXPECT_EQ(house_.CopyFiles().size(), 2u);
    EXPECT_EQ(house_.Ask("SELECT count(*) FROM s.t AT (VERSION => 1)"), Texts{"20"});
    EXPECT_EQ(Hits(), 1);
    EXPECT_EQ(house_.Ask("SELECT count(*) FROM s.t AT (VERSION => 0)"), Texts{"10"});
    EXPECT_EQ(Hits(), 1);
}

}  // namespace
}  // namespace tarn::warehouse
