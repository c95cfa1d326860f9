#include "access/backup/state_files.h"

#include <unordered_set>

#include "base/number.h"

namespace tarn::access {
namespace {

constexpr size_t kSegmentDigits = 8;

bool IsSegment(const std::string& name) { return name.size() == kSegmentDigits + 4 && name.ends_with(".seg"); }

Status CopyWhole(Env& env, Copier& copier, const std::string& state_path, const std::string& path, Copier::Kind kind) {
    FileEntry entry = TRY(env.files().Stat(state_path + "/" + path));
    return copier.Copy(state_path, path, entry.bytes, kind);
}

// One of the lake's 256 folders. The index is asked before the folder is listed: what it names by then is there, as
// nothing is removed while it is held. A file that it does not name is being written, and may go again.
Result<uint64_t> CopyLakeFolder(Env& env, Copier& copier, const std::string& state_path, const std::string& folder,
                                lake::LakeHold* hold) {
    std::unordered_set<std::string> named;
    if (hold) TRY(hold->ScanFiles(folder, [&](const std::string& file) { named.insert(file); }));
    std::string path = "lake/objects/" + folder;
    if (!env.files().Exists(state_path + "/" + path)) return named.size();
    for (const FileEntry& entry : TRY(env.files().List(state_path + "/" + path))) {
        if (entry.is_directory) continue;
        Status copied = copier.Copy(state_path, path + "/" + entry.name, entry.bytes, Copier::Kind::kSealed);
        bool gone = !copied.ok() && copied.error().code() == ErrorCode::kNotFound;
        if (gone && hold && !named.contains(entry.name)) continue;
        TRY(copied);
        named.erase(entry.name);
    }
    return named.size();
}

}  // namespace

Status CopySmallFiles(Env& env, Copier& copier, const std::string& state_path) {
    TRY(CopyWhole(env, copier, state_path, "tarn-state.json", Copier::Kind::kSmall));
    return CopyWhole(env, copier, state_path, "keys.json", Copier::Kind::kSmall);
}

Status CopyDatabases(Env& env, Copier& copier, const std::string& state_path, bool with_logs) {
    for (const std::string path : {"metadata.db", "lake/index.db"}) {
        if (with_logs && !env.files().Exists(state_path + "/" + path)) continue;  // the first start was cut off
        TRY(CopyWhole(env, copier, state_path, path, Copier::Kind::kDatabase));
        std::string log = path + "-wal";
        if (!with_logs || !env.files().Exists(state_path + "/" + log)) continue;
        TRY(CopyWhole(env, copier, state_path, log, Copier::Kind::kDatabase));
    }
    return Ok();
}

Status CopyAudit(Env& env, Copier& copier, const std::string& state_path, const std::optional<AuditHead>& head) {
    if (!env.files().Exists(state_path + "/audit")) return Ok();
    for (const FileEntry& entry : TRY(env.files().List(state_path + "/audit"))) {
        uint64_t bytes = entry.bytes;
        if (head && IsSegment(entry.name)) {
            auto number = static_cast<uint64_t>(IntegerOrZero(entry.name.substr(0, kSegmentDigits)));
            if (number > head->segment) continue;
            if (number == head->segment) bytes = head->offset;
        }
        TRY(copier.Copy(state_path, "audit/" + entry.name, bytes, Copier::Kind::kSealed));
    }
    return Ok();
}

Status CopyBuffer(Copier& copier, const std::string& state_path, const buffer::LogHold& hold) {
    for (const buffer::LogHold::Piece& piece : hold.pieces) {
        std::string path = "buffer/" + piece.path;
        auto kind = piece.path.ends_with(".log") ? Copier::Kind::kSegment : Copier::Kind::kSmall;
        if (piece.file) {
            TRY(copier.CopyFrom(*piece.file, path, piece.bytes, kind));
        } else {
            TRY(copier.Copy(state_path, path, piece.bytes, kind));
        }
    }
    return Ok();
}

Result<buffer::LogHold> BufferOfStopped(Env& env, const std::string& state_path) {
    buffer::LogHold all;
    for (const std::string folder : {"", "log/"}) {
        std::string path = state_path + "/buffer/" + folder;
        if (!env.files().Exists(path)) continue;
        for (const FileEntry& entry : TRY(env.files().List(path))) {
            bool ours = folder.empty() ? entry.name == "checkpoint"
                                       : entry.name.ends_with(".log") || entry.name.ends_with(".index");
            if (!entry.is_directory && ours) all.pieces.push_back({folder + entry.name, entry.bytes, nullptr});
        }
    }
    return all;
}

Result<uint64_t> CopyLake(Env& env, Copier& copier, const std::string& state_path, lake::LakeHold* hold) {
    uint64_t missing = 0;
    for (int folder = 0; folder < 256; ++folder) {
        missing += TRY(CopyLakeFolder(env, copier, state_path, fmt::format("{:02x}", folder), hold));
    }
    return missing;
}

}  // namespace tarn::access
