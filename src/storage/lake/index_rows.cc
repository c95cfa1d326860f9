#include "storage/lake/index_rows.h"

#include "base/json.h"
#include "storage/lake/sealed_file.h"

namespace tarn::lake {

using metadata::Row;
using metadata::Rows;
using metadata::Transaction;

namespace {

// Keys are BLOBs, so that they compare byte by byte. Content lies in a table of its own: listings pass over objects
// without it. `WITHOUT ROWID,` keeps rows in the order of their keys, which listings read; the comma is for the STRICT
// that metadata appends for SQLite, the only store of this index. `extents` is the list of stored files, each 16 bytes
// of name and 8 of length (little endian).
constexpr const char* kSchema = R"(
CREATE TABLE buckets (name TEXT PRIMARY KEY, created_us INTEGER NOT NULL);
CREATE TABLE objects (
    bucket TEXT NOT NULL, key BLOB NOT NULL, id TEXT NOT NULL, bytes INTEGER NOT NULL, etag TEXT NOT NULL,
    modified_us INTEGER NOT NULL, info TEXT NOT NULL, content INTEGER, extents BLOB NOT NULL,
    PRIMARY KEY (bucket, key)) WITHOUT ROWID,;
CREATE TABLE contents (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE files (file TEXT PRIMARY KEY, owners INTEGER NOT NULL) WITHOUT ROWID,;
CREATE TABLE uploads (
    upload_id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, started_us INTEGER NOT NULL,
    options TEXT NOT NULL);
CREATE INDEX uploads_by_name ON uploads (bucket, key, upload_id);
CREATE TABLE parts (
    upload_id TEXT NOT NULL, number INTEGER NOT NULL, bytes INTEGER NOT NULL, etag TEXT NOT NULL,
    modified_us INTEGER NOT NULL, checksums TEXT NOT NULL, extents BLOB NOT NULL,
    PRIMARY KEY (upload_id, number)) WITHOUT ROWID,)";

// What S3 keeps with a bucket: its tags and the like, each as the text that the S3 server made of it.
constexpr const char* kBucketSettings = R"(
CREATE TABLE bucket_settings (
    bucket TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (bucket, name)) WITHOUT ROWID,)";

constexpr size_t kExtentBytes = kFileIdBytes + 8;

Json ChecksumsAsJson(const std::vector<Checksum>& checksums) {
    Json json = Json::array();
    for (const Checksum& checksum : checksums) json.push_back({checksum.algorithm, checksum.value});
    return json;
}

Result<std::vector<Checksum>> ChecksumsFromJson(const Json& json) {
    std::vector<Checksum> checksums;
    for (const Json& pair : json) {
        if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
            return Error(ErrorCode::kCorruption, "the index holds checksums that can't be read");
        }
        checksums.push_back({pair[0].get<std::string>(), pair[1].get<std::string>()});
    }
    return checksums;
}

// Pairs, as their order counts.
Json TagsAsJson(const Tags& tags) {
    Json json = Json::array();
    for (const auto& [key, value] : tags) json.push_back({key, value});
    return json;
}

Result<Tags> TagsFromJson(const Json& object) {
    Tags tags;
    for (const Json& pair : object.value("tags", Json::array())) {
        if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
            return Error(ErrorCode::kCorruption, "the index holds tags that can't be read");
        }
        tags.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
    }
    return tags;
}

Result<std::map<std::string, std::string>> MetadataFromJson(const Json& object) {
    std::map<std::string, std::string> metadata;
    auto found = object.find("metadata");
    if (found == object.end()) return metadata;
    for (const auto& [name, value] : found->items()) {
        if (!value.is_string()) return Error(ErrorCode::kCorruption, "the index holds metadata that can't be read");
        metadata[name] = value.get<std::string>();
    }
    return metadata;
}

Status CheckConditions(const Rows& existing, const ObjectName& name, const PutOptions& conditions) {
    if (conditions.if_absent && !existing.empty()) {
        return Error(ErrorCode::kAlreadyExists, "there is an object {} already", name.ToString())
            .WithDetailCode("PreconditionFailed");
    }
    if (conditions.if_match.empty()) return Ok();
    if (existing.empty()) return NoSuchKey(name);
    if (conditions.if_match == "*" || existing[0][0].text() == conditions.if_match) return Ok();
    return Error(ErrorCode::kFailedPrecondition, "{} is of ETag {}, not {}", name.ToString(), existing[0][0].text(),
                 conditions.if_match)
        .WithDetailCode("PreconditionFailed");
}

// The sealed content's number in `contents`; null without one. Numbers grow, so that new rows lie beside each other.
Result<metadata::Value> PutContent(Transaction& transaction, const Bytes& sealed) {
    if (sealed.empty()) return metadata::Value();
    Rows last = TRY(transaction.Query("SELECT coalesce(max(number), 0) FROM contents"));
    int64_t number = last.at(0).at(0).integer() + 1;
    TRY(transaction.Execute("INSERT INTO contents (number, sealed) VALUES ($1, $2)", {number, sealed}));
    return metadata::Value(number);
}

}  // namespace

std::vector<metadata::Migration> IndexMigrations() { return {{1, kSchema}, {2, kBucketSettings}}; }

Error NoSuchBucket(const std::string& bucket) {
    return Error(ErrorCode::kNotFound, "there is no bucket \"{}\"", bucket).WithDetailCode("NoSuchBucket");
}

Error NoSuchKey(const ObjectName& name) {
    return Error(ErrorCode::kNotFound, "there is no object {}", name.ToString()).WithDetailCode("NoSuchKey");
}

Error NoSuchUpload(const std::string& upload_id) {
    return Error(ErrorCode::kNotFound, "there is no unfinished upload \"{}\"; it may be complete or aborted", upload_id)
        .WithDetailCode("NoSuchUpload");
}

Bytes EncodeExtents(const std::vector<Extent>& extents) {
    Bytes encoded;
    encoded.reserve(extents.size() * kExtentBytes);
    for (const Extent& extent : extents) {
        Bytes file = HexDecode(extent.file).value();  // our own ids are hexadecimal
        encoded.insert(encoded.end(), file.begin(), file.end());
        for (int shift = 0; shift < 64; shift += 8) encoded.push_back(static_cast<uint8_t>(extent.bytes >> shift));
    }
    return encoded;
}

Result<std::vector<Extent>> DecodeExtents(ByteSpan encoded) {
    if (encoded.size() % kExtentBytes != 0) return Error(ErrorCode::kCorruption, "the index holds a cut list of files");
    std::vector<Extent> extents;
    for (; !encoded.empty(); encoded = encoded.subspan(kExtentBytes)) {
        Extent extent{.file = HexEncode(encoded.first(kFileIdBytes))};
        for (int index = 7; index >= 0; --index) extent.bytes = extent.bytes << 8 | encoded[kFileIdBytes + index];
        extents.push_back(std::move(extent));
    }
    return extents;
}

std::string EncodeObjectInfo(const StoredObject& object) {
    Json json = {{"type", object.info.content_type}};
    if (!object.info.metadata.empty()) json["metadata"] = object.info.metadata;
    if (!object.info.checksums.empty()) json["checksums"] = ChecksumsAsJson(object.info.checksums);
    if (!object.info.tags.empty()) json["tags"] = TagsAsJson(object.info.tags);
    if (!object.upload_id.empty()) json["upload"] = object.upload_id;
    for (const auto& checksums : object.part_checksums) json["part_checksums"].push_back(ChecksumsAsJson(checksums));
    return DumpJson(json);
}

ObjectInfo ListedObjectOf(const std::string& bucket, const Row& row) {
    ObjectInfo info;
    info.name = {bucket, std::string(AsText(row[0].blob()))};
    info.id = row[1].text();
    info.bytes = static_cast<uint64_t>(row[2].integer());
    info.etag = row[3].text();
    info.modified_at = FromMicros(row[4].integer());
    return info;
}

Result<StoredObject> ObjectOf(const std::string& bucket, const Row& row) {
    StoredObject object;
    object.info = ListedObjectOf(bucket, row);
    Json json = TRY(ParseJson(row[5].text()));
    object.info.content_type = TRY(JsonStringOr(json, "type", ""));
    object.info.metadata = TRY(MetadataFromJson(json));
    if (json.contains("checksums")) object.info.checksums = TRY(ChecksumsFromJson(json["checksums"]));
    object.info.tags = TRY(TagsFromJson(json));
    object.upload_id = TRY(JsonStringOr(json, "upload", ""));
    for (const Json& checksums : json.value("part_checksums", Json::array())) {
        object.part_checksums.push_back(TRY(ChecksumsFromJson(checksums)));
    }
    object.extents = TRY(DecodeExtents(row[6].blob()));
    return object;
}

std::string EncodeChecksums(const std::vector<Checksum>& checksums) { return DumpJson(ChecksumsAsJson(checksums)); }

Result<StoredPart> PartOf(const Row& row) {
    StoredPart part;
    part.info.number = static_cast<int>(row[0].integer());
    part.info.bytes = static_cast<uint64_t>(row[1].integer());
    part.info.etag = row[2].text();
    part.info.modified_at = FromMicros(row[3].integer());
    part.info.checksums = TRY(ChecksumsFromJson(TRY(ParseJson(row[4].text()))));
    part.extents = TRY(DecodeExtents(row[5].blob()));
    return part;
}

std::string EncodeUploadOptions(const PutOptions& options) {
    return DumpJson(Json{{"type", options.content_type},
                         {"metadata", options.metadata},
                         {"tags", TagsAsJson(options.tags)},
                         {"compute", options.compute},
                         {"full_object_checksum", options.full_object_checksum}});
}

Result<PutOptions> DecodeUploadOptions(const std::string& text) {
    Json json = TRY(ParseJson(text));
    PutOptions options;
    options.content_type = TRY(JsonStringOr(json, "type", ""));
    options.metadata = TRY(MetadataFromJson(json));
    options.tags = TRY(TagsFromJson(json));
    options.full_object_checksum = TRY(JsonBoolOr(json, "full_object_checksum", false));
    for (const Json& algorithm : json.value("compute", Json::array())) {
        if (algorithm.is_string()) options.compute.push_back(algorithm.get<std::string>());
    }
    return options;
}

// ---- steps of transactions

Status RequireBucket(Transaction& transaction, const std::string& bucket) {
    if (TRY(transaction.Query("SELECT 1 FROM buckets WHERE name = $1", {bucket})).empty()) return NoSuchBucket(bucket);
    return Ok();
}

Status OwnFiles(Transaction& transaction, const std::vector<Extent>& extents, FileOwnership ownership) {
    if (ownership == FileOwnership::kMoved) return Ok();
    for (const Extent& extent : extents) {
        if (ownership == FileOwnership::kNew) {
            TRY(transaction.Execute("INSERT INTO files (file, owners) VALUES ($1, 1)", {extent.file}));
            continue;
        }
        auto shared = TRY(transaction.Execute("UPDATE files SET owners = owners + 1 WHERE file = $1", {extent.file}));
        if (shared != 1) return Error(ErrorCode::kConflict, "the source was deleted meanwhile");
    }
    return Ok();
}

Status DisownFiles(Transaction& transaction, const std::vector<Extent>& extents, FreedFiles& freed) {
    for (const Extent& extent : extents) {
        TRY(transaction.Execute("UPDATE files SET owners = owners - 1 WHERE file = $1", {extent.file}));
        auto gone = TRY(transaction.Execute("DELETE FROM files WHERE file = $1 AND owners = 0", {extent.file}));
        if (gone == 1) freed.push_back(extent.file);
    }
    return Ok();
}

Status PutRow(Transaction& transaction, const StoredObject& object, FileOwnership ownership,
              const PutOptions& conditions, FreedFiles& freed) {
    const ObjectInfo& info = object.info;
    Bytes key(info.name.key.begin(), info.name.key.end());
    TRY(RequireBucket(transaction, info.name.bucket));
    Rows existing = TRY(transaction.Query("SELECT etag, content, extents FROM objects WHERE bucket = $1 AND key = $2",
                                          {info.name.bucket, key}));
    TRY(CheckConditions(existing, info.name, conditions));
    TRY(OwnFiles(transaction, object.extents, ownership));
    if (!existing.empty()) {
        TRY(DisownFiles(transaction, TRY(DecodeExtents(existing[0][2].blob())), freed));
        if (!existing[0][1].is_null()) {
            TRY(transaction.Execute("DELETE FROM contents WHERE number = $1", {existing[0][1]}));
        }
    }
    metadata::Value content = TRY(PutContent(transaction, object.sealed));
    TRY(transaction.Execute(
        "INSERT INTO objects (bucket, key, id, bytes, etag, modified_us, info, content, extents) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (bucket, key) DO UPDATE SET id = excluded.id, "
        "bytes = excluded.bytes, etag = excluded.etag, modified_us = excluded.modified_us, info = excluded.info, "
        "content = excluded.content, extents = excluded.extents",
        {info.name.bucket, key, info.id, static_cast<int64_t>(info.bytes), info.etag, ToMicros(info.modified_at),
         EncodeObjectInfo(object), content, EncodeExtents(object.extents)}));
    return Ok();
}

Status RemoveRow(Transaction& transaction, const ObjectName& name, FreedFiles& freed) {
    metadata::Parameters key = {name.bucket, Bytes(name.key.begin(), name.key.end())};
    Rows rows = TRY(transaction.Query("SELECT content, extents FROM objects WHERE bucket = $1 AND key = $2", key));
    if (rows.empty()) return Ok();
    TRY(DisownFiles(transaction, TRY(DecodeExtents(rows[0][1].blob())), freed));
    if (!rows[0][0].is_null()) TRY(transaction.Execute("DELETE FROM contents WHERE number = $1", {rows[0][0]}));
    TRY(transaction.Execute("DELETE FROM objects WHERE bucket = $1 AND key = $2", key));
    return Ok();
}

Status RemoveUpload(Transaction& transaction, const std::string& upload_id, FreedFiles& freed) {
    Rows parts = TRY(transaction.Query("SELECT extents FROM parts WHERE upload_id = $1", {upload_id}));
    for (const Row& part : parts) TRY(DisownFiles(transaction, TRY(DecodeExtents(part[0].blob())), freed));
    TRY(transaction.Execute("DELETE FROM parts WHERE upload_id = $1", {upload_id}));
    if (TRY(transaction.Execute("DELETE FROM uploads WHERE upload_id = $1", {upload_id})) == 0) {
        return NoSuchUpload(upload_id);
    }
    return Ok();
}

}  // namespace tarn::lake
