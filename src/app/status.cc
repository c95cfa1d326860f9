#include "app/status.h"

#include <algorithm>

#include "app/platform_state.h"
#include "base/text.h"

namespace tarn::app {
namespace {

using orchestrator::Run;
using orchestrator::RunState;
using orchestrator::TaskStatus;
using security::HttpCall;
using security::Principal;

constexpr int kRunsLookedAtMax = 1000;  // of one state
constexpr size_t kListedMax = 100;      // of each list; how many there are is said beside it
constexpr Duration kOverdueAfter = std::chrono::minutes(1);
constexpr const char* kUnderWay[] = {"running", "queued", "waiting_retry", "waiting_approval", "waiting_items"};
constexpr const char* kLevels[] = {"ok", "warning", "failing"};

Json TimeJson(const std::optional<Timestamp>& time) { return time ? Json(FormatTime(*time)) : Json(); }

std::string NameOf(const TaskStatus& task) {
    return task.spec.dataset.empty() ? task.spec.id.substr(task.spec.id.find(':') + 1) : task.spec.dataset;
}

// What is collected: sections, those that could not be read, and the worst of all that was found.
class Page {
  public:
    explicit Page(Json head) : body_(std::move(head)), unreadable_(Json::array()) {}

    void Worsen(std::string_view level) {
        auto found = std::find(std::begin(kLevels), std::end(kLevels), level);
        level_ = std::max(level_, static_cast<size_t>(found - std::begin(kLevels)));
    }
    void Add(const std::string& section, Result<Json> content) {
        if (!content.ok()) {
            Worsen("failing");
            unreadable_.push_back(
                {{"section", section}, {"message", content.error().message()}, {"hint", content.error().hint()}});
            return;
        }
        if (content->is_object() && content->contains("level")) Worsen(content->value("level", ""));
        body_[section] = std::move(*content);
    }
    // What people should look at, each; the program itself does its work.
    void AddList(const std::string& section, Result<Json> all) {
        if (!all.ok()) return Add(section, std::move(all));
        if (!all->empty()) Worsen("warning");
        size_t count = all->size();
        if (count > kListedMax) all->erase(all->begin() + kListedMax, all->end());
        body_[section] = {{"count", count}, {"list", std::move(*all)}};
    }
    Json Take() {
        body_["level"] = kLevels[level_];
        body_["unreadable"] = std::move(unreadable_);
        return std::move(body_);
    }

  private:
    Json body_;
    Json unreadable_;
    size_t level_ = 0;
};

// ---- the program itself

Json MemoryJson(Components& parts) {
    access::MemoryState memory = parts.budget->Memory();
    return {{"level", memory.is_short ? "warning" : "ok"},
            {"used_bytes", memory.resident_bytes},
            {"budget_bytes", memory.budget_bytes > 0 ? Json(memory.budget_bytes) : Json()},
            {"queries_bytes", parts.engine_memory_bytes}};
}

Result<Json> DiskJson(Components& parts, Env& env) {
    TRY_CONTEXT(env.files().FreeBytes(parts.state->path()), "the disk of the state directory");
    access::DiskState disk = parts.budget->Disk();
    return Json({{"level", disk.stops()   ? "failing"
                           : disk.warns() ? "warning"
                                          : "ok"},
                 {"used_bytes", disk.used_bytes},
                 {"left_bytes", disk.left_bytes},
                 {"warn_bytes", disk.warn_bytes},
                 {"stop_bytes", disk.stop_bytes}});
}

Json BackupJson(Components& parts) {
    access::BackupConfig config = parts.backup->config();
    Status health = parts.backup->Health();
    Json schedule;
    if (config.every.count() > 0) schedule = {{"to", config.to}, {"every", FormatDuration(config.every)}};
    return {{"level", health.ok() ? "ok" : "warning"},
            {"schedule", std::move(schedule)},
            {"last_success", TimeJson(parts.backup->last_success())},
            {"message", health.ok() ? "" : health.error().message()}};
}

// ---- runs

struct UnderWay {
    std::vector<Run> runs;
    Json counts = Json::object();
    bool complete = true;  // false: there are more than were looked at
};

Result<UnderWay> RunsUnderWay(Components& parts, const Principal& principal) {
    UnderWay found;
    for (const char* state : kUnderWay) {
        auto runs = TRY(parts.orchestrator->Runs(principal, {.state = state, .limit = kRunsLookedAtMax}));
        found.counts[state] = runs.size();
        found.complete = found.complete && runs.size() < kRunsLookedAtMax;
        found.runs.insert(found.runs.end(), runs.begin(), runs.end());
    }
    return found;
}

Json WorkJson(const UnderWay& work) {
    Json runs = Json::array();
    for (const Run& run : work.runs) {
        if (runs.size() == kListedMax) break;
        runs.push_back({{"id", run.id},
                        {"task", run.task},
                        {"part", run.part},
                        {"state", RunStateName(run.state)},
                        {"queued_at", FormatTime(run.queued_at)},
                        {"started_at", TimeJson(run.started_at)},
                        {"note", run.note}});
    }
    return {{"counts", work.counts}, {"complete", work.complete}, {"runs", std::move(runs)}};
}

// What failed last, and so stayed as it was.
Json FailingJson(const std::vector<TaskStatus>& tasks) {
    Json failing = Json::array();
    for (const TaskStatus& task : tasks) {
        if (!task.last || task.last->state != RunState::kFailed) continue;
        failing.push_back({{"name", NameOf(task)},
                           {"task", task.spec.id},
                           {"run", task.last->id},
                           {"ended_at", TimeJson(task.last->ended_at)},
                           {"error", task.last->error},
                           {"runs_again", task.current.has_value()}});
    }
    return failing;
}

// What has not ended when it should have (its sla), and what should have begun and did not.
Json LateJson(const std::vector<TaskStatus>& tasks, const UnderWay& work, Timestamp now) {
    std::map<std::string, const Run*> late_runs;
    for (const Run& run : work.runs) {
        if (run.late) late_runs[run.task] = &run;
    }
    Json late = Json::array();
    for (const TaskStatus& task : tasks) {
        Json entry = {{"name", NameOf(task)}, {"task", task.spec.id}, {"dataset", task.spec.dataset}};
        auto run = late_runs.find(task.spec.id);
        if (run != late_runs.end()) {
            Duration sla = task.spec.timing.sla.value_or(Duration(0));
            entry["run"] = run->second->id;
            entry["since"] = FormatTime(run->second->queued_at + sla);
            entry["why"] = fmt::format("run {} is {} and has outlasted its sla of {}", run->second->id,
                                       RunStateName(run->second->state), FormatDuration(sla));
        } else if (!task.current && task.next_due && now - *task.next_due > kOverdueAfter) {
            entry["run"] = nullptr;
            entry["since"] = FormatTime(*task.next_due);
            entry["why"] = task.why;
        } else {
            continue;
        }
        late.push_back(std::move(entry));
    }
    return late;
}

// A part that is not well knows nothing new: an empty list of it would say that all is well.
Status WellEnough(const Status& health, bool may_know, const char* what) {
    if (health.ok()) return Ok();
    if (may_know) return Error(health.error()).Context(fmt::format("{} is not well", what));
    return Error(ErrorCode::kUnavailable, "{} is not well", what).WithHint("ask those who run the platform");
}

void AddRuns(Components& parts, const Principal& principal, bool monitors, Timestamp now, Page& page) {
    Status well = WellEnough(parts.orchestrator->Health(), monitors, "the orchestrator");
    Result<UnderWay> work = well.ok() ? RunsUnderWay(parts, principal) : Result<UnderWay>(Error(well.error()));
    Result<std::vector<TaskStatus>> tasks =
        well.ok() ? parts.orchestrator->Tasks(principal) : Result<std::vector<TaskStatus>>(Error(well.error()));
    page.Add("work", work.ok() ? Result<Json>(WorkJson(*work)) : Result<Json>(Error(work.error())));
    page.AddList("failing", tasks.ok() ? Result<Json>(FailingJson(*tasks)) : Result<Json>(Error(tasks.error())));
    if (tasks.ok() && work.ok()) return page.AddList("late", LateJson(*tasks, *work, now));
    page.AddList("late", Error(tasks.ok() ? work.error() : tasks.error()));
}

Result<Json> AlertsJson(Components& parts, const Principal& principal, bool monitors) {
    TRY(WellEnough(parts.alerting->Health(), monitors, "alerting"));
    Json alerts = Json::array();
    for (const alerting::FiringAlert& alert : parts.alerting->Firing(principal)) {
        alerts.push_back(
            {{"name", alert.name}, {"severity", alert.severity}, {"text", alert.text}, {"count", alert.count}});
    }
    return alerts;
}

Result<HttpResponse> ShowStatus(Components& parts, Env& env, Duration started, HttpCall& call) {
    const Principal& principal = call.principal;
    bool monitors = parts.identity->Decide(principal, "monitoring:Read", {"monitoring", "*"}).allowed;
    Timestamp now = env.clock().Now();
    Page page({{"name", parts.config.name},
               {"version", kVersion},
               {"at", FormatTime(now)},
               {"uptime_seconds", std::chrono::duration<double>(env.clock().Monotonic() - started).count()},
               {"ready", parts.monitoring->ready()}});
    Json health = parts.monitoring->Describe();
    page.Worsen(health.value("level", ""));  // no secret: /health tells it to everybody
    if (monitors) {
        page.Add("components", health["components"]);
        page.Add("memory", MemoryJson(parts));
        page.Add("disk", DiskJson(parts, env));
        page.Add("backup", BackupJson(parts));
    }
    AddRuns(parts, principal, monitors, now, page);
    page.AddList("alerts", AlertsJson(parts, principal, monitors));
    return security::JsonResponse(page.Take());
}

}  // namespace

security::Route StatusRoute(Components& parts, Env& env, Duration started) {
    return {{"http", "GET /api/v1/status", "self", "platform", security::AuditClass::kRead, {0, 16}},
            "*",
            [&parts, &env, started](HttpCall& call) { return ShowStatus(parts, env, started, call); }};
}

}  // namespace tarn::app
