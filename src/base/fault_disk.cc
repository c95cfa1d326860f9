#include "base/fault_disk.h"

#include <algorithm>
#include <limits>
#include <set>

namespace tarn {
namespace {

constexpr uint64_t kSectorBytes = 512;

using Change = FaultInode::Change;

void WriteInto(Bytes& content, uint64_t offset, ByteSpan bytes) {
    if (bytes.empty()) return;
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<ptrdiff_t>(offset));
}

void ApplyChange(Bytes& content, const Change& change) {
    if (change.truncate) {
        content.resize(change.offset);
    } else {
        WriteInto(content, change.offset, change.bytes);
    }
}

// What a write does beyond the end of the file; the rest of it overwrites.
ByteSpan ExtendingPart(const Change& change) {
    uint64_t overwritten = change.offset < change.size_before ? change.size_before - change.offset : 0;
    return ByteSpan(change.bytes).subspan(std::min<uint64_t>(overwritten, change.bytes.size()));
}

bool ChangesSize(const Change& change) { return change.truncate || !ExtendingPart(change).empty(); }

// Each sector of the overwriting part that lies below `limit` is kept or lost by itself.
void KeepSomeSectors(Bytes& content, const Change& change, uint64_t limit, SeededNumbers& numbers) {
    uint64_t at = change.offset;
    uint64_t end = std::min<uint64_t>(change.offset + change.bytes.size(), change.size_before);
    while (at < end) {
        uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
        if (numbers.Coin() && next <= limit) {
            WriteInto(content, at, ByteSpan(change.bytes).subspan(at - change.offset, next - at));
        }
        at = next;
    }
}

// Keeps a random beginning of an append. Sometimes the file has its new size but zeros in place of the rest: a file
// system may write the size before the data.
void TearExtension(Bytes& content, const Change& change, SeededNumbers& numbers) {
    ByteSpan part = ExtendingPart(change);
    uint64_t offset = change.offset + change.bytes.size() - part.size();
    uint64_t kept = numbers.Below(part.size());
    if (kept > 0) WriteInto(content, offset, part.first(kept));
    if (numbers.Below(4) == 0) content.resize(std::max<size_t>(content.size(), offset + part.size()));
}

void KeepSizeChange(Bytes& content, const Change& change) {
    if (change.truncate) return content.resize(change.offset);
    ByteSpan part = ExtendingPart(change);
    WriteInto(content, change.offset + change.bytes.size() - part.size(), part);
}

// Brings `content` to a state that a power cut could leave: changes of size survive in order up to some point, the
// last one torn; overwritten sectors in any combination.
void KeepSome(Bytes& content, const std::vector<Change>& changes, SeededNumbers& numbers) {
    uint64_t mode = numbers.Below(4);
    if (mode == 0) return;
    if (mode == 1) {
        for (const Change& change : changes) ApplyChange(content, change);
        return;
    }
    uint64_t size_changes = static_cast<uint64_t>(std::count_if(changes.begin(), changes.end(), ChangesSize));
    uint64_t kept = numbers.Below(size_changes + 1);
    // Once a change of size is lost, later writes reach only what is in the same place with and without it.
    uint64_t limit = std::numeric_limits<uint64_t>::max();
    for (const Change& change : changes) {
        if (!change.truncate) KeepSomeSectors(content, change, std::min<uint64_t>(limit, content.size()), numbers);
        if (!ChangesSize(change)) continue;
        if (kept > 0) {
            kept--;
            KeepSizeChange(content, change);
            continue;
        }
        bool first_lost = limit == std::numeric_limits<uint64_t>::max();
        limit = std::min<uint64_t>(limit, change.truncate ? change.offset : content.size());
        if (first_lost && !change.truncate) TearExtension(content, change, numbers);
    }
}

template <typename Visit>
void VisitTree(FaultInode& inode, std::set<const FaultInode*>& seen, Visit visit) {
    if (!seen.insert(&inode).second) return;
    visit(inode);
    for (auto& [name, child] : inode.entries) VisitTree(*child, seen, visit);
}

}  // namespace

uint64_t SeededNumbers::Next() {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
    return mixed ^ (mixed >> 31);
}

FaultDisk::FaultDisk() : root_(std::make_shared<FaultInode>()) { root_->is_directory = true; }

void FaultDisk::Write(FaultInode& file, uint64_t offset, ByteSpan bytes) {
    file.changes.push_back({false, offset, file.visible.size(), Bytes(bytes.begin(), bytes.end())});
    ApplyChange(file.visible, file.changes.back());
}

void FaultDisk::Truncate(FaultInode& file, uint64_t size) {
    file.changes.push_back({true, size, file.visible.size(), {}});
    ApplyChange(file.visible, file.changes.back());
}

void FaultDisk::Sync(FaultInode& file) {
    for (const Change& change : file.changes) ApplyChange(file.durable, change);
    file.changes.clear();
}

void FaultDisk::FailSync(FaultInode& file, SeededNumbers& numbers) {
    KeepSome(file.durable, file.changes, numbers);
    file.changes.clear();
}

void FaultDisk::SetName(const FaultInodePtr& folder, const std::string& name, FaultInodePtr inode) {
    Apply({folder, {{folder, name, std::move(inode)}}});
}

void FaultDisk::Rename(const FaultInodePtr& from, const std::string& from_name, const FaultInodePtr& to,
                       const std::string& to_name) {
    FaultInodePtr inode = from->entries.at(from_name);
    Apply({to, {{from, from_name, nullptr}, {to, to_name, inode}}});
}

void FaultDisk::RemoveTree(const FaultInodePtr& folder, const std::string& name) {
    FaultInodePtr inode = folder->entries.at(name);
    while (!inode->entries.empty()) RemoveTree(inode, std::string(inode->entries.begin()->first));
    SetName(folder, name, nullptr);
}

void FaultDisk::Apply(NameChange change) {
    for (const Edit& edit : change.edits) {
        if (edit.inode) {
            edit.folder->entries[edit.name] = edit.inode;
        } else {
            edit.folder->entries.erase(edit.name);
        }
    }
    name_changes_.push_back(std::move(change));
}

void FaultDisk::MakeDurable(const NameChange& change) {
    for (const Edit& edit : change.edits) {
        if (edit.inode) {
            edit.folder->durable_entries[edit.name] = edit.inode;
        } else {
            edit.folder->durable_entries.erase(edit.name);
        }
    }
}

void FaultDisk::SyncDirectory(const FaultInodePtr& folder) {
    // From the last change to the first: one becomes durable if its folder is this one, or if a later change of the
    // same name does.
    std::set<std::pair<const FaultInode*, std::string>> names;
    std::vector<bool> durable(name_changes_.size());
    for (size_t i = name_changes_.size(); i-- > 0;) {
        const NameChange& change = name_changes_[i];
        auto shared = [&](const Edit& edit) { return names.contains({edit.folder.get(), edit.name}); };
        durable[i] = change.folder == folder || std::any_of(change.edits.begin(), change.edits.end(), shared);
        if (!durable[i]) continue;
        for (const Edit& edit : change.edits) names.insert({edit.folder.get(), edit.name});
    }
    std::vector<NameChange> left;
    for (size_t i = 0; i < name_changes_.size(); i++) {
        if (durable[i]) {
            MakeDurable(name_changes_[i]);
        } else {
            left.push_back(std::move(name_changes_[i]));
        }
    }
    name_changes_ = std::move(left);
}

void FaultDisk::SyncEverything() {
    for (const NameChange& change : name_changes_) MakeDurable(change);
    name_changes_.clear();
    std::set<const FaultInode*> seen;
    VisitTree(*root_, seen, [&](FaultInode& inode) { Sync(inode); });
}

void FaultDisk::ReleaseLocks() {
    std::set<const FaultInode*> seen;
    VisitTree(*root_, seen, [](FaultInode& inode) { inode.locked = false; });
}

std::vector<bool> FaultDisk::ChooseNames(SeededNumbers& numbers) const {
    std::vector<bool> kept(name_changes_.size());
    uint64_t mode = numbers.Below(4);
    uint64_t prefix = mode == 0 ? 0 : mode == 1 ? kept.size() : numbers.Below(kept.size() + 1);
    std::set<std::pair<const FaultInode*, std::string>> lost;
    for (size_t i = 0; i < kept.size(); i++) {
        const NameChange& change = name_changes_[i];
        auto depends = [&](const Edit& edit) { return lost.contains({edit.folder.get(), edit.name}); };
        bool possible = std::none_of(change.edits.begin(), change.edits.end(), depends);
        kept[i] = mode < 3 ? i < prefix : possible && numbers.Coin();
        if (kept[i]) continue;
        for (const Edit& edit : change.edits) lost.insert({edit.folder.get(), edit.name});
    }
    return kept;
}

void FaultDisk::PowerCut(SeededNumbers& numbers) {
    std::vector<bool> kept = ChooseNames(numbers);
    for (size_t i = 0; i < kept.size(); i++) {
        if (kept[i]) MakeDurable(name_changes_[i]);
    }
    name_changes_.clear();
    std::set<const FaultInode*> seen;
    VisitTree(*root_, seen, [&](FaultInode& inode) {
        inode.entries = inode.durable_entries;  // VisitTree goes on into these
        inode.locked = false;
        KeepSome(inode.durable, inode.changes, numbers);
        inode.changes.clear();
        inode.visible = inode.durable;
    });
}

uint64_t FaultDisk::UsedBytes() const {
    uint64_t bytes = 0;
    std::set<const FaultInode*> seen;
    VisitTree(*root_, seen, [&](FaultInode& inode) { bytes += inode.visible.size(); });
    return bytes;
}

}  // namespace tarn
