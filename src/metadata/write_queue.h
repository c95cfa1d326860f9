// WriteQueue: the writes that wait for the one writer thread, and the batches it takes: group commit.
//
// Run puts a write in line and waits for its outcome. The thread hands every batch (all that wait, at most
// kBatchMax) to `commit`, which must set each write's outcome. Any thread may call Run; the destructor finishes what
// waits. Fails: kResourceExhausted when `waiting_max` writes are in line already; kInternal from within a write.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "metadata/metadata.h"

namespace tarn::metadata {

struct PendingWrite {
    const std::function<Status(Transaction&)>* work = nullptr;
    Status outcome;
    bool done = false;
};

class WriteQueue {
  public:
    static constexpr size_t kBatchMax = 256;
    using Commit = std::function<void(const std::vector<PendingWrite*>&)>;

    WriteQueue(size_t waiting_max, Commit commit);
    ~WriteQueue();
    Status Run(const std::function<Status(Transaction&)>& work);

  private:
    void Serve();

    const size_t waiting_max_;
    const Commit commit_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::condition_variable finished_;
    std::deque<PendingWrite*> waiting_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace tarn::metadata
