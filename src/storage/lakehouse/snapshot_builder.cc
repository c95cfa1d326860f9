#include "storage/lakehouse/snapshot_builder.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "storage/lakehouse/deletion_vector.h"
#include "storage/lakehouse/features.h"

namespace tarn::lakehouse {
namespace {

// The names that partition values and statistics go by in the log, and the logical ones.
using NameMap = std::map<std::string, std::string>;

NameMap PhysicalToLogical(const std::vector<DeltaField>& schema, ColumnMapping mapping) {
    NameMap names;
    for (const DeltaField& field : schema) {
        names[mapping == ColumnMapping::kNone ? field.name : field.PhysicalName()] = field.name;
    }
    return names;
}

std::string RenameMembers(const std::string& json_text, const NameMap& names) {
    auto parsed = ParseJson(json_text);
    if (!parsed.ok() || !parsed->is_object()) return "{}";
    Json renamed = Json::object();
    for (auto& [key, value] : parsed->items()) {
        auto found = names.find(key);
        if (found != names.end()) renamed[found->second] = value;
    }
    return DumpJson(renamed);
}

class Builder {
  public:
    Builder(lake::Lake& lake, const TableLocation& location, const TableState& state, VectorCache& vectors)
        : lake_(lake),
          location_(location),
          state_(state),
          vectors_(vectors),
          self_(security::Principal::System("lakehouse")) {}

    Result<std::shared_ptr<const Snapshot>> Build() {
        auto snapshot = std::make_shared<Snapshot>();
        snapshot->version = state_.version;
        snapshot->committed_at = FromMicros(state_.committed_ms * 1000);
        snapshot->reader_version = state_.protocol.reader_version;
        snapshot->writer_version = state_.protocol.writer_version;
        snapshot->reader_features = state_.protocol.reader_features;
        snapshot->writer_features = state_.protocol.writer_features;
        snapshot->table_id = state_.metadata.id;
        snapshot->description = state_.metadata.description;
        snapshot->schema_json = state_.metadata.schema_json;
        snapshot->partition_columns = state_.metadata.partition_columns;
        snapshot->properties = state_.metadata.configuration;
        for (const auto& [application, mark] : state_.transactions) snapshot->transactions[application] = mark.version;
        mapping_ = TRY(ColumnMappingOf(state_.metadata));
        names_ = PhysicalToLogical(state_.schema, mapping_);
        snapshot->columns = TRY(ToScanColumns(state_.schema, state_.metadata));
        TRY(AddFiles(*snapshot));
        return std::shared_ptr<const Snapshot>(std::move(snapshot));
    }

  private:
    Status AddFiles(Snapshot& snapshot) {
        using Entry = std::pair<const std::string*, const AddFile*>;
        std::vector<Entry> entries;
        entries.reserve(state_.files.size());
        for (const auto& [key, add] : state_.files) entries.emplace_back(&key, add.get());
        // In a stable order, oldest first: the same query reads the same way each time.
        std::sort(entries.begin(), entries.end(), [](const Entry& left, const Entry& right) {
            return std::tie(left.second->added_in, *left.first) < std::tie(right.second->added_in, *right.first);
        });
        snapshot.files.reserve(entries.size());
        snapshot.rows = 0;
        VectorCache used;
        for (const auto& [key, add] : entries) {
            engine::ScanFile file = TRY(ToScanFile(*add));
            if (add->deletion_vector) {
                file.deleted_positions = TRY(DeletedRows(*key, *add->deletion_vector));
                used[*key] = file.deleted_positions;
            }
            snapshot.bytes += add->bytes;
            if (file.rows < 0) snapshot.rows = -1;
            if (snapshot.rows >= 0) {
                snapshot.rows += file.rows - (add->deletion_vector ? add->deletion_vector->cardinality : 0);
            }
            snapshot.files.push_back(std::move(file));
        }
        vectors_ = std::move(used);
        return Ok();
    }

    Result<engine::ScanFile> ToScanFile(const AddFile& add) {
        engine::ScanFile file;
        file.path = TRY(location_.Resolve(add.path));
        FileStatistics statistics = parser_.ParseStatistics(add.statistics);
        file.rows = statistics.rows >= 0 ? statistics.rows : add.rows;
        for (const auto& [name, value] : add.partition_values) {
            auto logical = names_.find(name);
            // Delta's empty partition value is null.
            bool is_null = !value || value->empty();
            if (logical != names_.end()) file.partition_values[logical->second] = is_null ? std::nullopt : value;
        }
        for (const std::string& column : state_.metadata.partition_columns) file.partition_values.try_emplace(column);
        file.statistics = StatisticsText(statistics);
        return file;
    }

    std::string StatisticsText(FileStatistics& statistics) const {
        if (statistics.min.empty() && statistics.max.empty() && statistics.nulls.empty()) return "";
        for (std::string* part : {&statistics.min, &statistics.max, &statistics.nulls}) {
            if (part->empty()) *part = "{}";
            if (mapping_ != ColumnMapping::kNone) *part = RenameMembers(*part, names_);
        }
        return "{\"min\":" + statistics.min + ",\"max\":" + statistics.max + ",\"nulls\":" + statistics.nulls + "}";
    }

    Result<std::string> DeletedRows(const std::string& key, const DeletionVector& vector) {
        auto known = vectors_.find(key);
        if (known != vectors_.end()) return known->second;
        return LoadDeletionVector(lake_, self_, location_, vector);
    }

    lake::Lake& lake_;
    const TableLocation& location_;
    const TableState& state_;
    VectorCache& vectors_;
    security::Principal self_;
    ActionParser parser_;
    ColumnMapping mapping_ = ColumnMapping::kNone;
    NameMap names_;
};

}  // namespace

Result<std::vector<engine::ScanColumn>> ToScanColumns(const std::vector<DeltaField>& schema, const Metadata& metadata) {
    ColumnMapping mapping = TRY(ColumnMappingOf(metadata));
    std::set<std::string> partitions(metadata.partition_columns.begin(), metadata.partition_columns.end());
    std::vector<engine::ScanColumn> columns;
    for (const DeltaField& field : schema) {
        engine::ScanColumn column;
        column.column.name = field.name;
        column.column.type = TRY_CONTEXT(ToEngineType(field.type), fmt::format("column \"{}\"", field.name));
        column.column.nullable = field.nullable;
        column.column.description = field.Comment();
        column.partition = partitions.erase(field.name) > 0;
        column.physical_name = mapping == ColumnMapping::kNone ? field.name : field.PhysicalName();
        if (mapping != ColumnMapping::kNone && HasMappedNestedFields(field.type)) {
            // Read by their logical names these fields would be NULL: rather none than wrong data.
            return Error(
                ErrorCode::kNotSupported,
                "column \"{}\" has nested fields under other names in the files (Delta's columnMapping), which "
                "Tarn can't read yet",
                field.name);
        }
        if (mapping == ColumnMapping::kId) {
            auto id = field.metadata.find("delta.columnMapping.id");
            if (id == field.metadata.end() || !id->is_number_integer()) {
                return Error(ErrorCode::kCorruption, "column \"{}\" has no id, though the table maps columns by id",
                             field.name);
            }
            column.field_id = id->get<int32_t>();
        }
        columns.push_back(std::move(column));
    }
    if (!partitions.empty()) {
        return Error(ErrorCode::kCorruption, "the table is partitioned by \"{}\", which it hasn't",
                     *partitions.begin());
    }
    return columns;
}

Result<std::shared_ptr<const Snapshot>> BuildSnapshot(lake::Lake& lake, const TableLocation& location,
                                                      const TableState& state, VectorCache& vectors) {
    return Builder(lake, location, state, vectors).Build();
}

engine::Relation ToRelation(const TableName& table, const Snapshot& snapshot) {
    engine::Relation relation;
    relation.schema = table.schema;
    relation.name = table.name;
    relation.version = std::to_string(snapshot.version);
    for (const engine::ScanColumn& column : snapshot.columns) relation.columns.push_back(column.column);
    relation.source = engine::FileScan{snapshot.columns, snapshot.files};
    relation.comment = snapshot.description;
    return relation;
}

}  // namespace tarn::lakehouse
