#include "base/executor.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace tarn {
namespace {

class ThreadPool : public Executor {
  public:
    explicit ThreadPool(ExecutorConfig config) : config_(config) {
        TARN_CHECK(config_.threads > 0);
        for (int i = 0; i < config_.threads; i++) {
            threads_.emplace_back([this] { Run(); });
            // The kernel takes 15 characters; a longer name is refused, so it is cut.
            std::string name = fmt::format("{}-{}", std::string_view(config_.name).substr(0, 11), i).substr(0, 15);
            pthread_setname_np(threads_.back().native_handle(), name.c_str());
        }
    }

    ~ThreadPool() override {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    Status Submit(std::function<void()> work) override {
        {
            std::lock_guard lock(mutex_);
            if (stopping_) return Error(ErrorCode::kUnavailable, "the {} threads are stopping", config_.name);
            if (queue_.size() >= config_.queue_max) {
                return Error(ErrorCode::kResourceExhausted, "too much work waits for the {} threads (limit {})",
                             config_.name, config_.queue_max)
                    .WithHint("try again in a moment");
            }
            queue_.push_back(std::move(work));
        }
        wake_.notify_one();
        return Ok();
    }

    size_t queued() const override {
        std::lock_guard lock(mutex_);
        return queue_.size();
    }

  private:
    void Run() {
        std::unique_lock lock(mutex_);
        while (true) {
            wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
            if (queue_.empty()) return;
            std::function<void()> work = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            work();
            work = nullptr;  // what it captured goes before the next wait, and without the lock
            lock.lock();
        }
    }

    const ExecutorConfig config_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> queue_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Executor> Executor::Create(ExecutorConfig config) { return std::make_unique<ThreadPool>(config); }

// std::stop_source does what is promised: a callback that is being removed while it runs is waited for, unless it
// removes itself.
struct CancelToken::State {
    std::stop_source source;
};

CancelToken::CancelToken() : state_(std::make_shared<State>()) {}

void CancelToken::Cancel() { state_->source.request_stop(); }

bool CancelToken::cancelled() const { return state_->source.stop_requested(); }

std::shared_ptr<void> CancelToken::OnCancel(std::function<void()> action) const {
    return std::make_shared<std::stop_callback<std::function<void()>>>(state_->source.get_token(), std::move(action));
}

}  // namespace tarn
