#include "ingestion/connectors/raw_provider.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "ingestion/connectors/raw_sql.h"

namespace tarn::connectors {
namespace {

constexpr std::string_view kPrefix = "raw_";

// The position in state.loads of a load's number, by binary search; loads are numbered without gaps.
Result<int64_t> NumberOf(const StreamState& state, const std::string& dataset, const engine::AtClause& at) {
    if (state.loads.empty()) {
        // Not kNotFound: it is there, and a person should not be told to look for another name.
        return Error(ErrorCode::kFailedPrecondition, "{} has no data yet: its first load has not been committed",
                     dataset);
    }
    int64_t last = state.loads.back().load;
    if (at.version) {
        if (*at.version >= 1 && *at.version <= last) return *at.version;
        return Error(ErrorCode::kInvalidArgument, "{} has loads 1 to {}, not {}", dataset, last, *at.version);
    }
    if (!at.timestamp) return last;
    int64_t chosen = 0;
    for (const Manifest& load : state.loads) {
        Result<Timestamp> committed = ParseTime(load.committed_at);
        if (committed.ok() && *committed <= *at.timestamp) chosen = load.load;
    }
    if (chosen > 0) return chosen;
    return Error(ErrorCode::kInvalidArgument, "{} had no load yet at {}", dataset, FormatTime(*at.timestamp));
}

Result<int64_t> ChosenLoad(const StreamState& state, const std::string& dataset, const engine::AtClause& at) {
    int64_t load = TRY(NumberOf(state, dataset, at));
    if (!ShownLoad(state, load).dropped) return load;
    return Error(ErrorCode::kFailedPrecondition,
                 "load {} of {} is no longer kept: a later one took its place, and it was dropped", load, dataset)
        .WithHint("`keep_loads` of the stream is how long complete loads stay");
}

}  // namespace

std::vector<LiveObject> LiveObjects(const StreamState& state, int64_t load) {
    std::vector<LiveObject> live;
    std::map<std::string, std::vector<size_t>> by_file;
    std::string mode;
    const Manifest* before = nullptr;  // the last that read the source
    for (const Manifest& manifest : state.loads) {
        if (manifest.load > load) break;
        if (!manifest.apart.empty()) continue;
        // A complete load shows itself alone; files replace their earlier selves; the rest adds up. What was loaded
        // in another mode, or before an increment that began anew, lies in what this load read.
        bool begins = manifest.mode == "full" || manifest.mode != mode ||
                      (manifest.mode == "incremental" && manifest.after.is_null());
        if (begins && !manifest.replay) live.clear(), by_file.clear();
        mode = manifest.mode;
        // Rows of the position's own moment were read anew: those of the load before are in this one.
        if (manifest.again && !manifest.replay) {
            std::erase_if(live, [&](const LiveObject& old) { return old.object->edge && old.load == before; });
        }
        if (!manifest.replay) before = &manifest;
        for (const LoadObject& object : manifest.objects) {
            if (object.hidden || !object.apart.empty()) continue;
            std::string file = manifest.mode == "files" ? object.origin.value("file", "") : "";
            if (!file.empty()) {
                // Records out of quarantine join the file that they are of; a file replaces all that was of it.
                std::vector<size_t>& places = by_file[file];
                bool joins = object.origin.contains("replayed");
                for (size_t place : joins ? std::vector<size_t>() : places) live[place].object = nullptr;
                if (!joins) places.clear();
                places.push_back(live.size());
            }
            live.push_back({&object, &manifest});
        }
    }
    std::erase_if(live, [](const LiveObject& old) { return !old.object; });
    return live;
}

const Manifest& ShownLoad(const StreamState& state, int64_t load) {
    size_t at = static_cast<size_t>(load - 1);
    while (at > 0 && !state.loads[at].apart.empty()) --at;
    return state.loads[at];
}

std::string ShownName(const std::string& column) {
    bool ours = column == "_load" || column == "_loaded_at" || column == "_origin" || column == "_for_each";
    return ours ? "source" + column : column;
}

bool IsNested(const Manifest& manifest) {
    return manifest.format_options.is_object() && manifest.format_options.value("nested", false);
}

std::vector<engine::Column> ViewColumns(const Manifest& manifest) {
    std::vector<engine::Column> columns = manifest.columns;
    for (engine::Column& column : columns) column.name = ShownName(column.name);
    columns.push_back({"_load", "BIGINT", true, "Number of the load that brought the row."});
    columns.push_back({"_loaded_at", "TIMESTAMP WITH TIME ZONE", true, "When that load was committed."});
    columns.push_back({"_origin", "VARCHAR", true, "File, URL or table it came from."});
    if (IsNested(manifest)) {
        columns.push_back({"_for_each", "VARCHAR", true, "Fields of the record that it was asked for, as JSON."});
    }
    return columns;
}

Result<std::vector<std::string>> RawProvider::Schemas() {
    std::set<std::string> names;
    for (const SourceDefinition& source : definitions_()) names.insert(std::string(kPrefix) + source.name);
    for (const std::string& source : TRY(loads_.Sources())) names.insert(std::string(kPrefix) + source);
    return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<catalog::Dataset>> RawProvider::Datasets(const std::string& schema) {
    std::vector<catalog::Dataset> datasets;
    if (!schema.starts_with(kPrefix)) return datasets;
    std::string source = schema.substr(kPrefix.size());
    std::set<std::string> streams;
    std::string description;
    std::string file;
    for (const SourceDefinition& definition : definitions_()) {
        if (definition.name != source) continue;
        description = definition.description;
        file = "sources/" + source + ".yaml";
        for (const auto& [name, stream] : definition.streams) streams.insert(name);
    }
    for (std::string& stream : TRY(loads_.Streams(source))) streams.insert(std::move(stream));
    for (const std::string& stream : streams) {
        auto state = TRY(loads_.Read(source, stream));
        catalog::Dataset dataset;
        dataset.schema = schema;
        dataset.name = stream;
        dataset.kind = "raw";
        dataset.description = description;
        dataset.defined_in = file;
        if (const Manifest* last = state->last()) {
            dataset.version = std::to_string(last->load);
            Result<Timestamp> committed = ParseTime(last->committed_at);
            if (committed.ok()) dataset.updated_at = *committed;
            dataset.bytes = dataset.rows = 0;
            bool by_key = !last->key.empty() && last->mode == "incremental";
            for (const LiveObject& live : LiveObjects(*state, last->load)) {
                dataset.bytes += static_cast<int64_t>(live.object->bytes);
                // How many rows remain of several with one key only a query tells.
                bool overlaps = by_key || (last->mode == "incremental" && last->kind == "rest");
                bool known = live.object->rows >= 0 && dataset.rows >= 0 && !(overlaps && state->loads.size() > 1);
                dataset.rows = known ? dataset.rows + live.object->rows : -1;
            }
        }
        datasets.push_back(std::move(dataset));
    }
    return datasets;
}

bool RawProvider::IsDefined(const std::string& source, const std::string& stream) const {
    for (const SourceDefinition& definition : definitions_()) {
        if (definition.name == source && definition.streams.contains(stream)) return true;
    }
    return false;
}

Result<engine::Relation> RawProvider::Find(const security::Principal&, const std::string& schema,
                                           const std::string& name, const engine::AtClause& at) {
    std::string dataset = schema + "." + name;
    if (!schema.starts_with(kPrefix)) return Error(ErrorCode::kNotFound, "there is no table {}", dataset);
    auto state = TRY(loads_.Read(schema.substr(kPrefix.size()), name));
    if (state->loads.empty() && !IsDefined(schema.substr(kPrefix.size()), name)) {
        return Error(ErrorCode::kNotFound, "there is no table {}", dataset);
    }
    int64_t load = TRY(ChosenLoad(*state, dataset, at));
    engine::Relation relation;
    relation.schema = schema;
    relation.name = name;
    relation.version = std::to_string(load);
    relation.columns = ViewColumns(ShownLoad(*state, load));
    relation.source = ViewOf(*state, load);
    return relation;
}

Result<std::vector<catalog::DatasetVersion>> RawProvider::Versions(const std::string& schema, const std::string& name,
                                                                   int limit) {
    std::vector<catalog::DatasetVersion> versions;
    if (!schema.starts_with(kPrefix)) return versions;
    auto state = TRY(loads_.Read(schema.substr(kPrefix.size()), name));
    for (auto load = state->loads.rbegin(); load != state->loads.rend() && limit-- > 0; ++load) {
        catalog::DatasetVersion version;
        version.version = std::to_string(load->load);
        version.committed_at = TRY(ParseTime(load->committed_at));
        version.operation = "load";
        version.principal = "system:ingestion";
        version.run_id = load->run_id;
        version.rows_added = load->rows;
        version.bytes = static_cast<int64_t>(load->bytes);
        version.details = {{"mode", load->mode},
                           {"position", load->position},
                           {"objects", load->objects.size()},
                           {"warnings", load->warnings}};
        if (!load->apart.empty()) version.operation = "quarantine";
        if (load->replay) version.operation = "replay";
        if (load->dropped) version.operation = "dropped";
        versions.push_back(std::move(version));
    }
    return versions;
}

}  // namespace tarn::connectors
