// Topics: how the rest of the program reads and writes topics: records, decoded, under the gate.
//
// Does: tells which topics there are, reads a partition's records from an offset on as a read_committed consumer sees
// them (no control batches, nothing aborted, decompressed within limits), finds the offset of a time, waits for
// records, appends some. Never: decides or records an access by itself: the gate is asked at each call (topic:Read,
// topic:Write, topic:Create; Principal::System for the program), the audit record is the protocol's (the row of the
// route or statement that calls). Who: Buffer::topics; Kafka elsewhere will be a second implementation. Threads: any;
// all but Wait take as long as the disk does. Fails: kNotFound, kPermissionDenied, kOutOfRange (the records were
// dropped: the message says what is there), kInvalidArgument (a record that the topic does not take),
// kResourceExhausted (the disk is full or the log behind: try again; with detail code MESSAGE_TOO_LARGE: never).
//
//   TopicRecords some = TRY(topics.Read(principal, "flight_events", 0, offset, {}));
//   for (const TopicRecord& record : some.records) Use(record.offset, record.value);
//   offset = some.next;
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/executor.h"
#include "base/result.h"
#include "base/time.h"
#include "security/principal.h"

namespace tarn::buffer {

struct TopicSummary {
    std::string name;
    int32_t partitions = 0;
    std::map<std::string, std::string> settings;  // by Kafka's names; only what was set
    std::optional<Timestamp> created_at;
};

// Offsets [first, end) of a partition can be read; not each must have a record.
struct PartitionRange {
    int32_t partition = 0;
    int64_t first = 0;
    int64_t end = 0;
    int64_t bytes = 0;  // as stored
};

// A run of offsets [first, end) that can be read by itself.
struct TopicStretch {
    int32_t partition = 0;
    int64_t first = 0;
    int64_t end = 0;
    int64_t bytes = 0;                     // as stored, about
    int64_t max_timestamp_ms = INT64_MAX;  // of its records, or more
    uint64_t segment = 0;                  // where it lies: for Split
};

struct TopicHeader {
    std::string_view key;
    std::optional<ByteSpan> value;
};
struct TopicRecord {
    int64_t offset = 0;
    int64_t timestamp_ms = -1;  // since 1970; -1: none
    std::optional<ByteSpan> key;
    std::optional<ByteSpan> value;
    std::vector<TopicHeader> headers;
};

struct ReadLimits {
    size_t records_max = SIZE_MAX;    // a batch that this cuts is decompressed again by the next read
    size_t bytes_max = 4 << 20;       // of batches as stored; at least one batch is read
    size_t batch_bytes_max = 256 << 20;  // of one batch, decompressed: the most that a topic takes
};
struct TopicRecords {
    std::vector<TopicRecord> records;  // ascending; views into `held`
    int64_t next = 0;                  // where to read on, also when there is no record
    size_t bytes = 0;                  // decompressed
    std::vector<std::shared_ptr<const void>> held;  // frames and buffers, shared with the log's own memory
};

struct NewRecord {
    std::optional<ByteSpan> key;
    std::optional<ByteSpan> value;
    std::vector<TopicHeader> headers = {};
    std::optional<int64_t> timestamp_ms = {};  // now
    std::optional<int32_t> partition = {};  // by the key as Java's client does; without a key one for all of a call
};
struct RecordPlace {
    int32_t partition = 0;
    int64_t offset = 0;
};

class Topics {
  public:
    using Principal = security::Principal;
    virtual ~Topics() = default;

    // By name; those that the principal may see (topic:Describe or topic:Read).
    virtual Result<std::vector<TopicSummary>> List(const Principal& principal) = 0;
    virtual Result<TopicSummary> Describe(const Principal& principal, const std::string& topic) = 0;
    // In the order of their numbers. topic:Describe or topic:Read.
    virtual Result<std::vector<PartitionRange>> Partitions(const Principal& principal, const std::string& topic) = 0;

    // All that can be read now, as the log's large pieces have it, by partition and ascending; and one of these as
    // pieces of about `bytes` each. topic:Read.
    virtual Result<std::vector<TopicStretch>> Stretches(const Principal& principal, const std::string& topic) = 0;
    virtual Result<std::vector<TopicStretch>> Split(const Principal& principal, const std::string& topic,
                                                    const TopicStretch& stretch, int64_t bytes) = 0;

    virtual Result<TopicRecords> Read(const Principal& principal, const std::string& topic, int32_t partition,
                                      int64_t offset, const ReadLimits& limits) = 0;
    // Of the first record with such a time or a later one; the partition's end if there is none.
    virtual Result<int64_t> OffsetAt(const Principal& principal, const std::string& topic, int32_t partition,
                                     int64_t timestamp_ms) = 0;
    // Waits until one of the partitions has something to read at its offset or behind it. False: `at_most` is over.
    // kCancelled.
    virtual Result<bool> Wait(const Principal& principal, const std::string& topic,
                              const std::map<int32_t, int64_t>& offsets, Duration at_most,
                              const CancelToken& cancel) = 0;

    // The records are on the disk when it returns, those of a partition in their order; the places in that of
    // `records`. What one set of batches holds (max.message.bytes a partition) counts together or not at all.
    virtual Result<std::vector<RecordPlace>> Append(const Principal& principal, const std::string& topic,
                                                    std::span<const NewRecord> records) = 0;
    // kAlreadyExists.
    virtual Status Create(const Principal& principal, const std::string& topic, int32_t partitions,
                          const std::map<std::string, std::string>& settings) = 0;
};

}  // namespace tarn::buffer
