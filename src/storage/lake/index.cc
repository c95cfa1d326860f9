#include "storage/lake/index.h"

#include <algorithm>

#include "storage/lake/index_rows.h"
#include "storage/lake/names.h"

namespace tarn::lake {

using metadata::Row;
using metadata::Rows;
using metadata::Transaction;
using metadata::Value;

namespace {

Bytes KeyBytes(std::string_view key) { return Bytes(key.begin(), key.end()); }

BucketInfo BucketOf(const Row& row) { return {row[0].text(), FromMicros(row[1].integer())}; }

UploadInfo UploadOf(const Row& row) {
    return {{row[1].text(), std::string(AsText(row[2].blob()))}, row[0].text(), FromMicros(row[3].integer())};
}

// The common prefix that a key is rolled up into; empty for none.
std::string CommonPrefixOf(const std::string& key, const ListOptions& options) {
    if (options.delimiter.empty()) return {};
    size_t found = key.find(options.delimiter, options.prefix.size());
    return found == std::string::npos ? std::string() : key.substr(0, found + options.delimiter.size());
}

// A listing under way: where to go on, and what was found.
class Lister {
  public:
    Lister(metadata::Database& database, const std::string& bucket, const ListOptions& options)
        : database_(database), bucket_(bucket), options_(options), end_(AfterPrefix(options.prefix)) {
        from_ = std::max(options.prefix, options.start_after);
    }

    Result<ListPage> Run() {
        if (options_.keys_max <= 0) return ListPage{};
        while (!done_) TRY(ScanOnce());
        return std::move(page_);
    }

  private:
    // Reads keys from `from_` on until the page is full, the prefix ends, or a common prefix is to be skipped.
    Status ScanOnce() {
        std::string sql = fmt::format("SELECT {} FROM objects WHERE bucket = $1 AND key >= $2", kObjectColumns);
        metadata::Parameters parameters = {bucket_, KeyBytes(from_)};
        if (end_) {
            sql += " AND key < $3";
            parameters.push_back(KeyBytes(*end_));
        }
        bool again = false;
        TRY(database_.Scan(sql + " ORDER BY key", parameters, [&](const Row& row) { return Take(row, again); }));
        done_ = done_ || !again;
        return Ok();
    }

    // False ends the scan; `again` then says that another one follows, past a common prefix.
    bool Take(const Row& row, bool& again) {
        std::string key(AsText(row[0].blob()));
        if (!options_.start_after.empty() && key <= options_.start_after) return true;
        std::string common = CommonPrefixOf(key, options_);
        bool shown = common.empty() || common > options_.start_after;
        if (shown && found_ == options_.keys_max) {
            page_.truncated = true;
            done_ = true;
            return false;
        }
        if (common.empty()) {
            page_.objects.push_back(ListedObjectOf(bucket_, row));
            page_.next_start_after = std::move(key);
            ++found_;
            return true;
        }
        if (shown) {
            page_.common_prefixes.push_back(common);
            page_.next_start_after = common;
            ++found_;
        }
        auto after = AfterPrefix(common);
        again = after.has_value();
        if (again) from_ = std::move(*after);
        return false;
    }

    metadata::Database& database_;
    const std::string& bucket_;
    const ListOptions& options_;
    std::optional<std::string> end_;
    std::string from_;
    ListPage page_;
    int found_ = 0;
    bool done_ = false;
};

}  // namespace

Result<std::unique_ptr<LakeIndex>> LakeIndex::Open(Env& env, const std::string& path, const Secret& key) {
    auto database = TRY(metadata::Database::OpenSqlite(env, path, key));
    TRY(database->Migrate("lake", IndexMigrations()));
    return std::unique_ptr<LakeIndex>(new LakeIndex(std::move(database)));
}

// `work` may run more than once; what it freed counts only of its last run.
Status LakeIndex::Write(FreedFiles& freed, const std::function<Status(Transaction&, FreedFiles&)>& work) {
    return database_->Write([&](Transaction& transaction) {
        freed.clear();
        return work(transaction, freed);
    });
}

bool MayBeCommitted(const Error& error) {
    switch (error.code()) {
        case ErrorCode::kIo:
        case ErrorCode::kInternal:
        case ErrorCode::kTimeout:
        case ErrorCode::kUnavailable:
            return true;
        default:
            return false;
    }
}

// ---- buckets

Status LakeIndex::CreateBucket(const std::string& bucket, Timestamp now) {
    return database_->Write([&](Transaction& transaction) -> Status {
        if (!TRY(transaction.Query("SELECT 1 FROM buckets WHERE name = $1", {bucket})).empty()) {
            return Error(ErrorCode::kAlreadyExists, "there is a bucket \"{}\" already", bucket)
                .WithDetailCode("BucketAlreadyOwnedByYou");
        }
        TRY(transaction.Execute("INSERT INTO buckets (name, created_us) VALUES ($1, $2)", {bucket, ToMicros(now)}));
        return Ok();
    });
}

Result<FreedFiles> LakeIndex::DeleteBucket(const std::string& bucket) {
    Change change(*this, bucket);
    FreedFiles freed;
    TRY(Write(freed, [&](Transaction& transaction, FreedFiles& files) -> Status {
        TRY(RequireBucket(transaction, bucket));
        if (!TRY(transaction.Query("SELECT 1 FROM objects WHERE bucket = $1 LIMIT 1", {bucket})).empty()) {
            return Error(ErrorCode::kFailedPrecondition, "the bucket \"{}\" is not empty", bucket)
                .WithDetailCode("BucketNotEmpty");
        }
        Rows uploads = TRY(transaction.Query("SELECT upload_id FROM uploads WHERE bucket = $1", {bucket}));
        for (const Row& upload : uploads) TRY(RemoveUpload(transaction, upload[0].text(), files));
        TRY(transaction.Execute("DELETE FROM bucket_settings WHERE bucket = $1", {bucket}));
        TRY(transaction.Execute("DELETE FROM buckets WHERE name = $1", {bucket}));
        return Ok();
    }));
    return freed;
}

Result<std::vector<BucketInfo>> LakeIndex::Buckets() {
    std::vector<BucketInfo> buckets;
    for (const Row& row : TRY(database_->Query("SELECT name, created_us FROM buckets ORDER BY name"))) {
        buckets.push_back(BucketOf(row));
    }
    return buckets;
}

Result<BucketInfo> LakeIndex::FindBucket(const std::string& bucket) {
    Rows rows = TRY(database_->Query("SELECT name, created_us FROM buckets WHERE name = $1", {bucket}));
    if (rows.empty()) return NoSuchBucket(bucket);
    return BucketOf(rows[0]);
}

Result<std::string> LakeIndex::BucketSetting(const std::string& bucket, const std::string& name) {
    TRY(FindBucket(bucket));
    Rows rows =
        TRY(database_->Query("SELECT value FROM bucket_settings WHERE bucket = $1 AND name = $2", {bucket, name}));
    return rows.empty() ? std::string() : rows[0][0].text();
}

Status LakeIndex::SetBucketSetting(const std::string& bucket, const std::string& name, const std::string& value) {
    return database_->Write([&](Transaction& transaction) -> Status {
        TRY(RequireBucket(transaction, bucket));
        TRY(transaction.Execute("DELETE FROM bucket_settings WHERE bucket = $1 AND name = $2", {bucket, name}));
        if (value.empty()) return Ok();
        TRY(transaction.Execute("INSERT INTO bucket_settings (bucket, name, value) VALUES ($1, $2, $3)",
                                {bucket, name, value}));
        return Ok();
    });
}

// ---- objects

Result<StoredObject> LakeIndex::Find(const ObjectName& name, bool with_content) {
    // One statement, so that the row and its content are of one snapshot.
    const char* content = with_content ? "(SELECT sealed FROM contents WHERE number = content)" : "NULL";
    std::string sql = fmt::format("SELECT {}, {} FROM objects WHERE bucket = $1 AND key = $2", kObjectColumns, content);
    Rows rows = TRY(database_->Query(sql, {name.bucket, KeyBytes(name.key)}));
    if (rows.empty()) {
        TRY(FindBucket(name.bucket));
        return NoSuchKey(name);
    }
    StoredObject object = TRY_CONTEXT(ObjectOf(name.bucket, rows[0]), name.ToString());
    object.sealed = rows[0][7].blob();
    return object;
}

Result<FreedFiles> LakeIndex::Put(const StoredObject& object, FileOwnership ownership, const PutOptions& conditions) {
    Change change(*this, object.info.name.bucket);
    FreedFiles freed;
    TRY(Write(freed, [&](Transaction& transaction, FreedFiles& files) {
        return PutRow(transaction, object, ownership, conditions, files);
    }));
    return freed;
}

Status LakeIndex::SetTags(const ObjectName& name, const Tags& tags) {
    return database_->Write([&](Transaction& transaction) -> Status {
        TRY(RequireBucket(transaction, name.bucket));
        metadata::Parameters key = {name.bucket, KeyBytes(name.key)};
        std::string sql = fmt::format("SELECT {} FROM objects WHERE bucket = $1 AND key = $2", kObjectColumns);
        Rows rows = TRY(transaction.Query(sql, key));
        if (rows.empty()) return NoSuchKey(name);
        StoredObject object = TRY_CONTEXT(ObjectOf(name.bucket, rows[0]), name.ToString());
        object.info.tags = tags;
        TRY(transaction.Execute("UPDATE objects SET info = $3 WHERE bucket = $1 AND key = $2",
                                {key[0], key[1], EncodeObjectInfo(object)}));
        return Ok();
    });
}

Result<FreedFiles> LakeIndex::Delete(const std::string& bucket, const std::vector<std::string>& keys) {
    Change change(*this, bucket);
    FreedFiles freed;
    TRY(Write(freed, [&](Transaction& transaction, FreedFiles& files) -> Status {
        TRY(RequireBucket(transaction, bucket));
        for (const std::string& key : keys) TRY(RemoveRow(transaction, {bucket, key}, files));
        return Ok();
    }));
    return freed;
}

Result<ListPage> LakeIndex::List(const std::string& bucket, const ListOptions& options) {
    TRY(FindBucket(bucket));
    return Lister(*database_, bucket, options).Run();
}

// ---- uploads

Status LakeIndex::StartUpload(const StoredUpload& upload) {
    return database_->Write([&](Transaction& transaction) -> Status {
        const UploadInfo& info = upload.info;
        TRY(RequireBucket(transaction, info.name.bucket));
        TRY(transaction.Execute(
            "INSERT INTO uploads (upload_id, bucket, key, started_us, options) VALUES ($1, $2, $3, $4, $5)",
            {info.upload_id, info.name.bucket, KeyBytes(info.name.key), ToMicros(info.started_at),
             EncodeUploadOptions(upload.options)}));
        return Ok();
    });
}

Result<StoredUpload> LakeIndex::FindUpload(const ObjectName& name, const std::string& upload_id) {
    Rows rows = TRY(database_->Query(
        "SELECT upload_id, bucket, key, started_us, options FROM uploads WHERE upload_id = $1", {upload_id}));
    if (rows.empty()) return NoSuchUpload(upload_id);
    StoredUpload upload{UploadOf(rows[0]), TRY(DecodeUploadOptions(rows[0][4].text()))};
    if (upload.info.name.bucket != name.bucket || upload.info.name.key != name.key) return NoSuchUpload(upload_id);
    return upload;
}

Result<FreedFiles> LakeIndex::PutPart(const std::string& upload_id, const StoredPart& part) {
    FreedFiles freed;
    TRY(Write(freed, [&](Transaction& transaction, FreedFiles& files) -> Status {
        if (TRY(transaction.Query("SELECT 1 FROM uploads WHERE upload_id = $1", {upload_id})).empty()) {
            return NoSuchUpload(upload_id);
        }
        Rows old = TRY(transaction.Query("SELECT extents FROM parts WHERE upload_id = $1 AND number = $2",
                                         {upload_id, part.info.number}));
        if (!old.empty()) TRY(DisownFiles(transaction, TRY(DecodeExtents(old[0][0].blob())), files));
        TRY(OwnFiles(transaction, part.extents, FileOwnership::kNew));
        TRY(transaction.Execute(
            "INSERT INTO parts (upload_id, number, bytes, etag, modified_us, checksums, extents) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (upload_id, number) DO UPDATE SET bytes = excluded.bytes, "
            "etag = excluded.etag, modified_us = excluded.modified_us, checksums = excluded.checksums, "
            "extents = excluded.extents",
            {upload_id, part.info.number, static_cast<int64_t>(part.info.bytes), part.info.etag,
             ToMicros(part.info.modified_at), EncodeChecksums(part.info.checksums), EncodeExtents(part.extents)}));
        return Ok();
    }));
    return freed;
}

Result<std::vector<StoredPart>> LakeIndex::Parts(const std::string& upload_id) {
    std::string sql = fmt::format("SELECT {} FROM parts WHERE upload_id = $1 ORDER BY number", kPartColumns);
    std::vector<StoredPart> parts;
    for (const Row& row : TRY(database_->Query(sql, {upload_id}))) parts.push_back(TRY(PartOf(row)));
    return parts;
}

Result<FreedFiles> LakeIndex::CompleteUpload(const std::string& upload_id, const std::vector<StoredPart>& parts,
                                             const StoredObject& object, const PutOptions& conditions) {
    Change change(*this, object.info.name.bucket);
    FreedFiles freed;
    TRY(Write(freed, [&](Transaction& transaction, FreedFiles& files) -> Status {
        for (const StoredPart& part : parts) {
            // Taken out with exactly the files that the object will name; RemoveUpload disowns those left over.
            auto taken =
                TRY(transaction.Execute("DELETE FROM parts WHERE upload_id = $1 AND number = $2 AND extents = $3",
                                        {upload_id, part.info.number, EncodeExtents(part.extents)}));
            if (taken != 1) {
                return Error(ErrorCode::kConflict, "part {} of upload {} was replaced meanwhile", part.info.number,
                             upload_id);
            }
        }
        TRY(RemoveUpload(transaction, upload_id, files));
        return PutRow(transaction, object, FileOwnership::kMoved, conditions, files);
    }));
    return freed;
}

Result<FreedFiles> LakeIndex::AbortUpload(const std::string& upload_id) {
    FreedFiles freed;
    TRY(Write(freed, [&](Transaction& transaction, FreedFiles& files) {
        return RemoveUpload(transaction, upload_id, files);
    }));
    return freed;
}

Result<std::vector<UploadInfo>> LakeIndex::Uploads(const std::string& bucket) {
    TRY(FindBucket(bucket));
    std::vector<UploadInfo> uploads;
    Rows rows = TRY(database_->Query(
        "SELECT upload_id, bucket, key, started_us FROM uploads WHERE bucket = $1 ORDER BY key, upload_id", {bucket}));
    for (const Row& row : rows) uploads.push_back(UploadOf(row));
    return uploads;
}

// ---- for the sweep and the verification

Status LakeIndex::ScanFiles(const std::string& prefix, const std::function<void(const std::string&)>& file) {
    return database_->Scan("SELECT file FROM files WHERE file >= $1 AND file < $2 ORDER BY file",
                           {prefix, AfterPrefix(prefix).value_or("g")}, [&](const Row& row) {
                               file(row[0].text());
                               return true;
                           });
}

Result<std::vector<UploadInfo>> LakeIndex::AllUploads() {
    std::vector<UploadInfo> uploads;
    Rows rows = TRY(database_->Query("SELECT upload_id, bucket, key, started_us FROM uploads ORDER BY upload_id"));
    for (const Row& row : rows) uploads.push_back(UploadOf(row));
    return uploads;
}

}  // namespace tarn::lake
