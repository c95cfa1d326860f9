// TopicStore: the topics, their log, and the state that lies in it: what survives. Knows no protocol and no policy.
// Internal to the component.
//
// State: tables `buffer_*` in metadata (topics, their settings, numbers of partitions), `buffer/log` (segments and
// their indexes), `buffer/checkpoint` (what the closed segments add up to, sealed). A start reads the checkpoint and
// what was written after it. Threads: any.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingestion/buffer/buffer.h"
#include "ingestion/buffer/commit_log.h"
#include "ingestion/buffer/topic.h"
#include "metadata/metadata.h"

namespace tarn::buffer {

struct TopicStoreConfig {
    std::string directory;               // "<state>/buffer"
    uint64_t segment_bytes = 256 << 20;
    size_t tail_bytes = 64 << 20;        // of the newest batches, kept in memory for readers
    int topics_max = 10'000;
    int partitions_max = 20'000;         // of all topics together
};

struct TopicStoreDependencies {
    Env& env;
    metadata::Database& metadata;
    Log& log;
    Metrics& metrics;
};

struct Kept;

// What else lives in the log: group offsets, transactions. Called on the log's thread and at the start.
class LogState {
  public:
    virtual ~LogState() = default;
    virtual void ApplyState(const Json& change) = 0;
    virtual Json SaveState() const = 0;
    virtual Status LoadState(const Json& saved) = 0;
};

class TopicStore final : public LogListener {
  public:
    static Result<std::unique_ptr<TopicStore>> Create(TopicStoreConfig config, TopicStoreDependencies dependencies,
                                                      ByteSpan wrapping_key, LogState& state);
    ~TopicStore() override;

    std::shared_ptr<const Topic> Find(std::string_view name) const;
    std::shared_ptr<const Topic> Find(const TopicId& id) const;
    std::vector<std::shared_ptr<const Topic>> All() const;  // by name
    // kAlreadyExists, kInvalidArgument, kResourceExhausted.
    Result<std::shared_ptr<const Topic>> CreateTopic(const std::string& name, int partitions, TopicSettings settings);
    Status DeleteTopic(const std::string& name);
    Status AddPartitions(const std::string& name, int total);
    Status SetSettings(const std::string& name, TopicSettings settings);

    // Puts a batch into the log; `done` is called once it is durable, or isn't and never will be. `place` is called
    // before, once the offset is known and before anybody else may see the bytes: to write it into them.
    using Place = std::function<void(uint64_t base_offset)>;
    Result<AppendOutcome> Append(Partition& partition, BatchFacts facts, SharedBytes batch, const Place& place,
                                 CommitLog::Done done);
    // Batches of several partitions, one of each, and a change of state that count together or not at all.
    // kNotFound: one of the topics was deleted.
    struct Part {
        std::shared_ptr<Partition> partition;
        BatchFacts facts;
        SharedBytes batch;
        Place place;
    };
    Status AppendTogether(std::vector<Part> parts, Json change, CommitLog::Done done);
    Status AppendState(Json change, CommitLog::Done done);
    // As AppendState, and returns what became of it. Blocks.
    Status AppendStateAndWait(Json change);
    // What is before is gone for readers. Blocks.
    Status MoveStart(const Partition& partition, uint64_t offset);

    // Retention: drops what topics no longer keep and files that nothing needs. Of partitions that `archived` names (by
    // topic and index) nothing from that offset on.
    using Offsets = std::map<std::string, std::map<int32_t, int64_t>>;
    Status Retain(Timestamp now, const Offsets& archived = {});
    // Kept for that reason alone, as of the last Retain.
    uint64_t held_bytes() const { return held_bytes_; }
    SegmentStore& segments() { return segments_; }
    Status Health() const;
    // A copy's view of the log, and the proof of it (log_hold.cc).
    Result<LogHold> Hold();
    Result<LogReport> Verify();
    // The next unused id of a producer.
    Result<int64_t> NewProducerId();
    const TopicId& cluster_id() const { return cluster_id_; }

  private:
    TopicStore(TopicStoreConfig config, TopicStoreDependencies dependencies, ByteSpan wrapping_key, LogState& state);
    Status LoadTopics();
    Status LoadCheckpoint();
    Result<Bytes> OpenCheckpoint(ByteSpan sealed) const;
    Status Replay();
    Status ReplaySegment(uint64_t segment);
    Status WriteCheckpoint(uint64_t segment);
    Status RemoveUnneeded();
    void CheckSegment(uint64_t segment, const std::vector<Kept>& kept, LogReport& report) const;
    std::shared_ptr<Partition> ByNumber(uint32_t number) const;
    void Publish(std::shared_ptr<Topic> topic);
    void KeepTail(const std::shared_ptr<Partition>& partition, size_t bytes);
    Result<uint32_t> TakeNumbers(metadata::Transaction& transaction, const std::string& counter, int64_t count);

    void OnDurable(const Entry& entry, uint64_t segment, uint64_t position) override;
    void OnRefused(const Entry& entry) override;
    Status OnClosed(uint64_t segment) override;

    const TopicStoreConfig config_;
    Env& env_;
    metadata::Database& metadata_;
    Log& log_;
    const Secret wrapping_key_;
    LogState& state_;
    SegmentStore segments_;
    Gauge& disk_bytes_;
    Gauge& held_gauge_;
    std::atomic<uint64_t> held_bytes_{0};
    TopicId cluster_id_{};
    std::mutex change_mutex_;  // one change of topics at a time
    mutable std::shared_mutex mutex_;  // guards the three below
    std::map<std::string, std::shared_ptr<const Topic>, std::less<>> topics_;
    std::map<TopicId, std::shared_ptr<const Topic>> by_id_;
    std::map<uint32_t, std::shared_ptr<Partition>> by_number_;
    std::atomic<uint64_t> checkpointed_{0};  // the last segment that the checkpoint covers
    std::mutex remove_mutex_;  // guards the one below
    std::weak_ptr<void> held_;  // while it lives no file is removed
    std::string damage_;  // written at the start only: what of the log could not be read
    // Of the log's thread.
    std::deque<std::pair<std::shared_ptr<Partition>, size_t>> tails_;
    size_t tail_bytes_ = 0;
    std::map<uint32_t, std::shared_ptr<Partition>> touched_;  // by the open segment
    std::mutex producer_mutex_;  // guards the two below
    int64_t next_producer_id_ = 0;
    int64_t producer_ids_end_ = 0;
    std::unique_ptr<CommitLog> commit_log_;  // last: its thread uses all of the above
};

}  // namespace tarn::buffer
