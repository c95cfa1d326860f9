#include "workspace/workspace.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/crypto.h"
#include "base/text.h"
#include "workspace/rename_store.h"

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
          log_(dependencies.log),
          homes_(dependencies.homes ? *dependencies.homes : own_homes_) {}

    Status Start();
    void Register(Kind kind) override { kinds_.push_back(std::move(kind)); }
    void OnRename(RenameFollower follower) override { followers_.push_back(std::move(follower)); }
    void CheckRenames(std::function<void(const LoadedWorkspace& loaded, Issues& issues)> check) override {
        rename_check_ = std::move(check);
    }
    const Homes& homes() const override { return homes_; }
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
    using StoredFiles = std::map<KindAndName, StoredFile>;
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
    Result<StoredFiles> Stored();
    Status Activate(std::vector<Definition> definitions);
    const Kind* KindNamed(const std::string& name) const;
    // What is renamed, and which hashes stay as they were.
    Status ResolveRenames(LoadedWorkspace& loaded);
    Result<RenameWorld> WorldOf(const LoadedWorkspace& loaded, const StoredFiles& stored);
    void KeepHashes(const StoredFiles& stored, LoadedWorkspace& loaded) const;
    Result<int64_t> AppliesSoFar();
    // Stores the set, and what its renames carry over with it.
    Status Store(const security::Principal& principal, const LoadedWorkspace& loaded, const Plan& plan);
    Status StoreAndRename(const security::Principal& principal, const LoadedWorkspace& loaded, const Plan& plan);

    std::string directory_;
    Env& env_;
    metadata::Database& metadata_;
    Log& log_;
    Homes own_homes_;
    Homes& homes_;
    std::vector<Kind> kinds_;
    std::vector<RenameFollower> followers_;
    std::function<void(const LoadedWorkspace& loaded, Issues& issues)> rename_check_;
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
    TRY(ResolveRenames(loaded));
    bool judged = loaded.issues.empty() && !loaded.renames.empty();  // what is wrong already would be told twice
    if (rename_check_ && judged) rename_check_(loaded, loaded.issues);
    Validate(loaded);
    return loaded;
}

Result<FolderWorkspace::StoredFiles> FolderWorkspace::Stored() {
    StoredFiles stored;
    auto rows = TRY(metadata_.Query("SELECT kind, name, file, hash, text FROM workspace_files"));
    for (const metadata::Row& row : rows) {
        stored[{row[0].text(), row[1].text()}] = {row[0].text(), row[1].text(), row[2].text(), row[3].text(),
                                                  row[4].text()};
    }
    return stored;
}

const Kind* FolderWorkspace::KindNamed(const std::string& name) const {
    auto kind = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& one) { return one.name == name; });
    return kind == kinds_.end() ? nullptr : &*kind;
}

Result<int64_t> FolderWorkspace::AppliesSoFar() {
    return TRY(metadata_.Query("SELECT COUNT(*) FROM workspace_applied"))[0][0].integer();
}

Result<RenameWorld> FolderWorkspace::WorldOf(const LoadedWorkspace& loaded, const StoredFiles& stored) {
    RenameWorld world;
    std::set<std::string> with_parts;
    for (const Definition& definition : loaded.definitions) {
        world.now[{definition.kind, definition.name}] = definition.file;
        for (const KindAndName& part : definition.parts) world.now[part] = definition.file;
        if (!definition.parts.empty()) with_parts.insert(definition.kind);
    }
    for (const auto& [what, file] : stored) {
        world.before.insert(what);
        const Kind* kind = with_parts.contains(what.first) ? KindNamed(what.first) : nullptr;
        if (!kind) continue;
        Definition before;
        before.kind = file.kind, before.name = file.name, before.file = file.file;
        before.text = file.text, before.hash = file.hash;
        Issues unused;  // it was applied
        kind->parse(before, unused);
        world.before.insert(before.parts.begin(), before.parts.end());
    }
    world.done = TRY(LoadRenames(metadata_)).done;
    return world;
}

void FolderWorkspace::KeepHashes(const StoredFiles& stored, LoadedWorkspace& loaded) const {
    NewNames names(loaded.renames);
    std::map<KindAndName, std::string> old_names;
    for (const Rename& rename : loaded.renames) old_names[{rename.kind, rename.to}] = rename.from;
    for (Definition& definition : loaded.definitions) {
        auto renamed = old_names.find({definition.kind, definition.name});
        auto before = stored.find({definition.kind, renamed == old_names.end() ? definition.name : renamed->second});
        if (before == stored.end() || before->second.hash == definition.hash) continue;
        const StoredFile& file = before->second;
        bool may_differ = !names.empty() || definition.text.find("renamed_from") != std::string::npos ||
                          file.text.find("renamed_from") != std::string::npos;
        bool same = file.text == definition.text ||
                    (may_differ && SameButForNames({file.name, file.text}, {definition.name, definition.text}, names));
        if (!same) continue;
        definition.hash = file.hash;
        // Parsers keep the hash in what they make.
        definition.tags.clear(), definition.parts.clear(), definition.renames.clear();
        Issues told;  // at the first reading
        KindNamed(definition.kind)->parse(definition, told);
    }
}

Status FolderWorkspace::ResolveRenames(LoadedWorkspace& loaded) {
    StoredFiles stored = TRY(Stored());
    loaded.after = TRY(AppliesSoFar());
    Renames asked;
    for (const Definition& definition : loaded.definitions) {
        asked.insert(asked.end(), definition.renames.begin(), definition.renames.end());
    }
    if (!asked.empty()) {
        Judged judged = Judge(asked, TRY(WorldOf(loaded, stored)));
        loaded.renames = std::move(judged.pending);
        loaded.notes = std::move(judged.notes);
        loaded.issues.insert(loaded.issues.end(), judged.issues.begin(), judged.issues.end());
    }
    KeepHashes(stored, loaded);
    return Ok();
}

Result<std::string> FolderWorkspace::AppliedOrigin() {
    auto rows = TRY(metadata_.Query("SELECT origin FROM workspace_origin"));
    return rows.empty() ? std::string() : rows[0][0].text();
}

Result<Plan> FolderWorkspace::MakePlan(const LoadedWorkspace& loaded) {
    StoredFiles before = TRY(Stored());
    Plan plan;
    plan.issues = loaded.issues;
    plan.notes = loaded.notes;
    std::set<KindAndName> renamed;
    for (const Rename& rename : loaded.renames) {
        auto definition =
            std::find_if(loaded.definitions.begin(), loaded.definitions.end(),
                         [&](const Definition& one) { return one.kind == rename.kind && one.name == rename.to; });
        auto old = before.find({rename.kind, rename.from});
        bool same =
            old == before.end() || definition == loaded.definitions.end() || old->second.hash == definition->hash;
        plan.steps.push_back({"rename", rename.kind, rename.to, rename.file, rename.from, same, {}});
        renamed.insert({rename.kind, rename.to});
        if (old != before.end()) before.erase(old);
    }
    for (const Definition& definition : loaded.definitions) {
        if (renamed.contains({definition.kind, definition.name})) continue;
        auto found = before.find({definition.kind, definition.name});
        if (found == before.end()) {
            plan.steps.push_back({"add", definition.kind, definition.name, definition.file, {}, false, {}});
            continue;
        }
        if (found->second.text != definition.text || found->second.file != definition.file) {
            bool same = found->second.hash == definition.hash;
            plan.steps.push_back({"change", definition.kind, definition.name, definition.file, {}, same, {}});
        }
        before.erase(found);
    }
    std::map<std::pair<std::string, std::string>, std::string> gone;  // by kind and text
    for (const auto& [key, file] : before) {
        plan.steps.push_back({"remove", key.first, key.second, file.file, {}, false, {}});
        gone[{key.first, file.text}] = key.second;
    }
    std::map<KindAndName, const Definition*> by_name;
    for (const Definition& definition : loaded.definitions) by_name[{definition.kind, definition.name}] = &definition;
    for (PlanStep& step : plan.steps) {
        if (step.change != "add") continue;
        auto like = gone.find({step.kind, by_name.at({step.kind, step.name})->text});
        if (like != gone.end()) step.like = like->second;
    }
    return plan;
}

Result<Plan> FolderWorkspace::Apply(const security::Principal& principal, const LoadedWorkspace& loaded) {
    std::lock_guard apply_lock(apply_mutex_);
    if (!loaded.issues.empty()) {
        return Error(ErrorCode::kInvalidArgument, "{}", FormatIssues(loaded.issues))
            .WithHint("nothing was applied; mend these and apply again");
    }
    if (!loaded.renames.empty() && TRY(AppliesSoFar()) != loaded.after) {
        return Error(ErrorCode::kConflict, "somebody else applied meanwhile: nothing was applied; apply again");
    }
    Plan plan = TRY(MakePlan(loaded));
    TRY(loaded.renames.empty() ? Store(principal, loaded, plan) : StoreAndRename(principal, loaded, plan));
    log_.Info("workspace applied", {{"steps", plan.steps.size()},
                                    {"renames", loaded.renames.size()},
                                    {"principal", principal.Id()},
                                    {"origin", loaded.origin}});
    TRY(Activate(loaded.definitions));
    // Should it not come so far, the program keeps everybody from what moves until it starts again.
    homes_.SetMoving({});
    return plan;
}

Status FolderWorkspace::StoreAndRename(const security::Principal& principal, const LoadedWorkspace& loaded,
                                       const Plan& plan) {
    std::vector<std::shared_ptr<void>> held;  // scope guards, shared with nobody
    for (const RenameFollower& follower : followers_) {
        if (follower.hold) held.push_back(TRY(follower.hold(loaded.renames)));
    }
    std::set<std::string> moving;
    for (const Rename& rename : loaded.renames) {
        moving.insert({DatasetOf(rename.kind, rename.from), DatasetOf(rename.kind, rename.to)});
    }
    homes_.SetMoving(std::move(moving));
    Status stored = Store(principal, loaded, plan);
    if (!stored.ok()) {
        homes_.SetMoving({});
        return stored;
    }
    StoredRenames renames = TRY(LoadRenames(metadata_));
    homes_.Set(std::move(renames.homes), std::move(renames.renamed));
    for (const RenameFollower& follower : followers_) {
        if (follower.moved) TRY(follower.moved(loaded.renames));
    }
    return Ok();
}

Status FolderWorkspace::Store(const security::Principal& principal, const LoadedWorkspace& loaded, const Plan& plan) {
    std::string now = FormatTime(env_.clock().Now());
    auto homes = HomesAfter(homes_, loaded.renames);
    return metadata_.Write([&](metadata::Transaction& transaction) -> Status {
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
        if (loaded.renames.empty()) return Ok();
        TRY(StoreRenames(transaction, loaded.renames, homes, principal.Id(), now));
        for (const RenameFollower& follower : followers_) TRY(follower.move(loaded.renames, transaction));
        return Ok();
    });
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
    for (const auto& [what, file] : TRY(Stored())) {
        const Kind* kind = KindNamed(file.kind);
        if (!kind) continue;
        Definition definition;
        definition.kind = file.kind, definition.name = file.name, definition.file = file.file;
        definition.text = file.text, definition.hash = file.hash;
        Parse(*kind, definition, loaded.issues);
        loaded.definitions.push_back(std::move(definition));
    }
    std::sort(loaded.definitions.begin(), loaded.definitions.end(),
              [](const Definition& left, const Definition& right) { return left.file < right.file; });
    Validate(loaded);
    if (!loaded.issues.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "the applied workspace can't be read by this version:\n{}",
                     FormatIssues(loaded.issues));
    }
    return Activate(std::move(loaded.definitions));
}

Status FolderWorkspace::Start() {
    StoredRenames renames = TRY(LoadRenames(metadata_));
    homes_.Set(std::move(renames.homes), std::move(renames.renamed));
    return Ok();
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
                      {2, "CREATE TABLE workspace_origin (origin TEXT NOT NULL)"},
                      {3,
                       "CREATE TABLE workspace_homes (name TEXT PRIMARY KEY, home TEXT NOT NULL);"
                       "CREATE TABLE workspace_renames (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, "
                       "old_name TEXT NOT NULL, new_name TEXT NOT NULL, renamed_at TEXT NOT NULL, "
                       "principal TEXT NOT NULL)"}}));
    auto workspace = std::make_unique<FolderWorkspace>(std::move(directory), dependencies);
    TRY(workspace->Start());
    return std::unique_ptr<Workspace>(std::move(workspace));
}

}  // namespace tarn::workspace
