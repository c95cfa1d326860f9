// Monitoring: is every component well, and what are its numbers. /metrics, /health and /ready; system.metrics.
//
// Components register a check; app tells when all have started. It keeps nothing and starts no thread: what belongs to
// the process (memory, CPU, files, disk) is looked at when somebody asks, at most once a second. Checks must be quick:
// they run on the asker's thread. Any thread. The public answers say well or not; which component and why needs a
// login.
//
//   auto monitoring = Monitoring::Create(config, {env, metrics, state.path(), "0.1.0"});
//   monitoring->AddCheck("audit", [&audit] { return audit.Health(); });
//   monitoring->SetReady(true);
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "access/monitoring/config.h"
#include "base/env.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/result.h"
#include "security/router.h"

namespace tarn::access {

struct MonitoringDependencies {
    Env& env;
    Metrics& metrics;
    std::string state_path;  // its disk is watched
    std::string version;
};

struct ComponentHealth {
    std::string component;
    Status status;
    bool is_warning = false;  // `status` says what people should know; the component does its work
};

// What a check answers when the component works, but not as it should or not for long.
Status AsWarning(Status status);

class Monitoring {
  public:
    static std::unique_ptr<Monitoring> Create(const MonitoringConfig& config, MonitoringDependencies dependencies);
    ~Monitoring();

    // What `check` refers to must live until RemoveCheck; a second one of a component's name replaces the first.
    void AddCheck(std::string component, std::function<Status()> check);
    void RemoveCheck(const std::string& component);
    std::vector<ComponentHealth> Health();
    // {healthy, level: "ok" | "warning" | "failing", ready, components: [{component, healthy, level, message?,
// hint?}]}.
    Json Describe();
    // Set once everything listens, cleared when stopping begins.
    void SetReady(bool ready);
    bool ready() const;
    const MonitoringConfig& config() const;

    // Brings the process' own numbers and the components' health up to date, for who reads the metrics then.
    void Refresh();

    // Memory held in RAM, of this second.
    int64_t ResidentBytes();

    // Prometheus text, with the process' own numbers brought up to date.
    std::string RenderMetrics();

    // system.metrics: names and SQL types, and the rows as text.
    static const std::vector<std::pair<std::string, std::string>>& SystemColumns();
    std::vector<std::vector<std::optional<std::string>>> SystemRows();

    std::vector<security::Route> Routes();

  private:
    struct State;
    explicit Monitoring(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace tarn::access
