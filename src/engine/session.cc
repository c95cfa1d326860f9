// Sessions and statements. Each statement runs on a connection of its own: what it resolved is its alone, and an open
// result of one never ends with the next.
#include <atomic>
#include <chrono>

#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/execution/operator/scan/physical_table_scan.hpp>
#include <duckdb/main/prepared_statement_data.hpp>
#include "base/text.h"
#include "engine/adapter.h"
#include "engine/ast_walk.h"
#include "engine/duck_ast.h"
#include "engine/settings.h"

namespace tarn::engine {
namespace {

using duckdb::StatementType;
using duckdb::Value;

// What a session's statements share; a statement may outlive the session, hence shared.
struct SessionCore {
    SessionCore(EngineCore& engine_core, SessionOptions given) : engine(engine_core), options(std::move(given)) {}

    EngineCore& engine;
    SessionOptions options;
    SessionSettings settings;
    std::map<std::string, std::shared_ptr<const Relation>> provided;
    std::mutex mutex;  // guards `running`, which Cancel reads from other threads
    std::vector<std::weak_ptr<duckdb::Connection>> running;

    Result<Run> NewRun(const std::string& sql) {
        Run run = TRY(engine.NewRun(options));
        run.context->sql = sql;
        run.context->provided =
            std::make_shared<const std::map<std::string, std::shared_ptr<const Relation>>>(provided);
        std::lock_guard lock(mutex);
        std::erase_if(running, [](const auto& one) { return one.expired(); });
        running.push_back(run.connection);
        return run;
    }
};

// Counts a query and its time once, when it ends.
class QueryMeter {
  public:
    explicit QueryMeter(EngineCore& engine) : engine_(engine), started_(engine.deps().env.clock().Monotonic()) {}
    void End(bool ok) {
        if (ended_) return;
        ended_ = true;
        engine_.queries(ok).Add();
        engine_.MeasureSpill();
        auto elapsed = engine_.deps().env.clock().Monotonic() - started_;
        engine_.query_seconds().Observe(static_cast<double>(elapsed.count()) / 1e6);
    }
    ~QueryMeter() { End(true); }
    void Rows(int64_t rows) { engine_.rows_returned().Add(rows); }

  private:
    EngineCore& engine_;
    Duration started_;
    bool ended_ = false;
};

using ParameterMap = duckdb::case_insensitive_map_t<duckdb::BoundParameterData>;

struct Bound {
    Run run;
    std::unique_ptr<duckdb::PreparedStatement> prepared;
};

Result<Bound> BindOn(SessionCore& core, Run run, const duckdb::SQLStatement& parsed) {
    Bound bound{.run = std::move(run), .prepared = nullptr};
    const std::string& sql = bound.run.context->sql;
    try {
        auto prepared = bound.run.connection->Prepare(parsed.Copy());
        if (prepared->HasError()) {
            core.engine.queries(false).Add();
            return OurError(*bound.run.context, ToError(prepared->GetErrorObject(), sql));
        }
        bound.prepared.reset(prepared.release());
    } catch (const std::exception& failure) {
        core.engine.queries(false).Add();
        return OurError(*bound.run.context, ToError(failure, sql));
    }
    return bound;
}

class StreamedResult : public ResultStream {
  public:
    StreamedResult(std::shared_ptr<SessionCore> core, Bound bound, std::vector<ResultColumn> columns)
        : core_(std::move(core)),
          run_(std::move(bound.run)),
          prepared_(std::move(bound.prepared)),
          columns_(std::move(columns)),
          meter_(core_->engine) {}

    // Binds the statement once more, to what the failed run read but for copies (ServedCopy).
    using Again = std::function<Result<Bound>(StatementContext& failed)>;

    Status Start(ParameterMap parameters, Again again) {
        again_ = std::move(again);
        parameters_ = std::move(parameters);
        Status started = Run();
        return !started.ok() && MayRunAgain() ? RunAgain() : started;
    }

    const std::vector<ResultColumn>& columns() const override { return columns_; }

    Result<const Chunk*> Next() override {
        view_.reset();
        Status fetched = Fetch();
        if (!fetched.ok() && MayRunAgain()) {
            TRY(RunAgain());
            fetched = Fetch();
        }
        TRY(std::move(fetched));
        again_ = nullptr;  // from here on the reader has rows: they cannot be taken back
        if (!chunk_ || chunk_->size() == 0) {
            meter_.End(true);
            return nullptr;
        }
        meter_.Rows(static_cast<int64_t>(chunk_->size()));
        view_ = WrapChunk(*run_.connection->context, *chunk_);
        return view_.get();
    }

  private:
    Status Run() {
        try {
            result_ = prepared_->Execute(parameters_, true);
        } catch (const std::exception& failure) {
            return Failed(ToError(failure, run_.context->sql));
        }
        if (result_->HasError()) return Failed(ToError(result_->GetErrorObject(), run_.context->sql));
        // The types of parameters may have settled the columns' only now.
        columns_.clear();
        for (size_t i = 0; i < result_->names.size(); i++) {
            columns_.push_back(DescribeColumn(result_->names[i], result_->types[i]));
        }
        return Ok();
    }
    Status Fetch() {
        try {
            duckdb::ErrorData failure;
            if (!result_->TryFetch(chunk_, failure)) return Failed(ToError(failure, run_.context->sql));
        } catch (const std::exception& failure) {
            return Failed(ToError(failure, run_.context->sql));
        }
        return Ok();
    }

    bool MayRunAgain() const { return again_ && *run_.context->copy_failed; }
    Status RunAgain() {
        Bound bound = TRY(again_(*run_.context));
        again_ = nullptr;
        chunk_.reset();
        result_.reset();
        prepared_ = std::move(bound.prepared);
        run_ = std::move(bound.run);
        return Run();
    }
    Error Failed(Error error) {
        if (!MayRunAgain()) meter_.End(false);
        return OurError(*run_.context, std::move(error));
    }

    // In this order: the view before its chunk, the result before its statement, all before the connection.
    std::shared_ptr<SessionCore> core_;
    engine::Run run_;
    std::unique_ptr<duckdb::PreparedStatement> prepared_;
    duckdb::unique_ptr<duckdb::QueryResult> result_;
    duckdb::unique_ptr<duckdb::DataChunk> chunk_;
    std::unique_ptr<Chunk> view_;
    std::vector<ResultColumn> columns_;
    ParameterMap parameters_;
    Again again_;
    QueryMeter meter_;
};

// A result of texts that we make ourselves: of SET, SHOW and transactions.
class TextResult : public ResultStream {
  public:
    explicit TextResult(SettingsAnswer answer) {
        for (auto& name : answer.columns)
            columns_.push_back({.name = name, .type = "VARCHAR", .kind = CellKind::kText});
        rows_ = std::move(answer.rows);
        view_.owner = this;
    }
    const std::vector<ResultColumn>& columns() const override { return columns_; }
    Result<const Chunk*> Next() override {
        if (done_ || rows_.empty()) return nullptr;
        done_ = true;
        return &view_;
    }

  private:
    struct Rows : public Chunk {
        TextResult* owner = nullptr;
        size_t rows() const override { return owner->rows_.size(); }
        bool IsNull(size_t, size_t) const override { return false; }
        const void* Data(size_t, size_t) const override { return nullptr; }
        std::string_view View(size_t row, size_t column) const override { return owner->rows_[row][column]; }
        std::string Text(size_t row, size_t column) const override { return owner->rows_[row][column]; }
        Json Value(size_t row, size_t column) const override { return owner->rows_[row][column]; }
    };
    std::vector<ResultColumn> columns_;
    std::vector<std::vector<std::string>> rows_;
    Rows view_;
    bool done_ = false;
};

class SettingStatement : public Statement {
  public:
    SettingStatement(std::shared_ptr<SessionCore> core, SettingsCommand command)
        : core_(std::move(core)), command_(std::move(command)) {
        info_.kind = command_.kind;
        for (const auto& name : command_.columns) {
            info_.columns.push_back({.name = name, .type = "VARCHAR", .kind = CellKind::kText});
        }
    }
    const StatementInfo& info() const override { return info_; }
    Result<std::unique_ptr<ResultStream>> Execute(const std::vector<SqlValue>&) override {
        SessionOptions options = core_->options;
        auto answer = TRY(core_->settings.Apply(command_, options));
        TRY(core_->engine.NewRun(options));  // a time zone that does not exist is told now
        core_->options = std::move(options);
        return std::unique_ptr<ResultStream>(std::make_unique<TextResult>(std::move(answer)));
    }

  private:
    std::shared_ptr<SessionCore> core_;
    SettingsCommand command_;
    StatementInfo info_;
};

void CollectColumns(const duckdb::PhysicalOperator& plan, std::vector<TableRead>& reads) {
    if (plan.type == duckdb::PhysicalOperatorType::TABLE_SCAN) {
        const auto& scan = plan.Cast<duckdb::PhysicalTableScan>();
        auto table = scan.function.get_bind_info ? scan.function.get_bind_info(scan.bind_data.get()).table : nullptr;
        for (TableRead& read : reads) {
            if (!table || !EqualsIgnoreCase(read.name, table->name) ||
                !EqualsIgnoreCase(read.schema, table->ParentSchema().name)) {
                continue;
            }
            for (const auto& column : scan.column_ids) {
                if (!column.IsVirtualColumn()) read.columns.insert(scan.names[column.GetPrimaryIndex()]);
            }
        }
    }
    for (const auto& child : plan.children) CollectColumns(child.get(), reads);
}

class NullsForParameters : public AstWalker {
  private:
    Status OnTable(TablePointer&) override { return Ok(); }
    Status OnExpression(ExpressionPointer& expression) override {
        if (expression->GetExpressionClass() != duckdb::ExpressionClass::PARAMETER) return Ok();
        auto null = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(duckdb::LogicalType::VARCHAR));
        null->SetAlias(expression->GetAlias());
        expression = std::move(null);
        return Ok();
    }
};

class SqlStatement : public Statement {
  public:
    SqlStatement(std::shared_ptr<SessionCore> core, std::string sql, duckdb::unique_ptr<duckdb::SQLStatement> parsed)
        : core_(std::move(core)), sql_(std::move(sql)), parsed_(std::move(parsed)) {}

    Status Prepare() {
        fresh_ = TRY(Bind());
        info_.kind =
            parsed_->type == StatementType::EXPLAIN_STATEMENT ? StatementKind::kExplain : StatementKind::kSelect;
        TRY(TellColumns());
        auto types = fresh_.prepared->GetExpectedParameterTypes();
        info_.parameter_types.resize(fresh_.prepared->named_param_map.size());
        for (const auto& [name, index] : fresh_.prepared->named_param_map) {
            auto type = types.find(name);
            bool known = type != types.end() && type->second.id() != duckdb::LogicalTypeId::UNKNOWN &&
                         type->second.id() != duckdb::LogicalTypeId::SQLNULL;
            if (known && index <= info_.parameter_types.size()) {
                info_.parameter_types[index - 1] = type->second.ToString();
            }
        }
        CollectReads();
        return Ok();
    }

    const StatementInfo& info() const override { return info_; }

    Result<std::unique_ptr<ResultStream>> Execute(const std::vector<SqlValue>& parameters) override {
        // The first execution uses what Prepare bound; later ones see the tables as they are then.
        Bound bound = std::move(fresh_);
        fresh_ = {};
        if (!bound.prepared) bound = TRY(Bind());
        auto values = TRY(Parameters(bound, parameters));
        StreamedResult::Again again;
        if (!bound.run.context->copies.empty()) {
            // The statement may be gone by the time that the result's first rows are asked for: it gets its own copy.
            again = [core = core_, sql = sql_, parsed = std::shared_ptr<duckdb::SQLStatement>(parsed_->Copy())](
                        StatementContext& failed) -> Result<Bound> {
                Run run = TRY(core->NewRun(sql));
                run.context->ContinueWithoutCopies(failed);
                return BindOn(*core, std::move(run), *parsed);
            };
        }
        auto stream = std::make_unique<StreamedResult>(core_, std::move(bound), info_.columns);
        TRY(stream->Start(std::move(values), std::move(again)));
        return std::unique_ptr<ResultStream>(std::move(stream));
    }

  private:
    Result<Bound> Bind() {
        Bound bound = TRY(BindOn(*core_, TRY(core_->NewRun(sql_)), *parsed_));
        if (parsed_->type == StatementType::EXPLAIN_STATEMENT) TRY(MayBeExplained(*bound.run.context));
        return bound;
    }

    // DuckDB tells no columns while a function (json_object) waits for the value of a parameter: then those that it has
    // with NULLs in the parameters' places.
    Status TellColumns() {
        const auto& types = fresh_.prepared->GetTypes();
        bool waits = parsed_->type == StatementType::SELECT_STATEMENT && !fresh_.prepared->named_param_map.empty() &&
                     types.size() == 1 && types[0].id() == duckdb::LogicalTypeId::UNKNOWN;
        if (!waits) return AddColumns(*fresh_.prepared);
        auto copy = parsed_->Copy();
        NullsForParameters nulls;
        TRY(nulls.WalkQuery(copy->Cast<duckdb::SelectStatement>().node));
        Bound told = TRY(BindOn(*core_, TRY(core_->NewRun(sql_)), *copy));
        return AddColumns(*told.prepared);
    }
    Status AddColumns(duckdb::PreparedStatement& prepared) {
        for (size_t i = 0; i < prepared.GetNames().size(); i++) {
            info_.columns.push_back(DescribeColumn(prepared.GetNames()[i], prepared.GetTypes()[i]));
        }
        return Ok();
    }

    // A plan tells how many rows a scan reads and what a filter lets through.
    static Status MayBeExplained(StatementContext& context) {
        std::lock_guard lock(context.mutex);
        for (const auto& [key, relation] : context.resolved) {
            if (relation->obligations.row_filter.empty()) continue;
            return Error(ErrorCode::kPermissionDenied,
                         "the plan would tell how many rows of {}.{} are hidden from you, so there is none to see",
                         relation->schema, relation->name)
                .WithDetailCode("42501");
        }
        return Ok();
    }

    Result<ParameterMap> Parameters(Bound& bound, const std::vector<SqlValue>& given) {
        const auto& names = bound.prepared->named_param_map;
        if (names.size() != given.size()) {
            return Error(ErrorCode::kInvalidArgument, "the statement takes {} parameters, {} were given", names.size(),
                         given.size())
                .WithDetailCode("08P01");
        }
        auto types = bound.prepared->GetExpectedParameterTypes();
        ParameterMap result;
        for (const auto& [name, index] : names) {
            const SqlValue& value = given[index - 1];
            try {
                auto expected = types.find(name);
                duckdb::LogicalType type = duckdb::LogicalType::UNKNOWN;
                if (expected != types.end()) type = expected->second;
                if (!value.type.empty()) type = TypeOf(*bound.run.connection->context, value.type);
                result[name] = duckdb::BoundParameterData(ToValue(*bound.run.connection->context, value, type));
            } catch (const std::exception& failure) {
                return ToError(failure, {}).Context(fmt::format("parameter ${}", index));
            }
        }
        return result;
    }

    static Value ToValue(duckdb::ClientContext& context, const SqlValue& value, const duckdb::LogicalType& type) {
        bool typed = type.id() != duckdb::LogicalTypeId::UNKNOWN && type.id() != duckdb::LogicalTypeId::SQLNULL &&
                     type.id() != duckdb::LogicalTypeId::INVALID;
        if (!value.text) return typed ? Value(type) : Value();
        if (!typed || type.id() == duckdb::LogicalTypeId::VARCHAR) return Value(*value.text);
        Value result;
        context.RunFunctionInTransaction([&] { result = Value(*value.text).CastAs(context, type); });
        return result;
    }

    void CollectReads() {
        for (const auto& [key, relation] : fresh_.run.context->resolved) {
            info_.reads.push_back({relation->schema, relation->name, relation->version, {}});
        }
        if (info_.reads.empty()) return;
        const auto& plan = fresh_.prepared->data->physical_plan;
        if (plan) {
            CollectColumns(plan->Root(), info_.reads);
            return;
        }
        // With parameters DuckDB plans at execution only: bind once more, for the columns. A mistake was told already.
        auto run = core_->NewRun(sql_);
        if (run) (void)CollectColumnReads(*run, *parsed_, info_.reads);
    }

    std::shared_ptr<SessionCore> core_;
    std::string sql_;
    duckdb::unique_ptr<duckdb::SQLStatement> parsed_;
    Bound fresh_;
    StatementInfo info_;
};

class SessionImpl : public Session {
  public:
    SessionImpl(EngineCore& engine, SessionOptions options)
        : core_(std::make_shared<SessionCore>(engine, std::move(options))) {}

    Result<std::vector<Part>> Split(const std::string& script) override {
        std::vector<Part> parts;
        for (auto [begin, end] : TRY(SplitScript(script))) {
            Part part{script.substr(begin, end - begin), CharacterPosition(script, begin)};
            // A mistake in any statement is told before the first one runs.
            auto command = SettingsCommandOf(part.sql);
            if ((!command || !*command) && !IsOfTheProtocol(part.sql)) {
                auto parsed = ParseSql(part.sql);
                if (!parsed) return Shifted(std::move(parsed).error(), part.position);
            }
            parts.push_back(std::move(part));
        }
        return parts;
    }

    Result<std::unique_ptr<Statement>> Prepare(const std::string& sql,
                                               const std::vector<std::string>& parameter_types) override {
        auto command = TRY(SettingsCommandOf(sql));
        if (command) {
            return std::unique_ptr<Statement>(std::make_unique<SettingStatement>(core_, std::move(*command)));
        }
        auto prepared = TRY(PrepareTyped(sql, parameter_types));
        // A parameter whose type nothing tells is text, as in PostgreSQL: DuckDB tells no columns before all are known.
        std::vector<std::string> types = parameter_types;
        types.resize(std::max(types.size(), prepared->info().parameter_types.size()));
        bool settled = false;
        for (size_t i = 0; i < prepared->info().parameter_types.size(); i++) {
            if (!types[i].empty() || !prepared->info().parameter_types[i].empty()) continue;
            types[i] = "VARCHAR";
            settled = true;
        }
        if (!settled) return prepared;
        auto again = PrepareTyped(sql, types);
        return again ? std::move(again) : Result<std::unique_ptr<Statement>>(std::move(prepared));
    }

    Result<std::vector<WrittenFile>> WriteQuery(const std::string& sql, const WriteOptions& options) override {
        auto statement = TRY(ParseOne(sql));
        if (statement->type != StatementType::SELECT_STATEMENT) {
            return Error(ErrorCode::kInvalidArgument, "only a SELECT can be written as a table")
                .WithDetailCode("42601");
        }
        TRY(Check(*statement, sql, {}));
        Run run = TRY(core_->NewRun(sql));
        QueryMeter meter(core_->engine);
        auto written = CopyToParquet(run, *statement, options);
        if (!written.ok() && *run.context->copy_failed) {
            Run again = TRY(core_->NewRun(sql));
            again.context->ContinueWithoutCopies(*run.context);
            written = CopyToParquet(again, *statement, options);
        }
        meter.End(written.ok());
        return written;
    }

    Result<std::unique_ptr<RowWriter>> StartRows(const RowWriterOptions& options) override {
        return NewRowWriter(TRY(core_->NewRun({})), options);
    }

    Status Provide(const std::string& name, Relation relation) override {
        return Substitute(kInputSchema, name, std::move(relation));
    }

    Status Substitute(const std::string& schema, const std::string& name, Relation relation) override {
        relation.schema = schema;
        relation.name = name;
        core_->provided[ToLower(schema + "." + name)] = std::make_shared<const Relation>(std::move(relation));
        return Ok();
    }

    void Cancel() override {
        std::lock_guard lock(core_->mutex);
        for (const auto& one : core_->running) {
            if (auto connection = one.lock()) connection->Interrupt();
        }
    }

    double progress() const override {
        std::lock_guard lock(core_->mutex);
        for (const auto& one : core_->running) {
            auto connection = one.lock();
            double percent = connection ? connection->GetQueryProgress() : -1;
            if (percent >= 0) return percent;
        }
        return -1;
    }

  private:
    Result<std::unique_ptr<Statement>> PrepareTyped(const std::string& sql, const std::vector<std::string>& types) {
        auto statement = TRY(ParseOne(sql));
        TRY(Check(*statement, sql, types));
        auto prepared = std::make_unique<SqlStatement>(core_, sql, std::move(statement));
        TRY(prepared->Prepare());
        return std::unique_ptr<Statement>(std::move(prepared));
    }
    // An error about a part of a script, told about the script.
    static Error Shifted(Error error, int64_t part_position) {
        auto position = error.position();
        if (!position) return error;
        return std::move(error).WithPosition(part_position + *position - 1);
    }
    Result<duckdb::unique_ptr<duckdb::SQLStatement>> ParseOne(const std::string& sql) {
        auto statements = TRY(ParseSql(sql));
        if (statements.size() != 1) {
            return Error(ErrorCode::kInvalidArgument, "one statement is needed here, {} were given", statements.size())
                .WithDetailCode("42601");
        }
        return std::move(statements[0]);
    }
    Status Check(duckdb::SQLStatement& statement, const std::string& sql,
                 const std::vector<std::string>& parameter_types) {
        SandboxOptions options{
            .trusted = core_->options.trusted,
            .default_schema = core_->options.default_schema,
            .parameter_types = parameter_types,
            .user = core_->options.principal.name,
            .setting = [this](const std::string& name) { return core_->settings.Get(name, core_->options); }};
        return CheckStatement(statement, sql, options);
    }

    std::shared_ptr<SessionCore> core_;
};

}  // namespace

Error OurError(StatementContext& context, Error error) {
    std::lock_guard lock(context.mutex);
    if (!context.failure || error.code() == ErrorCode::kCancelled) return error;
    Error ours = *context.failure;
    return ours;
}

Result<std::unique_ptr<ResultStream>> Session::Query(const std::string& sql) {
    auto statement = TRY(Prepare(sql));
    return statement->Execute({});
}

std::unique_ptr<Session> NewSession(EngineCore& engine, SessionOptions options) {
    return std::make_unique<SessionImpl>(engine, std::move(options));
}

}  // namespace tarn::engine
