#include "access/audit/recovery.h"

#include "access/audit/segment.h"

namespace tarn::access {
namespace {

// Segments are rotated at their limit plus one record.
constexpr size_t kSegmentFileBytesMax = 1 << 30;

// The good part of a segment.
struct Proof {
    SegmentHeader header;
    AuditHead end;
    uint64_t file_bytes = 0;
    bool known_differs = false;  // the record of the known head is another one
};

Proof ProveSegment(ByteSpan content, const SegmentHeader& header, const Secret& audit_key,
                   const std::optional<AuditHead>& known) {
    Proof proof{.header = header, .file_bytes = content.size()};
    proof.end = {header.number, SegmentHeader::kBytes, header.first_sequence - 1, ChainStart(header)};
    Secret key = SegmentKey(audit_key, header);
    auto compare = [&] {
        bool there = known && known->segment == header.number && known->offset == proof.end.offset;
        if (there && *known != proof.end) proof.known_differs = true;
    };
    compare();
    while (auto frame = FrameAt(content, proof.end.offset)) {
        RecordPlace place{header.number, proof.end.sequence + 1, proof.end.chain};
        if (!OpenRecord(key, place, *frame).ok()) break;
        proof.end = {header.number, frame->end(), frame->sequence, frame->chain};
        compare();
    }
    return proof;
}

class Recovery {
  public:
    Recovery(Env& env, const Secret& audit_key, const std::string& folder, const std::optional<AuditHead>& known)
        : env_(env), audit_key_(audit_key), folder_(folder), known_(known) {}

    Result<Recovered> Run() {
        std::vector<uint64_t> numbers = TRY(ListSegments(env_, folder_));
        while (!numbers.empty()) {
            uint64_t number = numbers.back();
            std::string content = TRY(ReadFile(env_, PathOf(number), kSegmentFileBytesMax));
            auto header = DecodeHeader(AsBytes(content));
            bool begun = content.size() > SegmentHeader::kBytes || (known_ && known_->segment >= number);
            bool readable = header.ok() && header->number == number;
            if (readable && (begun || TRY(FollowsWhatIsBefore(*header, numbers)))) {
                TRY(GoOnIn(content, *header));
                return std::move(result_);
            }
            if (begun) {
                Find(fmt::format("the header of {} is damaged", PathOf(number)));
                BeginAfter(number, known_.value_or(AuditHead{}));
                return std::move(result_);
            }
            // A crash while the segment was begun: the header is durable before the first record is written.
            TRY(CutAt(number, content, 0));
            numbers.pop_back();
        }
        if (known_) Find(fmt::format("all segments are gone, the metadata knows of {} records", known_->sequence));
        BeginAfter(0, known_.value_or(AuditHead{}));
        return std::move(result_);
    }

  private:
    std::string PathOf(uint64_t number) const { return folder_ + "/" + SegmentName(number); }
    void Find(std::string finding) { result_.findings.push_back(std::move(finding)); }

    // Of a segment without records: a power cut may have left zeros where the rest of its header should be.
    Result<bool> FollowsWhatIsBefore(const SegmentHeader& header, const std::vector<uint64_t>& numbers) const {
        AuditHead end;
        if (numbers.size() > 1) {
            std::string content = TRY(ReadFile(env_, PathOf(numbers[numbers.size() - 2]), kSegmentFileBytesMax));
            auto before = DecodeHeader(AsBytes(content));
            if (!before.ok()) return true;  // that is damage, and not of this segment
            end = ProveSegment(AsBytes(content), *before, audit_key_, known_).end;
        }
        return header.first_sequence == end.sequence + 1 && header.previous == end.chain;
    }

    Status GoOnIn(const std::string& content, const SegmentHeader& header) {
        Proof proof = ProveSegment(AsBytes(content), header, audit_key_, known_);
        uint64_t known_sequence = known_ ? known_->sequence : 0;
        if (proof.known_differs) Find(fmt::format("record {} is not the one the metadata knows", known_sequence));
        if (known_ && known_->segment > header.number) {
            Find(fmt::format("{} and later segments are gone", PathOf(header.number + 1)));
        } else if (proof.end.sequence < known_sequence) {
            Find(fmt::format("{} is good to record {} only, the metadata knows of {} records", PathOf(header.number),
                             proof.end.sequence, known_sequence));
        }
        if (!result_.findings.empty()) {
            BeginAfter(header.number, proof.end.sequence > known_sequence ? proof.end : *known_);
            return Ok();
        }
        if (proof.end.offset < proof.file_bytes) TRY(CutAt(header.number, content, proof.end.offset));
        bool is_known = known_ && known_->segment == header.number;
        result_.end = {.header = header, .head = proof.end, .durable_bytes = is_known ? known_->offset : 0};
        return Ok();
    }

    // A new segment behind whatever lies there damaged; its chain follows `last`.
    void BeginAfter(uint64_t number, const AuditHead& last) {
        SegmentHeader header{.number = std::max(number, last.segment) + 1,
                             .first_sequence = last.sequence + 1,
                             .created_at = env_.clock().Now(),
                             .previous = last.chain};
        env_.random().Fill(header.id);
        result_.end = {.header = header, .begin_segment = true};
    }

    // What is cut is kept aside first: it is evidence until somebody has looked at it.
    Status CutAt(uint64_t number, const std::string& content, uint64_t offset) {
        std::string aside = fmt::format("{}/cut-{:08}-{}-{}", folder_, number, offset, ToMicros(env_.clock().Now()));
        TRY(WriteFileDurably(env_, aside, std::string_view(content).substr(offset)));
        if (offset == 0) {
            TRY(env_.files().Remove(PathOf(number)));
            TRY(env_.files().SyncDirectory(folder_));
        } else {
            auto file = TRY(env_.files().Create(PathOf(number), {}));
            TRY(file->Truncate(offset));
            TRY(file->Sync());
        }
        result_.notes.push_back(fmt::format("a torn end of {} bytes at {} of {} was cut and kept as {}",
                                            content.size() - offset, offset, PathOf(number), aside));
        return Ok();
    }

    Env& env_;
    const Secret& audit_key_;
    const std::string& folder_;
    const std::optional<AuditHead>& known_;
    Recovered result_;
};

}  // namespace

Result<Recovered> RecoverLog(Env& env, const Secret& audit_key, const std::string& folder,
                             const std::optional<AuditHead>& known) {
    return Recovery(env, audit_key, folder, known).Run();
}

}  // namespace tarn::access
