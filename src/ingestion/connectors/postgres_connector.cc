// Kind postgresql: tables by binary COPY, in one repeatable-read transaction; large ones by several connections that
// share its snapshot, each taking ranges of the table's blocks. libpq is included only here.
#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/connector.h"

namespace tarn::connectors {
namespace {

constexpr int64_t kRowsPerLook = 20000;
constexpr size_t kHeaderBytes = 19;  // "PGCOPY\n\377\r\n\0", flags, length of the extension
constexpr int kDecimalDigitsMax = 38;
constexpr int64_t kBytesPerReader = 32 << 20;  // of a table: smaller ones are read by one connection
constexpr int64_t kReadersMax = 16;
constexpr int64_t kRangesPerReader = 8;  // so that who is done early takes over from who is not
constexpr int kRangeScanVersion = 140000;  // the server that reads a range of blocks without reading all others
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

// The transaction of a load. Nothing may come between this and the taking over of a snapshot.
Status Begin(PGconn* connection) {
    TRY(Run(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    return Ok();
}

// Texts in forms that do not depend on the server's settings.
Status SetForms(PGconn* connection) {
    TRY(Run(connection,
            "SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'iso_8601'; "
            "SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 3"));
    return Ok();
}

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
        std::string snapshot;  // that several readers share; empty: one reads all
        int64_t readers = 1;
        std::vector<std::string> ranges;  // conditions that together are the whole table
    };
    Result<std::vector<CopyPart>> NewerParts(ReadContext& context, PGconn* connection, const std::string& table);
    Status CopyWhatFits(ReadContext& context, PGconn* connection, CopyPlan plan);
    // `unfit` names the column that an error is about.
    Status Copy(ReadContext& context, PGconn* connection, const CopyPlan& plan, std::string& unfit);
    Status CopyOne(ReadContext& context, PGconn* connection, const CopyPlan& plan, const CopyPart& part,
                   std::string& unfit);
    // What the readers of one part share.
    struct Shared {
        std::mutex mutex;  // guards the three below
        LoadProgress progress;
        std::string unfit;
        Status first;  // the failure that the others end for
        std::atomic<size_t> next = 0;
        std::atomic<bool> stop = false;
    };
    Status CopyRange(ReadContext& context, PGconn* connection, const CopyPlan& plan, const std::string& where,
                     engine::RowWriter& writer, Shared& shared);
    Status CopyParallel(ReadContext& context, const CopyPlan& plan, const CopyPart& part, std::string& unfit);
    static Result<std::unique_ptr<engine::RowWriter>> StartRows(ReadContext& context, const CopyPlan& plan);
    Status CopyShare(ReadContext& context, const CopyPlan& plan, const CopyPart& part, Shared& shared);
    static Result<int64_t> PlanReaders(ReadContext& context, PGconn* connection, const std::string& table,
                                       CopyPlan& plan);
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
    if (PQtransactionStatus(connection) != PQTRANS_ACTIVE) return Ok();  // others copied
    std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> canceller(PQgetCancel(connection), PQfreeCancel);
    char ignored[256];
    PQcancel(canceller.get(), ignored, sizeof(ignored));
    char* raw = nullptr;
    while (PQgetCopyData(connection, &raw, 0) > 0) PQfreemem(raw);
    while (PGresult* left = PQgetResult(connection)) PQclear(left);
    return PQstatus(connection) == CONNECTION_OK ? Ok() : Failure(connection, nullptr);
}

Result<std::unique_ptr<engine::RowWriter>> PostgresConnector::StartRows(ReadContext& context, const CopyPlan& plan) {
    std::vector<uint32_t> oids;
    std::vector<engine::Column> written;
    for (const TableColumn& column : plan.columns) {
        oids.push_back(column.oid);
        written.push_back(column.column);
    }
    return context.writer.StartRows(written, oids);
}

Status PostgresConnector::Copy(ReadContext& context, PGconn* connection, const CopyPlan& plan, std::string& unfit) {
    Manifest& manifest = context.writer.manifest();
    size_t before = manifest.objects.size();
    manifest.rows = 0;
    std::vector<engine::Column> written;
    for (const TableColumn& column : plan.columns) {
        manifest.source_types[column.name] = column.source_type;
        written.push_back(column.column);
    }
    RecordColumns(context, written);
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
    if (!plan.snapshot.empty() && !part.edge) return CopyParallel(context, plan, part, unfit);
    auto writer = TRY(StartRows(context, plan));
    Shared shared;
    shared.progress.note = plan.table;
    Status copied = CopyRange(context, connection, plan, part.where, *writer, shared);
    unfit = shared.unfit;
    TRY(std::move(copied));
    if (shared.progress.rows == 0 && context.writer.manifest().mode == "incremental") return Ok();
    return context.writer.FinishRows(*writer, {{"table", plan.table}}, part.edge);
}

// One COPY, into `writer`.
Status PostgresConnector::CopyRange(ReadContext& context, PGconn* connection, const CopyPlan& plan,
                                    const std::string& where, engine::RowWriter& writer, Shared& shared) {
    std::vector<std::string> items;
    for (const TableColumn& column : plan.columns) items.push_back(column.select);
    TRY(Run(connection,
            fmt::format("COPY (SELECT {} FROM {}{}) TO STDOUT (FORMAT binary)", Join(items, ", "), plan.table, where)));
    CopyRows rows(plan.columns.size());
    int64_t copied = 0;
    auto look = [&](int64_t count) -> Status {
        std::lock_guard lock(shared.mutex);
        shared.progress.rows += count;
        context.progress(shared.progress);
        if (shared.stop) return Error(ErrorCode::kCancelled, "another reader of the table failed");
        return context.CheckCancelled();
    };
    auto on_row = [&](const std::vector<std::optional<ByteSpan>>& cells) -> Status {
        Status added = writer.AddBinaryRow(cells);
        if (!added.ok()) {
            std::lock_guard lock(shared.mutex);
            for (const TableColumn& column : plan.columns) {
                if (added.error().message().starts_with("column " + column.name + ": ")) shared.unfit = column.name;
            }
            return added;
        }
        return ++copied % kRowsPerLook != 0 ? Ok() : look(kRowsPerLook);
    };
    char* raw = nullptr;
    int bytes = 0;
    while ((bytes = PQgetCopyData(connection, &raw, 0)) > 0) {
        std::unique_ptr<char, decltype(&PQfreemem)> message(raw, PQfreemem);
        TRY(rows.Feed({raw, static_cast<size_t>(bytes)}, on_row));
    }
    if (bytes == -2) return Failure(connection, nullptr);
    while (PGresult* left = PQgetResult(connection)) {
        QueryResult end(left);
        if (PQresultStatus(end.get()) != PGRES_COMMAND_OK) return Failure(connection, end.get());
    }
    return look(copied % kRowsPerLook);
}

// How many readers share a table, and its ranges of blocks; one: it is small, or no plain table, or the server or the
// load's first statement says that it cannot be shared.
Result<int64_t> PostgresConnector::PlanReaders(ReadContext& context, PGconn* connection, const std::string& table,
                                               CopyPlan& plan) {
    int64_t asked = context.stream.settings.value("parallel", int64_t{0});
    if (asked == 1 || plan.snapshot.empty() || PQserverVersion(connection) < kRangeScanVersion) return int64_t{1};
    QueryResult size = TRY(Run(
        connection, fmt::format("SELECT pg_relation_size(c.oid), current_setting('block_size')::int8 FROM pg_class c "
                                "WHERE c.oid = {}::regclass AND c.relkind IN ('r', 'm')",
                                QuoteLiteral(table))));
    if (PQntuples(size.get()) == 0) return int64_t{1};
    int64_t bytes = IntegerOrZero(Cell(size, 0, 0));
    int64_t blocks = bytes / std::max<int64_t>(IntegerOrZero(Cell(size, 0, 1)), 1);
    int64_t cores = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
    int64_t readers = asked > 0 ? asked : std::min(cores, bytes / kBytesPerReader);
    readers = std::clamp<int64_t>(std::min(readers, blocks), 1, kReadersMax);
    if (readers == 1) return readers;
    int64_t ranges = std::min(readers * kRangesPerReader, blocks);
    for (int64_t i = 0; i < ranges; ++i) {
        std::string range = fmt::format("ctid >= '({},0)'", blocks * i / ranges);
        // The last one has no end: the table may have grown since it was measured.
        if (i + 1 < ranges) range += fmt::format(" AND ctid < '({},0)'", blocks * (i + 1) / ranges);
        plan.ranges.push_back(std::move(range));
    }
    return readers;
}

// A reader: takes ranges until there are none, into one writer of its own.
Status PostgresConnector::CopyShare(ReadContext& context, const CopyPlan& plan, const CopyPart& part, Shared& shared) {
    Connection connection = TRY(Connect(context.source));
    std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> canceller(PQgetCancel(connection.get()), PQfreeCancel);
    auto on_cancel = context.cancel.OnCancel([&] {
        char ignored[256];
        PQcancel(canceller.get(), ignored, sizeof(ignored));
    });
    TRY(Begin(connection.get()));
    TRY(Run(connection.get(), "SET TRANSACTION SNAPSHOT " + QuoteLiteral(plan.snapshot)));
    TRY(SetForms(connection.get()));
    auto writer = TRY(StartRows(context, plan));
    while (true) {
        size_t range = shared.next++;
        if (range >= plan.ranges.size()) break;
        std::string where = part.where.empty() ? " WHERE " : part.where + " AND ";
        TRY(CopyRange(context, connection.get(), plan, where + plan.ranges[range], *writer, shared));
    }
    return context.writer.FinishRows(*writer, {{"table", plan.table}}, part.edge);
}

Status PostgresConnector::CopyParallel(ReadContext& context, const CopyPlan& plan, const CopyPart& part,
                                       std::string& unfit) {
    Shared shared;
    shared.progress.note = fmt::format("{} by {} connections", plan.table, plan.readers);
    std::vector<std::thread> readers;
    for (int64_t i = 0; i < plan.readers; ++i) {
        readers.emplace_back([&] {
            Status done = CopyShare(context, plan, part, shared);
            if (done.ok()) return;
            std::lock_guard lock(shared.mutex);
            if (!shared.stop.exchange(true)) shared.first = std::move(done);
        });
    }
    for (std::thread& reader : readers) reader.join();
    unfit = shared.unfit;
    return shared.first;
}

Status PostgresConnector::Read(ReadContext& context) {
    Connection connection = TRY(Connect(context.source));
    // Ends a statement of ours that runs at the server; the connection itself is not thread-safe, the cancel is.
    std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> canceller(PQgetCancel(connection.get()), PQfreeCancel);
    auto on_cancel = context.cancel.OnCancel([&] {
        char ignored[256];
        PQcancel(canceller.get(), ignored, sizeof(ignored));
    });
    TRY(Begin(connection.get()));
    CopyPlan plan;
    // Before anything is read. A server that cannot share its snapshot (a pooler, an old standby) is read by one.
    Result<QueryResult> exported = Run(connection.get(), "SELECT pg_export_snapshot()");
    if (exported.ok()) plan.snapshot = Cell(*exported, 0, 0);
    if (!exported.ok()) {
        TRY(Run(connection.get(), "ROLLBACK"));
        TRY(Begin(connection.get()));
    }
    TRY(SetForms(connection.get()));
    auto columns = TRY(Columns(connection.get(), context.source, context.stream));
    auto [schema, name] = SchemaAndTable(context.source, context.stream);
    std::string table = QuoteIdentifier(schema) + "." + QuoteIdentifier(name);
    plan.table = table;
    plan.columns = std::move(columns);
    plan.parts = {{""}};
    if (!context.stream.cursor.empty()) plan.parts = TRY(NewerParts(context, connection.get(), table));
    if (plan.parts.empty()) return Ok();
    // An increment goes by the cursor's index, not by blocks.
    bool all = context.writer.manifest().after.is_null();
    if (all) plan.readers = TRY(PlanReaders(context, connection.get(), table, plan));
    if (plan.readers == 1) plan.snapshot.clear();
    return CopyWhatFits(context, connection.get(), std::move(plan));
}

}  // namespace

std::unique_ptr<Connector> MakePostgresConnector(ConnectorsDependencies dependencies) {
    return std::make_unique<PostgresConnector>(dependencies);
}

}  // namespace tarn::connectors
