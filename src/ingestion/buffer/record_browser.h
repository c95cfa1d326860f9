// Looking through the records of a topic: the newest first or the oldest first, over its partitions together in the
// order of their times, what a text is in, a page at a time. Internal to the component.
//
// A page ends at its limit of records, at the end, or when so much was read that it is time for an answer: `next` says
// where the following one begins, and nothing between is left out.
#pragma once

#include <map>
#include <string>

#include "base/env.h"
#include "base/json.h"
#include "ingestion/buffer/topics.h"

namespace tarn::buffer {

inline constexpr int64_t kRecordsShownMax = 1000;        // of one page
inline constexpr size_t kPartitionsBrowsedMax = 1000;    // looked through together
inline constexpr size_t kBrowsedBytesMax = 64 << 20;     // read for one page, decompressed
inline constexpr size_t kPageBytesMax = 16 << 20;        // keys, values and headers of one page
inline constexpr size_t kShownBytesMax = 16 << 20;       // of one value
inline constexpr size_t kShownBytes = 64 << 10;          // of one value, unless more is asked for

using Positions = std::map<int32_t, int64_t>;  // partition -> offset
// "0:12,1:7"; kInvalidArgument.
Result<Positions> ParsePositions(const std::string& text);
std::string PositionsText(const Positions& positions);

struct BrowseRequest {
    std::string topic;
    bool newest_first = true;
    Positions from;  // newest first: records before these offsets, else from them on
    int64_t limit = 50;
    std::string filter;  // in the key, the value or a header; upper and lower case are the same (ASCII)
    size_t shown_bytes = kShownBytes;
    Duration time_max = std::chrono::seconds(5);
};
struct Page {
    Json records = Json::array();
    Positions next;
    int64_t scanned = 0;
    int64_t bytes = 0;
    bool more = false;  // there is something behind `next`, as far as one knows
};
Result<Page> Browse(Topics& topics, const security::Principal& principal, Clock& clock, const BrowseRequest& request);

bool IsFound(const TopicRecord& record, const std::string& lower_filter);
// Of milliseconds since 1970; null where there is none, or one that no calendar has.
Json TimeJson(int64_t ms);
// Text where it is UTF-8, else Base64; at most so much of key, value and each header.
Json RecordJson(int32_t partition, const TopicRecord& record, size_t shown_bytes);

}  // namespace tarn::buffer
