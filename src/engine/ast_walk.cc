#include "engine/ast_walk.h"

#include "base/text.h"

namespace tarn::engine {

using duckdb::ExpressionClass;
using duckdb::QueryNodeType;
using duckdb::TableReferenceType;

// Counts the depth of what is being walked, and of nothing else.
class AstWalker::Deeper {
  public:
    explicit Deeper(int& depth) : depth_(depth) { depth_++; }
    ~Deeper() { depth_--; }
    Status Check() const {
        if (depth_ <= kDepthMax) return Ok();
        return Error(ErrorCode::kResourceExhausted, "the statement is nested deeper than {} levels", kDepthMax)
            .WithDetailCode("54001");
    }

  private:
    int& depth_;
};

bool AstWalker::IsCte(const std::string& name) const {
    for (const std::string& visible : ctes_) {
        if (EqualsIgnoreCase(visible, name)) return true;
    }
    return false;
}

Status AstWalker::WalkQuery(duckdb::unique_ptr<duckdb::QueryNode>& node) {
    Deeper deeper(depth_);
    TRY(deeper.Check());
    size_t visible = ctes_.size();
    Status status = Node(*node);
    ctes_.resize(visible);
    return status;
}

Status AstWalker::Node(duckdb::QueryNode& node) {
    for (auto& [name, info] : node.cte_map.map) {
        TRY(All(info->key_targets));
        // A recursive CTE names itself; DuckDB marks it by the kind of its node.
        bool recursive = info->query->node->type == QueryNodeType::RECURSIVE_CTE_NODE;
        if (recursive) ctes_.push_back(name);
        TRY(WalkQuery(info->query->node));
        if (!recursive) ctes_.push_back(name);
    }
    switch (node.type) {
        case QueryNodeType::SELECT_NODE:
            TRY(Select(node));
            break;
        case QueryNodeType::SET_OPERATION_NODE:
            // DuckDB's planning of a union grows with the square of its parts.
            if (node.Cast<duckdb::SetOperationNode>().children.size() > kUnionPartsMax) {
                return Error(ErrorCode::kResourceExhausted, "more than {} queries in one UNION", kUnionPartsMax)
                    .WithDetailCode("54001");
            }
            for (auto& child : node.Cast<duckdb::SetOperationNode>().children) TRY(WalkQuery(child));
            break;
        case QueryNodeType::RECURSIVE_CTE_NODE: {
            auto& recursive = node.Cast<duckdb::RecursiveCTENode>();
            ctes_.push_back(recursive.ctename);
            TRY(WalkQuery(recursive.left));
            TRY(WalkQuery(recursive.right));
            TRY(All(recursive.key_targets));
            break;
        }
        case QueryNodeType::CTE_NODE: {
            auto& cte = node.Cast<duckdb::CTENode>();
            TRY(WalkQuery(cte.query));
            ctes_.push_back(cte.ctename);
            TRY(WalkQuery(cte.child));
            break;
        }
        default:
            return Error(ErrorCode::kNotSupported, "only queries can be nested in a statement").WithDetailCode("0A000");
    }
    return Modifiers(node);
}

Status AstWalker::Select(duckdb::QueryNode& node) {
    auto& select = node.Cast<duckdb::SelectNode>();
    if (select.from_table) TRY(Table(select.from_table));
    TRY(All(select.select_list));
    TRY(Optional(select.where_clause));
    TRY(All(select.groups.group_expressions));
    TRY(Optional(select.having));
    return Optional(select.qualify);
}

Status AstWalker::Modifiers(duckdb::QueryNode& node) {
    for (auto& modifier : node.modifiers) {
        switch (modifier->type) {
            case duckdb::ResultModifierType::LIMIT_MODIFIER: {
                auto& limit = modifier->Cast<duckdb::LimitModifier>();
                TRY(Optional(limit.limit));
                TRY(Optional(limit.offset));
                break;
            }
            case duckdb::ResultModifierType::LIMIT_PERCENT_MODIFIER: {
                auto& limit = modifier->Cast<duckdb::LimitPercentModifier>();
                TRY(Optional(limit.limit));
                TRY(Optional(limit.offset));
                break;
            }
            case duckdb::ResultModifierType::ORDER_MODIFIER:
                TRY(Orders(modifier->Cast<duckdb::OrderModifier>().orders));
                break;
            case duckdb::ResultModifierType::DISTINCT_MODIFIER:
                TRY(All(modifier->Cast<duckdb::DistinctModifier>().distinct_on_targets));
                break;
        }
    }
    return Ok();
}

Status AstWalker::Table(TablePointer& table) {
    Deeper deeper(depth_);
    TRY(deeper.Check());
    switch (table->type) {
        case TableReferenceType::BASE_TABLE: {
            auto& base = table->Cast<duckdb::BaseTableRef>();
            if (base.at_clause) TRY(WalkExpression(base.at_clause->ExpressionMutable()));
            bool qualified = !base.schema_name.empty() || !base.catalog_name.empty();
            if (!qualified && IsCte(base.table_name)) return Ok();
            return OnTable(table);
        }
        case TableReferenceType::SUBQUERY:
            return WalkQuery(table->Cast<duckdb::SubqueryRef>().subquery->node);
        case TableReferenceType::JOIN:
            return Join(*table);
        case TableReferenceType::TABLE_FUNCTION: {
            auto& function = table->Cast<duckdb::TableFunctionRef>();
            if (function.subquery) TRY(WalkQuery(function.subquery->node));
            TRY(TableArguments(*function.function));
            return OnTableFunction(table);
        }
        case TableReferenceType::EXPRESSION_LIST:
            for (auto& row : table->Cast<duckdb::ExpressionListRef>().values) TRY(All(row));
            return Ok();
        case TableReferenceType::EMPTY_FROM:
            return Ok();
        case TableReferenceType::PIVOT:
            return Pivot(*table);
        case TableReferenceType::SHOW_REF: {
            auto& show = table->Cast<duckdb::ShowRef>();
            if (show.query) TRY(WalkQuery(show.query));
            return OnShow(table);
        }
        default:
            return Error(ErrorCode::kNotSupported, "this kind of table reference is not supported")
                .WithDetailCode("0A000");
    }
}

// An alias of an argument is the name of a parameter: one that a rewrite gave is taken off again.
Status AstWalker::TableArguments(duckdb::ParsedExpression& expression) {
    if (expression.GetExpressionClass() != ExpressionClass::FUNCTION) return Children(expression);
    auto& arguments = expression.Cast<duckdb::FunctionExpression>().children;
    std::vector<std::string> aliases;
    for (const auto& argument : arguments) aliases.push_back(argument->GetAlias());
    TRY(Children(expression));
    for (size_t i = 0; i < arguments.size(); i++) arguments[i]->SetAlias(aliases[i]);
    return Ok();
}

Status AstWalker::Join(duckdb::TableRef& table) {
    auto& join = table.Cast<duckdb::JoinRef>();
    TRY(Table(join.left));
    TRY(Table(join.right));
    TRY(All(join.duplicate_eliminated_columns));
    return Optional(join.condition);
}

Status AstWalker::Pivot(duckdb::TableRef& table) {
    auto& pivot = table.Cast<duckdb::PivotRef>();
    TRY(Table(pivot.source));
    TRY(All(pivot.aggregates));
    for (auto& column : pivot.pivots) {
        TRY(All(column.pivot_expressions));
        for (auto& entry : column.entries) TRY(Optional(entry.expr));
        if (column.subquery) TRY(WalkQuery(column.subquery));
    }
    return Ok();
}

Status AstWalker::WalkExpression(ExpressionPointer& expression) {
    Deeper deeper(depth_);
    TRY(deeper.Check());
    TRY(OnExpression(expression));
    return Children(*expression);
}

Status AstWalker::All(duckdb::vector<ExpressionPointer>& expressions) {
    for (auto& expression : expressions) TRY(Optional(expression));
    return Ok();
}

Status AstWalker::Orders(duckdb::vector<duckdb::OrderByNode>& orders) {
    for (auto& order : orders) TRY(Optional(order.expression));
    return Ok();
}

Status AstWalker::Children(duckdb::ParsedExpression& expression) {
    switch (expression.GetExpressionClass()) {
        case ExpressionClass::COLUMN_REF:
        case ExpressionClass::CONSTANT:
        case ExpressionClass::DEFAULT:
        case ExpressionClass::PARAMETER:
        case ExpressionClass::POSITIONAL_REFERENCE:
        case ExpressionClass::LAMBDA_REF:
            return Ok();
        case ExpressionClass::FUNCTION:
            return FunctionChildren(expression);
        case ExpressionClass::WINDOW:
            return WindowChildren(expression);
        case ExpressionClass::SUBQUERY: {
            auto& subquery = expression.Cast<duckdb::SubqueryExpression>();
            TRY(Optional(subquery.child));
            return WalkQuery(subquery.subquery->node);
        }
        case ExpressionClass::BETWEEN:
        case ExpressionClass::CASE:
        case ExpressionClass::CAST:
        case ExpressionClass::COLLATE:
        case ExpressionClass::COMPARISON:
        case ExpressionClass::CONJUNCTION:
        case ExpressionClass::TYPE:
        case ExpressionClass::LAMBDA:
        case ExpressionClass::OPERATOR:
        case ExpressionClass::STAR: {
            Status status;
            duckdb::ParsedExpressionIterator::EnumerateChildren(expression, [&](ExpressionPointer& child) {
                if (status.ok()) status = Optional(child);
            });
            return status;
        }
        default:
            return Error(ErrorCode::kNotSupported, "this kind of expression is not supported").WithDetailCode("0A000");
    }
}

Status AstWalker::FunctionChildren(duckdb::ParsedExpression& expression) {
    auto& function = expression.Cast<duckdb::FunctionExpression>();
    TRY(All(function.children));
    TRY(Optional(function.filter));
    if (function.order_bys) TRY(Orders(function.order_bys->orders));
    return Ok();
}

Status AstWalker::WindowChildren(duckdb::ParsedExpression& expression) {
    auto& window = expression.Cast<duckdb::WindowExpression>();
    TRY(All(window.children));
    TRY(All(window.partitions));
    TRY(Orders(window.orders));
    TRY(Orders(window.arg_orders));
    TRY(Optional(window.filter_expr));
    TRY(Optional(window.start_expr));
    TRY(Optional(window.end_expr));
    TRY(Optional(window.offset_expr));
    return Optional(window.default_expr);
}

}  // namespace tarn::engine
