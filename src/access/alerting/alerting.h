// Alerting: rules of alerts/*.yaml over metrics, SQL, freshness, runs, checks and what other components report; who is
// told, and how.
//
// Does: evaluates each rule every so often; keeps what is wrong as instances (ok, pending, firing, resolved:
// state_machine.h), their history, silences, and an outbox of messages, all in metadata. A change of state and the
// messages that tell of it commit together, so after any crash none is lost; a message may be sent twice, under the
// same id. Sends by mail, webhook (signed) and Slack-compatible hooks, only through the Dialer. Never: runs a rule's
// SQL with other rights than its owner's; sends to an address of this machine or its network unless the channel says
// so, or to a metadata address at all; follows a redirect. Who: constructed by app. Threads: any; it has one of its
// own, and a few that evaluate and send. State: tables `alert_*`. Fails: a rule that can't be evaluated is itself an
// alert (label `problem`); a message that can't be sent is tried again with growing pauses, then shown as failed.
//
//   auto alerts = TRY(Alerting::Create({env, metadata, ...}));
//   workspace.Register(alerts->WorkspaceKind());
//   alerts->AddReports("sla", [&](const std::vector<std::string>& tasks) { return late.Matching(tasks); });
//   TRY(alerts->Start());
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/alerting/state_machine.h"
#include "analysis/reports/mailer.h"
#include "base/http.h"
#include "base/log.h"
#include "base/metrics.h"
#include "engine/engine.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "metadata/metadata.h"
#include "security/keys.h"
#include "security/operation.h"
#include "security/router.h"
#include "storage/catalog/catalog.h"
#include "workspace/workspace.h"

namespace tarn::alerting {

struct AlertingDependencies {
    Env& env;
    metadata::Database& metadata;
    security::Dispatcher& dispatcher;
    security::SecretStore& secrets;
    engine::Engine& engine;
    catalog::Catalog& catalog;
    orchestrator::Orchestrator& orchestrator;
    Dialer& dialer;
    HttpClient& http;
    Metrics& metrics;
    Log& log;
    std::string workspace_directory;
    // All metrics, those of the process brought up to date.
    std::function<std::vector<MetricSample>()> samples;
    // A person of that name with the roles of this moment; kNotFound.
    std::function<Result<security::Principal>(const std::string& name)> person;
};

// What else may be wrong: asked with the globs of a rule (tasks), answers what is wrong now.
using Reports = std::function<Result<std::vector<Observed>>(const std::vector<std::string>& tasks)>;

struct FiringAlert {
    std::string name;
    std::string severity;
    std::string text;  // of one thing that is wrong
    size_t count = 0;
};

class Alerting {
  public:
    static Result<std::unique_ptr<Alerting>> Create(AlertingDependencies dependencies);
    virtual ~Alerting() = default;
    // Makes the key `kind: {tasks: [...]}` of rules known. Before the workspace is loaded.
    virtual void AddReports(const std::string& kind, Reports reports) = 0;
    // Reports of dashboards leave by its mail channels and its outbox.
    virtual reports::Mailer& AsMailer() = 0;
    virtual workspace::Kind WorkspaceKind() = 0;  // `alert`
    virtual workspace::RenameFollower FollowRenames() = 0;
    virtual Status Start() = 0;
    virtual void Stop() = 0;  // messages that are not sent are sent after the next start
    virtual Status Health() const = 0;
    virtual std::vector<security::Route> Routes() = 0;
    // What fires now and is not silenced, of what the principal may read: one an alert.
    virtual std::vector<FiringAlert> Firing(const security::Principal& principal) const = 0;
    // system.alerts: names and SQL types, and the rows that the principal may see, newest first.
    static const std::vector<std::pair<std::string, std::string>>& SystemColumns();
    virtual Result<std::vector<std::vector<std::optional<std::string>>>> SystemRows(
        const security::Principal& principal) = 0;
};

// The program's own operations: a rule's query, and a message that leaves.
std::vector<security::Operation> OwnOperations();

}  // namespace tarn::alerting
