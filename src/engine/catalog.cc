// DuckDB's catalog `tarn`: names resolve through RelationSource, for the principal of the statement that asks.
//
// It stores nothing. A table is an entry made for one statement: files become tarn_scan, streamed rows tarn_pieces,
// trusted SQL becomes a view, generated rows a table function. Obligations become a view above the bare relation, which
// is then reachable only under a name that carries the statement's token.
#include "engine/adapter.h"

#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/schema_catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/view_catalog_entry.hpp>
#include <duckdb/catalog/entry_lookup_info.hpp>
#include <duckdb/common/multi_file/multi_file_reader.hpp>
#include <duckdb/main/attached_database.hpp>
#include <duckdb/parser/parsed_data/create_schema_info.hpp>
#include <duckdb/parser/parsed_data/create_table_info.hpp>
#include <duckdb/parser/parsed_data/create_view_info.hpp>
#include <duckdb/parser/parsed_data/drop_info.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/planner/tableref/bound_at_clause.hpp>
#include <duckdb/storage/database_size.hpp>
#include <duckdb/storage/statistics/base_statistics.hpp>
#include <duckdb/storage/statistics/node_statistics.hpp>
#include <duckdb/storage/storage_extension.hpp>
#include <duckdb/storage/table_storage_info.hpp>
#include <duckdb/transaction/transaction.hpp>
#include <duckdb/transaction/transaction_manager.hpp>
#include "base/text.h"
#include "engine/piece_scan.h"
#include "engine/row_pieces.h"
#include "security/hidden.h"

namespace tarn::engine {
namespace {

using duckdb::AlterInfo;
using duckdb::AttachedDatabase;
using duckdb::AttachInfo;
using duckdb::AttachOptions;
using duckdb::BaseStatistics;
using duckdb::BindInfo;
using duckdb::BoundAtClause;
using duckdb::BoundCreateTableInfo;
using duckdb::Catalog;
using duckdb::CatalogEntry;
using duckdb::CatalogTransaction;
using duckdb::CatalogType;
using duckdb::ClientContext;
using duckdb::COLUMN_IDENTIFIER_EMPTY;
using duckdb::column_t;
using duckdb::ColumnDefinition;
using duckdb::CreateCollationInfo;
using duckdb::CreateCopyFunctionInfo;
using duckdb::CreateFunctionInfo;
using duckdb::CreateIndexInfo;
using duckdb::CreatePragmaFunctionInfo;
using duckdb::CreateSchemaInfo;
using duckdb::CreateSequenceInfo;
using duckdb::CreateTableFunctionInfo;
using duckdb::CreateTableInfo;
using duckdb::CreateTypeInfo;
using duckdb::CreateViewInfo;
using duckdb::DatabaseInstance;
using duckdb::DatabaseSize;
using duckdb::DataChunk;
using duckdb::DBConfig;
using duckdb::DropInfo;
using duckdb::EntryLookupInfo;
using duckdb::ErrorData;
using duckdb::FunctionData;
using duckdb::GlobalTableFunctionState;
using duckdb::idx_t;
using duckdb::IsVirtualColumn;
using duckdb::LogicalCreateTable;
using duckdb::LogicalDelete;
using duckdb::LogicalInsert;
using duckdb::LogicalType;
using duckdb::LogicalUpdate;
using duckdb::make_shared_ptr;
using duckdb::make_uniq;
using duckdb::MultiFileReader;
using duckdb::NotImplementedException;
using duckdb::OnEntryNotFound;
using duckdb::optional_idx;
using duckdb::optional_ptr;
using duckdb::PhysicalOperator;
using duckdb::PhysicalPlanGenerator;
using duckdb::SchemaCatalogEntry;
using duckdb::SimilarCatalogEntry;
using duckdb::StorageExtension;
using duckdb::StorageExtensionInfo;
using duckdb::string;
using duckdb::StringUtil;
using duckdb::TableCatalogEntry;
using duckdb::TableColumn;
using duckdb::TableFunction;
using duckdb::TableFunctionData;
using duckdb::TableFunctionInitInput;
using duckdb::TableFunctionInput;
using duckdb::TableStorageInfo;
using duckdb::Transaction;
using duckdb::TransactionManager;
using duckdb::TransformStringToLogicalType;
using duckdb::Value;
using duckdb::ViewCatalogEntry;
using duckdb::virtual_column_map_t;

[[noreturn]] void ReadOnly() { throw NotImplementedException("tables are made by files of the workspace, not by SQL"); }

// ---- rows made by the program

struct RowsBind : public TableFunctionData {
    std::shared_ptr<const Relation> relation;
    duckdb::vector<LogicalType> types;
    TableCatalogEntry* entry = nullptr;
};

struct RowsState : public GlobalTableFunctionState {
    RowSet rows;
    size_t next = 0;
    duckdb::vector<column_t> columns;
};

duckdb::unique_ptr<GlobalTableFunctionState> RowsInit(ClientContext& context, TableFunctionInitInput& input) {
    auto state = make_uniq<RowsState>();
    const auto& bind = input.bind_data->Cast<RowsBind>();
    auto rows = std::get<GeneratedRows>(bind.relation->source).make();
    if (!rows) ContextOf(context).Throw(std::move(rows).error());
    state->rows = std::move(rows).value();
    state->columns = input.column_ids;
    return state;
}

void RowsScan(ClientContext&, TableFunctionInput& input, DataChunk& output) {
    auto& state = input.global_state->Cast<RowsState>();
    const auto& bind = input.bind_data->Cast<RowsBind>();
    idx_t count = std::min<idx_t>(STANDARD_VECTOR_SIZE, state.rows.rows.size() - state.next);
    for (idx_t row = 0; row < count; row++) {
        const auto& cells = state.rows.rows[state.next + row];
        for (idx_t i = 0; i < state.columns.size(); i++) {
            column_t column = state.columns[i];
            if (IsVirtualColumn(column)) continue;
            const LogicalType& type = bind.types[column];
            if (column >= cells.size() || !cells[column]) {
                output.SetValue(i, row, Value(type));
            } else {
                output.SetValue(i, row, Value(*cells[column]).DefaultCastAs(type));
            }
        }
    }
    state.next += count;
    output.SetCardinality(count);
}

BindInfo RowsBindInfo(const optional_ptr<FunctionData> bind) { return BindInfo(*bind->Cast<RowsBind>().entry); }

// ---- entries

class RelationEntry : public TableCatalogEntry {
  public:
    RelationEntry(Catalog& catalog, SchemaCatalogEntry& schema, CreateTableInfo& info,
                  std::shared_ptr<const Relation> relation)
        : TableCatalogEntry(catalog, schema, info), relation_(std::move(relation)) {
        if (!relation_->comment.empty()) comment = Value(relation_->comment);
    }
    const Relation& relation() const { return *relation_; }

    duckdb::unique_ptr<BaseStatistics> GetStatistics(ClientContext&, column_t) override { return nullptr; }
    TableStorageInfo GetStorageInfo(ClientContext&) override { return {}; }
    // Row positions are for our own statements about rows; there is no "rowid".
    virtual_column_map_t GetVirtualColumns() const override {
        virtual_column_map_t result;
        result.insert({COLUMN_IDENTIFIER_EMPTY, TableColumn("", LogicalType::BOOLEAN)});
        if (std::holds_alternative<FileScan>(relation_->source)) {
            result.insert(
                {MultiFileReader::COLUMN_IDENTIFIER_FILE_INDEX, TableColumn("file_index", LogicalType::UBIGINT)});
            result.insert({MultiFileReader::COLUMN_IDENTIFIER_FILE_ROW_NUMBER,
                           TableColumn("file_row_number", LogicalType::BIGINT)});
        }
        return result;
    }
    duckdb::vector<column_t> GetRowIdColumns() const override { return {}; }
    TableFunction GetScanFunction(ClientContext& context, duckdb::unique_ptr<FunctionData>& bind_data) override {
        if (std::holds_alternative<FileScan>(relation_->source) && !ContextOf(context).describe_only) {
            return ScanFunction(context, relation_, *this, bind_data);
        }
        if (PiecesOf(*relation_) != nullptr && !ContextOf(context).describe_only) {
            return PieceScanFunction(relation_, *this, bind_data);
        }
        auto bind = make_uniq<RowsBind>();
        bind->relation = relation_;
        bind->entry = this;
        bind->types = GetTypes();
        bind_data = std::move(bind);
        TableFunction function("tarn_rows", {}, RowsScan, nullptr, RowsInit);
        function.projection_pushdown = true;
        function.get_bind_info = RowsBindInfo;
        return function;
    }

  private:
    std::shared_ptr<const Relation> relation_;
};

AtClause ToAtClause(StatementContext& statement, ClientContext& context, optional_ptr<BoundAtClause> at) {
    AtClause result;
    if (!at) return result;
    Value converted;
    std::string failure;
    if (StringUtil::CIEquals(at->Unit(), "version")) {
        if (at->GetValue().TryCastAs(context, LogicalType::BIGINT, converted, &failure) && !converted.IsNull()) {
            result.version = converted.GetValue<int64_t>();
            return result;
        }
        statement.Throw(
            Error(ErrorCode::kInvalidArgument, "AT (VERSION => ...) takes a whole number").WithDetailCode("22023"));
    }
    if (at->GetValue().TryCastAs(context, LogicalType::TIMESTAMP_TZ, converted, &failure) && !converted.IsNull()) {
        result.timestamp = FromMicros(converted.GetValueUnsafe<int64_t>());
        return result;
    }
    statement.Throw(
        Error(ErrorCode::kInvalidArgument, "AT takes VERSION => number or TIMESTAMP => time").WithDetailCode("22023"));
}

class RelationSchema : public SchemaCatalogEntry {
  public:
    RelationSchema(Catalog& catalog, CreateSchemaInfo& info) : SchemaCatalogEntry(catalog, info) {}

    optional_ptr<CatalogEntry> LookupEntry(CatalogTransaction transaction, const EntryLookupInfo& lookup) override {
        if (lookup.GetCatalogType() != CatalogType::TABLE_ENTRY && lookup.GetCatalogType() != CatalogType::VIEW_ENTRY) {
            return nullptr;
        }
        ClientContext& context = transaction.GetContext();
        StatementContext& statement = ContextOf(context);
        std::string table = lookup.GetEntryName();
        std::string mark = kUnmaskedMark + statement.token;
        bool bare = !statement.token.empty() && table.ends_with(mark);
        if (bare) table.resize(table.size() - mark.size());
        AtClause at = ToAtClause(statement, context, lookup.GetAtClause());
        auto relation = statement.Resolve(name, table, at);
        if (!relation) NotFound(statement, lookup);
        if (statement.describe_only) return Keep(statement, Table(context, relation));
        if (!bare && !relation->obligations.empty()) return Keep(statement, Masked(statement, *relation, table, at));
        if (std::holds_alternative<TrustedView>(relation->source)) return Keep(statement, View(*relation));
        return Keep(statement, Table(context, relation));
    }
    // Similar names are told by NotFound, from what the principal may see.
    SimilarCatalogEntry GetSimilarEntry(CatalogTransaction, const EntryLookupInfo&) override { return {}; }
    void Scan(ClientContext&, CatalogType, const std::function<void(CatalogEntry&)>&) override {}
    void Scan(CatalogType, const std::function<void(CatalogEntry&)>&) override {}

    optional_ptr<CatalogEntry> CreateIndex(CatalogTransaction, CreateIndexInfo&, TableCatalogEntry&) override {
        ReadOnly();
    }
    optional_ptr<CatalogEntry> CreateFunction(CatalogTransaction, CreateFunctionInfo&) override { ReadOnly(); }
    optional_ptr<CatalogEntry> CreateTable(CatalogTransaction, BoundCreateTableInfo&) override { ReadOnly(); }
    optional_ptr<CatalogEntry> CreateView(CatalogTransaction, CreateViewInfo&) override { ReadOnly(); }
    optional_ptr<CatalogEntry> CreateSequence(CatalogTransaction, CreateSequenceInfo&) override { ReadOnly(); }
    optional_ptr<CatalogEntry> CreateTableFunction(CatalogTransaction, CreateTableFunctionInfo&) override {
        ReadOnly();
    }
    optional_ptr<CatalogEntry> CreateCopyFunction(CatalogTransaction, CreateCopyFunctionInfo&) override { ReadOnly(); }
    optional_ptr<CatalogEntry> CreatePragmaFunction(CatalogTransaction, CreatePragmaFunctionInfo&) override {
        ReadOnly();
    }
    optional_ptr<CatalogEntry> CreateCollation(CatalogTransaction, CreateCollationInfo&) override { ReadOnly(); }
    optional_ptr<CatalogEntry> CreateType(CatalogTransaction, CreateTypeInfo&) override { ReadOnly(); }
    void DropEntry(ClientContext&, DropInfo&) override { ReadOnly(); }
    void Alter(CatalogTransaction, AlterInfo&) override { ReadOnly(); }

  private:
    static CatalogEntry* Keep(StatementContext& statement, std::unique_ptr<CatalogEntry> entry) {
        std::lock_guard lock(statement.mutex);
        statement.entries.push_back(std::move(entry));
        return statement.entries.back().get();
    }

    std::unique_ptr<CatalogEntry> Table(ClientContext& context, const std::shared_ptr<const Relation>& relation) {
        CreateTableInfo info(*this, relation->name);
        for (const Column& column : relation->columns) {
            ColumnDefinition definition(column.name, TypeOf(context, column.type));
            if (!column.description.empty()) definition.SetComment(Value(column.description));
            info.columns.AddColumn(std::move(definition));
        }
        return std::make_unique<RelationEntry>(catalog, *this, info, relation);
    }

    std::unique_ptr<CatalogEntry> MakeView(const Relation& relation, const std::string& sql) {
        CreateViewInfo info(*this, relation.name);
        info.query = CreateViewInfo::ParseSelect(sql);
        info.sql = sql;
        for (const Column& column : relation.columns) info.aliases.push_back(column.name);
        return std::make_unique<ViewCatalogEntry>(catalog, *this, info);
    }
    std::unique_ptr<CatalogEntry> View(const Relation& relation) {
        return MakeView(relation, std::get<TrustedView>(relation.source).sql);
    }

    // The policy's filter and masks, with a fence that keeps the user's expressions above them: an expression over a
    // fenced column cannot be moved below, where it could see (and by its errors tell of) rows that are hidden.
    std::unique_ptr<CatalogEntry> Masked(StatementContext& statement, const Relation& relation,
                                         const std::string& table, const AtClause& at) {
        std::string list;
        for (const Column& column : relation.columns) {
            std::string expression = QuoteIdentifier(column.name);
            for (const auto& mask : relation.obligations.masks) {
                if (!EqualsIgnoreCase(mask.column, column.name)) continue;
                // A mask has the type that it has: hash(x) of a BIGINT is no BIGINT. Only NULL needs to be told one.
                bool is_null = EqualsIgnoreCase(Trim(mask.expression), "NULL");
                expression =
                    is_null ? fmt::format("CAST(NULL AS {})", column.type) : fmt::format("({}\n)", mask.expression);
            }
            list += fmt::format("{}tarn_fence({}) AS {}", list.empty() ? "" : ", ", expression,
                                QuoteIdentifier(column.name));
        }
        std::string sql = fmt::format("SELECT {} FROM {}.{}.{}", list, kCatalogName, QuoteIdentifier(name),
                                      QuoteIdentifier(table + kUnmaskedMark + statement.token));
        (void)at;  // DuckDB hands a view's AT clause on to the tables inside
        if (!relation.obligations.row_filter.empty()) sql += " WHERE (" + relation.obligations.row_filter + "\n)";
        return MakeView(relation, sql);
    }

    [[noreturn]] void NotFound(StatementContext& statement, const EntryLookupInfo& lookup) {
        const std::string& table = lookup.GetEntryName();
        std::vector<std::string> candidates;
        std::string hint;
        auto schemas = statement.deps.relations.Schemas(statement.principal);
        if (schemas) {
            for (const std::string& schema : *schemas) {
                auto relations = statement.deps.relations.Relations(statement.principal, schema);
                if (!relations) continue;
                for (const RelationSummary& one : *relations) {
                    candidates.push_back(schema + "." + one.name);
                    if (EqualsIgnoreCase(one.name, table)) hint = candidates.back();
                }
            }
        }
        if (hint.empty()) hint = NearestWord(name + "." + table, candidates);
        // In the same words either way; dispatch records the one as a denial and answers both as not found.
        auto found = statement.deps.relations.Find(statement.principal, name, table, {});
        bool is_hidden = !found && security::IsHidden(found.error());
        ErrorCode code = is_hidden ? ErrorCode::kPermissionDenied : ErrorCode::kNotFound;
        std::string words = fmt::format("there is no table {}.{} that you may read", name, table);
        // It may say what the table is called now.
        if (!found && found.error().message().starts_with(words)) words = found.error().message();
        Error error = Error(code, "{}", words).WithDetailCode(std::string(security::kHiddenDetailCode));
        if (!hint.empty()) std::move(error).WithHint("did you mean " + hint + "?");
        auto location = lookup.GetErrorContext().query_location;
        if (location.IsValid()) {
            std::move(error).WithPosition(CharacterPosition(statement.sql, location.GetIndex()));
        }
        statement.Throw(std::move(error));
    }
};

class RelationCatalog : public Catalog {
  public:
    explicit RelationCatalog(AttachedDatabase& database) : Catalog(database) {}

    void Initialize(bool) override {}
    string GetCatalogType() override { return kCatalogName; }
    bool SupportsTimeTravel() const override { return true; }
    bool InMemory() override { return true; }
    string GetDBPath() override { return {}; }
    DatabaseSize GetDatabaseSize(ClientContext&) override { return {}; }
    bool CheckAmbiguousCatalogOrSchema(ClientContext&, const string&) override { return false; }
    optional_idx GetCatalogVersion(ClientContext&) override { return 1; }

    // Any name is a schema until a table is looked for in it: who may see which schema is the source's to say.
    optional_ptr<SchemaCatalogEntry> LookupSchema(CatalogTransaction transaction, const EntryLookupInfo& lookup,
                                                  OnEntryNotFound) override {
        StatementContext& statement = ContextOf(transaction.GetContext());
        std::lock_guard lock(statement.mutex);
        for (const auto& entry : statement.entries) {
            if (entry->type == CatalogType::SCHEMA_ENTRY && entry->name == lookup.GetEntryName()) {
                return &entry->Cast<SchemaCatalogEntry>();
            }
        }
        CreateSchemaInfo info;
        info.schema = lookup.GetEntryName();
        statement.entries.push_back(std::make_unique<RelationSchema>(*this, info));
        return &statement.entries.back()->Cast<SchemaCatalogEntry>();
    }
    void ScanSchemas(ClientContext&, std::function<void(SchemaCatalogEntry&)>) override {}

    optional_ptr<CatalogEntry> CreateSchema(CatalogTransaction, CreateSchemaInfo&) override { ReadOnly(); }
    void DropSchema(ClientContext&, DropInfo&) override { ReadOnly(); }
    PhysicalOperator& PlanCreateTableAs(ClientContext&, PhysicalPlanGenerator&, LogicalCreateTable&,
                                        PhysicalOperator&) override {
        ReadOnly();
    }
    PhysicalOperator& PlanInsert(ClientContext&, PhysicalPlanGenerator&, LogicalInsert&,
                                 optional_ptr<PhysicalOperator>) override {
        ReadOnly();
    }
    PhysicalOperator& PlanDelete(ClientContext&, PhysicalPlanGenerator&, LogicalDelete&, PhysicalOperator&) override {
        ReadOnly();
    }
    PhysicalOperator& PlanUpdate(ClientContext&, PhysicalPlanGenerator&, LogicalUpdate&, PhysicalOperator&) override {
        ReadOnly();
    }
};

// ---- transactions: there is nothing to commit

class RelationTransactions : public TransactionManager {
  public:
    explicit RelationTransactions(AttachedDatabase& database) : TransactionManager(database) {}

    Transaction& StartTransaction(ClientContext& context) override {
        auto transaction = make_uniq<Transaction>(*this, context);
        Transaction& result = *transaction;
        std::lock_guard lock(mutex_);
        open_[&result] = std::move(transaction);
        return result;
    }
    ErrorData CommitTransaction(ClientContext&, Transaction& transaction) override {
        RollbackTransaction(transaction);
        return {};
    }
    void RollbackTransaction(Transaction& transaction) override {
        std::lock_guard lock(mutex_);
        open_.erase(&transaction);
    }
    void Checkpoint(ClientContext&, bool) override {}

  private:
    std::mutex mutex_;
    std::unordered_map<Transaction*, duckdb::unique_ptr<Transaction>> open_;
};

}  // namespace

LogicalType TypeOf(ClientContext& context, const std::string& spelling) {
    if (context.transaction.HasActiveTransaction()) return TransformStringToLogicalType(spelling, context);
    LogicalType type;
    context.RunFunctionInTransaction([&] { type = TransformStringToLogicalType(spelling, context); });
    return type;
}

void RegisterCatalog(DatabaseInstance& database) {
    auto extension = make_shared_ptr<StorageExtension>();
    extension->attach = [](optional_ptr<StorageExtensionInfo>, ClientContext&, AttachedDatabase& attached,
                           const string&, AttachInfo&, AttachOptions&) -> duckdb::unique_ptr<Catalog> {
        return make_uniq<RelationCatalog>(attached);
    };
    extension->create_transaction_manager = [](optional_ptr<StorageExtensionInfo>, AttachedDatabase& attached,
                                               Catalog&) -> duckdb::unique_ptr<TransactionManager> {
        return make_uniq<RelationTransactions>(attached);
    };
    StorageExtension::Register(DBConfig::GetConfig(database), kCatalogName, extension);
}

}  // namespace tarn::engine
