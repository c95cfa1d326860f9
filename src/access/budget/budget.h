// Budget: what the whole program may take of the machine: memory and disk, each with a warning and an end; and what the
// people of a role may take of that.
//
// Does: says what is left; refuses what does not fit, early and with an error that names the key of tarn.yaml (SQLSTATE
// 53100 and HTTP 507 for the disk, 53200 and 503 for memory); makes caches and spill smaller before that; ends the
// youngest query when memory runs out all the same, so that the kernel's killer has nothing to do. Never: refuses a
// read, a delete or administration for want of disk; touches data. Who: constructed by app, which wraps the engine, the
// lake's files and the listeners in it. Threads: any; one of its own looks at memory five times a second. State: none.
// Fails: kResourceExhausted.
//
//   auto budget = Budget::Create(config.budget, config.limits, {env, metrics, log, state.path(), machine_bytes});
//   auto engine = budget->Wrap(*bare_engine, {});
//   auto lake = Lake::Create({path}, {budget->LakeEnv(), ...});
//   budget->Start(*engine);
#pragma once

#include <memory>

#include "access/budget/config.h"
#include "base/http.h"
#include "base/log.h"
#include "base/metrics.h"
#include "engine/engine.h"

namespace tarn::access {

struct BudgetDependencies {
    Env& env;
    Metrics& metrics;
    Log& log;
    std::string state_path;
    int64_t memory_bytes = 0;  // what this process may have of the machine; 0 unknown, then memory has no budget
};

struct DiskState {
    int64_t used_bytes = 0;  // by the state directory, as it was measured last
    int64_t left_bytes = 0;  // until the budget or the disk is full, whichever is first
    int64_t warn_bytes = 0;
    int64_t stop_bytes = 0;
    bool warns() const { return left_bytes < warn_bytes; }
    bool stops() const { return left_bytes < stop_bytes; }
};

// What `config` makes of so much used and so much free.
DiskState DiskStateOf(const BudgetConfig& config, int64_t used_bytes, int64_t free_bytes);
// What the files below a folder take on the disk; what goes meanwhile counts nothing.
Result<int64_t> BytesBelow(Files& files, const std::string& path);

struct MemoryState {
    int64_t budget_bytes = 0;  // 0: none
    int64_t resident_bytes = 0;
    int64_t reserved_bytes = 0;  // for bodies of requests
    bool is_short = false;  // new work waits
};

class Budget {
  public:
    static std::unique_ptr<Budget> Create(const BudgetConfig& config, LimitsConfig limits,
                                          BudgetDependencies dependencies);
    virtual ~Budget() = default;

    // Of tarn.yaml, read again.
    virtual void SetConfig(const BudgetConfig& config, const LimitsConfig& limits) = 0;
    virtual DiskState Disk() = 0;
    virtual MemoryState Memory() = 0;
    // Walks over the state directory; the way to know how much it takes.
    virtual Status MeasureDisk() = 0;
    // Warnings (monitoring.h) near an end, an error where the disk takes no more writes.
    virtual Status DiskHealth() = 0;
    virtual Status MemoryHealth() = 0;

    // Every statement of it waits for memory, and keeps to the limits of its person's role; `of_roles` are the engines
    // of roles with memory of their own. All that it wraps must outlive it.
    virtual std::unique_ptr<engine::Engine> Wrap(engine::Engine& inner,
                                                 std::map<std::string, engine::Engine*> of_roles) = 0;
    // A place for an S3 call of somebody, held until it is dropped. Never waits.
    virtual Result<std::shared_ptr<void>> BeginCall(const security::Principal& principal) = 0;
    // Refuses to let files grow where the disk is nearly full, but for SQLite's, and to say then what is free.
    virtual Env& LakeEnv() = 0;
    // Says that nothing is free from where the disk warns on.
    virtual Env& CacheEnv() = 0;
    // Counts a body that is read into memory against the budget while `serve` runs.
    virtual Status Serve(HttpRequest& request, const std::function<Status()>& serve) = 0;

    virtual void Start(engine::Engine& engine) = 0;
    virtual void Stop() = 0;
};

}  // namespace tarn::access
