#include "ingestion/connectors/raw_sql.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "ingestion/connectors/raw_provider.h"

namespace tarn::connectors {
namespace {

constexpr int64_t kJsonBytesMax = 256 << 20;  // of one answer or line

std::string ObjectList(const std::vector<const LoadObject*>& objects) {
    std::vector<std::string> literals;
    for (const LoadObject* object : objects) literals.push_back(ObjectLiteral(object->key));
    return "[" + Join(literals, ", ") + "]";
}

std::string ColumnsStruct(const std::vector<engine::Column>& columns) {
    std::vector<std::string> parts;
    for (const engine::Column& column : columns) {
        parts.push_back(QuoteLiteral(column.name) + ": " + QuoteLiteral(column.type));
    }
    return "{" + Join(parts, ", ") + "}";
}

std::string Compression(const LoadObject& object) {
    if (object.key.ends_with(".gz")) return "gzip";
    return object.key.ends_with(".zst") ? "zstd" : "none";
}

std::string CsvOptions(const LoadObject& first, const Manifest& manifest) {
    const Json& given = manifest.format_options;
    std::string options = fmt::format(", compression = '{}'", Compression(first));
    if (given.contains("null")) {
        std::vector<std::string> nulls;
        for (const Json& text : given["null"]) nulls.push_back(QuoteLiteral(text.get<std::string>()));
        options += ", nullstr = [" + Join(nulls, ", ") + "]";
    }
    if (given.contains("delimiter")) options += ", delim = " + QuoteLiteral(given["delimiter"].get<std::string>());
    options += given.value("header", true) ? ", header = true" : ", header = false";
    return options;
}

// "$.data.items" -> {"data", "items"}; "$" -> {}.
std::vector<std::string> PathOf(const std::string& records) {
    if (records.empty() || records == "$") return {};
    return Split(records.substr(records.starts_with("$.") ? 2 : 0), '.');
}

// The type of a whole answer whose records lie at `path`.
std::string AnswerType(const std::vector<std::string>& path, size_t at, const std::vector<engine::Column>& columns) {
    if (at < path.size()) {
        return fmt::format("STRUCT({} {})", QuoteIdentifier(path[at]), AnswerType(path, at + 1, columns));
    }
    std::vector<std::string> fields;
    for (const engine::Column& column : columns) fields.push_back(QuoteIdentifier(column.name) + " " + column.type);
    return "STRUCT(" + Join(fields, ", ") + ")[]";
}

std::string PathExpression(const std::vector<std::string>& path) {
    std::vector<std::string> quoted;
    for (const std::string& part : path) quoted.push_back(QuoteIdentifier(part));
    return Join(quoted, ".");
}

std::string ReadJsonSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest,
                        const std::vector<engine::Column>& columns) {
    std::vector<std::string> path = PathOf(manifest.records);
    std::string common = fmt::format("filename = true, compression = '{}', maximum_object_size = {}",
                                     Compression(*objects[0]), kJsonBytesMax);
    if (path.empty()) {
        return fmt::format("SELECT * FROM read_json({}, columns = {}, {})", ObjectList(objects), ColumnsStruct(columns),
                           common);
    }
    std::vector<engine::Column> whole = {{path[0], AnswerType(path, 1, columns), true, ""}};
    return fmt::format(
        "SELECT unnest(tarn_record), filename FROM (SELECT unnest({}) AS tarn_record, filename FROM read_json({}, "
        "columns = {}, format = 'unstructured', {}))",
        PathExpression(path), ObjectList(objects), ColumnsStruct(whole), common);
}

// Objects that are read alike: same format, columns and compression.
std::string GroupKey(const LiveObject& live) {
    std::string key = live.object->format + "|" + Compression(*live.object) + "|";
    for (const engine::Column& column : live.object->columns) key += column.name + "\x1f";
    return key + (live.object->format == "parquet" ? "" : DumpJson(live.load->format_options));
}

struct Group {
    std::vector<const LoadObject*> objects;
    std::vector<std::string> origins;  // VALUES rows: filename, load, loaded_at, origin, after
    const Manifest* manifest = nullptr;
};

std::string OriginOf(const LoadObject& object) {
    for (const char* name : {"file", "url", "table"}) {
        if (object.origin.contains(name)) return object.origin[name].get<std::string>();
    }
    return object.key;
}

// The recorded type wins over the one an object was read with then; columns the object lacks are NULL.
std::string SelectList(const Manifest& last, const Group& group) {
    std::vector<std::string> items;
    std::vector<std::string> has;
    for (const engine::Column& column : group.objects[0]->columns) has.push_back(column.name);
    for (const engine::Column& column : last.columns) {
        bool present = has.empty() || std::find(has.begin(), has.end(), column.name) != has.end();
        std::string name = QuoteIdentifier(column.name);
        items.push_back(present ? fmt::format("CAST(tarn_rows.{} AS {}) AS {}", name, column.type, name)
                                : fmt::format("CAST(NULL AS {}) AS {}", column.type, name));
    }
    for (const char* name : {"_load", "_loaded_at", "_origin"}) items.push_back(fmt::format("tarn_origin.{}", name));
    return Join(items, ", ");
}

std::vector<engine::Column> TypedColumns(const Manifest& last, const LoadObject& object) {
    std::vector<engine::Column> columns = object.columns;
    for (engine::Column& column : columns) {
        auto recorded = std::find_if(last.columns.begin(), last.columns.end(),
                                     [&](const engine::Column& other) { return other.name == column.name; });
        if (recorded != last.columns.end()) column.type = recorded->type;
    }
    return columns;
}

std::string GroupSql(const Manifest& last, const Group& group) {
    std::string rows = ReadObjectsSql(group.objects, *group.manifest, TypedColumns(last, *group.objects[0]));
    std::string sql = fmt::format(
        "SELECT {} FROM ({}) AS tarn_rows JOIN (VALUES {}) AS tarn_origin(filename, _load, _loaded_at, _origin, "
        "tarn_after) USING (filename)",
        SelectList(last, group), rows, Join(group.origins, ", "));
    // A server that sends more than was asked for does not make rows appear twice.
    bool bounded = last.mode == "incremental" && last.key.empty() && !last.cursor.empty();
    if (bounded) {
        auto column = std::find_if(last.columns.begin(), last.columns.end(),
                                   [&](const engine::Column& other) { return other.name == last.cursor; });
        std::string type = column == last.columns.end() ? "VARCHAR" : column->type;
        sql += fmt::format(" WHERE tarn_after IS NULL OR tarn_rows.{} > CAST(tarn_after AS {})",
                           QuoteIdentifier(last.cursor), type);
    }
    return sql;
}

std::string EmptySql(const Manifest& last) {
    std::vector<std::string> items;
    for (const engine::Column& column : ViewColumns(last)) {
        items.push_back(fmt::format("CAST(NULL AS {}) AS {}", column.type, QuoteIdentifier(column.name)));
    }
    return "SELECT " + Join(items, ", ") + " WHERE false";
}

std::string NewestByKey(const Manifest& last, const std::string& sql) {
    std::vector<std::string> keys;
    for (const std::string& key : last.key) keys.push_back(QuoteIdentifier(key));
    return fmt::format(
        "SELECT * FROM ({}) QUALIFY row_number() OVER (PARTITION BY {} ORDER BY {} DESC NULLS LAST, _load DESC) = 1",
        sql, Join(keys, ", "), QuoteIdentifier(last.cursor));
}

}  // namespace

std::string ObjectLiteral(const std::string& key) {
    return QuoteLiteral(std::string("tarn://") + kRawBucket + "/" + key);
}

std::string ReadObjectsSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest,
                           const std::vector<engine::Column>& columns) {
    const LoadObject& first = *objects[0];
    if (first.format == "parquet") {
        return fmt::format("SELECT * FROM read_parquet({}, filename = true, union_by_name = true)",
                           ObjectList(objects));
    }
    if (first.format == "csv") {
        return fmt::format("SELECT * FROM read_csv({}, filename = true, auto_detect = true, columns = {}{})",
                           ObjectList(objects), ColumnsStruct(columns), CsvOptions(first, manifest));
    }
    if (first.format == "json") return ReadJsonSql(objects, manifest, columns);
    return fmt::format("SELECT content, filename FROM read_blob({})", ObjectList(objects));
}

std::string InferSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest) {
    const LoadObject& first = *objects[0];
    if (first.format == "csv") {
        return fmt::format("DESCRIBE SELECT * FROM read_csv({}, sample_size = -1, union_by_name = true{})",
                           ObjectList(objects), CsvOptions(first, manifest));
    }
    if (first.format == "parquet") {
        return fmt::format("DESCRIBE SELECT * FROM read_parquet({}, union_by_name = true)", ObjectList(objects));
    }
    std::string read = fmt::format("read_json({}, sample_size = -1, compression = '{}', maximum_object_size = {}",
                                   ObjectList(objects), Compression(first), kJsonBytesMax);
    std::vector<std::string> path = PathOf(manifest.records);
    if (path.empty()) return "DESCRIBE SELECT * FROM " + read + ")";
    return fmt::format(
        "DESCRIBE SELECT unnest(tarn_record) FROM (SELECT unnest({}) AS tarn_record FROM {}, format = 'unstructured'))",
        PathExpression(path), read);
}

engine::TrustedView ViewOf(const StreamState& state, int64_t load) {
    const Manifest& last = state.loads[static_cast<size_t>(load - 1)];
    std::map<std::string, Group> groups;
    engine::TrustedView view;
    for (const LiveObject& live : LiveObjects(state, load)) {
        Group& group = groups[GroupKey(live)];
        group.objects.push_back(live.object);
        group.manifest = live.load;
        std::string after = live.load->after.is_null() ? "NULL"
                            : live.load->after.is_string()
                                ? QuoteLiteral(live.load->after.get<std::string>())
                                : QuoteLiteral(live.load->after.dump());
        group.origins.push_back(fmt::format("({}, CAST({} AS BIGINT), TIMESTAMPTZ {}, {}, {})",
                                            ObjectLiteral(live.object->key), live.load->load,
                                            QuoteLiteral(live.load->committed_at), QuoteLiteral(OriginOf(*live.object)),
                                            after));
        view.files.push_back(std::string(kRawBucket) + "/" + live.object->key);
    }
    std::vector<std::string> parts;
    for (const auto& [key, group] : groups) parts.push_back(GroupSql(last, group));
    view.sql = parts.empty() ? EmptySql(last) : Join(parts, " UNION ALL ");
    bool by_key = last.mode == "incremental" && !last.key.empty() && !parts.empty();
    if (by_key) view.sql = NewestByKey(last, view.sql);
    return view;
}

}  // namespace tarn::connectors
