#include "metadata/write_queue.h"

namespace tarn::metadata {

WriteQueue::WriteQueue(size_t waiting_max, Commit commit)
    : waiting_max_(waiting_max), commit_(std::move(commit)), thread_([this] { Serve(); }) {}

WriteQueue::~WriteQueue() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    arrived_.notify_one();
    thread_.join();
}

Status WriteQueue::Run(const std::function<Status(Transaction&)>& work) {
    if (std::this_thread::get_id() == thread_.get_id()) {
        return Error(ErrorCode::kInternal, "a metadata write was started inside of another");
    }
    PendingWrite write{.work = &work};
    std::unique_lock lock(mutex_);
    if (waiting_.size() >= waiting_max_) {
        return Error(ErrorCode::kResourceExhausted, "{} metadata writes wait already; try again", waiting_.size());
    }
    waiting_.push_back(&write);
    arrived_.notify_one();
    finished_.wait(lock, [&] { return write.done; });
    return std::move(write.outcome);
}

void WriteQueue::Serve() {
    std::vector<PendingWrite*> batch;
    std::unique_lock lock(mutex_);
    while (true) {
        arrived_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        size_t count = std::min(waiting_.size(), kBatchMax);
        batch.assign(waiting_.begin(), waiting_.begin() + count);
        waiting_.erase(waiting_.begin(), waiting_.begin() + count);
        lock.unlock();
        commit_(batch);
        lock.lock();
        for (PendingWrite* write : batch) write->done = true;
        finished_.notify_all();
    }
}

}  // namespace tarn::metadata
