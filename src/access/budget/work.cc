#include "access/budget/work.h"

namespace tarn::access {
namespace {

constexpr std::chrono::seconds kWaitOfPeople{3};    // they hold a thread of a listener meanwhile
constexpr std::chrono::seconds kWaitOfProgram{60};  // then the run fails, and is tried again

}  // namespace

Work::Work(Env& env, Metrics& metrics)
    : env_(env),
      waited_(metrics.GetCounter("tarn_budget_waits_total", "Statements that waited for memory")),
      refused_(metrics.GetCounter("tarn_budget_refused_total", "Files and calls refused for want of room",
                                  {{"of", "memory"}})) {}

Result<std::unique_ptr<Work::Place>> Work::Begin(const security::Principal& principal, std::function<void()> cancel) {
    std::unique_lock lock(mutex_);
    auto may_begin = [&] { return !is_short_ || entries_.empty(); };
    if (!may_begin()) {
        waited_.Add();
        bool in_time = changed_.wait_for(lock, principal.IsSystem() ? kWaitOfProgram : kWaitOfPeople, may_begin);
        if (!in_time) {
            refused_.Add();
            return Error(ErrorCode::kResourceExhausted, "the platform is short of memory: no statement is begun now")
                .WithDetailCode("53200")
                .WithHint("try again in a moment; `budget.memory` in tarn.yaml is what all together may take");
        }
    }
    int64_t number = next_++;
    entries_[number] = {principal.IsSystem(), std::move(cancel), std::nullopt};
    return std::make_unique<Place>(*this, number);
}

void Work::End(int64_t number) {
    std::lock_guard lock(mutex_);
    entries_.erase(number);
    changed_.notify_all();
}

std::optional<Error> Work::EndedFor(int64_t number) {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(number);
    return found == entries_.end() ? std::nullopt : found->second.ended;
}

void Work::SetShort(bool is_short) {
    std::lock_guard lock(mutex_);
    is_short_ = is_short;
    changed_.notify_all();
}

bool Work::EndYoungest(const Error& error) {
    std::lock_guard lock(mutex_);
    Entry* chosen = nullptr;
    for (auto& [number, entry] : entries_) {
        if (entry.ended) continue;
        if (chosen == nullptr || chosen->of_program || !entry.of_program) chosen = &entry;
    }
    if (chosen == nullptr) return false;
    chosen->ended = error;
    chosen->cancel();
    return true;
}

size_t Work::running() {
    std::lock_guard lock(mutex_);
    return entries_.size();
}

}  // namespace tarn::access
