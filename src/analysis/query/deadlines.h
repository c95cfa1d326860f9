// Ends what takes longer than its session's statement_timeout: one thread for all sessions.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/env.h"

namespace tarn::query {

class Deadlines {
  public:
    explicit Deadlines(Clock& clock);
    ~Deadlines();
    // While a Guard lives and its time is over, `cancel` is called again and again: a statement may be between two
    // steps just then, where a cancel finds nothing to end. Never after the Guard is gone.
    class Guard {
      public:
        Guard(Deadlines& deadlines, int64_t timeout_ms, std::function<void()> cancel);  // 0: no time limit
        ~Guard();
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        bool expired() const;

      private:
        Deadlines& deadlines_;
        uint64_t id_ = 0;
    };

  private:
    struct Entry {
        Duration next;  // of the monotonic clock
        std::function<void()> cancel;
        bool expired = false;
    };
    void Watch();

    Clock& clock_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::map<uint64_t, Entry> entries_;
    uint64_t next_id_ = 1;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses all the above
};

}  // namespace tarn::query
