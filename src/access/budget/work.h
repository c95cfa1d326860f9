// What runs within the budget: statements, in the order of their start. Shared by the engine's wrapping and the watch.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/env.h"
#include "base/metrics.h"
#include "security/principal.h"

namespace tarn::access {

class Work {
  public:
    // One statement under way. Gives its place back when it ends.
    class Place {
      public:
        Place(Work& work, int64_t number) : work_(work), number_(number) {}
        ~Place() { work_.End(number_); }
        Place(const Place&) = delete;
        // Why it was ended from outside, if it was.
        std::optional<Error> ended() const { return work_.EndedFor(number_); }

      private:
        Work& work_;
        const int64_t number_;
    };

    Work(Env& env, Metrics& metrics);

    // Waits while memory is short, unless nothing else runs: one statement always goes on. `cancel` may be called from
    // another thread until the place is given back. kResourceExhausted after a while.
    Result<std::unique_ptr<Place>> Begin(const security::Principal& principal, std::function<void()> cancel);

    void SetShort(bool is_short);
    // Cancels the youngest statement, a person's before the program's own, telling it `error`. False: nothing runs.
    bool EndYoungest(const Error& error);
    size_t running();

  private:
    struct Entry {
        bool of_program = false;
        std::function<void()> cancel;
        std::optional<Error> ended;
    };
    void End(int64_t number);
    std::optional<Error> EndedFor(int64_t number);

    Env& env_;
    Counter& waited_;
    Counter& refused_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<int64_t, Entry> entries_;
    int64_t next_ = 1;
    bool is_short_ = false;
};

}  // namespace tarn::access
