// StateDirectory: the one folder with all state of a platform, opened before anything else: locked, its format known.
//
// It never looks into the components' folders. Owned by app, which opens it first and closes it last. Any thread may
// ask it for paths. Its own state: `tarn.lock`, and `tarn-state.json` {"format": 1, "platform_id": "..."}; `tmp/` is
// emptied. Fails: kUnavailable when another process runs on the folder; kFailedPrecondition when a newer Tarn has
// written it, or when it is somebody else's folder (not empty, and no `tarn-state.json`).
//
//   auto state = TRY(metadata::StateDirectory::Open(env, ".tarn"));
//   auto database = TRY(Database::OpenSqlite(env, state->PathOf("metadata.db"), key));
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"

namespace tarn::metadata {

// Lies in a folder into which a backup is being restored, until it is whole.
inline constexpr const char* kRestoringFile = "restoring.json";

class StateDirectory {
  public:
    static constexpr int kFormat = 1;

    static Result<std::unique_ptr<StateDirectory>> Open(Env& env, const std::string& path);

    const std::string& path() const { return path_; }
    // Random, made with the folder; names the platform's root key file.
    const std::string& platform_id() const { return platform_id_; }
    std::string PathOf(std::string_view name) const { return path_ + "/" + std::string(name); }

  private:
    StateDirectory(std::string path, std::string platform_id, std::unique_ptr<FileLock> lock)
        : path_(std::move(path)), platform_id_(std::move(platform_id)), lock_(std::move(lock)) {}

    const std::string path_;
    const std::string platform_id_;
    std::unique_ptr<FileLock> lock_;
};

// Makes what is missing of `path`, and its names durable: for folders whose loss in a power cut would hurt.
Status CreateDirectoriesDurably(Env& env, const std::string& path);

}  // namespace tarn::metadata
