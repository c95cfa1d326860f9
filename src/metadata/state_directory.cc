#include "metadata/state_directory.h"

#include "base/json.h"

namespace tarn::metadata {
namespace {

constexpr const char* kLockName = "tarn.lock";
constexpr const char* kStateName = "tarn-state.json";
constexpr size_t kPlatformIdBytes = 8;

// What a start that was cut off may have left before the state file was there.
bool IsOurs(const std::string& name) {
    return name == kLockName || name.starts_with(kStateName) || name == "log" || name == "tmp";
}

Status CheckEmpty(Env& env, const std::string& path) {
    if (env.files().Exists(path + "/" + kRestoringFile)) {
        return Error(ErrorCode::kFailedPrecondition, "{} holds a restore that was cut off", path)
            .WithHint("run `tarn restore` again with the same backup: it goes on; or empty the folder");
    }
    for (const FileEntry& entry : TRY(env.files().List(path))) {
        if (IsOurs(entry.name)) continue;
        return Error(ErrorCode::kFailedPrecondition, "{} is not a state directory of Tarn, and not empty (it holds {})",
                     path, entry.name)
            .WithHint("choose an empty or a new directory");
    }
    return Ok();
}

Result<std::string> CreateState(Env& env, const std::string& path) {
    TRY(CheckEmpty(env, path));
    std::string platform_id = env.random().Hex(kPlatformIdBytes);
    OrderedJson state{{"format", StateDirectory::kFormat}, {"platform_id", platform_id}};
    TRY(WriteFileDurably(env, path + "/" + kStateName, state.dump(2) + "\n"));
    return platform_id;
}

Result<std::string> ReadState(Env& env, const std::string& path) {
    std::string file = path + "/" + kStateName;
    auto state = ParseJson(TRY(ReadFile(env, file, 1 << 20)));
    if (!state.ok()) return Error(ErrorCode::kCorruption, "{} cannot be read: {}", file, state.error().message());
    auto format = JsonInteger(*state, "format");
    auto platform_id = JsonString(*state, "platform_id");
    if (!format.ok() || !platform_id.ok() || platform_id->empty()) {
        return Error(ErrorCode::kCorruption, "{} does not say its format and platform", file);
    }
    if (*format == StateDirectory::kFormat) return *platform_id;
    return Error(ErrorCode::kFailedPrecondition, "{} has format {}, this program knows {}: a newer Tarn has written it",
                 path, *format, StateDirectory::kFormat)
        .WithHint("start the newer version of Tarn, or restore a backup made before it was used");
}

}  // namespace

Status CreateDirectoriesDurably(Env& env, const std::string& path) {
    std::string existing = path;
    while (!env.files().Exists(existing) && FolderOf(existing) != existing) existing = FolderOf(existing);
    TRY(env.files().CreateDirectories(path));
    // An earlier start may have made folders and lost power, so those that exist are synced, too, as far up as we may:
    // folders of others can be closed to us.
    for (std::string folder = path; FolderOf(folder) != folder; folder = FolderOf(folder)) {
        bool made = folder.size() > existing.size();
        Status synced = env.files().SyncDirectory(FolderOf(folder));
        if (!synced.ok() && made) return synced;
        if (!synced.ok()) break;
    }
    return Ok();
}

Result<std::unique_ptr<StateDirectory>> StateDirectory::Open(Env& env, const std::string& path) {
    TRY(CreateDirectoriesDurably(env, path));
    auto lock = env.files().Lock(path + "/" + kLockName);
    if (!lock.ok() && lock.error().code() == ErrorCode::kUnavailable) {
        return Error(ErrorCode::kUnavailable, "{} is in use by another running Tarn", path)
            .WithHint("stop that one first, or use another directory");
    }
    if (!lock.ok()) return std::move(lock).error().Context(fmt::format("cannot use {}", path));
    bool known = env.files().Exists(path + "/" + kStateName);
    std::string platform_id = known ? TRY(ReadState(env, path)) : TRY(CreateState(env, path));
    TRY(env.files().RemoveTree(path + "/tmp"));
    TRY(env.files().CreateDirectories(path + "/tmp"));
    return std::unique_ptr<StateDirectory>(new StateDirectory(path, std::move(platform_id), std::move(lock).value()));
}

}  // namespace tarn::metadata
