// Catalog: every asset by name; resolves names to versions under the gate; keeps versions' lineage; answers search.
//
// Does: asks providers (lakehouse, raw zone, system tables) what a schema holds; implements engine::RelationSource, so
// each SQL name passes the gate here (table:Read on "schema.table"; else hidden: security/hidden.h); records for each
// written version its inputs (tables with versions, raw objects) and column lineage. Never: stores data, keeps a
// second truth: lineage rows are projections of commits, written after them and repaired by their owners. Who:
// constructed by app, providers are registered before Start. Threads: any. State: tables `lineage_*` in metadata.
//
//   catalog.AddProvider(lakehouse_provider);
//   auto relation = TRY(catalog.Find(principal, "delays", "flights", {}));
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/json.h"
#include "base/result.h"
#include "engine/engine.h"
#include "metadata/metadata.h"
#include "security/gate.h"
#include "security/router.h"
#include "security/table_facts.h"
#include "workspace/homes.h"
#include "workspace/rename.h"

namespace tarn::catalog {

struct Dataset {
    std::string schema;
    std::string name;
    std::string kind;         // "table", "raw", "system"
    std::string description;
    std::string owner;
    std::vector<std::string> tags;
    std::string version;      // of now; empty: nothing loaded yet
    int64_t rows = -1;        // unknown: -1
    int64_t bytes = -1;
    std::optional<Timestamp> updated_at;
    std::string defined_in;   // "use_cases/delays/flights.sql"; empty: made by the program or the API
    std::string sql;          // of a derivative: its SELECT
};

struct DatasetVersion {
    std::string version;
    Timestamp committed_at;
    std::string operation;  // "append", "merge", "load" ...
    std::string principal;
    std::string run_id;
    int64_t rows = -1;      // in the version
    int64_t rows_added = -1;
    int64_t bytes = -1;
    Json details;
};

// Implemented by what owns datasets. A provider owns whole schemas; Find is asked after the gate said yes.
class DatasetProvider {
  public:
    virtual ~DatasetProvider() = default;
    virtual Result<std::vector<std::string>> Schemas() = 0;
    virtual Result<std::vector<Dataset>> Datasets(const std::string& schema) = 0;
    // One of them, without the work for the others where the owner can; kNotFound.
    virtual Result<Dataset> DatasetOf(const std::string& schema, const std::string& name);
    // kNotFound if it has none of that name or version. `principal` for what the provider reads on its behalf.
    virtual Result<engine::Relation> Find(const security::Principal& principal, const std::string& schema,
                                          const std::string& name, const engine::AtClause& at) = 0;
    virtual Result<std::vector<DatasetVersion>> Versions(const std::string& schema, const std::string& name,
                                                         int limit) = 0;
};

// What one version came from.
struct LineageInput {
    std::string schema;
    std::string name;
    std::string version;
};
struct LineageColumn {
    std::string column;
    std::string input_schema;
    std::string input_name;
    std::string input_column;
};
struct LineageRecord {
    std::string schema;
    std::string name;
    std::string version;
    std::string run_id;
    std::vector<LineageInput> inputs;
    std::vector<LineageColumn> columns;
    std::vector<std::string> objects;  // raw objects "raw/..." of a load
};
struct LineageGraph {
    struct Node {
        std::string id;  // "schema.name"
        std::string kind;
        std::string version;
    };
    struct Edge {
        std::string from;
        std::string to;
        std::vector<LineageColumn> columns;
    };
    std::vector<Node> nodes;
    std::vector<Edge> edges;
};

// What the workspace says of a dataset; the data's owner does not know it.
struct Annotation {
    std::string description;
    std::string owner;
    std::vector<std::string> tags;
    std::string defined_in;
    std::string sql;
    std::map<std::string, std::vector<std::string>> column_tags;
    std::vector<std::string> declassified;  // columns that inherit no tags
};

// What is known of a table's serving cache.
struct CacheInfo {
    std::string state;   // "ready", "building", "waiting"
    std::string reason;  // why it is not ready
    std::string version;  // that is cached; empty: none
    int64_t rows = -1;
    int64_t bytes = -1;
    std::optional<Timestamp> built_at;
    double build_seconds = 0;
    int64_t hits = 0;  // since the start
    int64_t misses = 0;
};

// Copies of tables that are read instead of the tables' own files. Implemented by the warehouse.
class ServingCache {
  public:
    virtual ~ServingCache() = default;
    // If there is a copy of exactly this relation, makes it scan that: engine::Relation::copy.
    virtual void Serve(engine::Relation& relation) = 0;
    // Nothing: the table has no cache.
    virtual std::optional<CacheInfo> InfoOf(const std::string& schema, const std::string& name) = 0;
};

struct CatalogDependencies {
    Env& env;
    metadata::Database& metadata;
    security::Gate& gate;
    const workspace::Homes* homes = nullptr;  // none: nothing is renamed
};

class Catalog : public engine::RelationSource, public security::TableFacts {
  public:
    static Result<std::unique_ptr<Catalog>> Create(CatalogDependencies dependencies);
    virtual void AddProvider(DatasetProvider& provider) = 0;
    // It outlives the catalog's calls.
    virtual void SetServingCache(ServingCache& cache) = 0;
    // By "schema.name"; replaces all that were set before.
    virtual void SetAnnotations(std::map<std::string, Annotation> annotations) = 0;

    using Principal = security::Principal;
    // All that the principal may see (table:Describe or table:Read).
    virtual Result<std::vector<Dataset>> List(const Principal& principal) = 0;
    virtual Result<Dataset> Describe(const Principal& principal, const std::string& schema,
                                     const std::string& name) = 0;
    virtual Result<std::vector<DatasetVersion>> Versions(const Principal& principal, const std::string& schema,
                                                         const std::string& name, int limit) = 0;
    // Of the tables that the principal may see; rows and bytes are not told where rows are hidden.
    virtual std::optional<CacheInfo> CacheOf(const Principal& principal, const std::string& schema,
                                             const std::string& name) = 0;
    // By name, description, column, tag; best first.
    virtual Result<std::vector<Dataset>> Search(const Principal& principal, const std::string& text, int limit) = 0;

    // Carries lineage and what tags are inherited from over to new names; in a transaction, then in memory.
    virtual Status MoveNames(const workspace::Renames& renames, metadata::Transaction& transaction) = 0;
    virtual Status NamesMoved() = 0;

    virtual Status RecordLineage(const LineageRecord& record) = 0;  // idempotent per schema, name, version
    // What the next version's columns come from, so that they carry their tags before anybody can read them. To be
    // called before its commit.
    virtual Status ExpectColumns(const std::string& schema, const std::string& name,
                                 const std::vector<LineageColumn>& columns) = 0;
    // Both ways from one dataset, `depth` steps; without what the principal may not see.
    virtual Result<LineageGraph> Lineage(const Principal& principal, const std::string& schema, const std::string& name,
                                         int depth) = 0;
    virtual Result<std::optional<LineageRecord>> LineageOf(const Principal& principal, const std::string& schema,
                                                           const std::string& name, const std::string& version) = 0;
};

// GET /api/v1/catalog and below. The engine runs previews; it is made after the catalog, whose names it resolves.
std::vector<security::Route> CatalogRoutes(Catalog& catalog, engine::Engine& engine);

}  // namespace tarn::catalog
