// A file store in memory and a source of relations that a test fills: what the engine's tests run on.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>

#include "base/text.h"
#include "engine/engine.h"

namespace tarn::engine {

class MemoryFiles : public FileStore {
  public:
    Result<std::unique_ptr<StoredFile>> Open(const security::Principal&, const std::string& path) override {
        std::lock_guard lock(mutex);
        opened++;
        auto found = files.find(path);
        if (found == files.end()) return Error(ErrorCode::kNotFound, "no file {}", path);
        return std::unique_ptr<StoredFile>(std::make_unique<Reader>(*this, found->second));
    }
    Result<std::unique_ptr<NewFile>> Create(const security::Principal&, const std::string& path) override {
        std::lock_guard lock(mutex);
        if (files.contains(path)) return Error(ErrorCode::kAlreadyExists, "{} is there", path);
        return std::unique_ptr<NewFile>(std::make_unique<Writer>(*this, path));
    }

    std::mutex mutex;
    std::map<std::string, std::shared_ptr<const std::string>> files;
    std::atomic<int64_t> opened{0};
    std::atomic<int64_t> bytes_read{0};

  private:
    struct Reader : public StoredFile {
        Reader(MemoryFiles& store, std::shared_ptr<const std::string> bytes)
            : store_(store), content(std::move(bytes)) {}
        uint64_t bytes() const override { return content->size(); }
        std::string version_tag() const override { return fmt::format("{}", static_cast<const void*>(content.get())); }
        int64_t modified_us() const override { return 1'700'000'000'000'000; }
        Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) override {
            if (offset >= content->size()) return size_t{0};
            size_t count = std::min<size_t>(buffer.size(), content->size() - offset);
            std::memcpy(buffer.data(), content->data() + offset, count);
            store_.bytes_read += static_cast<int64_t>(count);
            return count;
        }
        MemoryFiles& store_;
        std::shared_ptr<const std::string> content;
    };
    struct Writer : public NewFile {
        Writer(MemoryFiles& store, std::string name) : store_(store), path(std::move(name)) {}
        Status Append(ByteSpan bytes) override {
            content.append(AsText(bytes));
            return Ok();
        }
        Status Finish() override {
            std::lock_guard lock(store_.mutex);
            store_.files[path] = std::make_shared<const std::string>(std::move(content));
            return Ok();
        }
        MemoryFiles& store_;
        std::string path;
        std::string content;
    };
};

class FakeRelations : public RelationSource {
  public:
    Result<Relation> Find(const security::Principal& principal, const std::string& schema, const std::string& name,
                          const AtClause& at) override {
        std::lock_guard lock(mutex);
        finds++;
        last_at = at;
        auto found = relations.find(ToLower(schema + "." + name));
        if (found == relations.end() || hidden[found->first].contains(principal.name)) {
            return Error(ErrorCode::kNotFound, "no table {}.{}", schema, name);
        }
        return found->second;
    }
    Result<std::vector<std::string>> Schemas(const security::Principal&) override {
        std::lock_guard lock(mutex);
        std::set<std::string> schemas;
        for (const auto& [key, relation] : relations) schemas.insert(relation.schema);
        return std::vector<std::string>(schemas.begin(), schemas.end());
    }
    Result<std::vector<RelationSummary>> Relations(const security::Principal& principal,
                                                   const std::string& schema) override {
        std::lock_guard lock(mutex);
        std::vector<RelationSummary> result;
        for (const auto& [key, relation] : relations) {
            if (relation.schema != schema || hidden[key].contains(principal.name)) continue;
            result.push_back({relation.schema, relation.name, relation.comment});
        }
        return result;
    }
    void Add(Relation relation) {
        std::lock_guard lock(mutex);
        relations[ToLower(relation.schema + "." + relation.name)] = std::move(relation);
    }

    std::mutex mutex;
    std::map<std::string, Relation> relations;
    std::map<std::string, std::set<std::string>> hidden;  // from these users
    int finds = 0;
    AtClause last_at;
};

// An engine over both, with one session of alice's.
class EngineFixture : public ::testing::Test {
  protected:
    void SetUp() override { Start({}); }

    void Start(EngineConfig config) {
        session.reset();
        trusted.reset();
        engine.reset();
        if (config.threads == 0) config.threads = 2;
        auto created = Engine::Create(config, {SystemEnv(), files, relations, metrics, NullLog()});
        ASSERT_TRUE(created.ok()) << created.error().ToString();
        engine = std::move(created).value();
        session = engine->OpenSession({.principal = User("alice")}).value();
        trusted = engine->OpenSession({.principal = security::Principal::System("test"), .trusted = true}).value();
    }

    static security::Principal User(const std::string& name) {
        security::Principal principal;
        principal.kind = security::PrincipalKind::kUser;
        principal.name = name;
        return principal;
    }

    // All rows as "a|b" lines, or the error.
    static Result<std::string> Rows(Session& session, const std::string& sql) {
        auto stream = TRY(session.Query(sql));
        std::string text;
        while (const Chunk* chunk = TRY(stream->Next())) {
            for (size_t row = 0; row < chunk->rows(); row++) {
                for (size_t column = 0; column < stream->columns().size(); column++) {
                    if (column > 0) text += "|";
                    text += chunk->IsNull(row, column) ? "NULL" : chunk->Text(row, column);
                }
                text += "\n";
            }
        }
        return text;
    }
    std::string Ask(const std::string& sql) {
        auto rows = Rows(*session, sql);
        return rows.ok() ? *rows : rows.error().detail_code() + " " + rows.error().ToString();
    }
    Error Refusal(const std::string& sql) {
        auto rows = Rows(*session, sql);
        if (rows.ok()) return Error(ErrorCode::kInternal, "was allowed: {}", sql);
        return rows.error();
    }

    // Writes a query's rows and makes a table of them, statistics and all.
    Relation MakeTable(const std::string& schema, const std::string& name, const std::string& sql,
                       WriteOptions options = {}) {
        options.prefix = "lake/" + schema + "/" + name + "/";
        auto written = trusted->WriteQuery(sql, options);
        EXPECT_TRUE(written.ok()) << written.error().ToString();
        auto columns = StoredColumns(trusted->Prepare(sql).value()->info().columns).value();
        Relation relation{.schema = schema, .name = name, .version = "1", .columns = columns};
        FileScan scan;
        for (const Column& column : columns) {
            bool partition = std::find(options.partition_by.begin(), options.partition_by.end(), column.name) !=
                             options.partition_by.end();
            scan.columns.push_back({.column = column, .physical_name = column.name, .partition = partition});
        }
        for (const WrittenFile& file : *written) {
            Json statistics = {{"min", Json::object()}, {"max", Json::object()}, {"nulls", Json::object()}};
            for (const auto& [column, facts] : file.statistics) {
                if (!facts.min.is_null()) statistics["min"][column] = facts.min;
                if (!facts.max.is_null()) statistics["max"][column] = facts.max;
                statistics["nulls"][column] = facts.nulls;
            }
            scan.files.push_back({.path = file.path,
                                  .rows = file.rows,
                                  .partition_values = file.partition_values,
                                  .deleted_positions = {},
                                  .statistics = statistics.dump()});
        }
        relation.source = std::move(scan);
        relations.Add(relation);
        return relation;
    }

    MemoryFiles files;
    FakeRelations relations;
    Metrics metrics;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<Session> session;
    std::unique_ptr<Session> trusted;
};

}  // namespace tarn::engine
