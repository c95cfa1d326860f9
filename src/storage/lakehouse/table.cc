#include "storage/lakehouse/table.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "storage/lakehouse/checkpoint_writer.h"
#include "storage/lakehouse/features.h"

namespace tarn::lakehouse {
namespace {

constexpr int kCommitAttemptsMax = 200;
constexpr int64_t kCheckpointInterval = 10;
// A snapshot of more files is built for each open: keeping it would cost hundreds of megabytes.
constexpr size_t kCachedFilesMax = 50'000;

int64_t CheckpointInterval(const Metadata& metadata) {
    std::string text = metadata.Property("delta.checkpointInterval");
    int64_t interval = 0;
    std::from_chars(text.data(), text.data() + text.size(), interval);
    return interval > 0 ? interval : kCheckpointInterval;
}

Error Conflict(const TableLocation& location, std::string_view what) {
    return Error(ErrorCode::kConflict, "{} was changed by another writer meanwhile: {}", location.ToString(), what)
        .WithHint("run the write again");
}

}  // namespace

std::string NewUuid(Random& random) {
    std::string hex = random.Hex(16);
    hex[12] = '4';
    hex[16] = "89ab"[static_cast<size_t>(hex[16]) % 4];
    return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4),
                       hex.substr(20));
}

Table::Table(LakehouseDependencies dependencies, CheckpointRows& checkpoints, TableLocation location)
    : dependencies_(dependencies),
      checkpoints_(checkpoints),
      location_(std::move(location)),
      self_(security::Principal::System("lakehouse")),
      log_(dependencies.lake, checkpoints, location_) {}

Status Table::RefreshLocked() {
    uint64_t changes = dependencies_.lake.Changes(location_.bucket);
    if (state_ && known_changes_ == changes) return Ok();
    int64_t known_version = state_ ? state_->version : -1;
    std::string known_commit = state_ ? state_->commit_id : "";
    auto next = state_ ? log_.Refresh(std::move(state_)) : log_.Load();
    state_.reset();
    if (!next.ok()) {
        snapshot_.reset();
        return std::move(next).error();
    }
    state_ = std::move(*next);
    known_changes_ = changes;
    if (state_->version != known_version || state_->commit_id != known_commit) snapshot_.reset();
    return Ok();
}

Result<std::shared_ptr<const TableState>> Table::Newest() {
    std::lock_guard lock(mutex_);
    TRY(RefreshLocked());
    return std::shared_ptr<const TableState>(state_);
}

Result<std::shared_ptr<const Snapshot>> Table::NewestSnapshot() {
    std::lock_guard lock(mutex_);
    TRY(RefreshLocked());
    if (snapshot_) return snapshot_;
    auto snapshot = TRY(BuildSnapshot(dependencies_.lake, location_, *state_, vectors_));
    if (snapshot->files.size() <= kCachedFilesMax) snapshot_ = snapshot;
    return snapshot;
}

Result<std::shared_ptr<const Snapshot>> Table::SnapshotAt(const engine::AtClause& at) {
    DeltaLog log = NewLog();
    int64_t version = at.version ? *at.version : TRY(log.VersionAt(*at.timestamp));
    {
        std::lock_guard lock(mutex_);
        if (snapshot_ && snapshot_->version == version && RefreshLocked().ok() && snapshot_ &&
            snapshot_->version == version) {
            return snapshot_;
        }
    }
    auto state = TRY(log.Load(version));
    VectorCache vectors;
    return BuildSnapshot(dependencies_.lake, location_, *state, vectors);
}

Result<std::shared_ptr<const Snapshot>> Table::SnapshotOf(const TableState& state) {
    std::lock_guard lock(mutex_);
    if (snapshot_ && state_.get() == &state) return snapshot_;
    VectorCache vectors = vectors_;
    return BuildSnapshot(dependencies_.lake, location_, state, vectors);
}

void Table::Forget() {
    std::lock_guard lock(mutex_);
    state_.reset();
    snapshot_.reset();
    vectors_.clear();
}

// The rules of the protocol for a plan that was made from an older version than `current`.
Status Table::CheckAgainst(const CommitPlan& plan, const TableState* current) const {
    if (!plan.base || !current) {
        if (!plan.base && !current) return Ok();
        return Conflict(location_, plan.base ? "the table was dropped" : "the table was created");
    }
    if (current->version == plan.base->version && current->commit_id == plan.base->commit_id) return Ok();
    if (current->metadata.id != plan.base->metadata.id) return Conflict(location_, "the table was made anew");
    if (!(current->protocol == plan.base->protocol)) return Conflict(location_, "its protocol changed");
    if (!(current->metadata == plan.base->metadata)) return Conflict(location_, "its schema or properties changed");
    if (!plan.blind_append)
        return Conflict(location_, fmt::format("version {} is newer than what was read", current->version));
    return Ok();
}

Result<std::string> Table::Render(const CommitPlan& plan, int64_t version, const std::string& transaction_id) const {
    CommitInfo info;
    OrderedJson json;
    json["timestamp"] = ToMillis(dependencies_.env.clock().Now());
    for (auto& [key, value] : plan.info.items()) json[key] = value;
    if (version > 0) json["readVersion"] = version - 1;
    json["isBlindAppend"] = plan.blind_append;
    json["engineInfo"] = "tarn/0.1";
    json["txnId"] = transaction_id;
    info.json = json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
    std::string text = ToJsonLine(std::move(info)) + "\n";
    if (plan.protocol) text += ToJsonLine(*plan.protocol) + "\n";
    if (plan.metadata) text += ToJsonLine(*plan.metadata) + "\n";
    if (plan.transaction) text += ToJsonLine(*plan.transaction) + "\n";
    for (const RemoveFile& file : plan.removes) text += ToJsonLine(file.Clone()) + "\n";
    for (const AddFile& file : plan.adds) text += ToJsonLine(file.Clone()) + "\n";
    return text;
}

Result<bool> Table::IsOurs(int64_t version, const std::string& transaction_id) {
    DeltaLog log = NewLog();
    auto header = log.ReadHeader(version);
    if (header.ok()) return header->info_json.find(transaction_id) != std::string::npos;
    if (header.error().code() == ErrorCode::kNotFound) return false;
    return std::move(header).error();
}

Result<CommitOutcome> Table::Commit(CommitPlan& plan, bool& uncertain) {
    uncertain = false;
    std::string transaction_id = NewUuid(dependencies_.env.random());
    std::lock_guard commit_lock(commit_mutex_);
    for (int attempt = 0; attempt < kCommitAttemptsMax; ++attempt) {
        auto newest = Newest();
        if (!newest.ok() && newest.error().code() != ErrorCode::kNotFound) return std::move(newest).error();
        const TableState* current = newest.ok() ? newest->get() : nullptr;
        if (current && plan.transaction) {
            auto mark = current->transactions.find(plan.transaction->application);
            if (mark != current->transactions.end() && mark->second.version >= plan.transaction->version) {
                return CommitOutcome{.version = current->version, .was_there = true};
            }
        }
        TRY(CheckAgainst(plan, current));
        int64_t version = current ? current->version + 1 : 0;
        std::string text = TRY(Render(plan, version, transaction_id));
        if (newest.ok()) newest->reset();  // so that the next refresh need not copy the state
        auto put = dependencies_.lake.PutBytes(self_, location_.LogName(CommitFileName(version)), AsBytes(text),
                                               {.if_absent = true, .content_type = "application/json"});
        if (put.ok()) {
            MaybeCheckpoint(version);
            return CommitOutcome{.version = version};
        }
        if (put.error().code() == ErrorCode::kAlreadyExists) continue;  // lost the race: look what came before us
        // The put may have failed before or after its own point of no return.
        auto ours = IsOurs(version, transaction_id);
        if (ours.ok() && *ours) return CommitOutcome{.version = version};
        uncertain = !ours.ok();
        return std::move(put).error().Context("committing to " + location_.ToString());
    }
    return Conflict(location_, fmt::format("{} commits came first", kCommitAttemptsMax));
}

// A checkpoint only saves time: a failure is logged, and the commit stands.
void Table::MaybeCheckpoint(int64_t version) {
    if (version == 0) return;
    auto state = Newest();
    if (!state.ok() || (*state)->version % CheckpointInterval((*state)->metadata) != 0) return;
    const auto& features = (*state)->protocol.writer_features;
    if (std::find(features.begin(), features.end(), "v2Checkpoint") != features.end()) return;
    auto written = WriteCheckpoint(dependencies_, location_, **state);
    if (written.ok()) return;
    dependencies_.log.Warning("no checkpoint was written",
                              {{"table", location_.ToString()}, {"error", written.error().message()}});
}

Table::RunningWrite::RunningWrite(Table& table) : table_(table), started_at_(table.dependencies_.env.clock().Now()) {
    std::lock_guard lock(table_.mutex_);
    table_.running_writes_.insert(started_at_);
}

Table::RunningWrite::~RunningWrite() {
    std::lock_guard lock(table_.mutex_);
    table_.running_writes_.erase(table_.running_writes_.find(started_at_));
}

std::optional<Timestamp> Table::OldestWrite() {
    std::lock_guard lock(mutex_);
    if (running_writes_.empty()) return std::nullopt;
    return *running_writes_.begin();
}

}  // namespace tarn::lakehouse
