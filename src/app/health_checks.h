// What /health asks of each component that has state: cheap, and by the way that its work goes.
#pragma once

#include "base/env.h"

namespace tarn::app {

struct Components;

// Once all components are there. The checks end with parts.monitoring.
void AddHealthChecks(Components& parts, Env& env);

}  // namespace tarn::app
