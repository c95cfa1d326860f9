#include "storage/lakehouse/features.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace tarn::lakehouse {
namespace {

constexpr int kReaderVersionMax = 3;
constexpr int kWriterVersionMax = 7;

constexpr std::array<std::string_view, 8> kReadable = {
    "columnMapping", "deletionVectors",     "timestampNtz", "timestampWithoutTimezone",
    "v2Checkpoint",  "vacuumProtocolCheck", "typeWidening", "typeWidening-preview",
};

// Writer features that are safe in a table we write: those we honour, and those that are refused below where used.
constexpr std::array<std::string_view, 13> kWritable = {
    "appendOnly",      "invariants",    "checkConstraints",         "changeDataFeed", "generatedColumns",
    "identityColumns", "timestampNtz",  "deletionVectors",          "v2Checkpoint",   "vacuumProtocolCheck",
    "domainMetadata",  "columnMapping", "timestampWithoutTimezone",
};

template <size_t kCount>
bool Contains(const std::array<std::string_view, kCount>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

bool IsTrue(const Metadata& metadata, const std::string& property) { return metadata.Property(property) == "true"; }

Status CheckFieldsWritable(const std::vector<DeltaField>& fields) {
    constexpr std::array<std::string_view, 3> kRefused = {"delta.invariants", "delta.generationExpression",
                                                          "delta.identity.start"};
    for (const DeltaField& field : fields) {
        for (std::string_view key : kRefused) {
            if (!field.metadata.contains(std::string(key))) continue;
            return Error(ErrorCode::kNotSupported, "column \"{}\" has {}, which Tarn can't keep when it writes",
                         field.name, key);
        }
        TRY(CheckFieldsWritable(field.type.fields));
    }
    return Ok();
}

bool NeedsTimestampNtz(const std::vector<DeltaField>& schema) {
    return std::any_of(schema.begin(), schema.end(),
                       [](const DeltaField& field) { return Mentions(field.type, "timestamp_ntz"); });
}

void AddFeature(std::vector<std::string>& features, std::string name) {
    if (std::find(features.begin(), features.end(), name) == features.end()) features.push_back(std::move(name));
}

// The features that a writer version without a list stands for.
std::vector<std::string> LegacyWriterFeatures(int writer_version) {
    constexpr std::array<std::pair<int, std::string_view>, 7> kLegacy = {{{2, "appendOnly"},
                                                                          {2, "invariants"},
                                                                          {3, "checkConstraints"},
                                                                          {4, "changeDataFeed"},
                                                                          {4, "generatedColumns"},
                                                                          {5, "columnMapping"},
                                                                          {6, "identityColumns"}}};
    std::vector<std::string> features;
    for (const auto& [version, name] : kLegacy) {
        if (writer_version >= version) features.emplace_back(name);
    }
    return features;
}

}  // namespace

Status CheckReadable(const Protocol& protocol) {
    if (protocol.reader_version < 1 || protocol.reader_version > kReaderVersionMax) {
        return Error(ErrorCode::kNotSupported, "the table needs Delta reader version {}; Tarn reads up to {}",
                     protocol.reader_version, kReaderVersionMax);
    }
    if (protocol.reader_version < 3) return Ok();
    for (const std::string& feature : protocol.reader_features) {
        if (Contains(kReadable, feature)) continue;
        return Error(ErrorCode::kNotSupported,
                     "the table needs the Delta reader feature \"{}\", which Tarn doesn't have", feature);
    }
    return Ok();
}

Status CheckWritable(const Protocol& protocol, const Metadata& metadata, const std::vector<DeltaField>& schema,
                     ChangeKind change) {
    if (protocol.writer_version > kWriterVersionMax) {
        return Error(ErrorCode::kNotSupported, "the table needs Delta writer version {}; Tarn writes up to {}",
                     protocol.writer_version, kWriterVersionMax);
    }
    if (protocol.writer_version == kWriterVersionMax) {
        for (const std::string& feature : protocol.writer_features) {
            if (Contains(kWritable, feature)) continue;
            return Error(ErrorCode::kNotSupported,
                         "the table needs the Delta writer feature \"{}\", which Tarn doesn't have", feature);
        }
    }
    if (TRY(ColumnMappingOf(metadata)) != ColumnMapping::kNone) {
        return Error(ErrorCode::kNotSupported,
                     "the table uses the Delta feature \"columnMapping\"; Tarn only reads it");
    }
    for (const auto& [key, value] : metadata.configuration) {
        if (!key.starts_with("delta.constraints.")) continue;
        return Error(ErrorCode::kNotSupported,
                     "the table has the check constraint \"{}\", which Tarn can't keep when it writes",
                     key.substr(std::string_view("delta.constraints.").size()));
    }
    TRY(CheckFieldsWritable(schema));
    if (change == ChangeKind::kAppend) return Ok();
    if (IsTrue(metadata, "delta.appendOnly")) {
        return Error(ErrorCode::kFailedPrecondition, "the table is append-only (delta.appendOnly): no row may go");
    }
    if (IsTrue(metadata, "delta.enableChangeDataFeed")) {
        return Error(ErrorCode::kNotSupported, "the table has a change data feed, which Tarn can only append to");
    }
    return Ok();
}

Protocol ProtocolFor(const std::vector<DeltaField>& schema) { return Upgrade(Protocol{}, schema); }

Protocol Upgrade(const Protocol& current, const std::vector<DeltaField>& schema) {
    if (!NeedsTimestampNtz(schema)) return current;
    Protocol upgraded = current;
    if (current.writer_version < 7) upgraded.writer_features = LegacyWriterFeatures(current.writer_version);
    if (current.reader_version == 2) AddFeature(upgraded.reader_features, "columnMapping");
    upgraded.reader_version = 3;
    upgraded.writer_version = 7;
    AddFeature(upgraded.reader_features, "timestampNtz");
    AddFeature(upgraded.writer_features, "timestampNtz");
    return upgraded;
}

Result<ColumnMapping> ColumnMappingOf(const Metadata& metadata) {
    std::string mode = metadata.Property("delta.columnMapping.mode", "none");
    if (mode == "none") return ColumnMapping::kNone;
    if (mode == "name") return ColumnMapping::kName;
    if (mode == "id") return ColumnMapping::kId;
    return Error(ErrorCode::kCorruption, "the table's column mapping mode \"{}\" is not known to the protocol", mode);
}

}  // namespace tarn::lakehouse
