// `tarn test`: the folder proven before it is applied. What the kinds' own tests need of components that are made
 // later.
#pragma once

#include "app/platform_state.h"

namespace tarn::app {

identity::PolicyTestSupport MakePolicyTestSupport(Components& parts);
// What the renames would open.
void CheckRenames(Components& parts, const workspace::LoadedWorkspace& loaded, workspace::Issues& issues);

// POST /api/v1/workspace/test: {pattern?, sample_rows?, ref?} -> {passed, failed, skipped, results}.
Result<HttpResponse> TestWorkspace(Components& parts, Env& env, security::HttpCall& call);

}  // namespace tarn::app
