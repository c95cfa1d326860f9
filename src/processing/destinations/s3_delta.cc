// Format delta of kind s3: the table's files and its log, in a bucket. The entry of the log, put only if it is not
// there yet, is the commit: it names the rows' file and holds the position (`txn`).
#include <map>

#include "base/number.h"
#include "base/text.h"
#include "processing/destinations/s3_client.h"
#include "processing/destinations/table_writer.h"
#include "processing/destinations/target.h"
#include "storage/lakehouse/replaced_table.h"

namespace tarn::destinations {
namespace {

using lakehouse::ReplacedTable;

constexpr size_t kObjectsMax = 100'000;
constexpr size_t kVersionDigits = 20;
constexpr int64_t kVersionsPerCheckpoint = 10;
constexpr size_t kIdBytes = 8;
constexpr std::string_view kPart = "part-";  // part-<20 digits of its version>-<id>.parquet

// What HTTP calls a put-if-absent.
HttpHeaders IfAbsent() { return {{"If-None-Match", "*"}}; }

std::optional<int64_t> VersionOf(std::string_view name) {
    if (name.size() < kVersionDigits) return std::nullopt;
    auto version = ParseInteger(name.substr(0, kVersionDigits));
    return version ? std::optional<int64_t>(*version) : std::nullopt;
}

class DeltaDelivery {
  public:
    DeltaDelivery(S3Client& client, Delivery& delivery, const DestinationsDependencies& dependencies)
        : client_(client),
          delivery_(delivery),
          dependencies_(dependencies),
          folder_(delivery.destination.prefix + delivery.table.to + "/"),
          log_(folder_ + "_delta_log/"),
          table_(dependencies.env, delivery.Name()) {}

    Result<Delivered> Run() {
        TRY(ReadLog());
        const Position& position = delivery_.position;
        std::string application = delivery_.Name() + "/" + position.source;
        if (table_.Has(application, position.version)) return Delivered{.skipped = true};
        auto statement = TRY(delivery_.session.Prepare(delivery_.Select()));
        std::string sql = TRY(table_.Plan(statement->info().columns, delivery_.Select()));
        statement.reset();
        std::string name =
            fmt::format("{}{:020}-{}.parquet", kPart, table_.version() + 1, dependencies_.env.random().Hex(kIdBytes));
        S3Upload upload(client_, folder_ + name, {});
        WrittenTable written = TRY(WriteTable(delivery_, sql, dependencies_.outgoing, upload));
        TRY(delivery_.CheckCancelled());
        TRY(upload.Finish());
        std::string entry = table_.Next(name, written.parquet, application, position.version);
        Status committed = client_.Put(log_ + ReplacedTable::EntryName(table_.version()), std::move(entry), IfAbsent());
        if (!committed.ok() && committed.error().code() == ErrorCode::kConflict) {
            return Error(ErrorCode::kUnavailable, "somebody else committed version {} of {} first", table_.version(),
                         delivery_.table.to);
        }
        TRY(std::move(committed));
        // What is left to do is for readers' speed and the bucket's room: the next delivery does it as well.
        Status tidied = Tidy();
        if (!tidied.ok()) delivery_.run.Write("the log was not tidied: " + tidied.error().message());
        return Delivered{.rows = written.rows, .bytes = written.bytes};
    }

  private:
    Status ReadLog() {
        for (s3::FoundObject& object : TRY(client_.List(log_, "", kObjectsMax))) {
            std::string name = object.key.substr(log_.size());
            auto version = VersionOf(name);
            if (version && name == ReplacedTable::EntryName(*version)) entries_[*version] = object.modified_at;
            log_objects_.push_back(std::move(object));
        }
        if (!entries_.empty()) {
            int64_t newest = entries_.rbegin()->first;
            return table_.Read(newest, TRY(client_.Get(log_ + ReplacedTable::EntryName(newest))));
        }
        if (!log_objects_.empty()) {
            return Error(ErrorCode::kFailedPrecondition, "{} holds a log without entries", log_)
                .WithHint("deliver to another name");
        }
        return CheckPutIfAbsent();
    }
    // Everything rests on it, and there are stores that take the header and overwrite all the same.
    Status CheckPutIfAbsent() {
        std::string probe = folder_ + "_tarn_probe";
        Status first = client_.Put(probe, "put if absent", IfAbsent());
        if (!first.ok() && first.error().code() != ErrorCode::kConflict) return first;
        Status second = client_.Put(probe, "put if absent", IfAbsent());
        TRY(client_.Delete(probe));
        if (!second.ok() && second.error().code() == ErrorCode::kConflict) return Ok();
        return Error(ErrorCode::kFailedPrecondition, "the store overwrites in spite of If-None-Match")
            .WithHint("Delta's commits need it: deliver csv, json or parquet there");
    }
    Status Tidy() {
        Timestamp old = dependencies_.env.clock().Now() - delivery_.destination.keep;
        auto live = table_.Paths();
        for (const s3::FoundObject& object : TRY(client_.List(folder_ + std::string(kPart), "", kObjectsMax))) {
            std::string name = object.key.substr(folder_.size());
            auto version = VersionOf(std::string_view(name).substr(kPart.size()));
            if (!version || std::find(live.begin(), live.end(), name) != live.end()) continue;
            if (IsGoneSince(*version, old)) TRY(client_.Delete(object.key));
        }
        if (table_.version() % kVersionsPerCheckpoint == 0) TRY(WriteCheckpoint(old));
        return Ok();
    }
    // The next version took the place of this one's file: when it was committed, nobody needed it any more.
    bool IsGoneSince(int64_t version, Timestamp old) const {
        if (version + 1 >= table_.version()) return false;
        auto next = entries_.find(version + 1);
        return next == entries_.end() || next->second < old;
    }
    Status WriteCheckpoint(Timestamp old) {
        S3Upload upload(client_, log_ + ReplacedTable::CheckpointName(table_.version()), {});
        OutgoingFiles::Way way(dependencies_.outgoing, upload);
        std::string hint = TRY(table_.WriteCheckpoint(dependencies_.engine, way.path()));
        TRY(upload.Finish());
        TRY(client_.Put(log_ + "_last_checkpoint", std::move(hint)));
        for (const s3::FoundObject& object : log_objects_) {
            auto version = VersionOf(std::string_view(object.key).substr(log_.size()));
            if (version && IsGoneSince(*version, old)) TRY(client_.Delete(object.key));
        }
        return Ok();
    }

    S3Client& client_;
    Delivery& delivery_;
    const DestinationsDependencies& dependencies_;
    const std::string folder_;
    const std::string log_;
    ReplacedTable table_;
    std::map<int64_t, Timestamp> entries_;  // when each was committed
    std::vector<s3::FoundObject> log_objects_;
};

}  // namespace

Result<Delivered> DeliverDelta(S3Client& client, Delivery& delivery, const DestinationsDependencies& dependencies) {
    return DeltaDelivery(client, delivery, dependencies).Run();
}

}  // namespace tarn::destinations
