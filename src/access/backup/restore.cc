#include "access/backup/restore.h"

#include <set>

#include "access/backup/copier.h"
#include "access/encryption/encryption.h"
#include "base/file_stream.h"
#include "metadata/state_directory.h"

namespace tarn::access {
namespace {

constexpr const char* kStateFile = "tarn-state.json";

Result<std::string> Choose(BackupStore& store, const RestoreOrder& order) {
    if (!order.name.empty()) return order.name;
    std::vector<std::string> names = TRY(ManifestNames(store));
    if (names.empty()) {
        return Error(ErrorCode::kNotFound, "there is no backup in {}", store.place())
            .WithHint("name the folder that `tarn backup` was given");
    }
    if (!order.at) return names.back();
    std::optional<BackupSummary> best;
    std::optional<Timestamp> first;
    for (const std::string& name : names) {
        auto manifest = ReadManifest(store, name);
        if (!manifest.ok()) continue;  // damaged: another one may do
        const BackupSummary& summary = manifest->summary;
        if (!first || summary.at < *first) first = summary.at;
        if (summary.at <= *order.at && (!best || summary.at > best->at)) best = summary;
    }
    if (best) return best->name;
    return Error(ErrorCode::kNotFound, "no backup in {} is as old as {}; the oldest is of {}", store.place(),
                 FormatTime(*order.at), first ? FormatTime(*first) : "nothing that can be read");
}

Status CheckFolder(Env& env, const std::string& folder, const std::string& backup) {
    if (!env.files().Exists(folder)) return Ok();
    std::string marker = folder + "/" + metadata::kRestoringFile;
    bool empty = TRY(env.files().List(folder)).empty();
    if (empty) return Ok();
    if (env.files().Exists(marker)) {
        Json json = TRY_CONTEXT(ParseJson(TRY(ReadFile(env, marker, 1 << 16))), marker);
        std::string begun = TRY_CONTEXT(JsonString(json, "backup"), marker);
        if (begun == backup) return Ok();
        return Error(ErrorCode::kFailedPrecondition, "{} holds a restore of the backup {} that was cut off", folder,
                     begun)
            .WithHint(fmt::format("end it with --name {}, or empty the folder", begun));
    }
    return Error(ErrorCode::kFailedPrecondition, "{} is not empty", folder)
        .WithHint("restore into an empty or a new folder; nothing is ever overwritten");
}

Status CheckChunks(BackupStore& store, const std::string& name) {
    BackupCheck check = TRY(CheckBackups(store, name));
    if (check.issues.empty()) return Ok();
    return Error(ErrorCode::kCorruption, "the backup {} is damaged ({} issues), nothing was restored: {}", name,
                 check.issues.size(), check.issues.front())
        .WithHint("`tarn backup verify` shows which backups are whole; choose one with --name");
}

Result<Bytes> ReadWhole(BackupStore& store, const Manifest& manifest, const std::string& path) {
    for (const BackedFile& file : manifest.files) {
        if (file.path != path) continue;
        Bytes content;
        for (const std::string& hash : file.chunks) {
            Bytes chunk = TRY(ReadChunk(store, hash));
            content.insert(content.end(), chunk.begin(), chunk.end());
        }
        return content;
    }
    return Error(ErrorCode::kCorruption, "the backup {} has no {}", manifest.summary.name, path);
}

// Under its name only when it is whole and on the disk: what an earlier attempt has written need not be written again.
Status WriteBackedFile(Env& env, BackupStore& store, const BackedFile& file, const std::string& folder) {
    std::string path = folder + "/" + file.path;
    auto there = env.files().Stat(path);
    if (there.ok() && there->bytes == file.bytes) return Ok();
    TRY(env.files().CreateDirectories(FolderOf(path)));
    auto target = TRY(FileReplacement::Create(env.files(), path, 0600));
    for (const std::string& hash : file.chunks) TRY(target->Write(TRY(ReadChunk(store, hash))));
    return target->Finish();
}

Status WriteFiles(Env& env, BackupStore& store, const Manifest& manifest, const std::string& folder) {
    std::set<std::string> folders;
    for (const BackedFile& file : manifest.files) {
        if (file.path == kStateFile) continue;
        TRY(WriteBackedFile(env, store, file, folder));
        std::string at = FolderOf(folder + "/" + file.path);
        for (; at.size() >= folder.size(); at = FolderOf(at)) folders.insert(at);
    }
    for (const std::string& at : folders) TRY(env.files().SyncDirectory(at));
    return Ok();
}

}  // namespace

Json SummaryAsJson(const BackupSummary& summary) {
    return {{"name", summary.name},           {"at", FormatTime(summary.at)}, {"version", summary.version},
            {"running", summary.running},     {"files", summary.files},       {"bytes", summary.bytes},
            {"bytes_new", summary.bytes_new}, {"missing", summary.missing},   {"took_us", summary.took.count()}};
}

Result<std::vector<BackupSummary>> ListBackups(BackupStore& store) {
    std::vector<BackupSummary> backups;
    for (const std::string& name : TRY(ManifestNames(store))) {
        backups.push_back(TRY(ReadManifest(store, name)).summary);
    }
    return backups;
}

Result<RestoreOutcome> RestoreBackup(Env& env, BackupStore& store, const RestoreOrder& order) {
    std::string name = TRY(Choose(store, order));
    Manifest manifest = TRY(ReadManifest(store, name));
    RestoreOutcome outcome;
    outcome.backup = manifest.summary;
    if (manifest.summary.state_format > order.state_format_max) {
        return Error(ErrorCode::kFailedPrecondition, "the backup {} is of Tarn {} with state format {}, this one is {}",
                     name, manifest.summary.version, manifest.summary.state_format, order.state_format_max)
            .WithHint("restore it with that version of Tarn or a newer one");
    }
    TRY(CheckFolder(env, order.folder, name));
    Bytes keys = TRY(ReadWhole(store, manifest, "keys.json"));
    outcome.root_key_file = TRY(CheckRootKey(env, order.encryption, manifest.summary.platform_id, AsText(keys)));
    TRY(CheckChunks(store, name));
    TRY(metadata::CreateDirectoriesDurably(env, order.folder));
    Json restored = SummaryAsJson(manifest.summary);
    restored["backup"] = name;
    restored["place"] = store.place();
    restored["restored_at"] = FormatTime(env.clock().Now());
    std::string marker = order.folder + "/" + metadata::kRestoringFile;
    TRY(WriteFileDurably(env, marker, DumpJson(restored) + "\n"));
    TRY(WriteFiles(env, store, manifest, order.folder));
    TRY(WriteFileDurably(env, order.folder + "/" + kRestoredFile, DumpJson(restored) + "\n"));
    Bytes state = TRY(ReadWhole(store, manifest, kStateFile));
    TRY(WriteFileDurably(env, order.folder + "/" + kStateFile, AsText(state)));
    TRY(env.files().Remove(marker));
    TRY(env.files().SyncDirectory(order.folder));
    return outcome;
}

}  // namespace tarn::access
