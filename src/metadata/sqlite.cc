// The embedded store: SQLite with encrypted pages (SQLite3 Multiple Ciphers, ChaCha20-Poly1305). The only file that
// includes sqlite3.h.
#include <sqlite3.h>

#include <atomic>
#include <charconv>
#include <list>
#include <map>
#include <mutex>

#include "metadata/connection_pool.h"
#include "metadata/connection_transaction.h"
#include "metadata/env_vfs.h"
#include "metadata/metadata.h"
#include "metadata/metrics.h"
#include "metadata/statements.h"
#include "metadata/write_queue.h"

namespace tarn::metadata {
namespace {

constexpr size_t kStatementsCached = 128;
constexpr int kWriterCacheKib = 8 << 10;
constexpr int kReaderCacheKib = 2 << 10;
constexpr int kBusyTimeoutMs = 10'000;
// The write-ahead log is copied into the file from here on; far beyond, readers that stand in the way are waited for.
constexpr int kCheckpointFrames = 1'000;
constexpr int kTruncateFrames = 20'000;
// A backup waits so long for readers that still need the file as it was before the log's newest pages.
constexpr Duration kHoldTriedFor = std::chrono::seconds(30);
constexpr Duration kHoldTryEvery = std::chrono::milliseconds(20);

ErrorCode CodeOf(int extended) {
    switch (extended) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
            return ErrorCode::kAlreadyExists;
        case SQLITE_CONSTRAINT_FOREIGNKEY:
            return ErrorCode::kFailedPrecondition;
        default:
            break;
    }
    switch (extended & 0xff) {
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
        case SQLITE_TOOBIG:
            return ErrorCode::kInvalidArgument;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return ErrorCode::kUnavailable;
        case SQLITE_FULL:
        case SQLITE_NOMEM:
            return ErrorCode::kResourceExhausted;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return ErrorCode::kCorruption;
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_READONLY:
            return ErrorCode::kIo;
        default:
            return ErrorCode::kInternal;
    }
}

// SQLite's messages name tables and columns, never values.
Error ErrorOf(sqlite3* database) {
    int code = sqlite3_extended_errcode(database);
    if ((code & 0xff) == SQLITE_FULL) {
        const char* path = sqlite3_db_filename(database, "main");
        return DiskFullError(path ? path : "the metadata");
    }
    if (CodeOf(code) == ErrorCode::kCorruption) {
        return Error(ErrorCode::kCorruption, "the metadata is damaged: {}", sqlite3_errmsg(database))
            .WithHint("restore a backup");
    }
    return Error(CodeOf(code), "metadata: {}", sqlite3_errmsg(database));
}

Value ColumnValue(sqlite3_stmt* statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_INTEGER:
            return int64_t{sqlite3_column_int64(statement, column)};
        case SQLITE_FLOAT:
            return sqlite3_column_double(statement, column);
        case SQLITE_TEXT: {
            auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
            return std::string(text, sqlite3_column_bytes(statement, column));
        }
        case SQLITE_BLOB: {
            auto* bytes = static_cast<const uint8_t*>(sqlite3_column_blob(statement, column));
            return Bytes(bytes, bytes + sqlite3_column_bytes(statement, column));
        }
        default:
            return nullptr;
    }
}

struct Binder {
    sqlite3_stmt* statement;
    int index;
    int operator()(std::monostate) const { return sqlite3_bind_null(statement, index); }
    int operator()(int64_t value) const { return sqlite3_bind_int64(statement, index, value); }
    int operator()(double value) const { return sqlite3_bind_double(statement, index, value); }
    // The parameters outlive the statement's run, so nothing is copied.
    int operator()(const std::string& value) const {
        return sqlite3_bind_text64(statement, index, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    int operator()(const Bytes& value) const {
        if (value.empty()) return sqlite3_bind_zeroblob(statement, index, 0);
        return sqlite3_bind_blob64(statement, index, value.data(), value.size(), SQLITE_STATIC);
    }
};

// One connection with its cache of compiled statements; used by one thread at a time.
class Connection {
  public:
    using OnRow = std::function<bool(const Row&)>;

    static Result<std::unique_ptr<Connection>> Open(const std::string& path, const EnvVfs& vfs, const Secret& key,
                                                    bool writer);
    ~Connection();
    // Returns the rows changed by the last statement that changes any.
    Result<int64_t> Run(const std::string& sql, const Parameters& parameters, const OnRow& on_row);
    Status Execute(const char* sql) {
        TRY(Run(sql, {}, nullptr));
        return Ok();
    }
    // False once SQLite has rolled the transaction back by itself (full disk, no memory, failed IO).
    bool in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }
    int wal_frames() const { return wal_frames_; }
    // False: readers stand in the way.
    Result<bool> Checkpoint(int mode);
    // The same without waiting for readers.
    Result<bool> CopyLog();

  private:
    struct Cached {
        sqlite3_stmt* statement = nullptr;
        std::vector<size_t> numbers;  // SQLite's index -> the number after '$'
        std::list<std::string>::iterator use;
    };

    Result<Cached*> Prepare(const std::string& sql);
    void Evict();
    Status Bind(const Cached& cached, const Parameters& parameters);
    Status Step(sqlite3_stmt* statement, const OnRow& on_row);
    Status Configure(const Secret& key, bool writer);

    sqlite3* database_ = nullptr;
    int wal_frames_ = 0;
    std::map<std::string, Cached> statements_;
    std::list<std::string> uses_;  // the latest used first
};

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& path, const EnvVfs& vfs, const Secret& key,
                                                     bool writer) {
    auto connection = std::make_unique<Connection>();
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path.c_str(), &connection->database_, flags, vfs.name().c_str()) != SQLITE_OK) {
        return ErrorOf(connection->database_).Context(fmt::format("cannot open {}", path));
    }
    Status configured = connection->Configure(key, writer);
    if (!configured.ok() && configured.error().code() == ErrorCode::kCorruption) {
        return Error(ErrorCode::kCorruption, "{} cannot be read: it is damaged, or of another root key", path)
            .WithHint("put back the root key file this state directory was made with, or restore a backup");
    }
    if (!configured.ok()) return std::move(configured).error().Context(fmt::format("cannot open {}", path));
    return connection;
}

Connection::~Connection() {
    for (auto& [sql, cached] : statements_) sqlite3_finalize(cached.statement);
    sqlite3_close(database_);
}

Status Connection::Configure(const Secret& key, bool writer) {
    // "raw:" makes the 32 bytes the key itself; without it they would be a passphrase, hashed for 0.1 s a connection.
    Bytes raw{'r', 'a', 'w', ':'};
    raw.insert(raw.end(), key.bytes().begin(), key.bytes().end());
    Secret wiped(std::move(raw));
    if (sqlite3_key(database_, wiped.bytes().data(), static_cast<int>(wiped.bytes().size())) != SQLITE_OK) {
        return ErrorOf(database_);
    }
    sqlite3_busy_timeout(database_, kBusyTimeoutMs);
    sqlite3_limit(database_, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_wal_autocheckpoint(database_, 0);  // the writer checkpoints by itself, so that a failed fsync is seen
    sqlite3_wal_hook(
        database_,
        [](void* self, sqlite3*, const char*, int frames) {
            static_cast<Connection*>(self)->wal_frames_ = frames;
            return SQLITE_OK;
        },
        this);
    TRY(Execute("SELECT count(*) FROM sqlite_master"));  // a wrong key shows here
    if (writer) TRY(Execute("PRAGMA journal_mode = WAL"));
    TRY(Execute("PRAGMA synchronous = FULL"));
    TRY(Execute("PRAGMA foreign_keys = ON"));
    TRY(Execute("PRAGMA temp_store = MEMORY"));
    TRY(Execute("PRAGMA trusted_schema = OFF"));
    TRY(Execute("PRAGMA cell_size_check = ON"));
    TRY(Run(fmt::format("PRAGMA cache_size = -{}", writer ? kWriterCacheKib : kReaderCacheKib), {}, nullptr));
    if (!writer) TRY(Execute("PRAGMA query_only = ON"));
    return Ok();
}

void Connection::Evict() {
    auto oldest = statements_.find(uses_.back());
    sqlite3_finalize(oldest->second.statement);
    statements_.erase(oldest);
    uses_.pop_back();
}

Result<Connection::Cached*> Connection::Prepare(const std::string& sql) {
    auto found = statements_.find(sql);
    if (found != statements_.end()) {
        uses_.splice(uses_.begin(), uses_, found->second.use);
        return &found->second;
    }
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    int size = static_cast<int>(sql.size()) + 1;
    if (sqlite3_prepare_v3(database_, sql.c_str(), size, SQLITE_PREPARE_PERSISTENT, &statement, &tail) != SQLITE_OK) {
        return ErrorOf(database_);
    }
    if (!statement || !SplitStatements(tail).empty()) {
        sqlite3_finalize(statement);
        return Error(ErrorCode::kInternal, "metadata: exactly one statement is wanted: {}", sql);
    }
    if (statements_.size() >= kStatementsCached) Evict();
    uses_.push_front(sql);
    Cached& cached = statements_[sql];
    cached.statement = statement;
    cached.use = uses_.begin();
    for (int i = 1; i <= sqlite3_bind_parameter_count(statement); ++i) {
        const char* given = sqlite3_bind_parameter_name(statement, i);
        std::string_view name = given ? given : "?";
        size_t number = 0;  // stays 0 for what is not $1, $2 ...; Bind refuses that
        if (name[0] == '$') std::from_chars(name.data() + 1, name.data() + name.size(), number);
        cached.numbers.push_back(number);
    }
    return &cached;
}

Status Connection::Bind(const Cached& cached, const Parameters& parameters) {
    if (cached.numbers.size() != parameters.size()) {
        return Error(ErrorCode::kInternal, "metadata: the statement has {} parameters, {} were given",
                     cached.numbers.size(), parameters.size());
    }
    TRY(CheckParameters(parameters));
    for (size_t i = 0; i < cached.numbers.size(); ++i) {
        size_t number = cached.numbers[i];
        if (number < 1 || number > parameters.size()) {
            return Error(ErrorCode::kInternal, "metadata: parameters must be $1 to ${}", parameters.size());
        }
        Binder binder{cached.statement, static_cast<int>(i) + 1};
        if (std::visit(binder, parameters[number - 1].variant()) != SQLITE_OK) return ErrorOf(database_);
    }
    return Ok();
}

Status Connection::Step(sqlite3_stmt* statement, const OnRow& on_row) {
    Row row;
    while (true) {
        int code = sqlite3_step(statement);
        if (code == SQLITE_DONE) return Ok();
        if (code != SQLITE_ROW) return ErrorOf(database_);
        if (!on_row) continue;
        row.clear();
        for (int i = 0; i < sqlite3_column_count(statement); ++i) row.push_back(ColumnValue(statement, i));
        if (!on_row(row)) return Ok();
    }
}

Result<int64_t> Connection::Run(const std::string& sql, const Parameters& parameters, const OnRow& on_row) {
    Cached* cached = TRY(Prepare(sql));
    Status status = Bind(*cached, parameters);
    if (status.ok()) status = Step(cached->statement, on_row);
    sqlite3_reset(cached->statement);
    sqlite3_clear_bindings(cached->statement);
    TRY(status);
    return sqlite3_changes64(database_);
}

Result<bool> Connection::Checkpoint(int mode) {
    int code = sqlite3_wal_checkpoint_v2(database_, nullptr, mode, &wal_frames_, nullptr);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) return ErrorOf(database_);
    return code == SQLITE_OK;
}

Result<bool> Connection::CopyLog() {
    int copied = 0;
    int code = sqlite3_wal_checkpoint_v2(database_, nullptr, SQLITE_CHECKPOINT_PASSIVE, &wal_frames_, &copied);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) return ErrorOf(database_);
    return code == SQLITE_OK && copied == wal_frames_;
}

struct OpenStore {
    std::unique_ptr<FileLock> lock;  // locks and the log's index are in memory: nobody else may open the file
    std::unique_ptr<EnvVfs> vfs;
    std::unique_ptr<Connection> writer;
};

class SqliteDatabase : public Database {
  public:
    SqliteDatabase(Env& env, const std::string& path, const Secret& key, const DatabaseOptions& options,
                   OpenStore store)
        : env_(env),
          instruments_(options.metrics),
          key_(key.Clone()),
          lock_(std::move(store.lock)),
          vfs_(std::move(store.vfs)),
          writer_(std::move(store.writer)),
          readers_(static_cast<size_t>(options.readers_max),
                   [this, path] { return Connection::Open(path, *vfs_, key_, false); }),
          queue_(options.writes_waiting_max, [this](const auto& batch) { Commit(batch); }) {}

    Status Migrate(const std::string& component, const std::vector<Migration>& migrations) override {
        return RunMigrations(*this, component, migrations, TranslateForSqlite);
    }

    Result<Rows> Query(const std::string& sql, const Parameters& parameters) override {
        return WithReader([&](Connection& connection) { return CollectRows(connection, sql, parameters); });
    }

    Status Scan(const std::string& sql, const Parameters& parameters,
                const std::function<bool(const Row&)>& row) override {
        TRY(WithReader([&](Connection& connection) { return connection.Run(sql, parameters, row); }));
        return Ok();
    }

    Status Write(const std::function<Status(Transaction&)>& work) override { return queue_.Run(work); }

    Status CheckIntegrity() override {
        Rows rows = TRY(Query("PRAGMA integrity_check(10)", {}));
        if (rows.size() != 1 || rows[0][0].text() != "ok") {
            return Error(ErrorCode::kCorruption, "metadata.db is damaged: {}",
                         rows.empty() ? "no answer" : rows[0][0].text())
                .WithHint("restore a backup");
        }
        rows = TRY(Query("PRAGMA foreign_key_check", {}));
        if (rows.empty()) return Ok();
        return Error(ErrorCode::kCorruption, "metadata.db: {} rows of {} point to nothing", rows.size(),
                     rows[0][0].text());
    }

    Result<std::unique_ptr<FileHold>> HoldFile(const std::function<Status()>& meanwhile) override;

  private:
    // While one lives, nothing is copied from the log into the file.
    class Hold : public FileHold {
      public:
        explicit Hold(std::atomic<int>& holds) : holds_(holds) { ++holds_; }
        ~Hold() override { --holds_; }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;

      private:
        std::atomic<int>& holds_;
    };

    template <typename Work>
    auto WithReader(const Work& work) -> decltype(work(std::declval<Connection&>())) {
        instruments_.reads.Add();
        auto connection = TRY(readers_.Take());
        auto result = work(*connection);
        readers_.Return(std::move(connection));
        return result;
    }

    void Commit(const std::vector<PendingWrite*>& batch);
    bool RunTogether(const std::vector<PendingWrite*>& batch);
    Status RunInSavepoint(PendingWrite& write);
    void RunAlone(PendingWrite& write);
    Status RunWork(PendingWrite& write);
    Status CommitTransaction();
    void RollBack();
    Status StartLogAnew();
    void CheckpointWhenLarge();
    void Stop(std::string_view what, const Error& error);

    Env& env_;
    Instruments instruments_;
    const Secret key_;
    const std::unique_ptr<FileLock> lock_;
    const std::unique_ptr<EnvVfs> vfs_;  // before all connections
    std::mutex writer_mutex_;  // of what follows; the queue's thread's but for HoldFile
    std::unique_ptr<Connection> writer_;
    bool log_is_new_ = false;  // nothing in the log is older than this program
    Status stopped_;  // the failure that ended all writing
    std::atomic<int> holds_{0};
    int next_checkpoint_ = kCheckpointFrames;
    ConnectionPool<Connection> readers_;
    WriteQueue queue_;  // last: its thread uses all of the above
};

// One transaction for the whole batch; should SQLite give that up by itself, each write gets its own.
void SqliteDatabase::Commit(const std::vector<PendingWrite*>& batch) {
    instruments_.writes.Add(static_cast<int64_t>(batch.size()));
    std::lock_guard lock(writer_mutex_);
    Status ready = stopped_.ok() ? StartLogAnew() : stopped_;
    if (!ready.ok()) {
        for (PendingWrite* write : batch) write->outcome = ready;
        return;
    }
    if (batch.size() == 1 || !RunTogether(batch)) {
        for (PendingWrite* write : batch) RunAlone(*write);
    }
    CheckpointWhenLarge();
}

// Before the first write: what the last program left in the log goes into the file. Its last fsync may have failed;
// such pages are readable but not on the disk, no later fsync brings them there, and what is written behind them would
// be lost with them.
Status SqliteDatabase::StartLogAnew() {
    if (log_is_new_) return Ok();
    auto copied = writer_->Checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
    if (!copied.ok()) {
        if (copied.error().code() != ErrorCode::kResourceExhausted) Stop("a checkpoint failed", copied.error());
        return stopped_.ok() ? Status(copied.error()) : stopped_;
    }
    if (!*copied) return Error(ErrorCode::kUnavailable, "metadata: readers hold the log since the start; try again");
    log_is_new_ = true;
    return Ok();
}

Status SqliteDatabase::RunWork(PendingWrite& write) {
    ConnectionTransaction<Connection> transaction(*writer_);
    Status status = (*write.work)(transaction);
    return transaction.failed().ok() ? std::move(status) : transaction.failed();
}

Status SqliteDatabase::RunInSavepoint(PendingWrite& write) {
    TRY(writer_->Execute("SAVEPOINT one_write"));
    write.outcome = RunWork(write);
    if (!writer_->in_transaction()) return Error(ErrorCode::kUnavailable, "the transaction was given up");
    if (!write.outcome.ok()) TRY(writer_->Execute("ROLLBACK TO one_write"));
    return writer_->Execute("RELEASE one_write");
}

// False: nothing of the batch was done.
bool SqliteDatabase::RunTogether(const std::vector<PendingWrite*>& batch) {
    if (!stopped_.ok() || !writer_->Execute("BEGIN IMMEDIATE").ok()) return false;
    for (PendingWrite* write : batch) {
        if (RunInSavepoint(*write).ok()) continue;
        RollBack();
        return false;
    }
    Status committed = CommitTransaction();
    for (PendingWrite* write : batch) {
        if (write->outcome.ok()) write->outcome = committed;
    }
    return true;
}

void SqliteDatabase::RunAlone(PendingWrite& write) {
    write.outcome = stopped_.ok() ? writer_->Execute("BEGIN IMMEDIATE") : stopped_;
    if (!write.outcome.ok()) return;
    write.outcome = RunWork(write);
    if (write.outcome.ok())
        write.outcome = CommitTransaction();
    else
        RollBack();
}

Status SqliteDatabase::CommitTransaction() {
    Duration start = env_.clock().Monotonic();
    Status status = writer_->Execute("COMMIT");
    instruments_.commits.Add();
    instruments_.commit_seconds.Observe(std::chrono::duration<double>(env_.clock().Monotonic() - start).count());
    if (status.ok()) return Ok();
    RollBack();
    // Constraints that are checked at the end, a full disk: clean refusals. All else means that we no longer know
    // what is on the disk.
    ErrorCode code = status.error().code();
    bool refused = code == ErrorCode::kFailedPrecondition || code == ErrorCode::kResourceExhausted;
    if (refused) return status;
    Stop("a commit failed", status.error());
    return stopped_;
}

void SqliteDatabase::RollBack() {
    if (!writer_->in_transaction()) return;
    Status status = writer_->Execute("ROLLBACK");
    if (!status.ok()) Stop("a roll-back failed", status.error());
}

void SqliteDatabase::CheckpointWhenLarge() {
    int frames = writer_->wal_frames();
    instruments_.wal_frames.Set(frames);
    if (holds_ > 0) return;
    // The log starts anew once all of it was copied and no reader needs it; until then not every commit tries again.
    if (frames < kCheckpointFrames) next_checkpoint_ = kCheckpointFrames;
    if (frames < next_checkpoint_ || !stopped_.ok()) return;
    next_checkpoint_ = frames + kCheckpointFrames;
    auto status =
        writer_->Checkpoint(frames < kTruncateFrames ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE);
    // The log still holds everything: a full disk passes, but a failed fsync must not be tried again.
    if (status.ok() || status.error().code() == ErrorCode::kResourceExhausted) return;
    Stop("a checkpoint failed", status.error());
}

Result<std::unique_ptr<FileHold>> SqliteDatabase::HoldFile(const std::function<Status()>& meanwhile) {
    Duration end = env_.clock().Monotonic() + kHoldTriedFor;
    while (true) {
        {
            std::lock_guard lock(writer_mutex_);
            TRY(stopped_);
            TRY(StartLogAnew());
            auto copied = holds_ > 0 ? Result<bool>(false) : writer_->CopyLog();
            if (!copied.ok() && copied.error().code() != ErrorCode::kResourceExhausted) {
                Stop("a checkpoint failed", copied.error());
            }
            if (TRY(std::move(copied))) {
                TRY(meanwhile());
                return std::unique_ptr<FileHold>(std::make_unique<Hold>(holds_));
            }
        }
        if (env_.clock().Monotonic() > end) {
            return Error(ErrorCode::kUnavailable, "metadata: readers hold the log for {}; try again",
                         FormatDuration(kHoldTriedFor));
        }
        env_.clock().Sleep(kHoldTryEvery);
    }
}

void SqliteDatabase::Stop(std::string_view what, const Error& error) {
    stopped_ = Error(ErrorCode::kIo, "metadata: {}, no writes until restart: {}", what, error.message());
}

}  // namespace

Result<std::unique_ptr<Database>> Database::OpenSqlite(Env& env, const std::string& path, const Secret& key,
                                                       DatabaseOptions options) {
    if (key.bytes().size() != kKeyBytes) {
        return Error(ErrorCode::kInvalidArgument, "the metadata key has {} bytes, it must have {}", key.bytes().size(),
                     kKeyBytes);
    }
    OpenStore store;
    store.lock = TRY(env.files().Lock(path));  // makes it, and so that nobody else may read it
    store.vfs = TRY(EnvVfs::Create(env));
    store.writer = TRY(Connection::Open(path, *store.vfs, key, true));
    // An empty file would take any key at its next opening.
    Rows rows = TRY(CollectRows(*store.writer, "PRAGMA user_version", {}));
    if (rows.at(0).at(0).integer() == 0) TRY(store.writer->Execute("PRAGMA user_version = 1"));
    TRY(env.files().SyncDirectory(FolderOf(path)));
    return std::unique_ptr<Database>(std::make_unique<SqliteDatabase>(env, path, key, options, std::move(store)));
}

}  // namespace tarn::metadata
