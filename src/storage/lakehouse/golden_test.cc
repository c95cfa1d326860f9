// Delta tables made by others: TARN_DELTA_GOLDEN names a folder of unpacked archives (tests/conformance/
// test_delta_golden.py sets it). Each table is put into a lake and read; where rows are expected they must be those.
// One line a table goes to TARN_DELTA_REPORT: "<name>\t<pass|fail|refused>\t<what>".
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "storage/lakehouse/lakehouse_for_test.h"

namespace tarn::lakehouse {
namespace {

namespace fs = std::filesystem;

class Golden {
  public:
    explicit Golden(fs::path root) : root_(std::move(root)) {}

    std::string Check(const std::string& name) {
        fs::path table = root_ / name;
        bool has_delta = fs::exists(table / "delta");
        fs::path source = has_delta ? table / "delta" : table;
        std::string place = "golden/" + name;
        Status imported = house_.Import(source, place);
        if (!imported.ok()) return "fail\t" + imported.error().ToString();
        auto snapshot = house_.house().OpenAt(house_.alice, place);
        if (!snapshot.ok()) return "refused\t" + snapshot.error().ToString();
        std::string summary = fmt::format("version {}, {} files", snapshot->version, snapshot->files.size());
        bool any_file = std::any_of(snapshot->files.begin(), snapshot->files.end(), [&](const auto& file) {
            return fs::exists(source / file.path.substr(place.size() + 1));
        });
        if (!any_file && !snapshot->files.empty()) return "pass\t" + summary + " (a log alone)";
        auto rows = Read(ToRelation({"golden", "table"}, *snapshot));
        if (!rows.ok()) return "fail\t" + rows.error().ToString();
        summary += fmt::format(", {} rows", rows->size());
        if (!fs::exists(table / "expected")) return "pass\t" + summary;
        return Compare(name, *snapshot, std::move(*rows), summary);
    }

  private:
    Result<std::vector<std::string>> Read(engine::Relation relation) {
        auto session = TRY(house_.engine().OpenSession({.principal = house_.alice}));
        TRY(session->Provide("table", std::move(relation)));
        auto rows = TRY(TestLakehouse::Rows(*TRY(session->Query("SELECT * FROM temp_input.\"table\""))));
        std::sort(rows.begin(), rows.end());
        return rows;
    }

    // The expected rows come through the same scan, as a table without a log: the same types, in the same order.
    std::string Compare(const std::string& name, const Snapshot& snapshot, std::vector<std::string> rows,
                        const std::string& summary) {
        std::string place = "golden/expected-" + name;
        Status imported = house_.Import(root_ / name / "expected", place);
        if (!imported.ok()) return "fail\t" + imported.error().ToString();
        engine::Relation relation;
        relation.schema = "temp_input";
        relation.name = "table";
        engine::FileScan scan;
        for (engine::ScanColumn column : snapshot.columns) {
            column.physical_name = column.column.name;
            column.field_id = -1;
            column.partition = false;
            relation.columns.push_back(column.column);
            scan.columns.push_back(std::move(column));
        }
        for (const std::string& key : house_.Keys(place + "/")) {
            bool is_data = key.ends_with(".parquet") && key.find("/.") == std::string::npos;
            if (is_data) scan.files.push_back({.path = "golden/" + key});
        }
        relation.source = std::move(scan);
        auto expected = Read(std::move(relation));
        if (!expected.ok()) return "fail\texpected rows: " + expected.error().ToString();
        if (rows == *expected) return "pass\t" + summary;
        std::string first = "none";
        for (size_t i = 0; i < std::max(rows.size(), expected->size()); ++i) {
            std::string got = i < rows.size() ? rows[i] : "nothing";
            std::string wanted = i < expected->size() ? (*expected)[i] : "nothing";
            if (got == wanted) continue;
            first = "got " + got.substr(0, 200) + " wanted " + wanted.substr(0, 200);
            break;
        }
        return fmt::format("fail\t{}, expected {} rows; first difference: {}", summary, expected->size(), first);
    }

    fs::path root_;
    TestLakehouse house_;
};

TEST(DeltaGolden, ReadsTablesOfOthers) {
    const char* root = std::getenv("TARN_DELTA_GOLDEN");
    if (!root) GTEST_SKIP() << "TARN_DELTA_GOLDEN is not set";
    const char* report = std::getenv("TARN_DELTA_REPORT");
    std::ofstream out(report ? report : "/dev/stdout");
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root)) {
        // hive/delta holds several tables.
        std::string name = entry.path().filename();
        if (!fs::exists(entry.path() / "delta") || fs::exists(entry.path() / "delta" / "_delta_log") ||
            name != "hive") {
            names.push_back(name);
            continue;
        }
        for (const auto& inner : fs::directory_iterator(entry.path() / "delta")) {
            if (inner.is_directory()) names.push_back("hive/delta/" + inner.path().filename().string());
        }
    }
    std::sort(names.begin(), names.end());
    Golden golden(root);
    for (const std::string& name : names) out << name << '\t' << golden.Check(name) << '\n' << std::flush;
}

// TARN_DELTA_EXPORT names a folder: what we write is put there, for deltalake to read.
TEST(DeltaInterop, WritesTablesForOthers) {
    const char* folder = std::getenv("TARN_DELTA_EXPORT");
    if (!folder) GTEST_SKIP() << "TARN_DELTA_EXPORT is not set";
    TestLakehouse house;
    auto write = [&](const std::string& table, WriteMode mode, const std::string& sql,
                     std::vector<std::string> key = {}) {
        auto result = house.Write(table, mode, sql, std::move(key));
        ASSERT_TRUE(result.ok()) << result.error().ToString();
    };
    write("s.plain", WriteMode::kOverwrite,
          "SELECT range AS id, 'name ' || range AS name, (range / 3)::DECIMAL(12,2) AS price, "
          "DATE '2013-01-01' + range::INTEGER AS day, TIMESTAMPTZ '2013-01-01 00:00:00.123456+00' AS seen, "
          "CASE WHEN range % 2 = 0 THEN [range, NULL] END AS list, {'x': range, 'y': 'é'} AS nested, MAP {'k': range} "
          "AS m, "
          "'\\xAA'::BLOB AS bin, range::TINYINT AS tiny, range::HUGEINT AS huge FROM range(100)");
    write("s.ntz", WriteMode::kOverwrite, "SELECT TIMESTAMP '2013-01-01 01:02:03.123456' AS t, 1 AS a");
    for (int i = 0; i < 23; ++i) write("s.many", WriteMode::kAppend, fmt::format("SELECT {} AS a, 'x' AS b", i));
    write("s.merged", WriteMode::kMerge, "SELECT range AS k, 'old' AS v FROM range(50)", {"k"});
    write("s.merged", WriteMode::kMerge, "SELECT range AS k, 'new' AS v FROM range(40, 60)", {"k"});
    write("s.merged", WriteMode::kAppend, "SELECT 1000 AS k, 'more' AS v, true AS extra");
    for (const char* table : {"plain", "ntz", "many", "merged"}) {
        Status exported = house.Export(std::string("lakehouse/s/") + table, fs::path(folder) / table);
        ASSERT_TRUE(exported.ok()) << exported.error().ToString();
    }
}

// TARN_DELTA_IMPORT names the folder of a table that deltalake wrote; its rows go to TARN_DELTA_REPORT, one a line,
// read once as it is and once after a merge and an append of ours; TARN_DELTA_EXPORT gets the table back.
TEST(DeltaInterop, ReadsAndContinuesTablesOfOthers) {
    const char* folder = std::getenv("TARN_DELTA_IMPORT");
    const char* report = std::getenv("TARN_DELTA_REPORT");
    const char* back = std::getenv("TARN_DELTA_BACK");
    if (!folder || !report || !back)
        GTEST_SKIP() << "TARN_DELTA_IMPORT, TARN_DELTA_REPORT or TARN_DELTA_BACK is not set";
    TestLakehouse house;
    Status imported = house.Import(folder, "lakehouse/s/t");
    ASSERT_TRUE(imported.ok()) << imported.error().ToString();
    std::ofstream out(report);
    for (const std::string& row : house.Query("SELECT * FROM s.t ORDER BY id")) out << row << '\n';
    auto appended = house.Write("s.t", WriteMode::kAppend, "SELECT 100 AS id, 'b' AS part, 'ours' AS name");
    ASSERT_TRUE(appended.ok()) << appended.error().ToString();
    auto merged = house.Write("s.t", WriteMode::kMerge, "SELECT 1 AS id, 'a' AS part, 'changed' AS name", {"id"});
    ASSERT_TRUE(merged.ok()) << merged.error().ToString();
    EXPECT_EQ(merged->rows_updated, 1);
    Status exported = house.Export("lakehouse/s/t", back);
    ASSERT_TRUE(exported.ok()) << exported.error().ToString();
}

// Times, for CONFORMANCE.md and regressions: opening 300,000 files, and a chain of tiny commits.
TEST(DeltaInterop, OpensLargeLogsQuickly) {
    const char* root = std::getenv("TARN_DELTA_GOLDEN");
    if (!root || !fs::exists(fs::path(root) / "300k-add-files-100-col-partitioned")) GTEST_SKIP() << "no golden tables";
    TestLakehouse house;
    ASSERT_TRUE(house.Import(fs::path(root) / "300k-add-files-100-col-partitioned", "golden/big").ok());
    Clock& clock = SystemEnv().clock();
    for (const char* what : {"first", "again"}) {
        Duration start = clock.Monotonic();
        auto snapshot = house.house().OpenAt(house.alice, "golden/big");
        ASSERT_TRUE(snapshot.ok()) << snapshot.error().ToString();
        EXPECT_EQ(snapshot->files.size(), 300'000u);
        auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock.Monotonic() - start);
        RecordProperty(std::string("open_ms_") + what, static_cast<int>(took.count()));
        EXPECT_LT(took.count(), 20'000);
    }
    Duration start = clock.Monotonic();
    for (int i = 0; i < 40; ++i)
        ASSERT_TRUE(house.Write("s.t", WriteMode::kAppend, fmt::format("SELECT {} AS a", i)).ok());
    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock.Monotonic() - start);
    RecordProperty("forty_commits_ms", static_cast<int>(took.count()));
}

}  // namespace
}  // namespace tarn::lakehouse
