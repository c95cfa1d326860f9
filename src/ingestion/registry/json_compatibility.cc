// Whether what one JSON Schema permits is permitted by another. A schema that leaves its content open permits
// properties of any form, so that to name one later forbids something: only what was closed can be added to.
#include <re2/re2.h>

#include <algorithm>
#include <cmath>

#include "ingestion/registry/json_schema.h"

namespace tarn::registry {
namespace {

constexpr int kPassesMax = 20;

// A whole number, or null where it isn't one.
std::optional<double> NumberIn(const JsonNode& node, const char* key) {
    auto found = node.source->find(key);
    if (found == node.source->end() || !found->is_number()) return std::nullopt;
    return found->get<double>();
}

// Draft 4 says with a boolean that a bound excludes itself.
std::optional<double> Bound(const JsonNode& node, const char* key, const char* exclusive, bool is_exclusive) {
    auto flag = node.source->find(exclusive);
    bool is_flag = flag != node.source->end() && *flag == true;
    if (is_exclusive) return is_flag ? NumberIn(node, key) : NumberIn(node, exclusive);
    return is_flag ? std::nullopt : NumberIn(node, key);
}

bool IsMultiple(double number, double of) {
    if (of == 0) return false;
    double ratio = number / of;
    return std::abs(ratio - std::round(ratio)) < 1e-9 * std::max(1.0, std::abs(ratio));
}

// A pattern that RE2 doesn't know (it looks ahead) counts as matching: what it asks for is then compared.
bool Matches(const std::string& pattern, const std::string& name) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    re2::RE2 compiled(pattern, options);
    return !compiled.ok() || re2::RE2::PartialMatch(name, compiled);
}

class Comparison {
  public:
    using Found = std::vector<Difference>;
    using Pair = std::pair<const JsonNode*, const JsonNode*>;

    explicit Comparison(const Sides& sides) : sides_(sides) {}

    // What contains itself is taken for compatible at first; with those pairs known that are not, it is compared again
    // until nothing changes.
    Found Compare(const JsonNode& reader, const JsonNode& writer) {
        for (int pass = 0; pass < kPassesMax; ++pass) {
            done_.clear();
            under_way_.clear();
            assumed_ = false;
            Found found = Nodes(reader, writer, "#");
            if (gave_up_) break;
            std::set<Pair> bad;
            for (const auto& [pair, differences] : done_) {
                if (!differences.empty()) bad.insert(pair);
            }
            if (!assumed_ || bad == bad_) return found;
            bad_ = std::move(bad);
        }
        return {{"UNKNOWN", fmt::format("the schemas are too large to be compared: more than {} pairs, or nested more "
                                        "than {} deep",
                                        kPairsMax, kSchemaDepthMax)}};
    }

  private:
    Found One(const char* kind, const std::string& path, const std::string& what) {
        return {{kind, fmt::format("at '{}': {}", path, what)}};
    }
    static void Append(Found& found, Found more) {
        found.insert(found.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }

    Found Nodes(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        Pair pair(&reader, &writer);
        auto known = done_.find(pair);
        if (known != done_.end()) return known->second;
        if (under_way_.contains(pair)) {
            if (bad_.contains(pair)) return One("TYPE_CHANGED", path, "it contains itself, and differs within");
            assumed_ = true;
            return {};
        }
        if (++compared_ > kPairsMax || under_way_.size() >= static_cast<size_t>(kSchemaDepthMax)) gave_up_ = true;
        if (gave_up_) return {};
        under_way_.insert(pair);
        Found found = Types(reader, writer, path);
        under_way_.erase(pair);
        done_[pair] = found;
        return found;
    }

    // Names may be long, and come again and again.
    static std::string Below(const std::string& path, std::string_view part, const std::string& name) {
        if (path.size() > 1000) return path;
        return fmt::format("{}{}{}/{}", path, part.empty() ? "" : "/", part, Excerpt(name));
    }

    bool Fits(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        return Nodes(reader, writer, path).empty();
    }

    Found Types(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        bool reader_is_combined = reader.kind == JsonKind::kCombined, writer_is = writer.kind == JsonKind::kCombined;
        if (reader_is_combined && !writer_is) {
            // One of several is enough; all of one are that one.
            bool one_will_do = reader.parts.size() == 1 || reader.criterion != Criterion::kAll;
            for (const JsonNode* part : reader.parts) {
                if (one_will_do && Fits(*part, writer, path)) return {};
            }
        }
        if (writer_is && !reader_is_combined) {
            bool one_will_do = writer.parts.size() == 1 || writer.criterion == Criterion::kAll;
            for (const JsonNode* part : writer.parts) {
                if (one_will_do && Fits(reader, *part, path)) return {};
            }
        }
        if (reader.kind != writer.kind) {
            if (writer.IsNever() || reader.IsAny() || AreBytes(reader, writer)) return {};
            return One("TYPE_CHANGED", path,
                       fmt::format("it is {} in the {} and {} in the {}", Called(reader), sides_.reader, Called(writer),
                                   sides_.writer));
        }
        return SameKind(reader, writer, path);
    }

    // Connect's JSON converter wrote decimals in two ways.
    static bool AreBytes(const JsonNode& reader, const JsonNode& writer) {
        auto says = [](const JsonNode& node) {
            return node.source->is_object() && node.source->value("connect.type", Json()) == "bytes";
        };
        return says(reader) && says(writer);
    }

    static std::string Called(const JsonNode& node) {
        static constexpr const char* kNames[] = {"anything", "nothing",     "a string",     "a number", "a boolean",
                                                 "null",     "an object",   "an array",     "an enum",  "a const",
                                                 "a not",    "a condition", "a combination"};
        return kNames[static_cast<size_t>(node.kind)];
    }

    Found SameKind(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        switch (reader.kind) {
            case JsonKind::kString:
                return Strings(reader, writer, path);
            case JsonKind::kNumber:
                return Numbers(reader, writer, path);
            case JsonKind::kObject:
                return Objects(reader, writer, path);
            case JsonKind::kArray:
                return Arrays(reader, writer, path);
            case JsonKind::kEnum:
                return Enums(reader, writer, path);
            case JsonKind::kConst:
                if ((*reader.source)["const"] == (*writer.source)["const"]) return {};
                return One("ENUM_ARRAY_CHANGED", path + "/const", "the value changed");
            case JsonKind::kNot:
                if (Fits(*writer.parts[0], *reader.parts[0], path + "/not")) return {};
                return One("NOT_TYPE_EXTENDED", path + "/not",
                           fmt::format("the {} forbids more than the {}", sides_.reader, sides_.writer));
            case JsonKind::kConditional:
                return Conditions(reader, writer, path);
            case JsonKind::kCombined:
                return Combined(reader, writer, path);
            default:
                return {};
        }
    }

    // ---- bounds

    // `up`: a higher one permits more, as of a maximum.
    void Limit(Found& found, const char* name, std::optional<double> reader, std::optional<double> writer, bool up,
               const std::string& path) {
        static const std::map<std::string_view, std::string_view> kStems = {{"maxLength", "MAX_LENGTH"},
                                                                            {"minLength", "MIN_LENGTH"},
                                                                            {"maximum", "MAXIMUM"},
                                                                            {"minimum", "MINIMUM"},
                                                                            {"exclusiveMaximum", "EXCLUSIVE_MAXIMUM"},
                                                                            {"exclusiveMinimum", "EXCLUSIVE_MINIMUM"},
                                                                            {"maxProperties", "MAX_PROPERTIES"},
                                                                            {"minProperties", "MIN_PROPERTIES"},
                                                                            {"maxItems", "MAX_ITEMS"},
                                                                            {"minItems", "MIN_ITEMS"},
                                                                            {"maxContains", "MAX_CONTAINS"},
                                                                            {"minContains", "MIN_CONTAINS"}};
        if (!reader) return;
        bool narrower = writer && (up ? *reader < *writer : *reader > *writer);
        if (writer && !narrower) return;
        std::string kind = fmt::format("{}_{}", kStems.at(name), !writer ? "ADDED" : up ? "DECREASED" : "INCREASED");
        std::string was = writer ? fmt::format("{}", *writer) : "not there";
        found.push_back({kind, fmt::format("at '{}/{}': it is {} in the {} and {} in the {}", path, name, *reader,
                                           sides_.reader, was, sides_.writer)});
    }
    void Limits(Found& found, const JsonNode& reader, const JsonNode& writer, const std::string& path,
                std::initializer_list<std::pair<const char*, bool>> names) {
        for (const auto& [name, up] : names) {
            Limit(found, name, NumberIn(reader, name), NumberIn(writer, name), up, path);
        }
    }

    Found Strings(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        Found found;
        Limits(found, reader, writer, path, {{"maxLength", true}, {"minLength", false}});
        Json now = reader.source->value("pattern", Json()), before = writer.source->value("pattern", Json());
        if (!now.is_null() && now != before) {
            Append(found, One(before.is_null() ? "PATTERN_ADDED" : "PATTERN_CHANGED", path + "/pattern",
                              fmt::format("the {} asks for {}", sides_.reader, Excerpt(now.dump()))));
        }
        return found;
    }

    Found Numbers(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        Found found;
        for (bool is_exclusive : {false, true}) {
            Limit(found, is_exclusive ? "exclusiveMaximum" : "maximum",
                  Bound(reader, "maximum", "exclusiveMaximum", is_exclusive),
                  Bound(writer, "maximum", "exclusiveMaximum", is_exclusive), true, path);
            Limit(found, is_exclusive ? "exclusiveMinimum" : "minimum",
                  Bound(reader, "minimum", "exclusiveMinimum", is_exclusive),
                  Bound(writer, "minimum", "exclusiveMinimum", is_exclusive), false, path);
        }
        auto now = NumberIn(reader, "multipleOf"), before = NumberIn(writer, "multipleOf");
        if (now && !(before && IsMultiple(*before, *now))) {
            const char* kind = !before                     ? "MULTIPLE_OF_ADDED"
                               : IsMultiple(*now, *before) ? "MULTIPLE_OF_EXPANDED"
                                                           : "MULTIPLE_OF_CHANGED";
            Append(found, One(kind, path + "/multipleOf",
                              fmt::format("the {} takes only multiples of {}", sides_.reader, *now)));
        }
        if (reader.type == "integer" && writer.type != "integer") {
            Append(found, One("TYPE_NARROWED", path, fmt::format("the {} takes only whole numbers", sides_.reader)));
        }
        return found;
    }

    Found Enums(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        const Json &now = (*reader.source)["enum"], &before = (*writer.source)["enum"];
        auto has_all = [](const Json& of, const Json& all) {
            return std::all_of(all.begin(), all.end(),
                               [&](const Json& one) { return std::find(of.begin(), of.end(), one) != of.end(); });
        };
        if (has_all(now, before)) return {};
        return One(has_all(before, now) ? "ENUM_ARRAY_NARROWED" : "ENUM_ARRAY_CHANGED", path + "/enum",
                   fmt::format("the {} lacks values that the {} has", sides_.reader, sides_.writer));
    }

    Found Conditions(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        for (const char* key : {"if", "then", "else"}) {
            if (reader.source->value(key, Json()) == writer.source->value(key, Json())) continue;
            return One("CONDITION_CHANGED", path + "/" + key, "conditions are compatible only where they are the same");
        }
        return {};
    }

    // ---- objects

    Found Objects(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        Found found;
        for (const auto& [name, property] : writer.properties) {
            std::string where = Below(path, "properties", name);
            auto now = reader.properties.find(name);
            if (now == reader.properties.end()) {
                Append(found, Removed(reader, *property.node, name, where));
                continue;
            }
            if (reader.required.contains(name) && !writer.required.contains(name) && !now->second.has_default) {
                Append(found, One("REQUIRED_ATTRIBUTE_ADDED", Below(path, "required", name),
                                  fmt::format("the {} requires it, and it has no default", sides_.reader)));
            }
            Append(found, Nodes(*now->second.node, *property.node, where));
        }
        for (const auto& [name, property] : reader.properties) {
            if (!writer.properties.contains(name)) {
                Append(found, Added(reader, writer, property, name, Below(path, "properties", name)));
            }
        }
        Dependencies(found, reader, writer, path + "/dependencies");
        Beyond(found, reader, writer, path, "Properties", "PROPERTIES");
        Limits(found, reader, writer, path, {{"maxProperties", true}, {"minProperties", false}});
        return found;
    }

    // The schema of a property that isn't named, where it is one.
    static const JsonNode* Covering(const JsonNode& object, const std::string& name) {
        for (const auto& [pattern, node] : object.patterns) {
            if (Matches(pattern, name)) return node;
        }
        if (object.additional)
            return object.additional->IsNever() || object.additional->IsAny() ? nullptr : object.additional;
        bool says = object.unevaluated && !object.unevaluated->IsNever() && !object.unevaluated->IsAny();
        return says ? object.unevaluated : nullptr;
    }

    Found Removed(const JsonNode& reader, const JsonNode& property, const std::string& name, const std::string& where) {
        if (reader.IsOpen()) return {};
        if (const JsonNode* covering = Covering(reader, name)) {
            Found found = Nodes(*covering, property, where);
            if (!found.empty()) {
                Append(found,
                       One("PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", where,
                           fmt::format("what the {} asks of unnamed properties does not permit it", sides_.reader)));
            }
            return found;
        }
        if (property.IsNever()) return {};
        return One("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", where,
                   fmt::format("the {} does not name it, and permits only properties that it names", sides_.reader));
    }

    Found Added(const JsonNode& reader, const JsonNode& writer, const JsonProperty& property, const std::string& name,
                const std::string& where) {
        bool required = reader.required.contains(name);
        if (writer.IsOpen()) {
            if (property.node->IsAny()) return {};
            const char* kind = !required              ? "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"
                               : property.has_default ? "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL"
                                                      : "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL";
            return One(kind, where,
                       fmt::format("the {} permits a property of this name in any form (additionalProperties)",
                                   sides_.writer));
        }
        Found found;
        if (const JsonNode* covering = Covering(writer, name)) {
            found = Nodes(*property.node, *covering, where);
            if (!found.empty()) {
                Append(found, One("PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", where,
                                  fmt::format("the {} permits it in forms that the {} does not", sides_.writer,
                                              sides_.reader)));
            }
        }
        if (required && !property.has_default) {
            Append(found, One("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", where,
                              fmt::format("the {} requires it, without a default", sides_.reader)));
        }
        return found;
    }

    void Dependencies(Found& found, const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        for (const auto& [name, now] : reader.dependent_names) {
            auto before = writer.dependent_names.find(name);
            bool is_new = before == writer.dependent_names.end();
            if (!is_new && std::includes(before->second.begin(), before->second.end(), now.begin(), now.end()))
                continue;
            bool more = !is_new && std::includes(now.begin(), now.end(), before->second.begin(), before->second.end());
            Append(found,
                   One(is_new ? "DEPENDENCY_ARRAY_ADDED"
                       : more ? "DEPENDENCY_ARRAY_EXTENDED"
                              : "DEPENDENCY_ARRAY_CHANGED",
                       Below(path, "", name), fmt::format("the {} asks for more properties with it", sides_.reader)));
        }
        for (const auto& [name, now] : reader.dependent_schemas) {
            auto before = writer.dependent_schemas.find(name);
            if (before != writer.dependent_schemas.end()) {
                Append(found, Nodes(*now, *before->second, Below(path, "", name)));
                continue;
            }
            Append(found, One("DEPENDENCY_SCHEMA_ADDED", Below(path, "", name),
                              fmt::format("the {} asks for more with it", sides_.reader)));
        }
    }

    // What is permitted beyond what is named; `what`: Properties or Items.
    void Beyond(Found& found, const JsonNode& reader, const JsonNode& writer, const std::string& path, const char* what,
                const char* stem) {
        auto rest = [&](const char* prefix, const char* upper, const JsonNode* now, const JsonNode* before) {
            std::string where = path + "/" + prefix + what;
            if (!now || now->IsAny()) return;  // all is permitted
            bool never_before = before && before->IsNever();
            if (now->IsNever() && !never_before) {
                Append(found, One(fmt::format("{}_{}_REMOVED", upper, stem).c_str(), where,
                                  fmt::format("the {} permits none, the {} does", sides_.reader, sides_.writer)));
            } else if (!now->IsNever() && (!before || before->IsAny())) {
                Append(found, One(fmt::format("{}_{}_NARROWED", upper, stem).c_str(), where,
                                  fmt::format("the {} permits any form", sides_.writer)));
            } else if (!now->IsNever() && !never_before) {
                Append(found, Nodes(*now, *before, where));
            }
        };
        rest("additional", "ADDITIONAL", reader.additional, writer.additional);
        rest("unevaluated", "UNEVALUATED", reader.unevaluated, writer.unevaluated);
    }

    // ---- arrays

    Found Arrays(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        Found found;
        if (reader.items && writer.items) {
            Append(found, Nodes(*reader.items, *writer.items, path + "/items"));
        } else if (reader.items && !reader.items->IsAny()) {
            Append(found, One("SCHEMA_ADDED", path + "/items", fmt::format("the {} permits any items", sides_.writer)));
        }
        size_t both = std::min(reader.first_items.size(), writer.first_items.size());
        for (size_t i = 0; i < std::max(reader.first_items.size(), writer.first_items.size()); ++i) {
            std::string where = fmt::format("{}/items/{}", path, i);
            if (i < both) {
                Append(found, Nodes(*reader.first_items[i], *writer.first_items[i], where));
            } else if (i < writer.first_items.size()) {
                Append(found, ItemRemoved(reader, *writer.first_items[i], where));
            } else {
                Append(found, ItemAdded(writer, *reader.first_items[i], where));
            }
        }
        Beyond(found, reader, writer, path, "Items", "ITEMS");
        Limits(found, reader, writer, path,
               {{"maxItems", true}, {"minItems", false}, {"maxContains", true}, {"minContains", false}});
        bool unique = reader.source->value("uniqueItems", Json()) == true;
        if (unique && writer.source->value("uniqueItems", Json()) != true) {
            Append(found, One("UNIQUE_ITEMS_ADDED", path + "/uniqueItems",
                              fmt::format("the {} permits no item twice", sides_.reader)));
        }
        return found;
    }

    Found ItemRemoved(const JsonNode& reader, const JsonNode& item, const std::string& where) {
        if (reader.IsOpen() || item.IsNever()) return {};
        if (const JsonNode* covering = Covering(reader, "")) {
            Found found = Nodes(*covering, item, where);
            if (!found.empty()) {
                Append(found, One("ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", where,
                                  fmt::format("what the {} asks of further items does not permit it", sides_.reader)));
            }
            return found;
        }
        return One("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL", where,
                   fmt::format("the {} permits fewer items", sides_.reader));
    }

    Found ItemAdded(const JsonNode& writer, const JsonNode& item, const std::string& where) {
        if (writer.IsOpen()) {
            if (item.IsAny()) return {};
            return One("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", where,
                       fmt::format("the {} permits an item here in any form", sides_.writer));
        }
        const JsonNode* covering = Covering(writer, "");
        if (!covering) return {};
        Found found = Nodes(item, *covering, where);
        if (!found.empty()) {
            Append(found,
                   One("ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", where,
                       fmt::format("the {} permits it in forms that are not permitted any more", sides_.writer)));
        }
        return found;
    }

    // ---- combinations

    Found Combined(const JsonNode& reader, const JsonNode& writer, const std::string& path) {
        size_t now = reader.parts.size(), before = writer.parts.size();
        bool same = reader.criterion == writer.criterion;
        bool wider = reader.criterion == Criterion::kAny || (before == 1 && now == 1) ||
                     (before == 1 && reader.criterion == Criterion::kOne) ||
                     (now == 1 && writer.criterion == Criterion::kAll);
        if (!same && !wider) {
            return One("COMBINED_TYPE_CHANGED", path, "of allOf, anyOf, oneOf it is another, which permits less");
        }
        Found found;
        if (before < now && reader.criterion == Criterion::kAll) {
            Append(found,
                   One("PRODUCT_TYPE_EXTENDED", path, fmt::format("the {} asks for more at once", sides_.reader)));
        }
        if (before > now && writer.criterion != Criterion::kAll) {
            Append(found, One("SUM_TYPE_NARROWED", path, fmt::format("the {} permits fewer of them", sides_.reader)));
        }
        std::vector<std::vector<size_t>> fitting(before);
        for (size_t w = 0; w < before; ++w) {
            for (size_t r = 0; r < now; ++r) {
                if (Fits(*reader.parts[r], *writer.parts[w], fmt::format("{}/{}", path, w))) fitting[w].push_back(r);
            }
        }
        if (Matching(fitting, now) < std::min(now, before)) {
            Append(found, One("COMBINED_TYPE_SUBSCHEMAS_CHANGED", path,
                              "its parts cannot be paired so that each of them permits what the other did"));
        }
        return found;
    }

    // How many of the left find a partner of their own.
    static size_t Matching(const std::vector<std::vector<size_t>>& fitting, size_t right) {
        std::vector<std::optional<size_t>> partner(right);
        size_t count = 0;
        for (size_t left = 0; left < fitting.size(); ++left) {
            std::vector<bool> tried(right, false);
            if (Pairs(fitting, left, partner, tried)) ++count;
        }
        return count;
    }
    static bool Pairs(const std::vector<std::vector<size_t>>& fitting, size_t left,
                      std::vector<std::optional<size_t>>& partner, std::vector<bool>& tried) {
        for (size_t right : fitting[left]) {
            if (tried[right]) continue;
            tried[right] = true;
            if (partner[right] && !Pairs(fitting, *partner[right], partner, tried)) continue;
            partner[right] = left;
            return true;
        }
        return false;
    }

    Sides sides_;
    std::map<Pair, Found> done_;
    std::set<Pair> under_way_;
    std::set<Pair> bad_;
    size_t compared_ = 0;
    bool assumed_ = false;
    bool gave_up_ = false;
};

}  // namespace

std::vector<Difference> JsonDifferences(const JsonNode& reader, const JsonNode& writer, const Sides& sides) {
    return Comparison(sides).Compare(reader, writer);
}

}  // namespace tarn::registry
