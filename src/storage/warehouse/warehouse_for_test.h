// For tests: a warehouse with everything below it, in a temporary directory, that can be closed and opened again.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "storage/lakehouse/lakehouse_for_test.h"
#include "storage/warehouse/warehouse.h"

namespace tarn::warehouse {

using Texts = std::vector<std::string>;

// What the catalog is to the engine.
class CachedRelations : public lakehouse::TestRelations {
  public:
    Result<engine::Relation> Find(const security::Principal& principal, const std::string& schema,
                                  const std::string& name, const engine::AtClause& at) override {
        auto relation = TRY(TestRelations::Find(principal, schema, name, at));
        if (warehouse != nullptr && uses_caches) warehouse->AsServingCache().Serve(relation);
        return relation;
    }
    Warehouse* warehouse = nullptr;
    bool uses_caches = true;
};

class TestWarehouse {
  public:
    explicit TestWarehouse(Env& env = SystemEnv()) : env_(env) {
        path_ = fmt::format("{}/tarn-warehouse-{}", std::filesystem::temp_directory_path().string(),
                            SystemEnv().random().Hex(8));
        for (const char* folder : {"/lake", "/spill"}) {
            std::filesystem::create_directories(path_ + folder);  // spill is on the real disk, whatever the Env
            EXPECT_TRUE(env_.files().CreateDirectories(path_ + folder).ok());
        }
    }
    ~TestWarehouse() {
        Close();
        std::filesystem::remove_all(path_);
    }
    void Close() {
        if (warehouse_) warehouse_->Stop();
        house_.reset();
        engine_.reset();
        warehouse_.reset();
        lake_.reset();
        database_.reset();
        relations.lakehouse = nullptr;
        relations.warehouse = nullptr;
    }
    Status Open() {
        Close();
        Secret key(std::string_view("0123456789abcdef0123456789abcdef"));
        database_ = TRY(metadata::Database::OpenSqlite(env_, path_ + "/metadata.db", key));
        lake_ = TRY(lake::Lake::Create({path_ + "/lake"}, {env_, gate_, keys_, metrics, NullLog()}));
        config.directory = path_ + "/warehouse";
        warehouse_ = TRY(
            Warehouse::Create(config, {env_, lake_->AsFileStore(), keys_, *database_, metrics, NullLog(), nullptr}));
        engine::EngineConfig engine;
        engine.memory_bytes_max = 1 << 30;
        engine.threads = 2;
        engine.spill_directory = path_ + "/spill";
        engine_ = TRY(engine::Engine::Create(engine, {env_, warehouse_->AsFileStore(), relations, metrics, NullLog()}));
        house_ = TRY(lakehouse::Lakehouse::Create({env_, *lake_, *engine_, gate_, metrics, NullLog()}));
        relations.lakehouse = house_.get();
        relations.warehouse = warehouse_.get();
        TRY(warehouse_->SetTables(tables));
        warehouse_->Start(*engine_, *lake_, *house_);
        return Ok();
    }
    Status Write(const std::string& name, const std::string& sql,
                 lakehouse::WriteMode mode = lakehouse::WriteMode::kOverwrite, std::vector<std::string> key = {}) {
        lakehouse::WriteRequest request;
        request.mode = mode;
        request.sql = sql;
        request.key = std::move(key);
        TRY(house_->Write(alice, {"s", name}, request));
        return Ok();
    }
    // Until the workers have nothing to do.
    void Settle() {
        for (int i = 0; i < 1000 && !warehouse_->Idle(); ++i) SystemEnv().clock().Sleep(std::chrono::milliseconds(20));
        EXPECT_TRUE(warehouse_->Idle());
    }
    // Rows as "a|b|NULL"; an error as one row.
    Texts Ask(const std::string& sql) {
        auto rows = TryAsk(sql);
        return rows.ok() ? *rows : Texts{rows.error().ToString()};
    }
    Texts AskWithoutCaches(const std::string& sql) {
        relations.uses_caches = false;
        Texts rows = Ask(sql);
        relations.uses_caches = true;
        return rows;
    }
    Result<Texts> TryAsk(const std::string& sql) {
        auto session = TRY(engine_->OpenSession({.principal = alice}));
        return lakehouse::TestLakehouse::Rows(*TRY(session->Query(sql)));
    }
    catalog::CacheInfo Info(const std::string& name) {
        auto info = warehouse_->AsServingCache().InfoOf("s", name);
        EXPECT_TRUE(info.has_value()) << name;
        return info.value_or(catalog::CacheInfo());
    }
    // The copies' files on the real disk.
    std::vector<std::filesystem::path> CopyFiles() const {
        std::vector<std::filesystem::path> files;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(path_ + "/warehouse")) {
            if (entry.is_regular_file()) files.push_back(entry.path());
        }
        return files;
    }

    Warehouse& warehouse() { return *warehouse_; }
    lakehouse::Lakehouse& house() { return *house_; }
    engine::Engine& engine() { return *engine_; }
    const std::string& path() const { return path_; }

    WarehouseConfig config;
    std::vector<lakehouse::TableName> tables = {{"s", "t"}};
    CachedRelations relations;
    Metrics metrics;
    security::Principal alice{.kind = security::PrincipalKind::kUser, .name = "alice"};

  private:
    Env& env_;
    std::string path_;
    lakehouse::TestGate gate_;
    lakehouse::TestKeys keys_;
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<lake::Lake> lake_;
    std::unique_ptr<Warehouse> warehouse_;
    std::unique_ptr<engine::Engine> engine_;
    std::unique_ptr<lakehouse::Lakehouse> house_;
};

}  // namespace tarn::warehouse
