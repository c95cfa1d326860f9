// Appends a second on the real disk (/tmp): with a sync each, alone and by 32 threads, and
// without. Group commit shows as records a sync.
#include <benchmark/benchmark.h>

#include "access/audit/audit.h"

namespace tarn::access {
namespace {

class FixedKeys : public security::KeyProvider {
  public:
    Result<Secret> KeyOf(std::string_view scope) override { return DeriveKey(AsBytes("root"), scope); }
};

struct Bench {
    Bench() {
        folder = "/tmp/tarn-audit-bench-" + SystemEnv().random().Hex(4);
        TARN_CHECK(SystemEnv().files().CreateDirectories(folder).ok());
        Secret key = DeriveKey(AsBytes("root"), "metadata");
        database = metadata::Database::OpenSqlite(SystemEnv(), folder + "/metadata.db", key).value();
        audit = Audit::Create({}, {SystemEnv(), keys, *database, NullLog(), metrics, folder + "/audit"}).value();
    }
    ~Bench() {
        audit.reset();
        database.reset();
        (void)SystemEnv().files().RemoveTree(folder);
    }
    std::string folder;
    FixedKeys keys;
    Metrics metrics;
    std::unique_ptr<metadata::Database> database;
    std::unique_ptr<Audit> audit;
};

std::unique_ptr<Bench> bench;

void Append(benchmark::State& state, security::AuditDurability durability) {
    if (state.thread_index() == 0) bench = std::make_unique<Bench>();
    security::AuditEvent event;
    event.call_id = "4f2a90c1d2e300000001";
    event.principal = "user:alice";
    event.credential = "session:4f2a";
    event.remote = "127.0.0.1:51234";
    event.protocol = "s3";
    event.operation = "PutObject";
    event.action = "lake:PutObject";
    event.resource = "lake:raw/registry/planes/2026-11-22.parquet";
    event.audit_class = security::AuditClass::kChange;
    event.status = "ok";
    event.bytes = 123456;
    event.duration_us = 789;
    for (auto _ : state) TARN_CHECK(bench->audit->Append(event, durability).ok());
    state.SetItemsProcessed(state.iterations());
    if (state.thread_index() != 0) return;
    auto records = static_cast<double>(bench->metrics.GetCounter("tarn_audit_records_total", "").value());
    auto syncs = static_cast<double>(bench->metrics.GetCounter("tarn_audit_syncs_total", "").value());
    state.counters["records_per_sync"] = records / std::max(1.0, syncs);
    bench.reset();
}

BENCHMARK_CAPTURE(Append, synced, security::AuditDurability::kSynced)->UseRealTime()->Threads(1)->Threads(32);
BENCHMARK_CAPTURE(Append, written, security::AuditDurability::kWritten)->UseRealTime()->Threads(1)->Threads(8);

void Read(benchmark::State& state) {
    Bench local;
    security::AuditEvent event;
    event.principal = "user:alice";
    event.action = "lake:PutObject";
    event.details = {{"sql", "SELECT count(*) FROM delays.flights WHERE origin = 'EWR'"}};
    for (int i = 0; i < 50'000; ++i) TARN_CHECK(local.audit->Append(event, security::AuditDurability::kWritten).ok());
    for (auto _ : state) TARN_CHECK(local.audit->Read({}, static_cast<size_t>(state.range(0))).ok());
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Read)->Arg(100)->Arg(50'000)->Unit(benchmark::kMillisecond);

void Verify(benchmark::State& state) {
    Bench local;
    security::AuditEvent event;
    event.principal = "user:alice";
    for (int i = 0; i < 50'000; ++i) TARN_CHECK(local.audit->Append(event, security::AuditDurability::kWritten).ok());
    for (auto _ : state) TARN_CHECK(local.audit->Verify()->issue_count == 0);
    state.SetItemsProcessed(state.iterations() * 50'000);
}
BENCHMARK(Verify)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tarn::access
