// The embedded store on a disk that loses, tears and reorders what was not synced: SQLite's own file and log included.
// ./dev soak power runs more seeds.
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/fault_disk.h"
#include "base/fault_env.h"
#include "base/seeds_for_test.h"
#include "metadata/metadata.h"

namespace tarn::metadata {
namespace {

using Content = std::map<int64_t, std::string>;

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
constexpr const char* kPath = "/m.db";
const std::vector<Migration> kMigrations{
    {1, "CREATE TABLE items (id INTEGER PRIMARY KEY, line TEXT); CREATE INDEX items_line ON items (line)"}};

Result<std::unique_ptr<Database>> Open(Env& env) {
    auto database = TRY(Database::OpenSqlite(env, kPath, Secret(kKey)));
    TRY(database->Migrate("items", kMigrations));
    return database;
}

Status Put(Transaction& transaction, int64_t id, const std::string& line) {
    TRY(transaction.Execute("INSERT INTO items VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET line = excluded.line",
                            {id, line}));
    return Ok();
}

// One machine that is started, written to and stopped by force, again and again.
class Machine {
  public:
    explicit Machine(uint64_t seed) : env_(seed), numbers_(seed * 77) {}

    void Start() {
        auto opened = Open(env_);
        ASSERT_TRUE(opened.ok()) << opened.error().ToString();
        database_ = std::move(*opened);
        Check();
    }

    // Some transactions, each of some rows of any size; false when one was refused.
    bool Write(uint64_t count) {
        for (uint64_t i = 0; i < count; ++i) {
            after_ = before_;
            std::vector<std::pair<int64_t, std::string>> changes(1 + numbers_.Below(6));
            for (auto& [id, line] : changes) {
                id = static_cast<int64_t>(numbers_.Below(200));
                size_t bytes = numbers_.Below(4) == 0 ? numbers_.Below(60'000) : numbers_.Below(200);
                if (numbers_.Below(5) > 0) line = std::string(bytes + 1, static_cast<char>('a' + numbers_.Below(26)));
                if (line.empty()) {
                    after_.erase(id);
                } else {
                    after_[id] = line;
                }
            }
            Status status = database_->Write([&](Transaction& transaction) -> Status {
                for (const auto& [id, line] : changes) {
                    if (line.empty()) {
                        TRY(transaction.Execute("DELETE FROM items WHERE id = $1", {id}));
                    } else {
                        TRY(Put(transaction, id, line));
                    }
                }
                return Ok();
            });
            if (!status.ok()) return false;
            before_ = after_;
        }
        return true;
    }

    // What is there is what was acknowledged, with or without the one transaction that was under way.
    void Check() {
        Status sound = database_->CheckIntegrity();
        ASSERT_TRUE(sound.ok()) << sound.error().ToString();
        Content found;
        auto read = database_->Scan("SELECT id, line FROM items", {}, [&](const Row& row) {
            found[row[0].integer()] = row[1].text();
            return true;
        });
        ASSERT_TRUE(read.ok()) << read.error().ToString();
        EXPECT_TRUE(found == before_ || found == after_)
            << found.size() << " rows, acknowledged " << before_.size() << ", under way " << after_.size();
        before_ = after_ = found;
    }

    void Stop() { database_.reset(); }
    FaultEnv& env() { return env_; }
    SeededNumbers& numbers() { return numbers_; }
    Database& database() { return *database_; }

  private:
    FaultEnv env_;
    SeededNumbers numbers_;
    std::unique_ptr<Database> database_;
    Content before_;
    Content after_;
};

TEST(PowerCutTest, AcknowledgedIsThereTheRestIsWholeOrNot) {
    ForSeeds(60, [](uint64_t seed) {
        Machine machine(seed);
        for (int life = 0; life < 4 && !testing::Test::HasFailure(); ++life) {
            machine.Start();
            uint64_t bound = machine.numbers().Below(8) == 0 ? 6'000 : 400;
            machine.env().CrashAt(machine.env().operations() + static_cast<int64_t>(machine.numbers().Below(bound)));
            (void)machine.Write(machine.numbers().Below(8) == 0 ? 500 : 40);
            // The machine goes with the program still running, or after that has seen its disk go.
            bool first = machine.numbers().Coin();
            uint64_t chance = machine.numbers().Next();
            if (!first) machine.Stop();
            chance % 4 == 0 ? machine.env().Kill() : machine.env().PowerCut(chance);
            machine.Stop();
        }
        machine.Start();
    });
}

TEST(PowerCutTest, TheFirstStartMayBeCutAnywhere) {
    ForSeeds(60, [](uint64_t seed) {
        Machine machine(seed);
        machine.env().CrashAt(static_cast<int64_t>(seed % 60));
        (void)Open(machine.env()).ok();
        machine.env().PowerCut(seed);
        machine.Start();
        EXPECT_TRUE(machine.Write(5));
    });
}

// A failed fsync may have dropped what it should have written, and a second one would say that all is well. So nothing
// is written any more; and the next program must not build on pages that can be read but are not on the disk.
TEST(PowerCutTest, AfterAFailedSyncNothingIsWrittenAndARestartBuildsOnSolidGround) {
    ForSeeds(60, [](uint64_t seed) {
        Machine machine(seed);
        machine.Start();
        ASSERT_TRUE(machine.Write(3));
        FaultEnv& env = machine.env();
        int64_t syncs = env.operations(FaultOperation::kSync);
        env.FailAt(FaultOperation::kSync, syncs + static_cast<int64_t>(machine.numbers().Below(20)));
        ASSERT_FALSE(machine.Write(1000));
        syncs = env.operations(FaultOperation::kSync);
        Status refused = machine.database().Write([](Transaction& transaction) { return Put(transaction, 1, "x"); });
        EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
        EXPECT_NE(refused.error().message().find("no writes until restart"), std::string::npos);
        EXPECT_EQ(env.operations(FaultOperation::kSync), syncs);
        machine.Stop();
        EXPECT_EQ(env.operations(FaultOperation::kSync), syncs) << "a failed sync was tried again";
        env.Kill();
        machine.Start();
        ASSERT_TRUE(machine.Write(machine.numbers().Below(10)));
        env.PowerCut(seed);
        machine.Stop();
        machine.Start();
    });
}

// Group commit: each thread's own rows are as it was told.
TEST(PowerCutTest, WritersThatShareACommitAreEachToldTheTruth) {
    constexpr int kThreads = 4;
    ForSeeds(20, [](uint64_t seed) {
        FaultEnv env(seed);
        auto database = *Open(env);
        SeededNumbers numbers(seed);
        env.CrashAt(env.operations() + 20 + static_cast<int64_t>(numbers.Below(400)));
        std::vector<int64_t> acknowledged(kThreads, 0);
        std::vector<std::thread> threads;
        for (int i = 0; i < kThreads; ++i) {
            threads.emplace_back([&, i] {
                auto write = [&](Transaction& transaction) -> Status {
                    TRY(Put(transaction, i, fmt::format("{}", acknowledged[i] + 1)));
                    return Put(transaction, i + 100, fmt::format("{}", acknowledged[i] + 1));
                };
                while (acknowledged[i] < 2000 && database->Write(write).ok()) ++acknowledged[i];
            });
        }
        for (auto& thread : threads) thread.join();
        env.PowerCut(seed);
        database.reset();
        database = *Open(env);
        ASSERT_TRUE(database->CheckIntegrity().ok());
        for (int i = 0; i < kThreads; ++i) {
            auto rows = *database->Query("SELECT CAST(line AS INTEGER) FROM items WHERE id = $1 OR id = $1 + 100",
                                         {int64_t{i}});
            if (rows.empty() && acknowledged[i] == 0) continue;
            ASSERT_EQ(rows.size(), 2u);
            int64_t found = rows[0][0].integer();
            EXPECT_EQ(found, rows[1][0].integer()) << "half of a transaction";
            EXPECT_TRUE(found == acknowledged[i] || found == acknowledged[i] + 1) << found << " " << acknowledged[i];
        }
    });
}

TEST(PowerCutTest, AFullDiskRefusesUntilThereIsRoom) {
    Machine machine(1);
    machine.Start();
    ASSERT_TRUE(machine.Write(20));
    machine.env().SetDiskBytes(1);
    auto put = [&] {
        return machine.database().Write([](Transaction& transaction) { return Put(transaction, 7, "seven"); });
    };
    EXPECT_EQ(put().error().code(), ErrorCode::kResourceExhausted);
    EXPECT_TRUE(machine.database().Query("SELECT count(*) FROM items").ok());
    // A program that starts on a full disk reads, and writes again once there is room.
    machine.Stop();
    machine.env().Kill();
    auto database = Database::OpenSqlite(machine.env(), kPath, Secret(kKey));
    ASSERT_TRUE(database.ok()) << database.error().ToString();
    EXPECT_TRUE((*database)->Query("SELECT count(*) FROM items").ok());
    auto put_again = [&] {
        return (*database)->Write([](Transaction& transaction) { return Put(transaction, 7, "seven"); });
    };
    EXPECT_EQ(put_again().error().code(), ErrorCode::kResourceExhausted);
    machine.env().SetDiskBytes(1 << 30);
    EXPECT_TRUE(put_again().ok());
    EXPECT_TRUE((*database)->CheckIntegrity().ok());
}

TEST(PowerCutTest, TheFileIsOpenOnceOnly) {
    FaultEnv env;
    auto database = *Open(env);
    auto second = Database::OpenSqlite(env, kPath, Secret(kKey));
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace tarn::metadata
