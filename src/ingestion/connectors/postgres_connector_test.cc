// The kind postgresql, against a server of our own on loopback that asks for passwords.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/process.h"
#include "ingestion/connectors/connectors_for_test.h"

namespace tarn::connectors {
namespace {

using Texts = std::vector<std::string>;

// Started once for all tests; ends with the program.
class PostgresSource {
  public:
    static PostgresSource* Shared() {
        static std::unique_ptr<PostgresSource> server = Start();
        return server.get();
    }
    Result<std::string> Execute(const std::string& sql) {
        return RunCommand({.command = {Program("psql"), "-h", directory_.path(), "-p", std::to_string(port), "-U",
                                       "postgres", "-d", "postgres", "-qAtc", sql},
                           .directory = "/tmp",
                           .user = User()},
                          std::chrono::seconds(60));
    }
    int port = 0;

  private:
    static std::string Program(const std::string& name) {
        for (const char* version : {"17", "16", "15", "14"}) {
            std::string path = fmt::format("/usr/lib/postgresql/{}/bin/{}", version, name);
            if (std::filesystem::exists(path)) return path;
        }
        return {};
    }
    // PostgreSQL refuses to run as root.
    static std::string User() { return getuid() == 0 ? "postgres" : ""; }
    // One that was free a moment ago.
    static int FreePort() {
        auto executor = Executor::Create({.threads = 1});
        auto server = HttpServer::Create({.listen = {"127.0.0.1", 0}}, NullLog(), *executor,
                                         [](HttpRequest&, HttpResponder&) { return Ok(); });
        return (*server)->address().port;
    }
    static std::unique_ptr<PostgresSource> Start() {
        if (Program("postgres").empty()) return nullptr;
        std::unique_ptr<PostgresSource> server(new PostgresSource);
        const std::string& root = server->directory_.path();
        std::filesystem::permissions(root, std::filesystem::perms::all);
        auto made = RunCommand({.command = {Program("initdb"), "-D", root + "/data", "-U", "postgres",
                                            "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "-N"},
                                .directory = "/tmp",
                                .user = User()},
                               std::chrono::seconds(120));
        EXPECT_TRUE(made.ok()) << made.error().ToString();
        server->port = FreePort();
        auto process = Process::Start({.command = {Program("postgres"), "-D", root + "/data", "-k", root, "-p",
                                                   std::to_string(server->port), "-c", "fsync=off"},
                                       .directory = "/tmp",
                                       .user = User(),
                                       .output_path = root + "/log"});
        EXPECT_TRUE(process.ok()) << process.error().ToString();
        if (!process.ok()) return nullptr;
        server->process_ = std::move(process).value();
        for (int i = 0; i < 400 && !server->Execute("SELECT 1").ok(); ++i) {
            SystemEnv().clock().Sleep(std::chrono::milliseconds(50));
        }
        auto user = server->Execute("CREATE USER reader PASSWORD 's3cr3t-canary'");
        EXPECT_TRUE(user.ok()) << user.error().ToString();
        return server;
    }
    metadata::TestDirectory directory_;
    std::unique_ptr<Process> process_;  // after the directory: ends before it is removed
};

class PostgresTest : public testing::Test {
  protected:
    void SetUp() override {
        server_ = PostgresSource::Shared();
        if (!server_) GTEST_SKIP() << "PostgreSQL is not installed";
        sources_.secrets.values = {{"reader", "s3cr3t-canary"}};
        Execute(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO reader; "
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader");
    }
    void Execute(const std::string& sql) {
        auto done = server_->Execute(sql);
        ASSERT_TRUE(done.ok()) << done.error().ToString();
    }
    void Source(const std::string& stream = "{}", const std::string& more = "") {
        std::string yaml = fmt::format(
            "kind: postgresql\nconnection: {{host: 127.0.0.1, port: {}, database: postgres, user: reader, "
            "password: secret:reader{}}}\nstreams: {{t: {}}}\n",
            server_->port, more, stream);
        ASSERT_EQ(sources_.Apply({{"pg", yaml}}), "");
    }
    std::string Load() { return sources_.Loaded("pg", "t"); }
    Texts Rows(const std::string& columns) {
        return sources_.Query("SELECT " + columns + " FROM raw_pg.t ORDER BY ALL");
    }
    PostgresSource* server_ = nullptr;
    TestSources sources_;
};

TEST_F(PostgresTest, KeepsAllTypes) {
    Execute(R"(CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN small AS int CHECK (VALUE < 10);
        CREATE TABLE t (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12,2),
            big numeric(60,2), s text, v varchar(10), c char(5), y bytea, d date, tm time, ts timestamp,
            tz timestamptz, iv interval, u uuid, j json, jb jsonb, a int[], ta text[], m mood, dm small, ip inet,
            r int4range);
        INSERT INTO t VALUES (true, -32768, 2147483647, 9223372036854775807, 1.5, 0.1, 123.456789012345678901234567890,
            -99.50, 12345678901234567890123456789012345678901234567890.12, E'a"\'\n\\é', 'v', 'c', '\x00ff5c',
            '2013-01-02', '23:59:59.123456', '2013-01-02 03:04:05.678901', '2013-01-02 03:04:05+02',
            '1 year 2 days 3 seconds', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '{"b": [1, null]}',
            '{1,NULL,3}', '{"x y",NULL}', 'happy', 7, '10.0.0.1/8', '[1,5)');
        INSERT INTO t DEFAULT VALUES)");
    Source();
    EXPECT_EQ(Load(), "load 1: 2 rows");
    EXPECT_EQ(sources_.ColumnsOf("raw_pg", "t"),
              "b BOOLEAN, i2 SMALLINT, i4 INTEGER, i8 BIGINT, f4 FLOAT, f8 DOUBLE, n VARCHAR, n2 DECIMAL(12,2), "
              "big VARCHAR, s VARCHAR, v VARCHAR, c VARCHAR, y BLOB, d DATE, tm VARCHAR, ts TIMESTAMP, "
              "tz TIMESTAMP WITH TIME ZONE, iv VARCHAR, u VARCHAR, j VARCHAR, jb VARCHAR, a VARCHAR, ta VARCHAR, "
              "m VARCHAR, dm INTEGER, ip VARCHAR, r VARCHAR");
    auto row = [&](const std::string& columns) {
        return sources_.Query("SELECT " + columns + " FROM raw_pg.t WHERE b")[0];
    };
    EXPECT_EQ(row("b, i2, i4, i8, f4, f8 = 0.1::DOUBLE, n, n2, big"),
              "t|-32768|2147483647|9223372036854775807|1.5|t|123.456789012345678901234567890|-99.50|"
              "12345678901234567890123456789012345678901234567890.12");
    EXPECT_EQ(row("s, v, c, hex(y)"), "a\"'\n\\é|v|c    |00FF5C");
    EXPECT_EQ(row("d, tm, ts, tz, iv, u"),
              "2013-01-02|23:59:59.123456|2013-01-02 03:04:05.678901|2013-01-02 01:04:05+00|P1Y2DT3S|"
              "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    EXPECT_EQ(row("j, jb, a, ta, m, dm, ip, r"),
              R"({"a": 1}|{"b": [1, null]}|{1,NULL,3}|{"x y",NULL}|happy|7|10.0.0.1/8|[1,5))");
    EXPECT_EQ(
        sources_.Query("SELECT count(COLUMNS(* EXCLUDE (_load, _loaded_at, _origin))) FROM raw_pg.t WHERE b IS NULL"),
        Texts{"0" + [] {
            std::string zeros;
            for (int i = 1; i < 27; ++i) zeros += "|0";
            return zeros;
        }()});
    std::string manifest = sources_.Text("pg/t/_loads/00000000000000000001.json");
    EXPECT_NE(manifest.find("\"n2\": \"numeric(12,2)\""), std::string::npos) << manifest;
    EXPECT_EQ(manifest.find("s3cr3t"), std::string::npos);
}

TEST_F(PostgresTest, ValuesAtTheEdge) {
    Execute(R"(CREATE TABLE t (id int, d date, ts timestamp, tz timestamptz, f float8, n numeric(5,2));
        INSERT INTO t VALUES (1, 'infinity', 'infinity', '-infinity', 'NaN', NULL), (2, '-infinity', '-infinity',
            'infinity', '-Infinity', 0), (3, '0001-01-01 BC', '4713-01-01 00:00:00 BC', '1999-12-31 23:59:59.999999+00',
            '0', -999.99), (4, '5874897-12-31', '9999-12-31', '2000-01-01+00', 5e-324, 0.01))");
    Source();
    std::string loaded = Load();
    EXPECT_NE(loaded.find("load 1: 4 rows; column d: 'infinity' is no DATE; the column is kept as text"),
              std::string::npos)
        << loaded;
    EXPECT_EQ(Rows("id, d, ts, tz, f, n"),
              (Texts{"1|infinity|infinity|-infinity|NaN|NULL", "2|-infinity|-infinity|infinity|-Infinity|0.00",
                     "3|0001-01-01 BC|4713-01-01 00:00:00 BC|1999-12-31 23:59:59.999999+00|0|-999.99",
                     "4|5874897-12-31|9999-12-31 00:00:00|2000-01-01 00:00:00+00|5e-324|0.01"}));
}

TEST_F(PostgresTest, AValueThatTheTypeCannotHoldMakesTheColumnText) {
    Execute("CREATE TABLE t (n numeric(5,2)); INSERT INTO t VALUES ('NaN')");
    Source();
    EXPECT_EQ(Load(), "load 1: 1 rows; column n: 'NaN' is no DECIMAL(5,2); the column is kept as text");
    EXPECT_EQ(Rows("n"), Texts{"NaN"});
}

TEST_F(PostgresTest, ManyRowsInOrderOfNothing) {
    Execute(
        "CREATE TABLE t AS SELECT g AS id, repeat('x', g % 50) AS s, CASE WHEN g % 3 = 0 THEN g END AS n "
        "FROM generate_series(1, 50000) g");
    Source();
    EXPECT_EQ(Load(), "load 1: 50000 rows");
    EXPECT_EQ(sources_.Query("SELECT count(*), sum(id), sum(length(s)), count(n) FROM raw_pg.t"),
              Texts{"50000|1250025000|1225000|16666"});
}

TEST_F(PostgresTest, SeveralReadersSeeOneSnapshotAndEachRowOnce) {
    Execute(
        "CREATE TABLE t (id int PRIMARY KEY, v int, s text); INSERT INTO t SELECT g, 10, repeat('x', 100) "
        "FROM generate_series(1, 60000) g");
    Source("{parallel: 3}");
    std::atomic<bool> over = false;
    std::thread mover([&] {  // moves rows between blocks and values between rows; the sum stays
        for (int i = 1; !over; i = i % 50000 + 997) {
            auto moved = server_->Execute(fmt::format(
                "UPDATE t SET v = v + CASE id WHEN {0} THEN 1 ELSE -1 END, s = s || 'y' WHERE id IN ({0}, {1})", i,
                60000 - i));
            EXPECT_TRUE(moved.ok()) << moved.error().ToString();
        }
    });
    Texts loads;
    for (int i = 0; i < 4; ++i) {
        loads.push_back(Load());
        loads.push_back(sources_.Query("SELECT count(*), count(DISTINCT id), sum(v) FROM raw_pg.t")[0]);
    }
    over = true;
    mover.join();
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(loads[static_cast<size_t>(2 * i)], fmt::format("load {}: 60000 rows", i + 1));
        EXPECT_EQ(loads[static_cast<size_t>(2 * i + 1)], "60000|60000|600000");
    }
    EXPECT_EQ(sources_.Keys("pg/t/00000000000000000001/").size(), 3U);
}

TEST_F(PostgresTest, SeveralReadersStartAgainForAValueThatDoesNotFit) {
    Execute(
        "CREATE TABLE t AS SELECT g AS id, g::numeric(9,2) AS n, now() AS c FROM generate_series(1, 30000) g; "
        "UPDATE t SET n = 'NaN' WHERE id = 29000");
    Source("{parallel: 4, cursor: id}");
    EXPECT_EQ(Load(), "load 1: 30000 rows; column n: 'NaN' is no DECIMAL(9,2); the column is kept as text");
    EXPECT_EQ(sources_.Query("SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE n = 'NaN') FROM raw_pg.t"),
              Texts{"30000|30000|1"});
    Execute("INSERT INTO t VALUES (30001, 1, now())");
    EXPECT_EQ(Load().substr(0, 14), "load 2: 1 rows");
}

TEST_F(PostgresTest, EmptyTablesHaveColumns) {
    Execute("CREATE TABLE t (id int, \"na me\" text)");
    Source();
    EXPECT_EQ(Load(), "load 1: 0 rows");
    EXPECT_EQ(sources_.ColumnsOf("raw_pg", "t"), "id INTEGER, na me VARCHAR");
    Execute("CREATE TABLE u (id int)");
    Source("{table: u, cursor: id}");
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO u VALUES (1)");
    EXPECT_NE(Load().find("1 rows"), std::string::npos);
    EXPECT_EQ(Rows("id"), Texts{"1"});
}

TEST_F(PostgresTest, Increments) {
    Execute(
        "CREATE TABLE t (id int, at timestamptz, v int); INSERT INTO t VALUES (1, '2013-01-01+00', 1), "
        "(2, '2013-01-02 00:00:00.000001+00', 1), (3, NULL, 1)");
    Source("{cursor: at}");
    EXPECT_EQ(Load(), "load 1: 3 rows");
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO t VALUES (4, '2013-01-02 00:00:00.000002+00', 1); ALTER TABLE t ADD COLUMN w text");
    EXPECT_EQ(Load(), "load 2: 1 rows; new column w VARCHAR");
    EXPECT_EQ(Rows("id, w"), (Texts{"1|NULL", "2|NULL", "3|NULL", "4|NULL"}));
    Source("{cursor: at, key: [id]}");
    Execute(
        "UPDATE t SET v = 2, at = '2013-01-03+00' WHERE id = 1; "
        "INSERT INTO t VALUES (5, '2013-01-02 00:00:00.000002+00', 1)");
    EXPECT_EQ(Load(), "load 3: 3 rows");
    EXPECT_EQ(Rows("id, v"), (Texts{"1|2", "2|1", "3|1", "4|1", "5|1"}));
    EXPECT_EQ(sources_.Query("SELECT id, v FROM raw_pg.t AT (VERSION => 1) ORDER BY 1"), (Texts{"1|1", "2|1", "3|1"}));
    Execute(
        "ALTER TABLE t ALTER COLUMN v TYPE text USING 'n' || v, DROP COLUMN w; "
        "INSERT INTO t VALUES (6, '2013-01-04+00', 'x')");
    EXPECT_EQ(Load(), "load 4: 2 rows; column v was INTEGER, is VARCHAR; column w is gone from the source");
    EXPECT_EQ(Rows("id, v, w"), (Texts{"1|n2|NULL", "2|1|NULL", "3|1|NULL", "4|1|NULL", "5|1|NULL", "6|x|NULL"}));
}

TEST_F(PostgresTest, RowsThatComeLaterWithTheCursorOfTheLastOnesAreRead) {
    // numeric is kept as text here, in which 1.0 and 1.00 differ; to the server they are one value.
    Execute("CREATE TABLE t (n numeric, v int); INSERT INTO t VALUES (9, 1), (10.0, 2), (10.00, 3), (NULL, 0)");
    Source("{cursor: n}");
    EXPECT_EQ(Load(), "load 1: 4 rows");
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO t VALUES (10, 4)");
    EXPECT_EQ(Load(), "load 2: 3 rows");
    EXPECT_EQ(Rows("v"), (Texts{"0", "1", "2", "3", "4"}));
    EXPECT_EQ(Load(), "nothing");
    Execute("INSERT INTO t VALUES (10, 5), (11, 6), (100, 7)");
    EXPECT_EQ(Load(), "load 3: 6 rows");
    EXPECT_EQ(Rows("v"), (Texts{"0", "1", "2", "3", "4", "5", "6", "7"}));
    Execute("INSERT INTO t VALUES (101, 8)");
    EXPECT_EQ(Load(), "load 4: 1 rows");
    EXPECT_EQ(sources_.Query("SELECT count(*), count(DISTINCT v) FROM raw_pg.t"), Texts{"9|9"});
    EXPECT_EQ(sources_.Query("SELECT count(*) FROM raw_pg.t AT (VERSION => 2)"), Texts{"5"});
    Execute("DELETE FROM t WHERE n > 10");
    EXPECT_EQ(Load(), "nothing");
}

TEST_F(PostgresTest, ACursorThatHasNoLargestValueIsRefused) {
    Execute("CREATE TABLE t (u uuid, j json); INSERT INTO t VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1')");
    Source("{cursor: j}");
    auto outcome = sources_.Load("pg", "t");
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(outcome.error().message().find("max(json)"), std::string::npos) << outcome.error().message();
}

TEST_F(PostgresTest, OtherSchemasAndViews) {
    Execute(
        "DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO reader; "
        "CREATE TABLE other.\"T x\" (id int); INSERT INTO other.\"T x\" VALUES (1); "
        "CREATE VIEW other.v AS SELECT id + 1 AS id FROM other.\"T x\"; "
        "GRANT SELECT ON ALL TABLES IN SCHEMA other TO reader");
    Source("{table: other.T x}");
    EXPECT_EQ(Load(), "load 1: 1 rows");
    Source("{table: v}", ", schema: other");
    EXPECT_EQ(Load(), "load 2: 1 rows");
    EXPECT_EQ(Rows("id"), Texts{"2"});
    auto streams = sources_.connectors().Discover(sources_.alice, "pg");
    ASSERT_TRUE(streams.ok()) << streams.error().ToString();
    EXPECT_EQ(streams->size(), 2U);
}

TEST_F(PostgresTest, WhatIsWrongSaysWhatToDo) {
    Source();
    std::string refused = Load();
    EXPECT_NE(refused.find("there is no table public.t"), std::string::npos) << refused;
    Execute("CREATE TABLE t (id int); REVOKE ALL ON t FROM reader");
    refused = Load();
    EXPECT_NE(refused.find("permission denied"), std::string::npos) << refused;
    EXPECT_NE(refused.find("GRANT SELECT"), std::string::npos) << refused;
    Source("{cursor: att}");
    EXPECT_NE(Load().find("no column \"att\""), std::string::npos) << Load();
    sources_.secrets.values["reader"] = "s3cr3t-wrong";
    auto outcome = sources_.Load("pg", "t");
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_NE(outcome.error().hint().find("tarn secret set"), std::string::npos);
    EXPECT_EQ(outcome.error().ToString().find("s3cr3t"), std::string::npos);
    EXPECT_FALSE(sources_.connectors().Check(sources_.alice, "pg").ok());
    EXPECT_TRUE(sources_.Keys("pg/").empty());
}

TEST_F(PostgresTest, CancelEndsAStatementAtTheServer) {
    Execute("CREATE VIEW t AS SELECT pg_sleep(60)::text AS s");
    Source();
    CancelToken cancel;
    std::thread canceller([&] {
        SystemEnv().clock().Sleep(std::chrono::milliseconds(500));
        cancel.Cancel();
    });
    auto outcome = sources_.Load("pg", "t", cancel);
    canceller.join();
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kCancelled) << outcome.error().ToString();
}

}  // namespace
}  // namespace tarn::connectors
