// Registry: schemas of topics' records, behind Confluent's REST API, so that its serialisers work unmodified.
//
// Does: gives schemas ids; keeps subjects' versions; refuses a version that breaks the subject's compatibility, saying
// what breaks; references, contexts, modes. Never: reads a file or the network to resolve a reference; gives an id
// twice; shows a schema to who may not read one of its subjects (schema:Read on the subject, asked here as well as by
// the routes). Who: constructed by app. Threads: any; one change at a time. State: tables `registry_*` in metadata, one
// transaction a change. Fails: a schema that breaks a limit (docs/limits.md) is refused with Confluent's error codes.
//
//   auto registry = TRY(Registry::Create({env, metadata, gate, metrics}));
//   router.Add(registry->Routes());
//   if (registry::IsBelow(request.path)) return registry::Serve(router, request, responder);
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/http.h"
#include "base/metrics.h"
#include "metadata/metadata.h"
#include "security/gate.h"
#include "security/router.h"

namespace tarn::registry {

struct RegistryDependencies {
    Env& env;
    metadata::Database& metadata;
    security::Gate& gate;
    Metrics& metrics;
};

// What other parts of the program tell of a subject.
struct SchemaFact {
    std::string subject;  // with its context
    std::string topic;  // whose keys or values it is of, by its name; empty: of no topic
    std::string type;  // AVRO, JSON, PROTOBUF
    int version = 0;
    int64_t id = 0;
};

class Registry {
  public:
    static Result<std::unique_ptr<Registry>> Create(RegistryDependencies dependencies);
    virtual ~Registry() = default;
    virtual Status Health() = 0;
    virtual std::vector<security::Route> Routes() = 0;
    // The latest versions of the subjects that the principal may read.
    virtual Result<std::vector<SchemaFact>> Latest(const security::Principal& principal) = 0;
    // system.schemas: names and SQL types, and the rows of the subjects that the principal may read.
    static const std::vector<std::pair<std::string, std::string>>& SystemColumns();
    virtual Result<std::vector<std::vector<std::optional<std::string>>>> SystemRows(
        const security::Principal& principal) = 0;
};

// Whether the path is the registry's: /schema-registry and what lies below.
bool IsBelow(std::string_view path);
// As the router does; errors, also the router's own (no login, no such path), as {"error_code", "message"}: Confluent's
// clients read nothing else.
Status Serve(security::Router& router, HttpRequest& request, HttpResponder& responder);

}  // namespace tarn::registry
