#include "access/backup/backup.h"

#include <mutex>

#include "access/backup/metrics.h"
#include "access/backup/state_files.h"

namespace tarn::access {
namespace {

constexpr int kAttemptsKept = 100;
constexpr size_t kSuffixBytes = 2;
constexpr size_t kErrorLettersMax = 1000;
// A schedule's backup may come so much later than planned before it is a fault: it takes its time, others go first.
constexpr Duration kGrace = std::chrono::hours(1);
constexpr Duration kRetryAfter = std::chrono::minutes(10);  // after a failure, if `every` is longer

int64_t Micros(const std::optional<Timestamp>& time) { return time ? ToMicros(*time) : 0; }

}  // namespace

struct Backup::State {
    State(const BackupConfig& config_in, BackupDependencies dependencies_in)
        : dependencies(std::move(dependencies_in)), metrics(dependencies.metrics), config(config_in) {}

    const BackupDependencies dependencies;
    BackupMetrics metrics;
    std::mutex running;  // held while one is made

    mutable std::mutex mutex;  // of what follows
    BackupConfig config;
    Timestamp started_at;
    std::optional<Timestamp> last_success;
    std::optional<Timestamp> last_attempt;
    std::string last_error;  // of the last attempt
};

Backup::Backup(std::unique_ptr<State> state) : state_(std::move(state)) {}
Backup::~Backup() = default;

BackupConfig Backup::config() const {
    std::lock_guard lock(state_->mutex);
    return state_->config;
}

void Backup::SetConfig(const BackupConfig& config) {
    std::lock_guard lock(state_->mutex);
    state_->config = config;
}

std::optional<Timestamp> Backup::last_success() const {
    std::lock_guard lock(state_->mutex);
    return state_->last_success;
}

Result<std::unique_ptr<Backup>> Backup::Create(const BackupConfig& config, BackupDependencies dependencies) {
    TRY(dependencies.database.Migrate(
        "backup", {{1,
                    "CREATE TABLE backups (id INTEGER PRIMARY KEY, name TEXT NOT NULL, place TEXT NOT NULL, at_us "
                    "INTEGER NOT NULL, took_us INTEGER NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL, "
                    "bytes_new INTEGER NOT NULL, error TEXT NOT NULL)"}}));
    auto state = std::make_unique<State>(config, std::move(dependencies));
    state->started_at = state->dependencies.env.clock().Now();
    auto rows = TRY(state->dependencies.database.Query("SELECT max(at_us) FROM backups WHERE error = ''"));
    if (!rows.empty() && !rows[0][0].is_null()) {
        state->last_success = FromMicros(rows[0][0].integer());
        state->metrics.last_success.Set(static_cast<double>(rows[0][0].integer()) / 1e6);
    }
    return std::unique_ptr<Backup>(new Backup(std::move(state)));
}

// The order is the point: databases stand still at one instant, then come the keys that they may need, then what only
// grows or is held.
Result<BackupSummary> Backup::CopyState(Copier& copier, Timestamp& at) {
    const BackupDependencies& parts = state_->dependencies;
    Env& env = parts.env;
    const std::string& path = parts.state.path();
    std::unique_ptr<lake::LakeHold> lake;
    buffer::LogHold log;
    // Metadata's writers wait while the lake's are stopped and the log is measured: all are of the same instant.
    auto metadata = TRY(parts.database.HoldFile([&]() -> Status {
        lake = TRY(parts.lake.Hold([&]() -> Status {
            at = env.clock().Now();
            log = TRY(parts.buffer.HoldLog());
            return Ok();
        }));
        return Ok();
    }));
    TRY(CopySmallFiles(env, copier, path));
    TRY(CopyDatabases(env, copier, path, false));
    metadata.reset();
    lake->ReleaseIndex();
    auto segments = parts.audit.HoldSegments();
    TRY(parts.audit.Flush());
    TRY(CopyAudit(env, copier, path, parts.audit.head()));
    segments.unlock();
    BackupSummary summary;
    TRY(CopyBuffer(copier, path, log));
    log = buffer::LogHold();
    summary.missing = TRY(CopyLake(env, copier, path, lake.get()));
    summary.name = ManifestNameOf(at, env.random().Hex(kSuffixBytes));
    summary.platform_id = parts.state.platform_id();
    summary.version = parts.version;
    summary.state_format = metadata::StateDirectory::kFormat;
    summary.at = at;
    summary.running = true;
    return summary;
}

Result<BackupOutcome> Backup::Make(const BackupOrder& order, const Stop& stop) {
    std::unique_lock running(state_->running, std::try_to_lock);
    if (!running.owns_lock()) {
        return Error(ErrorCode::kConflict, "a backup is being made").WithHint("wait until it is done");
    }
    Env& env = state_->dependencies.env;
    Duration start = env.clock().Monotonic();
    auto store = TRY(BackupStore::Open(env, order.to));
    auto lock = TRY(store->Lock());
    auto copier = TRY(Copier::Start(env, *store, state_->dependencies.state.platform_id(), stop));
    Timestamp at;
    BackupSummary summary = TRY(CopyState(*copier, at));
    summary.took = env.clock().Monotonic() - start;
    BackupOutcome outcome;
    outcome.backup = TRY(copier->Finish(std::move(summary)));
    outcome.place = store->place();
    outcome.pruned = TRY(Prune(*store, order.keep.value_or(config().keep), stop));
    return outcome;
}

Result<BackupOutcome> Backup::Run(BackupOrder order, const Stop& stop) {
    if (order.to.empty()) order.to = config().to;
    if (order.to.empty()) {
        return Error(ErrorCode::kInvalidArgument, "there is no place for backups")
            .WithHint("name a folder, or set backup.to in tarn.yaml");
    }
    Env& env = state_->dependencies.env;
    BackupAttempt attempt;
    attempt.place = order.to;
    attempt.at = env.clock().Now();
    Duration start = env.clock().Monotonic();
    auto outcome = Make(order, stop);
    if (!outcome.ok() && outcome.error().code() == ErrorCode::kConflict) return outcome;
    attempt.took = env.clock().Monotonic() - start;
    state_->metrics.seconds.Set(std::chrono::duration<double>(attempt.took).count());
    if (outcome.ok()) {
        attempt.name = outcome->backup.name;
        attempt.at = outcome->backup.at;
        attempt.files = outcome->backup.files;
        attempt.bytes = outcome->backup.bytes;
        attempt.bytes_new = outcome->backup.bytes_new;
        state_->metrics.made.Add();
        state_->metrics.bytes.Add(static_cast<int64_t>(attempt.bytes_new));
        state_->metrics.last_success.Set(static_cast<double>(ToMicros(attempt.at)) / 1e6);
    } else {
        attempt.error = outcome.error().ToString().substr(0, kErrorLettersMax);
        state_->metrics.failed.Add();
    }
    {
        std::lock_guard lock(state_->mutex);
        state_->last_attempt = env.clock().Now();
        state_->last_error = attempt.error;
        if (outcome.ok()) state_->last_success = attempt.at;
    }
    Status recorded = Record(attempt);
    if (outcome.ok() && !recorded.ok()) return std::move(recorded).error().Context("the backup is made, but");
    return outcome;
}

Status Backup::Record(const BackupAttempt& attempt) {
    return state_->dependencies.database.Write([&](metadata::Transaction& transaction) -> Status {
        TRY(transaction.Execute(
            "INSERT INTO backups (name, place, at_us, took_us, files, bytes, bytes_new, error) VALUES ($1, $2, $3, "
            "$4, $5, $6, $7, $8)",
            {attempt.name, attempt.place, ToMicros(attempt.at), int64_t{attempt.took.count()},
             static_cast<int64_t>(attempt.files), static_cast<int64_t>(attempt.bytes),
             static_cast<int64_t>(attempt.bytes_new), attempt.error}));
        TRY(transaction.Execute("DELETE FROM backups WHERE id <= (SELECT max(id) FROM backups) - $1", {kAttemptsKept}));
        return Ok();
    });
}

Result<std::vector<BackupAttempt>> Backup::Attempts() {
    std::vector<BackupAttempt> attempts;
    auto rows = TRY(state_->dependencies.database.Query(
        "SELECT name, place, at_us, took_us, files, bytes, bytes_new, error FROM backups ORDER BY id DESC"));
    for (const metadata::Row& row : rows) {
        attempts.push_back({row[0].text(), row[1].text(), FromMicros(row[2].integer()), Duration(row[3].integer()),
                            static_cast<uint64_t>(row[4].integer()), static_cast<uint64_t>(row[5].integer()),
                            static_cast<uint64_t>(row[6].integer()), row[7].text()});
    }
    return attempts;
}

bool Backup::Due() {
    Timestamp now = state_->dependencies.env.clock().Now();
    std::lock_guard lock(state_->mutex);
    if (state_->config.every.count() == 0 || state_->config.to.empty()) return false;
    bool failed_lately = !state_->last_error.empty() && state_->last_attempt &&
                         now - *state_->last_attempt < std::min(kRetryAfter, state_->config.every);
    if (failed_lately) return false;
    // A clock that was set back makes the last one lie ahead: then one is due, too.
    Timestamp last = state_->last_success.value_or(Timestamp());
    return now - last >= state_->config.every || last > now;
}

Status Backup::Health() {
    std::lock_guard lock(state_->mutex);
    if (state_->config.every.count() == 0 || state_->config.to.empty()) return Ok();
    if (!state_->last_error.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "the last backup failed: {}", state_->last_error)
            .WithHint("it is tried again; `tarn backup` tries at once");
    }
    Timestamp now = state_->dependencies.env.clock().Now();
    Timestamp since = FromMicros(std::max(ToMicros(state_->started_at), Micros(state_->last_success)));
    Duration age = now - since;
    if (age <= 2 * state_->config.every + kGrace) return Ok();
    return Error(ErrorCode::kFailedPrecondition, "there was no backup for {}",
                 FormatDuration(std::chrono::floor<std::chrono::minutes>(age)))
        .WithHint("`tarn backup` makes one now; the log says what keeps the schedule");
}

Result<BackupOutcome> BackUpStopped(Env& env, const metadata::StateDirectory& state, const std::string& version,
                                    const BackupOrder& order) {
    Duration start = env.clock().Monotonic();
    auto store = TRY(BackupStore::Open(env, order.to));
    auto lock = TRY(store->Lock());
    auto copier = TRY(Copier::Start(env, *store, state.platform_id(), nullptr));
    BackupSummary summary;
    summary.at = env.clock().Now();
    TRY(CopySmallFiles(env, *copier, state.path()));
    TRY(CopyDatabases(env, *copier, state.path(), true));
    TRY(CopyAudit(env, *copier, state.path(), std::nullopt));
    TRY(CopyBuffer(*copier, state.path(), TRY(BufferOfStopped(env, state.path()))));
    TRY(CopyLake(env, *copier, state.path(), nullptr));
    summary.name = ManifestNameOf(summary.at, env.random().Hex(kSuffixBytes));
    summary.platform_id = state.platform_id();
    summary.version = version;
    summary.state_format = metadata::StateDirectory::kFormat;
    summary.took = env.clock().Monotonic() - start;
    BackupOutcome outcome;
    outcome.backup = TRY(copier->Finish(std::move(summary)));
    outcome.place = store->place();
    outcome.pruned = TRY(Prune(*store, order.keep.value_or(0), nullptr));
    return outcome;
}

}  // namespace tarn::access
