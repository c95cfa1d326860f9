// Reports: a dashboard as PNG, PDF or csv: made now for who asks, or by a schedule and sent by mail.
//
// Does: asks every tile of a dashboard as one person (analysis/dashboards, so filters and masks hold as on the page),
// draws them with the web UI's own script in a sandbox (draw.h), gives the orchestrator a task for each of a
// dashboard's `reports:` and hands what it makes to the Mailer. Never: shows what the person may not see; runs the
// script in this process; sends anything itself. Who: constructed by app. Threads: any; making blocks. State: none. A
// run's mail has an id of its own, known to the Mailer: what a crash cut is made again and sent under the same id, or
// found there. Fails: a tile that fails says so in its place; a machine without the libraries or fonts says which
// package is missing; a run ends when its mail is sent, and fails when that is given up.
//
//   auto reports = Reports::Create({env, dashboards, engine, {sandbox, programs, script}, ...});
//   router.Add(reports->Routes());
//   orchestrator.RegisterKind("report", reports->AsTaskKind());
//   batch.AddTasks([&](const auto& all) { return reports->Activate(all); });
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/dashboards/dashboards.h"
#include "analysis/reports/mailer.h"
#include "base/process_sandbox.h"
#include "engine/engine.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "security/operation.h"
#include "security/router.h"

namespace tarn::reports {

struct DrawDependencies {
    Sandbox& sandbox;
    std::map<std::string, std::string> programs;  // this program: files of this machine -> names in the sandbox
    std::function<Result<std::string>()> script;  // what draws; kNotSupported where the program has none
};

struct ReportsDependencies {
    Env& env;
    dashboards::Dashboards& dashboards;
    engine::Engine& engine;
    DrawDependencies draw;
    security::Dispatcher& dispatcher;
    orchestrator::Orchestrator& orchestrator;
    Mailer& mailer;
    // A person of that name with the roles of this moment; kNotFound.
    std::function<Result<security::Principal>(const std::string& name)> person;
};

// The tasks of the reports among these definitions, whether they are applied or not.
std::vector<orchestrator::TaskSpec> TasksOf(const std::vector<workspace::Definition>& all);

class Reports {
  public:
    static Result<std::unique_ptr<Reports>> Create(ReportsDependencies dependencies);
    virtual ~Reports() = default;
    virtual orchestrator::TaskKind& AsTaskKind() = 0;
    // Takes the reports of an applied workspace over; their tasks.
    virtual std::vector<orchestrator::TaskSpec> Activate(const std::vector<workspace::Definition>& all) = 0;
    // Below /api/v1/dashboards; docs/api.md.
    virtual std::vector<security::Route> Routes() = 0;
};

// The program's own operation: a report is made for a person, to be sent.
security::Operation OwnOperation();

}  // namespace tarn::reports
