// What applying a folder would change, what that computes anew, and what it costs.
#pragma once

#include "app/platform_state.h"

namespace tarn::app {

Json IssuesJson(const workspace::Issues& issues);

// {steps: [{change, kind, name, file, note?}], issues}.
Json ChangesJson(const Components& parts, const workspace::Plan& plan, const workspace::LoadedWorkspace& loaded);

// The changes and what they cost: {steps, issues, runs: [{task, why, rows, bytes, seconds}], runs_total: {tasks, rows,
// bytes, seconds, unknown}}. rows and bytes are those that a run reads as they are now, seconds those of its last
// run; a run that nothing is known of counts as unknown. Only what the principal may know of.
Result<Json> PlanOf(Components& parts, const security::Principal& principal, const workspace::LoadedWorkspace& loaded);

}  // namespace tarn::app
