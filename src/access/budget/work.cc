#include "access/budget/work.h"

namespace tarn::access {
namespace {

constexpr std::chrono::seconds kWaitOfPeople{3};    // they hold a thread of a listener meanwhile
constexpr std::chrono::seconds kWaitOfProgram{60};  // then the run fails, and is tried again
constexpr std::chrono::seconds kWaitOfRole{10};     // for another statement of the role to end
constexpr int kWaitingOfRole = 8;  // statements of a role that wait; fewer than listeners have threads

}  // namespace

Work::Work(Env& env, Metrics& metrics, LimitsConfig limits)
    : env_(env),
      metrics_(metrics),
      waited_(metrics.GetCounter("tarn_budget_waits_total", "Statements that waited for memory")),
      refused_(metrics.GetCounter("tarn_budget_refused_total", "Files and calls refused for want of room",
                                  {{"of", "memory"}})),
      limits_(std::move(limits)) {}

std::string Work::RoleUnderLock(const security::Principal& principal) const {
    std::string chosen;
    int64_t most = -1;
    if (principal.IsSystem()) return chosen;
    for (const auto& [role, limits] : limits_) {
        int64_t queries = limits.queries > 0 ? limits.queries : INT64_MAX;
        if (!principal.HasRole(role) || queries <= most) continue;
        chosen = role;
        most = queries;
    }
    return chosen;
}

std::string Work::RoleOf(const security::Principal& principal) {
    std::lock_guard lock(mutex_);
    return RoleUnderLock(principal);
}

void Work::SetLimits(LimitsConfig limits) {
    std::lock_guard lock(mutex_);
    limits_ = std::move(limits);
    changed_.notify_all();
}

Error Work::Past(const std::string& role, const char* of, Error error) {
    metrics_.GetCounter("tarn_limits_refused_total", "What a role's limits refused", {{"role", role}, {"of", of}})
        .Add();
    return std::move(error).WithHint(fmt::format("the limit is `limits.{}.{}` in tarn.yaml", role, of));
}

Status Work::WaitForRole(std::unique_lock<std::mutex>& lock, const std::string& role) {
    auto may_begin = [&] {
        auto limits = limits_.find(role);  // which a reload may change
        return limits == limits_.end() || limits->second.queries == 0 || roles_[role].running < limits->second.queries;
    };
    if (may_begin()) return Ok();
    bool begun = false;
    if (roles_[role].waiting < kWaitingOfRole) {
        ++roles_[role].waiting;
        begun = changed_.wait_for(lock, kWaitOfRole, may_begin);
        --roles_[role].waiting;
    }
    if (begun) return Ok();
    Error error(ErrorCode::kResourceExhausted, "people with the role {} have {} statements under way, as many as may",
                role, roles_[role].running);
    return Past(role, "queries", std::move(error).WithDetailCode("53300"));
}

Result<std::unique_ptr<Work::Place>> Work::Begin(const security::Principal& principal, std::function<void()> cancel) {
    std::unique_lock lock(mutex_);
    std::string role = RoleUnderLock(principal);
    if (!role.empty()) TRY(WaitForRole(lock, role));
    RoleLimits limits = role.empty() ? RoleLimits() : limits_[role];
    if (!role.empty()) ++roles_[role].running;
    int64_t number = next_++;
    auto place = std::make_unique<Place>(*this, number, role, limits);
    auto may_begin = [&] { return !is_short_ || entries_.empty(); };
    if (!may_begin()) {
        waited_.Add();
        bool in_time = changed_.wait_for(lock, principal.IsSystem() ? kWaitOfProgram : kWaitOfPeople, may_begin);
        if (!in_time) {
            refused_.Add();
            if (!role.empty()) --roles_[role].running;
            changed_.notify_all();
            lock.unlock();
            return Error(ErrorCode::kResourceExhausted, "the platform is short of memory: no statement is begun now")
                .WithDetailCode("53200")
                .WithHint("try again in a moment; `budget.memory` in tarn.yaml is what all together may take");
        }
    }
    Entry entry{.of_program = principal.IsSystem(),
                .cancel = std::move(cancel),
                .ended = {},
                .role = role,
                .deadline = {},
                .time = limits.time};
    if (limits.time.count() > 0) entry.deadline = env_.clock().Monotonic() + limits.time;
    entries_[number] = std::move(entry);
    return place;
}

void Work::End(int64_t number) {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(number);
    if (found == entries_.end()) return;
    if (!found->second.role.empty()) --roles_[found->second.role].running;
    entries_.erase(found);
    changed_.notify_all();
}

Result<std::shared_ptr<void>> Work::BeginCall(const security::Principal& principal) {
    std::lock_guard lock(mutex_);
    std::string role = RoleUnderLock(principal);
    if (role.empty() || limits_[role].calls == 0) return std::shared_ptr<void>();
    if (roles_[role].calls >= limits_[role].calls) {
        Error error(ErrorCode::kResourceExhausted, "people with the role {} have {} S3 calls under way, as many as may",
                    role, roles_[role].calls);
        return Past(role, "calls", std::move(error).WithDetailCode("SlowDown"));
    }
    ++roles_[role].calls;
    // Shared as whoever holds it knows nothing of what it is.
    return std::shared_ptr<void>(nullptr, [this, role](void*) { EndCall(role); });
}

void Work::EndCall(const std::string& role) {
    std::lock_guard lock(mutex_);
    --roles_[role].calls;
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

void Work::EndLate() {
    Duration now = env_.clock().Monotonic();
    std::lock_guard lock(mutex_);
    for (auto& [number, entry] : entries_) {
        if (entry.ended || !entry.deadline || now < *entry.deadline) continue;
        Error error(ErrorCode::kTimeout, "the statement took longer than the {} that the role {} may",
                    FormatDuration(entry.time), entry.role);
        entry.ended = Past(entry.role, "time", std::move(error).WithDetailCode("57014"));
        entry.cancel();
    }
}

size_t Work::running() {
    std::lock_guard lock(mutex_);
    return entries_.size();
}

}  // namespace tarn::access
