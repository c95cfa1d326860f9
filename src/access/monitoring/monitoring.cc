#include "access/monitoring/monitoring.h"

#include <atomic>
#include <mutex>

#include "access/monitoring/process_metrics.h"

namespace tarn::access {
namespace {

constexpr std::string_view kWarning = "warning";

}  // namespace

struct Monitoring::State {
    State(const MonitoringConfig& config_in, MonitoringDependencies dependencies)
        : config(config_in),
          env(dependencies.env),
          metrics(dependencies.metrics),
          process(env, metrics, dependencies.state_path, dependencies.version) {}

    const MonitoringConfig config;
    Env& env;
    Metrics& metrics;
    ProcessMetrics process;
    std::atomic<bool> ready = false;
    std::mutex mutex;  // of checks; held while they run, so that a removed check runs no more
    std::map<std::string, std::function<Status()>> checks;
};

Monitoring::Monitoring(std::unique_ptr<State> state) : state_(std::move(state)) {}
Monitoring::~Monitoring() = default;

std::unique_ptr<Monitoring> Monitoring::Create(const MonitoringConfig& config, MonitoringDependencies dependencies) {
    return std::unique_ptr<Monitoring>(new Monitoring(std::make_unique<State>(config, std::move(dependencies))));
}

Status AsWarning(Status status) {
    if (status.ok()) return status;
    return std::move(status).error().WithDetailCode(std::string(kWarning));
}

void Monitoring::AddCheck(std::string component, std::function<Status()> check) {
    std::lock_guard lock(state_->mutex);
    state_->checks[std::move(component)] = std::move(check);
}

void Monitoring::RemoveCheck(const std::string& component) {
    std::lock_guard lock(state_->mutex);
    state_->checks.erase(component);
}

std::vector<ComponentHealth> Monitoring::Health() {
    std::lock_guard lock(state_->mutex);
    std::vector<ComponentHealth> health;
    for (const auto& [component, check] : state_->checks) {
        Status status = check();
        bool is_warning = !status.ok() && status.error().detail_code() == kWarning;
        bool works = status.ok() || is_warning;
        state_->metrics.GetGauge("tarn_component_healthy", "1 when the component works", {{"component", component}})
            .Set(works ? 1 : 0);
        state_->metrics
            .GetGauge("tarn_component_warning", "1 when it works, and people should look", {{"component", component}})
            .Set(is_warning ? 1 : 0);
        health.push_back({component, std::move(status), is_warning});
    }
    return health;
}

Json Monitoring::Describe() {
    Json components = Json::array();
    bool healthy = true;
    bool warns = false;
    for (const ComponentHealth& health : Health()) {
        bool works = health.status.ok() || health.is_warning;
        std::string level = health.status.ok() ? "ok" : health.is_warning ? "warning" : "failing";
        Json component{{"component", health.component}, {"healthy", works}, {"level", level}};
        if (!health.status.ok()) {
            component["message"] = health.status.error().message();
            component["hint"] = health.status.error().hint();
        }
        healthy = healthy && works;
        warns = warns || health.is_warning;
        components.push_back(std::move(component));
    }
    std::string level = !healthy ? "failing" : warns ? "warning" : "ok";
    return {{"healthy", healthy}, {"level", level}, {"ready", ready()}, {"components", std::move(components)}};
}

void Monitoring::SetReady(bool ready) { state_->ready = ready; }
bool Monitoring::ready() const { return state_->ready; }
const MonitoringConfig& Monitoring::config() const { return state_->config; }

int64_t Monitoring::ResidentBytes() {
    state_->process.Sample();
    return state_->process.resident_bytes();
}

void Monitoring::Refresh() {
    state_->process.Sample();
    Health();
}

std::string Monitoring::RenderMetrics() {
    Refresh();
    return state_->metrics.Render();
}

const std::vector<std::pair<std::string, std::string>>& Monitoring::SystemColumns() {
    static const std::vector<std::pair<std::string, std::string>> kColumns{
        {"name", "VARCHAR"}, {"labels", "VARCHAR"}, {"value", "DOUBLE"}, {"time", "TIMESTAMP WITH TIME ZONE"}};
    return kColumns;
}

std::vector<std::vector<std::optional<std::string>>> Monitoring::SystemRows() {
    Refresh();
    std::string now = FormatTime(state_->env.clock().Now());
    std::vector<std::vector<std::optional<std::string>>> rows;
    for (const MetricSample& sample : state_->metrics.Samples()) {
        rows.push_back({sample.name, DumpJson(Json(sample.labels)), fmt::format("{}", sample.value), now});
    }
    return rows;
}

}  // namespace tarn::access
