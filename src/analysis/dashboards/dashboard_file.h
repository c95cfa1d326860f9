// The file of a dashboard: YAML into a DashboardDefinition. Internal to the component.
#pragma once

#include "analysis/dashboards/dashboards.h"

namespace tarn::dashboards {

// definition.value becomes a DashboardDefinition, as good as the text allows; what is wrong is in `issues`.
void ParseDashboardFile(engine::Engine& engine, workspace::Definition& definition, workspace::Issues& issues);
std::vector<ConfigKeyDoc> DashboardKeys();
// A GeoJSON file of a use case: a FeatureCollection. definition.value becomes nothing: its text is what counts.
void ParseShapes(workspace::Definition& definition, workspace::Issues& issues);
// Empty, or what is wrong with a number format.
std::string WrongFormat(std::string_view format);

}  // namespace tarn::dashboards
