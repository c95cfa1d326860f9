// What the rows say, for people and programs: the list of operations and an OpenAPI document, generated.
#pragma once

#include <vector>

#include "base/json.h"
#include "security/operation.h"
#include "security/router.h"

namespace tarn::security {

// One object a row: protocol, name, action, resource, audit class, limits.
Json DescribeOperations(const OperationRegistry& registry);
// OpenAPI 3.1 of the rows of protocol "http".
Json DescribeOpenApi(const OperationRegistry& registry);

// GET /api/v1/operations and GET /api/v1/openapi.json, for anybody who is logged in.
std::vector<Route> OperationDocRoutes(const OperationRegistry& registry);

}  // namespace tarn::security
