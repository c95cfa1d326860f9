// Lineage of written versions in the metadata: tables lineage_versions, lineage_inputs, lineage_columns,
 // lineage_objects.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "metadata/metadata.h"
#include "storage/catalog/catalog.h"

namespace tarn::catalog {

class LineageStore {
  public:
    static Result<LineageStore> Open(metadata::Database& database, Clock& clock);

    // Replaces what is known of that version; the oldest versions of a dataset beyond kVersionsKept go.
    // From old to new datasets, also in lineage_expected (tag_store.h).
    Status MoveNames(const std::vector<std::pair<std::string, std::string>>& datasets,
                     metadata::Transaction& transaction);
    Status Record(const LineageRecord& record);
    Result<std::optional<LineageRecord>> Of(const std::string& schema, const std::string& name,
                                            const std::string& version);

    struct Neighbour {
        std::string id;  // "schema.name"
        std::string version;
    };
    // What the newest recorded version of a dataset came from, and what names it as an input of theirs.
    Result<std::vector<Neighbour>> Inputs(const std::string& id);
    Result<std::vector<Neighbour>> Outputs(const std::string& id);
    // Columns of the newest version of `to` that come from `from`.
    Result<std::vector<LineageColumn>> ColumnsBetween(const std::string& from, const std::string& to);

    static constexpr int kVersionsKept = 100;

  private:
    LineageStore(metadata::Database& database, Clock& clock) : database_(&database), clock_(&clock) {}
    metadata::Database* database_;
    Clock* clock_;
};

}  // namespace tarn::catalog
