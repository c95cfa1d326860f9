// Kind postgresql: tables by binary COPY, in one repeatable-read transaction. libpq is included only here.
#include <libpq-fe.h>

#include <algorithm>
#include <cstring>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/connector.h"

namespace tarn::connectors {
namespace {

constexpr int64_t kRowsPerLook = 20000;
constexpr size_t kHeaderBytes = 19;  // "PGCOPY\n\377\r\n\0", flags, length of the extension
constexpr int kDecimalDigitsMax = 38;
constexpr uint32_t kTextOid = 25;
constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";

struct Closer {
    void operator()(PGconn* connection) const { PQfinish(connection); }
    void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Closer>;
using QueryResult = std::unique_ptr<PGresult, Closer>;

std::string Line(const char* message) {
    std::string text(Trim(message ? message : ""));
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

Error Failure(PGconn* connection, const PGresult* result) {
    const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    std::string sqlstate = state ? state : "";
    std::string message = Line(PQerrorMessage(connection));
    if (sqlstate == "42501") {
        return Error(ErrorCode::kPermissionDenied, "{}", message).WithHint("GRANT SELECT on it to the source's user");
    }
    // Class 42: a name or a type is wrong, 22: a value. The same statement meets them again.
    if (sqlstate.starts_with("42") || sqlstate.starts_with("22")) {
        return Error(ErrorCode::kInvalidArgument, "{}", message);
    }
    if (sqlstate == "57014") return Error(ErrorCode::kCancelled, "the load was cancelled");
    return Error(ErrorCode::kUnavailable, "{}", message);
}

Result<QueryResult> Run(PGconn* connection, const std::string& sql) {
    QueryResult result(PQexec(connection, sql.c_str()));
    ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_OUT) {
        return Failure(connection, result.get());
    }
    return result;
}

std::string Cell(const QueryResult& result, int row, int column) { return PQgetvalue(result.get(), row, column); }

struct TableColumn {
    std::string name;
    std::string source_type;  // format_type's spelling
    uint32_t oid = 0;
    engine::Column column;
    std::string select;       // what is asked for: the column, or its text
};

// numeric(p,s): the modifier holds both; none means any size, which only text keeps.
std::string DecimalType(int modifier) {
    if (modifier < 4) return "VARCHAR";
    int precision = (modifier - 4) >> 16 & 0xffff;
    int scale = (modifier - 4) & 0x7ff;
    bool fits = precision <= kDecimalDigitsMax && scale <= precision && scale < 0x400;
    return fits ? fmt::format("DECIMAL({},{})", precision, scale) : "VARCHAR";
}

// The engine's type that keeps every value; VARCHAR (the server's own text) where there is none.
std::string EngineType(uint32_t oid, int modifier) {
    switch (oid) {
        case 16:
            return "BOOLEAN";
        case 17:
            return "BLOB";
        case 20:
            return "BIGINT";
        case 21:
            return "SMALLINT";
        case 23:
            return "INTEGER";
        case 700:
            return "FLOAT";
        case 701:
            return "DOUBLE";
        case 1082:
            return "DATE";
        case 1114:
            return "TIMESTAMP";
        case 1184:
            return "TIMESTAMP WITH TIME ZONE";
        case 1700:
            return DecimalType(modifier);
        default:
            return "VARCHAR";
    }
}

bool IsTextOid(uint32_t oid) { return oid == 25 || oid == 1043 || oid == 1042 || oid == 19; }

std::pair<std::string, std::string> SchemaAndTable(const SourceDefinition& source, const StreamDefinition& stream) {
    std::string table = stream.settings.value("table", stream.name);
    size_t dot = table.find('.');
    if (dot == std::string::npos) return {source.settings.value("schema", "public"), table};
    return {table.substr(0, dot), table.substr(dot + 1)};
}

// Takes COPY's binary stream apart, whatever way the server cut it into messages.
class CopyRows {
  public:
    explicit CopyRows(size_t columns) : cells_(columns) {}
    // Calls `row` for every whole row in what has arrived.
    template <typename OnRow>
    Status Feed(std::string_view bytes, OnRow row) {
        if (!rest_.empty()) {
            rest_.append(bytes);
            bytes = rest_;
        }
        size_t used = 0;
        while (true) {
            size_t taken = TRY(Take(bytes.substr(used)));
            if (taken == 0) break;
            used += taken;
            if (has_row_) TRY(row(cells_));
        }
        std::string left(bytes.substr(used));
        rest_ = std::move(left);
        return Ok();
    }

  private:
    static uint32_t Word(std::string_view bytes, size_t at) {
        uint32_t word;
        std::memcpy(&word, bytes.data() + at, 4);
        return __builtin_bswap32(word);
    }
    // Bytes of the header or the next row; 0 when it is not whole yet.
    Result<size_t> Take(std::string_view bytes) {
        has_row_ = false;
        if (!header_) {
            if (bytes.size() < kHeaderBytes) return size_t{0};
            size_t whole = kHeaderBytes + Word(bytes, 15);
            if (bytes.size() < whole) return size_t{0};
            header_ = true;
            return whole;
        }
        if (bytes.size() < 2) return size_t{0};
        auto count = static_cast<int16_t>(static_cast<uint8_t>(bytes[0]) << 8 | static_cast<uint8_t>(bytes[1]));
        if (count == -1) return size_t{2};  // the trailer
        if (count != static_cast<int16_t>(cells_.size())) {
            return Error(ErrorCode::kUnavailable, "COPY sent a row of {} columns, not {}", count, cells_.size());
        }
        size_t at = 2;
        for (std::optional<ByteSpan>& cell : cells_) {
            if (bytes.size() < at + 4) return size_t{0};
            uint32_t length = Word(bytes, at);
            at += 4;
            cell.reset();
            if (length == 0xffffffff) continue;
            if (bytes.size() < at + length) return size_t{0};
            cell = AsBytes(bytes.substr(at, length));
            at += length;
        }
        has_row_ = true;
        return at;
    }

    bool header_ = false;
    bool has_row_ = false;
    std::string rest_;
    std::vector<std::optional<ByteSpan>> cells_;
};

class PostgresConnector : public Connector {
  public:
    explicit PostgresConnector(ConnectorsDependencies dependencies) : dependencies_(dependencies) {}
    Status Check(const SourceDefinition& source) override {
        Connection connection = TRY(Connect(source));
        for (const auto& [name, stream] : source.streams) TRY(Columns(connection.get(), source, stream));
        return Ok();
    }
    Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition& source) override;
    Status Read(ReadContext& context) override;

  private:
    Result<Connection> Connect(const SourceDefinition& source);
    static Result<std::vector<TableColumn>> Columns(PGconn* connection, const SourceDefinition& source,
                                                    const StreamDefinition& stream);
    struct CopyPart {
        std::string where;
        bool edge = false;  // the rows whose cursor is the new position
    };
    struct CopyPlan {
        std::string table;
        std::vector<CopyPart> parts;
        std::vector<TableColumn> columns;
    };
    Result<std::vector<CopyPart>> NewerParts(ReadContext& context, PGconn* connection, const std::string& table);
    Status CopyWhatFits(ReadContext& context, PGconn* connection, CopyPlan plan);
    // `unfit` names the column that an error is about.
    Status Copy(ReadContext& context, PGconn* connection, const CopyPlan& plan, std::string& unfit);
    Status CopyOne(ReadContext& context, PGconn* connection, const CopyPlan& plan, const CopyPart& part,
                   std::string& unfit);
    static Status EndCopy(PGconn* connection);

    ConnectorsDependencies dependencies_;
};

Result<Connection> PostgresConnector::Connect(const SourceDefinition& source) {
    const Json& settings = source.settings;
    Address address{settings.value("host", "127.0.0.1"), static_cast<int>(settings.value("port", 5432))};
    std::string numeric = TRY(dependencies_.dialer.ResolveChecked(address, {}));
    Secret password;
    if (settings.contains("password")) {
        password = TRY(dependencies_.secrets.Get(settings["password"]["secret"].get<std::string>()));
    }
    std::string port = std::to_string(address.port);
    std::string database = settings.value("database", "");
    std::string user = settings.value("user", "");
    std::string tls = settings.value("tls", "prefer");
    std::string ca = settings.value("ca", "");
    if (!ca.empty() && !ca.starts_with("/")) ca = dependencies_.workspace_directory + "/" + ca;
    // The library's own default is a file in somebody's home.
    if (ca.empty() && tls == "verify-full") ca = kSystemRoots;
    std::string password_text(password.text());
    const char* names[] = {"host",
                           "hostaddr",
                           "port",
                           "dbname",
                           "user",
                           "password",
                           "sslmode",
                           "sslrootcert",
                           "application_name",
                           "connect_timeout",
                           "client_encoding",
                           nullptr};
    const char* values[] = {address.host.c_str(),
                            numeric.c_str(),
                            port.c_str(),
                            database.c_str(),
                            user.c_str(),
                            password_text.c_str(),
                            tls.c_str(),
                            ca.c_str(),
                            "tarn",
                            "10",
                            "UTF8",
                            nullptr};
    Connection connection(PQconnectdbParams(names, values, 0));
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        std::string message = Line(PQerrorMessage(connection.get()));
        bool login = message.find("authentication") != std::string::npos || message.find("role") != std::string::npos;
        return Error(login ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable,
                     "can't reach the database of {}: {}", source.name, message)
            .WithHint(login ? "set the password again with `tarn secret set NAME`"
                            : "is it running, and are host and port right?");
    }
    return connection;
}

Result<std::vector<TableColumn>> PostgresConnector::Columns(PGconn* connection, const SourceDefinition& source,
                                                            const StreamDefinition& stream) {
    auto [schema, table] = SchemaAndTable(source, stream);
    QueryResult result = TRY(Run(
        connection,
        fmt::format(
            // A domain's values are sent as those of its base.
            "SELECT a.attname, (CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE a.atttypid END)::int8, "
            "CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END, format_type(a.atttypid, a.atttypmod) "
            "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_type t ON t.oid = a.atttypid "
            "WHERE n.nspname = {} AND c.relname = {} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            QuoteLiteral(schema), QuoteLiteral(table))));
    std::vector<TableColumn> columns;
    std::vector<std::string> names;
    for (int row = 0; row < PQntuples(result.get()); ++row) {
        TableColumn column;
        column.name = Cell(result, row, 0);
        column.oid = static_cast<uint32_t>(IntegerOrZero(Cell(result, row, 1)));
        column.source_type = Cell(result, row, 3);
        int modifier = static_cast<int>(IntegerOrZero(Cell(result, row, 2)));
        column.column = {column.name, EngineType(column.oid, modifier), true, ""};
        column.select = QuoteIdentifier(column.name);
        bool as_text = column.column.type == "VARCHAR" && !IsTextOid(column.oid);
        if (as_text) column.select += "::text", column.oid = kTextOid;
        names.push_back(column.name);
        if (IsWanted(stream, column.name)) columns.push_back(std::move(column));
    }
    if (names.empty()) {
        return Error(ErrorCode::kInvalidArgument, "there is no table {}.{} in the database of {}", schema, table,
                     source.name)
            .WithHint("set `table` of the stream, or `schema` of the connection");
    }
    TRY(CheckColumns(stream, schema + "." + table, names));
    return columns;
}

Result<std::vector<DiscoveredStream>> PostgresConnector::Discover(const SourceDefinition& source) {
    Connection connection = TRY(Connect(source));
    QueryResult tables = TRY(Run(
        connection.get(),
        fmt::format("SELECT c.relname, c.reltuples::int8 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                    "WHERE n.nspname = {} AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1",
                    QuoteLiteral(source.settings.value("schema", "public")))));
    std::vector<DiscoveredStream> streams;
    for (int row = 0; row < PQntuples(tables.get()); ++row) {
        DiscoveredStream stream;
        stream.name = Cell(tables, row, 0);
        stream.rows_estimate = IntegerOrZero(Cell(tables, row, 1));
        StreamDefinition definition;
        definition.name = stream.name;
        definition.settings = Json::object();
        for (TableColumn& column : TRY(Columns(connection.get(), source, definition))) {
            stream.columns.push_back(std::move(column.column));
        }
        streams.push_back(std::move(stream));
    }
    return streams;
}

// What is newer than the position, up to the largest value of this snapshot; empty: nothing is. The rows of the largest
// value itself are kept apart: when others of that value come later, they are read anew and replace these.
Result<std::vector<PostgresConnector::CopyPart>> PostgresConnector::NewerParts(ReadContext& context, PGconn* connection,
                                                                               const std::string& table) {
    Manifest& manifest = context.writer.manifest();
    std::string cursor = QuoteIdentifier(context.stream.cursor);
    if (manifest.position.is_object()) manifest.after = manifest.position.value("cursor", Json());
    bool first = manifest.after.is_null();
    std::string after = first ? "NULL" : QuoteLiteral(manifest.after.get<std::string>());
    QueryResult newest = TRY(Run(connection, fmt::format("SELECT max({0})::text, max({0}) > {1}, max({0}) = {1}, "
                                                         "count(*) FILTER (WHERE {0} = {1}) FROM {2}",
                                                         cursor, after, table)));
    bool none = PQgetisnull(newest.get(), 0, 0);
    // A first load shows the columns, also of a table without rows; and it reads what has no cursor.
    if (none) return first && !context.state.last() ? std::vector<CopyPart>{{""}} : std::vector<CopyPart>{};
    std::string largest = Cell(newest, 0, 0);
    std::string edge = fmt::format(" WHERE {} = {}", cursor, QuoteLiteral(largest));
    if (first) {
        manifest.position = {{"cursor", largest}};
        return std::vector<CopyPart>{{fmt::format(" WHERE ({} = {}) IS NOT TRUE", cursor, QuoteLiteral(largest))},
                                     {edge, true}};
    }
    bool newer = Cell(newest, 0, 1) == "t";
    bool same = Cell(newest, 0, 2) == "t";
    bool came_later = EdgeChanged(context.state, IntegerOrZero(Cell(newest, 0, 3)));
    if (!newer && !(same && came_later)) return std::vector<CopyPart>{};
    // With a key they are read again in any case: one may have changed within its moment.
    manifest.again = came_later || !context.stream.key.empty();
    manifest.position = {{"cursor", largest}};
    if (!newer) return std::vector<CopyPart>{{edge, true}};
    return std::vector<CopyPart>{{fmt::format(" WHERE {0} {1} {2} AND {0} < {3}", cursor, manifest.again ? ">=" : ">",
                                              after, QuoteLiteral(largest))},
                                 {edge, true}};
}

// Columns with a value that their type does not hold (infinite dates, NaN in a numeric) are read as text instead: all
// of the load from the start, in the same snapshot.
Status PostgresConnector::CopyWhatFits(ReadContext& context, PGconn* connection, CopyPlan plan) {
    while (true) {
        TRY(Run(connection, "SAVEPOINT before_copy"));
        std::string unfit;
        Status copied = Copy(context, connection, plan, unfit);
        if (copied.ok() || unfit.empty() || unfit == context.stream.cursor) return copied;
        TRY(EndCopy(connection));
        TRY(Run(connection, "ROLLBACK TO before_copy"));
        for (TableColumn& column : plan.columns) {
            if (column.name != unfit) continue;
            if (column.column.type == "VARCHAR") return copied;
            column.column.type = "VARCHAR";
            column.select += "::text";
            column.oid = kTextOid;
        }
        context.writer.manifest().warnings.push_back(copied.error().message() + "; the column is kept as text");
    }
}

Status PostgresConnector::EndCopy(PGconn* connection) {
    std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> canceller(PQgetCancel(connection), PQfreeCancel);
    char ignored[256];
    PQcancel(canceller.get(), ignored, sizeof(ignored));
    char* raw = nullptr;
    while (PQgetCopyData(connection, &raw, 0) > 0) PQfreemem(raw);
    while (PGresult* left = PQgetResult(connection)) PQclear(left);
    return PQstatus(connection) == CONNECTION_OK ? Ok() : Failure(connection, nullptr);
}

Status PostgresConnector::Copy(ReadContext& context, PGconn* connection, const CopyPlan& plan, std::string& unfit) {
    size_t before = context.writer.manifest().objects.size();
    context.writer.manifest().rows = 0;
    for (const CopyPart& part : plan.parts) {
        Status copied = CopyOne(context, connection, plan, part, unfit);
        if (copied.ok()) continue;
        TRY(context.writer.DropAfter(before));
        return copied;
    }
    return Ok();
}

Status PostgresConnector::CopyOne(ReadContext& context, PGconn* connection, const CopyPlan& plan, const CopyPart& part,
                                  std::string& unfit) {
    Manifest& manifest = context.writer.manifest();
    std::vector<std::string> items;
    std::vector<uint32_t> oids;
    std::vector<engine::Column> written;
    for (const TableColumn& column : plan.columns) {
        items.push_back(column.select);
        oids.push_back(column.oid);
        written.push_back(column.column);
        manifest.source_types[column.name] = column.source_type;
    }
    TRY(Run(connection, fmt::format("COPY (SELECT {} FROM {}{}) TO STDOUT (FORMAT binary)", Join(items, ", "),
                                    plan.table, part.where)));
    RecordColumns(context, written);
    auto writer = TRY(context.writer.StartRows(written, oids));
    CopyRows rows(plan.columns.size());
    LoadProgress progress;
    progress.note = plan.table;
    auto on_row = [&](const std::vector<std::optional<ByteSpan>>& cells) -> Status {
        Status added = writer->AddBinaryRow(cells);
        for (const engine::Column& column : added.ok() ? std::vector<engine::Column>() : written) {
            bool named = added.error().message().starts_with("column " + column.name + ": ");
            if (named) unfit = column.name;
        }
        TRY(std::move(added));
        if (++progress.rows % kRowsPerLook != 0) return Ok();
        context.progress(progress);
        return context.CheckCancelled();
    };
    char* raw = nullptr;
    int bytes = 0;
    while ((bytes = PQgetCopyData(connection, &raw, 0)) > 0) {
        std::unique_ptr<char, decltype(&PQfreemem)> message(raw, PQfreemem);
        TRY(rows.Feed({raw, static_cast<size_t>(bytes)}, on_row));
    }
    if (bytes == -2) return Failure(connection, nullptr);
    QueryResult end(PQgetResult(connection));
    if (PQresultStatus(end.get()) != PGRES_COMMAND_OK) return Failure(connection, end.get());
    if (progress.rows == 0 && manifest.mode == "incremental") return Ok();
    return context.writer.FinishRows(*writer, {{"table", plan.table}}, part.edge);
}

Status PostgresConnector::Read(ReadContext& context) {
    Connection connection = TRY(Connect(context.source));
    // Ends a statement of ours that runs at the server; the connection itself is not thread-safe, the cancel is.
    std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> canceller(PQgetCancel(connection.get()), PQfreeCancel);
    auto on_cancel = context.cancel.OnCancel([&] {
        char ignored[256];
        PQcancel(canceller.get(), ignored, sizeof(ignored));
    });
    TRY(Run(connection.get(), "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    TRY(Run(connection.get(),
            "SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'iso_8601'; "
            "SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 3"));
    auto columns = TRY(Columns(connection.get(), context.source, context.stream));
    auto [schema, name] = SchemaAndTable(context.source, context.stream);
    std::string table = QuoteIdentifier(schema) + "." + QuoteIdentifier(name);
    std::vector<CopyPart> parts = {{""}};
    if (!context.stream.cursor.empty()) parts = TRY(NewerParts(context, connection.get(), table));
    if (parts.empty()) return Ok();
    return CopyWhatFits(context, connection.get(), {table, std::move(parts), std::move(columns)});
}

}  // namespace

std::unique_ptr<Connector> MakePostgresConnector(ConnectorsDependencies dependencies) {
    return std::make_unique<PostgresConnector>(dependencies);
}

}  // namespace tarn::connectors
