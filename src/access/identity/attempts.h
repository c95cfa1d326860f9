// Attempts: the brake on guessing passwords, by (user, remote host). After a few wrong ones each further attempt waits
// twice as long as the one before, up to a limit; a success, or silence, forgets. Bounded memory. Any thread.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"

namespace tarn::identity {

class Attempts {
  public:
    static constexpr int kFree = 5;
    static constexpr Duration kFirstWait = std::chrono::seconds(1);
    static constexpr Duration kWaitMax = std::chrono::minutes(15);
    static constexpr Duration kForgottenAfter = std::chrono::minutes(30);
    static constexpr size_t kEntriesMax = 10'000;

    explicit Attempts(Clock& clock) : clock_(clock) {}
    // kResourceExhausted says how long to wait; the attempt must not be made. While the brake is on, one attempt a wait
    // is let through, however many come at once; before, any number, as pools of connections log in all at once.
    Status Begin(std::string_view remote, std::string_view user);
    void Failed(std::string_view remote, std::string_view user);
    void Succeeded(std::string_view remote, std::string_view user);
    size_t entries() const { return entries_.size(); }

  private:
    using Key = std::pair<std::string, std::string>;
    struct Entry {
        int failures = 0;
        Duration last{0};  // failure, or attempt while the brake is on
    };
    static Key KeyOf(std::string_view remote, std::string_view user);
    static Duration WaitAfter(int failures);
    void Evict(Duration now);

    Clock& clock_;
    std::mutex mutex_;
    std::map<Key, Entry> entries_;
};

}  // namespace tarn::identity
