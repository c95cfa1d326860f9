#include "processing/jobs/job_file.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "base/crypto.h"
#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/connectors.h"
#include "processing/batch/batch.h"
#include "processing/batch/question.h"

namespace tarn::jobs {

constexpr std::array kKinds = {"python", "shell", "r", "http", "wait_for"};
constexpr size_t kNetworkMax = 30;
constexpr int64_t kMemoryMin = 8 << 20;
constexpr Duration kPollMin = std::chrono::seconds(1);

// "secret:name" is a secret, anything else the value itself.
JobValue ValueOf(const Json& json) {
    std::string text = json.is_string() ? json.get<std::string>() : DumpJson(json);
    constexpr std::string_view kSecret = "secret:";
    if (text.starts_with(kSecret)) return {"", text.substr(kSecret.size())};
    return {text, ""};
}

// A mapping of names to values or secrets, as read.
void TakeValues(ConfigBinder& binder, std::string_view key, const Json& json, std::map<std::string, JobValue>& values,
                bool (*is_name)(std::string_view)) {
    if (binder.describing() || json.is_null()) return;
    if (!json.is_object()) return binder.Report(key, fmt::format("{} is names with values, as NAME: value", key));
    for (const auto& [name, value] : json.items()) {
        if (!is_name(name)) binder.Report(key, fmt::format("\"{}\" can't be a name in {}", name, key));
        bool plain = value.is_string() || value.is_number() || value.is_boolean();
        if (!plain) binder.Report(key, fmt::format("{} in {} is a text, a number or secret:NAME", name, key));
        values[name] = ValueOf(value);
    }
}

bool IsVariable(std::string_view name) {
    bool good = !name.empty() && !(name[0] >= '0' && name[0] <= '9') && !name.starts_with("TARN_") && name != "PATH";
    return good && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}
bool IsHeader(std::string_view name) {
    return !name.empty() &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '-'; });
}
bool IsHttpUrl(const std::string& url) { return url.starts_with("http://") || url.starts_with("https://"); }

void Bind(ConfigBinder& binder, HttpCall& http) {
    binder.Choice("method", http.method, {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}, "What to ask.");
    binder.Key("url", http.url, "Whom to ask; `{name}` stands for a parameter.", ConfigBinder::Need::kRequired);
    Json headers;
    binder.Any("headers", headers, "Headers: a value or `secret:NAME` each.");
    TakeValues(binder, "headers", headers, http.headers, IsHeader);
    Json body;
    binder.Any("body", body, "What to send: text, or YAML that is sent as JSON; `{name}` stands for a parameter.");
    binder.Key("expect", http.expect, "Statuses that are a success; any of 200 to 299.");
    if (binder.describing()) return;
    http.json = !body.is_null() && !body.is_string();
    if (!body.is_null()) http.body = http.json ? DumpJson(body) : body.get<std::string>();
    if (!http.url.empty() && !IsHttpUrl(http.url)) binder.Report("url", "url begins with http:// or https://");
    for (const std::string& status : http.expect) {
        auto number = ParseInteger(status);
        if (!number || *number < 100 || *number > 599) binder.Report("expect", "\"" + status + "\" is no HTTP status");
    }
}

bool IsTimeOfDay(const std::string& text) {
    if (text.size() != 5 || text[2] != ':') return false;
    auto hour = ParseInteger(text.substr(0, 2));
    auto minute = ParseInteger(text.substr(3));
    return hour && minute && *hour >= 0 && *hour < 24 && *minute >= 0 && *minute < 60;
}

void Bind(ConfigBinder& binder, Wait& wait) {
    binder.Key("dataset", wait.dataset, "Until this dataset has a version.");
    binder.Key("fresh", wait.fresh, "With `dataset`: until it was made within so long.");
    binder.Key("url", wait.url, "Until this URL answers with a status of 200 to 299.");
    binder.Key("file", wait.file, "Until this object is in the lake, as bucket/key.");
    binder.Key("time", wait.time, "Until this time of day, UTC, as 06:30.");
    binder.Key("poll", wait.poll, "How often to look.");
    if (binder.describing()) return;
    int given = !wait.dataset.empty() + !wait.url.empty() + !wait.file.empty() + !wait.time.empty();
    if (given != 1) binder.Report("", "wait_for has one of dataset, url, file, time");
    if (wait.fresh && wait.dataset.empty()) binder.Report("fresh", "fresh belongs to a dataset");
    if (!wait.url.empty() && !IsHttpUrl(wait.url)) binder.Report("url", "url begins with http:// or https://");
    size_t slash = wait.file.find('/');
    if (!wait.file.empty() && (slash == 0 || slash == std::string::npos || slash + 1 == wait.file.size())) {
        binder.Report("file", "file is bucket/key");
    }
    if (!wait.time.empty() && !IsTimeOfDay(wait.time)) binder.Report("time", "time is hours and minutes, as 06:30");
    if (wait.poll < kPollMin) binder.Report("poll", "poll is at least 1s");
}

// A list that stands in the file: plain values, in order.
void TakeItems(ConfigBinder& binder, const Json& json, std::vector<std::string>& items) {
    if (binder.describing() || json.is_null()) return;
    if (!json.is_array() || json.empty()) return binder.Report("items", "items is a list with something in it");
    if (json.size() > batch::kItemsMax) {
        return binder.Report("items",
                             fmt::format("a list has at most {} items, this has {}", batch::kItemsMax, json.size()));
    }
    for (const Json& item : json) {
        if (item.is_structured() || item.is_null()) {
            return binder.Report("items", fmt::format("item {} is no text or number", items.size() + 1));
        }
        items.push_back(item.is_string() ? item.get<std::string>() : DumpJson(item));
    }
}

void Bind(ConfigBinder& binder, ForEach& list) {
    Json items;
    binder.Any("items", items, "The list, as [north, south].");
    TakeItems(binder, items, list.items);
    binder.Key("sql", list.sql, "In place of `items`: SQL of one column, a row an item.");
    binder.Key("parallel", list.parallel, "How many items run at the same time.");
    if (binder.describing()) return;
    if (binder.Has("items") == binder.Has("sql")) binder.Report("", "for_each has one of items, sql");
    if (list.parallel < 1 || list.parallel > workspace::kPartsParallelMax) {
        binder.Report("parallel", "parallel is 1 to 100");
    }
}

struct JobFile {
    JobDefinition job;
    std::string renamed_from;
    std::optional<std::string> python;
    std::optional<std::string> shell;
    std::optional<std::string> r;
    std::optional<HttpCall> http;
    std::optional<Wait> wait_for;
    std::vector<std::string> network;
};

// A single word that ends like a script names a file beside the job's.
void TakeCode(ConfigBinder& binder, JobFile& file, const std::string& kind, const std::string& text) {
    const std::string suffix = kind == "python" ? ".py" : kind == "shell" ? ".sh" : ".r";
    file.job.kind = kind;
    bool named = text.find_first_of(" \t\n") == std::string::npos && text.ends_with(suffix);
    (named ? file.job.code_file : file.job.code) = text;
    if (Trim(text).empty()) binder.Report(kind, fmt::format("{} is a script, or a file that ends in {}", kind, suffix));
    if (named && text.find('/') != std::string::npos) {
        binder.Report(kind, "a script lies beside the job's file: give its name without a folder");
    }
}

void TakeNetwork(ConfigBinder& binder, JobFile& file) {
    if (file.network.size() > kNetworkMax) {
        binder.Report("network", fmt::format("network has at most {} addresses", kNetworkMax));
    }
    for (const std::string& text : file.network) {
        Result<Address> address = ParseAddress(text);
        bool good = address.ok() && address->port > 0 && address->host.find(':') == std::string::npos;
        if (!good) {
            binder.Report("network", fmt::format("\"{}\" is no host:port, as api.example.com:443", text));
            continue;
        }
        file.job.network.push_back(*address);
    }
}

void BindLimits(ConfigBinder& binder, JobFile& file) {
    JobDefinition& job = file.job;
    binder.Key("memory", job.memory, "Memory of all its processes together, what it keeps in files included.");
    binder.Key("scratch", job.scratch, "Of that for files in its folder, /tmp and /dev/shm.");
    binder.Key("cpu", job.cpu, "CPU time of all its processes together.");
    binder.Key("network", file.network, "What code may connect to, as host:port; nothing else is reachable.");
    Json env;
    binder.Any("env", env, "Variables of its environment: a value or `secret:NAME` each.");
    TakeValues(binder, "env", env, job.env, IsVariable);
    if (binder.describing()) return;
    TakeNetwork(binder, file);
    if (job.memory.bytes < kMemoryMin) binder.Report("memory", "memory is at least 8MiB");
    if (job.scratch.bytes < 1 << 20) binder.Report("scratch", "scratch is at least 1MiB");
    if (job.cpu < std::chrono::seconds(1)) binder.Report("cpu", "cpu is at least 1s");
    bool code = file.python || file.shell || file.r;
    for (const char* key : {"memory", "scratch", "cpu", "network", "env"}) {
        if (!code && binder.Has(key)) binder.Report(key, fmt::format("{} belongs to python, shell and r", key));
    }
}

void Bind(ConfigBinder& binder, JobFile& file) {
    JobDefinition& job = file.job;
    binder.Key("description", job.description, "What the job is for.");
    binder.Key("owner", job.owner, "The user whose rights it has; without one, who starts it by hand.");
    workspace::BindRenamedFrom(binder, file.renamed_from);
    binder.Key("tags", job.tags, "Tags of the job.");
    binder.Key("python", file.python, "A Python script, or the name of a .py file beside this one.");
    binder.Key("shell", file.shell, "A shell script, or the name of a .sh file beside this one.");
    binder.Key("r", file.r, "An R script, or the name of a .r file beside this one; needs Rscript on the machine.");
    binder.Section("http", file.http, "An HTTP call.");
    binder.Section("wait_for", file.wait_for, "Waits, without taking a place, until something is there.");
    binder.Key("reads", job.reads, "Datasets that it reads: it runs when one of them has a new version.");
    binder.Key("after", job.after, "Jobs and tables that it follows: it runs when one of them has ended well.");
    BindTiming(binder, job.timing);
    BindParameters(binder, job.parameters);
    BindPartition(binder, job.partition, false);
    binder.Key("when", job.when, "SQL of one truth value: a run is skipped when it does not hold.");
    binder.Section("for_each", job.for_each, "Runs once for each item of a list, told `item`.");
    binder.Choice("after_outcome", job.after_outcome, {"success", "failure", "any"},
                  "How what `after` names must have ended.");
    BindLimits(binder, file);
    if (binder.describing()) return;
    int kinds = !!file.python + !!file.shell + !!file.r + !!file.http + !!file.wait_for;
    if (kinds != 1) binder.Report("", fmt::format("a job has one of {}", Join({kKinds.begin(), kKinds.end()}, ", ")));
    if (file.python) TakeCode(binder, file, "python", *file.python);
    if (file.shell) TakeCode(binder, file, "shell", *file.shell);
    if (file.r) TakeCode(binder, file, "r", *file.r);
    if (file.http) job.kind = "http", job.http = *file.http;
    if (file.wait_for) job.kind = "wait_for", job.wait = *file.wait_for;
    bool scheduled = job.timing.every || job.timing.schedule;
    if (job.partition && scheduled) {
        binder.Report("partitions", "a part is run when it has ended: every and cron do not go with partitions");
    }
    if (job.partition && job.for_each) binder.Report("for_each", "a job has partitions or for_each, not both");
    if (job.after.empty() && binder.Has("after_outcome"))
        binder.Report("after_outcome", "after_outcome goes with after");
    bool by_itself = scheduled || job.partition || !job.reads.empty() || !job.after.empty();
    if (by_itself && job.owner.empty()) {
        binder.Report("", "a job that runs by itself needs `owner`: the user whose rights it has");
    }
}

std::vector<ConfigKeyDoc> JobKeys() { return DescribeConfig<JobFile>(); }

namespace {

int LineOf(const workspace::Definition& definition, const std::string& key) {
    int line = 1;
    for (const std::string& text : Split(definition.text, '\n')) {
        if (text.starts_with(key + ":")) return line;
        ++line;
    }
    return 1;
}

void AnalyzeQuestion(engine::Engine& engine, const workspace::Definition& definition, JobDefinition& job,
                     const std::string& key, const std::string& sql, workspace::Issues& issues) {
    if (sql.empty()) return;
    std::string schema = definition.name.substr(0, definition.name.find('.'));
    auto reads = batch::ReadsOf(engine, sql, schema, job.parameters, job.partition);
    if (!reads.ok()) {
        issues.push_back({definition.file, LineOf(definition, key), 1, key + ": " + reads.error().message()});
        return;
    }
    job.asks.insert(job.asks.end(), reads->begin(), reads->end());
}

}  // namespace

void ParseJobFile(engine::Engine& engine, workspace::Definition& definition, workspace::Issues& issues) {
    JobFile file;
    auto found = ReadConfig(definition.text, definition.file, 1, [&](ConfigBinder& binder) { Bind(binder, file); });
    issues.insert(issues.end(), found.begin(), found.end());
    file.job.name = definition.name;
    file.job.file = definition.file;
    file.job.hash = definition.hash;
    AnalyzeQuestion(engine, definition, file.job, "when", file.job.when, issues);
    if (file.job.for_each) AnalyzeQuestion(engine, definition, file.job, "for_each", file.job.for_each->sql, issues);
    definition.description = file.job.description;
    definition.owner = file.job.owner;
    workspace::AskForRename(definition, file.renamed_from);
    definition.tags = file.job.tags;
    definition.value = std::move(file.job);
}

void ParseScriptFile(workspace::Definition& definition, workspace::Issues&) {
    definition.value = ScriptFile{definition.file};
}

namespace {

std::string UseCaseOf(const std::string& name) { return name.substr(0, name.find('.')); }
std::string FolderOf(const std::string& file) { return file.substr(0, file.rfind('/') + 1); }

const workspace::Definition* FindScript(const std::vector<workspace::Definition>& all, const JobDefinition& job) {
    std::string file = FolderOf(job.file) + job.code_file;
    auto found = std::find_if(all.begin(), all.end(), [&](const workspace::Definition& definition) {
        return definition.file == file && std::any_cast<ScriptFile>(&definition.value);
    });
    return found == all.end() ? nullptr : &*found;
}

// Everything that a job may name.
struct Names {
    explicit Names(const std::vector<workspace::Definition>& all) {
        for (const workspace::Definition& definition : all) {
            if (const auto* job = std::any_cast<JobDefinition>(&definition.value)) jobs[definition.name] = job;
            if (std::any_cast<batch::TableDefinition>(&definition.value)) datasets.insert(definition.name);
            const auto* source = std::any_cast<connectors::SourceDefinition>(&definition.value);
            if (!source) continue;
            for (const auto& [name, stream] : source->streams) {
                datasets.insert(fmt::format("raw_{}.{}", source->name, name));
            }
        }
    }
    // The task that `after` means; empty when there is none.
    std::string TaskAfter(const JobDefinition& job, const std::string& name) const {
        std::string bare = name.starts_with("job:") ? name.substr(4) : name;
        std::string whole = bare.find('.') == std::string::npos ? UseCaseOf(job.name) + "." + bare : bare;
        if (jobs.contains(whole)) return "job:" + whole;
        return datasets.contains(whole) && bare == name ? whole : "";
    }
    std::map<std::string, const JobDefinition*> jobs;
    std::set<std::string> datasets;
};

class JobChecks {
  public:
    JobChecks(const std::vector<workspace::Definition>& all, workspace::Issues& issues)
        : all_(all), issues_(issues), names_(all) {}
    void Run() {
        for (const workspace::Definition& definition : all_) {
            const auto* job = std::any_cast<JobDefinition>(&definition.value);
            if (!job) continue;
            if (!job->code_file.empty() && !FindScript(all_, *job)) {
                Report(definition, job->kind,
                       fmt::format("there is no file {}{}", FolderOf(job->file), job->code_file));
            }
            for (const std::string& name : job->reads) {
                if (!names_.datasets.contains(name))
                    Report(definition, "reads", Unknown("dataset", name, names_.datasets));
            }
            for (const std::string& name : job->asks) {
                if (names_.datasets.contains(name) || name.starts_with("system.")) continue;
                Report(definition, job->when.find(name) == std::string::npos && job->for_each ? "for_each" : "when",
                       Unknown("dataset", name, names_.datasets));
            }
            for (const std::string& name : job->after) {
                if (!names_.TaskAfter(*job, name).empty()) continue;
                std::set<std::string> known = names_.datasets;
                for (const auto& [other, defined] : names_.jobs) known.insert(other);
                Report(definition, "after", Unknown("job or table", name, known));
            }
            if (Circular(*job))
                Report(definition, "after", "jobs follow each other in a circle: " + Join(path_, " -> "));
        }
    }

  private:
    static std::string Unknown(std::string_view what, const std::string& name, const std::set<std::string>& known) {
        std::string nearest = NearestWord(name, {known.begin(), known.end()});
        std::string text = fmt::format("nothing defines the {} {}", what, name);
        return nearest.empty() ? text : fmt::format("{}; did you mean {}?", text, nearest);
    }
    void Report(const workspace::Definition& definition, const std::string& key, std::string message) {
        issues_.push_back({definition.file, LineOf(definition, key), 1, std::move(message)});
    }
    bool Circular(const JobDefinition& job) {
        std::string back = "job:" + job.name;
        path_ = {back};
        std::set<std::string> seen;
        return Leads(job, back, seen);
    }
    bool Leads(const JobDefinition& job, const std::string& back, std::set<std::string>& seen) {
        for (const std::string& name : job.after) {
            std::string task = names_.TaskAfter(job, name);
            if (!task.starts_with("job:")) continue;
            path_.push_back(task);
            if (task == back) return true;
            const JobDefinition& next = *names_.jobs.at(task.substr(4));
            if (seen.insert(task).second && Leads(next, back, seen)) return true;
            path_.pop_back();
        }
        return false;
    }

    const std::vector<workspace::Definition>& all_;
    workspace::Issues& issues_;
    const Names names_;
    std::vector<std::string> path_;
};

}  // namespace

void ValidateJobs(const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
    JobChecks(all, issues).Run();
}

std::vector<JobDefinition> CollectJobs(const std::vector<workspace::Definition>& all) {
    std::vector<JobDefinition> jobs;
    for (const workspace::Definition& definition : all) {
        const auto* job = std::any_cast<JobDefinition>(&definition.value);
        if (!job) continue;
        jobs.push_back(*job);
        const workspace::Definition* script = job->code_file.empty() ? nullptr : FindScript(all, *job);
        if (!script) continue;
        jobs.back().code = script->text;
        jobs.back().hash = Sha256Hex(AsBytes(job->hash + script->hash));
    }
    return jobs;
}

namespace {

orchestrator::TaskSpec TaskOf(const JobDefinition& job, const Names& names) {
    orchestrator::TaskSpec spec;
    spec.id = "job:" + job.name;
    spec.kind = "job";
    spec.file = job.file;
    spec.inputs = job.reads;
    for (const std::string& name : job.after) spec.after.push_back(names.TaskAfter(job, name));
    // Its effects lie outside: an edit of the file is no wish to have them again.
    spec.eager = false;
    spec.fingerprint = job.hash;
    if (!job.code_file.empty()) spec.definition = std::make_shared<const std::string>(job.code);
    spec.timing = workspace::ResolveTiming(job.timing);
    // Unless it says so, code is not run twice because it failed once: what it did is not known.
    spec.timing.retries = job.timing.retries.value_or(0);
    spec.parameters = job.parameters;
    spec.partition = job.partition;
    if (job.partition) spec.parts_parallel = job.partition->parallel;
    spec.fans_out = job.for_each.has_value();
    if (job.for_each) spec.parts_parallel = job.for_each->parallel;
    spec.after_failure = job.after_outcome == "failure";
    spec.after_any = job.after_outcome == "any";
    return spec;
}

}  // namespace

std::vector<orchestrator::TaskSpec> TasksOf(const std::vector<JobDefinition>& jobs,
                                            const std::vector<workspace::Definition>& all) {
    Names names(all);
    std::vector<orchestrator::TaskSpec> tasks;
    for (const JobDefinition& job : jobs) tasks.push_back(TaskOf(job, names));
    return tasks;
}

std::vector<orchestrator::TaskSpec> TasksOf(const std::vector<workspace::Definition>& all) {
    return TasksOf(CollectJobs(all), all);
}

}  // namespace tarn::jobs
