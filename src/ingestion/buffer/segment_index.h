// Where each partition's batches lie in a segment: a file beside the segment, made when it is closed, made again from
// the segment when it is missing or damaged. Internal to the component.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/metrics.h"
#include "ingestion/buffer/segment_file.h"

namespace tarn::buffer {

struct IndexEntry {
    uint64_t base_offset = 0;
    uint64_t position = 0;
    uint32_t content_bytes = 0;
    uint32_t records = 0;
    int64_t max_timestamp_ms = -1;
    uint64_t end() const { return base_offset + records; }
};
using SegmentIndex = std::map<uint32_t, std::vector<IndexEntry>>;  // by partition; ascending

// What a segment holds of a partition: offsets [first, end).
struct Extent {
    uint64_t segment = 0;
    uint64_t first = 0;
    uint64_t end = 0;
    uint64_t bytes = 0;
    int64_t max_timestamp_ms = -1;
};

// Open files and indexes of segments, so many at a time. Any thread.
class SegmentStore {
  public:
    SegmentStore(Env& env, std::string directory, ByteSpan wrapping_key);

    struct Opened {
        std::unique_ptr<SegmentReader> reader;
        SegmentIndex index;
        uint64_t bytes = 0;  // of memory
    };
    // Shared with reads under way while another is opened. kNotFound once it was removed.
    Result<std::shared_ptr<const Opened>> Open(uint64_t segment);
    // The file alone: of the segment that is still being written.
    Result<std::shared_ptr<const SegmentReader>> OpenFile(uint64_t segment);
    Status WriteIndex(uint64_t segment, const SegmentIndex& index);
    Status Remove(uint64_t segment);
    Env& env() const { return env_; }
    const std::string& directory() const { return directory_; }
    ByteSpan wrapping_key() const { return wrapping_key_.bytes(); }

  private:
    Result<SegmentIndex> ReadIndex(uint64_t segment, const SegmentReader& reader);

    Env& env_;
    const std::string directory_;
    const Secret wrapping_key_;
    std::mutex mutex_;  // guards the two below
    std::list<std::pair<uint64_t, std::shared_ptr<const Opened>>> opened_;  // newest use first
    std::map<uint64_t, std::shared_ptr<const SegmentReader>> open_files_;
};

}  // namespace tarn::buffer
