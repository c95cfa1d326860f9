// What only the embedded store promises: encryption, group commit, and surviving kill -9. Failing disks and power cuts
// are in power_cut_test.cc.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/text.h"
#include "metadata/metadata.h"
#include "metadata/store_for_test.h"

namespace tarn::metadata {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
const std::vector<Migration> kMigrations{{1, "CREATE TABLE rows (id INTEGER PRIMARY KEY, line TEXT)"}};

std::unique_ptr<Database> Open(const std::string& path, Metrics* metrics = nullptr) {
    auto database = Database::OpenSqlite(SystemEnv(), path, Secret(kKey), {.metrics = metrics});
    EXPECT_TRUE(database.ok()) << database.error().ToString();
    EXPECT_TRUE((*database)->Migrate("rows", kMigrations).ok());
    return std::move(database).value();
}

Status Insert(Database& database, int64_t id, const std::string& line = "") {
    return database.Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute("INSERT INTO rows VALUES ($1, $2)", {id, line}));
        return Ok();
    });
}

std::string FileContent(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SqliteTest, NothingReadableIsInItsFiles) {
    TestDirectory directory;
    auto database = Open(directory.path() + "/m.db");
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(Insert(*database, i, "canary-in-the-mine").ok());
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
        std::string content = FileContent(entry.path());
        EXPECT_EQ(content.find("canary"), std::string::npos) << entry.path();
        EXPECT_EQ(content.find("SQLite format"), std::string::npos) << entry.path();
        EXPECT_EQ(entry.status().permissions() & std::filesystem::perms(077), std::filesystem::perms::none);
        ++files;
    }
    EXPECT_EQ(files, 2);  // the database and its log; the log's index is in memory
}

TEST(SqliteTest, AHeldFileIsWholeWithoutItsLogAndStandsStill) {
    TestDirectory directory;
    std::string path = directory.path() + "/m.db";
    std::string copy = directory.path() + "/copy.db";
    auto database = Open(path);
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(Insert(*database, i, std::string(2000, 'x')).ok());
    int64_t rows_then = -1;
    auto hold = database->HoldFile([&]() -> Status {
        rows_then = TRY(database->Query("SELECT count(*) FROM rows"))[0][0].integer();
        return Ok();
    });
    ASSERT_TRUE(hold.ok()) << hold.error().ToString();
    std::string content = FileContent(path);
    // Far more than a checkpoint's worth of changes.
    for (int i = 500; i < 3000; ++i) ASSERT_TRUE(Insert(*database, i, std::string(4000, 'y')).ok());
    EXPECT_TRUE(FileContent(path) == content);
    std::ofstream(copy, std::ios::binary) << content;
    EXPECT_EQ(Open(copy)->Query("SELECT count(*) FROM rows").value()[0][0].integer(), rows_then);
    EXPECT_EQ(rows_then, 500);
    hold->reset();
    // From here on the log goes into the file again.
    for (int i = 3000; i < 3010; ++i) ASSERT_TRUE(Insert(*database, i).ok());
    EXPECT_FALSE(FileContent(path) == content);
    EXPECT_EQ(database->Query("SELECT count(*) FROM rows").value()[0][0].integer(), 3010);
    EXPECT_TRUE(database->CheckIntegrity().ok());
}

TEST(SqliteTest, AWrongKeyIsRefusedAndHarmsNothing) {
    TestDirectory directory;
    Open(directory.path() + "/m.db");
    auto wrong = Database::OpenSqlite(SystemEnv(), directory.path() + "/m.db",
                                      Secret(std::string_view("another key of thirty-two bytes!")));
    ASSERT_FALSE(wrong.ok());
    EXPECT_EQ(wrong.error().code(), ErrorCode::kCorruption) << wrong.error().ToString();
    auto short_key = Database::OpenSqlite(SystemEnv(), directory.path() + "/m.db", Secret(std::string_view("short")));
    EXPECT_EQ(short_key.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(Insert(*Open(directory.path() + "/m.db"), 1).ok());
}

TEST(SqliteTest, AChangedByteIsFound) {
    TestDirectory directory;
    std::string path = directory.path() + "/m.db";
    {
        auto database = Open(path);
        for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Insert(*database, i, std::string(100, 'x')).ok());
    }
    // Of each page, also of those that SQLite's own walk cannot do without.
    auto flip = [&](int64_t at) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(at);
        char was = static_cast<char>(file.get());
        file.seekp(at);
        file.put(static_cast<char>(was ^ 0x5a));  // sealed bytes are random: a fixed value could be there already
    };
    auto size = static_cast<int64_t>(std::filesystem::file_size(path));
    ASSERT_GT(size, 10 * 4096);
    for (int64_t page = 0; page < size / 4096; ++page) {
        flip(page * 4096 + 77);
        auto database = Database::OpenSqlite(SystemEnv(), path, Secret(kKey));
        Status whole = database.ok() ? (*database)->CheckIntegrity() : Status(database.error());
        ASSERT_FALSE(whole.ok()) << "page " << page;
        EXPECT_EQ(whole.error().code(), ErrorCode::kCorruption) << "page " << page;
        EXPECT_NE(whole.error().ToString().find("damaged"), std::string::npos)
            << page << " " << whole.error().ToString();
        if (database.ok()) database->reset();
        flip(page * 4096 + 77);
    }
}

TEST(SqliteTest, WritesThatWaitShareACommit) {
    TestDirectory directory;
    Metrics metrics;
    auto database = Open(directory.path() + "/m.db", &metrics);
    int64_t commits_before = metrics.GetCounter("tarn_metadata_commits_total", "").value();
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) {
        threads.emplace_back([&, i] {
            for (int k = 0; k < 20; ++k) EXPECT_TRUE(Insert(*database, i * 100 + k).ok());
        });
    }
    for (auto& thread : threads) thread.join();
    int64_t commits = metrics.GetCounter("tarn_metadata_commits_total", "").value() - commits_before;
    EXPECT_EQ(database->Query("SELECT count(*) FROM rows")->at(0)[0].integer(), 320);
    EXPECT_LT(commits, 160);
}

TEST(SqliteTest, AWriteInsideOfAWriteIsRefused) {
    TestDirectory directory;
    auto database = Open(directory.path() + "/m.db");
    Status status = database->Write([&](Transaction&) { return Insert(*database, 1); });
    EXPECT_EQ(status.error().code(), ErrorCode::kInternal);
}

TEST(SqliteTest, TheLogIsCopiedBackAndStartsAnew) {
    TestDirectory directory;
    auto database = Open(directory.path() + "/m.db");
    for (int round = 0; round < 200; ++round) {
        Status status = database->Write([&](Transaction& transaction) -> Status {
            for (int i = 0; i < 20; ++i) {
                TRY(transaction.Execute("INSERT INTO rows (line) VALUES ($1)", {std::string(4000, 'x')}));
            }
            return Ok();
        });
        ASSERT_TRUE(status.ok());
    }
    EXPECT_GT(std::filesystem::file_size(directory.path() + "/m.db"), 10'000'000u);
    EXPECT_LT(std::filesystem::file_size(directory.path() + "/m.db-wal"), 9'000'000u);
}

// Not a test: what the next one runs in a process of its own, in a directory of its own. It writes for ever and tells
// each id that was answered Ok.
TEST(SqliteTest, DISABLED_WriteUntilKilled) {
    auto database = Open("m.db");
    auto told = *SystemEnv().files().Create("answered", {});
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (int64_t id = i;; id += 4) {
                bool answered = Insert(*database, id).ok();
                EXPECT_TRUE(!answered || told->Append(AsBytes(fmt::format("{}\n", id))).ok());
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

TEST(SqliteTest, WhatWasAnsweredSurvivesAKill) {
    for (int round = 0; round < 3; ++round) {
        TestDirectory directory;
        std::string told = directory.path() + "/answered";
        auto child = Process::Start(
            {.command = {std::filesystem::read_symlink("/proc/self/exe"),
                         "--gtest_filter=SqliteTest.DISABLED_WriteUntilKilled", "--gtest_also_run_disabled_tests"},
             .directory = directory.path()});
        ASSERT_TRUE(child.ok()) << child.error().ToString();
        auto told_bytes = [&] { return std::filesystem::exists(told) ? std::filesystem::file_size(told) : 0; };
        for (int i = 0; i < 1000 && told_bytes() < 800u + 300u * round; ++i) {
            SystemEnv().clock().Sleep(std::chrono::milliseconds(10));
        }
        (*child)->Signal(SIGKILL);
        ASSERT_TRUE((*child)->Wait(std::chrono::seconds(10)).ok());
        ASSERT_GE(told_bytes(), 800u);
        auto database = Open(directory.path() + "/m.db");
        EXPECT_TRUE(database->CheckIntegrity().ok());
        std::string content = FileContent(told);
        content.resize(content.rfind('\n'));
        for (const std::string& id : Split(content, '\n')) {
            auto rows = database->Query("SELECT id FROM rows WHERE CAST(id AS TEXT) = $1", {id});
            ASSERT_EQ(rows->size(), 1u) << "acknowledged row " << id << " is gone";
        }
    }
}

}  // namespace
}  // namespace tarn::metadata
