// The platform's components as members, in the order in which they depend on each other. Internal to app.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "access/alerting/alerting.h"
#include "access/audit/audit.h"
#include "access/backup/backup.h"
#include "access/budget/budget.h"
#include "access/encryption/encryption.h"
#include "access/identity/identity.h"
#include "access/monitoring/monitoring.h"
#include "analysis/dashboards/dashboards.h"
#include "analysis/query/query.h"
#include "analysis/reports/reports.h"
#include "app/config.h"
#include "app/maintenance.h"
#include "app/own_operations.h"
#include "app/platform.h"
#include "app/reload.h"
#include "base/http.h"
#include "engine/engine.h"
#include "ingestion/buffer/buffer.h"
#include "ingestion/connectors/connectors.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "ingestion/registry/registry.h"
#include "metadata/metadata.h"
#include "metadata/state_directory.h"
#include "processing/batch/batch.h"
#include "processing/destinations/destinations.h"
#include "processing/jobs/jobs.h"
#include "security/operation.h"
#include "security/router.h"
#include "storage/catalog/catalog.h"
#include "storage/lake/lake.h"
#include "storage/lake/s3_server.h"
#include "storage/lakehouse/lakehouse.h"
#include "storage/warehouse/warehouse.h"
#include "workspace/workspace.h"

namespace tarn::app {

class Events;
class SystemTables;

// Destroyed from the last to the first: listeners first, the state directory's lock last.
struct Components {
    TarnConfig config;
    std::unique_ptr<Log> log;
    Metrics metrics;
    std::unique_ptr<metadata::StateDirectory> state;
    std::unique_ptr<access::Encryption> encryption;
    std::unique_ptr<metadata::Database> database;
    std::unique_ptr<access::Audit> audit;
    security::OperationRegistry registry;
    std::unique_ptr<identity::Identity> identity;
    std::unique_ptr<security::Dispatcher> dispatcher;
    std::unique_ptr<security::Router> router;
    std::unique_ptr<access::Monitoring> monitoring;
    std::unique_ptr<access::Budget> budget;
    std::unique_ptr<lake::Lake> lake;
    std::unique_ptr<access::Backup> backup;
    workspace::Homes homes;  // set by the workspace, asked by all below
    std::unique_ptr<catalog::Catalog> catalog;
    std::unique_ptr<warehouse::Warehouse> warehouse;  // the engine reads its files
    std::unique_ptr<destinations::OutgoingFiles> outgoing;  // and writes through it
    std::unique_ptr<engine::Engine> bare_engine;
    std::map<std::string, std::unique_ptr<engine::Engine>> role_engines;  // of roles with memory of their own
    std::unique_ptr<engine::Engine> engine;  // within the budget
    std::unique_ptr<lakehouse::Lakehouse> lakehouse;
    std::unique_ptr<Dialer> dialer;
    std::unique_ptr<HttpClient> http;
    std::unique_ptr<registry::Registry> schemas;
    std::unique_ptr<buffer::Buffer> buffer;
    std::unique_ptr<connectors::Connectors> connectors;
    std::unique_ptr<workspace::Workspace> workspace;
    std::unique_ptr<orchestrator::Orchestrator> orchestrator;
    std::unique_ptr<batch::Batch> batch;
    std::unique_ptr<destinations::Destinations> destinations;
    std::unique_ptr<AuditedTask> source_task;
    std::unique_ptr<AuditedTask> table_task;
    std::unique_ptr<Sandbox> sandbox;
    std::unique_ptr<jobs::Jobs> jobs;
    std::unique_ptr<AuditedTask> job_task;
    Address api;  // plain HTTP on loopback, for jobs; known once the listeners are
    int64_t engine_memory_bytes = 0;
    std::unique_ptr<dashboards::Dashboards> dashboards;
    std::unique_ptr<reports::Reports> reports;
    std::unique_ptr<alerting::Alerting> alerting;
    std::unique_ptr<Events> events;
    std::unique_ptr<SystemTables> system_tables;
    std::unique_ptr<Maintenance> maintenance;
    std::shared_ptr<TlsContext> tls;  // shared with every connection
    std::unique_ptr<lake::S3Server> s3_server;
    std::unique_ptr<Executor> web_executor;
    std::unique_ptr<Executor> s3_executor;
    std::unique_ptr<HttpServer> web_server;
    std::unique_ptr<HttpServer> jobs_server;  // only where the web listener is not plain
    std::unique_ptr<HttpServer> s3_listener;
    std::unique_ptr<query::SqlServer> sql_server;
    std::unique_ptr<Reloader> reloader;
};

}  // namespace tarn::app
