#include "ingestion/buffer/partition.h"

#include <algorithm>

namespace tarn::buffer {
namespace {

constexpr size_t kBatchesRemembered = 5;  // of a producer: it has at most so many requests under way
constexpr size_t kProducersMax = 100'000;  // a partition
constexpr size_t kEnoughBytes = 1 << 30;   // for every fetch that waits

// Sequences wrap after 2^31 - 1 (KIP-98).
int32_t NextSequence(int32_t sequence, uint32_t records) {
    uint32_t next = static_cast<uint32_t>(sequence) + records;
    return static_cast<int32_t>(next & 0x7FFFFFFF);
}

int32_t LastSequence(const BatchFacts& facts) {
    return NextSequence(facts.base_sequence, facts.records == 0 ? 0 : facts.records - 1);
}

}  // namespace

Partition::Partition(uint32_t number, std::string topic, int32_t index)
    : number_(number), topic_(std::move(topic)), index_(index) {}

AppendOutcome Partition::CheckProducer(const BatchFacts& facts) const {
    auto known = producers_.find(facts.producer_id);
    if (known == producers_.end()) return {};
    const Producer& producer = known->second;
    if (facts.control) return {};  // of the coordinator: it ends what is open in any case
    if (facts.producer_epoch < producer.epoch) return {.problem = AppendProblem::kStaleEpoch};
    if (!facts.transactional && producer.transaction_first) return {.problem = AppendProblem::kInTransaction};
    if (facts.producer_epoch > producer.epoch) {
        return {.problem = facts.base_sequence == 0 ? AppendProblem::kNone : AppendProblem::kOutOfOrder};
    }
    int32_t last = LastSequence(facts);
    for (const Sent& sent : producer.last) {
        if (sent.first_sequence == facts.base_sequence && sent.last_sequence == last) {
            return {.base_offset = sent.base_offset, .duplicate = true};
        }
    }
    // After a transaction's end alone nothing is known of its sequences.
    if (producer.last.empty()) return {};
    bool follows = facts.base_sequence == NextSequence(producer.last.back().last_sequence, 1);
    return {.problem = follows ? AppendProblem::kNone : AppendProblem::kOutOfOrder};
}

void Partition::Remember(const BatchFacts& facts) {
    if (facts.producer_id < 0) return;
    Producer& producer = producers_[facts.producer_id];
    if (facts.producer_epoch > producer.epoch) producer.last.clear();
    producer.epoch = std::max(producer.epoch, facts.producer_epoch);
    producer.last_ms = facts.max_timestamp_ms;
    if (facts.control) {
        producer.transaction_first.reset();
        return;
    }
    producer.last.push_back({facts.base_sequence, LastSequence(facts), facts.base_offset});
    if (producer.last.size() > kBatchesRemembered) producer.last.pop_front();
    if (facts.transactional && !producer.transaction_first) producer.transaction_first = facts.base_offset;
}

Result<AppendOutcome> Partition::Appending::Check(BatchFacts& facts) const {
    const Partition& in = partition_;
    if (in.removed_) return Error(ErrorCode::kNotFound, "topic {} was deleted", in.topic_);
    AppendOutcome outcome;
    if (facts.producer_id >= 0) {
        outcome = in.CheckProducer(facts);
        if (outcome.problem != AppendProblem::kNone) return outcome;
        bool is_new = !in.producers_.contains(facts.producer_id);
        if (is_new && !facts.control && in.producers_.size() >= kProducersMax) {
            return Error(ErrorCode::kResourceExhausted, "{}-{} has {} idempotent producers", in.topic_, in.index_,
                         kProducersMax);
        }
    }
    if (!outcome.duplicate) outcome.base_offset = in.next_;
    facts.base_offset = outcome.base_offset;
    return outcome;
}

void Partition::Appending::Accept(const BatchFacts& facts) {
    Partition& in = partition_;
    Pending pending{in.next_, facts.producer_id, std::nullopt};
    auto known = in.producers_.find(facts.producer_id);
    if (known != in.producers_.end()) pending.before = known->second;
    in.pending_.push_back(std::move(pending));
    in.next_ += facts.records;
    in.Remember(facts);
}

Result<AppendOutcome> Partition::Append(BatchFacts& facts, const std::function<Status(const AppendOutcome&)>& queue) {
    Appending appending(*this);
    AppendOutcome outcome = TRY(appending.Check(facts));
    if (outcome.problem != AppendProblem::kNone) return outcome;
    TRY(queue(outcome));
    if (!outcome.duplicate) appending.Accept(facts);
    return outcome;
}

void Partition::OnRefused(const BatchFacts& facts) {
    std::lock_guard lock(mutex_);
    if (pending_.empty() || pending_.back().base_offset != facts.base_offset) return;
    Pending pending = std::move(pending_.back());
    pending_.pop_back();
    next_ = pending.base_offset;
    if (pending.producer_id < 0) return;
    if (pending.before) {
        producers_[pending.producer_id] = *std::move(pending.before);
    } else {
        producers_.erase(pending.producer_id);
    }
}

// A durable batch begins, continues or ends its producer's transaction.
void Partition::FollowTransaction(const BatchFacts& facts) {
    if (facts.producer_id < 0) return;
    auto open = open_.find(facts.producer_id);
    if (!facts.control) {
        if (!facts.transactional || open != open_.end()) return;
        open_.emplace(facts.producer_id, facts.base_offset);
        open_firsts_.insert(facts.base_offset);
        return;
    }
    if (open == open_.end()) return;
    uint64_t first = open->second;
    open_firsts_.erase(first);
    open_.erase(open);
    if (!facts.commit) aborted_.push_back({facts.producer_id, first, facts.base_offset, StableEnd()});
}

uint64_t Partition::StableEnd() const {
    return open_firsts_.empty() ? durable_end_ : std::min(durable_end_, *open_firsts_.begin());
}

// Those that overlap. All that ended once everything before `end` was decided began behind it.
std::vector<AbortedTransaction> Partition::AbortedIn(uint64_t offset, uint64_t end) const {
    std::vector<AbortedTransaction> found;
    auto one = std::lower_bound(aborted_.begin(), aborted_.end(), offset,
                                [](const AbortedTransaction& each, uint64_t at) { return each.last_offset < at; });
    for (; one != aborted_.end(); ++one) {
        if (one->first_offset < end) found.push_back(*one);
        if (one->stable_offset >= end) break;
    }
    return found;
}

void Partition::AddExtent(uint64_t segment, const IndexEntry& entry) {
    if (extents_.empty() || extents_.back().segment != segment) {
        extents_.push_back({segment, entry.base_offset, entry.base_offset, 0, -1});
    }
    Extent& extent = extents_.back();
    extent.end = entry.end();
    extent.bytes += entry.content_bytes;
    extent.max_timestamp_ms = std::max(extent.max_timestamp_ms, entry.max_timestamp_ms);
}

void Partition::OnDurable(const BatchFacts& facts, const IndexEntry& entry, uint64_t segment, const SharedBytes* tail) {
    std::vector<Watcher> watchers;
    bool stable_moved = false, was_open = false;
    {
        std::lock_guard lock(mutex_);
        if (!pending_.empty() && pending_.front().base_offset == facts.base_offset) {
            pending_.pop_front();
        } else {  // read again after a start
            next_ = entry.end();
            Remember(facts);
        }
        uint64_t stable = StableEnd();
        was_open = !open_.empty();
        durable_end_ = entry.end();
        bytes_ += entry.content_bytes;
        max_timestamp_ms_ = std::max(max_timestamp_ms_, entry.max_timestamp_ms);
        AddExtent(segment, entry);
        open_segment_ = segment;
        open_index_.push_back(entry);
        FollowTransaction(facts);
        stable_moved = StableEnd() != stable;
        if (tail) {
            tail_.push_back({entry.base_offset, entry.end(), *tail});
            traffic_.records += entry.end() - entry.base_offset;
            traffic_.bytes += entry.content_bytes;
        }
        std::erase_if(watchers_, [](const Watcher& one) { return one.who.expired(); });
        watchers = watchers_;
    }
    for (const Watcher& one : watchers) {
        if (one.committed && !stable_moved) continue;
        auto watcher = one.who.lock();
        // How much a transaction's end makes visible was not counted: enough.
        if (watcher) watcher->OnVisible(one.committed && was_open ? kEnoughBytes : entry.content_bytes);
    }
}

size_t Partition::DropOldestTail() {
    std::lock_guard lock(mutex_);
    if (tail_.empty()) return 0;
    size_t bytes = tail_.front().content.bytes.size();
    tail_.pop_front();
    return bytes;
}

std::vector<IndexEntry> Partition::TakeOpenIndex() {
    std::lock_guard lock(mutex_);
    open_segment_ = 0;
    return std::exchange(open_index_, {});
}

PartitionOffsets Partition::Offsets() const {
    std::lock_guard lock(mutex_);
    return {start_, std::max(start_, StableEnd()), durable_end_};
}

void Partition::ReadTail(uint64_t offset, uint64_t end, size_t bytes_max, StoredBatches& found) const {
    auto batch = std::upper_bound(tail_.begin(), tail_.end(), offset,
                                  [](uint64_t wanted, const Tail& one) { return wanted < one.base_offset; });
    if (batch == tail_.begin()) return;
    for (--batch; batch != tail_.end() && batch->base_offset < end; ++batch) {
        if (batch->end <= offset) continue;
        size_t bytes = batch->content.bytes.size();
        if (!found.batches.empty() && found.bytes + bytes > bytes_max) return;
        found.batches.push_back(batch->content);
        found.bytes += bytes;
        found.end = batch->end;
    }
}

namespace {

// Reads `entries` of a segment as far as they go.
Status ReadEntries(const SegmentReader& reader, const std::vector<IndexEntry>& entries, uint32_t partition,
                   uint64_t offset, uint64_t end, size_t bytes_max, StoredBatches& found) {
    auto entry = std::upper_bound(entries.begin(), entries.end(), offset,
                                  [](uint64_t wanted, const IndexEntry& one) { return wanted < one.base_offset; });
    if (entry != entries.begin()) --entry;
    for (; entry != entries.end() && entry->base_offset < end; ++entry) {
        if (entry->end() <= offset) continue;
        if (!found.batches.empty() && found.bytes + entry->content_bytes > bytes_max) return Ok();
        EntryHeader header;
        header.partition = partition;
        header.base_offset = entry->base_offset;
        header.content_bytes = entry->content_bytes;
        auto content = std::make_shared<const Bytes>(TRY(reader.Read(entry->position, header)));
        found.batches.push_back({*content, content});
        found.bytes += content->size();
        found.end = entry->end();
    }
    return Ok();
}

}  // namespace

Result<StoredBatches> Partition::Read(uint64_t offset, uint64_t end, size_t bytes_max, SegmentStore* segments) const {
    StoredBatches found;
    std::vector<IndexEntry> open_index;
    uint64_t segment = 0;
    bool open = false;
    {
        std::lock_guard lock(mutex_);
        if (offset < start_ || offset > durable_end_) {
            return Error(ErrorCode::kOutOfRange, "{}-{} has offsets {} to {}, not {}", topic_, index_, start_,
                         durable_end_, offset);
        }
        end = std::min(end, durable_end_);
        if (offset >= end) return found;
        found.aborted = AbortedIn(offset, end);
        ReadTail(offset, end, bytes_max, found);
        if (!found.batches.empty()) return found;
        if (!segments) {
            found.on_disk = true;
            return found;
        }
        auto extent = std::upper_bound(extents_.begin(), extents_.end(), offset,
                                       [](uint64_t wanted, const Extent& one) { return wanted < one.end; });
        if (extent == extents_.end()) return found;
        segment = extent->segment;
        open = segment == open_segment_;
        if (open) {
            // A few batches' places: the rest is asked for by the next read.
            auto first = std::upper_bound(open_index_.begin(), open_index_.end(), offset,
                                          [](uint64_t wanted, const IndexEntry& one) { return wanted < one.end(); });
            auto last = first;
            for (size_t bytes = 0; last != open_index_.end() && bytes < bytes_max; ++last) bytes += last->content_bytes;
            open_index.assign(first, last);
        }
    }
    if (open) {
        auto reader = TRY(segments->OpenFile(segment));
        TRY(ReadEntries(*reader, open_index, number_, offset, end, bytes_max, found));
        return found;
    }
    auto opened = TRY(segments->Open(segment));
    auto entries = opened->index.find(number_);
    if (entries == opened->index.end()) {
        return Error(ErrorCode::kCorruption, "segment {} of the log has lost {}-{}", SegmentName(segment), topic_,
                     index_);
    }
    TRY(ReadEntries(*opened->reader, entries->second, number_, offset, end, bytes_max, found));
    return found;
}

Result<std::optional<uint64_t>> Partition::FirstBatchSince(int64_t timestamp_ms, SegmentStore& segments) const {
    std::vector<Extent> extents;
    std::vector<IndexEntry> open_index;
    uint64_t open_segment = 0, start = 0;
    {
        std::lock_guard lock(mutex_);
        extents = extents_;
        open_segment = open_segment_;
        open_index = open_index_;
        start = start_;
    }
    auto find = [&](const std::vector<IndexEntry>& entries) -> std::optional<uint64_t> {
        for (const IndexEntry& entry : entries) {
            if (entry.end() > start && entry.max_timestamp_ms >= timestamp_ms) return entry.base_offset;
        }
        return std::nullopt;
    };
    for (const Extent& extent : extents) {
        if (extent.max_timestamp_ms < timestamp_ms || extent.end <= start) continue;
        std::optional<uint64_t> found;
        if (extent.segment == open_segment) {
            found = find(open_index);
        } else {
            auto opened = TRY(segments.Open(extent.segment));
            auto entries = opened->index.find(number_);
            if (entries != opened->index.end()) found = find(entries->second);
        }
        if (found) return found;
    }
    return std::optional<uint64_t>();
}

Result<std::vector<IndexEntry>> Partition::EntriesIn(uint64_t segment, SegmentStore& segments) const {
    {
        std::lock_guard lock(mutex_);
        if (segment == open_segment_) return open_index_;
    }
    auto opened = segments.Open(segment);
    if (!opened.ok() && opened.error().code() == ErrorCode::kNotFound) return std::vector<IndexEntry>();
    if (!opened.ok()) return std::move(opened).error();
    auto entries = (*opened)->index.find(number_);
    return entries == (*opened)->index.end() ? std::vector<IndexEntry>() : entries->second;
}

int64_t Partition::max_timestamp_ms() const {
    std::lock_guard lock(mutex_);
    return max_timestamp_ms_;
}

uint64_t Partition::bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
}

Traffic Partition::traffic() const {
    std::lock_guard lock(mutex_);
    return traffic_;
}

bool Partition::MoveStart(uint64_t offset) {
    std::lock_guard lock(mutex_);
    if (offset <= start_) return false;
    start_ = std::min(offset, durable_end_);
    while (!extents_.empty() && extents_.front().end <= start_ && extents_.front().segment != open_segment_) {
        bytes_ -= std::min(bytes_, extents_.front().bytes);
        extents_.erase(extents_.begin());
    }
    std::erase_if(aborted_, [&](const AbortedTransaction& one) { return one.last_offset < start_; });
    return true;
}

std::vector<Extent> Partition::extents() const {
    std::lock_guard lock(mutex_);
    std::vector<Extent> kept;
    for (const Extent& one : extents_) {
        if (one.end > start_ || one.segment == open_segment_) kept.push_back(one);
    }
    return kept;
}

void Partition::Remove() {
    std::lock_guard lock(mutex_);
    removed_ = true;
    producers_.clear();
    open_.clear();
    open_firsts_.clear();
    aborted_.clear();
    extents_.clear();
}

void Partition::Watch(const std::shared_ptr<AppendWatcher>& watcher, bool committed) {
    std::lock_guard lock(mutex_);
    std::erase_if(watchers_, [](const Watcher& one) { return one.who.expired(); });
    watchers_.push_back({watcher, committed});
}

std::vector<ProducerView> Partition::Producers() const {
    std::lock_guard lock(mutex_);
    std::vector<ProducerView> views;
    for (const auto& [id, producer] : producers_) {
        int32_t last = producer.last.empty() ? -1 : producer.last.back().last_sequence;
        views.push_back({id, producer.epoch, last, producer.last_ms, producer.transaction_first});
    }
    return views;
}

// ---- checkpoints

Json Partition::ToJson() const {
    std::lock_guard lock(mutex_);
    // As they were at `durable_end`: what is not on the disk yet may never be, and would then count as sent before.
    std::map<int64_t, Producer> durable = producers_;
    for (auto pending = pending_.rbegin(); pending != pending_.rend(); ++pending) {
        if (pending->producer_id < 0) continue;
        if (pending->before) {
            durable[pending->producer_id] = *pending->before;
        } else {
            durable.erase(pending->producer_id);
        }
    }
    Json producers = Json::array();
    for (const auto& [id, producer] : durable) {
        Json sent = Json::array();
        for (const Sent& one : producer.last) sent.push_back({one.first_sequence, one.last_sequence, one.base_offset});
        Json first = producer.transaction_first ? Json(*producer.transaction_first) : Json();
        producers.push_back({id, producer.epoch, producer.last_ms, std::move(first), std::move(sent)});
    }
    Json aborted = Json::array();
    for (const AbortedTransaction& one : aborted_) {
        aborted.push_back({one.producer_id, one.first_offset, one.last_offset, one.stable_offset});
    }
    Json extents = Json::array();
    for (const Extent& one : extents_) {
        extents.push_back({one.segment, one.first, one.end, one.bytes, one.max_timestamp_ms});
    }
    return {{"start", start_},
            {"end", durable_end_},
            {"bytes", bytes_},
            {"producers", producers},
            {"aborted", std::move(aborted)},
            {"extents", std::move(extents)},
            {"newest", max_timestamp_ms_}};
}

Status Partition::FromJson(const Json& json) try {
    std::lock_guard lock(mutex_);
    start_ = json.at("start");
    durable_end_ = next_ = json.at("end");
    bytes_ = json.at("bytes");
    max_timestamp_ms_ = json.at("newest");
    for (const Json& one : json.at("producers")) {
        Producer& producer = producers_[one.at(0)];
        producer.epoch = one.at(1);
        producer.last_ms = one.at(2);
        if (!one.at(3).is_null()) {
            producer.transaction_first = open_[one.at(0)] = one.at(3).get<uint64_t>();
            open_firsts_.insert(*producer.transaction_first);
        }
        for (const Json& sent : one.at(4)) producer.last.push_back({sent.at(0), sent.at(1), sent.at(2)});
    }
    for (const Json& one : json.at("aborted")) aborted_.push_back({one.at(0), one.at(1), one.at(2), one.at(3)});
    for (const Json& one : json.at("extents")) {
        extents_.push_back({one.at(0), one.at(1), one.at(2), one.at(3), one.at(4)});
    }
    return Ok();
} catch (const Json::exception& error) {
    return Error(ErrorCode::kCorruption, "the checkpoint of {}-{}: {}", topic_, index_, error.what());
}

}  // namespace tarn::buffer
