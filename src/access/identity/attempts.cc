#include "access/identity/attempts.h"

#include <algorithm>

namespace tarn::identity {

Attempts::Key Attempts::KeyOf(std::string_view remote, std::string_view user) {
    return {std::string(remote.substr(0, 64)), std::string(user.substr(0, 64))};
}

Duration Attempts::WaitAfter(int failures) {
    if (failures < kFree) return Duration(0);
    int doublings = std::min(failures - kFree, 20);
    return std::min<Duration>(kWaitMax, kFirstWait * (int64_t{1} << doublings));
}

// Forgets what is old; when nothing is, the entry that was quiet for longest.
void Attempts::Evict(Duration now) {
    std::erase_if(entries_, [&](const auto& item) { return now - item.second.last > kForgottenAfter; });
    if (entries_.size() < kEntriesMax) return;
    auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& left, const auto& right) {
        return left.second.last < right.second.last;
    });
    entries_.erase(oldest);
}

Status Attempts::Begin(std::string_view remote, std::string_view user) {
    Duration now = clock_.Monotonic();
    std::lock_guard lock(mutex_);
    auto found = entries_.find(KeyOf(remote, user));
    if (found == entries_.end()) return Ok();
    Entry& entry = found->second;
    if (now - entry.last > kForgottenAfter) {
        entries_.erase(found);
        return Ok();
    }
    if (entry.failures < kFree) return Ok();
    Duration wait = entry.last + WaitAfter(entry.failures) - now;
    if (wait.count() > 0) {
        auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
        return Error(ErrorCode::kResourceExhausted, "too many failed logins: try again in {} s", seconds);
    }
    entry.last = now;
    return Ok();
}

void Attempts::Failed(std::string_view remote, std::string_view user) {
    Duration now = clock_.Monotonic();
    std::lock_guard lock(mutex_);
    if (entries_.size() >= kEntriesMax) Evict(now);
    Entry& entry = entries_[KeyOf(remote, user)];
    ++entry.failures;
    entry.last = now;
}

void Attempts::Succeeded(std::string_view remote, std::string_view user) {
    std::lock_guard lock(mutex_);
    entries_.erase(KeyOf(remote, user));
}

}  // namespace tarn::identity
