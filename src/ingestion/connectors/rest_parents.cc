#include "ingestion/connectors/rest_parents.h"

#include <algorithm>

#include "base/text.h"

namespace tarn::connectors {
namespace {

constexpr size_t kParentsMax = 100000;

security::Principal Self() { return security::Principal::System("ingestion"); }

// Calls `field` for each {field} and `text` for what stands between them.
template <typename Text, typename Field>
void ForEachPart(const std::string& all, const Text& text, const Field& field) {
    size_t at = 0;
    while (at < all.size()) {
        size_t open = all.find('{', at);
        size_t close = open == std::string::npos ? open : all.find('}', open);
        if (close == std::string::npos) break;
        text(all.substr(at, open - at));
        field(all.substr(open + 1, close - open - 1));
        at = close + 1;
    }
    text(all.substr(at));
}

std::string FieldExpression(const std::string& field) {
    std::vector<std::string> quoted;
    for (const std::string& part : Split(field, '.')) quoted.push_back(QuoteIdentifier(part));
    return "CAST(" + Join(quoted, ".") + " AS VARCHAR)";
}

}  // namespace

std::vector<std::string> TemplateFields(const StreamDefinition& stream) {
    std::vector<std::string> fields;
    auto add = [&](const std::string& field) {
        if (std::find(fields.begin(), fields.end(), field) == fields.end()) fields.push_back(field);
    };
    auto skip = [](const std::string&) {};
    ForEachPart(stream.settings.value("path", ""), skip, add);
    const Json given = stream.settings.value("params", Json::object());
    for (const auto& [name, value] : given.items()) {
        if (value.is_string()) ForEachPart(value.get<std::string>(), skip, add);
    }
    return fields;
}

Result<std::string> FillTemplate(const std::string& text, const Json& parent, bool in_path) {
    if (parent.is_null()) return text;
    std::string filled;
    std::string missing;
    ForEachPart(
        text, [&](const std::string& part) { filled += part; },
        [&](const std::string& field) {
            auto value = parent.find(field);
            if (value == parent.end()) missing = field;
            std::string put = value == parent.end() ? "" : value->get<std::string>();
            filled += in_path ? UrlEncode(put) : put;
        });
    if (!missing.empty()) return Error(ErrorCode::kInternal, "no value for {{{}}} in {}", missing, text);
    return filled;
}

Result<std::string> ParentsVersion(ConnectorsDependencies& dependencies, const SourceDefinition& source,
                                   const StreamDefinition& stream) {
    std::string other = stream.settings.value("for_each_of", "");
    auto found = dependencies.catalog.Find(Self(), "raw_" + source.name, other, {});
    if (found.ok()) return found->version;
    if (found.error().code() == ErrorCode::kFailedPrecondition) return std::string();
    return std::move(found).error();
}

Result<Parents> ReadParents(ConnectorsDependencies& dependencies, const SourceDefinition& source,
                            const StreamDefinition& stream) {
    std::string other = stream.settings.value("for_each_of", "");
    Parents parents;
    parents.version = TRY(ParentsVersion(dependencies, source, stream));
    std::vector<std::string> fields = TemplateFields(stream);
    std::vector<std::string> items;
    for (const std::string& field : fields) items.push_back(FieldExpression(field));
    auto session = TRY(dependencies.engine.OpenSession({.principal = Self()}));
    // Of that version: what is loaded meanwhile is another one's.
    std::string sql = fmt::format("SELECT DISTINCT {} FROM {}.{} AT (VERSION => {}) ORDER BY ALL", Join(items, ", "),
                                  QuoteIdentifier("raw_" + source.name), QuoteIdentifier(other), parents.version);
    std::string what = fmt::format("the records of {} for {}", other, stream.name);
    auto rows = TRY_CONTEXT(session->Query(sql), what);
    while (const engine::Chunk* chunk = TRY_CONTEXT(rows->Next(), what)) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            Json record = Json::object();
            for (size_t i = 0; i < fields.size(); ++i) {
                if (!chunk->IsNull(row, i)) record[fields[i]] = chunk->Text(row, i);
            }
            if (record.size() < fields.size()) {
                ++parents.incomplete;
                continue;
            }
            if (parents.records.size() == kParentsMax) {
                return Error(ErrorCode::kResourceExhausted, "{} has more than {} records to ask for", other,
                             kParentsMax);
            }
            parents.records.push_back(std::move(record));
        }
    }
    return parents;
}

}  // namespace tarn::connectors
