// The web listener's routes: every component's, and the program's own (overview, events, workspace, the UI's files).
#pragma once

#include "base/env.h"
#include "base/json.h"

namespace tarn::app {

struct Components;
void AddRoutes(Components& parts, Env& env);
// Every kind of file with its keys, as the code reads them.
Json ReferenceJson(Components& parts);

}  // namespace tarn::app
