// tarn_pieces: a scan of rows that the program makes, piece by piece, by several threads.
//
// Filters are pushed down: a piece whose bounds exclude them is not read, the rest are applied to its rows. Those of a
// Top-N become sharper while it runs; pieces come in its order, so that the last hundred are found in the last one.
#include "engine/piece_scan.h"

#include <deque>

#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/filter/conjunction_filter.hpp>
#include <duckdb/planner/filter/dynamic_filter.hpp>
#include <duckdb/planner/filter/optional_filter.hpp>
#include <duckdb/planner/table_filter.hpp>
#include <duckdb/storage/statistics/node_statistics.hpp>
#include "engine/row_pieces.h"

namespace tarn::engine {
namespace {

using duckdb::ClientContext;
using duckdb::column_t;
using duckdb::DataChunk;
using duckdb::Expression;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::make_uniq;
using duckdb::TableFilter;
using duckdb::TableFilterSet;
using duckdb::TableFilterType;
using duckdb::TableFunctionInitInput;
using duckdb::TableFunctionInput;
using duckdb::Value;

struct PieceBind : public duckdb::TableFunctionData {
    std::shared_ptr<const Relation> relation;
    duckdb::vector<LogicalType> types;
    duckdb::TableCatalogEntry* entry = nullptr;
};

// ---- filters

// The Top-N that waits for this scan: does it want the least values?
bool WantsLeast(const TableFilter& filter) {
    if (filter.filter_type == TableFilterType::OPTIONAL_FILTER) {
        const auto& inner = filter.Cast<duckdb::OptionalFilter>().child_filter;
        return inner && WantsLeast(*inner);
    }
    if (filter.filter_type == TableFilterType::CONJUNCTION_AND ||
        filter.filter_type == TableFilterType::CONJUNCTION_OR) {
        for (const auto& part : static_cast<const duckdb::ConjunctionFilter&>(filter).child_filters) {
            if (WantsLeast(*part)) return true;
        }
    }
    if (filter.filter_type != TableFilterType::DYNAMIC_FILTER) return false;
    const auto& data = filter.Cast<duckdb::DynamicFilter>().filter_data;
    if (!data || !data->filter) return false;
    auto comparison = data->filter->comparison_type;
    return comparison == duckdb::ExpressionType::COMPARE_LESSTHAN ||
           comparison == duckdb::ExpressionType::COMPARE_LESSTHANOREQUALTO;
}

// What every row must fulfil; what is optional is left to who asked for it.
void AddConditions(const TableFilter& filter, const Expression& column,
                   duckdb::vector<duckdb::unique_ptr<Expression>>& conditions) {
    if (filter.filter_type == TableFilterType::OPTIONAL_FILTER ||
        filter.filter_type == TableFilterType::DYNAMIC_FILTER) {
        return;
    }
    if (filter.filter_type == TableFilterType::CONJUNCTION_AND) {
        for (const auto& part : filter.Cast<duckdb::ConjunctionAndFilter>().child_filters) {
            AddConditions(*part, column, conditions);
        }
        return;
    }
    conditions.push_back(filter.ToExpression(column));
}

bool MayHold(const TableFilterSet& filters, const duckdb::vector<column_t>& columns, const PieceBind& bind,
             const RowPiece& piece) {
    for (const auto& [index, filter] : filters.filters) {
        column_t column = columns[index];
        auto bounds = piece.BoundsOf(column);
        if (!bounds) continue;
        const LogicalType& type = bind.types[column];
        bool is_time =
            type.id() == duckdb::LogicalTypeId::TIMESTAMP_TZ || type.id() == duckdb::LogicalTypeId::TIMESTAMP;
        auto value = [&](int64_t number) {
            if (!is_time) return Value::BIGINT(number).DefaultCastAs(type);
            duckdb::timestamp_t time(number);
            return type.id() == duckdb::LogicalTypeId::TIMESTAMP ? Value::TIMESTAMP(time)
                                                                 : Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(time));
        };
        auto statistics = duckdb::NumericStats::CreateUnknown(type);
        duckdb::NumericStats::SetMin(statistics, value(bounds->min));
        duckdb::NumericStats::SetMax(statistics, value(bounds->max));
        if (filter->CheckStatistics(statistics) == duckdb::FilterPropagateResult::FILTER_ALWAYS_FALSE) return false;
    }
    return true;
}

// ---- the scan

struct PieceState : public duckdb::GlobalTableFunctionState {
    const PieceBind* bind = nullptr;
    duckdb::vector<column_t> columns;
    std::vector<bool> wanted;  // of the relation's columns
    TableFilterSet filters;
    duckdb::unique_ptr<Expression> condition;  // null: every row will do
    bool least_first = false;
    size_t pieces = 0;
    std::atomic<size_t> pieces_read{0};
    std::atomic<size_t> rows_read{0};

    std::mutex mutex;  // guards what waits
    std::deque<std::unique_ptr<RowPiece>> waiting;

    idx_t MaxThreads() const override { return waiting.empty() ? 1 : MAX_THREADS; }

    // The next one that is worth reading; null at the end.
    std::unique_ptr<RowPiece> Take(ClientContext& context) {
        std::lock_guard lock(mutex);
        while (!waiting.empty()) {
            if (context.interrupted) throw duckdb::InterruptException();
            std::unique_ptr<RowPiece> piece = std::move(waiting.front());
            waiting.pop_front();
            if (!MayHold(filters, columns, *bind, *piece)) continue;
            auto parts = piece->Split();
            if (!parts.ok()) ContextOf(context).Throw(std::move(parts).error());
            if (parts->empty()) {
                pieces_read++;
                return piece;
            }
            Put(*std::move(parts));
        }
        return nullptr;
    }
    void Put(std::vector<std::unique_ptr<RowPiece>> parts) {
        if (least_first) std::reverse(parts.begin(), parts.end());
        for (auto& part : parts) waiting.push_front(std::move(part));
    }
};

struct PieceReader : public duckdb::LocalTableFunctionState {
    std::unique_ptr<RowPiece> piece;
    std::unique_ptr<duckdb::ExpressionExecutor> executor;
    duckdb::SelectionVector selected{STANDARD_VECTOR_SIZE};
};

// Rows of one chunk.
class ChunkSink final : public RowSink {
  public:
    ChunkSink(const PieceState& state, DataChunk& chunk) : chunk_(chunk), places_(state.wanted.size()) {
        for (idx_t place = 0; place < state.columns.size(); place++) {
            if (!duckdb::IsVirtualColumn(state.columns[place])) places_[state.columns[place]] = place;
        }
    }
    size_t rows() const { return rows_; }

    void Null(size_t column) override { duckdb::FlatVector::SetNull(To(column), rows_, true); }
    void Integer(size_t column, int64_t value) override {
        duckdb::Vector& vector = To(column);
        if (vector.GetType().InternalType() == duckdb::PhysicalType::INT32) {
            duckdb::FlatVector::GetData<int32_t>(vector)[rows_] = static_cast<int32_t>(value);
        } else {
            duckdb::FlatVector::GetData<int64_t>(vector)[rows_] = value;
        }
    }
    void Text(size_t column, std::string_view value) override {
        duckdb::Vector& vector = To(column);
        duckdb::FlatVector::GetData<duckdb::string_t>(vector)[rows_] =
            duckdb::StringVector::AddStringOrBlob(vector, value.data(), value.size());
    }
    void EndRow() override { rows_++; }

  private:
    duckdb::Vector& To(size_t column) { return chunk_.data[places_[column]]; }

    DataChunk& chunk_;
    std::vector<idx_t> places_;  // by the relation's column
    idx_t rows_ = 0;
};

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> StartPieces(ClientContext& context,
                                                                 TableFunctionInitInput& input) {
    auto state = make_uniq<PieceState>();
    state->bind = &input.bind_data->Cast<PieceBind>();
    state->columns = input.column_ids;
    state->wanted.resize(state->bind->types.size());
    for (column_t column : state->columns) {
        if (!duckdb::IsVirtualColumn(column)) state->wanted[column] = true;
    }
    if (input.filters) {
        duckdb::vector<duckdb::unique_ptr<Expression>> conditions;
        for (const auto& [index, filter] : input.filters->filters) {
            if (duckdb::IsVirtualColumn(state->columns[index])) continue;
            state->filters.filters.emplace(index, filter->Copy());
            state->least_first = state->least_first || WantsLeast(*filter);
            duckdb::BoundReferenceExpression column(state->bind->types[state->columns[index]], index);
            AddConditions(*filter, column, conditions);
        }
        auto all = make_uniq<duckdb::BoundConjunctionExpression>(duckdb::ExpressionType::CONJUNCTION_AND);
        all->children = std::move(conditions);
        if (all->children.size() == 1) {
            state->condition = std::move(all->children[0]);
        } else if (!all->children.empty()) {
            state->condition = std::move(all);
        }
    }
    auto pieces = PiecesOf(*state->bind->relation)->make();
    if (!pieces.ok()) ContextOf(context).Throw(std::move(pieces).error());
    state->pieces = pieces->size();
    state->Put(*std::move(pieces));
    return state;
}

duckdb::unique_ptr<duckdb::LocalTableFunctionState> StartReader(duckdb::ExecutionContext& context,
                                                                TableFunctionInitInput&,
                                                                duckdb::GlobalTableFunctionState* global) {
    auto reader = make_uniq<PieceReader>();
    const auto& state = global->Cast<PieceState>();
    if (state.condition) {
        reader->executor = std::make_unique<duckdb::ExpressionExecutor>(context.client, *state.condition);
    }
    return reader;
}

void ScanPieces(ClientContext& context, TableFunctionInput& input, DataChunk& output) {
    auto& state = input.global_state->Cast<PieceState>();
    auto& reader = input.local_state->Cast<PieceReader>();
    while (true) {
        if (context.interrupted) throw duckdb::InterruptException();
        if (!reader.piece) reader.piece = state.Take(context);
        if (!reader.piece) return;
        output.Reset();
        ChunkSink sink(state, output);
        auto more = reader.piece->Read(state.wanted, STANDARD_VECTOR_SIZE, sink);
        if (!more.ok()) ContextOf(context).Throw(std::move(more).error());
        if (!*more) reader.piece.reset();
        output.SetCardinality(sink.rows());
        state.rows_read += sink.rows();
        if (sink.rows() > 0 && reader.executor) {
            idx_t kept = reader.executor->SelectExpression(output, reader.selected);
            if (kept < sink.rows()) output.Slice(reader.selected, kept);
        }
        if (output.size() > 0) return;
    }
}

duckdb::BindInfo PieceBindInfo(const duckdb::optional_ptr<duckdb::FunctionData> bind) {
    return duckdb::BindInfo(*bind->Cast<PieceBind>().entry);
}

duckdb::unique_ptr<duckdb::NodeStatistics> PieceCardinality(ClientContext&, const duckdb::FunctionData* bind) {
    int64_t rows = PiecesOf(*bind->Cast<PieceBind>().relation)->rows;
    if (rows < 0) return nullptr;
    return make_uniq<duckdb::NodeStatistics>(static_cast<idx_t>(rows));
}

duckdb::InsertionOrderPreservingMap<duckdb::string> PieceToString(duckdb::TableFunctionToStringInput& input) {
    duckdb::InsertionOrderPreservingMap<duckdb::string> result;
    const auto& bind = input.bind_data->Cast<PieceBind>();
    result["Table"] = bind.entry->ParentSchema().name + "." + bind.entry->name;
    return result;
}

duckdb::InsertionOrderPreservingMap<duckdb::string> PiecesRead(duckdb::TableFunctionDynamicToStringInput& input) {
    duckdb::InsertionOrderPreservingMap<duckdb::string> result;
    const auto& state = input.global_state->Cast<PieceState>();
    result["Pieces Read"] = std::to_string(state.pieces_read.load());
    result["Rows Read"] = std::to_string(state.rows_read.load());
    return result;
}

}  // namespace

duckdb::TableFunction PieceScanFunction(std::shared_ptr<const Relation> relation, duckdb::TableCatalogEntry& entry,
                                        duckdb::unique_ptr<duckdb::FunctionData>& bind_data) {
    auto bind = make_uniq<PieceBind>();
    bind->relation = std::move(relation);
    bind->types = entry.GetTypes();
    bind->entry = &entry;
    bind_data = std::move(bind);
    duckdb::TableFunction function(kPieceScan, {}, ScanPieces, nullptr, StartPieces, StartReader);
    function.projection_pushdown = true;
    function.filter_pushdown = true;
    function.get_bind_info = PieceBindInfo;
    function.cardinality = PieceCardinality;
    function.to_string = PieceToString;
    function.dynamic_to_string = PiecesRead;
    return function;
}

}  // namespace tarn::engine
