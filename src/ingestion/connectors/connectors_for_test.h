// For tests, also of batch: connectors over a real lake, catalog, metadata store and engine in a temporary directory.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/text.h"
#include "ingestion/connectors/connectors.h"
#include "metadata/store_for_test.h"
#include "security/fakes_for_test.h"

namespace tarn::connectors {

class TestKeys : public security::KeyProvider {
  public:
    Result<Secret> KeyOf(std::string_view scope) override { return DeriveKey(AsBytes("root of the tests"), scope); }
};

class TestSecrets : public security::SecretStore {
  public:
    Result<Secret> Get(std::string_view name) override {
        auto found = values.find(std::string(name));
        if (found != values.end()) return Secret(std::string_view(found->second));
        return Error(ErrorCode::kNotFound, "there is no secret {}", name).WithHint("tarn secret set NAME");
    }
    Status Set(std::string_view name, const Secret& value) override {
        values[std::string(name)] = value.text();
        return Ok();
    }
    Status Remove(std::string_view) override { return Ok(); }
    Result<std::vector<std::string>> Names() override { return std::vector<std::string>(); }
    std::map<std::string, std::string> values;
};

// What a component of ours needs below it, put together as app does. `env` is the lake's; the sources' files are real.
class TestSources {
  public:
    explicit TestSources(Env& env = SystemEnv()) : env_(env), metadata_(store_.Open()) {
        std::filesystem::create_directories(folder() + "/spill");
        std::filesystem::create_directories(workspace());
        std::filesystem::create_directories(folder() + "/lake");  // its index is on the real disk
        Status opened = Open();
        EXPECT_TRUE(opened.ok()) << opened.error().ToString();
    }
    ~TestSources() { Close(); }
    void Close() {
        connectors_.reset();
        engine_.reset();
        catalog_.reset();
        lake_.reset();
    }
    // Opens everything again, with the sources that were applied.
    Status Open() {
        Close();
        lake_ = TRY(lake::Lake::Create({folder() + "/lake"}, {env_, gate, keys_, metrics_, NullLog()}));
        catalog_ = TRY(catalog::Catalog::Create({env_, *metadata_, gate}));
        engine::EngineConfig config;
        config.memory_bytes_max = 1 << 30;
        config.threads = 2;
        config.spill_directory = folder() + "/spill";
        config.extension_directory = Extensions();
        engine_ = TRY(engine::Engine::Create(config, {env_, lake_->AsFileStore(), *catalog_, metrics_, NullLog()}));
        connectors_ = TRY(Connectors::Create(
            {env_, *lake_, *engine_, *catalog_, secrets, *dialer_, *http_, metrics_, NullLog(), workspace()}));
        catalog_->AddProvider(connectors_->AsProvider());
        return applied_.empty() ? Ok() : connectors_->WorkspaceKind().activate(applied_);
    }

    // Replaces the sources: name -> YAML. What is wrong with them, as "file:line: message" lines.
    std::string Apply(const std::map<std::string, std::string>& sources) {
        workspace::Issues issues;
        applied_.clear();
        for (const auto& [name, text] : sources) {
            workspace::Definition definition{.kind = "source", .name = name, .file = "sources/" + name + ".yaml"};
            definition.text = text;
            connectors_->WorkspaceKind().parse(definition, issues);
            applied_.push_back(std::move(definition));
        }
        std::string wrong;
        for (const ConfigIssue& issue : issues) {
            wrong += fmt::format("{}:{}: {}\n", issue.file, issue.line, issue.message);
        }
        if (!wrong.empty()) return wrong;
        EXPECT_TRUE(connectors_->WorkspaceKind().activate(applied_).ok());
        return "";
    }
    const std::vector<workspace::Definition>& applied() const { return applied_; }

    Result<LoadOutcome> Load(const std::string& source, const std::string& stream) {
        return Load(source, stream, CancelToken());
    }
    Result<LoadOutcome> Load(const std::string& source, const std::string& stream, const CancelToken& cancel) {
        return connectors_->Load(security::Principal::System("ingestion"), source, stream, std::to_string(++run),
                                 cancel, [this](const LoadProgress& progress) {
                                     if (on_progress) on_progress(progress);
                                 });
    }
    // The number of the load and its rows as "load 2: 5 rows", or the error and its hint.
    std::string Loaded(const std::string& source, const std::string& stream) {
        Result<LoadOutcome> outcome = Load(source, stream);
        if (!outcome.ok()) return outcome.error().message() + " | " + outcome.error().hint();
        std::string text = outcome->changed ? fmt::format("load {}: {} rows", outcome->load, outcome->rows) : "nothing";
        for (const std::string& warning : outcome->warnings) text += "; " + warning;
        return text;
    }

    // Rows as "a|b|NULL", in the query's order; an error as one row.
    std::vector<std::string> Query(const std::string& sql) {
        auto rows = TryQuery(sql);
        return rows.ok() ? *rows : std::vector<std::string>{rows.error().ToString()};
    }
    Result<std::vector<std::string>> TryQuery(const std::string& sql) {
        auto session = TRY(engine_->OpenSession({.principal = alice}));
        auto stream = TRY(session->Query(sql));
        std::vector<std::string> rows;
        while (const engine::Chunk* chunk = TRY(stream->Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) {
                std::vector<std::string> cells;
                for (size_t i = 0; i < stream->columns().size(); ++i) {
                    cells.push_back(chunk->IsNull(row, i) ? "NULL" : chunk->Text(row, i));
                }
                rows.push_back(Join(cells, "|"));
            }
        }
        return rows;
    }
    // Names and types of a dataset's columns as "id BIGINT, ...", without those that every raw dataset has.
    std::string ColumnsOf(const std::string& schema, const std::string& name) {
        auto relation = catalog_->Find(alice, schema, name, {});
        if (!relation.ok()) return relation.error().ToString();
        std::vector<std::string> columns;
        for (const engine::Column& column : relation->columns) {
            if (!column.name.starts_with("_")) columns.push_back(column.name + " " + column.type);
        }
        return Join(columns, ", ");
    }

    // A file of the workspace, with folders; modified `age` ago.
    void Write(const std::string& name, std::string_view content, std::chrono::seconds age = std::chrono::seconds(60)) {
        std::filesystem::path path = workspace() + "/" + name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
        std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - age);
    }
    // Keys in bucket raw, and the text of one.
    std::vector<std::string> Keys(const std::string& prefix = "") {
        std::vector<std::string> keys;
        auto page = lake_->List(alice, kRawBucket, {.prefix = prefix});
        for (const auto& object : page.ok() ? page->objects : std::vector<lake::ObjectInfo>()) {
            keys.push_back(object.name.key);
        }
        return keys;
    }
    std::string Text(const std::string& key) { return lake_->ReadText(alice, {kRawBucket, key}).value(); }

    std::string folder() const { return directory_.path(); }
    std::string workspace() const { return directory_.path() + "/workspace"; }
    Env& env() { return env_; }
    lake::Lake& lake() { return *lake_; }
    engine::Engine& engine() { return *engine_; }
    catalog::Catalog& catalog() { return *catalog_; }
    Connectors& connectors() { return *connectors_; }
    metadata::Database& metadata() { return *metadata_; }
    Metrics& metrics() { return metrics_; }

    security::FakeGate gate;
    TestSecrets secrets;
    security::Principal alice{.kind = security::PrincipalKind::kUser, .name = "alice", .roles = {"admin"}};
    std::function<void(const LoadProgress&)> on_progress;
    int run = 0;  // number of the last load's run

  private:
    static std::string Extensions() {
        auto program = std::filesystem::read_symlink("/proc/self/exe");
        return (program.parent_path() / "extensions").string();
    }
    Env& env_;
    metadata::TestDirectory directory_;
    metadata::TestStore store_;
    std::unique_ptr<metadata::Database> metadata_;
    TestKeys keys_;
    Metrics metrics_;
    std::unique_ptr<Dialer> dialer_ = Dialer::Create();
    std::unique_ptr<HttpClient> http_ = HttpClient::Create(*dialer_);
    std::unique_ptr<lake::Lake> lake_;
    std::unique_ptr<catalog::Catalog> catalog_;
    std::unique_ptr<engine::Engine> engine_;
    std::unique_ptr<Connectors> connectors_;
    std::vector<workspace::Definition> applied_;
};

}  // namespace tarn::connectors
