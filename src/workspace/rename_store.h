// What the workspace remembers of renames: where what moved is at home, and what was called how. Internal.
#pragma once

#include <map>
#include <set>
#include <string>

#include "metadata/metadata.h"
#include "workspace/homes.h"
#include "workspace/rename.h"

namespace tarn::workspace {

struct StoredRenames {
    std::map<std::string, std::string> homes;  // only of names that are not at home under themselves
    RenamedNames renamed;
    std::set<std::pair<KindAndName, std::string>> done;  // what is there, and from which name it came
};
Result<StoredRenames> LoadRenames(metadata::Database& database);

// The homes after the renames.
std::map<std::string, std::string> HomesAfter(const Homes& homes, const Renames& renames);
Status StoreRenames(metadata::Transaction& transaction, const Renames& renames,
                    const std::map<std::string, std::string>& homes, const std::string& by, const std::string& at);

}  // namespace tarn::workspace
