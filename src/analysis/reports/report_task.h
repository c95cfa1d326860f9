// The task that makes a report by a schedule and waits until its mail is sent. Internal to the component.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "analysis/reports/making.h"

namespace tarn::reports {

struct ScheduledReport {
    dashboards::DashboardDefinition dashboard;
    dashboards::Report report;
    std::string Dashboard() const { return dashboard.use_case + "." + dashboard.name; }
    std::string Name() const { return Dashboard() + "." + report.name; }
    std::string Task() const { return "report:" + Name(); }
};
std::vector<ScheduledReport> ReportsOf(const std::vector<workspace::Definition>& all);

class ReportTask : public orchestrator::TaskKind {
  public:
    explicit ReportTask(const ReportsDependencies& dependencies) : dependencies_(dependencies) {}
    void Set(std::vector<ScheduledReport> reports);
    Result<orchestrator::TaskOutcome> Run(orchestrator::TaskRun& run) override;
    Result<bool> HasNew(const orchestrator::TaskSpec&) override { return false; }
    Result<std::string> CurrentVersion(const orchestrator::TaskSpec&) override { return std::string(); }

  private:
    Result<ScheduledReport> Find(const std::string& task) const;
    // Makes it as its person and leaves it to the mailer.
    Status MakeMail(const ScheduledReport& scheduled, const std::string& id, orchestrator::TaskRun& run);

    const ReportsDependencies& dependencies_;
    mutable std::mutex mutex_;  // guards reports_
    std::vector<ScheduledReport> reports_;
};

// The words of the mail.
ReportMail MailOf(const ScheduledReport& scheduled, MadeReport made, const std::string& id, const std::string& run);

}  // namespace tarn::reports
