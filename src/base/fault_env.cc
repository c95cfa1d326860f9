#include "base/fault_env.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <set>

#include "base/fault_disk.h"
#include "base/text.h"

namespace tarn {
namespace {

constexpr uint64_t kDiskBytesDefault = 1ull << 40;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

class FaultClock : public Clock {
  public:
    Timestamp Now() override { return kStart + Monotonic(); }
    Duration Monotonic() override {
        std::lock_guard lock(mutex_);
        return passed_;
    }
    void Sleep(Duration duration) override {
        std::unique_lock lock(mutex_);
        Duration until = passed_ + std::max(duration, Duration(0));
        if (sleep_advances_) {
            passed_ = until;
            moved_.notify_all();
        } else {
            moved_.wait(lock, [&] { return passed_ >= until || sleep_advances_; });
        }
    }
    void Advance(Duration duration) {
        std::lock_guard lock(mutex_);
        passed_ += duration;
        moved_.notify_all();
    }
    void SetSleepAdvances(bool advances) {
        std::lock_guard lock(mutex_);
        sleep_advances_ = advances;
        moved_.notify_all();
    }

  private:
    static constexpr Timestamp kStart{std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)};
    std::mutex mutex_;
    std::condition_variable moved_;
    Duration passed_{0};
    bool sleep_advances_ = true;
};

class FaultRandom : public Random {
  public:
    explicit FaultRandom(uint64_t seed) : numbers_(seed) {}
    void Fill(MutableByteSpan bytes) override {
        std::lock_guard lock(mutex_);
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(numbers_.Next() >> 56);
    }

  private:
    std::mutex mutex_;
    SeededNumbers numbers_;
};

// The disk with its lock, counters and planned faults; shared by the files, the env and what they handed out.
struct Machine {
    explicit Machine(uint64_t seed) : numbers(seed ^ 0x5EED) {}

    // Counts an operation; the error if it is one that shall fail. The lock is held.
    Status Step(FaultOperation operation, const std::string& path) {
        int64_t index = total++;
        int64_t kind_index = counts[static_cast<size_t>(operation)]++;
        bool fails = index >= crash_at || fail_at.erase(index) > 0;
        fails = fail_kind_at.erase({operation, kind_index}) > 0 || fails;
        if (!fails) return Ok();
        return Error(ErrorCode::kIo, "{}: injected failure of operation {}", path, index);
    }
    void EndFaults() {
        crash_at = kNever;
        fail_at.clear();
        fail_kind_at.clear();
        epoch++;
    }

    FaultClock clock;
    std::mutex mutex;
    FaultDisk disk;
    SeededNumbers numbers;
    int64_t epoch = 0;  // one more at each PowerCut or Kill: files and locks from before are dead
    uint64_t disk_bytes = kDiskBytesDefault;
    int64_t total = 0;
    std::array<int64_t, kFaultOperationCount> counts{};
    int64_t crash_at = kNever;
    std::set<int64_t> fail_at;
    std::set<std::pair<FaultOperation, int64_t>> fail_kind_at;
};

class FaultFile : public File {
  public:
    FaultFile(std::shared_ptr<Machine> machine, FaultInodePtr inode, std::string path, bool writable)
        : machine_(std::move(machine)),
          inode_(std::move(inode)),
          path_(std::move(path)),
          writable_(writable),
          epoch_(machine_->epoch) {}

    Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) const override {
        std::lock_guard lock(machine_->mutex);
        TRY(CheckUsable());
        const Bytes& content = inode_->visible;
        if (offset >= content.size()) return size_t{0};
        size_t count = std::min<size_t>(buffer.size(), content.size() - offset);
        std::copy_n(content.begin() + static_cast<ptrdiff_t>(offset), count, buffer.begin());
        return count;
    }

    Status Append(ByteSpan bytes) override {
        std::lock_guard lock(machine_->mutex);
        TRY(CheckWritable());
        Status step = machine_->Step(FaultOperation::kWrite, path_);
        uint64_t end = inode_->visible.size();
        if (step.ok()) return Write(end, bytes);
        // Half of the failures leave a torn rest that could not be cut off again: then the file is poisoned.
        if (!bytes.empty() && machine_->numbers.Coin()) {
            (void)Write(end, bytes.first(machine_->numbers.Below(bytes.size())));
            poisoned_ = true;
        }
        return step;
    }

    Status WriteAt(uint64_t offset, ByteSpan bytes) override {
        std::lock_guard lock(machine_->mutex);
        TRY(CheckWritable());
        Status step = machine_->Step(FaultOperation::kWrite, path_);
        if (step.ok()) return Write(offset, bytes);
        if (!bytes.empty()) (void)Write(offset, bytes.first(machine_->numbers.Below(bytes.size())));
        return step;
    }

    Status Truncate(uint64_t size) override {
        std::lock_guard lock(machine_->mutex);
        TRY(CheckWritable());
        TRY(machine_->Step(FaultOperation::kTruncate, path_));
        if (size > inode_->visible.size()) TRY(CheckSpace(size - inode_->visible.size()));
        machine_->disk.Truncate(*inode_, size);
        inode_->modified_at = machine_->clock.Now();
        return Ok();
    }

    Status Sync() override {
        std::lock_guard lock(machine_->mutex);
        TRY(CheckUsable());
        Status step = machine_->Step(FaultOperation::kSync, path_);
        if (step.ok()) {
            machine_->disk.Sync(*inode_);
        } else {
            machine_->disk.FailSync(*inode_, machine_->numbers);
            poisoned_ = true;
        }
        return step;
    }

    Result<uint64_t> Size() const override {
        std::lock_guard lock(machine_->mutex);
        TRY(CheckUsable());
        return static_cast<uint64_t>(inode_->visible.size());
    }

  private:
    Status CheckUsable() const {
        if (epoch_ != machine_->epoch) return Error(ErrorCode::kIo, "{}: it was open when the machine went", path_);
        if (!poisoned_) return Ok();
        return Error(ErrorCode::kIo, "{} is out of use since a write or sync of it failed", path_);
    }
    Status CheckWritable() const {
        TRY(CheckUsable());
        if (writable_) return Ok();
        return Error(ErrorCode::kIo, "cannot write {}: it is open for reading only", path_);
    }
    Status CheckSpace(uint64_t growth) const {
        // Counting walks over all files, so only a test that limits the disk pays for it.
        if (machine_->disk_bytes == kDiskBytesDefault) return Ok();
        if (machine_->disk.UsedBytes() + growth <= machine_->disk_bytes) return Ok();
        return DiskFullError(path_);
    }
    Status Write(uint64_t offset, ByteSpan bytes) {
        uint64_t size = inode_->visible.size();
        if (offset + bytes.size() > size) TRY(CheckSpace(offset + bytes.size() - size));
        machine_->disk.Write(*inode_, offset, bytes);
        inode_->modified_at = machine_->clock.Now();
        return Ok();
    }

    std::shared_ptr<Machine> machine_;
    FaultInodePtr inode_;
    const std::string path_;
    const bool writable_;
    const int64_t epoch_;
    bool poisoned_ = false;
};

class FaultLock : public FileLock {
  public:
    FaultLock(std::shared_ptr<Machine> machine, FaultInodePtr inode)
        : machine_(std::move(machine)), inode_(std::move(inode)), epoch_(machine_->epoch) {}
    ~FaultLock() override {
        std::lock_guard lock(machine_->mutex);
        // After a PowerCut or Kill the file may be locked by somebody else.
        if (epoch_ == machine_->epoch) inode_->locked = false;
    }

  private:
    std::shared_ptr<Machine> machine_;
    FaultInodePtr inode_;
    const int64_t epoch_;
};

Error NotThere(const std::string& path) {
    return Error(ErrorCode::kNotFound, "{}: there is no such file or directory", path);
}

// A path taken apart: the names from the root on, without "." and "..".
std::vector<std::string> NamesOf(const std::string& path) {
    std::vector<std::string> names;
    for (std::string& name : Split(path, '/')) {
        if (name.empty() || name == ".") continue;
        if (name != "..") {
            names.push_back(std::move(name));
        } else if (!names.empty()) {
            names.pop_back();
        }
    }
    return names;
}

class FaultFiles : public Files {
  public:
    explicit FaultFiles(std::shared_ptr<Machine> machine) : machine_(std::move(machine)) {}

    Result<std::unique_ptr<File>> Open(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        FaultInodePtr inode = TRY(Find(path));
        if (inode->is_directory) return Error(ErrorCode::kIo, "cannot open {}: it is a directory", path);
        return std::make_unique<FaultFile>(machine_, inode, path, false);
    }

    Result<std::unique_ptr<File>> Create(const std::string& path, CreateOptions options) override {
        std::lock_guard lock(machine_->mutex);
        TRY(machine_->Step(FaultOperation::kCreate, path));
        FaultInodePtr inode = TRY(FindOrMake(path, options.exclusive));
        if (options.truncate && !inode->visible.empty()) machine_->disk.Truncate(*inode, 0);
        return std::make_unique<FaultFile>(machine_, inode, path, true);
    }

    Status Rename(const std::string& from, const std::string& to) override {
        std::lock_guard lock(machine_->mutex);
        TRY(machine_->Step(FaultOperation::kRename, from));
        Place source = TRY(FindPlace(from));
        Place target = TRY(FindPlace(to));
        FaultInodePtr moved = source.Inode();
        FaultInodePtr replaced = target.Inode();
        if (!moved) return NotThere(from);
        if (moved == replaced) return Ok();
        std::vector<std::string> from_names = NamesOf(from), to_names = NamesOf(to);
        bool into_itself =
            to_names.size() > from_names.size() && std::equal(from_names.begin(), from_names.end(), to_names.begin());
        bool clash = replaced && (replaced->is_directory != moved->is_directory || !replaced->entries.empty());
        if (into_itself || clash) return Error(ErrorCode::kIo, "cannot rename {} to {}", from, to);
        machine_->disk.Rename(source.folder, source.name, target.folder, target.name);
        return Ok();
    }

    Status Remove(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        TRY(machine_->Step(FaultOperation::kRemove, path));
        Place place = TRY(FindPlace(path));
        FaultInodePtr inode = place.Inode();
        if (!inode) return NotThere(path);
        if (!inode->entries.empty()) return Error(ErrorCode::kIo, "cannot remove {}: it is not empty", path);
        machine_->disk.SetName(place.folder, place.name, nullptr);
        return Ok();
    }

    Status RemoveTree(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        TRY(machine_->Step(FaultOperation::kRemove, path));
        auto place = FindPlace(path);
        if (!place.ok() && place.error().code() == ErrorCode::kNotFound) return Ok();
        if (!place.ok()) return std::move(place).error();
        if (place->Inode()) machine_->disk.RemoveTree(place->folder, place->name);
        return Ok();
    }

    Status CreateDirectories(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        TRY(machine_->Step(FaultOperation::kCreateDirectories, path));
        FaultInodePtr folder = machine_->disk.root();
        for (const std::string& name : NamesOf(path)) {
            auto found = folder->entries.find(name);
            FaultInodePtr next = found == folder->entries.end() ? Make(folder, name, true) : found->second;
            if (!next->is_directory) {
                return Error(ErrorCode::kAlreadyExists, "cannot create directory {}: {} is a file", path, name);
            }
            folder = next;
        }
        return Ok();
    }

    Status SyncDirectory(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        TRY(machine_->Step(FaultOperation::kSyncDirectory, path));
        FaultInodePtr folder = TRY(Find(path));
        if (!folder->is_directory) return Error(ErrorCode::kIo, "{} is not a directory", path);
        machine_->disk.SyncDirectory(folder);
        return Ok();
    }

    Result<std::vector<FileEntry>> List(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        FaultInodePtr folder = TRY(Find(path));
        if (!folder->is_directory) return Error(ErrorCode::kIo, "{} is not a directory", path);
        std::vector<FileEntry> entries;
        for (const auto& [name, inode] : folder->entries) entries.push_back(EntryOf(name, *inode));
        return entries;
    }

    Result<FileEntry> Stat(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        FaultInodePtr inode = TRY(Find(path));
        std::vector<std::string> names = NamesOf(path);
        return EntryOf(names.empty() ? "" : names.back(), *inode);
    }

    bool Exists(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        return Find(path).ok();
    }

    Result<uint64_t> FreeBytes(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        TRY(Find(path));
        uint64_t used = machine_->disk.UsedBytes();
        return machine_->disk_bytes > used ? machine_->disk_bytes - used : 0;
    }

    Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
        std::lock_guard lock(machine_->mutex);
        FaultInodePtr inode = TRY(FindOrMake(path, false));
        if (inode->locked) return Error(ErrorCode::kUnavailable, "{} is locked by another process", path);
        inode->locked = true;
        return std::make_unique<FaultLock>(machine_, inode);
    }

    // The lock is held.
    Result<FaultInodePtr> Find(const std::string& path) const { return Walk(path, NamesOf(path)); }

  private:
    // A folder that exists and a name in it that may not.
    struct Place {
        FaultInodePtr folder;
        std::string name;
        FaultInodePtr Inode() const {
            auto found = folder->entries.find(name);
            return found == folder->entries.end() ? nullptr : found->second;
        }
    };

    Result<FaultInodePtr> Walk(const std::string& path, const std::vector<std::string>& names) const {
        FaultInodePtr inode = machine_->disk.root();
        for (const std::string& name : names) {
            if (!inode->is_directory) return Error(ErrorCode::kIo, "{}: not a directory", path);
            auto found = inode->entries.find(name);
            if (found == inode->entries.end()) return NotThere(path);
            inode = found->second;
        }
        return inode;
    }

    Result<Place> FindPlace(const std::string& path) const {
        std::vector<std::string> names = NamesOf(path);
        if (names.empty()) return Error(ErrorCode::kIo, "{} is the root directory", path);
        std::string name = std::move(names.back());
        names.pop_back();
        FaultInodePtr folder = TRY(Walk(path, names));
        if (!folder->is_directory) return Error(ErrorCode::kIo, "{}: not a directory", path);
        return Place{folder, name};
    }

    Result<FaultInodePtr> FindOrMake(const std::string& path, bool exclusive) {
        Place place = TRY(FindPlace(path));
        FaultInodePtr inode = place.Inode();
        if (!inode) return Make(place.folder, place.name, false);
        if (exclusive) return Error(ErrorCode::kAlreadyExists, "cannot create {}: it exists already", path);
        if (inode->is_directory) return Error(ErrorCode::kIo, "cannot open {}: it is a directory", path);
        return inode;
    }

    FaultInodePtr Make(const FaultInodePtr& folder, const std::string& name, bool is_directory) {
        auto inode = std::make_shared<FaultInode>();
        inode->is_directory = is_directory;
        inode->modified_at = machine_->clock.Now();
        machine_->disk.SetName(folder, name, inode);
        return inode;
    }

    static FileEntry EntryOf(const std::string& name, const FaultInode& inode) {
        return {name, inode.is_directory, inode.visible.size(), inode.modified_at};
    }

    std::shared_ptr<Machine> machine_;
};

}  // namespace

struct FaultEnvParts::State {
    explicit State(uint64_t seed) : random_numbers(seed), machine(std::make_shared<Machine>(seed)), files(machine) {}
    FaultRandom random_numbers;
    std::shared_ptr<Machine> machine;  // shared with open files and locks, which may outlive the FaultEnv
    FaultFiles files;
};

FaultEnvParts::FaultEnvParts(uint64_t seed) : state_(std::make_unique<State>(seed)) {}
FaultEnvParts::~FaultEnvParts() = default;

FaultEnv::FaultEnv(uint64_t seed)
    : FaultEnvParts(seed), Env(state_->machine->clock, state_->files, state_->random_numbers) {}
FaultEnv::~FaultEnv() = default;

void FaultEnv::PowerCut(uint64_t seed) {
    Machine& machine = *state_->machine;
    std::lock_guard lock(machine.mutex);
    SeededNumbers numbers(seed);
    machine.disk.PowerCut(numbers);
    machine.EndFaults();
}

void FaultEnv::Kill() {
    Machine& machine = *state_->machine;
    std::lock_guard lock(machine.mutex);
    machine.disk.ReleaseLocks();
    machine.EndFaults();
}

void FaultEnv::SyncEverything() {
    std::lock_guard lock(state_->machine->mutex);
    state_->machine->disk.SyncEverything();
}

int64_t FaultEnv::operations() const {
    std::lock_guard lock(state_->machine->mutex);
    return state_->machine->total;
}

int64_t FaultEnv::operations(FaultOperation operation) const {
    std::lock_guard lock(state_->machine->mutex);
    return state_->machine->counts[static_cast<size_t>(operation)];
}

void FaultEnv::FailAt(int64_t index) {
    std::lock_guard lock(state_->machine->mutex);
    state_->machine->fail_at.insert(index);
}

void FaultEnv::FailAt(FaultOperation operation, int64_t index) {
    std::lock_guard lock(state_->machine->mutex);
    state_->machine->fail_kind_at.insert({operation, index});
}

void FaultEnv::CrashAt(int64_t index) {
    std::lock_guard lock(state_->machine->mutex);
    state_->machine->crash_at = index;
}

void FaultEnv::SetDiskBytes(uint64_t bytes) {
    std::lock_guard lock(state_->machine->mutex);
    state_->machine->disk_bytes = bytes;
}

Status FaultEnv::Corrupt(const std::string& path, uint64_t offset) {
    std::lock_guard lock(state_->machine->mutex);
    FaultInodePtr inode = TRY(state_->files.Find(path));
    if (offset >= inode->visible.size()) return Error(ErrorCode::kOutOfRange, "{} ends before {}", path, offset);
    inode->visible[offset] ^= 1;
    if (offset < inode->durable.size()) inode->durable[offset] ^= 1;
    return Ok();
}

void FaultEnv::AdvanceTime(Duration duration) { state_->machine->clock.Advance(duration); }

void FaultEnv::SetSleepAdvances(bool advances) { state_->machine->clock.SetSleepAdvances(advances); }

}  // namespace tarn
