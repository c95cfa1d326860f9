#include "storage/catalog/lineage_store.h"

#include <utility>

namespace tarn::catalog {
namespace {

// `number` rises with each record: the newest version of a dataset is the one recorded last. `is_newest` saves each
// reader from looking for it.
constexpr const char* kTables = R"sql(
CREATE TABLE lineage_versions (
    id TEXT NOT NULL, version TEXT NOT NULL, number INTEGER NOT NULL, is_newest INTEGER NOT NULL,
    run_id TEXT NOT NULL, recorded_us INTEGER NOT NULL, PRIMARY KEY (id, version));
CREATE INDEX lineage_versions_newest ON lineage_versions (id, number);
CREATE TABLE lineage_inputs (
    id TEXT NOT NULL, version TEXT NOT NULL, input_id TEXT NOT NULL, input_version TEXT NOT NULL,
    PRIMARY KEY (id, version, input_id));
CREATE INDEX lineage_inputs_by_input ON lineage_inputs (input_id);
CREATE TABLE lineage_columns (
    id TEXT NOT NULL, version TEXT NOT NULL, column_name TEXT NOT NULL, input_id TEXT NOT NULL,
    input_column TEXT NOT NULL, PRIMARY KEY (id, version, column_name, input_id, input_column));
CREATE TABLE lineage_objects (
    id TEXT NOT NULL, version TEXT NOT NULL, object TEXT NOT NULL, PRIMARY KEY (id, version, object))
)sql";

constexpr const char* kParts[] = {"lineage_inputs", "lineage_columns", "lineage_objects"};

std::string IdOf(const std::string& schema, const std::string& name) { return schema + "." + name; }

std::pair<std::string, std::string> SplitId(const std::string& id) {
    size_t dot = id.find('.');
    return dot == std::string::npos ? std::pair(std::string(), id) : std::pair(id.substr(0, dot), id.substr(dot + 1));
}

Status Forget(metadata::Transaction& transaction, const std::string& id, const std::string& version) {
    for (const char* table : kParts) {
        TRY(transaction.Execute(fmt::format("DELETE FROM {} WHERE id = $1 AND version = $2", table), {id, version}));
    }
    TRY(transaction.Execute("DELETE FROM lineage_versions WHERE id = $1 AND version = $2", {id, version}));
    return Ok();
}

Status InsertParts(metadata::Transaction& transaction, const std::string& id, const LineageRecord& record) {
    for (const LineageInput& input : record.inputs) {
        TRY(transaction.Execute(
            "INSERT INTO lineage_inputs VALUES ($1, $2, $3, $4) ON CONFLICT (id, version, input_id) "
            "DO UPDATE SET input_version = $4",
            {id, record.version, IdOf(input.schema, input.name), input.version}));
    }
    for (const LineageColumn& column : record.columns) {
        TRY(transaction.Execute(
            "INSERT INTO lineage_columns VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            {id, record.version, column.column, IdOf(column.input_schema, column.input_name), column.input_column}));
    }
    for (const std::string& object : record.objects) {
        TRY(transaction.Execute("INSERT INTO lineage_objects VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                                {id, record.version, object}));
    }
    return Ok();
}

Status ForgetOldest(metadata::Transaction& transaction, const std::string& id) {
    auto old =
        TRY(transaction.Query("SELECT version FROM lineage_versions WHERE id = $1 ORDER BY number DESC "
                              "LIMIT 1000 OFFSET $2",
                              {id, LineageStore::kVersionsKept}));
    for (const metadata::Row& row : old) TRY(Forget(transaction, id, row[0].text()));
    return Ok();
}

}  // namespace

Result<LineageStore> LineageStore::Open(metadata::Database& database, Clock& clock) {
    TRY(database.Migrate("lineage", {{1, kTables}}));
    return LineageStore(database, clock);
}

Status LineageStore::Record(const LineageRecord& record) {
    std::string id = IdOf(record.schema, record.name);
    int64_t now_us = ToMicros(clock_->Now());
    return database_->Write([&](metadata::Transaction& transaction) -> Status {
        auto known = TRY(transaction.Query(
            "SELECT number, is_newest FROM lineage_versions WHERE id = $1 AND version = $2", {id, record.version}));
        int64_t number = 0;
        bool is_newest = true;
        if (!known.empty()) {
            // Recorded again, by a repair: it keeps its place.
            number = known[0][0].integer();
            is_newest = known[0][1].integer() != 0;
        } else {
            auto highest =
                TRY(transaction.Query("SELECT COALESCE(MAX(number), 0) FROM lineage_versions WHERE id = $1", {id}));
            number = highest[0][0].integer() + 1;
        }
        TRY(Forget(transaction, id, record.version));
        if (is_newest) TRY(transaction.Execute("UPDATE lineage_versions SET is_newest = 0 WHERE id = $1", {id}));
        TRY(transaction.Execute("INSERT INTO lineage_versions VALUES ($1, $2, $3, $4, $5, $6)",
                                {id, record.version, number, int64_t{is_newest}, record.run_id, now_us}));
        TRY(InsertParts(transaction, id, record));
        return ForgetOldest(transaction, id);
    });
}

// What a table of the new name had before goes, but for what tags come by: no column may lose its tags by a rename.
Status LineageStore::MoveNames(const std::vector<std::pair<std::string, std::string>>& datasets,
                               metadata::Transaction& transaction) {
    auto join = [&](const char* table, const std::string& column, const char* columns, const char* values,
                    const auto& rename) -> Status {
        TRY(transaction.Execute(fmt::format("INSERT INTO {0} ({2}) SELECT {3} FROM {0} WHERE {1} = $1 "
                                            "ON CONFLICT DO NOTHING",
                                            table, column, columns, values),
                                {rename.first, rename.second}));
        TRY(transaction.Execute(fmt::format("DELETE FROM {} WHERE {} = $1", table, column), {rename.first}));
        return Ok();
    };
    for (const auto& rename : datasets) {
        for (const char* table : {"lineage_versions", "lineage_inputs", "lineage_objects"}) {
            TRY(transaction.Execute(fmt::format("DELETE FROM {} WHERE id = $1", table), {rename.second}));
            TRY(transaction.Execute(fmt::format("UPDATE {} SET id = $2 WHERE id = $1", table),
                                    {rename.first, rename.second}));
        }
        TRY(join("lineage_inputs", "input_id", "id, version, input_id, input_version", "id, version, $2, input_version",
                 rename));
        TRY(join("lineage_columns", "id", "id, version, column_name, input_id, input_column",
                 "$2, version, column_name, input_id, input_column", rename));
        TRY(join("lineage_columns", "input_id", "id, version, column_name, input_id, input_column",
                 "id, version, column_name, $2, input_column", rename));
        TRY(join("lineage_expected", "id", "id, column_name, input_id, input_column",
                 "$2, column_name, input_id, input_column", rename));
        TRY(join("lineage_expected", "input_id", "id, column_name, input_id, input_column",
                 "id, column_name, $2, input_column", rename));
    }
    return Ok();
}

Result<std::optional<LineageRecord>> LineageStore::Of(const std::string& schema, const std::string& name,
                                                      const std::string& version) {
    std::string id = IdOf(schema, name);
    auto found =
        TRY(database_->Query("SELECT run_id FROM lineage_versions WHERE id = $1 AND version = $2", {id, version}));
    if (found.empty()) return std::optional<LineageRecord>();
    LineageRecord record{.schema = schema, .name = name, .version = version, .run_id = found[0][0].text()};
    auto inputs = TRY(database_->Query(
        "SELECT input_id, input_version FROM lineage_inputs WHERE id = $1 AND version = $2 ORDER BY 1", {id, version}));
    for (const metadata::Row& row : inputs) {
        auto [input_schema, input_name] = SplitId(row[0].text());
        record.inputs.push_back({input_schema, input_name, row[1].text()});
    }
    auto columns =
        TRY(database_->Query("SELECT column_name, input_id, input_column FROM lineage_columns "
                             "WHERE id = $1 AND version = $2 ORDER BY 1, 2, 3",
                             {id, version}));
    for (const metadata::Row& row : columns) {
        auto [input_schema, input_name] = SplitId(row[1].text());
        record.columns.push_back({row[0].text(), input_schema, input_name, row[2].text()});
    }
    auto objects = TRY(database_->Query("SELECT object FROM lineage_objects WHERE id = $1 AND version = $2 ORDER BY 1",
                                        {id, version}));
    for (const metadata::Row& row : objects) record.objects.push_back(row[0].text());
    return std::optional<LineageRecord>(std::move(record));
}

Result<std::vector<LineageStore::Neighbour>> LineageStore::Inputs(const std::string& id) {
    auto rows =
        TRY(database_->Query("SELECT i.input_id, i.input_version FROM lineage_versions v "
                             "JOIN lineage_inputs i ON i.id = v.id AND i.version = v.version "
                             "WHERE v.id = $1 AND v.is_newest = 1 ORDER BY 1",
                             {id}));
    std::vector<Neighbour> neighbours;
    for (const metadata::Row& row : rows) neighbours.push_back({row[0].text(), row[1].text()});
    return neighbours;
}

Result<std::vector<LineageStore::Neighbour>> LineageStore::Outputs(const std::string& id) {
    auto rows =
        TRY(database_->Query("SELECT v.id, v.version FROM lineage_inputs i "
                             "JOIN lineage_versions v ON v.id = i.id AND v.version = i.version "
                             "WHERE i.input_id = $1 AND v.is_newest = 1 ORDER BY 1",
                             {id}));
    std::vector<Neighbour> neighbours;
    for (const metadata::Row& row : rows) neighbours.push_back({row[0].text(), row[1].text()});
    return neighbours;
}

Result<std::vector<LineageColumn>> LineageStore::ColumnsBetween(const std::string& from, const std::string& to) {
    auto rows =
        TRY(database_->Query("SELECT c.column_name, c.input_column FROM lineage_versions v "
                             "JOIN lineage_columns c ON c.id = v.id AND c.version = v.version "
                             "WHERE v.id = $1 AND v.is_newest = 1 AND c.input_id = $2 ORDER BY 1, 2",
                             {to, from}));
    auto [schema, name] = SplitId(from);
    std::vector<LineageColumn> columns;
    for (const metadata::Row& row : rows) columns.push_back({row[0].text(), schema, name, row[1].text()});
    return columns;
}

}  // namespace tarn::catalog
