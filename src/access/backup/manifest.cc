#include "access/backup/manifest.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/json.h"

namespace tarn::access {
namespace {

constexpr int kFormat = 1;
constexpr size_t kManifestBytesMax = 1u << 30;
constexpr size_t kHashLetters = 64;
constexpr std::string_view kFolder = "manifests";
constexpr std::string_view kSuffix = ".jsonl";

Json SummaryJson(const BackupSummary& summary) {
    return {{"format", kFormat},
            {"name", summary.name},
            {"platform_id", summary.platform_id},
            {"version", summary.version},
            {"state_format", summary.state_format},
            {"at", FormatTime(summary.at)},
            {"took_us", summary.took.count()},
            {"running", summary.running},
            {"files", summary.files},
            {"bytes", summary.bytes},
            {"bytes_new", summary.bytes_new},
            {"missing", summary.missing}};
}

Result<BackupSummary> SummaryOf(const Json& json) {
    int64_t format = TRY(JsonInteger(json, "format"));
    if (format != kFormat) {
        return Error(ErrorCode::kFailedPrecondition, "it has format {}, this program knows {}", format, kFormat)
            .WithHint("use the newer version of Tarn that made it");
    }
    BackupSummary summary;
    summary.name = TRY(JsonString(json, "name"));
    summary.platform_id = TRY(JsonString(json, "platform_id"));
    summary.version = TRY(JsonString(json, "version"));
    summary.state_format = static_cast<int>(TRY(JsonInteger(json, "state_format")));
    summary.at = TRY(ParseTime(TRY(JsonString(json, "at"))));
    summary.took = Duration(TRY(JsonInteger(json, "took_us")));
    summary.running = TRY(JsonBoolOr(json, "running", false));
    summary.files = static_cast<uint64_t>(TRY(JsonInteger(json, "files")));
    summary.bytes = static_cast<uint64_t>(TRY(JsonInteger(json, "bytes")));
    summary.bytes_new = static_cast<uint64_t>(TRY(JsonInteger(json, "bytes_new")));
    summary.missing = static_cast<uint64_t>(TRY(JsonInteger(json, "missing")));
    return summary;
}

bool IsHash(const Json& value) {
    if (!value.is_string()) return false;
    const auto& text = value.get_ref<const std::string&>();
    auto hex = [](char letter) { return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f'); };
    return text.size() == kHashLetters && std::all_of(text.begin(), text.end(), hex);
}

// A path of ours: never one that leaves the folder it is restored into.
bool IsSafePath(const std::string& path) {
    auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/'; };
    bool plain = !path.empty() && std::all_of(path.begin(), path.end(), allowed) && !path.starts_with("/");
    return plain && path.find("..") == std::string::npos && path.find("//") == std::string::npos;
}

Result<BackedFile> FileOf(const Json& json) {
    BackedFile file;
    file.path = TRY(JsonString(json, "path"));
    file.bytes = static_cast<uint64_t>(TRY(JsonInteger(json, "bytes")));
    file.chunk_bytes = static_cast<uint64_t>(TRY(JsonInteger(json, "chunk_bytes")));
    if (!IsSafePath(file.path) || !json.contains("chunks") || !json["chunks"].is_array()) {
        return Error(ErrorCode::kCorruption, "a file of it is not described as it should be");
    }
    for (const Json& chunk : json["chunks"]) {
        if (!IsHash(chunk)) return Error(ErrorCode::kCorruption, "a chunk of {} has no hash", file.path);
        file.chunks.push_back(chunk.get<std::string>());
    }
    uint64_t wanted = file.chunk_bytes == 0 ? 0 : (file.bytes + file.chunk_bytes - 1) / file.chunk_bytes;
    if (file.chunks.size() != wanted) {
        return Error(ErrorCode::kCorruption, "{} has {} chunks, its length needs {}", file.path, file.chunks.size(),
                     wanted);
    }
    return file;
}

Result<Manifest> Parse(std::string_view text) {
    size_t last = text.size() < 2 ? std::string_view::npos : text.rfind('\n', text.size() - 2);
    if (last == std::string_view::npos) return Error(ErrorCode::kCorruption, "it is cut off");
    Json end = TRY(ParseJson(text.substr(last + 1)));
    std::string_view body = text.substr(0, last + 1);
    if (TRY(JsonString(end, "sha256")) != Sha256Hex(AsBytes(body))) {
        return Error(ErrorCode::kCorruption, "its checksum does not fit");
    }
    Manifest manifest;
    for (bool first = true; !body.empty(); first = false) {
        size_t line = body.find('\n');
        Json json = TRY(ParseJson(body.substr(0, line)));
        body.remove_prefix(line + 1);
        if (first)
            manifest.summary = TRY(SummaryOf(json));
        else
            manifest.files.push_back(TRY(FileOf(json)));
    }
    if (manifest.files.size() == manifest.summary.files) return manifest;
    return Error(ErrorCode::kCorruption, "it names {} files and says {}", manifest.files.size(),
                 manifest.summary.files);
}

}  // namespace

std::string RenderManifest(const Manifest& manifest) {
    std::string text = DumpJson(SummaryJson(manifest.summary)) + "\n";
    for (const BackedFile& file : manifest.files) {
        Json json{{"path", file.path}, {"bytes", file.bytes}, {"chunk_bytes", file.chunk_bytes}};
        json["chunks"] = file.chunks;
        text += DumpJson(json) + "\n";
    }
    std::string hash = Sha256Hex(AsBytes(text));
    return text + DumpJson({{"sha256", hash}}) + "\n";
}

Result<Manifest> ParseManifest(const std::string& name, std::string_view text) {
    auto manifest = Parse(text);
    if (manifest.ok() && manifest->summary.name == name) return manifest;
    if (manifest.ok()) return Error(ErrorCode::kCorruption, "backup {} says it is {}", name, manifest->summary.name);
    if (manifest.error().code() == ErrorCode::kFailedPrecondition) {
        return std::move(manifest).error().Context("backup " + name);
    }
    return Error(ErrorCode::kCorruption, "the manifest of backup {} is damaged: {}", name, manifest.error().message());
}

std::string ChunkName(const std::string& hash) { return "chunks/" + hash.substr(0, 2) + "/" + hash; }

std::string ManifestPath(const std::string& name) { return fmt::format("{}/{}{}", kFolder, name, kSuffix); }

// The time makes names sort as they were made: 20261122T150405.123456Z-1f2e.
std::string ManifestNameOf(Timestamp at, std::string_view suffix) {
    std::string seconds = FormatTime(std::chrono::floor<std::chrono::seconds>(at));
    std::erase_if(seconds, [](char letter) { return letter == '-' || letter == ':' || letter == 'Z'; });
    return fmt::format("{}.{:06}Z-{}", seconds, ToMicros(at) % 1'000'000, suffix);
}

Result<std::vector<std::string>> ManifestNames(BackupStore& store) {
    std::vector<std::string> names;
    TRY(store.Scan(std::string(kFolder), [&](const std::string& name, uint64_t) {
        if (name.ends_with(kSuffix)) names.push_back(name.substr(0, name.size() - kSuffix.size()));
    }));
    std::sort(names.begin(), names.end());
    return names;
}

Result<Manifest> ReadManifest(BackupStore& store, const std::string& name) {
    auto content = store.Get(ManifestPath(name), kManifestBytesMax);
    if (!content.ok() && content.error().code() == ErrorCode::kNotFound) {
        return Error(ErrorCode::kNotFound, "there is no backup {} in {}", name, store.place())
            .WithHint("`tarn backup ls` shows what there is");
    }
    return ParseManifest(name, AsText(TRY(std::move(content))));
}

}  // namespace tarn::access
