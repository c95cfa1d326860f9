// What relational sources have in common: which columns are read, and what is recorded of them.
#include <algorithm>

#include "base/text.h"
#include "ingestion/connectors/connector.h"
#include "ingestion/connectors/inference.h"

namespace tarn::connectors {

DatabaseServer ServerOf(const SourceDefinition& source, int default_port) {
    const Json& settings = source.settings;
    DatabaseServer server;
    server.name = source.name;
    server.address = {settings.value("host", "127.0.0.1"), settings.value("port", default_port)};
    server.database = settings.value("database", "");
    server.user = settings.value("user", "");
    if (settings.contains("password")) server.password = settings["password"]["secret"].get<std::string>();
    server.tls = settings.value("tls", "prefer");
    server.ca = settings.value("ca", "");
    return server;
}

Status CheckColumns(const StreamDefinition& stream, const std::string& table, const std::vector<std::string>& columns) {
    std::vector<std::string> named = stream.settings.value("columns", std::vector<std::string>());
    named.insert(named.end(), stream.key.begin(), stream.key.end());
    if (!stream.cursor.empty()) named.push_back(stream.cursor);
    for (const std::string& name : named) {
        if (std::find(columns.begin(), columns.end(), name) != columns.end()) continue;
        std::string nearest = NearestWord(name, columns);
        return Error(ErrorCode::kInvalidArgument, "table {} has no column \"{}\"{}", table, name,
                     nearest.empty() ? "" : "; did you mean " + nearest + "?")
            .WithHint("stream " + stream.name + " names it");
    }
    return Ok();
}

bool IsWanted(const StreamDefinition& stream, const std::string& column) {
    std::vector<std::string> wanted = stream.settings.value("columns", std::vector<std::string>());
    if (wanted.empty() || column == stream.cursor) return true;
    bool in_key = std::find(stream.key.begin(), stream.key.end(), column) != stream.key.end();
    return in_key || std::find(wanted.begin(), wanted.end(), column) != wanted.end();
}

void SetFormatOptions(const StreamDefinition& stream, Manifest& manifest) {
    manifest.format_options = Json();
    for (const char* option : {"null", "delimiter", "header", "types"}) {
        if (stream.settings.contains(option)) manifest.format_options[option] = stream.settings[option];
    }
}

bool EdgeChanged(const StreamState& state, int64_t rows_now) {
    int64_t known = -1;  // a load of before there were edges: its rows of that value cannot be replaced
    for (const LoadObject& object : state.last()->objects) {
        if (object.edge) known = std::max<int64_t>(known, 0) + object.rows;
    }
    return known >= 0 && rows_now != known;
}

void RecordColumns(ReadContext& context, const std::vector<engine::Column>& columns) {
    Manifest& manifest = context.writer.manifest();
    manifest.columns.clear();
    // What earlier increments brought is still shown.
    bool adds_up = manifest.mode == "incremental" && !manifest.after.is_null();
    if (adds_up) manifest.columns = context.state.last()->columns;
    Merge(manifest.columns, columns);
}

}  // namespace tarn::connectors
