#include "ingestion/connectors/raw_sql.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "ingestion/connectors/raw_provider.h"

namespace tarn::connectors {
namespace {

constexpr uint64_t kAnswerBytesMin = 1 << 20;
constexpr const char* kFile = "tarn_file";     // the column with the object that a row comes from

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

// Quotes are those of RFC 4180, never guessed: a guess would take a broken file for a strange one.
std::string CsvOptions(const LoadObject& first, const Manifest& manifest) {
    const Json& given = manifest.format_options;
    std::string options = ", quote = '\"', escape = '\"'";
    std::string compression = CompressionOf(first);
    options += fmt::format(", compression = '{}'", compression == "uncompressed" ? "none" : compression);
    if (given.contains("null")) {
        std::vector<std::string> nulls;
        for (const Json& text : given["null"]) nulls.push_back(QuoteLiteral(text.get<std::string>()));
        options += ", nullstr = [" + Join(nulls, ", ") + "]";
    }
    std::string delimiter = first.delimiter.empty() ? given.value("delimiter", "") : first.delimiter;
    if (!delimiter.empty()) options += ", delim = " + QuoteLiteral(delimiter);
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

// The engine takes twice the largest value's size for each thread at once: a list is read record by record, but an
// answer that has its list inside is one value.
std::string JsonOptions(const std::vector<const LoadObject*>& objects, const std::vector<std::string>& path) {
    std::string options = fmt::format(", compression = '{}'", CompressionOf(*objects[0]));
    if (path.empty()) return options;
    uint64_t largest = kAnswerBytesMin;
    for (const LoadObject* object : objects) largest = std::max(largest, object->bytes + 1);
    return options + fmt::format(", maximum_object_size = {}", largest);
}

std::string ReadJsonSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest,
                        const std::vector<engine::Column>& columns) {
    std::vector<std::string> path = PathOf(manifest.records);
    std::string common = fmt::format("filename = '{}'{}", kFile, JsonOptions(objects, path));
    if (path.empty()) {
        return fmt::format("SELECT * FROM read_json({}, columns = {}, {})", ObjectList(objects), ColumnsStruct(columns),
                           common);
    }
    std::vector<engine::Column> whole = {{path[0], AnswerType(path, 1, columns), true, ""}};
    return fmt::format(
        "SELECT unnest(tarn_record), {0} FROM (SELECT unnest({1}) AS tarn_record, {0} FROM read_json({2}, "
        "columns = {3}, format = 'unstructured', {4}))",
        kFile, PathExpression(path), ObjectList(objects), ColumnsStruct(whole), common);
}

const engine::Column* FindColumn(const std::vector<engine::Column>& columns, const std::string& name) {
    auto found = std::find_if(columns.begin(), columns.end(), [&](const auto& column) { return column.name == name; });
    return found == columns.end() ? nullptr : &*found;
}

// The cursor as an expression: of an API's records it is a path.
std::string CursorOf(const Manifest& manifest) {
    return manifest.kind == "rest" ? PathExpression(PathOf(manifest.cursor)) : QuoteIdentifier(manifest.cursor);
}

// Objects that are read alike: same format, columns and compression.
std::string GroupKey(const LiveObject& live) {
    std::string key = live.object->format + "|" + CompressionOf(*live.object) + "|";
    bool typed = live.object->format == "parquet";
    for (const engine::Column& column : live.object->columns) {
        key += column.name + "\x1f" + (typed ? column.type : "") + "\x1f";
    }
    if (typed) return key;
    return key + live.object->delimiter + "|" + live.load->records + "|" + DumpJson(live.load->format_options);
}

struct Group {
    std::vector<const LoadObject*> objects;
    std::vector<std::string> origins;  // VALUES rows: object, load, loaded_at, origin, after, again, until
    const Manifest* manifest = nullptr;
    int64_t loads_from = 0, loads_to = 0;  // a stretch of loads; 0: any
};

// Streams whose loads add up and are many. Read in stretches, a filter `_load > 999` leaves out all but the last one.
bool IsStream(const Manifest& manifest) { return manifest.kind == "kafka" || manifest.kind == "push"; }

// Loads 1 to `last` in stretches of powers of two, the longest first, as 1-512, 513-768, 769-770: few, and the newest
// short. The one that `load` is in.
std::pair<int64_t, int64_t> StretchOf(int64_t load, int64_t last) {
    int64_t from = 1;
    for (int64_t length = int64_t{1} << 40; length > 0; length /= 2) {
        if ((last & length) == 0) continue;
        if (load < from + length) return {from, from + length - 1};
        from += length;
    }
    return {from, last};
}

std::string OriginOf(const LoadObject& object) {
    for (const char* name : {"file", "url", "table"}) {
        if (object.origin.contains(name)) return object.origin[name].get<std::string>();
    }
    return object.key;
}

// The recorded type wins over the one an object was read with then; columns the object lacks are NULL.
std::string SelectList(const Manifest& last, const Group& group) {
    std::vector<std::string> items;
    for (const engine::Column& column : last.columns) {
        bool present = FindColumn(group.objects[0]->columns, column.name) != nullptr;
        std::string name = QuoteIdentifier(column.name);
        std::string shown = QuoteIdentifier(ShownName(column.name));
        items.push_back(present ? fmt::format("CAST(tarn_rows.{} AS {}) AS {}", name, column.type, shown)
                                : fmt::format("CAST(NULL AS {}) AS {}", column.type, shown));
    }
    for (const char* name : {"_load", "_loaded_at", "_origin"}) items.push_back(fmt::format("tarn_origin.{}", name));
    if (IsNested(last)) items.push_back("tarn_origin._for_each");
    return Join(items, ", ");
}

std::vector<engine::Column> TypedColumns(const Manifest& last, const LoadObject& object) {
    std::vector<engine::Column> columns = object.columns;
    for (engine::Column& column : columns) {
        if (const engine::Column* recorded = FindColumn(last.columns, column.name)) column.type = recorded->type;
    }
    return columns;
}

std::string GroupSql(const Manifest& last, const Group& group) {
    std::string rows = ReadObjectsSql(group.objects, *group.manifest, TypedColumns(last, *group.objects[0]));
    std::string sql = fmt::format(
        "SELECT {} FROM ({}) AS tarn_rows JOIN (VALUES {}) AS tarn_origin({}, _load, _loaded_at, _origin, "
        "tarn_after, tarn_again, tarn_until, _for_each) USING ({})",
        SelectList(last, group), rows, Join(group.origins, ", "), kFile, kFile);
    if (group.loads_to > 0) {
        sql += fmt::format(" WHERE tarn_origin._load BETWEEN {} AND {}", group.loads_from, group.loads_to);
    }
    // A server that sends more than was asked for does not make rows appear twice.
    bool bounded = last.kind == "rest" && last.mode == "incremental" && last.key.empty() && !last.cursor.empty();
    if (!bounded || !FindColumn(group.objects[0]->columns, last.cursor.substr(0, last.cursor.find('.')))) return sql;
    // `after` and `until` are kept as text, and a field of a record has a type that only the engine knows.
    return sql + fmt::format(
                     " WHERE (tarn_after IS NULL OR tarn_rows.{0} > cast_to_type(tarn_after, tarn_rows.{0}) OR "
                     "(tarn_again AND tarn_rows.{0} = cast_to_type(tarn_after, tarn_rows.{0}))) AND (tarn_until IS "
                     "NULL OR tarn_rows.{0} IS DISTINCT FROM cast_to_type(tarn_until, tarn_rows.{0}))",
                     CursorOf(last));
}

std::string CursorLiteral(const Json& value) {
    if (value.is_null()) return "CAST(NULL AS VARCHAR)";
    return QuoteLiteral(value.is_string() ? value.get<std::string>() : value.dump());
}

std::string ForEachLiteral(const LoadObject& object) {
    bool nested = object.origin.is_object() && object.origin.contains("parent");
    return nested ? QuoteLiteral(DumpJson(object.origin["parent"])) : "CAST(NULL AS VARCHAR)";
}

// From what value of the cursor on a load's rows are in a later one, which read them anew.
Json UntilOf(const StreamState& state, const Manifest& load, int64_t shown) {
    for (const Manifest& later : state.loads) {
        if (later.load > load.load && later.load <= shown && later.again && later.apart.empty()) return later.after;
    }
    return {};
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
    for (const std::string& key : last.key) keys.push_back(QuoteIdentifier(ShownName(key)));
    return fmt::format(
        "SELECT * FROM ({}) QUALIFY row_number() OVER (PARTITION BY {} ORDER BY {} DESC NULLS LAST, _load DESC) = 1",
        sql, Join(keys, ", "), CursorOf(last));
}

}  // namespace

std::string CompressionOf(const LoadObject& object) {
    if (object.key.ends_with(".gz")) return "gzip";
    return object.key.ends_with(".zst") ? "zstd" : "uncompressed";
}

std::string ObjectLiteral(const std::string& key) {
    return QuoteLiteral(std::string("tarn://") + kRawBucket + "/" + key);
}

std::string SniffCsvSql(const LoadObject& object, const Manifest& manifest) {
    return fmt::format(
        "SELECT delimiter, tarn_column.name, tarn_column.type FROM (SELECT delimiter, unnest(columns) AS tarn_column "
        "FROM sniff_csv({}, sample_size = -1, ignore_errors = true{}))",
        ObjectLiteral(object.key), CsvOptions(object, manifest));
}

std::string StrictCsvSql(const LoadObject& object, const Manifest& manifest,
                         const std::vector<engine::Column>& columns) {
    return fmt::format("SELECT * FROM read_csv({}, auto_detect = false, columns = {}{})", ObjectLiteral(object.key),
                       ColumnsStruct(columns), CsvOptions(object, manifest));
}

std::string ReadObjectsSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest,
                           const std::vector<engine::Column>& columns) {
    const LoadObject& first = *objects[0];
    if (first.format == "parquet") {
        return fmt::format("SELECT * FROM read_parquet({}, filename = '{}', union_by_name = true)", ObjectList(objects),
                           kFile);
    }
    if (first.format == "csv") {
        return fmt::format("SELECT * FROM read_csv({}, filename = '{}', auto_detect = true, columns = {}{})",
                           ObjectList(objects), kFile, ColumnsStruct(columns), CsvOptions(first, manifest));
    }
    if (first.format == "json") return ReadJsonSql(objects, manifest, columns);
    return fmt::format("SELECT content, filename AS {} FROM read_blob({})", kFile, ObjectList(objects));
}

std::string InferSql(const std::vector<const LoadObject*>& objects, const Manifest& manifest) {
    const LoadObject& first = *objects[0];
    if (first.format == "parquet") {
        return fmt::format("DESCRIBE SELECT * FROM read_parquet({}, union_by_name = true)", ObjectList(objects));
    }
    std::vector<std::string> path = PathOf(manifest.records);
    std::string read = fmt::format("read_json({}, sample_size = -1{}", ObjectList(objects), JsonOptions(objects, path));
    if (path.empty()) return "DESCRIBE SELECT * FROM " + read + ")";
    return fmt::format(
        "DESCRIBE SELECT unnest(tarn_record) FROM (SELECT unnest({}) AS tarn_record FROM {}, format = 'unstructured'))",
        PathExpression(path), read);
}

engine::TrustedView ViewOf(const StreamState& state, int64_t load) {
    const Manifest& last = ShownLoad(state, load);
    std::map<std::string, Group> groups;
    engine::TrustedView view;
    for (const LiveObject& live : LiveObjects(state, load)) {
        if (live.object->columns.empty()) continue;  // an empty file
        auto [from, to] = IsStream(last) ? StretchOf(live.load->load, load) : std::pair<int64_t, int64_t>();
        Group& group = groups[fmt::format("{}|{}", GroupKey(live), to)];
        group.loads_from = from;
        group.loads_to = to;
        group.objects.push_back(live.object);
        group.manifest = live.load;
        group.origins.push_back(
            fmt::format("({}, CAST({} AS BIGINT), TIMESTAMPTZ {}, {}, {}, {}, {}, {})", ObjectLiteral(live.object->key),
                        live.load->load, QuoteLiteral(live.load->committed_at), QuoteLiteral(OriginOf(*live.object)),
                        CursorLiteral(live.load->after), live.load->again,
                        CursorLiteral(UntilOf(state, *live.load, load)), ForEachLiteral(*live.object)));
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
