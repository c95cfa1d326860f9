// One table of the lakehouse: its log, the newest state known of it, and commits to it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/lakehouse/delta_log.h"
#include "storage/lakehouse/lakehouse.h"
#include "storage/lakehouse/snapshot_builder.h"

namespace tarn::lakehouse {

// What a write wants to become true, and what it has read.
struct CommitPlan {
    std::shared_ptr<const TableState> base;  // null: there was no table
    std::optional<Protocol> protocol;        // only if it changes
    std::optional<Metadata> metadata;
    std::vector<RemoveFile> removes;
    std::vector<AddFile> adds;
    std::optional<TransactionMark> transaction;
    OrderedJson info;  // commitInfo but for what the commit itself knows
    // Nothing of the table was read but its schema: commits of others in between do not matter.
    bool blind_append = false;
};

struct CommitOutcome {
    int64_t version = -1;
    bool was_there = false;  // the transaction was committed already, by an earlier try
};

class Table {
  public:
    Table(LakehouseDependencies dependencies, CheckpointRows& checkpoints, TableLocation location);

    // The newest state; kNotFound if there is no table (any more).
    Result<std::shared_ptr<const TableState>> Newest();
    Result<std::shared_ptr<const Snapshot>> NewestSnapshot();
    // A version of the past, read anew.
    Result<std::shared_ptr<const Snapshot>> SnapshotAt(const engine::AtClause& at);
    // A snapshot of a state that the caller holds.
    Result<std::shared_ptr<const Snapshot>> SnapshotOf(const TableState& state);

    // Writes the next entry of the log, and again behind entries of others that do not contradict it. kConflict: they
    // do; run the write again. Any other error means that nothing was committed, unless `uncertain` is set.
    Result<CommitOutcome> Commit(CommitPlan& plan, bool& uncertain);
    void Forget();
    // While it is held nothing is committed by this process: for a drop.
    std::unique_lock<std::mutex> BlockCommits() { return std::unique_lock(commit_mutex_); }

    // While one lives, Vacuum leaves alone what was written after it began.
    class RunningWrite {
      public:
        explicit RunningWrite(Table& table);
        ~RunningWrite();
        RunningWrite(const RunningWrite&) = delete;
        RunningWrite& operator=(const RunningWrite&) = delete;

      private:
        Table& table_;
        Timestamp started_at_;
    };
    // Of the oldest write under way.
    std::optional<Timestamp> OldestWrite();

    DeltaLog NewLog() const { return DeltaLog(dependencies_.lake, checkpoints_, location_); }
    const TableLocation& location() const { return location_; }
    std::atomic<uint64_t> last_used{0};

  private:
    Status RefreshLocked();
    Status CheckAgainst(const CommitPlan& plan, const TableState* current) const;
    Result<std::string> Render(const CommitPlan& plan, int64_t version, const std::string& transaction_id) const;
    Result<bool> IsOurs(int64_t version, const std::string& transaction_id);
    void MaybeCheckpoint(int64_t version);

    LakehouseDependencies dependencies_;
    CheckpointRows& checkpoints_;
    const TableLocation location_;
    security::Principal self_;

    std::mutex mutex_;  // guards the six below
    DeltaLog log_;
    // Shared with writers, whose base it is; nobody changes a state that two hold.
    std::shared_ptr<TableState> state_;
    uint64_t known_changes_ = 0;  // of the bucket, before state_ was read
    std::shared_ptr<const Snapshot> snapshot_;  // of state_; shared with readers
    VectorCache vectors_;
    std::multiset<Timestamp> running_writes_;

    std::mutex commit_mutex_;  // one commit at a time: writers of one process do not race each other
};

// "8f14e45f-ceea-467f-a8c2-..." (version 4).
std::string NewUuid(Random& random);

}  // namespace tarn::lakehouse
