#include "metadata/env_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

namespace tarn::metadata {
namespace {

constexpr int kPathBytesMax = 4096;
constexpr int kSectorBytes = 4096;
constexpr int64_t kJulianEpochMs = 210'866'760'000'000;  // of 1970-01-01, as SQLite counts

// What the connections to one file share: SQLite's five levels of locks, and the index of the write-ahead log.
class SharedFile {
  public:
    struct Holder {
        int level = SQLITE_LOCK_NONE;
        unsigned shared_slots = 0;  // bits of the log's locks
        unsigned exclusive_slots = 0;
        bool maps_index = false;
    };

    int Lock(Holder& holder, int level) {
        std::lock_guard lock(mutex_);
        if (holder.level >= level) return SQLITE_OK;
        auto taken = [&](const Holder* owner) { return owner && owner != &holder; };
        if (level == SQLITE_LOCK_SHARED) {
            if (taken(pending_)) return SQLITE_BUSY;
            ++readers_;
        } else if (level == SQLITE_LOCK_RESERVED) {
            if (taken(reserved_)) return SQLITE_BUSY;
            reserved_ = &holder;
        } else {
            if (taken(pending_)) return SQLITE_BUSY;
            pending_ = &holder;  // no new readers; it stays when the old ones are waited for
            holder.level = SQLITE_LOCK_PENDING;
            if (readers_ > 1) return SQLITE_BUSY;
        }
        holder.level = level;
        return SQLITE_OK;
    }

    void Unlock(Holder& holder, int level) {
        std::lock_guard lock(mutex_);
        if (holder.level <= level) return;
        if (reserved_ == &holder) reserved_ = nullptr;
        if (pending_ == &holder) pending_ = nullptr;
        if (level == SQLITE_LOCK_NONE) --readers_;
        holder.level = level;
    }

    bool IsReserved() {
        std::lock_guard lock(mutex_);
        return reserved_ || pending_;
    }

    // Null when there is no such region and none shall be made.
    void* MapRegion(Holder& holder, size_t number, size_t bytes, bool extend) {
        std::lock_guard lock(mutex_);
        if (!holder.maps_index) ++mappings_;
        holder.maps_index = true;
        while (extend && regions_.size() <= number) {
            regions_.push_back(std::make_unique<std::vector<uint64_t>>(bytes / sizeof(uint64_t)));
        }
        return number < regions_.size() ? regions_[number]->data() : nullptr;
    }

    int LockSlots(Holder& holder, unsigned mask, bool exclusive) {
        std::lock_guard lock(mutex_);
        mask &= ~(holder.exclusive_slots | (exclusive ? 0 : holder.shared_slots));
        for (int slot = 0; slot < SQLITE_SHM_NLOCK; ++slot) {
            if (!(mask >> slot & 1)) continue;
            if (exclusive ? slots_[slot] != 0 : slots_[slot] < 0) return SQLITE_BUSY;
        }
        for (int slot = 0; slot < SQLITE_SHM_NLOCK; ++slot) {
            if (mask >> slot & 1) slots_[slot] = exclusive ? -1 : slots_[slot] + 1;
        }
        (exclusive ? holder.exclusive_slots : holder.shared_slots) |= mask;
        return SQLITE_OK;
    }

    void UnlockSlots(Holder& holder, unsigned mask) {
        std::lock_guard lock(mutex_);
        UnlockSlotsLocked(holder, mask);
    }

    // The index is made anew from the log once nobody uses it.
    void Unmap(Holder& holder) {
        std::lock_guard lock(mutex_);
        UnlockSlotsLocked(holder, ~0U);
        if (!holder.maps_index) return;
        holder.maps_index = false;
        if (--mappings_ == 0) regions_.clear();
    }

    void Barrier() { std::lock_guard lock(mutex_); }

  private:
    void UnlockSlotsLocked(Holder& holder, unsigned mask) {
        for (int slot = 0; slot < SQLITE_SHM_NLOCK; ++slot) {
            if (holder.exclusive_slots & mask & (1U << slot)) slots_[slot] = 0;
            if (holder.shared_slots & mask & (1U << slot)) --slots_[slot];
        }
        holder.exclusive_slots &= ~mask;
        holder.shared_slots &= ~mask;
    }

    std::mutex mutex_;
    int readers_ = 0;
    const Holder* reserved_ = nullptr;
    const Holder* pending_ = nullptr;  // or exclusive
    int mappings_ = 0;
    std::vector<std::unique_ptr<std::vector<uint64_t>>> regions_;
    std::array<int, SQLITE_SHM_NLOCK> slots_{};  // shared holders, or -1
};

// One file that one connection has open.
struct OpenFile {
    Env& env;
    std::string path;
    std::unique_ptr<File> file;
    std::shared_ptr<SharedFile> shared;  // by all connections to this path
    SharedFile::Holder holder;
    // The name of a log or journal must be as durable as what its first sync promises.
    bool name_is_durable = false;
    bool failed_sync = false;
};

// What SQLite allocates for us.
struct Handle {
    sqlite3_file base;
    OpenFile* open;
};

OpenFile& Of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file)->open; }

int CodeOf(const Status& status, int otherwise) {
    if (status.ok()) return SQLITE_OK;
    return status.error().code() == ErrorCode::kResourceExhausted ? SQLITE_FULL : otherwise;
}

int Close(sqlite3_file* file) {
    OpenFile* open = &Of(file);
    open->shared->Unmap(open->holder);
    open->shared->Unlock(open->holder, SQLITE_LOCK_NONE);
    delete open;
    return SQLITE_OK;
}

int Read(sqlite3_file* file, void* buffer, int size, sqlite3_int64 offset) {
    MutableByteSpan span(static_cast<uint8_t*>(buffer), static_cast<size_t>(size));
    auto count = Of(file).file->ReadAt(static_cast<uint64_t>(offset), span);
    if (!count.ok()) return SQLITE_IOERR_READ;
    if (*count == span.size()) return SQLITE_OK;
    std::fill(span.begin() + static_cast<ptrdiff_t>(*count), span.end(), uint8_t{0});
    return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
    ByteSpan span(static_cast<const uint8_t*>(bytes), static_cast<size_t>(size));
    return CodeOf(Of(file).file->WriteAt(static_cast<uint64_t>(offset), span), SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    return CodeOf(Of(file).file->Truncate(static_cast<uint64_t>(size)), SQLITE_IOERR_TRUNCATE);
}

// A full disk that shows only here is a failed sync, too: what was written may be gone.
int Sync(sqlite3_file* file, int) {
    OpenFile& open = Of(file);
    if (open.failed_sync) return SQLITE_IOERR_FSYNC;
    open.failed_sync = true;
    if (!open.file->Sync().ok()) return SQLITE_IOERR_FSYNC;
    if (!open.name_is_durable && !open.env.files().SyncDirectory(FolderOf(open.path)).ok()) {
        return SQLITE_IOERR_DIR_FSYNC;
    }
    open.name_is_durable = true;
    open.failed_sync = false;
    return SQLITE_OK;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
    auto bytes = Of(file).file->Size();
    if (!bytes.ok()) return SQLITE_IOERR_FSTAT;
    *size = static_cast<sqlite3_int64>(*bytes);
    return SQLITE_OK;
}

int Lock(sqlite3_file* file, int level) { return Of(file).shared->Lock(Of(file).holder, level); }

int Unlock(sqlite3_file* file, int level) {
    Of(file).shared->Unlock(Of(file).holder, level);
    return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file* file, int* reserved) {
    *reserved = Of(file).shared->IsReserved() ? 1 : 0;
    return SQLITE_OK;
}

int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return kSectorBytes; }
// As SQLite assumes of every disk of today: a torn write leaves alone what lies beside it.
int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int ShmMap(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
    OpenFile& open = Of(file);
    *memory = open.shared->MapRegion(open.holder, static_cast<size_t>(region), static_cast<size_t>(size), extend != 0);
    return SQLITE_OK;
}

int ShmLock(sqlite3_file* file, int first, int count, int flags) {
    OpenFile& open = Of(file);
    unsigned mask = ((1U << count) - 1) << first;
    if (flags & SQLITE_SHM_LOCK) return open.shared->LockSlots(open.holder, mask, (flags & SQLITE_SHM_EXCLUSIVE) != 0);
    open.shared->UnlockSlots(open.holder, mask);
    return SQLITE_OK;
}

void ShmBarrier(sqlite3_file* file) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    Of(file).shared->Barrier();
}

int ShmUnmap(sqlite3_file* file, int) {
    Of(file).shared->Unmap(Of(file).holder);
    return SQLITE_OK;
}

const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Unlock,
    .xCheckReservedLock = CheckReservedLock,
    .xFileControl = FileControl,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = DeviceCharacteristics,
    .xShmMap = ShmMap,
    .xShmLock = ShmLock,
    .xShmBarrier = ShmBarrier,
    .xShmUnmap = ShmUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

class EnvVfsImpl : public EnvVfs {
  public:
    explicit EnvVfsImpl(Env& env) : env_(env), plain_name_(fmt::format("tarn-{}", static_cast<const void*>(this))) {
        name_ = "multipleciphers-" + plain_name_;
        vfs_.iVersion = 2;
        vfs_.szOsFile = sizeof(Handle);
        vfs_.mxPathname = kPathBytesMax;
        vfs_.zName = plain_name_.c_str();
        vfs_.pAppData = this;
        vfs_.xOpen = Open;
        vfs_.xDelete = Delete;
        vfs_.xAccess = Access;
        vfs_.xFullPathname = FullPathname;
        vfs_.xRandomness = Randomness;
        vfs_.xSleep = Sleep;
        vfs_.xCurrentTime = CurrentTime;
        vfs_.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
        vfs_.xCurrentTimeInt64 = CurrentTimeInt64;
    }

    ~EnvVfsImpl() override {
        sqlite3mc_vfs_destroy(name_.c_str());
        sqlite3_vfs_unregister(&vfs_);
    }

    Status Register() {
        if (sqlite3_initialize() == SQLITE_OK && sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK &&
            sqlite3mc_vfs_create(plain_name_.c_str(), 0) == SQLITE_OK) {
            return Ok();
        }
        return Error(ErrorCode::kInternal, "metadata: SQLite takes no further way to its files");
    }

    const std::string& name() const override { return name_; }

  private:
    static EnvVfsImpl& Self(sqlite3_vfs* vfs) { return *static_cast<EnvVfsImpl*>(vfs->pAppData); }

    static int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flags_out) {
        EnvVfsImpl& self = Self(vfs);
        file->pMethods = nullptr;
        // Without a name it would be a temporary file in the clear; ours stay in memory.
        if (!path) return SQLITE_CANTOPEN;
        if (!(flags & SQLITE_OPEN_CREATE) && !self.env_.files().Exists(path)) return SQLITE_CANTOPEN;
        auto opened = self.env_.files().Create(path, {.mode = 0600});
        if (!opened.ok()) return CodeOf(opened.error(), SQLITE_CANTOPEN);
        // SQLite frees the handle itself as plain memory, so what it points to is ours, until Close.
        reinterpret_cast<Handle*>(file)->open = new OpenFile{
            self.env_, path, std::move(*opened), self.SharedOf(path), {}, (flags & SQLITE_OPEN_MAIN_DB) != 0};
        file->pMethods = &kMethods;
        if (flags_out) *flags_out = flags;
        return SQLITE_OK;
    }

    static int Delete(sqlite3_vfs* vfs, const char* path, int sync_folder) {
        Files& files = Self(vfs).env_.files();
        Status removed = files.Remove(path);
        if (!removed.ok() && removed.error().code() == ErrorCode::kNotFound) return SQLITE_IOERR_DELETE_NOENT;
        if (!removed.ok()) return SQLITE_IOERR_DELETE;
        if (!sync_folder || files.SyncDirectory(FolderOf(path)).ok()) return SQLITE_OK;
        return SQLITE_IOERR_DIR_FSYNC;
    }

    // An empty log or journal counts as none, as it does in SQLite's own.
    static int Access(sqlite3_vfs* vfs, const char* path, int, int* found) {
        auto entry = Self(vfs).env_.files().Stat(path);
        *found = entry.ok() && (entry->is_directory || entry->bytes > 0) ? 1 : 0;
        return SQLITE_OK;
    }

    static int FullPathname(sqlite3_vfs*, const char* path, int size, char* full) {
        size_t bytes = std::strlen(path) + 1;
        if (bytes > static_cast<size_t>(size)) return SQLITE_CANTOPEN;
        std::copy_n(path, bytes, full);
        return SQLITE_OK;
    }

    static int Randomness(sqlite3_vfs* vfs, int size, char* bytes) {
        Self(vfs).env_.random().Fill({reinterpret_cast<uint8_t*>(bytes), static_cast<size_t>(size)});
        return size;
    }

    static int Sleep(sqlite3_vfs* vfs, int microseconds) {
        Self(vfs).env_.clock().Sleep(Duration(microseconds));
        return microseconds;
    }

    static int CurrentTimeInt64(sqlite3_vfs* vfs, sqlite3_int64* now) {
        *now = kJulianEpochMs + ToMillis(Self(vfs).env_.clock().Now());
        return SQLITE_OK;
    }

    static int CurrentTime(sqlite3_vfs* vfs, double* days) {
        sqlite3_int64 now = 0;
        CurrentTimeInt64(vfs, &now);
        *days = static_cast<double>(now) / 86'400'000.0;
        return SQLITE_OK;
    }

    std::shared_ptr<SharedFile> SharedOf(const std::string& path) {
        std::lock_guard lock(mutex_);
        std::shared_ptr<SharedFile> shared = shared_[path].lock();
        if (!shared) shared = std::make_shared<SharedFile>();
        shared_[path] = shared;
        return shared;
    }

    Env& env_;
    std::string plain_name_;
    std::string name_;
    sqlite3_vfs vfs_{};
    std::mutex mutex_;
    std::map<std::string, std::weak_ptr<SharedFile>> shared_;  // owned by the files that are open
};

}  // namespace

Result<std::unique_ptr<EnvVfs>> EnvVfs::Create(Env& env) {
    auto vfs = std::make_unique<EnvVfsImpl>(env);
    TRY(vfs->Register());
    return std::unique_ptr<EnvVfs>(std::move(vfs));
}

}  // namespace tarn::metadata
