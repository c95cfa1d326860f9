#include "ingestion/connectors/quarantine.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "ingestion/connectors/sift.h"

namespace tarn::connectors {
namespace {

constexpr size_t kBrokenBytesMax = 512 << 20;  // of one list of broken records

std::string OriginOf(const Waiting& waiting) {
    const Json none;
    const LoadObject* object = waiting.object;
    if (!object && !waiting.load->objects.empty()) object = &waiting.load->objects[0];
    const Json& origin = object ? object->origin : none;
    for (const char* name : {"file", "url", "table"}) {
        if (origin.contains(name)) return origin[name].get<std::string>();
    }
    return "";
}

// A list of broken records becomes a file of them again, with the header of theirs.
Status PutRecords(const Waiting& waiting, LoadWriter& writer) {
    std::string content = TRY(writer.ReadBack(waiting.object->key, kBrokenBytesMax));
    std::string text;
    for (const BrokenRecord& record : TRY(ReadBroken(content, &text))) {
        text += record.text;
        if (!text.ends_with('\n')) text += '\n';
    }
    LoadObject object;
    object.format = waiting.object->origin.value("format", "csv");
    object.origin = {{"file", waiting.object->origin.value("file", "")}, {"replayed", waiting.object->key}};
    return writer.PutBytes("replayed." + object.format, AsBytes(text), std::move(object));
}

}  // namespace

std::vector<Waiting> WaitingOf(const StreamState& state) {
    std::set<std::pair<int64_t, std::string>> resolved;
    std::map<std::string, int64_t> newest;  // of a file: the last load that read it
    int64_t last_read = 0;
    for (const Manifest& load : state.loads) {
        for (const Resolved& one : load.resolved) resolved.insert({one.load, one.key});
        if (!load.apart.empty() || load.replay) continue;
        last_read = load.load;
        for (const LoadObject& object : load.objects) newest[object.origin.value("file", "")] = load.load;
    }
    std::vector<Waiting> waiting;
    for (const Manifest& load : state.loads) {
        if (!load.apart.empty()) {
            // A later load that was taken read the same again, and a later one that was not did as well.
            bool stands = load.load > last_read && &load == &state.loads.back() && !resolved.contains({load.load, ""});
            if (stands) waiting.push_back({&load, nullptr, std::to_string(load.load)});
            continue;
        }
        for (size_t i = 0; i < load.objects.size(); ++i) {
            const LoadObject& object = load.objects[i];
            bool apart = !object.apart.empty() || object.format == kBrokenFormat;
            if (!apart || resolved.contains({load.load, object.key})) continue;
            auto found = newest.find(object.origin.value("file", ""));
            bool replaced = found != newest.end() && found->second > load.load;
            if (!replaced) waiting.push_back({&load, &object, fmt::format("{}.{}", load.load, i)});
        }
    }
    return waiting;
}

Result<std::vector<Waiting>> WaitingOf(const StreamState& state, const std::vector<std::string>& ids) {
    std::vector<Waiting> all = WaitingOf(state);
    if (ids.empty()) return all;
    std::vector<Waiting> chosen;
    for (const std::string& id : ids) {
        auto found = std::find_if(all.begin(), all.end(), [&](const Waiting& one) { return one.id == id; });
        if (found == all.end()) {
            return Error(ErrorCode::kNotFound, "nothing waits in quarantine as {}", id)
                .WithHint("`tarn quarantine ls` lists what does");
        }
        chosen.push_back(*found);
    }
    return chosen;
}

Status AddEntries(lake::Lake& lake, const Waiting& waiting, bool show_content, size_t rows_max,
                  std::vector<QuarantineEntry>& entries) {
    QuarantineEntry entry;
    entry.source = waiting.load->source;
    entry.stream = waiting.load->stream;
    entry.id = waiting.id;
    entry.since = waiting.load->committed_at;
    entry.origin = OriginOf(waiting);
    if (!waiting.object || waiting.object->format != kBrokenFormat) {
        entry.kind = waiting.object ? "file" : "load";
        entry.reason = waiting.object ? waiting.object->apart : waiting.load->apart;
        if (entries.size() < rows_max) entries.push_back(std::move(entry));
        return Ok();
    }
    entry.kind = "record";
    lake::ObjectName name{kRawBucket, waiting.object->key};
    std::string content = TRY(lake.ReadText(security::Principal::System("ingestion"), name, kBrokenBytesMax));
    for (BrokenRecord& record : TRY(ReadBroken(content))) {
        if (entries.size() >= rows_max) break;
        entry.record = record.record;
        entry.reason = show_content ? record.reason : "hidden: the dataset is filtered or masked for you";
        if (show_content) entry.content = std::move(record.text);
        entries.push_back(entry);
    }
    return Ok();
}

Status FillReplay(engine::Engine& engine, const StreamState& state, const StreamDefinition& stream,
                  const std::vector<Waiting>& waiting, LoadWriter& writer) {
    Manifest& manifest = writer.manifest();
    if (waiting.size() == 1 && !waiting[0].object) {
        int64_t number = manifest.load;
        manifest = *waiting[0].load;
        manifest.load = number;
        manifest.run_id.clear();
        manifest.resolved.push_back({waiting[0].load->load, ""});
        manifest.warnings.push_back("taken out of quarantine: " + manifest.apart);
        manifest.apart.clear();
        return Ok();
    }
    SetFormatOptions(stream, manifest);
    for (const Waiting& one : waiting) {
        manifest.resolved.push_back({one.load->load, one.object->key});
        if (one.object->format == kBrokenFormat) {
            TRY(PutRecords(one, writer));
            continue;
        }
        LoadObject object = *one.object;
        object.apart.clear();
        object.columns.clear();
        object.rows = -1;
        manifest.bytes += object.bytes;
        manifest.objects.push_back(std::move(object));
    }
    BrokenLimit all;
    all.percent = 100;
    TRY(InferOrSift(engine, state, writer, all, "accept"));
    bool any = std::any_of(manifest.objects.begin(), manifest.objects.end(),
                           [](const LoadObject& object) { return !object.hidden && object.rows != 0; });
    if (any) return Ok();
    std::string why = manifest.warnings.empty() ? "nothing of it has a row" : manifest.warnings.back();
    return Error(ErrorCode::kFailedPrecondition, "it is as broken as before: {}", why)
        .WithHint("mend how the stream is declared (types, delimiter, header), or drop it");
}

}  // namespace tarn::connectors
