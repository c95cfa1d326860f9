#include "ingestion/connectors/connectors.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "base/text.h"
#include "ingestion/buffer/topics.h"
#include "ingestion/connectors/connector.h"
#include "ingestion/connectors/inference.h"
#include "ingestion/connectors/load_retention.h"
#include "ingestion/connectors/load_store.h"
#include "ingestion/connectors/push_connector.h"
#include "ingestion/connectors/quarantine.h"
#include "ingestion/connectors/raw_provider.h"
#include "ingestion/connectors/source_file.h"
#include "ingestion/connectors/sources_operations.h"

namespace tarn::connectors {
namespace {

LoadOutcome OutcomeOf(const Manifest& manifest);

class SourceConnectors : public Connectors {
  public:
    explicit SourceConnectors(ConnectorsDependencies dependencies)
        : dependencies_(dependencies),
          loads_(dependencies.lake, dependencies.env, dependencies.homes),
          provider_(loads_, [this] { return Sources(); }),
          loads_total_(dependencies.metrics.GetCounter("tarn_connectors_loads_total", "Loads that were committed.")),
          bytes_total_(dependencies.metrics.GetCounter("tarn_connectors_bytes_total", "Bytes that loads stored.")),
          pushed_total_(
              dependencies.metrics.GetCounter("tarn_connectors_pushed_records_total", "Records that were pushed.")) {
        kinds_["postgresql"] = MakePostgresConnector(dependencies);
        kinds_["mysql"] = MakeMysqlConnector(dependencies);
        kinds_["sqlite"] = MakeSqliteConnector(dependencies);
        kinds_["rest"] = MakeRestConnector(dependencies);
        kinds_["files"] = MakeFilesConnector(dependencies);
        for (const char* kind : {"s3", "http"}) kinds_[kind] = MakeRemoteFiles(dependencies);
        kinds_["kafka"] = MakeKafkaConnector(dependencies);
        auto push = MakePushConnector(dependencies);
        push_ = push.get();
        kinds_["push"] = std::move(push);
    }

    workspace::Kind WorkspaceKind() override {
        workspace::Kind kind;
        kind.name = "source";
        kind.folder = "sources";
        kind.suffix = ".yaml";
        kind.description = "A source of data: each stream becomes the dataset raw_<source>.<stream>.";
        kind.keys = SourceKeys();
        kind.parse = ParseSourceFile;
        kind.activate = [this](const std::vector<workspace::Definition>& all) {
            std::vector<SourceDefinition> sources;
            for (const workspace::Definition& definition : all) {
                const auto* source = std::any_cast<SourceDefinition>(&definition.value);
                if (source) sources.push_back(*source);
            }
            std::lock_guard lock(mutex_);
            sources_ = std::move(sources);
            return Ok();
        };
        return kind;
    }
    std::vector<SourceDefinition> Sources() const override {
        std::lock_guard lock(mutex_);
        return sources_;
    }
    Status Check(const Principal&, const std::string& source) override {
        SourceDefinition definition = TRY(Find(source));
        return kinds_.at(definition.kind)->Check(definition);
    }
    Result<std::vector<CheckStep>> CheckSteps(const Principal& principal, const std::string& source) override;
    Result<std::vector<DiscoveredStream>> Discover(const Principal&, const std::string& source) override {
        SourceDefinition definition = TRY(Find(source));
        return kinds_.at(definition.kind)->Discover(definition);
    }
    Result<LoadOutcome> Load(const Principal& principal, const std::string& source, const std::string& stream,
                             const std::string& run_id, const CancelToken& cancel,
                             const std::function<void(const LoadProgress&)>& progress) override;
    Result<bool> HasNew(const std::string& source, const std::string& stream) override {
        SourceDefinition definition = TRY(Find(source));
        const StreamDefinition& found = TRY(FindStream(definition, stream)).get();
        auto state = TRY(loads_.Read(source, stream));
        if (IsUntold(*state)) return true;
        return kinds_.at(definition.kind)->HasNew(definition, found, *state);
    }
    Result<PushOutcome> Push(const Principal& principal, const std::string& source, const std::string& stream,
                             PushRequest request) override;
    Result<std::vector<QuarantineEntry>> Quarantine(const Principal& principal, const std::string& source,
                                                    size_t rows_max) override;
    Result<LoadOutcome> Replay(const Principal& principal, const std::string& source, const std::string& stream,
                               const std::vector<std::string>& ids) override;
    Result<int64_t> Drop(const Principal& principal, const std::string& source, const std::string& stream,
                         const std::vector<std::string>& ids) override;
    Result<std::vector<OldLoads>> FindOldLoads() override;
    Result<int64_t> DropLoads(const OldLoads& old) override {
        auto place = TRY(Occupy(old.source + "." + old.stream));
        return loads_.Drop(old.source, old.stream, old.loads);
    }
    Result<std::map<std::string, std::map<int32_t, int64_t>>> ArchivedOffsets() override;
    catalog::DatasetProvider& AsProvider() override { return provider_; }
    std::vector<security::Route> Routes() override { return SourceRoutes(*this); }

  private:
    Result<SourceDefinition> Find(const std::string& name) const;
    static Result<std::reference_wrapper<const StreamDefinition>> FindStream(const SourceDefinition& source,
                                                                             const std::string& stream);
    Manifest FirstManifest(const SourceDefinition& source, const StreamDefinition& stream, const StreamState& state,
                           const std::string& run_id) const;
    void RecordLineage(const Manifest& manifest);
    // What comes out of quarantine is committed outside of any run: the next run tells those who read the dataset.
    bool IsUntold(const StreamState& state) const {
        if (state.loads.empty() || state.loads.back().resolved.empty()) return false;
        const Manifest& last = state.loads.back();
        std::lock_guard lock(mutex_);
        auto told = told_.find(last.source + "." + last.stream);
        return told == told_.end() || told->second != last.load;
    }
    LoadOutcome TellLast(const StreamState& state) {
        const Manifest& last = state.loads.back();
        std::lock_guard lock(mutex_);
        told_[last.source + "." + last.stream] = last.load;
        return OutcomeOf(last);
    }
    // Holds a stream's place among those that load; kUnavailable if it is taken.
    Result<std::shared_ptr<void>> Occupy(const std::string& name);
    // A manifest that takes out of quarantine, and the state and the place that go with it.
    struct Resolving {
        std::shared_ptr<void> place;  // shared with nobody: a scope guard
        std::shared_ptr<const StreamState> state;  // as the load store shares it
        std::vector<Waiting> waiting;
        std::unique_ptr<LoadWriter> writer;
    };
    Result<Resolving> StartResolving(const Principal& principal, const SourceDefinition& source,
                                     const StreamDefinition& stream, const std::vector<std::string>& ids);

    ConnectorsDependencies dependencies_;
    LoadStore loads_;
    std::atomic<bool> looked_for_old_loads_{false};
    RawProvider provider_;
    Counter& loads_total_;
    Counter& bytes_total_;
    Counter& pushed_total_;
    PushConnector* push_ = nullptr;  // one of the kinds
    std::map<std::string, std::unique_ptr<Connector>> kinds_;
    mutable std::mutex mutex_;  // guards the three below
    std::vector<SourceDefinition> sources_;
    std::set<std::string> loading_;  // streams under way: one load at a time
    std::map<std::string, int64_t> told_;  // by stream the load out of quarantine that a run told of
};

// Where a source is on the network; nothing for files.
Result<std::optional<Address>> AddressOf(const SourceDefinition& source) {
    if (source.settings.contains("base_url")) {
        Url url = TRY(ParseUrl(source.settings.value("base_url", "")));
        return std::optional(url.address);
    }
    if (!source.settings.contains("host")) return std::optional<Address>();
    return std::optional(Address{source.settings.value("host", ""), source.settings.value("port", 0)});
}

Result<std::vector<CheckStep>> SourceConnectors::CheckSteps(const Principal&, const std::string& source) {
    SourceDefinition definition = TRY(Find(source));
    std::optional<Address> address = TRY(AddressOf(definition));
    Connector& connector = *kinds_.at(definition.kind);
    std::vector<CheckStep> steps;
    Clock& clock = dependencies_.env.clock();
    // What it returns is the step's note.
    auto step = [&](const char* name, const std::function<Result<std::string>()>& work) {
        Duration begin = clock.Monotonic();
        Result<std::string> done = work();
        Status result = done.ok() ? Ok() : Status(done.error());
        steps.push_back({name, std::move(result), clock.Monotonic() - begin, done.ok() ? *done : ""});
        return done.ok();
    };
    bool there = !address || (step("resolve", [&] { return dependencies_.dialer.ResolveChecked(*address, {}); }) &&
                              step("connect", [&]() -> Result<std::string> {
                                  TRY(dependencies_.dialer.Dial(*address, {}));
                                  return address->ToString();
                              }));
    if (there && definition.settings.value("base_url", "").starts_with("https:")) {
        there = step("tls", [&]() -> Result<std::string> {
            DialOptions options;
            options.tls = TRY(TlsContext::Client());
            TRY(dependencies_.dialer.Dial(*address, options));
            return fmt::format("the certificate is of {}", address->host);
        });
    }
    bool open = there && step(address ? "log in" : "open", [&]() -> Result<std::string> {
                    TRY(connector.Check(definition));
                    return fmt::format("{} streams declared", definition.streams.size());
                });
    static const std::set<std::string> kRelational = {"postgresql", "mysql",
                                                      "sqlite"};  // only these tell their streams
    bool lists = kRelational.contains(definition.kind);
    if (!open || !lists) return steps;
    step("list", [&]() -> Result<std::string> {
        return fmt::format("{} tables there", TRY(connector.Discover(definition)).size());
    });
    return steps;
}

Result<SourceDefinition> SourceConnectors::Find(const std::string& name) const {
    std::vector<std::string> names;
    for (SourceDefinition& source : Sources()) {
        if (source.name == name) return std::move(source);
        names.push_back(source.name);
    }
    std::string renamed = dependencies_.homes ? dependencies_.homes->RenamedTo("source", name) : std::string();
    if (!renamed.empty()) return Error(ErrorCode::kNotFound, "source \"{}\" was renamed to {}", name, renamed);
    std::string nearest = NearestWord(name, names);
    return Error(ErrorCode::kNotFound, "there is no source \"{}\"{}", name,
                 nearest.empty() ? "" : "; did you mean " + nearest + "?");
}

Result<std::reference_wrapper<const StreamDefinition>> SourceConnectors::FindStream(const SourceDefinition& source,
                                                                                    const std::string& stream) {
    auto found = source.streams.find(stream);
    if (found != source.streams.end()) return std::cref(found->second);
    return Error(ErrorCode::kNotFound, "source {} has no stream \"{}\"", source.name, stream);
}

Manifest SourceConnectors::FirstManifest(const SourceDefinition& source, const StreamDefinition& stream,
                                         const StreamState& state, const std::string& run_id) const {
    Manifest manifest;
    manifest.load = state.next_load();
    manifest.source = source.name;
    manifest.stream = stream.name;
    manifest.folder = loads_.FolderOf(source.name, stream.name);
    manifest.kind = source.kind;
    static const std::set<std::string> kUnions = {"files", "s3", "http", "push", "kafka"};
    manifest.mode = kUnions.contains(source.kind) ? "files" : stream.cursor.empty() ? "full" : "incremental";
    manifest.run_id = run_id;
    manifest.key = stream.key;
    manifest.cursor = stream.cursor;
    // A position means something only to what reads as the load before did.
    const Manifest* last = state.last();
    bool goes_on = last && last->mode == manifest.mode && last->cursor == manifest.cursor && manifest.mode != "full";
    if (goes_on) manifest.position = last->position;
    return manifest;
}

std::string TextOf(const Json& type) { return type.is_string() ? type.get<std::string>() : type.dump(); }

// Whether a column has one type in both: if not, that is told already.
bool SameColumn(const Manifest& before, const Manifest& now, const std::string& name) {
    auto type_in = [&](const Manifest& manifest) -> std::string {
        for (const engine::Column& column : manifest.columns) {
            if (column.name == name) return column.type;
        }
        return "";
    };
    return type_in(before) == type_in(now);
}

// What a changed schema looks like to people: it is recorded in the manifest either way.
std::vector<std::string> Drift(const Manifest* before, const Manifest& now) {
    std::vector<std::string> notes;
    if (!before) return notes;
    std::map<std::string, std::string> types;
    for (const engine::Column& column : before->columns) types[column.name] = column.type;
    for (const engine::Column& column : now.columns) {
        auto earlier = types.find(column.name);
        if (earlier == types.end()) {
            notes.push_back(fmt::format("new column {} {}", column.name, column.type));
        } else if (earlier->second != column.type) {
            notes.push_back(fmt::format("column {} was {}, is {}", column.name, earlier->second, column.type));
        }
        types.erase(column.name);
    }
    for (const auto& [name, type] : types) notes.push_back(fmt::format("column {} is gone from the source", name));
    if (!before->source_types.is_object() || !now.source_types.is_object()) return notes;
    // An increment still shows what earlier ones brought, and two types of the source may be one here.
    std::set<std::string> told;
    for (const engine::Column& column : now.columns) told.insert(column.name);
    for (const auto& [name, type] : before->source_types.items()) {
        if (!told.contains(name)) continue;
        if (!now.source_types.contains(name)) {
            notes.push_back(fmt::format("column {} is gone from the source", name));
        } else if (now.source_types[name] != type && SameColumn(*before, now, name)) {
            notes.push_back(fmt::format("column {} was {} in the source, is {}", name, TextOf(type),
                                        TextOf(now.source_types[name])));
        }
    }
    return notes;
}

// What the stream wants done when the columns are others than before; of files each was judged by itself.
Status JudgeDrift(const StreamState& state, const StreamDefinition& stream, Manifest& manifest) {
    std::vector<std::string> notes = Drift(state.last(), manifest);
    bool judged = manifest.mode == "files" || stream.on_drift == "accept" || notes.empty();
    if (!judged && stream.on_drift == "freeze") return FrozenDrift(Join(notes, "; "));
    if (!judged) {
        manifest.apart = Join(notes, "; ");
        manifest.warnings.push_back("the load is in quarantine: " + manifest.apart);
        return Ok();
    }
    for (std::string& note : notes) manifest.warnings.push_back(std::move(note));
    return Ok();
}

LoadOutcome OutcomeOf(const Manifest& manifest) {
    LoadOutcome outcome;
    outcome.warnings = manifest.warnings;
    if (!manifest.apart.empty()) return outcome;  // nothing that is shown changed
    outcome.load = manifest.load;
    outcome.rows = manifest.rows;
    outcome.bytes = static_cast<int64_t>(manifest.bytes);
    outcome.objects = static_cast<int64_t>(manifest.objects.size());
    outcome.changed = true;
    return outcome;
}

void SourceConnectors::RecordLineage(const Manifest& manifest) {
    catalog::LineageRecord record;
    record.schema = "raw_" + manifest.source;
    record.name = manifest.stream;
    record.version = std::to_string(manifest.load);
    record.run_id = manifest.run_id;
    if (manifest.kind == "kafka") record.inputs.push_back({"topic", manifest.position.value("topic", ""), ""});
    for (const LoadObject& object : manifest.objects) {
        record.objects.push_back(std::string(kRawBucket) + "/" + object.key);
    }
    Status recorded = dependencies_.catalog.RecordLineage(record);
    // The manifest says the same, so nothing is lost.
    if (!recorded.ok()) dependencies_.log.Warning("lineage not recorded", {{"error", recorded.error().ToString()}});
}

Result<PushOutcome> SourceConnectors::Push(const Principal& principal, const std::string& source,
                                           const std::string& stream, PushRequest request) {
    SourceDefinition definition = TRY(Find(source));
    const StreamDefinition& wanted = TRY(FindStream(definition, stream)).get();
    if (definition.kind != "push") {
        return Error(ErrorCode::kInvalidArgument, "source {} is of kind {}; only kind push takes records", source,
                     definition.kind);
    }
    request.by = principal.Id();
    PushOutcome outcome = TRY(push_->Push(definition, wanted, request, [&] { return loads_.Read(source, stream); }));
    if (!outcome.repeated) pushed_total_.Add(outcome.records);
    return outcome;
}

Result<LoadOutcome> SourceConnectors::Load(const Principal& principal, const std::string& source,
                                           const std::string& stream, const std::string& run_id,
                                           const CancelToken& cancel,
                                           const std::function<void(const LoadProgress&)>& progress) {
    SourceDefinition definition = TRY(Find(source));
    const StreamDefinition& wanted = TRY(FindStream(definition, stream)).get();
    auto place = TRY(Occupy(source + "." + stream));
    auto state = TRY(loads_.Read(source, stream));
    // The run that committed the last load was cut off before it could say so: there is nothing left to do.
    const Manifest* last = state->loads.empty() ? nullptr : &state->loads.back();
    if (last && !run_id.empty() && last->run_id == run_id) return OutcomeOf(*last);
    TRY(loads_.RemoveGarbage(source, stream, state->next_load()));
    LoadWriter writer(dependencies_.lake, dependencies_.engine, principal,
                      FirstManifest(definition, wanted, *state, run_id));
    ReadContext context{definition, wanted, *state, writer, cancel, progress};
    TRY(kinds_.at(definition.kind)->Read(context));
    TRY(context.CheckCancelled());

    Manifest& manifest = writer.manifest();
    LoadOutcome outcome;
    outcome.warnings = manifest.warnings;
    // A complete load counts even when it is empty: the source has no rows now. Otherwise nothing new is no load,
    // and so is one that shows no columns: nobody could read it.
    bool counts = manifest.mode == "full" || state->loads.empty();
    if (manifest.objects.empty() && (!counts || manifest.columns.empty())) {
        return IsUntold(*state) ? TellLast(*state) : outcome;
    }
    TRY(JudgeDrift(*state, wanted, manifest));
    TRY(loads_.Commit(manifest));
    if (!manifest.apart.empty()) return OutcomeOf(manifest);
    RecordLineage(manifest);
    loads_total_.Add();
    bytes_total_.Add(static_cast<int64_t>(manifest.bytes));
    return OutcomeOf(manifest);
}

Result<std::shared_ptr<void>> SourceConnectors::Occupy(const std::string& name) {
    std::lock_guard lock(mutex_);
    if (!loading_.insert(name).second) return Error(ErrorCode::kUnavailable, "{} is being loaded already", name);
    return std::shared_ptr<void>(nullptr, [this, name](void*) {  // a scope guard, shared with nobody
        std::lock_guard release(mutex_);
        loading_.erase(name);
    });
}

Result<std::vector<QuarantineEntry>> SourceConnectors::Quarantine(const Principal& principal, const std::string& source,
                                                                  size_t rows_max) {
    std::vector<QuarantineEntry> entries;
    std::vector<std::string> sources = {source};
    if (source.empty()) sources = TRY(loads_.Sources());
    for (const std::string& name : sources) {
        for (const std::string& stream : TRY(loads_.Streams(name))) {
            auto state = TRY(loads_.Read(name, stream));
            std::vector<Waiting> waiting = WaitingOf(*state);
            if (waiting.empty()) continue;
            // The rights of the dataset; rows that the gate filters or masks cannot be shown as they came.
            auto relation = dependencies_.catalog.Find(principal, "raw_" + name, stream, {});
            if (!relation.ok()) continue;
            bool whole = relation->obligations.empty();
            for (const Waiting& one : waiting) TRY(AddEntries(dependencies_.lake, one, whole, rows_max, entries));
        }
    }
    return entries;
}

Result<SourceConnectors::Resolving> SourceConnectors::StartResolving(const Principal& principal,
                                                                     const SourceDefinition& source,
                                                                     const StreamDefinition& stream,
                                                                     const std::vector<std::string>& ids) {
    Resolving resolving;
    resolving.place = TRY(Occupy(source.name + "." + stream.name));
    resolving.state = TRY(loads_.Read(source.name, stream.name));
    const StreamState& state = *resolving.state;
    resolving.waiting = TRY(WaitingOf(state, ids));
    if (resolving.waiting.empty()) {
        return Error(ErrorCode::kNotFound, "nothing of raw_{}.{} is in quarantine", source.name, stream.name);
    }
    TRY(loads_.RemoveGarbage(source.name, stream.name, state.next_load()));
    Manifest manifest = *state.last();
    manifest.load = state.next_load();
    manifest.replay = true;
    manifest.again = false;
    manifest.after = Json();
    manifest.run_id.clear();
    manifest.rows = 0;
    manifest.bytes = 0;
    manifest.objects.clear();
    manifest.warnings.clear();
    manifest.resolved.clear();
    resolving.writer =
        std::make_unique<LoadWriter>(dependencies_.lake, dependencies_.engine, principal, std::move(manifest));
    return resolving;
}

Result<LoadOutcome> SourceConnectors::Replay(const Principal& principal, const std::string& source,
                                             const std::string& stream, const std::vector<std::string>& ids) {
    SourceDefinition definition = TRY(Find(source));
    const StreamDefinition& wanted = TRY(FindStream(definition, stream)).get();
    Resolving resolving = TRY(StartResolving(principal, definition, wanted, ids));
    TRY(FillReplay(dependencies_.engine, *resolving.state, wanted, resolving.waiting, *resolving.writer));
    const Manifest& manifest = resolving.writer->manifest();
    TRY(loads_.Commit(manifest));
    RecordLineage(manifest);
    loads_total_.Add();
    return OutcomeOf(manifest);
}

Result<int64_t> SourceConnectors::Drop(const Principal& principal, const std::string& source, const std::string& stream,
                                       const std::vector<std::string>& ids) {
    SourceDefinition definition = TRY(Find(source));
    const StreamDefinition& wanted = TRY(FindStream(definition, stream)).get();
    Resolving resolving = TRY(StartResolving(principal, definition, wanted, ids));
    Manifest& manifest = resolving.writer->manifest();
    for (const Waiting& one : resolving.waiting) {
        manifest.resolved.push_back({one.load->load, one.object ? one.object->key : ""});
    }
    manifest.warnings.push_back(fmt::format("{} dropped from quarantine", resolving.waiting.size()));
    TRY(loads_.Commit(manifest));
    return static_cast<int64_t>(resolving.waiting.size());
}

// Of streams that the workspace names: what is said of the others, nobody says any more.
Result<std::vector<Connectors::OldLoads>> SourceConnectors::FindOldLoads() {
    std::vector<OldLoads> found;
    bool first = !looked_for_old_loads_.exchange(true);
    Timestamp now = dependencies_.env.clock().Now();
    for (const SourceDefinition& source : Sources()) {
        for (const auto& [name, stream] : source.streams) {
            Duration keep = stream.keep_loads.value_or(kLoadsKept);
            if (keep == Duration(0)) continue;
            auto state = TRY(loads_.Read(source.name, name));
            std::vector<int64_t> loads = LoadsToDrop(*state, now - keep);
            bool cut_off = first && std::any_of(state->loads.begin(), state->loads.end(),
                                                [](const Manifest& load) { return load.dropped; });
            if (!loads.empty() || cut_off) found.push_back({source.name, name, std::move(loads)});
        }
    }
    return found;
}

Result<std::map<std::string, std::map<int32_t, int64_t>>> SourceConnectors::ArchivedOffsets() {
    std::map<std::string, std::map<int32_t, int64_t>> archived;
    auto self = security::Principal::System("ingestion");
    for (const SourceDefinition& source : Sources()) {
        for (const auto& [name, stream] : source.streams) {
            if (source.kind != "kafka") continue;
            std::string topic = TopicOf(stream);
            auto ranges = dependencies_.topics->Partitions(self, topic);
            if (!ranges.ok() && ranges.error().code() == ErrorCode::kNotFound) continue;
            if (!ranges.ok()) return std::move(ranges).error();
            std::map<int32_t, int64_t> taken = ArchivedOffsetsOf(*TRY(loads_.Read(source.name, name)));
            for (const buffer::PartitionRange& range : *ranges) {
                auto known = taken.find(range.partition);
                // An offset that is not there yet is one of a topic that went before this one.
                int64_t until = known == taken.end() || known->second > range.end ? 0 : known->second;
                auto [place, first] = archived[topic].emplace(range.partition, until);
                if (!first) place->second = std::min(place->second, until);
            }
        }
    }
    return archived;
}

}  // namespace

Result<std::unique_ptr<Connectors>> Connectors::Create(ConnectorsDependencies dependencies) {
    auto self = security::Principal::System("ingestion");
    Status made = dependencies.lake.CreateBucket(self, kRawBucket);
    if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) return std::move(made).error();
    return std::unique_ptr<Connectors>(new SourceConnectors(dependencies));
}

}  // namespace tarn::connectors
