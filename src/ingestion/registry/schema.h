// Schema: what Avro, JSON Schema and Protobuf have in common. Internal to the component.
//
// A schema is parsed anew each time that it is compared; what is stored is its text. Reading one never touches a file
// or the network: what it refers to is handed in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tarn::registry {

enum class SchemaType : uint8_t { kAvro, kJson, kProtobuf };
std::string_view SchemaTypeName(SchemaType type);  // AVRO, JSON, PROTOBUF
std::optional<SchemaType> SchemaTypeOf(std::string_view name);
std::vector<std::string> SupportedTypes();

// A schema that another one refers to, under the name that the other one uses.
struct ReferencedSchema {
    std::string name;
    std::string text;
};

// One reason why a reader cannot take what a writer wrote.
struct Difference {
    std::string kind;  // as Confluent's clients know it: TYPE_MISMATCH, FIELD_REMOVED ...
    std::string text;
};

// How the two schemas are called in the text of a difference.
struct Sides {
    std::string_view reader;
    std::string_view writer;
};

class Schema {
  public:
    virtual ~Schema() = default;
    virtual SchemaType type() const = 0;
    // The text without what doesn't matter (white space); two schemas of the same canonical text are one.
    virtual std::string Canonical() const = 0;
    // Further: the order of what has no order.
    virtual std::string Normal() const = 0;
    // In a form that a client asked for; one that is not known gives the canonical one.
    virtual Result<std::string> Formatted(const std::string& format) const;
    // Why this one, reading, cannot take all that `writer`, of the same type, may have written; empty: it can.
    virtual std::vector<Difference> Differences(const Schema& writer, const Sides& sides) const = 0;
};

struct ParseOptions {
    bool check_defaults = false;  // of Avro's fields: only of what is new, so that what is stored can always be read
};

// kInvalidArgument says what is wrong and where. `references` come before those that refer to them.
Result<std::unique_ptr<Schema>> ParseSchema(SchemaType type, const std::string& text,
                                            const std::vector<ReferencedSchema>& references,
                                            const ParseOptions& options = {});

// One level of compatibility, and what it asks for.
struct Compatibility {
    std::string_view name;  // BACKWARD, FULL_TRANSITIVE ...
    bool backward = false;  // the new one reads what the old one wrote
    bool forward = false;   // the old one reads what the new one wrote
    bool transitive = false;  // all versions, not only the latest
};
const Compatibility* FindCompatibility(std::string_view name);  // null: there is none of that name; case matters not

// As nlohmann reads it, with the order of members kept; kInvalidArgument with what is wrong.
Result<OrderedJson> ParseOrderedJson(const std::string& text);

// The beginning of a text that may be long, for messages.
std::string Excerpt(std::string text, size_t bytes_max = 200);

// What nesting through names may reach; text nests at most kJsonDepthMax deep.
inline constexpr int kSchemaDepthMax = 200;
// Pairs of types that one comparison looks at.
inline constexpr size_t kPairsMax = 1'000'000;

}  // namespace tarn::registry
