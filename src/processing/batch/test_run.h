// Runs tests of tables before they are applied: with rows of their own, and their checks on a sample of what there is.
#pragma once

#include <vector>

#include "processing/batch/batch.h"
#include "workspace/workspace.h"

namespace tarn::batch {

// Every test of every *.test.yaml, over the definitions of `all`. Reads no stored data.
Result<std::vector<workspace::TestResult>> RunTableTests(BatchDependencies& dependencies,
                                                         const security::Principal& principal,
                                                         const std::vector<workspace::Definition>& all,
                                                         const workspace::TestOptions& options);

// Every table's SELECT over the data that is there, as `principal` sees it, and its checks on the first sample_rows
// rows of the result. Skipped where an input has no data yet.
Result<std::vector<workspace::TestResult>> RunSamples(BatchDependencies& dependencies,
                                                      const security::Principal& principal,
                                                      const std::vector<workspace::Definition>& all,
                                                      const workspace::TestOptions& options);

}  // namespace tarn::batch
