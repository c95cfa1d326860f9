#include "storage/lakehouse/history.h"

#include <charconv>

#include "base/json.h"
#include "base/text.h"

namespace tarn::lakehouse {
namespace {

// Metrics are numbers as text (Spark, Tarn) or numbers (delta-rs).
int64_t Number(const Json& object, const char* key) {
    auto found = object.is_object() ? object.find(key) : object.end();
    if (found == object.end()) return -1;
    if (found->is_number_integer()) return found->get<int64_t>();
    if (!found->is_string()) return -1;
    const std::string& text = found->get_ref<const std::string&>();
    int64_t value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

Json Member(const Json& object, const char* key) {
    auto found = object.is_object() ? object.find(key) : object.end();
    return found == object.end() ? Json() : *found;
}

std::string Text(const Json& object, const char* key) {
    Json value = Member(object, key);
    return value.is_string() ? value.get<std::string>() : "";
}

// Inserted rows, by whatever name the writer gives them.
int64_t RowsAdded(const Json& tarn, const Json& metrics) {
    if (int64_t rows = Number(tarn, "rows_inserted"); rows >= 0) return rows;
    for (const char* key : {"numTargetRowsInserted", "num_target_rows_inserted", "numOutputRows", "num_added_rows"}) {
        if (int64_t rows = Number(metrics, key); rows >= 0) return rows;
    }
    return -1;
}

}  // namespace

catalog::DatasetVersion ToDatasetVersion(const CommitHeader& header) {
    catalog::DatasetVersion version;
    version.version = std::to_string(header.version);
    version.committed_at = header.committed_at;
    version.details = Json::object();
    auto info = ParseJson(header.info_json.empty() ? "{}" : header.info_json);
    if (!info.ok()) return version;
    Json tarn = Member(*info, "tarn");
    Json metrics = Member(*info, "operationMetrics");
    std::string mode = Text(tarn, "mode");
    version.operation = mode.empty() ? ToLower(Text(*info, "operation")) : mode;
    version.principal = Text(*info, "userName");
    version.run_id = Text(tarn, "run");
    version.rows = Number(tarn, "rows");
    version.bytes = Number(tarn, "bytes");
    version.rows_added = RowsAdded(tarn, metrics);
    version.details = {
        {"operation", Text(*info, "operation")}, {"metrics", metrics}, {"engine", Text(*info, "engineInfo")}};
    for (const char* key : {"inputs", "rows_updated", "rows_deleted", "schema_changes"}) {
        if (tarn.is_object() && tarn.contains(key)) version.details[key] = tarn[key];
    }
    return version;
}

}  // namespace tarn::lakehouse
