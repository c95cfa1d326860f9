// All tiles of a dashboard in one answer, a line of JSON each, in the order in which they are ready. Internal to the
// component.
//
// Does: has each tile asked for as if it had come alone: by the same person, decided, limited and recorded by itself.
#pragma once

#include "analysis/dashboards/dashboards.h"
#include "base/http.h"

namespace tarn::dashboards {

// `serve` answers a request as the HTTP server would.
Result<HttpResponse> AnswerAllTiles(security::HttpCall& call, const DashboardDefinition& dashboard,
                                    const HttpServe& serve);

}  // namespace tarn::dashboards
