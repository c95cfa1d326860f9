#include "workspace/workspace.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/crypto.h"
#include "base/text.h"

namespace tarn::workspace {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;
constexpr size_t kFilesMax = 50000;

// Files that a later version of Tarn reads: refused by name, so that nobody believes they do something now.
struct LaterKind {
    std::string_view folder;
    std::string_view suffix;
    std::string_view what;
};
constexpr LaterKind kLater[] = {
    {"use_cases/*", ".stream.sql", "streams"},
    {"use_cases/*", ".model.sql", "models"},
    {"use_cases/*", ".api.yaml", "API endpoints"},
    {"use_cases/*", "checks.yaml", "contracts of a use case (write `checks:` into the table's header)"},
};

class FolderWorkspace : public Workspace {
  public:
    FolderWorkspace(std::string directory, WorkspaceDependencies dependencies)
        : directory_(std::move(directory)),
          env_(dependencies.env),
          metadata_(dependencies.metadata),
          log_(dependencies.log) {}

    void Register(Kind kind) override { kinds_.push_back(std::move(kind)); }
    Result<LoadedWorkspace> Load() override { return LoadFrom(directory_); }
    Result<LoadedWorkspace> LoadFrom(const std::string& directory) override;
    Result<std::string> Signature() override;
    Result<std::string> AppliedOrigin() override;
    Result<Plan> MakePlan(const LoadedWorkspace& loaded) override;
    Result<Plan> Apply(const security::Principal& principal, const LoadedWorkspace& loaded) override;
    Status ActivateApplied() override;
    std::vector<Definition> Applied() const override {
        std::lock_guard lock(mutex_);
        return applied_;
    }
    const std::vector<Kind>& kinds() const override { return kinds_; }
    const std::string& directory() const override { return directory_; }

  private:
    struct StoredFile {
        std::string kind;
        std::string name;
        std::string file;
        std::string hash;
        std::string text;
    };
    // Folders below `root` that files of kinds may lie in: with their pattern, as ("use_cases/*", "use_cases/delays").
    struct Place {
        std::string pattern;
        std::string folder;
    };
    Result<std::vector<Place>> PlacesIn(const std::string& root) const;
    Status LoadFilesIn(const std::string& root, const Place& place, LoadedWorkspace& loaded);
    void LoadFile(const std::string& root, const Place& place, const std::string& name, LoadedWorkspace& loaded);
    const Kind* KindOf(const std::string& folder_pattern, const std::string& name) const;
    void Parse(const Kind& kind, Definition& definition, Issues& issues) const;
    void Validate(LoadedWorkspace& loaded) const;
    Result<std::vector<StoredFile>> Stored();
    Status Activate(std::vector<Definition> definitions);

    std::string directory_;
    Env& env_;
    metadata::Database& metadata_;
    Log& log_;
    std::vector<Kind> kinds_;
    std::mutex apply_mutex_;  // one Apply at a time
    mutable std::mutex mutex_;  // guards applied_
    std::vector<Definition> applied_;
};

std::string NameOf(const std::string& folder, const std::string& file_name, const std::string& suffix) {
    std::string stem = file_name.substr(0, file_name.size() - suffix.size());
    size_t slash = folder.find('/');
    if (slash == std::string::npos) return stem;
    return stem.empty() ? folder.substr(slash + 1) : folder.substr(slash + 1) + "." + stem;
}

const Kind* FolderWorkspace::KindOf(const std::string& folder_pattern, const std::string& name) const {
    const Kind* best = nullptr;
    for (const Kind& kind : kinds_) {
        bool fits = kind.suffix.starts_with(".") ? name.ends_with(kind.suffix) : name == kind.suffix;
        if (kind.folder != folder_pattern || !fits) continue;
        if (!best || kind.suffix.size() > best->suffix.size()) best = &kind;
    }
    return best;
}

const LaterKind* LaterKindOf(const std::string& folder_pattern, const std::string& name, const Kind* known) {
    for (const LaterKind& later : kLater) {
        bool longer = !known || later.suffix.size() > known->suffix.size();
        if (later.folder == folder_pattern && name.ends_with(later.suffix) && longer) return &later;
    }
    return nullptr;
}

void FolderWorkspace::Parse(const Kind& kind, Definition& definition, Issues& issues) const {
    std::vector<std::string> parts = Split(definition.name, '.');
    for (size_t index = 0; index < parts.size(); ++index) {
        bool is_use_case = index == 0 && parts.size() > 1;
        Status named = CheckName(is_use_case ? "use case" : kind.name, parts[index]);
        if (!named.ok()) issues.push_back({definition.file, 0, 0, named.error().message()});
    }
    kind.parse(definition, issues);
}

void FolderWorkspace::LoadFile(const std::string& root, const Place& place, const std::string& name,
                               LoadedWorkspace& loaded) {
    const Kind* kind = KindOf(place.pattern, name);
    std::string file = place.folder + "/" + name;
    if (const LaterKind* later = LaterKindOf(place.pattern, name, kind)) {
        loaded.issues.push_back({file, 0, 0,
                                 fmt::format("{} come with a later version of Tarn; move this file out of "
                                             "the workspace",
                                             later->what)});
        return;
    }
    if (!kind) return;
    Result<std::string> text = ReadFile(env_, root + "/" + file, kFileBytesMax);
    if (!text.ok()) {
        loaded.issues.push_back({file, 0, 0, text.error().message()});
        return;
    }
    if (!IsUtf8(*text)) {
        loaded.issues.push_back({file, 0, 0, "is not UTF-8 text: save it as UTF-8"});
        return;
    }
    Definition definition;
    definition.kind = kind->name;
    definition.name = NameOf(place.folder, name, kind->suffix);
    definition.file = file;
    definition.hash = Sha256Hex(AsBytes(*text));
    definition.text = std::move(*text);
    Parse(*kind, definition, loaded.issues);
    loaded.definitions.push_back(std::move(definition));
}

Status FolderWorkspace::LoadFilesIn(const std::string& root, const Place& place, LoadedWorkspace& loaded) {
    for (const FileEntry& entry : TRY(env_.files().List(root + "/" + place.folder))) {
        if (entry.is_directory || entry.name.starts_with(".")) continue;
        if (loaded.definitions.size() >= kFilesMax) {
            return Error(ErrorCode::kResourceExhausted, "the workspace has more than {} files", kFilesMax);
        }
        LoadFile(root, place, entry.name, loaded);
    }
    return Ok();
}

Result<std::vector<FolderWorkspace::Place>> FolderWorkspace::PlacesIn(const std::string& root) const {
    if (!env_.files().Exists(root)) return Error(ErrorCode::kNotFound, "there is no folder {}", root);
    std::set<std::string> patterns;
    for (const Kind& kind : kinds_) patterns.insert(kind.folder);
    for (const LaterKind& later : kLater) patterns.insert(std::string(later.folder));
    std::vector<Place> places;
    for (const std::string& pattern : patterns) {
        bool each = pattern.ends_with("/*");
        std::string parent = each ? pattern.substr(0, pattern.size() - 2) : pattern;
        if (!env_.files().Exists(root + "/" + parent)) continue;
        if (!each) {
            places.push_back({pattern, parent});
            continue;
        }
        for (const FileEntry& entry : TRY(env_.files().List(root + "/" + parent))) {
            if (!entry.is_directory || entry.name.starts_with(".")) continue;
            places.push_back({pattern, parent + "/" + entry.name});
        }
    }
    return places;
}

Result<std::string> FolderWorkspace::Signature() {
    std::string seen;
    for (const Place& place : TRY(PlacesIn(directory_))) {
        for (const FileEntry& entry : TRY(env_.files().List(directory_ + "/" + place.folder))) {
            if (entry.is_directory || entry.name.starts_with(".")) continue;
            seen += fmt::format("{}/{} {} {}\n", place.folder, entry.name, entry.bytes, ToMicros(entry.modified_at));
        }
    }
    return Sha256Hex(AsBytes(seen));
}

void FolderWorkspace::Validate(LoadedWorkspace& loaded) const {
    std::map<std::pair<std::string, std::string>, std::string> seen;
    for (const Definition& definition : loaded.definitions) {
        auto [place, fresh] = seen.emplace(std::pair(definition.kind, definition.name), definition.file);
        if (!fresh) {
            loaded.issues.push_back({definition.file, 0, 0,
                                     fmt::format("defines the {} {} that {} defines already", definition.kind,
                                                 definition.name, place->second)});
        }
    }
    for (const Kind& kind : kinds_) {
        if (kind.validate) kind.validate(loaded.definitions, loaded.issues);
    }
    std::stable_sort(loaded.issues.begin(), loaded.issues.end(), [](const ConfigIssue& left, const ConfigIssue& right) {
        return std::tie(left.file, left.line, left.column) < std::tie(right.file, right.line, right.column);
    });
}

Result<LoadedWorkspace> FolderWorkspace::LoadFrom(const std::string& directory) {
    LoadedWorkspace loaded;
    for (const Place& place : TRY(PlacesIn(directory))) TRY(LoadFilesIn(directory, place, loaded));
    std::sort(loaded.definitions.begin(), loaded.definitions.end(),
              [](const Definition& left, const Definition& right) { return left.file < right.file; });
    Validate(loaded);
    return loaded;
}

Result<std::vector<FolderWorkspace::StoredFile>> FolderWorkspace::Stored() {
    std::vector<StoredFile> stored;
    auto rows = TRY(metadata_.Query("SELECT kind, name, file, hash, text FROM workspace_files ORDER BY file"));
    for (const metadata::Row& row : rows) {
        stored.push_back({row[0].text(), row[1].text(), row[2].text(), row[3].text(), row[4].text()});
    }
    return stored;
}

Result<std::string> FolderWorkspace::AppliedOrigin() {
    auto rows = TRY(metadata_.Query("SELECT origin FROM workspace_origin"));
    return rows.empty() ? std::string() : rows[0][0].text();
}

Result<Plan> FolderWorkspace::MakePlan(const LoadedWorkspace& loaded) {
    std::map<std::pair<std::string, std::string>, StoredFile> before;
    for (StoredFile& file : TRY(Stored())) before.emplace(std::pair(file.kind, file.name), file);
    Plan plan;
    plan.issues = loaded.issues;
    for (const Definition& definition : loaded.definitions) {
        auto found = before.find({definition.kind, definition.name});
        if (found == before.end()) {
            plan.steps.push_back({"add", definition.kind, definition.name, definition.file});
            continue;
        }
        if (found->second.hash != definition.hash || found->second.file != definition.file) {
            plan.steps.push_back({"change", definition.kind, definition.name, definition.file});
        }
        before.erase(found);
    }
    for (const auto& [key, file] : before) plan.steps.push_back({"remove", key.first, key.second, file.file});
    return plan;
}

Result<Plan> FolderWorkspace::Apply(const security::Principal& principal, const LoadedWorkspace& loaded) {
    std::lock_guard apply_lock(apply_mutex_);
    if (!loaded.issues.empty()) {
        return Error(ErrorCode::kInvalidArgument, "{}", FormatIssues(loaded.issues))
            .WithHint("nothing was applied; mend these and apply again");
    }
    Plan plan = TRY(MakePlan(loaded));
    std::string now = FormatTime(env_.clock().Now());
    TRY(metadata_.Write([&](metadata::Transaction& transaction) -> Status {
        TRY(transaction.Execute("DELETE FROM workspace_files"));
        for (const Definition& definition : loaded.definitions) {
            TRY(transaction.Execute(
                "INSERT INTO workspace_files (kind, name, file, hash, text) VALUES ($1, $2, $3, $4, $5)",
                {definition.kind, definition.name, definition.file, definition.hash, definition.text}));
        }
        TRY(transaction.Execute("INSERT INTO workspace_applied (applied_at, principal, steps) VALUES ($1, $2, $3)",
                                {now, principal.Id(), static_cast<int64_t>(plan.steps.size())}));
        TRY(transaction.Execute("DELETE FROM workspace_origin"));
        TRY(transaction.Execute("INSERT INTO workspace_origin (origin) VALUES ($1)", {loaded.origin}));
        return Ok();
    }));
    log_.Info("workspace applied",
              {{"steps", plan.steps.size()}, {"principal", principal.Id()}, {"origin", loaded.origin}});
    TRY(Activate(loaded.definitions));
    return plan;
}

Status FolderWorkspace::Activate(std::vector<Definition> definitions) {
    for (const Kind& kind : kinds_) {
        if (kind.activate) TRY_CONTEXT(kind.activate(definitions), "activating " + kind.name);
    }
    std::lock_guard lock(mutex_);
    applied_ = std::move(definitions);
    return Ok();
}

Status FolderWorkspace::ActivateApplied() {
    std::lock_guard apply_lock(apply_mutex_);
    LoadedWorkspace loaded;
    for (StoredFile& file : TRY(Stored())) {
        auto kind = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& k) { return k.name == file.kind; });
        if (kind == kinds_.end()) continue;
        Definition definition{file.kind, file.name, file.file, file.text, file.hash, {}, {}, {}, {}};
        Parse(*kind, definition, loaded.issues);
        loaded.definitions.push_back(std::move(definition));
    }
    Validate(loaded);
    if (!loaded.issues.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "the applied workspace can't be read by this version:\n{}",
                     FormatIssues(loaded.issues));
    }
    return Activate(std::move(loaded.definitions));
}

}  // namespace

bool TestOptions::Wants(const std::string& name) const {
    if (pattern.empty() || MatchesWildcard(pattern, name)) return true;
    return MatchesWildcard(pattern, std::string_view(name).substr(0, name.find(": ")));
}

Result<std::unique_ptr<Workspace>> Workspace::Create(std::string directory, WorkspaceDependencies dependencies) {
    TRY(dependencies.metadata.Migrate(
        "workspace", {{1,
                       "CREATE TABLE workspace_files (kind TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL, "
                       "hash TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (kind, name));"
                       "CREATE TABLE workspace_applied (applied_at TEXT NOT NULL, principal TEXT NOT NULL, "
                       "steps INTEGER NOT NULL)"},
                      {2, "CREATE TABLE workspace_origin (origin TEXT NOT NULL)"}}));
    return std::unique_ptr<Workspace>(new FolderWorkspace(std::move(directory), dependencies));
}

}  // namespace tarn::workspace
