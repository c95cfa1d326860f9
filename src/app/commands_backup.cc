// backup and restore: a running platform makes its own backups; reading and restoring them needs none.
#include <iostream>

#include "access/backup/backup.h"
#include "access/backup/restore.h"
#include "app/client.h"
#include "app/command.h"
#include "app/config.h"
#include "app/output.h"
#include "app/platform.h"
#include "app/terminal.h"
#include "base/number.h"

namespace tarn::app {
namespace {

using access::BackupStore;

Result<std::optional<int>> KeepOf(const Invocation& call) {
    auto text = call.Find("--keep");
    if (!text) return std::optional<int>();
    auto keep = ParseInteger(*text);
    if (!keep || *keep < 0 || *keep > 1'000'000) {
        return Error(ErrorCode::kInvalidArgument, "--keep {} is no number of backups", *text);
    }
    return std::optional(static_cast<int>(*keep));
}

// What was typed, or what tarn.yaml says.
Result<std::string> PlaceOf(const Invocation& call, const std::string& typed) {
    if (typed.find("://") != std::string::npos) return typed;
    if (!typed.empty()) return AbsolutePath(typed);
    std::string directory = WorkspaceDirectory(call);
    std::string place = TRY(ReadTarnConfig(call.env(), directory)).backup.to;
    if (!place.empty()) return place.starts_with("/") ? place : directory + "/" + place;
    return Error(ErrorCode::kInvalidArgument, "there is no place for backups")
        .WithHint("name a folder, or set backup.to in tarn.yaml");
}

Status ShowMade(const Invocation& call, const Json& made) {
    if (call.json()) {
        std::cout << DumpJson(made, 2) << "\n";
        return Ok();
    }
    std::cout << fmt::format(
        "backup {} in {}: {} of {} files, {} copied anew, {:.1f} s\n", made.value("name", ""), made.value("place", ""),
        FormatSize(made.value("bytes", int64_t{0})), GroupDigits(made.value("files", int64_t{0})),
        FormatSize(made.value("bytes_new", int64_t{0})), static_cast<double>(made.value("took_us", int64_t{0})) / 1e6);
    int64_t missing = made.value("missing", int64_t{0});
    if (missing > 0) std::cout << missing << " stored files were missing already: `tarn verify` names their objects\n";
    return Ok();
}

Status MakeBackup(const Invocation& call, const std::string& typed) {
    std::string place = TRY(PlaceOf(call, typed));
    std::optional<int> keep = TRY(KeepOf(call));
    Result<Client> client = Client::Find(call);
    if (client.ok()) {
        Json order{{"to", place}};
        if (keep) order["keep"] = *keep;
        Result<Json> made = client->Post("/api/v1/backups", order);
        bool stopped = !made.ok() && made.error().code() == ErrorCode::kUnavailable;
        if (!stopped) return ShowMade(call, TRY(std::move(made)));
    }
    std::string directory = WorkspaceDirectory(call);
    std::string path = TRY(StateDirectoryOf(call.env(), directory));
    if (!call.env().files().Exists(path + "/tarn-state.json")) {
        return Error(ErrorCode::kNotFound, "there is no state of a platform in {}", path)
            .WithHint("name the workspace with --dir");
    }
    auto state = TRY(metadata::StateDirectory::Open(call.env(), path));
    access::BackupOutcome made = TRY(access::BackUpStopped(call.env(), *state, kVersion, {.to = place, .keep = keep}));
    return ShowMade(call, access::OutcomeJson(made));
}

Status ShowBackups(const Invocation& call, const std::string& typed) {
    auto store = TRY(BackupStore::Open(call.env(), TRY(PlaceOf(call, typed))));
    std::vector<access::BackupSummary> backups = TRY(access::ListBackups(*store));
    if (call.json()) {
        Json list = Json::array();
        for (const access::BackupSummary& backup : backups) list.push_back(access::SummaryAsJson(backup));
        std::cout << DumpJson(list, 2) << "\n";
        return Ok();
    }
    if (backups.empty()) std::cout << "no backup is in " << store->place() << "\n";
    for (const access::BackupSummary& backup : backups) {
        std::cout << fmt::format("{}  of {}  {:>10}  {:>10} new  {:>8} files\n", backup.name, FormatTime(backup.at),
                                 FormatSize(static_cast<int64_t>(backup.bytes)),
                                 FormatSize(static_cast<int64_t>(backup.bytes_new)), backup.files);
    }
    return Ok();
}

Status VerifyBackups(const Invocation& call, const std::string& typed) {
    auto store = TRY(BackupStore::Open(call.env(), TRY(PlaceOf(call, typed))));
    access::BackupCheck check = TRY(access::CheckBackups(*store, call.Get("--name")));
    if (check.backups == 0) {
        return Error(ErrorCode::kNotFound, "no backup is in {}", store->place())
            .WithHint("name the folder that `tarn backup` was given");
    }
    if (call.json()) {
        std::cout << DumpJson({{"backups", check.backups},
                               {"chunks", check.chunks},
                               {"bytes", check.bytes},
                               {"issues", check.issues}},
                              2)
                  << "\n";
        return check.issues.empty() ? Ok() : Status(AlreadyTold(ErrorCode::kCorruption));
    }
    for (const std::string& issue : check.issues) std::cout << "WRONG " << issue << "\n";
    std::cout << fmt::format("{} backups, {} read back\n", check.backups,
                             FormatSize(static_cast<int64_t>(check.bytes)));
    if (check.issues.empty()) return Ok();
    return Error(ErrorCode::kCorruption, "{} issues were found", check.issues.size())
        .WithHint("remove a damaged chunk's file: the next backup copies it again, if the state still has it");
}

Status RunBackup(const Invocation& call) {
    std::string what = call.Get("WHAT");
    std::string place = call.Get("PLACE");
    if (what == "ls") return ShowBackups(call, place);
    if (what == "verify") return VerifyBackups(call, place);
    if (place.empty()) return MakeBackup(call, what);
    return Error(ErrorCode::kInvalidArgument, "\"{}\" is neither `ls` nor `verify`", what)
        .WithHint("`tarn backup PLACE` makes one, `tarn backup ls PLACE` shows them");
}

Status RunRestore(const Invocation& call) {
    Env& env = call.env();
    auto store = TRY(BackupStore::Open(env, TRY(PlaceOf(call, call.Get("PLACE")))));
    access::RestoreOrder order;
    order.folder = AbsolutePath(call.Get("STATE"));
    order.name = call.Get("--name");
    if (auto at = call.Find("--at")) order.at = TRY_CONTEXT(ParseTime(*at), "--at");
    order.state_format_max = metadata::StateDirectory::kFormat;
    if (auto key = call.Find("--root-key")) order.encryption.root_key_file = AbsolutePath(*key);
    access::RestoreOutcome outcome = TRY(access::RestoreBackup(env, *store, order));
    if (call.json()) {
        Json json = access::SummaryAsJson(outcome.backup);
        json["state"] = order.folder;
        json["root_key_file"] = outcome.root_key_file;
        std::cout << DumpJson(json, 2) << "\n";
        return Ok();
    }
    std::cout << fmt::format("{} holds the platform as it was at {} ({}, {} files)\n", order.folder,
                             FormatTime(outcome.backup.at), FormatSize(static_cast<int64_t>(outcome.backup.bytes)),
                             GroupDigits(static_cast<int64_t>(outcome.backup.files)))
              << "its root key is " << outcome.root_key_file << "\n"
              << "next: the workspace's files beside it (from Git), then `tarn up`, `tarn verify`\n";
    return Ok();
}

}  // namespace

std::vector<Command> BackupCommands() {
    return {
        {.name = "backup",
         .summary = "Copies all state to another place: incremental, of one instant, encrypted, while Tarn runs.",
         .details =
             "The Tarn that runs here makes it; when none runs, the files are copied as they are. Only what is new\n"
             "is copied. Neither way needs the root key, and without it a backup is of no use: keep a copy of the\n"
             "key elsewhere. `tarn backup ls [PLACE]` shows the backups of a place, `tarn backup verify [PLACE]`\n"
             "reads them back. Workspace files are not in it: they belong into Git.",
         .example = "tarn backup /mnt/backups/flights --keep 14",
         .arguments = {{"WHAT", "A folder that is for this platform's backups alone (else backup.to); `ls`; `verify`.",
                        false},
                       {"PLACE", "With `ls` and `verify`: the folder.", false}},
         .options = {{"--keep", "N", "Remove all but the N newest afterwards; 0 keeps all."},
                     {"--name", "BACKUP", "With `verify`: only this one."}},
         .run = RunBackup},
        {.name = "restore",
         .summary = "Makes a state directory out of a backup, proved before it is written.",
         .details =
             "STATE must be empty or new (a restore that was cut off goes on). The root key is looked for at\n"
             "--root-key, $TARN_ROOT_KEY_FILE, or tarn/keys/PLATFORM.key below ~/.config. --at takes the newest\n"
             "backup at or before that time: between two backups there is nothing to go back to.",
         .example = "tarn restore /mnt/backups/flights ./flights/.tarn --at 2026-11-22T12:00:00Z",
         .arguments = {{"PLACE", "The folder of the backups."},
                       {"STATE", "The state directory to make: `.tarn` of the workspace, if tarn.yaml says no other."}},
         .options = {{"--at", "TIME", "The newest backup at or before it; else the newest of all."},
                     {"--name", "BACKUP", "This one."},
                     {"--root-key", "FILE", "Where the root key lies."}},
         .run = RunRestore},
    };
}

}  // namespace tarn::app
