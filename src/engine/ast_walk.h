// Walks every node of a parsed SELECT: queries, tables, expressions. A kind of node it does not know is refused, so
// that nothing of a statement goes unseen. Names of CTEs are told from tables by SQL's scoping.
#pragma once

#include <string>
#include <vector>

#include "engine/duck_ast.h"
#include "engine/engine.h"

namespace duckdb {
class OrderModifier;
}

namespace tarn::engine {

inline constexpr int kDepthMax = 1000;
inline constexpr size_t kUnionPartsMax = 4000;

class AstWalker {
  public:
    virtual ~AstWalker() = default;
    Status WalkQuery(duckdb::unique_ptr<duckdb::QueryNode>& node);
    Status WalkExpression(duckdb::unique_ptr<duckdb::ParsedExpression>& expression);

  protected:
    using ExpressionPointer = duckdb::unique_ptr<duckdb::ParsedExpression>;
    using TablePointer = duckdb::unique_ptr<duckdb::TableRef>;

    // A table that is not a CTE. May replace it.
    virtual Status OnTable(TablePointer& table) = 0;
    virtual Status OnTableFunction(TablePointer& table) { return (void)table, Ok(); }
    virtual Status OnShow(TablePointer& table) { return (void)table, Ok(); }
    // Called before the children are walked. May replace the expression.
    virtual Status OnExpression(ExpressionPointer& expression) { return (void)expression, Ok(); }

    bool IsCte(const std::string& name) const;

  private:
    class Deeper;
    Status Node(duckdb::QueryNode& node);
    Status Select(duckdb::QueryNode& node);
    Status Modifiers(duckdb::QueryNode& node);
    Status Table(TablePointer& table);
    Status TableArguments(duckdb::ParsedExpression& expression);
    Status Join(duckdb::TableRef& table);
    Status Pivot(duckdb::TableRef& table);
    Status Children(duckdb::ParsedExpression& expression);
    Status FunctionChildren(duckdb::ParsedExpression& expression);
    Status WindowChildren(duckdb::ParsedExpression& expression);
    Status Orders(duckdb::vector<duckdb::OrderByNode>& orders);
    Status All(duckdb::vector<ExpressionPointer>& expressions);
    Status Optional(ExpressionPointer& expression) { return expression ? WalkExpression(expression) : Ok(); }

    std::vector<std::string> ctes_;  // visible ones, lower case, innermost last
    int depth_ = 0;
};

}  // namespace tarn::engine
