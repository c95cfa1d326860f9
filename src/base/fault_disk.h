// FaultDisk: the disk inside base/fault_env.h. It keeps what programs see apart from what would survive a power cut.
//
// The model is a disk as bad as POSIX allows, short of one no file system is: a name change is atomic (a rename never
// leaves neither name), and a change of a name survives only together with the earlier ones of the same name.
// Not thread-safe: FaultEnv holds its lock around every call.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace tarn {

// Small and repeatable everywhere (SplitMix64); for faults and tests, never for keys.
class SeededNumbers {
  public:
    explicit SeededNumbers(uint64_t seed) : state_(seed) {}
    uint64_t Next();
    // 0 to bound - 1.
    uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : Next() % bound; }
    bool Coin() { return (Next() >> 32 & 1) != 0; }

  private:
    uint64_t state_;
};

struct FaultInode;
// Shared: names, open files and changes not yet durable all hold the same inode.
using FaultInodePtr = std::shared_ptr<FaultInode>;

struct FaultInode {
    // A write or truncation that is not durable yet.
    struct Change {
        bool truncate = false;
        uint64_t offset = 0;  // or the new size
        uint64_t size_before = 0;
        Bytes bytes;
    };
    bool is_directory = false;
    bool locked = false;
    Timestamp modified_at;
    Bytes visible;
    Bytes durable;
    std::vector<Change> changes;
    std::map<std::string, FaultInodePtr> entries;
    std::map<std::string, FaultInodePtr> durable_entries;
};

class FaultDisk {
  public:
    FaultDisk();

    const FaultInodePtr& root() const { return root_; }
    void Write(FaultInode& file, uint64_t offset, ByteSpan bytes);
    void Truncate(FaultInode& file, uint64_t size);
    void Sync(FaultInode& file);
    // A sync that fails has written some of it; the rest stays visible, and no later sync writes it.
    void FailSync(FaultInode& file, SeededNumbers& numbers);

    // A null inode removes the name.
    void SetName(const FaultInodePtr& folder, const std::string& name, FaultInodePtr inode);
    void Rename(const FaultInodePtr& from, const std::string& from_name, const FaultInodePtr& to,
                const std::string& to_name);
    void RemoveTree(const FaultInodePtr& folder, const std::string& name);
    void SyncDirectory(const FaultInodePtr& folder);

    void SyncEverything();
    void ReleaseLocks();
    void PowerCut(SeededNumbers& numbers);
    uint64_t UsedBytes() const;

  private:
    struct Edit {
        FaultInodePtr folder;
        std::string name;
        FaultInodePtr inode;
    };
    // A change of names: one edit, or the two of a rename. Durable once `folder` is synced.
    struct NameChange {
        FaultInodePtr folder;
        std::vector<Edit> edits;
    };
    void Apply(NameChange change);
    static void MakeDurable(const NameChange& change);
    std::vector<bool> ChooseNames(SeededNumbers& numbers) const;

    FaultInodePtr root_;
    std::vector<NameChange> name_changes_;
};

}  // namespace tarn
