#include "processing/jobs/jobs.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/text.h"
#include "processing/batch/question.h"
#include "processing/jobs/job_file.h"
#include "processing/jobs/job_task.h"

namespace tarn::jobs {
namespace {

using orchestrator::TaskOutcome;
using orchestrator::TaskRun;
using orchestrator::TaskSpec;

// A token outlives its run's timeout by so much: then it is void even if nobody ends it.
constexpr Duration kTokenGrace = std::chrono::minutes(1);
constexpr std::string_view kByHand = "hand: user:";

class AllJobs : public Jobs, public orchestrator::TaskKind {
  public:
    AllJobs(JobsConfig config, JobsDependencies dependencies)
        : config_(std::move(config)), dependencies_(std::move(dependencies)) {}

    std::vector<workspace::Kind> WorkspaceKinds() override;
    orchestrator::TaskKind& AsTaskKind() override { return *this; }
    std::vector<TaskSpec> Activate(const std::vector<workspace::Definition>& all) override {
        std::vector<JobDefinition> jobs = CollectJobs(all);
        std::vector<TaskSpec> tasks = TasksOf(jobs, all);
        std::lock_guard lock(mutex_);
        jobs_ = std::move(jobs);
        return tasks;
    }
    std::vector<JobDefinition> All() const override {
        std::lock_guard lock(mutex_);
        return jobs_;
    }
    std::string PersonOf(const TaskRun& run) const override {
        std::optional<JobDefinition> job = Find(run.spec().id);
        if (job && !job->owner.empty()) return job->owner;
        return run.trigger().starts_with(kByHand) ? run.trigger().substr(kByHand.size()) : "";
    }
    Status Health() override {
        {
            std::lock_guard lock(mutex_);
            bool code = std::any_of(jobs_.begin(), jobs_.end(), [](const JobDefinition& job) {
                return job.kind == "python" || job.kind == "shell" || job.kind == "r";
            });
            if (!code) return Ok();
        }
        auto fences = dependencies_.sandbox.Probe();
        if (!fences.ok()) return std::move(fences).error();
        if (fences->landlock == 0 && !told_.exchange(true)) {
            dependencies_.log.Warning("this kernel has no Landlock: jobs are fenced by their namespaces and seccomp");
        }
        if (fences->proc) return Ok();
        return Error(ErrorCode::kNotSupported,
                     "a sandbox gets no /proc of its own on this machine: memory and CPU time are limited for each "
                     "process of a job, not for all of them together");
    }

    Result<std::optional<TaskOutcome>> AskFirst(const JobDefinition& job, TaskRun& run,
                                                const security::Principal& person);
    Result<TaskOutcome> Run(TaskRun& run) override;
    Result<bool> HasNew(const TaskSpec&) override { return false; }
    Result<std::string> CurrentVersion(const TaskSpec&) override { return std::string(); }

  private:
    std::optional<JobDefinition> Find(const std::string& task) const {
        std::lock_guard lock(mutex_);
        auto found = std::find_if(jobs_.begin(), jobs_.end(),
                                  [&](const JobDefinition& job) { return "job:" + job.name == task; });
        return found == jobs_.end() ? std::nullopt : std::optional(*found);
    }

    const JobsConfig config_;
    JobsDependencies dependencies_;
    std::atomic<bool> told_{false};
    mutable std::mutex mutex_;  // guards jobs_
    std::vector<JobDefinition> jobs_;
};

std::vector<workspace::Kind> AllJobs::WorkspaceKinds() {
    workspace::Kind job;
    job.name = "job";
    job.folder = "use_cases/*";
    job.suffix = ".job.yaml";
    job.description = "What is not a SELECT: a script, an HTTP call, a wait.";
    job.keys = JobKeys();
    job.parse = [this](workspace::Definition& definition, workspace::Issues& issues) {
        ParseJobFile(dependencies_.engine, definition, issues);
    };
    job.validate = ValidateJobs;
    // Together with the tables, in Activate: a graph is set whole.
    job.activate = [](const std::vector<workspace::Definition>&) { return Ok(); };
    std::vector<workspace::Kind> kinds = {job};
    for (const auto& [name, suffix] :
         {std::pair("python_script", ".py"), {"shell_script", ".sh"}, {"r_script", ".r"}}) {
        workspace::Kind script;
        script.name = name;
        script.folder = job.folder;
        script.suffix = suffix;
        script.description = "The script of a job that names it.";
        script.parse = ParseScriptFile;
        script.activate = job.activate;
        kinds.push_back(std::move(script));
    }
    return kinds;
}

// What the run is if it is not the job itself: skipped, or the list of what runs.
Result<std::optional<TaskOutcome>> AllJobs::AskFirst(const JobDefinition& job, TaskRun& run,
                                                     const security::Principal& person) {
    batch::Asked asked{dependencies_.engine, person, job.name.substr(0, job.name.find('.')), run.cancel()};
    TaskOutcome outcome;
    if (!job.when.empty()) {
        std::string when = TRY(workspace::BoundSql(job.when, job.parameters, run.parameters()));
        if (!TRY_CONTEXT(batch::AskWhether(asked, when), "when")) {
            outcome.skipped = "its condition does not hold: " + when;
            return std::optional(std::move(outcome));
        }
    }
    if (!job.for_each) return std::optional<TaskOutcome>();
    outcome.items = job.for_each->items;
    if (!job.for_each->sql.empty()) {
        std::string sql = TRY(workspace::BoundSql(job.for_each->sql, job.parameters, run.parameters()));
        outcome.items = TRY_CONTEXT(batch::AskList(asked, sql), "for_each");
    }
    run.Write(fmt::format("{} items", outcome.items->size()));
    return std::optional(std::move(outcome));
}

Result<TaskOutcome> AllJobs::Run(TaskRun& run) {
    std::optional<JobDefinition> job = Find(run.spec().id);
    if (!job) return Error(ErrorCode::kNotFound, "{} is no longer in the workspace", run.spec().id);
    std::string person = PersonOf(run);
    if (person.empty()) {
        return Error(ErrorCode::kFailedPrecondition, "nobody is there whose rights it could have")
            .WithHint(fmt::format("write `owner: NAME` into {}, or start it by hand as a user", job->file));
    }
    auto credentials = dependencies_.credentials(person, run.run_id(), run.spec().timing.timeout + kTokenGrace);
    if (!credentials.ok()) {
        return Error(ErrorCode::kFailedPrecondition, "it can't run for {}: {}", person, credentials.error().message());
    }
    // Of a run for an item both were asked before.
    if (run.part().empty() || !job->for_each) {
        std::optional<TaskOutcome> asked = TRY(AskFirst(*job, run, credentials->principal));
        if (asked) return *asked;
    }
    JobRun under_way{*job, run, *credentials};
    if (job->kind == "http") return RunHttp(dependencies_, under_way);
    if (job->kind == "wait_for") return RunWait(dependencies_, under_way);
    run.Write(fmt::format("runs for {}", person));
    return RunCode(config_, dependencies_, under_way);
}

}  // namespace

Result<std::string> Resolve(security::SecretStore& secrets, const JobValue& value) {
    if (value.secret.empty()) return value.text;
    Secret secret = TRY(secrets.Get(value.secret));
    return std::string(secret.text());
}

std::string FillIn(const std::string& text, const workspace::ParameterValues& parameters) {
    std::string filled;
    for (size_t at = 0; at < text.size();) {
        size_t end = text[at] == '{' ? text.find('}', at) : std::string::npos;
        auto found = end == std::string::npos ? parameters.end() : parameters.find(text.substr(at + 1, end - at - 1));
        if (found == parameters.end()) {
            filled += text[at++];
            continue;
        }
        filled += found->second;
        at = end + 1;
    }
    return filled;
}

std::unique_ptr<Jobs> Jobs::Create(JobsConfig config, JobsDependencies dependencies) {
    return std::make_unique<AllJobs>(std::move(config), std::move(dependencies));
}

}  // namespace tarn::jobs
