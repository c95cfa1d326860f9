#include "storage/lakehouse/actions.h"

#include "base/json.h"

namespace tarn::lakehouse {
namespace {

std::string FileKey(const std::string& path, const DeletionVector* vector) {
    std::string key = CanonicalPath(path);
    if (vector) key += "\n" + vector->UniqueId();
    return key;
}

OrderedJson VectorJson(const DeletionVector& vector) {
    OrderedJson json;
    json["storageType"] = std::string(1, vector.storage_type);
    json["pathOrInlineDv"] = vector.path_or_inline;
    if (vector.offset) json["offset"] = *vector.offset;
    json["sizeInBytes"] = vector.size_bytes;
    json["cardinality"] = vector.cardinality;
    return json;
}

OrderedJson PartitionJson(const PartitionValues& values) {
    OrderedJson json = OrderedJson::object();
    for (const auto& [name, value] : values) {
        if (value) {
            json[name] = *value;
        } else {
            json[name] = nullptr;
        }
    }
    return json;
}

struct LineWriter {
    OrderedJson operator()(const AddFile& file) const {
        OrderedJson json;
        json["path"] = file.path;
        json["partitionValues"] = PartitionJson(file.partition_values);
        json["size"] = file.bytes;
        json["modificationTime"] = file.modified_ms;
        json["dataChange"] = file.data_change;
        if (!file.statistics.empty()) json["stats"] = file.statistics;
        if (!file.tags_json.empty()) json["tags"] = OrderedJson::parse(file.tags_json);
        if (file.deletion_vector) json["deletionVector"] = VectorJson(*file.deletion_vector);
        return {{"add", std::move(json)}};
    }
    OrderedJson operator()(const RemoveFile& file) const {
        OrderedJson json;
        json["path"] = file.path;
        json["deletionTimestamp"] = file.deleted_ms;
        json["dataChange"] = file.data_change;
        json["extendedFileMetadata"] = file.extended;
        if (file.extended) {
            json["partitionValues"] = PartitionJson(file.partition_values);
            json["size"] = file.bytes;
        }
        if (file.deletion_vector) json["deletionVector"] = VectorJson(*file.deletion_vector);
        return {{"remove", std::move(json)}};
    }
    OrderedJson operator()(const Metadata& metadata) const {
        OrderedJson json;
        json["id"] = metadata.id;
        if (!metadata.name.empty()) json["name"] = metadata.name;
        if (!metadata.description.empty()) json["description"] = metadata.description;
        json["format"] = {{"provider", metadata.format}, {"options", OrderedJson::object()}};
        json["schemaString"] = metadata.schema_json;
        json["partitionColumns"] = metadata.partition_columns;
        json["configuration"] = OrderedJson::object();
        for (const auto& [key, value] : metadata.configuration) json["configuration"][key] = value;
        if (metadata.created_ms > 0) json["createdTime"] = metadata.created_ms;
        return {{"metaData", std::move(json)}};
    }
    OrderedJson operator()(const Protocol& protocol) const {
        OrderedJson json;
        json["minReaderVersion"] = protocol.reader_version;
        json["minWriterVersion"] = protocol.writer_version;
        if (protocol.reader_version >= 3) json["readerFeatures"] = protocol.reader_features;
        if (protocol.writer_version >= 7) json["writerFeatures"] = protocol.writer_features;
        return {{"protocol", std::move(json)}};
    }
    OrderedJson operator()(const TransactionMark& mark) const {
        OrderedJson json;
        json["appId"] = mark.application;
        json["version"] = mark.version;
        if (mark.updated_ms > 0) json["lastUpdated"] = mark.updated_ms;
        return {{"txn", std::move(json)}};
    }
    OrderedJson operator()(const DomainMetadata& domain) const {
        OrderedJson json;
        json["domain"] = domain.domain;
        json["configuration"] = domain.configuration;
        json["removed"] = domain.removed;
        return {{"domainMetadata", std::move(json)}};
    }
    OrderedJson operator()(const Sidecar& sidecar) const {
        OrderedJson json;
        json["path"] = sidecar.path;
        json["sizeInBytes"] = sidecar.bytes;
        return {{"sidecar", std::move(json)}};
    }
    OrderedJson operator()(const CheckpointMetadata& checkpoint) const {
        OrderedJson json;
        json["version"] = checkpoint.version;
        return {{"checkpointMetadata", std::move(json)}};
    }
    OrderedJson operator()(const CommitInfo& info) const { return {{"commitInfo", OrderedJson::parse(info.json)}}; }
};

}  // namespace

std::string DeletionVector::UniqueId() const {
    std::string id = std::string(1, storage_type) + path_or_inline;
    if (offset) id += "@" + std::to_string(*offset);
    return id;
}

AddFile AddFile::Clone() const {
    AddFile copy;
    copy.path = path;
    copy.partition_values = partition_values;
    copy.bytes = bytes;
    copy.modified_ms = modified_ms;
    copy.data_change = data_change;
    copy.statistics = statistics;
    copy.tags_json = tags_json;
    if (deletion_vector) copy.deletion_vector = std::make_unique<DeletionVector>(*deletion_vector);
    copy.rows = rows;
    copy.added_in = added_in;
    return copy;
}

std::string AddFile::Key() const { return FileKey(path, deletion_vector.get()); }

RemoveFile RemoveFile::Clone() const {
    RemoveFile copy;
    copy.path = path;
    copy.deleted_ms = deleted_ms;
    copy.data_change = data_change;
    copy.extended = extended;
    copy.partition_values = partition_values;
    copy.bytes = bytes;
    if (deletion_vector) copy.deletion_vector = std::make_unique<DeletionVector>(*deletion_vector);
    copy.removed_in = removed_in;
    return copy;
}

RemoveFile RemoveFile::Of(const AddFile& file, int64_t deleted_ms) {
    RemoveFile remove;
    remove.path = file.path;
    remove.deleted_ms = deleted_ms;
    remove.extended = true;
    remove.partition_values = file.partition_values;
    remove.bytes = file.bytes;
    if (file.deletion_vector) remove.deletion_vector = std::make_unique<DeletionVector>(*file.deletion_vector);
    return remove;
}

std::string RemoveFile::Key() const { return FileKey(path, deletion_vector.get()); }

std::string Metadata::Property(const std::string& key, std::string fallback) const {
    auto found = configuration.find(key);
    return found == configuration.end() ? std::move(fallback) : found->second;
}

std::string CanonicalPath(std::string_view path) {
    if (path.starts_with("file:///")) return "file:" + std::string(path.substr(7));
    if (path.starts_with("/")) return "file:" + std::string(path);
    return std::string(path);
}

std::string ToJsonLine(const Action& action) {
    return std::visit(LineWriter{}, action).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace tarn::lakehouse
