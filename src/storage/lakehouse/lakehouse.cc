#include "storage/lakehouse/lakehouse.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "storage/lakehouse/history.h"
#include "storage/lakehouse/retired_tables.h"
#include "storage/lakehouse/table.h"
#include "storage/lakehouse/vacuum.h"
#include "storage/lakehouse/write_operation.h"

namespace tarn::lakehouse {
namespace {

// Tries of one write when others commit in between; each runs the query again.
constexpr int kWriteTriesMax = 6;
constexpr size_t kTablesMax = 2048;  // whose states are kept

Status CheckName(const TableName& table) {
    for (const std::string* part : {&table.schema, &table.name}) {
        bool bad = part->empty() || part->find_first_of("/\\%?#\n") != std::string::npos || (*part)[0] == '_' ||
                   (*part)[0] == '.';
        if (bad) return Error(ErrorCode::kInvalidArgument, "\"{}\" can't be the name of a table", table.ToString());
    }
    return Ok();
}

class LakehouseImpl : public Lakehouse, private catalog::DatasetProvider {
  public:
    explicit LakehouseImpl(LakehouseDependencies dependencies)
        : dependencies_(dependencies),
          self_(Principal::System("lakehouse")),
          retired_(dependencies.lake, kBucket),
          checkpoints_(MakeEngineCheckpointRows(dependencies.engine)),
          commits_(dependencies.metrics.GetCounter("tarn_lakehouse_commits_total", "Commits to Delta tables")),
          conflicts_(dependencies.metrics.GetCounter("tarn_lakehouse_conflicts_total",
                                                     "Writes run again because another writer was first")),
          write_seconds_(dependencies.metrics.GetHistogram("tarn_lakehouse_write_seconds", "Time of a write")) {}

    Status Start() {
        Status made = dependencies_.lake.CreateBucket(self_, kBucket);
        if (!made.ok() && made.error().code() != ErrorCode::kAlreadyExists) return made;
        return retired_.Load();
    }

    Result<Snapshot> Open(const Principal& principal, const TableName& table, const engine::AtClause& at) override {
        TRY(Require("table:Read", principal, table));
        return *TRY(Snap(table, at));
    }
    Result<Snapshot> OpenAt(const Principal& principal, const std::string& location,
                            const engine::AtClause& at) override;
    Result<WriteResult> Write(const Principal& principal, const TableName& table, const WriteRequest& request) override;
    Status Drop(const Principal& principal, const TableName& table) override;
    Result<std::vector<catalog::DatasetVersion>> History(const Principal& principal, const TableName& table,
                                                         int limit) override {
        TRY(Require("table:Read", principal, table));
        return Versions(table.schema, table.name, limit);
    }
    Result<std::vector<TableName>> Tables(const Principal& principal) override;
    Result<int64_t> Vacuum(const Principal& principal, const TableName& table, Duration keep) override {
        TRY(Require("table:Write", principal, table));
        return VacuumTable(dependencies_, *TRY(Find(table)), keep);
    }
    Status KeepOnly(const Principal& principal, const std::vector<TableName>& tables) override;
    Result<MaintenanceReport> Maintain(const std::function<bool()>& stop) override;
    catalog::DatasetProvider& AsProvider() override { return *this; }

  private:
    // catalog::DatasetProvider
    Result<std::vector<std::string>> Schemas() override;
    Result<std::vector<catalog::Dataset>> Datasets(const std::string& schema) override;
    Result<catalog::Dataset> DatasetOf(const std::string& schema, const std::string& name) override;
    Result<engine::Relation> Find(const Principal& principal, const std::string& schema, const std::string& name,
                                  const engine::AtClause& at) override;
    Result<std::vector<catalog::DatasetVersion>> Versions(const std::string& schema, const std::string& name,
                                                          int limit) override;

    Status Require(std::string_view action, const Principal& principal, const TableName& table) {
        return security::Require(dependencies_.gate, principal, action, {"table", table.ToString()});
    }
    Result<std::shared_ptr<Table>> Find(const TableName& name);
    std::shared_ptr<Table> AtLocation(const TableLocation& location);
    Status CheckStillKept(Table& table, const Snapshot& snapshot);
    Result<std::shared_ptr<const Snapshot>> Snap(const TableName& name, const engine::AtClause& at);
    // Names of the folders below a prefix of the bucket.
    Result<std::vector<std::string>> Folders(const std::string& prefix);
    Result<std::vector<std::string>> TablesOf(const std::string& schema);
    Result<std::vector<TableName>> AllTables();
    catalog::Dataset Summary(const std::string& schema, const std::string& name);
    // "delays/flights", below the bucket.
    std::string PathOf(const TableName& table) const {
        std::string home = workspace::HomeOf(dependencies_.homes, table.ToString());
        return home.replace(home.find('.'), 1, "/");
    }
    // Whose a folder is; nothing: nobody's.
    std::optional<TableName> TableAt(const std::string& schema, const std::string& folder) const {
        std::string name = workspace::NameAt(dependencies_.homes, schema + "." + folder);
        size_t dot = name.find('.');
        if (dot == std::string::npos) return std::nullopt;
        return TableName{name.substr(0, dot), name.substr(dot + 1)};
    }
    std::map<std::string, std::string> Moved() const {
        return dependencies_.homes ? dependencies_.homes->Moved() : std::map<std::string, std::string>();
    }
    bool IsRetired(const TableName& table) const { return retired_.Contains(PathOf(table)); }
    Status CheckThere(const TableName& table) const {
        TRY(CheckName(table));
        if (!IsRetired(table)) return Ok();
        return Error(ErrorCode::kNotFound, "there is no table {}", table.ToString());
    }
    // A listing made since this value is of today.
    uint64_t Changes() const {
        uint64_t names = dependencies_.homes ? dependencies_.homes->epoch() : 0;
        return dependencies_.lake.Changes(kBucket) + retired_.changes() + names;
    }

    LakehouseDependencies dependencies_;
    Principal self_;
    RetiredTables retired_;
    std::unique_ptr<CheckpointRows> checkpoints_;
    Counter& commits_;
    Counter& conflicts_;
    Histogram& write_seconds_;
    std::mutex listing_mutex_;  // guards the two below
    struct Listing {
        uint64_t changes = 0;
        std::vector<catalog::Dataset> datasets;
    };
    std::map<std::string, Listing> listings_;  // by schema
    std::optional<std::pair<uint64_t, std::vector<std::string>>> schemas_;
    std::mutex mutex_;  // guards the two below
    // Shared with calls that use a table while it is dropped from here.
    std::unordered_map<std::string, std::shared_ptr<Table>> tables_;
    uint64_t uses_ = 0;
};

std::shared_ptr<Table> LakehouseImpl::AtLocation(const TableLocation& location) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<Table>& slot = tables_[location.ToString()];
    if (!slot) slot = std::make_shared<Table>(dependencies_, *checkpoints_, location);
    std::shared_ptr<Table> table = slot;
    table->last_used = ++uses_;
    if (tables_.size() > kTablesMax) {
        // One that nobody holds, unused for longest: its locks and running writes are not needed by anyone.
        auto oldest = tables_.end();
        for (auto entry = tables_.begin(); entry != tables_.end(); ++entry) {
            if (entry->second.use_count() > 1) continue;
            if (oldest == tables_.end() || entry->second->last_used < oldest->second->last_used) oldest = entry;
        }
        if (oldest != tables_.end()) tables_.erase(oldest);
    }
    return table;
}

Result<std::shared_ptr<Table>> LakehouseImpl::Find(const TableName& name) {
    TRY(CheckName(name));
    return AtLocation({kBucket, PathOf(name)});
}

Result<std::shared_ptr<const Snapshot>> LakehouseImpl::Snap(const TableName& name, const engine::AtClause& at) {
    TRY(CheckThere(name));
    auto table = TRY(Find(name));
    bool is_past = at.version || at.timestamp;
    auto snapshot = is_past ? table->SnapshotAt(at) : table->NewestSnapshot();
    if (snapshot.ok() && is_past) TRY(CheckStillKept(*table, **snapshot));
    if (snapshot.ok()) return snapshot;
    if (snapshot.error().code() == ErrorCode::kNotFound && !at.version && !at.timestamp) {
        return Error(ErrorCode::kNotFound, "there is no table {}", name.ToString());
    }
    return std::move(snapshot).error().Context(name.ToString());
}

// Maintain may have taken files of a version that is older than what it leaves.
Status LakehouseImpl::CheckStillKept(Table& table, const Snapshot& snapshot) {
    if (snapshot.committed_at >= dependencies_.env.clock().Now() - dependencies_.keep) return Ok();
    auto newest = TRY(table.NewestSnapshot());
    if (newest->version == snapshot.version) return Ok();
    std::set<std::string_view> there;
    for (const engine::ScanFile& file : newest->files) there.insert(file.path);
    for (const engine::ScanFile& file : snapshot.files) {
        if (there.contains(file.path)) continue;
        size_t slash = file.path.find('/');
        auto head = dependencies_.lake.Head(self_, {file.path.substr(0, slash), file.path.substr(slash + 1)});
        if (head.ok()) continue;
        if (head.error().code() != ErrorCode::kNotFound) return std::move(head).error();
        return Error(ErrorCode::kFailedPrecondition,
                     "version {} is no longer kept: files that no version of the last {} needs are "
                     "removed",
                     snapshot.version, FormatDuration(dependencies_.keep))
            .WithHint("`tables.keep` in tarn.yaml is how long they stay");
    }
    return Ok();
}

Result<Snapshot> LakehouseImpl::OpenAt(const Principal& principal, const std::string& location,
                                       const engine::AtClause& at) {
    size_t slash = location.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == location.size()) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is no location of a table: bucket/prefix is wanted",
                     location);
    }
    TableLocation place{location.substr(0, slash), location.substr(slash + 1)};
    while (place.prefix.ends_with('/')) place.prefix.pop_back();
    TRY(security::Require(dependencies_.gate, principal, "lake:GetObject",
                          {"lake", place.ToString() + "/_delta_log/"}));
    auto table = AtLocation(place);
    auto snapshot = at.version || at.timestamp ? table->SnapshotAt(at) : table->NewestSnapshot();
    return *TRY_CONTEXT(std::move(snapshot), place.ToString());
}

Result<WriteResult> LakehouseImpl::Write(const Principal& principal, const TableName& name,
                                         const WriteRequest& request) {
    TRY(Require("table:Write", principal, name));
    TRY(CheckThere(name));
    auto table = TRY(Find(name));
    Duration started = dependencies_.env.clock().Monotonic();
    for (int attempt = 1;; ++attempt) {
        auto result = WriteOperation(dependencies_, *table, name, principal, request).Run();
        if (result.ok()) {
            if (!result->skipped) commits_.Add();
            Duration took = dependencies_.env.clock().Monotonic() - started;
            write_seconds_.Observe(std::chrono::duration<double>(took).count());
            return result;
        }
        if (result.error().code() != ErrorCode::kConflict || attempt == kWriteTriesMax) {
            return std::move(result).error().Context("writing " + name.ToString());
        }
        conflicts_.Add();
        uint64_t jitter = dependencies_.env.random().Next() % 10'000;
        dependencies_.env.clock().Sleep(Duration(5'000 * attempt + static_cast<int64_t>(jitter)));
    }
}

Status LakehouseImpl::Drop(const Principal& principal, const TableName& name) {
    TRY(Require("table:Drop", principal, name));
    return DropTable(dependencies_, *TRY(Find(name)));
}

Status LakehouseImpl::KeepOnly(const Principal& principal, const std::vector<TableName>& tables) {
    std::set<std::string> wanted;
    for (const TableName& table : tables) {
        wanted.insert(table.ToString());
        if (!IsRetired(table)) continue;
        TRY(Require("table:Write", principal, table));
        TRY(retired_.Remove(PathOf(table)));
        dependencies_.log.Info("a removed table is back", {{"table", table.ToString()}});
    }
    for (const TableName& table : TRY(AllTables())) {
        if (wanted.contains(table.ToString())) continue;
        TRY(Require("table:Drop", principal, table));
        TRY(retired_.Add(PathOf(table)));
        dependencies_.log.Info("a table was removed; its files are kept for a while",
                               {{"table", table.ToString()}, {"kept", FormatDuration(dependencies_.keep)}});
    }
    return Ok();
}

Result<MaintenanceReport> LakehouseImpl::Maintain(const std::function<bool()>& stop) {
    MaintenanceReport report;
    Timestamp cutoff = dependencies_.env.clock().Now() - dependencies_.keep;
    for (const auto& [path, retired_at] : retired_.All()) {
        if (stop()) return report;
        if (retired_at >= cutoff) continue;
        size_t slash = path.find('/');
        auto table = TableAt(path.substr(0, slash), path.substr(slash + 1));
        std::string name = table ? table->ToString() : path;
        Status dropped = DropTable(dependencies_, *AtLocation({kBucket, path}));
        // A removal that was cut off has left the mark only.
        if (dropped.ok() || dropped.error().code() == ErrorCode::kNotFound) dropped = retired_.Remove(path);
        if (dropped.ok())
            report.tables_removed.push_back(name);
        else
            report.failures.push_back(name + ": " + dropped.error().message());
    }
    for (const TableName& table : TRY(AllTables())) {
        if (stop()) return report;
        auto removed = VacuumTable(dependencies_, *TRY(Find(table)), dependencies_.keep);
        if (removed.ok())
            report.files_removed += *removed;
        else
            report.failures.push_back(table.ToString() + ": " + removed.error().message());
    }
    return report;
}

Result<std::vector<std::string>> LakehouseImpl::Folders(const std::string& prefix) {
    std::vector<std::string> names;
    lake::ListOptions options;
    options.prefix = prefix;
    options.delimiter = "/";
    while (true) {
        lake::ListPage page = TRY(dependencies_.lake.List(self_, kBucket, options));
        for (const std::string& folder : page.common_prefixes) {
            std::string folder_name = folder.substr(prefix.size());
            if (folder_name.ends_with('/')) folder_name.pop_back();
            names.push_back(std::move(folder_name));
        }
        if (!page.truncated) return names;
        options.start_after = page.next_start_after;
    }
}

Result<std::vector<std::string>> LakehouseImpl::TablesOf(const std::string& schema) {
    std::set<std::string> names;
    for (const std::string& folder : TRY(Folders(schema + "/"))) {
        auto table = TableAt(schema, folder);
        if (table && table->schema == schema) names.insert(std::move(table->name));
    }
    auto moved = Moved();
    for (auto entry = moved.lower_bound(schema + "."); entry != moved.end(); ++entry) {
        if (!entry->first.starts_with(schema + ".")) break;
        names.insert(entry->first.substr(schema.size() + 1));
    }
    std::vector<std::string> tables;
    for (const std::string& name : names) {
        TableName table{schema, name};
        if (IsRetired(table)) continue;
        lake::ListOptions options;
        options.prefix = PathOf(table) + "/_delta_log/";
        options.keys_max = 1;
        if (!TRY(dependencies_.lake.List(self_, kBucket, options)).objects.empty()) tables.push_back(name);
    }
    return tables;
}

Result<std::vector<std::string>> LakehouseImpl::Schemas() {
    uint64_t changes = Changes();
    {
        std::lock_guard lock(listing_mutex_);
        if (schemas_ && schemas_->first == changes) return schemas_->second;
    }
    auto schemas = TRY(Folders(""));
    std::erase_if(schemas, [](const std::string& name) { return name.starts_with('_'); });
    std::set<std::string> known(schemas.begin(), schemas.end());
    for (const auto& [name, home] : Moved()) {
        bool is_table = !name.starts_with("raw_") && name.find(':') == std::string::npos;
        if (is_table) known.insert(name.substr(0, name.find('.')));
    }
    schemas.assign(known.begin(), known.end());
    std::lock_guard lock(listing_mutex_);
    schemas_ = {changes, schemas};
    return schemas;
}

Result<std::vector<TableName>> LakehouseImpl::AllTables() {
    std::vector<TableName> tables;
    for (const std::string& schema : TRY(Schemas())) {
        for (std::string& name : TRY(TablesOf(schema))) tables.push_back({schema, std::move(name)});
    }
    return tables;
}

Result<std::vector<TableName>> LakehouseImpl::Tables(const Principal& principal) {
    auto tables = TRY(AllTables());
    std::erase_if(tables, [&](const TableName& table) { return !Require("table:Read", principal, table).ok(); });
    return tables;
}

catalog::Dataset LakehouseImpl::Summary(const std::string& schema, const std::string& name) {
    catalog::Dataset dataset;
    dataset.schema = schema;
    dataset.name = name;
    dataset.kind = "table";
    auto snapshot = Snap({schema, name}, {});
    if (snapshot.ok()) {
        dataset.description = (*snapshot)->description;
        dataset.version = std::to_string((*snapshot)->version);
        dataset.rows = (*snapshot)->rows;
        dataset.bytes = (*snapshot)->bytes;
        dataset.updated_at = (*snapshot)->committed_at;
    } else {
        // One broken table must not hide the others; opening it says what is wrong.
        dependencies_.log.Warning("a table can't be opened",
                                  {{"table", schema + "." + name}, {"error", snapshot.error().message()}});
    }
    return dataset;
}

Result<std::vector<catalog::Dataset>> LakehouseImpl::Datasets(const std::string& schema) {
    uint64_t changes = Changes();
    {
        std::lock_guard lock(listing_mutex_);
        auto known = listings_.find(schema);
        if (known != listings_.end() && known->second.changes == changes) return known->second.datasets;
    }
    std::vector<catalog::Dataset> datasets;
    if (!CheckName({schema, "any"}).ok()) return datasets;
    for (const std::string& name : TRY(TablesOf(schema))) datasets.push_back(Summary(schema, name));
    std::lock_guard lock(listing_mutex_);
    // Anybody may ask for any schema: only those that hold something are remembered.
    if (!datasets.empty())
        listings_[schema] = {changes, datasets};
    else
        listings_.erase(schema);
    return datasets;
}

Result<catalog::Dataset> LakehouseImpl::DatasetOf(const std::string& schema, const std::string& name) {
    TableName table{schema, name};
    Error none(ErrorCode::kNotFound, "there is no table {}", table.ToString());
    if (!CheckThere(table).ok()) return none;
    auto snapshot = Snap(table, {});
    if (!snapshot.ok() && snapshot.error().code() == ErrorCode::kNotFound) return none;
    return Summary(schema, name);
}

Result<engine::Relation> LakehouseImpl::Find(const Principal&, const std::string& schema, const std::string& name,
                                             const engine::AtClause& at) {
    TableName table{schema, name};
    if (!CheckThere(table).ok()) return Error(ErrorCode::kNotFound, "there is no table {}", table.ToString());
    return ToRelation(table, *TRY(Snap(table, at)));
}

Result<std::vector<catalog::DatasetVersion>> LakehouseImpl::Versions(const std::string& schema, const std::string& name,
                                                                     int limit) {
    TRY(CheckThere({schema, name}));
    auto table = TRY(Find(TableName{schema, name}));
    std::vector<catalog::DatasetVersion> versions;
    for (const CommitHeader& header : TRY(table->NewLog().Headers(limit))) versions.push_back(ToDatasetVersion(header));
    return versions;
}

}  // namespace

Result<std::unique_ptr<Lakehouse>> Lakehouse::Create(LakehouseDependencies dependencies) {
    auto lakehouse = std::make_unique<LakehouseImpl>(dependencies);
    TRY(lakehouse->Start());
    return std::unique_ptr<Lakehouse>(std::move(lakehouse));
}

}  // namespace tarn::lakehouse
