#include "engine/pg_rewrite.h"

#include "base/text.h"
#include "engine/adapter.h"
#include "engine/ast_walk.h"
#include "engine/delta_statistics.h"
#include "engine/pg_catalog.h"
#include "engine/settings.h"

namespace tarn::engine {
namespace {

using duckdb::ExpressionClass;
using duckdb::ParsedExpression;
using ExpressionPointer = duckdb::unique_ptr<ParsedExpression>;

// Puts copies of the arguments where $1, $2 ... stand, also inside of subqueries; one that was not given is NULL.
class Substitution : public AstWalker {
  public:
    explicit Substitution(const std::vector<ExpressionPointer>& arguments) : arguments_(arguments) {}

  protected:
    Status OnTable(TablePointer&) override { return Ok(); }
    Status OnExpression(ExpressionPointer& expression) override {
        if (expression->GetExpressionClass() != ExpressionClass::PARAMETER) return Ok();
        const std::string& name = expression->Cast<duckdb::ParameterExpression>().identifier;
        if (!name.starts_with("tarn_")) return Ok();
        size_t number = static_cast<size_t>(WholeNumber(std::string_view(name).substr(5)));
        if (number >= 1 && number <= arguments_.size()) {
            expression = arguments_[number - 1]->Copy();
        } else {
            expression = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value());
        }
        return Ok();
    }

  private:
    const std::vector<ExpressionPointer>& arguments_;
};

Status Expand(ExpressionPointer& expression, std::string_view form, std::vector<ExpressionPointer> arguments) {
    // The form's parameters get names of their own, so that the statement's among the arguments are not taken for them.
    std::string text;
    for (size_t i = 0; i < form.size(); i++) {
        bool parameter = form[i] == '$' && i + 1 < form.size() && form[i + 1] >= '0' && form[i + 1] <= '9';
        text += parameter ? "$tarn_" : std::string(1, form[i]);
    }
    auto parsed = duckdb::Parser::ParseExpressionList(text);
    Substitution substitution(arguments);
    std::string alias = expression->GetAlias();
    auto location = expression->GetQueryLocation();
    TRY(substitution.WalkExpression(parsed[0]));
    expression = std::move(parsed[0]);
    expression->SetAlias(alias);
    expression->SetQueryLocation(location);
    return Ok();
}

std::optional<std::string> ConstantText(const ParsedExpression& expression) {
    if (expression.GetExpressionClass() != ExpressionClass::CONSTANT) return std::nullopt;
    const auto& value = expression.Cast<duckdb::ConstantExpression>().value;
    if (value.IsNull() || value.type().id() != duckdb::LogicalTypeId::VARCHAR) return std::nullopt;
    return value.ToString();
}

bool IsNumber(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

Result<bool> RewriteFunction(ExpressionPointer& expression, const PgRewriteOptions& options) {
    auto& function = expression->Cast<duckdb::FunctionExpression>();
    std::string name = ToLower(function.function_name);
    bool qualified = EqualsIgnoreCase(function.schema, "pg_catalog");
    if (name == "current_setting" && !function.children.empty()) {
        auto setting = ConstantText(*function.children[0]);
        auto value = setting && options.setting ? options.setting(*setting) : std::nullopt;
        if (!value) return false;
        std::string alias = expression->GetAlias().empty() ? name : expression->GetAlias();
        expression = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(*value));
        expression->SetAlias(alias);
        return true;
    }
    // The setting is one without an effect: its value is the answer, and nothing needs to be remembered.
    if (name == "set_config" && function.children.size() == 3) {
        auto setting = ConstantText(*function.children[0]);
        auto value = ConstantText(*function.children[1]);
        if (!setting || !value || !IsWithoutEffect(ToLower(*setting))) return false;
        std::string alias = expression->GetAlias().empty() ? name : expression->GetAlias();
        expression = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(*value));
        expression->SetAlias(alias);
        return true;
    }
    if (name == "current_user" || name == "session_user" || name == "user" || name == "current_role") {
        expression = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(options.user));
        expression->SetAlias(name);
        return true;
    }
    if (std::string_view form = SystemFunction(name); !form.empty() && !form.starts_with("regclass of")) {
        if (expression->GetAlias().empty()) expression->SetAlias(name);
        std::vector<ExpressionPointer> arguments;
        for (auto& child : function.children) arguments.push_back(std::move(child));
        TRY(Expand(expression, form, std::move(arguments)));
        return true;
    }
    if (std::string_view other = OtherNameOf(name); !other.empty()) function.function_name = other;
    if (qualified) function.schema.clear();  // pg_catalog.lower(x)
    if (options.about_catalog && name == "regexp_full_match") function.function_name = "regexp_matches";
    return false;
}

// The last part of the name of a type that DuckDB does not know by itself; empty for its own.
std::string TypeNameOf(const duckdb::LogicalType& type) {
    if (type.id() != duckdb::LogicalTypeId::UNBOUND) return {};
    const auto& named = duckdb::UnboundType::GetTypeExpression(type);
    if (!named || named->GetExpressionClass() != ExpressionClass::TYPE) return {};
    return ToLower(named->Cast<duckdb::TypeExpression>().GetTypeName());
}
bool HasSchema(const duckdb::LogicalType& type) {
    if (type.id() != duckdb::LogicalTypeId::UNBOUND) return false;
    const auto& named = duckdb::UnboundType::GetTypeExpression(type);
    return named && named->GetExpressionClass() == ExpressionClass::TYPE &&
           EqualsIgnoreCase(named->Cast<duckdb::TypeExpression>().GetSchema(), "pg_catalog");
}

bool IsTextCast(const ParsedExpression& expression) {
    if (expression.GetExpressionClass() != ExpressionClass::CAST) return false;
    const auto& type = expression.Cast<duckdb::CastExpression>().cast_type;
    return type.id() == duckdb::LogicalTypeId::VARCHAR || TypeNameOf(type) == "text" || TypeNameOf(type) == "varchar";
}

// typreceive <> 0: PostgreSQL compares the procedure's oid, which here is its name, with "-" for none.
Result<bool> RewriteComparison(ParsedExpression& expression) {
    auto& comparison = expression.Cast<duckdb::ComparisonExpression>();
    auto is_procedure = [](const ParsedExpression& side) {
        if (side.GetExpressionClass() != ExpressionClass::COLUMN_REF) return false;
        std::string name = ToLower(side.Cast<duckdb::ColumnRefExpression>().column_names.back());
        return name == "typreceive" || name == "typsend" || name == "typinput" || name == "typoutput";
    };
    auto is_zero = [](const ParsedExpression& side) {
        return side.GetExpressionClass() == ExpressionClass::CONSTANT &&
               side.Cast<duckdb::ConstantExpression>().value.ToString() == "0";
    };
    auto none = [] { return duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value("-")); };
    if (is_procedure(*comparison.left) && is_zero(*comparison.right)) comparison.right = none();
    return false;
}

Result<bool> RewriteCast(ExpressionPointer& expression) {
    auto& cast = expression->Cast<duckdb::CastExpression>();
    std::string type = TypeNameOf(cast.cast_type);
    auto expand = [&](const char* form) -> Result<bool> {
        std::vector<ExpressionPointer> arguments;
        arguments.push_back(std::move(cast.child));
        TRY(Expand(expression, SystemFunction(form), std::move(arguments)));
        return true;
    };
    if (type == "regclass" || type == "regtype" || type == "regnamespace") {
        auto text = ConstantText(*cast.child);
        // x::text::regtype is a name, whatever x is; so is what a client gives.
        bool parameter = cast.child->GetExpressionClass() == ExpressionClass::PARAMETER;
        bool named = (text && !IsNumber(*text)) || (!text && (parameter || IsTextCast(*cast.child)));
        if (type == "regclass") return expand(named ? "regclass of name" : "regclass of oid");
        if (type == "regnamespace") return expand(named ? "regnamespace of name" : "regnamespace of oid");
        return expand(named ? "regtype of name" : "format_type");
    }
    static constexpr std::string_view kTexts[] = {"name",       "char",      "regproc", "regprocedure",
                                                  "aclitem",    "cstring",   "xid",     "pg_node_tree",
                                                  "int2vector", "oidvector", "regrole"};
    for (std::string_view text : kTexts) {
        if (type != text) continue;
        cast.cast_type = duckdb::LogicalType::VARCHAR;
        return false;
    }
    if (type == "oid") cast.cast_type = duckdb::LogicalType::BIGINT;
    if (HasSchema(cast.cast_type)) {
        auto plain = duckdb::Parser::ParseExpressionList("CAST(NULL AS " + QuoteIdentifier(type) + ")");
        cast.cast_type = plain[0]->Cast<duckdb::CastExpression>().cast_type;
    }
    return false;
}

}  // namespace

Result<bool> RewriteForPostgres(ExpressionPointer& expression, const PgRewriteOptions& options) {
    try {
        switch (expression->GetExpressionClass()) {
            case ExpressionClass::FUNCTION:
                return RewriteFunction(expression, options);
            case ExpressionClass::CAST:
                return RewriteCast(expression);
            case ExpressionClass::COMPARISON:
                return options.about_catalog ? RewriteComparison(*expression) : false;
            case ExpressionClass::COLUMN_REF: {
                // These words are reserved in PostgreSQL, so no column has such a name without quotes.
                const auto& names = expression->Cast<duckdb::ColumnRefExpression>().column_names;
                std::string name = names.size() == 1 ? ToLower(names[0]) : std::string();
                bool who = name == "current_user" || name == "session_user" || name == "current_role";
                if (!who && name != "current_catalog") return false;
                expression = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(who ? options.user : "tarn"));
                expression->SetAlias(name);
                return true;
            }
            case ExpressionClass::COLLATE: {
                auto& collate = expression->Cast<duckdb::CollateExpression>();
                std::string collation = ToLower(collate.collation);
                if (collation == "pg_catalog.default" || collation == "default" ||
                    collation == "pg_catalog.\"default\"" || collation == "c" || collation == "pg_catalog.c") {
                    auto child = std::move(collate.child);
                    expression = std::move(child);
                    return RewriteForPostgres(expression, options);
                }
                return false;
            }
            default:
                return false;
        }
    } catch (const std::exception& failure) {
        return ToError(failure, {});
    }
}

}  // namespace tarn::engine
