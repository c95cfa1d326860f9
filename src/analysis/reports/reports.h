// Reports: a dashboard as PNG, PDF or csv: made now for who asks, or by a schedule and sent by mail.
//
// Does: asks every tile of a dashboard as one person (analysis/dashboards, so filters and masks hold as on the page),
// draws them with the web UI's own script in a sandbox (draw.h). Never: shows what the person may not see; runs the
// script in this process. Who: constructed by app. Threads: any; making blocks. State: none. Fails: a tile that fails
// says so in its place; a machine without the libraries or fonts says which package is missing.
//
//   auto reports = Reports::Create({env, dashboards, engine, {sandbox, programs, script}});
//   router.Add(reports->Routes());
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/dashboards/dashboards.h"
#include "base/process_sandbox.h"
#include "engine/engine.h"
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
};

class Reports {
  public:
    static Result<std::unique_ptr<Reports>> Create(ReportsDependencies dependencies);
    virtual ~Reports() = default;
    // Below /api/v1/dashboards; docs/api.md.
    virtual std::vector<security::Route> Routes() = 0;
};

}  // namespace tarn::reports
