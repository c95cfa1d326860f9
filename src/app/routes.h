// The web listener's routes: every component's, and the program's own (overview, events, workspace, the UI's files).
#pragma once

#include "base/env.h"

namespace tarn::app {

struct Components;
void AddRoutes(Components& parts, Env& env);

}  // namespace tarn::app
