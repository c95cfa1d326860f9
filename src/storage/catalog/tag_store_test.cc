#include "storage/catalog/tag_store.h"

#include <gtest/gtest.h>

#include "metadata/store_for_test.h"
#include "storage/catalog/lineage_store.h"

namespace tarn::catalog {
namespace {

using Tags = std::vector<std::string>;

class TagStoreTest : public testing::Test {
  protected:
    TagStoreTest() {
        database_ =
            metadata::Database::OpenSqlite(SystemEnv(), directory_.path() + "/m.db", Secret(Bytes(32, 1))).value();
        lineage_.emplace(LineageStore::Open(*database_, SystemEnv().clock()).value());
        Reopen();
    }
    void Reopen() { store_ = TagStore::Open(*database_).value(); }
    void Declare(const std::string& id, std::map<std::string, Tags> columns, Tags declassified = {}) {
        annotations_[id].column_tags = std::move(columns);
        annotations_[id].declassified = std::move(declassified);
        store_->Declare(annotations_);
    }
    // "out <- schema.table.in"
    static LineageColumn From(const std::string& column, const std::string& table, const std::string& input) {
        size_t dot = table.find('.');
        return {column, table.substr(0, dot), table.substr(dot + 1), input};
    }
    Tags Of(const std::string& id, const std::string& column) { return store_->Of(id).columns[column]; }

    metadata::TestDirectory directory_;
    std::unique_ptr<metadata::Database> database_;
    std::optional<LineageStore> lineage_;
    std::unique_ptr<TagStore> store_;
    std::map<std::string, Annotation> annotations_;
};

TEST_F(TagStoreTest, ADerivedColumnInheritsThroughEveryStep) {
    Declare("raw_a.people", {{"Name", {"identifying"}}, {"city", {"place", "internal"}}});
    ASSERT_TRUE(
        store_->Expect("u.one", {From("who", "raw_a.people", "NAME"), From("town", "raw_a.people", "city")}).ok());
    ASSERT_TRUE(store_->Expect("u.two", {From("label", "u.one", "who"), From("label", "u.one", "Town")}).ok());
    EXPECT_EQ(Of("u.one", "who"), Tags({"identifying"}));
    EXPECT_EQ(Of("u.two", "label"), Tags({"identifying", "internal", "place"}));
    EXPECT_EQ(Of("u.two", "other"), Tags());
}

TEST_F(TagStoreTest, DeclassifyEndsWhatIsInheritedAndKeepsWhatIsDeclared) {
    Declare("raw_a.people", {{"name", {"identifying"}}});
    ASSERT_TRUE(store_->Expect("u.one", {From("initial", "raw_a.people", "name")}).ok());
    ASSERT_TRUE(store_->Expect("u.two", {From("letter", "u.one", "initial")}).ok());
    Declare("u.one", {{"initial", {"short"}}}, {"Initial"});
    EXPECT_EQ(Of("u.one", "initial"), Tags({"short"}));
    EXPECT_EQ(Of("u.two", "letter"), Tags({"short"}));
}

TEST_F(TagStoreTest, WhatWasExpectedOrRecordedHoldsAfterARestart) {
    Declare("raw_a.people", {{"name", {"identifying"}}});
    ASSERT_TRUE(store_->Expect("u.one", {From("who", "raw_a.people", "name")}).ok());
    LineageRecord record{.schema = "u", .name = "two", .version = "1", .run_id = "r"};
    record.columns = {From("name", "raw_a.people", "name")};
    ASSERT_TRUE(lineage_->Record(record).ok());
    Reopen();
    store_->Declare(annotations_);
    EXPECT_EQ(Of("u.one", "who"), Tags({"identifying"}));
    EXPECT_EQ(Of("u.two", "name"), Tags({"identifying"}));
}

TEST_F(TagStoreTest, ATableThatReadsItselfEnds) {
    Declare("u.one", {{"a", {"t"}}});
    ASSERT_TRUE(store_->Expect("u.one", {From("a", "u.one", "b"), From("b", "u.one", "a")}).ok());
    EXPECT_EQ(Of("u.one", "b"), Tags({"t"}));
}

TEST_F(TagStoreTest, TheEpochGrowsWithChangesOnly) {
    uint64_t before = store_->epoch();
    ASSERT_TRUE(store_->Expect("u.one", {From("a", "u.two", "b")}).ok());
    EXPECT_GT(store_->epoch(), before);
    before = store_->epoch();
    ASSERT_TRUE(store_->Expect("u.one", {From("A", "u.two", "B")}).ok());
    EXPECT_EQ(store_->epoch(), before);
}

}  // namespace
}  // namespace tarn::catalog
