// Renames: the runs of a task that is renamed go on under its new name, and who read it does not run anew for that.
#include <algorithm>
#include <set>

#include "ingestion/orchestrator/scheduler.h"

namespace tarn::orchestrator {
namespace {

constexpr Duration kHoldWaitMax = std::chrono::seconds(10);
constexpr Duration kHoldLook = std::chrono::milliseconds(20);

using Texts = std::map<std::string, std::string>;

// `after` names tasks or datasets.
std::string NewName(const workspace::NewNames& names, const std::string& name) {
    return name.find(':') == std::string::npos ? names.OfDataset(name) : names.OfTask(name);
}

bool RenameKeys(const workspace::NewNames& names, Texts& texts) {
    Texts renamed;
    for (auto& [name, value] : texts) renamed[NewName(names, name)] = value;
    bool differs = renamed != texts;
    texts = std::move(renamed);
    return differs;
}

Status MoveTask(metadata::Transaction& transaction, const std::string& from, const std::string& to) {
    // A task that had the name before is another one: what is remembered of it must not be taken for this one's. Its
    // events stay, as the numbers of runs go on from them.
    TRY(transaction.Execute("UPDATE run_events SET task = $2 WHERE task = $1", {to, to + "~gone"}));
    for (const char* table : {"run_events", "runs", "run_definitions"}) {
        TRY(transaction.Execute(fmt::format("UPDATE {} SET task = $2 WHERE task = $1", table), {from, to}));
    }
    return Ok();
}

}  // namespace

Status RunLog::MoveNames(const workspace::Renames& renames, metadata::Transaction& transaction) {
    workspace::NewNames names(renames);
    std::set<std::string> tasks;
    for (const char* table : {"run_events", "runs", "run_definitions"}) {
        for (const metadata::Row& row : TRY(transaction.Query(fmt::format("SELECT DISTINCT task FROM {}", table)))) {
            tasks.insert(row[0].text());
        }
    }
    for (const std::string& task : tasks) {
        std::string renamed = names.OfTask(task);
        if (renamed != task) TRY(MoveTask(transaction, task, renamed));
    }
    auto rows = TRY(transaction.Query(
        "SELECT seq, event FROM run_events WHERE event LIKE '%\"inputs\"%' OR event LIKE '%\"after\"%'"));
    for (const metadata::Row& row : rows) {
        Event event = TRY(EventFromJson(TRY(ParseJson(row[1].text()))));
        bool inputs = RenameKeys(names, event.input_versions);
        bool after = RenameKeys(names, event.after);
        if (!inputs && !after) continue;
        TRY(transaction.Execute("UPDATE run_events SET event = $2 WHERE seq = $1",
                                {row[0].integer(), DumpJson(ToJson(event))}));
    }
    return Ok();
}

Status RunLog::LoadKept() {
    kept_.clear();
    auto rows = TRY(metadata_->Query("SELECT task, fingerprint FROM run_definitions ORDER BY run"));
    for (const metadata::Row& row : rows) kept_[row[0].text()] = row[1].text();
    return Ok();
}

// Nothing is written to the log and nothing starts meanwhile; after the names have moved nothing starts before the new
// graph is there.
struct Scheduler::Hold {
    explicit Hold(Scheduler& held) : scheduler(held), emit_lock(held.emit_mutex_, std::defer_lock) {}
    ~Hold() {
        if (!emit_lock.owns_lock()) return;
        std::lock_guard lock(scheduler.mutex_);
        scheduler.held_ = scheduler.held_ && moved;
    }
    Scheduler& scheduler;
    std::unique_lock<std::mutex> emit_lock;
    bool moved = false;
};

Result<std::shared_ptr<void>> Scheduler::HoldFor(const workspace::Renames& renames) {
    workspace::NewNames names(renames);
    // A scope guard; the scheduler only looks whether it is still there.
    auto hold = std::make_shared<Hold>(*this);
    Duration until = env_.clock().Monotonic() + kHoldWaitMax;
    while (true) {
        hold->emit_lock.lock();
        std::string busy;
        {
            std::lock_guard lock(mutex_);
            if (failure_) return Error(*failure_);
            for (const auto& [lane, active] : active_) {
                if (names.OfTask(active->spec().id) != active->spec().id) {
                    busy = fmt::format("run {} of {}", active->run_id(), active->spec().id);
                }
            }
            held_ = busy.empty();
        }
        if (busy.empty()) break;
        hold->emit_lock.unlock();
        if (env_.clock().Monotonic() > until) {
            return Error(ErrorCode::kUnavailable, "{} is under way, and is to be renamed: nothing was applied", busy)
                .WithHint("apply again when it has ended, or cancel it");
        }
        env_.clock().Sleep(kHoldLook);
    }
    hold_ = hold;
    return std::shared_ptr<void>(std::move(hold));
}

Status Scheduler::NamesMoved(const workspace::Renames& renames) {
    workspace::NewNames names(renames);
    State fresh;
    TRY(run_log_.Replay(fresh));
    TRY(run_log_.LoadKept());
    std::lock_guard lock(mutex_);
    std::vector<TaskSpec> specs;
    for (auto& [id, spec] : state_.specs) {
        spec.id = names.OfTask(spec.id);
        spec.dataset = names.OfDataset(spec.dataset);
        for (std::string& input : spec.inputs) input = names.OfDataset(input);
        for (std::string& before : spec.after) before = NewName(names, before);
        specs.push_back(std::move(spec));
    }
    fresh.places = state_.places;
    fresh.pools = state_.pools;
    fresh.up_since = state_.up_since;
    fresh.last_run = std::max(fresh.last_run, state_.last_run);
    TRY(SetGraph(fresh, std::move(specs)));
    state_ = std::move(fresh);
    ++graph_;
    if (auto hold = hold_.lock()) hold->moved = true;
    return Ok();
}

workspace::RenameFollower Scheduler::FollowRenames() {
    return {.hold = [this](const workspace::Renames& renames) { return HoldFor(renames); },
            .move = [](const workspace::Renames& renames,
                       metadata::Transaction& transaction) { return RunLog::MoveNames(renames, transaction); },
            .moved = [this](const workspace::Renames& renames) { return NamesMoved(renames); }};
}

}  // namespace tarn::orchestrator
