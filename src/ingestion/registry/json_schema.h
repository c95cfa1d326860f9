// JsonSchema: a JSON Schema (drafts 4 to 2020-12) as a graph of what it demands. Internal to the component.
//
// What one object demands in several ways at once ("type" and "enum", "allOf" beside "properties") becomes a node that
// wants all of its parts, so that parts are compared with parts.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ingestion/registry/schema.h"

namespace tarn::registry {

enum class JsonKind : uint8_t {
    kAny,    // {} and true
    kNever,  // false
    kString,
    kNumber,  // also integer
    kBoolean,
    kNull,
    kObject,
    kArray,
    kEnum,
    kConst,
    kNot,
    kConditional,  // if, then, else
    kCombined
};

enum class Criterion : uint8_t { kAll, kAny, kOne };

struct JsonNode;

struct JsonProperty {
    const JsonNode* node = nullptr;
    bool has_default = false;
};

struct JsonNode {
    JsonKind kind = JsonKind::kAny;
    const Json* source = nullptr;  // the object that says it
    std::string type;              // of numbers: "integer" or "number"

    Criterion criterion = Criterion::kAll;  // of kCombined
    std::vector<const JsonNode*> parts;     // of kCombined; of kNot the one

    std::map<std::string, JsonProperty> properties;
    std::vector<std::pair<std::string, const JsonNode*>> patterns;
    std::set<std::string> required;
    std::map<std::string, std::set<std::string>> dependent_names;
    std::map<std::string, const JsonNode*> dependent_schemas;

    std::vector<const JsonNode*> first_items;  // by position
    const JsonNode* items = nullptr;           // all of them

    // Of objects and arrays: what is beyond the properties, or the first items. Null: not said.
    const JsonNode* additional = nullptr;
    const JsonNode* unevaluated = nullptr;

    bool IsNever() const { return kind == JsonKind::kNever; }
    bool IsAny() const { return kind == JsonKind::kAny; }
    // Anything may be there that isn't named.
    bool IsOpen() const {
        bool allowed = !additional || additional->IsAny();
        return allowed && patterns.empty() && (!unevaluated || unevaluated->IsAny() || additional);
    }
    bool Permits() const { return !additional || !additional->IsNever(); }
};

Result<std::unique_ptr<Schema>> ParseJsonSchema(const std::string& text,
                                                const std::vector<ReferencedSchema>& references);

// Why a reader of `reader` refuses what `writer` permits.
std::vector<Difference> JsonDifferences(const JsonNode& reader, const JsonNode& writer, const Sides& sides);

}  // namespace tarn::registry
