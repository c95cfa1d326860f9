#include "access/monitoring/process_metrics.h"

#include <charconv>

#include "base/text.h"

namespace tarn::access {
namespace {

constexpr Duration kSampleEvery = std::chrono::seconds(1);

// Linux counts CPU time for programs in hundredths of a second on every machine (USER_HZ).
constexpr double kTicksPerSecond = 100;

double ParseNumber(std::string_view text) {
    double number = 0;
    text = Trim(text);
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// "VmRSS:\t  1234 kB": 1234; 0 when there is no such line.
double NumberOf(const std::string& status, const char* name) {
    size_t at = status.find(name);
    if (at == std::string::npos) return 0;
    std::string_view line = std::string_view(status).substr(at + std::string_view(name).size());
    return ParseNumber(line.substr(0, line.find('\n')));
}

// Files of /proc tell no size, so ReadFile would read nothing.
Result<std::string> ReadProcFile(Env& env, const std::string& path) {
    auto file = TRY(env.files().Open(path));
    Bytes buffer(16 << 10);
    size_t size = TRY(file->ReadAt(0, buffer));
    return std::string(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(size));
}

}  // namespace

int64_t ResidentBytes(Env& env) {
    auto status = ReadProcFile(env, "/proc/self/status");
    return status.ok() ? static_cast<int64_t>(NumberOf(*status, "VmRSS:") * 1024) : 0;
}

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

void ProcessMetrics::SampleProcFiles() {
    auto status = ReadProcFile(env_, "/proc/self/status");
    if (!status.ok()) return;  // another system, or a test's
    resident_bytes_.Set(NumberOf(*status, "VmRSS:") * 1024);
    threads_.Set(NumberOf(*status, "Threads:"));
    auto stat = ReadProcFile(env_, "/proc/self/stat");
    if (!stat.ok()) return;
    // The fields after the program's name in parentheses; user and system time are the 14th and 15th of all.
    auto fields = Split(stat->substr(stat->rfind(')') + 1), ' ');
    if (fields.size() > 13) cpu_seconds_.Set((ParseNumber(fields[12]) + ParseNumber(fields[13])) / kTicksPerSecond);
}

void ProcessMetrics::Sample() {
    std::lock_guard lock(mutex_);
    Duration now = env_.clock().Monotonic();
    if (sampled_.count() >= 0 && now - sampled_ < kSampleEvery) return;
    sampled_ = now;
    uptime_seconds_.Set(std::chrono::duration<double>(now - started_).count());
    SampleProcFiles();
    // One of them is the listing's own.
    if (auto fds = env_.files().List("/proc/self/fd"); fds.ok() && !fds->empty()) {
        open_fds_.Set(static_cast<double>(fds->size() - 1));
    }
    if (auto free = DiskFree(); free.ok()) disk_free_bytes_.Set(static_cast<double>(*free));
}

}  // namespace tarn::access
