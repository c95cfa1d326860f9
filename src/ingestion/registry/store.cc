#include "ingestion/registry/store.h"

#include <algorithm>

#include "base/crypto.h"

namespace tarn::registry {
namespace {

using metadata::Row;
using metadata::Rows;
using metadata::Transaction;
using metadata::Value;

constexpr const char* kVersionColumns = "context, subject, version, id, deleted";

Version VersionOf(const Row& row) {
    return {
        {row[0].text(), row[1].text()}, static_cast<int>(row[2].integer()), row[3].integer(), row[4].integer() != 0};
}

std::vector<Version> VersionsOf(const Rows& rows) {
    std::vector<Version> versions;
    for (const Row& row : rows) versions.push_back(VersionOf(row));
    return versions;
}

Json ReferencesJson(const std::vector<Reference>& references) {
    Json list = Json::array();
    for (const Reference& reference : references) {
        list.push_back({{"name", reference.name}, {"subject", reference.subject}, {"version", reference.version}});
    }
    return list;
}

Status AddSchema(Transaction& transaction, const SchemaRecord& schema,
                 const std::vector<std::pair<Subject, Reference>>& links, Timestamp now) {
    TRY(transaction.Execute(
        "INSERT INTO registry_schemas (context, id, hash, guid, kind, content, links, metadata, rules, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        {schema.context, schema.id, schema.hash, schema.guid, SchemaTypeName(schema.type), schema.text,
         DumpJson(ReferencesJson(schema.references)), DumpJson(schema.metadata), DumpJson(schema.rules),
         ToMicros(now)}));
    for (const auto& [subject, reference] : links) {
        TRY(
            transaction.Execute("INSERT INTO registry_links (context, id, to_context, to_subject, to_version) "
                                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                                {schema.context, schema.id, subject.context, subject.name, reference.version}));
    }
    return Ok();
}

Status RemoveVersion(Transaction& transaction, const Version& version) {
    const Subject& subject = version.subject;
    TRY(transaction.Execute("DELETE FROM registry_versions WHERE context = $1 AND subject = $2 AND version = $3",
                            {subject.context, subject.name, version.version}));
    for (const char* table : {"registry_links", "registry_schemas"}) {
        TRY(transaction.Execute(
            fmt::format("DELETE FROM {} WHERE context = $1 AND id = $2 AND NOT EXISTS (SELECT 1 FROM "
                        "registry_versions WHERE context = $1 AND id = $2)",
                        table),
            {subject.context, version.id}));
    }
    TRY(transaction.Execute(
        "DELETE FROM registry_settings WHERE context = $1 AND subject = $2 AND NOT EXISTS (SELECT 1 "
        "FROM registry_versions WHERE context = $1 AND subject = $2)",
        {subject.context, subject.name}));
    return Ok();
}

// The next id of the context, or the one that was asked for: ids grow, and none is given twice.
Result<int64_t> TakeId(Transaction& transaction, const std::string& context, int64_t wanted) {
    auto rows = TRY(transaction.Query("SELECT last_id FROM registry_contexts WHERE context = $1", {context}));
    int64_t last = rows.empty() ? 0 : rows[0][0].integer();
    int64_t id = wanted == 0 ? last + 1 : wanted;
    TRY(
        transaction.Execute("INSERT INTO registry_contexts (context, last_id) VALUES ($1, $2) "
                            "ON CONFLICT (context) DO UPDATE SET last_id = excluded.last_id",
                            {context, std::max(last, id)}));
    return id;
}

Json StoredJson(const std::string& text) {
    auto json = ParseJson(text);
    return json.ok() ? *json : Json();
}

}  // namespace

std::string HashOf(const SchemaRecord& schema) {
    Json parts = {SchemaTypeName(schema.type), schema.text, ReferencesJson(schema.references), schema.metadata,
                  schema.rules};
    return Sha256Hex(AsBytes(DumpJson(parts)));
}

std::string GuidOf(const std::string& hash) {
    // A UUID of version 8: bits of one's own.
    return fmt::format("{}-{}-8{}-a{}-{}", hash.substr(0, 8), hash.substr(8, 4), hash.substr(12, 3), hash.substr(15, 3),
                       hash.substr(18, 12));
}

Result<Store> Store::Create(metadata::Database& metadata) {
    TRY(metadata.Migrate(
        "registry",
        {{1,
          "CREATE TABLE registry_contexts (context TEXT PRIMARY KEY, last_id INTEGER NOT NULL);"
          "CREATE TABLE registry_schemas (context TEXT NOT NULL, id INTEGER NOT NULL, hash TEXT NOT NULL, "
          "guid TEXT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL, links TEXT NOT NULL, metadata TEXT NOT NULL, "
          "rules TEXT NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (context, id), UNIQUE (context, hash));"
          "CREATE INDEX registry_schemas_guid ON registry_schemas (guid);"
          "CREATE TABLE registry_versions (context TEXT NOT NULL, subject TEXT NOT NULL, version INTEGER NOT NULL, "
          "id INTEGER NOT NULL, deleted INTEGER NOT NULL, created_at INTEGER NOT NULL, "
          "PRIMARY KEY (context, subject, version), "
          "FOREIGN KEY (context, id) REFERENCES registry_schemas (context, id));"
          "CREATE INDEX registry_versions_id ON registry_versions (context, id);"
          "CREATE TABLE registry_links (context TEXT NOT NULL, id INTEGER NOT NULL, to_context TEXT NOT NULL, "
          "to_subject TEXT NOT NULL, to_version INTEGER NOT NULL, "
          "PRIMARY KEY (context, id, to_context, to_subject, to_version));"
          "CREATE INDEX registry_links_to ON registry_links (to_context, to_subject, to_version);"
          "CREATE TABLE registry_settings (context TEXT NOT NULL, subject TEXT NOT NULL, config TEXT, "
          "mode TEXT NOT NULL, PRIMARY KEY (context, subject))"}}));
    return Store(metadata);
}

Result<std::vector<Version>> Store::Versions(const Subject& subject, bool with_deleted) const {
    return VersionsOf(TRY(metadata_->Query(
        fmt::format("SELECT {} FROM registry_versions WHERE context = $1 AND subject = $2{} ORDER BY version",
                    kVersionColumns, with_deleted ? "" : " AND deleted = 0"),
        {subject.context, subject.name})));
}

Result<std::vector<Version>> Store::VersionsOfId(const std::string& context, int64_t id) const {
    return VersionsOf(TRY(metadata_->Query(
        fmt::format("SELECT {} FROM registry_versions WHERE context = $1 AND id = $2 ORDER BY subject, version",
                    kVersionColumns),
        {context, id})));
}

Result<std::vector<std::pair<Version, SchemaType>>> Store::AllVersions() const {
    std::vector<std::pair<Version, SchemaType>> all;
    auto rows = TRY(metadata_->Query(
        "SELECT v.context, v.subject, v.version, v.id, v.deleted, s.kind FROM registry_versions v JOIN "
        "registry_schemas s ON s.context = v.context AND s.id = v.id ORDER BY v.context, v.subject, v.version"));
    for (const Row& row : rows) {
        all.emplace_back(VersionOf(row), SchemaTypeOf(row[5].text()).value_or(SchemaType::kAvro));
    }
    return all;
}

Result<std::optional<SchemaRecord>> Store::Find(const std::string& context, int64_t id) const {
    auto rows =
        TRY(metadata_->Query("SELECT hash, guid, kind, content, links, metadata, rules FROM registry_schemas "
                             "WHERE context = $1 AND id = $2",
                             {context, id}));
    if (rows.empty()) return std::optional<SchemaRecord>();
    const Row& row = rows[0];
    SchemaRecord schema;
    schema.context = context;
    schema.id = id;
    schema.hash = row[0].text();
    schema.guid = row[1].text();
    auto type = SchemaTypeOf(row[2].text());
    if (!type) return Error(ErrorCode::kCorruption, "schema {} is of an unknown type {}", id, row[2].text());
    schema.type = *type;
    schema.text = row[3].text();
    for (const Json& one : StoredJson(row[4].text())) {
        schema.references.push_back({one.value("name", ""), one.value("subject", ""), one.value("version", 0)});
    }
    schema.metadata = StoredJson(row[5].text());
    schema.rules = StoredJson(row[6].text());
    return std::optional<SchemaRecord>(std::move(schema));
}

Result<std::optional<int64_t>> Store::FindId(const std::string& context, const std::string& hash) const {
    auto rows =
        TRY(metadata_->Query("SELECT id FROM registry_schemas WHERE context = $1 AND hash = $2", {context, hash}));
    return rows.empty() ? std::optional<int64_t>() : std::optional<int64_t>(rows[0][0].integer());
}

Result<std::vector<std::pair<std::string, int64_t>>> Store::FindGuid(const std::string& guid) const {
    std::vector<std::pair<std::string, int64_t>> found;
    auto rows =
        TRY(metadata_->Query("SELECT context, id FROM registry_schemas WHERE guid = $1 ORDER BY context", {guid}));
    for (const Row& row : rows) found.emplace_back(row[0].text(), row[1].integer());
    return found;
}

Result<std::vector<SubjectState>> Store::Subjects() const {
    std::vector<SubjectState> subjects;
    auto rows =
        TRY(metadata_->Query("SELECT context, subject, min(deleted) FROM registry_versions "
                             "GROUP BY context, subject ORDER BY context, subject"));
    for (const Row& row : rows) subjects.push_back({{row[0].text(), row[1].text()}, row[2].integer() != 0});
    return subjects;
}

Result<std::vector<std::string>> Store::Contexts() const {
    std::vector<std::string> contexts;
    auto rows = TRY(metadata_->Query("SELECT context FROM registry_contexts WHERE context <> $1 ORDER BY context",
                                     {kDefaultContext}));
    for (const Row& row : rows) contexts.push_back(row[0].text());
    return contexts;
}

Result<std::vector<std::pair<std::string, int64_t>>> Store::ReferencedBy(const Subject& subject, int version) const {
    std::vector<std::pair<std::string, int64_t>> found;
    auto rows =
        TRY(metadata_->Query("SELECT context, id FROM registry_links WHERE to_context = $1 AND to_subject = $2 "
                             "AND to_version = $3 ORDER BY context, id",
                             {subject.context, subject.name, version}));
    for (const Row& row : rows) found.emplace_back(row[0].text(), row[1].integer());
    return found;
}

Result<Settings> Store::SettingsOf(const Subject& subject) const {
    Settings settings;
    auto rows = TRY(metadata_->Query("SELECT config, mode FROM registry_settings WHERE context = $1 AND subject = $2",
                                     {subject.context, subject.name}));
    if (rows.empty()) return settings;
    if (!rows[0][0].is_null()) settings.config = StoredJson(rows[0][0].text());
    settings.mode = rows[0][1].text();
    return settings;
}

Result<int64_t> Store::MaxId(const std::string& context) const {
    auto rows = TRY(metadata_->Query("SELECT last_id FROM registry_contexts WHERE context = $1", {context}));
    return rows.empty() ? 0 : rows[0][0].integer();
}

Result<int64_t> Store::Count() const {
    return TRY(metadata_->Query("SELECT count(*) FROM registry_versions"))[0][0].integer();
}

Result<int64_t> Store::Add(const SchemaRecord& schema, const std::vector<std::pair<Subject, Reference>>& links,
                           const Version& version, const std::vector<int>& replaced, Timestamp now) {
    SchemaRecord added = schema;
    const Subject& subject = version.subject;
    TRY(metadata_->Write([&](Transaction& transaction) -> Status {
        added.id = schema.id;
        auto there = TRY(transaction.Query("SELECT id FROM registry_schemas WHERE context = $1 AND id = $2",
                                           {schema.context, schema.id}));
        if (there.empty()) {
            added.id = TRY(TakeId(transaction, schema.context, schema.id));
            TRY(AddSchema(transaction, added, links, now));
        }
        TRY(
            transaction.Execute("INSERT INTO registry_versions (context, subject, version, id, deleted, created_at) "
                                "VALUES ($1, $2, $3, $4, 0, $5) ON CONFLICT (context, subject, version) DO UPDATE SET "
                                "id = excluded.id, deleted = 0",
                                {subject.context, subject.name, version.version, added.id, ToMicros(now)}));
        for (int old : replaced) {
            TRY(transaction.Execute(
                "DELETE FROM registry_versions WHERE context = $1 AND subject = $2 AND version = $3",
                {subject.context, subject.name, old}));
        }
        return Ok();
    }));
    return added.id;
}

Status Store::SoftDelete(const Subject& subject, const std::vector<int>& versions) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        for (int version : versions) {
            TRY(transaction.Execute(
                "UPDATE registry_versions SET deleted = 1 WHERE context = $1 AND subject = $2 AND version = $3",
                {subject.context, subject.name, version}));
        }
        return Ok();
    });
}

Status Store::Remove(const std::vector<Version>& versions) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        for (const Version& version : versions) TRY(RemoveVersion(transaction, version));
        return Ok();
    });
}

Status Store::SetConfig(const Subject& subject, const std::optional<Json>& config) {
    Value value = config ? Value(DumpJson(*config)) : Value();
    return metadata_->Write([&](Transaction& transaction) -> Status {
        TRY(transaction.Execute(
            "INSERT INTO registry_settings (context, subject, config, mode) VALUES ($1, $2, $3, '') "
            "ON CONFLICT (context, subject) DO UPDATE SET config = excluded.config",
            {subject.context, subject.name, value}));
        return Ok();
    });
}

Status Store::SetMode(const Subject& subject, const std::string& mode, const std::vector<Version>& removed) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        for (const Version& version : removed) TRY(RemoveVersion(transaction, version));
        TRY(
            transaction.Execute("INSERT INTO registry_settings (context, subject, mode) VALUES ($1, $2, $3) "
                                "ON CONFLICT (context, subject) DO UPDATE SET mode = excluded.mode",
                                {subject.context, subject.name, mode}));
        return Ok();
    });
}

Result<std::vector<Subject>> Store::WithMode(const std::string& context) const {
    std::vector<Subject> subjects;
    auto rows = TRY(metadata_->Query(
        "SELECT context, subject FROM registry_settings WHERE context = $1 AND mode <> '' ORDER BY subject",
        {context}));
    for (const Row& row : rows) subjects.push_back({row[0].text(), row[1].text()});
    return subjects;
}

Status Store::ClearModes(const std::vector<Subject>& subjects) {
    return metadata_->Write([&](Transaction& transaction) -> Status {
        for (const Subject& subject : subjects) {
            TRY(transaction.Execute("UPDATE registry_settings SET mode = '' WHERE context = $1 AND subject = $2",
                                    {subject.context, subject.name}));
        }
        return Ok();
    });
}

}  // namespace tarn::registry
