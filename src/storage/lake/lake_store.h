// LakeStore: the lake itself; the door's calls in order gate, names, content, index.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/lake/content_writer.h"
#include "storage/lake/file_store.h"
#include "storage/lake/index.h"
#include "storage/lake/lake.h"
#include "storage/lake/metrics.h"
#include "storage/lake/object_reader.h"
#include "storage/lake/pins.h"
#include "storage/lake/sealed_file.h"

namespace tarn::lake {

class LakeStore : public Lake {
  public:
    LakeStore(LakeConfig config, LakeDependencies dependencies);
    // Opens the index and removes what a crash left behind.
    Status Start();

    Status CreateBucket(const Principal& principal, const std::string& bucket) override;
    Status DeleteBucket(const Principal& principal, const std::string& bucket) override;
    Result<std::vector<BucketInfo>> ListBuckets(const Principal& principal) override;
    Result<BucketInfo> HeadBucket(const Principal& principal, const std::string& bucket) override;
    Result<ObjectInfo> Put(const Principal& principal, const ObjectName& name, ByteReader& content,
                           const PutOptions& options) override;
    Result<std::unique_ptr<PutStream>> StartPut(const Principal& principal, const ObjectName& name,
                                                const PutOptions& options) override;
    Result<ObjectInfo> Head(const Principal& principal, const ObjectName& name) override;
    Result<std::unique_ptr<Object>> Open(const Principal& principal, const ObjectName& name) override;
    Result<ListPage> List(const Principal& principal, const std::string& bucket, const ListOptions& options) override;
    Status Delete(const Principal& principal, const ObjectName& name) override;
    Result<std::vector<Status>> DeleteMany(const Principal& principal, const std::string& bucket,
                                           const std::vector<std::string>& keys) override;
    Status SetTags(const Principal& principal, const ObjectName& name, const Tags& tags) override;
    Result<std::string> BucketSetting(const Principal& principal, const std::string& bucket,
                                      const std::string& name) override;
    Status SetBucketSetting(const Principal& principal, const std::string& bucket, const std::string& name,
                            const std::string& value) override;
    Result<ObjectInfo> Copy(const Principal& principal, const ObjectName& from, const ObjectName& to,
                            const PutOptions& options) override;
    Result<std::string> StartUpload(const Principal& principal, const ObjectName& name,
                                    const PutOptions& options) override;
    Result<PartInfo> PutPart(const Principal& principal, const ObjectName& name, const std::string& upload_id,
                             int number, ByteReader& content, const PutOptions& options) override;
    Result<ObjectInfo> CompleteUpload(const Principal& principal, const ObjectName& name, const std::string& upload_id,
                                      const std::vector<PartInfo>& parts, const PutOptions& options) override;
    Status AbortUpload(const Principal& principal, const ObjectName& name, const std::string& upload_id) override;
    Result<std::vector<PartInfo>> ListParts(const Principal& principal, const ObjectName& name,
                                            const std::string& upload_id) override;
    Result<std::vector<UploadInfo>> ListUploads(const Principal& principal, const std::string& bucket) override;
    Result<std::vector<std::string>> Verify() override;
    uint64_t Changes(const std::string& bucket) const override { return index_->Changes(bucket); }
    Result<std::unique_ptr<LakeHold>> Hold(const std::function<Status()>& meanwhile) override;
    engine::FileStore& AsFileStore() override { return file_store_; }

    // The rest of a put whose content is written: checks what was expected, then commits the row.
    Result<ObjectInfo> CommitPut(StoredObject object, WrittenContent content, const PutOptions& options);

  private:
    using BucketKey = std::shared_ptr<const Secret>;  // shared with readers and writers that outlast a call

    Status Require(const Principal& principal, std::string_view action, const std::string& resource) const;
    Status RequireObject(const Principal& principal, std::string_view action, const ObjectName& name) const;
    Result<BucketKey> KeyOf(const std::string& bucket);
    std::string NewObjectId() const;
    Status RemoveOrphans();
    Status RemoveOrphansOf(const std::string& folder);
    Result<std::unique_ptr<ObjectReader>> OpenStored(const ObjectName& name);
    Result<std::optional<ObjectInfo>> ShareContent(const StoredObject& source, StoredObject target,
                                                   const PutOptions& options);
    Result<ObjectInfo> CompletedBefore(const ObjectName& name, const std::string& upload_id);
    void VerifyObject(const ObjectName& name, std::vector<std::string>& damage);
    Status VerifyBucket(const std::string& bucket, std::vector<std::string>& damage);
    Status VerifyUpload(const UploadInfo& upload, std::vector<std::string>& damage);

    LakeConfig config_;
    LakeDependencies dependencies_;
    LakeMetrics metrics_;
    FileRoom room_;
    Pins pins_;
    LakeFileStore file_store_;
    std::unique_ptr<FileLock> lock_;
    std::unique_ptr<LakeIndex> index_;
    std::mutex keys_mutex_;
    std::map<std::string, BucketKey> keys_;
};

}  // namespace tarn::lake
