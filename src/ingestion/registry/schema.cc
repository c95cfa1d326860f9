#include "ingestion/registry/schema.h"

#include <array>

#include "base/text.h"
#include "ingestion/registry/avro_schema.h"
#include "ingestion/registry/json_schema.h"
#include "ingestion/registry/protobuf_schema.h"

namespace tarn::registry {

std::string_view SchemaTypeName(SchemaType type) {
    switch (type) {
        case SchemaType::kAvro:
            return "AVRO";
        case SchemaType::kJson:
            return "JSON";
        case SchemaType::kProtobuf:
            return "PROTOBUF";
    }
    return "";
}

std::optional<SchemaType> SchemaTypeOf(std::string_view name) {
    for (SchemaType type : {SchemaType::kAvro, SchemaType::kJson, SchemaType::kProtobuf}) {
        if (SchemaTypeName(type) == name) return type;
    }
    return std::nullopt;
}

std::vector<std::string> SupportedTypes() { return {"JSON", "PROTOBUF", "AVRO"}; }

Result<std::string> Schema::Formatted(const std::string&) const { return Canonical(); }

Result<std::unique_ptr<Schema>> ParseSchema(SchemaType type, const std::string& text,
                                            const std::vector<ReferencedSchema>& references,
                                            const ParseOptions& options) {
    switch (type) {
        case SchemaType::kAvro:
            return ParseAvro(text, references, options);
        case SchemaType::kJson:
            return ParseJsonSchema(text, references);
        case SchemaType::kProtobuf:
            return ParseProtobuf(text, references);
    }
    return Error(ErrorCode::kInternal, "an unknown type of schema");
}

const Compatibility* FindCompatibility(std::string_view name) {
    static constexpr std::array<Compatibility, 7> kLevels = {{{"NONE"},
                                                              {"BACKWARD", true},
                                                              {"BACKWARD_TRANSITIVE", true, false, true},
                                                              {"FORWARD", false, true},
                                                              {"FORWARD_TRANSITIVE", false, true, true},
                                                              {"FULL", true, true},
                                                              {"FULL_TRANSITIVE", true, true, true}}};
    for (const Compatibility& level : kLevels) {
        if (EqualsIgnoreCase(level.name, name)) return &level;
    }
    return nullptr;
}

std::string Excerpt(std::string text, size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    // Not in the middle of a character.
    while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
    return text.substr(0, bytes_max) + " ...";
}

Result<OrderedJson> ParseOrderedJson(const std::string& text) {
    // The first reading knows how deep it may nest, and says where the text is wrong.
    auto checked = ParseJson(text);
    if (!checked.ok()) return Error(ErrorCode::kInvalidArgument, "{}", checked.error().message());
    return OrderedJson::parse(text, nullptr, false);
}

}  // namespace tarn::registry
