// The log as a whole: held for a copy, and proved.
#include <algorithm>

#include "ingestion/buffer/topic_store.h"

namespace tarn::buffer {

// What readers of a partition must find in a segment.
struct Kept {
    std::shared_ptr<const Partition> partition;
    uint64_t first = 0;
    uint64_t end = 0;
};

namespace {

constexpr size_t kIssuesMax = 100;
constexpr const char* kCheckpoint = "checkpoint";

std::string IndexName(uint64_t segment) { return fmt::format("log/{:020}.index", segment); }

using Spans = std::vector<std::pair<uint64_t, uint64_t>>;  // of offsets that were read, ascending, with gaps between

// The parts of [first, end) that are not in `spans`.
Spans Missing(const Spans& spans, uint64_t first, uint64_t end) {
    Spans missing;
    for (const auto& [begin, stop] : spans) {
        if (stop <= first) continue;
        if (begin >= end) break;
        if (begin > first) missing.emplace_back(first, begin);
        first = std::max(first, stop);
    }
    if (first < end) missing.emplace_back(first, end);
    return missing;
}

void Report(LogReport& report, std::string issue) {
    if (report.issues.size() < kIssuesMax) report.issues.push_back(std::move(issue));
}

// Reads a segment through, over damaged places too.
struct Reading {
    std::map<uint32_t, Spans> found;
    std::string damage;  // where the first is
    uint64_t batches = 0;

    Status Read(const SegmentReader& reader) {
        auto on_entry = [&](const EntryHeader& header, uint64_t, ByteSpan) -> Status {
            if (header.partition == kStatePartition) return Ok();
            ++batches;
            Spans& spans = found[header.partition];
            uint64_t end = header.base_offset + header.records;
            if (!spans.empty() && spans.back().second == header.base_offset) {
                spans.back().second = end;
            } else {
                spans.emplace_back(header.base_offset, end);
            }
            return Ok();
        };
        for (uint64_t from = 0;;) {
            ScanEnd end = TRY(reader.Scan(from, SegmentReader::Contents::kVerified, on_entry));
            if (end.whole) return Ok();
            from = TRY(reader.NextWhole(end));
            // What was never acknowledged may be torn; whether it was is what the partitions know.
            if (damage.empty()) damage = fmt::format("is damaged at byte {}", end.position);
            if (from == 0) return Ok();
            damaged_between = true;
        }
    }
    bool damaged_between = false;
};

}  // namespace

Result<LogHold> TopicStore::Hold() {
    LogHold hold;
    {
        std::lock_guard lock(remove_mutex_);
        hold.held = held_.lock();
        if (!hold.held) hold.held = std::make_shared<int>();  // shared by the copies of one time
        held_ = hold.held;
    }
    // The checkpoint first: what it covers is then on the disk in any case.
    uint64_t closed = checkpointed_;
    std::string path = config_.directory + "/" + kCheckpoint;
    if (env_.files().Exists(path)) {
        std::shared_ptr<const File> file = TRY(env_.files().Open(path));
        hold.pieces.push_back({kCheckpoint, TRY(file->Size()), file});
    }
    CommitLog::Position durable = commit_log_->durable();
    for (uint64_t segment : TRY(ListSegments(env_, segments_.directory()))) {
        if (segment > durable.segment) break;
        std::string name = "log/" + SegmentName(segment);
        uint64_t bytes = durable.bytes;
        if (segment < durable.segment) bytes = TRY(env_.files().Stat(config_.directory + "/" + name)).bytes;
        hold.pieces.push_back({name, bytes, nullptr});
        // One that is still written has none, or a younger one.
        auto index = env_.files().Stat(config_.directory + "/" + IndexName(segment));
        bool has_index = index.ok() && (segment < durable.segment || segment <= closed);
        if (has_index) hold.pieces.push_back({IndexName(segment), index->bytes, nullptr});
    }
    return hold;
}

void TopicStore::CheckSegment(uint64_t segment, const std::vector<Kept>& kept, LogReport& report) const {
    std::string file = fmt::format("{}/{}", segments_.directory(), SegmentName(segment));
    Reading reading;
    auto reader = SegmentReader::Open(env_, segments_.directory(), segment, wrapping_key_.bytes());
    Status read = reader.ok() ? reading.Read(**reader) : Status(reader.error());
    if (!read.ok()) {
        bool gone = read.error().code() == ErrorCode::kNotFound;
        reading.damage = gone ? "is missing" : "cannot be read: " + read.error().message();
    }
    ++report.segments;
    report.batches += reading.batches;
    if (reader.ok()) report.bytes += (*reader)->Size().value_or(0);
    bool lost = false;
    for (const Kept& one : kept) {
        for (const auto& [first, end] : Missing(reading.found[one.partition->number()], one.first, one.end)) {
            lost = true;
            Report(report, fmt::format("topic {}, partition {}: records {} to {} are lost: {} {}",
                                       one.partition->topic(), one.partition->index(), first, end - 1, file,
                                       reading.damage.empty() ? "does not hold them" : reading.damage));
        }
    }
    if (reading.damaged_between && !lost) {
        Report(report, fmt::format("{} {}; no record that a topic keeps lay there", file, reading.damage));
    }
}

Result<LogReport> TopicStore::Verify() {
    LogHold hold = TRY(Hold());
    LogReport report;
    for (const LogHold::Piece& piece : hold.pieces) {
        if (piece.path != kCheckpoint) continue;
        Bytes sealed(piece.bytes);
        sealed.resize(TRY(piece.file->ReadAt(0, sealed)));
        Result<Bytes> plain = OpenCheckpoint(sealed);
        if (plain.ok()) continue;
        Report(report, fmt::format("{}/{} is damaged: the next start makes it again from the segments",
                                   config_.directory, kCheckpoint));
    }
    std::map<uint64_t, std::vector<Kept>> kept;
    for (uint64_t segment : TRY(ListSegments(env_, segments_.directory()))) kept[segment];
    {
        std::shared_lock lock(mutex_);
        for (const auto& [number, partition] : by_number_) {
            uint64_t start = partition->Offsets().start;
            for (const Extent& extent : partition->extents()) {
                kept[extent.segment].push_back({partition, std::max(start, extent.first), extent.end});
            }
        }
    }
    for (const auto& [segment, parts] : kept) {
        // A young one may have been removed again, or hold nothing yet.
        bool empty = parts.empty() && segment >= commit_log_->durable().segment;
        if (!empty) CheckSegment(segment, parts, report);
    }
    return report;
}

}  // namespace tarn::buffer
