// The file of a dashboard: YAML into a DashboardDefinition. Internal to the component.
#pragma once

#include "analysis/dashboards/dashboards.h"

namespace tarn::dashboards {

void ParseDashboardFile(engine::Engine& engine, workspace::Definition& definition, workspace::Issues& issues);
std::vector<ConfigKeyDoc> DashboardKeys();

}  // namespace tarn::dashboards
