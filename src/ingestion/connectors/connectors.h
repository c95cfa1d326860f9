// Connectors: bring sources into the raw zone, byte for byte, exactly once a position.
//
// A source is sources/<name>.yaml (kind: postgresql | mysql | sqlite | rest | files | push | kafka ...) with streams. A
// load of a stream reads from the stored position, writes what it received under raw/<source>/<stream>/ and commits by
// putting the load's manifest raw/<source>/<stream>/_loads/<20 digits>.json if absent: the manifest names every object,
// its origin, schema and the new position. Nothing before that is visible; a load cut short leaves objects that the
// next removes. The datasets raw_<source>.<stream> are views over what committed loads name ("what things mean" in the
// workspace reference); a changed schema of the source is recorded in the manifest and reported, never lost, never
// fatal. Never: transforms, keeps a secret in an object, a log or an error. Who: constructed by app. Threads: any; one
// load of a stream at a time. State: the lake's bucket `raw`; a cache of manifests. Metadata holds only projections.
//
//   auto outcome = TRY(connectors.Load(principal, "registry", "planes", cancel, progress));
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/executor.h"
#include "base/http.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/net.h"
#include "base/result.h"
#include "engine/engine.h"
#include "security/keys.h"
#include "security/router.h"
#include "storage/catalog/catalog.h"
#include "storage/lake/lake.h"
#include "workspace/homes.h"
#include "workspace/timing.h"
#include "workspace/workspace.h"

namespace tarn::buffer {
class Topics;
}

namespace tarn::connectors {

inline constexpr const char* kRawBucket = "raw";
inline constexpr Duration kLoadsKept = std::chrono::hours(24 * 30);  // where a stream does not say `keep_loads`
inline constexpr Duration kKeepLoadsMin = std::chrono::hours(1);

// One stream as the YAML says; `settings` holds the keys of its kind.
struct StreamDefinition {
    std::string name;
    workspace::TimingKeys timing;
    std::string cursor;  // column or field; empty: everything each time
    std::vector<std::string> key;
    Json settings = Json::object();
    std::map<std::string, std::vector<std::string>> column_tags;
    std::string on_drift = "accept";  // freeze: a load with other columns fails; quarantine: it is kept apart
    std::string renamed_from;  // the name that it had
    std::optional<Duration> keep_loads;  // complete loads that another took the place of; 0: for ever
    std::string broken_max;  // files: how many records may be broken, "100" or "1%"; empty: none
};
struct SourceDefinition {
    std::string name;
    std::string kind;
    std::string description;
    std::map<std::string, StreamDefinition> streams;
    Json settings = Json::object();  // of the source; secrets only as {"secret": "name"}
    workspace::TimingKeys timing;  // for streams that say nothing
};

struct LoadProgress {
    int64_t rows = 0;
    int64_t bytes = 0;
    int64_t objects = 0;
    std::string note;  // "page 12", "inbox/2013-03.csv.gz"
};

struct LoadOutcome {
    int64_t load = -1;  // number of the committed load; -1: there was nothing new
    int64_t rows = -1;  // unknown: -1
    int64_t bytes = 0;
    int64_t objects = 0;
    bool changed = false;
    std::vector<std::string> warnings;  // schema drift, skipped files
};

// One step on the way to a source: how long it took, and what was wrong.
struct CheckStep {
    std::string name;  // "resolve", "connect", "log in", "list"
    Status result;
    Duration took{};
    std::string note;  // "127.0.0.1:5432", "12 streams"
};

// What a client sends to a stream of kind push, and what it is told: again the same to the same key.
struct PushRequest {
    std::string body;  // JSON, a list of it, or lines of it
    std::string key;  // Idempotency-Key; empty: none
    std::string by;  // set here: who pushes
};
struct PushOutcome {
    int64_t records = 0;
    int64_t broken = 0;  // of these: they go to quarantine
    bool repeated = false;  // the key was here already, and nothing was written
};

// What waits in quarantine: a broken record, or a file or a whole load whose columns are not those of before.
struct QuarantineEntry {
    std::string source;
    std::string stream;
    std::string id;  // "7.2": what is replayed or dropped at once
    std::string kind;  // "record", "file", "load"
    std::string origin;  // file or table
    int64_t record = -1;  // its number in the file
    std::string reason;
    std::string content;  // of a record, byte for byte; hidden from whom the dataset is filtered or masked for
    std::string since;
};

struct DiscoveredStream {
    std::string name;
    std::vector<engine::Column> columns;
    std::vector<std::string> key;
    int64_t rows_estimate = -1;
};

struct ConnectorsDependencies {
    Env& env;
    lake::Lake& lake;
    engine::Engine& engine;
    catalog::Catalog& catalog;
    security::SecretStore& secrets;
    Dialer& dialer;
    HttpClient& http;
    Metrics& metrics;
    Log& log;
    std::string workspace_directory;  // relative paths of files sources start here
    const workspace::Homes* homes = nullptr;  // none: each stream lies under its own name
    buffer::Topics* topics = nullptr;  // none: nothing can be read by kind kafka
};

class Connectors {
  public:
    static Result<std::unique_ptr<Connectors>> Create(ConnectorsDependencies dependencies);
    virtual ~Connectors() = default;
    // The kind `source` for the workspace; Activate hands over the definitions.
    virtual workspace::Kind WorkspaceKind() = 0;
    virtual std::vector<SourceDefinition> Sources() const = 0;

    using Principal = security::Principal;
    // Reaches the source and says what is wrong with it in words that help.
    virtual Status Check(const Principal& principal, const std::string& source) = 0;
    // The same step by step, up to the first that fails.
    virtual Result<std::vector<CheckStep>> CheckSteps(const Principal& principal, const std::string& source) = 0;
    virtual Result<std::vector<DiscoveredStream>> Discover(const Principal& principal, const std::string& source) = 0;
    virtual Result<LoadOutcome> Load(const Principal& principal, const std::string& source, const std::string& stream,
                                     const std::string& run_id, const CancelToken& cancel,
                                     const std::function<void(const LoadProgress&)>& progress) = 0;
    // True when a cheap look at the source (files' names and times) shows something new; who can't tell says false.
    virtual Result<bool> HasNew(const std::string& source, const std::string& stream) = 0;
    // Kind push: the records are on disk when it returns, and in the dataset after the stream's next load.
    virtual Result<PushOutcome> Push(const Principal& principal, const std::string& source, const std::string& stream,
                                     PushRequest request) = 0;
    // What of a source (empty: of all) waits in quarantine, as far as the principal may read its datasets.
    virtual Result<std::vector<QuarantineEntry>> Quarantine(const Principal& principal, const std::string& source,
                                                            size_t rows_max) = 0;
    // Reads entries (none named: all of the stream) again as the stream is declared now; what is still broken stays.
    virtual Result<LoadOutcome> Replay(const Principal& principal, const std::string& source, const std::string& stream,
                                       const std::vector<std::string>& ids) = 0;
    // Takes them out without loading them; their bytes stay in the bucket. How many there were.
    virtual Result<int64_t> Drop(const Principal& principal, const std::string& source, const std::string& stream,
                                 const std::vector<std::string>& ids) = 0;
    // Retention: complete loads that another took the place of longer ago than `keep_loads` of their stream. The first
    // call also names streams with none, of which a dropping was perhaps cut off.
    struct OldLoads {
        std::string source;
        std::string stream;
        std::vector<int64_t> loads;
    };
    virtual Result<std::vector<OldLoads>> FindOldLoads() = 0;
    // Kind kafka: up to where topics of the buffer were archived by all streams that do, by topic and partition.
    virtual Result<std::map<std::string, std::map<int32_t, int64_t>>> ArchivedOffsets() = 0;
    // How many bytes went. kUnavailable while the stream is being loaded.
    virtual Result<int64_t> DropLoads(const OldLoads& old) = 0;
    // GET /api/v1/sources, POST /api/v1/sources/{name}/check.
    virtual std::vector<security::Route> Routes() = 0;
    // Schemas raw_<source>.
    virtual catalog::DatasetProvider& AsProvider() = 0;
};

}  // namespace tarn::connectors
