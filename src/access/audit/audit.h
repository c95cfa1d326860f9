// Audit: the log of every operation, written before its answer leaves: sealed, chained, and gap-free.
//
// Segments <state>/audit/NNNNNNNN.seg of sealed JSON records, each bound by its seal and by a chain of SHA-256 hashes
// to its place (docs/formats/audit.md). The head of the chain (the last synced record) is also kept in the metadata,
// each second and at Stop, so that a cut tail shows up to that. It never drops a record but by the rule `audit.keep`,
// from the front, proven first and told by a record; never blocks on a reader; and never cuts anything but a torn end
// beyond the known head (kept aside in the folder). Who holds the root key and can change files and metadata together
// can rewrite history: only a head kept outside shows that. Any thread. Owned by app; started before everything that
// has operations, stopped after it. Fails: a full disk refuses records (kResourceExhausted) until there is room; a
// failed write or fsync stops the log: every later Append is kIo until restart. Damage found at start is reported
// (Health, log, a record) and left to Verify.
//
//   auto audit = TRY(Audit::Create(config, {env, keys, database, log, metrics, state.PathOf("audit")}));
//   TRY(audit->Append(event, security::AuditDurability::kSynced));
//   auto page = TRY(audit->Read({.principal = "user:alice"}, 100));
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "access/audit/config.h"
#include "access/audit/head.h"
#include "base/env.h"
#include "base/log.h"
#include "base/metrics.h"
#include "metadata/metadata.h"
#include "security/audit.h"
#include "security/keys.h"
#include "security/router.h"

namespace tarn::access {

struct AuditDependencies {
    Env& env;
    security::KeyProvider& keys;
    metadata::Database& database;
    Log& log;
    Metrics& metrics;
    std::string folder;
    bool background = true;  // false: tests call Flush and StoreHead themselves
};

struct AuditEntry {
    uint64_t sequence = 0;
    Timestamp time;
    security::AuditEvent event;
};

// Empty members match everything; texts are wildcards (* and ?).
struct AuditFilter {
    std::string principal;
    std::string action;
    std::string resource;
    std::string status;
    std::optional<Timestamp> since;
    std::optional<Timestamp> until;    // exclusive
    std::optional<uint64_t> before;    // only records of a smaller sequence: the next page
};

struct AuditPage {
    std::vector<AuditEntry> entries;   // the newest first
    std::optional<uint64_t> next;      // `before` of the next page; none: there is no more
    uint64_t damaged = 0;              // records that could not be opened
};

enum class AuditIssueKind : uint8_t { kChanged, kDropped, kReordered, kCut };
std::string_view AuditIssueKindName(AuditIssueKind kind);

struct AuditIssue {
    AuditIssueKind kind = AuditIssueKind::kChanged;
    uint64_t segment = 0;
    uint64_t offset = 0;
    uint64_t sequence = 0;  // the record where it shows
    std::string message;
};

// What the log's newest record of a drop says: everything up to `through` may be gone.
struct AuditDrop {
    AuditHead through;   // the last record that was dropped
    Timestamp newest;    // of the records that were dropped
    std::string rule;    // "audit.keep 400d"
    std::string set_by;  // "tarn.yaml" or "the program's default"
    uint64_t sequence = 0;  // of the record that says so
    Timestamp at;
};

struct AuditReport {
    static constexpr size_t kIssuesMax = 100;
    uint64_t segments = 0;
    uint64_t records = 0;
    uint64_t issue_count = 0;
    std::vector<AuditIssue> issues;  // the first kIssuesMax
    AuditHead head;                  // the end of what was read
    std::optional<AuditDrop> dropped;  // the rule under which the log no longer begins with record 1
};

class Audit : public security::AuditLog {
  public:
    static Result<std::unique_ptr<Audit>> Create(const AuditConfig& config, AuditDependencies dependencies);
    ~Audit() override;  // stops

    Status Append(const security::AuditEvent& event, security::AuditDurability durability) override;
    // Syncs all, stores the head, refuses from then on.
    void Stop();
    // Ok, or what is wrong: stopped by a failure, or damage found at start.
    Status Health() const;

    // At most `limit` of what matches; reads at most kExaminedMax records, then answers with `next`.
    static constexpr uint64_t kExaminedMax = 200'000;
    Result<AuditPage> Read(const AuditFilter& filter, size_t limit) const;
    // Reads everything written so far back and proves it. Minutes for a large log; appends go on meanwhile.
    Result<AuditReport> Verify() const;
    AuditHead head() const;  // the last synced record: what may be anchored outside

    // system.audit: names and SQL types, and the newest rows as text (no value is NULL).
    static const std::vector<std::pair<std::string, std::string>>& SystemColumns();
    Result<std::vector<std::vector<std::optional<std::string>>>> SystemRows() const;

    std::vector<security::Route> Routes();

    // Removes whole segments from the front whose records are all older than `audit.keep`; returns how many records.
    // They are read back and proven first: what is damaged stays, and is the error. One thread at a time.
    Result<uint64_t> DropOld(const std::function<bool()>& stop);
    // While it is held no segment is removed: for who copies them.
    std::shared_lock<std::shared_mutex> HoldSegments() const;

    // What the background thread does: fsync what was written; keep the head in the metadata; see that the file is
    // there.
    Status Flush();
    Status StoreHead();
    void CheckFile();

  private:
    struct State;
    Status RemoveThrough(uint64_t segment);
    explicit Audit(std::unique_ptr<State> state);
    void RunBackground();
    std::unique_ptr<State> state_;
};

}  // namespace tarn::access
