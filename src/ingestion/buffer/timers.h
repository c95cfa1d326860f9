// Timers: work to be done at a time, on one thread of its own: it must be short. Internal to the component.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/env.h"

namespace tarn::buffer {

class Timers {
  public:
    using Id = uint64_t;
    explicit Timers(Clock& clock) : clock_(clock), thread_([this] { Run(); }) {}
    ~Timers() {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    Id After(Duration delay, std::function<void()> work) {
        std::lock_guard lock(mutex_);
        Duration at = clock_.Monotonic() + delay;
        Id id = next_++;
        bool first = waiting_.empty() || at < waiting_.begin()->first.first;
        waiting_.emplace(std::pair(at, id), std::move(work));
        at_[id] = at;
        if (first) changed_.notify_all();
        return id;
    }
    // It may be running at this moment; it will not begin later. Of an id that is over: nothing.
    void Cancel(Id id) {
        std::lock_guard lock(mutex_);
        auto found = at_.find(id);
        if (found == at_.end()) return;
        waiting_.erase({found->second, id});
        at_.erase(found);
    }

  private:
    void Run() {
        std::unique_lock lock(mutex_);
        while (!stopping_) {
            if (waiting_.empty()) {
                changed_.wait(lock);
                continue;
            }
            Duration left = waiting_.begin()->first.first - clock_.Monotonic();
            if (left > Duration::zero()) {
                changed_.wait_for(lock, left);
                continue;
            }
            auto work = std::move(waiting_.begin()->second);
            at_.erase(waiting_.begin()->first.second);
            waiting_.erase(waiting_.begin());
            lock.unlock();
            work();
            work = nullptr;  // what it holds is let go without the lock
            lock.lock();
        }
    }

    Clock& clock_;
    std::mutex mutex_;  // guards all below but the thread
    std::condition_variable changed_;
    std::map<std::pair<Duration, Id>, std::function<void()>> waiting_;
    std::map<Id, Duration> at_;
    Id next_ = 1;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace tarn::buffer
