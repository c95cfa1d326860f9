// Loads: the raw zone's commits. A load's objects count once its manifest is there; numbers have no gaps.
//
// raw/<source>/<stream>/<20 digits>/...          objects of load n
// raw/<source>/<stream>/_loads/<20 digits>.json  manifest of load n, put if absent: the commit point
// The folder is that of the names that the stream was made under: one that is renamed stays where it is.
// Format: docs/formats/raw.md.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "ingestion/connectors/connectors.h"
#include "storage/lake/lake.h"
#include "workspace/homes.h"

namespace tarn::connectors {

struct LoadObject {
    std::string key;        // below the bucket
    uint64_t bytes = 0;
    int64_t rows = -1;
    std::string format;     // "parquet", "csv", "json", "any"
    Json origin;            // {"file": ...} or {"url": ..., "status": 200, "headers": {...}} or {"table": ...}
    std::vector<engine::Column> columns;  // csv and json: as read in this object, in order
    std::string delimiter;  // csv: given or found
    bool edge = false;      // relational increments: the rows whose cursor is the position itself
    bool hidden = false;    // kept and not shown: a list of broken records, or the file that they were sifted out of
    std::string apart;      // why it is in quarantine as a whole; empty: it is not
};
inline constexpr const char* kBrokenFormat = "broken";  // of an object that lists broken records

// What a later load took out of quarantine: an object of a load, or (without a key) the load itself.
struct Resolved {
    int64_t load = 0;
    std::string key;
};

struct Manifest {
    int64_t load = 0;
    std::string source;
    std::string stream;
    std::string folder;     // "registry/planes": not in the file, but where it lies; empty: that of its names
    std::string kind;
    std::string mode;       // "full", "incremental", "files"
    std::string run_id;
    std::string committed_at;
    Json position;          // from which the next load goes on
    Json after;             // incremental: the cursor's value that this load started after; null for all
    bool again = false;     // incremental: it read the rows of `after` itself anew; they replace the earlier ones
    std::vector<engine::Column> columns;  // of the stream as recorded now
    Json source_types;      // column -> the source's own type
    std::vector<LoadObject> objects;
    int64_t rows = -1;
    uint64_t bytes = 0;
    std::vector<std::string> warnings;
    std::string records;    // json: path of the records
    Json format_options;    // csv: nulls, delimiter, header
    std::vector<std::string> key;
    std::string cursor;
    std::string apart;      // why the whole load is in quarantine: it shows nothing and is nobody's position
    bool replay = false;    // out of quarantine: it adds to what is shown, whatever the mode
    std::vector<Resolved> resolved;
    bool dropped = false;   // its objects are gone, as another took its place long ago; the rest tells of it
};
Json ToJson(const Manifest& manifest);
Result<Manifest> ManifestFromJson(const Json& json);

// The folder of a stream below the bucket: "registry/planes".
std::string StreamFolder(const workspace::Homes* homes, const std::string& source, const std::string& stream);

// All committed loads of one stream.
struct StreamState {
    std::vector<Manifest> loads;  // in order
    // The newest that is not in quarantine.
    const Manifest* last() const {
        for (auto load = loads.rbegin(); load != loads.rend(); ++load) {
            if (load->apart.empty()) return &*load;
        }
        return nullptr;
    }
    int64_t next_load() const { return loads.empty() ? 1 : loads.back().load + 1; }
};

// What one load writes. Destroyed uncommitted, its objects stay as garbage for the next load to remove.
class LoadWriter {
  public:
    LoadWriter(lake::Lake& lake, engine::Engine& engine, security::Principal principal, Manifest manifest);
    // Bytes as received. `name` is only for people who look into the bucket.
    Status PutObject(const std::string& name, ByteReader& content, LoadObject object);
    Status PutBytes(const std::string& name, ByteSpan content, LoadObject object);
    // The same for content that comes piece by piece: the stream is filled, then finished here. Of several that were
    // started under one place the last one counts.
    Result<std::unique_ptr<lake::PutStream>> StartObject(const std::string& name);
    Result<lake::ObjectInfo> FinishObject(lake::PutStream& stream, LoadObject object);
    // Takes back the object that was put last; all but the first `count`.
    Status DropLast();
    Status DropAfter(size_t count);
    // The content of one that was put, now or by an earlier load.
    Result<std::string> ReadBack(const std::string& key, size_t bytes_max);
    // Typed rows as Parquet. These two may be called from several threads, each with a writer of its own.
    Result<std::unique_ptr<engine::RowWriter>> StartRows(const std::vector<engine::Column>& columns,
                                                         const std::vector<uint32_t>& postgres_oids);
    Status FinishRows(engine::RowWriter& writer, const Json& origin, bool edge = false);
    Manifest& manifest() { return manifest_; }
    const std::string& prefix() const { return prefix_; }  // "raw/<source>/<stream>/<20 digits>/"

  private:
    std::string NextKey(const std::string& name) const;
    void Add(const lake::ObjectInfo& info, LoadObject object);

    lake::Lake& lake_;
    engine::Engine& engine_;
    security::Principal principal_;
    Manifest manifest_;
    std::string prefix_;
    std::mutex mutex_;  // guards, while rows are written, what follows and the manifest
    std::vector<std::unique_ptr<engine::Session>> sessions_;  // one a writer
    std::vector<engine::Column> row_columns_;  // of the rows being written
};

class LoadStore {
  public:
    LoadStore(lake::Lake& lake, Env& env, const workspace::Homes* homes = nullptr)
        : lake_(lake), env_(env), homes_(homes) {}
    std::string FolderOf(const std::string& source, const std::string& stream) const {
        return StreamFolder(homes_, source, stream);
    }
    // Everything committed so far. Cached; only manifests that are new are read.
    Result<std::shared_ptr<const StreamState>> Read(const std::string& source, const std::string& stream);
    Result<std::vector<std::string>> Streams(const std::string& source);
    Result<std::vector<std::string>> Sources();
    // Objects of loads that never committed.
    Status RemoveGarbage(const std::string& source, const std::string& stream, int64_t from_load);
    // These loads' manifests say from now on that they are dropped, then their objects go. A crash in between leaves
    // objects that the next call removes, whichever loads it names. How many bytes went.
    Result<int64_t> Drop(const std::string& source, const std::string& stream, const std::vector<int64_t>& loads);
    // Puts the manifest. kConflict if another load of that number was committed meanwhile.
    Status Commit(Manifest manifest);

  private:
    Result<std::vector<std::string>> FoldersIn(const std::string& prefix);
    std::string ManifestKey(const Manifest& manifest) const;
    // Calls `on_object` for the objects of loads from that number on, in order, until it says false.
    using OnObject = std::function<Result<bool>(const lake::ObjectInfo& object, std::string_view load)>;
    Status ForObjects(const std::string& folder, int64_t from_load, const OnObject& on_object);
    // Everything in the folders of dropped loads that no other load names.
    Result<int64_t> RemoveDropped(const StreamState& state, const std::string& folder);

    lake::Lake& lake_;
    Env& env_;
    const workspace::Homes* homes_;
    std::mutex mutex_;  // guards the cache
    std::map<std::string, std::shared_ptr<const StreamState>> cache_;  // shared with readers of the version then
};

}  // namespace tarn::connectors
