#include "app/git_ref.h"

#include "base/process.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr Duration kGitTimeMax = std::chrono::seconds(60);
constexpr size_t kRefBytesMax = 255;

Result<std::string> Git(const std::string& directory, std::vector<std::string> arguments) {
    // No hooks, no monitor: nothing that a repository says is run.
    std::vector<std::string> command = {
        "git", "-C", directory, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunCommand({.command = command, .environment = {{"GIT_TERMINAL_PROMPT", "0"}}, .directory = directory},
                      kGitTimeMax);
}

Result<std::string> CommitOf(const std::string& directory, const std::string& ref) {
    // A ref that began with '-' would be an option.
    if (ref.size() > kRefBytesMax || ref.starts_with("-") || ref.find_first_of(" \n\r:") != std::string::npos) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is no name of a branch, tag or commit", ref);
    }
    auto commit = Git(directory, {"rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}"});
    if (commit.ok()) return std::string(Trim(*commit));
    auto inside = Git(directory, {"rev-parse", "--git-dir"});
    if (!inside.ok()) {
        return Error(ErrorCode::kInvalidArgument, "the workspace {} is in no Git repository that can be read: {}",
                     directory, inside.error().message());
    }
    return Error(ErrorCode::kInvalidArgument, "Git knows no branch, tag or commit \"{}\" here", ref)
        .WithHint("`git branch -a` and `git tag` list them; a new one of elsewhere comes with `git fetch`");
}

Status Unpack(const std::string& directory, const std::string& commit, const std::string& target) {
    std::string archive = target + ".tar";
    TRY(Git(directory, {"archive", "--format=tar", "--output=" + archive, commit, "."}));
    TRY(RunCommand({.command = {"tar", "-x", "-f", archive, "-C", target, "--no-same-owner"}}, kGitTimeMax));
    return Ok();
}

}  // namespace

Result<workspace::LoadedWorkspace> LoadAt(Components& parts, Env& env, const std::string& ref) {
    if (ref.empty()) return parts.workspace->Load();
    const std::string& directory = parts.workspace->directory();
    std::string commit = TRY(CommitOf(directory, ref));
    std::string target = parts.state->PathOf("tmp/commit-" + env.random().Hex(8));
    TRY(env.files().CreateDirectories(target));
    Status unpacked = Unpack(directory, commit, target);
    Result<workspace::LoadedWorkspace> loaded =
        unpacked.ok() ? parts.workspace->LoadFrom(target) : Result<workspace::LoadedWorkspace>(unpacked.error());
    // What stays behind goes at the next start, with all of tmp/.
    (void)env.files().RemoveTree(target);
    (void)env.files().RemoveTree(target + ".tar");
    TRY(std::move(unpacked));
    if (loaded.ok()) loaded->origin = fmt::format("commit {} ({})", commit.substr(0, 12), ref);
    return loaded;
}

}  // namespace tarn::app
