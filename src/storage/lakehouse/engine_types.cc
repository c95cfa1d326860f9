// From DuckDB's spelling of a type to the Delta type that holds it: a small recursive parser.
#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/text.h"
#include "storage/lakehouse/delta_schema.h"

namespace tarn::lakehouse {
namespace {

constexpr int kTypeDepthMax = 64;
constexpr std::string_view kDelimiters = "(),[]\"";

// DuckDB's types that are not spelled as Delta's own: the Delta type that all their values fit in.
constexpr std::array<std::pair<std::string_view, std::string_view>, 39> kNames = {{
    {"BOOLEAN", "boolean"},
    {"BOOL", "boolean"},
    {"TINYINT", "byte"},
    {"SMALLINT", "short"},
    {"INTEGER", "integer"},
    {"INT", "integer"},
    {"BIGINT", "long"},
    {"HUGEINT", "decimal(38,0)"},
    {"UTINYINT", "short"},
    {"USMALLINT", "integer"},
    {"UINTEGER", "long"},
    {"UBIGINT", "decimal(20,0)"},
    {"UHUGEINT", "decimal(38,0)"},
    {"BIGNUM", "decimal(38,0)"},
    {"FLOAT", "float"},
    {"REAL", "float"},
    {"DOUBLE", "double"},
    {"VARCHAR", "string"},
    {"TEXT", "string"},
    {"STRING", "string"},
    {"CHAR", "string"},
    {"BLOB", "binary"},
    {"BYTEA", "binary"},
    {"DATE", "date"},
    {"TIMESTAMP", "timestamp_ntz"},
    {"TIMESTAMP_S", "timestamp_ntz"},
    {"TIMESTAMP_MS", "timestamp_ntz"},
    {"TIMESTAMP_NS", "timestamp_ntz"},
    {"TIMESTAMP WITH TIME ZONE", "timestamp"},
    {"TIMESTAMPTZ", "timestamp"},
    {"TIME", "string"},
    {"TIME_NS", "string"},
    {"TIME WITH TIME ZONE", "string"},
    {"INTERVAL", "string"},
    {"UUID", "string"},
    {"BIT", "string"},
    {"JSON", "string"},
    {"NULL", "integer"},
    {"DATETIME", "timestamp_ntz"},
}};

class TypeParser {
  public:
    explicit TypeParser(std::string_view text) : text_(text) {}

    Result<DeltaType> Parse() {
        DeltaType type = TRY(ParseType(0));
        SkipSpace();
        if (position_ != text_.size()) return Malformed();
        return type;
    }

  private:
    Error Malformed() const {
        return Error(ErrorCode::kNotSupported, "a table can't hold the type {}; cast it to another", text_);
    }
    void SkipSpace() {
        while (position_ < text_.size() && text_[position_] == ' ') ++position_;
    }
    bool Take(char wanted) {
        SkipSpace();
        if (position_ >= text_.size() || text_[position_] != wanted) return false;
        ++position_;
        return true;
    }

    // Words up to a bracket or comma: "TIMESTAMP WITH TIME ZONE".
    std::string TakeName() {
        SkipSpace();
        size_t start = position_;
        while (position_ < text_.size() && kDelimiters.find(text_[position_]) == std::string_view::npos) ++position_;
        return std::string(Trim(text_.substr(start, position_ - start)));
    }

    Result<std::string> TakeFieldName() {
        SkipSpace();
        if (!Take('"')) {
            size_t start = position_;
            while (position_ < text_.size() && text_[position_] != ' ') ++position_;
            return std::string(text_.substr(start, position_ - start));
        }
        std::string name;
        while (position_ < text_.size()) {
            if (text_[position_] == '"') {
                ++position_;
                if (position_ >= text_.size() || text_[position_] != '"') return name;
            }
            name += text_[position_++];
        }
        return Malformed();
    }

    Result<DeltaType> ParseStruct(int depth) {
        DeltaType type;
        type.kind = DeltaType::Kind::kStruct;
        do {
            DeltaField field;
            field.name = TRY(TakeFieldName());
            field.type = TRY(ParseType(depth + 1));
            type.fields.push_back(std::move(field));
        } while (Take(','));
        if (!Take(')')) return Malformed();
        return type;
    }

    Result<DeltaType> ParseMap(int depth) {
        DeltaType type;
        type.kind = DeltaType::Kind::kMap;
        type.children.push_back(TRY(ParseType(depth + 1)));
        if (!Take(',')) return Malformed();
        type.children.push_back(TRY(ParseType(depth + 1)));
        if (!Take(')')) return Malformed();
        return type;
    }

    // What stands in round brackets after a name, without them; quoted words are skipped whole.
    Result<std::string> TakeArguments() {
        size_t start = position_;
        bool quoted = false;
        for (; position_ < text_.size(); ++position_) {
            if (text_[position_] == '\'') quoted = !quoted;
            if (text_[position_] == ')' && !quoted) return std::string(text_.substr(start, position_++ - start));
        }
        return Malformed();
    }

    Result<DeltaType> ParseNamed(int depth) {
        std::string name = TakeName();
        std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
        if (Take('(')) {
            if (name == "STRUCT" || name == "ROW") return ParseStruct(depth);
            if (name == "MAP") return ParseMap(depth);
            std::string arguments = TRY(TakeArguments());
            if (name == "ENUM" || name == "VARCHAR") return DeltaType::Primitive("string");
            if (name != "DECIMAL" && name != "NUMERIC") return Malformed();
            std::erase(arguments, ' ');
            return DeltaType::Primitive("decimal(" + arguments +
                                        (arguments.find(',') == std::string::npos ? ",0" : "") + ")");
        }
        for (const auto& [engine, delta] : kNames) {
            if (engine == name) return DeltaType::Primitive(std::string(delta));
        }
        if (name == "DECIMAL") return DeltaType::Primitive("decimal(18,3)");
        return Malformed();
    }

    Result<DeltaType> ParseType(int depth) {
        if (depth > kTypeDepthMax) return Malformed();
        DeltaType type = TRY(ParseNamed(depth));
        while (Take('[')) {  // a list, or an array of a fixed length, which becomes a list
            while (position_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[position_]))) ++position_;
            if (!Take(']')) return Malformed();
            DeltaType list;
            list.kind = DeltaType::Kind::kArray;
            list.children.push_back(std::move(type));
            type = std::move(list);
        }
        return type;
    }

    std::string_view text_;
    size_t position_ = 0;
};

}  // namespace

Result<DeltaType> FromEngineType(std::string_view engine_type) { return TypeParser(engine_type).Parse(); }

}  // namespace tarn::lakehouse
