// What runs within the budget: statements and S3 calls, each for somebody whose role may have limits. Shared by the
// engine's wrapping, the S3 listener and the watch.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "access/budget/config.h"
#include "base/env.h"
#include "base/metrics.h"
#include "security/principal.h"

namespace tarn::access {

class Work {
  public:
    // One statement under way. Gives its place back when it ends.
    class Place {
      public:
        Place(Work& work, int64_t number, std::string role, RoleLimits limits)
            : role(std::move(role)), limits(limits), work_(work), number_(number) {}
        ~Place() { work_.End(number_); }
        Place(const Place&) = delete;
        // Why it was ended from outside, if it was.
        std::optional<Error> ended() const { return work_.EndedFor(number_); }
        Error Past(const char* of, Error error) const { return work_.Past(role, of, std::move(error)); }

        const std::string role;  // whose limits hold; empty: nobody's
        const RoleLimits limits;

      private:
        Work& work_;
        const int64_t number_;
    };

    Work(Env& env, Metrics& metrics, LimitsConfig limits);

    // Waits while memory is short, unless nothing else runs: one statement always goes on; and for a place among those
    // of the role. `cancel` may be called from another thread until the place is given back. kResourceExhausted after
    // a while.
    Result<std::unique_ptr<Place>> Begin(const security::Principal& principal, std::function<void()> cancel);
    // A place for an S3 call, held until it is dropped; null where the role has no limit. Never waits.
    Result<std::shared_ptr<void>> BeginCall(const security::Principal& principal);
    // The role whose limits hold for somebody: of several the one that lets most run at once. Empty: none.
    std::string RoleOf(const security::Principal& principal);

    void SetLimits(LimitsConfig limits);
    void SetShort(bool is_short);
    // Cancels the youngest statement, a person's before the program's own, telling it `error`. False: nothing runs.
    bool EndYoungest(const Error& error);
    // Cancels those that have run for longer than their role may.
    void EndLate();
    size_t running();
    // The error of a statement past a limit of its role, counted. `of` is the limit's key.
    Error Past(const std::string& role, const char* of, Error error);

  private:
    struct Entry {
        bool of_program = false;
        std::function<void()> cancel;
        std::optional<Error> ended;
        std::string role;
        std::optional<Duration> deadline;
        Duration time{0};
    };
    struct Role {
        int running = 0;
        int waiting = 0;
        int calls = 0;
    };
    void End(int64_t number);
    void EndCall(const std::string& role);
    std::optional<Error> EndedFor(int64_t number);
    std::string RoleUnderLock(const security::Principal& principal) const;
    Status WaitForRole(std::unique_lock<std::mutex>& lock, const std::string& role);

    Env& env_;
    Metrics& metrics_;
    Counter& waited_;
    Counter& refused_;
    std::mutex mutex_;
    std::condition_variable changed_;
    LimitsConfig limits_;
    std::map<std::string, Role> roles_;
    std::map<int64_t, Entry> entries_;
    int64_t next_ = 1;
    bool is_short_ = false;
};

}  // namespace tarn::access
