#include "access/monitoring/monitoring.h"

#include <atomic>
#include <mutex>

#include "access/monitoring/process_metrics.h"

namespace tarn::access {

struct Monitoring::State {
    State(const MonitoringConfig& config_in, MonitoringDependencies dependencies)
        : config(config_in),
          disk_free_min(config_in.disk_free_min.bytes),
          env(dependencies.env),
          metrics(dependencies.metrics),
          process(env, metrics, dependencies.state_path, dependencies.version) {}

    Status CheckDisk() const {
        uint64_t free = TRY(process.DiskFree());
        int64_t least = disk_free_min;
        if (free >= static_cast<uint64_t>(least)) return Ok();
        return Error(ErrorCode::kResourceExhausted, "{} are free on the disk of the state directory, less than {}",
                     FormatSize(static_cast<int64_t>(free)), FormatSize(least))
            .WithHint("free space, or move the state directory to a larger disk");
    }

    const MonitoringConfig config;
    std::atomic<int64_t> disk_free_min;
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
    std::unique_ptr<Monitoring> monitoring(new Monitoring(std::make_unique<State>(config, std::move(dependencies))));
    monitoring->AddCheck("disk", [state = monitoring->state_.get()] { return state->CheckDisk(); });
    return monitoring;
}

void Monitoring::SetDiskFreeMin(ByteSize bytes) { state_->disk_free_min = bytes.bytes; }

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
        health.push_back({component, check()});
        state_->metrics.GetGauge("tarn_component_healthy", "1 when the component is well", {{"component", component}})
            .Set(health.back().status.ok() ? 1 : 0);
    }
    return health;
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
