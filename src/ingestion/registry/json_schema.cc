#include "ingestion/registry/json_schema.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::registry {
namespace {

constexpr size_t kNodesMax = 100'000;
constexpr int kReferencesFollowedMax = 100;

template <typename... Parts>
Error Wrong(fmt::format_string<Parts...> format, Parts&&... parts) {
    return {ErrorCode::kInvalidArgument, fmt::format(format, std::forward<Parts>(parts)...)};
}

bool HasOneOf(const Json& json, std::initializer_list<const char*> keys) {
    return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return json.contains(key); });
}

std::string IdOf(const Json& json) {
    for (const char* key : {"$id", "id"}) {
        auto found = json.find(key);
        if (found != json.end() && found->is_string()) return found->get<std::string>();
    }
    return "";
}

// A reference as seen from `base`: "b.json" from "http://x/a.json" is "http://x/b.json".
std::string Joined(const std::string& base, const std::string& text) {
    size_t slash = base.rfind('/');
    bool relative = text.find("://") == std::string::npos && !text.starts_with('/') && slash != std::string::npos;
    return relative ? base.substr(0, slash + 1) + text : text;
}

struct Document {
    Json json;
    std::string id;  // by which it is called: its $id, or the reference's name
};

class Reader {
  public:
    Reader(std::deque<Document>& documents, std::deque<JsonNode>& nodes) : documents_(documents), nodes_(nodes) {}

    Result<const JsonNode*> Root() {
        const JsonNode* root = TRY(Read(documents_.front().json, documents_.front()));
        // Not by recursion: references nest deeper than texts.
        while (!waiting_.empty()) {
            auto [node, document] = waiting_.back();
            waiting_.pop_back();
            TRY(Fill(*node, *document));
        }
        return root;
    }

  private:
    Result<JsonNode*> Make(JsonKind kind, const Json& source) {
        if (nodes_.size() >= kNodesMax) return Wrong("the schema has more than {} parts", kNodesMax);
        nodes_.emplace_back();
        nodes_.back().kind = kind;
        nodes_.back().source = &source;
        return &nodes_.back();
    }

    Result<const JsonNode*> Read(const Json& json, const Document& document) {
        const Json* target = &json;
        const Document* home = &document;
        for (int hops = 0; target->is_object() && target->contains("$ref"); ++hops) {
            if (hops > kReferencesFollowedMax)
                return Wrong("$ref {} leads back to itself", Excerpt((*target)["$ref"].dump()));
            TRY(Follow(target, home));
        }
        auto known = known_.find(target);
        if (known != known_.end()) return known->second;
        if (target->is_boolean())
            return known_[target] = TRY(Make(target->get<bool>() ? JsonKind::kAny : JsonKind::kNever, *target));
        if (!target->is_object()) return Wrong("a schema is an object, true or false, not {}", Excerpt(target->dump()));
        std::vector<JsonNode*> parts = TRY(Parts(*target));
        JsonNode* made =
            parts.size() == 1 ? parts[0] : TRY(Make(parts.empty() ? JsonKind::kAny : JsonKind::kCombined, *target));
        if (parts.size() > 1) made->parts.assign(parts.begin(), parts.end());
        known_[target] = made;
        for (JsonNode* part : parts) waiting_.emplace_back(part, home);
        return made;
    }

    // ---- references

    Status Follow(const Json*& target, const Document*& home) {
        const Json& value = (*target)["$ref"];
        if (!value.is_string()) return Wrong("a $ref is text, not {}", Excerpt(value.dump()));
        std::string text = value.get<std::string>();
        size_t hash = text.find('#');
        std::string name = text.substr(0, hash);
        std::string fragment = hash == std::string::npos ? "" : text.substr(hash + 1);
        const Document* found = home;
        const Json* at = nullptr;
        if (!name.empty() && name != home->id) {
            found = nullptr;
            for (const Document& one : documents_) {
                if (one.id == name || one.id == Joined(home->id, name) || IdOf(one.json) == name) found = &one;
            }
            if (!found) at = Identified(home->json, name, 0);
            if (!found && !at) {
                return Wrong("$ref \"{}\" is no reference of the schema's; nothing is fetched from elsewhere", text);
            }
            if (!found) found = home;
        }
        if (!at) at = &found->json;
        target = TRY(Fragment(*at, found->json, fragment, text));
        home = found;
        return Ok();
    }

    static Result<const Json*> Fragment(const Json& at, const Json& document, const std::string& fragment,
                                        const std::string& whole) {
        if (fragment.empty()) return &at;
        if (fragment[0] != '/') {
            const Json* found = Anchored(document, fragment, 0);
            if (found) return found;
            return Wrong("$ref \"{}\" leads nowhere", whole);
        }
        const Json* here = &at;
        for (const std::string& encoded : Split(std::string_view(fragment).substr(1), '/')) {
            std::string step = UrlDecode(encoded).value_or(encoded);
            for (auto [from, to] : {std::pair("~1", "/"), std::pair("~0", "~")}) {
                for (size_t i = step.find(from); i != std::string::npos; i = step.find(from, i + 1))
                    step.replace(i, 2, to);
            }
            auto number = ParseInteger(step);
            if (here->is_object() && here->contains(step)) {
                here = &(*here)[step];
            } else if (here->is_array() && number && *number >= 0 && static_cast<size_t>(*number) < here->size()) {
                here = &(*here)[static_cast<size_t>(*number)];
            } else {
                return Wrong("$ref \"{}\" leads nowhere", whole);
            }
        }
        return here;
    }

    // As deep as the text nests, which is bounded.
    template <typename Wanted>
    static const Json* Search(const Json& json, const Wanted& wanted) {
        if (json.is_object() && wanted(json)) return &json;
        if (!json.is_structured()) return nullptr;
        for (const Json& inner : json) {
            if (const Json* found = Search(inner, wanted)) return found;
        }
        return nullptr;
    }
    static const Json* Identified(const Json& json, const std::string& name, int) {
        return Search(json, [&](const Json& one) { return IdOf(one) == name; });
    }
    static const Json* Anchored(const Json& json, const std::string& name, int) {
        return Search(json,
                      [&](const Json& one) { return one.value("$anchor", Json()) == name || IdOf(one) == "#" + name; });
    }

    // ---- what one object demands

    Result<std::vector<JsonNode*>> Parts(const Json& json) {
        std::vector<JsonNode*> parts;
        auto add = [&](JsonKind kind) -> Result<JsonNode*> {
            parts.push_back(TRY(Make(kind, json)));
            return parts.back();
        };
        if (json.contains("enum")) TRY(add(JsonKind::kEnum));
        if (json.contains("const")) TRY(add(JsonKind::kConst));
        if (json.contains("not")) TRY(add(JsonKind::kNot));
        if (json.contains("if")) TRY(add(JsonKind::kConditional));
        for (auto [key, criterion] : {std::pair("allOf", Criterion::kAll), std::pair("anyOf", Criterion::kAny),
                                      std::pair("oneOf", Criterion::kOne)}) {
            if (!json.contains(key)) continue;
            TRY(add(JsonKind::kCombined))->criterion = criterion;
        }
        if (json.contains("type")) {
            TRY(AddTypes(json, parts));
        } else {
            TRY(AddUnsaid(json, parts));
        }
        return parts;
    }

    Result<JsonNode*> OfType(const Json& json, const Json& type) {
        static constexpr std::array<std::pair<std::string_view, JsonKind>, 7> kTypes = {
            {{"string", JsonKind::kString},
             {"number", JsonKind::kNumber},
             {"integer", JsonKind::kNumber},
             {"boolean", JsonKind::kBoolean},
             {"null", JsonKind::kNull},
             {"object", JsonKind::kObject},
             {"array", JsonKind::kArray}}};
        for (const auto& [name, kind] : kTypes) {
            if (type != name) continue;
            JsonNode* made = TRY(Make(kind, json));
            made->type = std::string(name);
            return made;
        }
        return Wrong("{} is no type of JSON Schema", Excerpt(type.dump()));
    }

    Status AddTypes(const Json& json, std::vector<JsonNode*>& parts) {
        const Json& type = json["type"];
        if (!type.is_array()) {
            parts.push_back(TRY(OfType(json, type)));
            return Ok();
        }
        JsonNode* any = TRY(Make(JsonKind::kCombined, json));
        any->criterion = Criterion::kAny;
        any->type = "types";  // its parts are there already
        for (const Json& one : type) {
            JsonNode* part = TRY(OfType(json, one));
            any->parts.push_back(part);
            types_of_[any].push_back(part);
        }
        parts.push_back(any);
        return Ok();
    }

    // Without a type, its keys tell what it is about.
    Status AddUnsaid(const Json& json, std::vector<JsonNode*>& parts) {
        if (HasOneOf(json, {"minLength", "maxLength", "pattern"})) parts.push_back(TRY(Make(JsonKind::kString, json)));
        if (HasOneOf(json, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})) {
            parts.push_back(TRY(Make(JsonKind::kNumber, json)));
            parts.back()->type = "number";
        }
        if (HasOneOf(json, {"properties", "required", "minProperties", "maxProperties", "dependencies",
                            "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames",
                            "dependentRequired", "dependentSchemas"})) {
            parts.push_back(TRY(Make(JsonKind::kObject, json)));
        }
        if (HasOneOf(json, {"items", "additionalItems", "unevaluatedItems", "minItems", "maxItems", "uniqueItems",
                            "contains", "prefixItems"})) {
            parts.push_back(TRY(Make(JsonKind::kArray, json)));
        }
        return Ok();
    }

    // ---- what is below

    Status Fill(JsonNode& node, const Document& document) {
        const Json& json = *node.source;
        if (node.kind == JsonKind::kObject) return FillObject(node, json, document);
        if (node.kind == JsonKind::kArray) return FillArray(node, json, document);
        if (node.kind == JsonKind::kEnum && !json["enum"].is_array()) return Wrong("\"enum\" is a list");
        if (node.kind == JsonKind::kNot) node.parts.push_back(TRY(Read(json["not"], document)));
        if (node.kind != JsonKind::kCombined) return Ok();
        if (node.type == "types") {
            for (JsonNode* part : types_of_[&node]) waiting_.emplace_back(part, &document);
            return Ok();
        }
        const char* key = node.criterion == Criterion::kAll   ? "allOf"
                          : node.criterion == Criterion::kAny ? "anyOf"
                                                              : "oneOf";
        const Json& list = json[key];
        if (!list.is_array() || list.empty()) return Wrong("\"{}\" is a list of schemas", key);
        for (size_t i = 0; i < list.size(); ++i) {
            // The same one twice counts once.
            if (std::find(list.begin(), list.begin() + static_cast<ptrdiff_t>(i), list[i]) !=
                list.begin() + static_cast<ptrdiff_t>(i)) {
                continue;
            }
            node.parts.push_back(TRY(Read(list[i], document)));
        }
        return Ok();
    }

    static Result<std::set<std::string>> Names(const Json& json, std::string_view key) {
        std::set<std::string> names;
        if (json.is_array()) {
            for (const Json& one : json) {
                if (one.is_string()) names.insert(one.get<std::string>());
            }
        }
        if (!json.is_array() || names.size() != json.size()) return Wrong("\"{}\" is a list of different names", key);
        return names;
    }

    static Result<const Json*> Member(const Json& json, const char* key) {
        auto found = json.find(key);
        if (found == json.end()) return nullptr;
        if (!found->is_object()) return Wrong("\"{}\" is an object, not {}", key, Excerpt(found->dump()));
        return &*found;
    }

    Result<const JsonNode*> Optional(const Json& json, const char* key, const Document& document) {
        auto found = json.find(key);
        if (found == json.end()) return nullptr;
        return TRY_CONTEXT(Read(*found, document), key);
    }

    Status FillObject(JsonNode& node, const Json& json, const Document& document) {
        if (const Json* properties = TRY(Member(json, "properties"))) {
            for (const auto& [name, schema] : properties->items()) {
                bool has_default = schema.is_object() && schema.contains("default");
                node.properties[name] = {TRY_CONTEXT(Read(schema, document), "property " + name), has_default};
            }
        }
        if (const Json* patterns = TRY(Member(json, "patternProperties"))) {
            for (const auto& [pattern, schema] : patterns->items()) {
                node.patterns.emplace_back(pattern, TRY_CONTEXT(Read(schema, document), "pattern " + pattern));
            }
        }
        // Draft 3 and many people write "required": true at the property; it means nothing since.
        if (json.contains("required") && !json["required"].is_boolean()) {
            node.required = TRY(Names(json["required"], "required"));
        }
        for (const char* key : {"dependencies", "dependentRequired", "dependentSchemas"}) {
            const Json* dependencies = TRY(Member(json, key));
            if (!dependencies) continue;
            for (const auto& [name, wanted] : dependencies->items()) {
                if (wanted.is_array()) {
                    node.dependent_names[name] = TRY(Names(wanted, key));
                } else {
                    node.dependent_schemas[name] = TRY(Read(wanted, document));
                }
            }
        }
        node.additional = TRY(Optional(json, "additionalProperties", document));
        node.unevaluated = TRY(Optional(json, "unevaluatedProperties", document));
        return Ok();
    }

    Status FillArray(JsonNode& node, const Json& json, const Document& document) {
        const char* list = json.contains("prefixItems") ? "prefixItems" : "items";
        bool by_position = json.contains(list) && json[list].is_array();
        if (by_position) {
            for (const Json& one : json[list]) node.first_items.push_back(TRY(Read(one, document)));
        }
        const char* rest = std::string_view(list) == "prefixItems" ? "items" : "additionalItems";
        if (by_position) {
            node.additional = TRY(Optional(json, rest, document));
        } else {
            node.items = TRY(Optional(json, "items", document));
            node.additional = TRY(Optional(json, "additionalItems", document));
        }
        node.unevaluated = TRY(Optional(json, "unevaluatedItems", document));
        return Ok();
    }

    std::deque<Document>& documents_;
    std::deque<JsonNode>& nodes_;
    std::map<const Json*, const JsonNode*> known_;
    std::map<const JsonNode*, std::vector<JsonNode*>> types_of_;
    std::vector<std::pair<JsonNode*, const Document*>> waiting_;
};

class JsonSchema : public Schema {
  public:
    static Result<std::unique_ptr<Schema>> Parse(const std::string& text,
                                                 const std::vector<ReferencedSchema>& references) {
        auto made = std::make_unique<JsonSchema>();
        made->text_ = TRY(ParseOrderedJson(text));
        made->documents_.push_back({Json(made->text_), ""});
        made->documents_[0].id = made->documents_[0].json.is_object() ? IdOf(made->documents_[0].json) : "";
        for (const ReferencedSchema& reference : references) {
            auto json = ParseJson(reference.text);
            if (!json.ok()) return std::move(json).error().Context("the referenced " + reference.name);
            made->documents_.push_back({*std::move(json), reference.name});
        }
        made->root_ = TRY(Reader(made->documents_, made->nodes_).Root());
        return std::unique_ptr<Schema>(std::move(made));
    }

    SchemaType type() const override { return SchemaType::kJson; }
    std::string Canonical() const override { return text_.dump(-1, ' ', false, OrderedJson::error_handler_t::replace); }
    std::string Normal() const override { return DumpJson(documents_.front().json); }
    std::vector<Difference> Differences(const Schema& writer, const Sides& sides) const override {
        return JsonDifferences(*root_, *static_cast<const JsonSchema&>(writer).root_, sides);
    }

  private:
    OrderedJson text_;
    std::deque<Document> documents_;  // its own is the first; nodes point into them
    std::deque<JsonNode> nodes_;
    const JsonNode* root_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Schema>> ParseJsonSchema(const std::string& text,
                                                const std::vector<ReferencedSchema>& references) {
    return JsonSchema::Parse(text, references);
}

}  // namespace tarn::registry
