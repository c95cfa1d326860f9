#include "ingestion/buffer/segment_index.h"

#include <cstring>

namespace tarn::buffer {
namespace {

constexpr std::string_view kMagic = "TARNIDX1";
constexpr size_t kOpenedMax = 64;
constexpr size_t kOpenedBytesMax = 64 << 20;
constexpr size_t kIndexBytesMax = 512 << 20;
constexpr size_t kEntryBytes = 8 + 8 + 4 + 4 + 8;

template <typename T>
void Put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
bool Take(std::string_view& in, T& value) {
    if (in.size() < sizeof(value)) return false;
    std::memcpy(&value, in.data(), sizeof(value));
    in.remove_prefix(sizeof(value));
    return true;
}

std::string Encode(const SegmentIndex& index) {
    std::string out(kMagic);
    for (const auto& [partition, entries] : index) {
        Put(out, partition);
        Put(out, static_cast<uint32_t>(entries.size()));
        for (const IndexEntry& entry : entries) {
            Put(out, entry.base_offset);
            Put(out, entry.position);
            Put(out, entry.content_bytes);
            Put(out, entry.records);
            Put(out, entry.max_timestamp_ms);
        }
    }
    Put(out, Crc32c(AsBytes(out)));
    return out;
}

// Nothing: not an index that was written whole.
std::optional<SegmentIndex> Decode(std::string_view in) {
    if (!in.starts_with(kMagic) || in.size() < kMagic.size() + 4) return std::nullopt;
    std::string_view sum = in.substr(in.size() - 4);
    in.remove_suffix(4);
    uint32_t expected = 0;
    if (!Take(sum, expected) || Crc32c(AsBytes(in)) != expected) return std::nullopt;
    in.remove_prefix(kMagic.size());
    SegmentIndex index;
    while (!in.empty()) {
        uint32_t partition = 0, count = 0;
        if (!Take(in, partition) || !Take(in, count) || in.size() / kEntryBytes < count) return std::nullopt;
        std::vector<IndexEntry>& entries = index[partition];
        entries.resize(count);
        for (IndexEntry& entry : entries) {
            Take(in, entry.base_offset);
            Take(in, entry.position);
            Take(in, entry.content_bytes);
            Take(in, entry.records);
            Take(in, entry.max_timestamp_ms);
        }
    }
    return index;
}

uint64_t MemoryOf(const SegmentIndex& index) {
    uint64_t bytes = 1024;
    for (const auto& [partition, entries] : index) bytes += 96 + entries.size() * sizeof(IndexEntry);
    return bytes;
}

}  // namespace

SegmentStore::SegmentStore(Env& env, std::string directory, ByteSpan wrapping_key)
    : env_(env), directory_(std::move(directory)), wrapping_key_(Bytes(wrapping_key.begin(), wrapping_key.end())) {}

static std::string IndexPath(const std::string& directory, uint64_t segment) {
    return fmt::format("{}/{:020}.index", directory, segment);
}

Status SegmentStore::WriteIndex(uint64_t segment, const SegmentIndex& index) {
    return WriteFileDurably(env_, IndexPath(directory_, segment), Encode(index));
}

Result<SegmentIndex> SegmentStore::ReadIndex(uint64_t segment, const SegmentReader& reader) {
    Result<std::string> stored = ReadFile(env_, IndexPath(directory_, segment), kIndexBytesMax);
    if (stored.ok()) {
        if (std::optional<SegmentIndex> index = Decode(*stored)) return *std::move(index);
    }
    SegmentIndex index;
    TRY(reader.Scan(
        0, SegmentReader::Contents::kHeadersOnly, [&](const EntryHeader& header, uint64_t position, ByteSpan) {
            index[header.partition].push_back(
                {header.base_offset, position, header.content_bytes, header.records, header.max_timestamp_ms});
            return Ok();
        }));
    return index;
}

Result<std::shared_ptr<const SegmentStore::Opened>> SegmentStore::Open(uint64_t segment) {
    {
        std::lock_guard lock(mutex_);
        for (auto it = opened_.begin(); it != opened_.end(); ++it) {
            if (it->first != segment) continue;
            opened_.splice(opened_.begin(), opened_, it);
            return opened_.front().second;
        }
    }
    auto opened = std::make_shared<Opened>();
    opened->reader = TRY(SegmentReader::Open(env_, directory_, segment, wrapping_key_.bytes()));
    opened->index = TRY(ReadIndex(segment, *opened->reader));
    opened->bytes = MemoryOf(opened->index);
    std::lock_guard lock(mutex_);
    opened_.emplace_front(segment, opened);
    uint64_t bytes = 0;
    size_t count = 0;
    for (auto it = opened_.begin(); it != opened_.end();) {
        bytes += it->second->bytes;
        bool keep = ++count == 1 || (count <= kOpenedMax && bytes <= kOpenedBytesMax);
        it = keep ? std::next(it) : opened_.erase(it);
    }
    return std::shared_ptr<const Opened>(opened);
}

Result<std::shared_ptr<const SegmentReader>> SegmentStore::OpenFile(uint64_t segment) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<const SegmentReader>& file = open_files_[segment];
    if (!file) {
        // One segment is being written at a time; who reads an older one has its own reference.
        file = TRY(SegmentReader::Open(env_, directory_, segment, wrapping_key_.bytes()));
        std::erase_if(open_files_, [&](const auto& one) { return one.first != segment; });
    }
    return open_files_[segment];
}

Status SegmentStore::Remove(uint64_t segment) {
    {
        std::lock_guard lock(mutex_);
        opened_.remove_if([&](const auto& one) { return one.first == segment; });
        open_files_.erase(segment);
    }
    // The index first: without its segment it would be nobody's.
    Status removed = env_.files().Remove(IndexPath(directory_, segment));
    if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) return removed;
    return env_.files().Remove(directory_ + "/" + SegmentName(segment));
}

}  // namespace tarn::buffer
