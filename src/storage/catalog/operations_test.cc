// The catalog's routes through the router, with a real engine for previews.
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "metadata/store_for_test.h"
#include "security/fakes_for_test.h"
#include "storage/catalog/catalog.h"

namespace tarn::catalog {
namespace {

class OneTable : public DatasetProvider {
  public:
    Result<std::vector<std::string>> Schemas() override { return std::vector<std::string>{"delays"}; }
    Result<std::vector<Dataset>> Datasets(const std::string& schema) override {
        if (schema != "delays") return std::vector<Dataset>();
        Dataset dataset{.schema = "delays", .name = "flights", .kind = "table", .description = "Every flight"};
        dataset.version = "3";
        dataset.rows = 2;
        dataset.updated_at = FromMicros(1'000'000);
        return std::vector<Dataset>{dataset};
    }
    Result<engine::Relation> Find(const security::Principal&, const std::string& schema, const std::string& name,
                                  const engine::AtClause&) override {
        if (schema + name != "delaysflights") return Error(ErrorCode::kNotFound, "nothing");
        engine::Relation relation;
        relation.schema = schema;
        relation.name = name;
        relation.version = "3";
        relation.columns = {{.name = "carrier", .type = "VARCHAR", .nullable = false, .description = "who flies"},
                            {.name = "delay", .type = "INTEGER"}};
        relation.source = engine::GeneratedRows{[] {
            return Result<engine::RowSet>(engine::RowSet{{{"UA", "5"}, {std::string(10'000, 'x'), std::nullopt}}});
        }};
        return relation;
    }
    Result<std::vector<DatasetVersion>> Versions(const std::string& schema, const std::string& name, int) override {
        TRY(Find({}, schema, name, {}));
        return std::vector<DatasetVersion>{{.version = "3", .operation = "merge", .rows = 2}};
    }
};

class NoFiles : public engine::FileStore {
  public:
    Result<std::unique_ptr<engine::StoredFile>> Open(const security::Principal&, const std::string& path) override {
        return Error(ErrorCode::kNotFound, "{}", path);
    }
    Result<std::unique_ptr<engine::NewFile>> Create(const security::Principal&, const std::string& path) override {
        return Error(ErrorCode::kNotSupported, "{}", path);
    }
};

class Responder : public HttpResponder {
  public:
    Status Send(HttpResponse response) override { return answer = std::move(response), Ok(); }
    Result<ByteWriter*> Start(int, HttpHeaders, std::optional<uint64_t>) override {
        return Error(ErrorCode::kNotSupported, "no streams");
    }
    bool started() const override { return false; }
    HttpResponse answer;
};

class CatalogRoutesTest : public testing::Test {
  protected:
    CatalogRoutesTest() : dispatcher_(env_.env, gate_, audit_, metrics_) {
        database_ =
            metadata::Database::OpenSqlite(SystemEnv(), directory_.path() + "/m.db", Secret(Bytes(32, 1))).value();
        catalog_ = Catalog::Create({env_.env, *database_, gate_}).value();
        catalog_->AddProvider(provider_);
        engine::EngineConfig config;
        config.spill_directory = directory_.path() + "/spill";
        config.extension_directory =
            (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "extensions").string();
        engine_ = engine::Engine::Create(config, {SystemEnv(), files_, *catalog_, metrics_, NullLog()}).value();
        router_.Add(CatalogRoutes(*catalog_, *engine_));
        gate_.allowed = {"user:alice table:Read delays.flights"};
    }
    HttpResponse Get(const std::string& path, const std::string& user = "alice",
                     std::vector<std::pair<std::string, std::string>> query = {}) {
        HttpRequest request;
        request.method = "GET";
        request.target = request.path = path;
        request.query = std::move(query);
        if (!user.empty()) request.headers.Add("Authorization", "Bearer tarn_" + user);
        SpanReader body(ByteSpan{});
        request.body = &body;
        Responder responder;
        EXPECT_TRUE(router_.Serve(request, responder).ok());
        return responder.answer;
    }
    Json GetJson(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {}) {
        HttpResponse response = Get(path, "alice", std::move(query));
        EXPECT_EQ(response.status, 200) << response.body;
        auto json = ParseJson(response.body);
        return json.ok() ? *json : Json();
    }

    metadata::TestDirectory directory_;
    security::FakeEnv env_;
    security::FakeGate gate_;
    security::FakeAudit audit_;
    Metrics metrics_;
    OneTable provider_;
    NoFiles files_;
    security::FakeAuthenticator users_{{{"alice", {}}, {"bob", {}}}};
    security::OperationRegistry registry_;
    security::Dispatcher dispatcher_;
    security::Router router_{users_, dispatcher_, registry_};
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Catalog> catalog_;
    std::unique_ptr<engine::Engine> engine_;
};

TEST_F(CatalogRoutesTest, ListsAndSearches) {
    Json list = GetJson("/api/v1/catalog");
    ASSERT_EQ(list["datasets"].size(), 1u);
    EXPECT_EQ(list["datasets"][0]["name"], "flights");
    EXPECT_EQ(list["datasets"][0]["updated_at"], "1970-01-01T00:00:01Z");
    EXPECT_TRUE(list["datasets"][0]["bytes"].is_null());
    EXPECT_EQ(GetJson("/api/v1/catalog", {{"q", "carrier"}})["datasets"].size(), 1u);
    EXPECT_EQ(GetJson("/api/v1/catalog", {{"q", "nothing"}})["datasets"].size(), 0u);
    EXPECT_EQ(ParseJson(Get("/api/v1/catalog", "bob").body)->at("datasets").size(), 0u);
    EXPECT_EQ(Get("/api/v1/catalog", "").status, 401);
    EXPECT_EQ(Get("/api/v1/catalog", "alice", {{"limit", "many"}}).status, 400);
}

TEST_F(CatalogRoutesTest, DescribesADataset) {
    Json dataset = GetJson("/api/v1/catalog/delays/flights");
    EXPECT_EQ(dataset["version"], "3");
    EXPECT_EQ(dataset["columns"][0]["description"], "who flies");
    EXPECT_EQ(dataset["columns"][0]["nullable"], false);
    EXPECT_EQ(dataset["columns"][1]["type"], "INTEGER");
    EXPECT_EQ(GetJson("/api/v1/catalog/delays/flights/versions")["versions"][0]["operation"], "merge");
    EXPECT_EQ(Get("/api/v1/catalog/delays/nothing").status, 404);
    EXPECT_EQ(Get("/api/v1/catalog/delays/flights", "bob").status, 404);
}

TEST_F(CatalogRoutesTest, ShowsLineage) {
    LineageRecord record{.schema = "delays", .name = "flights", .version = "3"};
    record.inputs = {{"delays", "flights", "2"}};
    ASSERT_TRUE(catalog_->RecordLineage(record).ok());
    Json graph = GetJson("/api/v1/catalog/delays/flights/lineage", {{"depth", "2"}});
    EXPECT_EQ(graph["nodes"].size(), 1u);
    EXPECT_EQ(graph["nodes"][0]["id"], "delays.flights");
}

TEST_F(CatalogRoutesTest, PreviewsRowsAsTheReader) {
    Json preview = GetJson("/api/v1/catalog/delays/flights/preview", {{"limit", "2"}});
    ASSERT_EQ(preview["rows"].size(), 2u);
    EXPECT_EQ(preview["rows"][0], (Json{"UA", 5}));
    EXPECT_TRUE(preview["rows"][1][1].is_null());
    EXPECT_LT(preview["rows"][1][0].get<std::string>().size(), 5000u);
    EXPECT_EQ(preview["columns"][0]["name"], "carrier");
    EXPECT_EQ(Get("/api/v1/catalog/delays/flights/preview", "bob").status, 403);
}

}  // namespace
}  // namespace tarn::catalog
