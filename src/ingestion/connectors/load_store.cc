#include "ingestion/connectors/load_store.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "ingestion/connectors/load_retention.h"

namespace tarn::connectors {
namespace {

constexpr const char* kLoadsFolder = "_loads/";
constexpr size_t kManifestBytesMax = 256 << 20;

security::Principal Self() { return security::Principal::System("ingestion"); }
constexpr std::string_view kSchemaPrefix = "raw_";
std::string DatasetOf(const std::string& source, const std::string& stream) {
    return std::string(kSchemaPrefix) + source + "." + stream;
}
std::string LoadName(int64_t load) { return fmt::format("{:020}", load); }

Json ColumnsJson(const std::vector<engine::Column>& columns) {
    Json json = Json::array();
    for (const engine::Column& column : columns) json.push_back({{"name", column.name}, {"type", column.type}});
    return json;
}

Result<std::vector<engine::Column>> ColumnsOf(const Json& json) {
    std::vector<engine::Column> columns;
    for (const Json& column : json) {
        columns.push_back({TRY(JsonString(column, "name")), TRY(JsonString(column, "type")), true, ""});
    }
    return columns;
}

Json ObjectJson(const LoadObject& object) {
    Json json = {{"key", object.key},
                 {"bytes", object.bytes},
                 {"rows", object.rows},
                 {"format", object.format},
                 {"origin", object.origin}};
    if (!object.columns.empty()) json["columns"] = ColumnsJson(object.columns);
    if (!object.delimiter.empty()) json["delimiter"] = object.delimiter;
    if (object.edge) json["edge"] = true;
    if (object.hidden) json["hidden"] = true;
    if (!object.apart.empty()) json["apart"] = object.apart;
    return json;
}

Result<std::vector<std::string>> TextsOf(const Json& json, const char* name) {
    std::vector<std::string> texts;
    for (const Json& text : json.value(name, Json::array())) {
        if (!text.is_string()) return Error(ErrorCode::kInvalidArgument, "\"{}\" is no list of texts", name);
        texts.push_back(text.get<std::string>());
    }
    return texts;
}

Result<LoadObject> ObjectFromJson(const Json& json) {
    LoadObject object;
    object.key = TRY(JsonString(json, "key"));
    object.bytes = static_cast<uint64_t>(TRY(JsonInteger(json, "bytes")));
    object.rows = TRY(JsonIntegerOr(json, "rows", -1));
    object.format = TRY(JsonString(json, "format"));
    object.origin = json.value("origin", Json());
    if (json.contains("columns")) object.columns = TRY(ColumnsOf(json["columns"]));
    object.delimiter = TRY(JsonStringOr(json, "delimiter", ""));
    object.edge = TRY(JsonBoolOr(json, "edge", false));
    object.hidden = TRY(JsonBoolOr(json, "hidden", false));
    object.apart = TRY(JsonStringOr(json, "apart", ""));
    return object;
}

}  // namespace

Json ToJson(const Manifest& manifest) {
    Json objects = Json::array();
    for (const LoadObject& object : manifest.objects) objects.push_back(ObjectJson(object));
    Json resolved = Json::array();
    for (const Resolved& one : manifest.resolved) resolved.push_back({{"load", one.load}, {"key", one.key}});
    return {{"format", 1},
            {"load", manifest.load},
            {"source", manifest.source},
            {"stream", manifest.stream},
            {"kind", manifest.kind},
            {"mode", manifest.mode},
            {"run", manifest.run_id},
            {"committed_at", manifest.committed_at},
            {"position", manifest.position},
            {"after", manifest.after},
            {"again", manifest.again},
            {"columns", ColumnsJson(manifest.columns)},
            {"source_types", manifest.source_types},
            {"objects", std::move(objects)},
            {"rows", manifest.rows},
            {"bytes", manifest.bytes},
            {"warnings", manifest.warnings},
            {"records", manifest.records},
            {"format_options", manifest.format_options},
            {"key", manifest.key},
            {"cursor", manifest.cursor},
            {"apart", manifest.apart},
            {"replay", manifest.replay},
            {"resolved", std::move(resolved)},
            {"dropped", manifest.dropped}};
}

Result<Manifest> ManifestFromJson(const Json& json) {
    int64_t format = TRY(JsonInteger(json, "format"));
    if (format != 1) {
        return Error(ErrorCode::kNotSupported, "a load's manifest has format {}; this Tarn reads format 1", format);
    }
    Manifest manifest;
    manifest.load = TRY(JsonInteger(json, "load"));
    manifest.source = TRY(JsonString(json, "source"));
    manifest.stream = TRY(JsonString(json, "stream"));
    manifest.kind = TRY(JsonString(json, "kind"));
    manifest.mode = TRY(JsonString(json, "mode"));
    manifest.run_id = TRY(JsonStringOr(json, "run", ""));
    manifest.committed_at = TRY(JsonString(json, "committed_at"));
    manifest.position = json.value("position", Json());
    manifest.after = json.value("after", Json());
    manifest.again = TRY(JsonBoolOr(json, "again", false));
    manifest.columns = TRY(ColumnsOf(json.value("columns", Json::array())));
    manifest.source_types = json.value("source_types", Json());
    for (const Json& object : json.value("objects", Json::array())) {
        manifest.objects.push_back(TRY(ObjectFromJson(object)));
    }
    manifest.rows = TRY(JsonIntegerOr(json, "rows", -1));
    manifest.bytes = static_cast<uint64_t>(TRY(JsonIntegerOr(json, "bytes", 0)));
    manifest.warnings = TRY(TextsOf(json, "warnings"));
    manifest.records = TRY(JsonStringOr(json, "records", ""));
    manifest.format_options = json.value("format_options", Json());
    manifest.key = TRY(TextsOf(json, "key"));
    manifest.cursor = TRY(JsonStringOr(json, "cursor", ""));
    manifest.apart = TRY(JsonStringOr(json, "apart", ""));
    manifest.replay = TRY(JsonBoolOr(json, "replay", false));
    manifest.dropped = TRY(JsonBoolOr(json, "dropped", false));
    for (const Json& one : json.value("resolved", Json::array())) {
        manifest.resolved.push_back({TRY(JsonInteger(one, "load")), TRY(JsonStringOr(one, "key", ""))});
    }
    return manifest;
}

std::string StreamFolder(const workspace::Homes* homes, const std::string& source, const std::string& stream) {
    std::string folder = workspace::HomeOf(homes, DatasetOf(source, stream)).substr(kSchemaPrefix.size());
    return folder.replace(folder.find('.'), 1, "/");
}

// ---- LoadWriter

LoadWriter::LoadWriter(lake::Lake& lake, engine::Engine& engine, security::Principal principal, Manifest manifest)
    : lake_(lake), engine_(engine), principal_(std::move(principal)), manifest_(std::move(manifest)) {
    if (manifest_.folder.empty()) manifest_.folder = manifest_.source + "/" + manifest_.stream;
    prefix_ = fmt::format("{}/{}/{}/", kRawBucket, manifest_.folder, LoadName(manifest_.load));
}

// The number keeps objects of one name apart and in order.
std::string LoadWriter::NextKey(const std::string& name) const {
    return fmt::format("{}{:06}-{}", prefix_.substr(prefix_.find('/') + 1), manifest_.objects.size(), name);
}

void LoadWriter::Add(const lake::ObjectInfo& info, LoadObject object) {
    object.key = info.name.key;
    object.bytes = info.bytes;
    manifest_.bytes += info.bytes;
    manifest_.objects.push_back(std::move(object));
}

Status LoadWriter::PutObject(const std::string& name, ByteReader& content, LoadObject object) {
    Add(TRY(lake_.Put(principal_, {kRawBucket, NextKey(name)}, content, {})), std::move(object));
    return Ok();
}

Result<std::unique_ptr<lake::PutStream>> LoadWriter::StartObject(const std::string& name) {
    return lake_.StartPut(principal_, {kRawBucket, NextKey(name)}, {});
}

Result<lake::ObjectInfo> LoadWriter::FinishObject(lake::PutStream& stream, LoadObject object) {
    lake::ObjectInfo info = TRY(stream.Finish());
    Add(info, std::move(object));
    return info;
}

Status LoadWriter::PutBytes(const std::string& name, ByteSpan content, LoadObject object) {
    SpanReader reader(content);
    return PutObject(name, reader, std::move(object));
}

Status LoadWriter::DropLast() {
    LoadObject dropped = std::move(manifest_.objects.back());
    manifest_.objects.pop_back();
    manifest_.bytes -= dropped.bytes;
    return lake_.Delete(principal_, {kRawBucket, dropped.key});
}

Status LoadWriter::DropAfter(size_t count) {
    while (manifest_.objects.size() > count) TRY(DropLast());
    return Ok();
}

Result<std::string> LoadWriter::ReadBack(const std::string& key, size_t bytes_max) {
    return lake_.ReadText(principal_, {kRawBucket, key}, bytes_max);
}

Result<std::unique_ptr<engine::RowWriter>> LoadWriter::StartRows(const std::vector<engine::Column>& columns,
                                                                 const std::vector<uint32_t>& postgres_oids) {
    engine::SessionOptions session;
    session.principal = principal_;
    session.trusted = true;
    std::lock_guard lock(mutex_);
    sessions_.push_back(TRY(engine_.OpenSession(std::move(session))));
    engine::RowWriterOptions options;
    options.columns = columns;
    options.postgres_oids = postgres_oids;
    options.write.prefix = prefix_;
    options.write.statistics = false;
    row_columns_ = columns;
    return sessions_.back()->StartRows(options);
}

Status LoadWriter::FinishRows(engine::RowWriter& writer, const Json& origin, bool edge) {
    int64_t rows = 0;
    std::vector<engine::WrittenFile> files = TRY(writer.Finish());
    std::lock_guard lock(mutex_);
    for (const engine::WrittenFile& file : files) {
        LoadObject object;
        object.key = file.path.substr(file.path.find('/') + 1);
        object.bytes = static_cast<uint64_t>(file.bytes);
        object.rows = file.rows;
        object.format = "parquet";
        object.columns = row_columns_;
        object.origin = origin;
        object.edge = edge;
        rows += file.rows;
        manifest_.bytes += object.bytes;
        manifest_.objects.push_back(std::move(object));
    }
    manifest_.rows = std::max<int64_t>(manifest_.rows, 0) + rows;
    return Ok();
}

// ---- LoadStore

Result<std::shared_ptr<const StreamState>> LoadStore::Read(const std::string& source, const std::string& stream) {
    std::string folder = FolderOf(source, stream);
    std::string name = fmt::format("{}/{} in {}", source, stream, folder);
    std::shared_ptr<const StreamState> known;
    {
        std::lock_guard lock(mutex_);
        known = cache_[name];
    }
    int64_t next = known ? known->next_load() : 1;
    lake::ListOptions options;
    options.prefix = folder + "/" + kLoadsFolder;
    options.start_after = options.prefix + LoadName(next - 1) + ".json";
    std::shared_ptr<StreamState> fresh;
    while (true) {
        lake::ListPage page = TRY(lake_.List(Self(), kRawBucket, options));
        for (const lake::ObjectInfo& object : page.objects) {
            std::string text = TRY(lake_.ReadText(Self(), object.name, kManifestBytesMax));
            Manifest manifest = TRY_CONTEXT(ManifestFromJson(TRY(ParseJson(text))), object.name.ToString());
            if (!fresh) fresh = known ? std::make_shared<StreamState>(*known) : std::make_shared<StreamState>();
            if (manifest.load != fresh->next_load()) {
                return Error(ErrorCode::kCorruption, "{} is load {}, but load {} is missing", object.name.ToString(),
                             manifest.load, fresh->next_load());
            }
            // It may have been written before a rename.
            manifest.source = source;
            manifest.stream = stream;
            manifest.folder = folder;
            fresh->loads.push_back(std::move(manifest));
        }
        if (!page.truncated) break;
        options.start_after = page.next_start_after;
    }
    if (!fresh) return known ? known : std::make_shared<const StreamState>();
    std::lock_guard lock(mutex_);
    std::shared_ptr<const StreamState>& cached = cache_[name];
    if (!cached || cached->next_load() < fresh->next_load()) cached = fresh;
    return cached;
}

Result<std::vector<std::string>> LoadStore::FoldersIn(const std::string& prefix) {
    std::vector<std::string> names;
    lake::ListOptions options;
    options.delimiter = "/";
    options.prefix = prefix;
    while (true) {
        lake::ListPage page = TRY(lake_.List(Self(), kRawBucket, options));
        for (const std::string& folder : page.common_prefixes) {
            names.push_back(folder.substr(prefix.size(), folder.size() - prefix.size() - 1));
        }
        if (!page.truncated) return names;
        options.start_after = page.next_start_after;
    }
}

Result<std::vector<std::string>> LoadStore::Sources() {
    std::vector<std::string> folders = TRY(FoldersIn(""));
    auto moved = homes_ ? homes_->Moved() : std::map<std::string, std::string>();
    if (moved.empty()) return folders;
    std::set<std::string> sources;
    for (const std::string& folder : folders) {
        if (!TRY(Streams(folder)).empty()) sources.insert(folder);
    }
    for (const auto& [name, home] : moved) {
        if (!name.starts_with(kSchemaPrefix)) continue;
        std::string source = name.substr(kSchemaPrefix.size(), name.find('.') - kSchemaPrefix.size());
        if (!TRY(Streams(source)).empty()) sources.insert(std::move(source));
    }
    return std::vector<std::string>(sources.begin(), sources.end());
}

Result<std::vector<std::string>> LoadStore::Streams(const std::string& source) {
    std::set<std::string> streams;
    std::string schema = DatasetOf(source, "");
    for (const std::string& folder : TRY(FoldersIn(source + "/"))) {
        std::string name = workspace::NameAt(homes_, schema + folder);
        if (name.starts_with(schema)) streams.insert(name.substr(schema.size()));
    }
    auto moved = homes_ ? homes_->Moved() : std::map<std::string, std::string>();
    for (auto entry = moved.lower_bound(schema); entry != moved.end() && entry->first.starts_with(schema); ++entry) {
        std::string stream = entry->first.substr(schema.size());
        if (!TRY(FoldersIn(FolderOf(source, stream) + "/")).empty()) streams.insert(std::move(stream));
    }
    return std::vector<std::string>(streams.begin(), streams.end());
}

Status LoadStore::ForObjects(const std::string& folder, int64_t from_load, const OnObject& on_object) {
    // Digits sort before '_', so this stops at the folders of the manifests and of what was pushed.
    lake::ListOptions options;
    options.prefix = folder + "/";
    options.start_after = options.prefix + LoadName(from_load - 1) + "/\x7f";
    while (true) {
        lake::ListPage page = TRY(lake_.List(Self(), kRawBucket, options));
        for (const lake::ObjectInfo& object : page.objects) {
            std::string_view rest = std::string_view(object.name.key).substr(options.prefix.size());
            if (rest.starts_with("_") || !TRY(on_object(object, rest.substr(0, rest.find('/'))))) return Ok();
        }
        if (!page.truncated) return Ok();
        options.start_after = page.next_start_after;
    }
}

Status LoadStore::RemoveGarbage(const std::string& source, const std::string& stream, int64_t from_load) {
    return ForObjects(FolderOf(source, stream), from_load,
                      [&](const lake::ObjectInfo& object, std::string_view) -> Result<bool> {
                          TRY(lake_.Delete(Self(), object.name));
                          return true;
                      });
}

std::string LoadStore::ManifestKey(const Manifest& manifest) const {
    return fmt::format("{}/{}{}.json", FolderOf(manifest.source, manifest.stream), kLoadsFolder,
                       LoadName(manifest.load));
}

Result<int64_t> LoadStore::RemoveDropped(const StreamState& state, const std::string& folder) {
    std::set<std::string, std::less<>> dropped;  // as folders
    for (const Manifest& load : state.loads) {
        if (load.dropped) dropped.insert(LoadName(load.load));
    }
    if (dropped.empty()) return int64_t{0};
    std::set<std::string> in_use = KeysInUse(state);
    int64_t bytes = 0;
    TRY(ForObjects(folder, 1, [&](const lake::ObjectInfo& object, std::string_view load) -> Result<bool> {
        if (load > *dropped.rbegin()) return false;
        if (!dropped.contains(load) || in_use.contains(object.name.key)) return true;
        TRY(lake_.Delete(Self(), object.name));
        bytes += static_cast<int64_t>(object.bytes);
        return true;
    }));
    return bytes;
}

Result<int64_t> LoadStore::Drop(const std::string& source, const std::string& stream,
                                const std::vector<int64_t>& loads) {
    auto after = std::make_shared<StreamState>(*TRY(Read(source, stream)));
    std::string folder = FolderOf(source, stream);
    lake::PutOptions options;
    options.content_type = "application/json";
    for (int64_t load : loads) {
        Manifest& manifest = after->loads.at(static_cast<size_t>(load - 1));
        manifest.dropped = true;
        manifest.objects.clear();
        std::string text = DumpJson(ToJson(manifest), 1);
        TRY(lake_.PutBytes(Self(), {kRawBucket, ManifestKey(manifest)}, AsBytes(text), options));
    }
    {
        // Before the first object goes, so that nobody is led to it any more.
        std::lock_guard lock(mutex_);
        cache_[fmt::format("{}/{} in {}", source, stream, folder)] = after;
    }
    return RemoveDropped(*after, folder);
}

Status LoadStore::Commit(Manifest manifest) {
    manifest.committed_at = FormatTime(env_.clock().Now());
    std::string key = ManifestKey(manifest);
    lake::PutOptions options;
    options.if_absent = true;
    options.content_type = "application/json";
    std::string text = DumpJson(ToJson(manifest), 1);
    auto put = lake_.PutBytes(Self(), {kRawBucket, key}, AsBytes(text), options);
    if (put.ok()) return Ok();
    if (put.error().code() != ErrorCode::kAlreadyExists) return std::move(put).error();
    return Error(ErrorCode::kConflict, "load {} of {}.{} was committed by another run", manifest.load, manifest.source,
                 manifest.stream);
}

}  // namespace tarn::connectors
