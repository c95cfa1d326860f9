#include "analysis/query/deadlines.h"

#include <algorithm>
#include <utility>

namespace tarn::query {
namespace {
constexpr Duration kAgain = std::chrono::milliseconds(50);
}  // namespace

Deadlines::Deadlines(Clock& clock) : clock_(clock), thread_([this] { Watch(); }) {}

Deadlines::~Deadlines() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Deadlines::Watch() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        Duration now = clock_.Monotonic();
        Duration wait = std::chrono::hours(1);
        for (auto& [id, entry] : entries_) {
            if (entry.next <= now) {
                entry.expired = true;
                entry.cancel();
                entry.next = now + kAgain;
            }
            wait = std::min(wait, entry.next - now);
        }
        changed_.wait_for(lock, wait);
    }
}

Deadlines::Guard::Guard(Deadlines& deadlines, int64_t timeout_ms, std::function<void()> cancel)
    : deadlines_(deadlines) {
    if (timeout_ms <= 0) return;
    {
        std::lock_guard lock(deadlines_.mutex_);
        id_ = deadlines_.next_id_++;
        Duration next = deadlines_.clock_.Monotonic() + std::chrono::milliseconds(timeout_ms);
        deadlines_.entries_[id_] = {next, std::move(cancel), false};
    }
    deadlines_.changed_.notify_all();
}

Deadlines::Guard::~Guard() {
    if (id_ == 0) return;
    std::lock_guard lock(deadlines_.mutex_);
    deadlines_.entries_.erase(id_);
}

bool Deadlines::Guard::expired() const {
    if (id_ == 0) return false;
    std::lock_guard lock(deadlines_.mutex_);
    return deadlines_.entries_.at(id_).expired;
}

}  // namespace tarn::query
