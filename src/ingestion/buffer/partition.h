// Partition: the order of one partition's batches: offsets, producers' sequences, open transactions, and where each
// batch lies. Internal to the component.
//
// Threads: any; one lock a partition. Offsets are given out at Append and become visible (`durable_end`) in OnDurable;
// what the log refuses is taken back in OnRefused, newest first, as if it had never come.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "ingestion/buffer/batch_facts.h"
#include "ingestion/buffer/commit_log.h"
#include "ingestion/buffer/segment_index.h"

namespace tarn::buffer {

// Why a batch isn't taken, beyond Status: each has a Kafka error code of its own.
enum class AppendProblem : uint8_t {
    kNone,
    kStaleEpoch,
    kOutOfOrder,
    kInTransaction,  // the producer has a transaction open here, and this batch is not of it
};

struct AppendOutcome {
    AppendProblem problem = AppendProblem::kNone;
    uint64_t base_offset = 0;
    bool duplicate = false;  // was there already, at base_offset
};

struct AbortedTransaction {
    int64_t producer_id = 0;
    uint64_t first_offset = 0;
    uint64_t last_offset = 0;  // of the marker
    uint64_t stable_offset = 0;  // the last stable offset once it had ended
};

struct ProducerView {
    int64_t id = 0;
    int16_t epoch = -1;
    int32_t last_sequence = -1;
    int64_t last_ms = -1;
    std::optional<uint64_t> transaction_first;  // where its open transaction begins
};

struct PartitionOffsets {
    uint64_t start = 0;
    uint64_t stable_end = 0;   // what read_committed sees: before the first open transaction
    uint64_t durable_end = 0;  // the high watermark
};

// What came in since the start.
struct Traffic {
    uint64_t records = 0;
    uint64_t bytes = 0;
};

struct StoredBatches {
    std::vector<SharedBytes> batches;  // whole ones; the first holds the offset asked for
    size_t bytes = 0;
    uint64_t end = 0;      // the offset after the last of them
    bool on_disk = false;  // there is something, but not in memory
    std::vector<AbortedTransaction> aborted;  // that overlap them
};

// Told when something became visible: fetches that wait.
class AppendWatcher {
  public:
    virtual ~AppendWatcher() = default;
    virtual void OnVisible(size_t bytes) = 0;
};

class Partition {
  public:
    Partition(uint32_t number, std::string topic, int32_t index);

    uint32_t number() const { return number_; }
    const std::string& topic() const { return topic_; }
    int32_t index() const { return index_; }

    // Gives the batch its offset (written into `facts`) and calls `queue` with it under the lock, so that the log gets
    // the partition's batches in their order. A duplicate calls `queue` with nothing to write.
    Result<AppendOutcome> Append(BatchFacts& facts, const std::function<Status(const AppendOutcome&)>& queue);
    // The same in its steps, for batches of several partitions that are queued together. It holds the partition's lock:
    // who needs several takes them in the order of their numbers.
    class Appending {
      public:
        explicit Appending(Partition& partition) : partition_(partition), lock_(partition.mutex_) {}
        Result<AppendOutcome> Check(BatchFacts& facts) const;  // gives the offset
        void Accept(const BatchFacts& facts);  // it was queued

      private:
        Partition& partition_;
        std::unique_lock<std::mutex> lock_;
    };
    // `tail`: keep the content for readers until DropOldest.
    void OnDurable(const BatchFacts& facts, const IndexEntry& entry, uint64_t segment, const SharedBytes* tail);
    void OnRefused(const BatchFacts& facts);
    size_t DropOldestTail();  // the bytes it had
    // Of the segment that is being closed: what it holds of this partition.
    std::vector<IndexEntry> TakeOpenIndex();

    PartitionOffsets Offsets() const;
    // Batches from `offset` on, at least one if there is any before `end`, else up to `bytes_max`. kOutOfRange.
    // Without `segments` only what is in memory is read: nothing blocks.
    Result<StoredBatches> Read(uint64_t offset, uint64_t end, size_t bytes_max, SegmentStore* segments) const;
    // The first offset whose batch has a timestamp of at least `timestamp_ms`, as (batch's base offset, its entry).
    Result<std::optional<uint64_t>> FirstBatchSince(int64_t timestamp_ms, SegmentStore& segments) const;
    // Its batches in one segment of the log, ascending; none once the segment was dropped.
    Result<std::vector<IndexEntry>> EntriesIn(uint64_t segment, SegmentStore& segments) const;
    int64_t max_timestamp_ms() const;
    uint64_t bytes() const;
    Traffic traffic() const;
    std::vector<ProducerView> Producers() const;

    // What is before `offset` is gone for readers. False: it was already.
    bool MoveStart(uint64_t offset);
    std::vector<Extent> extents() const;  // what lies where; none once removed
    void Remove();  // the topic was deleted: nothing more is taken

    // `committed`: to be told only of what read_committed sees.
    void Watch(const std::shared_ptr<AppendWatcher>& watcher, bool committed);

    Json ToJson() const;  // for a checkpoint
    Status FromJson(const Json& json);

  private:
    struct Sent {
        int32_t first_sequence, last_sequence;
        uint64_t base_offset;
    };
    struct Producer {
        int16_t epoch = -1;
        std::deque<Sent> last;  // five at most: as many as a client has under way
        int64_t last_ms = -1;
        std::optional<uint64_t> transaction_first;
    };
    struct Pending {  // not durable yet
        uint64_t base_offset = 0;
        int64_t producer_id = -1;
        std::optional<Producer> before;  // none: it was not known
    };
    AppendOutcome CheckProducer(const BatchFacts& facts) const;
    void Remember(const BatchFacts& facts);
    void FollowTransaction(const BatchFacts& facts);
    std::vector<AbortedTransaction> AbortedIn(uint64_t offset, uint64_t end) const;
    uint64_t StableEnd() const;
    void AddExtent(uint64_t segment, const IndexEntry& entry);
    void ReadTail(uint64_t offset, uint64_t end, size_t bytes_max, StoredBatches& found) const;

    const uint32_t number_;
    const std::string topic_;
    const int32_t index_;
    mutable std::mutex mutex_;  // guards all below
    uint64_t start_ = 0;
    uint64_t durable_end_ = 0;
    uint64_t next_ = 0;
    uint64_t bytes_ = 0;
    int64_t max_timestamp_ms_ = -1;
    Traffic traffic_;
    bool removed_ = false;
    std::deque<Pending> pending_;
    std::map<int64_t, Producer> producers_;
    // Of the durable batches, unlike what `producers_` says.
    std::map<int64_t, uint64_t> open_;  // producers' open transactions: where they begin
    std::set<uint64_t> open_firsts_;  // the same, by offset
    std::vector<AbortedTransaction> aborted_;  // in the order of their ends
    std::vector<Extent> extents_;
    std::vector<IndexEntry> open_index_;  // of the segment that is being written
    uint64_t open_segment_ = 0;
    struct Tail {
        uint64_t base_offset, end;
        SharedBytes content;
    };
    std::deque<Tail> tail_;
    struct Watcher {
        std::weak_ptr<AppendWatcher> who;  // weak: who waits no longer is simply gone
        bool committed = false;
    };
    std::vector<Watcher> watchers_;
};

}  // namespace tarn::buffer
