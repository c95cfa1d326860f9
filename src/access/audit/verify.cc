// Reads the whole log back and proves it: no record changed, dropped, inserted, moved or cut.
#include <algorithm>

#include "access/audit/audit_state.h"
#include "access/audit/verifier.h"

namespace tarn::access {

Result<std::string> ReadSegment(Env& env, const std::string& path, uint64_t end) {
    auto file = TRY(env.files().Open(path));
    std::string content(std::min(TRY(file->Size()), end), '\0');
    auto* bytes = reinterpret_cast<uint8_t*>(content.data());
    content.resize(TRY(file->ReadAt(0, MutableByteSpan(bytes, content.size()))));
    return content;
}

AuditReport Verifier::Finish(const AuditHead& written) {
    uint64_t wanted = std::max(written.sequence, known_.sequence);
    if (at_.sequence < wanted) {
        Report(AuditIssueKind::kCut, fmt::format("the log ends at record {}, {} were written", at_.sequence, wanted));
    }
    report_.head = at_;
    return std::move(report_);
}

void Verifier::Report(AuditIssueKind kind, std::string message) {
    ++report_.issue_count;
    if (report_.issues.size() == AuditReport::kIssuesMax) return;
    report_.issues.push_back({kind, at_.segment, at_.offset, at_.sequence + 1, std::move(message)});
}

void Verifier::CheckSegment(uint64_t number, uint64_t end) {
    uint64_t expected = at_.segment + 1;
    at_.segment = number;
    at_.offset = 0;
    if (number != expected) {
        Report(AuditIssueKind::kDropped, fmt::format("segments {} to {} are gone", expected, number - 1));
    }
    auto content = ReadSegment(env_, folder_ + "/" + SegmentName(number), end);
    ++report_.segments;
    if (!content.ok()) return Report(AuditIssueKind::kChanged, content.error().message());
    auto header = DecodeHeader(AsBytes(*content));
    if (!header.ok()) return Report(AuditIssueKind::kChanged, "its header is damaged: " + header.error().message());
    if (header->number != number) {
        return Report(AuditIssueKind::kReordered, fmt::format("it is segment {} under another name", header->number));
    }
    CheckLink(*header);
    at_ = {number, SegmentHeader::kBytes, header->first_sequence - 1, ChainStart(*header)};
    CheckKnown();
    CheckRecords(AsBytes(*content), SegmentKey(audit_key_, *header));
}

void Verifier::CheckLink(const SegmentHeader& header) {
    if (header.first_sequence > at_.sequence + 1) {
        Report(AuditIssueKind::kDropped,
               fmt::format("records {} to {} are missing before it", at_.sequence + 1, header.first_sequence - 1));
    } else if (header.first_sequence < at_.sequence + 1) {
        Report(AuditIssueKind::kReordered, fmt::format("it begins with record {} again", header.first_sequence));
    } else if (header.previous != at_.chain) {
        Report(AuditIssueKind::kChanged, "the chain does not follow from the segment before");
    }
}

void Verifier::CheckRecords(ByteSpan content, const Secret& key) {
    while (at_.offset < content.size()) {
        auto frame = FrameAt(content, at_.offset);
        if (!frame) {
            return Report(AuditIssueKind::kCut,
                          fmt::format("the last {} bytes are no whole record", content.size() - at_.offset));
        }
        CheckRecord(key, *frame);
        ++report_.records;
        // Go on from what the record claims, so that one wrong place is reported once.
        at_.offset = frame->end();
        at_.sequence = frame->sequence;
        at_.chain = frame->chain;
        CheckKnown();
    }
}

void Verifier::CheckRecord(const Secret& key, const RecordFrame& frame) {
    uint64_t expected = at_.sequence + 1;
    if (frame.sequence > expected) {
        Report(AuditIssueKind::kDropped, fmt::format("records {} to {} are missing", expected, frame.sequence - 1));
    } else if (frame.sequence < expected) {
        Report(AuditIssueKind::kReordered, fmt::format("record {} stands where {} belongs", frame.sequence, expected));
    } else {
        auto plain = OpenRecord(key, {at_.segment, expected, at_.chain}, frame);
        if (!plain.ok()) {
            Report(AuditIssueKind::kChanged, fmt::format("record {} is not what was written", expected));
        } else if (on_record_) {
            on_record_(*plain);
        }
    }
}

void Verifier::CheckKnown() {
    if (at_.segment != known_.segment || at_.offset != known_.offset || at_ == known_) return;
    Report(AuditIssueKind::kChanged, fmt::format("record {} is not the one the metadata knows", at_.sequence));
}

std::string_view AuditIssueKindName(AuditIssueKind kind) {
    switch (kind) {
        case AuditIssueKind::kChanged:
            return "changed";
        case AuditIssueKind::kDropped:
            return "dropped";
        case AuditIssueKind::kReordered:
            return "reordered";
        case AuditIssueKind::kCut:
            return "cut";
    }
    return "changed";
}

Result<AuditReport> Audit::Verify() const {
    auto held = HoldSegments();
    AuditHead known = TRY(LoadHead(state_->database)).value_or(AuditHead{});
    AuditHead written = state_->writer.written();
    std::vector<uint64_t> numbers = TRY(ListSegments(state_->env, state_->folder));
    auto drop = TRY(FindDrop(state_->env, state_->audit_key, state_->folder, numbers, written));
    AuditHead front = drop ? drop->through : AuditHead{};
    Verifier verifier(state_->env, state_->audit_key, state_->folder, known, front);
    for (uint64_t number : numbers) {
        // Up to the front they are what a crash left of a drop: the next one removes them.
        if (number <= front.segment || number > written.segment) continue;
        verifier.CheckSegment(number, number == written.segment ? written.offset : UINT64_MAX);
    }
    AuditReport report = verifier.Finish(written);
    report.dropped = std::move(drop);
    state_->metrics.findings.Set(static_cast<double>(report.issue_count));
    return report;
}

}  // namespace tarn::access
