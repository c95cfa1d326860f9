// Reports of dashboards: into the outbox, and out by mail.
#include <algorithm>

#include "access/alerting/channel.h"
#include "access/alerting/service.h"
#include "base/text.h"

namespace tarn::alerting {
namespace {

using security::AuditClass;

Error NoChannel(const std::string& wanted, const std::vector<std::string>& names) {
    std::string there = names.empty() ? "there is none" : "there are " + Join(names, ", ");
    if (!wanted.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "there is no mail channel {}; {}", wanted, there)
            .WithHint("define it under `channels:` of a file in alerts/");
    }
    return Error(ErrorCode::kFailedPrecondition, "a report without `channel` needs exactly one mail channel; {}", there)
        .WithHint("define one under `channels:` of a file in alerts/, or name one");
}

// The channel that is meant by a name, or by none.
Result<std::string> MailChannel(const std::string& wanted, const std::vector<std::string>& names) {
    if (wanted.empty() && names.size() == 1) return names[0];
    if (!wanted.empty() && std::find(names.begin(), names.end(), wanted) != names.end()) return wanted;
    return NoChannel(wanted, names);
}

}  // namespace

constexpr security::Operation kOwnReport = {"internal",  "SendReport",        "dashboard:Send",
                                            "dashboard", AuditClass::kChange, {.body_bytes_max = 0}};

void ValidateReportChannels(const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
    std::vector<std::string> names;
    for (const workspace::Definition& definition : all) {
        const auto* file = std::any_cast<AlertFile>(&definition.value);
        if (!file) continue;
        for (const Channel& channel : file->channels) {
            if (channel.mail) names.push_back(channel.name);
        }
    }
    for (const reports::MailUse& use : reports::MailUsesOf(all)) {
        auto channel = MailChannel(use.channel, names);
        if (channel.ok()) continue;
        const Error& error = channel.error();
        issues.push_back(
            {use.file, use.line, 0, fmt::format("report {}: {}: {}", use.report, error.message(), error.hint())});
    }
}

Status Service::Queue(const reports::ReportMail& mail) {
    std::vector<std::string> names;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [name, channel] : channels_) {
            if (channel.mail) names.push_back(name);
        }
    }
    Message message;
    message.id = mail.id;
    message.channel = TRY(MailChannel(mail.channel, names));
    message.rule = mail.report;
    message.content = {{"id", mail.id},         {"status", kReportStatus}, {"dashboard", mail.dashboard},
                       {"person", mail.person}, {"to", mail.to},           {"subject", mail.subject},
                       {"text", mail.text}};
    message.created_at = env_.clock().Now();
    message.next_at = message.created_at;
    std::vector<Attachment> attachments;
    for (const reports::ReportFile& file : mail.files) attachments.push_back({file.name, file.type, file.bytes});
    TRY(store_.Add(message, attachments));
    {
        std::lock_guard lock(mutex_);
        ++waiting_count_;
    }
    WakeSender();
    return Ok();
}

Result<std::optional<reports::MailState>> Service::StateOf(const std::string& id) {
    auto message = TRY(store_.FindMessage(id));
    if (!message) return std::optional<reports::MailState>();
    return std::optional<reports::MailState>({message->state, message->error, message->attempts, message->created_at});
}

Status Service::SendReportAudited(const Channel& channel, const Message& message) {
    const Json& content = message.content;
    security::Opening opening{.details = {{"channel", channel.name},
                                          {"message", message.id},
                                          {"report", message.rule},
                                          {"as", content.value("person", "")},
                                          {"to", content.value("to", Json::array())}},
                              .tell = nullptr};
    return dependencies_.dispatcher.Run(
        kOwnReport, Principal::System("alerting"), {"dashboard", content.value("dashboard", "")}, "",
        [&](security::Call& call) -> Status {
            std::vector<Attachment> files = TRY(store_.AttachmentsOf(message.id));
            for (const Attachment& file : files) call.bytes += static_cast<int64_t>(file.bytes.size());
            return SendReport(dependencies_, channel, content, files);
        },
        std::move(opening));
}

}  // namespace tarn::alerting
