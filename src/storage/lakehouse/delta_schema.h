// Delta's schemas and types, and the engine's spelling of them (docs/formats/delta.md, "Schema").
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tarn::lakehouse {

struct DeltaField;

// A primitive by Delta's name ("long", "decimal(10,2)"), or a struct, array or map of further types.
struct DeltaType {
    enum class Kind : uint8_t { kPrimitive, kStruct, kArray, kMap };
    Kind kind = Kind::kPrimitive;
    std::string primitive;
    std::vector<DeltaField> fields;    // kStruct
    std::vector<DeltaType> children;   // kArray: the element; kMap: key, value
    bool contains_null = true;         // elements of an array, values of a map

    static DeltaType Primitive(std::string name);
    bool operator==(const DeltaType& other) const;
};

struct DeltaField {
    std::string name;
    DeltaType type;
    bool nullable = true;
    Json metadata = Json::object();

    // delta.columnMapping.physicalName, or the name where there is no mapping.
    std::string PhysicalName() const;
    std::string Comment() const;
};

enum class FieldNames : uint8_t { kLogical, kPhysical };

// kCorruption with what is wrong: no struct, a field without a name, an unknown type, two fields of one name.
Result<std::vector<DeltaField>> ParseSchema(std::string_view schema_json);
std::string SchemaToJson(const std::vector<DeltaField>& fields);

// DuckDB's spelling; kNotSupported for variant and for what is newer than we are.
Result<std::string> ToEngineType(const DeltaType& type, FieldNames names = FieldNames::kLogical);
// The Delta type that can hold a DuckDB type; where that is another type, the writer casts (ToEngineType of it).
Result<DeltaType> FromEngineType(std::string_view engine_type);

// The smallest type that holds all values of both without loss; nothing if there is none.
std::optional<DeltaType> CommonType(const DeltaType& left, const DeltaType& right);

// True if any part of the type is `name` ("timestamp_ntz", "variant").
bool Mentions(const DeltaType& type, std::string_view name);
// True if a nested field has another name in the files.
bool HasMappedNestedFields(const DeltaType& type);

// kInvalidArgument for a name that Parquet and Delta without column mapping can't hold, saying to rename it.
Status CheckColumnName(const std::string& name);
Status CheckNestedNames(const std::string& column, const DeltaType& type);

}  // namespace tarn::lakehouse
