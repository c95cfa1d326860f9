#include "app/workspace_plan.h"

#include <map>
#include <set>

namespace tarn::app {
namespace {

using orchestrator::TaskSpec;

constexpr size_t kRunsShownMax = 1000;  // more are counted only

constexpr int kVersionsCountedMax = 100'000;

// What a rename keeps, and whether anything runs for it.
std::string RenameNote(const Components& parts, const workspace::PlanStep& step) {
    std::string note;
    for (const std::string& name : {step.from, step.name}) {  // the new one: it is done already
        std::string dataset = workspace::DatasetOf(step.kind, name);
        if (dataset.empty() || !note.empty()) continue;
        size_t dot = dataset.find('.');
        auto versions = parts.catalog->Versions(security::Principal::System("plan"), dataset.substr(0, dot),
                                                dataset.substr(dot + 1), kVersionsCountedMax);
        if (!versions.ok() || versions->empty()) continue;
        note = fmt::format("keeps {} version{}, ", versions->size(), versions->size() == 1 ? "" : "s");
    }
    if (note.empty()) note = "keeps its history, ";
    if (step.kind == "dashboard") return "its old address leads to the new one, its reports keep their runs";
    if (step.kind == "alert") return "its rules keep what fires, their history and silences";
    return note + (step.same ? "recomputes nothing" : "and runs anew: more than the name is changed");
}

std::string NoteOf(const Components& parts, const workspace::PlanStep& step) {
    if (step.change == "rename") return RenameNote(parts, step);
    if (step.change == "remove" && step.kind == "table") {
        return fmt::format("nobody can read it from then on; its data is kept for {}",
                           FormatDuration(parts.config.tables.keep));
    }
    if (step.change == "change" && step.same) return "nothing but names: recomputes nothing";
    if (step.like.empty()) return {};
    return fmt::format(
        "says the same as {}, which is removed: if it is that one, write `renamed_from: {}` into it to "
        "keep its history",
        step.like, step.like);
}

Json StepsJson(const Components& parts, const workspace::Plan& plan, const workspace::LoadedWorkspace& loaded) {
    std::map<std::string, std::string> guarantees;  // by file
    for (const workspace::Definition& definition : loaded.definitions) {
        std::string guarantee = destinations::GuaranteeOf(definition);
        if (!guarantee.empty()) guarantees[definition.file] = guarantee;
    }
    Json steps = Json::array();
    for (const workspace::PlanStep& step : plan.steps) {
        Json json = {{"change", step.change}, {"kind", step.kind}, {"name", step.name}, {"file", step.file}};
        if (step.change == "rename") json["from"] = step.from;
        std::string note = NoteOf(parts, step);
        if (!note.empty()) json["note"] = note;
        auto guarantee = guarantees.find(step.file);
        bool tells = step.change == "add" || step.change == "change";
        if (tells && note.empty() && guarantee != guarantees.end()) json["note"] = guarantee->second;
        steps.push_back(std::move(json));
    }
    return steps;
}

struct PlannedRun {
    const TaskSpec* task = nullptr;
    std::string why;
};

// Whether a definition alone makes it run, as the orchestrator decides it.
bool RunsByItself(const TaskSpec& task, bool is_new) { return task.eager || (is_new && task.timing.every.has_value()); }
bool RunsByHandOnly(const TaskSpec& task) {
    return task.timing.paused || !workspace::RunsWithoutValues(task.parameters);
}

// Tasks whose definition is new or another one, and all that read what they make or follow them; each once, inputs
// first.
std::vector<PlannedRun> RunsOf(const std::vector<TaskSpec>& before, const std::vector<TaskSpec>& after,
                               const workspace::NewNames& names) {
    std::map<std::string, std::string> fingerprints;
    for (const TaskSpec& task : before) fingerprints[names.OfTask(task.id)] = task.fingerprint;
    std::multimap<std::string, const TaskSpec*> readers;    // by dataset
    std::multimap<std::string, const TaskSpec*> followers;  // by task or dataset
    std::vector<PlannedRun> runs;
    std::set<std::string> seen;
    for (const TaskSpec& task : after) {
        if (RunsByHandOnly(task)) continue;
        for (const std::string& input : task.inputs) readers.emplace(input, &task);
        for (const std::string& before_it : task.after) followers.emplace(before_it, &task);
        auto known = fingerprints.find(task.id);
        bool is_new = known == fingerprints.end();
        if ((!is_new && known->second == task.fingerprint) || !RunsByItself(task, is_new)) continue;
        seen.insert(task.id);
        runs.push_back({&task, is_new ? "new" : "changed"});
    }
    auto add = [&](const std::multimap<std::string, const TaskSpec*>& behind, const std::string& name,
                   const char* why) {
        if (name.empty()) return;
        auto [first, last] = behind.equal_range(name);
        for (auto one = first; one != last; ++one) {
            if (seen.insert(one->second->id).second) runs.push_back({one->second, why + name});
        }
    };
    for (size_t index = 0; index < runs.size(); ++index) {
        const TaskSpec& task = *runs[index].task;
        add(readers, task.dataset, "reads ");
        add(followers, task.dataset, "after ");
        add(followers, task.id, "after ");
    }
    return runs;
}

struct Cost {
    int64_t rows = 0;
    int64_t bytes = 0;
    double seconds = 0;
    bool known = false;
};

// What a run reads now and how long the last one took.
class Costs {
  public:
    Costs(Components& parts, const security::Principal& principal, const std::vector<orchestrator::TaskStatus>& tasks)
        : parts_(parts), principal_(principal) {
        for (const orchestrator::TaskStatus& task : tasks) {
            if (!task.last || !task.last->started_at || !task.last->ended_at) continue;
            seconds_[task.spec.id] =
                std::chrono::duration<double>(*task.last->ended_at - *task.last->started_at).count();
        }
    }
    Cost Of(const TaskSpec& task) {
        Cost cost;
        for (const std::string& input : task.inputs) {
            const Cost& size = SizeOf(input);
            cost.rows += size.rows;
            cost.bytes += size.bytes;
        }
        auto last = seconds_.find(task.id);
        cost.known = last != seconds_.end();
        if (cost.known) cost.seconds = last->second;
        return cost;
    }

  private:
    const Cost& SizeOf(const std::string& dataset) {
        auto [place, fresh] = sizes_.try_emplace(dataset);
        if (!fresh) return place->second;
        size_t dot = dataset.find('.');
        auto found = parts_.catalog->Describe(principal_, dataset.substr(0, dot), dataset.substr(dot + 1));
        if (found.ok()) place->second = {std::max<int64_t>(found->rows, 0), std::max<int64_t>(found->bytes, 0)};
        return place->second;
    }

    Components& parts_;
    const security::Principal& principal_;
    std::map<std::string, double> seconds_;
    std::map<std::string, Cost> sizes_;
};

}  // namespace

Json IssuesJson(const workspace::Issues& issues) {
    Json json = Json::array();
    for (const ConfigIssue& issue : issues) {
        json.push_back(
            {{"file", issue.file}, {"line", issue.line}, {"column", issue.column}, {"message", issue.message}});
    }
    return json;
}

Json ChangesJson(const Components& parts, const workspace::Plan& plan, const workspace::LoadedWorkspace& loaded) {
    return {{"steps", StepsJson(parts, plan, loaded)}, {"notes", plan.notes}, {"issues", IssuesJson(plan.issues)}};
}

Result<Json> PlanOf(Components& parts, const security::Principal& principal, const workspace::LoadedWorkspace& loaded) {
    Json answer = ChangesJson(parts, TRY(parts.workspace->MakePlan(loaded)), loaded);
    std::vector<TaskSpec> after = batch::Batch::TasksOf(loaded.definitions);
    for (TaskSpec& task : destinations::TasksOf(loaded.definitions)) after.push_back(std::move(task));
    for (TaskSpec& task : jobs::TasksOf(loaded.definitions)) after.push_back(std::move(task));
    for (TaskSpec& task : reports::TasksOf(loaded.definitions)) after.push_back(std::move(task));
    std::vector<PlannedRun> runs = RunsOf(parts.batch->Tasks(), after, workspace::NewNames(loaded.renames));
    Costs costs(parts, principal, TRY(parts.orchestrator->Tasks(principal)));
    Json shown = Json::array();
    Cost total;
    int64_t unknown = 0;
    for (const PlannedRun& run : runs) {
        if (shown.size() == kRunsShownMax) break;
        Cost cost = costs.Of(*run.task);
        Json json = {{"task", run.task->id}, {"why", run.why}, {"rows", cost.rows}, {"bytes", cost.bytes}};
        json["seconds"] = cost.known ? Json(cost.seconds) : Json();
        shown.push_back(std::move(json));
        total.rows += cost.rows;
        total.bytes += cost.bytes;
        total.seconds += cost.seconds;
        unknown += cost.known ? 0 : 1;
    }
    answer["runs"] = std::move(shown);
    answer["runs_total"] = {{"tasks", runs.size()},
                            {"rows", total.rows},
                            {"bytes", total.bytes},
                            {"seconds", total.seconds},
                            {"unknown", unknown}};
    return answer;
}

}  // namespace tarn::app
