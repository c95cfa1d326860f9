// Dropping from the front by the rule `audit.keep`. The order survives a crash at each step: what goes is proven; a
// record that names its last record, chained and sealed like any other, is on the disk, and the metadata knows of it;
// only then are files removed. The record is always newer than what it drops, so it is there as long as it is needed.
#include <algorithm>

#include "access/audit/audit_state.h"
#include "access/audit/event_json.h"
#include "access/audit/verifier.h"

namespace tarn::access {
namespace {

constexpr std::string_view kAction = "audit:Drop";
constexpr std::string_view kPrincipal = "system:audit";

// Nothing when the record is about something else.
std::optional<AuditDrop> DropOf(ByteSpan plain, uint64_t sequence) {
    if (AsText(plain).find(kAction) == std::string_view::npos) return std::nullopt;
    auto decoded = DecodeEvent(AsText(plain));
    if (!decoded.ok()) return std::nullopt;
    const security::AuditEvent& event = decoded->event;
    bool own = event.action == kAction && event.principal == kPrincipal && event.protocol == "internal";
    if (!own || !event.details.is_object()) return std::nullopt;
    auto number = [&](const char* name) {
        return static_cast<uint64_t>(JsonIntegerOr(event.details, name, 0).value_or(0));
    };
    auto text = [&](const char* name) { return JsonStringOr(event.details, name, "").value_or(""); };
    AuditDrop drop{.through = {number("segment"), number("offset"), number("sequence")},
                   .newest = FromMicros(static_cast<int64_t>(number("newest_us"))),
                   .rule = text("rule"),
                   .set_by = text("set_by"),
                   .sequence = sequence,
                   .at = decoded->time};
    auto chain = HexDecode(text("chain"));
    if (!chain.ok() || chain->size() != drop.through.chain.size()) return std::nullopt;
    std::copy(chain->begin(), chain->end(), drop.through.chain.begin());
    return drop;
}

Json DetailsOf(const AuditDrop& drop) {
    return {{"segment", drop.through.segment},
            {"offset", drop.through.offset},
            {"sequence", drop.through.sequence},
            {"chain", HexEncode(drop.through.chain)},
            {"newest", FormatTime(drop.newest)},
            {"newest_us", ToMicros(drop.newest)},
            {"rule", drop.rule},
            {"set_by", drop.set_by}};
}

// The newest in one segment.
std::optional<AuditDrop> DropIn(ByteSpan content, const SegmentHeader& header, const Secret& audit_key) {
    std::optional<AuditDrop> found;
    Secret key = SegmentKey(audit_key, header);
    Sha256Digest previous = ChainStart(header);
    uint64_t offset = SegmentHeader::kBytes;
    while (auto frame = FrameAt(content, offset)) {
        auto plain = OpenRecord(key, {header.number, frame->sequence, previous}, *frame);
        if (plain.ok()) {
            auto drop = DropOf(*plain, frame->sequence);
            if (drop && drop->through.segment < header.number) found = std::move(drop);
        }
        offset = frame->end();
        previous = frame->chain;
    }
    return found;
}

// From the first ever, without a gap.
bool IsWhole(const std::vector<uint64_t>& numbers) {
    return numbers.empty() || (numbers.front() == 1 && numbers.back() == numbers.size());
}

}  // namespace

Result<std::optional<AuditDrop>> FindDrop(Env& env, const Secret& audit_key, const std::string& folder,
                                          const std::vector<uint64_t>& numbers, const AuditHead& written) {
    if (IsWhole(numbers)) return std::optional<AuditDrop>();
    for (size_t i = numbers.size(); i-- > 0;) {
        if (numbers[i] > written.segment) continue;
        uint64_t end = numbers[i] == written.segment ? written.offset : UINT64_MAX;
        auto content = ReadSegment(env, folder + "/" + SegmentName(numbers[i]), end);
        if (!content.ok()) continue;  // proving it will tell
        auto header = DecodeHeader(AsBytes(*content));
        if (!header.ok() || header->number != numbers[i]) continue;
        auto drop = DropIn(AsBytes(*content), *header, audit_key);
        if (drop) return drop;
    }
    return std::optional<AuditDrop>();
}

std::shared_lock<std::shared_mutex> Audit::HoldSegments() const { return std::shared_lock(state_->segments); }

// From the oldest on; a crash may leave any of them, which the next drop removes.
Status Audit::RemoveThrough(uint64_t segment) {
    std::unique_lock lock(state_->segments);
    bool removed = false;
    for (uint64_t number : TRY(ListSegments(state_->env, state_->folder))) {
        if (number > segment) break;
        TRY(state_->env.files().Remove(state_->PathOf(number)));
        removed = true;
    }
    return removed ? state_->env.files().SyncDirectory(state_->folder) : Ok();
}

namespace {

// Segments after `front` whose records are all older than `before`, up to the one that is written to.
Result<std::optional<AuditDrop>> ProveOld(Env& env, const Secret& audit_key, const std::string& folder,
                                          const AuditHead& front, const AuditHead& written, Timestamp before,
                                          const std::function<bool()>& stop) {
    std::optional<AuditDrop> old;
    Verifier verifier(env, audit_key, folder, {}, front);
    Timestamp newest{};
    verifier.OnRecord([&](ByteSpan plain) {
        auto decoded = DecodeEvent(AsText(plain));
        newest = std::max(newest, decoded.ok() ? decoded->time : Timestamp::max());
    });
    for (uint64_t number = front.segment + 1; number < written.segment && !stop(); ++number) {
        verifier.CheckSegment(number, UINT64_MAX);
        if (verifier.report().issue_count > 0) {
            return Error(ErrorCode::kCorruption,
                         "nothing is dropped from the audit log, for what is old is damaged: {}",
                         verifier.report().issues.front().message)
                .WithHint("tarn audit verify lists what is wrong");
        }
        if (newest >= before) break;
        old = AuditDrop{.through = verifier.at(), .newest = newest};
    }
    return old;
}

}  // namespace

Result<uint64_t> Audit::DropOld(const std::function<bool()>& stop) {
    Duration keep = state_->config.keep;
    if (keep == Duration(0)) return 0;
    Env& env = state_->env;
    AuditHead written = state_->writer.synced();
    std::vector<uint64_t> numbers = TRY(ListSegments(env, state_->folder));
    auto last = TRY(FindDrop(env, state_->audit_key, state_->folder, numbers, written));
    AuditHead front = last ? last->through : AuditHead{};
    if (last) TRY(RemoveThrough(front.segment));
    Timestamp before = env.clock().Now() - keep;
    auto drop = TRY(ProveOld(env, state_->audit_key, state_->folder, front, written, before, stop));
    if (!drop) return 0;
    // The first segment that stays must follow what goes: its link is all that will be left of it.
    std::string next = TRY(ReadSegment(env, state_->PathOf(drop->through.segment + 1), SegmentHeader::kBytes));
    SegmentHeader header = TRY_CONTEXT(DecodeHeader(AsBytes(next)), "the audit log's next segment");
    if (header.previous != drop->through.chain || header.first_sequence != drop->through.sequence + 1) {
        return Error(ErrorCode::kCorruption, "nothing is dropped from the audit log, for {} does not follow it",
                     state_->PathOf(header.number));
    }
    drop->rule = "audit.keep " + FormatDuration(keep);
    drop->set_by = keep == AuditConfig{}.keep ? "the program's default" : "tarn.yaml";
    TRY(Append(OwnEvent(std::string(kAction), "DropOld", DetailsOf(*drop)), security::AuditDurability::kSynced));
    TRY(StoreHead());  // so that who cuts that record off is found
    TRY(RemoveThrough(drop->through.segment));
    return drop->through.sequence - front.sequence;
}

}  // namespace tarn::access
