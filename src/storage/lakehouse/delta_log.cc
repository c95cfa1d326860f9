#include "storage/lakehouse/delta_log.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/json.h"
#include "base/text.h"

namespace tarn::lakehouse {
namespace {

constexpr size_t kPieceBytes = 4 << 20;
constexpr size_t kLineBytesMax = 256 << 20;
constexpr size_t kHintBytesMax = 4 << 20;

bool IsBlank(std::string_view line) { return Trim(line).empty(); }

}  // namespace

// What one checkpoint is made of.
struct DeltaLog::Checkpoint {
    int64_t version = -1;
    std::vector<LogFileName> files;
};

struct DeltaLog::Listing {
    std::map<int64_t, lake::ObjectInfo> commits;
    std::vector<Checkpoint> checkpoints;  // complete ones, ascending by version
};

Status ForEachLine(lake::Object& object, const std::function<Status(std::string_view)>& line) {
    std::string pending;
    uint64_t offset = 0;
    const uint64_t bytes = object.info().bytes;
    while (offset < bytes) {
        size_t start = pending.size();
        size_t wanted = static_cast<size_t>(std::min<uint64_t>(kPieceBytes, bytes - offset));
        pending.resize(start + wanted);
        auto* target = reinterpret_cast<uint8_t*>(pending.data() + start);
        size_t got = TRY(object.ReadAt(offset, MutableByteSpan(target, wanted)));
        if (got == 0) return Error(ErrorCode::kCorruption, "{} ends early", object.info().name.ToString());
        pending.resize(start + got);
        offset += got;
        size_t begin = 0;
        for (size_t end = pending.find('\n', start); end != std::string::npos; end = pending.find('\n', begin)) {
            std::string_view text(pending.data() + begin, end - begin);
            if (!IsBlank(text)) TRY(line(text));
            begin = end + 1;
        }
        pending.erase(0, begin);
        if (pending.size() > kLineBytesMax) {
            return Error(ErrorCode::kResourceExhausted, "{} has a line longer than {} bytes",
                         object.info().name.ToString(), kLineBytesMax);
        }
    }
    return IsBlank(pending) ? Ok() : line(pending);
}

DeltaLog::DeltaLog(lake::Lake& lake, CheckpointRows& checkpoints, TableLocation location)
    : lake_(lake),
      checkpoints_(checkpoints),
      location_(std::move(location)),
      self_(security::Principal::System("lakehouse")) {}

Error DeltaLog::NoTable() const {
    return Error(ErrorCode::kNotFound, "there is no Delta table at {}", location_.ToString());
}

// A broken or stale hint is no error: everything can be found by listing.
std::optional<int64_t> DeltaLog::ReadHint() {
    auto text = lake_.ReadText(self_, location_.LogName("_last_checkpoint"), kHintBytesMax);
    if (!text.ok()) return std::nullopt;
    auto hint = ParseJson(*text);
    if (!hint.ok() || !hint->is_object()) return std::nullopt;
    auto version = JsonInteger(*hint, "version");
    if (!version.ok() || *version < 0) return std::nullopt;
    return *version;
}

Result<DeltaLog::Listing> DeltaLog::List(const std::string& start_after) {
    Listing listing;
    // By version, and by what distinguishes the checkpoints of one version.
    std::map<std::pair<int64_t, std::string>, Checkpoint> found;
    lake::ListOptions options;
    options.prefix = location_.LogName("").key;
    options.delimiter = "/";
    options.start_after = start_after;
    while (true) {
        lake::ListPage page = TRY(lake_.List(self_, location_.bucket, options));
        for (lake::ObjectInfo& object : page.objects) {
            auto file = ParseLogFileName(std::string_view(object.name.key).substr(options.prefix.size()));
            if (!file) continue;
            if (file->kind == LogFileName::Kind::kCommit) {
                listing.commits.emplace(file->version, std::move(object));
                continue;
            }
            std::string group =
                file->kind == LogFileName::Kind::kCheckpointPart ? fmt::format("{}", file->parts) : file->name;
            Checkpoint& checkpoint = found[{file->version, group}];
            checkpoint.version = file->version;
            checkpoint.files.push_back(std::move(*file));
        }
        if (!page.truncated) break;
        options.start_after = page.next_start_after;
    }
    for (auto& [key, checkpoint] : found) {
        bool in_parts = checkpoint.files[0].kind == LogFileName::Kind::kCheckpointPart;
        if (in_parts && static_cast<int>(checkpoint.files.size()) != checkpoint.files[0].parts) continue;
        listing.checkpoints.push_back(std::move(checkpoint));
    }
    return listing;
}

Result<DeltaLog::Listing> DeltaLog::ListFromHint(std::optional<int64_t> wanted, bool& is_whole) {
    auto hint = ReadHint();
    if (hint && (!wanted || *hint <= *wanted)) {
        Listing listing = TRY(List(location_.LogName(fmt::format("{:020}", *hint)).key));
        auto usable = [&](const Checkpoint& checkpoint) { return !wanted || checkpoint.version <= *wanted; };
        if (std::any_of(listing.checkpoints.begin(), listing.checkpoints.end(), usable)) return listing;
    }
    is_whole = true;
    return List("");
}

Result<std::shared_ptr<TableState>> DeltaLog::Load(std::optional<int64_t> wanted) {
    if (wanted && *wanted < 0) return Error(ErrorCode::kNotFound, "a table has no version {}", *wanted);
    bool is_whole = false;
    Listing listing = TRY(ListFromHint(wanted, is_whole));
    auto state = Replay(listing, wanted);
    if (state.ok() || is_whole || state.error().code() != ErrorCode::kCorruption) return state;
    // The checkpoint that the hint led to can't be read: all that is there is tried.
    listing = TRY(List(""));
    return Replay(listing, wanted);
}

Result<std::shared_ptr<TableState>> DeltaLog::Replay(const Listing& listing, std::optional<int64_t> wanted) {
    if (listing.commits.empty() && listing.checkpoints.empty()) return NoTable();
    int64_t newest = listing.commits.empty() ? listing.checkpoints.back().version : listing.commits.rbegin()->first;
    if (!listing.checkpoints.empty()) newest = std::max(newest, listing.checkpoints.back().version);
    if (wanted && *wanted > newest) {
        return Error(ErrorCode::kNotFound, "there is no version {}; the newest is {}", *wanted, newest);
    }
    int64_t target = wanted.value_or(newest);
    auto state = std::make_shared<TableState>();
    for (auto checkpoint = listing.checkpoints.rbegin(); checkpoint != listing.checkpoints.rend(); ++checkpoint) {
        if (checkpoint->version > target) continue;
        auto attempt = std::make_shared<TableState>();
        auto read = ApplyCheckpoint(*checkpoint, *attempt);
        if (!read.ok()) {
            if (read.error().code() == ErrorCode::kResourceExhausted) return std::move(read).error();
            continue;  // an older checkpoint, or the commits alone, say the same
        }
        // A checkpoint that was read and lacks protocol or metadata is no accident of reading: refuse it.
        TRY_CONTEXT(attempt->Finish(), fmt::format("the checkpoint of version {}", checkpoint->version));
        state = std::move(attempt);
        break;
    }
    state->checkpoint_version = state->version;
    for (int64_t version = state->version + 1; version <= target; ++version) {
        if (!listing.commits.contains(version)) {
            return Error(ErrorCode::kCorruption, "the log of {} has no version {}, but later ones",
                         location_.ToString(), version);
        }
        TRY(ApplyCommit(version, *state));
    }
    TRY(state->Finish());
    if (!state->commit_id.empty()) return state;
    auto own_commit = listing.commits.find(state->version);
    if (own_commit != listing.commits.end()) {
        state->commit_id = own_commit->second.id;
        state->committed_ms = ToMillis(TRY(ReadHeader(state->version)).committed_at);
    }
    return state;
}

Status DeltaLog::ApplyCheckpointFile(const std::string& name, bool is_json, TableState& state,
                                     std::vector<std::string>& sidecars) {
    auto row = [&](std::string_view text) -> Status {
        auto action = TRY(parser_.Parse(text));
        if (!action) return Ok();
        if (auto* sidecar = std::get_if<Sidecar>(&*action)) {
            sidecars.push_back(sidecar->path);
            return Ok();
        }
        return state.Apply(std::move(*action), ActionOrigin::kCheckpoint, state.version);
    };
    lake::ObjectName object_name = location_.LogName(name);
    if (!is_json) return checkpoints_.Read(object_name.ToString(), row);
    auto object = TRY(lake_.Open(self_, object_name));
    return ForEachLine(*object, row);
}

Status DeltaLog::ApplyCheckpoint(const Checkpoint& checkpoint, TableState& state) {
    state.version = checkpoint.version;
    std::vector<std::string> sidecars;
    for (const LogFileName& file : checkpoint.files) {
        TRY_CONTEXT(ApplyCheckpointFile(file.name, file.is_json, state, sidecars), file.name);
        if (state.committed_ms == 0) {
            auto info = lake_.Head(self_, location_.LogName(file.name));
            if (info.ok()) state.committed_ms = ToMillis(info->modified_at);
        }
    }
    std::vector<std::string> further;
    for (const std::string& sidecar : sidecars) {
        if (sidecar.find('/') != std::string::npos) {
            return Error(ErrorCode::kNotSupported, "a sidecar outside of _sidecars: \"{}\"", sidecar);
        }
        TRY_CONTEXT(ApplyCheckpointFile("_sidecars/" + sidecar, false, state, further), sidecar);
    }
    return Ok();
}

Status DeltaLog::ReadCommit(int64_t version, const std::function<Status(Action)>& action) {
    auto object = TRY(lake_.Open(self_, location_.LogName(CommitFileName(version))));
    return ForEachLine(*object, [&](std::string_view line) -> Status {
        auto parsed = TRY_CONTEXT(parser_.Parse(line), fmt::format("version {} of {}", version, location_.ToString()));
        return parsed ? action(std::move(*parsed)) : Ok();
    });
}

Status DeltaLog::ApplyCommit(int64_t version, TableState& state) {
    auto object = TRY(lake_.Open(self_, location_.LogName(CommitFileName(version))));
    state.committed_ms = ToMillis(object->info().modified_at);  // commitInfo, if it says so, knows better
    TRY(ForEachLine(*object, [&](std::string_view line) -> Status {
        auto parsed = TRY_CONTEXT(parser_.Parse(line), fmt::format("version {} of {}", version, location_.ToString()));
        return parsed ? state.Apply(std::move(*parsed), ActionOrigin::kCommit, version) : Ok();
    }));
    state.version = version;
    state.commit_id = object->info().id;
    return Ok();
}

Result<std::shared_ptr<TableState>> DeltaLog::Refresh(std::shared_ptr<TableState> state) {
    // "<version>.j" sorts behind the version's checkpoints and before its commit: the first name must be the commit we
    // know, else the table was dropped or made anew; what follows are newer versions.
    lake::ListOptions options;
    options.prefix = location_.LogName("").key;
    options.delimiter = "/";
    options.start_after = location_.LogName(fmt::format("{:020}.j", state->version)).key;
    options.keys_max = 8;
    std::vector<int64_t> newer;
    bool is_known = false;
    for (bool more = true; more;) {
        lake::ListPage page = TRY(lake_.List(self_, location_.bucket, options));
        for (const lake::ObjectInfo& object : page.objects) {
            auto file = ParseLogFileName(std::string_view(object.name.key).substr(options.prefix.size()));
            if (!file || file->kind != LogFileName::Kind::kCommit) continue;
            if (file->version == state->version) is_known = object.id == state->commit_id;
            if (file->version > state->version) newer.push_back(file->version);
        }
        more = page.truncated && is_known;
        options.start_after = page.next_start_after;
        options.keys_max = 1000;
    }
    if (!is_known) return Load();
    if (newer.empty()) return state;
    for (size_t i = 0; i < newer.size(); ++i) {
        if (newer[i] != state->version + 1 + static_cast<int64_t>(i)) return Load();  // says which one is missing
    }
    auto next = state.use_count() == 1 ? std::move(state) : std::make_shared<TableState>(*state);
    for (int64_t version : newer) TRY(ApplyCommit(version, *next));
    TRY(next->Finish());
    return next;
}

Result<CommitHeader> DeltaLog::ReadHeader(int64_t version) {
    CommitHeader header;
    header.version = version;
    auto object = TRY(lake_.Open(self_, location_.LogName(CommitFileName(version))));
    header.committed_at = object->info().modified_at;
    // commitInfo is the first line of almost every commit; the rest need not be read.
    const Error found(ErrorCode::kCancelled, "found");
    auto read = ForEachLine(*object, [&](std::string_view line) -> Status {
        if (line.find("\"commitInfo\"") == std::string_view::npos) return Ok();
        auto parsed = TRY(parser_.Parse(line));
        auto* info = parsed ? std::get_if<CommitInfo>(&*parsed) : nullptr;
        if (!info) return Ok();
        header.info_json = std::move(info->json);
        int64_t time_ms = info->in_commit_timestamp_ms >= 0 ? info->in_commit_timestamp_ms : info->timestamp_ms;
        if (time_ms >= 0) header.committed_at = FromMicros(time_ms * 1000);
        return found;
    });
    if (!read.ok() && read.error().code() != ErrorCode::kCancelled) return std::move(read).error();
    return header;
}

Result<std::vector<int64_t>> DeltaLog::CommitVersions() {
    Listing listing = TRY(List(""));
    std::vector<int64_t> versions;
    for (const auto& [version, object] : listing.commits) versions.push_back(version);
    return versions;
}

Result<std::vector<CommitHeader>> DeltaLog::Headers(int limit) {
    std::vector<int64_t> versions = TRY(CommitVersions());
    if (versions.empty()) return NoTable();
    std::vector<CommitHeader> headers;
    for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
        if (static_cast<int>(headers.size()) >= limit) break;
        headers.push_back(TRY(ReadHeader(*version)));
    }
    return headers;
}

Result<int64_t> DeltaLog::VersionAt(Timestamp time) {
    std::vector<int64_t> versions = TRY(CommitVersions());
    if (versions.empty()) return NoTable();
    for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
        if (TRY(ReadHeader(*version)).committed_at <= time) return *version;
    }
    return Error(ErrorCode::kNotFound, "there is no version as of {}; the oldest known is younger", FormatTime(time));
}

}  // namespace tarn::lakehouse
