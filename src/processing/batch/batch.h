// Batch: the flows. A file use_cases/<use_case>/<table>.sql is one SELECT kept as the Delta table <use_case>.<table>.
//
// Does: registers the workspace kind `table`, reads dependencies from the SQL, finds circles and unknown names with
// file and line, gives the orchestrator a task a table and runs it: the SELECT over pinned input versions, written by
// the lakehouse (full = overwrite, append by `since`, merge by key), checks before publishing, lineage after it.
// Exactly once: the txn of a table's log is (tarn/<table>, number of the run's input set), so a rerun is skipped; the
// table by the name that it was made under.
// Never: publishes a version whose checks failed. Who: constructed by app. Threads: any.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/result.h"
#include "engine/engine.h"
#include "ingestion/connectors/connectors.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "storage/catalog/catalog.h"
#include "storage/lakehouse/lakehouse.h"
#include "storage/warehouse/warehouse.h"
#include "workspace/homes.h"
#include "workspace/parameters.h"
#include "workspace/partition.h"
#include "workspace/timing.h"
#include "workspace/workspace.h"

namespace tarn::batch {

struct Check {
    std::string kind;               // "not_null", "unique", "rows", "expression"
    std::vector<std::string> columns;
    std::string condition;          // ">= 300000", or an SQL predicate that every row must satisfy
    std::string severity = "error"; // or "warn"
};

struct TableDefinition {
    std::string schema;
    std::string name;
    std::string keep = "full";  // full | append | merge
    std::vector<std::string> key;
    std::string since;
    bool delete_missing = false;
    bool cache = false;  // also kept in the serving cache
    std::string description;
    std::vector<engine::Column> columns;
    std::map<std::string, std::vector<std::string>> column_tags;
    std::vector<std::string> declassify;  // columns that do not inherit tags
    std::vector<Check> checks;
    workspace::TimingKeys timing;
    workspace::Parameters parameters;               // $name in the SQL
    std::optional<workspace::Partition> partition;  // $partition_start, $partition_end in the SQL
    std::string when;                     // SQL of one truth value; empty: always
    std::vector<std::string> when_reads;  // datasets
    std::string sql;
    std::string file;
    int sql_line = 1;
    std::vector<engine::TableRead> reads;   // schema filled in
    std::vector<int64_t> read_positions;    // 1-based characters in sql
};

struct BatchDependencies {
    Env& env;
    engine::Engine& engine;
    catalog::Catalog& catalog;
    lakehouse::Lakehouse& lakehouse;
    connectors::Connectors& connectors;
    orchestrator::Orchestrator& orchestrator;
    Log& log;
    const workspace::Homes* homes = nullptr;    // none: nothing is renamed
    warehouse::Warehouse* warehouse = nullptr;  // none: `cache: yes` is kept in mind, and nothing is cached
};

class Batch {
  public:
    static Result<std::unique_ptr<Batch>> Create(BatchDependencies dependencies);
    virtual ~Batch() = default;
    virtual workspace::Kind WorkspaceKind() = 0;  // `table`
    virtual workspace::Kind UseCaseKind() = 0;    // `use_case`
    virtual workspace::Kind TestKind() = 0;       // `test`
    virtual orchestrator::TaskKind& AsTableTask() = 0;
    virtual orchestrator::TaskKind& AsSourceTask() = 0;  // a stream's load
    virtual std::vector<TableDefinition> Tables() const = 0;
    // The tasks of definitions that need not be applied.
    static std::vector<orchestrator::TaskSpec> TasksOf(const std::vector<workspace::Definition>& all);
    // What definitions, applied or not, say of datasets: by "schema.name".
    static std::map<std::string, catalog::Annotation> AnnotationsOf(const std::vector<workspace::Definition>& all);
    // Tasks of other kinds (jobs), asked for with each new workspace: the graph is set whole. Before the first one.
    using TaskSource = std::function<std::vector<orchestrator::TaskSpec>(const std::vector<workspace::Definition>&)>;
    virtual void AddTasks(TaskSource source) = 0;
    // All tasks of the applied workspace: streams, tables and what AddTasks adds.
    virtual std::vector<orchestrator::TaskSpec> Tasks() const = 0;
};

}  // namespace tarn::batch
