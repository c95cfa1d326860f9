// Kind sqlite: tables of a SQLite file, read in one transaction. sqlite3.h is included only here.
#include <sqlite3.h>

#include <algorithm>

#include "base/text.h"
#include "ingestion/connectors/connector.h"

namespace tarn::connectors {
namespace {

constexpr int kBusyMs = 5000;
constexpr int kRowsPerLook = 10000;
constexpr int kLooks = 6;  // questions about a column's content

struct Closer {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Connection = std::unique_ptr<sqlite3, Closer>;
using Prepared = std::unique_ptr<sqlite3_stmt, Closer>;

Error Failure(sqlite3* database, const std::string& what) {
    int code = sqlite3_errcode(database);
    bool busy = code == SQLITE_BUSY || code == SQLITE_LOCKED;
    ErrorCode kind = busy ? ErrorCode::kUnavailable : ErrorCode::kInvalidArgument;
    return Error(kind, "{}: {}", what, sqlite3_errmsg(database));
}

Result<Prepared> Prepare(sqlite3* database, const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database, sql.c_str(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK) {
        return Failure(database, sql);
    }
    return Prepared(statement);
}

std::optional<std::string> TextOf(sqlite3_stmt* statement, int column) {
    if (sqlite3_column_type(statement, column) == SQLITE_NULL) return std::nullopt;
    const void* text = sqlite3_column_blob(statement, column);
    int bytes = sqlite3_column_bytes(statement, column);
    return std::string(static_cast<const char*>(text), static_cast<size_t>(bytes));
}

struct TableColumn {
    std::string name;
    std::string declared;
    std::string type;  // the engine's
};

// A column as text for CAST; blobs as the escapes that a BLOB cast reads back byte by byte.
std::string SelectOf(const TableColumn& column) {
    std::string name = QuoteIdentifier(column.name);
    if (column.type == "BLOB") return fmt::format("CASE WHEN {0} IS NOT NULL THEN hex({0}) END", name);
    if (column.type != "DOUBLE") return fmt::format("CAST({} AS TEXT)", name);
    return fmt::format("CASE WHEN {0} IS NOT NULL THEN printf('%!.17g', {0}) END", name);
}

void BindValue(sqlite3_stmt* statement, int place, const Json& value) {
    if (value.is_number_integer()) {
        sqlite3_bind_int64(statement, place, value.get<int64_t>());
    } else if (value.is_number()) {
        sqlite3_bind_double(statement, place, value.get<double>());
    } else if (value.is_string()) {
        sqlite3_bind_text(statement, place, value.get<std::string>().c_str(), -1, SQLITE_TRANSIENT);
    }
}

class SqliteConnector : public Connector {
  public:
    explicit SqliteConnector(ConnectorsDependencies dependencies) : dependencies_(dependencies) {}
    Status Check(const SourceDefinition& source) override {
        Connection database = TRY(Open(source));
        for (const auto& [name, stream] : source.streams) {
            TRY(Columns(database.get(), stream.settings.value("table", name)));
        }
        return Ok();
    }
    Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition& source) override;
    Status Read(ReadContext& context) override;

  private:
    Result<Connection> Open(const SourceDefinition& source);
    static Result<std::vector<TableColumn>> Columns(sqlite3* database, const std::string& table);
    static Status FindTypes(sqlite3* database, const std::string& table, std::vector<TableColumn>& columns);
    // Which rows a load takes; `values` are bound in order.
    struct Part {
        std::string where;
        std::vector<Json> values;
        bool edge = false;  // the rows whose cursor is the new position
    };
    static Result<std::vector<Part>> NewerParts(ReadContext& context, sqlite3* database, const std::string& table);
    Status Copy(ReadContext& context, sqlite3* database, const std::string& table,
                const std::vector<TableColumn>& columns, const Part& part);

    ConnectorsDependencies dependencies_;
};

Result<Connection> SqliteConnector::Open(const SourceDefinition& source) {
    std::string path = source.settings.value("path", "");
    if (!path.starts_with("/")) path = dependencies_.workspace_directory + "/" + path;
    if (!dependencies_.env.files().Exists(path)) {
        return Error(ErrorCode::kNotFound, "there is no SQLite file {}", path)
            .WithHint("`path` is relative to the workspace");
    }
    sqlite3* raw = nullptr;
    int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, nullptr);
    Connection database(raw);
    if (code != SQLITE_OK) return Failure(raw, path);
    sqlite3_busy_timeout(raw, kBusyMs);
    auto probe = Prepare(raw, "SELECT count(*) FROM sqlite_schema");
    bool readable = probe.ok() && sqlite3_step(probe->get()) == SQLITE_ROW;
    if (!readable) return Failure(raw, path + " is no SQLite database");
    auto is_utf8 = [](sqlite3_context* context, int, sqlite3_value** values) {
        const auto* bytes = static_cast<const char*>(sqlite3_value_blob(values[0]));
        auto size = static_cast<size_t>(sqlite3_value_bytes(values[0]));
        sqlite3_result_int(context, IsUtf8({bytes, size}) ? 1 : 0);
    };
    sqlite3_create_function(raw, "tarn_is_utf8", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr, is_utf8, nullptr,
                            nullptr);
    return database;
}

Result<std::vector<TableColumn>> SqliteConnector::Columns(sqlite3* database, const std::string& table) {
    Prepared statement = TRY(Prepare(database, "SELECT name, type FROM pragma_table_xinfo(?1)"));
    sqlite3_bind_text(statement.get(), 1, table.c_str(), -1, SQLITE_TRANSIENT);
    std::vector<TableColumn> columns;
    while (sqlite3_step(statement.get()) == SQLITE_ROW) {
        columns.push_back({TextOf(statement.get(), 0).value_or(""), TextOf(statement.get(), 1).value_or(""), ""});
    }
    if (columns.empty()) return Error(ErrorCode::kNotFound, "there is no table {} in the SQLite database", table);
    return columns;
}

// SQLite's columns hold any type: what is really stored decides, so that nothing is lost or refused.
Status SqliteConnector::FindTypes(sqlite3* database, const std::string& table, std::vector<TableColumn>& columns) {
    std::vector<std::string> items;
    for (const TableColumn& column : columns) {
        std::string name = QuoteIdentifier(column.name);
        // The last two: text that is not UTF-8, and integers that a double does not hold.
        items.push_back(
            fmt::format("max(typeof({0}) = 'text'), max(typeof({0}) = 'blob'), max(typeof({0}) = 'real'), "
                        "max(typeof({0}) = 'integer'), max(typeof({0}) = 'text' AND NOT tarn_is_utf8({0})), "
                        "max(typeof({0}) = 'integer' AND ({0} > 9007199254740992 OR {0} < -9007199254740992))",
                        name));
    }
    Prepared statement =
        TRY(Prepare(database, fmt::format("SELECT {} FROM {}", Join(items, ", "), QuoteIdentifier(table))));
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return Failure(database, table);
    for (size_t index = 0; index < columns.size(); ++index) {
        int first = static_cast<int>(index) * kLooks;
        auto has = [&](int kind) { return sqlite3_column_int(statement.get(), first + kind) > 0; };
        std::string declared = ToLower(columns[index].declared);
        bool text = has(0), blob = has(1), real = has(2), integer = has(3);
        // Bytes among texts stay what they are only if all are taken as bytes.
        if (blob || has(4))
            columns[index].type = "BLOB";
        else if (text || (real && has(5)))
            columns[index].type = "VARCHAR";
        else if (real)
            columns[index].type = "DOUBLE";
        else if (integer || declared.find("int") != std::string::npos)
            columns[index].type = "BIGINT";
        else
            columns[index].type = declared.find("real") != std::string::npos ? "DOUBLE" : "VARCHAR";
    }
    return Ok();
}

Result<std::vector<DiscoveredStream>> SqliteConnector::Discover(const SourceDefinition& source) {
    Connection database = TRY(Open(source));
    Prepared tables = TRY(Prepare(database.get(),
                                  "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND "
                                  "name NOT LIKE 'sqlite_%' ORDER BY name"));
    std::vector<DiscoveredStream> streams;
    while (sqlite3_step(tables.get()) == SQLITE_ROW) {
        DiscoveredStream stream;
        stream.name = TextOf(tables.get(), 0).value_or("");
        for (const TableColumn& column : TRY(Columns(database.get(), stream.name))) {
            stream.columns.push_back({column.name, column.declared, true, ""});
        }
        streams.push_back(std::move(stream));
    }
    return streams;
}

// What is newer than the position, up to the largest value of this moment; empty: nothing is. As of PostgreSQL, the
// rows of the largest value itself are kept apart, to be replaced when others of that value come later.
Result<std::vector<SqliteConnector::Part>> SqliteConnector::NewerParts(ReadContext& context, sqlite3* database,
                                                                       const std::string& table) {
    Manifest& manifest = context.writer.manifest();
    std::string cursor = QuoteIdentifier(context.stream.cursor);
    if (manifest.position.is_object()) manifest.after = manifest.position.value("cursor", Json());
    bool first = manifest.after.is_null();
    Prepared newest = TRY(Prepare(
        database, fmt::format("SELECT max({0}), typeof(max({0})), max({0}) > ?1, max({0}) = ?1, count(*) FILTER "
                              "(WHERE {0} = ?1) FROM {1}",
                              cursor, QuoteIdentifier(table))));
    BindValue(newest.get(), 1, manifest.after);
    if (sqlite3_step(newest.get()) != SQLITE_ROW) return Failure(database, table);
    std::string kind = TextOf(newest.get(), 1).value_or("null");
    Json largest = kind == "integer" ? Json(sqlite3_column_int64(newest.get(), 0))
                   : kind == "real"  ? Json(sqlite3_column_double(newest.get(), 0))
                   : kind == "null"  ? Json()
                                     : Json(TextOf(newest.get(), 0).value_or(""));
    // A first load shows the columns, also of a table without rows.
    if (largest.is_null()) return first && !context.state.last() ? std::vector<Part>{{"", {}}} : std::vector<Part>{};
    bool newer = first || sqlite3_column_int(newest.get(), 2) != 0;
    bool same = sqlite3_column_int(newest.get(), 3) != 0;
    bool came_later = !first && EdgeChanged(context.state, sqlite3_column_int64(newest.get(), 4));
    if (!newer && !(same && came_later)) return std::vector<Part>{};
    manifest.again = !first && (came_later || !context.stream.key.empty());
    manifest.position = {{"cursor", largest}};
    Part edge{fmt::format(" WHERE {} = ?1", cursor), {largest}, true};
    if (first) return std::vector<Part>{{fmt::format(" WHERE ({} = ?1) IS NOT TRUE", cursor), {largest}}, edge};
    if (!newer) return std::vector<Part>{edge};
    std::string between = fmt::format(" WHERE {0} {1} ?1 AND {0} < ?2", cursor, manifest.again ? ">=" : ">");
    return std::vector<Part>{{between, {manifest.after, largest}}, edge};
}

Status SqliteConnector::Copy(ReadContext& context, sqlite3* database, const std::string& table,
                             const std::vector<TableColumn>& columns, const Part& part) {
    Manifest& manifest = context.writer.manifest();
    std::vector<std::string> items;
    std::vector<engine::Column> written;
    for (const TableColumn& column : columns) {
        written.push_back({column.name, column.type, true, ""});
        manifest.source_types[column.name] = column.declared;
        items.push_back(SelectOf(column));
    }
    Prepared statement = TRY(
        Prepare(database, fmt::format("SELECT {} FROM {}{}", Join(items, ", "), QuoteIdentifier(table), part.where)));
    for (size_t place = 0; place < part.values.size(); ++place) {
        BindValue(statement.get(), static_cast<int>(place) + 1, part.values[place]);
    }
    RecordColumns(context, written);
    auto writer = TRY(context.writer.StartRows(written, {}));
    LoadProgress progress;
    std::vector<std::optional<std::string>> held(columns.size());
    std::vector<std::optional<std::string_view>> cells(columns.size());
    int code = sqlite3_step(statement.get());
    for (; code == SQLITE_ROW; code = sqlite3_step(statement.get())) {
        for (size_t index = 0; index < columns.size(); ++index) {
            held[index] = TextOf(statement.get(), static_cast<int>(index));
            if (columns[index].type == "BLOB" && held[index]) {
                std::string escaped;
                for (size_t at = 0; at < held[index]->size(); at += 2) escaped += "\\x" + held[index]->substr(at, 2);
                held[index] = std::move(escaped);
            }
            cells[index] = held[index] ? std::optional<std::string_view>(*held[index]) : std::nullopt;
        }
        TRY(writer->AddRow(cells));
        if (++progress.rows % kRowsPerLook != 0) continue;
        TRY(context.CheckCancelled());
        progress.note = table;
        context.progress(progress);
    }
    if (code != SQLITE_DONE) return Failure(database, table);
    if (progress.rows == 0 && manifest.mode == "incremental") return Ok();
    return context.writer.FinishRows(*writer, {{"table", table}}, part.edge);
}

Status SqliteConnector::Read(ReadContext& context) {
    Connection database = TRY(Open(context.source));
    std::string table = context.stream.settings.value("table", context.stream.name);
    // One transaction: the types, the cursor's largest value and the rows are of one moment.
    Prepared begin = TRY(Prepare(database.get(), "BEGIN"));
    if (sqlite3_step(begin.get()) != SQLITE_DONE) return Failure(database.get(), table);
    std::vector<TableColumn> columns = TRY(Columns(database.get(), table));
    std::vector<std::string> names;
    for (const TableColumn& column : columns) names.push_back(column.name);
    TRY(CheckColumns(context.stream, table, names));
    std::erase_if(columns, [&](const TableColumn& column) { return !IsWanted(context.stream, column.name); });
    TRY(FindTypes(database.get(), table, columns));
    std::vector<Part> parts = {{"", {}}};
    if (!context.stream.cursor.empty()) parts = TRY(NewerParts(context, database.get(), table));
    if (parts.empty()) return Ok();
    context.writer.manifest().rows = 0;
    for (const Part& part : parts) TRY(Copy(context, database.get(), table, columns, part));
    return Ok();
}

}  // namespace

std::unique_ptr<Connector> MakeSqliteConnector(ConnectorsDependencies dependencies) {
    return std::make_unique<SqliteConnector>(dependencies);
}

}  // namespace tarn::connectors
