// tarn_scan: DuckDB's Parquet scan over exactly the files of a relation, with Delta's rules.
//
// It is parquet_scan with a MultiFileReader of our own: the schema comes from the relation and not from a file; columns
// are found by physical name or field id; partition columns are constants; deleted rows are filtered; files whose
// statistics exclude a filter are not opened; counts and bounds come from the relation, without reading a footer.
#include "engine/adapter.h"

#include <roaring/roaring64map.hh>

#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp>
#include <duckdb/common/multi_file/base_file_reader.hpp>
#include <duckdb/common/multi_file/multi_file_function.hpp>
#include <duckdb/common/multi_file/multi_file_reader.hpp>
#include <duckdb/common/multi_file/multi_file_states.hpp>
#include <duckdb/function/partition_stats.hpp>
#include <duckdb/function/scalar_function.hpp>
#include <duckdb/main/extension/extension_loader.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/tableref/table_function_ref.hpp>
#include <duckdb/planner/filter/constant_filter.hpp>
#include <duckdb/planner/table_filter.hpp>
#include <duckdb/storage/statistics/node_statistics.hpp>
#include "engine/scan_table.h"

namespace tarn::engine {
namespace {

using duckdb::ClientContext;
using duckdb::column_t;
using duckdb::ColumnIndex;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::MultiFileBindData;
using duckdb::MultiFileColumnDefinition;
using duckdb::MultiFileGlobalIndex;
using duckdb::MultiFileList;
using duckdb::MultiFileOptions;
using duckdb::MultiFileReader;
using duckdb::MultiFileReaderBindData;
using duckdb::MultiFileReaderData;
using duckdb::OpenFileInfo;
using duckdb::optional_ptr;
using duckdb::string;
using duckdb::TableFilterSet;
using duckdb::TableFunction;
using duckdb::Value;

constexpr const char* kFileNumber = "tarn_file";  // in OpenFileInfo: which file of the relation it is

struct ScanInfo : public duckdb::TableFunctionInfo {
    std::shared_ptr<const ScanTable> table;
    duckdb::TableCatalogEntry* entry = nullptr;
};

// Positions come in ascending runs, so a cursor moves along with them.
class DeletedRows : public duckdb::DeleteFilter {
  public:
    explicit DeletedRows(std::shared_ptr<const Roaring64Map> deleted) : deleted_(std::move(deleted)) {}

    idx_t Filter(duckdb::row_t start, idx_t count, duckdb::SelectionVector& selection) override {
        if (!selection.data()) selection.Initialize(STANDARD_VECTOR_SIZE);
        auto cursor = deleted_->begin();
        bool any = cursor.move(static_cast<uint64_t>(start));
        idx_t kept = 0;
        for (idx_t i = 0; i < count; i++) {
            uint64_t row = static_cast<uint64_t>(start) + i;
            if (any && *cursor == row) {
                ++cursor;
                any = cursor != deleted_->end();
                continue;
            }
            selection.set_index(kept++, i);
        }
        return kept;
    }

  private:
    std::shared_ptr<const Roaring64Map> deleted_;
};

class ScanFileList : public MultiFileList {
  public:
    ScanFileList(std::shared_ptr<const ScanTable> table, std::vector<size_t> files)
        : table_(std::move(table)), files_(std::move(files)) {}

    duckdb::vector<OpenFileInfo> GetAllFiles() const override {
        duckdb::vector<OpenFileInfo> result;
        for (size_t i = 0; i < files_.size(); i++) result.push_back(GetFile(i));
        return result;
    }
    // One file counts as many, else DuckDB would ask a first reader that we never open how many threads it feeds.
    duckdb::FileExpandResult GetExpandResult() const override {
        return files_.empty() ? duckdb::FileExpandResult::NO_FILES : duckdb::FileExpandResult::MULTIPLE_FILES;
    }
    idx_t GetTotalFileCount() const override { return files_.size(); }
    duckdb::unique_ptr<MultiFileList> Copy() const override { return duckdb::make_uniq<ScanFileList>(table_, files_); }

    duckdb::unique_ptr<duckdb::NodeStatistics> GetCardinality(ClientContext&) const override {
        idx_t rows = 0;
        idx_t unknown = 0;
        for (size_t file : files_) {
            int64_t known = table_->RowsOf(file);
            known < 0 ? unknown++ : rows += known;
        }
        if (unknown == 0) return duckdb::make_uniq<duckdb::NodeStatistics>(rows, rows);
        constexpr idx_t kRowsGuess = 100'000;
        return duckdb::make_uniq<duckdb::NodeStatistics>(rows + unknown * kRowsGuess);
    }

    duckdb::unique_ptr<MultiFileList> DynamicFilterPushdown(ClientContext&, const MultiFileOptions&,
                                                            const duckdb::vector<string>&,
                                                            const duckdb::vector<LogicalType>&,
                                                            const duckdb::vector<column_t>& column_ids,
                                                            TableFilterSet& filters) const override {
        std::vector<size_t> kept;
        for (size_t file : files_) {
            if (MayMatch(file, column_ids, filters)) kept.push_back(file);
        }
        if (kept.size() == files_.size()) return nullptr;
        return duckdb::make_uniq<ScanFileList>(table_, std::move(kept));
    }

  protected:
    OpenFileInfo GetFile(idx_t index) const override {
        if (index >= files_.size()) return {};
        OpenFileInfo info(kFileScheme + table_->scan().files[files_[index]].path);
        info.extended_info = duckdb::make_shared_ptr<duckdb::ExtendedOpenFileInfo>();
        info.extended_info->options[kFileNumber] = Value::UBIGINT(files_[index]);
        return info;
    }

  private:
    bool MayMatch(size_t file, const duckdb::vector<column_t>& column_ids, TableFilterSet& filters) const {
        for (auto& filter : filters.filters) {
            column_t column = column_ids[filter.first];
            if (duckdb::IsVirtualColumn(column)) continue;
            const duckdb::BaseStatistics* known = table_->StatisticsOf(file, column);
            if (known == nullptr) continue;
            duckdb::BaseStatistics copy = known->Copy();
            if (filter.second->CheckStatistics(copy) == duckdb::FilterPropagateResult::FILTER_ALWAYS_FALSE) {
                return false;
            }
        }
        return true;
    }

    std::shared_ptr<const ScanTable> table_;
    std::vector<size_t> files_;
};

class ScanReader : public MultiFileReader {
  public:
    explicit ScanReader(std::shared_ptr<const ScanTable> table) : table_(std::move(table)) {}

    static duckdb::unique_ptr<MultiFileReader> Make(const TableFunction& function) {
        return duckdb::make_uniq<ScanReader>(function.function_info->Cast<ScanInfo>().table);
    }
    duckdb::unique_ptr<MultiFileReader> Copy() const override { return duckdb::make_uniq<ScanReader>(table_); }
    const ScanTable& table() const { return *table_; }

    duckdb::vector<string> ParsePaths(const Value&) override { return {}; }
    duckdb::shared_ptr<MultiFileList> CreateFileList(ClientContext&, const duckdb::vector<string>&,
                                                     const duckdb::FileGlobInput&) override {
        std::vector<size_t> files(table_->scan().files.size());
        for (size_t i = 0; i < files.size(); i++) files[i] = i;
        return duckdb::make_shared_ptr<ScanFileList>(table_, std::move(files));
    }

    bool Bind(MultiFileOptions&, MultiFileList&, duckdb::vector<LogicalType>& types, duckdb::vector<string>& names,
              MultiFileReaderBindData& bind) override {
        const auto& columns = table_->scan().columns;
        for (size_t i = 0; i < columns.size(); i++) {
            const LogicalType& type = table_->types()[i];
            names.push_back(columns[i].column.name);
            types.push_back(type);
            auto definition = MultiFileColumnDefinition::CreateFromNameAndType(columns[i].column.name, type);
            const std::string& physical = columns[i].physical_name;
            definition.identifier = Value(physical.empty() ? columns[i].column.name : physical);
            // A file older than the column has NULLs in it.
            definition.default_expression = duckdb::make_uniq<duckdb::ConstantExpression>(Value(type));
            bind.schema.push_back(std::move(definition));
        }
        bind.mapping = duckdb::MultiFileColumnMappingMode::BY_NAME;
        return true;
    }

    void FinalizeBind(MultiFileReaderData& data, const MultiFileOptions&, const MultiFileReaderBindData&,
                      const duckdb::vector<MultiFileColumnDefinition>&, const duckdb::vector<ColumnIndex>& column_ids,
                      ClientContext&, optional_ptr<duckdb::MultiFileReaderGlobalState>) override {
        size_t file = FileNumber(*data.reader);
        for (idx_t i = 0; i < column_ids.size(); i++) {
            column_t column = column_ids[i].GetPrimaryIndex();
            if (column == COLUMN_IDENTIFIER_FILE_INDEX) {
                // Its place in the relation, not among the files left by pruning: row positions stay comparable.
                data.constant_map.Add(MultiFileGlobalIndex(i), Value::UBIGINT(file));
            } else if (!duckdb::IsVirtualColumn(column) && table_->scan().columns[column].partition) {
                data.constant_map.Add(MultiFileGlobalIndex(i), table_->PartitionValue(file, column));
            }
        }
        if (auto deleted = table_->DeletedOf(file)) {
            data.reader->deletion_filter = duckdb::make_uniq<DeletedRows>(std::move(deleted));
        }
    }

    duckdb::ReaderInitializeType CreateMapping(ClientContext& context, MultiFileReaderData& data,
                                               const duckdb::vector<MultiFileColumnDefinition>& columns,
                                               const duckdb::vector<ColumnIndex>& column_ids,
                                               optional_ptr<TableFilterSet> filters, MultiFileList& files,
                                               const MultiFileReaderBindData& bind,
                                               const duckdb::virtual_column_map_t& virtual_columns) override {
        auto mode = duckdb::MultiFileColumnMappingMode::BY_NAME;
        if (!HasFieldIds()) {
            return MultiFileReader::CreateMapping(context, data, columns, column_ids, filters, files, bind,
                                                  virtual_columns, mode);
        }
        // Field ids are looked up here and become the file's own names, so that nested fields still go by name.
        duckdb::vector<MultiFileColumnDefinition> named = columns;
        for (size_t i = 0; i < named.size() && i < table_->scan().columns.size(); i++) {
            int32_t id = table_->scan().columns[i].field_id;
            if (id >= 0) named[i].identifier = Value(NameOfField(data.reader->GetColumns(), id));
        }
        return MultiFileReader::CreateMapping(context, data, named, column_ids, filters, files, bind, virtual_columns,
                                              mode);
    }

  private:
    static size_t FileNumber(const duckdb::BaseFileReader& reader) {
        return reader.file.extended_info->options.at(kFileNumber).GetValue<uint64_t>();
    }
    bool HasFieldIds() const {
        for (const ScanColumn& column : table_->scan().columns) {
            if (column.field_id >= 0) return true;
        }
        return false;
    }
    static string NameOfField(const duckdb::vector<MultiFileColumnDefinition>& columns, int32_t id) {
        for (const auto& column : columns) {
            if (!column.identifier.IsNull() && column.identifier.type().id() == duckdb::LogicalTypeId::INTEGER &&
                column.GetIdentifierFieldId() == id) {
                return column.name;
            }
        }
        return "\x01no such field";  // not in this file: NULLs
    }

    std::shared_ptr<const ScanTable> table_;
};

// Plans may be kept between Prepare and Execute: what they are bound to cannot change.
struct ScanBindData : public MultiFileBindData {
    bool SupportStatementCache() const override { return true; }
    duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
        auto copy = MultiFileBindData::Copy();
        return From(copy->Cast<MultiFileBindData>(), table, entry);
    }
    static duckdb::unique_ptr<ScanBindData> From(MultiFileBindData& given, std::shared_ptr<const ScanTable> table,
                                                 duckdb::TableCatalogEntry* entry) {
        auto result = duckdb::make_uniq<ScanBindData>();
        result->bind_data = std::move(given.bind_data);
        result->file_list = std::move(given.file_list);
        result->multi_file_reader = std::move(given.multi_file_reader);
        result->interface = std::move(given.interface);
        result->columns = std::move(given.columns);
        result->reader_bind = std::move(given.reader_bind);
        result->file_options = std::move(given.file_options);
        result->types = std::move(given.types);
        result->names = std::move(given.names);
        result->virtual_columns = std::move(given.virtual_columns);
        result->table = std::move(table);
        result->entry = entry;
        return result;
    }
    std::shared_ptr<const ScanTable> table;
    duckdb::TableCatalogEntry* entry = nullptr;
};

duckdb::unique_ptr<duckdb::BaseStatistics> ScanStatistics(ClientContext&, const duckdb::FunctionData* bind,
                                                          column_t column) {
    if (duckdb::IsVirtualColumn(column)) return nullptr;
    return bind->Cast<ScanBindData>().table->MergedStatistics(column);
}

duckdb::vector<duckdb::PartitionStatistics> ScanPartitions(ClientContext&, duckdb::GetPartitionStatsInput& input) {
    const ScanTable& table = *input.bind_data->Cast<ScanBindData>().table;
    duckdb::vector<duckdb::PartitionStatistics> result;
    idx_t start = 0;
    for (size_t file = 0; file < table.scan().files.size(); file++) {
        int64_t rows = table.RowsOf(file);
        if (rows < 0) return {};
        duckdb::PartitionStatistics one;
        one.row_start = start;
        one.count = rows;
        one.count_type = duckdb::CountType::COUNT_EXACT;
        start += rows;
        result.push_back(std::move(one));
    }
    return result;
}

duckdb::BindInfo ScanBindInfo(const optional_ptr<duckdb::FunctionData> bind) {
    return duckdb::BindInfo(*bind->Cast<ScanBindData>().entry);
}

// Without "filename": where a table's files lie is nothing for users' SQL.
duckdb::virtual_column_map_t ScanVirtualColumns(ClientContext&, optional_ptr<duckdb::FunctionData> given) {
    auto& bind = given->Cast<ScanBindData>();
    bind.virtual_columns = bind.entry->GetVirtualColumns();
    return bind.virtual_columns;
}

duckdb::InsertionOrderPreservingMap<string> ScanToString(duckdb::TableFunctionToStringInput& input) {
    duckdb::InsertionOrderPreservingMap<string> result;
    const auto& bind = input.bind_data->Cast<ScanBindData>();
    result["Table"] = bind.entry->ParentSchema().name + "." + bind.entry->name;
    result["Files"] = std::to_string(bind.file_list->GetTotalFileCount());
    return result;
}

duckdb::InsertionOrderPreservingMap<string> ScanDynamicToString(duckdb::TableFunctionDynamicToStringInput& input) {
    duckdb::InsertionOrderPreservingMap<string> result;
    result["Files Read"] = std::to_string(input.global_state->Cast<duckdb::MultiFileGlobalState>().file_index.load());
    return result;
}

const TableFunction& Template(ClientContext& context) {
    auto& entry = duckdb::Catalog::GetEntry<duckdb::TableFunctionCatalogEntry>(context, SYSTEM_CATALOG, DEFAULT_SCHEMA,
                                                                               "parquet_scan");
    return entry.functions.GetFunctionReferenceByOffset(0);
}

// The identity, which the optimizer may neither see through nor move expressions across: see catalog.cc.
void Fence(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
    result.Reference(arguments.data[0]);
}

duckdb::unique_ptr<duckdb::FunctionData> BindFence(duckdb::ClientContext&, duckdb::ScalarFunction& function,
                                                   duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& arguments) {
    function.arguments[0] = arguments[0]->return_type;
    function.SetReturnType(arguments[0]->return_type);
    return nullptr;
}

}  // namespace

TableFunction ScanFunction(ClientContext& context, std::shared_ptr<const Relation> relation,
                           duckdb::TableCatalogEntry& entry, duckdb::unique_ptr<duckdb::FunctionData>& bind_data) {
    std::vector<LogicalType> types;
    for (const auto& column : entry.GetColumns().Logical()) types.push_back(column.Type());
    auto table = std::make_shared<const ScanTable>(std::move(relation), std::move(types));
    auto info = duckdb::make_shared_ptr<ScanInfo>();
    info->table = table;

    TableFunction function = Template(context);
    function.name = "tarn_scan";
    function.function_info = info;
    function.get_multi_file_reader = ScanReader::Make;
    function.statistics = ScanStatistics;
    function.get_partition_stats = ScanPartitions;
    function.get_bind_info = ScanBindInfo;
    function.get_virtual_columns = ScanVirtualColumns;
    function.to_string = ScanToString;
    function.dynamic_to_string = ScanDynamicToString;
    function.serialize = nullptr;
    function.deserialize = nullptr;

    duckdb::vector<Value> inputs = {Value("")};
    duckdb::named_parameter_map_t named;
    duckdb::vector<LogicalType> input_types;
    duckdb::vector<string> input_names;
    duckdb::TableFunctionRef reference;
    duckdb::TableFunctionBindInput input(inputs, named, input_types, input_names, function.function_info.get(), nullptr,
                                         function, reference);
    duckdb::vector<LogicalType> return_types;
    duckdb::vector<string> return_names;
    auto bound = function.bind(context, input, return_types, return_names);
    bind_data = ScanBindData::From(bound->Cast<MultiFileBindData>(), table, &entry);
    return function;
}

void RegisterFunctions(duckdb::DatabaseInstance& database) {
    duckdb::ExtensionLoader loader(database, "tarn");
    duckdb::ScalarFunction fence("tarn_fence", {duckdb::LogicalType::ANY}, duckdb::LogicalType::ANY, Fence, BindFence);
    fence.SetVolatile();
    fence.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    loader.RegisterFunction(std::move(fence));
}

}  // namespace tarn::engine
