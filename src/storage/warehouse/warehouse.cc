#include "storage/warehouse/warehouse.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/text.h"
#include "storage/warehouse/cache_files.h"
#include "storage/warehouse/copy_builder.h"

namespace tarn::warehouse {
namespace {

using lakehouse::TableName;

constexpr auto kLookEvery = std::chrono::milliseconds(200);
constexpr Duration kVerifyEvery = std::chrono::hours(6);
constexpr Duration kRetryFirst = std::chrono::seconds(5);
constexpr Duration kRetryMax = std::chrono::minutes(30);

struct CachedTable {
    TableName name;
    std::vector<std::shared_ptr<Copy>> copies;  // newest first
    bool is_busy = false;  // one worker has it
    bool is_due = true;    // somebody should look at it
    std::string state = "waiting";
    std::string reason = "not built yet";
    std::optional<Error> failure;  // of the last build
    Duration retry_after{0};
    int failures = 0;
    std::atomic<int64_t> hits{0};
    std::atomic<int64_t> misses{0};
};

class WarehouseImpl : public Warehouse, private catalog::ServingCache {
  public:
    WarehouseImpl(WarehouseConfig config, WarehouseDependencies dependencies)
        : config_(std::move(config)),
          deps_(std::move(dependencies)),
          hits_(deps_.metrics.GetCounter("tarn_cache_hits_total", "Reads of cached tables that a cache answered")),
          build_seconds_(deps_.metrics.GetHistogram("tarn_cache_build_seconds", "Time to build a table's cache")),
          built_(deps_.metrics.GetCounter("tarn_cache_builds_total", "Caches built", {{"outcome", "ok"}})),
          failed_(deps_.metrics.GetCounter("tarn_cache_builds_total", "Caches built", {{"outcome", "failed"}})),
          damaged_(deps_.metrics.GetCounter("tarn_cache_damaged_total", "Files of caches found damaged or gone")),
          bytes_(deps_.metrics.GetGauge("tarn_cache_bytes", "Disk that caches take")) {}
    ~WarehouseImpl() override { Stop(); }

    Status Open();
    engine::FileStore& AsFileStore() override { return *files_; }
    catalog::ServingCache& AsServingCache() override { return *this; }
    Status SetTables(const std::vector<TableName>& tables) override;
    void Start(engine::Engine& engine, lake::Lake& lake, lakehouse::Lakehouse& lakehouse) override;
    void Stop() override;
    std::vector<TableCache> Tables() override;
    Status Health() override;
    bool Idle() override;

  private:
    // catalog::ServingCache
    void Serve(engine::Relation& relation) override;
    std::optional<catalog::CacheInfo> InfoOf(const std::string& schema, const std::string& name) override;

    static catalog::CacheInfo Describe(const CachedTable& table);
    Counter& MissesOf(const char* reason) {
        return deps_.metrics.GetCounter("tarn_cache_misses_total", "Reads of cached tables from the lakehouse",
                                        {{"reason", reason}});
    }
    void Work();
    std::shared_ptr<CachedTable> NextTable();
    bool IsDue(const CachedTable& table, Duration now) const;
    // What a table needs now; errors are kept in it.
    void LookAfter(CachedTable& table);
    Status Refresh(CachedTable& table);
    Status Build(CachedTable& table, const engine::Relation& relation, int64_t expected_bytes);
    Status CheckCopies(CachedTable& table);
    Status Discard(CachedTable& table, const std::shared_ptr<Copy>& copy);
    Status KeepOnly(CachedTable& table, size_t count);
    Result<int64_t> Allowance(CachedTable& table, int64_t expected_bytes);
    std::vector<std::shared_ptr<Copy>> CopiesOf(const CachedTable& table) {
        std::lock_guard lock(mutex_);
        return table.copies;
    }
    void Say(CachedTable& table, const std::string& state, const std::string& reason) {
        std::lock_guard lock(mutex_);
        table.state = state;
        table.reason = reason;
    }
    void Wake() {
        std::lock_guard lock(mutex_);
        for (auto& [name, table] : tables_) table->is_due = true;
        woken_.notify_all();
    }

    const WarehouseConfig config_;
    WarehouseDependencies deps_;
    Counter& hits_;
    Histogram& build_seconds_;
    Counter& built_;
    Counter& failed_;
    Counter& damaged_;
    Gauge& bytes_;
    std::unique_ptr<CacheFiles> files_;
    std::unique_ptr<CacheIndex> index_;
    engine::Engine* engine_ = nullptr;  // these three from Start on
    lake::Lake* lake_ = nullptr;
    lakehouse::Lakehouse* lakehouse_ = nullptr;
    CancelToken cancel_;  // at Stop

    std::mutex mutex_;  // guards all below
    std::condition_variable woken_;
    bool stopping_ = false;
    uint64_t seen_changes_ = 0;
    std::map<std::string, std::shared_ptr<CachedTable>> tables_;  // shared with the worker that has it
    std::vector<std::shared_ptr<Copy>> unclaimed_;  // of the last run, until SetTables says whose they are
    std::vector<std::thread> workers_;
};

Status WarehouseImpl::Open() {
    Secret key = TRY(deps_.keys.KeyOf("warehouse"));
    index_ = TRY(CacheIndex::Open(deps_.metadata));
    files_ = TRY(CacheFiles::Open(deps_.env, config_.directory, deps_.lake_files, key, [this] { Wake(); }));
    std::vector<CacheRow> rows = TRY(index_->All());
    // A folder that cannot be tidied up costs disk, nothing else.
    Status swept = files_->Sweep(rows);
    if (!swept.ok()) deps_.log.Warning("old files of caches stay", {{"error", swept.error().message()}});
    for (CacheRow& row : rows) unclaimed_.push_back(files_->Make(std::move(row)));
    return Ok();
}

Status WarehouseImpl::SetTables(const std::vector<TableName>& tables) {
    std::vector<std::shared_ptr<Copy>> dropped;
    {
        std::lock_guard lock(mutex_);
        std::map<std::string, std::shared_ptr<CachedTable>> next;
        for (const TableName& name : tables) {
            auto known = tables_.find(name.ToString());
            auto& slot = next[name.ToString()];
            slot = known != tables_.end() ? known->second : std::make_shared<CachedTable>();
            slot->name = name;
        }
        for (auto& [name, table] : tables_) {
            if (!next.contains(name))
                std::move(table->copies.begin(), table->copies.end(), std::back_inserter(dropped));
            if (!next.contains(name)) table->copies.clear();
        }
        for (auto& copy : unclaimed_) {
            auto owner = next.find(copy->row.schema + "." + copy->row.name);
            if (owner != next.end())
                owner->second->copies.push_back(std::move(copy));
            else
                dropped.push_back(std::move(copy));
        }
        unclaimed_.clear();
        tables_ = std::move(next);
        woken_.notify_all();
    }
    for (const auto& copy : dropped) {
        TRY(index_->Remove(copy->row.id));
        copy->Drop();
    }
    return Ok();
}

void WarehouseImpl::Start(engine::Engine& engine, lake::Lake& lake, lakehouse::Lakehouse& lakehouse) {
    engine_ = &engine;
    lake_ = &lake;
    lakehouse_ = &lakehouse;
    for (int i = 0; i < std::max(1, config_.parallel); ++i) workers_.emplace_back([this] { Work(); });
}

void WarehouseImpl::Stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        woken_.notify_all();
    }
    cancel_.Cancel();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
}

// ---- answering

void WarehouseImpl::Serve(engine::Relation& relation) {
    std::shared_ptr<CachedTable> table;
    std::vector<std::shared_ptr<Copy>> copies;
    {
        std::lock_guard lock(mutex_);
        auto found = tables_.find(relation.schema + "." + relation.name);
        if (found == tables_.end()) return;
        table = found->second;
        copies = table->copies;
    }
    if (!std::holds_alternative<engine::FileScan>(relation.source)) return;
    std::string fingerprint = FingerprintOf(relation);
    const char* reason = copies.empty() ? "none" : "version";
    for (const auto& copy : copies) {
        if (copy->row.fingerprint != fingerprint) continue;
        if (!copy->IsUsable()) {
            reason = "unverified";
            Wake();
            continue;
        }
        auto served = std::make_shared<engine::ServedCopy>();
        engine::FileScan scan = ScanOf(*copy, relation);
        served->original = std::move(std::get<engine::FileScan>(relation.source));
        served->held = copy;
        relation.source = std::move(scan);
        relation.copy = std::move(served);
        hits_.Add();
        ++table->hits;
        return;
    }
    ++table->misses;
    MissesOf(reason).Add();
}

catalog::CacheInfo WarehouseImpl::Describe(const CachedTable& table) {
    catalog::CacheInfo info;
    info.state = table.state;
    info.reason = table.reason;
    info.hits = table.hits;
    info.misses = table.misses;
    if (table.copies.empty()) return info;
    const CacheRow& row = table.copies.front()->row;
    info.version = std::to_string(row.version);
    info.rows = row.rows;
    info.bytes = row.bytes;
    info.built_at = row.built_at;
    info.build_seconds = static_cast<double>(row.build_us) / 1e6;
    return info;
}

std::optional<catalog::CacheInfo> WarehouseImpl::InfoOf(const std::string& schema, const std::string& name) {
    std::lock_guard lock(mutex_);
    auto found = tables_.find(schema + "." + name);
    if (found == tables_.end()) return std::nullopt;
    return Describe(*found->second);
}

std::vector<TableCache> WarehouseImpl::Tables() {
    std::lock_guard lock(mutex_);
    std::vector<TableCache> list;
    for (const auto& [name, table] : tables_) list.push_back({table->name, Describe(*table)});
    return list;
}

Status WarehouseImpl::Health() {
    std::lock_guard lock(mutex_);
    for (const auto& [name, table] : tables_) {
        if (!table->failure) continue;
        ErrorCode code = table->failure->code();
        if (code != ErrorCode::kResourceExhausted && code != ErrorCode::kIo) continue;
        return Error(*table->failure).Context(fmt::format("{} has no cache, its queries are slower", name));
    }
    return Ok();
}

bool WarehouseImpl::Idle() {
    std::lock_guard lock(mutex_);
    if (lake_ != nullptr && lake_->Changes(lakehouse::Lakehouse::kBucket) != seen_changes_) return false;
    return std::none_of(tables_.begin(), tables_.end(),
                        [](const auto& one) { return one.second->is_busy || one.second->is_due; });
}

// ---- working

bool WarehouseImpl::IsDue(const CachedTable& table, Duration now) const {
    if (table.is_busy) return false;
    if (table.failures > 0) return now >= table.retry_after;
    bool is_old = std::any_of(table.copies.begin(), table.copies.end(), [&](const auto& copy) {
        Duration verified_at = copy->verified_at;
        return verified_at.count() > 0 && now - verified_at > kVerifyEvery;
    });
    return table.is_due || is_old;
}

std::shared_ptr<CachedTable> WarehouseImpl::NextTable() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        uint64_t changes = lake_->Changes(lakehouse::Lakehouse::kBucket);
        if (changes != seen_changes_) {
            seen_changes_ = changes;
            for (auto& [name, table] : tables_) table->is_due = true;
        }
        Duration now = deps_.env.clock().Monotonic();
        for (auto& [name, table] : tables_) {
            if (!IsDue(*table, now)) continue;
            table->is_busy = true;
            table->is_due = false;
            return table;
        }
        woken_.wait_for(lock, kLookEvery);
    }
    return nullptr;
}

void WarehouseImpl::Work() {
    while (auto table = NextTable()) {
        LookAfter(*table);
        bool is_gone = false;  // its cache was taken away meanwhile
        {
            std::lock_guard lock(mutex_);
            table->is_busy = false;
            auto found = tables_.find(table->name.ToString());
            is_gone = found == tables_.end() || found->second != table;
        }
        // What cannot be dropped now is nobody's at the next start.
        if (is_gone) (void)KeepOnly(*table, 0);
    }
}

void WarehouseImpl::LookAfter(CachedTable& table) {
    Status status = Refresh(table);
    bytes_.Set(static_cast<double>(files_->bytes_used()));
    std::lock_guard lock(mutex_);
    if (status.ok()) {
        table.failure.reset();
        table.failures = 0;
        return;
    }
    Duration wait = std::min<Duration>(kRetryMax, kRetryFirst * (1 << std::min(table.failures, 10)));
    ++table.failures;
    table.failure = status.error();
    table.retry_after = deps_.env.clock().Monotonic() + wait;
    table.state = "waiting";
    table.reason = status.error().message();
    deps_.log.Warning("a cache is not there; queries read the lakehouse", {{"table", table.name.ToString()},
                                                                           {"error", status.error().ToString()},
                                                                           {"next_try_in", FormatDuration(wait)}});
}

Status WarehouseImpl::Refresh(CachedTable& table) {
    TRY(CheckCopies(table));
    auto snapshot = lakehouse_->Open(security::Principal::System("warehouse"), table.name);
    if (!snapshot.ok() && snapshot.error().code() == ErrorCode::kNotFound) {
        Say(table, "waiting", "the table has no data yet");
        return KeepOnly(table, 0);
    }
    lakehouse::Snapshot newest = TRY(std::move(snapshot));
    engine::Relation relation = lakehouse::ToRelation(table.name, newest);
    std::string fingerprint = FingerprintOf(relation);
    auto copies = CopiesOf(table);
    bool is_current = !copies.empty() && copies.front()->row.fingerprint == fingerprint;
    if (!is_current) {
        Say(table, "building", fmt::format("version {}", relation.version));
        auto build = [&] { return Build(table, relation, newest.bytes * 3 / 2); };
        TRY(deps_.recorded ? deps_.recorded(table.name.ToString(), build) : build());
    }
    TRY(KeepOnly(table, static_cast<size_t>(std::max(1, config_.versions))));
    Say(table, "ready", "");
    return Ok();
}

// Those that were not read since the start, or not for long; those that a query found wrong.
Status WarehouseImpl::CheckCopies(CachedTable& table) {
    for (const auto& copy : CopiesOf(table)) {
        Duration now = deps_.env.clock().Monotonic();
        Duration verified_at = copy->verified_at;
        bool is_fresh = verified_at.count() > 0 && now - verified_at <= kVerifyEvery;
        if (is_fresh && copy->IsUsable()) continue;
        Status verified =
            is_fresh ? Status(Error(ErrorCode::kCorruption, "its file has changed or cannot be read")) : copy->Verify();
        if (verified.ok()) {
            copy->verified_at = now;
            continue;
        }
        damaged_.Add();
        deps_.log.Warning("a cache is damaged and is built again",
                          {{"table", table.name.ToString()}, {"error", verified.error().message()}});
        TRY(Discard(table, copy));
    }
    return Ok();
}

Status WarehouseImpl::Build(CachedTable& table, const engine::Relation& relation, int64_t expected_bytes) {
    Duration started = deps_.env.clock().Monotonic();
    int64_t allowance = TRY(Allowance(table, expected_bytes));
    auto copy = CopyBuilder(deps_.env, *engine_, *files_, *index_).Build(relation, allowance, cancel_);
    (copy.ok() ? built_ : failed_).Add();
    if (!copy.ok()) return std::move(copy).error();
    build_seconds_.Observe(std::chrono::duration<double>(deps_.env.clock().Monotonic() - started).count());
    std::lock_guard lock(mutex_);
    table.copies.insert(table.copies.begin(), std::move(*copy));
    return Ok();
}

// What a new copy may take; the table's own old ones go first if there is no room beside them.
Result<int64_t> WarehouseImpl::Allowance(CachedTable& table, int64_t expected_bytes) {
    int64_t free_bytes = static_cast<int64_t>(TRY(files_->FreeBytes()));
    int64_t budget = config_.disk_bytes_max;
    if (budget == 0) budget = (free_bytes + files_->bytes_used()) / 10;
    if (files_->bytes_used() + expected_bytes > budget) TRY(KeepOnly(table, 0));
    int64_t left = std::min(budget - files_->bytes_used(), free_bytes / 2);
    if (expected_bytes <= left) return left;
    return Error(ErrorCode::kResourceExhausted, "the copy needs about {}, and {} of {} for caches are left",
                 FormatSize(expected_bytes), FormatSize(std::max<int64_t>(left, 0)), FormatSize(budget))
        .WithHint("`warehouse.disk` in tarn.yaml is what all caches may take");
}

Status WarehouseImpl::Discard(CachedTable& table, const std::shared_ptr<Copy>& copy) {
    {
        std::lock_guard lock(mutex_);
        std::erase(table.copies, copy);
    }
    // The row first: a file without one is nobody's.
    TRY(index_->Remove(copy->row.id));
    copy->Drop();
    return Ok();
}

Status WarehouseImpl::KeepOnly(CachedTable& table, size_t count) {
    auto copies = CopiesOf(table);
    for (size_t i = count; i < copies.size(); ++i) TRY(Discard(table, copies[i]));
    return Ok();
}

}  // namespace

Result<std::unique_ptr<Warehouse>> Warehouse::Create(WarehouseConfig config, WarehouseDependencies dependencies) {
    auto warehouse = std::make_unique<WarehouseImpl>(std::move(config), std::move(dependencies));
    TRY(warehouse->Open());
    return std::unique_ptr<Warehouse>(std::move(warehouse));
}

}  // namespace tarn::warehouse
