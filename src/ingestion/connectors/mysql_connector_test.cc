// The kind mysql, against a MariaDB of our own on loopback that asks for passwords and offers TLS.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/process.h"
#include "ingestion/connectors/connectors_for_test.h"

namespace tarn::connectors {
namespace {

using Texts = std::vector<std::string>;

// Started once for all tests; ends with the program.
class MariadbSource {
  public:
    static MariadbSource* Shared() {
        static std::unique_ptr<MariadbSource> server = Start(true);
        return server.get();
    }
    Result<std::string> Execute(const std::string& sql) {
        return RunCommand({.command = {"/usr/bin/mariadb", "--no-defaults", "-S", directory_.path() + "/sock", "-u",
                                       "root", "--default-character-set=utf8mb4", "-NBe", sql},
                           .directory = "/tmp"},
                          std::chrono::seconds(60));
    }
    std::string certificate() const { return directory_.path() + "/server.pem"; }
    int port = 0;
    static std::unique_ptr<MariadbSource> Start(bool tls);

  private:
    static constexpr const char* kProgram = "/usr/sbin/mariadbd";
    // One that was free a moment ago.
    static int FreePort() {
        auto executor = Executor::Create({.threads = 1});
        auto server = HttpServer::Create({.listen = {"127.0.0.1", 0}}, NullLog(), *executor,
                                         [](HttpRequest&, HttpResponder&) { return Ok(); });
        return (*server)->address().port;
    }
    metadata::TestDirectory directory_;
    std::unique_ptr<Process> process_;  // after the directory: ends before it is removed
};

std::unique_ptr<MariadbSource> MariadbSource::Start(bool tls) {
    if (!std::filesystem::exists(kProgram)) return nullptr;
    std::unique_ptr<MariadbSource> server(new MariadbSource);
    const std::string& root = server->directory_.path();
    auto made =
        RunCommand({.command = {"/usr/bin/mariadb-install-db", "--no-defaults", "--datadir=" + root + "/data",
                                "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"},
                    .directory = "/tmp"},
                   std::chrono::seconds(120));
    EXPECT_TRUE(made.ok()) << made.error().ToString();
    auto pair = MakeSelfSignedCertificate({"localhost"});
    std::ofstream(root + "/server.pem") << pair->first;
    std::ofstream(root + "/server.key") << pair->second;
    server->port = FreePort();
    auto process = Process::Start(
        {.command = {kProgram, "--no-defaults", "--user=root", "--datadir=" + root + "/data",
                     "--socket=" + root + "/sock", "--port=" + std::to_string(server->port), "--bind-address=127.0.0.1",
                     "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", "--tmpdir=" + root,
                     tls ? "--ssl-cert=" + root + "/server.pem" : "--skip-ssl",
                     tls ? "--ssl-key=" + root + "/server.key" : "--skip-ssl"},
         .directory = root,
         .output_path = root + "/log"});
    EXPECT_TRUE(process.ok()) << process.error().ToString();
    if (!process.ok()) return nullptr;
    server->process_ = std::move(process).value();
    for (int i = 0; i < 400 && !server->Execute("SELECT 1").ok(); ++i) {
        SystemEnv().clock().Sleep(std::chrono::milliseconds(50));
    }
    auto user = server->Execute(
        "CREATE USER reader@'%' IDENTIFIED BY 's3cr3t-canary'; CREATE DATABASE shop; GRANT SELECT ON shop.* TO "
        "reader@'%'; CREATE USER sealed@'%' IDENTIFIED BY 's3cr3t-canary' REQUIRE SSL; "
        "GRANT SELECT ON shop.* TO sealed@'%'");
    EXPECT_TRUE(user.ok()) << user.error().ToString();
    return server;
}

class MysqlTest : public testing::Test {
  protected:
    void SetUp() override {
        server_ = MariadbSource::Shared();
        if (!server_) GTEST_SKIP() << "MariaDB is not installed";
        sources_.secrets.values = {{"reader", "s3cr3t-canary"}};
        Execute("DROP DATABASE shop; CREATE DATABASE shop CHARACTER SET utf8mb4");
    }
    void Execute(const std::string& sql) {
        auto done = server_->Execute("USE shop; " + sql);
        if (sql.starts_with("DROP DATABASE")) done = server_->Execute(sql);
        ASSERT_TRUE(done.ok()) << done.error().ToString();
    }
    void Source(const std::string& stream = "{}", const std::string& more = "", const std::string& user = "reader",
                const std::string& host = "127.0.0.1") {
        std::string yaml = fmt::format(
            "kind: mysql\nconnection: {{host: {}, port: {}, database: shop, user: {}, "
            "password: secret:reader{}}}\nstreams: {{t: {}}}\n",
            host, server_->port, user, more, stream);
        ASSERT_EQ(sources_.Apply({{"my", yaml}}), "");
    }
    std::string Load() { return sources_.Loaded("my", "t"); }
    Texts Rows(const std::string& columns) {
        return sources_.Query("SELECT " + columns + " FROM raw_my.t ORDER BY ALL");
    }
    MariadbSource* server_ = nullptr;
    TestSources sources_;
};

// Money moves between rows all the time: readers with two views would see some of it twice or not at all.
TEST_F(MysqlTest, SeveralReadersHaveOneView) {
    Execute(
        "CREATE TABLE t (id int PRIMARY KEY, money int); "
        "INSERT INTO t SELECT CAST(seq AS int) * 3 - 5000, 100 FROM seq_1_to_4000");
    ASSERT_TRUE(server_->Execute("GRANT SELECT, LOCK TABLES ON shop.* TO reader@'%'").ok());
    Source("{parallel: 4}");
    std::atomic<bool> stop = false;
    std::thread writer([&] {
        std::string moves;
        for (int i = 0; i < 200; ++i) {
            moves += fmt::format(
                "START TRANSACTION; UPDATE shop.t SET money = money - 1 WHERE id = {}; "
                "UPDATE shop.t SET money = money + 1 WHERE id = {}; COMMIT; ",
                (i * 7 % 4000 + 1) * 3 - 5000, ((4000 - i * 7 % 4000)) * 3 - 5000);
        }
        while (!stop) EXPECT_TRUE(server_->Execute(moves).ok());
    });
    for (int load = 1; load <= 5; ++load) {
        EXPECT_EQ(Load(), fmt::format("load {}: 4000 rows", load));
        EXPECT_EQ(Rows("count(*), count(DISTINCT id), min(id), max(id), sum(money)").at(0),
                  "4000|4000|-4997|7000|400000");
    }
    stop = true;
    writer.join();
    EXPECT_EQ(sources_.Keys("my/t/00000000000000000001/").size(), 4U);
    EXPECT_NE(Rows("count(DISTINCT money)").at(0), "1");
    Execute("UPDATE t SET money = 100; DELETE FROM t WHERE id > -4997");
    EXPECT_EQ(Load(), "load 6: 1 rows");
    Execute("DELETE FROM t");
    EXPECT_EQ(Load().substr(0, 14), "load 7: 0 rows");
}

TEST_F(MysqlTest, SeveralReadersNeedALockAndAKey) {
    Execute(
        "CREATE TABLE t (id bigint unsigned PRIMARY KEY, d date); SET sql_mode = ''; "
        "INSERT INTO t SELECT seq, IF(seq = 700, '0000-00-00', '2026-01-01') FROM seq_1_to_1000");
    ASSERT_TRUE(server_->Execute("REVOKE LOCK TABLES ON shop.* FROM reader@'%'").ok());
    Source("{parallel: 3}");
    EXPECT_NE(Load().find("GRANT LOCK TABLES"), std::string::npos);
    ASSERT_TRUE(server_->Execute("GRANT LOCK TABLES ON shop.* TO reader@'%'").ok());
    std::string loaded = Load();
    EXPECT_TRUE(loaded.starts_with("load 1: 1000 rows; ")) << loaded;
    EXPECT_NE(loaded.find("the column is kept as text"), std::string::npos) << loaded;
    EXPECT_EQ(Rows("count(*), count(DISTINCT id), count(*) FILTER (WHERE d = '0000-00-00')").at(0), "1000|1000|1");
    Execute("DROP TABLE t; CREATE TABLE t (a int, b int, PRIMARY KEY (a, b)); INSERT INTO t VALUES (1, 2)");
    loaded = Load();
    EXPECT_NE(loaded.find("one connection read it"), std::string::npos) << loaded;
    EXPECT_EQ(Rows("a, b"), Texts{"1|2"});
}

TEST_F(MysqlTest, KeepsAllTypes) {
    Execute(R"(CREATE TABLE t (ti tinyint, tu tinyint unsigned, s smallint, su smallint unsigned, m mediumint,
            mu mediumint unsigned, i int, iu int unsigned, b bigint, bu bigint unsigned, n decimal(12,2),
            big decimal(60,4), f float, d double, bo bool, bi bit(64), b1 bit(1), y year, da date, dt datetime(6),
            ts timestamp(6) NULL, tm time(3), v varchar(20), l varchar(20) CHARACTER SET latin1,
            tx longtext, bl longblob, bn varbinary(8), e enum('a','B'), st set('x','y'), j json, u uuid, p point);
        SET time_zone = '+02:00';
        INSERT INTO t VALUES (-128, 255, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295,
            -9223372036854775808, 18446744073709551615, -99.50, 12345678901234567890123456789012345678901234567890.1234,
            0.1234567, 0.1, 2, b'1000000000000000000000000000000000000000000000000000000000000001', b'1', 2155,
            '2013-01-02', '2013-01-02 03:04:05.678901', '2013-01-02 03:04:05.678901', '-838:59:59.5', 'Zürich 🎈', 'é',
            'a\'"\\\nb', x'00ff5c27', x'00ff', 'B', 'x,y', '{"a": [1, null]}',
            'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', ST_GeomFromText('POINT(1 2)'));
        INSERT INTO t (ti) VALUES (NULL))");
    Source();
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(sources_.ColumnsOf("raw_my", "t"),
              "ti TINYINT, tu SMALLINT, s SMALLINT, su INTEGER, m INTEGER, mu INTEGER, i INTEGER, iu BIGINT, b BIGINT, "
              "bu DECIMAL(20,0), n DECIMAL(12,2), big VARCHAR, f FLOAT, d DOUBLE, bo TINYINT, bi DECIMAL(20,0), "
              "b1 BIGINT, y SMALLINT, da DATE, dt TIMESTAMP, ts TIMESTAMP WITH TIME ZONE, tm VARCHAR, v VARCHAR, "
              "l VARCHAR, tx VARCHAR, bl BLOB, bn BLOB, e VARCHAR, st VARCHAR, j VARCHAR, u VARCHAR, p BLOB");
    auto row = [&](const std::string& columns) {
        return sources_.Query("SELECT " + columns + " FROM raw_my.t WHERE ti IS NOT NULL")[0];
    };
    EXPECT_EQ(row("ti, tu, s, su, m, mu, i, iu, b, bu"),
              "-128|255|-32768|65535|-8388608|16777215|-2147483648|4294967295|-9223372036854775808|"
              "18446744073709551615");
    EXPECT_EQ(row("n, big, f = 0.1234567::FLOAT, d = 0.1::DOUBLE, bo, bi, b1, y"),
              "-99.50|12345678901234567890123456789012345678901234567890.1234|t|t|2|9223372036854775809|1|2155");
    EXPECT_EQ(row("da, dt, ts, tm"),
              "2013-01-02|2013-01-02 03:04:05.678901|2013-01-02 01:04:05.678901+00|-838:59:59.500");
    EXPECT_EQ(row("v, l, tx, hex(bl), hex(bn)"), "Zürich 🎈|é|a'\"\\\nb|00FF5C27|00FF");
    EXPECT_EQ(row("e, st, j, u, hex(p)"),
              "B|x,y|{\"a\": [1, null]}|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|"
              "000000000101000000000000000000F03F0000000000000040");
    std::string none;
    for (int i = 0; i < 32; ++i) none += i == 0 ? "0" : "|0";
    EXPECT_EQ(
        sources_.Query("SELECT count(COLUMNS(* EXCLUDE (_load, _loaded_at, _origin))) FROM raw_my.t WHERE ti IS NULL"),
        Texts{none});
    std::string manifest = sources_.Text("my/t/_loads/00000000000000000001.json");
    EXPECT_NE(manifest.find("\"iu\": \"int(10) unsigned\""), std::string::npos) << manifest;
    EXPECT_EQ(manifest.find("s3cr3t"), std::string::npos);
}

TEST_F(MysqlTest, ZeroDatesMakeTheColumnText) {
    Execute(
        "SET sql_mode = ''; CREATE TABLE t (id int, d date, dt datetime); "
        "INSERT INTO t VALUES (1, '0000-00-00', '2020-00-10 00:00:00'), (2, '2020-02-29', '2020-01-01 01:02:03')");
    Source();
    std::string loaded = Load();
    EXPECT_NE(loaded.find("load 1: 2 rows; column d: '0000-00-00' is no DATE; the column is kept as text; column dt: "
                          "'2020-00-10 00:00:00' is no TIMESTAMP; the column is kept as text"),
              std::string::npos)
        << loaded;
    EXPECT_EQ(Rows("id, d, dt"), (Texts{"1|0000-00-00|2020-00-10 00:00:00", "2|2020-02-29|2020-01-01 01:02:03"}));
    EXPECT_EQ(sources_.Keys("my/t/00000000000000000001/").size(), 1U);
}

TEST_F(MysqlTest, AWrongValueLateInALargeTableIsReadAgainInTheSameSnapshot) {
    Execute(
        "SET sql_mode = ''; CREATE TABLE t (id int PRIMARY KEY, d date, s varchar(200)); "
        "INSERT INTO t SELECT seq, '2020-01-01', repeat('x', 100) FROM seq_1_to_60000; "
        "UPDATE t SET d = '0000-00-00' WHERE id = 30000");
    Source();
    EXPECT_EQ(Load(), "load 1: 60000 rows; column d: '0000-00-00' is no DATE; the column is kept as text");
    EXPECT_EQ(sources_.Query("SELECT count(*), sum(id), count(DISTINCT d) FROM raw_my.t"), Texts{"60000|1800030000|2"});
}

TEST_F(MysqlTest, EmptyTablesHaveColumns) {
    Execute("CREATE TABLE t (id int, `na me` text)");
    Source();
    EXPECT_EQ(Load(), "load 1: 0 rows");
    EXPECT_EQ(sources_.ColumnsOf("raw_my", "t"), "id INTEGER, na me VARCHAR");
}

TEST_F(MysqlTest, Increments) {
    Execute(
        "CREATE TABLE t (id int, at datetime(6), v int); INSERT INTO t VALUES (1, '2013-01-01', 1), "
        "(2, '2013-01-02 00:00:00.000001', 1), (3, NULL, 1)");
    Source("{cursor: at}");
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO t VALUES (4, '2013-01-02 00:00:00.000002', 1); ALTER TABLE t ADD COLUMN w text");
    EXPECT_EQ(Load(), "load 2: 1 rows; new column w VARCHAR");
    Source("{cursor: at, key: [id]}");
    Execute(
        "UPDATE t SET v = 2, at = '2013-01-03' WHERE id = 1; "
        "INSERT INTO t VALUES (5, '2013-01-02 00:00:00.000002', 1, NULL)");
    EXPECT_EQ(Load(), "load 3: 3 rows");
    EXPECT_EQ(Rows("id, v"), (Texts{"1|2", "2|1", "3|1", "4|1", "5|1"}));
    EXPECT_EQ(sources_.Query("SELECT id, v FROM raw_my.t AT (VERSION => 1) ORDER BY 1"), (Texts{"1|1", "2|1", "3|1"}));
}

TEST_F(MysqlTest, CursorsOfLargeNumbersAndOfTextsInAnotherOrder) {
    Execute(
        "CREATE TABLE t (n bigint unsigned, v int); "
        "INSERT INTO t VALUES (18446744073709551613, 1), (18446744073709551614, 2)");
    Source("{cursor: n}");
    EXPECT_EQ(Load(), "load 1: 2 rows");
    Execute("INSERT INTO t VALUES (18446744073709551615, 3)");  // as doubles all three are one
    EXPECT_EQ(Load(), "load 2: 1 rows");
    EXPECT_EQ(Rows("v"), (Texts{"1", "2", "3"}));
    Execute(
        "CREATE TABLE u (s varchar(20), v int); INSERT INTO u VALUES ('b', 1), ('it''s \\\\', 2), ('IT''S \\\\', 3)");
    Source("{table: u, cursor: s}");
    EXPECT_EQ(Load().substr(0, 15), "load 3: 3 rows;");
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO u VALUES ('it''S \\\\', 4)");
    EXPECT_EQ(Load(), "load 4: 3 rows");
    EXPECT_EQ(Rows("v"), (Texts{"1", "2", "3", "4"}));
    Execute("CREATE TABLE w (j json, b blob)");
    Source("{table: w, cursor: b}");
    EXPECT_NE(Load().find("has no order that a cursor can follow"), std::string::npos);
}

TEST_F(MysqlTest, TellsItsTables) {
    Execute("CREATE TABLE t (id int, k int, v text, PRIMARY KEY (k, id)); CREATE VIEW v AS SELECT id + 1 AS id FROM t");
    Source();
    auto streams = sources_.connectors().Discover(sources_.alice, "my");
    ASSERT_TRUE(streams.ok()) << streams.error().ToString();
    ASSERT_EQ(streams->size(), 2U);
    EXPECT_EQ((*streams)[0].name, "t");
    EXPECT_EQ((*streams)[0].key, (Texts{"k", "id"}));
    EXPECT_EQ((*streams)[0].columns.size(), 3U);
    EXPECT_EQ((*streams)[1].columns[0].type, "BIGINT");
}

TEST_F(MysqlTest, WhatIsWrongSaysWhatToDo) {
    Source();
    EXPECT_NE(Load().find("there is no table shop.t"), std::string::npos) << Load();
    Execute("CREATE TABLE t (id int)");
    Source("{cursor: idd}");
    EXPECT_NE(Load().find("no column \"idd\"; did you mean id?"), std::string::npos) << Load();
    sources_.secrets.values["reader"] = "s3cr3t-wrong";
    auto outcome = sources_.Load("my", "t");
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_NE(outcome.error().hint().find("tarn secret set"), std::string::npos);
    EXPECT_EQ(outcome.error().ToString().find("s3cr3t"), std::string::npos);
    EXPECT_TRUE(sources_.Keys("my/").empty());
    Source("{}", "", "reader", "169.254.169.254");
    outcome = sources_.Load("my", "t");
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kPermissionDenied) << outcome.error().ToString();
}

TEST_F(MysqlTest, Tls) {
    Execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)");
    Source("{}", ", tls: disable", "sealed");
    EXPECT_NE(Load().find("Access denied"), std::string::npos) << Load();
    Source("{}", "", "sealed");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    Source("{}", ", tls: require", "sealed");
    EXPECT_EQ(Load(), "load 2: 1 rows");
    Source("{}", ", tls: verify-full", "sealed", "localhost");
    EXPECT_NE(Load().find("certificate"), std::string::npos) << Load();
    std::string known = ", tls: verify-full, ca: " + server_->certificate();
    Source("{}", known, "sealed", "localhost");  // the name is held against the certificate, not the address
    EXPECT_EQ(Load(), "load 3: 1 rows");
    Source("{}", known, "sealed", "127.0.0.1");
    std::string refused = Load();
    EXPECT_NE(refused.find("tls"), std::string::npos) << refused;
}

TEST_F(MysqlTest, TlsIsPreferredAndNotEnforcedWhereTheServerHasNone) {
    auto plain = MariadbSource::Start(false);
    ASSERT_TRUE(plain->Execute("CREATE TABLE shop.t (id int); INSERT INTO shop.t VALUES (1)").ok());
    server_ = plain.get();
    Source("{}", ", tls: require");
    EXPECT_NE(Load().find("TLS"), std::string::npos) << Load();
    Source();
    EXPECT_EQ(Load(), "load 1: 1 rows");
    server_ = nullptr;
}

TEST_F(MysqlTest, CancelEndsAStatementAtTheServer) {
    Execute("CREATE VIEW t AS SELECT sleep(60) AS s");
    Source();
    CancelToken cancel;
    std::thread canceller([&] {
        SystemEnv().clock().Sleep(std::chrono::milliseconds(500));
        cancel.Cancel();
    });
    auto outcome = sources_.Load("my", "t", cancel);
    canceller.join();
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kCancelled) << outcome.error().ToString();
    std::string running = "1";
    for (int i = 0; i < 100 && running != "0\n"; ++i) {
        SystemEnv().clock().Sleep(std::chrono::milliseconds(20));
        running = *server_->Execute("SELECT count(*) FROM information_schema.processlist WHERE user = 'reader'");
    }
    EXPECT_EQ(running, "0\n");
}

}  // namespace
}  // namespace tarn::connectors
