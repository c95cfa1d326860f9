// Small runs a second: parts of tasks that do nothing, queued as a backfill, through the real log of runs in SQLite on
// the real disk (/tmp), each start and end committed before it counts. Goal: 2,000 a second.
#include <benchmark/benchmark.h>

#include "ingestion/orchestrator/orchestrator.h"
#include "ingestion/orchestrator/state_machine.h"
#include "security/fakes_for_test.h"

namespace tarn::orchestrator {
namespace {

constexpr int64_t kParts = 10'000;

class NothingKind : public TaskKind {
  public:
    Result<TaskOutcome> Run(TaskRun&) override { return TaskOutcome(); }
    Result<bool> HasNew(const TaskSpec&) override { return false; }
    Result<std::string> CurrentVersion(const TaskSpec&) override { return std::string(); }
};

struct Bench {
    explicit Bench(int places) {
        folder = "/tmp/tarn-runs-bench-" + SystemEnv().random().Hex(4);
        TARN_CHECK(SystemEnv().files().CreateDirectories(folder).ok());
        Secret key(std::string_view("0123456789abcdef0123456789abcdef"));
        database = metadata::Database::OpenSqlite(SystemEnv(), folder + "/metadata.db", key).value();
        OrchestratorConfig config;
        config.parallel_max = places;
        orchestrator = Orchestrator::Create(config, {SystemEnv(), *database, gate, metrics, NullLog()}).value();
        orchestrator->RegisterKind("t", kind);
        TaskSpec spec;
        spec.id = "t:parts";
        spec.kind = "t";
        spec.timing.paused = true;
        spec.parts_parallel = places;
        spec.partition = workspace::Partition{workspace::PartUnit::kHour, ParseTime("2020-01-01").value()};
        TARN_CHECK(orchestrator->SetTasks({spec}).ok());
        TARN_CHECK(orchestrator->Start().ok());
    }
    ~Bench() {
        orchestrator.reset();
        database.reset();
        (void)SystemEnv().files().RemoveTree(folder);
    }
    std::string folder;
    std::unique_ptr<metadata::Database> database;
    security::FakeGate gate;
    Metrics metrics;
    NothingKind kind;
    std::unique_ptr<Orchestrator> orchestrator;
};

void SmallRuns(benchmark::State& state) {
    security::Principal admin{.kind = security::PrincipalKind::kUser, .name = "ann", .roles = {"admin"}};
    double queueing = 0;
    for (auto _ : state) {
        Bench bench(static_cast<int>(state.range(0)));
        Duration begin = SystemEnv().clock().Monotonic();
        std::string last = FormatTime(ParseTime("2020-01-01").value() + std::chrono::hours(kParts - 1));
        auto asked = bench.orchestrator->Backfill(admin, {.target = "t:parts", .first = "2020-01-01", .last = last});
        TARN_CHECK(asked.ok() && asked->queued == kParts);
        queueing += std::chrono::duration<double>(SystemEnv().clock().Monotonic() - begin).count();
        while (!bench.orchestrator->Idle()) SystemEnv().clock().Sleep(std::chrono::milliseconds(1));
        state.SetIterationTime(std::chrono::duration<double>(SystemEnv().clock().Monotonic() - begin).count());
        TARN_CHECK(bench.orchestrator->Health().ok());
    }
    state.counters["runs"] =
        benchmark::Counter(static_cast<double>(state.iterations() * kParts), benchmark::Counter::kIsRate);
    state.counters["queueing_s"] = queueing / static_cast<double>(state.iterations());
}
BENCHMARK(SmallRuns)->Arg(4)->Arg(16)->Arg(64)->Iterations(1)->UseManualTime()->Unit(benchmark::kMillisecond);

// A decision over 10,000 tables of which nothing happens, and over as many of which one has just ended.
void Decisions10000(benchmark::State& state) {
    std::vector<TaskSpec> specs;
    for (int index = 0; index < 10'000; ++index) {
        TaskSpec spec;
        spec.id = fmt::format("table:t{}", index);
        spec.kind = "table";
        spec.dataset = fmt::format("t{}", index);
        spec.timing.every = std::chrono::hours(1);
        for (int input = index / 2; input < index && input < index / 2 + 3; ++input) {
            spec.inputs.push_back(fmt::format("t{}", input));
        }
        specs.push_back(std::move(spec));
    }
    State machine;
    TARN_CHECK(SetGraph(machine, specs).ok());
    Timestamp now = ParseTime("2024-01-01").value();
    for (const std::string& task : machine.order) {
        Event event{.run = machine.last_run + 1, .task = task, .at = now};
        event.input_versions = InputVersions(machine, machine.specs.at(task));
        Fold(machine, event);
        event.kind = EventKind::kSucceeded;
        event.version = "1";
        Fold(machine, event);
    }
    TARN_CHECK(Decide(machine, now).queue.empty());
    Event touched{.kind = EventKind::kLate, .task = "table:t100", .at = now};
    for (auto _ : state) {
        if (state.range(0) == 1) Fold(machine, touched);
        benchmark::DoNotOptimize(Decide(machine, now));
    }
}
BENCHMARK(Decisions10000)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tarn::orchestrator
