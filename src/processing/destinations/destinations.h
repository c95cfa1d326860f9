// Destinations: tables delivered to where they are needed besides: databases, S3 buckets, an HTTP API, files.
//
// Does: registers the workspace kind `destination`, gives the orchestrator a task a delivery, started by each new
// version of its table, and runs it: the version's rows as the destination's owner sees them, written to the target.
// A database gets them exactly once (the rows and the position, in the table _tarn_positions, are one transaction of
// the target); files and objects too (one is replaced whole); an HTTP API at least once, each batch under a key that
// stays. Never: delivers what the owner may not read; delivers at all unless the owner may destination:Deliver; empties
// a table that it did not make unless told. Who: constructed by app. Threads: any. State: positions of HTTP deliveries,
// table `destination_positions` in metadata; all others lie in the target. Fails: kUnavailable for a target that can't
// be reached (tried again for days), kInvalidArgument for rows that it refuses.
//
//   auto destinations = TRY(Destinations::Create({env, metadata, ...}));
//   orchestrator.RegisterKind("destination", destinations->AsTaskKind());
//   batch.AddTasks([&](const auto& all) { return destinations->Activate(all); });
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/http.h"
#include "base/log.h"
#include "engine/engine.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "metadata/metadata.h"
#include "processing/destinations/outgoing_files.h"
#include "security/keys.h"
#include "security/operation.h"
#include "security/router.h"
#include "storage/catalog/catalog.h"
#include "storage/lakehouse/lakehouse.h"
#include "workspace/workspace.h"

namespace tarn::destinations {

struct DestinationsDependencies {
    Env& env;
    metadata::Database& metadata;
    security::Dispatcher& dispatcher;
    security::SecretStore& secrets;
    engine::Engine& engine;
    catalog::Catalog& catalog;
    lakehouse::Lakehouse& lakehouse;
    orchestrator::Orchestrator& orchestrator;
    Dialer& dialer;
    HttpClient& http;
    OutgoingFiles& outgoing;  // in front of the engine's files
    Log& log;
    std::string workspace_directory;
    // A person of that name with the roles of this moment; kNotFound.
    std::function<Result<security::Principal>(const std::string& name)> person;
    const workspace::Homes* homes = nullptr;  // none: nothing is renamed
};

class Destinations {
  public:
    static Result<std::unique_ptr<Destinations>> Create(DestinationsDependencies dependencies);
    virtual ~Destinations() = default;
    virtual workspace::Kind WorkspaceKind() = 0;  // `destination`
    // Takes the definitions; answers their tasks, for the graph.
    virtual std::vector<orchestrator::TaskSpec> Activate(const std::vector<workspace::Definition>& all) = 0;
    virtual orchestrator::TaskKind& AsTaskKind() = 0;
    // GET /api/v1/destinations.
    virtual std::vector<security::Route> Routes() = 0;
};

// The tasks of definitions that need not be applied.
std::vector<orchestrator::TaskSpec> TasksOf(const std::vector<workspace::Definition>& all);
// For `tarn plan`: what a definition of kind destination guarantees; empty for any other.
std::string GuaranteeOf(const workspace::Definition& definition);
// The program's own operation: one delivery, as the owner.
security::Operation OwnOperation();

}  // namespace tarn::destinations
