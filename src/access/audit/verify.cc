// Reads the whole log back and proves it: no record changed, dropped, inserted, moved or cut.
#include "access/audit/audit_state.h"
#include "access/audit/segment.h"

namespace tarn::access {
namespace {

class Verifier {
  public:
    Verifier(Env& env, const Secret& audit_key, std::string folder, const AuditHead& known)
        : env_(env), audit_key_(audit_key), folder_(std::move(folder)), known_(known) {}

    Result<AuditReport> Run(const AuditHead& written) {
        for (uint64_t number : TRY(ListSegments(env_, folder_))) {
            if (number > written.segment) break;
            uint64_t end = number == written.segment ? written.offset : UINT64_MAX;
            CheckSegment(number, end);
            ++report_.segments;
        }
        uint64_t wanted = std::max(written.sequence, known_.sequence);
        if (at_.sequence < wanted) {
            Report(AuditIssueKind::kCut,
                   fmt::format("the log ends at record {}, {} were written", at_.sequence, wanted));
        }
        report_.head = at_;
        return std::move(report_);
    }

  private:
    void Report(AuditIssueKind kind, std::string message) {
        ++report_.issue_count;
        if (report_.issues.size() == AuditReport::kIssuesMax) return;
        report_.issues.push_back({kind, at_.segment, at_.offset, at_.sequence + 1, std::move(message)});
    }

    // Bytes behind `end` are being written while we read.
    Result<std::string> ReadSegment(uint64_t number, uint64_t end) const {
        auto file = TRY(env_.files().Open(folder_ + "/" + SegmentName(number)));
        std::string content(std::min(TRY(file->Size()), end), '\0');
        auto* bytes = reinterpret_cast<uint8_t*>(content.data());
        content.resize(TRY(file->ReadAt(0, MutableByteSpan(bytes, content.size()))));
        return content;
    }

    void CheckSegment(uint64_t number, uint64_t end) {
        uint64_t expected = at_.segment + 1;
        at_.segment = number;
        at_.offset = 0;
        if (number != expected) {
            Report(AuditIssueKind::kDropped, fmt::format("segments {} to {} are gone", expected, number - 1));
        }
        auto content = ReadSegment(number, end);
        if (!content.ok()) return Report(AuditIssueKind::kChanged, content.error().message());
        auto header = DecodeHeader(AsBytes(*content));
        if (!header.ok()) return Report(AuditIssueKind::kChanged, "its header is damaged: " + header.error().message());
        if (header->number != number) {
            return Report(AuditIssueKind::kReordered,
                          fmt::format("it is segment {} under another name", header->number));
        }
        CheckLink(*header);
        at_ = {number, SegmentHeader::kBytes, header->first_sequence - 1, ChainStart(*header)};
        CheckKnown();
        CheckRecords(AsBytes(*content), SegmentKey(audit_key_, *header));
    }

    void CheckLink(const SegmentHeader& header) {
        if (header.first_sequence > at_.sequence + 1) {
            Report(AuditIssueKind::kDropped,
                   fmt::format("records {} to {} are missing before it", at_.sequence + 1, header.first_sequence - 1));
        } else if (header.first_sequence < at_.sequence + 1) {
            Report(AuditIssueKind::kReordered, fmt::format("it begins with record {} again", header.first_sequence));
        } else if (header.previous != at_.chain) {
            Report(AuditIssueKind::kChanged, "the chain does not follow from the segment before");
        }
    }

    void CheckRecords(ByteSpan content, const Secret& key) {
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

    void CheckRecord(const Secret& key, const RecordFrame& frame) {
        uint64_t expected = at_.sequence + 1;
        if (frame.sequence > expected) {
            Report(AuditIssueKind::kDropped, fmt::format("records {} to {} are missing", expected, frame.sequence - 1));
        } else if (frame.sequence < expected) {
            Report(AuditIssueKind::kReordered,
                   fmt::format("record {} stands where {} belongs", frame.sequence, expected));
        } else if (!OpenRecord(key, {at_.segment, expected, at_.chain}, frame).ok()) {
            Report(AuditIssueKind::kChanged, fmt::format("record {} is not what was written", expected));
        }
    }

    void CheckKnown() {
        if (at_.segment != known_.segment || at_.offset != known_.offset || at_ == known_) return;
        Report(AuditIssueKind::kChanged, fmt::format("record {} is not the one the metadata knows", at_.sequence));
    }

    Env& env_;
    const Secret& audit_key_;
    const std::string folder_;
    const AuditHead known_;
    AuditHead at_;  // the end of what has been checked
    AuditReport report_;
};

}  // namespace

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
    AuditHead known = TRY(LoadHead(state_->database)).value_or(AuditHead{});
    AuditHead written = state_->writer.written();
    AuditReport report = TRY(Verifier(state_->env, state_->audit_key, state_->folder, known).Run(written));
    state_->metrics.findings.Set(static_cast<double>(report.issue_count));
    return report;
}

}  // namespace tarn::access
