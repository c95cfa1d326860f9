#include "analysis/reports/report_task.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/text.h"

namespace tarn::reports {

using orchestrator::TaskOutcome;
using orchestrator::TaskRun;
using orchestrator::TaskSpec;
using security::AuditClass;
using security::Principal;

namespace {

constexpr size_t kIdLetters = 32;
constexpr Duration kLookMin = std::chrono::milliseconds(500);
constexpr Duration kLookMax = std::chrono::seconds(30);
constexpr security::OperationLimits kLimits{.body_bytes_max = 0, .concurrent_max = 1000};
constexpr security::Operation kMake = {"internal",  "MakeReport",        "dashboard:Send",
                                       "dashboard", AuditClass::kChange, kLimits};

// Of one run: a run that is started again after a crash has the same.
std::string MailIdOf(const TaskRun& run) {
    std::string text = fmt::format("{} {} {}", run.spec().id, run.run_id(), ToMicros(run.queued_at()));
    return Sha256Hex(AsBytes(text)).substr(0, kIdLetters);
}

// Looks often at first: a mail mostly leaves at once.
Duration LookAfter(Duration waited) { return std::clamp(waited / 4, kLookMin, kLookMax); }

}  // namespace

security::Operation OwnOperation() { return kMake; }

std::vector<ScheduledReport> ReportsOf(const std::vector<workspace::Definition>& all) {
    std::vector<ScheduledReport> reports;
    for (const workspace::Definition& definition : all) {
        const auto* dashboard = std::any_cast<dashboards::DashboardDefinition>(&definition.value);
        if (!dashboard) continue;
        for (const dashboards::Report& report : dashboard->reports) reports.push_back({*dashboard, report});
    }
    return reports;
}

std::vector<TaskSpec> TasksOf(const std::vector<workspace::Definition>& all) {
    std::vector<TaskSpec> tasks;
    for (const ScheduledReport& scheduled : ReportsOf(all)) {
        TaskSpec spec;
        spec.id = scheduled.Task();
        spec.kind = "report";
        spec.file = scheduled.dashboard.file;
        spec.eager = false;  // an edit sends nothing
        spec.fingerprint = scheduled.dashboard.hash;
        spec.timing = workspace::ResolveTiming(scheduled.report.timing);
        tasks.push_back(std::move(spec));
    }
    return tasks;
}

std::vector<MailUse> MailUsesOf(const std::vector<workspace::Definition>& all) {
    std::vector<MailUse> uses;
    for (const ScheduledReport& scheduled : ReportsOf(all)) {
        const dashboards::Report& report = scheduled.report;
        uses.push_back({scheduled.dashboard.file, report.line, report.name, report.channel});
    }
    return uses;
}

void ReportTask::Set(std::vector<ScheduledReport> reports) {
    std::lock_guard lock(mutex_);
    reports_ = std::move(reports);
}

Result<ScheduledReport> ReportTask::Find(const std::string& task) const {
    std::lock_guard lock(mutex_);
    auto found = std::find_if(reports_.begin(), reports_.end(),
                              [&](const ScheduledReport& scheduled) { return scheduled.Task() == task; });
    if (found != reports_.end()) return *found;
    return Error(ErrorCode::kNotFound, "{} is no longer in the workspace", task);
}

ReportMail MailOf(const ScheduledReport& scheduled, MadeReport made, const std::string& id, const std::string& run) {
    const dashboards::DashboardDefinition& dashboard = scheduled.dashboard;
    ReportMail mail{.id = id,
                    .channel = scheduled.report.channel,
                    .report = scheduled.Name(),
                    .dashboard = scheduled.Dashboard(),
                    .person = scheduled.report.as,
                    .to = scheduled.report.to,
                    .subject = fmt::format("{}, {}", dashboard.title, made.made_at.substr(0, made.made_at.find(' '))),
                    .text = dashboard.title + "\n",
                    .files = std::move(made.files)};
    if (!dashboard.description.empty()) mail.text += dashboard.description + "\n";
    mail.text += fmt::format("\nMade {} for {}, with what they may see.\n", made.made_at, scheduled.report.as);
    for (const Json& chosen : made.chosen) {
        mail.text += fmt::format("{}: {}\n", chosen.value("label", ""), chosen.value("text", ""));
    }
    if (!made.failed.empty()) mail.text += "\nWithout these tiles, which failed:\n";
    for (const std::string& failed : made.failed) mail.text += "- " + failed + "\n";
    mail.text += fmt::format("\nReport {}, run {}\n", scheduled.Name(), run);
    return mail;
}

Status ReportTask::MakeMail(const ScheduledReport& scheduled, const std::string& id, TaskRun& run) {
    const dashboards::Report& report = scheduled.report;
    Principal person = TRY_CONTEXT(dependencies_.person(report.as), "`as` of report " + report.name);
    person.credential = scheduled.Task();
    auto reads = dependencies_.dispatcher.gate().Decide(person, "dashboard:Read", {"dashboard", scheduled.Dashboard()});
    Wanted wanted{.asking = {.principal = person,
                             .dashboard = scheduled.dashboard,
                             .chosen = report.chosen,
                             .cancel = run.cancel()},
                  .format = report.format};
    security::Opening opening{.details = {{"run", run.run_id()},
                                          {"report", report.name},
                                          {"format", report.format},
                                          {"to", report.to},
                                          {"message", id}},
                              .tell = [&](security::Call& call) -> Status {
                                  call.details["statements"] =
                                      TRY(dependencies_.dashboards.StatementsOf(wanted.asking));
                                  return Ok();
                              }};
    return dependencies_.dispatcher.Run(
        kMake, person, {"dashboard", scheduled.Dashboard()}, "",
        [&](security::Call& call) -> Status {
            if (!reads.allowed) {
                return Error(ErrorCode::kPermissionDenied, "{} may not dashboard:Read on {}", person.Id(),
                             scheduled.Dashboard());
            }
            MadeReport made = TRY(Make(dependencies_, wanted, call));
            for (const std::string& failed : made.failed) run.Write("failed: " + failed);
            return dependencies_.mailer.Queue(MailOf(scheduled, std::move(made), id, run.run_id()));
        },
        std::move(opening));
}

Result<TaskOutcome> ReportTask::Run(TaskRun& run) {
    ScheduledReport scheduled = TRY(Find(run.spec().id));
    std::string id = MailIdOf(run);
    auto state = TRY(dependencies_.mailer.StateOf(id));
    if (!state) {
        run.Write(fmt::format("makes {} for {}", scheduled.report.format, scheduled.report.as));
        TRY(MakeMail(scheduled, id, run));
        run.Write("made; its mail is " + id);
        state = TRY(dependencies_.mailer.StateOf(id));
    }
    if (!state) return Error(ErrorCode::kInternal, "the mail {} is not in the outbox", id);
    TaskOutcome outcome;
    outcome.details = {{"message", id}, {"to", scheduled.report.to}, {"format", scheduled.report.format}};
    if (state->state == "failed") {
        return Error(ErrorCode::kFailedPrecondition, "the mail was not sent after {} attempts: {}", state->attempts,
                     state->error);
    }
    if (state->state == "sent") {
        run.Write("sent to " + Join(scheduled.report.to, ", "));
        outcome.changed = true;
        return outcome;
    }
    outcome.again_after = LookAfter(dependencies_.env.clock().Now() - state->created_at);
    outcome.waits_for = state->error.empty() ? "its mail to be sent" : "its mail to be sent: " + state->error;
    return outcome;
}

}  // namespace tarn::reports
