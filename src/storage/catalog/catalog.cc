#include "storage/catalog/catalog.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <utility>

#include "base/text.h"
#include "security/hidden.h"
#include "storage/catalog/lineage_store.h"
#include "storage/catalog/search.h"
#include "storage/catalog/tag_store.h"

namespace tarn::catalog {
namespace {

constexpr int kDepthMax = 20;
constexpr size_t kNodesMax = 500;

Error NoTable(const std::string& schema, const std::string& name, const std::string& renamed = {}) {
    return Error(ErrorCode::kNotFound, "there is no table {}.{} that you may read{}", schema, name, renamed)
        .WithDetailCode(std::string(security::kHiddenDetailCode));
}

// The same words; the code is for the audit log, which calls it a denial (security/hidden.h).
Error Hidden(const std::string& schema, const std::string& name, const std::string& renamed = {}) {
    return Error(ErrorCode::kPermissionDenied, "there is no table {}.{} that you may read{}", schema, name, renamed)
        .WithDetailCode(std::string(security::kHiddenDetailCode));
}

class CatalogImpl : public Catalog {
  public:
    CatalogImpl(CatalogDependencies dependencies, LineageStore lineage, std::unique_ptr<TagStore> tags)
        : dependencies_(dependencies), lineage_(std::move(lineage)), tags_(std::move(tags)) {}

    void AddProvider(DatasetProvider& provider) override {
        std::unique_lock lock(mutex_);
        providers_.push_back(&provider);
    }

    void SetServingCache(ServingCache& cache) override { cache_ = &cache; }
    std::optional<CacheInfo> CacheOf(const Principal& principal, const std::string& schema,
                                     const std::string& name) override {
        ServingCache* cache = cache_;
        Sight sight = SightOf(principal, schema + "." + name);
        if (cache == nullptr || sight == Sight::kNothing) return std::nullopt;
        auto info = cache->InfoOf(schema, name);
        if (info && sight == Sight::kNoCounts) info->rows = info->bytes = -1;
        return info;
    }

    void SetAnnotations(std::map<std::string, Annotation> annotations) override {
        tags_->Declare(annotations);
        std::unique_lock lock(mutex_);
        annotations_ = std::move(annotations);
    }

    // security::TableFacts
    security::TableTags TagsOf(const std::string& table) const override { return tags_->Of(table); }
    std::string TableOfObject(std::string_view object) const override;
    uint64_t facts_epoch() const override { return tags_->epoch() + NamesEpoch(); }
    bool IsBeingRenamed(const std::string& table) const override {
        return dependencies_.homes && dependencies_.homes->IsMoving(table);
    }

    // engine::RelationSource
    Result<engine::Relation> Find(const Principal& principal, const std::string& schema, const std::string& name,
                                  const engine::AtClause& at) override;
    Result<std::vector<std::string>> Schemas(const Principal& principal) override;
    Result<std::vector<engine::RelationSummary>> Relations(const Principal& principal,
                                                           const std::string& schema) override;

    Result<std::vector<Dataset>> List(const Principal& principal) override;
    Result<Dataset> Describe(const Principal& principal, const std::string& schema, const std::string& name) override;
    Result<std::vector<DatasetVersion>> Versions(const Principal& principal, const std::string& schema,
                                                 const std::string& name, int limit) override;
    Result<std::vector<Dataset>> Search(const Principal& principal, const std::string& text, int limit) override;
    Status MoveNames(const workspace::Renames& renames, metadata::Transaction& transaction) override {
        return lineage_.MoveNames(workspace::NewNames(renames).Datasets(), transaction);
    }
    Status NamesMoved() override { return tags_->Load(); }
    Status RecordLineage(const LineageRecord& record) override {
        TRY(ExpectColumns(record.schema, record.name, record.columns));
        return lineage_.Record(record);
    }
    Status ExpectColumns(const std::string& schema, const std::string& name,
                         const std::vector<LineageColumn>& columns) override {
        return tags_->Expect(schema + "." + name, columns);
    }
    Result<LineageGraph> Lineage(const Principal& principal, const std::string& schema, const std::string& name,
                                 int depth) override;
    Result<std::optional<LineageRecord>> LineageOf(const Principal& principal, const std::string& schema,
                                                   const std::string& name, const std::string& version) override;

  private:
    std::vector<DatasetProvider*> Providers() const {
        std::shared_lock lock(mutex_);
        return providers_;
    }
    uint64_t NamesEpoch() const { return dependencies_.homes ? dependencies_.homes->epoch() : 0; }
    // While names move, the policies of one name and the data of another could come together.
    bool IsClosed(const Principal& principal, const std::string& id) const {
        return principal.kind != security::PrincipalKind::kSystem && IsBeingRenamed(id);
    }
    security::Decision MayRead(const Principal& principal, const std::string& id) const {
        if (IsClosed(principal, id)) return {.allowed = false, .reason = "it is being renamed"};
        return dependencies_.gate.Decide(principal, "table:Read", {"table", id});
    }
    // "; it was renamed to delays.flights", to those who may see that.
    std::string RenamedNote(const Principal& principal, const std::string& id) const {
        if (!dependencies_.homes) return {};
        bool raw = id.starts_with("raw_");
        std::string renamed = dependencies_.homes->RenamedTo(raw ? "stream" : "table", raw ? id.substr(4) : id);
        if (renamed.empty()) return {};
        if (raw) renamed = "raw_" + renamed;
        return MaySee(principal, renamed) ? "; it was renamed to " + renamed : std::string();
    }
    // What may be told of a dataset. Where rows are hidden, how many there are is not told.
    enum class Sight { kNothing, kNoCounts, kAll };
    // To know of it: table:Describe, or the right to read it.
    Sight SightOf(const Principal& principal, const std::string& id) const {
        security::Decision read = MayRead(principal, id);
        if (read.allowed) return read.obligations.row_filter.empty() ? Sight::kAll : Sight::kNoCounts;
        if (IsClosed(principal, id)) return Sight::kNothing;
        bool known = dependencies_.gate.Decide(principal, "table:Describe", {"table", id}).allowed;
        return known ? Sight::kAll : Sight::kNothing;
    }
    bool MaySee(const Principal& principal, const std::string& id) const {
        return SightOf(principal, id) != Sight::kNothing;
    }
    Result<std::vector<Dataset>> VisibleIn(DatasetProvider& provider, const Principal& principal,
                                           const std::string& schema) const;
    std::string KindOf(const std::string& id) const;
    // Adds what the workspace says where the owner of the data said nothing.
    void Annotate(Dataset& dataset) const;

    CatalogDependencies dependencies_;
    LineageStore lineage_;
    std::unique_ptr<TagStore> tags_;
    mutable std::shared_mutex mutex_;
    std::map<std::string, Annotation> annotations_;
    std::atomic<ServingCache*> cache_{nullptr};
    std::vector<DatasetProvider*> providers_;  // owned by their components, which outlive the catalog's calls
};

Result<engine::Relation> CatalogImpl::Find(const Principal& principal, const std::string& schema,
                                           const std::string& name, const engine::AtClause& at) {
    // What is hidden and what is not there is the same to who asks.
    std::string id = schema + "." + name;
    uint64_t names = NamesEpoch();
    security::Decision decision = MayRead(principal, id);
    if (!decision.allowed) return Hidden(schema, name, RenamedNote(principal, id));
    for (DatasetProvider* provider : Providers()) {
        auto relation = provider->Find(principal, schema, name, at);
        if (relation.ok()) {
            // The name may stand for other data since: then what was decided is of no use.
            if (NamesEpoch() != names) decision = MayRead(principal, id);
            if (!decision.allowed) return Hidden(schema, name);
            // Whichever files are read, the gate's word of now counts for them.
            if (ServingCache* cache = cache_) cache->Serve(*relation);
            relation->obligations = std::move(decision.obligations);
            return relation;
        }
        if (relation.error().code() != ErrorCode::kNotFound) return relation;
        // With AT the table may be there, and the version not: that is worth saying.
        bool asks_for_version = at.version || at.timestamp;
        if (asks_for_version && provider->Find(principal, schema, name, {}).ok()) {
            return std::move(relation).error().Context(schema + "." + name);
        }
    }
    return NoTable(schema, name, RenamedNote(principal, id));
}

// The lakehouse and the raw zone keep each dataset's files in a folder of its own: bucket/schema/name/.
std::string CatalogImpl::TableOfObject(std::string_view object) const {
    size_t bucket = object.find('/');
    size_t schema = bucket == std::string_view::npos ? bucket : object.find('/', bucket + 1);
    size_t name = schema == std::string_view::npos ? schema : object.find('/', schema + 1);
    if (name == std::string_view::npos) return {};
    std::string table = fmt::format("{}.{}", object.substr(bucket + 1, schema - bucket - 1),
                                    object.substr(schema + 1, name - schema - 1));
    if (object.starts_with("raw/")) return workspace::NameAt(dependencies_.homes, "raw_" + table);
    return object.starts_with("lakehouse/") ? workspace::NameAt(dependencies_.homes, table) : std::string();
}

Result<std::vector<Dataset>> CatalogImpl::VisibleIn(DatasetProvider& provider, const Principal& principal,
                                                    const std::string& schema) const {
    std::vector<Dataset> visible;
    for (Dataset& dataset : TRY(provider.Datasets(schema))) {
        Sight sight = SightOf(principal, dataset.schema + "." + dataset.name);
        if (sight == Sight::kNothing) continue;
        Annotate(dataset);
        if (sight == Sight::kNoCounts) dataset.rows = dataset.bytes = -1;
        visible.push_back(std::move(dataset));
    }
    return visible;
}

void CatalogImpl::Annotate(Dataset& dataset) const {
    std::shared_lock lock(mutex_);
    auto found = annotations_.find(dataset.schema + "." + dataset.name);
    if (found == annotations_.end()) return;
    const Annotation& annotation = found->second;
    if (dataset.description.empty()) dataset.description = annotation.description;
    if (dataset.owner.empty()) dataset.owner = annotation.owner;
    if (dataset.tags.empty()) dataset.tags = annotation.tags;
    if (dataset.defined_in.empty()) dataset.defined_in = annotation.defined_in;
    dataset.sql = annotation.sql;
}

Result<std::vector<Dataset>> CatalogImpl::List(const Principal& principal) {
    std::map<std::string, Dataset> datasets;  // by id: sorted, and the first provider's word counts
    for (DatasetProvider* provider : Providers()) {
        for (const std::string& schema : TRY(provider->Schemas())) {
            for (Dataset& dataset : TRY(VisibleIn(*provider, principal, schema))) {
                datasets.emplace(dataset.schema + "." + dataset.name, std::move(dataset));
            }
        }
    }
    std::vector<Dataset> list;
    for (auto& [id, dataset] : datasets) list.push_back(std::move(dataset));
    return list;
}

Result<std::vector<std::string>> CatalogImpl::Schemas(const Principal& principal) {
    std::set<std::string> schemas;
    for (DatasetProvider* provider : Providers()) {
        for (const std::string& schema : TRY(provider->Schemas())) {
            if (schemas.contains(schema)) continue;
            if (!TRY(VisibleIn(*provider, principal, schema)).empty()) schemas.insert(schema);
        }
    }
    return std::vector<std::string>(schemas.begin(), schemas.end());
}

Result<std::vector<engine::RelationSummary>> CatalogImpl::Relations(const Principal& principal,
                                                                    const std::string& schema) {
    std::map<std::string, engine::RelationSummary> relations;
    for (DatasetProvider* provider : Providers()) {
        for (Dataset& dataset : TRY(VisibleIn(*provider, principal, schema))) {
            relations.emplace(dataset.name, engine::RelationSummary{dataset.schema, dataset.name, dataset.description});
        }
    }
    std::vector<engine::RelationSummary> list;
    for (auto& [name, relation] : relations) list.push_back(std::move(relation));
    return list;
}

Result<Dataset> CatalogImpl::Describe(const Principal& principal, const std::string& schema, const std::string& name) {
    std::string id = schema + "." + name;
    Sight sight = SightOf(principal, id);
    if (sight == Sight::kNothing) return Hidden(schema, name, RenamedNote(principal, id));
    for (DatasetProvider* provider : Providers()) {
        auto dataset = provider->DatasetOf(schema, name);
        if (!dataset.ok() && dataset.error().code() == ErrorCode::kNotFound) continue;
        if (dataset.ok()) Annotate(*dataset);
        if (dataset.ok() && sight == Sight::kNoCounts) dataset->rows = dataset->bytes = -1;
        return dataset;
    }
    return NoTable(schema, name, RenamedNote(principal, id));
}

Result<std::vector<DatasetVersion>> CatalogImpl::Versions(const Principal& principal, const std::string& schema,
                                                          const std::string& name, int limit) {
    std::string id = schema + "." + name;
    Sight sight = SightOf(principal, id);
    if (sight == Sight::kNothing) return Hidden(schema, name, RenamedNote(principal, id));
    for (DatasetProvider* provider : Providers()) {
        auto versions = provider->Versions(schema, name, limit);
        if (!versions.ok() && versions.error().code() == ErrorCode::kNotFound) continue;
        // No versions: one that is not loaded yet, or none that this provider has.
        if (versions.ok() && versions->empty() && !provider->DatasetOf(schema, name).ok()) continue;
        if (versions.ok() && sight == Sight::kNoCounts) {
            for (DatasetVersion& version : *versions) {
                version.rows = version.rows_added = version.bytes = -1;
                version.details = Json();
            }
        }
        return versions;
    }
    return NoTable(schema, name, RenamedNote(principal, id));
}

Result<std::vector<Dataset>> CatalogImpl::Search(const Principal& principal, const std::string& text, int limit) {
    std::vector<std::string> words = SearchWords(text);
    std::vector<std::pair<int, Dataset>> found;
    for (Dataset& dataset : TRY(List(principal))) {
        std::vector<engine::Column> columns;
        auto relation = Find(principal, dataset.schema, dataset.name, {});
        if (relation.ok()) columns = std::move(relation->columns);
        int score = SearchScore(words, dataset, columns);
        if (score > 0 || words.empty()) found.emplace_back(score, std::move(dataset));
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& left, const auto& right) { return left.first > right.first; });
    std::vector<Dataset> datasets;
    for (auto& [score, dataset] : found) {
        if (static_cast<int>(datasets.size()) < limit) datasets.push_back(std::move(dataset));
    }
    return datasets;
}

std::string CatalogImpl::KindOf(const std::string& id) const {
    std::string schema = id.substr(0, id.find('.'));
    return schema.starts_with("raw_") ? "raw" : schema == "system" ? "system" : schema == "topic" ? "topic" : "table";
}

Result<LineageGraph> CatalogImpl::Lineage(const Principal& principal, const std::string& schema,
                                          const std::string& name, int depth) {
    std::string start = schema + "." + name;
    if (!MaySee(principal, start)) return Hidden(schema, name);
    auto dataset = TRY(Describe(principal, schema, name));
    LineageGraph graph;
    graph.nodes.push_back({start, dataset.kind.empty() ? KindOf(start) : dataset.kind, dataset.version});
    std::set<std::string> known = {start};
    std::set<std::pair<std::string, std::string>> edges;
    // Upstream and downstream apart: from an input's other outputs there is no way back to the start.
    for (bool upstream : {true, false}) {
        std::vector<std::string> front = {start};
        for (int step = 0; step < std::clamp(depth, 0, kDepthMax) && !front.empty(); ++step) {
            std::vector<std::string> next;
            for (const std::string& id : front) {
                for (auto& neighbour : TRY(upstream ? lineage_.Inputs(id) : lineage_.Outputs(id))) {
                    if (!MaySee(principal, neighbour.id) || graph.nodes.size() >= kNodesMax) continue;
                    auto edge = upstream ? std::pair(neighbour.id, id) : std::pair(id, neighbour.id);
                    if (edges.insert(edge).second) {
                        graph.edges.push_back(
                            {edge.first, edge.second, TRY(lineage_.ColumnsBetween(edge.first, edge.second))});
                    }
                    if (!known.insert(neighbour.id).second) continue;
                    graph.nodes.push_back({neighbour.id, KindOf(neighbour.id), neighbour.version});
                    next.push_back(neighbour.id);
                }
            }
            front = std::move(next);
        }
    }
    return graph;
}

Result<std::optional<LineageRecord>> CatalogImpl::LineageOf(const Principal& principal, const std::string& schema,
                                                            const std::string& name, const std::string& version) {
    if (!MaySee(principal, schema + "." + name)) return Hidden(schema, name);
    auto record = TRY(lineage_.Of(schema, name, version));
    if (!record) return record;
    auto is_hidden = [&](const std::string& input_schema, const std::string& input_name) {
        return !MaySee(principal, input_schema + "." + input_name);
    };
    std::erase_if(record->inputs, [&](const LineageInput& input) { return is_hidden(input.schema, input.name); });
    std::erase_if(record->columns,
                  [&](const LineageColumn& column) { return is_hidden(column.input_schema, column.input_name); });
    return record;
}

}  // namespace

Result<Dataset> DatasetProvider::DatasetOf(const std::string& schema, const std::string& name) {
    for (Dataset& dataset : TRY(Datasets(schema))) {
        if (dataset.schema == schema && dataset.name == name) return std::move(dataset);
    }
    return NoTable(schema, name);
}

Result<std::unique_ptr<Catalog>> Catalog::Create(CatalogDependencies dependencies) {
    LineageStore lineage = TRY(LineageStore::Open(dependencies.metadata, dependencies.env.clock()));
    auto tags = TRY(TagStore::Open(dependencies.metadata));  // after the lineage, whose table it reads
    return std::unique_ptr<Catalog>(std::make_unique<CatalogImpl>(dependencies, std::move(lineage), std::move(tags)));
}

}  // namespace tarn::catalog
