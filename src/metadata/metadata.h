// Metadata: small transactional state of all components, in SQL. Embedded SQLite (encrypted, WAL, synchronous=FULL) or
// PostgreSQL behind one interface.
//
// SQL is the subset both understand: parameters $1, $2 ...; INSERT ... ON CONFLICT DO UPDATE; no vendor functions.
// Column types: INTEGER (64 bit), REAL, TEXT, BLOB (a migration's types are translated for PostgreSQL).
// Threads: any. Reads run at once on their own snapshot; writes are run one after another by one writer, which puts
// writes that wait into one transaction (each in a savepoint) and one fsync: group commit. A Write that returned Ok is
// durable. `work` runs on the writer's thread: it must be short, touch only its transaction and never call Write.
// A statement that failed fails its transaction, whatever `work` answers: use ON CONFLICT where a conflict is expected.
// State: one file (`metadata.db`) plus its WAL. Fails: a failed commit is answered kIo and the store stops taking
// writes, until restart (a full disk only refuses: kResourceExhausted). Unique keys: kAlreadyExists; foreign keys:
// kFailedPrecondition; other constraints, and text that is not UTF-8 or holds NUL: kInvalidArgument.
//
// In migrations INTEGER PRIMARY KEY numbers itself; every table is STRICT, so types are checked alike on both.
//
//   TRY(database.Migrate("runs", {{1, "CREATE TABLE runs (id TEXT PRIMARY KEY, state TEXT NOT NULL)"}}));
//   TRY(database.Write([&](metadata::Transaction& transaction) {
//       return transaction.Execute("INSERT INTO runs VALUES ($1, $2)", {id, "queued"});
//   }));
//   auto rows = TRY(database.Query("SELECT state FROM runs WHERE id = $1", {id}));
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/env.h"
#include "base/metrics.h"
#include "base/result.h"

namespace tarn::metadata {

class Value {
  public:
    Value() = default;
    Value(std::nullptr_t) {}  // NOLINT: implicit on purpose
    Value(int value) : value_(int64_t{value}) {}  // NOLINT
    Value(int64_t value) : value_(value) {}  // NOLINT
    Value(double value) : value_(value) {}  // NOLINT
    Value(std::string value) : value_(std::move(value)) {}  // NOLINT
    Value(const char* value) : value_(std::string(value)) {}  // NOLINT
    Value(std::string_view value) : value_(std::string(value)) {}  // NOLINT
    Value(Bytes value) : value_(std::move(value)) {}  // NOLINT
    bool is_null() const { return value_.index() == 0; }
    // Of another type: 0 or empty (numbers are converted); columns' types are fixed by our own migrations.
    int64_t integer() const;
    double real() const;
    std::string text() const;
    Bytes blob() const;
    const std::variant<std::monostate, int64_t, double, std::string, Bytes>& variant() const { return value_; }

  private:
    std::variant<std::monostate, int64_t, double, std::string, Bytes> value_;
};

using Row = std::vector<Value>;
using Rows = std::vector<Row>;
using Parameters = std::vector<Value>;

class Transaction {
  public:
    virtual ~Transaction() = default;
    virtual Result<Rows> Query(const std::string& sql, const Parameters& parameters = {}) = 0;
    // Returns the rows changed.
    virtual Result<int64_t> Execute(const std::string& sql, const Parameters& parameters = {}) = 0;
};

struct Migration {
    int version = 0;  // 1, 2, 3 ... without gaps, per component
    std::string sql;  // one or more statements separated by ';'
};

// Rows that one Query may answer; beyond, kResourceExhausted: use Scan.
inline constexpr size_t kQueryRowsMax = 1'000'000;

struct DatabaseOptions {
    Metrics* metrics = nullptr;  // none: not measured
    int readers_max = 16;  // connections that read at once; further readers wait
    size_t writes_waiting_max = 4096;
};

// The file of an embedded database, whole without its log and unchanged as long as this lives: what a backup copies.
// Writes go on meanwhile, into the log, which grows. The database outlives it.
class FileHold {
  public:
    virtual ~FileHold() = default;
};

class Database {
  public:
    // The file is made if it is not there; a wrong key is kCorruption. The key has 256 bits.
    static Result<std::unique_ptr<Database>> OpenSqlite(Env& env, const std::string& path, const Secret& key,
                                                        DatabaseOptions options = {});
    // `connection` is a libpq connection string or URL; it may carry a password, which no error repeats.
    static Result<std::unique_ptr<Database>> OpenPostgres(Env& env, const std::string& connection,
                                                          DatabaseOptions options = {});
    virtual ~Database() = default;

    // Applies what is missing of a component's migrations; a version newer than known is refused (newer Tarn).
    virtual Status Migrate(const std::string& component, const std::vector<Migration>& migrations) = 0;
    virtual Result<Rows> Query(const std::string& sql, const Parameters& parameters = {}) = 0;
    // Calls `row` for each row until it returns false: listings without holding all of them.
    virtual Status Scan(const std::string& sql, const Parameters& parameters,
                        const std::function<bool(const Row&)>& row) = 0;
    // Atomic and durable; `work` may run again if the transaction must be retried, so it only touches `transaction`.
    virtual Status Write(const std::function<Status(Transaction&)>& work) = 0;
    virtual Status CheckIntegrity() = 0;  // for doctor and verify
    // Copies the log into the file, then runs `meanwhile` while no write runs: what is held is of that instant.
    // kUnavailable when readers stand in the way for long; kNotSupported where the database is no file.
    virtual Result<std::unique_ptr<FileHold>> HoldFile(const std::function<Status()>& meanwhile) = 0;
};

}  // namespace tarn::metadata
