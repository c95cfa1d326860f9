#include "app/maintenance.h"

#include <utility>

namespace tarn::app {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(10);

}  // namespace

Maintenance::Maintenance(Env& env, Log& log, std::vector<MaintenanceJob> jobs) : env_(env), log_(log) {
    Duration now = env_.clock().Monotonic();
    for (MaintenanceJob& job : jobs) {
        Duration first = now + job.first_after;
        jobs_.push_back({std::move(job), first});
    }
}

Maintenance::~Maintenance() { Stop(); }

void Maintenance::Start() {
    thread_ = std::thread([this] { Serve(); });
}

void Maintenance::Stop() {
    stopping_ = true;
    {
        std::lock_guard lock(mutex_);
        stopped_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void Maintenance::RunDue() {
    for (Planned& planned : jobs_) {
        if (stopping_ || env_.clock().Monotonic() < planned.next) continue;
        Status status = planned.job.run([this] { return stopping_.load(); });
        planned.next = env_.clock().Monotonic() + planned.job.every;
        if (status.ok()) continue;
        log_.Warning("maintenance failed", {{"job", planned.job.name}, {"error", status.error().ToString()}});
    }
}

void Maintenance::Serve() {
    while (!stopping_) {
        RunDue();
        std::unique_lock lock(mutex_);
        stopped_.wait_for(lock, kLookEvery, [&] { return stopping_.load(); });
    }
}

}  // namespace tarn::app
