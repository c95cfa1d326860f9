#include "processing/destinations/destinations.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/crypto.h"
#include "base/text.h"
#include "processing/destinations/target.h"

namespace tarn::destinations {
namespace {

using orchestrator::TaskOutcome;
using orchestrator::TaskRun;
using orchestrator::TaskSpec;
using security::AuditClass;
using security::HttpCall;
using security::Principal;

constexpr size_t kHashLetters = 12;
constexpr int kPostgresPort = 5432;
constexpr int kMysqlPort = 3306;
constexpr int kRetries = 1000;  // with pauses up to ten minutes: a target may be down for a week
constexpr security::OperationLimits kLimits{.body_bytes_max = 0, .concurrent_max = 10'000};
constexpr security::Operation kDeliver = {"internal",    "Deliver",           "destination:Deliver",
                                          "destination", AuditClass::kChange, kLimits};

struct Found {
    Destination destination;
    TableDelivery table;
};

class WorkspaceDestinations : public Destinations, public orchestrator::TaskKind {
  public:
    explicit WorkspaceDestinations(DestinationsDependencies dependencies) : dependencies_(std::move(dependencies)) {
        targets_["postgresql"] = MakePostgresTarget(dependencies_);
        targets_["mysql"] = MakeMysqlTarget(dependencies_);
        targets_["s3"] = MakeS3Target(dependencies_);
        targets_["http"] = MakeHttpTarget(dependencies_);
        targets_["files"] = MakeFilesTarget(dependencies_);
    }

    workspace::Kind WorkspaceKind() override {
        workspace::Kind kind;
        kind.name = "destination";
        kind.folder = "destinations";
        kind.suffix = ".yaml";
        kind.description = "Where tables are delivered besides: PostgreSQL, an HTTP API, files.";
        kind.keys = DestinationKeys();
        kind.parse = ParseDestinationFile;
        kind.validate = ValidateDestinations;
        // Taken with the graph of tasks (Activate), so that a task that starts finds its definition.
        kind.activate = [](const std::vector<workspace::Definition>&) { return Ok(); };
        return kind;
    }
    std::vector<TaskSpec> Activate(const std::vector<workspace::Definition>& all) override;
    orchestrator::TaskKind& AsTaskKind() override { return *this; }
    std::vector<security::Route> Routes() override;

    Result<TaskOutcome> Run(TaskRun& run) override;
    Result<bool> HasNew(const TaskSpec&) override { return false; }
    // What is there is known to the target alone, and asked there by each run.
    Result<std::string> CurrentVersion(const TaskSpec&) override { return std::string(); }

  private:
    Result<Found> Find(const std::string& task) const;
    Result<TaskOutcome> Deliver(TaskRun& run, const Found& found, const Principal& owner, security::Call& call);
    Result<HttpResponse> List(HttpCall& call);

    DestinationsDependencies dependencies_;
    std::map<std::string, std::unique_ptr<Target>> targets_;
    mutable std::mutex mutex_;  // guards destinations_
    std::vector<Destination> destinations_;
};

TaskSpec SpecOf(const Destination& destination, const TableDelivery& table) {
    TaskSpec spec;
    spec.id = fmt::format("destination:{}.{}", destination.name, table.name);
    spec.kind = "destination";
    spec.file = destination.file;
    spec.inputs = {table.from};
    spec.timing = workspace::ResolveTiming(table.timing, destination.timing);
    bool said = table.timing.retries || destination.timing.retries;
    if (!said) spec.timing.retries = kRetries;
    spec.fingerprint = destination.hash;
    return spec;
}

std::vector<TaskSpec> WorkspaceDestinations::Activate(const std::vector<workspace::Definition>& all) {
    std::vector<Destination> destinations;
    for (const workspace::Definition& definition : all) {
        const auto* destination = std::any_cast<Destination>(&definition.value);
        if (destination) destinations.push_back(*destination);
    }
    std::lock_guard lock(mutex_);
    destinations_ = std::move(destinations);
    return TasksOf(all);
}

Result<Found> WorkspaceDestinations::Find(const std::string& task) const {
    std::lock_guard lock(mutex_);
    for (const Destination& destination : destinations_) {
        for (const TableDelivery& table : destination.tables) {
            if (SpecOf(destination, table).id != task) continue;
            Found found{destination, table};
            std::string home = workspace::HomeOf(dependencies_.homes, "destination:" + destination.name);
            found.destination.home = home.substr(home.find(':') + 1);
            return found;
        }
    }
    return Error(ErrorCode::kNotFound, "{} is no longer in the workspace", task);
}

Result<TaskOutcome> WorkspaceDestinations::Run(TaskRun& run) {
    Found found = TRY(Find(run.spec().id));
    Principal owner = TRY_CONTEXT(dependencies_.person(found.destination.owner), "the owner of this destination");
    owner.credential = "destination:" + found.destination.name;
    Result<TaskOutcome> outcome = Error(ErrorCode::kInternal, "the delivery gave no outcome");
    security::Opening opening{.details = {{"run", run.run_id()},
                                          {"table", found.table.from},
                                          {"kind", found.destination.kind},
                                          {"to", found.table.to}},
                              .tell = nullptr};
    TRY(dependencies_.dispatcher.Run(
        kDeliver, owner, {"destination", found.destination.name}, "",
        [&](security::Call& call) -> Status {
            outcome = Deliver(run, found, owner, call);
            if (outcome.ok()) return Ok();
            return outcome.error();
        },
        std::move(opening)));
    return outcome;
}

// "all", or what tells these filters and masks from others.
std::string NameOf(const security::Obligations& obligations) {
    if (obligations.empty()) return "all";
    std::string text = obligations.row_filter;
    for (const auto& mask : obligations.masks) text += fmt::format("\n{} {}", mask.column, mask.expression);
    return Sha256Hex(AsBytes(text)).substr(0, kHashLetters);
}

Result<TaskOutcome> WorkspaceDestinations::Deliver(TaskRun& run, const Found& found, const Principal& owner,
                                                   security::Call& call) {
    size_t dot = found.table.from.find('.');
    lakehouse::TableName name{found.table.from.substr(0, dot), found.table.from.substr(dot + 1)};
    TaskOutcome outcome;
    // That it is there for the owner at all is asked below, by their query; this only pins the version.
    auto snapshot = dependencies_.lakehouse.Open(Principal::System("destinations"), name);
    if (!snapshot.ok() && snapshot.error().code() == ErrorCode::kNotFound) {
        run.Write(found.table.from + " has no data yet");
        return outcome;
    }
    if (!snapshot.ok()) return snapshot.error();
    std::string file = found.destination.hash.substr(0, kHashLetters);
    auto decision = dependencies_.dispatcher.gate().Decide(owner, "table:Read", {"table", found.table.from});
    Position position{fmt::format("{}-{}-{}", snapshot->table_id, file, NameOf(decision.obligations)),
                      snapshot->version};
    auto session =
        TRY(dependencies_.engine.OpenSession({.principal = owner, .pinned = {{found.table.from, snapshot->version}}}));
    auto on_cancel = run.cancel().OnCancel([&session] { session->Cancel(); });
    Delivery delivery{found.destination, found.table, position, *snapshot, !decision.obligations.empty(),
                      *session,          run};
    run.Write(fmt::format("delivers {} version {} to {} {}", found.table.from, position.version, found.destination.kind,
                          found.table.to));
    Delivered delivered = TRY(targets_.at(found.destination.kind)->Deliver(delivery));
    outcome.changed = !delivered.skipped;
    outcome.version = std::to_string(position.version);
    if (!delivered.skipped) outcome.rows = delivered.rows;
    outcome.input_versions = {{found.table.from, outcome.version}};
    outcome.details["bytes"] = delivered.bytes;
    call.rows = delivered.rows;
    call.bytes = delivered.bytes;
    call.details["version"] = position.version;
    std::string changed;
    if (delivered.changes) {
        const Changes& changes = *delivered.changes;
        Json counts = {{"inserted", changes.inserted}, {"updated", changes.updated}, {"deleted", changes.deleted}};
        outcome.details.update(counts);
        call.details.update(counts);
        changed =
            fmt::format(": {} inserted, {} updated, {} deleted", changes.inserted, changes.updated, changes.deleted);
    }
    run.Write(delivered.skipped ? fmt::format("version {} is there already", position.version)
                                : fmt::format("{} rows{}", delivered.rows, changed));
    return outcome;
}

Result<HttpResponse> WorkspaceDestinations::List(HttpCall& call) {
    std::vector<Destination> all;
    {
        std::lock_guard lock(mutex_);
        all = destinations_;
    }
    Json list = Json::array();
    for (const Destination& destination : all) {
        const auto& gate = dependencies_.dispatcher.gate();
        if (!gate.Decide(call.principal, "destination:Read", {"destination", destination.name}).allowed) continue;
        Json tables = Json::array();
        for (const TableDelivery& table : destination.tables) {
            tables.push_back({{"name", table.name},
                              {"task", SpecOf(destination, table).id},
                              {"from", table.from},
                              {"to", table.to},
                              {"key", table.key}});
        }
        list.push_back({{"name", destination.name},
                        {"kind", destination.kind},
                        {"description", destination.description},
                        {"owner", destination.owner},
                        {"file", destination.file},
                        {"guarantee", GuaranteeOf(destination)},
                        {"tables", std::move(tables)}});
    }
    call.call.rows = static_cast<int64_t>(list.size());
    return security::JsonResponse({{"destinations", std::move(list)}});
}

std::vector<security::Route> WorkspaceDestinations::Routes() {
    return {{{"http", "GET /api/v1/destinations", "self", "destination", AuditClass::kRead, {}},
             "*",
             [this](HttpCall& call) { return List(call); }}};
}

}  // namespace

std::vector<TaskSpec> TasksOf(const std::vector<workspace::Definition>& all) {
    std::vector<TaskSpec> tasks;
    for (const workspace::Definition& definition : all) {
        const auto* destination = std::any_cast<Destination>(&definition.value);
        if (!destination) continue;
        for (const TableDelivery& table : destination->tables) tasks.push_back(SpecOf(*destination, table));
    }
    return tasks;
}

std::string Delivery::Select() const {
    size_t dot = table.from.find('.');
    std::vector<std::string> columns;
    for (const std::string& column : table.columns) columns.push_back(QuoteIdentifier(column));
    return fmt::format("SELECT {} FROM {}.{}", columns.empty() ? "*" : Join(columns, ", "),
                       QuoteIdentifier(table.from.substr(0, dot)), QuoteIdentifier(table.from.substr(dot + 1)));
}

connectors::DatabaseServer ServerOf(const Destination& destination) {
    const DatabaseAddress& said = destination.connection;
    int port = said.port ? said.port : destination.kind == "mysql" ? kMysqlPort : kPostgresPort;
    return {destination.name, {said.host, port}, said.database, said.user, said.password.name, said.tls, said.ca};
}

Status Delivery::CheckCancelled() const {
    if (run.cancel().cancelled()) return Error(ErrorCode::kCancelled, "the delivery was cancelled");
    return Ok();
}

security::Operation OwnOperation() { return kDeliver; }

Result<std::unique_ptr<Destinations>> Destinations::Create(DestinationsDependencies dependencies) {
    TRY(dependencies.metadata.Migrate(
        "destinations", {{1,
                          "CREATE TABLE destination_positions (delivery TEXT PRIMARY KEY, source TEXT NOT NULL, "
                          "version INTEGER NOT NULL)"}}));
    return std::unique_ptr<Destinations>(std::make_unique<WorkspaceDestinations>(std::move(dependencies)));
}

}  // namespace tarn::destinations
