// For tests: a lakehouse over a real lake and a real engine, in a temporary directory.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "storage/lakehouse/lakehouse.h"

namespace tarn::lakehouse {

class TestGate : public security::Gate {
  public:
    security::Decision Decide(const security::Principal&, std::string_view action,
                              const security::Resource& resource) const override {
        return {.allowed = !denied.contains(fmt::format("{} {}", action, resource.name)), .reason = "test"};
    }
    uint64_t epoch() const override { return 1; }
    std::set<std::string> denied;  // "table:Read s.t"
};

class TestKeys : public security::KeyProvider {
  public:
    Result<Secret> KeyOf(std::string_view scope) override { return DeriveKey(AsBytes("root of the tests"), scope); }
};

// What the catalog is to the engine, here: the lakehouse's own provider.
class TestRelations : public engine::RelationSource {
  public:
    Result<engine::Relation> Find(const security::Principal& principal, const std::string& schema,
                                  const std::string& name, const engine::AtClause& at) override {
        if (!lakehouse) return Error(ErrorCode::kNotFound, "no lakehouse yet");
        return lakehouse->AsProvider().Find(principal, schema, name, at);
    }
    Result<std::vector<std::string>> Schemas(const security::Principal&) override {
        return lakehouse->AsProvider().Schemas();
    }
    Result<std::vector<engine::RelationSummary>> Relations(const security::Principal&, const std::string&) override {
        return std::vector<engine::RelationSummary>();
    }
    Lakehouse* lakehouse = nullptr;
};

class TestLakehouse {
  public:
    explicit TestLakehouse(Env& env = SystemEnv()) : env_(env) {
        path_ = fmt::format("{}/tarn-lakehouse-{}", std::filesystem::temp_directory_path().string(),
                            SystemEnv().random().Hex(8));
        // The index is a file of SQLite, on the real disk even when the lake's objects are not.
        std::filesystem::create_directories(path_ + "/lake");
        std::filesystem::create_directories(path_ + "/spill");
        Status opened = Open();
        EXPECT_TRUE(opened.ok()) << opened.error().ToString();
    }
    ~TestLakehouse() {
        Close();
        std::filesystem::remove_all(path_);
    }
    void Close() {
        house_.reset();
        engine_.reset();
        lake_.reset();
        relations_.lakehouse = nullptr;
    }
    Status Open() {
        Close();
        lake_ = TRY(lake::Lake::Create({path_ + "/lake"}, {env_, gate, keys_, metrics_, NullLog()}));
        engine::EngineConfig config;
        config.memory_bytes_max = 1 << 30;
        config.threads = 2;
        config.spill_directory = path_ + "/spill";
        config.extension_directory = Extensions();
        engine_ = TRY(engine::Engine::Create(config, {env_, lake_->AsFileStore(), relations_, metrics_, NullLog()}));
        house_ = TRY(Lakehouse::Create(Dependencies()));
        relations_.lakehouse = house_.get();
        return Ok();
    }
    LakehouseDependencies Dependencies() { return {env_, *lake_, *engine_, gate, metrics_, NullLog()}; }

    Lakehouse& house() { return *house_; }
    lake::Lake& lake() { return *lake_; }
    engine::Engine& engine() { return *engine_; }
    Metrics& metrics() { return metrics_; }

    Result<WriteResult> Write(const std::string& table, WriteMode mode, const std::string& sql,
                              std::vector<std::string> key = {}) {
        WriteRequest request;
        request.mode = mode;
        request.sql = sql;
        request.key = std::move(key);
        return Write(table, request);
    }
    Result<WriteResult> Write(const std::string& table, const WriteRequest& request) {
        size_t dot = table.find('.');
        return house_->Write(alice, {table.substr(0, dot), table.substr(dot + 1)}, request);
    }

    // Rows as "a|b|NULL", in the query's order; an error as one row.
    std::vector<std::string> Query(const std::string& sql) {
        auto rows = TryQuery(sql);
        return rows.ok() ? *rows : std::vector<std::string>{rows.error().ToString()};
    }
    Result<std::vector<std::string>> TryQuery(const std::string& sql) {
        auto session = TRY(engine_->OpenSession({.principal = alice}));
        return Rows(*TRY(session->Query(sql)));
    }
    static Result<std::vector<std::string>> Rows(engine::ResultStream& stream) {
        std::vector<std::string> rows;
        while (const engine::Chunk* chunk = TRY(stream.Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) {
                std::vector<std::string> cells;
                for (size_t i = 0; i < stream.columns().size(); ++i) {
                    cells.push_back(chunk->IsNull(row, i) ? "NULL" : chunk->Text(row, i));
                }
                rows.push_back(Join(cells, "|"));
            }
        }
        return rows;
    }

    Status PutText(const std::string& path, std::string_view text) {
        size_t slash = path.find('/');
        Status bucket = lake_->CreateBucket(alice, path.substr(0, slash));
        if (!bucket.ok() && bucket.error().code() != ErrorCode::kAlreadyExists) return bucket;
        TRY(lake_->PutBytes(alice, {path.substr(0, slash), path.substr(slash + 1)}, AsBytes(text)));
        return Ok();
    }
    Result<std::string> GetText(const std::string& path) {
        size_t slash = path.find('/');
        return lake_->ReadText(alice, {path.substr(0, slash), path.substr(slash + 1)});
    }
    std::vector<std::string> Keys(const std::string& path) {
        size_t slash = path.find('/');
        std::vector<std::string> keys;
        lake::ListOptions options{.prefix = path.substr(slash + 1)};
        while (true) {
            auto page = lake_->List(alice, path.substr(0, slash), options);
            if (!page.ok()) return keys;
            for (const auto& object : page->objects) keys.push_back(object.name.key);
            if (!page->truncated) return keys;
            options.start_after = page->next_start_after;
        }
    }
    // Copies a folder of the disk into the lake: "bucket/prefix".
    Status Import(const std::filesystem::path& folder, const std::string& to) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
            if (!entry.is_regular_file()) continue;
            std::ifstream file(entry.path(), std::ios::binary);
            std::ostringstream content;
            content << file.rdbuf();
            TRY(PutText(to + "/" + std::filesystem::relative(entry.path(), folder).string(), content.str()));
        }
        return Ok();
    }
    Status Export(const std::string& from, const std::filesystem::path& folder) {
        size_t slash = from.find('/');
        for (const std::string& key : Keys(from + "/")) {
            std::filesystem::path target = folder / key.substr(from.size() - slash);
            std::filesystem::create_directories(target.parent_path());
            std::ofstream(target, std::ios::binary) << TRY(GetText(from.substr(0, slash + 1) + key));
        }
        return Ok();
    }

    TestGate gate;
    security::Principal alice{.kind = security::PrincipalKind::kUser, .name = "alice"};

  private:
    static std::string Extensions() {
        auto program = std::filesystem::read_symlink("/proc/self/exe");
        return (program.parent_path() / "extensions").string();
    }
    Env& env_;
    std::string path_;
    TestKeys keys_;
    Metrics metrics_;
    TestRelations relations_;
    std::unique_ptr<lake::Lake> lake_;
    std::unique_ptr<engine::Engine> engine_;
    std::unique_ptr<Lakehouse> house_;
};

}  // namespace tarn::lakehouse
