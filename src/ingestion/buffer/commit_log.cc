#include "ingestion/buffer/commit_log.h"

namespace tarn::buffer {
namespace {

size_t BytesOf(const std::vector<Entry>& entries) {
    size_t bytes = 0;
    for (const Entry& entry : entries) bytes += kEntryHeaderBytes + kTagBytes + entry.content.bytes.size();
    return bytes;
}

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

CommitLog::CommitLog(Env& env, CommitLogConfig config, ByteSpan wrapping_key, Log& log, Metrics& metrics,
                     LogListener& listener)
    : env_(env),
      config_(std::move(config)),
      wrapping_key_(Bytes(wrapping_key.begin(), wrapping_key.end())),
      log_(log),
      listener_(listener),
      groups_(metrics.GetCounter("tarn_buffer_commits_total", "Groups of entries that one fsync made durable")),
      bytes_(metrics.GetCounter("tarn_buffer_log_bytes_total", "Bytes written to the log, before encryption")),
      sync_seconds_(metrics.GetHistogram("tarn_buffer_sync_seconds", "Time that an fsync of the log takes")),
      durable_{config_.next_segment, 0},
      next_segment_(config_.next_segment),
      thread_([this] { Run(); }) {}

CommitLog::~CommitLog() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    queued_.notify_all();
    thread_.join();
}

Status CommitLog::Append(std::vector<Entry> set, Done done) {
    size_t bytes = BytesOf(set);
    {
        std::lock_guard lock(mutex_);
        TRY(broken_);
        if (stopping_) return Error(ErrorCode::kCancelled, "the buffer is being stopped");
        if (refusing_) return Error(ErrorCode::kResourceExhausted, "the log could not be written; try again");
        if (waiting_bytes_ > 0 && waiting_bytes_ + bytes > config_.waiting_bytes_max) {
            return Error(ErrorCode::kResourceExhausted, "{} wait for the disk already; try again",
                         FormatSize(static_cast<int64_t>(waiting_bytes_)));
        }
        waiting_bytes_ += bytes;
        waiting_.push_back({std::move(set), std::move(done)});
    }
    queued_.notify_one();
    return Ok();
}

Status CommitLog::Health() const {
    std::lock_guard lock(mutex_);
    return broken_;
}

CommitLog::Position CommitLog::durable() const {
    std::lock_guard lock(mutex_);
    return durable_;
}

void CommitLog::Run() {
    std::vector<Set> group;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            queued_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            if (waiting_.empty()) break;
            group.swap(waiting_);
            waiting_bytes_ = 0;
        }
        Status written = WriteGroup(group);
        if (!written.ok()) Refuse(std::move(group), written.error());
        group.clear();
    }
    Status closed = Close();
    if (!closed.ok()) log_.Error("the log's last segment was not closed", {{"error", closed.error().ToString()}});
}

Status CommitLog::WriteGroup(std::vector<Set>& group) {
    entries_.clear();
    for (Set& set : group) {
        for (size_t index = 0; index < set.entries.size(); ++index) {
            entries_.push_back(set.entries[index]);
            entries_.back().header.flags = index + 1 < set.entries.size() ? kMoreOfSet : 0;
        }
    }
    std::vector<uint64_t> positions;
    if (!entries_.empty()) {
        TRY(Commit(entries_, positions));
        for (size_t index = 0; index < entries_.size(); ++index) {
            listener_.OnDurable(entries_[index], writer_->number(), positions[index]);
        }
    }
    for (Set& set : group) {
        if (set.done) set.done(Ok());
    }
    entries_.clear();
    if (writer_ && writer_->bytes() >= config_.segment_bytes) {
        // What was acknowledged stays so; the next group begins a segment in any case.
        Status closed = Close();
        if (!closed.ok()) log_.Warning("a checkpoint of the log failed", {{"error", closed.error().ToString()}});
    }
    return Ok();
}

Status CommitLog::Commit(std::vector<Entry>& entries, std::vector<uint64_t>& positions) {
    if (!writer_) {
        uint64_t number = next_segment_;
        {
            std::lock_guard lock(mutex_);
            next_segment_++;  // also if it fails: what is left of it keeps its name
        }
        writer_ = TRY(SegmentWriter::Create(env_, config_.directory, number, wrapping_key_.bytes()));
    }
    TRY(writer_->Append(entries, sequence_, positions));
    Duration began = env_.clock().Monotonic();
    Status synced = writer_->Sync();
    sync_seconds_.Observe(Seconds(env_.clock().Monotonic() - began));
    if (!synced.ok()) {
        // Part of it may be on the disk, part of it not: what counts is found by reading, at the next start.
        std::lock_guard lock(mutex_);
        broken_ = Error(ErrorCode::kIo, "the log of the buffer could not be made durable: {}", synced.error().message())
                      .WithHint("nothing that was acknowledged is lost; look at the disk, then start again");
        return broken_;
    }
    {
        std::lock_guard lock(mutex_);
        durable_ = {writer_->number(), writer_->bytes()};
    }
    groups_.Add();
    bytes_.Add(static_cast<int64_t>(BytesOf(entries)));
    return Ok();
}

void CommitLog::Refuse(std::vector<Set> group, const Error& error) {
    std::vector<Set> behind;
    {
        std::lock_guard lock(mutex_);
        refusing_ = true;
        behind.swap(waiting_);
        waiting_bytes_ = 0;
    }
    log_.Error("the buffer could not write its log", {{"error", error.ToString()}, {"refused", group.size()}});
    for (Set& set : behind) group.push_back(std::move(set));
    for (auto set = group.rbegin(); set != group.rend(); ++set) {
        for (auto entry = set->entries.rbegin(); entry != set->entries.rend(); ++entry) listener_.OnRefused(*entry);
    }
    // Torn bytes may lie at the segment's end: nothing is written behind them.
    if (writer_) {
        Status closed = Close();
        if (!closed.ok()) log_.Warning("a checkpoint of the log failed", {{"error", closed.error().ToString()}});
    }
    {
        std::lock_guard lock(mutex_);
        refusing_ = false;
    }
    for (Set& set : group) {
        if (set.done) set.done(error);
    }
}

Status CommitLog::Close() {
    if (!writer_) return Ok();
    uint64_t number = writer_->number();
    Status finished = writer_->Finish();
    if (!finished.ok()) log_.Debug("a segment ends in zeros", {{"error", finished.error().ToString()}});
    writer_.reset();
    return listener_.OnClosed(number);
}

}  // namespace tarn::buffer
