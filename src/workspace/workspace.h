// Workspace: the folder of text files that is the platform. Reads, validates, plans and applies definitions.
//
// Each component registers the kinds of files it owns; this component knows none of them. A folder is read whole; all
// issues are reported with file and line; only a folder without issues can be applied. The applied set is kept in
// metadata (text and hash of every file), is what the platform runs, and changes in one step.
// Who: constructed by app, kinds are registered before the first Load. Threads: any; Apply one at a time.
// State: tables `workspace_*` in metadata. Never writes into the user's folder.
//
//   workspace.Register({.name = "source", .folder = "sources", .suffix = ".yaml", .parse = ParseSource, ...});
//   auto loaded = TRY(workspace.Load());           // the folder as it is now, with issues
//   auto plan = workspace.MakePlan(loaded);        // against what is applied
//   TRY(workspace.Apply(principal, loaded));
#pragma once

#include <any>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/env.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/result.h"
#include "metadata/metadata.h"
#include "security/principal.h"
#include "workspace/homes.h"
#include "workspace/rename.h"

namespace tarn::workspace {

// One thing that a file defines: a source with its streams, a table, a dashboard, a policy file.
struct Definition {
    std::string kind;   // "source", "table", "dashboard", "policy" ...
    std::string name;   // "registry", "delays.flights", "delays.delays", "analysts"
    std::string file;   // relative to the workspace, with '/'
    std::string text;   // the file's content
    // SHA-256 of the text, hex. While only names that were renamed change in the text, it stays that of the first one:
    // what goes by it has nothing to do anew.
    std::string hash;
    std::string description;
    std::string owner;
    std::vector<std::string> tags;
    std::vector<KindAndName> parts;  // what it defines besides itself and can be renamed: ("stream", "registry.planes")
    Renames renames;  // that it asks for
    std::any value;  // what the kind's parser made; its owner casts it back with std::any_cast
};

using Issues = std::vector<ConfigIssue>;

struct TestOptions {
    std::string pattern;  // a glob of names ("delays.flights", "analysts: *"); empty: all
    int64_t sample_rows = 10000;  // of each table's result that its checks are asked about; 0: all
    CancelToken cancel;
    bool Wants(const std::string& name) const;  // the pattern is that of the name or of what stands before ": "
};
struct TestResult {
    std::string kind;  // "table", "sample", "policy"
    std::string name;  // "delays.flights: an unknown plane stays"
    std::string file;
    int line = 0;
    std::string state;  // "passed", "failed", "skipped"
    std::string message;  // why it failed or was skipped; warnings
};

// A kind of file. `folder` is "sources", or "use_cases/*" for one level of use cases; a definition's name is the file's
// without the suffix, below a use case "<use_case>.<name>". A suffix without '.' in front is a whole file name.
struct Kind {
    std::string name;
    std::string folder;
    std::string suffix;  // ".sql" but not ".stream.sql": the longest suffix of all kinds that fits wins
    std::string description;
    // Fills value, description, owner, tags; adds what is wrong to `issues`.
    std::function<void(Definition& definition, Issues& issues)> parse;
    // After all files are parsed: names that are unknown, circles.
    std::function<void(const std::vector<Definition>& all, Issues& issues)> validate;
    // Makes a new applied set the running one. Called at start too. Order of registration.
    std::function<Status(const std::vector<Definition>& all)> activate;
    // Proves definitions that are not applied yet, under the principal's rights; nothing is written. May be empty.
    std::function<Result<std::vector<TestResult>>(const security::Principal& principal,
                                                  const std::vector<Definition>& all, const TestOptions& options)>
        test;
    std::vector<ConfigKeyDoc> keys;  // for the reference
};

struct LoadedWorkspace {
    std::vector<Definition> definitions;  // sorted by file
    Issues issues;
    std::string origin;  // "commit 1a2b3c4... (main)"; empty: the folder
    Renames renames;  // that an apply does
    std::vector<std::string> notes;
    int64_t after = 0;  // the number of the apply that these renames follow
};

struct PlanStep {
    std::string change;  // "add", "change", "remove", "rename"
    std::string kind;
    std::string name;
    std::string file;
    std::string from;  // of a rename
    bool same = false;  // of a rename or change: but for names the file says the same as before
    std::string like;  // of an addition: what is removed says the same, so it may be a rename that nobody said
};
struct Plan {
    std::vector<PlanStep> steps;
    std::vector<std::string> notes;
    Issues issues;
};

// Who keeps something under names, and carries it over to new ones. `hold` comes first and may refuse; what it returns
// is let go after `moved`, or when nothing came of it. `move` changes rows in the very transaction that stores the
// applied set, `moved` what is in memory.
struct RenameFollower {
    std::function<Result<std::shared_ptr<void>>(const Renames& renames)> hold;  // may be empty
    std::function<Status(const Renames& renames, metadata::Transaction& transaction)> move;
    std::function<Status(const Renames& renames)> moved;  // may be empty
};

struct WorkspaceDependencies {
    Env& env;
    metadata::Database& metadata;
    Log& log;
    Homes* homes = nullptr;  // set here; none: one of its own
};

class Workspace {
  public:
    static Result<std::unique_ptr<Workspace>> Create(std::string directory, WorkspaceDependencies dependencies);
    virtual ~Workspace() = default;
    virtual void Register(Kind kind) = 0;
    // Before the first Load. A check finds what a rename would open, or leave behind under the old name.
    virtual void OnRename(RenameFollower follower) = 0;
    virtual void CheckRenames(std::function<void(const LoadedWorkspace& loaded, Issues& issues)> check) = 0;
    virtual const Homes& homes() const = 0;
    // The folder as it is now, or another one that stands for it (a checkout). An unreadable folder is an error;
    // anything wrong in it is an issue.
    virtual Result<LoadedWorkspace> Load() = 0;
    virtual Result<LoadedWorkspace> LoadFrom(const std::string& directory) = 0;
    // Differs when a file came, went or changed its size or time: for those who watch the folder.
    virtual Result<std::string> Signature() = 0;
    virtual Result<Plan> MakePlan(const LoadedWorkspace& loaded) = 0;
    // Stores the set and activates every kind. kInvalidArgument with all issues, then nothing has changed.
    virtual Result<Plan> Apply(const security::Principal& principal, const LoadedWorkspace& loaded) = 0;
    // What was applied last, parsed again; activates it. For the start of the program.
    virtual Status ActivateApplied() = 0;
    virtual std::vector<Definition> Applied() const = 0;
    // The origin of what was applied last; empty: the folder, or nothing yet.
    virtual Result<std::string> AppliedOrigin() = 0;
    virtual const std::vector<Kind>& kinds() const = 0;
    virtual const std::string& directory() const = 0;
};

// A name that may stand for a source, use case or table: lower-case letters, digits, '_', not reserved, <= 63 bytes.
Status CheckName(std::string_view what, std::string_view name);
// The YAML in a leading `/* tarn ... */` of a SQL file and the SQL after it, with the lines they start at.
struct SqlFile {
    std::string header;
    int header_line = 1;
    std::string sql;
    int sql_line = 1;
    size_t sql_offset = 0;
};
Result<SqlFile> SplitSqlFile(std::string_view text);

}  // namespace tarn::workspace
