// Kind postgresql: rows by COPY into a staging table, then the target's rows and the position, in one transaction.
#include <algorithm>
#include <map>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/postgres_client.h"
#include "processing/destinations/sql_target.h"

namespace tarn::destinations {
namespace {

constexpr size_t kCopyBytes = 256 << 10;  // gathered before they are sent
constexpr const char* kStaging = "pg_temp._tarn_staging";

using connectors::PostgresConnection;
using Answer = PostgresConnection::Answer;

Error Explain(const connectors::PostgresFailure& failure) {
    const std::string& state = failure.state;
    std::string message = failure.primary;
    if (failure.context.starts_with("COPY ")) {
        message += " (row " + failure.context.substr(failure.context.find(',') + 2) + ")";
    }
    if (state == "42501") {
        return Error(ErrorCode::kPermissionDenied, "{}", message)
            .WithHint("GRANT CREATE on the schema, or SELECT, INSERT, UPDATE and DELETE on the table, to its user");
    }
    if (state == "53100") {
        return Error(ErrorCode::kUnavailable, "the target's disk is full: {}", message)
            .WithHint("free space there; it is tried again, and nothing was changed");
    }
    if (state == "57014") return Error(ErrorCode::kCancelled, "the delivery was cancelled");
    // Classes 22 and 23: a value, 42: a name or a type. The same rows meet them again.
    if (state.starts_with("22") || state.starts_with("23") || state.starts_with("42")) {
        return Error(ErrorCode::kInvalidArgument, "the target refuses the rows: {}", message)
            .WithHint("nothing was changed there");
    }
    return Error(ErrorCode::kUnavailable, "{}", message);
}

// What holds every value of the engine's type.
std::string TypeOf(const engine::ResultColumn& column) {
    static const std::map<std::string, std::string> kTypes = {{"BOOLEAN", "boolean"},
                                                              {"TINYINT", "smallint"},
                                                              {"SMALLINT", "smallint"},
                                                              {"INTEGER", "integer"},
                                                              {"BIGINT", "bigint"},
                                                              {"UTINYINT", "smallint"},
                                                              {"USMALLINT", "integer"},
                                                              {"UINTEGER", "bigint"},
                                                              {"UBIGINT", "numeric(20)"},
                                                              {"HUGEINT", "numeric"},
                                                              {"FLOAT", "real"},
                                                              {"DOUBLE", "double precision"},
                                                              {"DATE", "date"},
                                                              {"TIME", "time"},
                                                              {"TIMESTAMP", "timestamp"},
                                                              {"BLOB", "bytea"},
                                                              {"TIMESTAMP WITH TIME ZONE", "timestamptz"},
                                                              {"UUID", "uuid"}};
    if (column.type.starts_with("DECIMAL")) {
        return fmt::format("numeric({},{})", column.decimal_width, column.decimal_scale);
    }
    auto found = kTypes.find(column.type);
    return found == kTypes.end() ? "text" : found->second;
}

// COPY's text form.
void AppendCell(std::string& text, std::string_view cell) {
    for (char letter : cell) {
        switch (letter) {
            case '\\':
                text += "\\\\";
                break;
            case '\t':
                text += "\\t";
                break;
            case '\n':
                text += "\\n";
                break;
            case '\r':
                text += "\\r";
                break;
            default:
                text += letter;
        }
    }
}

// One delivery on one connection, in one transaction. Gone without Commit, it has changed nothing.
class Transfer {
  public:
    Transfer(PostgresConnection& connection, Delivery& delivery)
        : connection_(connection),
          delivery_(delivery),
          target_(QuotedTable(delivery.table.to)),
          positions_(QuoteIdentifier(delivery.destination.connection.schema) + "._tarn_positions") {}

    Result<Delivered> Run() {
        TRY(Begin());
        if (TRY(HasPosition())) {
            TRY(connection_.Run("ROLLBACK"));
            return Delivered{.skipped = true};
        }
        auto rows = TRY(delivery_.session.Query(delivery_.Select()));
        names_ = NamesOf(rows->columns());
        TRY(PrepareTable(rows->columns()));
        Delivered delivered = TRY(Copy(*rows));
        TRY(delivery_.CheckCancelled());
        delivery_.run.Progress("writing", delivered.rows);
        delivered.changes = TRY(delivery_.table.key.empty() ? Replace() : Merge());
        TRY(
            Do("INSERT INTO {} (delivery, target, source, version, rows, run, delivered_at) "
               "VALUES ({}, {}, {}, {}, {}, {}, now()) ON CONFLICT (delivery) DO UPDATE SET "
               "target = excluded.target, source = excluded.source, version = excluded.version, "
               "rows = excluded.rows, run = excluded.run, delivered_at = excluded.delivered_at",
               positions_, Name(), QuoteLiteral(target_), QuoteLiteral(delivery_.position.source),
               delivery_.position.version, delivered.rows, delivery_.run.number()));
        // An answer that is lost here is no loss: the next try finds the position, or its absence.
        TRY(connection_.Run("COMMIT"));
        return delivered;
    }

  private:
    template <typename... Values>
    Result<Answer> Do(fmt::format_string<Values...> format, Values&&... values) {
        return connection_.Run(fmt::format(format, std::forward<Values>(values)...));
    }
    std::string Name() const { return QuoteLiteral(delivery_.Name()); }

    // One delivery of a name at a time, also while the connection of a program that was killed still ends.
    Status Begin() {
        TRY(Do("BEGIN"));
        TRY(Do("SET LOCAL client_min_messages = warning"));
        TRY(Do("SELECT pg_advisory_xact_lock(hashtextextended({}, 7))", QuoteLiteral(positions_)));
        TRY(
            Do("CREATE TABLE IF NOT EXISTS {} (delivery text PRIMARY KEY, target text NOT NULL, "
               "source text NOT NULL, version bigint NOT NULL, rows bigint NOT NULL, run bigint NOT NULL, "
               "delivered_at timestamptz NOT NULL)",
               positions_));
        return Ok();
    }
    Result<bool> HasPosition() {
        Answer found = TRY(Do("SELECT source, version, target FROM {} WHERE delivery = {}", positions_, Name()));
        // Another target than before is a stranger's until it is this delivery's.
        known_ = found->rows() == 1 && found->Cell(0, 2) == target_;
        if (!known_ || found->Cell(0, 0) != delivery_.position.source) return false;
        return IntegerOrZero(found->Cell(0, 1)) >= delivery_.position.version;
    }
    Status PrepareTable(const Columns& columns) {
        Answer there =
            TRY(Do("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass({}) AND attnum > 0 "
                   "AND NOT attisdropped",
                   QuoteLiteral(target_)));
        std::vector<std::string> existing;
        for (int row = 0; row < there->rows(); ++row) existing.emplace_back(there->Cell(row, 0));
        if (existing.empty()) return MakeTable(columns);
        if (!known_ && !delivery_.table.take_over) {
            return IsThere(delivery_.table);
        }
        for (const auto& column : columns) {
            if (std::find(existing.begin(), existing.end(), column.name) != existing.end()) continue;
            TRY(Do("ALTER TABLE {} ADD COLUMN {} {}", target_, QuoteIdentifier(column.name), TypeOf(column)));
            delivery_.run.Write("added the column " + column.name);
        }
        return Ok();
    }
    Status MakeTable(const Columns& columns) {
        std::vector<std::string> parts;
        for (const auto& column : columns) parts.push_back(QuoteIdentifier(column.name) + " " + TypeOf(column));
        if (!delivery_.table.key.empty()) parts.push_back("PRIMARY KEY (" + List(delivery_.table.key) + ")");
        TRY(Do("CREATE TABLE {} ({})", target_, Join(parts, ", ")));
        delivery_.run.Write("made the table " + delivery_.table.to);
        return Ok();
    }
    Result<Delivered> Copy(engine::ResultStream& rows) {
        TRY(Do("CREATE TEMP TABLE _tarn_staging ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA", List(names_),
               target_));
        TRY(Do("COPY {} ({}) FROM STDIN", kStaging, List(names_)));
        Delivered delivered;
        std::string text;
        while (const engine::Chunk* chunk = TRY(rows.Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) {
                for (size_t column = 0; column < names_.size(); ++column) {
                    if (column > 0) text += '\t';
                    if (chunk->IsNull(row, column)) {
                        text += "\\N";
                    } else {
                        AppendCell(text, chunk->Text(row, column));
                    }
                }
                text += '\n';
            }
            delivered.rows += static_cast<int64_t>(chunk->rows());
            if (text.size() < kCopyBytes) continue;
            TRY(delivery_.CheckCancelled());
            TRY(connection_.PutCopy(text));
            delivered.bytes += static_cast<int64_t>(text.size());
            text.clear();
            delivery_.run.Progress("copying", delivered.rows);
        }
        TRY(connection_.PutCopy(text));
        delivered.bytes += static_cast<int64_t>(text.size());
        TRY(connection_.EndPutCopy());
        return delivered;
    }
    // Readers see the old rows until the commit; grants, indexes and views of the table stay.
    Result<Changes> Replace() {
        Answer removed = TRY(Do("DELETE FROM {}", target_));
        Answer added = TRY(Do("INSERT INTO {} ({}) SELECT {} FROM {}", target_, List(names_), List(names_), kStaging));
        return Changes{.inserted = added->changed(), .deleted = removed->changed()};
    }
    Status CheckKey() {
        std::vector<std::string> nulls;
        for (const std::string& column : delivery_.table.key) nulls.push_back(QuoteIdentifier(column) + " IS NULL");
        std::string key = List(delivery_.table.key);
        Answer wrong =
            TRY(Do("SELECT 1 FROM {} WHERE {} UNION ALL (SELECT 1 FROM {} GROUP BY {} "
                   "HAVING count(*) > 1 LIMIT 1) LIMIT 1",
                   kStaging, Join(nulls, " OR "), kStaging, key));
        if (wrong->rows() == 0) return Ok();
        return KeyIsWrong(delivery_.table);
    }
    // Only what differs is written: the target equals the version afterwards.
    Result<Changes> Merge() {
        TRY(Do("ANALYZE {}", kStaging));
        TRY(CheckKey());
        std::vector<std::string> same;
        std::vector<std::string> sets;
        for (const std::string& column : delivery_.table.key) {
            same.push_back(fmt::format("t.{0} = s.{0}", QuoteIdentifier(column)));
        }
        for (const std::string& column : names_) sets.push_back(fmt::format("{0} = s.{0}", QuoteIdentifier(column)));
        std::string match = Join(same, " AND ");
        Answer removed =
            TRY(Do("DELETE FROM {} t WHERE NOT EXISTS (SELECT 1 FROM {} s WHERE {})", target_, kStaging, match));
        Answer updated = TRY(Do("UPDATE {} t SET {} FROM {} s WHERE {} AND ROW({}) IS DISTINCT FROM ROW({})", target_,
                                Join(sets, ", "), kStaging, match, List(names_, "t."), List(names_, "s.")));
        Answer added = TRY(Do("INSERT INTO {} ({}) SELECT {} FROM {} s WHERE NOT EXISTS (SELECT 1 FROM {} t WHERE {})",
                              target_, List(names_), List(names_), kStaging, target_, match));
        return Changes{added->changed(), updated->changed(), removed->changed()};
    }

    PostgresConnection& connection_;
    Delivery& delivery_;
    const std::string target_;
    const std::string positions_;
    std::vector<std::string> names_;
    bool known_ = false;
};

class PostgresTarget : public Target {
  public:
    explicit PostgresTarget(const DestinationsDependencies& dependencies) : dependencies_(dependencies) {}

    Result<Delivered> Deliver(Delivery& delivery) override {
        connectors::DatabaseServer server = ServerOf(delivery.destination);
        auto login = TRY(connectors::ResolveLogin(server, dependencies_.dialer, dependencies_.secrets,
                                                  dependencies_.workspace_directory));
        auto connection = PostgresConnection::Open(login, Explain);
        if (!connection.ok()) return connectors::CannotReach(server, connection.error());
        auto on_cancel = (*connection)->CancelOn(delivery.run.cancel());
        return Transfer(**connection, delivery).Run();
    }

  private:
    const DestinationsDependencies& dependencies_;
};

}  // namespace

std::unique_ptr<Target> MakePostgresTarget(const DestinationsDependencies& dependencies) {
    return std::make_unique<PostgresTarget>(dependencies);
}

}  // namespace tarn::destinations
