// SegmentFile: a piece of the log on the disk: entries of any partitions, one after another, each sealed and readable
// alone. docs/formats/buffer.md. Internal to the component.
//
// A segment is written by the process that made it and by no later one: its key then never seals two different entries
// under one nonce, whatever a crash left of the tail.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/env.h"
#include "base/result.h"
#include "base/shared_bytes.h"

namespace tarn::buffer {

inline constexpr size_t kSegmentHeaderBytes = 96;
inline constexpr size_t kEntryHeaderBytes = 48;
// No entry's content is larger; a record batch has its own, lower limit (max.message.bytes).
inline constexpr uint32_t kEntryBytesMax = 256 << 20;
// Entries of partition 0 are the buffer's own: what changes its state.
inline constexpr uint32_t kStatePartition = 0;
// Flags of an entry.
inline constexpr uint32_t kMoreOfSet = 1;    // belongs together with the next entry: they count both or not at all
inline constexpr uint32_t kLastOfGroup = 2;  // the fsync came after it

struct EntryHeader {
    uint32_t partition = 0;
    uint32_t flags = 0;
    uint64_t base_offset = 0;
    uint32_t records = 0;  // offsets that it takes
    uint32_t content_bytes = 0;  // without seal
    int64_t max_timestamp_ms = -1;
    uint64_t sequence = 0;  // of the entry within the process: the nonce
    // Of the group that one fsync made durable. A group is written once the one before is durable, so a damaged entry
    // with a whole group behind it was acknowledged, and one without was not.
    uint32_t group = 0;
};

struct Entry {
    EntryHeader header;
    SharedBytes content;
};

class SegmentWriter {
  public:
    // Makes <directory>/<number>.log. Nothing is durable before the first Sync.
    static Result<std::unique_ptr<SegmentWriter>> Create(Env& env, const std::string& directory, uint64_t number,
                                                         ByteSpan wrapping_key);
    // Seals and writes; `positions` gets where each entry begins. Numbers the entries by `sequence`, which moves on
    // even if this fails: then nothing of them is in the file, or nothing can be written to it any more.
    Status Append(std::vector<Entry>& entries, uint64_t& sequence, std::vector<uint64_t>& positions);
    // What was appended since the last Sync is one group.
    Status Sync();
    // Gives back what was written ahead. Fails: zeros are left behind the last entry, which readers pass over.
    Status Finish();
    uint64_t number() const { return number_; }
    uint64_t bytes() const { return bytes_; }

  private:
    Status SealAndWrite(std::vector<Entry>& entries, uint64_t& sequence, std::vector<uint64_t>& positions);
    Status Write(size_t filled, size_t ahead);

    SegmentWriter(Env& env, std::string directory, uint64_t number, std::unique_ptr<File> file, Secret key);

    Env& env_;
    const std::string directory_;
    const uint64_t number_;
    std::unique_ptr<File> file_;
    const Secret key_;
    Bytes sealed_;  // a piece of an Append; kept for the next
    uint64_t bytes_ = 0;
    uint64_t file_bytes_ = 0;  // zeros from bytes_ on
    bool may_write_ahead_ = true;
    uint32_t group_ = 1;
    bool name_is_durable_ = false;
};

struct ScanEnd {
    uint64_t position = 0;
    bool whole = false;  // at the file's end, or only zeros follow
    uint32_t group = 0;  // of the last entry
    bool group_whole = true;  // the last entry was its group's last
};

class SegmentReader {
  public:
    // kCorruption when its header isn't whole; kNotFound.
    static Result<std::unique_ptr<SegmentReader>> Open(Env& env, const std::string& directory, uint64_t number,
                                                       ByteSpan wrapping_key);
    // The entry's content (position as Append told), kCorruption if a bit of it changed. Thread-safe.
    Result<Bytes> Read(uint64_t position, const EntryHeader& header) const;
    // Calls `entry` for each whole entry from `position` on, with its content where `contents` says so (else empty,
    // and unverified), up to the file's end or the first entry that isn't whole. An error of `entry` ends it, too.
    using OnEntry = std::function<Status(const EntryHeader&, uint64_t position, ByteSpan content)>;
    enum class Contents { kVerified, kHeadersOnly };
    Result<ScanEnd> Scan(uint64_t position, Contents contents, const OnEntry& entry) const;
    // Behind a scan that ended early: where the next whole entry begins if what lies between was acknowledged, which a
    // later group proves; otherwise 0.
    Result<uint64_t> NextWhole(const ScanEnd& end) const;
    uint64_t number() const { return number_; }
    Result<uint64_t> Size() const { return file_->Size(); }

  private:
    SegmentReader(uint64_t number, std::unique_ptr<File> file, Secret key);
    Result<Bytes> Unseal(ByteSpan head, const EntryHeader& header, ByteSpan sealed) const;

    const uint64_t number_;
    const std::unique_ptr<File> file_;
    const Secret key_;
};

// Writes the segment's first `bytes` anew and makes them durable: what a program reads after a crash may be in the
// kernel's memory only, and after a failed fsync no other fsync brings it to the disk.
Status RewriteSegment(Env& env, const std::string& directory, uint64_t number, uint64_t bytes);
// "00000000000000000001.log"
std::string SegmentName(uint64_t number);
// The numbers of the segments in the folder, ascending.
Result<std::vector<uint64_t>> ListSegments(Env& env, const std::string& directory);

}  // namespace tarn::buffer
