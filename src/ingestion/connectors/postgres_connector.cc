// Kind postgresql: tables by binary COPY, in one repeatable-read transaction; large ones by several connections that
// share its snapshot, each taking ranges of the table's blocks.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <thread>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/connector.h"
#include "ingestion/connectors/postgres_client.h"
#include "ingestion/connectors/shared_read.h"

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
constexpr int kDefaultPort = 5432;

using Answer = PostgresConnection::Answer;

Error Explain(const PostgresFailure& failure) {
    const std::string& message = failure.message;
    if (failure.state == "42501") {
        return Error(ErrorCode::kPermissionDenied, "{}", message).WithHint("GRANT SELECT on it to the source's user");
    }
    // Class 42: a name or a type is wrong, 22: a value. The same statement meets them again.
    if (failure.state.starts_with("42") || failure.state.starts_with("22")) {
        return Error(ErrorCode::kInvalidArgument, "{}", message);
    }
    if (failure.state == "57014") return Error(ErrorCode::kCancelled, "the load was cancelled");
    return Error(ErrorCode::kUnavailable, "{}", message);
}

// The transaction of a load. Nothing may come between this and the taking over of a snapshot.
Status Begin(PostgresConnection& connection) {
    TRY(connection.Run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    return Ok();
}

// Texts in forms that do not depend on the server's settings.
Status SetForms(PostgresConnection& connection) {
    TRY(
        connection.Run("SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'iso_8601'; "
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
        auto connection = TRY(Connect(source));
        for (const auto& [name, stream] : source.streams) TRY(Columns(*connection, source, stream));
        return Ok();
    }
    Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition& source) override;
    Status Read(ReadContext& context) override;

  private:
    Result<std::unique_ptr<PostgresConnection>> Connect(const SourceDefinition& source);
    static Result<std::vector<TableColumn>> Columns(PostgresConnection& connection, const SourceDefinition& source,
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
    Result<std::vector<CopyPart>> NewerParts(ReadContext& context, PostgresConnection& connection,
                                             const std::string& table);
    Status CopyWhatFits(ReadContext& context, PostgresConnection& connection, CopyPlan plan);
    // `unfit` names the column that an error is about.
    Status Copy(ReadContext& context, PostgresConnection& connection, const CopyPlan& plan, std::string& unfit);
    Status CopyOne(ReadContext& context, PostgresConnection& connection, const CopyPlan& plan, const CopyPart& part,
                   std::string& unfit);
    Status CopyRange(ReadContext& context, PostgresConnection& connection, const CopyPlan& plan,
                     const std::string& where, engine::RowWriter& writer, SharedRead& shared);
    Status CopyParallel(ReadContext& context, const CopyPlan& plan, const CopyPart& part, std::string& unfit);
    static Result<std::unique_ptr<engine::RowWriter>> StartRows(ReadContext& context, const CopyPlan& plan);
    Status CopyShare(ReadContext& context, const CopyPlan& plan, const CopyPart& part, size_t reader,
                     SharedRead& shared);
    static Result<int64_t> PlanReaders(ReadContext& context, PostgresConnection& connection, const std::string& table,
                                       CopyPlan& plan);

    ConnectorsDependencies dependencies_;
};

Result<std::unique_ptr<PostgresConnection>> PostgresConnector::Connect(const SourceDefinition& source) {
    DatabaseServer server = ServerOf(source, kDefaultPort);
    DatabaseLogin login =
        TRY(ResolveLogin(server, dependencies_.dialer, dependencies_.secrets, dependencies_.workspace_directory));
    auto connection = PostgresConnection::Open(login, Explain);
    if (!connection.ok()) return CannotReach(server, connection.error());
    return connection;
}

Result<std::vector<TableColumn>> PostgresConnector::Columns(PostgresConnection& connection,
                                                            const SourceDefinition& source,
                                                            const StreamDefinition& stream) {
    auto [schema, table] = SchemaAndTable(source, stream);
    Answer result = TRY(connection.Run(fmt::format(
            // A domain's values are sent as those of its base.
        "SELECT a.attname, (CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE a.atttypid END)::int8, "
        "CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END, format_type(a.atttypid, a.atttypmod) "
        "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE n.nspname = {} AND c.relname = {} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        QuoteLiteral(schema), QuoteLiteral(table))));
    std::vector<TableColumn> columns;
    std::vector<std::string> names;
    for (int row = 0; row < result->rows(); ++row) {
        TableColumn column;
        column.name = result->Cell(row, 0);
        column.oid = static_cast<uint32_t>(IntegerOrZero(result->Cell(row, 1)));
        column.source_type = result->Cell(row, 3);
        int modifier = static_cast<int>(IntegerOrZero(result->Cell(row, 2)));
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
    auto connection = TRY(Connect(source));
    Answer tables = TRY(connection->Run(
        fmt::format("SELECT c.relname, c.reltuples::int8 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                    "WHERE n.nspname = {} AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1",
                    QuoteLiteral(source.settings.value("schema", "public")))));
    std::vector<DiscoveredStream> streams;
    for (int row = 0; row < tables->rows(); ++row) {
        DiscoveredStream stream;
        stream.name = tables->Cell(row, 0);
        stream.rows_estimate = IntegerOrZero(tables->Cell(row, 1));
        StreamDefinition definition;
        definition.name = stream.name;
        definition.settings = Json::object();
        for (TableColumn& column : TRY(Columns(*connection, source, definition))) {
            stream.columns.push_back(std::move(column.column));
        }
        streams.push_back(std::move(stream));
    }
    return streams;
}

// What is newer than the position, up to the largest value of this snapshot; empty: nothing is. The rows of the largest
// value itself are kept apart: when others of that value come later, they are read anew and replace these.
Result<std::vector<PostgresConnector::CopyPart>> PostgresConnector::NewerParts(ReadContext& context,
                                                                               PostgresConnection& connection,
                                                                               const std::string& table) {
    Manifest& manifest = context.writer.manifest();
    std::string cursor = QuoteIdentifier(context.stream.cursor);
    if (manifest.position.is_object()) manifest.after = manifest.position.value("cursor", Json());
    bool first = manifest.after.is_null();
    std::string after = first ? "NULL" : QuoteLiteral(manifest.after.get<std::string>());
    Answer newest =
        TRY(connection.Run(fmt::format("SELECT max({0})::text, max({0}) > {1}, max({0}) = {1}, "
                                       "count(*) FILTER (WHERE {0} = {1}) FROM {2}",
                                       cursor, after, table)));
    bool none = newest->IsNull(0, 0);
    // A first load shows the columns, also of a table without rows; and it reads what has no cursor.
    if (none) return first && !context.state.last() ? std::vector<CopyPart>{{""}} : std::vector<CopyPart>{};
    std::string largest = newest->Cell(0, 0);
    std::string edge = fmt::format(" WHERE {} = {}", cursor, QuoteLiteral(largest));
    if (first) {
        manifest.position = {{"cursor", largest}};
        return std::vector<CopyPart>{{fmt::format(" WHERE ({} = {}) IS NOT TRUE", cursor, QuoteLiteral(largest))},
                                     {edge, true}};
    }
    bool newer = newest->Cell(0, 1) == "t";
    bool same = newest->Cell(0, 2) == "t";
    bool came_later = EdgeChanged(context.state, IntegerOrZero(newest->Cell(0, 3)));
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
Status PostgresConnector::CopyWhatFits(ReadContext& context, PostgresConnection& connection, CopyPlan plan) {
    while (true) {
        TRY(connection.Run("SAVEPOINT before_copy"));
        std::string unfit;
        Status copied = Copy(context, connection, plan, unfit);
        if (copied.ok() || unfit.empty() || unfit == context.stream.cursor) return copied;
        TRY(connection.StopCopy());
        TRY(connection.Run("ROLLBACK TO before_copy"));
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

Result<std::unique_ptr<engine::RowWriter>> PostgresConnector::StartRows(ReadContext& context, const CopyPlan& plan) {
    std::vector<uint32_t> oids;
    std::vector<engine::Column> written;
    for (const TableColumn& column : plan.columns) {
        oids.push_back(column.oid);
        written.push_back(column.column);
    }
    return context.writer.StartRows(written, oids);
}

Status PostgresConnector::Copy(ReadContext& context, PostgresConnection& connection, const CopyPlan& plan,
                               std::string& unfit) {
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

Status PostgresConnector::CopyOne(ReadContext& context, PostgresConnection& connection, const CopyPlan& plan,
                                  const CopyPart& part, std::string& unfit) {
    if (!plan.snapshot.empty() && !part.edge) return CopyParallel(context, plan, part, unfit);
    auto writer = TRY(StartRows(context, plan));
    SharedRead shared;
    shared.progress.note = plan.table;
    Status copied = CopyRange(context, connection, plan, part.where, *writer, shared);
    unfit = UnfitColumn(copied, plan.columns);
    TRY(std::move(copied));
    if (shared.progress.rows == 0 && context.writer.manifest().mode == "incremental") return Ok();
    return context.writer.FinishRows(*writer, {{"table", plan.table}}, part.edge);
}

// One COPY, into `writer`.
Status PostgresConnector::CopyRange(ReadContext& context, PostgresConnection& connection, const CopyPlan& plan,
                                    const std::string& where, engine::RowWriter& writer, SharedRead& shared) {
    std::vector<std::string> items;
    for (const TableColumn& column : plan.columns) items.push_back(column.select);
    TRY(connection.Run(
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
        TRY(writer.AddBinaryRow(cells));
        return ++copied % kRowsPerLook != 0 ? Ok() : look(kRowsPerLook);
    };
    TRY(connection.GetCopy([&](std::string_view bytes) { return rows.Feed(bytes, on_row); }));
    return look(copied % kRowsPerLook);
}

// How many readers share a table, and its ranges of blocks; one: it is small, or no plain table, or the server or the
// load's first statement says that it cannot be shared.
Result<int64_t> PostgresConnector::PlanReaders(ReadContext& context, PostgresConnection& connection,
                                               const std::string& table, CopyPlan& plan) {
    int64_t asked = context.stream.settings.value("parallel", int64_t{0});
    if (asked == 1 || plan.snapshot.empty() || connection.version() < kRangeScanVersion) return int64_t{1};
    Answer size = TRY(connection.Run(
        fmt::format("SELECT pg_relation_size(c.oid), current_setting('block_size')::int8 FROM pg_class c "
                    "WHERE c.oid = {}::regclass AND c.relkind IN ('r', 'm')",
                    QuoteLiteral(table))));
    if (size->rows() == 0) return int64_t{1};
    int64_t bytes = IntegerOrZero(size->Cell(0, 0));
    int64_t blocks = bytes / std::max<int64_t>(IntegerOrZero(size->Cell(0, 1)), 1);
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
Status PostgresConnector::CopyShare(ReadContext& context, const CopyPlan& plan, const CopyPart& part, size_t reader,
                                    SharedRead& shared) {
    auto connection = TRY(Connect(context.source));
    auto on_cancel = connection->CancelOn(context.cancel);
    TRY(Begin(*connection));
    TRY(connection->Run("SET TRANSACTION SNAPSHOT " + QuoteLiteral(plan.snapshot)));
    TRY(SetForms(*connection));
    auto writer = TRY(StartRows(context, plan));
    for (size_t range = reader; range < plan.ranges.size(); range = shared.next++) {
        std::string where = part.where.empty() ? " WHERE " : part.where + " AND ";
        TRY(CopyRange(context, *connection, plan, where + plan.ranges[range], *writer, shared));
    }
    return context.writer.FinishRows(*writer, {{"table", plan.table}}, part.edge);
}

Status PostgresConnector::CopyParallel(ReadContext& context, const CopyPlan& plan, const CopyPart& part,
                                       std::string& unfit) {
    SharedRead shared;
    shared.progress.note = fmt::format("{} by {} connections", plan.table, plan.readers);
    Status done = ReadTogether(static_cast<size_t>(plan.readers), shared,
                               [&](size_t reader) { return CopyShare(context, plan, part, reader, shared); });
    unfit = UnfitColumn(done, plan.columns);
    return done;
}

Status PostgresConnector::Read(ReadContext& context) {
    auto connection = TRY(Connect(context.source));
    auto on_cancel = connection->CancelOn(context.cancel);
    TRY(Begin(*connection));
    CopyPlan plan;
    // Before anything is read. A server that cannot share its snapshot (a pooler, an old standby) is read by one.
    Result<Answer> exported = connection->Run("SELECT pg_export_snapshot()");
    if (exported.ok()) plan.snapshot = (*exported)->Cell(0, 0);
    if (!exported.ok()) {
        TRY(connection->Run("ROLLBACK"));
        TRY(Begin(*connection));
    }
    TRY(SetForms(*connection));
    auto columns = TRY(Columns(*connection, context.source, context.stream));
    auto [schema, name] = SchemaAndTable(context.source, context.stream);
    std::string table = QuoteIdentifier(schema) + "." + QuoteIdentifier(name);
    plan.table = table;
    plan.columns = std::move(columns);
    plan.parts = {{""}};
    if (!context.stream.cursor.empty()) plan.parts = TRY(NewerParts(context, *connection, table));
    if (plan.parts.empty()) return Ok();
    // An increment goes by the cursor's index, not by blocks.
    bool all = context.writer.manifest().after.is_null();
    if (all) plan.readers = TRY(PlanReaders(context, *connection, table, plan));
    if (plan.readers == 1) plan.snapshot.clear();
    return CopyWhatFits(context, *connection, std::move(plan));
}

}  // namespace

std::unique_ptr<Connector> MakePostgresConnector(ConnectorsDependencies dependencies) {
    return std::make_unique<PostgresConnector>(dependencies);
}

}  // namespace tarn::connectors
