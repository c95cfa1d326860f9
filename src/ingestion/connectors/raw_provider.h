// The datasets raw_<source>.<stream>: views over what committed loads name. Internal to the component.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ingestion/connectors/load_store.h"
#include "storage/catalog/catalog.h"

namespace tarn::connectors {

class RawProvider : public catalog::DatasetProvider {
  public:
    using Definitions = std::function<std::vector<SourceDefinition>()>;
    RawProvider(LoadStore& loads, Definitions definitions) : loads_(loads), definitions_(std::move(definitions)) {}

    Result<std::vector<std::string>> Schemas() override;
    Result<std::vector<catalog::Dataset>> Datasets(const std::string& schema) override;
    Result<engine::Relation> Find(const security::Principal& principal, const std::string& schema,
                                  const std::string& name, const engine::AtClause& at) override;
    Result<std::vector<catalog::DatasetVersion>> Versions(const std::string& schema, const std::string& name,
                                                          int limit) override;

  private:
    bool IsDefined(const std::string& source, const std::string& stream) const;
    LoadStore& loads_;
    Definitions definitions_;
};

// The objects that a version shows, each with its load.
struct LiveObject {
    const LoadObject* object = nullptr;
    const Manifest* load = nullptr;
};
std::vector<LiveObject> LiveObjects(const StreamState& state, int64_t load);
// The load that a version shows: itself, or if it is in quarantine the last one before that is not.
const Manifest& ShownLoad(const StreamState& state, int64_t load);
// The view over them.
engine::TrustedView ViewOf(const StreamState& state, int64_t load);
// A column of the source that is called as one of ours gets another name.
std::string ShownName(const std::string& column);
// The columns that the view has, with _load, _loaded_at and _origin.
std::vector<engine::Column> ViewColumns(const Manifest& manifest);
// Whether its stream is asked for once for each record of another.
bool IsNested(const Manifest& manifest);

}  // namespace tarn::connectors
