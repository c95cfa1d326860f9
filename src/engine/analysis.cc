// What a SELECT reads, from its text alone, and where its columns come from, from its bound plan.
#include <set>

#include <duckdb/catalog/catalog_entry/schema_catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/operator/list.hpp>
#include <duckdb/planner/planner.hpp>
#include "base/text.h"
#include "engine/adapter.h"
#include "engine/ast_walk.h"

namespace tarn::engine {
namespace {

using duckdb::ColumnBinding;
using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;

// ---- tables as the text names them

class TableCollector : public AstWalker {
  public:
    explicit TableCollector(const std::string& sql) : sql_(sql) {}
    QueryAnalysis analysis;

  protected:
    Status OnTable(TablePointer& table) override {
        auto& base = table->Cast<duckdb::BaseTableRef>();
        analysis.tables.push_back({base.schema_name, base.table_name, {}, {}});
        size_t at = base.query_location.IsValid() ? base.query_location.GetIndex() : 0;
        analysis.table_positions.push_back(CharacterPosition(sql_, at));
        return Ok();
    }

  private:
    const std::string& sql_;
};

// ---- columns

struct BindingLess {
    bool operator()(const ColumnBinding& left, const ColumnBinding& right) const {
        return std::tie(left.table_index, left.column_index) < std::tie(right.table_index, right.column_index);
    }
};
using Source = ColumnLineage::Source;
struct SourceLess {
    bool operator()(const Source& left, const Source& right) const {
        return std::tie(left.schema, left.table, left.column) < std::tie(right.schema, right.table, right.column);
    }
};
using Sources = std::set<Source, SourceLess>;

// Follows columns from the scans upward: each operator gives its outputs the sources of what they are made of. Only
// values count; a column that merely filters, joins or sorts is no source.
class LineageWalk {
  public:
    void Visit(LogicalOperator& op) {
        switch (op.type) {
            case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
                Visit(*op.children[0]);
                Define(op.Cast<duckdb::LogicalCTE>().table_index, *op.children[0]);
                Visit(*op.children[1]);
                return;
            case LogicalOperatorType::LOGICAL_RECURSIVE_CTE:
                Visit(*op.children[0]);
                Define(op.Cast<duckdb::LogicalCTE>().table_index, *op.children[0]);
                Visit(*op.children[1]);
                break;
            case LogicalOperatorType::LOGICAL_DELIM_JOIN:
                DelimJoin(op.Cast<duckdb::LogicalComparisonJoin>());
                break;
            default:
                for (auto& child : op.children) Visit(*child);
        }
        Outputs(op);
    }

    Sources Of(const ColumnBinding& binding) const {
        auto found = sources_.find(binding);
        return found == sources_.end() ? Sources() : found->second;
    }
    const Sources& read() const { return read_; }

  private:
    void Outputs(LogicalOperator& op) {
        switch (op.type) {
            case LogicalOperatorType::LOGICAL_GET:
                Get(op.Cast<duckdb::LogicalGet>());
                break;
            case LogicalOperatorType::LOGICAL_PROJECTION:
                List(op.Cast<duckdb::LogicalProjection>().table_index, op.expressions);
                break;
            case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY: {
                auto& aggregate = op.Cast<duckdb::LogicalAggregate>();
                List(aggregate.group_index, aggregate.groups);
                List(aggregate.aggregate_index, aggregate.expressions);
                break;
            }
            case LogicalOperatorType::LOGICAL_WINDOW:
                List(op.Cast<duckdb::LogicalWindow>().window_index, op.expressions);
                break;
            case LogicalOperatorType::LOGICAL_UNNEST:
                List(op.Cast<duckdb::LogicalUnnest>().unnest_index, op.expressions);
                break;
            case LogicalOperatorType::LOGICAL_UNION:
            case LogicalOperatorType::LOGICAL_EXCEPT:
            case LogicalOperatorType::LOGICAL_INTERSECT:
                Columnwise(op.Cast<duckdb::LogicalSetOperation>().table_index, op);
                break;
            case LogicalOperatorType::LOGICAL_RECURSIVE_CTE:
                Columnwise(op.Cast<duckdb::LogicalCTE>().table_index, op);
                break;
            case LogicalOperatorType::LOGICAL_PIVOT:
                Pivot(op.Cast<duckdb::LogicalPivot>());
                break;
            case LogicalOperatorType::LOGICAL_CTE_REF:
                Reference(op.Cast<duckdb::LogicalCTERef>());
                break;
            case LogicalOperatorType::LOGICAL_DELIM_GET: {
                idx_t table = op.Cast<duckdb::LogicalDelimGet>().table_index;
                for (idx_t i = 0; !outer_.empty() && i < outer_.back().size(); i++) {
                    sources_[ColumnBinding(table, i)] = outer_.back()[i];
                }
                break;
            }
            case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
            case LogicalOperatorType::LOGICAL_DELIM_JOIN:
                Mark(op.Cast<duckdb::LogicalComparisonJoin>());
                break;
            default:
                break;
        }
    }
    using idx_t = duckdb::idx_t;

    void Get(duckdb::LogicalGet& get) {
        auto table = get.GetTable();
        const auto& columns = get.GetColumnIds();
        for (idx_t i = 0; table && i < columns.size(); i++) {
            if (columns[i].IsVirtualColumn()) continue;
            Source source{table->ParentSchema().name, table->name, get.names[columns[i].GetPrimaryIndex()]};
            read_.insert(source);
            sources_[ColumnBinding(get.table_index, i)] = {std::move(source)};
        }
        // A table function over columns (in-out) gives on what it is given.
        for (auto& child : get.children) {
            for (const auto& binding : child->GetColumnBindings()) {
                for (idx_t i = 0; i < columns.size(); i++) Add(ColumnBinding(get.table_index, i), Of(binding));
            }
        }
    }
    void List(idx_t table, const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& expressions) {
        for (idx_t i = 0; i < expressions.size(); i++) {
            sources_[ColumnBinding(table, i)] = OfExpression(*expressions[i]);
        }
    }
    void Columnwise(idx_t table, LogicalOperator& op) {
        for (auto& child : op.children) {
            auto bindings = child->GetColumnBindings();
            for (idx_t i = 0; i < bindings.size(); i++) Add(ColumnBinding(table, i), Of(bindings[i]));
        }
    }
    void Pivot(duckdb::LogicalPivot& pivot) {
        Sources all;
        for (const auto& binding : pivot.children[0]->GetColumnBindings()) {
            Sources one = Of(binding);
            all.insert(one.begin(), one.end());
        }
        for (const auto& binding : pivot.GetColumnBindings()) sources_[binding] = all;
    }
    void Define(idx_t cte, LogicalOperator& definition) {
        std::vector<Sources> columns;
        for (const auto& binding : definition.GetColumnBindings()) columns.push_back(Of(binding));
        ctes_[cte] = std::move(columns);
    }
    void Reference(duckdb::LogicalCTERef& reference) {
        auto found = ctes_.find(reference.cte_index);
        for (idx_t i = 0; found != ctes_.end() && i < found->second.size(); i++) {
            sources_[ColumnBinding(reference.table_index, i)] = found->second[i];
        }
    }
    // A correlated subquery sees the outer columns through DELIM_GETs.
    void DelimJoin(duckdb::LogicalComparisonJoin& join) {
        Visit(*join.children[0]);
        std::vector<Sources> columns;
        for (auto& expression : join.duplicate_eliminated_columns) columns.push_back(OfExpression(*expression));
        outer_.push_back(std::move(columns));
        for (size_t i = 1; i < join.children.size(); i++) Visit(*join.children[i]);
        outer_.pop_back();
    }
    // The yes or no of IN and EXISTS is made of what is compared.
    void Mark(duckdb::LogicalComparisonJoin& join) {
        if (join.join_type != duckdb::JoinType::MARK) return;
        Sources all;
        duckdb::LogicalOperatorVisitor::EnumerateExpressions(join,
                                                             [&](duckdb::unique_ptr<duckdb::Expression>* expression) {
                                                                 Sources one = OfExpression(**expression);
                                                                 all.insert(one.begin(), one.end());
                                                             });
        sources_[ColumnBinding(join.mark_index, 0)] = std::move(all);
    }
    Sources OfExpression(const duckdb::Expression& expression) const {
        Sources all;
        duckdb::ExpressionIterator::VisitExpression<duckdb::BoundColumnRefExpression>(
            expression, [&](const duckdb::BoundColumnRefExpression& reference) {
                Sources one = Of(reference.binding);
                all.insert(one.begin(), one.end());
            });
        return all;
    }
    void Add(const ColumnBinding& binding, const Sources& more) { sources_[binding].insert(more.begin(), more.end()); }

    std::map<ColumnBinding, Sources, BindingLess> sources_;
    std::map<idx_t, std::vector<Sources>> ctes_;
    std::vector<std::vector<Sources>> outer_;
    Sources read_;
};

// Binds in a context where every relation is a plain table of its columns, and walks the plan.
Result<std::vector<ColumnLineage>> WalkPlan(Run& run, duckdb::unique_ptr<duckdb::SQLStatement> statement,
                                            Sources* read) {
    run.context->describe_only = true;
    auto& client = *run.connection->context;
    std::vector<ColumnLineage> lineage;
    try {
        run.connection->BeginTransaction();
        duckdb::Planner planner(client);
        planner.CreatePlan(std::move(statement));
        LineageWalk walk;
        if (planner.plan) {
            walk.Visit(*planner.plan);
            auto bindings = planner.plan->GetColumnBindings();
            for (size_t i = 0; i < planner.names.size() && i < bindings.size(); i++) {
                ColumnLineage column{.column = planner.names[i], .sources = {}};
                Sources sources = walk.Of(bindings[i]);
                column.sources.assign(sources.begin(), sources.end());
                lineage.push_back(std::move(column));
            }
        }
        if (read != nullptr) *read = walk.read();
        planner.plan.reset();
        run.connection->Rollback();
    } catch (const std::exception& failure) {
        if (run.connection->HasActiveTransaction()) run.connection->Rollback();
        return OurError(*run.context, ToError(failure, run.context->sql));
    }
    return lineage;
}

}  // namespace

Result<QueryAnalysis> AnalyzeSql(const std::string& sql) {
    auto statements = TRY(ParseSql(sql));
    if (statements.size() != 1 || statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
        return Error(ErrorCode::kNotSupported, "one SELECT is needed here").WithDetailCode("0A000");
    }
    TableCollector collector(sql);
    TRY(collector.WalkQuery(statements[0]->Cast<duckdb::SelectStatement>().node));
    // What may not run is refused where it is written down, not at its first run. (It changes the statement: last.)
    TRY(CheckStatement(*statements[0], sql, {.default_schema = "main"}));
    return std::move(collector.analysis);
}

Result<std::vector<ColumnLineage>> LineageOf(Run& run, const std::string& sql, const std::string& default_schema) {
    auto statements = TRY(ParseSql(sql));
    if (statements.size() != 1) {
        return Error(ErrorCode::kNotSupported, "one SELECT is needed here").WithDetailCode("0A000");
    }
    TRY(CheckStatement(*statements[0], sql, {.default_schema = default_schema}));
    return WalkPlan(run, std::move(statements[0]), nullptr);
}

Status CollectColumnReads(Run& run, const duckdb::SQLStatement& statement, std::vector<TableRead>& reads) {
    Sources read;
    TRY(WalkPlan(run, statement.Copy(), &read));
    for (const Source& source : read) {
        for (TableRead& table : reads) {
            if (EqualsIgnoreCase(table.schema, source.schema) && EqualsIgnoreCase(table.name, source.table)) {
                table.columns.insert(source.column);
            }
        }
    }
    return Ok();
}

}  // namespace tarn::engine
