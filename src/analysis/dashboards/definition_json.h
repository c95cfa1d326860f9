// A dashboard's definition as the API tells it. Internal to the component.
#pragma once

#include "analysis/dashboards/dashboards.h"

namespace tarn::dashboards {

Json TileJson(const DashboardDefinition& dashboard, size_t index);
Json SummaryJson(const DashboardDefinition& dashboard);
Json IssuesJson(const workspace::Issues& issues);

}  // namespace tarn::dashboards
