#include "ingestion/registry/avro_schema.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"

namespace tarn::registry {
namespace {

constexpr std::array<std::string_view, 14> kKinds = {"null",   "boolean", "int",  "long",  "float", "double", "bytes",
                                                     "string", "record",  "enum", "fixed", "array", "map",    "union"};
constexpr size_t kTypesMax = 100'000;

template <typename... Parts>
Error Wrong(fmt::format_string<Parts...> format, Parts&&... parts) {
    return {ErrorCode::kInvalidArgument, fmt::format(format, std::forward<Parts>(parts)...)};
}

std::optional<AvroKind> PrimitiveOf(std::string_view name) {
    for (size_t i = 0; i < static_cast<size_t>(AvroKind::kRecord); ++i) {
        if (kKinds[i] == name) return static_cast<AvroKind>(i);
    }
    return std::nullopt;
}

bool IsName(std::string_view text) {
    if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
}

bool IsOneOf(std::string_view key, std::initializer_list<std::string_view> keys) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
}

std::optional<std::string> TextOf(const OrderedJson& object, const char* key) {
    auto found = object.find(key);
    if (found == object.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
}

// The name with its namespace, as Avro reads it within `space`.
std::string Qualified(const std::string& name, const std::string& space) {
    if (name.find('.') != std::string::npos || space.empty()) return name;
    return space + "." + name;
}

// Reads one text into the types, of which some may be there already.
class Reader {
  public:
    Reader(AvroTypes& types, bool is_referenced) : types_(types), is_referenced_(is_referenced) {}

    Result<AvroType*> Read(const OrderedJson& json, const std::string& space) {
        if (json.is_string()) return Named(json.get<std::string>(), space);
        if (json.is_array()) return Union(json, space);
        if (!json.is_object()) return Wrong("a type is a name, an object or an array, not {}", Excerpt(json.dump()));
        auto type = json.find("type");
        if (type == json.end()) return Wrong("{} has no \"type\"", Excerpt(json.dump()));
        if (!type->is_string()) return Read(*type, space);
        return Object(json, type->get<std::string>(), space);
    }

  private:
    Result<AvroType*> Make(AvroKind kind) {
        if (types_.all.size() >= kTypesMax) return Wrong("the schema has more than {} types", kTypesMax);
        types_.all.push_back(std::make_unique<AvroType>());
        types_.all.back()->kind = kind;
        types_.all.back()->is_referenced = is_referenced_;
        return types_.all.back().get();
    }

    Result<AvroType*> Named(const std::string& name, const std::string& space) {
        if (auto primitive = PrimitiveOf(name)) return Make(*primitive);
        auto found = types_.by_name.find(Qualified(name, space));
        if (found == types_.by_name.end()) found = types_.by_name.find(name);
        if (found == types_.by_name.end()) return Wrong("\"{}\" is no type that is known here", name);
        return found->second;
    }

    Result<AvroType*> Union(const OrderedJson& json, const std::string& space) {
        AvroType* made = TRY(Make(AvroKind::kUnion));
        std::set<std::string> seen;
        for (const OrderedJson& branch : json) {
            AvroType* type = TRY(Read(branch, space));
            if (type->kind == AvroKind::kUnion) return Wrong("a union holds no union: {}", Excerpt(json.dump()));
            std::string key = type->IsNamed() ? type->FullName() : std::string(AvroKindName(type->kind));
            if (!seen.insert(key).second) return Wrong("\"{}\" is in a union twice", key);
            made->inner.push_back(type);
        }
        return made;
    }

    Result<AvroType*> Object(const OrderedJson& json, const std::string& type, const std::string& space) {
        if (type == "record" || type == "error" || type == "enum" || type == "fixed") {
            return Definition(json, type, space);
        }
        bool holds = type == "array" || type == "map";
        AvroType* made = nullptr;
        if (holds) {
            made = TRY(Make(type == "array" ? AvroKind::kArray : AvroKind::kMap));
            const char* key = type == "array" ? "items" : "values";
            auto held = json.find(key);
            if (held == json.end()) return Wrong("{} has no \"{}\"", Excerpt(json.dump()), key);
            made->inner.push_back(TRY(Read(*held, space)));
        } else if (auto primitive = PrimitiveOf(type)) {
            made = TRY(Make(*primitive));
        } else {
            return Named(type, space);
        }
        KeepProperties(json, *made);
        return made;
    }

    static void KeepProperties(const OrderedJson& json, AvroType& type) {
        for (const auto& [key, value] : json.items()) {
            bool reserved = IsOneOf(key, {"type", "name", "namespace", "doc", "fields", "items", "values", "size",
                                          "symbols", "aliases"}) ||
                            (type.kind == AvroKind::kEnum && key == "default");
            if (!reserved) type.properties[key] = value;
        }
    }

    Status NameIt(const OrderedJson& json, const std::string& space, AvroType& type) {
        auto name = TextOf(json, "name");
        if (!name) return Wrong("a {} has no \"name\": {}", AvroKindName(type.kind), Excerpt(json.dump()));
        std::string within = TextOf(json, "namespace").value_or(space);
        std::string full = Qualified(*name, within);
        size_t dot = full.rfind('.');
        type.name = dot == std::string::npos ? full : full.substr(dot + 1);
        type.space = dot == std::string::npos ? "" : full.substr(0, dot);
        std::vector<std::string> parts = type.space.empty() ? std::vector<std::string>() : Split(type.space, '.');
        parts.push_back(type.name);
        for (const std::string& part : parts) {
            if (!IsName(part))
                return Wrong("\"{}\" is no name: letters, digits and _, not beginning with a digit", full);
        }
        if (PrimitiveOf(full)) return Wrong("\"{}\" is a type of Avro's and names no other", full);
        if (!types_.by_name.emplace(full, &type).second) return Wrong("\"{}\" is defined twice", full);
        type.doc = TextOf(json, "doc");
        for (const std::string& alias : TRY(TextsOf(json, "aliases"))) {
            type.aliases.push_back(Qualified(alias, type.space));
        }
        return Ok();
    }

    static Result<std::vector<std::string>> TextsOf(const OrderedJson& json, const char* key) {
        std::vector<std::string> texts;
        auto found = json.find(key);
        if (found == json.end()) return texts;
        if (!found->is_array()) return Wrong("\"{}\" is a list of names, not {}", key, Excerpt(found->dump()));
        for (const OrderedJson& one : *found) {
            if (!one.is_string()) return Wrong("\"{}\" is a list of names; {} is none", key, Excerpt(one.dump()));
            texts.push_back(one.get<std::string>());
        }
        return texts;
    }

    Result<AvroType*> Definition(const OrderedJson& json, const std::string& type, const std::string& space) {
        AvroKind kind = type == "enum" ? AvroKind::kEnum : type == "fixed" ? AvroKind::kFixed : AvroKind::kRecord;
        AvroType* made = TRY(Make(kind));
        made->is_error = type == "error";
        TRY(NameIt(json, space, *made));
        KeepProperties(json, *made);
        if (kind == AvroKind::kRecord) TRY(Fields(json, *made));
        if (kind == AvroKind::kEnum) TRY(Symbols(json, *made));
        if (kind == AvroKind::kFixed) {
            auto size = json.find("size");
            if (size == json.end() || !size->is_number_integer() || size->get<int64_t>() < 0) {
                return Wrong("fixed {} has no \"size\"", made->FullName());
            }
            made->size = size->get<int64_t>();
        }
        return made;
    }

    Status Symbols(const OrderedJson& json, AvroType& type) {
        if (!json.contains("symbols")) return Wrong("enum {} has no \"symbols\"", type.FullName());
        type.symbols = TRY(TextsOf(json, "symbols"));
        std::set<std::string> seen;
        for (const std::string& symbol : type.symbols) {
            if (!IsName(symbol)) return Wrong("enum {}: \"{}\" is no symbol", type.FullName(), symbol);
            if (!seen.insert(symbol).second) return Wrong("enum {} has {} twice", type.FullName(), symbol);
        }
        type.fallback = TextOf(json, "default");
        if (type.fallback && !seen.contains(*type.fallback)) {
            return Wrong("enum {}: the default {} is none of its symbols", type.FullName(), *type.fallback);
        }
        return Ok();
    }

    Status Fields(const OrderedJson& json, AvroType& record) {
        auto fields = json.find("fields");
        if (fields == json.end() || !fields->is_array()) {
            return Wrong("record {} has no list of \"fields\"", record.FullName());
        }
        std::set<std::string> seen;
        for (const OrderedJson& one : *fields) {
            AvroField field = TRY(Field(one, record));
            if (!seen.insert(field.name).second) {
                return Wrong("record {} has the field {} twice", record.FullName(), field.name);
            }
            record.fields.push_back(std::move(field));
        }
        return Ok();
    }

    Result<AvroField> Field(const OrderedJson& json, const AvroType& record) {
        if (!json.is_object()) return Wrong("record {}: a field is an object", record.FullName());
        AvroField field;
        field.name = TextOf(json, "name").value_or("");
        if (!IsName(field.name)) return Wrong("record {}: \"{}\" is no name of a field", record.FullName(), field.name);
        auto type = json.find("type");
        if (type == json.end()) return Wrong("record {}: the field {} has no type", record.FullName(), field.name);
        field.type = TRY_CONTEXT(Read(*type, record.space), "field " + field.name + " of " + record.FullName());
        field.doc = TextOf(json, "doc");
        if (json.contains("default")) field.fallback = json["default"];
        std::string order = ToLower(TextOf(json, "order").value_or("ascending"));
        if (!IsOneOf(order, {"ascending", "descending", "ignore"})) {
            return Wrong("field {}: the order is ascending, descending or ignore", field.name);
        }
        if (order != "ascending") field.order = order;
        field.aliases = TRY(TextsOf(json, "aliases"));
        for (const auto& [key, value] : json.items()) {
            if (!IsOneOf(key, {"default", "doc", "name", "order", "type", "aliases"})) field.properties[key] = value;
        }
        return field;
    }

    AvroTypes& types_;
    bool is_referenced_;
};

// ---- defaults

bool IsInteger(const OrderedJson& value, int64_t least, int64_t most) {
    if (!value.is_number_integer()) return false;
    if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(most)) return false;
    return value.get<int64_t>() >= least && value.get<int64_t>() <= most;
}

// Its depth is that of the default's own text, except through records whose fields have defaults: there it ends.
bool IsValue(const AvroType& type, const OrderedJson& value) {
    switch (type.kind) {
        case AvroKind::kNull:
            return value.is_null();
        case AvroKind::kBoolean:
            return value.is_boolean();
        case AvroKind::kInt:
            return IsInteger(value, INT32_MIN, INT32_MAX);
        case AvroKind::kLong:
            return IsInteger(value, INT64_MIN, INT64_MAX);
        case AvroKind::kFloat:
        case AvroKind::kDouble:
            return value.is_number() || value == "NaN" || value == "Infinity" || value == "-Infinity";
        case AvroKind::kBytes:
        case AvroKind::kString:
        case AvroKind::kFixed:
            return value.is_string();
        case AvroKind::kEnum:
            return value.is_string() &&
                   std::find(type.symbols.begin(), type.symbols.end(), value.get<std::string>()) != type.symbols.end();
        case AvroKind::kArray:
            return value.is_array() && std::all_of(value.begin(), value.end(),
                                                   [&](const auto& one) { return IsValue(*type.inner[0], one); });
        case AvroKind::kMap:
            return value.is_object() && std::all_of(value.begin(), value.end(),
                                                    [&](const auto& one) { return IsValue(*type.inner[0], one); });
        case AvroKind::kUnion:
            return std::any_of(type.inner.begin(), type.inner.end(),
                               [&](const AvroType* branch) { return IsValue(*branch, value); });
        case AvroKind::kRecord:
            return value.is_object() &&
                   std::all_of(type.fields.begin(), type.fields.end(), [&](const AvroField& field) {
                       auto found = value.find(field.name);
                       return found == value.end() ? field.fallback.has_value() : IsValue(*field.type, *found);
                   });
    }
    return false;
}

Status CheckDefaults(const AvroTypes& types) {
    for (const auto& type : types.all) {
        if (type->is_referenced) continue;
        for (const AvroField& field : type->fields) {
            if (!field.fallback || IsValue(*field.type, *field.fallback)) continue;
            return Wrong("the default of the field {} of {}, {}, is no {}", field.name, type->FullName(),
                         Excerpt(field.fallback->dump()), AvroKindName(field.type->kind));
        }
    }
    return Ok();
}

// ---- writing

struct Writer {
    bool normal = false;    // full names, sorted properties
    bool resolved = false;  // with what is referred to written out
    std::set<std::string> written;

    OrderedJson Properties(const OrderedJson& properties) const {
        return normal ? OrderedJson(Json(properties)) : properties;
    }
    static void Put(OrderedJson& json, const OrderedJson& properties) {
        for (const auto& [key, value] : properties.items()) json[key] = value;
    }

    OrderedJson Write(const AvroType& type, const std::string& space) {
        if (type.IsNamed()) return WriteNamed(type, space);
        if (type.kind == AvroKind::kUnion) {
            OrderedJson json = OrderedJson::array();
            for (const AvroType* branch : type.inner) json.push_back(Write(*branch, space));
            return json;
        }
        bool holds = type.kind == AvroKind::kArray || type.kind == AvroKind::kMap;
        if (!holds && type.properties.empty()) return std::string(AvroKindName(type.kind));
        OrderedJson json = {{"type", std::string(AvroKindName(type.kind))}};
        if (holds) json[type.kind == AvroKind::kArray ? "items" : "values"] = Write(*type.inner[0], space);
        Put(json, Properties(type.properties));
        return json;
    }

    OrderedJson WriteNamed(const AvroType& type, const std::string& space) {
        std::string full = type.FullName();
        if ((type.is_referenced && !resolved) || !written.insert(full).second) {
            return normal || type.space != space ? full : type.name;
        }
        OrderedJson json = {{"type", type.is_error ? "error" : std::string(AvroKindName(type.kind))}};
        json["name"] = normal ? full : type.name;
        if (!normal && type.space != space) json["namespace"] = type.space;
        if (type.doc) json["doc"] = *type.doc;
        if (type.kind == AvroKind::kRecord) {
            json["fields"] = OrderedJson::array();
            for (const AvroField& field : type.fields) json["fields"].push_back(WriteField(field, type.space));
        }
        if (type.kind == AvroKind::kEnum) json["symbols"] = type.symbols;
        if (type.fallback) json["default"] = *type.fallback;
        if (type.kind == AvroKind::kFixed) json["size"] = type.size;
        Put(json, Properties(type.properties));
        if (!type.aliases.empty()) {
            json["aliases"] = OrderedJson::array();
            for (const std::string& alias : type.aliases) {
                bool same = !normal && !type.space.empty() && alias.starts_with(type.space + ".") &&
                            alias.find('.', type.space.size() + 1) == std::string::npos;
                json["aliases"].push_back(same ? alias.substr(type.space.size() + 1) : alias);
            }
        }
        return json;
    }

    OrderedJson WriteField(const AvroField& field, const std::string& space) {
        OrderedJson json = {{"name", field.name}, {"type", Write(*field.type, space)}};
        if (field.doc) json["doc"] = *field.doc;
        if (field.fallback) json["default"] = normal ? OrderedJson(Json(*field.fallback)) : *field.fallback;
        if (!field.order.empty()) json["order"] = field.order;
        if (!field.aliases.empty()) json["aliases"] = field.aliases;
        Put(json, Properties(field.properties));
        return json;
    }
};

class AvroSchema : public Schema {
  public:
    AvroSchema(AvroTypes types, const AvroType* root) : types_(std::move(types)), root_(root) {}
    SchemaType type() const override { return SchemaType::kAvro; }
    std::string Canonical() const override { return Text(false); }
    std::string Normal() const override { return Text(true); }
    Result<std::string> Formatted(const std::string& format) const override {
        return format == "resolved" ? Text(false, true) : Canonical();
    }
    std::vector<Difference> Differences(const Schema& writer, const Sides& sides) const override {
        return AvroDifferences(*root_, *static_cast<const AvroSchema&>(writer).root_, sides);
    }

  private:
    std::string Text(bool normal, bool resolved = false) const {
        Writer writer;
        writer.normal = normal;
        writer.resolved = resolved;
        return writer.Write(*root_, "").dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
    }
    AvroTypes types_;
    const AvroType* root_;
};

}  // namespace

std::string_view AvroKindName(AvroKind kind) { return kKinds[static_cast<size_t>(kind)]; }

Result<std::unique_ptr<Schema>> ParseAvro(const std::string& text, const std::vector<ReferencedSchema>& references,
                                          const ParseOptions& options) {
    AvroTypes types;
    for (const ReferencedSchema& reference : references) {
        OrderedJson json = TRY_CONTEXT(ParseOrderedJson(reference.text), "the referenced " + reference.name);
        TRY_CONTEXT(Reader(types, true).Read(json, ""), "the referenced " + reference.name);
    }
    OrderedJson json = TRY(ParseOrderedJson(text));
    const AvroType* root = TRY(Reader(types, false).Read(json, ""));
    if (options.check_defaults) TRY(CheckDefaults(types));
    return std::unique_ptr<Schema>(std::make_unique<AvroSchema>(std::move(types), root));
}

}  // namespace tarn::registry
