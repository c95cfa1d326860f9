// LakeIndex: what the lake holds, in one SQLite database; every change is one durable transaction (group commit).
//
// Knows rows, not content: buckets, objects, unfinished uploads with their parts, and how many rows own each stored
// file. Asks no gate. A change answers with the files that lost their last row, for the caller to remove. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "metadata/metadata.h"
#include "storage/lake/lake.h"

namespace tarn::lake {

struct Extent {
    std::string file;  // 32 hex digits
    uint64_t bytes = 0;
    bool operator==(const Extent&) const = default;
};

struct StoredObject {
    ObjectInfo info;
    std::string upload_id;  // of the upload that made it, so that completing it again finds it done
    std::vector<std::vector<Checksum>> part_checksums;  // of that upload
    Bytes sealed;           // small content, only where it was asked for
    std::vector<Extent> extents;
};

struct StoredUpload {
    UploadInfo info;
    PutOptions options;  // content type, metadata, tags, checksum algorithms and type
};

struct StoredPart {
    PartInfo info;
    std::vector<Extent> extents;
};

using FreedFiles = std::vector<std::string>;

// Who owns the files that a new object names.
enum class FileOwnership : uint8_t {
    kNew,     // just written: the object is their first owner
    kShared,  // of another object, which must still own them: kConflict if it was deleted meanwhile
    kMoved,   // of parts that this transaction takes away
};

// After this error of a change a restart may find it done all the same: files that it named must stay.
bool MayBeCommitted(const Error& error);

class LakeIndex {
  public:
    static Result<std::unique_ptr<LakeIndex>> Open(Env& env, const std::string& path, const Secret& key);

    Status CreateBucket(const std::string& bucket, Timestamp now);
    Result<FreedFiles> DeleteBucket(const std::string& bucket);  // its unfinished uploads go with it
    Result<std::vector<BucketInfo>> Buckets();
    Result<BucketInfo> FindBucket(const std::string& bucket);
    Result<std::string> BucketSetting(const std::string& bucket, const std::string& name);  // empty for none
    Status SetBucketSetting(const std::string& bucket, const std::string& name, const std::string& value);

    // kNotFound says whether the bucket or the key is missing.
    Result<StoredObject> Find(const ObjectName& name, bool with_content);
    Result<FreedFiles> Put(const StoredObject& object, FileOwnership ownership, const PutOptions& conditions);
    Status SetTags(const ObjectName& name, const Tags& tags);
    Result<FreedFiles> Delete(const std::string& bucket, const std::vector<std::string>& keys);
    Result<ListPage> List(const std::string& bucket, const ListOptions& options);

    Status StartUpload(const StoredUpload& upload);
    Result<StoredUpload> FindUpload(const ObjectName& name, const std::string& upload_id);
    Result<FreedFiles> PutPart(const std::string& upload_id, const StoredPart& part);
    Result<std::vector<StoredPart>> Parts(const std::string& upload_id);
    // Puts the object made of `parts` (kConflict if one was replaced since it was read) and forgets the upload.
    Result<FreedFiles> CompleteUpload(const std::string& upload_id, const std::vector<StoredPart>& parts,
                                      const StoredObject& object, const PutOptions& conditions);
    Result<FreedFiles> AbortUpload(const std::string& upload_id);
    Result<std::vector<UploadInfo>> Uploads(const std::string& bucket);

    // Stored files whose name starts with `prefix`, in order.
    Status ScanFiles(const std::string& prefix, const std::function<void(const std::string&)>& file);
    // Unfinished uploads of all buckets.
    Result<std::vector<UploadInfo>> AllUploads();
    Result<std::unique_ptr<metadata::FileHold>> HoldFile(const std::function<Status()>& meanwhile) {
        return database_->HoldFile(meanwhile);
    }
    Status CheckIntegrity() { return database_->CheckIntegrity(); }
    // Counts changes of what a bucket holds, in this program's life; buckets may share a count.
    uint64_t Changes(const std::string& bucket) const { return changes_[SlotOf(bucket)].load(); }

  private:
    explicit LakeIndex(std::unique_ptr<metadata::Database> database) : database_(std::move(database)) {}
    Status Write(FreedFiles& freed, const std::function<Status(metadata::Transaction&, FreedFiles&)>& work);

    using Counts = std::array<std::atomic<uint64_t>, 64>;
    static size_t SlotOf(const std::string& bucket) {
        return std::hash<std::string>()(bucket) % std::tuple_size_v<Counts>;
    }
    // Counts once more at the end of a change, before it is answered: even if it failed, it may have been done.
    class Change {
      public:
        Change(LakeIndex& index, const std::string& bucket) : count_(index.changes_[SlotOf(bucket)]) {}
        ~Change() { ++count_; }
        Change(const Change&) = delete;
        Change& operator=(const Change&) = delete;

      private:
        std::atomic<uint64_t>& count_;
    };

    std::unique_ptr<metadata::Database> database_;
    Counts changes_{};
};

}  // namespace tarn::lake
