// Verifier: reads segments back in their order and proves that no record was changed, dropped, inserted, moved or cut.
// Not part of the door. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "access/audit/audit.h"
#include "access/audit/segment.h"
#include "base/env.h"

namespace tarn::access {

class Verifier {
  public:
    // Begins behind `front`: the last record that was dropped, or nothing.
    Verifier(Env& env, const Secret& audit_key, std::string folder, const AuditHead& known, const AuditHead& front)
        : env_(env), audit_key_(audit_key), folder_(std::move(folder)), known_(known), at_(front) {}

    // Each record that is as it was written, opened.
    void OnRecord(std::function<void(ByteSpan plain)> on_record) { on_record_ = std::move(on_record); }
    // The next segment, up to the byte `end`: what lies behind is being written while we read.
    void CheckSegment(uint64_t number, uint64_t end);
    AuditReport Finish(const AuditHead& written);

    const AuditHead& at() const { return at_; }  // the end of what has been checked
    const AuditReport& report() const { return report_; }

  private:
    void Report(AuditIssueKind kind, std::string message);
    void CheckLink(const SegmentHeader& header);
    void CheckRecords(ByteSpan content, const Secret& key);
    void CheckRecord(const Secret& key, const RecordFrame& frame);
    void CheckKnown();

    Env& env_;
    const Secret& audit_key_;
    const std::string folder_;
    const AuditHead known_;
    AuditHead at_;
    AuditReport report_;
    std::function<void(ByteSpan plain)> on_record_;
};

// At most `end` bytes of a segment.
Result<std::string> ReadSegment(Env& env, const std::string& path, uint64_t end);

// The newest record in the log that tells of a drop, if the segments do not begin with the first or have a gap: else
// nothing needs to be explained. Reads from the newest segment back. The record opens only with the log's key and in
// its place; that the chain leads up to it is for the caller to prove.
Result<std::optional<AuditDrop>> FindDrop(Env& env, const Secret& audit_key, const std::string& folder,
                                          const std::vector<uint64_t>& numbers, const AuditHead& written);

}  // namespace tarn::access
