#include "app/doctor.h"

#include <algorithm>
#include <set>

#include "access/budget/budget.h"
#include "access/encryption/encryption.h"
#include "app/terminal.h"
#include "base/certificate.h"
#include "base/net.h"
#include "base/process_sandbox.h"
#include "base/text.h"
#include "metadata/state_directory.h"

namespace tarn::app {
namespace {

constexpr int kOpenFilesWanted = 4096;
constexpr Duration kExpiryWarning = std::chrono::hours(24 * 21);
constexpr int64_t kYearOfThisProgram = 2025;
constexpr int kOthersMayRead = 077;
const std::set<std::string> kStateNames = {"tarn-state.json",
                                           "tarn.lock",
                                           "keys.json",
                                           "metadata.db",
                                           "metadata.db-wal",
                                           "lake",
                                           "warehouse",
                                           "buffer",
                                           "audit",
                                           "running.json",
                                           "admin.token",
                                           "log",
                                           "tmp",
                                           "restored.json"};

std::string Absolute(const std::string& base, const std::string& path) {
    return path.starts_with("/") ? path : base + "/" + path;
}

void Add(Findings& findings, Severity severity, std::string check, std::string text, std::string meaning = "",
         std::string action = "") {
    findings.push_back({severity, std::move(check), std::move(text), std::move(meaning), std::move(action)});
}

void Good(Findings& findings, std::string check, std::string text) {
    Add(findings, Severity::kGood, std::move(check), std::move(text));
}

// ---- the machine

void ExamineDisk(Env& env, const TarnConfig& config, const std::string& state, Findings& findings) {
    std::string path = state;
    while (!env.files().Exists(path) && FolderOf(path) != path) path = FolderOf(path);
    auto free = env.files().FreeBytes(path);
    if (!free.ok()) {
        return Add(findings, Severity::kWrong, "disk", free.error().message(), "nothing can be stored there",
                   "look at the disk and its mount");
    }
    auto used = access::BytesBelow(env.files(), state);
    access::DiskState disk = access::DiskStateOf(config.budget, used.ok() ? *used : 0, static_cast<int64_t>(*free));
    std::string text =
        fmt::format("{} are left for {}, which takes {}", FormatSize(std::max<int64_t>(disk.left_bytes, 0)), state,
                    FormatSize(disk.used_bytes));
    std::string action = "make room, or move the state to a larger disk (state.directory)";
    if (disk.stops()) {
        return Add(findings, Severity::kWrong, "disk", text,
                   fmt::format("less than budget.disk_stop ({}): writes are refused; on a disk without room for the "
                               "audit record reads too",
                               FormatSize(disk.stop_bytes)),
                   action);
    }
    if (!disk.warns()) return Good(findings, "disk", text);
    Add(findings, Severity::kWarning, "disk", text,
        fmt::format("less than budget.disk_warn ({}); below {} writes are refused", FormatSize(disk.warn_bytes),
                    FormatSize(disk.stop_bytes)),
        action);
}

// Files of the state carry times; a clock before them was set back.
void ExamineClock(Env& env, const std::string& state, Findings& findings) {
    Timestamp now = env.clock().Now();
    std::string time = FormatTime(std::chrono::floor<std::chrono::seconds>(now));
    auto entry = env.files().Stat(state + "/metadata.db");
    bool back = entry.ok() && entry->modified_at > now + std::chrono::minutes(5);
    bool unset = time < fmt::format("{}-", kYearOfThisProgram);
    if (!back && !unset) return Good(findings, "clock", "the clock says " + time);
    Add(findings, Severity::kWrong, "clock",
        back ? fmt::format("the clock says {}, the state was written at {}", time, FormatTime(entry->modified_at))
             : "the clock says " + time + ", which is before this program was made",
        "signatures of S3, tokens and schedules go by it", "set the clock (chrony, systemd-timesyncd)");
}

void ExamineLimits(Findings& findings) {
    int64_t files = OpenFilesMax();
    std::string text = fmt::format("{} files may be open at once", files);
    if (files >= kOpenFilesWanted) return Good(findings, "open files", text);
    Add(findings, Severity::kWarning, "open files", text,
        fmt::format("connections and tables need them: {} are wanted", kOpenFilesWanted),
        "raise it: `ulimit -n 65536`, or LimitNOFILE=65536 in the systemd unit");
}

void ExaminePrograms(Findings& findings) {
    for (const auto& [name, what] : {std::pair("python3", "Python"), {"Rscript", "R"}}) {
        std::string path = FindProgram(name);
        bool found = !path.empty();
        Add(findings, found || std::string(name) == "Rscript" ? Severity::kGood : Severity::kWarning, what,
            found ? path : fmt::format("{} is not in PATH", name),
            found ? "" : fmt::format("jobs in {} cannot run; nothing else needs it", what),
            found ? "" : fmt::format("install it if you want such jobs"));
    }
}

void ExamineSandbox(Findings& findings) {
    auto dialer = Dialer::Create();
    auto sandbox = Sandbox::Create({ProgramDirectory() + "/tarn", std::string(kSandboxKeeperWord)}, *dialer, NullLog());
    auto fences = sandbox->Probe();
    if (!fences.ok()) {
        return Add(findings, Severity::kWarning, "sandbox", fences.error().message(),
                   "jobs (python, shell) are refused here; nothing else needs it",
                   fences.error().hint().empty() ? "allow user namespaces: sysctl user.max_user_namespaces=10000"
                                                 : fences.error().hint());
    }
    std::string landlock = fences->landlock > 0 ? fmt::format("Landlock {}", fences->landlock) : "no Landlock";
    Good(findings, "sandbox",
         fmt::format("namespaces and seccomp work, {}{}", landlock,
                     fences->proc ? ", limits over all processes of a job" : ""));
}

// ---- the state directory

void ExamineFormat(Env& env, const std::string& state, Findings& findings) {
    std::string file = state + "/tarn-state.json";
    auto text = ReadFile(env, file, 1 << 20);
    auto json = text.ok() ? ParseJson(*text) : Result<Json>(text.error());
    auto format = json.ok() ? JsonInteger(*json, "format") : Result<int64_t>(json.error());
    if (!format.ok()) {
        return Add(findings, Severity::kWrong, "format", fmt::format("{}: {}", file, format.error().message()),
                   "Tarn does not know whether this is its state, and does not start",
                   "restore a backup; of this file alone the copy in any backup will do");
    }
    if (*format == metadata::StateDirectory::kFormat)
        return Good(findings, "format", fmt::format("format {}", *format));
    bool newer = *format > metadata::StateDirectory::kFormat;
    Add(findings, newer ? Severity::kWrong : Severity::kWarning, "format",
        fmt::format("format {}, this program writes {}", *format, metadata::StateDirectory::kFormat),
        newer ? "a newer Tarn has written it: this one refuses it" : "it is upgraded at the next start",
        newer ? "start the newer Tarn, or restore a backup made before it was used" : "make a backup first");
}

void ExamineLock(Env& env, const std::string& state, bool running, Findings& findings) {
    auto lock = env.files().Lock(state + "/tarn.lock");
    bool held = !lock.ok() && lock.error().code() == ErrorCode::kUnavailable;
    if (held && !running) {
        return Add(findings, Severity::kWrong, "lock", "a Tarn holds the state directory, and none answers",
                   "it hangs, is starting or stopping, or its running.json is gone",
                   "`fuser " + state + "/tarn.lock` names the process; look at " + state + "/log/tarn.log");
    }
    if (!lock.ok() && !held) {
        return Add(findings, Severity::kWrong, "lock", lock.error().message(), "Tarn cannot start",
                   "run it as the user who owns the state directory");
    }
    Good(findings, "lock", held ? "held by the Tarn that runs" : "free");
}

void ExaminePermissions(Env& env, const std::string& state, Findings& findings) {
    std::vector<std::string> open;
    std::vector<std::string> strangers;
    auto entries = env.files().List(state);
    if (!entries.ok()) {
        return Add(findings, Severity::kWrong, "permissions", entries.error().message(), "Tarn cannot start",
                   "run it as the user who owns the state directory");
    }
    auto look = [&](const std::string& name) {
        int mode = FileMode(name.empty() ? state : state + "/" + name);
        if ((mode & kOthersMayRead) != 0) open.push_back(name.empty() ? state : name);
    };
    look("");
    for (const FileEntry& entry : *entries) {
        bool temporary = entry.name.find(".tmp-") != std::string::npos;
        if (!kStateNames.contains(entry.name) && !temporary) strangers.push_back(entry.name);
        if (entry.name == "keys.json" || entry.name == "admin.token" || entry.name.starts_with("metadata")) {
            look(entry.name);
        }
    }
    if (open.empty())
        Good(findings, "permissions", "only its owner can read the state");
    else
        Add(findings, Severity::kWrong, "permissions", "others may read " + Join(open, ", "),
            "admin.token lets who reads it act as admin; the rest is sealed, but nobody else's business",
            "chmod -R go= " + state);
    if (!strangers.empty()) {
        Add(findings, Severity::kWarning, "stray files", Join(strangers, ", ") + " in " + state,
            "Tarn did not make them: not read, not in backups", "move them elsewhere");
    }
    if (env.files().Exists(state + "/" + metadata::kRestoringFile)) {
        Add(findings, Severity::kWrong, "restore", "a restore into " + state + " was cut off", "no Tarn starts there",
            "run `tarn restore` again with the same backup, or empty the folder");
    }
}

void ExamineRootKey(Env& env, const TarnConfig& config, const std::string& state, bool running, Findings& findings) {
    auto identity = ReadFile(env, state + "/tarn-state.json", 1 << 20);
    auto json = identity.ok() ? ParseJson(*identity) : Result<Json>(identity.error());
    auto platform = json.ok() ? JsonString(*json, "platform_id") : Result<std::string>(json.error());
    auto keys = ReadFile(env, state + "/keys.json");
    if (!keys.ok() || !platform.ok()) {
        return Add(findings, Severity::kWrong, "root key",
                   keys.ok() ? platform.error().message() : keys.error().message(), "nothing of the state can be read",
                   "put keys.json and tarn-state.json back from a backup");
    }
    auto file = access::CheckRootKey(env, config.encryption, *platform, *keys);
    // Whoever asks need not have the key: a service's is shown to it alone.
    bool elsewhere = running && !file.ok() && file.error().code() == ErrorCode::kFailedPrecondition;
    if (elsewhere) return Good(findings, "root key", "the Tarn that runs has it");
    if (!file.ok()) {
        return Add(findings, Severity::kWrong, "root key", file.error().message(), "nothing of the state can be read",
                   file.error().hint());
    }
    if (file->starts_with(state + "/")) {
        Add(findings, Severity::kWrong, "root key", *file + " lies in the state directory",
            "who has a copy of the directory can read everything",
            "move it elsewhere and name it in TARN_ROOT_KEY_FILE");
    } else if ((FileMode(*file) & kOthersMayRead) != 0) {
        Add(findings, Severity::kWrong, "root key", fmt::format("others may read {}", *file),
            "who has it and the state directory has everything", "chmod 600 " + *file);
    } else {
        Good(findings, "root key", *file + " opens keys.json");
    }
}

}  // namespace

void ExamineMachine(Env& env, const TarnConfig& config, const std::string& state, Findings& findings) {
    ExamineDisk(env, config, state, findings);
    ExamineClock(env, state, findings);
    ExamineLimits(findings);
    ExaminePrograms(findings);
    ExamineSandbox(findings);
}

void ExamineState(Env& env, const TarnConfig& config, const std::string& state, bool running, Findings& findings) {
    if (!env.files().Exists(state)) return Good(findings, "state", state + " is yet to be made: `tarn up`");
    Good(findings, "state", state);
    ExaminePermissions(env, state, findings);
    if (!env.files().Exists(state + "/tarn-state.json")) return;
    ExamineFormat(env, state, findings);
    ExamineLock(env, state, running, findings);
    ExamineRootKey(env, config, state, running, findings);
}

void ExamineCertificate(Env& env, const TarnConfig& config, const std::string& workspace, Findings& findings) {
    const TlsConfig& tls = config.tls;
    if (tls.certificate.empty() && tls.key.empty()) return;
    constexpr const char* kMeaning = "listeners off loopback cannot start; clients do not trust what runs";
    auto wrong = [&](const Error& error) {
        Add(findings, Severity::kWrong, "certificate", error.message(), kMeaning,
            error.hint().empty() ? "put the right PEM files where tls.certificate and tls.key say" : error.hint());
    };
    if (tls.certificate.empty() || tls.key.empty()) {
        return wrong(Error(ErrorCode::kInvalidArgument, "tls needs both `certificate` and `key`"));
    }
    auto certificate = ReadFile(env, Absolute(workspace, tls.certificate), 1 << 20);
    if (!certificate.ok()) return wrong(certificate.error());
    auto key = ReadFile(env, Absolute(workspace, tls.key), 1 << 20);
    if (!key.ok()) return wrong(key.error());
    auto fits = TlsContext::Server(*certificate, *key);
    if (!fits.ok()) return wrong(fits.error());
    auto info = ReadCertificate(*certificate);
    if (!info.ok()) return wrong(info.error());
    std::string text =
        fmt::format("{} for {} until {}", tls.certificate, Join(info->hosts, ", "), FormatTime(info->valid_until));
    Timestamp now = env.clock().Now();
    if (now > info->valid_until || now < info->valid_from) {
        Add(findings, Severity::kWrong, "certificate",
            text + (now > info->valid_until ? " has expired" : " is not valid yet"), "clients refuse it",
            "renew it; the running Tarn takes the new files by itself");
    } else if (now + kExpiryWarning > info->valid_until) {
        Add(findings, Severity::kWarning, "certificate", text + " expires soon", "then clients refuse it",
            "renew it; the running Tarn takes the new files by itself");
    } else {
        Good(findings, "certificate", text);
    }
    for (const std::string& host : config.hosts) {
        if (std::find(info->hosts.begin(), info->hosts.end(), host) != info->hosts.end()) continue;
        bool wild = std::any_of(info->hosts.begin(), info->hosts.end(), [&](const std::string& name) {
            return name.starts_with("*.") && host.find('.') != std::string::npos &&
                   host.substr(host.find('.')) == name.substr(1);
        });
        if (wild) continue;
        Add(findings, Severity::kWrong, "certificate", fmt::format("{} is not for {}", tls.certificate, host),
            "browsers refuse it under that name of `hosts`", "get one that names it, or take it out of `hosts`");
    }
}

Json FindingsJson(const Findings& findings) {
    constexpr const char* kNames[] = {"good", "warning", "wrong"};
    Json list = Json::array();
    for (const Finding& finding : findings) {
        list.push_back({{"severity", kNames[static_cast<int>(finding.severity)]},
                        {"good", finding.severity != Severity::kWrong},
                        {"check", finding.check},
                        {"text", finding.text},
                        {"meaning", finding.meaning},
                        {"action", finding.action}});
    }
    return list;
}

Finding FindingOf(const Json& json) {
    std::string name = json.value("severity", "wrong");
    Severity severity = name == "good" ? Severity::kGood : name == "warning" ? Severity::kWarning : Severity::kWrong;
    return {severity, json.value("check", ""), json.value("text", ""), json.value("meaning", ""),
            json.value("action", "")};
}

}  // namespace tarn::app
