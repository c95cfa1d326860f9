#include "processing/batch/batch.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/crypto.h"
#include "base/text.h"
#include "processing/batch/table_file.h"
#include "processing/batch/table_task.h"
#include "processing/batch/test_file.h"
#include "processing/batch/test_run.h"
#include "processing/batch/use_case_file.h"

namespace tarn::batch {
namespace {

using orchestrator::TaskKind;
using orchestrator::TaskOutcome;
using orchestrator::TaskRun;
using orchestrator::TaskSpec;

// "source:registry.planes" -> {"registry", "planes"}.
std::pair<std::string, std::string> NamesOf(const std::string& task) {
    std::string names = task.substr(task.find(':') + 1);
    size_t dot = names.find('.');
    return {names.substr(0, dot), names.substr(dot + 1)};
}

class SourceTask : public TaskKind {
  public:
    explicit SourceTask(BatchDependencies& dependencies) : dependencies_(dependencies) {}
    Result<TaskOutcome> Run(TaskRun& run) override {
        auto [source, stream] = NamesOf(run.spec().id);
        auto progress = [&](const connectors::LoadProgress& at) { run.Progress(at.note, at.rows); };
        connectors::LoadOutcome load = TRY(dependencies_.connectors.Load(
            security::Principal::System("ingestion"), source, stream, run.run_id(), run.cancel(), progress));
        TaskOutcome outcome;
        outcome.changed = load.changed;
        outcome.rows = load.rows;
        outcome.version = TRY(CurrentVersion(run.spec()));
        outcome.warnings = load.warnings;
        outcome.details["bytes"] = load.bytes;
        // Nothing was ever loaded, and there is a reason: that is not fresh.
        if (!load.changed && outcome.version.empty() && !load.warnings.empty()) {
            outcome.skipped = "there is nothing to load: " + Join(load.warnings, "; ");
        }
        std::string what = load.changed ? fmt::format("load {}: {} rows, {} in {} objects", load.load, load.rows,
                                                      FormatSize(load.bytes), load.objects)
                                        : "nothing new";
        run.Write(what);
        for (const std::string& warning : load.warnings) run.Write("warning: " + warning);
        return outcome;
    }
    Result<bool> HasNew(const TaskSpec& spec) override {
        auto [source, stream] = NamesOf(spec.id);
        return dependencies_.connectors.HasNew(source, stream);
    }
    Result<std::string> CurrentVersion(const TaskSpec& spec) override {
        auto [source, stream] = NamesOf(spec.id);
        auto versions = TRY(dependencies_.connectors.AsProvider().Versions("raw_" + source, stream, 1));
        return versions.empty() ? std::string() : versions[0].version;
    }

  private:
    BatchDependencies& dependencies_;
};

class FlowBatch : public Batch {
  public:
    explicit FlowBatch(BatchDependencies dependencies)
        : dependencies_(dependencies),
          source_task_(dependencies_),
          table_task_(MakeTableTask(dependencies_, [this](const std::string& name) { return Find(name); })) {}

    workspace::Kind WorkspaceKind() override {
        workspace::Kind kind;
        kind.name = "table";
        kind.folder = "use_cases/*";
        kind.suffix = ".sql";
        kind.description = "A derivative: one SELECT, kept as the Delta table <use_case>.<file>.";
        kind.keys = TableKeys();
        kind.parse = [this](workspace::Definition& definition, workspace::Issues& issues) {
            ParseTableFile(dependencies_.engine, definition, issues);
        };
        kind.validate = ValidateTables;
        kind.test = [this](const security::Principal& principal, const std::vector<workspace::Definition>& all,
                           const workspace::TestOptions& options) {
            return RunSamples(dependencies_, principal, all, options);
        };
        kind.activate = [this](const std::vector<workspace::Definition>& all) { return Activate(all); };
        return kind;
    }
    workspace::Kind UseCaseKind() override {
        workspace::Kind kind;
        kind.name = "use_case";
        kind.folder = "use_cases/*";
        kind.suffix = "use_case.yaml";
        kind.description = "What a use case is for, and what it takes from others.";
        kind.keys = UseCaseKeys();
        kind.parse = ParseUseCaseFile;
        kind.validate = ValidateUseCases;
        // It is read together with the tables: nothing runs by itself.
        kind.activate = [](const std::vector<workspace::Definition>&) { return Ok(); };
        return kind;
    }
    workspace::Kind TestKind() override {
        workspace::Kind kind;
        kind.name = "test";
        kind.folder = "use_cases/*";
        kind.suffix = ".test.yaml";
        kind.description = "Tests of a table's SELECT with rows of their own, run by `tarn test`.";
        kind.keys = TestKeys();
        kind.parse = ParseTestFile;
        kind.validate = ValidateTests;
        kind.activate = [](const std::vector<workspace::Definition>&) { return Ok(); };
        kind.test = [this](const security::Principal& principal, const std::vector<workspace::Definition>& all,
                           const workspace::TestOptions& options) {
            return RunTableTests(dependencies_, principal, all, options);
        };
        return kind;
    }
    TaskKind& AsTableTask() override { return *table_task_; }
    TaskKind& AsSourceTask() override { return source_task_; }
    void AddTasks(TaskSource source) override { sources_.push_back(std::move(source)); }
    std::vector<TableDefinition> Tables() const override {
        std::lock_guard lock(mutex_);
        return tables_;
    }
    std::vector<TaskSpec> Tasks() const override {
        std::lock_guard lock(mutex_);
        return tasks_;
    }

  private:
    Status Activate(const std::vector<workspace::Definition>& all);
    std::optional<TableDefinition> Find(const std::string& name) const {
        std::lock_guard lock(mutex_);
        auto found = std::find_if(tables_.begin(), tables_.end(), [&](const TableDefinition& table) {
            return table.schema + "." + table.name == name;
        });
        return found == tables_.end() ? std::nullopt : std::optional(*found);
    }

    BatchDependencies dependencies_;
    SourceTask source_task_;
    std::unique_ptr<TaskKind> table_task_;
    std::vector<TaskSource> sources_;
    mutable std::mutex mutex_;  // guards the two below
    std::vector<TableDefinition> tables_;
    std::vector<TaskSpec> tasks_;
};

// As they were before streams were renamed: that alone is no reason to load again.
Json SettingsBeforeRenames(const connectors::SourceDefinition& source, const connectors::StreamDefinition& stream) {
    Json settings = stream.settings;
    if (!stream.renamed_from.empty() && settings.value("table", "") == stream.renamed_from) settings.erase("table");
    auto parent = source.streams.find(settings.value("for_each_of", ""));
    if (parent != source.streams.end() && !parent->second.renamed_from.empty()) {
        settings["for_each_of"] = parent->second.renamed_from;
    }
    return settings;
}

void AddStreams(const workspace::Definition& definition, const connectors::SourceDefinition& source,
                std::vector<TaskSpec>& tasks) {
    for (const auto& [name, stream] : source.streams) {
        TaskSpec spec;
        spec.id = fmt::format("source:{}.{}", source.name, name);
        spec.kind = "source";
        spec.dataset = fmt::format("raw_{}.{}", source.name, name);
        spec.file = definition.file;
        spec.timing = workspace::ResolveTiming(stream.timing, source.timing);
        // What comes out of quarantine is news too.
        bool nested = stream.settings.contains("for_each_of");  // in a stream whose news is its own
        bool watched = source.kind == "files" || source.kind == "push" || source.kind == "kafka" || nested;
        spec.watched = watched || stream.on_drift == "quarantine";
        // Of the source and this stream, not of the file: a new stream does not load the others again.
        Json text = {source.kind, source.settings, SettingsBeforeRenames(source, stream), stream.cursor, stream.key};
        bool has_rules = stream.on_drift != "accept" || !stream.broken_max.empty();
        if (has_rules) text.push_back({stream.on_drift, stream.broken_max});
        spec.fingerprint = Sha256Hex(AsBytes(DumpJson(text)));
        tasks.push_back(std::move(spec));
    }
}

TaskSpec TableSpec(const workspace::Definition& definition, const TableDefinition& table) {
    TaskSpec spec;
    spec.dataset = table.schema + "." + table.name;
    spec.id = "table:" + spec.dataset;
    spec.kind = "table";
    spec.file = definition.file;
    spec.timing = workspace::ResolveTiming(table.timing);
    spec.parameters = table.parameters;
    spec.partition = table.partition;
    spec.fingerprint = definition.hash;
    for (const engine::TableRead& read : table.reads) {
        std::string input = read.schema + "." + read.name;
        bool seen = std::find(spec.inputs.begin(), spec.inputs.end(), input) != spec.inputs.end();
        if (!seen) spec.inputs.push_back(input);
    }
    return spec;
}

// What is written of each task: its file, and the script that it names.
void KeepTexts(const std::vector<workspace::Definition>& all, std::vector<TaskSpec>& tasks) {
    std::map<std::string, const workspace::Definition*> by_file;
    for (const workspace::Definition& definition : all) by_file[definition.file] = &definition;
    for (TaskSpec& task : tasks) {
        auto found = by_file.find(task.file);
        if (found == by_file.end()) continue;
        std::string script = task.definition ? "\n" + *task.definition : "";
        task.definition = std::make_shared<const std::string>(found->second->text + script);
    }
}

Status FlowBatch::Activate(const std::vector<workspace::Definition>& all) {
    std::vector<TableDefinition> tables;
    std::vector<lakehouse::TableName> names;
    std::vector<lakehouse::TableName> cached;
    std::vector<TaskSpec> tasks = TasksOf(all);
    for (const workspace::Definition& definition : all) {
        const auto* table = std::any_cast<TableDefinition>(&definition.value);
        if (!table) continue;
        tables.push_back(*table);
        names.push_back({table->schema, table->name});
        if (table->cache) cached.push_back(names.back());
    }
    for (const TaskSource& source : sources_) {
        std::vector<TaskSpec> more = source(all);
        tasks.insert(tasks.end(), more.begin(), more.end());
    }
    KeepTexts(all, tasks);
    {
        // First, so that a task that starts at once finds its definition.
        std::lock_guard lock(mutex_);
        tables_ = std::move(tables);
        tasks_ = tasks;
    }
    // Before tasks start: a table that is back must be there for its first run.
    TRY(dependencies_.lakehouse.KeepOnly(security::Principal::System("batch"), names));
    if (dependencies_.warehouse != nullptr) TRY(dependencies_.warehouse->SetTables(cached));
    dependencies_.catalog.SetAnnotations(AnnotationsOf(all));
    return dependencies_.orchestrator.SetTasks(std::move(tasks));
}

}  // namespace

std::vector<TaskSpec> Batch::TasksOf(const std::vector<workspace::Definition>& all) {
    std::vector<TaskSpec> tasks;
    for (const workspace::Definition& definition : all) {
        if (const auto* source = std::any_cast<connectors::SourceDefinition>(&definition.value)) {
            AddStreams(definition, *source, tasks);
        } else if (const auto* table = std::any_cast<TableDefinition>(&definition.value)) {
            tasks.push_back(TableSpec(definition, *table));
        }
    }
    return tasks;
}

std::map<std::string, catalog::Annotation> Batch::AnnotationsOf(const std::vector<workspace::Definition>& all) {
    std::map<std::string, catalog::Annotation> annotations;
    for (const workspace::Definition& definition : all) {
        if (const auto* source = std::any_cast<connectors::SourceDefinition>(&definition.value)) {
            for (const auto& [name, stream] : source->streams) {
                catalog::Annotation& annotation = annotations[fmt::format("raw_{}.{}", source->name, name)];
                annotation.tags = definition.tags;
                annotation.column_tags = stream.column_tags;
            }
        } else if (const auto* table = std::any_cast<TableDefinition>(&definition.value)) {
            annotations[table->schema + "." + table->name] = {
                definition.description, definition.owner, definition.tags, definition.file, table->sql,
                table->column_tags,     table->declassify};
        }
    }
    return annotations;
}

Result<std::unique_ptr<Batch>> Batch::Create(BatchDependencies dependencies) {
    auto batch = std::make_unique<FlowBatch>(dependencies);
    dependencies.orchestrator.RegisterKind("source", batch->AsSourceTask());
    dependencies.orchestrator.RegisterKind("table", batch->AsTableTask());
    return std::unique_ptr<Batch>(std::move(batch));
}

}  // namespace tarn::batch
