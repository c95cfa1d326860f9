// The shared store: PostgreSQL through libpq. The only file that includes libpq-fe.h.
#include <libpq-fe.h>

#include <array>
#include <charconv>
#include <map>

#include "base/text.h"
#include "metadata/connection_pool.h"
#include "metadata/connection_transaction.h"
#include "metadata/metadata.h"
#include "metadata/metrics.h"
#include "metadata/statements.h"

namespace tarn::metadata {
namespace {

constexpr size_t kStatementsCached = 256;
constexpr int kAttemptsMax = 20;
// The key of the lock that lets one program migrate at a time ("tarn" in ASCII).
constexpr int64_t kMigrationLock = 0x7461726e;

// From PostgreSQL's catalog (src/include/catalog/pg_type.dat).
enum Oid_ : Oid {
    kBool = 16,
    kBytea = 17,
    kInt8 = 20,
    kInt2 = 21,
    kInt4 = 23,
    kOid = 26,
    kFloat4 = 700,
    kFloat8 = 701,
    kNumeric = 1700,
};

ErrorCode CodeOf(std::string_view state) {
    if (state == "23505") return ErrorCode::kAlreadyExists;
    if (state == "23503") return ErrorCode::kFailedPrecondition;
    if (state == "40001" || state == "40P01") return ErrorCode::kConflict;
    if (state == "57014") return ErrorCode::kTimeout;
    if (state == "XX001" || state == "XX002") return ErrorCode::kCorruption;
    static const std::map<std::string_view, ErrorCode> kClasses{
        {"08", ErrorCode::kUnavailable},
        {"22", ErrorCode::kInvalidArgument},
        {"23", ErrorCode::kInvalidArgument},
        {"53", ErrorCode::kResourceExhausted},
        {"54", ErrorCode::kInvalidArgument},
        {"57", ErrorCode::kUnavailable},
        {"58", ErrorCode::kIo},
        {"28", ErrorCode::kUnauthenticated},
    };
    auto found = kClasses.find(state.substr(0, 2));
    return found == kClasses.end() ? ErrorCode::kInternal : found->second;
}

int64_t ParseInteger(std::string_view text) {
    int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

double ParseReal(std::string_view text) {
    double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

Value DecodeCell(Oid type, std::string_view text) {
    switch (type) {
        case kBool:
            return text == "t" ? 1 : 0;
        case kInt2:
        case kInt4:
        case kInt8:
        case kOid:
            return ParseInteger(text);
        case kFloat4:
        case kFloat8:
            return ParseReal(text);
        case kNumeric:  // sums of integers are numeric there, integers in SQLite
            if (text.find('.') != std::string_view::npos) return ParseReal(text);
            return ParseInteger(text);
        case kBytea:
            return HexDecode(text.substr(2)).value_or({});  // "\x00ff"
        default:
            return std::string(text);
    }
}

// A statement's parameters in libpq's form. `values` point into the parameters or into `texts`.
struct Encoded {
    explicit Encoded(const Parameters& parameters) {
        texts.reserve(parameters.size());
        for (const Value& value : parameters) std::visit(*this, value.variant());
    }

    void operator()(std::monostate) { Add(0, nullptr, 0, 0); }
    void operator()(int64_t value) { AddText(kInt8, fmt::format("{}", value)); }
    void operator()(double value) { AddText(kFloat8, fmt::format("{}", value)); }
    void operator()(const std::string& value) { Add(0, value.c_str(), value.size(), 0); }
    void operator()(const Bytes& value) {
        static const char kEmpty = 0;
        Add(kBytea, value.empty() ? &kEmpty : reinterpret_cast<const char*>(value.data()), value.size(), 1);
    }

    // Parameters of other types make it another statement.
    std::string Signature() const {
        std::string signature;
        for (Oid type : types) signature += fmt::format("{} ", type);
        return signature;
    }

    std::vector<Oid> types;
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;

  private:
    void AddText(Oid type, std::string text) {
        texts.push_back(std::move(text));
        Add(type, texts.back().c_str(), texts.back().size(), 0);
    }
    void Add(Oid type, const char* value, size_t length, int format) {
        types.push_back(type);
        values.push_back(value);
        lengths.push_back(static_cast<int>(length));
        formats.push_back(format);
    }
    std::vector<std::string> texts;
};

struct ResultFree {
    void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, ResultFree>;

class Connection {
  public:
    using OnRow = std::function<bool(const Row&)>;

    static Result<std::unique_ptr<Connection>> Open(const std::string& connection);
    ~Connection() { PQfinish(connection_); }
    bool broken() const { return PQstatus(connection_) != CONNECTION_OK; }
    // Returns the rows changed.
    Result<int64_t> Run(const std::string& sql, const Parameters& parameters, const OnRow& on_row);
    // A statement without parameters, not kept: BEGIN, COMMIT, SET, and what cannot be prepared.
    Status Command(const char* sql);

  private:
    Status CheckEncryption() const;
    Error ErrorOf(const PGresult* result) const;
    Result<std::string> Prepare(const std::string& sql, const Encoded& encoded);
    Result<int64_t> ReadAnswer(const OnRow& on_row);
    void Cancel();

    PGconn* connection_ = nullptr;
    std::map<std::string, std::string> statements_;  // signature and SQL -> name
    uint64_t names_ = 0;
};

Error Connection::ErrorOf(const PGresult* result) const {
    const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    if (!state) return Error(ErrorCode::kUnavailable, "metadata: the connection to PostgreSQL was lost");
    // Messages of class 22 repeat the value that did not fit; ours may be a secret.
    if (std::string_view(state).starts_with("22")) {
        return Error(ErrorCode::kInvalidArgument, "metadata: a value does not fit its column ({})", state)
            .WithDetailCode(state);
    }
    return Error(CodeOf(state), "metadata: {}", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY))
        .WithDetailCode(state);
}

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& text) {
    // What stands before `dbname` are defaults that the connection string may override, what follows are orders.
    std::array<const char*, 6> keys{"connect_timeout", "application_name", "tcp_user_timeout",
                                    "dbname",          "client_encoding",  nullptr};
    std::array<const char*, 6> values{"10", "tarn", "30000", text.c_str(), "UTF8", nullptr};
    auto connection = std::make_unique<Connection>();
    connection->connection_ = PQconnectdbParams(keys.data(), values.data(), 1);
    if (connection->broken()) {
        // libpq names host, port and user, never the password.
        return Error(ErrorCode::kUnavailable, "cannot connect to the metadata's PostgreSQL: {}",
                     Trim(PQerrorMessage(connection->connection_)));
    }
    TRY(connection->CheckEncryption());
    PQsetNoticeProcessor(
        connection->connection_, [](void*, const char*) {}, nullptr);
    TRY(connection->Command("SET synchronous_commit = on"));
    TRY(connection->Command("SET statement_timeout = '60s'"));
    TRY(connection->Command("SET idle_in_transaction_session_timeout = '60s'"));
    TRY(connection->Command("SET default_transaction_read_only = on"));  // but for what Write begins
    return connection;
}

Status Connection::CheckEncryption() const {
    std::string_view host = PQhost(connection_) ? PQhost(connection_) : "";
    bool local = host.empty() || host[0] == '/' || host == "localhost" || host == "127.0.0.1" || host == "::1";
    if (local || PQsslInUse(connection_)) return Ok();
    return Error(ErrorCode::kFailedPrecondition, "the connection to PostgreSQL at {} is not encrypted", host)
        .WithHint("add sslmode=verify-full to the connection string, and enable ssl on the server");
}

Status Connection::Command(const char* sql) {
    PgResult result(PQexec(connection_, sql));
    ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return Ok();
    return ErrorOf(result.get());
}

Result<std::string> Connection::Prepare(const std::string& sql, const Encoded& encoded) {
    std::string key = encoded.Signature() + sql;
    auto found = statements_.find(key);
    if (found != statements_.end()) return found->second;
    if (statements_.size() >= kStatementsCached) {
        TRY(Command("DEALLOCATE ALL"));
        statements_.clear();
    }
    std::string name = fmt::format("s{}", ++names_);
    PgResult result(PQprepare(connection_, name.c_str(), sql.c_str(), static_cast<int>(encoded.types.size()),
                              encoded.types.data()));
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) return ErrorOf(result.get());
    statements_[key] = name;
    return name;
}

Result<int64_t> Connection::Run(const std::string& sql, const Parameters& parameters, const OnRow& on_row) {
    TRY(CheckParameters(parameters));
    Encoded encoded(parameters);
    std::string name = TRY(Prepare(sql, encoded));
    int sent = PQsendQueryPrepared(connection_, name.c_str(), static_cast<int>(encoded.values.size()),
                                   encoded.values.data(), encoded.lengths.data(), encoded.formats.data(), 0);
    if (!sent) return ErrorOf(nullptr);
    PQsetSingleRowMode(connection_);  // rows one by one, so that a large answer is never held
    return ReadAnswer(on_row);
}

Result<int64_t> Connection::ReadAnswer(const OnRow& on_row) {
    int64_t changed = 0;
    Status status;
    bool reading = true;
    Row row;
    while (PgResult result{PQgetResult(connection_)}) {
        ExecStatusType kind = PQresultStatus(result.get());
        if (kind == PGRES_SINGLE_TUPLE && reading && on_row) {
            row.clear();
            for (int i = 0; i < PQnfields(result.get()); ++i) {
                std::string_view text(PQgetvalue(result.get(), 0, i), PQgetlength(result.get(), 0, i));
                bool null = PQgetisnull(result.get(), 0, i) == 1;
                row.push_back(null ? Value() : DecodeCell(PQftype(result.get(), i), text));
            }
            reading = on_row(row);
            if (!reading) Cancel();
        } else if (kind == PGRES_COMMAND_OK || kind == PGRES_TUPLES_OK) {
            changed = ParseInteger(PQcmdTuples(result.get()));
        } else if (kind != PGRES_SINGLE_TUPLE && status.ok() && reading) {
            status = ErrorOf(result.get());
        }
    }
    if (!status.ok()) return std::move(status).error();
    return changed;
}

void Connection::Cancel() {
    PGcancel* cancel = PQgetCancel(connection_);
    if (!cancel) return;
    std::array<char, 256> message;
    PQcancel(cancel, message.data(), static_cast<int>(message.size()));
    PQfreeCancel(cancel);
}

class PostgresDatabase : public Database {
  public:
    PostgresDatabase(Env& env, const std::string& connection, const DatabaseOptions& options)
        : env_(env),
          instruments_(options.metrics),
          connections_(static_cast<size_t>(options.readers_max),
                       [connection] { return Connection::Open(connection); }) {}

    Status Migrate(const std::string& component, const std::vector<Migration>& migrations) override;

    Result<Rows> Query(const std::string& sql, const Parameters& parameters) override {
        return Read([&](Connection& connection) { return CollectRows(connection, sql, parameters); });
    }

    Status Scan(const std::string& sql, const Parameters& parameters,
                const std::function<bool(const Row&)>& row) override {
        bool started = false;  // rows that were handed out must not come again
        auto on_row = [&](const Row& values) { return started = true, row(values); };
        return Read(
            [&](Connection& connection) -> Status {
                TRY(connection.Run(sql, parameters, on_row));
                return Ok();
            },
            &started);
    }

    Status Write(const std::function<Status(Transaction&)>& work) override;

    // PostgreSQL looks after its own pages (data checksums); ours is to see that it answers.
    Status CheckIntegrity() override {
        TRY(Query("SELECT count(*) FROM tarn_migrations", {}));
        return Ok();
    }

    Result<std::unique_ptr<FileHold>> HoldFile(const std::function<Status()>&) override {
        return Error(ErrorCode::kNotSupported, "metadata in a PostgreSQL is backed up by PostgreSQL's own tools");
    }

  private:
    template <typename Work>
    auto Read(const Work& work, const bool* started = nullptr) -> decltype(work(std::declval<Connection&>()));
    Status RunOnce(Connection& connection, const std::function<Status(Transaction&)>& work, bool& may_retry);
    Status CommitTransaction(Connection& connection, bool& may_retry);
    void GiveBack(std::unique_ptr<Connection> connection) {
        connections_.Return(connection->broken() ? nullptr : std::move(connection));
    }
    void BackOff(int attempt);

    Env& env_;
    Instruments instruments_;
    ConnectionPool<Connection> connections_;
};

// A read is run again once when its connection turns out to be dead (the server was restarted since).
template <typename Work>
auto PostgresDatabase::Read(const Work& work, const bool* started) -> decltype(work(std::declval<Connection&>())) {
    instruments_.reads.Add();
    for (int attempt = 0;; ++attempt) {
        auto connection = TRY(connections_.Take());
        auto result = work(*connection);
        bool lost = connection->broken();
        GiveBack(std::move(connection));
        if (result.ok() || !lost || attempt > 0 || (started && *started)) return result;
    }
}

Status PostgresDatabase::Write(const std::function<Status(Transaction&)>& work) {
    instruments_.writes.Add();
    for (int attempt = 1;; ++attempt) {
        auto connection = TRY(connections_.Take());
        bool may_retry = false;
        Status status = RunOnce(*connection, work, may_retry);
        GiveBack(std::move(connection));
        if (status.ok() || !may_retry || attempt == kAttemptsMax) return status;
        instruments_.retries.Add();
        BackOff(attempt);
    }
}

Status PostgresDatabase::RunOnce(Connection& connection, const std::function<Status(Transaction&)>& work,
                                 bool& may_retry) {
    Status begun = connection.Command("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE");
    may_retry = connection.broken();  // nothing was done yet
    TRY(begun);
    ConnectionTransaction<Connection> transaction(connection);
    Status status = work(transaction);
    if (!transaction.failed().ok()) status = transaction.failed();
    if (status.ok()) return CommitTransaction(connection, may_retry);
    // Without a COMMIT nothing was done either, so a lost connection may be tried again, too.
    bool conflict = !transaction.failed().ok() && status.error().code() == ErrorCode::kConflict;
    may_retry = conflict || connection.broken();
    if (!connection.broken()) (void)connection.Command("ROLLBACK").ok();
    return status;
}

Status PostgresDatabase::CommitTransaction(Connection& connection, bool& may_retry) {
    Duration start = env_.clock().Monotonic();
    Status status = connection.Command("COMMIT");
    instruments_.commits.Add();
    instruments_.commit_seconds.Observe(std::chrono::duration<double>(env_.clock().Monotonic() - start).count());
    if (status.ok()) return Ok();
    may_retry = status.error().code() == ErrorCode::kConflict;
    if (!connection.broken()) return status;
    return Error(ErrorCode::kUnavailable,
                 "metadata: the connection was lost during COMMIT; the change may or may not have been made");
}

void PostgresDatabase::BackOff(int attempt) {
    int64_t most = std::min(int64_t{1000} << attempt, int64_t{200'000});
    env_.clock().Sleep(Duration(env_.random().Next() % static_cast<uint64_t>(most)));
}

// Several programs may start at once: a lock of the session lets one after the other in.
Status PostgresDatabase::Migrate(const std::string& component, const std::vector<Migration>& migrations) {
    auto connection = TRY(connections_.Take());
    auto locked = connection->Run("SELECT pg_advisory_lock($1)", {kMigrationLock}, nullptr);
    Status status;
    if (locked.ok()) {
        status = RunMigrations(*this, component, migrations, TranslateForPostgres);
        (void)connection->Run("SELECT pg_advisory_unlock($1)", {kMigrationLock}, nullptr).ok();
    } else {
        status = locked.error();
    }
    GiveBack(std::move(connection));
    return status;
}

}  // namespace

Result<std::unique_ptr<Database>> Database::OpenPostgres(Env& env, const std::string& connection,
                                                         DatabaseOptions options) {
    TRY(Connection::Open(connection));
    return std::unique_ptr<Database>(std::make_unique<PostgresDatabase>(env, connection, options));
}

}  // namespace tarn::metadata
