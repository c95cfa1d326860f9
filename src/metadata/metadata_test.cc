// The same tests on both stores, through the door.
#include "metadata/metadata.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "metadata/store_for_test.h"

namespace tarn::metadata {
namespace {

class MetadataTest : public testing::TestWithParam<StoreKind> {
  protected:
    void SetUp() override {
        store_ = TestStore::Create(GetParam());
        if (!store_) GTEST_SKIP() << "PostgreSQL is not installed: apt-get install postgresql";
        database_ = store_->Open();
        ASSERT_NE(database_, nullptr);
    }

    void MigrateItems() {
        Check(database_->Migrate("items", {{1,
                                            "CREATE TABLE items (name TEXT PRIMARY KEY, amount INTEGER, ratio REAL,"
                                            " content BLOB, CHECK (amount <> -13))"}}));
    }

    static void Check(const Status& status) { ASSERT_TRUE(status.ok()) << status.error().ToString(); }

    Status Insert(const std::string& name, int64_t amount) {
        return database_->Write([&](Transaction& transaction) -> Status {
            TRY(transaction.Execute("INSERT INTO items (name, amount) VALUES ($1, $2)", {name, amount}));
            return Ok();
        });
    }

    int64_t Count() {
        auto rows = database_->Query("SELECT count(*) FROM items", {});
        EXPECT_TRUE(rows.ok()) << rows.error().ToString();
        return rows.ok() ? rows->at(0).at(0).integer() : -1;
    }

    std::unique_ptr<TestStore> store_;
    std::unique_ptr<Database> database_;
};

TEST_P(MetadataTest, KeepsValuesOfEveryType) {
    MigrateItems();
    Bytes content{0, 1, 0xff, 0, 'x'};
    Check(database_->Write([&](Transaction& transaction) -> Status {
        int64_t changed = TRY(transaction.Execute("INSERT INTO items VALUES ($1, $2, $3, $4)",
                                                  {"\xc3\xa9t'\"\xc3\xa9 ; -- x", INT64_MIN, 0.1, content}));
        EXPECT_EQ(changed, 1);
        TRY(transaction.Execute("INSERT INTO items VALUES ($1, $2, $3, $4)", {"nulls", nullptr, nullptr, nullptr}));
        TRY(transaction.Execute("INSERT INTO items VALUES ($1, $2, $3, $4)", {"", INT64_MAX, -1e300, Bytes{}}));
        return Ok();
    }));
    auto rows = database_->Query("SELECT name, amount, ratio, content FROM items ORDER BY name", {});
    ASSERT_TRUE(rows.ok()) << rows.error().ToString();
    ASSERT_EQ(rows->size(), 3u);
    EXPECT_EQ((*rows)[0][0].text(), "");
    EXPECT_EQ((*rows)[0][1].integer(), INT64_MAX);
    EXPECT_EQ((*rows)[0][2].real(), -1e300);
    EXPECT_FALSE((*rows)[0][3].is_null());
    EXPECT_TRUE((*rows)[1][1].is_null() && (*rows)[1][2].is_null() && (*rows)[1][3].is_null());
    EXPECT_EQ((*rows)[2][0].text(), "\xc3\xa9t'\"\xc3\xa9 ; -- x");
    EXPECT_EQ((*rows)[2][1].integer(), INT64_MIN);
    EXPECT_EQ((*rows)[2][2].real(), 0.1);
    EXPECT_EQ((*rows)[2][3].blob(), content);
}

TEST_P(MetadataTest, ParametersGoByTheirNumber) {
    MigrateItems();
    Check(Insert("a", 1));
    auto rows = database_->Query("SELECT name FROM items WHERE amount = $2 AND name = $1 AND $2 > 0", {"a", 1});
    ASSERT_TRUE(rows.ok()) << rows.error().ToString();
    EXPECT_EQ(rows->size(), 1u);
    EXPECT_FALSE(database_->Query("SELECT name FROM items WHERE name = $1", {}).ok());
    EXPECT_FALSE(database_->Query("SELECT name FROM items WHERE name = $1", {"a", "b"}).ok());
}

TEST_P(MetadataTest, TextSortsByBytes) {
    MigrateItems();
    for (const char* name : {"b", "a", "B", "_", "\xc3\xa9", "a/b", "a-b"}) Check(Insert(name, 1));
    std::string order;
    Check(database_->Scan("SELECT name FROM items ORDER BY name", {}, [&](const Row& row) {
        order += row[0].text() + " ";
        return true;
    }));
    EXPECT_EQ(order, "B _ a a-b a/b b \xc3\xa9 ");
}

TEST_P(MetadataTest, SumsAreNumbers) {
    MigrateItems();
    Check(Insert("a", 1'000'000'000'000));
    Check(Insert("b", 2));
    auto rows = database_->Query("SELECT sum(amount), max(amount), avg(amount) FROM items", {});
    ASSERT_TRUE(rows.ok()) << rows.error().ToString();
    EXPECT_EQ((*rows)[0][0].integer(), 1'000'000'000'002);
    EXPECT_EQ((*rows)[0][1].integer(), 1'000'000'000'000);
    EXPECT_EQ((*rows)[0][2].real(), 500'000'000'001.0);
}

TEST_P(MetadataTest, AFailedWriteLeavesNothing) {
    MigrateItems();
    Status status = database_->Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute("INSERT INTO items (name) VALUES ($1)", {"x"}));
        return Error(ErrorCode::kConflict, "changed my mind");
    });
    EXPECT_EQ(status.error().code(), ErrorCode::kConflict);
    EXPECT_EQ(Count(), 0);
}

TEST_P(MetadataTest, AFailedStatementFailsItsTransactionEvenWhenIgnored) {
    MigrateItems();
    Check(Insert("taken", 1));
    Status status = database_->Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute("INSERT INTO items (name) VALUES ($1)", {"before"}));
        (void)transaction.Execute("INSERT INTO items (name) VALUES ($1)", {"taken"}).ok();
        EXPECT_FALSE(transaction.Query("SELECT 1").ok());
        return Ok();
    });
    EXPECT_EQ(status.error().code(), ErrorCode::kAlreadyExists) << status.error().ToString();
    EXPECT_EQ(Count(), 1);
}

TEST_P(MetadataTest, ErrorsHaveOneCodeOnBothStores) {
    MigrateItems();
    Check(database_->Migrate("parts", {{1, "CREATE TABLE parts (item TEXT NOT NULL REFERENCES items (name))"}}));
    auto code = [&](const std::string& sql, const Parameters& parameters) {
        Status status = database_->Write([&](Transaction& transaction) -> Status {
            TRY(transaction.Execute(sql, parameters));
            return Ok();
        });
        EXPECT_FALSE(status.ok()) << sql;
        return status.ok() ? ErrorCode::kInternal : status.error().code();
    };
    Check(Insert("a", 1));
    EXPECT_EQ(code("INSERT INTO items (name) VALUES ($1)", {"a"}), ErrorCode::kAlreadyExists);
    EXPECT_EQ(code("INSERT INTO parts VALUES ($1)", {"none"}), ErrorCode::kFailedPrecondition);
    EXPECT_EQ(code("INSERT INTO parts VALUES ($1)", {nullptr}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code("INSERT INTO items (name, amount) VALUES ($1, $2)", {"b", -13}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code("INSERT INTO items (name, amount) VALUES ($1, $2)", {"b", "word"}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code("INSERT INTO items (name) VALUES ($1)", {std::string("nul\0", 4)}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code("INSERT INTO items (name) VALUES ($1)", {"\xff"}), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code("INSERT INTO nowhere VALUES (1)", {}), ErrorCode::kInternal);
    EXPECT_EQ(Count(), 1);
}

TEST_P(MetadataTest, ReadsCannotWrite) {
    MigrateItems();
    EXPECT_FALSE(database_->Query("INSERT INTO items (name) VALUES ('x')", {}).ok());
    EXPECT_EQ(Count(), 0);
}

TEST_P(MetadataTest, UpsertAndReturning) {
    MigrateItems();
    Check(database_->Write([&](Transaction& transaction) -> Status {
        const char* sql =
            "INSERT INTO items (name, amount) VALUES ($1, $2) ON CONFLICT (name) "
            "DO UPDATE SET amount = items.amount + excluded.amount RETURNING amount";
        EXPECT_EQ(TRY(transaction.Query(sql, {"a", 2}))[0][0].integer(), 2);
        EXPECT_EQ(TRY(transaction.Query(sql, {"a", 3}))[0][0].integer(), 5);
        EXPECT_EQ(TRY(transaction.Execute("DELETE FROM items WHERE name = $1", {"none"})), 0);
        return Ok();
    }));
}

TEST_P(MetadataTest, IntegerPrimaryKeyNumbersItself) {
    Check(database_->Migrate("log", {{1, "CREATE TABLE log (id INTEGER PRIMARY KEY, line TEXT)"}}));
    Check(database_->Write([&](Transaction& transaction) -> Status {
        const char* sql = "INSERT INTO log (line) VALUES ($1) RETURNING id";
        EXPECT_EQ(TRY(transaction.Query(sql, {"x"}))[0][0].integer(), 1);
        EXPECT_EQ(TRY(transaction.Query(sql, {"y"}))[0][0].integer(), 2);
        return Ok();
    }));
}

TEST_P(MetadataTest, ScanStopsWhenTold) {
    MigrateItems();
    for (int i = 0; i < 20; ++i) Check(Insert(std::to_string(i), i));
    int seen = 0;
    Check(database_->Scan("SELECT name FROM items", {}, [&](const Row&) {
        EXPECT_EQ(Count(), 20);  // reading goes on while a scan is open
        return ++seen < 5;
    }));
    EXPECT_EQ(seen, 5);
    EXPECT_EQ(Count(), 20);
}

TEST_P(MetadataTest, MigrationsRunOnceAndInOrder) {
    std::vector<Migration> first{{1, "CREATE TABLE a (id INTEGER); CREATE INDEX a_id ON a (id); -- done;"}};
    std::vector<Migration> second = first;
    second.push_back({2, "INSERT INTO a VALUES (7); INSERT INTO a VALUES (8)"});
    Check(database_->Migrate("a", first));
    Check(database_->Migrate("a", second));
    Check(database_->Migrate("a", second));
    EXPECT_EQ(database_->Query("SELECT count(*) FROM a", {})->at(0)[0].integer(), 2);
    Status older = database_->Migrate("a", first);
    ASSERT_FALSE(older.ok());
    EXPECT_NE(older.error().message().find("newer Tarn"), std::string::npos);
    EXPECT_FALSE(database_->Migrate("b", {{2, "CREATE TABLE b (id INTEGER)"}}).ok());
}

TEST_P(MetadataTest, AFailedMigrationLeavesNothing) {
    EXPECT_FALSE(database_->Migrate("c", {{1, "CREATE TABLE c (id INTEGER); INSERT INTO none VALUES (1)"}}).ok());
    Check(database_->Migrate("c", {{1, "CREATE TABLE c (id INTEGER)"}}));
}

TEST_P(MetadataTest, StateOutlivesClosing) {
    MigrateItems();
    Check(Insert("kept", 1));
    database_.reset();
    database_ = store_->Open();
    EXPECT_EQ(Count(), 1);
    Check(database_->CheckIntegrity());
}

TEST_P(MetadataTest, ManyThreadsCountWithoutLosingOne) {
    MigrateItems();
    Check(Insert("counter", 0));
    std::vector<std::thread> threads;
    std::atomic<int> failed = 0;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < 25; ++k) {
                Status status = database_->Write([](Transaction& transaction) -> Status {
                    auto rows = TRY(transaction.Query("SELECT amount FROM items WHERE name = 'counter'"));
                    TRY(transaction.Execute("UPDATE items SET amount = $1 WHERE name = 'counter'",
                                            {rows[0][0].integer() + 1}));
                    return Ok();
                });
                if (!status.ok()) ++failed;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(database_->Query("SELECT amount FROM items", {})->at(0)[0].integer(), 200);
}

TEST_P(MetadataTest, AFailingWriteDoesNotHarmItsBatch) {
    MigrateItems();
    std::vector<std::thread> threads;
    std::atomic<int> refused = 0;
    for (int i = 0; i < 16; ++i) {
        threads.emplace_back([&, i] {
            for (int k = 0; k < 10; ++k) {
                // Every second one fails: its name is taken, or it is -13.
                Status status = Insert(i % 2 ? "taken" : fmt::format("{}/{}", i, k), k == 9 ? -13 : k);
                if (!status.ok()) ++refused;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(Count(), 8 * 9 + 1);
    EXPECT_EQ(refused, 160 - Count());
}

INSTANTIATE_TEST_SUITE_P(Stores, MetadataTest, testing::Values(StoreKind::kSqlite, StoreKind::kPostgres),
                         [](const auto& info) { return info.param == StoreKind::kSqlite ? "Sqlite" : "Postgres"; });

}  // namespace
}  // namespace tarn::metadata
