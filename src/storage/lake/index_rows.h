// The rows of the lake's index as structs, and the changes that several of its transactions share.
#pragma once

#include <string>
#include <vector>

#include "metadata/metadata.h"
#include "storage/lake/index.h"

namespace tarn::lake {

std::vector<metadata::Migration> IndexMigrations();

Bytes EncodeExtents(const std::vector<Extent>& extents);
Result<std::vector<Extent>> DecodeExtents(ByteSpan encoded);

// The columns that ObjectOf reads, in its order.
inline constexpr const char* kObjectColumns = "key, id, bytes, etag, modified_us, info, extents";
Result<StoredObject> ObjectOf(const std::string& bucket, const metadata::Row& row);
// Without what stands in `info`: for listings.
ObjectInfo ListedObjectOf(const std::string& bucket, const metadata::Row& row);
std::string EncodeObjectInfo(const StoredObject& object);

inline constexpr const char* kPartColumns = "number, bytes, etag, modified_us, checksums, extents";
Result<StoredPart> PartOf(const metadata::Row& row);

std::string EncodeUploadOptions(const PutOptions& options);
Result<PutOptions> DecodeUploadOptions(const std::string& text);
std::string EncodeChecksums(const std::vector<Checksum>& checksums);

Error NoSuchBucket(const std::string& bucket);
Error NoSuchKey(const ObjectName& name);
Error NoSuchUpload(const std::string& upload_id);

// ---- steps of transactions

Status RequireBucket(metadata::Transaction& transaction, const std::string& bucket);
Status OwnFiles(metadata::Transaction& transaction, const std::vector<Extent>& extents, FileOwnership ownership);
// One owner less for each; those without any are forgotten and added to `freed`.
Status DisownFiles(metadata::Transaction& transaction, const std::vector<Extent>& extents, FreedFiles& freed);
// Puts the object in place of one of the same name, if the conditions hold.
Status PutRow(metadata::Transaction& transaction, const StoredObject& object, FileOwnership ownership,
              const PutOptions& conditions, FreedFiles& freed);
// Fine if there is no such object.
Status RemoveRow(metadata::Transaction& transaction, const ObjectName& name, FreedFiles& freed);
Status RemoveUpload(metadata::Transaction& transaction, const std::string& upload_id, FreedFiles& freed);

}  // namespace tarn::lake
