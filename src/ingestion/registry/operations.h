// The routes of the registry. Internal to the component.
#pragma once

#include <vector>

#include "ingestion/registry/service.h"

namespace tarn::registry {

std::vector<security::Route> RegistryRoutes(Service& service);

}  // namespace tarn::registry
