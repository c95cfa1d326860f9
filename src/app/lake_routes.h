// The lake over the HTTP API, for the command line and the UI: the same doors as S3, with the person's own login.
#pragma once

#include <vector>

#include "security/router.h"
#include "storage/lake/lake.h"

namespace tarn::app {

// GET /api/v1/lake, GET /api/v1/lake/{bucket}, GET, PUT and DELETE /api/v1/lake/{bucket}/{key...}.
std::vector<security::Route> LakeRoutes(lake::Lake& lake);

}  // namespace tarn::app
