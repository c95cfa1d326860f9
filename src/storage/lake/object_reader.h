// ObjectReader: an open object, over its sealed content in the index or its stored files.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "storage/lake/index.h"
#include "storage/lake/metrics.h"
#include "storage/lake/pins.h"
#include "storage/lake/sealed_file.h"

namespace tarn::lake {

struct ReaderDependencies {
    FileRoom& room;
    LakeMetrics& metrics;
    std::shared_ptr<const Secret> bucket_key;  // shared with the lake's cache of keys
};

class ObjectReader : public Object {
  public:
    static Result<std::unique_ptr<ObjectReader>> Create(StoredObject object, Pins::Pin pin,
                                                        ReaderDependencies dependencies);
    const ObjectInfo& info() const override { return object_.info; }
    Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) override;
    std::vector<uint64_t> part_bytes() const override;
    const std::vector<std::vector<Checksum>>& part_checksums() const override { return object_.part_checksums; }
    const StoredObject& stored() const { return object_; }

  private:
    ObjectReader(StoredObject object, Pins::Pin pin, ReaderDependencies dependencies);
    Result<size_t> ReadContent(uint64_t offset, MutableByteSpan buffer);
    Result<size_t> ReadFiles(uint64_t offset, MutableByteSpan buffer);
    // Shared: a reader may drop out of the cache while another thread still reads with it.
    Result<std::shared_ptr<SealedFileReader>> FileOf(size_t extent);

    StoredObject object_;
    Pins::Pin pin_;
    ReaderDependencies dependencies_;
    Bytes small_;
    std::vector<uint64_t> starts_;  // of each extent in the content
    std::mutex mutex_;
    std::vector<std::pair<size_t, std::shared_ptr<SealedFileReader>>> open_files_;  // oldest first
};

// Reads all of an object's content, in place of somebody who would; kCorruption at the first damaged block.
Status ReadToEnd(Object& object);

}  // namespace tarn::lake
