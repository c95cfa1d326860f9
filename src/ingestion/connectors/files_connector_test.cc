// The kind files, through the door: globs, formats, each file once, changes, drift, what is broken.
#include <gtest/gtest.h>

#include "base/process.h"
#include "ingestion/connectors/connectors_for_test.h"

namespace tarn::connectors {
namespace {

using Texts = std::vector<std::string>;

class FilesTest : public testing::Test {
  protected:
    // A source `inbox` with the stream `rows`.
    void Source(const std::string& path, const std::string& stream = "{}") {
        ASSERT_EQ(sources_.Apply({{"inbox", "kind: files\npath: " + path + "\nstreams: {rows: " + stream + "}\n"}}),
                  "");
    }
    std::string Load() { return sources_.Loaded("inbox", "rows"); }
    Texts Rows(const std::string& columns = "*") {
        return sources_.Query("SELECT " + columns + " FROM raw_inbox.rows ORDER BY ALL");
    }
    std::string Columns() { return sources_.ColumnsOf("raw_inbox", "rows"); }
    bool HasNew() { return sources_.connectors().HasNew("inbox", "rows").value(); }
    void Compress(const std::string& program, const std::string& name) {
        auto done =
            RunCommand({.command = {program, "-q", "-f", sources_.workspace() + "/" + name}}, std::chrono::seconds(10));
        ASSERT_TRUE(done.ok()) << done.error().ToString();
    }
    TestSources sources_;
};

TEST_F(FilesTest, ReadsEachFileOnceWithFolders) {
    Source("./in/*/2013-*.csv");
    sources_.Write("in/ua/2013-01.csv", "id,name\n1,a\n2,b\n");
    sources_.Write("in/aa/2013-01.csv", "id,name\n3,c\n");
    sources_.Write("in/aa/2014-01.csv", "id,name\n9,x\n");
    sources_.Write("in/2013-01.csv", "id,name\n9,x\n");
    sources_.Write("in/.hidden/2013-01.csv", "id,name\n9,x\n");
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Rows("id, name, _load, _origin"),
              (Texts{"1|a|1|in/ua/2013-01.csv", "2|b|1|in/ua/2013-01.csv", "3|c|1|in/aa/2013-01.csv"}));
    EXPECT_FALSE(HasNew());
    EXPECT_EQ(Load(), "nothing");
    sources_.Write("in/dl/2013-07.csv", "id,name\n4,d\n");
    EXPECT_TRUE(HasNew());
    EXPECT_EQ(Load(), "load 2: 1 rows");
    EXPECT_EQ(Rows("id"), (Texts{"1", "2", "3", "4"}));
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_inbox.rows AT (VERSION => 1)"), Texts{"3"});
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_inbox.rows WHERE _loaded_at <= now()"), Texts{"4"});
}

TEST_F(FilesTest, TwoStarsStandForAnyDepth) {
    Source("in/**/*.csv");
    sources_.Write("in/a.csv", "id\n1\n");
    sources_.Write("in/x/b.csv", "id\n2\n");
    sources_.Write("in/x/y/c.csv", "id\n3\n");
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Rows("id, _origin"), (Texts{"1|in/a.csv", "2|in/x/b.csv", "3|in/x/y/c.csv"}));
}

TEST_F(FilesTest, AChangedFileReplacesItself) {
    Source("in/*.csv");
    sources_.Write("in/a.csv", "id\n1\n2\n");
    sources_.Write("in/b.csv", "id\n3\n");
    EXPECT_EQ(Load(), "load 1: 3 rows");
    sources_.Write("in/a.csv", "id\n7\n", std::chrono::seconds(30));
    EXPECT_TRUE(HasNew());
    EXPECT_EQ(Load(), "load 2: 1 rows");
    EXPECT_EQ(Rows("id"), (Texts{"3", "7"}));
    EXPECT_EQ(sources_.Query("SELECT id FROM raw_inbox.rows AT (VERSION => 1) ORDER BY 1"), (Texts{"1", "2", "3"}));
}

TEST_F(FilesTest, UnpacksGzipAndZstandardAndKeepsTheBytes) {
    Source("in/*.csv*");
    sources_.Write("in/a.csv", "id,v\n1,x\n");
    sources_.Write("in/b.csv", "id,v\n2,y\n");
    Compress("gzip", "in/b.csv");
    // "id,v\n3,z\n" as the zstd program packs it, which not every machine has.
    static constexpr char kPacked[] =
        "\x28\xb5\x2f\xfd\x24\x09\x49\x00\x00\x69\x64\x2c\x76\x0a\x33\x2c\x7a\x0a\x7d\x4f\xae\x36";
    sources_.Write("in/c.csv.zst", std::string(kPacked, sizeof(kPacked) - 1));
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Rows("id, v"), (Texts{"1|x", "2|y", "3|z"}));
    auto stored = ReadFile(SystemEnv(), sources_.workspace() + "/in/b.csv.gz");
    EXPECT_EQ(sources_.Text("inbox/rows/00000000000000000001/000001-b.csv.gz"), stored.value());
}

TEST_F(FilesTest, NullsDelimitersAndHeadersAreAsTheYamlSays) {
    Source("in/*.csv", "{\"null\": [NA, \"\"], delimiter: \";\"}");
    sources_.Write("in/a.csv", "id;name;n\n1;NA;2.5\n2;;NA\n3;\"a;b\";7\n");
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Rows("id, name, n"), (Texts{"1|NULL|2.5", "2|NULL|NULL", "3|a;b|7"}));
    EXPECT_EQ(Columns(), "id BIGINT, name VARCHAR, n DOUBLE");
}

TEST_F(FilesTest, FilesWithoutHeaderOrRows) {
    Source("in/*.csv", "{header: no}");
    sources_.Write("in/a.csv", "1,a\n2,b\n");
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(Columns(), "column0 BIGINT, column1 VARCHAR");
}

TEST_F(FilesTest, AnEmptyFileIsNoError) {
    Source("in/*.csv");
    sources_.Write("in/a.csv", "");
    sources_.Write("in/b.csv", "id,name\n");
    sources_.Write("in/c.csv", "id,name\n1,x\n");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(Rows("id, name"), Texts{"1|x"});
}

TEST_F(FilesTest, NoFilesAreNoLoad) {
    Source("in/*.csv");
    sources_.Write("in/other.txt", "");
    EXPECT_EQ(Load(), "nothing");
    EXPECT_NE(Rows()[0].find("its first load has not been committed"), std::string::npos) << Rows()[0];
}

TEST_F(FilesTest, AMissingFolderSaysSo) {
    Source("nowhere/*.csv");
    EXPECT_NE(Load().find("there is no folder"), std::string::npos) << Load();
    EXPECT_NE(Load().find("relative to the workspace"), std::string::npos) << Load();
}

TEST_F(FilesTest, ANewColumnIsNotedAndOldRowsLackIt) {
    Source("in/*.csv");
    sources_.Write("in/a.csv", "id,name\n1,a\n");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    sources_.Write("in/b.csv", "id,name,city\n2,b,Bern\n");
    EXPECT_EQ(Load(), "load 2: 1 rows; new column city VARCHAR");
    sources_.Write("in/c.csv", "id,city\n3,Rome\n");
    EXPECT_EQ(Load(), "load 3: 1 rows");
    EXPECT_EQ(Rows("id, name, city"), (Texts{"1|a|NULL", "2|b|Bern", "3|NULL|Rome"}));
    EXPECT_EQ(sources_.Query("SELECT * EXCLUDE (_loaded_at) FROM raw_inbox.rows AT (VERSION => 1)"),
              Texts{"1|a|1|in/a.csv"});
}

TEST_F(FilesTest, ATypeThatNoLongerFitsIsWidened) {
    Source("in/*.csv");
    sources_.Write("in/a.csv", "id,n,d\n1,1,2013-01-01\n");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(Columns(), "id BIGINT, n BIGINT, d DATE");
    sources_.Write("in/b.csv", "id,n,d\n2,1.5,2013-01-01 10:00:00\n");
    EXPECT_EQ(Load(), "load 2: 1 rows; column n was BIGINT, is DOUBLE; column d was DATE, is TIMESTAMP");
    sources_.Write("in/c.csv", "id,n,d\nx3,7,never\n");
    EXPECT_EQ(Load(), "load 3: 1 rows; column id was BIGINT, is VARCHAR; column d was TIMESTAMP, is VARCHAR");
    EXPECT_EQ(Rows("id, n, d"), (Texts{"1|1|2013-01-01", "2|1.5|2013-01-01 10:00:00", "x3|7|never"}));
}

TEST_F(FilesTest, ABrokenFileIsNamedAndCommitsNothing) {
    Source("in/*.csv");
    sources_.Write("in/a.csv", "id,name\n1,a\n");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    sources_.Write("in/b.csv", "id,name\n2,b\n3,c,too,many\n4,d\n");
    sources_.Write("in/c.csv", "id,name\n5,e\n");
    std::string refused = Load();
    EXPECT_NE(refused.find("in/b.csv can't be read as csv"), std::string::npos) << refused;
    EXPECT_NE(refused.find("mend the file"), std::string::npos) << refused;
    EXPECT_EQ(refused.find("tarn://"), std::string::npos) << refused;
    EXPECT_EQ(Rows("id, name"), Texts{"1|a"});
    // Watching does not run it again and again; a mended file does.
    EXPECT_FALSE(HasNew());
    sources_.Write("in/b.csv", "id,name\n2,b\n", std::chrono::seconds(10));
    EXPECT_TRUE(HasNew());
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(Rows("id"), (Texts{"1", "2", "5"}));
}

TEST_F(FilesTest, AFileThatChangesWhileItIsReadWaits) {
    Source("in/*.csv");
    sources_.Write("in/a.csv", "id\n1\n");
    sources_.Write("in/b.csv", "id\n2\n");
    int calls = 0;
    sources_.on_progress = [&](const LoadProgress& progress) {
        if (progress.note == "in/a.csv" && ++calls == 1) sources_.Write("in/a.csv", "id\n1\n10\n");
    };
    EXPECT_EQ(Load(), "load 1: 1 rows; in/a.csv changed while it was read; it is read again");
    EXPECT_EQ(Rows("id"), Texts{"2"});
    EXPECT_EQ(sources_.Keys("inbox/rows/00000000000000000001/").size(), 1U);
    EXPECT_TRUE(HasNew());
    EXPECT_EQ(Load(), "load 2: 2 rows");
    EXPECT_EQ(Rows("id"), (Texts{"1", "2", "10"}));
}

TEST_F(FilesTest, JsonInAllItsShapes) {
    Source("in/*", "{format: json}");
    sources_.Write("in/array.json", R"([{"id": 1, "tags": ["x"]}, {"id": 2, "place": {"city": "Bern"}}])");
    sources_.Write("in/lines.ndjson", "{\"id\": 3}\n{\"id\": 4, \"tags\": []}\n");
    sources_.Write("in/one.json", R"({"id": 5})");
    sources_.Write("in/packed.ndjson", "{\"id\": 6}\n");
    Compress("gzip", "in/packed.ndjson");
    EXPECT_EQ(Load(), "load 1: 6 rows");
    EXPECT_EQ(Rows("id, tags, (place).city"),
              (Texts{"1|[x]|NULL", "2|NULL|Bern", "3|NULL|NULL", "4|[]|NULL", "5|NULL|NULL", "6|NULL|NULL"}));
}

TEST_F(FilesTest, BrokenJsonIsNamed) {
    Source("in/*.json", "{format: json}");
    sources_.Write("in/a.json", R"([{"id": 1}])");
    sources_.Write("in/b.json", R"([{"id": 1)");
    std::string refused = Load();
    EXPECT_NE(refused.find("in/b.json can't be read as json"), std::string::npos) << refused;
}

TEST_F(FilesTest, ParquetIsReadAsItIs) {
    auto session = sources_.engine().OpenSession({.principal = security::Principal::System("t"), .trusted = true});
    auto written = (*session)->WriteQuery("SELECT 1::TINYINT AS id, DATE '2013-01-01' AS d", {.prefix = "raw/tmp/"});
    ASSERT_TRUE(written.ok()) << written.error().ToString();
    sources_.Write("in/a.parquet", sources_.Text((*written)[0].path.substr(4)));
    Source("in/*.parquet", "{format: parquet}");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(Rows("id, d"), Texts{"1|2013-01-01"});
    sources_.Write("in/b.parquet", "no parquet");
    std::string refused = Load();
    EXPECT_NE(refused.find("in/b.parquet can't be read as parquet"), std::string::npos) << refused;
}

TEST_F(FilesTest, AnythingIsKeptAsBytes) {
    Source("in/*", "{format: any}");
    std::string bytes("\x00\x01\xff%PDF", 7);
    sources_.Write("in/report [1] 50%?.pdf", bytes);
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(Rows("octet_length(content), _origin"), Texts{"7|in/report [1] 50%?.pdf"});
}

TEST_F(FilesTest, NamesThatLookLikeGlobsAreNames) {
    Source("in/*.csv");
    sources_.Write("in/a[1].csv", "id\n1\n");
    sources_.Write("in/a1.csv", "id\n2\n");
    sources_.Write("in/it's \"q\" é.csv", "id\n3\n");
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Rows("id, _origin"), (Texts{"1|in/a[1].csv", "2|in/a1.csv", "3|in/it's \"q\" é.csv"}));
}

TEST_F(FilesTest, ColumnsMayBeCalledAnything) {
    Source("in/*.csv");
    sources_.Write("in/a.csv", "filename,select,_load,a \"b\n1,2,3,4\n");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(sources_.Query("SELECT filename, \"select\" FROM raw_inbox.rows"), Texts{"1|2"});
    EXPECT_EQ(sources_.Query("SELECT max(_load) FROM raw_inbox.rows"), Texts{"1"});
}

TEST_F(FilesTest, ARunThatCommittedAndGoesOnLoadsNothingTwice) {
    Source("in/*.csv");
    sources_.Write("in/a.csv", "id\n1\n");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    --sources_.run;
    EXPECT_EQ(Load(), "load 1: 1 rows");
    EXPECT_EQ(Load(), "nothing");
    EXPECT_EQ(Rows("id"), Texts{"1"});
}

TEST_F(FilesTest, CancelledItCommitsNothing) {
    Source("in/*.csv");
    sources_.Write("in/a.csv", "id\n1\n");
    sources_.Write("in/b.csv", "id\n2\n");
    CancelToken cancel;
    sources_.on_progress = [&](const LoadProgress& progress) {
        if (progress.note == "in/b.csv") cancel.Cancel();
    };
    auto outcome = sources_.Load("inbox", "rows", cancel);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kCancelled);
    EXPECT_EQ(sources_.Keys("inbox/rows/_loads/").size(), 0U);
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(sources_.Keys("inbox/rows/0").size(), 2U);
}

TEST_F(FilesTest, WhatIsWrongInTheYamlIsSaid) {
    auto wrong = [&](const std::string& yaml) { return sources_.Apply({{"inbox", yaml}}); };
    EXPECT_NE(wrong("kind: files\npath: x\nstreams: {rows: {formt: csv}}\n").find("formt"), std::string::npos);
    EXPECT_NE(wrong("kind: files\npath: x\nstreams: {rows: {format: xml}}\n").find("csv, json, parquet, any"),
              std::string::npos);
    EXPECT_NE(wrong("kind: files\nstreams: {rows: {}}\n").find("needs a \"path\""), std::string::npos);
    EXPECT_NE(wrong("kind: files\npath: x\nbase_url: http://a\nstreams: {r: {}}\n").find("base_url"),
              std::string::npos);
    EXPECT_NE(wrong("kind: files\npath: x\nstreams: {r: {cursor: id}}\n").find("cursor"), std::string::npos);
    EXPECT_NE(wrong("kind: files\npath: x\nstreams: {r: {pagination: {page: p}}}\n").find("pagination"),
              std::string::npos);
    EXPECT_NE(wrong("kind: filez\npath: x\nstreams: {r: {}}\n").find("files"), std::string::npos);
    EXPECT_NE(wrong("kind: files\npath: x\n").find("streams"), std::string::npos);
    EXPECT_NE(wrong("kind: files\npath: x\nstreams: {Rows: {}}\n").find("Rows"), std::string::npos);
}

}  // namespace
}  // namespace tarn::connectors
