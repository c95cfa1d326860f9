#include "access/audit/log_writer.h"

#include <algorithm>

namespace tarn::access {
namespace {

constexpr uint64_t kPieceBytes = 1 << 20;

}  // namespace

LogWriter::LogWriter(Env& env, const Secret& audit_key, std::string folder, uint64_t segment_bytes,
                     AuditInstruments& metrics)
    : env_(env),
      audit_key_(audit_key.Clone()),
      folder_(std::move(folder)),
      segment_bytes_(segment_bytes),
      metrics_(metrics) {}

Status LogWriter::Start(const LogEnd& end) {
    Lock lock(mutex_);
    written_ = end.head;
    if (end.begin_segment) return BeginSegment(end.header);
    file_ = TRY(env_.files().Create(PathOf(end.header.number), {}));
    TRY(WriteAgain(end.durable_bytes, end.head.offset));
    TRY(file_->Sync());
    segment_key_ = SegmentKey(audit_key_, end.header);
    synced_ = written_;
    return Ok();
}

// The process before us may have died before its sync, or after one that failed: then its last records can be read and
// are not on the disk, and no sync brings them there unless they are written again.
Status LogWriter::WriteAgain(uint64_t from, uint64_t to) {
    Bytes piece;
    for (uint64_t at = from; at < to; at += piece.size()) {
        piece.resize(std::min<uint64_t>(to - at, kPieceBytes));
        size_t count = TRY(file_->ReadAt(at, piece));
        if (count < piece.size()) return Error(ErrorCode::kIo, "the audit log became shorter while it was opened");
        TRY(file_->WriteAt(at, piece));
    }
    return Ok();
}

Status LogWriter::BeginSegment(const SegmentHeader& header) {
    std::string path = PathOf(header.number);
    auto make = [&]() -> Result<std::unique_ptr<File>> {
        auto file = TRY(env_.files().Create(path, {.exclusive = true}));
        TRY(file->Append(EncodeHeader(header)));
        TRY(file->Sync());
        TRY(env_.files().SyncDirectory(folder_));
        return file;
    };
    auto file = make();
    if (!file.ok()) {
        // So that the next try finds the name free; if not even that works, that try fails as well.
        if (file.error().code() != ErrorCode::kAlreadyExists) (void)env_.files().Remove(path);
        return std::move(file).error();
    }
    file_ = std::move(file).value();
    segment_key_ = SegmentKey(audit_key_, header);
    written_ = {header.number, SegmentHeader::kBytes, header.first_sequence - 1, ChainStart(header)};
    synced_ = written_;
    return Ok();
}

Status LogWriter::Fail(Error error) {
    stopped_ =
        Error(ErrorCode::kIo, "the audit log has stopped, nothing is answered until restart: {}", error.message());
    metrics_.failures.Add();
    synced_changed_.notify_all();
    return stopped_;
}

Status LogWriter::Rotate(Lock& lock) {
    synced_changed_.wait(lock, [&] { return !syncing_; });
    TRY(stopped_);
    if (written_.offset < segment_bytes_) return Ok();  // another thread was here first
    Status synced = file_->Sync();
    if (!synced.ok()) return Fail(std::move(synced).error());
    synced_ = written_;
    synced_changed_.notify_all();
    SegmentHeader header{.number = written_.segment + 1,
                         .first_sequence = written_.sequence + 1,
                         .created_at = env_.clock().Now(),
                         .previous = written_.chain};
    env_.random().Fill(header.id);
    Status begun = BeginSegment(header);
    if (begun.ok() || begun.error().code() == ErrorCode::kResourceExhausted) return begun;
    return Fail(std::move(begun).error());
}

Result<uint64_t> LogWriter::Append(ByteSpan plain) {
    Lock lock(mutex_);
    TRY(stopped_);
    if (written_.offset >= segment_bytes_) TRY(Rotate(lock));
    RecordPlace place{written_.segment, written_.sequence + 1, written_.chain};
    Sha256Digest chain;
    Bytes record = EncodeRecord(env_.random(), segment_key_, place, plain, chain);
    Status appended = file_->Append(record);
    if (!appended.ok()) {
        metrics_.failures.Add();
        bool refused = appended.error().code() == ErrorCode::kResourceExhausted;
        return refused ? std::move(appended).error() : Fail(std::move(appended).error()).error();
    }
    written_ = {place.segment, written_.offset + record.size(), place.sequence, chain};
    metrics_.records.Add();
    metrics_.bytes.Add(static_cast<int64_t>(record.size()));
    return place.sequence;
}

Status LogWriter::SyncThrough(uint64_t sequence) {
    Lock lock(mutex_);
    while (synced_.sequence < sequence) {
        TRY(stopped_);
        if (syncing_) {
            synced_changed_.wait(lock);
            continue;
        }
        // This thread syncs for all that have appended by now. Rotation waits for it, so the file stays.
        syncing_ = true;
        AuditHead head = written_;
        lock.unlock();
        Duration start = env_.clock().Monotonic();
        Status synced = file_->Sync();
        metrics_.syncs.Add();
        metrics_.sync_seconds.Observe(std::chrono::duration<double>(env_.clock().Monotonic() - start).count());
        lock.lock();
        syncing_ = false;
        if (!synced.ok()) return Fail(std::move(synced).error());
        synced_ = head;
        synced_changed_.notify_all();
    }
    return Ok();
}

void LogWriter::Stop(Error error) {
    Lock lock(mutex_);
    if (stopped_.ok()) stopped_ = std::move(error);
}

AuditHead LogWriter::written() const {
    std::lock_guard lock(mutex_);
    return written_;
}

AuditHead LogWriter::synced() const {
    std::lock_guard lock(mutex_);
    return synced_;
}

Status LogWriter::stopped() const {
    std::lock_guard lock(mutex_);
    return stopped_;
}

Status LogWriter::CheckFile() const {
    AuditHead head = written();
    auto entry = env_.files().Stat(PathOf(head.segment));
    // Records only ever make it longer.
    if (entry.ok() && entry->bytes >= head.offset) return Ok();
    return Error(ErrorCode::kIo, "{} was removed or cut by somebody else", PathOf(head.segment));
}

}  // namespace tarn::access
