// What the gate and the checks of credentials cost. Run: benches/access_identity_bench
#include <benchmark/benchmark.h>

#include "access/identity/credential.h"
#include "access/identity/identity.h"
#include "access/identity/matcher.h"
#include "access/identity/password.h"

namespace tarn::identity {
namespace {

class BenchKeys : public security::KeyProvider {
  public:
    Result<Secret> KeyOf(std::string_view) override { return Secret(Bytes(kKeyBytes, 7)); }
};

// An Identity with a user whose roles have this many statements, of all kinds of patterns.
struct Bench {
    explicit Bench(int statements) {
        TARN_CHECK(SystemEnv().files().CreateDirectories(folder).ok());
        Secret key(Bytes(kKeyBytes, 3));
        database = metadata::Database::OpenSqlite(SystemEnv(), folder + "/metadata.db", key).value();
        identity = Identity::Create({}, {SystemEnv(), NullLog(), metrics, *database, keys}).value();
        TARN_CHECK(identity->CreateUser("alice").ok());
        std::vector<PolicyFile> files;
        for (int part = 0; part < 10; ++part) files.push_back(PolicyPart(part, statements / 10));
        auto set = identity->SetPolicies(std::move(files));
        TARN_CHECK(set.ok());
        token = identity->CreateToken("alice", "bench").value();
        principal = identity->ByToken(token).value();
    }
    ~Bench() {
        identity.reset();
        database.reset();
        (void)SystemEnv().files().RemoveTree(folder);
    }
    static PolicyFile PolicyPart(int part, int statements) {
        PolicyFile file{.file = fmt::format("policies/{}.yaml", part), .text = "{}"};
        RoleDefinition& role = file.roles[fmt::format("role{}", part)];
        role.members = {"user:alice"};
        for (int i = 0; i < statements; ++i) {
            const char* shapes[] = {"s{0}_{1}.t", "s{0}_{1}.*", "*.s{0}_{1}", "s{0}_{1}.*_x"};
            Statement statement{.actions = {i % 2 == 0 ? "table:Read" : "table:*"}, .line = i + 1};
            statement.resources = {fmt::format(fmt::runtime(shapes[i % 4]), part, i)};
            (i % 10 == 0 ? role.deny : role.allow).push_back(std::move(statement));
        }
        return file;
    }

    std::string folder = "/tmp/tarn-identity-bench-" + SystemEnv().random().Hex(8);
    Metrics metrics;
    BenchKeys keys;
    std::unique_ptr<metadata::Database> database;
    std::unique_ptr<Identity> identity;
    std::string token;
    security::Principal principal;
};

void BM_DecideAllowed(benchmark::State& state) {
    Bench bench(static_cast<int>(state.range(0)));
    security::Resource resource{"table", "s9_5.flights"};
    TARN_CHECK(bench.identity->Decide(bench.principal, "table:Read", resource).allowed);
    for (auto _ : state) benchmark::DoNotOptimize(bench.identity->Decide(bench.principal, "table:Read", resource));
}
BENCHMARK(BM_DecideAllowed)->Arg(100)->Arg(1000)->Arg(10000);

void BM_DecideNothingMatches(benchmark::State& state) {
    Bench bench(static_cast<int>(state.range(0)));
    security::Resource resource{"table", "delays.flights"};
    TARN_CHECK(!bench.identity->Decide(bench.principal, "table:Read", resource).allowed);
    for (auto _ : state) benchmark::DoNotOptimize(bench.identity->Decide(bench.principal, "table:Read", resource));
}
BENCHMARK(BM_DecideNothingMatches)->Arg(100)->Arg(10000);

// A table without tags: what the catalog knows of most.
class BenchFacts : public security::TableFacts {
  public:
    security::TableTags TagsOf(const std::string&) const override { return {}; }
    std::string TableOfObject(std::string_view) const override { return {}; }
    uint64_t facts_epoch() const override { return 1; }
};

// Beside the statements, filters and masks that hold for the person: of this table two filters and three masks.
void BM_DecideRestricted(benchmark::State& state) {
    Bench bench(0);
    BenchFacts facts;
    bench.identity->SetTableFacts(facts, [](const std::string&) { return Ok(); });
    std::vector<PolicyFile> files;
    for (int part = 0; part < 10; ++part) {
        PolicyFile file = Bench::PolicyPart(part, static_cast<int>(state.range(0)) / 10);
        for (int i = 0; i < 100; ++i) {
            bool of_it = part == 9 && i < 5;
            std::string table = of_it ? "s9_5.flights" : fmt::format("s{}_{}.other", part, i);
            RestrictedSubject subject{.role = fmt::format("role{}", part)};
            if (i % 5 < 2) {
                file.row_filters.push_back(
                    {.subject = subject, .table = table, .where = "carrier = 'UA'", .line = i + 1});
            } else {
                std::string column = fmt::format("{}.column{}", table, i);
                file.masks.push_back({.subject = subject, .column = column, .with = "left(value, 1)", .line = i + 1});
            }
        }
        file.text = fmt::format("# {}", part);
        files.push_back(std::move(file));
    }
    TARN_CHECK(bench.identity->SetPolicies(std::move(files)).ok());
    security::Resource resource{"table", "s9_5.flights"};
    security::Decision decision = bench.identity->Decide(bench.principal, "table:Read", resource);
    TARN_CHECK(decision.allowed && decision.obligations.masks.size() == 3);
    for (auto _ : state) benchmark::DoNotOptimize(bench.identity->Decide(bench.principal, "table:Read", resource));
}
BENCHMARK(BM_DecideRestricted)->Arg(100)->Arg(10000)->ThreadRange(1, 2);

// One role that holds all 10,000: the index itself.
void BM_DecideOneRole(benchmark::State& state) {
    PolicyFile file = Bench::PolicyPart(0, 10000);
    CompiledRole role(file.file, "role", file.roles.begin()->second);
    for (auto _ : state) {
        benchmark::DoNotOptimize(role.Denies("table:Read", "s0_9997.flights"));
        benchmark::DoNotOptimize(role.Allows("table:Read", "s0_9997.flights"));
    }
}
BENCHMARK(BM_DecideOneRole);

void BM_Compile(benchmark::State& state) {
    PolicyFile file = Bench::PolicyPart(0, 10000);
    for (auto _ : state) {
        CompiledRole role(file.file, "role", file.roles.begin()->second);
        benchmark::DoNotOptimize(role.statements());
    }
}
BENCHMARK(BM_Compile)->Unit(benchmark::kMillisecond);

void BM_ByToken(benchmark::State& state) {
    Bench bench(100);
    for (auto _ : state) benchmark::DoNotOptimize(bench.identity->ByToken(bench.token));
}
BENCHMARK(BM_ByToken);

void BM_VerifyPassword(benchmark::State& state) {
    std::string hash = HashPassword(SystemEnv().random(), "correct horse").value();
    for (auto _ : state) benchmark::DoNotOptimize(VerifyPassword(hash, "correct horse"));
}
BENCHMARK(BM_VerifyPassword)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tarn::identity
