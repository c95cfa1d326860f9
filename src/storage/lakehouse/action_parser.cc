// The one file that knows simdjson: a log of hundreds of thousands of lines is read at hundreds of megabytes a second.
#include <simdjson.h>

#include <algorithm>

#include "storage/lakehouse/actions.h"

namespace tarn::lakehouse {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

Error Malformed(std::string_view action, std::string_view what) {
    return Error(ErrorCode::kCorruption, "a malformed {} action: {}", action, what);
}

// Members of one action, with its name for errors.
class Fields {
  public:
    Fields(std::string_view action, object value) : action_(action), value_(value) {}

    // Null counts as missing.
    std::optional<element> Find(const char* key) const {
        element found;
        if (value_.at_key(key).get(found) != simdjson::SUCCESS || found.is_null()) return std::nullopt;
        return found;
    }

    Result<std::string> Text(const char* key) const {
        auto found = Find(key);
        std::string_view text;
        if (!found) return Malformed(action_, std::string("no ") + key);
        if (found->get(text) != simdjson::SUCCESS) return Malformed(action_, std::string(key) + " is not text");
        return std::string(text);
    }
    Result<std::string> TextOr(const char* key, std::string fallback) const {
        return Find(key) ? Text(key) : Result<std::string>(std::move(fallback));
    }
    Result<int64_t> Integer(const char* key) const {
        auto found = Find(key);
        int64_t number = 0;
        if (!found) return Malformed(action_, std::string("no ") + key);
        if (found->get(number) == simdjson::SUCCESS) return number;
        double real = 0;  // some writers print 1.0
        if (found->get(real) != simdjson::SUCCESS || real < -9e15 || real > 9e15) {
            return Malformed(action_, std::string(key) + " is not a whole number");
        }
        return static_cast<int64_t>(real);
    }
    Result<int64_t> IntegerOr(const char* key, int64_t fallback) const {
        return Find(key) ? Integer(key) : Result<int64_t>(fallback);
    }
    Result<bool> BoolOr(const char* key, bool fallback) const {
        auto found = Find(key);
        bool value = fallback;
        if (found && found->get(value) != simdjson::SUCCESS)
            return Malformed(action_, std::string(key) + " is not a bool");
        return value;
    }
    Result<std::optional<object>> Object(const char* key) const {
        auto found = Find(key);
        if (!found) return std::optional<object>();
        object value;
        if (found->get(value) != simdjson::SUCCESS) return Malformed(action_, std::string(key) + " is not an object");
        return std::optional<object>(value);
    }
    Result<std::vector<std::string>> TextsOr(const char* key) const {
        std::vector<std::string> texts;
        auto found = Find(key);
        if (!found) return texts;
        simdjson::dom::array list;
        if (found->get(list) != simdjson::SUCCESS) return Malformed(action_, std::string(key) + " is not a list");
        for (element entry : list) {
            std::string_view text;
            if (entry.get(text) != simdjson::SUCCESS)
                return Malformed(action_, std::string(key) + " is not a list of text");
            texts.emplace_back(text);
        }
        return texts;
    }
    std::string RawOr(const char* key) const {
        auto found = Find(key);
        return found ? std::string(simdjson::minify(*found)) : std::string();
    }
    std::string_view action() const { return action_; }

  private:
    std::string_view action_;
    object value_;
};

Result<PartitionValues> ReadPartitionValues(const Fields& fields) {
    PartitionValues values;
    auto map = TRY(fields.Object("partitionValues"));
    if (!map) return values;
    for (auto [key, value] : *map) {
        std::string_view text;
        if (value.is_null()) {
            values.emplace_back(std::string(key), std::nullopt);
        } else if (value.get(text) == simdjson::SUCCESS) {
            values.emplace_back(std::string(key), std::string(text));
        } else {
            return Malformed(fields.action(), "a partition value is not text");
        }
    }
    return values;
}

Result<std::unique_ptr<DeletionVector>> ReadVector(const Fields& fields) {
    auto inner = TRY(fields.Object("deletionVector"));
    if (!inner) return std::unique_ptr<DeletionVector>();
    Fields vector("deletionVector", *inner);
    auto result = std::make_unique<DeletionVector>();
    std::string type = TRY(vector.Text("storageType"));
    if (type != "u" && type != "i" && type != "p") return Malformed("deletionVector", "storageType is " + type);
    result->storage_type = type[0];
    result->path_or_inline = TRY(vector.Text("pathOrInlineDv"));
    if (vector.Find("offset")) result->offset = TRY(vector.Integer("offset"));
    result->size_bytes = TRY(vector.Integer("sizeInBytes"));
    result->cardinality = TRY(vector.Integer("cardinality"));
    return result;
}

Result<Action> ReadAdd(const Fields& fields) {
    AddFile file;
    file.path = TRY(fields.Text("path"));
    file.partition_values = TRY(ReadPartitionValues(fields));
    file.bytes = TRY(fields.IntegerOr("size", 0));
    file.modified_ms = TRY(fields.IntegerOr("modificationTime", 0));
    file.data_change = TRY(fields.BoolOr("dataChange", true));
    file.statistics = TRY(fields.TextOr("stats", ""));
    file.tags_json = fields.RawOr("tags");
    file.deletion_vector = TRY(ReadVector(fields));
    if (auto parsed = TRY(fields.Object("stats_parsed")); parsed && file.statistics.empty()) {
        // Checkpoints may hold statistics as a struct alone: the count is what a reader must not lose.
        file.rows = TRY(Fields("stats_parsed", *parsed).IntegerOr("numRecords", -1));
    }
    return Action(std::move(file));
}

Result<Action> ReadRemove(const Fields& fields) {
    RemoveFile file;
    file.path = TRY(fields.Text("path"));
    file.deleted_ms = TRY(fields.IntegerOr("deletionTimestamp", 0));
    file.data_change = TRY(fields.BoolOr("dataChange", true));
    file.extended = TRY(fields.BoolOr("extendedFileMetadata", false));
    file.partition_values = TRY(ReadPartitionValues(fields));
    file.bytes = TRY(fields.IntegerOr("size", 0));
    file.deletion_vector = TRY(ReadVector(fields));
    return Action(std::move(file));
}

Result<Action> ReadMetadata(const Fields& fields) {
    Metadata metadata;
    metadata.id = TRY(fields.TextOr("id", ""));
    metadata.name = TRY(fields.TextOr("name", ""));
    metadata.description = TRY(fields.TextOr("description", ""));
    metadata.schema_json = TRY(fields.TextOr("schemaString", ""));
    metadata.partition_columns = TRY(fields.TextsOr("partitionColumns"));
    metadata.created_ms = TRY(fields.IntegerOr("createdTime", 0));
    if (auto format = TRY(fields.Object("format"))) {
        metadata.format = TRY(Fields("format", *format).TextOr("provider", "parquet"));
    }
    if (auto configuration = TRY(fields.Object("configuration"))) {
        for (auto [key, value] : *configuration) {
            std::string_view text;
            if (value.get(text) == simdjson::SUCCESS) {
                metadata.configuration[std::string(key)] = std::string(text);
            } else if (!value.is_null()) {
                metadata.configuration[std::string(key)] = simdjson::minify(value);
            }
        }
    }
    return Action(std::move(metadata));
}

Result<Action> ReadProtocol(const Fields& fields) {
    Protocol protocol;
    protocol.reader_version = static_cast<int>(TRY(fields.Integer("minReaderVersion")));
    protocol.writer_version = static_cast<int>(TRY(fields.Integer("minWriterVersion")));
    protocol.reader_features = TRY(fields.TextsOr("readerFeatures"));
    protocol.writer_features = TRY(fields.TextsOr("writerFeatures"));
    return Action(std::move(protocol));
}

Result<Action> ReadTransaction(const Fields& fields) {
    TransactionMark mark;
    mark.application = TRY(fields.Text("appId"));
    mark.version = TRY(fields.Integer("version"));
    mark.updated_ms = TRY(fields.IntegerOr("lastUpdated", 0));
    return Action(std::move(mark));
}

Result<Action> ReadDomain(const Fields& fields) {
    DomainMetadata domain;
    domain.domain = TRY(fields.Text("domain"));
    domain.configuration = TRY(fields.TextOr("configuration", ""));
    domain.removed = TRY(fields.BoolOr("removed", false));
    return Action(std::move(domain));
}

Result<Action> ReadSidecar(const Fields& fields) {
    Sidecar sidecar;
    sidecar.path = TRY(fields.Text("path"));
    sidecar.bytes = TRY(fields.IntegerOr("sizeInBytes", 0));
    return Action(std::move(sidecar));
}

Result<Action> ReadCheckpointMetadata(const Fields& fields) {
    return Action(CheckpointMetadata{TRY(fields.IntegerOr("version", -1))});
}

struct Reader {
    std::string_view name;
    Result<Action> (*read)(const Fields& fields);
};
constexpr Reader kReaders[] = {
    {"add", ReadAdd},           {"remove", ReadRemove},
    {"metaData", ReadMetadata}, {"protocol", ReadProtocol},
    {"txn", ReadTransaction},   {"domainMetadata", ReadDomain},
    {"sidecar", ReadSidecar},   {"checkpointMetadata", ReadCheckpointMetadata},
};

Action ReadCommitInfo(element value, object fields) {
    CommitInfo info;
    int64_t number = 0;
    if (fields.at_key("timestamp").get(number) == simdjson::SUCCESS) info.timestamp_ms = number;
    if (fields.at_key("inCommitTimestamp").get(number) == simdjson::SUCCESS) info.in_commit_timestamp_ms = number;
    info.json = simdjson::minify(value);
    return info;
}

}  // namespace

struct ActionParser::State {
    simdjson::dom::parser parser;
};

ActionParser::ActionParser() : state_(std::make_unique<State>()) {}
ActionParser::~ActionParser() = default;

Result<std::optional<Action>> ActionParser::Parse(std::string_view line) {
    element document;
    auto code = state_->parser.parse(line.data(), line.size(), true).get(document);
    if (code != simdjson::SUCCESS) {
        return Error(ErrorCode::kCorruption, "a line of the log is not JSON: {}", simdjson::error_message(code));
    }
    object members;
    if (document.get(members) != simdjson::SUCCESS) {
        return Error(ErrorCode::kCorruption, "a line of the log is not a JSON object");
    }
    for (auto [key, value] : members) {
        if (value.is_null()) continue;
        object fields;
        bool known = key == "commitInfo" || std::any_of(std::begin(kReaders), std::end(kReaders),
                                                        [&](const Reader& r) { return r.name == key; });
        if (!known) continue;
        if (value.get(fields) != simdjson::SUCCESS) return Malformed(key, "not an object");
        if (key == "commitInfo") return std::optional<Action>(ReadCommitInfo(value, fields));
        for (const Reader& reader : kReaders) {
            if (reader.name == key) return std::optional<Action>(TRY(reader.read(Fields(key, fields))));
        }
    }
    return std::optional<Action>();
}

FileStatistics ActionParser::ParseStatistics(std::string_view text) {
    FileStatistics statistics;
    object members;
    if (text.empty() || state_->parser.parse(text.data(), text.size(), true).get(members) != simdjson::SUCCESS) {
        return statistics;
    }
    Fields fields("stats", members);
    auto rows = fields.IntegerOr("numRecords", -1);
    if (rows.ok()) statistics.rows = *rows;
    statistics.min = fields.RawOr("minValues");
    statistics.max = fields.RawOr("maxValues");
    statistics.nulls = fields.RawOr("nullCount");
    return statistics;
}

}  // namespace tarn::lakehouse
