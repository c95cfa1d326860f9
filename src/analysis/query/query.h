// Query: SQL for people and their tools: the PostgreSQL wire (version 3) and POST /api/v1/sql.
//
// Does: log in (SCRAM-SHA-256 for passwords, clear-text request for tokens on loopback or TLS only), simple and
// extended protocol, prepared statements, text and binary forms, cancel, SQLSTATE with position, TLS. Each statement
// is an operation (sql:Query) through the dispatcher, so it is in the audit log, with the tables it read, before its
// first row leaves. Never: decides what may be seen (the catalog does). Threads: one a connection, at most
// connections_max.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/net.h"
#include "base/result.h"
#include "engine/engine.h"
#include "security/authenticator.h"
#include "security/router.h"

namespace tarn::query {

struct SqlServerConfig {
    Address listen;
    std::shared_ptr<TlsContext> tls;  // offered by SSLRequest; demanded off loopback
    int connections_max = 200;
};
struct QueryDependencies {
    Env& env;
    engine::Engine& engine;
    engine::RelationSource& relations;
    security::Authenticator& authenticator;
    security::Dispatcher& dispatcher;
    security::OperationRegistry& registry;
    Metrics& metrics;
    Log& log;
};

class SqlServer {
  public:
    static Result<std::unique_ptr<SqlServer>> Create(SqlServerConfig config, QueryDependencies dependencies);
    virtual ~SqlServer() = default;
    virtual Address address() const = 0;
};

// POST /api/v1/sql, POST /api/v1/sql/{id}/cancel, GET /api/v1/sql/words.
std::vector<security::Route> QueryRoutes(QueryDependencies dependencies);

}  // namespace tarn::query
