// Kind files: a glob of csv, json, parquet or any files; each file once, a changed one again.
#include <algorithm>
#include <map>
#include <mutex>

#include "base/crypto.h"
#include "base/file_stream.h"
#include "base/text.h"
#include "ingestion/connectors/connector.h"
#include "ingestion/connectors/inference.h"
#include "ingestion/connectors/sift.h"

namespace tarn::connectors {
namespace {

constexpr size_t kFilesMax = 100000;

struct FoundFile {
    std::string name;  // as the glob gives it, relative to the workspace
    std::string path;
    uint64_t bytes = 0;
    Timestamp modified_at;
};

class FilesConnector : public Connector {
  public:
    explicit FilesConnector(ConnectorsDependencies dependencies) : dependencies_(dependencies) {}

    Status Check(const SourceDefinition& source) override {
        for (const auto& [name, stream] : source.streams) TRY(Find(source, stream));
        return Ok();
    }
    Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition& source) override {
        std::vector<DiscoveredStream> streams;
        for (const auto& [name, stream] : source.streams) {
            DiscoveredStream found;
            found.name = name;
            found.rows_estimate = -1;
            streams.push_back(std::move(found));
        }
        return streams;
    }
    Status Read(ReadContext& context) override;
    Result<bool> HasNew(const SourceDefinition& source, const StreamDefinition& stream,
                        const StreamState& state) override {
        Json position = state.last() && state.last()->mode == "files" ? state.last()->position : Json::object();
        std::vector<FoundFile> files = TRY(Find(source, stream));
        bool fresh =
            std::any_of(files.begin(), files.end(), [&](const auto& file) { return !IsKnown(position, file); });
        std::lock_guard lock(mutex_);
        auto tried = tried_.find(source.name + "." + stream.name);
        return fresh && (tried == tried_.end() || tried->second != LookOf(files));
    }

  private:
    Result<std::vector<FoundFile>> Find(const SourceDefinition& source, const StreamDefinition& stream);
    Status Walk(const std::string& folder, const std::vector<std::string>& parts, size_t at, const std::string& shown,
                std::vector<FoundFile>& found);
    static bool IsKnown(const Json& position, const FoundFile& file) {
        auto known = position.find(file.name);
        return known != position.end() && (*known)["bytes"] == file.bytes &&
               (*known)["modified_us"] == ToMicros(file.modified_at);
    }
    // Tells one set of files from another.
    static std::string LookOf(const std::vector<FoundFile>& files) {
        Json look = Json::array();
        for (const FoundFile& file : files) look.push_back({file.name, file.bytes, ToMicros(file.modified_at)});
        return Sha256Hex(AsBytes(DumpJson(look)));
    }
    Status ReadOne(ReadContext& context, const FoundFile& file);

    ConnectorsDependencies dependencies_;
    std::mutex mutex_;  // guards tried_
    // By stream the files that the last load found: a load that failed over them is not tried again until they change.
    std::map<std::string, std::string> tried_;
};

Status FilesConnector::Walk(const std::string& folder, const std::vector<std::string>& parts, size_t at,
                            const std::string& shown, std::vector<FoundFile>& found) {
    const std::string& pattern = parts[at];
    bool last = at + 1 == parts.size();
    if (pattern == "**") {
        // No folder, or one more and again any depth.
        if (last) return Walk(folder, {"*"}, 0, shown, found);
        TRY(Walk(folder, parts, at + 1, shown, found));
        for (const FileEntry& entry : TRY(dependencies_.env.files().List(folder))) {
            if (!entry.is_directory || entry.name.starts_with(".")) continue;
            TRY(Walk(folder + "/" + entry.name, parts, at, shown + entry.name + "/", found));
        }
        return Ok();
    }
    if (!last && pattern.find_first_of("*?") == std::string::npos) {
        std::string next = folder + "/" + pattern;
        if (!dependencies_.env.files().Exists(next)) return Ok();
        return Walk(next, parts, at + 1, shown + pattern + "/", found);
    }
    for (const FileEntry& entry : TRY(dependencies_.env.files().List(folder))) {
        bool hidden = entry.name.starts_with(".") && !pattern.starts_with(".");
        if (hidden || entry.is_directory == last || !MatchesWildcard(pattern, entry.name)) continue;
        if (!last) {
            TRY(Walk(folder + "/" + entry.name, parts, at + 1, shown + entry.name + "/", found));
            continue;
        }
        if (found.size() >= kFilesMax) {
            return Error(ErrorCode::kResourceExhausted, "more than {} files match; narrow `path`", kFilesMax);
        }
        found.push_back({shown + entry.name, folder + "/" + entry.name, entry.bytes, entry.modified_at});
    }
    return Ok();
}

Result<std::vector<FoundFile>> FilesConnector::Find(const SourceDefinition& source, const StreamDefinition& stream) {
    std::string glob = stream.settings.value("path", "");
    if (glob.empty()) glob = source.settings.value("path", "");
    bool absolute = glob.starts_with("/");
    while (glob.starts_with("./")) glob = glob.substr(2);
    std::vector<std::string> parts;
    for (const std::string& part : Split(glob, '/')) {
        if (part == "..") {
            return Error(ErrorCode::kInvalidArgument, "path {} must not go up by \"..\": write the whole path", glob);
        }
        if (!part.empty() && part != ".") parts.push_back(part);
    }
    if (parts.empty()) return Error(ErrorCode::kInvalidArgument, "path {} names no files", glob);
    std::string folder = absolute ? "" : dependencies_.workspace_directory;
    size_t first_glob = parts.size() - 1;
    for (size_t index = 0; index < parts.size(); ++index) {
        if (parts[index].find_first_of("*?") != std::string::npos) first_glob = std::min(first_glob, index);
    }
    std::string fixed = folder;
    for (size_t index = 0; index < first_glob; ++index) fixed += "/" + parts[index];
    if (!dependencies_.env.files().Exists(fixed)) {
        return Error(ErrorCode::kNotFound, "there is no folder {} (path: {})", fixed, glob)
            .WithHint("paths are relative to the workspace");
    }
    std::vector<FoundFile> found;
    TRY(Walk(folder, parts, 0, absolute ? "/" : "", found));
    std::sort(found.begin(), found.end(), [](const auto& left, const auto& right) { return left.name < right.name; });
    return found;
}

Status FilesConnector::ReadOne(ReadContext& context, const FoundFile& file) {
    auto content = TRY(dependencies_.env.files().Open(file.path));
    FileReader bytes(std::move(content));
    LoadObject object;
    object.format = context.stream.settings.value("format", "csv");
    object.origin = {{"file", file.name}, {"modified_at", FormatTime(file.modified_at)}};
    size_t slash = file.name.rfind('/');
    TRY(context.writer.PutObject(slash == std::string::npos ? file.name : file.name.substr(slash + 1), bytes,
                                 std::move(object)));
    // A file that somebody still writes is left for the next look: half of it is not what it is.
    FileEntry after = TRY(dependencies_.env.files().Stat(file.path));
    Manifest& manifest = context.writer.manifest();
    bool steady = after.bytes == file.bytes && after.modified_at == file.modified_at;
    if (!steady || manifest.objects.back().bytes != file.bytes) {
        manifest.warnings.push_back(fmt::format("{} changed while it was read; it is read again", file.name));
        return context.writer.DropLast();
    }
    manifest.position[file.name] = {{"bytes", file.bytes}, {"modified_us", ToMicros(file.modified_at)}};
    return Ok();
}

Status FilesConnector::Read(ReadContext& context) {
    Manifest& manifest = context.writer.manifest();
    if (manifest.position.is_null()) manifest.position = Json::object();
    SetFormatOptions(context.stream, manifest);
    Json before = manifest.position;
    LoadProgress progress;
    std::vector<FoundFile> files = TRY(Find(context.source, context.stream));
    {
        std::lock_guard lock(mutex_);
        tried_[context.source.name + "." + context.stream.name] = LookOf(files);
    }
    for (const FoundFile& file : files) {
        if (IsKnown(before, file)) continue;
        TRY(context.CheckCancelled());
        progress.note = file.name;
        context.progress(progress);
        TRY_CONTEXT(ReadOne(context, file), file.name);
        progress.objects = static_cast<int64_t>(manifest.objects.size());
        progress.bytes = static_cast<int64_t>(manifest.bytes);
    }
    if (manifest.objects.empty()) return Ok();
    progress.note = "reading types";
    context.progress(progress);
    return InferOrSift(dependencies_.engine, context.state, context.writer,
                       TRY(ParseBrokenLimit(context.stream.broken_max)), context.stream.on_drift);
}

}  // namespace

std::unique_ptr<Connector> MakeFilesConnector(ConnectorsDependencies dependencies) {
    return std::make_unique<FilesConnector>(dependencies);
}

}  // namespace tarn::connectors
