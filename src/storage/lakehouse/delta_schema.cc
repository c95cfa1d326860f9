#include "storage/lakehouse/delta_schema.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "base/text.h"

namespace tarn::lakehouse {
namespace {

// Delta's primitive types and how DuckDB spells them; decimal has parameters and stands apart.
constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kPrimitives = {{
    {"string", "VARCHAR"},
    {"long", "BIGINT"},
    {"integer", "INTEGER"},
    {"short", "SMALLINT"},
    {"byte", "TINYINT"},
    {"float", "FLOAT"},
    {"double", "DOUBLE"},
    {"boolean", "BOOLEAN"},
    {"binary", "BLOB"},
    {"date", "DATE"},
    {"timestamp", "TIMESTAMP WITH TIME ZONE"},
    {"timestamp_ntz", "TIMESTAMP"},
}};

constexpr int kDecimalDigitsMax = 38;
constexpr int kTypeDepthMax = 64;

struct Decimal {
    int precision = 0;
    int scale = 0;
};

std::optional<int> ToInt(std::string_view text) {
    text = Trim(text);
    int value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<Decimal> ParseDecimal(std::string_view name) {
    std::string lower = ToLower(name);
    if (lower == "decimal") return Decimal{10, 0};
    if (!lower.starts_with("decimal(") || !lower.ends_with(")")) return std::nullopt;
    std::vector<std::string> parts = Split(std::string_view(lower).substr(8, lower.size() - 9), ',');
    auto precision = ToInt(parts[0]);
    auto scale = parts.size() > 1 ? ToInt(parts[1]) : std::optional<int>(0);
    if (parts.size() > 2 || !precision || !scale) return std::nullopt;
    if (*precision < 1 || *precision > kDecimalDigitsMax || *scale < 0 || *scale > *precision) return std::nullopt;
    return Decimal{*precision, *scale};
}

DeltaType DecimalType(int precision, int scale) {
    return DeltaType::Primitive(fmt::format("decimal({},{})", precision, scale));
}

bool IsVariant(std::string_view name) { return name == "variant"; }

Result<DeltaType> ParseType(const Json& value, int depth);

Result<DeltaField> ParseField(const Json& value, int depth) {
    if (!value.is_object()) return Error(ErrorCode::kCorruption, "a field of the schema is not an object");
    DeltaField field;
    auto name = value.find("name");
    if (name == value.end() || !name->is_string()) {
        return Error(ErrorCode::kCorruption, "a field of the schema has no name");
    }
    field.name = name->get<std::string>();
    auto type = value.find("type");
    if (type == value.end()) return Error(ErrorCode::kCorruption, "field \"{}\" has no type", field.name);
    field.type = TRY_CONTEXT(ParseType(*type, depth + 1), fmt::format("field \"{}\"", field.name));
    auto nullable = value.find("nullable");
    if (nullable != value.end() && nullable->is_boolean()) field.nullable = nullable->get<bool>();
    auto metadata = value.find("metadata");
    if (metadata != value.end() && metadata->is_object()) field.metadata = *metadata;
    return field;
}

Result<std::vector<DeltaField>> ParseFields(const Json& value, int depth) {
    auto list = value.find("fields");
    if (list == value.end() || !list->is_array()) {
        return Error(ErrorCode::kCorruption, "a struct of the schema has no fields");
    }
    std::vector<DeltaField> fields;
    std::set<std::string> names;
    for (const Json& entry : *list) {
        DeltaField field = TRY(ParseField(entry, depth));
        if (!names.insert(ToLower(field.name)).second) {
            return Error(ErrorCode::kCorruption, "the schema has two fields named \"{}\"", field.name);
        }
        fields.push_back(std::move(field));
    }
    return fields;
}

Result<DeltaType> ParsePrimitive(const std::string& name) {
    if (IsVariant(name)) return DeltaType::Primitive(name);
    for (const auto& [delta, engine] : kPrimitives) {
        if (delta == name) return DeltaType::Primitive(name);
    }
    if (auto decimal = ParseDecimal(name)) return DecimalType(decimal->precision, decimal->scale);
    return Error(ErrorCode::kNotSupported, "the column type \"{}\" is not supported", name);
}

const Json* Member(const Json& object, const char* key) {
    auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
}

Result<DeltaType> ParseType(const Json& value, int depth) {
    if (depth > kTypeDepthMax) return Error(ErrorCode::kResourceExhausted, "the schema is nested too deeply");
    if (value.is_string()) return ParsePrimitive(value.get<std::string>());
    const Json* kind = value.is_object() ? Member(value, "type") : nullptr;
    if (!kind || !kind->is_string()) return Error(ErrorCode::kCorruption, "a type of the schema is malformed");
    DeltaType type;
    if (*kind == "struct") {
        type.kind = DeltaType::Kind::kStruct;
        type.fields = TRY(ParseFields(value, depth));
        return type;
    }
    if (*kind == "array") {
        const Json* element = Member(value, "elementType");
        if (!element) return Error(ErrorCode::kCorruption, "an array type has no elementType");
        type.kind = DeltaType::Kind::kArray;
        type.children.push_back(TRY(ParseType(*element, depth + 1)));
        type.contains_null = value.value("containsNull", true);
        return type;
    }
    if (*kind == "map") {
        const Json* key = Member(value, "keyType");
        const Json* mapped = Member(value, "valueType");
        if (!key || !mapped) return Error(ErrorCode::kCorruption, "a map type has no keyType or valueType");
        type.kind = DeltaType::Kind::kMap;
        type.children.push_back(TRY(ParseType(*key, depth + 1)));
        type.children.push_back(TRY(ParseType(*mapped, depth + 1)));
        type.contains_null = value.value("valueContainsNull", true);
        return type;
    }
    return Error(ErrorCode::kNotSupported, "the column type \"{}\" is not supported", kind->get<std::string>());
}

OrderedJson TypeToJson(const DeltaType& type);

OrderedJson FieldsToJson(const std::vector<DeltaField>& fields) {
    OrderedJson list = OrderedJson::array();
    for (const DeltaField& field : fields) {
        OrderedJson entry;
        entry["name"] = field.name;
        entry["type"] = TypeToJson(field.type);
        entry["nullable"] = field.nullable;
        entry["metadata"] = OrderedJson::parse(DumpJson(field.metadata));
        list.push_back(std::move(entry));
    }
    OrderedJson result;
    result["type"] = "struct";
    result["fields"] = std::move(list);
    return result;
}

OrderedJson TypeToJson(const DeltaType& type) {
    OrderedJson result;
    switch (type.kind) {
        case DeltaType::Kind::kPrimitive:
            return type.primitive;
        case DeltaType::Kind::kStruct:
            return FieldsToJson(type.fields);
        case DeltaType::Kind::kArray:
            result["type"] = "array";
            result["elementType"] = TypeToJson(type.children[0]);
            result["containsNull"] = type.contains_null;
            return result;
        case DeltaType::Kind::kMap:
            result["type"] = "map";
            result["keyType"] = TypeToJson(type.children[0]);
            result["valueType"] = TypeToJson(type.children[1]);
            result["valueContainsNull"] = type.contains_null;
            return result;
    }
    return result;
}

// Where a primitive stands among the whole numbers, -1 if it is none.
int WholeNumberRank(std::string_view name) {
    constexpr std::array<std::string_view, 4> kOrder = {"byte", "short", "integer", "long"};
    auto found = std::find(kOrder.begin(), kOrder.end(), name);
    return found == kOrder.end() ? -1 : static_cast<int>(found - kOrder.begin());
}

// A whole number as the decimal that holds all of its values.
std::optional<Decimal> AsDecimal(std::string_view name) {
    constexpr std::array<int, 4> kDigits = {3, 5, 10, 19};
    int rank = WholeNumberRank(name);
    if (rank >= 0) return Decimal{kDigits[static_cast<size_t>(rank)], 0};
    return ParseDecimal(name);
}

std::optional<DeltaType> CommonPrimitive(const std::string& left, const std::string& right) {
    if (left == right) return DeltaType::Primitive(left);
    int left_rank = WholeNumberRank(left);
    int right_rank = WholeNumberRank(right);
    if (left_rank >= 0 && right_rank >= 0) return DeltaType::Primitive(left_rank > right_rank ? left : right);
    auto is_double_safe = [](const std::string& name, int rank) { return name == "float" || (rank >= 0 && rank <= 2); };
    if (left == "double" && is_double_safe(right, right_rank)) return DeltaType::Primitive("double");
    if (right == "double" && is_double_safe(left, left_rank)) return DeltaType::Primitive("double");
    if ((left == "date" && right == "timestamp_ntz") || (right == "date" && left == "timestamp_ntz")) {
        return DeltaType::Primitive("timestamp_ntz");
    }
    auto left_decimal = AsDecimal(left);
    auto right_decimal = AsDecimal(right);
    if (!left_decimal || !right_decimal) return std::nullopt;
    int scale = std::max(left_decimal->scale, right_decimal->scale);
    int whole =
        std::max(left_decimal->precision - left_decimal->scale, right_decimal->precision - right_decimal->scale);
    if (whole + scale > kDecimalDigitsMax) return std::nullopt;
    return DecimalType(whole + scale, scale);
}

std::optional<DeltaType> CommonStruct(const DeltaType& left, const DeltaType& right) {
    DeltaType result = left;
    for (const DeltaField& field : right.fields) {
        auto same = [&](const DeltaField& other) { return EqualsIgnoreCase(other.name, field.name); };
        auto found = std::find_if(result.fields.begin(), result.fields.end(), same);
        if (found == result.fields.end()) {
            result.fields.push_back(field);
            result.fields.back().nullable = true;
            continue;
        }
        auto common = CommonType(found->type, field.type);
        if (!common) return std::nullopt;
        found->type = std::move(*common);
    }
    return result;
}

}  // namespace

DeltaType DeltaType::Primitive(std::string name) {
    DeltaType type;
    type.primitive = std::move(name);
    return type;
}

bool DeltaType::operator==(const DeltaType& other) const {
    if (kind != other.kind || primitive != other.primitive || children.size() != other.children.size() ||
        fields.size() != other.fields.size()) {
        return false;
    }
    for (size_t i = 0; i < fields.size(); ++i) {
        if (fields[i].name != other.fields[i].name || !(fields[i].type == other.fields[i].type)) return false;
    }
    return std::equal(children.begin(), children.end(), other.children.begin());
}

std::string DeltaField::PhysicalName() const {
    auto found = metadata.find("delta.columnMapping.physicalName");
    return found != metadata.end() && found->is_string() ? found->get<std::string>() : name;
}

std::string DeltaField::Comment() const {
    auto found = metadata.find("comment");
    return found != metadata.end() && found->is_string() ? found->get<std::string>() : "";
}

Result<std::vector<DeltaField>> ParseSchema(std::string_view schema_json) {
    auto parsed = ParseJson(schema_json);
    if (!parsed.ok()) return Error(ErrorCode::kCorruption, "the table's schema: {}", parsed.error().message());
    if (!parsed->is_object() || !parsed->contains("type") || (*parsed)["type"] != "struct") {
        return Error(ErrorCode::kCorruption, "the table's schema is not a struct");
    }
    return ParseFields(*parsed, 0);
}

std::string SchemaToJson(const std::vector<DeltaField>& fields) {
    return FieldsToJson(fields).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Result<std::string> ToEngineType(const DeltaType& type, FieldNames names) {
    switch (type.kind) {
        case DeltaType::Kind::kPrimitive:
            break;
        case DeltaType::Kind::kArray:
            return TRY(ToEngineType(type.children[0], names)) + "[]";
        case DeltaType::Kind::kMap:
            return fmt::format("MAP({}, {})", TRY(ToEngineType(type.children[0], names)),
                               TRY(ToEngineType(type.children[1], names)));
        case DeltaType::Kind::kStruct: {
            if (type.fields.empty()) return Error(ErrorCode::kNotSupported, "a struct without fields");
            std::vector<std::string> parts;
            for (const DeltaField& field : type.fields) {
                std::string name = names == FieldNames::kPhysical ? field.PhysicalName() : field.name;
                parts.push_back(QuoteIdentifier(name) + " " + TRY(ToEngineType(field.type, names)));
            }
            return "STRUCT(" + Join(parts, ", ") + ")";
        }
    }
    for (const auto& [delta, engine] : kPrimitives) {
        if (delta == type.primitive) return std::string(engine);
    }
    if (auto decimal = ParseDecimal(type.primitive)) {
        return fmt::format("DECIMAL({},{})", decimal->precision, decimal->scale);
    }
    return Error(ErrorCode::kNotSupported, "columns of type {} are not supported", type.primitive);
}

std::optional<DeltaType> CommonType(const DeltaType& left, const DeltaType& right) {
    if (left.kind != right.kind) return std::nullopt;
    if (left.kind == DeltaType::Kind::kPrimitive) return CommonPrimitive(left.primitive, right.primitive);
    if (left.kind == DeltaType::Kind::kStruct) return CommonStruct(left, right);
    DeltaType result = left;
    for (size_t i = 0; i < left.children.size(); ++i) {
        auto common = CommonType(left.children[i], right.children[i]);
        if (!common) return std::nullopt;
        result.children[i] = std::move(*common);
    }
    result.contains_null = left.contains_null || right.contains_null;
    return result;
}

bool Mentions(const DeltaType& type, std::string_view name) {
    if (type.kind == DeltaType::Kind::kPrimitive) return type.primitive == name;
    auto in_type = [&](const DeltaType& child) { return Mentions(child, name); };
    auto in_field = [&](const DeltaField& field) { return Mentions(field.type, name); };
    return std::any_of(type.children.begin(), type.children.end(), in_type) ||
           std::any_of(type.fields.begin(), type.fields.end(), in_field);
}

bool HasMappedNestedFields(const DeltaType& type) {
    auto in_field = [&](const DeltaField& field) {
        return field.PhysicalName() != field.name || HasMappedNestedFields(field.type);
    };
    return std::any_of(type.fields.begin(), type.fields.end(), in_field) ||
           std::any_of(type.children.begin(), type.children.end(), HasMappedNestedFields);
}

Status CheckColumnName(const std::string& name) {
    constexpr std::string_view kForbidden = " ,;{}()\n\t=";
    if (name.empty())
        return Error(ErrorCode::kInvalidArgument, "a column of the result has no name; give it one with AS");
    size_t position = name.find_first_of(kForbidden);
    if (position == std::string::npos) return Ok();
    return Error(ErrorCode::kInvalidArgument,
                 "column name \"{}\" can't be stored: Delta tables take none of ' ,;{{}}()='", name)
        .WithHint("rename it with AS");
}

Status CheckNestedNames(const std::string& column, const DeltaType& type) {
    for (const DeltaField& field : type.fields) {
        TRY_CONTEXT(CheckColumnName(field.name), fmt::format("in column \"{}\"", column));
        TRY(CheckNestedNames(column, field.type));
    }
    for (const DeltaType& child : type.children) TRY(CheckNestedNames(column, child));
    return Ok();
}

}  // namespace tarn::lakehouse
