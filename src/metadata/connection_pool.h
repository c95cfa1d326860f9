// ConnectionPool: connections opened when needed, at most so many, each given to one thread at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"

namespace tarn::metadata {

template <typename Connection>
class ConnectionPool {
  public:
    using Open = std::function<Result<std::unique_ptr<Connection>>()>;

    ConnectionPool(size_t connections_max, Open open) : connections_max_(connections_max), open_(std::move(open)) {}

    // Waits for a free one; kUnavailable when none came free in time.
    Result<std::unique_ptr<Connection>> Take() {
        std::unique_lock lock(mutex_);
        bool free = freed_.wait_for(lock, kWait, [&] { return !idle_.empty() || opened_ < connections_max_; });
        if (!free) return Error(ErrorCode::kUnavailable, "all {} metadata connections are busy", connections_max_);
        if (!idle_.empty()) {
            auto connection = std::move(idle_.back());
            idle_.pop_back();
            return connection;
        }
        ++opened_;
        lock.unlock();
        auto connection = open_();
        if (!connection.ok()) Return(nullptr);
        return connection;
    }

    // Null: the connection is broken and was closed.
    void Return(std::unique_ptr<Connection> connection) {
        std::lock_guard lock(mutex_);
        if (connection) {
            idle_.push_back(std::move(connection));
        } else {
            --opened_;
        }
        freed_.notify_one();
    }

  private:
    static constexpr auto kWait = std::chrono::seconds(30);

    const size_t connections_max_;
    const Open open_;
    std::mutex mutex_;
    std::condition_variable freed_;
    std::vector<std::unique_ptr<Connection>> idle_;
    size_t opened_ = 0;
};

}  // namespace tarn::metadata
