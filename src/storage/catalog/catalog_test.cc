#include "storage/catalog/catalog.h"

#include <gtest/gtest.h>

#include "metadata/store_for_test.h"
#include "security/fakes_for_test.h"
#include "security/hidden.h"
#include "storage/catalog/search.h"

namespace tarn::catalog {
namespace {

using security::Principal;
using Texts = std::vector<std::string>;

// Datasets by list, one version each.
class FakeProvider : public DatasetProvider {
  public:
    void Add(const std::string& schema, const std::string& name, const std::string& description = "") {
        datasets_.push_back(
            {.schema = schema, .name = name, .kind = "table", .description = description, .version = "3"});
    }
    Result<std::vector<std::string>> Schemas() override {
        std::set<std::string> schemas;
        for (const Dataset& dataset : datasets_) schemas.insert(dataset.schema);
        return Texts(schemas.begin(), schemas.end());
    }
    Result<std::vector<Dataset>> Datasets(const std::string& schema) override {
        std::vector<Dataset> found;
        for (const Dataset& dataset : datasets_) {
            if (dataset.schema == schema) found.push_back(dataset);
        }
        return found;
    }
    Result<engine::Relation> Find(const Principal&, const std::string& schema, const std::string& name,
                                  const engine::AtClause& at) override {
        for (const Dataset& dataset : datasets_) {
            if (dataset.schema != schema || dataset.name != name) continue;
            if (at.version && *at.version != 3)
                return Error(ErrorCode::kNotFound, "there is no version {}", *at.version);
            engine::Relation relation;
            relation.schema = schema;
            relation.name = name;
            relation.version = dataset.version;
            relation.columns = {{.name = "tailnum", .type = "VARCHAR", .description = "registration"}};
            return relation;
        }
        return Error(ErrorCode::kNotFound, "nothing");
    }
    Result<std::vector<DatasetVersion>> Versions(const std::string& schema, const std::string& name, int) override {
        TRY(Find({}, schema, name, {}));
        return std::vector<DatasetVersion>{{.version = "3"}};
    }

  private:
    std::vector<Dataset> datasets_;
};

class CatalogTest : public testing::Test {
  protected:
    CatalogTest() {
        provider_.Add("delays", "flights", "Every flight");
        provider_.Add("delays", "secret");
        provider_.Add("raw_flights", "flights");
        database_ =
            metadata::Database::OpenSqlite(SystemEnv(), directory_.path() + "/m.db", Secret(Bytes(32, 1))).value();
        catalog_ = Catalog::Create({env_.env, *database_, gate_}).value();
        catalog_->AddProvider(provider_);
        gate_.allowed = {"user:alice table:Read delays.flights", "user:alice table:Describe raw_flights.flights"};
    }
    Texts Ids(const std::vector<Dataset>& datasets) {
        Texts ids;
        for (const Dataset& dataset : datasets) ids.push_back(dataset.schema + "." + dataset.name);
        return ids;
    }
    void Record(const std::string& name, const std::string& version, const std::vector<LineageInput>& inputs,
                const std::vector<LineageColumn>& columns = {}) {
        LineageRecord record{.schema = "delays", .name = name, .version = version, .run_id = "run"};
        record.inputs = inputs;
        record.columns = columns;
        Status recorded = catalog_->RecordLineage(record);
        ASSERT_TRUE(recorded.ok()) << recorded.error().ToString();
    }

    metadata::TestDirectory directory_;
    security::FakeEnv env_;
    security::FakeGate gate_;
    FakeProvider provider_;
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Catalog> catalog_;
    Principal alice_{.kind = security::PrincipalKind::kUser, .name = "alice"};
    Principal system_ = Principal::System("test");
};

TEST_F(CatalogTest, WhatMayNotBeReadIsNotThere) {
    EXPECT_TRUE(catalog_->Find(alice_, "delays", "flights", {}).ok());
    auto hidden = catalog_->Find(alice_, "delays", "secret", {});
    auto missing = catalog_->Find(alice_, "delays", "nothing", {});
    // The code is for the dispatcher, which records a denial and answers the one like the other.
    EXPECT_TRUE(security::IsHidden(hidden.error()));
    EXPECT_EQ(hidden.error().detail_code(), missing.error().detail_code());
    EXPECT_EQ(catalog_->Find(alice_, "raw_flights", "flights", {}).error().code(), ErrorCode::kPermissionDenied);
    EXPECT_TRUE(catalog_->Find(system_, "delays", "secret", {}).ok());
}

TEST_F(CatalogTest, ListsWhatMayBeSeen) {
    EXPECT_EQ(Ids(*catalog_->List(alice_)), (Texts{"delays.flights", "raw_flights.flights"}));
    EXPECT_EQ(*catalog_->Schemas(alice_), (Texts{"delays", "raw_flights"}));
    EXPECT_EQ(catalog_->Relations(alice_, "delays")->size(), 1u);
    EXPECT_EQ(catalog_->Describe(alice_, "delays", "secret").error().code(), ErrorCode::kPermissionDenied);
    EXPECT_EQ(catalog_->Versions(alice_, "delays", "secret", 5).error().code(), ErrorCode::kPermissionDenied);
    EXPECT_EQ(catalog_->Versions(alice_, "delays", "flights", 5)->size(), 1u);
}

TEST_F(CatalogTest, SaysThatAVersionIsMissing) {
    auto missing = catalog_->Find(alice_, "delays", "flights", {.version = 9});
    ASSERT_FALSE(missing.ok());
    EXPECT_NE(missing.error().message().find("no version 9"), std::string::npos);
}

TEST_F(CatalogTest, SearchesNamesDescriptionsAndColumns) {
    EXPECT_EQ(Ids(*catalog_->Search(alice_, "flights", 10)), (Texts{"raw_flights.flights", "delays.flights"}));
    EXPECT_EQ(Ids(*catalog_->Search(alice_, "TAILNUM", 10)), (Texts{"delays.flights"}));
    EXPECT_EQ(Ids(*catalog_->Search(alice_, "every flight", 10)), (Texts{"delays.flights"}));
    EXPECT_TRUE(catalog_->Search(alice_, "secret", 10)->empty());
    EXPECT_EQ(catalog_->Search(system_, "secret", 10)->size(), 1u);
}

TEST_F(CatalogTest, KnowsTheLineageOfVersions) {
    Record("flights", "3", {{"raw_flights", "flights", "7"}, {"delays", "secret", "1"}},
           {{"carrier", "raw_flights", "flights", "carrier_code"}, {"x", "delays", "secret", "y"}});
    auto record = catalog_->LineageOf(system_, "delays", "flights", "3");
    ASSERT_TRUE(record.ok() && record->has_value());
    EXPECT_EQ((*record)->inputs.size(), 2u);
    EXPECT_EQ((*record)->run_id, "run");
    record = catalog_->LineageOf(alice_, "delays", "flights", "3");
    EXPECT_EQ((*record)->inputs.size(), 1u);  // without what is hidden
    EXPECT_EQ((*record)->columns.size(), 1u);
    EXPECT_FALSE(catalog_->LineageOf(alice_, "delays", "flights", "4")->has_value());
}

TEST_F(CatalogTest, WalksTheGraphBothWays) {
    Record("flights", "3", {{"raw_flights", "flights", "7"}}, {{"carrier", "raw_flights", "flights", "code"}});
    Record("flights", "3", {{"raw_flights", "flights", "7"}}, {{"carrier", "raw_flights", "flights", "code"}});
    Record("secret", "1", {{"delays", "flights", "3"}});
    auto graph = catalog_->Lineage(system_, "delays", "flights", 3);
    ASSERT_TRUE(graph.ok());
    EXPECT_EQ(graph->nodes.size(), 3u);
    ASSERT_EQ(graph->edges.size(), 2u);
    EXPECT_EQ(graph->edges[0].from, "raw_flights.flights");
    EXPECT_EQ(graph->edges[0].to, "delays.flights");
    EXPECT_EQ(graph->edges[0].columns[0].input_column, "code");
    EXPECT_EQ(graph->nodes[1].version, "7");
    EXPECT_EQ(catalog_->Lineage(alice_, "delays", "flights", 3)->nodes.size(), 2u);
    EXPECT_EQ(catalog_->Lineage(system_, "delays", "flights", 0)->nodes.size(), 1u);
    // A newer version without the input: the edge is gone from the present.
    Record("flights", "4", {});
    EXPECT_EQ(catalog_->Lineage(system_, "raw_flights", "flights", 3)->edges.size(), 0u);
    EXPECT_TRUE(catalog_->LineageOf(system_, "delays", "flights", "3")->has_value());
}

TEST_F(CatalogTest, KeepsTheNewestVersionsOnly) {
    for (int version = 0; version < 105; ++version) {
        Record("flights", std::to_string(version), {{"raw_flights", "flights", std::to_string(version)}});
    }
    EXPECT_FALSE(catalog_->LineageOf(system_, "delays", "flights", "4")->has_value());
    EXPECT_TRUE(catalog_->LineageOf(system_, "delays", "flights", "5")->has_value());
}

TEST(CatalogSearch, AllWordsMustOccur) {
    Dataset dataset{.schema = "delays", .name = "flights", .description = "Every flight of 2013"};
    EXPECT_GT(SearchScore(SearchWords("flights"), dataset, {}), SearchScore(SearchWords("flight"), dataset, {}));
    EXPECT_GT(SearchScore(SearchWords("flights 2013"), dataset, {}), 0);
    EXPECT_EQ(SearchScore(SearchWords("flights 2014"), dataset, {}), 0);
}

}  // namespace
}  // namespace tarn::catalog
