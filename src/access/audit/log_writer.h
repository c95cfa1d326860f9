// LogWriter: the end of the log: seals, chains and appends records, fsyncs them in groups, begins new segments.
//
// Any thread. A record is in its file (write(2)) when Append returns, and durable when SyncThrough of its sequence
// does. While one thread fsyncs, others append; the next fsync covers all of them: group commit. Fails: a full disk
// refuses the record; any other failed write, and a failed fsync, stops the writer for good.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "access/audit/head.h"
#include "access/audit/metrics.h"
#include "access/audit/segment.h"
#include "base/env.h"

namespace tarn::access {

// Where to go on: after recovery, or at the beginning of a log.
struct LogEnd {
    SegmentHeader header;
    AuditHead head;
    bool begin_segment = false;  // the segment's file is yet to be made
    uint64_t durable_bytes = 0;  // of the segment: the known head's, which is on the disk
};

class LogWriter {
  public:
    LogWriter(Env& env, const Secret& audit_key, std::string folder, uint64_t segment_bytes, AuditInstruments& metrics);
    Status Start(const LogEnd& end);

    // Returns the record's sequence.
    Result<uint64_t> Append(ByteSpan plain);
    Status SyncThrough(uint64_t sequence);
    void Stop(Error error);  // every later call fails with it

    AuditHead written() const;
    AuditHead synced() const;
    Status stopped() const;
    // kIo when the file that is written is no longer what lies in the folder.
    Status CheckFile() const;

  private:
    using Lock = std::unique_lock<std::mutex>;
    Status BeginSegment(const SegmentHeader& header);
    Status WriteAgain(uint64_t from, uint64_t to);
    Status Rotate(Lock& lock);
    Status Fail(Error error);
    std::string PathOf(uint64_t number) const { return folder_ + "/" + SegmentName(number); }

    Env& env_;
    const Secret audit_key_;
    const std::string folder_;
    const uint64_t segment_bytes_;
    AuditInstruments& metrics_;

    mutable std::mutex mutex_;
    std::condition_variable synced_changed_;
    std::unique_ptr<File> file_;
    Secret segment_key_;
    AuditHead written_;
    AuditHead synced_;
    bool syncing_ = false;
    Status stopped_;
};

}  // namespace tarn::access
