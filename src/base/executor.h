// Executor: a bounded pool of threads for blocking work (engine, disk, cryptography of large objects).
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"

namespace tarn {

struct ExecutorConfig {
    const char* name = "worker";
    int threads = 4;
    size_t queue_max = 1024;
};

class Executor {
  public:
    static std::unique_ptr<Executor> Create(ExecutorConfig config);
    virtual ~Executor() = default;  // finishes what is queued
    // kResourceExhausted when the queue is full: answer "try again" early rather than fall over.
    virtual Status Submit(std::function<void()> work) = 0;
    virtual size_t queued() const = 0;
};

// Told to stop from outside; shared between who asks and who works (hence the shared_ptr inside). Any thread.
class CancelToken {
  public:
    CancelToken();
    void Cancel();
    bool cancelled() const;
    // Runs `action` at Cancel (at once if it was already); returns when removed by destroying the handle.
    [[nodiscard]] std::shared_ptr<void> OnCancel(std::function<void()> action) const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace tarn
