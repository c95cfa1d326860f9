// Lake: the object store. Buckets of objects, encrypted and checksummed, over the state directory; S3 in front of it.
//
// Does: put (atomic, durable when it returns), put-if-absent, conditional put, get, ranged get, list, delete, copy,
// multipart. Never: overwrites in place, hands out a byte whose authentication failed, uses a key as a file name.
// Who: constructed by app; every call takes the Principal and asks the gate: lake:GetObject, lake:PutObject (uploads
// too) and lake:DeleteObject on "bucket/key"; lake:ListBucket on "bucket/prefix"; lake:CreateBucket, lake:DeleteBucket
// and lake:ListBucket (is it there, its uploads) on "bucket/", so that "bucket/*" covers it. Threads: any; calls block.
// State: lake/index.db (objects, multipart uploads: through metadata::Database, group commit) and lake/objects/xx/<id>
// (content in 64 KiB blocks, AES-256-GCM, a data key an object wrapped under its bucket's key); objects up to
// kInlineBytesMax lie sealed in the index. Format: docs/formats/lake.md. The index commit is the commit point; files
// that no row names are removed at start. Fails: a full disk is kResourceExhausted and changes nothing; damage is
// kCorruption naming bucket, key and block.
//
//   TRY(lake.CreateBucket(principal, "raw"));
//   TRY(lake.PutBytes(principal, {"raw", "a.txt"}, AsBytes("hello"), {.if_absent = true}));
//   auto object = TRY(lake.Open(principal, {"raw", "a.txt"}));
//   Bytes all = TRY(object->Read(0, object->info().bytes));
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/env.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/files.h"
#include "security/gate.h"
#include "security/keys.h"

namespace tarn::lake {

inline constexpr uint64_t kBlockBytes = 64 << 10;
inline constexpr uint64_t kInlineBytesMax = 16 << 10;
inline constexpr size_t kKeyBytesMax = 1024;

struct ObjectName {
    std::string bucket;
    std::string key;
    std::string ToString() const { return bucket + "/" + key; }
};

struct Checksum {
    std::string algorithm;  // "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"
    std::string value;  // base64 as S3 sends it
};

using Tags = std::vector<std::pair<std::string, std::string>>;

struct ObjectInfo {
    ObjectName name;
    uint64_t bytes = 0;
    std::string etag;  // without quotes: MD5 in hex, or "<md5 of md5s>-<parts>"
    Timestamp modified_at;
    std::string content_type;
    std::map<std::string, std::string> metadata;  // x-amz-meta-*, and the stored standard headers
    std::vector<Checksum> checksums;  // of a multipart object "<base64>-<parts>", if it is a checksum of checksums
    Tags tags;
    std::string id;  // changes with every put: a version tag for caches
};

struct PutOptions {
    bool if_absent = false;  // kAlreadyExists if there is one
    std::string if_match;  // etag or "*"; kFailedPrecondition if it is another, kNotFound if none
    std::string content_type = "application/octet-stream";
    std::map<std::string, std::string> metadata;
    Tags tags;
    std::vector<Checksum> expected;  // checked before commit: kInvalidArgument if the content differs
    std::vector<std::string> compute;  // checksum algorithms to compute and store besides
    // Further expected ones, asked for when the content has ended (HTTP trailers); their algorithms stand in `compute`.
    std::function<Result<std::vector<Checksum>>()> expected_at_end;
    std::string expected_md5;  // hex, empty for none
    std::optional<uint64_t> expected_bytes;
    // StartUpload: the checksum of the whole content (CRCs only) instead of one of the parts' checksums.
    bool full_object_checksum = false;
    // Copy: content type and metadata are those given here, not the source's.
    bool replace_metadata = false;
    bool replace_tags = false;  // Copy: likewise
    std::string source_if_match;  // Copy: the source's etag or "*"; kFailedPrecondition if another
};

// An open object: immutable, stays readable while open even if it is deleted or replaced. Thread-safe.
// The lake outlives its objects and streams.
class Object {
  public:
    virtual ~Object() = default;
    virtual const ObjectInfo& info() const = 0;
    // Fills the buffer from `offset`; fewer bytes only at the end.
    virtual Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) = 0;
    Result<Bytes> Read(uint64_t offset, uint64_t bytes);
    // Bytes of each part of a multipart object; one number for any other.
    virtual std::vector<uint64_t> part_bytes() const = 0;
    // Checksums of each part, as long as the above; empty where none were kept.
    virtual const std::vector<std::vector<Checksum>>& part_checksums() const = 0;
};

struct ListOptions {
    std::string prefix;
    std::string delimiter;
    std::string start_after;  // keys (and common prefixes) strictly after it, in UTF-8 byte order
    int keys_max = 1000;
};
struct ListPage {
    std::vector<ObjectInfo> objects;  // without content type, metadata and checksums: Head tells those
    std::vector<std::string> common_prefixes;
    bool truncated = false;
    std::string next_start_after;  // give it as start_after
};

struct BucketInfo {
    std::string name;
    Timestamp created_at;
};
struct PartInfo {
    int number = 0;
    uint64_t bytes = 0;
    std::string etag;
    Timestamp modified_at;
    std::vector<Checksum> checksums;
};
struct UploadInfo {
    ObjectName name;
    std::string upload_id;
    Timestamp started_at;
};

// A put fed piece by piece: for writers that produce (Parquet). Destroyed unfinished, it leaves nothing.
class PutStream : public ByteWriter {
  public:
    virtual Result<ObjectInfo> Finish() = 0;
};

// The lake's files as they are at one instant, for a backup: index.db stands still until ReleaseIndex, and no stored
// file is removed, until this is destroyed. The lake goes on; it outlives this.
class LakeHold {
  public:
    virtual ~LakeHold() = default;
    virtual void ReleaseIndex() = 0;
    // Names of the stored files below objects/<folder>/ that the index has now, in order.
    virtual Status ScanFiles(const std::string& folder, const std::function<void(const std::string&)>& file) = 0;
};

struct LakeConfig {
    std::string directory;  // <state>/lake
};
struct LakeDependencies {
    Env& env;
    security::Gate& gate;
    security::KeyProvider& keys;
    Metrics& metrics;
    Log& log;
};

class Lake {
  public:
    static Result<std::unique_ptr<Lake>> Create(LakeConfig config, LakeDependencies dependencies);
    virtual ~Lake() = default;

    using Principal = security::Principal;
    virtual Status CreateBucket(const Principal& principal, const std::string& bucket) = 0;  // kAlreadyExists
    virtual Status DeleteBucket(const Principal& principal, const std::string& bucket) = 0;  // must be empty
    virtual Result<std::vector<BucketInfo>> ListBuckets(const Principal& principal) = 0;  // that it may see
    virtual Result<BucketInfo> HeadBucket(const Principal& principal, const std::string& bucket) = 0;

    virtual Result<ObjectInfo> Put(const Principal& principal, const ObjectName& name, ByteReader& content,
                                   const PutOptions& options) = 0;
    virtual Result<std::unique_ptr<PutStream>> StartPut(const Principal& principal, const ObjectName& name,
                                                        const PutOptions& options) = 0;
    Result<ObjectInfo> PutBytes(const Principal& principal, const ObjectName& name, ByteSpan content,
                                const PutOptions& options = {});
    virtual Result<ObjectInfo> Head(const Principal& principal, const ObjectName& name) = 0;
    virtual Result<std::unique_ptr<Object>> Open(const Principal& principal, const ObjectName& name) = 0;
    Result<std::string> ReadText(const Principal& principal, const ObjectName& name, size_t bytes_max = 64 << 20);
    virtual Result<ListPage> List(const Principal& principal, const std::string& bucket,
                                  const ListOptions& options) = 0;
    virtual Status Delete(const Principal& principal, const ObjectName& name) = 0;  // fine if it is not there
    // Each key on its own: the answers are in the order of the keys. One durable commit for all that are allowed.
    virtual Result<std::vector<Status>> DeleteMany(const Principal& principal, const std::string& bucket,
                                                   const std::vector<std::string>& keys) = 0;
    // Replaces all tags of an object; its id, ETag and time stay.
    virtual Status SetTags(const Principal& principal, const ObjectName& name, const Tags& tags) = 0;
    // What S3 keeps with a bucket under a name ("tagging"): a text that the lake does not read; empty for none. Reading
    // is lake:ListBucket, changing lake:CreateBucket on "bucket/".
    virtual Result<std::string> BucketSetting(const Principal& principal, const std::string& bucket,
                                              const std::string& name) = 0;
    virtual Status SetBucketSetting(const Principal& principal, const std::string& bucket, const std::string& name,
                                    const std::string& value) = 0;
    // Within a bucket no content moves: both objects own the same stored files.
    virtual Result<ObjectInfo> Copy(const Principal& principal, const ObjectName& from, const ObjectName& to,
                                    const PutOptions& options) = 0;

    virtual Result<std::string> StartUpload(const Principal& principal, const ObjectName& name,
                                            const PutOptions& options) = 0;
    virtual Result<PartInfo> PutPart(const Principal& principal, const ObjectName& name, const std::string& upload_id,
                                     int number, ByteReader& content, const PutOptions& options) = 0;
    // Parts (number, etag, perhaps checksums) in rising order. Done already, it answers with the object that it made.
    virtual Result<ObjectInfo> CompleteUpload(const Principal& principal, const ObjectName& name,
                                              const std::string& upload_id, const std::vector<PartInfo>& parts,
                                              const PutOptions& options) = 0;
    virtual Status AbortUpload(const Principal& principal, const ObjectName& name, const std::string& upload_id) = 0;
    virtual Result<std::vector<PartInfo>> ListParts(const Principal& principal, const ObjectName& name,
                                                    const std::string& upload_id) = 0;
    virtual Result<std::vector<UploadInfo>> ListUploads(const Principal& principal, const std::string& bucket) = 0;

    // Reads everything back; each damaged object as one error text. For `tarn verify` and the crash tests.
    virtual Result<std::vector<std::string>> Verify() = 0;
    // Grows with every change of what the bucket holds, before the change is answered: who has read the bucket since it
    // had this value need not read it again. In this program's life only; not asked under the gate.
    virtual uint64_t Changes(const std::string& bucket) const = 0;

    // Not asked under the gate: for backups, which read the files as they are, encrypted. `meanwhile`: HoldFile of
    // metadata/metadata.h.
    virtual Result<std::unique_ptr<LakeHold>> Hold(const std::function<Status()>& meanwhile) = 0;

    // The lake as the engine's files ("bucket/key"), acting for the principal of the engine's session.
    virtual engine::FileStore& AsFileStore() = 0;
};

}  // namespace tarn::lake
