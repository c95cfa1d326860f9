#include "app/archives.h"
#include "app/platform.h"

#include <algorithm>
#include <utility>

#include "access/backup/restore.h"
#include "app/doctor.h"
#include "app/events.h"
#include "app/health_checks.h"
#include "app/offline.h"
#include "app/platform_state.h"
#include "app/routes.h"
#include "app/system_tables.h"
#include "app/terminal.h"
#include "app/web_assets.h"
#include "app/workspace_tests.h"
#include "base/log_level.h"
#include "base/text.h"
#include "ingestion/connectors/gunzip.h"

namespace tarn::app {
namespace {

constexpr const char* kTokenName = "local-command-line";
constexpr Duration kTokenTime = std::chrono::hours(24 * 30);
constexpr int kWebThreads = 16;  // they block on the engine and the disk, they do not compute
constexpr int kS3Threads = 128;  // bodies of any size come and go on them, at the pace of the client
constexpr Duration kMaintenanceFirstAfter = std::chrono::minutes(10);  // not while everything loads
constexpr Duration kMaintenanceEvery = std::chrono::hours(6);
constexpr Duration kAuditFirstAfter = std::chrono::seconds(15);
constexpr Duration kAuditEvery = std::chrono::hours(1);
constexpr Duration kRetainEvery = std::chrono::seconds(30);        // what topics no longer keep
constexpr Duration kMeasureEvery = std::chrono::minutes(1);       // what the state directory takes
constexpr Duration kBackupLookEvery = std::chrono::seconds(30);  // whether one is due

std::string Absolute(const std::string& base, const std::string& path) {
    return path.starts_with("/") ? path : base + "/" + path;
}

// For what the program does as the person who owns it: with the rights of this moment.
auto PersonOf(Components& parts) {
    return [&parts](const std::string& name) -> Result<security::Principal> {
        identity::UserInfo user = TRY(parts.identity->FindUser(name));
        security::Principal principal;
        principal.kind = security::PrincipalKind::kUser;
        principal.name = user.name;
        principal.roles = user.roles;
        principal.groups = user.groups;
        return principal;
    };
}

class RunningPlatform : public Platform {
  public:
    RunningPlatform(Env& env, PlatformOptions options) : env_(env), options_(std::move(options)) {}
    ~RunningPlatform() override { Stop(); }

    Status Build();
    Status Start() override;
    PlatformAddresses addresses() const override {
        return {parts_.web_server->address(), parts_.s3_listener->address(), parts_.sql_server->address(),
                parts_.buffer->address()};
    }
    const std::string& state_directory() const override { return parts_.state->path(); }
    const std::string& admin_token_file() const override { return token_file_; }
    std::string certificate_file() const override {
        const std::string& path = parts_.config.tls.certificate;
        return path.empty() ? "" : Absolute(options_.directory, path);
    }
    Result<std::string> LoginLink() override {
        std::string link;
        if (!parts_.identity->NeedsAdminLink()) return link;
        TRY(Own(kOwnLoginLink, {"user", std::string(identity::kFirstUser)}, [&](security::Call&) -> Status {
            link = TRY(parts_.identity->AdminLink());
            return Ok();
        }));
        return link;
    }
    const std::string& workspace_issues() const override { return issues_; }
    bool Idle() const override { return parts_.orchestrator->Idle() && !ArchivesAreBehind(parts_); }
    Result<std::vector<orchestrator::TaskStatus>> Tasks() const override {
        return parts_.orchestrator->Tasks(security::Principal::System("app"));
    }
    std::string Progress() const override;
    Status SetSecret(const std::string& name, const std::string& value) override {
        return Own(kOwnSecret, {"secret", name},
                   [&](security::Call&) { return parts_.encryption->Set(name, Secret(std::string_view(value))); });
    }
    int64_t EngineMemoryBytes() const override { return parts_.engine_memory_bytes; }
    int64_t RowsOf(const std::string& schema, const std::string& name) const override {
        auto dataset = parts_.catalog->Describe(security::Principal::System("app"), schema, name);
        return dataset.ok() ? dataset->rows : -1;
    }
    Status Apply() override {
        TRY(ApplyFolder());
        return Ok();
    }
    Status Reload() override;
    Result<Json> Examine() override {
        Findings findings;
        TRY(Own(kOwnVerify, {"platform", "*"}, [&](security::Call&) -> Status {
            ExamineComponents(parts_, env_, findings);
            return Ok();
        }));
        return FindingsJson(findings);
    }
    Result<std::string> ApplyChanges() override;
    Result<Json> Verify(bool audit_only) override {
        VerifyReport report;
        TRY(Own(kOwnVerify, {"platform", "*"}, [&](security::Call& call) -> Status {
            report = TRY(VerifyAll(parts_, audit_only));
            call.details["issues"] = report.issues.size();
            return Ok();
        }));
        return Json{{"checked", report.checked}, {"issues", report.issues}};
    }
    Result<int64_t> Export(const std::string& directory,
                           const std::function<void(const std::string&)>& progress) override {
        int64_t count = 0;
        TRY(Own(kOwnExport, {"platform", "*"}, [&](security::Call& call) -> Status {
            count = TRY(ExportAll(parts_, env_, directory, progress));
            call.details["objects"] = count;
            return Ok();
        }));
        return count;
    }
    int64_t MemoryBytes() override { return parts_.monitoring->ResidentBytes(); }
    buffer::Topics& topics() override { return parts_.buffer->topics(); }
    Json Reference() override { return ReferenceJson(parts_); }

  private:
    // What the program does by itself, in the audit log like anybody's call.
    Status Own(const security::Operation& row, const security::Resource& resource,
               const std::function<Status(security::Call&)>& work) {
        return parts_.dispatcher->Run(row, security::Principal::System("app"), resource, "", work);
    }
    Result<workspace::Plan> ApplyFolder();
    Status OpenState();
    Status BuildSecurity();
    Status BuildStorage();
    Status BuildEngines();
    Status BuildWarehouse();
    Status BuildProcessing();
    Status BuildDestinations();
    Status BuildReports();
    Status BuildAlerting();
    void BuildJobs();
    Status ServeWeb(HttpRequest& request, HttpResponder& responder);
    Status BuildJobsListener();
    Status BuildWorkspace();
    Status BuildOperations();
    Status BuildListeners();
    Status WriteAdminToken();
    Status RecordRestore();
    Status WatchCertificate();
    Status BackUp(const MaintenanceJob::Stop& stop);
    Status DropOldLoads(const MaintenanceJob::Stop& stop);
    void StartMaintenance();
    Result<std::shared_ptr<TlsContext>> LoadTls();
    Result<Address> ListenAddress(const std::string& configured, const std::optional<std::string>& given);
    void Stop();

    Env& env_;
    PlatformOptions options_;
    Components parts_;
    std::string token_file_;
    std::string issues_;
    std::string applied_signature_;  // of the folder, as ApplyChanges took it last
    std::string last_signature_;
    bool started_ = false;
};

Status RunningPlatform::OpenState() {
    parts_.config = TRY(ReadTarnConfig(env_, options_.directory));
    std::string state = Absolute(options_.directory, parts_.config.state.directory);
    parts_.state = TRY(metadata::StateDirectory::Open(env_, state));
    TRY(env_.files().CreateDirectories(parts_.state->PathOf("log")));
    LogConfig log;
    log.path = parts_.state->PathOf("log/tarn.log");
    log.file_bytes_max = parts_.config.log.file_bytes_max.bytes;
    log.files_max = parts_.config.log.files_max;
    log.level = LogLevelOf(parts_.config.log.level);
    log.terminal = options_.terminal_log;
    parts_.log = TRY(Log::Create(env_, log));
    return Ok();
}

Status RunningPlatform::BuildSecurity() {
    Components& parts = parts_;
    parts.encryption = TRY(access::Encryption::Create(parts.config.encryption, {env_, *parts.state, parts.metrics}));
    Secret key = TRY(parts.encryption->KeyOf("metadata"));
    parts.database = TRY(metadata::Database::OpenSqlite(env_, parts.state->PathOf("metadata.db"), key));
    TRY(parts.encryption->Start(*parts.database));
    parts.audit = TRY(access::Audit::Create(parts.config.audit, {env_, *parts.encryption, *parts.database, *parts.log,
                                                                 parts.metrics, parts.state->PathOf("audit")}));
    parts.identity = TRY(identity::Identity::Create(
        parts.config.identity, {env_, *parts.log, parts.metrics, *parts.database, *parts.encryption, &parts.registry}));
    parts.dispatcher = std::make_unique<security::Dispatcher>(env_, *parts.identity, *parts.audit, parts.metrics);
    parts.router = std::make_unique<security::Router>(*parts.identity, *parts.dispatcher, parts.registry);
    AddOwnOperations(parts.registry);
    parts.monitoring =
        access::Monitoring::Create(parts.config.monitoring, {env_, parts.metrics, parts.state->path(), kVersion});
    parts.budget = access::Budget::Create(parts.config.budget, parts.config.limits,
                                          {env_, parts.metrics, *parts.log, parts.state->path(), MachineMemory(env_)});
    return Ok();
}

// Before the engine, which reads the copies' files through it.
Status RunningPlatform::BuildWarehouse() {
    Components& parts = parts_;
    const WarehouseSettings& settings = parts.config.warehouse;
    warehouse::WarehouseConfig config{.directory = parts.state->PathOf("warehouse"),
                                      .disk_bytes_max = settings.disk.bytes,
                                      .parallel = settings.parallel,
                                      .versions = settings.versions};
    auto recorded = [this](const std::string& table, const std::function<Status()>& build) {
        return parts_.dispatcher->Run(kOwnCache, security::Principal::System("warehouse"), {"table", table}, "",
                                      [&](security::Call&) { return build(); });
    };
    parts.warehouse = TRY(
        warehouse::Warehouse::Create(config, {parts.budget->CacheEnv(), parts.lake->AsFileStore(), *parts.encryption,
                                              *parts.database, parts.metrics, *parts.log, std::move(recorded)}));
    parts.catalog->SetServingCache(parts.warehouse->AsServingCache());
    return Ok();
}

Status RunningPlatform::BuildStorage() {
    Components& parts = parts_;
    parts.lake = TRY(lake::Lake::Create({parts.state->PathOf("lake")}, {parts.budget->LakeEnv(), *parts.identity,
                                                                        *parts.encryption, parts.metrics, *parts.log}));
    parts.catalog = TRY(catalog::Catalog::Create({env_, *parts.database, *parts.identity, &parts.homes}));
    TRY(BuildWarehouse());
    TRY(BuildEngines());
    // The gate asks what the catalog knows of the data; policies' expressions are checked by who will run them.
    parts.identity->SetTableFacts(*parts.catalog, [&parts](const std::string& sql) -> Status {
        auto analysis = TRY(parts.engine->Analyze(sql));
        if (analysis.tables.size() == 1) return Ok();
        return Error(ErrorCode::kInvalidArgument,
                     "an expression over the table's own columns, which reads no other table");
    });
    parts.lakehouse =
        TRY(lakehouse::Lakehouse::Create({env_, *parts.lake, *parts.engine, *parts.identity, parts.metrics, *parts.log,
                                          parts.config.tables.keep, &parts.homes}));
    parts.catalog->AddProvider(parts.lakehouse->AsProvider());
    return Ok();
}

// One for everybody, and one for each role that has memory of its own, taken from everybody's.
Status RunningPlatform::BuildEngines() {
    Components& parts = parts_;
    engine::EngineConfig engine;
    engine.memory_bytes_max = EngineMemory(parts.config, MachineMemory(env_));
    parts.engine_memory_bytes = engine.memory_bytes_max;
    parts.metrics.GetGauge("tarn_engine_memory_limit_bytes", "Memory that queries may use together")
        .Set(static_cast<double>(engine.memory_bytes_max));
    engine.threads = parts.config.engine.threads;
    engine.spill_bytes_max = parts.config.engine.spill.bytes;
    engine.spill_directory = parts.state->PathOf("tmp/engine");
    engine.extension_directory = ProgramDirectory() + "/extensions";
    parts.outgoing = std::make_unique<destinations::OutgoingFiles>(env_, parts.warehouse->AsFileStore());
    engine::EngineDependencies dependencies{env_, *parts.outgoing, *parts.catalog, parts.metrics, *parts.log};
    std::map<std::string, engine::Engine*> of_roles;
    int64_t left = engine.memory_bytes_max;
    for (const auto& [role, limits] : parts.config.limits) {
        if (limits.memory.bytes == 0) continue;
        left -= limits.memory.bytes;
        engine::EngineConfig own = engine;
        own.memory_bytes_max = limits.memory.bytes;
        own.spill_directory = parts.state->PathOf(fmt::format("tmp/engine_of_role_{}", of_roles.size() + 1));
        TRY(env_.files().CreateDirectories(own.spill_directory));
        parts.role_engines[role] = TRY(engine::Engine::Create(own, dependencies));
        of_roles[role] = parts.role_engines[role].get();
    }
    if (left < engine.memory_bytes_max / 4) {
        return Error(ErrorCode::kInvalidArgument,
                     "the roles of `limits` in tarn.yaml take so much of the {} of memory that queries have that less "
                     "than a quarter is left for everybody else",
                     FormatSize(engine.memory_bytes_max));
    }
    engine.memory_bytes_max = left;
    TRY(env_.files().CreateDirectories(engine.spill_directory));
    parts.bare_engine = TRY(engine::Engine::Create(engine, dependencies));
    parts.engine = parts.budget->Wrap(*parts.bare_engine, std::move(of_roles));
    return Ok();
}

Status RunningPlatform::BuildProcessing() {
    Components& parts = parts_;
    parts.dialer = Dialer::Create();
    parts.http = HttpClient::Create(*parts.dialer);
    parts.schemas = TRY(registry::Registry::Create({env_, *parts.database, *parts.identity, parts.metrics}));
    parts.buffer =
        TRY(buffer::Buffer::Create(parts.config.buffer, parts.state->PathOf("buffer"),
                                   {parts.budget->LakeEnv(), *parts.database, *parts.identity, *parts.dispatcher,
                                    *parts.encryption, *parts.identity, parts.metrics, *parts.log}));
    access::BackupConfig backup = parts.config.backup;
    if (!backup.to.empty()) backup.to = Absolute(options_.directory, backup.to);
    parts.backup = TRY(access::Backup::Create(backup, {env_, *parts.state, *parts.database, *parts.lake, *parts.buffer,
                                                       *parts.audit, parts.metrics, kVersion}));
    parts.catalog->AddProvider(parts.buffer->AsProvider());
    parts.connectors = TRY(connectors::Connectors::Create(
        {env_, *parts.lake, *parts.engine, *parts.catalog, *parts.encryption, *parts.dialer, *parts.http, parts.metrics,
         *parts.log, options_.directory, &parts.homes, &parts.buffer->topics()}));
    parts.buffer->KeepFor([&parts] { return parts.connectors->ArchivedOffsets(); });
    parts.catalog->AddProvider(parts.connectors->AsProvider());
    orchestrator::OrchestratorConfig runs;
    runs.parallel_max = parts.config.runs.parallel;
    for (const auto& [name, places] : parts.config.runs.pools.items()) runs.pools[name] = places.get<int>();
    runs.runs_kept = static_cast<int>(parts.config.runs.keep);
    runs.runs_kept_for = parts.config.runs.keep_for;
    parts.orchestrator = TRY(
        orchestrator::Orchestrator::Create(runs, {env_, *parts.database, *parts.identity, parts.metrics, *parts.log}));
    parts.batch = TRY(batch::Batch::Create({env_, *parts.engine, *parts.catalog, *parts.lakehouse, *parts.connectors,
                                            *parts.orchestrator, *parts.log, &parts.homes, parts.warehouse.get()}));
    // In front of the batch's own kinds: each run is an operation, and in the audit log.
    parts.source_task = std::make_unique<AuditedTask>(parts.batch->AsSourceTask(), kOwnLoad,
                                                      security::Principal::System("ingestion"), *parts.dispatcher);
    parts.table_task = std::make_unique<AuditedTask>(parts.batch->AsTableTask(), kOwnBuild,
                                                     security::Principal::System("batch"), *parts.dispatcher);
    parts.orchestrator->RegisterKind("source", *parts.source_task);
    parts.orchestrator->RegisterKind("table", *parts.table_task);
    BuildJobs();
    parts.dashboards = TRY(dashboards::Dashboards::Create(
        {env_, *parts.database, *parts.engine, *parts.catalog, *parts.identity, parts.metrics, &parts.homes}));
    TRY(BuildDestinations());
    TRY(BuildAlerting());
    return BuildReports();
}

// This program, as sandboxes see it.
static std::map<std::string, std::string> OwnPrograms() {
    std::map<std::string, std::string> programs;
    for (const char* name : {"tarn", "libduckdb.so"}) programs[ProgramDirectory() + "/" + name] = name;
    return programs;
}

// What draws reports is a file of the web UI.
static Result<std::string> DrawScript() {
    constexpr size_t kScriptBytesMax = 16 << 20;
    for (const WebAsset& asset : WebAssets()) {
        if (asset.path == "/report/draw.js") return connectors::Gunzip(AsText(asset.gzip_bytes), kScriptBytesMax);
    }
    return Error(ErrorCode::kNotSupported, "this Tarn was built without its web UI, which draws reports as PNG and PDF")
        .WithHint("take csv, or a Tarn with the web UI");
}

Status RunningPlatform::BuildReports() {
    Components& parts = parts_;
    parts.registry.Add(reports::OwnOperation());
    parts.reports = TRY(reports::Reports::Create({env_,
                                                  *parts.dashboards,
                                                  *parts.engine,
                                                  {*parts.sandbox, OwnPrograms(), DrawScript},
                                                  *parts.dispatcher,
                                                  *parts.orchestrator,
                                                  parts.alerting->AsMailer(),
                                                  PersonOf(parts)}));
    // It is its own operation, as the person for whom it is made.
    parts.orchestrator->RegisterKind("report", parts.reports->AsTaskKind());
    parts.batch->AddTasks(
        [&parts](const std::vector<workspace::Definition>& all) { return parts.reports->Activate(all); });
    return Ok();
}

Status RunningPlatform::BuildDestinations() {
    Components& parts = parts_;
    parts.registry.Add(destinations::OwnOperation());
    parts.destinations = TRY(destinations::Destinations::Create(
        {env_, *parts.database, *parts.dispatcher, *parts.encryption, *parts.engine, *parts.catalog, *parts.lakehouse,
         *parts.orchestrator, *parts.dialer, *parts.http, *parts.outgoing, *parts.log, options_.directory,
         PersonOf(parts), &parts.homes}));
    // It is its own operation, as the owner's.
    parts.orchestrator->RegisterKind("destination", parts.destinations->AsTaskKind());
    parts.batch->AddTasks(
        [&parts](const std::vector<workspace::Definition>& all) { return parts.destinations->Activate(all); });
    return Ok();
}

// What alerts of `sla` find: runs that outlast it, until they end.
static Result<std::vector<alerting::Observed>> LateRuns(const orchestrator::Orchestrator& orchestrator,
                                                        const std::vector<std::string>& tasks) {
    std::vector<alerting::Observed> wrong;
    for (const orchestrator::Run& run : orchestrator.Late()) {
        bool asked = std::any_of(tasks.begin(), tasks.end(), [&](const std::string& glob) {
            return MatchesWildcard(glob, run.task) || MatchesWildcard(glob, run.task.substr(run.task.find(':') + 1));
        });
        if (!asked) continue;
        Labels labels = {{"task", run.task}};
        if (!run.part.empty()) labels["part"] = run.part;
        wrong.push_back({std::move(labels), std::nullopt,
                         fmt::format("run {}, queued at {}, is {} and outlasts its sla", run.id,
                                     FormatTime(run.queued_at), orchestrator::RunStateName(run.state))});
    }
    return wrong;
}

Status RunningPlatform::BuildAlerting() {
    Components& parts = parts_;
    for (const security::Operation& row : alerting::OwnOperations()) parts.registry.Add(row);
    auto samples = [&parts] {
        parts.monitoring->Refresh();
        return parts.metrics.Samples();
    };
    parts.alerting =
        TRY(alerting::Alerting::Create({env_, *parts.database, *parts.dispatcher, *parts.encryption, *parts.engine,
                                        *parts.catalog, *parts.orchestrator, *parts.dialer, *parts.http, parts.metrics,
                                        *parts.log, options_.directory, std::move(samples), PersonOf(parts)}));
    parts.alerting->AddReports(
        "sla", [&parts](const std::vector<std::string>& tasks) { return LateRuns(*parts.orchestrator, tasks); });
    return Ok();
}

void RunningPlatform::BuildJobs() {
    Components& parts = parts_;
    std::vector<std::string> keeper = {"/proc/self/exe", std::string(kSandboxKeeperWord)};
    parts.sandbox = Sandbox::Create(keeper, *parts.dialer, *parts.log);
    auto credentials = [&parts](const std::string& user, const std::string& run,
                                Duration ttl) -> Result<jobs::RunCredentials> {
        jobs::RunCredentials made;
        made.token = TRY(parts.identity->StartRun(user, run, ttl));
        made.hold = std::shared_ptr<void>(nullptr, [&parts, run](void*) { parts.identity->EndRun(run); });
        made.principal = TRY(parts.identity->ByToken(made.token));
        return made;
    };
    parts.jobs =
        jobs::Jobs::Create(parts.config.jobs, {env_, *parts.dialer, *parts.http, *parts.encryption, *parts.catalog,
                                               *parts.lake, *parts.log, *parts.sandbox, *parts.engine, credentials,
                                               [&parts] { return parts.api; }, OwnPrograms()});
    auto who = [&parts](const orchestrator::TaskRun& run) {
        security::Principal principal = security::Principal::System("jobs");
        std::string person = parts.jobs->PersonOf(run);
        if (!person.empty()) principal.on_behalf_of = "user:" + person;
        return principal;
    };
    parts.job_task = std::make_unique<AuditedTask>(parts.jobs->AsTaskKind(), kOwnJob, who, *parts.dispatcher);
    parts.orchestrator->RegisterKind("job", *parts.job_task);
    parts.batch->AddTasks(
        [&parts](const std::vector<workspace::Definition>& all) { return parts.jobs->Activate(all); });
}

Status RunningPlatform::ServeWeb(HttpRequest& request, HttpResponder& responder) {
    auto serve = [&] {
        if (registry::IsBelow(request.path)) return registry::Serve(*parts_.router, request, responder);
        return parts_.router->Serve(request, responder);
    };
    // An object goes through in small pieces, whatever its size.
    bool streams = request.method == "PUT" && request.path.starts_with("/api/v1/lake/");
    return streams ? serve() : parts_.budget->Serve(request, serve);
}

// Jobs come through their sandbox's forwarder to plain HTTP on loopback; with TLS that is a listener of their own.
Status RunningPlatform::BuildJobsListener() {
    Components& parts = parts_;
    parts.api = parts.web_server->address();
    if (!parts.tls) return Ok();
    HttpServerConfig config;
    config.listen = {"127.0.0.1", 0};
    config.body_bytes_max = 5ull << 30;
    parts.jobs_server = TRY(HttpServer::Create(
        config, *parts.log, *parts.web_executor,
        [this](HttpRequest& request, HttpResponder& responder) { return ServeWeb(request, responder); }));
    parts.api = parts.jobs_server->address();
    return Ok();
}

Status RunningPlatform::BuildWorkspace() {
    Components& parts = parts_;
    parts.workspace =
        TRY(workspace::Workspace::Create(options_.directory, {env_, *parts.database, *parts.log, &parts.homes}));
    parts.workspace->CheckRenames([&parts](const workspace::LoadedWorkspace& loaded, workspace::Issues& issues) {
        CheckRenames(parts, loaded, issues);
    });
    parts.workspace->OnRename(parts.orchestrator->FollowRenames());
    parts.workspace->OnRename(parts.alerting->FollowRenames());
    parts.workspace->OnRename(
        {.hold = nullptr,
         .move = [&parts](const auto& renames,
                          auto& transaction) { return parts.catalog->MoveNames(renames, transaction); },
         .moved = [&parts](const auto&) { return parts.catalog->NamesMoved(); }});
    // Policies first: what the others activate may start at once, under the new policies.
    parts.workspace->Register(parts.identity->PolicyKind());
    parts.workspace->Register(parts.identity->PolicyTestKind(MakePolicyTestSupport(parts)));
    parts.workspace->Register(parts.connectors->WorkspaceKind());
    parts.workspace->Register(parts.batch->WorkspaceKind());
    for (workspace::Kind& kind : parts.jobs->WorkspaceKinds()) parts.workspace->Register(std::move(kind));
    parts.workspace->Register(parts.batch->UseCaseKind());
    parts.workspace->Register(parts.batch->TestKind());
    for (workspace::Kind& kind : parts.dashboards->WorkspaceKinds()) parts.workspace->Register(std::move(kind));
    parts.workspace->Register(parts.destinations->WorkspaceKind());
    parts.workspace->Register(parts.alerting->WorkspaceKind());
    parts.system_tables = std::make_unique<SystemTables>(parts);
    parts.events = std::make_unique<Events>(env_, *parts.orchestrator, *parts.identity, parts.metrics);
    parts.catalog->AddProvider(*parts.system_tables);
    return Ok();
}

// Before the workspace is applied: a policy is checked against all operations that there are.
Status RunningPlatform::BuildOperations() {
    Components& parts = parts_;
    for (const security::Operation& row : buffer::KafkaOperations()) parts.registry.Add(row);
    AddHealthChecks(parts, env_);
    AddRoutes(parts, env_);
    parts.s3_server = TRY(lake::S3Server::Create(
        {env_, *parts.lake, *parts.identity, *parts.dispatcher, parts.registry, parts.metrics, *parts.log,
         [&parts](const security::Principal& principal) { return parts.budget->BeginCall(principal); }}));
    return Ok();
}

Result<workspace::Plan> RunningPlatform::ApplyFolder() {
    workspace::Plan plan;
    TRY(Own(kOwnApply, {"workspace", "*"}, [&](security::Call& call) -> Status {
        workspace::LoadedWorkspace loaded = TRY(parts_.workspace->Load());
        if (!loaded.issues.empty()) {
            issues_ = FormatIssues(loaded.issues);
            return Error(ErrorCode::kInvalidArgument, "{}", issues_);
        }
        issues_.clear();
        plan = TRY(parts_.workspace->Apply(call.principal, loaded));
        call.details["steps"] = plan.steps.size();
        for (const workspace::Rename& rename : loaded.renames) {
            call.details["renames"].push_back(fmt::format("{} {} → {}", rename.kind, rename.from, rename.to));
        }
        return Ok();
    }));
    return plan;
}

Result<std::string> RunningPlatform::ApplyChanges() {
    std::string seen = TRY(parts_.workspace->Signature());
    if (seen == applied_signature_) return std::string();
    // Twice the same: an editor is perhaps still writing.
    if (std::exchange(last_signature_, seen) != seen) return std::string();
    applied_signature_ = seen;
    Result<workspace::Plan> applied = ApplyFolder();
    if (!applied.ok()) return "not applied:\n" + applied.error().message();
    std::vector<std::string> steps;
    for (const workspace::PlanStep& step : applied->steps) {
        steps.push_back(fmt::format("{} {} {}", step.change, step.kind, step.name));
    }
    return steps.empty() ? std::string() : "applied: " + Join(steps, ", ");
}

Result<std::shared_ptr<TlsContext>> RunningPlatform::LoadTls() {
    const TlsConfig& tls = parts_.config.tls;
    if (tls.certificate.empty() != tls.key.empty()) {
        return Error(ErrorCode::kInvalidArgument, "tls needs both `certificate` and `key`");
    }
    if (tls.certificate.empty()) return std::shared_ptr<TlsContext>();
    std::string certificate = TRY(ReadFile(env_, Absolute(options_.directory, tls.certificate), 1 << 20));
    std::string key = TRY(ReadFile(env_, Absolute(options_.directory, tls.key), 1 << 20));
    return TlsContext::Server(certificate, key);
}

Result<Address> RunningPlatform::ListenAddress(const std::string& configured, const std::optional<std::string>& given) {
    return ParseAddress(given.value_or(configured));
}

Status RunningPlatform::BuildListeners() {
    Components& parts = parts_;
    parts.tls = TRY(LoadTls());
    parts.web_executor = Executor::Create({.name = "web", .threads = kWebThreads, .queue_max = 1024});
    parts.s3_executor = Executor::Create({.name = "s3", .threads = kS3Threads, .queue_max = 1024});
    HttpServerConfig web;
    web.listen = TRY(ListenAddress(parts.config.listen.web, options_.web_address));
    web.tls = parts.tls;
    web.hosts = parts.config.hosts;
    web.body_bytes_max = 5ull << 30;  // uploads into the lake; every row has its own limit
    parts.web_server = TRY_CONTEXT(HttpServer::Create(web, *parts.log, *parts.web_executor,
                                                      [this](HttpRequest& request, HttpResponder& responder) {
                                                          return ServeWeb(request, responder);
                                                      }),
                                   "the web listener (`--web ADDR` or listen.web)");
    TRY(BuildJobsListener());
    HttpServerConfig s3;
    s3.listen = TRY(ListenAddress(parts.config.listen.s3, options_.s3_address));
    s3.tls = parts.tls;
    s3.hosts = {"*"};  // requests are signed, host included; nothing here is a browser's
    parts.s3_listener = TRY_CONTEXT(HttpServer::Create(s3, *parts.log, *parts.s3_executor,
                                                       [&parts](HttpRequest& request, HttpResponder& responder) {
                                                           return parts.s3_server->Serve(request, responder);
                                                       }),
                                    "the S3 listener (`--s3 ADDR` or listen.s3)");
    Address sql = TRY(ListenAddress(parts.config.listen.sql, options_.sql_address));
    parts.sql_server = TRY_CONTEXT(
        query::SqlServer::Create({sql, parts.tls}, {env_, *parts.engine, *parts.catalog, *parts.identity,
                                                    *parts.dispatcher, parts.registry, parts.metrics, *parts.log}),
        "the SQL listener (`--sql ADDR` or listen.sql)");
    buffer::KafkaListener kafka;
    kafka.listen = TRY(ListenAddress(parts.config.listen.kafka, options_.kafka_address));
    kafka.advertised = parts.config.listen.kafka_host;
    kafka.tls = parts.tls;
    TRY_CONTEXT(parts.buffer->Listen(kafka), "the Kafka listener (`--kafka ADDR` or listen.kafka)");
    return Ok();
}

Status RunningPlatform::WriteAdminToken() {
    std::string user(identity::kFirstUser);
    token_file_ = parts_.state->PathOf("admin.token");
    return Own(kOwnToken, {"token", user}, [&](security::Call& call) -> Status {
        call.details["name"] = kTokenName;
        std::string token = TRY(parts_.identity->MintToken(user, kTokenName, kTokenTime));
        return WriteFileDurably(env_, token_file_, token + "\n", 0600);
    });
}

Status RunningPlatform::Build() {
    TRY(OpenState());
    TRY(BuildSecurity());
    TRY(BuildStorage());
    TRY(RecordRestore());
    TRY(BuildProcessing());
    TRY(BuildWorkspace());
    return BuildOperations();
}

// The log goes on where the backup ended: that it does stands in it, before anything else.
Status RunningPlatform::RecordRestore() {
    std::string file = parts_.state->PathOf(access::kRestoredFile);
    if (!env_.files().Exists(file)) return Ok();
    Json restored = TRY_CONTEXT(ParseJson(TRY(ReadFile(env_, file, 1 << 16))), file);
    TRY(Own(kOwnRestore, {"platform", "*"}, [&](security::Call& call) -> Status {
        call.details = restored;
        return Ok();
    }));
    parts_.log->Warning("this state was restored from a backup", {{"backup", restored.value("backup", "")}});
    return env_.files().Remove(file);
}

Status RunningPlatform::BackUp(const MaintenanceJob::Stop& stop) {
    if (!parts_.backup->Due()) return Ok();
    return Own(kOwnBackup, {"platform", "*"}, [&](security::Call& call) -> Status {
        access::BackupOutcome outcome = TRY(parts_.backup->Run({}, stop));
        call.details["backup"] = outcome.backup.name;
        call.details["place"] = outcome.place;
        call.bytes = static_cast<int64_t>(outcome.backup.bytes_new);
        return Ok();
    });
}

Status RunningPlatform::DropOldLoads(const MaintenanceJob::Stop& stop) {
    for (const connectors::Connectors::OldLoads& old : TRY(parts_.connectors->FindOldLoads())) {
        if (stop()) return Ok();
        Status dropped = Own(kOwnDropLoads, {"source", old.source}, [&](security::Call& call) -> Status {
            call.details["stream"] = old.stream;
            call.details["loads"] = old.loads;
            call.bytes = TRY(parts_.connectors->DropLoads(old));
            return Ok();
        });
        // Most often the stream is being loaded: the next time, then.
        if (!dropped.ok()) {
            parts_.log->Warning(
                "old loads were not dropped",
                {{"source", old.source}, {"stream", old.stream}, {"error", dropped.error().ToString()}});
        }
    }
    return Ok();
}

Status RunningPlatform::Start() {
    // What was applied last runs even if the folder has become wrong since: a typo does not stop a platform.
    std::string origin = TRY(parts_.workspace->AppliedOrigin());
    // Before the folder is read: what is saved meanwhile is a change. Whether it can be read, Apply says.
    if (options_.watch) applied_signature_ = parts_.workspace->Signature().value_or("");
    if (!origin.empty()) {
        // Somebody chose a commit: what lies in the folder meanwhile is no order to run it.
        parts_.log->Info("what runs is a commit; `tarn apply` takes the folder", {{"origin", origin}});
        TRY(parts_.workspace->ActivateApplied());
    }
    Status applied = origin.empty() ? Apply() : Ok();
    if (!applied.ok()) {
        if (issues_.empty()) issues_ = applied.error().message();
        parts_.log->Warning("the workspace was not applied", {{"issues", issues_}});
        TRY(parts_.workspace->ActivateApplied());
    }
    TRY(parts_.budget->MeasureDisk());
    parts_.budget->Start(*parts_.bare_engine);
    TRY(BuildListeners());
    parts_.reloader = std::make_unique<Reloader>(parts_, env_, options_.directory);
    TRY(WriteAdminToken());
    TRY(parts_.orchestrator->Start());
    parts_.warehouse->Start(*parts_.engine, *parts_.lake, *parts_.lakehouse);
    TRY(parts_.alerting->Start());
    StartMaintenance();
    started_ = true;
    parts_.monitoring->SetReady(true);
    PlatformAddresses listening = addresses();
    parts_.log->Info("tarn is up", {{"web", listening.web.ToString()},
                                    {"s3", listening.s3.ToString()},
                                    {"sql", listening.sql.ToString()},
                                    {"kafka", listening.kafka.ToString()},
                                    {"engine_memory_bytes", parts_.engine_memory_bytes}});
    return Ok();
}

Status RunningPlatform::Reload() {
    ReloadReport report;
    Status reloaded = Own(kOwnReload, {"platform", "*"}, [&](security::Call& call) -> Status {
        report = TRY(parts_.reloader->Reload());
        call.details = ReloadJson(report);
        return Ok();
    });
    if (!reloaded.ok()) {
        parts_.log->Error("tarn.yaml was not reloaded; what was read before holds",
                          {{"error", reloaded.error().ToString()}});
        return reloaded;
    }
    parts_.log->Info("tarn.yaml was reloaded", {{"taken", Join(report.taken, ", ")},
                                                {"need_restart", Join(report.need_restart, ", ")},
                                                {"certificate", report.certificate ? "new" : "as before"}});
    return Ok();
}

Status RunningPlatform::WatchCertificate() {
    bool taken = TRY(parts_.reloader->TakeNewCertificate());
    if (taken) parts_.log->Info("a new certificate is shown to new connections");
    return Ok();
}

void RunningPlatform::StartMaintenance() {
    auto tables = [this](const MaintenanceJob::Stop& stop) -> Status {
        lakehouse::MaintenanceReport report;
        TRY(Own(kOwnClean, {"table", "*"}, [&](security::Call& call) -> Status {
            report = TRY(parts_.lakehouse->Maintain(stop));
            call.details["files"] = report.files_removed;
            call.details["tables"] = report.tables_removed;
            return Ok();
        }));
        for (const std::string& failure : report.failures) {
            parts_.log->Warning("a table can't be cleaned up", {{"error", failure}});
        }
        if (report.files_removed == 0 && report.tables_removed.empty()) return Ok();
        parts_.log->Info("old versions were removed",
                         {{"files", report.files_removed}, {"tables", Join(report.tables_removed, ", ")}});
        return Ok();
    };
    auto audit = [this](const MaintenanceJob::Stop& stop) -> Status {
        uint64_t records = TRY(parts_.audit->DropOld(stop));
        if (records > 0) parts_.log->Info("old audit records were dropped by audit.keep", {{"records", records}});
        return Ok();
    };
    parts_.maintenance = std::make_unique<Maintenance>(
        env_, *parts_.log,
        std::vector<MaintenanceJob>{
            {"tables", kMaintenanceFirstAfter, kMaintenanceEvery, std::move(tables)},
            {"loads", kMaintenanceFirstAfter, kMaintenanceEvery,
             [this](const auto& stop) { return DropOldLoads(stop); }},
            {"audit", kAuditFirstAfter, kAuditEvery, std::move(audit)},
            {"buffer", kRetainEvery, kRetainEvery, [this](const auto&) { return parts_.buffer->Maintain(); }},
            {"disk", kMeasureEvery, kMeasureEvery, [this](const auto&) { return parts_.budget->MeasureDisk(); }},
            {"certificate", Duration(0), Duration(0), [this](const auto&) { return WatchCertificate(); }},
            {"backup", kBackupLookEvery, kBackupLookEvery, [this](const auto& stop) { return BackUp(stop); }}});
    parts_.maintenance->Start();
}

void RunningPlatform::Stop() {
    if (parts_.monitoring) parts_.monitoring->SetReady(false);
    // Listeners end first, so that no call reaches a component that is going.
    parts_.sql_server.reset();
    if (parts_.buffer) parts_.buffer->StopListening();
    parts_.s3_listener.reset();
    parts_.jobs_server.reset();
    parts_.web_server.reset();
    parts_.events.reset();
    if (parts_.maintenance) parts_.maintenance->Stop();
    if (parts_.alerting) parts_.alerting->Stop();
    if (parts_.orchestrator) parts_.orchestrator->Stop();
    if (parts_.warehouse) parts_.warehouse->Stop();
    if (parts_.budget) parts_.budget->Stop();
    if (parts_.identity) parts_.identity->Stop();
    if (parts_.audit) parts_.audit->Stop();
    if (started_) parts_.log->Info("tarn stopped");
    started_ = false;
}

std::string RunningPlatform::Progress() const {
    auto tasks = Tasks();
    if (!tasks.ok()) return tasks.error().message();
    size_t fresh = 0;
    std::vector<std::string> running;
    for (const orchestrator::TaskStatus& task : *tasks) {
        fresh += task.fresh ? 1 : 0;
        if (!task.current || task.current->state != orchestrator::RunState::kRunning) continue;
        std::string note = task.current->note.empty() ? "" : " (" + task.current->note + ")";
        running.push_back((task.spec.dataset.empty() ? task.spec.id : task.spec.dataset) + note);
    }
    std::string text = fmt::format("{} of {} fresh", fresh, tasks->size());
    return running.empty() ? text : text + "; running " + Join(running, ", ");
}

}  // namespace

Result<std::unique_ptr<Platform>> Platform::Create(Env& env, PlatformOptions options) {
    auto platform = std::make_unique<RunningPlatform>(env, std::move(options));
    TRY(platform->Build());
    return std::unique_ptr<Platform>(std::move(platform));
}

}  // namespace tarn::app
