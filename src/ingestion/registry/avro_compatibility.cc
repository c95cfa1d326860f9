// Whether data of one Avro schema can be read by another: the rules of "Schema Resolution" in Avro's specification.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "ingestion/registry/avro_schema.h"

namespace tarn::registry {
namespace {

bool IsPromoted(AvroKind writer, AvroKind reader) {
    switch (reader) {
        case AvroKind::kLong:
            return writer == AvroKind::kInt;
        case AvroKind::kFloat:
            return writer == AvroKind::kInt || writer == AvroKind::kLong;
        case AvroKind::kDouble:
            return writer == AvroKind::kInt || writer == AvroKind::kLong || writer == AvroKind::kFloat;
        case AvroKind::kBytes:
            return writer == AvroKind::kString;
        case AvroKind::kString:
            return writer == AvroKind::kBytes;
        default:
            return false;
    }
}

// Names match without their namespaces; a reader's alias gives the whole name.
bool IsNamedAlike(const AvroType& reader, const AvroType& writer) {
    if (reader.name == writer.name) return true;
    return std::find(reader.aliases.begin(), reader.aliases.end(), writer.FullName()) != reader.aliases.end();
}

class Comparison {
  public:
    explicit Comparison(const Sides& sides) : sides_(sides) {}

    std::vector<Difference> Compare(const AvroType& reader, const AvroType& writer) {
        std::vector<Difference> found = Pair(reader, writer, "");
        if (!gave_up_) return found;
        found.clear();
        found.push_back({"UNKNOWN", fmt::format("the schemas are too large to be compared: more than {} pairs of "
                                                "types, or nested more than {} deep",
                                                kPairsMax, kSchemaDepthMax)});
        return found;
    }

  private:
    using Found = std::vector<Difference>;

    Found Pair(const AvroType& reader, const AvroType& writer, const std::string& path) {
        auto key = std::make_pair(&reader, &writer);
        auto [known, is_new] = known_.try_emplace(key);
        // Under way, so it contains itself: it holds if everything else does.
        if (!is_new) return known->second.value_or(Found());
        if (known_.size() > kPairsMax || depth_ >= kSchemaDepthMax) gave_up_ = true;
        if (gave_up_) return {};
        ++depth_;
        Found found = reader.kind == writer.kind ? SameKind(reader, writer, path) : OtherKind(reader, writer, path);
        --depth_;
        known_[key] = found;
        return found;
    }

    Found SameKind(const AvroType& reader, const AvroType& writer, const std::string& path) {
        switch (reader.kind) {
            case AvroKind::kArray:
                return Pair(*reader.inner[0], *writer.inner[0], path + "/items");
            case AvroKind::kMap:
                return Pair(*reader.inner[0], *writer.inner[0], path + "/values");
            case AvroKind::kFixed: {
                Found found = Names(reader, writer, path);
                if (reader.size != writer.size) {
                    found.push_back({"FIXED_SIZE_MISMATCH",
                                     fmt::format("the fixed type at '{}/size' has {} bytes in the {} and {} in the {}",
                                                 path, reader.size, sides_.reader, writer.size, sides_.writer)});
                }
                return found;
            }
            case AvroKind::kEnum:
                return Enums(reader, writer, path);
            case AvroKind::kRecord:
                return Records(reader, writer, path);
            case AvroKind::kUnion:
                return Unions(reader, writer, path);
            default:
                return {};
        }
    }

    Found OtherKind(const AvroType& reader, const AvroType& writer, const std::string& path) {
        if (writer.kind == AvroKind::kUnion) return Unions(reader, writer, path);
        if (IsPromoted(writer.kind, reader.kind)) return {};
        if (reader.kind == AvroKind::kUnion) {
            for (const AvroType* branch : reader.inner) {
                if (Pair(*branch, writer, path).empty()) return {};
            }
            return {{"MISSING_UNION_BRANCH",
                     fmt::format("the union at '{}' of the {} has no branch for {}, which the {} writes", path,
                                 sides_.reader, Called(writer), sides_.writer)}};
        }
        return {{"TYPE_MISMATCH", fmt::format("'{}' is {} in the {}, and {} in the {}", path.empty() ? "/" : path,
                                              Called(reader), sides_.reader, Called(writer), sides_.writer)}};
    }

    static std::string Called(const AvroType& type) {
        return type.IsNamed() ? fmt::format("{} {}", AvroKindName(type.kind), type.FullName())
                              : std::string(AvroKindName(type.kind));
    }

    Found Names(const AvroType& reader, const AvroType& writer, const std::string& path) {
        if (IsNamedAlike(reader, writer)) return {};
        return {{"NAME_MISMATCH", fmt::format("the type at '{}/name' is called {} in the {} and {} in the {}", path,
                                              reader.FullName(), sides_.reader, writer.FullName(), sides_.writer)}};
    }

    Found Enums(const AvroType& reader, const AvroType& writer, const std::string& path) {
        Found found = Names(reader, writer, path);
        if (reader.fallback) return found;
        std::set<std::string> known(reader.symbols.begin(), reader.symbols.end());
        std::vector<std::string> missing;
        for (const std::string& symbol : writer.symbols) {
            if (!known.contains(symbol)) missing.push_back(symbol);
        }
        if (!missing.empty()) {
            found.push_back(
                {"MISSING_ENUM_SYMBOLS",
                 fmt::format("the enum at '{}/symbols' of the {} lacks [{}], which the {} writes, and has no "
                             "default",
                             path, sides_.reader, Join(missing, ", "), sides_.writer)});
        }
        return found;
    }

    Found Records(const AvroType& reader, const AvroType& writer, const std::string& path) {
        Found found = Names(reader, writer, path);
        std::map<std::string_view, const AvroField*> written;
        for (const AvroField& field : writer.fields) written.emplace(field.name, &field);
        for (size_t i = 0; i < reader.fields.size(); ++i) {
            const AvroField& field = reader.fields[i];
            std::string where = fmt::format("{}/fields/{}", path, i);
            auto from = written.find(field.name);
            for (size_t a = 0; from == written.end() && a < field.aliases.size(); ++a) {
                from = written.find(field.aliases[a]);
            }
            if (from != written.end()) {
                Found inner = Pair(*field.type, *from->second->type, where + "/type");
                found.insert(found.end(), inner.begin(), inner.end());
            } else if (!field.fallback && !(field.type->kind == AvroKind::kEnum && field.type->fallback)) {
                found.push_back({"READER_FIELD_MISSING_DEFAULT_VALUE",
                                 fmt::format("the field '{}' at '{}' of the {} has no default, and the {} does not "
                                             "write it",
                                             field.name, where, sides_.reader, sides_.writer)});
            }
        }
        return found;
    }

    // Each branch that may be written must find its reader.
    Found Unions(const AvroType& reader, const AvroType& writer, const std::string& path) {
        Found found;
        for (size_t i = 0; i < writer.inner.size(); ++i) {
            const AvroType& branch = *writer.inner[i];
            Found inner = Pair(reader, branch, fmt::format("{}/{}", path, i));
            found.insert(found.end(), inner.begin(), inner.end());
        }
        return found;
    }

    Sides sides_;
    std::map<std::pair<const AvroType*, const AvroType*>, std::optional<Found>> known_;
    int depth_ = 0;
    bool gave_up_ = false;
};

}  // namespace

std::vector<Difference> AvroDifferences(const AvroType& reader, const AvroType& writer, const Sides& sides) {
    return Comparison(sides).Compare(reader, writer);
}

}  // namespace tarn::registry
