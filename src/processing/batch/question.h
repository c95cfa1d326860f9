// Questions in SQL that decide what runs: `when` of tables and jobs, `for_each` of jobs. Asked with the rights of whom
// the run is for.
#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "engine/engine.h"
#include "security/principal.h"
#include "workspace/partition.h"
#include "workspace/workspace.h"

namespace tarn::batch {

inline constexpr size_t kItemsMax = 10'000;  // of a list

struct Asked {
    engine::Engine& engine;
    const security::Principal& principal;
    std::string schema;  // what a name without one means
    CancelToken cancel;
};
// One value that is true or not; NULL and no row are not.
Result<bool> AskWhether(const Asked& asked, const std::string& sql);
// The values of one column, in the order of the rows. kInvalidArgument for a NULL, a second column, too many rows.
Result<std::vector<std::string>> AskList(const Asked& asked, const std::string& sql);

// What a question with $names reads, as "schema.name"; what is wrong with it, for its file.
Result<std::vector<std::string>> ReadsOf(engine::Engine& engine, const std::string& sql, const std::string& schema,
                                         const workspace::Parameters& parameters,
                                         const std::optional<workspace::Partition>& partition);

}  // namespace tarn::batch
