#include "access/monitoring/process_metrics.h"

#include <sys/resource.h>

#include <cstdlib>

namespace tarn::access {
namespace {

constexpr Duration kSampleEvery = std::chrono::seconds(1);

double Seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// "VmRSS:\t  1234 kB": 1234; 0 when there is no such line.
double NumberOf(const std::string& status, const char* name) {
    size_t at = status.find(name);
    return at == std::string::npos ? 0 : std::strtod(status.c_str() + at + std::string_view(name).size(), nullptr);
}

// Files of /proc tell no size, so ReadFile would read nothing.
Result<std::string> ReadProcFile(Env& env, const std::string& path) {
    auto file = TRY(env.files().Open(path));
    Bytes buffer(16 << 10);
    size_t size = TRY(file->ReadAt(0, buffer));
    return std::string(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(size));
}

}  // namespace

ProcessMetrics::ProcessMetrics(Env& env, Metrics& metrics, std::string state_path, const std::string& version)
    : env_(env),
      state_path_(std::move(state_path)),
      started_(env.clock().Monotonic()),
      cpu_seconds_(metrics.GetGauge("process_cpu_seconds_total", "User and system CPU time")),
      resident_bytes_(metrics.GetGauge("process_resident_memory_bytes", "Memory held in RAM")),
      open_fds_(metrics.GetGauge("process_open_fds", "Open file descriptors")),
      threads_(metrics.GetGauge("process_threads", "Threads")),
      uptime_seconds_(metrics.GetGauge("tarn_uptime_seconds", "Time since the start")),
      disk_free_bytes_(metrics.GetGauge("tarn_disk_free_bytes", "Free space for the state directory")) {
    metrics.GetGauge("process_start_time_seconds", "Start of the process, seconds since 1970")
        .Set(static_cast<double>(ToMicros(env.clock().Now())) / 1e6);
    metrics.GetGauge("tarn_build_info", "Always 1", {{"version", version}}).Set(1);
}

void ProcessMetrics::SampleStatusFile() {
    auto status = ReadProcFile(env_, "/proc/self/status");
    if (!status.ok()) return;  // another system, or a test's
    resident_bytes_.Set(NumberOf(*status, "VmRSS:") * 1024);
    threads_.Set(NumberOf(*status, "Threads:"));
}

void ProcessMetrics::Sample() {
    std::lock_guard lock(mutex_);
    Duration now = env_.clock().Monotonic();
    if (sampled_.count() >= 0 && now - sampled_ < kSampleEvery) return;
    sampled_ = now;
    uptime_seconds_.Set(std::chrono::duration<double>(now - started_).count());
    rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) cpu_seconds_.Set(Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
    SampleStatusFile();
    // One of them is the listing's own.
    if (auto fds = env_.files().List("/proc/self/fd"); fds.ok() && !fds->empty()) {
        open_fds_.Set(static_cast<double>(fds->size() - 1));
    }
    if (auto free = DiskFree(); free.ok()) disk_free_bytes_.Set(static_cast<double>(*free));
}

}  // namespace tarn::access
