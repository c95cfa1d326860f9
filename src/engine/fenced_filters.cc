#include "engine/fenced_filters.h"

#include <duckdb/main/config.hpp>
#include <duckdb/optimizer/optimizer_extension.hpp>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/filter/constant_filter.hpp>
#include <duckdb/planner/operator/list.hpp>
#include "engine/piece_scan.h"

namespace tarn::engine {
namespace {

using duckdb::Expression;
using duckdb::ExpressionClass;
using duckdb::ExpressionType;
using duckdb::LogicalGet;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using duckdb::LogicalProjection;
using duckdb::LogicalTypeId;
using duckdb::Value;

// Types whose order is that of the statistics, and whose comparison never fails.
bool IsPlain(const duckdb::LogicalType& type) {
    switch (type.id()) {
        case LogicalTypeId::BOOLEAN:
        case LogicalTypeId::TINYINT:
        case LogicalTypeId::SMALLINT:
        case LogicalTypeId::INTEGER:
        case LogicalTypeId::BIGINT:
        case LogicalTypeId::DECIMAL:
        case LogicalTypeId::DATE:
        case LogicalTypeId::TIMESTAMP:
        case LogicalTypeId::TIMESTAMP_TZ:
        case LogicalTypeId::VARCHAR:
            return true;
        default:
            return false;
    }
}

bool IsOrder(ExpressionType type) {
    return type == ExpressionType::COMPARE_EQUAL || type == ExpressionType::COMPARE_LESSTHAN ||
           type == ExpressionType::COMPARE_LESSTHANOREQUALTO || type == ExpressionType::COMPARE_GREATERTHAN ||
           type == ExpressionType::COMPARE_GREATERTHANOREQUALTO;
}

// A fenced projection over a scan of ours, perhaps with the policy's filter between them.
class FencedScan {
  public:
    static std::optional<FencedScan> At(LogicalOperator& plan) {
        if (plan.type != LogicalOperatorType::LOGICAL_PROJECTION) return std::nullopt;
        LogicalOperator* below = plan.children[0].get();
        if (below->type == LogicalOperatorType::LOGICAL_FILTER) below = below->children[0].get();
        if (below->type != LogicalOperatorType::LOGICAL_GET) return std::nullopt;
        auto& scan = below->Cast<LogicalGet>();
        if (scan.function.name != "tarn_scan" && scan.function.name != kPieceScan) return std::nullopt;
        return FencedScan(plan.Cast<LogicalProjection>(), scan);
    }

    void Add(const Expression& condition) {
        switch (condition.GetExpressionClass()) {
            case ExpressionClass::BOUND_COMPARISON: {
                const auto& comparison = condition.Cast<duckdb::BoundComparisonExpression>();
                auto type = condition.GetExpressionType();
                Push(*comparison.left, type, *comparison.right);
                if (IsOrder(type)) Push(*comparison.right, duckdb::FlipComparisonExpression(type), *comparison.left);
                return;
            }
            case ExpressionClass::BOUND_BETWEEN: {
                const auto& between = condition.Cast<duckdb::BoundBetweenExpression>();
                Push(*between.input, between.LowerComparisonType(), *between.lower);
                Push(*between.input, between.UpperComparisonType(), *between.upper);
                return;
            }
            case ExpressionClass::BOUND_CONJUNCTION:
                if (condition.GetExpressionType() != ExpressionType::CONJUNCTION_AND) return;
                for (const auto& part : condition.Cast<duckdb::BoundConjunctionExpression>().children) Add(*part);
                return;
            default:
                return;
        }
    }

  private:
    FencedScan(LogicalProjection& fence, LogicalGet& scan) : fence_(fence), scan_(scan) {}

    void Push(const Expression& column, ExpressionType type, const Expression& constant) {
        if (!IsOrder(type) || constant.GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) return;
        const Value& value = constant.Cast<duckdb::BoundConstantExpression>().value;
        const duckdb::ColumnIndex* shown = ShownAsItIs(column);
        if (shown == nullptr || value.IsNull() || value.type() != column.return_type || !IsPlain(value.type())) return;
        scan_.table_filters.PushFilter(*shown, duckdb::make_uniq<duckdb::ConstantFilter>(type, value));
    }

    // The scan's column behind tarn_fence(column); null for a mask, or anything else.
    const duckdb::ColumnIndex* ShownAsItIs(const Expression& expression) const {
        if (expression.GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) return nullptr;
        auto binding = expression.Cast<duckdb::BoundColumnRefExpression>().binding;
        if (binding.table_index != fence_.table_index || binding.column_index >= fence_.expressions.size()) {
            return nullptr;
        }
        const Expression& fenced = *fence_.expressions[binding.column_index];
        if (fenced.GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return nullptr;
        const auto& call = fenced.Cast<duckdb::BoundFunctionExpression>();
        if (call.function.name != "tarn_fence" || call.children.size() != 1) return nullptr;
        const Expression& inner = *call.children[0];
        if (inner.GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF) return nullptr;
        auto below = inner.Cast<duckdb::BoundColumnRefExpression>().binding;
        const auto& columns = scan_.GetColumnIds();
        if (below.table_index != scan_.table_index || below.column_index >= columns.size()) return nullptr;
        const duckdb::ColumnIndex& found = columns[below.column_index];
        return found.IsVirtualColumn() || found.HasChildren() ? nullptr : &found;
    }

    LogicalProjection& fence_;
    LogicalGet& scan_;
};

void Visit(LogicalOperator& plan) {
    if (plan.type == LogicalOperatorType::LOGICAL_FILTER) {
        if (auto scan = FencedScan::At(*plan.children[0])) {
            for (const auto& condition : plan.expressions) scan->Add(*condition);
        }
    }
    for (auto& child : plan.children) Visit(*child);
}

// After DuckDB's own: filters stand as low as they go, right above the fence.
void Optimize(duckdb::OptimizerExtensionInput&, duckdb::unique_ptr<LogicalOperator>& plan) { Visit(*plan); }

}  // namespace

void RegisterFencedFilters(duckdb::DatabaseInstance& database) {
    duckdb::OptimizerExtension extension;
    extension.optimize_function = Optimize;
    duckdb::OptimizerExtension::Register(duckdb::DBConfig::GetConfig(database), std::move(extension));
}

}  // namespace tarn::engine
