#include "analysis/query/pg_session.h"

#include <algorithm>

#include "analysis/query/pg_types.h"
#include "base/text.h"

namespace tarn::query {
namespace {

constexpr size_t kFrameBytesMax = kSqlFrameBytesMax;
constexpr size_t kFlushBytes = 64 << 10;
constexpr size_t kPreparedMax = 1000;         // a session
constexpr size_t kPortalsMax = 1000;
constexpr Duration kIdleTime = std::chrono::hours(24);
constexpr Duration kWriteTime = std::chrono::seconds(60);

using security::AuditClass;
using security::Operation;

constexpr Operation kQuery = {"sql", "Query", "sql:Query", "platform", AuditClass::kRead, {kFrameBytesMax, 200}};
constexpr Operation kParse = {"sql", "Parse", "sql:Query", "platform", AuditClass::kRead, {kFrameBytesMax, 200}};
constexpr Operation kCommand = {"sql", "Session command", "self", "session", AuditClass::kRead, {kFrameBytesMax, 200}};

bool IsBlank(std::string_view sql) { return sql.find_first_not_of(" \t\r\n;") == std::string_view::npos; }

Error NoSuch(const char* what, const std::string& name) {
    return Error(ErrorCode::kNotFound, "there is no {} \"{}\"", what, name)
        .WithDetailCode(std::string(what) == "portal" ? "34000" : "26000");
}

// An error about a part of a statement, told about the statement.
Error Moved(Error error, int64_t part_position) {
    auto position = error.position();
    if (!position) return error;
    return std::move(error).WithPosition(*position + part_position - 1);
}

}  // namespace

Json PgSession::TablesOf(const Prepared& prepared) {
    Json tables = Json::array();
    for (const engine::TableRead& read : prepared.statement->info().reads) {
        std::string version = read.version.empty() ? "" : "@" + read.version;
        tables.push_back(fmt::format("{}.{}{}", read.schema, read.name, version));
    }
    return tables;
}

std::vector<bool> PgSession::Spread(const std::vector<bool>& formats, size_t columns) {
    std::vector<bool> binary;
    for (size_t column = 0; column < columns; ++column) {
        binary.push_back(formats.size() == 1 ? formats[0] : column < formats.size() && formats[column]);
    }
    return binary;
}

std::vector<Operation> SqlOperations() { return {kLogin, kQuery, kParse, kExecute, kCommand}; }

PgSession::PgSession(Stream& stream, wire::PgFrameReader& reader, const QueryDependencies& dependencies,
                     Deadlines& deadlines, Login login, CancelKey key)
    : stream_(stream),
      reader_(reader),
      dependencies_(dependencies),
      deadlines_(deadlines),
      login_(std::move(login)),
      key_(key) {
    for (const auto& [name, value] : login_.parameters) settings_.SetFromStart(name, value);
}

void PgSession::Cancel() {
    std::lock_guard lock(session_mutex_);
    if (session_) session_->Cancel();
}

Status PgSession::Run() {
    stream_.Trust();
    stream_.SetTimeouts(kIdleTime, kWriteTime);
    {
        std::lock_guard lock(session_mutex_);
        engine::SessionOptions options;
        options.principal = login_.principal;
        session_ = TRY(dependencies_.engine.OpenSession(std::move(options)));
    }
    Status set = settings_.SetFromOptions(login_.parameters["options"]);
    if (set.ok()) set = TellEngine(settings_.EngineSql());
    if (!set.ok()) {
        SendError(set.error(), "FATAL");
        (void)Flush();
        return set;
    }
    TRY(SendGreeting());
    bool leave = false;
    while (!leave) {
        if (!reader_.HasBuffered()) TRY(Flush());
        Result<wire::PgFrame> frame = reader_.Read(kFrameBytesMax);
        Status handled = frame.ok() ? Handle(*frame, leave) : Status(std::move(frame).error());
        if (!handled.ok()) {
            SendError(handled.error(), "FATAL");
            (void)Flush();
            return handled;
        }
    }
    return Flush();
}

Status PgSession::SendGreeting() {
    out_.Begin('R');
    out_.Int32(0);
    out_.End();
    for (const char* name : {"server_version", "server_encoding", "client_encoding", "application_name", "is_superuser",
                             "datestyle", "intervalstyle", "timezone", "integer_datetimes",
                             "standard_conforming_strings", "default_transaction_read_only"}) {
        ReportSetting(name);
    }
    out_.Begin('S');
    out_.Text("session_authorization");
    out_.Text(login_.principal.name);
    out_.End();
    out_.Begin('K');
    out_.Int32(key_.process);
    out_.Int32(key_.secret);
    out_.End();
    SendReady();
    return Flush();
}

void PgSession::ReportSetting(const std::string& name) {
    static const std::map<std::string, std::string> kSpelling = {
        {"datestyle", "DateStyle"}, {"timezone", "TimeZone"}, {"intervalstyle", "IntervalStyle"}};
    auto spelled = kSpelling.find(name);
    out_.Begin('S');
    out_.Text(spelled == kSpelling.end() ? name : spelled->second);
    out_.Text(settings_.Get(name));
    out_.End();
}

void PgSession::SendReady() {
    out_.Begin('Z');
    out_.Byte(transaction_);
    out_.End();
}

Status PgSession::Flush() {
    if (out_.buffer().empty()) return Ok();
    Status written = stream_.Write(AsBytes(out_.buffer()));
    out_.Clear();
    return written;
}

Status PgSession::FlushIfLarge() { return out_.buffer().size() >= kFlushBytes ? Flush() : Ok(); }

void PgSession::SendError(const Error& error, const char* severity, int64_t position_offset) {
    wire::PgError message;
    message.severity = severity;
    message.sqlstate = wire::PgSqlState(error);
    message.message = error.message();
    message.hint = error.hint();
    if (error.position()) message.position = *error.position() + position_offset;
    wire::WritePgError(out_, message);
    if (transaction_ == 'T') transaction_ = 'E';
}

// Roles may have changed and credentials been revoked since the last statement.
Status PgSession::CheckStillWelcome() {
    login_.principal = TRY(dependencies_.authenticator.Refresh(login_.principal));
    return Ok();
}

Status PgSession::Handle(const wire::PgFrame& frame, bool& leave) {
    switch (frame.type) {
        case 'X':
            leave = true;
            return Ok();
        case 'S':
            Sync();
            return Ok();
        case 'H':
            return Flush();
        case 'Q': {
            TRY(CheckStillWelcome());
            skip_to_sync_ = false;
            wire::PgFieldReader fields(frame.body);
            Status done = SimpleQuery(TRY(fields.Text()));
            if (!done.ok()) SendError(done.error());
            CloseTransactionPortals();
            SendReady();
            return Ok();
        }
        case 'P':
        case 'B':
        case 'D':
        case 'E':
        case 'C':
            break;
        case 'F':
            SendError(Error(ErrorCode::kNotSupported, "function calls by OID are not supported; use SELECT"));
            SendReady();
            return Ok();
        case 'd':
        case 'c':
        case 'f':
            return Ok();  // left over from a COPY that was refused
        default:
            return Error(ErrorCode::kInvalidArgument, "unknown message type {}", static_cast<int>(frame.type))
                .WithDetailCode("08P01");
    }
    if (skip_to_sync_) return Ok();
    if (frame.type == 'P' || frame.type == 'E') TRY(CheckStillWelcome());
    Status done = HandleExtended(frame);
    if (!done.ok()) {
        SendError(done.error());
        skip_to_sync_ = true;
    }
    return Ok();
}

Status PgSession::HandleExtended(const wire::PgFrame& frame) {
    switch (frame.type) {
        case 'P':
            return Parse(frame.body);
        case 'B':
            return BindPortal(frame.body);
        case 'D':
            return Describe(frame.body);
        case 'E':
            return Execute(frame.body);
        default:
            return Close(frame.body);
    }
}

void PgSession::CloseTransactionPortals() {
    if (transaction_ == 'I') std::erase_if(portals_, [](const auto& one) { return !one.second->hold; });
}

Status PgSession::TellEngine(const std::vector<std::string>& statements) {
    for (const std::string& sql : statements) TRY(session_->Query(sql));
    return Ok();
}

void PgSession::SendComplete(std::string_view tag) {
    out_.Begin('C');
    out_.Text(tag);
    out_.End();
}

void PgSession::Sync() {
    skip_to_sync_ = false;
    CloseTransactionPortals();
    SendReady();
}

Status PgSession::Dispatch(const Operation& operation, const std::string& sql, const Json& tables,
                           const std::function<Status(security::Call&)>& handler) {
    security::Opening opening{.details = {{"sql", security::StatementText(sql)}}, .tell = nullptr};
    if (!tables.empty()) opening.details["tables"] = tables;
    Deadlines::Guard deadline(deadlines_, settings_.StatementTimeoutMs(), [this] { Cancel(); });
    Status done = dependencies_.dispatcher.Run(operation, login_.principal, {"platform", "*"},
                                               stream_.remote().ToString(), handler, std::move(opening));
    bool late = !done.ok() && done.error().code() == ErrorCode::kCancelled && deadline.expired();
    if (!late) return done;
    return Error(ErrorCode::kCancelled, "the statement took longer than statement_timeout, {}",
                 settings_.Get("statement_timeout"))
        .WithDetailCode("57014");
}

// ---- simple protocol

Status PgSession::SimpleQuery(const std::string& script) {
    if (IsBlank(script)) {
        out_.Begin('I');
        out_.End();
        return Ok();
    }
    // One command needs no parser of SQL, and drivers send many.
    if (IsSessionCommand(script) && script.find(';') >= script.size() - 1) return SimplePart(script, 1);
    auto split = session_->Split(script);
    if (!split.ok()) {
        // What was sent is in the audit log even if nothing of it could run.
        return Dispatch(kParse, script, Json::array(), [&](security::Call&) -> Status { return split.error(); });
    }
    std::vector<engine::Session::Part> parts = *std::move(split);
    if (parts.empty()) {  // nothing but comments
        out_.Begin('I');
        out_.End();
    }
    for (const engine::Session::Part& part : parts) {
        Status done = SimplePart(part.sql, part.position);
        if (done.ok()) continue;
        Error error = std::move(done).error();
        if (!error.position()) return error;
        int64_t position = *error.position() + part.position - 1;
        return std::move(error).WithPosition(position);
    }
    return Ok();
}

Status PgSession::SimplePart(const std::string& sql, int64_t) {
    Portal portal;
    portal.prepared = TRY(Prepare(sql, {}));
    return RunStatement(portal, 0, true);
}

// ---- extended protocol

Result<std::shared_ptr<PgSession::Prepared>> PgSession::Prepare(const std::string& sql,
                                                                std::vector<int32_t> parameter_oids,
                                                                const std::vector<std::string>& given_types) {
    auto prepared = std::make_shared<Prepared>();
    prepared->sql = sql;
    prepared->parameter_oids = std::move(parameter_oids);
    if (IsBlank(sql) || IsSessionCommand(sql)) return prepared;
    prepared->copy = TRY(CopyCommandOf(sql));
    prepared->cursor = TRY(CursorCommandOf(sql));
    bool fetch = prepared->cursor && prepared->cursor->action != CursorCommand::Action::kDeclare;
    if (fetch) return prepared;
    TRY(CheckTransaction());
    const std::string& query = prepared->copy     ? prepared->copy->query
                               : prepared->cursor ? prepared->cursor->query
                                                  : sql;
    int64_t position = prepared->copy     ? prepared->copy->query_position
                       : prepared->cursor ? prepared->cursor->query_position
                                          : 1;
    std::vector<std::string> types;
    for (int32_t oid : prepared->parameter_oids) types.push_back(EngineTypeOf(oid));
    if (!given_types.empty()) types = given_types;
    TRY(Dispatch(kParse, sql, Json::array(), [&](security::Call& call) -> Status {
        auto statement = session_->Prepare(query, types);
        if (!statement.ok()) return Moved(std::move(statement).error(), position);
        prepared->statement = std::move(*statement);
        call.details["tables"] = TablesOf(*prepared);
        return Ok();
    }));
    const auto& inferred = prepared->statement->info().parameter_types;
    for (size_t index = 0; index < inferred.size(); ++index) {
        if (index == prepared->parameter_oids.size()) prepared->parameter_oids.push_back(0);
        constexpr int32_t kUnknown = 705;
        bool told = prepared->parameter_oids[index] != 0 && prepared->parameter_oids[index] != kUnknown;
        if (!told) prepared->parameter_oids[index] = PgOidOf(inferred[index]);
    }
    return prepared;
}

Status PgSession::CheckTransaction() const {
    if (transaction_ != 'E') return Ok();
    return Error(ErrorCode::kFailedPrecondition, "the transaction failed; only ROLLBACK is taken until its end")
        .WithDetailCode("25P02");
}

Status PgSession::Parse(const std::string& body) {
    wire::PgFieldReader fields(body);
    std::string name = TRY(fields.Text());
    std::string sql = TRY(fields.Text());
    int count = TRY(fields.Int16());
    std::vector<int32_t> oids;
    for (int index = 0; index < count; ++index) oids.push_back(TRY(fields.Int32()));
    if (!name.empty() && prepared_.contains(name)) {
        return Error(ErrorCode::kAlreadyExists, "there is a prepared statement \"{}\" already", name)
            .WithDetailCode("42P05");
    }
    if (prepared_.size() >= kPreparedMax && !prepared_.contains(name)) {
        return Error(ErrorCode::kResourceExhausted, "a session keeps at most {} prepared statements", kPreparedMax);
    }
    prepared_[name] = TRY(Prepare(sql, std::move(oids)));
    out_.Begin('1');
    out_.End();
    return Ok();
}

Result<std::vector<engine::SqlValue>> PgSession::ReadParameters(wire::PgFieldReader& fields, const Prepared& prepared) {
    std::vector<int16_t> formats;
    int format_count = TRY(fields.Int16());
    for (int index = 0; index < format_count; ++index) formats.push_back(TRY(fields.Int16()));
    size_t count = static_cast<size_t>(static_cast<uint16_t>(TRY(fields.Int16())));
    size_t wanted = prepared.statement ? prepared.statement->info().parameter_types.size() : 0;
    if (count != wanted) {
        return Error(ErrorCode::kInvalidArgument, "the statement has {} parameters, {} were given", wanted, count)
            .WithDetailCode("08P01");
    }
    std::vector<engine::SqlValue> values;
    for (size_t index = 0; index < count; ++index) {
        int32_t length = TRY(fields.Int32());
        int32_t oid = prepared.parameter_oids[index];
        engine::SqlValue value;
        value.type = EngineTypeOf(oid);
        if (length >= 0) {
            std::string_view bytes = TRY(fields.Bytes(static_cast<size_t>(length)));
            bool binary = formats.size() == 1 ? formats[0] == 1 : index < formats.size() && formats[index] == 1;
            value.text = binary ? TRY(ParameterText(oid, bytes)) : TRY(TextParameter(oid, bytes));
        }
        values.push_back(std::move(value));
    }
    return values;
}

// A numeric parameter has any number of digits, and a decimal type of the engine a fixed one: where it does not fit the
// type that was taken at first, the statement is prepared again for this portal.
Status PgSession::WidenDecimals(Portal& portal) {
    std::vector<std::string> types;
    bool wider = false;
    for (size_t index = 0; index < portal.parameters.size(); ++index) {
        engine::SqlValue& value = portal.parameters[index];
        bool numeric = portal.prepared->parameter_oids[index] == kNumericOid && value.text;
        std::string type = numeric ? DecimalTypeOf(*value.text) : "";
        wider = wider || !type.empty();
        if (!type.empty()) value.type = type;
        types.push_back(value.type);
    }
    if (wider) portal.prepared = TRY(Prepare(portal.prepared->sql, portal.prepared->parameter_oids, types));
    return Ok();
}

Status PgSession::CheckRoomFor(const std::string& portal) const {
    if (portals_.size() < kPortalsMax || portals_.contains(portal)) return Ok();
    return Error(ErrorCode::kResourceExhausted, "a session keeps at most {} portals open", kPortalsMax);
}

Status PgSession::BindPortal(const std::string& body) {
    wire::PgFieldReader fields(body);
    std::string name = TRY(fields.Text());
    std::string statement = TRY(fields.Text());
    auto prepared = prepared_.find(statement);
    if (prepared == prepared_.end()) return NoSuch("prepared statement", statement);
    Portal portal;
    portal.prepared = prepared->second;
    portal.parameters = TRY(ReadParameters(fields, *portal.prepared));
    TRY(WidenDecimals(portal));
    int count = TRY(fields.Int16());
    for (int index = 0; index < count; ++index) portal.formats.push_back(TRY(fields.Int16()) == 1);
    TRY(CheckRoomFor(name));
    bool taken = !name.empty() && portals_.contains(name);
    if (taken) {
        return Error(ErrorCode::kAlreadyExists, "there is a portal \"{}\" already", name).WithDetailCode("42P03");
    }
    portals_[name] = std::make_shared<Portal>(std::move(portal));
    out_.Begin('2');
    out_.End();
    return Ok();
}

void PgSession::DescribeRows(const Prepared& prepared, const std::vector<bool>& formats) {
    const std::vector<engine::ResultColumn>* columns = nullptr;
    if (prepared.cursor && prepared.cursor->action == CursorCommand::Action::kFetch) {
        auto source = portals_.find(prepared.cursor->name);
        if (source != portals_.end() && source->second->result) columns = &source->second->result->columns();
    } else if (prepared.statement && !prepared.copy && !prepared.cursor) {
        columns = &prepared.statement->info().columns;
    }
    if (columns && !columns->empty()) return DescribeColumns(*columns, Spread(formats, columns->size()));
    SessionSettings scratch = settings_;
    bool command = !prepared.statement && !prepared.cursor && !prepared.copy;
    auto outcome = command ? scratch.Run(prepared.sql) : Result<std::optional<CommandOutcome>>(std::nullopt);
    if (!outcome.ok() || !*outcome || !(*outcome)->shown) {
        out_.Begin('n');
        out_.End();
        return;
    }
    engine::ResultColumn shown;
    shown.name = (*outcome)->shown_name;
    shown.type = "VARCHAR";
    shown.kind = engine::CellKind::kText;
    DescribeColumns({shown}, {false});
}

void PgSession::DescribeColumns(const std::vector<engine::ResultColumn>& columns, const std::vector<bool>& binary) {
    out_.Begin('T');
    out_.Int16(static_cast<int16_t>(columns.size()));
    for (size_t index = 0; index < columns.size(); ++index) {
        PgType type = PgTypeOf(columns[index]);
        out_.Text(columns[index].name);
        out_.Int32(0);
        out_.Int16(0);
        out_.Int32(type.oid);
        out_.Int16(type.bytes);
        out_.Int32(type.modifier);
        out_.Int16(binary[index] ? 1 : 0);
    }
    out_.End();
}

Status PgSession::Describe(const std::string& body) {
    wire::PgFieldReader fields(body);
    char kind = TRY(fields.Byte());
    std::string name = TRY(fields.Text());
    if (kind == 'P') {
        auto portal = portals_.find(name);
        if (portal == portals_.end()) return NoSuch("portal", name);
        const Portal& described = *portal->second;
        if (described.cursor)
            DescribeColumns(described.result->columns(), Spread({}, described.result->columns().size()));
        else
            DescribeRows(*described.prepared, described.formats);
        return Ok();
    }
    auto prepared = prepared_.find(name);
    if (prepared == prepared_.end()) return NoSuch("prepared statement", name);
    const std::vector<int32_t>& oids = prepared->second->parameter_oids;
    out_.Begin('t');
    out_.Int16(static_cast<int16_t>(oids.size()));
    for (int32_t oid : oids) out_.Int32(oid);
    out_.End();
    DescribeRows(*prepared->second, {});
    return Ok();
}

Status PgSession::Execute(const std::string& body) {
    wire::PgFieldReader fields(body);
    std::string name = TRY(fields.Text());
    int32_t rows_max = TRY(fields.Int32());
    auto portal = portals_.find(name);
    if (portal == portals_.end()) return NoSuch("portal", name);
    const std::shared_ptr<Portal> running = portal->second;
    return RunStatement(*running, rows_max, false);
}

Status PgSession::Close(const std::string& body) {
    wire::PgFieldReader fields(body);
    char kind = TRY(fields.Byte());
    std::string name = TRY(fields.Text());
    if (kind == 'P')
        portals_.erase(name);
    else
        prepared_.erase(name);
    out_.Begin('3');
    out_.End();
    return Ok();
}

// ---- running

std::string PgSession::TagOf(const Prepared& prepared, int64_t rows) const {
    switch (prepared.statement->info().kind) {
        case engine::StatementKind::kExplain:
            return "EXPLAIN";
        case engine::StatementKind::kSet:
            return "SET";
        case engine::StatementKind::kShow:
            return "SHOW";
        default:
            return fmt::format("SELECT {}", rows);
    }
}

Status PgSession::RunCommand(const CommandOutcome& outcome, const SessionSettings& before, bool describe_rows) {
    std::string tag = outcome.tag;
    bool failed = transaction_ == 'E';
    if (failed && !outcome.rollback && outcome.transaction == 'I') tag = "ROLLBACK";
    if (outcome.transaction == 'T' && transaction_ == 'I') settings_.BeginTransaction();
    if (outcome.transaction == 'I') TRY(TellEngine(settings_.EndTransaction(outcome.rollback || failed)));
    if (outcome.transaction != 0) transaction_ = outcome.transaction;
    for (const std::string& name : settings_.ReportedSince(before)) ReportSetting(name);
    if (outcome.close) TRY(CloseCursors(*outcome.close));
    if (outcome.deallocate) {
        if (outcome.deallocate->empty())
            prepared_.clear();
        else
            prepared_.erase(*outcome.deallocate);
    }
    if (outcome.shown) {
        if (describe_rows) {
            Prepared show;
            show.sql = "SHOW " + outcome.shown_name;
            DescribeRows(show, {});
        }
        out_.Begin('D');
        out_.Int16(1);
        size_t mark = out_.BeginValue();
        out_.Bytes(*outcome.shown);
        out_.EndValue(mark);
        out_.End();
    }
    out_.Begin('C');
    out_.Text(tag);
    out_.End();
    return Ok();
}

Status PgSession::RunStatement(Portal& portal, int64_t rows_max, bool describe_rows) {
    const std::shared_ptr<Prepared> prepared = portal.prepared;
    if (IsBlank(prepared->sql)) {
        out_.Begin('I');
        out_.End();
        return Ok();
    }
    if (prepared->statement) TRY(CheckTransaction());
    if (prepared->copy) return RunCopy(portal);
    if (prepared->cursor) return prepared->statement ? RunDeclare(portal) : RunFetch(portal, describe_rows);
    if (!prepared->statement) {
        return Dispatch(kCommand, prepared->sql, Json::array(), [&](security::Call&) -> Status {
            SessionSettings changed = settings_;
            std::optional<CommandOutcome> outcome = TRY(changed.Run(prepared->sql));
            if (!outcome) return Error(ErrorCode::kInternal, "a session command was not recognised");
            if (outcome->transaction != 'I' && !outcome->rollback) TRY(CheckTransaction());
            TRY(TellEngine(outcome->engine_sql));
            std::swap(settings_, changed);  // not before the engine took it
            return RunCommand(*outcome, changed, describe_rows);
        });
    }
    const Operation& operation = describe_rows ? kQuery : kExecute;
    const engine::StatementInfo& info = prepared->statement->info();
    return Dispatch(operation, prepared->sql, TablesOf(*prepared), [&](security::Call& call) -> Status {
        if (!portal.result && !portal.finished) portal.result = TRY(prepared->statement->Execute(portal.parameters));
        if (describe_rows && !info.columns.empty()) DescribeRows(*prepared, portal.formats);
        bool suspended = false;
        TRY(SendRows(portal, Spread(portal.formats, info.columns.size()), rows_max, call, suspended));
        out_.Begin(suspended ? 's' : 'C');
        if (!suspended) out_.Text(TagOf(*prepared, portal.rows));
        out_.End();
        return Ok();
    });
}

Result<bool> PgSession::HasRow(Portal& portal) {
    while (!portal.finished && (!portal.chunk || portal.row == portal.chunk->rows())) {
        portal.chunk = TRY(portal.result->Next());
        portal.row = 0;
        portal.finished = portal.chunk == nullptr;
    }
    return !portal.finished;
}

Status PgSession::SendRows(Portal& portal, const std::vector<bool>& binary, int64_t rows_max, security::Call& call,
                           bool& suspended) {
    const auto& columns = portal.result->columns();
    std::vector<bool> formats = binary;
    formats.resize(columns.size(), !binary.empty() && binary.back());  // a parameter's type settled them only now
    while (true) {
        // At its limit a portal is suspended, whether there are more rows or not.
        if (rows_max > 0 && call.rows == rows_max) return suspended = true, Ok();
        if (!TRY(HasRow(portal))) return Ok();
        size_t before = out_.buffer().size();
        out_.Begin('D');
        out_.Int16(static_cast<int16_t>(columns.size()));
        for (size_t column = 0; column < columns.size(); ++column) {
            Status written = WriteCell(out_, *portal.chunk, portal.row, column, columns[column], formats[column]);
            if (written.ok()) continue;
            out_.Truncate(before);
            return written;
        }
        out_.End();
        ++portal.row;
        ++portal.rows;
        ++call.rows;
        call.bytes += static_cast<int64_t>(out_.buffer().size() - before);
        TRY(FlushIfLarge());
    }
}

}  // namespace tarn::query
