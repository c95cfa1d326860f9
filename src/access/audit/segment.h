// Segments of the audit log as bytes: headers, sealed and chained records. Format: docs/formats/audit.md. No IO but
 // List.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "base/env.h"
#include "base/time.h"

namespace tarn::access {

struct SegmentHeader {
    static constexpr size_t kBytes = 88;
    uint64_t number = 0;          // 1, 2, 3 ...
    uint64_t first_sequence = 0;  // of its first record; records are numbered from 1 through all segments
    Timestamp created_at;
    Sha256Digest previous{};      // the chain's hash at the end of the segment before; zeros in the first
    std::array<uint8_t, 16> id{};  // random: each segment has a key of its own
};

Bytes EncodeHeader(const SegmentHeader& header);
Result<SegmentHeader> DecodeHeader(ByteSpan bytes);
// The hash that the first record of a segment follows.
Sha256Digest ChainStart(const SegmentHeader& header);
Secret SegmentKey(const Secret& audit_key, const SegmentHeader& header);

// A record where it lies; `sealed` points into the segment's bytes.
struct RecordFrame {
    static constexpr size_t kPrefixBytes = 44;
    static constexpr size_t kSealedBytesMax = 1 << 20;
    uint64_t offset = 0;
    uint64_t sequence = 0;
    Sha256Digest chain{};
    ByteSpan sealed;
    uint64_t end() const { return offset + kPrefixBytes + sealed.size(); }
};

// The place of a record in its log: what it is sealed to, so that it opens nowhere else.
struct RecordPlace {
    uint64_t segment = 0;
    uint64_t sequence = 0;
    Sha256Digest previous{};
};

// Seals `plain` and gives the chain's hash after it.
Bytes EncodeRecord(Random& random, const Secret& segment_key, const RecordPlace& place, ByteSpan plain,
                   Sha256Digest& chain);
// Nothing when no whole record lies at `offset`.
std::optional<RecordFrame> FrameAt(ByteSpan segment, uint64_t offset);
// kCorruption when anything of the record, its place or the chain before it is not as it was written.
Result<Bytes> OpenRecord(const Secret& segment_key, const RecordPlace& place, const RecordFrame& frame);

std::string SegmentName(uint64_t number);
// Numbers of the segments in `folder`, ascending.
Result<std::vector<uint64_t>> ListSegments(Env& env, const std::string& folder);

}  // namespace tarn::access
