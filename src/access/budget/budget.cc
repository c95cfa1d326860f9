#include "access/budget/budget.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "access/budget/budgeted_engine.h"
#include "access/budget/guarded_files.h"
#include "access/budget/work.h"
#include "access/monitoring/monitoring.h"
#include "access/monitoring/process_metrics.h"
#include "base/text.h"
#include "engine/limits.h"

namespace tarn::access {
namespace {

constexpr std::chrono::milliseconds kWatchEvery{200};
constexpr Duration kLeftHolds = std::chrono::milliseconds(200);  // how old the disk's free bytes may be
constexpr Duration kEndEvery = std::chrono::seconds(1);          // between two statements that are ended
constexpr int64_t kWarnBytesMax = 10ll << 30;
constexpr int64_t kStopBytesMax = 1ll << 30;
constexpr int64_t kShortPercent = 90;   // of the budget: new work waits
constexpr int64_t kEnoughPercent = 85;  // until it has fallen below this
constexpr int64_t kBodiesPercent = 25;  // what bodies of requests may take together
constexpr int64_t kBodyFactor = 4;      // a body is parsed: text and values lie in memory together
constexpr int64_t kBodyStepBytes = 1 << 20;
constexpr int64_t kSpillBytesMin = 64 << 20;

Error WithKey(Error error, const char* what) {
    return std::move(error).WithHint(fmt::format("{}, or change `budget` in tarn.yaml", what));
}

Error Full(const DiskState& disk) {
    Error error(ErrorCode::kResourceExhausted,
                "the disk is full but for a rest: {} are left, and below {} nothing more is written",
                FormatSize(std::max<int64_t>(disk.left_bytes, 0)), FormatSize(disk.stop_bytes));
    return WithKey(std::move(error).WithDetailCode("53100"), "delete something or free space");
}

class RunningBudget : public Budget {
  public:
    RunningBudget(const BudgetConfig& config, LimitsConfig limits, BudgetDependencies dependencies);
    ~RunningBudget() override { Stop(); }

    void SetConfig(const BudgetConfig& config, const LimitsConfig& limits) override;
    DiskState Disk() override;
    MemoryState Memory() override;
    Status MeasureDisk() override;
    Status DiskHealth() override;
    Status MemoryHealth() override;
    std::unique_ptr<engine::Engine> Wrap(engine::Engine& inner, EnginesOfRoles of_roles) override {
        return MakeBudgetedEngine(inner, work_, std::move(of_roles));
    }
    Result<std::shared_ptr<void>> BeginCall(const security::Principal& principal) override {
        return work_.BeginCall(principal);
    }
    Env& LakeEnv() override { return lake_env_; }
    Env& CacheEnv() override { return cache_env_; }
    Status Serve(HttpRequest& request, const std::function<Status()>& serve) override;
    void Start(engine::Engine& engine) override;
    void Stop() override;

    Status Reserve(int64_t bytes);
    void Release(int64_t bytes) { reserved_ -= bytes; }

  private:
    Status MayGrow();
    int64_t HeldBack(int64_t mark);
    int64_t MemoryBudget() const;
    void Watch();
    void LookAtMemory(Duration now);
    void LookAtSpill();
    void EndOne(int64_t resident, Duration now);

    BudgetDependencies deps_;
    Work work_;
    GuardedFiles lake_files_;
    GuardedFiles cache_files_;
    Env lake_env_;
    Env cache_env_;
    Counter& refused_;
    Counter& ended_;
    Gauge& resident_gauge_;
    Gauge& left_gauge_;
    Gauge& used_gauge_;
    std::atomic<int64_t> reserved_{0};
    std::atomic<bool> is_short_{false};
    std::atomic<int64_t> spill_limit_{0};  // what was set last; 0: as configured

    std::mutex mutex_;  // of what follows
    BudgetConfig config_;
    int64_t used_bytes_ = 0;
    int64_t free_bytes_ = 0;
    Duration looked_at_{-1};
    Duration ended_at_{0};

    std::mutex watch_mutex_;
    std::condition_variable watch_changed_;
    bool stopping_ = false;
    engine::Engine* engine_ = nullptr;
    std::thread watch_;
};

RunningBudget::RunningBudget(const BudgetConfig& config, LimitsConfig limits, BudgetDependencies dependencies)
    : deps_(std::move(dependencies)),
      work_(deps_.env, deps_.metrics, std::move(limits)),
      lake_files_(
          deps_.env.files(), [this] { return MayGrow(); }, [] { return int64_t{0}; }),
      cache_files_(
          deps_.env.files(), [this] { return MayGrow(); }, [this] { return HeldBack(Disk().warn_bytes); }),
      lake_env_(deps_.env.clock(), lake_files_, deps_.env.random()),
      cache_env_(deps_.env.clock(), cache_files_, deps_.env.random()),
      refused_(deps_.metrics.GetCounter("tarn_budget_refused_total", "Files and calls refused for want of room",
                                        {{"of", "disk"}})),
      ended_(deps_.metrics.GetCounter("tarn_budget_ended_total", "Statements ended as memory ran out")),
      resident_gauge_(deps_.metrics.GetGauge("tarn_budget_memory_used_bytes", "Memory of the program, of its budget")),
      left_gauge_(deps_.metrics.GetGauge("tarn_budget_disk_left_bytes", "Disk until the budget or the disk is full")),
      used_gauge_(deps_.metrics.GetGauge("tarn_budget_disk_used_bytes", "Disk that the state directory takes")),
      config_(config) {
    deps_.metrics.GetGauge("tarn_budget_memory_bytes", "Memory that the whole program may take")
        .Set(static_cast<double>(MemoryBudget()));
}

void RunningBudget::SetConfig(const BudgetConfig& config, const LimitsConfig& limits) {
    work_.SetLimits(limits);
    std::lock_guard lock(mutex_);
    ByteSize memory = config_.memory;  // the engine's part of it was given at start
    config_ = config;
    config_.memory = memory;
}

// ---- disk

DiskState RunningBudget::Disk() {
    std::lock_guard lock(mutex_);
    Duration now = deps_.env.clock().Monotonic();
    if (looked_at_.count() < 0 || now - looked_at_ > kLeftHolds) {
        auto free = deps_.env.files().FreeBytes(deps_.state_path);
        // A disk that says nothing is no full one: writes find out.
        free_bytes_ = free.ok() ? static_cast<int64_t>(*free) : INT64_MAX / 4;
        looked_at_ = now;
    }
    DiskState state = DiskStateOf(config_, used_bytes_, free_bytes_);
    left_gauge_.Set(static_cast<double>(state.left_bytes));
    return state;
}

Status RunningBudget::MeasureDisk() {
    int64_t used = TRY(BytesBelow(deps_.env.files(), deps_.state_path));
    used_gauge_.Set(static_cast<double>(used));
    std::lock_guard lock(mutex_);
    used_bytes_ = used;
    return Ok();
}

Status RunningBudget::MayGrow() {
    DiskState disk = Disk();
    if (!disk.stops()) return Ok();
    refused_.Add();
    return Full(disk);
}

// Of what is free, so that what remains is what is left above `mark`.
int64_t RunningBudget::HeldBack(int64_t mark) {
    DiskState disk = Disk();
    std::lock_guard lock(mutex_);
    return free_bytes_ - std::max<int64_t>(disk.left_bytes - mark, 0);
}

Status RunningBudget::DiskHealth() {
    DiskState disk = Disk();
    if (disk.stops()) return Full(disk);
    if (!disk.warns()) return Ok();
    return AsWarning(
        WithKey(Error(ErrorCode::kResourceExhausted, "{} of disk are left; below {} nothing more is written",
                      FormatSize(disk.left_bytes), FormatSize(disk.stop_bytes)),
                "free space, or move the state directory to a larger disk"));
}

// ---- memory

int64_t RunningBudget::MemoryBudget() const {
    return config_.memory.bytes > 0 ? config_.memory.bytes : deps_.memory_bytes / 10 * 8;
}

MemoryState RunningBudget::Memory() {
    return {.budget_bytes = MemoryBudget(),
            .resident_bytes = ResidentBytes(deps_.env),
            .reserved_bytes = reserved_,
            .is_short = is_short_};
}

Status RunningBudget::MemoryHealth() {
    MemoryState memory = Memory();
    if (!memory.is_short) return Ok();
    return AsWarning(WithKey(Error(ErrorCode::kResourceExhausted, "{} of memory are taken of {}: new statements wait",
                                   FormatSize(memory.resident_bytes), FormatSize(memory.budget_bytes)),
                             "let fewer run at once"));
}

Status RunningBudget::Reserve(int64_t bytes) {
    int64_t budget = MemoryBudget();
    int64_t together = reserved_.fetch_add(bytes) + bytes;
    if (budget == 0 || (together <= budget / 100 * kBodiesPercent && !is_short_)) return Ok();
    reserved_ -= bytes;
    deps_.metrics
        .GetCounter("tarn_budget_refused_total", "Files and calls refused for want of room", {{"of", "memory"}})
        .Add();
    return WithKey(Error(ErrorCode::kResourceExhausted,
                         "there is no memory for this request now: requests under way take {} of {}",
                         FormatSize(together - bytes), FormatSize(budget / 100 * kBodiesPercent))
                       .WithDetailCode("53200"),
                   "try again in a moment, send less at once");
}

// Takes memory as a body comes, not as its length is declared.
class CountedBody : public ByteReader {
  public:
    CountedBody(RunningBudget& budget, ByteReader& inner) : budget_(budget), inner_(inner) {}
    ~CountedBody() override { budget_.Release(reserved_); }
    CountedBody(const CountedBody&) = delete;
    Result<size_t> Read(MutableByteSpan buffer) override {
        size_t count = TRY(inner_.Read(buffer));
        bytes_ += static_cast<int64_t>(count);
        // The first part is in what a listener takes anyway.
        while (bytes_ * kBodyFactor > reserved_ + kBodyStepBytes) {
            TRY(budget_.Reserve(kBodyStepBytes));
            reserved_ += kBodyStepBytes;
        }
        return count;
    }

  private:
    RunningBudget& budget_;
    ByteReader& inner_;
    int64_t bytes_ = 0;
    int64_t reserved_ = 0;
};

Status RunningBudget::Serve(HttpRequest& request, const std::function<Status()>& serve) {
    CountedBody body(*this, *request.body);
    ByteReader* whole = std::exchange(request.body, &body);
    Status served = serve();
    request.body = whole;
    return served;
}

void RunningBudget::EndOne(int64_t resident, Duration now) {
    if (now - ended_at_ < kEndEvery) return;
    ended_at_ = now;
    Error error =
        Error(ErrorCode::kResourceExhausted, "ended, as the platform had taken {} of the {} of memory that it has",
              FormatSize(resident), FormatSize(MemoryBudget()))
            .WithDetailCode("53200")
            .WithHint("read less at once, or raise `budget.memory` in tarn.yaml");
    if (!work_.EndYoungest(error)) return;
    ended_.Add();
    deps_.log.Warning("a statement was ended as memory ran out",
                      {{"resident_bytes", resident}, {"budget_bytes", MemoryBudget()}});
}

void RunningBudget::LookAtMemory(Duration now) {
    int64_t budget = MemoryBudget();
    int64_t resident = ResidentBytes(deps_.env);
    resident_gauge_.Set(static_cast<double>(resident));
    if (budget == 0 || resident == 0) return;
    int64_t mark = budget / 100 * (is_short_ ? kEnoughPercent : kShortPercent);
    bool is_short = resident > mark;
    if (is_short) {
        // What is only cached goes, and what was freed goes back to the system.
        engine::SetEngineLimits(*engine_, budget / 4, spill_limit_);
        malloc_trim(0);
        resident = ResidentBytes(deps_.env);
        is_short = resident > mark;
        if (!is_short) engine::SetEngineLimits(*engine_, 0, spill_limit_);
    } else if (is_short_) {
        engine::SetEngineLimits(*engine_, 0, spill_limit_);
    }
    is_short_ = is_short;
    work_.SetShort(is_short);
    if (resident > budget) EndOne(resident, now);
}

// Where the disk warns, queries spill no more than what is left above the end.
void RunningBudget::LookAtSpill() {
    DiskState disk = Disk();
    int64_t limit = 0;
    if (disk.warns()) limit = std::max(kSpillBytesMin, (disk.left_bytes - disk.stop_bytes) / 2);
    int64_t before = spill_limit_.exchange(limit);
    bool same = (limit == 0) == (before == 0) && std::abs(limit - before) < kSpillBytesMin;
    if (!same) engine::SetEngineLimits(*engine_, 0, limit);
}

void RunningBudget::Watch() {
    std::unique_lock lock(watch_mutex_);
    while (!watch_changed_.wait_for(lock, kWatchEvery, [this] { return stopping_; })) {
        lock.unlock();
        LookAtMemory(deps_.env.clock().Monotonic());
        LookAtSpill();
        work_.EndLate();
        lock.lock();
    }
}

void RunningBudget::Start(engine::Engine& engine) {
    engine_ = &engine;
    watch_ = std::thread([this] { Watch(); });
}

void RunningBudget::Stop() {
    {
        std::lock_guard lock(watch_mutex_);
        stopping_ = true;
    }
    watch_changed_.notify_all();
    if (watch_.joinable()) watch_.join();
}

}  // namespace

DiskState DiskStateOf(const BudgetConfig& config, int64_t used_bytes, int64_t free_bytes) {
    int64_t room = used_bytes + free_bytes;  // what the disk would have for us, however full it is
    DiskState state{.used_bytes = used_bytes, .left_bytes = free_bytes, .warn_bytes = 0, .stop_bytes = 0};
    if (config.disk.bytes > 0) {
        room = std::min(room, config.disk.bytes);
        state.left_bytes = std::min(free_bytes, config.disk.bytes - used_bytes);
    }
    state.stop_bytes = config.disk_stop.bytes > 0 ? config.disk_stop.bytes : std::min(room / 50, kStopBytesMax);
    state.warn_bytes = config.disk_warn.bytes > 0 ? config.disk_warn.bytes : std::min(room / 10, kWarnBytesMax);
    state.warn_bytes = std::max(state.warn_bytes, state.stop_bytes);
    return state;
}

Result<int64_t> BytesBelow(Files& files, const std::string& path) {
    auto entries = files.List(path);
    if (!entries.ok()) {
        if (entries.error().code() == ErrorCode::kNotFound) return int64_t{0};  // removed meanwhile
        return std::move(entries).error();
    }
    int64_t bytes = 0;
    for (const FileEntry& entry : *entries) {
        // A file takes whole blocks.
        bytes += entry.is_directory ? TRY(BytesBelow(files, path + "/" + entry.name))
                                    : static_cast<int64_t>((entry.bytes + 4095) / 4096 * 4096);
    }
    return bytes;
}

std::unique_ptr<Budget> Budget::Create(const BudgetConfig& config, LimitsConfig limits,
                                       BudgetDependencies dependencies) {
    return std::make_unique<RunningBudget>(config, std::move(limits), std::move(dependencies));
}

}  // namespace tarn::access
