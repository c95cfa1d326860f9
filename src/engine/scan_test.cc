// What a scan of a relation's files makes of Delta's rules.
#include <roaring/roaring64map.hh>

#include "engine/engine_for_test.h"

namespace tarn::engine {
namespace {

class ScanTest : public EngineFixture {
  protected:
    FileScan& ScanOf(const std::string& key) { return std::get<FileScan>(relations.relations.at(key).source); }
    static std::string Bitmap(std::initializer_list<uint64_t> rows) {
        Roaring64Map map;
        for (uint64_t row : rows) map.add(row);
        std::string bytes(map.getSizeInBytes(), '\0');
        map.write(bytes.data());
        return bytes;
    }
};

TEST_F(ScanTest, DeletedRowsAreGone) {
    MakeTable("d", "t", "SELECT i AS id FROM range(300000) t(i)");
    ScanFile& file = ScanOf("d.t").files[0];
    Roaring64Map map;
    for (uint64_t i = 0; i < 300000; i += 10) map.add(i);
    file.deleted_positions.resize(map.getSizeInBytes());
    map.write(file.deleted_positions.data());
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t"), "270000\n");
    EXPECT_EQ(Ask("SELECT count(*), count(*) FILTER (id % 10 = 0), sum(id) FROM d.t"),
              Ask("SELECT 270000, 0, sum(i) FROM range(300000) t(i) WHERE i % 10 <> 0"));
    EXPECT_EQ(Ask("SELECT id FROM d.t WHERE id BETWEEN 299989 AND 299992 ORDER BY id"), "299989\n299991\n299992\n");
    EXPECT_EQ(Ask("SELECT id FROM d.t ORDER BY id LIMIT 2"), "1\n2\n");
    EXPECT_EQ(Ask("SELECT id, file_index, file_row_number FROM d.t WHERE id = 11"), "11|0|11\n");
}

TEST_F(ScanTest, DeltasMagicBeforeABitmapIsSkipped) {
    MakeTable("d", "t", "SELECT i AS id FROM range(5) t(i)");
    uint32_t magic = 1681511377;
    std::string bytes(reinterpret_cast<const char*>(&magic), 4);
    ScanOf("d.t").files[0].deleted_positions = bytes + Bitmap({0, 4});
    EXPECT_EQ(Ask("SELECT count(*), min(id), max(id) FROM d.t"), "3|1|3\n");
    ScanOf("d.t").files[0].deleted_positions = "garbage";
    EXPECT_FALSE(Rows(*session, "SELECT count(*) FROM d.t").ok());
}

TEST_F(ScanTest, ColumnsAreFoundByPhysicalNameAndMissingOnesAreNull) {
    MakeTable("d", "t", "SELECT i AS a, 'x' || i AS b FROM range(3) t(i)");
    Relation& relation = relations.relations.at("d.t");
    FileScan& scan = ScanOf("d.t");
    scan.columns[0] = {.column = {.name = "renamed", .type = "BIGINT"}, .physical_name = "a"};
    scan.columns.push_back({.column = {.name = "later", .type = "DATE"}, .physical_name = "later"});
    scan.files[0].statistics.clear();
    relation.columns = {scan.columns[0].column, scan.columns[1].column, scan.columns[2].column};
    EXPECT_EQ(Ask("SELECT * FROM d.t WHERE renamed > 0 ORDER BY renamed DESC"), "2|x2|NULL\n1|x1|NULL\n");
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t WHERE later IS NULL"), "3\n");
}

TEST_F(ScanTest, NarrowFilesWiden) {
    MakeTable("d", "t", "SELECT i::INTEGER AS a, i::FLOAT AS f, (i / 2)::DECIMAL(5,1) AS d FROM range(3) t(i)");
    Relation& relation = relations.relations.at("d.t");
    FileScan& scan = ScanOf("d.t");
    scan.columns[0].column.type = "BIGINT";
    scan.columns[1].column.type = "DOUBLE";
    scan.columns[2].column.type = "DECIMAL(10,2)";
    relation.columns = {scan.columns[0].column, scan.columns[1].column, scan.columns[2].column};
    EXPECT_EQ(Ask("SELECT typeof(a), typeof(f), typeof(d), a, f, d FROM d.t WHERE a = 1 AND d > 0.4"),
              "BIGINT|DOUBLE|DECIMAL(10,2)|1|1|0.50\n");
}

TEST_F(ScanTest, PartitionsAreConstantsAndPrune) {
    MakeTable("d", "t", "SELECT i % 4 AS p, i AS id FROM range(100) t(i)", {.partition_by = {"p"}});
    ASSERT_EQ(ScanOf("d.t").files.size(), 4u);
    EXPECT_EQ(Ask("SELECT p, count(*), min(id) FROM d.t GROUP BY p ORDER BY p"), "0|25|0\n1|25|1\n2|25|2\n3|25|3\n");
    files.opened = 0;
    EXPECT_EQ(Ask("SELECT sum(id) FROM d.t WHERE p = 2"), "1250\n");
    EXPECT_EQ(files.opened, 1);
    ScanOf("d.t").files[0].partition_values["p"] = std::nullopt;
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t WHERE p IS NULL"), "25\n");
}

TEST_F(ScanTest, StatisticsPruneFiles) {
    for (int part = 0; part < 5; part++) {
        MakeTable("d", "p" + std::to_string(part),
                  fmt::format("SELECT i AS id, DATE '2020-01-01' + ({0} * 10)::INTEGER AS day, 'k{0}' AS k "
                              "FROM range({0} * 1000, {0} * 1000 + 1000) t(i)",
                              part));
    }
    Relation all = relations.relations.at("d.p0");
    all.name = "t";
    for (int part = 1; part < 5; part++) {
        std::get<FileScan>(all.source).files.push_back(ScanOf("d.p" + std::to_string(part)).files[0]);
    }
    relations.Add(all);
    auto opens = [&](const std::string& where) {
        files.opened = 0;
        std::string counted = Ask("SELECT count(*) FROM d.t WHERE " + where);
        return fmt::format("{} {}", counted.substr(0, counted.size() - 1), files.opened.load());
    };
    EXPECT_EQ(opens("id = 2500"), "1 1");
    EXPECT_EQ(opens("id >= 3999"), "1001 2");
    EXPECT_EQ(opens("day = DATE '2020-01-11'"), "1000 1");
    EXPECT_EQ(opens("k = 'k4'"), "1000 1");
    EXPECT_EQ(opens("k = 'nope'"), "0 0");
    EXPECT_EQ(opens("id IN (1, 4001)"), "2 2");
    EXPECT_EQ(opens("id IS NULL"), "0 0");
    EXPECT_EQ(opens("true"), "5000 0");  // the count is known without a file
}

TEST_F(ScanTest, FilesByFieldId) {
    MakeTable("d", "t", "SELECT 1 AS a");
    FileScan& scan = ScanOf("d.t");
    // The file carries no field ids, so nothing can be found by one.
    scan.columns[0].field_id = 7;
    scan.files[0].statistics.clear();
    EXPECT_EQ(Ask("SELECT a FROM d.t"), "NULL\n");
}

TEST_F(ScanTest, ATableWithoutFilesIsEmpty) {
    MakeTable("d", "t", "SELECT 1 AS a");
    ScanOf("d.t").files.clear();
    EXPECT_EQ(Ask("SELECT count(*), max(a) FROM d.t"), "0|NULL\n");
}

TEST_F(ScanTest, OneSnapshotAStatementAndTimeTravel) {
    MakeTable("d", "t", "SELECT 1 AS a");
    relations.finds = 0;
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t x JOIN d.t y USING (a) WHERE a IN (SELECT a FROM d.t)"), "1\n");
    EXPECT_EQ(relations.finds, 1);
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t AT (VERSION => 3)"), "1\n");
    EXPECT_EQ(relations.last_at.version, 3);
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t AT (TIMESTAMP => TIMESTAMPTZ '2020-01-01 00:00:00+00')"), "1\n");
    EXPECT_EQ(FormatTime(*relations.last_at.timestamp), "2020-01-01T00:00:00Z");
}

TEST_F(ScanTest, GeneratedRowsAndViews) {
    Relation rows{.schema = "system",
                  .name = "z",
                  .columns = {{.name = "n", .type = "INTEGER"}, {.name = "made_at", .type = "TIMESTAMP"}}};
    rows.source = GeneratedRows{[] {
        return Result<RowSet>(RowSet{{{"1", "2020-01-01 00:00:00"}, {std::nullopt, std::nullopt}}});
    }};
    relations.Add(rows);
    EXPECT_EQ(Ask("SELECT made_at, n FROM system.z ORDER BY n NULLS LAST"), "2020-01-01 00:00:00|1\nNULL|NULL\n");
    EXPECT_EQ(Ask("SELECT count(*) FROM system.z"), "2\n");

    MakeTable("d", "t", "SELECT i AS a FROM range(10) t(i)");
    std::string path = ScanOf("d.t").files[0].path;
    Relation view{.schema = "raw_x", .name = "v", .columns = {{.name = "b", .type = "BIGINT"}}};
    view.source = TrustedView{"SELECT a FROM read_parquet('tarn://" + path + "')", {path}};
    relations.Add(view);
    EXPECT_EQ(Ask("SELECT sum(b) FROM raw_x.v"), "45\n");
    view.source = TrustedView{"SELECT a FROM read_parquet('tarn://" + path + "')", {}};
    relations.Add(view);
    EXPECT_EQ(Ask("SELECT sum(b) FROM raw_x.v").substr(0, 5), "42501");
}

TEST_F(ScanTest, ObligationsHoldBelowTheUsersExpressions) {
    MakeTable("d", "t",
              "SELECT i AS id, CASE WHEN i % 2 = 0 THEN 'mine' ELSE 'hidden' END AS owner, 'secret' || i AS s FROM "
              "range(10) t(i)");
    Relation& relation = relations.relations.at("d.t");
    relation.obligations.row_filter = "owner = 'mine'";
    relation.obligations.masks = {{"s", "'***'"}};
    EXPECT_EQ(Ask("SELECT count(*), min(s), max(owner) FROM d.t"), "5|***|mine\n");
    // An error of the user's expression on a hidden row would tell of it.
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t WHERE CASE WHEN owner = 'hidden' THEN error('leak') ELSE true END"), "5\n");
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t a JOIN d.t b ON a.id = b.id WHERE CASE WHEN a.owner = 'hidden' THEN "
                  "error('leak')::BOOLEAN ELSE true END"),
              "5\n");
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t WHERE s LIKE 'secret%'"), "0\n");
    // A plan would tell how many rows a scan reads.
    for (const char* explain : {"EXPLAIN", "EXPLAIN ANALYZE", "EXPLAIN (FORMAT json)"}) {
        EXPECT_EQ(Ask(fmt::format("{} SELECT count(*) FROM d.t WHERE id < 3", explain)).substr(0, 5), "42501");
    }
    // The bare relation has a name that only the view can say.
    EXPECT_EQ(Ask("SELECT * FROM d.\"t\x01unmasked\x01\"").substr(0, 5), "42P01");
}

// Comparisons with constants leave files out; the filter and the masks hold all the same.
TEST_F(ScanTest, StatisticsPruneFilesOfAProtectedTable) {
    for (int part = 0; part < 4; part++) {
        MakeTable("d", "p" + std::to_string(part),
                  fmt::format("SELECT i AS id, i % 2 = 0 AS mine, DATE '2020-01-01' + {0} AS day, 'k{0}' AS k, i AS s, "
                              "i::VARCHAR AS text FROM range({0} * 1000, {0} * 1000 + 1000) t(i)",
                              part));
    }
    Relation all = relations.relations.at("d.p0");
    all.name = "t";
    for (int part = 1; part < 4; part++) {
        std::get<FileScan>(all.source).files.push_back(ScanOf("d.p" + std::to_string(part)).files[0]);
    }
    all.obligations.row_filter = "mine";
    all.obligations.masks = {{"s", "-s"}};
    relations.Add(all);
    auto opens = [&](const std::string& where) {
        files.opened = 0;
        std::string counted = Ask("SELECT count(*) FROM d.t x WHERE " + where);
        return fmt::format("{} {}", counted.substr(0, counted.size() - 1), files.opened.load());
    };
    EXPECT_EQ(opens("id = 2500"), "1 1");
    EXPECT_EQ(opens("2501 = id"), "0 1");  // there, and hidden
    EXPECT_EQ(opens("id >= 2999 AND k <> 'x'"), "500 2");
    EXPECT_EQ(opens("id BETWEEN 1500 AND 1503"), "2 1");
    EXPECT_EQ(opens("id IN (1500, 1501, 1998)"), "2 4");
    EXPECT_EQ(opens("day = DATE '2020-01-02'"), "500 1");
    EXPECT_EQ(opens("k = 'k3'"), "500 1");
    EXPECT_EQ(opens("id = 2500 OR id = 1"), "1 4");
    EXPECT_EQ(opens("x.id % 5000 = 2500"), "1 4");
    EXPECT_EQ(opens("(SELECT max(id) FROM d.p0) = 999 AND id < 10"), "5 2");
    // What is masked is compared as it is seen, and tells nothing by what is read.
    EXPECT_EQ(opens("s = -2500"), "1 4");
    EXPECT_EQ(opens("s = 2500"), "0 4");
    EXPECT_EQ(opens("s IS NULL"), "0 4");
    // Nothing that may fail goes below.
    EXPECT_EQ(opens("CASE WHEN id % 2 = 1 THEN error('leak') ELSE true END AND id < 1000"), "500 1");
    EXPECT_EQ(opens("text::INTEGER = 2500"), "1 4");
    EXPECT_EQ(Ask("SELECT count(*) FROM d.t a JOIN d.t b USING (id) WHERE a.id < 500 AND b.id >= 490"), "5\n");
    EXPECT_EQ(Ask("SELECT id, s FROM d.t WHERE id > 3990 AND s < -3994 ORDER BY id"), "3996|-3996\n3998|-3998\n");
    EXPECT_EQ(Ask("SELECT s FROM d.t WHERE id = 2500 LIMIT 1"), "-2500\n");
}

TEST_F(ScanTest, WhatIsHiddenDoesNotExist) {
    MakeTable("d", "t", "SELECT 1 AS a");
    relations.hidden["d.t"].insert("alice");
    Error error = Refusal("SELECT * FROM d.t");
    EXPECT_EQ(error.detail_code(), "42P01");
    EXPECT_EQ(error.hint(), "");
}

TEST_F(ScanTest, ProvidedRelations) {
    Relation given = MakeTable("d", "t", "SELECT 5 AS a");
    ASSERT_TRUE(session->Provide("src", given).ok());
    EXPECT_EQ(Ask("SELECT a FROM temp_input.src"), "5\n");
    auto other = engine->OpenSession({.principal = User("bob")}).value();
    EXPECT_FALSE(Rows(*other, "SELECT a FROM temp_input.src").ok());
    ASSERT_TRUE(session->Substitute("e", "u", given).ok());
    EXPECT_EQ(Ask("SELECT a FROM e.u"), "5\n");
    EXPECT_FALSE(Rows(*other, "SELECT a FROM e.u").ok());
}

}  // namespace
}  // namespace tarn::engine
