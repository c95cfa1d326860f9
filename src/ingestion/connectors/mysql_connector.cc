// Kind mysql: tables of MySQL and MariaDB, streamed row by row from one consistent snapshot.
#include <algorithm>
#include <mutex>
#include <set>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/connector.h"
#include "ingestion/connectors/mysql_client.h"
#include "ingestion/connectors/shared_read.h"

namespace tarn::connectors {
namespace {

constexpr int kDefaultPort = 3306;
constexpr int64_t kRowsPerLook = 20000;
constexpr int64_t kDecimalDigitsMax = 38;
constexpr int64_t kBigintBits = 63;
// The forms that cells come in, as PostgreSQL numbers them: the row writer knows both.
constexpr uint32_t kTextOid = 25;
constexpr uint32_t kBytesOid = 17;
constexpr int64_t kRangesPerReader = 8;  // keys are seldom evenly spread
constexpr int kLockSecondsMax = 5;        // who writes to the table waits for us as long
constexpr Duration kLookTimeout = std::chrono::seconds(60);  // of Check and Discover

struct TableColumn {
    std::string name;
    std::string source_type;  // "int(10) unsigned"
    engine::Column column;
    std::string select;       // what is asked for: the column, or a form of it that loses nothing
    bool number = false;      // compared as a number
    bool ordered = true;      // has a largest value that can be written down
    uint32_t oid() const { return column.type == "BLOB" ? kBytesOid : kTextOid; }
};

using Row = MysqlConnection::Row;
std::string Text(const Row& row, size_t i) { return row[i].value_or(""); }

std::string IntegerType(const std::string& type, bool is_unsigned) {
    if (type == "tinyint") return is_unsigned ? "SMALLINT" : "TINYINT";
    if (type == "smallint") return is_unsigned ? "INTEGER" : "SMALLINT";
    if (type == "mediumint") return "INTEGER";
    if (type == "int") return is_unsigned ? "BIGINT" : "INTEGER";
    return is_unsigned ? "DECIMAL(20,0)" : "BIGINT";
}

// Of a column of information_schema.columns: name, data_type, column_type, numeric_precision, numeric_scale.
TableColumn ColumnOf(const Row& row) {
    static const std::set<std::string> kIntegers = {"tinyint", "smallint", "mediumint", "int", "bigint"};
    static const std::set<std::string> kBytes = {
        "binary",          "varbinary",   "tinyblob",   "blob",    "mediumblob", "longblob",           "vector",
        "point",           "geometry",    "linestring", "polygon", "multipoint", "geometrycollection", "geomcollection",
        "multilinestring", "multipolygon"};
    TableColumn column;
    column.name = Text(row, 0);
    column.source_type = Text(row, 2);
    std::string type = ToLower(Text(row, 1));
    int64_t precision = IntegerOrZero(Text(row, 3));
    std::string engine_type = "VARCHAR";
    column.select = QuoteIdentifier(column.name);
    if (kIntegers.contains(type)) {
        engine_type = IntegerType(type, column.source_type.find("unsigned") != std::string::npos);
        column.number = true;
    } else if (kBytes.contains(type)) {
        engine_type = "BLOB";
        column.ordered = false;
    } else if (type == "decimal") {
        if (precision <= kDecimalDigitsMax) engine_type = fmt::format("DECIMAL({},{})", precision, Text(row, 4));
        column.number = true;
    } else if (type == "float") {
        engine_type = "FLOAT";
        column.select += " + 0e0";  // as a float, the server writes six digits and loses the rest
        column.number = true;
    } else if (type == "double") {
        engine_type = "DOUBLE";
        column.number = true;
    } else if (type == "year") {
        engine_type = "SMALLINT";
        column.number = true;
    } else if (type == "bit") {
        engine_type = precision > kBigintBits ? "DECIMAL(20,0)" : "BIGINT";
        column.select += " + 0";
        column.number = true;
    } else if (type == "date") {
        engine_type = "DATE";
    } else if (type == "datetime") {
        engine_type = "TIMESTAMP";
    } else if (type == "timestamp") {
        engine_type = "TIMESTAMP WITH TIME ZONE";
    } else if (type == "json") {
        column.ordered = false;
    }
    column.column = {column.name, engine_type, true, ""};
    return column;
}

// A value of the cursor as the server reads it: a number stays one, since text against a number is compared in doubles.
Result<std::string> Literal(const TableColumn& cursor, const std::string& value) {
    if (!cursor.number) return QuoteLiteral(value);
    bool sound = !value.empty() && value.find_first_not_of("0123456789+-.eE") == std::string::npos;
    if (!sound) return Error(ErrorCode::kCorruption, "the position '{}' is no number", value);
    return value;
}

class MysqlConnector : public Connector {
  public:
    explicit MysqlConnector(ConnectorsDependencies dependencies) : dependencies_(dependencies) {}
    Status Check(const SourceDefinition& source) override {
        auto connection = TRY(Connect(source, kLookTimeout));
        for (const auto& [name, stream] : source.streams) TRY(Columns(*connection, source, stream));
        return Ok();
    }
    Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition& source) override;
    Status Read(ReadContext& context) override;

  private:
    struct Part {
        std::string where;
        bool edge = false;  // the rows whose cursor is the new position
    };
    struct Plan {
        std::string table;
        std::vector<Part> parts;
        std::vector<TableColumn> columns;
        // Read by several at once: ranges of the key, and a connection for each reader, all with one view of the table.
        std::vector<std::string> ranges;
        std::vector<std::shared_ptr<MysqlConnection>> readers;  // shared with who aborts them
    };
    Result<std::unique_ptr<MysqlConnection>> Connect(const SourceDefinition& source, Duration read_timeout);
    static Result<std::vector<TableColumn>> Columns(MysqlConnection& connection, const SourceDefinition& source,
                                                    const StreamDefinition& stream);
    static Result<std::vector<Part>> NewerParts(ReadContext& context, MysqlConnection& connection, const Plan& plan);
    Status ReadWhatFits(ReadContext& context, MysqlConnection& connection, Plan plan);
    // `unfit` names the column that an error is about.
    Status ReadParts(ReadContext& context, MysqlConnection& connection, const Plan& plan, std::string& unfit);
    Status ReadOne(ReadContext& context, MysqlConnection& connection, const Plan& plan, const Part& part,
                   std::string& unfit);
    // What rows are written as; sets the manifest's columns.
    static Result<std::unique_ptr<engine::RowWriter>> StartRows(ReadContext& context, const Plan& plan);
    static void Record(ReadContext& context, const Plan& plan);
    Status PlanReaders(ReadContext& context, Plan& plan, Duration timeout);
    Result<std::vector<std::string>> KeyRanges(MysqlConnection& connection, ReadContext& context, const Plan& plan,
                                               int64_t count);
    Status ReadParallel(ReadContext& context, const Plan& plan, std::string& unfit);
    Status ReadShare(ReadContext& context, const Plan& plan, size_t reader, SharedRead& shared);
    // KILL from another connection: the server stops at once what nobody waits for any more.
    void Kill(const SourceDefinition& source, const std::string& what, uint64_t id);

    ConnectorsDependencies dependencies_;
};

Result<std::unique_ptr<MysqlConnection>> MysqlConnector::Connect(const SourceDefinition& source,
                                                                 Duration read_timeout) {
    DatabaseServer server = ServerOf(source, kDefaultPort);
    MysqlOptions options;
    options.login =
        TRY(ResolveLogin(server, dependencies_.dialer, dependencies_.secrets, dependencies_.workspace_directory));
    options.read_timeout = read_timeout;
    auto connection = MysqlConnection::Open(options);
    if (!connection.ok()) return CannotReach(server, connection.error());
    // One reading of dates, quotes and names, whatever the server's own settings; it waits for us while we write.
    TRY((*connection)
            ->Execute("SET SESSION time_zone = '+00:00', sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', "
                      "net_write_timeout = 3600"));
    TRY((*connection)->Execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
    return connection;
}

std::pair<std::string, std::string> DatabaseAndTable(const SourceDefinition& source, const StreamDefinition& stream) {
    std::string table = stream.settings.value("table", stream.name);
    size_t dot = table.find('.');
    if (dot == std::string::npos) return {source.settings.value("database", ""), table};
    return {table.substr(0, dot), table.substr(dot + 1)};
}

Result<std::vector<TableColumn>> MysqlConnector::Columns(MysqlConnection& connection, const SourceDefinition& source,
                                                         const StreamDefinition& stream) {
    auto [database, table] = DatabaseAndTable(source, stream);
    auto rows = TRY(connection.Rows(
        fmt::format("SELECT column_name, data_type, column_type, numeric_precision, numeric_scale FROM "
                    "information_schema.columns WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
                    QuoteLiteral(database), QuoteLiteral(table))));
    if (rows.empty()) {
        return Error(ErrorCode::kInvalidArgument, "there is no table {}.{} that {} may read in the database of {}",
                     database, table, source.settings.value("user", ""), source.name)
            .WithHint("set `table` of the stream, or GRANT SELECT on it to the source's user");
    }
    std::vector<TableColumn> columns;
    std::vector<std::string> names;
    for (const Row& row : rows) {
        TableColumn column = ColumnOf(row);
        names.push_back(column.name);
        if (IsWanted(stream, column.name)) columns.push_back(std::move(column));
    }
    TRY(CheckColumns(stream, database + "." + table, names));
    return columns;
}

Result<std::vector<DiscoveredStream>> MysqlConnector::Discover(const SourceDefinition& source) {
    auto connection = TRY(Connect(source, kLookTimeout));
    std::string database = QuoteLiteral(source.settings.value("database", ""));
    std::vector<DiscoveredStream> streams;
    for (const Row& row : TRY(connection->Rows("SELECT table_name, table_rows FROM information_schema.tables WHERE "
                                               "table_schema = " +
                                               database + " ORDER BY 1"))) {
        DiscoveredStream& stream = streams.emplace_back();
        stream.name = Text(row, 0);
        stream.rows_estimate = row[1] ? IntegerOrZero(*row[1]) : -1;
    }
    auto find = [&](const std::string& name) -> DiscoveredStream* {
        auto found = std::find_if(streams.begin(), streams.end(), [&](const auto& one) { return one.name == name; });
        return found == streams.end() ? nullptr : &*found;
    };
    for (const Row& row : TRY(connection->Rows(
             "SELECT column_name, data_type, column_type, numeric_precision, numeric_scale, table_name FROM "
             "information_schema.columns WHERE table_schema = " +
             database + " ORDER BY table_name, ordinal_position"))) {
        if (DiscoveredStream* stream = find(Text(row, 5))) stream->columns.push_back(ColumnOf(row).column);
    }
    for (const Row& row :
         TRY(connection->Rows("SELECT table_name, column_name FROM information_schema.statistics WHERE "
                              "index_name = 'PRIMARY' AND table_schema = " +
                              database + " ORDER BY table_name, seq_in_index"))) {
        if (DiscoveredStream* stream = find(Text(row, 0))) stream->key.push_back(Text(row, 1));
    }
    return streams;
}

// What is newer than the position, up to the largest value of this snapshot; empty: nothing is. As in
// postgres_connector.cc the rows of the largest value itself are kept apart.
Result<std::vector<MysqlConnector::Part>> MysqlConnector::NewerParts(ReadContext& context, MysqlConnection& connection,
                                                                     const Plan& plan) {
    Manifest& manifest = context.writer.manifest();
    auto column = std::find_if(plan.columns.begin(), plan.columns.end(),
                               [&](const TableColumn& one) { return one.name == context.stream.cursor; });
    if (column == plan.columns.end() || !column->ordered) {
        return Error(ErrorCode::kInvalidArgument, "column {} is {}, which has no order that a cursor can follow",
                     context.stream.cursor, column == plan.columns.end() ? "missing" : column->source_type);
    }
    const std::string& cursor = column->select;
    if (manifest.position.is_object()) manifest.after = manifest.position.value("cursor", Json());
    bool first = manifest.after.is_null();
    auto rows = TRY(connection.Rows(fmt::format("SELECT MAX({}) FROM {}", cursor, plan.table)));
    // A first load shows the columns, also of a table without rows; and it reads what has no cursor.
    if (rows.empty() || !rows[0][0]) {
        return first && !context.state.last() ? std::vector<Part>{{""}} : std::vector<Part>{};
    }
    std::string largest = *rows[0][0];
    std::string until = TRY(Literal(*column, largest));
    Part edge{fmt::format(" WHERE {} = {}", cursor, until), true};
    if (first) {
        manifest.position = {{"cursor", largest}};
        return std::vector<Part>{{fmt::format(" WHERE ({} = {}) IS NOT TRUE", cursor, until)}, edge};
    }
    std::string after = TRY(Literal(*column, manifest.after.get<std::string>()));
    auto compared =
        TRY(connection.Rows(fmt::format("SELECT MAX({0}) > {1}, MAX({0}) = {1}, (SELECT COUNT(*) FROM {2} "
                                        "WHERE {0} = {1}) FROM {2}",
                                        cursor, after, plan.table)));
    bool newer = Text(compared[0], 0) == "1";
    bool same = Text(compared[0], 1) == "1";
    bool came_later = EdgeChanged(context.state, IntegerOrZero(Text(compared[0], 2)));
    if (!newer && !(same && came_later)) return std::vector<Part>{};
    manifest.again = came_later || !context.stream.key.empty();
    manifest.position = {{"cursor", largest}};
    if (!newer) return std::vector<Part>{edge};
    return std::vector<Part>{
        {fmt::format(" WHERE {0} {1} {2} AND {0} < {3}", cursor, manifest.again ? ">=" : ">", after, until)}, edge};
}

// Columns with a value that their type does not hold ('0000-00-00') are read as text instead: all of the load from the
// start, in the same snapshot.
Status MysqlConnector::ReadWhatFits(ReadContext& context, MysqlConnection& connection, Plan plan) {
    while (true) {
        std::string unfit;
        Status read = ReadParts(context, connection, plan, unfit);
        if (read.ok() || unfit.empty() || unfit == context.stream.cursor) return read;
        for (TableColumn& column : plan.columns) {
            if (column.name != unfit) continue;
            if (column.column.type == "VARCHAR") return read;
            column.column.type = "VARCHAR";
        }
        context.writer.manifest().warnings.push_back(read.error().message() + "; the column is kept as text");
    }
}

Status MysqlConnector::ReadParts(ReadContext& context, MysqlConnection& connection, const Plan& plan,
                                 std::string& unfit) {
    size_t before = context.writer.manifest().objects.size();
    context.writer.manifest().rows = 0;
    for (const Part& part : plan.parts) {
        Status read =
            plan.readers.empty() ? ReadOne(context, connection, plan, part, unfit) : ReadParallel(context, plan, unfit);
        if (read.ok()) continue;
        TRY(context.writer.DropAfter(before));
        return read;
    }
    return Ok();
}

void MysqlConnector::Record(ReadContext& context, const Plan& plan) {
    std::vector<engine::Column> written;
    for (const TableColumn& column : plan.columns) {
        written.push_back(column.column);
        context.writer.manifest().source_types[column.name] = column.source_type;
    }
    RecordColumns(context, written);
}

Result<std::unique_ptr<engine::RowWriter>> MysqlConnector::StartRows(ReadContext& context, const Plan& plan) {
    std::vector<uint32_t> oids;
    std::vector<engine::Column> written;
    for (const TableColumn& column : plan.columns) {
        oids.push_back(column.oid());
        written.push_back(column.column);
    }
    return context.writer.StartRows(written, oids);
}

std::string SelectOf(const std::vector<TableColumn>& columns, const std::string& table, const std::string& where) {
    std::vector<std::string> items;
    for (const TableColumn& column : columns) items.push_back(column.select);
    return fmt::format("SELECT {} FROM {}{}", Join(items, ", "), table, where);
}

Status MysqlConnector::ReadOne(ReadContext& context, MysqlConnection& connection, const Plan& plan, const Part& part,
                               std::string& unfit) {
    Record(context, plan);
    auto writer = TRY(StartRows(context, plan));
    LoadProgress progress;
    progress.note = plan.table;
    auto named = [&](Status done) -> Status {
        unfit = UnfitColumn(done, plan.columns);
        return done;
    };
    auto on_row = [&](const MysqlConnection::Cells& cells) -> Status {
        TRY(named(writer->AddBinaryRow(cells)));
        if (++progress.rows % kRowsPerLook != 0) return Ok();
        context.progress(progress);
        return context.CheckCancelled();
    };
    auto interrupt = [&] { Kill(context.source, "QUERY ", connection.id()); };
    TRY(connection.Stream(SelectOf(plan.columns, plan.table, part.where), on_row, interrupt));
    if (progress.rows == 0 && context.writer.manifest().mode == "incremental") return Ok();
    return named(context.writer.FinishRows(*writer, {{"table", plan.table}}, part.edge));
}

// The ranges of the table's primary key, if it is one column of whole numbers that fit; none otherwise.
Result<std::vector<std::string>> MysqlConnector::KeyRanges(MysqlConnection& connection, ReadContext& context,
                                                           const Plan& plan, int64_t count) {
    auto [database, table] = DatabaseAndTable(context.source, context.stream);
    auto key = TRY(connection.Rows(fmt::format(
        "SELECT c.column_name FROM information_schema.statistics s JOIN information_schema.columns c USING "
        "(table_schema, table_name, column_name) JOIN information_schema.tables t USING (table_schema, table_name) "
        "WHERE s.index_name = 'PRIMARY' AND s.table_schema = {} AND s.table_name = {} AND t.engine = 'InnoDB' AND "
        "(SELECT COUNT(*) FROM information_schema.statistics o WHERE o.index_name = 'PRIMARY' AND o.table_schema = "
        "s.table_schema AND o.table_name = s.table_name) = 1 AND c.data_type IN ('tinyint', 'smallint', 'mediumint', "
        "'int', 'bigint')",
        QuoteLiteral(database), QuoteLiteral(table))));
    if (key.size() != 1) return std::vector<std::string>{};
    std::string column = QuoteIdentifier(Text(key[0], 0));
    auto ends = TRY(connection.Rows(fmt::format("SELECT MIN({0}), MAX({0}) FROM {1}", column, plan.table)));
    std::optional<int64_t> low = ParseInteger(Text(ends[0], 0));
    std::optional<int64_t> high = ParseInteger(Text(ends[0], 1));
    if (!low || !high) return std::vector<std::string>{};
    uint64_t step = (static_cast<uint64_t>(*high) - static_cast<uint64_t>(*low)) / static_cast<uint64_t>(count) + 1;
    std::vector<std::string> ranges;
    for (uint64_t from = static_cast<uint64_t>(*low), i = 0; i < static_cast<uint64_t>(count); ++i, from += step) {
        // Both ends are open: nothing falls out whatever the numbers are.
        std::vector<std::string> bounds;
        bool last = static_cast<uint64_t>(*high) - from < step;
        if (i > 0) bounds.push_back(fmt::format("{} >= {}", column, static_cast<int64_t>(from)));
        if (!last) bounds.push_back(fmt::format("{} < {}", column, static_cast<int64_t>(from + step)));
        ranges.push_back(bounds.empty() ? "" : " WHERE " + Join(bounds, " AND "));
        if (last) break;
    }
    return ranges;
}

// MySQL cannot hand a snapshot on. While a table is locked against writers all transactions that begin see it alike:
// the lock is held for as long as that takes, and given up when it is not had in a few seconds.
Status MysqlConnector::PlanReaders(ReadContext& context, Plan& plan, Duration timeout) {
    int64_t asked = context.stream.settings.value("parallel", int64_t{0});
    if (asked < 2 || !context.stream.cursor.empty()) return Ok();
    auto locker = TRY(Connect(context.source, kLookTimeout));
    std::vector<std::shared_ptr<MysqlConnection>> readers;
    for (int64_t i = 0; i < asked; ++i) readers.push_back(TRY(Connect(context.source, timeout)));
    TRY(locker->Execute(fmt::format("SET SESSION lock_wait_timeout = {}", kLockSecondsMax)));
    auto locked = locker->Execute(fmt::format("LOCK TABLES {} READ", plan.table));
    if (!locked.ok()) {
        return Error(ErrorCode::kFailedPrecondition, "{} can't be locked for a moment: {}", plan.table,
                     locked.error().message())
            .WithHint("`parallel` needs GRANT LOCK TABLES on the database; without it one connection reads the table");
    }
    for (auto& reader : readers) TRY(reader->Execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"));
    TRY(locker->Execute("UNLOCK TABLES"));
    plan.ranges = TRY(KeyRanges(*readers[0], context, plan, asked * kRangesPerReader));
    if (plan.ranges.empty()) {
        context.writer.manifest().warnings.push_back(
            "`parallel` is for InnoDB tables with a primary key of one whole number; one connection read it");
    } else {
        plan.readers = std::move(readers);
    }
    return Ok();
}

// A reader: takes ranges until there are none, into one writer of its own.
Status MysqlConnector::ReadShare(ReadContext& context, const Plan& plan, size_t reader, SharedRead& shared) {
    MysqlConnection& connection = *plan.readers[reader];
    auto writer = TRY(StartRows(context, plan));
    int64_t rows = 0;
    auto look = [&](int64_t count) -> Status {
        std::lock_guard lock(shared.mutex);
        shared.progress.rows += count;
        context.progress(shared.progress);
        if (shared.stop) return Error(ErrorCode::kCancelled, "another reader of the table failed");
        return context.CheckCancelled();
    };
    auto on_row = [&](const MysqlConnection::Cells& cells) -> Status {
        TRY(writer->AddBinaryRow(cells));
        return ++rows % kRowsPerLook != 0 ? Ok() : look(kRowsPerLook);
    };
    auto interrupt = [&] { Kill(context.source, "QUERY ", connection.id()); };
    for (size_t range = reader; range < plan.ranges.size(); range = shared.next++) {
        TRY(connection.Stream(SelectOf(plan.columns, plan.table, plan.ranges[range]), on_row, interrupt));
    }
    TRY(look(rows % kRowsPerLook));
    return context.writer.FinishRows(*writer, {{"table", plan.table}}, false);
}

Status MysqlConnector::ReadParallel(ReadContext& context, const Plan& plan, std::string& unfit) {
    Record(context, plan);
    SharedRead shared;
    shared.progress.note = fmt::format("{} by {} connections", plan.table, plan.readers.size());
    Status done = ReadTogether(plan.readers.size(), shared,
                               [&](size_t reader) { return ReadShare(context, plan, reader, shared); });
    unfit = UnfitColumn(done, plan.columns);
    return done;
}

void MysqlConnector::Kill(const SourceDefinition& source, const std::string& what, uint64_t id) {
    auto connection = Connect(source, kLookTimeout);
    if (!connection.ok()) return;
    // It may have ended by itself by now, and otherwise ends when it next sends something.
    auto killed = (*connection)->Execute(fmt::format("KILL {}{}", what, id));
    if (!killed.ok()) dependencies_.log.Info("a statement ended before it was stopped", {{"source", source.name}});
}

Status MysqlConnector::Read(ReadContext& context) {
    Duration timeout = workspace::ResolveTiming(context.stream.timing, context.source.timing).timeout;
    auto connection = TRY(Connect(context.source, timeout));
    Plan plan;
    auto [database, name] = DatabaseAndTable(context.source, context.stream);
    plan.table = QuoteIdentifier(database) + "." + QuoteIdentifier(name);
    plan.parts = {{""}};
    TRY(PlanReaders(context, plan, timeout));
    std::vector<std::shared_ptr<MysqlConnection>> readers = plan.readers;  // what may be aborted meanwhile
    Status read;
    {
        auto on_cancel = context.cancel.OnCancel([&] {
            connection->Abort();
            for (const auto& reader : readers) reader->Abort();
        });
        read = [&]() -> Status {
            // Before the columns are asked for: they and the rows are of one moment.
            TRY(connection->Execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"));
            plan.columns = TRY(Columns(*connection, context.source, context.stream));
            if (!context.stream.cursor.empty()) plan.parts = TRY(NewerParts(context, *connection, plan));
            return plan.parts.empty() ? Ok() : ReadWhatFits(context, *connection, std::move(plan));
        }();
    }
    if (context.cancel.cancelled()) {
        Kill(context.source, "", connection->id());
        for (const auto& reader : readers) Kill(context.source, "", reader->id());
    }
    return read;
}

}  // namespace

std::unique_ptr<Connector> MakeMysqlConnector(ConnectorsDependencies dependencies) {
    return std::make_unique<MysqlConnector>(dependencies);
}

}  // namespace tarn::connectors
