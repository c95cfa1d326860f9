// The component's HTTP operations.
#pragma once

#include <vector>

#include "ingestion/connectors/connectors.h"

namespace tarn::connectors {

std::vector<security::Route> SourceRoutes(Connectors& connectors);

}  // namespace tarn::connectors
