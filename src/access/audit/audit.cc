#include "access/audit/audit.h"

#include <algorithm>

#include "access/audit/audit_state.h"
#include "access/audit/event_json.h"
#include "access/audit/recovery.h"
#include "metadata/state_directory.h"

namespace tarn::access {
namespace {

constexpr auto kHousekeepingEvery = std::chrono::seconds(1);
constexpr auto kFlushEveryMax = std::chrono::milliseconds(50);
constexpr int64_t kSegmentBytesMin = 1;

security::AuditEvent RecoveryEvent(std::string operation, Json details) {
    return OwnEvent("audit:Recover", std::move(operation), std::move(details));
}

}  // namespace

security::AuditEvent OwnEvent(std::string action, std::string operation, Json details) {
    security::AuditEvent event;
    event.principal = "system:audit";
    event.protocol = "internal";
    event.operation = std::move(operation);
    event.action = std::move(action);
    event.resource = "audit:*";
    event.audit_class = security::AuditClass::kAdministration;
    event.status = "ok";
    event.details = std::move(details);
    return event;
}

Result<std::optional<AuditHead>> LoadHead(metadata::Database& database) {
    auto rows = TRY(database.Query("SELECT segment, position, sequence, chain FROM audit_head WHERE id = 1"));
    if (rows.empty()) return std::optional<AuditHead>();
    AuditHead head{static_cast<uint64_t>(rows[0][0].integer()), static_cast<uint64_t>(rows[0][1].integer()),
                   static_cast<uint64_t>(rows[0][2].integer())};
    Bytes chain = rows[0][3].blob();
    if (chain.size() != head.chain.size()) {
        return Error(ErrorCode::kCorruption, "the audit log's head in the metadata is damaged");
    }
    std::copy(chain.begin(), chain.end(), head.chain.begin());
    return std::optional(head);
}

Audit::Audit(std::unique_ptr<State> state) : state_(std::move(state)) {}
Audit::~Audit() { Stop(); }

Result<std::unique_ptr<Audit>> Audit::Create(const AuditConfig& config, AuditDependencies dependencies) {
    Env& env = dependencies.env;
    if (config.flush_every <= Duration(0) || config.flush_every > kFlushEveryMax) {
        return Error(ErrorCode::kInvalidArgument, "audit.flush_every must be more than nothing and at most 50ms");
    }
    if (config.segment.bytes < kSegmentBytesMin || config.sql_rows_max < 1) {
        return Error(ErrorCode::kInvalidArgument, "audit.segment must be at least {}, audit.sql_rows_max at least 1",
                     FormatSize(kSegmentBytesMin));
    }
    TRY(metadata::CreateDirectoriesDurably(env, dependencies.folder));
    TRY(dependencies.database.Migrate(
        "audit", {{1,
                   "CREATE TABLE audit_head (id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, "
                   "position INTEGER NOT NULL, sequence INTEGER NOT NULL, chain BLOB NOT NULL)"}}));
    auto known = TRY(LoadHead(dependencies.database));
    Secret key = TRY_CONTEXT(dependencies.keys.KeyOf("audit"), "the audit log's key");
    auto state = std::make_unique<State>(config, dependencies, std::move(key));
    Recovered recovered = TRY_CONTEXT(RecoverLog(env, state->audit_key, state->folder, known), "the audit log");
    TRY_CONTEXT(state->writer.Start(recovered.end), "the audit log");
    if (known) state->stored = *known;
    state->findings = recovered.findings;
    state->metrics.findings.Set(static_cast<double>(recovered.findings.size()));
    std::unique_ptr<Audit> audit(new Audit(std::move(state)));
    for (const std::string& note : recovered.notes) {
        dependencies.log.Warning("audit log: " + note);
        TRY(audit->Append(RecoveryEvent("CutTornEnd", {{"what", note}}), security::AuditDurability::kSynced));
    }
    for (const std::string& finding : recovered.findings) {
        dependencies.log.Error("audit log is damaged: " + finding, {{"hint", "tarn audit verify"}});
        TRY(audit->Append(RecoveryEvent("FoundDamage", {{"what", finding}}), security::AuditDurability::kSynced));
    }
    if (dependencies.background) {
        audit->state_->background = std::thread([self = audit.get()] { self->RunBackground(); });
    }
    return audit;
}

Status Audit::Append(const security::AuditEvent& event, security::AuditDurability durability) {
    std::string json = EncodeEvent(event, state_->env.clock().Now());
    uint64_t sequence = TRY(state_->writer.Append(AsBytes(json)));
    if (durability == security::AuditDurability::kWritten) return Ok();
    return state_->writer.SyncThrough(sequence);
}

Status Audit::Flush() { return state_->writer.SyncThrough(state_->writer.written().sequence); }

// Only what is synced may be known to the metadata: after a power cut, a record it knows must be there.
Status Audit::StoreHead() {
    AuditHead head = state_->writer.synced();
    {
        std::lock_guard lock(state_->mutex);
        if (head == state_->stored) return Ok();
    }
    Status status = state_->database.Write([&](metadata::Transaction& transaction) -> Status {
        TRY(
            transaction.Execute("INSERT INTO audit_head (id, segment, position, sequence, chain) "
                                "VALUES (1, $1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET segment = excluded.segment, "
                                "position = excluded.position, sequence = excluded.sequence, chain = excluded.chain",
                                {static_cast<int64_t>(head.segment), static_cast<int64_t>(head.offset),
                                 static_cast<int64_t>(head.sequence), Bytes(head.chain.begin(), head.chain.end())}));
        return Ok();
    });
    std::lock_guard lock(state_->mutex);
    if (status.ok()) state_->stored = head;
    state_->store_status = status;
    return status;
}

void Audit::CheckFile() {
    Status status = state_->writer.CheckFile();
    if (status.ok() || !state_->writer.stopped().ok()) return;
    state_->log.Error("the audit log has stopped: " + status.error().message());
    state_->writer.Stop(std::move(status).error());
}

void Audit::RunBackground() {
    // Nothing that is written depends on when this thread wakes.
    Duration housekept = state_->env.clock().Monotonic();
    std::unique_lock lock(state_->mutex);
    while (!state_->stopping) {
        state_->wake.wait_for(lock, state_->config.flush_every);
        lock.unlock();
        (void)Flush().ok();  // a failure has stopped the log, and every Append tells it
        Duration now = state_->env.clock().Monotonic();
        if (now - housekept >= kHousekeepingEvery) {
            housekept = now;
            CheckFile();
            Status stored = StoreHead();
            if (!stored.ok()) state_->log.Warning("the audit log's head was not stored: " + stored.error().message());
        }
        lock.lock();
    }
}

void Audit::Stop() {
    {
        std::lock_guard lock(state_->mutex);
        if (std::exchange(state_->stopping, true)) return;
    }
    state_->wake.notify_all();
    if (state_->background.joinable()) state_->background.join();
    Status status = Flush();
    if (status.ok()) status = StoreHead();
    if (!status.ok()) state_->log.Error("the audit log did not stop cleanly: " + status.error().message());
    state_->writer.Stop(Error(ErrorCode::kUnavailable, "the audit log has been closed"));
}

Status Audit::Health() const {
    TRY(state_->writer.stopped());
    if (!state_->findings.empty()) {
        return Error(ErrorCode::kCorruption, "the audit log is damaged: {}", state_->findings.front())
            .WithHint("tarn audit verify lists what is wrong");
    }
    std::lock_guard lock(state_->mutex);
    return state_->store_status;
}

AuditHead Audit::head() const { return state_->writer.synced(); }

}  // namespace tarn::access
