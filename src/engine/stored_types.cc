// Which types of a query a stored table can have: Delta Lake's, which every reader knows.
#include "engine/stored_types.h"

#include <set>

#include "base/text.h"

namespace tarn::engine {
namespace {

struct StoredType {
    std::string type;  // empty: cannot be stored
    std::string cast;  // what to cast it to instead
};

StoredType StoredTypeOf(const std::string& type) {
    static constexpr std::string_view kAsIs[] = {"BOOLEAN", "TINYINT", "SMALLINT",  "INTEGER",
                                                 "BIGINT",  "FLOAT",   "DOUBLE",    "VARCHAR",
                                                 "BLOB",    "DATE",    "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"};
    for (std::string_view same : kAsIs) {
        if (type == same) return {type, {}};
    }
    if (type.starts_with("DECIMAL(")) return {type, {}};
    if (type == "UTINYINT") return {"SMALLINT", {}};
    if (type == "USMALLINT") return {"INTEGER", {}};
    if (type == "UINTEGER") return {"BIGINT", {}};
    if (type == "TIMESTAMP_S" || type == "TIMESTAMP_MS") return {"TIMESTAMP", {}};
    if (type == "\"NULL\"" || type == "NULL") return {"VARCHAR", {}};
    if (type == "JSON") return {"VARCHAR", {}};
    if (type == "UBIGINT") return {{}, "DECIMAL(20,0)"};
    if (type == "HUGEINT" || type == "UHUGEINT" || type == "BIGNUM") return {{}, "DECIMAL(38,0)"};
    if (type == "TIMESTAMP_NS") return {{}, "TIMESTAMP"};
    return {{}, "VARCHAR"};
}

// A nested type is stored if all of its parts are: look for a part that is not.
std::string UnstorablePart(const std::string& type) {
    static constexpr std::string_view kUnstorable[] = {
        "UTINYINT",     "USMALLINT",    "UINTEGER", "UBIGINT",  "HUGEINT", "UHUGEINT", "TIMESTAMP_S",
        "TIMESTAMP_MS", "TIMESTAMP_NS", "TIME",     "INTERVAL", "UUID",    "BIT",      "ENUM",
        "UNION",        "JSON",         "BIGNUM",   "TIMETZ",   "VARIANT", "GEOMETRY"};
    std::string word;
    bool quoted = false;
    for (size_t i = 0; i <= type.size(); i++) {
        char c = i < type.size() ? type[i] : ' ';
        if (c == '"') quoted = !quoted;
        if (!quoted && ((c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9'))) {
            word += c;
            continue;
        }
        for (std::string_view bad : kUnstorable) {
            // "TIME" is also part of TIMESTAMP WITH TIME ZONE, which is fine.
            bool zone = bad == "TIME" && type.compare(i, 5, " ZONE") == 0;
            if (word == bad && !zone) return word;
        }
        word.clear();
    }
    return {};
}

bool IsNested(const std::string& type) {
    return type.ends_with("[]") || type.starts_with("STRUCT(") || type.starts_with("MAP(");
}

}  // namespace

Result<std::vector<Column>> StoredColumns(const std::vector<ResultColumn>& columns) {
    std::vector<Column> stored;
    std::set<std::string> names;
    for (const ResultColumn& column : columns) {
        if (!names.insert(ToLower(column.name)).second) {
            return Error(ErrorCode::kInvalidArgument, "a table cannot have two columns {}", column.name)
                .WithDetailCode("42701")
                .WithHint("give one of them another name with AS");
        }
        StoredType type = StoredTypeOf(column.type);
        if (IsNested(column.type)) {
            std::string part = UnstorablePart(column.type);
            if (part.empty()) type = {column.type, {}};
        }
        if (type.type.empty()) {
            return Error(ErrorCode::kNotSupported, "column {} has type {}, which tables do not have", column.name,
                         column.type)
                .WithDetailCode("0A000")
                .WithHint(fmt::format("use CAST({} AS {})", QuoteIdentifier(column.name), type.cast));
        }
        stored.push_back({.name = column.name, .type = type.type, .nullable = true, .description = {}});
    }
    return stored;
}

}  // namespace tarn::engine
