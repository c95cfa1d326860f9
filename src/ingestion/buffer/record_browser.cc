#include "ingestion/buffer/record_browser.h"

#include <algorithm>
#include <deque>

#include "base/number.h"
#include "base/text.h"

namespace tarn::buffer {
namespace {

constexpr int64_t kChunkMin = 10;
constexpr int64_t kChunkMax = 5000;
constexpr size_t kReadBytes = 1 << 20;  // of batches as stored

bool Holds(ByteSpan bytes, const std::string& lower) {
    auto same = [](uint8_t byte, char letter) {
        return (byte >= 'A' && byte <= 'Z' ? byte + 32 : byte) == static_cast<uint8_t>(letter);
    };
    return std::search(bytes.begin(), bytes.end(), lower.begin(), lower.end(), same) != bytes.end();
}

// Into `name`, `name_is_base64`, and where something is left out `name_bytes`: how much it is.
void PutBytes(Json& into, const std::string& name, const std::optional<ByteSpan>& bytes, size_t shown_bytes) {
    into[name] = nullptr;
    if (!bytes) return;
    bool whole = bytes->size() <= shown_bytes;
    ByteSpan shown = whole ? *bytes : bytes->first(shown_bytes);
    // Not in the middle of a character.
    size_t end = shown.size();
    while (!whole && end > 0 && shown.size() - end < 4 && !IsUtf8(AsText(shown.first(end)))) --end;
    bool text = IsUtf8(AsText(shown.first(end)));
    if (text) shown = shown.first(end);
    into[name] = text ? std::string(AsText(shown)) : Base64Encode(shown);
    if (!text) into[name + "_is_base64"] = true;
    if (!whole) into[name + "_bytes"] = bytes->size();
}

size_t BytesOf(const TopicRecord& record) {
    size_t bytes = (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
    for (const TopicHeader& header : record.headers) {
        bytes += header.key.size() + (header.value ? header.value->size() : 0);
    }
    return bytes;
}

// What one page may cost.
struct Budget {
    Clock& clock;
    Duration until;
    int64_t scanned = 0;
    size_t read_bytes = 0;  // decompressed
    size_t held_bytes = 0;  // of what was found

    bool over() const {
        return read_bytes > kBrowsedBytesMax || held_bytes > 2 * kPageBytesMax || clock.Monotonic() > until;
    }
};

struct Found {
    int64_t offset = 0, timestamp_ms = 0;
    size_t bytes = 0;
    Json json;
};

// One partition's part of the search, in one direction.
class Search {
  public:
    Search(const BrowseRequest& request, const std::string& lower_filter, PartitionRange range, int64_t from)
        : request_(request), filter_(lower_filter), range_(range), at_(std::clamp(from, range.first, range.end)) {}

    bool has() const { return !found_.empty(); }
    bool done() const { return request_.newest_first ? at_ <= range_.first : at_ >= range_.end; }
    const Found& head() const { return request_.newest_first ? found_.back() : found_.front(); }
    Found Take() {
        Found taken = std::move(request_.newest_first ? found_.back() : found_.front());
        request_.newest_first ? found_.pop_back() : found_.pop_front();
        return taken;
    }
    int64_t next() const {
        if (found_.empty()) return at_;
        return request_.newest_first ? found_.back().offset + 1 : found_.front().offset;
    }

    // Looks at the next few records.
    Status Advance(Topics& topics, const security::Principal& principal, int64_t chunk, Budget& budget) {
        chunk_ = std::clamp(std::max(chunk, chunk_), kChunkMin, kChunkMax);
        int64_t begin = request_.newest_first ? std::max(range_.first, at_ - chunk_) : at_;
        int64_t end = request_.newest_first ? at_ : std::min(range_.end, at_ + chunk_);
        int64_t offset = begin;
        while (offset < end) {
            ReadLimits limits{.records_max = static_cast<size_t>(end - offset), .bytes_max = kReadBytes};
            auto some = topics.Read(principal, request_.topic, range_.partition, offset, limits);
            if (!some.ok()) {
                if (some.error().code() != ErrorCode::kOutOfRange) return some.error();
                offset = TRY(AfterDropped(topics, principal, offset, end));
                continue;
            }
            if (some->next <= offset) offset = end;
            offset = std::max(offset, some->next);
            Add(*some, end, budget);
            // Backwards all of it is needed, or there would be a hole.
            if (!request_.newest_first && budget.over()) break;
        }
        at_ = request_.newest_first ? begin : std::min(offset, end);
        chunk_ *= 2;
        return Ok();
    }

  private:
    // Retention was quicker: what is left begins later.
    Result<int64_t> AfterDropped(Topics& topics, const security::Principal& principal, int64_t offset, int64_t end) {
        for (const PartitionRange& now : TRY(topics.Partitions(principal, request_.topic))) {
            if (now.partition == range_.partition && now.first > offset) return std::min(now.first, end);
        }
        return end;
    }

    void Add(const TopicRecords& some, int64_t end, Budget& budget) {
        for (const TopicRecord& record : some.records) {
            if (record.offset >= end) break;
            ++budget.scanned;
            if (!IsFound(record, filter_)) continue;
            size_t bytes = std::min(BytesOf(record), request_.shown_bytes * 2);
            budget.held_bytes += bytes;
            found_.push_back({record.offset, record.timestamp_ms, bytes,
                              RecordJson(range_.partition, record, request_.shown_bytes)});
        }
        budget.read_bytes += some.bytes;
    }

    const BrowseRequest& request_;
    const std::string& filter_;
    const PartitionRange range_;
    int64_t at_;  // newest first: everything from here on was looked at, else everything before
    int64_t chunk_ = 0;
    std::deque<Found> found_;  // ascending; newest first: put together from pieces, so at most one piece at a time
};

// The search whose head comes next; nullptr at the end, and when the budget is over before that is known.
Result<Search*> Next(std::vector<Search>& searches, const BrowseRequest& request, Topics& topics,
                     const security::Principal& principal, Budget& budget) {
    int64_t chunk = 2 * request.limit / static_cast<int64_t>(searches.size());
    Search* best = nullptr;
    for (Search& search : searches) {
        while (!search.has() && !search.done()) {
            if (budget.over()) return nullptr;
            TRY(search.Advance(topics, principal, chunk, budget));
        }
        if (!search.has()) continue;
        int64_t time = search.head().timestamp_ms;
        bool before =
            best && (request.newest_first ? time > best->head().timestamp_ms : time < best->head().timestamp_ms);
        if (!best || before) best = &search;
    }
    return best;
}

}  // namespace

Result<Positions> ParsePositions(const std::string& text) {
    Positions positions;
    for (const std::string& one : Split(text, ',')) {
        size_t colon = one.find(':');
        int64_t partition = ParseInteger(one.substr(0, colon)).value_or(-1);
        int64_t offset = colon == std::string::npos ? -1 : ParseInteger(one.substr(colon + 1)).value_or(-1);
        if (partition < 0 || partition > INT32_MAX || offset < 0) {
            return Error(ErrorCode::kInvalidArgument, "\"{}\" is no PARTITION:OFFSET", one);
        }
        positions[static_cast<int32_t>(partition)] = offset;
    }
    return positions;
}

std::string PositionsText(const Positions& positions) {
    std::string text;
    for (const auto& [partition, offset] : positions) {
        text += fmt::format("{}{}:{}", text.empty() ? "" : ",", partition, offset);
    }
    return text;
}

Json TimeJson(int64_t ms) {
    constexpr int64_t kYear10000 = 253'402'300'800'000;
    return ms < 0 || ms >= kYear10000 ? Json() : Json(FormatTime(FromMicros(ms * 1000)));
}

bool IsFound(const TopicRecord& record, const std::string& lower_filter) {
    if (lower_filter.empty()) return true;
    if (record.key && Holds(*record.key, lower_filter)) return true;
    if (record.value && Holds(*record.value, lower_filter)) return true;
    return std::any_of(record.headers.begin(), record.headers.end(), [&](const TopicHeader& header) {
        return Holds(AsBytes(header.key), lower_filter) || (header.value && Holds(*header.value, lower_filter));
    });
}

Json RecordJson(int32_t partition, const TopicRecord& record, size_t shown_bytes) {
    Json headers = Json::array();
    for (const TopicHeader& header : record.headers) {
        Json one = {{"key", header.key}};
        PutBytes(one, "value", header.value, shown_bytes);
        headers.push_back(std::move(one));
    }
    Json json = {{"partition", partition},
                 {"offset", record.offset},
                 {"time", TimeJson(record.timestamp_ms)},
                 {"headers", std::move(headers)}};
    PutBytes(json, "key", record.key, shown_bytes);
    PutBytes(json, "value", record.value, shown_bytes);
    return json;
}

Result<Page> Browse(Topics& topics, const security::Principal& principal, Clock& clock, const BrowseRequest& request) {
    std::string lower_filter = ToLower(request.filter);
    std::vector<Search> searches;
    std::vector<int32_t> partitions;
    for (const PartitionRange& range : TRY(topics.Partitions(principal, request.topic))) {
        auto from = request.from.find(range.partition);
        if (from == request.from.end()) continue;
        searches.emplace_back(request, lower_filter, range, from->second);
        partitions.push_back(range.partition);
    }
    Budget budget{clock, clock.Monotonic() + request.time_max};
    Page page;
    while (static_cast<int64_t>(page.records.size()) < request.limit &&
           page.bytes < static_cast<int64_t>(kPageBytesMax)) {
        Search* best = searches.empty() ? nullptr : TRY(Next(searches, request, topics, principal, budget));
        if (!best) break;
        Found taken = best->Take();
        page.bytes += static_cast<int64_t>(taken.bytes);
        page.records.push_back(std::move(taken.json));
    }
    for (size_t index = 0; index < searches.size(); ++index) {
        page.next[partitions[index]] = searches[index].next();
        page.more = page.more || searches[index].has() || !searches[index].done();
    }
    page.scanned = budget.scanned;
    return page;
}

}  // namespace tarn::buffer
