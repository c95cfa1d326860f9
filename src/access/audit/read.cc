// Reading the log newest first: from the last segment back, each opened from its end.
#include <algorithm>

#include "access/audit/audit_state.h"
#include "access/audit/event_json.h"
#include "access/audit/segment.h"
#include "access/audit/verifier.h"
#include "base/text.h"

namespace tarn::access {
namespace {

// Times are taken before a record's place in line is, and clocks are set: segments are skipped with this much care.
constexpr Duration kClockCare = std::chrono::minutes(5);

bool Matches(const AuditFilter& filter, const DecodedEvent& decoded) {
    auto matches = [](const std::string& pattern, const std::string& text) {
        return pattern.empty() || MatchesWildcard(pattern, text);
    };
    const security::AuditEvent& event = decoded.event;
    if (filter.since && decoded.time < *filter.since) return false;
    if (filter.until && decoded.time >= *filter.until) return false;
    return matches(filter.principal, event.principal) && matches(filter.action, event.action) &&
           matches(filter.resource, event.resource) && matches(filter.status, event.status);
}

struct Reader {
    Env& env;
    const Secret& audit_key;
    const AuditFilter& filter;
    size_t limit;
    uint64_t examined_left;
    AuditPage page;

    // False: the page is full.
    bool Take(const Secret& key, const RecordPlace& place, const RecordFrame& frame) {
        if (filter.before && frame.sequence >= *filter.before) return true;
        if (page.entries.size() >= limit || examined_left == 0) {
            page.next = frame.sequence + 1;
            return false;
        }
        --examined_left;
        auto plain = OpenRecord(key, place, frame);
        auto decoded = plain.ok() ? DecodeEvent(AsText(*plain)) : Result<DecodedEvent>(plain.error());
        if (!decoded.ok()) {
            ++page.damaged;
        } else if (Matches(filter, *decoded)) {
            page.entries.push_back({frame.sequence, decoded->time, std::move(decoded->event)});
        }
        return true;
    }

    bool TakeSegment(ByteSpan content, const SegmentHeader& header) {
        Secret key = SegmentKey(audit_key, header);
        std::vector<RecordFrame> frames;
        uint64_t offset = SegmentHeader::kBytes;
        while (auto frame = FrameAt(content, offset)) {
            offset = frame->end();
            frames.push_back(*frame);
        }
        for (size_t i = frames.size(); i-- > 0;) {
            Sha256Digest previous = i > 0 ? frames[i - 1].chain : ChainStart(header);
            if (!Take(key, {header.number, frames[i].sequence, previous}, frames[i])) return false;
        }
        return true;
    }
};

}  // namespace

Result<AuditPage> Audit::Read(const AuditFilter& filter, size_t limit) const {
    auto held = HoldSegments();
    AuditHead written = state_->writer.written();
    Reader reader{state_->env, state_->audit_key, filter, limit, kExaminedMax, {}};
    std::vector<uint64_t> numbers = TRY(ListSegments(state_->env, state_->folder));
    for (size_t i = numbers.size(); i-- > 0;) {
        if (numbers[i] > written.segment) continue;
        std::string path = state_->PathOf(numbers[i]);
        auto header = DecodeHeader(AsBytes(TRY(ReadSegment(state_->env, path, SegmentHeader::kBytes))));
        if (!header.ok()) {
            ++reader.page.damaged;
            continue;
        }
        bool later = (filter.before && header->first_sequence >= *filter.before) ||
                     (filter.until && header->created_at >= *filter.until + kClockCare);
        if (later) continue;
        uint64_t end = numbers[i] == written.segment ? written.offset : UINT64_MAX;
        std::string content = TRY(ReadSegment(state_->env, path, end));
        if (!reader.TakeSegment(AsBytes(content), *header)) break;
        if (filter.since && header->created_at < *filter.since - kClockCare) break;  // the ones before are older still
    }
    return std::move(reader.page);
}

const std::vector<std::pair<std::string, std::string>>& Audit::SystemColumns() {
    static const std::vector<std::pair<std::string, std::string>> kColumns{
        {"sequence", "BIGINT"},   {"time", "TIMESTAMP WITH TIME ZONE"},
        {"phase", "VARCHAR"},     {"call_id", "VARCHAR"},
        {"principal", "VARCHAR"}, {"credential", "VARCHAR"},
        {"remote", "VARCHAR"},    {"protocol", "VARCHAR"},
        {"operation", "VARCHAR"}, {"action", "VARCHAR"},
        {"resource", "VARCHAR"},  {"class", "VARCHAR"},
        {"status", "VARCHAR"},    {"rows", "BIGINT"},
        {"bytes", "BIGINT"},      {"duration_us", "BIGINT"},
        {"details", "VARCHAR"},
    };
    return kColumns;
}

Result<std::vector<std::vector<std::optional<std::string>>>> Audit::SystemRows() const {
    auto text = [](const std::string& value) {
        return value.empty() ? std::optional<std::string>() : std::optional(value);
    };
    std::vector<std::vector<std::optional<std::string>>> rows;
    AuditPage page = TRY(Read({}, static_cast<size_t>(state_->config.sql_rows_max)));
    rows.reserve(page.entries.size());
    for (const AuditEntry& entry : page.entries) {
        const security::AuditEvent& event = entry.event;
        rows.push_back({std::to_string(entry.sequence), FormatTime(entry.time), std::string(PhaseName(event.phase)),
                        text(event.call_id), text(event.principal), text(event.credential), text(event.remote),
                        text(event.protocol), text(event.operation), text(event.action), text(event.resource),
                        std::string(security::AuditClassName(event.audit_class)), text(event.status),
                        std::to_string(event.rows), std::to_string(event.bytes), std::to_string(event.duration_us),
                        event.details.empty() ? std::nullopt : std::optional(DumpJson(event.details))});
    }
    return rows;
}

}  // namespace tarn::access
