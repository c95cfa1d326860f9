#include "workspace/rename.h"

#include <gtest/gtest.h>

#include "workspace/homes.h"

namespace tarn::workspace {
namespace {

const Renames kRenames = {{"table", "shop.sales", "shop.sold", "f", 1}, {"stream", "a.b", "a.c", "f", 1}};

bool Same(const std::string& before, const std::string& after) {
    return SameButForNames({"shop.sales", before}, {"shop.sold", after}, NewNames(kRenames));
}

TEST(RenameTest, TextsThatDifferInNamesAlone) {
    EXPECT_TRUE(Same("SELECT 1", "/* tarn\nrenamed_from: sales\n*/\nSELECT 1\n"));
    EXPECT_TRUE(Same("/* tarn\nkeep: full\n*/\nSELECT 1", "/* tarn\nkeep: full\nrenamed_from: sales\n*/ SELECT 1"));
    EXPECT_TRUE(Same("SELECT s.x FROM shop.sales s", "SELECT s.x FROM shop.sold s"));
    EXPECT_TRUE(Same("SELECT sales.x FROM sales", "SELECT sold.x FROM sold"));
    EXPECT_TRUE(Same("SELECT shop.sales.x FROM shop.sales", "SELECT shop.sold.x FROM shop.sold"));
    EXPECT_TRUE(Same("SELECT * FROM raw_a.b JOIN\n sales", "SELECT * FROM raw_a.c JOIN\n sold"));
    EXPECT_TRUE(Same("streams: {c: {path: x, every: 1h}}", "streams: {c: {path: x, renamed_from: b, every: 1h}}"));
    EXPECT_TRUE(Same("streams: {c: {path: x}}", "streams: {c: {path: x, renamed_from: b}}"));
    EXPECT_TRUE(Same("tables: {a: {from: shop.sales, to: x}}", "tables: {a: {from: shop.sold, to: x}}"));
}

TEST(RenameTest, AnythingElseIsAnotherText) {
    EXPECT_FALSE(Same("SELECT 1", "SELECT 2"));
    EXPECT_FALSE(Same("SELECT 'shop.sales' FROM x", "SELECT 'shop.sold' FROM x"));
    EXPECT_FALSE(Same("SELECT \"sales\" FROM sales", "SELECT \"sold\" FROM sold"));
    EXPECT_FALSE(Same("SELECT sales FROM shop.sales s", "SELECT sold FROM shop.sold s"));
    EXPECT_FALSE(Same("SELECT sales.x FROM other", "SELECT sold.x FROM other"));
    EXPECT_FALSE(Same("SELECT * FROM shop.sold", "SELECT * FROM shop.sales"));
    EXPECT_FALSE(Same("SELECT * FROM shop.other", "SELECT * FROM shop.sold"));
    EXPECT_FALSE(Same("to: shop.sales", "to: shop.sold"));
    EXPECT_FALSE(Same("a:\n  b: 1", "a:\nb: 1"));
    EXPECT_FALSE(Same("SELECT 1 -- a", "SELECT 1 -- b"));
}

TEST(RenameTest, NamesOfTasksAndDatasets) {
    NewNames names({{"table", "shop.sales", "market.sold", "f", 1},
                    {"stream", "a.b", "c.d", "f", 1},
                    {"destination", "out", "in", "f", 1}});
    EXPECT_EQ(names.OfDataset("shop.sales"), "market.sold");
    EXPECT_EQ(names.OfDataset("raw_a.b"), "raw_c.d");
    EXPECT_EQ(names.OfDataset("shop.other"), "shop.other");
    EXPECT_EQ(names.OfTask("table:shop.sales"), "table:market.sold");
    EXPECT_EQ(names.OfTask("source:a.b"), "source:c.d");
    EXPECT_EQ(names.OfTask("job:shop.sales"), "job:shop.sales");
    EXPECT_EQ(names.OfTask("destination:out.x"), "destination:in.x");
}

TEST(HomesTest, WhatIsRenamedStaysAndItsOldNameIsFree) {
    Homes homes;
    EXPECT_EQ(homes.HomeOf("x.a"), "x.a");
    EXPECT_EQ(homes.NameAt("x.a"), "x.a");
    homes.Set({{"x.b", "x.a"}}, {{{"table", "x.a"}, "x.b"}});
    EXPECT_EQ(homes.HomeOf("x.b"), "x.a");
    EXPECT_EQ(homes.NameAt("x.a"), "x.b");
    EXPECT_EQ(homes.HomeOf("x.a"), "x.a~2");
    EXPECT_EQ(homes.NameAt("x.a~2"), "x.a");
    EXPECT_EQ(homes.NameAt("x.b"), "") << "nobody is at home there";
    EXPECT_EQ(homes.NameAt("x.c"), "x.c");
    EXPECT_EQ(homes.RenamedTo("table", "x.a"), "x.b");
    EXPECT_EQ(homes.RenamedTo("table", "x.b"), "");
    homes.Set({{"x.b", "x.a"}, {"x.c", "x.a~2"}}, {{{"table", "x.a"}, "x.c"}});
    EXPECT_EQ(homes.HomeOf("x.a"), "x.a~3");
    uint64_t before = homes.epoch();
    homes.SetMoving({"x.b"});
    EXPECT_TRUE(homes.IsMoving("x.b"));
    EXPECT_FALSE(homes.IsMoving("x.a"));
    EXPECT_GT(homes.epoch(), before);
}

}  // namespace
}  // namespace tarn::workspace
