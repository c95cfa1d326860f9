// Status: one page for the people who work with a platform: is it well, what fails, what is late, what fires, what
 // runs.
#pragma once

#include "base/env.h"
#include "security/router.h"

namespace tarn::app {

struct Components;

// GET /api/v1/status. Open to whoever is logged in; each section holds what its asker may see: the program's own
// (components, memory, disk, backup) by monitoring:Read, runs by run:Read, alerts by alert:Read. It answers when parts
// are down: a section that cannot be read is named under "unreadable". `started`: the clock's Monotonic at the start.
security::Route StatusRoute(Components& parts, Env& env, Duration started);

}  // namespace tarn::app
