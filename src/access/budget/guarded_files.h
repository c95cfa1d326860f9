// Files that ask before they grow. The lake and the serving caches write through them.
#pragma once

#include <functional>

#include "base/env.h"

namespace tarn::access {

class GuardedFiles : public Files {
  public:
    // `may_grow` is asked for each new file, again each few megabytes, and when somebody asks what is free; of that
    // `held_back` bytes are nobody's.
    GuardedFiles(Files& inner, std::function<Status()> may_grow, std::function<int64_t()> held_back)
        : inner_(inner), may_grow_(std::move(may_grow)), held_back_(std::move(held_back)) {}

    Result<std::unique_ptr<File>> Open(const std::string& path) override { return inner_.Open(path); }
    Result<std::unique_ptr<File>> Create(const std::string& path, CreateOptions options) override;
    Status Rename(const std::string& from, const std::string& to) override { return inner_.Rename(from, to); }
    Status Remove(const std::string& path) override { return inner_.Remove(path); }
    Status RemoveTree(const std::string& path) override { return inner_.RemoveTree(path); }
    Status CreateDirectories(const std::string& path) override { return inner_.CreateDirectories(path); }
    Status SyncDirectory(const std::string& path) override { return inner_.SyncDirectory(path); }
    Result<std::vector<FileEntry>> List(const std::string& path) override { return inner_.List(path); }
    Result<FileEntry> Stat(const std::string& path) override { return inner_.Stat(path); }
    bool Exists(const std::string& path) override { return inner_.Exists(path); }
    Result<uint64_t> FreeBytes(const std::string& path) override;
    Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override { return inner_.Lock(path); }

  private:
    Files& inner_;
    const std::function<Status()> may_grow_;
    const std::function<int64_t()> held_back_;
};

}  // namespace tarn::access
