#include "access/backup/copier.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/json.h"

namespace tarn::access {
namespace {

// Few changed pages of a database cost few small chunks; large files cost few names.
constexpr uint64_t kDatabaseChunkBytes = 128 << 10;
constexpr uint64_t kChunkBytes = 4 << 20;
constexpr const char* kPlaceFile = "tarn-backup.json";
constexpr int kPlaceFormat = 1;
constexpr size_t kIssuesMax = 100;

std::string FolderName(int number) { return fmt::format("chunks/{:02x}", number); }

Status ScanChunks(BackupStore& store, const std::function<Status(const std::string&, const std::string&)>& found) {
    for (int number = 0; number < 256; ++number) {
        std::string folder = FolderName(number);
        std::vector<std::string> names;
        TRY(store.Scan(folder, [&](const std::string& name, uint64_t) { names.push_back(name); }));
        for (const std::string& name : names) TRY(found(folder, name));
    }
    return Ok();
}

Error Stopped() { return Error(ErrorCode::kCancelled, "the backup was stopped; the next one goes on where it was"); }

}  // namespace

Result<std::unique_ptr<Copier>> Copier::Start(Env& env, BackupStore& store, const std::string& platform_id, Stop stop) {
    auto copier = std::unique_ptr<Copier>(new Copier(env, store, std::move(stop)));
    TRY(copier->CheckPlace(platform_id));
    TRY(copier->LoadKnown());
    return copier;
}

Status Copier::CheckPlace(const std::string& platform_id) {
    auto content = store_.Get(kPlaceFile, 1 << 16);
    if (content.ok()) {
        Json place = TRY_CONTEXT(ParseJson(AsText(*content)), kPlaceFile);
        int64_t format = TRY_CONTEXT(JsonInteger(place, "format"), kPlaceFile);
        if (format != kPlaceFormat) {
            return Error(ErrorCode::kFailedPrecondition, "{} has format {}, this program knows {}", store_.place(),
                         format, kPlaceFormat)
                .WithHint("use the newer version of Tarn, or another folder");
        }
        std::string owner = TRY_CONTEXT(JsonString(place, "platform_id"), kPlaceFile);
        if (owner == platform_id) return Ok();
        return Error(ErrorCode::kFailedPrecondition, "{} holds the backups of another platform ({}, this one is {})",
                     store_.place(), owner, platform_id)
            .WithHint("give each platform a folder of its own");
    }
    if (content.error().code() != ErrorCode::kNotFound) return std::move(content).error();
    std::string stranger;
    TRY(store_.Scan("", [&](const std::string& name, uint64_t) {
        if (name != "lock" && !name.starts_with(kPlaceFile)) stranger = name;
    }));
    if (!stranger.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "{} is no place of backups, and not empty (it holds {})",
                     store_.place(), stranger)
            .WithHint("name an empty or a new folder");
    }
    Json place{{"format", kPlaceFormat}, {"platform_id", platform_id}};
    TRY(store_.Put(kPlaceFile, AsBytes(DumpJson(place) + "\n")));
    return store_.Sync();
}

// The newest backup that can be read tells what need not be read again; a damaged one is nobody's base.
Status Copier::LoadKnown() {
    TRY(ScanChunks(store_, [&](const std::string&, const std::string& name) -> Status {
        known_.insert(name);
        return CheckStop();
    }));
    std::vector<std::string> names = TRY(ManifestNames(store_));
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        auto manifest = ReadManifest(store_, *name);
        if (!manifest.ok()) continue;
        for (BackedFile& file : manifest->files) {
            if (file.chunk_bytes != kChunkBytes) continue;
            std::string path = file.path;
            previous_.emplace(std::move(path), std::move(file));
        }
        break;
    }
    return Ok();
}

Status Copier::CheckStop() const { return stop_ && stop_() ? Status(Stopped()) : Ok(); }

bool Copier::Reuse(const std::string& path, uint64_t bytes) {
    auto found = previous_.find(path);
    if (found == previous_.end() || found->second.bytes != bytes) return false;
    const auto& chunks = found->second.chunks;
    if (!std::all_of(chunks.begin(), chunks.end(), [&](const auto& chunk) { return known_.contains(chunk); })) {
        return false;
    }
    manifest_.files.push_back(found->second);
    manifest_.summary.bytes += bytes;
    return true;
}

Status Copier::Copy(const std::string& state_path, const std::string& path, uint64_t bytes, Kind kind) {
    if (kind == Kind::kSealed && Reuse(path, bytes)) return CheckStop();
    auto file = TRY(env_.files().Open(state_path + "/" + path));
    return CopyFrom(*file, path, bytes, kind);
}

// A name may have been given anew, after a restore; every segment begins with a key of its own.
Result<bool> Copier::BeginsAsBefore(const File& file, const std::string& path) const {
    auto found = previous_.find(path);
    if (found == previous_.end() || found->second.chunks.empty()) return false;
    Bytes chunk(std::min(kChunkBytes, found->second.bytes));
    chunk.resize(TRY(file.ReadAt(0, chunk)));
    return Sha256Hex(chunk) == found->second.chunks[0];
}

Status Copier::CopyFrom(const File& file, const std::string& path, uint64_t bytes, Kind kind) {
    bool same = kind == Kind::kSegment && TRY(BeginsAsBefore(file, path));
    if (same && Reuse(path, bytes)) return CheckStop();
    BackedFile backed{path, bytes, kind == Kind::kDatabase ? kDatabaseChunkBytes : kChunkBytes, {}};
    Bytes chunk;
    for (uint64_t offset = 0; offset < bytes; offset += chunk.size()) {
        TRY(CheckStop());
        chunk.resize(std::min(backed.chunk_bytes, bytes - offset));
        size_t count = TRY(file.ReadAt(offset, chunk));
        if (count != chunk.size()) {
            return Error(ErrorCode::kCorruption, "{} ends at {}, it had {} bytes", path, offset + count, bytes);
        }
        std::string hash = Sha256Hex(chunk);
        if (known_.insert(hash).second) {
            Status stored = store_.Put(ChunkName(hash), chunk);
            if (!stored.ok()) {
                known_.erase(hash);
                return stored;
            }
            manifest_.summary.bytes_new += chunk.size();
        }
        backed.chunks.push_back(std::move(hash));
    }
    manifest_.summary.bytes += bytes;
    manifest_.files.push_back(std::move(backed));
    return Ok();
}

Result<BackupSummary> Copier::Finish(BackupSummary summary) {
    summary.bytes = manifest_.summary.bytes;
    summary.bytes_new = manifest_.summary.bytes_new;
    summary.files = manifest_.files.size();
    manifest_.summary = summary;
    // The chunks' names first: a manifest never names what a power cut could still take away.
    TRY(store_.Sync());
    TRY(store_.Put(ManifestPath(summary.name), AsBytes(RenderManifest(manifest_))));
    TRY(store_.Sync());
    return summary;
}

Result<int> Prune(BackupStore& store, int keep, const Copier::Stop& stop) {
    std::vector<std::string> names = TRY(ManifestNames(store));
    if (keep <= 0 || names.size() <= static_cast<size_t>(keep)) return 0;
    size_t old = names.size() - static_cast<size_t>(keep);
    std::unordered_set<std::string> kept;
    // Read before anything goes: a manifest that cannot be read keeps all chunks where they are.
    for (size_t i = old; i < names.size(); ++i) {
        Manifest manifest = TRY(ReadManifest(store, names[i]));
        for (const BackedFile& file : manifest.files) kept.insert(file.chunks.begin(), file.chunks.end());
    }
    for (size_t i = 0; i < old; ++i) TRY(store.Remove(ManifestPath(names[i])));
    TRY(store.Sync());
    TRY(ScanChunks(store, [&](const std::string& folder, const std::string& name) -> Status {
        if (stop && stop()) return Stopped();
        return kept.contains(name) ? Ok() : store.Remove(folder + "/" + name);
    }));
    return static_cast<int>(old);
}

Result<Bytes> ReadChunk(BackupStore& store, const std::string& hash) {
    auto content = store.Get(ChunkName(hash), kChunkBytes);
    if (!content.ok()) return std::move(content).error().Context("chunk " + hash);
    if (Sha256Hex(*content) == hash) return content;
    return Error(ErrorCode::kCorruption, "chunk {} is not what was written", hash);
}

Result<BackupCheck> CheckBackups(BackupStore& store, const std::string& name) {
    BackupCheck check;
    std::vector<std::string> names = name.empty() ? TRY(ManifestNames(store)) : std::vector<std::string>{name};
    std::unordered_set<std::string> read;
    auto report = [&](std::string issue) {
        if (check.issues.size() < kIssuesMax) check.issues.push_back(std::move(issue));
    };
    for (const std::string& backup : names) {
        ++check.backups;
        auto manifest = ReadManifest(store, backup);
        if (!manifest.ok() && manifest.error().code() == ErrorCode::kNotFound) return std::move(manifest).error();
        if (!manifest.ok()) {
            report(manifest.error().message());
            continue;
        }
        for (const BackedFile& file : manifest->files) {
            for (const std::string& hash : file.chunks) {
                if (!read.insert(hash).second) continue;
                auto chunk = ReadChunk(store, hash);
                ++check.chunks;
                check.bytes += chunk.ok() ? chunk->size() : 0;
                if (!chunk.ok()) report(fmt::format("backup {}: {}: {}", backup, file.path, chunk.error().message()));
            }
        }
    }
    return check;
}

}  // namespace tarn::access
