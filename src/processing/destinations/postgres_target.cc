// Kind postgresql: rows by COPY into the table, or by way of a staging table where it is there and has a key; with the
// position, in one transaction.
#include <algorithm>
#include <cstring>
#include <map>

#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/postgres_client.h"
#include "processing/destinations/difference.h"
#include "processing/destinations/sql_target.h"

namespace tarn::destinations {
namespace {

constexpr size_t kCopyBytes = 256 << 10;  // gathered before they are sent
constexpr const char* kStaging = "pg_temp._tarn_staging";
constexpr const char* kGone = "pg_temp._tarn_gone";  // keys

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
void AppendEscaped(std::string& text, std::string_view cell) {
    while (true) {
        size_t plain = cell.find_first_of("\\\t\n\r");
        text += cell.substr(0, plain);
        if (plain == std::string_view::npos) return;
        char letter = cell[plain];
        text += '\\';
        text += letter == '\t' ? 't' : letter == '\n' ? 'n' : letter == '\r' ? 'r' : letter;
        cell.remove_prefix(plain + 1);
    }
}

template <typename Number>
void AppendNumber(std::string& text, const void* data) {
    Number number;
    std::memcpy(&number, data, sizeof(number));
    fmt::format_int digits(number);
    text.append(digits.data(), digits.size());
}

void AppendCell(std::string& text, const engine::Chunk& chunk, size_t row, size_t at, engine::CellKind kind) {
    using engine::CellKind;
    switch (kind) {
        case CellKind::kText:
            return AppendEscaped(text, chunk.View(row, at));
        case CellKind::kInt32:
            return AppendNumber<int32_t>(text, chunk.Data(row, at));
        case CellKind::kInt64:
            return AppendNumber<int64_t>(text, chunk.Data(row, at));
        default:
            return AppendEscaped(text, chunk.Text(row, at));
    }
}

// One delivery on one connection, in one transaction. Gone without Commit, it has changed nothing.
class Transfer {
  public:
    Transfer(PostgresConnection& connection, Delivery& delivery, const DestinationsDependencies& dependencies,
             bool whole)
        : connection_(connection),
          delivery_(delivery),
          dependencies_(dependencies),
          target_(QuotedTable(delivery.table.to)),
          positions_(QuoteIdentifier(delivery.destination.connection.schema) + "._tarn_positions"),
          whole_(whole) {}

    Result<Delivered> Run() {
        TRY(Begin());
        if (TRY(HasPosition())) {
            TRY(connection_.Run("ROLLBACK"));
            return Delivered{.skipped = true};
        }
        std::optional<Difference> difference;
        if (delivered_ >= 0 && !whole_) difference = TRY(FindDifference(dependencies_, delivery_, delivered_));
        by_difference_ = difference.has_value();
        Delivered delivered = TRY(difference ? WriteDifference(*difference) : WriteWhole());
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
    // Whether Run wrote, or tried to write, what changed.
    bool by_difference() const { return by_difference_; }

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
        delivered_ = IntegerOrZero(found->Cell(0, 1));
        return delivered_ >= delivery_.position.version;
    }
    Result<Delivered> WriteWhole() {
        auto rows = TRY(delivery_.session.Query(delivery_.Select()));
        names_ = NamesOf(rows->columns());
        TRY(PrepareTable(rows->columns()));
        Changes changes;
        bool merges = !made_ && !delivery_.table.key.empty();
        // Readers see the old rows until the commit; grants, indexes and views of the table stay.
        if (!made_ && !merges) changes.deleted = TRY(Do("DELETE FROM {}", target_))->changed();
        if (merges) TRY(MakeStaging(kStaging, names_));
        Delivered delivered = TRY(Copy(*rows, merges ? kStaging : target_, names_));
        changes.inserted = delivered.rows;
        TRY(delivery_.CheckCancelled());
        delivery_.run.Progress("writing", delivered.rows);
        if (merges) {
            TRY(Do("ANALYZE {}", kStaging));
            TRY(CheckKey());
            changes = TRY(Upsert());
        }
        delivered.changes = changes;
        return delivered;
    }
    // Afterwards there must be as many rows as the version has: others may have changed some, and then it is the whole
    // version that makes the target equal.
    Result<Delivered> WriteDifference(Difference& difference) {
        auto statement = TRY(delivery_.session.Prepare(delivery_.Select()));
        names_ = NamesOf(statement->info().columns);
        TRY(PrepareTable(statement->info().columns));
        statement.reset();
        TRY(MakeStaging(kStaging, names_));
        TRY(MakeStaging(kGone, delivery_.table.key));
        auto upserts = TRY(difference.session->Query(difference.upserts));
        Delivered delivered = TRY(Copy(*upserts, kStaging, names_));
        auto gone = TRY(difference.session->Query(difference.gone));
        delivered.bytes += TRY(Copy(*gone, kGone, delivery_.table.key)).bytes;
        TRY(delivery_.CheckCancelled());
        TRY(Do("ANALYZE {}", kStaging));
        TRY(Do("ANALYZE {}", kGone));
        TRY(CheckKey());
        Answer removed = TRY(Do("DELETE FROM {} t USING {} s WHERE {}", target_, kGone, Match()));
        Changes changes = TRY(Upsert());
        changes.deleted = removed->changed();
        Answer count = TRY(Do("SELECT count(*) FROM {}", target_));
        if (IntegerOrZero(count->Cell(0, 0)) != difference.rows) {
            return Error(ErrorCode::kConflict, "the target has {} rows, not {}", count->Cell(0, 0), difference.rows);
        }
        delivered.rows = difference.rows;
        delivered.changes = changes;
        return delivered;
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
        made_ = true;
        return Ok();
    }
    Status MakeStaging(const std::string& table, const std::vector<std::string>& columns) {
        TRY(Do("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA", table, List(columns), target_));
        return Ok();
    }
    Result<Delivered> Copy(engine::ResultStream& rows, const std::string& into, const std::vector<std::string>& names) {
        TRY(Do("COPY {} ({}) FROM STDIN", into, List(names)));
        std::vector<engine::CellKind> kinds;
        for (const auto& column : rows.columns()) kinds.push_back(column.kind);
        Delivered delivered;
        std::string text;
        while (const engine::Chunk* chunk = TRY(rows.Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) {
                for (size_t column = 0; column < kinds.size(); ++column) {
                    if (column > 0) text += '\t';
                    if (chunk->IsNull(row, column)) {
                        text += "\\N";
                    } else {
                        AppendCell(text, *chunk, row, column, kinds[column]);
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
    std::string Match() const {
        std::vector<std::string> same;
        for (const std::string& column : delivery_.table.key) {
            same.push_back(fmt::format("t.{0} = s.{0}", QuoteIdentifier(column)));
        }
        return Join(same, " AND ");
    }
    // Only what differs is written. Of a whole version, what it lacks goes.
    Result<Changes> Upsert() {
        std::vector<std::string> sets;
        for (const std::string& column : names_) sets.push_back(fmt::format("{0} = s.{0}", QuoteIdentifier(column)));
        std::string match = Match();
        Changes changes;
        if (!by_difference_) {
            Answer removed =
                TRY(Do("DELETE FROM {} t WHERE NOT EXISTS (SELECT 1 FROM {} s WHERE {})", target_, kStaging, match));
            changes.deleted = removed->changed();
        }
        Answer updated = TRY(Do("UPDATE {} t SET {} FROM {} s WHERE {} AND ROW({}) IS DISTINCT FROM ROW({})", target_,
                                Join(sets, ", "), kStaging, match, List(names_, "t."), List(names_, "s.")));
        Answer added = TRY(Do("INSERT INTO {} ({}) SELECT {} FROM {} s WHERE NOT EXISTS (SELECT 1 FROM {} t WHERE {})",
                              target_, List(names_), List(names_), kStaging, target_, match));
        changes.updated = updated->changed();
        changes.inserted = added->changed();
        return changes;
    }

    PostgresConnection& connection_;
    Delivery& delivery_;
    const DestinationsDependencies& dependencies_;
    const std::string target_;
    const std::string positions_;
    std::vector<std::string> names_;
    bool known_ = false;
    int64_t delivered_ = -1;  // the version that is there, of the same source
    const bool whole_;
    bool by_difference_ = false;
    bool made_ = false;  // the table, in this transaction
};

class PostgresTarget : public Target {
  public:
    explicit PostgresTarget(const DestinationsDependencies& dependencies) : dependencies_(dependencies) {}

    Result<Delivered> Deliver(Delivery& delivery) override {
        return DifferenceOrWhole(delivery,
                                 [&](bool whole, bool& by_difference) { return Once(delivery, whole, by_difference); });
    }

  private:
    Result<Delivered> Once(Delivery& delivery, bool whole, bool& by_difference) {
        connectors::DatabaseServer server = ServerOf(delivery.destination);
        auto login = TRY(connectors::ResolveLogin(server, dependencies_.dialer, dependencies_.secrets,
                                                  dependencies_.workspace_directory));
        auto connection = PostgresConnection::Open(login, Explain);
        if (!connection.ok()) return connectors::CannotReach(server, connection.error());
        auto on_cancel = (*connection)->CancelOn(delivery.run.cancel());
        Transfer transfer(**connection, delivery, dependencies_, whole);
        auto delivered = transfer.Run();
        by_difference = transfer.by_difference();
        return delivered;
    }

    const DestinationsDependencies& dependencies_;
};

}  // namespace

std::unique_ptr<Target> MakePostgresTarget(const DestinationsDependencies& dependencies) {
    return std::make_unique<PostgresTarget>(dependencies);
}

}  // namespace tarn::destinations
