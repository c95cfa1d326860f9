// Env: the only way to the clock, files and randomness. Nothing outside base/env*.cc calls open, fsync, time or random.
//
// One Env is built in main and handed to every component; tests hand in base/fault_env.h, which loses, tears and
// reorders what was not synced and fails writes at will. Every method may be called from any thread.
//
// Durability: a write is durable after File::Sync; a created, renamed or removed name after Files::SyncDirectory of
// its folder. A failed Sync poisons the File: every later call on it fails, it is never retried.
//
//   auto file = TRY(env.files().Create(path, {.exclusive = true}));
//   TRY(file->Append(bytes));
//   TRY(file->Sync());
//   TRY(env.files().SyncDirectory(folder));
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn {

class Clock {
  public:
    virtual ~Clock() = default;
    // Wall clock, UTC.
    virtual Timestamp Now() = 0;
    // Never goes back; only differences mean anything.
    virtual Duration Monotonic() = 0;
    virtual void Sleep(Duration duration) = 0;
};

class Random {
  public:
    virtual ~Random() = default;
    // Cryptographically strong.
    virtual void Fill(MutableByteSpan bytes) = 0;
    uint64_t Next();
    // Lower-case hex of `bytes` random bytes: identifiers.
    std::string Hex(size_t bytes);
};

class File {
  public:
    virtual ~File() = default;
    // Reads at `offset` until the buffer is full or the file ends; returns the bytes read.
    virtual Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) const = 0;
    // At the end. A failed Append leaves the file as it was, or poisons it.
    virtual Status Append(ByteSpan bytes) = 0;
    // A failed WriteAt may have written any part of its range.
    virtual Status WriteAt(uint64_t offset, ByteSpan bytes) = 0;
    virtual Status Truncate(uint64_t size) = 0;
    // fdatasync. A failure poisons the file.
    virtual Status Sync() = 0;
    virtual Result<uint64_t> Size() const = 0;
};

struct CreateOptions {
    bool exclusive = false;  // kAlreadyExists if the name is taken; otherwise an existing file is opened
    bool truncate = false;
    int mode = 0600;
};

struct FileEntry {
    std::string name;
    bool is_directory = false;
    uint64_t bytes = 0;
    Timestamp modified_at;
};

class FileLock {  // held until destroyed
  public:
    virtual ~FileLock() = default;
};

class Files {
  public:
    virtual ~Files() = default;
    virtual Result<std::unique_ptr<File>> Open(const std::string& path) = 0;  // reading
    virtual Result<std::unique_ptr<File>> Create(const std::string& path, CreateOptions options) = 0;  // read, write
    virtual Status Rename(const std::string& from, const std::string& to) = 0;  // replaces
    virtual Status Remove(const std::string& path) = 0;  // a file or an empty directory; kNotFound if it is not there
    virtual Status RemoveTree(const std::string& path) = 0;  // fine if it is not there
    virtual Status CreateDirectories(const std::string& path) = 0;  // 0700
    virtual Status SyncDirectory(const std::string& path) = 0;
    virtual Result<std::vector<FileEntry>> List(const std::string& path) = 0;  // sorted by name
    virtual Result<FileEntry> Stat(const std::string& path) = 0;
    virtual bool Exists(const std::string& path) = 0;
    virtual Result<uint64_t> FreeBytes(const std::string& path) = 0;
    // An advisory lock on the file, made if needed; kUnavailable if another process holds it.
    virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

class Env {
  public:
    Env(Clock& clock, Files& files, Random& random) : clock_(clock), files_(files), random_(random) {}
    Clock& clock() const { return clock_; }
    Files& files() const { return files_; }
    Random& random() const { return random_; }

  private:
    Clock& clock_;
    Files& files_;
    Random& random_;
};

// The real one: POSIX files, the system's clock, the kernel's randomness. Lives as long as the program.
Env& SystemEnv();

// kResourceExhausted: the disk that holds `path` is full. One text for every Files.
Error DiskFullError(const std::string& path);
// "a/b" of "a/b/c", "/" of "/a", "." of "a".
std::string FolderOf(const std::string& path);

// Whole small files. WriteFileDurably writes a temporary, syncs, renames and syncs the folder: old or new, never half.
// A crash can leave the temporary ("<path>.tmp-<random>") behind.
Result<std::string> ReadFile(Env& env, const std::string& path, size_t bytes_max = 64 << 20);
Status WriteFileDurably(Env& env, const std::string& path, std::string_view content, int mode = 0600);

}  // namespace tarn
