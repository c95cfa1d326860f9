// The POSIX side of Env; the only place that opens files, reads clocks and asks the kernel for randomness.
#include "base/env.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

namespace tarn {
namespace {

Error SystemError(int error_number, const char* what, const std::string& path) {
    switch (error_number) {
        case ENOENT:
            return Error(ErrorCode::kNotFound, "{} {}: there is no such file or directory", what, path);
        case EEXIST:
            return Error(ErrorCode::kAlreadyExists, "{} {}: it exists already", what, path);
        case ENOSPC:
        case EDQUOT:
            return DiskFullError(path);
        default:
            return Error(ErrorCode::kIo, "{} {}: {}", what, path, std::generic_category().message(error_number));
    }
}

// Repeats a system call that a signal interrupted.
template <typename Call>
auto Retry(Call call) {
    auto result = call();
    while (result < 0 && errno == EINTR) result = call();
    return result;
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);  // no retry: on Linux the descriptor is gone even after EINTR
    }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

Timestamp FromTimespec(const timespec& time) {
    return FromMicros(static_cast<int64_t>(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000);
}

class PosixFile : public File {
  public:
    PosixFile(int fd, std::string path) : descriptor_(fd), path_(std::move(path)) {}

    Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) const override {
        TRY(CheckNotPoisoned());
        size_t done = 0;
        while (done < buffer.size()) {
            ssize_t count = Retry([&] {
                return ::pread(fd(), buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
            });
            if (count < 0) return SystemError(errno, "cannot read", path_);
            if (count == 0) break;
            done += static_cast<size_t>(count);
        }
        return done;
    }

    Status Append(ByteSpan bytes) override {
        // Not O_APPEND: with it Linux ignores the offset of pwrite, and WriteAt could not work on the same descriptor.
        std::lock_guard lock(append_mutex_);
        uint64_t end = TRY(Size());
        Status written = WriteAt(end, bytes);
        if (written.ok()) return Ok();
        // What was written in part goes again; if even that fails nobody may trust the tail of this file.
        if (Retry([&] { return ::ftruncate(fd(), static_cast<off_t>(end)); }) != 0) poisoned_ = true;
        return written;
    }

    Status WriteAt(uint64_t offset, ByteSpan bytes) override {
        TRY(CheckNotPoisoned());
        size_t done = 0;
        while (done < bytes.size()) {
            ssize_t count = Retry([&] {
                return ::pwrite(fd(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
            });
            if (count < 0) return SystemError(errno, "cannot write", path_);
            done += static_cast<size_t>(count);
        }
        return Ok();
    }

    Status Truncate(uint64_t size) override {
        TRY(CheckNotPoisoned());
        if (Retry([&] { return ::ftruncate(fd(), static_cast<off_t>(size)); }) == 0) return Ok();
        return SystemError(errno, "cannot truncate", path_);
    }

    Status Sync() override {
        TRY(CheckNotPoisoned());
        if (Retry([&] { return ::fdatasync(fd()); }) == 0) return Ok();
        // The kernel may have dropped the dirty pages and marked them clean: a second fdatasync would lie.
        int error_number = errno;
        poisoned_ = true;
        return SystemError(error_number, "cannot sync", path_);
    }

    Result<uint64_t> Size() const override {
        TRY(CheckNotPoisoned());
        struct stat info;
        if (::fstat(fd(), &info) != 0) return SystemError(errno, "cannot examine", path_);
        return static_cast<uint64_t>(info.st_size);
    }

  private:
    int fd() const { return descriptor_.get(); }
    Status CheckNotPoisoned() const {
        if (!poisoned_) return Ok();
        return Error(ErrorCode::kIo, "{} is out of use since a write or sync of it failed", path_)
            .WithHint("check the disk and the kernel's log, then restart");
    }

    Descriptor descriptor_;
    std::string path_;
    std::mutex append_mutex_;
    std::atomic<bool> poisoned_ = false;
};

class PosixLock : public FileLock {
  public:
    explicit PosixLock(int fd) : descriptor_(fd) {}

  private:
    Descriptor descriptor_;  // closing it releases the lock
};

Result<FileEntry> EntryAt(int folder_fd, const char* name, const std::string& path) {
    struct stat info;
    if (::fstatat(folder_fd, name, &info, 0) != 0) return SystemError(errno, "cannot examine", path);
    return FileEntry{.name = name,
                     .is_directory = S_ISDIR(info.st_mode),
                     .bytes = S_ISDIR(info.st_mode) ? 0 : static_cast<uint64_t>(info.st_size),
                     .modified_at = FromTimespec(info.st_mtim)};
}

class PosixFiles : public Files {
  public:
    Result<std::unique_ptr<File>> Open(const std::string& path) override {
        Descriptor descriptor(Retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
        if (descriptor.get() < 0) return SystemError(errno, "cannot open", path);
        struct stat info;
        if (::fstat(descriptor.get(), &info) != 0) return SystemError(errno, "cannot examine", path);
        if (S_ISDIR(info.st_mode)) return SystemError(EISDIR, "cannot open", path);
        return std::make_unique<PosixFile>(descriptor.release(), path);
    }

    Result<std::unique_ptr<File>> Create(const std::string& path, CreateOptions options) override {
        int flags = O_RDWR | O_CREAT | O_CLOEXEC;
        if (options.exclusive) flags |= O_EXCL;
        if (options.truncate) flags |= O_TRUNC;
        int fd = Retry([&] { return ::open(path.c_str(), flags, static_cast<mode_t>(options.mode)); });
        if (fd < 0) return SystemError(errno, "cannot create", path);
        return std::make_unique<PosixFile>(fd, path);
    }

    Status Rename(const std::string& from, const std::string& to) override {
        if (::rename(from.c_str(), to.c_str()) == 0) return Ok();
        return SystemError(errno, "cannot rename", fmt::format("{} to {}", from, to));
    }

    Status Remove(const std::string& path) override {
        if (::unlink(path.c_str()) == 0) return Ok();
        if (errno == EISDIR && ::rmdir(path.c_str()) == 0) return Ok();
        return SystemError(errno, "cannot remove", path);
    }

    Status RemoveTree(const std::string& path) override {
        std::error_code error;
        std::filesystem::remove_all(path, error);  // does not follow links out of the tree
        if (!error || error.value() == ENOENT) return Ok();
        return SystemError(error.value(), "cannot remove", path);
    }

    Status CreateDirectories(const std::string& path) override {
        if (::mkdir(path.c_str(), 0700) == 0) return Ok();
        if (errno == EEXIST) return CheckDirectory(path);
        std::string folder = FolderOf(path);
        if (errno != ENOENT || folder == path) return SystemError(errno, "cannot create directory", path);
        TRY(CreateDirectories(folder));
        if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return CheckDirectory(path);
        return SystemError(errno, "cannot create directory", path);
    }

    Status SyncDirectory(const std::string& path) override {
        Descriptor folder(Retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
        if (folder.get() < 0) return SystemError(errno, "cannot open directory", path);
        if (Retry([&] { return ::fsync(folder.get()); }) == 0) return Ok();
        return SystemError(errno, "cannot sync directory", path);
    }

    Result<std::vector<FileEntry>> List(const std::string& path) override {
        std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
        if (!folder) return SystemError(errno, "cannot list", path);
        std::vector<FileEntry> entries;
        while (true) {
            errno = 0;
            const dirent* found = ::readdir(folder.get());
            if (!found && errno != 0) return SystemError(errno, "cannot list", path);
            if (!found) break;
            std::string_view name = found->d_name;
            if (name == "." || name == "..") continue;
            auto entry = EntryAt(::dirfd(folder.get()), found->d_name, path);
            if (!entry.ok() && entry.error().code() == ErrorCode::kNotFound) continue;  // removed meanwhile
            entries.push_back(TRY(std::move(entry)));
        }
        std::sort(entries.begin(), entries.end(), [](auto& left, auto& right) { return left.name < right.name; });
        return entries;
    }

    Result<FileEntry> Stat(const std::string& path) override {
        FileEntry entry = TRY(EntryAt(AT_FDCWD, path.c_str(), path));
        entry.name = std::filesystem::path(path).filename().string();
        return entry;
    }

    bool Exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

    Result<uint64_t> FreeBytes(const std::string& path) override {
        struct statvfs info;
        if (Retry([&] { return ::statvfs(path.c_str(), &info); }) != 0) {
            return SystemError(errno, "cannot examine the disk of", path);
        }
        return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
    }

    Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
        Descriptor descriptor(Retry([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); }));
        if (descriptor.get() < 0) return SystemError(errno, "cannot open lock", path);
        // flock, not fcntl: it belongs to the descriptor, so it also keeps a second one of this process out.
        if (Retry([&] { return ::flock(descriptor.get(), LOCK_EX | LOCK_NB); }) == 0) {
            return std::make_unique<PosixLock>(descriptor.release());
        }
        if (errno != EWOULDBLOCK) return SystemError(errno, "cannot lock", path);
        return Error(ErrorCode::kUnavailable, "{} is locked by another process", path);
    }

  private:
    static Status CheckDirectory(const std::string& path) {
        struct stat info;
        if (::stat(path.c_str(), &info) != 0) return SystemError(errno, "cannot examine", path);
        if (S_ISDIR(info.st_mode)) return Ok();
        return Error(ErrorCode::kAlreadyExists, "cannot create directory {}: a file of that name exists", path);
    }
};

class SystemClock : public Clock {
  public:
    Timestamp Now() override { return ReadClock(CLOCK_REALTIME); }
    Duration Monotonic() override { return ReadClock(CLOCK_MONOTONIC).time_since_epoch(); }
    void Sleep(Duration duration) override { std::this_thread::sleep_for(duration); }

  private:
    static Timestamp ReadClock(clockid_t clock) {
        timespec time;
        TARN_CHECK(::clock_gettime(clock, &time) == 0);
        return FromTimespec(time);
    }
};

class KernelRandom : public Random {
  public:
    void Fill(MutableByteSpan bytes) override {
        size_t done = 0;
        while (done < bytes.size()) {
            ssize_t count = Retry([&] { return ::getrandom(bytes.data() + done, bytes.size() - done, 0); });
            TARN_CHECK(count > 0);  // without randomness no key may be made
            done += static_cast<size_t>(count);
        }
    }
};

}  // namespace

uint64_t Random::Next() {
    uint8_t bytes[sizeof(uint64_t)];
    Fill(bytes);
    uint64_t value;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
}

std::string Random::Hex(size_t bytes) {
    Bytes buffer(bytes);
    Fill(buffer);
    return HexEncode(buffer);
}

Env& SystemEnv() {
    static SystemClock clock;
    static PosixFiles files;
    static KernelRandom random;
    static Env env(clock, files, random);
    return env;
}

Error DiskFullError(const std::string& path) {
    return Error(ErrorCode::kResourceExhausted, "the disk is full: cannot write {}", path)
        .WithHint("free space on it, or move the state directory to a larger disk")
        .WithDetailCode("53100");
}

std::string FolderOf(const std::string& path) {
    size_t end = path.find_last_not_of('/');
    if (end == std::string::npos) return path.empty() ? "." : "/";
    size_t slash = path.find_last_of('/', end);
    if (slash == std::string::npos) return ".";
    size_t last = path.find_last_not_of('/', slash);
    return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

Result<std::string> ReadFile(Env& env, const std::string& path, size_t bytes_max) {
    auto file = TRY(env.files().Open(path));
    bytes_max = std::min(bytes_max, std::string().max_size() - 1);
    std::string content;
    size_t used = 0;
    // To the end rather than by the size: files of /proc have none, and others may grow meanwhile.
    while (true) {
        if (used > bytes_max) return Error(ErrorCode::kResourceExhausted, "{} has more than {} bytes", path, bytes_max);
        uint64_t size = TRY(file->Size());
        content.resize(std::min<uint64_t>(std::max<uint64_t>(size + 1, used + 4096), bytes_max + 1));
        auto* bytes = reinterpret_cast<uint8_t*>(content.data());
        used += TRY(file->ReadAt(used, MutableByteSpan(bytes + used, content.size() - used)));
        if (used < content.size()) break;
    }
    content.resize(used);
    return content;
}

Status WriteFileDurably(Env& env, const std::string& path, std::string_view content, int mode) {
    std::string temporary = path + ".tmp-" + env.random().Hex(8);
    auto write = [&]() -> Status {
        auto file = TRY(env.files().Create(temporary, {.exclusive = true, .mode = mode}));
        TRY(file->Append(AsBytes(content)));
        TRY(file->Sync());
        return env.files().Rename(temporary, path);
    };
    Status written = write();
    if (!written.ok()) {
        (void)env.files().Remove(temporary);  // best effort: the first error is the one to tell
        return written;
    }
    return env.files().SyncDirectory(FolderOf(path));
}

}  // namespace tarn
