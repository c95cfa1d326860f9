// The PostgreSQL wire over loopback, spoken by hand: what drivers never send too.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "analysis/query/query.h"
#include "base/text.h"
#include "security/fakes_for_test.h"
#include "wire/pgwire/frames.h"

namespace tarn::query {
namespace {

using Texts = std::vector<std::string>;

class NoFiles : public engine::FileStore {
  public:
    Result<std::unique_ptr<engine::StoredFile>> Open(const security::Principal&, const std::string& path) override {
        return Error(ErrorCode::kNotFound, "no file {}", path);
    }
    Result<std::unique_ptr<engine::NewFile>> Create(const security::Principal&, const std::string& path) override {
        return Error(ErrorCode::kNotFound, "no file {}", path);
    }
};

class NoTables : public engine::RelationSource {
  public:
    Result<engine::Relation> Find(const security::Principal&, const std::string& schema, const std::string& name,
                                  const engine::AtClause&) override {
        return Error(ErrorCode::kNotFound, "there is no table {}.{}", schema, name).WithDetailCode("42P01");
    }
    Result<std::vector<std::string>> Schemas(const security::Principal&) override { return Texts(); }
    Result<std::vector<engine::RelationSummary>> Relations(const security::Principal&, const std::string&) override {
        return std::vector<engine::RelationSummary>();
    }
};

// A connection that says exactly what it is told, and shows answers as "T R(1,2) C(SELECT 1) Z(I)".
class RawClient {
  public:
    explicit RawClient(const Address& address) {
        auto stream = dialer_->Dial(address, {});
        EXPECT_TRUE(stream.ok()) << stream.error().ToString();
        stream_ = std::move(*stream);
        stream_->SetTimeouts(std::chrono::seconds(20), std::chrono::seconds(20));
        reader_ = std::make_unique<wire::PgFrameReader>(*stream_);
    }
    void Start(const std::string& user, const std::string& more = "") {
        wire::PgFrameWriter body;
        body.Int32(wire::kPgProtocol3);
        for (const std::string& text : {std::string("user"), user, std::string("database"), std::string("tarn")}) {
            body.Text(text);
        }
        body.Bytes(more);
        body.Byte(0);
        wire::PgFrameWriter frame;
        frame.Int32(static_cast<int32_t>(body.buffer().size() + 4));
        Raw(frame.buffer() + body.buffer());
    }
    // As alice with her token; the cancel key is kept.
    void LogIn() {
        Start("token:alice");
        EXPECT_EQ(Next(), "auth(3)");
        Send('p', Zero("tarn_alice"));
        std::string answers = UntilReady();
        EXPECT_NE(answers.find("auth(0)"), std::string::npos) << answers;
    }
    void Raw(const std::string& bytes) { (void)stream_->Write(AsBytes(bytes)).ok(); }
    void Send(char type, const std::string& body) {
        wire::PgFrameWriter writer;
        writer.Begin(type);
        writer.Bytes(body);
        writer.End();
        Raw(writer.buffer());
    }
    std::string Ask(const std::string& sql) {
        Send('Q', Zero(sql));
        return UntilReady();
    }
    void Parse(const std::string& name, const std::string& sql, const std::vector<int32_t>& oids = {}) {
        wire::PgFrameWriter body;
        body.Text(name);
        body.Text(sql);
        body.Int16(static_cast<int16_t>(oids.size()));
        for (int32_t oid : oids) body.Int32(oid);
        Send('P', body.buffer());
    }
    void Bind(const std::string& portal, const std::string& statement, const Texts& values = {}, bool binary = false) {
        wire::PgFrameWriter body;
        body.Text(portal);
        body.Text(statement);
        body.Int16(0);
        body.Int16(static_cast<int16_t>(values.size()));
        for (const std::string& value : values) {
            body.Int32(static_cast<int32_t>(value.size()));
            body.Bytes(value);
        }
        body.Int16(1);
        body.Int16(binary ? 1 : 0);
        Send('B', body.buffer());
    }
    void Execute(const std::string& portal, int32_t rows = 0) {
        wire::PgFrameWriter body;
        body.Text(portal);
        body.Int32(rows);
        Send('E', body.buffer());
    }
    std::string Sync() {
        Send('S', "");
        return UntilReady();
    }
    std::string UntilReady() {
        Texts shown;
        while (shown.empty() || !(shown.back().starts_with("Z(") || shown.back() == "closed")) shown.push_back(Next());
        return Join(shown, " ");
    }
    std::string Next() {
        auto frame = reader_->Read(64 << 20);
        if (!frame.ok()) return "closed";
        return Shown(*frame);
    }
    static std::string Zero(const std::string& text) { return text + '\0'; }
    int32_t process = 0;
    int32_t secret = 0;

  private:
    std::string Shown(const wire::PgFrame& frame) {
        wire::PgFieldReader fields(frame.body);
        switch (frame.type) {
            case 'R':
                return fmt::format("auth({})", fields.Int32().value());
            case 'K':
                process = fields.Int32().value();
                secret = fields.Int32().value();
                return "K";
            case 'Z':
                return fmt::format("Z({})", frame.body);
            case 'C':
                return fmt::format("C({})", fields.Text().value());
            case 'E':
                return Failure(frame.body);
            case 'D':
                return Row(fields);
            case 'T':
                return Columns(fields);
            case 't':
                return Oids(fields);
            default:
                return std::string(1, frame.type);
        }
    }
    static std::string Failure(const std::string& body) {
        std::string code;
        std::string position;
        for (const std::string& field : Split(body, '\0')) {
            if (field.starts_with("C")) code = field.substr(1);
            if (field.starts_with("P")) position = "@" + field.substr(1);
        }
        return "E(" + code + position + ")";
    }
    static std::string Row(wire::PgFieldReader& fields) {
        Texts cells;
        for (int count = fields.Int16().value(); count > 0; --count) {
            int32_t length = fields.Int32().value();
            cells.push_back(length < 0 ? "NULL" : std::string(fields.Bytes(static_cast<size_t>(length)).value()));
        }
        return "R(" + Join(cells, ",") + ")";
    }
    static std::string Columns(wire::PgFieldReader& fields) {
        Texts columns;
        for (int count = fields.Int16().value(); count > 0; --count) {
            std::string name = fields.Text().value();
            (void)fields.Bytes(6).ok();
            columns.push_back(fmt::format("{} {}", name, fields.Int32().value()));
            (void)fields.Bytes(8).ok();
        }
        return "T(" + Join(columns, ",") + ")";
    }
    static std::string Oids(wire::PgFieldReader& fields) {
        Texts oids;
        for (int count = fields.Int16().value(); count > 0; --count)
            oids.push_back(std::to_string(fields.Int32().value()));
        return "t(" + Join(oids, ",") + ")";
    }
    std::unique_ptr<Dialer> dialer_ = Dialer::Create();
    std::unique_ptr<tarn::Stream> stream_;
    std::unique_ptr<wire::PgFrameReader> reader_;
};

class PgServerTest : public testing::Test {
  protected:
    PgServerTest() {
        engine::EngineConfig config;
        config.memory_bytes_max = 1 << 29;
        config.threads = 2;
        config.extension_directory =
            (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "extensions").string();
        engine_ = engine::Engine::Create(config, {SystemEnv(), files_, tables_, metrics_, NullLog()}).value();
        QueryDependencies dependencies{SystemEnv(), *engine_,  tables_,  authenticator_,
                                       dispatcher_, registry_, metrics_, NullLog()};
        auto server = SqlServer::Create({.listen = {"127.0.0.1", 0}, .connections_max = 20}, dependencies);
        EXPECT_TRUE(server.ok()) << server.error().ToString();
        server_ = std::move(*server);
    }
    RawClient Connect() {
        RawClient client(server_->address());
        client.LogIn();
        return client;
    }
    NoFiles files_;
    NoTables tables_;
    Metrics metrics_;
    security::FakeGate gate_;
    security::FakeAudit audit_;
    security::FakeAuthenticator authenticator_{{{"alice", {"admin"}}, {"bob", {}}}};
    security::Dispatcher dispatcher_{SystemEnv(), gate_, audit_, metrics_};
    security::OperationRegistry registry_;
    std::unique_ptr<engine::Engine> engine_;
    std::unique_ptr<SqlServer> server_;
};

TEST_F(PgServerTest, SimpleQueries) {
    RawClient client = Connect();
    EXPECT_EQ(client.Ask("SELECT 1 AS a, 'x' AS b, NULL AS c"), "T(a 23,b 25,c 23) R(1,x,NULL) C(SELECT 1) Z(I)");
    EXPECT_EQ(client.Ask(""), "I Z(I)");
    EXPECT_EQ(client.Ask(" ; -- nothing"), "I Z(I)");
    EXPECT_EQ(client.Ask("SELECT 1 AS a; SELECT 2 AS b;"), "T(a 23) R(1) C(SELECT 1) T(b 23) R(2) C(SELECT 1) Z(I)");
    EXPECT_EQ(client.Ask("SELECT 1 AS a; SELECT x; SELECT 2 AS b"), "T(a 23) R(1) C(SELECT 1) E(42703@23) Z(I)");
    EXPECT_EQ(client.Ask("SELECT 'é', FROM"), "E(42601@16) Z(I)");
    EXPECT_EQ(client.Ask("SELECT * FROM d.nothing"), "E(42P01@15) Z(I)");
    EXPECT_EQ(client.Ask("SELECT i FROM range(3) t(i)"), "T(i 20) R(0) R(1) R(2) C(SELECT 3) Z(I)");
    EXPECT_EQ(client.Ask("SHOW server_version"), "T(server_version 25) R(15.0) C(SHOW) Z(I)");
}

TEST_F(PgServerTest, CursorsOfSql) {
    RawClient client = Connect();
    EXPECT_EQ(client.Ask("DECLARE c CURSOR FOR SELECT 1"), "E(25P01) Z(I)");
    EXPECT_EQ(client.Ask("BEGIN; DECLARE c CURSOR FOR SELECT i FROM range(5) t(i)"), "C(BEGIN) C(DECLARE CURSOR) Z(T)");
    EXPECT_EQ(client.Ask("FETCH 2 FROM c"), "T(i 20) R(0) R(1) C(FETCH 2) Z(T)");
    EXPECT_EQ(client.Ask("MOVE c"), "C(MOVE 1) Z(T)");
    EXPECT_EQ(client.Ask("FETCH 0 FROM c"), "T(i 20) C(FETCH 0) Z(T)");
    EXPECT_EQ(client.Ask("SAVEPOINT s; MOVE ABSOLUTE 0 FROM c"), "C(SAVEPOINT) E(55000) Z(E)");
    EXPECT_EQ(client.Ask("ROLLBACK TO s"), "C(ROLLBACK) Z(T)");
    EXPECT_EQ(client.Ask("FETCH ABSOLUTE 4 FROM c"), "T(i 20) R(3) C(FETCH 1) Z(T)");
    EXPECT_EQ(client.Ask("FETCH ALL FROM c"), "T(i 20) R(4) C(FETCH 1) Z(T)");
    EXPECT_EQ(client.Ask("FETCH c"), "T(i 20) C(FETCH 0) Z(T)");
    EXPECT_EQ(client.Ask("CLOSE c; CLOSE c"), "C(CLOSE CURSOR) E(34000) Z(E)");
    EXPECT_EQ(client.Ask("ROLLBACK"), "C(ROLLBACK) Z(I)");
    // One with hold outlives its transaction, one without does not.
    EXPECT_EQ(client.Ask("DECLARE h CURSOR WITH HOLD FOR SELECT 1 AS a"), "C(DECLARE CURSOR) Z(I)");
    EXPECT_EQ(client.Ask("BEGIN; DECLARE c CURSOR FOR SELECT 2 AS b; COMMIT"),
              "C(BEGIN) C(DECLARE CURSOR) C(COMMIT) Z(I)");
    EXPECT_EQ(client.Ask("FETCH c"), "E(34000) Z(I)");
    EXPECT_EQ(client.Ask("FETCH h"), "T(a 23) R(1) C(FETCH 1) Z(I)");
    EXPECT_EQ(client.Ask("DECLARE h CURSOR WITH HOLD FOR SELECT 1"), "E(42P03) Z(I)");
    EXPECT_EQ(client.Ask("CLOSE ALL; FETCH h"), "C(CLOSE CURSOR) E(34000) Z(I)");
    EXPECT_EQ(client.Ask("DECLARE x CURSOR WITH HOLD FOR SELECT nothing"), "E(42703@39) Z(I)");
}

TEST_F(PgServerTest, CursorsInTheExtendedProtocol) {
    RawClient client = Connect();
    EXPECT_EQ(client.Ask("BEGIN"), "C(BEGIN) Z(T)");
    client.Parse("", "DECLARE c CURSOR FOR SELECT i FROM range($1) t(i)", {20});
    client.Bind("", "", {"3"});
    client.Execute("");
    client.Send('D', std::string("Pc\0", 3));
    client.Parse("f", "FETCH FORWARD 2 FROM c");
    client.Send('D', std::string("Sf\0", 3));
    client.Bind("", "f", {}, true);
    client.Execute("");
    EXPECT_EQ(client.Sync(), "1 2 C(DECLARE CURSOR) T(i 20) 1 t() T(i 20) 2 R(" + std::string(8, '\0') + ") R(" +
                                 std::string(7, '\0') + "\x01) C(FETCH 2) Z(T)");
    // A portal that closes itself.
    client.Parse("", "CLOSE ALL");
    client.Bind("p", "");
    client.Execute("p");
    client.Parse("", "CLOSE q");
    client.Bind("q", "");
    client.Execute("q");
    EXPECT_EQ(client.Sync(), "1 2 C(CLOSE CURSOR) 1 2 C(CLOSE CURSOR) Z(T)");
}

TEST_F(PgServerTest, CopyToTheClient) {
    RawClient client = Connect();
    EXPECT_EQ(client.Ask("COPY (SELECT i FROM range(2) t(i)) TO STDOUT"), "H d d c C(COPY 2) Z(I)");
    EXPECT_EQ(client.Ask("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT csv, HEADER)"), "H d c C(COPY 0) Z(I)");
    EXPECT_EQ(client.Ask("COPY (SELECT 1 AS a) TO STDOUT (FORMAT binary)"), "H d d c C(COPY 1) Z(I)");
    EXPECT_EQ(client.Ask("COPY (SELECT nothing) TO STDOUT"), "E(42703@14) Z(I)");
    EXPECT_EQ(client.Ask("COPY (SELECT getenv('HOME')) TO STDOUT"), "E(42501@14) Z(I)");
    EXPECT_EQ(client.Ask("COPY (SELECT 1) TO '/tmp/x'"), "E(0A000) Z(I)");
    client.Parse("", "COPY (SELECT 1 AS a) TO STDOUT");
    client.Send('D', std::string("S\0", 2));
    client.Bind("", "");
    client.Execute("");
    EXPECT_EQ(client.Sync(), "1 t() n 2 H d c C(COPY 1) Z(I)");
}

TEST_F(PgServerTest, ArraysAndIntervalsInBinary) {
    RawClient client = Connect();
    auto number = [](uint32_t value) {
        std::string text;
        for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
        return text;
    };
    client.Parse("", "SELECT [7, NULL] AS a, []::INTEGER[] AS b, INTERVAL '14 months -3 days 1 second' AS c");
    client.Bind("", "", {}, true);
    client.Execute("");
    std::string list = number(1) + number(1) + number(23) + number(2) + number(1) + number(4) + number(7) + number(~0U);
    std::string empty = number(0) + number(0) + number(23);
    std::string interval = number(0) + number(1'000'000) + number(static_cast<uint32_t>(-3)) + number(14);
    EXPECT_EQ(client.Sync(), "1 2 R(" + list + "," + empty + "," + interval + ") C(SELECT 1) Z(I)");
    EXPECT_EQ(
        client.Ask("SELECT [1.5, NULL] AS a, ['a b', 'NULL', 'x'] AS b, [[1], [2, 3]] AS c, [1, 2]::INTEGER[2] AS d"),
        "T(a 1231,b 1009,c 114,d 1007) R({1.5,NULL},{\"a b\",\"NULL\",x},[[1],[2,3]],{1,2}) C(SELECT 1) Z(I)");
    EXPECT_EQ(client.Ask("SELECT INTERVAL '14 months -3 days 1.5 seconds' AS a, INTERVAL '0 days' AS b"),
              "T(a 1186,b 1186) R(1 year 2 mons -3 days +00:00:01.5,00:00:00) C(SELECT 1) Z(I)");
}

TEST_F(PgServerTest, StatementsHaveATimeLimit) {
    RawClient client = Connect();
    EXPECT_EQ(client.Ask("SET statement_timeout = '100ms'"), "C(SET) Z(I)");
    EXPECT_EQ(client.Ask("SELECT count(*) FROM range(4000000000) a, range(1000) b"), "E(57014) Z(I)");
    EXPECT_EQ(client.Ask("SELECT current_setting('statement_timeout') AS a"), "T(a 25) R(100ms) C(SELECT 1) Z(I)");
    EXPECT_EQ(client.Ask("RESET statement_timeout; SELECT 1 AS a"), "C(RESET) T(a 23) R(1) C(SELECT 1) Z(I)");
}

TEST_F(PgServerTest, SettingsAreTakenWholeOrNotAtAll) {
    RawClient client = Connect();
    EXPECT_EQ(client.Ask("SET TIME ZONE 'Nowhere/At_All'"), "E(22023) Z(I)");
    EXPECT_EQ(client.Ask("SHOW timezone"), "T(TimeZone 25) R(UTC) C(SHOW) Z(I)");
    EXPECT_EQ(client.Ask("SET TIME ZONE 'Asia/Tokyo'"), "S C(SET) Z(I)");
    EXPECT_EQ(client.Ask("SELECT '2026-01-01 00:00:00+00'::timestamptz AS a"),
              "T(a 1184) R(2026-01-01 09:00:00+09) C(SELECT 1) Z(I)");
    EXPECT_EQ(client.Ask("BEGIN; SET LOCAL TIME ZONE 'UTC'; COMMIT; SHOW timezone"),
              "C(BEGIN) S C(SET) S C(COMMIT) T(TimeZone 25) R(Asia/Tokyo) C(SHOW) Z(I)");
    EXPECT_EQ(client.Ask("DISCARD ALL"), "S C(DISCARD ALL) Z(I)");
    EXPECT_EQ(client.Ask("SELECT '2026-01-01 00:00:00+00'::timestamptz AS a"),
              "T(a 1184) R(2026-01-01 00:00:00+00) C(SELECT 1) Z(I)");
    EXPECT_EQ(client.Ask("BEGIN; SELECT x"), "C(BEGIN) E(42703@15) Z(E)");
    EXPECT_EQ(client.Ask("SHOW timezone"), "E(25P02) Z(E)");
    EXPECT_EQ(client.Ask("ROLLBACK TO a"), "C(ROLLBACK) Z(T)");
}

TEST_F(PgServerTest, OptionsOfTheStartPacket) {
    RawClient client(server_->address());
    client.Start("token:alice", std::string("options\0-c TimeZone=Asia/Tokyo -c statement_timeout=1s\0", 55));
    EXPECT_EQ(client.Next(), "auth(3)");
    client.Send('p', RawClient::Zero("tarn_alice"));
    (void)client.UntilReady();
    EXPECT_EQ(client.Ask("SELECT '2026-01-01 00:00:00+00'::timestamptz AS a; SHOW statement_timeout"),
              "T(a 1184) R(2026-01-01 09:00:00+09) C(SELECT 1) T(statement_timeout 25) R(1s) C(SHOW) Z(I)");
    RawClient other(server_->address());
    other.Start("token:alice", std::string("options\0-c nothing=1\0", 21));
    EXPECT_EQ(other.Next(), "auth(3)");
    other.Send('p', RawClient::Zero("tarn_alice"));
    EXPECT_EQ(other.UntilReady(), "E(42704) closed");
}

TEST_F(PgServerTest, TransactionsFailAndEnd) {
    RawClient client = Connect();
    EXPECT_EQ(client.Ask("BEGIN"), "C(BEGIN) Z(T)");
    EXPECT_EQ(client.Ask("SELECT x"), "E(42703@8) Z(E)");
    EXPECT_EQ(client.Ask("SELECT 1"), "E(25P02) Z(E)");
    EXPECT_EQ(client.Ask("COMMIT"), "C(ROLLBACK) Z(I)");
    EXPECT_EQ(client.Ask("SELECT 1 AS a"), "T(a 23) R(1) C(SELECT 1) Z(I)");
    // What was prepared before does not run in a failed one either.
    client.Parse("s", "SELECT 1 AS a");
    EXPECT_EQ(client.Sync(), "1 Z(I)");
    EXPECT_EQ(client.Ask("BEGIN; SELECT x"), "C(BEGIN) E(42703@15) Z(E)");
    client.Bind("", "s");
    client.Execute("");
    EXPECT_EQ(client.Sync(), "2 E(25P02) Z(E)");
}

TEST_F(PgServerTest, PreparedStatementsAndParameters) {
    RawClient client = Connect();
    client.Parse("s", "SELECT $1 + 1 AS a, $2 AS b", {20, 25});
    client.Send('D', "S" + RawClient::Zero("s"));
    EXPECT_EQ(client.Sync(), "1 t(20,25) T(a 20,b 25) Z(I)");
    client.Bind("", "s", {"41", "x'y"});
    client.Send('D', "P" + RawClient::Zero(""));
    client.Execute("");
    EXPECT_EQ(client.Sync(), "2 T(a 20,b 25) R(42,x'y) C(SELECT 1) Z(I)");
    client.Bind("", "s", {"41"});
    EXPECT_EQ(client.Sync(), "E(08P01) Z(I)");
    client.Bind("", "s", {"no", "x"});
    client.Execute("");
    std::string refused = client.Sync();
    EXPECT_NE(refused.find("E(22"), std::string::npos) << refused;
    client.Parse("s", "SELECT 2");
    EXPECT_EQ(client.Sync(), "E(42P05) Z(I)");
    client.Send('C', "S" + RawClient::Zero("s"));
    client.Bind("", "s", {"1", "x"});
    EXPECT_EQ(client.Sync(), "3 E(26000) Z(I)");
    client.Execute("nothing");
    EXPECT_EQ(client.Sync(), "E(34000) Z(I)");
    client.Parse("", "SELECT $1::numeric(20,12) AS n, $2::date AS d", {1700, 1082});
    client.Bind("", "", {"0.123456789012", "2013-01-02"});
    client.Execute("");
    EXPECT_EQ(client.Sync(), "1 2 R(0.123456789012,2013-01-02) C(SELECT 1) Z(I)");
    client.Parse("", "");
    client.Bind("", "");
    client.Execute("");
    EXPECT_EQ(client.Sync(), "1 2 I Z(I)");
}

TEST_F(PgServerTest, BinaryResults) {
    RawClient client = Connect();
    client.Parse("",
                 "SELECT 258::INTEGER, 1.5::DECIMAL(4,1), 'infinity'::DATE, '-infinity'::TIMESTAMP, DATE '2000-01-02'");
    client.Bind("", "", {}, true);
    client.Execute("");
    using std::string_literals::operator""s;
    std::string row = "R(\0\0\1\2,"s + "\0\2\0\0\0\0\0\1\0\1\x13\x88,"s + "\x7f\xff\xff\xff,"s +
                      "\x80\0\0\0\0\0\0\0,"s + "\0\0\0\1)"s;
    EXPECT_EQ(client.Sync(), "1 2 " + row + " C(SELECT 1) Z(I)");
}

TEST_F(PgServerTest, PortalsAreSuspendedAndGoOn) {
    RawClient client = Connect();
    EXPECT_EQ(client.Ask("BEGIN"), "C(BEGIN) Z(T)");
    client.Parse("s", "SELECT i FROM range(5) t(i)");
    client.Bind("p", "s");
    client.Execute("p", 2);
    EXPECT_EQ(client.Sync(), "1 2 R(0) R(1) s Z(T)");
    client.Execute("p", 2);
    // Another statement in between does not disturb it.
    client.Parse("", "SELECT 7 AS x");
    client.Bind("", "");
    client.Execute("");
    EXPECT_EQ(client.Sync(), "R(2) R(3) s 1 2 R(7) C(SELECT 1) Z(T)");
    client.Execute("p", 2);
    EXPECT_EQ(client.Sync(), "R(4) C(SELECT 5) Z(T)");
    EXPECT_EQ(client.Ask("COMMIT"), "C(COMMIT) Z(I)");
    // Outside of a transaction Sync ends portals.
    client.Bind("p", "s");
    client.Execute("p", 2);
    EXPECT_EQ(client.Sync(), "2 R(0) R(1) s Z(I)");
    client.Execute("p", 2);
    EXPECT_EQ(client.Sync(), "E(34000) Z(I)");
}

TEST_F(PgServerTest, AfterAnErrorEverythingIsSkippedUntilSync) {
    RawClient client = Connect();
    client.Parse("", "SELECT x");
    client.Bind("", "");
    client.Execute("");
    client.Parse("a", "SELECT 1");
    EXPECT_EQ(client.Sync(), "E(42703@8) Z(I)");
    client.Bind("", "a");
    EXPECT_EQ(client.Sync(), "E(26000) Z(I)");
}

TEST_F(PgServerTest, CancelEndsTheStatementOfThatSessionOnly) {
    RawClient client = Connect();
    RawClient other = Connect();
    client.Send('Q', RawClient::Zero("SELECT count(*) FROM range(100000000000) a(i) WHERE i % 7 = 3"));
    auto cancel = [&](int32_t secret) {
        SystemEnv().clock().Sleep(std::chrono::milliseconds(300));
        RawClient canceller(server_->address());
        wire::PgFrameWriter request;
        for (int32_t word : {16, wire::kPgCancelRequest, client.process, secret}) request.Int32(word);
        canceller.Raw(request.buffer());
        EXPECT_EQ(canceller.Next(), "closed");
    };
    cancel(client.secret + 1);
    EXPECT_EQ(other.Ask("SELECT 1 AS a"), "T(a 23) R(1) C(SELECT 1) Z(I)");
    cancel(client.secret);
    EXPECT_EQ(client.UntilReady(), "E(57014) Z(I)");
    EXPECT_EQ(client.Ask("SELECT 1 AS a"), "T(a 23) R(1) C(SELECT 1) Z(I)");
}

TEST_F(PgServerTest, WrongCredentialsAndDatabases) {
    for (const auto& [user, token] : std::map<std::string, std::string>{{"token:alice", "tarn_bob"},
                                                                        {"token:nobody", "tarn_nobody"},
                                                                        {"token:", ""},
                                                                        {"token:bob", "tarn_alice"}}) {
        RawClient client(server_->address());
        client.Start(user);
        client.Next();
        client.Send('p', RawClient::Zero(token));
        EXPECT_EQ(client.UntilReady(), "E(28P01) closed") << user;
    }
    RawClient client(server_->address());
    client.Start("token:alice", std::string("database\0other\0", 15));
    EXPECT_EQ(client.Next(), "auth(3)");
    client.Send('p', RawClient::Zero("tarn_alice"));
    EXPECT_EQ(client.UntilReady(), "E(3D000) closed");
    RawClient nobody(server_->address());
    nobody.Start("");
    EXPECT_EQ(nobody.UntilReady(), "E(28P01) closed");
}

TEST_F(PgServerTest, StatementsNeedThePermission) {
    RawClient client(server_->address());
    client.Start("token:bob");
    EXPECT_EQ(client.Next(), "auth(3)");
    client.Send('p', RawClient::Zero("tarn_bob"));
    client.UntilReady();
    EXPECT_EQ(client.Ask("SELECT 1"), "E(42501) Z(I)");
}

TEST_F(PgServerTest, GarbageEndsTheConnectionAndNothingElse) {
    RawClient good = Connect();
    std::string get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (const std::string& bytes :
         {get, std::string(4, '\0'), std::string("\0\0\0\x08\0\0\0\0", 8), std::string("\x7f\xff\xff\xff\0\3\0\0", 8),
          std::string("\0\0\0\x09\0\3\0\0u", 9)}) {
        RawClient client(server_->address());
        client.Raw(bytes);
        std::string answer = client.UntilReady();
        EXPECT_TRUE(answer.ends_with("closed")) << answer;
    }
    for (char type : {'?', '\0', 'p', 'R'}) {
        RawClient client = Connect();
        client.Send(type, "x");
        std::string answer = client.UntilReady();
        EXPECT_EQ(answer, "E(08P01) closed") << static_cast<int>(type);
    }
    // A declared length that nobody sends; one below the least.
    RawClient large = Connect();
    large.Raw(std::string("Q\x7f\xff\xff\xff", 5));
    EXPECT_EQ(large.UntilReady(), "E(53000) closed");
    RawClient tiny = Connect();
    tiny.Raw(std::string("Q\0\0\0\3", 5));
    EXPECT_TRUE(tiny.UntilReady().ends_with("closed"));
    // Bodies that end too early are errors of the statement.
    for (char type : {'P', 'B', 'D', 'E', 'C'}) {
        RawClient client = Connect();
        client.Send(type, "");
        EXPECT_TRUE(client.Sync().ends_with("Z(I)")) << type;
        client.Send(type, std::string("\0\0\x7f\xff", 4));
        EXPECT_TRUE(client.Sync().ends_with("Z(I)")) << type;
    }
    Bytes noise(200);
    for (int round = 0; round < 50; ++round) {
        RawClient client = Connect();
        SystemEnv().random().Fill(noise);
        client.Send("PBDEC"[round % 5], std::string(AsText(noise).substr(0, static_cast<size_t>(round * 4))));
        EXPECT_TRUE(client.Sync().ends_with("Z(I)"));
    }
    EXPECT_EQ(good.Ask("SELECT 1 AS a"), "T(a 23) R(1) C(SELECT 1) Z(I)");
}

TEST_F(PgServerTest, ManyRowsAndColumnsArrive) {
    RawClient client = Connect();
    std::string answer = client.Ask("SELECT i, repeat('x', 100) FROM range(20000) t(i)");
    EXPECT_TRUE(answer.ends_with("C(SELECT 20000) Z(I)"));
    std::string sql = "SELECT 0";
    for (int i = 1; i < 1500; ++i) sql += ", " + std::to_string(i);
    EXPECT_TRUE(client.Ask(sql).ends_with("C(SELECT 1) Z(I)"));
    EXPECT_EQ(client.Ask(std::string(1 << 20, ' ') + "SELECT 1 AS a"), "T(a 23) R(1) C(SELECT 1) Z(I)");
}

TEST_F(PgServerTest, TooManyConnectionsAreRefused) {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(std::make_unique<RawClient>(server_->address()));
        clients.back()->LogIn();
    }
    RawClient late(server_->address());
    EXPECT_EQ(late.UntilReady(), "E(53300) closed");
    clients.clear();
}

}  // namespace
}  // namespace tarn::query
