// AvroSchema: a schema of Apache Avro 1.12 as a graph of types. Internal to the component.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ingestion/registry/schema.h"

namespace tarn::registry {

enum class AvroKind : uint8_t {
    kNull,
    kBoolean,
    kInt,
    kLong,
    kFloat,
    kDouble,
    kBytes,
    kString,
    kRecord,
    kEnum,
    kFixed,
    kArray,
    kMap,
    kUnion
};
std::string_view AvroKindName(AvroKind kind);  // "int", "record" ...

struct AvroType;

struct AvroField {
    std::string name;
    const AvroType* type = nullptr;
    std::optional<OrderedJson> fallback;  // its default
    std::optional<std::string> doc;
    std::string order;  // empty: ascending
    std::vector<std::string> aliases;
    OrderedJson properties = OrderedJson::object();
};

struct AvroType {
    AvroKind kind = AvroKind::kNull;
    std::string name;   // without its namespace
    std::string space;  // the namespace
    std::optional<std::string> doc;
    std::vector<std::string> aliases;  // full names
    std::vector<AvroField> fields;
    std::vector<std::string> symbols;
    std::optional<std::string> fallback;  // of an enum
    int64_t size = 0;
    std::vector<const AvroType*> inner;  // of a union its branches; of an array or map what it holds
    OrderedJson properties = OrderedJson::object();
    bool is_error = false;
    bool is_referenced = false;  // defined by a schema that this one refers to

    bool IsNamed() const { return kind == AvroKind::kRecord || kind == AvroKind::kEnum || kind == AvroKind::kFixed; }
    std::string FullName() const { return space.empty() ? name : space + "." + name; }
};

// The types of one schema and of those that it refers to.
struct AvroTypes {
    std::vector<std::unique_ptr<AvroType>> all;
    std::map<std::string, AvroType*> by_name;  // full names
};

Result<std::unique_ptr<Schema>> ParseAvro(const std::string& text, const std::vector<ReferencedSchema>& references,
                                          const ParseOptions& options);

// Why `reader` cannot take all that `writer` may have written.
std::vector<Difference> AvroDifferences(const AvroType& reader, const AvroType& writer, const Sides& sides);

}  // namespace tarn::registry
