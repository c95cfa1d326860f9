// What the doctor asks the components: of a platform that runs, or that was built to be looked at.
#include <set>

#include "access/budget/budget.h"
#include "app/doctor.h"
#include "app/platform_state.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr uint64_t kAuditBytesMax = 256 << 20;  // a longer log is proved by `tarn verify audit`
constexpr int64_t kTopicBytesMax = 256 << 20;  // likewise by `tarn verify`
constexpr std::string_view kSecretMark = "secret:";

void ExamineMetadata(Components& parts, Findings& findings) {
    Status status = parts.database->CheckIntegrity();
    if (status.ok()) return findings.push_back({Severity::kGood, "metadata", "every page is whole", "", ""});
    findings.push_back({Severity::kWrong, "metadata", status.error().message(),
                        "users, policies, runs or secrets are damaged",
                        "stop Tarn, look at the disk, restore the newest backup"});
}

// Rows name files and the other way round. Nothing is removed while it is looked.
Status CountLake(Components& parts, Env& env, uint64_t& files, uint64_t& missing) {
    auto hold = TRY(parts.lake->Hold([] { return Ok(); }));
    hold->ReleaseIndex();
    for (int number = 0; number < 256; ++number) {
        std::string folder = fmt::format("{:02x}", number);
        std::set<std::string> named;
        TRY(hold->ScanFiles(folder, [&](const std::string& file) { named.insert(file); }));
        files += named.size();
        std::string path = parts.state->PathOf("lake/objects/" + folder);
        if (env.files().Exists(path)) {
            for (const FileEntry& entry : TRY(env.files().List(path))) named.erase(entry.name);
        }
        missing += named.size();
    }
    return Ok();
}

void ExamineLake(Components& parts, Env& env, Findings& findings) {
    uint64_t files = 0;
    uint64_t missing = 0;
    Status counted = CountLake(parts, env, files, missing);
    if (!counted.ok()) {
        return findings.push_back({Severity::kWrong, "lake", counted.error().message(),
                                   "the lake's index cannot be read", "look at the disk, restore the newest backup"});
    }
    if (missing == 0) {
        return findings.push_back(
            {Severity::kGood, "lake", fmt::format("all {} stored files of the index are there", files), "", ""});
    }
    findings.push_back(
        {Severity::kWrong, "lake",
         fmt::format("{} of {} stored files are missing below {}", missing, files, parts.state->PathOf("lake/objects")),
         "the objects and tables that they hold cannot be read",
         "`tarn verify` names them; put the files back from a backup (tarn restore into another folder)"});
}

void ExamineAudit(Components& parts, Env& env, Findings& findings) {
    constexpr const char* kMeaning = "somebody or something changed the log of who did what";
    constexpr const char* kAction = "keep the folder as it is and find out who could write to it; `tarn verify audit`";
    Status health = parts.audit->Health();
    if (!health.ok()) {
        return findings.push_back({Severity::kWrong, "audit", health.error().message(), kMeaning, kAction});
    }
    uint64_t bytes = 0;
    auto entries = env.files().List(parts.state->PathOf("audit"));
    if (entries.ok()) {
        for (const FileEntry& entry : *entries) bytes += entry.bytes;
    }
    if (bytes > kAuditBytesMax) {
        return findings.push_back({Severity::kGood, "audit",
                                   fmt::format("no damage shows; its {} are proved by `tarn verify audit`",
                                               FormatSize(static_cast<int64_t>(bytes))),
                                   "", ""});
    }
    auto report = parts.audit->Verify();
    if (!report.ok()) {
        return findings.push_back({Severity::kWrong, "audit", report.error().message(), kMeaning, kAction});
    }
    if (report->issue_count > 0) {
        return findings.push_back(
            {Severity::kWrong, "audit",
             fmt::format("{} issues, the first: {}", report->issue_count, report->issues.front().message), kMeaning,
             kAction});
    }
    findings.push_back({Severity::kGood, "audit", fmt::format("{} records, none changed", report->records), "", ""});
}

void ExamineTopics(Components& parts, Env& env, Findings& findings) {
    constexpr const char* kMeaning = "who reads these records gets an error there";
    constexpr const char* kAction =
        "look at the disk; stop Tarn and put the segment back from a backup (tarn restore into another folder), or let "
        "its readers go on behind it";
    Status health = parts.buffer->Health();
    if (!health.ok()) {
        return findings.push_back({Severity::kWrong, "buffer", health.error().message(), kMeaning, kAction});
    }
    int64_t bytes = access::BytesBelow(env.files(), parts.state->PathOf("buffer")).value_or(0);
    if (bytes > kTopicBytesMax) {
        return findings.push_back(
            {Severity::kGood, "buffer",
             fmt::format("no damage shows; its {} are proved by `tarn verify`", FormatSize(bytes)), "", ""});
    }
    auto report = parts.buffer->VerifyLog();
    if (!report.ok()) {
        return findings.push_back({Severity::kWrong, "buffer", report.error().message(), kMeaning, kAction});
    }
    if (!report->issues.empty()) {
        std::string more =
            report->issues.size() == 1 ? "" : fmt::format("{} issues, the first: ", report->issues.size());
        return findings.push_back({Severity::kWrong, "buffer", more + report->issues.front(), kMeaning, kAction});
    }
    findings.push_back(
        {Severity::kGood, "buffer", fmt::format("{} batches of records, none damaged", report->batches), "", ""});
}

// Names after "secret:" in a definition; comments may name some too, which harms nothing that is there.
std::set<std::string> SecretsIn(const std::string& text) {
    std::set<std::string> names;
    for (size_t at = text.find(kSecretMark); at != std::string::npos; at = text.find(kSecretMark, at + 1)) {
        size_t begin = at + kSecretMark.size();
        size_t end = begin;
        auto letter = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-' || c == '.'; };
        while (end < text.size() && letter(static_cast<unsigned char>(text[end]))) ++end;
        if (end > begin) names.insert(text.substr(begin, end - begin));
    }
    return names;
}

void ExamineSecrets(Components& parts, Findings& findings) {
    size_t read = 0;
    for (const workspace::Definition& definition : parts.workspace->Applied()) {
        if (!definition.file.ends_with(".yaml")) continue;
        for (const std::string& name : SecretsIn(definition.text)) {
            auto secret = parts.encryption->Get(name);
            if (secret.ok()) {
                ++read;
                continue;
            }
            findings.push_back({Severity::kWrong, "secrets",
                                fmt::format("{}: {}", definition.file, secret.error().message()), "what needs it fails",
                                fmt::format("tarn secret set {}", name)});
        }
    }
    findings.push_back(
        {Severity::kGood, "secrets", fmt::format("{} that the workspace names can be read", read), "", ""});
}

void ExamineBackups(Components& parts, Findings& findings) {
    Status health = parts.backup->Health();
    if (!health.ok()) {
        return findings.push_back({Severity::kWrong, "backup", health.error().message(),
                                   "what happens since the last one is lost with the disk", health.error().hint()});
    }
    auto last = parts.backup->last_success();
    if (last) {
        return findings.push_back({Severity::kGood, "backup", "the newest is of " + FormatTime(*last), "", ""});
    }
    findings.push_back({Severity::kWarning, "backup", "there is none", "with this disk everything is lost",
                        "`tarn backup FOLDER`, and `backup: {to: FOLDER, every: 1d}` in tarn.yaml"});
}

}  // namespace

void ExamineComponents(Components& parts, Env& env, Findings& findings) {
    ExamineMetadata(parts, findings);
    ExamineLake(parts, env, findings);
    ExamineAudit(parts, env, findings);
    ExamineTopics(parts, env, findings);
    ExamineSecrets(parts, findings);
    ExamineBackups(parts, findings);
}

}  // namespace tarn::app
