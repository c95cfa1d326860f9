// What users' SQL may say. A list of what is allowed where DuckDB's answer could reach outside of the session's tables;
// every name of a table gets our catalog in front, so that none falls through to DuckDB's own.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "engine/adapter.h"
#include "engine/ast_walk.h"
#include "engine/delta_statistics.h"
#include "engine/pg_catalog.h"
#include "engine/pg_rewrite.h"
#include "engine/settings.h"

namespace tarn::engine {
namespace {

using duckdb::ExpressionClass;
using duckdb::StatementType;

// The only table functions of users: they make rows out of their arguments.
constexpr std::string_view kTableFunctions[] = {
    "generate_series", "generate_subscripts", "json_each", "json_tree",   "pg_timezone_names", "range",
    "repeat",          "repeat_row",          "unnest",    "unnest_rows",
};
// Scalar and aggregate functions that read the machine, the settings, other text as SQL, or DuckDB's insides.
constexpr std::string_view kForbidden[] = {
    "getenv",
    "getvariable",
    "current_setting",
    "nextval",
    "currval",
    "query",
    "query_table",
    "write_log",
    "sleep_ms",
    "finalize",
    "combine",
    "sql_auto_complete",
    "in_search_path",
    "current_schemas",
    "json_execute_serialized_sql",
    "json_serialize_plan",
    "from_substrait",
    "get_substrait",
    "which_secret",
    "parse_duckdb_log_message",
    "create_sort_key",
    "getenv_or_default",
    "file_exists",
    "set_config",
    "from_binary_state",
    "stats",
    "tarn_fence",
};
constexpr std::string_view kForbiddenPrefixes[] = {
    "duckdb_", "pragma_",   "read_",      "__internal",  "parquet_", "sniff_", "sqlite_",
    "tarn_",   "postgres_", "iceberg_",   "delta_",      "http_",    "write_", "copy_",
    "glob",    "scan_",     "arrow_scan", "pandas_scan", "seq_scan",
};

bool IsForbidden(const std::string& name) {
    for (std::string_view prefix : kForbiddenPrefixes) {
        if (name.starts_with(prefix)) return true;
    }
    return std::find(std::begin(kForbidden), std::end(kForbidden), name) != std::end(kForbidden);
}

bool LooksLikePath(const std::string& name) {
    std::string lower = ToLower(name);
    for (const char* end : {".parquet", ".csv", ".json", ".ndjson", ".tsv", ".txt", ".gz", ".zst", ".db", ".duckdb"}) {
        if (lower.ends_with(end)) return true;
    }
    return lower.find("://") != std::string::npos || lower.find('/') != std::string::npos ||
           lower.find('*') != std::string::npos;
}

class Sandbox : public AstWalker {
  public:
    Sandbox(std::string_view sql, const SandboxOptions& options) : sql_(sql), options_(options) {
        postgres_.about_catalog = sql.find("pg_catalog") != std::string_view::npos;
        postgres_.user = options.user;
        postgres_.setting = options.setting;
    }

  protected:
    Status OnTable(TablePointer& table) override {
        auto& base = table->Cast<duckdb::BaseTableRef>();
        if (!base.catalog_name.empty() && !EqualsIgnoreCase(base.catalog_name, kCatalogName)) {
            return At(Error(ErrorCode::kNotFound, "there is no database {}", base.catalog_name)
                          .WithDetailCode("3D000")
                          .WithHint("tables are named schema.table"),
                      base.query_location);
        }
        if (base.schema_name.empty()) {
            if (LooksLikePath(base.table_name)) {
                return At(Error(ErrorCode::kPermissionDenied, "SQL cannot name a file: {}", base.table_name)
                              .WithDetailCode("42501")
                              .WithHint("tables are named schema.table"),
                          base.query_location);
            }
            base.schema_name = IsSystemTable(base.table_name) ? "pg_catalog" : options_.default_schema;
        }
        base.catalog_name = kCatalogName;
        return Ok();
    }

    Status OnTableFunction(TablePointer& table) override {
        auto& reference = table->Cast<duckdb::TableFunctionRef>();
        if (reference.function->GetExpressionClass() != ExpressionClass::FUNCTION) {
            return NotSupported("this table function", reference.query_location);
        }
        auto& function = reference.function->Cast<duckdb::FunctionExpression>();
        if (EqualsIgnoreCase(function.schema, "pg_catalog")) {
            function.schema.clear();
            // In PostgreSQL the alias of such a function is also its column's name.
            if (reference.column_name_alias.empty() && !reference.alias.empty()) {
                reference.column_name_alias = {reference.alias};
            }
        }
        if (options_.trusted) return Ok();
        std::string name = ToLower(function.function_name);
        if (std::string_view query = SystemTableFunction(name); !query.empty()) return BecomeQuery(table, query);
        if (std::find(std::begin(kTableFunctions), std::end(kTableFunctions), name) == std::end(kTableFunctions)) {
            return Refused("the table function", name, reference.query_location);
        }
        return Ok();
    }

    Status OnShow(TablePointer& table) override {
        auto& show = table->Cast<duckdb::ShowRef>();
        if (show.query) return Ok();  // DESCRIBE and SUMMARIZE of a query or a table, which was walked
        std::string what = show.table_name;
        std::string query;
        if (what == "\"tables\"" || show.show_type == duckdb::ShowType::SHOW_FROM) {
            const std::string& schema = show.schema_name.empty() ? options_.default_schema : show.schema_name;
            query = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = " +
                    QuoteLiteral(schema) + " ORDER BY 1";
        } else if (what == "\"schemas\"") {
            query = "SELECT schema_name AS name FROM information_schema.schemata ORDER BY 1";
        } else if (what == "\"databases\"") {
            query = "SELECT datname AS database_name FROM pg_catalog.pg_database";
        } else {
            return NotSupported("this SHOW", show.query_location);
        }
        auto statements = TRY(ParseSql(query));
        auto select = duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(std::move(statements[0]));
        TRY(WalkQuery(select->node));
        table = duckdb::make_uniq<duckdb::SubqueryRef>(std::move(select), "shown");
        return Ok();
    }

    Status OnExpression(ExpressionPointer& expression) override {
        if (TRY(RewriteForPostgres(expression, postgres_))) return Ok();
        switch (expression->GetExpressionClass()) {
            case ExpressionClass::FUNCTION: {
                auto& function = expression->Cast<duckdb::FunctionExpression>();
                if (EqualsIgnoreCase(function.function_name, "unnest")) TypeList(function);
                return CheckFunction(function.function_name, function.export_state, *expression);
            }
            case ExpressionClass::WINDOW:
                return CheckFunction(expression->Cast<duckdb::WindowExpression>().function_name, false, *expression);
            case ExpressionClass::PARAMETER:
                return TypeParameter(expression);
            default:
                return Ok();
        }
    }

  private:
    Status BecomeQuery(TablePointer& table, std::string_view query) {
        auto statements = TRY(ParseSql(std::string(query)));
        auto select = duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(std::move(statements[0]));
        TRY(WalkQuery(select->node));
        auto& function = table->Cast<duckdb::TableFunctionRef>();
        std::string alias = function.alias.empty() ? function.function->GetName() : function.alias;
        auto columns = function.column_name_alias;
        auto subquery = duckdb::make_uniq<duckdb::SubqueryRef>(std::move(select), alias);
        subquery->column_name_alias = std::move(columns);
        table = std::move(subquery);
        return Ok();
    }
    Status CheckFunction(const std::string& given, bool export_state, const duckdb::ParsedExpression& expression) {
        if (options_.trusted) return Ok();
        std::string name = ToLower(given);
        if (name == "set_config") {
            return At(Error(ErrorCode::kNotSupported, "set_config of this setting is not supported")
                          .WithDetailCode("0A000")
                          .WithHint("use SET name = value"),
                      expression.GetQueryLocation());
        }
        if (IsForbidden(name) || export_state) return Refused("the function", name, expression.GetQueryLocation());
        return Ok();
    }

    // x = ANY($1), which the parser makes an unnest($1): of a parameter whose type nobody told, a list of texts.
    void TypeList(duckdb::FunctionExpression& function) {
        bool parameter =
            function.children.size() == 1 && function.children[0]->GetExpressionClass() == ExpressionClass::PARAMETER;
        if (!parameter) return;
        const std::string& name = function.children[0]->Cast<duckdb::ParameterExpression>().identifier;
        size_t number = static_cast<size_t>(WholeNumber(name));
        const auto& types = options_.parameter_types;
        if (number == 0 || (number <= types.size() && !types[number - 1].empty())) return;
        function.children[0] = duckdb::make_uniq<duckdb::CastExpression>(
            duckdb::LogicalType::LIST(duckdb::LogicalType::VARCHAR), std::move(function.children[0]));
    }

    // $2 whose type the client told becomes CAST($2 AS type).
    Status TypeParameter(ExpressionPointer& expression) {
        if (std::exchange(typed_, false)) return Ok();
        const std::string& name = expression->Cast<duckdb::ParameterExpression>().identifier;
        size_t number = 0;
        for (char c : name) {
            if (c < '0' || c > '9' || number > 100'000) return Ok();
            number = number * 10 + (c - '0');
        }
        if (number == 0 || number > options_.parameter_types.size()) return Ok();
        const std::string& type = options_.parameter_types[number - 1];
        if (type.empty()) return Ok();
        try {
            auto parsed = duckdb::Parser::ParseExpressionList(fmt::format("CAST(${} AS {})", number, type));
            parsed[0]->SetAlias(expression->GetAlias());
            expression = std::move(parsed[0]);
        } catch (const std::exception& failure) {
            return ToError(failure, {}).Context(fmt::format("the type of parameter ${}", number));
        }
        typed_ = true;  // its child is the parameter itself, walked next
        return Ok();
    }

    Status Refused(const char* what, const std::string& name, duckdb::optional_idx location) {
        return At(Error(ErrorCode::kPermissionDenied, "{} {} cannot be used here", what, name).WithDetailCode("42501"),
                  location);
    }
    Status NotSupported(const std::string& what, duckdb::optional_idx location) {
        return At(Error(ErrorCode::kNotSupported, "{} is not supported", what).WithDetailCode("0A000"), location);
    }
    Error At(Error error, duckdb::optional_idx location) {
        if (!location.IsValid() || location.GetIndex() > sql_.size()) return error;
        return std::move(error).WithPosition(CharacterPosition(sql_, location.GetIndex()));
    }

    std::string_view sql_;
    const SandboxOptions& options_;
    PgRewriteOptions postgres_;
    bool typed_ = false;
};

Status RefuseStatement(StatementType type) {
    switch (type) {
        case StatementType::INSERT_STATEMENT:
        case StatementType::UPDATE_STATEMENT:
        case StatementType::DELETE_STATEMENT:
        case StatementType::MERGE_INTO_STATEMENT:
        case StatementType::CREATE_STATEMENT:
        case StatementType::CREATE_FUNC_STATEMENT:
        case StatementType::ALTER_STATEMENT:
        case StatementType::DROP_STATEMENT:
            return Error(ErrorCode::kNotSupported, "tables are not changed by SQL: {} is not supported",
                         duckdb::StatementTypeToString(type))
                .WithDetailCode("0A000")
                .WithHint("tables are made by files of the workspace");
        case StatementType::PREPARE_STATEMENT:
        case StatementType::EXECUTE_STATEMENT:
            return Error(ErrorCode::kNotSupported, "{} as a statement is not supported",
                         duckdb::StatementTypeToString(type))
                .WithDetailCode("0A000")
                .WithHint("drivers prepare statements by the protocol");
        case StatementType::MULTI_STATEMENT:
            return Error(ErrorCode::kNotSupported, "PIVOT needs its values: ON column IN (value, ...)")
                .WithDetailCode("0A000");
        default:
            return Error(ErrorCode::kPermissionDenied, "{} is not allowed", duckdb::StatementTypeToString(type))
                .WithDetailCode("42501");
    }
}

// psql writes x::pg_catalog.text, CAST(x AS pg_catalog.text) and x OPERATOR(pg_catalog.~) y, which DuckDB's grammar
// does not know: the schema becomes blanks, so that every position stays what it was.
std::string WithoutTypeSchemas(const std::string& sql) {
    if (sql.find("pg_catalog") == std::string::npos) return sql;
    auto tokens = Tokenize(sql);
    if (!tokens) return sql;  // the parser will say what is wrong
    std::string result = sql;
    for (size_t i = 2; i + 1 < tokens->size(); i++) {
        const SqlToken& token = tokens->at(i);
        bool cast = tokens->at(i - 1).text == ":" && tokens->at(i - 2).text == ":";
        bool operation = tokens->at(i - 1).text == "(" && tokens->at(i - 2).text == "operator";
        cast = cast || tokens->at(i - 1).text == "as";  // CAST(x AS pg_catalog.text)
        if ((!cast && !operation) || token.text != "pg_catalog" || tokens->at(i + 1).text != ".") continue;
        for (size_t at = token.begin; at < tokens->at(i + 1).end; at++) result[at] = ' ';
    }
    return result;
}

}  // namespace

bool IsAllowedFunction(const std::string& name) { return !IsForbidden(name); }

Result<duckdb::vector<duckdb::unique_ptr<duckdb::SQLStatement>>> ParseSql(const std::string& sql) {
    try {
        duckdb::ParserOptions options;
        options.max_expression_depth = kDepthMax;
        duckdb::Parser parser(options);
        parser.ParseQuery(WithoutTypeSchemas(sql));
        return std::move(parser.statements);
    } catch (const std::exception& failure) {
        return ToError(failure, sql);
    }
}

Status CheckStatement(duckdb::SQLStatement& statement, std::string_view sql, const SandboxOptions& options) {
    if (statement.type == StatementType::EXPLAIN_STATEMENT) {
        auto& explained = *statement.Cast<duckdb::ExplainStatement>().stmt;
        if (explained.type != StatementType::SELECT_STATEMENT) return RefuseStatement(explained.type);
        return CheckStatement(explained, sql, options);
    }
    if (statement.type != StatementType::SELECT_STATEMENT) return RefuseStatement(statement.type);
    Sandbox sandbox(sql, options);
    return sandbox.WalkQuery(statement.Cast<duckdb::SelectStatement>().node);
}

}  // namespace tarn::engine
