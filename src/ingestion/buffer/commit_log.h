// CommitLog: what everything in the buffer becomes durable by: entries of all partitions go one after another into one
// segment, and one fsync makes all that wait durable (group commit). Internal to the component.
//
// Threads: Append from any; the listener and `done` are called on the log's own thread, in the order of the log.
// Fails: a write that the disk refuses (full) fails what waits and goes on; after a failed fsync nothing is taken
// any more until the program starts again: what reached the disk is then read from the disk.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "ingestion/buffer/segment_file.h"

namespace tarn::buffer {

class LogListener {
  public:
    virtual ~LogListener() = default;
    // The entry is on the disk and counts from now on.
    virtual void OnDurable(const Entry& entry, uint64_t segment, uint64_t position) = 0;
    // It isn't and never will be. Called for the last one first; meanwhile no Append is taken.
    virtual void OnRefused(const Entry& entry) = 0;
    // The segment is whole and will not change: all that was ever durable is in it or in older ones.
    virtual Status OnClosed(uint64_t segment) = 0;
};

struct CommitLogConfig {
    std::string directory;
    uint64_t segment_bytes = 256 << 20;   // a segment is closed once it has so many
    size_t waiting_bytes_max = 128 << 20; // of entries that aren't on the disk yet
    uint64_t next_segment = 1;
};

class CommitLog {
  public:
    // `wrapping_key` is copied.
    CommitLog(Env& env, CommitLogConfig config, ByteSpan wrapping_key, Log& log, Metrics& metrics,
              LogListener& listener);
    // Everything that waits is written, then the open segment is closed.
    ~CommitLog();

    // Queues entries that count together or not at all; `done` is called once with what became of them. None: `done`
    // is called once everything before is durable. An error: nothing was queued, `done` is not called;
    // kResourceExhausted (try again), kIo (the log is broken), kCancelled (it is being stopped).
    using Done = std::function<void(const Status&)>;
    Status Append(std::vector<Entry> set, Done done);
    // Ok, or why nothing is taken any more.
    Status Health() const;
    // How far the log is on the disk: older segments whole, this one up to so many bytes, a younger one not at all.
    struct Position {
        uint64_t segment = 0;
        uint64_t bytes = 0;
    };
    Position durable() const;

  private:
    struct Set {
        std::vector<Entry> entries;
        Done done;
    };

    void Run();
    Status WriteGroup(std::vector<Set>& group);
    Status Commit(std::vector<Entry>& entries, std::vector<uint64_t>& positions);
    void Refuse(std::vector<Set> group, const Error& error);
    Status Close();

    Env& env_;
    const CommitLogConfig config_;
    const Secret wrapping_key_;
    Log& log_;
    LogListener& listener_;
    Counter& groups_;
    Counter& bytes_;
    Histogram& sync_seconds_;

    mutable std::mutex mutex_;  // guards the seven below
    std::condition_variable queued_;
    std::vector<Set> waiting_;
    size_t waiting_bytes_ = 0;
    bool refusing_ = false;
    bool stopping_ = false;
    Status broken_;
    Position durable_;

    std::unique_ptr<SegmentWriter> writer_;  // of the log's thread, as the three below
    uint64_t next_segment_;
    uint64_t sequence_ = 0;
    std::vector<Entry> entries_;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace tarn::buffer
