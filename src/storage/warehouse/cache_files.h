// The sealed files of copies, and the engine's way to them: paths "_warehouse/<id>" are here, all others in the lake.
//
// A copy's file is open for as long as somebody may read it, so that it can be removed at any time. It is used only
// after Verify has read all of it, and no longer once a read fails or its size or time on disk is another.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/env.h"
#include "engine/files.h"
#include "security/keys.h"
#include "storage/lake/sealed_file.h"
#include "storage/warehouse/cache_index.h"

namespace tarn::warehouse {

// No bucket can have this name: theirs begin with a letter or a digit.
inline constexpr std::string_view kCopyBucket = "_warehouse/";

class CacheFiles;

// One copy. Shared by the warehouse and every relation that names its file.
class Copy {
  public:
    Copy(CacheFiles& files, CacheRow copy_row) : row(std::move(copy_row)), files_(files) {}
    ~Copy();
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;

    // Reads and checks every byte; kCorruption, kNotFound or kIo otherwise.
    Status Verify();
    // Verified, no read of it has failed, and what lies on the disk still is what was verified.
    bool IsUsable();
    std::string path() const { return std::string(kCopyBucket) + row.id; }
    Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer);
    void Drop() { dropped_ = true; }

    const CacheRow row;
    std::atomic<Duration> verified_at{Duration(0)};  // on the monotonic clock; zero: never

  private:
    CacheFiles& files_;
    std::atomic<bool> failed_{false};
    std::atomic<bool> dropped_{false};  // its file goes with the last that holds it
    std::mutex mutex_;  // guards the two below
    std::shared_ptr<const lake::SealedFileReader> reader_;  // shared with reads under way
    FileEntry on_disk_;
};

class CacheFiles : public engine::FileStore {
  public:
    static Result<std::unique_ptr<CacheFiles>> Open(Env& env, const std::string& directory,
                                                    engine::FileStore& lake_files, const Secret& key,
                                                    std::function<void()> on_failure);

    // engine::FileStore
    Result<std::unique_ptr<engine::StoredFile>> Open(const security::Principal& principal,
                                                     const std::string& path) override;
    Result<std::unique_ptr<engine::NewFile>> Create(const security::Principal& principal,
                                                    const std::string& path) override;

    // Where a build writes; at most `bytes_max`. kResourceExhausted beyond.
    std::string Expect(int64_t bytes_max);
    // The finished file of a build: not kept yet. Null if there is none. Ends Expect.
    struct Finished {
        std::unique_ptr<lake::SealedFileWriter> writer;
        int64_t bytes = 0;
    };
    Finished Take(const std::string& path);
    std::shared_ptr<Copy> Make(CacheRow row);
    // Removes every file that no row names.
    Status Sweep(const std::vector<CacheRow>& rows);
    Status Prepare() { return room_.Prepare(); }
    Result<uint64_t> FreeBytes() {
        TRY(room_.env().files().CreateDirectories(directory_));  // somebody may have removed it
        return room_.env().files().FreeBytes(directory_);
    }
    int64_t bytes_used() const { return bytes_used_; }

  private:
    friend class Copy;
    friend class NewCopy;
    CacheFiles(Env& env, const std::string& directory, engine::FileStore& lake_files, const Secret& key,
               std::function<void()> on_failure)
        : room_(env, directory),
          directory_(directory),
          lake_files_(lake_files),
          key_(key.Clone()),
          on_failure_(std::move(on_failure)) {}

    lake::FileRoom room_;
    const std::string directory_;
    engine::FileStore& lake_files_;
    const Secret key_;
    const std::function<void()> on_failure_;
    std::atomic<int64_t> bytes_used_{0};
    std::mutex mutex_;  // guards the two below
    std::map<std::string, std::weak_ptr<Copy>> copies_;  // by id
    struct Build {
        int64_t bytes_max = 0;
        Finished finished;
    };
    std::map<std::string, Build> builds_;  // by path
};

}  // namespace tarn::warehouse
