// Copier: makes one backup in a store out of files of a state directory: chunk by chunk, each stored once under its
 // hash.
//
// Files that never change but by growing (`Kind::kSealed`) and that the newest backup has with the same length are not
// read again. Nothing counts until Finish wrote the manifest; what an unfinished one has stored is found and used by
// the next, or goes with Prune.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_set>

#include "access/backup/manifest.h"
#include "base/env.h"

namespace tarn::access {

class Copier {
  public:
    using Stop = std::function<bool()>;
    // kSegment: as kSealed, if it also begins as that of the newest backup did.
    enum class Kind : uint8_t { kSealed, kSegment, kDatabase, kSmall };

    // Refuses a place that holds something else, or another platform's backups.
    static Result<std::unique_ptr<Copier>> Start(Env& env, BackupStore& store, const std::string& platform_id,
                                                 Stop stop);
    // The first `bytes` bytes of it.
    Status Copy(const std::string& state_path, const std::string& path, uint64_t bytes, Kind kind);
    Status CopyFrom(const File& file, const std::string& path, uint64_t bytes, Kind kind);
    Result<BackupSummary> Finish(BackupSummary summary);

  private:
    Copier(Env& env, BackupStore& store, Stop stop) : env_(env), store_(store), stop_(std::move(stop)) {}
    Status LoadKnown();
    Status CheckPlace(const std::string& platform_id);
    bool Reuse(const std::string& path, uint64_t bytes);
    Result<bool> BeginsAsBefore(const File& file, const std::string& path) const;
    Status CheckStop() const;

    Env& env_;
    BackupStore& store_;
    const Stop stop_;
    std::unordered_set<std::string> known_;  // chunks in the store
    std::map<std::string, BackedFile> previous_;  // sealed files of the newest backup
    Manifest manifest_;
};

// Keeps the `keep` newest backups (0: all) and removes the others, then the chunks that none of those kept has. Returns
// how many went.
Result<int> Prune(BackupStore& store, int keep, const Copier::Stop& stop);

// Reads every chunk of the named backup, or of all; each damage as one text.
struct BackupCheck {
    uint64_t backups = 0;
    uint64_t chunks = 0;
    uint64_t bytes = 0;
    std::vector<std::string> issues;
};
Result<BackupCheck> CheckBackups(BackupStore& store, const std::string& name);
// A chunk whose content is what its name says.
Result<Bytes> ReadChunk(BackupStore& store, const std::string& hash);

}  // namespace tarn::access
