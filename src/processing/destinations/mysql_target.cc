// Kind mysql: rows by INSERT into a temporary table, then the target's rows and the position, in one transaction.
//
// Here a statement that makes or alters a table commits by itself. So these come before the transaction, repeat without
// harm, and leave a mark on the table: its comment says which delivery made it. All of it runs under a lock of the
// server that ends with the connection, so a program that was killed and its successor never deliver at once.
#include <algorithm>
#include <map>

#include "base/crypto.h"
#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/mysql_client.h"
#include "processing/destinations/difference.h"
#include "processing/destinations/sql_target.h"

namespace tarn::destinations {
namespace {

constexpr int kLockSeconds = 60;
constexpr size_t kInsertBytes = 1 << 20;  // of a statement, if the server takes so much
constexpr size_t kLockNameLetters = 40;
constexpr size_t kKeyLettersMax = 255;
constexpr size_t kIndexLettersMax = 768;  // of four bytes, in an index of InnoDB
constexpr const char* kStaging = "_tarn_staging";
constexpr const char* kGone = "_tarn_gone";  // keys

using connectors::MysqlConnection;
using Rows = std::vector<MysqlConnection::Row>;

Error Explain(const Error& why) {
    switch (why.code()) {
        case ErrorCode::kPermissionDenied:
            return Error(why).WithHint(
                "GRANT CREATE, ALTER, CREATE TEMPORARY TABLES, SELECT, INSERT, UPDATE and DELETE on the database to "
                "its user");
        case ErrorCode::kInvalidArgument:
            return Error(why.code(), "the target refuses the rows: {}", why.message())
                .WithHint("nothing was changed there");
        case ErrorCode::kCancelled:
            return Error(why.code(), "the delivery was cancelled");
        default:
            return why;
    }
}

bool IsText(const engine::ResultColumn& column) {
    return column.kind == engine::CellKind::kText ||
           (column.kind == engine::CellKind::kOther && column.type != "HUGEINT" && column.type != "UHUGEINT");
}

// What holds every value of the engine's type that MySQL can hold at all. `key_letters`: 0 if it is not in the key.
std::string TypeOf(const engine::ResultColumn& column, size_t key_letters) {
    static const std::map<std::string, std::string> kTypes = {{"BOOLEAN", "BOOLEAN"},
                                                              {"TINYINT", "TINYINT"},
                                                              {"SMALLINT", "SMALLINT"},
                                                              {"INTEGER", "INT"},
                                                              {"BIGINT", "BIGINT"},
                                                              {"UTINYINT", "TINYINT UNSIGNED"},
                                                              {"USMALLINT", "SMALLINT UNSIGNED"},
                                                              {"UINTEGER", "INT UNSIGNED"},
                                                              {"UBIGINT", "BIGINT UNSIGNED"},
                                                              {"HUGEINT", "DECIMAL(39,0)"},
                                                              {"UHUGEINT", "DECIMAL(39,0)"},
                                                              {"FLOAT", "FLOAT"},
                                                              {"DOUBLE", "DOUBLE"},
                                                              {"DATE", "DATE"},
                                                              {"TIME", "TIME(6)"},
                                                              {"TIMESTAMP", "DATETIME(6)"},
                                                              {"TIMESTAMP WITH TIME ZONE", "DATETIME(6)"}};
    if (column.type.starts_with("DECIMAL")) {
        return fmt::format("DECIMAL({},{})", column.decimal_width, column.decimal_scale);
    }
    if (column.kind == engine::CellKind::kBlob) {
        return key_letters ? fmt::format("VARBINARY({})", key_letters) : "LONGBLOB";
    }
    auto found = kTypes.find(column.type);
    if (found != kTypes.end()) return found->second;
    return key_letters ? fmt::format("VARCHAR({})", key_letters) : "LONGTEXT";
}

void AppendQuoted(std::string& sql, std::string_view text) {
    sql += '\'';
    for (char letter : text) {
        if (letter == '\'') sql += '\'';
        sql += letter;
    }
    sql += '\'';
}

Status AppendCell(std::string& sql, const engine::Chunk& chunk, size_t row, size_t at,
                  const engine::ResultColumn& column) {
    using engine::CellKind;
    if (chunk.IsNull(row, at)) {
        sql += "NULL";
        return Ok();
    }
    if (column.kind == CellKind::kText) {
        AppendQuoted(sql, chunk.View(row, at));
        return Ok();
    }
    if (column.kind == CellKind::kBlob) {
        sql += "X'" + HexEncode(AsBytes(chunk.View(row, at))) + "'";
        return Ok();
    }
    std::string text = chunk.Text(row, at);
    if (column.kind == CellKind::kBool) {
        sql += text == "t" ? "1" : "0";
        return Ok();
    }
    if (column.kind == CellKind::kFloat || column.kind == CellKind::kDouble) {
        if (text.find_first_of("nN") != std::string::npos) {
            return Error(ErrorCode::kInvalidArgument, "MySQL holds no {} (column {})", text, column.name)
                .WithHint("make it NULL in the table's SELECT; nothing was changed in the target");
        }
        sql += text;
        return Ok();
    }
    // A moment is stored as UTC says it.
    if (column.kind == CellKind::kTimestampTz && text.ends_with("+00")) text.resize(text.size() - 3);
    AppendQuoted(sql, text);
    return Ok();
}

// One delivery on one connection. Gone without Commit, no row has changed.
class Transfer {
  public:
    Transfer(MysqlConnection& connection, Delivery& delivery, const DestinationsDependencies& dependencies, bool whole)
        : connection_(connection),
          delivery_(delivery),
          dependencies_(dependencies),
          database_(delivery.table.to.substr(0, delivery.table.to.find('.'))),
          table_(delivery.table.to.substr(delivery.table.to.find('.') + 1)),
          target_(QuotedTable(delivery.table.to)),
          positions_(QuoteIdentifier(delivery.destination.connection.database) + "._tarn_positions"),
          whole_(whole) {}

    Result<Delivered> Run() {
        TRY(Begin());
        if (TRY(HasPosition(""))) return Delivered{.skipped = true};
        std::optional<Difference> difference;
        if (delivered_ >= 0 && !whole_) difference = TRY(FindDifference(dependencies_, delivery_, delivered_));
        by_difference_ = difference.has_value();
        Delivered delivered = TRY(Stage(difference));
        TRY(delivery_.CheckCancelled());
        delivery_.run.Progress("writing", delivered.rows);
        TRY(Do("START TRANSACTION"));
        if (TRY(HasPosition(" FOR UPDATE"))) {
            TRY(Do("ROLLBACK"));
            return Delivered{.skipped = true};
        }
        delivered.changes = TRY(delivery_.table.key.empty() ? Replace() : Merge());
        if (difference) {
            delivered.rows = difference->rows;
            TRY(CheckCount(difference->rows));
        }
        TRY(
            Do("INSERT INTO {} (delivery, target, source, version, \"rows\", run, delivered_at) "
               "VALUES ({}, {}, {}, {}, {}, {}, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE "
               "target = VALUES(target), source = VALUES(source), version = VALUES(version), "
               "\"rows\" = VALUES(\"rows\"), run = VALUES(run), delivered_at = VALUES(delivered_at)",
               positions_, Name(), QuoteLiteral(target_), QuoteLiteral(delivery_.position.source),
               delivery_.position.version, delivered.rows, delivery_.run.number()));
        // An answer that is lost here is no loss: the next try finds the position, or its absence.
        TRY(Do("COMMIT"));
        return delivered;
    }

    // Whether Run wrote, or tried to write, what changed.
    bool by_difference() const { return by_difference_; }

  private:
    template <typename... Values>
    Result<int64_t> Do(fmt::format_string<Values...> format, Values&&... values) {
        auto done = connection_.Execute(fmt::format(format, std::forward<Values>(values)...));
        if (!done.ok()) return Explain(done.error());
        return done;
    }
    template <typename... Values>
    Result<Rows> Ask(fmt::format_string<Values...> format, Values&&... values) {
        auto rows = connection_.Rows(fmt::format(format, std::forward<Values>(values)...));
        if (!rows.ok()) return Explain(rows.error());
        return rows;
    }
    std::string Name() const { return QuoteLiteral(delivery_.Name()); }
    std::string Mark() const { return "delivery " + delivery_.Name(); }

    Status Begin() {
        TRY(
            Do("SET SESSION time_zone = '+00:00', sql_safe_updates = 0, sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,"
               "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'"));
        std::string lock = Sha256Hex(AsBytes(positions_ + " " + delivery_.Name())).substr(0, kLockNameLetters);
        Rows locked = TRY(Ask("SELECT GET_LOCK('tarn.{}', {})", lock, kLockSeconds));
        if (locked.empty() || locked[0][0] != "1") {
            return Error(ErrorCode::kUnavailable, "an earlier delivery of {} still runs at the server",
                         delivery_.Name());
        }
        // Exact, and a space at the end counts; the first that the server knows.
        Rows collations =
            TRY(Ask("SELECT collation_name FROM information_schema.collations WHERE collation_name IN "
                    "('utf8mb4_nopad_bin', 'utf8mb4_0900_bin', 'utf8mb4_bin') "
                    "ORDER BY collation_name = 'utf8mb4_bin' LIMIT 1"));
        if (!collations.empty() && collations[0][0]) collation_ = *collations[0][0];
        TRY(
            Do("CREATE TABLE IF NOT EXISTS {} (delivery varchar(255) PRIMARY KEY, target varchar(255) NOT NULL, "
               "source varchar(255) NOT NULL, version bigint NOT NULL, \"rows\" bigint NOT NULL, run bigint NOT NULL, "
               "delivered_at datetime(6) NOT NULL) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = {}",
               positions_, collation_));
        TRY(CheckEngine(delivery_.destination.connection.database, "_tarn_positions"));
        return Ok();
    }
    Result<bool> HasPosition(const char* lock) {
        Rows found = TRY(Ask("SELECT source, version, target FROM {} WHERE delivery = {}{}", positions_, Name(), lock));
        // Another target than before is a stranger's until it is this delivery's.
        known_ = found.size() == 1 && found[0][2] == target_;
        if (!known_ || found[0][0] != delivery_.position.source) return false;
        delivered_ = IntegerOrZero(found[0][1].value_or(""));
        return delivered_ >= delivery_.position.version;
    }
    // The comment of the table; none: there is no such table. One without transactions is refused.
    Result<std::optional<std::string>> CheckEngine(const std::string& database, const std::string& table) {
        Rows found =
            TRY(Ask("SELECT engine, table_comment FROM information_schema.tables WHERE table_schema = {} AND "
                    "table_name = {}",
                    QuoteLiteral(database), QuoteLiteral(table)));
        if (found.empty()) return std::optional<std::string>();
        std::string engine = found[0][0].value_or("a view");
        if (ToLower(engine) != "innodb") {
            return Error(ErrorCode::kFailedPrecondition, "{}.{} is {}, not InnoDB: it has no transactions", database,
                         table, engine)
                .WithHint("ALTER TABLE ... ENGINE = InnoDB, or deliver to another name");
        }
        return std::optional(found[0][1].value_or(""));
    }
    // The version, or what changed, into temporary tables.
    Result<Delivered> Stage(std::optional<Difference>& difference) {
        auto statement = TRY(delivery_.session.Prepare(delivery_.Select()));
        columns_ = statement->info().columns;
        names_ = NamesOf(columns_);
        TRY(PrepareTable());
        TRY(MakeStaging(kStaging, names_));
        auto rows = TRY(difference ? difference->session->Query(difference->upserts) : statement->Execute({}));
        Delivered delivered = TRY(Load(*rows, kStaging));
        if (delivery_.table.key.empty()) return delivered;
        TRY(CheckKey());
        if (!difference) return delivered;
        TRY(MakeStaging(kGone, delivery_.table.key));
        auto gone = TRY(difference->session->Query(difference->gone));
        delivered.bytes += TRY(Load(*gone, kGone)).bytes;
        return delivered;
    }
    Status MakeStaging(const char* table, const std::vector<std::string>& columns) {
        TRY(Do("CREATE TEMPORARY TABLE {} ENGINE = InnoDB AS SELECT {} FROM {} LIMIT 0", table, List(columns),
               target_));
        if (delivery_.table.key.empty()) return Ok();
        TRY(Do("ALTER TABLE {} ADD INDEX ({})", table, List(delivery_.table.key)));
        return Ok();
    }
    // Others may have changed the target: then it is the whole version that makes it equal.
    Status CheckCount(int64_t wanted) {
        Rows count = TRY(Ask("SELECT count(*) FROM {}", target_));
        if (IntegerOrZero(count[0][0].value_or("")) == wanted) return Ok();
        return Error(ErrorCode::kConflict, "the target has {} rows, not {}", count[0][0].value_or(""), wanted);
    }
    Status PrepareTable() {
        std::optional<std::string> comment = TRY(CheckEngine(database_, table_));
        if (!comment) {
            TRY(MakeTable());
        } else {
            if (!known_ && *comment != Mark() && !delivery_.table.take_over) return IsThere(delivery_.table);
            TRY(AddColumns());
        }
        return Ok();
    }
    Status AddColumns() {
        Rows there =
            TRY(Ask("SELECT column_name FROM information_schema.columns WHERE table_schema = {} AND table_name = {}",
                    QuoteLiteral(database_), QuoteLiteral(table_)));
        for (const auto& column : columns_) {
            bool is_there = std::any_of(there.begin(), there.end(), [&](const auto& row) {
                return ToLower(row[0].value_or("")) == ToLower(column.name);
            });
            if (is_there) continue;
            TRY(Do("ALTER TABLE {} ADD COLUMN {}", target_, Declare(column)));
            delivery_.run.Write("added the column " + column.name);
        }
        return Ok();
    }
    std::string Declare(const engine::ResultColumn& column) const {
        const auto& key = delivery_.table.key;
        bool in_key = std::find(key.begin(), key.end(), column.name) != key.end();
        size_t letters = in_key ? std::min(kKeyLettersMax, kIndexLettersMax / key.size()) : 0;
        std::string type = TypeOf(column, letters);
        if (IsText(column)) type += " CHARACTER SET utf8mb4 COLLATE " + collation_;
        return QuoteIdentifier(column.name) + " " + type + (in_key ? " NOT NULL" : " NULL");
    }
    Status MakeTable() {
        std::vector<std::string> parts;
        for (const auto& column : columns_) parts.push_back(Declare(column));
        if (!delivery_.table.key.empty()) parts.push_back("PRIMARY KEY (" + List(delivery_.table.key) + ")");
        TRY(Do("CREATE TABLE {} ({}) ENGINE = InnoDB, COMMENT = {}", target_, Join(parts, ", "), QuoteLiteral(Mark())));
        delivery_.run.Write("made the table " + delivery_.table.to);
        return Ok();
    }
    Result<Delivered> Load(engine::ResultStream& rows, const char* into) {
        const Columns& columns = rows.columns();
        Rows packet = TRY(Ask("SELECT @@max_allowed_packet"));
        size_t bytes_max = kInsertBytes;
        if (!packet.empty()) {
            bytes_max = std::min(bytes_max, static_cast<size_t>(IntegerOrZero(packet[0][0].value_or(""))) / 2);
        }
        const std::string begin = fmt::format("INSERT INTO {} ({}) VALUES ", into, List(NamesOf(columns)));
        Delivered delivered;
        TRY(Do("START TRANSACTION"));  // of what only this connection sees: one commit instead of many
        std::string sql = begin;
        auto send = [&]() -> Status {
            TRY(delivery_.CheckCancelled());
            auto sent = connection_.Execute(sql);
            if (!sent.ok()) return Explain(sent.error());
            delivered.bytes += static_cast<int64_t>(sql.size());
            delivery_.run.Progress("copying", delivered.rows);
            sql = begin;
            return Ok();
        };
        while (const engine::Chunk* chunk = TRY(rows.Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) {
                if (sql.size() > begin.size()) sql += ',';
                for (size_t column = 0; column < columns.size(); ++column) {
                    sql += column == 0 ? '(' : ',';
                    TRY(AppendCell(sql, *chunk, row, column, columns[column]));
                }
                sql += ')';
                ++delivered.rows;
                if (sql.size() >= bytes_max) TRY(send());
            }
        }
        if (sql.size() > begin.size()) TRY(send());
        TRY(Do("COMMIT"));
        return delivered;
    }
    Status CheckKey() {
        Rows wrong = TRY(Ask("SELECT 1 FROM {} GROUP BY {} HAVING count(*) > 1 LIMIT 1", kStaging, ExactKey()));
        return wrong.empty() ? Ok() : Status(KeyIsWrong(delivery_.table));
    }
    // As bytes, where the column's own comparison takes letters or spaces for the same.
    bool IsTextColumn(const std::string& name) const {
        return std::any_of(columns_.begin(), columns_.end(),
                           [&](const auto& column) { return column.name == name && IsText(column); });
    }
    std::string ExactKey() const {
        std::vector<std::string> parts;
        for (const std::string& name : delivery_.table.key) {
            std::string quoted = QuoteIdentifier(name);
            parts.push_back(IsTextColumn(name) ? "CAST(" + quoted + " AS BINARY)" : quoted);
        }
        return Join(parts, ", ");
    }
    std::string Exact(const std::string& name) const {
        std::string quoted = QuoteIdentifier(name);
        if (IsTextColumn(name)) return fmt::format("CAST(t.{0} AS BINARY) <=> CAST(s.{0} AS BINARY)", quoted);
        return fmt::format("t.{0} <=> s.{0}", quoted);
    }
    // Readers see the old rows until the commit; grants, indexes and views of the table stay.
    Result<Changes> Replace() {
        Changes changes;
        changes.deleted = TRY(Do("DELETE FROM {}", target_));
        changes.inserted =
            TRY(Do("INSERT INTO {} ({}) SELECT {} FROM {}", target_, List(names_), List(names_), kStaging));
        return changes;
    }
    // Only what differs is written. Of a whole version, what it lacks goes.
    Result<Changes> Merge() {
        std::vector<std::string> same;
        for (const std::string& name : delivery_.table.key) {
            same.push_back(fmt::format("t.{0} = s.{0}", QuoteIdentifier(name)));  // what an index finds
            if (IsTextColumn(name)) same.push_back(Exact(name));
        }
        std::vector<std::string> equal;
        std::vector<std::string> sets;
        for (const std::string& name : names_) {
            equal.push_back(Exact(name));
            sets.push_back(fmt::format("t.{0} = s.{0}", QuoteIdentifier(name)));
        }
        std::string match = Join(same, " AND ");
        std::string first = QuoteIdentifier(delivery_.table.key.front());
        Changes changes;
        if (by_difference_) {
            changes.deleted = TRY(Do("DELETE t FROM {} t JOIN {} s ON {}", target_, kGone, match));
        } else {
            changes.deleted =
                TRY(Do("DELETE t FROM {} t LEFT JOIN {} s ON {} WHERE s.{} IS NULL", target_, kStaging, match, first));
        }
        changes.updated = TRY(Do("UPDATE {} t JOIN {} s ON {} SET {} WHERE NOT ({})", target_, kStaging, match,
                                 Join(sets, ", "), Join(equal, " AND ")));
        changes.inserted = TRY(Do("INSERT INTO {} ({}) SELECT {} FROM {} s LEFT JOIN {} t ON {} WHERE t.{} IS NULL",
                                  target_, List(names_), List(names_, "s."), kStaging, target_, match, first));
        return changes;
    }

    MysqlConnection& connection_;
    Delivery& delivery_;
    const DestinationsDependencies& dependencies_;
    const std::string database_;
    const std::string table_;
    const std::string target_;
    const std::string positions_;
    std::string collation_ = "utf8mb4_bin";
    Columns columns_;
    std::vector<std::string> names_;
    bool known_ = false;
    int64_t delivered_ = -1;  // the version that is there, of the same source
    const bool whole_;
    bool by_difference_ = false;
};

class MysqlTarget : public Target {
  public:
    explicit MysqlTarget(const DestinationsDependencies& dependencies) : dependencies_(dependencies) {}

    Result<Delivered> Deliver(Delivery& delivery) override {
        return DifferenceOrWhole(delivery,
                                 [&](bool whole, bool& by_difference) { return Once(delivery, whole, by_difference); });
    }

  private:
    Result<Delivered> Once(Delivery& delivery, bool whole, bool& by_difference) {
        connectors::DatabaseServer server = ServerOf(delivery.destination);
        connectors::MysqlOptions options;
        options.login = TRY(connectors::ResolveLogin(server, dependencies_.dialer, dependencies_.secrets,
                                                     dependencies_.workspace_directory));
        options.read_timeout = workspace::ResolveTiming(delivery.table.timing, delivery.destination.timing).timeout;
        auto opened = MysqlConnection::Open(options);
        if (!opened.ok()) return connectors::CannotReach(server, opened.error());
        MysqlConnection& connection = **opened;
        Result<Delivered> delivered = Error(ErrorCode::kInternal, "nothing was delivered");
        {
            auto on_cancel = delivery.run.cancel().OnCancel([&connection] { connection.Abort(); });
            Transfer transfer(connection, delivery, dependencies_, whole);
            delivered = transfer.Run();
            by_difference = transfer.by_difference();
        }
        if (delivery.run.cancel().cancelled()) Stop(options, connection.id());
        return delivered;
    }

    // Otherwise the server goes on with a statement that nobody waits for, and keeps the lock so long.
    void Stop(const connectors::MysqlOptions& options, uint64_t id) {
        auto other = MysqlConnection::Open(options);
        if (other.ok() && (*other)->Execute(fmt::format("KILL {}", id)).ok()) return;
        dependencies_.log.Info("a delivery ended before it was stopped", {{"server", options.login.address.host}});
    }

    const DestinationsDependencies& dependencies_;
};

}  // namespace

std::unique_ptr<Target> MakeMysqlTarget(const DestinationsDependencies& dependencies) {
    return std::make_unique<MysqlTarget>(dependencies);
}

}  // namespace tarn::destinations
